/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random drivers, good and bad, on all virtio devices while another thread flips bytes of their rings,
 * descriptors and headers. Usage: test_dev_virtio_rings [--count N] [--seed N]
 *
 * The devices have to stay within bounds that hold whatever the rings say, saved states have to load, and
 * after each session a reset has to bring back a device that works. Sanitizers see the rest: guest memory is
 * an allocation of its own.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "test_dev_virtio.h"

#define RINGS_GPA   (RAM_GPA + 0x1000)
#define RINGS_BYTES 0x10000u /* queues and the start of the buffers */
#define SESSION_OPS 400u

static uint64_t seed = 1;

static uint64_t random_next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t below(uint64_t *s, uint64_t n)
{
	return random_next(s) % n;
}

/** The thread that flips bytes. It holds the lock while it does, so that a session can end. */
struct flipper {
	pthread_mutex_t lock;
	_Atomic(uint8_t *) target;
	atomic_bool is_over;
	atomic_uint pause; /* turns to wait between flips */
	uint64_t flips;
	uint64_t random;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;

	while (!atomic_load(&f->is_over)) {
		unsigned int turns = atomic_load(&f->pause);
		uint8_t *p;

		pthread_mutex_lock(&f->lock);
		p = atomic_load(&f->target);
		if (p) {
			p += below(&f->random, RINGS_BYTES);
			__atomic_fetch_xor(p, (uint8_t)(1u << below(&f->random, 8)),
					   __ATOMIC_RELAXED);
			f->flips++;
		}
		pthread_mutex_unlock(&f->lock);
		for (volatile unsigned int i = 0; i < turns; i++) {
			continue;
		}
	}
	return NULL;
}

struct totals {
	uint64_t ops, broken, served, sessions, states;
};

static gpa_t any_gpa(uint64_t *s)
{
	switch (below(s, 16)) {
	case 0:
		return random_next(s);
	case 1:
		return RAM_GPA + RAM_BYTES - below(s, 64);
	case 2:
		return ROM_GPA + below(s, 64);
	case 3:
		return RINGS_GPA + below(s, RINGS_BYTES);
	default:
		return BUF_GPA + 0x1000 + below(s, RAM_BYTES - 0x20000);
	}
}

static uint32_t any_len(uint64_t *s)
{
	switch (below(s, 32)) {
	case 0:
		return (uint32_t)random_next(s);
	case 1:
		return 0;
	case 2:
		return (uint32_t)below(s, 0x40000);
	default:
		return (uint32_t)below(s, 2048);
	}
}

/* A chain of 1 to 4 descriptors from head on, mostly as a driver would make it. */
static void chain_make(struct rig *r, uint64_t *s, unsigned int queue, unsigned int head)
{
	const struct ring *q = &r->q[queue];
	unsigned int n = 1 + (unsigned int)below(s, 4);
	bool is_out = r->kind != RNG && queue == 1;
	unsigned int first_in = is_out ? n : 0;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int idx = (head + i) % q->size;
		unsigned int flags = i + 1 < n ? D_NEXT : 0;
		gpa_t gpa = any_gpa(s);
		uint32_t len = any_len(s);

		flags |= i >= first_in ? D_WRITE : 0;
		if (!below(s, 64)) {
			flags = (unsigned int)random_next(s);
		}
		if (!below(s, 32)) {
			flags |= D_INDIRECT;
			len &= ~15u;
		}
		desc_put(r, q->desc, idx, gpa, len, flags,
			 below(s, 64) ? (idx + 1) % q->size : (unsigned int)random_next(s));
	}
}

static void blk_make(struct rig *r, uint64_t *s, unsigned int head)
{
	static const uint32_t types[] = { 0, 0, 0, 1, 1, 4, 8, 11, 13, 77 };
	const struct ring *q = &r->q[0];
	uint32_t type = types[below(s, ARRAY_SIZE(types))];
	gpa_t header = BUF_GPA + 32 * (head % 64);
	unsigned int data = (head + 1) % q->size;
	unsigned int status = (head + 2) % q->size;
	uint32_t len = (uint32_t)(512 * below(s, below(s, 8) ? 16 : 800));
	bool is_in = type == 0 || type == 8;

	if (type == 11 || type == 13) {
		len = 16;
	}
	store_le(gpa_ptr(r, header), type, 4);
	store_le(gpa_ptr(r, header + 8), below(s, DISK_SECTORS + 8), 8);
	desc_put(r, q->desc, head, header, 16, D_NEXT, data);
	desc_put(r, q->desc, data, below(s, 16) ? BUF_GPA + 0x1000 : any_gpa(s), len,
		 D_NEXT | (is_in ? D_WRITE : 0), status);
	desc_put(r, q->desc, status, header + 20, 1, D_WRITE, 0);
}

static void offer_something(struct rig *r, uint64_t *s, struct totals *t)
{
	unsigned int queue = (unsigned int)below(s, r->v->ops->n_queues);
	unsigned int n = 1 + (unsigned int)below(s, below(s, 4) ? 3 : r->q[queue].size);

	for (unsigned int i = 0; i < n; i++) {
		unsigned int head = (unsigned int)below(s, r->q[queue].size);

		if (r->kind == BLK && below(s, 4)) {
			blk_make(r, s, head);
		} else {
			chain_make(r, s, queue, head);
		}
		avail_put(r, queue, (uint16_t)(below(s, 256) ? head : random_next(s)));
		t->ops++;
	}
	kick(r, queue);
	t->ops++;
}

static void registers_abuse(struct rig *r, uint64_t *s)
{
	static const uint8_t widths[] = { 1, 2, 4, 4, 4, 8 };
	struct dev_access a = { .offset = below(s, 16) ? below(s, 0x120) : below(s, 0x1000),
				.bytes = widths[below(s, ARRAY_SIZE(widths))],
				.count = 1,
				.value = below(s, 2) ? below(s, 16) : random_next(s),
				.is_write = below(s, 2) };

	a.offset = below(s, 8) ? a.offset & ~3ULL : a.offset;
	CHECK_INT(virtio_mmio_ops.access(r->t, &a), DEV_OK);
}

static void state_round_trip(struct rig *r, struct totals *t)
{
	uint8_t a[1024];
	uint8_t b[1024];

	virtio_mmio_ops.save(r->t, a);
	CHECK_INT(virtio_mmio_ops.load(r->t, a, NULL), 0);
	virtio_mmio_ops.save(r->t, b);
	CHECK(memcmp(a, b, virtio_mmio_ops.state_bytes) == 0);
	t->states++;
}

/* What holds whatever the rings say. */
static void bounds_check(struct rig *r)
{
	unsigned int most = r->kind == BLK ? BLK_REQUESTS_MAX : 0;

	CHECK(r->n_held <= BLK_REQUESTS_MAX);
	for (unsigned int i = 0; i < r->v->ops->n_queues; i++) {
		const struct virtqueue *q = &r->v->queues[i];

		if (!r->v->why_broken && q->is_ready) {
			CHECK((uint16_t)(q->avail_idx - q->used_idx) <= most);
		}
	}
	CHECK_INT(r->line.level, rd(r, R_INT_STATUS) != 0);
	CHECK_INT(is_broken(r), r->v->why_broken != NULL);
}

static void step(struct rig *r, uint64_t *s, struct totals *t)
{
	uint8_t frame[2048] = { 0 };

	switch (below(s, 12)) {
	case 0:
		if (!below(s, 8)) {
			registers_abuse(r, s);
		}
		break;
	case 1:
		virtio_poll(r->v);
		t->ops++;
		break;
	case 2:
		r->fake.in = "typed by somebody";
		virtio_poll(r->v);
		break;
	case 3:
		if (r->net) {
			virtio_net_receive(r->net, frame, 14 + below(s, sizeof(frame) - 14));
			t->ops++;
		}
		break;
	case 4:
	case 5:
		while (r->n_held && below(s, 4)) {
			rig_complete(r, (unsigned int)below(s, r->n_held));
			t->ops++;
		}
		break;
	case 6:
		wr(r, R_INT_ACK, below(s, 4));
		break;
	case 7:
		if (!below(s, 8)) {
			state_round_trip(r, t);
		}
		break;
	default:
		offer_something(r, s, t);
		break;
	}
	bounds_check(r);
}

/* One device, one driver, until enough was done or it has had enough of being broken. */
static void session(struct flipper *f, uint64_t *s, struct totals *t)
{
	static const unsigned int pauses[] = { 0, 200, 5000, 100000 };
	struct rig *r = rig_new_ro((enum kind)below(s, 4), !below(s, 8));
	uint64_t until = t->ops + SESSION_OPS;
	uint16_t size = (uint16_t)(1u << below(s, 7));
	uint64_t features = below(s, 4) ? F_ALL : random_next(s) | VIRTIO_F_VERSION_1;
	bool is_flipping = below(s, 4);

	r->is_async = below(s, 2);
	r->is_echo = below(s, 2);
	atomic_store(&f->pause, pauses[below(s, ARRAY_SIZE(pauses))]);
	while (t->ops < until) {
		drv_start(r, features, size); /* looks at registers only: flips don't matter */
		atomic_store(&f->target, is_flipping ? gpa_ptr(r, RINGS_GPA) : NULL);
		while (t->ops < until && !(r->v->why_broken && below(s, 8)) &&
		       (r->v->status & VIRTIO_STATUS_DRIVER_OK)) {
			step(r, s, t);
		}
		t->broken += r->v->why_broken != NULL;
		for (unsigned int i = 0; i < r->v->ops->n_queues; i++) {
			t->served += r->v->queues[i].used_idx;
		}
	}
	pthread_mutex_lock(&f->lock);
	atomic_store(&f->target, NULL);
	pthread_mutex_unlock(&f->lock);
	wr(r, R_STATUS, 0);
	while (r->n_held) {
		rig_complete(r, 0);
	}
	drv_start(r, F_ALL, 16);
	r->is_echo = false;
	if (r->net) {
		virtio_net_link_set(r->net, true);
	}
	CHECK(drv_works(r));
	for (size_t i = 0; i < ROM_BYTES; i++) {
		CHECK(!r->rom[i]);
	}
	rig_free(r);
	t->sessions++;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0);

	if (*end || !v) {
		fprintf(stderr, "usage: test_dev_virtio_rings [--count N] [--seed N]\n");
		exit(1);
	}
	return v;
}

int main(int argc, char **argv)
{
	struct flipper f = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct totals t = { 0 };
	uint64_t count = 100000;
	pthread_t thread;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--count") == 0) {
			count = number(argv[i + 1]);
		} else if (strcmp(argv[i], "--seed") == 0) {
			seed = number(argv[i + 1]);
		}
	}
	f.random = seed * 0x9e3779b97f4a7c15ULL;
	if (pthread_create(&thread, NULL, flip, &f) != 0) {
		printf("cannot start a thread\n");
		return 1;
	}
	while (t.ops < count && !test_failures) {
		session(&f, &seed, &t);
	}
	atomic_store(&f.is_over, true);
	pthread_join(thread, NULL);
	printf("%" PRIu64 " ring operations in %" PRIu64 " sessions: %" PRIu64
	       " buffers served, %" PRIu64 " devices broken, %" PRIu64 " states, %" PRIu64
	       " bits flipped\n",
	       t.ops, t.sessions, t.served, t.broken, t.states, f.flips);
	/* Neither only mistakes nor none, and the other thread took part. */
	CHECK(t.served > t.ops / 100);
	CHECK(t.broken > t.ops / 1000);
	CHECK(f.flips > 0);
	return test_failures ? 1 : 0;
}

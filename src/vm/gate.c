/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPU's end of the slice protocol; see gate.h. The grant page is read-only for us and may
 * change at any time: its fields are read once, between two looks at the epoch.
 */
#include "vm/gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/timer.h"

/* A look that is so near needs no notice. */
#define LOOK_SOON_NS (200 * NS_PER_US)

void gate_init(struct gate *g)
{
	memset(g, 0, sizeof(*g));
	g->wake = &g->own_wake;
	g->notify_fd = -1;
}

static void *map_page(int fd, int prot, const char *what, struct errmsg *e)
{
	void *p = mmap(NULL, PAGE_BYTES, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		errmsg_set(e, -errno, "the %s page can't be mapped: %s", what, strerror(errno));
		return NULL;
	}
	return p;
}

/* The vCPU thread may be about to sleep on an old page's word: there is no moment without a page. */
static void put_over(void *old, void *page)
{
	BUG_ON(mremap(page, PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, old) != old);
}

int gate_attach(struct gate *g, int grant_fd, int ack_fd, int notify_fd, struct errmsg *e)
{
	struct grant_page *grant = map_page(grant_fd, PROT_READ, "grant", e);
	struct ack_page *ack = grant ? map_page(ack_fd, PROT_READ | PROT_WRITE, "ack", e) : NULL;

	if (!ack) {
		if (grant) {
			munmap(grant, PAGE_BYTES);
		}
		return -EINVAL;
	}
	if (grant->magic != GRANT_MAGIC || grant->revision != GRANT_REVISION ||
	    ack->magic != ACK_MAGIC || ack->revision != GRANT_REVISION) {
		munmap(grant, PAGE_BYTES);
		munmap(ack, PAGE_BYTES);
		return errmsg_set(e, -EINVAL, "the grant or ack page is of another revision");
	}
	/*
	 * Whoever is about to sleep on the word of the time before finds it changed, and the new one never
	 * as it saw that.
	 */
	atomic_fetch_add(&ack->wake, atomic_load(g->wake) + (1U << 31));
	gate_rouse(g);
	if (!g->grant) {
		g->grant = grant;
		g->ack = ack;
		g->wake = &ack->wake;
	} else {
		put_over((void *)(uintptr_t)g->grant, grant);
		put_over(g->ack, ack);
	}
	g->notify_fd = notify_fd;
	/* What was granted through an older page is void. */
	g->epoch = g->over_epoch = g->done_epoch = 0;
	return 0;
}

void gate_done(struct gate *g)
{
	g->wake = &g->own_wake;
	if (g->grant) {
		munmap((void *)(uintptr_t)g->grant, PAGE_BYTES);
		munmap(g->ack, PAGE_BYTES);
	}
	g->grant = NULL;
	g->ack = NULL;
}

static void notify(struct gate *g)
{
	const uint64_t one = 1;

	if (write(g->notify_fd, &one, sizeof(one)) < 0) {
		return; /* the scheduler is gone or full of news: it looks at the page anyway */
	}
}

/* After the ack page was written: whether the scheduler comes and reads it in a moment. */
static bool is_looked_at(const struct gate *g)
{
	uint64_t look_ns = atomic_load(&g->grant->look_ns);
	ns_t now_ns;

	if (look_ns == 0) {
		return false;
	}
	now_ns = host_clock_monotonic_ns();
	return now_ns < look_ns && look_ns - now_ns < LOOK_SOON_NS;
}

static void tell(struct gate *g, enum ack_state state, uint64_t epoch)
{
	atomic_store(&g->ack->epoch, epoch);
	atomic_store(&g->ack->state, state);
	/* That it runs the scheduler knows: telling it costs time of the slice. */
	if (state == ACK_BLOCKED || (state == ACK_PARKED && !is_looked_at(g))) {
		notify(g);
	}
}

/* Fields of the current grant, all of one epoch. */
struct reading {
	uint64_t epoch, budget_ns, base_ns, deadline_ns;
	bool is_revoked;
};

static struct reading read_grant(const struct grant_page *p)
{
	struct reading r;

	do {
		r.epoch = atomic_load(&p->epoch);
		r.budget_ns = atomic_load(&p->budget_ns);
		r.base_ns = atomic_load(&p->base_ns);
		r.deadline_ns = atomic_load(&p->deadline_ns);
		r.is_revoked = atomic_load(&p->revoked) == r.epoch;
	} while (atomic_load(&p->epoch) != r.epoch);
	return r;
}

static ns_t remaining(const struct reading *r, ns_t used_ns)
{
	ns_t left = r->budget_ns > used_ns ? r->budget_ns - used_ns : 0;
	ns_t now_ns;

	if (r->deadline_ns != GRANT_NO_END) {
		now_ns = host_clock_monotonic_ns();
		if (r->deadline_ns <= now_ns) {
			return 0;
		}
		left = r->deadline_ns - now_ns < left ? r->deadline_ns - now_ns : left;
	}
	return left;
}

bool gate_is_open(struct gate *g, ns_t slice_ns, ns_t *ret_left_ns)
{
	struct reading r;
	ns_t used_ns = 0;
	ns_t left;

	if (!g->grant) {
		*ret_left_ns = slice_ns;
		return true;
	}
	r = read_grant(g->grant);
	if (r.epoch == 0 || r.epoch == g->done_epoch || r.epoch == g->over_epoch || r.is_revoked) {
		return false;
	}
	/* The clock is a system call: a hand-over does without it, where hardly anything is used and where the end was seen. */
	if (g->epoch == 0) {
		tell(g, ACK_RUNNING, r.epoch);
	} else {
		used_ns = host_clock_thread_cpu_ns() - r.base_ns;
	}
	g->epoch = r.epoch;
	left = remaining(&r, used_ns);
	if (left == 0) {
		g->over_epoch = r.epoch;
		return false;
	}
	/* One that is alone, or has its own core, still looks around: limits, console, cells in RAM. */
	*ret_left_ns = left < slice_ns ? left : slice_ns;
	return true;
}

/*
 * A grant that came and was not taken, or a renewal that was not seen: revoked before that, or of no
 * use. 0: none. It is given back as well, or the scheduler would wait for that.
 */
static uint64_t unused_epoch(const struct gate *g, bool wants_more)
{
	struct reading r = read_grant(g->grant);
	bool is_new = r.epoch != g->done_epoch && r.epoch != g->epoch;

	return is_new && (r.is_revoked || !wants_more) ? r.epoch : 0;
}

void gate_park(struct gate *g, bool wants_more)
{
	enum ack_state state = wants_more ? ACK_PARKED : ACK_BLOCKED;
	uint64_t unused;

	if (!g->grant) {
		return;
	}
	unused = unused_epoch(g, wants_more);
	if (g->epoch) {
		g->done_epoch = g->epoch;
		g->epoch = 0;
	} else if (!unused && atomic_load(&g->ack->state) == (unsigned int)state) {
		return; /* said already */
	}
	if (unused) {
		g->done_epoch = unused;
	}
	tell(g, state, g->done_epoch);
}

/* A grant that came while a call was waiting, and was not taken. */
static bool has_grant(const struct gate *g)
{
	uint64_t epoch = atomic_load(&g->grant->epoch);

	return epoch != 0 && epoch != g->done_epoch && atomic_load(&g->grant->revoked) != epoch;
}

void gate_sleep(struct gate *g, uint32_t seen_wake, ns_t until_ns)
{
	struct timespec until = host_timespec(until_ns);

	if (g->grant && has_grant(g)) {
		return;
	}
	syscall(SYS_futex, g->wake, FUTEX_WAIT_BITSET, seen_wake,
		until_ns == GRANT_NO_END ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

uint32_t gate_wake_word(const struct gate *g)
{
	return atomic_load(g->wake);
}

void gate_rouse(struct gate *g)
{
	atomic_fetch_add(g->wake, 1);
	syscall(SYS_futex, g->wake, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void gate_resume(struct gate *g)
{
	if (!g->grant) {
		gate_rouse(g);
	}
}

void gate_wake(struct gate *g)
{
	uint32_t blocked = ACK_BLOCKED;

	if (!g->grant) {
		gate_rouse(g);
		return;
	}
	/* A vCPU that is only about to block sees the changed word and does not. */
	atomic_fetch_add(g->wake, 1);
	if (atomic_compare_exchange_strong(&g->ack->state, &blocked, ACK_PARKED)) {
		notify(g);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on its MMIO slot: register accesses of any width, bytes of its rings and buffers written,
 * requests finished in any order, input, polls, states saved and damaged. The driver is set up first, so
 * that inputs begin where a device works; they may reset it. The first byte chooses the device.
 */
#include <errno.h>
#include <stdlib.h>

#include "dev/virtio/virtio_blk.h"
#include "dev/virtio/virtio_console.h"
#include "dev/virtio/virtio_input.h"
#include "dev/virtio/virtio_mmio.h"
#include "dev/virtio/virtio_net.h"
#include "dev/virtio/virtio_rng.h"
#include "fuzz.h"

#define RAM_GPA	  0x80000000u
#define RAM_BYTES 0x4000u
#define QUEUES	  0x0000u /* of RAM: descriptors, available ring at +0x100, used ring at +0x200 */
#define QUEUE	  0x0400u
#define SIZE	  8u
#define STATE_MAX 512u
#define SECTORS	  16u

enum { BLK, NET, CONSOLE, RNG, INPUT, KIND_COUNT };

struct machine {
	unsigned int kind;
	struct virtio *v;
	struct virtio_mmio *t;
	struct virtio_blk *blk;
	struct virtio_input *input;
	struct virtio_net *net;
	struct mem *mem;
	struct blk_request *held[BLK_REQUESTS_MAX];
	unsigned int n_held;
	unsigned int typed;
	uint64_t put_count;
	bool is_async, is_echo, level;
};

static _Alignas(4096) uint8_t ram[RAM_BYTES];

static void line_set(void *opaque, bool level)
{
	((struct machine *)opaque)->level = level;
}

static int request_do(const struct blk_request *q)
{
	BUG_ON(q->sector > SECTORS || q->sectors > SECTORS - q->sector);
	if (q->op == BLK_READ) {
		memset(q->data, 0x5a, (size_t)q->sectors * BLK_SECTOR_BYTES);
	}
	return q->sector == 7 ? -EIO : 0;
}

static int submit(void *opaque, struct blk_request *q)
{
	struct machine *m = opaque;
	int err;

	if (m->is_async) {
		BUG_ON(m->n_held == BLK_REQUESTS_MAX);
		m->held[m->n_held++] = q;
		return BLK_STARTED;
	}
	err = request_do(q);
	return err < 0 ? err : BLK_DONE;
}

static void complete(struct machine *m, unsigned int idx)
{
	struct blk_request *q = m->held[idx];

	m->n_held--;
	m->held[idx] = m->held[m->n_held];
	virtio_blk_complete(m->blk, q, request_do(q));
}

static void frame_send(void *opaque, const uint8_t *frame, size_t len)
{
	struct machine *m = opaque;

	BUG_ON(len < NET_FRAME_BYTES_MIN || len > NET_FRAME_BYTES_MAX);
	if (m->is_echo) {
		virtio_net_receive(m->net, frame, len);
	}
}

static void fill(void *opaque, uint8_t *to, size_t n)
{
	(void)opaque;
	memset(to, 0xa5, n);
}

static void put(void *opaque, uint8_t c)
{
	((struct machine *)opaque)->put_count += c != 0;
}

static bool has(void *opaque)
{
	return ((struct machine *)opaque)->typed != 0;
}

static int get(void *opaque)
{
	struct machine *m = opaque;

	return m->typed ? (int)(m->typed-- & 0xff) : -1;
}

static struct virtio *device(struct machine *m)
{
	static const uint8_t mac[NET_MAC_BYTES] = { 2 };
	struct blk_backend disk = {
		.opaque = m, .sectors = SECTORS, .can_discard = true, .submit = submit
	};
	struct net_backend wire = { m, frame_send, NULL };
	struct chr_backend chr = { m, put, get, has, NULL };
	struct entropy_backend entropy = { m, fill };

	switch (m->kind) {
	case BLK:
		m->blk = virtio_blk_new(&disk);
		return virtio_blk_virtio(m->blk);
	case NET:
		m->net = virtio_net_new(&wire, mac);
		return virtio_net_virtio(m->net);
	case CONSOLE:
		return virtio_console_virtio(virtio_console_new(&chr));
	case INPUT:
		m->input = virtio_input_new();
		return virtio_input_virtio(m->input);
	default:
		return virtio_rng_virtio(virtio_rng_new(&entropy));
	}
}

static void wr(struct machine *m, uint64_t reg, uint64_t v)
{
	struct dev_access a = { .offset = reg, .value = v, .bytes = 4, .is_write = true };

	BUG_ON(virtio_mmio_ops.access(m->t, &a) != DEV_OK);
}

/* What a driver does to start a device with all its features. */
static void drive(struct machine *m)
{
	wr(m, 0x070, 0x00);
	wr(m, 0x070, 0x03);
	wr(m, 0x024, 1);
	wr(m, 0x020, m->v->offered >> 32);
	wr(m, 0x024, 0);
	wr(m, 0x020, (uint32_t)m->v->offered);
	wr(m, 0x070, 0x0b);
	for (unsigned int i = 0; i < m->v->ops->n_queues; i++) {
		uint64_t at = RAM_GPA + QUEUES + (uint64_t)i * QUEUE;

		wr(m, 0x030, i);
		wr(m, 0x038, SIZE);
		wr(m, 0x080, at);
		wr(m, 0x090, at + 0x100);
		wr(m, 0x0a0, at + 0x200);
		wr(m, 0x044, 1);
	}
	wr(m, 0x070, 0x0f);
	BUG_ON(virtio_why_broken(m->v));
}

static void start(struct machine *m, unsigned int how)
{
	struct mem_region r = { .base_gpa = RAM_GPA,
				.size_bytes = RAM_BYTES,
				.perm = MEM_RWX,
				.hva = ram,
				.name = "ram" };
	struct irq_line irq = { m, line_set };

	memset(ram, 0, sizeof(ram));
	m->kind = how % KIND_COUNT;
	m->is_async = how & 0x10;
	m->is_echo = how & 0x20;
	m->mem = mem_new();
	BUG_ON(!m->mem || mem_region_add(m->mem, &r, NULL) < 0);
	m->v = device(m);
	m->t = virtio_mmio_new(m->v, &irq);
	BUG_ON(!m->t);
	virtio_mem_set(m->v, m->mem);
	drive(m);
}

static void register_access(struct machine *m, struct fuzz_in *in, unsigned int form)
{
	struct dev_access a = { .bytes = (uint8_t)(1u << (form & 3)), .is_write = form & 4 };

	a.offset = fuzz_take(in, 2) % VIRTIO_MMIO_RANGE_BYTES;
	a.value = fuzz_take(in, 8);
	BUG_ON(virtio_mmio_ops.access(m->t, &a) != DEV_OK);
	BUG_ON(!a.is_write && low_bytes(a.value, a.bytes) != a.value);
}

static void ram_write(struct fuzz_in *in, unsigned int n)
{
	size_t at = (size_t)fuzz_take(in, 2) % (RAM_BYTES - 16);

	for (unsigned int i = 0; i < 1 + n % 16; i++) {
		ram[at + i] = (uint8_t)fuzz_take(in, 1);
	}
}

/* A descriptor of a queue, and optionally its place in the available ring and a notification. */
static void offer(struct machine *m, struct fuzz_in *in, unsigned int how)
{
	unsigned int queue = how & 1;
	unsigned int idx = how >> 1 & 7;
	uint8_t *q = ram + QUEUES + queue * QUEUE;
	uint8_t *avail = q + 0x100;
	uint16_t at = (uint16_t)load_le(avail + 2, 2);

	store_le(q + 16 * idx, RAM_GPA + fuzz_take(in, 2), 8);
	store_le(q + 16 * idx + 8, fuzz_take(in, 2), 4);
	store_le(q + 16 * idx + 12, fuzz_take(in, 1) & 7, 2);
	store_le(q + 16 * idx + 14, fuzz_take(in, 1) & 15, 2);
	if (how & 0x10) {
		store_le(avail + 4 + 2 * (at % SIZE), idx, 2);
		store_le(avail + 2, at + 1u, 2);
	}
	if (how & 0x20) {
		wr(m, 0x050, queue);
	}
}

static void state_check(struct machine *m, struct fuzz_in *in, unsigned int damages)
{
	uint8_t one[STATE_MAX];
	uint8_t two[STATE_MAX];

	BUG_ON(virtio_mmio_ops.state_bytes > STATE_MAX);
	virtio_mmio_ops.save(m->t, one);
	for (unsigned int i = 0; i < damages; i++) {
		size_t at = (size_t)fuzz_take(in, 2) % virtio_mmio_ops.state_bytes;

		one[at] = (uint8_t)fuzz_take(in, 1);
	}
	BUG_ON(virtio_mmio_ops.load(m->t, one, NULL) != 0 && !damages);
	virtio_mmio_ops.save(m->t, one);
	BUG_ON(virtio_mmio_ops.load(m->t, one, NULL) != 0);
	virtio_mmio_ops.save(m->t, two);
	BUG_ON(memcmp(one, two, virtio_mmio_ops.state_bytes) != 0);
}

static void step(struct machine *m, struct fuzz_in *in, unsigned int what, unsigned int arg)
{
	static const uint8_t frame[14 + 8 * 255];

	switch (what % 9) {
	case 0:
		register_access(m, in, arg);
		break;
	case 1:
		ram_write(in, arg);
		break;
	case 2:
	case 3:
		offer(m, in, arg);
		break;
	case 4:
		m->typed += arg;
		virtio_poll(m->v);
		break;
	case 5:
		if (m->input) {
			virtio_input_press(m->input);
		}
		if (m->net) {
			virtio_net_receive(m->net, frame, 14 + 8 * (size_t)arg);
		}
		break;
	case 6:
		if (m->n_held) {
			complete(m, arg % m->n_held);
		}
		break;
	case 7:
		drive(m);
		break;
	default:
		state_check(m, in, arg % 4);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	struct machine m = { 0 };

	start(&m, (unsigned int)fuzz_take(&in, 1));
	while (in.n) {
		unsigned int what = (unsigned int)fuzz_take(&in, 1);

		step(&m, &in, what, (unsigned int)fuzz_take(&in, 1));
		BUG_ON(!m.v->why_broken != !(m.v->status & VIRTIO_STATUS_NEEDS_RESET));
	}
	wr(&m, 0x070, 0);
	BUG_ON(m.level);
	while (m.n_held) {
		complete(&m, 0);
	}
	virtio_mmio_ops.destroy(m.t);
	mem_free(m.mem);
	return 0;
}

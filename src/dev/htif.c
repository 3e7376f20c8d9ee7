/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTIF as riscv-isa-sim (fesvr) serves it: device 0 is the system call proxy, device 1 the console.
 *
 * The guest waits for tohost to become zero, then for fromhost to become non-zero where an answer
 * is due. A request for a character is answered when there is one; other requests go on meanwhile.
 */
#include "dev/htif.h"

#include <errno.h>
#include <stdlib.h>

#define CONSOLE_GETC 0x0100000000000000ULL /* device 1, command 0 */

#define CALL_WRITE 64
#define CALL_EXIT  93

#define CALL_FIELDS	4 /* number, then three arguments: what the calls served here use */
#define WRITE_BYTES_MAX 65536u
#define CHUNK_BYTES	256u

struct htif {
	struct htif_config config;
	bool is_getc_pending;
};

#define STATE_VERSION 1
#define STATE_BYTES   2

struct htif_request htif_decode(uint64_t tohost)
{
	uint64_t payload = tohost & (BIT(48) - 1);
	struct htif_request req = { .kind = HTIF_UNKNOWN };

	if (!tohost) {
		req.kind = HTIF_NONE;
	} else if (tohost >> 48 == 0) {
		req.kind = payload & 1 ? HTIF_EXIT : HTIF_SYSCALL;
		req.code = payload >> 1;
		req.block_gpa = payload;
	} else if (tohost >> 48 == 0x0100) {
		req.kind = HTIF_GETC;
	} else if (tohost >> 48 == 0x0101) {
		req.kind = HTIF_PUTC;
		req.c = (uint8_t)payload;
	}
	return req;
}

static void answer(struct htif *h, uint64_t v)
{
	uint8_t le[8];

	if (h->config.has_fromhost) {
		store_le(le, v, sizeof(le));
		mem_write(h->config.mem, h->config.fromhost_gpa, le, sizeof(le), NULL);
	}
}

/* @return bytes written or -errno, as the guest's write() gives them */
static int64_t guest_write(struct htif *h, uint64_t fd, gpa_t gpa, uint64_t n)
{
	const struct chr_backend *chr = &h->config.chr;
	uint64_t left = n < WRITE_BYTES_MAX ? n : WRITE_BYTES_MAX;
	uint8_t chunk[CHUNK_BYTES];
	int64_t done = 0;

	if (fd != 1 && fd != 2) {
		return -EBADF;
	}
	while (left) {
		size_t step = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;

		if (!mem_read(h->config.mem, gpa, chunk, step, NULL)) {
			return done ? done : -EFAULT;
		}
		for (size_t i = 0; i < step; i++) {
			chr->put(chr->opaque, chunk[i]);
		}
		gpa += step;
		left -= step;
		done += (int64_t)step;
	}
	return done;
}

static enum dev_result stop(struct htif *h, uint64_t code)
{
	h->config.host.stop(h->config.host.opaque, DEV_STOP_EXIT, code, NULL);
	return DEV_STOP;
}

static enum dev_result syscall_serve(struct htif *h, gpa_t block_gpa)
{
	uint8_t block[CALL_FIELDS * 8];
	uint64_t field[CALL_FIELDS];
	int64_t result = -ENOSYS;

	if (mem_read(h->config.mem, block_gpa, block, sizeof(block), NULL)) {
		for (size_t i = 0; i < CALL_FIELDS; i++) {
			field[i] = load_le(block + i * 8, 8);
		}
		if (field[0] == CALL_EXIT) {
			return stop(h, field[1]);
		}
		if (field[0] == CALL_WRITE) {
			result = guest_write(h, field[1], field[2], field[3]);
		}
		store_le(block, (uint64_t)result, 8);
		mem_write(h->config.mem, block_gpa, block, 8, NULL);
	}
	answer(h, 1);
	return DEV_OK;
}

static void getc_serve(struct htif *h)
{
	const struct chr_backend *chr = &h->config.chr;
	uint8_t le[8];
	int c;

	/* An answer that the guest has not taken yet must not be overwritten. */
	if (!mem_read(h->config.mem, h->config.fromhost_gpa, le, sizeof(le), NULL) ||
	    load_le(le, sizeof(le)) || !chr->has(chr->opaque)) {
		return;
	}
	c = chr->get(chr->opaque);
	if (c >= 0) {
		h->is_getc_pending = false;
		answer(h, CONSOLE_GETC | 0x100 | (uint8_t)c);
	}
}

enum dev_result htif_poll(struct htif *h)
{
	const struct chr_backend *chr = &h->config.chr;
	static const uint8_t zero[8];
	struct htif_request req;
	uint8_t le[8];

	if (h->is_getc_pending) {
		getc_serve(h);
	}
	if (!mem_read(h->config.mem, h->config.tohost_gpa, le, sizeof(le), NULL)) {
		return DEV_OK;
	}
	req = htif_decode(load_le(le, sizeof(le)));
	if (req.kind == HTIF_NONE) {
		return DEV_OK;
	}
	mem_write(h->config.mem, h->config.tohost_gpa, zero, sizeof(zero), NULL);
	switch (req.kind) {
	case HTIF_EXIT:
		return stop(h, req.code);
	case HTIF_SYSCALL:
		return syscall_serve(h, req.block_gpa);
	case HTIF_PUTC:
		chr->put(chr->opaque, req.c);
		return DEV_OK;
	case HTIF_GETC:
		h->is_getc_pending = h->config.has_fromhost;
		return DEV_OK;
	default:
		return DEV_OK;
	}
}

static void htif_destroy(void *dev)
{
	free(dev);
}

static void htif_save(const void *dev, uint8_t *to)
{
	const struct htif *h = dev;

	to[0] = STATE_VERSION;
	to[1] = h->is_getc_pending;
}

static int htif_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct htif *h = dev;

	if (from[0] != STATE_VERSION || from[1] > h->config.has_fromhost) {
		return errmsg_set(e, -EINVAL, "the saved state of the HTIF is damaged");
	}
	h->is_getc_pending = from[1];
	return 0;
}

const struct dev_ops htif_ops = {
	.name = "htif",
	.destroy = htif_destroy,
	.state_bytes = STATE_BYTES,
	.save = htif_save,
	.load = htif_load,
};

struct htif *htif_new(const struct htif_config *config)
{
	struct htif *h = calloc(1, sizeof(*h));

	if (h) {
		h->config = *config;
	}
	return h;
}

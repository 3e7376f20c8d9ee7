/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CLINT after the SiFive U54 manual, chapter 9, and RISC-V ACLINT 1.0.
 *
 * mtime is the clock plus an offset, which a write of mtime or a loaded state changes. A hart's
 * timer line is high while mtime >= mtimecmp. Time passes unseen: the line follows when a register
 * of the timer is touched and when clint_poll() is called.
 */
#include "dev/clint.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bug.h"

#define MTIMECMP_OFFSET 0x4000u
#define MTIME_OFFSET	0xbff8u
#define NS_PER_TICK	(NS_PER_S / CLINT_MTIME_HZ)

struct clint {
	struct clock_backend clock;
	unsigned int n_harts;
	uint64_t mtime_offset; /* mtime - ticks of the clock, modulo 2^64 */
	uint64_t mtimecmp[CLINT_HARTS_MAX];
	uint8_t msip[CLINT_HARTS_MAX];
	struct irq_line msi[CLINT_HARTS_MAX];
	struct irq_line mti[CLINT_HARTS_MAX];
};

#define STATE_VERSION 1
#define STATE_BYTES   (2 + 8 + CLINT_HARTS_MAX * 9)

static uint64_t clock_ticks(const struct clint *c)
{
	return c->clock.now_ns(c->clock.opaque) / NS_PER_TICK;
}

uint64_t clint_ticks(const struct clint *c)
{
	return clock_ticks(c) + c->mtime_offset;
}

void clint_poll(struct clint *c)
{
	uint64_t ticks = clint_ticks(c);

	for (unsigned int i = 0; i < c->n_harts; i++) {
		irq_line_set(&c->mti[i], ticks >= c->mtimecmp[i]);
	}
}

uint64_t clint_due_ticks(const struct clint *c)
{
	uint64_t ticks = clint_ticks(c);
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < c->n_harts; i++) {
		if (c->mtimecmp[i] > ticks && c->mtimecmp[i] < due) {
			due = c->mtimecmp[i];
		}
	}
	return due;
}

static void lines_drive(struct clint *c)
{
	for (unsigned int i = 0; i < c->n_harts; i++) {
		irq_line_set(&c->msi[i], c->msip[i]);
	}
	clint_poll(c);
}

void clint_wire(struct clint *c, unsigned int hart, const struct irq_line *msi,
		const struct irq_line *mti)
{
	BUG_ON(hart >= c->n_harts);
	c->msi[hart] = *msi;
	c->mti[hart] = *mti;
	lines_drive(c);
}

static void msip_access(struct clint *c, struct dev_access *a)
{
	uint64_t hart = a->offset / 4;
	bool is_here = hart < c->n_harts;

	if (!a->is_write) {
		a->value = is_here ? c->msip[hart] : 0;
	} else if (is_here) {
		c->msip[hart] = a->value & 1;
		irq_line_set(&c->msi[hart], c->msip[hart]);
	}
}

/* Read or write all or half of a 64-bit register. */
static uint64_t merge(uint64_t reg, struct dev_access *a)
{
	unsigned int shift = (a->offset & 4) * 8;
	uint64_t mask = low_bytes(~0ULL, a->bytes) << shift;

	if (a->is_write) {
		return (reg & ~mask) | (a->value << shift & mask);
	}
	a->value = (reg & mask) >> shift;
	return reg;
}

static void mtimecmp_access(struct clint *c, struct dev_access *a)
{
	uint64_t hart = (a->offset - MTIMECMP_OFFSET) / 8;

	if (hart < c->n_harts) {
		c->mtimecmp[hart] = merge(c->mtimecmp[hart], a);
	} else if (!a->is_write) {
		a->value = 0;
	}
}

static void mtime_access(struct clint *c, struct dev_access *a)
{
	uint64_t ticks = clock_ticks(c);

	c->mtime_offset = merge(ticks + c->mtime_offset, a) - ticks;
}

static enum dev_result clint_access(void *dev, struct dev_access *a)
{
	struct clint *c = dev;

	if ((a->bytes != 4 && a->bytes != 8) || a->offset % a->bytes) {
		return DEV_UNMAPPED;
	}
	if (a->offset < MTIMECMP_OFFSET) {
		if (a->bytes != 4) {
			return DEV_UNMAPPED;
		}
		msip_access(c, a);
	} else if (a->offset < MTIME_OFFSET) {
		mtimecmp_access(c, a);
		clint_poll(c);
	} else if (a->offset < MTIME_OFFSET + 8) {
		mtime_access(c, a);
		clint_poll(c);
	} else {
		return DEV_UNMAPPED;
	}
	return DEV_OK;
}

static void clint_destroy(void *dev)
{
	free(dev);
}

static void clint_save(const void *dev, uint8_t *to)
{
	const struct clint *c = dev;

	to[0] = STATE_VERSION;
	to[1] = (uint8_t)c->n_harts;
	store_le(to + 2, clint_ticks(c), 8);
	for (unsigned int i = 0; i < CLINT_HARTS_MAX; i++) {
		store_le(to + 10 + i * 9, c->mtimecmp[i], 8);
		to[18 + i * 9] = c->msip[i];
	}
}

static int clint_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct clint *c = dev;
	struct clint t = *c;
	bool is_right = from[0] == STATE_VERSION && from[1] == c->n_harts;

	t.mtime_offset = load_le(from + 2, 8) - clock_ticks(c);
	for (unsigned int i = 0; i < CLINT_HARTS_MAX; i++) {
		t.mtimecmp[i] = load_le(from + 10 + i * 9, 8);
		t.msip[i] = from[18 + i * 9];
		is_right = is_right && t.msip[i] <= 1 &&
			   (i < c->n_harts || (!t.msip[i] && !t.mtimecmp[i]));
	}
	if (!is_right) {
		return errmsg_set(e, -EINVAL, "the saved state of the CLINT is damaged");
	}
	*c = t;
	lines_drive(c);
	return 0;
}

const struct dev_ops clint_ops = {
	.name = "clint",
	.access = clint_access,
	.destroy = clint_destroy,
	.state_bytes = STATE_BYTES,
	.save = clint_save,
	.load = clint_load,
};

struct clint *clint_new(const struct clock_backend *clock, unsigned int n_harts)
{
	struct clint *c = calloc(1, sizeof(*c));

	BUG_ON(n_harts < 1 || n_harts > CLINT_HARTS_MAX);
	if (c) {
		c->clock = *clock;
		c->n_harts = n_harts;
		/* Nothing says what is in there after reset; so no timer is due before one is set. */
		memset(c->mtimecmp, 0xff, n_harts * sizeof(c->mtimecmp[0]));
	}
	return c;
}

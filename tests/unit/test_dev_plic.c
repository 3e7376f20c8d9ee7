/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PLIC against its specification: gateways, priorities, thresholds, claim and completion for every
 * source and context, and what Linux's driver does. */
#include "dev/plic.h"

#include <errno.h>

#include "test_dev.h"

#define PRIORITY(id)	(4u * (id))
#define PENDING(id)	(0x1000u + (id) / 32 * 4)
#define ENABLE(ctx, id) (0x2000u + 0x80u * (ctx) + (id) / 32 * 4)
#define THRESHOLD(ctx)	(0x200000u + 0x1000u * (ctx))
#define CLAIM(ctx)	(0x200004u + 0x1000u * (ctx))
#define BIT_OF(id)	(1u << (id) % 32)
#define RD(off)		dev_rd(&plic_ops, p, off, 4)
#define WR(off, v)	CHECK_INT(dev_wr(&plic_ops, p, off, 4, (uint64_t)(v)), DEV_OK)
#define IS_PENDING(id)	((RD(PENDING(id)) & BIT_OF(id)) != 0)

struct rig {
	struct plic *p;
	struct fake_line out[PLIC_CONTEXTS_MAX];
};

static struct plic *make(struct rig *r, unsigned int n_harts)
{
	memset(r, 0, sizeof(*r));
	r->p = plic_new(n_harts);
	for (unsigned int i = 0; i < 2 * n_harts; i++) {
		struct irq_line l = fake_irq(&r->out[i]);

		plic_wire(r->p, i, &l);
	}
	return r->p;
}

static void drive(struct plic *p, unsigned int id, bool level)
{
	struct irq_line l = plic_source(p, id);

	irq_line_set(&l, level);
}

static void every_source_to_every_context(void)
{
	struct rig r;
	struct plic *p = make(&r, PLIC_HARTS_MAX);

	for (unsigned int ctx = 0; ctx < PLIC_CONTEXTS_MAX; ctx++) {
		for (unsigned int id = 1; id <= PLIC_SOURCES; id++) {
			WR(PRIORITY(id), 1);
			WR(ENABLE(ctx, id), BIT_OF(id));
			drive(p, id, true);
			CHECK(IS_PENDING(id));
			for (unsigned int k = 0; k < PLIC_CONTEXTS_MAX; k++) {
				CHECK_INT(r.out[k].level, k == ctx);
			}
			CHECK_INT(RD(CLAIM(ctx)), id);
			CHECK(!r.out[ctx].level && !IS_PENDING(id));
			drive(p, id, false);
			WR(CLAIM(ctx), id);
			CHECK(!r.out[ctx].level);
			WR(ENABLE(ctx, id), 0);
			WR(PRIORITY(id), 0);
		}
	}
	plic_ops.destroy(p);
}

static void priorities_and_ties(void)
{
	struct rig r;
	struct plic *p = make(&r, 1);
	static const unsigned int order[] = { 95, 31, 32, 33, 1 };

	WR(ENABLE(1, 1), 0xffffffff);
	WR(ENABLE(1, 32), 0xffffffff);
	WR(ENABLE(1, 64), 0xffffffff);
	WR(PRIORITY(1), 1);
	WR(PRIORITY(31), 5);
	WR(PRIORITY(32), 5);
	WR(PRIORITY(33), 5);
	WR(PRIORITY(95), 7);
	WR(PRIORITY(40), 0); /* never interrupts */
	drive(p, 40, true);
	CHECK(!r.out[1].level);
	CHECK_INT(RD(CLAIM(1)), 0);
	for (unsigned int i = 0; i < 5; i++) {
		drive(p, order[4 - i], true);
	}
	for (unsigned int i = 0; i < 5; i++) {
		CHECK(r.out[1].level);
		CHECK_INT(RD(CLAIM(1)), order[i]);
	}
	CHECK_INT(RD(CLAIM(1)), 0);
	CHECK(!r.out[1].level);
	WR(PRIORITY(40), 1); /* it is still pending */
	CHECK(r.out[1].level);
	plic_ops.destroy(p);
}

static void thresholds(void)
{
	struct rig r;
	struct plic *p = make(&r, 1);

	WR(ENABLE(0, 10), BIT_OF(10));
	WR(PRIORITY(10), 3);
	drive(p, 10, true);
	for (unsigned int t = 0; t <= 7; t++) {
		WR(THRESHOLD(0), t);
		CHECK_INT(RD(THRESHOLD(0)), t);
		CHECK_INT(r.out[0].level, t < 3);
	}
	CHECK_INT(RD(CLAIM(0)), 10);  /* a claim does not look at the threshold */
	WR(THRESHOLD(0), 0xfffffff8); /* three bits */
	CHECK_INT(RD(THRESHOLD(0)), 0);
	WR(PRIORITY(10), 0xffffffff);
	CHECK_INT(RD(PRIORITY(10)), 7);
	plic_ops.destroy(p);
}

static void gateway_of_a_level(void)
{
	struct rig r;
	struct plic *p = make(&r, 1);

	WR(ENABLE(1, 10), BIT_OF(10));
	WR(PRIORITY(10), 1);
	drive(p, 10, true);
	drive(p, 10, true); /* the same level again is no event */
	CHECK_INT(RD(CLAIM(1)), 10);
	drive(p, 10, false);
	drive(p, 10, true); /* the gateway is closed until completion */
	CHECK(!IS_PENDING(10) && !r.out[1].level);
	CHECK_INT(RD(CLAIM(1)), 0);
	WR(CLAIM(1), 10);
	CHECK(IS_PENDING(10) && r.out[1].level); /* still high: again */
	drive(p, 10, false);
	CHECK(IS_PENDING(10) && r.out[1].level); /* a request can't be taken back */
	CHECK_INT(RD(CLAIM(1)), 10);
	WR(CLAIM(1), 10);
	CHECK(!IS_PENDING(10) && !r.out[1].level);
	plic_ops.destroy(p);
}

static void completion_needs_only_the_enable_bit(void)
{
	struct rig r;
	struct plic *p = make(&r, 1);

	WR(ENABLE(0, 7), BIT_OF(7));
	WR(PRIORITY(7), 1);
	drive(p, 7, true);
	CHECK_INT(RD(CLAIM(0)), 7);
	WR(CLAIM(1), 7); /* not enabled there: ignored */
	CHECK(!IS_PENDING(7));
	WR(CLAIM(0), 0); /* no such sources */
	WR(CLAIM(0), 96);
	WR(CLAIM(0), 0xffffffff);
	WR(CLAIM(0), 0x80000007);
	WR(CLAIM(0), 8);
	CHECK(!IS_PENDING(7));
	WR(ENABLE(0, 7), 0); /* disabled meanwhile: ignored as well */
	WR(CLAIM(0), 7);
	CHECK(!IS_PENDING(7));
	WR(ENABLE(1, 7), BIT_OF(7)); /* another context may complete what this one claimed */
	WR(CLAIM(1), 7);
	CHECK(IS_PENDING(7) && r.out[1].level && !r.out[0].level);
	plic_ops.destroy(p);
}

static void several_contexts(void)
{
	struct rig r;
	struct plic *p = make(&r, 4);

	WR(PRIORITY(10), 1);
	for (unsigned int ctx = 1; ctx < 8; ctx += 2) {
		WR(ENABLE(ctx, 10), BIT_OF(10));
	}
	drive(p, 10, true);
	for (unsigned int ctx = 0; ctx < 8; ctx++) {
		CHECK_INT(r.out[ctx].level, ctx % 2);
	}
	CHECK_INT(RD(CLAIM(5)), 10); /* who comes first gets it; the others find nothing */
	for (unsigned int ctx = 1; ctx < 8; ctx += 2) {
		CHECK(!r.out[ctx].level);
		CHECK_INT(RD(CLAIM(ctx)), 0);
	}
	plic_ops.destroy(p);
}

static void reserved_places(void)
{
	struct rig r;
	struct plic *p = make(&r, 1);
	static const uint64_t reserved[] = { 0,	       4 * 96,	 0xffc,	   0x100c,   0x107c,
					     0x1ffc,   0x200c,	 0x2100,   0x1ffffc, 0x200008,
					     0x201008, 0x202000, 0x202004, 0x5ffffc };

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		WR(reserved[i], 0xffffffff);
		CHECK_INT(RD(reserved[i]), 0);
	}
	WR(ENABLE(0, 1), 0xffffffff);
	CHECK_INT(RD(ENABLE(0, 1)), 0xfffffffe); /* source 0 does not exist */
	WR(PENDING(1), 0xffffffff);
	CHECK_INT(RD(PENDING(1)), 0); /* read-only */
	CHECK_INT(RD(0x600000), -1);
	for (uint64_t off = 0; off < 0x210000; off += 0xfff) { /* widths and alignments */
		CHECK_INT(dev_rd(&plic_ops, p, off, 1), -1);
		CHECK_INT(dev_rd(&plic_ops, p, off & ~1ULL, 2), -1);
		CHECK_INT(dev_rd(&plic_ops, p, off & ~7ULL, 8), -1);
		CHECK_INT(dev_rd(&plic_ops, p, (off & ~3ULL) + 2, 4), -1);
		CHECK_INT(dev_wr(&plic_ops, p, off & ~7ULL, 8, ~0ULL), DEV_UNMAPPED);
	}
	plic_ops.destroy(p);
}

/* What plic_init() and the handler of Linux do. */
static void linux_driver(void)
{
	struct rig r;
	struct plic *p = make(&r, 2);

	for (unsigned int ctx = 1; ctx < 4; ctx += 2) {
		WR(THRESHOLD(ctx - 1), 7); /* M-mode contexts are not for the kernel */
		for (unsigned int id = 1; id <= PLIC_SOURCES; id++) {
			WR(ENABLE(ctx, id), RD(ENABLE(ctx, id)) & (int64_t)~BIT_OF(id));
			WR(PRIORITY(id), 1);
		}
		WR(THRESHOLD(ctx), 0);
	}
	WR(ENABLE(3, 10), RD(ENABLE(3, 10)) | (int64_t)BIT_OF(10)); /* irq 10 on hart 1 */
	drive(p, 10, true);
	CHECK(r.out[3].level && !r.out[1].level && !r.out[0].level && !r.out[2].level);
	CHECK_INT(RD(CLAIM(3)), 10);
	drive(p, 10, false);
	WR(CLAIM(3), 10);
	CHECK_INT(RD(CLAIM(3)), 0);
	CHECK(!r.out[3].level);
	plic_ops.destroy(p);
}

static void state(void)
{
	struct rig r;
	struct rig s;
	struct plic *p = make(&r, 2);
	struct plic *q = make(&s, 2);
	uint8_t a[1024];
	uint8_t b[1024];
	const size_t words = 2 + 3 * 12; /* version, contexts, level, pending, busy */
	const size_t priorities = words + 16 * 13;

	WR(ENABLE(3, 10), BIT_OF(10) | BIT_OF(11));
	WR(PRIORITY(10), 2);
	WR(PRIORITY(11), 1);
	WR(THRESHOLD(2), 6);
	drive(p, 10, true);
	drive(p, 11, true);
	CHECK_INT(RD(CLAIM(3)), 10);
	plic_ops.save(p, a);
	CHECK_INT(plic_ops.load(q, a, NULL), 0);
	plic_ops.save(q, b);
	CHECK(memcmp(a, b, plic_ops.state_bytes) == 0);
	CHECK(s.out[3].level);
	CHECK_INT(dev_rd(&plic_ops, q, CLAIM(3), 4), 11);
	CHECK_INT(dev_wr(&plic_ops, q, CLAIM(3), 4, 10), DEV_OK);
	CHECK(s.out[3].level);					/* the level was saved too */
	CHECK(dev_is_refused(&plic_ops, q, 0, 2));		/* version */
	CHECK(dev_is_refused(&plic_ops, q, 1, 2));		/* other number of harts */
	CHECK(dev_is_refused(&plic_ops, q, 2, 1));		/* level of source 0 */
	CHECK(dev_is_refused(&plic_ops, q, 14, 1));		/* pending source 0 */
	CHECK(dev_is_refused(&plic_ops, q, 26, 1));		/* busy source 0 */
	CHECK(dev_is_refused(&plic_ops, q, 27, 0x0c));		/* pending and busy */
	CHECK(dev_is_refused(&plic_ops, q, 4, 1));		/* high, but neither */
	CHECK(dev_is_refused(&plic_ops, q, words, 1));		/* enabled source 0 */
	CHECK(dev_is_refused(&plic_ops, q, words + 12, 8));	/* threshold */
	CHECK(dev_is_refused(&plic_ops, q, words + 4 * 13, 2)); /* context that is not there */
	CHECK(dev_is_refused(&plic_ops, q, words + 4 * 13 + 12, 1));
	CHECK(dev_is_refused(&plic_ops, q, priorities, 1)); /* priority of source 0 */
	CHECK(dev_is_refused(&plic_ops, q, priorities + 95, 8));
	plic_ops.destroy(p);
	plic_ops.destroy(q);
}

static const struct test_case cases[] = {
	{ "every source to every context", every_source_to_every_context },
	{ "priorities and ties", priorities_and_ties },
	{ "thresholds", thresholds },
	{ "gateway of a level-triggered source", gateway_of_a_level },
	{ "completion needs only the enable bit", completion_needs_only_the_enable_bit },
	{ "several contexts", several_contexts },
	{ "reserved places, widths and alignments", reserved_places },
	{ "start and handler of Linux's driver", linux_driver },
	{ "state", state },
};

TEST_MAIN(cases)

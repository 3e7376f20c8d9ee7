/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See test_dbt_hot_rig.h. */
#include "test_dbt_hot_rig.h"

#include "test.h"

bool hot_side_open(struct side *s)
{
	if (!side_open(s, &dbt_engine_ops, (struct engine_config){ .arch = &rv64_arch })) {
		return false;
	}
	s->ram = side_add_ram(s, CODE_GPA, RAM_BYTES);
	s->data = side_add_ram(s, DATA_GPA, DATA_BYTES);
	return true;
}

/* ---- programs ---- */

static void put(struct program *p, uint32_t insn)
{
	p->code[p->n++] = insn;
}

static uint32_t reg(struct program *p)
{
	return FIRST + rng_below(p->r, 22);
}

/* Few of them, so that what is computed is used. */
static uint32_t fp_reg(struct program *p)
{
	return 8 + rng_below(p->r, 8);
}

static uint32_t imm12(struct program *p)
{
	return (uint32_t)rng_corner(p->r) << 20;
}

static void put_branch(struct program *p, uint32_t funct3, uint32_t a, uint32_t b, int32_t to)
{
	uint32_t d = (uint32_t)(to - (int32_t)p->n) * 4;

	put(p, 0x63 | (d >> 11 & 1) << 7 | (d >> 1 & 15) << 8 | funct3 << 12 | a << 15 | b << 20 |
		       (d >> 5 & 63) << 25 | (d >> 12 & 1) << 31);
}

static void put_int(struct program *p)
{
	/* funct7, funct3 and opcode of register operations */
	static const uint32_t ops[] = { 0x33,	    0x40000033, 0x1033,	    0x2033,	0x3033,
					0x4033,	    0x5033,	0x40005033, 0x6033,	0x7033,
					0x2000033,  0x2001033,	0x2003033,  0x2004033,	0x2006033,
					0x3b,	    0x4000003b, 0x103b,	    0x503b,	0x4000503b,
					0x200003b,  0x200403b,	0x200603b,  0x20002033, 0x20004033,
					0x40007033, 0x40006033, 0x60001033, 0x6000503b };

	put(p, ops[rng_below(p->r, ARRAY_SIZE(ops))] | reg(p) << 7 | reg(p) << 15 | reg(p) << 20);
}

static void put_imm(struct program *p)
{
	static const uint32_t ops[] = { 0x13, 0x2013, 0x3013, 0x4013, 0x6013, 0x7013, 0x1b };

	put(p, ops[rng_below(p->r, ARRAY_SIZE(ops))] | reg(p) << 7 | reg(p) << 15 | imm12(p));
}

static void put_shift(struct program *p)
{
	static const uint32_t ops[] = { 0x1013, 0x5013, 0x40005013, 0x101b, 0x501b, 0x4000501b };
	uint32_t op = ops[rng_below(p->r, ARRAY_SIZE(ops))];
	uint32_t n = rng_below(p->r, (op & 8) ? 32 : 64);
	uint32_t d = reg(p);

	if (rng_pct(p->r, 30)) { /* a pair, as compilers write it */
		put(p, 0x1013 | d << 7 | reg(p) << 15 | (rng_pct(p->r, 70) ? 32u : 48u) << 20);
		op = rng_pct(p->r, 50) ? 0x5013 : 0x40005013;
		put(p, op | d << 7 | d << 15 | (29 + rng_below(p->r, 20)) << 20);
		return;
	}
	put(p, op | d << 7 | reg(p) << 15 | n << 20);
}

static void put_rotation(struct program *p)
{
	uint32_t n = 1 + rng_below(p->r, 31);
	uint32_t from = reg(p);
	uint32_t a = reg(p);
	uint32_t b = reg(p);

	put(p, 0x501b | a << 7 | from << 15 | n << 20);
	put(p, 0x101b | b << 7 | from << 15 | (32 - n) << 20);
	put(p, 0x6033 | reg(p) << 7 | a << 15 | b << 20);
}

static void put_access(struct program *p)
{
	uint32_t base = rng_pct(p->r, 50) ? PTR : OTHER;
	uint32_t disp = rng_below(p->r, 64) * 8;
	uint32_t size = rng_below(p->r, 4);

	if (rng_pct(p->r, 20)) { /* indexed: a register made small, added */
		base = reg(p);
		put(p, 0x7013 | base << 7 | reg(p) << 15 | 0x7f8u << 20);
		put(p, 0x33 | base << 7 | base << 15 | OTHER << 20);
	}
	if (rng_pct(p->r, 30)) {
		size = 2 + rng_below(p->r, 2);
		put(p, rng_pct(p->r, 60)
			       ? 0x07 | size << 12 | fp_reg(p) << 7 | base << 15 | disp << 20
			       : 0x27 | size << 12 | fp_reg(p) << 20 | base << 15 |
					 (disp & 31) << 7 | disp >> 5 << 25);
	} else if (rng_pct(p->r, 50)) {
		put(p, 0x23 | size << 12 | reg(p) << 20 | base << 15 | (disp & 31) << 7 |
			       disp >> 5 << 25);
	} else {
		size = rng_below(p->r, 7);
		put(p, 0x03 | size << 12 | reg(p) << 7 | base << 15 | disp << 20);
	}
}

static void put_fp(struct program *p)
{
	/* add, sub, mul, div, fsgnj, fsgnjx, fsqrt-less; in both widths (bit 25) */
	static const uint32_t ops[] = { 0x7053,	    0x8007053,	0x10007053, 0x18007053,
					0x20000053, 0x20002053, 0x7043,	    0x704f };
	uint32_t op = ops[rng_below(p->r, ARRAY_SIZE(ops))];
	uint32_t wide = rng_pct(p->r, 70) ? 1u << 25 : 0;

	if (rng_pct(p->r, 15)) {
		/* feq, flt; fcvt.d.l; fmv.x.d */
		static const uint32_t out[] = { 0xa2002053, 0xa2001053, 0xe2000053 };
		uint32_t n = rng_below(p->r, 3);

		put(p, out[n] | reg(p) << 7 | fp_reg(p) << 15 | (n < 2 ? fp_reg(p) << 20 : 0));
	} else if (rng_pct(p->r, 10)) {
		put(p, 0xd2207053 | fp_reg(p) << 7 | reg(p) << 15);
	} else if ((op & 0x7f) != 0x53) {
		put(p, op | wide | fp_reg(p) << 7 | fp_reg(p) << 15 | fp_reg(p) << 20 |
			       fp_reg(p) << 27);
	} else {
		put(p, op | wide | fp_reg(p) << 7 | fp_reg(p) << 15 | fp_reg(p) << 20);
	}
}

static void put_some(struct program *p, uint32_t n)
{
	static void (*const kinds[])(struct program *) = { put_int,	 put_imm, put_shift,
							   put_rotation, put_int, put_access,
							   put_access,	 put_fp };

	while (n-- > 0) {
		if (rng_pct(p->r, 12)) { /* over the next one */
			put_branch(p, (uint32_t[]){ 0, 1, 4, 5, 6, 7 }[rng_below(p->r, 6)], reg(p),
				   reg(p), (int32_t)p->n + 2);
			put_imm(p);
		}
		kinds[rng_below(p->r, ARRAY_SIZE(kinds))](p);
	}
}

static void put_count(struct program *p, uint32_t r, uint32_t n)
{
	put(p, 0x13 | r << 7 | n << 20);
}

/* What a loop does at its end. */
static void put_loop_end(struct program *p, uint32_t counter, size_t head)
{
	if (rng_pct(p->r, 70)) {
		put(p, 0x13 | PTR << 7 | PTR << 15 | (rng_below(p->r, 3) * 8) << 20);
	}
	put(p, 0xfff00013 | counter << 7 | counter << 15);
	put_branch(p, 1, counter, 0, (int32_t)head);
}

static void put_jal(struct program *p, uint32_t link, int32_t to)
{
	uint32_t d = (uint32_t)(to - (int32_t)p->n) * 4;

	put(p, 0x6f | link << 7 | (d >> 12 & 0xff) << 12 | (d >> 11 & 1) << 20 |
		       (d >> 1 & 0x3ff) << 21 | (d >> 20 & 1) << 31);
}

/* A leaf first, then loops in loops, for ever. */
void make_program(struct program *p)
{
	size_t outer;
	size_t inner;
	size_t deep;
	size_t leaf;

	p->n = 0;
	put_jal(p, 0, 8);
	leaf = p->n;
	put_some(p, 1 + rng_below(p->r, 4));
	put(p, 0x00008067); /* ret */
	while (p->n < 8) {
		put(p, 0x13);
	}
	/* over what of the leaf is longer */
	p->code[0] = 0x6f | (uint32_t)(p->n * 4 >> 1 & 0x3ff) << 21;
	outer = p->n;
	put_count(p, INNER, 2 + rng_below(p->r, 20));
	put_some(p, rng_below(p->r, 6));
	inner = p->n;
	put_some(p, 1 + rng_below(p->r, 12));
	if (rng_pct(p->r, 40)) {
		put_jal(p, RA, (int32_t)leaf);
	}
	if (rng_pct(p->r, 50)) {
		put_count(p, DEEP, 2 + rng_below(p->r, 40));
		deep = p->n;
		put_some(p, 1 + rng_below(p->r, 10));
		put_loop_end(p, DEEP, deep);
	}
	put_some(p, rng_below(p->r, 6));
	put_loop_end(p, INNER, inner);
	put_jal(p, 0, (int32_t)outer);
}

/* ---- runs ---- */

void start(struct side *s, const struct program *p, uint64_t seed)
{
	struct rng r = { seed };
	struct cpu_mode mode = { 0 };
	struct cpu_state st = { 0 };
	struct rv_state *rv = rv_state(&st);
	struct errmsg e = { "" };

	rv64_arch.reset(&st, &mode);
	rv->pc = CODE_GPA + p->at;
	rv->mstatus |= RV_MSTATUS_FS;
	for (size_t k = FIRST; k < 32; k++) {
		rv->x[k] = rng_corner(&r);
	}
	for (size_t k = 0; k < 32; k++) {
		rv->f[k] = rng_pct(&r, 50) ? 0x3ff0000000000000 + (rng_next(&r) >> 12)
					   : rng_corner(&r);
	}
	rv->x[PTR] = DATA_GPA + rng_below(&r, 256) * 8;
	rv->x[OTHER] = DATA_GPA + rng_below(&r, 256) * 8;
	for (size_t k = 0; k < DATA_BYTES; k += 8) {
		store_le(s->data + k, rng_pct(&r, 50) ? rng_corner(&r) : rng_next(&r), 8);
	}
	memcpy(s->ram + p->at, p->code, sizeof(p->code));
	s->insns = 0;
	s->eng->ops->code_changed(s->eng, CODE_GPA + p->at, sizeof(p->code));
	CHECK_INT(s->eng->ops->set_state(s->eng, &st, &e), 0);
}

bool is_same(const struct side *x, enum vm_exit_kind a, const struct side *y, enum vm_exit_kind b)
{
	struct cpu_state one = { 0 };
	struct cpu_state two = { 0 };
	struct errmsg e = { "" };
	int before = test_failures;

	x->eng->ops->get_state(x->eng, &one, &e);
	y->eng->ops->get_state(y->eng, &two, &e);
	CHECK_INT(a, b);
	CHECK_INT(x->insns, y->insns);
	CHECK_INT(rv_state(&one)->pc, rv_state(&two)->pc);
	for (size_t k = 0; k < 32; k++) {
		CHECK_INT(rv_state(&one)->x[k], rv_state(&two)->x[k]);
		CHECK_INT(rv_state(&one)->f[k], rv_state(&two)->f[k]);
	}
	CHECK(memcmp(&one, &two, sizeof(one)) == 0);
	CHECK(memcmp(x->data, y->data, DATA_BYTES) == 0);
	return test_failures == before;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of integer values: one transfer function per operation. */
#include <string.h>

#include "base/bug.h"
#include "engine/dbt/opt/opt.h"

static struct opt_range range(int64_t lo, int64_t hi)
{
	return (struct opt_range){ lo, hi };
}

/* All values of a type. */
static struct opt_range range_of_type(unsigned int type, bool is_signed)
{
	unsigned int bits = 8u << type;

	if (bits == 64) {
		return OPT_RANGE_ALL;
	}
	return is_signed ? range(-(INT64_C(1) << (bits - 1)), (INT64_C(1) << (bits - 1)) - 1)
			 : range(0, (INT64_C(1) << bits) - 1);
}

struct opt_range opt_range_of(const struct opt_work *w, const struct opt_state *s, ir_val v)
{
	if (v >= IR_TEMP0) {
		return v == IR_NONE ? OPT_RANGE_ALL : w->temps[v - IR_TEMP0];
	}
	switch (w->cfg.regs[v].cls) {
	case IR_CLASS_ZERO:
		return range(0, 0);
	case IR_CLASS_BIT:
		return range(0, 1);
	case IR_CLASS_INT:
		return s->regs[v];
	default:
		return OPT_RANGE_ALL;
	}
}

static struct opt_range add(struct opt_range a, struct opt_range b)
{
	struct opt_range r;

	if (__builtin_add_overflow(a.lo, b.lo, &r.lo) ||
	    __builtin_add_overflow(a.hi, b.hi, &r.hi)) {
		return OPT_RANGE_ALL;
	}
	return r;
}

static struct opt_range sub(struct opt_range a, struct opt_range b)
{
	struct opt_range r;

	if (__builtin_sub_overflow(a.lo, b.hi, &r.lo) ||
	    __builtin_sub_overflow(a.hi, b.lo, &r.hi)) {
		return OPT_RANGE_ALL;
	}
	return r;
}

static struct opt_range shl(struct opt_range a, unsigned int n)
{
	int64_t limit = INT64_MAX >> n;

	if (!opt_range_within(a, -limit, limit)) {
		return OPT_RANGE_ALL;
	}
	return range((int64_t)((uint64_t)a.lo << n), (int64_t)((uint64_t)a.hi << n));
}

static struct opt_range shr(struct opt_range a, unsigned int n)
{
	if (a.lo >= 0 || n == 0) {
		return range(a.lo >> n, a.hi >> n);
	}
	return range(0, (int64_t)(UINT64_MAX >> n));
}

static struct opt_range join(struct opt_range a, struct opt_range b)
{
	return range(a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi);
}

/* The least 2^n - 1 that is no less. */
static int64_t ones(int64_t v)
{
	return v <= 0 ? 0 : (int64_t)(UINT64_MAX >> __builtin_clzll((uint64_t)v));
}

/* Bits by bits: what both operands extend their sign from, the result does. */
static struct opt_range logic(struct opt_range a, struct opt_range b)
{
	struct opt_range both = join(a, b);
	int64_t top = ones(both.hi > ~both.lo ? both.hi : ~both.lo);

	return both.lo >= 0 ? range(0, top) : range(~top, top);
}

static struct opt_range and (struct opt_range a, struct opt_range b)
{
	if (a.lo >= 0 && b.lo >= 0) {
		return range(0, a.hi < b.hi ? a.hi : b.hi);
	}
	if (a.lo >= 0 || b.lo >= 0) {
		return range(0, a.lo >= 0 ? a.hi : b.hi);
	}
	return logic(a, b);
}

static struct opt_range mul(struct opt_range a, struct opt_range b)
{
	const int64_t limit = INT64_C(1) << 31;
	int64_t ends[4];
	struct opt_range r;

	if (!opt_range_within(a, -limit, limit) || !opt_range_within(b, -limit, limit)) {
		return OPT_RANGE_ALL;
	}
	ends[0] = a.lo * b.lo;
	ends[1] = a.lo * b.hi;
	ends[2] = a.hi * b.lo;
	ends[3] = a.hi * b.hi;
	r = range(ends[0], ends[0]);
	for (size_t k = 1; k < ARRAY_SIZE(ends); k++) {
		r = join(r, range(ends[k], ends[k]));
	}
	return r;
}

/* By a number, or by something. */
static struct opt_range shift(const struct ir_insn *i, struct opt_range a, struct opt_range by)
{
	bool is_number = by.lo == by.hi;
	unsigned int n = (unsigned int)by.lo & 63;

	switch (i->op) {
	case IR_SHL:
		return is_number ? shl(a, n) : OPT_RANGE_ALL;
	case IR_SHR:
		return is_number ? shr(a, n) : a.lo >= 0 ? range(0, a.hi) : OPT_RANGE_ALL;
	default:
		return is_number ? range(a.lo >> n, a.hi >> n)
				 : join(a, range(a.lo < 0 ? -1 : 0, a.hi < 0 ? -1 : 0));
	}
}

/* 64-bit operations, and what narrower ones would give if they were. */
static struct opt_range wide_result(const struct ir_insn *i, struct opt_range a, struct opt_range b)
{
	switch (i->op) {
	case IR_ADD:
		return add(a, b);
	case IR_SUB:
		return sub(a, b);
	case IR_AND:
		return and(a, b);
	case IR_OR:
	case IR_XOR:
		return logic(a, b);
	case IR_ANDN:
	case IR_ORN:
	case IR_XNOR:
		return logic(join(a, range(~a.hi, ~a.lo)), join(b, range(~b.hi, ~b.lo)));
	case IR_SHL:
	case IR_SHR:
	case IR_SAR:
		return shift(i, a, b);
	case IR_MUL:
		return mul(a, b);
	case IR_MIN_S:
	case IR_MAX_S:
		return join(a, b);
	default:
		return OPT_RANGE_ALL;
	}
}

static struct opt_range select_result(const struct opt_work *w, const struct opt_state *s,
				      const struct ir_insn *i)
{
	return join(opt_range_of(w, s, i->b), opt_range_of(w, s, i->c));
}

/* Of all types. */
static bool has_own_result(const struct opt_work *w, const struct opt_state *s,
			   const struct ir_insn *i, struct opt_range a, struct opt_range b,
			   struct opt_range *ret)
{
	switch (i->op) {
	case IR_MOV:
		*ret = (i->flags & IR_IMM) ? range(i->imm, i->imm) : a;
		return true;
	case IR_SET_IF:
	case IR_FSET_IF:
		*ret = range(0, 1);
		return true;
	case IR_SHL_ADD:
		if (i->type == IR_I32 && !opt_range_within(a, 0, UINT32_MAX)) {
			a = range(0, UINT32_MAX);
		}
		*ret = add(shl(a, i->c), b);
		return true;
	case IR_INSERT:
	case IR_HELPER:
		*ret = OPT_RANGE_ALL;
		return true;
	case IR_FCVT_IF:
		*ret = i->cond == IR_INT_S64 || i->cond == IR_INT_U64
			       ? OPT_RANGE_ALL
			       : range_of_type(IR_I32, i->flags & IR_SX);
		return true;
	case IR_SELECT:
		*ret = i->type == IR_I64 ? select_result(w, s, i)
					 : range_of_type(i->type, i->flags & IR_SX);
		return true;
	case IR_CLZ:
	case IR_CTZ:
	case IR_POPCNT:
		*ret = range(0, 64);
		return true;
	default:
		return false;
	}
}

/* Operations whose low bits come from low bits alone: what fits is as it would be with 64. */
static struct opt_range narrow_result(const struct ir_insn *i, struct opt_range a,
				      struct opt_range b)
{
	struct opt_range all = range_of_type(i->type, i->flags & IR_SX);
	bool is_low = (i->op >= IR_ADD && i->op <= IR_XNOR) || i->op == IR_MUL;
	struct opt_range r = is_low ? wide_result(i, a, b) : all;

	return opt_range_within(r, all.lo, all.hi) ? r : all;
}

struct opt_range opt_range_result(const struct opt_work *w, const struct opt_state *s,
				  const struct ir_insn *i)
{
	struct opt_range a = opt_range_of(w, s, i->a);
	struct opt_range b = (i->flags & IR_IMM) ? range(i->imm, i->imm) : OPT_RANGE_ALL;
	struct opt_range whole;
	struct opt_range r;

	if (!(i->flags & IR_IMM) && i->b != IR_NONE) {
		b = opt_range_of(w, s, i->b);
	}
	if (has_own_result(w, s, i, a, b, &r)) {
		return r;
	}
	if (i->op == IR_LOAD || i->type > IR_I64) {
		return range_of_type(i->type > IR_I64 ? IR_I64 : i->type, i->flags & IR_SX);
	}
	if (i->op == IR_EXT) {
		whole = range_of_type(i->type, i->flags & IR_SX);
		return opt_range_within(a, whole.lo, whole.hi) ? a : whole;
	}
	if (i->op == IR_SHR && i->type == IR_I32 && (i->flags & IR_IMM) && (i->imm & 31)) {
		return range(0, (int64_t)(UINT32_MAX >> (i->imm & 31)));
	}
	return i->type == IR_I64 ? wide_result(i, a, b) : narrow_result(i, a, b);
}

bool opt_is_safe(const struct opt_work *w, struct opt_range base, int64_t disp)
{
	/* what the widest access reaches stays unmapped */
	int64_t reach = (int64_t)(BIT(w->cfg.window_bits) + w->cfg.slack_bytes) - 64;
	struct opt_range address = add(base, range(disp, disp));

	return opt_range_within(address, -reach, reach);
}

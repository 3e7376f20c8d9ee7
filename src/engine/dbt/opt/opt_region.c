/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts over a region: ranges of integers, and which FP registers stand for canonical values, by forward dataflow to a
 * fixed point; then everything that follows from them.
 *
 * Loops. What address computations in a loop start from is assumed to be in the window where the loop begins, give or
 * take half of the slack. Edges into the loop have to test it, if it is not known there. Within the loop an access that
 * did not fault says the same of its base, so pointers that move on by a little from access to access are never tested
 * again.
 */
#include <string.h>

#include "base/bug.h"
#include "engine/dbt/opt/opt.h"

#define WIDEN_ROUND	2u
#define WIDEN_ALL_ROUND 8u
#define ASSUMED_MAX	8u

/* ---- what loops start from ---- */

static bool is_int(const struct opt_work *w, ir_val v)
{
	return v < IR_REGS_MAX && w->cfg.regs[v].cls == IR_CLASS_INT;
}

static size_t set_count(const struct ir_set *s)
{
	size_t n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(s->bits); k++) {
		n += (size_t)__builtin_popcountll(s->bits[k]);
	}
	return n;
}

/* Registers and temporaries that addresses are made of. */
struct exposed {
	uint64_t bits[(IR_REGS_MAX + IR_TEMPS_MAX) / 64];
};

static bool exposed_has(const struct exposed *x, ir_val v)
{
	return v != IR_NONE && (x->bits[v / 64] & BIT(v % 64));
}

static void exposed_add(const struct opt_work *w, struct exposed *x, ir_val v)
{
	if (v != IR_NONE && (v >= IR_TEMP0 || is_int(w, v))) {
		x->bits[v / 64] |= BIT(v % 64);
	}
}

static void exposed_remove(struct exposed *x, ir_val v)
{
	x->bits[v / 64] &= ~BIT(v % 64);
}

static void expose_insn(const struct opt_work *w, struct exposed *x, const struct ir_insn *i)
{
	bool was = i->dst != IR_NONE && exposed_has(x, i->dst);

	if (i->dst != IR_NONE) {
		exposed_remove(x, i->dst);
	}
	if (i->op == IR_LOAD || i->op == IR_STORE) {
		exposed_add(w, x, i->a);
	} else if (was && i->type == IR_I64 &&
		   ((i->op == IR_MOV && !(i->flags & IR_IMM)) || i->op == IR_ADD ||
		    i->op == IR_SUB)) {
		exposed_add(w, x, i->a);
		if (!(i->flags & IR_IMM) && i->op == IR_ADD) {
			exposed_add(w, x, i->b);
		}
	} else if (was && i->op == IR_SHL_ADD) {
		exposed_add(w, x, i->b);
	}
}

/* What is exposed where an edge leads. @return whether that changed when that block was looked at last */
static bool expose_edge(const struct opt_work *w, struct exposed *x, const struct ir_edge *e,
			size_t first, size_t last)
{
	if (e->to == IR_BLOCK_NONE || e->to < first || e->to > last) {
		return false;
	}
	for (size_t k = 0; k < ARRAY_SIZE(w->exposed[0].bits); k++) {
		x->bits[k] |= w->exposed[e->to].bits[k];
	}
	return w->is_changed[e->to];
}

/* @return whether anything was new */
static bool expose_block(struct opt_work *w, size_t k, size_t first, size_t last, bool is_first)
{
	const struct ir_region_block *rb = &w->r->blocks[k];
	const size_t bytes = sizeof(w->exposed[k].bits);
	struct exposed x = { 0 };
	bool is_due = is_first;

	is_due |= expose_edge(w, &x, &rb->target, first, last);
	if (!(ir_block_end(rb->b)->flags & IR_CALL)) {
		is_due |= expose_edge(w, &x, &rb->next, first, last);
	}
	if (!is_due) {
		w->is_changed[k] = false;
		return false;
	}
	for (size_t n = rb->b->n_insns; n-- > 0;) {
		expose_insn(w, &x, &rb->b->insns[n]);
	}
	w->is_changed[k] = memcmp(w->exposed[k].bits, x.bits, bytes) != 0;
	memcpy(w->exposed[k].bits, x.bits, bytes);
	return w->is_changed[k];
}

static void find_results(struct opt_work *w, size_t head)
{
	for (size_t k = head; k <= w->loops[head].last; k++) {
		const struct ir_block *b = w->r->blocks[k].b;

		for (size_t n = 0; n < b->n_insns; n++) {
			if (b->insns[n].op == IR_FCANON && b->insns[n].type == IR_F64 &&
			    b->insns[n].dst < IR_REGS_MAX &&
			    set_count(&w->loops[head].results) < ASSUMED_MAX) {
				ir_set_add(&w->loops[head].results, b->insns[n].dst);
			}
		}
	}
}

static void find_loop(struct opt_work *w, size_t head)
{
	size_t last = head;
	bool is_new = true;
	bool is_first = true;

	for (size_t k = head; k < w->r->n; k++) {
		if (w->r->blocks[k].next.to == head || w->r->blocks[k].target.to == head) {
			last = k;
		}
	}
	w->loops[head].last = last;
	memset(w->exposed, 0, sizeof(w->exposed));
	for (; is_new; is_first = false) {
		is_new = false;
		for (size_t k = last + 1; k-- > head;) {
			is_new |= expose_block(w, k, head, last, is_first);
		}
	}
	w->loops[head].bases = w->exposed[head];
	while (set_count(&w->loops[head].bases) > ASSUMED_MAX) {
		for (size_t k = 0; k < ARRAY_SIZE(w->exposed[head].bits); k++) {
			uint64_t *bits = &w->loops[head].bases.bits[k];

			if (*bits) {
				*bits &= *bits - 1; /* any */
				break;
			}
		}
	}
	find_results(w, head);
}

/* ---- transfer ---- */

static void state_set(struct opt_work *w, struct opt_state *s, ir_val v, struct opt_range r)
{
	if (v >= IR_TEMP0) {
		if (v != IR_NONE) {
			w->temps[v - IR_TEMP0] = r;
		}
	} else if (is_int(w, v)) {
		s->regs[v] = r;
	}
}

/* An access that did not fault was in the window. */
static void refine_base(struct opt_work *w, struct opt_state *s, const struct ir_insn *i)
{
	int64_t half = (int64_t)BIT(w->cfg.window_bits);
	struct opt_range r = opt_range_of(w, s, i->a);
	const int64_t limit = INT64_C(1) << 31;

	if (i->imm >= limit || i->imm <= -limit) {
		return;
	}
	if (r.lo < -half - i->imm) {
		r.lo = -half - i->imm;
	}
	if (r.hi > half - 1 - i->imm) {
		r.hi = half - 1 - i->imm;
	}
	if (r.lo <= r.hi) { /* else it always faults */
		state_set(w, s, i->a, r);
	}
}

static void set_move(struct ir_set *s, ir_val dst, ir_val a)
{
	if (ir_set_has(s, a)) {
		ir_set_add(s, dst);
	} else {
		ir_set_remove(s, dst);
	}
}

static bool is_fp_reg(const struct opt_work *w, ir_val v)
{
	return v < IR_REGS_MAX && w->cfg.regs[v].cls == IR_CLASS_FP;
}

/* The FP register that an operation writes. */
static void transfer_fp(struct opt_state *s, const struct ir_insn *i)
{
	bool is_number = i->op == IR_MOV && (i->flags & IR_IMM);
	bool is_mov = i->op == IR_MOV && !is_number && i->a < IR_REGS_MAX;

	if (is_mov) {
		set_move(&s->canon64, i->dst, i->a);
		set_move(&s->canon32, i->dst, i->a);
		return;
	}
	ir_set_remove(&s->canon64, i->dst);
	ir_set_remove(&s->canon32, i->dst);
	if (i->op == IR_FCANON || i->op == IR_FCVT_FI) {
		if (i->type == IR_F64) {
			ir_set_add(&s->canon64, i->dst);
		} else if (i->flags & IR_SX) {
			ir_set_add(&s->canon32, i->dst);
		}
	}
}

static void transfer(struct opt_work *w, struct opt_state *s, const struct ir_insn *i)
{
	struct opt_range r = opt_range_result(w, s, i);

	if (i->op == IR_LOAD || i->op == IR_STORE) {
		refine_base(w, s, i);
	}
	if (i->op == IR_HELPER) {
		for (size_t k = 0; k < IR_REGS_MAX; k++) {
			s->regs[k] = OPT_RANGE_ALL;
		}
		memset(&s->canon64, 0, sizeof(s->canon64));
		memset(&s->canon32, 0, sizeof(s->canon32));
	}
	if (is_fp_reg(w, i->dst)) {
		transfer_fp(s, i);
	} else if (i->dst != IR_NONE) {
		state_set(w, s, i->dst, r);
	}
}

/* A move of zero, or another number that is no NaN, to an FP register by way of a temporary or register. */
static void transfer_number(const struct opt_work *w, struct opt_state *s, const struct ir_insn *i)
{
	struct opt_range r = opt_range_of(w, s, i->a);

	if (i->op == IR_MOV && is_fp_reg(w, i->dst) && !(i->flags & IR_IMM) &&
	    !is_fp_reg(w, i->a) && r.lo == r.hi && r.lo == 0) {
		ir_set_add(&s->canon64, i->dst);
	}
}

/* ---- edges ---- */

static void state_any(struct opt_state *s)
{
	for (size_t k = 0; k < IR_REGS_MAX; k++) {
		s->regs[k] = OPT_RANGE_ALL;
	}
	memset(&s->canon64, 0, sizeof(s->canon64));
	memset(&s->canon32, 0, sizeof(s->canon32));
}

static void state_copy(const struct opt_work *w, struct opt_state *to, const struct opt_state *from)
{
	memcpy(to->regs, from->regs, w->cfg.n_regs * sizeof(to->regs[0]));
	to->canon64 = from->canon64;
	to->canon32 = from->canon32;
}

static int64_t assumed_reach(const struct opt_work *w)
{
	return (int64_t)(BIT(w->cfg.window_bits) + w->cfg.slack_bytes / 2);
}

static bool is_assumed(const struct opt_work *w, struct opt_range r)
{
	return opt_range_within(r, -assumed_reach(w), assumed_reach(w));
}

/* The next member of a set from @p v on, or IR_REGS_MAX. */
static ir_val set_next(const struct ir_set *s, ir_val v)
{
	for (size_t k = v / 64; k < ARRAY_SIZE(s->bits); k++) {
		uint64_t bits = k == v / 64 ? s->bits[k] >> v % 64 << v % 64 : s->bits[k];

		if (bits) {
			return (ir_val)(k * 64 + (size_t)__builtin_ctzll(bits));
		}
	}
	return IR_REGS_MAX;
}

/* Change a state to what holds behind an edge's guards; they are noted too if @p e is given. */
static void guard_edge(const struct opt_work *w, struct opt_state *s, size_t from, size_t to,
		       struct ir_edge *e)
{
	int64_t half = (int64_t)BIT(w->cfg.window_bits);
	const struct ir_set *bases = &w->loops[to].bases;
	const struct ir_set *results = &w->loops[to].results;

	for (ir_val v = set_next(bases, 0); v < IR_REGS_MAX; v = set_next(bases, v + 1)) {
		if (is_assumed(w, s->regs[v])) {
			continue;
		}
		s->regs[v] = (struct opt_range){ -half, half - 1 };
		if (e) {
			e->guards[e->n_guards++] = (struct ir_guard){ v, IR_GUARD_WINDOW };
		}
	}
	if (from != SIZE_MAX && from >= to) {
		return;
	}
	for (ir_val v = set_next(results, 0); v < IR_REGS_MAX; v = set_next(results, v + 1)) {
		if (ir_set_has(&s->canon64, v)) {
			continue;
		}
		if (e && ir_set_has(&w->in[to].canon64, v)) {
			e->guards[e->n_guards++] = (struct ir_guard){ v, IR_GUARD_NUMBER };
		}
		ir_set_add(&s->canon64, v);
		ir_set_remove(&s->canon32, v);
	}
}

static int64_t widen_lo(const struct opt_work *w, int64_t lo)
{
	return w->rounds >= WIDEN_ALL_ROUND ? INT64_MIN
	       : lo >= 0		    ? 0
	       : lo >= INT32_MIN	    ? INT32_MIN
	       : lo >= -assumed_reach(w)    ? -assumed_reach(w)
					    : INT64_MIN;
}

static int64_t widen_hi(const struct opt_work *w, int64_t hi)
{
	return w->rounds >= WIDEN_ALL_ROUND ? INT64_MAX
	       : hi <= INT32_MAX	    ? INT32_MAX
	       : hi <= UINT32_MAX	    ? UINT32_MAX
	       : hi <= assumed_reach(w)	    ? assumed_reach(w)
					    : INT64_MAX;
}

static bool merge_ranges(const struct opt_work *w, struct opt_state *in, const struct opt_state *s)
{
	bool is_new = false;

	for (size_t v = 0; v < w->cfg.n_regs; v++) {
		struct opt_range *r = &in->regs[v];

		if (opt_range_within(s->regs[v], r->lo, r->hi)) {
			continue;
		}
		if (s->regs[v].lo < r->lo) {
			r->lo = w->rounds >= WIDEN_ROUND ? widen_lo(w, s->regs[v].lo)
							 : s->regs[v].lo;
			is_new = true;
		}
		if (s->regs[v].hi > r->hi) {
			r->hi = w->rounds >= WIDEN_ROUND ? widen_hi(w, s->regs[v].hi)
							 : s->regs[v].hi;
			is_new = true;
		}
	}
	return is_new;
}

static bool merge_set(struct ir_set *in, const struct ir_set *s)
{
	bool is_new = false;

	for (size_t k = 0; k < ARRAY_SIZE(in->bits); k++) {
		is_new |= (in->bits[k] & ~s->bits[k]) != 0;
		in->bits[k] &= s->bits[k];
	}
	return is_new;
}

/*
 * A base that comes back from a round of its loop with another value than addresses have: the access tests it better, at its
 * own place, than an edge on which the loop would have to leave its straight way.
 */
static void drop_bases(struct opt_work *w, const struct opt_state *s, size_t head)
{
	struct ir_set *bases = &w->loops[head].bases;

	for (ir_val v = set_next(bases, 0); v < IR_REGS_MAX; v = set_next(bases, v + 1)) {
		if (!is_assumed(w, s->regs[v])) {
			ir_set_remove(bases, v);
			w->in[head].regs[v] = OPT_RANGE_ALL;
			w->is_changed[head] = true;
		}
	}
}

/* What holds along an edge holds where it leads, which is looked at once more if that is news. */
static void flow(struct opt_work *w, const struct opt_state *s, size_t from,
		 const struct ir_edge *e)
{
	struct opt_state *in;
	bool is_new;

	if (e->to == IR_BLOCK_NONE) {
		return;
	}
	in = &w->in[e->to];
	if (w->r->blocks[e->to].is_loop_head) {
		if (from != SIZE_MAX && from >= e->to) {
			drop_bases(w, s, e->to);
		}
		state_copy(w, &w->out, s);
		guard_edge(w, &w->out, from, e->to, NULL);
		s = &w->out;
	}
	if (!in->is_reached) {
		state_copy(w, in, s);
		in->is_reached = true;
		w->is_changed[e->to] = true;
		return;
	}
	is_new = merge_ranges(w, in, s);
	is_new |= merge_set(&in->canon64, &s->canon64);
	is_new |= merge_set(&in->canon32, &s->canon32);
	w->is_changed[e->to] |= is_new;
}

static void step(struct opt_work *w, const struct ir_insn *i)
{
	transfer(w, &w->now, i);
	transfer_number(w, &w->now, i);
}

/* A call comes back with whatever the callee left. */
static void call_returns(struct opt_work *w, const struct ir_block *b)
{
	if (ir_block_end(b)->flags & IR_CALL) {
		state_any(&w->now);
	}
}

/* @return whether there was anything to do */
static bool flow_block(struct opt_work *w, size_t k)
{
	const struct ir_region_block *rb = &w->r->blocks[k];

	if (!w->is_changed[k]) {
		return false;
	}
	w->is_changed[k] = false;
	state_copy(w, &w->now, &w->in[k]);
	for (size_t n = 0; n < rb->b->n_insns; n++) {
		step(w, &rb->b->insns[n]);
	}
	call_returns(w, rb->b);
	flow(w, &w->now, k, &rb->target);
	flow(w, &w->now, k, &rb->next);
	return true;
}

/* ---- what follows ---- */

static void to_mov(struct ir_insn *i)
{
	i->op = i->dst == i->a ? IR_NOP : IR_MOV;
	i->type = IR_I64;
	i->flags = 0;
	if (i->op == IR_NOP) {
		i->dst = IR_NONE;
		i->a = IR_NONE;
	}
}

/* A sum of 32 bits that does not overflow is one of 64. */
static void drop_extension(struct opt_work *w, struct ir_insn *i)
{
	struct ir_insn wide = *i;
	struct opt_range r;

	wide.type = IR_I64;
	wide.flags &= (uint8_t)~IR_SX;
	r = opt_range_result(w, &w->now, &wide);
	if (opt_range_within(r, INT32_MIN, INT32_MAX)) {
		*i = wide;
	}
}

/* What is made of numbers is a number. */
static bool is_number(const struct opt_work *w, const struct ir_insn *i, int64_t *ret)
{
	bool is_plain = (i->op >= IR_ADD && i->op <= IR_SHL_ADD) || i->op == IR_EXT;
	struct opt_range a = opt_range_of(w, &w->now, i->a);
	struct opt_range r;

	if (!is_plain || a.lo != a.hi || !(i->dst >= IR_TEMP0 || is_int(w, i->dst))) {
		return false;
	}
	r = opt_range_result(w, &w->now, i);
	*ret = r.lo;
	return r.lo == r.hi;
}

static void to_number(struct ir_insn *i, int64_t number)
{
	*i = (struct ir_insn){ .op = IR_MOV,
			       .type = IR_I64,
			       .flags = IR_IMM,
			       .dst = i->dst,
			       .a = IR_NONE,
			       .b = IR_NONE,
			       .c = IR_NONE,
			       .guest = i->guest,
			       .imm = number };
}

static void rewrite(struct opt_work *w, struct ir_insn *i)
{
	struct opt_range a;
	struct opt_range all;
	int64_t number;

	if (is_number(w, i, &number)) {
		to_number(i, number);
		return;
	}
	switch (i->op) {
	case IR_EXT:
		a = opt_range_of(w, &w->now, i->a);
		all = opt_range_result(w, &w->now, i);
		if (a.lo == all.lo && a.hi == all.hi && i->type < IR_I64 &&
		    opt_range_within(
			    a, (i->flags & IR_SX) ? -(INT64_C(1) << ((8u << i->type) - 1)) : 0,
			    (INT64_C(1) << ((8u << i->type) - !!(i->flags & IR_SX))) - 1)) {
			to_mov(i);
		}
		break;
	case IR_ADD:
	case IR_SUB:
	case IR_AND:
	case IR_OR:
	case IR_XOR:
		if (i->type == IR_I32 && (i->flags & IR_SX)) {
			drop_extension(w, i);
		}
		break;
	case IR_SHR:
		/* no sign that could be extended */
		if (i->type == IR_I32 &&
		    opt_range_within(opt_range_result(w, &w->now, i), 0, INT32_MAX)) {
			i->flags &= (uint8_t)~IR_SX;
		}
		break;
	case IR_LOAD:
	case IR_STORE:
		if (opt_is_safe(w, opt_range_of(w, &w->now, i->a), i->imm)) {
			i->flags |= IR_SAFE;
		}
		break;
	default:
		break;
	}
}

static void note_guards(struct opt_work *w, size_t from, struct ir_edge *e)
{
	if (e->to != IR_BLOCK_NONE && w->r->blocks[e->to].is_loop_head) {
		state_copy(w, &w->out, &w->now);
		guard_edge(w, &w->out, from, e->to, e);
	}
}

static void finish_block(struct opt_work *w, size_t k)
{
	struct ir_region_block *rb = &w->r->blocks[k];

	rb->canon64 = w->in[k].canon64;
	rb->canon32 = w->in[k].canon32;
	state_copy(w, &w->now, &w->in[k]);
	for (size_t n = 0; n < rb->b->n_insns; n++) {
		struct ir_insn before = rb->b->insns[n];

		rewrite(w, &rb->b->insns[n]);
		step(w, &before);
	}
	call_returns(w, rb->b);
	note_guards(w, k, &rb->target);
	note_guards(w, k, &rb->next);
}

void opt_region(struct opt_work *w, struct ir_region *r)
{
	bool is_new = true;

	w->r = r;
	memset(w->loops, 0, sizeof(w->loops));
	for (size_t k = 0; k < r->n; k++) {
		w->in[k].is_reached = false;
		if (r->blocks[k].is_loop_head) {
			find_loop(w, k);
		}
	}
	memset(w->is_changed, 0, sizeof(w->is_changed));
	state_any(&w->now);
	w->rounds = 0;
	flow(w, &w->now, SIZE_MAX, &r->entry);
	for (; is_new; w->rounds++) {
		is_new = false;
		for (size_t k = 0; k < r->n; k++) {
			is_new |= flow_block(w, k);
		}
	}
	state_any(&w->now);
	note_guards(w, SIZE_MAX, &r->entry);
	for (size_t k = 0; k < r->n; k++) {
		if (w->in[k].is_reached) {
			finish_block(w, k);
		}
		opt_block(&w->cfg, r->blocks[k].b);
	}
}

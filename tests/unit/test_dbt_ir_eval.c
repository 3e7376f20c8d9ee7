// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_ir_eval.h. */
#include "test_dbt_ir_eval.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DENORMAL 2u /* MXCSR's flag that no guest has */

/* How evaluation of an operation ended. */
enum stop { GO_ON, STOP_UNDONE, STOP_DONE, STOP_END };

struct run {
	struct ir_eval *m;
	const struct ir_block *b;
	struct rig_result result;
};

static uint64_t get(const struct ir_eval *m, ir_val v)
{
	if (v == IR_NONE) {
		return 0;
	}
	if (v >= IR_TEMP0) {
		return m->temps[v - IR_TEMP0];
	}
	if (v < RIG_F(0)) {
		return m->s.r[v];
	}
	if (v < RIG_BIT(0)) {
		return m->s.f[v - RIG_F(0)];
	}
	return v == RIG_ZERO ? 0 : m->s.bits[v - RIG_BIT(0)];
}

static void set(struct ir_eval *m, ir_val v, uint64_t x)
{
	if (v == IR_NONE) {
		return;
	}
	if (v >= IR_TEMP0) {
		m->temps[v - IR_TEMP0] = x;
	} else if (v < RIG_F(0)) {
		m->s.r[v] = x;
	} else if (v < RIG_BIT(0)) {
		m->s.f[v - RIG_F(0)] = x;
	} else {
		m->s.bits[v - RIG_BIT(0)] = x & 1;
	}
}

static void flags(struct ir_eval *m, const struct ir_block *b, const struct ir_insn *i, uint64_t x,
		  uint64_t y)
{
	const struct ir_flag_regs *r = &b->flag_regs[i->aux];
	struct ir_value_flags f = ir_value_flags_of(i, x, y, get(m, i->c) & 1);

	set(m, r->n, f.n);
	set(m, r->z, f.z);
	set(m, r->c, f.c);
	set(m, r->v, f.v);
}

/* ---- memory ---- */

static uint8_t *ram(struct ir_eval *m, uint64_t address, unsigned int bytes)
{
	if (address - RIG_RAM_LOW <= RIG_RAM_BYTES - bytes) {
		return m->w.low + (address - RIG_RAM_LOW);
	}
	if (address - RIG_RAM_HIGH <= RIG_RAM_BYTES - bytes) {
		return m->w.high + (address - RIG_RAM_HIGH);
	}
	return NULL;
}

static bool is_in_window(uint64_t base)
{
	int64_t top = (int64_t)base >> RIG_WINDOW_BITS;

	return top == 0 || top == -1;
}

/* Within EMIT_WINDOW_SLACK of the border the emitter may leave the decision to the MMU, or not. */
static bool is_at_border(uint64_t address)
{
	const uint64_t half = 1ULL << RIG_WINDOW_BITS;

	return address - (half - EMIT_WINDOW_SLACK) < 2 * EMIT_WINDOW_SLACK ||
	       address + half + EMIT_WINDOW_SLACK < 2 * EMIT_WINDOW_SLACK;
}

static enum stop stopped(struct run *r, const struct ir_insn *i, uint32_t exit)
{
	r->result.exit = exit;
	r->result.pc = r->b->guests[i->guest].pc;
	return STOP_UNDONE;
}

static enum stop memory(struct run *r, const struct ir_insn *i)
{
	struct ir_eval *m = r->m;
	unsigned int width = ir_value_width(i->type);
	uint64_t address = get(m, i->a) + (uint64_t)i->imm;
	uint64_t value = i->op == IR_STORE ? ir_value_zext(get(m, i->b), width) : 0;
	uint8_t *p = ram(m, address, width / 8);

	r->m->is_border = is_at_border(address);
	if ((i->flags & IR_SOFT) &&
	    !rig_is_in_table(address, (uint8_t)(width / 8), i->op == IR_STORE)) {
		r->result.gva = address;
		return stopped(r, i, i->op == IR_STORE ? EMIT_EXIT_STORE : EMIT_EXIT_LOAD);
	}
	if (!is_in_window(address)) {
		return stopped(r, i, EMIT_EXIT_STEP);
	}
	if (p && i->op == IR_STORE) {
		memcpy(p, &value, width / 8);
	} else if (p) {
		memcpy(&value, p, width / 8);
	} else if (address >= RIG_DEVICE && address < RIG_DEVICE + PAGE_BYTES) {
		value = rig_device(&m->w.device, address, (uint8_t)(width / 8), i->op == IR_STORE,
				   value);
	} else {
		return stopped(r, i, EMIT_EXIT_ACCESS);
	}
	if (i->op == IR_STORE) {
		return GO_ON;
	}
	if (i->type == IR_F32 && (i->flags & IR_SX)) {
		value |= 0xffffffffULL << 32;
	} else if (i->flags & IR_SX) {
		value = (uint64_t)ir_value_sext(value, width);
	}
	set(m, i->dst, value);
	return GO_ON;
}

static enum stop helper(struct run *r, const struct ir_insn *i)
{
	uint64_t pc = r->b->guests[i->guest].pc;
	uint64_t ret;
	enum emit_helper_result result = rig_helper(&r->m->s, &r->m->fp, (uint64_t)i->imm,
						    get(r->m, i->a), get(r->m, i->b), &ret, &pc);

	if (result == EMIT_HELPER_NEXT) {
		set(r->m, i->dst, ret);
		return GO_ON;
	}
	r->result.exit = EMIT_EXIT_HELPER;
	r->result.pc = pc;
	return result == EMIT_HELPER_LEAVE ? STOP_DONE : STOP_UNDONE;
}

/* ---- control ---- */

static enum stop end(struct run *r, const struct ir_insn *i, uint64_t a, uint64_t b)
{
	r->result.exit = EMIT_EXIT_JUMP;
	switch (i->op) {
	case IR_STEP:
		return stopped(r, i, EMIT_EXIT_STEP);
	case IR_BRANCH:
		r->result.pc = ir_value_holds(i->cond, a, b, ir_value_width(i->type)) ? r->b->target
										      : r->b->next;
		break;
	case IR_JUMP:
		r->result.pc = r->b->target;
		break;
	default:
		r->result.pc = a;
		r->result.exit = EMIT_EXIT_INDIRECT;
	}
	return STOP_END;
}

static enum stop evaluate(struct run *r, const struct ir_insn *i)
{
	uint64_t a = get(r->m, i->a);
	uint64_t b = (i->flags & IR_IMM) ? (uint64_t)i->imm : get(r->m, i->b);
	uint64_t c;

	if (ir_op_is_end(i->op)) {
		return end(r, i, a, b);
	}
	switch (i->op) {
	case IR_NOP:
	case IR_FENCE:
		return GO_ON;
	case IR_LOAD:
	case IR_STORE:
		return memory(r, i);
	case IR_HELPER:
		return helper(r, i);
	case IR_STEP_IF:
		return ir_value_holds(i->cond, a, b, ir_value_width(i->type))
			       ? stopped(r, i, EMIT_EXIT_STEP)
			       : GO_ON;
	case IR_FLAGS:
		flags(r->m, r->b, i, a, b);
		return GO_ON;
	default:
		break;
	}
	c = i->op == IR_SHL_ADD ? 0 : get(r->m, i->c);
	set(r->m, i->dst,
	    i->op >= IR_FADD && i->op <= IR_FCVT_IF ? ir_value_fp(&r->m->fp, i, a, b, c)
						    : ir_value_int(i, a, b, c));
	return GO_ON;
}

struct rig_result ir_eval_block(struct ir_eval *m, const struct ir_block *b, int64_t budget)
{
	struct run r = { .m = m, .b = b };
	size_t done = 0;

	m->is_border = false;
	if (budget < (int64_t)b->n_guests) {
		return (struct rig_result){ EMIT_EXIT_BUDGET, b->pc, budget, 0, m->fp };
	}
	for (size_t k = 0; k < b->n_insns; k++) {
		enum stop stop = evaluate(&r, &b->insns[k]);

		if (stop != GO_ON) {
			done = b->insns[k].guest + (stop == STOP_UNDONE ? 0u : 1u);
			break;
		}
	}
	r.result.budget = budget - (int64_t)done;
	r.result.insns = done;
	r.result.fp = m->fp;
	return r.result;
}

static bool differs(const char *what, unsigned int n, uint64_t got, uint64_t expected)
{
	if (got != expected) {
		printf("%s%u is 0x%016" PRIx64 ", want 0x%016" PRIx64 "\n", what, n, got, expected);
	}
	return got != expected;
}

bool ir_eval_is_same(const struct ir_eval *want, struct rig_result got, struct rig_result expected)
{
	const struct rig_state *s = &rig.cpu->s;
	bool is_bad = false;

	for (unsigned int i = 0; i < RIG_INTS; i++) {
		is_bad |= differs("r", i, s->r[i], want->s.r[i]);
	}
	for (unsigned int i = 0; i < RIG_FPS; i++) {
		is_bad |= differs("f", i, s->f[i], want->s.f[i]);
	}
	for (unsigned int i = 0; i < sizeof(s->bits); i++) {
		is_bad |= differs("bit", i, s->bits[i], want->s.bits[i]);
	}
	is_bad |= differs("exit", 0, got.exit, expected.exit);
	is_bad |= differs("pc", 0, got.pc, expected.pc);
	is_bad |= differs("budget", 0, (uint64_t)got.budget, (uint64_t)expected.budget);
	is_bad |= differs("insns", 0, got.insns, expected.insns);
	is_bad |= differs("gva", 0, got.gva, expected.gva);
	is_bad |= differs("fp", 0, got.fp & ~DENORMAL, expected.fp & ~DENORMAL);
	is_bad |= differs("device", 0, rig.device, want->w.device);
	is_bad |= differs("low RAM ", 0,
			  (uint64_t)memcmp(rig_ram(RIG_RAM_LOW), want->w.low, RIG_RAM_BYTES), 0);
	is_bad |= differs("high RAM ", 0,
			  (uint64_t)memcmp(rig_ram(RIG_RAM_HIGH), want->w.high, RIG_RAM_BYTES), 0);
	return !is_bad;
}

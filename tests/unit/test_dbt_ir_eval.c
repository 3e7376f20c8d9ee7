// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_ir_eval.h. Written for clearness: bit loops rather than tricks. */
#include "test_dbt_ir_eval.h"

#include <string.h>

/* How evaluation of an operation ended. */
enum stop { GO_ON, STOP_UNDONE, STOP_DONE, STOP_END };

struct run {
	struct ir_eval *m;
	const struct ir_block *b;
	struct rig_result result;
};

static unsigned int width_of(unsigned int type)
{
	switch (type) {
	case IR_I8:
		return 8;
	case IR_I16:
		return 16;
	case IR_I32:
	case IR_F32:
		return 32;
	default:
		return 64;
	}
}

static uint64_t mask_of(unsigned int width)
{
	return width == 64 ? UINT64_MAX : (1ULL << width) - 1;
}

static uint64_t zext(uint64_t v, unsigned int width)
{
	return v & mask_of(width);
}

static int64_t sext(uint64_t v, unsigned int width)
{
	uint64_t sign = 1ULL << (width - 1);

	return (int64_t)((zext(v, width) ^ sign) - sign);
}

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

static bool holds(unsigned int cond, uint64_t a, uint64_t b, unsigned int width)
{
	int64_t sa = sext(a, width);
	int64_t sb = sext(b, width);

	a = zext(a, width);
	b = zext(b, width);
	switch (cond) {
	case IR_EQ:
		return a == b;
	case IR_NE:
		return a != b;
	case IR_LT:
		return sa < sb;
	case IR_GE:
		return sa >= sb;
	case IR_LTU:
		return a < b;
	case IR_GEU:
		return a >= b;
	case IR_LE:
		return sa <= sb;
	case IR_GT:
		return sa > sb;
	case IR_LEU:
		return a <= b;
	case IR_GTU:
		return a > b;
	case IR_BITS:
		return (a & b) != 0;
	default:
		return (a & b) == 0;
	}
}

static uint64_t rotate_left(uint64_t a, uint64_t by, unsigned int width)
{
	for (uint64_t n = 0; n < by; n++) {
		a = zext(a << 1 | (a >> (width - 1) & 1), width);
	}
	return a;
}

static uint64_t shift(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	uint64_t by = b % width;

	switch (i->op) {
	case IR_SHL:
		return a << by;
	case IR_SHR:
		return zext(a, width) >> by;
	case IR_SAR:
		return (uint64_t)(sext(a, width) >> by);
	case IR_ROL:
		return rotate_left(zext(a, width), by, width);
	default:
		return rotate_left(zext(a, width), (width - by) % width, width);
	}
}

static uint64_t divide(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	bool is_signed = i->op == IR_DIV_S || i->op == IR_REM_S;
	bool is_rem = i->op == IR_REM_S || i->op == IR_REM_U;

	if (zext(b, width) == 0) {
		return is_rem ? a : i->cond == IR_DIV_RISCV ? UINT64_MAX : 0;
	}
	if (!is_signed) {
		return is_rem ? zext(a, width) % zext(b, width) : zext(a, width) / zext(b, width);
	}
	if (sext(b, width) == -1) {
		return is_rem ? 0 : 0 - a;
	}
	return (uint64_t)(is_rem ? sext(a, width) % sext(b, width)
				 : sext(a, width) / sext(b, width));
}

static uint64_t multiply_high(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	__int128 x = i->op == IR_MULH_UU ? (__int128)zext(a, width) : (__int128)sext(a, width);
	__int128 y = i->op == IR_MULH_SS ? (__int128)sext(b, width) : (__int128)zext(b, width);
	unsigned __int128 product = (unsigned __int128)x * (unsigned __int128)y;

	return (uint64_t)(product >> width);
}

static uint64_t count_bits(const struct ir_insn *i, uint64_t a, unsigned int width)
{
	uint64_t n = 0;

	for (unsigned int k = 0; k < width; k++) {
		unsigned int at = i->op == IR_CLZ ? width - 1 - k : k;
		bool is_set = a >> at & 1;

		if (i->op == IR_POPCNT) {
			n += is_set;
		} else if (is_set) {
			break;
		} else {
			n++;
		}
	}
	return n;
}

static uint64_t bytes_op(const struct ir_insn *i, uint64_t a, unsigned int width)
{
	uint64_t v = 0;

	for (unsigned int k = 0; k < width; k += 8) {
		uint64_t byte = a >> k & 0xff;

		v |= i->op == IR_BSWAP ? byte << (width - 8 - k) : (byte ? 0xffULL : 0) << k;
	}
	return v;
}

static uint64_t least_or_most(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	switch (i->op) {
	case IR_MIN_S:
		return holds(IR_LT, a, b, width) ? a : b;
	case IR_MAX_S:
		return holds(IR_GT, a, b, width) ? a : b;
	case IR_MIN_U:
		return holds(IR_LTU, a, b, width) ? a : b;
	default:
		return holds(IR_GTU, a, b, width) ? a : b;
	}
}

/* An integer result, before it is cut to the type. */
static uint64_t compute(const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c,
			unsigned int width)
{
	switch (i->op) {
	case IR_ADD:
		return a + b;
	case IR_SUB:
		return a - b;
	case IR_AND:
		return a & b;
	case IR_OR:
		return a | b;
	case IR_XOR:
		return a ^ b;
	case IR_ANDN:
		return a & ~b;
	case IR_ORN:
		return a | ~b;
	case IR_XNOR:
		return ~(a ^ b);
	case IR_MUL:
		return a * b;
	case IR_EXT:
		return a;
	case IR_SHL:
	case IR_SHR:
	case IR_SAR:
	case IR_ROL:
	case IR_ROR:
		return shift(i, a, b, width);
	case IR_MULH_SS:
	case IR_MULH_UU:
	case IR_MULH_SU:
		return multiply_high(i, a, b, width);
	case IR_DIV_S:
	case IR_DIV_U:
	case IR_REM_S:
	case IR_REM_U:
		return divide(i, a, b, width);
	case IR_CLZ:
	case IR_CTZ:
	case IR_POPCNT:
		return count_bits(i, a, width);
	case IR_BSWAP:
	case IR_OR_BYTES:
		return bytes_op(i, a, width);
	case IR_SELECT:
		return zext(a, width) != 0 ? b : c;
	default:
		return least_or_most(i, a, b, width);
	}
}

static void flags(struct ir_eval *m, const struct ir_block *b, const struct ir_insn *i, uint64_t x,
		  uint64_t y)
{
	const struct ir_flag_regs *r = &b->flag_regs[i->aux];
	unsigned int width = width_of(i->type);
	bool is_sub = i->cond == IR_FLAGS_SUB || i->cond == IR_FLAGS_SBC;
	bool has_carry = i->cond == IR_FLAGS_ADC || i->cond == IR_FLAGS_SBC;
	__int128 carry = has_carry ? (int)(get(m, i->c) & 1) : is_sub ? 1 : 0;
	__int128 unsigned_sum;
	__int128 signed_sum;
	uint64_t result;

	if (i->cond == IR_FLAGS_LOGIC) {
		result = i->b == IR_NONE && !(i->flags & IR_IMM) ? x : x & y;
		set(m, r->c, 0);
		set(m, r->v, 0);
	} else {
		if (is_sub) {
			y = ~y;
		}
		unsigned_sum = (__int128)zext(x, width) + (__int128)zext(y, width) + carry;
		signed_sum = (__int128)sext(x, width) + (__int128)sext(y, width) + carry;
		result = (uint64_t)unsigned_sum;
		set(m, r->c, (uint64_t)(unsigned_sum >> width));
		set(m, r->v, signed_sum != (__int128)sext(result, width));
	}
	set(m, r->n, sext(result, width) < 0);
	set(m, r->z, zext(result, width) == 0);
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
	unsigned int width = width_of(i->type);
	uint64_t address = get(m, i->a) + (uint64_t)i->imm;
	uint64_t value = i->op == IR_STORE ? zext(get(m, i->b), width) : 0;
	uint8_t *p = ram(m, address, width / 8);

	r->m->is_border = is_at_border(address);
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
		value = (uint64_t)sext(value, width);
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
		r->result.pc = holds(i->cond, a, b, width_of(i->type)) ? r->b->target : r->b->next;
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

static enum stop integer(struct run *r, const struct ir_insn *i, uint64_t a, uint64_t b)
{
	unsigned int width = width_of(i->type);
	uint64_t v;

	switch (i->op) {
	case IR_MOV:
		v = (i->flags & IR_IMM) ? (uint64_t)i->imm : a;
		break;
	case IR_SHL_ADD:
		v = (zext(a, width) << i->c) + b;
		break;
	case IR_INSERT:
		v = (a & ~mask_of(width)) | zext(b, width);
		break;
	case IR_SET_IF:
		v = holds(i->cond, a, b, width);
		break;
	default:
		v = compute(i, a, b, i->op == IR_SELECT ? get(r->m, i->c) : 0, width);
		v = (i->flags & IR_SX) ? (uint64_t)sext(v, width) : zext(v, width);
	}
	set(r->m, i->dst, v);
	return GO_ON;
}

static enum stop evaluate(struct run *r, const struct ir_insn *i)
{
	uint64_t a = get(r->m, i->a);
	uint64_t b = (i->flags & IR_IMM) ? (uint64_t)i->imm : get(r->m, i->b);

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
	case IR_FLAGS:
		flags(r->m, r->b, i, a, b);
		return GO_ON;
	default:
		break;
	}
	if (i->op >= IR_FADD && i->op <= IR_FCVT_IF) {
		set(r->m, i->dst, ir_eval_fp(&r->m->fp, i, a, b, get(r->m, i->c)));
		return GO_ON;
	}
	return integer(r, i, a, b);
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

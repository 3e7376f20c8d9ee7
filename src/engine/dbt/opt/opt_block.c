/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside one block: two passes.
 *
 * Forward, patterns. Compilers for guests without the instruction make a rotation of two shifts and an OR, and a
 * zero-extension of two shifts. Each definition is remembered with the versions of what it read, so that parts may stand
 * apart; what they leave behind is for the second pass.
 *
 * Backward, demand. How much of each value somebody will see: nothing, the low 32 bits, all of it. All of every register is
 * seen where the block ends and where an operation may stop. What nobody sees is not computed, and nobody extends what is
 * only looked at with 32 bits.
 */
#include <string.h>

#include "base/bug.h"
#include "engine/dbt/opt/opt.h"

#define VALUES (IR_REGS_MAX + IR_TEMPS_MAX)

/* How a value came about. */
struct def {
	const struct ir_insn *i;
	uint16_t a_version;
};

struct patterns {
	const struct opt_config *cfg;
	uint16_t version[VALUES]; /* how often it was defined */
	struct def defs[VALUES];  /* of those that were */
};

/* Integers of 64 bits: not flags, which keep one bit of what is written to them. */
static bool is_integer(const struct opt_config *cfg, ir_val v)
{
	return v >= IR_TEMP0 || cfg->regs[v].cls == IR_CLASS_INT;
}

static void nop(struct ir_insn *i)
{
	*i = (struct ir_insn){ .op = IR_NOP,
			       .dst = IR_NONE,
			       .a = IR_NONE,
			       .b = IR_NONE,
			       .c = IR_NONE,
			       .guest = i->guest };
}

static bool is_shift_imm(const struct ir_insn *i, unsigned int op)
{
	return i->op == op && (i->flags & IR_IMM);
}

/* The definition of a value, if what it was made from still is what it was. */
static const struct ir_insn *def_of(const struct patterns *p, ir_val v)
{
	const struct def *d = v < VALUES && p->version[v] ? &p->defs[v] : NULL;

	return d && d->i && d->i->a < VALUES && p->version[d->i->a] == d->a_version ? d->i : NULL;
}

/* d = a right by n, OR a left by the rest */
static bool rotation(const struct patterns *p, struct ir_insn *i, ir_val left, ir_val right)
{
	const struct ir_insn *l = def_of(p, left);
	const struct ir_insn *r = def_of(p, right);
	int64_t width;

	if (!l || !r || !is_shift_imm(l, IR_SHL) || !is_shift_imm(r, IR_SHR) || l->a != r->a ||
	    l->type != r->type || l->type < IR_I32) {
		return false;
	}
	width = 8 << l->type;
	if (l->imm <= 0 || r->imm <= 0 || l->imm + r->imm != width ||
	    (l->type == IR_I32 && !(l->flags & IR_SX))) {
		return false;
	}
	*i = (struct ir_insn){ .op = IR_ROR,
			       .type = l->type,
			       .flags = IR_IMM | (l->type == IR_I32 ? IR_SX : 0),
			       .dst = i->dst,
			       .a = l->a,
			       .b = IR_NONE,
			       .c = IR_NONE,
			       .guest = i->guest,
			       .imm = r->imm };
	return true;
}

static bool touches(const struct ir_insn *i, ir_val v)
{
	const char *fields = ir_op_table[i->op].fields;

	return i->dst == v || (fields[1] != '-' && i->a == v) ||
	       (fields[2] != '-' && !(i->flags & IR_IMM) && i->b == v) ||
	       (fields[3] != '-' && i->c == v) || ir_op_table[i->op].may_stop ||
	       ir_op_table[i->op].is_end || i->op == IR_FLAGS;
}

/* Of what a shift to the left by so much leaves over. @return false: no type is that wide */
static bool type_left_over(int64_t shift, uint8_t *ret_type)
{
	if (shift != 32 && shift != 48 && shift != 56) {
		return false;
	}
	*ret_type = shift == 32 ? IR_I32 : shift == 48 ? IR_I16 : IR_I8;
	return true;
}

/* x = a << 32, and behind it x = x >> n: an extension of 32 bits, shifted back by the rest. Likewise 48 and 56. */
static void extension(const struct opt_config *cfg, struct ir_block *b, size_t idx)
{
	struct ir_insn *first = &b->insns[idx];
	ir_val x = first->dst;
	size_t k = idx + 1;
	struct ir_insn *second;
	int64_t shift = first->imm;
	uint8_t type;

	if (!is_shift_imm(first, IR_SHL) || first->type != IR_I64 ||
	    !type_left_over(shift, &type) || !is_integer(cfg, x)) {
		return;
	}
	while (k < b->n_insns && !touches(&b->insns[k], x)) {
		k++;
	}
	second = &b->insns[k];
	if (k == b->n_insns || second->dst != x || second->a != x || second->type != IR_I64 ||
	    (!is_shift_imm(second, IR_SHR) && !is_shift_imm(second, IR_SAR)) || second->imm <= 0 ||
	    second->imm > shift) {
		return;
	}
	first->op = IR_EXT;
	first->type = type;
	first->flags = second->op == IR_SAR ? IR_SX : 0;
	first->imm = 0;
	if (second->imm == shift) {
		nop(second);
	} else {
		second->op = IR_SHL;
		second->imm = shift - second->imm;
	}
}

static void define_flags(struct patterns *p, const struct ir_flag_regs *r)
{
	const ir_val regs[] = { r->n, r->z, r->c, r->v };

	for (size_t k = 0; k < ARRAY_SIZE(regs); k++) {
		if (regs[k] < VALUES) {
			p->version[regs[k]]++;
			p->defs[regs[k]].i = NULL;
		}
	}
}

static void define(struct patterns *p, const struct ir_block *b, const struct ir_insn *i)
{
	uint16_t a_version = i->a < VALUES ? p->version[i->a] : 0;

	if (i->op == IR_FLAGS) {
		define_flags(p, &b->flag_regs[i->aux]);
	}

	if (i->op == IR_HELPER) {
		for (size_t v = 0; v < IR_REGS_MAX; v++) {
			p->version[v]++;
			p->defs[v].i = NULL;
		}
	}
	if (i->dst < VALUES) {
		p->version[i->dst]++;
		p->defs[i->dst] = (struct def){ is_integer(p->cfg, i->dst) ? i : NULL, a_version };
	}
}

static void find_patterns(const struct opt_config *cfg, struct ir_block *b)
{
	struct patterns p;

	p.cfg = cfg;
	memset(p.version, 0, sizeof(p.version));
	for (size_t k = 0; k < b->n_insns; k++) {
		struct ir_insn *i = &b->insns[k];

		extension(cfg, b, k);
		if ((i->op == IR_OR || i->op == IR_XOR || i->op == IR_ADD) && i->type == IR_I64 &&
		    !(i->flags & IR_IMM) && !rotation(&p, i, i->a, i->b)) {
			rotation(&p, i, i->b, i->a);
		}
		define(&p, b, i);
	}
}

/* ---- demand ---- */

enum demand { DEMAND_NONE, DEMAND_LOW, DEMAND_ALL };

struct demands {
	const struct opt_config *cfg;
	uint8_t of[VALUES]; /* enum demand */
};

static void want(struct demands *d, ir_val v, enum demand demand)
{
	if (v < VALUES && d->of[v] < demand) {
		d->of[v] = (uint8_t)demand;
	}
}

static void want_all_registers(struct demands *d)
{
	memset(d->of, DEMAND_ALL, IR_REGS_MAX);
}

/* No effect but its result; floating point raises flags. */
static bool is_pure(const struct ir_insn *i)
{
	const struct ir_op_info *info = &ir_op_table[i->op];

	return !info->may_stop && !info->is_end && i->op != IR_FENCE && i->op != IR_FLAGS &&
	       !memchr(info->fields, 'f', sizeof(info->fields));
}

/* Low bits of the result come from low bits of the operands. */
static bool is_low_from_low(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_MOV:
	case IR_ADD:
	case IR_SUB:
	case IR_AND:
	case IR_OR:
	case IR_XOR:
	case IR_ANDN:
	case IR_ORN:
	case IR_XNOR:
	case IR_MUL:
		return true;
	case IR_SHL:
		return i->flags & IR_IMM;
	default:
		return false;
	}
}

/* Operations of 32 bits and less look at no more than that. */
static bool looks_at_low(const struct ir_insn *i)
{
	return i->type <= IR_I32 && ((i->op >= IR_ADD && i->op <= IR_ROR) || i->op == IR_MUL ||
				     i->op == IR_EXT || i->op == IR_FLAGS);
}

static void relax(struct ir_insn *i)
{
	if (i->type == IR_I32 && i->op == IR_EXT && i->dst == i->a) {
		nop(i);
	} else if (i->type == IR_I32 && i->op == IR_EXT) {
		i->op = IR_MOV;
		i->type = IR_I64;
		i->flags = 0;
	} else if (i->type == IR_I32 && i->op >= IR_ADD && i->op <= IR_MUL && i->op != IR_SHL_ADD) {
		i->flags &= (uint8_t)~IR_SX;
	}
}

static void want_operands(struct demands *d, const struct ir_insn *i, enum demand result)
{
	const char *fields = ir_op_table[i->op].fields;
	enum demand demand = DEMAND_ALL;

	if (looks_at_low(i) || (result == DEMAND_LOW && is_low_from_low(i))) {
		demand = DEMAND_LOW;
	}
	if (fields[1] != '-') {
		want(d, i->a, demand);
	}
	if (fields[2] != '-' && !(i->flags & IR_IMM)) {
		want(d, i->b, demand);
	}
	if (fields[3] != '-' && i->op != IR_SHL_ADD) {
		want(d, i->c, demand);
	}
}

/* Flags that nobody sees are not computed. */
static void demand_flags(struct demands *d, struct ir_block *b, struct ir_insn *i)
{
	struct ir_flag_regs *r = &b->flag_regs[i->aux];
	ir_val *const regs[] = { &r->n, &r->z, &r->c, &r->v };
	bool is_seen = false;

	for (size_t k = 0; k < ARRAY_SIZE(regs); k++) {
		if (*regs[k] < VALUES && d->of[*regs[k]] == DEMAND_NONE) {
			*regs[k] = IR_NONE;
		} else if (*regs[k] < VALUES) {
			d->of[*regs[k]] = DEMAND_NONE;
			is_seen = true;
		}
	}
	if (is_seen) {
		want_operands(d, i, DEMAND_ALL);
	} else {
		nop(i);
	}
}

static void demand_insn(struct demands *d, struct ir_block *b, struct ir_insn *i)
{
	enum demand result = i->dst < VALUES ? (enum demand)d->of[i->dst] : DEMAND_ALL;

	if (i->op == IR_FLAGS) {
		demand_flags(d, b, i);
		return;
	}
	if (is_pure(i) && i->dst < VALUES && result == DEMAND_NONE) {
		nop(i);
		return;
	}
	if (result == DEMAND_LOW && is_pure(i) && is_integer(d->cfg, i->dst)) {
		relax(i);
	}
	if (i->op == IR_NOP) {
		return;
	}
	if (i->dst < VALUES) {
		d->of[i->dst] = DEMAND_NONE;
	}
	if (ir_op_table[i->op].may_stop) {
		want_all_registers(d);
	}
	want_operands(d, i, result);
}

static void find_demand(const struct opt_config *cfg, struct ir_block *b)
{
	struct demands d = { .cfg = cfg };

	want_all_registers(&d);
	for (size_t k = b->n_insns; k-- > 0;) {
		demand_insn(&d, b, &b->insns[k]);
	}
}

void opt_block(const struct opt_config *cfg, struct ir_block *b)
{
	find_patterns(cfg, b);
	find_demand(cfg, b);
}

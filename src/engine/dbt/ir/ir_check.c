// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules at the head of ir.h, checked. */
#include "base/bug.h"
#include "engine/dbt/ir/ir.h"

enum kind { KIND_NONE, KIND_INT, KIND_FP };

struct check {
	const struct ir_block *b;
	const struct ir_reg *regs;
	size_t n_regs;
	const char *why;
	uint8_t temp_kind[IR_TEMPS_MAX];   /* enum kind; KIND_NONE: not defined yet */
	uint16_t temp_guest[IR_TEMPS_MAX]; /* where */
	uint16_t temp_last[IR_TEMPS_MAX];  /* last operation that reads it */
};

static bool bad(struct check *c, const char *why)
{
	c->why = why;
	return false;
}

static bool is_temp(ir_val v)
{
	return v >= IR_TEMP0 && v != IR_NONE;
}

static enum kind reg_kind(const struct check *c, ir_val v)
{
	switch (c->regs[v].cls) {
	case IR_CLASS_INT:
	case IR_CLASS_BIT:
	case IR_CLASS_ZERO:
		return KIND_INT;
	case IR_CLASS_FP:
		return KIND_FP;
	default:
		return KIND_NONE;
	}
}

static enum kind field_kind(char field, const struct ir_insn *i)
{
	switch (field) {
	case 'i':
	case 'I':
		return KIND_INT;
	case 'f':
		return KIND_FP;
	case 't':
	case 'T':
		return i->type >= IR_F32 ? KIND_FP : KIND_INT;
	default:
		return KIND_NONE;
	}
}

static bool operand_check(struct check *c, const struct ir_insn *i, size_t idx, char field,
			  ir_val v)
{
	enum kind want = field_kind(field, i);
	enum kind have;

	if (field == '-') {
		return true;
	}
	if (v == IR_NONE) {
		return field >= 'A' && field <= 'Z' ? true : bad(c, "an operand is missing");
	}
	if (is_temp(v)) {
		unsigned int t = v - IR_TEMP0;

		if (t >= c->b->n_temps || c->temp_kind[t] == KIND_NONE) {
			return bad(c, "a temporary is read before it is defined");
		}
		if (c->temp_guest[t] != i->guest) {
			return bad(c, "a temporary is read outside its guest instruction");
		}
		c->temp_last[t] = (uint16_t)idx;
		have = c->temp_kind[t];
	} else if (v >= c->n_regs) {
		return bad(c, "an operand is no register");
	} else {
		have = reg_kind(c, v);
	}
	if (have == KIND_NONE) {
		return bad(c, "no operation takes registers of that class");
	}
	return field == '*' || have == want ? true : bad(c, "an operand is of the wrong kind");
}

static bool operands_check(struct check *c, const struct ir_insn *i, size_t idx)
{
	const struct ir_op_info *info = &ir_op_table[i->op];
	bool is_mov_number = i->op == IR_MOV && (i->flags & IR_IMM);
	bool is_number = i->flags & IR_IMM;

	if (is_number && !info->has_imm) {
		return bad(c, "the operation takes no number");
	}
	if (!is_mov_number && !operand_check(c, i, idx, info->fields[1], i->a)) {
		return false;
	}
	if (!is_number && i->op == IR_FLAGS && i->cond != IR_FLAGS_LOGIC && i->b == IR_NONE) {
		return bad(c, "an operand is missing");
	}
	if (!is_number && !operand_check(c, i, idx, info->fields[2], i->b)) {
		return false;
	}
	if (i->op == IR_SHL_ADD) {
		return i->c <= 3 ? true : bad(c, "the shift of SHL_ADD is 0 to 3");
	}
	return operand_check(c, i, idx, info->fields[3], i->c);
}

static bool flags_check(struct check *c, const struct ir_insn *i)
{
	const struct ir_flag_regs *r;
	bool has_carry = i->cond == IR_FLAGS_ADC || i->cond == IR_FLAGS_SBC;

	if (i->cond > IR_FLAGS_LOGIC || i->aux >= c->b->n_flag_regs) {
		return bad(c, "FLAGS of nothing known");
	}
	if (has_carry != (i->c != IR_NONE)) {
		return bad(c, "operand c of FLAGS is the carry of ADC and SBC");
	}
	r = &c->b->flag_regs[i->aux];
	for (size_t k = 0; k < 4; k++) {
		const ir_val regs[] = { r->n, r->z, r->c, r->v };

		if (regs[k] == IR_NONE) {
			continue;
		}
		if (regs[k] >= c->n_regs || c->regs[regs[k]].cls != IR_CLASS_BIT) {
			return bad(c, "a flag is no BIT register");
		}
		for (size_t j = 0; j < k; j++) {
			if (regs[j] == regs[k]) {
				return bad(c, "two flags are one register");
			}
		}
	}
	return true;
}

static bool cond_check(struct check *c, const struct ir_insn *i)
{
	switch (i->op) {
	case IR_SET_IF:
	case IR_STEP_IF:
	case IR_BRANCH:
		return i->cond <= IR_NOBITS ? true : bad(c, "no such condition");
	case IR_FSET_IF:
		return i->cond == IR_EQ || i->cond == IR_LT || i->cond == IR_LE
			       ? true
			       : bad(c, "FSET_IF knows EQ, LT and LE");
	case IR_DIV_S:
	case IR_DIV_U:
	case IR_REM_S:
	case IR_REM_U:
		return i->cond <= IR_DIV_ARM ? true : bad(c, "no such division");
	case IR_FCVT_FI:
	case IR_FCVT_IF:
		return i->cond <= IR_INT_U64 ? true : bad(c, "no such integer type");
	case IR_FLAGS:
		return flags_check(c, i);
	default:
		return true;
	}
}

/* What the destination becomes; its rules. */
static bool dst_check(struct check *c, const struct ir_insn *i, size_t idx)
{
	char field = ir_op_table[i->op].fields[0];
	enum kind kind = field_kind(field, i);

	if (i->dst == IR_NONE) {
		return field == '-' || (field >= 'A' && field <= 'Z')
			       ? true
			       : bad(c, "the destination is missing");
	}
	if (field == '-') {
		return bad(c, "the operation has no result");
	}
	if (!is_temp(i->dst)) {
		if (i->dst >= c->n_regs || reg_kind(c, i->dst) == KIND_NONE ||
		    c->regs[i->dst].cls == IR_CLASS_ZERO) {
			return bad(c, "the destination is no register that operations write");
		}
		return field == '*' || reg_kind(c, i->dst) == kind
			       ? true
			       : bad(c, "the destination is of the wrong kind");
	}
	if (i->dst - IR_TEMP0 >= c->b->n_temps) {
		return bad(c, "a temporary is out of range");
	}
	if (c->temp_kind[i->dst - IR_TEMP0] != KIND_NONE) {
		return bad(c, "a temporary is defined twice");
	}
	if (field == '*') {
		kind = i->type == IR_F64 ? KIND_FP : KIND_INT;
	}
	c->temp_kind[i->dst - IR_TEMP0] = (uint8_t)kind;
	c->temp_guest[i->dst - IR_TEMP0] = i->guest;
	c->temp_last[i->dst - IR_TEMP0] = (uint16_t)idx;
	return true;
}

static bool insn_check(struct check *c, size_t idx)
{
	const struct ir_insn *i = &c->b->insns[idx];

	if (i->op >= IR_OP_COUNT) {
		return bad(c, "no such operation");
	}
	if (ir_op_table[i->op].types != 0xff &&
	    (i->type > IR_V128 || !(ir_op_table[i->op].types & BIT(i->type)))) {
		return bad(c, "the operation does not exist in that type");
	}
	if (ir_op_table[i->op].is_end != (idx + 1 == c->b->n_insns)) {
		return bad(c, "a block ends with its one end");
	}
	if ((i->flags & IR_CALL) && i->op != IR_JUMP && i->op != IR_JUMP_REG) {
		return bad(c, "only jumps are calls");
	}
	if ((i->flags & IR_SOFT) && i->op != IR_LOAD && i->op != IR_STORE) {
		return bad(c, "only accesses are soft");
	}
	if ((i->flags & IR_RET) && (i->op != IR_JUMP_REG || (i->flags & IR_CALL))) {
		return bad(c, "only a JUMP_REG that is no call is a return");
	}
	return operands_check(c, i, idx) && cond_check(c, i) && dst_check(c, i, idx);
}

static bool guests_check(struct check *c)
{
	const struct ir_block *b = c->b;
	size_t guest = 0;

	if (b->n_guests == 0 || b->n_guests > IR_BLOCK_GUEST_MAX || b->n_insns == 0 ||
	    b->n_insns > IR_BLOCK_INSNS_MAX || b->n_temps > IR_TEMPS_MAX ||
	    b->n_flag_regs > IR_BLOCK_FLAGS_MAX || b->guests[0].first != 0) {
		return bad(c, "the block is empty or too large");
	}
	for (size_t k = 0; k < b->n_insns; k++) {
		while (guest + 1 < b->n_guests && b->guests[guest + 1].first <= k) {
			guest++;
		}
		if (b->insns[k].guest != guest) {
			return bad(c, "an operation is not its guest instruction's");
		}
	}
	return guest + 1 == b->n_guests ? true
					: bad(c, "the end is not the last guest instruction's");
}

static bool writes_register(const struct ir_insn *i)
{
	return i->op == IR_FLAGS || i->dst < IR_REGS_MAX;
}

/* No register is written before the last operation of the guest instruction that may stop. */
static bool exactness_check(struct check *c)
{
	size_t written_by = SIZE_MAX; /* guest instruction */

	for (size_t k = 0; k < c->b->n_insns; k++) {
		const struct ir_insn *i = &c->b->insns[k];

		if (ir_op_may_stop(i->op) && written_by == i->guest) {
			return bad(c, "a register is written before an operation that may stop");
		}
		if (writes_register(i)) {
			written_by = i->guest;
		}
	}
	return true;
}

static bool live_check(struct check *c)
{
	uint16_t ends[IR_BLOCK_INSNS_MAX] = { 0 };
	size_t live = 0;

	for (size_t t = 0; t < c->b->n_temps; t++) {
		if (c->temp_kind[t] != KIND_NONE) {
			ends[c->temp_last[t]]++;
		}
	}
	for (size_t k = 0; k < c->b->n_insns; k++) {
		live += is_temp(c->b->insns[k].dst);
		if (live > IR_TEMPS_LIVE_MAX) {
			return bad(c, "too many temporaries are alive");
		}
		live -= ends[k];
	}
	return true;
}

bool ir_block_check(const struct ir_block *b, const struct ir_reg *regs, size_t n_regs,
		    const char **ret_why)
{
	struct check c;

	c.b = b;
	c.regs = regs;
	c.n_regs = n_regs;
	c.why = "it is right";
	memset(c.temp_kind, KIND_NONE, sizeof(c.temp_kind));
	memset(c.temp_last, 0, sizeof(c.temp_last));
	if (!guests_check(&c)) {
		*ret_why = c.why;
		return false;
	}
	for (size_t k = 0; k < b->n_insns; k++) {
		if (!insn_check(&c, k)) {
			*ret_why = c.why;
			return false;
		}
	}
	if (!exactness_check(&c) || !live_check(&c)) {
		*ret_why = c.why;
		return false;
	}
	return true;
}

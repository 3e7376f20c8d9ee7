// SPDX-License-Identifier: GPL-2.0-or-later
/* Comparisons: SET_IF, SELECT, minimum and maximum, FLAGS and the compares that they save. */
#include "engine/dbt/emit/x64/x64_gen.h"

static bool is_bits(unsigned int cond)
{
	return cond == IR_BITS || cond == IR_NOBITS;
}

static const uint8_t cc_of[] = {
	[IR_EQ] = X64_E,   [IR_NE] = X64_NE,  [IR_LT] = X64_L,	  [IR_GE] = X64_GE,
	[IR_LTU] = X64_B,  [IR_GEU] = X64_AE, [IR_LE] = X64_LE,	  [IR_GT] = X64_G,
	[IR_LEU] = X64_BE, [IR_GTU] = X64_A,  [IR_BITS] = X64_NE, [IR_NOBITS] = X64_E
};

/* The condition with its operands swapped. */
static const uint8_t swapped[] = {
	[IR_EQ] = IR_EQ,   [IR_NE] = IR_NE,   [IR_LT] = IR_GT,	   [IR_GE] = IR_LE,
	[IR_LTU] = IR_GTU, [IR_GEU] = IR_LEU, [IR_LE] = IR_GE,	   [IR_GT] = IR_LT,
	[IR_LEU] = IR_GEU, [IR_GTU] = IR_LTU, [IR_BITS] = IR_BITS, [IR_NOBITS] = IR_NOBITS
};

static struct x64_loc to_reg(struct x64_gen *g, struct x64_loc loc)
{
	return (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)x64_loc_in_gpr(g, loc) };
}

/* A place that an instruction can name as a full operand of the type. */
static struct x64_loc plain(struct x64_gen *g, struct x64_loc loc)
{
	if (loc.place == X64_IN_GPR || loc.place == X64_IN_MEM ||
	    (loc.place == X64_IS_NUMBER && x64_is_imm32(loc.number))) {
		return loc;
	}
	return to_reg(g, loc);
}

static void emit_cmp(struct x64_gen *g, uint32_t size, struct x64_loc a, struct x64_loc b)
{
	if (b.place == X64_IS_NUMBER && a.place == X64_IN_MEM) {
		x64_mi(g->as, X64_CMP | size, x64_env(a.disp), (int32_t)b.number);
	} else if (b.place == X64_IS_NUMBER && b.number == 0) {
		x64_rr(g->as, X64_TEST | size, a.reg, a.reg);
	} else if (b.place == X64_IS_NUMBER) {
		x64_ri(g->as, X64_CMP | size, a.reg, (int32_t)b.number);
	} else if (b.place == X64_IN_MEM) {
		x64_rm(g->as, X64_CMP | size, a.reg, x64_env(b.disp));
	} else if (a.place == X64_IN_MEM) {
		x64_mr(g->as, X64_CMP | size, x64_env(a.disp), b.reg);
	} else {
		x64_rr(g->as, X64_CMP | size, a.reg, b.reg);
	}
}

static void emit_test(struct x64_gen *g, uint32_t size, struct x64_loc a, struct x64_loc b)
{
	if (a.place == X64_IN_MEM) {
		a = to_reg(g, a);
	}
	if (b.place == X64_IS_NUMBER) {
		x64_test_imm(g->as, size, a.reg, (int32_t)b.number);
	} else if (b.place == X64_IN_MEM) {
		x64_rm(g->as, X64_TEST | size, a.reg, x64_env(b.disp));
	} else {
		x64_rr(g->as, X64_TEST | size, a.reg, b.reg);
	}
}

/* ---- FLAGS and what follows at once ---- */

static enum x64_cc inverse(enum x64_cc cc)
{
	return cc ^ 1;
}

static bool is_zero_test(const struct ir_insn *i)
{
	return (i->flags & IR_IMM) && i->imm == 0 && (i->cond == IR_EQ || i->cond == IR_NE);
}

/* Host's condition that a flag is set. */
static bool flag_cc(const struct ir_insn *flags, const struct ir_flag_regs *r, ir_val v,
		    enum x64_cc *ret_cc)
{
	bool is_borrow = flags->cond == IR_FLAGS_SUB || flags->cond == IR_FLAGS_SBC;
	const struct {
		ir_val reg;
		enum x64_cc cc;
	} ccs[] = { { r->n, X64_S },
		    { r->z, X64_E },
		    { r->c, is_borrow ? X64_AE : X64_B },
		    { r->v, X64_O } };

	for (size_t k = 0; k < ARRAY_SIZE(ccs); k++) {
		if (ccs[k].reg == v) {
			*ret_cc = ccs[k].cc;
			return true;
		}
	}
	return false;
}

/* Whether a BRANCH or SET_IF right behind a FLAGS can use the host's flags, and how. */
static bool fuses(const struct ir_insn *flags, const struct ir_flag_regs *r,
		  const struct ir_insn *i, enum x64_cc *ret_cc)
{
	bool is_n_and_v = (i->a == r->n && i->b == r->v) || (i->a == r->v && i->b == r->n);
	enum x64_cc cc = X64_L;

	if (flags->op != IR_FLAGS || (i->op != IR_BRANCH && i->op != IR_SET_IF) ||
	    (i->cond != IR_EQ && i->cond != IR_NE)) {
		return false;
	}
	if (i->flags & IR_IMM ? !is_zero_test(i) || !flag_cc(flags, r, i->a, &cc) : !is_n_and_v) {
		return false;
	}
	*ret_cc = i->cond == IR_NE ? cc : inverse(cc);
	return true;
}

/* ---- which flags nobody reads ---- */

struct live {
	uint64_t regs[IR_REGS_MAX / 64];
};

static void live_set(struct live *l, ir_val v)
{
	if (v < IR_REGS_MAX) {
		l->regs[v / 64] |= BIT(v % 64);
	}
}

/* @return whether it was live */
static bool live_clear(struct live *l, ir_val v)
{
	bool was = false;

	if (v < IR_REGS_MAX) {
		was = l->regs[v / 64] & BIT(v % 64);
		l->regs[v / 64] &= ~BIT(v % 64);
	}
	return was;
}

static void live_all(struct live *l)
{
	memset(l, 0xff, sizeof(*l));
}

static void live_reads(struct live *l, const struct ir_insn *i)
{
	const char *fields = ir_op_table[i->op].fields;

	if (fields[1] != '-') {
		live_set(l, i->a);
	}
	if (fields[2] != '-' && !(i->flags & IR_IMM)) {
		live_set(l, i->b);
	}
	if (fields[3] != '-') {
		live_set(l, i->c);
	}
}

static void scan_flags(struct x64_gen *g, const struct ir_insn *i, struct live *l)
{
	const struct ir_flag_regs *r = &g->b->flag_regs[i->aux];
	const ir_val regs[] = { r->n, r->z, r->c, r->v };
	uint8_t dead = 0;

	for (unsigned int k = 0; k < ARRAY_SIZE(regs); k++) {
		if (!live_clear(l, regs[k])) {
			dead |= (uint8_t)(1u << k);
		}
	}
	g->flags_dead[i->aux] = dead;
}

void x64_flags_scan(struct x64_gen *g)
{
	const struct ir_block *b = g->b;
	struct live l;

	live_all(&l);
	for (size_t k = b->n_insns; k-- > 0;) {
		const struct ir_insn *i = &b->insns[k];
		enum x64_cc cc;

		if (i->op == IR_FLAGS) {
			scan_flags(g, i, &l);
		} else {
			live_clear(&l, i->dst);
		}
		if (ir_op_table[i->op].may_stop) {
			live_all(&l);
		} else if (k == 0 || b->insns[k - 1].op != IR_FLAGS ||
			   !fuses(&b->insns[k - 1], &b->flag_regs[b->insns[k - 1].aux], i, &cc)) {
			live_reads(&l, i);
		}
	}
}

/* ---- operations ---- */

enum x64_cc x64_compare(struct x64_gen *g)
{
	uint32_t size = x64_exact_size(g->i->type);
	unsigned int cond = g->i->cond;
	struct x64_loc a;
	struct x64_loc b;
	enum x64_cc cc;

	if (g->flags && fuses(g->flags, &g->b->flag_regs[g->flags->aux], g->i, &cc)) {
		return cc;
	}
	a = x64_loc_a(g);
	b = x64_loc_b(g);
	if (a.place == X64_IN_BYTE && is_zero_test(g->i)) {
		x64_mi(g->as, X64_CMP | X64_S8, x64_env(a.disp), 0);
		return cc_of[cond];
	}
	if (a.place == X64_IS_NUMBER && b.place != X64_IS_NUMBER) {
		struct x64_loc t = a;

		a = b;
		b = t;
		cond = swapped[cond];
	}
	a = a.place == X64_IS_NUMBER ? to_reg(g, a) : plain(g, a);
	b = plain(g, b);
	if (is_bits(cond)) {
		emit_test(g, size, a, b);
	} else {
		if (a.place == X64_IN_MEM && b.place == X64_IN_MEM) {
			a = to_reg(g, a);
		}
		emit_cmp(g, size, a, b);
	}
	return cc_of[cond];
}

static bool is_operand_reg(const struct x64_gen *g, unsigned int reg)
{
	struct x64_loc a = x64_loc_of(g, g->i->a);

	if (a.place == X64_IN_GPR && a.reg == reg) {
		return true;
	}
	if (g->i->flags & IR_IMM) {
		return false;
	}
	a = x64_loc_of(g, g->i->b);
	return a.place == X64_IN_GPR && a.reg == reg;
}

void x64_op_set_if(struct x64_gen *g)
{
	const struct x64_loc *home = x64_is_temp(g->dst) ? NULL : &g->em->homes[g->dst];
	enum x64_cc cc;
	unsigned int d;

	if (home && home->place == X64_IN_GPR && !g->flags && !is_operand_reg(g, home->reg)) {
		x64_rr(g->as, X64_XOR, home->reg, home->reg);
		cc = x64_compare(g);
		x64_setcc(g->as, cc, home->reg);
		x64_finish(g, home->reg);
		return;
	}
	cc = x64_compare(g);
	if (home && home->place == X64_IN_BYTE) {
		x64_setcc_m(g->as, cc, x64_env(home->disp));
		return;
	}
	d = x64_def(g, X64_NOREG, X64_NOREG);
	x64_setcc(g->as, cc, d);
	x64_rr(g->as, X64_MOVZX8, d, d);
	x64_finish(g, d);
}

static void cmov(struct x64_gen *g, enum x64_cc cc, unsigned int reg, struct x64_loc loc)
{
	uint32_t size = x64_size(g->i->type);

	if (loc.place == X64_IN_MEM) {
		x64_cmov_m(g->as, cc, size, reg, x64_env(loc.disp));
	} else {
		x64_cmov(g->as, cc, size, reg, loc.reg);
	}
}

/* Host flags say whether a != 0: all values are away from rax and rdx. */
static void select_emit(struct x64_gen *g, struct x64_loc b, struct x64_loc c)
{
	unsigned int d = x64_def(g, X64_RAX, X64_NOREG);
	unsigned int other = d == X64_RDX ? X64_RAX : X64_RDX;

	if (c.place == X64_IN_GPR && c.reg == d) {
		if (b.place != X64_IN_GPR && b.place != X64_IN_MEM) {
			x64_load(g, other, b);
			b = (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)other };
		}
		cmov(g, X64_NE, d, b);
	} else {
		if (c.place != X64_IN_GPR && c.place != X64_IN_MEM) {
			x64_load(g, other, c);
			c = (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)other };
		}
		x64_load(g, d, b);
		cmov(g, X64_E, d, c);
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

void x64_op_select(struct x64_gen *g)
{
	uint32_t size = x64_exact_size(g->i->type);
	struct x64_loc a;

	x64_evict(g);
	a = x64_loc_a(g);
	if (a.place == X64_IN_BYTE) {
		x64_mi(g->as, X64_CMP | X64_S8, x64_env(a.disp), 0);
	} else if (a.place == X64_IN_MEM) {
		x64_mi(g->as, X64_CMP | size, x64_env(a.disp), 0);
	} else {
		unsigned int reg = x64_loc_in_gpr(g, a);

		x64_rr(g->as, X64_TEST | size, reg, reg);
	}
	select_emit(g, x64_loc_of(g, g->i->b), x64_loc_of(g, g->i->c));
}

void x64_op_min_max(struct x64_gen *g)
{
	bool is_signed = g->i->op == IR_MIN_S || g->i->op == IR_MAX_S;
	bool is_min = g->i->op == IR_MIN_S || g->i->op == IR_MIN_U;
	unsigned int d;

	x64_evict(g);
	x64_load_ext(g, X64_RDX, x64_loc_b(g), g->i->type, is_signed);
	x64_load_ext(g, X64_RAX, x64_loc_a(g), g->i->type, is_signed);
	x64_rr(g->as, X64_CMP | X64_W, X64_RAX, X64_RDX);
	if (is_signed) {
		x64_cmov(g->as, is_min ? X64_G : X64_L, X64_W, X64_RAX, X64_RDX);
	} else {
		x64_cmov(g->as, is_min ? X64_A : X64_B, X64_W, X64_RAX, X64_RDX);
	}
	d = x64_def(g, X64_RAX, X64_NOREG);
	x64_load_ext(g, d, (struct x64_loc){ .place = X64_IN_GPR, .reg = X64_RAX }, g->i->type,
		     g->i->flags & IR_SX);
	x64_finish(g, d);
}

static void flags_store(struct x64_gen *g)
{
	const struct ir_flag_regs *r = &g->b->flag_regs[g->i->aux];
	bool is_borrow = g->i->cond == IR_FLAGS_SUB || g->i->cond == IR_FLAGS_SBC;
	const struct {
		ir_val reg;
		enum x64_cc cc;
	} flags[] = { { r->n, X64_S },
		      { r->z, X64_E },
		      { r->c, is_borrow ? X64_AE : X64_B },
		      { r->v, X64_O } };

	for (unsigned int k = 0; k < ARRAY_SIZE(flags); k++) {
		if (flags[k].reg != IR_NONE && !(g->flags_dead[g->i->aux] & 1u << k)) {
			x64_setcc_m(g->as, flags[k].cc, x64_env(g->em->homes[flags[k].reg].disp));
		}
	}
}

/* a + b, with carry: in rax. */
static void flags_sum(struct x64_gen *g, uint32_t size)
{
	uint32_t op = X64_ADD;
	struct x64_loc b;

	x64_evict(g);
	b = x64_loc_b(g);
	if (b.place != X64_IS_NUMBER || !x64_is_imm32(b.number)) {
		b = x64_away(g, b);
	}
	x64_load(g, X64_RAX, x64_loc_a(g));
	if (g->i->cond != IR_FLAGS_ADD) {
		x64_load(g, X64_RDX, x64_loc_of(g, g->i->c));
		x64_ri(g->as, X64_AND, X64_RDX, 1);
		if (g->i->cond == IR_FLAGS_ADC) {
			op = X64_ADC;
			x64_unary(g->as, X64_NEG, X64_RDX);
		} else {
			op = X64_SBB;
			x64_ri(g->as, X64_CMP, X64_RDX, 1);
		}
	}
	if (b.place == X64_IS_NUMBER) {
		x64_ri(g->as, op | size, X64_RAX, (int32_t)b.number);
	} else if (b.place == X64_IN_MEM) {
		x64_rm(g->as, op | size, X64_RAX, x64_env(b.disp));
	} else {
		x64_rr(g->as, op | size, X64_RAX, b.reg);
	}
}

void x64_op_flags(struct x64_gen *g)
{
	uint32_t size = x64_exact_size(g->i->type);
	enum x64_cc cc;
	struct x64_loc a;
	struct x64_loc b;

	if (g->flags_dead[g->i->aux] == 15 &&
	    !fuses(g->i, &g->b->flag_regs[g->i->aux], g->i + 1, &cc)) {
		return;
	}
	if (g->i->cond != IR_FLAGS_SUB && g->i->cond != IR_FLAGS_LOGIC) {
		flags_sum(g, size);
	} else {
		a = x64_loc_a(g);
		b = g->i->b == IR_NONE && !(g->i->flags & IR_IMM) ? a : x64_loc_b(g);
		a = a.place == X64_IS_NUMBER ? to_reg(g, a) : plain(g, a);
		b = plain(g, b);
		if (g->i->cond == IR_FLAGS_LOGIC) {
			emit_test(g, size, a, b);
		} else {
			if (a.place == X64_IN_MEM && b.place == X64_IN_MEM) {
				a = to_reg(g, a);
			}
			emit_cmp(g, size, a, b);
		}
	}
	flags_store(g);
	g->flags = g->i;
}

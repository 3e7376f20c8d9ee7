// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Floating point: scalar AVX under the guest's MXCSR, whose sticky flags are the guest's.
 *
 * The upper half of an F32 comes from the first source of a VEX instruction, so a boxed operand gives a boxed result for
 * nothing; x64_is_boxed() knows which are.
 *
 * NaNs. Whether a result is one is not tested at once: another operation makes the same of every NaN. Registers that may hold
 * one are tested, two with one comparison, when somebody looks at their bits, and at the block's end. Should the
 * block be left in between, the table of exits or of accesses says which they are, and C code does the rest.
 */
#include "engine/dbt/emit/x64/x64_gen.h"

#define NO_XMM X64_XMM_SCRATCH /* nothing to avoid or prefer */

static bool is_single(const struct x64_gen *g)
{
	return g->i->type == IR_F32;
}

/* Whether the result's upper half becomes all ones; else zero. */
static bool is_boxing(const struct x64_gen *g)
{
	return (g->canon ? g->canon : g->i)->flags & IR_SX;
}

static void upper_half(struct x64_gen *g, unsigned int d, bool is_boxed)
{
	if (!is_single(g)) {
		return;
	}
	if (!is_boxing(g)) {
		x64_vrri(g->as, X64_VINSERTPS, d, d, d, 0x0e);
	} else if (!is_boxed) {
		x64_vrm(g->as, X64_VORPS, d, d, x64_constant(X64_C_BOX));
	}
}

static void compare_self(struct x64_gen *g, unsigned int x, bool is_f32)
{
	x64_vrr(g->as, is_f32 ? X64_VUCOMISS : X64_VUCOMISD, x, 0, x);
}

static enum x64_constant nan_constant(const struct x64_gen *g, bool is_boxed)
{
	return !is_single(g) ? X64_C_NAN64 : is_boxed ? X64_C_NAN32 : X64_C_NAN32_PLAIN;
}

/* When the condition holds, d becomes the canonical NaN. */
static void cold_nan_add(struct x64_gen *g, enum x64_cc cc, unsigned int d, bool is_boxed)
{
	struct x64_cold *cold = x64_cold_add(g, X64_COLD_NAN, x64_jcc(g->as, cc, g->as->at));

	cold->reg = (uint8_t)d;
	cold->flag = (uint8_t)nan_constant(g, is_boxed);
	cold->back = (uint32_t)g->as->at;
}

static void finish_canonical(struct x64_gen *g, unsigned int d)
{
	x64_finish_xmm(g, d);
	if (is_single(g) && is_boxing(g)) {
		x64_boxed_set(g, g->dst);
	}
}

/* The check for a NaN can wait until somebody looks: the destination is mapped, and its NaN is a boxed one. */
static bool may_wait(const struct x64_gen *g)
{
	return !x64_is_temp(g->dst) && g->em->homes[g->dst].place == X64_IN_XMM &&
	       (!is_single(g) || is_boxing(g));
}

static void finish(struct x64_gen *g, unsigned int d, bool is_boxed)
{
	bool waits = g->canon && may_wait(g);

	upper_half(g, d, is_boxed);
	if (g->canon && !waits) {
		compare_self(g, d, is_single(g));
		cold_nan_add(g, X64_P, d, is_boxing(g));
	}
	finish_canonical(g, d);
	if (waits && is_single(g)) {
		g->dirty.f32 |= (uint16_t)(1u << d);
	} else if (waits) {
		g->dirty.f64 |= (uint16_t)(1u << d);
	}
}

/* ---- NaNs that are made canonical later ---- */

/* y may be x. */
static void settle_two(struct x64_gen *g, unsigned int x, unsigned int y, bool is_f32)
{
	struct x64_cold *cold;

	x64_vrr(g->as, is_f32 ? X64_VUCOMISS : X64_VUCOMISD, x, 0, y);
	cold = x64_cold_add(g, x == y ? X64_COLD_NAN : X64_COLD_NANS,
			    x64_jcc(g->as, X64_P, g->as->at));
	cold->reg = (uint8_t)x;
	cold->reg2 = (uint8_t)y;
	cold->flag = is_f32 ? X64_C_NAN32 : X64_C_NAN64;
	cold->back = (uint32_t)g->as->at;
}

/* Registers of one type, two with one comparison. */
static void settle(struct x64_gen *g, uint16_t regs, bool is_f32)
{
	while (regs) {
		unsigned int x = (unsigned int)__builtin_ctz(regs);
		unsigned int y;

		regs &= (uint16_t)(regs - 1);
		y = regs ? (unsigned int)__builtin_ctz(regs) : x;
		regs &= (uint16_t)(regs - 1);
		settle_two(g, x, y, is_f32);
	}
}

static void cold_nans(struct x64_gen *g, const struct x64_cold *c)
{
	const uint8_t regs[] = { c->reg, c->reg2 };

	for (size_t k = 0; k < ARRAY_SIZE(regs); k++) {
		size_t number;

		compare_self(g, regs[k], c->flag == X64_C_NAN32);
		number = x64_jcc(g->as, X64_NP, g->as->at);
		x64_vrm(g->as, X64_VMOVSD_LD, regs[k], 0, x64_constant((enum x64_constant)c->flag));
		x64_patch(g->as, number, g->as->at);
	}
	x64_jmp(g->as, c->back);
}

/* Types in which the operation takes any NaN for any other: what it makes of one is canonical, or the same for all. */
static uint16_t blind_to(const struct x64_gen *g)
{
	bool is_f32 = g->i->type == IR_F32;

	switch (g->i->op) {
	case IR_FADD:
	case IR_FSUB:
	case IR_FMUL:
	case IR_FDIV:
	case IR_FSQRT:
	case IR_FMADD:
	case IR_FMSUB:
	case IR_FNMADD:
	case IR_FNMSUB:
		/* without FCANON behind it the NaN itself is the result */
		return g->canon ? (is_f32 ? g->dirty.f32 : g->dirty.f64) : 0;
	case IR_FCANON:
	case IR_FSET_IF:
	case IR_FCVT_IF:
		return is_f32 ? g->dirty.f32 : g->dirty.f64;
	case IR_FCVT_FF:
		return !g->canon ? 0 : is_f32 ? g->dirty.f64 : g->dirty.f32;
	default:
		return 0;
	}
}

/* The mapped registers among the operands. */
static uint16_t operand_regs(const struct x64_gen *g)
{
	const ir_val vals[] = { g->i->a, g->i->b, g->i->c };
	const char *fields = ir_op_table[g->i->op].fields;
	uint16_t regs = 0;

	for (size_t k = 0; k < ARRAY_SIZE(vals); k++) {
		if (fields[k + 1] != '-' && vals[k] < IR_REGS_MAX &&
		    g->em->homes[vals[k]].place == X64_IN_XMM) {
			regs |= (uint16_t)(1u << g->em->homes[vals[k]].reg);
		}
	}
	return regs;
}

void x64_fp_settle(struct x64_gen *g)
{
	const struct ir_op_info *info = &ir_op_table[g->i->op];
	uint16_t regs = UINT16_MAX;

	if (!(g->dirty.f64 | g->dirty.f32)) {
		return;
	}
	if (g->region.r &&
	    (g->i->op == IR_BRANCH || (g->i->op == IR_JUMP && !(g->i->flags & IR_CALL)))) {
		return; /* edges do it */
	}
	/* FLAGS: the end behind it may want its host flags */
	if (!info->is_end && g->i->op != IR_HELPER && g->i->op != IR_FLAGS) {
		regs = operand_regs(g) & (uint16_t)~blind_to(g);
	}
	x64_fp_settle_regs(g, (struct x64_dirty){ regs, regs });
}

void x64_fp_settle_regs(struct x64_gen *g, struct x64_dirty regs)
{
	settle(g, g->dirty.f64 & regs.f64, false);
	settle(g, g->dirty.f32 & regs.f32, true);
	g->dirty.f64 &= (uint16_t)~regs.f64;
	g->dirty.f32 &= (uint16_t)~regs.f32;
}

/* Pin what lies in a scratch xmm register, so that loading other operands doesn't move it. */
static struct x64_loc pinned(struct x64_gen *g, ir_val v)
{
	struct x64_loc loc = x64_loc_of(g, v);

	if (loc.place == X64_IN_XMM) {
		g->xmm_pins |= 1u << loc.reg;
	} else if (loc.place != X64_IN_MEM) {
		loc.reg = (uint8_t)x64_in_xmm(g, v);
		loc.place = X64_IN_XMM;
	}
	return loc;
}

static void vop(struct x64_gen *g, uint32_t op, unsigned int d, unsigned int v, struct x64_loc b)
{
	if (b.place == X64_IN_MEM) {
		x64_vrm(g->as, op, d, v, x64_env(b.disp));
	} else {
		x64_vrr(g->as, op, d, v, b.reg);
	}
}

static void op_binary(struct x64_gen *g)
{
	static const uint32_t ops[][2] = {
		{ X64_VADDSS, X64_VADDSD },
		{ X64_VSUBSS, X64_VSUBSD },
		{ X64_VMULSS, X64_VMULSD },
		{ X64_VDIVSS, X64_VDIVSD },
	};
	struct x64_loc b = pinned(g, g->i->b);
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int d = x64_def_xmm(g, a, NO_XMM, NO_XMM);

	vop(g, ops[g->i->op - IR_FADD][!is_single(g)], d, a, b);
	finish(g, d, x64_is_boxed(g, g->i->a));
}

static void op_sqrt(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int d = x64_def_xmm(g, a, NO_XMM, NO_XMM);

	x64_vrr(g->as, is_single(g) ? X64_VSQRTSS : X64_VSQRTSD, d, a, a);
	finish(g, d, x64_is_boxed(g, g->i->a));
}

/* x (which is a copy of a, or c) = the product of a and b, and c. a and b survive. */
static void op_fma(struct x64_gen *g)
{
	static const uint32_t ops213[][2] = {
		{ X64_VFMADD213SS, X64_VFMADD213SD },
		{ X64_VFMSUB213SS, X64_VFMSUB213SD },
		{ X64_VFNMSUB213SS, X64_VFNMSUB213SD },
		{ X64_VFNMADD213SS, X64_VFNMADD213SD },
	};
	static const uint32_t ops231[][2] = {
		{ X64_VFMADD231SS, X64_VFMADD231SD },
		{ X64_VFMSUB231SS, X64_VFMSUB231SD },
		{ X64_VFNMSUB231SS, X64_VFNMSUB231SD },
		{ X64_VFNMADD231SS, X64_VFNMADD231SD },
	};
	struct x64_loc c = pinned(g, g->i->c);
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int b = x64_in_xmm(g, g->i->b);
	unsigned int d = x64_def_xmm(g, c.place == X64_IN_XMM ? c.reg : NO_XMM, a, b);
	unsigned int x = d == a || d == b ? x64_take_xmm(g) : d;
	bool is_boxed = x64_is_boxed(g, g->i->a);
	struct x64_cold *cold;

	if (c.place == X64_IN_XMM && c.reg == x) {
		is_boxed = x64_is_boxed(g, g->i->c);
		x64_vrr(g->as, ops231[g->i->op - IR_FMADD][!is_single(g)], x, a, b);
	} else {
		x64_vrr(g->as, X64_VMOVAPS, x, 0, a);
		vop(g, ops213[g->i->op - IR_FMADD][!is_single(g)], x, b, c);
	}
	upper_half(g, x, is_boxed);
	compare_self(g, x, is_single(g));
	cold = x64_cold_add(g, X64_COLD_FMA, x64_jcc(g->as, X64_P, g->as->at));
	cold->reg = (uint8_t)x;
	cold->reg2 = (uint8_t)a;
	cold->reg3 = (uint8_t)b;
	cold->flag = (uint8_t)(g->canon ? nan_constant(g, is_boxing(g)) : X64_C_COUNT);
	cold->back = (uint32_t)g->as->at;
	if (x != d) {
		x64_vrr(g->as, X64_VMOVAPS, d, 0, x);
	}
	finish_canonical(g, d);
}

/* infinity * 0 + quiet NaN: the host raises nothing, its multiplication does. Other flags of it are not wanted. */
static void cold_fma(struct x64_gen *g, const struct x64_cold *c)
{
	bool is_f32 = c->insn->type == IR_F32;
	bool is_canonical = c->flag != X64_C_COUNT;
	struct x64_mem slot = x64_env(X64_PRIV(slots[X64_SLOTS - 1]));
	size_t keep;

	if (!is_canonical) {
		x64_vmr(g->as, X64_VMOVSD_ST, slot, c->reg);
	}
	x64_stmxcsr(g->as, x64_env(X64_PRIV(fp_saved)));
	x64_vrr(g->as, is_f32 ? X64_VMULSS : X64_VMULSD, c->reg, c->reg2, c->reg3);
	compare_self(g, c->reg, is_f32);
	keep = x64_jcc(g->as, X64_P, g->as->at);
	x64_ldmxcsr(g->as, x64_env(X64_PRIV(fp_saved)));
	x64_patch(g->as, keep, g->as->at);
	x64_vrm(g->as, X64_VMOVSD_LD, c->reg, 0,
		is_canonical ? x64_constant((enum x64_constant)c->flag) : slot);
	x64_jmp(g->as, c->back);
}

static void op_sign(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int d = x64_def_xmm(g, a, NO_XMM, NO_XMM);
	bool is_neg = g->i->op == IR_FNEG;
	enum x64_constant mask = is_neg ? (is_single(g) ? X64_C_SIGN32 : X64_C_SIGN64)
					: (is_single(g) ? X64_C_ABS32 : X64_C_ABS64);

	x64_vrm(g->as, is_neg ? X64_VXORPS : X64_VANDPS, d, a, x64_constant(mask));
	finish(g, d, x64_is_boxed(g, g->i->a));
}

static void op_sign_of(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int b = x64_in_xmm(g, g->i->b);
	unsigned int t = x64_take_xmm(g);
	unsigned int d = x64_def_xmm(g, a, t, NO_XMM);

	x64_vrm(g->as, X64_VANDPS, t, b, x64_constant(is_single(g) ? X64_C_SIGN32 : X64_C_SIGN64));
	if (g->i->op == IR_FXORSIGN) {
		x64_vrr(g->as, X64_VXORPS, d, a, t);
	} else {
		x64_vrm(g->as, X64_VANDPS, d, a,
			x64_constant(is_single(g) ? X64_C_ABS32 : X64_C_ABS64));
		x64_vrr(g->as, X64_VORPS, d, d, t);
	}
	finish(g, d, x64_is_boxed(g, g->i->a));
}

static void op_unbox(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int d = x64_def_xmm(g, a, NO_XMM, NO_XMM);
	unsigned int t;

	if (d != a) {
		x64_vrr(g->as, X64_VMOVAPS, d, 0, a);
	}
	if (!x64_is_boxed(g, g->i->a)) {
		t = x64_take(g);
		x64_vrr(g->as, X64_VMOV_R_X | X64_W, d, 0, t);
		x64_shift_imm(g->as, X64_SHR, X64_W, t, 32);
		x64_unary(g->as, X64_INC, t);
		cold_nan_add(g, X64_NE, d, true);
	}
	x64_finish_xmm(g, d);
	x64_boxed_set(g, g->dst);
}

static void op_canon(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int d = x64_def_xmm(g, a, NO_XMM, NO_XMM);
	bool is_boxed = g->i->flags & IR_SX;

	if (d != a) {
		x64_vrr(g->as, X64_VMOVAPS, d, 0, a);
	}
	upper_half(g, d, x64_is_boxed(g, g->i->a));
	compare_self(g, d, is_single(g));
	cold_nan_add(g, X64_P, d, is_boxed);
	finish_canonical(g, d);
}

static void op_set_if(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int b = x64_in_xmm(g, g->i->b);
	unsigned int d;
	unsigned int x;

	if (g->i->cond == IR_EQ) {
		x = x64_take_xmm(g);
		d = x64_def(g, X64_NOREG, X64_NOREG);
		x64_vrri(g->as, is_single(g) ? X64_VCMPSS : X64_VCMPSD, x, a, b, 0);
		x64_vrr(g->as, X64_VMOV_R_X, x, 0, d);
		x64_ri(g->as, X64_AND, d, 1);
	} else {
		d = x64_def(g, X64_NOREG, X64_NOREG);
		x64_rr(g->as, X64_XOR, d, d);
		x64_vrr(g->as, is_single(g) ? X64_VCOMISS : X64_VCOMISD, b, 0, a);
		x64_setcc(g->as, g->i->cond == IR_LT ? X64_A : X64_AE, d);
	}
	x64_finish(g, d);
}

/* ---- conversions ---- */

static void op_cvt_ff(struct x64_gen *g)
{
	unsigned int a = x64_in_xmm(g, g->i->a);
	unsigned int d = x64_def_xmm(g, a, NO_XMM, NO_XMM);

	x64_vrr(g->as, is_single(g) ? X64_VCVTSD2SS : X64_VCVTSS2SD, d, a, a);
	finish(g, d, false);
}

/* From 2^63 on a number is halved first, its last bit kept for rounding. */
static void from_u64(struct x64_gen *g, uint32_t op, unsigned int d)
{
	size_t big;
	size_t done;

	x64_rr(g->as, X64_TEST | X64_W, X64_RAX, X64_RAX);
	big = x64_jcc(g->as, X64_S, g->as->at);
	x64_vrr(g->as, op | X64_W, d, d, X64_RAX);
	done = x64_jmp(g->as, g->as->at);
	x64_patch(g->as, big, g->as->at);
	x64_rr(g->as, X64_MOV | X64_W, X64_RDX, X64_RAX);
	x64_shift_imm(g->as, X64_SHR, X64_W, X64_RAX, 1);
	x64_ri(g->as, X64_AND, X64_RDX, 1);
	x64_rr(g->as, X64_OR | X64_W, X64_RAX, X64_RDX);
	x64_vrr(g->as, op | X64_W, d, d, X64_RAX);
	x64_vrr(g->as, is_single(g) ? X64_VADDSS : X64_VADDSD, d, d, d);
	x64_patch(g->as, done, g->as->at);
}

static void op_cvt_fi(struct x64_gen *g)
{
	uint32_t op = is_single(g) ? X64_VCVTSI2SS : X64_VCVTSI2SD;
	struct x64_loc a;
	unsigned int d;

	x64_evict(g);
	a = x64_loc_of(g, g->i->a);
	if (g->i->cond == IR_INT_U32) {
		x64_load32(g, X64_RAX, a);
	} else {
		x64_load(g, X64_RAX, a);
	}
	d = x64_def_xmm(g, NO_XMM, NO_XMM, NO_XMM);
	x64_vrr(g->as, X64_VXORPS, d, d, d);
	if (g->i->cond == IR_INT_U64) {
		from_u64(g, op, d);
	} else {
		x64_vrr(g->as, g->i->cond == IR_INT_S32 ? op : op | X64_W, d, d, X64_RAX);
	}
	if (is_single(g) && (g->i->flags & IR_SX)) {
		x64_vrm(g->as, X64_VORPS, d, d, x64_constant(X64_C_BOX));
	}
	x64_finish_xmm(g, d);
	if (is_single(g) && (g->i->flags & IR_SX)) {
		x64_boxed_set(g, g->dst);
	}
}

static struct x64_cold *cold_cvt_add(struct x64_gen *g, enum x64_cold_kind kind, enum x64_cc cc,
				     unsigned int a, unsigned int x)
{
	struct x64_cold *cold = x64_cold_add(g, kind, x64_jcc(g->as, cc, g->as->at));

	cold->reg = (uint8_t)a;
	cold->reg2 = (uint8_t)x;
	return cold;
}

/* To unsigned 64 bits in rax. @return what does not fit */
static struct x64_cold *to_u64(struct x64_gen *g, uint32_t op, unsigned int a, unsigned int x)
{
	struct x64_cold *big;
	struct x64_cold *cold;

	x64_vrm(g->as, is_single(g) ? X64_VUCOMISS : X64_VUCOMISD, a, 0,
		x64_constant(is_single(g) ? X64_C_TWO63_F32 : X64_C_TWO63_F64));
	big = cold_cvt_add(g, X64_COLD_CVT_BIG, X64_AE, a, x);
	x64_vrr(g->as, op | X64_W, X64_RAX, 0, a);
	x64_rr(g->as, X64_TEST | X64_W, X64_RAX, X64_RAX);
	cold = cold_cvt_add(g, X64_COLD_CVT, X64_S, a, x);
	big->back = (uint32_t)g->as->at;
	return cold;
}

/* To rax; what does not fit goes out of line, with the flags from before if they may be wrong then. */
static void op_cvt_if(struct x64_gen *g)
{
	uint32_t op = is_single(g) ? X64_VCVTTSS2SI : X64_VCVTTSD2SI;
	unsigned int cond = g->i->cond;
	uint32_t size = cond == IR_INT_S64 || cond == IR_INT_U64 ? X64_W : 0;
	struct x64_cold *cold;
	unsigned int a;
	unsigned int x;
	unsigned int d;

	x64_evict(g);
	a = x64_in_xmm(g, g->i->a);
	x = x64_take_xmm(g);
	if (cond == IR_INT_U32 || cond == IR_INT_U64) {
		x64_stmxcsr(g->as, x64_env(X64_PRIV(fp_saved)));
	}
	if (cond == IR_INT_U64) {
		cold = to_u64(g, op, a, x);
	} else if (cond == IR_INT_U32) {
		x64_vrr(g->as, op | X64_W, X64_RAX, 0, a);
		x64_rr(g->as, X64_MOV, X64_RDX, X64_RAX);
		x64_rr(g->as, X64_CMP | X64_W, X64_RDX, X64_RAX);
		cold = cold_cvt_add(g, X64_COLD_CVT, X64_NE, a, x);
	} else {
		/* INT_MIN means "does not fit": only that minus 1 overflows */
		x64_vrr(g->as, op | size, X64_RAX, 0, a);
		x64_ri(g->as, X64_CMP | size, X64_RAX, 1);
		cold = cold_cvt_add(g, X64_COLD_CVT, X64_O, a, x);
	}
	cold->back = (uint32_t)g->as->at;
	d = x64_def(g, X64_RAX, X64_NOREG);
	if (!size && (g->i->flags & IR_SX)) {
		x64_rr(g->as, X64_MOVSXD | X64_W, d, X64_RAX);
	} else {
		x64_rr(g->as, X64_MOV | size, d, X64_RAX);
	}
	x64_finish(g, d);
}

static const uint64_t int_max[] = { [IR_INT_S32] = INT32_MAX,
				    [IR_INT_U32] = UINT32_MAX,
				    [IR_INT_S64] = INT64_MAX,
				    [IR_INT_U64] = UINT64_MAX };

/* Whatever else was raised since the flags were saved. */
static void raise_invalid_only(struct x64_gen *g)
{
	x64_mi(g->as, X64_OR, x64_env(X64_PRIV(fp_saved)), 1);
	x64_ldmxcsr(g->as, x64_env(X64_PRIV(fp_saved)));
}

/* Saturate: NaN and what is too large to the largest number, the rest to the least, which signed ones are already. */
static void cold_cvt(struct x64_gen *g, const struct x64_cold *c)
{
	bool is_f32 = c->insn->type == IR_F32;
	bool is_unsigned = c->insn->cond == IR_INT_U32 || c->insn->cond == IR_INT_U64;
	size_t nan;
	size_t positive;

	if (is_unsigned) {
		raise_invalid_only(g);
	}
	compare_self(g, c->reg, is_f32);
	nan = x64_jcc(g->as, X64_P, g->as->at);
	x64_vrr(g->as, X64_VMOV_R_X | (is_f32 ? 0 : X64_W), c->reg, 0, X64_RDX);
	x64_rr(g->as, X64_TEST | (is_f32 ? 0 : X64_W), X64_RDX, X64_RDX);
	positive = x64_jcc(g->as, X64_NS, g->as->at);
	if (is_unsigned) {
		x64_rr(g->as, X64_XOR, X64_RAX, X64_RAX);
	}
	x64_jmp(g->as, c->back);
	x64_patch(g->as, nan, g->as->at);
	x64_patch(g->as, positive, g->as->at);
	x64_mov_imm(g->as, X64_RAX, int_max[c->insn->cond]);
	x64_jmp(g->as, c->back);
}

/* From 2^63 on: less 2^63, converted, plus 2^63. */
static void cold_cvt_big(struct x64_gen *g, const struct x64_cold *c)
{
	bool is_f32 = c->insn->type == IR_F32;
	size_t too_big;

	x64_vrm(g->as, is_f32 ? X64_VSUBSS : X64_VSUBSD, c->reg2, c->reg,
		x64_constant(is_f32 ? X64_C_TWO63_F32 : X64_C_TWO63_F64));
	x64_vrr(g->as, (is_f32 ? X64_VCVTTSS2SI : X64_VCVTTSD2SI) | X64_W, X64_RAX, 0, c->reg2);
	x64_rr(g->as, X64_TEST | X64_W, X64_RAX, X64_RAX);
	too_big = x64_jcc(g->as, X64_S, g->as->at);
	x64_mov_imm(g->as, X64_RDX, 1ULL << 63);
	x64_rr(g->as, X64_XOR | X64_W, X64_RAX, X64_RDX);
	x64_jmp(g->as, c->back);
	x64_patch(g->as, too_big, g->as->at);
	raise_invalid_only(g);
	x64_mov_imm(g->as, X64_RAX, UINT64_MAX);
	x64_jmp(g->as, c->back);
}

void x64_cold_fp(struct x64_gen *g, const struct x64_cold *c)
{
	switch (c->kind) {
	case X64_COLD_FMA:
		cold_fma(g, c);
		break;
	case X64_COLD_NANS:
		cold_nans(g, c);
		break;
	case X64_COLD_CVT:
		cold_cvt(g, c);
		break;
	case X64_COLD_CVT_BIG:
		cold_cvt_big(g, c);
		break;
	default:
		x64_vrm(g->as, X64_VMOVSD_LD, c->reg, 0, x64_constant((enum x64_constant)c->flag));
		x64_jmp(g->as, c->back);
	}
}

void x64_op_fp(struct x64_gen *g)
{
	switch (g->i->op) {
	case IR_FADD:
	case IR_FSUB:
	case IR_FMUL:
	case IR_FDIV:
		op_binary(g);
		break;
	case IR_FSQRT:
		op_sqrt(g);
		break;
	case IR_FMADD:
	case IR_FMSUB:
	case IR_FNMADD:
	case IR_FNMSUB:
		op_fma(g);
		break;
	case IR_FNEG:
	case IR_FABS:
		op_sign(g);
		break;
	case IR_FCOPYSIGN:
	case IR_FXORSIGN:
		op_sign_of(g);
		break;
	case IR_FUNBOX:
		op_unbox(g);
		break;
	case IR_FCANON:
		op_canon(g);
		break;
	case IR_FSET_IF:
		op_set_if(g);
		break;
	case IR_FCVT_FF:
		op_cvt_ff(g);
		break;
	case IR_FCVT_FI:
		op_cvt_fi(g);
		break;
	default:
		BUG_ON(g->i->op != IR_FCVT_IF);
		op_cvt_if(g);
	}
}

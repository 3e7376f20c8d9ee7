// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of the tiny front end. Its interpreter evaluates the IR of one instruction: so there is one description of each,
 * and what checks it is an independent referee. What IR does not describe is done here: system instructions, and what
 * tiny_fp.c is for.
 */
#include <errno.h>

#include "../../unit/test_dbt_ir_value.h"
#include "base/bug.h"
#include "engine/dbt/emit/emit_fp.h"
#include "tiny.h"

#define FPCR_RMODE_SHIFT 22
#define FPCR_KEPT	 (BIT(22) | BIT(23) | BIT(25)) /* rounding mode, default NaN */
#define NZCV		 (0xfULL << TINY_PSTATE_SHIFT)
#define ESR_IL		 BIT(25)
#define ESR_EC_SHIFT	 26
#define EC_UNKNOWN	 0x00u
#define EC_SVC		 0x15u

#define X(n, r)                      \
	[n] = { .name = "x" #n,      \
		.cls = IR_CLASS_INT, \
		.rank = (r),         \
		.offset = offsetof(struct tiny_cpu, s.x[n]) }
#define FLAG(v, f) \
	[v] = { .name = #f, .cls = IR_CLASS_BIT, .rank = 0, .offset = offsetof(struct tiny_cpu, f) }
#define V(n, r)                                                        \
	[TINY_D(n)] = { .name = "d" #n,                                \
			.cls = IR_CLASS_FP,                            \
			.rank = (r),                                   \
			.offset = offsetof(struct tiny_cpu, s.v[n]) }, \
	[TINY_UP(n)] = { .name = "v" #n "up",                          \
			 .cls = IR_CLASS_INT,                          \
			 .rank = 0,                                    \
			 .offset = offsetof(struct tiny_cpu, s.v[n][8]) }

/* Ranks: what compilers use most. */
const struct ir_reg tiny_regs[TINY_REGS] = {
	[TINY_SP] = { "sp", IR_CLASS_INT, 1, offsetof(struct tiny_cpu, s.sp) },
	[TINY_ZERO] = { .name = "zero", .cls = IR_CLASS_ZERO },
	FLAG(TINY_N, n), FLAG(TINY_Z, z), FLAG(TINY_C, c), FLAG(TINY_V, v),
	X(0, 2), X(1, 3), X(2, 4), X(3, 5), X(4, 6), X(5, 8), X(6, 11), X(7, 12),
	X(8, 10), X(9, 0), X(10, 0), X(11, 0), X(12, 0), X(13, 0), X(14, 0), X(15, 0),
	X(16, 0), X(17, 0), X(18, 0), X(19, 7), X(20, 9), X(21, 0), X(22, 0), X(23, 0),
	X(24, 0), X(25, 0), X(26, 0), X(27, 0), X(28, 0), X(29, 0), X(30, 0),
	V(0, 1), V(1, 2), V(2, 3), V(3, 4), V(4, 5), V(5, 6), V(6, 7), V(7, 8),
	V(8, 9), V(9, 0), V(10, 0), V(11, 0), V(12, 0), V(13, 0), V(14, 0), V(15, 0),
	V(16, 10), V(17, 11), V(18, 12), V(19, 13), V(20, 0), V(21, 0), V(22, 0), V(23, 0),
	V(24, 0), V(25, 0), V(26, 0), V(27, 0), V(28, 0), V(29, 0), V(30, 0), V(31, 0),
};

static void init(void *cpu, const struct front_config *cfg)
{
	struct tiny_cpu *c = cpu;

	c->memory = cfg->memory;
	c->mem = cfg->engine->mem;
}

/* ---- state ---- */

static uint64_t *other_sp(struct a64_state *s)
{
	return s->pstate & A64_PSTATE_SP ? &s->sp_el1 : &s->sp_el0;
}

static void get_state(const void *cpu, struct cpu_state *ret)
{
	const struct tiny_cpu *c = cpu;
	struct a64_state *s = a64_state(ret);

	*ret = (struct cpu_state){ .arch = CPU_ARCH_A64 };
	*s = c->s;
	s->pstate = (s->pstate & ~NZCV) | (uint64_t)(c->n << 3 | c->z << 2 | c->c << 1 | c->v)
						  << TINY_PSTATE_SHIFT;
	*other_sp(s) = s->sp;
}

static int set_state(void *cpu, const struct cpu_state *s, struct front_effects *effects,
		     struct errmsg *e)
{
	struct tiny_cpu *c = cpu;
	uint64_t flags;

	if (s->arch != CPU_ARCH_A64) {
		return errmsg_set(e, -EINVAL, "the state is not an AArch64 CPU's");
	}
	c->s = *a64_state_const(s);
	c->s.fpcr &= FPCR_KEPT;
	flags = c->s.pstate >> TINY_PSTATE_SHIFT;
	c->n = flags >> 3 & 1;
	c->z = flags >> 2 & 1;
	c->c = flags >> 1 & 1;
	c->v = flags & 1;
	effects->what |= FRONT_MODE;
	return 0;
}

static uint64_t get_pc(const void *cpu)
{
	return ((const struct tiny_cpu *)cpu)->s.pc;
}

static void set_pc(void *cpu, uint64_t pc)
{
	((struct tiny_cpu *)cpu)->s.pc = pc;
}

/* Rounding is set when translated code is entered; code itself does not depend on it, but what is linked must not be mixed. */
static uint32_t mode(const void *cpu)
{
	return ((const struct tiny_cpu *)cpu)->s.fpcr >> FPCR_RMODE_SHIFT & 3;
}

static uint64_t space(const void *cpu)
{
	(void)cpu;
	return 0;
}

static bool is_physical(const void *cpu)
{
	(void)cpu;
	return true;
}

static bool translate_address(void *cpu, gva_t gva, uint32_t access, struct front_page *ret,
			      struct cpu_fault *ret_fault)
{
	(void)cpu;
	(void)access;
	(void)ret_fault;
	*ret = (struct front_page){
		.gpa = gva, .bytes = PAGE_BYTES, .perm = MEM_RWX, .is_global = true
	};
	return true;
}

static bool decode(const void *cpu, const uint8_t *code, size_t n, struct ir_block *ret)
{
	const char *why;

	if (!tiny_ir_decode(get_pc(cpu), code, n, IR_BLOCK_GUEST_MAX, ret)) {
		return false;
	}
	BUG_ON(!ir_block_check(ret, tiny_regs, TINY_REGS, &why));
	return true;
}

/* ---- the interpreter ---- */

static enum front_step refuse(struct tiny_cpu *c, gva_t gva, uint32_t access, struct cpu_fault *ret)
{
	*ret = (struct cpu_fault){ .kind = mem_region_find(c->mem, gva) ? CPU_FAULT_PROTECTION
									: CPU_FAULT_UNMAPPED,
				   .pc = c->s.pc,
				   .address = gva,
				   .has_address = true,
				   .access = access };
	return FRONT_FAULT;
}

static enum front_step raise(const struct tiny_cpu *c, uint32_t ec, uint32_t iss,
			     struct cpu_fault *ret)
{
	*ret = a64_fault_from_esr((uint64_t)ec << ESR_EC_SHIFT | ESR_IL | iss, c->s.pc, 0);
	return FRONT_EXCEPTION;
}

/* Instructions without IR. */
static enum front_step system(struct tiny_cpu *c, uint32_t w, struct front_effects *effects,
			      struct cpu_fault *ret)
{
	uint64_t x = (w & 31) == 31 ? 0 : c->s.x[w & 31];
	uint64_t read = 0;
	bool is_read = w & BIT(21);

	switch (w & ~(uint32_t)(BIT(21) | 31)) {
	case 0xd5033fc0: /* ISB; its number is where others have a register */
	case 0xd50b7520: /* IC IVAU */
		effects->what |= FRONT_FLUSH_CODE;
		return FRONT_NEXT;
	case 0xd51b4400: /* FPCR */
		read = c->s.fpcr;
		if (!is_read) {
			c->s.fpcr = (uint32_t)x & FPCR_KEPT;
			effects->what |= FRONT_MODE;
		}
		break;
	case 0xd51b4420: /* FPSR */
		read = c->s.fpsr;
		c->s.fpsr = is_read ? c->s.fpsr : (uint32_t)x;
		break;
	case 0xd5181040: /* CPACR_EL1 */
		read = c->s.cpacr_el1;
		c->s.cpacr_el1 = is_read ? read : x;
		break;
	case 0xd5032060: /* WFI */
		return FRONT_HALT;
	default:
		if ((w & 0xffe0001f) == 0xd4000001) {
			return raise(c, EC_SVC, w >> 5 & 0xffff, ret);
		}
		return raise(c, EC_UNKNOWN, 0, ret);
	}
	if (is_read && (w & 31) != 31) {
		c->s.x[w & 31] = read;
	}
	return FRONT_NEXT;
}

static uint64_t get(const struct tiny_cpu *c, ir_val v)
{
	const uint8_t *at = v < TINY_REGS ? (const uint8_t *)c + tiny_regs[v].offset : NULL;

	if (v == IR_NONE || v == TINY_ZERO) {
		return 0;
	}
	if (v >= IR_TEMP0) {
		return c->temps[v - IR_TEMP0];
	}
	return load_le(at, tiny_regs[v].cls == IR_CLASS_BIT ? 1 : 8);
}

static void set(struct tiny_cpu *c, ir_val v, uint64_t x)
{
	if (v == IR_NONE) {
		return;
	}
	if (v >= IR_TEMP0) {
		c->temps[v - IR_TEMP0] = x;
	} else if (tiny_regs[v].cls == IR_CLASS_BIT) {
		*((uint8_t *)c + tiny_regs[v].offset) = x & 1;
	} else {
		store_le((uint8_t *)c + tiny_regs[v].offset, x, 8);
	}
}

static enum front_step access(struct tiny_cpu *c, const struct ir_insn *i,
			      struct cpu_fault *ret_fault)
{
	uint8_t bytes = (uint8_t)(ir_value_width(i->type) / 8);
	gva_t gva = get(c, i->a) + (uint64_t)i->imm;
	uint32_t kind = i->op == IR_STORE ? MEM_W : MEM_R;
	uint8_t *host = c->memory.ram(c->memory.opaque, gva, bytes, kind);
	uint64_t v = low_bytes(get(c, i->b), bytes);
	enum bus_result r = BUS_OK;

	if (!host) {
		r = c->memory.access(c->memory.opaque, gva, bytes, kind == MEM_W, &v);
	} else if (kind == MEM_W) {
		store_le(host, v, bytes);
	} else {
		v = load_le(host, bytes);
	}
	if (r == BUS_UNMAPPED) {
		return refuse(c, gva, kind, ret_fault);
	}
	if (kind == MEM_R) {
		set(c, i->dst, i->flags & IR_SX ? (uint64_t)ir_value_sext(v, 8u * bytes) : v);
	}
	return r == BUS_STOP ? FRONT_STOP : FRONT_NEXT;
}

static void flags(struct tiny_cpu *c, const struct ir_insn *i, uint64_t a, uint64_t b)
{
	struct ir_value_flags f = ir_value_flags_of(i, a, b, get(c, i->c));

	c->n = f.n;
	c->z = f.z;
	c->c = f.c;
	c->v = f.v;
}

/* One operation that is no end. */
static enum front_step evaluate(struct tiny_cpu *c, const struct ir_insn *i,
				struct cpu_fault *ret_fault)
{
	uint64_t a = get(c, i->a);
	uint64_t b = i->flags & IR_IMM ? (uint64_t)i->imm : get(c, i->b);
	uint32_t control;

	if (i->op == IR_LOAD || i->op == IR_STORE) {
		return access(c, i, ret_fault);
	}
	if (i->op == IR_FLAGS) {
		flags(c, i, a, b);
	} else if (i->op >= IR_FADD && i->op <= IR_FCVT_IF) {
		control = emit_fp_control((enum emit_round)tiny_front_ops.fp_round(c));
		set(c, i->dst, ir_value_fp(&control, i, a, b, get(c, i->c)));
		tiny_front_ops.fp_accrue(c, emit_fp_flags(control));
	} else if (i->op != IR_FENCE) {
		set(c, i->dst, ir_value_int(i, a, b, get(c, i->c)));
	}
	return FRONT_NEXT;
}

/* Where the block's end leads. */
static uint64_t end(const struct tiny_cpu *c, const struct ir_insn *i)
{
	uint64_t b = i->flags & IR_IMM ? (uint64_t)i->imm : get(c, i->b);

	if (i->op == IR_BRANCH &&
	    !ir_value_holds(i->cond, get(c, i->a), b, ir_value_width(i->type))) {
		return c->block.next;
	}
	return i->op == IR_JUMP_REG ? get(c, i->a) : c->block.target;
}

static enum front_step step(void *cpu, struct front_effects *effects, struct cpu_fault *ret_fault)
{
	struct tiny_cpu *c = cpu;
	const uint8_t *code = c->memory.ram(c->memory.opaque, c->s.pc, 4, MEM_X);
	enum front_step all = FRONT_NEXT;
	uint64_t next = c->s.pc + 4;

	if (!code) {
		return refuse(c, c->s.pc, MEM_X, ret_fault);
	}
	if (!tiny_ir_decode(c->s.pc, code, 4, 1, &c->block)) {
		*ret_fault = (struct cpu_fault){ .kind = CPU_FAULT_UNALIGNED, .pc = c->s.pc };
		return FRONT_EXCEPTION;
	}
	for (size_t k = 0; k < c->block.n_insns; k++) {
		const struct ir_insn *i = &c->block.insns[k];
		enum front_step r = FRONT_NEXT;

		if (i->op == IR_STEP) {
			r = system(c, (uint32_t)load_le(code, 4), effects, ret_fault);
		} else if (i->op == IR_STEP_IF) {
			if (ir_value_holds(i->cond, get(c, i->a), (uint64_t)i->imm,
					   ir_value_width(i->type)) &&
			    tiny_fp_exact(c, (uint32_t)load_le(code, 4))) {
				break;
			}
		} else if (ir_op_is_end(i->op)) {
			next = end(c, i);
		} else {
			r = evaluate(c, i, ret_fault);
		}
		if (r == FRONT_STOP || r == FRONT_HALT) {
			all = r; /* and yet executed */
		} else if (r != FRONT_NEXT) {
			return r;
		}
	}
	c->s.pc = next;
	return all;
}

/* ---- what there is not ---- */

static bool no_interrupt(void *cpu, struct front_effects *effects)
{
	(void)cpu;
	(void)effects;
	return false;
}

static void no_lines(void *cpu, uint64_t mask, uint64_t level)
{
	(void)cpu;
	(void)mask;
	(void)level;
}

static uint64_t no_timer(const void *cpu)
{
	(void)cpu;
	return UINT64_MAX;
}

static bool never_wakes(const void *cpu)
{
	(void)cpu;
	return false;
}

static void no_count(void *cpu, uint64_t n)
{
	(void)cpu;
	(void)n;
}

/* Neither translations nor reservations are kept. */
static void nothing_kept(void *cpu)
{
	(void)cpu;
}

/* ---- floating point ---- */

static uint32_t fp_round(const void *cpu)
{
	static const uint8_t rounds[] = { EMIT_ROUND_NEAREST, EMIT_ROUND_UP, EMIT_ROUND_DOWN,
					  EMIT_ROUND_ZERO };

	return rounds[mode(cpu)];
}

static void fp_accrue(void *cpu, uint8_t flags)
{
	uint32_t *fpsr = &((struct tiny_cpu *)cpu)->s.fpsr;

	*fpsr |= flags & EMIT_FP_INVALID ? 1 : 0;
	*fpsr |= flags & EMIT_FP_DIVZERO ? 2 : 0;
	*fpsr |= flags & EMIT_FP_OVERFLOW ? 4 : 0;
	*fpsr |= flags & EMIT_FP_UNDERFLOW ? 8 : 0;
	*fpsr |= flags & EMIT_FP_INEXACT ? 16 : 0;
}

const struct front_ops tiny_front_ops = {
	.arch = CPU_ARCH_A64,
	.regs = tiny_regs,
	.n_regs = TINY_REGS,
	.cpu_bytes = sizeof(struct tiny_cpu),
	.init = init,
	.get_state = get_state,
	.set_state = set_state,
	.get_pc = get_pc,
	.set_pc = set_pc,
	.mode = mode,
	.space = space,
	.is_physical = is_physical,
	.translate_address = translate_address,
	.decode = decode,
	.step = step,
	.interrupt = no_interrupt,
	.set_lines = no_lines,
	.timer_due = no_timer,
	.wakes = never_wakes,
	.count = no_count,
	.flush_translations = nothing_kept,
	.drop_reservation = nothing_kept,
	.fp_round = fp_round,
	.fp_accrue = fp_accrue,
};

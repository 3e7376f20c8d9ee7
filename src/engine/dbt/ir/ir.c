// SPDX-License-Identifier: GPL-2.0-or-later
/* Building, naming and printing IR; ir_check.c checks it. */
#include "engine/dbt/ir/ir.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/bug.h"

#define T_INT  (BIT(IR_I8) | BIT(IR_I16) | BIT(IR_I32) | BIT(IR_I64))
#define T_WIDE (BIT(IR_I32) | BIT(IR_I64))
#define T_FP   (BIT(IR_F32) | BIT(IR_F64))
#define T_MOV  (BIT(IR_I64) | BIT(IR_F64))

#define ALU(op_name)                                                                 \
	{                                                                            \
		.name = (op_name), .fields = "iii-", .types = T_INT, .has_imm = true \
	}
#define WIDE(op_name)                                                                 \
	{                                                                             \
		.name = (op_name), .fields = "iii-", .types = T_WIDE, .has_imm = true \
	}
#define UNARY(op_name)                                              \
	{                                                           \
		.name = (op_name), .fields = "ii--", .types = T_INT \
	}
#define FP2(op_name)                                               \
	{                                                          \
		.name = (op_name), .fields = "fff-", .types = T_FP \
	}
#define FP3(op_name)                                               \
	{                                                          \
		.name = (op_name), .fields = "ffff", .types = T_FP \
	}
#define FP1(op_name)                                               \
	{                                                          \
		.name = (op_name), .fields = "ff--", .types = T_FP \
	}

const struct ir_op_info ir_op_table[] = {
	[IR_NOP] = { .name = "nop", .fields = "----", .types = 0xff },
	[IR_MOV] = { .name = "mov", .fields = "**--", .types = T_MOV, .has_imm = true },
	[IR_ADD] = ALU("add"),
	[IR_SUB] = ALU("sub"),
	[IR_AND] = ALU("and"),
	[IR_OR] = ALU("or"),
	[IR_XOR] = ALU("xor"),
	[IR_ANDN] = ALU("andn"),
	[IR_ORN] = ALU("orn"),
	[IR_XNOR] = ALU("xnor"),
	[IR_SHL] = ALU("shl"),
	[IR_SHR] = ALU("shr"),
	[IR_SAR] = ALU("sar"),
	[IR_ROL] = ALU("rol"),
	[IR_ROR] = ALU("ror"),
	[IR_SHL_ADD] = WIDE("shl_add"),
	[IR_MUL] = ALU("mul"),
	[IR_MULH_SS] = WIDE("mulh_ss"),
	[IR_MULH_UU] = WIDE("mulh_uu"),
	[IR_MULH_SU] = WIDE("mulh_su"),
	[IR_DIV_S] = WIDE("div_s"),
	[IR_DIV_U] = WIDE("div_u"),
	[IR_REM_S] = WIDE("rem_s"),
	[IR_REM_U] = WIDE("rem_u"),
	[IR_EXT] = UNARY("ext"),
	[IR_INSERT] = ALU("insert"),
	[IR_CLZ] = UNARY("clz"),
	[IR_CTZ] = UNARY("ctz"),
	[IR_POPCNT] = UNARY("popcnt"),
	[IR_BSWAP] = { .name = "bswap", .fields = "ii--", .types = T_WIDE | BIT(IR_I16) },
	[IR_OR_BYTES] = { .name = "or_bytes", .fields = "ii--", .types = BIT(IR_I64) },
	[IR_MIN_S] = ALU("min_s"),
	[IR_MAX_S] = ALU("max_s"),
	[IR_MIN_U] = ALU("min_u"),
	[IR_MAX_U] = ALU("max_u"),
	[IR_SET_IF] = ALU("set_if"),
	[IR_SELECT] = { .name = "select", .fields = "iiii", .types = T_INT },
	[IR_FLAGS] = { .name = "flags", .fields = "-iII", .types = T_INT, .has_imm = true },
	[IR_LOAD] = { .name = "load", .fields = "Ti--", .types = T_INT | T_FP, .may_stop = true },
	[IR_STORE] = { .name = "store", .fields = "-it-", .types = T_INT | T_FP, .may_stop = true },
	[IR_FENCE] = { .name = "fence", .fields = "----", .types = 0xff },
	[IR_FADD] = FP2("fadd"),
	[IR_FSUB] = FP2("fsub"),
	[IR_FMUL] = FP2("fmul"),
	[IR_FDIV] = FP2("fdiv"),
	[IR_FSQRT] = FP1("fsqrt"),
	[IR_FMADD] = FP3("fmadd"),
	[IR_FMSUB] = FP3("fmsub"),
	[IR_FNMADD] = FP3("fnmadd"),
	[IR_FNMSUB] = FP3("fnmsub"),
	[IR_FNEG] = FP1("fneg"),
	[IR_FABS] = FP1("fabs"),
	[IR_FCOPYSIGN] = FP2("fcopysign"),
	[IR_FXORSIGN] = FP2("fxorsign"),
	[IR_FUNBOX] = { .name = "funbox", .fields = "ff--", .types = BIT(IR_F32) },
	[IR_FCANON] = FP1("fcanon"),
	[IR_FSET_IF] = { .name = "fset_if", .fields = "iff-", .types = T_FP },
	[IR_FCVT_FF] = FP1("fcvt_ff"),
	[IR_FCVT_FI] = { .name = "fcvt_fi", .fields = "fi--", .types = T_FP },
	[IR_FCVT_IF] = { .name = "fcvt_if", .fields = "if--", .types = T_FP },
	[IR_HELPER] = { .name = "helper", .fields = "III-", .types = T_WIDE, .may_stop = true },
	[IR_STEP_IF] = { .name = "step_if",
			 .fields = "-ii-",
			 .types = T_INT,
			 .has_imm = true,
			 .may_stop = true },
	[IR_STEP] = { .name = "step",
		      .fields = "----",
		      .types = 0xff,
		      .is_end = true,
		      .may_stop = true },
	[IR_BRANCH] = { .name = "branch",
			.fields = "-ii-",
			.types = T_INT,
			.has_imm = true,
			.is_end = true },
	[IR_JUMP] = { .name = "jump", .fields = "----", .types = 0xff, .is_end = true },
	[IR_JUMP_REG] = { .name = "jump_reg", .fields = "-i--", .types = 0xff, .is_end = true },
};

_Static_assert(ARRAY_SIZE(ir_op_table) == IR_OP_COUNT, "every operation has an entry");

void ir_block_init(struct ir_block *b, uint64_t pc)
{
	b->pc = pc;
	b->next = pc;
	b->target = 0;
	b->n_insns = 0;
	b->n_guests = 0;
	b->n_flag_regs = 0;
	b->n_temps = 0;
}

bool ir_guest_begin(struct ir_block *b, uint64_t pc, uint8_t bytes)
{
	if (b->n_guests == IR_BLOCK_GUEST_MAX ||
	    b->n_insns >= IR_BLOCK_INSNS_MAX - IR_GUEST_INSNS_MAX ||
	    b->n_temps > IR_TEMPS_MAX - IR_GUEST_INSNS_MAX ||
	    b->n_flag_regs > IR_BLOCK_FLAGS_MAX - IR_GUEST_FLAGS_MAX) {
		return false;
	}
	b->guests[b->n_guests++] = (struct ir_guest){ pc, bytes, (uint16_t)b->n_insns };
	b->next = pc + bytes;
	return true;
}

ir_val ir_temp(struct ir_block *b)
{
	BUG_ON(b->n_temps >= IR_TEMPS_MAX);
	return (ir_val)(IR_TEMP0 + b->n_temps++);
}

struct ir_insn *ir_add(struct ir_block *b, enum ir_op op, enum ir_type type, ir_val dst, ir_val a,
		       ir_val b_val)
{
	struct ir_insn *i;

	BUG_ON(b->n_insns >= IR_BLOCK_INSNS_MAX || !b->n_guests);
	i = &b->insns[b->n_insns++];
	*i = (struct ir_insn){ .op = (uint8_t)op,
			       .type = (uint8_t)type,
			       .dst = dst,
			       .a = a,
			       .b = b_val,
			       .c = IR_NONE,
			       .guest = (uint16_t)(b->n_guests - 1) };
	return i;
}

struct ir_insn *ir_add_imm(struct ir_block *b, enum ir_op op, enum ir_type type, ir_val dst,
			   ir_val a, int64_t imm)
{
	struct ir_insn *i = ir_add(b, op, type, dst, a, IR_NONE);

	i->flags = IR_IMM;
	i->imm = imm;
	return i;
}

struct ir_insn *ir_add_flags(struct ir_block *b, enum ir_flags_of of, enum ir_type type, ir_val a,
			     ir_val b_val, struct ir_flag_regs regs)
{
	struct ir_insn *i = ir_add(b, IR_FLAGS, type, IR_NONE, a, b_val);

	BUG_ON(b->n_flag_regs >= IR_BLOCK_FLAGS_MAX);
	i->cond = (uint8_t)of;
	i->aux = (uint16_t)b->n_flag_regs;
	b->flag_regs[b->n_flag_regs++] = regs;
	return i;
}

bool ir_op_is_end(enum ir_op op)
{
	return ir_op_table[op].is_end;
}

bool ir_op_may_stop(enum ir_op op)
{
	return ir_op_table[op].may_stop;
}

const char *ir_op_name(enum ir_op op)
{
	return ir_op_table[op].name;
}

/* Text that grows in the caller's buffer; what does not fit is cut. */
struct text {
	char *buf;
	size_t size, n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
	size_t left = t->size - t->n;
	va_list ap;
	int n;

	if (left <= 1) {
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, left, fmt, ap);
	va_end(ap);
	if (n > 0) {
		t->n += (size_t)n < left ? (size_t)n : left - 1;
	}
}

static void put_val(struct text *t, const struct ir_reg *regs, size_t n_regs, ir_val v)
{
	if (v == IR_NONE) {
		put(t, "none");
	} else if (v >= IR_TEMP0) {
		put(t, "t%u", (unsigned int)(v - IR_TEMP0));
	} else if (v < n_regs) {
		put(t, "%s", regs[v].name);
	} else {
		put(t, "r%u?", (unsigned int)v);
	}
}

static const char *const type_names[] = { "i8", "i16", "i32", "i64", "f32", "f64", "v128" };
static const char *const cond_names[] = { "eq", "ne", "lt",  "ge",  "ltu",  "geu",
					  "le", "gt", "leu", "gtu", "bits", "nobits" };
static const char *const flags_names[] = { "add", "sub", "adc", "sbc", "logic" };
static const char *const int_names[] = { "s32", "u32", "s64", "u64" };
static const char *const div_names[] = { "riscv", "arm" };

#define NAME_OF(names, n) ((n) < ARRAY_SIZE(names) ? (names)[n] : "?")

static void put_cond(struct text *t, const struct ir_insn *i)
{
	switch (i->op) {
	case IR_SET_IF:
	case IR_FSET_IF:
	case IR_STEP_IF:
	case IR_BRANCH:
		put(t, " %s", NAME_OF(cond_names, i->cond));
		break;
	case IR_FLAGS:
		put(t, " %s", NAME_OF(flags_names, i->cond));
		break;
	case IR_FCVT_FI:
	case IR_FCVT_IF:
		put(t, " %s", NAME_OF(int_names, i->cond));
		break;
	case IR_DIV_S:
	case IR_DIV_U:
	case IR_REM_S:
	case IR_REM_U:
		put(t, " %s", NAME_OF(div_names, i->cond));
		break;
	default:
		break;
	}
}

size_t ir_insn_print(const struct ir_insn *i, const struct ir_reg *regs, size_t n_regs, char *buf,
		     size_t size)
{
	const struct ir_op_info *info = &ir_op_table[i->op];
	struct text t = { buf, size, 0 };
	const char *separator = " ";
	const ir_val vals[] = { i->a, i->b, i->c };

	if (size) {
		buf[0] = '\0';
	}
	if (i->dst != IR_NONE) {
		put_val(&t, regs, n_regs, i->dst);
		put(&t, " = ");
	}
	put(&t, "%s", info->name);
	if (info->types != 0xff) {
		put(&t, ".%s", NAME_OF(type_names, i->type));
	}
	if (i->flags & IR_SX) {
		put(&t, " sx");
	}
	put_cond(&t, i);
	if (i->op == IR_LOAD || i->op == IR_STORE) {
		put(&t, (i->flags & IR_SOFT) ? " soft [" : " [");
		put_val(&t, regs, n_regs, i->a);
		put(&t, " %c %" PRIu64 "]", i->imm < 0 ? '-' : '+',
		    i->imm < 0 ? -(uint64_t)i->imm : (uint64_t)i->imm);
		if (i->op == IR_STORE) {
			put(&t, ", ");
			put_val(&t, regs, n_regs, i->b);
		}
		return t.n;
	}
	for (size_t k = 0; k < ARRAY_SIZE(vals); k++) {
		bool is_number = k == 1 && (i->flags & IR_IMM);

		if (is_number) {
			put(&t, "%s#%" PRId64, separator, i->imm);
		} else if (i->op == IR_SHL_ADD && k == 2) {
			put(&t, "%sshift %u", separator, (unsigned int)i->c);
		} else if (info->fields[k + 1] != '-' && vals[k] != IR_NONE) {
			put(&t, "%s", separator);
			put_val(&t, regs, n_regs, vals[k]);
		} else {
			continue;
		}
		separator = ", ";
	}
	if (i->op == IR_HELPER) {
		put(&t, "%snumber %" PRId64, separator, i->imm);
	}
	if (i->flags & (IR_CALL | IR_RET)) {
		put(&t, (i->flags & IR_CALL) ? " call" : " ret");
	}
	return t.n;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CSRs of every trap handler as plain registers: sscratch, sepc, scause, stval. All that a hart's mode has to allow is known when
 * code is translated; writing them has no effect but the value. And sstatus, where it is only read: FS, which its highest bit tells of,
 * is part of the mode.
 */
#include "engine/dbt/front/riscv/rv_ir.h"

#include "cpu/riscv/riscv.h"

#define CSR_SSTATUS  0x100
#define CSR_SSCRATCH 0x140
#define CSR_SEPC     0x141
#define CSR_SCAUSE   0x142
#define CSR_STVAL    0x143

/* What is seen of mstatus, without SD. */
#define SSTATUS_SEEN                                                                          \
	(RV_MSTATUS_SIE | RV_MSTATUS_SPIE | RV_MSTATUS_SPP | RV_MSTATUS_FS | RV_MSTATUS_SUM | \
	 RV_MSTATUS_MXR | RV_MSTATUS_UXL)

static ir_val reg_of(int32_t csr)
{
	switch (csr) {
	case CSR_SSCRATCH:
		return RV_IR_SSCRATCH;
	case CSR_SEPC:
		return RV_IR_SEPC;
	case CSR_SCAUSE:
		return RV_IR_SCAUSE;
	case CSR_STVAL:
		return RV_IR_STVAL;
	default:
		return IR_NONE;
	}
}

static bool is_read(const struct rv_insn *i)
{
	bool is_set_or_clear = i->op == RV_OP_CSRRS || i->op == RV_OP_CSRRC ||
			       i->op == RV_OP_CSRRSI || i->op == RV_OP_CSRRCI;

	return is_set_or_clear && i->rs1 == 0;
}

static void read_sstatus(struct rv_ir *t)
{
	ir_val seen = ir_temp(t->b);
	ir_val mask = ir_temp(t->b);
	ir_val sd = ir_temp(t->b);

	if (!t->i.rd) {
		return;
	}
	ir_add_imm(t->b, IR_MOV, IR_I64, mask, IR_NONE, (int64_t)SSTATUS_SEEN);
	ir_add(t->b, IR_AND, IR_I64, seen, RV_IR_MSTATUS, mask);
	ir_add_imm(t->b, IR_MOV, IR_I64, sd, IR_NONE, t->mode.has_fp ? (int64_t)RV_MSTATUS_SD : 0);
	ir_add(t->b, IR_OR, IR_I64, RV_IR_X(t->i.rd), seen, sd);
}

/* csrrw: the old value goes to rd, rs1 into the CSR. */
static void swap(struct rv_ir *t, ir_val reg)
{
	ir_val now = ir_temp(t->b);
	ir_val old = ir_temp(t->b);

	ir_add_imm(t->b, IR_AND, IR_I64, now, RV_IR_X(t->i.rs1), t->i.imm == CSR_SEPC ? ~1LL : -1);
	if (t->i.rd) {
		ir_add(t->b, IR_MOV, IR_I64, old, reg, IR_NONE);
	}
	ir_add(t->b, IR_MOV, IR_I64, reg, now, IR_NONE);
	if (t->i.rd) {
		ir_add(t->b, IR_MOV, IR_I64, RV_IR_X(t->i.rd), old, IR_NONE);
	}
}

bool rv_ir_csr(struct rv_ir *t)
{
	ir_val reg = reg_of(t->i.imm);

	if (t->mode.priv < RV_PRIV_S || rv_op_format((enum rv_op)t->i.op) != RV_FMT_CSR) {
		return false;
	}
	if (t->i.imm == CSR_SSTATUS && is_read(&t->i)) {
		read_sstatus(t);
		return true;
	}
	if (reg == IR_NONE) {
		return false;
	}
	if (is_read(&t->i)) {
		if (t->i.rd) {
			ir_add(t->b, IR_MOV, IR_I64, RV_IR_X(t->i.rd), reg, IR_NONE);
		}
		return true;
	}
	if (t->i.op != RV_OP_CSRRW) {
		return false;
	}
	swap(t, reg);
	return true;
}

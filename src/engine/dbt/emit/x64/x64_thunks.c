// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Code that is emitted once: constants, the way into and out of translated code, calls of helpers, indirect jumps.
 *
 * A signal that takes the budget away (emit_interrupt()) must not be lost, wherever it hits. In blocks it changes r14. Where
 * r14 is about to be loaded from memory it only raises a flag, so the load and the test of that flag are critical
 * sections: the handler puts the program counter back to their beginning.
 */
#include <string.h>

#include "engine/dbt/emit/x64/x64.h"

const uint8_t x64_gpr_map[X64_GPRS_MAPPED] = { X64_RBX, X64_RSI, X64_RDI, X64_RCX, X64_R8,
					       X64_R9,	X64_R10, X64_R11, X64_R12, X64_R13 };

/* What the System V ABI wants back, in the order of the pushes; with the return address 56 bytes. */
static const uint8_t saved[] = { X64_RBX, X64_RBP, X64_R12, X64_R13, X64_R14, X64_R15 };

static void constants_emit(struct emitter *em)
{
	static const uint64_t values[X64_C_COUNT][2] = {
		[X64_C_SIGN64] = { 1ULL << 63, 0 },
		[X64_C_SIGN32] = { 1ULL << 31, 0 },
		[X64_C_ABS64] = { ~(1ULL << 63), 0 },
		[X64_C_ABS32] = { ~(1ULL << 31), 0 },
		[X64_C_BOX] = { 0xffffffffULL << 32, 0 },
		[X64_C_NAN64] = { 0x7ff8ULL << 48, 0 },
		[X64_C_NAN32] = { 0xffffffff7fc00000ULL, 0 },
		[X64_C_NAN32_PLAIN] = { 0x7fc00000ULL, 0 },
		[X64_C_TWO63_F64] = { 0x43e0ULL << 48, 0 },
		[X64_C_TWO63_F32] = { 0x5f000000, 0 },
		[X64_C_TAKEN] = { (uint64_t)X64_TAKEN, 0 },
	};

	memcpy(em->as.base, values, sizeof(values));
	em->as.at = sizeof(values);
}

static void registers_store(struct emitter *em)
{
	for (size_t i = 0; i < X64_GPRS_MAPPED; i++) {
		if (em->map.gpr_regs[i] != IR_NONE) {
			x64_mr(&em->as, X64_MOV | X64_W,
			       x64_env(em->cfg.regs[em->map.gpr_regs[i]].offset), x64_gpr_map[i]);
		}
	}
	for (unsigned int i = 0; i < X64_XMMS_MAPPED; i++) {
		if (em->xmm_regs[i] != IR_NONE) {
			x64_vmr(&em->as, X64_VMOVSD_ST,
				x64_env(em->cfg.regs[em->xmm_regs[i]].offset),
				X64_XMM_MAP_BASE + i);
		}
	}
}

static void registers_load(struct emitter *em)
{
	for (size_t i = 0; i < X64_GPRS_MAPPED; i++) {
		if (em->map.gpr_regs[i] != IR_NONE) {
			x64_rm(&em->as, X64_MOV | X64_W, x64_gpr_map[i],
			       x64_env(em->cfg.regs[em->map.gpr_regs[i]].offset));
		}
	}
	for (unsigned int i = 0; i < X64_XMMS_MAPPED; i++) {
		if (em->xmm_regs[i] != IR_NONE) {
			x64_vrm(&em->as, X64_VMOVSD_LD, X64_XMM_MAP_BASE + i, 0,
				x64_env(em->cfg.regs[em->xmm_regs[i]].offset));
		}
	}
}

/* void enter(void *state, const void *code) */
static void enter_emit(struct emitter *em)
{
	struct x64_asm *as = &em->as;
	size_t is_interrupted;

	em->thunks.enter = as->at;
	for (size_t i = 0; i < sizeof(saved); i++) {
		x64_push(as, saved[i]);
	}
	x64_ri(as, X64_SUB | X64_W, X64_RSP, 8);
	x64_rm(as, X64_LEA | X64_W, X64_STATE, x64_at(X64_RDI, X64_BIAS));
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_PRIV(host_rsp)), X64_RSP);
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_PRIV(target)), X64_RSI);
	x64_stmxcsr(as, x64_env(X64_PRIV(host_fp_control)));
	x64_ldmxcsr(as, x64_env(X64_ENV(fp_control)));
	registers_load(em);
	x64_rm(as, X64_MOV | X64_W, X64_WINDOW, x64_env(X64_ENV(window)));
	x64_rm(as, X64_MOV | X64_W, X64_RSP, x64_env(X64_PRIV(returns)));
	em->thunks.enter_critical = as->at;
	x64_rm(as, X64_MOV | X64_W, X64_BUDGET, x64_env(X64_ENV(budget)));
	x64_mi(as, X64_CMP | X64_S8, x64_env(X64_PRIV(is_interrupted)), 0);
	is_interrupted = x64_jcc(as, X64_NE, as->at);
	x64_jmp_m(as, x64_env(X64_PRIV(target)));
	em->thunks.enter_critical_end = as->at;

	x64_patch(as, is_interrupted, as->at);
	x64_mi(as, X64_MOV, x64_env(X64_ENV(exit)), EMIT_EXIT_BUDGET);
	x64_mi(as, X64_MOV | X64_W, x64_env(X64_PRIV(site)), 0);
	x64_jmp(as, em->thunks.exit_no_store);
}

/* Leave; entered by jumps at exit_no_store, by calls at exit. @return offset of the way out on the host's stack */
static size_t exit_emit(struct emitter *em)
{
	struct x64_asm *as = &em->as;
	size_t on_host;

	em->thunks.exit = as->at;
	x64_pop(as, X64_RAX);
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_PRIV(site)), X64_RAX);
	registers_store(em);
	em->thunks.exit_no_store = as->at;
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_ENV(budget)), X64_BUDGET);
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_PRIV(returns)), X64_RSP);
	x64_rm(as, X64_MOV | X64_W, X64_RSP, x64_env(X64_PRIV(host_rsp)));
	x64_stmxcsr(as, x64_env(X64_ENV(fp_control)));
	x64_ldmxcsr(as, x64_env(X64_PRIV(host_fp_control)));
	on_host = as->at;
	x64_ri(as, X64_ADD | X64_W, X64_RSP, 8);
	for (size_t i = sizeof(saved); i-- > 0;) {
		x64_pop(as, saved[i]);
	}
	x64_ret(as);
	return on_host;
}

/* rax, rdx: operands; result in rax. */
static void helper_emit(struct emitter *em, size_t exit_on_host)
{
	struct x64_asm *as = &em->as;
	size_t taken;

	em->thunks.helper = as->at;
	registers_store(em);
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_ENV(budget)), X64_BUDGET);
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_PRIV(returns)), X64_RSP);
	x64_rm(as, X64_MOV | X64_W, X64_RSP, x64_env(X64_PRIV(host_rsp)));
	x64_stmxcsr(as, x64_env(X64_ENV(fp_control)));
	x64_ldmxcsr(as, x64_env(X64_PRIV(host_fp_control)));
	x64_rm(as, X64_LEA | X64_W, X64_RDI, x64_env(-(int32_t)sizeof(struct emit_env)));
	x64_rr(as, X64_MOV | X64_W, X64_RSI, X64_RAX);
	x64_call_m(as, x64_env(X64_PRIV(helper_fn)));
	x64_rr(as, X64_TEST, X64_RAX, X64_RAX);
	x64_jcc(as, X64_NE, exit_on_host);
	x64_ldmxcsr(as, x64_env(X64_ENV(fp_control)));
	x64_rm(as, X64_MOV | X64_W, X64_RSP, x64_env(X64_PRIV(returns)));
	registers_load(em);
	x64_rm(as, X64_MOV | X64_W, X64_RAX, x64_env(X64_PRIV(result)));
	em->thunks.helper_critical = as->at;
	x64_rm(as, X64_MOV | X64_W, X64_BUDGET, x64_env(X64_ENV(budget)));
	x64_mi(as, X64_CMP | X64_S8, x64_env(X64_PRIV(is_interrupted)), 0);
	taken = x64_jcc(as, X64_NE, as->at);
	x64_ret(as);
	x64_patch(as, taken, as->at);
	x64_rm(as, X64_SUB | X64_W, X64_BUDGET, x64_constant(X64_C_TAKEN));
	x64_ret(as);
	em->thunks.helper_critical_end = as->at;
}

static void indirect_emit(struct emitter *em)
{
	struct x64_asm *as = &em->as;
	size_t miss;

	em->thunks.mismatch = as->at;
	x64_rm(as, X64_MOV | X64_W, X64_RSP, x64_env(X64_PRIV(returns_top)));
	em->thunks.indirect = as->at;
	x64_rr(as, X64_MOV, X64_RDX, X64_RAX);
	x64_ri(as, X64_AND, X64_RDX, (int32_t)((EMIT_JUMPS - 1) << 1));
	x64_shift_imm(as, X64_SHL, 0, X64_RDX, 3);
	x64_rm(as, X64_ADD | X64_W, X64_RDX, x64_env(X64_ENV(jumps)));
	x64_rm(as, X64_CMP | X64_W, X64_RAX, x64_at(X64_RDX, offsetof(struct emit_jump, pc)));
	miss = x64_jcc(as, X64_NE, as->at);
	x64_jmp_m(as, x64_at(X64_RDX, offsetof(struct emit_jump, code)));
	x64_patch(as, miss, as->at);
	em->thunks.miss = as->at;
	x64_mr(as, X64_MOV | X64_W, x64_env(X64_ENV(pc)), X64_RAX);
	x64_mi(as, X64_MOV, x64_env(X64_ENV(exit)), EMIT_EXIT_INDIRECT);
	/* an exit without entry in the table */
	x64_call(as, em->thunks.exit);
}

void x64_lookup_emit(struct emitter *em, uint64_t pc)
{
	struct x64_asm *as = &em->as;
	int32_t entry = (int32_t)(emit_jump_slot(pc) * sizeof(struct emit_jump));

	x64_rm(as, X64_MOV | X64_W, X64_RDX, x64_env(X64_ENV(jumps)));
	x64_mov_imm(as, X64_RAX, pc);
	x64_rm(as, X64_CMP | X64_W, X64_RAX,
	       x64_at(X64_RDX, entry + (int32_t)offsetof(struct emit_jump, pc)));
	x64_jcc(as, X64_NE, em->thunks.miss);
	x64_jmp_m(as, x64_at(X64_RDX, entry + (int32_t)offsetof(struct emit_jump, code)));
}

void x64_thunks_emit(struct emitter *em)
{
	size_t exit_on_host;

	constants_emit(em);
	exit_on_host = exit_emit(em);
	enter_emit(em);
	helper_emit(em, exit_on_host);
	em->thunks.code = em->as.at;
	indirect_emit(em);
}

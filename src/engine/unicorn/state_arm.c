/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 32-bit ARM state. The banked registers have no interface; they follow SPSR in the library's
 * state: uncached_cpsr spsr banked_spsr[8] (64 bits each) banked_r13[8] banked_r14[8] usr_regs[5]
 * fiq_regs[5]. The first six banks are in our order.
 */
#include <errno.h>

#include "cpu/arm/arm.h"
#include "engine/unicorn/unicorn_priv.h"

#define BANKS 8

#define NSACR_CP10 BIT(10)
#define NSACR_CP11 BIT(11)

/* Distances from spsr. */
#define AT_CPSR	      (-4)
#define AT_BANK_SPSR  4
#define AT_BANK_SP    (AT_BANK_SPSR + BANKS * 8)
#define AT_BANK_LR    (AT_BANK_SP + BANKS * 4)
#define AT_USR_R8_R12 (AT_BANK_LR + BANKS * 4)
#define AT_FIQ_R8_R12 (AT_USR_R8_R12 + 5 * 4)

/* Coprocessor 15: which field each register is. */
static const struct {
	size_t offset;
	uint8_t crn, opc1, crm, opc2;
} cp15[] = {
#define CP15(field, crn, opc1, crm, opc2)                               \
	{                                                               \
		offsetof(struct arm_state, field), crn, opc1, crm, opc2 \
	}
	CP15(sctlr, 1, 0, 0, 0),     CP15(cpacr, 1, 0, 0, 2),	    CP15(ttbr0, 2, 0, 0, 0),
	CP15(ttbr1, 2, 0, 0, 1),     CP15(ttbcr, 2, 0, 0, 2),	    CP15(dacr, 3, 0, 0, 0),
	CP15(dfsr, 5, 0, 0, 0),	     CP15(ifsr, 5, 0, 0, 1),	    CP15(dfar, 6, 0, 0, 0),
	CP15(ifar, 6, 0, 0, 2),	     CP15(vbar, 12, 0, 0, 0),	    CP15(prrr, 10, 0, 2, 0),
	CP15(nmrr, 10, 0, 2, 1),     CP15(contextidr, 13, 0, 0, 1), CP15(tpidrurw, 13, 0, 0, 2),
	CP15(tpidruro, 13, 0, 0, 3), CP15(tpidrprw, 13, 0, 0, 4),
#undef CP15
};

#define CP15_SCTLR_IDX 0

static uc_arm_cp_reg cp_reg(size_t i)
{
	/* sec 0: the non-secure copy, which is the one the library starts with */
	return (uc_arm_cp_reg){ .cp = 15,
				.crn = cp15[i].crn,
				.crm = cp15[i].crm,
				.opc1 = cp15[i].opc1,
				.opc2 = cp15[i].opc2 };
}

static uint32_t cp_get(struct unicorn_engine *u, size_t i)
{
	uc_arm_cp_reg reg = cp_reg(i);

	u->lib->uc_reg_read(u->uc, UC_ARM_REG_CP_REG, &reg);
	return (uint32_t)reg.val;
}

/* The secure world, which nobody plays, has to allow the non-secure one its FPU. */
static void allow_fpu(struct unicorn_engine *u)
{
	uc_arm_cp_reg nsacr = { .cp = 15, .crn = 1, .crm = 1, .opc1 = 0, .opc2 = 2 };

	u->lib->uc_reg_read(u->uc, UC_ARM_REG_CP_REG, &nsacr);
	nsacr.val |= NSACR_CP10 | NSACR_CP11;
	u->lib->uc_reg_write(u->uc, UC_ARM_REG_CP_REG, &nsacr);
}

static int arm_init(struct unicorn_engine *u, struct errmsg *e)
{
	static const uint32_t mark = 0x5ca1ab1e;
	void *rebuild = unicorn_internal("arm_rebuild_hflags_arm");
	void *interrupt = unicorn_internal("arm_cpu_do_interrupt_arm");

	unicorn_reg_set(u, UC_ARM_REG_SPSR, mark);
	u->at.arm.spsr = unicorn_env_find(u, &mark, sizeof(mark));
	unicorn_reg_set(u, UC_ARM_REG_SPSR, 0);
	if (u->at.arm.spsr == SIZE_MAX || !rebuild || !interrupt) {
		return errmsg_set(e, -ENODEV, "this " UNICORN_LIB_FILE " hides its internals");
	}
	memcpy(&u->at.arm.rebuild_hflags, &rebuild, sizeof(rebuild));
	memcpy(&u->at.arm.do_interrupt, &interrupt, sizeof(interrupt));
	allow_fpu(u);
	for (size_t i = 0; i < ARRAY_SIZE(cp15); i++) {
		uc_arm_cp_reg reg = cp_reg(i);

		if (u->lib->uc_reg_read(u->uc, UC_ARM_REG_CP_REG, &reg) != UC_ERR_OK) {
			return errmsg_set(e, -ENODEV,
					  "this " UNICORN_LIB_FILE
					  " lacks cp15 register crn %u crm %u opc2 %u",
					  reg.crn, reg.crm, reg.opc2);
		}
	}
	return 0;
}

/* Modes that the state has no bank for; a guest may be in them all the same. */
#define MODE_MON 0x16
#define MODE_HYP 0x1a

/* Field of one bank. */
static size_t bank_at(const struct unicorn_engine *u, size_t first, size_t bank, size_t bytes)
{
	return u->at.arm.spsr + first + bank * bytes;
}

static void banks_get(struct unicorn_engine *u, struct arm_state *a)
{
	enum arm_bank now = arm_bank_of_mode(a->cpsr & ARM_CPSR_MODE);
	size_t r8_r12 = now == ARM_BANK_FIQ ? AT_USR_R8_R12 : AT_FIQ_R8_R12;

	for (size_t b = 0; b < ARM_BANK_COUNT; b++) {
		a->bank_spsr[b] = (uint32_t)unicorn_env(u, bank_at(u, AT_BANK_SPSR, b, 8), 4);
		a->bank_sp[b] = (uint32_t)unicorn_env(u, bank_at(u, AT_BANK_SP, b, 4), 4);
		a->bank_lr[b] = (uint32_t)unicorn_env(u, bank_at(u, AT_BANK_LR, b, 4), 4);
	}
	a->bank_spsr[now] = (uint32_t)unicorn_env(u, u->at.arm.spsr, 4);
	a->bank_sp[now] = a->r[13];
	a->bank_lr[now] = a->r[14];
	a->bank_spsr[ARM_BANK_USR] = 0; /* there is none */
	memcpy(a->fiq_r8_r12, u->env + u->at.arm.spsr + r8_r12, sizeof(a->fiq_r8_r12));
}

static void banks_set(struct unicorn_engine *u, const struct arm_state *a)
{
	enum arm_bank now = arm_bank_of_mode(a->cpsr & ARM_CPSR_MODE);
	size_t r8_r12 = now == ARM_BANK_FIQ ? AT_USR_R8_R12 : AT_FIQ_R8_R12;

	for (size_t b = 0; b < ARM_BANK_COUNT; b++) {
		unicorn_env_set(u, bank_at(u, AT_BANK_SPSR, b, 8), a->bank_spsr[b], 8);
		unicorn_env_set(u, bank_at(u, AT_BANK_SP, b, 4), a->bank_sp[b], 4);
		unicorn_env_set(u, bank_at(u, AT_BANK_LR, b, 4), a->bank_lr[b], 4);
	}
	unicorn_env_set(u, u->at.arm.spsr, a->bank_spsr[now], 4);
	memcpy(u->env + u->at.arm.spsr + r8_r12, a->fiq_r8_r12, sizeof(a->fiq_r8_r12));
}

static int arm_get_state(struct unicorn_engine *u, struct cpu_state *ret, struct errmsg *e)
{
	struct arm_state *a = arm_state(ret);

	(void)e;
	memcpy(a->r, u->env, sizeof(a->r));
	a->cpsr = (uint32_t)unicorn_reg(u, UC_ARM_REG_CPSR);
	a->fpscr = (uint32_t)unicorn_reg(u, UC_ARM_REG_FPSCR);
	a->fpexc = (uint32_t)unicorn_reg(u, UC_ARM_REG_FPEXC);
	banks_get(u, a);
	for (size_t i = 0; i < ARRAY_SIZE(cp15); i++) {
		store_le((uint8_t *)a + cp15[i].offset, cp_get(u, i), 4);
	}
	for (int i = 0; i < 32; i++) {
		a->d[i] = unicorn_reg(u, UC_ARM_REG_D0 + i);
	}
	return 0;
}

/* No guest gets into another mode; the library aborts when it finds itself in one. */
static bool is_mode(uint32_t mode)
{
	static const uint64_t modes =
		BIT(ARM_MODE_USR - 16) | BIT(ARM_MODE_FIQ - 16) | BIT(ARM_MODE_IRQ - 16) |
		BIT(ARM_MODE_SVC - 16) | BIT(ARM_MODE_ABT - 16) | BIT(ARM_MODE_UND - 16) |
		BIT(ARM_MODE_SYS - 16) | BIT(MODE_MON - 16) | BIT(MODE_HYP - 16);

	return mode >= 16 && modes & BIT(mode - 16);
}

static int arm_set_state(struct unicorn_engine *u, const struct cpu_state *s, struct errmsg *e)
{
	const struct arm_state *a = arm_state_const(s);

	if (!is_mode(a->cpsr & ARM_CPSR_MODE)) {
		return errmsg_set(e, -EINVAL, "cpsr 0x%" PRIx32 " is of no mode of the CPU",
				  a->cpsr);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cp15); i++) {
		uc_arm_cp_reg reg = cp_reg(i);

		reg.val = load_le((const uint8_t *)a + cp15[i].offset, 4);
		u->lib->uc_reg_write(u->uc, UC_ARM_REG_CP_REG, &reg);
	}
	/* The mode first and by hand, so that writing CPSR does not swap the banks. */
	unicorn_env_set(u, u->at.arm.spsr + (size_t)AT_CPSR,
			(unicorn_env(u, u->at.arm.spsr + (size_t)AT_CPSR, 4) & ~ARM_CPSR_MODE) |
				(a->cpsr & ARM_CPSR_MODE),
			4);
	unicorn_reg_set(u, UC_ARM_REG_CPSR, a->cpsr);
	unicorn_reg_set(u, UC_ARM_REG_R15, a->r[15] | (a->cpsr & ARM_CPSR_T ? 1 : 0));
	memcpy(u->env, a->r, sizeof(a->r));
	banks_set(u, a);
	unicorn_reg_set(u, UC_ARM_REG_FPSCR, a->fpscr);
	unicorn_reg_set(u, UC_ARM_REG_FPEXC, a->fpexc);
	for (int i = 0; i < 32; i++) {
		unicorn_reg_set(u, UC_ARM_REG_D0 + i, a->d[i]);
	}
	u->at.arm.rebuild_hflags(u->env);
	unicorn_tlb_flush(UNICORN_TARGET_ARM, u->ip.cpu);
	return 0;
}

static gva_t arm_linear_pc(struct unicorn_engine *u)
{
	return unicorn_reg(u, UC_ARM_REG_R15);
}

static bool is_thumb(struct unicorn_engine *u)
{
	return unicorn_reg(u, UC_ARM_REG_CPSR) & ARM_CPSR_T;
}

static uint64_t arm_start_pc(struct unicorn_engine *u)
{
	return arm_linear_pc(u) | (is_thumb(u) ? 1 : 0);
}

#define EXCP_SWI	    2
#define EXCP_PREFETCH_ABORT 3
#define EXCP_DATA_ABORT	    4
#define EXCP_BKPT	    7
#define EXCP_HVC	    11
#define EXCP_SMC	    13

enum { IDX_DFSR = 6, IDX_IFSR = 7, IDX_DFAR = 8, IDX_IFAR = 9 };

/* Let the library take the abort, read what it says, and undo it. */
static void describe_abort(struct unicorn_engine *u, bool is_data, struct cpu_fault *ret)
{
	uint32_t fsr;
	uint32_t far;

	u->lib->uc_context_save(u->uc, u->scratch);
	u->at.arm.do_interrupt(u->ip.cpu);
	fsr = cp_get(u, is_data ? IDX_DFSR : IDX_IFSR);
	far = cp_get(u, is_data ? IDX_DFAR : IDX_IFAR);
	u->lib->uc_context_restore(u->uc, u->scratch);
	*ret = arm_fault_from_vector(is_data ? ARM_VEC_DATA : ARM_VEC_PREFETCH, fsr, 0, far);
}

static void arm_describe(struct unicorn_engine *u, uint32_t intno, struct cpu_fault *ret)
{
	uint32_t bytes = is_thumb(u) ? 2 : 4;

	switch (intno) {
	case EXCP_PREFETCH_ABORT:
	case EXCP_DATA_ABORT:
	case EXCP_BKPT:
		describe_abort(u, intno == EXCP_DATA_ABORT, ret);
		return;
	case EXCP_SWI: /* these stop behind themselves; HVC and SMC have 4 bytes in Thumb too */
		unicorn_env_set(u, 15 * 4, arm_linear_pc(u) - bytes, 4);
		*ret = arm_fault_from_vector(ARM_VEC_SVC, 0, 0, 0);
		return;
	case EXCP_HVC:
	case EXCP_SMC:
		unicorn_env_set(u, 15 * 4, arm_linear_pc(u) - 4, 4);
		*ret = arm_fault_from_vector(ARM_VEC_UNDEF, 0, 0, 0);
		return;
	default:
		*ret = arm_fault_from_vector(ARM_VEC_UNDEF, 0, 0, 0);
		return;
	}
}

static void arm_describe_invalid(struct unicorn_engine *u, struct cpu_fault *ret)
{
	(void)u;
	*ret = arm_fault_from_vector(ARM_VEC_UNDEF, 0, 0, 0);
}

static bool arm_is_paging(struct unicorn_engine *u)
{
	return cp_get(u, CP15_SCTLR_IDX) & 1;
}

const struct unicorn_target unicorn_target_arm = {
	.id = UNICORN_TARGET_ARM,
	.arch = UC_ARCH_ARM,
	.mode = UC_MODE_ARM,
	.cpu_model = UC_CPU_ARM_CORTEX_A15,
	.probe_offset = 0,
	.probe_reg = UC_ARM_REG_R0,
	.init = arm_init,
	.get_state = arm_get_state,
	.set_state = arm_set_state,
	.start_pc = arm_start_pc,
	.linear_pc = arm_linear_pc,
	.describe = arm_describe,
	.describe_invalid = arm_describe_invalid,
	.is_paging = arm_is_paging,
};

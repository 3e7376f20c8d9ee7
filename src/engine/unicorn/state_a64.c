/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AArch64 state. */
#include <errno.h>

#include "cpu/a64/a64.h"
#include "engine/unicorn/unicorn_priv.h"

#define SCR_EL3_NS BIT(0)
#define SCR_EL3_RW BIT(10)
#define HCR_EL2_RW BIT(31)

#define XREGS_OFFSET 64 /* behind the sixteen 32-bit registers */
#define PC_OFFSET    (XREGS_OFFSET + 32 * 8)

/* Which field each system register is. */
static const struct {
	size_t offset;
	uint8_t op1, crn, crm, op2; /* op0 is 3 */
} sysregs[] = {
#define SYSREG(field, op1, crn, crm, op2)                             \
	{                                                             \
		offsetof(struct a64_state, field), op1, crn, crm, op2 \
	}
	SYSREG(sctlr_el1, 0, 1, 0, 0),	     SYSREG(cpacr_el1, 0, 1, 0, 2),
	SYSREG(ttbr0_el1, 0, 2, 0, 0),	     SYSREG(ttbr1_el1, 0, 2, 0, 1),
	SYSREG(tcr_el1, 0, 2, 0, 2),	     SYSREG(mair_el1, 0, 10, 2, 0),
	SYSREG(vbar_el1, 0, 12, 0, 0),	     SYSREG(elr_el1, 0, 4, 0, 1),
	SYSREG(spsr_el1, 0, 4, 0, 0),	     SYSREG(esr_el1, 0, 5, 2, 0),
	SYSREG(far_el1, 0, 6, 0, 0),	     SYSREG(par_el1, 0, 7, 4, 0),
	SYSREG(contextidr_el1, 0, 13, 0, 1), SYSREG(amair_el1, 0, 10, 3, 0),
	SYSREG(tpidr_el0, 3, 13, 0, 2),	     SYSREG(tpidrro_el0, 3, 13, 0, 3),
	SYSREG(tpidr_el1, 0, 13, 0, 4),	     SYSREG(cntkctl_el1, 0, 14, 1, 0),
#undef SYSREG
};

static uc_arm64_cp_reg cp_reg(size_t i)
{
	return (uc_arm64_cp_reg){ .op0 = 3,
				  .op1 = sysregs[i].op1,
				  .crn = sysregs[i].crn,
				  .crm = sysregs[i].crm,
				  .op2 = sysregs[i].op2 };
}

static void set_bits(struct unicorn_engine *u, uc_arm64_cp_reg reg, uint64_t bits)
{
	if (u->lib->uc_reg_read(u->uc, UC_ARM64_REG_CP_REG, &reg) == UC_ERR_OK) {
		reg.val |= bits;
		u->lib->uc_reg_write(u->uc, UC_ARM64_REG_CP_REG, &reg);
	}
}

static int bind_internals(struct unicorn_engine *u, struct errmsg *e)
{
	void *rebuild = unicorn_internal("arm_rebuild_hflags_aarch64");
	void *interrupt = unicorn_internal("arm_cpu_do_interrupt_aarch64");

	if (!rebuild || !interrupt) {
		return errmsg_set(e, -ENODEV, "this " UNICORN_LIB_FILE " hides its internals");
	}
	memcpy(&u->at.arm.rebuild_hflags, &rebuild, sizeof(rebuild));
	memcpy(&u->at.arm.do_interrupt, &interrupt, sizeof(interrupt));
	return 0;
}

static int a64_init(struct unicorn_engine *u, struct errmsg *e)
{
	/*
	 * The library starts in EL1 without telling EL3 and EL2 that EL1 is 64-bit, and then walks
	 * page tables as if it were 32-bit.
	 */
	set_bits(u, (uc_arm64_cp_reg){ .op0 = 3, .op1 = 6, .crn = 1, .crm = 1, .op2 = 0 },
		 SCR_EL3_RW | SCR_EL3_NS);
	set_bits(u, (uc_arm64_cp_reg){ .op0 = 3, .op1 = 4, .crn = 1, .crm = 1, .op2 = 0 },
		 HCR_EL2_RW);
	for (size_t i = 0; i < ARRAY_SIZE(sysregs); i++) {
		uc_arm64_cp_reg reg = cp_reg(i);

		if (u->lib->uc_reg_read(u->uc, UC_ARM64_REG_CP_REG, &reg) != UC_ERR_OK) {
			return errmsg_set(e, -ENODEV,
					  "this " UNICORN_LIB_FILE
					  " lacks a system register (op1 %u crn %u crm %u op2 %u)",
					  reg.op1, reg.crn, reg.crm, reg.op2);
		}
	}
	return bind_internals(u, e);
}

static int a64_get_state(struct unicorn_engine *u, struct cpu_state *ret, struct errmsg *e)
{
	struct a64_state *a = a64_state(ret);

	(void)e;
	memcpy(a->x, u->env + XREGS_OFFSET, sizeof(a->x));
	a->sp = unicorn_reg(u, UC_ARM64_REG_SP);
	a->pc = unicorn_reg(u, UC_ARM64_REG_PC);
	a->pstate = unicorn_reg(u, UC_ARM64_REG_PSTATE);
	a->fpcr = (uint32_t)unicorn_reg(u, UC_ARM64_REG_FPCR);
	a->fpsr = (uint32_t)unicorn_reg(u, UC_ARM64_REG_FPSR);
	for (int i = 0; i < 32; i++) {
		u->lib->uc_reg_read(u->uc, UC_ARM64_REG_Q0 + i, a->v[i]);
	}
	a->sp_el0 = unicorn_reg(u, UC_ARM64_REG_SP_EL0);
	a->sp_el1 = unicorn_reg(u, UC_ARM64_REG_SP_EL1);
	if ((a->pstate & A64_PSTATE_SP) && (a->pstate & A64_PSTATE_EL_MASK)) {
		a->sp_el1 = a->sp;
	} else {
		a->sp_el0 = a->sp;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sysregs); i++) {
		uc_arm64_cp_reg reg = cp_reg(i);

		u->lib->uc_reg_read(u->uc, UC_ARM64_REG_CP_REG, &reg);
		store_le((uint8_t *)a + sysregs[i].offset, reg.val, 8);
	}
	return 0;
}

static int a64_check(const struct a64_state *a, struct errmsg *e)
{
	if ((a->pstate & A64_PSTATE_EL_MASK) > A64_PSTATE_EL1 || (a->pstate & (BIT(4) | BIT(1)))) {
		return errmsg_set(e, -EINVAL, "pstate 0x%llx is not AArch64 at EL0 or EL1",
				  (unsigned long long)a->pstate);
	}
	if (a->amair_el1 != 0) {
		return errmsg_set(e, -EINVAL, "libunicorn's amair_el1 is constant 0");
	}
	return 0;
}

static int a64_set_state(struct unicorn_engine *u, const struct cpu_state *s, struct errmsg *e)
{
	const struct a64_state *a = a64_state_const(s);
	int r;

	r = a64_check(a, e);
	if (r < 0) {
		return r;
	}
	memcpy(u->env + XREGS_OFFSET, a->x, sizeof(a->x));
	unicorn_reg_set(u, UC_ARM64_REG_PSTATE, a->pstate);
	unicorn_reg_set(u, UC_ARM64_REG_SP_EL0, a->sp_el0);
	unicorn_reg_set(u, UC_ARM64_REG_SP_EL1, a->sp_el1);
	unicorn_reg_set(u, UC_ARM64_REG_SP, a->sp);
	unicorn_reg_set(u, UC_ARM64_REG_PC, a->pc);
	unicorn_reg_set(u, UC_ARM64_REG_FPCR, a->fpcr);
	unicorn_reg_set(u, UC_ARM64_REG_FPSR, a->fpsr);
	for (int i = 0; i < 32; i++) {
		u->lib->uc_reg_write(u->uc, UC_ARM64_REG_Q0 + i, a->v[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sysregs); i++) {
		uc_arm64_cp_reg reg = cp_reg(i);

		reg.val = load_le((const uint8_t *)a + sysregs[i].offset, 8);
		u->lib->uc_reg_write(u->uc, UC_ARM64_REG_CP_REG, &reg);
	}
	u->at.arm.rebuild_hflags(u->env);
	unicorn_tlb_flush(UNICORN_TARGET_A64, u->ip.cpu);
	return 0;
}

static uint64_t a64_pc(struct unicorn_engine *u)
{
	return unicorn_reg(u, UC_ARM64_REG_PC);
}

#define EXCP_SWI 2
#define EXCP_HVC 11
#define EXCP_SMC 13

/*
 * The syndrome is inside the library. It comes out when the library takes the exception, which we
 * let it do and then undo.
 */
static void a64_describe(struct unicorn_engine *u, uint32_t intno, struct cpu_fault *ret)
{
	unsigned int el;
	uint64_t pc = a64_pc(u);
	uint64_t esr;
	uint64_t far;

	u->lib->uc_context_save(u->uc, u->scratch);
	u->at.arm.do_interrupt(u->ip.cpu);
	el = (unsigned int)(unicorn_reg(u, UC_ARM64_REG_PSTATE) >> 2) & 3;
	esr = unicorn_reg(u, UC_ARM64_REG_ESR_EL0 + (int)el);
	far = unicorn_reg(u, UC_ARM64_REG_FAR_EL0 + (int)el);
	u->lib->uc_context_restore(u->uc, u->scratch);
	if (intno == EXCP_SWI || intno == EXCP_HVC || intno == EXCP_SMC) {
		/* These stop behind themselves. (Not by the interface: that would go on.) */
		unicorn_env_set(u, PC_OFFSET, pc - 4, 8);
	}
	*ret = a64_fault_from_esr(esr, 0, far);
}

static void a64_describe_invalid(struct unicorn_engine *u, struct cpu_fault *ret)
{
	(void)u;
	*ret = a64_fault_from_esr(0, 0, 0);
}

static bool a64_is_paging(struct unicorn_engine *u)
{
	uc_arm64_cp_reg reg = { .op0 = 3, .op1 = 0, .crn = 1, .crm = 0, .op2 = 0 };

	u->lib->uc_reg_read(u->uc, UC_ARM64_REG_CP_REG, &reg);
	return reg.val & 1;
}

const struct unicorn_target unicorn_target_a64 = {
	.id = UNICORN_TARGET_A64,
	.arch = UC_ARCH_ARM64,
	.mode = UC_MODE_ARM,
	.cpu_model = UC_CPU_ARM64_MAX,
	.probe_offset = XREGS_OFFSET,
	.probe_reg = UC_ARM64_REG_X0,
	.init = a64_init,
	.get_state = a64_get_state,
	.set_state = a64_set_state,
	.start_pc = a64_pc,
	.linear_pc = a64_pc,
	.describe = a64_describe,
	.describe_invalid = a64_describe_invalid,
	.is_paging = a64_is_paging,
};

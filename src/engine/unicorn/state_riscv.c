/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RV64 state. CSRs are reached through the library's own riscv_csrrw(), which checks the current
 * privilege and the FPU's state: both are lifted for the moment, by hand, since the proper way
 * would also drop the LR reservation, and a loop of LR and SC would never end under single step.
 */
#include <errno.h>

#include "cpu/riscv/riscv.h"
#include "engine/unicorn/unicorn_priv.h"

#define FPR_OFFSET 256 /* behind 32 registers */
#define PC_OFFSET  512

#define CSR_FCSR    0x003
#define CSR_MSTATUS 0x300

/* Which field each CSR is. */
static const struct {
	int csr;
	size_t offset;
} csrs[] = {
#define CSR(number, field)                               \
	{                                                \
		number, offsetof(struct rv_state, field) \
	}
	CSR(0x301, misa),	CSR(0x302, medeleg),	CSR(0x303, mideleg),  CSR(0x304, mie),
	CSR(0x305, mtvec),	CSR(0x306, mcounteren), CSR(0x340, mscratch), CSR(0x341, mepc),
	CSR(0x342, mcause),	CSR(0x343, mtval),	CSR(0x344, mip),      CSR(0x105, stvec),
	CSR(0x106, scounteren), CSR(0x140, sscratch),	CSR(0x141, sepc),     CSR(0x142, scause),
	CSR(0x143, stval),	CSR(0x180, satp),	CSR(0xf14, mhartid),  CSR(0x3a0, pmpcfg[0]),
	CSR(0x3a2, pmpcfg[1]),
#undef CSR
};

#define CSR_PMPADDR0 0x3b0
#define PMPADDRS     16

static uint64_t csr_get(struct unicorn_engine *u, int csr)
{
	uint64_t v = 0;

	u->at.rv.csrrw(u->env, csr, &v, 0, 0);
	return v;
}

static void csr_set(struct unicorn_engine *u, int csr, uint64_t value)
{
	uint64_t old;

	u->at.rv.csrrw(u->env, csr, &old, value, UINT64_MAX);
}

static uint64_t priv_get(struct unicorn_engine *u)
{
	return unicorn_env(u, u->at.rv.priv, 8);
}

static void priv_set(struct unicorn_engine *u, uint64_t priv)
{
	unicorn_env_set(u, u->at.rv.priv, priv, 8);
}

static int rv_init(struct unicorn_engine *u, struct errmsg *e)
{
	void *csrrw = unicorn_internal("riscv_csrrw_riscv64");
	void *interrupt = unicorn_internal("riscv_cpu_do_interrupt_riscv64");
	void *set_mode = unicorn_internal("riscv_cpu_set_mode_riscv64");
	void (*set_mode_fn)(void *env, uint64_t priv);

	if (!csrrw || !interrupt || !set_mode) {
		return errmsg_set(e, -ENODEV, "this " UNICORN_LIB_FILE " hides its internals");
	}
	memcpy(&u->at.rv.csrrw, &csrrw, sizeof(csrrw));
	memcpy(&u->at.rv.do_interrupt, &interrupt, sizeof(interrupt));
	memcpy(&set_mode_fn, &set_mode, sizeof(set_mode));
	/* The privilege level is the one word that changes with it, from 3 to 1 to 3. */
	for (size_t at = PC_OFFSET; at + 8 <= u->env_bytes; at += 8) {
		if (unicorn_env(u, at, 8) != RV_PRIV_M) {
			continue;
		}
		set_mode_fn(u->env, RV_PRIV_S);
		bool changed = unicorn_env(u, at, 8) == RV_PRIV_S;

		set_mode_fn(u->env, RV_PRIV_M);
		if (changed) {
			u->at.rv.priv = at;
			return 0;
		}
	}
	return errmsg_set(e, -ENODEV, "this " UNICORN_LIB_FILE " keeps RISC-V state elsewhere");
}

static void csrs_get(struct unicorn_engine *u, struct rv_state *v)
{
	uint64_t priv = priv_get(u);

	/* What the library does not have stays 0: envcfg, stimecmp and, since a state must follow
	 * from what was executed, its counters, which are the host's. */
	priv_set(u, RV_PRIV_M);
	for (size_t i = 0; i < ARRAY_SIZE(csrs); i++) {
		store_le((uint8_t *)v + csrs[i].offset, csr_get(u, csrs[i].csr), 8);
	}
	for (int i = 0; i < PMPADDRS; i++) {
		v->pmpaddr[i] = csr_get(u, CSR_PMPADDR0 + i);
	}
	v->mstatus = csr_get(u, CSR_MSTATUS);
	csr_set(u, CSR_MSTATUS, v->mstatus | RV_MSTATUS_FS);
	v->fcsr = (uint32_t)csr_get(u, CSR_FCSR);
	csr_set(u, CSR_MSTATUS, v->mstatus);
	v->mstatus = (v->mstatus & ~RV_MSTATUS_SD) | RV_MSTATUS_UXL | RV_MSTATUS_SXL;
	priv_set(u, priv);
}

static void csrs_set(struct unicorn_engine *u, const struct rv_state *v)
{
	priv_set(u, RV_PRIV_M);
	for (size_t i = 0; i < ARRAY_SIZE(csrs); i++) {
		csr_set(u, csrs[i].csr, load_le((const uint8_t *)v + csrs[i].offset, 8));
	}
	for (int i = 0; i < PMPADDRS; i++) {
		csr_set(u, CSR_PMPADDR0 + i, v->pmpaddr[i]);
	}
	csr_set(u, CSR_MSTATUS, v->mstatus | RV_MSTATUS_FS);
	csr_set(u, CSR_FCSR, v->fcsr);
	csr_set(u, CSR_MSTATUS, v->mstatus);
	priv_set(u, v->priv);
}

static int rv_get_state(struct unicorn_engine *u, struct cpu_state *ret, struct errmsg *e)
{
	struct rv_state *v = rv_state(ret);

	(void)e;
	memcpy(v->x, u->env, sizeof(v->x));
	v->x[0] = 0;
	memcpy(v->f, u->env + FPR_OFFSET, sizeof(v->f));
	v->pc = unicorn_env(u, PC_OFFSET, 8);
	v->priv = (uint32_t)priv_get(u);
	csrs_get(u, v);
	return 0;
}

static int rv_set_state(struct unicorn_engine *u, const struct cpu_state *s, struct errmsg *e)
{
	const struct rv_state *v = rv_state_const(s);

	if (v->priv != RV_PRIV_U && v->priv != RV_PRIV_S && v->priv != RV_PRIV_M) {
		return errmsg_set(e, -EINVAL, "privilege level %u does not exist", v->priv);
	}
	memcpy(u->env, v->x, sizeof(v->x));
	memcpy(u->env + FPR_OFFSET, v->f, sizeof(v->f));
	unicorn_env_set(u, PC_OFFSET, v->pc, 8);
	csrs_set(u, v);
	unicorn_tlb_flush(UNICORN_TARGET_RV64, u->ip.cpu);
	return 0;
}

static uint64_t rv_pc(struct unicorn_engine *u)
{
	return unicorn_env(u, PC_OFFSET, 8);
}

/* Let the library take the exception, read what it says, and undo it. */
static void rv_describe(struct unicorn_engine *u, uint32_t intno, struct cpu_fault *ret)
{
	uint64_t tval;

	unicorn_env_set(u, PC_OFFSET, rv_pc(u) - 4, 8); /* the library added 4 */
	u->lib->uc_context_save(u->uc, u->scratch);
	u->at.rv.do_interrupt(u->ip.cpu);
	if (priv_get(u) == RV_PRIV_S) {
		tval = csr_get(u, 0x143);
	} else {
		tval = csr_get(u, 0x343);
	}
	u->lib->uc_context_restore(u->uc, u->scratch);
	*ret = rv_fault_from_cause(intno, 0, tval);
}

/* The library treats EBREAK as if it were undefined; undefined ones have a number. */
static void rv_describe_invalid(struct unicorn_engine *u, struct cpu_fault *ret)
{
	*ret = rv_fault_from_cause(RV_BREAKPOINT, 0, rv_pc(u));
}

static bool rv_is_paging(struct unicorn_engine *u)
{
	uint64_t satp;
	uint64_t priv = priv_get(u);

	priv_set(u, RV_PRIV_M);
	satp = csr_get(u, 0x180);
	priv_set(u, priv);
	return satp >> 60 != 0;
}

const struct unicorn_target unicorn_target_rv64 = {
	.id = UNICORN_TARGET_RV64,
	.arch = UC_ARCH_RISCV,
	.mode = UC_MODE_RISCV64,
	.cpu_model = -1,
	.probe_offset = 80,
	.probe_reg = UC_RISCV_REG_X10,
	.init = rv_init,
	.get_state = rv_get_state,
	.set_state = rv_set_state,
	.start_pc = rv_pc,
	.linear_pc = rv_pc,
	.describe = rv_describe,
	.describe_invalid = rv_describe_invalid,
	.is_paging = rv_is_paging,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Board `virt` for RISC-V without firmware: harts in S-mode, and the SBI's hands on them. */
#include <errno.h>

#include "base/bug.h"
#include "cpu/riscv/riscv.h"
#include "machine/virt_riscv.h"

#define EXTENSION_A0 10u /* x10: a0 */

/* As OpenSBI does: everything that a kernel handles itself. */
#define MEDELEG                                                                                 \
	(BIT(RV_INSN_MISALIGNED) | BIT(RV_INSN_ACCESS) | BIT(RV_ILLEGAL) | BIT(RV_BREAKPOINT) | \
	 BIT(RV_LOAD_MISALIGNED) | BIT(RV_LOAD_ACCESS) | BIT(RV_STORE_MISALIGNED) |             \
	 BIT(RV_STORE_ACCESS) | BIT(RV_ECALL_U) | BIT(RV_INSN_PAGE) | BIT(RV_LOAD_PAGE) |       \
	 BIT(RV_STORE_PAGE))
#define MIDELEG	   (BIT(1) | BIT(5) | BIT(9)) /* SSI, STI, SEI */
#define MCOUNTEREN 7u			      /* cycle, time, instret */
#define MENVCFG \
	(BIT(63) | BIT(62) | BIT(7) | BIT(6) | BIT(5) | BIT(4)) /* STCE PBMTE CBZE CBCFE CBIE */
#define PMP_ALL	    0x1fu					/* NAPOT, RWX */
#define PMP_ALL_GPA 0x3fffffffffffffULL				/* the whole address space */
#define MIP_SSI	    BIT(1)

void virt_riscv_enter_supervisor(struct cpu_state *s, uint32_t hart)
{
	struct rv_state *v = rv_state(s);

	v->priv = RV_PRIV_S;
	v->mhartid = hart;
	v->medeleg = MEDELEG;
	v->mideleg = MIDELEG;
	v->mcounteren = MCOUNTEREN;
	v->scounteren = MCOUNTEREN; /* kernels rely on `time` for their users */
	v->menvcfg = MENVCFG;
	v->pmpcfg[0] = PMP_ALL;
	v->pmpaddr[0] = PMP_ALL_GPA;
	v->stimecmp = UINT64_MAX;
	v->mstatus &= ~(uint64_t)RV_MSTATUS_FS;
}

/* Work on the state of a hart: the caller's is at hand. */
static void change(struct machine *m, uint32_t idx, void (*fn)(struct cpu_state *s, uint64_t arg),
		   uint64_t arg)
{
	const struct machine_cpus *cpus = &m->cfg.cpus;
	struct cpu_state s;

	if (idx == m->virt->caller) {
		fn(m->virt->caller_state, arg);
		return;
	}
	if (cpus->get_state(cpus->opaque, idx, &s) == 0) {
		fn(&s, arg);
		BUG_ON(cpus->set_state(cpus->opaque, idx, &s) < 0);
	}
}

static enum sbi_hart_state state(void *opaque, uint32_t idx)
{
	struct machine *m = opaque;

	return m->cfg.cpus.is_online(m->cfg.cpus.opaque, idx) ? SBI_HART_STARTED : SBI_HART_STOPPED;
}

static void start(void *opaque, uint32_t idx, uint64_t pc, uint64_t opaque_arg)
{
	struct machine *m = opaque;
	const struct machine_cpus *cpus = &m->cfg.cpus;
	struct cpu_state s;

	m->cfg.arch->reset(&s, &m->cfg.mode);
	virt_riscv_enter_supervisor(&s, idx);
	m->cfg.arch->set_boot_args(&s, idx, opaque_arg);
	m->cfg.arch->set_pc(&s, pc);
	BUG_ON(cpus->set_state(cpus->opaque, idx, &s) < 0);
	cpus->set_online(cpus->opaque, idx, true);
}

static void stop(void *opaque, uint32_t idx)
{
	struct machine *m = opaque;

	m->cfg.cpus.set_online(m->cfg.cpus.opaque, idx, false);
}

static void wait(void *opaque, uint32_t idx)
{
	struct machine *m = opaque;

	m->cfg.cpus.wait(m->cfg.cpus.opaque, idx);
}

static void raise_ssi(struct cpu_state *s, uint64_t unused)
{
	(void)unused;
	rv_state(s)->mip |= MIP_SSI;
}

static void interrupt(void *opaque, uint32_t idx)
{
	change(opaque, idx, raise_ssi, 0);
}

static void write_stimecmp(struct cpu_state *s, uint64_t ticks)
{
	rv_state(s)->stimecmp = ticks;
}

static void set_timer(void *opaque, uint32_t idx, uint64_t ticks)
{
	change(opaque, idx, write_stimecmp, ticks);
}

static void fence(void *opaque, uint32_t idx)
{
	struct machine *m = opaque;

	m->cfg.cpus.flush_translations(m->cfg.cpus.opaque, idx);
}

static void fence_i(void *opaque, uint32_t idx)
{
	struct machine *m = opaque;

	m->cfg.cpus.flush_code(m->cfg.cpus.opaque, idx);
}

int virt_riscv_sbi_make(struct machine *m, struct errmsg *e)
{
	struct sbi_config c = {
		.harts = { .opaque = m,
			   .n = m->cfg.n_cpus,
			   .state = state,
			   .start = start,
			   .stop = stop,
			   .wait = wait,
			   .interrupt = interrupt,
			   .set_timer = set_timer,
			   .fence = fence,
			   .fence_i = fence_i },
		.mem = m->mem,
		.chr = m->virt->firmware_chr,
		.host = m->host,
	};

	sbi_free(m->virt->sbi); /* that of before a reset */
	m->virt->sbi = sbi_new(&c);
	return m->virt->sbi ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}

bool virt_riscv_call(struct machine *m, uint32_t cpu_idx, struct cpu_state *s,
		     const struct cpu_fault *f, enum machine_verdict *ret)
{
	struct virt_riscv *v = m->virt;
	struct rv_state *rs = rv_state(s);
	struct sbi_call call;
	enum sbi_result result;

	if (!v->sbi || f->vector != RV_ECALL_S) {
		return false;
	}
	memcpy(call.a, &rs->x[EXTENSION_A0], sizeof(call.a));
	v->caller = cpu_idx;
	v->caller_state = s;
	result = sbi_call(v->sbi, cpu_idx, &call);
	v->caller_state = NULL;
	v->caller = UINT32_MAX;
	if (result == SBI_DONE) {
		memcpy(&rs->x[EXTENSION_A0], call.a, sizeof(call.a[0]) * 2);
	}
	rs->pc += 4; /* ecall has no short form */
	*ret = result == SBI_STOP ? MACHINE_STOPPED : MACHINE_RESUME;
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What traps and returns from them change; which interrupt comes first. */
#include "spec.h"

/* The run of one instruction, with the trap that ended it. */
static struct spec_run run(uint32_t insn, uint64_t status)
{
	struct spec_run r = { .status = status };

	spec_put(&insn, 1);
	r.pc = (uintptr_t)spec_code;
	spec_go(&r);
	return r;
}

static uint64_t here(unsigned int insns)
{
	return (uintptr_t)&spec_code[insns];
}

static void causes(void)
{
	struct spec_run r = run(INSN_ECALL, spec_status(MODE_U));

	spec_equal("M 3.3.1", "ecall from U-mode is cause 8", r.cause, ECALL_U);
	spec_equal("M 3.3.1", "ecall: mepc is its own address", r.epc, here(0));
	spec_equal("M 3.1.16", "ecall: mtval is 0", r.tval, 0);
	spec_equal("M 3.1.6.1", "trap: MPP is U", r.status_after & MPP, 0);
	r = run(INSN_ECALL, spec_status(MODE_S));
	spec_equal("M 3.3.1", "ecall from S-mode is cause 9", r.cause, ECALL_S);
	spec_equal("M 3.1.6.1", "trap: MPP is S", r.status_after & MPP, BIT(11));
	r = run(INSN_ECALL, spec_status(MODE_M));
	spec_equal("M 3.3.1", "ecall from M-mode is cause 11", r.cause, ECALL_M);
	spec_equal("M 3.1.6.1", "trap: MPP is M", r.status_after & MPP, MPP);
	r = run(0x00100073, spec_status(MODE_U));
	spec_equal("M 3.3.1", "ebreak is cause 3", r.cause, BREAKPOINT);
	spec_equal("M 3.3.1", "ebreak: mepc is its own address", r.epc, here(0));
	spec_true("M 3.1.16", "ebreak: mtval is 0 or its address", r.tval == 0 || r.tval == r.epc,
		  r.tval);
	r = run(0x00019002, spec_status(MODE_U)); /* c.ebreak */
	spec_equal("I 16.5", "c.ebreak is cause 3", r.cause, BREAKPOINT);
	r = run(0, spec_status(MODE_U));
	spec_equal("I 1.5", "sixteen zeros are illegal", r.cause, ILLEGAL);
	spec_true("M 3.1.16", "illegal: mtval is 0 or the instruction (16 bits)", r.tval == 0,
		  r.tval);
	r = run(0xffffffff, spec_status(MODE_S));
	spec_equal("I 1.5", "all ones are illegal", r.cause, ILLEGAL);
	spec_equal("M 3.1.14", "illegal: mepc is its own address", r.epc, here(0));
	spec_true("M 3.1.16", "illegal: mtval is 0 or the instruction",
		  r.tval == 0 || r.tval == 0xffffffff, r.tval);
	r = run(0x00050067, spec_status(MODE_U)); /* jr a0: to 0, where nothing is */
	spec_equal("M 3.6", "fetch where nothing is", r.cause, FETCH_ACCESS);
	spec_equal("M 3.1.16", "fetch where nothing is: mtval", r.tval, 0);
	spec_equal("M 3.1.14", "fetch where nothing is: mepc", r.epc, 0);
}

/* An access without any memory behind it. */
static void bus_errors(void)
{
	struct spec_run r = { .status = spec_status(MODE_S), .a = { 0, 0x18000008 } };
	uint32_t insn = INSN_LD;

	spec_put(&insn, 1);
	spec_equal("M 3.6", "load where nothing is", spec_run_code(&r), LOAD_ACCESS);
	spec_equal("M 3.1.16", "load where nothing is: mtval", r.tval, 0x18000008);
	insn = INSN_SW;
	spec_put(&insn, 1);
	spec_equal("M 3.6", "store where nothing is", spec_run_code(&r), STORE_ACCESS);
	spec_equal("M 3.1.16", "store where nothing is: mtval", r.tval, 0x18000008);
}

/* The stack of interrupt enables. @p insn is run in M-mode with a0 = where it returns to */
static uint64_t status_after_return(uint32_t insn, uint32_t epc, uint64_t status, uint64_t *mode)
{
	struct spec_run r = { .status = spec_status(MODE_M), .a = { 0, status, here(5) } };
	const uint32_t insns[] = {
		CSR_INSN(epc, FUNCT_W, 0, REG_A2),
		CSR_INSN(CSR_MSTATUS, FUNCT_W, 0, REG_A1),
		insn,
		INSN_NOP,
		INSN_NOP,
	};

	spec_put(insns, 5);
	r.pc = (uintptr_t)spec_code;
	spec_go(&r);
	*mode = r.epc == here(5) ? r.cause : r.cause + 100;
	return r.status_after;
}

/* The trap at the end pushes once more: what was MIE is in MPIE, the mode in MPP. */
static void returns(void)
{
	uint64_t mode;
	uint64_t s;

	s = status_after_return(INSN_MRET, CSR_MEPC, FS | BIT(11) | MPIE, &mode);
	spec_equal("M 3.3.2", "mret goes to MPP", mode, ECALL_S);
	spec_equal("M 3.1.6.1", "mret: MIE is what MPIE was: 1", s & MPIE, MPIE);
	s = status_after_return(INSN_MRET, CSR_MEPC, FS | BIT(11) | MIE, &mode);
	spec_equal("M 3.1.6.1", "mret: MIE is what MPIE was: 0", s & MPIE, 0);
	s = status_after_return(INSN_MRET, CSR_MEPC, FS | MPRV, &mode);
	spec_equal("M 3.1.6.3", "mret to U-mode clears MPRV", s & MPRV, 0);
	s = status_after_return(INSN_MRET, CSR_MEPC, FS | BIT(11) | MPRV, &mode);
	spec_equal("M 3.1.6.3", "mret to S-mode clears MPRV", s & MPRV, 0);
	s = status_after_return(INSN_MRET, CSR_MEPC, FS | MPP | MPRV, &mode);
	spec_equal("M 3.1.6.3", "mret to M-mode keeps MPRV", s & MPRV, MPRV);
	s = status_after_return(INSN_SRET, CSR_SEPC, FS | SPP | SPIE, &mode);
	spec_equal("M 3.3.2", "sret in M-mode goes to SPP", mode, ECALL_S);
	spec_equal("M 3.1.6.1", "sret: SIE is what SPIE was: 1", s & SIE, SIE);
	spec_equal("M 3.1.6.1", "sret: SPIE becomes 1", s & SPIE, SPIE);
	spec_equal("M 3.1.6.1", "sret: SPP becomes U", s & SPP, 0);
	s = status_after_return(INSN_SRET, CSR_SEPC, FS | SIE, &mode);
	spec_equal("M 3.3.2", "sret goes to U-mode", mode, ECALL_U);
	spec_equal("M 3.1.6.1", "sret: SIE is what SPIE was: 0", s & SIE, 0);
	s = status_after_return(INSN_SRET, CSR_SEPC, FS | SPP | MPRV, &mode);
	spec_equal("M 3.1.6.3", "sret clears MPRV", s & MPRV, 0);
	s = status_after_return(INSN_SRET, CSR_SEPC, FS | MPP | SPP | MPRV | TSR, &mode);
	spec_equal("M 3.1.6.5", "sret in M-mode under TSR", mode, ECALL_S);
}

/* mret to M-mode sees MPIE and MPP as it left them. */
static void return_to_machine(void)
{
	struct spec_run r = { .status = spec_status(MODE_M) };
	uint32_t insn = CSR_INSN(CSR_MSTATUS, FUNCT_S, REG_A2, 0);

	spec_put(&insn, 1);
	spec_equal("M 3.1.6.1", "csrr behind mret", spec_run_code(&r), RAN);
	spec_equal("M 3.1.6.1", "mret: MPIE becomes 1", r.a[2] & MPIE, MPIE);
	spec_equal("M 3.1.6.1", "mret: MPP becomes U", r.a[2] & MPP, 0);
	spec_equal("M 3.1.6.1", "trap from M-mode: MPIE is what MIE was: 0", r.status_after & MPIE,
		   0);
	r = run(INSN_ECALL, spec_status(MODE_U) | MPIE);
	spec_equal("M 3.1.6.1", "trap: MIE becomes 0", r.status_after & MIE, 0);
}

static void delegation(void)
{
	struct spec_run r;

	spec_write(CSR_MEDELEG, BIT(ECALL_U) | BIT(ILLEGAL) | BIT(BREAKPOINT));
	r = run(INSN_ECALL, spec_status(MODE_U) | SIE);
	spec_equal("M 3.1.8", "delegated: goes to S-mode", r.has_s, 1);
	spec_equal("M 4.1.8", "delegated: scause", r.s_cause, ECALL_U);
	spec_equal("M 4.1.7", "delegated: sepc", r.s_epc, here(0));
	spec_equal("M 4.1.1", "delegated: SPP is U", r.s_status & SPP, 0);
	spec_equal("M 4.1.1", "delegated: SPIE is what SIE was", r.s_status & SPIE, SPIE);
	spec_equal("M 4.1.1", "delegated: SIE becomes 0", r.s_status & SIE, 0);
	r = run(0xffffffff, spec_status(MODE_S));
	spec_equal("M 3.1.8", "delegated from S-mode: stays there", r.has_s, 1);
	spec_equal("M 4.1.1", "delegated from S-mode: SPP is S", r.s_status & SPP, SPP);
	spec_true("M 4.1.9", "delegated: stval is 0 or the instruction",
		  r.s_tval == 0 || r.s_tval == 0xffffffff, r.s_tval);
	r = run(0xffffffff, spec_status(MODE_M));
	spec_equal("M 3.1.8", "traps of M-mode are never delegated", r.has_s, 0);
	r = run(INSN_ECALL, spec_status(MODE_S));
	spec_equal("M 3.1.8", "what is not delegated goes to M-mode", r.has_s, 0);
	spec_write(CSR_MEDELEG, BIT(ECALL_U));
	r = (struct spec_run){ .status = spec_status(MODE_U), .vectored = 1 };
	spec_put((const uint32_t[]){ INSN_ECALL }, 1);
	r.pc = (uintptr_t)spec_code;
	spec_go(&r);
	spec_equal("M 4.1.2", "exceptions go to the base of a vectored stvec", r.s_vector, 0);
	spec_equal("M 3.1.7", "exceptions go to the base of a vectored mtvec", r.m_vector, 0);
	spec_reset();
}

void spec_traps(void)
{
	causes();
	bus_errors();
	returns();
	return_to_machine();
	delegation();
}

/* ---- interrupts ---- */

/* Pending as asked for: SSI, STI and SEI by software, MSI and MTI by the CLINT. */
static void set_pending(uint64_t bits)
{
	*(volatile uint32_t *)MSIP0 = bits & MSI ? 1 : 0;
	*(volatile uint64_t *)MTIMECMP0 = bits & MTI ? 0 : ALL;
	__asm__ volatile("csrw mip, %0" ::"r"(bits & (SSI | STI | SEI)));
}

/* What comes of interrupts while nops run. */
static struct spec_run interrupted(uint64_t status, uint64_t pending, uint64_t enabled,
				   uint64_t delegated, uint64_t vectored)
{
	struct spec_run r = { .status = status, .ie = enabled, .vectored = vectored };
	const uint32_t nops[] = { INSN_NOP, INSN_NOP };

	spec_write(CSR_MIDELEG, delegated);
	spec_put(nops, 2);
	set_pending(pending);
	r.pc = (uintptr_t)spec_code;
	spec_go(&r);
	spec_reset();
	return r;
}

static void order(void)
{
	uint64_t on = spec_status(MODE_M) | MPIE;
	uint64_t all = SSI | MSI | STI | MTI | SEI;
	struct spec_run r = interrupted(on, all, all, 0, 0);

	spec_equal("M 3.1.9", "order: MSI first", r.cause, INTERRUPT | 3);
	spec_equal("M 3.1.14", "interrupt: mepc is the next instruction", r.epc, here(0));
	spec_equal("M 3.1.16", "interrupt: mtval is 0", r.tval, 0);
	r = interrupted(on, all & ~MSI, all, 0, 0);
	spec_equal("M 3.1.9", "order: then MTI", r.cause, INTERRUPT | 7);
	r = interrupted(on, all, SSI | STI | SEI, 0, 0);
	spec_equal("M 3.1.9", "order: then SEI", r.cause, INTERRUPT | 9);
	r = interrupted(on, SSI | STI, all, 0, 0);
	spec_equal("M 3.1.9", "order: then SSI", r.cause, INTERRUPT | 1);
	r = interrupted(on, STI, all, 0, 0);
	spec_equal("M 3.1.9", "order: then STI", r.cause, INTERRUPT | 5);
	r = interrupted(on, all, all, 0, 1);
	spec_equal("M 3.1.7", "vectored: MSI goes to entry 3", r.m_vector, 3);
	r = interrupted(on, MTI, all, 0, 1);
	spec_equal("M 3.1.7", "vectored: MTI goes to entry 7", r.m_vector, 7);
	r = interrupted(on, MTI, all, 0, 0);
	spec_equal("M 3.1.7", "direct: MTI goes to the base", r.m_vector, 0);
}

static void enables(void)
{
	struct spec_run r = interrupted(spec_status(MODE_M), MTI, MTI, 0, 0);

	spec_equal("M 3.1.9", "M-mode: no interrupt without MIE", r.cause, ECALL_M);
	r = interrupted(spec_status(MODE_S), MTI, MTI, 0, 0);
	spec_equal("M 3.1.6.1", "S-mode: M-mode's interrupts come whatever MIE says", r.cause,
		   INTERRUPT | 7);
	r = interrupted(spec_status(MODE_U), SSI, SSI, 0, 0);
	spec_equal("M 3.1.9", "U-mode: what is not delegated goes to M-mode", r.cause,
		   INTERRUPT | 1);
	r = interrupted(spec_status(MODE_U), MTI, 0, 0, 0);
	spec_equal("M 3.1.9", "no interrupt that mie does not let through", r.cause, ECALL_U);
	r = interrupted(spec_status(MODE_M) | MPIE | SIE, SSI, SSI, SSI, 0);
	spec_equal("M 3.1.9", "M-mode: delegated interrupts wait", r.cause, ECALL_M);
	r = interrupted(spec_status(MODE_S), SSI, SSI, SSI, 0);
	spec_equal("M 3.1.6.1", "S-mode: no delegated interrupt without SIE", r.has_s, 0);
	r = interrupted(spec_status(MODE_S) | SIE, SSI, SSI, SSI, 0);
	spec_equal("M 4.1.3", "S-mode: a delegated interrupt with SIE", r.s_cause, INTERRUPT | 1);
	r = interrupted(spec_status(MODE_U), STI, STI, STI, 0);
	spec_equal("M 3.1.6.1", "U-mode: delegated interrupts come whatever SIE says", r.s_cause,
		   INTERRUPT | 5);
	r = interrupted(spec_status(MODE_S) | SIE, SEI | SSI | STI, SEI | SSI | STI,
			SEI | SSI | STI, 1);
	spec_equal("M 4.1.3", "S-mode: SEI first", r.s_cause, INTERRUPT | 9);
	spec_equal("M 4.1.2", "S-mode: vectored", r.s_vector, 9);
	r = interrupted(spec_status(MODE_S) | SIE, MTI | SSI, MTI | SSI, SSI, 0);
	spec_equal("M 3.1.9", "M-mode's interrupts come before delegated ones", r.has_s, 0);
}

static void timers(void)
{
	struct spec_run r = { .status = spec_status(MODE_M), .ie = MTI };
	uint32_t insn = INSN_WFI;
	uint64_t now = *(volatile uint64_t *)MTIME;

	*(volatile uint64_t *)MTIMECMP0 = 0;
	spec_equal("M 3.2.1", "MTIP: mtime is past mtimecmp", spec_read(CSR_MIP) & MTI, MTI);
	*(volatile uint64_t *)MTIMECMP0 = now + (1ULL << 40);
	spec_equal("M 3.2.1", "MTIP goes when mtimecmp is ahead", spec_read(CSR_MIP) & MTI, 0);
	*(volatile uint32_t *)MSIP0 = 1;
	spec_equal("M 3.2", "MSIP shows in mip", spec_read(CSR_MIP) & MSI, MSI);
	*(volatile uint32_t *)MSIP0 = 0xfffffffe;
	spec_equal("M 3.2", "only bit 0 of msip is there", *(volatile uint32_t *)MSIP0, 0);
	*(volatile uint64_t *)MTIMECMP0 = 0;
	spec_put(&insn, 1);
	spec_equal("M 3.3.3", "wfi goes on for an interrupt that MIE keeps back", spec_run_code(&r),
		   RAN);
	*(volatile uint64_t *)MTIMECMP0 = ALL;
	spec_write(CSR_MENVCFG, BIT(63));
	spec_write(CSR_STIMECMP, 0);
	spec_equal("Sstc 2.1", "STIP: time is past stimecmp", spec_read(CSR_MIP) & STI, STI);
	spec_write(CSR_MIP, 0);
	spec_equal("Sstc 2.1", "STIP can't be cleared with STCE", spec_read(CSR_MIP) & STI, STI);
	spec_write(CSR_STIMECMP, ALL);
	spec_equal("Sstc 2.1", "STIP goes when stimecmp is ahead", spec_read(CSR_MIP) & STI, 0);
	spec_write(CSR_MIP, STI);
	spec_equal("Sstc 2.1", "STIP can't be set with STCE", spec_read(CSR_MIP) & STI, 0);
	spec_reset();
}

void spec_interrupts(void)
{
	order();
	enables();
	timers();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: which traps instructions and interrupts make in M-, S- and U-mode, where they go, and what they change.
 *
 * Sets everything that decides about traps at random, runs one instruction, and prints what came of it for two
 * machines to be compared (all numbers hexadecimal):
 *
 *   t INSN PRIV MSTATUS MEDELEG MIDELEG MIE MIP: what it began with; then
 *     m CAUSE EPC TVAL MSTATUS MIP VECTOR           of the trap to M-mode that ended it
 *     s CAUSE EPC TVAL SSTATUS VECTOR               before, if there was one to S-mode
 *   done
 *
 * Needs M-mode, the CLINT, and memory that is both written and executed (section .wx).
 */
#include "guest.h"

#ifndef TRIES
#define TRIES 6000
#endif

#define MSIP0	  0x2000000UL
#define MTIMECMP0 0x2004000UL
#define ALL	  UINT64_MAX

enum { MODE_U = 0, MODE_S = 1, MODE_M = 3 };
enum { INSN_NOP = 0x13, INSN_ECALL = 0x73, INSN_WFI = 0x10500073 };

#define INSN_SRET      0x10200073u
#define INSN_MRET      0x30200073u
#define INSN_SINVAL    0x16000073u
#define INSN_SFENCE_W  0x18000073u
#define INSN_SFENCE_IR 0x18100073u
#define MPRV	       0x20000ULL

/* What is run. ECALL in S-mode is never delegated: it is the way out of the handler there. */
static const uint32_t insns[] = {
	INSN_ECALL, 0x00100073,					 /* ebreak */
	0xffffffff,						 /* nothing */
	0x00000000,						 /* nothing, of 2 bytes */
	INSN_NOP,   INSN_NOP,	INSN_NOP, INSN_SRET, 0x30200073, /* mret */
	INSN_WFI,   0x12000073,					 /* sfence.vma */
	0x0000100f,						 /* fence.i */
	0x18002573,						 /* csrr a0, satp */
	0x18001073,						 /* csrw satp, zero */
	0x10002573,						 /* csrr a0, sstatus */
	0x30002573,						 /* csrr a0, mstatus */
	0xc0002573,						 /* rdcycle a0 */
	0xc0102573,						 /* rdtime a0 */
	0xc0202573,						 /* rdinstret a0 */
	0xc0001073,						 /* csrw cycle, zero */
	0xf1402573,						 /* csrr a0, mhartid */
	0x7c002573,						 /* csrr of nothing */
	0x00302573,						 /* frcsr a0 */
	0x00301073,						 /* fscsr zero */
	0x02007053,						 /* fadd.d ft0, ft0, ft0 */
	0x0005b503,						 /* ld a0, 0(a1): no memory */
	0x00a5b023,						 /* sd a0, 0(a1) */
	0x00058067,						 /* jr a1 */
	0x16000073,						 /* sinval.vma */
	0x18000073,						 /* sfence.w.inval */
	0x18100073,						 /* sfence.inval.ir */
};

struct outcome {
	uint64_t m_cause, m_epc, m_tval, m_status, m_ip, m_vector;
	uint64_t s_cause, s_epc, s_tval, s_status, s_vector; /* s_vector: 0 if there was none */
};

extern uint32_t traps_code[3];
extern struct outcome traps_outcome;
extern char traps_machine_vectors[], traps_supervisor_vectors[];

/** Go to traps_code by mret, with mstatus, mie as given. Comes back from the first trap to M-mode. */
void traps_run(uint64_t status, uint64_t ie);

/* Behind sret: where sepc leads. A vector's place is in t6 (M-mode) or t5 (S-mode): its address + 4. */
__asm__("	.text\n"
	"	.globl	traps_run\n"
	"traps_run:\n"
	"	la	t0, traps_saved\n"
	"	sd	ra, 0(t0)\n"
	"	sd	sp, 8(t0)\n"
	"	sd	s8, 16(t0)\n"
	"	sd	s9, 24(t0)\n"
	"	sd	s10, 32(t0)\n"
	"	sd	s11, 40(t0)\n"
	"	csrw	mstatus, a0\n"
	"	la	t1, traps_code\n"
	"	csrw	mepc, t1\n"
	"	la	t1, traps_after\n"
	"	csrw	sepc, t1\n"
	"	csrw	mie, a1\n"
	"	li	t5, 0\n"
	"	li	a1, 0x18000000\n" /* no memory, no device */
	"	fence.i\n"
	"	mret\n"
	"	.balign	4\n"
	"traps_after:\n"
	"	.option	push\n"
	"	.option	norvc\n"
	"	ecall\n"
	"	.balign	256\n"
	"	.globl	traps_machine_vectors\n"
	"traps_machine_vectors:\n"
	"	.rept	16\n"
	"	jal	t6, traps_machine\n"
	"	.endr\n"
	"	.balign	256\n"
	"	.globl	traps_supervisor_vectors\n"
	"traps_supervisor_vectors:\n"
	"	.rept	16\n"
	"	jal	t5, traps_supervisor\n"
	"	.endr\n"
	"	.option	pop\n"
	"traps_supervisor:\n"
	"	csrr	s8, scause\n"
	"	csrr	s9, sepc\n"
	"	csrr	s10, stval\n"
	"	csrr	s11, sstatus\n"
	"	ecall\n"
	"traps_machine:\n"
	"	csrr	t1, mstatus\n"
	"	li	t2, 0x20000\n" /* MPRV */
	"	csrc	mstatus, t2\n"
	"	la	t0, traps_outcome\n"
	"	csrr	t2, mcause\n"
	"	sd	t2, 0(t0)\n"
	"	csrr	t2, mepc\n"
	"	sd	t2, 8(t0)\n"
	"	csrr	t2, mtval\n"
	"	sd	t2, 16(t0)\n"
	"	sd	t1, 24(t0)\n"
	"	csrr	t2, mip\n"
	"	sd	t2, 32(t0)\n"
	"	sd	t6, 40(t0)\n"
	"	sd	s8, 48(t0)\n"
	"	sd	s9, 56(t0)\n"
	"	sd	s10, 64(t0)\n"
	"	sd	s11, 72(t0)\n"
	"	sd	t5, 80(t0)\n"
	"	csrw	mie, zero\n"
	"	la	t0, traps_saved\n"
	"	ld	ra, 0(t0)\n"
	"	ld	sp, 8(t0)\n"
	"	ld	s8, 16(t0)\n"
	"	ld	s9, 24(t0)\n"
	"	ld	s10, 32(t0)\n"
	"	ld	s11, 40(t0)\n"
	"	ret\n"
	"	.bss\n"
	"	.balign	8\n"
	"traps_saved: .zero 48\n"
	"	.globl	traps_outcome\n"
	"traps_outcome: .zero 88\n"
	"	.section .wx, \"awx\"\n"
	"	.balign	8\n"
	"	.globl	traps_code\n"
	"traps_code: .zero 12\n"
	"	.text\n");

static void put_number(uint64_t v)
{
	guest_putc(' ');
	guest_putnumber(v);
}

/* Interrupts of both kinds: software's bits, and the wires of the CLINT. @return mip */
static uint64_t set_pending(void)
{
	uint64_t bits = guest_below(2) ? guest_random() & guest_random() & 0x222 : 0;
	int has_msi = guest_below(5) == 0;
	int has_mti = guest_below(5) == 0;

	*(volatile uint32_t *)MSIP0 = (uint32_t)has_msi;
	*(volatile uint64_t *)MTIMECMP0 = has_mti ? 0 : ALL;
	__asm__ volatile("csrw mip, %0" ::"r"(bits));
	return bits | (has_msi ? 8 : 0) | (has_mti ? 0x80 : 0);
}

static void set_registers(uint64_t medeleg, uint64_t mideleg)
{
	uint64_t machine = (uintptr_t)traps_machine_vectors | guest_below(2);
	uint64_t supervisor = (uintptr_t)traps_supervisor_vectors | guest_below(2);

	__asm__ volatile("csrw medeleg, %0" ::"r"(medeleg));
	__asm__ volatile("csrw mideleg, %0" ::"r"(mideleg));
	__asm__ volatile("csrw mtvec, %0" ::"r"(machine));
	__asm__ volatile("csrw stvec, %0" ::"r"(supervisor));
	__asm__ volatile("csrw mcounteren, %0" ::"r"(guest_random() & 7));
	__asm__ volatile("csrw scounteren, %0" ::"r"(guest_random() & 7));
}

/* mtval may be 0 for an illegal instruction and for ebreak: qemu 7.2 makes use of it now and then. */
static uint64_t shown_tval(uint32_t insn, uint64_t cause, uint64_t tval)
{
	return cause == 3 || (cause == 2 && insn == INSN_SINVAL) ? 0 : tval;
}

static void put_outcome(uint32_t insn)
{
	const volatile struct outcome *o = &traps_outcome;

	guest_puts(" m");
	put_number(o->m_cause);
	put_number(o->m_epc);
	put_number(shown_tval(insn, o->m_cause, o->m_tval));
	put_number(o->m_status);
	put_number(o->m_ip);
	put_number(o->m_vector - (uintptr_t)traps_machine_vectors);
	if (o->s_vector) {
		guest_puts(" s");
		put_number(o->s_cause);
		put_number(o->s_epc);
		put_number(shown_tval(insn, o->s_cause, o->s_tval));
		put_number(o->s_status);
		put_number(o->s_vector - (uintptr_t)traps_supervisor_vectors);
	}
	guest_putc('\n');
}

static void try_one(void)
{
	static const uint64_t privs[] = { MODE_M, MODE_S, MODE_S, MODE_U, MODE_U };
	/* SIE MIE SPIE MPIE SPP FS MPRV SUM MXR TVM TW TSR */
	const uint64_t mask = 0x7e61aaULL;
	uint32_t insn = insns[guest_below(sizeof(insns) / sizeof(insns[0]))];
	uint64_t priv = privs[guest_below(5)];
	uint64_t status = (guest_random() & mask) | priv << 11;
	uint64_t medeleg = guest_random() & 0xb1ff;
	uint64_t mideleg = guest_random() & 0x222;
	uint64_t ie = guest_below(3) ? guest_random() & 0xaaa : 0;
	uint64_t ip = set_pending();

	if (priv != MODE_M || insn == INSN_MRET || insn == INSN_SRET) {
		status &= ~MPRV; /* which leaving M-mode clears; qemu 7.2 does not */
	}
	if (priv == MODE_U && (insn == INSN_SFENCE_W || insn == INSN_SFENCE_IR)) {
		insn = INSN_NOP; /* illegal, but qemu 7.2 lets them pass */
	}
	if (insn == INSN_WFI && !(ie & ip)) {
		insn = INSN_NOP; /* would wait for ever */
	}
	set_registers(medeleg, mideleg);
	((volatile uint32_t *)traps_code)[0] = insn;
	((volatile uint32_t *)traps_code)[1] = INSN_NOP;
	((volatile uint32_t *)traps_code)[2] = INSN_ECALL;
	guest_putc('t');
	put_number(insn);
	put_number(priv);
	put_number(status);
	put_number(medeleg);
	put_number(mideleg);
	put_number(ie);
	put_number(ip);
	traps_run(status, ie);
	put_outcome(insn);
}

int main(void)
{
	/* All memory for all modes. */
	__asm__ volatile("csrw pmpaddr0, %0" ::"r"(ALL >> 10));
	__asm__ volatile("csrw pmpcfg0, %0" ::"r"(0x1fUL));
	for (unsigned int i = 0; i < TRIES; i++) {
		try_one();
	}
	guest_puts("done\n");
	return 0;
}

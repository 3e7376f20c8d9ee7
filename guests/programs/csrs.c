/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: which CSRs there are, in which mode, and which bits of them hold what is written.
 *
 * Prints what it does and what it found, one line each, for a test to compare with a model:
 *
 *   e CSR VALUE                     M-mode wrote this
 *   a CSR LETTERS                   M, S, U may read and write it: "rwrw--"; nothing: no line
 *   b CSR MODE OP BASE VALUE GOT    BASE was written, then VALUE by csrrw, csrrs or csrrc (OP is w, s,
 *                                   c), then GOT read, then the old value written again
 *   b CSR MODE OP BASE VALUE trap CAUSE
 *   done
 *
 * Needs M-mode, and memory that is both written and executed (section .wx).
 */
#include "guest.h"

enum { MODE_U = 0, MODE_S = 1, MODE_M = 3 };

enum {
	REG_A0 = 10,
	REG_A1 = 11,
	REG_A4 = 14,
	REG_A5 = 15,
	FUNCT_W = 1,
	FUNCT_S = 2,
	FUNCT_C = 3,
	INSN_NOP = 0x13,
	INSN_ECALL = 0x73,
	ECALL_U = 8,
	ECALL_S = 9,
	ECALL_M = 11,
};

enum {
	CSR_STIMECMP = 0x14d,
	CSR_SATP = 0x180,
	CSR_MSTATUS = 0x300,
	CSR_MIDELEG = 0x303,
	CSR_MIE = 0x304,
	CSR_MTVEC = 0x305,
	CSR_MCOUNTEREN = 0x306,
	CSR_SCOUNTEREN = 0x106,
	CSR_MENVCFG = 0x30a,
	CSR_MIP = 0x344,
	CSR_PMPCFG0 = 0x3a0,
	CSR_PMPCFG2 = 0x3a2,
	CSR_PMPADDR0 = 0x3b0,
};

#define ALL	  UINT64_MAX
#define TVM	  0x100000ULL
#define FS_ON	  0x2000ULL
#define STCE	  (1ULL << 63)
#define MTIMECMP0 0x2004000UL

/**
 * Run csrs_code in a mode.
 * @param got what a5 was at the end
 * @return mcause of what ended it: an ecall, if all went well
 */
uint64_t csrs_run(uint64_t base, uint64_t value, uint64_t mode, uint64_t *got);

/** Where every trap goes. */
void csrs_trapped(void);

extern uint32_t csrs_code[6];

/* a0 and a1 go to the code; whatever ends it comes back by way of the handler. */
__asm__("	.text\n"
	"	.globl csrs_run\n"
	"csrs_run:\n"
	"	la	t0, csrs_saved\n"
	"	sd	ra, 0(t0)\n"
	"	sd	sp, 8(t0)\n"
	"	sd	a3, 16(t0)\n"
	"	la	t1, csrs_trapped\n"
	"	csrw	mtvec, t1\n"
	"	la	t1, csrs_code\n"
	"	csrw	mepc, t1\n"
	"	li	t1, 0x1880\n" /* MPP, MPIE */
	"	csrc	mstatus, t1\n"
	"	slli	t1, a2, 11\n"
	"	csrs	mstatus, t1\n"
	"	mret\n"
	"	.balign 4\n"
	"	.globl csrs_trapped\n"
	"csrs_trapped:\n"
	"	li	t0, 0x20008\n" /* MPRV, MIE */
	"	csrc	mstatus, t0\n"
	"	la	t0, csrs_saved\n"
	"	ld	ra, 0(t0)\n"
	"	ld	sp, 8(t0)\n"
	"	ld	a3, 16(t0)\n"
	"	sd	a5, 0(a3)\n"
	"	csrr	a0, mcause\n"
	"	ret\n"
	"	.bss\n"
	"	.balign 8\n"
	"csrs_saved: .zero 24\n"
	"	.section .wx, \"awx\"\n"
	"	.balign 8\n"
	"	.globl csrs_code\n"
	"csrs_code: .zero 24\n"
	"	.text\n");

static uint32_t csr_insn(uint32_t csr, uint32_t funct, uint32_t rd, uint32_t rs1)
{
	return csr << 20 | rs1 << 15 | funct << 12 | rd << 7 | 0x73;
}

/* The code that is run in between must begin with whole words: no compressed instruction. */
static void code_set(uint32_t first, uint32_t second, uint32_t third, uint32_t fourth)
{
	volatile uint32_t *code = csrs_code;

	code[0] = first;
	code[1] = second;
	code[2] = third;
	code[3] = fourth;
	code[4] = INSN_ECALL;
	guest_sync_code(csrs_code, sizeof(csrs_code));
}

static int is_ecall(uint64_t cause)
{
	return cause == ECALL_U || cause == ECALL_S || cause == ECALL_M;
}

static void put_number(uint64_t v)
{
	guest_putc(' ');
	guest_putnumber(v);
}

/* ---- who may ---- */

static int may(uint32_t csr, uint64_t mode, int is_write)
{
	uint64_t got;

	code_set(csr_insn(csr, FUNCT_S, REG_A5, 0),
		 is_write ? csr_insn(csr, FUNCT_W, 0, REG_A5) : INSN_NOP, INSN_NOP, INSN_NOP);
	return is_ecall(csrs_run(0, 0, mode, &got));
}

static void scan(void)
{
	static const uint64_t modes[] = { MODE_M, MODE_S, MODE_U };

	for (uint32_t csr = 0; csr < 4096; csr++) {
		char letters[7] = "------";
		int is_any = 0;

		for (unsigned int i = 0; i < 6; i++) {
			if (may(csr, modes[i / 2], (int)(i & 1))) {
				letters[i] = i & 1 ? 'w' : 'r';
				is_any = 1;
			}
		}
		if (is_any) {
			guest_putc('a');
			put_number(csr);
			guest_putc(' ');
			guest_puts(letters);
			guest_putc('\n');
		}
	}
}

/* ---- what they hold ---- */

static void burst(uint32_t csr, uint64_t mode, char op, uint64_t base, uint64_t value)
{
	uint32_t funct = op == 'w' ? FUNCT_W : op == 's' ? FUNCT_S : FUNCT_C;
	uint64_t got = 0;
	uint64_t cause;

	code_set(csr_insn(csr, FUNCT_W, REG_A4, REG_A0), csr_insn(csr, funct, 0, REG_A1),
		 csr_insn(csr, FUNCT_S, REG_A5, 0), csr_insn(csr, FUNCT_W, 0, REG_A4));
	cause = csrs_run(base, value, mode, &got);
	guest_putc('b');
	put_number(csr);
	put_number(mode);
	guest_putc(' ');
	guest_putc(op);
	put_number(base);
	put_number(value);
	if (is_ecall(cause)) {
		put_number(got);
	} else {
		guest_puts(" trap");
		put_number(cause);
	}
	guest_putc('\n');
}

static void env(uint32_t csr, uint64_t value)
{
	uint64_t got;

	code_set(csr_insn(csr, FUNCT_W, 0, REG_A0), INSN_NOP, INSN_NOP, INSN_NOP);
	csrs_run(value, 0, MODE_M, &got);
	guest_putc('e');
	put_number(csr);
	put_number(value);
	guest_putc('\n');
}

static void open_gates(int is_open)
{
	env(CSR_MSTATUS, is_open ? FS_ON : TVM);
	env(CSR_MCOUNTEREN, is_open ? 0xffffffff : 0);
	env(CSR_SCOUNTEREN, is_open ? 0xffffffff : 0);
	env(CSR_MENVCFG, is_open ? STCE : 0);
	env(CSR_PMPADDR0 + 15, ALL); /* all memory, for the lower modes */
	env(CSR_PMPCFG2, 0x1fULL << 56);
}

static void patterns(uint32_t csr, uint64_t mode)
{
	static const char ops[] = "wsc";

	burst(csr, mode, 'w', 0, ALL);
	burst(csr, mode, 'w', ALL, 0);
	burst(csr, mode, 's', 0, ALL);
	burst(csr, mode, 'c', ALL, ALL);
	for (unsigned int i = 0; i < 64; i++) {
		burst(csr, mode, 'w', 0, 1ULL << i);
		burst(csr, mode, 'w', ALL, ~(1ULL << i));
	}
	for (unsigned int i = 0; i < 12; i++) {
		uint64_t base = guest_random();

		burst(csr, mode, ops[i % 3], base, guest_random());
	}
}

/* Registers that may hold anything for a moment while M-mode runs on. Left out: those that count,
 * and the locks of PMP. */
static const uint16_t machine_csrs[] = {
	0x001, 0x002, 0x003, 0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142,
	0x143, 0x144, 0x14d, 0x180, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306,
	0x30a, 0x320, 0x323, 0x33f, 0x340, 0x341, 0x342, 0x343, 0x344, 0xb1f,
};

static const uint16_t supervisor_csrs[] = {
	0x001, 0x002, 0x003, 0x100, 0x104, 0x105, 0x106, 0x10a,
	0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x300,
};

/* satp in S-mode must not switch translation on: modes that do not exist, and Bare. */
static void satp_in_supervisor_mode(void)
{
	for (uint64_t mode = 0; mode < 16; mode++) {
		if (mode < 8 || mode > 10) {
			burst(CSR_SATP, MODE_S, 'w', 0, mode << 60 | 0x5555);
		}
	}
}

static void pmp_patterns(void)
{
	static const uint64_t unlocked = 0x7f7f7f7f7f7f7f7fULL;

	for (uint32_t csr = CSR_PMPCFG0; csr <= CSR_PMPCFG2; csr += 2) {
		for (unsigned int i = 0; i < 64; i++) {
			burst(csr, MODE_M, 'w', 0, 1ULL << i & unlocked);
		}
		for (unsigned int i = 0; i < 32; i++) {
			burst(csr, MODE_M, 'w', 0, guest_random() & unlocked);
		}
	}
	for (uint32_t i = 0; i < 16; i++) {
		patterns(CSR_PMPADDR0 + i, MODE_M);
	}
}

/* From here on there is no way back: entry 5 is a locked range, entry 2 a locked nothing. */
static void pmp_locks(void)
{
	burst(CSR_PMPCFG0, MODE_M, 'w', 0, 0x8fULL << 40 | 0x80ULL << 16);
	burst(CSR_PMPCFG0, MODE_M, 'w', 0, 0x1f1f1f1f1f1f1f1fULL);
	burst(CSR_PMPCFG0, MODE_M, 'c', ALL >> 1 & 0x7f7f7f7f7f7f7f7fULL, ALL);
	for (uint32_t i = 0; i < 8; i++) {
		burst(CSR_PMPADDR0 + i, MODE_M, 'w', 0, 0x1234);
	}
}

/* As many interrupts are delegated as can be: sie and sip show them. */
static void delegated(void)
{
	env(CSR_MIDELEG, ALL);
	patterns(0x104, MODE_M);
	patterns(0x104, MODE_S);
	patterns(0x144, MODE_M);
	patterns(0x144, MODE_S);
	env(CSR_MIDELEG, 0);
}

int main(void)
{
	*(volatile uint64_t *)MTIMECMP0 = ALL;
	env(CSR_MTVEC, (uintptr_t)csrs_trapped);
	env(CSR_MIE, 0);
	env(CSR_STIMECMP, ALL);
	env(CSR_MIP, 0);
	open_gates(0);
	scan();
	open_gates(1);
	scan();
	for (unsigned int i = 0; i < sizeof(machine_csrs) / sizeof(machine_csrs[0]); i++) {
		patterns(machine_csrs[i], MODE_M);
	}
	env(CSR_STIMECMP, ALL);
	for (unsigned int i = 0; i < sizeof(supervisor_csrs) / sizeof(supervisor_csrs[0]); i++) {
		patterns(supervisor_csrs[i], MODE_S);
	}
	env(CSR_STIMECMP, ALL);
	satp_in_supervisor_mode();
	delegated();
	pmp_patterns();
	pmp_locks();
	guest_puts("done\n");
	return 0;
}

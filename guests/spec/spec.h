/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named checks that could tell this machine from its specification. What the files share.
 *
 * A check names itself, the section that it is about ("M": privileged architecture 1.12, "I": unprivileged ISA 20191213,
 * or an extension's name) and says what it wants. Where the manual leaves a choice, every permitted answer is right.
 *
 * Instructions are tried one by one: written to spec_code, run in some mode by mret, and ended by a trap to M-mode.
 */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALL    UINT64_MAX
#define BIT(n) (1ULL << (n))

enum { MODE_U = 0, MODE_S = 1, MODE_M = 3 };

enum {
	RAN = 99, /* instead of a cause: the instruction ran and the next one too */
	FETCH_ACCESS = 1,
	ILLEGAL = 2,
	BREAKPOINT = 3,
	LOAD_MISALIGNED = 4,
	LOAD_ACCESS = 5,
	STORE_MISALIGNED = 6,
	STORE_ACCESS = 7,
	ECALL_U = 8,
	ECALL_S = 9,
	ECALL_M = 11,
	FETCH_PAGE = 12,
	LOAD_PAGE = 13,
	STORE_PAGE = 15,
};

#define INTERRUPT BIT(63)

/* mstatus */
#define SIE  BIT(1)
#define MIE  BIT(3)
#define SPIE BIT(5)
#define MPIE BIT(7)
#define SPP  BIT(8)
#define MPP  0x1800ULL
#define FS   0x6000ULL
#define MPRV BIT(17)
#define SUM  BIT(18)
#define MXR  BIT(19)
#define TVM  BIT(20)
#define TW   BIT(21)
#define TSR  BIT(22)
#define SD   BIT(63)

/* interrupts */
#define SSI BIT(1)
#define MSI BIT(3)
#define STI BIT(5)
#define MTI BIT(7)
#define SEI BIT(9)
#define MEI BIT(11)

#define MSIP0	  0x2000000UL
#define MTIMECMP0 0x2004000UL
#define MTIME	  0x200bff8UL

enum {
	CSR_FFLAGS = 0x001,
	CSR_FRM = 0x002,
	CSR_FCSR = 0x003,
	CSR_SSTATUS = 0x100,
	CSR_SIE = 0x104,
	CSR_STVEC = 0x105,
	CSR_SCOUNTEREN = 0x106,
	CSR_SENVCFG = 0x10a,
	CSR_SSCRATCH = 0x140,
	CSR_SEPC = 0x141,
	CSR_SCAUSE = 0x142,
	CSR_STVAL = 0x143,
	CSR_SIP = 0x144,
	CSR_STIMECMP = 0x14d,
	CSR_SATP = 0x180,
	CSR_MSTATUS = 0x300,
	CSR_MISA = 0x301,
	CSR_MEDELEG = 0x302,
	CSR_MIDELEG = 0x303,
	CSR_MIE = 0x304,
	CSR_MTVEC = 0x305,
	CSR_MCOUNTEREN = 0x306,
	CSR_MENVCFG = 0x30a,
	CSR_MCOUNTINHIBIT = 0x320,
	CSR_MSCRATCH = 0x340,
	CSR_MEPC = 0x341,
	CSR_MCAUSE = 0x342,
	CSR_MTVAL = 0x343,
	CSR_MIP = 0x344,
	CSR_PMPCFG0 = 0x3a0,
	CSR_PMPCFG2 = 0x3a2,
	CSR_PMPADDR0 = 0x3b0,
	CSR_MCYCLE = 0xb00,
	CSR_MINSTRET = 0xb02,
	CSR_CYCLE = 0xc00,
	CSR_TIME = 0xc01,
	CSR_INSTRET = 0xc02,
};

enum { FUNCT_W = 1, FUNCT_S = 2, FUNCT_C = 3, FUNCT_WI = 5, FUNCT_SI = 6 };
enum { REG_A0 = 10, REG_A1, REG_A2, REG_A3, REG_A4 };

/* csrrw and its kin */
#define CSR_INSN(csr, funct, rd, rs1)                                              \
	((uint32_t)(csr) << 20 | (uint32_t)(rs1) << 15 | (uint32_t)(funct) << 12 | \
	 (uint32_t)(rd) << 7 | 0x73u)

#define INSN_NOP   0x13u
#define INSN_ECALL 0x73u
#define INSN_LB	   0x00058503u /* lb a0, 0(a1) and so on */
#define INSN_LH	   0x00059503u
#define INSN_LHU   0x0005d503u
#define INSN_LW	   0x0005a503u
#define INSN_LWU   0x0005e503u
#define INSN_LD	   0x0005b503u
#define INSN_SB	   0x00a58023u /* sb a0, 0(a1) and so on */
#define INSN_SH	   0x00a59023u
#define INSN_SW	   0x00a5a023u
#define INSN_SD	   0x00a5b023u
#define INSN_MRET  0x30200073u
#define INSN_SRET  0x10200073u
#define INSN_WFI   0x10500073u

/** A piece of code to run, and what came of it. spec_runs.S knows where the fields are. */
struct spec_run {
	uint64_t status; /* mstatus at the mret; MPP says where it goes */
	uint64_t pc;
	uint64_t a[8]; /* a0 to a7, before and after */
	uint64_t cause, epc, tval;
	uint64_t status_after;
	uint64_t s_cause, s_epc, s_tval, s_status; /* of a trap to S-mode before */
	uint64_t has_s;
	uint64_t vectored;	     /* 1: both trap vectors are */
	uint64_t ie;		     /* mie */
	uint64_t m_vector, s_vector; /* which entry of them it was */
};

/** Set out, and come back from the first trap to M-mode. The handler in S-mode ends in one. */
void spec_go(struct spec_run *r);

extern uint32_t spec_code[16]; /* written and executed */

/** A right or wrong answer. @param got, wanted are shown if they differ */
void spec_equal(const char *section, const char *name, uint64_t got, uint64_t wanted);

/** The same where the manual permits more than one. @param got is shown if not @p is_right */
void spec_true(const char *section, const char *name, bool is_right, uint64_t got);

/** mstatus for a run in a mode: floating point is on. */
uint64_t spec_status(uint64_t mode);

/** Put instructions into spec_code, an ecall behind them. */
void spec_put(const uint32_t *insns, size_t n);

/** Run spec_code. @return the cause that ended it, RAN if it was the ecall at its end */
uint64_t spec_run_code(struct spec_run *r);

/** One instruction in a mode, with a0 = @p a0 and a1 = @p a1. @return as spec_run_code() */
uint64_t spec_try(uint32_t insn, uint64_t status, uint64_t a0, uint64_t a1);

/** Read and write a register of M-mode by its number. */
uint64_t spec_read(uint32_t csr);
void spec_write(uint32_t csr, uint64_t value);

/** Write @p before, then @p value; then what it was at first. @return what it held after @p value */
uint64_t spec_burst(uint32_t csr, uint64_t before, uint64_t value);

/** The state in which checks begin: nothing delegated, no interrupts, no translation, all memory open. */
void spec_reset(void);

void spec_csr_fields(void);
void spec_csr_access(void);
void spec_traps(void);
void spec_interrupts(void);
void spec_pmp(void);
void spec_pmp_locks(void); /* last: there is no way back */
void spec_pages(void);
void spec_fences(void);
void spec_counters(void);
void spec_data(void);
void spec_float(void);

#endif

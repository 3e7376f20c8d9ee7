/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which registers and instructions each mode may use, and what keeps it from them. */
#include "spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { WRITE = 8 }; /* beside a mode */

/** An access to a register; a read unless WRITE. */
struct access {
	const char *name;
	uint32_t csr;
	unsigned int mode;
	uint64_t status; /* more bits of mstatus; FS: less */
	uint64_t wanted;
	const char *section;
};

static const struct access accesses[] = {
	{ "U: mstatus", CSR_MSTATUS, MODE_U, 0, ILLEGAL, "M 2.1" },
	{ "U: sstatus", CSR_SSTATUS, MODE_U, 0, ILLEGAL, "M 2.1" },
	{ "U: satp", CSR_SATP, MODE_U, 0, ILLEGAL, "M 2.1" },
	{ "U: sscratch", CSR_SSCRATCH, MODE_U, 0, ILLEGAL, "M 2.1" },
	{ "U: fcsr", CSR_FCSR, MODE_U, 0, RAN, "M 2.1" },
	{ "U: mhartid", 0xf14, MODE_U, 0, ILLEGAL, "M 2.1" },
	{ "S: sstatus", CSR_SSTATUS, MODE_S, 0, RAN, "M 2.1" },
	{ "S: sscratch", CSR_SSCRATCH, MODE_S, 0, RAN, "M 2.1" },
	{ "S: mstatus", CSR_MSTATUS, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "S: mtvec", CSR_MTVEC, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "S: mip", CSR_MIP, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "S: pmpcfg0", CSR_PMPCFG0, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "S: mhartid", 0xf14, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "S: menvcfg", CSR_MENVCFG, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "S: mcycle", CSR_MCYCLE, MODE_S, 0, ILLEGAL, "M 2.1" },
	{ "M: sstatus", CSR_SSTATUS, MODE_M, 0, RAN, "M 2.1" },
	{ "M: stimecmp", CSR_STIMECMP, MODE_M, 0, RAN, "Sstc 2.1" },
	{ "M: mvendorid is read", 0xf11, MODE_M, 0, RAN, "M 3.1.2" },
	{ "M: marchid is read", 0xf12, MODE_M, 0, RAN, "M 3.1.3" },
	{ "M: mimpid is read", 0xf13, MODE_M, 0, RAN, "M 3.1.4" },
	{ "M: mvendorid is not written", 0xf11, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: marchid is not written", 0xf12, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: mimpid is not written", 0xf13, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: mhartid is not written", 0xf14, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: mconfigptr is not written", 0xf15, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: cycle is not written", CSR_CYCLE, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: time is not written", CSR_TIME, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: instret is not written", CSR_INSTRET, MODE_M | WRITE, 0, ILLEGAL, "M 2.1" },
	{ "M: 0x5c0 does not exist", 0x5c0, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: 0x7c0 does not exist", 0x7c0, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: 0x9c0 does not exist", 0x9c0, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: 0xfc0 does not exist", 0xfc0, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: dcsr is the debugger's", 0x7b0, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: dpc is the debugger's", 0x7b1, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: no mstatush with 64 bits", 0x310, MODE_M, 0, ILLEGAL, "M 3.1.6" },
	{ "M: no cycleh with 64 bits", 0xc80, MODE_M, 0, ILLEGAL, "I 10.1" },
	{ "M: no mcycleh with 64 bits", 0xb80, MODE_M, 0, ILLEGAL, "M 3.1.10" },
	{ "M: no pmpcfg1 with 64 bits", 0x3a1, MODE_M, 0, ILLEGAL, "M 3.7.1" },
	{ "M: no pmpcfg3 with 64 bits", 0x3a3, MODE_M, 0, ILLEGAL, "M 3.7.1" },
	{ "M: no hstatus without hypervisor", 0x600, MODE_M, 0, ILLEGAL, "M 8.1" },
	{ "M: no vsstatus without hypervisor", 0x200, MODE_M, 0, ILLEGAL, "M 8.1" },
	{ "M: no vstimecmp without hypervisor", 0x24d, MODE_M, 0, ILLEGAL, "Sstc 2.2" },
	{ "M: no vl without vectors", 0xc20, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: no vstart without vectors", 0x008, MODE_M, 0, ILLEGAL, "M 2.1" },
	{ "M: fcsr with FS off", CSR_FCSR, MODE_M, FS, ILLEGAL, "M 3.1.6.6" },
	{ "S: frm with FS off", CSR_FRM, MODE_S, FS, ILLEGAL, "M 3.1.6.6" },
	{ "U: fflags with FS off", CSR_FFLAGS, MODE_U, FS, ILLEGAL, "M 3.1.6.6" },
	{ "S: satp", CSR_SATP, MODE_S, 0, RAN, "M 3.1.6.5" },
	{ "S: satp is read under TVM", CSR_SATP, MODE_S, TVM, ILLEGAL, "M 3.1.6.5" },
	{ "S: satp is written under TVM", CSR_SATP, MODE_S | WRITE, TVM, ILLEGAL, "M 3.1.6.5" },
	{ "M: satp under TVM", CSR_SATP, MODE_M, TVM, RAN, "M 3.1.6.5" },
	{ "S: stimecmp needs STCE", CSR_STIMECMP, MODE_S, 0, ILLEGAL, "Sstc 3.1" },
};

static uint64_t access(const struct access *a)
{
	uint32_t insn = a->mode & WRITE ? CSR_INSN(a->csr, FUNCT_W, 0, REG_A0)
					: CSR_INSN(a->csr, FUNCT_S, REG_A2, 0);
	uint64_t status = spec_status(a->mode & 3);

	return spec_try(insn, status ^ a->status, 0, 0);
}

/* Read-only registers and the forms that do not write. */
static void read_only_forms(void)
{
	uint64_t m = spec_status(MODE_M);
	uint32_t id = 0xf11;

	spec_equal("I 9.1", "csrrs of x0 does not write",
		   spec_try(CSR_INSN(id, FUNCT_S, REG_A2, 0), m, 0, 0), RAN);
	spec_equal("I 9.1", "csrrc of x0 does not write",
		   spec_try(CSR_INSN(id, FUNCT_C, REG_A2, 0), m, 0, 0), RAN);
	spec_equal("I 9.1", "csrrs of a register that is 0 writes",
		   spec_try(CSR_INSN(id, FUNCT_S, REG_A2, REG_A0), m, 0, 0), ILLEGAL);
	spec_equal("I 9.1", "csrrc of a register that is 0 writes",
		   spec_try(CSR_INSN(id, FUNCT_C, REG_A2, REG_A0), m, 0, 0), ILLEGAL);
	spec_equal("I 9.1", "csrrsi of 0 does not write",
		   spec_try(CSR_INSN(id, FUNCT_SI, REG_A2, 0), m, 0, 0), RAN);
	spec_equal("I 9.1", "csrrsi of 1 writes",
		   spec_try(CSR_INSN(id, FUNCT_SI, REG_A2, 1), m, 0, 0), ILLEGAL);
	spec_equal("I 9.1", "csrrwi of 0 writes",
		   spec_try(CSR_INSN(id, FUNCT_WI, REG_A2, 0), m, 0, 0), ILLEGAL);
}

/** Reads of a counter under mcounteren and scounteren. */
struct gate {
	const char *name;
	uint32_t csr;
	unsigned int mode;
	uint32_t machine, supervisor; /* the registers */
	uint64_t wanted;
};

static const struct gate gates[] = {
	{ "S: cycle is gated", CSR_CYCLE, MODE_S, 6, 7, ILLEGAL },
	{ "S: cycle is let through", CSR_CYCLE, MODE_S, 1, 0, RAN },
	{ "U: cycle is gated by mcounteren", CSR_CYCLE, MODE_U, 6, 7, ILLEGAL },
	{ "U: cycle is gated by scounteren", CSR_CYCLE, MODE_U, 7, 6, ILLEGAL },
	{ "U: cycle is let through", CSR_CYCLE, MODE_U, 1, 1, RAN },
	{ "S: time is gated", CSR_TIME, MODE_S, 5, 7, ILLEGAL },
	{ "S: time is let through", CSR_TIME, MODE_S, 2, 0, RAN },
	{ "U: time is gated by mcounteren", CSR_TIME, MODE_U, 5, 7, ILLEGAL },
	{ "U: time is gated by scounteren", CSR_TIME, MODE_U, 7, 5, ILLEGAL },
	{ "U: time is let through", CSR_TIME, MODE_U, 2, 2, RAN },
	{ "S: instret is gated", CSR_INSTRET, MODE_S, 3, 7, ILLEGAL },
	{ "S: instret is let through", CSR_INSTRET, MODE_S, 4, 0, RAN },
	{ "U: instret is gated by mcounteren", CSR_INSTRET, MODE_U, 3, 7, ILLEGAL },
	{ "U: instret is gated by scounteren", CSR_INSTRET, MODE_U, 7, 3, ILLEGAL },
	{ "U: instret is let through", CSR_INSTRET, MODE_U, 4, 4, RAN },
	{ "M: cycle is never gated", CSR_CYCLE, MODE_M, 0, 0, RAN },
	{ "M: time is never gated", CSR_TIME, MODE_M, 0, 0, RAN },
	{ "S: hpmcounter3 is gated", 0xc03, MODE_S, 7, 0, ILLEGAL },
	{ "U: hpmcounter31 is gated", 0xc1f, MODE_U, 7, 7, ILLEGAL },
};

static void counter_gates(void)
{
	for (size_t i = 0; i < COUNT(gates); i++) {
		const struct gate *g = &gates[i];

		spec_write(CSR_MCOUNTEREN, g->machine);
		spec_write(CSR_SCOUNTEREN, g->supervisor);
		spec_equal("M 3.1.11, 4.1.5", g->name,
			   spec_try(CSR_INSN(g->csr, FUNCT_S, REG_A2, 0), spec_status(g->mode), 0,
				    0),
			   g->wanted);
	}
	spec_reset();
}

static void timer_gates(void)
{
	uint32_t insn = CSR_INSN(CSR_STIMECMP, FUNCT_S, REG_A2, 0);
	uint64_t s = spec_status(MODE_S);

	spec_write(CSR_MENVCFG, BIT(63));
	spec_equal("Sstc 3.1", "S: stimecmp needs mcounteren.TM", spec_try(insn, s, 0, 0), ILLEGAL);
	spec_write(CSR_MCOUNTEREN, 2);
	spec_equal("Sstc 3.1", "S: stimecmp with STCE and TM", spec_try(insn, s, 0, 0), RAN);
	spec_equal("M 2.1", "U: stimecmp", spec_try(insn, spec_status(MODE_U), 0, 0), ILLEGAL);
	spec_reset();
}

/** An instruction that modes may be kept from. */
struct privileged {
	const char *name;
	uint32_t insn;
	unsigned int mode;
	uint64_t status;
	uint64_t wanted;
	const char *section;
};

#define SFENCE		0x12000073u
#define SINVAL		0x16000073u
#define SFENCE_W_INVAL	0x18000073u
#define SFENCE_INVAL_IR 0x18100073u

static const struct privileged privileged[] = {
	{ "S: mret", INSN_MRET, MODE_S, 0, ILLEGAL, "M 3.3.2" },
	{ "U: mret", INSN_MRET, MODE_U, 0, ILLEGAL, "M 3.3.2" },
	{ "U: sret", INSN_SRET, MODE_U, 0, ILLEGAL, "M 3.3.2" },
	{ "S: sret under TSR", INSN_SRET, MODE_S, TSR, ILLEGAL, "M 3.1.6.5" },
	{ "S: wfi under TW", INSN_WFI, MODE_S, TW, ILLEGAL, "M 3.1.6.5" },
	{ "U: wfi under TW", INSN_WFI, MODE_U, TW, ILLEGAL, "M 3.1.6.5" },
	{ "S: sfence.vma", SFENCE, MODE_S, 0, RAN, "M 4.2.1" },
	{ "M: sfence.vma", SFENCE, MODE_M, 0, RAN, "M 4.2.1" },
	{ "S: sfence.vma under TVM", SFENCE, MODE_S, TVM, ILLEGAL, "M 3.1.6.5" },
	{ "M: sfence.vma under TVM", SFENCE, MODE_M, TVM, RAN, "M 3.1.6.5" },
	{ "U: sfence.vma", SFENCE, MODE_U, 0, ILLEGAL, "M 4.2.1" },
	{ "S: sinval.vma", SINVAL, MODE_S, 0, RAN, "Svinval 7" },
	{ "S: sinval.vma under TVM", SINVAL, MODE_S, TVM, ILLEGAL, "Svinval 7" },
	{ "U: sinval.vma", SINVAL, MODE_U, 0, ILLEGAL, "Svinval 7" },
	{ "S: sfence.w.inval", SFENCE_W_INVAL, MODE_S, 0, RAN, "Svinval 7" },
	{ "U: sfence.w.inval", SFENCE_W_INVAL, MODE_U, 0, ILLEGAL, "Svinval 7" },
	{ "S: sfence.inval.ir", SFENCE_INVAL_IR, MODE_S, 0, RAN, "Svinval 7" },
	{ "S: sfence.inval.ir under TVM", SFENCE_INVAL_IR, MODE_S, TVM, RAN, "Svinval 7" },
	{ "U: sfence.inval.ir", SFENCE_INVAL_IR, MODE_U, 0, ILLEGAL, "Svinval 7" },
	{ "M: fadd.d with FS off", 0x02007053, MODE_M, FS, ILLEGAL, "M 3.1.6.6" },
	{ "U: fmv.x.d with FS off", 0xe2000553, MODE_U, FS, ILLEGAL, "M 3.1.6.6" },
	{ "U: fence with reserved fields", 0x0ff5058f, MODE_U, 0, RAN, "I 2.7" },
	{ "U: fence.tso", 0x8330000f, MODE_U, 0, RAN, "I 2.7" },
	{ "U: fence.i with reserved fields", 0x0015158f, MODE_U, 0, RAN, "I 3" },
	{ "U: pause is a hint", 0x0100000f, MODE_U, 0, RAN, "Zihintpause" },
};

static void instructions(void)
{
	for (size_t i = 0; i < COUNT(privileged); i++) {
		const struct privileged *p = &privileged[i];

		spec_equal(p->section, p->name,
			   spec_try(p->insn, spec_status(p->mode) ^ p->status, 0, 0), p->wanted);
	}
}

/** Cache-block instructions, on the cache block of spec_block, under menvcfg and senvcfg. */
struct block {
	const char *name;
	uint32_t insn;
	unsigned int mode;
	uint64_t menvcfg, senvcfg;
	uint64_t wanted;
};

#define CBO_INVAL 0x0005a00fu /* of (a1) */
#define CBO_CLEAN 0x0015a00fu
#define CBO_FLUSH 0x0025a00fu
#define CBO_ZERO  0x0045a00fu
#define CBCFE	  0x40
#define CBZE	  0x80
#define CBIE	  0x30

static const struct block blocks[] = {
	{ "M: cbo.zero", CBO_ZERO, MODE_M, 0, 0, RAN },
	{ "S: cbo.zero needs CBZE", CBO_ZERO, MODE_S, 0, CBZE, ILLEGAL },
	{ "S: cbo.zero with CBZE", CBO_ZERO, MODE_S, CBZE, 0, RAN },
	{ "U: cbo.zero needs menvcfg.CBZE", CBO_ZERO, MODE_U, 0, CBZE, ILLEGAL },
	{ "U: cbo.zero needs senvcfg.CBZE", CBO_ZERO, MODE_U, CBZE, 0, ILLEGAL },
	{ "U: cbo.zero with both", CBO_ZERO, MODE_U, CBZE, CBZE, RAN },
	{ "S: cbo.clean needs CBCFE", CBO_CLEAN, MODE_S, CBZE, 0, ILLEGAL },
	{ "S: cbo.clean with CBCFE", CBO_CLEAN, MODE_S, CBCFE, 0, RAN },
	{ "U: cbo.flush needs senvcfg.CBCFE", CBO_FLUSH, MODE_U, CBCFE, 0, ILLEGAL },
	{ "U: cbo.flush with both", CBO_FLUSH, MODE_U, CBCFE, CBCFE, RAN },
	{ "S: cbo.inval needs CBIE", CBO_INVAL, MODE_S, CBCFE, 0, ILLEGAL },
	{ "S: cbo.inval with CBIE", CBO_INVAL, MODE_S, CBIE, 0, RAN },
	{ "U: cbo.inval with CBIE of both", CBO_INVAL, MODE_U, CBIE, CBIE, RAN },
};

static void cache_blocks(void)
{
	static uint8_t block[64] __attribute__((aligned(64)));

	for (size_t i = 0; i < COUNT(blocks); i++) {
		const struct block *b = &blocks[i];

		spec_write(CSR_MENVCFG, b->menvcfg);
		spec_write(CSR_SENVCFG, b->senvcfg);
		spec_equal("CMO 2.5", b->name,
			   spec_try(b->insn, spec_status(b->mode), 0, (uintptr_t)block), b->wanted);
	}
	spec_reset();
}

void spec_csr_access(void)
{
	for (size_t i = 0; i < COUNT(accesses); i++) {
		spec_equal(accesses[i].section, accesses[i].name, access(&accesses[i]),
			   accesses[i].wanted);
	}
	read_only_forms();
	counter_gates();
	timer_gates();
	instructions();
	cache_blocks();
}

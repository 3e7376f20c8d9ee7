/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which values the fields of control and status registers hold. */
#include "spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/** Write before, then value, and look at the bits of the mask. */
struct field {
	const char *name;
	uint32_t csr;
	uint64_t before, value, mask, wanted;
	const char *section;
};

/* A bit that holds both values. */
#define HOLDS(name, csr, bit, section)                        \
	{ name " holds 1", csr, 0, bit, bit, bit, section },  \
	{                                                     \
		name " holds 0", csr, bit, 0, bit, 0, section \
	}
/* Bits that are 0 whatever is written. */
#define ZERO(name, csr, bits, section)               \
	{                                            \
		name, csr, 0, bits, bits, 0, section \
	}

static const struct field fields[] = {
	/* mstatus */
	HOLDS("mstatus.SIE", CSR_MSTATUS, SIE, "M 3.1.6.1"),
	HOLDS("mstatus.MIE", CSR_MSTATUS, MIE, "M 3.1.6.1"),
	HOLDS("mstatus.SPIE", CSR_MSTATUS, SPIE, "M 3.1.6.1"),
	HOLDS("mstatus.MPIE", CSR_MSTATUS, MPIE, "M 3.1.6.1"),
	HOLDS("mstatus.SPP", CSR_MSTATUS, SPP, "M 3.1.6.1"),
	HOLDS("mstatus.SUM", CSR_MSTATUS, SUM, "M 3.1.6.3"),
	HOLDS("mstatus.MXR", CSR_MSTATUS, MXR, "M 3.1.6.3"),
	HOLDS("mstatus.MPRV", CSR_MSTATUS, MPRV, "M 3.1.6.3"),
	HOLDS("mstatus.TVM", CSR_MSTATUS, TVM, "M 3.1.6.5"),
	HOLDS("mstatus.TW", CSR_MSTATUS, TW, "M 3.1.6.5"),
	HOLDS("mstatus.TSR", CSR_MSTATUS, TSR, "M 3.1.6.5"),
	{ "mstatus.MPP holds U", CSR_MSTATUS, MPP, 0, MPP, 0, "M 3.1.6.1" },
	{ "mstatus.MPP holds S", CSR_MSTATUS, 0, BIT(11), MPP, BIT(11), "M 3.1.6.1" },
	{ "mstatus.MPP holds M", CSR_MSTATUS, 0, MPP, MPP, MPP, "M 3.1.6.1" },
	{ "mstatus.FS holds Off", CSR_MSTATUS, FS, 0, FS, 0, "M 3.1.6.6" },
	{ "mstatus.FS holds Dirty", CSR_MSTATUS, 0, FS, FS, FS, "M 3.1.6.6" },
	ZERO("mstatus.XS is read-only", CSR_MSTATUS, 3ULL << 15, "M 3.1.6.6"),
	{ "mstatus.SD follows FS: dirty", CSR_MSTATUS, 0, FS, SD, SD, "M 3.1.6.6" },
	{ "mstatus.SD follows FS: off", CSR_MSTATUS, FS, 0, SD, 0, "M 3.1.6.6" },
	{ "mstatus.SD is read-only", CSR_MSTATUS, 0, SD, SD, 0, "M 3.1.6.6" },
	ZERO("mstatus: reserved bits 0, 2, 4", CSR_MSTATUS, 0x15, "M 2.3"),
	ZERO("mstatus: reserved bits 23 to 31", CSR_MSTATUS, 0x1ffULL << 23, "M 2.3"),
	ZERO("mstatus: reserved bits 40 to 62", CSR_MSTATUS, 0x7fffffULL << 40, "M 2.3"),
	ZERO("mstatus.GVA, MPV without hypervisor", CSR_MSTATUS, 3ULL << 38, "M 2.3"),
	/* sstatus */
	HOLDS("sstatus.SIE", CSR_SSTATUS, SIE, "M 4.1.1"),
	HOLDS("sstatus.SPIE", CSR_SSTATUS, SPIE, "M 4.1.1"),
	HOLDS("sstatus.SPP", CSR_SSTATUS, SPP, "M 4.1.1"),
	HOLDS("sstatus.SUM", CSR_SSTATUS, SUM, "M 4.1.1.2"),
	HOLDS("sstatus.MXR", CSR_SSTATUS, MXR, "M 4.1.1.2"),
	ZERO("sstatus shows nothing of M-mode", CSR_SSTATUS,
	     MIE | MPIE | MPP | MPRV | TVM | TW | TSR, "M 4.1.1"),
	/* trap vectors */
	{ "mtvec holds a base", CSR_MTVEC, 0, 0x80123454, ALL, 0x80123454, "M 3.1.7" },
	{ "mtvec holds vectored", CSR_MTVEC, 0, 0x80123401, ALL, 0x80123401, "M 3.1.7" },
	{ "stvec holds a base", CSR_STVEC, 0, 0x80123454, ALL, 0x80123454, "M 4.1.2" },
	{ "stvec holds vectored", CSR_STVEC, 0, 0x80123401, ALL, 0x80123401, "M 4.1.2" },
	/* delegation */
	ZERO("medeleg: not ecall from M-mode", CSR_MEDELEG, BIT(11), "M 3.1.8"),
	HOLDS("medeleg: illegal instruction", CSR_MEDELEG, BIT(ILLEGAL), "M 3.1.8"),
	HOLDS("medeleg: breakpoint", CSR_MEDELEG, BIT(BREAKPOINT), "M 3.1.8"),
	HOLDS("medeleg: ecall from U-mode", CSR_MEDELEG, BIT(ECALL_U), "M 3.1.8"),
	HOLDS("medeleg: fetch page fault", CSR_MEDELEG, BIT(FETCH_PAGE), "M 3.1.8"),
	HOLDS("medeleg: load page fault", CSR_MEDELEG, BIT(LOAD_PAGE), "M 3.1.8"),
	HOLDS("medeleg: store page fault", CSR_MEDELEG, BIT(STORE_PAGE), "M 3.1.8"),
	{ "medeleg: no bit is fixed as 1", CSR_MEDELEG, ALL, 0, ALL, 0, "M 3.1.8" },
	{ "mideleg: no bit is fixed as 1", CSR_MIDELEG, ALL, 0, ALL, 0, "M 3.1.8" },
	HOLDS("mideleg: SSI", CSR_MIDELEG, SSI, "M 3.1.8"),
	HOLDS("mideleg: STI", CSR_MIDELEG, STI, "M 3.1.8"),
	HOLDS("mideleg: SEI", CSR_MIDELEG, SEI, "M 3.1.8"),
	/* interrupts */
	HOLDS("mie.SSIE", CSR_MIE, SSI, "M 3.1.9"),
	HOLDS("mie.MSIE", CSR_MIE, MSI, "M 3.1.9"),
	HOLDS("mie.STIE", CSR_MIE, STI, "M 3.1.9"),
	HOLDS("mie.MTIE", CSR_MIE, MTI, "M 3.1.9"),
	HOLDS("mie.SEIE", CSR_MIE, SEI, "M 3.1.9"),
	HOLDS("mie.MEIE", CSR_MIE, MEI, "M 3.1.9"),
	ZERO("mie: reserved bits 0, 4, 8", CSR_MIE, 0x111, "M 3.1.9"),
	ZERO("mie: no interrupts of a VS-mode", CSR_MIE, 0x444, "M 3.1.9"),
	HOLDS("mip.SSIP for M-mode", CSR_MIP, SSI, "M 3.1.9"),
	HOLDS("mip.STIP for M-mode", CSR_MIP, STI, "M 3.1.9"),
	HOLDS("mip.SEIP for M-mode", CSR_MIP, SEI, "M 3.1.9"),
	ZERO("mip.MSIP is read-only", CSR_MIP, MSI, "M 3.1.9"),
	ZERO("mip.MTIP is read-only", CSR_MIP, MTI, "M 3.1.9"),
	ZERO("mip.MEIP is read-only", CSR_MIP, MEI, "M 3.1.9"),
	ZERO("sie: nothing that is not delegated", CSR_SIE, ALL, "M 4.1.3"),
	ZERO("sip: nothing that is not delegated", CSR_SIP, ALL, "M 4.1.3"),
	/* counters */
	ZERO("mcounteren has 32 bits", CSR_MCOUNTEREN, ALL << 32, "M 3.1.11"),
	ZERO("scounteren has 32 bits", CSR_SCOUNTEREN, ALL << 32, "M 4.1.5"),
	ZERO("mcountinhibit has 32 bits", CSR_MCOUNTINHIBIT, ALL << 32, "M 3.1.12"),
	ZERO("mcountinhibit: time can't be stopped", CSR_MCOUNTINHIBIT, 2, "M 3.1.12"),
	/* scratch registers, exceptions */
	{ "mscratch holds 64 bits", CSR_MSCRATCH, 0, ALL, ALL, ALL, "M 3.1.13" },
	{ "sscratch holds 64 bits", CSR_SSCRATCH, 0, ALL, ALL, ALL, "M 4.1.6" },
	{ "mepc holds addresses of 2 bytes", CSR_MEPC, 0, 0x80000002, ALL, 0x80000002, "M 3.1.14" },
	ZERO("mepc: bit 0 is 0", CSR_MEPC, 1, "M 3.1.14"),
	{ "mepc holds addresses of the upper half", CSR_MEPC, 0, 0xffffffc080001000, ALL,
	  0xffffffc080001000, "M 3.1.14" },
	{ "sepc holds addresses of 2 bytes", CSR_SEPC, 0, 0x80000002, ALL, 0x80000002, "M 4.1.7" },
	ZERO("sepc: bit 0 is 0", CSR_SEPC, 1, "M 4.1.7"),
	{ "sepc holds addresses of the upper half", CSR_SEPC, 0, 0xffffffc080001000, ALL,
	  0xffffffc080001000, "M 4.1.7" },
	{ "mcause holds an interrupt", CSR_MCAUSE, 0, INTERRUPT | 7, ALL, INTERRUPT | 7,
	  "M 3.1.15" },
	{ "mcause holds an exception", CSR_MCAUSE, ALL, 15, ALL, 15, "M 3.1.15" },
	{ "scause holds an interrupt", CSR_SCAUSE, 0, INTERRUPT | 9, ALL, INTERRUPT | 9,
	  "M 4.1.8" },
	{ "scause holds an exception", CSR_SCAUSE, ALL, 13, ALL, 13, "M 4.1.8" },
	{ "mtval holds any address", CSR_MTVAL, 0, 0xffffffc012345679, ALL, 0xffffffc012345679,
	  "M 3.1.16" },
	{ "stval holds any address", CSR_STVAL, 0, 0xffffffc012345679, ALL, 0xffffffc012345679,
	  "M 4.1.9" },
	/* environment */
	HOLDS("menvcfg.FIOM", CSR_MENVCFG, 1, "M 3.1.18"),
	HOLDS("menvcfg.PBMTE", CSR_MENVCFG, BIT(62), "Svpbmt 6"),
	HOLDS("menvcfg.STCE", CSR_MENVCFG, BIT(63), "Sstc 3.1"),
	ZERO("menvcfg: reserved bits", CSR_MENVCFG, 0x0fffffffffffff0eULL, "M 2.3"),
	HOLDS("senvcfg.FIOM", CSR_SENVCFG, 1, "M 4.1.10"),
	ZERO("senvcfg: reserved bits", CSR_SENVCFG, 0xffffffffffffff0eULL, "M 2.3"),
	{ "stimecmp holds 64 bits", CSR_STIMECMP, 0, 0xfedcba9876543210, ALL, 0xfedcba9876543210,
	  "Sstc 2.1" },
	/* physical memory protection: entry 0 to 7 are off */
	ZERO("pmpcfg: bits 5 and 6 are 0", CSR_PMPCFG0, 0x6060606060606060ULL, "M 3.7.1"),
	{ "pmpcfg holds TOR", CSR_PMPCFG0, 0, 0x0f, 0xff, 0x0f, "M 3.7.1.1" },
	{ "pmpcfg holds NAPOT", CSR_PMPCFG0, 0, 0x1f, 0xff, 0x1f, "M 3.7.1.1" },
	{ "pmpcfg: each byte for itself", CSR_PMPCFG0, 0, 0x01000500, ALL, 0x01000500, "M 3.7.1" },
	ZERO("pmpaddr has 54 bits", CSR_PMPADDR0, ALL << 54, "M 3.7.1"),
	{ "pmpaddr holds all of them", CSR_PMPADDR0, 0, ALL >> 10, ALL, ALL >> 10, "M 3.7.1" },
	/* translation */
	{ "satp holds Sv39", CSR_SATP, 0, 8ULL << 60 | 0x80300, 0xfULL << 60 | 0xfffff,
	  8ULL << 60 | 0x80300, "M 4.1.11" },
	{ "satp holds Bare", CSR_SATP, 8ULL << 60, 0, ALL, 0, "M 4.1.11" },
	/* floating point */
	{ "fcsr has 8 bits", CSR_FCSR, 0, ALL, ALL, 0xff, "I 11.2" },
	{ "fflags has 5 bits", CSR_FFLAGS, 0, ALL, ALL, 0x1f, "I 11.2" },
	{ "frm has 3 bits", CSR_FRM, 0, ALL, ALL, 7, "I 11.2" },
};

/** Write a register through one name, read it through another. */
struct alias {
	const char *name;
	uint32_t to, from;
	uint64_t value, mask, wanted;
	const char *section;
};

static const struct alias aliases[] = {
	{ "sstatus.SIE is mstatus.SIE", CSR_SSTATUS, CSR_MSTATUS, SIE, SIE, SIE, "M 4.1.1" },
	{ "mstatus.SUM is sstatus.SUM", CSR_MSTATUS, CSR_SSTATUS, SUM, SUM, SUM, "M 4.1.1" },
	{ "sstatus does not reach MPP", CSR_SSTATUS, CSR_MSTATUS, 0, MPP, MPP, "M 4.1.1" },
	{ "sstatus does not reach TVM", CSR_SSTATUS, CSR_MSTATUS, ALL, TVM | TW | TSR | MPRV, 0,
	  "M 4.1.1" },
	{ "sstatus.SD is mstatus.SD", CSR_MSTATUS, CSR_SSTATUS, FS, SD, SD, "M 4.1.1" },
	{ "fflags are in fcsr", CSR_FFLAGS, CSR_FCSR, 0x15, 0x1f, 0x15, "I 11.2" },
	{ "frm is in fcsr", CSR_FRM, CSR_FCSR, 3, 0xe0, 0x60, "I 11.2" },
	{ "fcsr is in frm", CSR_FCSR, CSR_FRM, 0x40, ALL, 2, "I 11.2" },
	{ "mie.SEIE is sie.SEIE", CSR_MIE, CSR_SIE, SEI, SEI, SEI, "M 4.1.3" },
	{ "sie.STIE is mie.STIE", CSR_SIE, CSR_MIE, STI, STI, STI, "M 4.1.3" },
	{ "sie does not reach mie.MTIE", CSR_SIE, CSR_MIE, ALL, MTI | MSI | MEI, 0, "M 4.1.3" },
	{ "sip.SSIP can be written", CSR_SIP, CSR_MIP, SSI, SSI, SSI, "M 4.1.3" },
	{ "sip.STIP is read-only", CSR_SIP, CSR_MIP, STI, STI, 0, "M 4.1.3" },
	{ "sip.SEIP is read-only", CSR_SIP, CSR_MIP, SEI, SEI, 0, "M 4.1.3" },
	{ "mip.STIP shows in sip", CSR_MIP, CSR_SIP, STI, STI, STI, "M 4.1.3" },
	{ "mcycle shows in cycle", CSR_MCYCLE, CSR_CYCLE, BIT(60), BIT(60), BIT(60), "I 10.1" },
	{ "minstret shows in instret", CSR_MINSTRET, CSR_INSTRET, BIT(60), BIT(60), BIT(60),
	  "I 10.1" },
};

static uint64_t through(uint32_t to, uint32_t from, uint64_t value)
{
	struct spec_run r = { .status = spec_status(MODE_M) | MPP, .a = { value } };
	const uint32_t insns[] = {
		CSR_INSN(to, FUNCT_W, REG_A3, REG_A0),
		CSR_INSN(from, FUNCT_S, REG_A2, 0),
		CSR_INSN(to, FUNCT_W, 0, REG_A3),
	};

	spec_put(insns, COUNT(insns));
	return spec_run_code(&r) == RAN ? r.a[2] : 0xbad;
}

/* After mret MPP is U: it has to be M again before sstatus is written. */
static uint64_t mpp_after_sstatus(void)
{
	struct spec_run r = { .status = spec_status(MODE_M), .a = { 0, MPP } };
	const uint32_t insns[] = {
		CSR_INSN(CSR_MSTATUS, FUNCT_S, 0, REG_A1),
		CSR_INSN(CSR_SSTATUS, FUNCT_W, 0, REG_A0),
		CSR_INSN(CSR_MSTATUS, FUNCT_S, REG_A2, 0),
	};

	spec_put(insns, COUNT(insns));
	return spec_run_code(&r) == RAN ? r.a[2] & MPP : 0xbad;
}

/* satp: what is not supported leaves all of it as it was. */
static void satp_modes(void)
{
	static const char *const names[16] = {
		[1] = "satp: mode 1 is not written",   [2] = "satp: mode 2 is not written",
		[3] = "satp: mode 3 is not written",   [4] = "satp: mode 4 is not written",
		[5] = "satp: mode 5 is not written",   [6] = "satp: mode 6 is not written",
		[7] = "satp: mode 7 is not written",   [11] = "satp: mode 11 is not written",
		[12] = "satp: mode 12 is not written", [13] = "satp: mode 13 is not written",
	};
	uint64_t before = 8ULL << 60 | 0x80300;
	uint64_t asids;

	for (uint64_t mode = 0; mode < 16; mode++) {
		if (names[mode]) {
			spec_equal("M 4.1.11", names[mode],
				   spec_burst(CSR_SATP, before, mode << 60 | 0x12345), before);
		}
	}
	asids = spec_burst(CSR_SATP, 0, 8ULL << 60 | 0xffffULL << 44) >> 44 & 0xffff;
	spec_true("M 4.1.11", "satp: bits of ASID are the lowest ones", (asids & (asids + 1)) == 0,
		  asids);
}

/* Values of which the manual permits several. */
static void choices(void)
{
	uint64_t v = spec_burst(CSR_MSTATUS, 0, BIT(12)) & MPP;

	spec_true("M 3.1.6.1", "mstatus.MPP does not hold 2", v != BIT(12), v);
	v = spec_burst(CSR_MSTATUS, 0, BIT(13)) & FS;
	spec_true("M 3.1.6.6", "mstatus.FS: Initial is held or Dirty", v == BIT(13) || v == FS, v);
	v = spec_burst(CSR_MSTATUS, 0, BIT(14)) & FS;
	spec_true("M 3.1.6.6", "mstatus.FS: Clean is held or Dirty", v == BIT(14) || v == FS, v);
	v = spec_burst(CSR_MSTATUS, 0, 0) >> 32 & 3;
	spec_true("M 3.1.6.2", "mstatus.UXL does not hold 0", v == 1 || v == 2, v);
	v = spec_burst(CSR_MSTATUS, 0, 3ULL << 32) >> 32 & 3;
	spec_true("M 3.1.6.2", "mstatus.UXL is not 128 bits", v == 1 || v == 2, v);
	v = spec_burst(CSR_MSTATUS, 0, 0) >> 34 & 3;
	spec_true("M 3.1.6.2", "mstatus.SXL does not hold 0", v == 1 || v == 2, v);
	v = spec_burst(CSR_MTVEC, 0x80001000, 0x80002002);
	spec_true("M 3.1.7", "mtvec does not hold mode 2", (v & 3) < 2, v);
	v = spec_burst(CSR_MTVEC, 0x80001000, 0x80002003);
	spec_true("M 3.1.7", "mtvec does not hold mode 3", (v & 3) < 2, v);
	v = spec_burst(CSR_STVEC, 0x80001000, 0x80002002);
	spec_true("M 4.1.2", "stvec does not hold mode 2", (v & 3) < 2, v);
	v = spec_burst(CSR_STVEC, 0x80001000, 0x80002003);
	spec_true("M 4.1.2", "stvec does not hold mode 3", (v & 3) < 2, v);
	v = spec_burst(CSR_MENVCFG, 0, 0x20) >> 4 & 3;
	spec_true("Zicbom 2.5", "menvcfg.CBIE does not hold 2", v != 2, v);
	v = spec_burst(CSR_SENVCFG, 0, 0x20) >> 4 & 3;
	spec_true("Zicbom 2.5", "senvcfg.CBIE does not hold 2", v != 2, v);
	v = spec_burst(CSR_PMPCFG0, 0, 2) & 3;
	spec_true("M 3.7.1", "pmpcfg does not hold W without R", v != 2, v);
	v = spec_burst(CSR_PMPCFG0, 0, 6) & 3;
	spec_true("M 3.7.1", "pmpcfg does not hold WX without R", v != 2, v);
}

static void identity(void)
{
	uint64_t misa = spec_read(CSR_MISA);
	uint64_t v;

	spec_equal("M 3.1.1", "misa.MXL is 64 bits", misa >> 62, 2);
	spec_equal("M 3.1.1", "misa: I and not E", misa & 0x110, 0x100);
	spec_equal("M 3.1.1", "misa: M, A, F, D, C", misa & 0x102d, 0x102d);
	spec_equal("M 3.1.1", "misa: S and U", misa & 0x140000, 0x140000);
	spec_equal("M 3.1.1", "misa: no X, nothing non-standard", misa & BIT(23), 0);
	spec_equal("M 3.1.1", "misa: reserved letters", misa & 0x6484400, 0);
	spec_equal("M 3.1.1", "misa: reserved bits", misa & 0x3ffffffffc000000ULL, 0);
	v = spec_burst(CSR_MISA, misa, misa & ~BIT(8));
	spec_true("M 3.1.1", "misa: E is the opposite of I", (v >> 4 & 1) != (v >> 8 & 1), v);
	v = spec_burst(CSR_MISA, misa, misa & ~BIT(5));
	spec_true("M 3.1.1", "misa: no D without F", (v & 0x28) != 8, v);
	spec_equal("M 3.1.2", "mvendorid has 32 bits", spec_read(0xf11) >> 32, 0);
	spec_equal("M 3.1.5", "mhartid is 0 for one hart", spec_read(0xf14), 0);
	spec_equal("M 3.1.17", "mconfigptr is aligned", spec_read(0xf15) & 7, 0);
}

void spec_csr_fields(void)
{
	for (size_t i = 0; i < COUNT(fields); i++) {
		const struct field *f = &fields[i];

		spec_equal(f->section, f->name, spec_burst(f->csr, f->before, f->value) & f->mask,
			   f->wanted);
	}
	choices();
	satp_modes();
	identity();
	spec_reset();
	spec_write(CSR_MIDELEG, SSI | STI | SEI);
	for (size_t i = 0; i < COUNT(aliases); i++) {
		const struct alias *a = &aliases[i];
		uint64_t got = a->to == CSR_SSTATUS && a->mask == MPP
				       ? mpp_after_sstatus()
				       : through(a->to, a->from, a->value) & a->mask;

		spec_equal(a->section, a->name, got, a->wanted);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control and status registers: which there are, who may touch them, which values fields hold.
 * Source: privileged architecture 1.12, chapters 2 to 4; unprivileged ISA 20191213, chapters 10
 * and 11; Sstc 1.0; cache management 1.0.
 *
 * What the manual leaves open is decided next to the register. Registers that are not in the table
 * do not exist: an illegal instruction. Among them, on purpose: debug and trigger registers
 * (tselect, dcsr), pmpcfg4 and up, mseccfg, mstateen, hypervisor and vector registers, and those
 * that only RV32 has.
 */
#include "cpu/riscv/rv_internal.h"

/** What an access asks for beyond the privilege in the register's number. */
enum gate {
	GATE_NONE,
	GATE_FP,       /* FS is not Off */
	GATE_COUNTER,  /* mcounteren, and in U-mode scounteren */
	GATE_SATP,     /* S-mode: TVM is clear */
	GATE_STIMECMP, /* S-mode: STCE and mcounteren.TM */
};

struct csr {
	uint16_t number;
	uint8_t gate;
	uint16_t offset;  /* of the field, where get or set are NULL */
	uint32_t effects; /* of a change, where set is NULL */
	uint64_t mask;	  /* writable bits, where set is NULL */
	const char *name;
	uint64_t (*get)(const struct rv_hart *h, uint32_t csr);
	void (*set)(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects);
};

enum {
	CSR_MIP = 0x344,
	CSR_PMPCFG0 = 0x3a0,
	CSR_PMPADDR0 = 0x3b0,
	CSR_TIME_IDX = 1, /* of cycle, time, instret */
};

#define FRM_SHIFT 5
#define TVEC_MODE 3ULL

static uint64_t get_zero(const struct rv_hart *h, uint32_t csr)
{
	(void)h;
	(void)csr;
	return 0;
}

static void set_nothing(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)h;
	(void)csr;
	(void)value;
	(void)effects;
}

/* ---- mstatus and sstatus ---- */

#define SSTATUS_MASK                                                                          \
	(RV_MSTATUS_SIE | RV_MSTATUS_SPIE | RV_MSTATUS_SPP | RV_MSTATUS_FS | RV_MSTATUS_SUM | \
	 RV_MSTATUS_MXR)

static uint32_t status_effects(uint64_t old, uint64_t status)
{
	uint64_t changed = old ^ status;
	uint32_t effects = 0;

	if (status & RV_MSTATUS_MPRV) {
		effects |= changed & RV_MSTATUS_MPP ? RV_EFFECT_SPACE | RV_EFFECT_MODE : 0;
	}
	if (changed & (RV_MSTATUS_SUM | RV_MSTATUS_MXR | RV_MSTATUS_MPRV)) {
		effects |= RV_EFFECT_SPACE;
	}
	if (changed &
	    (RV_MSTATUS_FS | RV_MSTATUS_MPRV | RV_MSTATUS_TVM | RV_MSTATUS_TW | RV_MSTATUS_TSR)) {
		effects |= RV_EFFECT_MODE;
	}
	return effects | (changed & (RV_MSTATUS_SIE | RV_MSTATUS_MIE) ? RV_EFFECT_IRQ : 0);
}

/* FS holds all four values; VS, XS, UBE, SBE, MBE none but 0; UXL and SXL are 64 bits for ever.
 * MPP: a write of 2, which is no privilege level, leaves the field as it is. */
static void status_write(struct rv_state *s, uint64_t value, uint64_t mask, uint32_t *effects)
{
	uint64_t old = s->mstatus;

	if ((value & RV_MSTATUS_MPP) == BIT(12)) {
		mask &= ~RV_MSTATUS_MPP;
	}
	s->mstatus = (old & ~mask) | (value & mask);
	*effects |= status_effects(old, s->mstatus);
}

static uint64_t get_mstatus(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return rv_mstatus_read(&h->s);
}

static void set_mstatus(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	status_write(&h->s, value, RV_MSTATUS_MASK, effects);
}

static uint64_t get_sstatus(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return rv_mstatus_read(&h->s) & (SSTATUS_MASK | RV_MSTATUS_UXL | RV_MSTATUS_SD);
}

static void set_sstatus(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	status_write(&h->s, value, SSTATUS_MASK, effects);
}

/* ---- interrupts ---- */

static uint64_t get_sie(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return h->s.mie & h->s.mideleg;
}

static void set_sie(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	h->s.mie = (h->s.mie & ~h->s.mideleg) | (value & h->s.mideleg & RV_MIE_MASK);
	*effects |= RV_EFFECT_IRQ;
}

static uint64_t get_mip(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return rv_mip(h);
}

/* STIP is read-only while stimecmp makes it; what software left in it comes back afterwards. */
static void set_mip(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	uint64_t mask = RV_MIP_SOFT;

	(void)csr;
	if (h->s.menvcfg & RV_ENVCFG_STCE) {
		mask &= ~BIT(RV_IRQ_STI);
	}
	h->s.mip = (h->s.mip & ~mask) | (value & mask);
	*effects |= RV_EFFECT_IRQ;
}

static uint64_t get_sip(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return rv_mip(h) & h->s.mideleg;
}

/* SSIP is all that S-mode may change, if it is delegated. */
static void set_sip(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	uint64_t mask = BIT(RV_IRQ_SSI) & h->s.mideleg;

	(void)csr;
	h->s.mip = (h->s.mip & ~mask) | (value & mask);
	*effects |= RV_EFFECT_IRQ;
}

/* ---- trap vectors, translation, environment ---- */

/* A reserved mode (2, 3): the whole write is ignored. */
static void set_tvec(uint64_t *tvec, uint64_t value)
{
	if ((value & TVEC_MODE) <= 1) {
		*tvec = value;
	}
}

static void set_mtvec(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	(void)effects;
	set_tvec(&h->s.mtvec, value);
}

static void set_stvec(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	(void)effects;
	set_tvec(&h->s.stvec, value);
}

/* Mode 8 is Sv39, each further one has a level of 9 bits more. */
static bool is_wide_enough(const struct rv_hart *h, uint64_t satp)
{
	uint64_t mode = satp >> 60;

	return h->cfg.va_bits == 0 || mode == 0 || 39 + 9 * (mode - 8) <= h->cfg.va_bits;
}

/* An unsupported mode: the whole write is ignored, as the manual wants. All 16 bits of ASID are
 * there. Mode Bare keeps whatever else was written. */
static void set_satp(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	if (rv_satp_is_legal(value) && is_wide_enough(h, value) && value != h->s.satp) {
		h->s.satp = value;
		*effects |= RV_EFFECT_SPACE;
	}
}

/* CBIE: a write of 2, which is reserved, leaves the field as it is. */
static uint64_t envcfg(uint64_t old, uint64_t value, uint64_t mask)
{
	if ((value & RV_ENVCFG_CBIE) == BIT(5)) {
		mask &= ~RV_ENVCFG_CBIE;
	}
	return (old & ~mask) | (value & mask);
}

static void set_menvcfg(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	uint64_t old = h->s.menvcfg;
	uint64_t changed;

	(void)csr;
	h->s.menvcfg = envcfg(old, value, RV_MENVCFG_MASK);
	changed = old ^ h->s.menvcfg;
	*effects |= changed ? RV_EFFECT_MODE : 0;
	*effects |= changed & RV_ENVCFG_PBMTE ? RV_EFFECT_TRANSLATION : 0;
	*effects |= changed & RV_ENVCFG_STCE ? RV_EFFECT_TIMER | RV_EFFECT_IRQ : 0;
}

static void set_senvcfg(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	uint64_t old = h->s.senvcfg;

	(void)csr;
	h->s.senvcfg = envcfg(old, value, RV_SENVCFG_MASK);
	*effects |= old != h->s.senvcfg ? RV_EFFECT_MODE : 0;
}

/* ---- floating point ---- */

static void fcsr_write(struct rv_state *s, uint32_t value, uint32_t *effects)
{
	bool changes_meaning =
		(s->fcsr ^ value) >> FRM_SHIFT || (s->mstatus & RV_MSTATUS_FS) != RV_MSTATUS_FS;

	s->fcsr = value;
	s->mstatus |= RV_MSTATUS_FS; /* Dirty */
	*effects |= changes_meaning ? RV_EFFECT_MODE : 0;
}

static uint64_t get_fflags(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return h->s.fcsr & 0x1f;
}

static void set_fflags(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	fcsr_write(&h->s, (h->s.fcsr & ~0x1fu) | ((uint32_t)value & 0x1f), effects);
}

static uint64_t get_frm(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return h->s.fcsr >> FRM_SHIFT & 7;
}

/* The reserved rounding modes 5 to 7 are held; instructions that use them are illegal. */
static void set_frm(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	fcsr_write(&h->s, (h->s.fcsr & 0x1f) | ((uint32_t)value & 7) << FRM_SHIFT, effects);
}

static uint64_t get_fcsr(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return h->s.fcsr;
}

static void set_fcsr(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	(void)csr;
	fcsr_write(&h->s, (uint32_t)value & 0xff, effects);
}

/* ---- counters ---- */

static uint64_t get_time(const struct rv_hart *h, uint32_t csr)
{
	(void)csr;
	return h->cfg.clock.ticks(h->cfg.clock.opaque);
}

/* ---- PMP ---- */

static bool is_pmp_locked(const struct rv_state *s, unsigned int idx)
{
	return rv_pmp_cfg(s, idx) & RV_PMP_L;
}

/* Every byte for itself: a locked one stays. */
static void set_pmpcfg(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	unsigned int word = (csr - CSR_PMPCFG0) / 2;
	uint64_t cfgs = h->s.pmpcfg[word];

	for (unsigned int i = 0; i < 8; i++) {
		uint64_t cfg = rv_pmp_cfg_legal((uint8_t)(value >> i * 8));

		if (!is_pmp_locked(&h->s, word * 8 + i)) {
			cfgs = (cfgs & ~(0xffULL << i * 8)) | cfg << i * 8;
		}
	}
	*effects |= cfgs != h->s.pmpcfg[word] ? RV_EFFECT_TRANSLATION : 0;
	h->s.pmpcfg[word] = cfgs;
}

/* A locked entry that is a range locks the address below it, its start, too. */
static void set_pmpaddr(struct rv_hart *h, uint32_t csr, uint64_t value, uint32_t *effects)
{
	unsigned int idx = csr - CSR_PMPADDR0;

	if (is_pmp_locked(&h->s, idx)) {
		return;
	}
	if (idx + 1 < RV_PMP_COUNT && is_pmp_locked(&h->s, idx + 1) &&
	    (rv_pmp_cfg(&h->s, idx + 1) & RV_PMP_MODE) == RV_PMP_TOR) {
		return;
	}
	h->s.pmpaddr[idx] = value & RV_PMPADDR_MAX;
	*effects |= RV_EFFECT_TRANSLATION;
}

/* ---- the table ---- */

#define AT(f) offsetof(struct rv_hart, s.f)

#define FIELD(nr, nm, f, m, eff)                                                             \
	{                                                                                    \
		.number = (nr), .name = (nm), .offset = AT(f), .mask = (m), .effects = (eff) \
	}
#define ALL_BITS UINT64_MAX
#define ZERO(nr, nm)                                                              \
	{                                                                         \
		.number = (nr), .name = (nm), .get = get_zero, .set = set_nothing \
	}
#define PMPADDR(n)                                                                            \
	{                                                                                     \
		.number = CSR_PMPADDR0 + (n), .name = "pmpaddr" #n, .offset = AT(pmpaddr[n]), \
		.set = set_pmpaddr                                                            \
	}
#define MHPMCOUNTER(n) ZERO(0xb00 + (n), "mhpmcounter" #n)
#define MHPMEVENT(n)   ZERO(0x320 + (n), "mhpmevent" #n)
#define HPMCOUNTER(n)                                                            \
	{                                                                        \
		.number = 0xc00 + (n), .name = "hpmcounter" #n, .get = get_zero, \
		.gate = GATE_COUNTER                                             \
	}
#define HPM(row)                                                                                 \
	row(3), row(4), row(5), row(6), row(7), row(8), row(9), row(10), row(11), row(12),       \
		row(13), row(14), row(15), row(16), row(17), row(18), row(19), row(20), row(21), \
		row(22), row(23), row(24), row(25), row(26), row(27), row(28), row(29), row(30), \
		row(31)

/* In order of number. */
static const struct csr csrs[] = {
	{ .number = 0x001,
	  .name = "fflags",
	  .gate = GATE_FP,
	  .get = get_fflags,
	  .set = set_fflags },
	{ .number = 0x002, .name = "frm", .gate = GATE_FP, .get = get_frm, .set = set_frm },
	{ .number = 0x003, .name = "fcsr", .gate = GATE_FP, .get = get_fcsr, .set = set_fcsr },
	{ .number = 0x100, .name = "sstatus", .get = get_sstatus, .set = set_sstatus },
	{ .number = 0x104, .name = "sie", .get = get_sie, .set = set_sie },
	{ .number = 0x105, .name = "stvec", .offset = AT(stvec), .set = set_stvec },
	FIELD(0x106, "scounteren", scounteren, UINT32_MAX, RV_EFFECT_MODE),
	{ .number = 0x10a, .name = "senvcfg", .offset = AT(senvcfg), .set = set_senvcfg },
	FIELD(0x140, "sscratch", sscratch, ALL_BITS, 0),
	FIELD(0x141, "sepc", sepc, ~1ULL, 0),	     /* instructions begin at even addresses */
	FIELD(0x142, "scause", scause, ALL_BITS, 0), /* WLRL: holds anything */
	FIELD(0x143, "stval", stval, ALL_BITS, 0),
	{ .number = 0x144, .name = "sip", .get = get_sip, .set = set_sip },
	{ .number = 0x14d,
	  .name = "stimecmp",
	  .gate = GATE_STIMECMP,
	  .offset = AT(stimecmp),
	  .mask = ALL_BITS,
	  .effects = RV_EFFECT_TIMER | RV_EFFECT_IRQ },
	{ .number = 0x180, .name = "satp", .gate = GATE_SATP, .offset = AT(satp), .set = set_satp },
	{ .number = 0x300, .name = "mstatus", .get = get_mstatus, .set = set_mstatus },
	FIELD(0x301, "misa", misa, 0, 0), /* no extension can be switched off */
	/* Also cause 0, which can't happen where instructions may begin at every even address:
	 * firmware delegates it nevertheless and some reads back whether it could. */
	FIELD(0x302, "medeleg", medeleg, RV_MEDELEG_MASK, 0),
	/* M-mode's own interrupts can't be delegated. */
	FIELD(0x303, "mideleg", mideleg, RV_MIDELEG_MASK, RV_EFFECT_IRQ),
	FIELD(0x304, "mie", mie, RV_MIE_MASK, RV_EFFECT_IRQ),
	{ .number = 0x305, .name = "mtvec", .offset = AT(mtvec), .set = set_mtvec },
	/* All 32 bits, also those of the counters that are always 0: they may be read then. */
	FIELD(0x306, "mcounteren", mcounteren, UINT32_MAX, RV_EFFECT_MODE),
	{ .number = 0x30a, .name = "menvcfg", .offset = AT(menvcfg), .set = set_menvcfg },
	/* Cycles and instructions; the others do not count anyway. */
	FIELD(0x320, "mcountinhibit", mcountinhibit, RV_COUNTINHIBIT_MASK, RV_EFFECT_COUNTERS),
	HPM(MHPMEVENT), /* counters 3 to 31 are 0, whatever is written */
	FIELD(0x340, "mscratch", mscratch, ALL_BITS, 0),
	FIELD(0x341, "mepc", mepc, ~1ULL, 0),
	FIELD(0x342, "mcause", mcause, ALL_BITS, 0),
	FIELD(0x343, "mtval", mtval, ALL_BITS, 0),
	{ .number = CSR_MIP, .name = "mip", .get = get_mip, .set = set_mip },
	{ .number = 0x3a0, .name = "pmpcfg0", .offset = AT(pmpcfg[0]), .set = set_pmpcfg },
	{ .number = 0x3a2, .name = "pmpcfg2", .offset = AT(pmpcfg[1]), .set = set_pmpcfg },
	RV_PMP_ROWS(PMPADDR),
	FIELD(0xb00, "mcycle", mcycle, ALL_BITS, RV_EFFECT_COUNTERS),
	FIELD(0xb02, "minstret", minstret, ALL_BITS, RV_EFFECT_COUNTERS),
	HPM(MHPMCOUNTER),
	{ .number = 0xc00, .name = "cycle", .gate = GATE_COUNTER, .offset = AT(mcycle) },
	{ .number = 0xc01, .name = "time", .gate = GATE_COUNTER, .get = get_time },
	{ .number = 0xc02, .name = "instret", .gate = GATE_COUNTER, .offset = AT(minstret) },
	HPM(HPMCOUNTER),
	ZERO(0xf11, "mvendorid"), /* 0: none, not registered, not told, no structure */
	ZERO(0xf12, "marchid"),
	ZERO(0xf13, "mimpid"),
	{ .number = 0xf14, .name = "mhartid", .offset = AT(mhartid) },
	ZERO(0xf15, "mconfigptr"),
};

static const struct csr *find(uint32_t number)
{
	size_t lo = 0;
	size_t hi = ARRAY_SIZE(csrs);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (csrs[mid].number == number) {
			return &csrs[mid];
		}
		if (csrs[mid].number < number) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return NULL;
}

static bool passes_gate(const struct rv_state *s, const struct csr *c)
{
	uint64_t bit = BIT(c->number & 31);

	switch (c->gate) {
	case GATE_FP:
		return s->mstatus & RV_MSTATUS_FS;
	case GATE_COUNTER:
		return s->priv == RV_PRIV_M ||
		       ((s->mcounteren & bit) && (s->priv == RV_PRIV_S || (s->scounteren & bit)));
	case GATE_SATP:
		return s->priv != RV_PRIV_S || !(s->mstatus & RV_MSTATUS_TVM);
	case GATE_STIMECMP:
		return s->priv == RV_PRIV_M ||
		       ((s->menvcfg & RV_ENVCFG_STCE) && (s->mcounteren & BIT(CSR_TIME_IDX)));
	default:
		return true;
	}
}

/* Bits 9:8 of the number are the least privilege, bits 11:10 say that it is read-only. */
static bool may_access(const struct rv_state *s, const struct csr *c, bool is_write)
{
	return c && s->priv >= (c->number >> 8 & 3u) && !(is_write && c->number >> 10 == 3) &&
	       passes_gate(s, c);
}

static uint64_t read_csr(const struct rv_hart *h, const struct csr *c)
{
	return c->get ? c->get(h, c->number) : load_le((const uint8_t *)h + c->offset, 8);
}

static void write_csr(struct rv_hart *h, const struct csr *c, uint64_t value, uint32_t *effects)
{
	uint8_t *at = (uint8_t *)h + c->offset;
	uint64_t old;

	if (c->set) {
		c->set(h, c->number, value, effects);
		return;
	}
	old = load_le(at, 8);
	value = (old & ~c->mask) | (value & c->mask);
	store_le(at, value, 8);
	*effects |= old != value || c->effects & RV_EFFECT_COUNTERS ? c->effects : 0;
}

bool rv_csr_access(struct rv_hart *h, uint32_t csr, enum rv_csr_op op, uint64_t operand,
		   uint64_t *ret_old, uint32_t *effects)
{
	const struct csr *c = find(csr);
	uint64_t old = 0;

	if (!may_access(&h->s, c, op != RV_CSR_READ)) {
		return false;
	}
	if (ret_old || op != RV_CSR_WRITE) {
		old = read_csr(h, c);
	}
	if (ret_old) {
		*ret_old = old;
	}
	/* A wire that is up must not become software's bit by csrrs and csrrc (section 3.1.9). */
	old = csr == CSR_MIP ? h->s.mip : old;
	switch (op) {
	case RV_CSR_WRITE:
		write_csr(h, c, operand, effects);
		break;
	case RV_CSR_SET:
		write_csr(h, c, old | operand, effects);
		break;
	case RV_CSR_CLEAR:
		write_csr(h, c, old & ~operand, effects);
		break;
	case RV_CSR_READ:
		break;
	}
	return true;
}

uint64_t rv_csr_peek(const struct rv_hart *h, uint32_t csr)
{
	const struct csr *c = find(csr);

	return c ? read_csr(h, c) : 0;
}

const char *rv_csr_name(uint32_t csr)
{
	const struct csr *c = find(csr);

	return c ? c->name : NULL;
}

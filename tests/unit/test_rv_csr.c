/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CSRs: all 4096 numbers in all modes, read and written; the fields of each register against a table
 * of what they hold; views, read-modify-write, locks, effects; legal states.
 */
#include "test_rv.h"

#define ALL   UINT64_MAX
#define SXL   0xa00000000ULL
#define PBMTE (1ULL << 62)
#define STCE  (1ULL << 63)

enum {
	STATUS = 0x300,
	SSTATUS = 0x100,
	MIP = 0x344,
	SIP = 0x144,
	MIE_CSR = 0x304,
	SIE_CSR = 0x104
};

/* ---- who may access what ---- */

/*
 * What M, S and U may do: read and write. `open`: FS is on, TVM clear, STCE set, all counters
 * enabled; `closed`: the opposite. Every number that is not listed does not exist.
 */
static const struct {
	uint32_t first, last;
	const char *open, *closed;
} access_table[] = {
	{ 0x001, 0x003, "rw rw rw", "-- -- --" }, /* fflags frm fcsr */
	{ 0x100, 0x100, "rw rw --", "rw rw --" }, /* sstatus */
	{ 0x104, 0x106, "rw rw --", "rw rw --" }, /* sie stvec scounteren */
	{ 0x10a, 0x10a, "rw rw --", "rw rw --" }, /* senvcfg */
	{ 0x140, 0x144, "rw rw --", "rw rw --" }, /* sscratch sepc scause stval sip */
	{ 0x14d, 0x14d, "rw rw --", "rw -- --" }, /* stimecmp */
	{ 0x180, 0x180, "rw rw --", "rw -- --" }, /* satp */
	{ 0x300, 0x306, "rw -- --", "rw -- --" }, /* mstatus ... mcounteren */
	{ 0x30a, 0x30a, "rw -- --", "rw -- --" }, /* menvcfg */
	{ 0x320, 0x320, "rw -- --", "rw -- --" }, /* mcountinhibit */
	{ 0x323, 0x33f, "rw -- --", "rw -- --" }, /* mhpmevent3-31 */
	{ 0x340, 0x344, "rw -- --", "rw -- --" }, /* mscratch ... mip */
	{ 0x3a0, 0x3a0, "rw -- --", "rw -- --" }, /* pmpcfg0 */
	{ 0x3a2, 0x3a2, "rw -- --", "rw -- --" }, /* pmpcfg2 */
	{ 0x3b0, 0x3bf, "rw -- --", "rw -- --" }, /* pmpaddr0-15 */
	{ 0xb00, 0xb00, "rw -- --", "rw -- --" }, /* mcycle */
	{ 0xb02, 0xb1f, "rw -- --", "rw -- --" }, /* minstret mhpmcounter3-31 */
	{ 0xc00, 0xc1f, "r- r- r-", "r- -- --" }, /* cycle time instret hpmcounter3-31 */
	{ 0xf11, 0xf15, "r- -- --", "r- -- --" }, /* mvendorid ... mconfigptr */
};

static const char *expected_access(uint32_t csr, bool is_open)
{
	for (size_t i = 0; i < ARRAY_SIZE(access_table); i++) {
		if (csr >= access_table[i].first && csr <= access_table[i].last) {
			return is_open ? access_table[i].open : access_table[i].closed;
		}
	}
	return "-- -- --";
}

static void open_gates(struct rv_hart *h, bool is_open)
{
	rv_open(h, NULL);
	h->s.mcounteren = h->s.scounteren = is_open ? UINT32_MAX : 0;
	h->s.menvcfg = is_open ? STCE : 0;
	h->s.mstatus = SXL | (is_open ? 0x2000 : RV_MSTATUS_TVM);
}

/* One access; a refused one must leave everything alone. */
static void check_access(uint32_t csr, bool is_open, uint32_t priv, enum rv_csr_op op, bool want)
{
	uint64_t old = 0x1111;
	uint32_t effects = 1u << 31;
	struct rv_hart h;
	struct rv_state before;
	bool got;

	open_gates(&h, is_open);
	h.s.priv = priv;
	before = h.s;
	got = rv_csr_access(&h, csr, op, 0, &old, &effects);
	if (got != want) {
		printf("csr 0x%03x priv %u op %u open %d: %d\n", csr, priv, op, is_open, got);
		test_failures++;
	}
	CHECK(effects & 1u << 31);
	if (!want) {
		CHECK_INT(old, 0x1111);
		CHECK_INT(effects, 1u << 31);
		CHECK(memcmp(&before, &h.s, sizeof(before)) == 0);
	}
}

static void every_number_in_every_mode(void)
{
	static const uint32_t privs[] = { RV_PRIV_M, RV_PRIV_S, RV_PRIV_U };

	for (uint32_t i = 0; i < 4096 * 6; i++) {
		uint32_t csr = i / 6;
		bool is_open = i & 1;
		uint32_t k = i / 2 % 3;
		const char *want = expected_access(csr, is_open) + 3 * k;

		check_access(csr, is_open, privs[k], RV_CSR_READ, want[0] == 'r');
		check_access(csr, is_open, privs[k], RV_CSR_WRITE, want[1] == 'w');
		check_access(csr, is_open, privs[k], RV_CSR_SET, want[1] == 'w');
		check_access(csr, is_open, privs[k], RV_CSR_CLEAR, want[1] == 'w');
	}
	/* What is not a number of a CSR at all. */
	check_access(0x1300, true, RV_PRIV_M, RV_CSR_READ, false);
}

static void names(void)
{
	for (uint32_t csr = 0; csr < 4096; csr++) {
		CHECK((rv_csr_name(csr) != NULL) == (expected_access(csr, true)[0] == 'r'));
	}
	CHECK_STR(rv_csr_name(0x300), "mstatus");
	CHECK_STR(rv_csr_name(0x3bf), "pmpaddr15");
	CHECK_STR(rv_csr_name(0xc03), "hpmcounter3");
	CHECK_STR(rv_csr_name(0xb1f), "mhpmcounter31");
	CHECK_STR(rv_csr_name(0x323), "mhpmevent3");
}

/* Each counter has its own bit. */
static void counters_are_opened_one_by_one(void)
{
	for (uint32_t i = 0; i < 32 * 32 * 4; i++) {
		uint32_t counter = i / 128;
		bool is_same = counter == i / 4 % 32;
		bool has_m = i & 1, has_s = i & 2;
		uint32_t bit = 1u << i / 4 % 32;
		struct rv_hart h;
		uint64_t old;
		uint32_t e = 0;

		rv_open(&h, NULL);
		h.s.mcounteren = has_m ? bit : ~bit;
		h.s.scounteren = has_s ? bit : ~bit;
		h.s.priv = RV_PRIV_S;
		CHECK_INT(rv_csr_access(&h, 0xc00 + counter, RV_CSR_READ, 0, &old, &e),
			  has_m == is_same);
		h.s.priv = RV_PRIV_U;
		CHECK_INT(rv_csr_access(&h, 0xc00 + counter, RV_CSR_READ, 0, &old, &e),
			  has_m == is_same && has_s == is_same);
	}
}

static void stimecmp_needs_both(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct rv_hart h;
		uint64_t old;
		uint32_t e = 0;

		rv_open(&h, NULL);
		h.s.menvcfg = i & 1 ? STCE : ~STCE & 0xf1;
		h.s.mcounteren = i & 2 ? 2 : 0xfffffffd;
		h.s.priv = RV_PRIV_S;
		CHECK_INT(rv_csr_access(&h, 0x14d, RV_CSR_READ, 0, &old, &e), i == 3);
		h.s.priv = RV_PRIV_M;
		CHECK(rv_csr_access(&h, 0x14d, RV_CSR_READ, 0, &old, &e));
	}
}

/* ---- what fields hold ---- */

/** Bits of a register; those that no row names are zero for ever. */
struct field {
	uint32_t csr;
	uint8_t hi, lo;
	char kind; /* w: any value; f: fixed; k: an illegal value keeps the field, K: the register */
	uint64_t legal; /* f: the value; k, K: bit n says that n is legal */
};

static const struct field fields[] = {
	{ 0x001, 4, 0, 'w' },
	{ 0x002, 2, 0, 'w' },
	{ 0x003, 7, 0, 'w' },
	/* mstatus: SIE MIE SPIE MPIE SPP MPP FS MPRV SUM MXR TVM TW TSR UXL SXL; SD is not tried here */
	{ 0x300, 1, 1, 'w' },
	{ 0x300, 3, 3, 'w' },
	{ 0x300, 5, 5, 'w' },
	{ 0x300, 7, 7, 'w' },
	{ 0x300, 8, 8, 'w' },
	{ 0x300, 12, 11, 'k', 0xb },
	{ 0x300, 14, 13, 'w' },
	{ 0x300, 22, 17, 'w' },
	{ 0x300, 33, 32, 'f', 2 },
	{ 0x300, 35, 34, 'f', 2 },
	{ 0x300, 63, 63, 'd' },
	/* sstatus: SIE SPIE SPP FS SUM MXR UXL */
	{ 0x100, 1, 1, 'w' },
	{ 0x100, 5, 5, 'w' },
	{ 0x100, 8, 8, 'w' },
	{ 0x100, 14, 13, 'w' },
	{ 0x100, 19, 18, 'w' },
	{ 0x100, 33, 32, 'f', 2 },
	{ 0x100, 63, 63, 'd' },
	/* misa: MXL, ACDFIMSU */
	{ 0x301, 63, 62, 'f', 2 },
	{ 0x301, 25, 0, 'f', 0x14112d },
	/* medeleg: all but 10, 11 (ECALL from M-mode), 14; mideleg: S-mode's */
	{ 0x302, 9, 0, 'w' },
	{ 0x302, 13, 12, 'w' },
	{ 0x302, 15, 15, 'w' },
	{ 0x303, 1, 1, 'w' },
	{ 0x303, 5, 5, 'w' },
	{ 0x303, 9, 9, 'w' },
	{ 0x304, 1, 1, 'w' },
	{ 0x304, 3, 3, 'w' },
	{ 0x304, 5, 5, 'w' },
	{ 0x304, 7, 7, 'w' },
	{ 0x304, 9, 9, 'w' },
	{ 0x304, 11, 11, 'w' },
	{ 0x305, 63, 2, 'w' },
	{ 0x305, 1, 0, 'K', 3 },
	{ 0x105, 63, 2, 'w' },
	{ 0x105, 1, 0, 'K', 3 },
	{ 0x306, 31, 0, 'w' },
	{ 0x106, 31, 0, 'w' },
	/* menvcfg: STCE PBMTE, and as senvcfg CBZE CBCFE CBIE FIOM; ADUE (61) is not there */
	{ 0x30a, 63, 62, 'w' },
	{ 0x30a, 7, 6, 'w' },
	{ 0x30a, 5, 4, 'k', 0xb },
	{ 0x30a, 0, 0, 'w' },
	{ 0x10a, 7, 6, 'w' },
	{ 0x10a, 5, 4, 'k', 0xb },
	{ 0x10a, 0, 0, 'w' },
	{ 0x320, 0, 0, 'w' }, /* mcountinhibit: CY, IR */
	{ 0x320, 2, 2, 'w' },
	{ 0x340, 63, 0, 'w' },
	{ 0x341, 63, 1, 'w' },
	{ 0x342, 63, 0, 'w' },
	{ 0x343, 63, 0, 'w' },
	{ 0x344, 1, 1, 'w' }, /* mip: SSIP STIP SEIP */
	{ 0x344, 5, 5, 'w' },
	{ 0x344, 9, 9, 'w' },
	{ 0x140, 63, 0, 'w' },
	{ 0x141, 63, 1, 'w' },
	{ 0x142, 63, 0, 'w' },
	{ 0x143, 63, 0, 'w' },
	{ 0x14d, 63, 0, 'w' },
	{ 0x180, 59, 0, 'w' },
	{ 0x180, 63, 60, 'K', 0x701 }, /* Bare, Sv39, Sv48, Sv57 */
	{ 0xb00, 63, 0, 'w' },
	{ 0xb02, 63, 0, 'w' },
	/* sie and sip are here as they are while nothing is delegated: all zero */
};

/* Registers that a row of `fields` or nothing at all says everything about. */
static const uint32_t plain[] = {
	0x001, 0x002, 0x003, 0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143,
	0x144, 0x14d, 0x180, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30a, 0x320,
	0x323, 0x330, 0x33f, 0x340, 0x341, 0x342, 0x343, 0x344, 0xb00, 0xb02, 0xb03, 0xb1f,
};

static uint64_t field_get(const struct field *f, uint64_t value)
{
	return value >> f->lo & (ALL >> (63 - (f->hi - f->lo)));
}

/* What a register reads after `value` was written over `old`. */
static uint64_t expected_value(uint32_t csr, uint64_t old, uint64_t value)
{
	uint64_t want = 0;
	bool is_dirty = (value >> 13 & 3) == 3;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		uint64_t v = field_get(f, value);

		if (f->csr != csr) {
			continue;
		}
		switch (f->kind) {
		case 'K':
			if (!(f->legal >> v & 1)) {
				return old;
			}
			break;
		case 'k':
			v = f->legal >> v & 1 ? v : field_get(f, old);
			break;
		case 'f':
			v = f->legal;
			break;
		case 'd':
			v = is_dirty;
			break;
		default:
			break;
		}
		want |= v << f->lo;
	}
	return want;
}

static void check_write(struct rv_hart *h, uint32_t csr, uint64_t value)
{
	uint32_t effects = 0;
	uint64_t old, got;

	h->s.mstatus |= csr < 4 ? 0x2000 : 0; /* floating point is on, for fcsr and its views */
	old = rv_csr_peek(h, csr);
	CHECK(rv_csr_access(h, csr, RV_CSR_WRITE, value, &got, &effects));
	CHECK_INT(got, old);
	got = rv_csr_peek(h, csr);
	if (got != expected_value(csr, old, value)) {
		printf("csr 0x%03x 0x%" PRIx64 " <- 0x%" PRIx64 ": 0x%" PRIx64 ", want 0x%" PRIx64
		       "\n",
		       csr, old, value, got, expected_value(csr, old, value));
		test_failures++;
	}
}

static void fields_hold_what_they_can(void)
{
	struct rv_hart h;

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		rv_open(&h, NULL);
		check_write(&h, plain[i], ALL);
		check_write(&h, plain[i], 0);
		for (unsigned int k = 0; k < 64; k++) {
			check_write(&h, plain[i], BIT(k));
			check_write(&h, plain[i], ~BIT(k));
		}
		for (unsigned int k = 0; k < 5000 && test_failures < 10; k++) {
			check_write(&h, plain[i], rv_random());
			check_write(&h, plain[i], rv_random() & rv_random() & rv_random());
		}
	}
}

/* A hart may be made with fewer modes of translation; what it lacks is ignored as any other. */
static void satp_modes_are_configured(void)
{
	static const struct {
		uint8_t va_bits;
		uint64_t legal; /* bit n: mode n */
	} rows[] = { { 0, 0x701 }, { 39, 0x101 }, { 48, 0x301 }, { 57, 0x701 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 16; i++) {
		uint64_t mode = i % 16;
		bool is_legal = rows[i / 16].legal >> mode & 1;
		struct rv_hart h;

		rv_open(&h, NULL);
		h.cfg.va_bits = rows[i / 16].va_bits;
		rv_put(&h, 0x180, 0x1234);
		rv_put(&h, 0x180, mode << 60 | 0x77);
		CHECK_INT(rv_csr_peek(&h, 0x180), is_legal ? mode << 60 | 0x77 : 0x1234);
	}
}

static void constants(void)
{
	static const uint32_t zero[] = { 0xf11, 0xf12, 0xf13, 0xf15, 0xc03, 0xc1f };
	struct rv_hart h;

	rv_open(&h, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(zero); i++) {
		CHECK_INT(rv_csr_peek(&h, zero[i]), 0);
	}
	CHECK_INT(rv_csr_peek(&h, 0xf14), 3);
	h.s.mcycle = 0x123456789abcdef;
	h.s.minstret = 77;
	rv_now = 4711;
	CHECK_INT(rv_csr_peek(&h, 0xc00), 0x123456789abcdef);
	CHECK_INT(rv_csr_peek(&h, 0xc01), 4711);
	CHECK_INT(rv_csr_peek(&h, 0xc02), 77);
	CHECK_INT(rv_csr_peek(&h, 0x7a0), 0);
}

/* ---- PMP ---- */

/* A configuration byte: W without R loses W; bits 5 and 6 are nothing. */
static uint64_t expected_cfg(uint64_t cfg)
{
	return (cfg & 3) == 2 ? cfg & 0x9d : cfg & 0x9f;
}

static void pmp_bytes(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	for (unsigned int cfg = 0; cfg < 128; cfg++) {
		for (unsigned int i = 0; i < 16; i++) {
			uint32_t csr = i < 8 ? 0x3a0 : 0x3a2;

			rv_put(&h, csr, (uint64_t)cfg << i % 8 * 8);
			CHECK_INT(rv_csr_peek(&h, csr), expected_cfg(cfg) << i % 8 * 8);
		}
	}
	for (unsigned int i = 0; i < 16; i++) {
		rv_put(&h, 0x3b0 + i, ALL);
		CHECK_INT(rv_csr_peek(&h, 0x3b0 + i), 0x3fffffffffffff);
		rv_put(&h, 0x3b0 + i, 0x5a5a << i);
		CHECK_INT(rv_csr_peek(&h, 0x3b0 + i), 0x5a5a << i);
	}
}

/* Locked: the byte, its address and, under a range, the address below. */
static void pmp_locks(void)
{
	static const struct {
		uint8_t cfg;
		bool below;
	} rows[] = {
		{ 0x80, false }, { 0x88, true }, { 0x90, false }, { 0x98, false }, { 0x8f, true }
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows) * 16; i++) {
		unsigned int at = i % 16;
		uint32_t csr = at < 8 ? 0x3a0 : 0x3a2;
		struct rv_hart h;

		rv_open(&h, NULL);
		rv_put(&h, csr, (uint64_t)rows[i / 16].cfg << at % 8 * 8);
		rv_put(&h, csr, 0);
		CHECK_INT(rv_csr_peek(&h, csr), (uint64_t)rows[i / 16].cfg << at % 8 * 8);
		rv_put(&h, csr, ALL & 0x1f1f1f1f1f1f1f1f);
		CHECK_INT(rv_csr_peek(&h, csr) >> at % 8 * 8 & 0xff, rows[i / 16].cfg);
		CHECK_INT(rv_csr_peek(&h, csr) >> (at + 1) % 8 * 8 & 0xff, 0x1f);
		for (unsigned int k = 0; k < 16; k++) {
			bool is_locked = k == at || (k + 1 == at && rows[i / 16].below);

			rv_put(&h, 0x3b0 + k, 0x1234);
			CHECK_INT(rv_csr_peek(&h, 0x3b0 + k), is_locked ? 0 : 0x1234);
		}
	}
}

/* ---- views and read-modify-write ---- */

static void sstatus_is_a_view(void)
{
	const uint64_t mask = 0x80000003000de762; /* of the manual, with UBE, XS, VS: zero here */
	struct rv_hart h;

	rv_open(&h, NULL);
	for (unsigned int i = 0; i < 10000; i++) {
		uint64_t m;

		rv_put(&h, STATUS, rv_random());
		m = rv_csr_peek(&h, STATUS);
		CHECK_INT(rv_csr_peek(&h, SSTATUS), m & mask);
		rv_put(&h, SSTATUS, rv_random());
		CHECK_INT(rv_csr_peek(&h, STATUS) & ~mask, m & ~mask);
		CHECK_INT(rv_csr_peek(&h, STATUS) >> 63, (rv_csr_peek(&h, STATUS) >> 13 & 3) == 3);
	}
}

static void sie_and_sip_show_what_is_delegated(void)
{
	struct rv_hart h;

	for (unsigned int i = 0; i < 8 * 1000; i++) {
		uint64_t deleg = (i & 1) << 1 | (i & 2) << 4 | (i & 4) << 7;
		uint64_t mie = rv_random(), value = rv_random();
		uint64_t mip = rv_random();

		rv_open(&h, NULL);
		rv_put(&h, 0x303, deleg);
		rv_put(&h, MIE_CSR, mie);
		rv_put(&h, MIP, mip);
		CHECK_INT(rv_csr_peek(&h, SIE_CSR), mie & deleg);
		CHECK_INT(rv_csr_peek(&h, SIP), mip & deleg);
		rv_put(&h, SIE_CSR, value);
		CHECK_INT(rv_csr_peek(&h, MIE_CSR), ((mie & ~deleg) | (value & deleg)) & 0xaaa);
		rv_put(&h, SIP, value);
		deleg &= 2; /* SSIP alone */
		CHECK_INT(rv_csr_peek(&h, MIP), ((mip & ~deleg) | (value & deleg)) & 0x222);
	}
}

static uint64_t modify(struct rv_hart *h, uint32_t csr, enum rv_csr_op op, uint64_t value)
{
	uint64_t old = 0;
	uint32_t effects = 0;

	CHECK(rv_csr_access(h, csr, op, value, &old, &effects));
	return old;
}

static void set_and_clear(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	h.s.mscratch = 0xf0f0;
	CHECK_INT(modify(&h, 0x340, RV_CSR_SET, 0x0ff0), 0xf0f0);
	CHECK_INT(h.s.mscratch, 0xfff0);
	CHECK_INT(modify(&h, 0x340, RV_CSR_CLEAR, 0xff0f), 0xfff0);
	CHECK_INT(h.s.mscratch, 0xf0);
	CHECK_INT(modify(&h, 0x340, RV_CSR_READ, ALL), 0xf0);
	CHECK_INT(modify(&h, 0x340, RV_CSR_WRITE, 7), 0xf0);
	CHECK_INT(h.s.mscratch, 7);
	/* MPP becomes 2 in passing: refused, the other bits are written */
	rv_put(&h, STATUS, 0x1800);
	modify(&h, STATUS, RV_CSR_CLEAR, 0x800);
	CHECK_INT(rv_csr_peek(&h, STATUS), SXL | 0x1800);
}

/* Section 3.1.9: what is read of SEIP has the wire in it, what is written back has not. */
static void wires_do_not_stick(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	rv_hart_wires_set(&h, 0xa88, ALL);
	CHECK_INT(modify(&h, MIP, RV_CSR_SET, 2), 0xa88);
	rv_hart_wires_set(&h, 0xa88, 0);
	CHECK_INT(rv_csr_peek(&h, MIP), 2);
	modify(&h, MIP, RV_CSR_SET, 0x200);
	CHECK_INT(rv_csr_peek(&h, MIP), 0x202);
	rv_hart_wires_set(&h, 0x200, ALL);
	modify(&h, MIP, RV_CSR_CLEAR, 0x202);
	CHECK_INT(rv_csr_peek(&h, MIP), 0x200);
	rv_hart_wires_set(&h, 0x200, 0);
	CHECK_INT(rv_csr_peek(&h, MIP), 0);
	rv_put(&h, MIP, ALL);
	CHECK_INT(rv_csr_peek(&h, MIP), 0x222);
}

static void stip_is_the_comparators(void)
{
	struct rv_hart h;

	rv_now = 10;
	rv_open(&h, NULL);
	rv_put(&h, MIP, 0x20);
	rv_put(&h, 0x14d, 11);
	CHECK_INT(rv_csr_peek(&h, MIP), 0x20);
	rv_put(&h, 0x30a, STCE);
	CHECK_INT(rv_csr_peek(&h, MIP), 0);
	rv_put(&h, MIP, 0x20);
	CHECK_INT(rv_csr_peek(&h, MIP), 0);
	rv_now = 11;
	CHECK_INT(rv_csr_peek(&h, MIP), 0x20);
	rv_put(&h, MIP, 0);
	CHECK_INT(rv_csr_peek(&h, MIP), 0x20);
	rv_now = 0;
	rv_put(&h, 0x30a, 0); /* what software had left there */
	CHECK_INT(rv_csr_peek(&h, MIP), 0x20);
}

static void floating_point_state_gets_dirty(void)
{
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t fs = i & 1 ? 0x2000 : 0x4000;
		uint32_t csr = 1 + i / 2;
		struct rv_hart h;

		rv_open(&h, NULL);
		rv_put(&h, STATUS, fs);
		modify(&h, csr, RV_CSR_READ, 0);
		CHECK_INT(rv_csr_peek(&h, STATUS), SXL | fs);
		modify(&h, csr, RV_CSR_SET, 0);
		CHECK_INT(rv_csr_peek(&h, STATUS), SXL | 0x6000 | 1ULL << 63);
	}
}

static void flags_and_rounding_mode_make_fcsr(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	rv_put(&h, STATUS, 0x2000);
	rv_put(&h, 3, 0xe5);
	CHECK_INT(rv_csr_peek(&h, 1), 5);
	CHECK_INT(rv_csr_peek(&h, 2), 7);
	rv_put(&h, 1, 0x1a);
	CHECK_INT(rv_csr_peek(&h, 3), 0xfa);
	rv_put(&h, 2, 1);
	CHECK_INT(rv_csr_peek(&h, 3), 0x3a);
}

/* ---- effects ---- */

static void effects_are_told(void)
{
	enum {
		TR = RV_EFFECT_TRANSLATION,
		SP = RV_EFFECT_SPACE,
		IR = RV_EFFECT_IRQ,
		MO = RV_EFFECT_MODE,
		TI = RV_EFFECT_TIMER,
		CO = RV_EFFECT_COUNTERS,
	};
	static const struct {
		uint32_t csr;
		uint64_t before, value;
		uint32_t want;
	} rows[] = {
		{ 0x300, 0, 0x2, IR },
		{ 0x300, 0, 0x8, IR },
		{ 0x300, 0, 0x1a0, 0 },
		{ 0x300, 0, 0x1800, 0 },
		{ 0x300, 0x20000, 0x21800, SP | MO },
		{ 0x300, 0, 0x20000, SP | MO },
		{ 0x300, 0, 0x40000, SP },
		{ 0x300, 0, 0x80000, SP },
		{ 0x300, 0, 0x100000, MO },
		{ 0x300, 0, 0x200000, MO },
		{ 0x300, 0, 0x400000, MO },
		{ 0x300, 0, 0x4000, MO },
		{ 0x300, 0xc0000, 0xc0000, 0 },
		{ 0x100, 0x40002, 0, SP | IR },
		{ 0x180, 0, 8ULL << 60, SP },
		{ 0x180, 8ULL << 60, 8ULL << 60, 0 },
		{ 0x180, 0, 5ULL << 60, 0 },
		{ 0x304, 0, 0x80, IR },
		{ 0x344, 0, 0x2, IR },
		{ 0x104, 0, 0x2, IR },
		{ 0x144, 0, 0x2, IR },
		{ 0x303, 0, 0x2, IR },
		{ 0x302, 0, 0x2, 0 },
		{ 0x306, 0, 1, MO },
		{ 0x106, 0, 1, MO },
		{ 0x30a, 0, STCE, TI | IR | MO },
		{ 0x30a, 0, PBMTE, TR | MO },
		{ 0x30a, 0, 0x80, MO },
		{ 0x30a, 0x80, 0x80, 0 },
		{ 0x10a, 0, 0x10, MO },
		{ 0x14d, 0, 5, TI | IR },
		{ 0x3a0, 0, 0x1f, TR },
		{ 0x3a0, 0x1f, 0x1f, 0 },
		{ 0x3b0, 0, 1, TR },
		{ 0xb00, 5, 5, CO }, /* also the same value: it has moved on since */
		{ 0xb02, 0, 1, CO },
		{ 0x320, 0, 1, CO },
		{ 0x001, 0, 1, 0 },
		{ 0x002, 0, 1, MO },
		{ 0x003, 0, 0x21, MO },
		{ 0x305, 0, 0x1000, 0 },
		{ 0x340, 0, 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t effects = 0;
		struct rv_hart h;

		rv_open(&h, NULL);
		rv_put(&h, STATUS, rows[i].csr < 4 ? 0x6000 : 0);
		rv_put(&h, rows[i].csr, rows[i].before);
		CHECK(rv_csr_access(&h, rows[i].csr, RV_CSR_WRITE, rows[i].value, NULL, &effects));
		if (effects != rows[i].want) {
			printf("csr 0x%03x <- 0x%" PRIx64 ": effects 0x%x, want 0x%x\n",
			       rows[i].csr, rows[i].value, effects, rows[i].want);
			test_failures++;
		}
	}
}

/* ---- foreign states ---- */

static void random_state(struct rv_state *s)
{
	uint8_t *bytes = (uint8_t *)s;

	for (size_t i = 0; i < sizeof(*s); i += 8) {
		store_le(bytes + i, rv_random(), 8);
	}
	s->priv = (uint32_t)rv_random() & (rv_once_in(2) ? 3 : UINT32_MAX);
	s->satp = rv_once_in(2) ? s->satp : (s->satp & ~(15ULL << 60)) | (8 + rv_below(4)) << 60;
}

/* A register reads as one could that was written by software. */
static void check_legal(const struct rv_hart *h, uint32_t csr)
{
	uint64_t got = rv_csr_peek(h, csr);

	CHECK_INT(got, expected_value(csr, got, got));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		if (f->csr == csr && (f->kind == 'k' || f->kind == 'K')) {
			CHECK(f->legal >> field_get(f, got) & 1);
		}
	}
}

static void foreign_states_become_legal(void)
{
	for (unsigned int i = 0; i < 20000 && test_failures < 10; i++) {
		struct rv_hart h;
		struct rv_state s;

		rv_open(&h, NULL);
		random_state(&h.s);
		rv_state_legalise(&h.s);
		s = h.s;
		rv_state_legalise(&s);
		CHECK(memcmp(&s, &h.s, sizeof(s)) == 0);
		s.menvcfg &= ~STCE; /* mip is the software's then */
		h.s = s;
		for (size_t k = 0; k < ARRAY_SIZE(plain); k++) {
			if (plain[k] != SIE_CSR && plain[k] != SIP) {
				check_legal(&h, plain[k]);
			}
		}
		CHECK(s.priv == 0 || s.priv == 1 || s.priv == 3);
		CHECK_INT(s.x[0], 0);
		CHECK_INT(s.pc & 1, 0);
		CHECK_INT(s.fcsr >> 8, 0);
		CHECK_INT(s.mstatus >> 63, 0);
		for (unsigned int k = 0; k < 16; k++) {
			uint64_t cfg = ((const uint8_t *)s.pmpcfg)[k];

			CHECK_INT(cfg, expected_cfg(cfg));
			CHECK_INT(s.pmpaddr[k] >> 54, 0);
		}
	}
}

/* What software made is legal already. */
static void own_states_stay_as_they_are(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	for (unsigned int i = 0; i < 100000 && test_failures < 10; i++) {
		uint32_t csr = (uint32_t)rv_random() & 0xfff;
		struct rv_state s;
		uint32_t effects = 0;
		uint64_t old;

		if (i % 1000 == 0) {
			rv_open(&h, NULL);
		}
		rv_csr_access(&h, csr, (enum rv_csr_op)(1 + rv_below(3)), rv_random(), &old,
			      &effects);
		s = h.s;
		rv_state_legalise(&s);
		CHECK(memcmp(&s, &h.s, sizeof(s)) == 0);
	}
}

static const struct test_case cases[] = {
	{ "every_number_in_every_mode", every_number_in_every_mode },
	{ "names", names },
	{ "counters_are_opened_one_by_one", counters_are_opened_one_by_one },
	{ "stimecmp_needs_both", stimecmp_needs_both },
	{ "fields_hold_what_they_can", fields_hold_what_they_can },
	{ "satp_modes_are_configured", satp_modes_are_configured },
	{ "constants", constants },
	{ "pmp_bytes", pmp_bytes },
	{ "pmp_locks", pmp_locks },
	{ "sstatus_is_a_view", sstatus_is_a_view },
	{ "sie_and_sip_show_what_is_delegated", sie_and_sip_show_what_is_delegated },
	{ "set_and_clear", set_and_clear },
	{ "wires_do_not_stick", wires_do_not_stick },
	{ "stip_is_the_comparators", stip_is_the_comparators },
	{ "floating_point_state_gets_dirty", floating_point_state_gets_dirty },
	{ "flags_and_rounding_mode_make_fcsr", flags_and_rounding_mode_make_fcsr },
	{ "effects_are_told", effects_are_told },
	{ "foreign_states_become_legal", foreign_states_become_legal },
	{ "own_states_stay_as_they_are", own_states_stay_as_they_are },
};

TEST_MAIN(cases)

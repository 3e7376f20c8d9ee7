/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traps, returns, interrupts and privileged instructions, by tables; every combination of pending,
 * enabled and delegated interrupts in every mode against a list in order of urgency.
 */
#include "test_rv.h"

#define XL  0xa00000000ULL
#define IRQ (1ULL << 63)

enum { SIE = 0x2, MIE = 0x8, SPIE = 0x20, MPIE = 0x80, SPP = 0x100, MPP_S = 0x800, MPP_M = 0x1800 };

#define MPRV RV_MSTATUS_MPRV
#define TVM  RV_MSTATUS_TVM
#define TW   RV_MSTATUS_TW
#define TSR  RV_MSTATUS_TSR

static void traps(void)
{
	static const struct {
		uint32_t priv;
		uint64_t status, medeleg, mideleg, cause;
		uint32_t want_priv;
		uint64_t want_status, want_pc;
	} rows[] = {
		/* to M-mode: vectored, base 0x1000 */
		{ RV_PRIV_M, MIE, 0, 0, 2, RV_PRIV_M, MPIE | MPP_M, 0x1000 },
		{ RV_PRIV_M, 0, 0, 0, 2, RV_PRIV_M, MPP_M, 0x1000 },
		{ RV_PRIV_S, SIE, 0, 0, 9, RV_PRIV_M, SIE | MPP_S, 0x1000 },
		{ RV_PRIV_U, MIE | SPIE, 0, 0, 8, RV_PRIV_M, MPIE | SPIE, 0x1000 },
		{ RV_PRIV_U, MIE, 0, 0, IRQ | 7, RV_PRIV_M, MPIE, 0x101c },
		{ RV_PRIV_S, MIE, 0, 0, IRQ | 1, RV_PRIV_M, MPIE | MPP_S, 0x1004 },
		{ RV_PRIV_M, MIE, 0, 0, IRQ | 11, RV_PRIV_M, MPIE | MPP_M, 0x102c },
		/* delegation is for less privileged modes */
		{ RV_PRIV_M, MIE, 0xffff, 0xffff, 3, RV_PRIV_M, MPIE | MPP_M, 0x1000 },
		{ RV_PRIV_M, MIE, 0xffff, 0xffff, IRQ | 9, RV_PRIV_M, MPIE | MPP_M, 0x1024 },
		/* to S-mode: direct, base 0x2000 */
		{ RV_PRIV_S, SIE | MIE, 8, 0, 3, RV_PRIV_S, MIE | SPIE | SPP, 0x2000 },
		{ RV_PRIV_S, SPIE, 8, 0, 3, RV_PRIV_S, SPP, 0x2000 },
		{ RV_PRIV_S, 0, 8, 0, 3, RV_PRIV_S, SPP, 0x2000 },
		{ RV_PRIV_U, SIE, 0xb1ff, 0, 8, RV_PRIV_S, SPIE, 0x2000 },
		{ RV_PRIV_U, SPP, 0x8000, 0, 15, RV_PRIV_S, 0, 0x2000 },
		{ RV_PRIV_U, 0, 0, 0x20, IRQ | 5, RV_PRIV_S, 0, 0x2000 },
		{ RV_PRIV_U, 0, 0x20, 0, IRQ | 5, RV_PRIV_M, 0, 0x1014 },
		{ RV_PRIV_S, 0, 0, 0x20, 5, RV_PRIV_M, MPP_S, 0x1000 },
		/* nothing of this is about MPRV, SUM, FS ... */
		{ RV_PRIV_S, MPRV | TSR | 0x46000, 0, 0, 2, RV_PRIV_M, MPRV | TSR | 0x46000 | MPP_S,
		  0x1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool to_s = rows[i].want_priv == RV_PRIV_S;
		struct rv_hart h;

		rv_open(&h, NULL);
		h.s.pc = 0x77770;
		h.s.priv = rows[i].priv;
		h.s.mstatus = XL | rows[i].status;
		h.s.medeleg = rows[i].medeleg;
		h.s.mideleg = rows[i].mideleg;
		h.s.mtvec = 0x1001;
		h.s.stvec = 0x2000;
		rv_trap(&h, rows[i].cause, 0x1234);
		CHECK_INT(h.s.priv, rows[i].want_priv);
		CHECK_INT(h.s.mstatus, XL | rows[i].want_status);
		CHECK_INT(h.s.pc, rows[i].want_pc);
		CHECK_INT(to_s ? h.s.sepc : h.s.mepc, 0x77770);
		CHECK_INT(to_s ? h.s.scause : h.s.mcause, rows[i].cause);
		CHECK_INT(to_s ? h.s.stval : h.s.mtval, 0x1234);
		CHECK_INT(to_s ? h.s.mepc : h.s.sepc, 0);
		CHECK_INT(to_s ? h.s.mcause : h.s.scause, 0);
	}
}

static void vectored_supervisor_traps(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	h.s.priv = RV_PRIV_U;
	h.s.stvec = 0xffffffff80000101;
	h.s.mideleg = 0x222;
	h.s.medeleg = 0x100;
	rv_trap(&h, IRQ | 9, 0);
	CHECK_INT(h.s.pc, 0xffffffff80000124);
	h.s.priv = RV_PRIV_U;
	rv_trap(&h, 8, 0);
	CHECK_INT(h.s.pc, 0xffffffff80000100);
}

static void returns(void)
{
	static const struct {
		enum rv_priv_insn insn;
		uint32_t priv;
		uint64_t status;
		bool is_ok;
		uint32_t want_priv;
		uint64_t want_status;
	} rows[] = {
		{ RV_MRET, RV_PRIV_M, MPP_M | MPIE, true, RV_PRIV_M, MIE | MPIE },
		{ RV_MRET, RV_PRIV_M, MPP_M | MIE, true, RV_PRIV_M, MPIE },
		{ RV_MRET, RV_PRIV_M, MPP_S | MPIE, true, RV_PRIV_S, MIE | MPIE },
		{ RV_MRET, RV_PRIV_M, SIE | SPP, true, RV_PRIV_U, MPIE | SIE | SPP },
		{ RV_MRET, RV_PRIV_M, MPRV | MPP_M, true, RV_PRIV_M, MPRV | MPIE },
		{ RV_MRET, RV_PRIV_M, MPRV | MPP_S, true, RV_PRIV_S, MPIE },
		{ RV_MRET, RV_PRIV_M, MPRV, true, RV_PRIV_U, MPIE },
		{ RV_MRET, RV_PRIV_S, MPP_S, false, 0, 0 },
		{ RV_MRET, RV_PRIV_U, 0, false, 0, 0 },
		{ RV_SRET, RV_PRIV_S, SPP | SPIE, true, RV_PRIV_S, SIE | SPIE },
		{ RV_SRET, RV_PRIV_S, SIE, true, RV_PRIV_U, SPIE },
		{ RV_SRET, RV_PRIV_S, SPIE | MIE | MPP_M, true, RV_PRIV_U,
		  SIE | SPIE | MIE | MPP_M },
		{ RV_SRET, RV_PRIV_S, TSR | SPP, false, 0, 0 },
		{ RV_SRET, RV_PRIV_S, TVM | TW | SPP, true, RV_PRIV_S, TVM | TW | SPIE },
		{ RV_SRET, RV_PRIV_M, TSR | SPP | MPRV, true, RV_PRIV_S, TSR | SPIE },
		{ RV_SRET, RV_PRIV_M, MPRV | MPP_M, true, RV_PRIV_U, SPIE | MPP_M },
		{ RV_SRET, RV_PRIV_U, SPP, false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t effects = 0;
		struct rv_hart h;
		struct rv_state before;

		rv_open(&h, NULL);
		h.s.priv = rows[i].priv;
		h.s.mstatus = XL | rows[i].status;
		h.s.mepc = 0x4444;
		h.s.sepc = 0x8888;
		before = h.s;
		CHECK_INT(rv_priv_insn(&h, rows[i].insn, &effects), rows[i].is_ok);
		if (!rows[i].is_ok) {
			CHECK(memcmp(&before, &h.s, sizeof(before)) == 0);
			CHECK_INT(effects, 0);
			continue;
		}
		CHECK_INT(h.s.priv, rows[i].want_priv);
		CHECK_INT(h.s.mstatus, XL | rows[i].want_status);
		CHECK_INT(h.s.pc, rows[i].insn == RV_MRET ? 0x4444 : 0x8888);
		CHECK(effects & RV_EFFECT_MODE);
		CHECK(effects & RV_EFFECT_IRQ);
		CHECK_INT((effects & RV_EFFECT_SPACE) != 0,
			  (rows[i].status & ~rows[i].want_status & MPRV) != 0);
	}
}

/* Who may: one letter for each of TVM, TW, TSR clear; then TVM; then TW; then TSR set. */
static void instructions_and_who_may(void)
{
	static const struct {
		enum rv_priv_insn insn;
		const char *m, *s, *u;
		uint32_t effects;
	} rows[] = {
		{ RV_WFI, "yyyy", "yyny", "nnnn", 0 },
		{ RV_SFENCE_VMA, "yyyy", "ynyy", "nnnn", RV_EFFECT_TRANSLATION },
		{ RV_SINVAL_VMA, "yyyy", "ynyy", "nnnn", RV_EFFECT_TRANSLATION },
		{ RV_SFENCE_W_INVAL, "yyyy", "yyyy", "nnnn", 0 },
		{ RV_SFENCE_INVAL_IR, "yyyy", "yyyy", "nnnn", 0 },
	};
	static const uint64_t status[] = { 0, TVM, TW, TSR };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *who[] = { rows[i].u, rows[i].s, NULL, rows[i].m };

		for (unsigned int k = 0; k < 16; k++) {
			uint32_t effects = 0;
			struct rv_hart h;
			struct rv_state before;
			bool want;

			if (!who[k / 4]) {
				continue;
			}
			rv_open(&h, NULL);
			h.s.priv = k / 4;
			h.s.mstatus |= status[k % 4];
			before = h.s;
			want = who[k / 4][k % 4] == 'y';
			CHECK_INT(rv_priv_insn(&h, rows[i].insn, &effects), want);
			CHECK_INT(effects, want ? rows[i].effects : 0);
			CHECK(memcmp(&before, &h.s, sizeof(before)) == 0);
		}
	}
}

/* menvcfg and senvcfg fields: CBIE 0x30, CBCFE 0x40, CBZE 0x80. */
static void cache_block_operations(void)
{
	static const struct {
		enum rv_cbo op;
		uint64_t menvcfg, senvcfg;
		const char *want; /* M, S, U */
	} rows[] = {
		{ RV_CBO_INVAL, 0, 0, "ynn" },	     { RV_CBO_INVAL, 0x10, 0, "yyn" },
		{ RV_CBO_INVAL, 0x30, 0x10, "yyy" }, { RV_CBO_INVAL, 0, 0x30, "ynn" },
		{ RV_CBO_INVAL, 0xc0, 0xc0, "ynn" }, { RV_CBO_CLEAN, 0, 0x40, "ynn" },
		{ RV_CBO_CLEAN, 0x40, 0, "yyn" },    { RV_CBO_CLEAN, 0x40, 0x40, "yyy" },
		{ RV_CBO_CLEAN, 0xb0, 0xb0, "ynn" }, { RV_CBO_FLUSH, 0x40, 0x40, "yyy" },
		{ RV_CBO_FLUSH, 0x40, 0xb0, "yyn" }, { RV_CBO_ZERO, 0, 0x80, "ynn" },
		{ RV_CBO_ZERO, 0x80, 0, "yyn" },     { RV_CBO_ZERO, 0x80, 0x80, "yyy" },
		{ RV_CBO_ZERO, 0x70, 0x70, "ynn" },
	};
	static const uint32_t privs[] = { RV_PRIV_M, RV_PRIV_S, RV_PRIV_U };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(privs); k++) {
			struct rv_hart h;

			rv_open(&h, NULL);
			h.s.menvcfg = rows[i].menvcfg;
			h.s.senvcfg = rows[i].senvcfg;
			h.s.priv = privs[k];
			CHECK_INT(rv_cbo_is_allowed(&h, rows[i].op), rows[i].want[k] == 'y');
		}
	}
}

/* ---- interrupts ---- */

static void interrupts_by_name(void)
{
	static const struct {
		uint32_t priv;
		uint64_t status, mideleg, mie, wires, soft, want;
	} rows[] = {
		{ RV_PRIV_M, 0, 0, 0xaaa, 0x800, 0, 0 },
		{ RV_PRIV_M, MIE, 0, 0xaaa, 0x800, 0, IRQ | 11 },
		{ RV_PRIV_S, 0, 0, 0xaaa, 0x800, 0, IRQ | 11 }, /* less privileged: always */
		{ RV_PRIV_U, 0, 0, 0x7ff, 0x800, 0, 0 },	/* not enabled */
		{ RV_PRIV_U, 0, 0, 0xaaa, 0x888, 0x222, IRQ | 11 },
		{ RV_PRIV_U, 0, 0, 0xaaa, 0x088, 0x222, IRQ | 3 },
		{ RV_PRIV_U, 0, 0, 0xaaa, 0x080, 0x222, IRQ | 7 },
		{ RV_PRIV_U, 0, 0, 0xaaa, 0x000, 0x222, IRQ | 9 },
		{ RV_PRIV_U, 0, 0, 0xaaa, 0x000, 0x022, IRQ | 1 },
		{ RV_PRIV_U, 0, 0, 0xaaa, 0x000, 0x020, IRQ | 5 },
		{ RV_PRIV_U, 0, 0x222, 0xaaa, 0x200, 0, IRQ | 9 }, /* the wire alone */
		{ RV_PRIV_U, 0, 0x222, 0xaaa, 0x080, 0x222, IRQ | 7 },
		/* one that is not delegated comes before those that are */
		{ RV_PRIV_U, 0, 0x202, 0xaaa, 0, 0x222, IRQ | 5 },
		{ RV_PRIV_S, SIE, 0x222, 0xaaa, 0, 0x022, IRQ | 1 },
		{ RV_PRIV_S, 0, 0x222, 0xaaa, 0, 0x022, 0 },
		{ RV_PRIV_S, MIE, 0x222, 0xaaa, 0, 0x022, 0 },
		{ RV_PRIV_M, MIE | SIE, 0x222, 0xaaa, 0x200, 0x222, 0 }, /* M-mode is above them */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rv_hart h;

		rv_open(&h, NULL);
		h.s.priv = rows[i].priv;
		h.s.mstatus |= rows[i].status;
		h.s.mideleg = rows[i].mideleg;
		h.s.mie = rows[i].mie;
		h.s.mip = rows[i].soft;
		rv_hart_wires_set(&h, rows[i].wires, UINT64_MAX);
		CHECK_INT(rv_irq_due(&h), rows[i].want);
	}
}

/* Section 3.1.9, literally: M-mode's before S-mode's, each in this order. */
static uint64_t oracle_due(const struct rv_state *s, uint64_t mip)
{
	static const unsigned int urgency[] = { 11, 3, 7, 9, 1, 5 };

	for (int to_s = 0; to_s < 2; to_s++) {
		for (size_t i = 0; i < ARRAY_SIZE(urgency); i++) {
			unsigned int irq = urgency[i];
			bool is_open = s->mie >> irq & mip >> irq & 1;

			if ((int)(s->mideleg >> irq & 1) != to_s || !is_open) {
				continue;
			}
			if (to_s ? s->priv == 0 || (s->priv == 1 && (s->mstatus & SIE))
				 : s->priv < 3 || (s->mstatus & MIE)) {
				return IRQ | irq;
			}
		}
	}
	return 0;
}

static uint64_t spread(unsigned int six)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < 6; i++) {
		bits |= (uint64_t)(six >> i & 1) << (2 * i + 1);
	}
	return bits;
}

static void compare_due(struct rv_hart *h, unsigned int pending)
{
	uint64_t mip = spread(pending);

	h->s.mip = mip & 0x222;
	rv_hart_wires_set(h, UINT64_MAX, mip & 0x888);
	for (unsigned int enabled = 0; enabled < 64; enabled++) {
		h->s.mie = spread(enabled);
		CHECK_INT(rv_irq_due(h), oracle_due(&h->s, mip));
		CHECK_INT(rv_irq_wakes(h), (mip & h->s.mie) != 0);
	}
}

static void all_combinations(void)
{
	static const uint64_t status[] = { 0, SIE, MIE, SIE | MIE };
	static const uint32_t privs[] = { RV_PRIV_U, RV_PRIV_S, RV_PRIV_M };
	struct rv_hart h;

	rv_open(&h, NULL);
	for (unsigned int deleg = 0; deleg < 8; deleg++) {
		h.s.mideleg = (deleg & 1) << 1 | (deleg & 2) << 4 | (deleg & 4) << 7;
		for (unsigned int k = 0; k < 12 && test_failures < 10; k++) {
			h.s.priv = privs[k / 4];
			h.s.mstatus = XL | status[k % 4];
			for (unsigned int pending = 0; pending < 64; pending++) {
				compare_due(&h, pending);
			}
		}
	}
}

/* STIP is software's until menvcfg.STCE makes it the comparator's. */
static void supervisor_timer(void)
{
	static const struct {
		bool stce;
		uint64_t soft, now, stimecmp;
		bool want;
	} rows[] = {
		{ false, 0, 100, 50, false },	  { false, 0x20, 0, 50, true },
		{ true, 0x20, 49, 50, false },	  { true, 0, 50, 50, true },
		{ true, 0, 51, 50, true },	  { true, 0, UINT64_MAX, UINT64_MAX, true },
		{ true, 0, 1ULL << 63, 1, true }, { true, 0, 1, 1ULL << 63, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rv_hart h;

		rv_open(&h, NULL);
		h.s.menvcfg = rows[i].stce ? RV_ENVCFG_STCE : 0;
		h.s.mip = rows[i].soft;
		h.s.stimecmp = rows[i].stimecmp;
		h.s.mie = 0x20;
		h.s.priv = RV_PRIV_U;
		rv_now = rows[i].now;
		CHECK_INT(rv_mip(&h), rows[i].want ? 0x20 : 0);
		CHECK_INT(rv_irq_due(&h), rows[i].want ? IRQ | 5 : 0);
		CHECK_INT(rv_irq_wakes(&h), rows[i].want);
		CHECK_INT(rv_timer_due(&h), rows[i].stce ? rows[i].stimecmp : UINT64_MAX);
	}
}

static void wires(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	rv_hart_wires_set(&h, UINT64_MAX, UINT64_MAX);
	CHECK_INT(rv_mip(&h), 0xa88); /* SSI and STI have none */
	rv_hart_wires_set(&h, 0x208, 0);
	CHECK_INT(rv_mip(&h), 0x880);
	rv_hart_wires_set(&h, 0x008, 0x888);
	CHECK_INT(rv_mip(&h), 0x888);
	h.s.mip = 0x200;
	CHECK_INT(rv_mip(&h), 0xa88);
}

static void harts_start(void)
{
	struct cpu_state s;
	struct rv_hart h;
	struct rv_hart_config cfg = { .hartid = 5, .clock = { &rv_now, rv_ticks } };

	rv_hart_init(&h, &cfg);
	rv64_arch.reset(&s, &(struct cpu_mode){ 0 });
	rv_state(&s)->mhartid = 5;
	CHECK(memcmp(&h.s, rv_state(&s), sizeof(h.s)) == 0);
	CHECK_INT(h.s.priv, RV_PRIV_M);
	CHECK(!h.has_reservation);
	CHECK_INT(rv_mip(&h), 0);
}

/* What a trap may have changed beyond registers. */
static void effects_of_traps(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	CHECK_INT(rv_trap(&h, 2, 0), RV_EFFECT_MODE | RV_EFFECT_IRQ);
	h.s.mstatus = XL | MPRV | MPP_S; /* data accesses were S-mode's and are M-mode's now */
	CHECK_INT(rv_trap(&h, 2, 0), RV_EFFECT_MODE | RV_EFFECT_IRQ | RV_EFFECT_SPACE);
	h.s.priv = RV_PRIV_S;
	h.s.mstatus = XL | MPRV;
	CHECK_INT(rv_trap(&h, 2, 0), RV_EFFECT_MODE | RV_EFFECT_IRQ);
}

static const struct test_case cases[] = {
	{ "traps", traps },
	{ "vectored_supervisor_traps", vectored_supervisor_traps },
	{ "returns", returns },
	{ "instructions_and_who_may", instructions_and_who_may },
	{ "cache_block_operations", cache_block_operations },
	{ "interrupts_by_name", interrupts_by_name },
	{ "all_combinations", all_combinations },
	{ "supervisor_timer", supervisor_timer },
	{ "wires", wires },
	{ "harts_start", harts_start },
	{ "effects_of_traps", effects_of_traps },
};

TEST_MAIN(cases)

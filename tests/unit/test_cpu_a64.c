/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AArch64: exception entry, page walks of all granules, semihosting (Arm ARM DDI 0487). */
#include "test_cpu_guest.h"

#include "cpu/a64/a64.h"

enum { VECTORS = 0x108000, CODE = 0x130000, TABLES = 0x140000 };

/* ESR_EL1: class, IL, syndrome */
#define ESR(ec, iss) ((uint64_t)(ec) << 26 | 1u << 25 | (iss))

static struct a64_state *open_guest(struct guest *g, uint64_t pstate)
{
	struct a64_state *a;

	guest_open(g, &a64_arch, (struct cpu_mode){ 0 });
	a = a64_state(&g->cpu);
	guest_set(g, "sp_el0", 0x1000);
	guest_set(g, "sp_el1", 0x2000);
	guest_set(g, "pstate", pstate);
	a->pc = CODE;
	a->vbar_el1 = VECTORS;
	return a;
}

static void entry_from_each_level(void)
{
	static const struct {
		uint64_t pstate;
		uint64_t esr;
		uint64_t want_pc;
		uint64_t want_elr;
		bool has_far;
	} entries[] = {
		{ 0x60000000, ESR(0x15, 0x2a), VECTORS + 0x400, CODE + 4, false }, /* svc */
		{ 0x20000004, ESR(0x3c, 7), VECTORS + 0x000, CODE, false },	   /* brk */
		{ 0x800000c5, ESR(0x00, 0), VECTORS + 0x200, CODE, false },
		{ 0x00000000, ESR(0x24, 0x47), VECTORS + 0x400, CODE, true },
		{ 0x000003c5, ESR(0x21, 0x05), VECTORS + 0x200, CODE, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct cpu_fault f = a64_fault_from_esr(entries[i].esr, CODE, 0xbad0);
		struct guest g;
		struct a64_state *a = open_guest(&g, entries[i].pstate);

		CHECK(a64_arch.deliver(&g.cpu, g.m, &f));
		CHECK_INT(a->pc, entries[i].want_pc);
		CHECK_INT(a->elr_el1, entries[i].want_elr);
		CHECK_INT(a->esr_el1, entries[i].esr);
		CHECK_INT(a->spsr_el1, entries[i].pstate);
		CHECK_INT(a->pstate, (entries[i].pstate & 0xf0000000) | 0x3c5);
		CHECK_INT(a->far_el1, entries[i].has_far ? 0xbad0 : 0);
		CHECK_INT(a->sp, 0x2000);
		CHECK_INT(a->sp_el0, 0x1000);
		guest_close(&g);
	}
}

/* What an engine that knows no ESR reports, and the syndrome that the guest must see. */
static void syndromes_are_made_from_kinds(void)
{
	static const struct {
		struct cpu_fault f;
		uint32_t insn;
		uint64_t pstate;
		uint64_t want_esr;
	} faults[] = {
		{ { .kind = CPU_FAULT_SYSCALL }, 0xd4000541, 0, ESR(0x15, 0x2a) },
		{ { .kind = CPU_FAULT_BREAKPOINT }, 0xd42000e0, 5, ESR(0x3c, 7) },
		{ { .kind = CPU_FAULT_ILLEGAL_INSN }, 0, 5, ESR(0, 0) },
		{ { .kind = CPU_FAULT_UNMAPPED, .access = MEM_W }, 0, 5, ESR(0x25, 0x50) },
		{ { .kind = CPU_FAULT_UNMAPPED, .access = MEM_X }, 0, 0, ESR(0x20, 0x10) },
		{ { .kind = CPU_FAULT_UNALIGNED, .access = MEM_R }, 0, 0, ESR(0x24, 0x21) },
		{ { .kind = CPU_FAULT_UNALIGNED, .access = MEM_X }, 0, 5, ESR(0x22, 0) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct cpu_fault f = faults[i].f;
		struct guest g;
		struct a64_state *a = open_guest(&g, faults[i].pstate);

		f.pc = CODE;
		guest_put(&g, CODE, faults[i].insn, 4);
		CHECK(a64_arch.deliver(&g.cpu, g.m, &f));
		CHECK_INT(a->esr_el1, faults[i].want_esr);
		guest_close(&g);
	}
}

static void guests_without_handlers_are_refused(void)
{
	struct cpu_fault f = a64_fault_from_esr(ESR(0, 0), CODE, 0);
	struct guest g;
	struct a64_state *a = open_guest(&g, 0x3c5);

	a->vbar_el1 = 0;
	CHECK(guest_refuses(&g, &a64_arch, &f));
	a->vbar_el1 = 0x40000000;
	CHECK(guest_refuses(&g, &a64_arch, &f));
	a->vbar_el1 = VECTORS;
	a->pstate = 0x10; /* AArch32 */
	CHECK(guest_refuses(&g, &a64_arch, &f));
	a->pstate = 0x3c5;
	CHECK(a64_arch.deliver(&g.cpu, g.m, &f));
	guest_close(&g);
}

static void syndromes_have_kinds(void)
{
	static const struct {
		uint64_t esr;
		enum cpu_fault_kind kind;
		uint32_t access;
	} kinds[] = {
		{ ESR(0x00, 0), CPU_FAULT_ILLEGAL_INSN, 0 },
		{ ESR(0x18, 0), CPU_FAULT_SYSREG, 0 },
		{ ESR(0x15, 0), CPU_FAULT_SYSCALL, 0 },
		{ ESR(0x3c, 0), CPU_FAULT_BREAKPOINT, 0 },
		{ ESR(0x32, 0), CPU_FAULT_BREAKPOINT, 0 },
		{ ESR(0x2c, 0), CPU_FAULT_FP, 0 },
		{ ESR(0x26, 0), CPU_FAULT_UNALIGNED, 0 },
		{ ESR(0x25, 0x47), CPU_FAULT_PAGE, MEM_W },
		{ ESR(0x25, 0x10), CPU_FAULT_UNMAPPED, MEM_R },
		{ ESR(0x25, 0x21), CPU_FAULT_UNALIGNED, MEM_R },
		{ ESR(0x20, 0x0f), CPU_FAULT_PAGE, MEM_X },
		{ ESR(0x07, 0), CPU_FAULT_OTHER, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct cpu_fault f = a64_fault_from_esr(kinds[i].esr, 0, 0);

		CHECK_INT(f.kind, kinds[i].kind);
		CHECK_INT(f.access, kinds[i].access);
		CHECK_INT(f.has_address, kinds[i].access != 0);
	}
}

/* 4 KiB granule, 39-bit addresses in both halves: three levels. AF is 0x400. */
static void walks_with_4k_pages(void)
{
	static const struct expect_walk el1[] = {
		{ 0x40001234, MEM_R, true, 0x40001234, 0 }, /* 1 GiB block */
		{ 0x00234567, MEM_W, true, 0x10234567, 0 }, /* 2 MiB block, EL1 only */
		{ 0x00001abc, MEM_W, true, 0x155abc, 0 },
		{ 0x00001abc, MEM_X, false, 0, ESR(0x21, 0x0f) }, /* EL0 may write: no fetch */
		{ 0x00002abc, MEM_R, true, 0x156abc, 0 },
		{ 0x00002abc, MEM_W, false, 0, ESR(0x25, 0x4f) },
		{ 0x00002abc, MEM_X, true, 0x156abc, 0 },
		{ 0x00003abc, MEM_R, false, 0, ESR(0x25, 0x0b) }, /* access flag */
		{ 0x00003abc, 0, true, 0x157abc, 0 },
		{ 0x00004abc, MEM_R, false, 0, ESR(0x25, 0x07) },
		{ 0x80000000, MEM_R, false, 0, ESR(0x25, 0x05) },
		{ 0x8000000000, MEM_R, false, 0, ESR(0x25, 0x04) },
		{ 0xffffff8000001abc, MEM_R, true, 0x155abc, 0 },
		{ 0xffffff0000001abc, MEM_R, false, 0, ESR(0x25, 0x04) },
		{ 0xab00000000001abc, MEM_R, false, 0, ESR(0x25, 0x04) }, /* a tag */
	};
	static const struct expect_walk el0[] = {
		{ 0x00234567, MEM_R, false, 0, ESR(0x24, 0x0e) },
		{ 0x00001abc, MEM_W, true, 0x155abc, 0 },
		{ 0x00001abc, MEM_X, false, 0, ESR(0x20, 0x0f) },
		{ 0x00002abc, MEM_R, false, 0, ESR(0x24, 0x0f) },
	};
	struct guest g;
	struct a64_state *a = open_guest(&g, 5);

	guest_put(&g, TABLES + 0, (TABLES + 0x1000) | 3, 8);
	guest_put(&g, TABLES + 8, 0x40000401, 8);
	guest_put(&g, TABLES + 0x1000, (TABLES + 0x2000) | 3, 8);
	guest_put(&g, TABLES + 0x1008, 0x10200401, 8);
	guest_put(&g, TABLES + 0x2008, 0x0040000000155443, 8); /* EL0 RW, UXN */
	guest_put(&g, TABLES + 0x2010, 0x0000000000156483, 8); /* EL1 RO */
	guest_put(&g, TABLES + 0x2018, 0x0000000000157003, 8); /* AF clear */
	guest_put(&g, TABLES + 0x2020, 0x0000000000158401, 8); /* a block at level 3 */
	a->ttbr0_el1 = TABLES;
	a->ttbr1_el1 = TABLES | 1ULL << 48; /* with an ASID */
	a->tcr_el1 = 25 | 25 << 16 | 2ULL << 30;
	a->sctlr_el1 |= 1;
	for (size_t i = 0; i < ARRAY_SIZE(el1); i++) {
		guest_expect_walk(&g, &a64_arch, &el1[i]);
	}
	a->pstate |= 1u << 22; /* PAN */
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x1abc, MEM_R, false, 0, ESR(0x25, 0x0f) });
	guest_expect_walk(&g, &a64_arch, &(struct expect_walk){ 0x2abc, MEM_R, true, 0x156abc, 0 });
	a->tcr_el1 |= 1ULL << 37; /* TBI0 */
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0xab00000000002abc, MEM_R, true, 0x156abc, 0 });
	guest_set(&g, "pstate", 0);
	for (size_t i = 0; i < ARRAY_SIZE(el0); i++) {
		guest_expect_walk(&g, &a64_arch, &el0[i]);
	}
	guest_set(&g, "pstate", 5);
	guest_put(&g, TABLES + 0x1000, (TABLES + 0x2000) | 3 | 1ULL << 62, 8); /* APTable: RO */
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x1abc, MEM_W, false, 0, ESR(0x25, 0x4f) });
	a->tcr_el1 |= 1u << 7; /* EPD0 */
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x1abc, MEM_R, false, 0, ESR(0x25, 0x04) });
	guest_close(&g);
}

/* 64 KiB: 42 bits, two levels. 16 KiB: 36 bits, two levels; 47 bits, three. */
static void walks_with_larger_pages(void)
{
	struct guest g;
	struct a64_state *a = open_guest(&g, 5);

	a->sctlr_el1 |= 1;
	a->ttbr0_el1 = 0x200000;
	a->tcr_el1 = 22 | 1 << 14;
	guest_put(&g, 0x200000 + 1 * 8, 0x210003, 8); /* 512 MiB each */
	guest_put(&g, 0x200000 + 2 * 8, 0x40000401, 8);
	guest_put(&g, 0x210000 + 3 * 8, 0x190403, 8);
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x2003fedc, MEM_R, true, 0x19fedc, 0 });
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x41234567, MEM_R, true, 0x41234567, 0 });

	a->tcr_el1 = 28 | 2 << 14;
	guest_put(&g, 0x200000 + 5 * 8, 0x220003, 8); /* 32 MiB each */
	guest_put(&g, 0x220000 + 7 * 8, 0x18c403, 8);
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x0a01f123, MEM_R, true, 0x18f123, 0 });

	a->tcr_el1 = 17 | 2 << 14;
	a->ttbr0_el1 = 0x230000;
	guest_put(&g, 0x230000 + 9 * 8, 0x200003, 8); /* 64 GiB each */
	guest_expect_walk(&g, &a64_arch,
			  &(struct expect_walk){ 0x900a01f123, MEM_R, true, 0x18f123, 0 });
	guest_close(&g);
}

static void semihosting_call_is_recognised(void)
{
	struct cpu_semihost_call call = { 0 };
	struct cpu_fault f = { .kind = CPU_FAULT_ILLEGAL_INSN, .pc = CODE };
	struct guest g;
	struct a64_state *a = open_guest(&g, 0x3c5);

	a->x[0] = 0x20;
	a->x[1] = 0x123456789abc;
	guest_put(&g, CODE, 0xd45e0000, 4);
	CHECK_INT(a64_arch.semihost_match(&g.cpu, g.m, &f, &call), CPU_SEMIHOST_CALL);
	CHECK_INT(call.op, 0x20);
	CHECK_INT(call.param, 0x123456789abc);
	CHECK_INT(call.field_bytes, 8);
	CHECK_INT(call.is_big_endian, false);
	a64_arch.semihost_return(&g.cpu, g.m, 0xffffffffffffffff);
	CHECK_INT(a->x[0], -1);
	CHECK_INT(a->pc, CODE + 4);
	guest_put(&g, CODE, 0xd45e0020, 4); /* hlt #0xf001 */
	CHECK_INT(a64_arch.semihost_match(&g.cpu, g.m, &f, &call), CPU_SEMIHOST_NONE);
	guest_close(&g);
}

static const struct test_case cases[] = {
	{ "entry_from_each_level", entry_from_each_level },
	{ "syndromes_are_made_from_kinds", syndromes_are_made_from_kinds },
	{ "guests_without_handlers_are_refused", guests_without_handlers_are_refused },
	{ "syndromes_have_kinds", syndromes_have_kinds },
	{ "walks_with_4k_pages", walks_with_4k_pages },
	{ "walks_with_larger_pages", walks_with_larger_pages },
	{ "semihosting_call_is_recognised", semihosting_call_is_recognised },
};

TEST_MAIN(cases)

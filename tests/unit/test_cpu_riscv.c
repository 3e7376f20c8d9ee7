/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RISC-V: traps with and without delegation, page walks, semihosting (privileged ISA 1.12). */
#include "test_cpu_guest.h"

#include "cpu/riscv/riscv.h"

enum { MTVEC = 0x108000, STVEC = 0x10c000, CODE = 0x130000, TABLES = 0x140000 };

#define STATUS_XL 0xa00000000ULL /* SXL, UXL */

static struct rv_state *open_guest(struct guest *g, enum rv_priv priv)
{
	struct rv_state *v;

	guest_open(g, &rv64_arch, (struct cpu_mode){ 0 });
	v = rv_state(&g->cpu);
	v->priv = priv;
	v->pc = CODE;
	v->mtvec = MTVEC | 1; /* vectored: for interrupts only */
	v->stvec = STVEC;
	v->mstatus = STATUS_XL | RV_MSTATUS_MIE | RV_MSTATUS_SIE;
	return v;
}

static void traps_to_machine_mode(void)
{
	static const struct {
		enum rv_priv priv;
		uint64_t cause;
		uint64_t want_status; /* MPIE, MPP */
	} traps[] = {
		{ RV_PRIV_M, RV_ECALL_M, 0x1882 },
		{ RV_PRIV_S, RV_ECALL_S, 0x0882 },
		{ RV_PRIV_U, RV_LOAD_PAGE, 0x0082 },
		{ RV_PRIV_M, RV_BREAKPOINT, 0x1882 }, /* delegation is for lower privilege */
	};

	for (size_t i = 0; i < ARRAY_SIZE(traps); i++) {
		struct cpu_fault f = rv_fault_from_cause(traps[i].cause, CODE, 0xbad0);
		struct guest g;
		struct rv_state *v = open_guest(&g, traps[i].priv);

		v->medeleg = 1u << RV_BREAKPOINT;
		CHECK(rv64_arch.deliver(&g.cpu, g.m, &f));
		CHECK_INT(v->pc, MTVEC);
		CHECK_INT(v->priv, RV_PRIV_M);
		CHECK_INT(v->mepc, CODE);
		CHECK_INT(v->mcause, traps[i].cause);
		CHECK_INT(v->mtval, 0xbad0);
		CHECK_INT(v->mstatus, STATUS_XL | traps[i].want_status);
		CHECK_INT(v->sepc, 0);
		guest_close(&g);
	}
}

static void delegated_traps_stay_in_supervisor_mode(void)
{
	static const struct {
		enum rv_priv priv;
		uint64_t status;
		uint64_t want_status; /* MIE stays; SPIE, SPP */
	} traps[] = {
		{ RV_PRIV_U, 0xa, 0x28 },
		{ RV_PRIV_S, 0xa, 0x128 },
		{ RV_PRIV_S, 0x8, 0x108 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(traps); i++) {
		struct cpu_fault f = rv_fault_from_cause(RV_STORE_ACCESS, CODE, 0xbad0);
		struct guest g;
		struct rv_state *v = open_guest(&g, traps[i].priv);

		v->medeleg = 1u << RV_STORE_ACCESS;
		v->mstatus = traps[i].status;
		CHECK(rv64_arch.deliver(&g.cpu, g.m, &f));
		CHECK_INT(v->pc, STVEC);
		CHECK_INT(v->priv, RV_PRIV_S);
		CHECK_INT(v->sepc, CODE);
		CHECK_INT(v->scause, RV_STORE_ACCESS);
		CHECK_INT(v->stval, 0xbad0);
		CHECK_INT(v->mstatus, traps[i].want_status);
		CHECK_INT(v->mepc, 0);
		guest_close(&g);
	}
}

static void guests_without_handlers_are_refused(void)
{
	struct cpu_fault f = rv_fault_from_cause(RV_ILLEGAL, CODE, 0);
	struct guest g;
	struct rv_state *v = open_guest(&g, RV_PRIV_U);

	v->mtvec = 1;
	CHECK(guest_refuses(&g, &rv64_arch, &f));
	v->mtvec = 0x40000000;
	CHECK(guest_refuses(&g, &rv64_arch, &f));
	v->medeleg = 1u << RV_ILLEGAL;
	CHECK(rv64_arch.deliver(&g.cpu, g.m, &f));
	guest_close(&g);
}

/* What an engine that only knows a kind reports. */
static void causes_are_made_from_kinds(void)
{
	static const struct {
		struct cpu_fault f;
		uint64_t want_cause;
	} faults[] = {
		{ { .kind = CPU_FAULT_UNMAPPED, .access = MEM_W }, 7 },
		{ { .kind = CPU_FAULT_PROTECTION, .access = MEM_X }, 1 },
		{ { .kind = CPU_FAULT_PROTECTION, .access = MEM_R, .vector = 5 }, 5 },
		{ { .kind = CPU_FAULT_SYSCALL }, 9 },
		{ { .kind = CPU_FAULT_SYSREG }, 2 },
		{ { .kind = CPU_FAULT_BREAKPOINT }, 3 },
		{ { .kind = CPU_FAULT_UNALIGNED, .access = MEM_W }, 6 },
		{ { .kind = CPU_FAULT_PAGE, .access = MEM_X }, 12 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct guest g;
		struct rv_state *v = open_guest(&g, RV_PRIV_S);

		CHECK(rv64_arch.deliver(&g.cpu, g.m, &faults[i].f));
		CHECK_INT(v->mcause, faults[i].want_cause);
		guest_close(&g);
	}
}

/* Entries: PPN from bit 10; V 1, R 2, W 4, X 8, U 0x10. */
static uint64_t pte(uint64_t gpa, uint64_t flags)
{
	return gpa >> 12 << 10 | flags;
}

static void expect_page_fault(const struct guest *g, gva_t gva, uint32_t access,
			      uint32_t want_cause)
{
	struct cpu_fault f = { 0 };
	gpa_t gpa;

	CHECK(!rv64_arch.page_walk(&g->cpu, g->m, gva, access, &gpa, &f));
	CHECK_INT(f.vector, want_cause);
	CHECK_INT(f.address, gva);
}

static void expect_walk(const struct guest *g, gva_t gva, uint32_t access, gpa_t want)
{
	guest_expect_walk(g, &rv64_arch, &(struct expect_walk){ gva, access, true, want, 0 });
}

static void put_sv39(struct guest *g)
{
	guest_put(g, TABLES + 0 * 8, pte(TABLES + 0x1000, 1), 8);
	guest_put(g, TABLES + 2 * 8, pte(0x80000000, 0xf), 8); /* 1 GiB */
	guest_put(g, TABLES + 3 * 8, pte(0x80001000, 0xf), 8); /* misaligned */
	guest_put(g, TABLES + 511 * 8, pte(0x40000000, 0x3), 8);
	guest_put(g, TABLES + 0x1000, pte(TABLES + 0x2000, 1), 8);
	guest_put(g, TABLES + 0x2008, pte(0x155000, 0x17), 8); /* U RW */
	guest_put(g, TABLES + 0x2010, pte(0x156000, 0x09), 8); /* X only */
	guest_put(g, TABLES + 0x2018, pte(0x157000, 0x05), 8); /* W without R */
	guest_put(g, TABLES + 0x2020, pte(0x158000, 0x03) | 1ULL << 60, 8);
	guest_put(g, TABLES + 0x2028, pte(0x159000, 0x01), 8); /* a table at the last level */
}

static void sv39_walks(void)
{
	struct guest g;
	struct rv_state *v = open_guest(&g, RV_PRIV_S);

	put_sv39(&g);
	v->satp = 8ULL << 60 | TABLES >> 12;
	expect_walk(&g, 0x81234567, MEM_X, 0x81234567);
	expect_walk(&g, 0xffffffffc0000010, MEM_R, 0x40000010);
	expect_walk(&g, 0x2abc, MEM_X, 0x156abc);
	expect_walk(&g, 0x1abc, 0, 0x155abc);
	expect_page_fault(&g, 0x2abc, MEM_R, RV_LOAD_PAGE);
	expect_page_fault(&g, 0x1abc, MEM_R, RV_LOAD_PAGE); /* SUM is clear */
	expect_page_fault(&g, 0x3abc, MEM_W, RV_STORE_PAGE);
	expect_page_fault(&g, 0x4abc, MEM_R, RV_LOAD_PAGE);
	expect_page_fault(&g, 0x5abc, MEM_X, RV_INSN_PAGE);
	expect_page_fault(&g, 0x6abc, MEM_X, RV_INSN_PAGE);
	expect_page_fault(&g, 0xc0000000, MEM_R, RV_LOAD_PAGE);
	expect_page_fault(&g, 0x4000000000, MEM_R, RV_LOAD_PAGE); /* not sign-extended */
	v->mstatus |= 1u << 18 | 1u << 19;			  /* SUM, MXR */
	expect_walk(&g, 0x1abc, MEM_W, 0x155abc);
	expect_walk(&g, 0x2abc, MEM_R, 0x156abc);
	expect_page_fault(&g, 0x1abc, MEM_X, RV_INSN_PAGE);
	v->priv = RV_PRIV_U;
	expect_walk(&g, 0x1abc, MEM_W, 0x155abc);
	expect_page_fault(&g, 0x81234567, MEM_R, RV_LOAD_PAGE);
	v->priv = RV_PRIV_M;
	expect_walk(&g, 0x1abc, MEM_R, 0x1abc);
	v->mstatus |= 1u << 17 | 1u << 11; /* MPRV with MPP = S: data only */
	expect_walk(&g, 0x1abc, MEM_R, 0x155abc);
	expect_walk(&g, 0x1abc, MEM_X, 0x1abc);
	guest_close(&g);
}

static void sv48_and_sv57_walks(void)
{
	struct guest g;
	struct rv_state *v = open_guest(&g, RV_PRIV_S);

	put_sv39(&g);
	guest_put(&g, TABLES + 0x3000 + 5 * 8, pte(TABLES, 1), 8);
	guest_put(&g, TABLES + 0x4000 + 6 * 8, pte(TABLES + 0x3000, 1), 8);
	v->satp = 9ULL << 60 | (TABLES + 0x3000) >> 12;
	expect_walk(&g, (5ULL << 39) + 0x2abc, MEM_X, 0x156abc);
	expect_page_fault(&g, 1ULL << 47, MEM_R, RV_LOAD_PAGE);
	v->satp = 10ULL << 60 | (TABLES + 0x4000) >> 12;
	expect_walk(&g, (6ULL << 48) + (5ULL << 39) + 0x2abc, MEM_X, 0x156abc);
	v->satp = 10ULL << 60 | 0x7000000 >> 12; /* no table there */
	expect_page_fault(&g, 0x1000, MEM_W, RV_STORE_ACCESS);
	guest_close(&g);
}

static void semihosting_call_is_recognised(void)
{
	struct cpu_semihost_call call = { 0 };
	struct cpu_fault f = rv_fault_from_cause(RV_BREAKPOINT, CODE + 4, CODE + 4);
	struct guest g;
	struct rv_state *v = open_guest(&g, RV_PRIV_M);

	v->x[10] = 0x18;
	v->x[11] = 0x8000000012345678;
	v->pc = CODE + 4;
	guest_put(&g, CODE, 0x01f01013, 4);
	guest_put(&g, CODE + 4, 0x00100073, 4);
	CHECK_INT(rv64_arch.semihost_match(&g.cpu, g.m, &f, &call), CPU_SEMIHOST_NONE);
	guest_put(&g, CODE + 8, 0x40705013, 4);
	CHECK_INT(rv64_arch.semihost_match(&g.cpu, g.m, &f, &call), CPU_SEMIHOST_CALL);
	CHECK_INT(call.op, 0x18);
	CHECK_INT(call.param, 0x8000000012345678);
	CHECK_INT(call.field_bytes, 8);
	rv64_arch.semihost_return(&g.cpu, g.m, 0x77);
	CHECK_INT(v->x[10], 0x77);
	CHECK_INT(v->pc, CODE + 8);
	f.kind = CPU_FAULT_SYSCALL;
	CHECK_INT(rv64_arch.semihost_match(&g.cpu, g.m, &f, &call), CPU_SEMIHOST_NONE);
	guest_close(&g);
}

/* The three instructions must share a page: the last of them begins the next one here. */
static void semihosting_across_pages_is_no_call(void)
{
	struct cpu_semihost_call call = { 0 };
	gva_t pc = CODE + 0xffc;
	struct cpu_fault f = rv_fault_from_cause(RV_BREAKPOINT, pc, pc);
	struct guest g;

	open_guest(&g, RV_PRIV_M);
	guest_put(&g, pc - 4, 0x01f01013, 4);
	guest_put(&g, pc, 0x00100073, 4);
	guest_put(&g, pc + 4, 0x40705013, 4);
	CHECK_INT(rv64_arch.semihost_match(&g.cpu, g.m, &f, &call), CPU_SEMIHOST_NONE);
	guest_close(&g);
}

static void instruction_sizes_and_boot_arguments(void)
{
	static const uint8_t c_nop[2] = { 0x01, 0x00 };
	static const uint8_t nop[2] = { 0x13, 0x00 };
	struct guest g;

	open_guest(&g, RV_PRIV_M);
	CHECK_INT(rv64_arch.insn_bytes(&g.cpu, c_nop, 2), 2);
	CHECK_INT(rv64_arch.insn_bytes(&g.cpu, nop, 2), 4);
	CHECK_INT(rv64_arch.insn_bytes(&g.cpu, nop, 1), 0);
	rv64_arch.set_boot_args(&g.cpu, 3, 0x87000000);
	CHECK_INT(guest_reg(&g, "a0"), 3);
	CHECK_INT(guest_reg(&g, "x11"), 0x87000000);
	guest_close(&g);
}

static const struct test_case cases[] = {
	{ "traps_to_machine_mode", traps_to_machine_mode },
	{ "delegated_traps_stay_in_supervisor_mode", delegated_traps_stay_in_supervisor_mode },
	{ "guests_without_handlers_are_refused", guests_without_handlers_are_refused },
	{ "causes_are_made_from_kinds", causes_are_made_from_kinds },
	{ "sv39_walks", sv39_walks },
	{ "sv48_and_sv57_walks", sv48_and_sv57_walks },
	{ "semihosting_call_is_recognised", semihosting_call_is_recognised },
	{ "semihosting_across_pages_is_no_call", semihosting_across_pages_is_no_call },
	{ "instruction_sizes_and_boot_arguments", instruction_sizes_and_boot_arguments },
};

TEST_MAIN(cases)

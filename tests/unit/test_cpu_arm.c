/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ARMv7-A: exception entry, page walks, semihosting (Arm ARM DDI 0406). */
#include "test_cpu_guest.h"

#include "cpu/arm/arm.h"

enum { VECTORS = 0x108000, CODE = 0x130000, L1 = 0x140000, L2 = 0x148000 };

static struct arm_state *open_guest(struct guest *g, uint32_t cpsr)
{
	struct arm_state *a;

	guest_open(g, &arm_arch, (struct cpu_mode){ 0 });
	a = arm_state(&g->cpu);
	guest_set(g, "cpsr", cpsr);
	guest_set(g, "sp", 0x1000);
	guest_set(g, "lr", 0x2000);
	a->r[15] = CODE;
	a->vbar = VECTORS;
	return a;
}

/* DDI 0406, tables B1-6 and B1-7: mode, return address, vector, what is masked. */
static void entry_of_every_exception(void)
{
	static const struct {
		uint32_t vector;
		uint32_t cpsr; /* before */
		uint32_t fsr;
		uint32_t want_cpsr;
		uint32_t want_lr;
		const char *spsr;
	} entries[] = {
		{ ARM_VEC_UNDEF, 0x60000010, 0, 0x6000009b, CODE + 4, "spsr_und" },
		{ ARM_VEC_UNDEF, 0x60000030, 0, 0x6000009b, CODE + 2, "spsr_und" },
		{ ARM_VEC_SVC, 0x10, 0, 0x93, CODE + 4, "spsr_svc" },
		{ ARM_VEC_SVC, 0x33, 0, 0x93, CODE + 2, "spsr_svc" },
		{ ARM_VEC_PREFETCH, 0x50, 0x5, 0x1d7, CODE + 4, "spsr_abt" },
		{ ARM_VEC_PREFETCH, 0x30, 0x5, 0x197, CODE + 4, "spsr_abt" },
		{ ARM_VEC_DATA, 0x1f, 0x80d, 0x197, CODE + 8, "spsr_abt" },
		{ ARM_VEC_DATA, 0x3f, 0x80d, 0x197, CODE + 8, "spsr_abt" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct guest g;
		struct arm_state *a = open_guest(&g, entries[i].cpsr);
		struct cpu_fault f =
			arm_fault_from_vector(entries[i].vector, entries[i].fsr, CODE, 0xbad0);

		CHECK(arm_arch.deliver(&g.cpu, g.m, &f));
		CHECK_INT(a->cpsr, entries[i].want_cpsr);
		CHECK_INT(a->r[14], entries[i].want_lr);
		CHECK_INT(a->r[15], VECTORS + entries[i].vector * 4);
		CHECK_INT(guest_reg(&g, entries[i].spsr), entries[i].cpsr);
		if ((entries[i].cpsr & ARM_CPSR_MODE) != 0x13) {
			CHECK_INT(guest_reg(&g, "sp_usr"), 0x1000);
			CHECK_INT(guest_reg(&g, "lr_usr"), 0x2000);
		}
		CHECK_INT(a->ifar, entries[i].vector == ARM_VEC_PREFETCH ? 0xbad0 : 0);
		CHECK_INT(a->ifsr, entries[i].vector == ARM_VEC_PREFETCH ? 5 : 0);
		CHECK_INT(a->dfar, entries[i].vector == ARM_VEC_DATA ? 0xbad0 : 0);
		CHECK_INT(a->dfsr, entries[i].vector == ARM_VEC_DATA ? 0x80d : 0);
		guest_close(&g);
	}
}

static void sctlr_chooses_state_and_byte_order_of_handlers(void)
{
	struct cpu_fault f = arm_fault_from_vector(ARM_VEC_SVC, 0, CODE, 0);
	struct guest g;
	struct arm_state *a = open_guest(&g, 0x10);

	a->sctlr |= 1u << 30 | 1u << 25; /* TE, EE */
	CHECK(arm_arch.deliver(&g.cpu, g.m, &f));
	CHECK_INT(a->cpsr, 0x2b3);
	guest_close(&g);
}

/* An SVC inside an IT block returns to the next instruction of the block. */
static void svc_steps_the_it_block(void)
{
	struct cpu_fault f = arm_fault_from_vector(ARM_VEC_SVC, 0, CODE, 0);
	struct guest g;
	uint32_t cpsr = 0x30 | 0x0400u | 2u << 25; /* IT = 0000_0110 */

	open_guest(&g, cpsr);
	CHECK(arm_arch.deliver(&g.cpu, g.m, &f));
	CHECK_INT(guest_reg(&g, "spsr_svc"), 0x30 | 0x0c00); /* IT = 0000_1100 */
	CHECK_INT(guest_reg(&g, "cpsr"), 0x93);
	guest_close(&g);
}

static void guests_without_handlers_are_refused(void)
{
	struct cpu_fault f = arm_fault_from_vector(ARM_VEC_UNDEF, 0, CODE, 0);
	struct guest g;
	struct arm_state *a = open_guest(&g, 0x10);

	a->vbar = 0;
	CHECK(guest_refuses(&g, &arm_arch, &f));
	a->sctlr |= 1u << 13; /* high vectors: no memory there */
	CHECK(guest_refuses(&g, &arm_arch, &f));
	a->sctlr &= ~(1u << 13);
	a->vbar = VECTORS;
	CHECK_INT(mem_region_protect(g.m, VECTORS, 0x1000, MEM_R | MEM_W, NULL), 0);
	CHECK(guest_refuses(&g, &arm_arch, &f));
	CHECK_INT(mem_region_protect(g.m, VECTORS, 0x1000, MEM_X, NULL), 0);
	CHECK(arm_arch.deliver(&g.cpu, g.m, &f));
	guest_close(&g);
}

static void faults_without_syndrome_get_one(void)
{
	struct cpu_fault f = { .kind = CPU_FAULT_UNALIGNED,
			       .pc = CODE,
			       .address = 0x1001,
			       .has_address = true,
			       .access = MEM_W };
	struct guest g;
	struct arm_state *a = open_guest(&g, 0x13);

	CHECK(arm_arch.deliver(&g.cpu, g.m, &f));
	CHECK_INT(a->r[15], VECTORS + 0x10);
	CHECK_INT(a->dfsr, 0x801);
	CHECK_INT(a->dfar, 0x1001);
	guest_close(&g);
}

static void put_tables(struct guest *g)
{
	struct arm_state *a = arm_state(&g->cpu);

	guest_put(g, L1 + 0x001 * 4, 0x00100c02, 4); /* section, full access */
	guest_put(g, L1 + 0x002 * 4, 0x00200412, 4); /* privileged only, XN */
	guest_put(g, L1 + 0x003 * 4, 0x00300822, 4); /* domain 1: user reads */
	guest_put(g, L1 + 0x004 * 4, 0x00400c42, 4); /* domain 2: no access */
	guest_put(g, L1 + 0x006 * 4, 0x00608c02, 4); /* read-only for all */
	guest_put(g, L1 + 0x005 * 4, L2 | 1, 4);     /* table */
	guest_put(g, L1 + 0x012 * 4, 0x01540c22, 4); /* supersection at 0x1501000000 */
	guest_put(g, L1 + 0x801 * 4, 0x80100c02, 4);
	guest_put(g, L2 + 0x00 * 4, 0x00181032, 4); /* small page, full access */
	guest_put(g, L2 + 0x01 * 4, 0x00182233, 4); /* small, read-only, XN */
	guest_put(g, L2 + 0x11 * 4, 0x00190031, 4); /* large page */
	a->ttbr0 = L1;
	a->dacr = 0xd; /* domain 0: client, 1: manager, 2: none */
	a->sctlr |= 1;
}

static void short_descriptor_walks(void)
{
	static const struct expect_walk privileged[] = {
		{ 0x00123456, MEM_X, true, 0x00123456, 0 },
		{ 0x00234567, MEM_W, true, 0x00234567, 0 },
		{ 0x00234567, MEM_X, false, 0, 0x0d },
		{ 0x00400000, MEM_R, false, 0, 0x29 },	/* domain 2 */
		{ 0x00400000, 0, true, 0x00400000, 0 }, /* a debugger may */
		{ 0x00500abc, MEM_W, true, 0x00181abc, 0 },
		{ 0x00501abc, MEM_W, false, 0, 0x80f },
		{ 0x00501abc, MEM_X, false, 0, 0x0f },
		{ 0x00511abc, MEM_R, true, 0x00191abc, 0 },
		{ 0x00502000, MEM_R, false, 0, 0x07 },
		{ 0x00600000, MEM_R, true, 0x00600000, 0 },
		{ 0x00600000, MEM_W, false, 0, 0x80d },
		{ 0x00700000, MEM_W, false, 0, 0x805 },
		{ 0x01234567, MEM_R, true, 0x1501234567, 0 },
	};
	static const struct expect_walk user[] = {
		{ 0x00123456, MEM_W, true, 0x00123456, 0 },
		{ 0x00234567, MEM_R, false, 0, 0x0d },
		{ 0x00300000, MEM_W, true, 0x00300000, 0 }, /* manager: unchecked */
		{ 0x00501abc, MEM_R, true, 0x00182abc, 0 },
	};
	struct guest g;
	struct arm_state *a = open_guest(&g, 0x13);

	put_tables(&g);
	for (size_t i = 0; i < ARRAY_SIZE(privileged); i++) {
		guest_expect_walk(&g, &arm_arch, &privileged[i]);
	}
	guest_set(&g, "cpsr", 0x10);
	for (size_t i = 0; i < ARRAY_SIZE(user); i++) {
		guest_expect_walk(&g, &arm_arch, &user[i]);
	}
	a->ttbcr = 1; /* the upper half through TTBR1 */
	a->ttbr1 = L1;
	a->ttbr0 = L2;
	guest_put(&g, L2 + 0x401 * 4, 0x40100c02, 4);
	guest_expect_walk(&g, &arm_arch,
			  &(struct expect_walk){ 0x40123456, MEM_R, true, 0x40123456, 0 });
	guest_expect_walk(&g, &arm_arch,
			  &(struct expect_walk){ 0x80123456, MEM_R, true, 0x80123456, 0 });
	a->ttbcr |= 1u << 5; /* PD1 */
	guest_expect_walk(&g, &arm_arch, &(struct expect_walk){ 0x80123456, MEM_R, false, 0, 5 });
	guest_close(&g);
}

static void semihosting_calls_are_recognised(void)
{
	static const struct {
		uint32_t cpsr;
		uint32_t insn;
		enum cpu_fault_kind kind;
		uint32_t bytes; /* 0: none */
	} calls[] = {
		{ 0x1d3, 0xef123456, CPU_FAULT_SYSCALL, 4 },
		{ 0x1d3, 0x0f123456, CPU_FAULT_SYSCALL, 4 }, /* svceq */
		{ 0x1d3, 0xef000000, CPU_FAULT_SYSCALL, 0 },
		{ 0x1d3, 0xe10f0070, CPU_FAULT_ILLEGAL_INSN, 4 },
		{ 0x1f3, 0xdfab, CPU_FAULT_SYSCALL, 2 },
		{ 0x1f3, 0xbeab, CPU_FAULT_BREAKPOINT, 2 },
		{ 0x1f3, 0xbabc, CPU_FAULT_ILLEGAL_INSN, 2 },
		{ 0x1f3, 0xdf00, CPU_FAULT_SYSCALL, 0 },
		{ 0x1d3, 0xef123456, CPU_FAULT_UNMAPPED, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct cpu_semihost_call call = { 0 };
		struct cpu_fault f = { .kind = calls[i].kind, .pc = CODE };
		struct guest g;
		struct arm_state *a = open_guest(&g, calls[i].cpsr);

		guest_put(&g, CODE, calls[i].insn, 4);
		a->r[0] = 0x18;
		a->r[1] = 0x20026;
		CHECK_INT(arm_arch.semihost_match(&g.cpu, g.m, &f, &call),
			  calls[i].bytes ? CPU_SEMIHOST_CALL : CPU_SEMIHOST_NONE);
		if (calls[i].bytes) {
			CHECK_INT(call.op, 0x18);
			CHECK_INT(call.param, 0x20026);
			CHECK_INT(call.field_bytes, 4);
			arm_arch.semihost_return(&g.cpu, g.m, 0xffffffffffffffff);
			CHECK_INT(a->r[0], 0xffffffff);
			CHECK_INT(a->r[15], CODE + calls[i].bytes);
		}
		guest_close(&g);
	}
}

static void instruction_sizes(void)
{
	static const uint8_t wide[2] = { 0x00, 0xf0 };	 /* bl */
	static const uint8_t narrow[2] = { 0x00, 0xe0 }; /* b */
	struct guest g;

	open_guest(&g, 0x13);
	CHECK_INT(arm_arch.insn_bytes(&g.cpu, narrow, 2), 4);
	arm_arch.set_pc(&g.cpu, CODE | 1);
	CHECK_INT(arm_arch.get_pc(&g.cpu), CODE);
	CHECK_INT(arm_arch.insn_bytes(&g.cpu, narrow, 2), 2);
	CHECK_INT(arm_arch.insn_bytes(&g.cpu, wide, 2), 4);
	CHECK_INT(arm_arch.insn_bytes(&g.cpu, wide, 1), 0);
	guest_close(&g);
}

static const struct test_case cases[] = {
	{ "entry_of_every_exception", entry_of_every_exception },
	{ "sctlr_chooses_state_and_byte_order_of_handlers",
	  sctlr_chooses_state_and_byte_order_of_handlers },
	{ "svc_steps_the_it_block", svc_steps_the_it_block },
	{ "guests_without_handlers_are_refused", guests_without_handlers_are_refused },
	{ "faults_without_syndrome_get_one", faults_without_syndrome_get_one },
	{ "short_descriptor_walks", short_descriptor_walks },
	{ "semihosting_calls_are_recognised", semihosting_calls_are_recognised },
	{ "instruction_sizes", instruction_sizes },
};

TEST_MAIN(cases)

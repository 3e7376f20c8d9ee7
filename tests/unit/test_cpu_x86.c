/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86 and x64: exception frames, privilege changes, double faults, page walks (Intel SDM). */
#include "test_cpu_guest.h"

#include "cpu/x86/x86.h"

enum {
	IDT = 0x110000,
	GDT = 0x111000,
	TSS = 0x112000,
	STACK0 = 0x120000, /* top of the inner stack */
	STACK = 0x128000,  /* top of the interrupted one */
	CODE = 0x130000,
	HANDLER = 0x138000,
	TABLES = 0x140000,
};

static void set_seg(struct x86_seg *s, uint16_t sel, uint16_t attr)
{
	*s = (struct x86_seg){ .sel = sel, .attr = attr, .limit = 0xffffffff };
}

/* A kernel's tables: flat segments 8 and 0x10 in ring 0, 0x1b and 0x23 in ring 3, a TSS. */
static struct x86_state *open_protected(struct guest *g, const struct cpu_arch *a)
{
	bool is_long = a == &x64_arch;
	struct x86_state *x;

	guest_open(g, a, (struct cpu_mode){ 0 });
	x = x86_state(&g->cpu);
	guest_put(g, GDT + 0x08, is_long ? 0x00af9b000000ffff : 0x00cf9b000000ffff, 8);
	guest_put(g, GDT + 0x10, 0x00cf93000000ffff, 8);
	guest_put(g, GDT + 0x18, is_long ? 0x00affb000000ffff : 0x00cffb000000ffff, 8);
	guest_put(g, GDT + 0x20, 0x00cff3000000ffff, 8);
	x->gdtr.base = GDT;
	x->gdtr.limit = 0x27;
	x->idtr.base = IDT;
	x->idtr.limit = is_long ? 0xfff : 0x7ff;
	x->tr.base = TSS;
	x->tr.sel = 0x28;
	if (is_long) {
		x->cr0 &= ~X86_CR0_PG; /* gates work the same; pages have their own tests */
	}
	x->rip = CODE;
	x->gpr[X86_RSP] = STACK;
	x->rflags = 0x302; /* IF, TF */
	return x;
}

static void enter_ring3(struct x86_state *x, bool is_long)
{
	set_seg(&x->seg[X86_CS], 0x1b, is_long ? 0xa0fb : 0xc0fb);
	set_seg(&x->seg[X86_SS], 0x23, 0xc0f3);
}

/* type: 0x8e interrupt gate, 0x8f trap gate, 0xee interrupt gate for ring 3 */
static void put_gate32(struct guest *g, unsigned int vector, unsigned int type)
{
	guest_put(g, IDT + vector * 8, (HANDLER & 0xffff) | 8 << 16, 4);
	guest_put(g, IDT + vector * 8 + 4, (HANDLER & 0xffff0000) | type << 8, 4);
}

static void put_gate64(struct guest *g, unsigned int vector, unsigned int type, unsigned int ist)
{
	put_gate32(g, vector * 2, type);
	guest_put(g, IDT + vector * 16 + 4, ist, 1);
}

/* The frame at the stack pointer, slot by slot. */
static void expect_stack(const struct guest *g, unsigned int slot_bytes, const uint64_t *want,
			 unsigned int n)
{
	gva_t sp = x86_state_const(&g->cpu)->gpr[X86_RSP];

	for (unsigned int i = 0; i < n; i++) {
		CHECK_INT(guest_get(g, sp + i * slot_bytes, slot_bytes), want[i]);
	}
}

static void real_mode_pushes_flags_cs_ip(void)
{
	static const uint64_t frame[] = { 0x1234, 0x0100, 0x0302 };
	struct cpu_fault f;
	struct guest g;
	struct x86_state *x;

	guest_open(&g, &x86_arch, (struct cpu_mode){ .is_16bit = true });
	x = x86_state(&g.cpu);
	guest_set(&g, "cs", 0x100);
	x->rip = 0x1234;
	x->gpr[X86_RSP] = 0xabcd7c00; /* only SP counts */
	x->rflags = 0x302;
	guest_put(&g, 6 * 4, 0x0200, 2);
	guest_put(&g, 6 * 4 + 2, 0x0050, 2);
	f = x86_fault_from_vector(X86_UD, 0, 0x1000 + 0x1234, 0);
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	guest_expect(&g, (struct expect_reg[]){ { "cs", 0x50 },
						{ "eip", 0x200 },
						{ "eflags", 2 },
						{ "esp", 0xabcd7bfa },
						{ NULL, 0 } });
	CHECK_INT(x86_arch.get_pc(&g.cpu), 0x700);
	for (unsigned int i = 0; i < 3; i++) {
		CHECK_INT(guest_get(&g, 0x7bfa + i * 2, 2), frame[i]);
	}
	guest_close(&g);
}

static void real_mode_int_n_returns_behind_itself(void)
{
	static const struct {
		uint64_t bytes;
		uint32_t vector;
		uint64_t ip;
	} insns[] = {
		{ 0x21cd, 0x21, 0x7c02 }, { 0xcc, 3, 0x7c01 },	      { 0xce, 4, 0x7c01 },
		{ 0xf1, 1, 0x7c01 },	  { 0x21cd66, 0x21, 0x7c03 }, { 0x90, 1, 0x7c00 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(insns); i++) {
		struct guest g;
		struct cpu_fault f = x86_fault_from_vector(insns[i].vector, 0, 0x7c00, 0);

		guest_open(&g, &x86_arch, (struct cpu_mode){ .is_16bit = true });
		x86_state(&g.cpu)->rip = 0x7c00;
		x86_state(&g.cpu)->gpr[X86_RSP] = 0x7000;
		guest_put(&g, insns[i].vector * 4, 0x00500000, 4);
		guest_put(&g, 0x7c00, insns[i].bytes, 4);
		CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
		CHECK_INT(guest_get(&g, 0x6ffa, 2), insns[i].ip);
		guest_close(&g);
	}
}

static void real_mode_without_handlers_refuses(void)
{
	struct cpu_fault f = x86_fault_from_vector(X86_UD, 0, 0x7c00, 0);
	struct guest g;

	guest_open(&g, &x86_arch, (struct cpu_mode){ .is_16bit = true });
	x86_state(&g.cpu)->gpr[X86_RSP] = 0x7000;
	CHECK(guest_refuses(&g, &x86_arch, &f)); /* 0:0 */
	guest_put(&g, 6 * 4, 0x00500000, 4);
	x86_state(&g.cpu)->idtr.limit = 6 * 4 + 2;
	CHECK(guest_refuses(&g, &x86_arch, &f));
	x86_state(&g.cpu)->idtr.limit = 6 * 4 + 3;
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	guest_close(&g);
}

static void trap_gate_same_privilege(void)
{
	static const uint64_t frame[] = { 0x1234, CODE, 8, 0x14302 }; /* RF is set in the image */
	struct cpu_fault f = x86_fault_from_vector(X86_GP, 0x1234, CODE, 0);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	put_gate32(&g, X86_GP, 0x8f);
	x->rflags |= X86_FLAGS_NT;
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 4, frame, 4);
	guest_expect(&g, (struct expect_reg[]){ { "eip", HANDLER },
						{ "cs", 8 },
						{ "ss", 0x10 },
						{ "esp", STACK - 16 },
						{ "eflags", 0x202 },
						{ NULL, 0 } });
	guest_close(&g);
}

static void page_fault_from_ring3_switches_to_the_tss_stack(void)
{
	static const uint64_t frame[] = { 6, CODE, 0x1b, 0x10302, STACK, 0x23 };
	struct cpu_fault f = x86_fault_from_vector(X86_PF, 6, CODE, 0xdead0000);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	put_gate32(&g, X86_PF, 0x8e);
	guest_put(&g, TSS + 4, STACK0, 4);
	guest_put(&g, TSS + 8, 0x10, 4);
	enter_ring3(x, false);
	CHECK_INT(f.kind, CPU_FAULT_PAGE);
	CHECK_INT(f.access, MEM_W);
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 4, frame, 6);
	guest_expect(&g, (struct expect_reg[]){ { "eip", HANDLER },
						{ "cs", 8 },
						{ "ss", 0x10 },
						{ "esp", STACK0 - 24 },
						{ "eflags", 2 },
						{ "cr2", 0xdead0000 },
						{ NULL, 0 } });
	CHECK_INT(x86_cpl(x), 0);
	guest_close(&g);
}

/* INT 0x80 needs a gate that ring 3 may use; otherwise it becomes #GP(vector * 8 + 2). */
static void int_n_from_ring3_checks_the_gate(void)
{
	static const uint64_t allowed[] = { CODE + 2, 0x1b, 0x302, STACK, 0x23 };
	static const uint64_t denied[] = { 0x402, CODE, 0x1b, 0x10302, STACK, 0x23 };
	struct cpu_fault f = x86_fault_from_vector(0x80, 0, CODE, 0);

	for (int is_allowed = 0; is_allowed < 2; is_allowed++) {
		struct guest g;
		struct x86_state *x = open_protected(&g, &x86_arch);

		guest_put(&g, CODE, 0x80cd, 2);
		put_gate32(&g, 0x80, is_allowed ? 0xee : 0x8e);
		put_gate32(&g, X86_GP, 0x8e);
		guest_put(&g, TSS + 4, STACK0, 4);
		guest_put(&g, TSS + 8, 0x10, 4);
		enter_ring3(x, false);
		CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
		expect_stack(&g, 4, is_allowed ? allowed : denied, is_allowed ? 5 : 6);
		guest_close(&g);
	}
}

static void sixteen_bit_gate_pushes_words(void)
{
	static const uint64_t frame[] = { 0x5678, 8, 0x302 };
	struct cpu_fault f = x86_fault_from_vector(X86_UD, 0, 0x5678, 0);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	x->rip = 0x5678;
	put_gate32(&g, X86_UD, 0x86);
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 2, frame, 3);
	CHECK_INT(x->rip, HANDLER & 0xffff);
	guest_close(&g);
}

static void virtual_8086_frame_holds_the_data_segments(void)
{
	static const uint64_t frame[] = { 0x200, 0x3000, 0x30302, 0x100, 0x2000,
					  0x11,	 0x22,	 0x33,	  0x44 };
	struct cpu_fault f = x86_fault_from_vector(X86_UD, 0, 0x30200, 0);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	put_gate32(&g, X86_UD, 0x8e);
	guest_put(&g, TSS + 4, STACK0, 4);
	guest_put(&g, TSS + 8, 0x10, 4);
	x->rflags |= X86_FLAGS_VM;
	x->seg[X86_CS] = (struct x86_seg){ .sel = 0x3000, .attr = 0xf3, .base = 0x30000 };
	x->seg[X86_SS] = (struct x86_seg){ .sel = 0x2000, .attr = 0xf3, .base = 0x20000 };
	x->seg[X86_ES].sel = 0x11;
	x->seg[X86_DS].sel = 0x22;
	x->seg[X86_FS].sel = 0x33;
	x->seg[X86_GS].sel = 0x44;
	x->rip = 0x200;
	x->gpr[X86_RSP] = 0x100;
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 4, frame, 9);
	guest_expect(&g, (struct expect_reg[]){ { "ds", 0 },
						{ "es", 0 },
						{ "fs", 0 },
						{ "gs", 0 },
						{ "cs", 8 },
						{ "eflags", 2 },
						{ NULL, 0 } });
	guest_close(&g);
}

static void unusable_tables_refuse(void)
{
	struct cpu_fault f = x86_fault_from_vector(X86_UD, 0, CODE, 0);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	CHECK(guest_refuses(&g, &x86_arch, &f)); /* all gates absent */
	put_gate32(&g, X86_UD, 0x0e);
	CHECK(guest_refuses(&g, &x86_arch, &f)); /* not present */
	put_gate32(&g, X86_UD, 0x8e);
	x->gpr[X86_RSP] = 0x40000000;
	CHECK(guest_refuses(&g, &x86_arch, &f)); /* the stack is nowhere */
	x->gpr[X86_RSP] = STACK;
	x->gdtr.limit = 0xe;
	CHECK(guest_refuses(&g, &x86_arch, &f)); /* no descriptor */
	x->gdtr.limit = 0xf;
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	guest_close(&g);
}

/* No gate for #UD: #NP(6 * 8 + 2 + EXT) instead. None for that either: #DF. */
static void failed_delivery_raises_what_the_cpu_would(void)
{
	static const uint64_t np[] = { 0x33, CODE, 8, 0x10302 };
	static const uint64_t df[] = { 0, CODE, 8, 0x302 };
	struct cpu_fault f = x86_fault_from_vector(X86_UD, 0, CODE, 0);
	struct guest g;

	open_protected(&g, &x86_arch);
	put_gate32(&g, X86_UD, 0x0e);
	put_gate32(&g, X86_NP, 0x8e);
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 4, np, 4);
	guest_close(&g);

	open_protected(&g, &x86_arch);
	put_gate32(&g, X86_UD, 0x0e);
	put_gate32(&g, X86_DF, 0x8e);
	CHECK(x86_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 4, df, 4);
	guest_close(&g);
}

static void long_mode_frame_is_aligned_and_complete(void)
{
	static const uint64_t frame[] = { CODE, 8, 0x10302, STACK - 8, 0x10 };
	struct cpu_fault f = x86_fault_from_vector(X86_DE, 0, CODE, 0);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x64_arch);

	put_gate64(&g, X86_DE, 0x8e, 0);
	x->gpr[X86_RSP] = STACK - 8;
	CHECK(x64_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 8, frame, 5);
	guest_expect(&g, (struct expect_reg[]){ { "rsp", STACK - 16 - 40 },
						{ "rip", HANDLER },
						{ "rflags", 2 },
						{ "cs", 8 },
						{ "ss", 0x10 },
						{ NULL, 0 } });
	guest_close(&g);
}

static void long_mode_ring3_takes_rsp0_or_ist(void)
{
	static const uint64_t frame[] = { 0x15, CODE, 0x1b, 0x10302, STACK, 0x23 };
	struct cpu_fault f = x86_fault_from_vector(X86_PF, 0x15, CODE, 0xffff800000000000);

	for (unsigned int ist = 0; ist < 2; ist++) {
		struct guest g;
		struct x86_state *x = open_protected(&g, &x64_arch);

		put_gate64(&g, X86_PF, 0x8e, ist);
		guest_put(&g, TSS + 4, STACK0, 8);
		guest_put(&g, TSS + 0x24, STACK0 - 0x1000, 8);
		enter_ring3(x, true);
		CHECK_INT(f.access, MEM_X);
		CHECK(x64_arch.deliver(&g.cpu, g.m, &f));
		expect_stack(&g, 8, frame, 6);
		CHECK_INT(x->gpr[X86_RSP], STACK0 - 48 - (ist ? 0x1000 : 0));
		CHECK_INT(x->seg[X86_SS].sel, 0);
		CHECK_INT(x->cr2, 0xffff800000000000);
		guest_close(&g);
	}
}

static void int3_in_long_mode_is_a_trap(void)
{
	static const uint64_t frame[] = { CODE + 1, 8, 0x302, STACK, 0x10 };
	struct cpu_fault f = x86_fault_from_vector(X86_BP, 0, CODE, 0);
	struct guest g;

	open_protected(&g, &x64_arch);
	guest_put(&g, CODE, 0xcc, 1);
	put_gate64(&g, X86_BP, 0x8e, 0);
	CHECK(x64_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 8, frame, 5);
	guest_close(&g);
}

/* Identity map of the first 4 MiB by two 2 MiB pages. */
static void put_long_tables(struct guest *g)
{
	guest_put(g, TABLES, (TABLES + 0x1000) | 7, 8);
	guest_put(g, TABLES + 0x1000, (TABLES + 0x2000) | 7, 8);
	guest_put(g, TABLES + 0x2000, 0x000000 | 0x83, 8);
	guest_put(g, TABLES + 0x2008, 0x200000 | 0x83, 8);
	x86_state(&g->cpu)->cr3 = TABLES;
	x86_state(&g->cpu)->cr0 |= X86_CR0_PG;
}

/* The stack page is absent: #PF, then a second one while pushing: #DF on its own stack. */
static void page_fault_on_a_bad_stack_is_a_double_fault(void)
{
	static const uint64_t frame[] = { 0, CODE, 8, 0x302, 0x800000, 0x10 };
	struct cpu_fault f = x86_fault_from_vector(X86_PF, 2, CODE, 0x7ffff8);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x64_arch);

	put_long_tables(&g);
	put_gate64(&g, X86_PF, 0x8e, 0);
	x->gpr[X86_RSP] = 0x800000;
	CHECK(guest_refuses(&g, &x64_arch, &f));
	put_gate64(&g, X86_DF, 0x8e, 1);
	guest_put(&g, TSS + 0x24, STACK0, 8);
	CHECK(x64_arch.deliver(&g.cpu, g.m, &f));
	expect_stack(&g, 8, frame, 6);
	CHECK_INT(x->cr2, 0x7ffff8); /* the first push, of SS */
	guest_close(&g);
}

static void walks_of_four_levels(void)
{
	static const struct expect_walk supervisor[] = {
		{ 0x123456, MEM_R, true, 0x123456, 0 },
		{ 0x323456, MEM_W, true, 0x323456, 0 },
		{ 0x400000, MEM_R, false, 0, 0 },
		{ 0x400000, MEM_W, false, 0, 2 },
		{ 0x400000, MEM_X, false, 0, 0x10 },
		{ 0x601234, MEM_R, true, 0x155234, 0 },
		{ 0x601234, MEM_W, false, 0, 3 },
		{ 0x601234, MEM_X, false, 0, 0x11 },
		{ 0x601234, 0, true, 0x155234, 0 },
		{ 0x800000, MEM_R, false, 0, 9 }, /* reserved bit */
		{ 0x40000abc, MEM_R, true, 0x80000abc, 0 },
	};
	static const struct expect_walk user[] = {
		{ 0x123456, MEM_R, false, 0, 5 },
		{ 0x601234, MEM_R, true, 0x155234, 0 },
		{ 0x601234, MEM_W, false, 0, 7 },
		{ 0x400000, MEM_X, false, 0, 0x14 },
	};
	struct cpu_fault f;
	struct guest g;
	struct x86_state *x = open_protected(&g, &x64_arch);
	gpa_t gpa;

	put_long_tables(&g);
	guest_put(&g, TABLES + 0x2018, (TABLES + 0x3000) | 7, 8);
	guest_put(&g, TABLES + 0x3008, 0x8000000000155005, 8);
	guest_put(&g, TABLES + 0x1008, 0x80000083, 8); /* 1 GiB page */
	guest_put(&g, TABLES + 0x2020, 0x202083, 8);   /* 2 MiB page, bit 13 set */
	for (size_t i = 0; i < ARRAY_SIZE(supervisor); i++) {
		guest_expect_walk(&g, &x64_arch, &supervisor[i]);
	}
	x->cr4 |= X86_CR4_SMEP | X86_CR4_SMAP;
	guest_put(&g, TABLES + 0x3018, 0x157007, 8);
	guest_expect_walk(&g, &x64_arch, &(struct expect_walk){ 0x603000, MEM_X, false, 0, 0x11 });
	guest_expect_walk(&g, &x64_arch, &(struct expect_walk){ 0x603000, MEM_W, false, 0, 3 });
	x->rflags |= X86_FLAGS_AC;
	guest_expect_walk(&g, &x64_arch,
			  &(struct expect_walk){ 0x603000, MEM_W, true, 0x157000, 0 });
	enter_ring3(x, true);
	for (size_t i = 0; i < ARRAY_SIZE(user); i++) {
		guest_expect_walk(&g, &x64_arch, &user[i]);
	}
	CHECK(!x64_arch.page_walk(&g.cpu, g.m, 0x800000000000, MEM_R, &gpa, &f));
	CHECK_INT(f.kind, CPU_FAULT_GENERAL);
	x->cr3 = 0x7000000;
	CHECK(!x64_arch.page_walk(&g.cpu, g.m, 0x1000, MEM_R, &gpa, &f));
	CHECK_INT(f.kind, CPU_FAULT_UNMAPPED);
	CHECK_INT(f.address, 0x7000000);
	guest_close(&g);
}

static void walks_of_32_bit_tables(void)
{
	static const struct expect_walk with_pse[] = {
		{ 0x123456, MEM_W, true, 0x123456, 0 },
		{ 0x400abc, MEM_R, true, 0x1c00000abc, 0 }, /* PSE-36 */
		{ 0xc0001010, MEM_R, true, 0x133010, 0 },
		{ 0xc0001010, MEM_W, false, 0, 3 },
		{ 0xc0002010, MEM_R, false, 0, 0 },
	};
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	guest_put(&g, TABLES, 0x00000083, 4);
	guest_put(&g, TABLES + 4, 0x00038083, 4);
	guest_put(&g, TABLES + 0xc00, (TABLES + 0x1000) | 7, 4);
	guest_put(&g, TABLES + 0x1004, 0x133001, 4);
	x->cr3 = TABLES;
	x->cr4 |= X86_CR4_PSE;
	x->cr0 |= X86_CR0_PG | X86_CR0_WP;
	for (size_t i = 0; i < ARRAY_SIZE(with_pse); i++) {
		guest_expect_walk(&g, &x86_arch, &with_pse[i]);
	}
	x->cr0 &= ~X86_CR0_WP;
	guest_expect_walk(&g, &x86_arch,
			  &(struct expect_walk){ 0xc0001010, MEM_W, true, 0x133010, 0 });
	guest_close(&g);
}

static void walks_of_pae_tables(void)
{
	static const struct expect_walk walks[] = {
		{ 0x80003021, MEM_W, true, 0x144021, 0 },
		{ 0x80203021, MEM_R, true, 0x100003021, 0 },
		{ 0x40000000, MEM_R, false, 0, 0 },
		{ 0xc0000000, MEM_R, false, 0, 9 }, /* R/W is reserved in a PDPTE */
	};
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	guest_put(&g, TABLES + 0x20 + 2 * 8, (TABLES + 0x1000) | 1, 8);
	guest_put(&g, TABLES + 0x20 + 3 * 8, (TABLES + 0x1000) | 3, 8);
	guest_put(&g, TABLES + 0x1000, (TABLES + 0x2000) | 3, 8);
	guest_put(&g, TABLES + 0x1008, 0x100000083, 8);
	guest_put(&g, TABLES + 0x2018, 0x144003, 8);
	x->cr3 = TABLES + 0x20;
	x->cr4 |= X86_CR4_PAE;
	x->cr0 |= X86_CR0_PG;
	for (size_t i = 0; i < ARRAY_SIZE(walks); i++) {
		guest_expect_walk(&g, &x86_arch, &walks[i]);
	}
	guest_close(&g);
}

/* A frame across two pages, of which the lower one is missing, then the upper one. */
static void frames_may_cross_a_page(void)
{
	struct cpu_fault f = x86_fault_from_vector(X86_DE, 0, CODE, 0);
	struct guest g;
	struct x86_state *x = open_protected(&g, &x64_arch);

	put_long_tables(&g);
	guest_put(&g, TABLES + 0x2010, (TABLES + 0x3000) | 3, 8); /* 0x400000 */
	guest_put(&g, TABLES + 0x3000, 0x180003, 8);
	guest_put(&g, TABLES + 0x3008, 0x170003, 8); /* not the next page of memory */
	put_gate64(&g, X86_DE, 0x8e, 0);
	x->gpr[X86_RSP] = 0x401000 + 16;
	CHECK(x64_arch.deliver(&g.cpu, g.m, &f));
	CHECK_INT(x->gpr[X86_RSP], 0x401000 - 24);
	CHECK_INT(guest_get(&g, 0x180fe8, 8), CODE);
	CHECK_INT(guest_get(&g, 0x180ff0, 8), 8);
	CHECK_INT(guest_get(&g, 0x180ff8, 8), 0x10302);
	CHECK_INT(guest_get(&g, 0x170000, 8), 0x401010);
	CHECK_INT(guest_get(&g, 0x170008, 8), 0x10);
	x->gpr[X86_RSP] = 0x401000 + 16;
	guest_put(&g, TABLES + 0x3000, 0, 8);
	CHECK(guest_refuses(&g, &x64_arch, &f));
	guest_close(&g);
}

static void segments_reload_from_their_descriptors(void)
{
	struct guest g;
	struct x86_state *x = open_protected(&g, &x86_arch);

	guest_put(&g, GDT + 0x10, 0x12409a345678ffff, 8); /* byte limit */
	x->seg[X86_DS] = (struct x86_seg){ .sel = 0x10 };
	CHECK(x86_seg_reload(x, g.m, &x->seg[X86_DS]));
	CHECK_INT(x->seg[X86_DS].base, 0x12345678);
	CHECK_INT(x->seg[X86_DS].limit, 0xffff);
	CHECK_INT(x->seg[X86_DS].attr, 0x409b);
	x->seg[X86_CS].sel = 8;
	CHECK(x86_seg_reload(x, g.m, &x->seg[X86_CS]));
	CHECK_INT(x->seg[X86_CS].limit, 0xffffffff);
	x->seg[X86_DS].sel = 0x100;
	CHECK(!x86_seg_reload(x, g.m, &x->seg[X86_DS]));
	CHECK_INT(x->seg[X86_DS].attr, 0xc093);
	x->seg[X86_DS].sel = 0;
	CHECK(x86_seg_reload(x, g.m, &x->seg[X86_DS]));
	CHECK_INT(x->seg[X86_DS].attr, 0);
	guest_close(&g);
}

static void only_exceptions_are_delivered(void)
{
	static const struct cpu_fault faults[] = {
		{ .kind = CPU_FAULT_UNMAPPED, .pc = CODE },
		{ .kind = CPU_FAULT_PROTECTION, .pc = CODE },
		{ .kind = CPU_FAULT_TRIPLE, .pc = CODE },
		{ .kind = CPU_FAULT_SYSCALL, .vector = 0, .pc = CODE }, /* SYSCALL, not INT */
		{ .kind = CPU_FAULT_OTHER, .vector = 0x100, .pc = CODE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct guest g;

		open_protected(&g, &x86_arch);
		put_gate32(&g, 0, 0x8e);
		CHECK(guest_refuses(&g, &x86_arch, &faults[i]));
		guest_close(&g);
	}
}

static void vectors_have_kinds(void)
{
	static const struct {
		uint32_t vector;
		enum cpu_fault_kind kind;
	} kinds[] = {
		{ X86_DE, CPU_FAULT_DIVIDE },	    { X86_BP, CPU_FAULT_BREAKPOINT },
		{ X86_UD, CPU_FAULT_ILLEGAL_INSN }, { X86_NM, CPU_FAULT_OTHER },
		{ X86_DF, CPU_FAULT_DOUBLE },	    { X86_SSF, CPU_FAULT_GENERAL },
		{ X86_AC, CPU_FAULT_UNALIGNED },    { X86_XM, CPU_FAULT_FP },
		{ 0x80, CPU_FAULT_SYSCALL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		CHECK_INT(x86_fault_from_vector(kinds[i].vector, 0, 0, 0).kind, kinds[i].kind);
	}
}

static const struct test_case cases[] = {
	{ "real_mode_pushes_flags_cs_ip", real_mode_pushes_flags_cs_ip },
	{ "real_mode_int_n_returns_behind_itself", real_mode_int_n_returns_behind_itself },
	{ "real_mode_without_handlers_refuses", real_mode_without_handlers_refuses },
	{ "trap_gate_same_privilege", trap_gate_same_privilege },
	{ "page_fault_from_ring3_switches_to_the_tss_stack",
	  page_fault_from_ring3_switches_to_the_tss_stack },
	{ "int_n_from_ring3_checks_the_gate", int_n_from_ring3_checks_the_gate },
	{ "sixteen_bit_gate_pushes_words", sixteen_bit_gate_pushes_words },
	{ "virtual_8086_frame_holds_the_data_segments",
	  virtual_8086_frame_holds_the_data_segments },
	{ "unusable_tables_refuse", unusable_tables_refuse },
	{ "failed_delivery_raises_what_the_cpu_would", failed_delivery_raises_what_the_cpu_would },
	{ "long_mode_frame_is_aligned_and_complete", long_mode_frame_is_aligned_and_complete },
	{ "long_mode_ring3_takes_rsp0_or_ist", long_mode_ring3_takes_rsp0_or_ist },
	{ "int3_in_long_mode_is_a_trap", int3_in_long_mode_is_a_trap },
	{ "page_fault_on_a_bad_stack_is_a_double_fault",
	  page_fault_on_a_bad_stack_is_a_double_fault },
	{ "walks_of_four_levels", walks_of_four_levels },
	{ "walks_of_32_bit_tables", walks_of_32_bit_tables },
	{ "walks_of_pae_tables", walks_of_pae_tables },
	{ "frames_may_cross_a_page", frames_may_cross_a_page },
	{ "segments_reload_from_their_descriptors", segments_reload_from_their_descriptors },
	{ "only_exceptions_are_delivered", only_exceptions_are_delivered },
	{ "vectors_have_kinds", vectors_have_kinds },
};

TEST_MAIN(cases)

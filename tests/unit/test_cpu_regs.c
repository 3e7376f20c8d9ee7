/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Register tables of all architectures: complete, named once, no overlap, what gdb demands. */
#include <errno.h>
#include <strings.h>

#include "test_cpu_guest.h"

#include "cpu/a64/a64.h"
#include "cpu/arm/arm.h"
#include "cpu/riscv/riscv.h"
#include "cpu/x86/x86.h"

static bool same_name(const char *a, const char *b)
{
	return a && b && strcasecmp(a, b) == 0;
}

/* Two entries may be views of one field only if one of them computes its value. */
static void check_pair(const struct cpu_reg *a, const struct cpu_reg *b)
{
	bool is_overlap = range_overlaps(a->offset, a->bytes, b->offset, b->bytes);

	if (same_name(a->name, b->name) || same_name(a->name, b->alias) ||
	    same_name(a->alias, b->name) || same_name(a->alias, b->alias) ||
	    (is_overlap && !a->get && !b->get)) {
		printf("%s and %s clash\n", a->name, b->name);
		test_failures++;
	}
}

static void no_two_registers_share_name_or_bytes(void)
{
	for (size_t k = 0; k < cpu_arch_count; k++) {
		const struct cpu_arch *a = cpu_arch_table[k];

		for (size_t i = 0; i < a->n_regs; i++) {
			for (size_t j = 0; j < i; j++) {
				check_pair(&a->regs[i], &a->regs[j]);
			}
		}
	}
}

static void every_register_is_found_and_keeps_its_value(void)
{
	for (size_t k = 0; k < cpu_arch_count; k++) {
		const struct cpu_arch *a = cpu_arch_table[k];
		struct cpu_mode mode = { 0 };
		struct cpu_state s;

		a->reset(&s, &mode);
		CHECK(a->state_bytes <= CPU_STATE_BYTES_MAX);
		for (size_t i = 0; i < a->n_regs; i++) {
			const struct cpu_reg *r = &a->regs[i];
			uint8_t buf[CPU_REG_BYTES_MAX] = { 0 };
			struct cpu_state before = s;

			CHECK(cpu_reg_find(a, r->name) == r);
			CHECK(!r->alias || cpu_reg_find(a, r->alias) == r);
			CHECK(strlen(r->name) < CPU_REG_NAME_BYTES);
			CHECK(r->bytes >= 1 && r->bytes <= CPU_REG_BYTES_MAX);
			CHECK(!(r->get || r->set) || r->bytes <= 8);
			CHECK(r->offset + r->bytes <= a->state_bytes);
			cpu_reg_load(&s, r, buf);
			CHECK_INT(cpu_reg_store(&s, r, buf, NULL), 0);
			CHECK(memcmp(&s, &before, sizeof(s)) == 0);
		}
	}
}

/* gdb numbers registers in the order of the description, which groups them by feature. */
static void gdb_features_are_contiguous(void)
{
	for (size_t k = 0; k < cpu_arch_count; k++) {
		const struct cpu_arch *a = cpu_arch_table[k];

		for (size_t i = 1; i < a->n_regs; i++) {
			const char *f = a->regs[i].gdb_feature;

			CHECK(f && a->regs[i - 1].gdb_feature);
			for (size_t j = 0; f && j < i; j++) {
				CHECK(strcmp(a->regs[j].gdb_feature, f) != 0 ||
				      strcmp(a->regs[i - 1].gdb_feature, f) == 0);
			}
		}
	}
}

/* From gdb's features/: the registers that it refuses to do without, in its order. */
static const struct {
	const char *arch;
	const char *feature;
	const char *names; /* each followed by a blank */
} gdb_demands[] = {
	{ "x86", "org.gnu.gdb.i386.core",
	  "eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs st0 st1 st2 st3 st4 st5 "
	  "st6 st7 fctrl fstat ftag fiseg fioff foseg fooff fop " },
	{ "x86", "org.gnu.gdb.i386.sse", "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 mxcsr " },
	{ "x64", "org.gnu.gdb.i386.core",
	  "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es "
	  "fs gs st0 st1 st2 st3 st4 st5 st6 st7 fctrl fstat ftag fiseg fioff foseg fooff fop " },
	{ "x64", "org.gnu.gdb.i386.sse",
	  "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 "
	  "xmm15 mxcsr " },
	{ "x64", "org.gnu.gdb.i386.segments", "fs_base gs_base " },
	{ "arm", "org.gnu.gdb.arm.core",
	  "r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 r11 r12 sp lr pc cpsr " },
	{ "arm", "org.gnu.gdb.arm.vfp",
	  "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11 d12 d13 d14 d15 d16 d17 d18 d19 d20 d21 d22 "
	  "d23 d24 d25 d26 d27 d28 d29 d30 d31 fpscr " },
	{ "arm64", "org.gnu.gdb.aarch64.core",
	  "x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 "
	  "x23 x24 x25 x26 x27 x28 x29 x30 sp pc cpsr " },
	{ "arm64", "org.gnu.gdb.aarch64.fpu",
	  "v0 v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 v11 v12 v13 v14 v15 v16 v17 v18 v19 v20 v21 v22 "
	  "v23 v24 v25 v26 v27 v28 v29 v30 v31 fpsr fpcr " },
	{ "riscv64", "org.gnu.gdb.riscv.cpu",
	  "zero ra sp gp tp t0 t1 t2 fp s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 "
	  "s11 t3 t4 t5 t6 pc " },
	{ "riscv64", "org.gnu.gdb.riscv.fpu",
	  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 "
	  "fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11 fflags frm fcsr " },
	{ "riscv64", "org.gnu.gdb.riscv.virtual", "priv " },
};

static void gdb_features_hold_what_gdb_demands(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(gdb_demands); k++) {
		const struct cpu_arch *a = cpu_arch_by_name(gdb_demands[k].arch);
		char names[512] = "";

		for (size_t i = 0; i < a->n_regs; i++) {
			const struct cpu_reg *r = &a->regs[i];

			if (strcmp(r->gdb_feature, gdb_demands[k].feature) == 0) {
				strcat(names, r->gdb_name ? r->gdb_name : r->name);
				strcat(names, " ");
			}
		}
		CHECK_STR(names, gdb_demands[k].names);
	}
}

static void architectures_are_found_by_any_name(void)
{
	static const struct {
		const char *name;
		enum cpu_arch_id id;
	} names[] = {
		{ "x86", CPU_ARCH_X86 },      { "i386", CPU_ARCH_X86 },
		{ "x64", CPU_ARCH_X64 },      { "amd64", CPU_ARCH_X64 },
		{ "X86_64", CPU_ARCH_X64 },   { "arm", CPU_ARCH_ARM },
		{ "arm64", CPU_ARCH_A64 },    { "aarch64", CPU_ARCH_A64 },
		{ "riscv64", CPU_ARCH_RV64 }, { "riscv", CPU_ARCH_RV64 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct cpu_arch *a = cpu_arch_by_name(names[i].name);

		CHECK(a && a->id == names[i].id && a == cpu_arch_by_id(names[i].id));
	}
	CHECK(!cpu_arch_by_name("mips"));
	CHECK(!cpu_arch_by_name(""));
	CHECK(!cpu_arch_by_id((enum cpu_arch_id)0));
}

static void aliases_name_the_same_register(void)
{
	static const char *const pairs[][3] = {
		{ "x86", "eflags", "FLAGS" },  { "x64", "rflags", "eflags" },
		{ "x64", "fctrl", "fcw" },     { "arm", "sp", "r13" },
		{ "arm", "lr", "R14" },	       { "arm", "pc", "r15" },
		{ "arm64", "cpsr", "pstate" }, { "arm64", "x30", "lr" },
		{ "riscv64", "a0", "x10" },    { "riscv64", "zero", "x0" },
		{ "riscv64", "s0", "x8" },     { "riscv64", "s0", "fp" },
		{ "riscv64", "fa0", "f10" },   { "riscv64", "t6", "X31" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const struct cpu_arch *a = cpu_arch_by_name(pairs[i][0]);
		const struct cpu_reg *r = cpu_reg_find(a, pairs[i][1]);

		CHECK(r && r == cpu_reg_find(a, pairs[i][2]));
	}
	CHECK(!cpu_reg_find(&x64_arch, "x10"));
	CHECK(!cpu_reg_find(&x64_arch, ""));
}

static void values_that_do_not_fit_are_refused(void)
{
	struct cpu_mode mode = { 0 };
	struct cpu_state s;
	struct errmsg e = { "" };

	x86_arch.reset(&s, &mode);
	CHECK_INT(cpu_reg_set(&s, cpu_reg_find(&x86_arch, "eax"), 0x100000000, &e), -ERANGE);
	CHECK_STR(e.text, "0x100000000 does not fit in the 32 bits of eax");
	CHECK_INT(cpu_reg_set(&s, cpu_reg_find(&x86_arch, "cs"), 0x10000, &e), -ERANGE);
	rv64_arch.reset(&s, &mode);
	CHECK_INT(cpu_reg_set(&s, cpu_reg_find(&rv64_arch, "zero"), 1, &e), -ERANGE);
	CHECK_STR(e.text, "register zero can't hold 0x1");
	CHECK_INT(cpu_reg_set(&s, cpu_reg_find(&rv64_arch, "frm"), 8, &e), -ERANGE);
	CHECK_INT(cpu_reg_set(&s, cpu_reg_find(&rv64_arch, "priv"), 2, &e), -ERANGE);
}

static void wide_registers_take_their_low_half(void)
{
	struct guest g;
	uint8_t raw[16];

	guest_open(&g, &x64_arch, (struct cpu_mode){ 0 });
	memset(x86_state(&g.cpu)->ymm[3], 0xff, 32);
	guest_set(&g, "xmm3", 0x1122334455667788);
	CHECK_INT(guest_reg(&g, "xmm3"), 0x1122334455667788);
	cpu_reg_load(&g.cpu, cpu_reg_find(&x64_arch, "xmm3"), raw);
	CHECK_INT(load_le(raw + 8, 8), 0);
	cpu_reg_load(&g.cpu, cpu_reg_find(&x64_arch, "ymm3h"), raw);
	CHECK_INT(load_le(raw, 8), -1);
	guest_close(&g);
}

/* ST(0) = 1.0 in physical register 7, ST(1) = 0.0 empty, ST(2) = +inf in register 1. */
static void x87_tag_word_follows_from_the_stack(void)
{
	struct guest g;
	struct x86_state *x;

	guest_open(&g, &x86_arch, (struct cpu_mode){ 0 });
	x = x86_state(&g.cpu);
	CHECK_INT(guest_reg(&g, "ftag"), 0xffff);
	x->fsw = 7 << 11;
	store_le(x->st[0], 0x8000000000000000, 8);
	store_le(x->st[0] + 8, 0x3fff, 2);
	store_le(x->st[2], 0x8000000000000000, 8);
	store_le(x->st[2] + 8, 0x7fff, 2);
	x->ftw = 0x82;
	CHECK_INT(guest_reg(&g, "ftag"), 0x3ffb);
	x->ftw = 0x83; /* register 0 is ST(1): zero */
	CHECK_INT(guest_reg(&g, "ftag"), 0x3ff9);
	guest_set(&g, "ftag", 0xfffc);
	CHECK_INT(x->ftw, 1);
	guest_close(&g);
}

static void real_mode_selectors_move_the_base(void)
{
	struct guest g;

	guest_open(&g, &x86_arch, (struct cpu_mode){ .is_16bit = true });
	guest_set(&g, "ds", 0x1234);
	CHECK_INT(x86_state(&g.cpu)->seg[X86_DS].base, 0x12340);
	x86_arch.set_pc(&g.cpu, 0x7c00);
	guest_expect(&g, (struct expect_reg[]){ { "cs", 0 }, { "eip", 0x7c00 }, { NULL, 0 } });
	x86_arch.set_pc(&g.cpu, 0x23456);
	guest_expect(&g, (struct expect_reg[]){ { "cs", 0x2000 }, { "eip", 0x3456 }, { NULL, 0 } });
	CHECK_INT(x86_arch.get_pc(&g.cpu), 0x23456);
	guest_close(&g);
}

/* The banks and the current registers stay in step, whichever of them is written. */
static void arm_banks_follow_the_mode(void)
{
	struct guest g;

	guest_open(&g, &arm_arch, (struct cpu_mode){ 0 });
	guest_set(&g, "r8", 0x88);
	guest_set(&g, "sp", 0x1000);
	guest_set(&g, "sp_fiq", 0x2000);
	guest_set(&g, "cpsr", 0x1d1); /* FIQ */
	guest_expect(&g,
		     (struct expect_reg[]){
			     { "sp", 0x2000 }, { "sp_svc", 0x1000 }, { "r8", 0 }, { NULL, 0 } });
	guest_set(&g, "sp_fiq", 0x2004);
	CHECK_INT(guest_reg(&g, "sp"), 0x2004);
	guest_set(&g, "r8", 0xf8);
	guest_set(&g, "cpsr", 0x1df); /* System: the bank of User */
	guest_set(&g, "lr", 0x77);
	guest_expect(&g, (struct expect_reg[]){ { "r8", 0x88 },
						{ "lr_usr", 0x77 },
						{ "sp_fiq", 0x2004 },
						{ NULL, 0 } });
	guest_set(&g, "cpsr", 0x1d1);
	CHECK_INT(guest_reg(&g, "r8"), 0xf8);
	guest_close(&g);
}

static void a64_stack_pointer_follows_pstate(void)
{
	struct guest g;
	const struct cpu_arch *a = cpu_arch_by_name("arm64");

	guest_open(&g, a, (struct cpu_mode){ 0 });
	a->set_sp(&g.cpu, 0x1000);
	guest_set(&g, "sp_el0", 0x2000);
	CHECK_INT(a->get_sp(&g.cpu), 0x1000);
	CHECK_INT(guest_reg(&g, "sp_el1"), 0x1000);
	guest_set(&g, "pstate", 0x3c4); /* EL1 with SP_EL0 */
	CHECK_INT(a->get_sp(&g.cpu), 0x2000);
	guest_set(&g, "sp", 0x2010);
	CHECK_INT(guest_reg(&g, "sp_el0"), 0x2010);
	a64_state(&g.cpu)->sp = 0x2020; /* as an engine may: the slot is brought up to date */
	guest_set(&g, "pstate", 0x3c5);
	CHECK_INT(guest_reg(&g, "sp_el0"), 0x2020);
	CHECK_INT(guest_reg(&g, "sp"), 0x1000);
	guest_close(&g);
}

static void riscv_float_flags_are_views_of_fcsr(void)
{
	struct guest g;

	guest_open(&g, &rv64_arch, (struct cpu_mode){ 0 });
	guest_set(&g, "fcsr", 0xf5);
	guest_expect(&g, (struct expect_reg[]){ { "fflags", 0x15 }, { "frm", 7 }, { NULL, 0 } });
	guest_set(&g, "frm", 1);
	guest_set(&g, "fflags", 2);
	CHECK_INT(guest_reg(&g, "fcsr"), 0x22);
	guest_close(&g);
}

/* The parts of each reset state that boards and programs rely on, from the manuals. */
static void reset_states(void)
{
	static const struct {
		const char *arch;
		struct cpu_mode mode;
		struct expect_reg want[9];
	} states[] = {
		{ "x86",
		  { 0 },
		  { { "eflags", 2 },
		    { "cr0", 0x33 },
		    { "cr4", 0x600 },
		    { "cs", 8 },
		    { "ss", 0x10 },
		    { "fctrl", 0x37f },
		    { "mxcsr", 0x1f80 },
		    { "dr7", 0x400 } } },
		{ "x86",
		  { .is_16bit = true },
		  { { "cr0", 0x10 },
		    { "cs", 0 },
		    { "idtr_limit", 0x3ff },
		    { "dr6", 0xffff0ff0 } } },
		{ "x64",
		  { 0 },
		  { { "cr0", 0x80010033 },
		    { "cr4", 0x620 },
		    { "efer", 0xd01 },
		    { "cs", 8 },
		    { "idtr_limit", 0 },
		    { "xcr0", 1 } } },
		{ "arm",
		  { 0 },
		  { { "cpsr", 0x1d3 },
		    { "cpacr", 0xf00000 },
		    { "fpexc", 0x40000000 },
		    { "vbar", 0 } } },
		{ "arm", { .is_big_endian = true, .is_thumb = true }, { { "cpsr", 0x3f3 } } },
		{ "arm64",
		  { 0 },
		  { { "pstate", 0x3c5 }, { "cpacr_el1", 0x300000 }, { "vbar_el1", 0 } } },
		{ "riscv64",
		  { 0 },
		  { { "priv", 3 },
		    { "mstatus", 0xa00002000 },
		    { "mtvec", 0 },
		    { "misa", 0x800000000014112d } } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct guest g;

		guest_open(&g, cpu_arch_by_name(states[i].arch), states[i].mode);
		guest_expect(&g, states[i].want);
		guest_close(&g);
	}
}

static void modes_survive_reset(void)
{
	static const struct {
		const char *arch;
		struct cpu_mode mode;
	} modes[] = {
		{ "x86", { 0 } },
		{ "x86", { .is_16bit = true } },
		{ "x64", { 0 } },
		{ "arm", { 0 } },
		{ "arm", { .is_thumb = true } },
		{ "arm", { .is_big_endian = true } },
		{ "arm64", { 0 } },
		{ "riscv64", { 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		const struct cpu_arch *a = cpu_arch_by_name(modes[i].arch);
		struct cpu_state s;
		struct cpu_mode got;

		a->reset(&s, &modes[i].mode);
		got = a->get_mode(&s);
		CHECK_INT(got.is_16bit, modes[i].mode.is_16bit);
		CHECK_INT(got.is_thumb, modes[i].mode.is_thumb);
		CHECK_INT(got.is_big_endian, modes[i].mode.is_big_endian);
	}
}

static void every_fault_kind_has_a_name(void)
{
	for (int k = 0; k < CPU_FAULT_KIND_COUNT; k++) {
		CHECK(cpu_fault_kind_name((enum cpu_fault_kind)k));
	}
	CHECK_STR(cpu_fault_kind_name(CPU_FAULT_ILLEGAL_INSN), "illegal-instruction");
	CHECK_STR(cpu_fault_kind_name(CPU_FAULT_OTHER), "exception");
}

static const struct test_case cases[] = {
	{ "no_two_registers_share_name_or_bytes", no_two_registers_share_name_or_bytes },
	{ "every_register_is_found_and_keeps_its_value",
	  every_register_is_found_and_keeps_its_value },
	{ "gdb_features_are_contiguous", gdb_features_are_contiguous },
	{ "gdb_features_hold_what_gdb_demands", gdb_features_hold_what_gdb_demands },
	{ "architectures_are_found_by_any_name", architectures_are_found_by_any_name },
	{ "aliases_name_the_same_register", aliases_name_the_same_register },
	{ "values_that_do_not_fit_are_refused", values_that_do_not_fit_are_refused },
	{ "wide_registers_take_their_low_half", wide_registers_take_their_low_half },
	{ "x87_tag_word_follows_from_the_stack", x87_tag_word_follows_from_the_stack },
	{ "real_mode_selectors_move_the_base", real_mode_selectors_move_the_base },
	{ "arm_banks_follow_the_mode", arm_banks_follow_the_mode },
	{ "a64_stack_pointer_follows_pstate", a64_stack_pointer_follows_pstate },
	{ "riscv_float_flags_are_views_of_fcsr", riscv_float_flags_are_views_of_fcsr },
	{ "reset_states", reset_states },
	{ "modes_survive_reset", modes_survive_reset },
	{ "every_fault_kind_has_a_name", every_fault_kind_has_a_name },
};

TEST_MAIN(cases)

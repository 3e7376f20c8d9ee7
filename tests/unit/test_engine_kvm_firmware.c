// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The x86 board's tables, looked at by the architecture's own page walk and exception delivery: no
 * engine is needed.
 */
#include <errno.h>

#include "machine/x86_firmware.h"
#include "test.h"

#define RAM_BYTES 0x600000u
#define RO_GPA	  0x280000u
#define MMIO_GPA  0xc0001000u
#define ROM16_GPA 0xff000u

struct rig {
	struct mem *mem;
	uint8_t *memory; /* RAM, then firmware */
	struct cpu_state s;
	struct x86_firmware_config cfg;
};

static void region_add(struct rig *rig, gpa_t gpa, uint64_t bytes, uint32_t perm, uint8_t *hva)
{
	struct mem_region r = { .base_gpa = gpa, .size_bytes = bytes, .perm = perm, .hva = hva };

	CHECK_INT(mem_region_add(rig->mem, &r, NULL), 0);
}

static void rig_init(struct rig *rig, const struct cpu_arch *arch, bool is_16bit)
{
	static const struct engine_mmio_range mmio = { MMIO_GPA, 0x100 };
	struct x86_firmware_region want[X86_FIRMWARE_REGIONS_MAX];
	struct errmsg e = { .text = "" };
	uint8_t *fw;
	size_t n;

	*rig = (struct rig){ .mem = mem_new() };
	rig->cfg = (struct x86_firmware_config){
		.arch = arch, .mode.is_16bit = is_16bit, .mmio = &mmio, .n_mmio = 1
	};
	rig->memory = calloc(1, RAM_BYTES + 0x200000);
	if (is_16bit) {
		region_add(rig, 0, ROM16_GPA, MEM_RWX, rig->memory);
	} else {
		region_add(rig, 0, RO_GPA, MEM_RWX, rig->memory);
		region_add(rig, RO_GPA, PAGE_BYTES, MEM_R, rig->memory + RO_GPA);
		region_add(rig, RO_GPA + PAGE_BYTES, RAM_BYTES - RO_GPA - PAGE_BYTES, MEM_R | MEM_W,
			   rig->memory + RO_GPA + PAGE_BYTES);
	}
	n = x86_firmware_regions(arch, &rig->cfg.mode, want);
	fw = rig->memory + RAM_BYTES;
	for (size_t i = 0; i < n; i++) {
		region_add(rig, want[i].base_gpa, want[i].size_bytes, want[i].perm, fw);
		fw += want[i].size_bytes;
	}
	arch->reset(&rig->s, &rig->cfg.mode);
	CHECK_INT(x86_firmware_setup(&rig->cfg, rig->mem, x86_state(&rig->s), &e), 0);
	CHECK_STR(e.text, "");
}

static void rig_done(struct rig *rig)
{
	mem_free(rig->mem);
	free(rig->memory);
}

static bool walk(const struct rig *rig, gva_t gva, uint32_t access)
{
	struct cpu_fault f;
	gpa_t gpa = 0;
	bool is_ok = rig->cfg.arch->page_walk(&rig->s, rig->mem, gva, access, &gpa, &f);

	if (is_ok) {
		CHECK_INT(gpa, gva);
	}
	return is_ok;
}

static void user_mode(struct rig *rig)
{
	struct x86_state *x = x86_state(&rig->s);

	x->seg[X86_CS].sel = X86_FW_SEL_USER_CODE64;
	x->seg[X86_CS].attr |= 0x60;
	x->seg[X86_SS].sel = X86_FW_SEL_USER_DATA;
	x->seg[X86_SS].attr |= 0x60;
}

static void test_tables_map_memory_exactly(void)
{
	struct rig rig;

	rig_init(&rig, &x64_arch, false);
	for (int is_user = 0; is_user <= 1; is_user++) {
		CHECK(walk(&rig, 0x1000, MEM_X));
		CHECK(walk(&rig, RO_GPA - 1, MEM_W));
		CHECK(walk(&rig, RO_GPA, MEM_R));
		CHECK(!walk(&rig, RO_GPA, MEM_W));
		CHECK(!walk(&rig, RO_GPA, MEM_X));
		CHECK(walk(&rig, RO_GPA + PAGE_BYTES, MEM_W));
		CHECK(walk(&rig, RAM_BYTES - 1, MEM_W));
		CHECK(!walk(&rig, RAM_BYTES - 1, MEM_X));
		CHECK(!walk(&rig, RAM_BYTES, MEM_R));
		CHECK(!walk(&rig, 0xd0000000, MEM_R));
		CHECK(walk(&rig, MMIO_GPA, MEM_W));
		CHECK(!walk(&rig, MMIO_GPA, MEM_X));
		CHECK(walk(&rig, X86_FIRMWARE_BASE_GPA, MEM_R) == !is_user);
		CHECK(!walk(&rig, X86_FIRMWARE_BASE_GPA, MEM_W));
		CHECK(!walk(&rig, 0x100000000, MEM_R));
		user_mode(&rig);
	}
	rig_done(&rig);
}

static void test_missing_region_is_refused(void)
{
	struct rig rig;
	struct errmsg e = { .text = "" };
	struct x86_state before;
	struct mem *empty = mem_new();

	rig_init(&rig, &x64_arch, false);
	before = *x86_state(&rig.s);
	CHECK_INT(x86_firmware_setup(&rig.cfg, empty, x86_state(&rig.s), &e), -EFAULT);
	CHECK_STR(e.text, "no memory for the firmware at 0xffe00000");
	CHECK(memcmp(&before, x86_state(&rig.s), sizeof(before)) == 0);
	mem_free(empty);
	rig_done(&rig);
}

/* Deliver as a CPU would, halt in the stub, and have the state back. */
static void check_caught(struct rig *rig, uint32_t vector, uint64_t error, enum cpu_fault_kind want)
{
	struct x86_state *x = x86_state(&rig->s);
	struct cpu_state before = rig->s;
	struct cpu_fault f =
		x86_fault_from_vector(vector, error, rig->cfg.arch->get_pc(&rig->s), 0);

	CHECK(x86_firmware_takes(rig->mem, x, vector));
	CHECK(!x86_firmware_caught(rig->mem, x, &f));
	CHECK(rig->cfg.arch->deliver(&rig->s, rig->mem, &f));
	x->rip++; /* the stub's HLT */
	f = (struct cpu_fault){ .kind = CPU_FAULT_NONE };
	CHECK(x86_firmware_caught(rig->mem, x, &f));
	CHECK_INT(f.kind, want);
	CHECK_INT(f.pc, rig->cfg.arch->get_pc(&before));
	CHECK_INT(f.syndrome, error);
	CHECK(memcmp(&before, &rig->s, sizeof(before)) == 0);
}

static void check_exceptions(struct rig *rig, bool has_errors)
{
	struct x86_state *x = x86_state(&rig->s);

	x->rip = 0x7c00;
	x->gpr[X86_RSP] = 0x7000;
	x->rflags |= BIT(0) | X86_FLAGS_IF;
	check_caught(rig, X86_UD, 0, CPU_FAULT_ILLEGAL_INSN);
	check_caught(rig, X86_DE, 0, CPU_FAULT_DIVIDE);
	check_caught(rig, X86_GP, has_errors ? 0x18 : 0, CPU_FAULT_GENERAL);
	rig->memory[0x7c00] = 0xcd;
	rig->memory[0x7c01] = 0x42;
	check_caught(rig, 0x42, 0, CPU_FAULT_SYSCALL);
	rig->memory[0x7c00] = 0xcc;
	check_caught(rig, X86_BP, 0, CPU_FAULT_BREAKPOINT);
}

static void test_exceptions_are_caught(void)
{
	struct rig rig;

	rig_init(&rig, &x64_arch, false);
	check_exceptions(&rig, true);
	user_mode(&rig);
	check_exceptions(&rig, true);
	rig_done(&rig);
	rig_init(&rig, &x86_arch, true);
	x86_state(&rig.s)->seg[X86_CS].attr = 0x93; /* as deliver() leaves it */
	check_exceptions(&rig, false);
	rig_done(&rig);
	rig_init(&rig, &x86_arch, false);
	CHECK_INT(x86_state(&rig.s)->idtr.limit, 0);
	x86_firmware_idt_enable(x86_state(&rig.s));
	check_exceptions(&rig, true);
	rig_done(&rig);
}

static void test_a_guests_own_table_is_not_taken(void)
{
	struct rig rig;
	struct x86_state *x = x86_state(&rig.s);

	rig_init(&rig, &x86_arch, true);
	store_le(rig.memory + 4 * 0x21, 0x12345678, 4);
	CHECK(!x86_firmware_takes(rig.mem, x, 0x21));
	CHECK(x86_firmware_takes(rig.mem, x, 0x22));
	rig_done(&rig);
	rig_init(&rig, &x64_arch, false);
	x->idtr.base = 0;
	CHECK(!x86_firmware_takes(rig.mem, x, X86_UD));
	rig_done(&rig);
}

static void test_page_faults_are_refined(void)
{
	struct rig rig;
	struct x86_state *x = x86_state(&rig.s);
	struct cpu_fault f;

	rig_init(&rig, &x64_arch, false);
	f = x86_fault_from_vector(X86_PF, 2, 0x1000, 0xd0000000);
	x86_firmware_refine_fault(rig.mem, x, &f);
	CHECK_INT(f.kind, CPU_FAULT_UNMAPPED);
	f = x86_fault_from_vector(X86_PF, 3, 0x1000, RO_GPA);
	x86_firmware_refine_fault(rig.mem, x, &f);
	CHECK_INT(f.kind, CPU_FAULT_PROTECTION);
	x->cr3 = 0x5000;
	f = x86_fault_from_vector(X86_PF, 3, 0x1000, RO_GPA);
	x86_firmware_refine_fault(rig.mem, x, &f);
	CHECK_INT(f.kind, CPU_FAULT_PAGE);
	rig_done(&rig);
}

static const struct test_case cases[] = {
	{ "tables_map_memory_exactly", test_tables_map_memory_exactly },
	{ "missing_region_is_refused", test_missing_region_is_refused },
	{ "exceptions_are_caught", test_exceptions_are_caught },
	{ "a_guests_own_table_is_not_taken", test_a_guests_own_table_is_not_taken },
	{ "page_faults_are_refined", test_page_faults_are_refined },
};

TEST_MAIN(cases)

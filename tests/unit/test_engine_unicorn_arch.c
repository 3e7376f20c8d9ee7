/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is particular to each architecture on the engine `unicorn`: exceptions, ports and devices,
 * modes, page tables.
 */
#include <errno.h>

#include "cpu/a64/a64.h"
#include "cpu/arm/arm.h"
#include "cpu/riscv/riscv.h"
#include "test_engine_unicorn_rig.h"

#define ALIAS	 0x40000000u /* the page tables map this to 0 */
#define NOWHERE	 0x80000000u /* ... and this to nothing */
#define ROOT_GPA (RAM_GPA + 0x10000)

/* mov ecx, 3; mov esi, 0x11000; mov edi, 0x11100; rep movsb; hlt */
static const uint8_t rep_code[] = { 0xb9, 3,	0, 0,	 0, 0xbe, 0,	0x10, 1,
				    0,	  0xbf, 0, 0x11, 1, 0,	  0xf3, 0xa4, 0xf4 };

static void a_step_of_rep_is_one_iteration(void)
{
	begin_bytes("x86", (struct cpu_mode){ 0 }, rep_code, sizeof(rep_code));
	memcpy(g.ram + 0x1000, "abc", 3);
	rig_run(&g, 3);
	for (uint64_t left = 3; left > 0; left--) {
		CHECK_INT(rig_pc(&g), RAM_GPA + 15);
		CHECK_INT(rig_reg(&g, "ecx"), left);
		CHECK_INT(rig_run(&g, 1).insns, 1);
	}
	CHECK_INT(rig_reg(&g, "ecx"), 0);
	while (rig_pc(&g) == RAM_GPA + 15) { /* the library looks at ecx = 0 once more */
		rig_run(&g, 1);
	}
	CHECK_INT(rig_pc(&g), RAM_GPA + 17);
	CHECK(memcmp(g.ram + 0x1100, "abc", 3) == 0);
	rig_close(&g);
}

/* movs r0, #1; cmp r0, #1; itte eq; moveq r1, #2; addeq r1, #3; movne r1, #9; wfi */
static const uint8_t it_code[] = { 0x01, 0x20, 0x01, 0x28, 0x06, 0xbf, 0x02,
				   0x21, 0x03, 0x31, 0x09, 0x21, 0x30, 0xbf };

static void it_blocks_step_and_move(void)
{
	static const uint32_t r1[] = { 0, 0, 0, 2, 5, 5, 5 };
	struct cpu_state s;

	begin_bytes("arm", (struct cpu_mode){ .is_thumb = true }, it_code, sizeof(it_code));
	for (size_t i = 0; i < ARRAY_SIZE(r1); i++) {
		CHECK_INT(rig_run(&g, 1).insns, 1);
		CHECK_INT(rig_reg(&g, "r1"), r1[i]);
		CHECK_INT(rig_pc(&g), RAM_GPA + 2 * (i + 1));
		s = rig_get(&g); /* the IT state travels in CPSR */
		rig_set(&g, &s);
	}
	rig_close(&g);
}

static void check_x86_vector(const char *arch, const void *code, size_t n, uint32_t vector,
			     uint64_t at)
{
	for (uint64_t limit = 0; limit <= 100; limit += 100) {
		struct vm_exit x;

		begin_bytes(arch, (struct cpu_mode){ 0 }, code, n);
		x = rig_run(&g, limit);
		CHECK_STR(vm_exit_kind_name(x.kind), "exception");
		CHECK_INT(x.fault.vector, vector);
		CHECK_INT(x.fault.pc, RAM_GPA + at);
		CHECK_INT(rig_pc(&g), RAM_GPA + at);
		rig_close(&g);
	}
}

static void x86_interrupts_stop_at_their_instruction(void)
{
	static const uint8_t int3[] = { 0x90, 0xcc }, int_3[] = { 0x90, 0xcd, 3 },
			     int_80[] = { 0x90, 0xcd, 0x80 },
			     prefixed[] = { 0x90, 0x66, 0xcd, 0x20 },
			     divide[] = { 0x31, 0xc9, 0xf7, 0xf1 }, ud2[] = { 0x90, 0x0f, 0x0b },
			     /* mov al, 0x7f; add al, 1; into */
		into[] = { 0xb0, 0x7f, 0x04, 1, 0xce },
			     /* mov ax, 0x7773; mov ds, ax */
		gp[] = { 0x66, 0xb8, 0x73, 0x77, 0x8e, 0xd8 };

	check_x86_vector("x86", int3, sizeof(int3), X86_BP, 1);
	check_x86_vector("x86", int_3, sizeof(int_3), X86_BP, 1);
	check_x86_vector("x86", int_80, sizeof(int_80), 0x80, 1);
	check_x86_vector("x64", prefixed, sizeof(prefixed), 0x20, 1);
	check_x86_vector("x64", divide, sizeof(divide), X86_DE, 2);
	check_x86_vector("x64", ud2, sizeof(ud2), X86_UD, 1);
	check_x86_vector("x86", into, sizeof(into), X86_OF, 4);
	check_x86_vector("x86", gp, sizeof(gp), X86_GP, 4);
}

static void syscall_goes_where_lstar_says(void)
{
	static const uint8_t code[] = { 0x0f, 0x05, 0xf4 };
	struct cpu_state s;
	struct vm_exit x;

	begin_bytes("x64", (struct cpu_mode){ 0 }, code, sizeof(code));
	s = rig_get(&g);
	x86_state(&s)->lstar = RAM_GPA + 0x200;
	x86_state(&s)->star = 8ULL << 32;
	x86_state(&s)->fmask = X86_FLAGS_IF;
	x86_state(&s)->rflags |= X86_FLAGS_IF;
	rig_set(&g, &s);
	g.ram[0x200] = 0xf4;
	x = rig_run(&g, 10);
	CHECK_STR(vm_exit_kind_name(x.kind), "halt");
	CHECK_INT(x.insns, 2);
	CHECK_INT(rig_pc(&g), RAM_GPA + 0x201);
	CHECK_INT(rig_reg(&g, "rcx"), RAM_GPA + 2);
	CHECK_INT(rig_reg(&g, "r11"), X86_FLAGS_IF | 2);
	CHECK_INT(rig_reg(&g, "cs"), 8);
	s = rig_get(&g);
	CHECK(!(x86_state(&s)->rflags & X86_FLAGS_IF));
	x86_state(&s)->efer &= ~X86_EFER_SCE;
	x86_state(&s)->rip = RAM_GPA;
	rig_set(&g, &s);
	x = rig_run(&g, 0);
	CHECK_INT(x.fault.vector, X86_UD);
	CHECK_INT(x.fault.pc, RAM_GPA);
	rig_close(&g);
}

static void ports_reach_the_bus(void)
{
	/* mov dx, 0x3f8; mov al, 0x41; out dx, al; in ax, dx; out 0xf4, eax; hlt */
	static const uint8_t code[] = { 0x66, 0xba, 0xf8, 3,	0xb0, 0x41,
					0xee, 0x66, 0xed, 0xe7, 0xf4, 0xf4 };

	begin_bytes("x86", (struct cpu_mode){ 0 }, code, sizeof(code));
	g.read_value = 0x1234;
	g.stop_addr = 0xf4;
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "bus-stop");
	CHECK_INT(g.n_log, 3);
	CHECK(g.is_port[0] && g.log[0].is_write && g.log[0].addr == 0x3f8);
	CHECK_INT(g.log[0].value, 0x41);
	CHECK_INT(g.log[0].bytes, 1);
	CHECK_INT(g.log[1].bytes, 2);
	CHECK_INT(g.log[2].value, 0x1234);
	CHECK_INT(rig_pc(&g), RAM_GPA + 11);
	rig_close(&g);
	begin_bytes("x86", (struct cpu_mode){ 0 }, code, sizeof(code));
	g.hole_addr = 0x3f8;
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(rig_reg(&g, "eax"), 0xffff);
	rig_close(&g);
}

/* The library passes at most four bytes on: docs/known-differences.md. */
static void wide_device_accesses_arrive_in_pieces(void)
{
	/* mov [rcx], rax; mov rdx, [rcx]; hlt */
	static const uint8_t code[] = { 0x48, 0x89, 1, 0x48, 0x8b, 0x11, 0xf4 };

	begin_bytes("x64", (struct cpu_mode){ 0 }, code, sizeof(code));
	rig_reg_set(&g, "rcx", DEV_GPA + 0x10);
	rig_reg_set(&g, "rax", 0x1122334455667788);
	g.read_value = 0x44332211;
	g.stop_addr = DEV_GPA + 0x14; /* the second half ends the run: both reach the device once */
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "bus-stop");
	CHECK_INT(rig_pc(&g), RAM_GPA + 3);
	CHECK_INT(g.n_log, 2);
	CHECK(g.log[0].bytes == 4 && g.log[0].addr == DEV_GPA + 0x10);
	CHECK_INT(g.log[0].value, 0x55667788);
	CHECK(g.log[1].bytes == 4 && g.log[1].addr == DEV_GPA + 0x14);
	CHECK_INT(g.log[1].value, 0x11223344);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "bus-stop");
	CHECK_INT(rig_pc(&g), RAM_GPA + 6);
	CHECK_INT(g.n_log, 4);
	CHECK_INT(rig_reg(&g, "rdx"), 0x4433221144332211);
	rig_close(&g);
}

static void unaligned_device_accesses_arrive(void)
{
	/* mov [rcx], eax; hlt */
	static const uint8_t code[] = { 0x89, 1, 0xf4 };
	uint8_t seen[4] = { 0 };

	begin_bytes("x64", (struct cpu_mode){ 0 }, code, sizeof(code));
	rig_reg_set(&g, "rcx", DEV_GPA + 0x13);
	rig_reg_set(&g, "rax", 0x55667788);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	for (size_t i = 0; i < g.n_log; i++) {
		CHECK(g.log[i].addr >= DEV_GPA + 0x13 &&
		      g.log[i].addr + g.log[i].bytes <= DEV_GPA + 0x17);
		memcpy(seen + (g.log[i].addr - DEV_GPA - 0x13), &g.log[i].value, g.log[i].bytes);
	}
	CHECK_INT(load_le(seen, 4), 0x55667788);
	rig_close(&g);
}

static void real_mode_runs_where_its_segments_are(void)
{
	/* mov ax, 0x1100; mov ds, ax; mov byte [2], 7; mov ax, cs; hlt */
	static const uint8_t code[] = { 0xb8, 0, 0x11, 0x8e, 0xd8, 0xc6, 6,
					2,    0, 7,    0x8c, 0xc8, 0xf4 };

	begin_bytes("x86", (struct cpu_mode){ .is_16bit = true }, code, sizeof(code));
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(g.ram[0x1002], 7);
	CHECK_INT(rig_reg(&g, "eax"), 0x1000);
	CHECK_INT(rig_pc(&g), RAM_GPA + sizeof(code));
	rig_close(&g);
}

static void big_endian_arm_stores_big_endian(void)
{
	const struct guest *arm = guest_named("arm");
	struct guest be = *arm;

	be.mode.is_big_endian = true;
	begin(&be, &be.store, DATA_GPA + 0x100);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(g.ram[0x1100], 0);
	CHECK_INT(g.ram[0x1103], 2);
	rig_close(&g);
}

static void wfe_and_yield_are_hints(void)
{
	/* wfe; yield; mov r0, #5; wfi */
	static const uint8_t arm[] = { 2, 0xf0, 0x20, 0xe3, 1, 0xf0, 0x20, 0xe3,
				       5, 0,	0xa0, 0xe3, 3, 0xf0, 0x20, 0xe3 };
	static const uint8_t a64[] = { 0x5f, 0x20, 3,	 0xd5, 0x3f, 0x20, 3, 0xd5,
				       0xa0, 0,	   0x80, 0xd2, 0x7f, 0x20, 3, 0xd5 };

	for (uint64_t limit = 0; limit <= 10; limit += 10) {
		begin_bytes("arm", (struct cpu_mode){ 0 }, arm, sizeof(arm));
		CHECK_STR(vm_exit_kind_name(rig_run(&g, limit).kind), "halt");
		CHECK_INT(rig_reg(&g, "r0"), 5);
		rig_close(&g);
		begin_bytes("arm64", (struct cpu_mode){ 0 }, a64, sizeof(a64));
		CHECK_STR(vm_exit_kind_name(rig_run(&g, limit).kind), "halt");
		CHECK_INT(rig_reg(&g, "x0"), 5);
		rig_close(&g);
	}
}

/* mov eax, 0x10000; mov dr0, eax; mov eax, 1; mov dr7, eax; jmp -2: an execute breakpoint */
static void debug_registers_do_not_hang(void)
{
	static const uint8_t code[] = { 0xb8, 0x12, 0, 1,    0,	   0x0f, 0x23, 0xc0, 0xb8, 1,
					0,    0,    0, 0x0f, 0x23, 0xf8, 0x90, 0x90, 0xeb, 0xfe };

	begin_bytes("x86", (struct cpu_mode){ 0 }, code, sizeof(code));
	for (int k = 0; k < 1000 && rig_pc(&g) != RAM_GPA + 18; k++) {
		run_kicked(0, k); /* the first ones may come before it gets there */
	}
	CHECK_INT(rig_pc(&g), RAM_GPA + 18);
	rig_close(&g);
}

static void announced_features_work(void)
{
	/* popcnt eax, ebx; movddup xmm0, xmm1; hlt */
	static const uint8_t code[] = { 0xf3, 0x0f, 0xb8, 0xc3, 0xf2, 0x0f, 0x12, 0xc1, 0xf4 };

	for (int i = 0; i < 2; i++) {
		begin_bytes(i ? "x64" : "x86", (struct cpu_mode){ 0 }, code, sizeof(code));
		rig_reg_set(&g, i ? "rbx" : "ebx", 0xff0f);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		CHECK_INT(rig_reg(&g, i ? "rax" : "eax"), 12);
		rig_close(&g);
	}
}

static void put64(gpa_t gpa, uint64_t v)
{
	memcpy(g.ram + (gpa - RAM_GPA), &v, 8);
}

static void put32(gpa_t gpa, uint32_t v)
{
	memcpy(g.ram + (gpa - RAM_GPA), &v, 4);
}

/* Map 0 and ALIAS to 0, a gigabyte or the nearest thing; turn translation on. */
static void page_x86(struct cpu_state *s)
{
	put32(ROOT_GPA, 0x83);
	put32(ROOT_GPA + (ALIAS >> 22) * 4, 0x83);
	x86_state(s)->cr3 = ROOT_GPA;
	x86_state(s)->cr4 |= X86_CR4_PSE;
	x86_state(s)->cr0 |= X86_CR0_PG;
}

static void page_x64(struct cpu_state *s)
{
	(void)s; /* is on */
	memcpy(g.tables + 0x1000 + 8, g.tables + 0x1000, 8);
}

static void page_arm(struct cpu_state *s)
{
	put32(ROOT_GPA, 0xc02);
	put32(ROOT_GPA + (ALIAS >> 20) * 4, 0xc02);
	arm_state(s)->ttbr0 = ROOT_GPA;
	arm_state(s)->dacr = 1;
	arm_state(s)->sctlr |= 1;
}

static void page_a64(struct cpu_state *s)
{
	put64(ROOT_GPA, 0x401);
	put64(ROOT_GPA + 8, 0x401);
	a64_state(s)->ttbr0_el1 = ROOT_GPA;
	a64_state(s)->tcr_el1 = 25 | 1ULL << 23; /* 39 bits below, nothing above */
	a64_state(s)->mair_el1 = 0xff;
	a64_state(s)->sctlr_el1 |= 1;
}

static void page_rv(struct cpu_state *s)
{
	put64(ROOT_GPA, 0xcf);
	put64(ROOT_GPA + 8, 0xcf);
	rv_state(s)->satp = 8ULL << 60 | ROOT_GPA >> 12;
	rv_state(s)->priv = RV_PRIV_S;
	rv_state(s)->pmpcfg[0] = 0x1f;
	rv_state(s)->pmpaddr[0] = UINT64_MAX >> 10;
}

static void begin_paged(const struct guest *q, const struct guest_code *c, uint64_t r2)
{
	struct cpu_state s;

	begin(q, c, r2);
	s = rig_get(&g);
	switch (g.arch->id) {
	case CPU_ARCH_X86:
		page_x86(&s);
		break;
	case CPU_ARCH_X64:
		page_x64(&s);
		break;
	case CPU_ARCH_ARM:
		page_arm(&s);
		break;
	case CPU_ARCH_A64:
		page_a64(&s);
		break;
	default:
		page_rv(&s);
		break;
	}
	rig_set(&g, &s);
}

static void check_page_fault(const struct guest *q, const struct guest_code *c, uint32_t access)
{
	bool is_fetch = access == MEM_X;
	struct vm_exit x;

	begin_paged(q, c, NOWHERE);
	x = rig_run(&g, 100);
	CHECK_STR(vm_exit_kind_name(x.kind), "exception");
	CHECK_STR(cpu_fault_kind_name(x.fault.kind), "page-fault");
	CHECK(x.fault.has_address);
	CHECK_INT(x.fault.address, NOWHERE);
	CHECK_INT(x.fault.access, access);
	CHECK_INT(x.fault.pc, is_fetch ? NOWHERE : RAM_GPA + c->at);
	CHECK_INT(x.insns, is_fetch ? 2 : 3);
	rig_close(&g);
}

static void page_tables_are_obeyed(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		const struct guest *q = &guests[i];
		int before = test_failures;
		struct vm_exit x;

		begin_paged(q, &q->store, ALIAS + DATA_GPA + 0x100);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		CHECK_INT(g.ram[0x1100], 2);
		rig_close(&g);
		begin_paged(q, &q->store, ALIAS + HOLE_GPA);
		x = rig_run(&g, 0);
		CHECK_STR(vm_exit_kind_name(x.kind), "fault");
		CHECK_INT(x.fault.address, ALIAS + HOLE_GPA);
		rig_close(&g);
		begin_paged(q, &q->store, ALIAS + RO_GPA);
		x = rig_run(&g, 0);
		CHECK_STR(vm_exit_kind_name(x.kind), "fault");
		CHECK_STR(cpu_fault_kind_name(x.fault.kind), "protection");
		rig_close(&g);
		check_page_fault(q, &q->store, MEM_W);
		check_page_fault(q, &q->load, MEM_R);
		check_page_fault(q, &q->jump, MEM_X);
		if (test_failures != before) {
			printf("... for %s\n", q->name);
		}
	}
}

static void watch(gva_t gva, uint64_t bytes, uint32_t access)
{
	const struct engine_watch w = { .gva = gva, .bytes = bytes, .access = access };

	CHECK_INT(g.eng->ops->set_watchpoints(g.eng, &w, 1), 0);
}

static void points_are_at_virtual_addresses(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		const struct guest *q = &guests[i];
		gva_t at = RAM_GPA + q->store.at;

		begin_paged(q, &q->store, ALIAS + DATA_GPA + 8);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		rig_close(&g);
		begin_paged(q, &q->store, ALIAS + DATA_GPA + 8);
		CHECK_INT(g.eng->ops->set_breakpoints(g.eng, &at, 1), 0);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "breakpoint");
		CHECK_INT(rig_pc(&g), at);
		CHECK_INT(g.eng->ops->set_breakpoints(g.eng, NULL, 0), 0);
		watch(ALIAS + DATA_GPA + 8, 4, MEM_W);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "watchpoint");
		CHECK_INT(g.ram[0x1008], 2);
		rig_close(&g);
		begin_paged(q, &q->store, ALIAS + DATA_GPA + 8);
		watch(DATA_GPA + 8, 4, MEM_W);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		rig_close(&g);
	}
}

static void a_watched_rep_stops_behind_the_iteration(void)
{
	static const uint8_t code[] = { 0xf3, 0xaa, 0xf4 }; /* rep stosb; hlt */

	begin_bytes("x86", (struct cpu_mode){ 0 }, code, sizeof(code));
	rig_reg_set(&g, "edi", DATA_GPA);
	rig_reg_set(&g, "ecx", 5);
	watch(DATA_GPA + 2, 1, MEM_W);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "watchpoint");
	CHECK_INT(rig_reg(&g, "ecx"), 2);
	CHECK_INT(rig_pc(&g), RAM_GPA);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(rig_reg(&g, "ecx"), 0);
	rig_close(&g);
}

/* It could be done past the hooks, by filling host memory. */
static void a_block_of_zeros_is_a_write(void)
{
	static const uint8_t code[] = {
		0x21, 0x74, 0x0b, 0xd5, 0x21, 0x74, 0x0b, 0xd5, 0x7f, 0x20, 3, 0xd5
	}; /* dc zva x1, x1; wfi */

	begin_bytes("arm64", (struct cpu_mode){ 0 }, code, sizeof(code));
	rig_reg_set(&g, "x1", DATA_GPA + 3);
	watch(DATA_GPA + 40, 1, MEM_W);
	for (uint64_t i = 1; i <= 2; i++) {
		struct vm_exit x = rig_run(&g, 0);

		CHECK_STR(vm_exit_kind_name(x.kind), "watchpoint");
		CHECK_INT(x.watch.gva, DATA_GPA + 40);
		CHECK_INT(rig_pc(&g), RAM_GPA + 4 * i);
	}
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	rig_close(&g);
}

/* What a debugger or a context may ask for, and no guest can get into: the library would abort. */
static void impossible_arm_modes_are_refused(void)
{
	static const uint8_t code[] = { 0x70, 0, 0x20, 0xe1 }; /* bkpt */
	static const uint32_t bad[] = { 0x00, 0x0f, 0x14, 0x18, 0x1d };
	const struct cpu_reg *cpsr;
	struct cpu_state s;

	begin_bytes("arm", (struct cpu_mode){ 0 }, code, sizeof(code));
	cpsr = cpu_reg_find(cpu_arch_by_name("arm"), "cpsr");
	CHECK_INT(g.eng->ops->get_state(g.eng, &s, &g.e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(cpu_reg_set(&s, cpsr, bad[i], &g.e), 0);
		CHECK_INT(g.eng->ops->set_state(g.eng, &s, &g.e), -EINVAL);
	}
	CHECK_INT(rig_reg(&g, "cpsr") & 0x1f, 0x13); /* untouched */
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "exception");
	rig_close(&g);
}

static const struct test_case cases[] = {
	{ "a_step_of_rep_is_one_iteration", a_step_of_rep_is_one_iteration },
	{ "it_blocks_step_and_move", it_blocks_step_and_move },
	{ "x86_interrupts_stop_at_their_instruction", x86_interrupts_stop_at_their_instruction },
	{ "syscall_goes_where_lstar_says", syscall_goes_where_lstar_says },
	{ "ports_reach_the_bus", ports_reach_the_bus },
	{ "wide_device_accesses_arrive_in_pieces", wide_device_accesses_arrive_in_pieces },
	{ "unaligned_device_accesses_arrive", unaligned_device_accesses_arrive },
	{ "real_mode_runs_where_its_segments_are", real_mode_runs_where_its_segments_are },
	{ "big_endian_arm_stores_big_endian", big_endian_arm_stores_big_endian },
	{ "wfe_and_yield_are_hints", wfe_and_yield_are_hints },
	{ "debug_registers_do_not_hang", debug_registers_do_not_hang },
	{ "announced_features_work", announced_features_work },
	{ "page_tables_are_obeyed", page_tables_are_obeyed },
	{ "points_are_at_virtual_addresses", points_are_at_virtual_addresses },
	{ "a_watched_rep_stops_behind_the_iteration", a_watched_rep_stops_behind_the_iteration },
	{ "a_block_of_zeros_is_a_write", a_block_of_zeros_is_a_write },
	{ "impossible_arm_modes_are_refused", impossible_arm_modes_are_refused },
};

int main(void)
{
	return unicorn_main(cases, ARRAY_SIZE(cases));
}

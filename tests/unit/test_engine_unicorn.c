/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is particular to the engine `unicorn`: exactness of stops and counts, each architecture's
 * exceptions and page tables, what it does when the interposition fails. The rest of the contract
 * is in test_engine_contract.c.
 */
#include <signal.h>
#include <time.h>

#include "cpu/a64/a64.h"
#include "cpu/arm/arm.h"
#include "cpu/riscv/riscv.h"
#include "engine/unicorn/unicorn_engine.h"
#include "engine/unicorn/unicorn_interpose.h"
#include "test_engine_guests.h"
#include "test_engine_unicorn.h"

#define DATA_GPA (RAM_GPA + 0x1000)
#define ALIAS	 0x40000000u /* the page tables map this to 0 */
#define NOWHERE	 0x80000000u /* ... and this to nothing */
#define ROOT_GPA (RAM_GPA + 0x10000)

static const struct engine_host host = { .kvm_fd = -1 };
static struct rig g;

static void begin(const struct guest *guest, const struct guest_code *c, uint64_t r2)
{
	if (rig_open(&g, &unicorn_engine_ops, guest->arch, guest->mode, &host) < 0) {
		printf("%s: %s\n", guest->name, g.e.text);
		exit(1);
	}
	rig_code(&g, 0, c->code, c->n);
	rig_reg_set(&g, guest->r1, DATA_GPA);
	rig_reg_set(&g, guest->r2, r2);
}

static void begin_bytes(const char *arch, struct cpu_mode mode, const void *code, size_t n)
{
	if (rig_open(&g, &unicorn_engine_ops, arch, mode, &host) < 0) {
		printf("%s: %s\n", arch, g.e.text);
		exit(1);
	}
	rig_code(&g, 0, code, n);
}

static const struct guest *guest_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		if (strcmp(guests[i].name, name) == 0) {
			return &guests[i];
		}
	}
	abort();
}

static struct engine *volatile kick_target;
static timer_t timer;

static void on_timer(int signo)
{
	(void)signo;
	if (kick_target) {
		kick_target->ops->kick(kick_target);
	}
}

static void arm_timer(long after_ns)
{
	struct itimerspec when = { .it_value.tv_nsec = after_ns,
				   .it_interval.tv_nsec = after_ns ? 1000000 : 0 };

	timer_settime(timer, 0, &when, NULL);
}

/* Run until kicked, after a time that differs each round. */
static struct vm_exit run_kicked(uint64_t max_insns, int round)
{
	struct vm_exit x;

	kick_target = g.eng;
	arm_timer(20000 + (round * 7919) % 100000);
	x = rig_run(&g, max_insns);
	arm_timer(0);
	kick_target = NULL;
	CHECK_STR(vm_exit_kind_name(x.kind), "kicked");
	return x;
}

static void check_counters(const struct guest *guest)
{
	uint32_t m[3];

	memcpy(m, g.ram + 0x1000, sizeof(m));
	if (m[0] - m[1] > 1 || m[1] - m[2] > 1 || m[0] - m[2] > 1) {
		printf("%s: counters %u %u %u\n", guest->name, m[0], m[1], m[2]);
		test_failures++;
	}
}

#define KICKS 1000

static void kicks_by_the_thousand_are_exact(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests) && test_failures == 0; i++) {
		begin(&guests[i], &guests[i].counters, 0);
		for (int k = 0; k < KICKS && test_failures == 0; k++) {
			run_kicked(0, k);
			check_counters(&guests[i]);
		}
		rig_close(&g);
	}
}

/* A kick that comes with the halt must not swallow it. */
static void no_halt_is_lost_to_a_kick(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		for (int k = 0; k < 300; k++) {
			struct vm_exit x;

			begin(&guests[i], &guests[i].sum, 500 + (uint64_t)k);
			kick_target = g.eng;
			arm_timer(10000 + (k * 7919) % 40000);
			do {
				x = rig_run(&g, 0);
			} while (x.kind == VM_EXIT_KICKED);
			arm_timer(0);
			kick_target = NULL;
			CHECK_STR(vm_exit_kind_name(x.kind), "halt");
			CHECK_INT(rig_pc(&g), RAM_GPA + guests[i].sum.n);
			CHECK_INT(rig_reg(&g, guests[i].r2), 0);
			rig_close(&g);
		}
	}
}

static void a_kicked_count_is_exact(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		struct cpu_state want;
		struct cpu_state got;
		uint64_t sum = 0;
		uint32_t m[3];

		begin(&guests[i], &guests[i].counters, 0);
		for (int k = 0; k < 50; k++) {
			sum += run_kicked(1ULL << 40, k).insns;
		}
		want = rig_get(&g);
		memcpy(m, g.ram + 0x1000, sizeof(m));
		rig_close(&g);
		begin(&guests[i], &guests[i].counters, 0);
		CHECK_INT(rig_run(&g, sum).insns, sum);
		got = rig_get(&g);
		CHECK(memcmp(&want, &got, sizeof(got)) == 0);
		CHECK(memcmp(m, g.ram + 0x1000, sizeof(m)) == 0);
		rig_close(&g);
	}
}

static void what_was_not_executed_is_not_counted(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		const struct guest *q = &guests[i];
		const struct {
			const struct guest_code *code;
			uint64_t insns;
		} cases[] = { { &q->store, 3 },	  { &q->load, 3 }, { &q->jump, 2 },
			      { &q->illegal, 2 }, { &q->call, 2 }, { &q->brk, 2 } };

		for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
			begin(q, cases[k].code, HOLE_GPA);
			if (k >= 3) {
				rig_reg_set(&g, q->r2, 0);
			}
			CHECK_INT(rig_run(&g, 1000).insns, cases[k].insns);
			rig_close(&g);
		}
		begin(q, &q->device, DEV_GPA);
		g.stop_addr = DEV_GPA;
		CHECK_INT(rig_run(&g, 1000).insns, 2);
		CHECK_INT(rig_run(&g, 1000).insns, 2);
		CHECK_INT(rig_run(&g, 1000).insns, 2);
		CHECK_INT(g.n_log, 2);
		rig_close(&g);
	}
}

static void counting_can_start_and_end_amid_a_run(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		begin(&guests[i], &guests[i].counters, 0);
		for (int k = 0; k < 20; k++) {
			run_kicked(0, k);
			check_counters(&guests[i]);
			CHECK_INT(rig_run(&g, (uint64_t)k + 1).insns, k + 1);
			check_counters(&guests[i]);
		}
		rig_close(&g);
	}
}

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

static void half_a_store_is_undone(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		for (uint64_t n = 1; n < 4; n++) {
			uint64_t end = RAM_GPA + RAM_BYTES;
			struct vm_exit x;

			begin(&guests[i], &guests[i].store, end - n);
			memset(g.ram + RAM_BYTES - 4, 0x5a, 4);
			x = rig_run(&g, 0);
			CHECK_STR(vm_exit_kind_name(x.kind), "fault");
			CHECK_INT(x.fault.address, end);
			CHECK_INT(load_le(g.ram + RAM_BYTES - 4, 4), 0x5a5a5a5a);
			rig_close(&g);
		}
	}
}

static void a_whole_store_is_not_undone(void)
{
	/* mov byte [rcx-1], 1; mov byte [rcx-1], 2; mov byte [rcx], 3 */
	static const uint8_t code[] = { 0xc6, 0x41, 0xff, 1, 0xc6, 0x41, 0xff, 2, 0xc6, 0x01, 3 };

	begin_bytes("x64", (struct cpu_mode){ 0 }, code, sizeof(code));
	rig_reg_set(&g, "rcx", RAM_GPA + RAM_BYTES);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "fault");
	CHECK_INT(g.ram[RAM_BYTES - 1], 2);
	rig_close(&g);
}

/* 30,000 blocks of add eax, 1; jmp +0 in a row, and again: more code than the buffer holds. */
static void a_full_code_buffer_is_emptied(void)
{
	static const uint8_t block[] = { 0x83, 0xc0, 1, 0xeb, 0 };
	const size_t n = 30000;

	begin_bytes("x64", (struct cpu_mode){ 0 }, block, sizeof(block));
	for (size_t i = 0; i < n; i++) {
		memcpy(g.ram + i * sizeof(block), block, sizeof(block));
	}
	g.ram[n * sizeof(block)] = 0xf4;
	for (uint64_t round = 1; round <= 8; round++) {
		struct cpu_state s = rig_get(&g);
		struct vm_exit x;

		g.arch->set_pc(&s, RAM_GPA);
		rig_set(&g, &s);
		g.eng->ops->code_changed(g.eng, RAM_GPA, n * sizeof(block));
		x = rig_run(&g, round % 2 ? 0 : 1ULL << 40);
		CHECK_STR(vm_exit_kind_name(x.kind), "halt");
		CHECK_INT(rig_reg(&g, "rax"), round * n);
		CHECK_INT(x.insns, round % 2 ? 0 : 2 * n + 1);
	}
	rig_close(&g);
}

static void running_off_the_end_is_exact(void)
{
	static const uint8_t code[] = { 0x83, 0xc0, 1, 0x83, 0xc0, 1, 0x83, 0xc0, 1 };
	struct vm_exit x;

	begin_bytes("x86", (struct cpu_mode){ 0 }, code, sizeof(code));
	memcpy(g.ram + RAM_BYTES - sizeof(code), code, sizeof(code));
	rig_reg_set(&g, "eip", RAM_GPA + RAM_BYTES - sizeof(code));
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "fault");
	CHECK_INT(x.fault.pc, RAM_GPA + RAM_BYTES);
	CHECK_INT(rig_reg(&g, "eax"), 3);
	rig_close(&g);
}

/* mov eax, 0x10000; mov dr0, eax; mov eax, 1; mov dr7, eax; jmp -2: an execute breakpoint */
static void debug_registers_do_not_hang(void)
{
	static const uint8_t code[] = { 0xb8, 0x12, 0, 1,    0,	   0x0f, 0x23, 0xc0, 0xb8, 1,
					0,    0,    0, 0x0f, 0x23, 0xf8, 0x90, 0x90, 0xeb, 0xfe };

	begin_bytes("x86", (struct cpu_mode){ 0 }, code, sizeof(code));
	for (int k = 0; k < 100 && rig_pc(&g) != RAM_GPA + 18; k++) {
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

static void code_can_change_under_way(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		begin(&guests[i], &guests[i].counters, 0);
		run_kicked(0, 1);
		rig_code(&g, 0, guests[i].sum.code, guests[i].sum.n);
		struct cpu_state s = rig_get(&g);

		g.arch->set_pc(&s, RAM_GPA | (guests[i].mode.is_thumb ? 1 : 0));
		rig_set(&g, &s);
		rig_reg_set(&g, guests[i].r0, 0);
		rig_reg_set(&g, guests[i].r2, 4);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		CHECK_INT(rig_reg(&g, guests[i].r0), 10);
		rig_close(&g);
	}
}

/* As if the library had not called the interposers. */
static void without_interposition_it_is_still_exact(void)
{
	unicorn_interpose_set_passive(true);
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		const struct guest *q = &guests[i];
		struct vm_exit x;

		begin(q, &q->store, HOLE_GPA);
		x = rig_run(&g, 0);
		CHECK_STR(vm_exit_kind_name(x.kind), "fault");
		CHECK_INT(x.fault.pc, RAM_GPA + q->store.at);
		CHECK_INT(rig_reg(&g, q->r0), 2);
		rig_close(&g);
		begin(q, &q->load, HOLE_GPA);
		x = rig_run(&g, 0);
		CHECK_INT(x.fault.pc, RAM_GPA + q->load.at);
		CHECK_INT(rig_reg(&g, q->r0), 2);
		rig_close(&g);
		begin(q, &q->sum, 10);
		x = rig_run(&g, 17);
		CHECK_INT(x.insns, 17);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		CHECK_INT(rig_reg(&g, q->r0), 55);
		rig_close(&g);
		begin(q, &q->device, DEV_GPA);
		g.stop_addr = DEV_GPA;
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "bus-stop");
		CHECK_INT(rig_pc(&g), RAM_GPA + q->device.at);
		CHECK_INT(rig_reg(&g, q->r0), 1);
		CHECK_INT(g.n_log, 1);
		rig_close(&g);
		begin(q, &q->counters, 0);
		for (int k = 0; k < 100; k++) {
			run_kicked(0, k);
			check_counters(q);
		}
		rig_close(&g);
	}
	unicorn_interpose_set_passive(false);
}

static const struct test_case cases[] = {
	{ "kicks_by_the_thousand_are_exact", kicks_by_the_thousand_are_exact },
	{ "no_halt_is_lost_to_a_kick", no_halt_is_lost_to_a_kick },
	{ "a_kicked_count_is_exact", a_kicked_count_is_exact },
	{ "what_was_not_executed_is_not_counted", what_was_not_executed_is_not_counted },
	{ "counting_can_start_and_end_amid_a_run", counting_can_start_and_end_amid_a_run },
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
	{ "half_a_store_is_undone", half_a_store_is_undone },
	{ "a_whole_store_is_not_undone", a_whole_store_is_not_undone },
	{ "a_full_code_buffer_is_emptied", a_full_code_buffer_is_emptied },
	{ "running_off_the_end_is_exact", running_off_the_end_is_exact },
	{ "debug_registers_do_not_hang", debug_registers_do_not_hang },
	{ "announced_features_work", announced_features_work },
	{ "page_tables_are_obeyed", page_tables_are_obeyed },
	{ "code_can_change_under_way", code_can_change_under_way },
	{ "without_interposition_it_is_still_exact", without_interposition_it_is_still_exact },
};

int main(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct sigaction sa = { .sa_handler = on_timer };
	struct engine_probe probe;
	struct cpu_mode mode = { 0 };

	if (unicorn_engine_ops.probe(cpu_arch_by_name("x86"), &mode, &host, &probe) < 0) {
		printf("skipped: %s\n", probe.detail);
		return 77;
	}
	sigaction(SIGALRM, &sa, NULL);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	return test_main(cases, ARRAY_SIZE(cases));
}

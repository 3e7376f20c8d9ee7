/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is particular to the engine `unicorn`: exactness of stops and counts, what it does when the
 * interposition fails. Architectures: test_engine_unicorn_arch.c. The rest of the contract is in
 * test_engine_contract.c and test_engine_points.c.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/unicorn/unicorn_interpose.h"
#include "test_engine_unicorn_rig.h"

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

static int count_executable_data(int maps_fd)
{
	static char text[1 << 16];
	ssize_t n = 1;
	size_t at = 0;
	int found = 0;

	while (n > 0 && at < sizeof(text) - 1) {
		n = pread(maps_fd, text + at, sizeof(text) - 1 - at, (off_t)at);
		at += n > 0 ? (size_t)n : 0;
	}
	text[at] = '\0';
	for (const char *p = text; (p = strstr(p, " rwxp ")) != NULL; p++) {
		found++;
	}
	return found;
}

/* What a child of a zygote does with what the zygote has opened. */
static void one_opened_ahead_is_taken_over(void)
{
	int maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		unicorn_engine_ops.open_ahead(cpu_arch_by_name(guests[i].arch), maps_fd);
		CHECK_INT(count_executable_data(maps_fd), 0);
		begin(&guests[i], &guests[i].sum, 500);
		CHECK_INT(count_executable_data(maps_fd), 1);
		CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
		CHECK_INT(rig_reg(&g, guests[i].r2), 0);
		rig_close(&g);
	}
	close(maps_fd);
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
			CHECK_INT(run_on((uint64_t)k + 1).insns, k + 1);
			check_counters(&guests[i]);
		}
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

/* Run to the instruction that can't be translated, and what is behind it afterwards. */
static void check_untranslatable(const char *arch, uint8_t modrm, uint64_t limit)
{
	/* inc dword [rsi]; nop; ff /3 or /5 with a register operand, which there is not; hlt */
	const uint8_t code[] = { 0xff, 0x06, 0x90, 0xff, modrm, 0xf4 };
	struct cpu_state s;
	struct vm_exit x;

	begin_bytes(arch, (struct cpu_mode){ 0 }, code, sizeof(code));
	rig_reg_set(&g, strcmp(arch, "x86") == 0 ? "esi" : "rsi", DATA_GPA);
	for (uint8_t k = 1; k <= 100; k++) {
		x = rig_run(&g, limit);
		CHECK_STR(vm_exit_kind_name(x.kind), "exception");
		CHECK_INT(x.fault.kind, CPU_FAULT_ILLEGAL_INSN);
		CHECK_INT(x.fault.vector, X86_UD);
		CHECK_INT(x.fault.pc, RAM_GPA + 3);
		CHECK_INT(x.insns, limit ? 2 : 0);
		CHECK_INT(rig_pc(&g), RAM_GPA + 3);
		CHECK_INT(g.ram[DATA_GPA - RAM_GPA], k);
		s = rig_get(&g);
		g.arch->set_pc(&s, RAM_GPA);
		rig_set(&g, &s);
	}
	if (test_failures) {
		printf("%s %x %d\n", arch, modrm, (int)limit);
		exit(1);
	}
	g.arch->set_pc(&s, RAM_GPA + 5);
	rig_set(&g, &s);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, limit).kind), "halt");
	rig_close(&g);
}

/* The library calls abort() when it translates these. */
static void what_cannot_be_translated_is_illegal(void)
{
	for (unsigned int modrm = 0xd8; modrm <= 0xef; modrm++) {
		if ((modrm & 8) != 0) {
			check_untranslatable("x86", (uint8_t)modrm, 0);
			check_untranslatable("x64", (uint8_t)modrm, 0);
			check_untranslatable("x86", (uint8_t)modrm, 1000);
		}
	}
}

static enum bus_result aborting_port(void *opaque, struct bus_access *a)
{
	(void)opaque;
	(void)a;
	abort();
}

/* Only the library's: not one that comes while an engine is at work. */
static void our_own_abort_still_aborts(void)
{
	static const uint8_t port_in[] = { 0xec, 0xf4 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		begin_bytes("x86", (struct cpu_mode){ 0 }, port_in, sizeof(port_in));
		g.bus.port = aborting_port;
		rig_run(&g, 0);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
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
		CHECK_STR(vm_exit_kind_name(run_on(0).kind), "halt");
		CHECK_INT(rig_reg(&g, guests[i].r0), 10);
		rig_close(&g);
	}
}

static void check_points(const struct guest *q)
{
	const struct engine_watch w = { .gva = DATA_GPA + 8, .bytes = 4, .access = MEM_W };
	gva_t at = RAM_GPA + q->store.at;

	begin(q, &q->store, DATA_GPA + 8);
	CHECK_INT(g.eng->ops->set_breakpoints(g.eng, &at, 1), 0);
	CHECK_INT(g.eng->ops->set_watchpoints(g.eng, &w, 1), 0);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "breakpoint");
	CHECK_INT(rig_pc(&g), at);
	CHECK_INT(g.ram[0x1008], 0);
	CHECK_INT(g.eng->ops->set_breakpoints(g.eng, NULL, 0), 0);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "watchpoint");
	CHECK_INT(g.ram[0x1008], 2);
	CHECK_INT(rig_reg(&g, q->r0), 2);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	rig_close(&g);
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
		check_points(q);
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
	{ "one_opened_ahead_is_taken_over", one_opened_ahead_is_taken_over },
	{ "what_was_not_executed_is_not_counted", what_was_not_executed_is_not_counted },
	{ "counting_can_start_and_end_amid_a_run", counting_can_start_and_end_amid_a_run },
	{ "half_a_store_is_undone", half_a_store_is_undone },
	{ "a_whole_store_is_not_undone", a_whole_store_is_not_undone },
	{ "a_full_code_buffer_is_emptied", a_full_code_buffer_is_emptied },
	{ "running_off_the_end_is_exact", running_off_the_end_is_exact },
	{ "what_cannot_be_translated_is_illegal", what_cannot_be_translated_is_illegal },
	{ "our_own_abort_still_aborts", our_own_abort_still_aborts },
	{ "code_can_change_under_way", code_can_change_under_way },
	{ "without_interposition_it_is_still_exact", without_interposition_it_is_still_exact },
};

int main(void)
{
	return unicorn_main(cases, ARRAY_SIZE(cases));
}

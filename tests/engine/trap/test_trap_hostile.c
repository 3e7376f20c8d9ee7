/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that know where engine `trap` has its carrier's few pages, which no guest is told, and do there what they like. The
 * monitor goes on, says what became of the guest, and runs the next one.
 *
 * With a filter of system calls, that is on Linux, more is asked: that none is made. User-mode emulation has no filter;
 * what only that wall stops is not tried there, and said.
 */
#include <sys/syscall.h>
#include <sys/time.h>

#include "engine/trap/trap_priv.h"
#include "test_engine_unicorn.h"

#define DATA_GPA (RAM_GPA + 0x1000)

extern const uint8_t code_sum[], code_sum_end[], code_read[], code_read_end[], code_fill[],
	code_fill_end[], code_jump[], code_jump_end[], code_call[], code_call_end[], code_loop[],
	code_loop_end[];

/* Guests in M-mode, without translation: a0 to a7 are set by the test. */
__asm__("	.section .rodata\n"
	"	.option	push\n"
	"	.option	norvc\n"
	"code_sum:\n"
	"	li	a2, 0\n"
	"1:	add	a2, a2, a0\n"
	"	sd	a2, 0(a1)\n"
	"	addi	a0, a0, -1\n"
	"	bnez	a0, 1b\n"
	"	wfi\n"
	"code_sum_end:\n"
	"code_read:\n"
	"	ld	a0, 0(a1)\n"
	"	wfi\n"
	"code_read_end:\n"
	/* a0 words of a2 from a1 on */
	"code_fill:\n"
	"	sd	a2, 0(a1)\n"
	"	addi	a1, a1, 8\n"
	"	addi	a0, a0, -1\n"
	"	bnez	a0, code_fill\n"
	"	wfi\n"
	"code_fill_end:\n"
	"code_jump:\n"
	"	jr	t0\n"
	"code_jump_end:\n"
	/* The test puts an ecall in the nop's place, as a device would. */
	"code_call:\n"
	"	nop\n"
	"	wfi\n"
	"code_call_end:\n"
	"code_loop:\n"
	"	j	code_loop\n"
	"code_loop_end:\n"
	"	.option	pop\n"
	"	.text\n");

static struct rig g;
static const struct engine_host host = { .kvm_fd = -1 };
static bool is_sealed;

static struct trap_engine *trap(void)
{
	return (struct trap_engine *)(void *)g.eng;
}

static void begin(const uint8_t *code, const uint8_t *end)
{
	const struct cpu_mode mode = { 0 };

	if (rig_open(&g, &trap_engine_ops, "riscv64", mode, &host) < 0) {
		printf("%s\n", g.e.text);
		exit(1);
	}
	rig_code(&g, 0, code, (size_t)(end - code));
	rig_reg_set(&g, "pc", RAM_GPA);
}

#define BEGIN(name) begin(name, name##_end)

/* What should always work. */
static void check_sum(void)
{
	BEGIN(code_sum);
	rig_reg_set(&g, "a0", 100);
	rig_reg_set(&g, "a1", DATA_GPA);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK_INT(rig_reg(&g, "a2"), 5050);
	CHECK(trap_engine_counts(g.eng).entries > 0);
	rig_close(&g);
}

/* The guest may be lost or not; it is not the monitor's. */
static void check_harmless(struct vm_exit x)
{
	printf("   ends with %s %s\n", vm_exit_kind_name(x.kind), x.detail);
	CHECK(x.kind == VM_EXIT_UNHANDLED || x.kind == VM_EXIT_HALT || x.kind == VM_EXIT_FAULT ||
	      x.kind == VM_EXIT_EXCEPTION || x.kind == VM_EXIT_KICKED);
	rig_close(&g);
	check_sum();
}

static void nothing_but_guest_pages_is_there(void)
{
	char path[64], line[256];
	unsigned int others = 0, areas = 0;
	FILE *f;

	BEGIN(code_sum);
	rig_reg_set(&g, "a0", 100);
	rig_reg_set(&g, "a1", DATA_GPA);
	rig_run(&g, 0);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)trap()->current->pid);
	f = is_sealed ? fopen(path, "re") : NULL;
	if (!f) {
		test_skip("an emulator's processes hold the emulator");
		rig_close(&g);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		uint64_t from = strtoull(line, NULL, 16);
		bool is_area = range_within(from, 1, trap()->stub_va,
					    PAGE_BYTES + sizeof(struct trap_area));

		areas += is_area;
		others += !is_area && !range_within(from, 1, RAM_GPA, RAM_BYTES);
	}
	fclose(f);
	CHECK_INT(areas, 2);
	CHECK_INT(others, 0);
	rig_close(&g);
}

static void the_area_tells_nothing_but_the_guests_own(void)
{
	BEGIN(code_read);
	rig_reg_set(&g, "a1", trap()->stub_va + PAGE_BYTES + offsetof(struct trap_mailbox, uc));
	rig_run(&g, 0);
	/* Where its own frame is: of its own process. */
	CHECK(range_within(rig_reg(&g, "a0"), 1, trap()->stub_va,
			   PAGE_BYTES + sizeof(struct trap_area)) ||
	      rig_reg(&g, "a0") == 0);
	rig_close(&g);
	check_sum();
}

static void fill(gva_t from, uint64_t bytes, uint64_t value)
{
	BEGIN(code_fill);
	rig_reg_set(&g, "a0", bytes / 8);
	rig_reg_set(&g, "a1", trap()->stub_va + from);
	rig_reg_set(&g, "a2", value);
	check_harmless(rig_run(&g, 0));
}

static void the_area_is_overwritten(void)
{
	const uint64_t values[] = { 0, UINT64_MAX, RAM_GPA, 0x8000000000000000ULL, 64 };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		fill(PAGE_BYTES, sizeof(struct trap_mailbox), values[i]);
		fill(PAGE_BYTES, sizeof(struct trap_area), values[i]);
	}
}

static void the_stub_is_overwritten(void)
{
	fill(0, PAGE_BYTES, 0x0000007300000073ULL);
	fill(PAGE_BYTES - 8, 8, 1); /* the number of the process to be stopped */
}

static void set_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	rig_reg_set(&g, "a7", nr);
	rig_reg_set(&g, "a0", a0);
	rig_reg_set(&g, "a1", a1);
	rig_reg_set(&g, "a2", a2);
}

static void system_calls_at_the_stubs_place_are_not_made(void)
{
	const uint64_t calls[] = { SYS_write,  SYS_exit_group, SYS_openat, SYS_clone, SYS_execve,
				   SYS_ptrace, SYS_mprotect,   SYS_mremap, SYS_socket };

	if (!is_sealed) {
		test_skip("it takes the filter of system calls");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct vm_exit x;

		BEGIN(code_jump);
		rig_reg_set(&g, "t0", trap()->stub_va + (uint64_t)(trap_stub_call - trap_stub));
		set_call(calls[i], 1, RAM_GPA, 4);
		x = rig_run(&g, 0);
		CHECK_STR(vm_exit_kind_name(x.kind), "unhandled");
		check_harmless(x);
	}
	BEGIN(code_jump); /* signals to others */
	rig_reg_set(&g, "t0", trap()->stub_va + (uint64_t)(trap_stub_call - trap_stub));
	set_call(SYS_kill, (uint64_t)getpid(), SIGUSR1, 0);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "unhandled");
	rig_close(&g);
}

/* At other places of the stub, which lead to calls that the mailbox holds. */
static void jumps_into_the_stub(void)
{
	const uint8_t *const places[] = { trap_stub_enter, trap_stub_handler };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		BEGIN(code_jump);
		rig_reg_set(&g, "t0", trap()->stub_va + (uint64_t)(places[i] - trap_stub));
		rig_reg_set(&g, "a0", SIGSEGV);
		rig_reg_set(&g, "a2", RAM_GPA);
		check_harmless(rig_run(&g, 0));
	}
}

/* Code that no look was taken at: what a device writes into a page while it is executed. */
static void an_ecall_behind_the_scan_is_the_guests(void)
{
	const uint32_t ecall = 0x73;
	struct vm_exit x;

	BEGIN(code_call);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	if (!is_sealed) {
		test_skip("it takes the filter of system calls");
		rig_close(&g);
		return;
	}
	memcpy(g.ram, &ecall, sizeof(ecall));
	rig_reg_set(&g, "pc", RAM_GPA);
	set_call(SYS_write, 1, RAM_GPA, 4);
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "exception");
	CHECK_STR(cpu_fault_kind_name(x.fault.kind), "syscall");
	CHECK_INT(x.fault.pc, RAM_GPA);
	CHECK_INT(rig_pc(&g), RAM_GPA);
	CHECK_INT(rig_reg(&g, "a0"), 1);
	rig_close(&g);
}

static void what_a_device_writes_is_looked_at(void)
{
	const uint32_t ecall = 0x73;
	struct vm_exit x;

	BEGIN(code_call);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "halt");
	CHECK(mem_write(g.mem, RAM_GPA, &ecall, sizeof(ecall), NULL));
	rig_reg_set(&g, "pc", RAM_GPA);
	set_call(SYS_write, 1, RAM_GPA, 4);
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "exception");
	CHECK_STR(cpu_fault_kind_name(x.fault.kind), "syscall");
	rig_close(&g);
}

/* Somebody else stops and continues, or ends, the guest's process. */
static void on_alarm(int signo)
{
	(void)signo;
	g.eng->ops->kick(g.eng, NULL);
}

static void the_process_is_stopped_and_killed_by_others(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct vm_exit x;

	sigaction(SIGALRM, &sa, NULL);
	BEGIN(code_loop);
	alarm(1);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "kicked");
	kill(trap()->current->pid, SIGSTOP);
	alarm(1);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "kicked");
	kill(trap()->current->pid, SIGKILL);
	x = rig_run(&g, 0);
	CHECK_STR(vm_exit_kind_name(x.kind), "unhandled");
	check_harmless(x);
}

/* As a guest can have it that makes a frame of its own and returns from it. */
static void a_carrier_that_blocks_all_signals_is_ended(void)
{
	const struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	const struct itimerval never = { 0 };
	ucontext_t *uc;
	struct vm_exit x;

	BEGIN(code_loop);
	alarm(1);
	CHECK_STR(vm_exit_kind_name(rig_run(&g, 0).kind), "kicked");
	uc = (ucontext_t *)(void *)((uint8_t *)trap()->current->area +
				    (trap()->current->area->box.uc - trap()->stub_va - PAGE_BYTES));
	memset(&uc->uc_sigmask, 0xff, 8);
	setitimer(ITIMER_REAL, &often, NULL);
	x = rig_run(&g, 0);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK_STR(vm_exit_kind_name(x.kind), "unhandled");
	check_harmless(x);
}

static const struct test_case cases[] = {
	{ "nothing_but_guest_pages_is_there", nothing_but_guest_pages_is_there },
	{ "the_area_tells_nothing_but_the_guests_own", the_area_tells_nothing_but_the_guests_own },
	{ "the_area_is_overwritten", the_area_is_overwritten },
	{ "the_stub_is_overwritten", the_stub_is_overwritten },
	{ "system_calls_at_the_stubs_place_are_not_made",
	  system_calls_at_the_stubs_place_are_not_made },
	{ "jumps_into_the_stub", jumps_into_the_stub },
	{ "an_ecall_behind_the_scan_is_the_guests", an_ecall_behind_the_scan_is_the_guests },
	{ "what_a_device_writes_is_looked_at", what_a_device_writes_is_looked_at },
	{ "the_process_is_stopped_and_killed_by_others",
	  the_process_is_stopped_and_killed_by_others },
	{ "a_carrier_that_blocks_all_signals_is_ended",
	  a_carrier_that_blocks_all_signals_is_ended },
};

int main(void)
{
	struct engine_probe p = { 0 };
	const struct cpu_mode mode = { 0 };

	is_sealed = trap_seal_probe();
	trap_do_without(TRAP_WITHOUT_FILTER);
	if (trap_engine_ops.probe(&rv64_arch, &mode, &host, &p) < 0) {
		printf("skipped: %s\n", p.detail);
		return 77;
	}
	printf("a filter of system calls: %s\n", is_sealed ? "yes" : "no");
	return test_main(cases, ARRAY_SIZE(cases));
}

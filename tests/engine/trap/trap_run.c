/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a RISC-V guest on engine `trap`: a UART on standard input and output, the test finisher, a CLINT, a PLIC, 64 MiB of RAM,
 * and where the guest is a kernel for S-mode, the SBI.
 *
 * Usage: trap_run [-b] [-s] [-i] [-p] [-v] [-d DTB] ELF
 *   -b  exceptions end the run, as on board `bare`
 *   -s  the guest starts in S-mode, and finds what firmware would have set up
 *   -i  all of it by the interpreter: the same machine as a referee
 *   -p  patch pages also where the host lets the guest read the patches
 *   -d  give the guest this device tree
 *   -v  say on standard error what the engine did
 *
 * Exit status: the guest's; 126 after a fault, which is named on standard error; 125 when the machine failed.
 */
#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cpu/riscv/rv_hart.h"
#include "dev/bus.h"
#include "dev/clint.h"
#include "dev/plic.h"
#include "dev/sifive_test.h"
#include "dev/uart16550.h"
#include "engine/trap/trap_engine.h"
#include "host/map.h"
#include "host/timer.h"
#include "machine/sbi.h"

#define RAM_GPA	      0x80000000ULL
#define RAM_BYTES     (64ULL << 20)
#define UART_GPA      0x10000000ULL
#define CLINT_GPA     0x2000000ULL
#define FINISHER_GPA  0x100000ULL
#define PLIC_GPA      0xc000000ULL
#define UART_SOURCE   10u
#define DTB_BYTES_MAX 65536u /* at the end of RAM */
#define DTB_GPA	      (RAM_GPA + RAM_BYTES - DTB_BYTES_MAX)
#define TICK_US	      4000
#define STATUS_FAULT  126
#define STATUS_FAILED 125
#define INTERPRET     UINT64_MAX /* as a limit of instructions: all of them are counted */

/** The machine. */
struct board {
	struct engine *eng;
	struct mem *mem;
	struct mem_region ram;
	struct bus mmio;
	struct clint *clint;
	struct plic *plic;
	struct uart16550 *uart;
	int ahead; /* character of the input that nobody has taken yet; negative: none */
	struct sbi *sbi;
	struct cpu_state *caller; /* while a call of the SBI is answered */
	struct errmsg e;
	bool is_stopped;
	uint64_t status;
};

static struct board board = { .ahead = -1 };

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "trap_run: %s: %s\n", what,
		board.e.text[0] ? board.e.text : strerror(errno));
	exit(STATUS_FAILED);
}

/* ---- devices ---- */

static void put_char(void *opaque, uint8_t c)
{
	(void)opaque;
	putchar(c);
	if (c == '\n') {
		fflush(stdout);
	}
}

static bool has_char(void *opaque)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	uint8_t c;

	(void)opaque;
	if (board.ahead < 0 && poll(&p, 1, 0) == 1 && read(STDIN_FILENO, &c, 1) == 1) {
		board.ahead = c;
	}
	return board.ahead >= 0;
}

static int get_char(void *opaque)
{
	int c = has_char(opaque) ? board.ahead : -1;

	board.ahead = -1;
	return c;
}

static ns_t now_ns(void *opaque)
{
	(void)opaque;
	return host_clock_monotonic_ns();
}

static void stop(void *opaque, enum dev_stop_kind kind, uint64_t code, const char *why)
{
	(void)opaque;
	board.is_stopped = true;
	board.status = kind == DEV_STOP_ERROR ? STATUS_FAILED : code;
	if (why) {
		fprintf(stderr, "trap_run: %s\n", why);
	}
}

static uint64_t ticks(void *opaque)
{
	(void)opaque;
	return clint_ticks(board.clint);
}

static enum bus_result mmio(void *opaque, struct bus_access *a)
{
	struct dev_access d = {
		.value = a->value, .count = 1, .bytes = a->bytes, .is_write = a->is_write
	};
	enum dev_result r;

	(void)opaque;
	r = bus_access(&board.mmio, a->addr, &d);
	a->value = d.value;
	return r == DEV_OK ? BUS_OK : r == DEV_STOP ? BUS_STOP : BUS_UNMAPPED;
}

static void set_line(void *opaque, bool level)
{
	uint64_t bit = BIT((uintptr_t)opaque);

	board.eng->ops->set_lines(board.eng, bit, level ? bit : 0);
}

static void make_devices(void)
{
	const struct clock_backend clock = { .now_ns = now_ns };
	const struct dev_host host = { .stop = stop };
	struct uart16550_config uart = {
		.chr = { .put = put_char, .get = get_char, .has = has_char }
	};
	const struct irq_line sei = { (void *)RV_IRQ_SEI, set_line };
	const struct irq_line msi = { (void *)RV_IRQ_MSI, set_line };
	const struct irq_line mti = { (void *)RV_IRQ_MTI, set_line };

	board.clint = clint_new(&clock, 1);
	board.plic = plic_new(1);
	uart.irq = plic_source(board.plic, UART_SOURCE);
	board.uart = uart16550_new(&uart);
	if (bus_attach(&board.mmio, UART_GPA, 0x100, &uart16550_ops, board.uart, &board.e) < 0 ||
	    bus_attach(&board.mmio, PLIC_GPA, PLIC_RANGE_BYTES, &plic_ops, board.plic, &board.e) <
		    0 ||
	    bus_attach(&board.mmio, FINISHER_GPA, SIFIVE_TEST_RANGE_BYTES, &sifive_test_ops,
		       sifive_test_new(&host), &board.e) < 0 ||
	    bus_attach(&board.mmio, CLINT_GPA, CLINT_RANGE_BYTES, &clint_ops, board.clint,
		       &board.e) < 0) {
		fail("devices");
	}
	clint_wire(board.clint, 0, &msi, &mti);
	plic_wire(board.plic, 1, &sei); /* of S-mode */
}

/* ---- firmware ---- */

static enum sbi_hart_state hart_state(void *opaque, uint32_t idx)
{
	(void)opaque;
	(void)idx;
	return SBI_HART_STARTED;
}

static void hart_start(void *opaque, uint32_t idx, uint64_t pc, uint64_t arg)
{
	(void)opaque;
	(void)idx;
	(void)pc;
	(void)arg;
}

static void hart_nothing(void *opaque, uint32_t idx)
{
	(void)opaque;
	(void)idx;
}

static void hart_interrupt(void *opaque, uint32_t idx)
{
	(void)opaque;
	(void)idx;
	rv_state(board.caller)->mip |= BIT(RV_IRQ_SSI);
}

static void hart_set_timer(void *opaque, uint32_t idx, uint64_t when)
{
	(void)opaque;
	(void)idx;
	rv_state(board.caller)->stimecmp = when;
}

static void hart_fence(void *opaque, uint32_t idx)
{
	(void)opaque;
	(void)idx;
	board.eng->ops->flush_translations(board.eng);
}

static void hart_fence_i(void *opaque, uint32_t idx)
{
	(void)opaque;
	(void)idx;
	board.eng->ops->code_changed(board.eng, 0, UINT64_MAX);
}

static void make_firmware(void)
{
	struct sbi_config c = {
		.harts = { .n = 1,
			   .state = hart_state,
			   .start = hart_start,
			   .stop = hart_nothing,
			   .wait = hart_nothing,
			   .interrupt = hart_interrupt,
			   .set_timer = hart_set_timer,
			   .fence = hart_fence,
			   .fence_i = hart_fence_i },
		.mem = board.mem,
		.chr = { .put = put_char, .get = get_char, .has = has_char },
		.host = { .stop = stop },
	};

	board.sbi = sbi_new(&c);
	if (!board.sbi) {
		fail("no memory");
	}
}

/* What OpenSBI leaves to an S-mode kernel. */
static void enter_supervisor(struct rv_state *v)
{
	v->priv = RV_PRIV_S;
	v->medeleg = 0xb1ff & ~BIT(RV_ECALL_S);
	v->mideleg = BIT(RV_IRQ_SSI) | BIT(RV_IRQ_STI) | BIT(RV_IRQ_SEI);
	v->mcounteren = 7;
	v->scounteren = 7;
	v->menvcfg = RV_ENVCFG_STCE | RV_ENVCFG_CBZE | RV_ENVCFG_CBCFE | RV_ENVCFG_CBIE;
	v->pmpcfg[0] = 0x1f;
	v->pmpaddr[0] = 0x3fffffffffffff;
	v->stimecmp = UINT64_MAX;
}

static void answer_call(void)
{
	struct cpu_state s;
	struct rv_state *v = rv_state(&s);
	struct sbi_call call;

	board.eng->ops->get_state(board.eng, &s, &board.e);
	memcpy(call.a, v->x + 10, sizeof(call.a));
	board.caller = &s;
	if (sbi_call(board.sbi, 0, &call) == SBI_DONE) {
		memcpy(v->x + 10, call.a, sizeof(call.a));
		v->pc += 4;
	}
	board.eng->ops->set_state(board.eng, &s, &board.e);
}

/* ---- the machine ---- */

static void make_memory(void)
{
	board.mem = mem_new();
	board.ram = (struct mem_region){
		.base_gpa = RAM_GPA,
		.size_bytes = RAM_BYTES,
		.perm = MEM_RWX,
		.name = "ram",
		.has_file = true,
	};
	if (host_map_shared_ram(RAM_BYTES, &board.ram.hva, &board.ram.fd, &board.e) < 0 ||
	    mem_region_add(board.mem, &board.ram, &board.e) < 0) {
		fail("memory");
	}
}

static void make_engine(bool is_bare, bool is_supervisor)
{
	static const struct engine_bus bus = { .mmio = mmio };
	struct engine_config c = {
		.arch = &rv64_arch,
		.bus = &bus,
		.mem = board.mem,
		.is_system = !is_bare,
		.exit_vectors = is_supervisor ? BIT(RV_ECALL_S) : 0,
		.clock = { .ticks = ticks },
		.host = { .kvm_fd = -1 },
	};

	if (trap_engine_ops.create(&c, &board.eng, &board.e) < 0 ||
	    trap_engine_ops.map(board.eng, &board.ram, &board.e) < 0) {
		fail("engine");
	}
}

/*
 * Programs for a board may also be linked for one with more devices: what is no RAM is left out.
 * @return where it begins, without paging
 */
static gpa_t load(const char *path)
{
	FILE *f = fopen(path, "re");
	Elf64_Ehdr head;
	gpa_t entry = 0;

	if (!f || fread(&head, sizeof(head), 1, f) != 1 || head.e_machine != EM_RISCV) {
		fail(path);
	}
	for (unsigned int i = 0; i < head.e_phnum; i++) {
		Elf64_Phdr p;

		if (fseek(f, (long)(head.e_phoff + i * sizeof(p)), SEEK_SET) < 0 ||
		    fread(&p, sizeof(p), 1, f) != 1) {
			fail(path);
		}
		if (p.p_type != PT_LOAD || p.p_filesz == 0 ||
		    !range_within(p.p_paddr, p.p_memsz, RAM_GPA, RAM_BYTES)) {
			continue;
		}
		if (head.e_entry - p.p_vaddr < p.p_memsz) {
			entry = p.p_paddr + (head.e_entry - p.p_vaddr);
		}
		if (fseek(f, (long)p.p_offset, SEEK_SET) < 0 ||
		    fread(board.ram.hva + (p.p_paddr - RAM_GPA), p.p_filesz, 1, f) != 1) {
			fail(path);
		}
	}
	fclose(f);
	return entry;
}

static void load_tree(const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f || fread(board.ram.hva + (DTB_GPA - RAM_GPA), 1, DTB_BYTES_MAX, f) == 0) {
		fail(path);
	}
	fclose(f);
}

static void start(gpa_t entry, gpa_t tree, bool is_supervisor)
{
	struct cpu_state s = { .arch = CPU_ARCH_RV64 };
	const struct cpu_mode mode = { 0 };

	rv64_arch.reset(&s, &mode);
	if (is_supervisor) {
		enter_supervisor(rv_state(&s));
	}
	rv_state(&s)->pc = entry;
	rv_state(&s)->x[2] = RAM_GPA + RAM_BYTES;
	rv_state(&s)->x[11] = tree;
	if (board.eng->ops->set_state(board.eng, &s, &board.e) < 0) {
		fail("state");
	}
}

/* Often enough for every timer that a guest may set. */
static void on_alarm(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)info;
	board.eng->ops->kick(board.eng, uc);
}

static void set_alarm(long every_us)
{
	const struct itimerval often = { { 0, every_us }, { 0, every_us } };
	struct sigaction sa = { .sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART };

	if (sigaction(SIGALRM, &sa, NULL) < 0 || setitimer(ITIMER_REAL, &often, NULL) < 0) {
		fail("timer");
	}
}

static void devices_poll(void)
{
	clint_poll(board.clint);
	uart16550_poll(board.uart);
}

/* Wait for an interrupt; the alarm ends the wait. */
static void sleep_until_woken(void)
{
	const struct timespec tick = { .tv_nsec = TICK_US * 1000 };

	while (!board.eng->ops->wakes(board.eng)) {
		nanosleep(&tick, NULL);
		devices_poll();
	}
}

static void run(bool is_interpreted)
{
	struct vm_exit x = { 0 };

	while (!board.is_stopped) {
		if (board.eng->ops->run(board.eng, is_interpreted ? INTERPRET : 0, &x, &board.e) <
		    0) {
			fail("run");
		}
		devices_poll();
		if (x.kind == VM_EXIT_HALT) {
			sleep_until_woken();
		} else if (x.kind == VM_EXIT_EXCEPTION && board.sbi &&
			   x.fault.vector == RV_ECALL_S) {
			answer_call();
		} else if (x.kind != VM_EXIT_KICKED && x.kind != VM_EXIT_BUS_STOP) {
			fprintf(stderr, "trap_run: %s %s at %#llx %s\n", vm_exit_kind_name(x.kind),
				cpu_fault_kind_name(x.fault.kind), (unsigned long long)x.fault.pc,
				x.detail);
			board.status = STATUS_FAULT;
			return;
		}
	}
}

int main(int argc, char **argv)
{
	bool is_bare = false;
	bool is_supervisor = false;
	bool is_interpreted = false;
	bool is_verbose = false;
	uint32_t without = TRAP_WITHOUT_FILTER;
	const char *tree = NULL;
	struct trap_counts n;
	int c;

	while ((c = getopt(argc, argv, "bsipvd:")) != -1) {
		is_bare = is_bare || c == 'b';
		is_supervisor = is_supervisor || c == 's';
		is_interpreted = is_interpreted || c == 'i';
		is_verbose = is_verbose || c == 'v';
		tree = c == 'd' ? optarg : tree;
		without |= c == 'p' ? TRAP_VISIBLE_PATCHES : 0;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: trap_run [-b] [-s] [-i] [-p] [-v] [-d DTB] ELF\n");
		return STATUS_FAILED;
	}
	trap_do_without(without);
	make_memory();
	make_engine(is_bare, is_supervisor);
	make_devices();
	if (is_supervisor) {
		make_firmware();
	}
	if (tree) {
		load_tree(tree);
	}
	start(load(argv[optind]), tree ? DTB_GPA : 0, is_supervisor);
	set_alarm(TICK_US);
	run(is_interpreted);
	set_alarm(0);
	n = trap_engine_counts(board.eng);
	if (is_verbose) {
		fprintf(stderr, "entries %llu, interpreted %llu, fills %llu, patched %llu\n",
			(unsigned long long)n.entries, (unsigned long long)n.interpreted,
			(unsigned long long)n.fills, (unsigned long long)n.patched);
	}
	trap_engine_ops.destroy(board.eng);
	fflush(stdout);
	return (int)board.status;
}

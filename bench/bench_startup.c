/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs to start a trivial guest (sum of 1 to 100, two lines of output) and to end it.
 *
 * First table, for a whole run: CPU time, the kernel's included (how much of so short a run is the
 * kernel's cannot be told: it samples), and the most memory resident at once.
 *   VM process   the jailed process alone, as the kernel accounts for it
 *   VM of a zygote   the same as the daemon makes it, cloned instead of executed
 *   command      `pinfold run`: that and the command itself; memory of the larger process
 * Second table: what in the VM process is resident when the guest has ended. Files are program
 * and library pages, which all VMs share. Third: CPU time of single parts, each done alone in a
 * process made for it, less what an empty process costs.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench/bench_vm.h"
#include "engine/engine.h"
#include "host/proc.h"
#include "mem/mem.h"
#include "vm/jail.h"

#define NAMESPACES                                                                            \
	((uint64_t)CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | \
	 CLONE_NEWUTS | CLONE_NEWCGROUP)

enum kind { VM, CLONED_VM, COMMAND, EMULATOR, NATIVE };

/* guest: a file under guests/; with: the engine or the emulator. */
static const struct {
	const char *title;
	enum kind kind;
	const char *with, *guest;
} cases[] = {
	{ "native program", NATIVE, NULL, "linux/x64/sum" },
	{ "qemu-user x64", EMULATOR, "qemu-x86_64", "linux/x64/sum" },
	{ "qemu-user arm64", EMULATOR, "qemu-aarch64", "linux/arm64/sum" },
	{ "qemu-user riscv64", EMULATOR, "qemu-riscv64", "linux/riscv64/sum" },
	{ "VM process unicorn x86", VM, "unicorn", "x86/sum.elf" },
	{ "VM process unicorn x64", VM, "unicorn", "x64/sum.elf" },
	{ "VM process unicorn arm", VM, "unicorn", "arm/sum.elf" },
	{ "VM process unicorn arm64", VM, "unicorn", "arm64/sum.elf" },
	{ "VM process unicorn riscv64", VM, "unicorn", "riscv64/sum.elf" },
	{ "VM process dbt riscv64", VM, "dbt", "riscv64/sum.elf" },
	{ "VM process kvm x64", VM, "kvm", "x64/sum.elf" },
	{ "VM of a zygote unicorn riscv64", CLONED_VM, "unicorn", "riscv64/sum.elf" },
	{ "VM of a zygote dbt riscv64", CLONED_VM, "dbt", "riscv64/sum.elf" },
	{ "VM of a zygote kvm x64", CLONED_VM, "kvm", "x64/sum.elf" },
	{ "command unicorn x64", COMMAND, "unicorn", "x64/sum.elf" },
	{ "command unicorn arm64", COMMAND, "unicorn", "arm64/sum.elf" },
	{ "command kvm x64", COMMAND, "kvm", "x64/sum.elf" },
};

struct figures {
	struct bench_series cpu_ms, peak_mib;
	struct bench_series anon_mib, file_mib, shmem_mib;
};

static struct launch_zygote *zygotes[LAUNCH_ZYGOTES];

static int run_vm(const struct bench_env *env, size_t at, struct figures *f)
{
	const char *engine = cases[at].with;
	const char *guest = cases[at].guest;
	struct bench_vm_run run;
	struct launch_options o;
	struct errmsg e = { 0 };
	char path[BENCH_PATH];
	int r;

	bench_vm_options(env, engine, guest, path, &o);
	o.zygote = cases[at].kind == CLONED_VM ? zygotes[launch_zygote_kind_of(engine)] : NULL;
	r = bench_vm_run(&o, &run, &e);
	if (r < 0) {
		fprintf(stderr, "%s on %s: %s\n", guest, engine, e.text);
		return r;
	}
	bench_add(&f->cpu_ms, run.process_ms);
	bench_add(&f->peak_mib, (double)run.stopped.usage.mem_peak_bytes / (1 << 20));
	bench_add(&f->anon_mib, run.anon_mib);
	bench_add(&f->file_mib, run.file_mib);
	bench_add(&f->shmem_mib, run.shmem_mib);
	return 0;
}

static int run_command(const char *const argv[], struct figures *f)
{
	struct bench_run run;
	int r = bench_command(argv, &run);

	if (r < 0 || run.status != 0) {
		fprintf(stderr, "%s: did not end well\n", argv[0]);
		return r < 0 ? r : -EIO;
	}
	bench_add(&f->cpu_ms, run.cpu_ms);
	bench_add(&f->peak_mib, run.peak_mib);
	return 0;
}

static int run_case(const struct bench_env *env, size_t at, struct figures *f)
{
	char pinfold[BENCH_PATH];
	char guest[BENCH_PATH];
	const char *with = cases[at].with;

	bench_path(env, pinfold, "bin/pinfold");
	bench_path(env, guest, "guests/%s", cases[at].guest);
	switch (cases[at].kind) {
	case VM:
	case CLONED_VM:
		return run_vm(env, at, f);
	case COMMAND:
		return run_command((const char *const[]){ pinfold, "run", "--engine", with, guest,
							  NULL },
				   f);
	case EMULATOR:
		return run_command((const char *const[]){ with, guest, NULL }, f);
	default:
		return run_command((const char *const[]){ guest, NULL }, f);
	}
}

static bool can_run(size_t at, bool has_kvm)
{
	if (cases[at].kind == EMULATOR) {
		return bench_has_program(cases[at].with);
	}
	if (cases[at].kind == CLONED_VM && !zygotes[launch_zygote_kind_of(cases[at].with)]) {
		return false;
	}
	return has_kvm || !cases[at].with || strcmp(cases[at].with, "kvm") != 0;
}

static void print_whole(const struct figures *all)
{
	struct bench_table t = { 0 };
	char c[2][32];

	printf("a trivial guest, from start to end; goals for the VM process: unicorn 10 ms and 12 "
	       "MiB,\nkvm 5 ms and 4 MiB plus guest RAM, apart from what the kernel takes; dbt 3 "
	       "ms and 4 "
	       "MiB\n");
	bench_row(&t, "what|CPU ms|peak MiB");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bench_row(&t, "%s|%s|%s", cases[i].title,
			  bench_figure(c[0], bench_median(&all[i].cpu_ms), 1),
			  bench_figure(c[1], bench_median(&all[i].peak_mib), 1));
	}
	bench_print(&t);
}

static void print_memory(const struct figures *all)
{
	struct bench_table t = { 0 };
	char c[3][32];

	printf("resident MiB of the VM process when its guest has ended\n");
	bench_row(&t, "what|private|files|guest RAM and image");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].kind == VM || cases[i].kind == CLONED_VM) {
			bench_row(&t, "%s|%s|%s|%s", cases[i].title,
				  bench_figure(c[0], bench_median(&all[i].anon_mib), 1),
				  bench_figure(c[1], bench_median(&all[i].file_mib), 1),
				  bench_figure(c[2], bench_median(&all[i].shmem_mib), 1));
		}
	}
	bench_print(&t);
}

/* ---- Parts. Each runs in a child that ends after it. ---- */

static int part_nothing(const struct bench_env *env)
{
	(void)env;
	return 0;
}

static int part_namespaces(const struct bench_env *env)
{
	int pidfd;
	pid_t pid = host_proc_clone(NAMESPACES, &pidfd);

	(void)env;
	if (pid == 0) {
		_exit(0);
	}
	return pid < 0 || waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

/* Without its socket it says so and ends: what is left is the dynamic linker's work. */
static int part_exec(const struct bench_env *env)
{
	char path[BENCH_PATH];

	bench_path(env, path, "bin/pinfold-vm");
	if (!freopen("/dev/null", "w", stderr)) {
		return -1;
	}
	execl(path, path, (char *)NULL);
	return -1;
}

static int part_seccomp(const struct bench_env *env)
{
	const struct jail_options o = { .flags = PROTO_JAIL_SECCOMP, .kvm_fd = -1 };
	uint32_t flags;

	(void)env;
	return jail_enter(&o, &flags, NULL);
}

static int part_unicorn_load(const struct bench_env *env)
{
	const struct engine_host host = { .kvm_fd = -1 };
	const struct cpu_mode mode = { 0 };
	struct engine_probe probe;

	(void)env;
	return engine_by_name("unicorn")->probe(cpu_arch_by_id(CPU_ARCH_A64), &mode, &host, &probe);
}

static int part_unicorn_create(const struct bench_env *env)
{
	static const struct engine_bus bus = { 0 };
	struct engine_config cfg = {
		.arch = cpu_arch_by_id(CPU_ARCH_A64),
		.host = { .kvm_fd = -1 },
		.bus = &bus,
	};
	struct engine *eng;

	(void)env;
	cfg.mem = mem_new();
	return engine_by_name("unicorn")->create(&cfg, &eng, NULL);
}

static const struct {
	const char *title;
	int (*fn)(const struct bench_env *env);
} parts[] = {
	{ "an empty process", part_nothing },
	{ "seven namespaces", part_namespaces },
	{ "program pinfold-vm, loaded", part_exec },
	{ "limits and seccomp filter", part_seccomp },
	{ "libunicorn, loaded", part_unicorn_load },
	{ "libunicorn, loaded; a vCPU made", part_unicorn_create },
};

/* CPU time of a child that does one part. */
static double time_part(const struct bench_env *env, size_t at)
{
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(parts[at].fn(env) == 0 ? 0 : 1);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		return NAN;
	}
	return bench_rusage_ms(&usage);
}

static void bench_parts(const struct bench_env *env)
{
	struct bench_series ms[ARRAY_SIZE(parts)] = { 0 };
	struct bench_table t = { 0 };
	char c[32];

	for (int round = 0; round < (env->is_quick ? 7 : 31); round++) {
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			bench_add(&ms[i], time_part(env, i));
		}
	}
	printf("where it goes: each part alone, less an empty process\n");
	bench_row(&t, "part|CPU ms");
	for (size_t i = 1; i < ARRAY_SIZE(parts); i++) {
		bench_row(&t, "%s|%s", parts[i].title,
			  bench_figure(c, bench_median(&ms[i]) - bench_median(&ms[0]), 2));
	}
	bench_print(&t);
}

int main(int argc, char **argv)
{
	static struct figures all[ARRAY_SIZE(cases)];
	char program[BENCH_PATH];
	struct errmsg e = { 0 };
	struct bench_env env;
	bool has_kvm;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	has_kvm = bench_vm_has_kvm(&env);
	bench_path(&env, program, "bin/pinfold-vm");
	for (int i = 0; i < LAUNCH_ZYGOTES; i++) {
		if (launch_zygote_start(program, (enum launch_zygote_kind)i, &zygotes[i], &e) < 0) {
			printf("(no VMs of a zygote: %s)\n", e.text);
		}
	}
	for (int round = 0; round < (env.is_quick ? 5 : 15); round++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			if (can_run(i, has_kvm) && run_case(&env, i, &all[i]) < 0) {
				return EXIT_FAILURE;
			}
		}
	}
	for (int i = 0; i < LAUNCH_ZYGOTES; i++) {
		launch_zygote_free(zygotes[i]);
	}
	print_whole(all);
	print_memory(all);
	bench_parts(&env);
	return EXIT_SUCCESS;
}

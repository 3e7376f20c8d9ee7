/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Execution speed on engines unicorn and kvm (bench_kernels.c: on dbt): CPU time of the guest alone, for each program in its long form, on
 *   pinfold   a jailed VM with 10 ms slices; the vCPU thread's time inside the engine
 *   raw       raw_unicorn: the same image, the library called directly, no slices
 *   qemu      the same source as a Linux program under qemu-user, less its own start-up
 *   native    the same on this CPU, less its start-up; x64's program where there is no own one
 *   kvm       (x64 in ring 3) a jailed VM on /dev/kvm
 * and how fast pinfold is in relation to them: 2.00 means twice as fast.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "bench/bench_vm.h"

static const char *const programs[] = { "sum", "sieve", "fib",	"crc32", "sha256",
					"mix", "calls", "copy", "float" };
static const char *const few_programs[] = { "sieve", "mix", "calls" };

struct variant {
	const char *name;
	const char *qemu;
	const char *native; /* folder of the program that runs natively */
	bool is_form; /* another form of arm: fewer programs, and none when it is to be quick */
};

static const struct variant variants[] = {
	{ "x86", "qemu-i386", "x86", false },	     { "x64", "qemu-x86_64", "x64", false },
	{ "arm", "qemu-arm", "x64", false },	     { "thumb", "qemu-arm", "x64", true },
	{ "armeb", "qemu-armeb", "x64", true },	     { "arm64", "qemu-aarch64", "x64", false },
	{ "riscv64", "qemu-riscv64", "x64", false },
};

enum contender { PINFOLD, RAW, QEMU, NATIVE, CONTENDERS };

static double run_pinfold(const struct bench_env *env, const char *engine, const char *variant,
			  const char *program)
{
	struct launch_options o;
	struct bench_vm_run run;
	struct errmsg e = { 0 };
	char path[BENCH_PATH];
	char guest[128];

	snprintf(guest, sizeof(guest), "%s/bench/%s.elf", variant, program);
	bench_vm_options(env, engine, guest, path, &o);
	if (bench_vm_run(&o, &run, &e) < 0 || !strstr(run.output, "ok\n")) {
		fprintf(stderr, "%s: pinfold: %s\n", guest, e.text[0] ? e.text : run.output);
		return NAN;
	}
	return (double)run.stopped.usage.cpu_ns / 1e6;
}

static double run_raw(const struct bench_env *env, const char *variant, const char *program)
{
	char tool[BENCH_PATH];
	char image[BENCH_PATH];
	const char *const argv[] = {
		bench_path(env, tool, "bin/raw_unicorn"), variant,
		bench_path(env, image, "guests/%s/bench/%s.elf", variant, program), NULL
	};
	struct bench_run run;
	const char *line;

	if (bench_command(argv, &run) < 0 || run.status != 0 || !strstr(run.output, "ok\n")) {
		return NAN;
	}
	line = strstr(run.output, "cpu_ms ");
	return line ? strtod(line + strlen("cpu_ms "), NULL) : NAN;
}

/* A Linux program, natively (emulator NULL) or under qemu-user. */
static double run_linux(const struct bench_env *env, const char *emulator, const char *variant,
			const char *program)
{
	char path[BENCH_PATH];
	const char *argv[3] = { emulator };
	struct bench_run run;

	argv[emulator ? 1 : 0] = bench_path(env, path, "guests/linux/%s/%s", variant, program);
	if (bench_command(argv, &run) < 0 || run.status != 0) {
		return NAN;
	}
	return run.cpu_ms;
}

/* Less what the shortest program costs. */
static double run_linux_net(const struct bench_env *env, const char *emulator, const char *variant,
			    const char *program)
{
	char bench[64];
	double all;

	snprintf(bench, sizeof(bench), "bench/%s", program);
	all = run_linux(env, emulator, variant, bench);
	return all - run_linux(env, emulator, variant, "sum");
}

static double run_one(const struct bench_env *env, const struct variant *v, enum contender who,
		      const char *program)
{
	switch (who) {
	case PINFOLD:
		return run_pinfold(env, "unicorn", v->name, program);
	case RAW:
		return run_raw(env, v->name, program);
	case QEMU:
		return bench_has_program(v->qemu) ? run_linux_net(env, v->qemu, v->name, program)
						  : NAN;
	default:
		return run_linux_net(env, NULL, v->native, program);
	}
}

/* Ratios of the rounds of one program, and what goes into the means over programs. */
struct ratios {
	struct bench_series raw, qemu, native;
};

static void add_valid(struct bench_series *s, double value)
{
	if (!isnan(value) && value > 0) {
		bench_add(s, value);
	}
}

static void bench_program(const struct bench_env *env, const struct variant *v, const char *program,
			  struct bench_table *t, struct ratios *means)
{
	int rounds = env->is_quick ? 1 : 3;
	struct bench_series time[CONTENDERS] = { 0 };
	struct ratios r = { 0 };
	char c[7][32];

	for (int round = 0; round < rounds; round++) {
		double ms[CONTENDERS];

		for (int who = 0; who < CONTENDERS; who++) {
			ms[who] = run_one(env, v, (enum contender)who, program);
			add_valid(&time[who], ms[who]);
		}
		add_valid(&r.raw, ms[RAW] / ms[PINFOLD]);
		add_valid(&r.qemu, ms[QEMU] / ms[PINFOLD]);
		add_valid(&r.native, ms[NATIVE] / ms[PINFOLD]);
	}
	add_valid(&means->raw, bench_median(&r.raw));
	add_valid(&means->qemu, bench_median(&r.qemu));
	add_valid(&means->native, bench_median(&r.native));
	for (int who = 0; who < CONTENDERS; who++) {
		bench_figure(c[who], bench_median(&time[who]), who == NATIVE ? 1 : 0);
	}
	bench_row(t, "%s|%s|%s|%s|%s|%s|%s|%s", program, c[PINFOLD], c[RAW], c[QEMU], c[NATIVE],
		  bench_figure(c[4], bench_median(&r.raw), 2),
		  bench_figure(c[5], bench_median(&r.qemu), 2),
		  bench_figure(c[6], 1 / bench_median(&r.native), 0));
}

static void bench_variant(const struct bench_env *env, const struct variant *v,
			  struct bench_table *summary)
{
	bool is_few = env->is_quick || v->is_form;
	const char *const *list = is_few ? few_programs : programs;
	size_t n = is_few ? ARRAY_SIZE(few_programs) : ARRAY_SIZE(programs);
	struct bench_table t = { 0 };
	struct ratios means = { 0 };
	char c[3][32];

	printf("%s, CPU ms\n", v->name);
	bench_row(&t, "program|pinfold|raw|qemu|native|vs raw|vs qemu|x native");
	for (size_t i = 0; i < n; i++) {
		bench_program(env, v, list[i], &t, &means);
	}
	bench_row(&t, "geometric mean|||||%s|%s|%s",
		  bench_figure(c[0], bench_geomean(&means.raw), 2),
		  bench_figure(c[1], bench_geomean(&means.qemu), 2),
		  bench_figure(c[2], 1 / bench_geomean(&means.native), 0));
	bench_row(summary, "%s|%s|%s|%s", v->name, c[0], c[1], c[2]);
	bench_print(&t);
}

/* Ring 3 on KVM runs on the CPU itself: only the native program is a fit comparison. */
static void bench_kvm(const struct bench_env *env)
{
	struct bench_table t = { 0 };
	struct bench_series means = { 0 };
	char c[3][32];

	if (!bench_vm_has_kvm(env)) {
		return;
	}
	printf("x64 in ring 3 on kvm, CPU ms\n");
	bench_row(&t, "program|kvm|native|x native");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		struct bench_series kvm = { 0 };
		struct bench_series native = { 0 };
		struct bench_series ratio = { 0 };

		for (int round = 0; round < (env->is_quick ? 1 : 5); round++) {
			double a = run_pinfold(env, "kvm", "x64-ring3", programs[i]);
			double b = run_linux_net(env, NULL, "x64", programs[i]);

			add_valid(&kvm, a);
			add_valid(&native, b);
			add_valid(&ratio, a / b);
		}
		add_valid(&means, bench_median(&ratio));
		bench_row(&t, "%s|%s|%s|%s", programs[i], bench_figure(c[0], bench_median(&kvm), 1),
			  bench_figure(c[1], bench_median(&native), 1),
			  bench_figure(c[2], bench_median(&ratio), 2));
	}
	bench_row(&t, "geometric mean|||%s", bench_figure(c[0], bench_geomean(&means), 2));
	bench_print(&t);
}

int main(int argc, char **argv)
{
	struct bench_table summary = { 0 };
	struct bench_env env;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	bench_row(&summary, "architecture|vs raw Unicorn|vs qemu-user|x native");
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		if (!env.is_quick || !variants[i].is_form) {
			bench_variant(&env, &variants[i], &summary);
		}
	}
	bench_kvm(&env);
	printf("all architectures, speed of pinfold on unicorn; the goal is 0.95 of raw Unicorn\n");
	bench_print(&summary);
	return EXIT_SUCCESS;
}

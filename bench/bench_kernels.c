/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Execution speed of RISC-V kernels (guests/kernels: the same C everywhere), each on
 *   native       this CPU
 *   qemu-user    qemu-riscv64
 *   qemu-system  qemu-system-riscv64, board virt: as a process of the operating system in guests/sv39, behind Sv39 page
 *                tables and interrupted by a timer
 *   unicorn      a jailed VM on engine unicorn, board bare, M-mode
 *   dbt user     the same on engine dbt
 *   dbt system   a jailed VM on engine dbt, board virt: as qemu-system
 *
 * A figure is CPU time of the whole process, less that of the kernel "none" in the same round, in relation to native's; what is
 * slow gets less to do, in proportion. A run counts only if it printed the sum that native printed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "bench/bench_vm.h"

enum contender { NATIVE, QEMU_USER, QEMU_SYSTEM, UNICORN, DBT_USER, DBT_SYSTEM, CONTENDERS };

static const char *const names[CONTENDERS] = {
	"native", "qemu-user", "qemu-system", "unicorn", "dbt user", "dbt system",
};

/* What the means are over. */
enum {
	GEO7 = 1,   /* the seven of docs/performance.md's comparison of peers */
	FLOAT = 2,  /* floating point */
	CALLS = 4,  /* indirect calls and recursion */
	LOADS = 8,  /* loads that depend on each other */
	SYSTEM = 16 /* only where there is an operating system */
};

struct kernel {
	const char *name;
	unsigned int count; /* some 80 ms natively */
	unsigned int kinds;
};

static const struct kernel kernels[] = {
	{ "core", 1600, GEO7 },
	{ "sieve", 600, GEO7 },
	{ "nbody", 1200, GEO7 | FLOAT },
	{ "sha256", 700, GEO7 },
	{ "fib", 4000, GEO7 | CALLS },
	{ "wcopy", 1000, GEO7 },
	{ "icall", 500, GEO7 | CALLS },
	{ "list64k", 400, LOADS },
	{ "list32m", 300, LOADS },
	{ "qsort", 1400, 0 },
	{ "interp", 1200, 0 },
	{ "lz", 6000, 0 },
	{ "text", 1600, 0 },
	{ "hash", 800, 0 },
	{ "matrix", 1600, FLOAT },
	{ "mandel", 800, FLOAT },
	{ "faults", 100, SYSTEM },
	{ "syscalls", 2000, SYSTEM },
	{ "switches", 400, SYSTEM },
};

static const struct {
	const char *name;
	unsigned int kinds;	/* one of these */
	unsigned int kinds_not; /* none of these */
} means[] = {
	{ "mean of the first 7", GEO7, 0 },    { "mean, lists left out", ~0u, LOADS },
	{ "mean, floating point", FLOAT, 0 },  { "mean, fib and icall", CALLS, 0 },
	{ "mean, dependent loads", LOADS, 0 },
};

#define UNICORN_PART 10 /* what it does of the others' work */

/** What one contender's run of one kernel told. */
struct outcome {
	double cpu_ms;
	char line[64]; /* name, count and sum */
};

/** A round's start-up costs, and each kernel's figures over all rounds. */
struct figures {
	double none_ms[CONTENDERS];
	struct bench_series ms[ARRAY_SIZE(kernels)][CONTENDERS];
	struct bench_series ratio[ARRAY_SIZE(kernels)]
				 [CONTENDERS]; /* to native; of SYSTEM: to dbt */
};

static bool keep_line(const char *output, struct outcome *ret)
{
	size_t len = strcspn(output, "\r\n");

	if (!strstr(output, "\nok") && !strstr(output, "\r\nok")) {
		return false;
	}
	snprintf(ret->line, sizeof(ret->line), "%.*s", (int)len, output);
	return true;
}

static bool run_command(const char *const argv[], const char *input, struct outcome *ret)
{
	struct bench_run run;

	if (bench_command_input(argv, input, &run) < 0 || run.status != 0 ||
	    !keep_line(run.output, ret)) {
		return false;
	}
	ret->cpu_ms = run.cpu_ms;
	return true;
}

static bool run_vm(const struct bench_env *env, const char *engine, const char *board,
		   const char *guest, const char *input, struct outcome *ret)
{
	struct launch_options o;
	struct bench_vm_run run;
	struct errmsg e = { 0 };
	char path[BENCH_PATH];

	bench_vm_options(env, engine, guest, path, &o);
	snprintf(o.config.board, sizeof(o.config.board), "%s", board);
	o.config.limits.mem_bytes = 128ULL << 20;
	if (bench_vm_run_input(&o, input, &run, &e) < 0 || !keep_line(run.output, ret)) {
		fprintf(stderr, "%s on %s: %s\n", guest, engine, e.text[0] ? e.text : run.output);
		return false;
	}
	ret->cpu_ms = run.process_ms;
	return true;
}

static bool run_one(const struct bench_env *env, enum contender who, const char *input,
		    struct outcome *ret)
{
	char path[BENCH_PATH];
	char device[BENCH_PATH + 64];
	const char *const native[] = { bench_path(env, path, "guests/linux/x64/kernels"), NULL };
	const char *const user[] = { "qemu-riscv64", path, NULL };
	const char *const system[] = { "qemu-system-riscv64",
				       "-M",
				       "virt",
				       "-m",
				       "128",
				       "-display",
				       "none",
				       "-monitor",
				       "none",
				       "-serial",
				       "stdio",
				       "-bios",
				       "none",
				       "-device",
				       device,
				       NULL };

	switch (who) {
	case NATIVE:
		return run_command(native, input, ret);
	case QEMU_USER:
		bench_path(env, path, "guests/linux/riscv64/kernels");
		return run_command(user, input, ret);
	case QEMU_SYSTEM:
		bench_path(env, path, "guests/riscv64/kernels_sv39.elf");
		snprintf(device, sizeof(device), "loader,cpu-num=0,file=%s", path);
		return run_command(system, input, ret);
	case DBT_SYSTEM:
		return run_vm(env, "dbt", "virt", "riscv64/kernels_sv39.elf", input, ret);
	default:
		return run_vm(env, who == UNICORN ? "unicorn" : "dbt", "bare",
			      "riscv64/kernels.elf", input, ret);
	}
}

/* Whether it can run here at all; the reason why not is printed once. */
static bool can_run(enum contender who)
{
	static const char *const programs[CONTENDERS] = {
		[QEMU_USER] = "qemu-riscv64",
		[QEMU_SYSTEM] = "qemu-system-riscv64",
	};
	static bool is_told[CONTENDERS];

	if (!programs[who] || bench_has_program(programs[who])) {
		return true;
	}
	if (!is_told[who]) {
		printf("(no figures for %s: not installed)\n", names[who]);
		is_told[who] = true;
	}
	return false;
}

/* The run's time without start and end; NAN if it failed. */
static double net_ms(const struct bench_env *env, enum contender who, const struct kernel *k,
		     unsigned int count, const struct figures *f, struct outcome *ret)
{
	char input[64];

	*ret = (struct outcome){ 0 };
	if (!can_run(who)) {
		return NAN;
	}
	snprintf(input, sizeof(input), "%s %u\n", k->name, count);
	if (!run_one(env, who, input, ret)) {
		return NAN;
	}
	return fmax(ret->cpu_ms - f->none_ms[who], 0.01);
}

static bool takes_part(const struct kernel *k, enum contender who)
{
	return !(k->kinds & SYSTEM) || who == QEMU_SYSTEM || who == DBT_SYSTEM;
}

/* One kernel on everybody, in turn. Unicorn only in the first round: it takes longer than the others together. */
static void run_kernel(const struct bench_env *env, size_t at, bool is_first, struct figures *f)
{
	const struct kernel *k = &kernels[at];
	unsigned int count = env->is_quick ? (k->count + 3) / 4 : k->count;
	unsigned int part = (count + UNICORN_PART - 1) / UNICORN_PART;
	struct outcome whole = { 0 };
	struct outcome some;
	struct outcome got;
	double ms[CONTENDERS];

	for (int who = 0; who < CONTENDERS; who++) {
		ms[who] = NAN;
		if (!takes_part(k, (enum contender)who) || (who == UNICORN && !is_first)) {
			continue;
		}
		ms[who] =
			net_ms(env, (enum contender)who, k, who == UNICORN ? part : count, f, &got);
		if (who == UNICORN) {
			ms[who] *= (double)count / part;
			net_ms(env, NATIVE, k, part, f, &some);
		} else if (!whole.line[0]) {
			whole = got;
		}
		if (!isnan(ms[who]) &&
		    strcmp(got.line, who == UNICORN ? some.line : whole.line) != 0) {
			fprintf(stderr, "%s: WRONG: %s\n", names[who], got.line);
			ms[who] = NAN;
		}
	}
	for (int who = 0; who < CONTENDERS; who++) {
		double base = k->kinds & SYSTEM ? ms[DBT_SYSTEM] : ms[NATIVE];

		if (!isnan(ms[who]) && !isnan(base)) {
			bench_add(&f->ms[at][who], ms[who]);
			bench_add(&f->ratio[at][who], ms[who] / base);
		}
	}
}

static bool is_wanted(const struct bench_env *env, const struct kernel *k)
{
	return !env->only || strstr(k->name, env->only);
}

static void run_round(const struct bench_env *env, bool is_first, struct figures *f)
{
	static const struct kernel none = { "none", 1, 0 };
	struct outcome got;

	for (int who = 0; who < CONTENDERS; who++) {
		f->none_ms[who] = 0;
		f->none_ms[who] = net_ms(env, (enum contender)who, &none, 1, f, &got);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		if (is_wanted(env, &kernels[i])) {
			run_kernel(env, i, is_first, f);
		}
	}
}

static void mean_row(const struct figures *f, size_t mean, struct bench_table *t)
{
	char c[CONTENDERS][32];

	for (int who = 0; who < CONTENDERS; who++) {
		struct bench_series s = { 0 };

		for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
			unsigned int kinds = kernels[i].kinds;

			if (!(kinds & (SYSTEM | means[mean].kinds_not)) &&
			    (means[mean].kinds == ~0u || kinds & means[mean].kinds) &&
			    f->ratio[i][who].n) {
				bench_add(&s, bench_median(&f->ratio[i][who]));
			}
		}
		bench_figure(c[who], bench_geomean(&s), 2);
	}
	bench_row(t, "%s||%s|%s|%s|%s|%s", means[mean].name, c[QEMU_USER], c[QEMU_SYSTEM],
		  c[UNICORN], c[DBT_USER], c[DBT_SYSTEM]);
}

static void print_user(const struct bench_env *env, const struct figures *f)
{
	struct bench_table t = { 0 };
	char c[CONTENDERS][32];

	printf("RISC-V kernels: CPU time in relation to native code; native's in ms\n");
	bench_row(&t, "kernel|native ms|qemu-user|qemu-system|unicorn|dbt user|dbt system");
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		if (kernels[i].kinds & SYSTEM || !is_wanted(env, &kernels[i])) {
			continue;
		}
		for (int who = 0; who < CONTENDERS; who++) {
			bench_figure(c[who], bench_median(&f->ratio[i][who]), 2);
		}
		bench_figure(c[NATIVE], bench_median(&f->ms[i][NATIVE]), 1);
		bench_row(&t, "%s|%s|%s|%s|%s|%s|%s", kernels[i].name, c[NATIVE], c[QEMU_USER],
			  c[QEMU_SYSTEM], c[UNICORN], c[DBT_USER], c[DBT_SYSTEM]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(means) && !env->only; i++) {
		mean_row(f, i, &t);
	}
	bench_print(&t);
}

static void print_system(const struct bench_env *env, const struct figures *f)
{
	struct bench_table t = { 0 };
	char c[3][32];

	printf("an operating system's work, CPU ms; how many times faster dbt is\n");
	bench_row(&t, "kernel|qemu-system ms|dbt system ms|times");
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		if (!(kernels[i].kinds & SYSTEM) || !is_wanted(env, &kernels[i])) {
			continue;
		}
		bench_row(&t, "%s|%s|%s|%s", kernels[i].name,
			  bench_figure(c[0], bench_median(&f->ms[i][QEMU_SYSTEM]), 0),
			  bench_figure(c[1], bench_median(&f->ms[i][DBT_SYSTEM]), 0),
			  bench_figure(c[2], bench_median(&f->ratio[i][QEMU_SYSTEM]), 2));
	}
	bench_print(&t);
}

int main(int argc, char **argv)
{
	static struct figures figures;
	struct bench_env env;
	int rounds;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	rounds = env.is_quick ? 1 : 5;
	for (int round = 0; round < rounds; round++) {
		run_round(&env, round == 0, &figures);
	}
	print_user(&env, &figures);
	print_system(&env, &figures);
	return EXIT_SUCCESS;
}

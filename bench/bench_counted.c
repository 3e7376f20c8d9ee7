/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What watching each instruction costs: millions of instructions per second of vCPU time when a
 * guest runs freely, when its instructions are counted (--limit-insns), and when it is traced
 * (--trace, without the disassembly, which happens in another process). The number of
 * instructions comes from the counted run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "bench/bench_vm.h"

static const struct {
	const char *engine, *variant;
} cases[] = {
	{ "unicorn", "x86" },	{ "unicorn", "x64" },	  { "unicorn", "arm" },
	{ "unicorn", "arm64" }, { "unicorn", "riscv64" },
};

enum how { FREE, COUNTED, TRACED };

static bool run(const struct bench_env *env, size_t at, const char *program, enum how how,
		struct bench_vm_run *ret)
{
	struct launch_options o;
	struct errmsg e = { 0 };
	char path[BENCH_PATH];
	char guest[64];

	snprintf(guest, sizeof(guest), "%s/%s.elf", cases[at].variant, program);
	bench_vm_options(env, cases[at].engine, guest, path, &o);
	o.config.flags |= how == COUNTED ? PROTO_CFG_COUNT_INSNS : 0;
	o.is_traced = how == TRACED;
	if (bench_vm_run(&o, ret, &e) < 0) {
		fprintf(stderr, "%s: %s\n", guest, e.text);
		return false;
	}
	return true;
}

/* Millions per second. */
static double mips(uint64_t insns, const struct bench_vm_run *r)
{
	return (double)insns * 1e3 / (double)r->stopped.usage.cpu_ns;
}

static void bench_case(const struct bench_env *env, size_t at, struct bench_table *t)
{
	struct bench_series speed[3] = { 0 };
	struct bench_series slower = { 0 };
	struct bench_vm_run r;
	char c[4][32];

	for (int round = 0; round < (env->is_quick ? 1 : 2); round++) {
		uint64_t insns;
		double counted;

		if (!run(env, at, "bench/mix", COUNTED, &r)) {
			return;
		}
		insns = r.stopped.usage.insns;
		counted = mips(insns, &r);
		bench_add(&speed[COUNTED], counted);
		if (!run(env, at, "bench/mix", FREE, &r)) {
			return;
		}
		bench_add(&speed[FREE], mips(insns, &r));
		bench_add(&slower, mips(insns, &r) / counted);

		/* A trace of the long form would be gigabytes. */
		if (!run(env, at, "fib", COUNTED, &r)) {
			return;
		}
		insns = r.stopped.usage.insns;
		if (!run(env, at, "fib", TRACED, &r)) {
			return;
		}
		bench_add(&speed[TRACED], mips(insns, &r));
	}
	bench_row(t, "%s %s|%s|%s|%s|%s", cases[at].engine, cases[at].variant,
		  bench_figure(c[0], bench_median(&speed[FREE]), 0),
		  bench_figure(c[1], bench_median(&speed[COUNTED]), 1),
		  bench_figure(c[2], bench_median(&slower), 1),
		  bench_figure(c[3], bench_median(&speed[TRACED]), 3));
}

int main(int argc, char **argv)
{
	struct bench_table t = { 0 };
	struct bench_env env;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	printf("million instructions per second of vCPU time\n");
	bench_row(&t, "guest|free|counted|x slower|traced");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bench_case(&env, i, &t);
	}
	bench_print(&t);
	return EXIT_SUCCESS;
}

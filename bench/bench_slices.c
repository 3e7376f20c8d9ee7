/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What slicing costs: one long program with short slices against the same with the longest that a
 * VM may have, 100 ms, in turn. Loss is CPU time of the whole VM process that the slices added;
 * divided by the number of slices it gives the cost of one, from which the loss of the reference
 * itself follows (one such cost per 100 ms).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "bench/bench_vm.h"

static const struct {
	const char *engine, *guest;
} cases[] = {
	{ "unicorn", "arm64/bench/mix.elf" },
	{ "unicorn", "x64/bench/mix.elf" },
	{ "kvm", "x64-ring3/bench/float.elf" },
};

static const double slices_ms[] = { 100, 10, 1, 0.5 };

static bool run(const struct bench_env *env, const char *engine, const char *guest, double slice_ms,
		struct bench_vm_run *ret)
{
	struct launch_options o;
	struct errmsg e = { 0 };
	char path[BENCH_PATH];

	bench_vm_options(env, engine, guest, path, &o);
	o.config.slice_ns = (uint64_t)(slice_ms * (double)NS_PER_MS);
	if (bench_vm_run(&o, ret, &e) < 0) {
		fprintf(stderr, "%s: %s\n", guest, e.text);
		return false;
	}
	return true;
}

static void bench_case(const struct bench_env *env, size_t at, struct bench_table *t)
{
	struct bench_series ms[ARRAY_SIZE(slices_ms)] = { 0 };
	struct bench_series loss[ARRAY_SIZE(slices_ms)] = { 0 };
	struct bench_series count[ARRAY_SIZE(slices_ms)] = { 0 };
	struct bench_vm_run r;
	char c[3][32];

	for (int round = 0; round < (env->is_quick ? 3 : 5); round++) {
		double reference_ms = NAN;

		for (size_t i = 0; i < ARRAY_SIZE(slices_ms); i++) {
			if (!run(env, cases[at].engine, cases[at].guest, slices_ms[i], &r)) {
				return;
			}
			reference_ms = i == 0 ? r.process_ms : reference_ms;
			bench_add(&ms[i], r.process_ms);
			bench_add(&loss[i], (r.process_ms / reference_ms - 1) * 100);
			bench_add(&count[i], (double)r.stopped.usage.slices);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(slices_ms); i++) {
		double extra_us = (bench_median(&ms[i]) - bench_median(&ms[0])) * 1e3;
		double extra_slices = bench_median(&count[i]) - bench_median(&count[0]);

		bench_row(t, "%s %s|%.1f ms|%.0f|%s|%s|%s", cases[at].engine, cases[at].guest,
			  slices_ms[i], bench_median(&count[i]),
			  bench_figure(c[0], bench_median(&ms[i]), 1),
			  bench_figure(c[1], i ? bench_median(&loss[i]) : NAN, 1),
			  bench_figure(c[2], i ? extra_us / extra_slices : NAN, 1));
	}
}

int main(int argc, char **argv)
{
	struct bench_table t = { 0 };
	struct bench_env env;
	bool has_kvm;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	has_kvm = bench_vm_has_kvm(&env);
	printf("CPU time lost to slicing; the goal is 5 %% at 10 ms\n");
	bench_row(&t, "guest|slice|slices|CPU ms|loss %%|us per slice");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if ((i == 0 || !env.is_quick) && (cases[i].engine[0] != 'k' || has_kvm)) {
			bench_case(&env, i, &t);
		}
	}
	bench_print(&t);
	return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU time (user and system) that Debian's stock RISC-V kernel takes from power-on to a busybox shell and power-off, on
 * board virt and under qemu-system-riscv64 with the same kernel, initramfs and memory, in turns. The goal is half of qemu's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/linux_images.h"

#define APPEND "console=ttyS0 quiet"

static bool is_ready(const struct bench_run *run)
{
	return run->status == 0 && strstr(run->output, LINUX_READY);
}

static double boot_pinfold(const struct bench_env *env, const struct linux_images *im)
{
	char tool[BENCH_PATH];
	const char *const argv[] = { bench_path(env, tool, "bin/pinfold"),
				     "run",
				     "--board",
				     "virt",
				     "--mem",
				     "256M",
				     "--kernel",
				     im->kernel,
				     "--initrd",
				     im->initrd,
				     "--append",
				     APPEND,
				     NULL };
	struct bench_run run;

	return bench_command(argv, &run) == 0 && is_ready(&run) ? run.cpu_ms : NAN;
}

static double boot_qemu(const struct linux_images *im)
{
	const char *const argv[] = { "qemu-system-riscv64",
				     "-accel",
				     "tcg,thread=single",
				     "-M",
				     "virt",
				     "-m",
				     "256M",
				     "-display",
				     "none",
				     "-monitor",
				     "none",
				     "-serial",
				     "stdio",
				     "-kernel",
				     im->kernel,
				     "-initrd",
				     im->initrd,
				     "-append",
				     APPEND,
				     NULL };
	struct bench_run run;

	return bench_command(argv, &run) == 0 && is_ready(&run) ? run.cpu_ms : NAN;
}

int main(int argc, char **argv)
{
	struct bench_series dbt = { 0 };
	struct bench_series qemu = { 0 };
	struct bench_series share = { 0 };
	struct bench_table t = { 0 };
	struct bench_env env;
	struct linux_images im;
	char c[3][32];

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	if (!bench_has_program("qemu-system-riscv64") || !linux_images_make(&im)) {
		printf("skipped: needs qemu-system-riscv64 and what scripts/riscv/packages "
		       "fetches\n");
		return 77;
	}
	for (int round = 0; round < (env.is_quick ? 1 : 5); round++) {
		double a = boot_pinfold(&env, &im);
		double b = boot_qemu(&im);

		if (!isnan(a) && !isnan(b)) {
			bench_add(&dbt, a);
			bench_add(&qemu, b);
			bench_add(&share, a / b);
		}
	}
	unlink(im.initrd);
	if (!dbt.n) {
		fprintf(stderr, "Linux did not boot on both\n");
		return EXIT_FAILURE;
	}
	printf("Linux for RISC-V from power-on to a shell and power-off, CPU ms\n");
	bench_row(&t, "boot|dbt|qemu-system|dbt / qemu");
	bench_row(&t, "one hart, 256 MiB|%s|%s|%s", bench_figure(c[0], bench_median(&dbt), 0),
		  bench_figure(c[1], bench_median(&qemu), 0),
		  bench_figure(c[2], bench_median(&share), 2));
	bench_print(&t);
	return EXIT_SUCCESS;
}

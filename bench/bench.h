/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmark programs share: arguments, running commands, medians and tables.
 *
 * The machines these run on are noisy, so: what is compared is measured in turn, A B A B, in one
 * run; times are CPU time unless said otherwise; a figure is the median of its rounds. Nothing
 * here judges a figure.
 */
#ifndef PINFOLD_BENCH_BENCH_H
#define PINFOLD_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#define BENCH_PATH   4096
#define BENCH_ROUNDS 64 /* most rounds that a series keeps */

/** What a benchmark was asked for. */
struct bench_env {
	const char *build; /* build directory: bin/ and guests/ are in it */
	bool is_quick;	   /* fewer rounds and cases */
	const char *only;  /* cases whose name holds this; NULL: all. Programs may not care */
};

/** Figures of the rounds of one case. */
struct bench_series {
	double value[BENCH_ROUNDS];
	size_t n;
};

/** One finished command. */
struct bench_run {
	int status;	   /* wait status */
	double cpu_ms;	   /* of the process and those it waited for */
	double peak_mib;   /* of the largest process */
	char output[8192]; /* start of its standard output, NUL-terminated */
};

/** A table of text cells, printed with aligned columns. Zero-initialise. */
struct bench_table {
	char *cells;
	size_t n_rows;
};

/**
 * Take the arguments BUILD-DIRECTORY [--quick] [--json] [--only TEXT].
 * @return whether they could be understood; if not, usage was printed
 */
bool bench_args(int argc, char **argv, struct bench_env *ret);

/** From now on standard output holds tables only, one JSON array of rows per line; all else goes to standard error. */
void bench_json(void);

/** Path of a file of the build directory, e.g. bench_path(&env, buf, "bin/%s", "pinfold"). */
const char *bench_path(const struct bench_env *env, char buf[BENCH_PATH], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** Whether a program is in $PATH. */
bool bench_has_program(const char *name);

/**
 * Run a command to its end. Its standard error is thrown away.
 * @param argv ends with NULL; found in $PATH
 * @return 0; negative errno
 */
int bench_command(const char *const argv[], struct bench_run *ret);

/**
 * The same for a command that reads.
 * @param input its standard input, at most a pipe full; NULL: none
 */
int bench_command_input(const char *const argv[], const char *input, struct bench_run *ret);

/** Keep a figure; those beyond BENCH_ROUNDS are dropped. */
void bench_add(struct bench_series *s, double value);

/** Median; NAN of an empty series. */
double bench_median(const struct bench_series *s);

/** Geometric mean; NAN of an empty series. */
double bench_geomean(const struct bench_series *s);

/** User and kernel CPU time. */
double bench_rusage_ms(const struct rusage *u);

/** Milliseconds of a clock (CLOCK_MONOTONIC, ...). */
double bench_clock_ms(int clock_id);

/** Append a row: printf-style text with '|' between the cells. */
void bench_row(struct bench_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** A figure with so many decimals, or "-" for NAN. @return buf */
const char *bench_figure(char buf[32], double value, int decimals);

/** Print the table: first row as head; cells of figures to the right; or as JSON. Frees it. */
void bench_print(struct bench_table *t);

#endif

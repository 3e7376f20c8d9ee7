/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "host/fd.h"

#define COLUMNS_MAX 16
#define CELL_BYTES  72

static FILE *json; /* where tables go as JSON; NULL: they are printed */

void bench_json(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	json = fd < 0 ? NULL : fdopen(fd, "w");
	BUG_ON(!json || dup2(STDERR_FILENO, STDOUT_FILENO) < 0);
}

bool bench_args(int argc, char **argv, struct bench_env *ret)
{
	struct bench_env env = { 0 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			env.is_quick = true;
		} else if (strcmp(argv[i], "--json") == 0 && !json) {
			bench_json();
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			env.only = argv[++i];
		} else if (argv[i][0] != '-' && !env.build) {
			env.build = argv[i];
		} else {
			env.build = NULL;
			break;
		}
	}
	if (!env.build) {
		fprintf(stderr, "Usage: %s BUILD-DIRECTORY [--quick] [--json] [--only TEXT]\n",
			argv[0]);
		return false;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	*ret = env;
	return true;
}

const char *bench_path(const struct bench_env *env, char buf[BENCH_PATH], const char *fmt, ...)
{
	int n = snprintf(buf, BENCH_PATH, "%s/", env->build);
	va_list ap;

	BUG_ON(n < 0 || n >= BENCH_PATH);
	va_start(ap, fmt);
	n += vsnprintf(buf + n, BENCH_PATH - (size_t)n, fmt, ap);
	va_end(ap);
	BUG_ON(n >= BENCH_PATH);
	return buf;
}

bool bench_has_program(const char *name)
{
	const char *dirs = getenv("PATH");
	char path[BENCH_PATH];

	while (dirs && *dirs) {
		int len = (int)strcspn(dirs, ":");

		snprintf(path, sizeof(path), "%.*s/%s", len, dirs, name);
		if (access(path, X_OK) == 0) {
			return true;
		}
		dirs += len + (dirs[len] == ':');
	}
	return false;
}

_Noreturn static void command_child(const char *const argv[], int in, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(in < 0 ? null : in, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0) {
		_exit(127);
	}
	/* execvp() promises to leave the strings alone; its type can't say so. */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* All of the output; what does not fit is dropped. */
static void collect(int fd, char *buf, size_t size)
{
	char rest[4096];
	ssize_t n = host_fd_read_full(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	while (n > 0) {
		n = read(fd, rest, sizeof(rest));
	}
}

double bench_rusage_ms(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e3 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e3;
}

/* A pipe's end to read from, with the text in it and nobody to write more. @return -1 for no text; negative errno */
static int input_pipe(const char *input)
{
	size_t len = input ? strlen(input) : 0;
	int pair[2];
	int r;

	if (!input) {
		return -1;
	}
	if (pipe2(pair, O_CLOEXEC) < 0) {
		return -errno;
	}
	r = write(pair[1], input, len) == (ssize_t)len ? pair[0] : -EIO;
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
	}
	return r;
}

int bench_command_input(const char *const argv[], const char *input, struct bench_run *ret)
{
	_cleanup_close_ int in = input_pipe(input);
	_cleanup_close_ int out = -1;
	struct bench_run run = { 0 };
	struct rusage usage;
	int pair[2];
	pid_t pid;

	if (input && in < 0) {
		return in;
	}
	if (pipe2(pair, O_CLOEXEC) < 0) {
		return -errno;
	}
	out = pair[0];
	pid = fork();
	if (pid == 0) {
		command_child(argv, in, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		return -errno;
	}
	collect(out, run.output, sizeof(run.output));
	if (wait4(pid, &run.status, 0, &usage) < 0) {
		return -errno;
	}
	run.cpu_ms = bench_rusage_ms(&usage);
	run.peak_mib = (double)usage.ru_maxrss / 1024;
	*ret = run;
	return 0;
}

int bench_command(const char *const argv[], struct bench_run *ret)
{
	return bench_command_input(argv, NULL, ret);
}

void bench_add(struct bench_series *s, double value)
{
	if (s->n < BENCH_ROUNDS) {
		s->value[s->n++] = value;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(const struct bench_series *s)
{
	double sorted[BENCH_ROUNDS];

	if (s->n == 0) {
		return NAN;
	}
	memcpy(sorted, s->value, s->n * sizeof(sorted[0]));
	qsort(sorted, s->n, sizeof(sorted[0]), compare);
	return (sorted[(s->n - 1) / 2] + sorted[s->n / 2]) / 2;
}

double bench_geomean(const struct bench_series *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++) {
		sum += log(s->value[i]);
	}
	return s->n ? exp(sum / (double)s->n) : NAN;
}

double bench_clock_ms(int clock_id)
{
	struct timespec t;

	clock_gettime(clock_id, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *cell_at(const struct bench_table *t, size_t row, size_t column)
{
	return t->cells + (row * COLUMNS_MAX + column) * CELL_BYTES;
}

void bench_row(struct bench_table *t, const char *fmt, ...)
{
	size_t row_bytes = COLUMNS_MAX * CELL_BYTES;
	char text[COLUMNS_MAX * CELL_BYTES];
	char *next = text;
	const char *cell;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->cells = realloc(t->cells, (t->n_rows + 1) * row_bytes);
	BUG_ON(!t->cells);
	memset(t->cells + t->n_rows * row_bytes, 0, row_bytes);
	t->n_rows++;
	for (size_t i = 0; i < COLUMNS_MAX && (cell = strsep(&next, "|")) != NULL; i++) {
		snprintf(cell_at(t, t->n_rows - 1, i), CELL_BYTES, "%s", cell);
	}
}

const char *bench_figure(char buf[32], double value, int decimals)
{
	if (isnan(value)) {
		strcpy(buf, "-");
	} else {
		snprintf(buf, 32, "%.*f", decimals, value);
	}
	return buf;
}

/* A column is one of figures unless a cell under its head starts with a letter. */
static bool is_text(const struct bench_table *t, size_t column)
{
	for (size_t row = 1; row < t->n_rows; row++) {
		char c = *cell_at(t, row, column);

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
			return true;
		}
	}
	return false;
}

static int column_width(const struct bench_table *t, size_t column)
{
	size_t width = 0;

	for (size_t row = 0; row < t->n_rows; row++) {
		size_t len = strlen(cell_at(t, row, column));

		width = len > width ? len : width;
	}
	return (int)width;
}

/* A figure as it is, "-" as null, all else as text; no cell holds a quotation mark or a control character. */
static void json_cell(const char *cell)
{
	char *end;

	strtod(cell, &end);
	if (strcmp(cell, "-") == 0 || *cell == '\0') {
		fprintf(json, "null");
	} else if (*end == '\0' && strspn(cell, "0123456789.-") == strlen(cell)) {
		fprintf(json, "%s", cell);
	} else {
		fprintf(json, "\"%s\"", cell);
	}
}

static void json_print(const struct bench_table *t)
{
	fprintf(json, "[");
	for (size_t row = 1; row < t->n_rows; row++) {
		fprintf(json, "%s{", row > 1 ? ", " : "");
		for (size_t i = 0; i < COLUMNS_MAX && *cell_at(t, 0, i); i++) {
			fprintf(json, "%s\"%s\": ", i ? ", " : "", cell_at(t, 0, i));
			json_cell(cell_at(t, row, i));
		}
		fprintf(json, "}");
	}
	fprintf(json, "]\n");
	fflush(json);
}

static void text_print(const struct bench_table *t)
{
	int width[COLUMNS_MAX];

	for (size_t i = 0; i < COLUMNS_MAX; i++) {
		width[i] = column_width(t, i);
		width[i] = is_text(t, i) ? -width[i] : width[i];
	}
	for (size_t row = 0; row < t->n_rows; row++) {
		for (size_t i = 0; i < COLUMNS_MAX && width[i] != 0; i++) {
			printf("%s%*s", i ? "  " : "", width[i], cell_at(t, row, i));
		}
		printf("\n");
	}
	printf("\n");
}

void bench_print(struct bench_table *t)
{
	if (json) {
		json_print(t);
	} else {
		text_print(t);
	}
	free(t->cells);
	*t = (struct bench_table){ 0 };
}

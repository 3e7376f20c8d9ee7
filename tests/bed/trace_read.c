/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of traces and descriptions; see trace_check.h. */
#include "trace_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void __attribute__((format(printf, 2, 3)))
trace_unusable(const struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "trace_check: line %lu: ", c->line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

struct task *trace_task(struct check *c, int pid)
{
	if (pid < 0 || pid >= PIDS) {
		trace_unusable(c, "no such thread: %d", pid);
	}
	if (pid > c->max_pid) {
		c->max_pid = pid;
	}
	return &c->tasks[pid];
}

int trace_core(const struct check *c, long core)
{
	if (core < 0 || core >= CORES_MAX) {
		trace_unusable(c, "no such core: %ld", core);
	}
	return (int)core;
}

/* The number after " KEY=", the last one of that name: a task's name may hold anything. */
int trace_number(const struct check *c, const char *args, const char *key)
{
	const char *at = NULL;
	char *end;
	long v;

	for (const char *p = args; (p = strstr(p, key)) != NULL; p++) {
		at = p;
	}
	if (!at) {
		trace_unusable(c, "no '%s'", key);
	}
	at += strlen(key);
	v = strtol(at, &end, 10);
	if (end == at || v < 0 || v > INT32_MAX) {
		trace_unusable(c, "no number after '%s'", key);
	}
	return (int)v;
}

/* The text between two keys. */
void trace_name(const char *args, const char *key, const char *next, char ret[32])
{
	const char *at = strstr(args, key);
	const char *end = at ? strstr(at, next) : NULL;
	size_t n = 0;

	if (end) {
		at += strlen(key);
		n = (size_t)(end - at) < 31 ? (size_t)(end - at) : 31;
		memcpy(ret, at, n);
	}
	ret[n] = '\0';
}

/* Of NAME-PID, which may be followed by spaces. */
static int pid_before(const struct check *c, const char *line, const char *end)
{
	while (end > line && end[-1] == ' ') {
		end--;
	}
	while (end > line && end[-1] >= '0' && end[-1] <= '9') {
		end--;
	}
	if (end == line || end[-1] != '-') {
		trace_unusable(c, "no task: %s", line);
	}
	return atoi(end);
}

bool trace_parse(const struct check *c, char *line, struct event *ev)
{
	char *open = NULL;
	char *colon;
	char *end;

	line[strcspn(line, "\n")] = '\0';
	if (strstr(line, "LOST") && strstr(line, "EVENTS")) {
		trace_unusable(c, "the trace has a hole: %s", line);
	}
	if (line[0] == '#' || line[0] == '\0' || strncmp(line, "CPU:", 4) == 0) {
		return false;
	}
	/* NAME-PID [CORE] FLAGS TIME: EVENT: ARGS; a name may hold brackets. */
	for (char *p = line; (p = strstr(p, " [")) != NULL; p++) {
		if (strlen(p) > 5 && p[2] >= '0' && p[2] <= '9' && p[5] == ']') {
			open = p;
			break;
		}
	}
	if (!open) {
		trace_unusable(c, "no event: %s", line);
	}
	ev->core = trace_core(c, strtol(open + 2, NULL, 10));
	ev->pid = pid_before(c, line, open);
	colon = strstr(open, ": ");
	if (!colon) {
		trace_unusable(c, "no time: %s", line);
	}
	*colon = '\0';
	ev->time_s = strtod(strrchr(open, ' '), &end);
	if (*end != '\0') {
		trace_unusable(c, "no time: %s", open);
	}
	ev->what = colon + 2;
	colon = strstr(colon + 2, ":");
	if (!colon) {
		trace_unusable(c, "no event name: %s", ev->what);
	}
	*colon = '\0';
	ev->args = colon + 1;
	return true;
}

static void describe_pool(struct check *c, char *rest)
{
	char *end;

	for (;;) {
		long core = strtol(rest, &end, 10);

		if (end == rest) {
			return;
		}
		c->is_pool[trace_core(c, core)] = true;
		rest = end;
	}
}

static bool describe_task(struct check *c, const char *key, const char *rest)
{
	struct task *t;

	if (strcmp(key, "kthread") != 0 && strcmp(key, "vm") != 0 && strcmp(key, "vcpu") != 0) {
		return false;
	}
	t = trace_task(c, atoi(rest));
	t->kind = key[0] == 'k' ? KIND_KERNEL : strcmp(key, "vm") == 0 ? KIND_VM : KIND_VCPU;
	t->is_of_vm = t->kind != KIND_KERNEL;
	c->n_vcpus += t->kind == KIND_VCPU;
	/* It may have had its first turn before the trace began. */
	t->has_run_on_pool = t->kind == KIND_VCPU;
	return true;
}

static void describe_exclusive(struct check *c, const char *rest)
{
	struct exclusive *x = &c->exclusive[c->n_exclusive];

	if (c->n_exclusive == EXCLUSIVE_MAX ||
	    sscanf(rest, "%d %d %lf %lf", &x->core, &x->tid, &x->from_s, &x->to_s) != 4) {
		trace_unusable(c, "exclusive CORE TID FROM TO");
	}
	trace_core(c, x->core);
	c->n_exclusive++;
}

void trace_describe(struct check *c, char *line)
{
	char key[32];
	int n = 0;

	if (sscanf(line, "%31s %n", key, &n) != 1 || key[0] == '#') {
		return;
	}
	line += n;
	if (describe_task(c, key, line)) {
		return;
	}
	if (strcmp(key, "control") == 0) {
		c->control = trace_core(c, atol(line));
	} else if (strcmp(key, "housekeeping") == 0) {
		c->housekeeping = trace_core(c, atol(line));
	} else if (strcmp(key, "pool") == 0) {
		describe_pool(c, line);
	} else if (strcmp(key, "from") == 0) {
		c->from_s = atof(line);
	} else if (strcmp(key, "to") == 0) {
		c->to_s = atof(line);
	} else if (strcmp(key, "is_isolated") == 0) {
		c->is_isolated = atoi(line) != 0;
	} else if (strcmp(key, "exclusive") == 0) {
		describe_exclusive(c, line);
	} else if (strcmp(key, "min_runs") == 0) {
		c->min_runs = strtoul(line, NULL, 10);
	} else if (strcmp(key, "min_vcpus") == 0) {
		c->min_vcpus = strtoul(line, NULL, 10);
	} else if (strcmp(key, "min_cores") == 0) {
		c->min_cores = strtoul(line, NULL, 10);
	} else if (strcmp(key, "min_timers") == 0) {
		c->min_timers = strtoul(line, NULL, 10);
	} else {
		trace_unusable(c, "unknown fact '%s'", key);
	}
}

void trace_read(struct check *c, const char *path, void (*take)(struct check *, char *))
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;

	if (!f) {
		fprintf(stderr, "trace_check: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	c->line = 0;
	while (getline(&line, &cap, f) >= 0) {
		c->line++;
		take(c, line);
	}
	free(line);
	fclose(f);
}

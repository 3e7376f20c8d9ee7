/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An instance of the kernel's tracer of our own; read when all is over. See core_watch.h. */
#include "core_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

#define TRACING	  "/sys/kernel/tracing/instances/pinfold-watch"
#define BUFFER_KB "65536"
#define NAMES_MAX 256
#define SHOWN_MAX 6
/* Priorities of the kernel: below are real-time tasks. */
#define PRIO_ORDINARY 100

struct stretch {
	uint64_t from_ns, to_ns;
};

struct name {
	char comm[20];
	uint64_t ns;
};

struct core_watch {
	char dir[96];
	unsigned int core;
	uint64_t from_ns, to_ns;
	struct stretch *all; /* ascending */
	size_t n, room;
	struct name names[NAMES_MAX];
	size_t n_names;
};

static void dir_of(pid_t pid, char ret[96])
{
	snprintf(ret, 96, TRACING "-%d", pid);
}

static int put(const struct core_watch *w, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int put(const struct core_watch *w, const char *text, const char *fmt, ...)
{
	char path[200];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s/", w->dir);
	va_list ap;
	int fd, r;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
	if (fd >= 0) {
		close(fd);
	}
	return r;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct core_watch *core_watch_begin(unsigned int host_core)
{
	struct core_watch *w = calloc(1, sizeof(*w));

	if (!w) {
		return NULL;
	}
	w->core = host_core;
	dir_of(getpid(), w->dir);
	if (mkdir(w->dir, 0700) < 0 || put(w, "mono", "trace_clock") < 0 ||
	    put(w, BUFFER_KB, "per_cpu/cpu%u/buffer_size_kb", host_core) < 0 ||
	    put(w, "prev_prio >= 100 || next_prio >= 100", "events/sched/sched_switch/filter") <
		    0 ||
	    put(w, "1", "events/sched/sched_switch/enable") < 0) {
		core_watch_free(w);
		return NULL;
	}
	w->from_ns = now_ns();
	return w;
}

static void add_name(struct core_watch *w, const char *comm, uint64_t ns)
{
	size_t i = 0;

	while (i < w->n_names && strcmp(w->names[i].comm, comm) != 0) {
		i++;
	}
	if (i == NAMES_MAX) {
		return; /* the rest is in the sum */
	}
	if (i == w->n_names) {
		snprintf(w->names[w->n_names++].comm, sizeof(w->names[i].comm), "%s", comm);
	}
	w->names[i].ns += ns;
}

static int add(struct core_watch *w, const char *comm, uint64_t from_ns, uint64_t to_ns)
{
	if (w->n == w->room) {
		size_t room = w->room ? 2 * w->room : 4096;
		struct stretch *more = realloc(w->all, room * sizeof(*more));

		if (!more) {
			return -ENOMEM;
		}
		w->all = more;
		w->room = room;
	}
	w->all[w->n++] = (struct stretch){ from_ns, to_ns };
	add_name(w, comm, to_ns - from_ns);
	return 0;
}

/* Who comes onto the core. */
struct comer {
	char comm[20];
	uint64_t at_ns;
	bool is_ordinary;
};

/* "... 34904.907426: sched_switch: prev_comm=a ... ==> next_comm=b next_pid=1 next_prio=120" */
static bool parse(const char *line, struct comer *ret)
{
	const char *what = strstr(line, ": sched_switch: ");
	const char *next = what ? strstr(what, " ==> next_comm=") : NULL;
	const char *time = what, *end = NULL;
	unsigned long long s, us;
	int pid, prio;

	/* The name may hold anything: the last one counts. */
	for (const char *p = next; p && (p = strstr(p + 1, " next_pid=")) != NULL;) {
		end = p;
	}
	while (time && time > line && time[-1] != ' ') {
		time--;
	}
	if (!end || sscanf(end, " next_pid=%d next_prio=%d", &pid, &prio) != 2 ||
	    sscanf(time, "%llu.%6llu:", &s, &us) != 2) {
		return false;
	}
	next += strlen(" ==> next_comm=");
	snprintf(ret->comm, sizeof(ret->comm), "%.*s", (int)(end - next), next);
	ret->at_ns = s * 1000000000u + us * 1000u;
	ret->is_ordinary = pid != 0 && prio >= PRIO_ORDINARY;
	return true;
}

static int read_trace(struct core_watch *w, FILE *f)
{
	struct comer on = { .is_ordinary = false }, next;
	char line[512];
	int r = 0;

	while (r == 0 && fgets(line, sizeof(line), f)) {
		if (line[0] == '#') {
			continue;
		}
		if (strstr(line, "LOST")) {
			return -EOVERFLOW;
		}
		if (!parse(line, &next)) {
			continue;
		}
		r = on.is_ordinary ? add(w, on.comm, on.at_ns, next.at_ns) : 0;
		on = next;
	}
	return r;
}

/* Older events were overwritten. */
static bool has_hole(const struct core_watch *w)
{
	char path[200], line[128];
	unsigned long long n = 1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/stats", w->dir, w->core);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "overrun: %llu", &n) == 1) {
			break;
		}
	}
	if (f) {
		fclose(f);
	}
	return n != 0;
}

int core_watch_end(struct core_watch *w)
{
	char path[200];
	FILE *f;
	int r;

	put(w, "0", "events/sched/sched_switch/enable");
	w->to_ns = now_ns();
	snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace", w->dir, w->core);
	f = has_hole(w) ? NULL : fopen(path, "re");
	if (!f) {
		return has_hole(w) ? -EOVERFLOW : -errno;
	}
	r = read_trace(w, f);
	fclose(f);
	return r;
}

uint64_t core_watch_taken_ns(const struct core_watch *w, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t sum = 0;
	size_t lo = 0, hi = w->n;

	while (lo < hi) { /* the first that ends later */
		size_t mid = lo + (hi - lo) / 2;

		if (w->all[mid].to_ns <= from_ns) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	for (; lo < w->n && w->all[lo].from_ns < to_ns; lo++) {
		const struct stretch *s = &w->all[lo];

		sum += (s->to_ns < to_ns ? s->to_ns : to_ns) -
		       (s->from_ns > from_ns ? s->from_ns : from_ns);
	}
	return sum;
}

static int by_ns(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

void core_watch_print(const struct core_watch *w)
{
	struct name names[NAMES_MAX];
	uint64_t sum = core_watch_taken_ns(w, w->from_ns, w->to_ns);

	memcpy(names, w->names, sizeof(names));
	qsort(names, w->n_names, sizeof(names[0]), by_ns);
	printf("ordinary tasks of the host had core %u for %.2f %% of the time:", w->core,
	       100.0 * (double)sum / (double)(w->to_ns - w->from_ns));
	for (size_t i = 0; i < w->n_names && i < SHOWN_MAX; i++) {
		printf("%s %s %.1f ms", i ? "," : "", names[i].comm, (double)names[i].ns / 1e6);
	}
	printf("%s\n", w->n_names > SHOWN_MAX ? ", ..." : w->n_names ? "" : " none");
}

/* How many of the kind of spans[i] took too long; 0 unless it is the first of them. */
static size_t count_late(const struct core_span *spans, const uint64_t *ns, size_t n, size_t i)
{
	size_t late = 0;

	for (size_t k = 0; k < n; k++) {
		if (ns[k] > NS_PER_MS && spans[k].kind == spans[i].kind) {
			if (k < i) {
				return 0;
			}
			late++;
		}
	}
	return ns[i] > NS_PER_MS ? late : 0;
}

static void report_net(const struct core_watch *w, const struct core_span *spans, uint64_t *ns,
		       uint64_t *copy, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ns[i] = spans[i].to_ns - spans[i].from_ns -
			core_watch_taken_ns(w, spans[i].from_ns, spans[i].to_ns);
	}
	memcpy(copy, ns, n * sizeof(*ns));
	chaos_report("less what ordinary tasks of the host had of the core meanwhile", copy, n);
	for (size_t i = 0; i < n; i++) {
		size_t late = count_late(spans, ns, n, i);

		if (late > 0) {
			printf("more than 1 ms of that: %zu, %s\n", late, spans[i].kind);
		}
	}
	core_watch_print(w);
}

void core_watch_report(struct core_watch *w, const char *what, const struct core_span *spans,
		       size_t n)
{
	uint64_t *ns = calloc(n + 1, sizeof(*ns)), *copy = calloc(n + 1, sizeof(*copy));
	int r = w ? core_watch_end(w) : -EPERM;

	for (size_t i = 0; ns && i < n; i++) {
		ns[i] = spans[i].to_ns - spans[i].from_ns;
	}
	if (ns && copy) {
		chaos_report(what, ns, n);
	}
	if (r < 0) {
		printf("who else had the core can't be told: %s\n", strerror(-r));
	} else if (ns && copy) {
		report_net(w, spans, ns, copy, n);
	}
	core_watch_free(w);
	free(ns);
	free(copy);
}

void core_watch_free(struct core_watch *w)
{
	if (w) {
		rmdir(w->dir);
		free(w->all);
		free(w);
	}
}

void core_watch_sweep(pid_t pid)
{
	char dir[96];

	dir_of(pid, dir);
	rmdir(dir);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many VMs a daemon makes and ends per second, and what many VMs that do nothing cost.
 *
 *   bench_daemon_scale BUILD-DIRECTORY [--quick] [--seconds=S] [--clients=N] [--vms=N]
 *                      [--only=rate|definition|kvm|unicorn|dbt|parked]
 *   bench_daemon_scale BUILD-DIRECTORY --check      small, and judges what is counted: a test
 *
 * Rate: each client keeps a connection and asks in turn for a VM (its definition is durable and it is
 * started when that is answered: a jailed process that executes a million guest instructions), its end,
 * and its removal. Parked: VMs that were started and paused; what their threads and the daemon do
 * meanwhile is counted by the kernel.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench.h"
#include "daemon_client.h"
#include "daemon_watch.h"
#include "engine/dbt/emit/emit.h"

#define CLIENTS_MAX 256
#define LISTINGS    20
#define MANY_VMS    1000
#define CHECK_VMS   24
#define FAILS_SHOWN 10

enum step { STEP_CREATE, STEP_WAIT, STEP_REMOVE, STEP_ALL, STEPS };

static const char *const step_names[STEPS] = { "create", "wait", "remove", "all" };

/* Which VMs. */
struct kind {
	const char *name, *engine, *image; /* image NULL: only defined and removed again */
	const char *option;		   /* of --only */
	int exit_code;
	char hash[65];
};

static struct kind kinds[] = {
	{ .name = "definition", .engine = "auto", .option = "definition" },
	{ "kvm x64 ring 3", "kvm", "x64-ring3/bench/million.elf", "kvm", 1, "" },
	{ "unicorn riscv64", "unicorn", "riscv64/bench/million.elf", "unicorn", 0, "" },
	{ "dbt riscv64", "dbt", "riscv64/bench/million.elf", "dbt", 0, "" },
};

enum { KIND_NONE, KIND_KVM, KIND_UNICORN, KIND_DBT };

static struct kind sleepers[] = {
	{ "kvm x64 ring 3", "kvm", "x64-ring3/echo.elf", NULL, 0, "" },
	{ "unicorn riscv64", "unicorn", "riscv64/echo.elf", NULL, 0, "" },
	{ "dbt riscv64", "dbt", "riscv64/echo.elf", NULL, 0, "" },
};

struct times {
	double *ms;
	size_t n, room;
};

/* One client of a round. */
struct client {
	pthread_t thread;
	const struct kind *kind;
	int idx;
	struct times steps[STEPS];
	double guest_s; /* CPU time of guests, which is the pool's */
	uint64_t failed;
	char complaint[160];
};

static struct {
	struct bench_env env;
	double seconds;
	int clients, vms;
	bool is_check, has_kvm, has_dbt;
	const char *only;
	struct daemon_run daemon;
	double until_ms;
	atomic_int next_vm;
	atomic_int failures;
} g;

static double now_ms(void)
{
	return bench_clock_ms(CLOCK_MONOTONIC);
}

static void keep(struct times *t, double ms)
{
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 1024;
		t->ms = realloc(t->ms, t->room * sizeof(*t->ms));
		if (!t->ms) {
			abort();
		}
	}
	t->ms[t->n++] = ms;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(struct times *t, double part)
{
	if (t->n == 0) {
		return 0;
	}
	qsort(t->ms, t->n, sizeof(*t->ms), by_size);
	return t->ms[(size_t)((double)(t->n - 1) * part)];
}

__attribute__((format(printf, 1, 2))) static void fail(const char *fmt, ...)
{
	va_list ap;

	/* What is wrong is mostly wrong for all. */
	if (atomic_fetch_add(&g.failures, 1) >= FAILS_SHOWN) {
		return;
	}
	va_start(ap, fmt);
	fputs("FAIL ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

/* One with an image is started in the same request. */
static int create(struct daemon_client *c, const struct kind *k, const char *name)
{
	char body[512];

	(void)snprintf(body, sizeof(body),
		       "{\"name\":\"%s\",\"image\":\"%s\",\"image_name\":\"%s\",\"engine\":\"%s\","
		       "\"mem_bytes\":8388608}",
		       name, k->hash, name, k->engine);
	return daemon_ask(c, "POST", k->image ? "/v1/vms?start=1" : "/v1/vms", body, strlen(body));
}

/* @return whether the answer is what was wanted */
static bool expect(struct client *cl, const struct daemon_client *c, const char *what, int got,
		   int want)
{
	if (got == want) {
		return true;
	}
	if (cl->failed++ == 0) {
		(void)snprintf(cl->complaint, sizeof(cl->complaint), "%s: %d %.100s", what, got,
			       got > 0 ? c->body : strerror(-got));
	}
	return false;
}

static bool has_ended_well(const struct daemon_client *c, const struct kind *k, double *guest_s)
{
	json_t *o = json_loadb(c->body, c->body_bytes, 0, NULL);
	const char *state = json_string_value(json_object_get(o, "state"));
	const json_t *code = json_object_get(o, "exit_code");
	bool is_well = state && strcmp(state, "stopped") == 0 && json_is_integer(code) &&
		       json_integer_value(code) == k->exit_code;

	*guest_s += (double)json_integer_value(json_object_get(o, "cpu_ns")) / 1e9;
	json_decref(o);
	return is_well;
}

/* A VM from its definition to its removal. @return whether the connection can be used on */
static bool one_life(struct client *cl, struct daemon_client *c, int n)
{
	double at[STEPS + 1];
	char name[32], path[96];
	bool has_run = cl->kind->image != NULL;
	bool is_well = true;
	int r;

	(void)snprintf(name, sizeof(name), "c%d-%d", cl->idx, n);
	at[STEP_CREATE] = now_ms();
	if (!expect(cl, c, "create", create(c, cl->kind, name), 201)) {
		return false;
	}
	at[STEP_WAIT] = now_ms();
	(void)snprintf(path, sizeof(path), "/v1/vms/%s/wait?timeout_ms=60000", name);
	if (has_run) {
		is_well = expect(cl, c, "wait", daemon_ask(c, "GET", path, NULL, 0), 200) &&
			  expect(cl, c, "its end", has_ended_well(c, cl->kind, &cl->guest_s), 1);
	}
	at[STEP_REMOVE] = now_ms();
	(void)snprintf(path, sizeof(path), "/v1/vms/%s?force=1", name);
	r = daemon_ask(c, "DELETE", path, NULL, 0);
	at[STEP_ALL] = now_ms();
	is_well = expect(cl, c, "remove", r, r == 204 ? 204 : 200) && is_well;
	for (int i = 0; is_well && i < STEP_ALL; i++) {
		keep(&cl->steps[i], at[i + 1] - at[i]);
	}
	if (is_well) {
		keep(&cl->steps[STEP_ALL], at[STEP_ALL] - at[STEP_CREATE]);
	}
	return r > 0;
}

static void *rate_main(void *arg)
{
	struct client *cl = arg;
	struct daemon_client c;

	if (daemon_connect(&g.daemon, &c) < 0) {
		cl->failed++;
		return NULL;
	}
	for (int n = 0; now_ms() < g.until_ms && one_life(cl, &c, n);) {
		n++;
	}
	daemon_disconnect(&c);
	return NULL;
}

static struct client *run_clients(void *(*main_fn)(void *), const struct kind *k, int n)
{
	struct client *all = calloc((size_t)n, sizeof(*all));

	for (int i = 0; all && i < n; i++) {
		all[i].kind = k;
		all[i].idx = i;
		if (pthread_create(&all[i].thread, NULL, main_fn, &all[i]) != 0) {
			abort();
		}
	}
	for (int i = 0; all && i < n; i++) {
		pthread_join(all[i].thread, NULL);
		if (all[i].failed) {
			fail("client %d, %llu times: %s", i, (unsigned long long)all[i].failed,
			     all[i].complaint);
		}
	}
	if (!all) {
		abort();
	}
	return all;
}

/* All clients' times of each step, together. */
static void merge(struct client *all, int n, struct times *sum, double *guest_s)
{
	*guest_s = 0;
	for (int i = 0; i < n; i++) {
		for (int s = 0; s < STEPS; s++) {
			for (size_t j = 0; j < all[i].steps[s].n; j++) {
				keep(&sum[s], all[i].steps[s].ms[j]);
			}
			free(all[i].steps[s].ms);
		}
		*guest_s += all[i].guest_s;
	}
	free(all);
}

/* What the rounds fill. */
struct rate_tables {
	struct bench_table rates, parts, delays;
};

static void rate_row(struct bench_table *rates, struct bench_table *delays, const struct kind *k,
		     int n, struct times *sum, double guest_s, const struct watch_cpu *a,
		     const struct watch_cpu *b)
{
	double done = (double)sum[STEP_ALL].n;
	double per = done > 0 ? 1e3 / done : 0;
	double wall = b->wall_s - a->wall_s;
	double ours = b->daemon_s - a->daemon_s + b->children_s - a->children_s;
	double kernel = b->kernel_s - a->kernel_s;
	double known = ours + kernel + b->self_s - a->self_s;

	bench_row(rates, "%s|%d|%.0f|%.0f|%.2f|%.2f|%.2f|%.2f|%.2f|%.2f|%.2f|%.2f", k->name, n,
		  done, done / wall, (b->daemon_s - a->daemon_s) * per,
		  (b->children_s - a->children_s) * per, guest_s * per, (ours - guest_s) * per,
		  kernel * per, (b->self_s - a->self_s) * per,
		  (b->machine_s - a->machine_s - known) * per,
		  (b->machine_s - a->machine_s) / wall);
	for (int s = 0; s < STEPS; s++) {
		if (k->image || s == STEP_CREATE || s == STEP_REMOVE) {
			bench_row(delays, "%s|%d|%s|%.1f|%.1f|%.1f", k->name, n, step_names[s],
				  percentile(&sum[s], 0.5), percentile(&sum[s], 0.99),
				  percentile(&sum[s], 1));
		}
	}
}

/* The daemon's part, by its threads. */
static void parts_row(struct bench_table *parts, const struct kind *k, int n, double done,
		      const struct watch_cpu *a, const struct watch_cpu *b)
{
	double per = done > 0 ? 1e3 / done : 0;
	double zygote = b->zygote_s - a->zygote_s;
	double requests = b->daemon_s - a->daemon_s - zygote;
	double t[WATCH_THREADS];

	for (int i = 0; i < WATCH_THREADS; i++) {
		t[i] = (b->thread_s[i] - a->thread_s[i]) * per;
		requests -= b->thread_s[i] - a->thread_s[i];
	}
	bench_row(parts, "%s|%d|%.2f|%.2f|%.2f|%.2f|%.2f|%.2f|%.2f", k->name, n, requests * per,
		  zygote * per, t[WATCH_DISPATCH], t[WATCH_WATCHER], t[WATCH_REAPER],
		  t[WATCH_STORE], t[WATCH_AUDIT]);
}

static void rate(struct rate_tables *tables, const struct kind *k, int n)
{
	struct times sum[STEPS] = { 0 };
	struct watch_cpu a, b;
	double guest_s;

	if ((k == &kinds[KIND_KVM] && !g.has_kvm) || (k == &kinds[KIND_DBT] && !g.has_dbt)) {
		return;
	}
	watch_cpu_get(g.daemon.pid, &a);
	g.until_ms = now_ms() + g.seconds * 1e3;
	merge(run_clients(rate_main, k, n), n, sum, &guest_s);
	watch_cpu_get(g.daemon.pid, &b);
	if (sum[STEP_ALL].n == 0) {
		fail("%s, %d clients: nothing was done", k->name, n);
	}
	rate_row(&tables->rates, &tables->delays, k, n, sum, guest_s, &a, &b);
	parts_row(&tables->parts, k, n, (double)sum[STEP_ALL].n, &a, &b);
	for (int s = 0; s < STEPS; s++) {
		free(sum[s].ms);
	}
}

static void rates(void)
{
	struct rate_tables t = { 0 };

	bench_row(&t.rates,
		  "VMs|clients|made|per s|daemon|VM process|its guest|chores|kernel|clients'|"
		  "others|cores busy");
	bench_row(&t.parts,
		  "VMs|clients|requests|zygote|dispatcher|watcher|reaper|store|audit log");
	bench_row(&t.delays, "VMs|clients|step|p50|p99|max");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (g.only && strcmp(g.only, "rate") != 0 && strcmp(g.only, kinds[i].option) != 0) {
			continue;
		}
		if (i == KIND_KVM && !g.is_check && !g.env.is_quick) {
			rate(&t, &kinds[i], 1);
			rate(&t, &kinds[i], 4);
		}
		rate(&t, &kinds[i], g.clients);
	}
	printf("VMs made and started, waited for and removed; CPU ms of each VM by who used it: "
	       "the daemon,\n"
	       "the VM's process, its guest as part of that, daemon and process without the guest "
	       "(chores:\nwhat the housekeeping core has to do), kernel threads, the clients of "
	       "this "
	       "program, everybody else\n");
	bench_print(&t.rates);
	printf("\nthe daemon's part of it, by its threads\n");
	bench_print(&t.parts);
	printf("\nhow long each step took, ms\n");
	bench_print(&t.delays);
}

/* ---- VMs that do nothing ---- */

static const struct kind *sleeper_of(int n)
{
	const struct kind *k = &sleepers[n % (int)ARRAY_SIZE(sleepers)];
	bool can_run = strcmp(k->engine, "kvm") == 0   ? g.has_kvm
		       : strcmp(k->engine, "dbt") == 0 ? g.has_dbt
						       : true;

	return can_run ? k : &sleepers[1];
}

static void *park_main(void *arg)
{
	struct client *cl = arg;
	struct daemon_client c;
	bool is_well = daemon_connect(&g.daemon, &c) == 0;
	int n;

	if (!is_well) {
		cl->failed++;
		return NULL;
	}
	while (is_well && (n = atomic_fetch_add(&g.next_vm, 1)) < g.vms) {
		char name[32], path[96];

		(void)snprintf(name, sizeof(name), "p%d", n);
		is_well = expect(cl, &c, "create", create(&c, sleeper_of(n), name), 201);
		(void)snprintf(path, sizeof(path), "/v1/vms/%s/pause", name);
		if (is_well) {
			is_well =
				expect(cl, &c, "pause", daemon_ask(&c, "POST", path, NULL, 0), 200);
		}
	}
	daemon_disconnect(&c);
	return NULL;
}

static void *remove_main(void *arg)
{
	struct client *cl = arg;
	struct daemon_client c;
	int n;

	if (daemon_connect(&g.daemon, &c) < 0) {
		cl->failed++;
		return NULL;
	}
	while ((n = atomic_fetch_add(&g.next_vm, 1)) < g.vms) {
		char path[96];
		int r;

		(void)snprintf(path, sizeof(path), "/v1/vms/p%d?force=1", n);
		r = daemon_ask(&c, "DELETE", path, NULL, 0);
		expect(cl, &c, "remove", r, r == 204 ? 204 : 200);
	}
	daemon_disconnect(&c);
	return NULL;
}

static void pause_s(double s)
{
	struct timespec ts = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };

	nanosleep(&ts, NULL);
}

/* All VMs with their states. @return number */
static int list(struct daemon_client *c, json_t **ret)
{
	int r = daemon_ask_json(c, "GET", "/v1/vms", NULL, ret);

	if (r != 200 || !json_is_array(*ret)) {
		fail("the list of VMs: %d", r);
		return 0;
	}
	return (int)json_array_size(*ret);
}

/* Until all stand still. */
static void await_quiet(struct daemon_client *c)
{
	for (int i = 0; i < 600; i++) {
		json_t *all = NULL;
		const json_t *vm;
		size_t idx;
		int busy = 0;

		list(c, &all);
		json_array_foreach(all, idx, vm)
		{
			const char *state = json_string_value(json_object_get(vm, "state"));

			busy += !state ||
				(strcmp(state, "paused") != 0 && strcmp(state, "blocked") != 0);
		}
		json_decref(all);
		if (busy == 0) {
			return;
		}
		pause_s(0.1);
	}
	fail("some VMs are not paused");
}

struct group {
	const char *name;
	int n, awake;
	uint64_t wakes, most;
	struct watch_memory memory;
	uint32_t threads;
};

static struct group *group_of(struct group *groups, const json_t *vm)
{
	const char *engine = json_string_value(json_object_get(vm, "engine"));

	for (size_t i = 0; engine && i < ARRAY_SIZE(sleepers); i++) {
		if (strcmp(engine, sleepers[i].engine) == 0) {
			return &groups[i];
		}
	}
	return &groups[0];
}

static void tally(struct group *gr, pid_t pid, const struct watch_task *before)
{
	struct watch_memory m = { 0 };
	struct watch_task t;
	uint64_t wakes;

	if (watch_task_get(pid, &t) < 0 || watch_memory_get(pid, &m) < 0) {
		fail("VM process %d is gone", pid);
		return;
	}
	wakes = t.voluntary + t.forced - before->voluntary - before->forced;
	gr->n++;
	gr->awake += wakes > 0;
	gr->wakes += wakes;
	gr->most = wakes > gr->most ? wakes : gr->most;
	gr->threads = t.threads;
	gr->memory.rss_mib += m.rss_mib;
	gr->memory.private_mib += m.private_mib;
	gr->memory.pss_mib += m.pss_mib;
}

static void print_groups(struct group *groups, size_t n, double seconds)
{
	struct bench_table t = { 0 };

	bench_row(&t, "VMs|number|threads|woken|wake-ups/s|most/s|RSS MiB|private|PSS");
	for (size_t i = 0; i < n; i++) {
		const struct group *gr = &groups[i];
		double per = gr->n ? 1.0 / gr->n : 0;

		if (gr->n) {
			bench_row(&t, "%s|%d|%u|%d|%.3f|%.1f|%.2f|%.2f|%.2f", gr->name, gr->n,
				  gr->threads, gr->awake, (double)gr->wakes / seconds * per,
				  (double)gr->most / seconds, gr->memory.rss_mib * per,
				  gr->memory.private_mib * per, gr->memory.pss_mib * per);
		}
		if (g.is_check && gr->wakes) {
			fail("%s: %d of %d woke up", gr->name, gr->awake, gr->n);
		}
	}
	bench_print(&t);
}

/* Wake-ups of every VM and of the daemon while nobody asks anything. */
static void measure_quiet(struct daemon_client *c)
{
	struct group groups[ARRAY_SIZE(sleepers)] = { 0 };
	struct watch_task d0, d1;
	struct watch_task *before;
	struct watch_memory m;
	json_t *all = NULL;
	int n = list(c, &all);
	double start_ms, seconds;

	before = calloc((size_t)n + 1, sizeof(*before));
	if (!before) {
		abort();
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		groups[i].name = sleepers[i].name;
	}
	for (int i = 0; i < n; i++) {
		const json_t *vm = json_array_get(all, (size_t)i);

		watch_task_get((pid_t)json_integer_value(json_object_get(vm, "pid")), &before[i]);
	}
	start_ms = now_ms();
	watch_task_get(g.daemon.pid, &d0);
	pause_s(g.is_check ? 2 : 10);
	watch_task_get(g.daemon.pid, &d1);
	seconds = (now_ms() - start_ms) / 1e3;
	for (int i = 0; i < n; i++) {
		const json_t *vm = json_array_get(all, (size_t)i);

		tally(group_of(groups, vm), (pid_t)json_integer_value(json_object_get(vm, "pid")),
		      &before[i]);
	}
	printf("\nparked VMs, over %.0f s\n", seconds);
	print_groups(groups, ARRAY_SIZE(groups), seconds);
	watch_memory_get(g.daemon.pid, &m);
	printf("daemon: %.1f wake-ups/s, %.2f ms CPU per s, %u threads, RSS %.1f MiB\n",
	       (double)(d1.voluntary + d1.forced - d0.voluntary - d0.forced) / seconds,
	       (double)(d1.cpu_ns - d0.cpu_ns) / 1e6 / seconds, d1.threads, m.rss_mib);
	free(before);
	json_decref(all);
}

/* Wall time of each, and CPU time: other work on the machine shows in the first only. */
static void measure_listing(struct daemon_client *c)
{
	struct times get = { 0 }, ps = { 0 }, ps_cpu = { 0 };
	char program[BENCH_PATH];
	const char *const argv[] = { program, "ps", NULL };
	struct watch_task a, b;
	struct bench_run run;

	bench_path(&g.env, program, "bin/pinfold");
	setenv("PINFOLD_SOCKET", g.daemon.socket, 1);
	watch_task_get(g.daemon.pid, &a);
	for (int i = 0; i < LISTINGS; i++) {
		double at = now_ms();

		if (daemon_ask(c, "GET", "/v1/vms", NULL, 0) != 200) {
			fail("the list of VMs");
		}
		keep(&get, now_ms() - at);
	}
	watch_task_get(g.daemon.pid, &b);
	for (int i = 0; i < LISTINGS; i++) {
		double at = now_ms();

		if (bench_command(argv, &run) < 0 || run.status != 0) {
			fail("pinfold ps: wait status %#x", (unsigned int)run.status);
		}
		keep(&ps, now_ms() - at);
		keep(&ps_cpu, run.cpu_ms);
	}
	printf("GET /v1/vms: %zu KiB, p50 %.1f ms, best %.1f ms; %.1f ms CPU of the daemon\n",
	       c->body_bytes / 1024, percentile(&get, 0.5), percentile(&get, 0),
	       (double)(b.cpu_ns - a.cpu_ns) / 1e6 / LISTINGS);
	printf("pinfold ps: p50 %.1f ms, best %.1f ms; %.1f ms CPU of the command\n",
	       percentile(&ps, 0.5), percentile(&ps, 0), percentile(&ps_cpu, 0.5));
	free(get.ms);
	free(ps.ms);
	free(ps_cpu.ms);
}

static void upload(struct daemon_client *c, struct kind *k)
{
	char path[BENCH_PATH];
	int r = k->image
			? daemon_upload(c, bench_path(&g.env, path, "guests/%s", k->image), k->hash)
			: 0;

	if (r < 0) {
		fail("%s can't be uploaded: %s", k->image, strerror(-r));
	}
}

/* On a connection of its own each time: the daemon closes those that are idle. */
static void with_connection(void (*fn)(struct daemon_client *c))
{
	struct daemon_client c;

	if (daemon_connect(&g.daemon, &c) < 0) {
		fail("no connection to the daemon");
		return;
	}
	fn(&c);
	daemon_disconnect(&c);
}

static void check_all_parked(struct daemon_client *c)
{
	json_t *all = NULL;
	int n;

	await_quiet(c);
	n = list(c, &all);
	if (n != g.vms) {
		fail("%d VMs are listed, not %d", n, g.vms);
	}
	json_decref(all);
}

static void check_none_left(struct daemon_client *c)
{
	json_t *all = NULL;
	int n = list(c, &all);

	if (n != 0) {
		fail("%d VMs are left", n);
	}
	json_decref(all);
}

static void parked(void)
{
	struct watch_memory m0;
	double free_mib = watch_available_mib();
	double at = now_ms();

	watch_memory_get(g.daemon.pid, &m0);
	atomic_store(&g.next_vm, 0);
	free(run_clients(park_main, NULL, g.clients));
	printf("\n%d VMs made and parked in %.1f s\n", g.vms, (now_ms() - at) / 1e3);
	with_connection(check_all_parked);
	with_connection(measure_quiet);
	printf("memory of the machine: %.2f MiB less per VM, daemon and kernel with it; daemon's "
	       "RSS "
	       "before: %.1f MiB\n",
	       (free_mib - watch_available_mib()) / g.vms, m0.rss_mib);
	with_connection(measure_listing);
	atomic_store(&g.next_vm, 0);
	at = now_ms();
	free(run_clients(remove_main, NULL, g.clients));
	printf("removed by force in %.1f s\n", (now_ms() - at) / 1e3);
	with_connection(check_none_left);
}

static bool options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'k' },
		{ "seconds", required_argument, NULL, 's' },
		{ "clients", required_argument, NULL, 'c' },
		{ "vms", required_argument, NULL, 'v' },
		{ "only", required_argument, NULL, 'o' },
		{ 0 },
	};
	int opt;

	g.seconds = 10;
	g.clients = 32;
	g.vms = MANY_VMS;
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (opt) {
		case 'q':
			g.env.is_quick = true;
			g.seconds = 4;
			g.vms = MANY_VMS / 5;
			break;
		case 'j':
			bench_json();
			break;
		case 'k':
			g.is_check = true;
			g.seconds = 1;
			g.vms = CHECK_VMS;
			g.clients = 8;
			break;
		case 's':
			g.seconds = strtod(optarg, NULL);
			break;
		case 'c':
			g.clients = atoi(optarg);
			break;
		case 'v':
			g.vms = atoi(optarg);
			break;
		case 'o':
			g.only = optarg;
			break;
		default:
			return false;
		}
	}
	g.env.build = argv[optind];
	return argc == optind + 1 && g.clients > 0 && g.clients <= CLIENTS_MAX && g.vms > 0;
}

static void upload_all(struct daemon_client *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		upload(c, &kinds[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++) {
		upload(c, &sleepers[i]);
	}
	memcpy(kinds[KIND_NONE].hash, kinds[KIND_UNICORN].hash, sizeof(kinds[0].hash));
}

int main(int argc, char **argv)
{
	char program[BENCH_PATH];
	int r;

	if (!options(argc, argv)) {
		fprintf(stderr,
			"Usage: %s BUILD-DIRECTORY [--quick] [--json] [--check] [--seconds=S] "
			"[--clients=N] [--vms=N] "
			"[--only=rate|definition|kvm|unicorn|dbt|parked]\n",
			argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid() != 0) {
		printf("skipped: needs root, for VMs with ids and namespaces of their own\n");
		return 77;
	}
	g.has_kvm = access("/dev/kvm", R_OK | W_OK) == 0;
	g.has_dbt = emitter_probe(NULL) == 0;
	r = daemon_start(bench_path(&g.env, program, "bin/pinfoldd"), &g.daemon);
	if (r < 0) {
		printf("pinfoldd does not start: %s\n", strerror(-r));
		return 1;
	}
	with_connection(upload_all);
	if (!g.only || strcmp(g.only, "parked") != 0) {
		rates();
	}
	if (!g.only || strcmp(g.only, "parked") == 0) {
		parked();
	}
	if (daemon_end(&g.daemon) != 0) {
		fail("pinfoldd did not end well");
	}
	return atomic_load(&g.failures) ? 1 : 0;
}

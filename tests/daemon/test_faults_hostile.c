/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM processes that a guest has taken over, under the real daemon (chaos_hostile.c): each is found,
 * frozen or ended and reported, whoever asks is answered, and the well-behaved VM that shares the core
 * with them runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"

#define FOUND_MS  20000
#define EVENTS_KB 4096

/* What is promised about one of them. */
struct hostile {
	const char *name;
	const char *state;   /* that it comes to by itself; NULL: it may run on */
	const char *message; /* part of the sentence about it; or NULL */
	const char *event;   /* that tells of it; or NULL */
	bool is_in_faults;
	int start_status; /* of its start; 0: that does not return by itself */
};

static const struct hostile all[] = {
	{ "h-forge", "faulted", "said that it had parked", "vm.faulted", true, 200 },
	{ "h-rogue", "faulted", "ran without a grant", "vm.faulted", true, 200 },
	{ "h-deaf", "faulted", "ignored revoke and signal", "vm.faulted", true, 200 },
	{ "h-stray", NULL, NULL, "vm.stray", false, 200 },
	{ "h-scribble", NULL, NULL, NULL, false, 200 },
	{ "h-socket", NULL, NULL, NULL, false, 200 },
	{ "h-console", NULL, NULL, NULL, false, 200 },
	{ "h-nonsense", "killed", "message", "vm.killed", false, 200 },
	{ "h-fork", NULL, NULL, NULL, false, 200 },
	{ "h-stubborn", NULL, NULL, NULL, false, 200 },
	{ "h-mute", NULL, NULL, NULL, false, 0 },
	{ "h-dumb", NULL, NULL, NULL, false, 200 },
};

static pid_t good_pid;
/* There is no real-time priority then: some are found by other signs, and nobody can stray. */
static bool is_one_core;
static char image[65];
static char events[EVENTS_KB * 1024];
static _Atomic size_t n_events;

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	struct stat st = { .st_size = 0 };
	off_t at = 0;

	if (in < 0 || out < 0 || fstat(in, &st) < 0 || fchmod(out, 0755) < 0) {
		chaos_fail(__FILE__, __LINE__, "%s to %s: %s", from, to, strerror(errno));
	}
	while (at < st.st_size && sendfile(out, in, &at, (size_t)(st.st_size - at)) > 0) {
	}
	close(in);
	close(out);
}

/* pinfoldd looks for pinfold-vm beside itself. */
static void make_programs(void)
{
	static const char *const names[][2] = { { "chaos_hostile", "pinfold-vm" },
						{ "pinfold-vm", "real-vm" } };
	char from[400], to[400];

	snprintf(to, sizeof(to), "%s/pinfoldd", chaos.dir);
	copy(chaos.program, to);
	snprintf(chaos.program, sizeof(chaos.program), "%s", to);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(from, sizeof(from), "%s/%s", chaos.bin, names[i][0]);
		snprintf(to, sizeof(to), "%s/%s", chaos.dir, names[i][1]);
		copy(from, to);
	}
}

/* All events, as they come, until the daemon ends. */
static void *listen_events(void *arg)
{
	int fd = chaos_send("GET", "/v1/events?from=1", NULL, 0);
	ssize_t n = 0;

	(void)arg;
	while (n >= 0 || errno == EAGAIN) {
		size_t at = atomic_load(&n_events);

		n = recv(fd, events + at, sizeof(events) - 1 - at, 0);
		if (n == 0) {
			break;
		}
		if (n > 0) {
			atomic_store(&n_events, at + (size_t)n);
		}
	}
	close(fd);
	return NULL;
}

/* A line of the stream with both. */
static bool has_event(const char *type, const char *name)
{
	char vm[64], what[64];
	const char *line = events;

	snprintf(vm, sizeof(vm), "\"%s\"", name);
	snprintf(what, sizeof(what), "\"%s\"", type);
	while (line) {
		const char *end = strchr(line, '\n');
		size_t n = end ? (size_t)(end - line) : strlen(line);

		if (memmem(line, n, vm, strlen(vm)) && memmem(line, n, what, strlen(what))) {
			return true;
		}
		line = end ? end + 1 : NULL;
	}
	return false;
}

static bool await_event(const char *type, const char *name)
{
	uint64_t until_ns = chaos_now_ns() + FOUND_MS * NS_PER_MS;

	while (!has_event(type, name)) {
		if (chaos_now_ns() > until_ns) {
			return false;
		}
		chaos_sleep_ns(5 * NS_PER_MS);
	}
	return true;
}

static uint64_t good_run_ns(void)
{
	uint64_t run_ns = 0;
	char state;

	CHECK(chaos_thread(good_pid, chaos_vcpu(good_pid), &state, &run_ns),
	      "the well-behaved VM is gone");
	return run_ns;
}

/* It gets several slices, and the daemon answers. */
static void check_others(const char *name, const char *when)
{
	uint64_t before = good_run_ns(), since_ns = chaos_now_ns();

	while (good_run_ns() < before + 50 * NS_PER_MS &&
	       chaos_now_ns() - since_ns < FOUND_MS * NS_PER_MS) {
		chaos_sleep_ns(5 * NS_PER_MS);
	}
	CHECK(good_run_ns() >= before + 50 * NS_PER_MS, "%s (%s): the other VM does not run on",
	      name, when);
	CHECK(chaos_do("GET", "/v1/vms?all=1", NULL) == 200, "%s (%s): the daemon does not answer",
	      name, when);
}

static bool is_in_faults(const char *name)
{
	struct chaos_answer a;
	bool is = false;

	chaos_ask(&a, "GET", "/v1/faults", NULL);
	for (size_t i = 0; i < json_array_size(a.json); i++) {
		const char *vm =
			json_string_value(json_object_get(json_array_get(a.json, i), "vm"));

		is = is || (vm && strcmp(vm, name) == 0);
	}
	chaos_answer_done(&a);
	return is;
}

static void check_found(const struct hostile *h)
{
	struct chaos_vm vm;
	uint64_t since_ns = chaos_now_ns();

	if (h->state) {
		CHECK(chaos_await(h->name, h->state, FOUND_MS, &vm), "%s is %s, not %s: %s",
		      h->name, vm.state, h->state, vm.message);
		CHECK(is_one_core || !h->message || strstr(vm.message, h->message),
		      "%s: \"%s\" says not \"%s\"", h->name, vm.message, h->message);
		printf("%s: %s after %.0f ms: %s\n", h->name, vm.state,
		       (double)(chaos_now_ns() - since_ns) / 1e6, vm.message);
	} else {
		chaos_sleep_ns(300 * NS_PER_MS);
		CHECK(chaos_vm_get(h->name, &vm), "%s: no answer", h->name);
		printf("%s: %s %s\n", h->name, vm.state, vm.message);
	}
	CHECK(!h->event || (is_one_core && !h->state) || await_event(h->event, h->name),
	      "%s: no event %s", h->name, h->event);
	CHECK(!h->is_in_faults || is_in_faults(h->name), "%s is not in the fault queue", h->name);
}

/* Only the other one is left, and all that it forked is gone. */
static void check_gone(const char *name)
{
	pid_t pids[CHAOS_PIDS_MAX];
	uint64_t until_ns = chaos_now_ns() + FOUND_MS * NS_PER_MS;
	size_t n;

	do {
		n = chaos_children(chaos.daemon, pids, CHAOS_PIDS_MAX);
		chaos_sleep_ns(5 * NS_PER_MS);
	} while (n > 1 && chaos_now_ns() < until_ns);
	CHECK(n == 1 && pids[0] == good_pid, "%s: %zu processes are there after its end", name, n);
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
	n = chaos_children(getpid(), pids, CHAOS_PIDS_MAX);
	CHECK(n == 1, "%s: it left %zu processes to us", name, n - 1);
}

static unsigned int count_tasks(const char *id)
{
	char dir[256], path[300], line[64];
	unsigned int n = 0;
	FILE *f;

	chaos_record_text(id, "freeze_dir", dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		n++;
	}
	if (f) {
		fclose(f);
	}
	return n;
}

/* It forks as often as it may, which is not often. */
static void check_forks(const char *name)
{
	struct chaos_vm vm;
	unsigned int n;

	if (!chaos_vm_get(name, &vm) || !vm.is_there) {
		return;
	}
	n = count_tasks(vm.id);
	printf("%s: %u processes\n", name, n);
	CHECK(n < 200, "%s has %u processes", name, n);
}

/* Where another VM runs it can't; so nobody has a grant. */
static void leave_core_idle(const char *name)
{
	chaos_sleep_ns(100 * NS_PER_MS);
	CHECK(chaos_verb(name, "pause") == 200, "%s can't be paused", name);
	CHECK(chaos_verb("good", "pause") == 200, "the well-behaved VM can't be paused");
}

static void start_one(const struct hostile *h)
{
	struct chaos_answer a;
	char path[100];
	int fd, status;

	snprintf(path, sizeof(path), "/v1/vms/%s/start", h->name);
	if (h->start_status) {
		chaos_ask(&a, "POST", path, "{}");
		CHECK(a.status == h->start_status, "%s: start answers %d: %s", h->name, a.status,
		      chaos_message(&a));
		chaos_answer_done(&a);
		return;
	}
	/* A VM that does not answer does not keep its owner from ending it. */
	fd = chaos_send("POST", path, "{}", 2);
	chaos_sleep_ns(300 * NS_PER_MS);
	check_others(h->name, "while it starts");
	status = chaos_verb(h->name, "kill");
	CHECK(status == 200, "%s: kill answers %d", h->name, status);
	close(fd);
}

static void try_one(const struct hostile *h)
{
	bool is_rogue = strcmp(h->name, "h-rogue") == 0;
	char path[100];
	uint64_t since_ns;
	int status;

	printf("-- %s\n", h->name);
	CHECK(chaos_create(h->name, image, ",\"engine\":\"unicorn\"") == 201, "create %s", h->name);
	start_one(h);
	if (is_rogue) {
		leave_core_idle(h->name);
	}
	if (h->start_status) {
		check_found(h);
		if (is_rogue) {
			CHECK(chaos_verb("good", "resume") == 200, "resume");
		}
		check_others(h->name, "while it misbehaves");
	}
	if (strcmp(h->name, "h-fork") == 0) {
		check_forks(h->name);
	}
	since_ns = chaos_now_ns();
	if (strcmp(h->name, "h-stubborn") == 0) {
		status = chaos_verb(h->name, "stop");
		CHECK(status == 200, "%s: stop answers %d", h->name, status);
	}
	snprintf(path, sizeof(path), "/v1/vms/%s?force=1", h->name);
	status = chaos_do("DELETE", path, NULL);
	CHECK(status == 200, "%s: it can't be removed: %d", h->name, status);
	printf("%s: gone after %.0f ms\n", h->name, (double)(chaos_now_ns() - since_ns) / 1e6);
	check_gone(h->name);
	check_others(h->name, "after its end");
}

static void test(void)
{
	struct chaos_answer a;
	struct chaos_vm vm;
	cpu_set_t cpus;
	pthread_t thread;
	unsigned int fds;

	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	is_one_core = CPU_COUNT(&cpus) == 1;
	make_programs();
	chaos_daemon_start(NULL);
	pthread_create(&thread, NULL, listen_events, NULL);
	chaos_image(chaos_guest("riscv64", "endless.elf"), image);
	CHECK(chaos_create("good", image, ",\"engine\":\"unicorn\"") == 201, "create");
	chaos_ask(&a, "POST", "/v1/vms/good/start", "{}");
	CHECK(a.status == 200, "start: %d %s", a.status, chaos_message(&a));
	chaos_answer_done(&a);
	CHECK(chaos_vm_get("good", &vm) && vm.pid > 0, "the well-behaved VM has no process");
	good_pid = vm.pid;
	check_others("none", "before");
	/* What a slot keeps for the next VM is there before descriptors are counted. */
	CHECK(chaos_create("first", image, ",\"engine\":\"unicorn\"") == 201, "create");
	CHECK(chaos_verb("first", "start") == 200, "start");
	CHECK(chaos_do("DELETE", "/v1/vms/first?force=1", NULL) == 200, "remove");
	fds = chaos_fds(chaos.daemon);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (!chaos.only || strcmp(chaos.only, all[i].name) == 0) {
			try_one(&all[i]);
		}
	}
	CHECK(chaos_vm_get("good", &vm) && strcmp(vm.state, "running") == 0 && vm.pid == good_pid,
	      "the well-behaved VM is %s: %s", vm.state, vm.message);
	CHECK(chaos_fds(chaos.daemon) <= fds + 3, "descriptors: %u before, %u after", fds,
	      chaos_fds(chaos.daemon));
	CHECK(CHAOS_HAS_SANITIZER || chaos_rss_bytes(chaos.daemon) < (96u << 20),
	      "the daemon has grown to %" PRIu64, chaos_rss_bytes(chaos.daemon));
	chaos_daemon_end();
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	return chaos_main(argc, argv, test, 250);
}

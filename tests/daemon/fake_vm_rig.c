/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fake_vm_rig.h. */
#include "fake_vm_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/task.h"
#include "host/text.h"
#include "host/timer.h"

#define LOG_FD	  100
#define LISTEN_FD 101

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static bool can_be_real_time(void)
{
	bool can = host_task_set_fifo(0, 1) == 0;

	if (can) {
		host_task_set_fifo(0, 0);
	}
	return can;
}

void rig_init(struct rig *r, const char *program)
{
	struct sched_topology *t = calloc(1, sizeof(*t));
	static cpu_set_t set;
	static bool is_known; /* later on the test itself is kept off the pool */

	memset(r, 0, sizeof(*r));
	r->program = program;
	if (!t || (!is_known && sched_getaffinity(0, sizeof(set), &set) < 0)) {
		die("affinity");
	}
	is_known = true;
	t->n_cores = CPU_SETSIZE < SCHED_HOST_CORES_MAX ? CPU_SETSIZE : SCHED_HOST_CORES_MAX;
	for (uint32_t i = 0; i < t->n_cores; i++) {
		bool is_usable = CPU_ISSET(i, &set);

		t->cores[i] = (struct sched_host_core){ is_usable, is_usable, (uint16_t)i };
	}
	if (sched_roles_fold(t, &r->roles) < 0) {
		die("roles");
	}
	free(t);
	r->is_real_time = !r->roles.guests_lowest && can_be_real_time();
	/* The test itself stays off the pool. */
	if (!r->roles.guests_lowest) {
		host_task_pin(0, r->roles.housekeeping);
	}
	snprintf(r->dir, sizeof(r->dir), "/tmp/pinfold-dispatch-XXXXXX");
	if (!mkdtemp(r->dir)) {
		die(r->dir);
	}
}

bool rig_use_cgroups(struct rig *r)
{
	char root[HOST_CGROUP_PATH_BYTES];

	r->cgroups[0] = '\0';
	if (!host_cgroup_mount("", 2, NULL, root)) {
		return false;
	}
	snprintf(r->cgroups, sizeof(r->cgroups), "%.90s/pinfold-test-%d", root, getpid());
	if (mkdir(r->cgroups, 0700) < 0) {
		r->cgroups[0] = '\0';
		return false;
	}
	return true;
}

bool rig_use_thread_groups(struct rig *r)
{
	r->has_thread_groups = true;
	return rig_use_cgroups(r) && host_text_write("threaded", "%s/cgroup.type", r->cgroups) == 0;
}

static void leave_cgroups(struct rig *r)
{
	char path[192];

	for (uint32_t i = 0; r->cgroups[0] && i < RIG_FAKES_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%u", r->cgroups, i);
		rmdir(path);
	}
	if (r->cgroups[0]) {
		rmdir(r->cgroups);
	}
}

/* Give a fake, or its vCPU thread, a cgroup of its own. */
static void enter_cgroup(struct rig *r, uint32_t i, char *ret, size_t size)
{
	pid_t id = r->fake[i].pid;
	char text[16];

	ret[0] = '\0';
	if (!r->cgroups[0]) {
		return;
	}
	snprintf(ret, size, "%s/%u", r->cgroups, i);
	rmdir(ret); /* the one before may have been frozen in it */
	mkdir(ret, 0700);
	if (r->has_thread_groups && (host_text_write("threaded", "%s/cgroup.type", ret) < 0 ||
				     host_task_find(id, "vcpu", &id) < 0)) {
		die(ret);
	}
	snprintf(text, sizeof(text), "%d", id);
	if (host_text_write(text, "%s/cgroup.%s", ret, r->has_thread_groups ? "threads" : "procs") <
	    0) {
		die(ret);
	}
}

int rig_start_with(struct rig *r, void (*change)(struct dispatch_options *o))
{
	struct sched_event ev = { .type = SCHED_EV_USER_ADD,
				  .user = 1,
				  .quota = { 10000, 10000, SCHED_NEVER / 4 } };
	struct dispatch_options o;
	struct errmsg e = { "" };
	int res;

	dispatch_options_defaults(&o);
	o.sched.limits.vms = o.sched.limits.vcpus = RIG_FAKES_MAX;
	o.sched.checks = true;
	o.roles = &r->roles;
	o.run_dir = r->dir;
	o.fifo_prio = r->is_real_time ? RIG_PRIO : 0;
	o.patience = RIG_PATIENCE;
	if (change) {
		change(&o);
	}
	res = dispatch_start(&o, &r->d, &e);
	if (res < 0) {
		printf("no dispatcher: %s\n", e.text);
		return res;
	}
	return dispatch_event(r->d, &ev, NULL);
}

int rig_start(struct rig *r)
{
	return rig_start_with(r, NULL);
}

void rig_stop(struct rig *r)
{
	rig_drain(r);
	dispatch_stop(r->d);
	r->d = NULL;
	for (uint32_t i = 0; i < r->n; i++) {
		r->fake[i].is_added = false;
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 4) < 0) {
		die(path);
	}
	return fd;
}

static void spawn_one(struct rig *r, uint32_t i)
{
	struct fake *f = &r->fake[i];
	char log_arg[16];
	char listen_arg[16];
	char *argv[] = { strdup(r->program), log_arg, listen_arg, NULL };
	posix_spawn_file_actions_t actions;
	int log_fd = memfd_create("log", MFD_CLOEXEC);
	int listen_fd;

	snprintf(f->path, sizeof(f->path), "%.40s/%u", r->dir, i);
	unlink(f->path);
	listen_fd = listen_at(f->path);
	if (log_fd < 0 || ftruncate(log_fd, (off_t)sizeof(*f->log)) < 0) {
		die("log");
	}
	f->log = mmap(NULL, sizeof(*f->log), PROT_READ | PROT_WRITE, MAP_SHARED, log_fd, 0);
	if (f->log == MAP_FAILED) {
		die("log");
	}
	atomic_store(&f->log->mode, FAKE_BLOCKED);
	snprintf(log_arg, sizeof(log_arg), "%d", LOG_FD);
	snprintf(listen_arg, sizeof(listen_arg), "%d", LISTEN_FD);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, log_fd, LOG_FD);
	posix_spawn_file_actions_adddup2(&actions, listen_fd, LISTEN_FD);
	if (posix_spawn(&f->pid, r->program, &actions, NULL, argv, NULL) != 0) {
		die(r->program);
	}
	posix_spawn_file_actions_destroy(&actions);
	free(argv[0]);
	close(log_fd);
	close(listen_fd);
	f->pidfd = (int)syscall(SYS_pidfd_open, f->pid, 0);
	f->gen = f->gen + 1;
	f->socket_fd = -1;
}

void rig_spawn(struct rig *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		spawn_one(r, r->n);
		r->n++;
	}
}

void rig_connect(struct rig *r, uint32_t i)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fake *f = &r->fake[i];

	if (f->socket_fd >= 0) {
		close(f->socket_fd);
	}
	f->socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	if (connect(f->socket_fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		die(f->path);
	}
}

static int ask(struct fake *f, uint32_t request, uint32_t arg, const int *fds, size_t n_fds)
{
	struct fake_packet p = { request, arg };
	struct iovec iov = { &p, sizeof(p) };
	char reply = '?';
	int r;

	r = host_sock_send(f->socket_fd, &iov, 1, fds, n_fds, false);
	if (r == 0) {
		r = host_sock_wait_readable(f->socket_fd, 5000);
	}
	if (r == 0 && (read(f->socket_fd, &reply, 1) != 1 || reply != 'k')) {
		r = -EPIPE;
	}
	return r;
}

/* Wait until the vCPU thread has its name; the process has just begun. */
static void await_thread(struct fake *f)
{
	pid_t tid;

	for (int i = 0; i < 2000 && host_task_find(f->pid, "vcpu", &tid) < 0; i++) {
		rig_pause(NS_PER_MS);
	}
}

int rig_attach(struct rig *r, uint32_t i, ns_t slice_ns)
{
	struct fake *f = &r->fake[i];
	struct dispatch_vm vm = { .gen = f->gen,
				  .user = 1,
				  .prio = SCHED_PRIO_DEFAULT,
				  .slice_ns = slice_ns,
				  .pid = f->pid,
				  .pidfd = f->pidfd,
				  .is_alone = true };
	struct dispatch_fds fds;
	struct errmsg e = { "" };
	int res;

	if (f->socket_fd < 0) {
		rig_connect(r, i);
	}
	await_thread(f);
	enter_cgroup(r, i, vm.freeze_dir, sizeof(vm.freeze_dir));
	res = dispatch_slot_open(r->d, i, &fds, &e);
	if (res == 0) {
		int list[3] = { fds.grant_fd, fds.ack_fd, fds.notify_fd };

		res = ask(f, FAKE_ATTACH, 0, list, 3);
	}
	if (res == 0) {
		res = dispatch_vm_add(r->d, i, &vm, &e);
	}
	if (res < 0) {
		printf("fake %u: not attached: %d %s\n", i, res, e.text);
		dispatch_slot_close(r->d, i);
		return res;
	}
	f->is_added = true;
	return 0;
}

void rig_go(struct rig *r, ns_t slice_ns)
{
	struct errmsg e = { "" };

	for (uint32_t i = 0; i < r->n; i++) {
		if (rig_attach(r, i, slice_ns) < 0) {
			die("attach");
		}
	}
	if (dispatch_go(r->d, &e) < 0) {
		die(e.text);
	}
}

void rig_begin(struct rig *r, const char *program, uint32_t n, ns_t slice_ns)
{
	rig_init(r, program);
	rig_spawn(r, n);
	if (rig_start(r) < 0) {
		die("start");
	}
	rig_go(r, slice_ns);
}

void rig_mode(struct rig *r, uint32_t i, enum fake_mode mode)
{
	if (ask(&r->fake[i], FAKE_SET_MODE, mode, NULL, 0) < 0) {
		printf("fake %u does not take mode %u\n", i, mode);
	}
}

void rig_mode_all(struct rig *r, enum fake_mode mode)
{
	for (uint32_t i = 0; i < r->n; i++) {
		rig_mode(r, i, mode);
	}
}

bool rig_fill(struct rig *r, uint32_t i, uint32_t mib)
{
	return ask(&r->fake[i], FAKE_FILL, mib, NULL, 0) == 0;
}

void rig_wake(struct rig *r, uint32_t i)
{
	(void)ask(&r->fake[i], FAKE_WAKE, 0, NULL, 0);
}

int rig_event(struct rig *r, uint32_t i, enum sched_event_type type)
{
	struct sched_event ev = { .type = (uint8_t)type,
				  .core = SCHED_CORE_NONE,
				  .vm = i,
				  .vcpu = i,
				  .gen = r->fake[i].gen };

	return dispatch_event(r->d, &ev, NULL);
}

static void count_notice(struct rig *r, const struct dispatch_notice *n)
{
	if (n->type == DISPATCH_FAULT && !r->is_quiet) {
		printf("  fake %u: %s\n", n->slot, sched_reason_name(n->reason));
	}
	if (n->type == DISPATCH_REPORT && n->reason == SCHED_REASON_VIOLATION) {
		r->violations++;
	}
}

void rig_drain(struct rig *r)
{
	struct dispatch_notice n;

	while (r->d && dispatch_notice_take(r->d, &n)) {
		count_notice(r, &n);
	}
}

bool rig_await(struct rig *r, enum dispatch_notice_type type, uint32_t i, uint32_t timeout_ms,
	       struct dispatch_notice *ret)
{
	ns_t until_ns = host_clock_monotonic_ns() + timeout_ms * NS_PER_MS;

	while (host_clock_monotonic_ns() < until_ns) {
		struct pollfd p = { .fd = dispatch_notice_fd(r->d), .events = POLLIN };
		struct dispatch_notice n;

		while (dispatch_notice_take(r->d, &n)) {
			count_notice(r, &n);
			if (n.type == type && (i == SCHED_NONE || n.slot == i)) {
				*ret = n;
				return true;
			}
		}
		poll(&p, 1, 20);
	}
	return false;
}

static void forget(struct fake *f)
{
	waitpid(f->pid, NULL, 0);
	close(f->pidfd);
	if (f->socket_fd >= 0) {
		close(f->socket_fd);
	}
	munmap(f->log, sizeof(*f->log));
	unlink(f->path);
	*f = (struct fake){ .gen = f->gen, .socket_fd = -1, .pidfd = -1 };
}

void rig_bury(struct rig *r, uint32_t i)
{
	struct fake *f = &r->fake[i];
	int res = -EBUSY;

	kill(f->pid, SIGKILL);
	for (int n = 0; f->is_added && res == -EBUSY && n < 5000; n++) {
		res = dispatch_vm_remove(r->d, i, f->gen, NULL, NULL);
		rig_pause((ns_t)(res == -EBUSY) * NS_PER_MS);
	}
	forget(f);
}

void rig_done(struct rig *r)
{
	char path[128];

	if (r->d) {
		rig_stop(r);
	}
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->fake[i].pid) {
			kill(r->fake[i].pid, SIGKILL);
			forget(&r->fake[i]);
		}
	}
	leave_cgroups(r);
	snprintf(path, sizeof(path), "%s/locks", r->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/locks.aside", r->dir);
	unlink(path);
	rmdir(r->dir);
}

bool rig_end(struct rig *r)
{
	struct dispatch_stats stats;

	dispatch_stats_get(r->d, &stats);
	if (stats.sched.violations) {
		printf("violation: %s\n", sched_violation_name(stats.sched.last_violation));
	}
	if (stats.notices_lost) {
		printf("%" PRIu64 " notices are lost\n", stats.notices_lost);
	}
	rig_done(r);
	return !stats.sched.violations && !stats.notices_lost && !r->violations;
}

void rig_pause(ns_t ns)
{
	struct timespec t = host_timespec(ns);

	while (ns && clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) {
	}
}

static int by_cpu(const void *a, const void *b)
{
	ns_t x = *(const ns_t *)a;
	ns_t y = *(const ns_t *)b;

	return x < y ? -1 : x > y;
}

struct rig_turns rig_turns(const struct rig *r, uint32_t i, ns_t from_ns, ns_t to_ns, ns_t slice_ns)
{
	const struct fake_log *log = r->fake[i].log;
	uint64_t n = atomic_load(&log->n_turns);
	ns_t *cpu_ns = calloc(FAKE_TURNS_MAX, sizeof(*cpu_ns));
	struct rig_turns sum = { 0 };

	if (!cpu_ns) {
		die("turns");
	}
	for (uint64_t k = n > FAKE_TURNS_MAX ? n - FAKE_TURNS_MAX : 0; k < n; k++) {
		const struct fake_turn *t = &log->turn[k % FAKE_TURNS_MAX];

		if (t->start_ns >= from_ns && t->stop_ns <= to_ns) {
			sum.cpu_ns += t->cpu_ns;
			sum.over_ns += t->cpu_ns > slice_ns ? t->cpu_ns - slice_ns : 0;
			cpu_ns[sum.n++] = t->cpu_ns;
		}
	}
	qsort(cpu_ns, sum.n, sizeof(*cpu_ns), by_cpu);
	sum.median_ns = sum.n ? cpu_ns[sum.n / 2] : 0;
	free(cpu_ns);
	return sum;
}

static int by_start(const void *a, const void *b)
{
	const struct fake_turn *x = a;
	const struct fake_turn *y = b;

	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

uint64_t rig_overlaps(struct rig *r, ns_t slack_ns)
{
	size_t room = (size_t)r->n * FAKE_TURNS_MAX;
	struct fake_turn *all = malloc(room * sizeof(*all));
	uint64_t n = 0;
	uint64_t bad = 0;

	if (!all) {
		die("overlaps");
	}
	for (uint32_t i = 0; i < r->n; i++) {
		uint64_t turns = r->fake[i].log ? atomic_load(&r->fake[i].log->n_turns) : 0;

		for (uint64_t k = 0; k < turns && k < FAKE_TURNS_MAX; k++) {
			all[n++] = r->fake[i].log->turn[k];
		}
	}
	qsort(all, n, sizeof(*all), by_start);
	for (uint64_t k = 1; k < n; k++) {
		bad += all[k].start_ns + slack_ns < all[k - 1].stop_ns;
	}
	free(all);
	return bad;
}

static bool works_within(const struct rig *r, uint32_t i, ns_t ns)
{
	uint64_t before = atomic_load(&r->fake[i].log->work);
	ns_t until_ns = host_clock_monotonic_ns() + ns;

	while (host_clock_monotonic_ns() < until_ns) {
		rig_pause(2 * NS_PER_MS);
		if (atomic_load(&r->fake[i].log->work) != before) {
			return true;
		}
	}
	return false;
}

bool rig_until(bool (*is)(const void *arg), const void *arg)
{
	ns_t until_ns = host_clock_monotonic_ns() + RIG_WAIT_MS * NS_PER_MS;

	while (!is(arg)) {
		if (host_clock_monotonic_ns() > until_ns) {
			return false;
		}
		rig_pause(2 * NS_PER_MS);
	}
	return true;
}

bool rig_becomes(struct rig *r, uint32_t i, enum sched_vcpu_state state)
{
	ns_t until_ns = host_clock_monotonic_ns() + RIG_WAIT_MS * NS_PER_MS;
	struct dispatch_vm_info info;

	do {
		if (dispatch_vm_get(r->d, i, &info) == 0 && info.vcpu.state == state) {
			return true;
		}
		rig_pause(2 * NS_PER_MS);
	} while (host_clock_monotonic_ns() < until_ns);
	printf("  fake %u: %s\n", i, sched_vcpu_state_name(info.vcpu.state));
	return false;
}

bool rig_executes(struct rig *r, uint32_t i)
{
	bool does = works_within(r, i, RIG_WAIT_MS * NS_PER_MS);

	if (!does) {
		rig_drain(r);
	}
	return does;
}

bool rig_stands(struct rig *r, uint32_t i)
{
	ns_t until_ns = host_clock_monotonic_ns() + RIG_WAIT_MS * NS_PER_MS;

	while (works_within(r, i, 100 * NS_PER_MS)) {
		if (host_clock_monotonic_ns() > until_ns) {
			return false;
		}
	}
	return true;
}

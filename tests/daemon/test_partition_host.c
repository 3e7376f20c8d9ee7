/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The partition on this very host: every back-end that it can do, and what is left behind after a
 * kill -9.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/task.h"
#include "host/text.h"
#include "partition_rig.h"

static void get_affinity(pid_t tid, struct host_cpus *ret)
{
	cpu_set_t set;

	memset(ret, 0, sizeof(*ret));
	CHECK(sched_getaffinity(tid, sizeof(set), &set) == 0);
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
		if (CPU_ISSET(i, &set)) {
			host_cpus_add(ret, i);
		}
	}
}

static bool is_only_on(pid_t tid, uint16_t core)
{
	struct host_cpus set;

	get_affinity(tid, &set);
	return host_cpus_count(&set) == 1 && host_cpus_has(&set, core);
}

/* What every back-end must do. */
static void check_backend(enum partition_backend b)
{
	struct host_cpus before;
	struct host_cpus after;
	const struct sched_roles *roles;
	char freeze_dir[256] = "own";
	struct partition *p;
	pid_t pid = make_process(false);

	get_affinity(0, &before);
	p = open_backend((int)b, NULL);
	CHECK(p != NULL);
	if (p) {
		roles = partition_roles(p);
		CHECK_INT(partition_backend_get(p), b);
		CHECK(!host_cpus_has(&p->own, roles->pool[0]) || roles->guests_lowest);
		get_affinity(0, &after);
		CHECK(host_cpus_equal(&after, &p->own));
		CHECK_INT(partition_admit(p, pid, pid, freeze_dir, NULL), 0);
		CHECK_INT(strcmp(freeze_dir, "own") == 0, b != PARTITION_ISOLATED);
		for (uint32_t i = 0; i < roles->n_pool; i++) {
			CHECK_INT(partition_place(p, pid, roles->pool[i]), 0);
			CHECK(is_only_on(pid, roles->pool[i]));
		}
		CHECK_INT(partition_place(p, pid, roles->housekeeping), 0);
		CHECK(is_only_on(pid, roles->housekeeping));
		CHECK_INT(partition_place(p, pid, HOST_CPUS_MAX - 1), -EINVAL);
		CHECK_INT(partition_enter(p, SCHED_ROLE_HOUSEKEEPING), 0);
		CHECK(is_only_on(0, roles->housekeeping));
		CHECK_INT(partition_enter(p, SCHED_ROLE_CONTROL), 0);
		CHECK(is_only_on(0, roles->control));
		CHECK_INT(partition_enter(p, SCHED_ROLE_POOL), -EINVAL);
		partition_close(p);
		get_affinity(0, &after);
		CHECK(host_cpus_equal(&after, &before));
	}
	end_process(pid);
	if (p) {
		p = open_backend((int)b, NULL);
		CHECK(p != NULL);
		CHECK_INT(p ? partition_place(p, pid, partition_roles(p)->pool[0]) : 0, -ESRCH);
		partition_close(p);
	}
}

/* Whether the host promises a back-end; if not, opening it must say why. */
static bool is_possible(enum partition_backend b)
{
	struct partition_options o = { .backend = (int)b, .run_dir = run_dir };
	struct partition_probe probe;
	struct partition *p = NULL;
	struct host_cpus allowed;
	struct errmsg e = { 0 };
	int r;

	CHECK_INT(host_cpus_allowed("", &allowed, NULL), 0);
	partition_probe("", host_cpus_count(&allowed), &probe);
	if (probe.item[b].is_possible) {
		return true;
	}
	r = partition_open(&o, &p, &e);
	CHECK(r == -EPERM || r == -ENOTSUP);
	CHECK(strstr(e.text, probe.item[b].name) != NULL);
	printf("  not here: %s\n", e.text);
	return false;
}

/* What a VM's thread computes, shared with it. */
static _Atomic uint64_t *work_done;

/* A thread that computes, of a process whose first thread waits: as a VM has them. */
static void *compute(void *arg)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	if (write(*(int *)arg, &tid, sizeof(tid)) != sizeof(tid)) {
		_exit(1);
	}
	for (;;) {
		atomic_fetch_add(work_done, 1);
	}
	return NULL;
}

static pid_t make_vm(pid_t *ret_tid)
{
	int tid_pipe[2];
	pid_t pid;

	work_done =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(work_done != MAP_FAILED && pipe2(tid_pipe, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		alarm(50);
		pthread_create(&t, NULL, compute, &tid_pipe[1]);
		for (;;) {
			pause();
		}
	}
	close(tid_pipe[1]);
	CHECK_INT(read(tid_pipe[0], ret_tid, sizeof(*ret_tid)), sizeof(*ret_tid));
	close(tid_pipe[0]);
	return pid;
}

/* Waits for the kernel to say so; the test's own time limit ends a wait for nothing. */
static void wait_frozen(const char *dir)
{
	char text[128];

	do {
		if (host_text_read(text, sizeof(text), "%s/cgroup.events", dir) <= 0) {
			CHECK(false);
			return;
		}
	} while (!strstr(text, "frozen 1"));
}

/* One thread of a process in a group of its own goes to the pool, can be frozen there and leave. */
static void check_isolated_vm(struct partition *p)
{
	uint16_t core = p->roles.pool[0];
	char domain[256 + 16];
	char dir[256] = "";
	pid_t tid = 0;
	pid_t pid = make_vm(&tid);
	uint64_t done;

	snprintf(domain, sizeof(domain), "%s/test-vm-%d", p->probe.v2_dir, pid);
	CHECK_INT(partition_group_make(domain), 0);
	CHECK_INT(partition_group_move(domain, "cgroup.procs", pid), 0);
	CHECK_INT(host_task_pin(pid, core), -EINVAL);
	/* Freezing the group that it was in would do nothing any more: so it must be admitted. */
	CHECK_INT(partition_place(p, tid, core), -EOPNOTSUPP);
	CHECK_INT(partition_admit(p, pid, tid, dir, NULL), 0);
	CHECK(access(dir, F_OK) < 0);
	CHECK_INT(partition_place(p, tid, core), 0);
	CHECK(is_only_on(tid, core));
	CHECK_INT(partition_place(p, pid, p->roles.housekeeping), 0);
	CHECK(is_only_on(pid, p->roles.housekeeping));
	/* Again, as after a restart: it stays where it is. */
	CHECK_INT(partition_admit(p, pid, tid, dir, NULL), 0);
	CHECK(is_only_on(tid, core));
	CHECK_INT(host_text_write("1", "%s/cgroup.freeze", dir), 0);
	wait_frozen(dir);
	done = atomic_load(work_done);
	CHECK(is_only_on(tid, core));
	CHECK_INT(host_task_pin(0, core), -EINVAL);
	CHECK(done > 0 && atomic_load(work_done) == done);
	CHECK_INT(partition_place(p, tid, p->roles.housekeeping), 0);
	CHECK(is_only_on(tid, p->roles.housekeeping));
	CHECK(access(dir, F_OK) < 0);
	end_process(pid);
	CHECK(rmdir(domain) == 0);
}

/* The group of a thread that ended goes with the next look. */
static void check_isolated_sweep(struct partition *p)
{
	struct partition_foreign found[PARTITION_FOREIGN_MAX];
	ns_t ns[SCHED_HOST_CORES_MAX];
	char dir[256] = "";
	pid_t pid = make_process(false);

	CHECK_INT(partition_admit(p, pid, pid, dir, NULL), 0);
	CHECK_INT(partition_place(p, pid, p->roles.pool[0]), 0);
	partition_scan(p, is_pid, NULL, found, ns);
	CHECK(access(dir, F_OK) == 0);
	end_process(pid);
	partition_scan(p, is_pid, NULL, found, ns);
	CHECK(access(dir, F_OK) < 0);
}

/* Cheap moves between cgroups, for as long as the partition is there. */
static bool has_favor_option(void)
{
	char text[65536] = "";

	CHECK(host_text_read(text, sizeof(text), "/proc/self/mounts") > 0);
	return strstr(text, "favordynmods") != NULL;
}

static void test_isolated(void)
{
	struct partition *p;

	if (!is_possible(PARTITION_ISOLATED)) {
		return;
	}
	check_backend(PARTITION_ISOLATED);
	CHECK(!has_favor_option());
	p = open_backend(PARTITION_ISOLATED, NULL);
	CHECK(p != NULL);
	if (p) {
		CHECK(has_favor_option());
		check_isolated_vm(p);
		check_isolated_sweep(p);
	}
	partition_close(p);
	CHECK(!has_favor_option());
}

static void test_affinity(void)
{
	if (is_possible(PARTITION_AFFINITY)) {
		check_backend(PARTITION_AFFINITY);
	}
}

static void test_ordinary(void)
{
	check_backend(PARTITION_ORDINARY);
}

/* Everything again for somebody without rights; the test itself may have them. */
static void test_without_rights(void)
{
	char dir[] = "/tmp/pinfold-partition-XXXXXX";
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		printf("  the cases above are this one\n");
		return;
	}
	CHECK(mkdtemp(dir) && chown(dir, 65534, 65534) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		test_failures = 0;
		snprintf(run_dir, sizeof(run_dir), "%s", dir);
		if (setgid(65534) < 0 || setuid(65534) < 0) {
			_exit(2);
		}
		check_backend(PARTITION_ORDINARY);
		for (int b = 0; b < PARTITION_ORDINARY; b++) {
			CHECK(!is_possible((enum partition_backend)b));
		}
		fflush(stdout);
		_exit(test_failures ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(rmdir(dir) == 0);
}

static void read_group(pid_t pid, char *ret, size_t size)
{
	char text[4096];
	char *line = NULL;

	if (host_text_read(text, sizeof(text), "/proc/%d/cgroup", pid) > 0) {
		line = strstr(text, ":cpuset:");
	}
	snprintf(ret, size, "%s", line ? line + 8 : "?");
	ret[strcspn(ret, "\n")] = '\0';
}

/* v1: everyone is in the right group, moved once, and back afterwards. */
static void test_cpuset(void)
{
	char before[256];
	char group[256];
	char text[256];
	struct partition *p;
	pid_t pid;

	if (!is_possible(PARTITION_CPUSET)) {
		return;
	}
	check_backend(PARTITION_CPUSET);
	pid = make_process(false);
	read_group(getpid(), before, sizeof(before));
	p = open_backend(PARTITION_CPUSET, NULL);
	CHECK(p != NULL);
	if (p) {
		read_group(getpid(), group, sizeof(group));
		CHECK(strstr(group, p->name) && strstr(group, "/daemon"));
		CHECK_INT(partition_place(p, pid, p->roles.pool[0]), 0);
		read_group(pid, group, sizeof(group));
		CHECK(strstr(group, p->name) && strstr(group, "/vms"));
		/* Taken out by hand, it is not moved a second time. */
		CHECK_INT(partition_group_move(p->made.home, "cgroup.procs", pid), 0);
		CHECK_INT(partition_place(p, pid, p->roles.housekeeping), 0);
		read_group(pid, group, sizeof(group));
		CHECK_STR(group, before);
		snprintf(text, sizeof(text), "%s", p->made.dir);
		partition_close(p);
		CHECK(access(text, F_OK) < 0);
		read_group(getpid(), group, sizeof(group));
		CHECK_STR(group, before);
	}
	end_process(pid);
}

/*
 * A daemon that sets up the best back-end, places a thread (0: none) on the first pool core, and is
 * killed -9. Returns false where nothing could be left behind; ret_dir: its group.
 */
static bool leave_behind(pid_t tid, const char *cores, char ret_dir[256])
{
	int ready[2];
	pid_t pid;
	bool is_there;

	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		struct partition *p = open_backend(-1, cores);
		char freeze_dir[256] = "";
		bool is_fine =
			p && (!tid ||
			      (partition_admit(p, tid, tid, freeze_dir, NULL) == 0 &&
			       partition_place(p, tid, p->roles.pool[p->roles.n_pool - 1]) == 0));

		alarm(50);
		is_fine = is_fine && write(ready[1], p->made.dir, 256) > 0;
		while (is_fine) {
			pause();
		}
		_exit(1);
	}
	close(ready[1]);
	is_there = read(ready[0], ret_dir, 256) == 256;
	CHECK(is_there);
	close(ready[0]);
	end_process(pid);
	return is_there && ret_dir[0];
}

/* The next daemon undoes what one that was killed left, whatever its own back-end. */
static void test_killed_holder(void)
{
	char dir[256];
	char record[128];
	struct partition *p;

	if (!leave_behind(0, NULL, dir)) {
		printf("  nothing is left behind by the back-ends of this host\n");
		return;
	}
	snprintf(record, sizeof(record), "%s/partition", run_dir);
	CHECK(access(dir, F_OK) == 0);
	CHECK(access(record, F_OK) == 0);
	p = open_backend(PARTITION_ORDINARY, NULL);
	CHECK(p != NULL);
	CHECK(access(dir, F_OK) < 0);
	CHECK(access(record, F_OK) < 0);
	partition_close(p);
}

/*
 * VMs outlive the daemon: their group is met again, not torn down under them.
 * @param first  cores of the one that is killed
 * @param second of the next one
 */
static void check_living_vm(const char *first, const char *second)
{
	struct host_cpus before;
	struct host_cpus after;
	struct partition *p;
	char dir[256] = "";
	uint16_t core = 0;
	pid_t pid = make_process(false);
	bool has_group;

	get_affinity(0, &before);
	has_group = leave_behind(pid, first, dir);
	get_affinity(pid, &after);
	while (!host_cpus_has(&after, core)) {
		core++;
	}
	CHECK(is_only_on(pid, core));
	p = open_backend(-1, second);
	CHECK(p != NULL);
	if (p) {
		bool is_in_pool = host_cpus_has(&p->pool, core);
		char group[256];

		CHECK_INT(is_in_pool, first || !second);
		CHECK_STR(p->made.dir, dir);
		CHECK(is_only_on(pid, is_in_pool || !has_group ? core : p->roles.housekeeping));
		read_group(pid, group, sizeof(group));
		CHECK(p->backend != PARTITION_CPUSET || strstr(group, "/vms"));
		CHECK_INT(partition_place(p, pid, p->roles.pool[0]), 0);
		CHECK(is_only_on(pid, p->roles.pool[0]));
		partition_close(p);
	}
	get_affinity(0, &after);
	CHECK(host_cpus_equal(&before, &after));
	CHECK(!has_group || access(dir, F_OK) < 0);
	CHECK_INT(kill(pid, 0), 0);
	end_process(pid);
}

static void test_vms_live_on(void)
{
	check_living_vm(NULL, NULL);
}

/*
 * The next daemon has more cores, or less: the kernel forgets where threads are bound, and they must not be found
 * elsewhere.
 */
static void test_other_cores(void)
{
	struct host_cpus allowed;
	struct host_cpus fewer = { 0 };
	char cores[HOST_CPUS_TEXT];
	uint32_t n;

	CHECK_INT(host_cpus_allowed("", &allowed, NULL), 0);
	n = host_cpus_count(&allowed);
	if (n < 4) {
		printf("  with less than four cores there is one pool core or none\n");
		return;
	}
	for (uint32_t i = 0; host_cpus_count(&fewer) < n - 1; i++) {
		if (host_cpus_has(&allowed, i)) {
			host_cpus_add(&fewer, i);
		}
	}
	host_cpus_format(&fewer, cores);
	check_living_vm(cores, NULL);
	check_living_vm(NULL, cores);
}

/* On one core, all roles fold; a real-time priority would let guests starve us. */
static void test_one_core(void)
{
	struct partition_guarantee g[PARTITION_GUARANTEES_MAX];
	struct host_cpus allowed;
	struct partition *p;
	char cores[16];
	uint32_t first = 0;
	uint32_t n;

	CHECK_INT(host_cpus_allowed("", &allowed, NULL), 0);
	while (!host_cpus_has(&allowed, first)) {
		first++;
	}
	snprintf(cores, sizeof(cores), "%u", first);
	p = open_backend(-1, cores);
	CHECK(p != NULL);
	if (p) {
		CHECK(p->backend != PARTITION_ISOLATED);
		CHECK_INT(p->roles.pool[0], first);
		CHECK_INT(p->roles.control, first);
		CHECK_INT(partition_fifo_prio(p), 0);
		n = partition_guarantees(p, g);
		CHECK(n > 0 && n <= PARTITION_GUARANTEES_MAX);
		CHECK_STR(g[0].name, "no vCPU on control or housekeeping cores");
		CHECK(!g[0].holds);
	}
	partition_close(p);
	/* What was not given to us is refused, also where the kernel would allow it. */
	p = open_backend(PARTITION_ORDINARY, cores);
	CHECK(p != NULL);
	for (uint32_t i = 0; p && i < HOST_CPUS_MAX; i++) {
		CHECK(i == first || partition_place(p, getpid(), (uint16_t)i) == -EINVAL);
	}
	partition_close(p);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "isolated", test_isolated },
		{ "cpuset", test_cpuset },
		{ "affinity", test_affinity },
		{ "ordinary", test_ordinary },
		{ "without rights", test_without_rights },
		{ "killed holder", test_killed_holder },
		{ "VMs live on", test_vms_live_on },
		{ "VMs live on with other cores", test_other_cores },
		{ "one core", test_one_core },
	};
	struct host_cpus before;
	struct host_cpus after;
	int r;

	get_affinity(0, &before);
	snprintf(run_dir, sizeof(run_dir), "/tmp/pinfold-partition-XXXXXX");
	if (!mkdtemp(run_dir)) {
		perror("mkdtemp");
		return 1;
	}
	r = test_main(cases, sizeof(cases) / sizeof(cases[0]));
	get_affinity(0, &after);
	if (!host_cpus_equal(&before, &after)) {
		printf("FAIL the test's own affinity is not what it was\n");
		r = 1;
	}
	if (rmdir(run_dir) < 0) {
		printf("FAIL something is left in %s\n", run_dir);
		return 1;
	}
	return r;
}

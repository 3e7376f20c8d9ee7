/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM processes killed -9 at random points, under the real daemon, while untouched neighbours share
 * the core with them. Afterwards nothing is left of the dead: no lock, process, folder, cgroup,
 * descriptor, charge; and the neighbours got equal shares.
 *
 * How long a core stays locked after its holder was killed is read from the lock file, from outside.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chaos.h"
#include "core_watch.h"

#define NEIGHBOURS 4
#define WORKERS	   8
#define SLICE_NS   (2 * NS_PER_MS)
#define COMMON	   ",\"slice_ns\":2000000,\"engine\":\"%s\""
#define TIMES_MAX  20000
#define SEEN_MAX   40000
#define STUCK_NS   (20 * NS_PER_S) /* a busy machine is no leak */
#define LOOK_NS	   (20 * NS_PER_US)
/* Below the dispatcher's, above that of VMs that are being torn down on its core. */
#define OBSERVER_PRIO 3

enum point {
	AT_START, /* before READY, or while it is introduced */
	AT_RUN,	  /* running, or parked behind others: whichever it happens to be */
	AT_HOLD,  /* while it holds the core */
	AT_BLOCKED,
	AT_PAUSED,
	AT_PAUSE, /* while it is being paused */
	AT_SNAPSHOT,
	AT_EXCLUSIVE,
	AT_STOP,
	POINTS,
};

static const struct {
	const char *name;
	unsigned int weight;
} points[POINTS] = {
	[AT_START] = { "start", 20 },	   [AT_RUN] = { "running or parked", 25 },
	[AT_HOLD] = { "holding", 20 },	   [AT_BLOCKED] = { "blocked", 10 },
	[AT_PAUSED] = { "paused", 5 },	   [AT_PAUSE] = { "pausing", 5 },
	[AT_SNAPSHOT] = { "snapshot", 8 }, [AT_EXCLUSIVE] = { "exclusive", 3 },
	[AT_STOP] = { "stopping", 4 },
};

/* One thread that makes VMs and kills them. */
struct worker {
	unsigned int number;
	char spin[2][32], echo[32];
	pthread_t thread;
};

static char spin_kvm[65], spin_unicorn[65], echo[65];
static _Atomic uint64_t n_kills, n_at[POINTS], n_was_running, n_was_parked;
static struct core_span times[TIMES_MAX]; /* from the kill to the release */
static struct core_watch *watch;	  /* NULL: not allowed here */
static _Atomic size_t n_times;
static pid_t seen[SEEN_MAX]; /* every VM process that was killed */
static _Atomic size_t n_seen;
static pid_t neighbour_pid[NEIGHBOURS];
static uint64_t begin_ns;

static bool is_neighbour(pid_t pid)
{
	for (size_t i = 0; i < NEIGHBOURS; i++) {
		if (neighbour_pid[i] == pid) {
			return true;
		}
	}
	return false;
}

/*
 * Who measures must not wait for a core itself. Above ordinary tasks, below the dispatcher, and asleep for
 * most of the time.
 */
static void observe(bool is_on)
{
	struct sched_param p = { .sched_priority = is_on ? OBSERVER_PRIO : 0 };

	(void)sched_setscheduler(0, is_on ? SCHED_FIFO : SCHED_OTHER, &p);
}

/* How long until the lock of the core names somebody else. */
static void await_release(uint32_t slot, enum point at, uint64_t since_ns)
{
	uint64_t now_ns;
	struct sched_lock l;
	size_t k;

	do {
		chaos_sleep_ns(LOOK_NS);
		l = chaos_lock(chaos_pool_core());
		now_ns = chaos_now_ns();
	} while (l.owner == slot && now_ns - since_ns < STUCK_NS);
	CHECK(now_ns - since_ns < STUCK_NS, "the core of a killed VM is still locked after %d s",
	      (int)(STUCK_NS / NS_PER_S));
	k = atomic_fetch_add(&n_times, 1);
	if (k < TIMES_MAX) {
		times[k] = (struct core_span){ since_ns, now_ns, points[at].name };
	}
}

/* -9, if it is a VM of ours. @param slot of it, or SCHED_NONE. @return whether it was killed */
static bool kill_vm(pid_t pid, uint32_t slot, enum point at)
{
	int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct sched_lock l = { .owner = SCHED_NONE };
	uint64_t run_ns, since_ns;
	char state = 0;
	bool is_killed;

	if (pidfd < 0 || chaos_parent(pid) != chaos.daemon || is_neighbour(pid)) {
		close(pidfd);
		return false;
	}
	if (slot != SCHED_NONE && chaos_thread(pid, chaos_vcpu(pid), &state, &run_ns)) {
		l = chaos_lock(chaos_pool_core());
		for (int i = 0; at == AT_HOLD && i < 20000 && l.owner != slot; i++) {
			l = chaos_lock(chaos_pool_core());
			chaos_sleep_ns(LOOK_NS);
		}
	}
	observe(true);
	if (slot != SCHED_NONE) {
		l = chaos_lock(chaos_pool_core());
	}
	since_ns = chaos_now_ns();
	is_killed = syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
	if (is_killed && slot != SCHED_NONE && l.owner == slot) {
		await_release(slot, at, since_ns);
	}
	observe(false);
	close(pidfd);
	if (!is_killed) {
		return false;
	}
	atomic_fetch_add(&n_was_running, slot != SCHED_NONE && l.owner == slot);
	atomic_fetch_add(&n_was_parked, slot != SCHED_NONE && l.owner != slot);
	seen[atomic_fetch_add(&n_seen, 1) % SEEN_MAX] = pid;
	atomic_fetch_add(&n_kills, 1);
	atomic_fetch_add(&n_at[at], 1);
	return true;
}

/* A child of the daemon that no neighbour is: one that is being made, if one is. */
static void kill_newborn(void)
{
	pid_t pids[CHAOS_PIDS_MAX];
	uint64_t until_ns = chaos_now_ns() + 20 * NS_PER_MS;

	do {
		size_t n = chaos_children(chaos.daemon, pids, CHAOS_PIDS_MAX);

		for (size_t i = n; i > 0; i--) {
			pid_t tid = is_neighbour(pids[i - 1]) ? 1 : chaos_vcpu(pids[i - 1]);

			/* Without its thread it is not ready yet; else it may be. */
			if ((tid == 0 || chaos_random(4) == 0) &&
			    kill_vm(pids[i - 1], SCHED_NONE, AT_START)) {
				return;
			}
		}
	} while (chaos_now_ns() < until_ns);
}

static int send_verb(const char *name, const char *verb)
{
	char path[100];

	snprintf(path, sizeof(path), "/v1/vms/%s/%s", name, verb);
	return chaos_send("POST", path, "{}", 2);
}

static void receive_any(int fd, const char *what, const char *name)
{
	struct chaos_answer a;

	chaos_receive(fd, &a);
	CHECK(a.status >= 200, "no answer to %s of %s whose process was killed", what, name);
	CHECK(a.status < 500 || chaos_message(&a)[0], "%s of %s: %d without a sentence", what, name,
	      a.status);
	chaos_answer_done(&a);
}

/* After its process is dead its state must not say that it lives. */
static void await_end(const char *name, enum point at)
{
	struct chaos_vm vm;

	CHECK(chaos_await(name, "", 20000, &vm), "killed at %s: %s is still %s, pid %d",
	      points[at].name, name, vm.state, vm.pid);
}

static void at_start(const char *name)
{
	int fd;

	fd = send_verb(name, "start");
	chaos_sleep_ns(chaos_random(25 * NS_PER_MS));
	kill_newborn();
	receive_any(fd, "start", name);
	chaos_verb(name, "kill");
	await_end(name, AT_START);
}

/* An operation is under way while it dies. */
static void during(const struct chaos_vm *vm, uint32_t slot, const char *name, enum point at)
{
	char path[100];
	int fd;

	if (at == AT_SNAPSHOT) {
		snprintf(path, sizeof(path), "/v1/vms/%s/snapshot", name);
		fd = chaos_send("GET", path, NULL, 0);
	} else {
		fd = send_verb(name, at == AT_PAUSE ? "pause" : "stop");
	}
	chaos_sleep_ns(chaos_random(10 * NS_PER_MS));
	kill_vm(vm->pid, slot, at);
	if (at == AT_SNAPSHOT) {
		struct chaos_answer a;

		chaos_receive(fd, &a); /* it may break off in the middle */
		chaos_answer_done(&a);
	} else {
		receive_any(fd, at == AT_PAUSE ? "pause" : "stop", name);
	}
}

static void at_rest(const struct chaos_vm *vm, uint32_t slot, const char *name, enum point at)
{
	char path[100];
	struct chaos_vm now;

	if (at == AT_EXCLUSIVE) {
		snprintf(path, sizeof(path), "/v1/vms/%s/pin", name);
		chaos_do("PUT", path, "{\"core\":null}");
		chaos_sleep_ns(chaos_random(3 * NS_PER_MS));
	} else if (at == AT_PAUSED) {
		chaos_verb(name, "pause");
	} else if (at == AT_BLOCKED) {
		chaos_await(name, "blocked", 2000, &now);
	} else {
		chaos_sleep_ns(chaos_random(20 * NS_PER_MS));
	}
	kill_vm(vm->pid, slot, at);
}

static void kill_one(const struct worker *w, enum point at)
{
	const char *name = at == AT_BLOCKED ? w->echo : w->spin[chaos_random(2)];
	struct chaos_vm vm;
	uint64_t slot;

	if (at == AT_START) {
		at_start(name);
		return;
	}
	if (chaos_verb(name, "start") != 200 || !chaos_vm_get(name, &vm) || vm.pid == 0) {
		/* Another worker took it for a newborn. */
		chaos_verb(name, "kill");
		await_end(name, at);
		return;
	}
	slot = chaos_record_number(vm.id, "slot");
	if (slot == UINT64_MAX) {
		slot = SCHED_NONE;
	}
	if (at == AT_SNAPSHOT || at == AT_PAUSE || at == AT_STOP) {
		during(&vm, (uint32_t)slot, name, at);
	} else {
		at_rest(&vm, (uint32_t)slot, name, at);
	}
	chaos_verb(name, "kill"); /* one that got away */
	await_end(name, at);
}

static enum point choose(void)
{
	uint64_t sum = 0, k;

	for (size_t i = 0; i < POINTS; i++) {
		sum += points[i].weight;
	}
	k = chaos_random(sum);
	for (size_t i = 0; i < POINTS; i++) {
		if (k < points[i].weight) {
			return (enum point)i;
		}
		k -= points[i].weight;
	}
	return AT_RUN;
}

static void define(const char *name, const char *image, const char *engine)
{
	char more[100];
	int status;

	snprintf(more, sizeof(more), COMMON, engine);
	status = chaos_create(name, image, more);
	CHECK(status == 201, "create %s: %d", name, status);
}

static void define_all(const struct worker *w)
{
	bool has_kvm = chaos_has_kvm();

	define(w->spin[0], spin_unicorn, "unicorn");
	define(w->spin[1], has_kvm ? spin_kvm : spin_unicorn, has_kvm ? "kvm" : "unicorn");
	define(w->echo, echo, "unicorn");
}

static void remove_all(const struct worker *w)
{
	const char *const names[] = { w->spin[0], w->spin[1], w->echo };
	char path[100];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/v1/vms/%s?force=1", names[i]);
		CHECK(chaos_do("DELETE", path, NULL) == 200, "%s can't be removed", names[i]);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t until_ns = begin_ns + chaos.seconds * NS_PER_S;

	for (unsigned int i = 0;; i++) {
		if (i % 25 == 0) {
			if (i > 0) {
				remove_all(w);
			}
			define_all(w);
		}
		if (atomic_load(&n_kills) >= chaos.count || chaos_now_ns() > until_ns) {
			break;
		}
		kill_one(w, choose());
	}
	remove_all(w);
	return NULL;
}

static const char *neighbour_engine(size_t i)
{
	return chaos_has_kvm() && i % 2 ? "kvm" : "unicorn";
}

static void start_neighbours(void)
{
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		const char *engine = neighbour_engine(i);
		struct chaos_vm vm;
		char name[32];

		snprintf(name, sizeof(name), "n%u", i);
		define(name, strcmp(engine, "kvm") == 0 ? spin_kvm : spin_unicorn, engine);
		CHECK(chaos_verb(name, "start") == 200, "neighbour %u does not start", i);
		CHECK(chaos_vm_get(name, &vm) && vm.pid > 0, "neighbour %u has no process", i);
		neighbour_pid[i] = vm.pid;
	}
}

static void neighbours_cpu(uint64_t ret[NEIGHBOURS])
{
	for (size_t i = 0; i < NEIGHBOURS; i++) {
		char state;

		ret[i] = 0;
		CHECK(chaos_thread(neighbour_pid[i], chaos_vcpu(neighbour_pid[i]), &state, &ret[i]),
		      "neighbour %zu is gone", i);
	}
}

/* They were untouched, so they got equal shares. The bound of a busy machine; the figure is printed. */
static void check_fairness(const uint64_t before[NEIGHBOURS])
{
	uint64_t now[NEIGHBOURS], least = UINT64_MAX, most = 0, sum = 0;
	double jain;

	neighbours_cpu(now);
	for (size_t i = 0; i < NEIGHBOURS; i++) {
		now[i] -= before[i];
		sum += now[i];
		least = now[i] < least ? now[i] : least;
		most = now[i] > most ? now[i] : most;
	}
	jain = chaos_jain(now, NEIGHBOURS);
	printf("neighbours: CPU time %.0f ms each, largest difference %.3f ms (a slice and 1 %%: "
	       "%.3f ms), Jain %.6f\n",
	       (double)sum / NEIGHBOURS / 1e6, (double)(most - least) / 1e6,
	       ((double)SLICE_NS + (double)sum / NEIGHBOURS / 100) / 1e6, jain);
	for (size_t i = 0; i < NEIGHBOURS; i++) {
		printf("%s n%zu, %s: %.0f ms", i ? ";" : "", i, neighbour_engine(i),
		       (double)now[i] / 1e6);
	}
	printf("\n");
	CHECK(jain >= 0.99, "neighbours got unequal shares: Jain %.6f", jain);
	CHECK(least > (chaos_now_ns() - begin_ns) / 1000, "a neighbour stood still");
}

#define SPARE_GROUPS_MAX 32

/* Folders of VMs in which somebody is. @param ret_spare those that wait for a VM */
static unsigned int populated(const char *dir, unsigned int *ret_spare)
{
	DIR *d = opendir(dir);
	const struct dirent *ent;
	unsigned int n = 0;

	*ret_spare = 0;
	while (d && (ent = readdir(d)) != NULL) {
		char path[600], text[128] = "";
		FILE *f;

		if (strncmp(ent->d_name, "vm-", 3) != 0) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%.40s/cgroup.events", dir, ent->d_name);
		f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f) && strcmp(text, "populated 1\n") == 0) {
			n++;
		} else {
			++*ret_spare;
		}
		if (f) {
			fclose(f);
		}
	}
	if (d) {
		closedir(d);
	}
	return n;
}

/* Everything about those that were killed. */
static void check_left(const char *cgroup_v2, const char *memory, const char *pids_dir)
{
	pid_t pids[CHAOS_PIDS_MAX];
	size_t n = chaos_children(chaos.daemon, pids, CHAOS_PIDS_MAX), total = atomic_load(&n_seen);
	char path[300], name[32];
	unsigned int v1 = 0, spare = 0;

	for (size_t i = 0; i < n; i++) {
		CHECK(is_neighbour(pids[i]), "process %d (%c) is left", pids[i],
		      chaos_process_state(pids[i]));
	}
	snprintf(path, sizeof(path), "%s/vms", chaos.run);
	CHECK(chaos_entries(path, "") == NEIGHBOURS, "%u folders in run/vms, not %d",
	      chaos_entries(path, ""), NEIGHBOURS);
	CHECK(!cgroup_v2[0] || populated(cgroup_v2, &spare) == NEIGHBOURS,
	      "%u cgroups with processes in %s, not %d", populated(cgroup_v2, &spare), cgroup_v2,
	      NEIGHBOURS);
	CHECK(spare <= SPARE_GROUPS_MAX, "%u empty cgroups in %s", spare, cgroup_v2);
	for (size_t i = 0; i < total && i < SEEN_MAX; i++) {
		if (kill(seen[i], 0) == 0) {
			continue; /* the number is in use again */
		}
		snprintf(name, sizeof(name), "vm-%d", seen[i]);
		snprintf(path, sizeof(path), "%.200s/%s", memory, name);
		v1 += memory[0] && access(path, F_OK) == 0;
		snprintf(path, sizeof(path), "%.200s/%s", pids_dir, name);
		v1 += pids_dir[0] && access(path, F_OK) == 0;
	}
	CHECK(v1 == 0, "%u cgroups with limits are left", v1);
	/* The daemon keeps a few empty ones for the next VMs: launch/launch_cgroup.c. */
	snprintf(name, sizeof(name), "vm-%d-", chaos.daemon);
	v1 = memory[0] ? chaos_entries(memory, name) : 0;
	CHECK(v1 <= NEIGHBOURS + SPARE_GROUPS_MAX, "%u cgroups for %d VMs", v1, NEIGHBOURS);
	v1 = pids_dir[0] ? chaos_entries(pids_dir, name) : 0;
	CHECK(v1 <= NEIGHBOURS + SPARE_GROUPS_MAX, "%u cgroups for %d VMs", v1, NEIGHBOURS);
}

/* The folder in which the cgroups of VMs lie, from that of one of them. */
static void cgroup_parent(const char *id, const char *key, char *ret, size_t max)
{
	char *slash;

	chaos_record_text(id, key, ret, max);
	slash = strrchr(ret, '/');
	if (slash) {
		*slash = '\0';
	}
}

static void check_cores_idle(void)
{
	struct chaos_answer a;
	struct sched_lock l;
	uint64_t until_ns = chaos_now_ns() + 20 * NS_PER_S;

	do {
		l = chaos_lock(chaos_pool_core());
	} while (l.owner != SCHED_NONE && chaos_now_ns() < until_ns);
	CHECK(l.owner == SCHED_NONE && l.successor == SCHED_NONE && !l.exclusive,
	      "a leaked lock: owner %u, successor %u", l.owner, l.successor);
	chaos_ask(&a, "GET", "/v1/cores", NULL);
	for (size_t i = 0; i < json_array_size(a.json); i++) {
		const json_t *c = json_array_get(a.json, i);

		CHECK(json_is_null(json_object_get(c, "holder")), "a core has a holder");
		CHECK(!json_is_true(json_object_get(c, "is_pool")) ||
			      json_is_true(json_object_get(c, "is_idle")),
		      "a core is not idle without VMs");
	}
	chaos_answer_done(&a);
	chaos_ask(&a, "GET", "/metrics", NULL);
	CHECK(a.body && strstr(a.body, "\npinfold_sched_violations_total 0\n"),
	      "the scheduler counted broken invariants");
	chaos_answer_done(&a);
	chaos_ask(&a, "GET", "/v1/users", NULL);
	for (size_t i = 0; i < json_array_size(a.json); i++) {
		const json_t *used = json_object_get(json_array_get(a.json, i), "used");

		CHECK(json_integer_value(json_object_get(used, "running_vms")) == 0 &&
			      json_integer_value(json_object_get(used, "memory_bytes")) == 0,
		      "a user is charged for VMs that are gone");
	}
	chaos_answer_done(&a);
}

static void settle(unsigned int fds)
{
	uint64_t until_ns = chaos_now_ns() + 30 * NS_PER_S;

	/* Connections that we have closed may still have a thread. */
	while (chaos_fds(chaos.daemon) > fds && chaos_now_ns() < until_ns) {
		chaos_sleep_ns(20 * NS_PER_MS);
	}
}

static void run_workers(void)
{
	static struct worker w[WORKERS];

	begin_ns = chaos_now_ns();
	for (unsigned int i = 0; i < WORKERS; i++) {
		w[i].number = i;
		snprintf(w[i].spin[0], sizeof(w[i].spin[0]), "w%u-a", i);
		snprintf(w[i].spin[1], sizeof(w[i].spin[1]), "w%u-b", i);
		snprintf(w[i].echo, sizeof(w[i].echo), "w%u-echo", i);
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(w[i].thread, NULL);
	}
}

static void print_kills(void)
{
	printf("killed -9: %" PRIu64 " VM processes in %.1f s (asked: %" PRIu64 "):",
	       atomic_load(&n_kills), (double)(chaos_now_ns() - begin_ns) / 1e9, chaos.count);
	for (size_t i = 0; i < POINTS; i++) {
		printf(" %s %" PRIu64 "%s", points[i].name, atomic_load(&n_at[i]),
		       i + 1 < POINTS ? "," : "\n");
	}
	printf("of those past their start: %" PRIu64 " held the core, %" PRIu64 " did not\n",
	       atomic_load(&n_was_running), atomic_load(&n_was_parked));
}

static void check_log(void)
{
	char command[300];

	snprintf(command, sizeof(command),
		 "! grep -nE 'leftovers of VMs|audit: |keeps a dead VM|BUG' '%s'", chaos.log);
	CHECK(system(command) == 0, "the daemon found leftovers"); // NOLINT(cert-env33-c)
}

static void test(void)
{
	char v2[256], memory[256], pids_dir[256];
	uint64_t before[NEIGHBOURS], rss;
	struct chaos_vm vm;
	unsigned int fds;

	chaos_daemon_start(NULL);
	chaos_image(chaos_guest("x64-ring3", "endless.elf"), spin_kvm);
	chaos_image(chaos_guest("riscv64", "endless.elf"), spin_unicorn);
	chaos_image(chaos_guest("riscv64", "echo.elf"), echo);
	chaos_do("PUT", "/v1/cores/exclusive-cap", "{\"cores\":1}");
	start_neighbours();
	chaos_vm_get("n0", &vm);
	cgroup_parent(vm.id, "cgroup_memory", memory, sizeof(memory));
	cgroup_parent(vm.id, "cgroup_pids", pids_dir, sizeof(pids_dir));
	cgroup_parent(vm.id, "freeze_dir", v2, sizeof(v2));
	fds = chaos_fds(chaos.daemon);
	rss = chaos_rss_bytes(chaos.daemon);
	neighbours_cpu(before);
	watch = core_watch_begin(chaos_pool_core());
	run_workers();
	print_kills();
	core_watch_report(watch, "lock free after the holder's kill()", times,
			  atomic_load(&n_times) < TIMES_MAX ? atomic_load(&n_times) : TIMES_MAX);
	check_fairness(before);
	settle(fds);
	check_left(v2, memory, pids_dir);
	printf("daemon: descriptors %u before, %u after; resident %" PRIu64 " KiB before, %" PRIu64
	       " KiB after\n",
	       fds, chaos_fds(chaos.daemon), rss / 1024, chaos_rss_bytes(chaos.daemon) / 1024);
	/* One connection of ours may be open in either count; spare cgroups may be held open. */
	CHECK(chaos_fds(chaos.daemon) <= fds + 3 + 4 * SPARE_GROUPS_MAX,
	      "the daemon has %u descriptors, not %u", chaos_fds(chaos.daemon), fds);
	CHECK(CHAOS_HAS_SANITIZER || chaos_rss_bytes(chaos.daemon) < rss + (32u << 20),
	      "the daemon has grown");
	CHECK(atomic_load(&n_kills) >= 20, "only %" PRIu64 " were killed", atomic_load(&n_kills));
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		kill(neighbour_pid[i], SIGKILL);
	}
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u", i);
		CHECK(chaos_await(name, "killed", 10000, &vm), "%s is %s", name, vm.state);
	}
	check_cores_idle();
	check_log();
	chaos_daemon_end();
}

int main(int argc, char **argv)
{
	chaos.count = 1000;
	chaos.seconds = 60;
	return chaos_main(argc, argv, test, 200);
}

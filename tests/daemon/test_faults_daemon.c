/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon killed -9 at random moments, again and again, while clients create, start, pause, pin,
 * change, stop, kill and remove VMs. After each restart: what was acknowledged is there, what had been
 * removed is not, every VM that ran runs on in the same process, nothing runs that the daemon does not
 * know, and no vCPU ran without holding its core.
 *
 * A client keeps what it was told. A request whose answer never came leaves "maybe": either is right.
 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "chaos.h"

#define CLIENTS	   3
#define VMS	   3 /* of each client */
#define SLICE_NS   (10 * NS_PER_MS)
#define TIMES_MAX  4096
#define SAMPLE_NS  (3 * NS_PER_MS)
#define SAMPLE_MAX (5 * NS_PER_MS)
#define SLACK_NS   (1500 * NS_PER_US)
#define WATCHED	   64
#define EITHER	   UINT64_MAX
enum known { NO, YES, MAYBE };

/* What a client has been told about one of its VMs. */
struct fact {
	char name[32];
	enum known exists, lives, paused;
	pid_t pid;     /* of what lives: YES; 0: not seen yet */
	uint64_t prio; /* EITHER: one of two */
};

struct client {
	pthread_t thread;
	struct fact vm[VMS];
};

static struct client clients[CLIENTS];
static char spin[65];
static const char *engine;
static _Atomic uint64_t n_requests, n_acknowledged, n_lost;
static uint64_t n_kills, n_checked_alive, n_checked_there;
static _Atomic bool is_over, is_killed;
/* Rounds without a figure for dispatch_ns: nobody wanted the core; its exclusive owner had it all the time, and was seen to run. */
static uint64_t n_idle, n_exclusive, n_ran_on;
static uint64_t dispatch_ns[TIMES_MAX], ready_ns[TIMES_MAX];
static size_t n_dispatch, n_ready;

/* Clients work between two barriers; the main thread restarts and checks outside. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool may_work;
static unsigned int n_working;

/* @return false: all is over */
static bool enter(void)
{
	bool may;

	pthread_mutex_lock(&lock);
	while (!may_work && !atomic_load(&is_over)) {
		pthread_cond_wait(&changed, &lock);
	}
	may = may_work;
	n_working += may;
	pthread_mutex_unlock(&lock);
	return may;
}

static void leave(void)
{
	pthread_mutex_lock(&lock);
	n_working--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void set_working(bool may)
{
	pthread_mutex_lock(&lock);
	may_work = may;
	pthread_cond_broadcast(&changed);
	while (!may && n_working > 0) {
		pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
}

/* -- what clients do */

/* An answer is missing only where the daemon was killed; then there is nothing to do until it is back. */
static void count(int status)
{
	atomic_fetch_add(&n_requests, 1);
	atomic_fetch_add(status ? &n_acknowledged : &n_lost, 1);
	if (status == 0) {
		CHECK(atomic_load(&is_killed), "a request got no answer from a living daemon");
		pthread_mutex_lock(&lock);
		may_work = false;
		pthread_mutex_unlock(&lock);
	}
}

/* @return status; 0: nobody knows what became of it */
static int ask(const char *method, const char *name, const char *tail, const char *body)
{
	char path[128];
	int status;

	snprintf(path, sizeof(path), "/v1/vms/%s%s", name, tail);
	status = chaos_do(method, path, body);
	count(status);
	return status;
}

static void do_create(struct fact *f)
{
	char more[100];
	int status;

	snprintf(more, sizeof(more), ",\"slice_ns\":10000000,\"engine\":\"%s\",\"prio\":3", engine);
	status = chaos_create(f->name, spin, more);
	count(status);
	if (status == 201) {
		CHECK(f->exists != YES, "%s was created twice", f->name);
		*f = (struct fact){ .exists = YES, .lives = NO, .paused = NO, .prio = 3 };
	} else if (status == 0 && f->exists != YES) {
		f->exists = MAYBE;
		f->prio = EITHER;
	} else if (status != 0) {
		CHECK(f->exists != NO, "%s can't be created: %d", f->name, status);
	}
}

static void note_pid(struct fact *f)
{
	struct chaos_vm vm;

	f->pid = 0;
	if (f->lives == YES && chaos_vm_get(f->name, &vm) && vm.is_there) {
		f->pid = vm.pid;
	}
}

static void do_start(struct fact *f)
{
	int status = ask("POST", f->name, "/start", "{}");

	if (status == 200) {
		CHECK(f->lives != YES, "%s was started twice", f->name);
		f->lives = YES;
		f->paused = NO;
		note_pid(f);
	} else if (status == 0) {
		f->lives = f->lives == YES ? YES : MAYBE;
		f->paused = f->lives == YES ? f->paused : NO;
	}
}

static void do_end(struct fact *f, const char *verb)
{
	int status = ask("POST", f->name, verb, "{}");

	if (status == 200) {
		f->lives = f->paused = NO;
	} else if (status == 0 && f->lives != NO) {
		f->lives = MAYBE;
		f->paused = MAYBE;
	}
}

static void do_pause(struct fact *f, bool is_pause)
{
	int status = ask("POST", f->name, is_pause ? "/pause" : "/resume", "{}");

	if (status == 200) {
		f->paused = is_pause ? YES : NO;
	} else if (status == 0 && f->lives != NO) {
		f->paused = MAYBE;
	}
}

static void do_remove(struct fact *f)
{
	int status = ask("DELETE", f->name, "?force=1", NULL);

	if (status == 200) {
		f->exists = f->lives = f->paused = NO;
	} else if (status == 0 && f->exists != NO) {
		f->exists = MAYBE;
		f->lives = f->lives == NO ? NO : MAYBE;
		f->paused = MAYBE;
	}
}

static void do_update(struct fact *f)
{
	uint64_t prio = chaos_random(8);
	char body[64];
	int status;

	snprintf(body, sizeof(body), "{\"prio\":%" PRIu64 "}", prio);
	status = ask("PATCH", f->name, "", body);
	if (status == 200) {
		f->prio = prio;
	} else if (status == 0) {
		f->prio = EITHER;
	}
}

static void do_pin(struct fact *f)
{
	if (chaos_random(2)) {
		ask("PUT", f->name, "/pin", "{\"core\":null}");
		chaos_sleep_ns(chaos_random(2 * NS_PER_MS));
	}
	ask("DELETE", f->name, "/pin", NULL);
}

static void act(struct fact *f)
{
	char name[32];

	memcpy(name, f->name, sizeof(name));
	switch (chaos_random(16)) {
	default:
		do_create(f);
		memcpy(f->name, name, sizeof(name));
		do_start(f);
		break;
	case 4:
	case 5:
		do_pause(f, true);
		break;
	case 6:
		do_pause(f, false);
		break;
	case 7:
		do_end(f, "/kill");
		break;
	case 8:
		do_end(f, "/stop");
		break;
	case 9:
		do_remove(f);
		break;
	case 10:
		do_update(f);
		break;
	case 11:
		do_pin(f);
		break;
	}
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	while (enter()) {
		act(&c->vm[chaos_random(VMS)]);
		leave();
	}
	return NULL;
}

/* -- what must be true after a restart */

static void check_life(struct fact *f, const struct chaos_vm *vm)
{
	bool lives = chaos_is_live(vm->state);
	bool is_ending = strcmp(vm->state, "stopping") == 0; /* its process may be gone by now */

	if (f->lives == YES) {
		CHECK(lives, "%s ran, now it is %s: %s", f->name, vm->state, vm->message);
		CHECK(!f->pid || f->pid == vm->pid, "%s ran as %d, now as %d", f->name, f->pid,
		      vm->pid);
		n_checked_alive++;
	} else if (f->lives == NO) {
		CHECK(!lives, "%s had ended, now it is %s", f->name, vm->state);
	}
	if (lives && !is_ending) {
		char state = chaos_process_state(vm->pid);

		CHECK(vm->pid > 0 && state && state != 'Z' && state != 'X',
		      "%s is %s, but its process %d is %c", f->name, vm->state, vm->pid,
		      state ? state : '-');
		CHECK(strcmp(vm->state, "starting") != 0, "%s is half started", f->name);
	}
	if (lives && f->lives == YES && f->paused != MAYBE) {
		CHECK((strcmp(vm->state, "paused") == 0) == (f->paused == YES),
		      "%s was %s, now it is %s", f->name, f->paused == YES ? "paused" : "running",
		      vm->state);
	}
	f->lives = is_ending ? MAYBE : lives ? YES : NO;
	f->paused = strcmp(vm->state, "paused") == 0 ? YES : NO;
	f->pid = vm->pid;
}

static void check_fact(struct fact *f)
{
	struct chaos_vm vm;

	CHECK(chaos_vm_get(f->name, &vm), "no answer about %s", f->name);
	CHECK(f->exists != YES || vm.is_there, "%s was acknowledged, and is not there", f->name);
	CHECK(f->exists != NO || !vm.is_there, "%s is there, and was not before", f->name);
	n_checked_there += f->exists == YES;
	if (!vm.is_there) {
		CHECK(f->lives != YES, "%s ran, and is not there", f->name);
		f->exists = f->lives = f->paused = NO;
		f->prio = EITHER;
		return;
	}
	f->exists = YES;
	CHECK(f->prio == EITHER || f->prio == vm.prio,
	      "%s: priority %" PRIu64 " was acknowledged, it has %" PRIu64, f->name, f->prio,
	      vm.prio);
	f->prio = vm.prio;
	check_life(f, &vm);
}

static bool is_known(pid_t pid)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		for (size_t k = 0; k < VMS; k++) {
			if (clients[i].vm[k].lives == YES && clients[i].vm[k].pid == pid) {
				return true;
			}
		}
	}
	return false;
}

/* VM processes fall to us when their daemon dies. What nobody knows has to be ended by the new one. */
static void check_orphans(void)
{
	uint64_t until_ns = chaos_now_ns() + 20 * NS_PER_S;
	pid_t pids[CHAOS_PIDS_MAX], stranger;

	do {
		size_t n = chaos_children(getpid(), pids, CHAOS_PIDS_MAX);

		stranger = 0;
		for (size_t i = 0; i < n; i++) {
			if (pids[i] != chaos.daemon && !is_known(pids[i]) &&
			    waitpid(pids[i], NULL, WNOHANG) == 0) {
				stranger = pids[i];
			}
		}
		if (!stranger) {
			return;
		}
		chaos_sleep_ns(5 * NS_PER_MS);
	} while (chaos_now_ns() < until_ns);
	chaos_fail(__FILE__, __LINE__, "process %d (%c) runs and nobody knows it", stranger,
		   chaos_process_state(stranger));
}

static void check_all(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		for (size_t k = 0; k < VMS; k++) {
			check_fact(&clients[i].vm[k]);
		}
	}
	check_orphans();
}

/* -- nobody runs who does not hold the core */

struct watched {
	pid_t pid, tid;
	uint32_t slot;
	uint64_t run_ns;
};

static uint64_t n_samples, n_strangers;

static size_t watch_list(struct watched *ret)
{
	char path[300];
	struct dirent *ent;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/vms", chaos.run);
	d = opendir(path);
	while (d && n < WATCHED && (ent = readdir(d)) != NULL) {
		uint64_t pid = chaos_record_number(ent->d_name, "pid");
		uint64_t slot = chaos_record_number(ent->d_name, "slot");
		char state;

		if (ent->d_name[0] == '.' || pid == UINT64_MAX) {
			continue;
		}
		ret[n] = (struct watched){ .pid = (pid_t)pid, .slot = (uint32_t)slot };
		ret[n].tid = chaos_vcpu(ret[n].pid);
		n += ret[n].tid && chaos_thread(ret[n].pid, ret[n].tid, &state, &ret[n].run_ns);
	}
	if (d) {
		closedir(d);
	}
	return n;
}

/* A pool core is for vCPUs. Other threads of their processes, made by them or by the kernel for them, stay off it. */
static void check_helpers(const struct watched *w, size_t n)
{
	unsigned int core = chaos_pool_core();
	cpu_set_t own;

	if (sched_getaffinity(0, sizeof(own), &own) < 0 || CPU_ISSET(core, &own)) {
		return; /* one core for everything */
	}
	for (size_t i = 0; i < n; i++) {
		pid_t tid = chaos_stray(w[i].pid, w[i].tid, core);

		CHECK(tid == 0, "thread %d of process %d is no vCPU, and may run on core %u", tid,
		      w[i].pid, core);
	}
}

/* Who used CPU time in between, and was neither owner nor successor at its ends? */
static void sample(void)
{
	struct watched w[WATCHED];
	size_t n = watch_list(w);
	uint64_t since_ns = chaos_now_ns();
	struct sched_lock before = chaos_lock(chaos_pool_core()), after;
	char state;

	for (size_t i = 0; i < n; i++) {
		chaos_thread(w[i].pid, w[i].tid, &state, &w[i].run_ns);
	}
	chaos_sleep_ns(SAMPLE_NS);
	for (size_t i = 0; i < n; i++) {
		uint64_t run_ns = w[i].run_ns;

		chaos_thread(w[i].pid, w[i].tid, &state, &run_ns);
		w[i].run_ns = run_ns - w[i].run_ns;
	}
	after = chaos_lock(chaos_pool_core());
	check_helpers(w, n);
	/* Of one grant and the next; where there were more, a third may have had a short one. */
	if (chaos_now_ns() - since_ns > SAMPLE_MAX || chaos_pool_size() > 1 ||
	    ((after.epoch - before.epoch) & SCHED_LOCK_EPOCH_MASK) > 1) {
		return; /* can't be told */
	}
	n_samples++;
	for (size_t i = 0; i < n; i++) {
		uint32_t slot = w[i].slot;
		bool is_right = before.owner == slot || before.successor == slot ||
				after.owner == slot || after.successor == slot;

		n_strangers += !is_right && w[i].run_ns > SLACK_NS;
		CHECK(is_right || w[i].run_ns <= SLACK_NS,
		      "slot %u ran %.3f ms; the lock named %u and %u, then %u and %u", w[i].slot,
		      (double)w[i].run_ns / 1e6, before.owner, before.successor, after.owner,
		      after.successor);
	}
}

/* -- rounds */

static uint64_t sum_run_ns(const struct watched *w, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t run_ns = 0;
		char state;

		chaos_thread(w[i].pid, w[i].tid, &state, &run_ns);
		sum += run_ns;
	}
	return sum;
}

static bool has_runnable(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		for (size_t k = 0; k < VMS; k++) {
			const struct fact *f = &clients[i].vm[k];

			if (f->lives == YES && f->paused == NO) {
				return true;
			}
		}
	}
	return false;
}

/* Without a daemon all park. @return whether they did */
static bool await_parked(const struct watched *w, size_t n)
{
	uint64_t until_ns = chaos_now_ns() + 20 * NS_PER_S;
	uint64_t last = sum_run_ns(w, n);

	while (chaos_now_ns() < until_ns) {
		uint64_t now;

		chaos_sleep_ns(25 * NS_PER_MS);
		now = sum_run_ns(w, n);
		if (now == last) {
			return true;
		}
		last = now;
	}
	return false;
}

/*
 * Who has a core alone needs no daemon to run on. One that was about to lose it may have parked. Ordinary tasks that want the core
 * get 50 ms at a time from the kernel.
 */
static void watch_owner(const struct watched *w, size_t n)
{
	uint64_t before = sum_run_ns(w, n);
	uint64_t until_ns = chaos_now_ns() + 200 * NS_PER_MS;

	do {
		chaos_sleep_ns(15 * NS_PER_MS + chaos_random(15 * NS_PER_MS));
	} while (sum_run_ns(w, n) == before && chaos_now_ns() < until_ns);
	n_exclusive++;
	n_ran_on += sum_run_ns(w, n) > before;
}

/* @return whether the next daemon's first grant can be seen */
static bool prepare_measure(const struct watched *w, size_t n)
{
	if (!has_runnable() || n == 0 || n_dispatch == TIMES_MAX) {
		n_idle++;
		chaos_sleep_ns(chaos_random(30 * NS_PER_MS));
		return false;
	}
	if (chaos_lock(chaos_pool_core()).exclusive) {
		watch_owner(w, n);
		return false;
	}
	CHECK(await_parked(w, n), "a VM runs on without a daemon");
	return true;
}

/* From the exec to the first CPU time that a VM gains. */
static void restart_and_measure(void)
{
	struct watched w[WATCHED];
	size_t n = watch_list(w);
	bool is_measured = prepare_measure(w, n);
	uint64_t parked = sum_run_ns(w, n);
	uint64_t since_ns = chaos_now_ns();

	chaos_daemon_spawn(NULL);
	while (is_measured && chaos_now_ns() - since_ns < 20 * NS_PER_S) {
		if (sum_run_ns(w, n) > parked) {
			dispatch_ns[n_dispatch++] = chaos_now_ns() - since_ns;
			break;
		}
		chaos_sleep_ns(200 * NS_PER_US);
	}
	CHECK(chaos_daemon_ready(60000), "pinfoldd does not come back");
	if (n_ready < TIMES_MAX) {
		ready_ns[n_ready++] = chaos_now_ns() - since_ns;
	}
}

static void run_round(void)
{
	uint64_t until_ns = chaos_now_ns() + chaos_random(300 * NS_PER_MS);

	set_working(true);
	while (chaos_now_ns() < until_ns) {
		sample();
	}
	atomic_store(&is_killed, true);
	chaos_daemon_kill();
	n_kills++;
	sample();
	set_working(false);
	restart_and_measure();
	atomic_store(&is_killed, false);
	check_all();
}

static void start_clients(void)
{
	for (unsigned int i = 0; i < CLIENTS; i++) {
		for (unsigned int k = 0; k < VMS; k++) {
			snprintf(clients[i].vm[k].name, sizeof(clients[i].vm[k].name), "c%u-%u", i,
				 k);
		}
		pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
	}
}

static void test(void)
{
	uint64_t begin_ns = chaos_now_ns(), until_ns = begin_ns + chaos.seconds * NS_PER_S;

	engine = chaos_has_kvm() ? "kvm" : "unicorn";
	chaos_daemon_start(NULL);
	chaos_image(chaos_has_kvm() ? chaos_guest("x64-ring3", "endless.elf")
				    : chaos_guest("riscv64", "endless.elf"),
		    spin);
	chaos_do("PUT", "/v1/cores/exclusive-cap", "{\"cores\":1}");
	start_clients();
	while (n_kills < chaos.count && chaos_now_ns() < until_ns &&
	       atomic_load(&chaos.failures) < 20) {
		run_round();
	}
	atomic_store(&is_over, true);
	set_working(false);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
	}
	printf("killed -9: the daemon, %" PRIu64 " times in %.1f s (asked: %" PRIu64 "); requests "
	       "%" PRIu64 ", answered %" PRIu64 ", without an answer %" PRIu64 "\n",
	       n_kills, (double)(chaos_now_ns() - begin_ns) / 1e9, chaos.count,
	       atomic_load(&n_requests), atomic_load(&n_acknowledged), atomic_load(&n_lost));
	printf("checked after restarts: %" PRIu64 " definitions there, %" PRIu64
	       " VMs running on; %" PRIu64 " looks at who runs, %" PRIu64 " strangers\n",
	       n_checked_there, n_checked_alive, n_samples, n_strangers);
	chaos_report("exec to the first CPU time of a VM", dispatch_ns, n_dispatch);
	chaos_report("exec to the first answer", ready_ns, n_ready);
	printf("no first CPU time to be seen: %" PRIu64 " times nobody wanted the core, %" PRIu64
	       " times its exclusive owner had it; of those %" PRIu64 " ran on without a daemon\n",
	       n_idle, n_exclusive, n_ran_on);
	CHECK(n_dispatch >= n_kills / 4,
	      "too few restarts with a VM to be dispatched: %zu of %" PRIu64, n_dispatch, n_kills);
	CHECK(n_dispatch == 0 || dispatch_ns[n_dispatch / 2] < 10 * NS_PER_S,
	      "half of the restarts took longer than 10 s to dispatch again");
	CHECK(n_exclusive < 8 || n_ran_on > n_exclusive / 2,
	      "exclusive owners stand still without a daemon");
	CHECK(n_kills >= 5 && n_checked_alive > 0, "too few rounds");
	chaos_daemon_end();
	for (unsigned int i = 0; i < CLIENTS * VMS; i++) {
		clients[i / VMS].vm[i % VMS].lives = NO;
	}
	check_orphans();
}

int main(int argc, char **argv)
{
	chaos.count = 100;
	chaos.seconds = 45;
	return chaos_main(argc, argv, test, 200);
}

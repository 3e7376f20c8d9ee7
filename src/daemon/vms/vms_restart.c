/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart of the daemon (docs/sched.md, "Restart"): every folder in run_dir/vms is a VM that
 * an earlier daemon had running. Its record names a process; process, record and definition must
 * agree, and the process must answer. Then it goes on where it is:
 *
 *   read records ─▶ meet the processes, several at a time ─▶ add and start with the dispatcher, which is
 *   held ─▶ pause what was paused ─▶ dispatch_go() ─▶ exclusive cores that nobody holds yet
 *
 * What does not answer, or whose record lies, is ended and reported, never believed: killed, if the record
 * can be read, else asked to end. One that takes its time holds up nobody: after grace_ms it is late, is
 * stopped and taken off the pool so that its core can be given away, and is met behind dispatch_go() by
 * the thread that has begun with it. That thread talks to it from the beginning, so that nobody else does
 * before it is back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_meet.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/task.h"
#include "host/text.h"
#include "host/timer.h"

#define WORKERS	 8
#define DEATH_MS 5000
#define STOP_MS	 500 /* until a process is seen to have stopped */

/* Freed by the last who uses it. */
struct meetings {
	struct vms *v;
	struct meeting *m;
	uint32_t n;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t next;	    /* to be begun */
	uint32_t n_settled; /* done or late */
	uint32_t n_threads; /* that begin with more */
	uint32_t refs;
	bool is_gone; /* dispatch_go() was called */
};

/* Its slot is there, and a folder of ours is that of the slot: of two records with one slot it says which one lies. */
static int check_slot(const struct vms *v, const struct vms_record *rec, struct errmsg *e)
{
	char own[256];
	size_t n = strlen(v->cgroup_base);
	const char *name = rec->freeze_dir + n;

	if (rec->slot >= v->o.max_vms) {
		return errmsg_set(e, -ERANGE, "its record names slot %u of %u", rec->slot,
				  v->o.max_vms);
	}
	vms_cgroup_path(v, rec->slot, own);
	if (!n || strncmp(rec->freeze_dir, v->cgroup_base, n) != 0 ||
	    strcmp(rec->freeze_dir, own) == 0 ||
	    (strncmp(name, "/vm-", 4) == 0 && strcmp(name + 4, rec->id) == 0)) {
		return 0; /* the last: made by an older version */
	}
	return errmsg_set(e, -EBADMSG, "its record names the folder of another slot");
}

static int handle_init(const struct vms *v, const struct vms_record *rec, struct vms_vm *vm)
{
	/* The folder of its slot, unless it was moved to another: that one is not the slot's to remove. */
	vms_cgroup_path(v, rec->slot, vm->cgroup_dir);
	if (strcmp(vm->cgroup_dir, rec->freeze_dir) != 0) {
		vm->cgroup_dir[0] = '\0';
	}
	vm->lv = (struct launch_vm)LAUNCH_VM_NONE;
	vm->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vm->cancel_fd < 0 ? -errno : 0;
}

/* Off the pool first: behind another one with its priority a thread would not get to die. */
static void kill_process(const struct vms *v, const struct meeting *m)
{
	if (m->pidfd >= 0 && host_proc_kill(m->pidfd, SIGSTOP) == 0) {
		(void)partition_keep_off(v->o.partition, m->rec.pid, 0);
		host_proc_kill(m->pidfd, SIGKILL);
		host_sock_wait_readable(m->pidfd, DEATH_MS);
	}
}

/* A VM that gets no place. It is not only asked to end: it need not obey, and its core is given away. */
static void end_refused(struct vms *v, const char *id, const struct vms_record *rec)
{
	struct meeting m = { .rec = *rec };

	m.pidfd = vms_meet_open(rec, NULL);
	kill_process(v, &m);
	if (m.pidfd >= 0) {
		close(m.pidfd);
	}
	vms_orphan_end(v, id);
}

/* Read the record of a folder and check it against the definition. */
static void add_meeting(struct meetings *all, const char *id)
{
	struct vms *v = all->v;
	struct vms_vm *vm = strlen(id) == VMS_ID_BYTES - 1 ? vms_ref(v, id) : NULL;
	struct meeting *m = &all->m[all->n];
	struct errmsg e = { 0 };
	int r;

	*m = (struct meeting){ .pidfd = -1 };
	r = vms_record_read(v->run_dir, id, &m->rec, &e);
	r = vm ? r : errmsg_set(&e, -ENOENT, "no such VM is defined");
	if (r == 0 && vms_spec_digest(&vm->spec) != m->rec.digest) {
		r = errmsg_set(&e, -EBADMSG, "its record is of another definition");
	}
	r = r < 0 ? r : check_slot(v, &m->rec, &e);
	r = r < 0 ? r : handle_init(v, &m->rec, vm);
	if (r < 0) {
		log_warn("a folder of an earlier daemon is removed id=%.40s error=\"%s\"", id,
			 e.text);
		end_refused(v, id, &m->rec);
		if (vm) {
			vms_unref(v, vm);
		}
		return;
	}
	m->vm = vm;
	m->r = vms_meet_slot(v, m);
	if (m->r < 0) {
		/* Not one slot for two: it gets none, and is ended. */
		log_warn("a record lies id=%s error=\"%s\"", id, m->e.text);
		close(vm->cancel_fd);
		vm->cancel_fd = -1;
		end_refused(v, id, &m->rec);
		vms_unref(v, vm);
		return;
	}
	users_charge_again(v->o.users, vm->owner, vm->spec.config.limits.mem_bytes);
	vms_charged_set(v, vm, true);
	all->n++;
}

static int collect(struct meetings *all, struct errmsg *e)
{
	DIR *d = opendir(all->v->run_dir);
	const struct dirent *ent;
	uint32_t n = 0;

	if (!d) {
		return errmsg_set(e, -errno, "%s: %s", all->v->run_dir, strerror(errno));
	}
	while (readdir(d)) {
		n++;
	}
	all->m = calloc(n + 1, sizeof(*all->m));
	rewinddir(d);
	while (all->m && all->n < n && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] != '.') {
			add_meeting(all, ent->d_name);
		}
	}
	closedir(d);
	return all->m ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}

/* Defined, started, and neither here nor written down as over. */
static void report_lost(struct vms *v)
{
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		bool is_lost;

		/* Those that were met may end meanwhile. */
		pthread_mutex_lock(&v->lock);
		is_lost = !vm->has_process && !vm->is_closed && vm->runs > 0;
		if (is_lost) {
			vm->ended_ns = vms_now_ns();
			vm->is_closed = true;
			snprintf(vm->message, sizeof(vm->message),
				 "lost: it ended while the daemon was away");
		}
		pthread_mutex_unlock(&v->lock);
		if (!is_lost) {
			continue;
		}
		vms_run_put(v, vm, "lost");
		vms_publish(v, vm, "vm.stopped", vm->message);
	}
}

static void catch_up(struct vms *v, const struct meetings *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		if (all->m[i].progress == MEET_DONE && all->m[i].r >= 0) {
			vms_talk_begin(all->m[i].vm);
			vms_meet_regain(v, all->m[i].vm);
			vms_talk_end(v, all->m[i].vm);
		}
	}
}

static void greatest_gen(struct vms *v, const struct meetings *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		v->next_gen = all->m[i].rec.gen > v->next_gen ? all->m[i].rec.gen : v->next_gen;
	}
}

static void meetings_put(struct meetings *all)
{
	bool is_last;

	pthread_mutex_lock(&all->lock);
	is_last = --all->refs == 0;
	pthread_mutex_unlock(&all->lock);
	if (!is_last) {
		return;
	}
	for (uint32_t i = 0; i < all->n; i++) {
		if (all->m[i].pidfd >= 0) {
			close(all->m[i].pidfd);
		}
		vms_unref(all->v, all->m[i].vm);
	}
	pthread_mutex_destroy(&all->lock);
	pthread_cond_destroy(&all->changed);
	free(all->m);
	free(all);
}

/* Talk is held. */
static void meet_one(struct vms *v, struct meeting *m)
{
	if (m->r == 0 && m->rec.fault) {
		m->r = errmsg_set(&m->e, -EFAULT, "it was frozen by the scheduler");
	} else if (m->r == 0) {
		/* Not before the guard lets it: this lets it run. */
		m->r = vms_guard_await_thaw(v, m->vm, m->pidfd, &m->e);
		if (m->r == 0) {
			vms_cgroup_thaw(m->rec.freeze_dir, m->pidfd);
			m->r = vms_meet(v, m);
		}
	}
	/* Canceled: by who kills it, or by a daemon that closes and leaves it to the next one. */
	if (m->r < 0 && m->r != -ECANCELED) {
		kill_process(v, m);
	}
}

/* Back, or gone. Talk is held. */
static void settle(struct vms *v, struct meeting *m)
{
	m->r = m->r < 0 ? m->r : vms_meet_join(v, m);
	if (m->r < 0) {
		kill_process(v, m);
		vms_meet_give_up(v, m);
	}
}

/* The others run already. */
static void settle_late(struct vms *v, struct meeting *m)
{
	bool is_left;

	pthread_mutex_lock(&v->lock);
	is_left = m->r == -ECANCELED && v->is_closing && !m->vm->is_ending;
	m->vm->pidfd = -1;
	pthread_mutex_unlock(&v->lock);
	if (is_left) {
		return;
	}
	settle(v, m);
	if (m->r >= 0) {
		vms_meet_regain(v, m->vm);
	}
}

/* Whether it was in time. For one that was not, wait until the others run. */
static bool finish(struct meetings *all, struct meeting *m)
{
	bool is_late;

	pthread_mutex_lock(&all->lock);
	is_late = m->progress == MEET_LATE;
	if (!is_late) {
		m->progress = MEET_DONE;
		all->n_settled++;
		pthread_cond_broadcast(&all->changed);
	}
	while (is_late && !all->is_gone) {
		pthread_cond_wait(&all->changed, &all->lock);
	}
	pthread_mutex_unlock(&all->lock);
	return !is_late;
}

static struct meeting *next_meeting(struct meetings *all)
{
	struct meeting *m = NULL;

	pthread_mutex_lock(&all->lock);
	if (all->next < all->n) {
		m = &all->m[all->next++];
		m->begun_ns = host_clock_monotonic_ns();
		m->progress = MEET_BEGUN;
	} else {
		all->n_threads--;
	}
	pthread_mutex_unlock(&all->lock);
	return m;
}

/* The next one. @return false: there is none, or it was late */
static bool meet_next(struct meetings *all)
{
	struct meeting *m = next_meeting(all);
	bool was_in_time;

	if (!m) {
		return false;
	}
	vms_talk_begin(m->vm);
	meet_one(all->v, m);
	was_in_time = finish(all, m);
	if (was_in_time) {
		/* Not vms_talk_end(): what it says is taken when it is back. */
		pthread_mutex_unlock(&m->vm->talk);
	} else {
		settle_late(all->v, m);
		vms_talk_end(all->v, m->vm);
	}
	return was_in_time;
}

static void *meet_main(void *arg)
{
	struct meetings *all = arg;
	struct vms *v = all->v;

	while (meet_next(all)) {
	}
	meetings_put(all);
	pthread_mutex_lock(&v->lock);
	v->n_meeting--;
	pthread_cond_broadcast(&v->met);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

static bool thread_add(struct meetings *all)
{
	pthread_t thread;

	pthread_mutex_lock(&all->lock);
	all->refs++;
	all->n_threads++;
	pthread_mutex_unlock(&all->lock);
	pthread_mutex_lock(&all->v->lock);
	all->v->n_meeting++;
	pthread_mutex_unlock(&all->v->lock);
	if (pthread_create(&thread, NULL, meet_main, all) == 0) {
		pthread_detach(thread);
		return true;
	}
	pthread_mutex_lock(&all->lock);
	all->refs--;
	all->n_threads--;
	pthread_mutex_unlock(&all->lock);
	pthread_mutex_lock(&all->v->lock);
	all->v->n_meeting--;
	pthread_mutex_unlock(&all->v->lock);
	return false;
}

/*
 * The others go on without it. Its core may be given away once it is known to execute no more: it is
 * stopped, and has no place in the pool when it goes on.
 */
static void hold_back(struct vms *v, const struct meeting *m)
{
	bool is_held;
	int r;

	if (m->pidfd < 0) {
		return;
	}
	host_proc_kill(m->pidfd, SIGSTOP);
	r = partition_keep_off(v->o.partition, m->rec.pid, 0);
	is_held = r == 0 || r == -ESRCH;
	if (host_process_await_stop(m->rec.pid, STOP_MS) == -ETIMEDOUT) {
		/* It may have been on its way into the root group, and was told to go on from there. */
		host_proc_kill(m->pidfd, SIGSTOP);
		is_held = is_held && host_process_await_stop(m->rec.pid, STOP_MS) == 0;
	}
	if (!is_held) {
		kill_process(v, m);
	}
}

static ns_t grace_ns(const struct meetings *all)
{
	return all->v->o.grace_ms * NS_PER_MS;
}

/* One whose time is over, or NULL. */
static struct meeting *find_late_locked(struct meetings *all)
{
	ns_t now_ns = host_clock_monotonic_ns();

	for (uint32_t i = 0; i < all->next; i++) {
		struct meeting *m = &all->m[i];

		if (m->progress == MEET_BEGUN && now_ns - m->begun_ns > grace_ns(all)) {
			return m;
		}
	}
	return NULL;
}

/* Let those that are late be late; each leaves its thread's work to another thread. */
static void part_from_late(struct meetings *all)
{
	struct meeting *m;

	pthread_mutex_lock(&all->lock);
	while ((m = find_late_locked(all)) != NULL) {
		m->progress = MEET_LATE;
		all->n_settled++;
		all->n_threads--;
		pthread_mutex_unlock(&all->lock);
		log_info("a VM takes its time to be met again id=%s", m->vm->id);
		hold_back(all->v, m);
		thread_add(all);
		pthread_mutex_lock(&all->lock);
	}
	pthread_mutex_unlock(&all->lock);
}

/* All are met, given up or late. */
static void meet_all(struct meetings *all)
{
	bool is_over = all->n == 0;

	for (uint32_t i = 0; i < WORKERS && i < all->n; i++) {
		thread_add(all);
	}
	while (!is_over) {
		struct timespec until = host_deadline(grace_ns(all) / 2);
		bool is_alone;

		pthread_mutex_lock(&all->lock);
		is_alone = all->n_threads == 0 && all->next < all->n;
		if (!is_alone && all->n_settled < all->n) {
			pthread_cond_timedwait(&all->changed, &all->lock, &until);
		}
		is_over = all->n_settled == all->n;
		pthread_mutex_unlock(&all->lock);
		if (is_alone) {
			meet_next(all); /* there was no thread to be had */
		}
		part_from_late(all);
	}
}

static struct meetings *meetings_new(struct vms *v, struct errmsg *e)
{
	struct meetings *all = calloc(1, sizeof(*all));
	pthread_condattr_t attr;

	if (!all) {
		errmsg_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	all->v = v;
	all->refs = 1;
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &attr);
	pthread_condattr_destroy(&attr);
	return all;
}

static void open_processes(struct meetings *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct meeting *m = &all->m[i];
		int r = vms_meet_open(&m->rec, &m->e);

		m->pidfd = r < 0 ? -1 : r;
		m->r = r < 0 ? r : 0;
		if (m->r == 0) {
			vms_guard_recall(all->v, m->vm, m->rec.pid);
		}
		pthread_mutex_lock(&all->v->lock);
		m->vm->pidfd = m->pidfd; /* for who wants to kill it before it is back */
		pthread_mutex_unlock(&all->v->lock);
	}
}

/* Those that came in time, with their places. */
static void settle_all(struct meetings *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct meeting *m = &all->m[i];

		if (m->progress == MEET_DONE) {
			vms_talk_begin(m->vm);
			settle(all->v, m);
			vms_talk_end(all->v, m->vm);
		}
	}
}

/* The others run. */
static void go_on_with_late(struct meetings *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		if (all->m[i].progress == MEET_LATE && all->m[i].pidfd >= 0 &&
		    vms_guard_refuse(all->v, all->m[i].vm, NULL) == 0) {
			vms_cgroup_thaw(all->m[i].rec.freeze_dir, all->m[i].pidfd);
		}
	}
	pthread_mutex_lock(&all->lock);
	all->is_gone = true;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

int vms_restart(struct vms *v, struct errmsg *e)
{
	struct meetings *all = meetings_new(v, e);
	int r = all ? collect(all, e) : -ENOMEM;

	if (r < 0) {
		if (all) {
			meetings_put(all);
		}
		return r;
	}
	/* All that may go on have their slots: what is in the folder of another is an orphan. */
	(void)vms_cgroup_sweep(v, true);
	greatest_gen(v, all);
	open_processes(all);
	meet_all(all);
	settle_all(all);
	report_lost(v);
	r = dispatch_go(v->o.dispatch, e);
	go_on_with_late(all);
	if (r == 0) {
		catch_up(v, all);
	}
	meetings_put(all);
	return r;
}

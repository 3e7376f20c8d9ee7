/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart of the daemon (docs/sched.md, "Restart"): every folder in run_dir/vms is a VM that
 * an earlier daemon had running. Its record names a process; process, record and definition must
 * agree, and the process must answer. Then it goes on where it is:
 *
 *   read records ─▶ meet the processes, several at a time ─▶ add and start with the dispatcher, which is
 *   held ─▶ pause what was paused ─▶ dispatch_go() ─▶ exclusive cores that nobody holds yet
 *
 * What does not answer, or whose record lies, is ended and reported, never believed.
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
#include "daemon/vms/vms_internal.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/text.h"

#define WORKERS	 8
#define MEET_MS	 1000 /* for each answer of a process that is met again */
#define DEATH_MS 5000

/* A VM that may still run. */
struct meeting {
	struct vms_vm *vm;
	struct vms_record rec;
	enum proto_vm_state state;
	struct proto_stopped stop;
	int r; /* not 0: it is ended */
	struct errmsg e;
};

struct meetings {
	struct vms *v;
	struct meeting *m;
	uint32_t n, max;
	_Atomic uint32_t next;
};

/*
 * Whether a process is a VM process of ours; nothing else is ever killed on a record's word. Who may
 * not see its program goes by its name.
 */
static bool is_vm_process(pid_t pid)
{
	char path[64];
	char name[VMS_PATH_BYTES];
	const char *base = name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, name, sizeof(name) - 1);
	if (n > 0) {
		name[n] = '\0';
		base = strrchr(name, '/');
		base = base ? base + 1 : name;
	} else if (host_text_read(name, sizeof(name), "/proc/%d/comm", pid) < 0) {
		return false;
	}
	return strncmp(base, "pinfold-vm", 10) == 0;
}

/* A hold on the process that the record names, if it is still that one. */
static int open_process(const struct vms_record *rec, struct errmsg *e)
{
	int pidfd = (int)syscall(SYS_pidfd_open, rec->pid, 0);
	uint64_t ticks;

	if (pidfd < 0) {
		return errmsg_set(e, -ESRCH, "its process is gone");
	}
	if (vms_start_ticks(rec->pid, &ticks) < 0 || ticks != rec->start_ticks) {
		close(pidfd);
		return errmsg_set(e, -ESRCH, "its process is gone");
	}
	if (!is_vm_process(rec->pid)) {
		close(pidfd);
		return errmsg_set(e, -EBADMSG, "its record names a process that is no VM");
	}
	return pidfd;
}

static ns_t process_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0) {
		return 0;
	}
	return (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec;
}

/* The slot and all that a running VM has in the table. */
static int take_slot(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	int r = 0;

	pthread_mutex_lock(&v->lock);
	if (v->slots[m->rec.slot].vm) {
		r = errmsg_set(&m->e, -EBADMSG, "its slot is that of another VM");
	} else {
		v->slots[m->rec.slot].vm = vm;
		v->slots[m->rec.slot].gen = m->rec.gen;
		vm->slot = m->rec.slot;
		vm->gen = m->rec.gen;
		vm->has_process = true;
		/* A fault that is written down stays as it is; whatever else goes on. */
		vm->is_closed = vm->is_closed && vm->run == m->rec.run && vm->state == VMS_FAULTED;
		vm->ended_ns = vm->is_closed ? vm->ended_ns : 0;
		vm->run = m->rec.run;
		vm->runs = m->rec.runs > vm->runs ? m->rec.runs : vm->runs;
		vm->started_ns = m->rec.started_ns;
		vm->message[0] = vm->is_closed ? vm->message[0] : '\0';
		vms_state_set_locked(vm, VMS_RUNNING);
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

static int ask_state(struct meeting *m)
{
	struct launch_vm *lv = &m->vm->lv;
	struct proto_status status = { 0 };
	size_t n = 0;
	int r;

	r = launch_vm_request(lv, PROTO_GET_STATE, NULL, 0, -1, &status, sizeof(status), &n, &m->e);
	if (r < 0) {
		return r;
	}
	if (n != sizeof(status) || status.state >= PROTO_VM_STATE_COUNT) {
		return errmsg_set(&m->e, -EPROTO, "it tells its state in nonsense");
	}
	m->state = (enum proto_vm_state)status.state;
	if (m->state != PROTO_VM_STOPPED && m->state != PROTO_VM_FAULTED) {
		return 0;
	}
	return launch_vm_last_stop(lv, &m->stop, &m->e);
}

/* Who it is, new pages, a new console, how it is. */
static int meet(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	struct dispatch_fds fds;
	char path[VMS_PATH_BYTES];
	int r;

	vms_path(v, vm->id, VMS_SOCKET, path);
	r = launch_vm_reconnect(m->rec.pid, path, MEET_MS, &vm->lv, &m->e);
	if (r < 0) {
		return r;
	}
	memcpy(vm->lv.cgroup_memory, m->rec.cgroup_memory, sizeof(vm->lv.cgroup_memory));
	memcpy(vm->lv.cgroup_pids, m->rec.cgroup_pids, sizeof(vm->lv.cgroup_pids));
	memcpy(vm->freeze_dir, m->rec.freeze_dir, sizeof(vm->freeze_dir));
	r = vms_admit(v, vm, &m->e);
	r = r < 0 ? r : dispatch_slot_open(v->o.dispatch, vm->slot, &fds, &m->e);
	if (r < 0) {
		return r;
	}
	vm->is_slot_open = true;
	r = launch_vm_attach(&vm->lv, fds.grant_fd, fds.ack_fd, fds.notify_fd, &m->e);
	r = r < 0 ? r : ask_state(m);
	vm->lv.reply_ms = v->o.reply_ms;
	return r;
}

static void *meet_main(void *arg)
{
	struct meetings *all = arg;
	uint32_t i;

	while ((i = atomic_fetch_add(&all->next, 1)) < all->n) {
		struct meeting *m = &all->m[i];
		int pidfd;

		m->r = m->r < 0 ? m->r : open_process(&m->rec, &m->e);
		if (m->r < 0) {
			continue;
		}
		pidfd = m->r;
		m->r = 0;
		if (m->rec.fault) {
			m->r = errmsg_set(&m->e, -EFAULT, "it was frozen by the scheduler");
		} else {
			vms_cgroup_thaw(m->rec.freeze_dir, pidfd);
			m->r = meet(all->v, m);
		}
		if (m->r < 0) {
			host_proc_kill(pidfd, SIGKILL);
			host_sock_wait_readable(pidfd, DEATH_MS);
		}
		close(pidfd);
	}
	return NULL;
}

/* This thread works, too. */
static void meet_all(struct meetings *all)
{
	pthread_t threads[WORKERS];
	uint32_t n = 0;

	while (n < WORKERS && n + 1 < all->n &&
	       pthread_create(&threads[n], NULL, meet_main, all) == 0) {
		n++;
	}
	meet_main(all);
	while (n > 0) {
		pthread_join(threads[--n], NULL);
	}
}

static void fill_shown(struct vms *v, struct meeting *m)
{
	const struct proto_ready *ready = &m->vm->lv.ready;
	struct vms_vm *vm = m->vm;

	pthread_mutex_lock(&v->lock);
	vms_pid_set_locked(v, vm, vm->lv.pid);
	vm->pidfd = vm->lv.pidfd;
	vm->cpu_ns = vm->is_closed ? vm->cpu_ns : process_cpu_ns(m->rec.pid);
	memcpy(vm->arch, ready->arch_name, sizeof(vm->arch));
	memcpy(vm->engine, ready->engine, sizeof(vm->engine));
	memcpy(vm->reason, ready->reason, sizeof(vm->reason));
	pthread_mutex_unlock(&v->lock);
}

/* Paused or running as it was left; talk is held. */
static int settle_pause(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	int r = 0;

	if (m->rec.is_paused) {
		r = m->state == PROTO_VM_PAUSED ? 0 : vms_ask(vm, PROTO_PAUSE, NULL, 0, -1, &m->e);
		r = r < 0 ? r : vms_sched(v, vm, SCHED_EV_VM_PAUSE, &m->e);
		if (r == 0) {
			pthread_mutex_lock(&v->lock);
			vms_state_set_locked(vm, VMS_PAUSED);
			pthread_mutex_unlock(&v->lock);
		}
	} else if (m->state == PROTO_VM_PAUSED) {
		r = vms_ask(vm, PROTO_RESUME, NULL, 0, -1, &m->e);
	}
	return r;
}

/* Back among the living. */
static int join(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	int r;

	fill_shown(v, m);
	if (m->state == PROTO_VM_READY || m->state == PROTO_VM_CREATED) {
		return errmsg_set(&m->e, -ECANCELED, "it had not been started yet");
	}
	r = vms_dispatch_add(v, vm, &m->e);
	r = r < 0 ? r : vms_watch_add(v, vm, &m->e);
	r = r < 0 ? r : vms_sched(v, vm, SCHED_EV_VM_START, &m->e);
	if (r < 0) {
		return r;
	}
	if (m->state == PROTO_VM_STOPPED || m->state == PROTO_VM_FAULTED) {
		vms_on_stop(v, vm, &m->stop);
		return 0;
	}
	vm->is_closed = false;
	return settle_pause(v, m);
}

/* Whatever it has: gone. The scheduler may know it already. */
static void give_up(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	bool is_fault = m->rec.fault != 0 || vm->is_closed;

	log_warn("a VM could not be met again id=%s error=\"%s\"", vm->id, m->e.text);
	pthread_mutex_lock(&v->lock);
	vm->is_ending = true;
	vm->is_closed = is_fault; /* its end was written down when it faulted */
	vm->end_state = is_fault ? VMS_FAULTED : m->r == -ESRCH ? VMS_STOPPED : VMS_KILLED;
	vm->fault = (enum sched_reason)m->rec.fault;
	if (!is_fault) {
		snprintf(vm->message, sizeof(vm->message), "%s%s", m->r == -ESRCH ? "lost: " : "",
			 m->e.text);
	}
	pthread_mutex_unlock(&v->lock);
	if (vm->is_added) {
		/* Started: only the scheduler's death notice frees its slot. */
		vms_sched(v, vm, SCHED_EV_VM_KILL, NULL);
		return;
	}
	vms_bury(v, vm);
}

static int handle_init(const struct vms *v, struct vms_vm *vm)
{
	if (v->cgroup_base[0]) {
		snprintf(vm->cgroup_dir, sizeof(vm->cgroup_dir), "%.230s/vm-%s", v->cgroup_base,
			 vm->id);
	}
	vm->lv = (struct launch_vm)LAUNCH_VM_NONE;
	vm->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vm->cancel_fd < 0 ? -errno : 0;
}

/* Read the record of a folder and check it against the definition. */
static void add_meeting(struct meetings *all, const char *id)
{
	struct vms *v = all->v;
	struct vms_vm *vm = strlen(id) == VMS_ID_BYTES - 1 ? vms_ref(v, id) : NULL;
	struct meeting *m = &all->m[all->n];
	struct errmsg e = { 0 };
	int r = vm ? vms_record_read(v, id, &m->rec, &e)
		   : errmsg_set(&e, -ENOENT, "no such VM is defined");

	if (r == 0 && vms_spec_digest(&vm->spec) != m->rec.digest) {
		r = errmsg_set(&e, -EBADMSG, "its record is of another definition");
	}
	r = r < 0 ? r : handle_init(v, vm);
	if (r < 0) {
		log_warn("a folder of an earlier daemon is removed id=%.40s error=\"%s\"", id,
			 e.text);
		vms_orphan_end(v, id);
		if (vm) {
			vms_unref(v, vm);
		}
		return;
	}
	m->vm = vm;
	m->r = take_slot(v, m);
	if (m->r < 0) {
		/* Not one slot for two: it gets none, and is ended. */
		log_warn("a record lies id=%s error=\"%s\"", id, m->e.text);
		close(vm->cancel_fd);
		vm->cancel_fd = -1;
		vms_orphan_end(v, id);
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
		if (vm->has_process || vm->is_closed || vm->runs == 0) {
			continue;
		}
		vm->ended_ns = vms_now_ns();
		vm->is_closed = true;
		snprintf(vm->message, sizeof(vm->message),
			 "lost: it ended while the daemon was away");
		vms_run_put(v, vm, "lost");
		vms_publish(v, vm, "vm.stopped", vm->message);
	}
}

/* An exclusive core that its lock did not give back; talk is held, so that nobody buries the VM meanwhile. */
static void regain_core(struct vms *v, struct vms_vm *vm)
{
	struct errmsg e = { 0 };
	bool is_wanted;
	int r;

	pthread_mutex_lock(&v->lock);
	is_wanted = vm->is_added && vm->spec.is_exclusive && vm->state == VMS_RUNNING;
	pthread_mutex_unlock(&v->lock);
	if (!is_wanted) {
		return;
	}
	r = vms_excl_request(v, vm, &e);
	if (r < 0 && r != -EALREADY) {
		log_warn("a VM has lost its core id=%s error=\"%s\"", vm->id, e.text);
		vms_alloc_put(v, vm, false);
	}
}

static void catch_up(struct vms *v, const struct meetings *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		if (all->m[i].r >= 0) {
			vms_talk_begin(all->m[i].vm);
			regain_core(v, all->m[i].vm);
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

int vms_restart(struct vms *v, struct errmsg *e)
{
	struct meetings all = { .v = v };
	int r = collect(&all, e);

	if (r < 0) {
		free(all.m);
		return r;
	}
	greatest_gen(v, &all);
	for (uint32_t i = 0; i < all.n; i++) {
		vms_talk_begin(all.m[i].vm);
	}
	meet_all(&all);
	for (uint32_t i = 0; i < all.n; i++) {
		struct meeting *m = &all.m[i];

		m->r = m->r < 0 ? m->r : join(v, m);
		if (m->r < 0) {
			give_up(v, m);
		}
	}
	for (uint32_t i = 0; i < all.n; i++) {
		vms_talk_end(v, all.m[i].vm);
	}
	report_lost(v);
	r = dispatch_go(v->o.dispatch, e);
	if (r == 0) {
		catch_up(v, &all);
	}
	for (uint32_t i = 0; i < all.n; i++) {
		vms_unref(v, all.m[i].vm);
	}
	free(all.m);
	return r;
}

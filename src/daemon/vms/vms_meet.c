/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vms_meet.h. Process, record and definition must agree, and the process must answer. */
#include "daemon/vms/vms_meet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/log.h"
#include "host/text.h"

#define MEET_MS 5000 /* for each answer; who is late holds up nobody */

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
int vms_meet_open(const struct vms_record *rec, struct errmsg *e)
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
int vms_meet_slot(struct vms *v, struct meeting *m)
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
		if (!vm->is_closed) {
			vms_counts_get(v, vm);
		}
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
int vms_meet(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	struct dispatch_fds fds;
	char path[VMS_PATH_BYTES];
	int r;

	vms_path(v, vm->id, VMS_SOCKET, path);
	r = launch_vm_reconnect(m->rec.pid, path, MEET_MS, vm->cancel_fd, &vm->lv, &m->e);
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
	vm->code_loaded = ready->code_loaded;
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
int vms_meet_join(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	int r;

	fill_shown(v, m);
	if (m->state == PROTO_VM_READY || m->state == PROTO_VM_CREATED) {
		return errmsg_set(&m->e, -ECANCELED, "it had not been started yet");
	}
	r = vms_guard_add(v, vm, &m->e);
	r = r < 0 ? r : vms_dispatch_add(v, vm, &m->e);
	r = r < 0 ? r : vms_watch_add(v, vm, &m->e);
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
void vms_meet_give_up(struct vms *v, struct meeting *m)
{
	struct vms_vm *vm = m->vm;
	const char *cause = vms_guard_cause(v, vm, m->rec.pid);
	bool is_fault = m->rec.fault != 0 || vm->is_closed;
	bool is_told;

	log_warn("a VM could not be met again id=%s error=\"%s\"", vm->id, m->e.text);
	pthread_mutex_lock(&v->lock);
	is_told = vm->is_ending; /* somebody killed it meanwhile */
	vm->is_ending = true;
	vm->is_closed = is_fault; /* its end was written down when it faulted */
	if (!is_told) {
		vm->end_state = is_fault		   ? VMS_FAULTED
				: m->r == -ESRCH && !cause ? VMS_STOPPED
							   : VMS_KILLED;
	}
	vm->fault = is_fault && !m->rec.fault ? vm->fault : (enum sched_reason)m->rec.fault;
	if (cause && !is_fault && !is_told) {
		snprintf(vm->message, sizeof(vm->message), "%s", cause);
	} else if (!is_fault && !is_told) {
		snprintf(vm->message, sizeof(vm->message), "%s%.370s",
			 m->r == -ESRCH ? "lost: " : "", m->e.text);
	}
	pthread_mutex_unlock(&v->lock);
	if (vm->is_added) {
		/* Started: only the scheduler's death notice frees its slot. */
		vms_sched(v, vm, SCHED_EV_VM_KILL, NULL);
		return;
	}
	/* Its record may have lied about its process: what listens in its folder is asked, too. */
	vms_orphan_end(v, vm->id);
	vms_bury(v, vm);
}

/*
 * An exclusive core that its lock did not give back, or did though the guard had taken it; talk is held, so that nobody
 * buries the VM meanwhile.
 */
void vms_meet_regain(struct vms *v, struct vms_vm *vm)
{
	struct errmsg e = { 0 };
	bool is_wanted;
	int r;

	pthread_mutex_lock(&v->lock);
	is_wanted = vm->is_added && vm->spec.is_exclusive && vm->state == VMS_RUNNING;
	pthread_mutex_unlock(&v->lock);
	if (vm->is_reclaimed) {
		vm->is_reclaimed = false;
		vms_sched(v, vm, SCHED_EV_EXCL_RELEASE, NULL);
		vms_guard_shared(v, vm);
	}
	if (!is_wanted) {
		return;
	}
	r = vms_excl_request(v, vm, &e);
	if (r < 0 && r != -EALREADY) {
		log_warn("a VM has lost its core id=%s error=\"%s\"", vm->id, e.text);
		vms_alloc_put(v, vm, false);
	} else {
		vms_guard_cores(v, vm);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VMs have to do with the guard: each is registered there before its first instruction, and what was done to it
 * at a terminal is found by comparing (vms_guard_sync()), whenever that was:
 *
 *   KILLED     it ends, or its death is explained
 *   FROZEN     its process is stopped: the scheduler pauses it, and nobody talks to it until it is let go. What
 *              its user wanted (running, paused) stays as it is below that
 *   RECLAIMED  it is shared again, also in its definition. Until the guard was told that this is so, it lets nobody
 *              give the VM a core of its own
 *
 * The guard marks an entry before it acts, so that a death is never seen before its mark.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/timer.h"

#define KILLED_TEXT "killed at the guard's terminal"
#define LOOK_MS	    500 /* for the death of one that is frozen */

/* A copy of what comparing needs. */
struct view {
	pid_t pid;
	bool is_there; /* has a process that is not about to end */
	bool is_frozen;
};

/* What people type at a terminal: short, and no other VM's as long as this one has a process. */
static uint64_t number_of(const struct vms_vm *vm)
{
	return (uint64_t)vm->slot + 1;
}

static void core_add(struct pinfold_guard_vm *g, uint32_t core)
{
	if (core < PINFOLD_GUARD_CORES) {
		g->cores[core / 64] |= 1ULL << (core % 64);
	}
}

/* As the guard is to know it. @return 0; -ESRCH it has no process */
static int describe(struct vms *v, struct vms_vm *vm, struct pinfold_guard_vm *ret)
{
	const struct sched_roles *roles = partition_roles(v->o.partition);
	struct dispatch_vm_info d;
	uint64_t ticks;
	bool is_added;

	*ret = (struct pinfold_guard_vm){ .id = number_of(vm), .owner_uid = vm->owner };
	pthread_mutex_lock(&v->lock);
	ret->pid = vm->pid;
	memcpy(ret->name, vm->spec.name, strnlen(vm->spec.name, sizeof(ret->name) - 1));
	is_added = vm->is_added;
	pthread_mutex_unlock(&v->lock);
	if (is_added && dispatch_vm_get(v->o.dispatch, vm->slot, &d) == 0 &&
	    d.vcpu.excl_core != SCHED_CORE_NONE) {
		ret->flags = PINFOLD_GUARD_EXCLUSIVE;
		core_add(ret, roles->pool[d.vcpu.excl_core]);
	}
	for (uint32_t i = 0; !ret->flags && i < roles->n_pool; i++) {
		core_add(ret, roles->pool[i]);
	}
	if (ret->pid <= 0 || vms_start_ticks(ret->pid, &ticks) < 0) {
		return -ESRCH;
	}
	ret->start_ticks = ticks;
	return 0;
}

int vms_guard_add(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct pinfold_guard_vm g;
	int r;

	if (!guard_is_attached(v->o.guard) || describe(v, vm, &g) < 0) {
		return 0; /* one that is dead already: somebody else tells */
	}
	r = guard_vm_register(v->o.guard, &g, e);
	return r == -EACCES ? -EKEYREJECTED : r; /* as bans are refused */
}

static void update(struct vms *v, struct vms_vm *vm, uint32_t more_flags)
{
	struct pinfold_guard_vm g;

	if (guard_is_attached(v->o.guard) && describe(v, vm, &g) == 0) {
		g.flags |= more_flags;
		(void)guard_vm_update(v->o.guard, &g);
	}
}

void vms_guard_cores(struct vms *v, struct vms_vm *vm)
{
	update(v, vm, 0);
}

void vms_guard_shared(struct vms *v, struct vms_vm *vm)
{
	update(v, vm, PINFOLD_GUARD_RECLAIMED);
}

void vms_guard_remove(struct vms *v, struct vms_vm *vm)
{
	if (v->o.guard) {
		guard_vm_unregister(v->o.guard, number_of(vm));
	}
}

int vms_guard_refuse(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	bool is_frozen;

	pthread_mutex_lock(&v->lock);
	is_frozen = vm->is_guard_frozen;
	pthread_mutex_unlock(&v->lock);
	return is_frozen ? errmsg_set(e, -EBUSY,
				      "VM %s was frozen at the guard's terminal\n"
				      "let it go there first: thaw %" PRIu64,
				      vm->spec.name, number_of(vm))
			 : 0;
}

static void tell(struct vms *v, struct vms_vm *vm, const char *what)
{
	json_t *o;

	pthread_mutex_lock(&v->lock);
	o = json_pack("{s:s, s:s}", "vm", vm->spec.name, "id", vm->id);
	pthread_mutex_unlock(&v->lock);
	guard_tell(v->o.guard, what, vm->owner, o);
}

static void note_killed(struct vms *v, struct vms_vm *vm)
{
	bool is_news;

	pthread_mutex_lock(&v->lock);
	is_news = !vm->is_guard_killed;
	vm->is_guard_killed = true;
	pthread_mutex_unlock(&v->lock);
	if (is_news) {
		tell(v, vm, "guard.kill");
	}
}

const char *vms_guard_cause(struct vms *v, struct vms_vm *vm, pid_t pid)
{
	struct pinfold_guard_vm g;

	if (!v->o.guard || guard_vm_find(v->o.guard, number_of(vm), &g) < 0 || g.pid != pid ||
	    !(g.flags & PINFOLD_GUARD_KILLED)) {
		return NULL;
	}
	note_killed(v, vm);
	return KILLED_TEXT;
}

static void freeze(struct vms *v, struct vms_vm *vm)
{
	pthread_mutex_lock(&v->lock);
	vm->is_guard_frozen = true;
	pthread_mutex_unlock(&v->lock);
	(void)vms_sched(v, vm, SCHED_EV_VM_PAUSE, NULL); /* it may be paused */
	tell(v, vm, "guard.freeze");
}

static void thaw(struct vms *v, struct vms_vm *vm)
{
	bool is_wanted;

	pthread_mutex_lock(&v->lock);
	vm->is_guard_frozen = false;
	/* One that is not met yet is waited for: vms_guard_await_thaw(). */
	is_wanted = vm->is_added && vm->state == VMS_RUNNING;
	if (vm->pidfd >= 0) {
		/* The guard let it go on, or is gone: one that the scheduler has stopped stays so all the same. */
		host_proc_kill(vm->pidfd, vm->is_frozen ? SIGSTOP : SIGCONT);
	}
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&v->lock);
	if (is_wanted) {
		(void)vms_sched(v, vm, SCHED_EV_VM_RESUME, NULL);
	}
	tell(v, vm, "guard.thaw");
}

/* Shared from here on. Talk is held. @return 0; errors of the store */
static int reclaim(struct vms *v, struct vms_vm *vm)
{
	struct errmsg e = { 0 };
	int r = vms_row_share(v, vm, &e);

	if (r < 0) {
		log_err("a core that was reclaimed is still written down id=%s error=\"%s\"",
			vm->id, e.text);
		return r;
	}
	tell(v, vm, "guard.reclaim");
	vms_publish(v, vm, "vm.unpinned", NULL);
	return 0;
}

/* Whether it still is the run that was looked at. */
static bool is_same_run(struct vms *v, const struct vms_vm *vm, const struct view *view)
{
	bool is;

	pthread_mutex_lock(&v->lock);
	is = vm->pid == view->pid;
	pthread_mutex_unlock(&v->lock);
	return is;
}

/* The core first: whoever talks to the VM may take his time; what he gives it meanwhile it does not keep. */
static int reclaim_now(struct vms *v, struct vms_vm *vm, const struct view *view)
{
	int r = 0;

	(void)vms_sched(v, vm, SCHED_EV_EXCL_RELEASE, NULL); /* it may be shared */
	vms_talk_begin(vm);
	if (is_same_run(v, vm, view)) {
		(void)vms_sched(v, vm, SCHED_EV_EXCL_RELEASE, NULL);
		r = vm->spec.is_exclusive ? reclaim(v, vm) : 0;
		if (r == 0) {
			vms_guard_shared(v, vm);
		}
	}
	vms_talk_end(v, vm);
	return r;
}

static void view_take(struct vms *v, const struct vms_vm *vm, struct view *ret)
{
	pthread_mutex_lock(&v->lock);
	*ret = (struct view){ .pid = vm->pid,
			      .is_there = vm->has_process && !vm->is_ending,
			      .is_frozen = vm->is_guard_frozen };
	pthread_mutex_unlock(&v->lock);
}

/* The guard does not know it, or only an earlier run. */
static void add_again(struct vms *v, struct vms_vm *vm)
{
	struct errmsg e = { 0 };

	if (vms_guard_add(v, vm, &e) < 0) {
		vms_end_begin(v, vm, VMS_KILLED, NULL, e.text);
	}
}

static int flags_ask(struct vms *v, struct vms_vm *vm, const struct view *view, uint32_t *ret)
{
	struct pinfold_guard_vm g;
	int r = guard_vm_find(v->o.guard, number_of(vm), &g);

	if (r < 0 && r != -ENOENT) {
		return r;
	}
	/* One that is not met yet has no number; then it is frozen, and its entry its own. */
	if (r == -ENOENT || (view->pid > 0 && g.pid != view->pid)) {
		add_again(v, vm);
		*ret = 0;
		return 0;
	}
	*ret = g.flags;
	return 0;
}

static int sync_one(struct vms *v, struct vms_vm *vm, bool is_guarded)
{
	struct view view;
	uint32_t flags = 0;
	int r = 0;

	view_take(v, vm, &view); /* before the guard is asked */
	if (!view.is_there || (view.pid <= 0 && !view.is_frozen)) {
		return 0; /* one that starts registers itself */
	}
	r = is_guarded ? flags_ask(v, vm, &view, &flags) : 0;
	if (r < 0) {
		return r;
	}
	if (flags & PINFOLD_GUARD_KILLED) {
		note_killed(v, vm);
		vms_end_begin(v, vm, VMS_KILLED, NULL, KILLED_TEXT);
		return 0;
	}
	if (flags & PINFOLD_GUARD_FROZEN && !view.is_frozen) {
		freeze(v, vm);
	} else if (!(flags & PINFOLD_GUARD_FROZEN) && view.is_frozen) {
		thaw(v, vm);
	}
	return flags & PINFOLD_GUARD_RECLAIMED && view.pid > 0 ? reclaim_now(v, vm, &view) : 0;
}

int vms_guard_sync(struct vms *v, bool is_there)
{
	uint32_t n;
	struct vms_vm **all = vms_ref_all(v, &n);
	int r = all ? 0 : -ENOMEM;

	for (uint32_t i = 0; all && i < n; i++) {
		int s = sync_one(v, all[i], is_there);

		r = s < 0 ? s : r;
		vms_unref(v, all[i]);
	}
	free(all);
	return r;
}

void vms_guard_recall(struct vms *v, struct vms_vm *vm, pid_t pid)
{
	struct pinfold_guard_vm g;

	if (!v->o.guard || guard_vm_find(v->o.guard, number_of(vm), &g) < 0 || g.pid != pid) {
		return;
	}
	/* Its lock gives the core back: vms_meet_regain(). */
	vm->is_reclaimed = g.flags & PINFOLD_GUARD_RECLAIMED &&
			   (!vm->spec.is_exclusive || reclaim(v, vm) == 0);
	pthread_mutex_lock(&v->lock);
	vm->is_guard_frozen = (g.flags & PINFOLD_GUARD_FROZEN) != 0;
	pthread_mutex_unlock(&v->lock);
}

int vms_guard_await_thaw(struct vms *v, struct vms_vm *vm, int pidfd, struct errmsg *e)
{
	int r = 0;

	pthread_mutex_lock(&v->lock);
	while (vm->is_guard_frozen && r == 0) {
		struct timespec until = host_deadline(LOOK_MS * NS_PER_MS);

		if (vm->is_ending || v->is_closing) {
			r = errmsg_set(e, -ECANCELED, "it was frozen at the guard's terminal");
		} else if (host_sock_wait_readable(pidfd, 0) == 0) {
			r = errmsg_set(e, -ESRCH, "its process is gone");
		} else {
			pthread_cond_timedwait(&vm->changed, &v->lock, &until);
		}
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

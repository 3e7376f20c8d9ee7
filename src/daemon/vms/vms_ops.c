/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of a VM that has a process: pause, resume, stop, kill, update, pin. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"

/* For the stop event after PROTO_STOP, and for the death of a process. */
#define STOP_MS	 2000
#define DEATH_MS 10000

void vms_talk_begin(struct vms_vm *vm)
{
	pthread_mutex_lock(&vm->talk);
}

/*
 * What arrives while somebody talks is left to whoever that is: the watcher only notes it. So look
 * once more after unlocking; if another one has the lock by then, it is up to that one.
 */
void vms_talk_end(struct vms *v, struct vms_vm *vm)
{
	bool is_more;

	do {
		vms_events_take(v, vm);
		pthread_mutex_unlock(&vm->talk);
		pthread_mutex_lock(&v->lock);
		is_more = vm->has_event;
		vm->has_event = false;
		pthread_mutex_unlock(&v->lock);
	} while (is_more && pthread_mutex_trylock(&vm->talk) == 0);
}

void vms_cancel_locked(struct vms_vm *vm)
{
	if (vm->cancel_fd >= 0 && eventfd_write(vm->cancel_fd, 1) < 0) {
		BUG_ON(errno != EAGAIN); /* EAGAIN: it is readable already */
	}
}

int vms_ask(struct vms_vm *vm, enum proto_type type, const void *body, size_t bytes, int fd,
	    struct errmsg *e)
{
	if (vm->lv.pid <= 0) {
		return errmsg_set(e, -ESRCH, "the VM has no process");
	}
	return launch_vm_request(&vm->lv, type, body, bytes, fd, NULL, 0, NULL, e);
}

int vms_talk_open(struct vms *v, const char *id, struct vms_vm **ret, struct errmsg *e)
{
	int r = vms_ref_or(v, id, ret, e);

	if (r < 0) {
		return r;
	}
	r = vms_guard_refuse(v, *ret, e);
	if (r < 0) {
		vms_unref(v, *ret);
		return r;
	}
	vms_talk_begin(*ret);
	return 0;
}

void vms_talk_close(struct vms *v, struct vms_vm *vm)
{
	vms_talk_end(v, vm);
	vms_unref(v, vm);
}

int vms_need_state(struct vms *v, struct vms_vm *vm, enum vms_state want, const char *what,
		   struct errmsg *e)
{
	enum vms_state state;

	vms_events_take(v, vm);
	pthread_mutex_lock(&v->lock);
	state = vm->state;
	pthread_mutex_unlock(&v->lock);
	if (state == want) {
		return 0;
	}
	return errmsg_set(e, -EBUSY, "%s needs a VM that is %s; VM %s is %s", what,
			  vms_state_name(want), vm->spec.name, vms_state_name(state));
}

int vms_stand_still(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	int r = vms_sched(v, vm, SCHED_EV_VM_PAUSE, e);

	if (r < 0 && r != -EALREADY) {
		return r;
	}
	r = vms_ask(vm, PROTO_PAUSE, NULL, 0, -1, e);
	if (r < 0) {
		vms_sched(v, vm, SCHED_EV_VM_RESUME, NULL);
	}
	return r;
}

int vms_run_on(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	int r = vms_ask(vm, PROTO_RESUME, NULL, 0, -1, e);

	if (r < 0) {
		return r;
	}
	r = vms_sched(v, vm, SCHED_EV_VM_RESUME, e);
	if (r < 0 && r != -EALREADY) {
		vms_ask(vm, PROTO_PAUSE, NULL, 0, -1, NULL);
		return r;
	}
	/* Frozen in the middle of that: its pause must not be undone. */
	r = vms_guard_refuse(v, vm, e);
	if (r < 0) {
		vms_sched(v, vm, SCHED_EV_VM_PAUSE, NULL);
	}
	return r;
}

/* Written down too, so that another daemon goes on with it as it is. */
static void set_paused(struct vms *v, struct vms_vm *vm, bool is_paused)
{
	struct errmsg e = { 0 };

	pthread_mutex_lock(&v->lock);
	if (vm->state == (is_paused ? VMS_RUNNING : VMS_PAUSED)) {
		vms_state_set_locked(vm, is_paused ? VMS_PAUSED : VMS_RUNNING);
	}
	pthread_mutex_unlock(&v->lock);
	if (vms_record_write(v, vm, is_paused, &e) < 0) {
		log_warn("a VM's record is stale id=%s error=\"%s\"", vm->id, e.text);
	}
	vms_publish(v, vm, is_paused ? "vm.paused" : "vm.resumed", NULL);
}

int vms_pause(struct vms *v, const char *id, struct errmsg *e)
{
	struct vms_vm *vm;
	int r = vms_talk_open(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	r = vms_need_state(v, vm, VMS_RUNNING, "pause", e);
	r = r < 0 ? r : vms_stand_still(v, vm, e);
	if (r == 0) {
		set_paused(v, vm, true);
	}
	vms_talk_close(v, vm);
	return r;
}

/* A core of its own that was asked for while it could not be given. */
static void catch_up_exclusive(struct vms *v, struct vms_vm *vm)
{
	struct errmsg e = { 0 };
	int r;

	if (!vm->spec.is_exclusive) {
		return;
	}
	r = vms_excl_request(v, vm, &e);
	if (r == 0) {
		vms_alloc_put(v, vm, true);
	} else if (r != -EALREADY) {
		log_warn("a VM runs shared id=%s error=\"%s\"", vm->id, e.text);
	}
}

int vms_resume(struct vms *v, const char *id, struct errmsg *e)
{
	struct vms_vm *vm;
	int r = vms_talk_open(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	r = vms_need_state(v, vm, VMS_PAUSED, "resume", e);
	r = r < 0 ? r : vms_run_on(v, vm, e);
	if (r == 0) {
		set_paused(v, vm, false);
		catch_up_exclusive(v, vm);
	}
	vms_talk_close(v, vm);
	return r;
}

/* Without a process: leaves the fault queue, or there is nothing to end. */
static int end_without(struct vms *v, struct vms_vm *vm, enum vms_state end, struct errmsg *e)
{
	enum vms_state state;

	pthread_mutex_lock(&v->lock);
	state = vm->state;
	if (state == VMS_FAULTED) {
		vms_state_set_locked(vm, end);
	}
	pthread_mutex_unlock(&v->lock);
	if (state != VMS_FAULTED) {
		return errmsg_set(e, -EALREADY, "VM %s is %s", vm->spec.name,
				  vms_state_name(state));
	}
	vms_fault_leave(v, vm);
	vms_publish(v, vm, "vm.stopped", NULL);
	return 0;
}

static bool has_process(struct vms *v, const struct vms_vm *vm, bool *ret_is_silent)
{
	bool has;

	pthread_mutex_lock(&v->lock);
	has = vm->has_process;
	*ret_is_silent = vm->is_frozen || vm->state == VMS_FAULTED || vm->is_ending;
	pthread_mutex_unlock(&v->lock);
	return has;
}

static int await_end(struct vms *v, struct vms_vm *vm, uint64_t run, struct errmsg *e)
{
	return vms_end_wait(v, vm, run, DEATH_MS) < 0
		       ? errmsg_set(e, -ETIMEDOUT, "the process of VM %s does not die",
				    vm->spec.name)
		       : 0;
}

/* The context of a fault goes with its place in the queue. */
static void leave_faults(struct vms *v, struct vms_vm *vm)
{
	vms_talk_begin(vm);
	vms_fault_leave(v, vm);
	vms_talk_end(v, vm);
}

int vms_shutdown(struct vms *v, const char *id, struct errmsg *e)
{
	struct vms_vm *vm;
	int r = vms_talk_open(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	r = vms_need_state(v, vm, VMS_RUNNING, "shutdown", e);
	r = r < 0 ? r : vms_ask(vm, PROTO_POWER_PRESS, NULL, 0, -1, e);
	vms_talk_close(v, vm);
	return r == -ENODEV ? errmsg_set(e, -EBUSY,
					 "the guest of VM %s has no driver for a power button\n"
					 "stop it, or shut it down from inside",
					 vm->spec.name)
			    : r;
}

/* Talk is held, and released. @return the run that ends; 0: it has no process, *ret_r says whether that is an error */
static uint64_t stop_asked(struct vms *v, struct vms_vm *vm, int *ret_r, struct errmsg *e)
{
	struct errmsg why = { 0 };
	uint64_t run;
	bool is_silent;
	int r;

	if (!has_process(v, vm, &is_silent)) {
		*ret_r = end_without(v, vm, VMS_STOPPED, e);
		vms_talk_end(v, vm);
		return 0;
	}
	run = vm->run; /* changes while talk is held only */
	r = is_silent ? -EBUSY : vms_ask(vm, PROTO_STOP, NULL, 0, -1, &why);
	vms_talk_end(v, vm);
	if (is_silent) {
		vms_end_begin(v, vm, VMS_STOPPED, NULL, NULL);
	} else if (r < 0 && r != -EBUSY) {
		vms_end_begin(v, vm, VMS_KILLED, NULL, why.text);
	}
	return run;
}

int vms_stop(struct vms *v, const char *id, struct errmsg *e)
{
	struct vms_vm *vm;
	uint64_t run;
	int r = vms_ref_or(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	if (vms_guard_refuse(v, vm, NULL) < 0) {
		run = vms_end_begin(v, vm, VMS_STOPPED, NULL, NULL); /* it can't be asked */
	} else {
		vms_talk_begin(vm);
		run = stop_asked(v, vm, &r, e);
	}
	if (run == 0) {
		vms_unref(v, vm);
		return r;
	}
	/* Its report of the end comes by itself; one that keeps it back is ended all the same. */
	if (vms_end_wait(v, vm, run, STOP_MS) < 0) {
		vms_end_begin(v, vm, VMS_KILLED, NULL, "it did not stop when it was asked to");
	}
	r = await_end(v, vm, run, e);
	leave_faults(v, vm);
	vms_unref(v, vm);
	return r;
}

int vms_kill(struct vms *v, const char *id, struct errmsg *e)
{
	struct vms_vm *vm;
	uint64_t run;
	bool is_silent;
	int r = vms_ref_or(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	if (!has_process(v, vm, &is_silent)) {
		r = end_without(v, vm, VMS_KILLED, e);
		vms_unref(v, vm);
		return r;
	}
	run = vms_end_begin(v, vm, VMS_KILLED, NULL, "killed on request");
	r = await_end(v, vm, run, e);
	leave_faults(v, vm);
	vms_unref(v, vm);
	return r;
}

uint32_t vms_kill_user(struct vms *v, uid_t uid)
{
	struct vms_vm **list;
	uint32_t n = 0;

	pthread_mutex_lock(&v->lock);
	list = calloc(v->n_vms + 1, sizeof(struct vms_vm *));
	for (struct vms_vm *vm = v->first; list && vm; vm = vm->next) {
		if (vm->owner == uid && vm->has_process) {
			vm->refs++;
			list[n++] = vm;
		}
	}
	pthread_mutex_unlock(&v->lock);
	for (uint32_t i = 0; i < n; i++) {
		vms_end_begin(v, list[i], VMS_KILLED, NULL, "its user was banned");
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t run = vms_end_begin(v, list[i], VMS_KILLED, NULL, NULL);

		vms_end_wait(v, list[i], run, DEATH_MS);
		vms_unref(v, list[i]);
	}
	free(list);
	return n;
}

/* The new definition, checked. */
static int update_spec(const struct vms_update *u, struct vm_spec *s, struct errmsg *e)
{
	if (u->mask & SCHED_UPDATE_PRIO) {
		if (u->prio >= SCHED_LEVELS) {
			return errmsg_set(e, -EINVAL, "a priority is from 0 to %d",
					  SCHED_LEVELS - 1);
		}
		s->prio = u->prio;
	}
	if (u->mask & SCHED_UPDATE_SLICE) {
		if (u->slice_ns < SCHED_SLICE_MIN_NS || u->slice_ns > SCHED_SLICE_MAX_NS) {
			return errmsg_set(e, -EINVAL, "a slice is from 0.5 ms to 100 ms");
		}
		s->config.slice_ns = u->slice_ns;
	}
	if (u->mask & VMS_UPDATE_LIMITS) {
		const uint64_t mem_bytes = s->config.limits.mem_bytes;

		if (u->limits.cpu_ns > INT64_MAX || u->limits.insns > INT64_MAX ||
		    u->limits.wall_ns > INT64_MAX) {
			return errmsg_set(e, -EINVAL, "a limit is out of range");
		}
		s->config.limits = u->limits;
		s->config.limits.mem_bytes = mem_bytes;
	}
	return 0;
}

/* One that runs: its process, then the scheduler. */
static int update_running(struct vms *v, struct vms_vm *vm, const struct vms_update *u,
			  const struct vm_spec *s, struct errmsg *e)
{
	struct sched_event ev = { .type = SCHED_EV_VM_UPDATE,
				  .prio = s->prio,
				  .slice_ns = s->config.slice_ns,
				  .limit_cpu_ns = vms_backstop_ns(s->config.limits.cpu_ns) };
	int r = 0;

	if (u->mask & VMS_UPDATE_LIMITS) {
		r = vms_ask(vm, PROTO_SET_LIMIT, &s->config.limits, sizeof(s->config.limits), -1,
			    e);
		ev.mask = SCHED_UPDATE_LIMIT;
	}
	ev.mask |= u->mask & (SCHED_UPDATE_PRIO | SCHED_UPDATE_SLICE);
	pthread_mutex_lock(&v->lock);
	ev.vm = vm->slot;
	ev.gen = vm->gen;
	pthread_mutex_unlock(&v->lock);
	return r < 0 || !ev.mask ? r : dispatch_event(v->o.dispatch, &ev, e);
}

/* All that may change after a VM was defined: the rest is read without a lock. */
static void spec_set(struct vms *v, struct vms_vm *vm, const struct vm_spec *s)
{
	pthread_mutex_lock(&v->lock);
	vm->spec.prio = s->prio;
	vm->spec.config.slice_ns = s->config.slice_ns;
	vm->spec.config.limits = s->config.limits;
	vm->spec.is_exclusive = s->is_exclusive;
	vm->spec.host_core = s->host_core;
	pthread_mutex_unlock(&v->lock);
}

/* Written down first: a full disk must not leave a VM with what its definition does not say. */
static int update_both(struct vms *v, struct vms_vm *vm, const struct vms_update *u,
		       const struct vm_spec *s, struct errmsg *e)
{
	struct errmsg why = { 0 };
	bool is_silent;
	bool runs = has_process(v, vm, &is_silent);
	int r = runs && is_silent ? errmsg_set(e, -EBUSY, "VM %s has ended", s->name)
				  : vms_row_put(v, vm, s, STORE_PUT, e);

	if (r < 0 || !runs) {
		return r;
	}
	r = update_running(v, vm, u, s, e);
	if (r < 0 && vms_row_put(v, vm, &vm->spec, STORE_PUT, &why) < 0) {
		log_warn("a VM's next start has what it was refused now id=%s error=\"%s\"", vm->id,
			 why.text);
	}
	return r;
}

int vms_update(struct vms *v, const char *id, const struct vms_update *u, struct errmsg *e)
{
	struct vm_spec s;
	struct vms_vm *vm;
	int r = vms_talk_open(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	s = vm->spec; /* changed by holders of this lock only */
	r = update_spec(u, &s, e);
	r = r < 0 ? r : update_both(v, vm, u, &s, e);
	if (r == 0) {
		spec_set(v, vm, &s);
		vms_publish(v, vm, "vm.updated", NULL);
	}
	vms_talk_close(v, vm);
	return r;
}

static bool is_running(struct vms *v, const struct vms_vm *vm)
{
	bool is;

	pthread_mutex_lock(&v->lock);
	is = vm->state == VMS_RUNNING;
	pthread_mutex_unlock(&v->lock);
	return is;
}

/* Pinned to another core than before, or to none. @p old is put back when that fails */
static int repin(struct vms *v, struct vms_vm *vm, const struct vm_spec *old,
		 const struct vm_spec *s, struct errmsg *e)
{
	bool runs = is_running(v, vm);
	int r = 0;

	spec_set(v, vm, s);
	if (runs && old->is_exclusive) {
		vms_sched(v, vm, SCHED_EV_EXCL_RELEASE, NULL);
	}
	if (runs && s->is_exclusive) {
		r = vms_excl_request(v, vm, e);
	}
	r = r < 0 ? r : vms_row_put(v, vm, s, STORE_PUT, e);
	if (r == 0) {
		if (runs) {
			vms_alloc_put(v, vm, s->is_exclusive);
		}
		return 0;
	}
	if (runs && s->is_exclusive) {
		vms_sched(v, vm, SCHED_EV_EXCL_RELEASE, NULL);
	}
	spec_set(v, vm, old);
	if (runs && old->is_exclusive) {
		vms_excl_request(v, vm, NULL);
	}
	return r;
}

static int set_pin(struct vms *v, const char *id, bool is_exclusive, uint16_t host_core,
		   struct errmsg *e)
{
	struct vm_spec old, s;
	struct vms_vm *vm;
	uint16_t core;
	int r = 0;

	if (host_core != SPEC_CORE_ANY) {
		r = vms_pool_core(v, host_core, &core, e);
	}
	r = r < 0 ? r : vms_talk_open(v, id, &vm, e);
	if (r < 0) {
		return r;
	}
	old = s = vm->spec; /* changed by holders of this lock only */
	s.is_exclusive = is_exclusive;
	s.host_core = host_core;
	if (s.is_exclusive == old.is_exclusive && s.host_core == old.host_core) {
		r = errmsg_set(e, -EALREADY, "VM %s is pinned like that already", s.name);
		r = is_exclusive ? r : errmsg_set(e, r, "VM %s is not pinned", s.name);
	} else {
		r = repin(v, vm, &old, &s, e);
	}
	if (r == 0) {
		vms_publish(v, vm, is_exclusive ? "vm.pinned" : "vm.unpinned", NULL);
	}
	vms_talk_close(v, vm);
	return r;
}

int vms_pin(struct vms *v, const char *id, uint16_t host_core, struct errmsg *e)
{
	return set_pin(v, id, true, host_core, e);
}

int vms_unpin(struct vms *v, const char *id, struct errmsg *e)
{
	return set_pin(v, id, false, SPEC_CORE_ANY, e);
}

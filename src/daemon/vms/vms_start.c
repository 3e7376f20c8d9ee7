/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a VM, on the thread of who asks for it:
 *
 *   quota, slot ─▶ image, folder, socket, cgroup ─▶ pages of the dispatcher ─▶ launch_vm(): it is attached and
 *   started, and waits for a grant ─▶ record ─▶ dispatcher watches, VM_START: grants flow ─▶ watcher watches
 *
 * Whatever fails is undone by vms_bury(), which knows from the VM how far it came. A kill may come at
 * any moment: it sets is_ending, and the cancel descriptor ends every wait.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/task.h"
#include "proto/grant.h"

/* A VM ends itself at its limit; one that does not is ended by the scheduler this much later. */
#define BACKSTOP_NS (100 * NS_PER_MS)

ns_t vms_backstop_ns(ns_t limit_ns)
{
	return limit_ns ? limit_ns + limit_ns / 8 + BACKSTOP_NS : 0;
}

int vms_pool_core(const struct vms *v, uint16_t host_core, uint16_t *ret, struct errmsg *e)
{
	const struct sched_roles *roles = partition_roles(v->o.partition);

	for (uint32_t i = 0; i < roles->n_pool; i++) {
		if (roles->pool[i] == host_core) {
			*ret = (uint16_t)i;
			return 0;
		}
	}
	return errmsg_set(e, -EINVAL, "core %u is not in the pool", host_core);
}

int vms_excl_request(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct sched_event ev = { .type = SCHED_EV_EXCL_REQUEST, .core = SCHED_CORE_NONE };
	uint16_t host_core;
	int r = 0;

	pthread_mutex_lock(&v->lock);
	host_core = vm->spec.host_core;
	ev.vm = ev.vcpu = vm->slot;
	ev.gen = vm->gen;
	pthread_mutex_unlock(&v->lock);
	if (host_core != SPEC_CORE_ANY) {
		r = vms_pool_core(v, host_core, &ev.core, e);
	}
	return r < 0 ? r : dispatch_event(v->o.dispatch, &ev, e);
}

/* From here on a kill waits until the scheduler can be told of it. @return 0; -ECANCELED: one came before that */
static int begin_add(struct vms *v, struct vms_vm *vm, struct dispatch_vm *d, struct errmsg *e)
{
	bool is_ending;

	pthread_mutex_lock(&v->lock);
	d->gen = vm->gen;
	d->prio = vm->spec.prio;
	d->slice_ns = vm->spec.config.slice_ns;
	d->limit_cpu_ns = vms_backstop_ns(vm->spec.config.limits.cpu_ns);
	d->is_alone = !vm->spec.net[0];
	is_ending = vm->is_ending;
	vm->is_adding = !is_ending;
	pthread_mutex_unlock(&v->lock);
	/* What it used under an earlier daemon counts. */
	if (d->limit_cpu_ns) {
		d->limit_cpu_ns = d->limit_cpu_ns > vm->cpu_ns ? d->limit_cpu_ns - vm->cpu_ns : 1;
	}
	return is_ending ? errmsg_set(e, -ECANCELED, "the VM was killed while it started") : 0;
}

int vms_dispatch_add(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct dispatch_vm d = { .pid = vm->lv.pid,
				 .tid = vm->tid,
				 .tids = vm->tids,
				 .n_tids = vm->n_tids,
				 .pidfd = vm->lv.pidfd };
	bool is_ending;
	int r = users_number(v->o.users, vm->owner, &d.user, e);

	r = r < 0 ? r : begin_add(v, vm, &d, e);
	if (r < 0) {
		return r;
	}
	memcpy(d.freeze_dir, vm->freeze_dir, sizeof(d.freeze_dir));
	r = dispatch_vm_add(v->o.dispatch, vm->slot, &d, e);
	pthread_mutex_lock(&v->lock);
	vm->is_adding = false;
	vm->is_added = r == 0;
	is_ending = vm->is_ending;
	pthread_mutex_unlock(&v->lock);
	if (r == 0 && is_ending) {
		vms_sched(v, vm, SCHED_EV_VM_KILL, NULL);
		return errmsg_set(e, -ECANCELED, "the VM was killed while it started");
	}
	return r;
}

/*
 * Its process will be in the root group, and no group of its own holds. It is not born into one either: until Linux 6.1 each move
 * lets it run on all cores of the group, and only the last one, to the root, finds it standing still (docs/partition.md).
 */
static bool is_moved_to_root(const struct vms *v)
{
	return partition_backend_get(v->o.partition) == PARTITION_ISOLATED;
}

static void launch_options_fill(const struct vms *v, const struct vms_vm *vm,
				const struct vm_spec *spec, struct launch_options *o)
{
	launch_options_defaults(o);
	o->config = spec->config;
	memset(o->config.name, 0, sizeof(o->config.name));
	memcpy(o->config.name, spec->name, strnlen(spec->name, sizeof(o->config.name) - 1));
	o->config.jail = PROTO_JAIL_OUTLIVE;
	o->vm_program = v->o.vm_program;
	o->is_kvm_allowed = spec->is_kvm_allowed;
	o->reply_ms = v->o.reply_ms;
	o->cancel_fd = vm->cancel_fd;
	o->zygote = v->zygotes[launch_zygote_kind_of(spec->config.engine)];
	o->join_fd = partition_join_fd(v->o.partition);
	o->is_unlimited = is_moved_to_root(v);
}

/* The VM is born into its own folder, unless the limits moved it to another. */
static void settle_cgroup(const struct vms *v, struct vms_vm *vm)
{
	size_t n = strlen(v->cgroup_mount);
	const char *moved = vm->lv.cgroup_pids[0] ? vm->lv.cgroup_pids : vm->lv.cgroup_memory;

	memcpy(vm->freeze_dir, vm->cgroup_dir, sizeof(vm->freeze_dir));
	if (vm->cgroup_dir[0] && strncmp(moved, v->cgroup_mount, n) == 0 && moved[n] == '/') {
		memcpy(vm->freeze_dir, moved, sizeof(vm->freeze_dir));
	}
}

int vms_admit(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	int n = host_task_list(vm->lv.pid, vm->tids, VMS_TIDS);
	int r;

	vm->n_tids = n > 0 && n <= (int)VMS_TIDS ? (uint32_t)n : 0;
	if (host_task_find_in(vm->lv.pid, vm->tids, vm->n_tids, GRANT_THREAD_NAME, &vm->tid) < 0) {
		return errmsg_set(e, -EPROTO, "the VM process has not one vCPU thread");
	}
	r = partition_admit(v->o.partition, vm->lv.pid, vm->tid, vm->freeze_dir, e);
	if (r == 0 && strcmp(vm->freeze_dir, vm->cgroup_dir) != 0) {
		/* It lives elsewhere now. */
		vms_cgroup_give(v, vm->slot, vm->cgroup_dir, &vm->cgroup_fd);
		vm->cgroup_dir[0] = '\0';
	}
	return r;
}

static void tell_zygotes(struct vms *v)
{
	for (int i = 0; i < LAUNCH_ZYGOTES; i++) {
		bool is_broken = v->zygotes[i] && launch_zygote_is_broken(v->zygotes[i]);

		if (atomic_exchange(&v->is_zygote_broken[i], is_broken) != is_broken) {
			log_warn("a zygote %s",
				 is_broken ? "failed: VMs start slowly until there is a new one"
					   : "was replaced");
		}
	}
}

/* What it runs: an image, a context, or both, in memory and shared with the other VMs that run it. */
static int images_fill(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec,
		       struct launch_options *o, struct errmsg *e)
{
	int r = 0;

	if (spec->image[0]) {
		r = vms_image_get(v, spec->image, &vm->image, e);
		o->image_fd = r < 0 ? -1 : vm->image->fd;
	}
	if (r == 0 && spec->context[0]) {
		r = vms_image_get(v, spec->context, &vm->context, e);
		o->context_fd = r < 0 ? -1 : vm->context->fd;
		if (r == 0 && atomic_load(&vm->context->is_summed)) {
			o->config.flags |= PROTO_CFG_CONTEXT_SUMMED;
		}
	}
	return r;
}

int vms_launch_fill(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec,
		    struct launch_options *o, struct errmsg *e)
{
	int r;

	launch_options_fill(v, vm, spec, o);
	r = images_fill(v, vm, spec, o, e);
	if (r == 0 && spec->kernel[0]) {
		r = vms_image_get(v, spec->kernel, &vm->kernel, e);
		o->kernel_fd = r < 0 ? -1 : vm->kernel->fd;
	}
	if (r == 0 && spec->initrd[0]) {
		r = vms_image_get(v, spec->initrd, &vm->initrd, e);
		o->initrd_fd = r < 0 ? -1 : vm->initrd->fd;
	}
	return r;
}

/* Its process, ready, with the scheduler's pages. */
static int launch_with(struct vms *v, struct vms_vm *vm, struct launch_options *o, struct errmsg *e)
{
	_cleanup_close_ int listen_fd = vms_dir_make(v, vm->id, e);
	struct dispatch_fds fds;
	int r;

	if (listen_fd < 0) {
		return listen_fd;
	}
	o->listen_fd = listen_fd;
	vm->cgroup_fd = is_moved_to_root(v) ? -1 : vms_cgroup_make(v, vm->slot, vm->cgroup_dir);
	o->cgroup_fd = vm->cgroup_fd;
	r = dispatch_slot_open(v->o.dispatch, vm->slot, &fds, e);
	if (r < 0) {
		return r;
	}
	vm->is_slot_open = true;
	o->grant_fd = fds.grant_fd;
	o->ack_fd = fds.ack_fd;
	o->notify_fd = fds.notify_fd;
	o->config.flags |= PROTO_CFG_START;
	r = launch_vm(o, &vm->lv, e);
	if (r < 0) {
		return r;
	}
	if (vm->context) {
		/* It has loaded it, and no guest has run yet. A lie would only keep damage unseen. */
		atomic_store(&vm->context->is_summed, true);
	}
	if (vm->cgroup_fd >= 0 && vm->slot >= VMS_CGROUPS_KEPT) {
		close(vm->cgroup_fd);
		vm->cgroup_fd = -1;
	}
	tell_zygotes(v);
	settle_cgroup(v, vm);
	return vms_admit(v, vm, e);
}

static int launch(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec, struct errmsg *e)
{
	struct launch_options o;
	int r;

	r = vms_launch_fill(v, vm, spec, &o, e);
	o.net = spec->net[0] ? spec->net : NULL;
	r = r < 0 ? r : vms_disks_open(v, vm->id, spec, o.disks, e);
	if (r == 0) {
		vms_code_get(v, vm, spec, &o);
	}
	r = r < 0 ? r : launch_with(v, vm, &o, e);
	vms_disks_put(o.disks); /* the VM has its own */
	if (r == 0) {
		vms_code_started(v, vm, spec);
	}
	return r;
}

/* Shown, written down, started, watched. */
static int introduce(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	const struct proto_ready *ready = &vm->lv.ready;
	int r;

	pthread_mutex_lock(&v->lock);
	vms_pid_set_locked(v, vm, vm->lv.pid);
	vm->pidfd = vm->lv.pidfd;
	vm->net_pid = vm->lv.net_pid;
	memcpy(vm->arch, ready->arch_name, sizeof(vm->arch));
	memcpy(vm->engine, ready->engine, sizeof(vm->engine));
	memcpy(vm->reason, ready->reason, sizeof(vm->reason));
	vm->code_loaded = ready->code_loaded;
	r = vm->is_ending ? errmsg_set(e, -ECANCELED, "the VM was killed while it started") : 0;
	pthread_mutex_unlock(&v->lock);
	r = r < 0 ? r : vms_record_write(v, vm, false, e);
	r = r < 0 ? r : vms_guard_add(v, vm, e);
	r = r < 0 ? r : vms_dispatch_add(v, vm, e);
	if (r < 0) {
		return r;
	}
	/* What it has said meanwhile is heard now. */
	r = vms_watch_add(v, vm, e);
	if (r < 0) {
		vms_sched(v, vm, SCHED_EV_VM_KILL, NULL); /* it may be on a core */
	}
	return r;
}

/* All of it, with VM_START. */
static int make_ready(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec,
		      struct errmsg *e)
{
	uint32_t user;
	int r;

	r = users_number(v->o.users, vm->owner, &user, e);
	r = r < 0 ? r : users_charge(v->o.users, vm->owner, spec->config.limits.mem_bytes, e);
	if (r < 0) {
		return r;
	}
	vms_charged_set(v, vm, true);
	r = vms_slot_take(v, vm, e);
	if (r < 0) {
		return r;
	}
	while (sem_wait(&v->launches) < 0) {
		BUG_ON(errno != EINTR);
	}
	r = launch(v, vm, spec, e);
	r = r < 0 ? r : introduce(v, vm, e);
	sem_post(&v->launches);
	return r;
}

/* Whether it may start; then it is starting. */
static int begin(struct vms *v, struct vms_vm *vm, struct vm_spec *ret_spec, struct errmsg *e)
{
	int cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = 0;

	if (cancel_fd < 0) {
		return errmsg_set(e, -errno, "no descriptor is left: %s", strerror(errno));
	}
	pthread_mutex_lock(&v->lock);
	if (vm->is_removing || v->is_closing) {
		r = errmsg_set(e, -ENOENT, "VM %s goes away", vm->spec.name);
	} else if (vm->has_process) {
		r = errmsg_set(e, -EALREADY, "VM %s is %s", vm->spec.name,
			       vms_state_name(vm->state));
	}
	if (r < 0) {
		pthread_mutex_unlock(&v->lock);
		close(cancel_fd);
		return r;
	}
	vm->has_process = true;
	vm->cancel_fd = cancel_fd;
	vm->is_ending = vm->is_added = vm->is_frozen = vm->is_closed = vm->has_event = false;
	vm->is_guard_frozen = vm->is_guard_killed = false;
	vm->has_stop = false;
	vm->fault = SCHED_REASON_NONE;
	vm->message[0] = vm->reason[0] = '\0';
	vm->cpu_ns = vm->wait_ns = vm->slices = vm->memory_bytes = vm->peak_bytes = 0;
	vm->resets = 0;
	vm->started_ns = vms_now_ns();
	vm->ended_ns = 0;
	vm->run = store_run_next(v->o.store);
	vm->runs++;
	*ret_spec = vm->spec;
	vms_state_set_locked(vm, VMS_STARTING);
	pthread_mutex_unlock(&v->lock);
	vm->lv = (struct launch_vm)LAUNCH_VM_NONE;
	vm->cgroup_dir[0] = vm->freeze_dir[0] = '\0';
	vms_console_reset(vm);
	return 0;
}

/* It did not come to run: as if nothing had happened, but for the reason. @return that reason */
static int undo(struct vms *v, struct vms_vm *vm, int r, struct errmsg *e)
{
	bool is_mine;

	pthread_mutex_lock(&v->lock);
	if (vm->is_ending) {
		r = errmsg_set(e, -ECANCELED, "the VM was killed while it started");
	}
	/* A kill that the scheduler knows of ends at the reaper. */
	is_mine = !vm->is_ending || !vm->is_added;
	if (!vm->is_ending) {
		vm->is_ending = true;
		vm->end_state = --vm->runs ? VMS_STOPPED : VMS_CREATED;
		snprintf(vm->reason, sizeof(vm->reason), "%s", e->text);
	}
	vm->is_closed = true; /* no row of the history */
	pthread_mutex_unlock(&v->lock);
	if (is_mine) {
		vms_bury(v, vm);
	}
	return r;
}

/* The scheduler has it. */
static void go(struct vms *v, struct vms_vm *vm)
{
	pthread_mutex_lock(&v->lock);
	if (vm->state == VMS_STARTING) {
		vms_state_set_locked(vm, VMS_RUNNING);
	}
	pthread_mutex_unlock(&v->lock);
	vms_run_put(v, vm, "");
	vms_publish(v, vm, "vm.started", NULL);
}

/* With the lock for talking held. */
static int start(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct vm_spec spec;
	int r;

	r = begin(v, vm, &spec, e);
	if (r < 0) {
		return r;
	}
	if (vm->runs > 1) {
		vms_fault_forget(v, vm);
	}
	r = make_ready(v, vm, &spec, e);
	if (r < 0) {
		return undo(v, vm, r, e);
	}
	go(v, vm);
	if (spec.is_exclusive) {
		r = vms_excl_request(v, vm, e);
		if (r < 0) {
			errmsg_prefix(e, "no core for VM %s alone: ", spec.name);
			vms_end_begin(v, vm, VMS_STOPPED, NULL, e->text);
			return r;
		}
		vms_alloc_put(v, vm, true);
	}
	return 0;
}

/* A process that is kept in the fault queue makes room for a new run. */
static int clear_fault(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	uint64_t run;
	bool is_kept;

	pthread_mutex_lock(&v->lock);
	is_kept = vm->has_process && vm->state == VMS_FAULTED;
	pthread_mutex_unlock(&v->lock);
	if (!is_kept) {
		return 0;
	}
	run = vms_end_begin(v, vm, VMS_FAULTED, NULL, NULL);
	return vms_end_wait(v, vm, run, v->o.reply_ms) < 0
		       ? errmsg_set(e, -EBUSY, "the process of its last run does not die")
		       : 0;
}

int vms_start(struct vms *v, const char *id, struct errmsg *e)
{
	struct errmsg local = { 0 };
	struct vms_vm *vm;
	uint64_t run;
	int r = vms_ref_or(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	e = e ? e : &local;
	r = vms_guard_refuse(v, vm, e);
	r = r < 0 ? r : clear_fault(v, vm, e);
	if (r == 0) {
		vms_talk_begin(vm);
		r = start(v, vm, e);
		run = vm->run; /* changes while talk is held only */
		vms_talk_end(v, vm);
		if (r < 0 && r != -EALREADY) {
			/* What is being killed is gone when this returns. */
			vms_end_wait(v, vm, run, v->o.reply_ms);
		}
	}
	vms_unref(v, vm);
	return r;
}

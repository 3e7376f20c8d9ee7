/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a run: decided by vms_end_begin(), carried out by the dispatcher (which takes the core
 * back first), seen by the dispatcher (DISPATCH_DIED), and tidied up by the reaper.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/timer.h"

/* A kill goes through the scheduler; after this long it goes to the process directly, too. */
#define DIRECT_KILL_MS 1000

void vms_reap(struct vms *v, struct vms_vm *vm)
{
	pthread_mutex_lock(&v->lock);
	vms_queue_put_locked(v, VMS_REAPER, vm);
	pthread_mutex_unlock(&v->lock);
}

static void end_direct_locked(struct vms_vm *vm)
{
	if (vm->has_process && vm->pidfd >= 0) {
		host_proc_kill(vm->pidfd, SIGKILL);
	}
}

uint64_t vms_end_begin(struct vms *v, struct vms_vm *vm, enum vms_state end,
		       const struct proto_stopped *stop, const char *message)
{
	struct sched_event kill_ev = { .type = SCHED_EV_VM_KILL, .core = SCHED_CORE_NONE };
	uint64_t run;
	bool is_added;
	int r;

	pthread_mutex_lock(&v->lock);
	run = vm->has_process ? vm->run : 0;
	if (!vm->has_process || vm->is_ending) {
		pthread_mutex_unlock(&v->lock);
		return run;
	}
	vm->is_ending = true;
	vm->end_state = end;
	if (stop) {
		vm->stop = *stop;
		vm->has_stop = true;
	}
	if (message) {
		snprintf(vm->message, sizeof(vm->message), "%s", message);
	}
	if (end != VMS_FAULTED) {
		vms_state_set_locked(vm, VMS_STOPPING);
	}
	vms_cancel_locked(vm);
	is_added = vm->is_added;
	if (!is_added && !vm->is_adding) {
		end_direct_locked(vm);
	}
	/* By these it is this run that dies, even if another one begins meanwhile. */
	kill_ev.vm = vm->slot;
	kill_ev.gen = vm->gen;
	pthread_mutex_unlock(&v->lock);
	r = is_added ? dispatch_event(v->o.dispatch, &kill_ev, NULL) : 0;
	if (r < 0 && r != -EALREADY) {
		pthread_mutex_lock(&v->lock);
		if (vm->run == run) {
			end_direct_locked(vm);
		}
		pthread_mutex_unlock(&v->lock);
	}
	return run;
}

int vms_end_wait(struct vms *v, struct vms_vm *vm, uint64_t run, uint32_t timeout_ms)
{
	uint32_t waited_ms = 0;
	int r = 0;

	pthread_mutex_lock(&v->lock);
	while (vm->has_process && vm->run == run && waited_ms < timeout_ms) {
		struct timespec until = host_deadline(DIRECT_KILL_MS * NS_PER_MS);

		if (pthread_cond_timedwait(&vm->changed, &v->lock, &until) == ETIMEDOUT) {
			waited_ms += DIRECT_KILL_MS;
			if (vm->is_ending && vm->run == run) {
				end_direct_locked(vm);
			}
		}
	}
	r = vm->has_process && vm->run == run ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&v->lock);
	return r;
}

/* How a process ended that nobody ended. */
static void describe_death(const struct vms_vm *vm, bool is_known, int status, char *buf,
			   size_t size)
{
	const char *words = vm->out.words;
	char how[96];

	if (!is_known) {
		snprintf(how, sizeof(how), "the VM process is gone");
	} else {
		launch_describe_end(WIFEXITED(status),
				    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), how,
				    sizeof(how));
	}
	snprintf(buf, size, "%s%s%s", how, words[0] ? ": " : "", words);
}

/* Reap it, and say how it ended if nobody knows better. */
static void take_status(struct vms *v, struct vms_vm *vm)
{
	struct rusage usage = { 0 };
	bool is_known = !vm->lv.is_stranger;
	pid_t pid = vm->lv.pid;
	const char *cause;
	char how[PROTO_TEXT];
	int status = 0;

	if (pid <= 0) {
		return;
	}
	is_known = launch_vm_wait(&vm->lv, &status, &usage) == 0 && is_known;
	describe_death(vm, is_known, status, how, sizeof(how));
	cause = vms_guard_cause(v, vm, pid); /* the wait has forgotten it */
	pthread_mutex_lock(&v->lock);
	if (!vm->is_ending) {
		vm->is_ending = true;
		vm->end_state = vm->state == VMS_FAULTED ? VMS_FAULTED : VMS_KILLED;
		if (vm->state != VMS_FAULTED) {
			snprintf(vm->message, sizeof(vm->message), "%s", cause ? cause : how);
		}
	}
	if ((uint64_t)usage.ru_maxrss * 1024 > vm->peak_bytes) {
		vm->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
	}
	pthread_mutex_unlock(&v->lock);
}

/* The dispatcher forgets it, and the slot is free. */
static void leave_dispatcher(struct vms *v, struct vms_vm *vm)
{
	struct dispatch_vm_info last = { 0 };
	struct errmsg e = { 0 };
	int r = 0;

	if (vm->is_added) {
		r = dispatch_vm_remove(v->o.dispatch, vm->slot, vm->gen, &last, &e);
		if (r < 0) {
			log_err("the dispatcher keeps a dead VM id=%s slot=%u error=\"%s\"", vm->id,
				vm->slot, e.text);
		}
	} else if (vm->is_slot_open) {
		dispatch_slot_close(v->o.dispatch, vm->slot);
	}
	pthread_mutex_lock(&v->lock);
	vm->cpu_ns += last.vcpu.cpu_ns;
	vm->wait_ns += last.vcpu.wait_ns;
	vm->slices += last.vcpu.slices;
	vm->is_added = vm->is_slot_open = false;
	vms_pid_set_locked(v, vm, 0);
	vm->pidfd = -1;
	vm->net_pid = 0;
	pthread_mutex_unlock(&v->lock);
	vms_cgroup_give(v, vm->slot, vm->cgroup_dir, &vm->cgroup_fd);
	vms_slot_give(v, vm, r < 0);
}

static void result_text(const struct vms_vm *vm, char *buf, size_t size)
{
	switch (vm->end_state) {
	case VMS_KILLED:
		snprintf(buf, size, VMS_RESULT_KILLED "%s", vm->message);
		break;
	case VMS_FAULTED:
		snprintf(buf, size, VMS_RESULT_FAULT "%s", vm->message);
		break;
	default:
		snprintf(buf, size, "%s", vm->message[0] ? vm->message : "stopped");
		break;
	}
}

/* Written down and shown as over. */
static void announce(struct vms *v, struct vms_vm *vm)
{
	static const char *const types[VMS_STATES] = {
		[VMS_KILLED] = "vm.killed",
		[VMS_STOPPED] = "vm.stopped",
	};
	char result[VMS_RESULT_TEXT];
	char message[PROTO_TEXT];
	enum vms_state end;
	bool is_new;

	pthread_mutex_lock(&v->lock);
	end = vm->end_state;
	is_new = !vm->is_closed;
	if (!vm->ended_ns) {
		vm->ended_ns = vms_now_ns();
	}
	result_text(vm, result, sizeof(result));
	memcpy(message, vm->message, sizeof(message));
	vm->is_closed = true;
	pthread_mutex_unlock(&v->lock);
	if (is_new) {
		vms_run_put(v, vm, result);
	}
	pthread_mutex_lock(&v->lock);
	close(vm->cancel_fd);
	vm->cancel_fd = -1;
	vm->has_process = vm->is_frozen = vm->is_guard_frozen = vm->was_dead = vm->was_ending =
		false;
	vm->memory_bytes = 0;
	vms_state_set_locked(vm, end);
	pthread_mutex_unlock(&v->lock);
	if (types[end] && (is_new || end == VMS_KILLED)) {
		vms_publish(v, vm, types[end], message);
	}
}

void vms_charged_set(struct vms *v, struct vms_vm *vm, bool is_charged)
{
	pthread_mutex_lock(&v->lock);
	vm->is_charged = is_charged;
	pthread_mutex_unlock(&v->lock);
}

void vms_bury(struct vms *v, struct vms_vm *vm)
{
	bool had_core;

	launch_vm_force_stop(&vm->lv);
	vms_events_take(v, vm);
	vms_watch_remove(v, vm);
	vms_console_close(v, vm);
	take_status(v, vm);
	vms_guard_remove(v, vm);
	had_core = vm->is_added && vm->spec.is_exclusive;
	leave_dispatcher(v, vm);
	if (had_core) {
		vms_alloc_put(v, vm, false);
	}
	launch_vm_done(&vm->lv);
	vms_dir_remove(v, vm->id);
	vms_images_put(v, vm);
	vms_disks_trim(v, vm->id, &vm->spec);
	if (vm->is_charged) {
		users_release(v->o.users, vm->owner, vm->spec.config.limits.mem_bytes);
		vms_charged_set(v, vm, false);
	}
	announce(v, vm);
}

/* The report may be of the run before: what counts is whether the process of this run is dead. */
void vms_reap_one(struct vms *v, struct vms_vm *vm)
{
	vms_talk_begin(vm);
	if (vm->has_process && vm->lv.pid > 0 && vm->lv.pidfd >= 0 &&
	    host_sock_wait_readable(vm->lv.pidfd, 0) == 0) {
		vms_bury(v, vm);
	}
	vms_talk_end(v, vm);
}

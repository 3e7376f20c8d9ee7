/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sees to a machine's devices: their timers, and what their back-ends (disks, network, console) have for them.
 *
 *   the vCPU runs       its thread does, between two runs of the engine; news kick it out of the guest
 *   it stands, alone    its thread does: it wakes when something is due
 *   it stands, under a  the control thread does, on the housekeeping core, and asks for a core when the guest has
 *   scheduler           something to do: a vCPU thread without a grant executes nothing, whatever its guest waits for
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/bug.h"
#include "vm/vm_internal.h"

/* A guest may break and reset its devices as fast as it likes; who is told need not hear of it more often. */
#define NOTE_EVERY_NS NS_PER_S

int devices_start(struct vm *vm, struct errmsg *e)
{
	if (vm->is_system) {
		vm->due_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (vm->due_fd < 0) {
			return errmsg_set(e, -errno, "no timer for the devices: %s",
					  strerror(errno));
		}
	}
	return disks_start(&vm->disks, e);
}

void devices_note_stopped(struct vm *vm)
{
	struct proto_device *note = &vm->device_note;
	ns_t now_ns;

	if (!vm->is_system || atomic_load(&vm->has_device_note)) {
		return;
	}
	now_ns = host_clock_monotonic_ns();
	if (now_ns < vm->device_note_from_ns ||
	    !machine_stopped_device(vm->machine, note->text, sizeof(note->text))) {
		return;
	}
	vm->device_note_from_ns = now_ns + NOTE_EVERY_NS;
	atomic_store(&vm->has_device_note, true);
	vm->cb.on_output(vm->cb.opaque);
}

bool vm_device_note_take(struct vm *vm, struct proto_device *ret)
{
	if (!atomic_load(&vm->has_device_note)) {
		return false;
	}
	*ret = vm->device_note;
	atomic_store(&vm->has_device_note, false);
	return true;
}

void devices_poll(struct vm *vm)
{
	bool has_news = atomic_exchange(&vm->has_news, false);

	if (has_news) {
		disks_collect(&vm->disks, vm->machine);
		net_link_collect(&vm->net, vm->machine);
	}
	if (has_news || host_clock_monotonic_ns() >= vm->due_ns) {
		harts_poll_machine(vm);
	}
	vm->due_ns = harts_due_ns(vm);
}

void devices_arm(struct vm *vm, bool wants_core)
{
	struct itimerspec at = { 0 };

	if (vm->due_fd < 0 || !atomic_load(&vm->has_scheduler) ||
	    atomic_load(&vm->state) != PROTO_VM_RUNNING) {
		return;
	}
	if (atomic_load(&vm->has_news)) {
		at.it_value.tv_nsec = 1;
	} else if (!wants_core && vm->due_ns != UINT64_MAX) {
		at.it_value = host_timespec(vm->due_ns ? vm->due_ns : 1);
	}
	BUG_ON(timerfd_settime(vm->due_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0);
}

int vm_devices_fd(const struct vm *vm)
{
	return vm->due_fd;
}

static void drain(int fd)
{
	uint64_t times;

	if (read(fd, &times, sizeof(times)) < 0) {
		BUG_ON(errno != EAGAIN && errno != EINTR); /* EAGAIN: it was armed anew */
	}
}

void vm_devices_serve(struct vm *vm, bool is_due)
{
	bool wants_core = false;

	if (is_due) {
		drain(vm->due_fd);
	}
	if (!atomic_load(&vm->has_scheduler) || !(is_due || atomic_load(&vm->has_news))) {
		return;
	}
	if (pthread_mutex_trylock(&vm->run_lock) != 0) {
		/* It runs. What the time is it sees by itself, and arms the timer again when it stands. */
		if (atomic_load(&vm->has_news)) {
			pthread_kill(vm->thread, VM_KICK_SIGNAL);
		}
		return;
	}
	if (atomic_load(&vm->state) == PROTO_VM_RUNNING) {
		devices_poll(vm);
		wants_core = vm_is_runnable(vm);
		devices_arm(vm, wants_core);
	}
	pthread_mutex_unlock(&vm->run_lock);
	if (wants_core) {
		gate_wake(&vm->gate); /* it may be on its way at once: not with the lock */
	}
}

void devices_remind(struct vm *vm)
{
	if (vm->is_system && atomic_load(&vm->has_scheduler) && atomic_load(&vm->has_news)) {
		vm->cb.on_output(vm->cb.opaque);
	}
}

void vm_has_news(struct vm *vm)
{
	if (vm->is_system && vm->has_thread) {
		atomic_store(&vm->has_news, true);
		if (atomic_load(&vm->has_scheduler)) {
			vm->cb.on_output(vm->cb.opaque);
			return;
		}
		pthread_kill(vm->thread, VM_KICK_SIGNAL);
	}
	gate_wake(&vm->gate);
}

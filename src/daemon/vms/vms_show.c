/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is shown of VMs: one, all, waiting for an end, events, the log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "daemon/vms/vms_internal.h"
#include "host/timer.h"

#define LOG_BURST     20
#define LOG_REFILL_NS (500 * NS_PER_MS)

bool vms_state_is_end(enum vms_state s)
{
	return s == VMS_STOPPED || s == VMS_FAULTED || s == VMS_KILLED;
}

/* A running VM that waits for input is shown as blocked. */
static enum vms_state shown_state(const struct vms_vm *vm, const struct dispatch_vm_info *d)
{
	bool is_blocked = d && d->vcpu.state == SCHED_VCPU_BLOCKED;

	if (vm->is_guard_frozen && vm->state == VMS_RUNNING) {
		return VMS_PAUSED;
	}
	return vm->state == VMS_RUNNING && is_blocked ? VMS_BLOCKED : vm->state;
}

void vms_info_fill_locked(const struct vms *v, const struct vms_vm *vm,
			  const struct dispatch_vm_info *d, struct vms_info *ret)
{
	d = d && vm->is_added && d->vm.state != SCHED_VM_FREE && d->vm.gen == vm->gen ? d : NULL;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->id, vm->id, sizeof(ret->id));
	ret->spec = vm->spec;
	ret->owner = vm->owner;
	ret->state = shown_state(vm, d);
	ret->pid = vm->pid;
	ret->slot = vm->has_process ? vm->slot : SCHED_NONE;
	memcpy(ret->arch, vm->arch, sizeof(ret->arch));
	memcpy(ret->engine, vm->engine, sizeof(ret->engine));
	memcpy(ret->reason, vm->reason, sizeof(ret->reason));
	memcpy(ret->message, vm->message, sizeof(ret->message));
	ret->created_ns = vm->created_ns;
	ret->started_ns = vm->started_ns;
	ret->ended_ns = vm->ended_ns;
	ret->stop = vm->stop;
	ret->has_stop = vm->has_stop;
	ret->fault = vm->fault;
	ret->memory_bytes = vm->memory_bytes;
	ret->memory_peak_bytes = vm->peak_bytes;
	ret->cpu_ns = vm->cpu_ns;
	ret->wait_ns = vm->wait_ns;
	ret->slices = vm->slices;
	ret->code_loaded = vm->code_loaded;
	ret->runs = vm->runs;
	ret->resets = vm->resets;
	ret->has_fault_context = vm->has_fault_context;
	ret->is_guard_frozen = vm->is_guard_frozen;
	ret->dispatch.vcpu.core = ret->dispatch.vcpu.excl_core = SCHED_CORE_NONE;
	if (d) {
		ret->dispatch = *d;
		ret->cpu_ns += d->vcpu.cpu_ns;
		ret->wait_ns += d->vcpu.wait_ns;
		ret->slices += d->vcpu.slices;
		vms_counts_put(v, vm, ret->wait_ns, ret->slices);
	}
}

/* What is not guarded by v->lock. */
static void fill_rest(struct vms_vm *vm, struct vms_info *ret)
{
	pthread_mutex_lock(&vm->out_lock);
	ret->console_bytes = vm->out.total;
	pthread_mutex_unlock(&vm->out_lock);
	/* Younger than the last sample. */
	if (ret->pid > 0 && ret->memory_bytes == 0) {
		(void)vms_resident_bytes(ret->pid, &ret->memory_bytes);
	}
	if (ret->memory_bytes > ret->memory_peak_bytes) {
		ret->memory_peak_bytes = ret->memory_bytes;
	}
}

int vms_get(struct vms *v, const char *id, struct vms_info *ret)
{
	struct vms_vm *vm = vms_ref(v, id);
	struct dispatch_vm_info d;
	uint32_t slot;
	bool has_d;

	if (!vm) {
		return -ENOENT;
	}
	pthread_mutex_lock(&v->lock);
	slot = vm->is_added ? vm->slot : SCHED_NONE;
	pthread_mutex_unlock(&v->lock);
	has_d = slot != SCHED_NONE && dispatch_vm_get(v->o.dispatch, slot, &d) == 0;
	pthread_mutex_lock(&v->lock);
	vms_info_fill_locked(v, vm, has_d ? &d : NULL, ret);
	pthread_mutex_unlock(&v->lock);
	fill_rest(vm, ret);
	vms_unref(v, vm);
	return 0;
}

int vms_get_state(struct vms *v, const char *id, enum vms_state *ret)
{
	struct vms_vm *vm = vms_ref(v, id);

	if (!vm) {
		return -ENOENT;
	}
	pthread_mutex_lock(&v->lock);
	*ret = vm->state;
	pthread_mutex_unlock(&v->lock);
	vms_unref(v, vm);
	return 0;
}

struct vms_vm **vms_ref_all(struct vms *v, uint32_t *ret_n)
{
	struct vms_vm **all;
	uint32_t n = 0;

	pthread_mutex_lock(&v->lock);
	all = calloc(v->n_vms + 1, sizeof(struct vms_vm *));
	for (struct vms_vm *vm = v->first; all && vm; vm = vm->next) {
		vm->refs++;
		all[n++] = vm;
	}
	pthread_mutex_unlock(&v->lock);
	*ret_n = n;
	return all;
}

int vms_each(struct vms *v, int (*visit)(void *arg, const struct vms_info *i), void *arg)
{
	struct dispatch_vm_info *d = calloc(v->o.max_vms, sizeof(*d));
	struct vms_info *info = malloc(sizeof(*info));
	uint32_t n;
	uint32_t n_d = d ? dispatch_vms_get(v->o.dispatch, d, v->o.max_vms) : 0;
	struct vms_vm **all = vms_ref_all(v, &n);
	int r = all && d && info ? 0 : -ENOMEM;

	for (uint32_t i = 0; all && i < n; i++) {
		struct vms_vm *vm = all[i];

		if (r == 0) {
			pthread_mutex_lock(&v->lock);
			vms_info_fill_locked(v, vm, vm->slot < n_d ? &d[vm->slot] : NULL, info);
			pthread_mutex_unlock(&v->lock);
			fill_rest(vm, info);
			r = visit(arg, info);
		}
		vms_unref(v, vm);
	}
	free(all);
	free(info);
	free(d);
	return r;
}

int vms_wait(struct vms *v, const char *id, uint32_t timeout_ms, struct vms_info *ret)
{
	struct timespec until = host_deadline(timeout_ms * NS_PER_MS);
	struct vms_vm *vm = vms_ref(v, id);
	bool is_over;
	int r = 0;

	if (!vm) {
		return -ENOENT;
	}
	pthread_mutex_lock(&v->lock);
	while (!vms_state_is_end(vm->state) && !vm->is_removing && r == 0 && !v->is_closing) {
		r = pthread_cond_timedwait(&vm->changed, &v->lock, &until);
	}
	is_over = vms_state_is_end(vm->state);
	if (vm->is_removing && !is_over) {
		r = -ENOENT;
	} else {
		vms_info_fill_locked(v, vm, NULL, ret);
		r = is_over ? 1 : 0;
	}
	pthread_mutex_unlock(&v->lock);
	if (r == 1) {
		fill_rest(vm, ret);
	}
	vms_unref(v, vm);
	return r;
}

void vms_publish(struct vms *v, struct vms_vm *vm, const char *type, const char *message)
{
	char name[SPEC_NAME_MAX + 1];
	const char *state;
	json_t *o;

	pthread_mutex_lock(&v->lock);
	memcpy(name, vm->spec.name, sizeof(name));
	state = vms_state_name(vm->state);
	pthread_mutex_unlock(&v->lock);
	o = json_pack("{s:s, s:s, s:I, s:s}", "vm", name, "id", vm->id, "owner_uid",
		      (json_int_t)vm->owner, "state", state);
	if (o && message && message[0]) {
		json_object_set_new(o, "message", json_string(message));
	}
	events_publish(v->o.events, vm->owner, type, o);
}

bool vms_may_log(struct vms *v)
{
	uint64_t now = host_clock_monotonic_ns();
	uint64_t last = atomic_load(&v->log_tokens_ns);
	uint64_t base;

	do {
		/* The moment at which the oldest of LOG_BURST tokens was used up. */
		base = now > LOG_BURST * LOG_REFILL_NS ? now - LOG_BURST * LOG_REFILL_NS : 0;
		base = (last > base ? last : base) + LOG_REFILL_NS;
		if (base > now) {
			return false;
		}
	} while (!atomic_compare_exchange_weak(&v->log_tokens_ns, &last, base));
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table itself: VMs by id, name and process, who owns how many, slots. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fnv.h"
#include "daemon/vms/vms_internal.h"

/* Names and ids are bounded, and a user's names are his own trouble. */
static uint32_t hash_text(const char *text, uint32_t seed)
{
	uint32_t h = fnv32_text(FNV32_START ^ seed, text);

	return (h ^ h >> 15) & (VMS_BUCKETS - 1);
}

static struct vms_vm **name_bucket(struct vms *v, const char *name, uid_t owner)
{
	return &v->by_name[hash_text(name, owner)];
}

static struct vms_vm *find_id_locked(struct vms *v, const char *id)
{
	struct vms_vm *vm = v->by_id[hash_text(id, 0)];

	while (vm && strcmp(vm->id, id) != 0) {
		vm = vm->id_next;
	}
	return vm;
}

static struct vms_vm *find_name_locked(struct vms *v, const char *name, uid_t owner)
{
	struct vms_vm *vm = *name_bucket(v, name, owner);

	while (vm && (vm->owner != owner || strcmp(vm->spec.name, name) != 0)) {
		vm = vm->name_next;
	}
	return vm;
}

struct vms_vm *vms_ref(struct vms *v, const char *id)
{
	struct vms_vm *vm;

	pthread_mutex_lock(&v->lock);
	vm = find_id_locked(v, id);
	if (vm) {
		vm->refs++;
	}
	pthread_mutex_unlock(&v->lock);
	return vm;
}

int vms_ref_or(struct vms *v, const char *id, struct vms_vm **ret, struct errmsg *e)
{
	struct vms_vm *vm = vms_ref(v, id);

	if (!vm) {
		return errmsg_set(e, -ENOENT, "there is no VM %.40s", id);
	}
	*ret = vm;
	return 0;
}

struct vms_vm *vms_ref_slot(struct vms *v, uint32_t slot, uint32_t gen)
{
	struct vms_vm *vm = NULL;

	pthread_mutex_lock(&v->lock);
	if (slot < v->o.max_vms && v->slots[slot].vm && v->slots[slot].gen == gen) {
		vm = v->slots[slot].vm;
		vm->refs++;
	}
	pthread_mutex_unlock(&v->lock);
	return vm;
}

static void vm_free(struct vms_vm *vm)
{
	BUG_ON(vm->has_process);
	pthread_cond_destroy(&vm->changed);
	pthread_cond_destroy(&vm->out_changed);
	pthread_mutex_destroy(&vm->talk);
	pthread_mutex_destroy(&vm->out_lock);
	free(vm->out.ring);
	if (vm->cgroup_fd >= 0) { /* its process lives on without us */
		close(vm->cgroup_fd);
	}
	free(vm);
}

void vms_unref_locked(struct vms *v, struct vms_vm *vm)
{
	(void)v;
	BUG_ON(vm->refs == 0);
	if (--vm->refs == 0) {
		vm_free(vm);
	}
}

void vms_unref(struct vms *v, struct vms_vm *vm)
{
	pthread_mutex_lock(&v->lock);
	vms_unref_locked(v, vm);
	pthread_mutex_unlock(&v->lock);
}

static void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct vms_vm *vms_vm_new(const char *id, uid_t owner, const struct vm_spec *spec)
{
	struct vms_vm *vm = calloc(1, sizeof(*vm));

	if (!vm) {
		return NULL;
	}
	snprintf(vm->id, sizeof(vm->id), "%s", id);
	vm->owner = owner;
	vm->spec = *spec;
	vm->refs = 1;
	vm->slot = SCHED_NONE;
	vm->cancel_fd = vm->pidfd = vm->console_fd = vm->stderr_fd = vm->cgroup_fd = -1;
	vm->out.is_over = true;
	cond_init(&vm->changed);
	cond_init(&vm->out_changed);
	pthread_mutex_init(&vm->talk, NULL);
	pthread_mutex_init(&vm->out_lock, NULL);
	return vm;
}

static struct vms_owner *owner_find_locked(struct vms *v, uid_t uid)
{
	struct vms_owner *o = v->owners[uid & (VMS_BUCKETS - 1)];

	while (o && o->uid != uid) {
		o = o->next;
	}
	return o;
}

uint32_t vms_owner_count_locked(struct vms *v, uid_t uid)
{
	const struct vms_owner *o = owner_find_locked(v, uid);

	return o ? o->n_definitions : 0;
}

/* One definition more; a user who ever had one stays known. */
static bool owner_count_locked(struct vms *v, uid_t uid)
{
	struct vms_owner **bucket = &v->owners[uid & (VMS_BUCKETS - 1)];
	struct vms_owner *o = owner_find_locked(v, uid);

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o) {
			return false;
		}
		o->uid = uid;
		o->next = *bucket;
		*bucket = o;
	}
	o->n_definitions++;
	return true;
}

int vms_insert_locked(struct vms *v, struct vms_vm *vm)
{
	struct vms_vm **id = &v->by_id[hash_text(vm->id, 0)];
	struct vms_vm **name = name_bucket(v, vm->spec.name, vm->owner);

	if (find_name_locked(v, vm->spec.name, vm->owner) || find_id_locked(v, vm->id)) {
		return -EEXIST;
	}
	if (!owner_count_locked(v, vm->owner)) {
		return -ENOMEM;
	}
	vm->id_next = *id;
	*id = vm;
	vm->name_next = *name;
	*name = vm;
	vm->prev = v->last;
	*(v->last ? &v->last->next : &v->first) = vm;
	v->last = vm;
	vm->refs++;
	v->n_vms++;
	return 0;
}

void vms_delete_locked(struct vms *v, struct vms_vm *vm)
{
	struct vms_vm **id = &v->by_id[hash_text(vm->id, 0)];
	struct vms_vm **name = name_bucket(v, vm->spec.name, vm->owner);

	while (*id != vm) {
		id = &(*id)->id_next;
	}
	*id = vm->id_next;
	while (*name != vm) {
		name = &(*name)->name_next;
	}
	*name = vm->name_next;
	*(vm->prev ? &vm->prev->next : &v->first) = vm->next;
	*(vm->next ? &vm->next->prev : &v->last) = vm->prev;
	v->n_vms--;
	owner_find_locked(v, vm->owner)->n_definitions--;
	pthread_cond_broadcast(&vm->changed);
	vms_unref_locked(v, vm);
}

static int by_age(const void *a, const void *b)
{
	const struct vms_vm *x = *(struct vms_vm *const *)a;
	const struct vms_vm *y = *(struct vms_vm *const *)b;

	return (x->created_ns > y->created_ns) - (x->created_ns < y->created_ns);
}

int vms_sort(struct vms *v, struct errmsg *e)
{
	uint32_t n = 0;
	struct vms_vm **all = calloc(v->n_vms + 1, sizeof(struct vms_vm *));

	if (!all) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		all[n++] = vm;
	}
	qsort(all, n, sizeof(struct vms_vm *), by_age);
	for (uint32_t i = 0; i < n; i++) {
		all[i]->prev = i > 0 ? all[i - 1] : NULL;
		all[i]->next = all[i + 1]; /* NULL behind the last */
	}
	v->first = all[0];
	v->last = n > 0 ? all[n - 1] : NULL;
	free(all);
	return 0;
}

void vms_pid_set_locked(struct vms *v, struct vms_vm *vm, pid_t pid)
{
	struct vms_vm **at = &v->by_pid[(uint32_t)vm->pid & (VMS_BUCKETS - 1)];

	while (vm->pid > 0 && *at && *at != vm) {
		at = &(*at)->pid_next;
	}
	if (vm->pid > 0 && *at) {
		*at = vm->pid_next;
	}
	vm->pid = pid;
	if (pid > 0) {
		at = &v->by_pid[(uint32_t)pid & (VMS_BUCKETS - 1)];
		vm->pid_next = *at;
		*at = vm;
	}
}

bool vms_owns_pid(void *arg, pid_t pid)
{
	struct vms *v = arg;
	const struct vms_vm *vm;

	pthread_mutex_lock(&v->lock);
	vm = v->by_pid[(uint32_t)pid & (VMS_BUCKETS - 1)];
	while (vm && vm->pid != pid) {
		vm = vm->pid_next;
	}
	pthread_mutex_unlock(&v->lock);
	return vm != NULL;
}

void vms_state_set_locked(struct vms_vm *vm, enum vms_state state)
{
	vm->state = state;
	pthread_cond_broadcast(&vm->changed);
}

/* OWNER/NAME taken apart. @return whether it is one, of a user there is */
static bool split_name(const char *name, uid_t *ret_owner, const char **ret_name)
{
	const char *slash = strchr(name, '/');
	char owner[72];

	if (!slash || snprintf(owner, sizeof(owner), "%.*s", (int)(slash - name), name) >=
			      (int)sizeof(owner)) {
		return false;
	}
	*ret_name = slash + 1;
	return users_parse(owner, ret_owner, NULL) == 0;
}

int vms_find(struct vms *v, uid_t who, bool is_admin, const char *name, char ret_id[VMS_ID_BYTES],
	     struct errmsg *e)
{
	const char *plain = name;
	uid_t owner = who;
	bool is_split = split_name(name, &owner, &plain);
	struct vms_vm *vm;

	pthread_mutex_lock(&v->lock);
	vm = is_split ? NULL : find_id_locked(v, name);
	vm = vm ? vm : find_name_locked(v, plain, owner);
	vm = vm && (vm->owner == who || is_admin) ? vm : NULL;
	if (!vm && !is_split) {
		vm = find_name_locked(v, name, who);
	}
	if (vm) {
		memcpy(ret_id, vm->id, VMS_ID_BYTES);
	}
	pthread_mutex_unlock(&v->lock);
	return vm ? 0 : errmsg_set(e, -ENOENT, "there is no VM %.100s", name);
}

int vms_slot_take(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	uint32_t i = 0;

	pthread_mutex_lock(&v->lock);
	while (i < v->o.max_vms && (v->slots[i].vm || v->slots[i].is_stuck)) {
		i++;
	}
	if (i < v->o.max_vms) {
		v->next_gen += v->next_gen == UINT32_MAX ? 2 : 1; /* never 0 */
		v->slots[i].vm = vm;
		v->slots[i].gen = v->next_gen;
		vm->slot = i;
		vm->gen = v->next_gen;
	}
	pthread_mutex_unlock(&v->lock);
	return i < v->o.max_vms ? 0
				: errmsg_set(e, -ENOSPC, "%u VMs run, no more can", v->o.max_vms);
}

void vms_slot_give(struct vms *v, struct vms_vm *vm, bool is_stuck)
{
	pthread_mutex_lock(&v->lock);
	if (vm->slot != SCHED_NONE) {
		v->slots[vm->slot].vm = NULL;
		v->slots[vm->slot].is_stuck = is_stuck;
		vm->slot = SCHED_NONE;
	}
	pthread_mutex_unlock(&v->lock);
}

int vms_sched(struct vms *v, struct vms_vm *vm, enum sched_event_type type, struct errmsg *e)
{
	struct sched_event ev = { .type = (uint8_t)type, .core = SCHED_CORE_NONE };

	pthread_mutex_lock(&v->lock);
	ev.vm = ev.vcpu = vm->slot;
	ev.gen = vm->gen;
	pthread_mutex_unlock(&v->lock);
	return dispatch_event(v->o.dispatch, &ev, e);
}

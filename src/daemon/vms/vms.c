/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of VMs: finding, showing, waiting; slots; opening and closing. */
#include "daemon/vms/vms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/timer.h"

#define CLOSE_WAIT_MS  10000
#define SOCKET_MAX     107
#define LOG_BURST      20
#define LOG_REFILL_NS  (500 * NS_PER_MS)
#define DEFAULT_VMS    4096
#define DEFAULT_REPLY  10000
#define DEFAULT_RING   (256u << 10)
#define DEFAULT_FAULTS 8

static const char *const state_names[VMS_STATES] = {
	[VMS_CREATED] = "created", [VMS_STARTING] = "starting", [VMS_RUNNING] = "running",
	[VMS_BLOCKED] = "blocked", [VMS_PAUSED] = "paused",	[VMS_STOPPING] = "stopping",
	[VMS_STOPPED] = "stopped", [VMS_FAULTED] = "faulted",	[VMS_KILLED] = "killed",
};

const char *vms_state_name(enum vms_state s)
{
	BUG_ON(s >= VMS_STATES);
	return state_names[s];
}

void vms_options_defaults(struct vms_options *o)
{
	*o = (struct vms_options){
		.max_vms = DEFAULT_VMS,
		.max_definitions = 4 * DEFAULT_VMS,
		.max_faults_per_user = DEFAULT_FAULTS,
		.console_bytes = DEFAULT_RING,
		.reply_ms = DEFAULT_REPLY,
	};
}

uint64_t vms_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

bool vms_state_is_end(enum vms_state s)
{
	return s == VMS_STOPPED || s == VMS_FAULTED || s == VMS_KILLED;
}

/* FNV-1a; names and ids are bounded, and a user's names are his own trouble. */
static uint32_t hash_text(const char *text, uint32_t seed)
{
	uint32_t h = 2166136261u ^ seed;

	for (; *text; text++) {
		h = (h ^ (unsigned char)*text) * 16777619u;
	}
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
	vm->cancel_fd = vm->pidfd = vm->console_fd = vm->stderr_fd = -1;
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

/* A running VM that waits for input is shown as blocked. */
static enum vms_state shown_state(const struct vms_vm *vm, const struct dispatch_vm_info *d)
{
	bool is_blocked = d && d->vcpu.state == SCHED_VCPU_BLOCKED;

	return vm->state == VMS_RUNNING && is_blocked ? VMS_BLOCKED : vm->state;
}

void vms_info_fill_locked(const struct vms_vm *vm, const struct dispatch_vm_info *d,
			  struct vms_info *ret)
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
	ret->cpu_ns = vm->cpu_ns;
	ret->wait_ns = vm->wait_ns;
	ret->slices = vm->slices;
	ret->runs = vm->runs;
	ret->has_fault_context = vm->has_fault_context;
	ret->dispatch.vcpu.core = ret->dispatch.vcpu.excl_core = SCHED_CORE_NONE;
	if (d) {
		ret->dispatch = *d;
		ret->cpu_ns += d->vcpu.cpu_ns;
		ret->wait_ns += d->vcpu.wait_ns;
		ret->slices += d->vcpu.slices;
	}
}

static void console_total(struct vms_vm *vm, struct vms_info *ret)
{
	pthread_mutex_lock(&vm->out_lock);
	ret->console_bytes = vm->out.total;
	pthread_mutex_unlock(&vm->out_lock);
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
	vms_info_fill_locked(vm, has_d ? &d : NULL, ret);
	pthread_mutex_unlock(&v->lock);
	console_total(vm, ret);
	vms_unref(v, vm);
	return 0;
}

/* All VMs, each with a reference. */
static struct vms_vm **ref_all(struct vms *v, uint32_t *ret_n)
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
	struct vms_vm **all = ref_all(v, &n);
	int r = all && d && info ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n; i++) {
		struct vms_vm *vm = all[i];

		if (r == 0) {
			pthread_mutex_lock(&v->lock);
			vms_info_fill_locked(vm, vm->slot < n_d ? &d[vm->slot] : NULL, info);
			pthread_mutex_unlock(&v->lock);
			console_total(vm, info);
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
	ns_t until_ns = host_clock_monotonic_ns() + timeout_ms * NS_PER_MS;
	struct timespec until = { (time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) };
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
		is_over = true;
		r = -ENOENT;
	} else {
		vms_info_fill_locked(vm, NULL, ret);
		r = is_over ? 1 : 0;
	}
	pthread_mutex_unlock(&v->lock);
	if (r == 1) {
		console_total(vm, ret);
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

static int make_dir(const char *path, struct errmsg *e)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	return 0;
}

static int open_dirs(struct vms *v, struct errmsg *e)
{
	char longest[VMS_PATH_BYTES];
	int r;

	if (asprintf(&v->run_dir, "%s/vms", v->o.run_dir) < 0) {
		v->run_dir = NULL;
	}
	if (asprintf(&v->state_dir, "%s/faults", v->o.state_dir) < 0) {
		v->state_dir = NULL;
	}
	if (!v->run_dir || !v->state_dir) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	if (strlen(v->run_dir) + sizeof("/0123456789abcdef/" VMS_SOCKET) > SOCKET_MAX) {
		return errmsg_set(e, -ENAMETOOLONG,
				  "%s is too long: sockets below it could not be named",
				  v->run_dir);
	}
	vms_path(v, "0123456789abcdef", VMS_SOCKET, longest);
	r = make_dir(v->run_dir, e);
	return r < 0 ? r : make_dir(v->state_dir, e);
}

static int open_threads(struct vms *v, struct errmsg *e)
{
	int r = vms_queue_start(v, &v->reaper, vms_reaper_main, "vms-reaper", e);

	r = r < 0 ? r : vms_queue_start(v, &v->keeper, vms_keeper_main, "vms-keeper", e);
	return r < 0 ? r : vms_watch_start(v, e);
}

static struct vms *vms_new(const struct vms_options *o)
{
	struct vms *v = calloc(1, sizeof(*v));

	if (!v) {
		return NULL;
	}
	v->o = *o;
	v->epoll_fd = v->stop_fd = -1;
	v->next_gen = (uint32_t)(vms_now_ns() >> 10);
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->image_lock, NULL);
	sem_init(&v->launches, 0, VMS_LAUNCHES);
	v->slots = calloc(o->max_vms, sizeof(*v->slots));
	v->vm_program = o->vm_program ? strdup(o->vm_program) : NULL;
	return v;
}

static void vms_free(struct vms *v)
{
	while (v->first) {
		vms_delete_locked(v, v->first);
	}
	for (size_t i = 0; i < VMS_BUCKETS; i++) {
		while (v->owners[i]) {
			struct vms_owner *o = v->owners[i];

			v->owners[i] = o->next;
			free(o);
		}
	}
	vms_image_trim(v, 0);
	sem_destroy(&v->launches);
	pthread_mutex_destroy(&v->image_lock);
	pthread_mutex_destroy(&v->lock);
	free(v->slots);
	free(v->run_dir);
	free(v->state_dir);
	free(v->vm_program);
	free(v);
}

int vms_open(const struct vms_options *o, struct vms **ret, struct errmsg *e)
{
	struct vms *v = vms_new(o);
	int r;

	if (!v || !v->slots || (o->vm_program && !v->vm_program)) {
		r = errmsg_set(e, -ENOMEM, "out of memory");
		goto fail;
	}
	v->o.vm_program = v->vm_program;
	r = open_dirs(v, e);
	if (r < 0) {
		goto fail;
	}
	vms_cgroup_init(v);
	r = vms_load(v, e);
	r = r < 0 ? r : open_threads(v, e);
	r = r < 0 ? r : vms_restart(v, e);
	if (r < 0) {
		vms_close(v, false);
		return r;
	}
	*ret = v;
	return 0;
fail:
	if (v) {
		vms_free(v);
	}
	return r;
}

/* All processes end; what does not die in time is left to the next daemon. */
static void kill_all(struct vms *v)
{
	uint32_t n;
	struct vms_vm **all = ref_all(v, &n);

	for (uint32_t i = 0; i < n; i++) {
		vms_end_begin(v, all[i], VMS_KILLED, NULL, "the daemon was shut down");
	}
	for (uint32_t i = 0; i < n; i++) {
		if (vms_end_wait(v, all[i], CLOSE_WAIT_MS) < 0) {
			log_warn("a VM does not die id=%s", all[i]->id);
		}
		vms_unref(v, all[i]);
	}
	free(all);
}

/* Let go of a process without ending it. Its pidfd stays open: the dispatcher may still look. */
static void let_go(struct vms *v, struct vms_vm *vm)
{
	vms_watch_remove(v, vm);
	vms_console_close(v, vm);
	vm->lv.pid = 0;
	vm->lv.pidfd = -1;
	vm->lv.cgroup_memory[0] = vm->lv.cgroup_pids[0] = '\0';
	launch_vm_done(&vm->lv);
	vms_image_put(v, vm->image);
	vm->image = NULL;
	close(vm->cancel_fd);
	vm->has_process = false;
}

void vms_close(struct vms *v, bool kill_all_vms)
{
	if (!v) {
		return;
	}
	if (kill_all_vms) {
		kill_all(v);
	}
	pthread_mutex_lock(&v->lock);
	v->is_closing = true;
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		pthread_cond_broadcast(&vm->changed);
		if (vm->cancel_fd >= 0) {
			vms_cancel_locked(vm);
		}
	}
	pthread_mutex_unlock(&v->lock);
	vms_watch_stop(v);
	vms_queue_stop(v, &v->reaper);
	vms_queue_stop(v, &v->keeper);
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		if (vm->has_process) {
			let_go(v, vm);
		}
	}
	vms_free(v);
}

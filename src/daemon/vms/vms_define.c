/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Definitions of VMs: making and removing them, and their rows in the store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/bug.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"

#define REMOVE_WAIT_MS 10000

/* The row of a definition; the text belongs to the caller. Holds talk. */
static int row_make(struct vms_vm *vm, const struct vm_spec *spec, struct store_row *ret,
		    char **ret_text, struct errmsg *e)
{
	json_t *o = spec_to_json(spec);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (o && !vm->digest) {
		vm->digest = vms_json_digest(o);
	}
	json_decref(o);
	if (!text) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	*ret = (struct store_row){
		.kind = STORE_VM,
		.vm = {
			.id = vm->id,
			.name = spec->name,
			.owner_uid = vm->owner,
			.image_hash = spec->image,
			.image_path = spec->config.image_name,
			.options_json = text,
			.prio = spec->prio,
			.slice_ns = spec->config.slice_ns,
			.is_exclusive = spec->is_exclusive,
			.core_idx = spec->host_core == SPEC_CORE_ANY ? STORE_NONE : spec->host_core,
			.created_ns = vm->created_ns,
		},
	};
	*ret_text = text;
	return 0;
}

int vms_row_put(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec, enum store_op op,
		struct errmsg *e)
{
	struct store_change change = { .op = op };
	char *text = NULL;
	int r = row_make(vm, spec, &change.row, &text, e);

	r = r < 0 ? r : store_apply(v->o.store, &change, 1, e);
	free(text);
	return r;
}

int vms_row_share(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct vm_spec shared = vm->spec;
	struct store_change changes[2] = {
		{ STORE_PUT, { 0 } },
		{ STORE_FORGET, { .kind = STORE_ALLOC, .alloc = { .vm_id = vm->id } } },
	};
	char *text = NULL;
	int r;

	shared.is_exclusive = false;
	shared.host_core = SPEC_CORE_ANY;
	r = row_make(vm, &shared, &changes[0].row, &text, e);
	r = r < 0 ? r : store_apply(v->o.store, changes, ARRAY_SIZE(changes), e);
	free(text);
	if (r == 0) {
		pthread_mutex_lock(&v->lock);
		vm->spec = shared;
		pthread_mutex_unlock(&v->lock);
	}
	return r;
}

void vms_run_put(struct vms *v, struct vms_vm *vm, const char *result)
{
	struct store_change change = { .op = STORE_PUT, .row = { .kind = STORE_RUN } };
	struct vms_info i;
	struct errmsg e = { 0 };
	int r;

	/* As it is shown: of a faulted VM, whose process is kept, the scheduler still counts. One that starts
	 * has used nothing. */
	if (result[0] && vms_get(v, vm->id, &i) < 0) {
		return;
	}
	pthread_mutex_lock(&v->lock);
	if (!result[0]) {
		vms_info_fill_locked(v, vm, NULL, &i);
	}
	change.row.run = (struct store_run){
		.run = vm->run,
		.vm_id = i.id,
		.vm_name = i.spec.name,
		.owner_uid = i.owner,
		.start_ns = i.started_ns,
		.end_ns = result[0] ? i.ended_ns : 0,
		.result = result,
		.arch = i.arch,
		.engine = i.engine,
		.stop_reason = i.has_stop ? i.stop.reason : 0,
		.stop_code = i.has_stop && i.stop.code <= INT64_MAX ? i.stop.code : 0,
		.cpu_ns = i.cpu_ns,
		.wait_ns = i.wait_ns,
		.slices = i.slices,
		.memory_peak_bytes = i.memory_peak_bytes,
	};
	pthread_mutex_unlock(&v->lock);
	/* History may have a gap when the disk can't follow; nobody waits for it. */
	r = store_submit(v->o.store, &change, 1, NULL, NULL, &e);
	if (r < 0 && vms_may_log(v)) {
		log_warn("a row of the history is lost vm=%s error=\"%s\"", vm->id, e.text);
	}
}

void vms_alloc_put(struct vms *v, struct vms_vm *vm, bool is_given)
{
	struct store_change change = {
		.op = is_given ? STORE_PUT : STORE_DELETE,
		.row = { .kind = STORE_ALLOC,
			 .alloc = { .vm_id = vm->id, .is_exclusive = 1, .core_idx = STORE_NONE } },
	};
	struct dispatch_vm_info d;
	struct errmsg e = { 0 };
	int r;

	vms_guard_cores(v, vm);
	if (is_given) {
		r = dispatch_vm_get(v->o.dispatch, vm->slot, &d);
		if (r < 0 || d.vcpu.excl_core == SCHED_CORE_NONE) {
			return;
		}
		change.row.alloc.core_idx = partition_roles(v->o.partition)->pool[d.vcpu.excl_core];
	}
	r = store_submit(v->o.store, &change, 1, NULL, NULL, &e);
	if (r < 0 && vms_may_log(v)) {
		log_warn("an allocation could not be written down vm=%s error=\"%s\"", vm->id,
			 e.text);
	}
}

static int check_image(struct vms *v, uid_t owner, const char *hash, const char *what,
		       struct errmsg *e)
{
	uint64_t bytes;

	if (hash[0] && images_find(v->o.images, owner, hash, &bytes) < 0) {
		return errmsg_set(e, -ENOENT, "there is no %s %.16s...: upload it first", what,
				  hash);
	}
	return 0;
}

int vms_define_check(struct vms *v, uid_t owner, const struct vm_spec *spec, struct errmsg *e)
{
	uint16_t core;
	uint32_t number;
	int r;

	r = users_number(v->o.users, owner, &number, e);
	r = r < 0 ? r : check_image(v, owner, spec->image, "image", e);
	r = r < 0 ? r : check_image(v, owner, spec->context, "context", e);
	r = r < 0 ? r : check_image(v, owner, spec->kernel, "kernel", e);
	r = r < 0 ? r : check_image(v, owner, spec->initrd, "initrd", e);
	if (r == 0 && spec->host_core != SPEC_CORE_ANY) {
		r = vms_pool_core(v, spec->host_core, &core, e);
	}
	return r;
}

static int new_id(char ret[VMS_ID_BYTES], struct errmsg *e)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n)) {
		return errmsg_set(e, -errno, "no random number: %s", strerror(errno));
	}
	snprintf(ret, VMS_ID_BYTES, "%016" PRIx64, n);
	return 0;
}

/* Into the table, if there is room and the name is free. */
static int enter(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	struct users_info user;
	uint64_t max;
	uint32_t n;
	int r;

	users_get_own(v->o.users, vm->owner, &user);
	max = user.quota.definitions;
	pthread_mutex_lock(&v->lock);
	n = vms_owner_count_locked(v, vm->owner);
	if (n >= max) {
		r = errmsg_set(e, -EDQUOT, "user %s has %u VMs and may have %" PRIu64, user.name, n,
			       max);
	} else if (v->n_vms >= v->o.max_definitions) {
		r = errmsg_set(e, -ENOSPC, "%u VMs are defined, no more can be", v->n_vms);
	} else {
		r = vms_insert_locked(v, vm);
		if (r == -EEXIST) {
			errmsg_set(e, r, "there is a VM %s already", vm->spec.name);
		} else if (r < 0) {
			errmsg_set(e, r, "out of memory");
		}
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

static void ref_images(struct vms *v, const struct vm_spec *spec, bool on)
{
	void (*fn)(struct images *, const char *) = on ? images_ref : images_unref;

	if (spec->image[0]) {
		fn(v->o.images, spec->image);
	}
	if (spec->context[0]) {
		fn(v->o.images, spec->context);
	}
	if (spec->kernel[0]) {
		fn(v->o.images, spec->kernel);
	}
	if (spec->initrd[0]) {
		fn(v->o.images, spec->initrd);
	}
	for (uint32_t i = 0; i < spec->n_disks; i++) {
		fn(v->o.images, spec->disks[i].image);
	}
}

static void leave(struct vms *v, struct vms_vm *vm)
{
	ref_images(v, &vm->spec, false);
	if (vms_disks_own_bytes(&vm->spec)) {
		vms_disks_remove(v, vm->id);
		images_release(v->o.images, vm->owner, vms_disks_own_bytes(&vm->spec));
	}
	pthread_mutex_lock(&v->lock);
	vms_delete_locked(v, vm);
	pthread_mutex_unlock(&v->lock);
}

/* How large they are; that room is the VM's from here on. */
static int settle_disks(struct vms *v, uid_t owner, struct vm_spec *spec, struct errmsg *e)
{
	int r = vms_disks_settle(v, owner, spec, e);
	uint64_t bytes = vms_disks_own_bytes(spec);

	return r < 0 || bytes == 0 ? r : images_charge(v->o.images, owner, bytes, e);
}

int vms_create(struct vms *v, uid_t owner, const struct vm_spec *spec, char ret_id[VMS_ID_BYTES],
	       struct errmsg *e)
{
	char id[VMS_ID_BYTES];
	struct vms_vm *vm;
	int r;

	r = vms_define_check(v, owner, spec, e);
	r = r < 0 ? r : new_id(id, e);
	if (r < 0) {
		return r;
	}
	vm = vms_vm_new(id, owner, spec);
	if (!vm) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	if (!vm->spec.name[0]) {
		snprintf(vm->spec.name, sizeof(vm->spec.name), "vm-%s", id);
	}
	vm->created_ns = vms_now_ns();
	r = settle_disks(v, owner, &vm->spec, e);
	if (r < 0) {
		vms_unref(v, vm);
		return r;
	}
	/* It can be found from here on, but not started, until its row is durable. */
	vms_talk_begin(vm);
	r = enter(v, vm, e);
	if (r == 0) {
		ref_images(v, &vm->spec, true);
		r = vms_disks_make(v, id, &vm->spec, e);
		r = r < 0 ? r : vms_row_put(v, vm, &vm->spec, STORE_CREATE, e);
		if (r < 0) {
			leave(v, vm);
		}
	} else {
		images_release(v->o.images, owner, vms_disks_own_bytes(&vm->spec));
	}
	vms_talk_end(v, vm);
	if (r == 0) {
		memcpy(ret_id, id, VMS_ID_BYTES);
		vms_publish(v, vm, "vm.created", NULL);
	}
	vms_unref(v, vm);
	return r;
}

/* Its rows, all at once. */
static int rows_delete(struct vms *v, const struct vms_vm *vm, struct errmsg *e)
{
	/* Most have neither a core of their own nor a fault. */
	const struct store_change changes[] = {
		{ STORE_FORGET, { .kind = STORE_ALLOC, .alloc = { .vm_id = vm->id } } },
		{ STORE_FORGET, { .kind = STORE_FAULT, .fault = { .vm_id = vm->id } } },
		{ STORE_DELETE, { .kind = STORE_VM, .vm = { .id = vm->id } } },
	};

	return store_apply(v->o.store, changes, ARRAY_SIZE(changes), e);
}

/* Nobody starts it from here on. */
static int begin_remove(struct vms *v, struct vms_vm *vm, bool is_forced, struct errmsg *e)
{
	int r = 0;

	pthread_mutex_lock(&v->lock);
	if (vm->is_removing) {
		r = errmsg_set(e, -ENOENT, "there is no VM %s", vm->id);
	} else if (vm->has_process && vm->state != VMS_FAULTED && !is_forced) {
		r = errmsg_set(e, -EBUSY, "VM %s is %s: stop it first, or use force", vm->spec.name,
			       vms_state_name(vm->state));
	} else {
		vm->is_removing = true;
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

int vms_remove(struct vms *v, const char *id, bool is_forced, struct errmsg *e)
{
	struct vms_vm *vm;
	uint64_t run;
	int r = vms_ref_or(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	r = begin_remove(v, vm, is_forced, e);
	if (r < 0) {
		vms_unref(v, vm);
		return r;
	}
	run = vms_end_begin(v, vm, VMS_KILLED, NULL, "removed");
	r = vms_end_wait(v, vm, run, REMOVE_WAIT_MS);
	if (r < 0) {
		errmsg_set(e, r, "the process of VM %s does not die", vm->spec.name);
	}
	vms_talk_begin(vm);
	r = r < 0 ? r : rows_delete(v, vm, e);
	if (r == 0) {
		vms_fault_forget(v, vm);
		vms_publish(v, vm, "vm.removed", NULL);
		leave(v, vm);
	} else {
		pthread_mutex_lock(&v->lock);
		vm->is_removing = false;
		pthread_mutex_unlock(&v->lock);
	}
	vms_talk_end(v, vm);
	vms_unref(v, vm);
	return r;
}

/* For the visits of the store's rows. */
struct load {
	struct vms *v;
	uint32_t n_bad;
};

static int load_vm(void *arg, const struct store_row *row)
{
	struct load *l = arg;
	struct vm_spec spec;
	struct vms_vm *vm;
	struct errmsg e = { 0 };
	json_t *o = json_loads(row->vm.options_json, JSON_REJECT_DUPLICATES, NULL);
	int r = spec_from_json(o, &spec, &e);

	json_decref(o);
	if (r < 0 || strlen(row->vm.id) != VMS_ID_BYTES - 1 || row->vm.owner_uid > UINT32_MAX - 1) {
		log_warn("a definition can't be read and is left alone id=%.40s error=\"%s\"",
			 row->vm.id, e.text);
		l->n_bad++;
		return 0;
	}
	vm = vms_vm_new(row->vm.id, (uid_t)row->vm.owner_uid, &spec);
	if (!vm) {
		return -ENOMEM;
	}
	vm->created_ns = row->vm.created_ns;
	pthread_mutex_lock(&l->v->lock);
	r = vms_insert_locked(l->v, vm);
	vms_unref_locked(l->v, vm);
	pthread_mutex_unlock(&l->v->lock);
	if (r == 0) {
		ref_images(l->v, &spec, true);
		images_charge_again(l->v->o.images, (uid_t)row->vm.owner_uid,
				    vms_disks_own_bytes(&spec));
	}
	return r == -EEXIST ? 0 : r;
}

/* Whether a result begins so; then what follows. */
static bool has_prefix(const char **text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*text, prefix, n) != 0) {
		return false;
	}
	*text += n;
	return true;
}

/* The last run of a VM is the one with the greatest number, which comes last. */
static int load_run(void *arg, const struct store_row *row)
{
	struct load *l = arg;
	const struct store_run *run = &row->run;
	const char *message = run->result;
	struct vms_vm *vm = vms_ref(l->v, run->vm_id);

	if (!vm) {
		return 0; /* removed since */
	}
	vm->runs++;
	vm->run = run->run;
	vm->started_ns = run->start_ns;
	vm->ended_ns = run->end_ns;
	vm->cpu_ns = run->cpu_ns;
	vm->wait_ns = run->wait_ns;
	vm->slices = run->slices;
	vm->peak_bytes = run->memory_peak_bytes;
	vm->is_closed = run->result[0] != '\0';
	vm->state = VMS_STOPPED;
	if (has_prefix(&message, VMS_RESULT_KILLED)) {
		vm->state = VMS_KILLED;
	} else if (has_prefix(&message, VMS_RESULT_FAULT)) {
		vm->state = VMS_FAULTED;
		vm->fault = SCHED_REASON_GUEST_FAULT;
	}
	snprintf(vm->message, sizeof(vm->message), "%.380s", message);
	snprintf(vm->arch, sizeof(vm->arch), "%s", run->arch);
	snprintf(vm->engine, sizeof(vm->engine), "%s", run->engine);
	/* Where and how a guest faulted has a row of its own: vms_fault_load(). */
	vm->has_stop = run->stop_reason > 0 && run->stop_reason < PROTO_STOP_COUNT &&
		       run->stop_reason != PROTO_STOP_FAULT;
	vm->stop = (struct proto_stopped){ 0 };
	vm->stop.reason = vm->has_stop ? (uint32_t)run->stop_reason : 0;
	vm->stop.code = run->stop_code;
	memcpy(vm->stop.text, vm->message, sizeof(vm->stop.text));
	vms_unref(l->v, vm);
	return 0;
}

int vms_load(struct vms *v, struct errmsg *e)
{
	struct load l = { .v = v };
	int r = store_each(v->o.store, STORE_VM, load_vm, &l, e);

	r = r < 0 ? r : vms_sort(v, e);
	r = r < 0 ? r : store_each(v->o.store, STORE_RUN, load_run, &l, e);
	return r < 0 ? r : store_each(v->o.store, STORE_FAULT, vms_fault_load, v, e);
}

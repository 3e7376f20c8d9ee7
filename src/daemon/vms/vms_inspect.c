/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking into a VM that stands still: its context, its registers. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/vms/vms_internal.h"

#define REG_BYTES 32

/* Whether its process stands still and answers. */
static bool is_standing(struct vms *v, const struct vms_vm *vm)
{
	bool is;

	pthread_mutex_lock(&v->lock);
	is = vm->has_process && !vm->is_frozen && !vm->is_ending &&
	     (vm->state == VMS_PAUSED || vm->state == VMS_FAULTED);
	pthread_mutex_unlock(&v->lock);
	return is;
}

/* The process is gone; its context may have been kept. */
static int save_kept(struct vms *v, struct vms_vm *vm, int fd, struct errmsg *e)
{
	char path[VMS_PATH_BYTES];
	_cleanup_close_ int from = -1;
	struct stat st;
	off_t at = 0;

	vms_fault_path(v, vm->id, path);
	from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 || fstat(from, &st) < 0) {
		return errmsg_set(e, -errno, "the context of VM %s is gone: %s", vm->spec.name,
				  strerror(errno));
	}
	while (at < st.st_size) {
		if (sendfile(fd, from, &at, (size_t)(st.st_size - at)) <= 0) {
			return errmsg_set(e, -EIO, "the context of VM %s can't be copied",
					  vm->spec.name);
		}
	}
	return 0;
}

/* Nobody writes the disks: the VM stands still, or is gone. */
static int save_standing(struct vms *v, struct vms_vm *vm, int fd, int *ret_disks, struct errmsg *e)
{
	int r = vms_ask(vm, PROTO_SAVE_CONTEXT, NULL, 0, fd, e);

	return r < 0 ? r : vms_disks_copy(v, vm->id, &vm->spec, ret_disks, e);
}

static int save(struct vms *v, struct vms_vm *vm, int fd, int *ret_disks, struct errmsg *e)
{
	bool is_kept;
	int r;

	pthread_mutex_lock(&v->lock);
	is_kept = vm->state == VMS_FAULTED && !vm->has_process && vm->has_fault_context;
	pthread_mutex_unlock(&v->lock);
	if (is_kept) {
		r = save_kept(v, vm, fd, e);
		return r < 0 ? r : vms_disks_copy(v, vm->id, &vm->spec, ret_disks, e);
	}

	vms_events_take(v, vm);
	if (is_standing(v, vm)) {
		return save_standing(v, vm, fd, ret_disks, e);
	}
	r = vms_need_state(v, vm, VMS_RUNNING, "a snapshot", e);
	r = r < 0 ? r : vms_stand_still(v, vm, e);
	if (r < 0) {
		return r;
	}
	r = save_standing(v, vm, fd, ret_disks, e);
	if (r < 0) {
		vms_run_on(v, vm, NULL);
		return r;
	}
	return vms_run_on(v, vm, e);
}

int vms_save(struct vms *v, const char *id, int fd, int ret_disks[PROTO_DISKS_MAX],
	     struct errmsg *e)
{
	struct vms_vm *vm;
	int r;

	for (size_t i = 0; i < PROTO_DISKS_MAX; i++) {
		ret_disks[i] = -1;
	}
	r = vms_talk_open(v, id, &vm, e);
	if (r < 0) {
		return r;
	}
	r = save(v, vm, fd, ret_disks, e);
	if (r < 0) {
		vms_disks_close(ret_disks);
	}
	vms_talk_close(v, vm);
	return r;
}

/* What may become a name in JSON. */
static bool is_reg_sound(const struct proto_reg_desc *d)
{
	size_t n = strnlen(d->name, sizeof(d->name));

	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)d->name[i]) && !strchr("_-.", d->name[i])) {
			return false;
		}
	}
	return n > 0 && n < sizeof(d->name) && d->bytes >= 1 && d->bytes <= REG_BYTES;
}

/* Little endian bytes as "0x13ba". */
static json_t *reg_value(const uint8_t *value, size_t bytes)
{
	char text[2 + 2 * REG_BYTES + 1] = "0x";
	size_t at = 2;

	while (bytes > 1 && value[bytes - 1] == 0) {
		bytes--;
	}
	at += (size_t)snprintf(text + at, sizeof(text) - at, "%x", value[bytes - 1]);
	while (--bytes > 0) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", value[bytes - 1]);
	}
	return json_string(text);
}

static json_t *regs_json(const struct proto_reg_desc *d, size_t n, const uint8_t *values,
			 size_t bytes)
{
	json_t *o = json_object();
	size_t at = 0;

	for (size_t i = 0; o && i < n; i++) {
		if (!is_reg_sound(&d[i]) || d[i].bytes > bytes - at ||
		    json_object_set_new(o, d[i].name, reg_value(values + at, d[i].bytes)) < 0) {
			json_decref(o);
			return NULL;
		}
		at += d[i].bytes;
	}
	return o;
}

int vms_registers_ask(struct vms_vm *vm, json_t **ret, struct errmsg *e)
{
	const size_t max = PROTO_BODY_MAX / sizeof(struct proto_reg_desc);
	struct proto_reg_desc *d = calloc(max, sizeof(*d));
	uint8_t *values = calloc(max, REG_BYTES);
	size_t n_desc = 0;
	size_t n = 0;
	int r = d && values ? 0 : errmsg_set(e, -ENOMEM, "out of memory");

	r = r < 0 ? r
		  : launch_vm_request(&vm->lv, PROTO_GET_REG_DESC, NULL, 0, -1, d, max * sizeof(*d),
				      &n_desc, e);
	r = r < 0 ? r
		  : launch_vm_request(&vm->lv, PROTO_GET_REGS, NULL, 0, -1, values, max * REG_BYTES,
				      &n, e);
	if (r == 0) {
		*ret = regs_json(d, n_desc / sizeof(*d), values, n);
		r = *ret ? 0 : errmsg_set(e, -EPROTO, "the VM describes its registers wrongly");
	}
	free(d);
	free(values);
	return r;
}

/* Its fault is all that is left of the run. */
static bool is_buried(struct vms *v, const struct vms_vm *vm)
{
	bool is;

	pthread_mutex_lock(&v->lock);
	is = vm->state == VMS_FAULTED && !vm->has_process && vm->has_fault_row;
	pthread_mutex_unlock(&v->lock);
	return is;
}

int vms_registers(struct vms *v, const char *id, json_t **ret, struct errmsg *e)
{
	struct vms_vm *vm;
	int r = vms_talk_open(v, id, &vm, e);

	if (r < 0) {
		return r;
	}
	vms_events_take(v, vm);
	if (is_standing(v, vm)) {
		r = vms_registers_ask(vm, ret, e);
	} else if (is_buried(v, vm)) {
		r = vms_fault_registers(v, vm, ret, e);
	} else {
		r = errmsg_set(e, -EBUSY,
			       "registers can be read while a VM stands still; VM %s is %s",
			       vm->spec.name, vms_state_name(vm->state));
	}
	vms_talk_close(v, vm);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fault queue: VMs that stand by their own fault. One that faulted as a guest is parked and
 * answers, so its registers can be read and its context is saved to state_dir/faults/ID.context. One
 * that the scheduler caught (hung, forged, ran without a grant) is frozen and is asked nothing.
 * A user's oldest processes are ended when there are too many; the reports stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"

/* Larger contexts are not kept; the process is, for a while. */
#define CONTEXT_BYTES_MAX (256LL << 20)

void vms_fault_path(const struct vms *v, const char *id, char ret[VMS_PATH_BYTES])
{
	snprintf(ret, VMS_PATH_BYTES, "%s/%s.context", v->state_dir, id);
}

static void remove_context(struct vms *v, struct vms_vm *vm)
{
	char path[VMS_PATH_BYTES];

	vms_fault_path(v, vm->id, path);
	unlink(path);
	pthread_mutex_lock(&v->lock);
	vm->has_fault_context = false;
	pthread_mutex_unlock(&v->lock);
}

void vms_fault_forget(struct vms *v, struct vms_vm *vm)
{
	remove_context(v, vm);
	vms_fault_row_forget(v, vm);
}

void vms_fault_leave(struct vms *v, struct vms_vm *vm)
{
	bool was_fault;

	remove_context(v, vm);
	pthread_mutex_lock(&v->lock);
	was_fault = vm->has_fault_row && vm->fault != SCHED_REASON_NONE && !vm->has_process;
	pthread_mutex_unlock(&v->lock);
	if (was_fault) {
		vms_fault_put(v, vm, NULL);
	}
}

/* The scheduler's word for why, as a sentence. */
static const char *reason_text(enum sched_reason reason)
{
	switch (reason) {
	case SCHED_REASON_HUNG:
		return "its process ignored revoke and signal, and is frozen";
	case SCHED_REASON_FORGED:
		return "its process said that it had parked and ran on, and is frozen";
	case SCHED_REASON_ROGUE:
		return "its process ran without a grant, and is frozen";
	case SCHED_REASON_CPU_LIMIT:
		return "its process went beyond its limit of CPU time";
	default:
		return "the scheduler put it into the fault queue";
	}
}

/* The run is over, its process is not. An earlier daemon may have written that down already. */
static void enter_locked(struct vms_vm *vm)
{
	vm->ended_ns = vm->is_closed ? vm->ended_ns : vms_now_ns();
	vm->is_closed = true;
	vm->end_state = VMS_FAULTED;
	vms_state_set_locked(vm, VMS_FAULTED);
}

static void tell(struct vms *v, struct vms_vm *vm)
{
	char result[VMS_RESULT_TEXT];
	char message[PROTO_TEXT];

	pthread_mutex_lock(&v->lock);
	memcpy(message, vm->message, sizeof(message));
	pthread_mutex_unlock(&v->lock);
	snprintf(result, sizeof(result), VMS_RESULT_FAULT "%s", message);
	vms_run_put(v, vm, result);
	vms_fault_put(v, vm, NULL);
	vms_publish(v, vm, "vm.faulted", message);
}

static void keep(struct vms *v, struct vms_vm *vm)
{
	pthread_mutex_lock(&v->lock);
	vms_queue_put_locked(v, VMS_KEEPER, vm);
	pthread_mutex_unlock(&v->lock);
}

void vms_fault_guest(struct vms *v, struct vms_vm *vm, const struct proto_stopped *stop)
{
	bool is_new, is_told;

	pthread_mutex_lock(&v->lock);
	is_new = !vm->is_ending && vm->state != VMS_FAULTED;
	is_told = vm->is_closed;
	if (is_new) {
		vm->stop = *stop;
		vm->has_stop = true;
		vm->fault = SCHED_REASON_GUEST_FAULT;
		snprintf(vm->message, sizeof(vm->message), "%s", stop->text);
		enter_locked(vm);
	}
	pthread_mutex_unlock(&v->lock);
	if (!is_new) {
		return;
	}
	vms_sched(v, vm, SCHED_EV_VM_PAUSE, NULL); /* never granted again */
	if (!is_told) {
		tell(v, vm);
	}
	keep(v, vm);
}

void vms_fault_sched(struct vms *v, struct vms_vm *vm, enum sched_reason reason)
{
	struct dispatch_vm_info d = { 0 };
	bool is_new;
	int r = dispatch_vm_get(v->o.dispatch, vm->slot, &d);

	pthread_mutex_lock(&v->lock);
	is_new = vm->has_process && !vm->is_ending && vm->state != VMS_FAULTED;
	if (is_new) {
		vm->fault = reason;
		vm->is_frozen = r < 0 || d.vm.is_frozen;
		snprintf(vm->message, sizeof(vm->message), "%s", reason_text(reason));
		enter_locked(vm);
		vms_cancel_locked(vm);
	}
	pthread_mutex_unlock(&v->lock);
	if (is_new) {
		tell(v, vm);
		keep(v, vm);
	}
}

/* No mapping of the VM's can change it any more, and it is not too long. */
static int check_context(int fd, off_t *ret_bytes, struct errmsg *e)
{
	struct stat st;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
	    fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "can't be sealed: %s", strerror(errno));
	}
	if (st.st_size <= 0 || st.st_size > CONTEXT_BYTES_MAX) {
		return errmsg_set(e, -EFBIG, "has %lld bytes", (long long)st.st_size);
	}
	*ret_bytes = st.st_size;
	return 0;
}

static int copy_out(int from, off_t bytes, const char *path)
{
	_cleanup_close_ int to =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	off_t at = 0;

	while (to >= 0 && at < bytes) {
		ssize_t n = sendfile(to, from, &at, (size_t)(bytes - at));

		if (n <= 0) {
			int r = n < 0 ? -errno : -EIO;

			unlink(path);
			return r;
		}
	}
	return to < 0 ? -errno : 0;
}

/* With the lock for talking held. */
static int save_context(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	_cleanup_close_ int fd = memfd_create("pinfold-context", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[VMS_PATH_BYTES];
	off_t bytes = 0;
	int r;

	if (fd < 0) {
		return errmsg_set(e, -errno, "no memory file: %s", strerror(errno));
	}
	r = vms_ask(vm, PROTO_SAVE_CONTEXT, NULL, 0, fd, e);
	r = r < 0 ? r : check_context(fd, &bytes, e);
	if (r < 0) {
		return r;
	}
	vms_fault_path(v, vm->id, path);
	r = copy_out(fd, bytes, path);
	return r < 0 ? errmsg_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

/* A faulted VM that can answer: its context, or at least its record for another daemon. */
void vms_keep_one(struct vms *v, struct vms_vm *vm)
{
	struct errmsg e = { 0 };
	bool is_there, can_answer;
	json_t *registers = NULL;
	int r;

	vms_talk_begin(vm);
	pthread_mutex_lock(&v->lock);
	is_there = vm->has_process && vm->state == VMS_FAULTED && !vm->is_ending;
	can_answer = is_there && !vm->is_frozen;
	pthread_mutex_unlock(&v->lock);
	if (is_there && vms_record_write(v, vm, true, &e) < 0 && vms_may_log(v)) {
		log_warn("a VM's record is stale id=%s error=\"%s\"", vm->id, e.text);
	}
	if (can_answer) {
		r = save_context(v, vm, &e);
		pthread_mutex_lock(&v->lock);
		vm->has_fault_context = r == 0;
		pthread_mutex_unlock(&v->lock);
		if (vms_registers_ask(vm, &registers, NULL) == 0) {
			vms_fault_put(v, vm, registers);
			json_decref(registers);
		}
		if (r < 0 && r != -ECANCELED && vms_may_log(v)) {
			log_warn("the context of a faulted VM is not kept id=%s error=\"%s\"",
				 vm->id, e.text);
		}
	}
	vms_talk_end(v, vm);
	vms_fault_trim(v, vm->owner);
}

/* Of those whose processes are kept, the one that faulted first. One whose context is yet to be saved stays until then. */
static struct vms_vm *oldest_of_too_many(struct vms *v, uid_t owner)
{
	struct vms_vm *oldest = NULL;
	uint32_t n = 0;

	pthread_mutex_lock(&v->lock);
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		if (vm->owner != owner || !vm->has_process || vm->state != VMS_FAULTED ||
		    vm->is_ending) {
			continue;
		}
		n++;
		if (vm->entry[VMS_KEEPER].is_queued) {
			continue;
		}
		oldest = !oldest || vm->ended_ns < oldest->ended_ns ? vm : oldest;
	}
	oldest = n > v->o.max_faults_per_user ? oldest : NULL;
	if (oldest) {
		oldest->refs++;
	}
	pthread_mutex_unlock(&v->lock);
	return oldest;
}

void vms_fault_trim(struct vms *v, uid_t owner)
{
	struct vms_vm *vm;

	while ((vm = oldest_of_too_many(v, owner)) != NULL) {
		vms_end_begin(v, vm, VMS_FAULTED, NULL, NULL);
		vms_unref(v, vm);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening and closing the table of VMs. */
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
#define DEFAULT_VMS    4096
#define DEFAULT_REPLY  10000
#define DEFAULT_GRACE  50
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
		.grace_ms = DEFAULT_GRACE,
		.code_bytes = VMS_CODE_BYTES,
	};
}

uint64_t vms_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
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
	if (asprintf(&v->disk_dir, "%s/disks", v->o.state_dir) < 0) {
		v->disk_dir = NULL;
	}
	if (asprintf(&v->code_dir, "%s/translations", v->o.state_dir) < 0) {
		v->code_dir = NULL;
	}
	if (!v->run_dir || !v->state_dir || !v->disk_dir || !v->code_dir) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	if (strlen(v->run_dir) + sizeof("/0123456789abcdef/" VMS_SOCKET) > SOCKET_MAX) {
		return errmsg_set(e, -ENAMETOOLONG,
				  "%s is too long: sockets below it could not be named",
				  v->run_dir);
	}
	vms_path(v, "0123456789abcdef", VMS_SOCKET, longest);
	r = make_dir(v->run_dir, e);
	r = r < 0 ? r : make_dir(v->state_dir, e);
	r = r < 0 ? r : make_dir(v->disk_dir, e);
	return r < 0 ? r : make_dir(v->code_dir, e);
}

static int open_threads(struct vms *v, struct errmsg *e)
{
	int r = vms_queue_start(v, VMS_REAPER, vms_reap_one, "vms-reaper", e);

	r = r < 0 ? r : vms_queue_start(v, VMS_KEEPER, vms_keep_one, "vms-keeper", e);
	r = r < 0 ? r : vms_queue_start(v, VMS_TRAINER, vms_train_one, "vms-trainer", e);
	return r < 0 ? r : vms_watch_start(v, e);
}

/* Without them everything works, and a start takes twice the time. */
static void open_zygotes(struct vms *v)
{
	struct errmsg e = { 0 };

	for (int i = 0; i < LAUNCH_ZYGOTES; i++) {
		if (launch_zygote_start(v->o.vm_program, (enum launch_zygote_kind)i, &v->zygotes[i],
					&e) < 0) {
			log_warn("VMs start slowly: %s", e.text);
		}
	}
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
	pthread_cond_init(&v->met, NULL);
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
	vms_cgroup_done(v);
	if (v->epoll_fd >= 0) {
		close(v->epoll_fd);
	}
	if (v->stop_fd >= 0) {
		close(v->stop_fd);
	}
	sem_destroy(&v->launches);
	pthread_mutex_destroy(&v->image_lock);
	pthread_mutex_destroy(&v->lock);
	vms_counts_close(v);
	for (int i = 0; i < LAUNCH_ZYGOTES; i++) {
		launch_zygote_free(v->zygotes[i]);
	}
	free(v->slots);
	free(v->run_dir);
	free(v->state_dir);
	free(v->disk_dir);
	free(v->code_dir);
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
	vms_counts_open(v);
	r = vms_load(v, e);
	if (r == 0) {
		vms_disks_sweep(v);
	}
	r = r < 0 ? r : open_threads(v, e);
	r = r < 0 ? r : vms_restart(v, e);
	if (r < 0) {
		vms_close(v, false);
		return r;
	}
	open_zygotes(v); /* they prepare themselves on this core: VMs that are there go first */
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
	struct vms_vm **all = vms_ref_all(v, &n);

	for (uint32_t i = 0; i < n; i++) {
		vms_end_begin(v, all[i], VMS_KILLED, NULL, "the daemon was shut down");
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t run = vms_end_begin(v, all[i], VMS_KILLED, NULL, NULL);

		if (vms_end_wait(v, all[i], run, CLOSE_WAIT_MS) < 0) {
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
	vms_images_put(v, vm);
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
	} else {
		vms_counts_sync(v);
	}
	pthread_mutex_lock(&v->lock);
	v->is_closing = true;
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		pthread_cond_broadcast(&vm->changed);
		if (vm->cancel_fd >= 0) {
			vms_cancel_locked(vm);
		}
	}
	/* What is still late is left as it is. */
	while (v->n_meeting > 0) {
		pthread_cond_wait(&v->met, &v->lock);
	}
	pthread_mutex_unlock(&v->lock);
	vms_watch_stop(v);
	vms_queue_stop(v, VMS_REAPER);
	vms_queue_stop(v, VMS_KEEPER);
	vms_queue_stop(v, VMS_TRAINER);
	for (struct vms_vm *vm = v->first; vm; vm = vm->next) {
		if (vm->has_process) {
			let_go(v, vm);
		}
	}
	vms_free(v);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking for what should not be there: deaths that nobody told, processes, folders and cgroups that
 * belong to no VM, slots that were never given back, counts that don't add up. Everything found
 * is cleaned and logged; nothing is expected to be found.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/sock.h"
#include "host/text.h"

#define IMAGE_IDLE_NS (10 * NS_PER_S)
#define QUIT_MS	      200L

/* Ask a process that no record names to end. It has never run a guest, or its record is gone. */
static void send_quit(const char *path)
{
	struct timeval timeout = { 0, QUIT_MS * 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct proto_hdr hdr;
	struct iovec iov = { &hdr, sizeof(hdr) };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	proto_hdr_init(&hdr, PROTO_QUIT, 1, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
		host_sock_send(fd, &iov, 1, NULL, 0, true);
	}
}

void vms_orphan_end(struct vms *v, const char *id)
{
	char path[VMS_PATH_BYTES];

	vms_path(v, id, VMS_SOCKET, path);
	send_quit(path);
	vms_dir_remove(v, id);
}

/* Whether an id is that of a VM with a process. */
static bool is_in_use(struct vms *v, const char *id)
{
	struct vms_vm *vm = vms_ref(v, id);
	bool is = false;

	if (vm) {
		pthread_mutex_lock(&v->lock);
		is = vm->has_process;
		pthread_mutex_unlock(&v->lock);
		vms_unref(v, vm);
	}
	return is;
}

static uint32_t audit_folders(struct vms *v)
{
	DIR *d = opendir(v->run_dir);
	const struct dirent *ent;
	uint32_t n = 0;

	while (d && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] == '.' || is_in_use(v, ent->d_name)) {
			continue;
		}
		log_warn("audit: a folder of no running VM is removed id=%.40s", ent->d_name);
		vms_orphan_end(v, ent->d_name);
		n++;
	}
	if (d) {
		closedir(d);
	}
	return n;
}

bool vms_resident_bytes(pid_t pid, uint64_t *ret)
{
	char text[128];
	uint64_t pages;

	if (host_text_read(text, sizeof(text), "/proc/%d/statm", pid) <= 0 ||
	    sscanf(text, "%*u %" SCNu64, &pages) != 1) {
		return false;
	}
	*ret = pages * PAGE_BYTES;
	return true;
}

/*
 * Killed by somebody else, its first thread has ended and another can't: it is queued behind an exclusive VM on the core
 * where it slept. The scheduler takes it off there.
 */
static void end_stuck(struct vms *v, struct vms_vm *vm, pid_t pid)
{
	bool is_faulted;

	log_warn("audit: a VM process ends and can't, it is taken off its core id=%s pid=%d",
		 vm->id, pid);
	pthread_mutex_lock(&v->lock);
	is_faulted = vm->state == VMS_FAULTED;
	pthread_mutex_unlock(&v->lock);
	if (is_faulted) {
		vms_end_begin(v, vm, VMS_FAULTED, NULL, NULL);
	} else {
		vms_end_begin(v, vm, VMS_KILLED, NULL, "its process was ended from outside");
	}
}

/* Memory of one VM; and whether it died without a notice, or can't die. */
static bool audit_process(struct vms *v, struct vms_vm *vm)
{
	bool is_dead, is_stuck, is_over, is_ending;
	uint64_t bytes = 0;
	pid_t pid;

	pthread_mutex_lock(&v->lock);
	pid = vm->has_process ? vm->pid : 0;
	is_dead = pid > 0 && vm->is_added && !vms_queue_has_locked(v, VMS_REAPER, vm) &&
		  vm->pidfd >= 0 && host_sock_wait_readable(vm->pidfd, 0) == 0;
	pthread_mutex_unlock(&v->lock);
	if (pid <= 0) {
		return false;
	}
	is_ending = vms_resident_bytes(pid, &bytes) && bytes == 0; /* its first thread has ended */
	pthread_mutex_lock(&v->lock);
	if (vm->pid == pid && bytes) {
		vm->memory_bytes = bytes;
		vm->peak_bytes = bytes > vm->peak_bytes ? bytes : vm->peak_bytes;
	}
	/* A notice may be on its way, and threads about to end: twice in a row is one too many. */
	is_over = vm->pidfd >= 0 && host_sock_wait_readable(vm->pidfd, 0) == 0;
	is_dead = is_dead && vm->was_dead;
	is_stuck = is_ending && vm->was_ending && vm->pid == pid && !is_over && !vm->is_ending;
	vm->was_dead = is_over;
	vm->was_ending = is_ending;
	pthread_mutex_unlock(&v->lock);
	if (is_dead) {
		log_warn("audit: nobody told of a death id=%s pid=%d", vm->id, pid);
		vms_reap(v, vm);
	}
	if (is_stuck) {
		end_stuck(v, vm, pid);
	}
	return is_dead || is_stuck;
}

/* What a VM process may not do, and its jail can't keep it from. */
static bool audit_disks(struct vms *v, struct vms_vm *vm)
{
	struct vm_spec spec;
	bool has_disks;

	pthread_mutex_lock(&v->lock);
	has_disks = vm->spec.n_disks > 0;
	if (has_disks) {
		spec = vm->spec;
	}
	pthread_mutex_unlock(&v->lock);
	if (!has_disks || !vms_disks_exceed(v, vm->id, &spec)) {
		return false;
	}
	log_warn("audit: a VM process wrote more to a disk than it may and is killed id=%s",
		 vm->id);
	vms_end_begin(v, vm, VMS_KILLED, NULL, "its process wrote more to a disk than it may");
	return true;
}

/* Another daemon would take it for what it no longer is. Whoever talks to it may be waiting: next time, then. */
static void audit_record(struct vms *v, struct vms_vm *vm)
{
	bool is_stale, is_paused;

	pthread_mutex_lock(&v->lock);
	is_stale = vm->is_record_stale && vm->pid > 0;
	pthread_mutex_unlock(&v->lock);
	if (!is_stale || pthread_mutex_trylock(&vm->talk) != 0) {
		return;
	}
	pthread_mutex_lock(&v->lock);
	is_paused = vm->state == VMS_PAUSED || vm->state == VMS_FAULTED;
	pthread_mutex_unlock(&v->lock);
	(void)vms_record_write(v, vm, is_paused, NULL); /* fails if it has ended meanwhile */
	vms_talk_end(v, vm);
}

static uint32_t audit_processes(struct vms *v)
{
	struct vms_vm *vm;
	struct vms_vm *next;
	uint32_t n = 0;

	pthread_mutex_lock(&v->lock);
	for (vm = v->first; vm; vm = next) {
		vm->refs++;
		if (vm->has_process) {
			pthread_mutex_unlock(&v->lock);
			n += audit_process(v, vm) ? 1 : 0;
			n += audit_disks(v, vm) ? 1 : 0;
			audit_record(v, vm);
			pthread_mutex_lock(&v->lock);
		}
		/* Still in the table, unless it was removed meanwhile: then the rest waits. */
		next = vm->is_removing ? NULL : vm->next;
		vms_unref_locked(v, vm);
	}
	pthread_mutex_unlock(&v->lock);
	return n;
}

/* Slots that the dispatcher would not let go. */
static uint32_t audit_slots(struct vms *v)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->o.max_vms; i++) {
		bool is_stuck;
		uint32_t gen;
		int r;

		pthread_mutex_lock(&v->lock);
		is_stuck = v->slots[i].is_stuck;
		gen = v->slots[i].gen;
		pthread_mutex_unlock(&v->lock);
		if (!is_stuck) {
			continue;
		}
		n++;
		r = dispatch_vm_remove(v->o.dispatch, i, gen, NULL, NULL);
		if (r == 0 || r == -ENOENT || r == -ESTALE) {
			log_warn("audit: a slot is free again slot=%u", i);
			pthread_mutex_lock(&v->lock);
			v->slots[i].is_stuck = false;
			pthread_mutex_unlock(&v->lock);
		}
	}
	return n;
}

static bool is_zombie(pid_t pid)
{
	char text[VMS_STAT_BYTES];
	const char *p = NULL;

	if (host_text_read(text, sizeof(text), "/proc/%d/stat", pid) > 0) {
		p = strrchr(text, ')');
	}
	return p && p[1] == ' ' && p[2] == 'Z';
}

/* A VM's network that ended before its VM is buried with that. */
static bool is_network(struct vms *v, pid_t pid)
{
	const struct vms_vm *vm;

	pthread_mutex_lock(&v->lock);
	vm = v->first;
	while (vm && vm->net_pid != pid) {
		vm = vm->next;
	}
	pthread_mutex_unlock(&v->lock);
	return vm != NULL;
}

/* Children of one of our threads that ended and that nobody waits for. */
static void find_zombies(struct vms *v, const char *task, pid_t *ret, uint32_t *n)
{
	char path[300];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%s/children", task);
	f = fopen(path, "re");
	while (f && *n < VMS_ZOMBIES && fscanf(f, "%d", &pid) == 1) {
		if (is_zombie(pid) && !vms_owns_pid(v, pid) && !is_network(v, pid)) {
			ret[(*n)++] = pid;
		}
	}
	if (f) {
		fclose(f);
	}
}

static bool is_among(const pid_t *pids, uint32_t n, pid_t pid)
{
	for (uint32_t i = 0; i < n; i++) {
		if (pids[i] == pid) {
			return true;
		}
	}
	return false;
}

/* A process that is being started may end and be reaped at any moment: only who was a zombie the
 * last time, too, is one. */
static uint32_t audit_zombies(struct vms *v)
{
	DIR *d = opendir("/proc/self/task");
	pid_t found[VMS_ZOMBIES];
	uint32_t n_found = 0;
	uint32_t n = 0;
	const struct dirent *ent;

	while (d && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] != '.') {
			find_zombies(v, ent->d_name, found, &n_found);
		}
	}
	if (d) {
		closedir(d);
	}
	for (uint32_t i = 0; i < n_found; i++) {
		if (is_among(v->zombies, v->n_zombies, found[i]) &&
		    waitpid(found[i], NULL, WNOHANG) == found[i]) {
			log_warn("audit: a zombie is reaped pid=%d", found[i]);
			n++;
		}
	}
	memcpy(v->zombies, found, n_found * sizeof(found[0]));
	v->n_zombies = n_found;
	return n;
}

/* What a user's VMs were charged, against what users/ has. */
static bool is_sum_wrong(struct vms *v, uid_t uid, uint64_t *ret_diff)
{
	struct users_info user;
	uint64_t sum = 0;

	pthread_mutex_lock(&v->lock);
	for (const struct vms_vm *vm = v->first; vm; vm = vm->next) {
		if (vm->owner == uid && vm->is_charged) {
			sum += vm->spec.config.limits.mem_bytes;
		}
	}
	pthread_mutex_unlock(&v->lock);
	if (users_get(v->o.users, uid, &user) < 0) {
		return false;
	}
	*ret_diff = user.memory_bytes - sum;
	return user.memory_bytes != sum;
}

/* A start may be between the two counts: the same difference twice is a wrong one. */
static uint32_t audit_memory(struct vms *v)
{
	uint32_t n = 0;

	for (size_t i = 0; i < VMS_BUCKETS; i++) {
		/* Owners are only added, at the head, and never freed before the end. */
		struct vms_owner *o;

		pthread_mutex_lock(&v->lock);
		o = v->owners[i];
		pthread_mutex_unlock(&v->lock);
		for (; o; o = o->next) {
			uint64_t diff = 0;
			bool is_wrong = is_sum_wrong(v, o->uid, &diff);

			if (is_wrong && o->diff_bytes == diff) {
				log_err("audit: memory of a user does not add up uid=%u "
					"bytes=%" PRId64,
					o->uid, (int64_t)diff);
				n++;
			}
			o->diff_bytes = is_wrong ? diff : 0;
		}
	}
	return n;
}

uint32_t vms_audit(struct vms *v)
{
	uint32_t n = audit_processes(v);

	n += audit_folders(v);
	n += vms_cgroup_sweep(v, false);
	n += audit_slots(v);
	n += audit_zombies(v);
	n += audit_memory(v);
	vms_disks_count(v);
	vms_image_trim(v, IMAGE_IDLE_NS);
	vms_counts_sync(v);
	return n;
}

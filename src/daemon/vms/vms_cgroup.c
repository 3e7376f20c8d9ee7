/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cgroup v2 folder per VM, for freezing it as a whole and for finding its processes:
 *
 *   MOUNT/OWN-GROUP/pinfold-HASH/vm-SLOT    HASH: of the run directory, so that two daemons don't meet
 *
 * Making and removing a folder costs more than all else about it, part of it in kernel threads: those of low slots, which are
 * in use all the time, stay for the next VM if nothing is left in them.
 *
 * The core files cgroup.freeze and cgroup.kill need no controller, so this works beside cgroup v1. Where
 * there is no v2 hierarchy or it may not be written, VMs are frozen by SIGSTOP.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fnv.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "host/cgroup.h"
#include "host/proc.h"
#include "host/text.h"

#define PATH_MAX_BYTES HOST_CGROUP_PATH_BYTES

static bool make_base(struct vms *v, const char *own)
{
	uint32_t h = fnv32_text(FNV32_START, v->run_dir);
	char base[PATH_MAX_BYTES];
	char file[PATH_MAX_BYTES + 32];

	/* Room for "/vm-ID" behind it. */
	if (snprintf(base, sizeof(base), "%s%s/pinfold-%08x", v->cgroup_mount, own, h) >=
	    (int)sizeof(base) - 32) {
		return false;
	}
	if (mkdir(base, 0755) < 0 && errno != EEXIST) {
		return false;
	}
	snprintf(file, sizeof(file), "%s/cgroup.freeze", base);
	if (access(file, W_OK) < 0) {
		rmdir(base);
		return false;
	}
	memcpy(v->cgroup_base, base, sizeof(base));
	return true;
}

/*
 * Always a new folder: Linux kills what is born into one in which cgroup.kill was used before (it compares the count of
 * such kills with that of the parent's folder).
 */
static int make_folder(const struct vms *v, const char *name, char ret[PATH_MAX_BYTES])
{
	char path[PATH_MAX_BYTES];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", v->cgroup_base, name) >= (int)sizeof(path) ||
	    (mkdir(path, 0755) < 0 &&
	     (errno != EEXIST || rmdir(path) < 0 || mkdir(path, 0755) < 0))) {
		return -1;
	}
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		rmdir(path);
		return -1;
	}
	memcpy(ret, path, sizeof(path));
	return fd;
}

/* Whether a process can be born into such a folder, and lives. */
static bool is_fertile(const struct vms *v)
{
	char path[PATH_MAX_BYTES];
	_cleanup_close_ int fd = make_folder(v, "probe", path);
	_cleanup_close_ int pidfd = -1;
	int status = -1;
	pid_t pid;

	if (fd < 0) {
		return false;
	}
	pid = host_proc_clone_into(0, fd, &pidfd);
	if (pid == 0) {
		_exit(0);
	}
	if (pid > 0 && host_proc_wait(pidfd, pid, -1, &status, NULL) < 0) {
		status = -1;
	}
	rmdir(path);
	return status == 0;
}

void vms_cgroup_init(struct vms *v)
{
	char own[PATH_MAX_BYTES] = "";

	v->cgroup_base[0] = '\0';
	if (!host_cgroup_mount("", 2, NULL, v->cgroup_mount)) {
		return;
	}
	host_cgroup_own("", 2, NULL, own);
	if (!make_base(v, own) && (!own[0] || !make_base(v, ""))) {
		log_info("no cgroup v2 folder can be made: VMs are frozen by SIGSTOP");
	} else if (!is_fertile(v)) {
		log_info("VMs can't be made in cgroup v2 folders: they are frozen by SIGSTOP");
		rmdir(v->cgroup_base);
		v->cgroup_base[0] = '\0';
	}
}

bool vms_cgroup_is_sane(const char *path)
{
	return strncmp(path, "/sys/fs/cgroup/", 15) == 0 && !strstr(path, "/../") &&
	       strstr(path, "/pinfold");
}

void vms_cgroup_remove(const char *path)
{
	if (!path[0] || rmdir(path) == 0 || errno != EBUSY) {
		return;
	}
	/* Somebody is in it who should be dead. If he needs time to die, the audit removes it. */
	host_text_write("1", "%s/cgroup.kill", path);
	rmdir(path);
}

void vms_cgroup_path(const struct vms *v, uint32_t slot, char ret[PATH_MAX_BYTES])
{
	if (!v->cgroup_base[0] ||
	    snprintf(ret, PATH_MAX_BYTES, "%s/vm-%u", v->cgroup_base, slot) >= PATH_MAX_BYTES) {
		ret[0] = '\0';
	}
}

/* The folder of a slot, if it waits for a VM; it does not any more. @return descriptor, or -1 */
static int take_kept(struct vms *v, uint32_t slot)
{
	int fd = -1;

	pthread_mutex_lock(&v->lock);
	if (slot < VMS_CGROUPS_KEPT && v->is_cgroup_kept[slot]) {
		v->is_cgroup_kept[slot] = false;
		fd = v->cgroup_fd[slot];
	}
	pthread_mutex_unlock(&v->lock);
	return fd;
}

int vms_cgroup_make(struct vms *v, uint32_t slot, char ret[PATH_MAX_BYTES])
{
	char path[PATH_MAX_BYTES];
	char name[32];
	int fd;

	ret[0] = '\0';
	vms_cgroup_path(v, slot, path);
	if (!path[0]) {
		return -1;
	}
	fd = take_kept(v, slot);
	if (fd < 0) {
		snprintf(name, sizeof(name), "vm-%u", slot);
		return make_folder(v, name, ret);
	}
	memcpy(ret, path, sizeof(path));
	return fd;
}

/* Nobody is in it, and it would not freeze who comes. */
static bool is_fresh(int fd)
{
	char text[128];

	return host_text_read_at(fd, "cgroup.events", text, sizeof(text)) > 0 &&
	       strstr(text, "populated 0") && strstr(text, "frozen 0");
}

void vms_cgroup_give(struct vms *v, uint32_t slot, const char *path, int *fd)
{
	char own[PATH_MAX_BYTES];

	vms_cgroup_path(v, slot, own);
	if (path[0] && *fd >= 0 && slot < VMS_CGROUPS_KEPT && strcmp(path, own) == 0 &&
	    is_fresh(*fd)) {
		pthread_mutex_lock(&v->lock);
		v->is_cgroup_kept[slot] = true;
		v->cgroup_fd[slot] = *fd;
		pthread_mutex_unlock(&v->lock);
	} else {
		vms_cgroup_remove(path);
		if (*fd >= 0) {
			close(*fd);
		}
	}
	*fd = -1;
}

/* Whether a folder is that of a slot that has a VM, or keeps it for one; or, by its id, of a VM that an older version made. */
static bool is_wanted(struct vms *v, const char *name)
{
	struct vms_vm *vm = vms_ref(v, name + strlen("vm-"));
	bool is = vm != NULL;
	uint32_t slot;
	char rest;

	if (vm) {
		vms_unref(v, vm);
	} else if (sscanf(name, "vm-%u%c", &slot, &rest) == 1 && slot < v->o.max_vms) {
		pthread_mutex_lock(&v->lock);
		is = v->slots[slot].vm || (slot < VMS_CGROUPS_KEPT && v->is_cgroup_kept[slot]);
		pthread_mutex_unlock(&v->lock);
	}
	return is;
}

uint32_t vms_cgroup_sweep(struct vms *v, bool is_start)
{
	DIR *d = v->cgroup_base[0] ? opendir(v->cgroup_base) : NULL;
	const struct dirent *ent;
	uint32_t n = 0;

	while (d && (ent = readdir(d)) != NULL) {
		char path[PATH_MAX_BYTES + 64];

		if (strncmp(ent->d_name, "vm-", 3) != 0 || is_wanted(v, ent->d_name)) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%.40s", v->cgroup_base, ent->d_name);
		/* Empty ones are what a daemon leaves that was killed. */
		if (is_start && rmdir(path) == 0) {
			continue;
		}
		log_warn("audit: a cgroup of no running VM is removed name=%.40s", ent->d_name);
		vms_cgroup_remove(path);
		n++;
	}
	if (d) {
		closedir(d);
	}
	return n;
}

void vms_cgroup_done(struct vms *v)
{
	for (uint32_t slot = 0; slot < VMS_CGROUPS_KEPT; slot++) {
		char path[PATH_MAX_BYTES];

		int fd = take_kept(v, slot);

		vms_cgroup_path(v, slot, path);
		if (fd >= 0) {
			close(fd);
			rmdir(path);
		}
	}
	if (v->cgroup_base[0]) {
		rmdir(v->cgroup_base); /* unless VMs are in it */
	}
}

void vms_cgroup_thaw(const char *path, int pidfd)
{
	if (path[0]) {
		host_cgroup_freeze(path, false);
	}
	host_proc_kill(pidfd, SIGCONT);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cgroup v2 folder per VM, for freezing it as a whole and for finding its processes:
 *
 *   MOUNT/OWN-GROUP/pinfold-HASH/vm-ID      HASH: of the run directory, so that two daemons don't meet
 *
 * The core files cgroup.freeze and cgroup.kill need no controller, so this works beside cgroup v1. Where
 * there is no v2 hierarchy or it may not be written, VMs are frozen by SIGSTOP.
 */
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

/* Whether a process can be born into such a folder, and lives. */
static bool is_fertile(const struct vms *v)
{
	char path[PATH_MAX_BYTES];
	_cleanup_close_ int fd = vms_cgroup_make(v, "probe", path);
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

int vms_cgroup_make(const struct vms *v, const char *id, char ret[PATH_MAX_BYTES])
{
	char path[PATH_MAX_BYTES];
	int fd;

	ret[0] = '\0';
	if (!v->cgroup_base[0] ||
	    snprintf(path, sizeof(path), "%s/vm-%s", v->cgroup_base, id) >= (int)sizeof(path)) {
		return -1;
	}
	/*
	 * Always a new folder: Linux kills what is born into one in which cgroup.kill was used
	 * before (it compares the count of such kills with that of the parent's folder).
	 */
	if (mkdir(path, 0755) < 0 &&
	    (errno != EEXIST || rmdir(path) < 0 || mkdir(path, 0755) < 0)) {
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

void vms_cgroup_remove(const char *path)
{
	if (!path[0] || rmdir(path) == 0 || errno != EBUSY) {
		return;
	}
	/* Somebody is in it who should be dead. If he needs time to die, the audit removes it. */
	host_text_write("1", "%s/cgroup.kill", path);
	rmdir(path);
}

void vms_cgroup_thaw(const char *path, int pidfd)
{
	if (path[0]) {
		host_cgroup_freeze(path, false);
	}
	host_proc_kill(pidfd, SIGCONT);
}

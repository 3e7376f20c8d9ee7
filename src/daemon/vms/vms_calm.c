/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real-time threads that a daemon left which was killed, and that are not on the pool of the one that comes: it had hurried
 * them on the housekeeping core, or it had other cores, or the kernel moved them off a core that went offline. Behind
 * one of them the new daemon would never get to the point where it could meet it.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "daemon/vms/vms_meet.h"
#include "host/task.h"

static bool is_on_pool(const struct sched_roles *roles, pid_t tid)
{
	int32_t core = host_task_core(tid);

	for (uint32_t i = 0; i < roles->n_pool; i++) {
		if (roles->pool[i] == core) {
			return true;
		}
	}
	return false;
}

static void calm_one(const char *dir, const char *id, const struct sched_roles *roles)
{
	struct vms_record rec;
	int r = vms_record_read(dir, id, &rec, NULL);
	_cleanup_close_ int pidfd = r < 0 ? -1 : vms_meet_open(&rec, NULL);
	pid_t tids[VMS_TIDS];
	int n = pidfd < 0 ? 0 : host_task_list(rec.pid, tids, ARRAY_SIZE(tids));

	for (int i = 0; i < n && i < (int)VMS_TIDS; i++) {
		if (!is_on_pool(roles, tids[i])) {
			(void)host_task_set_fifo(tids[i], 0);
		}
	}
}

void vms_calm(const char *run_dir, const struct sched_roles *roles)
{
	char dir[VMS_PATH_BYTES];
	const struct dirent *ent;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/vms", run_dir);
	d = opendir(dir);
	while (d && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] != '.') {
			calm_one(dir, ent->d_name, roles);
		}
	}
	if (d) {
		closedir(d);
	}
}

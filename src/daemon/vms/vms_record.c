/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lies in run_dir/vms/ID/ while a VM has a process: the socket at which another daemon meets
 * it, and the record that says which process it is. Only the daemon can write there; the record is
 * checked all the same, and the process it names is checked against it (vms_restart.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/fnv.h"
#include "daemon/vms/vms_internal.h"
#include "host/fd.h"
#include "host/text.h"

#define RECORD_VERSION 1
#define RECORD_BYTES   4096

void vms_path(const struct vms *v, const char *id, const char *file, char ret[VMS_PATH_BYTES])
{
	snprintf(ret, VMS_PATH_BYTES, "%s/%s%s%s", v->run_dir, id, file ? "/" : "",
		 file ? file : "");
}

int vms_start_ticks(pid_t pid, uint64_t *ret)
{
	char text[VMS_STAT_BYTES];
	const char *p;

	if (host_text_read(text, sizeof(text), "/proc/%d/stat", pid) <= 0) {
		return -ESRCH;
	}
	/* Field 2 is a name in parentheses that may hold anything; field 3 follows the last one. */
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
	}
	return p && sscanf(p, " %" SCNu64, ret) == 1 ? 0 : -ESRCH;
}

uint64_t vms_json_digest(json_t *o)
{
	static const char *const may_change[] = { "prio", "slice_ns", "exclusive", "core",
						  "limits" };
	char *text;
	uint64_t h;

	for (size_t i = 0; o && i < ARRAY_SIZE(may_change); i++) {
		json_object_del(o, may_change[i]);
	}
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	h = fnv64_text(FNV64_START, text ? text : "") >> 1; /* JSON numbers end at 2^63 */
	free(text);
	return h;
}

uint64_t vms_spec_digest(const struct vm_spec *spec)
{
	json_t *o = spec_to_json(spec);
	uint64_t h = vms_json_digest(o);

	json_decref(o);
	return h;
}

static json_t *record_pack(const struct vms_vm *vm, uint64_t ticks, bool is_paused)
{
	return json_pack(
		"{s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:b, s:i, s:s, s:s, s:s}",
		"version", RECORD_VERSION, "id", vm->id, "pid", (int)vm->pid, "ticks",
		(json_int_t)ticks, "slot", (json_int_t)vm->slot, "gen", (json_int_t)vm->gen,
		"digest", (json_int_t)vm->digest, "run", (json_int_t)vm->run, "started_ns",
		(json_int_t)vm->started_ns, "runs", (int)vm->runs, "paused", (int)is_paused,
		"fault", vm->is_frozen ? (int)vm->fault : 0, "cgroup_memory", vm->lv.cgroup_memory,
		"cgroup_pids", vm->lv.cgroup_pids, "freeze_dir", vm->freeze_dir);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0) {
		return -errno;
	}
	r = host_fd_write_full(fd, text, strlen(text));
	close(fd);
	return r;
}

static int put_record(struct vms *v, struct vms_vm *vm, bool is_paused, struct errmsg *e)
{
	char path[VMS_PATH_BYTES];
	char temp[VMS_PATH_BYTES];
	uint64_t ticks;
	json_t *o = NULL;
	char *text;
	int r;

	r = vms_start_ticks(vm->pid, &ticks);
	vm->digest = vm->digest ? vm->digest : vms_spec_digest(&vm->spec);
	if (r == 0) {
		pthread_mutex_lock(&v->lock);
		o = record_pack(vm, ticks, is_paused);
		pthread_mutex_unlock(&v->lock);
	}
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!text) {
		return errmsg_set(e, r < 0 ? r : -ENOMEM, "no record of the VM can be made: %s",
				  strerror(r < 0 ? -r : ENOMEM));
	}
	vms_path(v, vm->id, VMS_RECORD, path);
	vms_path(v, vm->id, VMS_RECORD ".new", temp);
	r = write_file(temp, text);
	if (r == 0 && rename(temp, path) < 0) {
		r = -errno;
	}
	free(text);
	return r < 0 ? errmsg_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

int vms_record_write(struct vms *v, struct vms_vm *vm, bool is_paused, struct errmsg *e)
{
	int r = put_record(v, vm, is_paused, e);

	pthread_mutex_lock(&v->lock);
	vm->is_record_stale = r < 0;
	pthread_mutex_unlock(&v->lock);
	return r;
}

static bool get_number(const json_t *o, const char *name, uint64_t max, uint64_t *ret)
{
	const json_t *n = json_object_get(o, name);

	if (!json_is_integer(n) || json_integer_value(n) < 0 ||
	    (uint64_t)json_integer_value(n) > max) {
		return false;
	}
	*ret = (uint64_t)json_integer_value(n);
	return true;
}

/* A cgroup's path, or "". */
static bool get_path(const json_t *o, const char *name, char ret[256])
{
	const char *path = json_string_value(json_object_get(o, name));

	if (!path || strlen(path) >= 256 || (path[0] && !vms_cgroup_is_sane(path))) {
		return false;
	}
	snprintf(ret, 256, "%s", path);
	return true;
}

static bool record_unpack(const json_t *o, const char *id, struct vms_record *ret)
{
	const char *said = json_string_value(json_object_get(o, "id"));
	const json_t *paused = json_object_get(o, "paused");
	uint64_t version, pid, slot, gen, runs, fault;

	if (!get_number(o, "version", INT32_MAX, &version) || version != RECORD_VERSION || !said ||
	    strcmp(said, id) != 0 || !json_is_boolean(paused) ||
	    !get_number(o, "pid", INT32_MAX, &pid) || pid <= 1 ||
	    !get_number(o, "slot", UINT32_MAX, &slot) || !get_number(o, "gen", UINT32_MAX, &gen) ||
	    gen == 0 || !get_number(o, "runs", INT32_MAX, &runs) ||
	    !get_number(o, "fault", SCHED_REASON_COUNT - 1, &fault) ||
	    !get_number(o, "ticks", INT64_MAX, &ret->start_ticks) ||
	    !get_number(o, "digest", INT64_MAX, &ret->digest) ||
	    !get_number(o, "run", INT64_MAX, &ret->run) ||
	    !get_number(o, "started_ns", INT64_MAX, &ret->started_ns) ||
	    !get_path(o, "cgroup_memory", ret->cgroup_memory) ||
	    !get_path(o, "cgroup_pids", ret->cgroup_pids) ||
	    !get_path(o, "freeze_dir", ret->freeze_dir)) {
		return false;
	}
	memcpy(ret->id, said, VMS_ID_BYTES);
	ret->pid = (pid_t)pid;
	ret->slot = (uint32_t)slot;
	ret->gen = (uint32_t)gen;
	ret->runs = (uint32_t)runs;
	ret->fault = (uint32_t)fault;
	ret->is_paused = json_is_true(paused);
	return true;
}

int vms_record_read(const char *dir, const char *id, struct vms_record *ret, struct errmsg *e)
{
	struct vms_record rec = { 0 };
	char path[VMS_PATH_BYTES];
	char text[RECORD_BYTES];
	_cleanup_close_ int fd = -1;
	struct stat st;
	json_t *o;
	ssize_t n;
	bool is_good;

	snprintf(path, sizeof(path), "%s/%s/" VMS_RECORD, dir, id);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, errno == ENOENT ? -ENOENT : -EBADMSG, "%s: %s", path,
				  strerror(errno));
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077) {
		return errmsg_set(e, -EBADMSG, "%s is open to others", path);
	}
	n = host_fd_read_full(fd, text, sizeof(text));
	if (n <= 0 || n == sizeof(text)) {
		return errmsg_set(e, -EBADMSG, "%s is not a record", path);
	}
	o = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	is_good = strlen(id) == VMS_ID_BYTES - 1 && record_unpack(o, id, &rec);
	json_decref(o);
	if (!is_good) {
		return errmsg_set(e, -EBADMSG, "%s does not say what a record says", path);
	}
	*ret = rec;
	return 0;
}

int vms_dir_make(const struct vms *v, const char *id, struct errmsg *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[VMS_PATH_BYTES];
	_cleanup_close_ int fd = -1;
	bool is_new;

	vms_path(v, id, NULL, path);
	is_new = mkdir(path, 0700) == 0;
	if (!is_new && errno != EEXIST) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	vms_path(v, id, VMS_SOCKET, path);
	if (!is_new) {
		unlink(path);
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	/* The mode of the descriptor becomes that of the file. */
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	return steal_fd(&fd);
}

void vms_dir_remove(const struct vms *v, const char *id)
{
	char path[VMS_PATH_BYTES];
	const struct dirent *ent;
	DIR *d;

	vms_path(v, id, VMS_RECORD, path);
	unlink(path);
	vms_path(v, id, VMS_SOCKET, path);
	unlink(path);
	vms_path(v, id, NULL, path);
	if (rmdir(path) == 0 || errno != ENOTEMPTY) {
		return;
	}
	/* What else was left there. */
	d = opendir(path);
	while (d && (ent = readdir(d)) != NULL) {
		if (ent->d_name[0] != '.') {
			unlinkat(dirfd(d), ent->d_name, 0);
		}
	}
	if (d) {
		closedir(d);
	}
	rmdir(path);
}

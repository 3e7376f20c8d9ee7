/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of VMs. What a VM only reads is the uploaded image itself. What it writes goes into an overlay of that image
 * (docs/disks.md) of its own, state_dir/disks/ID/N, made when the VM is defined and kept until it is removed. A VM that starts
 * from a context gets its overlays anew at every start: memory and disks must be of the same moment. So does a disk that is a
 * snapshot.
 *
 * An overlay takes room only as it is written. A guest may do that at any time, and a full file system would stop the store: so
 * what it may write at most is promised to it when it is made, out of its owner's quota, and to nobody else (images.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"
#include "disk/overlay.h"

#define SECTOR_BYTES 512u
/* What a file system may need beside the blocks themselves. */
#define SLACK_BYTES (1ULL << 20)
#define SLACK_PART  16u

static void disk_path(const struct vms *v, const char *id, int idx, char ret[VMS_PATH_BYTES])
{
	if (idx < 0) {
		snprintf(ret, VMS_PATH_BYTES, "%s/%s", v->disk_dir, id);
	} else {
		snprintf(ret, VMS_PATH_BYTES, "%s/%s/%d", v->disk_dir, id, idx);
	}
}

static bool is_own(const struct vm_spec *s, uint32_t idx)
{
	return !(s->config.disks_ro & BIT(idx));
}

/* What the file of a disk of its own takes at most. */
static uint64_t room_bytes(const struct spec_disk *d)
{
	return overlay_room_bytes(d->bytes, d->room_bytes ? d->room_bytes : d->bytes);
}

uint64_t vms_disks_own_bytes(const struct vm_spec *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n_disks; i++) {
		sum += is_own(s, i) ? room_bytes(&s->disks[i]) : 0;
	}
	return sum;
}

void vms_disks_close(int fds[PROTO_DISKS_MAX])
{
	for (size_t i = 0; i < PROTO_DISKS_MAX; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
		fds[i] = -1;
	}
}

int vms_disks_settle(struct vms *v, uid_t owner, struct vm_spec *s, struct errmsg *e)
{
	for (uint32_t i = 0; i < s->n_disks; i++) {
		struct spec_disk *d = &s->disks[i];

		if (images_find(v->o.images, owner, d->image, &d->bytes) < 0) {
			return errmsg_set(e, -ENOENT,
					  "there is no image %.16s... for disk %u: upload it first",
					  d->image, i);
		}
		if (d->bytes < SECTOR_BYTES) {
			return errmsg_set(e, -EINVAL,
					  "disk %u is smaller than a sector of %u bytes", i,
					  SECTOR_BYTES);
		}
		if (is_own(s, i)) {
			d->bytes = align_down(d->bytes, SECTOR_BYTES);
		}
		if (d->room_bytes > d->bytes) {
			return errmsg_set(e, -EINVAL,
					  "disk %u has %" PRIu64
					  " bytes: there is no use for more room",
					  i, d->bytes);
		}
	}
	return 0;
}

static int fail(const char *path, int err, struct errmsg *e)
{
	return errmsg_set(e, -err, "%s: %s", path, strerror(err));
}

/* The image that a disk is, or is made from. */
static int open_image(const struct vms *v, const struct spec_disk *d, struct errmsg *e)
{
	char path[IMAGES_PATH_BYTES];
	int r = images_check(v->o.images, d->image, e);

	if (r < 0) {
		return r;
	}
	images_path(v->o.images, d->image, path);
	r = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return r < 0 ? fail(path, errno, e) : r;
}

static int make_one(struct vms *v, const char *id, uint32_t idx, const struct spec_disk *d,
		    struct errmsg *e)
{
	_cleanup_close_ int base = open_image(v, d, e);
	_cleanup_close_ int to = -1;
	struct overlay_form form;
	char path[VMS_PATH_BYTES];
	int r;

	if (base < 0) {
		return base;
	}
	disk_path(v, id, (int)idx, path);
	to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0) {
		return fail(path, errno, e);
	}
	r = overlay_form_fill(base, d->bytes, d->room_bytes, &form, e);
	r = r < 0 ? r : overlay_make(to, &form, e);
	if (r < 0) {
		errmsg_prefix(e, "disk %u: ", idx);
	}
	return r;
}

static int sync_dir(const char *path, struct errmsg *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? fail(path, errno, e) : 0;
}

int vms_disks_make(struct vms *v, const char *id, const struct vm_spec *s, struct errmsg *e)
{
	char path[VMS_PATH_BYTES];
	int r = 0;

	if (vms_disks_own_bytes(s) == 0) {
		return 0;
	}
	disk_path(v, id, -1, path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return fail(path, errno, e);
	}
	for (uint32_t i = 0; r == 0 && i < s->n_disks; i++) {
		r = is_own(s, i) ? make_one(v, id, i, &s->disks[i], e) : 0;
	}
	r = r < 0 ? r : sync_dir(path, e);
	return r < 0 ? r : sync_dir(v->disk_dir, e);
}

void vms_disks_remove(const struct vms *v, const char *id)
{
	char path[VMS_PATH_BYTES];

	for (int i = 0; i < (int)PROTO_DISKS_MAX; i++) {
		disk_path(v, id, i, path);
		unlink(path);
	}
	disk_path(v, id, -1, path);
	if (rmdir(path) < 0 && errno != ENOENT) {
		log_warn("a VM's disks can't be removed path=%s error=\"%s\"", path,
			 strerror(errno));
	}
}

/* Whether a file is still the overlay that was made: a VM process that was taken over may have written anything. */
static bool is_unchanged(int fd, const struct spec_disk *d)
{
	struct overlay_form f;

	return overlay_form_read(fd, &f, NULL) == 0 && f.disk_bytes == d->bytes &&
	       f.room_bytes == (d->room_bytes ? d->room_bytes : d->bytes) && !f.is_half_committed;
}

static int open_overlay(const struct vms *v, const char *id, const struct vm_spec *s, uint32_t idx,
			int flags, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	char path[VMS_PATH_BYTES];

	disk_path(v, id, (int)idx, path);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		return errmsg_set(e, -errno, "disk %u of VM %s can't be used: %s", idx, s->name,
				  strerror(errno));
	}
	if (!is_unchanged(fd, &s->disks[idx])) {
		return errmsg_set(e, -EUCLEAN,
				  "disk %u of VM %s can't be used: its file was changed", idx,
				  s->name);
	}
	return steal_fd(&fd);
}

void vms_disks_put(struct launch_disk disks[PROTO_DISKS_MAX])
{
	for (size_t i = 0; i < PROTO_DISKS_MAX; i++) {
		if (disks[i].fd >= 0) {
			close(disks[i].fd);
		}
		if (disks[i].overlay_fd >= 0) {
			close(disks[i].overlay_fd);
		}
		disks[i].fd = disks[i].overlay_fd = -1;
	}
}

static int open_all(const struct vms *v, const char *id, const struct vm_spec *s, int flags,
		    struct launch_disk ret[PROTO_DISKS_MAX], struct errmsg *e)
{
	int r = 0;

	for (uint32_t i = 0; r >= 0 && i < s->n_disks; i++) {
		r = ret[i].fd = open_image(v, &s->disks[i], e);
		if (r >= 0 && is_own(s, i)) {
			r = ret[i].overlay_fd = open_overlay(v, id, s, i, flags, e);
		}
	}
	if (r < 0) {
		vms_disks_put(ret);
	}
	return r < 0 ? r : 0;
}

int vms_disks_open(struct vms *v, const char *id, const struct vm_spec *s,
		   struct launch_disk ret[PROTO_DISKS_MAX], struct errmsg *e)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->n_disks; i++) {
		if (is_own(s, i) && (s->context[0] || s->disks[i].is_snapshot)) {
			r = make_one(v, id, i, &s->disks[i], e);
		}
	}
	return r < 0 ? r : open_all(v, id, s, O_RDWR, ret, e);
}

/*
 * A guest can't write more than its disk's room, nor behind its end; who has taken over its VM process could, and would have more
 * than was promised. What a file takes is only known where the file system keeps the blocks that we write.
 */
static bool exceeds(const struct stat *st, const struct spec_disk *d)
{
	uint64_t room = room_bytes(d);

	return (uint64_t)st->st_size > overlay_file_bytes(d->bytes) ||
	       (st->st_blksize <= (blksize_t)OVERLAY_BLOCK_BYTES &&
		(uint64_t)st->st_blocks * SECTOR_BYTES > room + room / SLACK_PART + SLACK_BYTES);
}

bool vms_disks_exceed(const struct vms *v, const char *id, const struct vm_spec *s)
{
	char path[VMS_PATH_BYTES];
	struct stat st;
	bool is = false;

	for (uint32_t i = 0; i < s->n_disks && !is; i++) {
		disk_path(v, id, (int)i, path);
		is = is_own(s, i) && lstat(path, &st) == 0 && exceeds(&st, &s->disks[i]);
	}
	return is;
}

void vms_disks_trim(const struct vms *v, const char *id, const struct vm_spec *s)
{
	char path[VMS_PATH_BYTES];
	struct stat st;

	for (uint32_t i = 0; i < s->n_disks; i++) {
		uint64_t bytes = overlay_file_bytes(s->disks[i].bytes);

		disk_path(v, id, (int)i, path);
		if (is_own(s, i) && lstat(path, &st) == 0 && (uint64_t)st.st_size > bytes &&
		    truncate(path, (off_t)bytes) < 0) {
			log_warn("a disk can't be cut path=%s error=\"%s\"", path, strerror(errno));
		}
	}
}

/* An image never changes: the descriptor will do. */
static int copy_one(const struct vms *v, struct launch_disk *d, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int to = -1;
	struct overlay *o = NULL;
	int r;

	if (d->overlay_fd < 0) {
		*ret_fd = steal_fd(&d->fd);
		return 0;
	}
	r = overlay_open(d->overlay_fd, d->fd, &o, e);
	if (r < 0) {
		return r;
	}
	to = open(v->disk_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	r = to < 0 ? -errno : overlay_copy_out(o, to);
	overlay_free(o);
	if (r < 0) {
		return errmsg_set(e, r, "a disk can't be copied: %s", strerror(-r));
	}
	*ret_fd = steal_fd(&to);
	return 0;
}

int vms_disks_copy(struct vms *v, const char *id, const struct vm_spec *s, int ret[PROTO_DISKS_MAX],
		   struct errmsg *e)
{
	struct launch_options o; /* for its disks */
	int r;

	launch_options_defaults(&o);
	r = open_all(v, id, s, O_RDONLY, o.disks, e);
	for (uint32_t i = 0; r == 0 && i < s->n_disks; i++) {
		r = copy_one(v, &o.disks[i], &ret[i], e);
	}
	vms_disks_put(o.disks);
	if (r < 0) {
		vms_disks_close(ret);
	}
	return r;
}

/* What the disks of one VM take now. */
static uint64_t taken_bytes(const struct vms *v, const char *id)
{
	char path[VMS_PATH_BYTES];
	uint64_t sum = 0;
	struct stat st;

	for (int i = 0; i < (int)PROTO_DISKS_MAX; i++) {
		disk_path(v, id, i, path);
		sum += lstat(path, &st) == 0 ? (uint64_t)st.st_blocks * SECTOR_BYTES : 0;
	}
	return sum;
}

void vms_disks_count(struct vms *v)
{
	DIR *d = opendir(v->disk_dir);
	const struct dirent *ent;
	uint64_t sum = 0;

	while (d && (ent = readdir(d)) != NULL) {
		sum += ent->d_name[0] != '.' ? taken_bytes(v, ent->d_name) : 0;
	}
	if (d) {
		closedir(d);
		images_charges_took(v->o.images, sum);
	}
}

void vms_disks_sweep(struct vms *v)
{
	DIR *d = opendir(v->disk_dir);
	const struct dirent *ent;

	while (d && (ent = readdir(d)) != NULL) {
		struct vms_vm *vm = ent->d_name[0] != '.' ? vms_ref(v, ent->d_name) : NULL;

		if (vm) {
			vms_unref(v, vm);
		} else if (ent->d_name[0] != '.') {
			log_warn("disks of no VM are removed id=%.40s", ent->d_name);
			vms_disks_remove(v, ent->d_name);
		}
	}
	if (d) {
		closedir(d);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images: who may use which, what they cost, whether they are still what they were. The long work (hashing,
 * copying) is done without the lock, and its result judged again under it.
 */
#include "daemon/images/images.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/images/images_internal.h"
#include "daemon/store/store_file.h"

#define DISK_RESERVE	   8u /* this part of the disk, at most so much: */
#define DISK_RESERVE_BYTES (1ULL << 30)
#define IDLE_NS		   (3600 * NS_PER_S)

static ns_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec;
}

/* Many tiny images cost room too. */
static uint64_t cost_of(const struct image *img)
{
	return align_down(img->bytes + PAGE_BYTES - 1, PAGE_BYTES);
}

struct image *images_lookup_locked(struct images *im, const char *hash)
{
	for (uint32_t i = 0; i < im->n; i++) {
		if (memcmp(im->image[i].hash, hash, IMAGES_HASH_BYTES) == 0) {
			return &im->image[i];
		}
	}
	return NULL;
}

struct image *images_entry_locked(struct images *im, const char *hash)
{
	struct image *img;

	if (im->n == im->max) {
		uint32_t max = im->max ? im->max * 2 : 64;

		img = max <= IMAGES_MAX ? realloc(im->image, max * sizeof(*img)) : NULL;
		if (!img) {
			return NULL;
		}
		im->image = img;
		im->max = max;
	}
	img = &im->image[im->n++];
	memset(img, 0, sizeof(*img));
	memcpy(img->hash, hash, IMAGES_HASH_BYTES);
	img->used_ns = now_ns();
	return img;
}

void images_forget_locked(struct images *im, struct image *img)
{
	free(img->owners);
	*img = im->image[--im->n];
}

bool images_is_owner(const struct image *img, uid_t uid)
{
	for (uint32_t i = 0; i < img->n_owners; i++) {
		if (img->owners[i] == uid) {
			return true;
		}
	}
	return false;
}

int images_owner_add(struct image *img, uid_t uid)
{
	uid_t *owners;

	if (images_is_owner(img, uid)) {
		return 0;
	}
	owners = realloc(img->owners, (img->n_owners + 1) * sizeof(*owners));
	if (!owners) {
		return -ENOMEM;
	}
	img->owners = owners;
	owners[img->n_owners++] = uid;
	return 0;
}

int images_open(const struct images_options *o, struct images **ret, struct errmsg *e)
{
	_cleanup_close_ int state_fd = -1;
	struct images *im = calloc(1, sizeof(*im));
	int r;

	if (!im) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	im->dir_fd = -1;
	im->options = *o;
	pthread_mutex_init(&im->lock, NULL);
	r = sodium_init() < 0 ? errmsg_set(e, -EIO, "libsodium does not work here") : 0;
	if (r == 0 && snprintf(im->state_dir, sizeof(im->state_dir), "%s", o->state_dir) >=
			      (int)sizeof(im->state_dir) - IMAGES_NAME_BYTES) {
		r = errmsg_set(e, -ENAMETOOLONG, "the path of the state folder is too long");
	}
	r = r < 0 ? r : store_dir_open(o->state_dir, &state_fd, e);
	r = r < 0 ? r : store_dir_enter(state_fd, "images", &im->dir_fd, NULL, e);
	r = r < 0 ? r : images_dir_load(im, e);
	if (r < 0) {
		images_close(im);
		return r;
	}
	im->options.state_dir = im->state_dir;
	*ret = im;
	return 0;
}

void images_close(struct images *im)
{
	if (!im) {
		return;
	}
	for (uint32_t i = 0; i < im->n; i++) {
		free(im->image[i].owners);
	}
	if (im->dir_fd >= 0) {
		close(im->dir_fd);
	}
	pthread_mutex_destroy(&im->lock);
	free(im->charges);
	free(im->image);
	free(im);
}

static struct images_charge *charge_find_locked(const struct images *im, uid_t uid)
{
	for (uint32_t i = 0; i < im->n_charges; i++) {
		if (im->charges[i].uid == uid) {
			return &im->charges[i];
		}
	}
	return NULL;
}

static uint64_t used_locked(const struct images *im, uid_t uid)
{
	const struct images_charge *c = charge_find_locked(im, uid);
	uint64_t sum = c ? c->bytes : 0;

	for (uint32_t i = 0; i < im->n; i++) {
		if (!im->image[i].is_gone && images_is_owner(&im->image[i], uid)) {
			sum += cost_of(&im->image[i]);
		}
	}
	return sum;
}

uint64_t images_used_bytes(struct images *im, uid_t uid)
{
	uint64_t sum;

	pthread_mutex_lock(&im->lock);
	sum = used_locked(im, uid);
	pthread_mutex_unlock(&im->lock);
	return sum;
}

/* Whether one more image of this size fits. is_new: nobody has it yet. */
static int room_locked(struct images *im, uid_t uid, uint64_t max_user, uint64_t bytes, bool is_new,
		       struct errmsg *e)
{
	struct image probe = { .bytes = bytes };
	uint64_t used = used_locked(im, uid);

	if (used > max_user || cost_of(&probe) > max_user - used) {
		return errmsg_set(e, -EDQUOT,
				  "images and disks of this user take %" PRIu64 " KiB of %" PRIu64
				  " KiB that are allowed; this one needs %" PRIu64 " KiB",
				  used >> 10, max_user >> 10, cost_of(&probe) >> 10);
	}
	if (is_new && (im->total_bytes > im->options.max_bytes ||
		       bytes > im->options.max_bytes - im->total_bytes)) {
		return errmsg_set(e, -ENOSPC,
				  "there is no room for more images: all may take %" PRIu64 " MiB",
				  im->options.max_bytes >> 20);
	}
	return 0;
}

/* The image is there: give the right. Unlocks nothing. */
static int grant_locked(struct images *im, struct image *img, uid_t uid, uint64_t max_user,
			struct errmsg *e)
{
	int r;

	img->used_ns = now_ns();
	img->is_fleeting = false; /* somebody wants it for itself */
	if (images_is_owner(img, uid)) {
		return 0;
	}
	r = room_locked(im, uid, max_user, img->bytes, false, e);
	r = r < 0 ? r : images_dir_grant(im, img->hash, uid, e);
	if (r == 0 && images_owner_add(img, uid) < 0) {
		r = errmsg_set(e, -ENOMEM, "out of memory");
	}
	return r;
}

/* Under the lock: the copied file becomes the image, unless somebody was quicker. */
static int keep_locked(struct images *im, uid_t uid, uint64_t max_user, const char *temp,
		       const char *hash, uint64_t bytes, struct errmsg *e)
{
	struct image *img = images_lookup_locked(im, hash);
	int r;

	if (img && !img->is_gone) {
		return grant_locked(im, img, uid, max_user, e);
	}
	r = room_locked(im, uid, max_user, bytes, true, e);
	r = r < 0 ? r : images_dir_rename(im, temp, hash, e);
	if (r < 0) {
		return r;
	}
	img = img ? img : images_entry_locked(im, hash);
	if (!img) {
		unlinkat(im->dir_fd, hash, 0);
		return errmsg_set(e, -ENOSPC, "there are too many images");
	}
	img->bytes = bytes;
	img->is_gone = false;
	img->is_checked = true;
	im->total_bytes += bytes;
	return grant_locked(im, img, uid, max_user, e);
}

/* What the disks of VMs may still grow by. */
static uint64_t promised_bytes(struct images *im)
{
	uint64_t bytes;

	pthread_mutex_lock(&im->lock);
	bytes = im->promised_bytes > im->taken_bytes ? im->promised_bytes - im->taken_bytes : 0;
	pthread_mutex_unlock(&im->lock);
	return bytes;
}

/* A full disk would stop the store and the audit log, and with them all changes of all users. */
static int disk_check(struct images *im, uint64_t bytes, struct errmsg *e)
{
	struct statvfs st;
	uint64_t free_bytes, reserve_bytes;

	if (fstatvfs(im->dir_fd, &st) < 0) {
		return errmsg_set(e, -errno, "folder of images: %s", strerror(errno));
	}
	free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	reserve_bytes = (uint64_t)st.f_blocks * st.f_frsize / DISK_RESERVE;
	reserve_bytes = reserve_bytes < DISK_RESERVE_BYTES ? reserve_bytes : DISK_RESERVE_BYTES;
	reserve_bytes += promised_bytes(im);
	if (free_bytes < reserve_bytes || bytes > free_bytes - reserve_bytes) {
		return errmsg_set(e, -ENOSPC,
				  "there is no room for the image: %" PRIu64
				  " MiB are free on its disk, of which %" PRIu64
				  " MiB are kept for the daemon's records and the disks of VMs",
				  free_bytes >> 20, reserve_bytes >> 20);
	}
	return 0;
}

static int copy_and_keep(struct images *im, uid_t uid, uint64_t max_user, int fd, uint64_t bytes,
			 const char *hash, struct errmsg *e)
{
	char temp[IMAGES_NAME_BYTES], copied[IMAGES_HASH_BYTES];
	int r;

	pthread_mutex_lock(&im->lock);
	snprintf(temp, sizeof(temp), "new-%" PRIu64, im->next_temp++);
	r = room_locked(im, uid, max_user, bytes, true, e);
	pthread_mutex_unlock(&im->lock);
	r = r < 0 ? r : disk_check(im, bytes, e);
	r = r < 0 ? r : images_dir_copy(im, fd, bytes, temp, copied, e);
	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&im->lock);
	r = strcmp(copied, hash) == 0
		    ? keep_locked(im, uid, max_user, temp, hash, bytes, e)
		    : errmsg_set(e, -EINVAL, "the image changed while it was read");
	/* Gone when it was renamed. */
	unlinkat(im->dir_fd, temp, 0);
	pthread_mutex_unlock(&im->lock);
	return r;
}

int images_put(struct images *im, uid_t uid, int fd, const char *want,
	       char ret_hash[IMAGES_HASH_BYTES], struct errmsg *e)
{
	uint64_t max_user = im->options.user_max
				    ? im->options.user_max(im->options.user_max_arg, uid)
				    : im->options.max_bytes_per_user;
	char hash[IMAGES_HASH_BYTES];
	struct image *img;
	struct stat st;
	bool is_there;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		return errmsg_set(e, -EINVAL, "an image has at least one byte");
	}
	if ((uint64_t)st.st_size > IMAGES_MAX_BYTES) {
		return errmsg_set(e, -EFBIG, "an image has at most %llu MiB",
				  IMAGES_MAX_BYTES >> 20);
	}
	r = images_hash(fd, (uint64_t)st.st_size, hash);
	if (r < 0) {
		return errmsg_set(e, r, "image can't be read: %s", strerror(-r));
	}
	if (want && strcmp(want, hash) != 0) {
		return errmsg_set(e, -EINVAL, "these bytes have the SHA-256 %s, not the one named",
				  hash);
	}
	/* A file that was changed on disk is found here, and replaced. */
	is_there = images_check(im, hash, NULL) == 0;
	pthread_mutex_lock(&im->lock);
	img = is_there ? images_lookup_locked(im, hash) : NULL;
	if (img && !img->is_gone) {
		r = grant_locked(im, img, uid, max_user, e);
		pthread_mutex_unlock(&im->lock);
	} else {
		pthread_mutex_unlock(&im->lock);
		r = copy_and_keep(im, uid, max_user, fd, (uint64_t)st.st_size, hash, e);
	}
	if (r == 0) {
		memcpy(ret_hash, hash, IMAGES_HASH_BYTES);
	}
	return r;
}

/* The file is not what it should be: nobody runs it any more. */
static void drop_locked(struct images *im, struct image *img)
{
	log_warn("an image was changed on disk and is removed: hash=%s", img->hash);
	images_dir_remove(im, img);
	im->total_bytes -= img->bytes;
	if (img->refs == 0) {
		images_forget_locked(im, img);
		return;
	}
	img->is_gone = true;
	img->n_owners = 0;
}

int images_check(struct images *im, const char *hash, struct errmsg *e)
{
	struct image *img;
	uint64_t bytes;
	int r;

	if (!images_hash_is_sane(hash)) {
		return errmsg_set(e, -ENOENT, "this is no hash of an image");
	}
	pthread_mutex_lock(&im->lock);
	img = images_lookup_locked(im, hash);
	if (!img || img->is_gone) {
		pthread_mutex_unlock(&im->lock);
		return errmsg_set(e, -ENOENT, "image %s is not here: upload it again", hash);
	}
	img->used_ns = now_ns();
	bytes = img->bytes;
	r = img->is_checked ? 1 : 0;
	pthread_mutex_unlock(&im->lock);
	if (r == 1) {
		return 0;
	}
	r = images_dir_check(im, hash, bytes);
	pthread_mutex_lock(&im->lock);
	img = images_lookup_locked(im, hash);
	if (r == 0 && img && !img->is_gone) {
		img->is_checked = true;
	} else if (r == -EUCLEAN && img && !img->is_gone && !img->is_checked) {
		drop_locked(im, img);
	}
	pthread_mutex_unlock(&im->lock);
	if (r == -EUCLEAN) {
		r = -ENOENT;
	}
	return r < 0 ? errmsg_set(e, r, "image %s can't be used: its file was changed, or %s", hash,
				  strerror(-r))
		     : 0;
}

int images_find(struct images *im, uid_t uid, const char *hash, uint64_t *ret_bytes)
{
	const struct image *img;
	uint64_t bytes = 0;
	bool is_mine;
	int r;

	if (!images_hash_is_sane(hash)) {
		return -ENOENT;
	}
	pthread_mutex_lock(&im->lock);
	img = images_lookup_locked(im, hash);
	is_mine = img && images_is_owner(img, uid);
	if (is_mine) {
		bytes = img->bytes;
	}
	pthread_mutex_unlock(&im->lock);
	r = is_mine ? images_check(im, hash, NULL) : -ENOENT;
	if (r == 0) {
		*ret_bytes = bytes;
	}
	return r;
}

void images_path(const struct images *im, const char *hash, char ret_path[IMAGES_PATH_BYTES])
{
	int n = snprintf(ret_path, IMAGES_PATH_BYTES, "%s/images/%s", im->state_dir, hash);

	BUG_ON(n >= IMAGES_PATH_BYTES);
}

void images_make_fleeting(struct images *im, const char *hash)
{
	struct image *img;

	pthread_mutex_lock(&im->lock);
	img = images_lookup_locked(im, hash);
	if (img && img->refs == 0) {
		img->is_fleeting = true;
	}
	pthread_mutex_unlock(&im->lock);
}

void images_ref(struct images *im, const char *hash)
{
	struct image *img;

	if (!images_hash_is_sane(hash)) {
		return; /* a VM without an image */
	}
	pthread_mutex_lock(&im->lock);
	img = images_lookup_locked(im, hash);
	if (!img) {
		/* Lost with the folder; its VM can't start until somebody uploads it again. */
		img = images_entry_locked(im, hash);
		if (img) {
			img->is_gone = true;
		}
	}
	if (img) {
		img->refs++;
	}
	pthread_mutex_unlock(&im->lock);
}

void images_unref(struct images *im, const char *hash)
{
	struct image *img;

	if (!images_hash_is_sane(hash)) {
		return; /* a VM without an image */
	}
	pthread_mutex_lock(&im->lock);
	img = images_lookup_locked(im, hash);
	if (img && img->refs > 0) {
		img->refs--;
		img->used_ns = now_ns();
		if (img->refs == 0 && img->is_fleeting && !img->is_gone) {
			images_dir_remove(im, img);
			im->total_bytes -= img->bytes;
			img->is_gone = true;
		}
		if (img->refs == 0 && img->is_gone) {
			images_forget_locked(im, img);
		}
	}
	pthread_mutex_unlock(&im->lock);
}

uint64_t images_collect(struct images *im)
{
	ns_t idle_ns = im->options.idle_ns ? im->options.idle_ns : IDLE_NS;
	ns_t now = now_ns();
	uint64_t freed = 0;

	pthread_mutex_lock(&im->lock);
	for (uint32_t i = im->n; i-- > 0;) {
		struct image *img = &im->image[i];

		if (img->refs == 0 && !img->is_gone && now - img->used_ns >= idle_ns) {
			freed += img->bytes;
			im->total_bytes -= img->bytes;
			images_dir_remove(im, img);
			images_forget_locked(im, img);
		}
	}
	pthread_mutex_unlock(&im->lock);
	return freed;
}

/* Who ever had a disk stays known. */
static struct images_charge *charge_make_locked(struct images *im, uid_t uid)
{
	struct images_charge *c = charge_find_locked(im, uid);

	if (!c) {
		c = realloc(im->charges, (im->n_charges + 1) * sizeof(*c));
		if (!c) {
			return NULL;
		}
		im->charges = c;
		c = &im->charges[im->n_charges++];
		*c = (struct images_charge){ .uid = uid };
	}
	return c;
}

static int charge_locked(struct images *im, uid_t uid, uint64_t bytes, struct errmsg *e)
{
	struct images_charge *c = charge_make_locked(im, uid);

	if (!c) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	c->bytes += bytes;
	im->promised_bytes += bytes;
	im->total_bytes += bytes;
	return 0;
}

int images_charge(struct images *im, uid_t uid, uint64_t bytes, struct errmsg *e)
{
	uint64_t max_user = im->options.user_max
				    ? im->options.user_max(im->options.user_max_arg, uid)
				    : im->options.max_bytes_per_user;
	int r = disk_check(im, bytes, e);

	pthread_mutex_lock(&im->lock);
	r = r < 0 ? r : room_locked(im, uid, max_user, bytes, true, e);
	r = r < 0 ? r : charge_locked(im, uid, bytes, e);
	pthread_mutex_unlock(&im->lock);
	return r;
}

void images_charge_again(struct images *im, uid_t uid, uint64_t bytes)
{
	pthread_mutex_lock(&im->lock);
	if (charge_locked(im, uid, bytes, NULL) < 0) {
		log_err("a user's disks are not counted: out of memory uid=%u", uid);
	}
	pthread_mutex_unlock(&im->lock);
}

void images_charges_took(struct images *im, uint64_t bytes)
{
	pthread_mutex_lock(&im->lock);
	im->taken_bytes = bytes;
	pthread_mutex_unlock(&im->lock);
}

void images_release(struct images *im, uid_t uid, uint64_t bytes)
{
	struct images_charge *c;

	pthread_mutex_lock(&im->lock);
	c = charge_find_locked(im, uid);
	bytes = c && c->bytes < bytes ? c->bytes : bytes;
	if (c) {
		c->bytes -= bytes;
		im->promised_bytes -= bytes;
		im->total_bytes -= bytes;
	}
	pthread_mutex_unlock(&im->lock);
}

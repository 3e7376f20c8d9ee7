/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder of images: HASH is an image, HASH.UID (empty) says that this user uploaded it. All files are
 * ours and 0400; nothing is ever written in place. A file appears whole or not at all: written under
 * another name, synced, renamed, folder synced.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "daemon/images/images_internal.h"
#include "daemon/store/store_file.h"
#include "host/fd.h"

#define CHUNK_BYTES (256u << 10)

bool images_hash_is_sane(const char *text)
{
	return strlen(text) == IMAGES_HASH_BYTES - 1 &&
	       strspn(text, "0123456789abcdef") == IMAGES_HASH_BYTES - 1;
}

/* Read a file from its start to @p out_fd (-1: nowhere), hashing. */
static int pump(int fd, uint64_t bytes, int out_fd, char ret_hash[IMAGES_HASH_BYTES])
{
	_cleanup_free_ uint8_t *buf = malloc(CHUNK_BYTES);
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;

	if (!buf) {
		return -ENOMEM;
	}
	crypto_hash_sha256_init(&st);
	for (uint64_t at = 0; at < bytes;) {
		size_t want = bytes - at < CHUNK_BYTES ? (size_t)(bytes - at) : CHUNK_BYTES;
		ssize_t n = pread(fd, buf, want, (off_t)at);
		int r;

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -ENODATA;
		}
		crypto_hash_sha256_update(&st, buf, (size_t)n);
		r = out_fd >= 0 ? host_fd_write_full(out_fd, buf, (size_t)n) : 0;
		if (r < 0) {
			return r;
		}
		at += (uint64_t)n;
	}
	crypto_hash_sha256_final(&st, digest);
	sodium_bin2hex(ret_hash, IMAGES_HASH_BYTES, digest, sizeof(digest));
	return 0;
}

int images_hash(int fd, uint64_t bytes, char ret_hash[IMAGES_HASH_BYTES])
{
	return pump(fd, bytes, -1, ret_hash);
}

int images_dir_copy(struct images *im, int fd, uint64_t bytes, const char *temp,
		    char ret_hash[IMAGES_HASH_BYTES], struct errmsg *e)
{
	_cleanup_close_ int out =
		openat(im->dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0400);
	int r;

	if (out < 0) {
		return errmsg_set(e, -errno, "image can't be written: %s", strerror(errno));
	}
	r = pump(fd, bytes, out, ret_hash);
	if (r == 0 && fsync(out) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlinkat(im->dir_fd, temp, 0);
		return errmsg_set(e, r, "image can't be written: %s", strerror(-r));
	}
	return 0;
}

int images_dir_rename(struct images *im, const char *temp, const char *hash, struct errmsg *e)
{
	if (renameat(im->dir_fd, temp, im->dir_fd, hash) < 0 || fsync(im->dir_fd) < 0) {
		return errmsg_set(e, -errno, "image can't be kept: %s", strerror(errno));
	}
	return 0;
}

static void owner_name(const char *hash, uid_t uid, char ret[IMAGES_NAME_BYTES])
{
	snprintf(ret, IMAGES_NAME_BYTES, "%s.%u", hash, uid);
}

int images_dir_grant(struct images *im, const char *hash, uid_t uid, struct errmsg *e)
{
	char name[IMAGES_NAME_BYTES];
	_cleanup_close_ int fd = -1;

	owner_name(hash, uid, name);
	fd = openat(im->dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (fd < 0 || fsync(fd) < 0 || fsync(im->dir_fd) < 0) {
		return errmsg_set(e, -errno, "right to an image can't be kept: %s",
				  strerror(errno));
	}
	return 0;
}

void images_dir_remove(struct images *im, const struct image *img)
{
	char name[IMAGES_NAME_BYTES];

	/* What is left after a crash in between is removed at the next start. */
	unlinkat(im->dir_fd, img->hash, 0);
	for (uint32_t i = 0; i < img->n_owners; i++) {
		owner_name(img->hash, img->owners[i], name);
		unlinkat(im->dir_fd, name, 0);
	}
}

int images_dir_check(struct images *im, const char *hash, uint64_t bytes)
{
	char found[IMAGES_HASH_BYTES];
	struct stat st;
	_cleanup_close_ int fd = -1;
	int r = store_file_check(im->dir_fd, hash, NULL);

	if (r < 0) {
		return r == -ENOENT ? -EUCLEAN : r;
	}
	fd = openat(im->dir_fd, hash, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	if ((uint64_t)st.st_size != bytes) {
		return -EUCLEAN;
	}
	r = images_hash(fd, bytes, found);
	if (r < 0) {
		return r == -ENODATA ? -EUCLEAN : r;
	}
	return strcmp(found, hash) == 0 ? 0 : -EUCLEAN;
}

static int load_image(struct images *im, const char *name, struct errmsg *e)
{
	struct image *img;
	struct stat st;

	if (!images_hash_is_sane(name) || store_file_check(im->dir_fd, name, NULL) < 0 ||
	    fstatat(im->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size <= 0 ||
	    (uint64_t)st.st_size > IMAGES_MAX_BYTES) {
		return -EUCLEAN;
	}
	img = images_entry_locked(im, name);
	if (!img) {
		return errmsg_set(e, -ENOMEM, "too many images, or out of memory");
	}
	img->bytes = (uint64_t)st.st_size;
	im->total_bytes += img->bytes;
	return 0;
}

static int load_owner(struct images *im, const char *name, struct errmsg *e)
{
	char hash[IMAGES_HASH_BYTES];
	struct image *img;
	uint64_t uid;

	if (strlen(name) <= IMAGES_HASH_BYTES || name[IMAGES_HASH_BYTES - 1] != '.' ||
	    parse_u64(name + IMAGES_HASH_BYTES, &uid, NULL) < 0 || uid >= UINT32_MAX ||
	    store_file_check(im->dir_fd, name, NULL) < 0) {
		return -EUCLEAN;
	}
	memcpy(hash, name, IMAGES_HASH_BYTES - 1);
	hash[IMAGES_HASH_BYTES - 1] = '\0';
	img = images_hash_is_sane(hash) ? images_lookup_locked(im, hash) : NULL;
	if (!img) {
		return -EUCLEAN;
	}
	return images_owner_add(img, (uid_t)uid) < 0 ? errmsg_set(e, -ENOMEM, "out of memory") : 0;
}

/* One pass over the folder; images first, because owners belong to them. */
static int load_pass(struct images *im, bool is_owners, struct errmsg *e)
{
	int fd = openat(im->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;
	int r = 0;

	if (!d) {
		r = -errno;
		if (fd >= 0) {
			close(fd);
		}
		return errmsg_set(e, r, "folder of images: %s", strerror(-r));
	}
	while (r == 0 && (de = readdir(d))) {
		bool is_owner = strlen(de->d_name) > IMAGES_HASH_BYTES - 1;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
		    is_owner != is_owners) {
			continue;
		}
		r = is_owner ? load_owner(im, de->d_name, e) : load_image(im, de->d_name, e);
		if (r == -EUCLEAN) {
			unlinkat(im->dir_fd, de->d_name, 0);
			r = 0;
		}
	}
	closedir(d);
	return r;
}

int images_dir_load(struct images *im, struct errmsg *e)
{
	int r = load_pass(im, false, e);

	return r < 0 ? r : load_pass(im, true, e);
}

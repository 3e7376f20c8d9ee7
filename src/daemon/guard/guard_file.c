/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copy of the guard's log: STATE_DIR/guard/log.INSTANCE, records as they came (struct
 * pinfold_guard_record), oldest first. What is in it is proved to be one chain, but for gaps where the guard had to
 * overwrite records that nobody had copied. A file that is full becomes log.INSTANCE.old, in place of the one
 * before; of instances long gone the oldest files are removed.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/guard/guard_internal.h"
#include "host/fd.h"

#define RECORD_BYTES sizeof(struct pinfold_guard_record)
#define FILE_BYTES   (16384 * RECORD_BYTES) /* as many as the guard keeps */
#define FILES_MAX    16

_Static_assert(RECORD_BYTES == 256, "a record of the guard's log has 256 bytes");

static void path_of(const struct guard_file *f, const char *ending, char ret[GUARD_PATH_BYTES])
{
	snprintf(ret, GUARD_PATH_BYTES, "%.440s/log.%016" PRIx64 "%s", f->dir, f->instance, ending);
}

static void hash_of(const struct pinfold_guard_record *r, uint8_t ret[32])
{
	crypto_hash_sha256(ret, (const uint8_t *)r, offsetof(struct pinfold_guard_record, hash));
}

static bool is_record(const struct pinfold_guard_record *r)
{
	uint8_t hash[32];

	hash_of(r, hash);
	return le32toh(r->magic) == PINFOLD_GUARD_RECORD_MAGIC &&
	       le16toh(r->revision) == PINFOLD_GUARD_REVISION && le64toh(r->seq) != 0 &&
	       memcmp(hash, r->hash, sizeof(hash)) == 0;
}

/* The last record of a file; its end is cut to whole records. @return 0; 1 there is none; -EBADMSG */
static int take_last(struct guard_file *f, int fd, uint64_t *ret_bytes)
{
	struct pinfold_guard_record r;
	struct stat st;
	off_t whole;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	whole = st.st_size - st.st_size % (off_t)RECORD_BYTES;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077) {
		return -EBADMSG;
	}
	*ret_bytes = (uint64_t)whole;
	if (whole != st.st_size && ftruncate(fd, whole) < 0) {
		return -errno;
	}
	if (whole == 0) {
		return 1;
	}
	if (pread(fd, &r, sizeof(r), whole - (off_t)sizeof(r)) != (ssize_t)sizeof(r) ||
	    !is_record(&r)) {
		return -EBADMSG;
	}
	f->last = le64toh(r.seq);
	memcpy(f->head, r.hash, sizeof(f->head));
	return 0;
}

/* A file that was full just before the daemon ended. */
static void take_old(struct guard_file *f)
{
	char path[GUARD_PATH_BYTES];
	_cleanup_close_ int fd = -1;
	uint64_t bytes;

	path_of(f, ".old", path);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		(void)take_last(f, fd, &bytes);
	}
}

static int open_new(struct guard_file *f, struct errmsg *e)
{
	char path[GUARD_PATH_BYTES];

	path_of(f, "", path);
	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	f->bytes = 0;
	return f->fd < 0 ? errmsg_set(e, -errno, "%s: %s", path, strerror(errno)) : 0;
}

/* One that is not ours, or damaged, stays beside the one that is begun. */
static int set_aside(struct guard_file *f, struct errmsg *e)
{
	char path[GUARD_PATH_BYTES];
	char aside[GUARD_PATH_BYTES];

	path_of(f, "", path);
	path_of(f, ".bad", aside);
	close(f->fd);
	if (rename(path, aside) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	log_warn("a copy of the guard's log is not believed and is set aside path=\"%s\"", aside);
	return open_new(f, e);
}

struct old_file {
	char name[64];
	time_t changed;
};

static int by_age(const void *a, const void *b)
{
	const struct old_file *x = a;
	const struct old_file *y = b;

	return x->changed < y->changed ? 1 : x->changed > y->changed ? -1 : 0;
}

/* Not more than so many files of all instances; the newest stay. */
static void sweep(const char *dir)
{
	struct old_file files[4 * FILES_MAX];
	DIR *d = opendir(dir);
	const struct dirent *ent;
	struct stat st;
	size_t n = 0;

	while (d && n < ARRAY_SIZE(files) && (ent = readdir(d)) != NULL) {
		size_t len = strlen(ent->d_name);

		if (strncmp(ent->d_name, "log.", 4) == 0 && len < sizeof(files[n].name) &&
		    fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			memcpy(files[n].name, ent->d_name, len + 1);
			files[n++].changed = st.st_mtime;
		}
	}
	qsort(files, n, sizeof(files[0]), by_age);
	while (d && n > FILES_MAX) {
		unlinkat(dirfd(d), files[--n].name, 0);
	}
	if (d) {
		closedir(d);
	}
}

static void forget(struct guard_file *f)
{
	uint64_t instance = htole64(f->instance);

	f->last = 0;
	crypto_hash_sha256(f->head, (const uint8_t *)&instance, sizeof(instance));
}

int guard_file_open(struct guard_file *f, const char *state_dir, uint64_t instance,
		    struct errmsg *e)
{
	int r;

	*f = (struct guard_file){ .instance = instance, .fd = -1 };
	snprintf(f->dir, sizeof(f->dir), "%.420s/guard", state_dir);
	if (mkdir(f->dir, 0700) < 0 && errno != EEXIST) {
		return errmsg_set(e, -errno, "%s: %s", f->dir, strerror(errno));
	}
	sweep(f->dir);
	forget(f);
	r = open_new(f, e);
	if (r < 0) {
		return r;
	}
	r = take_last(f, f->fd, &f->bytes);
	if (r == 1) {
		take_old(f);
		return 0;
	}
	if (r < 0) {
		forget(f);
		r = set_aside(f, e);
	}
	return r;
}

void guard_file_close(struct guard_file *f)
{
	if (f->fd >= 0) {
		close(f->fd);
		f->fd = -1;
	}
}

/* The next file, when this one is full, or could not be opened the last time. */
static int rotate(struct guard_file *f, struct errmsg *e)
{
	char path[GUARD_PATH_BYTES];
	char old[GUARD_PATH_BYTES];

	if (f->fd < 0) {
		return open_new(f, e);
	}
	if (f->bytes < FILE_BYTES) {
		return 0;
	}
	path_of(f, "", path);
	path_of(f, ".old", old);
	if (rename(path, old) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	guard_file_close(f);
	return open_new(f, e);
}

/*
 * Whether these follow what is there, and each other.
 * @param ret_from the first that is new
 */
static int check(const struct guard_file *f, const struct pinfold_guard_record *r, size_t n,
		 size_t *ret_from, struct errmsg *e)
{
	uint64_t last = f->last;
	const uint8_t *head = f->head;
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t seq = le64toh(r[i].seq);

		if (!is_record(&r[i])) {
			return errmsg_set(e, -EBADMSG, "what follows record %" PRIu64 " is none",
					  last);
		}
		if (seq <= last && from == i) {
			from = i + 1; /* copied before */
			continue;
		}
		if (seq <= last || (seq == last + 1 && memcmp(r[i].prev, head, 32) != 0)) {
			return errmsg_set(e, -EBADMSG,
					  "record %" PRIu64 " does not follow %" PRIu64, seq, last);
		}
		if (seq != last + 1) {
			log_warn("records of the guard were overwritten before they could be "
				 "copied first=%" PRIu64 " n=%" PRIu64,
				 last + 1, seq - last - 1);
		}
		last = seq;
		head = r[i].hash;
	}
	*ret_from = from;
	return 0;
}

int guard_file_append(struct guard_file *f, const struct pinfold_guard_record *r, size_t n,
		      struct errmsg *e)
{
	size_t from = 0;
	int s = check(f, r, n, &from, e);

	if (s < 0 || from == n) {
		return s;
	}
	s = rotate(f, e);
	if (s < 0) {
		return s;
	}
	s = lseek(f->fd, (off_t)f->bytes, SEEK_SET) < 0
		    ? -errno
		    : host_fd_write_full(f->fd, &r[from], (n - from) * RECORD_BYTES);
	if (s == 0 && fdatasync(f->fd) < 0) {
		s = -errno;
	}
	if (s < 0) {
		(void)!ftruncate(f->fd, (off_t)f->bytes);
		return errmsg_set(e, s, "the guard's log can't be copied: %s", strerror(-s));
	}
	f->bytes += (n - from) * RECORD_BYTES;
	f->last = le64toh(r[n - 1].seq);
	memcpy(f->head, r[n - 1].hash, sizeof(f->head));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sharing sealed images between controllers of one user; see image_store.h. */
#include "launch/image_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "host/fd.h"

/* Registrations that one call of sweep() looks at. */
#define SWEEP_MAX 32

/* A mapped memory file. */
struct view {
	const void *bytes;
	uint64_t size;
};

static bool view_open(int fd, struct view *ret)
{
	void *p;

	if (host_fd_check_sealed(fd, &ret->size) < 0 || ret->size == 0) {
		return false;
	}
	p = mmap(NULL, ret->size, PROT_READ, MAP_SHARED, fd, 0);
	ret->bytes = p;
	return p != MAP_FAILED;
}

static void view_close(const struct view *v)
{
	munmap((void *)(uintptr_t)v->bytes, v->size);
}

/* A directory that only this user can write: nobody else may plant entries. */
static bool is_ours(const char *dir)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

static bool make_dir(const char *dir)
{
	return (mkdir(dir, 0700) == 0 || errno == EEXIST) && is_ours(dir);
}

/* The directory of this user's registrations. */
static bool store_dir(char *dir, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char base[200];

	if (runtime && runtime[0] == '/' && strlen(runtime) < 128 && is_ours(runtime)) {
		snprintf(base, sizeof(base), "%s/pinfold", runtime);
	} else if (geteuid() == 0) {
		snprintf(base, sizeof(base), "/run/pinfold-images");
	} else {
		snprintf(base, sizeof(base), "/tmp/pinfold-%u", (unsigned int)geteuid());
	}
	if (!make_dir(base)) {
		return false;
	}
	snprintf(dir, size, "%s/images", base);
	return make_dir(dir);
}

/* Who holds the image of an entry, and as which descriptor. */
static bool read_entry(int dirfd, const char *entry, unsigned int *ret_pid, unsigned int *ret_fd_no)
{
	char text[64] = "";
	int fd = openat(dirfd, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0) {
		return false;
	}
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && sscanf(text, "%u %u", ret_pid, ret_fd_no) == 2;
}

/* Open what an entry points to. The caller compares the contents. */
static int open_entry(const char *entry)
{
	char link[64];
	unsigned int pid;
	unsigned int fd_no;

	if (!read_entry(AT_FDCWD, entry, &pid, &fd_no)) {
		return -1;
	}
	snprintf(link, sizeof(link), "/proc/%u/fd/%u", pid, fd_no);
	return open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Another controller's file with the same bytes, or -1. */
static int find_shared(const char *entry, const struct view *own)
{
	_cleanup_close_ int fd = open_entry(entry);
	struct view theirs;
	bool is_same;

	if (fd < 0 || !view_open(fd, &theirs)) {
		return -1;
	}
	is_same = theirs.size == own->size && memcmp(theirs.bytes, own->bytes, own->size) == 0;
	view_close(&theirs);
	return is_same ? steal_fd(&fd) : -1;
}

/* What an entry of this process says. */
static int entry_text(char *text, size_t size, int fd)
{
	return snprintf(text, size, "%d %d\n", getpid(), fd);
}

/* The newest holder is registered: it is likely to stay longest. */
static void register_fd(const char *entry, int fd)
{
	char temp[IMAGE_STORE_PATH_BYTES + 16];
	char text[64];
	int out;
	int len = entry_text(text, sizeof(text), fd);

	snprintf(temp, sizeof(temp), "%s.%d", entry, getpid());
	out = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0) {
		return; /* nobody shares: slower for others, wrong for no one */
	}
	if (host_fd_write_full(out, text, (size_t)len) < 0 || rename(temp, entry) < 0) {
		unlink(temp);
	}
	close(out);
}

/* Whether a file of the store was left by a process that was killed: an entry says whose it is, the
 * name of a temporary file ends with it. */
static bool is_stale(int dirfd, const char *name)
{
	const char *dot = strchr(name, '.');
	unsigned int fd_no;
	unsigned int pid;

	if (dot ? sscanf(dot, ".%u", &pid) != 1 : !read_entry(dirfd, name, &pid, &fd_no)) {
		return false;
	}
	return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/*
 * Remove what killed controllers left. With many entries every call looks at its share of them,
 * chosen by the process id, so that a start costs the same however many VMs there are.
 */
static void sweep(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned int n = 0;
	unsigned int share;
	const struct dirent *ent;

	while (d && readdir(d)) {
		n++;
	}
	if (!d) {
		return;
	}
	share = n / SWEEP_MAX + 1;
	n = (unsigned int)getpid() % share;
	rewinddir(d);
	while ((ent = readdir(d)) != NULL) {
		/* One that is replaced at this moment is shared with nobody; no harm is done. */
		if (n++ % share == 0 && ent->d_name[0] != '.' &&
		    is_stale(dirfd(d), ent->d_name)) {
			unlinkat(dirfd(d), ent->d_name, 0);
		}
	}
	closedir(d);
}

int image_store_get(const char *path, uint64_t max_bytes, int *ret_fd,
		    char ret_entry[IMAGE_STORE_PATH_BYTES], struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	struct view own;
	XXH128_hash_t hash;
	char dir[256];
	int shared;
	int r;

	r = host_fd_seal_file(path, max_bytes, &fd, NULL, e);
	if (r < 0) {
		return r;
	}
	ret_entry[0] = '\0';
	if (store_dir(dir, sizeof(dir)) && view_open(fd, &own)) {
		hash = XXH3_128bits(own.bytes, own.size);
		snprintf(ret_entry, IMAGE_STORE_PATH_BYTES, "%s/%016" PRIx64 "%016" PRIx64, dir,
			 hash.high64, hash.low64);
		shared = find_shared(ret_entry, &own);
		view_close(&own);
		if (shared >= 0) {
			close(fd);
			fd = shared;
		}
	}
	r = host_fd_lift(&fd, 1); /* 0 may be free; it is not for us */
	if (r < 0) {
		return errmsg_set(e, r, "%s: %s", path, strerror(-r));
	}
	if (ret_entry[0]) {
		register_fd(ret_entry, fd);
		sweep(dir);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

void image_store_drop(const char *entry, int fd)
{
	char text[64] = "";
	char own[64];
	int file;
	ssize_t n;

	if (!entry[0]) {
		return;
	}
	file = open(entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file < 0) {
		return;
	}
	n = read(file, text, sizeof(text) - 1);
	close(file);
	entry_text(own, sizeof(own), fd);
	/* Between this look and the unlink another may register: then nobody shares with it. */
	if (n > 0 && strcmp(text, own) == 0) {
		unlink(entry);
	}
}

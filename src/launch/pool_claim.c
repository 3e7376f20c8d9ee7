/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pool_claim.h. */
#include "launch/pool_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct pool_claim {
	uint32_t n;
	int fds[];
};

static void dir_name(const char *dir, char ret[PATH_MAX])
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (dir) {
		snprintf(ret, PATH_MAX, "%s", dir);
	} else if (geteuid() == 0) {
		snprintf(ret, PATH_MAX, "/run/pinfold-pool");
	} else if (run && run[0] == '/') {
		snprintf(ret, PATH_MAX, "%s/pinfold-pool", run);
	} else {
		snprintf(ret, PATH_MAX, "/tmp/pinfold-pool-%u", geteuid());
	}
}

/* @return descriptor of the folder, which nobody else can write in */
static int open_dir(const char *dir, bool is_made, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct stat st;

	dir_name(dir, path);
	if (is_made && mkdir(path, 0700) < 0 && errno != EEXIST) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (st.st_uid != geteuid() || st.st_mode & 022) {
		return errmsg_set(e, -EPERM, "%s is open to others", path);
	}
	return steal_fd(&fd);
}

static int open_core(int dir_fd, uint16_t core, int flags)
{
	char name[24];
	int fd;

	snprintf(name, sizeof(name), "core-%u", core);
	fd = openat(dir_fd, name, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	return fd < 0 ? -errno : fd;
}

static struct flock whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

static void read_rival(int fd, uint16_t core, struct pool_rival *ret)
{
	struct flock l = whole_file();
	struct pool_rival rival = { .core = core };
	ssize_t n = pread(fd, rival.who, sizeof(rival.who) - 1, 0);

	rival.who[n > 0 ? n : 0] = '\0';
	rival.who[strcspn(rival.who, "\n")] = '\0';
	if (fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK) {
		rival.pid = l.l_pid;
	}
	*ret = rival;
}

/* @return 0 it is ours; 1 somebody else's; negative errno */
static int take_core(int dir_fd, uint16_t core, const char *who, int *ret_fd,
		     struct pool_rival *ret_rival)
{
	_cleanup_close_ int fd = open_core(dir_fd, core, O_CREAT);
	struct flock l = whole_file();

	if (fd < 0) {
		return fd;
	}
	if (fcntl(fd, F_SETLK, &l) < 0) {
		if (errno != EAGAIN && errno != EACCES) {
			return -errno;
		}
		read_rival(fd, core, ret_rival);
		return 1;
	}
	/* Only for people; a lock without a name is a lock all the same. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, who, strlen(who), 0) < 0) {
		(void)ftruncate(fd, 0);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int pool_claim_take(const char *dir, const uint16_t *cores, uint32_t n, const char *who,
		    struct pool_claim **ret, struct pool_rival *ret_rival, struct errmsg *e)
{
	struct pool_claim *c = calloc(1, sizeof(*c) + n * sizeof(c->fds[0]));
	_cleanup_close_ int dir_fd = c ? open_dir(dir, true, e) : -ENOMEM;
	struct pool_rival rival;
	int n_others = 0;
	int r = dir_fd < 0 ? dir_fd : 0;

	for (uint32_t i = 0; r >= 0 && i < n; i++) {
		r = take_core(dir_fd, cores[i], who, &c->fds[c->n], &rival);
		if (r == 1 && n_others++ == 0) {
			*ret_rival = rival;
		} else if (r == 0) {
			c->n++;
		} else if (r < 0) {
			errmsg_set(e, r, "pool core %u can't be claimed: %s", cores[i],
				   strerror(-r));
		}
	}
	if (r < 0) {
		pool_claim_free(c);
		return r;
	}
	*ret = c;
	return n_others;
}

void pool_claim_free(struct pool_claim *c)
{
	for (uint32_t i = 0; c && i < c->n; i++) {
		close(c->fds[i]);
	}
	free(c);
}

bool pool_claim_is_held(const char *dir, uint16_t core, struct pool_rival *ret)
{
	_cleanup_close_ int dir_fd = open_dir(dir, false, NULL);
	_cleanup_close_ int fd = dir_fd < 0 ? -1 : open_core(dir_fd, core, 0);
	struct flock l = whole_file();

	if (fd < 0 || fcntl(fd, F_GETLK, &l) < 0 || l.l_type == F_UNLCK) {
		return false;
	}
	read_rival(fd, core, ret);
	return true;
}

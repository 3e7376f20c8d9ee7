/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service does at its start: signals, limits, lock, the service manager. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "daemon/main/daemon.h"

#define NOFILE_WANTED (1u << 20)
#define LISTEN_FIRST  3

/* Each VM takes some ten descriptors. Clamped where the hard limit can't be raised. */
static void raise_nofile(void)
{
	struct rlimit want = { NOFILE_WANTED, NOFILE_WANTED }, now;

	if (setrlimit(RLIMIT_NOFILE, &want) < 0 && getrlimit(RLIMIT_NOFILE, &now) == 0) {
		now.rlim_cur = now.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &now);
	}
}

/* Caught instead of ignored: what is ignored stays ignored in VM processes. */
static void nothing(int signo)
{
	(void)signo;
}

int daemon_prepare(struct daemon *d, struct errmsg *e)
{
	struct sigaction catch = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	sigset_t set;

	umask(077);
	raise_nofile();
	sigaction(SIGPIPE, &catch, NULL);
	sigaction(SIGXFSZ, &catch, NULL); /* a file that may not grow is an error like others */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Before the first thread: all inherit it. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->signal_fd < 0 || d->stop_fd < 0) {
		return errmsg_set(e, -errno, "no descriptor for signals: %s", strerror(errno));
	}
	return 0;
}

static int open_in_run(const struct daemon *d, const char *name, mode_t mode, int *ret_fd,
		       struct errmsg *e)
{
	char path[CONFIG_PATH_BYTES + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", d->config.run_dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, mode) < 0) {
		int r = errmsg_set(e, -errno, "%s: %s", path, strerror(errno));

		if (fd >= 0) {
			close(fd);
		}
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Whoever can read a file can lock it, and then no daemon starts: what is locked is for us alone, and the
 * number is in a file of its own.
 */
int daemon_lock(struct daemon *d, struct errmsg *e)
{
	_cleanup_close_ int fd = -1, pid_fd = -1;
	char text[16] = "";
	int r = open_in_run(d, "pinfoldd.lock", 0600, &fd, e);
	ssize_t n;

	r = r < 0 ? r : open_in_run(d, "pinfoldd.pid", 0644, &pid_fd, e);
	if (r < 0) {
		return r;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		n = read(pid_fd, text, sizeof(text) - 1);
		text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
		return errmsg_set(e, -EBUSY, "another pinfoldd serves %s already (pid %s)",
				  d->config.run_dir, text[0] ? text : "unknown");
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(pid_fd, 0) < 0 || write(pid_fd, text, (size_t)n) != n) {
		return errmsg_set(e, -errno, "%s/pinfoldd.pid: %s", d->config.run_dir,
				  strerror(errno));
	}
	d->lock_fd = steal_fd(&fd);
	return 0;
}

int daemon_listen_fd(void)
{
	const char *pid_text = getenv("LISTEN_PID"), *fds_text = getenv("LISTEN_FDS");
	uint64_t pid, fds;
	int type = 0, family = 0;
	socklen_t n = sizeof(int);

	if (!pid_text || !fds_text || parse_u64(pid_text, &pid, NULL) < 0 ||
	    parse_u64(fds_text, &fds, NULL) < 0 || pid != (uint64_t)getpid() || fds < 1 ||
	    fds > 64) {
		return -1;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (int fd = LISTEN_FIRST + 1; fd < LISTEN_FIRST + (int)fds; fd++) {
		close(fd);
	}
	if (getsockopt(LISTEN_FIRST, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM ||
	    getsockopt(LISTEN_FIRST, SOL_SOCKET, SO_DOMAIN, &family, &n) < 0 || family != AF_UNIX ||
	    fcntl(LISTEN_FIRST, F_SETFD, FD_CLOEXEC) < 0) {
		log_warn("the service manager passed something that is no UNIX socket");
		return -1;
	}
	return LISTEN_FIRST;
}

bool daemon_is_watched(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
	uint64_t pid = (uint64_t)getpid();

	return usec && usec[0] &&
	       (!pid_text || (parse_u64(pid_text, &pid, NULL) == 0 && pid == (uint64_t)getpid()));
}

void daemon_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@')) {
		return;
	}
	memcpy(to.sun_path, path, n);
	if (path[0] == '@') {
		to.sun_path[0] = '\0'; /* the abstract name space */
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) >= 0) {
		return;
	}
	/* Who only waited for READY=1 has gone. */
	if (errno != ECONNREFUSED && errno != ENOENT) {
		log_warn("the service manager can't be told \"%s\": %s", state, strerror(errno));
	}
}

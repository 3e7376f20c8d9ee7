/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to a file. Who logs puts a line into a ring and goes on; one thread, which inherits the housekeeping
 * core, writes. A ring that is full loses lines and says how many. At 10 MB the file becomes FILE.1, and so on
 * up to FILE.4.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/main/daemon.h"
#include "host/fd.h"

#define FILE_BYTES (10u << 20)
#define FILES	   5
#define RING_BYTES (256u << 10)

static struct {
	pthread_mutex_t lock; /* inherits priority: real-time threads log, too */
	pthread_cond_t some;
	pthread_t thread;
	char path[CONFIG_PATH_BYTES];
	char ring[RING_BYTES];
	size_t n_bytes; /* waiting in ring */
	unsigned int lost;
	bool is_stopping, wants_reopen;
	/* the thread's own */
	int fd;
	uint64_t file_bytes;
	char work[RING_BYTES];
} lf = { .fd = -1 };

static int open_file(int *ret_fd, uint64_t *ret_bytes)
{
	struct stat st;
	int fd = open(lf.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
		      0640);

	if (fd < 0) {
		return -errno;
	}
	/* A file that somebody else put there, or gave a second name, is not ours to write to. */
	if (fstat(fd, &st) < 0 ||
	    (S_ISREG(st.st_mode) &&
	     ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_nlink != 1))) {
		close(fd);
		return -EPERM;
	}
	*ret_fd = fd;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

static void reopen(void)
{
	int fd = -1;
	uint64_t bytes;

	/* Where the new one can't be opened the old one goes on. */
	if (open_file(&fd, &bytes) == 0) {
		close(lf.fd);
		lf.fd = fd;
		lf.file_bytes = bytes;
	}
}

static void rotate(void)
{
	char from[CONFIG_PATH_BYTES + 8], to[CONFIG_PATH_BYTES + 8];

	for (int i = FILES - 1; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%d", lf.path, i);
		if (i == 1) {
			snprintf(from, sizeof(from), "%s", lf.path);
		} else {
			snprintf(from, sizeof(from), "%s.%d", lf.path, i - 1);
		}
		(void)rename(from, to); /* the older ones may not be there yet */
	}
	lf.file_bytes = 0;
	reopen();
}

static void write_out(size_t n)
{
	if (host_fd_write_full(lf.fd, lf.work, n) == 0) {
		lf.file_bytes += n;
	}
	if (lf.file_bytes >= FILE_BYTES) {
		rotate();
	}
}

static void *run(void *arg)
{
	bool is_last = false;

	(void)arg;
	while (!is_last) {
		bool is_reopened;
		unsigned int lost;
		size_t n;

		pthread_mutex_lock(&lf.lock);
		while (lf.n_bytes == 0 && !lf.is_stopping && !lf.wants_reopen) {
			pthread_cond_wait(&lf.some, &lf.lock);
		}
		n = lf.n_bytes;
		memcpy(lf.work, lf.ring, n);
		lf.n_bytes = 0;
		lost = lf.lost;
		lf.lost = 0;
		is_last = lf.is_stopping;
		is_reopened = lf.wants_reopen;
		lf.wants_reopen = false;
		pthread_mutex_unlock(&lf.lock);
		if (is_reopened) {
			reopen();
		}
		write_out(n);
		if (lost) {
			n = (size_t)snprintf(lf.work, sizeof(lf.work),
					     "%u lines of the log were lost here\n", lost);
			write_out(n);
		}
	}
	return NULL;
}

static void take_line(enum log_level level, const char *line, size_t n)
{
	static const char *const levels[] = { "err", "warn", "info", "debug" };
	char head[80];
	struct timespec now;
	struct tm tm;
	int head_n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	head_n = snprintf(head, sizeof(head), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s ",
			  tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			  tm.tm_sec, (int)(now.tv_nsec / 1000000), levels[level]);
	pthread_mutex_lock(&lf.lock);
	if (lf.n_bytes + (size_t)head_n + n + 1 > sizeof(lf.ring)) {
		lf.lost++;
	} else {
		memcpy(lf.ring + lf.n_bytes, head, (size_t)head_n);
		memcpy(lf.ring + lf.n_bytes + head_n, line, n);
		lf.n_bytes += (size_t)head_n + n;
		lf.ring[lf.n_bytes++] = '\n';
		pthread_cond_signal(&lf.some);
	}
	pthread_mutex_unlock(&lf.lock);
}

/* What the journal wants: the level as a number in front of each line of standard error. */
static void take_for_journal(enum log_level level, const char *line, size_t n)
{
	static const int prio[] = { 3, 4, 6, 7 };
	char text[1200];
	int len = snprintf(text, sizeof(text), "<%d>%.*s\n", prio[level], (int)n, line);

	(void)host_fd_write_full(STDERR_FILENO, text, (size_t)len);
}

/* Whether standard error is what the service manager connected: the variable alone may be inherited. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0) {
		return false;
	}
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

int logfile_open(const char *path, struct errmsg *e)
{
	pthread_mutexattr_t attr;
	int r;

	if (!path || !path[0]) {
		log_writer_set(is_journal() ? take_for_journal : NULL);
		return 0;
	}
	snprintf(lf.path, sizeof(lf.path), "%s", path);
	r = open_file(&lf.fd, &lf.file_bytes);
	if (r < 0) {
		return errmsg_set(e, r, "log file %s: %s", path, strerror(-r));
	}
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&lf.lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_cond_init(&lf.some, NULL);
	r = -pthread_create(&lf.thread, NULL, run, NULL);
	if (r < 0) {
		close(lf.fd);
		lf.fd = -1;
		return errmsg_set(e, r, "no thread for the log: %s", strerror(-r));
	}
	log_writer_set(take_line);
	return 0;
}

void logfile_reopen(void)
{
	if (lf.fd >= 0) {
		pthread_mutex_lock(&lf.lock);
		lf.wants_reopen = true;
		pthread_cond_signal(&lf.some);
		pthread_mutex_unlock(&lf.lock);
	}
}

void logfile_close(void)
{
	log_writer_set(NULL);
	if (lf.fd < 0) {
		return;
	}
	pthread_mutex_lock(&lf.lock);
	lf.is_stopping = true;
	pthread_cond_signal(&lf.some);
	pthread_mutex_unlock(&lf.lock);
	pthread_join(lf.thread, NULL);
	close(lf.fd);
	lf.fd = -1;
}

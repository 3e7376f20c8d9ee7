/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The standard error of ssh; see tunnel_said.h. */
#include "cli/tunnel_said.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <poll.h>

#include "base/cleanup.h"
#include "cli/text.h"
#include "host/fd.h"
#include "host/timer.h"

#define LINE_BYTES 512
/* How long a line that is on its way is waited for. */
#define LATE_MS 500

struct tunnel_said {
	int fd, stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_quiet, is_over;
	char last[LINE_BYTES]; /* not shown yet, unless is_quiet */
	/* the thread's own */
	size_t n;
	char line[LINE_BYTES];
};

static void show_locked(struct tunnel_said *s)
{
	if (s->last[0] && !s->is_quiet) {
		char text[LINE_BYTES + 1];
		size_t n = strlen(s->last);

		memcpy(text, s->last, n);
		text[n] = '\n';
		(void)host_fd_write_full(STDERR_FILENO, text, n + 1);
	}
}

static void take_line(struct tunnel_said *s)
{
	s->line[s->n] = '\0';
	s->n = strcspn(s->line, "\r");
	s->line[s->n] = '\0';
	if (s->n > 0) {
		pthread_mutex_lock(&s->lock);
		show_locked(s);
		memcpy(s->last, s->line, s->n + 1);
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
	}
	s->n = 0;
}

static void take(struct tunnel_said *s, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || s->n == sizeof(s->line) - 1) {
			take_line(s);
		}
		if (bytes[i] != '\n') {
			s->line[s->n++] = bytes[i];
		}
	}
}

static void *run(void *arg)
{
	struct tunnel_said *s = arg;
	struct pollfd fds[] = { { s->fd, POLLIN, 0 }, { s->stop_fd, POLLIN, 0 } };
	char bytes[1024];
	ssize_t n = 1;

	while (n > 0) {
		if (poll(fds, 2, -1) < 0) {
			continue;
		}
		/* What was said before the end is taken, too. */
		n = fds[0].revents ? read(s->fd, bytes, sizeof(bytes)) : 0;
		take(s, bytes, n > 0 ? (size_t)n : 0);
	}
	take_line(s);
	pthread_mutex_lock(&s->lock);
	s->is_over = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are for the main thread. */
static int start(struct tunnel_said *s)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void release(struct tunnel_said *s)
{
	cleanup_close_p(&s->fd);
	cleanup_close_p(&s->stop_fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct tunnel_said *tunnel_said_new(int fd)
{
	struct tunnel_said *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (s->stop_fd < 0 || start(s) < 0) {
		release(s);
		return NULL;
	}
	return s;
}

void tunnel_said_flush(struct tunnel_said *s)
{
	pthread_mutex_lock(&s->lock);
	show_locked(s);
	s->last[0] = '\0';
	s->is_quiet = true;
	pthread_mutex_unlock(&s->lock);
}

char *tunnel_said_last(struct tunnel_said *s, char *buf, size_t size)
{
	struct timespec until = host_deadline(LATE_MS * NS_PER_MS);
	size_t n;

	pthread_mutex_lock(&s->lock);
	/* An ssh that gives up says its last line last; one that lives says one at a time. */
	while (!s->is_over && !(s->is_quiet && s->last[0]) &&
	       pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &until) == 0) {
	}
	text_safe_to(s->last, buf, size);
	pthread_mutex_unlock(&s->lock);
	n = strlen(buf);
	if (n > 0 && buf[n - 1] == '.') {
		buf[n - 1] = '\0';
	}
	return buf;
}

void tunnel_said_free(struct tunnel_said *s)
{
	if (!s) {
		return;
	}
	eventfd_write(s->stop_fd, 1);
	pthread_join(s->thread, NULL);
	release(s);
}

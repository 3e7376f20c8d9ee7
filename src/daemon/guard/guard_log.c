/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies the guard's log to disk on a thread of its own: read, check, append, sync; then the guard is told that these
 * records may be overwritten, and the audit log gets the number and hash of the last one, so that neither copy can be
 * changed without the other.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "daemon/guard/guard_internal.h"
#include "host/timer.h"

#define BATCH	 64u
#define AGAIN_NS (5 * NS_PER_S) /* after a failure */

struct guard_log {
	struct guard *g;
	struct guard_file file;
	int fd, stop_fd;
	pthread_t thread;
	uint64_t anchored;
	ns_t anchored_ns;
	bool has_anchored;
	size_t n_batch; /* records that were read, and of which the guard does not know yet that they are safe */
	struct pinfold_guard_record batch[BATCH];
};

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void note_copied(struct guard_log *l)
{
	struct guard *g = l->g;

	pthread_mutex_lock(&g->lock);
	g->info.copied = l->file.last;
	g->info.copied_at_ns = real_ns();
	pthread_mutex_unlock(&g->lock);
}

/* Fill the batch. @return 0; 1 nothing is left; negative errno with a sentence */
static int batch_read(struct guard_log *l, struct errmsg *e)
{
	const struct guard_options *o = &l->g->o;
	ssize_t n = o->dev->read(o->dev_ctx, l->fd, l->batch, sizeof(l->batch));

	if (n == -EAGAIN || n == -EINTR) {
		return 1;
	}
	if (n <= 0 || n > (ssize_t)sizeof(l->batch) || n % (ssize_t)sizeof(l->batch[0]) != 0) {
		return errmsg_set(e, n < 0 ? (int)n : -EBADMSG, "the guard's log can't be read: %s",
				  n < 0 ? strerror((int)-n) : "not whole records");
	}
	l->n_batch = (size_t)n / sizeof(l->batch[0]);
	return 0;
}

/*
 * One batch. The device gives each record once: what can't be written, or the guard can't be told of, stays in the batch
 * for the next try. @return 0; 1 nothing is left; negative errno with a sentence
 */
static int copy_some(struct guard_log *l, struct errmsg *e)
{
	struct pinfold_guard_id id = { .revision = PINFOLD_GUARD_REVISION };
	int r = l->n_batch ? 0 : batch_read(l, e);

	if (r != 0) {
		return r;
	}
	r = guard_file_append(&l->file, l->batch, l->n_batch, e);
	if (r < 0) {
		if (r == -EBADMSG) {
			l->n_batch = 0; /* will not become true */
		}
		errmsg_prefix(e, "the guard's log is not copied: ");
		return r;
	}
	note_copied(l);
	id.id = l->file.last;
	r = guard_io_call(l->g->io, PINFOLD_GUARD_EXPORTED, &id, sizeof(id));
	if (r < 0) {
		return errmsg_set(e, r, "the guard can't be told that its log was copied: %s",
				  strerror(-r));
	}
	l->n_batch = 0;
	return 0;
}

/* Into the audit log, if there is news and it is time. */
static void anchor(struct guard_log *l, bool is_last)
{
	struct guard *g = l->g;
	struct audit_entry entry = { .uid = USERS_BY_GUARD, .operation = "guard log" };
	ns_t now_ns = host_clock_monotonic_ns();
	char hash[65], text[192];
	struct errmsg e = { "" };

	if (l->file.last == l->anchored ||
	    (!is_last && l->has_anchored &&
	     now_ns - l->anchored_ns < (ns_t)g->o.anchor_ms * NS_PER_MS)) {
		return;
	}
	sodium_bin2hex(hash, sizeof(hash), l->file.head, sizeof(l->file.head));
	snprintf(text, sizeof(text),
		 "{\"hash\":\"%s\",\"instance\":\"%016" PRIx64 "\",\"seq\":%" PRIu64 "}", hash,
		 l->file.instance, l->file.last);
	entry.arguments = text;
	l->anchored_ns = now_ns;
	l->has_anchored = true;
	if (audit_append(g->o.audit, &entry, &e) < 0) {
		log_err("the guard's log is not anchored: %s", e.text);
		return;
	}
	l->anchored = l->file.last;
	pthread_mutex_lock(&g->lock);
	g->info.anchored = l->anchored;
	pthread_mutex_unlock(&g->lock);
}

/* @return until when to wait for more, UINT64_MAX: for ever; *ret_fails: do not read before that */
static ns_t copy_all(struct guard_log *l, bool *ret_fails)
{
	ns_t again_ns = (ns_t)l->g->o.anchor_ms * NS_PER_MS;
	struct errmsg e = { "" };
	int r;

	do {
		r = copy_some(l, &e);
	} while (r == 0);
	guard_trouble(l->g, GUARD_LOG, r < 0 ? e.text : NULL);
	anchor(l, false);
	*ret_fails = r < 0;
	if (r < 0) {
		return host_clock_monotonic_ns() + AGAIN_NS;
	}
	return l->file.last == l->anchored ? UINT64_MAX : l->anchored_ns + again_ns;
}

static int until_ms(ns_t then_ns)
{
	ns_t now_ns = host_clock_monotonic_ns();

	if (then_ns == UINT64_MAX) {
		return -1;
	}
	return then_ns > now_ns ? (int)((then_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static void *log_main(void *arg)
{
	struct guard_log *l = arg;
	bool fails = false;

	for (;;) {
		ns_t then_ns = copy_all(l, &fails);
		struct pollfd p[] = { { .fd = l->stop_fd, .events = POLLIN },
				      { .fd = fails ? -1 : l->fd, .events = POLLIN } };

		if (poll(p, ARRAY_SIZE(p), until_ms(then_ns)) < 0) {
			BUG_ON(errno != EINTR);
			continue;
		}
		if (p[0].revents) {
			return NULL;
		}
	}
}

int guard_log_start(struct guard *g, uint64_t instance, struct guard_log **ret, struct errmsg *e)
{
	struct guard_log *l = calloc(1, sizeof(*l));
	int r;

	if (!l) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	l->g = g;
	l->file.fd = -1;
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	l->fd = g->o.dev->open(g->o.dev_ctx, true);
	r = l->fd < 0 ? l->fd : l->stop_fd < 0 ? -EMFILE : 0;
	r = r < 0 ? errmsg_set(e, r, "the guard's log can't be opened: %s", strerror(-r))
		  : guard_file_open(&l->file, g->o.state_dir, instance, e);
	if (r == 0) {
		note_copied(l);
		r = -pthread_create(&l->thread, NULL, log_main, l);
		r = r < 0 ? errmsg_set(e, r, "no thread for the guard's log: %s", strerror(-r)) : 0;
	}
	if (r < 0) {
		if (l->fd >= 0) {
			g->o.dev->close(g->o.dev_ctx, l->fd);
		}
		close(l->stop_fd);
		guard_file_close(&l->file);
		free(l);
		return r;
	}
	pthread_setname_np(l->thread, "guard-log");
	*ret = l;
	return 0;
}

void guard_log_stop(struct guard_log *l)
{
	struct errmsg e = { "" };

	if (!l) {
		return;
	}
	BUG_ON(eventfd_write(l->stop_fd, 1) < 0);
	pthread_join(l->thread, NULL);
	while (copy_some(l, &e) == 0) {
	}
	anchor(l, true);
	guard_file_close(&l->file);
	l->g->o.dev->close(l->g->o.dev_ctx, l->fd);
	close(l->stop_fd);
	free(l);
}

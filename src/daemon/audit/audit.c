/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing the audit log (docs/audit.md, "Appending" and "After a crash").
 *
 * A group of records is appended and synced, then the state (key, place, hash) is written and
 * synced, then the group is acknowledged. So whatever the state covers was acknowledged or is about
 * to be, and must be there; whatever lies behind it was not, and may be half there. Once the log is
 * synced it is never cut again: a state that failed to reach the disk is caught up by the next
 * group, or at the next start by going along the records with the old key.
 */
#include "daemon/audit/audit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/cleanup.h"
#include "daemon/audit/audit_internal.h"
#include "host/fd.h"

/* An entry in the queue; the texts follow it. */
struct audit_work {
	struct store_work work;
	enum audit_kind kind;
	uint64_t time_ns;
	struct audit_entry entry;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void audit_options_defaults(struct audit_options *o)
{
	*o = (struct audit_options){
		.state_dir = "/var/lib/pinfold",
		.max_file_bytes = 4u << 20, /* the last one is read at the start */
		.max_files = 1024,
		.max_queue_items = 4096,
		.max_queue_bytes = 16u << 20,
		.max_group = 256,
		.anchor_fd = -1,
	};
}

/* ---- appending ---- */

static int write_all_at(int fd, const uint8_t *p, size_t n, uint64_t off)
{
	while (n) {
		ssize_t done = pwrite(fd, p, n, (off_t)off);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done <= 0) {
			return done < 0 ? -errno : -ENOSPC;
		}
		p += done;
		n -= (size_t)done;
		off += (uint64_t)done;
	}
	return 0;
}

int audit_log_trim(struct audit *a)
{
	if (!a->has_dirty_tail) {
		return 0;
	}
	if (ftruncate(a->log_fd, (off_t)a->head->end_bytes) < 0) {
		return -errno;
	}
	a->has_dirty_tail = false;
	return 0;
}

/* Append bytes that make @next the head. The head in memory moves as soon as the log is durable. */
static int append_bytes(struct audit *a, const uint8_t *buf, size_t n,
			const struct audit_head *next)
{
	int r;

	r = audit_log_trim(a);
	if (r < 0) {
		return r;
	}
	r = write_all_at(a->log_fd, buf, n, a->head->end_bytes);
	if (r == 0 && fdatasync(a->log_fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		a->has_dirty_tail = true;
		(void)audit_log_trim(a); /* else before the next append */
		return r;
	}
	*a->head = *next;
	return audit_state_write(a->state_fd, a->head, &a->slot);
}

int audit_log_open(struct audit *a, uint32_t number, int flags, int *ret_fd)
{
	char name[AUDIT_NAME_BYTES];
	int fd;

	audit_file_name(number, name);
	fd = openat(a->dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	if (fd < 0) {
		return errno == ELOOP ? -EUCLEAN : -errno;
	}
	*ret_fd = fd;
	return 0;
}

/* First sequence number in a file. */
int audit_first_seq(struct audit *a, uint32_t number, uint64_t *ret)
{
	_cleanup_close_ int fd = -1;
	uint8_t header[AUDIT_HEADER_BYTES];
	ssize_t n;
	int r;

	r = audit_log_open(a, number, 0, &fd);
	if (r < 0) {
		return r;
	}
	n = host_fd_read_full(fd, header, sizeof(header));
	if (n < 0) {
		return (int)n;
	}
	if (n != (ssize_t)sizeof(header)) {
		return -EUCLEAN;
	}
	*ret = audit_record_claimed_seq(header);
	return 0;
}

/* The oldest file goes after the record that says so is durable. */
static void drop_oldest(struct audit *a, uint32_t number)
{
	char name[AUDIT_NAME_BYTES];

	audit_file_name(number, name);
	(void)unlinkat(a->dir_fd, name, 0); /* stays when it fails: more than needed is no fault */
}

/* Where the next file begins, and which file is dropped for it; 0: none. */
static int next_file(struct audit *a, struct audit_head *next, uint32_t *ret_dropped)
{
	int r;

	*next = *a->head;
	next->file++;
	next->end_bytes = 0;
	*ret_dropped = 0;
	if (!a->o.max_files || next->file - next->oldest_file < a->o.max_files) {
		return 0;
	}
	r = audit_first_seq(a, next->oldest_file + 1, &next->oldest_seq);
	if (r < 0) {
		return r;
	}
	*ret_dropped = next->oldest_file++;
	return 0;
}

/* The file of @next with its first record, durable. @return its descriptor, or negative errno */
static int begin_file(struct audit *a, struct audit_head *next)
{
	struct audit_entry entry = { .operation = "continue" };
	uint8_t buf[256];
	char text[64];
	int fd = -1;
	int r = audit_log_open(a, next->file, O_CREAT | O_TRUNC, &fd);

	if (r < 0) {
		return r;
	}
	if (fsync(a->dir_fd) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	snprintf(text, sizeof(text), "file=%" PRIu32 " oldest=%" PRIu64, next->file,
		 next->oldest_seq);
	entry.arguments = text;
	BUG_ON(audit_record_bytes(&entry) > sizeof(buf));
	audit_place_note(a, next->seq, next->file, 0);
	audit_record_make(next, AUDIT_CONTINUE, now_ns(), &entry, buf);
	r = write_all_at(fd, buf, next->end_bytes, 0);
	if (r == 0 && fdatasync(fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Begin the file after the current one. */
static int rotate(struct audit *a)
{
	struct audit_head next;
	uint32_t dropped;
	int fd;
	int r = audit_log_trim(a);

	r = r < 0 ? r : next_file(a, &next, &dropped);
	fd = r < 0 ? r : begin_file(a, &next);
	if (fd < 0) {
		sodium_memzero(&next, sizeof(next));
		return fd;
	}
	close(a->log_fd);
	a->log_fd = fd;
	*a->head = next;
	sodium_memzero(&next, sizeof(next));
	/* Not durable: then the next group writes it, and a crash undoes the new file. */
	r = audit_state_write(a->state_fd, a->head, &a->slot);
	if (r == 0 && dropped) {
		drop_oldest(a, dropped);
	}
	return r;
}

/* Make all records of a group. */
static int make_group(struct audit *a, struct store_work *list, struct audit_head *next,
		      uint8_t **ret, size_t *ret_bytes)
{
	size_t n = 0, at = 0;
	uint8_t *buf;

	for (struct store_work *w = list; w; w = w->next) {
		n += audit_record_bytes(&((struct audit_work *)w)->entry);
	}
	BUG_ON(n == 0); /* the queue makes no empty groups */
	buf = malloc(n);
	if (!buf) {
		return -ENOMEM;
	}
	*next = *a->head;
	for (struct store_work *w = list; w; w = w->next) {
		struct audit_work *work = (struct audit_work *)w;
		size_t bytes = audit_record_bytes(&work->entry);

		audit_place_note(a, next->seq, next->file, next->end_bytes);
		audit_record_make(next, work->kind, work->time_ns, &work->entry, buf + at);
		at += bytes;
	}
	*ret = buf;
	*ret_bytes = n;
	return 0;
}

static void publish(struct audit *a, struct store_work *list)
{
	struct audit_anchor anchor = { .seq = a->head->seq - 1 };
	char line[AUDIT_ANCHOR_BYTES];
	bool has_heartbeat = false;

	memcpy(anchor.hash, a->head->hash, sizeof(anchor.hash));
	pthread_mutex_lock(&a->lock);
	a->anchor = anchor;
	a->has_anchor = true;
	pthread_mutex_unlock(&a->lock);
	for (struct store_work *w = list; w; w = w->next) {
		has_heartbeat = has_heartbeat || ((struct audit_work *)w)->kind == AUDIT_HEARTBEAT;
	}
	if (has_heartbeat && a->o.anchor_fd >= 0) {
		size_t n;

		audit_anchor_print(&anchor, line);
		n = strlen(line);
		line[n] = '\n';
		/* A second place that is away for a while misses an anchor, nothing else. */
		(void)host_fd_write_full(a->o.anchor_fd, line, n + 1);
	}
}

void audit_write_group(void *ctx, struct store_work *list)
{
	struct audit *a = ctx;
	struct audit_head next;
	uint8_t *buf = NULL;
	size_t n = 0;
	int r = 0;

	if (a->head->end_bytes >= a->o.max_file_bytes) {
		r = rotate(a);
	}
	if (r == 0) {
		r = make_group(a, list, &next, &buf, &n);
	}
	if (r == 0) {
		r = append_bytes(a, buf, n, &next);
	}
	sodium_memzero(&next, sizeof(next));
	free(buf);
	for (struct store_work *w = list; w; w = w->next) {
		w->result = r;
	}
	if (r == 0) {
		publish(a, list);
	}
}

/* ---- the daemon's other threads ---- */

int audit_append_kind(struct audit *a, enum audit_kind kind, const struct audit_entry *entry,
		      struct errmsg *e)
{
	struct audit_work w = { .kind = kind, .time_ns = now_ns(), .entry = *entry };
	int r;

	if (!entry->operation || !entry->arguments) {
		return errmsg_set(e, -EINVAL, "an audit entry without operation or arguments");
	}
	if (strnlen(entry->operation, AUDIT_OPERATION_MAX + 1) > AUDIT_OPERATION_MAX ||
	    strnlen(entry->arguments, AUDIT_ARGUMENTS_MAX + 1) > AUDIT_ARGUMENTS_MAX) {
		return errmsg_set(e, -E2BIG, "an audit entry that is too long");
	}
	w.work.cost_bytes = sizeof(w) + audit_record_bytes(entry);
	r = store_queue_call(a->queue, &w.work);
	return r < 0 ? errmsg_set(e, r, "audit: not written: %s", strerror(-r)) : 0;
}

static void work_free(struct store_work *w)
{
	free(w);
}

int audit_submit(struct audit *a, const struct audit_entry *entry, store_done_fn *done, void *arg,
		 struct errmsg *e)
{
	size_t n_op, n_args;
	struct audit_work *w;
	char *text;
	int r;

	if (!entry->operation || !entry->arguments) {
		return errmsg_set(e, -EINVAL, "an audit entry without operation or arguments");
	}
	n_op = strnlen(entry->operation, AUDIT_OPERATION_MAX + 1);
	n_args = strnlen(entry->arguments, AUDIT_ARGUMENTS_MAX + 1);
	if (n_op > AUDIT_OPERATION_MAX || n_args > AUDIT_ARGUMENTS_MAX) {
		return errmsg_set(e, -E2BIG, "an audit entry that is too long");
	}
	w = calloc(1, sizeof(*w) + n_op + n_args + 2);
	if (!w) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	w->kind = AUDIT_REQUEST;
	w->time_ns = now_ns();
	w->entry = *entry;
	text = (char *)(w + 1);
	w->entry.operation = memcpy(text, entry->operation, n_op);
	w->entry.arguments = memcpy(text + n_op + 1, entry->arguments, n_args);
	w->work.done = done;
	w->work.arg = arg;
	w->work.release = work_free;
	w->work.cost_bytes = sizeof(*w) + audit_record_bytes(&w->entry);
	r = store_queue_submit(a->queue, &w->work);
	if (r < 0) {
		free(w);
		return errmsg_set(e, r, "too many audit records wait to be written; try again");
	}
	return 0;
}

int audit_append(struct audit *a, const struct audit_entry *entry, struct errmsg *e)
{
	return audit_append_kind(a, AUDIT_REQUEST, entry, e);
}

int audit_heartbeat(struct audit *a, const char *note, struct errmsg *e)
{
	struct audit_entry entry = { .uid = geteuid(),
				     .pid = (uint32_t)getpid(),
				     .operation = "heartbeat",
				     .arguments = note };

	return audit_append_kind(a, AUDIT_HEARTBEAT, &entry, e);
}

int audit_anchor_get(struct audit *a, struct audit_anchor *ret)
{
	int r = -ENODATA;

	pthread_mutex_lock(&a->lock);
	if (a->has_anchor) {
		*ret = a->anchor;
		r = 0;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

int audit_key_read(const char *path, uint8_t *key, struct errmsg *e)
{
	return store_key_read(AT_FDCWD, path, key, e);
}

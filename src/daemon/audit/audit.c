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

#define DIR_NAME "audit"
#define KEY_NAME "verify.key"

struct audit {
	struct audit_options o;
	int state_dir_fd, dir_fd, state_fd, log_fd;
	struct audit_head *head; /* guarded memory; the writer's once it runs */
	unsigned int slot;
	bool has_dirty_tail; /* bytes behind end_bytes that must go before anything is appended */
	struct store_queue *queue;
	pthread_mutex_t lock;
	struct audit_anchor anchor; /* under the lock */
	bool has_anchor;
};

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
		.max_file_bytes = 64u << 20,
		.max_files = 64,
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

static int cut_tail(struct audit *a)
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

	r = cut_tail(a);
	if (r < 0) {
		return r;
	}
	r = write_all_at(a->log_fd, buf, n, a->head->end_bytes);
	if (r == 0 && fdatasync(a->log_fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		a->has_dirty_tail = true;
		(void)cut_tail(a); /* else before the next append */
		return r;
	}
	*a->head = *next;
	return audit_state_write(a->state_fd, a->head, &a->slot);
}

static int open_log(struct audit *a, uint32_t number, int flags, int *ret_fd)
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
static int first_seq_of(struct audit *a, uint32_t number, uint64_t *ret)
{
	_cleanup_close_ int fd = -1;
	uint8_t header[AUDIT_HEADER_BYTES];
	ssize_t n;
	int r;

	r = open_log(a, number, 0, &fd);
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

/* Begin the file after the current one. */
static int rotate(struct audit *a)
{
	struct audit_head next = *a->head;
	struct audit_entry entry = { .operation = "continue" };
	uint32_t dropped = 0;
	uint8_t buf[256];
	char text[64];
	int fd = -1, r, old;

	r = cut_tail(a);
	if (r < 0) {
		sodium_memzero(&next, sizeof(next));
		return r;
	}
	next.file++;
	next.end_bytes = 0;
	if (a->o.max_files && next.file - next.oldest_file >= a->o.max_files) {
		r = first_seq_of(a, next.oldest_file + 1, &next.oldest_seq);
		if (r < 0) {
			sodium_memzero(&next, sizeof(next));
			return r;
		}
		dropped = next.oldest_file++;
	}
	snprintf(text, sizeof(text), "file=%" PRIu32 " oldest=%" PRIu64, next.file,
		 next.oldest_seq);
	entry.arguments = text;
	r = open_log(a, next.file, O_CREAT | O_TRUNC, &fd);
	if (r == 0 && fsync(a->dir_fd) < 0) {
		r = -errno;
		close(fd);
	}
	if (r < 0) {
		sodium_memzero(&next, sizeof(next));
		return r;
	}
	BUG_ON(audit_record_bytes(&entry) > sizeof(buf));
	audit_record_make(&next, AUDIT_CONTINUE, now_ns(), &entry, buf);
	r = write_all_at(fd, buf, next.end_bytes, 0);
	if (r == 0 && fdatasync(fd) < 0) {
		r = -errno;
	}
	if (r == 0) {
		old = a->log_fd;
		a->log_fd = fd;
		fd = old;
		*a->head = next;
		/* Not durable: then the next group writes it, and a crash undoes the new file. */
		r = audit_state_write(a->state_fd, a->head, &a->slot);
	}
	close(fd);
	if (r == 0 && dropped) {
		drop_oldest(a, dropped);
	}
	sodium_memzero(&next, sizeof(next));
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

static void write_group(void *ctx, struct store_work *list)
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

/* ---- opening ---- */

static int check_regular(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0 ? 0
											: -EUCLEAN;
}

/* Remove or find log files. @param above files with a higher number go; UINT32_MAX: none */
static int scan_logs(struct audit *a, uint32_t above, size_t *ret_n, struct errmsg *e)
{
	int fd = openat(a->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;
	size_t n = 0;
	int r = 0;

	if (!d) {
		r = errmsg_set(e, -errno, "audit: %s", strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return r;
	}
	while (r == 0 && (errno = 0, de = readdir(d))) {
		uint32_t number = audit_file_number(de->d_name);

		n += number != 0;
		if (number > above && unlinkat(a->dir_fd, de->d_name, 0) < 0) {
			r = errmsg_set(e, -errno, "%s: %s", de->d_name, strerror(errno));
		}
	}
	if (r == 0 && errno != 0) {
		r = errmsg_set(e, -errno, "audit: %s", strerror(errno));
	}
	closedir(d);
	if (r == 0) {
		*ret_n = n;
	}
	return r;
}

/* First start: a first key, kept for the verifier, and a state that points before record 0. */
static int create_log(struct audit *a, struct errmsg *e)
{
	size_t n_logs = 0;
	bool is_new;
	int r;

	r = scan_logs(a, UINT32_MAX, &n_logs, e);
	if (r < 0) {
		return r;
	}
	if (n_logs != 0) {
		return errmsg_set(e, -EUCLEAN, "the state of the log is gone");
	}
	memset(a->head, 0, sizeof(*a->head));
	a->head->file = 1;
	a->head->oldest_file = 1;
	r = store_key_load(a->dir_fd, KEY_NAME, a->head->key, &is_new, e);
	if (r == 0) {
		r = audit_state_create(a->dir_fd, a->head, e);
	}
	return r;
}

/* The covered part must lead, record by record, to the hash in the state. */
static int walk_covered(struct audit *a, struct audit_reader *rd, struct audit_walk *w,
			struct errmsg *e)
{
	struct audit_record rec;
	int r, step;

	while (rd->offset < a->head->end_bytes) {
		if (!w->has_hash && rd->offset == 0) {
			r = first_seq_of(a, a->head->file, &w->seq);
			if (r < 0) {
				return r;
			}
		}
		r = audit_reader_step(rd, w, &rec, &step);
		if (r < 0) {
			return r;
		}
		if (step != AUDIT_INTACT) {
			return errmsg_set(e, -EUCLEAN, "record %" PRIu64 ": %s", w->seq,
					  step == AUDIT_STEP_SHORT
						  ? audit_finding_text(AUDIT_CUT)
						  : audit_finding_text((enum audit_finding)step));
		}
	}
	if (rd->offset != a->head->end_bytes || (w->has_hash && w->seq != a->head->seq) ||
	    (w->has_hash && sodium_memcmp(w->hash, a->head->hash, AUDIT_HASH_BYTES) != 0)) {
		return errmsg_set(e, -EUCLEAN, "record %" PRIu64 ": %s", w->seq,
				  audit_finding_text(AUDIT_BAD_STATE));
	}
	return 0;
}

/* Whole records behind the state are ours, the key proves it; the rest is an unfinished append. */
static int walk_rest(struct audit *a, struct audit_reader *rd, struct audit_report *report)
{
	struct audit_walk w = { .seq = a->head->seq, .has_hash = true, .has_key = true };
	struct audit_record rec;
	struct stat st;
	int r, step;

	memcpy(w.hash, a->head->hash, sizeof(w.hash));
	memcpy(w.key, a->head->key, sizeof(w.key));
	do {
		r = audit_reader_step(rd, &w, &rec, &step);
		report->recovered += r == 0 && step == AUDIT_INTACT;
	} while (r == 0 && step == AUDIT_INTACT);
	if (r == 0 && fstat(a->log_fd, &st) < 0) {
		r = -errno;
	}
	if (r == 0) {
		a->head->seq = w.seq;
		a->head->end_bytes = rd->offset;
		memcpy(a->head->hash, w.hash, sizeof(w.hash));
		memcpy(a->head->key, w.key, sizeof(w.key));
		report->repaired_bytes = (uint64_t)st.st_size - rd->offset;
		a->has_dirty_tail = report->repaired_bytes != 0;
		r = cut_tail(a);
	}
	sodium_memzero(&w, sizeof(w));
	return r;
}

static int walk_file(struct audit *a, struct audit_report *report, struct errmsg *e)
{
	struct audit_walk w = { 0 };
	struct audit_reader rd;
	int r;

	r = audit_reader_init(&rd, a->log_fd);
	if (r == 0) {
		w.seq = a->head->seq; /* an empty file begins with the next record */
		r = walk_covered(a, &rd, &w, e);
		if (r == 0) {
			r = walk_rest(a, &rd, report);
		}
		audit_reader_done(&rd);
	}
	return r < 0 && r != -EUCLEAN ? errmsg_set(e, r, "audit: %s", strerror(-r)) : r;
}

static int open_state(struct audit *a, bool *ret_is_fresh, struct errmsg *e)
{
	int r;

	a->state_fd = openat(a->dir_fd, "state", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	*ret_is_fresh = a->state_fd < 0 && errno == ENOENT;
	if (*ret_is_fresh) {
		r = create_log(a, e);
		if (r < 0) {
			return r;
		}
		a->state_fd = openat(a->dir_fd, "state", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	}
	if (a->state_fd < 0) {
		r = errno == ELOOP ? -EUCLEAN : -errno;
		return errmsg_set(e, r, "audit/state: %s", strerror(errno));
	}
	r = check_regular(a->state_fd);
	if (r < 0) {
		return errmsg_set(e, r, "audit/state: not a file that only we may open");
	}
	return audit_state_read(a->state_fd, a->head, &a->slot, e);
}

static int open_once(struct audit *a, struct audit_report *report, struct errmsg *e)
{
	size_t n_logs;
	int r;

	r = store_dir_enter(a->state_dir_fd, DIR_NAME, &a->dir_fd, NULL, e);
	if (r == 0) {
		r = store_dir_lock(a->dir_fd, DIR_NAME, e);
	}
	if (r == 0) {
		r = open_state(a, &report->is_fresh, e);
	}
	if (r == 0) {
		/* Files behind the current one were begun, but nothing in them acknowledged. */
		r = scan_logs(a, a->head->file, &n_logs, e);
	}
	if (r < 0) {
		return r;
	}
	r = open_log(a, a->head->file, a->head->end_bytes == 0 ? O_CREAT : 0, &a->log_fd);
	if (r == -ENOENT) {
		return errmsg_set(e, -EUCLEAN, "file %" PRIu32 " of the log is gone",
				  a->head->file);
	}
	if (r == 0) {
		r = check_regular(a->log_fd);
	}
	if (r == 0 && fsync(a->dir_fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		return errmsg_set(e, r, "file %" PRIu32 " of the log: %s", a->head->file,
				  strerror(-r));
	}
	return walk_file(a, report, e);
}

static void close_files(struct audit *a)
{
	int *fds[] = { &a->log_fd, &a->state_fd, &a->dir_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0) {
			close(*fds[i]);
		}
		*fds[i] = -1;
	}
}

static int open_log_files(struct audit *a, struct audit_report *report, struct errmsg *e)
{
	char aside[STORE_ASIDE_BYTES];
	struct errmsg why;
	int r;

	r = open_once(a, report, e);
	if (r != -EUCLEAN) {
		return r;
	}
	why = *e;
	close_files(a);
	r = store_file_set_aside(a->state_dir_fd, DIR_NAME, aside, e);
	if (r < 0) {
		return r;
	}
	memset(report, 0, sizeof(*report));
	report->has_aside = true;
	snprintf(report->notice, sizeof(report->notice),
		 "the audit log cannot be carried on and was set aside as \"%s\"; starting a new "
		 "one: %s",
		 aside, why.text);
	e->text[0] = '\0';
	r = open_once(a, report, e);
	return r == -EUCLEAN ? -EIO : r;
}

static int start_writer(struct audit *a, struct errmsg *e)
{
	struct store_queue_options q = {
		.name = "audit-writer",
		.max_items = a->o.max_queue_items,
		.max_bytes = a->o.max_queue_bytes,
		.max_group = a->o.max_group,
		.use_event_fd = a->o.use_event_fd,
		.run = write_group,
		.ctx = a,
	};

	return store_queue_new(&q, &a->queue, e);
}

static int append_kind(struct audit *a, enum audit_kind kind, const struct audit_entry *entry,
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

static int write_start(struct audit *a, const struct audit_report *report, struct errmsg *e)
{
	char text[128];
	struct audit_entry entry = {
		.uid = geteuid(), .pid = (uint32_t)getpid(), .operation = "start", .arguments = text
	};

	snprintf(text, sizeof(text),
		 "{\"fresh\":%d,\"set_aside\":%d,\"recovered\":%" PRIu64
		 ",\"repaired_bytes\":%" PRIu64 "}",
		 report->is_fresh, report->has_aside, report->recovered, report->repaired_bytes);
	return append_kind(a, AUDIT_START, &entry, e);
}

int audit_open(const struct audit_options *o, struct audit **ret, struct audit_report *ret_report,
	       struct errmsg *e)
{
	struct audit_report report = { 0 };
	struct errmsg own = { "" };
	struct audit *a;
	int r;

	e = e ? e : &own;
	if (sodium_init() < 0) {
		return errmsg_set(e, -EIO, "no random numbers");
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	a->o = *o;
	a->state_dir_fd = a->dir_fd = a->state_fd = a->log_fd = -1;
	pthread_mutex_init(&a->lock, NULL);
	a->head = sodium_malloc(sizeof(*a->head));
	r = a->head ? store_dir_open(o->state_dir, &a->state_dir_fd, e)
		    : errmsg_set(e, -ENOMEM, "no memory for keys");
	if (r == 0) {
		r = open_log_files(a, &report, e);
	}
	if (r == 0) {
		r = start_writer(a, e);
	}
	if (r == 0) {
		r = write_start(a, &report, e);
	}
	if (r < 0) {
		audit_close(a);
		return r;
	}
	*ret = a;
	if (ret_report) {
		*ret_report = report;
	}
	return 0;
}

void audit_close(struct audit *a)
{
	if (!a) {
		return;
	}
	store_queue_free(a->queue);
	close_files(a);
	if (a->state_dir_fd >= 0) {
		close(a->state_dir_fd);
	}
	sodium_free(a->head);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* ---- the daemon's other threads ---- */

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
	return append_kind(a, AUDIT_REQUEST, entry, e);
}

int audit_heartbeat(struct audit *a, const char *note, struct errmsg *e)
{
	struct audit_entry entry = { .uid = geteuid(),
				     .pid = (uint32_t)getpid(),
				     .operation = "heartbeat",
				     .arguments = note };

	return append_kind(a, AUDIT_HEARTBEAT, &entry, e);
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

int audit_event_fd(const struct audit *a)
{
	return store_queue_event_fd(a->queue);
}

void audit_complete(struct audit *a)
{
	store_queue_complete(a->queue);
}

int audit_key_read(const char *path, uint8_t *key, struct errmsg *e)
{
	return store_key_read(AT_FDCWD, path, key, e);
}

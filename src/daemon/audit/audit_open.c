/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening the audit log (docs/audit.md, "After a crash"): what the state covers must be there, record by
 * record; what lies behind it and is whole is kept, the rest is cut off.
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

#include "base/bits.h"
#include "base/cleanup.h"
#include "daemon/audit/audit_internal.h"

#define DIR_NAME "audit"
#define KEY_NAME "verify.key"
/* Heartbeats are a minute apart: one is in these files, or they were filled in less. */
#define LOOK_BACK_FILES 16u

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

static void take_note(void *arg, const struct audit_record *rec, uint64_t offset)
{
	struct audit_report *report = arg;

	(void)offset;
	if (rec->kind == AUDIT_HEARTBEAT && rec->arguments_bytes < sizeof(report->note)) {
		memcpy(report->note, rec->arguments, rec->arguments_bytes);
		report->note[rec->arguments_bytes] = '\0';
	}
}

/* The current file may have begun since the last heartbeat. */
static void look_back(struct audit *a, struct audit_report *report)
{
	uint32_t file = a->head->file;

	for (uint32_t i = 0; i < LOOK_BACK_FILES && !report->note[0] && file > a->head->oldest_file;
	     i++) {
		audit_file_each(a, --file, take_note, report);
	}
}

/* The covered part must lead, record by record, to the hash in the state. */
static int walk_covered(struct audit *a, struct audit_reader *rd, struct audit_walk *w,
			struct audit_report *report, struct errmsg *e)
{
	struct audit_record rec;
	int r, step;

	while (rd->offset < a->head->end_bytes) {
		uint64_t offset = rd->offset;

		if (!w->has_hash && rd->offset == 0) {
			r = audit_first_seq(a, a->head->file, &w->seq);
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
		audit_place_note(a, rec.seq, a->head->file, offset);
		take_note(report, &rec, offset);
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
		uint64_t offset = rd->offset;

		r = audit_reader_step(rd, &w, &rec, &step);
		if (r == 0 && step == AUDIT_INTACT) {
			report->recovered++;
			audit_place_note(a, rec.seq, a->head->file, offset);
			take_note(report, &rec, offset);
		}
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
		r = audit_log_trim(a);
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
		r = walk_covered(a, &rd, &w, report, e);
		if (r == 0) {
			r = walk_rest(a, &rd, report);
		}
		audit_reader_done(&rd);
	}
	if (r == 0) {
		look_back(a, report);
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
	r = audit_log_open(a, a->head->file, a->head->end_bytes == 0 ? O_CREAT : 0, &a->log_fd);
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
	memset(a->place, 0, sizeof(a->place));
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
		.run = audit_write_group,
		.ctx = a,
	};

	return store_queue_new(&q, &a->queue, e);
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
	return audit_append_kind(a, AUDIT_START, &entry, e);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last records, without a look at those before them (docs/audit.md, "The last records").
 *
 * A record says how long it is only at its beginning, so a file can't be read backwards. The places of the last
 * records are kept in memory instead: noted when they are written, and when the log is opened, which reads the
 * current file anyway. Only when that file has just begun, the one before it is read, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "daemon/audit/audit_internal.h"

_Static_assert(AUDIT_PLACES >= AUDIT_TAIL_MAX + 512u, "a group that is written needs places, too");

void audit_place_note(struct audit *a, uint64_t seq, uint32_t file, uint64_t offset)
{
	struct audit_place *p = &a->place[seq % AUDIT_PLACES];

	pthread_mutex_lock(&a->lock);
	if (p->file == 0 || p->seq <= seq) {
		*p = (struct audit_place){ .seq = seq, .offset = offset, .file = file };
	}
	pthread_mutex_unlock(&a->lock);
}

/* Where to begin so that @p n records are read, or as many as are known. @return whether it is that many */
static bool find_from(struct audit *a, uint64_t n, struct audit_place *ret,
		      struct audit_anchor *ret_last)
{
	uint64_t first;

	pthread_mutex_lock(&a->lock);
	*ret_last = a->anchor;
	first = a->anchor.seq + 1 > n ? a->anchor.seq + 1 - n : 0;
	*ret = (struct audit_place){ .seq = a->anchor.seq + 1 };
	while (ret->seq > first) {
		const struct audit_place *p = &a->place[(ret->seq - 1) % AUDIT_PLACES];

		if (p->file == 0 || p->seq != ret->seq - 1) {
			break;
		}
		*ret = *p;
	}
	pthread_mutex_unlock(&a->lock);
	return ret->seq == first;
}

void audit_file_each(struct audit *a, uint32_t file,
		     void (*visit)(void *arg, const struct audit_record *rec, uint64_t offset),
		     void *arg)
{
	_cleanup_close_ int fd = -1;
	struct audit_walk w = { 0 };
	struct audit_reader rd;
	struct audit_record rec;
	int step = AUDIT_INTACT;

	if (audit_first_seq(a, file, &w.seq) < 0 || audit_log_open(a, file, 0, &fd) < 0 ||
	    audit_reader_init(&rd, fd) < 0) {
		return;
	}
	for (;;) {
		uint64_t offset = rd.offset;

		if (audit_reader_step(&rd, &w, &rec, &step) < 0 || step != AUDIT_INTACT) {
			break;
		}
		visit(arg, &rec, offset);
	}
	audit_reader_done(&rd);
}

struct noting {
	struct audit *a;
	uint32_t file;
};

static void note_place(void *arg, const struct audit_record *rec, uint64_t offset)
{
	const struct noting *n = arg;

	audit_place_note(n->a, rec->seq, n->file, offset);
}

/* As find_from(), after a look at older files if need be. Ends where a file can't be read to its end. */
static void find_all(struct audit *a, uint64_t n, struct audit_place *ret,
		     struct audit_anchor *ret_last)
{
	uint64_t before = UINT64_MAX;

	while (!find_from(a, n, ret, ret_last) && ret->file > 1 && ret->seq < before) {
		before = ret->seq;
		audit_file_each(a, ret->file - 1, note_place, &(struct noting){ a, ret->file - 1 });
	}
}

/* One file, from where the walk is. @param ret_go_on whether the next one is to follow */
static int read_file(struct audit *a, const struct audit_place *from, uint64_t last,
		     struct audit_walk *w, void (*visit)(void *arg, const struct audit_record *rec),
		     void *arg, bool *ret_go_on)
{
	_cleanup_close_ int fd = -1;
	struct audit_reader rd;
	struct audit_record rec;
	int step = AUDIT_INTACT;
	int r = audit_log_open(a, from->file, 0, &fd);

	if (r == 0) {
		r = audit_reader_init(&rd, fd);
	}
	if (r < 0) {
		return r;
	}
	rd.offset = from->offset;
	while (r == 0 && step == AUDIT_INTACT && w->seq <= last) {
		r = audit_reader_step(&rd, w, &rec, &step);
		if (r == 0 && step == AUDIT_INTACT) {
			visit(arg, &rec);
		}
	}
	/* At the very end of a file: the next one goes on. */
	*ret_go_on = r == 0 && step == AUDIT_STEP_SHORT && rd.from == rd.to;
	audit_reader_done(&rd);
	return r;
}

int audit_tail(struct audit *a, uint64_t n,
	       void (*visit)(void *arg, const struct audit_record *rec), void *arg,
	       struct errmsg *e)
{
	struct audit_walk w = { 0 };
	struct audit_place from;
	struct audit_anchor last;
	bool go_on = true;
	int r = audit_anchor_get(a, &last);

	n = n < AUDIT_TAIL_MAX ? n : AUDIT_TAIL_MAX;
	if (r < 0 || n == 0) {
		return 0; /* no record yet */
	}
	find_all(a, n, &from, &last);
	w.seq = from.seq;
	r = from.file ? 0 : -EBADMSG;
	while (r == 0 && go_on && w.seq <= last.seq) {
		r = read_file(a, &from, last.seq, &w, visit, arg, &go_on);
		from = (struct audit_place){ .file = from.file + 1 };
	}
	if (r == -ENOENT || r == -EUCLEAN ||
	    (r == 0 &&
	     (w.seq != last.seq + 1 || sodium_memcmp(w.hash, last.hash, sizeof(last.hash)) != 0))) {
		r = -EBADMSG;
	}
	return r < 0 ? errmsg_set(e, r, "the last records of the audit log can't be read: %s",
				  r == -EBADMSG ? "they were changed" : strerror(-r))
		     : 0;
}

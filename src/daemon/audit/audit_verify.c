/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and verifying the audit log (docs/audit.md, "Verifying"). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "daemon/audit/audit_internal.h"

/* A log that claims to begin later than this would take minutes to reach its first key. */
#define SEQ_MAX 200000000u

/* A verification in progress. */
struct verify {
	const struct audit_verify_options *o;
	struct audit_verdict v;
	struct audit_walk walk;
	struct audit_head state;
	bool has_state;
	uint64_t declared_oldest; /* records before it may be gone, says the log itself */
	uint32_t first_file, last_file;
	size_t n_files;
	int dir;
};

int audit_reader_init(struct audit_reader *rd, int fd)
{
	uint8_t *buf = malloc(AUDIT_RECORD_MAX);

	if (!buf) {
		return -ENOMEM;
	}
	*rd = (struct audit_reader){ .fd = fd, .buf = buf };
	return 0;
}

void audit_reader_done(struct audit_reader *rd)
{
	free(rd->buf);
}

/* Fill the buffer. What was read before moves to its front. */
static int refill(struct audit_reader *rd)
{
	memmove(rd->buf, rd->buf + rd->from, rd->to - rd->from);
	rd->to -= rd->from;
	rd->from = 0;
	while (!rd->is_end && rd->to < AUDIT_RECORD_MAX) {
		ssize_t n = pread(rd->fd, rd->buf + rd->to, AUDIT_RECORD_MAX - rd->to,
				  (off_t)(rd->offset + rd->to));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		rd->is_end = n == 0;
		rd->to += (size_t)n;
	}
	return 0;
}

int audit_reader_step(struct audit_reader *rd, struct audit_walk *w, struct audit_record *rec,
		      int *ret_step)
{
	size_t bytes = 0;
	int step, r;

	step = audit_walk_step(w, rd->buf + rd->from, rd->to - rd->from, rec, &bytes);
	if (step == AUDIT_STEP_SHORT && !rd->is_end) {
		r = refill(rd);
		if (r < 0) {
			return r;
		}
		step = audit_walk_step(w, rd->buf + rd->from, rd->to - rd->from, rec, &bytes);
	}
	if (step == AUDIT_INTACT) {
		rd->from += bytes;
		rd->offset += bytes;
	}
	*ret_step = step;
	return 0;
}

const char *audit_finding_text(enum audit_finding finding)
{
	static const char *const texts[] = {
		[AUDIT_INTACT] = "intact",
		[AUDIT_BAD_RECORD] = "is damaged or overwritten: not a record",
		[AUDIT_BAD_SEQ] = "is missing: another record stands in its place",
		[AUDIT_BAD_CHAIN] =
			"does not follow from the record before it: one of them was changed",
		[AUDIT_BAD_MAC] = "was changed, or was not written by the daemon",
		[AUDIT_CUT] = "and all later ones are missing: the log was cut",
		[AUDIT_MISSING] = "is missing with its file, which the log itself did not remove",
		[AUDIT_BAD_STATE] = "does not agree with the saved state of the log",
		[AUDIT_ROLLED_BACK] =
			"is not the one that an anchor knows: log and state were replaced",
		[AUDIT_SILENT] = "should exist by now: the log ends too early",
	};

	return (size_t)finding < ARRAY_SIZE(texts) ? texts[finding] : "unknown";
}

/* The first finding counts. @return false, to end a walk */
static bool found(struct verify *f, enum audit_finding finding, uint64_t seq, uint32_t file,
		  uint64_t offset)
{
	if (f->v.finding == AUDIT_INTACT) {
		f->v.finding = finding;
		f->v.bad_seq = seq;
		f->v.bad_file = file;
		f->v.bad_offset = offset;
	}
	return false;
}

/* Whether this record is behind what the state covers, that is, was never acknowledged. */
static bool is_uncovered(const struct verify *f)
{
	return f->has_state && f->walk.seq >= f->state.seq;
}

/*
 * Whether the state belongs to the place reached. Its key counts as much as its hash: who cuts the
 * log can compute the hash of the new end, but the key of that place is gone.
 */
static bool is_state_true(const struct verify *f)
{
	return sodium_memcmp(f->walk.hash, f->state.hash, AUDIT_HASH_BYTES) == 0 &&
	       (!f->walk.has_key || sodium_memcmp(f->walk.key, f->state.key, AUDIT_KEY_BYTES) == 0);
}

/* What outside knows about the record just read. */
static bool check_known(struct verify *f, const struct audit_record *rec, uint32_t file,
			uint64_t offset)
{
	for (size_t i = 0; i < f->o->n_anchors; i++) {
		if (f->o->anchors[i].seq != rec->seq) {
			continue;
		}
		if (sodium_memcmp(f->o->anchors[i].hash, rec->hash, AUDIT_HASH_BYTES) != 0) {
			return found(f, AUDIT_ROLLED_BACK, rec->seq, file, offset);
		}
		f->v.n_anchors_met++;
	}
	if (f->has_state && f->walk.seq == f->state.seq && !is_state_true(f)) {
		return found(f, AUDIT_BAD_STATE, rec->seq, file, offset);
	}
	return true;
}

static bool take_record(struct verify *f, const struct audit_record *rec, uint32_t file,
			uint64_t offset)
{
	uint64_t oldest;

	if (!check_known(f, rec, file, offset)) {
		return false;
	}
	if (audit_continue_parse(rec, &oldest) && oldest > f->declared_oldest) {
		f->declared_oldest = oldest;
	}
	f->v.n_records++;
	f->v.last_time_ns = rec->time_ns;
	memcpy(f->v.last_hash, rec->hash, AUDIT_HASH_BYTES);
	if (f->o->visit) {
		f->o->visit(f->o->arg, rec);
	}
	return true;
}

/* Go along one file. @param ret_go_on false after a finding or an unfinished append */
static int walk_file(struct verify *f, int fd, uint32_t file, bool *ret_go_on)
{
	struct audit_reader rd;
	struct audit_record rec;
	bool go_on = true;
	off_t size;
	int r, step;

	r = audit_reader_init(&rd, fd);
	if (r < 0) {
		return r;
	}
	do {
		uint64_t offset = rd.offset;

		r = audit_reader_step(&rd, &f->walk, &rec, &step);
		if (r == 0 && step == AUDIT_INTACT) {
			go_on = take_record(f, &rec, file, offset);
		}
	} while (r == 0 && go_on && step == AUDIT_INTACT);
	size = lseek(fd, 0, SEEK_END);
	if (r == 0 && go_on && size > (off_t)rd.offset) {
		go_on = false;
		if (is_uncovered(f)) {
			f->v.unfinished_bytes = (uint64_t)size - rd.offset;
		} else {
			found(f, step == AUDIT_STEP_SHORT ? AUDIT_CUT : (enum audit_finding)step,
			      f->walk.seq, file, rd.offset);
		}
	}
	audit_reader_done(&rd);
	*ret_go_on = go_on;
	return r;
}

/* Where a log begins that has lost its first files, and the key for that place. */
static int begin_at(struct verify *f, int fd)
{
	uint8_t header[AUDIT_HEADER_BYTES];
	ssize_t n;

	do {
		n = pread(fd, header, sizeof(header), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	f->walk.has_hash = f->first_file == 1; /* all zeros, before record 0 */
	if (f->first_file != 1 && n == (ssize_t)sizeof(header)) {
		f->walk.seq = audit_record_claimed_seq(header);
	}
	if (f->walk.seq > SEQ_MAX || (f->has_state && f->walk.seq > f->state.seq)) {
		f->walk.seq = 0;
		found(f, AUDIT_BAD_SEQ, 0, f->first_file, 0);
		return 0;
	}
	f->v.first_seq = f->walk.seq;
	for (uint64_t i = 0; i < f->walk.seq && f->walk.has_key; i++) {
		audit_key_evolve(f->walk.key);
	}
	return 0;
}

static int walk_all(struct verify *f, struct errmsg *e)
{
	char name[AUDIT_NAME_BYTES];
	bool go_on = true;
	int r = 0;

	for (uint64_t i = f->first_file; i <= f->last_file && go_on; i++) {
		_cleanup_close_ int fd = -1;

		if (f->o->is_over && atomic_load(f->o->is_over)) {
			return errmsg_set(e, -ECANCELED, "no longer wanted");
		}
		if (f->has_state && i > f->state.file) {
			break; /* begun, nothing in it acknowledged */
		}
		audit_file_name((uint32_t)i, name);
		fd = openat(f->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT) {
			found(f, AUDIT_BAD_SEQ, f->walk.seq, (uint32_t)i, 0);
			return 0;
		}
		if (fd >= 0 && i == f->first_file) {
			r = begin_at(f, fd);
		}
		if (fd >= 0 && r == 0 && f->v.finding == AUDIT_INTACT) {
			r = walk_file(f, fd, (uint32_t)i, &go_on);
		}
		r = fd < 0 ? -errno : r;
		if (r < 0) {
			return errmsg_set(e, r, "%s: %s", name, strerror(-r));
		}
		go_on = go_on && f->v.finding == AUDIT_INTACT;
	}
	return 0;
}

/* What can only be said at the end. */
static void check_end(struct verify *f)
{
	if (f->v.first_seq > f->declared_oldest) {
		found(f, AUDIT_MISSING, f->declared_oldest, f->first_file, 0);
	}
	if (f->has_state && f->walk.seq < f->state.seq) {
		found(f, AUDIT_CUT, f->walk.seq, f->last_file, 0);
	} else if (f->has_state && f->walk.seq == f->state.seq && !is_state_true(f)) {
		found(f, AUDIT_BAD_STATE, f->walk.seq, f->last_file, 0);
	}
	for (size_t i = 0; i < f->o->n_anchors; i++) {
		if (f->o->anchors[i].seq >= f->walk.seq) {
			found(f, AUDIT_ROLLED_BACK, f->walk.seq, f->last_file, 0);
		}
	}
	if (f->v.last_time_ns < f->o->not_before_ns) {
		found(f, AUDIT_SILENT, f->walk.seq, f->last_file, 0);
	}
}

static int list_files(struct verify *f, struct errmsg *e)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;

	if (!d) {
		int err = errno;

		if (fd >= 0) {
			close(fd);
		}
		return errmsg_set(e, -err, "%s", strerror(err));
	}
	f->first_file = UINT32_MAX;
	while ((de = readdir(d))) {
		uint32_t n = audit_file_number(de->d_name);

		if (n != 0) {
			f->n_files++;
			f->first_file = n < f->first_file ? n : f->first_file;
			f->last_file = n > f->last_file ? n : f->last_file;
		}
	}
	closedir(d);
	return 0;
}

static int read_state(struct verify *f, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	struct errmsg own = { "" };
	int r;

	if (f->o->ignore_state) {
		return 0;
	}
	fd = openat(f->dir, "state", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT) {
		return errmsg_set(e, -errno, "state: %s", strerror(errno));
	}
	r = fd < 0 ? -EUCLEAN : audit_state_read(fd, &f->state, NULL, &own);
	if (r == -EUCLEAN) {
		found(f, AUDIT_BAD_STATE, 0, 0, 0);
		return 0;
	}
	f->has_state = r == 0;
	return r < 0 ? errmsg_set(e, r, "%s", own.text) : 0;
}

static int verify_dir(struct verify *f, struct errmsg *e)
{
	int r;

	r = read_state(f, e);
	if (r == 0) {
		r = list_files(f, e);
	}
	if (r < 0 || f->v.finding != AUDIT_INTACT) {
		return r;
	}
	if (f->n_files == 0) {
		f->first_file = f->last_file = 1;
	} else {
		r = walk_all(f, e);
	}
	if (r == 0) {
		check_end(f);
	}
	return r;
}

int audit_verify(const char *dir, const struct audit_verify_options *o, struct audit_verdict *ret,
		 struct errmsg *e)
{
	struct verify f = { .o = o, .dir = -1 };
	int r;

	if (sodium_init() < 0) {
		return errmsg_set(e, -EIO, "no random numbers");
	}
	f.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f.dir < 0) {
		return errmsg_set(e, -errno, "%s: %s", dir, strerror(errno));
	}
	if (o->key) {
		memcpy(f.walk.key, o->key, sizeof(f.walk.key));
		f.walk.has_key = true;
	}
	r = verify_dir(&f, e);
	close(f.dir);
	sodium_memzero(&f.walk, sizeof(f.walk));
	sodium_memzero(&f.state, sizeof(f.state));
	if (r < 0) {
		errmsg_prefix(e, "%s: ", dir);
		return r;
	}
	f.v.is_authentic = o->key != NULL;
	*ret = f.v;
	return 0;
}

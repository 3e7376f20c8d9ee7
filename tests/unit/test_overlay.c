/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copy-on-write disks against a plain array: random requests; the power cut at every write, by the model that docs/store.md
 * describes (what came after the last sync is there, missing, or torn at sectors, in any order); bad headers; commits that
 * are cut off.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/bits.h"
#include "disk/overlay.h"
#include "test.h"

#define SECTOR	 OVERLAY_SECTOR_BYTES
#define BLOCK	 OVERLAY_BLOCK_BYTES
#define DISK_MAX (96u * BLOCK)
#define HALF_AT	 48u
#define SUM_AT	 504u

static uint64_t seed = 1;

static uint32_t pick(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static void noise(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = (uint8_t)pick(256);
	}
}

/* ---- system calls, recorded ---- */

struct step {
	bool is_sync;
	uint64_t at, bytes;
	uint8_t *data; /* NULL: zeros */
};

static struct {
	int fd; /* whose steps are recorded; -1: nobody's */
	struct step *steps;
	size_t n, max;
	bool has_no_holes;
	int fail_after; /* so many calls succeed, those behind fail; -1: all succeed */
} rec = { .fd = -1, .fail_after = -1 };

static bool is_failing(void)
{
	if (rec.fail_after > 0) {
		rec.fail_after--;
	} else if (rec.fail_after == 0) {
		errno = EIO;
		return true;
	}
	return false;
}

static void record(int fd, bool is_sync, uint64_t at, uint64_t bytes, const void *data)
{
	struct step *s;

	if (fd != rec.fd) {
		return;
	}
	if (rec.n == rec.max) {
		rec.max = rec.max * 2 + 64;
		rec.steps = realloc(rec.steps, rec.max * sizeof(*rec.steps));
	}
	s = &rec.steps[rec.n++];
	*s = (struct step){ .is_sync = is_sync, .at = at, .bytes = bytes };
	if (data) {
		s->data = malloc(bytes);
		memcpy(s->data, data, bytes);
	}
}

static void record_end(void)
{
	for (size_t i = 0; i < rec.n; i++) {
		free(rec.steps[i].data);
	}
	free(rec.steps);
	rec.steps = NULL;
	rec.n = rec.max = 0;
	rec.fd = -1;
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
	if (is_failing()) {
		return -1;
	}
	record(fd, false, (uint64_t)at, n, buf);
	return syscall(SYS_pwrite64, fd, buf, n, at);
}

int fdatasync(int fd)
{
	if (is_failing()) {
		return -1;
	}
	record(fd, true, 0, 0, NULL);
	return (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t at, off_t bytes)
{
	if (rec.has_no_holes) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (is_failing()) {
		return -1;
	}
	record(fd, false, (uint64_t)at, (uint64_t)bytes, NULL);
	return (int)syscall(SYS_fallocate, fd, mode, at, bytes);
}

/* ---- a disk and what it should hold ---- */

struct rig {
	int base_fd, fd;
	struct overlay_form form;
	struct overlay *o;
	uint8_t base[DISK_MAX];
	uint8_t want[DISK_MAX];
};

static struct rig g;

static int memory_file(void)
{
	return memfd_create("disk", MFD_CLOEXEC);
}

static void open_rig(size_t base_bytes, size_t disk_bytes, size_t room_bytes)
{
	struct errmsg e = { 0 };

	memset(&g, 0, sizeof(g));
	g.base_fd = memory_file();
	g.fd = memory_file();
	noise(g.base, base_bytes);
	memcpy(g.want, g.base, base_bytes);
	CHECK(write(g.base_fd, g.base, base_bytes) == (ssize_t)base_bytes);
	CHECK_INT(overlay_form_fill(g.base_fd, disk_bytes, room_bytes, &g.form, &e), 0);
	CHECK_INT(overlay_make(g.fd, &g.form, &e), 0);
	CHECK_INT(overlay_open(g.fd, g.base_fd, &g.o, &e), 0);
	CHECK_STR(e.text, "");
}

static void close_rig(void)
{
	overlay_free(g.o);
	close(g.fd);
	close(g.base_fd);
}

/* A range of whole sectors, often of whole blocks, at either end now and then. */
static void pick_range(uint64_t *ret_at, size_t *ret_bytes)
{
	uint32_t sectors = (uint32_t)(g.form.disk_bytes / SECTOR);
	uint32_t n = 1 + pick(pick(3) ? 8 : sectors);
	uint32_t first = pick(sectors);

	if (pick(2)) {
		first &= ~7u;
		n = (n + 7) & ~7u;
	}
	n = first + n > sectors ? sectors - first : n;
	*ret_at = (uint64_t)first * SECTOR;
	*ret_bytes = (size_t)n * SECTOR;
}

static void check_all(struct overlay *o)
{
	static uint8_t got[DISK_MAX];

	CHECK_INT(overlay_read(o, 0, got, g.form.disk_bytes), 0);
	CHECK(memcmp(got, g.want, g.form.disk_bytes) == 0);
}

static void do_write(uint64_t at, size_t bytes)
{
	static uint8_t data[DISK_MAX];

	noise(data, bytes);
	CHECK_INT(overlay_write(g.o, at, data, bytes), 0);
	memcpy(g.want + at, data, bytes);
}

static void do_discard(uint64_t at, size_t bytes)
{
	static const uint8_t zeros[SECTOR];
	static uint8_t got[DISK_MAX];

	CHECK_INT(overlay_discard(g.o, at, bytes), 0);
	CHECK_INT(overlay_read(g.o, at, got, bytes), 0);
	for (size_t i = 0; i < bytes; i += SECTOR) {
		CHECK(memcmp(got + i, zeros, SECTOR) == 0 ||
		      memcmp(got + i, g.want + at + i, SECTOR) == 0);
	}
	memcpy(g.want + at, got, bytes);
}

/* @return whether it was a flush */
static bool do_something(void)
{
	uint64_t at;
	size_t bytes;
	uint32_t what = pick(20);

	pick_range(&at, &bytes);
	if (what < 11) {
		do_write(at, bytes);
	} else if (what < 13) {
		CHECK_INT(overlay_zero(g.o, at, bytes), 0);
		memset(g.want + at, 0, bytes);
	} else if (what < 15) {
		do_discard(at, bytes);
	} else if (what < 18) {
		CHECK_INT(overlay_flush(g.o), 0);
		CHECK(!overlay_is_dirty(g.o));
	}
	return what >= 15 && what < 18;
}

/* ---- the cases ---- */

static const struct {
	size_t base_bytes, disk_bytes;
} shapes[] = {
	{ DISK_MAX, 0 },	{ 17 * SECTOR, 0 }, { 41 * SECTOR, 80 * BLOCK + 1024 },
	{ 5 * BLOCK + 100, 0 }, { SECTOR, SECTOR }, { 5 * BLOCK + 100, 9 * BLOCK },
};

static void is_a_plain_array(void)
{
	for (size_t s = 0; s < 2 * ARRAY_SIZE(shapes); s++) {
		rec.has_no_holes = s % 2;
		open_rig(shapes[s / 2].base_bytes, shapes[s / 2].disk_bytes, 0);
		for (int i = 0; i < 1500; i++) {
			struct overlay *o;

			do_something();
			if (i % 50 == 0) {
				check_all(g.o);
			}
			if (i % 200 ==
			    199) { /* what was flushed is there for the next one who opens it */
				CHECK_INT(overlay_flush(g.o), 0);
				CHECK_INT(overlay_open(g.fd, g.base_fd, &o, NULL), 0);
				CHECK_INT(overlay_own_bytes(o), overlay_own_bytes(g.o));
				overlay_free(g.o);
				g.o = o;
			}
		}
		check_all(g.o);
		close_rig();
	}
	rec.has_no_holes = false;
}

static void the_base_stays_as_it_is(void)
{
	static uint8_t got[DISK_MAX];

	open_rig(DISK_MAX, 0, 0);
	for (int i = 0; i < 300; i++) {
		do_something();
	}
	CHECK(pread(g.base_fd, got, DISK_MAX, 0) == DISK_MAX);
	CHECK(memcmp(got, g.base, DISK_MAX) == 0);
	close_rig();
}

static uint64_t blocks_of_file(int fd)
{
	struct stat st;

	CHECK_INT(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void room_is_taken_as_it_is_needed(void)
{
	uint8_t data[4 * BLOCK];
	uint64_t before;

	noise(data, sizeof(data));
	open_rig(DISK_MAX, 0, 8 * BLOCK);
	before = blocks_of_file(g.fd);
	CHECK(before <= 2 * BLOCK);
	CHECK_INT(overlay_write(g.o, 0, data, 4 * BLOCK), 0);
	CHECK_INT(overlay_write(g.o, 40 * BLOCK + SECTOR, data, SECTOR), 0);
	CHECK_INT(blocks_of_file(g.fd), before + 5 * BLOCK);
	CHECK_INT(overlay_own_bytes(g.o), 5 * BLOCK);
	CHECK_INT(overlay_write(g.o, 0, data, 4 * BLOCK), 0); /* its own once more: no more room */
	CHECK_INT(overlay_zero(g.o, 50 * BLOCK, 3 * BLOCK), 0);
	CHECK_INT(overlay_own_bytes(g.o), 8 * BLOCK);
	CHECK_INT(overlay_write(g.o, 60 * BLOCK, data, BLOCK), -ENOSPC);
	CHECK_INT(overlay_write(g.o, 60 * BLOCK, data, SECTOR), -ENOSPC);
	CHECK_INT(overlay_zero(g.o, 60 * BLOCK, BLOCK), -ENOSPC);
	CHECK_INT(overlay_zero(g.o, 60 * BLOCK + SECTOR, SECTOR), -ENOSPC);
	CHECK_INT(overlay_write(g.o, 51 * BLOCK, data, BLOCK), 0);
	CHECK_INT(overlay_discard(g.o, 0, DISK_MAX), 0);
	CHECK(blocks_of_file(g.fd) <= before);
	CHECK(blocks_of_file(g.fd) <= overlay_room_bytes(DISK_MAX, 8 * BLOCK));
	close_rig();
}

/* What the file may hold when the power goes during step @cut. */
static int cut_file(size_t cut)
{
	static const uint8_t zeros[SECTOR];
	size_t synced = 0;
	int fd = memory_file();

	for (size_t i = 0; i < cut; i++) {
		synced = rec.steps[i].is_sync ? i : synced;
	}
	CHECK_INT(ftruncate(fd, (off_t)overlay_file_bytes(g.form.disk_bytes)), 0);
	for (size_t i = 0; i <= cut && i < rec.n; i++) {
		const struct step *s = &rec.steps[i];
		uint32_t how = i < synced ? 0 : pick(3); /* all, nothing, some sectors of it */

		for (uint64_t at = 0; at < s->bytes; at += SECTOR) {
			if (how == 0 || (how == 2 && pick(2))) {
				CHECK(syscall(SYS_pwrite64, fd, s->data ? s->data + at : zeros,
					      SECTOR, s->at + at) == SECTOR);
			}
		}
	}
	return fd;
}

#define CUT_OPS 120

/* Contents after each request, and how many steps had been made then. */
static struct {
	uint8_t want[DISK_MAX];
	size_t steps;
	bool is_flush;
} past[CUT_OPS + 1];

/* Whether every sector is as it was at the last flush before the cut, or at any request since. */
static bool is_possible(const uint8_t *got, size_t cut)
{
	size_t from = 0, to = 0;

	for (size_t i = 1; i <= CUT_OPS; i++) {
		from = past[i].is_flush && past[i].steps <= cut ? i : from;
		to = past[i - 1].steps <= cut ? i : to;
	}
	for (size_t at = 0; at < g.form.disk_bytes; at += SECTOR) {
		bool is = false;

		for (size_t i = from; i <= to && !is; i++) {
			is = memcmp(got + at, past[i].want + at, SECTOR) == 0;
		}
		if (!is) {
			printf("cut %zu: sector %zu is neither old nor new\n", cut, at / SECTOR);
			return false;
		}
	}
	return true;
}

static void past_note(size_t i, bool is_flush)
{
	memcpy(past[i].want, g.want, sizeof(g.want));
	past[i].steps = rec.n;
	past[i].is_flush = is_flush;
}

static void check_cut(size_t cut)
{
	static uint8_t got[DISK_MAX];
	struct overlay *o = NULL;
	struct errmsg e = { 0 };
	int fd = cut_file(cut);

	CHECK_INT(overlay_open(fd, g.base_fd, &o, &e), 0);
	CHECK_STR(e.text, "");
	if (o) {
		CHECK_INT(overlay_read(o, 0, got, g.form.disk_bytes), 0);
		CHECK(is_possible(got, cut));
		overlay_free(o);
	}
	close(fd);
}

/* The file as it was made is durable before its first request. */
static void record_start(void)
{
	static uint8_t file[OVERLAY_HEADER_BYTES];

	CHECK(pread(g.fd, file, sizeof(file), 0) == sizeof(file));
	rec.fd = g.fd;
	record(g.fd, false, 0, sizeof(file), file);
	record(g.fd, true, 0, 0, NULL);
}

static void power_may_go_at_any_write(void)
{
	for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
		open_rig(shapes[s].base_bytes, shapes[s].disk_bytes, 0);
		record_start();
		past_note(0, true);
		for (size_t i = 1; i <= CUT_OPS; i++) {
			bool is_flush = do_something();

			past_note(i, is_flush);
		}
		for (size_t cut = 2; cut < rec.n; cut++) {
			check_cut(cut);
		}
		record_end();
		close_rig();
	}
}

static void put(uint32_t at, uint64_t v, unsigned int bytes)
{
	uint8_t h[SUM_AT];

	CHECK(pwrite(g.fd, &v, bytes, at) == (ssize_t)bytes);
	CHECK(pread(g.fd, h, sizeof(h), 0) == sizeof(h));
	v = XXH3_64bits(h, sizeof(h));
	CHECK(pwrite(g.fd, &v, 8, SUM_AT) == 8);
}

static void check_refused(const char *what, int want, const char *words)
{
	struct overlay *o = NULL;
	struct errmsg e = { 0 };
	int r = overlay_open(g.fd, g.base_fd, &o, &e);

	if (r != want || !strstr(e.text, words) || o) {
		printf("%s: %d '%s', want %d '%s'\n", what, r, e.text, want, words);
		test_failures++;
		overlay_free(o);
	}
}

static void bad_headers_are_refused(void)
{
	static const struct {
		const char *what;
		uint32_t at;
		unsigned int bytes;
		uint64_t value;
		int want;
		const char *words;
	} bad[] = {
		{ "another magic", 0, 8, 1, -EINVAL, "not an overlay" },
		{ "a version to come", 8, 4, 2, -EINVAL, "version 2" },
		{ "no block", 12, 4, 0, -EBADMSG, "damaged" },
		{ "larger blocks", 12, 4, 65536, -EBADMSG, "damaged" },
		{ "no disk", 16, 8, 0, -EBADMSG, "damaged" },
		{ "half a sector", 16, 8, 10 * BLOCK + 100, -EBADMSG, "damaged" },
		{ "a disk that wraps", 16, 8, UINT64_MAX - 511, -EBADMSG, "damaged" },
		{ "a disk too large", 16, 8, OVERLAY_DISK_MAX_BYTES + SECTOR, -EBADMSG, "damaged" },
		{ "a disk of another length", 16, 8, 11 * BLOCK, -EBADMSG, "cut short" },
		{ "a disk below its base", 16, 8, 9 * BLOCK, -EBADMSG, "damaged" },
		{ "no room", 24, 8, 0, -EBADMSG, "damaged" },
		{ "too much room", 24, 8, 11 * BLOCK, -EBADMSG, "damaged" },
		{ "a base above its disk", 32, 8, UINT64_MAX, -EBADMSG, "damaged" },
		{ "more than half committed", HALF_AT, 8, 2, -EBADMSG, "damaged" },
		{ "half committed", HALF_AT, 8, 1, -EBUSY, "do it again" },
		{ "a field to come", 56, 8, 1, -EBADMSG, "damaged" },
		{ "something behind", 4000, 1, 1, -EBADMSG, "damaged" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		open_rig(10 * BLOCK, 0, 0);
		put(bad[i].at, bad[i].value, bad[i].bytes);
		check_refused(bad[i].what, bad[i].want, bad[i].words);
		close_rig();
	}
	open_rig(10 * BLOCK, 0, 0);
	for (uint32_t bit = 0; bit < OVERLAY_HEADER_BYTES * 8; bit++) {
		uint8_t byte;

		CHECK(pread(g.fd, &byte, 1, bit / 8) == 1);
		byte ^= (uint8_t)BIT(bit % 8);
		CHECK(pwrite(g.fd, &byte, 1, bit / 8) == 1);
		check_refused("a flipped bit",
			      bit < 64 || (bit >= 64 && bit < 96) ? -EINVAL : -EBADMSG, "");
		byte ^= (uint8_t)BIT(bit % 8);
		CHECK(pwrite(g.fd, &byte, 1, bit / 8) == 1);
	}
	for (int d = -1; d <= 1; d += 2) {
		CHECK_INT(ftruncate(g.fd, (off_t)overlay_file_bytes(10 * BLOCK) + d), 0);
		check_refused("another length", -EBADMSG, "cut short");
	}
	CHECK_INT(ftruncate(g.fd, 100), 0);
	check_refused("a short file", -EINVAL, "not an overlay");
	close_rig();
}

/* A map may be any that its room allows: bits behind the disk's end are no blocks. */
static void a_bad_map_is_harmless(void)
{
	static uint8_t ones[BLOCK], got[DISK_MAX];
	struct errmsg e = { 0 };
	struct overlay *o;

	memset(ones, 0xff, sizeof(ones));
	open_rig(10 * BLOCK + 100, 0, 10 * BLOCK - SECTOR);
	CHECK(pwrite(g.fd, ones, BLOCK, OVERLAY_HEADER_BYTES) == BLOCK);
	CHECK_INT(overlay_open(g.fd, g.base_fd, &o, NULL), 0);
	CHECK_INT(overlay_own_bytes(o), 10 * BLOCK); /* 100 bytes are no sector */
	CHECK_INT(overlay_read(o, 0, got, 10 * BLOCK), 0);
	CHECK(got[0] == 0 && memcmp(got, got + 1, 10 * BLOCK - 1) == 0);
	CHECK_INT(overlay_write(o, 0, ones, BLOCK), 0);
	overlay_free(o);
	close_rig();
	open_rig(10 * BLOCK, 0, BLOCK);
	CHECK(pwrite(g.fd, "\3", 1, OVERLAY_HEADER_BYTES) == 1);
	check_refused("two blocks in the room of one", -EBADMSG, "more than its room");
	CHECK_INT(overlay_commit(g.fd, g.base_fd, &e), -EBADMSG);
	CHECK(strstr(e.text, "more than its room"));
	close_rig();
}

static void another_base_is_refused(void)
{
	struct errmsg e = { 0 };
	uint8_t byte;

	open_rig(DISK_MAX, 0, 0);
	CHECK_INT(overlay_base_check(&g.form, g.base_fd, &e), 0);
	CHECK(pread(g.base_fd, &byte, 1, 1080) == 1);
	byte ^= 1;
	CHECK(pwrite(g.base_fd, &byte, 1, 1080) == 1);
	CHECK_INT(overlay_base_check(&g.form, g.base_fd, &e), -EINVAL);
	CHECK(strstr(e.text, "not the base") != NULL);
	byte ^= 1;
	CHECK(pwrite(g.base_fd, &byte, 1, 1080) == 1);
	CHECK_INT(overlay_base_check(&g.form, g.base_fd, &e), 0);
	CHECK_INT(ftruncate(g.base_fd, DISK_MAX + SECTOR), 0);
	CHECK_INT(overlay_base_check(&g.form, g.base_fd, &e), -EINVAL);
	close_rig();
}

static void forms_that_make_no_sense_are_refused(void)
{
	struct overlay_form f;
	struct errmsg e = { 0 };
	int fd = memory_file();

	open_rig(10 * BLOCK, 0, 0);
	CHECK_INT(overlay_form_fill(g.base_fd, 9 * BLOCK, 0, &f, &e), -EINVAL);
	CHECK(strstr(e.text, "smaller than its base") != NULL);
	CHECK_INT(overlay_form_fill(g.base_fd, 10 * BLOCK + 1, 0, &f, &e), -EINVAL);
	CHECK(strstr(e.text, "whole sectors") != NULL);
	CHECK_INT(overlay_form_fill(g.base_fd, 0, 11 * BLOCK, &f, &e), -EINVAL);
	CHECK(strstr(e.text, "no more than the disk has") != NULL);
	CHECK_INT(overlay_form_fill(fd, 0, 0, &f, &e), -EINVAL); /* an empty base */
	CHECK_INT(overlay_make(g.fd, &g.form, &e), -EEXIST);
	close(fd);
	close_rig();
}

static void what_was_lost_once_is_lost(void)
{
	open_rig(DISK_MAX, 0, 0);
	do_write(0, BLOCK);
	rec.fail_after = 0;
	CHECK_INT(overlay_flush(g.o), -EIO);
	rec.fail_after = -1;
	CHECK_INT(overlay_flush(g.o), -EIO);
	close_rig();
}

static void check_file(int fd, const uint8_t *want, size_t bytes)
{
	static uint8_t got[DISK_MAX + BLOCK];

	CHECK_INT(pread(fd, got, sizeof(got), 0), (long long)bytes);
	CHECK(memcmp(got, want, bytes) == 0);
}

static void the_whole_disk_can_be_copied(void)
{
	int fd = memory_file();

	open_rig(41 * SECTOR, 80 * BLOCK + 1024, 0);
	for (int i = 0; i < 6; i++) {
		do_something();
	}
	CHECK_INT(overlay_copy_out(g.o, fd), 0);
	check_file(fd, g.want, g.form.disk_bytes);
	close(fd);
	close_rig();
}

static void check_committed(void)
{
	struct overlay_form f;
	struct overlay *o;

	check_file(g.base_fd, g.want, g.form.disk_bytes);
	CHECK_INT(overlay_form_read(g.fd, &f, NULL), 0);
	CHECK_INT(overlay_base_check(&f, g.base_fd, NULL), 0);
	CHECK_INT(overlay_open(g.fd, g.base_fd, &o, NULL), 0);
	CHECK_INT(overlay_own_bytes(o), 0);
	check_all(o);
	overlay_free(o);
}

static void a_commit_can_be_cut_off(void)
{
	struct errmsg e = { 0 };
	int r = -1;

	for (int calls = 0; r < 0; calls++) {
		rec.has_no_holes = calls % 2;
		open_rig(9 * SECTOR, 12 * BLOCK, 0);
		for (int i = 0; i < 6; i++) {
			do_write((uint64_t)pick(12) * BLOCK, SECTOR);
		}
		CHECK_INT(overlay_flush(g.o), 0);
		rec.fail_after = calls;
		rec.fd = g.base_fd;
		r = overlay_commit(g.fd, g.base_fd, &e);
		rec.fail_after = -1;
		/* The overlay is emptied only when the base is durable. */
		CHECK(r < 0 || rec.steps[rec.n - 1].is_sync);
		record_end();
		if (r < 0) {
			struct overlay *o = NULL;

			/* Either nothing has happened, or nothing else can be done. */
			r = overlay_open(g.fd, g.base_fd, &o, &e);
			CHECK(r == 0 || r == -EBUSY);
			if (r == 0) {
				check_all(o);
				overlay_free(o);
			}
			r = -1;
			CHECK_INT(overlay_commit(g.fd, g.base_fd, &e), 0);
		}
		check_committed();
		close_rig();
		CHECK(calls < 1000);
	}
	rec.has_no_holes = false;
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "is a plain array", is_a_plain_array },
		{ "the base stays as it is", the_base_stays_as_it_is },
		{ "room is taken as it is needed", room_is_taken_as_it_is_needed },
		{ "power may go at any write", power_may_go_at_any_write },
		{ "bad headers are refused", bad_headers_are_refused },
		{ "a bad map is harmless", a_bad_map_is_harmless },
		{ "another base is refused", another_base_is_refused },
		{ "forms that make no sense are refused", forms_that_make_no_sense_are_refused },
		{ "the whole disk can be copied", the_whole_disk_can_be_copied },
		{ "what was lost once is lost", what_was_lost_once_is_lost },
		{ "a commit can be cut off", a_commit_can_be_cut_off },
	};

	return test_main(cases, ARRAY_SIZE(cases));
}

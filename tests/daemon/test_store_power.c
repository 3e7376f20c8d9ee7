/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power cuts: a session is recorded, then cut at random points, each time with another choice of
 * what the disk kept. Every image must open, hold everything that was acknowledged before the cut,
 * and be the state after some whole number of requests.
 *
 *   test_store_power [IMAGES [SEED]]
 */
#include <errno.h>

#include "store_rows.h"
#include "sys_shim.h"
#include "test.h"

#define N_REQUESTS 160
#define BURST_MAX  9

static unsigned long n_images = 1000;
static uint64_t seed = 1;
static char dir[256];

/* The digest after each whole number of requests. */
static uint8_t digests[N_REQUESTS + 1][DIGEST_BYTES];
static struct store_change history[N_REQUESTS][2];
static char ids[N_REQUESTS][16];
static size_t n_acked;

/*
 * Two rows per request: a VM and its allocation come together, or go together; users change. With
 * long options, so that rows span pages and the log is folded back while recording.
 */
static void plan(void)
{
	static char options[9000];
	bool is_there[N_REQUESTS] = { false };

	memset(options, 'o', sizeof(options) - 1);
	for (size_t i = 0; i < N_REQUESTS; i++) {
		size_t slot = random_below(&seed, 12);
		enum store_op op = is_there[slot] ? STORE_DELETE : STORE_CREATE;

		snprintf(ids[slot], sizeof(ids[slot]), "vm%02zu", slot);
		if (i % 4 == 3) {
			history[i][0] = change_user(STORE_CREATE, 5000 + i, i);
			history[i][1] = change_run(STORE_CREATE, i + 1, ids[slot]);
			snprintf(ids[slot], sizeof(ids[slot]), "vm%02zu", slot);
		} else {
			history[i][0] = change_vm(op, ids[slot], 1000);
			history[i][0].row.vm.options_json = options;
			history[i][1] = change_alloc(op, ids[slot], 2, slot);
			is_there[slot] = !is_there[slot];
		}
		memcpy(digests[i + 1], digests[i], DIGEST_BYTES);
		/* Taking a row out and putting it in are the same. */
		digest_toggle(digests[i + 1], &history[i][0].row);
		digest_toggle(digests[i + 1], &history[i][1].row);
	}
}

static void on_done(void *arg, int result)
{
	CHECK_INT(result, 0);
	CHECK_INT((size_t)(uintptr_t)arg, n_acked); /* in order */
	shim_mark(++n_acked);
}

static void submit(struct store *st, size_t i)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the number of the request */
	CHECK_INT(store_submit(st, history[i], 2, on_done, (void *)i, NULL), 0);
}

static size_t record(void)
{
	struct store_report report;
	struct store *st;
	size_t i = 0;

	temp_dir_make(dir, sizeof(dir));
	shim_record(dir);
	CHECK_INT(open_rows(dir, &st, &report, NULL), 0);
	/* Fold the log back now and then, as a long life would. */
	sqlite3_wal_autocheckpoint(st->db.db, 60);
	while (i < N_REQUESTS) {
		size_t end = i + 1 + random_below(&seed, BURST_MAX);

		for (; i < end && i < N_REQUESTS; i++) {
			submit(st, i);
		}
		CHECK_INT(store_each(st, STORE_BAN, digest_visit, NULL, NULL), 0); /* a barrier */
	}
	store_close(st);
	CHECK_INT(n_acked, N_REQUESTS);
	temp_dir_remove(dir);
	return shim_record_end();
}

static size_t find_state(const uint8_t *digest, size_t from)
{
	for (size_t k = from; k <= N_REQUESTS; k++) {
		if (memcmp(digest, digests[k], DIGEST_BYTES) == 0) {
			return k;
		}
	}
	return SIZE_MAX;
}

static bool check_image(const char *where, uint64_t acked)
{
	struct errmsg e = { "" };
	struct store_report report = { 0 };
	uint8_t got[DIGEST_BYTES];
	struct store *st = NULL;
	bool is_good = false;
	int r;

	r = open_rows(where, &st, &report, &e);
	if (r == 0 && !report.has_aside && digest_store(st, got) == 0) {
		is_good = find_state(got, acked) != SIZE_MAX;
	}
	if (!is_good) {
		printf("acknowledged %" PRIu64 ": open %d %s; %s\n", acked, r, e.text,
		       report.notice);
	}
	store_close(st);
	return is_good;
}

static void test_power_cuts(void)
{
	size_t n_steps, n_bad = 0, n_with = 0;
	char where[256];

	plan();
	n_steps = record();
	CHECK(n_steps > 300);
	for (unsigned long i = 0; i < n_images; i++) {
		/* Every point in turn, then random ones. */
		size_t step = i <= n_steps ? i : random_below(&seed, n_steps + 1);
		uint64_t choice = ((uint64_t)random_below(&seed, 1u << 31) << 31) | i;
		uint64_t acked;

		temp_dir_make(where, sizeof(where));
		acked = shim_rebuild(step, choice, where);
		n_with += acked > 0;
		if (!check_image(where, acked)) {
			printf("image %lu: cut after step %zu of %zu, choice %" PRIu64 "\n", i,
			       step, n_steps, choice);
			n_bad++;
		}
		temp_dir_remove(where);
	}
	printf("%lu images of %zu steps, %zu of them after an acknowledgement: %zu bad\n", n_images,
	       n_steps, n_with, n_bad);
	CHECK_INT(n_bad, 0);
	CHECK(n_with > n_images / 4);
	shim_record_free();
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "power cuts", test_power_cuts },
	};

	if (argc > 1) {
		n_images = strtoul(argv[1], NULL, 10);
	}
	if (argc > 2) {
		seed = strtoull(argv[2], NULL, 10);
	}
	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

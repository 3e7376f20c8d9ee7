/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit log under power cuts and failing system calls: it always opens, nothing acknowledged is
 * missing, it verifies, and no crash of ours is taken for tampering.
 *
 *   test_audit_crash [IMAGES [SEED]]
 */
#include <errno.h>
#include <sodium.h>

#include "audit_dir.h"
#include "sys_shim.h"
#include "test.h"

#define N_ENTRIES 60

static unsigned long n_images = 1000;
static uint64_t seed = 1;
static char dir[256];
static uint64_t n_acked;

static int open_here(const char *where, struct audit **ret, struct audit_report *report,
		     struct errmsg *e)
{
	struct audit_options o;

	audit_options_defaults(&o);
	o.state_dir = where;
	o.max_file_bytes = 3000; /* several files in a short session */
	return audit_open(&o, ret, report, e);
}

static void count_request(void *arg, const struct audit_record *rec)
{
	*(uint64_t *)arg += rec->kind == AUDIT_REQUEST;
}

/* Verify with the key of the folder. @return the finding; the number of requests seen */
static enum audit_finding verify(const char *where, uint64_t *ret_requests)
{
	struct audit_verify_options o = { .visit = count_request, .arg = ret_requests };
	struct audit_verdict v = { .finding = AUDIT_SILENT };
	uint8_t key[AUDIT_KEY_BYTES];
	char path[400];

	*ret_requests = 0;
	snprintf(path, sizeof(path), "%s/audit/verify.key", where);
	CHECK_INT(audit_key_read(path, key, NULL), 0);
	o.key = key;
	snprintf(path, sizeof(path), "%s/audit", where);
	CHECK_INT(audit_verify(path, &o, &v, NULL), 0);
	return v.finding;
}

static void on_done(void *arg, int result)
{
	(void)arg;
	CHECK_INT(result, 0);
	shim_mark(++n_acked);
}

static size_t record(void)
{
	struct audit_entry entry = { 1000, 1, 0, "create", "{\"memory\":1048576}" };
	struct audit_report report;
	struct audit *a;
	int r = 0;

	temp_dir_make(dir, sizeof(dir));
	shim_record(dir);
	CHECK_INT(open_here(dir, &a, &report, NULL), 0);
	for (size_t i = 0; i < N_ENTRIES; i++) {
		CHECK_INT(audit_submit(a, &entry, on_done, NULL, NULL), 0);
		if (random_below(&seed, 4) == 0) {
			r = audit_heartbeat(a, "", NULL); /* a barrier */
		}
	}
	CHECK_INT(r, 0);
	audit_close(a);
	CHECK_INT(n_acked, N_ENTRIES);
	temp_dir_remove(dir);
	return shim_record_end();
}

static bool check_image(const char *where, uint64_t acked)
{
	struct audit_report report = { 0 };
	struct errmsg e = { "" };
	uint64_t requests = 0;
	struct audit *a = NULL;
	bool is_good = false;
	int r;

	r = open_here(where, &a, &report, &e);
	audit_close(a);
	if (r == 0 && !report.has_aside) {
		is_good = verify(where, &requests) == AUDIT_INTACT && requests >= acked;
	}
	if (!is_good) {
		printf("acknowledged %" PRIu64 ", found %" PRIu64 ": open %d %s %s\n", acked,
		       requests, r, e.text, report.notice);
	}
	return is_good;
}

static void test_power_cuts(void)
{
	size_t n_steps = record(), n_bad = 0;
	char where[256];

	CHECK(n_steps > 100);
	for (unsigned long i = 0; i < n_images; i++) {
		size_t step = i <= n_steps ? i : random_below(&seed, n_steps + 1);
		uint64_t choice = ((uint64_t)random_below(&seed, 1u << 31) << 31) | i;
		uint64_t acked;

		temp_dir_make(where, sizeof(where));
		acked = shim_rebuild(step, choice, where);
		if (!check_image(where, acked)) {
			printf("image %lu: cut after step %zu of %zu, choice %" PRIu64 "\n", i,
			       step, n_steps, choice);
			n_bad++;
		}
		temp_dir_remove(where);
	}
	printf("%lu images of %zu steps: %zu bad\n", n_images, n_steps, n_bad);
	CHECK_INT(n_bad, 0);
	shim_record_free();
}

/* Open, append, close. @return how many were acknowledged */
static uint64_t session(void)
{
	struct audit_entry entry = { 1000, 1, 0, "create", "{\"memory\":1048576}" };
	struct audit_report report;
	struct audit *a = NULL;
	uint64_t acked = 0;

	if (open_here(dir, &a, &report, NULL) != 0) {
		return 0;
	}
	CHECK_STR(report.notice, "");
	for (size_t i = 0; i < 30; i++) {
		/* Of several lengths, so that what a failed append left would show behind the next. */
		entry.arguments = i % 2 ? "{}" : "{\"memory\":1048576,\"name\":\"a longer one\"}";
		acked += audit_append(a, &entry, NULL) == 0;
	}
	audit_close(a);
	return acked;
}

static bool one_failure(unsigned int nth, int err)
{
	struct audit_report report = { 0 };
	struct audit *a = NULL;
	uint64_t acked, requests = 0;
	int before = test_failures;
	size_t fds;

	temp_dir_make(dir, sizeof(dir));
	fds = open_descriptors();
	if (err) {
		shim_arm(nth, err);
	} else {
		shim_arm_memory(nth);
	}
	acked = session();
	shim_disarm();
	CHECK_INT(open_descriptors(), fds);
	CHECK_INT(open_here(dir, &a, &report, NULL), 0);
	CHECK_STR(report.notice, "");
	audit_close(a);
	CHECK_INT(verify(dir, &requests), AUDIT_INTACT);
	/* One that was refused may still be there: its log was durable, its state was not. */
	CHECK(requests >= acked && requests <= acked + 1);
	if (test_failures != before) {
		printf("after call %u failed with %s\n", nth, err ? strerror(err) : "no memory");
	}
	temp_dir_remove(dir);
	return shim_has_fired();
}

static void test_every_call_fails_once(void)
{
	static const int errs[] = { ENOSPC, EIO, EINTR, EMFILE, ENOMEM, 0 };

	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		unsigned int nth = 1;

		while (one_failure(nth, errs[i])) {
			nth++;
		}
		printf("%s: %u calls failed in turn\n", errs[i] ? strerror(errs[i]) : "allocation",
		       nth - 1);
		CHECK(nth > (errs[i] ? 100u : 20u));
	}
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "power cuts", test_power_cuts },
		{ "every call fails once", test_every_call_fails_once },
	};

	if (argc > 1) {
		n_images = strtoul(argv[1], NULL, 10);
	}
	if (argc > 2) {
		seed = strtoull(argv[2], NULL, 10);
	}
	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

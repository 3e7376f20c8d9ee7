/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every system call and every allocation of the state store fails once, in turn. Each time: no
 * crash, no descriptor left open (and no memory, under a leak checker), what was acknowledged is
 * there after the next start, what was refused is not, and the good database was not set aside.
 *
 *   test_store_faults [STRIDE]    every STRIDE-th allocation (default 5), and every system call
 */
#include <errno.h>

#include "store_rows.h"
#include "sys_shim.h"
#include "test.h"

#define N_CHANGES 14

static char dir[256];
static unsigned int memory_stride = 5;

static struct store_change change_number(size_t i)
{
	static char ids[N_CHANGES][8];

	snprintf(ids[i], sizeof(ids[i]), "vm%02zu", i % 100);
	switch (i % 7) {
	case 0:
	case 1:
		return change_user(STORE_CREATE, 1000 + i, i);
	case 2:
		return change_ban(STORE_CREATE, 1000 + i);
	case 3:
		return change_vm(STORE_CREATE, ids[i], 1000);
	case 4:
		return change_alloc(STORE_CREATE, ids[i], 2, i);
	case 5:
		return change_run(STORE_CREATE, i, ids[i]);
	default:
		return change_user(STORE_PUT, 1000, i);
	}
}

/* Open, change, read, close. @return the acknowledged changes as a bit mask */
static unsigned int session(bool *ret_opened)
{
	struct store_report report;
	struct store *st = NULL;
	uint8_t digest[DIGEST_BYTES];
	unsigned int acked = 0;

	*ret_opened = open_rows(dir, &st, &report, NULL) == 0;
	if (!*ret_opened) {
		return 0;
	}
	CHECK_STR(report.has_aside ? report.notice : "", "");
	for (size_t i = 0; i < N_CHANGES; i++) {
		struct store_change c = change_number(i);

		if (store_apply(st, &c, 1, NULL) == 0) {
			acked |= 1u << i;
		}
	}
	(void)digest_store(st, digest); /* may fail; must not crash */
	store_close(st);
	return acked;
}

/* What must be there when exactly @acked was done. */
static void digest_of(unsigned int acked, uint8_t *ret)
{
	struct store_change user0 = change_number(0);
	bool has_user0 = false;

	memset(ret, 0, DIGEST_BYTES);
	for (size_t i = 0; i < N_CHANGES; i++) {
		struct store_change c = change_number(i);

		if (!(acked & (1u << i))) {
			continue;
		}
		if (i == 0 || i % 7 == 6) {
			if (has_user0) {
				digest_toggle(ret, &user0.row);
			}
			user0 = c;
			has_user0 = true;
		}
		digest_toggle(ret, &c.row);
	}
}

static void check_after(unsigned int acked, unsigned int nth, int err)
{
	uint8_t want[DIGEST_BYTES], got[DIGEST_BYTES];
	struct store_report report;
	struct store *st = NULL;
	int before = test_failures;

	CHECK_INT(open_rows(dir, &st, &report, NULL), 0);
	if (st) {
		CHECK(!report.has_aside);
		digest_of(acked, want);
		CHECK_INT(digest_store(st, got), 0);
		CHECK(memcmp(want, got, sizeof(got)) == 0);
		store_close(st);
	}
	if (test_failures != before) {
		printf("after call %u failed with %s; notice: %s\n", nth,
		       err ? strerror(err) : "no memory", report.notice);
	}
}

/* @err 0: memory. @return whether the failure happened */
static bool one_failure(unsigned int nth, int err, bool starts_empty)
{
	unsigned int acked;
	size_t fds;
	bool opened;

	temp_dir_make(dir, sizeof(dir));
	if (!starts_empty) {
		struct store_report report;
		struct store *st;

		CHECK_INT(open_rows(dir, &st, &report, NULL), 0);
		store_close(st);
	}
	fds = open_descriptors();
	if (err) {
		shim_arm(nth, err);
	} else {
		shim_arm_memory(nth);
	}
	acked = session(&opened);
	shim_disarm();
	CHECK_INT(open_descriptors(), fds);
	check_after(acked, nth, err);
	temp_dir_remove(dir);
	return shim_has_fired();
}

static void fail_each(int err)
{
	for (int starts_empty = 0; starts_empty < 2; starts_empty++) {
		unsigned int nth = 1;

		unsigned int n = 0;

		while (one_failure(nth, err, starts_empty)) {
			nth += err ? 1 : memory_stride;
			n++;
		}
		CHECK(n > 50);
		printf("%s, %s: %u calls failed in turn\n", err ? strerror(err) : "allocation",
		       starts_empty ? "first start" : "restart", n);
	}
}

static void test_nothing_fails(void)
{
	bool opened;

	temp_dir_make(dir, sizeof(dir));
	CHECK_INT(session(&opened), (1 << N_CHANGES) - 1);
	check_after((1u << N_CHANGES) - 1, 0, EIO);
	check_after((1u << N_CHANGES) - 1, 0, EIO);
	temp_dir_remove(dir);
}

static void test_no_space(void)
{
	fail_each(ENOSPC);
}

static void test_io_error(void)
{
	fail_each(EIO);
}

static void test_interrupted(void)
{
	fail_each(EINTR);
}

static void test_no_descriptors(void)
{
	fail_each(EMFILE);
}

static void test_kernel_out_of_memory(void)
{
	fail_each(ENOMEM);
}

static void test_no_memory(void)
{
	fail_each(0);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "nothing fails", test_nothing_fails },
		{ "no space", test_no_space },
		{ "I/O error", test_io_error },
		{ "interrupted", test_interrupted },
		{ "no descriptors", test_no_descriptors },
		{ "kernel out of memory", test_kernel_out_of_memory },
		{ "no memory", test_no_memory },
	};

	if (argc > 1) {
		memory_stride = (unsigned int)strtoul(argv[1], NULL, 10);
	}
	BUG_ON(memory_stride == 0);
	shim_init();
	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a unit test needs: checks that say what differed, named cases, exit status 0, 1 or 77. */
#ifndef PINFOLD_TESTS_UNIT_TEST_H
#define PINFOLD_TESTS_UNIT_TEST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Waits and times to be kept are longer by this factor where sanitizers slow programs down. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TEST_SLOWDOWN 10
#else
#define TEST_SLOWDOWN 1
#endif

/* One for all files of a program. */
__attribute__((weak)) int test_failures;
__attribute__((weak)) bool test_is_skipped; /* the case that runs now */

#define CHECK(cond)                                                               \
	do {                                                                      \
		if (!(cond)) {                                                    \
			printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			test_failures++;                                          \
		}                                                                 \
	} while (0)

#define CHECK_INT(got, want)                                                                 \
	do {                                                                                 \
		long long got_ = (long long)(got);                                           \
		long long want_ = (long long)(want);                                         \
		if (got_ != want_) {                                                         \
			printf("%s:%d: %s is %lld (0x%llx), want %lld (0x%llx)\n", __FILE__, \
			       __LINE__, #got, got_, got_, want_, want_);                    \
			test_failures++;                                                     \
		}                                                                            \
	} while (0)

#define CHECK_STR(got, want)                                                                   \
	do {                                                                                   \
		const char *got_ = (got);                                                      \
		const char *want_ = (want);                                                    \
		if (strcmp(got_, want_) != 0) {                                                \
			printf("%s:%d: %s is \"%s\", want \"%s\"\n", __FILE__, __LINE__, #got, \
			       got_, want_);                                                   \
			test_failures++;                                                       \
		}                                                                              \
	} while (0)

/** One named case. */
struct test_case {
	const char *name;
	void (*run)(void);
};

/** For a case that can't be tried here, or not all of it: say why. */
__attribute__((format(printf, 1, 2))) static inline void test_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("  skipped: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	test_is_skipped = true;
}

/** Run all cases and give main() its status. */
static inline int test_main(const struct test_case *cases, size_t n)
{
	size_t n_skipped = 0;

	setvbuf(stdout, NULL, _IOLBF,
		0); /* a test that is ended for taking too long has said where */
	for (size_t i = 0; i < n; i++) {
		int before = test_failures;

		test_is_skipped = false;
		cases[i].run();
		n_skipped += test_is_skipped;
		printf("%s %s\n",
		       test_failures != before ? "FAIL"
		       : test_is_skipped       ? "skip"
					       : "pass",
		       cases[i].name);
	}
	return test_failures ? 1 : n_skipped == n ? 77 : 0;
}

#define TEST_MAIN(cases)                                                     \
	int main(void)                                                       \
	{                                                                    \
		return test_main(cases, sizeof(cases) / sizeof((cases)[0])); \
	}

#endif

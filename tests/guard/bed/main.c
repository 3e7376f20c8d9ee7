// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs checks of the guard against machines that it starts. Usage:
 *   guard_drive --dir DIRECTORY --kernel FILE --image FILE --append TEXT [--slowness FACTOR] short|all|-|NAME... -- QEMU...
 * With a factor the kernel is one that checks itself, and so many times as slow as a stock one.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

static struct bed_options options;

static void check_start(struct bed *b)
{
	bed_start(b, &options);
}

/* The check that runs. */
static const struct check *current;

/* A kernel that complains has not passed, whatever the guard did. */
static void check_run_current(struct bed *b)
{
	current->run(b);
	if (bed_is_up(b) && !expect_no_report(b)) {
		bed_stop(b);
	}
}

static bool is_named(const struct check *c, char *const *names)
{
	unsigned int where = options.slowness ? CHECK_DEBUG : CHECK_STOCK;

	for (; *names; names++) {
		bool is_short = strcmp(*names, "short") == 0;

		if (is_short || strcmp(*names, "all") == 0) {
			if (c->when & where && (!is_short || c->when & CHECK_SHORT)) {
				return true;
			}
		} else if (strncmp(*names, c->name, strlen(*names)) == 0) {
			return true;
		}
	}
	return false;
}

/* Takes options off the front and what belongs to QEMU off the end. Returns the names. */
static char **parse(int argc, char **argv)
{
	char **names;
	int i = 1;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2]; i += 2) {
		if (strcmp(argv[i], "--dir") == 0) {
			options.dir = argv[i + 1];
		} else if (strcmp(argv[i], "--kernel") == 0) {
			options.kernel = argv[i + 1];
		} else if (strcmp(argv[i], "--image") == 0) {
			options.image = argv[i + 1];
		} else if (strcmp(argv[i], "--append") == 0) {
			options.append = argv[i + 1];
		} else if (strcmp(argv[i], "--slowness") == 0) {
			options.slowness = (unsigned int)atoi(argv[i + 1]);
		} else {
			return NULL;
		}
	}
	names = argv + i;
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
	}
	if (i + 1 >= argc) {
		return NULL;
	}
	argv[i] = NULL;
	options.qemu = (const char *const *)argv + i + 1;
	options.qemu_words = (size_t)(argc - i - 1);
	return options.dir && options.kernel && options.image && options.append ? names : NULL;
}

/* A machine in which a check failed is in an unknown state: the next check gets another. */
static void run_all(char *const *names, unsigned int *ret_passed, unsigned int *ret_failed)
{
	struct bed b = { 0 };

	for (const struct check *c = checks; c->name; c++) {
		bool passed;

		if (!is_named(c, names)) {
			continue;
		}
		current = c;
		passed = (bed_is_up(&b) || check_run("machine", check_start, &b)) &&
			 check_run(c->name, check_run_current, &b);
		*(passed ? ret_passed : ret_failed) += 1;
		if (!passed) {
			bed_stop(&b);
		}
	}
	bed_stop(&b);
}

int main(int argc, char **argv)
{
	unsigned int passed = 0, failed = 0;
	char **names = parse(argc, argv);

	if (!names || sodium_init() < 0) {
		fprintf(stderr,
			"usage: guard_drive --dir DIRECTORY --kernel FILE --image FILE "
			"--append TEXT [--slowness FACTOR] short|all|-|NAME... -- QEMU...\n");
		return 2;
	}
	if (names[0] && strcmp(names[0], "-") == 0) {
		for (const struct check *c = checks; c->name; c++) {
			printf("%s%s%s%s\n", c->name, c->when & CHECK_SHORT ? " (short)" : "",
			       c->when & CHECK_DEBUG ? "" : " (stock kernels)",
			       c->when & CHECK_STOCK ? "" : " (debug kernel)");
		}
		return 0;
	}
	run_all(names, &passed, &failed);
	printf("  guard: %u passed, %u failed\n", passed, failed);
	return passed && !failed ? 0 : 1;
}

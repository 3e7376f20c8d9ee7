/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made-up host for tests of the partition: a folder that stands for /sys and /proc. */
#ifndef PINFOLD_TESTS_DAEMON_PARTITION_TREE_H
#define PINFOLD_TESTS_DAEMON_PARTITION_TREE_H

#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/partition/partition_internal.h"
#include "host/text.h"
#include "test.h"

static char root[64]; /**< of the tree of the running case */
static char run_dir[96];
static char name[PARTITION_NAME_BYTES]; /**< of the groups */

/* Make a file and the folders above it. */
static inline void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *s = strchr(full + strlen(root) + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		mkdir(full, 0755);
		*s = '/';
	}
	f = fopen(full, "we");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		perror(full);
		exit(1);
	}
}

__attribute__((format(printf, 2, 3))) static inline void put_at(const char *text, const char *fmt,
								...)
{
	char path[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	put(path, text);
}

static inline bool is_there(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline bool is_there(const char *fmt, ...)
{
	char path[512];
	size_t n = strlen(root);
	va_list ap;

	memcpy(path, root, n);
	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	return access(path, F_OK) == 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tree_done(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A host with these cores; no cgroups. */
static inline void tree_init(const char *online, const char *allowed)
{
	char text[256];

	snprintf(root, sizeof(root), "/tmp/pinfold-tree-XXXXXX");
	if (!mkdtemp(root)) {
		perror("mkdtemp");
		exit(1);
	}
	put("/run/x", "");
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	partition_group_name(run_dir, name);
	put("/sys/devices/system/cpu/online", online);
	snprintf(text, sizeof(text), "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nx:\t1\n",
		 allowed);
	put("/proc/thread-self/status", text);
	put("/proc/self/mounts", "proc /proc proc rw 0 0\n");
	put("/proc/self/cgroup", "0::/\n");
}

static inline void check_file(const char *want, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline void check_file(const char *want, const char *fmt, ...)
{
	char path[512];
	char text[512] = "(can't be read)";
	size_t n = strlen(root);
	va_list ap;

	memcpy(path, root, n);
	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - n, fmt, ap);
	va_end(ap);
	host_text_read(text, sizeof(text), "%s", path);
	if (strcmp(text, want) != 0) {
		printf("  %s\n", path);
	}
	CHECK_STR(text, want);
}

static inline bool can_fifo(void)
{
	return partition_try_fifo(1) == 0;
}

#endif

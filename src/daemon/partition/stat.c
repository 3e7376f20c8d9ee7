/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc/PID/stat: proc(5). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/partition/partition_internal.h"

/* Fields by their number in proc(5); the first behind the name is 3. */
enum { FIELD_FLAGS = 9, FIELD_UTIME = 14, FIELD_STIME, FIELD_THREADS = 20, FIELD_START = 22 };
enum { FIELD_CORE = 39 };

/* PF_KTHREAD of the kernel, stable since 2.6.27. */
#define FLAG_KTHREAD 0x00200000u
#define PID_LAST     (PARTITION_TIDS_MAX - 1)

bool partition_stat_is_kernel(const struct partition_stat *s)
{
	return s->flags & FLAG_KTHREAD;
}

/* An unsigned field and its end: a blank, or the end of the text. */
static const char *read_field(const char *p, uint64_t *ret)
{
	char *end;

	/* Some fields are negative; none of those is used. */
	if ((*p < '0' || *p > '9') && *p != '-') {
		return NULL;
	}
	errno = 0;
	*ret = strtoull(p, &end, 10);
	if (errno || end == p || (*end != ' ' && *end != '\0')) {
		return NULL;
	}
	return *end ? end + 1 : end;
}

/* Fields from number 4 on. */
static int parse_numbers(const char *p, uint64_t field[FIELD_CORE + 1])
{
	for (int i = 4; i <= FIELD_CORE; i++) {
		p = read_field(p, &field[i]);
		if (!p) {
			return -EBADMSG;
		}
	}
	return 0;
}

/* The name may hold anything, brackets and blanks too: the last bracket ends it. */
static void copy_name(const char *from, size_t len, char ret[32])
{
	len = len > 31 ? 31 : len;
	for (size_t i = 0; i < len; i++) {
		ret[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
	}
	ret[len] = '\0';
}

int partition_stat_parse(const char *text, struct partition_stat *ret)
{
	struct partition_stat s = { 0 };
	uint64_t field[FIELD_CORE + 1] = { 0 };
	const char *open = strchr(text, '(');
	const char *end = strrchr(text, ')');
	uint64_t tid;

	if (!open || !end || end < open || strlen(end) < 5 || end[1] != ' ' || end[3] != ' ' ||
	    text[0] == '-' || read_field(text, &tid) != open || tid == 0 || tid > PID_LAST) {
		return -EBADMSG;
	}
	if (parse_numbers(end + 4, field) < 0 || field[FIELD_FLAGS] > UINT32_MAX ||
	    field[FIELD_THREADS] > PID_LAST || field[FIELD_CORE] >= HOST_CPUS_MAX) {
		return -EBADMSG;
	}
	copy_name(open + 1, (size_t)(end - open - 1), s.name);
	s.tid = (pid_t)tid;
	s.flags = (uint32_t)field[FIELD_FLAGS];
	s.n_threads = (uint32_t)field[FIELD_THREADS];
	s.core = (uint32_t)field[FIELD_CORE];
	s.start = field[FIELD_START];
	s.ticks = field[FIELD_UTIME] + field[FIELD_STIME];
	*ret = s;
	return 0;
}

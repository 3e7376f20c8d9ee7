/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's logical CPUs; see cpus.h. */
#include "host/cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "host/text.h"

/* /proc/thread-self/status is 1.5 KiB, and each list is at most HOST_CPUS_TEXT. */
#define STATUS_BYTES 16384

bool host_cpus_has(const struct host_cpus *s, uint32_t cpu)
{
	return cpu < HOST_CPUS_MAX && (s->word[cpu / 64] >> (cpu % 64) & 1);
}

void host_cpus_add(struct host_cpus *s, uint32_t cpu)
{
	if (cpu < HOST_CPUS_MAX) {
		s->word[cpu / 64] |= BIT(cpu % 64);
	}
}

uint32_t host_cpus_count(const struct host_cpus *s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->word); i++) {
		n += (uint32_t)__builtin_popcountll(s->word[i]);
	}
	return n;
}

bool host_cpus_equal(const struct host_cpus *a, const struct host_cpus *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* One number; moves *text behind it. */
static int parse_cpu(const char **text, uint32_t *ret)
{
	const char *p = *text;
	uint32_t v = 0;

	if (*p < '0' || *p > '9') {
		return -EINVAL;
	}
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint32_t)(*p - '0');
		if (v >= HOST_CPUS_MAX) {
			return -ERANGE;
		}
	}
	*text = p;
	*ret = v;
	return 0;
}

static int parse_range(const char **text, struct host_cpus *set)
{
	uint32_t first;
	uint32_t last;
	int r = parse_cpu(text, &first);

	if (r < 0) {
		return r;
	}
	last = first;
	if (**text == '-') {
		(*text)++;
		r = parse_cpu(text, &last);
	}
	if (r < 0 || last < first) {
		return r < 0 ? r : -EINVAL;
	}
	for (uint32_t i = first; i <= last; i++) {
		host_cpus_add(set, i);
	}
	return 0;
}

int host_cpus_parse(const char *text, struct host_cpus *ret)
{
	struct host_cpus set = { 0 };
	int r = *text ? parse_range(&text, &set) : 0;

	while (r == 0 && *text == ',') {
		text++;
		r = parse_range(&text, &set);
	}
	if (r < 0 || *text) {
		return r < 0 ? r : -EINVAL;
	}
	*ret = set;
	return 0;
}

void host_cpus_format(const struct host_cpus *s, char ret[HOST_CPUS_TEXT])
{
	size_t n = 0;

	/* "1022,": never more than five characters for each of half the CPUs. */
	ret[0] = '\0';
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
		uint32_t last = i;

		if (!host_cpus_has(s, i)) {
			continue;
		}
		while (host_cpus_has(s, last + 1)) {
			last++;
		}
		n += (size_t)snprintf(ret + n, HOST_CPUS_TEXT - n, n ? ",%u" : "%u", i);
		if (last > i) {
			n += (size_t)snprintf(ret + n, HOST_CPUS_TEXT - n, "-%u", last);
		}
		i = last;
	}
}

int host_cpus_online(const char *root, struct host_cpus *ret, struct errmsg *e)
{
	char text[HOST_CPUS_TEXT];
	ssize_t n = host_text_read(text, sizeof(text), "%s/sys/devices/system/cpu/online", root);
	int r = n < 0 ? (int)n : host_cpus_parse(text, ret);

	return r < 0 ? errmsg_set(e, r, "the list of online cores can't be read: %s", strerror(-r))
		     : 0;
}

int host_cpus_allowed(const char *root, struct host_cpus *ret, struct errmsg *e)
{
	static const char key[] = "\nCpus_allowed_list:\t";
	char text[STATUS_BYTES];
	ssize_t n = host_text_read(text, sizeof(text), "%s/proc/thread-self/status", root);
	char *list = n < 0 ? NULL : strstr(text, key);
	int r = n < 0 ? (int)n : -EBADMSG;

	if (list) {
		list += sizeof(key) - 1;
		list[strcspn(list, "\n")] = '\0';
		r = host_cpus_parse(list, ret);
	}
	return r < 0 ? errmsg_set(e, r, "the cores that may be used can't be read: %s",
				  strerror(-r))
		     : 0;
}

void host_cpus_siblings(const char *root, uint32_t cpu, struct host_cpus *ret)
{
	char text[HOST_CPUS_TEXT];
	struct host_cpus set;
	ssize_t n = host_text_read(text, sizeof(text),
				   "%s/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
				   root, cpu);

	if (n < 0 || host_cpus_parse(text, &set) < 0 || !host_cpus_has(&set, cpu)) {
		memset(&set, 0, sizeof(set));
		host_cpus_add(&set, cpu);
	}
	*ret = set;
}

uint16_t host_cpus_first(const struct host_cpus *s)
{
	uint16_t i = 0;

	while (i < HOST_CPUS_MAX - 1 && !host_cpus_has(s, i)) {
		i++;
	}
	return i;
}

int host_cpus_set_affinity(pid_t tid, const struct host_cpus *s)
{
	cpu_set_t set;

	_Static_assert(sizeof(set) * 8 >= HOST_CPUS_MAX, "cpu_set_t holds all CPUs");
	CPU_ZERO(&set);
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
		if (host_cpus_has(s, i)) {
			CPU_SET(i, &set);
		}
	}
	return sched_setaffinity(tid, sizeof(set), &set) < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways to partition the host's cores; see partition_probe.h. */
#include "launch/partition_probe.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "host/priv.h"
#include "host/text.h"

/* What the daemon puts behind the path of a hierarchy. */
#define OURS_BYTES 96
/* The dispatcher runs above VM threads. */
#define FIFO_ABOVE 10

static const char *const names[PARTITION_WAYS] = { "isolated", "cpuset", "affinity", "ordinary" };
static const char *const promises[PARTITION_WAYS] = {
	"the kernel keeps every other user task off the pool; real-time VM threads",
	"VM threads are placed, real-time and walled in; others are counted, not kept off",
	"VM threads are placed and real-time; others are counted, not kept off",
	"VM threads are placed; every other task competes with them",
};

const char *partition_way_name(enum partition_way w)
{
	return (unsigned int)w < PARTITION_WAYS ? names[w] : "?";
}

__attribute__((format(printf, 3, 4))) static void say(struct partition_item *it, bool is_possible,
						      const char *fmt, ...)
{
	va_list ap;

	it->is_possible = is_possible;
	va_start(ap, fmt);
	vsnprintf(it->why, sizeof(it->why), fmt, ap);
	va_end(ap);
}

/* Where a hierarchy is, with room for our names below it. */
static bool find_mount(const char *root, int version, const char *controller,
		       char ret[PARTITION_PATH_BYTES])
{
	return host_cgroup_mount(root, version, controller, ret) &&
	       strlen(ret) < PARTITION_PATH_BYTES - OURS_BYTES;
}

/* v2: only below the real root of the hierarchy, which alone is a partition root everywhere. */
static void probe_isolated(const char *root, unsigned int n_usable, struct partition_probe *p)
{
	struct partition_item *it = &p->item[PARTITION_WAY_ISOLATED];
	char dir[PARTITION_PATH_BYTES];
	char path[PARTITION_PATH_BYTES + 64];
	char text[1024];

	if (!find_mount(root, 2, NULL, dir)) {
		say(it, false, "no cgroup v2 is mounted");
		return;
	}
	if (host_text_read(text, sizeof(text), "%s/cgroup.controllers", dir) < 0 ||
	    !host_text_has_word(text, "cpuset", ' ')) {
		say(it, false, "the cgroup v2 at %.96s has no cpuset controller", dir);
		return;
	}
	snprintf(path, sizeof(path), "%s/cgroup.type", dir);
	if (access(path, F_OK) == 0) {
		say(it, false, "%.96s is not the root cgroup: a container", dir);
		return;
	}
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	if (access(path, W_OK) < 0) {
		say(it, false, "%.96s is not writable for the caller", dir);
	} else if (p->fifo_error) {
		say(it, false, "no real-time priority here: %s", strerror(-p->fifo_error));
	} else if (n_usable < 2) {
		say(it, false, "a single core can't be taken from the rest of the host");
	} else {
		memcpy(p->v2_dir, dir, sizeof(dir));
		say(it, true, "an isolated partition directly below %.96s", dir);
	}
}

static void probe_cpuset(const char *root, struct partition_probe *p)
{
	struct partition_item *it = &p->item[PARTITION_WAY_CPUSET];
	char mount[PARTITION_PATH_BYTES];
	char own[PARTITION_PATH_BYTES];
	char dir[2 * PARTITION_PATH_BYTES];

	if (!find_mount(root, 1, "cpuset", mount)) {
		say(it, false, "no cgroup v1 with cpusets is mounted");
		return;
	}
	if (!host_cgroup_own(root, 1, "cpuset", own) ||
	    snprintf(dir, sizeof(dir), "%s%s", mount, own) >= PARTITION_PATH_BYTES - OURS_BYTES ||
	    strstr(own, "..")) {
		say(it, false, "the caller's own cpuset can't be found below %.96s", mount);
		return;
	}
	if (access(dir, W_OK) < 0) {
		say(it, false, "%.96s: %s", dir, strerror(errno));
	} else if (p->fifo_error) {
		say(it, false, "no real-time priority here: %s", strerror(-p->fifo_error));
	} else {
		memcpy(p->v1_dir, dir, sizeof(p->v1_dir));
		say(it, true, "groups of our own below %.96s", dir);
	}
}

static void *try_fifo_thread(void *arg)
{
	int *prio = arg;
	struct sched_param param = { .sched_priority = *prio };

	*prio = sched_setscheduler(0, SCHED_FIFO, &param) < 0 ? -errno : 0;
	return NULL;
}

int partition_try_fifo(int prio)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, try_fifo_thread, &prio);

	if (r != 0) {
		return -r;
	}
	pthread_join(t, NULL);
	return prio;
}

static void probe_fifo(struct partition_probe *p)
{
	p->fifo_error = partition_try_fifo(PARTITION_FIFO_PRIO + FIFO_ABOVE);
	p->fifo_prio = p->fifo_error ? 0 : PARTITION_FIFO_PRIO;
}

static void probe_affinity(struct partition_probe *p)
{
	struct partition_item *it = &p->item[PARTITION_WAY_AFFINITY];

	if (p->fifo_error) {
		say(it, false, "no real-time priority here: %s", strerror(-p->fifo_error));
	} else if (!host_priv_has_cap(CAP_SYS_NICE)) {
		say(it, false, "the caller can't place threads of other users (CAP_SYS_NICE)");
	} else {
		say(it, true, "sched_setaffinity and SCHED_FIFO work");
	}
}

void partition_probe(const char *root, unsigned int n_usable, struct partition_probe *ret)
{
	struct partition_probe p = { 0 };

	for (size_t i = 0; i < PARTITION_WAYS; i++) {
		p.item[i].name = names[i];
		p.item[i].promise = promises[i];
	}
	probe_fifo(&p);
	probe_isolated(root, n_usable, &p);
	probe_cpuset(root, &p);
	probe_affinity(&p);
	say(&p.item[PARTITION_WAY_ORDINARY], true, "sched_setaffinity on processes of one's own");
	*ret = p;
}

enum partition_way partition_probe_best(const struct partition_probe *p)
{
	for (int i = 0; i < PARTITION_WAY_ORDINARY; i++) {
		if (p->item[i].is_possible) {
			return (enum partition_way)i;
		}
	}
	return PARTITION_WAY_ORDINARY;
}

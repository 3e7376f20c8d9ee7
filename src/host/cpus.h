/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The logical CPUs of the host: which are there, which may be used, which share a physical core. */
#ifndef PINFOLD_HOST_CPUS_H
#define PINFOLD_HOST_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"

#define HOST_CPUS_MAX 1024
/** The longest list that host_cpus_format() makes, with its NUL. */
#define HOST_CPUS_TEXT 4096

/** A set of logical CPUs. */
struct host_cpus {
	uint64_t word[HOST_CPUS_MAX / 64];
};

/** Whether @p cpu is in the set; false for any number that can't be. */
bool host_cpus_has(const struct host_cpus *s, uint32_t cpu);

/** Put @p cpu, below HOST_CPUS_MAX, into the set. */
void host_cpus_add(struct host_cpus *s, uint32_t cpu);

/** @return how many are in the set */
uint32_t host_cpus_count(const struct host_cpus *s);

/** Whether both sets hold the same. */
bool host_cpus_equal(const struct host_cpus *a, const struct host_cpus *b);

/**
 * Read a list as Linux writes it, "0-5,8"; ascending or not, "" is the empty set.
 * @return 0; -EINVAL not such a list; -ERANGE a number of HOST_CPUS_MAX or more
 */
int host_cpus_parse(const char *text, struct host_cpus *ret);

/** Write the list as Linux does. */
void host_cpus_format(const struct host_cpus *s, char ret[HOST_CPUS_TEXT]);

/**
 * CPUs that are switched on.
 * @param root in front of /sys and /proc: "" but in tests
 * @return 0; negative errno
 */
int host_cpus_online(const char *root, struct host_cpus *ret, struct errmsg *e);

/** CPUs that the calling thread may use, by affinity mask and cpuset. @return 0; negative errno */
int host_cpus_allowed(const char *root, struct host_cpus *ret, struct errmsg *e);

/** CPUs on the physical core of @p cpu, itself included; only itself where nothing is known. */
void host_cpus_siblings(const char *root, uint32_t cpu, struct host_cpus *ret);

/** The lowest CPU of a set that is not empty; of siblings it names the physical core. */
uint16_t host_cpus_first(const struct host_cpus *s);

/**
 * Let a thread run on these CPUs only; for one alone host_task_pin().
 * @param tid 0: the calling thread
 * @return 0; -EINVAL none of them is online and in its cpuset; -ESRCH; -EPERM
 */
int host_cpus_set_affinity(pid_t tid, const struct host_cpus *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The share of a core that the kernel keeps for ordinary tasks even when real-time threads want all of
 * it: the fair server, since Linux 6.12. Per core it grants so much run time per period, and only to
 * ordinary tasks that wait for that core. Its figures are in debugfs. Real-time throttling
 * (kernel.sched_rt_runtime_us) is older and coarser: it stops real-time threads of all cores for a share
 * of each period, whether anybody wants the core or not. Kernels before 6.12 do it, and later ones that
 * are built with real-time groups (CONFIG_RT_GROUP_SCHED).
 */
#ifndef PINFOLD_HOST_FAIR_H
#define PINFOLD_HOST_FAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "host/cpus.h"

/** What holds on a core. */
struct host_fair {
	ns_t runtime_ns; /**< for ordinary tasks; 0: switched off */
	ns_t period_ns;
};

/** What holds on some cores. */
struct host_fair_state {
	int error;		      /**< 0; why nothing can be read: see host_fair_read() */
	struct host_fair least, most; /**< by run time; the same where all cores are alike */
};

/**
 * Read what holds on a core.
 * @param root in front of /sys and /proc: "" but in tests
 * @return 0; -ENOTSUP the kernel has no fair server; -ENOENT debugfs is not mounted; -EPERM, -EACCES the
 *         kernel does not let this process; -EBADMSG; negative errno
 */
int host_fair_read(const char *root, uint32_t core, struct host_fair *ret);

/**
 * Set the run time of a core and see that it is in force. The period stays.
 * @return 0; -EINVAL longer than the period; -EBUSY no bandwidth left; -EIO it did not take effect; as
 *         host_fair_read()
 */
int host_fair_write(const char *root, uint32_t core, ns_t runtime_ns);

/** Read all cores of a set. */
void host_fair_look(const char *root, const struct host_cpus *cores, struct host_fair_state *ret);

/** One clause that says why it can't be read or set, and what to do. @param error of the functions above */
const char *host_fair_why(int error);

/** Real-time throttling, one setting for the whole host. */
struct host_throttle {
	bool is_in_force;   /**< this kernel does it, and it is not switched off */
	int64_t runtime_us; /**< of real-time threads in a period; -1: not bounded */
	int64_t period_us;
};

/** Read it. @return 0; -EBADMSG; negative errno */
int host_throttle_read(const char *root, struct host_throttle *ret);

/** Set the run time and see that it is in force. @param runtime_us -1: switched off. @return 0; -EIO; -errno */
int host_throttle_write(const char *root, int64_t runtime_us);

/** How long of each second real-time threads are stopped. */
ns_t host_throttle_ns_per_s(const struct host_throttle *t);

#endif

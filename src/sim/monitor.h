/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The referee: watches events and actions, keeps its own idea of who may be executing where, and says
 * when the scheduler breaks a promise. Shares no code with sched/ but the layout of the lock word.
 *
 * A thread is believed to execute from the action that lets it until an event that proves that it
 * stopped. So a lock that moves on without proof is found even when nothing went wrong this time.
 */
#ifndef PINFOLD_SIM_MONITOR_H
#define PINFOLD_SIM_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/sched.h"

/** What the referee can find, besides enum sched_violation (below 32). */
enum sim_verdict {
	SIM_FINE = 0,
	SIM_LOCK_CHAIN = 32, /* a LOCK action that does not start from the word there is */
	SIM_LOCK_STOLEN,     /* the lock moved on although its holder may still run */
	SIM_DOUBLE_RUN,	     /* two threads on a core, or one on two cores */
	SIM_GRANT_WRONG,     /* a grant to one that may not run: not owner, dead, frozen, halted */
	SIM_EPOCH,	     /* an epoch was used twice */
	SIM_BUDGET,	     /* a budget or deadline out of range */
	SIM_ORDER,	     /* not the one that had to be next */
	SIM_IDLE,	     /* a core stands idle beside a runnable vCPU */
	SIM_QUOTA,	     /* accepted over quota, cap, or from a banned user */
	SIM_NOT_STOPPED,     /* somebody overstays, and nothing is done about it */
	SIM_INNOCENT,	     /* condemned as hung, although it obeys as soon as it gets its core */
	SIM_NOT_KILLED,	     /* VMs of a banned user live on */
	SIM_EXCL_BROKEN,     /* an exclusive vCPU without its core, or disturbed */
	SIM_WAIT_COUNT,	     /* waiting time or CPU time wrongly accounted */
	SIM_BUG,	     /* the scheduler's own BUG_ON */
};

struct sim_monitor;

/**
 * Make a referee for a scheduler with this configuration.
 * @param late_ns how late ticks may be
 * @return NULL when memory is short
 */
struct sim_monitor *sim_monitor_new(const struct sched_config *cfg, ns_t late_ns);

/** Free it; NULL is fine. */
void sim_monitor_free(struct sim_monitor *m);

/** Make @p to, of the same configuration, believe what @p from believes. */
void sim_monitor_copy(struct sim_monitor *to, const struct sim_monitor *from);

/** The daemon was restarted: the scheduler is new, the machine is not. */
void sim_monitor_restart(struct sim_monitor *m);

/**
 * Judge one accepted event.
 * @param out  what came out
 * @param done how many of the actions were carried out (fewer: the daemon died there)
 * @param s    the scheduler after the event, for what it tells about itself
 * @return SIM_FINE, or what is wrong
 */
enum sim_verdict sim_monitor_event(struct sim_monitor *m, const struct sched_event *ev,
				   const struct sched_out *out, uint32_t done,
				   const struct sched *s);

/** "lock-stolen", ...; also names enum sched_violation. */
const char *sim_verdict_name(unsigned int v);

#endif

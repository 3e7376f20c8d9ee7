/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of a run, to run them again without the simulated machine, and to find a short list that
 * still shows the failure (delta debugging). Events that make no sense any more are refused by the
 * scheduler, which is what makes leaving some out possible.
 */
#ifndef PINFOLD_SIM_TRACE_H
#define PINFOLD_SIM_TRACE_H

#include <stdio.h>

#include "sched/sched.h"

#define SIM_TRACE_MAX (1U << 21)
#define SIM_DONE_ALL  UINT32_MAX
/** First epoch of the daemon that came after @p n others. */
#define SIM_EPOCH_OF(n) ((uint64_t)(n) << 40)

/** One event as it was handed to the scheduler. */
struct sim_step {
	struct sched_event event;
	uint32_t done;	 /* actions carried out before the daemon died; SIM_DONE_ALL */
	bool is_restart; /* instead of the event: a new daemon */
};

struct sim_trace {
	struct sched_config cfg;
	ns_t late_ns; /* how late ticks could be */
	struct sim_step *steps;
	size_t n, room;
	bool is_cut; /* too long: not all of it is here */
};

/** Note a step. Quietly cut after SIM_TRACE_MAX. */
void sim_trace_add(struct sim_trace *t, const struct sim_step *step);

/** Free what it holds. */
void sim_trace_done(struct sim_trace *t);

/**
 * Leave out as many steps as possible while the same is still found.
 * @param t      the trace; becomes shorter
 * @param budget at most so many steps are run in all
 * @return false when the trace alone does not show it
 */
bool sim_trace_shrink(struct sim_trace *t, uint64_t budget);

/** Print the steps from number @p first on, one per line, with what the scheduler did. */
void sim_trace_print(const struct sim_trace *t, size_t first, FILE *f);

/** One event as a line. */
void sim_trace_print_event(const struct sched_event *ev, FILE *f);

/**
 * Run @p fn; a BUG_ON in a sim_trace_call() ends it, and not the process. Not to be nested.
 * @return SIM_FINE or SIM_BUG
 */
unsigned int sim_trace_guard(void (*fn)(void *arg), void *arg);

/**
 * Call the scheduler inside sim_trace_guard().
 * @return what sched_handle() returned
 */
int sim_trace_call(struct sched *s, const struct sched_event *ev, struct sched_out *out);

/**
 * Both for one event.
 * @param ret_r what sched_handle() returned
 * @return SIM_FINE or SIM_BUG
 */
unsigned int sim_trace_handle(struct sched *s, const struct sched_event *ev, struct sched_out *out,
			      int *ret_r);

#endif

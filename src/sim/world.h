/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated machine: cores, VM processes with their threads and habits, the kernel's answers, a
 * daemon that can die, and a clock that jumps only when told to. One seed gives one run.
 */
#ifndef PINFOLD_SIM_WORLD_H
#define PINFOLD_SIM_WORLD_H

#include "sim/mix.h"
#include "sim/trace.h"

struct sim_options {
	uint32_t cores, vms;
	uint64_t seed;
	ns_t duration_ns;
	uint64_t max_events; /* 0: no limit */
	uint32_t full_every; /* a full scan every so many events; 0: never */
	bool checks;	     /* the scheduler checks itself, the referee watches */
	bool trace;	     /* keep the events, to take them again without the machine */
	bool timeline;
	uint32_t sample_events; /* events to time the scheduler alone with; 0: don't */
};

/** A piece of the timeline. */
struct sim_span {
	ns_t from_ns, to_ns;
	uint32_t vcpu;
	uint16_t core;
	bool is_exclusive;
};

struct sim_result {
	unsigned int verdict; /* SIM_FINE or what was found, at the last event */
	uint64_t violations;
	uint64_t decisions, refused;
	uint64_t event_hash;
	double ns_per_decision;	     /* the scheduler alone, in the midst of its work */
	double ns_per_decision_cold; /* the same, of a state that no cache holds at first */
	double wall_s, cpu_s; /* for all of the simulated time, without the timing of decisions */
	double jain;
	uint64_t jain_of; /* VMs that were compared */
	ns_t max_wait_ns, mean_wait_ns;
	ns_t sim_ns; /* simulated time */
	uint64_t restarts, respawns;
	struct sched_stats stats; /* of the last daemon */
	struct sim_span *spans;	  /* with options.timeline; free() it */
	size_t n_spans;
};

/**
 * Simulate.
 * @param t   receives the trace when options.trace is set; sim_trace_done() it
 * @param ret result; untouched on failure
 * @return 0; -EINVAL options out of range; -ENOMEM
 */
int sim_run(const struct sim_options *o, const struct sim_mix *mix, const struct sim_faults *faults,
	    struct sim_trace *t, struct sim_result *ret, struct errmsg *e);

/** Draw the timeline as SVG. @return 0; -errno */
int sim_timeline_write(const char *path, const struct sim_result *r, uint32_t cores,
		       struct errmsg *e);

#endif

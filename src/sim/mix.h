/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the simulated machine does: a workload mix and the faults that are thrown in. Text files of lines
 * "key value", '#' starts a comment. Keys are the names of the fields; times carry a unit (10ms).
 *
 *   class NAME        begins a class of VMs; the keys after it describe it
 */
#ifndef PINFOLD_SIM_MIX_H
#define PINFOLD_SIM_MIX_H

#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"

#define SIM_CLASSES_MAX 8

/** VMs of one kind. */
struct sim_class {
	char name[16];
	uint64_t weight; /* share of all VMs */
	uint64_t prio;
	ns_t slice_ns;
	ns_t run_ns; /* CPU time between blocks; 0: never blocks */
	ns_t sleep_ns;
	uint64_t exclusive; /* asks for an exclusive core */
	uint64_t vcpus;
	ns_t limit_cpu_ns;
};

struct sim_mix {
	uint64_t users;
	uint64_t quota_vcpus, quota_excl; /* per user */
	ns_t churn_every_ns;		  /* a VM is ended and another one started; 0: never */
	ns_t admin_every_ns;		  /* pause, resume, update, ban, pin, quota ...; 0: never */
	ns_t excl_wait_ns;		  /* as in struct sched_config */
	ns_t aging_step_ns;
	uint32_t n_classes;
	struct sim_class classes[SIM_CLASSES_MAX];
};

/** Rates of what goes wrong. ppm: per million of the occasions; every: mean time between. */
struct sim_faults {
	uint64_t hang_ppm; /* per grant: neither parks nor reacts to anything but a freeze */
	uint64_t ignore_revoke_ppm;		   /* per grant: parks only when signalled */
	uint64_t late_park_ppm;			   /* per grant: parks up to 5 ms late */
	uint64_t forge_park_ppm;		   /* per grant: acknowledges and runs on */
	uint64_t lost_park_ppm;			   /* per park: the daemon does not hear of it */
	uint64_t stale_park_ppm;		   /* per park: told again, up to 30 ms later */
	uint64_t steal_ppm;			   /* per grant: the host takes up to 5 ms of it */
	uint64_t guest_fault_ppm;		   /* per grant */
	uint64_t lost_freeze_ppm;		   /* per freeze: never confirmed */
	uint64_t lost_death_ppm, double_death_ppm; /* per death */
	uint64_t late_timer_ppm;		   /* per tick: up to 5 ms late */
	ns_t crash_every_ns;			   /* a VM process dies */
	ns_t rogue_every_ns;			   /* a parked VM runs */
	ns_t clock_jump_every_ns;		   /* 10 ms forward, or back */
	ns_t core_offline_every_ns;		   /* and online again after 50 ms */
	ns_t daemon_crash_every_ns;		   /* in the middle of carrying out an event */
};

/** Equal compute-bound VMs of one user. */
void sim_mix_defaults(struct sim_mix *m);

/**
 * Read a mix.
 * @param path file
 * @param ret  the mix; untouched on failure
 * @return 0; -errno of the file; -EINVAL with the line
 */
int sim_mix_read(const char *path, struct sim_mix *ret, struct errmsg *e);

/**
 * Read a fault file.
 * @return as sim_mix_read()
 */
int sim_faults_read(const char *path, struct sim_faults *ret, struct errmsg *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dispatcher around fake VMs: start, attach, command, and read what they noted. */
#ifndef PINFOLD_TESTS_FAKE_VM_RIG_H
#define PINFOLD_TESTS_FAKE_VM_RIG_H

#include "daemon/dispatch/dispatch.h"
#include "fake_vm.h"

#define RIG_FAKES_MAX 64
/** Of the fakes: above the VMs of a daemon that may run on this machine as well. */
#define RIG_PRIO 30
/** With the ladder, as a daemon has: the machine that tests run on may itself be kept waiting. */
#define RIG_PATIENCE 64
/** For what must come; only a test that fails waits so long. */
#define RIG_WAIT_MS 30000U

/** One fake VM as its controller sees it. */
struct fake {
	pid_t pid;
	int pidfd, socket_fd;
	struct fake_log *log;
	char path[64];
	uint32_t gen;
	bool is_added;
};

/** A dispatcher, its folder and its VMs; slot i is fake i. */
struct rig {
	const char *program; /* fake_vm */
	char dir[64];
	struct sched_roles roles;
	bool is_real_time;
	struct dispatch *d;
	struct fake fake[RIG_FAKES_MAX];
	uint32_t n;
	uint64_t violations;	/* reported */
	bool is_quiet;		/* faults are not printed: expected by the hundred */
	char cgroups[128];	/* folder of the fakes' freezer cgroups, or "" */
	bool has_thread_groups; /* which hold their vCPU threads alone */
};

/** Make the folder, find the roles. Dies with a sentence when that fails. */
void rig_init(struct rig *r, const char *program);

/** Freeze by cgroup v2 from now on. @return false: this host can't */
bool rig_use_cgroups(struct rig *r);

/** The same with folders that hold vCPU threads alone, as those of the back-end isolated do. */
bool rig_use_thread_groups(struct rig *r);

/** Start a dispatcher, with checks. @return 0; -errno */
int rig_start(struct rig *r);

/** Change the options before the dispatcher starts. */
int rig_start_with(struct rig *r, void (*change)(struct dispatch_options *o));

/** Stop the dispatcher; the fakes live on. */
void rig_stop(struct rig *r);

/** Kill all fakes, stop, remove the folder. */
void rig_done(struct rig *r);

/** Start @p n more processes, blocked. */
void rig_spawn(struct rig *r, uint32_t n);

/** Give a fake new pages and the dispatcher the fake; started in the scheduler. */
int rig_attach(struct rig *r, uint32_t i, ns_t slice_ns);

/** rig_attach() for all of them, and dispatch_go(). */
void rig_go(struct rig *r, ns_t slice_ns);

/** rig_init(), @p n fakes, rig_start() and rig_go(). Dies when the dispatcher does not start. */
void rig_begin(struct rig *r, const char *program, uint32_t n, ns_t slice_ns);

/** rig_done(). @return false, said: the scheduler found a violation, or a notice was lost */
bool rig_end(struct rig *r);

/** Connect to a fake anew. */
void rig_connect(struct rig *r, uint32_t i);

/** Tell a fake. */
void rig_mode(struct rig *r, uint32_t i, enum fake_mode mode);

/** Tell all of them. */
void rig_mode_all(struct rig *r, enum fake_mode mode);

/** Let a fake use so much memory. @return false: there is not so much */
bool rig_fill(struct rig *r, uint32_t i, uint32_t mib);

/** Wake a fake that blocks. */
void rig_wake(struct rig *r, uint32_t i);

/** An event for the VM and vCPU of a slot. */
int rig_event(struct rig *r, uint32_t i, enum sched_event_type type);

/** Kill -9, reap, and forget. */
void rig_bury(struct rig *r, uint32_t i);

/** Wait for a notice of a type about a slot (or SCHED_NONE), dropping others. @return false: none in time */
bool rig_await(struct rig *r, enum dispatch_notice_type type, uint32_t i, uint32_t timeout_ms,
	       struct dispatch_notice *ret);

/** Wait until @p is says so. @return false: not in time */
bool rig_until(bool (*is)(const void *arg), const void *arg);

/** Wait until the vCPU of a fake is in a state. @return false: not in time */
bool rig_becomes(struct rig *r, uint32_t i, enum sched_vcpu_state state);

/** Drop waiting notices, counting violations. */
void rig_drain(struct rig *r);

/** Let time go by. */
void rig_pause(ns_t ns);

/** A fake's turns that lie between two times. */
struct rig_turns {
	uint64_t n;
	ns_t cpu_ns;	/* of all */
	ns_t median_ns; /* CPU time of a typical one */
	ns_t over_ns; /* what they took beyond a slice: time that a hypervisor took counts as theirs */
};

/** Sum up the turns between two times, with slices of @p slice_ns. */
struct rig_turns rig_turns(const struct rig *r, uint32_t i, ns_t from_ns, ns_t to_ns,
			   ns_t slice_ns);

/** How often turns of any two fakes overlap by more than @p slack_ns. */
uint64_t rig_overlaps(struct rig *r, ns_t slack_ns);

/** Whether a fake executes in time. */
bool rig_executes(struct rig *r, uint32_t i);

/** Whether a fake comes to a stop: it does not execute for a tenth of a second. */
bool rig_stands(struct rig *r, uint32_t i);

#endif

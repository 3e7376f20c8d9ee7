/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the referee believes; for monitor.c and monitor_state.c only. */
#ifndef PINFOLD_SIM_MONITOR_INTERNAL_H
#define PINFOLD_SIM_MONITOR_INTERNAL_H

#include "sim/monitor.h"

enum thread { ASLEEP, EXEC, BEHIND, GONE };

struct mon_vcpu {
	bool exists, is_blocked, is_woken, is_pinned, is_fuzzy;
	uint8_t thread; /* enum thread */
	uint16_t core;
	uint32_t vm;
	uint32_t sibling; /* number + 1; 0 ends */
	ns_t since_ns;
	ns_t cpu_ns;
};

struct mon_vm {
	uint8_t state; /* enum sched_vm_state */
	bool is_frozen, is_freezing, is_counted;
	uint8_t prio;
	bool has_limit;
	uint32_t user, n_vcpus;
	uint32_t first; /* vCPU number + 1 */
	ns_t slice_ns, freeze_ns;
};

struct mon_core {
	uint64_t lock;
	bool is_online;
	ns_t due_ns; /* until when the owner may run; NEVER: for good */
};

struct mon_user {
	struct sched_quota quota;
	bool is_banned;
};

struct sim_monitor {
	struct sched_config cfg;
	ns_t patience_ns; /* from the end of a budget until something must have been done about it */
	ns_t now_ns;
	uint64_t epoch; /* highest seen */
	bool is_small, is_held;
	bool is_request; /* the event asks for an exclusive core */
	uint32_t cap;
	ns_t look_ns; /* nobody can have overstayed before */
	struct mon_vcpu *vcpus;
	struct mon_vm *vms;
	struct mon_core *cores;
	struct mon_user *users;
};

/** A vCPU has no core of its own any more. Any number is allowed. */
void sim_monitor_unpin(struct sim_monitor *m, uint32_t vcpu);

/** Nor have those of a VM. */
void sim_monitor_unpin_vm(struct sim_monitor *m, uint32_t vm);

/** Believe what an event tells. */
void sim_monitor_learn(struct sim_monitor *m, const struct sched_event *ev);

#endif

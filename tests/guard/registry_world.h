/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of the registry share: stand-ins for struct pid that count references, and VMs to enter. */
#ifndef PINFOLD_TESTS_GUARD_REGISTRY_WORLD_H
#define PINFOLD_TESTS_GUARD_REGISTRY_WORLD_H

#include "core/registry.h"

/** Stands for a struct pid. */
struct process {
	int references;
	bool is_gone; /* the process has ended */
};

/** For registry_init(): a reference that nobody has can't be put. */
static inline void process_put(void *process)
{
	int before =
		__atomic_fetch_sub(&((struct process *)process)->references, 1, __ATOMIC_SEQ_CST);

	BUG_ON(before <= 0);
}

/** Take a reference. */
static inline struct process *process_get(struct process *process)
{
	__atomic_fetch_add(&process->references, 1, __ATOMIC_SEQ_CST);
	return process;
}

/** For registry_purge(). */
static inline bool process_is_gone(const struct registry_vm *vm)
{
	return __atomic_load_n(&((struct process *)vm->process)->is_gone, __ATOMIC_SEQ_CST);
}

/** Enter a VM with a reference of its own, which is put again if it was not taken. */
static inline int enter(struct registry *r, const struct pinfold_guard_vm *vm,
			struct process *process)
{
	int result = registry_add(r, vm, process_get(process));

	if (result < 0) {
		process_put(process);
	}
	return result;
}

/** A VM that registry_check() lets pass. */
static inline struct pinfold_guard_vm vm_of(u64 id, s32 pid, u64 start_ticks, u32 uid)
{
	struct pinfold_guard_vm vm = {
		.revision = PINFOLD_GUARD_REVISION,
		.id = id,
		.pid = pid,
		.start_ticks = start_ticks,
		.owner_uid = uid,
		.cores = { 5 },
		.name = "web",
	};

	return vm;
}

#endif

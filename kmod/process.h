/* SPDX-License-Identifier: GPL-2.0 */
/* Which process a VM is: a struct pid and a start time, never a number alone. */
#ifndef PINFOLD_GUARD_PROCESS_H
#define PINFOLD_GUARD_PROCESS_H

#include <linux/pid.h>

#include "core/registry.h"

/**
 * Take a reference to a process of user space.
 * @param nr	      as the initial PID namespace sees it
 * @param start_ticks field 22 of /proc/PID/stat
 * @return NULL: there is none such, or it is init
 */
struct pid *process_find(s32 nr, u64 start_ticks);

/**
 * The same for an entry of the registry, or an earlier copy of one: its pointer is compared, not followed.
 * @return NULL: has ended and was reaped, or is another process
 */
struct pid *process_of(const struct registry_vm *vm);

/**
 * Let a thread run before anything else. May wait.
 * @return 0; -EBUSY: it was refused SCHED_DEADLINE and has SCHED_FIFO 99; another error: it has neither
 */
int process_prefer(struct task_struct *task);

/** Whether every thread has ended, reaped or not. Any context; @p pid is referenced by the caller. */
bool process_is_over(struct pid *pid);

#endif

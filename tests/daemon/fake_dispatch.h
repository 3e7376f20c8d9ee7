/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dispatcher for tests of the life cycle: no scheduler and no real-time thread. Every started slot
 * is granted a core for ever; pauses revoke; deaths are told. And what a test wants to happen.
 */
#ifndef PINFOLD_TESTS_DAEMON_FAKE_DISPATCH_H
#define PINFOLD_TESTS_DAEMON_FAKE_DISPATCH_H

#include "daemon/dispatch/dispatch.h"
#include "daemon/partition/partition.h"

/** Freeze a VM by SIGSTOP and put it into the fault queue, as the scheduler does. */
void fake_dispatch_fault(struct dispatch *d, uint32_t slot, enum sched_reason reason);

/** The next events of that type are refused with @p r; 0: no longer. */
void fake_dispatch_refuse(struct dispatch *d, enum sched_event_type type, int r);

/** Whether the dispatcher stopped holding grants back. */
bool fake_dispatch_is_going(struct dispatch *d);

/** Called when the dispatcher is to let grants go, before it does; or NULL. */
extern void (*fake_dispatch_on_go)(void);

/** The scheduler has counted so much of a started VM. */
void fake_dispatch_count(struct dispatch *d, uint32_t slot, uint64_t wait_ns, uint32_t slices);

/** How many slots are open. */
uint32_t fake_dispatch_open_slots(struct dispatch *d);

#endif

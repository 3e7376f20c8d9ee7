/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slice protocol between scheduler and vCPU: two pages of shared memory (docs/design.md,
 * section 5).
 *
 *   grant page   written by the scheduler, mapped read-only by the VM (the memory file is sealed
 *                against writing, so it can't be mapped otherwise)
 *   ack page     written by the VM: hints, never believed without a look at the thread
 *
 *   scheduler                                  vCPU thread
 *     epoch = n, budget, deadline
 *     ack.wake++, wake  --------------------->  sees a new epoch: runs
 *                                               budget used up, deadline, or revoked == n:
 *     looks whether the thread sleeps <-------  state, epoch = n; notify; sleeps on ack.wake
 *
 * Only a park is notified; that it runs the page says. A park in the last moments before look_ns is
 * not notified either: waking the scheduler would cost more than the switch to the next vCPU.
 * A vCPU that was granted a core and has no use for it gives the grant back unused, in the same way.
 * The word on which the thread sleeps is on the ack page, as its own process has to wake it, too. What a VM
 * does to it costs nobody else anything.
 * The fields of a grant are consistent when the epoch is the same before and after reading them.
 * A layout change bumps GRANT_REVISION.
 */
#ifndef PINFOLD_PROTO_GRANT_H
#define PINFOLD_PROTO_GRANT_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define GRANT_MAGIC    0x544e5247u /* "GRNT" */
#define ACK_MAGIC      0x204b4341u /* "ACK " */
#define GRANT_REVISION 3u

/** No end: the core is exclusive. */
#define GRANT_NO_END UINT64_MAX

/** The vCPU thread's name, by which the scheduler finds it. */
#define GRANT_THREAD_NAME "vcpu"
/** Sent to a vCPU thread that has not seen a revoke: it looks at the grant page at once. */
#define GRANT_SIGNAL SIGUSR1

/** What the scheduler says, in one cache line. */
struct grant_page {
	uint32_t magic, revision;
	_Atomic uint32_t core; /* host core, for messages */
	uint32_t pad;
	_Atomic uint64_t epoch;	    /* of the grant; 0: never granted */
	_Atomic uint64_t revoked;   /* epoch that is taken back; 0: none */
	_Atomic uint64_t budget_ns; /* CPU time of the vCPU thread in this grant, or GRANT_NO_END */
	_Atomic uint64_t base_ns;   /* the thread's CPU time from which the budget counts */
	_Atomic uint64_t deadline_ns; /* monotonic: park then, whatever was used; or GRANT_NO_END */
	_Atomic uint64_t
		look_ns; /* monotonic: the scheduler looks at the ack page then by itself; 0: no */
};

_Static_assert(sizeof(struct grant_page) == 64, "whoever gets the core finds no cache warm");

/** What a vCPU says about itself. */
enum ack_state {
	ACK_NEW,     /* never ran */
	ACK_RUNNING, /* since grant epoch */
	ACK_PARKED,  /* wants to run on */
	ACK_BLOCKED, /* has nothing to do: paused, waits for input, halted, ended */
};

struct ack_page {
	uint32_t magic, revision;
	_Atomic uint32_t wake;	/* changes when there is something to see; the vCPU sleeps on it */
	_Atomic uint32_t state; /* enum ack_state */
	_Atomic uint64_t epoch; /* of the grant it is about */
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gate in front of the guest: a vCPU of a managed VM executes only while the scheduler has
 * granted it a core, and parks by itself when the grant is over (proto/grant.h). A VM without a
 * scheduler has a gate that is always open and ends its slices by itself.
 *
 * Threads: the vCPU thread, except where a function says otherwise.
 */
#ifndef PINFOLD_VM_GATE_H
#define PINFOLD_VM_GATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "proto/grant.h"

/** One vCPU's gate. gate_init() first. */
struct gate {
	const struct grant_page *_Atomic grant; /* NULL: no scheduler */
	struct ack_page *ack;
	int notify_fd;		   /* eventfd of the scheduler */
	_Atomic uint32_t own_wake; /* without a scheduler */
	/* changes when the vCPU has to look around; it sleeps on it: own_wake, or the ack page's */
	_Atomic uint32_t *_Atomic wake;
	uint64_t epoch;	     /* of the grant that is used; 0: none */
	uint64_t over_epoch; /* of the grant whose end was seen */
	uint64_t done_epoch; /* of the last grant that was given back */
};

/** An open gate: no scheduler. */
void gate_init(struct gate *g);

/**
 * Put the scheduler in charge. Before the vCPU thread runs, or while it sleeps.
 * @param grant_fd  memory file with the grant page, sealed against writing
 * @param ack_fd    memory file with the ack page
 * @param notify_fd eventfd; stays with the caller and must stay open
 * @return 0; -EINVAL when a page is not what it should be; negative errno
 */
int gate_attach(struct gate *g, int grant_fd, int ack_fd, int notify_fd, struct errmsg *e);

/** Unmap. Accepts an open gate. */
void gate_done(struct gate *g);

/**
 * Whether the guest may execute now; takes a new grant if there is one.
 * @param slice_ns what an open gate gives
 * @param ret_left_ns CPU time until the grant could be over; untouched when it is false
 */
bool gate_is_open(struct gate *g, ns_t slice_ns, ns_t *ret_left_ns);

/**
 * Give the core back, if there is a grant, and say whether another one is wanted. The control thread
 * may correct what was said while the vCPU thread sleeps.
 * @param wants_more false: blocked until gate_wake() is called
 */
void gate_park(struct gate *g, bool wants_more);

/**
 * Sleep until a grant, a gate_wake(), or the deadline.
 * @param seen_wake what gate_wake_word() gave before the caller decided to sleep
 * @param until_ns  monotonic, or GRANT_NO_END
 */
void gate_sleep(struct gate *g, uint32_t seen_wake, ns_t until_ns);

/** The word for gate_sleep(). */
uint32_t gate_wake_word(const struct gate *g);

/** After an operation: without a scheduler the vCPU thread goes on. Any thread. */
void gate_resume(struct gate *g);

/**
 * A blocked vCPU may have work. Without a scheduler its thread looks around at once; with one, the
 * scheduler is told that it wants to run, and the thread sleeps on until it is granted a core, so
 * that it never disturbs one. Any thread.
 */
void gate_wake(struct gate *g);

/** Wake the vCPU thread whatever the scheduler says: the VM is about to end. Any thread. */
void gate_rouse(struct gate *g);

#endif

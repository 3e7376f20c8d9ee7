/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core lock as a 64-bit word, and its only legal changes (docs/sched.md, "Core lock").
 *
 *   63        41   40   39      20 19       0
 *   [  epoch   | excl | successor |  owner   ]      owner, successor: vCPU number + 1; 0 = none
 *
 * Functions are pure: old word in, new word out. The daemon applies a change by compare-and-swap in a
 * file that outlives it; the scheduler keeps its own copy and names both words in SCHED_ACT_LOCK.
 * Every grant has an epoch of its own, so that a late park can't free a newer grant.
 */
#ifndef PINFOLD_SCHED_LOCK_H
#define PINFOLD_SCHED_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_LOCK_VCPU_BITS  20
#define SCHED_LOCK_EPOCH_BITS 23
/** vCPU numbers fit in the word below this one. */
#define SCHED_LOCK_VCPUS_MAX  ((1u << SCHED_LOCK_VCPU_BITS) - 1)
#define SCHED_LOCK_EPOCH_MASK ((1u << SCHED_LOCK_EPOCH_BITS) - 1)
/** A free lock of epoch 0. */
#define SCHED_LOCK_FREE 0ULL

/** The word taken apart. */
struct sched_lock {
	uint32_t owner;	    /* vCPU, or SCHED_NONE */
	uint32_t successor; /* vCPU, or SCHED_NONE */
	uint32_t epoch;	    /* modulo 2^23 */
	bool exclusive;
};

/** Put a word together. Numbers must be in range or SCHED_NONE (BUG otherwise). */
uint64_t sched_lock_pack(const struct sched_lock *l);

/** Take a word apart. */
struct sched_lock sched_lock_unpack(uint64_t word);

/**
 * Free -> held by @p vcpu.
 * @param word      the lock now
 * @param vcpu      new owner
 * @param exclusive whether it gets the core for good
 * @param epoch     of the grant
 * @param ret       new word; untouched on failure
 * @return 0; -EBUSY when it is held; -ERANGE
 */
int sched_lock_take(uint64_t word, uint32_t vcpu, bool exclusive, uint64_t epoch, uint64_t *ret);

/**
 * Name the vCPU that gets the lock when the owner is seen to have stopped.
 * @return 0; -EINVAL when it is free or exclusive, or @p vcpu owns it; -EBUSY when one is named; -ERANGE
 */
int sched_lock_promise(uint64_t word, uint32_t vcpu, uint64_t *ret);

/**
 * Take the promise back; the successor must be known to have stopped.
 * @return 0; -EINVAL when there is none
 */
int sched_lock_withdraw(uint64_t word, uint64_t *ret);

/**
 * The owner is known to have stopped: the successor owns the lock, or it is free.
 * @param epoch of the successor's grant; ignored when there is none
 * @return 0; -EINVAL when it is free already
 */
int sched_lock_pass(uint64_t word, uint64_t epoch, uint64_t *ret);

/**
 * The owner stays, with a new grant.
 * @return 0; -EINVAL when it is free, or @p exclusive with a successor
 */
int sched_lock_renew(uint64_t word, bool exclusive, uint64_t epoch, uint64_t *ret);

#endif

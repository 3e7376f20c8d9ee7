/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one lock: a hart that can't have it goes round until it can. Whoever comes first when it is free gets it: a queue would
 * be fairer, but on a machine that is itself a program, the next in the queue may not be running just then.
 */
#include "kernel.h"

static uint32_t is_taken;

void kernel_lock(void)
{
	/* Acquire: nothing of what follows is done before the lock is ours. */
	while (__atomic_exchange_n(&is_taken, 1, __ATOMIC_ACQUIRE)) {
		/* Only look, until it is worth another try: looking does not take the memory from other harts. */
		while (__atomic_load_n(&is_taken, __ATOMIC_RELAXED)) {
		}
	}
}

void kernel_unlock(void)
{
	/* Release: whoever sees this also sees everything that was done before. */
	__atomic_store_n(&is_taken, 0, __ATOMIC_RELEASE);
}

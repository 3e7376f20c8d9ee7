/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all dialogues share, and who acts in one of them.
 */
#ifndef PINFOLD_GUARD_GUARD_H
#define PINFOLD_GUARD_GUARD_H

#include "auth.h"
#include "chain.h"
#include "ops.h"
#include "registry.h"

struct guard {
	struct registry registry;
	struct chain chain;
	struct auth auth[2]; /* of terminal A and B; outlive the threads */
	const struct guard_ops *ops;
	void *ctx;	 /* of ops */
	bool open_reads; /* commands that only show something need no login */
	u32 idle_s;	 /* a dialogue without input ends after so long; 0: never */
};

/* A thread that talks as a terminal. */
struct guard_actor {
	struct guard *guard;
	u8 terminal;	    /* 0 A, 1 B */
	char channel;	    /* 's' serial line, 'c' console */
	const void *holder; /* the thread, for guard_ops.is_current */
};

/** Whether the actor's thread still is its terminal; if not it must not act or write any more. */
bool guard_is_current(const struct guard_actor *a);

/**
 * Write to the log what happened at the terminal.
 * @return false: nothing was written, the thread was given up
 */
bool guard_log(const struct guard_actor *a, enum pinfold_guard_kind kind, int result,
	       const char *text);

/** Add how people call a VM: VM 7 "web". */
void guard_add_vm(struct text *t, const struct registry_vm *vm);

/** 'A' or 'B'. */
static inline char guard_letter(const struct guard_actor *a)
{
	return a->terminal ? 'B' : 'A';
}

#endif

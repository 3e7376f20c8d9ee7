/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands that change something. First what one would do is looked up and told; then, when it was
 * authorised, it is done in steps that each touch one VM, so that a terminal can be stopped in between.
 * What was looked up first is what it is done to: a VM is the same process or left alone.
 */
#ifndef PINFOLD_GUARD_ACTION_H
#define PINFOLD_GUARD_ACTION_H

#include "command.h"
#include "guard.h"

#define ACTION_TOLD_BYTES 256 /* one thing to tell the person, with the longest name and numbers */

struct action {
	struct command command;
	struct registry_vm vm;	/* whom it concerns, when that is one */
	u64 after;		/* of many: ids up to this one are done */
	u32 done, late, failed; /* VMs: as wanted; asked for, but not seen in time; not */
	int error;		/* what the last failure was */
	u64 begun_ns;
};

/**
 * Look up what a command would do.
 * @param told one line: the question to the person, or why it can't be done
 * @return 0; -ENOENT: nobody to do it to; -EEXIST, -ENOSPC, -EPERM: it can't be done
 */
int action_prepare(struct action *a, const struct guard_actor *who, const struct command *c,
		   struct text *told);

/**
 * It was authorised: begin. Writes COMMAND.
 * @return 0; -ENOSPC: the log has no place for it; -ECANCELED: the thread was given up. Nothing was done then
 */
int action_begin(struct action *a, const struct guard_actor *who);

/**
 * Do the next step; may take as long as an op does. Writes RESULT after the last one.
 * @param told one line when it is over
 * @return whether there are more steps
 */
bool action_step(struct action *a, const struct guard_actor *who, struct text *told);

/** Stop between two steps. Writes RESULT. @param told one line that says how far it came */
void action_stop(struct action *a, const struct guard_actor *who, struct text *told);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saving a VM's context to a file of the user. */
#ifndef PINFOLD_CLI_CONTEXT_H
#define PINFOLD_CLI_CONTEXT_H

#include "base/errmsg.h"
#include "launch/launch.h"

/**
 * Find out before a run whether its context can be saved there afterwards.
 * @return 0; negative errno with one sentence
 */
int context_check(const char *path, struct errmsg *e);

/**
 * Save the context of a VM whose vCPU is stopped. The file is complete or not there at all; it can
 * hold secrets of the guest, so only its owner may read it.
 * @param path is replaced if it exists
 * @return 0; negative errno with one sentence
 */
int context_save(struct launch_vm *vm, const char *path, struct errmsg *e);

#endif

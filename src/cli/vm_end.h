/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a VM under the daemon ended, as an exit status and a sentence. */
#ifndef PINFOLD_CLI_VM_END_H
#define PINFOLD_CLI_VM_END_H

#include <jansson.h>
#include <stdbool.h>

/** Whether this VM (an answer of GET /v1/vms/VM) has ended. */
bool vm_end_has(const json_t *vm);

/** Exit status as `pinfold run` would have it (enum exit_status, or the guest's own). */
int vm_end_status(const json_t *vm);

/** Say on standard error what happened, unless the status is 0. */
void vm_end_say(const json_t *vm);

#endif

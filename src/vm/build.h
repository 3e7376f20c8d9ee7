/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a configuration to a VM that stands before its first instruction. */
#ifndef PINFOLD_VM_BUILD_H
#define PINFOLD_VM_BUILD_H

#include <stdbool.h>

#include "base/errmsg.h"
#include "proto/proto.h"

struct vm;

/**
 * Load the image, choose and make the engine, set up board and registers.
 * @param vm        with configuration, descriptors and console; on failure vm_free() cleans up
 * @param ret_ready what to tell the controller
 */
int vm_build(struct vm *vm, struct proto_ready *ret_ready, struct errmsg *e);

/** Free what vm_build() has kept for resets. */
void vm_build_done(struct vm *vm);

/** Whether a reset makes the guest begin anew, rather than end. */
bool vm_can_reset(const struct vm *vm);

/**
 * Bring devices, memory and CPUs to where they were before the first instruction. Memory that nothing is loaded to is zero, as it was
 * then. Requests that disks have under way are dropped. No instruction may run meanwhile.
 */
int vm_reset(struct vm *vm, struct errmsg *e);

#endif

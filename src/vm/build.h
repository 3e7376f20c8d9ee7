/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a configuration to a VM that stands before its first instruction. */
#ifndef PINFOLD_VM_BUILD_H
#define PINFOLD_VM_BUILD_H

#include "base/errmsg.h"
#include "proto/proto.h"

struct vm;

/**
 * Load the image, choose and make the engine, set up board and registers.
 * @param vm        with configuration, descriptors and console; on failure vm_free() cleans up
 * @param ret_ready what to tell the controller
 */
int vm_build(struct vm *vm, struct proto_ready *ret_ready, struct errmsg *e);

#endif

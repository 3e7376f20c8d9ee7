/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold-vm --zygote: makes VM processes by forking instead of executing (docs/design.md, section 8). */
#ifndef PINFOLD_VM_ZYGOTE_H
#define PINFOLD_VM_ZYGOTE_H

#include <stdbool.h>

/**
 * Load what VMs need, then make a process for each request on the socket PROTO_FD, until it is
 * closed.
 * @param is_lean without the engines that need a bulky library
 * @return 1 in each of these processes, which goes on like a fresh pinfold-vm; 0 in the zygote at its
 *         end; negative errno
 */
int zygote_serve(bool is_lean);

#endif

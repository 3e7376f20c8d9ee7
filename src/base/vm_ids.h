/* SPDX-License-Identifier: GPL-2.0-or-later */
/* User ids of VM processes: a base plus the pid, clear of what distributions and container engines hand out. */
#ifndef PINFOLD_BASE_VM_IDS_H
#define PINFOLD_BASE_VM_IDS_H

#define VM_ID_BASE  0x70000000u
#define VM_ID_COUNT 0x400000u /* pids are smaller */

#endif

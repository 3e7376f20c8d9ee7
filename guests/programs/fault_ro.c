/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: a store to the program's own text, a read-only ELF segment, is a fault. */
#include "fault.h"

int main(void)
{
	fault_announce((uintptr_t)fault_pc, 1, (uintptr_t)fault_pc & ~(uintptr_t)3);
	FAULT_AT(FAULT_STORE, (uintptr_t)fault_pc & ~(uintptr_t)3);
	return fault_missed();
}

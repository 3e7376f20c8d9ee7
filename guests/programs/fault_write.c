/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: a store to outside memory is a fault with the address and access "write". */
#include "fault.h"

int main(void)
{
	fault_announce((uintptr_t)fault_pc, 1, FAULT_HOLE);
	FAULT_AT(FAULT_STORE, FAULT_HOLE);
	return fault_missed();
}

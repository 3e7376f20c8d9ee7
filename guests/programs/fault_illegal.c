/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: an undefined instruction is a fault of kind "illegal" at its own address. */
#include "fault.h"

int main(void)
{
	fault_announce((uintptr_t)fault_pc, 0, 0);
	FAULT_AT(FAULT_ILLEGAL, 0);
	return fault_missed();
}

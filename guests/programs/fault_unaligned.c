/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: an access that must be aligned (exclusive load on ARM and AArch64, atomic
 * addition on RISC-V) is a fault with its address when it is not.
 */
#include "fault.h"

static uint32_t words[2] __attribute__((aligned(8)));

int main(void)
{
	uintptr_t odd = (uintptr_t)words + 1;

	fault_announce((uintptr_t)fault_pc, 1, odd);
	FAULT_AT(FAULT_UNALIGNED, odd);
	return fault_missed();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: a jump to outside memory is a fault with that address and access "fetch". */
#include "fault.h"

int main(void)
{
	void (*nowhere)(void) = (void (*)(void))(uintptr_t)FAULT_HOLE;

	fault_announce(FAULT_HOLE, 1, FAULT_HOLE);
	nowhere();
	return fault_missed();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: access to an undefined system register (CR5, MRS, MRC, CSR) is a fault. */
#include "fault.h"

int main(void)
{
	fault_announce((uintptr_t)fault_pc, 0, 0);
	FAULT_AT(FAULT_SYSREG, 0);
	return fault_missed();
}

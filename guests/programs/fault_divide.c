/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: division by zero is a fault on x86 and x64. */
#include "fault.h"

int main(void)
{
	fault_announce((uintptr_t)fault_pc, 0, 0);
	__asm__ volatile("xorl %%edx, %%edx\n"
			 ".globl fault_pc\nfault_pc:\n\t"
			 "divl %1"
			 :
			 : "a"(1), "r"(0)
			 : "edx", "cc");
	return fault_missed();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: an exception without any handler table is a triple fault on x86 and x64. */
#include "fault.h"

int main(void)
{
	static const struct {
		uint16_t limit;
		uintptr_t base;
	} __attribute__((packed)) no_table = { 0, 0 };

	fault_announce((uintptr_t)fault_pc, 0, 0);
	__asm__ volatile("lidt %0\n"
			 ".globl fault_pc\nfault_pc:\n\t"
			 "int3"
			 :
			 : "m"(no_table));
	return fault_missed();
}

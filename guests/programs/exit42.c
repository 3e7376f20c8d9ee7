/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: the guest's own exit code arrives. Known answer: 42 (x86, x64: 42 * 2 + 1 = 85). */
#include "guest.h"

int main(void)
{
	guest_puts("leaving with 42\n");
	return 42;
}

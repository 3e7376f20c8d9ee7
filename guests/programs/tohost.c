/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: an ELF with the symbol `tohost` can end by writing (code << 1) | 1 there.
 * Known answer: 7.
 */
#include "guest.h"

extern volatile uint64_t tohost;
extern volatile uint64_t fromhost;

__attribute__((section(".tohost"), aligned(64))) volatile uint64_t tohost;
__attribute__((section(".tohost"), aligned(64))) volatile uint64_t fromhost;

int main(void)
{
	guest_puts("leaving by tohost with 7\n");
	tohost = 7 << 1 | 1;
	for (;;) {
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Console and exit on board `bare`, ARM and AArch64: PL011 and semihosting.
 * The UART is accessed by bytes, which needs no swapping in big-endian programs.
 */
#include "guest.h"
#include "semihost.h"

enum {
	PL011_DR = 0x09000000,
	PL011_FR = 0x09000018,
	FR_RX_EMPTY = 0x10,
};

/* The transmitter is always ready on this board; asking would double the exits. */
void guest_putc(char c)
{
	*(volatile uint8_t *)PL011_DR = (uint8_t)c;
}

int guest_getc(void)
{
	while ((*(volatile uint8_t *)PL011_FR & FR_RX_EMPTY) != 0) {
	}
	return *(volatile uint8_t *)PL011_DR;
}

_Noreturn void guest_exit(int code)
{
	semihost_exit(code);
}

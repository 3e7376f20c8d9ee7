/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Console and exit on board `bare`, x86 and x64: COM1 and the debug-exit port. */
#include "guest.h"

enum {
	COM1_DATA = 0x3f8,
	COM1_LSR = 0x3fd,
	LSR_DATA_READY = 0x01,
	DEBUG_EXIT = 0xf4,
};

static void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static uint8_t port_read(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* The transmitter is always ready on this board; asking would double the exits. */
void guest_putc(char c)
{
	port_write(COM1_DATA, (uint8_t)c);
}

int guest_getc(void)
{
	while ((port_read(COM1_LSR) & LSR_DATA_READY) == 0) {
	}
	return port_read(COM1_DATA);
}

static unsigned int privilege_ring(void)
{
	uintptr_t cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	return cs & 3;
}

_Noreturn void guest_exit(int code)
{
	if (code != 0 || privilege_ring() == 3) {
		port_write(DEBUG_EXIT, (uint8_t)code);
	}
	for (;;) {
		__asm__ volatile("hlt");
	}
}

/* x86 keeps instruction fetch coherent: the call that follows is enough. */
void guest_sync_code(void *start, size_t bytes)
{
	(void)start;
	(void)bytes;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial line: a 16550, and the PLIC that its interrupts come through.
 *
 * What is typed ahead waits in `typed`. It is shown and edited when somebody reads it: so text appears behind the prompt of
 * the program that it is for. When `typed` is full the device is told not to interrupt, and keeps the rest.
 */
#include "kernel.h"

/* Registers of the 16550; TI PC16550D data sheet. */
enum { UART_DATA = 0, UART_IER = 1, UART_LCR = 3, UART_LSR = 5 };
enum { IER_RECEIVED = 1, LCR_8N1 = 3, LSR_RECEIVED = 1, LSR_CAN_SEND = 0x20 };

#define PLIC_PRIORITY(source)	(PLIC_PA + 4UL * (source))
#define PLIC_ENABLE(context)	(PLIC_PA + 0x2000 + 0x80 * (context))
#define PLIC_THRESHOLD(context) (PLIC_PA + 0x200000 + 0x1000 * (context))
#define PLIC_CLAIM(context)	(PLIC_THRESHOLD(context) + 4)

enum { KEY_END = 4, KEY_BACKSPACE = 8, KEY_KILL_LINE = 21, KEY_DELETE = 127 };
enum { TYPED_BYTES = 256, LINE_BYTES = 256 };

static char typed[TYPED_BYTES];
static uint32_t n_typed; /* ever */
static uint32_t n_used;

static char line[LINE_BYTES]; /* the one that is read now */
static size_t line_bytes;
static size_t line_used;
static bool line_is_done;

static uint64_t plic_context(void)
{
	return 2 * this_hart()->id + 1; /* two per hart: for M-mode and for S-mode */
}

void console_init(void)
{
	mmio_write8(UART_PA + UART_LCR, LCR_8N1);
	/* The FIFO stays as it is: to switch it on would throw away what was typed already. */
	mmio_write8(UART_PA + UART_IER, IER_RECEIVED);
	mmio_write32(PLIC_PRIORITY(UART_SOURCE), 1);
}

void console_init_hart(void)
{
	mmio_write32(PLIC_ENABLE(plic_context()), 1U << UART_SOURCE);
	mmio_write32(PLIC_THRESHOLD(plic_context()), 0);
}

void console_put(char c)
{
	if (c == '\n') {
		console_put('\r');
	}
	while (!(mmio_read8(UART_PA + UART_LSR) & LSR_CAN_SEND)) {
	}
	mmio_write8(UART_PA + UART_DATA, (uint8_t)c);
}

static void take_typed(void)
{
	while (mmio_read8(UART_PA + UART_LSR) & LSR_RECEIVED) {
		if (n_typed - n_used == TYPED_BYTES) {
			mmio_write8(UART_PA + UART_IER, 0);
			return;
		}
		typed[n_typed++ % TYPED_BYTES] = (char)mmio_read8(UART_PA + UART_DATA);
	}
}

void console_interrupt(void)
{
	uint32_t source = mmio_read32(PLIC_CLAIM(plic_context()));

	if (source == UART_SOURCE) {
		take_typed();
		process_wake(typed);
	}
	if (source) {
		mmio_write32(PLIC_CLAIM(plic_context()), source); /* done with it */
	}
}

static void edit(char c)
{
	if (c == '\r') {
		c = '\n';
	}
	if (c == KEY_BACKSPACE || c == KEY_DELETE) {
		if (line_bytes > 0) {
			line_bytes--;
			print("\b \b");
		}
	} else if (c == KEY_KILL_LINE) {
		for (; line_bytes > 0; line_bytes--) {
			print("\b \b");
		}
	} else if (c == KEY_END) {
		line_is_done = true;
	} else if (c == '\n' || (c >= ' ' && line_bytes < LINE_BYTES - 1)) {
		line[line_bytes++] = c;
		console_put(c);
		line_is_done = c == '\n';
	}
}

long console_read(char *to, size_t n)
{
	size_t done = 0;

	while (!line_is_done) {
		if (n_typed == n_used) {
			mmio_write8(UART_PA + UART_IER, IER_RECEIVED);
			if (process_sleep(typed) < 0) {
				return -E_INTR;
			}
			continue;
		}
		edit(typed[n_used++ % TYPED_BYTES]);
	}
	while (done < n && line_used < line_bytes) {
		to[done++] = line[line_used++];
	}
	if (line_used == line_bytes) {
		line_used = 0;
		line_bytes = 0;
		line_is_done = false;
	}
	return (long)done;
}

static void put(void *opaque, char c)
{
	(void)opaque;
	console_put(c);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_format(put, NULL, format, args);
	va_end(args);
}

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print("panic: ");
	text_format(put, NULL, format, args);
	print("\n");
	va_end(args);
	sbi_poweroff(true);
}

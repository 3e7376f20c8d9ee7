/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest program may use. The same source is linked twice: with bare_*.c
 * for board `bare` (docs/design.md, section 7) and with linux_*.S as a static
 * Linux program, the referee. Console and exit code must agree.
 *
 * Success is exit code 0. On board `bare` an x86 or x64 guest in ring 0 reports
 * it by `hlt`; any other code c, and every code in ring 3, goes to the
 * debug-exit port, so that the run's status is (c << 1) | 1.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <stdint.h>

/** The program. @return exit code, 0 to 127. */
int main(void);

/** End the run with @p code. */
_Noreturn void guest_exit(int code);

/** Write one byte to the console. */
void guest_putc(char c);

/** Read one byte from the console, waiting for it. @return the byte, or -1 at end of file. */
int guest_getc(void);

/**
 * Make @p bytes of freshly written instructions at @p start visible to instruction fetch.
 * @param start first byte written
 * @param bytes length of what was written
 */
void guest_sync_code(void *start, size_t bytes);

/** Write a string, without adding a line end. */
void guest_puts(const char *s);

/** Write @p value as exactly @p digits (1 to 16) lower-case hexadecimal digits. */
void guest_puthex(uint64_t value, unsigned int digits);

/** Write @p value in as few of them as it takes. */
static inline void guest_putnumber(uint64_t value)
{
	unsigned int digits = 1;

	while (digits < 16 && value >> 4 * digits) {
		digits++;
	}
	guest_puthex(value, digits);
}

/** Write @p value in decimal. */
void guest_putdec(uint32_t value);

/** Write "LABEL VALUE\n", the value as hexadecimal digits. */
void guest_line_hex(const char *label, uint64_t value, unsigned int digits);

/** Write "LABEL VALUE\n", the value in decimal. */
void guest_line_dec(const char *label, uint32_t value);

/**
 * Say whether a self-check held.
 * @return 0 after "ok\n", 1 after "WRONG\n": what main() returns
 */
int guest_verdict(int is_right);

/** CRC-32 (IEEE 802.3, reflected) continued from @p crc, which starts at 0. */
uint32_t guest_crc32(uint32_t crc, const void *data, size_t bytes);

/** The next number of a fixed sequence that looks random: the same in each run (xorshift64*). */
uint64_t guest_random(void);

/** A number of that sequence, brought down to 0 to @p n - 1. */
uint64_t guest_below(uint32_t n);

/* The compiler may call these by itself. */
/** Copy @p bytes; no overlap. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
/** Fill @p bytes with @p value. */
void *memset(void *to, int value, size_t bytes);

#endif

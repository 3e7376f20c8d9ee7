/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the runtime that is the same everywhere: text output, CRC, memory. */
#include "guest.h"

void guest_puts(const char *s)
{
	while (*s != '\0') {
		guest_putc(*s++);
	}
}

void guest_puthex(uint64_t value, unsigned int digits)
{
	while (digits-- > 0) {
		guest_putc("0123456789abcdef"[(value >> (digits * 4)) & 15]);
	}
}

void guest_putdec(uint32_t value)
{
	char text[11];
	char *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	guest_puts(p);
}

void guest_line_hex(const char *label, uint64_t value, unsigned int digits)
{
	guest_puts(label);
	guest_putc(' ');
	guest_puthex(value, digits);
	guest_putc('\n');
}

void guest_line_dec(const char *label, uint32_t value)
{
	guest_puts(label);
	guest_putc(' ');
	guest_putdec(value);
	guest_putc('\n');
}

int guest_verdict(int is_right)
{
	guest_puts(is_right ? "ok\n" : "WRONG\n");
	return is_right ? 0 : 1;
}

uint32_t guest_crc32(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	crc = ~crc;
	while (bytes-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
		}
	}
	return ~crc;
}

uint64_t guest_random(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x * 0x2545f4914f6cdd1dULL;
}

uint64_t guest_below(uint32_t n)
{
	return (uint32_t)(guest_random() >> 32) % n;
}

/* Plain loops; -fno-tree-loop-distribute-patterns keeps them from calling themselves. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	while (bytes-- > 0) {
		*t++ = *f++;
	}
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	uint8_t *t = to;

	while (bytes-- > 0) {
		*t++ = (uint8_t)value;
	}
	return to;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: shifts and exclusive or. Known answers: CRC-32 of "123456789" is cbf43926;
 * of 32 KiB of a linear congruential sequence, by table and bit by bit, 6880b29e.
 */
#include "guest.h"
#include "params.h"

static uint8_t buffer[32768];
static uint32_t table[256];

static void table_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++) {
			c = (c >> 1) ^ ((c & 1) ? 0xedb88320u : 0);
		}
		table[i] = c;
	}
}

static uint32_t crc_by_table(const uint8_t *p, size_t bytes)
{
	uint32_t crc = 0xffffffffu;

	while (bytes-- > 0) {
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 255];
	}
	return ~crc;
}

int main(void)
{
	uint32_t lcg = 1;
	uint32_t check = guest_crc32(0, "123456789", 9);
	uint32_t by_table = 0;
	uint32_t by_bit;

	for (size_t i = 0; i < sizeof(buffer); i++) {
		lcg = lcg * 1664525 + 1013904223;
		buffer[i] = (uint8_t)(lcg >> 24);
	}
	table_fill();
	for (int round = 0; round < CRC_ROUNDS; round++) {
		by_table = crc_by_table(buffer, sizeof(buffer));
		__asm__ volatile("" : : : "memory"); /* read the buffer again */
	}
	by_bit = guest_crc32(0, buffer, sizeof(buffer));
	guest_line_hex("crc32 check", check, 8);
	guest_line_hex("crc32 buffer", by_table, 8);
	return guest_verdict(check == 0xcbf43926 && by_table == 0x6880b29e && by_bit == by_table);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: the vector unit (SSE2, NEON), through the compiler's vector types.
 * Known answer: the CRC of the lanes, computed lane by lane in plain C as well.
 */
#include "guest.h"
#include "params.h"

typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));

static uint32_t digest;

static void lane_add(uint32_t bits)
{
	uint8_t bytes[4] = { (uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16),
			     (uint8_t)(bits >> 24) };

	digest = guest_crc32(digest, bytes, sizeof(bytes));
	guest_putc(' ');
	guest_puthex(bits, 8);
}

static void show_lanes(const char *label, u32x4 v)
{
	guest_puts(label);
	for (int i = 0; i < 4; i++) {
		lane_add(v[i]);
	}
	guest_putc('\n');
}

static __attribute__((noipa)) u32x4 integer_work(u32x4 a, u32x4 b)
{
	u32x4 greater = (u32x4)(a > b);

	a = (a + b) ^ (a << 7) ^ (b >> 3);
	a = a * b - (greater & 0x01010101u);
	return __builtin_shuffle(a, (u32x4){ 2, 0, 3, 1 });
}

static __attribute__((noipa)) u8x16 byte_work(u8x16 a, u8x16 b)
{
	u8x16 sum = a + b;

	return (sum & ~(u8x16)(a == b)) | (u8x16)(a > b);
}

static __attribute__((noipa)) u16x8 half_work(u16x8 a, u16x8 b)
{
	return (a * b) - (b >> 1);
}

static __attribute__((noipa)) f32x4 single_work(f32x4 a, f32x4 b)
{
	return (a * b + a) / (b + 1.0f) - b;
}

static __attribute__((noipa)) f64x2 double_work(f64x2 a, f64x2 b)
{
	return (a - b) * (a + b) / (a * 0.5);
}

static uint32_t single_bits(float value)
{
	union {
		float f;
		uint32_t u;
	} pun = { .f = value };

	return pun.u;
}

static void float_lanes(void)
{
	f32x4 s = { 1.5f, -2.25f, 3.75f, 1000.125f };
	f32x4 t = { 0.5f, 4.0f, -8.5f, 0.0625f };
	f64x2 d = { 3.25, -7.5 };
	f64x2 e = { 1.125, 0.3 };

	s = single_work(s, t);
	d = double_work(d, e);
	show_lanes("single", (u32x4){ single_bits(s[0]), single_bits(s[1]), single_bits(s[2]),
				      single_bits(s[3]) });
	show_lanes("double", (u32x4){ single_bits((float)d[0]), single_bits((float)d[1]), 0, 0 });
}

int main(void)
{
	u32x4 a = { 1, 0x80000000u, 0xdeadbeefu, 12345 };
	u32x4 b = { 7, 0x7fffffffu, 0x01234567u, 99999 };
	u8x16 bytes = { 1, 2, 3, 250, 251, 252, 0, 0, 9, 10, 11, 12, 127, 128, 129, 255 };
	u8x16 other = { 1, 3, 2, 10, 251, 1, 0, 255, 8, 10, 12, 11, 128, 127, 129, 1 };
	u16x8 half = { 1, 2, 300, 40000, 5, 60000, 7, 65535 };

	for (int i = 0; i < 10; i++) {
		a = integer_work(a, b);
		bytes = byte_work(bytes, other);
		half = half_work(half, half + 3);
	}
	show_lanes("integer", a);
	for (int i = 0; i < 16; i += 4) {
		show_lanes("byte", (u32x4){ bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3] });
	}
	show_lanes("half", (u32x4){ half[0], half[2], half[5], half[7] });
	float_lanes();
	guest_line_hex("simd digest", digest, 8);
	return guest_verdict(digest == 0x6fc76363);
}

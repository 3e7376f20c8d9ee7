/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: IEEE 754 double and single precision, printed as bit patterns: n-body, square
 * roots, conversions, subnormals, infinities. All of it is fixed by the standard, so the
 * CRC in params.h is the same on every architecture. What is not fixed is in nan.c.
 */
#include "guest.h"
#include "params.h"

enum { BODIES = 5 };

struct body {
	double x[3];
	double v[3];
	double mass;
};

/* Round numbers in the manner of a sun and four planets. */
static struct body bodies[BODIES] = {
	{ { 0, 0, 0 }, { 0, 0, 0 }, 39.5 },
	{ { 4.84, -1.16, -0.10 }, { 0.606, 2.81, -0.02 }, 0.0377 },
	{ { 8.34, 4.12, -0.40 }, { -1.01, 1.82, 0.008 }, 0.0113 },
	{ { 12.9, -15.1, -0.22 }, { 1.08, 0.868, -0.01 }, 0.00172 },
	{ { 15.4, -25.9, 0.18 }, { 0.979, 0.594, -0.035 }, 0.00203 },
};

static uint32_t digest;

static uint64_t double_bits(double value)
{
	union {
		double f;
		uint64_t u;
	} pun = { .f = value };

	return pun.u;
}

static uint32_t single_bits(float value)
{
	union {
		float f;
		uint32_t u;
	} pun = { .f = value };

	return pun.u;
}

/* Print and add to the digest, most significant byte first whatever the byte order. */
static void show_bits(const char *label, uint64_t bits, unsigned int digits)
{
	guest_line_hex(label, bits, digits);
	for (unsigned int i = 0; i < 8; i++) {
		uint8_t byte = (uint8_t)(bits >> (56 - 8 * i));

		digest = guest_crc32(digest, &byte, 1);
	}
}

static inline void show_double(const char *label, double value)
{
	show_bits(label, double_bits(value), 16);
}

static inline void show_single(const char *label, float value)
{
	show_bits(label, single_bits(value), 8);
}

static void bodies_pull(struct body *a, struct body *b, double dt)
{
	double d[3];
	double square = 0;
	double pull;

	for (int i = 0; i < 3; i++) {
		d[i] = a->x[i] - b->x[i];
		square += d[i] * d[i];
	}
	pull = dt / (square * __builtin_sqrt(square));
	for (int i = 0; i < 3; i++) {
		a->v[i] -= d[i] * b->mass * pull;
		b->v[i] += d[i] * a->mass * pull;
	}
}

static void nbody_work(void)
{
	for (int step = 0; step < FLOAT_STEPS; step++) {
		for (int i = 0; i < BODIES; i++) {
			for (int j = i + 1; j < BODIES; j++) {
				bodies_pull(&bodies[i], &bodies[j], 0.01);
			}
		}
		for (int i = 0; i < BODIES * 3; i++) {
			bodies[i / 3].x[i % 3] += 0.01 * bodies[i / 3].v[i % 3];
		}
	}
	for (int i = 0; i < BODIES; i++) {
		show_double("nbody x", bodies[i].x[0]);
		show_double("nbody v", bodies[i].v[1]);
	}
}

static void single_work(void)
{
	volatile float ratio = 3.7f;
	float x = 0.25f;
	float sum = 0;

	for (int i = 1; i <= 200; i++) {
		x = ratio * x * (1.0f - x);
		sum += __builtin_sqrtf(x) / (float)i;
	}
	show_single("single logistic", x);
	show_single("single sum", sum);
}

static void conversion_work(void)
{
	volatile double third = 1.0 / 3.0;
	volatile double big = 4000000000.75;
	volatile double negative = -1234.9;
	volatile float half_way = 16777217.0f;
	volatile int32_t least = INT32_MIN;
	volatile uint32_t most = UINT32_MAX;

	show_single("double to single", (float)third);
	show_double("single to double", (double)(float)third);
	show_bits("double to u32", (uint32_t)big, 8);
	show_bits("double to s32", (uint32_t)(int32_t)negative, 8);
	show_single("single 2^24+1", half_way);
	show_double("s32 to double", (double)least);
	show_single("s32 to single", (float)least);
	show_double("u32 to double", (double)most);
	show_single("u32 to single", (float)most);
}

static void edge_work(void)
{
	volatile double zero = 0.0;
	volatile double one = 1.0;
	volatile double tiny = 0x1p-1074;
	volatile double least_normal = 0x1p-1022;
	volatile double huge = 0x1.fffffffffffffp+1023;
	volatile float tiny_single = 0x1p-149f;
	volatile float least_single = 0x1p-126f;
	volatile double infinity = one / zero;
	volatile double nan = infinity - infinity;

	show_double("1/0", infinity);
	show_double("-1/0", -one / zero);
	show_double("1/inf", one / infinity);
	show_double("1/-inf", one / -infinity);
	show_double("-0 + 0", -zero + zero);
	show_double("-0 - 0", -zero - zero);
	show_double("sqrt -0", __builtin_sqrt(-zero));
	show_double("tiny/2", tiny / 2);
	show_double("tiny*3", tiny * 3);
	show_double("tiny*1.5", tiny * 1.5);
	show_double("normal/4", least_normal / 4);
	show_double("normal-tiny", least_normal - tiny);
	show_double("sqrt tiny", __builtin_sqrt(tiny));
	show_double("huge*2", huge * 2);
	show_double("huge+tiny", huge + tiny);
	show_single("huge to single", (float)huge);
	show_single("tiny to single", (float)tiny);
	show_single("single tiny*3", tiny_single * 3);
	show_single("single normal/4", least_single / 4);
	show_double("single tiny up", (double)tiny_single);
	show_bits("compare",
		  (uint64_t)((nan < one) | (nan > one) << 1 | (nan == nan) << 2 |
			     (nan != nan) << 3 | (-zero == zero) << 4 | (infinity > huge) << 5 |
			     (-infinity < -huge) << 6 | (tiny > zero) << 7),
		  2);
}

int main(void)
{
	nbody_work();
	single_work();
	conversion_work();
	edge_work();
	guest_line_hex("float digest", digest, 8);
	return guest_verdict(digest == FLOAT_ANSWER);
}

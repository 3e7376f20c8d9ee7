/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: add, subtract, multiply, divide, square root and conversions of binary64 and binary32 give the bits that
 * IEEE 754 prescribes, at the corners: zeros, subnormals, ties, overflow, infinities, NaNs. The table is computed by
 * exact arithmetic from the standard's rules (vectors_ieee.py), not taken from any implementation.
 */
#include "guest.h"

enum op { ADD, SUB, MUL, DIV, SQRT, NARROW, WIDEN, FROM_S32 };

struct vector {
	enum op op;
	unsigned int width;
	uint64_t a, b, result;
};

static const struct vector vectors[] = {
#include "vectors_ieee.inc"
};

union pun64 {
	double f;
	uint64_t u;
};

union pun32 {
	float f;
	uint32_t u;
};

/* Volatile operands keep the compiler from doing the arithmetic itself. */
static uint64_t compute64(const struct vector *v)
{
	volatile union pun64 a = { .u = v->a };
	volatile union pun64 b = { .u = v->b };
	union pun64 z = { .u = 0 };
	union pun32 narrow;

	switch (v->op) {
	case ADD:
		z.f = a.f + b.f;
		break;
	case SUB:
		z.f = a.f - b.f;
		break;
	case MUL:
		z.f = a.f * b.f;
		break;
	case DIV:
		z.f = a.f / b.f;
		break;
	case SQRT:
		z.f = __builtin_sqrt(a.f);
		break;
	case NARROW:
		narrow.f = (float)a.f;
		z.u = narrow.u;
		break;
	default:
		z.f = (double)(int32_t)a.u;
		break;
	}
	return z.u;
}

static uint64_t compute32(const struct vector *v)
{
	volatile union pun32 a = { .u = (uint32_t)v->a };
	volatile union pun32 b = { .u = (uint32_t)v->b };
	union pun32 z = { .u = 0 };
	union pun64 wide;

	switch (v->op) {
	case ADD:
		z.f = a.f + b.f;
		break;
	case SUB:
		z.f = a.f - b.f;
		break;
	case MUL:
		z.f = a.f * b.f;
		break;
	case DIV:
		z.f = a.f / b.f;
		break;
	case SQRT:
		z.f = __builtin_sqrtf(a.f);
		break;
	case WIDEN:
		wide.f = (double)a.f;
		return wide.u;
	default:
		z.f = (float)(int32_t)a.u;
		break;
	}
	return z.u;
}

static int is_nan(uint64_t bits, unsigned int width)
{
	return width == 64 ? (bits & INT64_MAX) > 0x7ff0000000000000u : (bits & INT32_MAX) > 0x7f800000u;
}

static int is_right(const struct vector *v)
{
	uint64_t z = v->width == 64 ? compute64(v) : compute32(v);
	unsigned int width = v->op == NARROW ? 32 : v->op == WIDEN ? 64 : v->width;

	if (z == v->result || (is_nan(z, width) && is_nan(v->result, width))) {
		return 1;
	}
	guest_line_dec("wrong operation", (uint32_t)v->op);
	guest_line_hex("  a", v->a, 16);
	guest_line_hex("  b", v->b, 16);
	guest_line_hex("  computed", z, 16);
	guest_line_hex("  standard", v->result, 16);
	return 0;
}

int main(void)
{
	uint32_t right = 0;
	const uint32_t n = sizeof(vectors) / sizeof(vectors[0]);

	for (uint32_t i = 0; i < n; i++) {
		right += (uint32_t)is_right(&vectors[i]);
	}
	guest_line_dec("vectors", n);
	return guest_verdict(right == n);
}

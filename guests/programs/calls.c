/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: indirect calls and returns, which translators find hard. Known answers: params.h. */
#include "guest.h"
#include "params.h"

typedef uint32_t step_fn(uint32_t);

static __attribute__((noipa)) uint32_t step_add(uint32_t x)
{
	return x + 0x9e3779b9u;
}

static __attribute__((noipa)) uint32_t step_xor(uint32_t x)
{
	return x ^ (x >> 15);
}

static __attribute__((noipa)) uint32_t step_mul(uint32_t x)
{
	return x * 0x2c1b3c6du;
}

static __attribute__((noipa)) uint32_t step_turn(uint32_t x)
{
	return (x << 13) | (x >> 19);
}

static step_fn *const steps[4] = { step_add, step_xor, step_mul, step_turn };

int main(void)
{
	uint32_t x = 1;

	for (uint32_t i = 0; i < CALLS_ROUNDS; i++) {
		x = steps[(x ^ i) & 3](x);
	}
	guest_line_hex("calls", x, 8);
	return guest_verdict(x == CALLS_ANSWER);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: calls, returns and the stack. Known answers: fib(15) = 610, fib(33) = 3524578. */
#include "guest.h"
#include "params.h"

static __attribute__((noipa)) uint32_t fib(uint32_t n)
{
	if (n < 2) {
		return n;
	}
	return fib(n - 1) + fib(n - 2);
}

int main(void)
{
	uint32_t answer = fib(FIB_N);

	guest_line_dec("fib", answer);
	return guest_verdict(answer == FIB_ANSWER);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Print the frequency of this machine's time stamp counter in kHz, or nothing where there is none.
 * QEMU hands the counter through to an emulated x86; a kernel that measures it itself on a loaded
 * machine is wrong by factors, and so is its clock ever after.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

#define NS_PER_S   1000000000ULL
#define SPAN_NS	   50000000ULL
#define NS_PER_MS  1000000ULL
#define PAIR_TRIES 32

struct moment {
	uint64_t tsc, ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Both clocks at one moment: of some tries the one that took the least time. */
static struct moment look(void)
{
	struct moment best = { 0, 0 };
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < PAIR_TRIES; i++) {
		uint64_t before_ns = now_ns();
		uint64_t tsc = __rdtsc();
		uint64_t took_ns = now_ns() - before_ns;

		if (took_ns < best_ns) {
			best_ns = took_ns;
			best = (struct moment){ tsc, before_ns + took_ns / 2 };
		}
	}
	return best;
}

int main(void)
{
	struct moment a = look();
	struct moment b;

	do {
		b = look();
	} while (b.ns - a.ns < SPAN_NS);
	printf("%llu\n", (unsigned long long)((b.tsc - a.tsc) * NS_PER_MS / (b.ns - a.ns)));
	return 0;
}
#else
int main(void)
{
	return 0;
}
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stress [PROCESSES [ROUNDS]]: processes that compute, allocate, fork, and talk through pipes, all at once; the sums they
 * come to are known. Prints one line, the same on every machine.
 */
#include "user.h"

static uint64_t step(uint64_t x)
{
	return x * 6364136223846793005UL + 1442695040888963407UL;
}

/* A grandchild gets the number through one pipe and sends it back changed through another. */
static uint64_t through_pipes(uint64_t x)
{
	int there[2];
	int back[2];

	if (pipe(there) < 0 || pipe(back) < 0) {
		exit(1);
	}
	if (fork() == 0) {
		read(there[0], &x, sizeof(x));
		x = step(x);
		write_all(back[1], &x, sizeof(x));
		exit(0);
	}
	write_all(there[1], &x, sizeof(x));
	if (read(back[0], &x, sizeof(x)) != sizeof(x)) {
		exit(1);
	}
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	wait(NULL);
	return x;
}

static uint64_t worker(uint64_t x, long rounds)
{
	uint64_t *heap = grow(16 * 4096);
	double sum = 0;

	for (long i = 0; i < rounds; i++) {
		for (unsigned int n = 0; n < 16 * 512; n++) {
			x = step(x);
			heap[n] += x >> 32;
		}
		for (unsigned int n = 0; n < 1000; n++) {
			sum += (double)(heap[n * 8] & 0xffff) / 65536.0;
		}
		x ^= (uint64_t)(sum * 1000.0);
		x = through_pipes(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? text_number(argv[1]) : 8;
	long rounds = argc > 2 ? text_number(argv[2]) : 4;
	uint64_t sum = 0;
	int fds[2];

	if (pipe(fds) < 0) {
		return 1;
	}
	for (long i = 0; i < n; i++) {
		if (fork() == 0) {
			uint64_t x = worker((uint64_t)i, rounds);

			write_all(fds[1], &x, sizeof(x));
			return 0;
		}
	}
	for (long i = 0; i < n; i++) {
		uint64_t x;
		int status;

		if (read(fds[0], &x, sizeof(x)) != sizeof(x) || wait(&status) < 0 || status != 0) {
			print("stress: a process is lost\n");
			return 1;
		}
		sum += x;
	}
	print("stress: %ld processes, %ld rounds, sum %016lx\n", n, rounds, sum);
	return 0;
}

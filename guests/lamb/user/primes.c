/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * primes [N]: the primes up to N, by a chain of processes. Each has one prime, lets through what it does not divide, and
 * starts the next one for the first number that is left. (The idea is Doug McIlroy's.)
 */
#include "user.h"

/* Returns in the next process of the chain: the end of the pipe that its numbers come from. */
static int stage(int from)
{
	int fds[2] = { -1, -1 };
	int child = 0;
	int prime;
	int n;

	if (read(from, &prime, sizeof(prime)) != sizeof(prime)) {
		exit(0);
	}
	print("%d\n", prime);
	while (read(from, &n, sizeof(n)) == sizeof(n)) {
		if (n % prime == 0) {
			continue;
		}
		if (!child) {
			if (pipe(fds) < 0 || (child = fork()) < 0) {
				fprint(2, "primes: no process for %d\n", n);
				exit(1);
			}
			close(fds[child == 0]); /* the end that is the other's */
			if (child == 0) {
				close(from);
				return fds[0];
			}
		}
		write_all(fds[1], &n, sizeof(n));
	}
	close(fds[1]);
	wait(&n);
	exit(0);
}

int main(int argc, char **argv)
{
	int last = argc > 1 ? (int)text_number(argv[1]) : 50;
	int fds[2];

	if (pipe(fds) < 0) {
		return 1;
	}
	if (fork() == 0) {
		close(fds[1]);
		for (int from = fds[0];; from = stage(from)) {
		}
	}
	close(fds[0]);
	for (int n = 2; n <= last; n++) {
		write_all(fds[1], &n, sizeof(n));
	}
	close(fds[1]);
	wait(NULL);
	return 0;
}

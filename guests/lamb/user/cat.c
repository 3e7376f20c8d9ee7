/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cat [FILE...]: what is in them, one after the other. */
#include "user.h"

static void show(int fd, const char *name)
{
	char text[512];
	long n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		write_all(1, text, (size_t)n);
	}
	if (n < 0) {
		fail(name, n);
	}
}

int main(int argc, char **argv)
{
	return for_files(argc - 1, argv + 1, show);
}

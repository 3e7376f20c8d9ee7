/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grep TEXT [FILE...]: the lines that it is in. ^ at its start is the start of the line. */
#include "user.h"

static const char *wanted;
static bool is_found;

static void search(int fd, const char *name)
{
	char line[256];
	long n;

	while ((n = read_line(fd, line, sizeof(line))) > 0) {
		const char *at = strstr(line, wanted + (*wanted == '^'));

		if (at && (*wanted != '^' || at == line)) {
			is_found = true;
			write_all(1, line, (size_t)n);
		}
	}
	if (n < 0) {
		fail(name, n);
	}
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 2) {
		fprint(2, "usage: grep TEXT [FILE...]\n");
		return 2;
	}
	wanted = argv[1];
	status = for_files(argc - 2, argv + 2, search);
	return status ? 2 : !is_found;
}

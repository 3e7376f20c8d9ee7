/* SPDX-License-Identifier: GPL-2.0-or-later */
/* echo [-n] WORD...: the words, and, but for -n, the end of the line. */
#include "user.h"

int main(int argc, char **argv)
{
	bool is_open = argc > 1 && strcmp(argv[1], "-n") == 0;

	for (int i = 1 + is_open; i < argc; i++) {
		print("%s%s", argv[i], i + 1 < argc ? " " : "");
	}
	if (!is_open) {
		print("\n");
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rm PATH...: remove files and empty directories. */
#include "user.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int r = unlink(argv[i]);

		if (r < 0) {
			fail(argv[i], r);
		}
	}
	return 0;
}

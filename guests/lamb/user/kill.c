/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kill PID...: end processes. */
#include "user.h"

int main(int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++) {
		int r = kill((int)text_number(argv[i]));

		if (r < 0) {
			fprint(2, "kill: %s: %s\n", argv[i], error_name(r));
			status = 1;
		}
	}
	return status;
}

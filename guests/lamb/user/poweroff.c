/* SPDX-License-Identifier: GPL-2.0-or-later */
/* poweroff [STATUS]: the machine goes off, with a failure if the status is not 0. */
#include "user.h"

int main(int argc, char **argv)
{
	poweroff(argc > 1 ? (int)text_number(argv[1]) : 0);
}

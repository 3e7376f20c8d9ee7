/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sleep MILLISECONDS */
#include "user.h"

int main(int argc, char **argv)
{
	return argc > 1 ? -sleep((unsigned int)text_number(argv[1])) : 0;
}

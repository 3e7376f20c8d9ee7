/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Console and exit as a Linux program: the referee. System calls are in linux_*.S. */
#include "guest.h"

intptr_t sys_read(int fd, void *to, size_t bytes);
intptr_t sys_write(int fd, const void *from, size_t bytes);
_Noreturn void sys_exit_group(int code);

static char out_text[256];
static size_t out_bytes;

static void out_flush(void)
{
	size_t done = 0;

	while (done < out_bytes) {
		intptr_t n = sys_write(1, out_text + done, out_bytes - done);

		if (n <= 0) {
			sys_exit_group(127);
		}
		done += (size_t)n;
	}
	out_bytes = 0;
}

void guest_putc(char c)
{
	out_text[out_bytes++] = c;
	if (c == '\n' || out_bytes == sizeof(out_text)) {
		out_flush();
	}
}

int guest_getc(void)
{
	uint8_t byte;

	out_flush();
	return sys_read(0, &byte, 1) == 1 ? byte : -1;
}

_Noreturn void guest_exit(int code)
{
	out_flush();
	sys_exit_group(code);
}

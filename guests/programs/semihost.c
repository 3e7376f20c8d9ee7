/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: every semihosting call that board `bare` offers, and that files stay
 * closed. Wants the byte 'x' on the console. Ends by SYS_EXIT, not through the runtime.
 */
#include "semihost.h"

#include "guest.h"

static int has_failed;

static void check(const char *what, int is_right)
{
	guest_puts(what);
	has_failed |= guest_verdict(is_right);
}

static intptr_t file_open(const char *name, uintptr_t mode, uintptr_t name_bytes)
{
	uintptr_t block[3] = { (uintptr_t)name, mode, name_bytes };

	return semihost(SYS_OPEN, (uintptr_t)block);
}

/* Writes through handle `:tt`: mode 4 ("w") is the output, mode 8 ("a") the error stream. */
static void stream_check(const char *what, uintptr_t mode)
{
	static const char text[] = "written by handle\n";
	intptr_t handle = file_open(":tt", mode, 3);
	uintptr_t block[3] = { (uintptr_t)handle, (uintptr_t)text, sizeof(text) - 1 };
	uintptr_t close_block[1] = { (uintptr_t)handle };

	check(what, handle >= 0 && semihost(SYS_WRITE, (uintptr_t)block) == 0 &&
			    semihost(SYS_CLOSE, (uintptr_t)close_block) == 0);
}

static void file_check(void)
{
	uintptr_t block[3] = { 77, (uintptr_t) "no", 2 };

	check("open refused ", file_open("/etc/hostname", 0, 13) == -1);
	check("errno ", semihost(SYS_ERRNO, 0) > 0);
	/* The result is the number of bytes not written. */
	check("write to a handle never opened ", semihost(SYS_WRITE, (uintptr_t)block) != 0);
}

static void text_check(void)
{
	static const char letters[] = "writec\n";

	for (const char *p = letters; *p != '\0'; p++) {
		semihost(SYS_WRITEC, (uintptr_t)p);
	}
	semihost(SYS_WRITE0, (uintptr_t) "write0\n");
	check("readc ", semihost(SYS_READC, 0) == 'x');
}

static void clock_check(void)
{
	intptr_t clock = semihost(SYS_CLOCK, 0);
	intptr_t time = semihost(SYS_TIME, 0);

	check("clock ", clock >= 0 && semihost(SYS_CLOCK, 0) >= clock);
	check("time ", time > 0 && semihost(SYS_TIME, 0) >= time);
}

static void heap_check(void)
{
	/* Heap base and limit, stack base and limit; zero means unknown. */
	uintptr_t info[4] = { 1, 1, 1, 1 };
	uintptr_t block[1] = { (uintptr_t)info };

	semihost(SYS_HEAPINFO, (uintptr_t)block);
	check("heapinfo ",
	      info[0] != 1 && info[1] >= info[0] && (info[2] == 0 || info[2] >= info[3]));
}

static void cmdline_check(void)
{
	char small[1];
	char text[256];
	uintptr_t block[2] = { (uintptr_t)text, sizeof(text) };
	uintptr_t small_block[2] = { (uintptr_t)small, 0 };

	check("cmdline ", semihost(SYS_GET_CMDLINE, (uintptr_t)block) == 0 && block[1] < 256 &&
				  text[block[1]] == '\0');
	check("cmdline too long refused ", semihost(SYS_GET_CMDLINE, (uintptr_t)small_block) == -1);
}

int main(void)
{
	uintptr_t exit_block[2] = { SEMIHOST_APPLICATION_EXIT, 0 };

	text_check();
	stream_check("stdout ", 4);
	stream_check("stderr ", 8);
	file_check();
	clock_check();
	heap_check();
	cmdline_check();
	if (has_failed) {
		semihost_exit(1);
	}
	/* 32-bit: the reason itself; 64-bit: a block with reason and code. */
	semihost(SYS_EXIT,
		 sizeof(uintptr_t) == 4 ? SEMIHOST_APPLICATION_EXIT : (uintptr_t)exit_block);
	return 1;
}

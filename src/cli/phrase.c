/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A secret that is typed; see phrase.h. */
#include "cli/phrase.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/terminal.h"

/* Keys, as a terminal that is taken raw hands them on. */
enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_BACKSPACE = 8, KEY_KILL_LINE = 21, KEY_DELETE = 127 };

/* What the key does on a terminal. @return whether the line goes on */
static bool edit(char ch, size_t *n)
{
	switch (ch) {
	case KEY_BACKSPACE:
	case KEY_DELETE:
		*n -= *n > 0;
		return true;
	case KEY_KILL_LINE:
		*n = 0;
		return true;
	default:
		return false;
	}
}

static int read_line(char *buf, size_t size, bool is_terminal, struct errmsg *e)
{
	size_t n = 0;

	for (;;) {
		char ch;
		ssize_t got = read(STDIN_FILENO, &ch, 1);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return errmsg_set(e, -errno, "standard input: %s", strerror(errno));
		}
		if (is_terminal && got > 0 && ch == KEY_INTERRUPT) {
			return errmsg_set(e, -EINTR, "given up");
		}
		if (got == 0 || ch == '\n' || (is_terminal && ch == KEY_END)) {
			break;
		}
		if (is_terminal && edit(ch, &n)) {
			continue;
		}
		if (n == size - 1) {
			return errmsg_set(e, -EINVAL, "the passphrase is too long");
		}
		buf[n++] = ch;
	}
	buf[n] = '\0';
	return 0;
}

static int ask(const char *prompt, char *buf, size_t size, struct errmsg *e)
{
	int r = 0;

	/* In this order: who types as soon as the prompt is there is not echoed, either. */
	terminal_take_raw();
	fputs(prompt, stderr);
	r = read_line(buf, size, true, e);
	terminal_give_back();
	fputc('\n', stderr);
	return r;
}

int phrase_read_new(char *buf, size_t size, struct errmsg *e)
{
	char again[256];
	int r;

	if (!terminal_is_input()) {
		return read_line(buf, size, false, e);
	}
	r = ask("New passphrase: ", buf, size, e);
	r = r < 0 ? r : ask("The same again: ", again, sizeof(again), e);
	if (r == 0 && strcmp(buf, again) != 0) {
		r = errmsg_set(e, -EINVAL, "the two differ: nothing was made");
	}
	sodium_memzero(again, sizeof(again));
	return r;
}

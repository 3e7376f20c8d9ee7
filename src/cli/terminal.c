/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal while a guest has it; see terminal.h. */
#include "cli/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/bits.h"

static struct termios saved;
static volatile sig_atomic_t is_taken;

bool terminal_is_input(void)
{
	return isatty(STDIN_FILENO) != 0;
}

bool terminal_is_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* A crash of ours: the terminal first, then the default action. */
static void on_fatal(int signo)
{
	terminal_give_back();
	raise(signo);
}

static void install_once(void)
{
	static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	static bool is_done;
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };

	if (is_done) {
		return;
	}
	is_done = true;
	atexit(terminal_give_back);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		sigaction(fatal[i], &sa, NULL);
	}
}

static void take(bool is_raw)
{
	struct termios t;

	if (is_taken || !terminal_is_input() || !terminal_is_foreground() ||
	    tcgetattr(STDIN_FILENO, &saved) < 0) {
		return;
	}
	install_once();
	t = saved;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	if (is_raw) {
		t.c_lflag &= ~(tcflag_t)ISIG;
		t.c_iflag &= ~(tcflag_t)(IXON | BRKINT);
	}
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0) {
		is_taken = 1;
	}
}

void terminal_take(void)
{
	take(false);
}

void terminal_take_raw(void)
{
	take(true);
}

void terminal_give_back(void)
{
	if (is_taken) {
		is_taken = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	}
}

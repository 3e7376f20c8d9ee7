/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal, through ncurses; see top_screen.h. */
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#include "cli/top/top_screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/top/top_view.h"

/* ncurses is one per program anyway. */
static SCREEN *screen;
static bool has_colours;
static struct top_canvas *shown;

bool top_screen_is_utf8(void)
{
	setlocale(LC_ALL, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* A crash of ours: the terminal first, then the default action. */
static void on_fatal(int signo)
{
	endwin();
	raise(signo);
}

static void guard_crashes(void)
{
	static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		sigaction(fatal[i], &sa, NULL);
	}
}

/* Backgrounds that black text can be read on, neighbours unlike each other. */
static void make_palette(void)
{
	static const short many[TOP_PALETTE_N] = { 75,	114, 215, 176, 80,  185,
						   210, 111, 150, 180, 147, 117 };
	static const short few[TOP_PALETTE_N] = { COLOR_CYAN,	 COLOR_GREEN, COLOR_YELLOW,
						  COLOR_MAGENTA, COLOR_WHITE, COLOR_RED,
						  COLOR_CYAN,	 COLOR_GREEN, COLOR_YELLOW,
						  COLOR_MAGENTA, COLOR_WHITE, COLOR_RED };
	static const short plain[TOP_PALETTE] = { -1, COLOR_GREEN, COLOR_YELLOW, COLOR_RED,
						  COLOR_CYAN };

	for (short i = 1; i < TOP_PALETTE; i++) {
		init_pair(i, plain[i], -1);
	}
	for (short i = 0; i < TOP_PALETTE_N; i++) {
		init_pair((short)(TOP_PALETTE + i), COLOR_BLACK, COLORS >= 256 ? many[i] : few[i]);
	}
}

static void take_colours(void)
{
	const char *no_color = getenv("NO_COLOR");

	if ((no_color && *no_color) || !has_colors()) {
		return;
	}
	start_color();
	use_default_colors();
	has_colours = COLOR_PAIRS >= TOP_PALETTE + TOP_PALETTE_N;
	if (has_colours) {
		make_palette();
	}
}

static int refuse(struct errmsg *e, int err, const char *why)
{
	return errmsg_set(e, err, "top needs a terminal: %s; --batch N prints N snapshots", why);
}

int top_screen_open(struct errmsg *e)
{
	const char *term = getenv("TERM");
	const char *cup;
	int status;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		return refuse(e, -ENOTTY, "standard input or output is none");
	}
	if (!term || !*term || setupterm(term, STDOUT_FILENO, &status) != OK) {
		return refuse(e, -ENOTSUP, "TERM names none that is known");
	}
	cup = tigetstr("cup");
	if (!cup || cup == (const char *)-1) {
		return refuse(e, -ENOTSUP, "this one can't place its cursor");
	}
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		return refuse(e, -ENOTSUP, "this one can't be used");
	}
	guard_crashes();
	atexit(top_screen_close);
	take_colours();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	return 0;
}

void top_screen_close(void)
{
	if (screen) {
		endwin();
		delscreen(screen);
		screen = NULL;
		top_canvas_free(shown);
		shown = NULL;
	}
}

void top_screen_size(uint32_t *ret_rows, uint32_t *ret_cols)
{
	*ret_rows = (uint32_t)(LINES > 0 ? LINES : 1);
	*ret_cols = (uint32_t)(COLS > 0 ? COLS : 1);
}

static void show_cell(int row, int col, const struct top_cell *cell)
{
	wchar_t text[2] = { cell->ch, L'\0' };
	attr_t attr = A_NORMAL;
	short pair = 0;
	cchar_t cc;

	attr |= cell->look.style & TOP_BOLD ? A_BOLD : A_NORMAL;
	attr |= cell->look.style & TOP_DIM ? A_DIM : A_NORMAL;
	attr |= cell->look.style & TOP_REVERSE ? A_REVERSE : A_NORMAL;
	if (has_colours) {
		pair = (short)cell->look.colour;
	}
	if (setcchar(&cc, text, attr, pair, NULL) == OK) {
		mvadd_wch(row, col, &cc);
	}
}

static void show_row(const struct top_canvas *c, uint32_t row)
{
	for (uint32_t col = 0; col < c->cols; col++) {
		const struct top_cell *cell = &c->cell[(size_t)row * c->cols + col];

		if (cell->ch) {
			show_cell((int)row, (int)col, cell);
		}
	}
}

/* Remember what is shown. Without memory for that, all is sent to ncurses each time. */
static void remember(const struct top_canvas *c)
{
	if (!shown || shown->rows != c->rows || shown->cols != c->cols) {
		top_canvas_free(shown);
		shown = top_canvas_new(c->rows, c->cols, c->is_utf8);
	}
	if (shown) {
		memcpy(shown->cell, c->cell, (size_t)c->rows * c->cols * sizeof(*c->cell));
	}
}

void top_screen_show(const struct top_canvas *c)
{
	bool is_new = !shown || shown->rows != c->rows || shown->cols != c->cols;
	size_t row_bytes = c->cols * sizeof(*c->cell);

	if (is_new) {
		erase();
	}
	for (uint32_t row = 0; row < c->rows; row++) {
		const struct top_cell *now = &c->cell[(size_t)row * c->cols];

		if (is_new || memcmp(now, &shown->cell[(size_t)row * c->cols], row_bytes) != 0) {
			show_row(c, row);
		}
	}
	refresh();
	remember(c);
}

int top_screen_key(void)
{
	static const struct {
		int curses, ours;
	} keys[] = {
		{ ERR, TOP_SCREEN_NO_KEY },
		{ KEY_RESIZE, TOP_SCREEN_RESIZED },
		{ KEY_UP, TOP_KEY_UP },
		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP },
		{ KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },
		{ KEY_END, TOP_KEY_END },
		{ KEY_ENTER, TOP_KEY_ENTER },
		{ '\r', TOP_KEY_ENTER },
		{ '\n', TOP_KEY_ENTER },
		{ '\033', TOP_KEY_ESCAPE },
		{ KEY_BACKSPACE, TOP_KEY_BACKSPACE },
		{ '\b', TOP_KEY_BACKSPACE },
		{ 0x7f, TOP_KEY_BACKSPACE },
	};
	int key = getch();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (key == keys[i].curses) {
			return keys[i].ours;
		}
	}
	return key;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rectangle of characters with looks; see top_canvas.h. */
#include "cli/top/top_canvas.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/bug.h"

/* In UTF-8, and plain. */
static const wchar_t signs[TOP_SIGN_N][2] = {
	[TOP_SIGN_RUN] = { L'\u2501', L'-' },	   [TOP_SIGN_EXCL] = { L'\u2550', L'=' },
	[TOP_SIGN_IDLE] = { L'\u00b7', L'.' },	   [TOP_SIGN_CUT] = { L'\u2026', L'~' },
	[TOP_SIGN_DOWN] = { L'\u25bc', L'v' },	   [TOP_SIGN_UP] = { L'\u25b2', L'^' },
	[TOP_SIGN_SELECTED] = { L'\u25b6', L'>' },
};

struct top_canvas *top_canvas_new(uint32_t rows, uint32_t cols, bool is_utf8)
{
	struct top_canvas *c = calloc(1, sizeof(*c));

	if (!c) {
		return NULL;
	}
	rows = rows < 1 ? 1 : rows;
	cols = cols < 1 ? 1 : cols;
	c->rows = rows < TOP_CANVAS_ROWS_MAX ? rows : TOP_CANVAS_ROWS_MAX;
	c->cols = cols < TOP_CANVAS_COLS_MAX ? cols : TOP_CANVAS_COLS_MAX;
	c->is_utf8 = is_utf8;
	c->cell = calloc((size_t)c->rows * c->cols, sizeof(*c->cell));
	if (!c->cell) {
		free(c);
		return NULL;
	}
	top_canvas_clear(c);
	return c;
}

void top_canvas_free(struct top_canvas *c)
{
	if (c) {
		free(c->cell);
		free(c);
	}
}

void top_canvas_clear(struct top_canvas *c)
{
	for (size_t i = 0; i < (size_t)c->rows * c->cols; i++) {
		c->cell[i] = (struct top_cell){ .ch = L' ' };
	}
}

static struct top_cell *cell_at(const struct top_canvas *c, uint32_t row, uint32_t col)
{
	return row < c->rows && col < c->cols ? &c->cell[(size_t)row * c->cols + col] : NULL;
}

/*
 * The next character of a text, made harmless.
 * Returns the bytes it took; *ret_width is 1 or 2.
 */
static size_t next_char(const struct top_canvas *c, const char *text, mbstate_t *state,
			wchar_t *ret, uint32_t *ret_width)
{
	size_t n = 1;
	int width;

	*ret_width = 1;
	*ret = (wchar_t)(unsigned char)*text;
	if ((unsigned char)*text < 0x80) {
		*ret = *text >= ' ' && *text < 0x7f ? *ret : L'?';
		return 1;
	}
	if (c->is_utf8) {
		n = mbrtowc(ret, text, MB_LEN_MAX, state);
	}
	if (!c->is_utf8 || n == 0 || n > MB_LEN_MAX) {
		memset(state, 0, sizeof(*state));
		*ret = L'?';
		return 1;
	}
	/* Combining, invisible and direction-changing characters have no width. */
	width = iswprint((wint_t)*ret) ? wcwidth(*ret) : -1;
	if (width < 1 || width > 2) {
		*ret = L'?';
	} else {
		*ret_width = (uint32_t)width;
	}
	return n;
}

static void put_cell(struct top_canvas *c, uint32_t row, uint32_t col, struct top_look look,
		     wchar_t ch)
{
	struct top_cell *cell = cell_at(c, row, col);

	if (cell) {
		*cell = (struct top_cell){ .ch = ch, .look = look };
	}
}

uint32_t top_canvas_put(struct top_canvas *c, uint32_t row, uint32_t col, uint32_t width,
			struct top_look look, const char *text)
{
	mbstate_t state = { 0 };
	uint32_t used = 0;

	if (row >= c->rows || col >= c->cols || width == 0) {
		return 0;
	}
	width = width < c->cols - col ? width : c->cols - col;
	while (*text) {
		uint32_t w;
		wchar_t ch;

		text += next_char(c, text, &state, &ch, &w);
		if (used + w > width) {
			uint32_t last = col + width - 1;

			if (used == width && last > col && !cell_at(c, row, last)->ch) {
				put_cell(c, row, last - 1, look, L' ');
			}
			top_canvas_sign(c, row, last, look, TOP_SIGN_CUT);
			return width;
		}
		put_cell(c, row, col + used, look, ch);
		if (w == 2) {
			put_cell(c, row, col + used + 1, look, 0);
		}
		used += w;
	}
	return used;
}

void top_canvas_put_right(struct top_canvas *c, uint32_t row, uint32_t col, uint32_t width,
			  struct top_look look, const char *text)
{
	size_t n = strlen(text);
	uint32_t gap = n < width ? width - (uint32_t)n : 0;

	top_canvas_put(c, row, col + gap, width - gap, look, text);
}

uint32_t top_canvas_printf(struct top_canvas *c, uint32_t row, uint32_t col, uint32_t width,
			   struct top_look look, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return top_canvas_put(c, row, col, width, look, text);
}

void top_canvas_sign(struct top_canvas *c, uint32_t row, uint32_t col, struct top_look look,
		     enum top_sign sign)
{
	BUG_ON(sign >= TOP_SIGN_N);
	put_cell(c, row, col, look, signs[sign][c->is_utf8 ? 0 : 1]);
}

void top_canvas_paint(struct top_canvas *c, uint32_t row, struct top_look look)
{
	for (uint32_t col = 0; row < c->rows && col < c->cols; col++) {
		cell_at(c, row, col)->look = look;
	}
}

void top_canvas_text(const struct top_canvas *c, uint32_t row, char *ret, size_t size)
{
	mbstate_t state = { 0 };
	size_t end = 0;
	size_t n = 0;

	for (uint32_t col = 0; row < c->rows && col < c->cols; col++) {
		wchar_t ch = cell_at(c, row, col)->ch;
		char bytes[MB_LEN_MAX];
		size_t k;

		if (!ch) {
			continue;
		}
		k = wcrtomb(bytes, ch, &state);
		if (k > MB_LEN_MAX || n + k >= size) {
			break;
		}
		memcpy(ret + n, bytes, k);
		n += k;
		end = ch == L' ' ? end : n;
	}
	ret[end] = '\0';
}

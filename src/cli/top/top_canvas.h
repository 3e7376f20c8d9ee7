/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rectangle of characters with looks, independent of any terminal: the screen shows it, --batch
 * prints it, tests compare it. Every text that comes in may hold anything: control characters,
 * broken UTF-8 and what has no width become question marks, and nothing leaves its field.
 */
#ifndef PINFOLD_CLI_TOP_CANVAS_H
#define PINFOLD_CLI_TOP_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

/** Largest rectangle; a terminal that claims more is not believed. */
#define TOP_CANVAS_ROWS_MAX 70000u
#define TOP_CANVAS_COLS_MAX 1000u

/** Bits of a style. */
enum top_style { TOP_BOLD = 1, TOP_DIM = 2, TOP_REVERSE = 4 };

/** Colours; from TOP_PALETTE on: backgrounds that tell VMs apart. */
enum top_colour {
	TOP_PLAIN,
	TOP_GREEN,
	TOP_YELLOW,
	TOP_RED,
	TOP_CYAN,
	TOP_PALETTE,
	TOP_PALETTE_N = 12,
};

/** How a character looks. */
struct top_look {
	uint8_t style;	/**< enum top_style */
	uint8_t colour; /**< enum top_colour, or TOP_PALETTE + 0..TOP_PALETTE_N-1 */
};

/** Signs with a plain form for terminals without UTF-8. */
enum top_sign {
	TOP_SIGN_RUN,	   /**< a VM still holds the core */
	TOP_SIGN_EXCL,	   /**< the same, exclusively */
	TOP_SIGN_IDLE,	   /**< nobody holds it */
	TOP_SIGN_CUT,	   /**< text goes on */
	TOP_SIGN_DOWN,	   /**< sorted, largest first */
	TOP_SIGN_UP,	   /**< sorted, smallest first */
	TOP_SIGN_SELECTED, /**< the chosen row */
	TOP_SIGN_N,
};

/** One place. */
struct top_cell {
	wchar_t ch; /**< 0: the right half of a wide character */
	struct top_look look;
};

/** The rectangle. */
struct top_canvas {
	uint32_t rows, cols;
	bool is_utf8;
	struct top_cell *cell; /**< rows * cols */
};

/**
 * Make an empty one.
 * @param is_utf8 the locale's characters are UTF-8 and the terminal shows them
 * @return NULL: out of memory
 */
struct top_canvas *top_canvas_new(uint32_t rows, uint32_t cols, bool is_utf8);

/** Accepts NULL. */
void top_canvas_free(struct top_canvas *c);

/** Make all of it blank. */
void top_canvas_clear(struct top_canvas *c);

/**
 * Write text into a field; what doesn't fit is cut, and shown to be. What lies outside the canvas
 * is left out.
 * @param width columns of the field
 * @return columns written
 */
uint32_t top_canvas_put(struct top_canvas *c, uint32_t row, uint32_t col, uint32_t width,
			struct top_look look, const char *text);

/** The same at the right end of the field; what doesn't fit loses its end. */
void top_canvas_put_right(struct top_canvas *c, uint32_t row, uint32_t col, uint32_t width,
			  struct top_look look, const char *text);

/** The same with a format; the whole text is at most 511 bytes. */
uint32_t top_canvas_printf(struct top_canvas *c, uint32_t row, uint32_t col, uint32_t width,
			   struct top_look look, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/** One sign. */
void top_canvas_sign(struct top_canvas *c, uint32_t row, uint32_t col, struct top_look look,
		     enum top_sign sign);

/** Give a whole row a look, keeping its characters. */
void top_canvas_paint(struct top_canvas *c, uint32_t row, struct top_look look);

/**
 * A row as text, without blanks at its end.
 * @param size at least 1; cols * MB_CUR_MAX + 1 holds every row
 */
void top_canvas_text(const struct top_canvas *c, uint32_t row, char *ret, size_t size);

#endif

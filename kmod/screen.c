// SPDX-License-Identifier: GPL-2.0
/*
 * The console's screen: the text memory of the VGA at 0xb8000, while the kernel's virtual terminals show
 * text there. In graphics mode, with a frame buffer console or a blanked screen it is not usable, and
 * wake-ups go to the serial line. No lock of the console is taken: its holder may never run again while
 * real-time tasks hog every core.
 *
 * The kernel goes on writing to the same memory, and scrolls by moving the part that is shown. So the
 * dialogue keeps its text (24 lines of 80) and draws all of it at each write: whatever the kernel put over
 * it is gone with the next key. For each cell it remembers what was there and what it drew. A cell that
 * no longer holds what was drawn was written by the kernel, and holds what has to come back. At the end,
 * and when the shown part has moved, every cell that still holds what was drawn gets back what was there.
 * Only where the kernel copied drawn lines (it does when it has scrolled through all of the memory, once
 * in about 180 lines) do some of the dialogue stay on the screen.
 */
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/selection.h>
#include <linux/tty.h>
#include <linux/vt_kern.h>

#include "console.h"

static bool has_console = true;
module_param_named(console, has_console, bool, 0444);
MODULE_PARM_DESC(console, "whether dialogues may take place on keyboard and text screen");

#define SCREEN_COLS 80
#define SCREEN_ROWS 24

#define VGA_TEXT      0xb8000
#define VGA_CELLS     (0x8000 / sizeof(u16))
#define VGA_CRTC      0x3d4
#define VGA_CURSOR_HI 0x0e
#define VGA_CURSOR_LO 0x0f

/* Grey on blue. Not the bright bit: with a font of 512 characters it would choose the other half. */
#define SCREEN_COLOUR 0x1700

static struct {
	struct mutex lock; /* everything below; never held while waiting for anything */
	bool is_open;
	u8 row, col; /* of the cursor; col is SCREEN_COLS after a full line */
	char text[SCREEN_ROWS][SCREEN_COLS];
	u32 drawn_from, drawn_cells; /* where the shown part was when it was drawn */
	u16 drawn[VGA_CELLS];	     /* what was drawn, 0: nothing */
	u16 below[VGA_CELLS];	     /* what was there */
} screen = {
	.lock = __MUTEX_INITIALIZER(screen.lock),
};

/* The part of the text memory that is shown. */
struct screen_part {
	u32 from; /* its first cell */
	u32 cols, rows;
	u32 cursor; /* the kernel's, a cell */
};

static u16 *screen_cells(void)
{
	return phys_to_virt(VGA_TEXT);
}

/* The cell of a virtual address of the kernel's; VGA_CELLS or more: it is somewhere else. */
static unsigned long screen_cell_at(unsigned long address)
{
	return (address - (unsigned long)screen_cells()) / sizeof(u16);
}

/* Find the shown part; false: no text is shown, or less than a dialogue needs. Any context. */
static bool screen_find(struct screen_part *ret)
{
	const struct vc_data *vc = READ_ONCE(vc_cons[READ_ONCE(fg_console)].d);

	if (!has_console || !vc || READ_ONCE(console_blanked) || READ_ONCE(vc->vc_mode) != KD_TEXT)
		return false;
	ret->cols = READ_ONCE(vc->vc_cols);
	ret->rows = READ_ONCE(vc->vc_rows);
	ret->cursor = screen_cell_at(READ_ONCE(vc->vc_pos));
	if (screen_cell_at(READ_ONCE(vc->vc_visible_origin)) >= VGA_CELLS)
		return false;
	ret->from = screen_cell_at(READ_ONCE(vc->vc_visible_origin));
	return ret->cols >= SCREEN_COLS && ret->rows >= SCREEN_ROWS &&
	       ret->cols * ret->rows <= VGA_CELLS - ret->from;
}

static void screen_draw_cell(u32 cell, u16 value)
{
	u16 *at = screen_cells() + cell;
	u16 now = READ_ONCE(*at);

	if (!screen.drawn[cell] || now != screen.drawn[cell])
		screen.below[cell] = now;
	screen.drawn[cell] = value;
	if (now != value)
		WRITE_ONCE(*at, value);
}

/* Give back what was below everything drawn. */
static void screen_undraw(void)
{
	u16 *at = screen_cells();
	u32 i, end = screen.drawn_from + screen.drawn_cells;

	for (i = screen.drawn_from; i < end; i++) {
		if (READ_ONCE(at[i]) == screen.drawn[i])
			WRITE_ONCE(at[i], screen.below[i]);
		screen.drawn[i] = 0;
	}
	screen.drawn_cells = 0;
}

/*
 * The kernel sets the cursor under a lock that modules can't take. Index and value go out as one word, so
 * nothing of it can hit another register; the kernel's may be lost until it sets the cursor again.
 */
static void screen_put_cursor(u32 cell)
{
	outw((cell & 0xff00) | VGA_CURSOR_HI, VGA_CRTC);
	outw((cell & 0x00ff) << 8 | VGA_CURSOR_LO, VGA_CRTC);
}

static void screen_draw(void)
{
	struct screen_part part;
	u32 row, col;

	if (!screen_find(&part))
		return;
	if (part.from != screen.drawn_from || part.cols * part.rows != screen.drawn_cells)
		screen_undraw();
	screen.drawn_from = part.from;
	screen.drawn_cells = part.cols * part.rows;
	for (row = 0; row < part.rows; row++) {
		for (col = 0; col < part.cols; col++) {
			bool is_text = row < SCREEN_ROWS && col < SCREEN_COLS;
			u8 c = is_text ? screen.text[row][col] : ' ';

			screen_draw_cell(part.from + row * part.cols + col, SCREEN_COLOUR | c);
		}
	}
	screen_put_cursor(part.from + screen.row * part.cols + min(screen.col, SCREEN_COLS - 1));
}

static void screen_clear(void)
{
	memset(screen.text, ' ', sizeof(screen.text));
	screen.row = 0;
	screen.col = 0;
}

static void screen_new_line(void)
{
	screen.col = 0;
	if (screen.row < SCREEN_ROWS - 1) {
		screen.row++;
		return;
	}
	memmove(screen.text[0], screen.text[1], sizeof(screen.text) - SCREEN_COLS);
	memset(screen.text[SCREEN_ROWS - 1], ' ', SCREEN_COLS);
}

static void screen_put(char c)
{
	switch (c) {
	case '\n':
		screen_new_line();
		break;
	case '\r':
		screen.col = 0;
		break;
	case '\b':
		if (screen.col)
			screen.col--;
		break;
	default:
		if (c < ' ' || c > '~')
			break;
		if (screen.col == SCREEN_COLS)
			screen_new_line();
		screen.text[screen.row][screen.col++] = c;
	}
}

static bool screen_is_usable(void)
{
	struct screen_part part;

	return screen_find(&part);
}

static void screen_open(void)
{
	mutex_lock(&screen.lock);
	screen_clear();
	screen.is_open = true;
	screen_draw();
	mutex_unlock(&screen.lock);
}

/* Put everything back. The lock is held. */
static void screen_give_back(void)
{
	struct screen_part part;

	if (!screen.is_open)
		return;
	screen.is_open = false;
	keys_forget();
	if (!screen_find(&part))
		return;
	screen_undraw();
	screen_put_cursor(part.cursor);
}

static void screen_close(void)
{
	mutex_lock(&screen.lock);
	if (!terminal_is_served(ARBITER_CONSOLE))
		screen_give_back();
	mutex_unlock(&screen.lock);
}

static void screen_write(const char *text, size_t n)
{
	mutex_lock(&screen.lock);
	while (n--)
		screen_put(*text++);
	if (screen.is_open)
		screen_draw();
	mutex_unlock(&screen.lock);
}

const struct channel console_channel = {
	.is_usable = screen_is_usable,
	.open = screen_open,
	.close = screen_close,
	.read = keys_read,
	.write = screen_write,
};

int screen_init(void)
{
	return 0;
}

void screen_exit(void)
{
	mutex_lock(&screen.lock);
	screen_give_back();
	mutex_unlock(&screen.lock);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables with aligned columns; see table.h. */
#include "cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "cli/text.h"

/* A row is never broken: one long text must not push all others off the screen. */
#define CELL_WIDTH_MAX 60

struct table {
	size_t n_columns;
	bool is_right[TABLE_COLUMNS_MAX];
	char **cells; /* row by row, the heads first; NULL: out of memory */
	size_t n_cells, room;
};

struct table *table_new(const char *heads)
{
	struct table *t = calloc(1, sizeof(*t));

	while (t && *heads) {
		size_t len = strcspn(heads, " ");
		char head[32];

		BUG_ON(t->n_columns == TABLE_COLUMNS_MAX || len >= sizeof(head));
		t->is_right[t->n_columns] = heads[0] == '>';
		snprintf(head, sizeof(head), "%.*s", (int)len - (heads[0] == '>'),
			 heads + (heads[0] == '>'));
		for (char *p = head; *p; p++) {
			*p = *p == '_' ? ' ' : *p;
		}
		t->n_columns++;
		table_add(t, head);
		heads += len + (heads[len] == ' ');
	}
	return t;
}

void table_free(struct table *t)
{
	if (!t) {
		return;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		free(t->cells[i]);
	}
	free(t->cells);
	free(t);
}

void table_add(struct table *t, const char *text)
{
	if (!t) {
		return;
	}
	if (t->n_cells == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		char **cells = reallocarray(t->cells, room, sizeof(*cells));

		if (!cells) {
			return;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->n_cells] = text_safe(text && *text ? text : "-");
	t->n_cells++;
}

static const char *cell(const struct table *t, size_t i)
{
	return t->cells[i] ? t->cells[i] : "-";
}

static void print_padding(size_t n, FILE *f)
{
	while (n-- > 0) {
		putc(' ', f);
	}
}

static void print_cell(const struct table *t, size_t i, size_t width, FILE *f)
{
	size_t column = i % t->n_columns;
	size_t own = text_width(cell(t, i));
	size_t padding = own < width ? width - own : 0;
	bool is_last = column + 1 == t->n_columns;

	if (t->is_right[column]) {
		print_padding(padding, f);
	}
	fputs(cell(t, i), f);
	if (!t->is_right[column] && !is_last) {
		print_padding(padding, f);
	}
	fputs(is_last ? "\n" : "  ", f);
}

void table_print(const struct table *t, FILE *f)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	if (!t) {
		return;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t width = text_width(cell(t, i));
		size_t *w = &widths[i % t->n_columns];

		width = width > CELL_WIDTH_MAX ? CELL_WIDTH_MAX : width;
		*w = width > *w ? width : *w;
	}
	for (size_t i = 0; i < t->n_cells - t->n_cells % t->n_columns; i++) {
		print_cell(t, i, widths[i % t->n_columns], f);
	}
}

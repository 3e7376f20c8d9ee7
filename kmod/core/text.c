// SPDX-License-Identifier: GPL-2.0
#include "text.h"

static void add_byte(struct text *t, char c)
{
	if (t->used + 1 >= t->size) {
		t->cut = true;
		return;
	}
	t->buf[t->used++] = c;
	t->buf[t->used] = '\0';
}

static void add_char(struct text *t, char c)
{
	add_byte(t, (c >= ' ' && c <= '~') || c == '\n' ? c : '?');
}

static void add_blanks(struct text *t, size_t n)
{
	while (n--)
		add_char(t, ' ');
}

void text_init(struct text *t, char *buf, size_t size)
{
	BUG_ON(size == 0);
	t->buf = buf;
	t->size = size;
	t->used = 0;
	t->cut = false;
	buf[0] = '\0';
}

void text_add(struct text *t, const char *s)
{
	while (*s)
		add_char(t, *s++);
}

void text_add_n(struct text *t, const char *s, size_t max)
{
	for (size_t i = 0; i < max && s[i]; i++)
		add_char(t, s[i]);
}

/* The digits of a number, last first. */
static size_t digits_of(u64 n, char ret[20])
{
	size_t count = 0;

	do {
		ret[count++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return count;
}

void text_add_right(struct text *t, u64 n, size_t width)
{
	char digits[20];
	size_t count = digits_of(n, digits);

	add_blanks(t, count < width ? width - count : 0);
	while (count)
		add_char(t, digits[--count]);
}

void text_add_u64(struct text *t, u64 n)
{
	text_add_right(t, n, 0);
}

void text_add_number(struct text *t, const char *before, u64 n, const char *behind)
{
	text_add(t, before);
	text_add_u64(t, n);
	text_add(t, behind);
}

void text_add_left(struct text *t, const char *s, size_t width)
{
	size_t i;

	for (i = 0; i < width && s[i]; i++)
		add_char(t, s[i]);
	add_blanks(t, width - i);
}

void text_add_erase(struct text *t, size_t n)
{
	while (n--) {
		add_byte(t, '\b');
		add_byte(t, ' ');
		add_byte(t, '\b');
	}
}

size_t text_break(const char *s, size_t columns)
{
	size_t n = 0, at = 0;

	while (n <= columns && s[n] && s[n] != '\n') {
		if (s[n] == ' ')
			at = n;
		n++;
	}
	if (n <= columns)
		return n;
	return at ? at : columns;
}

void text_add_line(struct text *t, const char *s, size_t columns)
{
	size_t indent = 0;

	do {
		size_t n = text_break(s, columns - indent);

		add_blanks(t, indent);
		text_add_n(t, s, n);
		add_char(t, '\n');
		s += n;
		while (*s == ' ' || *s == '\n')
			s++;
		indent = 2;
	} while (*s);
}

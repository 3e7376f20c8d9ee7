/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory, strings and formatted text; see text.h. */
#include "text.h"

void *memcpy(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if ((((uintptr_t)t | (uintptr_t)f) & 7) == 0) {
		for (; n >= 8; n -= 8, t += 8, f += 8) {
			*(uint64_t *)t = *(const uint64_t *)f;
		}
	}
	while (n-- > 0) {
		*t++ = *f++;
	}
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if (t <= f) {
		return memcpy(to, from, n);
	}
	while (n-- > 0) {
		t[n] = f[n];
	}
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	uint8_t *t = to;
	uint64_t word = (uint8_t)byte * 0x0101010101010101ULL;

	for (; n > 0 && ((uintptr_t)t & 7) != 0; n--) {
		*t++ = (uint8_t)byte;
	}
	for (; n >= 8; n -= 8, t += 8) {
		*(uint64_t *)t = word;
	}
	while (n-- > 0) {
		*t++ = (uint8_t)byte;
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a;
	const uint8_t *y = b;

	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i]) {
			return x[i] - y[i];
		}
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n]) {
		n++;
	}
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (!*s) {
			return NULL;
		}
	}
	return (char *)(uintptr_t)s;
}

const char *strstr(const char *s, const char *what)
{
	size_t n = strlen(what);

	for (size_t left = strlen(s); left >= n; left--, s++) {
		if (memcmp(s, what, n) == 0) {
			return s;
		}
	}
	return NULL;
}

bool text_copy(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);
	bool fits = n < size;

	n = fits ? n : size - 1;
	memcpy(to, from, n);
	to[n] = 0;
	return fits;
}

long text_number(const char *s)
{
	bool is_negative = *s == '-';
	long n = 0;

	for (s += is_negative; *s >= '0' && *s <= '9'; s++) {
		n = n * 10 + (*s - '0');
	}
	return is_negative ? -n : n;
}

/* What stands between % and its letter. */
struct spec {
	bool is_left;
	bool is_long;
	char fill;
	int width;
};

static const char *read_spec(const char *f, struct spec *ret)
{
	*ret = (struct spec){ .fill = ' ' };
	if (*f == '-') {
		ret->is_left = true;
		f++;
	}
	if (*f == '0') {
		ret->fill = '0';
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++) {
		ret->width = ret->width * 10 + (*f - '0');
	}
	if (*f == 'l') {
		ret->is_long = true;
		f++;
	}
	return f;
}

static const char *digits(char *end, uint64_t n, unsigned int base)
{
	*--end = 0;
	do {
		*--end = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	return end;
}

void text_format(void (*put)(void *opaque, char c), void *opaque, const char *f, va_list args)
{
	char room[24];
	struct spec spec;

	for (; *f; f++) {
		const char *s = room;
		int64_t n;

		if (*f != '%') {
			put(opaque, *f);
			continue;
		}
		f = read_spec(f + 1, &spec);
		room[0] = *f;
		room[1] = 0;
		if (*f == 's') {
			s = va_arg(args, const char *);
		} else if (*f == 'c') {
			room[0] = (char)va_arg(args, int);
		} else if (*f == 'u' || *f == 'x') {
			uint64_t u =
				spec.is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned int);

			s = digits(room + sizeof(room), u, *f == 'x' ? 16 : 10);
		} else if (*f == 'd') {
			n = spec.is_long ? va_arg(args, int64_t) : va_arg(args, int);
			if (n < 0) {
				put(opaque, '-');
			}
			s = digits(room + sizeof(room), n < 0 ? -(uint64_t)n : (uint64_t)n, 10);
		}
		n = spec.width - (int64_t)strlen(s);
		for (; !spec.is_left && n > 0; n--) {
			put(opaque, spec.fill);
		}
		while (*s) {
			put(opaque, *s++);
		}
		for (; spec.is_left && n > 0; n--) {
			put(opaque, ' ');
		}
	}
}

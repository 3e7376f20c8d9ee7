// SPDX-License-Identifier: GPL-2.0
#include "base32.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void base32_encode(const u8 *bytes, size_t count, char *ret)
{
	for (size_t i = 0; i < count; i++) {
		u32 value = 0;

		for (size_t bit = 5 * i; bit < 5 * i + 5; bit++)
			value = value << 1 | ((u32)bytes[bit / 8] >> (7 - bit % 8) & 1);
		ret[i] = digits[value];
	}
}

/* The digit that a character stands for; NUL: none. */
static char digit_of(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		return '0';
	if (c == 'I' || c == 'L')
		return '1';
	for (size_t i = 0; digits[i]; i++) {
		if (digits[i] == c)
			return c;
	}
	return '\0';
}

int base32_canonical(const char *s, size_t count, char *ret)
{
	size_t n = 0;

	for (; *s; s++) {
		if (*s == '-' || *s == ' ')
			continue;
		if (n == count)
			return -EINVAL;
		ret[n] = digit_of(*s);
		if (!ret[n++])
			return -EINVAL;
	}
	ret[n] = '\0';
	return n == count ? 0 : -EINVAL;
}

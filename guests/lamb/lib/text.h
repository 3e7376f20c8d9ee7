/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory, strings and formatted text: the same for kernel and programs. */
#ifndef LAMB_TEXT_H
#define LAMB_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
char *strchr(const char *s, int c);
const char *strstr(const char *s, const char *what);

/* Copy what fits, with a zero at the end. Returns whether all of it fitted. */
bool text_copy(char *to, size_t size, const char *from);

/* The number at the start of s, decimal, perhaps with a minus. */
long text_number(const char *s);

/*
 * Formatted text, one character at a time. %d %u %x take int or, with l, long; %s %c %%; a width, filled with blanks or
 * with 0; a minus puts the text to the left.
 */
void text_format(void (*put)(void *opaque, char c), void *opaque, const char *format, va_list args);

#endif

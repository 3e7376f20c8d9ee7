/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wc [FILE...]: lines, words and bytes. */
#include "user.h"

static void count(int fd, const char *name)
{
	unsigned long lines = 0;
	unsigned long words = 0;
	unsigned long bytes = 0;
	bool is_word = false;
	char text[512];
	long n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (long i = 0; i < n; i++) {
			bool was_word = is_word;

			is_word = !strchr(" \t\n", text[i]);
			words += is_word && !was_word;
			lines += text[i] == '\n';
		}
		bytes += (unsigned long)n;
	}
	print("%lu %lu %lu %s\n", lines, words, bytes, name);
}

int main(int argc, char **argv)
{
	return for_files(argc - 1, argv + 1, count);
}

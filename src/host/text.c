/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small text files; see text.h. */
#include "host/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/fd.h"

ssize_t host_text_read_at(int dirfd, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		return -errno;
	}
	n = host_fd_read_full(fd, buf, size);
	if (n < 0 || (size_t)n == size) {
		buf[0] = '\0';
		return n < 0 ? n : -EFBIG;
	}
	if (n > 0 && buf[n - 1] == '\n') {
		n--;
	}
	buf[n] = '\0';
	return strlen(buf) == (size_t)n ? n : -EBADMSG;
}

ssize_t host_text_read(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return n >= (int)sizeof(path) ? -ENAMETOOLONG
				      : host_text_read_at(AT_FDCWD, path, buf, size);
}

int host_text_write(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(path)) {
		return -ENAMETOOLONG;
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : host_fd_write_full(fd, text, strlen(text));
}

bool host_text_has_word(const char *list, const char *word, char sep)
{
	size_t len = strlen(word);

	for (const char *p = list; p; p = strchr(p, sep), p = p ? p + 1 : NULL) {
		if (strncmp(p, word, len) == 0 && (p[len] == sep || p[len] == '\0')) {
			return true;
		}
	}
	return false;
}

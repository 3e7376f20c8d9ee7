/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers for programs; see user.h. */
#include "user.h"

void write_all(int fd, const void *from, size_t bytes)
{
	const char *p = from;

	while (bytes > 0) {
		long n = write(fd, p, bytes);

		if (n <= 0) {
			exit(1);
		}
		p += n;
		bytes -= (size_t)n;
	}
}

/* Text on its way out: written in one piece as far as possible, so that lines of two programs don't mix. */
struct out {
	int fd;
	size_t n;
	char text[128];
};

static void put(void *opaque, char c)
{
	struct out *o = opaque;

	o->text[o->n++] = c;
	if (o->n == sizeof(o->text)) {
		write_all(o->fd, o->text, o->n);
		o->n = 0;
	}
}

static void vprint(int fd, const char *format, va_list args)
{
	struct out o = { .fd = fd };

	text_format(put, &o, format, args);
	write_all(fd, o.text, o.n);
}

void fprint(int fd, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(fd, format, args);
	va_end(args);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(1, format, args);
	va_end(args);
}

/* One byte at a time: what is behind the line is for whoever reads next. */
long read_line(int fd, char *to, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		long r = read(fd, to + n, 1);

		if (r < 0) {
			return r;
		}
		if (r == 0 || to[n++] == '\n') {
			break;
		}
	}
	to[n] = 0;
	return (long)n;
}

const char *error_name(long error)
{
	static const char *const names[] = {
		[E_NOENT] = "no such file",
		[E_SRCH] = "no such process",
		[E_INTR] = "interrupted",
		[E_2BIG] = "too many arguments",
		[E_NOEXEC] = "not a program",
		[E_BADF] = "bad descriptor",
		[E_CHILD] = "no children",
		[E_AGAIN] = "too many processes",
		[E_NOMEM] = "no memory",
		[E_FAULT] = "bad address",
		[E_EXIST] = "is there already",
		[E_NOTDIR] = "not a directory",
		[E_ISDIR] = "is a directory",
		[E_INVAL] = "makes no sense",
		[E_NFILE] = "too many open files",
		[E_MFILE] = "too many descriptors",
		[E_FBIG] = "too large",
		[E_NOSPC] = "no space",
		[E_PIPE] = "nobody reads",
		[E_NOSYS] = "no such system call",
		[E_NOTEMPTY] = "not empty",
	};
	size_t n = (size_t)-error;

	return n < sizeof(names) / sizeof(names[0]) && names[n] ? names[n] : "unknown error";
}

void fail(const char *what, long error)
{
	fprint(2, "%s: %s\n", what, error_name(error));
	exit(1);
}

int for_files(int argc, char **argv, void (*work)(int fd, const char *name))
{
	int status = 0;

	if (argc == 0) {
		work(0, "-");
	}
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], OPEN_READ);

		if (fd < 0) {
			fprint(2, "%s: %s\n", argv[i], error_name(fd));
			status = 1;
			continue;
		}
		work(fd, argv[i]);
		close(fd);
	}
	return status;
}

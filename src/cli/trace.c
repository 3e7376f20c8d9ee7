/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instruction trace; see trace.h. The records are hostile: every number in them is checked. */
#include "cli/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/outlet.h"
#include "host/fd.h"

/* A record's registers, at most; a line of all of them fits into LINE_BYTES. */
#define CHANGED_MAX 128
#define LINE_BYTES  16384
#define PIPE_BYTES  65536
/* Of the pipe, at one go. */
#define READS_MAX 4

/* Columns of a line: bytes of the instruction, its text. */
#define BYTES_COLUMN 24
#define INSN_COLUMN  40

struct trace {
	struct launch_vm *vm;
	const struct regs *regs;
	struct disas *disas;
	struct outlet out;
	int file_fd; /* or -1 for standard error */
	bool is_over;
	char error[ERRMSG_SIZE];
	size_t n; /* bytes in buf */
	uint8_t buf[PIPE_BYTES];
};

int trace_new(struct launch_vm *vm, const char *path, const struct regs *regs, struct disas *disas,
	      struct trace **ret, struct errmsg *e)
{
	struct trace *t;
	int fd = STDERR_FILENO;
	int r;

	if (strcmp(path, "-") != 0) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
		if (fd < 0) {
			return errmsg_set(e, -errno, "--trace: %s: %s", path, strerror(errno));
		}
	}
	t = calloc(1, sizeof(*t));
	r = t ? host_fd_set_nonblock(vm->trace_fd) : -ENOMEM;
	if (r < 0) {
		free(t);
		if (fd != STDERR_FILENO) {
			close(fd);
		}
		return errmsg_set(e, r, "--trace: %s", strerror(-r));
	}
	t->vm = vm;
	t->regs = regs;
	t->disas = disas;
	t->file_fd = fd == STDERR_FILENO ? -1 : fd;
	outlet_init(&t->out, fd);
	*ret = t;
	return 0;
}

void trace_free(struct trace *t)
{
	if (!t) {
		return;
	}
	outlet_done(&t->out);
	if (t->file_fd >= 0) {
		close(t->file_fd);
	}
	free(t);
}

/* Text that grows in a fixed buffer. */
struct line {
	size_t len;
	char text[LINE_BYTES];
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof(l->text) - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	if (n > 0) {
		l->len += (size_t)n < room ? (size_t)n : room - 1;
	}
}

static void add_changed(struct trace *t, struct line *l, const struct proto_trace_reg *changed,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct proto_reg_desc *d;
		char value[REGS_TEXT_BYTES];

		if (changed[i].idx >= t->regs->n) {
			continue;
		}
		d = &t->regs->reg[changed[i].idx].desc;
		if (strcmp(d->name, "pc") == 0 || strcmp(d->name, "eip") == 0 ||
		    strcmp(d->name, "rip") == 0) {
			continue; /* it changes every time */
		}
		regs_format(changed[i].value, d->bytes, value);
		add(l, " %s=%s", d->name, value);
	}
}

static void print_record(struct trace *t, const struct proto_trace *rec,
			 const struct proto_trace_reg *changed)
{
	int digits =
		t->vm->ready.arch == PROTO_ARCH_X86 || t->vm->ready.arch == PROTO_ARCH_ARM ? 8 : 16;
	char text[DISAS_TEXT_BYTES];
	char bytes[DISAS_BYTES_TEXT_BYTES];
	struct line l = { 0 };
	size_t used;

	used = disas_one(t->disas, rec->flags, rec->pc, rec->insn, rec->n_insn, text);
	disas_bytes(rec->insn, used ? used : rec->n_insn, bytes);
	add(&l, "%0*" PRIx64 "  %-*s %-*s", digits, rec->pc, BYTES_COLUMN, bytes, INSN_COLUMN,
	    text);
	add_changed(t, &l, changed, rec->n_changed);
	while (l.len > 0 && l.text[l.len - 1] == ' ') {
		l.len--;
	}
	l.text[l.len++] = '\n'; /* add() leaves room for the NUL, which is not printed */
	outlet_put(&t->out, l.text, l.len);
}

/* One whole record at the start of the buffer. @return its size; 0 when it is not all there */
static size_t take_record(struct trace *t, const uint8_t *at, size_t n)
{
	struct proto_trace_reg changed[CHANGED_MAX];
	struct proto_trace rec;
	size_t bytes;

	if (n < sizeof(rec)) {
		return 0;
	}
	memcpy(&rec, at, sizeof(rec));
	if (rec.n_insn > sizeof(rec.insn) || rec.n_changed > CHANGED_MAX) {
		snprintf(t->error, sizeof(t->error), "the VM sent a damaged trace");
		t->is_over = true;
		return 0;
	}
	bytes = sizeof(rec) + rec.n_changed * sizeof(changed[0]);
	if (n < bytes) {
		return 0;
	}
	memcpy(changed, at + sizeof(rec), bytes - sizeof(rec));
	print_record(t, &rec, changed);
	return bytes;
}

static void take_records(struct trace *t)
{
	size_t done = 0;

	while (!t->is_over && outlet_room(&t->out) >= LINE_BYTES) {
		size_t bytes = take_record(t, t->buf + done, t->n - done);

		if (bytes == 0) {
			break;
		}
		done += bytes;
	}
	memmove(t->buf, t->buf + done, t->n - done);
	t->n -= done;
}

bool trace_pump(struct trace *t)
{
	/* Bounded: a VM that writes faster than we print does not keep us from signals. */
	for (int i = 0; i < READS_MAX && trace_wants_input(t); i++) {
		ssize_t n = read(t->vm->trace_fd, t->buf + t->n, sizeof(t->buf) - t->n);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			bool is_over = n == 0 || errno != EAGAIN;

			take_records(t);
			t->is_over |= is_over;
			return true;
		}
		t->n += (size_t)n;
		take_records(t);
		trace_flush(t);
	}
	take_records(t);
	trace_flush(t);
	return t->is_over;
}

void trace_flush(struct trace *t)
{
	int r = outlet_flush(&t->out);

	if (r < 0 && !t->error[0]) {
		snprintf(t->error, sizeof(t->error), "the trace can't be written: %s",
			 strerror(-r));
	}
}

bool trace_is_flushed(const struct trace *t)
{
	return t->out.len == 0;
}

bool trace_wants_input(const struct trace *t)
{
	return !t->is_over && outlet_room(&t->out) >= LINE_BYTES && t->n < sizeof(t->buf);
}

int trace_out_fd(const struct trace *t)
{
	return t->out.fd;
}

const char *trace_error(const struct trace *t)
{
	return t->error[0] ? t->error : NULL;
}

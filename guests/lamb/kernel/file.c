/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What descriptors stand for: a node and a place in it, or one end of a pipe. */
#include "kernel.h"

static struct file files[FILES_MAX];

static struct file *file_new(unsigned int flags)
{
	for (struct file *f = files; f < files + FILES_MAX; f++) {
		if (!f->users) {
			*f = (struct file){ .flags = flags };
			return f;
		}
	}
	return NULL;
}

struct file *file_of(uint64_t fd)
{
	return fd < FDS_MAX ? this_process()->files[fd] : NULL;
}

void file_get(struct file *f)
{
	f->users++;
}

/* The lowest free descriptor becomes one for f, too. */
long file_dup(struct file *f)
{
	for (unsigned int fd = 0; fd < FDS_MAX; fd++) {
		if (!this_process()->files[fd]) {
			this_process()->files[fd] = f;
			f->users++;
			return fd;
		}
	}
	return -E_MFILE;
}

static void pipe_close(struct pipe *p, bool is_writer)
{
	unsigned int *side = is_writer ? &p->writers : &p->readers;

	--*side;
	process_wake(p);
	if (!p->readers && !p->writers) {
		page_put(p);
	}
}

void file_put(struct file *f)
{
	if (--f->users > 0) {
		return;
	}
	if (f->pipe) {
		pipe_close(f->pipe, f->flags & OPEN_WRITE);
	}
	node_put(f->node);
}

/* ---- opening ---- */

long file_open(const char *path, unsigned int flags)
{
	struct file *f = file_new(flags);
	struct node *n;
	long r;

	r = node_find(path, &n);
	if (r == -E_NOENT && (flags & OPEN_CREATE)) {
		r = node_make(path, NODE_FILE, &n);
	}
	if (r < 0) {
		return r;
	}
	if (n->kind == NODE_DIRECTORY && (flags & OPEN_WRITE)) {
		return -E_ISDIR;
	}
	if (!f) {
		return -E_NFILE;
	}
	r = file_dup(f);
	if (r < 0) {
		return r;
	}
	if (flags & OPEN_WRITE && flags & OPEN_EMPTY) {
		node_empty(n);
	}
	f->node = node_get(n);
	return r;
}

/* Both ends or none. */
static long give_ends(struct file *reader, struct file *writer, int ret_fds[2])
{
	long r;

	r = file_dup(reader);
	if (r < 0) {
		return r;
	}
	ret_fds[0] = (int)r;
	r = file_dup(writer);
	if (r < 0) {
		this_process()->files[ret_fds[0]] = NULL;
		return r;
	}
	ret_fds[1] = (int)r;
	return 0;
}

long file_pipe(int ret_fds[2])
{
	struct file *reader = file_new(OPEN_READ);
	struct file *writer;
	struct pipe *p;
	long r;

	if (!reader) {
		return -E_NFILE;
	}
	reader->users = 1; /* so that the next one is another */
	writer = file_new(OPEN_WRITE);
	reader->users = 0;
	p = writer ? page_new() : NULL;
	if (!p) {
		return writer ? -E_NOMEM : -E_NFILE;
	}
	r = give_ends(reader, writer, ret_fds);
	if (r < 0) {
		reader->users = 0;
		page_put(p);
		return r;
	}
	p->readers = 1;
	p->writers = 1;
	reader->pipe = p;
	writer->pipe = p;
	return 0;
}

/* ---- reading and writing ---- */

static long pipe_read(struct pipe *p, char *to, size_t n)
{
	size_t done = 0;

	while (p->taken == p->put && p->writers > 0) {
		if (process_sleep(p) < 0) {
			return -E_INTR;
		}
	}
	while (done < n && p->taken != p->put) {
		to[done++] = p->data[p->taken++ % PIPE_BYTES];
	}
	process_wake(p);
	return (long)done;
}

static long pipe_write(struct pipe *p, const char *from, size_t n)
{
	for (size_t done = 0; done < n;) {
		if (!p->readers) {
			return -E_PIPE;
		}
		if (p->put - p->taken == PIPE_BYTES) {
			process_wake(p);
			if (process_sleep(p) < 0) {
				return -E_INTR;
			}
			continue;
		}
		p->data[p->put++ % PIPE_BYTES] = from[done++];
	}
	process_wake(p);
	return (long)n;
}

long file_read(struct file *f, void *to, size_t n)
{
	long r;

	if (!(f->flags & OPEN_READ)) {
		return -E_BADF;
	}
	if (f->pipe) {
		return pipe_read(f->pipe, to, n);
	}
	if (f->node->kind == NODE_DIRECTORY) {
		return -E_ISDIR;
	}
	if (f->node->kind == NODE_DEVICE) {
		return f->node->is_console ? console_read(to, n) : 0;
	}
	r = node_read(f->node, f->offset, to, n);
	f->offset += (uint64_t)r;
	return r;
}

static long device_write(const struct node *node, const char *from, size_t n)
{
	for (size_t i = 0; node->is_console && i < n; i++) {
		console_put(from[i]);
	}
	return (long)n;
}

long file_write(struct file *f, const void *from, size_t n)
{
	long r;

	if (!(f->flags & OPEN_WRITE)) {
		return -E_BADF;
	}
	if (f->pipe) {
		return pipe_write(f->pipe, from, n);
	}
	if (f->node->kind == NODE_DEVICE) {
		return device_write(f->node, from, n);
	}
	if (f->flags & OPEN_APPEND) {
		f->offset = f->node->bytes;
	}
	r = node_write(f->node, f->offset, from, n);
	f->offset += r > 0 ? (uint64_t)r : 0;
	return r;
}

/* The place in a directory is how many entries were given. */
int file_list(struct file *f, struct entry *ret)
{
	const struct node *n;
	uint64_t skip = f->offset;

	if (!f->node || f->node->kind != NODE_DIRECTORY) {
		return -E_NOTDIR;
	}
	for (n = f->node->child; n && skip > 0; n = n->next) {
		skip--;
	}
	if (!n) {
		return 0;
	}
	*ret = (struct entry){ .kind = n->kind };
	memcpy(ret->name, n->name, sizeof(ret->name));
	f->offset++;
	return 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console queues; see console.h. */
#include "vm/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int ring_init(struct console_ring *r, size_t size)
{
	*r = (struct console_ring){ .bytes = malloc(size), .size = size };
	return r->bytes ? 0 : -ENOMEM;
}

static bool ring_put(struct console_ring *r, uint8_t byte)
{
	if (r->used == r->size) {
		return false;
	}
	r->bytes[(r->head + r->used++) % r->size] = byte;
	return true;
}

static int ring_get(struct console_ring *r)
{
	uint8_t byte;

	if (r->used == 0) {
		return -1;
	}
	byte = r->bytes[r->head];
	r->head = (r->head + 1) % r->size;
	r->used--;
	return byte;
}

int console_init(struct vm_console *c)
{
	int r;

	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->out.bytes = malloc(CONSOLE_OUT_BYTES);
	r = c->out.bytes ? 0 : -ENOMEM;
	return r < 0 ? r : ring_init(&c->in, CONSOLE_IN_BYTES);
}

void console_done(struct vm_console *c)
{
	free(c->out.bytes);
	free(c->in.bytes);
	pthread_mutex_destroy(&c->lock);
	memset(c, 0, sizeof(*c));
}

/* Bytes that the reader has not taken. */
static uint64_t untaken(const struct console_history *h)
{
	return h->total - h->taken;
}

void console_put(struct vm_console *c, uint8_t byte)
{
	struct console_history *h = &c->out;

	pthread_mutex_lock(&c->lock);
	if (untaken(h) < CONSOLE_OUT_BYTES || !c->has_reader) {
		h->bytes[h->total++ % CONSOLE_OUT_BYTES] = byte;
		/* Nobody reads: the oldest byte made room. */
		h->taken += untaken(h) > CONSOLE_OUT_BYTES ? 1 : 0;
	} else {
		c->dropped++;
	}
	pthread_mutex_unlock(&c->lock);
}

int console_get(struct vm_console *c)
{
	int byte;

	pthread_mutex_lock(&c->lock);
	byte = ring_get(&c->in);
	if (byte >= 0) {
		c->in_bytes++;
	}
	pthread_mutex_unlock(&c->lock);
	return byte;
}

bool console_has_input(struct vm_console *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->in.used > 0;
	pthread_mutex_unlock(&c->lock);
	return has;
}

bool console_is_eof(struct vm_console *c)
{
	bool is_eof;

	pthread_mutex_lock(&c->lock);
	is_eof = c->is_eof && c->in.used == 0;
	pthread_mutex_unlock(&c->lock);
	return is_eof;
}

bool console_is_input_ready(struct vm_console *c)
{
	bool is_ready;

	pthread_mutex_lock(&c->lock);
	is_ready = c->in.used > 0 || c->is_eof;
	pthread_mutex_unlock(&c->lock);
	return is_ready;
}

bool console_is_choked(struct vm_console *c)
{
	bool is_choked;

	pthread_mutex_lock(&c->lock);
	is_choked = c->has_reader && untaken(&c->out) >= CONSOLE_HIGH_WATER;
	pthread_mutex_unlock(&c->lock);
	return is_choked;
}

bool console_has_output(struct vm_console *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->has_reader && untaken(&c->out) > 0;
	pthread_mutex_unlock(&c->lock);
	return has;
}

size_t console_take(struct vm_console *c, uint8_t *buf, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	while (n < max && untaken(&c->out) > 0) {
		buf[n++] = c->out.bytes[c->out.taken++ % CONSOLE_OUT_BYTES];
	}
	pthread_mutex_unlock(&c->lock);
	return n;
}

void console_set_reader(struct vm_console *c, bool has_reader)
{
	pthread_mutex_lock(&c->lock);
	c->has_reader = has_reader;
	pthread_mutex_unlock(&c->lock);
}

uint64_t console_rewind(struct vm_console *c)
{
	uint64_t total;
	uint64_t taken;

	pthread_mutex_lock(&c->lock);
	total = c->out.total;
	taken = total > CONSOLE_OUT_BYTES ? total - CONSOLE_OUT_BYTES : 0;
	c->out.taken = taken;
	pthread_mutex_unlock(&c->lock);
	return taken;
}

size_t console_give(struct vm_console *c, const uint8_t *buf, size_t n)
{
	size_t done = 0;

	pthread_mutex_lock(&c->lock);
	while (done < n && ring_put(&c->in, buf[done])) {
		done++;
	}
	pthread_mutex_unlock(&c->lock);
	return done;
}

void console_set_eof(struct vm_console *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_eof = true;
	pthread_mutex_unlock(&c->lock);
}

bool console_has_room(struct vm_console *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->in.used < c->in.size;
	pthread_mutex_unlock(&c->lock);
	return has;
}

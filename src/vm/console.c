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
	r = ring_init(&c->out, CONSOLE_HIGH_WATER + CONSOLE_SLACK);
	return r < 0 ? r : ring_init(&c->in, CONSOLE_IN_BYTES);
}

void console_done(struct vm_console *c)
{
	free(c->out.bytes);
	free(c->in.bytes);
	pthread_mutex_destroy(&c->lock);
	memset(c, 0, sizeof(*c));
}

void console_put(struct vm_console *c, uint8_t byte)
{
	pthread_mutex_lock(&c->lock);
	if (ring_put(&c->out, byte)) {
		c->out_bytes++;
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
	is_choked = c->out.used >= CONSOLE_HIGH_WATER;
	pthread_mutex_unlock(&c->lock);
	return is_choked;
}

bool console_has_output(struct vm_console *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->out.used > 0;
	pthread_mutex_unlock(&c->lock);
	return has;
}

size_t console_take(struct vm_console *c, uint8_t *buf, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	while (n < max && c->out.used > 0) {
		buf[n++] = (uint8_t)ring_get(&c->out);
	}
	pthread_mutex_unlock(&c->lock);
	return n;
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two byte queues between the guest's console device and the control thread.
 *
 * The device never waits: when output has passed the high-water mark, console_is_choked() says so
 * and the vCPU stands until the control thread has taken some. One exit can add at most
 * CONSOLE_SLACK bytes above the mark; more is dropped and counted.
 *
 * Output that was taken stays until newer bytes need its room, so that a new reader (a restarted
 * daemon) can begin again at the oldest byte: console_rewind(). While nobody reads, nobody is
 * choked: the newest CONSOLE_OUT_BYTES are kept.
 * Threads: every function takes the queue's own lock.
 */
#ifndef PINFOLD_VM_CONSOLE_H
#define PINFOLD_VM_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_HIGH_WATER 65536u
#define CONSOLE_SLACK	   65536u
#define CONSOLE_OUT_BYTES  (CONSOLE_HIGH_WATER + CONSOLE_SLACK)
#define CONSOLE_IN_BYTES   4096u

/** What the guest printed: byte number i lies at i modulo CONSOLE_OUT_BYTES. */
struct console_history {
	uint8_t *bytes;
	uint64_t total; /* printed */
	uint64_t taken; /* of these, given to the reader; at most CONSOLE_OUT_BYTES behind */
};

/** A ring of bytes. */
struct console_ring {
	uint8_t *bytes;
	size_t size;
	size_t head; /* next to take */
	size_t used;
};

struct vm_console {
	pthread_mutex_t lock;
	struct console_history out;
	struct console_ring in;
	bool is_eof;
	bool has_reader; /* somebody takes the output */
	uint64_t in_bytes, dropped;
};

/** @return 0; -ENOMEM (then console_done() frees what there is) */
int console_init(struct vm_console *c);

/** Free the queues. Accepts a zeroed console. */
void console_done(struct vm_console *c);

/** Device side: append a byte of output. */
void console_put(struct vm_console *c, uint8_t byte);

/** Device side: take a byte of input. @return the next byte; -1 when there is none now */
int console_get(struct vm_console *c);

/** Whether console_get() would give a byte. */
bool console_has_input(struct vm_console *c);

/** Whether all input was taken and no more will come. */
bool console_is_eof(struct vm_console *c);

/** Whether console_get() would answer at once: a byte, or the end of input. */
bool console_is_input_ready(struct vm_console *c);

/** Whether output is above the high-water mark. */
bool console_is_choked(struct vm_console *c);

/** Whether console_take() would give a byte. */
bool console_has_output(struct vm_console *c);

/** Control side: take output. @return bytes taken, at most @p max */
size_t console_take(struct vm_console *c, uint8_t *buf, size_t max);

/** Control side: whether somebody takes output from now on. At first nobody does. */
void console_set_reader(struct vm_console *c, bool has_reader);

/**
 * Control side: begin again at the oldest byte that is kept.
 * @return its number, counted from the first that was printed
 */
uint64_t console_rewind(struct vm_console *c);

/** Control side: append input. @return bytes accepted, at most @p n */
size_t console_give(struct vm_console *c, const uint8_t *buf, size_t n);

/** Control side: no more input will come. */
void console_set_eof(struct vm_console *c);

/** Whether console_give() would accept a byte. */
bool console_has_room(struct vm_console *c);

#endif

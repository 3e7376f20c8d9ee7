/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One writer thread behind a bounded queue, for work that becomes durable in groups.
 *
 * The writer takes everything that is waiting (up to a limit), hands it over as one group, and
 * completes each item when the group is done. While one group is being made durable the next one
 * gathers, so the group size follows the load and nothing ever waits for a timer: an item is done
 * after at most the group in progress and its own.
 *
 *   submit ──▶ [ waiting, bounded ] ──▶ writer: run(group) ──▶ done(arg, result), one per item
 *
 * The lock inherits priority and is held for a few pointer moves only, so a real-time dispatcher
 * may submit. Design: docs/design.md, section 2; docs/store.md, "The writer".
 */
#ifndef PINFOLD_DAEMON_STORE_QUEUE_H
#define PINFOLD_DAEMON_STORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

struct store_queue;

/**
 * Tells that an item is durable, or why it is not. Runs on the writer thread. It
 * may submit, but not wait.
 */
typedef void store_done_fn(void *arg, int result);

/** What every item starts with. The queue owns an item from submit until its release. */
struct store_work {
	struct store_work *next;
	store_done_fn *done; /**< may be NULL */
	void *arg;
	void (*release)(struct store_work *w); /**< frees the item; may be NULL */
	size_t cost_bytes;		       /**< what it counts against max_bytes */
	int result;			       /**< set by the group function */
	bool is_call;			       /**< its owner waits in store_queue_call() */
};

/** Do a group, in order, and set every result. Writer thread only. */
typedef void store_group_fn(void *ctx, struct store_work *list);

/** How a queue works. */
struct store_queue_options {
	const char *name; /**< of the thread, at most 15 characters */
	size_t max_items; /**< waiting, in work and not yet completed */
	size_t max_bytes; /**< the same, in bytes */
	size_t max_group; /**< items per group */
	store_group_fn *run;
	void *ctx;
};

/**
 * Start the writer thread. It inherits affinity and scheduling of the calling thread, and takes no
 * signals.
 * @return 0; -ENOMEM, -EMFILE, -EAGAIN
 */
int store_queue_new(const struct store_queue_options *o, struct store_queue **ret,
		    struct errmsg *e);

/** Do what is waiting, complete it, end the thread. NULL is allowed. Not from a callback. */
void store_queue_free(struct store_queue *q);

/**
 * Hand over an item. Any thread.
 * @return 0, then the queue owns it; -EAGAIN when the queue is full, then it stays with the caller,
 *         who tells the caller of its own to come back later
 */
int store_queue_submit(struct store_queue *q, struct store_work *w);

/**
 * Hand over an item without release function and wait until it is done. Waits for room, too.
 * @return its result
 * Thread: any but the writer.
 */
int store_queue_call(struct store_queue *q, struct store_work *w);

/** How many items are waiting, in work or not yet completed. */
size_t store_queue_depth(struct store_queue *q);

#endif

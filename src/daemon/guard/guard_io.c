/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See guard_io.h. A request belongs to whoever is last to use it: the caller may have given up. */
#include "daemon/guard/guard_io.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/bug.h"
#include "host/timer.h"

enum io_op { IO_OPEN, IO_CALL, IO_SHUT, IO_END };

/* What calls carry. */
union io_body {
	struct pinfold_guard_state state;
	struct pinfold_guard_bans bans;
	struct pinfold_guard_vm vm;
	struct pinfold_guard_id id;
};

struct io_request {
	struct io_request *next;
	enum io_op op;
	unsigned int code;
	union io_body body;
	int result;
	bool is_done;
	bool is_left; /* nobody waits for it */
};

/* Its thread and who made it each hold it. */
struct guard_io {
	const struct guard_dev *dev;
	void *dev_ctx;
	uint32_t reply_ms;
	int fd; /* the thread's */

	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	uint32_t refs;
	bool is_hung;
	int wake_fd; /* whom to tell when a call that had hung returns; -1: nobody any more */
	struct io_request *first, **last;
	struct io_request end;
};

static void io_put(struct guard_io *io)
{
	bool is_last;

	pthread_mutex_lock(&io->lock);
	is_last = --io->refs == 0;
	pthread_mutex_unlock(&io->lock);
	if (is_last) {
		pthread_mutex_destroy(&io->lock);
		pthread_cond_destroy(&io->wake);
		pthread_cond_destroy(&io->done);
		free(io);
	}
}

static void shut(struct guard_io *io)
{
	if (io->fd >= 0) {
		io->dev->close(io->dev_ctx, io->fd);
		io->fd = -1;
	}
}

static int carry_out(struct guard_io *io, struct io_request *rq)
{
	switch (rq->op) {
	case IO_OPEN:
		shut(io);
		io->fd = io->dev->open(io->dev_ctx, false);
		return io->fd;
	case IO_CALL:
		return io->fd < 0 ? -ENODEV
				  : io->dev->call(io->dev_ctx, io->fd, rq->code, &rq->body);
	case IO_SHUT:
	case IO_END:
		shut(io);
		return 0;
	}
	return -EINVAL;
}

static struct io_request *next_locked(struct guard_io *io)
{
	struct io_request *rq;

	while (!io->first) {
		pthread_cond_wait(&io->wake, &io->lock);
	}
	rq = io->first;
	io->first = rq->next;
	io->last = io->first ? io->last : &io->first;
	return rq;
}

static void finish_locked(struct guard_io *io, struct io_request *rq, int result)
{
	if (io->is_hung && io->wake_fd >= 0) {
		BUG_ON(eventfd_write(io->wake_fd, 1) < 0);
	}
	io->is_hung = false;
	rq->result = result;
	rq->is_done = true;
	if (rq->is_left) {
		free(rq);
	} else {
		pthread_cond_broadcast(&io->done);
	}
}

static void *io_main(void *arg)
{
	struct guard_io *io = arg;
	bool is_over = false;

	while (!is_over) {
		struct io_request *rq;
		int r;

		pthread_mutex_lock(&io->lock);
		rq = next_locked(io);
		pthread_mutex_unlock(&io->lock);
		is_over = rq->op == IO_END;
		r = carry_out(io, rq);
		pthread_mutex_lock(&io->lock);
		finish_locked(io, rq, r);
		pthread_mutex_unlock(&io->lock);
	}
	io_put(io);
	return NULL;
}

static void conds_init(struct guard_io *io)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&io->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&io->wake, &attr);
	pthread_cond_init(&io->done, &attr);
	pthread_condattr_destroy(&attr);
}

int guard_io_new(const struct guard_dev *dev, void *dev_ctx, uint32_t reply_ms, int wake_fd,
		 struct guard_io **ret)
{
	struct guard_io *io = calloc(1, sizeof(*io));
	pthread_t thread;
	int r;

	if (!io) {
		return -ENOMEM;
	}
	*io = (struct guard_io){ .dev = dev,
				 .dev_ctx = dev_ctx,
				 .reply_ms = reply_ms,
				 .wake_fd = wake_fd,
				 .fd = -1,
				 .refs = 2 };
	io->last = &io->first;
	conds_init(io);
	r = pthread_create(&thread, NULL, io_main, io);
	if (r != 0) {
		io->refs = 1;
		io_put(io);
		return -r;
	}
	pthread_setname_np(thread, "guard-io");
	pthread_detach(thread);
	*ret = io;
	return 0;
}

static void queue_locked(struct guard_io *io, struct io_request *rq)
{
	rq->next = NULL;
	*io->last = rq;
	io->last = &rq->next;
	pthread_cond_signal(&io->wake);
}

/* Wait for it; then it is ours to free, unless it hangs. @return 0; -ETIMEDOUT */
static int await_locked(struct guard_io *io, struct io_request *rq)
{
	struct timespec until = host_deadline((ns_t)io->reply_ms * NS_PER_MS);

	while (!rq->is_done) {
		if (pthread_cond_timedwait(&io->done, &io->lock, &until) == ETIMEDOUT &&
		    !rq->is_done) {
			rq->is_left = true;
			io->is_hung = true;
			return -ETIMEDOUT;
		}
	}
	return 0;
}

static int ask(struct guard_io *io, enum io_op op, unsigned int code, void *arg, size_t n)
{
	struct io_request *rq = calloc(1, sizeof(*rq));
	int r;

	BUG_ON(n > sizeof(rq->body));
	if (!rq) {
		return -ENOMEM;
	}
	rq->op = op;
	rq->code = code;
	if (n) {
		memcpy(&rq->body, arg, n);
	}
	pthread_mutex_lock(&io->lock);
	if (io->is_hung) {
		pthread_mutex_unlock(&io->lock);
		free(rq);
		return -ETIMEDOUT;
	}
	queue_locked(io, rq);
	r = await_locked(io, rq);
	pthread_mutex_unlock(&io->lock);
	if (r < 0) {
		return r;
	}
	r = rq->result;
	if (r == 0 && n) {
		memcpy(arg, &rq->body, n);
	}
	free(rq);
	return r;
}

int guard_io_open(struct guard_io *io)
{
	return ask(io, IO_OPEN, 0, NULL, 0);
}

int guard_io_call(struct guard_io *io, unsigned int request, void *arg, size_t n)
{
	return ask(io, IO_CALL, request, arg, n);
}

void guard_io_shut(struct guard_io *io)
{
	(void)ask(io, IO_SHUT, 0, NULL, 0); /* one that hangs is closed before the next is opened */
}

void guard_io_free(struct guard_io *io)
{
	if (io) {
		pthread_mutex_lock(&io->lock);
		io->wake_fd = -1;
		io->end = (struct io_request){ .op = IO_END };
		queue_locked(io, &io->end);
		pthread_mutex_unlock(&io->lock);
		io_put(io);
	}
}

bool guard_io_is_hung(struct guard_io *io)
{
	bool is;

	pthread_mutex_lock(&io->lock);
	is = io->is_hung;
	pthread_mutex_unlock(&io->lock);
	return is;
}

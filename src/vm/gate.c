/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPU's end of the slice protocol; see gate.h. The grant page is read-only for us and may
 * change at any time: its fields are read once, between two looks at the epoch. The thread sleeps
 * on two words at once, the scheduler's and our own (futex_waitv, Linux 5.16).
 */
#include "vm/gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/timer.h"

void gate_init(struct gate *g)
{
	memset(g, 0, sizeof(*g));
	g->notify_fd = -1;
}

static void *map_page(int fd, int prot, const char *what, struct errmsg *e)
{
	void *p = mmap(NULL, PAGE_BYTES, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		errmsg_set(e, -errno, "the %s page can't be mapped: %s", what, strerror(errno));
		return NULL;
	}
	return p;
}

int gate_attach(struct gate *g, int grant_fd, int ack_fd, int notify_fd, struct errmsg *e)
{
	struct grant_page *grant = map_page(grant_fd, PROT_READ, "grant", e);
	struct ack_page *ack = grant ? map_page(ack_fd, PROT_READ | PROT_WRITE, "ack", e) : NULL;

	if (!ack) {
		if (grant) {
			munmap(grant, PAGE_BYTES);
		}
		return -EINVAL;
	}
	if (grant->magic != GRANT_MAGIC || grant->revision != GRANT_REVISION ||
	    ack->magic != ACK_MAGIC || ack->revision != GRANT_REVISION) {
		munmap(grant, PAGE_BYTES);
		munmap(ack, PAGE_BYTES);
		return errmsg_set(e, -EINVAL, "the grant or ack page is of another revision");
	}
	gate_done(g);
	g->grant = grant;
	g->ack = ack;
	g->notify_fd = notify_fd;
	/* What was granted through an older page is void. */
	g->epoch = 0;
	g->done_epoch = 0;
	return 0;
}

void gate_done(struct gate *g)
{
	if (g->grant) {
		munmap((void *)(uintptr_t)g->grant, PAGE_BYTES);
		munmap(g->ack, PAGE_BYTES);
	}
	g->grant = NULL;
	g->ack = NULL;
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void tell(struct gate *g, enum ack_state state, uint64_t epoch, ns_t used_ns)
{
	const uint64_t one = 1;

	atomic_store(&g->ack->used_ns, used_ns);
	atomic_store(&g->ack->total_ns, host_clock_thread_cpu_ns());
	atomic_store(&g->ack->epoch, epoch);
	atomic_store(&g->ack->state, state);
	atomic_fetch_add(&g->ack->word, 1);
	if (write(g->notify_fd, &one, sizeof(one)) < 0) {
		return; /* the scheduler is gone or full of news: it looks at the page anyway */
	}
}

/* Fields of the current grant, all of one epoch. */
struct reading {
	uint64_t epoch, budget_ns, deadline_ns;
	bool is_revoked;
};

static struct reading read_grant(const struct grant_page *p)
{
	struct reading r;

	do {
		r.epoch = atomic_load(&p->epoch);
		r.budget_ns = atomic_load(&p->budget_ns);
		r.deadline_ns = atomic_load(&p->deadline_ns);
		r.is_revoked = atomic_load(&p->revoked) == r.epoch;
	} while (atomic_load(&p->epoch) != r.epoch);
	return r;
}

static ns_t remaining(const struct reading *r, ns_t used_ns)
{
	ns_t left = r->budget_ns > used_ns ? r->budget_ns - used_ns : 0;
	ns_t now_ns;

	if (r->deadline_ns != GRANT_NO_END) {
		now_ns = host_clock_monotonic_ns();
		if (r->deadline_ns <= now_ns) {
			return 0;
		}
		left = r->deadline_ns - now_ns < left ? r->deadline_ns - now_ns : left;
	}
	return left;
}

bool gate_is_open(struct gate *g, ns_t slice_ns, ns_t *ret_left_ns)
{
	struct reading r;
	ns_t left;

	if (!g->grant) {
		*ret_left_ns = slice_ns;
		return true;
	}
	r = read_grant(g->grant);
	if (r.epoch == 0 || r.epoch == g->done_epoch || r.is_revoked) {
		return false;
	}
	if (g->epoch == 0) {
		g->started_cpu_ns = host_clock_thread_cpu_ns();
		tell(g, ACK_RUNNING, r.epoch, 0);
	}
	g->epoch = r.epoch; /* a renewed grant counts from when the core was taken */
	left = remaining(&r, host_clock_thread_cpu_ns() - g->started_cpu_ns);
	if (left == 0) {
		return false;
	}
	/* An exclusive core still looks around now and then: limits, cells in RAM. */
	*ret_left_ns = left < slice_ns || r.budget_ns != GRANT_NO_END ? left : slice_ns;
	return true;
}

void gate_park(struct gate *g, bool wants_more)
{
	uint64_t epoch;

	if (!g->grant) {
		return;
	}
	epoch = g->epoch ? g->epoch : g->done_epoch;
	if (g->epoch == 0 && atomic_load(&g->ack->state) ==
				     (unsigned int)(wants_more ? ACK_PARKED : ACK_BLOCKED)) {
		return; /* said already */
	}
	g->done_epoch = epoch;
	tell(g, wants_more ? ACK_PARKED : ACK_BLOCKED, epoch,
	     g->epoch ? host_clock_thread_cpu_ns() - g->started_cpu_ns : 0);
	g->epoch = 0;
}

void gate_want(struct gate *g)
{
	gate_wake(g);
}

void gate_sleep(struct gate *g, uint32_t seen_wake, ns_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / NS_PER_S),
				  .tv_nsec = (long)(until_ns % NS_PER_S) };
	struct futex_waitv waiters[2] = {
		{ .uaddr = (uintptr_t)&g->wake, .val = seen_wake, .flags = FUTEX_32 },
	};
	unsigned int n = 1;

	if (g->grant) {
		uint32_t word = atomic_load(&g->grant->word);

		/* The word first, then the decision: a grant in between changes the word. */
		if (atomic_load(&g->grant->epoch) != g->done_epoch &&
		    atomic_load(&g->grant->epoch) != 0 &&
		    atomic_load(&g->grant->revoked) != atomic_load(&g->grant->epoch)) {
			return;
		}
		waiters[n++] = (struct futex_waitv){ .uaddr = (uintptr_t)&g->grant->word,
						     .val = word,
						     .flags = FUTEX_32 };
	}
	syscall(SYS_futex_waitv, waiters, n, 0, until_ns == GRANT_NO_END ? NULL : &until,
		CLOCK_MONOTONIC);
}

uint32_t gate_wake_word(const struct gate *g)
{
	return atomic_load(&g->wake);
}

void gate_wake(struct gate *g)
{
	atomic_fetch_add(&g->wake, 1);
	futex_wake(&g->wake);
}

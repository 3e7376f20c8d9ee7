/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See disks.h. */
#include "vm/disks.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/log.h"
#include "host/timer.h"
#include "vm/jail.h"

static void push(struct disks_queue *q, const struct disks_job *j)
{
	BUG_ON(q->n == DISKS_JOBS_MAX); /* the device bounds what is in flight */
	q->jobs[(q->head + q->n++) % DISKS_JOBS_MAX] = *j;
}

static bool pop(struct disks_queue *q, struct disks_job *ret)
{
	if (q->n == 0) {
		return false;
	}
	*ret = q->jobs[q->head];
	q->head = (q->head + 1) % DISKS_JOBS_MAX;
	q->n--;
	return true;
}

static int submit(void *opaque, struct blk_request *r)
{
	struct disks_disk *disk = opaque;
	struct vm_disks *d = disk->all;
	struct disks_job j = { .disk = (size_t)(disk - d->disk), .request = r };

	pthread_mutex_lock(&d->lock);
	push(&d->waiting, &j);
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return BLK_STARTED;
}

/* Read or write all of it; behind the file's end, in its last sector, there are zeros. */
static int transfer(const struct disks_disk *disk, const struct blk_request *r)
{
	uint64_t at = r->sector * BLK_SECTOR_BYTES;
	size_t left = (size_t)r->sectors * BLK_SECTOR_BYTES;
	uint8_t *buf = r->data;

	while (left > 0) {
		ssize_t n = r->op == BLK_READ ? pread(disk->fd, buf, left, (off_t)at)
					      : pwrite(disk->fd, buf, left, (off_t)at);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			memset(buf, 0, left);
			return r->op == BLK_READ ? 0 : -ENOSPC;
		}
		buf += n;
		at += (uint64_t)n;
		left -= (size_t)n;
	}
	return 0;
}

static int carry_out_overlay(struct overlay *o, const struct blk_request *r)
{
	uint64_t at = r->sector * BLK_SECTOR_BYTES;
	uint64_t bytes = (uint64_t)r->sectors * BLK_SECTOR_BYTES;

	switch (r->op) {
	case BLK_READ:
		return overlay_read(o, at, r->data, bytes);
	case BLK_WRITE:
		return overlay_write(o, at, r->data, bytes);
	case BLK_FLUSH:
		return overlay_flush(o);
	case BLK_DISCARD:
		return overlay_discard(o, at, bytes);
	case BLK_WRITE_ZEROES:
		return overlay_zero(o, at, bytes);
	}
	return -EOPNOTSUPP;
}

static int carry_out(const struct disks_disk *disk, const struct blk_request *r)
{
	if (disk->overlay) {
		return carry_out_overlay(disk->overlay, r);
	}
	switch (r->op) {
	case BLK_READ:
	case BLK_WRITE:
		return transfer(disk, r);
	case BLK_FLUSH:
		return fdatasync(disk->fd) < 0 ? -errno : 0;
	default:
		return -EOPNOTSUPP; /* not offered */
	}
}

/* Flush every overlay that has something to flush. */
static int sync_overlays(const struct vm_disks *d)
{
	int r = 0;

	for (size_t i = 0; i < d->n; i++) {
		struct overlay *o = d->disk[i].overlay;
		int one = o && overlay_is_dirty(o) ? overlay_flush(o) : 0;

		r = r < 0 ? r : one;
	}
	return r;
}

static bool is_any_dirty(const struct vm_disks *d)
{
	bool is_dirty = false;

	for (size_t i = 0; i < d->n; i++) {
		is_dirty |= d->disk[i].overlay && overlay_is_dirty(d->disk[i].overlay);
	}
	return is_dirty;
}

static void sync_locked(struct vm_disks *d)
{
	int r;

	pthread_mutex_unlock(&d->lock);
	r = sync_overlays(d);
	pthread_mutex_lock(&d->lock);
	d->synced = r;
	d->sync_due_ns = 0;
	if (d->waiting.n == 0) {
		d->wants_sync = false;
		pthread_cond_broadcast(&d->changed);
	}
}

/* The first job that waits. It stays in the queue until it is done, for disks_settle(). */
static void do_job_locked(struct vm_disks *d)
{
	struct disks_job j = d->waiting.jobs[d->waiting.head];
	bool is_dirty;

	pthread_mutex_unlock(&d->lock);
	j.result = carry_out(&d->disk[j.disk], j.request);
	is_dirty = is_any_dirty(d);
	pthread_mutex_lock(&d->lock);
	if (!is_dirty) {
		d->sync_due_ns = 0;
	} else if (d->sync_due_ns == 0) {
		d->sync_due_ns = host_clock_monotonic_ns() + DISKS_SYNC_NS;
	}
	push(&d->done, &j);
	pop(&d->waiting, &j);
	pthread_cond_broadcast(&d->changed);
	d->on_done(d->opaque);
}

static void wait_locked(struct vm_disks *d)
{
	struct timespec due = host_timespec(d->sync_due_ns);

	if (d->sync_due_ns) {
		pthread_cond_timedwait(&d->changed, &d->lock, &due);
	} else {
		pthread_cond_wait(&d->changed, &d->lock);
	}
}

static bool is_sync_due(const struct vm_disks *d)
{
	return d->sync_due_ns && host_clock_monotonic_ns() >= d->sync_due_ns;
}

static void serve(struct vm_disks *d)
{
	int r;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		if (is_sync_due(d) || (d->wants_sync && d->waiting.n == 0)) {
			sync_locked(d);
		} else if (d->waiting.n > 0) {
			do_job_locked(d);
		} else if (d->is_quitting) {
			break;
		} else {
			wait_locked(d);
		}
	}
	pthread_mutex_unlock(&d->lock);
	r = sync_overlays(d);
	if (r < 0) {
		log_warn("the last writes to a disk are lost error=\"%s\"", strerror(-r));
	}
}

static void *device_thread(void *arg)
{
	struct vm_disks *d = arg;
	struct errmsg e = { 0 };
	int r;

	prctl(PR_SET_NAME, "pinfold-dev");
	r = jail_thread_enter(&e);
	pthread_mutex_lock(&d->lock);
	d->entered = r;
	d->has_entered = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	if (r == 0) {
		serve(d);
	}
	return NULL;
}

static int open_disk(struct vm_disks *d, int fd, int overlay_fd, uint32_t idx, bool is_ro,
		     struct blk_backend *ret, struct errmsg *e)
{
	struct disks_disk *disk = &d->disk[idx];
	struct overlay *o = NULL;
	uint64_t bytes;
	int r = overlay_base_bytes(fd, &bytes);

	if (r < 0) {
		return errmsg_set(e, r, "disk %u: %s", idx, strerror(-r));
	}
	if (overlay_fd >= 0) {
		r = overlay_open(overlay_fd, fd, &o, e);
		if (r < 0) {
			errmsg_prefix(e, "disk %u: ", idx);
			return r;
		}
		bytes = overlay_form_of(o)->disk_bytes;
	}
	if (bytes < BLK_SECTOR_BYTES) {
		return errmsg_set(
			e, -EINVAL,
			"disk %u is smaller than a sector; make it larger (truncate -s 1G FILE)",
			idx);
	}
	*disk = (struct disks_disk){ .all = d, .fd = fd, .overlay = o, .bytes = bytes };
	*ret = (struct blk_backend){
		.opaque = disk,
		.sectors = bytes / BLK_SECTOR_BYTES,
		.is_ro = is_ro,
		.can_discard = o != NULL,
		.submit = submit,
	};
	return 0;
}

static void init_locks(struct vm_disks *d)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int disks_init(struct vm_disks *d, const int fds[MACHINE_DISKS_MAX],
	       const int overlays[MACHINE_DISKS_MAX], uint32_t ro, void (*on_done)(void *opaque),
	       void *opaque, struct blk_backend ret[MACHINE_DISKS_MAX], struct errmsg *e)
{
	int r = 0;

	d->on_done = on_done;
	d->opaque = opaque;
	init_locks(d);
	for (uint32_t i = 0; r == 0 && i < MACHINE_DISKS_MAX && fds[i] >= 0; i++) {
		r = open_disk(d, fds[i], overlays[i], i, ro & BIT(i), &ret[i], e);
		d->n += r == 0;
	}
	return r < 0 ? r : (int)d->n;
}

int disks_start(struct vm_disks *d, struct errmsg *e)
{
	int r;

	if (d->n == 0) {
		return 0;
	}
	r = pthread_create(&d->thread, NULL, device_thread, d);
	if (r != 0) {
		return errmsg_set(e, -r, "no thread for the disks: %s", strerror(r));
	}
	d->has_thread = true;
	/* The jail is closed after this, and checks every thread. */
	pthread_mutex_lock(&d->lock);
	while (!d->has_entered) {
		pthread_cond_wait(&d->changed, &d->lock);
	}
	r = d->entered;
	pthread_mutex_unlock(&d->lock);
	return r < 0 ? errmsg_set(e, r, "the thread of the disks keeps its rights: %s",
				  strerror(-r))
		     : 0;
}

void disks_done(struct vm_disks *d)
{
	if (d->has_thread) {
		pthread_mutex_lock(&d->lock);
		d->is_quitting = true;
		pthread_cond_broadcast(&d->changed);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
		d->has_thread = false;
	}
	for (size_t i = 0; i < d->n; i++) {
		overlay_free(d->disk[i].overlay);
		d->disk[i].overlay = NULL;
	}
}

void disks_collect(struct vm_disks *d, struct machine *m)
{
	struct disks_job j;
	bool has_one = d->n > 0;

	while (has_one) {
		pthread_mutex_lock(&d->lock);
		has_one = pop(&d->done, &j);
		pthread_mutex_unlock(&d->lock);
		if (has_one) {
			machine_disk_complete(m, j.disk, j.request, j.result);
		}
	}
}

int disks_settle(struct vm_disks *d, struct errmsg *e)
{
	int r;

	if (d->n == 0) {
		return 0;
	}
	pthread_mutex_lock(&d->lock);
	d->wants_sync = d->waiting.n > 0 || d->sync_due_ns;
	pthread_cond_broadcast(&d->changed);
	while (d->wants_sync) {
		pthread_cond_wait(&d->changed, &d->lock);
	}
	r = d->synced;
	pthread_mutex_unlock(&d->lock);
	return r < 0 ? errmsg_set(e, r, "a disk can't be flushed: %s", strerror(-r)) : 0;
}

uint64_t disks_file_bytes(const struct vm_disks *d)
{
	uint64_t most = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct disks_disk *disk = &d->disk[i];
		uint64_t bytes = disk->overlay ? overlay_file_bytes(disk->bytes) : disk->bytes;

		most = bytes > most ? bytes : most;
	}
	return most;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See disks.h. */
#include "vm/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/bug.h"
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

static int carry_out(const struct disks_disk *disk, const struct blk_request *r)
{
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

static void serve(struct vm_disks *d)
{
	struct disks_job j;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		if (d->waiting.n == 0) {
			if (d->is_quitting) {
				break;
			}
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		j = d->waiting.jobs
			    [d->waiting
				     .head]; /* it stays there until it is done, for disks_settle() */
		pthread_mutex_unlock(&d->lock);
		j.result = carry_out(&d->disk[j.disk], j.request);
		pthread_mutex_lock(&d->lock);
		push(&d->done, &j);
		pop(&d->waiting, &j);
		pthread_cond_broadcast(&d->changed);
		d->on_done(d->opaque);
	}
	pthread_mutex_unlock(&d->lock);
}

static void *device_thread(void *arg)
{
	struct vm_disks *d = arg;
	struct errmsg e = { 0 };

	prctl(PR_SET_NAME, "pinfold-dev");
	if (jail_thread_enter(&e) == 0) {
		serve(d);
	}
	return NULL;
}

static int open_disk(struct vm_disks *d, int fd, uint32_t idx, bool is_ro, struct blk_backend *ret,
		     struct errmsg *e)
{
	struct disks_disk *disk = &d->disk[idx];
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "disk %u: %s", idx, strerror(errno));
	}
	*disk = (struct disks_disk){ .all = d, .fd = fd, .bytes = (uint64_t)st.st_size };
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &disk->bytes) < 0) {
		return errmsg_set(e, -errno, "disk %u: its size can't be told: %s", idx,
				  strerror(errno));
	}
	if (disk->bytes < BLK_SECTOR_BYTES) {
		return errmsg_set(
			e, -EINVAL,
			"disk %u is smaller than a sector; make it larger (truncate -s 1G FILE)",
			idx);
	}
	*ret = (struct blk_backend){
		.opaque = disk,
		.sectors = disk->bytes / BLK_SECTOR_BYTES,
		.is_ro = is_ro,
		.submit = submit,
	};
	return 0;
}

int disks_init(struct vm_disks *d, const int fds[MACHINE_DISKS_MAX], uint32_t ro,
	       void (*on_done)(void *opaque), void *opaque,
	       struct blk_backend ret[MACHINE_DISKS_MAX], struct errmsg *e)
{
	int r = 0;

	d->on_done = on_done;
	d->opaque = opaque;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	for (uint32_t i = 0; r == 0 && i < MACHINE_DISKS_MAX && fds[i] >= 0; i++) {
		r = open_disk(d, fds[i], i, ro & BIT(i), &ret[i], e);
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
	return 0;
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

void disks_settle(struct vm_disks *d)
{
	if (d->n == 0) {
		return;
	}
	pthread_mutex_lock(&d->lock);
	while (d->waiting.n > 0) {
		pthread_cond_wait(&d->changed, &d->lock);
	}
	pthread_mutex_unlock(&d->lock);
}

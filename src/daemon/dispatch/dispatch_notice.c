/* SPDX-License-Identifier: GPL-2.0-or-later */
/* News for the life cycle: a ring behind a mutex that inherits priority, and an eventfd. */
#include <sys/eventfd.h>

#include "daemon/dispatch/dispatch_internal.h"

/* Besides two for each slot. */
#define SPARE 1024

int dispatch_notices_init(struct dispatch *d)
{
	d->notices_room = 2 * d->cfg.limits.vms + SPARE;
	d->notices = calloc(d->notices_room, sizeof(*d->notices));
	if (!d->notices) {
		return -ENOMEM;
	}
	d->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return d->notice_fd < 0 ? -errno : dispatch_mutex_init(&d->notice_lock);
}

void dispatch_notices_done(struct dispatch *d)
{
	free(d->notices);
	if (d->notice_fd >= 0) {
		close(d->notice_fd);
	}
}

void dispatch_notice_put(struct dispatch *d, const struct dispatch_notice *n)
{
	const uint64_t one = 1;
	bool is_first;

	pthread_mutex_lock(&d->notice_lock);
	is_first = d->notices_n == 0;
	if (d->notices_n == d->notices_room) {
		d->notices_lost++;
	} else {
		d->notices[(d->notices_first + d->notices_n) % d->notices_room] = *n;
		d->notices_n++;
	}
	/* Under the lock, so that the eventfd and the ring agree. It never blocks. */
	BUG_ON(is_first && write(d->notice_fd, &one, sizeof(one)) < 0);
	pthread_mutex_unlock(&d->notice_lock);
}

void dispatch_notice_slot(struct dispatch *d, enum dispatch_notice_type type,
			  enum sched_reason reason, const struct slot *sl, uint16_t core)
{
	struct dispatch_notice n = {
		.type = type, .reason = reason, .slot = sl->number, .gen = sl->gen, .core = core
	};

	dispatch_notice_put(d, &n);
}

int dispatch_notice_fd(const struct dispatch *d)
{
	return d->notice_fd;
}

bool dispatch_notice_take(struct dispatch *d, struct dispatch_notice *ret)
{
	bool has_one;
	uint64_t n;

	pthread_mutex_lock(&d->notice_lock);
	has_one = d->notices_n > 0;
	if (has_one) {
		*ret = d->notices[d->notices_first];
		d->notices_first = (d->notices_first + 1) % d->notices_room;
		d->notices_n--;
		BUG_ON(d->notices_n == 0 && read(d->notice_fd, &n, sizeof(n)) < 0);
	}
	pthread_mutex_unlock(&d->notice_lock);
	return has_one;
}

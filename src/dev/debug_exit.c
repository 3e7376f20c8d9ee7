/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One write-only register; reads give zero. It has no state. */
#include "dev/debug_exit.h"

#include <stdlib.h>

struct debug_exit {
	struct dev_host host;
};

static enum dev_result debug_exit_access(void *dev, struct dev_access *a)
{
	const struct debug_exit *d = dev;

	if (a->offset >= DEBUG_EXIT_RANGE_BYTES || a->bytes > 4) {
		return DEV_UNMAPPED;
	}
	if (!a->is_write) {
		a->value = 0;
		return DEV_OK;
	}
	d->host.stop(d->host.opaque, DEV_STOP_EXIT, low_bytes(a->value, a->bytes) << 1 | 1, NULL);
	return DEV_STOP;
}

static void debug_exit_destroy(void *dev)
{
	free(dev);
}

const struct dev_ops debug_exit_ops = {
	.name = "debug-exit",
	.access = debug_exit_access,
	.destroy = debug_exit_destroy,
};

struct debug_exit *debug_exit_new(const struct dev_host *host)
{
	struct debug_exit *d = calloc(1, sizeof(*d));

	if (d) {
		d->host = *host;
	}
	return d;
}

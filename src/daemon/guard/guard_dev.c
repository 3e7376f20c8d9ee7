/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices as the module makes them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/guard/guard.h"

#define DEVICE	   "/dev/pinfold-guard"
#define LOG_DEVICE "/dev/pinfold-guard-log"

static bool host_is_there(void *ctx)
{
	(void)ctx;
	return access(DEVICE, F_OK) == 0;
}

static bool host_is_let_go(void *ctx, int fd)
{
	struct pollfd p = { .fd = fd };

	(void)ctx;
	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static int host_open(void *ctx, bool is_log)
{
	int fd = is_log ? open(LOG_DEVICE, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
			: open(DEVICE, O_RDWR | O_CLOEXEC);

	(void)ctx;
	return fd < 0 ? -errno : fd;
}

static int host_call(void *ctx, int fd, unsigned int request, void *arg)
{
	(void)ctx;
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static ssize_t host_read(void *ctx, int fd, void *buf, size_t n)
{
	ssize_t got = read(fd, buf, n);

	(void)ctx;
	return got < 0 ? -errno : got;
}

static void host_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

const struct guard_dev guard_dev_host = { .is_there = host_is_there,
					  .is_let_go = host_is_let_go,
					  .open = host_open,
					  .call = host_call,
					  .read = host_read,
					  .close = host_close };

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls to the guard, one at a time on a thread of their own: a call that hangs holds up whoever asked
 * for reply_ms, and after that nobody, until it returns.
 */
#ifndef PINFOLD_DAEMON_GUARD_IO_H
#define PINFOLD_DAEMON_GUARD_IO_H

#include "daemon/guard/guard.h"

struct guard_io;

/**
 * @param wake_fd eventfd that is written when a call that had hung returns; stays with the caller
 * @return 0; -ENOMEM, -EAGAIN
 */
int guard_io_new(const struct guard_dev *dev, void *dev_ctx, uint32_t reply_ms, int wake_fd,
		 struct guard_io **ret);

/** Close the device. A thread that hangs is left behind, with what it uses. NULL is allowed. */
void guard_io_free(struct guard_io *io);

/** Open the device. @return descriptor for poll(), which stays here; negative errno */
int guard_io_open(struct guard_io *io);

/** Close it; nobody polls it any more. */
void guard_io_shut(struct guard_io *io);

/**
 * A call. @param arg its argument of @p n bytes, replaced by what comes back if that is 0; may be NULL
 * @return what the device says; -ETIMEDOUT it hangs; -ENODEV it is not open
 * Thread: any.
 */
int guard_io_call(struct guard_io *io, unsigned int request, void *arg, size_t n);

/** Whether a call hangs. */
bool guard_io_is_hung(struct guard_io *io);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stack for signal handlers: translated guest code uses the stack pointer for its own ends, so whoever handles a signal of a
 * thread that runs it must not push anything there.
 */
#ifndef PINFOLD_HOST_SIGSTACK_H
#define PINFOLD_HOST_SIGSTACK_H

#include "base/errmsg.h"

/**
 * Give the calling thread an alternate stack for its signal handlers (SA_ONSTACK), unless it has one: sanitizers give their own
 * and want it back. It stays as long as the thread, and is not given back.
 * @return 0; negative errno with a sentence
 */
int host_signal_stack(struct errmsg *e);

#endif

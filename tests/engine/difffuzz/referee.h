/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a referee needs to know about the CPU it runs on: one file per architecture. */
#ifndef TESTS_DIFFFUZZ_REFEREE_H
#define TESTS_DIFFFUZZ_REFEREE_H

#include <signal.h>
#include <ucontext.h>

#include "wire.h"

/** Make returning from the signal handler start a case at its first instruction. */
void referee_context_load(ucontext_t *uc, const struct wire_case *c);

/** Fetch the registers at which a case stopped. */
void referee_context_save(const ucontext_t *uc, struct wire_state *ret);

/** Once, before the first case. */
void referee_prepare(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stacks for signal handlers. */
#include "host/sigstack.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

#define STACK_BYTES 65536u

/* One with a page before it that nothing may touch. */
static uint8_t *stack_new(void)
{
	uint8_t *p = mmap(NULL, STACK_BYTES + PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		return NULL;
	}
	if (mprotect(p, PAGE_BYTES, PROT_NONE) < 0) {
		munmap(p, STACK_BYTES + PAGE_BYTES);
		return NULL;
	}
	return p + PAGE_BYTES;
}

static _Thread_local bool has_stack;

int host_signal_stack(struct errmsg *e)
{
	stack_t stack = { .ss_size = STACK_BYTES };
	stack_t old;

	if (has_stack) {
		return 0;
	}
	if (sigaltstack(NULL, &old) < 0) {
		return errmsg_set(e, -errno, "no stack for signals: %s", strerror(errno));
	}
	if (old.ss_flags & SS_DISABLE) {
		stack.ss_sp = stack_new();
		if (!stack.ss_sp || sigaltstack(&stack, NULL) < 0) {
			return errmsg_set(e, -errno, "no stack for signals: %s", strerror(errno));
		}
	}
	has_stack = true;
	return 0;
}

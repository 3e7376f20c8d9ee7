/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of translated code: an access that a window does not serve arrives as SIGSEGV. The handler only makes the code
 * leave; what the access needs is done outside of it, in the run loop.
 *
 * A fault of anything else goes to whoever handled it before, at last to the kernel.
 */
#include "engine/dbt/dbt_priv.h"

#include <errno.h>
#include <string.h>

static _Thread_local struct dbt_engine *volatile owner;
static struct sigaction old_segv, old_bus;
static bool is_installed;

static void pass_on(const struct sigaction *old, int signo, siginfo_t *info, void *uc)
{
	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(signo, info, uc);
	} else if (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
		/* Back to the instruction, which faults again, for good. */
		signal(signo, SIG_DFL);
	} else {
		old->sa_handler(signo);
	}
}

static void on_fault(int signo, siginfo_t *info, void *uc)
{
	struct dbt_engine *d = owner;

	if (!d || !emit_on_signal(d->em, info, uc)) {
		pass_on(signo == SIGSEGV ? &old_segv : &old_bus, signo, info, uc);
	}
}

int dbt_signal_init(struct errmsg *e)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	if (is_installed) {
		return 0;
	}
	sigfillset(&sa.sa_mask); /* a kick comes after the fault has been dealt with */
	if (sigaction(SIGSEGV, &sa, &old_segv) < 0 || sigaction(SIGBUS, &sa, &old_bus) < 0) {
		return errmsg_set(e, -errno, "no handler for faults: %s", strerror(errno));
	}
	is_installed = true;
	return 0;
}

void dbt_signal_own(struct dbt_engine *d)
{
	owner = d;
}

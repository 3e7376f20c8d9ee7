/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own mistakes: checks that are always compiled in, and costly ones for debug builds. */
#ifndef PINFOLD_BASE_BUG_H
#define PINFOLD_BASE_BUG_H

/**
 * Report a broken invariant on stderr and abort. Async-signal-safe.
 * @param what the condition that held and must not
 * @param file source file
 * @param line source line
 */
_Noreturn void bug_report(const char *what, const char *file, int line);

/** Abort when @p cond holds: a mistake of ours, never something a guest or user can cause. */
#define BUG_ON(cond)                                           \
	do {                                                   \
		if (__builtin_expect(!!(cond), 0)) {           \
			bug_report(#cond, __FILE__, __LINE__); \
		}                                              \
	} while (0)

/** Like BUG_ON(!cond), for checks too costly for release builds. */
#ifdef NDEBUG
#define dbg_assert(cond) ((void)sizeof(!(cond)))
#else
#define dbg_assert(cond) BUG_ON(!(cond))
#endif

#endif

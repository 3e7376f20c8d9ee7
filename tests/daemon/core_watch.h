/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who takes a pool core from VMs while something is measured there: every stretch in which an ordinary
 * task (not a real-time one, not the idle one) runs on it, from the kernel's trace of task switches. For a
 * VM with real-time priority these are the stretches that the kernel's fair server grants.
 */
#ifndef PINFOLD_TESTS_CORE_WATCH_H
#define PINFOLD_TESTS_CORE_WATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct core_watch;

/** Begin. @return NULL: tracing is not allowed here */
struct core_watch *core_watch_begin(unsigned int host_core);

/** No more; what was seen can be asked for. @return 0; -EOVERFLOW the trace has a hole; negative errno */
int core_watch_end(struct core_watch *w);

/** How long ordinary tasks had the core between two moments of CLOCK_MONOTONIC. */
uint64_t core_watch_taken_ns(const struct core_watch *w, uint64_t from_ns, uint64_t to_ns);

/** Print for how much of the time they had it, and which had it longest. */
void core_watch_print(const struct core_watch *w);

/** Something that was waited for. */
struct core_span {
	uint64_t from_ns, to_ns;
	const char *kind; /**< the same pointer for all of a kind */
};

/**
 * End the watch, print how long things took, the same less what ordinary tasks had of the core meanwhile,
 * of which kind those are that took more than a millisecond of that, and who had the core; and free it.
 * @param w NULL: only the first
 */
void core_watch_report(struct core_watch *w, const char *what, const struct core_span *spans,
		       size_t n);

/** Forget everything. NULL is allowed. */
void core_watch_free(struct core_watch *w);

/** Remove what a process that ended early left behind. */
void core_watch_sweep(pid_t pid);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cleanup attributes for local resources in user space. */
#ifndef PINFOLD_BASE_CLEANUP_H
#define PINFOLD_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_p(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_p(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

static inline void cleanup_fclose_p(FILE **f)
{
	if (*f) {
		fclose(*f);
	}
}

/** free() at the end of the scope. */
#define _cleanup_free_ __attribute__((cleanup(cleanup_free_p)))
/** close() at the end of the scope; initialise to -1. */
#define _cleanup_close_ __attribute__((cleanup(cleanup_close_p)))
/** fclose() at the end of the scope; initialise to NULL. */
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_fclose_p)))

/** Give a descriptor away: returns it and leaves -1 behind, so that the cleanup does nothing. */
static inline int steal_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/** Give a pointer away: evaluates to it and leaves NULL behind. */
#define steal_ptr(pp)                              \
	({                                         \
		__typeof__(*(pp)) stolen_ = *(pp); \
		*(pp) = NULL;                      \
		stolen_;                           \
	})

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures of one kind, for medians and tails. */
#ifndef PINFOLD_BENCH_SERIES_H
#define PINFOLD_BENCH_SERIES_H

#include <stddef.h>

/** Zeroed: empty. */
struct series {
	double *value;
	size_t n, room;
};

/** One more. Ends the program without memory. */
void series_add(struct series *s, double v);

/** The value at a part (0 to 1) of all, sorted; NAN when there is none. */
double series_quantile(struct series *s, double part);

/** Forget all of them. */
void series_done(struct series *s);

#endif

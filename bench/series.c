/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See series.h. */
#include "bench/series.h"

#include <math.h>
#include <stdlib.h>

void series_add(struct series *s, double v)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->value = realloc(s->value, s->room * sizeof(double));
		if (!s->value) {
			exit(1);
		}
	}
	s->value[s->n++] = v;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double series_quantile(struct series *s, double part)
{
	if (s->n == 0) {
		return NAN;
	}
	qsort(s->value, s->n, sizeof(double), by_size);
	return s->value[(size_t)(part * (double)(s->n - 1))];
}

void series_done(struct series *s)
{
	free(s->value);
	*s = (struct series){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One timer per core: a tree of times, eight to a cache line. A leaf holds its core's time, an entry
 * above the least of the eight below it. To set a timer takes one line per level, and no branch depends
 * on a time: of those in a heap, half go wrong. Of equal times that of the lowest core comes first.
 */
#include "sched/sched_internal.h"

#define FAN 8U

static ns_t least(ns_t a, ns_t b)
{
	return a < b ? a : b;
}

static ns_t least_of(const ns_t t[FAN])
{
	ns_t low = least(least(t[0], t[1]), least(t[2], t[3]));
	ns_t high = least(least(t[4], t[5]), least(t[6], t[7]));

	return least(low, high);
}

static ns_t *entries(const struct sched *s, uint32_t level)
{
	return (ns_t *)sched_at(s, s->off_timers) + s->timer_level[level];
}

size_t sched_timer_lay_out(struct sched *s, uint32_t cores)
{
	uint32_t n = cores;
	uint32_t total = 0;

	s->timer_levels = 0;
	do {
		uint32_t groups = (n + FAN - 1) / FAN;

		s->timer_level[s->timer_levels++] = total;
		total += groups * FAN;
		n = groups;
	} while (n > 1);
	return total;
}

void sched_timer_init(struct sched *s)
{
	size_t n = sched_timer_lay_out(s, s->cfg.limits.cores);

	for (size_t i = 0; i < n; i++) {
		entries(s, 0)[i] = SCHED_NEVER;
	}
	s->timer_first_ns = SCHED_NEVER;
}

void sched_timer_set(struct sched *s, uint32_t core, ns_t at_ns)
{
	uint32_t i = core;

	sched_core(s, core)->timer_ns = at_ns;
	for (uint32_t l = 0; l < s->timer_levels; l++) {
		ns_t *group = &entries(s, l)[i / FAN * FAN];

		group[i % FAN] = at_ns;
		at_ns = least_of(group);
		i /= FAN;
	}
	s->timer_first_ns = at_ns;
}

void sched_timer_clear(struct sched *s, uint32_t core)
{
	if (sched_core(s, core)->timer_ns != SCHED_NEVER) {
		sched_timer_set(s, core, SCHED_NEVER);
	}
}

uint32_t sched_timer_first(const struct sched *s)
{
	uint32_t core = 0;

	for (uint32_t l = s->timer_levels; l-- > 0;) {
		const ns_t *group = &entries(s, l)[core * FAN];
		uint32_t found = 0;

		for (uint32_t i = 0; i < FAN; i++) {
			found |= (uint32_t)(group[i] == s->timer_first_ns) << i;
		}
		core = core * FAN + (uint32_t)__builtin_ctz(found);
	}
	return core;
}

bool sched_timer_is_right(const struct sched *s)
{
	uint32_t n = s->cfg.limits.cores;

	for (uint32_t i = 0; i < n; i++) {
		if (entries(s, 0)[i] != sched_core(s, i)->timer_ns) {
			return false;
		}
	}
	for (uint32_t l = 0; l < s->timer_levels; l++) {
		n = (n + FAN - 1) / FAN;
		for (uint32_t i = 0; i < n; i++) {
			const ns_t *up = l + 1 < s->timer_levels ? &entries(s, l + 1)[i]
								 : &s->timer_first_ns;

			if (*up != least_of(&entries(s, l)[i * FAN])) {
				return false;
			}
		}
	}
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two terminals of one guard, driven by bytes of any origin: what is typed, right and wrong answers, time,
 * VMs that come and go, the token, threads that hang and are replaced. A model beside them knows who has
 * authority for what; the program aborts when something is done, shown or written that must not be.
 */
#ifndef PINFOLD_TESTS_GUARD_DRIVE_H
#define PINFOLD_TESTS_GUARD_DRIVE_H

#include <stddef.h>
#include <stdint.h>

struct drive_counts {
	uint64_t lines, deeds, answers,
		replaced; /* lines ended, ops done, right answers, threads given up */
};

/** Drive a new world by @p n bytes; adds to @p counts. */
void drive(const uint8_t *data, size_t n, struct drive_counts *counts);

#endif

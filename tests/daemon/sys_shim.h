/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands between a program and its system calls: fails one of them, or records what they do to the
 * files below one folder, so that every state a power cut could leave behind can be rebuilt.
 *
 * It works by symbol interposition, so it sees the calls of SQLite and of our own code alike.
 *
 * Rules of the rebuilt disk: data is safe up to the last sync of its file; what was written since
 * may be there, missing, torn at any 512 byte sector, or there in another order. Names (create,
 * rename, remove) are safe after a sync of their folder; of the others any number, in order.
 */
#ifndef PINFOLD_TESTS_DAEMON_SYS_SHIM_H
#define PINFOLD_TESTS_DAEMON_SYS_SHIM_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bug.h"

/** Fail call number @p nth from now (1 is the next one) with @p err, once. 0: only count. */
void shim_arm(unsigned int nth, int err);
/** Stop failing and counting. @return how many calls were seen since shim_arm() */
unsigned int shim_disarm(void);
/** Whether the armed failure happened. */
int shim_has_fired(void);
/** Fail allocations of SQLite and of our own objects instead of system calls. */
void shim_arm_memory(unsigned int nth);
/** Make SQLite allocate through the shim. Before its first use. */
void shim_init(void);

/** Start recording below @p dir, an absolute path. What is there now is safe. */
void shim_record(const char *dir);
/** End the record. @return how many steps it has */
size_t shim_record_end(void);
/** Put a mark into the record: from here on @p value is acknowledged. */
void shim_mark(uint64_t value);
/**
 * Rebuild the folder as a power cut after @p step steps may leave it.
 * @param to   empty folder
 * @param seed of the choices
 * @return the value of the last mark before the cut; 0: none
 */
uint64_t shim_rebuild(size_t step, uint64_t seed, const char *to);
/** Forget the record. */
void shim_record_free(void);

/** A number below @p n; the same seed gives the same ones. */
static inline uint64_t random_below(uint64_t *seed, uint64_t n)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 33) % n;
}

/** How many descriptors this process has open; only differences mean something. */
static inline size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	BUG_ON(!d);
	while (readdir(d)) {
		n++;
	}
	closedir(d);
	return n;
}

#endif

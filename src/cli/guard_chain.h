/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a copy of the guard's log is what the guard wrote: struct pinfold_guard_record, docs/guard.md
 * ("Copies of the log"). Shares no code with the module. Looks at one record after the other, in the order of
 * the copy; no clock, no files.
 *
 * The chain alone shows that nothing in the middle was changed, removed or swapped. Who can rewrite the copy can
 * rewrite all of it, from any record on; only what is known from elsewhere shows that: anchors.
 */
#ifndef PINFOLD_CLI_GUARD_CHAIN_H
#define PINFOLD_CLI_GUARD_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uapi/pinfold_guard.h"

#define GUARD_HASH_BYTES  32u
#define GUARD_PLACE_BYTES 32u

/** The hash of a record that is known from elsewhere. */
struct guard_anchor {
	uint64_t instance, seq;
	uint8_t hash[GUARD_HASH_BYTES];
	bool is_live; /**< the module says so now; a copy need not reach as far */
};

/** What is found at a record. */
enum guard_finding {
	GUARD_INTACT,
	GUARD_NO_RECORD,      /**< not the form of a record */
	GUARD_BAD_HASH,	      /**< it was changed */
	GUARD_BAD_SEQ,	      /**< another one stands where this one belongs */
	GUARD_MISSING,	      /**< it is not there, a later one is */
	GUARD_BAD_CHAIN,      /**< does not follow from the one before */
	GUARD_OTHER_INSTANCE, /**< the log of another loading of the module */
	GUARD_REPLACED,	      /**< an anchor knows another one */
	GUARD_CUT,	      /**< an anchor knows it, the copy ends before it */
	GUARD_UNFINISHED,     /**< the copy ends within it */
};

/** A walk along a copy. Set instance and anchors, the rest is zero. */
struct guard_chain {
	bool has_instance; /**< else it is what an anchor says that fits record 1, or unknown */
	uint64_t instance;
	const struct guard_anchor *anchors; /**< in the order of guard_anchors_sort() */
	size_t n_anchors;

	uint64_t first, last; /**< numbers of the good records so far; 0: none yet */
	uint64_t n_records;
	uint8_t head[GUARD_HASH_BYTES]; /**< hash of the last one */
	uint64_t proven; /**< an anchor proves everything up to this number; 0: nothing */
	bool is_live;	 /**< and that anchor is the module itself */
};

/** Put anchors into the order in which they are looked for. */
void guard_anchors_sort(struct guard_anchor *anchors, size_t n);

/** The next record. What is found wrong ends the walk, and leaves @p c as it was. */
enum guard_finding guard_chain_step(struct guard_chain *c, const struct pinfold_guard_record *r);

/** After the last record: GUARD_INTACT or GUARD_CUT. */
enum guard_finding guard_chain_end(const struct guard_chain *c);

/** A finding in words: "was changed". */
const char *guard_finding_text(enum guard_finding finding);

/** What a finding of the next step is about: "record 7", or "the first record". @return @p buf */
const char *guard_chain_place(const struct guard_chain *c, char buf[GUARD_PLACE_BYTES]);

#endif

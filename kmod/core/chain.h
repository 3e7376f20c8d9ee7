/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guard's log: a ring of records, each with the hash of the one before (uapi/pinfold_guard.h,
 * struct pinfold_guard_record). Every function takes the lock itself and may be called from any context.
 *
 * Equal events in a row are written once; their repetitions are counted and written as one record when
 * something else happens, or when chain_flush() is called (by whoever reads, and when a terminal goes to
 * sleep); its times are those of the last of them. Of two events the kind, terminal, channel, result and
 * text decide whether they are equal; COMMAND and RESULT are never counted together.
 *
 * A record of kind COMMAND, RESULT, ENFORCED, LOAD or UNLOAD is not overwritten before it was exported
 * (chain_exported()). When it stands in the way, the ring fills up behind it. What may use the last places
 * is so arranged that noise keeps out nothing that matters, and nothing keeps out commands:
 *
 *   the last quarter	COMMAND, RESULT, ENFORCED, LOAD, UNLOAD
 *   the last eighth	COMMAND and its RESULT
 *
 * A COMMAND reserves a place for one RESULT of its terminal.
 *
 * What finds no place is counted, and the next record written begins with "(N lost) ".
 */
#ifndef PINFOLD_GUARD_CHAIN_H
#define PINFOLD_GUARD_CHAIN_H

#include "../uapi/pinfold_guard.h"
#include "port.h"

#define CHAIN_SIZE_MIN 64
#define CHAIN_SIZE_MAX 16384

/* Where records are kept, and what they need. None of it may wait. */
struct chain_ops {
	void (*store)(void *ctx, u32 index, const struct pinfold_guard_record *r);
	void (*load)(void *ctx, u32 index, struct pinfold_guard_record *ret);
	void (*sha256)(const void *bytes, size_t n, u8 ret[32]);
	u64 (*boot_ns)(void *ctx);
	u64 (*real_ns)(void *ctx);
};

/* What happened. */
struct chain_event {
	enum pinfold_guard_kind kind;
	u8 terminal, channel; /* 'A', 'B'; 's', 'c'; or 0 */
	int result;	      /* 0 or negative errno */
	const char *text; /* cut off after PINFOLD_GUARD_TEXT_BYTES; unprintable bytes become '?' */
	/* Unless NULL: whether who may still write. Asked with the lock held: must not wait. */
	bool (*may_write)(const void *who);
	const void *who;
	bool is_owed; /* nothing is written unless the terminal's COMMAND still lacks its RESULT */
};

struct chain {
	struct port_lock lock;
	const struct chain_ops *ops;
	void *ctx;
	u32 size;	 /* records of the ring */
	u64 first, last; /* numbers in the ring; last 0: none yet */
	u64 exported;
	u64 kept;    /* the oldest that must not be overwritten; 0: none */
	u64 lost;    /* events that found no place since the last record */
	u8 owed;     /* terminals whose COMMAND has no RESULT yet: bits */
	u8 head[32]; /* hash of the last record, or of the instance */
	/* The last event, if it may be repeated (else kind 0). count: repetitions that are not written yet */
	struct pinfold_guard_record repeated;
	u64 important[CHAIN_SIZE_MAX /
		      64]; /* by index: is not to be overwritten before it was exported */
};

/** Begin an empty ring of @p size records (CHAIN_SIZE_...). @p ops and @p ctx stay the caller's. */
void chain_init(struct chain *c, u32 size, u64 instance, const struct chain_ops *ops, void *ctx);

/** Write what happened. @return false: the event's own conditions did not hold, nothing was written */
bool chain_append(struct chain *c, const struct chain_event *e);

/** Whether there is place for a command and its result, even if the other terminal begins one too. */
bool chain_can_begin(struct chain *c);

/** Write repetitions that are only counted yet. */
void chain_flush(struct chain *c);

/**
 * Copy the record with the number @p seq, or the oldest one after it that is left.
 * @return 0; -EAGAIN: nothing that new
 */
int chain_read(struct chain *c, u64 seq, struct pinfold_guard_record *ret);

/** Records up to @p seq are safe elsewhere. @return 0; -EINVAL: there is no such record yet */
int chain_exported(struct chain *c, u64 seq);

/** Numbers (0: none yet) and head for PINFOLD_GUARD_STATE. Each may be NULL. */
void chain_numbers(struct chain *c, u64 *ret_first, u64 *ret_last, u64 *ret_exported,
		   u8 ret_head[32]);

#endif

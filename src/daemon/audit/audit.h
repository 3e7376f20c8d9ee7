/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit log: one record for every request that changed anything, in a form that cannot be
 * changed afterwards without being found out.
 *
 * Each record carries the hash of the one before and a MAC under a key that is used once: the next
 * key is made from it and the old one is erased. Who takes the machine over today can therefore
 * not rewrite yesterday. The first key, made at the first start, is what verifies; it belongs on
 * another machine. Format, keys and threat model: docs/audit.md.
 *
 *   STATE_DIR/audit/   verify.key   the first key: move it away
 *                      state        current key, place and hash, written after each group
 *                      log.000001   records, then log.000002 ...
 */
#ifndef PINFOLD_DAEMON_AUDIT_H
#define PINFOLD_DAEMON_AUDIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "daemon/store/store_queue.h"

#define AUDIT_KEY_BYTES	    32u
#define AUDIT_HASH_BYTES    32u
#define AUDIT_OPERATION_MAX 128u
#define AUDIT_ARGUMENTS_MAX 32768u
#define AUDIT_HEADER_BYTES  80u
#define AUDIT_RECORD_MAX    (AUDIT_HEADER_BYTES + AUDIT_OPERATION_MAX + AUDIT_ARGUMENTS_MAX + 32u)
/** A printed anchor, with its NUL. */
#define AUDIT_ANCHOR_BYTES 112u

/** What a record is. */
enum audit_kind {
	AUDIT_REQUEST = 1, /**< somebody asked for a change */
	AUDIT_HEARTBEAT,   /**< the daemon was alive; written also when nothing happens */
	AUDIT_START,	   /**< the daemon started here */
	AUDIT_CONTINUE,	   /**< first record of a file */
	AUDIT_KINDS_END,
};

/** What somebody did. */
struct audit_entry {
	uint32_t uid, pid;
	int32_t result; /**< 0 or negative errno */
	const char *operation;
	const char *arguments; /**< JSON as it came through the API */
};

/** A record as it is read. The texts are not terminated and live as long as the bytes read. */
struct audit_record {
	enum audit_kind kind;
	uint64_t seq, time_ns; /**< time is real time, and only data */
	uint32_t uid, pid;
	int32_t result;
	const char *operation, *arguments;
	size_t operation_bytes, arguments_bytes;
	uint8_t hash[AUDIT_HASH_BYTES]; /**< of the whole record */
};

/** A record's hash that is known outside: the log up to there cannot be replaced any more. */
struct audit_anchor {
	uint64_t seq;
	uint8_t hash[AUDIT_HASH_BYTES];
};

/** How a log is opened; fill with audit_options_defaults() first. */
struct audit_options {
	const char *state_dir;
	uint64_t max_file_bytes; /**< a file that is larger is followed by the next one */
	uint32_t max_files;	 /**< the oldest are removed beyond this; 0: never */
	size_t max_queue_items, max_queue_bytes, max_group;
	int anchor_fd; /**< receives an anchor line after each heartbeat; -1: none; not closed */
};

/** Bytes for the note of a heartbeat, with its end. */
#define AUDIT_NOTE_BYTES 128

/** What audit_open() found. */
struct audit_report {
	char note[AUDIT_NOTE_BYTES]; /**< of the last heartbeat; empty when there is none */
	bool is_fresh;
	bool has_aside;		 /**< an earlier log could not be carried on */
	uint64_t repaired_bytes; /**< of an append that a crash had cut short, never acknowledged */
	uint64_t recovered;	 /**< whole records behind the last acknowledged one, kept */
	char notice[ERRMSG_SIZE + 192]; /**< for the log; empty when all was well */
};

struct audit;

/** Fill @p o with the values that suit most. */
void audit_options_defaults(struct audit_options *o);

/**
 * Open the log, finish or undo what a crash interrupted, write a start record. A log that cannot be
 * carried on (changed by hand, or its state is gone) is set aside whole and a new one begins.
 * @return 0; -EPERM, -EBUSY as store_open(); -EIO, -ENOSPC, -ENOMEM ...
 */
int audit_open(const struct audit_options *o, struct audit **ret, struct audit_report *ret_report,
	       struct errmsg *e);

/** Write what is waiting, close. NULL is allowed. */
void audit_close(struct audit *a);

/**
 * Hand over an entry; the texts are copied.
 * @param done told 0 when the record is durable and its key is gone; may be NULL
 * @return 0; -EAGAIN queue full; -EINVAL, -E2BIG bad texts; -ENOMEM
 * Thread: any. Never waits for the disk.
 */
int audit_submit(struct audit *a, const struct audit_entry *entry, store_done_fn *done, void *arg,
		 struct errmsg *e);

/** Like audit_submit(), and wait. @return the result */
int audit_append(struct audit *a, const struct audit_entry *entry, struct errmsg *e);

/**
 * Write a heartbeat and wait. @param note what belongs with it, as the generation of the store;
 * one of AUDIT_NOTE_BYTES or more is not in audit_report
 * @return 0; negative errno
 */
int audit_heartbeat(struct audit *a, const char *note, struct errmsg *e);

/** Most records that audit_tail() shows. */
#define AUDIT_TAIL_MAX 1000u

/**
 * Visit the last records, oldest of them first, and prove that they lead to the last durable one. Only they are
 * read; what lies before them is the business of audit_verify().
 * @param n at most AUDIT_TAIL_MAX
 * @return 0; -EBADMSG they were changed, what was visited is not to be believed; negative errno
 * Thread: any but the writer.
 */
int audit_tail(struct audit *a, uint64_t n,
	       void (*visit)(void *arg, const struct audit_record *rec), void *arg,
	       struct errmsg *e);

/** The last durable record. @return 0; -ENODATA before the first */
int audit_anchor_get(struct audit *a, struct audit_anchor *ret);

/** Print as "pinfold-audit-anchor SEQ HASH". @param buf AUDIT_ANCHOR_BYTES long */
void audit_anchor_print(const struct audit_anchor *anchor, char *buf);

/** Read what audit_anchor_print() wrote; a final newline is allowed. @return 0; -EINVAL */
int audit_anchor_parse(const char *text, struct audit_anchor *ret);

/** Read the first key from its file. @param key AUDIT_KEY_BYTES; the caller wipes it */
int audit_key_read(const char *path, uint8_t *key, struct errmsg *e);

/** What verification may find. */
enum audit_finding {
	AUDIT_INTACT,
	AUDIT_BAD_RECORD,  /**< not a record: damaged or overwritten */
	AUDIT_BAD_SEQ,	   /**< another record stands where this one belongs */
	AUDIT_BAD_CHAIN,   /**< does not follow from the record before */
	AUDIT_BAD_MAC,	   /**< changed, or not written by the daemon */
	AUDIT_CUT,	   /**< this record and all later ones are missing */
	AUDIT_MISSING,	   /**< files before the first one were removed by somebody else */
	AUDIT_BAD_STATE,   /**< the log and the state do not belong together */
	AUDIT_ROLLED_BACK, /**< an anchor knows another record here, or a later one */
	AUDIT_SILENT,	   /**< ends before the time it must reach */
};

/** How to verify; all zero is allowed. */
struct audit_verify_options {
	const uint8_t *key; /**< the first key; NULL: only the chain is checked, not who wrote it */
	bool ignore_state;  /**< a copy without its state: a cut at a record's end is not seen */
	const struct audit_anchor *anchors;
	size_t n_anchors;
	uint64_t not_before_ns; /**< the last record must be at least this new */
	void (*visit)(void *arg, const struct audit_record *rec); /**< good records; may be NULL */
	void *arg;
	const atomic_bool *is_over; /**< true: give up before the next file; may be NULL */
};

/** What verification found. */
struct audit_verdict {
	enum audit_finding finding;
	uint64_t bad_seq;	       /**< first bad record, unless intact */
	uint32_t bad_file;	       /**< number of its file */
	uint64_t bad_offset;	       /**< and where in it */
	uint64_t first_seq, n_records; /**< good records */
	uint64_t last_time_ns;
	uint64_t unfinished_bytes; /**< behind the last acknowledged record: an unfinished append */
	size_t n_anchors_met;
	bool is_authentic; /**< the MACs were checked */
	uint8_t last_hash[AUDIT_HASH_BYTES];
};

/**
 * Verify a log, also while the daemon writes it.
 * @param dir the folder "audit" itself, or a copy of it
 * @return 0 when it could be read, whatever was found; -ECANCELED; negative errno
 */
int audit_verify(const char *dir, const struct audit_verify_options *o, struct audit_verdict *ret,
		 struct errmsg *e);

/** A finding as a sentence. */
const char *audit_finding_text(enum audit_finding finding);

#endif

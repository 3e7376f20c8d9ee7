/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the audit log: records as bytes, the walk along them, the state file. */
#ifndef PINFOLD_DAEMON_AUDIT_INTERNAL_H
#define PINFOLD_DAEMON_AUDIT_INTERNAL_H

#include <pthread.h>

#include "daemon/audit/audit.h"
#include "daemon/store/store_file.h"

#define AUDIT_MAC_BYTES	 32u
#define AUDIT_NAME_BYTES 16u

/** Where the log ends: what the state file keeps. Secret because of the key. */
struct audit_head {
	uint64_t seq;			/**< of the next record */
	uint64_t end_bytes;		/**< of the current file */
	uint64_t oldest_seq;		/**< records before it may be gone */
	uint32_t file, oldest_file;	/**< numbers, from 1 */
	uint8_t hash[AUDIT_HASH_BYTES]; /**< of the last record; zeros before the first */
	uint8_t key[AUDIT_KEY_BYTES];	/**< of the next record */
};

/** Going along records in order. */
struct audit_walk {
	uint64_t seq; /**< of the next record */
	uint8_t hash[AUDIT_HASH_BYTES], key[AUDIT_KEY_BYTES];
	bool has_hash, has_key;
};

/** Where a record stands. */
struct audit_place {
	uint64_t seq, offset;
	uint32_t file; /**< 0: not known */
};

/** Places kept of the last records: those that can be asked for, and a group that is being written. */
#define AUDIT_PLACES 2048u

/** An open log. */
struct audit {
	struct audit_options o;
	int state_dir_fd, dir_fd, state_fd, log_fd;
	struct audit_head *head; /**< guarded memory; the writer's once it runs */
	unsigned int slot;
	bool has_dirty_tail; /**< bytes behind end_bytes that must go before anything is appended */
	struct store_queue *queue;
	pthread_mutex_t lock;
	struct audit_anchor anchor; /**< under the lock, as what follows */
	bool has_anchor;
	struct audit_place place[AUDIT_PLACES]; /**< by sequence number */
};

/** What a step may say beyond enum audit_finding: the bytes end inside a record. */
#define AUDIT_STEP_SHORT (-1)

/* audit_format.c */

/** Bytes that a record takes. */
size_t audit_record_bytes(const struct audit_entry *entry);
/** Write the record at @p head and move it on by one record; the key changes. */
void audit_record_make(struct audit_head *head, enum audit_kind kind, uint64_t time_ns,
		       const struct audit_entry *entry, uint8_t *buf);
/**
 * Check the record at @p p and move on.
 * @param ret_bytes its length
 * @return AUDIT_INTACT; AUDIT_STEP_SHORT; a finding. Then nothing moved
 */
int audit_walk_step(struct audit_walk *w, const uint8_t *p, size_t n, struct audit_record *ret,
		    size_t *ret_bytes);
/** Sequence number that a record claims, for finding where a log begins. */
uint64_t audit_record_claimed_seq(const uint8_t *header);
/** The next key, from this one; this one is overwritten. */
void audit_key_evolve(uint8_t *key);
/** Name of file @p number. */
void audit_file_name(uint32_t number, char *ret);
/** Number of the file of that name. @return 0 when it is none */
uint32_t audit_file_number(const char *name);
/** Numbers in the record that begins a file. @return whether @p rec is one with good content */
bool audit_continue_parse(const struct audit_record *rec, uint64_t *ret_oldest_seq);

/* audit.c */

/** Cut off what a failed append left behind. @return 0; negative errno */
int audit_log_trim(struct audit *a);
/** Open a file of the log. @return 0; -EUCLEAN a link; negative errno */
int audit_log_open(struct audit *a, uint32_t number, int flags, int *ret_fd);
/** First sequence number in a file. @return 0; -EUCLEAN; negative errno */
int audit_first_seq(struct audit *a, uint32_t number, uint64_t *ret);
/** Group function of the queue; @p ctx is the struct audit. */
void audit_write_group(void *ctx, struct store_work *list);
/** Write a record of any kind and wait. */
int audit_append_kind(struct audit *a, enum audit_kind kind, const struct audit_entry *entry,
		      struct errmsg *e);

/* audit_tail.c */

/** Remember where a record stands, unless a later one is remembered in its place. */
void audit_place_note(struct audit *a, uint64_t seq, uint32_t file, uint64_t offset);
/** Visit the records of a file, as far as each follows from the one before. */
void audit_file_each(struct audit *a, uint32_t file,
		     void (*visit)(void *arg, const struct audit_record *rec, uint64_t offset),
		     void *arg);

/* audit_state.c */

/** Make the state file, durable. @return 0; negative errno */
int audit_state_create(int dir, const struct audit_head *head, struct errmsg *e);
/**
 * Read the newer good half of the state file.
 * @param fd       descriptor of the file
 * @param ret_slot which half it was; may be NULL
 * @return 0; -EUCLEAN when neither is good; negative errno
 */
int audit_state_read(int fd, struct audit_head *ret, unsigned int *ret_slot, struct errmsg *e);
/**
 * Write the half that is not @p slot, durable; then wipe half @p slot, whose key is old.
 * @return 0; negative errno
 */
int audit_state_write(int fd, const struct audit_head *head, unsigned int *slot);

/* audit_read.c part of audit_verify.c */

/** Reads a file record by record. */
struct audit_reader {
	int fd;
	uint8_t *buf; /**< AUDIT_RECORD_MAX bytes */
	size_t from, to;
	uint64_t offset; /**< of buf[from] in the file */
	bool is_end;
};

/** Allocate. The descriptor stays with the caller. @return 0; -ENOMEM */
int audit_reader_init(struct audit_reader *rd, int fd);
/** Free what init took. */
void audit_reader_done(struct audit_reader *rd);
/** As audit_walk_step(), on the file. @return 0; negative errno; the step is in @p ret_step */
int audit_reader_step(struct audit_reader *rd, struct audit_walk *w, struct audit_record *rec,
		      int *ret_step);

#endif

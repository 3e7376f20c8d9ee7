/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the store: how rows become columns and MACs, and the one connection to the database. */
#ifndef PINFOLD_DAEMON_STORE_INTERNAL_H
#define PINFOLD_DAEMON_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "daemon/store/store.h"
#include "daemon/store/store_file.h"

#define STORE_SCHEMA_VERSION 3
#define STORE_MAC_BYTES	     32u
#define STORE_ID_BYTES	     16u
/** Owners whose new runs are counted at a time; another one is trimmed more often than needed. */
#define STORE_TRIMS 64u

/** A column: an integer from 0 to max, or a text of at most max bytes. Keys come first. */
struct store_field {
	const char *column;
	bool is_text, is_key;
	size_t offset; /**< in struct store_row */
	uint64_t max;
};

/** A table. */
struct store_table {
	const char *name;
	const struct store_field *fields;
	size_t n_fields;
	bool has_mac;
	uint64_t since; /**< schema version that brought it */
};

extern const struct store_table store_tables[STORE_KINDS];

/** Keys of the MACs, all made from the one in the key file. In guarded memory. */
struct store_keys {
	uint8_t row[STORE_KEY_BYTES];  /**< MAC in the row */
	uint8_t set[STORE_KEY_BYTES];  /**< part of a row in the set; never stored */
	uint8_t seal[STORE_KEY_BYTES]; /**< over the set */
	uint8_t meta[STORE_KEY_BYTES]; /**< over version and identity */
};

/** All MAC-carrying rows as a set: parts are added and taken away with XOR. */
struct store_set {
	uint8_t sum[STORE_MAC_BYTES];
	uint64_t n_rows;
	uint64_t generation;
};

enum { STMT_SELECT, STMT_WRITE, STMT_DELETE, STMT_EACH, STMT_KIND_COUNT };

/** One connection. Only the writer thread uses it once that runs. */
struct store_db {
	sqlite3 *db;
	const struct store_keys *keys;
	uint8_t id[STORE_ID_BYTES];
	struct store_set set;
	uint64_t max_runs, last_run;
	struct {
		uint64_t owner_uid;
		uint64_t n; /**< new runs since his were trimmed; 0: never were */
	} trims[STORE_TRIMS];
	bool is_new; /**< had no tables */
	sqlite3_stmt *stmts[STORE_KINDS][STMT_KIND_COUNT];
	sqlite3_stmt *runs, *runs_of, *trim, *meta;
	sqlite3_stmt *begin, *commit, *rollback, *mark, *unmark, *back;
};

struct store {
	struct store_options o;
	int dir_fd;
	struct store_keys *keys;
	struct store_db db;
	struct store_queue *queue;
	uint64_t next_run; /**< atomic */
	pthread_mutex_t stats_lock;
	struct store_stats stats;
};

/** What a request asks for. */
enum store_ask { STORE_ASK_CHANGE, STORE_ASK_EACH, STORE_ASK_RUNS, STORE_ASK_FIND };

/** A request in the queue. */
struct store_request {
	struct store_work work;
	enum store_ask ask;
	size_t n_changes;
	struct store_change *changes;
	/* The others; the asker waits, so these are its own */
	enum store_kind kind;
	const struct store_row *key;
	const char *vm_id;  /**< NULL: all */
	uint64_t owner_uid; /**< STORE_NONE: all */
	uint64_t max;
	store_visit_fn *visit;
	void *arg;
	struct errmsg *e;
};

/* store_row.c */

/** Check a row against its table. @param keys_only the rest does not count */
int store_row_check(const struct store_row *row, bool keys_only, struct errmsg *e);
/** How many bytes of text a row holds, NULs included. */
size_t store_row_text_bytes(const struct store_row *row);
/** Copy a row; its texts go to @p text, which moves on. */
void store_row_copy(struct store_row *to, const struct store_row *from, char **text);
/** Bind fields from parameter 1 on. @return SQLite code; @p ret_next gets the next parameter */
int store_row_bind(sqlite3_stmt *stmt, const struct store_row *row, bool keys_only, int *ret_next);
/**
 * Read the current row of a statement that selects all fields, then the MAC. The texts belong to
 * the statement.
 * @return 0; -EBADMSG when a value does not fit or the MAC does not match; -ENOMEM
 */
int store_row_read(const struct store_db *db, sqlite3_stmt *stmt, enum store_kind kind,
		   struct store_row *ret, struct errmsg *e);
/** MAC of a row of this database under @p key. */
void store_row_mac(const struct store_db *db, const uint8_t *key, const struct store_row *row,
		   uint8_t *ret_mac);
/** Add a row to the set or take it away. @param by 1 or -1 */
void store_set_toggle(struct store_db *db, const struct store_row *row, int by);
/** The seal over the set. */
void store_set_seal(const struct store_db *db, uint8_t *ret_mac);
/** MAC over version, identity and generation: the same in all versions, for ever. */
void store_meta_mac(const struct store_db *db, uint64_t version, uint8_t *ret_mac);
/** Make the keys from the one in the file. */
void store_keys_derive(struct store_keys *keys, const uint8_t *master);

/* store_sql.c */

/** SQL text being put together; the tables are ours, so it always fits. */
struct store_sql {
	char text[1024];
	size_t n;
};

/** A SQLite code as a negative errno. -EUCLEAN: the database is not to be believed. */
int store_db_errno(const struct store_db *db, int rc);
/** The same, with a sentence about @p what. */
int store_sql_fail(const struct store_db *db, int rc, const char *what, struct errmsg *e);
/** Step a statement that returns no row, and reset it. @return SQLITE_OK or an error code */
int store_db_step(sqlite3_stmt *stmt);
/** Carry out a text that returns no row. */
int store_sql_run(struct store_db *db, const char *sql, struct errmsg *e);
/** Make a statement of a text. */
int store_sql_prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret, struct errmsg *e);
/** For _cleanup_stmt_. */
void store_sql_finalize(sqlite3_stmt **stmt);
#define _cleanup_stmt_ __attribute__((cleanup(store_sql_finalize)))
/** The text that makes a table. */
void store_sql_create(struct store_sql *s, const struct store_table *t);
/** Make all statements of @p db. The tables must be there. */
int store_sql_prepare_all(struct store_db *db, struct errmsg *e);
/** Free them; those that were not made are NULL. */
void store_sql_finalize_all(struct store_db *db);

/* store_schema.c */

/** Which tables are there. */
struct store_schema {
	bool has_meta, has_index;
	bool has[STORE_KINDS];
	size_t n_ours, n_other;
};

/** Read which tables are there. */
int store_schema_read(struct store_db *db, struct store_schema *ret, struct errmsg *e);
/** Whether it is exactly that of a version. */
bool store_schema_is(const struct store_schema *s, uint64_t version);
/** Make those tables that came after a version, and the index; 0: all of ours. */
int store_schema_extend(struct store_db *db, uint64_t after, struct errmsg *e);
/** All tables, a new identity and the first seal, in one transaction; and all statements. */
int store_schema_create(struct store_db *db, struct errmsg *e);
/** Read identity and generation, and what they cover. @param ret_seal STORE_MAC_BYTES */
int store_meta_read(struct store_db *db, uint64_t *ret_version, uint8_t *ret_seal,
		    struct errmsg *e);
/** Write generation and seal. @return SQLite code */
int store_meta_write(struct store_db *db);

/* store_db.c */

/**
 * Open the database in @p dir, create its tables if it has none, check every row.
 * @return 0; -EUCLEAN with the reason: not to be believed; -ENOTSUP; negative errno
 */
int store_db_open(struct store_db *db, const struct store_options *o, const char *dir,
		  const struct store_keys *keys, struct errmsg *e);
/** Close. NULL-safe members; may be called after a failed open. */
void store_db_close(struct store_db *db);

/* store_write.c */

/** Group function of the queue; @p ctx is the struct store. */
void store_write_group(void *ctx, struct store_work *list);

#endif

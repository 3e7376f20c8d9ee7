/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to the database: opened without trust, checked row by row (docs/store.md).
 *
 * Nothing of a database is believed before: SQLite's own integrity check, the exact schema (a
 * trigger or view would be code of somebody else), the MAC of every row that grants a right, and
 * the seal over all of them. Everything wrong with the content is -EUCLEAN; trouble with the
 * machine (no memory, no space, a failed read) keeps its own errno, so that a good database is
 * never set aside because of a bad moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "daemon/store/store_internal.h"

#define MAX_PAGES      "524288"	  /* of 4 KiB: the database ends at 2 GiB */
#define WAL_KEEP_BYTES "67108864" /* what the log keeps of its size after a checkpoint */

static const char *const db_files[] = { "db", "db-wal", "db-journal", "db-shm" };

/* Every file of the database, before SQLite sees it. */
static int files_check(int dir, struct errmsg *e)
{
	bool has_db = true;

	for (size_t i = 0; i < ARRAY_SIZE(db_files); i++) {
		int r = store_file_check(dir, db_files[i], e);

		if (r == -ENOENT) {
			has_db = has_db && i != 0;
		} else if (r < 0) {
			return r;
		} else if (!has_db) {
			return errmsg_set(e, -EUCLEAN, "%s is there, but its database is not",
					  db_files[i]);
		}
	}
	return 0;
}

/* Made by us, so that no other umask or mode ever applies. */
static int file_make(int dir, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;

	fd = openat(dir, "db", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(fd) < 0 || fsync(dir) < 0) {
		return errmsg_set(e, -errno, "db: %s", strerror(errno));
	}
	return 0;
}

static int connect_db(struct store_db *db, const char *dir, struct errmsg *e)
{
	static const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
				 SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW |
				 SQLITE_OPEN_EXRESCODE;
	_cleanup_close_ int fd = -1;
	char path[STORE_PATH_MAX + 8];
	int rc, r;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errmsg_set(e, -errno, "%s: %s", dir, strerror(errno));
	}
	r = files_check(fd, e);
	if (r == 0) {
		r = file_make(fd, e);
	}
	if (r < 0) {
		return r;
	}
	if (snprintf(path, sizeof(path), "%s/db", dir) >= (int)sizeof(path)) {
		return errmsg_set(e, -ENAMETOOLONG, "%s: path too long", dir);
	}
	rc = sqlite3_open_v2(path, &db->db, flags, NULL);
	return rc == SQLITE_OK ? 0 : store_sql_fail(db, rc, path, e);
}

/*
 * Locking first: an exclusive WAL keeps its index in our memory, so there is no file that another
 * process could change under us. journal_mode touches the file, hence comes last.
 */
static int harden(struct store_db *db, struct errmsg *e)
{
	static const char *const pragmas[] = {
		"PRAGMA locking_mode=EXCLUSIVE",    "PRAGMA trusted_schema=OFF",
		"PRAGMA cell_size_check=ON",	    "PRAGMA mmap_size=0",
		"PRAGMA temp_store=MEMORY",	    "PRAGMA synchronous=FULL",
		"PRAGMA journal_mode=WAL",	    "PRAGMA journal_size_limit=" WAL_KEEP_BYTES,
		"PRAGMA max_page_count=" MAX_PAGES,
	};
	int r;

	sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pragmas); i++) {
		r = store_sql_run(db, pragmas[i], e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int check_integrity(struct store_db *db, struct errmsg *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const char *text;
	int rc, r;

	r = store_sql_prepare(db, "PRAGMA integrity_check(1)", &stmt, e);
	if (r < 0) {
		return r;
	}
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		return store_sql_fail(db, rc, "integrity check", e);
	}
	text = (const char *)sqlite3_column_text(stmt, 0);
	/* A page that could not be read for a moment is told as damage, too: store.c looks twice. */
	if (!text || strcmp(text, "ok") != 0) {
		return errmsg_set(e, text ? -EUCLEAN : -ENOMEM, "damaged: %.200s",
				  text ? text : "out of memory");
	}
	rc = sqlite3_step(stmt);
	return rc == SQLITE_DONE ? 0 : store_sql_fail(db, rc, "integrity check", e);
}

static int rows_check(struct store_db *db, enum store_kind kind, struct errmsg *e)
{
	sqlite3_stmt *stmt = db->stmts[kind][STMT_EACH];
	struct store_row row;
	int rc, r = 0;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		r = store_row_read(db, stmt, kind, &row, e);
		if (r < 0) {
			break;
		}
		if (store_tables[kind].has_mac) {
			store_set_toggle(db, &row, 1);
		} else {
			db->last_run = row.run.run;
		}
	}
	if (r == 0 && rc != SQLITE_DONE) {
		r = store_sql_fail(db, rc, store_tables[kind].name, e);
	}
	sqlite3_reset(stmt);
	return r == -EBADMSG ? -EUCLEAN : r;
}

static int content_check(struct store_db *db, const uint8_t *seal, uint64_t min_generation,
			 struct errmsg *e)
{
	uint8_t want[STORE_MAC_BYTES];
	int r;

	r = store_sql_prepare_all(db, e);
	for (enum store_kind k = 0; k < STORE_KINDS && r == 0; k++) {
		r = rows_check(db, k, e);
	}
	if (r < 0) {
		return r;
	}
	store_set_seal(db, want);
	if (sodium_memcmp(seal, want, sizeof(want)) != 0) {
		return errmsg_set(e, -EUCLEAN,
				  "rows were removed or brought back by hand (the seal is wrong)");
	}
	if (db->set.generation < min_generation) {
		return errmsg_set(e, -EUCLEAN,
				  "an older copy was put in its place (generation %" PRIu64
				  ", but %" PRIu64 " is known)",
				  db->set.generation, min_generation);
	}
	return 0;
}

/*
 * From an older version, in one transaction: its tables are as they were, and those it lacks are
 * added empty, so that the rows can be checked as always. One that fails the check stays untouched,
 * because nothing is committed.
 */
static int migrate(struct store_db *db, uint64_t version, const uint8_t *seal,
		   uint64_t min_generation, struct errmsg *e)
{
	int rc, r;

	r = store_sql_run(db, "BEGIN IMMEDIATE", e);
	r = r < 0 ? r : store_schema_extend(db, version, e);
	r = r < 0 ? r : content_check(db, seal, min_generation, e);
	if (r < 0) {
		return r;
	}
	db->set.generation++;
	rc = store_meta_write(db);
	if (rc != SQLITE_OK) {
		return store_sql_fail(db, rc, "table meta", e);
	}
	return store_sql_run(db, "COMMIT", e);
}

static int check_all(struct store_db *db, uint64_t min_generation, struct errmsg *e)
{
	uint8_t seal[STORE_MAC_BYTES];
	struct store_schema schema = { 0 };
	uint64_t version = 0;
	int r;

	r = check_integrity(db, e);
	if (r == 0) {
		r = store_schema_read(db, &schema, e);
	}
	if (r < 0) {
		return r;
	}
	if (!schema.has_meta && schema.n_ours == 0 && schema.n_other == 0) {
		db->is_new = true;
		return store_schema_create(db, e);
	}
	if (!schema.has_meta) {
		return errmsg_set(e, -EUCLEAN, "not a database of ours");
	}
	r = store_meta_read(db, &version, seal, e);
	if (r < 0) {
		return r;
	}
	if (version > STORE_SCHEMA_VERSION) {
		return errmsg_set(e, -ENOTSUP,
				  "written by a newer version (schema %" PRIu64
				  ", this one knows %d): install that version, or move the folder "
				  "away to start afresh",
				  version, STORE_SCHEMA_VERSION);
	}
	if (!store_schema_is(&schema, version)) {
		return errmsg_set(e, -EUCLEAN, "the schema was changed by hand");
	}
	return version == STORE_SCHEMA_VERSION ? content_check(db, seal, min_generation, e)
					       : migrate(db, version, seal, min_generation, e);
}

int store_db_open(struct store_db *db, const struct store_options *o, const char *dir,
		  const struct store_keys *keys, struct errmsg *e)
{
	int r;

	memset(db, 0, sizeof(*db));
	db->keys = keys;
	db->max_runs = o->max_runs;
	r = connect_db(db, dir, e);
	if (r == 0) {
		r = harden(db, e);
	}
	if (r == 0) {
		r = check_all(db, o->min_generation, e);
	}
	if (r < 0) {
		/* What is set aside stays as it was found. */
		if (db->db) {
			sqlite3_db_config(db->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		}
		store_db_close(db);
	}
	return r;
}

void store_db_close(struct store_db *db)
{
	store_sql_finalize_all(db);
	sqlite3_close(db->db);
	db->db = NULL;
	sodium_memzero(&db->set, sizeof(db->set));
}

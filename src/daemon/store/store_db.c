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
#include "base/bug.h"
#include "base/cleanup.h"
#include "daemon/store/store_internal.h"

#define SQL_BYTES      1024
#define MAX_PAGES      "524288"	  /* of 4 KiB: the database ends at 2 GiB */
#define WAL_KEEP_BYTES "67108864" /* what the log keeps of its size after a checkpoint */
#define META_SQL                                                                              \
	"CREATE TABLE meta(id INTEGER NOT NULL,version INTEGER NOT NULL,db_id BLOB NOT NULL," \
	"generation INTEGER NOT NULL,mac BLOB NOT NULL,seal BLOB NOT NULL,PRIMARY KEY(id))"   \
	"STRICT,WITHOUT ROWID"

/* So that a user's own history is found, and cut, without a look at anybody else's. */
#define RUN_INDEX_SQL	"CREATE INDEX run_owner ON run(owner_uid)"
#define RUN_INDEX_SINCE 3

static const char *const db_files[] = { "db", "db-wal", "db-journal", "db-shm" };

/* SQL text being put together; the tables are ours, so it always fits. */
struct sql {
	char text[SQL_BYTES];
	size_t n;
};

static void sql_add(struct sql *s, const char *piece)
{
	size_t n = strlen(piece);

	BUG_ON(n >= sizeof(s->text) - s->n);
	memcpy(s->text + s->n, piece, n + 1);
	s->n += n;
}

static void sql_columns(struct sql *s, const struct store_table *t, bool keys_only,
			const char *suffix, const char *between)
{
	for (size_t i = 0; i < t->n_fields && (!keys_only || t->fields[i].is_key); i++) {
		sql_add(s, i ? between : "");
		sql_add(s, t->fields[i].column);
		sql_add(s, suffix);
	}
}

static void sql_create(struct sql *s, const struct store_table *t)
{
	s->n = 0;
	sql_add(s, "CREATE TABLE ");
	sql_add(s, t->name);
	for (size_t i = 0; i < t->n_fields; i++) {
		sql_add(s, i ? "," : "(");
		sql_add(s, t->fields[i].column);
		sql_add(s, t->fields[i].is_text ? " TEXT NOT NULL" : " INTEGER NOT NULL");
	}
	sql_add(s, t->has_mac ? ",mac BLOB NOT NULL" : "");
	sql_add(s, ",PRIMARY KEY(");
	sql_columns(s, t, true, "", ",");
	sql_add(s, "))STRICT,WITHOUT ROWID");
}

static void sql_select(struct sql *s, const struct store_table *t, const char *tail)
{
	s->n = 0;
	sql_add(s, "SELECT ");
	sql_columns(s, t, false, "", ",");
	sql_add(s, t->has_mac ? ",mac FROM " : " FROM ");
	sql_add(s, t->name);
	sql_add(s, tail);
}

/*
 * What the system said last, for trouble with the machine only: an errno that has a meaning of its
 * own among ours becomes a plain -EIO.
 */
static int system_errno(const struct store_db *db)
{
	int sys = db->db ? sqlite3_system_errno(db->db) : 0;

	switch (sys) {
	case 0:
	case ENOENT:
	case EEXIST:
	case EBADMSG:
	case EUCLEAN:
	case ENOTSUP:
		return EIO;
	default:
		return sys;
	}
}

int store_db_errno(const struct store_db *db, int rc)
{
	int sys = system_errno(db);

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		return rc == SQLITE_IOERR_NOMEM ? -ENOMEM : -sys;
	case SQLITE_CANTOPEN:
		return -sys;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EPERM;
	case SQLITE_TOOBIG:
		return -E2BIG;
	default: /* CORRUPT, NOTADB, ERROR, CONSTRAINT, ...: not what we wrote */
		return -EUCLEAN;
	}
}

static int db_fail(const struct store_db *db, int rc, const char *what, struct errmsg *e)
{
	const char *why = db->db ? sqlite3_errmsg(db->db) : sqlite3_errstr(rc);
	int r = store_db_errno(db, rc);

	if (r == -EIO || r == -EUCLEAN || r == -ENOMEM) {
		return errmsg_set(e, r, "%s: %s", what, why);
	}
	return errmsg_set(e, r, "%s: %s (%s)", what, strerror(-r), why);
}

int store_db_step(sqlite3_stmt *stmt)
{
	int rc;

	/* A statement that fails tells the same code again at its reset. */
	sqlite3_step(stmt);
	rc = sqlite3_reset(stmt);
	return rc;
}

static int run_sql(struct store_db *db, const char *sql, struct errmsg *e)
{
	int rc = sqlite3_exec(db->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, sql, e);
}

static int prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret, struct errmsg *e)
{
	int rc = sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, sql, e);
}

static void finalize_p(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}
#define _cleanup_stmt_ __attribute__((cleanup(finalize_p)))

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
	return rc == SQLITE_OK ? 0 : db_fail(db, rc, path, e);
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
		r = run_sql(db, pragmas[i], e);
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

	r = prepare(db, "PRAGMA integrity_check(1)", &stmt, e);
	if (r < 0) {
		return r;
	}
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		return db_fail(db, rc, "integrity check", e);
	}
	text = (const char *)sqlite3_column_text(stmt, 0);
	/* A page that could not be read for a moment is told as damage, too: store.c looks twice. */
	if (!text || strcmp(text, "ok") != 0) {
		return errmsg_set(e, text ? -EUCLEAN : -ENOMEM, "damaged: %.200s",
				  text ? text : "out of memory");
	}
	rc = sqlite3_step(stmt);
	return rc == SQLITE_DONE ? 0 : db_fail(db, rc, "integrity check", e);
}

/* Which tables are there. */
struct schema {
	bool has_meta, has_index;
	bool has[STORE_KINDS];
	size_t n_ours, n_other;
};

static void schema_note(struct schema *s, const char *type, const char *sql)
{
	struct sql want = { "", 0 };

	if (strcmp(type, "table") == 0 && strcmp(sql, META_SQL) == 0) {
		s->has_meta = true;
		return;
	}
	if (strcmp(type, "index") == 0 && strcmp(sql, RUN_INDEX_SQL) == 0) {
		s->has_index = true;
		return;
	}
	for (size_t i = 0; i < STORE_KINDS && strcmp(type, "table") == 0; i++) {
		sql_create(&want, &store_tables[i]);
		if (strcmp(sql, want.text) == 0) {
			s->has[i] = true;
			s->n_ours++;
			return;
		}
	}
	s->n_other++;
}

static int schema_read(struct store_db *db, struct schema *ret, struct errmsg *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct schema s = { 0 };
	int rc, r;

	r = prepare(db, "SELECT type,coalesce(sql,'') FROM sqlite_schema", &stmt, e);
	if (r < 0) {
		return r;
	}
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *type = (const char *)sqlite3_column_text(stmt, 0);
		const char *sql = (const char *)sqlite3_column_text(stmt, 1);

		if (!type || !sql) {
			return errmsg_set(e, -ENOMEM, "out of memory");
		}
		schema_note(&s, type, sql);
	}
	if (rc != SQLITE_DONE) {
		return db_fail(db, rc, "reading the schema", e);
	}
	*ret = s;
	return 0;
}

/* Copy a blob of exactly @n bytes out of a column. */
static int blob_read(sqlite3_stmt *stmt, int col, void *to, size_t n)
{
	const void *p;

	if (sqlite3_column_type(stmt, col) != SQLITE_BLOB ||
	    sqlite3_column_bytes(stmt, col) != (int)n) {
		return -EUCLEAN;
	}
	p = sqlite3_column_blob(stmt, col);
	if (!p) {
		return -ENOMEM;
	}
	memcpy(to, p, n);
	return 0;
}

/* The row of table meta: which version, which database, and the seal. */
static int meta_row(struct store_db *db, sqlite3_stmt *stmt, uint64_t *ret_version,
		    uint8_t *ret_seal, struct errmsg *e)
{
	uint8_t mac[STORE_MAC_BYTES], want[STORE_MAC_BYTES];
	sqlite3_int64 version = sqlite3_column_int64(stmt, 0);
	sqlite3_int64 generation = sqlite3_column_int64(stmt, 2);
	int r;

	r = blob_read(stmt, 1, db->id, sizeof(db->id));
	if (r == 0) {
		r = blob_read(stmt, 3, mac, sizeof(mac));
	}
	if (r == 0) {
		r = blob_read(stmt, 4, ret_seal, STORE_MAC_BYTES);
	}
	if (r == 0 && (version < 1 || generation < 0)) {
		r = -EUCLEAN;
	}
	if (r < 0) {
		return errmsg_set(e, r, "table meta has a bad value");
	}
	db->set.generation = (uint64_t)generation;
	store_meta_mac(db, (uint64_t)version, want);
	if (sodium_memcmp(mac, want, sizeof(want)) != 0) {
		return errmsg_set(e, -EUCLEAN,
				  "table meta was changed by hand or made with another key");
	}
	*ret_version = (uint64_t)version;
	return 0;
}

static int meta_read(struct store_db *db, uint64_t *ret_version, uint8_t *ret_seal,
		     struct errmsg *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int rc, r;

	r = prepare(db, "SELECT version,db_id,generation,mac,seal FROM meta WHERE id=1", &stmt, e);
	if (r < 0) {
		return r;
	}
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE) {
		return errmsg_set(e, -EUCLEAN, "table meta is empty");
	}
	if (rc != SQLITE_ROW) {
		return db_fail(db, rc, "table meta", e);
	}
	return meta_row(db, stmt, ret_version, ret_seal, e);
}

static int prepare_kind(struct store_db *db, enum store_kind kind, struct errmsg *e)
{
	const struct store_table *t = &store_tables[kind];
	sqlite3_stmt **st = db->stmts[kind];
	struct sql s;
	int r;

	sql_select(&s, t, " WHERE ");
	sql_columns(&s, t, true, "=?", " AND ");
	r = prepare(db, s.text, &st[STMT_SELECT], e);
	if (r < 0) {
		return r;
	}
	sql_select(&s, t, " ORDER BY ");
	sql_columns(&s, t, true, "", ",");
	r = prepare(db, s.text, &st[STMT_EACH], e);
	if (r < 0) {
		return r;
	}
	s.n = 0;
	sql_add(&s, "INSERT OR REPLACE INTO ");
	sql_add(&s, t->name);
	sql_add(&s, " VALUES(");
	for (size_t i = 0; i < t->n_fields + (t->has_mac ? 1 : 0); i++) {
		sql_add(&s, i ? ",?" : "?");
	}
	sql_add(&s, ")");
	r = prepare(db, s.text, &st[STMT_WRITE], e);
	if (r < 0) {
		return r;
	}
	s.n = 0;
	sql_add(&s, "DELETE FROM ");
	sql_add(&s, t->name);
	sql_add(&s, " WHERE ");
	sql_columns(&s, t, true, "=?", " AND ");
	return prepare(db, s.text, &st[STMT_DELETE], e);
}

static int prepare_all(struct store_db *db, struct errmsg *e)
{
	struct sql runs, runs_of;
	int r;

	sql_select(&runs_of, &store_tables[STORE_RUN],
		   " INDEXED BY run_owner WHERE owner_uid=?3 AND (?1 IS NULL OR vm_id=?1)"
		   " ORDER BY run DESC LIMIT ?2");
	sql_select(&runs, &store_tables[STORE_RUN],
		   " WHERE ?1 IS NULL OR vm_id=?1 ORDER BY run DESC LIMIT ?2");
	const struct {
		const char *text;
		sqlite3_stmt **stmt;
	} list[] = {
		{ runs.text, &db->runs },
		{ runs_of.text, &db->runs_of },
		{ "DELETE FROM run WHERE owner_uid=?1 AND run<=(SELECT run FROM run INDEXED BY "
		  "run_owner WHERE owner_uid=?1 ORDER BY run DESC LIMIT 1 OFFSET ?2)",
		  &db->trim },
		{ "INSERT OR REPLACE INTO meta VALUES(1,?,?,?,?,?)", &db->meta },
		{ "BEGIN IMMEDIATE", &db->begin },
		{ "COMMIT", &db->commit },
		{ "ROLLBACK", &db->rollback },
		{ "SAVEPOINT request", &db->mark },
		{ "RELEASE request", &db->unmark },
		{ "ROLLBACK TO request", &db->back },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		r = prepare(db, list[i].text, list[i].stmt, e);
		if (r < 0) {
			return r;
		}
	}
	for (enum store_kind k = 0; k < STORE_KINDS; k++) {
		r = prepare_kind(db, k, e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int store_db_write_meta(struct store_db *db)
{
	uint8_t mac[STORE_MAC_BYTES], seal[STORE_MAC_BYTES];
	int rc;

	store_meta_mac(db, STORE_SCHEMA_VERSION, mac);
	store_set_seal(db, seal);
	rc = sqlite3_bind_int64(db->meta, 1, STORE_SCHEMA_VERSION);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_blob(db->meta, 2, db->id, sizeof(db->id), SQLITE_STATIC);
	}
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_int64(db->meta, 3, (sqlite3_int64)db->set.generation);
	}
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_blob(db->meta, 4, mac, sizeof(mac), SQLITE_STATIC);
	}
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_blob(db->meta, 5, seal, sizeof(seal), SQLITE_STATIC);
	}
	if (rc == SQLITE_OK) {
		rc = store_db_step(db->meta);
	}
	sqlite3_clear_bindings(db->meta);
	return rc;
}

/* Exactly the tables of that version. */
static bool schema_is(const struct schema *s, uint64_t version)
{
	for (size_t i = 0; i < STORE_KINDS; i++) {
		if (s->has[i] != (store_tables[i].since <= version)) {
			return false;
		}
	}
	return s->n_other == 0 && s->has_index == (version >= RUN_INDEX_SINCE);
}

/* Those that came after a version, and the index; 0: all of ours. */
static int tables_create(struct store_db *db, uint64_t after, struct errmsg *e)
{
	struct sql s;
	int r = 0;

	for (size_t i = 0; i < STORE_KINDS && r == 0; i++) {
		if (store_tables[i].since > after) {
			sql_create(&s, &store_tables[i]);
			r = run_sql(db, s.text, e);
		}
	}
	return r == 0 && after < RUN_INDEX_SINCE ? run_sql(db, RUN_INDEX_SQL, e) : r;
}

/* All tables and the first seal appear in one transaction. */
static int schema_create(struct store_db *db, struct errmsg *e)
{
	int rc, r;

	randombytes_buf(db->id, sizeof(db->id));
	r = run_sql(db, "BEGIN IMMEDIATE", e);
	if (r == 0) {
		r = run_sql(db, META_SQL, e);
	}
	if (r == 0) {
		r = tables_create(db, 0, e);
	}
	if (r == 0) {
		r = prepare_all(db, e);
	}
	if (r < 0) {
		return r;
	}
	rc = store_db_write_meta(db);
	if (rc != SQLITE_OK) {
		return db_fail(db, rc, "table meta", e);
	}
	return run_sql(db, "COMMIT", e);
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
		r = db_fail(db, rc, store_tables[kind].name, e);
	}
	sqlite3_reset(stmt);
	return r == -EBADMSG ? -EUCLEAN : r;
}

static int content_check(struct store_db *db, const uint8_t *seal, uint64_t min_generation,
			 struct errmsg *e)
{
	uint8_t want[STORE_MAC_BYTES];
	int r;

	r = prepare_all(db, e);
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

	r = run_sql(db, "BEGIN IMMEDIATE", e);
	r = r < 0 ? r : tables_create(db, version, e);
	r = r < 0 ? r : content_check(db, seal, min_generation, e);
	if (r < 0) {
		return r;
	}
	db->set.generation++;
	rc = store_db_write_meta(db);
	if (rc != SQLITE_OK) {
		return db_fail(db, rc, "table meta", e);
	}
	return run_sql(db, "COMMIT", e);
}

static int check_all(struct store_db *db, uint64_t min_generation, struct errmsg *e)
{
	uint8_t seal[STORE_MAC_BYTES];
	struct schema schema = { 0 };
	uint64_t version = 0;
	int r;

	r = check_integrity(db, e);
	if (r == 0) {
		r = schema_read(db, &schema, e);
	}
	if (r < 0) {
		return r;
	}
	if (!schema.has_meta && schema.n_ours == 0 && schema.n_other == 0) {
		db->is_new = true;
		return schema_create(db, e);
	}
	if (!schema.has_meta) {
		return errmsg_set(e, -EUCLEAN, "not a database of ours");
	}
	r = meta_read(db, &version, seal, e);
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
	if (!schema_is(&schema, version)) {
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
	sqlite3_stmt **others[] = { &db->runs,	 &db->runs_of,	&db->trim, &db->meta,	&db->begin,
				    &db->commit, &db->rollback, &db->mark, &db->unmark, &db->back };

	for (size_t k = 0; k < STORE_KINDS; k++) {
		for (size_t i = 0; i < STMT_KIND_COUNT; i++) {
			sqlite3_finalize(db->stmts[k][i]);
			db->stmts[k][i] = NULL;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		sqlite3_finalize(*others[i]);
		*others[i] = NULL;
	}
	sqlite3_close(db->db);
	db->db = NULL;
	sodium_memzero(&db->set, sizeof(db->set));
}

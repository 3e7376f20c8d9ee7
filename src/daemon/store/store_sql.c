/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQL: what SQLite's codes mean, texts put together from the tables of store_row.c, and all prepared statements.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/store/store_internal.h"

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

int store_sql_fail(const struct store_db *db, int rc, const char *what, struct errmsg *e)
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

int store_sql_run(struct store_db *db, const char *sql, struct errmsg *e)
{
	int rc = sqlite3_exec(db->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_sql_fail(db, rc, sql, e);
}

int store_sql_prepare(struct store_db *db, const char *sql, sqlite3_stmt **ret, struct errmsg *e)
{
	int rc = sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

	return rc == SQLITE_OK ? 0 : store_sql_fail(db, rc, sql, e);
}

void store_sql_finalize(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}

static void sql_add(struct store_sql *s, const char *piece)
{
	size_t n = strlen(piece);

	BUG_ON(n >= sizeof(s->text) - s->n);
	memcpy(s->text + s->n, piece, n + 1);
	s->n += n;
}

static void sql_columns(struct store_sql *s, const struct store_table *t, bool keys_only,
			const char *suffix, const char *between)
{
	for (size_t i = 0; i < t->n_fields && (!keys_only || t->fields[i].is_key); i++) {
		sql_add(s, i ? between : "");
		sql_add(s, t->fields[i].column);
		sql_add(s, suffix);
	}
}

void store_sql_create(struct store_sql *s, const struct store_table *t)
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

static void sql_select(struct store_sql *s, const struct store_table *t, const char *tail)
{
	s->n = 0;
	sql_add(s, "SELECT ");
	sql_columns(s, t, false, "", ",");
	sql_add(s, t->has_mac ? ",mac FROM " : " FROM ");
	sql_add(s, t->name);
	sql_add(s, tail);
}

static int prepare_kind(struct store_db *db, enum store_kind kind, struct errmsg *e)
{
	const struct store_table *t = &store_tables[kind];
	sqlite3_stmt **st = db->stmts[kind];
	struct store_sql s;
	int r;

	sql_select(&s, t, " WHERE ");
	sql_columns(&s, t, true, "=?", " AND ");
	r = store_sql_prepare(db, s.text, &st[STMT_SELECT], e);
	if (r < 0) {
		return r;
	}
	sql_select(&s, t, " ORDER BY ");
	sql_columns(&s, t, true, "", ",");
	r = store_sql_prepare(db, s.text, &st[STMT_EACH], e);
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
	r = store_sql_prepare(db, s.text, &st[STMT_WRITE], e);
	if (r < 0) {
		return r;
	}
	s.n = 0;
	sql_add(&s, "DELETE FROM ");
	sql_add(&s, t->name);
	sql_add(&s, " WHERE ");
	sql_columns(&s, t, true, "=?", " AND ");
	return store_sql_prepare(db, s.text, &st[STMT_DELETE], e);
}

int store_sql_prepare_all(struct store_db *db, struct errmsg *e)
{
	struct store_sql runs, runs_of;
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
		r = store_sql_prepare(db, list[i].text, list[i].stmt, e);
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

void store_sql_finalize_all(struct store_db *db)
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
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which tables there must be in which version (docs/store.md, "Schema"), and the row of table meta that says which version
 * this is.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/store/store_internal.h"

#define META_SQL                                                                              \
	"CREATE TABLE meta(id INTEGER NOT NULL,version INTEGER NOT NULL,db_id BLOB NOT NULL," \
	"generation INTEGER NOT NULL,mac BLOB NOT NULL,seal BLOB NOT NULL,PRIMARY KEY(id))"   \
	"STRICT,WITHOUT ROWID"

/* So that a user's own history is found, and cut, without a look at anybody else's. */
#define RUN_INDEX_SQL	"CREATE INDEX run_owner ON run(owner_uid)"
#define RUN_INDEX_SINCE 3

static void schema_note(struct store_schema *s, const char *type, const char *sql)
{
	struct store_sql want = { "", 0 };

	if (strcmp(type, "table") == 0 && strcmp(sql, META_SQL) == 0) {
		s->has_meta = true;
		return;
	}
	if (strcmp(type, "index") == 0 && strcmp(sql, RUN_INDEX_SQL) == 0) {
		s->has_index = true;
		return;
	}
	for (size_t i = 0; i < STORE_KINDS && strcmp(type, "table") == 0; i++) {
		store_sql_create(&want, &store_tables[i]);
		if (strcmp(sql, want.text) == 0) {
			s->has[i] = true;
			s->n_ours++;
			return;
		}
	}
	s->n_other++;
}

int store_schema_read(struct store_db *db, struct store_schema *ret, struct errmsg *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct store_schema s = { 0 };
	int rc, r;

	r = store_sql_prepare(db, "SELECT type,coalesce(sql,'') FROM sqlite_schema", &stmt, e);
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
		return store_sql_fail(db, rc, "reading the schema", e);
	}
	*ret = s;
	return 0;
}

/* Exactly the tables of that version. */
bool store_schema_is(const struct store_schema *s, uint64_t version)
{
	for (size_t i = 0; i < STORE_KINDS; i++) {
		if (s->has[i] != (store_tables[i].since <= version)) {
			return false;
		}
	}
	return s->n_other == 0 && s->has_index == (version >= RUN_INDEX_SINCE);
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

int store_meta_read(struct store_db *db, uint64_t *ret_version, uint8_t *ret_seal, struct errmsg *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int rc, r;

	r = store_sql_prepare(db, "SELECT version,db_id,generation,mac,seal FROM meta WHERE id=1",
			      &stmt, e);
	if (r < 0) {
		return r;
	}
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE) {
		return errmsg_set(e, -EUCLEAN, "table meta is empty");
	}
	if (rc != SQLITE_ROW) {
		return store_sql_fail(db, rc, "table meta", e);
	}
	return meta_row(db, stmt, ret_version, ret_seal, e);
}

int store_meta_write(struct store_db *db)
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

/* Those that came after a version, and the index; 0: all of ours. */
int store_schema_extend(struct store_db *db, uint64_t after, struct errmsg *e)
{
	struct store_sql s;
	int r = 0;

	for (size_t i = 0; i < STORE_KINDS && r == 0; i++) {
		if (store_tables[i].since > after) {
			store_sql_create(&s, &store_tables[i]);
			r = store_sql_run(db, s.text, e);
		}
	}
	return r == 0 && after < RUN_INDEX_SINCE ? store_sql_run(db, RUN_INDEX_SQL, e) : r;
}

/* All tables and the first seal appear in one transaction. */
int store_schema_create(struct store_db *db, struct errmsg *e)
{
	int rc, r;

	randombytes_buf(db->id, sizeof(db->id));
	r = store_sql_run(db, "BEGIN IMMEDIATE", e);
	if (r == 0) {
		r = store_sql_run(db, META_SQL, e);
	}
	if (r == 0) {
		r = store_schema_extend(db, 0, e);
	}
	if (r == 0) {
		r = store_sql_prepare_all(db, e);
	}
	if (r < 0) {
		return r;
	}
	rc = store_meta_write(db);
	if (rc != SQLITE_OK) {
		return store_sql_fail(db, rc, "table meta", e);
	}
	return store_sql_run(db, "COMMIT", e);
}

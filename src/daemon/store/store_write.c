/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer: a group of requests becomes one transaction (docs/store.md, "The writer").
 *
 * A request that cannot be done (its key is taken, or missing) fails alone. Trouble with the
 * storage fails the whole group: it is rolled back, in the database and in the set that the seal
 * covers. A failed commit may have left its pages in the log of the database; an empty transaction
 * on top overwrites them, so that what was reported as failed does not come back after a crash.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/store/store_internal.h"

/* Errors of one request, as opposed to errors of the storage. */
static bool is_own_error(int r)
{
	return r == -EEXIST || r == -ENOENT || r == -EBADMSG;
}

/* Look the key of @row up, and take what it names out of the set. */
static int take_old(struct store_db *db, const struct store_row *row, bool *ret_found)
{
	sqlite3_stmt *stmt = db->stmts[row->kind][STMT_SELECT];
	struct store_row old;
	int next, rc, r;

	rc = store_row_bind(stmt, row, true, &next);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(stmt);
	}
	r = store_db_errno(db, rc);
	if (rc == SQLITE_ROW) {
		r = store_row_read(db, stmt, row->kind, &old, NULL);
	}
	if (r == 0 && rc == SQLITE_ROW && store_tables[row->kind].has_mac) {
		store_set_toggle(db, &old, -1);
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	if (r == 0) {
		*ret_found = rc == SQLITE_ROW;
	}
	return r;
}

static int write_new(struct store_db *db, const struct store_row *row)
{
	sqlite3_stmt *stmt = db->stmts[row->kind][STMT_WRITE];
	uint8_t mac[STORE_MAC_BYTES];
	int next, rc;

	rc = store_row_bind(stmt, row, false, &next);
	if (rc == SQLITE_OK && store_tables[row->kind].has_mac) {
		store_row_mac(db, db->keys->row, row, mac);
		rc = sqlite3_bind_blob(stmt, next, mac, sizeof(mac), SQLITE_STATIC);
	}
	if (rc == SQLITE_OK) {
		rc = store_db_step(stmt);
	}
	sqlite3_clear_bindings(stmt);
	if (rc == SQLITE_OK && store_tables[row->kind].has_mac) {
		store_set_toggle(db, row, 1);
	}
	return store_db_errno(db, rc);
}

static int delete_old(struct store_db *db, const struct store_row *row)
{
	sqlite3_stmt *stmt = db->stmts[row->kind][STMT_DELETE];
	int next, rc;

	rc = store_row_bind(stmt, row, true, &next);
	if (rc == SQLITE_OK) {
		rc = store_db_step(stmt);
	}
	sqlite3_clear_bindings(stmt);
	return store_db_errno(db, rc);
}

/* Whether an owner's history may be longer than it should be, by a sixteenth. */
static bool is_trim_due(struct store_db *db, uint64_t owner_uid)
{
	size_t i = owner_uid % ARRAY_SIZE(db->trims);
	bool is_other = db->trims[i].n == 0 || db->trims[i].owner_uid != owner_uid;

	if (!is_other && ++db->trims[i].n <= db->max_runs / 16) {
		return false;
	}
	db->trims[i].owner_uid = owner_uid;
	db->trims[i].n = 1;
	return true;
}

/* History has an end: an owner's oldest runs go when new ones come, and nobody else's. */
static int trim_runs(struct store_db *db, const struct store_row *row)
{
	int rc;

	if (row->kind != STORE_RUN || !is_trim_due(db, row->run.owner_uid)) {
		return 0;
	}
	rc = sqlite3_bind_int64(db->trim, 1, (sqlite3_int64)row->run.owner_uid);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_int64(db->trim, 2, (sqlite3_int64)db->max_runs);
	}
	if (rc == SQLITE_OK) {
		rc = store_db_step(db->trim);
	}
	return store_db_errno(db, rc);
}

static int apply_change(struct store_db *db, const struct store_change *c)
{
	struct store_set before = db->set;
	bool found = false;
	int r;

	r = take_old(db, &c->row, &found);
	if (r < 0) {
		return r;
	}
	if (c->op == STORE_CREATE && found) {
		db->set = before;
		return -EEXIST;
	}
	if (c->op == STORE_DELETE || c->op == STORE_FORGET) {
		return found ? delete_old(db, &c->row) : c->op == STORE_DELETE ? -ENOENT : 0;
	}
	r = write_new(db, &c->row);
	return r == 0 && !found ? trim_runs(db, &c->row) : r;
}

/* All changes of a request, or none. */
static int apply_request(struct store_db *db, const struct store_request *req)
{
	struct store_set before = db->set;
	int r, back;

	if (req->n_changes == 1) {
		return apply_change(db, &req->changes[0]);
	}
	r = store_db_errno(db, store_db_step(db->mark));
	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < req->n_changes && r == 0; i++) {
		r = apply_change(db, &req->changes[i]);
	}
	if (is_own_error(r)) {
		db->set = before;
		back = store_db_errno(db, store_db_step(db->back));
		if (back < 0) {
			return back;
		}
	} else if (r < 0) {
		return r;
	}
	back = store_db_errno(db, store_db_step(db->unmark));
	return back < 0 ? back : r;
}

/* Begin, apply, seal, commit. @return 0; negative errno: the storage failed, nothing is certain */
static int transact(struct store_db *db, struct store_work *from, struct store_work *end)
{
	int r;

	r = store_db_errno(db, store_db_step(db->begin));
	for (struct store_work *w = from; w != end && r == 0; w = w->next) {
		w->result = apply_request(db, (struct store_request *)w);
		r = is_own_error(w->result) ? 0 : w->result;
	}
	if (r == 0) {
		db->set.generation++;
		r = store_db_errno(db, store_meta_write(db));
	}
	if (r == 0) {
		r = store_db_errno(db, store_db_step(db->commit));
	}
	return r;
}

/* SQLite may have rolled back by itself already. */
static void abandon(struct store_db *db, const struct store_set *before)
{
	if (!sqlite3_get_autocommit(db->db)) {
		store_db_step(db->rollback);
	}
	db->set = *before;
}

static void count_group(struct store *s, struct store_work *from, struct store_work *end, int r)
{
	pthread_mutex_lock(&s->stats_lock);
	for (struct store_work *w = from; w != end; w = w->next) {
		s->stats.requests++;
		s->stats.failed_requests += w->result < 0;
	}
	if (r < 0) {
		s->stats.failed_commits++;
		s->stats.last_error = r;
	} else {
		s->stats.commits++;
	}
	s->stats.generation = s->db.set.generation;
	pthread_mutex_unlock(&s->stats_lock);
}

static void commit_group(struct store *s, struct store_work *from, struct store_work *end)
{
	struct store_set before = s->db.set;
	int r;

	r = transact(&s->db, from, end);
	if (r < 0) {
		abandon(&s->db, &before);
		for (struct store_work *w = from; w != end; w = w->next) {
			w->result = r;
		}
		if (transact(&s->db, NULL, NULL) < 0) {
			abandon(&s->db, &before);
		}
	}
	count_group(s, from, end, r);
}

/* @return what the visitor returned last; -ENOENT: not found, where one row was asked for */
static int visit_rows(struct store *s, sqlite3_stmt *stmt, struct store_request *req)
{
	bool is_found = req->ask != STORE_ASK_FIND;
	struct store_row row;
	int rc, r = 0;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && r == 0) {
		r = store_row_read(&s->db, stmt, req->kind, &row, req->e);
		is_found = true;
		if (r == 0) {
			r = req->visit(req->arg, &row);
		}
	}
	if (r == 0 && rc != SQLITE_DONE) {
		r = store_db_errno(&s->db, rc);
		errmsg_set(req->e, r, "reading table %s: %s", store_tables[req->kind].name,
			   sqlite3_errmsg(s->db.db));
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return r == 0 && !is_found ? errmsg_set(req->e, -ENOENT, "no such row") : r;
}

static int find_row(struct store *s, struct store_request *req)
{
	sqlite3_stmt *stmt = s->db.stmts[req->kind][STMT_SELECT];
	int next = 0;
	int rc = store_row_bind(stmt, req->key, true, &next);

	if (rc != SQLITE_OK) {
		sqlite3_clear_bindings(stmt);
		return errmsg_set(req->e, store_db_errno(&s->db, rc), "reading table %s: %s",
				  store_tables[req->kind].name, sqlite3_errstr(rc));
	}
	return visit_rows(s, stmt, req);
}

static int read_runs(struct store *s, struct store_request *req)
{
	bool is_of = req->owner_uid != STORE_NONE;
	sqlite3_stmt *stmt = is_of ? s->db.runs_of : s->db.runs;
	int rc;

	rc = sqlite3_bind_text(stmt, 1, req->vm_id, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_int64(stmt, 2, (sqlite3_int64)req->max);
	}
	if (rc == SQLITE_OK && is_of) {
		rc = sqlite3_bind_int64(stmt, 3, (sqlite3_int64)req->owner_uid);
	}
	if (rc != SQLITE_OK) {
		sqlite3_clear_bindings(stmt);
		return errmsg_set(req->e, store_db_errno(&s->db, rc), "reading the history: %s",
				  sqlite3_errstr(rc));
	}
	return visit_rows(s, stmt, req);
}

static int read_request(struct store *s, struct store_request *req)
{
	BUG_ON(req->ask == STORE_ASK_CHANGE); /* they are done in groups */
	switch (req->ask) {
	case STORE_ASK_FIND:
		return find_row(s, req);
	case STORE_ASK_RUNS:
		return read_runs(s, req);
	default:
		return visit_rows(s, s->db.stmts[req->kind][STMT_EACH], req);
	}
}

void store_write_group(void *ctx, struct store_work *list)
{
	struct store *s = ctx;

	while (list) {
		struct store_request *req = (struct store_request *)list;
		struct store_work *end = list;

		if (req->ask != STORE_ASK_CHANGE) {
			req->work.result = read_request(s, req);
			list = list->next;
			continue;
		}
		while (end && ((struct store_request *)end)->ask == STORE_ASK_CHANGE) {
			end = end->next;
		}
		commit_group(s, list, end);
		list = end;
	}
}

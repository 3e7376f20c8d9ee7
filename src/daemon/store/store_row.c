/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of the store: which columns they have, what fits, and their MACs (docs/store.md). */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/store/store_internal.h"

#define INT_KEY(col, member, top)                                         \
	{                                                                 \
		col, false, true, offsetof(struct store_row, member), top \
	}
#define INT(col, member, top)                                              \
	{                                                                  \
		col, false, false, offsetof(struct store_row, member), top \
	}
#define TEXT_KEY(col, member, top)                                       \
	{                                                                \
		col, true, true, offsetof(struct store_row, member), top \
	}
#define TEXT(col, member, top)                                            \
	{                                                                 \
		col, true, false, offsetof(struct store_row, member), top \
	}

static const struct store_field user_fields[] = {
	INT_KEY("uid", user.uid, UINT32_MAX),
	TEXT("name", user.name, STORE_NAME_MAX),
	INT("role", user.role, STORE_ROLE_ADMIN),
	INT("max_running_vms", user.max_running_vms, STORE_NONE),
	INT("max_vcpus", user.max_vcpus, STORE_NONE),
	INT("max_memory_bytes", user.max_memory_bytes, STORE_NONE),
	INT("max_exclusive_cores", user.max_exclusive_cores, STORE_NONE),
	INT("max_slice_share_permille", user.max_slice_share_permille, STORE_NONE),
	INT("max_definitions", user.max_definitions, STORE_NONE),
	INT("max_images_bytes", user.max_images_bytes, STORE_NONE),
};

static const struct store_field ban_fields[] = {
	INT_KEY("uid", ban.uid, UINT32_MAX),
	INT("by_uid", ban.by_uid, UINT32_MAX),
	INT("since_ns", ban.since_ns, STORE_NONE),
	TEXT("reason", ban.reason, STORE_REASON_MAX),
};

static const struct store_field vm_fields[] = {
	TEXT_KEY("id", vm.id, STORE_ID_MAX),
	TEXT("name", vm.name, STORE_NAME_MAX),
	INT("owner_uid", vm.owner_uid, UINT32_MAX),
	TEXT("image_hash", vm.image_hash, STORE_HASH_MAX),
	TEXT("image_path", vm.image_path, STORE_PATH_MAX),
	TEXT("options_json", vm.options_json, STORE_OPTIONS_MAX),
	INT("prio", vm.prio, STORE_NONE),
	INT("slice_ns", vm.slice_ns, STORE_NONE),
	INT("is_exclusive", vm.is_exclusive, 1),
	INT("core_idx", vm.core_idx, STORE_NONE),
	INT("created_ns", vm.created_ns, STORE_NONE),
};

static const struct store_field alloc_fields[] = {
	TEXT_KEY("vm_id", alloc.vm_id, STORE_ID_MAX),
	INT_KEY("vcpu_idx", alloc.vcpu_idx, UINT32_MAX),
	INT("core_idx", alloc.core_idx, UINT32_MAX),
	INT("epoch", alloc.epoch, STORE_NONE),
	INT("is_exclusive", alloc.is_exclusive, 1),
};

static const struct store_field run_fields[] = {
	INT_KEY("run", run.run, STORE_NONE),
	TEXT("vm_id", run.vm_id, STORE_ID_MAX),
	TEXT("vm_name", run.vm_name, STORE_NAME_MAX),
	INT("owner_uid", run.owner_uid, UINT32_MAX),
	INT("start_ns", run.start_ns, STORE_NONE),
	INT("end_ns", run.end_ns, STORE_NONE),
	TEXT("result", run.result, STORE_REASON_MAX),
	TEXT("arch", run.arch, STORE_NAME_MAX),
	TEXT("engine", run.engine, STORE_NAME_MAX),
	INT("stop_reason", run.stop_reason, STORE_NONE),
	INT("stop_code", run.stop_code, STORE_NONE),
	INT("cpu_ns", run.cpu_ns, STORE_NONE),
	INT("wait_ns", run.wait_ns, STORE_NONE),
	INT("slices", run.slices, STORE_NONE),
	INT("memory_peak_bytes", run.memory_peak_bytes, STORE_NONE),
};

static const struct store_field fault_fields[] = {
	TEXT_KEY("vm_id", fault.vm_id, STORE_ID_MAX),
	INT("run", fault.run, STORE_NONE),
	INT("reason", fault.reason, UINT32_MAX),
	INT("cleared_as", fault.cleared_as, UINT8_MAX),
	TEXT("stop_json", fault.stop_json, STORE_STOP_MAX),
	TEXT("registers_json", fault.registers_json, STORE_REGS_MAX),
};

static const struct store_field setting_fields[] = {
	TEXT_KEY("name", setting.name, STORE_NAME_MAX),
	INT("value", setting.value, STORE_NONE),
};

static const struct store_field ceiling_fields[] = {
	INT_KEY("uid", ceiling.uid, UINT32_MAX),
	INT("max_prio", ceiling.max_prio, STORE_NONE),
	INT("max_slice_ns", ceiling.max_slice_ns, STORE_NONE),
};

const struct store_table store_tables[STORE_KINDS] = {
	[STORE_USER] = { "user", user_fields, ARRAY_SIZE(user_fields), true, 1 },
	[STORE_BAN] = { "ban", ban_fields, ARRAY_SIZE(ban_fields), true, 1 },
	[STORE_VM] = { "vm", vm_fields, ARRAY_SIZE(vm_fields), true, 1 },
	[STORE_ALLOC] = { "alloc", alloc_fields, ARRAY_SIZE(alloc_fields), true, 1 },
	[STORE_RUN] = { "run", run_fields, ARRAY_SIZE(run_fields), false, 1 },
	[STORE_FAULT] = { "fault", fault_fields, ARRAY_SIZE(fault_fields), true, 2 },
	[STORE_SETTING] = { "setting", setting_fields, ARRAY_SIZE(setting_fields), true, 2 },
	[STORE_CEILING] = { "ceiling", ceiling_fields, ARRAY_SIZE(ceiling_fields), true, 3 },
};

static uint64_t int_of(const struct store_row *row, const struct store_field *f)
{
	uint64_t v;

	memcpy(&v, (const char *)row + f->offset, sizeof(v));
	return v;
}

static const char *text_of(const struct store_row *row, const struct store_field *f)
{
	const char *text;

	memcpy(&text, (const char *)row + f->offset, sizeof(text));
	return text;
}

static void set_text(struct store_row *row, const struct store_field *f, const char *text)
{
	memcpy((char *)row + f->offset, &text, sizeof(text));
}

int store_row_check(const struct store_row *row, bool keys_only, struct errmsg *e)
{
	const struct store_table *t;

	if ((unsigned int)row->kind >= STORE_KINDS) {
		return errmsg_set(e, -EINVAL, "no such kind of row: %u", (unsigned int)row->kind);
	}
	t = &store_tables[row->kind];
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct store_field *f = &t->fields[i];

		if (keys_only && !f->is_key) {
			break;
		}
		if (!f->is_text && int_of(row, f) > f->max) {
			return errmsg_set(e, -ERANGE, "%s.%s: %" PRIu64 " is more than %" PRIu64,
					  t->name, f->column, int_of(row, f), f->max);
		}
		if (f->is_text && !text_of(row, f)) {
			return errmsg_set(e, -EINVAL, "%s.%s is missing", t->name, f->column);
		}
		if (f->is_text && strnlen(text_of(row, f), f->max + 1) > f->max) {
			return errmsg_set(e, -E2BIG, "%s.%s has more than %" PRIu64 " bytes",
					  t->name, f->column, f->max);
		}
	}
	return 0;
}

size_t store_row_text_bytes(const struct store_row *row)
{
	const struct store_table *t = &store_tables[row->kind];
	size_t sum = 0;

	for (size_t i = 0; i < t->n_fields; i++) {
		if (t->fields[i].is_text && text_of(row, &t->fields[i])) {
			sum += strlen(text_of(row, &t->fields[i])) + 1;
		}
	}
	return sum;
}

void store_row_copy(struct store_row *to, const struct store_row *from, char **text)
{
	const struct store_table *t = &store_tables[from->kind];

	*to = *from;
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct store_field *f = &t->fields[i];

		if (f->is_text && text_of(from, f)) {
			size_t n = strlen(text_of(from, f)) + 1;

			memcpy(*text, text_of(from, f), n);
			set_text(to, f, *text);
			*text += n;
		}
	}
}

int store_row_bind(sqlite3_stmt *stmt, const struct store_row *row, bool keys_only, int *ret_next)
{
	const struct store_table *t = &store_tables[row->kind];
	int param = 1;

	for (size_t i = 0; i < t->n_fields && (!keys_only || t->fields[i].is_key); i++) {
		const struct store_field *f = &t->fields[i];
		int rc;

		if (f->is_text) {
			rc = sqlite3_bind_text(stmt, param, text_of(row, f), -1, SQLITE_STATIC);
		} else {
			rc = sqlite3_bind_int64(stmt, param, (sqlite3_int64)int_of(row, f));
		}
		if (rc != SQLITE_OK) {
			return rc;
		}
		param++;
	}
	*ret_next = param;
	return SQLITE_OK;
}

/* Take one column over. The type is asked for before the value, which could be converted. */
static int field_read(sqlite3_stmt *stmt, int col, const struct store_field *f,
		      struct store_row *row)
{
	if (!f->is_text) {
		sqlite3_int64 v = sqlite3_column_int64(stmt, col);
		uint64_t u = (uint64_t)v;

		if (sqlite3_column_type(stmt, col) != SQLITE_INTEGER || v < 0 || u > f->max) {
			return -EBADMSG;
		}
		memcpy((char *)row + f->offset, &u, sizeof(u));
		return 0;
	}
	if (sqlite3_column_type(stmt, col) != SQLITE_TEXT) {
		return -EBADMSG;
	}
	const char *text = (const char *)sqlite3_column_text(stmt, col);
	size_t n = (size_t)sqlite3_column_bytes(stmt, col);

	if (!text) {
		return -ENOMEM;
	}
	if (n > f->max || strlen(text) != n) {
		return -EBADMSG;
	}
	set_text(row, f, text);
	return 0;
}

static int mac_check(const struct store_db *db, sqlite3_stmt *stmt, int col,
		     const struct store_row *row)
{
	uint8_t want[STORE_MAC_BYTES];
	const void *got;

	if (sqlite3_column_type(stmt, col) != SQLITE_BLOB ||
	    sqlite3_column_bytes(stmt, col) != (int)sizeof(want)) {
		return -EBADMSG;
	}
	got = sqlite3_column_blob(stmt, col);
	if (!got) {
		return -ENOMEM;
	}
	store_row_mac(db, db->keys->row, row, want);
	return sodium_memcmp(got, want, sizeof(want)) == 0 ? 0 : -EBADMSG;
}

/* Name the row by its keys. */
static int bad_row(const struct store_row *row, size_t n_read, int r, struct errmsg *e)
{
	const struct store_table *t = &store_tables[row->kind];
	const struct store_field *key = &t->fields[0];

	if (r == -ENOMEM) {
		return errmsg_set(e, r, "out of memory");
	}
	if (n_read == 0) {
		return errmsg_set(e, r, "a row of table %s has a bad value in %s", t->name,
				  key->column);
	}
	if (key->is_text) {
		errmsg_set(e, r, "%s=\"%.64s\"", key->column, text_of(row, key));
	} else {
		errmsg_set(e, r, "%s=%" PRIu64, key->column, int_of(row, key));
	}
	if (n_read < t->n_fields) {
		errmsg_prefix(e, "table %s has a bad value in %s of the row ", t->name,
			      t->fields[n_read].column);
	} else {
		errmsg_prefix(e, "table %s has a row that was changed by hand (its MAC is wrong): ",
			      t->name);
	}
	return r;
}

int store_row_read(const struct store_db *db, sqlite3_stmt *stmt, enum store_kind kind,
		   struct store_row *ret, struct errmsg *e)
{
	const struct store_table *t = &store_tables[kind];
	struct store_row row = { .kind = kind };
	int r;

	for (size_t i = 0; i < t->n_fields; i++) {
		r = field_read(stmt, (int)i, &t->fields[i], &row);
		if (r < 0) {
			return bad_row(&row, i, r, e);
		}
	}
	if (t->has_mac) {
		r = mac_check(db, stmt, (int)t->n_fields, &row);
		if (r < 0) {
			return bad_row(&row, t->n_fields, r, e);
		}
	}
	*ret = row;
	return 0;
}

/* Every piece goes in with its length, so that no two rows give the same bytes. */
static void mac_piece(crypto_auth_hmacsha256_state *st, const void *p, size_t n)
{
	uint8_t len[8];

	store_le(len, n, sizeof(len));
	crypto_auth_hmacsha256_update(st, len, sizeof(len));
	crypto_auth_hmacsha256_update(st, p, n);
}

static void mac_u64(crypto_auth_hmacsha256_state *st, uint64_t v)
{
	uint8_t le[8];

	store_le(le, v, sizeof(le));
	mac_piece(st, le, sizeof(le));
}

static void mac_start(crypto_auth_hmacsha256_state *st, const uint8_t *key, const char *label,
		      const struct store_db *db)
{
	crypto_auth_hmacsha256_init(st, key, STORE_KEY_BYTES);
	mac_piece(st, label, strlen(label));
	mac_piece(st, db->id, sizeof(db->id));
}

static void mac_end(crypto_auth_hmacsha256_state *st, uint8_t *ret_mac)
{
	crypto_auth_hmacsha256_final(st, ret_mac);
	sodium_memzero(st, sizeof(*st));
}

void store_row_mac(const struct store_db *db, const uint8_t *key, const struct store_row *row,
		   uint8_t *ret_mac)
{
	const struct store_table *t = &store_tables[row->kind];
	crypto_auth_hmacsha256_state st;

	mac_start(&st, key, t->name, db);
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct store_field *f = &t->fields[i];

		if (f->is_text) {
			mac_piece(&st, text_of(row, f), strlen(text_of(row, f)));
		} else {
			mac_u64(&st, int_of(row, f));
		}
	}
	mac_end(&st, ret_mac);
}

void store_set_toggle(struct store_db *db, const struct store_row *row, int by)
{
	uint8_t part[STORE_MAC_BYTES];

	store_row_mac(db, db->keys->set, row, part);
	for (size_t i = 0; i < sizeof(part); i++) {
		db->set.sum[i] ^= part[i];
	}
	BUG_ON(by < 0 && db->set.n_rows == 0);
	db->set.n_rows = by > 0 ? db->set.n_rows + 1 : db->set.n_rows - 1;
	sodium_memzero(part, sizeof(part));
}

void store_set_seal(const struct store_db *db, uint8_t *ret_mac)
{
	crypto_auth_hmacsha256_state st;

	mac_start(&st, db->keys->seal, "seal", db);
	mac_u64(&st, db->set.generation);
	mac_u64(&st, db->set.n_rows);
	mac_piece(&st, db->set.sum, sizeof(db->set.sum));
	mac_end(&st, ret_mac);
}

void store_meta_mac(const struct store_db *db, uint64_t version, uint8_t *ret_mac)
{
	crypto_auth_hmacsha256_state st;

	mac_start(&st, db->keys->meta, "meta", db);
	mac_u64(&st, version);
	mac_u64(&st, db->set.generation);
	mac_end(&st, ret_mac);
}

static void derive(uint8_t *ret, const uint8_t *master, const char *label)
{
	crypto_auth_hmacsha256(ret, (const uint8_t *)label, strlen(label), master);
}

void store_keys_derive(struct store_keys *keys, const uint8_t *master)
{
	derive(keys->row, master, "pinfold store row");
	derive(keys->set, master, "pinfold store set");
	derive(keys->seal, master, "pinfold store seal");
	derive(keys->meta, master, "pinfold store meta");
}

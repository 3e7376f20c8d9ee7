/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state store: what is kept, what is refused, what is not believed (docs/store.md). */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sys/stat.h>

#include "store_rows.h"
#include "test.h"

/* Transactions of fill(). */
#define FILL_CHANGES 9

static char dir[256];
static struct store *st;
static struct store_report report;
static struct errmsg em;

static int open_store(void)
{
	struct store_options o;

	store_options_defaults(&o);
	o.state_dir = dir;
	em.text[0] = '\0';
	return store_open(&o, &st, &report, &em);
}

static void begin(void)
{
	temp_dir_make(dir, sizeof(dir));
	CHECK_INT(open_store(), 0);
}

static void end(void)
{
	store_close(st);
	st = NULL;
	temp_dir_remove(dir);
}

static void reopen(void)
{
	store_close(st);
	st = NULL;
	CHECK_INT(open_store(), 0);
	CHECK_STR(em.text, "");
}

static int apply1(struct store_change c)
{
	return store_apply(st, &c, 1, &em);
}

static int visit_count(void *arg, const struct store_row *row)
{
	(void)row;
	++*(size_t *)arg;
	return 0;
}

static size_t rows_of(enum store_kind kind)
{
	size_t n = 0;

	CHECK_INT(store_each(st, kind, visit_count, &n, &em), 0);
	return n;
}

/* Edit the closed database as a person with sqlite3 would. */
static void doctor(const char *sql)
{
	char path[300];
	sqlite3 *db;

	store_close(st);
	st = NULL;
	snprintf(path, sizeof(path), "%s/store/db", dir);
	CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static size_t asides(const char *what)
{
	char pattern[320];
	size_t n;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/%s.aside-*", dir, what);
	n = glob(pattern, 0, NULL, &g) == 0 ? g.gl_pathc : 0;
	globfree(&g);
	return n;
}

/* The start succeeds, empty, with the old state aside and a notice that contains @why. */
static void expect_aside(const char *why)
{
	CHECK_INT(open_store(), 0);
	CHECK(report.has_aside);
	CHECK(report.is_fresh);
	if (!strstr(report.notice, why)) {
		printf("notice \"%s\" does not contain \"%s\"\n", report.notice, why);
		test_failures++;
	}
	CHECK_INT(asides("store"), 1);
	if (st) {
		CHECK_INT(rows_of(STORE_USER), 0);
		CHECK_INT(apply1(change_user(STORE_CREATE, 5, 5)), 0);
		reopen();
		CHECK(!report.has_aside);
		CHECK_INT(rows_of(STORE_USER), 1);
	}
}

static void fill(void)
{
	CHECK_INT(apply1(change_user(STORE_CREATE, 1000, 3)), 0);
	CHECK_INT(apply1(change_user(STORE_CREATE, 1001, 3)), 0);
	CHECK_INT(apply1(change_ban(STORE_CREATE, 1001)), 0);
	CHECK_INT(apply1(change_vm(STORE_CREATE, "aa01", 1000)), 0);
	CHECK_INT(apply1(change_alloc(STORE_CREATE, "aa01", 2, 9)), 0);
	CHECK_INT(apply1(change_run(STORE_CREATE, store_run_next(st), "aa01")), 0);
	CHECK_INT(apply1(change_fault(STORE_CREATE, "aa01", 1)), 0);
	CHECK_INT(apply1(change_setting(STORE_CREATE, "exclusive_cap", 2)), 0);
	CHECK_INT(apply1(change_ceiling(STORE_CREATE, 1000, 4)), 0);
}

static void test_keeps_what_was_acknowledged(void)
{
	uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];

	begin();
	CHECK(report.is_fresh);
	CHECK_STR(report.notice, "");
	fill();
	CHECK_INT(digest_store(st, before), 0);
	reopen();
	CHECK(!report.is_fresh && !report.has_aside);
	CHECK_STR(report.notice, "");
	CHECK_INT(digest_store(st, after), 0);
	CHECK(memcmp(before, after, sizeof(before)) == 0);
	CHECK_INT(store_run_next(st), 2);
	CHECK_INT(store_generation(st), FILL_CHANGES);
	end();
}

static int visit_vm(void *arg, const struct store_row *row)
{
	CHECK_STR(row->vm.id, "aa01");
	CHECK_STR(row->vm.options_json, "{\"ram\":1048576}");
	CHECK_INT(row->vm.owner_uid, 1000);
	CHECK_INT(row->vm.core_idx, STORE_NONE);
	++*(size_t *)arg;
	return 0;
}

static void test_reads_every_field_back(void)
{
	size_t n = 0;

	begin();
	fill();
	CHECK_INT(store_each(st, STORE_VM, visit_vm, &n, &em), 0);
	CHECK_INT(n, 1);
	end();
}

static void test_create_put_delete(void)
{
	begin();
	CHECK_INT(apply1(change_user(STORE_CREATE, 7, 1)), 0);
	CHECK_INT(apply1(change_user(STORE_CREATE, 7, 2)), -EEXIST);
	CHECK_INT(apply1(change_user(STORE_PUT, 7, 2)), 0);
	CHECK_INT(apply1(change_user(STORE_DELETE, 8, 0)), -ENOENT);
	CHECK_INT(rows_of(STORE_USER), 1);
	CHECK_INT(apply1(change_user(STORE_DELETE, 7, 0)), 0);
	CHECK_INT(rows_of(STORE_USER), 0);
	reopen();
	CHECK(!report.has_aside);
	end();
}

static void test_request_is_all_or_nothing(void)
{
	struct store_change c[3];

	begin();
	fill();
	c[0] = change_user(STORE_CREATE, 2000, 1);
	c[1] = change_vm(STORE_DELETE, "aa01", 0);
	c[2] = change_vm(STORE_DELETE, "nope", 0);
	CHECK_INT(store_apply(st, c, 3, &em), -ENOENT);
	CHECK_INT(rows_of(STORE_USER), 2);
	CHECK_INT(rows_of(STORE_VM), 1);
	CHECK_INT(store_apply(st, c, 2, &em), 0);
	CHECK_INT(rows_of(STORE_USER), 3);
	CHECK_INT(rows_of(STORE_VM), 0);
	reopen();
	CHECK(!report.has_aside);
	CHECK_INT(rows_of(STORE_VM), 0);
	end();
}

static void test_bad_values_are_refused(void)
{
	struct store_change c = change_user(STORE_CREATE, UINT32_MAX + 1ull, 1);
	char longer[STORE_OPTIONS_MAX + 2];

	begin();
	CHECK_INT(apply1(c), -ERANGE);
	c = change_user(STORE_CREATE, 1, 1ull << 63);
	CHECK_INT(apply1(c), -ERANGE);
	c = change_user(STORE_CREATE, 1, 1);
	c.row.user.role = 2;
	CHECK_INT(apply1(c), -ERANGE);
	c = change_user(STORE_CREATE, 1, 1);
	c.row.user.name = NULL;
	CHECK_INT(apply1(c), -EINVAL);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	c = change_vm(STORE_CREATE, "aa", 1);
	c.row.vm.options_json = longer;
	CHECK_INT(apply1(c), -E2BIG);
	longer[sizeof(longer) - 2] = '\0';
	CHECK_INT(apply1(c), 0);
	c.row.kind = STORE_KINDS;
	CHECK_INT(apply1(c), -EINVAL);
	CHECK_INT(store_apply(st, &c, 0, &em), -EINVAL);
	CHECK_INT(store_apply(st, &c, STORE_CHANGES_MAX + 1, &em), -EINVAL);
	end();
}

static void test_history_is_bounded_and_newest_first(void)
{
	struct store_options o;
	size_t n = 0;

	temp_dir_make(dir, sizeof(dir));
	store_options_defaults(&o);
	o.state_dir = dir;
	o.max_runs = 10;
	CHECK_INT(store_open(&o, &st, &report, &em), 0);
	for (int i = 0; i < 25; i++) {
		CHECK_INT(apply1(change_run(STORE_CREATE, store_run_next(st), i % 2 ? "a" : "b")),
			  0);
	}
	CHECK_INT(rows_of(STORE_RUN), 10);
	CHECK_INT(store_runs(st, STORE_NONE, "a", 100, visit_count, &n, &em), 0);
	CHECK_INT(n, 5);
	n = 0;
	CHECK_INT(store_runs(st, STORE_NONE, NULL, 3, visit_count, &n, &em), 0);
	CHECK_INT(n, 3);
	end();
}

static size_t runs_of(uint64_t owner_uid, const char *vm_id)
{
	size_t n = 0;

	CHECK_INT(store_runs(st, owner_uid, vm_id, 1000, visit_count, &n, &em), 0);
	return n;
}

/* However many runs one owner has, the others' stay; also of owners who share a counter. */
static void test_history_of_one_owner_leaves_the_others(void)
{
	static const uint64_t owners[] = { 1000, 1001, 1000 + STORE_TRIMS };
	struct store_options o;
	struct store_change c;

	temp_dir_make(dir, sizeof(dir));
	store_options_defaults(&o);
	o.state_dir = dir;
	o.max_runs = 32;
	CHECK_INT(store_open(&o, &st, &report, &em), 0);
	for (int i = 0; i < 600; i++) {
		c = change_run(STORE_CREATE, store_run_next(st), i % 2 ? "a" : "b");
		/* The second had its say long ago; the first and the third go on and on. */
		c.row.run.owner_uid = owners[i < 60 ? i % 3 : i % 2 * 2];
		CHECK_INT(apply1(c), 0);
	}
	CHECK_INT(runs_of(1001, NULL), 20);
	CHECK_INT(runs_of(1001, "a"), 10);
	CHECK(runs_of(1000, NULL) >= 32 && runs_of(1000, NULL) <= 34);
	CHECK(runs_of(owners[2], NULL) >= 32 && runs_of(owners[2], NULL) <= 34);
	CHECK_INT(runs_of(1002, NULL), 0);
	end();
}

/* One edit by hand, and what the notice says about it. */
static const struct {
	const char *sql, *why;
} edits[] = {
	{ "UPDATE user SET role=1 WHERE uid=1000", "uid=1000" },
	{ "UPDATE user SET max_exclusive_cores=64 WHERE uid=1000", "MAC is wrong" },
	{ "UPDATE user SET name='x' WHERE uid=1000", "MAC is wrong" },
	{ "UPDATE user SET uid=1002 WHERE uid=1000", "uid=1002" },
	{ "UPDATE vm SET owner_uid=1001", "id=\"aa01\"" },
	{ "UPDATE vm SET options_json='{}'", "MAC is wrong" },
	{ "UPDATE alloc SET core_idx=3", "MAC is wrong" },
	{ "UPDATE ban SET uid=1002", "MAC is wrong" },
	{ "DELETE FROM ban", "seal is wrong" },
	{ "DELETE FROM user WHERE uid=1001", "seal is wrong" },
	{ "INSERT INTO user SELECT 1002,name,1,1,1,1,1,1,1,1,mac FROM user WHERE uid=1000",
	  "MAC is wrong" },
	{ "UPDATE user SET mac=zeroblob(32)", "MAC is wrong" },
	{ "UPDATE user SET mac=x'00'", "MAC is wrong" },
	{ "UPDATE user SET max_vcpus=-1", "bad value in max_vcpus" },
	{ "UPDATE user SET name='a'||char(0)||'b'", "bad value in name" },
	{ "UPDATE user SET name=printf('%.100c','x')", "bad value in name" },
	{ "UPDATE run SET slices=-3", "bad value in slices" },
	{ "UPDATE meta SET generation=99", "meta was changed" },
	{ "UPDATE meta SET version=4", "meta was changed" },
	{ "UPDATE meta SET version=2", "meta was changed" },
	{ "UPDATE meta SET version=1", "meta was changed" },
	{ "UPDATE fault SET run=2", "MAC is wrong" },
	{ "UPDATE fault SET cleared_as=1", "MAC is wrong" },
	{ "UPDATE fault SET stop_json='{}'", "MAC is wrong" },
	{ "DELETE FROM fault", "seal is wrong" },
	{ "UPDATE setting SET value=64", "MAC is wrong" },
	{ "DELETE FROM setting", "seal is wrong" },
	{ "DROP TABLE setting", "schema was changed" },
	{ "UPDATE ceiling SET max_prio=7", "MAC is wrong" },
	{ "UPDATE ceiling SET uid=1001", "MAC is wrong" },
	{ "DELETE FROM ceiling", "seal is wrong" },
	{ "DROP INDEX run_owner", "schema was changed" },
	{ "UPDATE meta SET db_id=zeroblob(16)", "meta was changed" },
	{ "UPDATE meta SET seal=zeroblob(32)", "seal is wrong" },
	{ "UPDATE meta SET seal=x'11'", "meta has a bad value" },
	{ "DELETE FROM meta", "meta is empty" },
	{ "DROP TABLE meta", "not a database of ours" },
	{ "DROP TABLE ban", "schema was changed" },
	{ "CREATE TRIGGER t AFTER INSERT ON user BEGIN DELETE FROM ban; END",
	  "schema was changed" },
	{ "CREATE VIEW v AS SELECT 1", "schema was changed" },
	{ "CREATE INDEX i ON user(name)", "schema was changed" },
	{ "ALTER TABLE user ADD COLUMN more INTEGER", "schema was changed" },
	{ "DROP TABLE user; CREATE VIEW user AS SELECT 1", "schema was changed" },
};

static void test_edits_by_hand_are_found(void)
{
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		begin();
		fill();
		doctor(edits[i].sql);
		expect_aside(edits[i].why);
		end();
	}
}

/* An old row with its valid MAC, put back after it was replaced or removed. */
static void test_old_rows_do_not_come_back(void)
{
	begin();
	CHECK_INT(apply1(change_user(STORE_CREATE, 1000, 64)), 0);
	{
		char path[300], aside[700], sql[700];

		store_close(st);
		snprintf(path, sizeof(path), "%s/store/db", dir);
		snprintf(aside, sizeof(aside), "cp %s %s/old.db", path, dir);
		CHECK_INT(system(aside), 0);
		CHECK_INT(open_store(), 0);
		CHECK_INT(apply1(change_user(STORE_PUT, 1000, 1)), 0);
		snprintf(sql, sizeof(sql),
			 "ATTACH DATABASE '%s/old.db' AS o; DELETE FROM main.user;"
			 "INSERT INTO main.user SELECT * FROM o.user",
			 dir);
		doctor(sql);
		expect_aside("seal is wrong");
	}
	end();
}

static void test_older_copy_is_found_by_generation(void)
{
	struct store_options o;

	begin();
	fill();
	store_close(st);
	st = NULL;
	store_options_defaults(&o);
	o.state_dir = dir;
	o.min_generation = FILL_CHANGES;
	CHECK_INT(store_open(&o, &st, &report, &em), 0);
	CHECK(!report.has_aside);
	store_close(st);
	st = NULL;
	o.min_generation = FILL_CHANGES + 1;
	CHECK_INT(store_open(&o, &st, &report, &em), 0);
	CHECK(report.has_aside);
	CHECK(strstr(report.notice, "older copy") != NULL);
	end();
}

/* As if another version had written the database: with the key, its MAC is right. */
static void become_version(uint64_t version, const char *more_sql)
{
	uint8_t mac[STORE_MAC_BYTES];
	char sql[600], hex[2 * STORE_MAC_BYTES + 1];

	st->db.set.generation = store_generation(st);
	store_meta_mac(&st->db, version, mac);
	sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
	snprintf(sql, sizeof(sql), "UPDATE meta SET version=%u,mac=x'%s'; %s",
		 (unsigned int)version, hex, more_sql);
	doctor(sql);
}

/* Of version 1, with rows in every table it had. */
static void become_old(const char *more_sql)
{
	char sql[400];

	CHECK_INT(apply1(change_fault(STORE_DELETE, "aa01", 0)), 0);
	CHECK_INT(apply1(change_setting(STORE_DELETE, "exclusive_cap", 0)), 0);
	CHECK_INT(apply1(change_ceiling(STORE_DELETE, 1000, 0)), 0);
	snprintf(sql, sizeof(sql),
		 "DROP INDEX run_owner; DROP TABLE fault; DROP TABLE setting; DROP TABLE ceiling; "
		 "%s",
		 more_sql);
	become_version(1, sql);
}

static void test_older_version_is_taken_over(void)
{
	uint8_t before[DIGEST_BYTES], after[DIGEST_BYTES];
	uint64_t generation;

	begin();
	fill();
	become_old("");
	CHECK_INT(open_store(), 0);
	CHECK_STR(em.text, "");
	CHECK(!report.has_aside && !report.is_fresh);
	CHECK_STR(report.notice, "");
	CHECK_INT(rows_of(STORE_USER), 2);
	CHECK_INT(rows_of(STORE_BAN), 1);
	CHECK_INT(rows_of(STORE_VM), 1);
	CHECK_INT(rows_of(STORE_RUN), 1);
	CHECK_INT(rows_of(STORE_FAULT), 0);
	generation = store_generation(st);
	CHECK_INT(generation, FILL_CHANGES + 4);
	CHECK_INT(runs_of(1000, NULL), 1);
	CHECK_INT(apply1(change_fault(STORE_CREATE, "aa01", 1)), 0);
	CHECK_INT(apply1(change_setting(STORE_CREATE, "exclusive_cap", 2)), 0);
	CHECK_INT(digest_store(st, before), 0);
	reopen(); /* as this version now */
	CHECK(!report.has_aside);
	CHECK_INT(digest_store(st, after), 0);
	CHECK(memcmp(before, after, sizeof(before)) == 0);
	end();
}

/* Without ceilings, and with a history in one piece. */
static void test_version_2_is_taken_over(void)
{
	begin();
	fill();
	CHECK_INT(apply1(change_ceiling(STORE_DELETE, 1000, 0)), 0);
	become_version(2, "DROP INDEX run_owner; DROP TABLE ceiling");
	CHECK_INT(open_store(), 0);
	CHECK_STR(report.notice, "");
	CHECK_INT(rows_of(STORE_CEILING), 0);
	CHECK_INT(rows_of(STORE_SETTING), 1);
	CHECK_INT(runs_of(1000, "aa01"), 1);
	CHECK_INT(apply1(change_ceiling(STORE_CREATE, 1000, 4)), 0);
	reopen();
	CHECK(!report.has_aside);
	CHECK_INT(rows_of(STORE_CEILING), 1);
	end();
}

/* Being old is no excuse. */
static void test_older_version_is_checked(void)
{
	static const struct {
		const char *sql, *why;
	} wrong[] = {
		{ "UPDATE user SET role=1 WHERE uid=1000", "uid=1000" },
		{ "DELETE FROM ban", "seal is wrong" },
		{ "CREATE TABLE fault(x)", "schema was changed" },
		{ "CREATE VIEW setting AS SELECT 1", "schema was changed" },
		{ "DROP TABLE alloc", "schema was changed" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin();
		fill();
		become_old(wrong[i].sql);
		expect_aside(wrong[i].why);
		end();
	}
	/* Tables that this version did not have yet. */
	begin();
	fill();
	become_version(1, "");
	expect_aside("schema was changed");
	end();
}

static int visit_fault(void *arg, const struct store_row *row)
{
	CHECK_INT(row->fault.run, 1);
	CHECK_INT(row->fault.reason, 3);
	CHECK_STR(row->fault.registers_json, "{\"a0\":\"0x13ba\"}");
	++*(size_t *)arg;
	return 0;
}

static void test_finds_one_row(void)
{
	struct store_row key = { .kind = STORE_FAULT, .fault = { .vm_id = "aa01" } };
	size_t n = 0;

	begin();
	fill();
	CHECK_INT(store_find(st, &key, visit_fault, &n, &em), 0);
	CHECK_INT(n, 1);
	key.fault.vm_id = "nope";
	CHECK_INT(store_find(st, &key, visit_fault, &n, &em), -ENOENT);
	CHECK_INT(n, 1);
	key.fault.vm_id = NULL;
	CHECK_INT(store_find(st, &key, visit_fault, &n, &em), -EINVAL);
	end();
}

static void test_forgets_what_need_not_be_there(void)
{
	struct store_change c[2];

	begin();
	fill();
	c[0] = change_fault(STORE_FORGET, "nope", 0);
	c[1] = change_fault(STORE_FORGET, "aa01", 0);
	CHECK_INT(store_apply(st, c, 2, &em), 0);
	CHECK_INT(rows_of(STORE_FAULT), 0);
	CHECK_INT(apply1(c[1]), 0);
	reopen();
	CHECK(!report.has_aside);
	end();
}

static void test_newer_version_is_refused_untouched(void)
{
	begin();
	fill();
	become_version(STORE_SCHEMA_VERSION + 1, "CREATE TABLE future(x)");
	CHECK_INT(open_store(), -ENOTSUP);
	CHECK(strstr(em.text, "newer version") != NULL);
	CHECK_INT(asides("store"), 0);
	end();
}

static void overwrite(const char *name, long off, size_t n, bool do_truncate)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (do_truncate) {
		CHECK_INT(truncate(path, off), 0);
		return;
	}
	f = fopen(path, "r+");
	CHECK(f != NULL);
	if (f) {
		CHECK_INT(fseek(f, off, off < 0 ? SEEK_END : SEEK_SET), 0);
		for (size_t i = 0; i < n; i++) {
			fputc((int)(i * 37 + 11) & 255, f);
		}
		fclose(f);
	}
}

static void test_damage_is_found(void)
{
	static const struct {
		long off;
		size_t n;
		bool do_truncate;
		const char *why;
	} damage[] = {
		{ 0, 16, false, "not a database" }, { 20, 60, false, "" },
		{ 100, 3000, false, "" },	    { 4096, 4096, false, "" },
		{ 3 * 4096L + 8, 64, false, "" },   { 1000, 0, true, "" },
		{ 3 * 4096L, 0, true, "" },	    { 2 * 4096L + 100, 0, true, "" },
	};

	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		begin();
		fill();
		store_close(st);
		st = NULL;
		overwrite("store/db", damage[i].off, damage[i].n, damage[i].do_truncate);
		expect_aside(damage[i].why);
		end();
	}
}

/* Any single flipped bit in the file is either found or without any effect on what is read. */
static void test_flipped_bits_change_nothing_unseen(void)
{
	uint8_t want[DIGEST_BYTES], got[DIGEST_BYTES], byte;
	size_t n_aside = 0, n_same = 0, n_wrong = 0;
	char path[300], copy[1000];
	struct stat sb;
	int fd;

	begin();
	fill();
	CHECK_INT(digest_store(st, want), 0);
	store_close(st);
	st = NULL;
	snprintf(path, sizeof(path), "%s/store/db", dir);
	CHECK_INT(stat(path, &sb), 0);
	snprintf(copy, sizeof(copy), "cp -p %s %s/good", path, dir);
	CHECK_INT(system(copy), 0);
	for (int i = 0; i < 400; i++) {
		long off = (long)randombytes_uniform((uint32_t)sb.st_size);

		fd = open(path, O_RDWR);
		CHECK_INT(pread(fd, &byte, 1, off), 1);
		byte ^= (uint8_t)(1u << randombytes_uniform(8));
		CHECK_INT(pwrite(fd, &byte, 1, off), 1);
		close(fd);
		CHECK_INT(open_store(), 0);
		if (report.has_aside) {
			n_aside++;
		} else {
			n_wrong += digest_store(st, got) != 0;
			/* History carries no MAC; everything else must be as it was. */
			n_same += memcmp(want, got, sizeof(got)) == 0;
			n_wrong += rows_of(STORE_USER) != 2 || rows_of(STORE_BAN) != 1;
		}
		store_close(st);
		st = NULL;
		snprintf(copy, sizeof(copy), "rm -rf %s/store.aside-* && cp -p %s/good %s", dir,
			 dir, path);
		CHECK_INT(system(copy), 0);
	}
	CHECK(n_aside > 0 && n_same > 0);
	CHECK_INT(n_wrong, 0);
	end();
}

static void test_untrusted_files_are_set_aside(void)
{
	static const struct {
		const char *cmd, *why;
	} cases[] = {
		{ "chmod 0644 store/db", "may be opened by other users" },
		{ "chmod 0755 store", "mode 0755" },
		{ "mv store/db elsewhere && ln -s ../elsewhere store/db", "symbolic link" },
		{ "mv store elsewhere && ln -s elsewhere store", "is not a folder" },
		{ "ln store/db second", "second name" },
		{ "rm -r store && touch store", "is not a folder" },
		{ "rm store/db && mkfifo -m 600 store/db", "not a regular file" },
		{ "rm store/db && touch store/db-wal && chmod 600 store/db-wal",
		  "database is not" },
		{ "touch store/db-journal", "may be opened" },
		{ "chmod 0640 store.key", "store.key may be opened" },
		{ "echo x > store.key", "not a key file" },
		{ "rm store.key", "its key is gone" },
		{ "mv store.key k && ln -s k store.key", "store.key is a symbolic link" },
		{ "rm store.key && mkfifo -m 600 store.key", "store.key is not a regular file" },
	};
	char cmd[600];

	umask(022);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		fill();
		store_close(st);
		st = NULL;
		snprintf(cmd, sizeof(cmd), "cd %s && %s", dir, cases[i].cmd);
		CHECK_INT(system(cmd), 0);
		expect_aside(cases[i].why);
		end();
	}
}

static void test_another_owner_is_not_believed(void)
{
	char path[300];

	if (geteuid() != 0) {
		printf("not root: cannot give files to another user\n");
		return;
	}
	begin();
	fill();
	store_close(st);
	st = NULL;
	snprintf(path, sizeof(path), "%s/store/db", dir);
	CHECK_INT(chown(path, 12345, 12345), 0);
	expect_aside("belongs to another user");
	end();
}

static void test_modes_are_tight(void)
{
	static const char *const names[] = { "store.key", "store/db", "store/db-wal" };
	struct stat sb;
	char path[300];

	umask(0);
	begin();
	fill();
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		CHECK_INT(stat(path, &sb), 0);
		CHECK_INT(sb.st_mode & 07777, 0600);
	}
	snprintf(path, sizeof(path), "%s/store", dir);
	CHECK_INT(stat(path, &sb), 0);
	CHECK_INT(sb.st_mode & 07777, 0700);
	umask(022);
	end();
}

static void test_folder_is_held_and_checked(void)
{
	struct store *second = NULL;
	struct store_options o;

	begin();
	store_options_defaults(&o);
	o.state_dir = dir;
	CHECK_INT(store_open(&o, &second, NULL, &em), -EBUSY);
	CHECK(second == NULL);
	store_close(st);
	st = NULL;
	CHECK_INT(chmod(dir, 0777), 0);
	CHECK_INT(store_open(&o, &second, NULL, &em), -EPERM);
	CHECK_INT(chmod(dir, 0700), 0);
	o.state_dir = "/nonexistent/folder";
	CHECK_INT(store_open(&o, &second, NULL, &em), -ENOENT);
	end();
}

static void on_done(void *arg, int result)
{
	CHECK_INT(result, 0);
	__atomic_fetch_add((size_t *)arg, 1, __ATOMIC_RELAXED);
}

static void test_closing_acknowledges_what_waits(void)
{
	struct store_change c = change_user(STORE_PUT, 1, 1);
	size_t n = 0;

	begin();
	for (uint64_t i = 0; i < 50; i++) {
		c.row.user.uid = i;
		CHECK_INT(store_submit(st, &c, 1, on_done, &n, &em), 0);
	}
	store_close(st);
	st = NULL;
	CHECK_INT(n, 50);
	reopen();
	CHECK_INT(rows_of(STORE_USER), 50);
	end();
}

/* Holds the writer until the test has looked at a full queue. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool is_in, is_open;
};

static int visit_gate(void *arg, const struct store_row *row)
{
	struct gate *g = arg;

	(void)row;
	pthread_mutex_lock(&g->lock);
	g->is_in = true;
	pthread_cond_broadcast(&g->moved);
	while (!g->is_open) {
		pthread_cond_wait(&g->moved, &g->lock);
	}
	pthread_mutex_unlock(&g->lock);
	return 1;
}

static void *gate_main(void *arg)
{
	CHECK_INT(store_each(st, STORE_USER, visit_gate, arg, NULL), 1);
	return NULL;
}

static void test_full_queue_says_try_again(void)
{
	struct gate g = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false };
	struct store_change c = change_user(STORE_PUT, 1, 1);
	struct store_options o;
	pthread_t thread;
	size_t n = 0;

	temp_dir_make(dir, sizeof(dir));
	store_options_defaults(&o);
	o.state_dir = dir;
	o.max_queue_items = 9;
	CHECK_INT(store_open(&o, &st, &report, &em), 0);
	CHECK_INT(apply1(c), 0);
	CHECK_INT(pthread_create(&thread, NULL, gate_main, &g), 0);
	pthread_mutex_lock(&g.lock);
	while (!g.is_in) {
		pthread_cond_wait(&g.moved, &g.lock);
	}
	pthread_mutex_unlock(&g.lock);
	for (int i = 0; i < 8; i++) {
		CHECK_INT(store_submit(st, &c, 1, on_done, &n, &em), 0);
	}
	CHECK_INT(store_submit(st, &c, 1, on_done, &n, &em), -EAGAIN);
	pthread_mutex_lock(&g.lock);
	g.is_open = true;
	pthread_cond_broadcast(&g.moved);
	pthread_mutex_unlock(&g.lock);
	pthread_join(thread, NULL);
	CHECK_INT(apply1(c), 0);
	CHECK_INT(n, 8);
	end();
}

static void *hammer_main(void *arg)
{
	uint64_t base = (uint64_t)(uintptr_t)arg * 1000;
	struct store_change c;

	for (uint64_t i = 0; i < 40; i++) {
		c = change_user(STORE_CREATE, base + i, 1);
		CHECK_INT(store_apply(st, &c, 1, NULL), 0);
	}
	return NULL;
}

static void test_many_callers_share_commits(void)
{
	struct store_stats stats;
	pthread_t threads[16];

	begin();
	for (uintptr_t i = 0; i < 16; i++) {
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): a number for the thread */
		CHECK_INT(pthread_create(&threads[i], NULL, hammer_main, (void *)(i + 1)), 0);
	}
	for (size_t i = 0; i < 16; i++) {
		pthread_join(threads[i], NULL);
	}
	store_stats_get(st, &stats);
	CHECK_INT(stats.requests, 640);
	CHECK_INT(stats.failed_requests, 0);
	CHECK(stats.commits <= 640);
	reopen();
	CHECK_INT(rows_of(STORE_USER), 640);
	end();
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "keeps what was acknowledged", test_keeps_what_was_acknowledged },
		{ "reads every field back", test_reads_every_field_back },
		{ "create, put, delete", test_create_put_delete },
		{ "a request is all or nothing", test_request_is_all_or_nothing },
		{ "bad values are refused", test_bad_values_are_refused },
		{ "history is bounded, newest first", test_history_is_bounded_and_newest_first },
		{ "one owner's history leaves the others'",
		  test_history_of_one_owner_leaves_the_others },
		{ "edits by hand are found", test_edits_by_hand_are_found },
		{ "old rows do not come back", test_old_rows_do_not_come_back },
		{ "an older copy is found", test_older_copy_is_found_by_generation },
		{ "a newer version is refused", test_newer_version_is_refused_untouched },
		{ "an older version is taken over", test_older_version_is_taken_over },
		{ "version 2 is taken over", test_version_2_is_taken_over },
		{ "an older version is checked as well", test_older_version_is_checked },
		{ "one row is found by its key", test_finds_one_row },
		{ "what need not be there is forgotten", test_forgets_what_need_not_be_there },
		{ "damage is found", test_damage_is_found },
		{ "flipped bits change nothing unseen", test_flipped_bits_change_nothing_unseen },
		{ "untrusted files are set aside", test_untrusted_files_are_set_aside },
		{ "another owner is not believed", test_another_owner_is_not_believed },
		{ "modes are tight", test_modes_are_tight },
		{ "the folder is held and checked", test_folder_is_held_and_checked },
		{ "closing acknowledges what waits", test_closing_acknowledges_what_waits },
		{ "a full queue says try again", test_full_queue_says_try_again },
		{ "many callers share commits", test_many_callers_share_commits },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit log: whatever is done to it is found, and the first bad record named (docs/audit.md). */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include "audit_dir.h"
#include "test.h"

#define N_RECORDS 12 /* the start record and eleven of ours */

/* A log as bytes, and where its records are. */
struct image {
	uint8_t bytes[8192];
	size_t n, at[N_RECORDS + 1];
};

static char dir[256];
static struct audit *opened;
static struct audit_report report;
static struct errmsg em;
static uint8_t key[AUDIT_KEY_BYTES];

static void open_with(uint64_t max_file_bytes, uint32_t max_files)
{
	struct audit_options o;

	audit_options_defaults(&o);
	o.state_dir = dir;
	o.max_file_bytes = max_file_bytes;
	o.max_files = max_files;
	CHECK_INT(audit_open(&o, &opened, &report, &em), 0);
	CHECK_STR(em.text, "");
}

static void load_key(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/audit/verify.key", dir);
	CHECK_INT(audit_key_read(path, key, &em), 0);
}

static void add(unsigned int n)
{
	struct audit_entry entry = { 1000, 42, 0, "create", "{\"name\":\"a\"}" };

	for (unsigned int i = 0; i < n; i++) {
		CHECK_INT(audit_append(opened, &entry, &em), 0);
	}
}

static void close_log(void)
{
	audit_close(opened);
	opened = NULL;
}

static struct audit_verdict verify_with(const struct audit_verify_options *o)
{
	struct audit_verdict v = { .finding = AUDIT_SILENT };
	char path[300];

	snprintf(path, sizeof(path), "%s/audit", dir);
	CHECK_INT(audit_verify(path, o, &v, &em), 0);
	return v;
}

static struct audit_verdict verify(void)
{
	struct audit_verify_options o = { .key = key };

	return verify_with(&o);
}

/* A closed log of N_RECORDS records. */
static void make_log(struct image *ret)
{
	temp_dir_make(dir, sizeof(dir));
	open_with(1 << 20, 0);
	CHECK(report.is_fresh);
	add(N_RECORDS - 1);
	close_log();
	load_key();
	ret->n = read_file(dir, "audit/log.000001", ret->bytes, sizeof(ret->bytes));
	ret->at[0] = 0;
	for (size_t i = 0; i < N_RECORDS; i++) {
		ret->at[i + 1] = ret->at[i] + (size_t)load_le(ret->bytes + ret->at[i] + 4, 4);
	}
	CHECK_INT(ret->at[N_RECORDS], ret->n);
	CHECK_INT(verify().finding, AUDIT_INTACT);
}

static void put_log(const uint8_t *p, size_t n)
{
	write_file(dir, "audit/log.000001", p, n);
}

/* Found, and at this record. */
static bool is_found_at(uint64_t seq)
{
	struct audit_verdict v = verify();

	return v.finding != AUDIT_INTACT && v.bad_seq == seq;
}

static void test_intact(void)
{
	struct audit_verify_options chain_only = { 0 };
	struct audit_verdict v;
	struct image im;

	make_log(&im);
	v = verify();
	CHECK_INT(v.n_records, N_RECORDS);
	CHECK_INT(v.unfinished_bytes, 0);
	CHECK(v.is_authentic);
	v = verify_with(&chain_only);
	CHECK_INT(v.finding, AUDIT_INTACT);
	CHECK(!v.is_authentic);
	open_with(1 << 20, 0);
	CHECK(!report.is_fresh && !report.has_aside);
	CHECK_INT(verify().finding, AUDIT_INTACT); /* also while it is open */
	add(1);
	close_log();
	CHECK_INT(verify().n_records, N_RECORDS + 2);
	temp_dir_remove(dir);
}

static void test_every_flipped_bit(void)
{
	struct audit_verify_options chain_only = { 0 };
	size_t n_missed = 0, n_wrong = 0, n_chain_missed = 0, rec = 0;
	struct image im;

	make_log(&im);
	for (size_t i = 0; i < im.n; i++) {
		rec += i == im.at[rec + 1];
		for (unsigned int bit = 0; bit < 8; bit++) {
			uint8_t byte = im.bytes[i] ^ (uint8_t)(1u << bit);
			struct audit_verdict v;

			poke_file(dir, "audit/log.000001", i, byte);
			v = verify();
			n_missed += v.finding == AUDIT_INTACT;
			n_wrong += v.finding != AUDIT_INTACT && v.bad_seq != rec;
			/* Even without the key the chain ends in the state's hash. */
			n_chain_missed += verify_with(&chain_only).finding == AUDIT_INTACT;
		}
		poke_file(dir, "audit/log.000001", i, im.bytes[i]);
	}
	printf("%zu bits flipped\n", im.n * 8);
	CHECK_INT(n_missed, 0);
	CHECK_INT(n_wrong, 0);
	CHECK_INT(n_chain_missed, 0);
	CHECK_INT(verify().finding, AUDIT_INTACT);
	temp_dir_remove(dir);
}

static void test_every_removal(void)
{
	uint8_t out[8192];
	size_t n_missed = 0;
	struct image im;

	make_log(&im);
	for (size_t first = 0; first < N_RECORDS; first++) {
		for (size_t end = first + 1; end <= N_RECORDS; end++) {
			memcpy(out, im.bytes, im.at[first]);
			memcpy(out + im.at[first], im.bytes + im.at[end], im.n - im.at[end]);
			put_log(out, im.n - (im.at[end] - im.at[first]));
			n_missed += !is_found_at(first);
		}
	}
	CHECK_INT(n_missed, 0);
	temp_dir_remove(dir);
}

static void append_part(uint8_t *out, size_t *n, const struct image *im, size_t rec)
{
	size_t len = im->at[rec + 1] - im->at[rec];

	memcpy(out + *n, im->bytes + im->at[rec], len);
	*n += len;
}

static void test_every_swap(void)
{
	uint8_t out[8192];
	size_t n_missed = 0;
	struct image im;

	make_log(&im);
	for (size_t a = 0; a < N_RECORDS; a++) {
		for (size_t b = a + 1; b < N_RECORDS; b++) {
			size_t n = 0;

			for (size_t i = 0; i < N_RECORDS; i++) {
				append_part(out, &n, &im, i == a ? b : i == b ? a : i);
			}
			put_log(out, n);
			n_missed += !is_found_at(a);
		}
	}
	CHECK_INT(n_missed, 0);
	temp_dir_remove(dir);
}

static void test_every_repetition(void)
{
	uint8_t out[8192];
	size_t n_missed = 0;
	struct image im;

	make_log(&im);
	for (size_t a = 0; a < N_RECORDS; a++) {
		size_t n = 0;

		for (size_t i = 0; i < N_RECORDS; i++) {
			append_part(out, &n, &im, i);
			if (i == a && i + 1 < N_RECORDS) {
				append_part(out, &n, &im, i);
			}
		}
		put_log(out, n);
		/* The last one is not repeated: that case is the log as it was. */
		n_missed += a + 1 < N_RECORDS && !is_found_at(a + 1);
	}
	CHECK_INT(n_missed, 0);
	temp_dir_remove(dir);
}

static void test_every_truncation(void)
{
	struct image im;
	size_t rec = 0;

	make_log(&im);
	for (size_t n = 0; n < im.n; n++) {
		struct audit_verdict v;

		rec += n == im.at[rec + 1];
		put_log(im.bytes, n);
		v = verify();
		CHECK_INT(v.finding, AUDIT_CUT);
		CHECK_INT(v.bad_seq, rec);
	}
	temp_dir_remove(dir);
}

/* Another log under another first key, in every way of mixing the two. */
static void test_every_splice(void)
{
	struct image mine, other;
	char other_dir[256];
	uint8_t out[16384];

	make_log(&other);
	memcpy(other_dir, dir, sizeof(dir));
	make_log(&mine);
	for (size_t a = 0; a < N_RECORDS; a++) {
		size_t n = 0, m = 0;

		for (size_t i = 0; i < N_RECORDS; i++) {
			append_part(out, &n, i == a ? &other : &mine, i);
		}
		put_log(out, n);
		CHECK(is_found_at(a));
		for (size_t i = 0; i < N_RECORDS; i++) {
			append_part(out, &m, i >= a ? &other : &mine, i);
		}
		put_log(out, m);
		CHECK(is_found_at(a));
	}
	temp_dir_remove(other_dir);
	temp_dir_remove(dir);
}

static void test_state_is_guarded(void)
{
	uint8_t state[8192];
	size_t n, n_found = 0;
	struct image im;

	make_log(&im);
	n = read_file(dir, "audit/state", state, sizeof(state));
	CHECK_INT(n, 8192);
	for (size_t i = 0; i < n; i++) {
		poke_file(dir, "audit/state", i, state[i] ^ 1);
		n_found += verify().finding == AUDIT_BAD_STATE;
		poke_file(dir, "audit/state", i, state[i]);
	}
	/* One half is wiped; every bit of the other counts. */
	CHECK_INT(n_found, 136);
	write_file(dir, "audit/state", state, 0);
	CHECK_INT(verify().finding, AUDIT_BAD_STATE);
	temp_dir_remove(dir);
}

/* Whether the key lies anywhere in the files. */
static bool is_key_there(const uint8_t *k)
{
	static const char *const names[] = { "audit/state", "audit/log.000001" };
	uint8_t bytes[8192];
	bool is_there = false;

	for (size_t f = 0; f < 2; f++) {
		size_t n = read_file(dir, names[f], bytes, sizeof(bytes));

		is_there = is_there || memmem(bytes, n, k, AUDIT_KEY_BYTES) != NULL;
	}
	return is_there;
}

/* Change a record and give it a MAC under @k, a key of a later record. */
static bool is_forgery_found(const struct image *im, size_t rec, const uint8_t *k)
{
	size_t len = im->at[rec + 1] - im->at[rec];
	uint8_t out[8192];
	uint8_t *p = out + im->at[rec];
	bool is_found;

	memcpy(out, im->bytes, im->n);
	p[24] ^= 1;
	crypto_auth_hmacsha256(p + len - AUDIT_MAC_BYTES, p, len - AUDIT_MAC_BYTES, k);
	put_log(out, im->n);
	is_found = is_found_at(rec);
	put_log(im->bytes, im->n);
	return is_found;
}

/* Who has the machine now has the current key; what is written stays written. */
static void test_old_keys_are_gone(void)
{
	uint8_t k[AUDIT_KEY_BYTES];
	struct image im;

	make_log(&im);
	memcpy(k, key, sizeof(k));
	for (size_t i = 0; i < N_RECORDS; i++) {
		CHECK(!is_key_there(k));
		CHECK(i == 0 || is_forgery_found(&im, i - 1, k));
		audit_key_evolve(k);
	}
	CHECK(is_key_there(k)); /* the key of the next record, and only that one */
	temp_dir_remove(dir);
}

/* Cut at every record, with a state made to match: all but the key of that place is known. */
static void test_cut_with_a_matching_state(void)
{
	struct audit_head head;
	char path[300];
	struct image im;
	int fd;

	make_log(&im);
	snprintf(path, sizeof(path), "%s/audit/state", dir);
	fd = open(path, O_RDWR);
	CHECK_INT(audit_state_read(fd, &head, NULL, &em), 0);
	for (size_t n = 0; n < N_RECORDS; n++) {
		unsigned int slot = 1;

		head.seq = n;
		head.end_bytes = im.at[n];
		memset(head.hash, 0, sizeof(head.hash));
		if (n) {
			crypto_hash_sha256(head.hash, im.bytes + im.at[n - 1],
					   im.at[n] - im.at[n - 1]);
		}
		put_log(im.bytes, im.at[n]);
		CHECK_INT(audit_state_write(fd, &head, &slot), 0);
		CHECK_INT(verify().finding, AUDIT_BAD_STATE);
	}
	close(fd);
	temp_dir_remove(dir);
}

static void shell(const char *fmt)
{
	char cmd[700];

	snprintf(cmd, sizeof(cmd), "cd %s && %s", dir, fmt);
	CHECK_INT(system(cmd), 0);
}

static void test_rollback_needs_an_anchor(void)
{
	struct audit_verify_options o = { .key = key };
	struct audit_anchor anchor, early;
	char text[AUDIT_ANCHOR_BYTES + 1];
	struct audit_verdict v;
	struct image im;

	make_log(&im);
	shell("cp -a audit old");
	open_with(1 << 20, 0);
	CHECK_INT(audit_anchor_get(opened, &early), 0);
	add(3);
	CHECK_INT(audit_anchor_get(opened, &anchor), 0);
	close_log();
	audit_anchor_print(&anchor, text);
	text[strlen(text) + 1] = '\0';
	text[strlen(text)] = '\n';
	CHECK_INT(audit_anchor_parse(text, &anchor), 0);
	CHECK_INT(anchor.seq, N_RECORDS + 3);
	o.anchors = &anchor;
	o.n_anchors = 1;
	v = verify_with(&o);
	CHECK_INT(v.finding, AUDIT_INTACT);
	CHECK_INT(v.n_anchors_met, 1);
	/* Log, state and all are put back. */
	shell("mv audit new && mv old audit");
	CHECK_INT(verify().finding, AUDIT_INTACT); /* as documented: nothing inside can tell */
	v = verify_with(&o);
	CHECK_INT(v.finding, AUDIT_ROLLED_BACK);
	CHECK_INT(v.bad_seq, N_RECORDS);
	/* ... and carried on, to be as long again. */
	open_with(1 << 20, 0);
	add(5);
	close_log();
	CHECK_INT(verify().finding, AUDIT_INTACT);
	v = verify_with(&o);
	CHECK_INT(v.finding, AUDIT_ROLLED_BACK);
	CHECK_INT(v.bad_seq, anchor.seq);
	temp_dir_remove(dir);
}

static void test_anchor_texts(void)
{
	struct audit_anchor a = { .seq = 7 }, b;
	char text[AUDIT_ANCHOR_BYTES + 8];

	memset(a.hash, 0xab, sizeof(a.hash));
	audit_anchor_print(&a, text);
	CHECK_INT(audit_anchor_parse(text, &b), 0);
	CHECK(b.seq == 7 && memcmp(a.hash, b.hash, sizeof(a.hash)) == 0);
	text[strlen(text) + 1] = '\0';
	text[strlen(text)] = 'x';
	CHECK_INT(audit_anchor_parse(text, &b), -EINVAL);
	CHECK_INT(audit_anchor_parse("", &b), -EINVAL);
	CHECK_INT(audit_anchor_parse("pinfold-audit-anchor 7 abcd", &b), -EINVAL);
	CHECK_INT(audit_anchor_parse("pinfold-audit-anchor 7", &b), -EINVAL);
}

static void test_heartbeats_reach_the_second_place(void)
{
	struct audit_verify_options o = { .key = key };
	struct audit_options ao;
	struct audit_anchor a;
	char line[2 * AUDIT_ANCHOR_BYTES] = "";
	int pipe_fds[2];

	temp_dir_make(dir, sizeof(dir));
	CHECK_INT(pipe2(pipe_fds, O_CLOEXEC), 0);
	audit_options_defaults(&ao);
	ao.state_dir = dir;
	ao.anchor_fd = pipe_fds[1];
	CHECK_INT(audit_open(&ao, &opened, &report, &em), 0);
	CHECK_INT(audit_heartbeat(opened, "generation=12", &em), 0);
	close_log();
	CHECK(read(pipe_fds[0], line, sizeof(line) - 1) > 0);
	CHECK_INT(audit_anchor_parse(line, &a), 0);
	CHECK_INT(a.seq, 1);
	load_key();
	o.anchors = &a;
	o.n_anchors = 1;
	CHECK_INT(verify_with(&o).n_anchors_met, 1);
	/* A log that must have had a heartbeat since. */
	o.not_before_ns = verify().last_time_ns;
	CHECK_INT(verify_with(&o).finding, AUDIT_INTACT);
	o.not_before_ns++;
	CHECK_INT(verify_with(&o).finding, AUDIT_SILENT);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	temp_dir_remove(dir);
}

/* Also of one in an earlier file, and of one that a crash left behind the state. */
static void test_the_last_note_is_reported(void)
{
	temp_dir_make(dir, sizeof(dir));
	open_with(400, 0);
	CHECK_STR(report.note, "");
	add(1);
	close_log();
	open_with(400, 0);
	CHECK_STR(report.note, "");
	CHECK_INT(audit_heartbeat(opened, "generation=12", &em), 0);
	CHECK_INT(audit_heartbeat(opened, "generation=13", &em), 0);
	close_log();
	open_with(400, 0);
	CHECK_STR(report.note, "generation=13");
	add(10); /* some files */
	close_log();
	open_with(4000, 0);
	CHECK_STR(report.note, "generation=13");
	shell("cp audit/state state.old");
	CHECK_INT(audit_heartbeat(opened, "generation=14", &em), 0);
	close_log();
	shell("cp state.old audit/state");
	open_with(400, 0);
	CHECK_INT(report.recovered, 1);
	CHECK_STR(report.note, "generation=14");
	add(80); /* farther back than anybody looks */
	close_log();
	open_with(400, 0);
	CHECK_STR(report.note, "");
	close_log();
	temp_dir_remove(dir);
}

static void test_files_follow_each_other(void)
{
	atomic_bool is_over = true;
	struct audit_verify_options o = { .is_over = &is_over };
	struct audit_verdict v;
	char path[300];

	temp_dir_make(dir, sizeof(dir));
	open_with(400, 0);
	add(20);
	close_log();
	load_key();
	v = verify();
	CHECK_INT(v.finding, AUDIT_INTACT);
	CHECK(v.n_records > 21 + 4);
	snprintf(path, sizeof(path), "%s/audit", dir);
	CHECK_INT(audit_verify(path, &o, &v, NULL), -ECANCELED);
	is_over = false;
	CHECK_INT(audit_verify(path, &o, &v, &em), 0);
	open_with(400, 0);
	CHECK(!report.has_aside);
	add(3);
	close_log();
	CHECK_INT(verify().finding, AUDIT_INTACT);
	shell("mv audit/log.000003 keep");
	CHECK_INT(verify().finding, AUDIT_BAD_SEQ);
	shell("mv audit/log.000004 audit/log.000003");
	CHECK_INT(verify().finding, AUDIT_BAD_SEQ);
	shell("mv audit/log.000003 audit/log.000004; mv keep audit/log.000003");
	CHECK_INT(verify().finding, AUDIT_INTACT);
	shell("rm audit/log.000001");
	v = verify();
	CHECK_INT(v.finding, AUDIT_MISSING);
	CHECK_INT(v.bad_seq, 0);
	temp_dir_remove(dir);
}

static void test_old_files_go_and_the_log_says_so(void)
{
	struct audit_verdict v;
	struct stat st;
	char path[300];

	temp_dir_make(dir, sizeof(dir));
	open_with(400, 3);
	add(40);
	close_log();
	load_key();
	snprintf(path, sizeof(path), "%s/audit/log.000001", dir);
	CHECK_INT(stat(path, &st), -1);
	v = verify();
	CHECK_INT(v.finding, AUDIT_INTACT);
	CHECK(v.first_seq > 5);
	/* One more than the log says. */
	shell("rm $(ls -d audit/log.* | head -1)");
	CHECK_INT(verify().finding, AUDIT_MISSING);
	CHECK_INT(verify().bad_seq, v.first_seq);
	temp_dir_remove(dir);
}

/* What cannot be carried on is set aside; the daemon starts. */
static void test_start_after_tampering(void)
{
	static const struct {
		const char *cmd, *why;
	} cases[] = {
		{ "rm audit/state", "state of the log is gone" },
		{ "rm audit/log.000001", "file 1 of the log is gone" },
		{ "truncate -s 300 audit/log.000001", "record 1: and all later ones" },
		{ "printf x | dd of=audit/log.000001 bs=1 seek=90 conv=notrunc status=none",
		  "does not follow" },
		{ "truncate -s 9 audit/state", "state of the log is damaged" },
		{ "chmod 644 audit/state", "not a file that only we may open" },
		{ "chmod 755 audit", "mode 0755" },
		{ "mv audit a && ln -s a audit", "not a folder" },
		{ "mv audit/state s && ln -s ../s audit/state", "state" },
	};
	struct image im;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_log(&im);
		shell(cases[i].cmd);
		open_with(1 << 20, 0);
		CHECK(report.has_aside && report.is_fresh);
		if (!strstr(report.notice, cases[i].why)) {
			printf("\"%s\" is not about \"%s\"\n", report.notice, cases[i].why);
			test_failures++;
		}
		add(2);
		close_log();
		load_key();
		CHECK_INT(verify().finding, AUDIT_INTACT);
		CHECK_INT(verify().n_records, 3);
		temp_dir_remove(dir);
	}
}

/* The log is @n bytes, the state older; the start keeps @recovered records and drops @dropped. */
static void check_repair(const uint8_t *p, size_t n, uint64_t recovered, uint64_t dropped)
{
	struct audit_verdict v;

	put_log(p, n);
	v = verify();
	CHECK_INT(v.finding, AUDIT_INTACT);
	CHECK_INT(v.unfinished_bytes, dropped);
	open_with(1 << 20, 0);
	CHECK(!report.has_aside);
	CHECK_INT(report.recovered, recovered);
	CHECK_INT(report.repaired_bytes, dropped);
	close_log();
	CHECK_INT(verify().finding, AUDIT_INTACT);
	CHECK_INT(verify().n_records, N_RECORDS + 1 + recovered);
}

/* A crash between the log and the state, with the log cut or spoiled at every byte since. */
static void test_unfinished_append_is_repaired(void)
{
	uint8_t state[8192], bytes[8192];
	struct image im;
	size_t n, n_state;

	make_log(&im);
	n_state = read_file(dir, "audit/state", state, sizeof(state));
	open_with(1 << 20, 0); /* writes a start record: the append in question */
	close_log();
	n = read_file(dir, "audit/log.000001", bytes, sizeof(bytes));
	for (size_t at = im.n; at < n; at++) {
		write_file(dir, "audit/state", state, n_state);
		check_repair(bytes, at, 0, at - im.n);
		bytes[at] ^= 0x10;
		write_file(dir, "audit/state", state, n_state);
		check_repair(bytes, n, 0, n - im.n);
		bytes[at] ^= 0x10;
	}
	write_file(dir, "audit/state", state, n_state);
	check_repair(bytes, n, 1, 0);
	temp_dir_remove(dir);
}

static void test_bad_entries_are_refused(void)
{
	struct audit_entry entry = { 0, 0, 0, NULL, "" };
	static char big[AUDIT_ARGUMENTS_MAX + 2];

	temp_dir_make(dir, sizeof(dir));
	open_with(1 << 20, 0);
	CHECK_INT(audit_append(opened, &entry, &em), -EINVAL);
	memset(big, 'x', sizeof(big) - 1);
	entry.operation = "put";
	entry.arguments = big;
	CHECK_INT(audit_append(opened, &entry, &em), -E2BIG);
	CHECK_INT(audit_submit(opened, &entry, NULL, NULL, &em), -E2BIG);
	big[AUDIT_ARGUMENTS_MAX] = '\0';
	CHECK_INT(audit_append(opened, &entry, &em), 0);
	entry.operation = big;
	CHECK_INT(audit_submit(opened, &entry, NULL, NULL, &em), -E2BIG);
	close_log();
	load_key();
	CHECK_INT(verify().finding, AUDIT_INTACT);
	CHECK_INT(verify().n_records, 2);
	temp_dir_remove(dir);
}

static void visit_text(void *arg, const struct audit_record *rec)
{
	if (rec->kind == AUDIT_REQUEST) {
		CHECK_INT(rec->uid, 1000);
		CHECK_INT(rec->pid, 42);
		CHECK_INT(rec->result, -EPERM);
		CHECK(rec->operation_bytes == 4 && memcmp(rec->operation, "stop", 4) == 0);
		CHECK(rec->arguments_bytes == 2 && memcmp(rec->arguments, "{}", 2) == 0);
		++*(size_t *)arg;
	}
}

static void on_done(void *arg, int result)
{
	CHECK_INT(result, 0);
	++*(size_t *)arg;
}

static void test_reads_back(void)
{
	struct audit_entry entry = { 1000, 42, -EPERM, "stop", "{}" };
	struct audit_verify_options o = { .key = key, .visit = visit_text };
	size_t n_done = 0, n_seen = 0;

	temp_dir_make(dir, sizeof(dir));
	open_with(1 << 20, 0);
	for (int i = 0; i < 100; i++) {
		CHECK_INT(audit_submit(opened, &entry, on_done, &n_done, &em), 0);
	}
	close_log();
	load_key();
	CHECK_INT(n_done, 100);
	o.arg = &n_seen;
	CHECK_INT(verify_with(&o).finding, AUDIT_INTACT);
	CHECK_INT(n_seen, 100);
	temp_dir_remove(dir);
}

struct seen {
	uint64_t first, n;
	bool is_in_order;
};

static void visit_seq(void *arg, const struct audit_record *rec)
{
	struct seen *s = arg;

	if (s->n == 0) {
		s->first = rec->seq;
		s->is_in_order = true;
	}
	s->is_in_order = s->is_in_order && rec->seq == s->first + s->n;
	s->n++;
}

/* The last @p n are @p want_n, and end with the last of all. */
static void check_tail(uint64_t n, uint64_t want_n)
{
	struct audit_anchor last = { 0 };
	struct seen s = { 0 };

	CHECK_INT(audit_anchor_get(opened, &last), 0);
	CHECK_INT(audit_tail(opened, n, visit_seq, &s, &em), 0);
	CHECK_INT(s.n, want_n);
	CHECK(s.n == 0 || (s.is_in_order && s.first + s.n == last.seq + 1));
}

static void test_last_records(void)
{
	em.text[0] = '\0';
	temp_dir_make(dir, sizeof(dir));
	open_with(1 << 20, 0);
	check_tail(10, 1);
	add(30);
	check_tail(0, 0);
	check_tail(1, 1);
	check_tail(10, 10);
	check_tail(31, 31);
	check_tail(500, 31);
	close_log();
	open_with(1 << 20, 0); /* one more record: the start */
	check_tail(5, 5);
	check_tail(500, 32);
	add(3);
	check_tail(500, 35);
	close_log();
	temp_dir_remove(dir);
}

/* Over many files, also of those that were written before the last start. */
static void test_last_records_of_many_files(void)
{
	struct seen s = { 0 };

	em.text[0] = '\0';
	temp_dir_make(dir, sizeof(dir));
	open_with(400, 0);
	add(60);
	check_tail(50, 50);
	close_log();
	open_with(400, 0);
	check_tail(40, 40);
	add(5);
	check_tail(45, 45);
	check_tail(60, 60);
	close_log();
	open_with(400, 3); /* the old ones go */
	add(10);
	close_log();
	load_key();
	open_with(400, 3);
	CHECK_INT(audit_tail(opened, 1000, visit_seq, &s, &em), 0);
	CHECK(s.is_in_order);
	CHECK_INT(s.n, verify().n_records);
	close_log();
	temp_dir_remove(dir);
}

/* What lies before them is not read, and a change among them is found. */
static void test_last_records_only(void)
{
	uint8_t bytes[8192];
	struct seen s = { 0 };
	size_t n;

	em.text[0] = '\0';
	temp_dir_make(dir, sizeof(dir));
	open_with(4096, 0);
	add(100);
	shell("rm audit/log.000001");
	check_tail(10, 10);
	n = read_file(dir, "audit/log.000002", bytes, sizeof(bytes));
	CHECK(n > 2000);
	poke_file(dir, "audit/log.000002", n / 2, (uint8_t)~bytes[n / 2]);
	check_tail(10, 10);
	CHECK_INT(audit_tail(opened, 100, visit_seq, &s, &em), -EBADMSG);
	CHECK(strstr(em.text, "were changed") != NULL);
	close_log();
	temp_dir_remove(dir);
}

/* Every byte of the last five. */
static void test_last_records_are_proved(void)
{
	static struct image img;
	struct seen s;
	uint8_t byte;

	em.text[0] = '\0';
	temp_dir_make(dir, sizeof(dir));
	open_with(1 << 20, 0);
	add(N_RECORDS - 1);
	img.n = read_file(dir, "audit/log.000001", img.bytes, sizeof(img.bytes));
	for (size_t i = 0; i < N_RECORDS; i++) {
		img.at[i + 1] = img.at[i] + (size_t)load_le(img.bytes + img.at[i] + 4, 4);
	}
	for (size_t i = img.at[N_RECORDS - 5]; i < img.n; i++) {
		byte = (uint8_t)(img.bytes[i] ^ 1);
		poke_file(dir, "audit/log.000001", i, byte);
		s = (struct seen){ 0 };
		/* The link of the first one leads to a record that is not read. */
		if (i < img.at[N_RECORDS - 5] + 48 || i >= img.at[N_RECORDS - 5] + 80) {
			CHECK_INT(audit_tail(opened, 5, visit_seq, &s, &em), -EBADMSG);
		}
		poke_file(dir, "audit/log.000001", i, img.bytes[i]);
	}
	check_tail(5, 5);
	close_log();
	temp_dir_remove(dir);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "intact", test_intact },
		{ "reads back", test_reads_back },
		{ "every flipped bit", test_every_flipped_bit },
		{ "every removal", test_every_removal },
		{ "every swap", test_every_swap },
		{ "every repetition", test_every_repetition },
		{ "every truncation", test_every_truncation },
		{ "every splice", test_every_splice },
		{ "the state is guarded", test_state_is_guarded },
		{ "old keys are gone", test_old_keys_are_gone },
		{ "a cut with a matching state", test_cut_with_a_matching_state },
		{ "a rollback needs an anchor", test_rollback_needs_an_anchor },
		{ "anchor texts", test_anchor_texts },
		{ "heartbeats reach the second place", test_heartbeats_reach_the_second_place },
		{ "the last note is reported", test_the_last_note_is_reported },
		{ "files follow each other", test_files_follow_each_other },
		{ "old files go and the log says so", test_old_files_go_and_the_log_says_so },
		{ "start after tampering", test_start_after_tampering },
		{ "an unfinished append is repaired", test_unfinished_append_is_repaired },
		{ "bad entries are refused", test_bad_entries_are_refused },
		{ "the last records", test_last_records },
		{ "the last records of many files", test_last_records_of_many_files },
		{ "the last records only", test_last_records_only },
		{ "the last records are proved", test_last_records_are_proved },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold audit verify --guard: copies of the guard's log, as the daemon makes them (docs/guard.md, "Copies of
 * the log"). Each is walked along; anchors come from the daemon's audit log and from the module, if they can
 * be had, and what they don't prove is said.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/cmd_guard.h"
#include "cli/guard_anchors.h"
#include "cli/guard_chain.h"
#include "cli/guard_source.h"
#include "cli/guard_state.h"
#include "cli/text.h"

/* Where the system's daemon keeps them. */
#define COPIES_PATH	"/var/lib/pinfold/guard"
#define NAME_PREFIX	"log."
#define INSTANCE_DIGITS 16u

/* How far back anchors are looked for: what GET /v1/audit gives at most. */
#define AUDIT_PATH "/v1/audit?last=1000"

/* The command at work. */
struct verify_run {
	struct cmd_run *cmd;
	struct guard_anchors anchors;
	json_t *copies, *notes; /* for --json, and printed at the end */
	bool is_bad;
};

/* The copy of one loading's log: one file, or an older one and one that goes on. */
struct copy {
	const char *name;
	const char *path[2]; /* the second may be NULL */
	struct guard_chain chain;
	enum guard_finding finding;
	uint64_t bad_offset;
	const char *bad_path; /* NULL: no file has it */
};

static void note(struct verify_run *run, const char *text)
{
	json_array_append_new(run->notes, json_string(text));
}

static void gather_audited(struct verify_run *run)
{
	struct errmsg e = { 0 };
	json_t *records = NULL;
	char text[ERRMSG_SIZE + 80];

	if (client_open(&run->cmd->where, &run->cmd->client, &e) < 0 ||
	    client_get(run->cmd->client, AUDIT_PATH, &records, &e) < 0) {
		snprintf(text, sizeof(text), "no anchors of the audit log: %s", e.text);
		note(run, text);
		return;
	}
	(void)guard_anchors_from_audit(&run->anchors, records);
	note(run, run->anchors.n == 0
			  ? "there are no anchors among the last records of the audit log"
			  : "anchors of the audit log are worth what it is worth: see 'pinfold "
			    "audit verify' without --guard");
	json_decref(records);
}

static void gather_live(struct verify_run *run)
{
	struct pinfold_guard_state state;
	struct errmsg e = { 0 };
	char text[ERRMSG_SIZE + 80];

	if (guard_state_read(&state, NULL, &e) < 0 ||
	    guard_anchors_from_live(&run->anchors, GUARD_LOG_PATH, state.instance, &e) < 0) {
		snprintf(text, sizeof(text), "not compared with the module: %s", e.text);
		note(run, text);
	}
}

/* One file of a copy. @return 0; negative errno with a sentence: it can't be read */
static int walk_file(struct copy *c, const char *path, struct errmsg *e)
{
	struct guard_source s = { .fd = -1 };
	struct pinfold_guard_record rec;
	int n = guard_source_open(&s, path, e);

	if (n < 0) {
		return n;
	}
	c->bad_path = path;
	while ((n = guard_source_next(&s, &rec)) > 0) {
		c->finding = guard_chain_step(&c->chain, &rec);
		if (c->finding != GUARD_INTACT) {
			c->bad_offset = s.offset - sizeof(rec);
			break;
		}
	}
	if (n == -EBADMSG) {
		c->finding = GUARD_UNFINISHED;
		c->bad_offset = s.offset;
		n = 0;
	}
	guard_source_close(&s);
	return n < 0 ? errmsg_set(e, n, "%s: %s", path, strerror(-n)) : 0;
}

static int walk_copy(struct copy *c, struct errmsg *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(c->path) && c->path[i]; i++) {
		r = walk_file(c, c->path[i], e);
		if (r < 0 || c->finding != GUARD_INTACT) {
			return r;
		}
	}
	c->finding = guard_chain_end(&c->chain);
	c->bad_path = NULL;
	return 0;
}

static void verdict_text(const struct copy *c, char *buf, size_t size)
{
	const struct guard_chain *k = &c->chain;
	char buf_place[GUARD_PLACE_BYTES];
	const char *place = guard_chain_place(k, buf_place);

	if (c->finding != GUARD_INTACT && c->bad_path) {
		snprintf(buf, size,
			 "%s %s: at byte %" PRIu64 " of %.200s; good records before it: %" PRIu64,
			 place, guard_finding_text(c->finding), c->bad_offset, c->bad_path,
			 k->n_records);
	} else if (c->finding != GUARD_INTACT) {
		snprintf(buf, size, "%s %s", place, guard_finding_text(c->finding));
	} else if (k->n_records == 0) {
		snprintf(buf, size, "holds no records");
	} else {
		snprintf(buf, size,
			 "records %" PRIu64 " to %" PRIu64 ", each follows from the one before",
			 k->first, k->last);
	}
}

/* What the anchors say of the good records. */
static void proof_text(const struct copy *c, char *buf, size_t size)
{
	const struct guard_chain *k = &c->chain;
	const char *who = k->is_live ? "the module" : "the audit log";
	bool is_proven = k->n_records > 0 && k->proven >= k->first;
	bool is_good = k->n_records > 0 && c->finding == GUARD_INTACT;

	buf[0] = '\0';
	if (is_good && !is_proven) {
		snprintf(buf, size,
			 "nothing outside the copy confirms it: who can write it could have "
			 "written all of it, or cut off its end");
	} else if (is_good && k->proven == k->last) {
		snprintf(buf, size, "%s confirms all of it", who);
	} else if (is_proven) {
		snprintf(buf, size, "%s confirms it up to record %" PRIu64 "%s", who, k->proven,
			 is_good ? ": who can write the copy could have changed or cut off what "
				   "comes later"
				 : "");
	}
}

static void tell(struct verify_run *run, const struct copy *c)
{
	char verdict[400];
	char proof[200];
	const struct guard_chain *k = &c->chain;
	bool is_proven = k->n_records > 0 && k->proven >= k->first;

	verdict_text(c, verdict, sizeof(verdict));
	proof_text(c, proof, sizeof(proof));
	run->is_bad |= c->finding != GUARD_INTACT;
	json_array_append_new(run->copies,
			      json_pack("{ss sb ss ss sI sI sI sI so so}", "copy", c->name,
					"is_intact", c->finding == GUARD_INTACT, "message", verdict,
					"proof", proof, "first", (json_int_t)k->first, "last",
					(json_int_t)k->last, "n_records", (json_int_t)k->n_records,
					"proven", (json_int_t)(is_proven ? k->proven : 0),
					"bad_record",
					c->finding == GUARD_INTACT || k->n_records == 0
						? json_null()
						: json_integer((json_int_t)k->last + 1),
					"instance",
					k->has_instance ? json_sprintf("%016" PRIx64, k->instance)
							: json_null()));
	if (run->cmd->is_json || run->cmd->is_quiet) {
		return;
	}
	text_print(stdout, c->finding == GUARD_INTACT ? "good" : "BAD", c->name);
	text_print(stdout, "", verdict);
	if (k->first > 1) {
		text_print(stdout, "", "what was logged before its first record is not in it");
	}
	if (*proof) {
		text_print(stdout, "", proof);
	}
}

static int verify_copy(struct verify_run *run, struct copy *c, struct errmsg *e)
{
	int r;

	c->chain.anchors = run->anchors.list;
	c->chain.n_anchors = run->anchors.n;
	r = walk_copy(c, e);
	if (r == 0) {
		tell(run, c);
	}
	return r;
}

/* "log.INSTANCE" and "log.INSTANCE.old". @return 0; -EINVAL: another name */
static int parse_name(const char *name, uint64_t *ret_instance, bool *ret_is_old)
{
	char digits[INSTANCE_DIGITS + 1];
	const char *rest;

	if (strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 ||
	    strlen(name) < strlen(NAME_PREFIX) + INSTANCE_DIGITS) {
		return -EINVAL;
	}
	snprintf(digits, sizeof(digits), "%s", name + strlen(NAME_PREFIX));
	rest = name + strlen(NAME_PREFIX) + INSTANCE_DIGITS;
	*ret_is_old = strcmp(rest, ".old") == 0;
	return *ret_is_old || !*rest ? guard_instance_parse(digits, ret_instance) : -EINVAL;
}

static int verify_file(struct verify_run *run, const char *path, struct errmsg *e)
{
	const char *slash = strrchr(path, '/');
	struct copy c = { .name = path, .path = { path } };
	bool is_old;

	c.chain.has_instance =
		parse_name(slash ? slash + 1 : path, &c.chain.instance, &is_old) == 0;
	return verify_copy(run, &c, e);
}

/* One instance of a folder: its names are in order, so the file comes first, then the older one. */
static int verify_pair(struct verify_run *run, const char *dir, struct dirent **names, size_t n,
		       struct errmsg *e)
{
	_cleanup_free_ char *last = NULL;
	_cleanup_free_ char *old = NULL;
	struct copy c = { .name = names[0]->d_name };
	bool is_old = false;

	c.chain.has_instance = true;
	(void)parse_name(names[0]->d_name, &c.chain.instance, &is_old);
	if (asprintf(&last, "%s/%s", dir, names[0]->d_name) < 0 ||
	    (n > 1 && asprintf(&old, "%s/%s", dir, names[1]->d_name) < 0)) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	c.path[0] = old ? old : last;
	c.path[1] = old ? last : NULL;
	return verify_copy(run, &c, e);
}

/* Copies first, in their order. @return how many there are; what else lies there is noted */
static size_t pick_copies(struct verify_run *run, struct dirent **names, size_t n)
{
	uint64_t instance;
	char text[400];
	bool is_old;
	size_t n_picked = 0;

	for (size_t i = 0; i < n; i++) {
		struct dirent *name = names[i];

		if (parse_name(name->d_name, &instance, &is_old) == 0) {
			names[i] = names[n_picked];
			names[n_picked++] = name;
		} else if (name->d_name[0] != '.') {
			snprintf(text, sizeof(text), "not looked at: %.300s", name->d_name);
			note(run, text);
		}
	}
	return n_picked;
}

static int verify_names(struct verify_run *run, const char *dir, struct dirent **names, size_t n,
			struct errmsg *e)
{
	size_t n_picked = pick_copies(run, names, n);
	size_t pair;
	int r = 0;

	for (size_t i = 0; i < n_picked && r == 0; i += pair) {
		pair = 1;
		if (i + 1 < n_picked && strncmp(names[i]->d_name, names[i + 1]->d_name,
						strlen(NAME_PREFIX) + INSTANCE_DIGITS) == 0) {
			pair = 2;
		}
		r = verify_pair(run, dir, &names[i], pair, e);
	}
	return r;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int verify_folder(struct verify_run *run, const char *dir, struct errmsg *e)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, by_name);
	int r;

	if (n < 0) {
		return errmsg_set(e, -errno, "%s: %s", dir, strerror(errno));
	}
	r = verify_names(run, dir, names, (size_t)n, e);
	for (int i = 0; i < n; i++) {
		free(names[i]);
	}
	free(names);
	if (r == 0 && json_array_size(run->copies) == 0) {
		return errmsg_set(e, -ENOENT, "%s: holds no copy of the guard's log", dir);
	}
	return r;
}

static void tell_notes(const struct verify_run *run)
{
	const json_t *v;
	size_t i;

	if (run->cmd->is_json) {
		json_t *o = json_pack("{sb sO sO}", "is_intact", !run->is_bad, "copies",
				      run->copies, "notes", run->notes);

		field_print_json(o);
		json_decref(o);
	} else if (!run->cmd->is_quiet) {
		json_array_foreach(run->notes, i, v)
		{
			text_print(stdout, "note", json_string_value(v));
		}
	}
}

int cmd_guard_verify(struct cmd_run *cmd)
{
	const char *path = cmd->n_operands > 0 ? cmd->operand[0] : COPIES_PATH;
	struct verify_run run = { .cmd = cmd, .copies = json_array(), .notes = json_array() };
	struct errmsg e = { 0 };
	struct stat st;
	int r;

	gather_audited(&run);
	gather_live(&run);
	guard_anchors_sort(run.anchors.list, run.anchors.n);
	if (stat(path, &st) < 0) {
		r = errmsg_set(&e, -errno, "%s: %s", path, strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		r = verify_folder(&run, path, &e);
	} else {
		r = verify_file(&run, path, &e);
	}
	if (r == 0) {
		tell_notes(&run);
	}
	guard_anchors_done(&run.anchors);
	json_decref(run.copies);
	json_decref(run.notes);
	return r < 0 ? cmd_fail(&e) : run.is_bad ? 1 : 0;
}

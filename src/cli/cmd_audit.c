/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold audit: the log of every change, and whether it is still what was written. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/cmd_guard.h"
#include "cli/text.h"

enum { KEY_LAST = CMD_OWN_KEYS, KEY_GUARD, KEY_ANCHORS };

/* As many as the daemon takes at once. */
#define ANCHORS_MAX 256

/* What "audit verify" looks at. */
struct verifying {
	bool is_guard;
	const char *anchors_path; /* or NULL */
};

static void print_records(const json_t *records)
{
	struct table *t = table_new(">SEQ TIME KIND >UID >PID >RESULT OPERATION ARGUMENTS");
	const json_t *rec;
	size_t i;

	json_array_foreach(records, i, rec)
	{
		const json_t *arguments = json_object_get(rec, "arguments");
		char *text = arguments && !json_is_string(arguments) && !json_is_null(arguments)
				     ? json_dumps(arguments, JSON_COMPACT | JSON_ENCODE_ANY)
				     : NULL;
		char result[24];

		field_cell_u64(t, rec, "seq");
		field_cell_text(t, rec, "time");
		field_cell_text(t, rec, "kind");
		field_cell_u64(t, rec, "uid");
		field_cell_u64(t, rec, "pid");
		snprintf(result, sizeof(result), "%lld",
			 (long long)json_integer_value(json_object_get(rec, "result")));
		table_add(t, result);
		field_cell_text(t, rec, "operation");
		table_add(t, text ? text : field_text(rec, "arguments"));
		free(text);
	}
	table_print(t, stdout);
	table_free(t);
}

static int run_show(struct cmd_run *r)
{
	const uint64_t *last = r->own;
	json_t *records = NULL;
	char path[48];
	int status;

	snprintf(path, sizeof(path), "/v1/audit?last=%" PRIu64, *last);
	status = cmd_get_list(r, path, &records);
	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(records);
	} else {
		print_records(records);
	}
	json_decref(records);
	return 0;
}

static int take_show(void *own, int key, const char *arg, struct errmsg *e)
{
	uint64_t *last = own;

	if (key != KEY_LAST) {
		return ARGP_ERR_UNKNOWN;
	}
	if (parse_u64(arg, last, e) < 0 || *last == 0) {
		return errmsg_set(e, -EINVAL, "--last: '%.40s' is not a number above 0", arg);
	}
	return 0;
}

static int audit_show(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "last", KEY_LAST, "N", 0, "the last N records (default 50)", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Print the last records: who asked for what, and what came of it "
		       "(administrators).\v"
		       "Example:\n    pinfold audit show --last 10",
		.flags = CMD_JSON,
		.options = options,
		.option = take_show,
		.run = run_show,
	};
	uint64_t last = 50;

	return cmd_main(&cmd, &last, argc, argv);
}

static void print_verdict(const json_t *v)
{
	char *message = text_safe(field_text(v, "message"));

	printf("%s", message ? message : "");
	if (!field_bool(v, "is_intact")) {
		printf("; in file %" PRIu64 " at byte %" PRIu64
		       "; good records before it: %" PRIu64,
		       field_u64(v, "bad_file"), field_u64(v, "bad_offset"),
		       field_u64(v, "n_records"));
	}
	putchar('\n');
	free(message);
}

/* The lines of a file as {"anchors":[...]}; empty ones are passed over. @return NULL with a sentence */
static json_t *read_anchors(const char *path, struct errmsg *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	json_t *lines = json_array();
	char line[256];

	if (!f) {
		errmsg_set(e, -errno, "--anchors: %s: %s", path, strerror(errno));
		json_decref(lines);
		return NULL;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] && json_array_append_new(lines, json_string(line)) < 0) {
			break; /* no text */
		}
	}
	if (!feof(f) || json_array_size(lines) == 0 || json_array_size(lines) > ANCHORS_MAX) {
		errmsg_set(e, -EINVAL,
			   "--anchors: %s: 1 to %d lines of 'pinfold audit anchor' are expected",
			   path, ANCHORS_MAX);
		json_decref(lines);
		lines = NULL;
	}
	if (!is_stdin) {
		fclose(f);
	}
	return lines ? json_pack("{so}", "anchors", lines) : NULL;
}

static void print_met(uint64_t n_met, size_t n)
{
	printf("it has the records of %" PRIu64 " of %zu anchors%s\n", n_met, n,
	       n_met < n ? "; those of the others are older than the log" : "");
}

/* @param anchors what to compare with, or NULL */
static int verify_own(struct cmd_run *r, const json_t *anchors)
{
	json_t *verdict = NULL;
	int status = anchors ? cmd_send(r, "POST", "/v1/audit/verify", anchors, &verdict)
			     : cmd_get(r, "/v1/audit/verify", &verdict);
	bool is_intact;

	if (status != 0) {
		return status;
	}
	is_intact = field_bool(verdict, "is_intact");
	if (r->is_json) {
		field_print_json(verdict);
	} else if (!r->is_quiet) {
		print_verdict(verdict);
		if (anchors && is_intact) {
			print_met(field_u64(verdict, "n_anchors_met"),
				  json_array_size(json_object_get(anchors, "anchors")));
		}
	}
	json_decref(verdict);
	return is_intact ? 0 : 1;
}

static int run_verify(struct cmd_run *r)
{
	const struct verifying *v = r->own;
	json_t *anchors = NULL;
	struct errmsg e = { 0 };
	int status;

	if (v->is_guard && v->anchors_path) {
		errmsg_set(&e, -EINVAL, "--anchors: not together with --guard");
		return cmd_fail(&e);
	}
	if (v->is_guard) {
		return cmd_guard_verify(r);
	}
	if (r->n_operands > 0) {
		errmsg_set(&e, -EINVAL, "a file to verify goes with --guard");
		return cmd_fail(&e);
	}
	if (v->anchors_path) {
		anchors = read_anchors(v->anchors_path, &e);
		if (!anchors) {
			return cmd_fail(&e);
		}
	}
	status = client_open(&r->where, &r->client, &e) < 0 ? cmd_fail(&e) : verify_own(r, anchors);
	json_decref(anchors);
	return status;
}

static int take_verify(void *own, int key, const char *arg, struct errmsg *e)
{
	struct verifying *v = own;

	(void)e;
	switch (key) {
	case KEY_GUARD:
		v->is_guard = true;
		return 0;
	case KEY_ANCHORS:
		v->anchors_path = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int audit_verify(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "anchors", KEY_ANCHORS, "FILE", 0,
		  "also compare with anchors that were kept, a line each; - is standard input", 1 },
		{ "guard", KEY_GUARD, NULL, 0,
		  "instead: copies of the guard's log, a file or folder; without one, those of "
		  "this machine's daemon",
		  1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Check the whole log and name the first bad record (administrators).\v"
		       "Exit status: 0 it is intact, 1 it is not, 125 it could not be checked.\n"
		       "Rolling back log and key together is found only with anchors that are "
		       "kept elsewhere: see 'pinfold audit anchor'.\n\nExamples:\n"
		       "    pinfold audit verify\n"
		       "    ssh vault cat anchors | pinfold audit verify --anchors -\n"
		       "    pinfold audit verify --guard /mnt/backup/guard",
		.operands = "[FILE|FOLDER]",
		.max = 1,
		.flags = CMD_JSON | CMD_QUIET | CMD_NO_CLIENT,
		.options = options,
		.option = take_verify,
		.run = run_verify,
	};
	struct verifying v = { 0 };

	return cmd_main(&cmd, &v, argc, argv);
}

static int run_anchor(struct cmd_run *r)
{
	json_t *answer = NULL;
	int status = cmd_get(r, "/v1/audit/anchor", &answer);
	char *safe;

	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(answer);
	} else {
		safe = text_safe(field_text(answer, "anchor"));
		puts(safe ? safe : "");
		free(safe);
	}
	json_decref(answer);
	return 0;
}

static int audit_anchor(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Print an anchor: number and hash of the last record. Kept on another "
		       "machine "
		       "it proves later that nothing before it was replaced (administrators).\v"
		       "Example:\n    pinfold audit anchor | ssh vault 'cat >> anchors'",
		.flags = CMD_JSON,
		.run = run_anchor,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

int cmd_audit(int argc, char **argv)
{
	static const struct cmd_member members[] = {
		{ "show", "print the last records", audit_show },
		{ "verify", "find out whether the log was changed", audit_verify },
		{ "anchor", "print what proves it later", audit_anchor },
	};

	return cmd_group_main(members, ARRAY_SIZE(members), 0,
			      "The audit log: every request that changed anything.", argc, argv);
}

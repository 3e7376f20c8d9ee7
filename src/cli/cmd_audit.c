/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold audit: the log of every change, and whether it is still what was written. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/text.h"

enum { KEY_LAST = CMD_OWN_KEYS };

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

static int run_verify(struct cmd_run *r)
{
	json_t *verdict = NULL;
	int status = cmd_get(r, "/v1/audit/verify", &verdict);
	bool is_intact;

	if (status != 0) {
		return status;
	}
	is_intact = field_bool(verdict, "is_intact");
	if (r->is_json) {
		field_print_json(verdict);
	} else if (!r->is_quiet) {
		print_verdict(verdict);
	}
	json_decref(verdict);
	return is_intact ? 0 : 1;
}

static int audit_verify(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Check the whole log and name the first bad record (administrators).\v"
		       "Exit status: 0 it is intact, 1 it is not, 125 it could not be checked.\n"
		       "Rolling back log and key together is found only with an anchor that is "
		       "kept "
		       "elsewhere: see 'pinfold audit anchor'.\n\nExample:\n"
		       "    pinfold audit verify",
		.flags = CMD_JSON | CMD_QUIET,
		.run = run_verify,
	};

	return cmd_main(&cmd, NULL, argc, argv);
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

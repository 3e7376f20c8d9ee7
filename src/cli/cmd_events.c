/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold events: what happens, as it happens. pinfold history: what has happened. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/text.h"

/* Longest line of the stream that is taken. */
#define LINE_BYTES (256u * 1024)

enum { KEY_FROM = CMD_OWN_KEYS, KEY_TYPE, KEY_LAST };

/* A stream of server-sent events. */
struct events {
	uint64_t from;
	const char *type; /* beginning of the types that are wanted, or NULL */
	bool is_json;
	bool is_skipping; /* the rest of a line that is too long */
	size_t len;
	char line[LINE_BYTES];
};

/* Members that stand in front already. */
static bool is_shown_already(const char *name)
{
	return strcmp(name, "seq") == 0 || strcmp(name, "time") == 0 || strcmp(name, "type") == 0 ||
	       strcmp(name, "vm") == 0;
}

static void print_member(const char *name, const json_t *value)
{
	char *dumped =
		json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *text = dumped ? dumped : json_string_value(value);
	char safe_name[40];
	char *safe = text_safe(text ? text : "");

	if (safe) {
		printf(strchr(safe, ' ') && !dumped ? " %s=\"%s\"" : " %s=%s",
		       text_safe_to(name, safe_name, sizeof(safe_name)), safe);
	}
	free(safe);
	free(dumped);
}

static void print_event(json_t *o)
{
	char time[40];
	char type[40];
	char vm[80];
	const char *name;
	json_t *value;

	printf("%s %-13s %s", text_safe_to(field_text(o, "time"), time, sizeof(time)),
	       text_safe_to(field_text(o, "type"), type, sizeof(type)),
	       text_safe_to(*field_text(o, "vm") ? field_text(o, "vm") : "-", vm, sizeof(vm)));
	json_object_foreach(o, name, value)
	{
		if (!is_shown_already(name) && !json_is_null(value)) {
			print_member(name, value);
		}
	}
	putchar('\n');
}

static int take_line(const struct events *ev)
{
	json_t *o;

	if (strncmp(ev->line, "data:", 5) != 0) {
		return 0; /* comments, ids, the blank line */
	}
	o = json_loadb(ev->line + 5, ev->len - 5, 0, NULL);
	if (json_is_object(o) &&
	    (!ev->type || strncmp(field_text(o, "type"), ev->type, strlen(ev->type)) == 0)) {
		if (ev->is_json) {
			field_print_json(o);
		} else {
			print_event(o);
		}
	}
	json_decref(o);
	return fflush(stdout) == EOF ? -errno : 0;
}

static int take_bytes(void *arg, const void *bytes, size_t n)
{
	struct events *ev = arg;
	const char *p = bytes;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (p[i] == '\n') {
			ev->line[ev->len] = '\0';
			r = ev->is_skipping ? 0 : take_line(ev);
			ev->is_skipping = false;
			ev->len = 0;
		} else if (p[i] != '\r' && ev->len < LINE_BYTES - 1) {
			ev->line[ev->len++] = p[i];
		} else if (p[i] != '\r') {
			ev->is_skipping = true;
		}
	}
	return r;
}

static int run(struct cmd_run *r)
{
	struct events *ev = r->own;
	struct client_request rq = { .method = "GET", .sink = take_bytes, .arg = ev };
	struct errmsg e = { 0 };
	char path[48];
	int ret;

	snprintf(path, sizeof(path), "/v1/events?from=%" PRIu64, ev->from);
	rq.path = path;
	ev->is_json = r->is_json;
	ret = client_do(r->client, &rq, NULL, &e);
	if (ret >= 0) {
		errmsg_set(&e, -EPIPE, "the daemon has ended the stream of events");
	}
	return cmd_fail(&e);
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct events *ev = own;

	switch (key) {
	case KEY_FROM:
		if (parse_u64(arg, &ev->from, e) < 0) {
			return errmsg_set(e, -EINVAL, "--from: '%.40s' is not a number", arg);
		}
		return 0;
	case KEY_TYPE:
		ev->type = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_events(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "from", KEY_FROM, "SEQ", 0, "also earlier ones, from this number on", 1 },
		{ "type", KEY_TYPE, "TYPE", 0, "only these: vm, vm.faulted, core, user ...", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Print what happens, one line each, until Ctrl-C.\v"
		       "Example:\n    pinfold events --type vm. --json | jq -c '[.type, .vm]'",
		.flags = CMD_JSON,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct events *ev = calloc(1, sizeof(*ev));
	struct errmsg e = { 0 };
	int status;

	if (!ev) {
		errmsg_set(&e, -ENOMEM, "out of memory");
		return cmd_fail(&e);
	}
	status = cmd_main(&cmd, ev, argc, argv);
	free(ev);
	return status;
}

/* What history was asked for. */
struct history {
	uint64_t last;
};

static void print_runs(const json_t *runs)
{
	struct table *t = table_new("VM OWNER >RUN STARTED >LASTED >CPU >WAITED >SLICES >PEAK "
				    "RESULT");
	char figure[TEXT_FIGURE_BYTES];
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		int64_t started = text_parse_time(field_text(run, "started_at"));
		int64_t ended = text_parse_time(field_text(run, "ended_at"));

		field_cell_text(t, run, "vm");
		field_cell_text(t, run, "owner");
		field_cell_u64(t, run, "run");
		table_add(t, text_ago(field_text(run, "started_at"), figure));
		table_add(t, started >= 0 && ended >= started
				     ? text_time((uint64_t)(ended - started), figure)
				     : "");
		field_cell_time(t, run, "cpu_ns");
		field_cell_time(t, run, "wait_ns");
		field_cell_u64(t, run, "slices");
		field_cell_size(t, run, "memory_peak_bytes");
		field_cell_text(t, run, "result");
	}
	table_print(t, stdout);
	table_free(t);
}

static int run_history(struct cmd_run *r)
{
	const struct history *h = r->own;
	json_t *runs = NULL;
	char last[40];
	char *path;
	int status;

	snprintf(last, sizeof(last), "&last=%" PRIu64, h->last);
	path = r->n_operands ? client_path("/v1/history?vm=", r->operand[0], last)
			     : client_path("/v1/history?", "", last + 1);
	status = path ? cmd_get_list(r, path, &runs) : EXIT_STATUS_ERROR;
	free(path);
	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(runs);
	} else {
		print_runs(runs);
	}
	json_decref(runs);
	return 0;
}

static int take_history(void *own, int key, const char *arg, struct errmsg *e)
{
	struct history *h = own;

	if (key != KEY_LAST) {
		return ARGP_ERR_UNKNOWN;
	}
	if (parse_u64(arg, &h->last, e) < 0 || h->last == 0) {
		return errmsg_set(e, -EINVAL, "--last: '%.40s' is not a number above 0", arg);
	}
	return 0;
}

int cmd_history(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "last", KEY_LAST, "N", 0, "the last N runs (default 50)", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "List runs that have ended, of one VM or of all.\v"
		       "Example:\n    pinfold history --last 5 web",
		.operands = "[VM]",
		.max = 1,
		.flags = CMD_JSON,
		.options = options,
		.option = take_history,
		.run = run_history,
	};
	struct history h = { .last = 50 };

	return cmd_main(&cmd, &h, argc, argv);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold status: the daemon's health, its cores, and which guarantees hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/text.h"

static void print_cores(const json_t *s)
{
	char text[512];
	const json_t *core;
	size_t used;
	size_t i;

	used = (size_t)snprintf(text, sizeof(text),
				"control %" PRIu64 ", housekeeping %" PRIu64 ", pool",
				field_u64(s, "control_core"), field_u64(s, "housekeeping_core"));
	json_array_foreach(json_object_get(s, "pool"), i, core)
	{
		if (used < sizeof(text)) {
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRId64,
						 i ? "," : " ", (int64_t)json_integer_value(core));
		}
	}
	if (used < sizeof(text) && field_bool(s, "is_folded")) {
		snprintf(text + used, sizeof(text) - used, " (folded: fewer than four cores)");
	}
	text_print(stdout, "cores", text);
}

static void print_guarantees(const json_t *s)
{
	const json_t *g;
	size_t i;

	json_array_foreach(json_object_get(s, "guarantees"), i, g)
	{
		const char *why = field_text(g, "why");
		char label[24];
		char text[512];

		snprintf(label, sizeof(label), "%-14s %-3s", i ? "" : "guarantees",
			 field_bool(g, "holds") ? "yes" : "no");
		snprintf(text, sizeof(text), "%.150s%s%.300s", field_text(g, "name"),
			 *why ? ": " : "", why);
		text_print(stdout, label, text);
	}
}

static void print_vms(const json_t *s)
{
	const json_t *vms = json_object_get(s, "vms");
	const json_t *exclusive = json_object_get(s, "exclusive");
	char text[160];

	snprintf(text, sizeof(text),
		 "%" PRIu64 " defined, %" PRIu64 " running, %" PRIu64 " paused, %" PRIu64
		 " faulted",
		 field_u64(vms, "defined"), field_u64(vms, "running"), field_u64(vms, "paused"),
		 field_u64(vms, "faulted"));
	text_print(stdout, "VMs", text);
	snprintf(text, sizeof(text), "%" PRIu64 " of at most %" PRIu64,
		 field_u64(exclusive, "used"), field_u64(exclusive, "cap"));
	text_print(stdout, "exclusive", text);
}

static void print_books(const json_t *s)
{
	const json_t *store = json_object_get(s, "store");
	const json_t *audit = json_object_get(s, "audit");
	const char *error = field_text(store, "last_error");
	char text[400];

	snprintf(text, sizeof(text), "generation %" PRIu64 ", %" PRIu64 " waiting%s%.250s",
		 field_u64(store, "generation"), field_u64(store, "depth"),
		 *error ? ", last error: " : "", error);
	text_print(stdout, "state", text);
	snprintf(text, sizeof(text), "%" PRIu64 " records, %s%s", field_u64(audit, "seq"),
		 field_bool(audit, "is_ok") ? "in order" : "NOT IN ORDER",
		 field_bool(audit, "has_key_here") ? "; the first key is still here: move it away"
						   : "");
	text_print(stdout, "audit", text);
}

static void print_status(const struct cmd_run *r, const json_t *s)
{
	char up[TEXT_FIGURE_BYTES];
	char text[200];
	const json_t *warning;
	size_t i;

	snprintf(text, sizeof(text), "%.40s, pid %" PRIu64 ", up %s%s", field_text(s, "version"),
		 field_u64(s, "pid"), text_duration(field_u64(s, "uptime_ns"), up),
		 field_bool(s, "is_rootless") ? ", rootless" : "");
	text_print(stdout, "pinfoldd", text);
	text_print(stdout, "at", client_where(r->client));
	print_cores(s);
	text_print(stdout, "backend", field_text(s, "backend"));
	print_guarantees(s);
	print_vms(s);
	print_books(s);
	json_array_foreach(json_object_get(s, "warnings"), i, warning)
	{
		text_print(stdout, "warning",
			   json_is_string(warning) ? json_string_value(warning) : "?");
	}
}

static int run(struct cmd_run *r)
{
	json_t *s = NULL;
	int status = cmd_get(r, "/v1/status", &s);

	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(s);
	} else if (!r->is_quiet) {
		print_status(r, s);
	}
	json_decref(s);
	return 0;
}

int cmd_status(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Show the daemon's health, its cores, and which guarantees hold here.\v"
		       "Exit status: 0 it answers, 125 it does not.\n\nExample:\n"
		       "    pinfold status",
		.flags = CMD_JSON | CMD_QUIET,
		.run = run,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

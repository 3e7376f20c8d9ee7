/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold ps: the VMs, one line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/text.h"

enum { KEY_ALL = 'a', KEY_EVERYONE = 'e', KEY_NAMES = CMD_OWN_KEYS };

/* What is listed. */
struct listing {
	bool is_all, is_everyone, has_names;
};

static const struct argp_option options[] = {
	{ "all", KEY_ALL, NULL, 0, "also those that have ended", 1 },
	{ "everyone", KEY_EVERYONE, NULL, 0, "everybody's (administrators)", 1 },
	{ "names", KEY_NAMES, NULL, 0, "with --quiet: names instead of ids", 9 },
	{ 0 },
};

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct listing *l = own;

	(void)arg;
	(void)e;
	switch (key) {
	case KEY_ALL:
		l->is_all = true;
		return 0;
	case KEY_EVERYONE:
		l->is_everyone = true;
		return 0;
	case KEY_NAMES:
		l->has_names = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_words(const json_t *vms, const char *member)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
	{
		char *safe = text_safe(field_text(vm, member));

		puts(safe ? safe : "");
		free(safe);
	}
}

static void add_core(struct table *t, const json_t *vm)
{
	char text[40] = "";

	if (field_has(vm, "core")) {
		snprintf(text, sizeof(text), "%u%s", (unsigned int)field_u64(vm, "core"),
			 field_bool(vm, "exclusive") ? " alone" : "");
	} else if (field_bool(vm, "exclusive")) {
		strcpy(text, "- alone");
	}
	table_add(t, text);
}

static void add_state(struct table *t, const json_t *vm)
{
	char text[64];
	const char *state = field_text(vm, "state");

	if (strcmp(state, "stopped") == 0 && field_has(vm, "exit_code")) {
		snprintf(text, sizeof(text), "stopped (%u)",
			 (unsigned int)field_u64(vm, "exit_code"));
		table_add(t, text);
	} else {
		table_add(t, state);
	}
}

/* With its CPUs, where there are several: they take turns on one core. */
static void add_board(struct table *t, const json_t *vm)
{
	unsigned int n = (unsigned int)field_u64(vm, "cpus");
	char text[64];

	snprintf(text, sizeof(text), n > 1 ? "%.40s x%u" : "%.40s", field_text(vm, "board"), n);
	table_add(t, text);
}

static void print_table(const json_t *vms, bool has_owner)
{
	struct table *t =
		table_new(has_owner ? "NAME OWNER STATE ARCH BOARD ENGINE CORE >CPU >WAITED "
				      ">SLICES >MEM CREATED"
				    : "NAME STATE ARCH BOARD ENGINE CORE >CPU >WAITED >SLICES "
				      ">MEM CREATED");
	char ago[TEXT_FIGURE_BYTES];
	const json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
	{
		field_cell_text(t, vm, "name");
		if (has_owner) {
			field_cell_text(t, vm, "owner");
		}
		add_state(t, vm);
		field_cell_text(t, vm, "arch");
		add_board(t, vm);
		field_cell_text(t, vm, "engine");
		add_core(t, vm);
		field_cell_time(t, vm, "cpu_ns");
		field_cell_time(t, vm, "wait_ns");
		field_cell_u64(t, vm, "slices");
		field_cell_size(t, vm, "mem_bytes");
		table_add(t, text_ago(field_text(vm, "created_at"), ago));
	}
	table_print(t, stdout);
	table_free(t);
}

static int run(struct cmd_run *r)
{
	const struct listing *l = r->own;
	json_t *vms = NULL;
	char path[48];
	int status;

	snprintf(path, sizeof(path), "/v1/vms%s%s%s", l->is_all || l->is_everyone ? "?" : "",
		 l->is_all ? "all=1&" : "", l->is_everyone ? "everyone=1&" : "");
	if (strchr(path, '?')) {
		path[strlen(path) - 1] = '\0';
	}
	status = cmd_get_list(r, path, &vms);
	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(vms);
	} else if (r->is_quiet) {
		print_words(vms, l->has_names ? "name" : "id");
	} else {
		print_table(vms, l->is_everyone);
	}
	json_decref(vms);
	return 0;
}

int cmd_ps(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "List VMs: where they run, how much they used and how long they waited.\v"
		       "Example:\n    pinfold ps --all --json | jq -r '.[].name'",
		.flags = CMD_JSON | CMD_QUIET,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct listing l = { 0 };

	return cmd_main(&cmd, &l, argc, argv);
}

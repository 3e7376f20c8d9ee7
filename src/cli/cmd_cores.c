/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold cores: who holds which core; taking exclusive cores back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/text.h"

static void add_roles(struct table *t, const json_t *core)
{
	char text[80] = "";
	const json_t *role;
	size_t i;

	json_array_foreach(json_object_get(core, "roles"), i, role)
	{
		const char *s = json_string_value(role);
		size_t used = strlen(text);

		if (s) {
			snprintf(text + used, sizeof(text) - used, "%s%s", used ? "," : "", s);
		}
	}
	if (json_is_false(json_object_get(core, "online"))) {
		strcpy(text, "offline");
	}
	table_add(t, text);
}

static void add_holder(struct table *t, const json_t *core)
{
	char text[160];
	const char *holder = field_text(core, "holder");

	if (!*holder) {
		table_add(t, field_bool(core, "is_pool") ? "idle" : "");
		return;
	}
	snprintf(text, sizeof(text), "%.100s%s", holder,
		 field_bool(core, "exclusive") ? " (alone)" : "");
	table_add(t, text);
}

/* Who else runs there: the names of some, the most important thing about them. */
#define NAMES_MAX 3

static void add_foreign(struct table *t, const json_t *core)
{
	const json_t *foreign = json_object_get(core, "foreign");
	char text[120] = "";
	const json_t *task;
	size_t used;
	size_t i;

	json_array_foreach(foreign, i, task)
	{
		used = strlen(text);
		if (i < NAMES_MAX) {
			snprintf(text + used, sizeof(text) - used, "%s%.20s", used ? ", " : "",
				 field_text(task, "name"));
		}
	}
	used = strlen(text);
	if (json_array_size(foreign) > NAMES_MAX) {
		snprintf(text + used, sizeof(text) - used, " +%zu",
			 json_array_size(foreign) - NAMES_MAX);
	}
	table_add(t, text);
}

static void print_cores(const json_t *cores)
{
	struct table *t = table_new(">CORE ROLES HOLDER >SWITCHES >WAITS >WAITED >LONGEST >HELD "
				    ">OTHERS WHO_ELSE");
	const json_t *core;
	size_t i;

	json_array_foreach(cores, i, core)
	{
		field_cell_u64(t, core, "host_core");
		add_roles(t, core);
		add_holder(t, core);
		field_cell_u64(t, core, "switches");
		field_cell_u64(t, core, "lock_waits");
		field_cell_time(t, core, "lock_wait_ns");
		field_cell_time(t, core, "lock_wait_max_ns");
		field_cell_time(t, core, "lock_hold_ns");
		field_cell_time(t, core, "foreign_ns");
		add_foreign(t, core);
	}
	table_print(t, stdout);
	table_free(t);
}

static int run_ls(struct cmd_run *r)
{
	json_t *cores = NULL;
	int status = cmd_get_list(r, "/v1/cores", &cores);

	if (status != 0) {
		return status;
	}
	if (r->is_json) {
		field_print_json(cores);
	} else {
		print_cores(cores);
	}
	json_decref(cores);
	return 0;
}

static int cores_ls(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Show the host's cores: role, holder, switches, waits for its lock, and the "
		       "run time of tasks that are not ours.\v"
		       "Example:\n    pinfold cores",
		.flags = CMD_JSON,
		.run = run_ls,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

static int reclaim_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	char *path = NULL;
	uint64_t core;
	int ret;

	if (parse_u64(name, &core, NULL) < 0) {
		return errmsg_set(e, -EINVAL, "'%.40s' is not the number of a core", name);
	}
	path = client_path("/v1/cores/", name, "/reclaim");
	ret = client_send(r->client, "POST", path, NULL, NULL, e);
	free(path);
	return ret;
}

static int run_reclaim(struct cmd_run *r)
{
	return cmd_each(r, reclaim_one);
}

static int cores_reclaim(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Take exclusive cores back into the pool, whatever their VMs do "
		       "(administrators).\v"
		       "Example:\n    pinfold cores reclaim 3",
		.operands = "CORE...",
		.min = 1,
		.max = CMD_MANY,
		.run = run_reclaim,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

static int run_cap(struct cmd_run *r)
{
	json_t *body = json_object();
	struct errmsg e = { 0 };
	uint64_t n = 0;
	int status;

	if (strcmp(r->operand[0], "default") == 0) {
		json_object_set_new(body, "cores", json_null());
	} else if (parse_u64(r->operand[0], &n, NULL) < 0 || n > INT32_MAX) {
		json_decref(body);
		errmsg_set(&e, -EINVAL, "'%.40s' is neither a number of cores nor 'default'",
			   r->operand[0]);
		return cmd_fail(&e);
	} else {
		json_object_set_new(body, "cores", json_integer((json_int_t)n));
	}
	status = cmd_send(r, "PUT", "/v1/cores/exclusive-cap", body, NULL);
	json_decref(body);
	return status;
}

static int cores_cap(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Set how many cores may be exclusive at a time (administrators).\v"
		       "'default' is half of the pool. The daemon keeps it over "
		       "restarts.\n\nExample:\n    pinfold cores set-cap 1",
		.operands = "N|default",
		.min = 1,
		.max = 1,
		.run = run_cap,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

int cmd_cores(int argc, char **argv)
{
	static const struct cmd_member members[] = {
		{ "ls", "show roles, holders, waits (default)", cores_ls },
		{ "reclaim", "take exclusive cores back", cores_reclaim },
		{ "set-cap", "set how many may be exclusive", cores_cap },
	};

	return cmd_group_main(members, ARRAY_SIZE(members), CMD_HAS_DEFAULT,
			      "The host's cores and who holds them.", argc, argv);
}

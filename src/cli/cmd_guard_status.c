/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold guard status: what the daemon knows of the guard, or without one what the module itself says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cmd_guard.h"
#include "cli/guard_module.h"
#include "cli/guard_state.h"
#include "cli/text.h"

/* @return 0; negative errno with a sentence */
static int ask_module(json_t **ret, struct errmsg *e)
{
	struct pinfold_guard_state state;
	struct pinfold_guard_bans bans;
	int r = guard_state_read(&state, &bans, e);

	if (r < 0) {
		return r;
	}
	*ret = guard_state_json(&state, &bans);
	return *ret ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}

/*
 * A daemon elsewhere is the only one that can say; here the module can, where no daemon does, or what it takes to
 * talk to one is missing.
 */
static int ask(struct cmd_run *r, json_t **ret, struct errmsg *e)
{
	int status = client_open(&r->where, &r->client, e);

	status = status < 0 ? status : client_get(r->client, "/v1/guard", ret, e);
	if (status < 0 && !client_has_host(&r->where)) {
		status = ask_module(ret, e);
	}
	return status < 0 ? status : 0;
}

static void say_not_loaded(const struct cmd_run *r)
{
	bool is_here = !client_has_host(&r->where);
	struct guard_module m;
	struct utsname host;
	json_t *o;

	uname(&host);
	guard_module_look("", host.release, &m);
	if (r->is_json) {
		o = json_pack("{sb so}", "is_loaded", 0, "module",
			      is_here ? guard_module_json(&m) : json_null());
		field_print_json(o);
		json_decref(o);
	} else if (!r->is_quiet) {
		text_print(stdout, "guard", "not loaded");
		if (is_here) {
			guard_module_print(&m);
		}
	}
}

static int run(struct cmd_run *r)
{
	json_t *o = NULL;
	struct errmsg e = { 0 };
	int ret = ask(r, &o, &e);
	bool is_loaded;

	if (ret < 0 && ret != -ENOENT) {
		return cmd_fail(&e);
	}
	is_loaded = ret == 0 && field_bool(o, "is_loaded");
	if (!is_loaded) {
		say_not_loaded(r);
	} else if (r->is_json) {
		field_print_json(o);
	} else if (!r->is_quiet) {
		guard_state_print(o);
	}
	json_decref(o);
	return is_loaded ? 0 : EXIT_STATUS_ERROR;
}

int cmd_guard_status(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Show what state the guard is in: from the daemon, or without one, for "
		       "root, "
		       "from the module itself.\v"
		       "Exit status: 0 it is loaded and answers, 125 it is not or does not.\n\n"
		       "Example:\n    pinfold guard status",
		.flags = CMD_JSON | CMD_QUIET | CMD_NO_CLIENT,
		.run = run,
	};

	return cmd_main(&cmd, NULL, argc, argv);
}

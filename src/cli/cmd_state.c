/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold start, pause, resume, stop, kill, rm: one request for each VM that is named. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/text.h"

/* What is done to each. */
struct change {
	const char *method;
	const char *rest; /* of the path */
};

static int change_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	const struct change *c = r->own;
	char *path = client_path("/v1/vms/", name, c->rest);
	json_t *answer = NULL;
	int ret;

	ret = client_send(r->client, c->method, path, NULL, &answer, e);
	free(path);
	if (ret >= 0 && r->is_json && answer) {
		field_print_json(answer);
	} else if (ret >= 0) {
		cmd_name_done(r, name);
	}
	json_decref(answer);
	return ret;
}

static int run(struct cmd_run *r)
{
	return cmd_each(r, change_one);
}

#define STATE_COMMAND(name, text)                             \
	int cmd_##name(int argc, char **argv)                 \
	{                                                     \
		static const struct cmd cmd = {               \
			.doc = text,                          \
			.operands = "VM...",                  \
			.min = 1,                             \
			.max = CMD_MANY,                      \
			.flags = CMD_JSON | CMD_QUIET,        \
			.run = run,                           \
		};                                            \
		struct change change = { "POST", "/" #name }; \
                                                              \
		return cmd_main(&cmd, &change, argc, argv);   \
	}

STATE_COMMAND(start, "Start VMs, also again after they have ended.\v"
		     "A VM is named by its name, its id, or by administrators as OWNER/NAME. "
		     "Every one that was started is printed.\n\nExample:\n"
		     "    pinfold start web worker")
STATE_COMMAND(pause, "Pause VMs: they stand still and keep everything but their core.\v"
		     "Example:\n    pinfold pause web")
STATE_COMMAND(resume, "Let paused VMs go on.\vExample:\n    pinfold resume web")
STATE_COMMAND(stop, "Stop VMs: the guest is asked to end, then it is ended.\v"
		    "Example:\n    pinfold stop web worker")
STATE_COMMAND(kill, "End VMs at once, whatever they do.\vExample:\n    pinfold kill web")

enum { KEY_FORCE = 'f' };

static int take_rm_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct change *c = own;

	(void)arg;
	(void)e;
	if (key != KEY_FORCE) {
		return ARGP_ERR_UNKNOWN;
	}
	c->rest = "?force=1";
	return 0;
}

int cmd_rm(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "force", KEY_FORCE, NULL, 0, "also those that run: they are killed", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Remove VMs that have ended: definition, console output, fault.\v"
		       "Example:\n    pinfold rm --force web",
		.operands = "VM...",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_JSON | CMD_QUIET,
		.options = options,
		.option = take_rm_option,
		.run = run,
	};
	struct change change = { "DELETE", "" };

	return cmd_main(&cmd, &change, argc, argv);
}

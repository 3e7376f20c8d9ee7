/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold start, pause, resume, stop, kill, rm: one request for each VM that is named. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/text.h"
#include "host/timer.h"

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
STATE_COMMAND(kill, "End VMs at once, whatever they do.\vExample:\n    pinfold kill web")

enum { KEY_FORCE = 'f', KEY_TIME = 't' };

#define STOP_NS (10 * NS_PER_S)
/* What the daemon waits for at most in one request. */
#define ROUND_NS (60 * NS_PER_S)

static int take_stop_option(void *own, int key, const char *arg, struct errmsg *e)
{
	ns_t *time_ns = own;

	if (key != KEY_TIME) {
		return ARGP_ERR_UNKNOWN;
	}
	if (parse_duration_ns(arg, time_ns, e) < 0 || *time_ns > (ns_t)INT64_MAX) {
		return errmsg_set(e, -EINVAL, "--time: '%.40s' is not a time", arg);
	}
	return 0;
}

/* Wait until it has ended by itself. @param ret NULL: it has not, or it can't be told */
static void await_end(struct cmd_run *r, const char *name, ns_t time_ns, json_t **ret)
{
	ns_t end_ns = host_clock_monotonic_ns() + time_ns;
	ns_t now_ns;
	int status = 0;

	while (status >= 0 && !*ret && (now_ns = host_clock_monotonic_ns()) < end_ns) {
		ns_t left_ns = end_ns - now_ns < ROUND_NS ? end_ns - now_ns : ROUND_NS;
		char rest[48];
		char *path;

		snprintf(rest, sizeof(rest), "/wait?timeout_ms=%u",
			 (unsigned int)((left_ns + NS_PER_MS - 1) / NS_PER_MS));
		path = client_path("/v1/vms/", name, rest);
		status = client_get(r->client, path, ret, NULL);
		free(path);
	}
}

static int stop_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	struct change stop = { "POST", "/stop" };
	ns_t time_ns = *(const ns_t *)r->own;
	char *path = client_path("/v1/vms/", name, "/shutdown");
	json_t *ended = NULL;
	struct cmd_run end = *r;

	/* One whose guest can't be asked is ended at once. */
	if (time_ns > 0 && client_send(r->client, "POST", path, NULL, NULL, NULL) >= 0) {
		await_end(r, name, time_ns, &ended);
	}
	free(path);
	if (!ended) {
		end.own = &stop;
		return change_one(&end, name, e);
	}
	if (r->is_json) {
		field_print_json(ended);
	} else {
		cmd_name_done(r, name);
	}
	json_decref(ended);
	return 0;
}

static int run_stop(struct cmd_run *r)
{
	return cmd_each(r, stop_one);
}

int cmd_stop(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "time", KEY_TIME, "TIME", 0,
		  "how long the guest may take to shut down (default 10s; 0: it is not asked)", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Stop VMs: the guest is asked to shut down, and ended if it has not in "
		       "time.\v"
		       "On board virt the power button is pressed. A guest that has no driver for "
		       "it "
		       "(virtio input), and one on board bare, is ended at once.\n\nExample:\n"
		       "    pinfold stop --time 1m web worker",
		.operands = "VM...",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_JSON | CMD_QUIET,
		.options = options,
		.option = take_stop_option,
		.run = run_stop,
	};
	ns_t time_ns = STOP_NS;

	return cmd_main(&cmd, &time_ns, argc, argv);
}

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

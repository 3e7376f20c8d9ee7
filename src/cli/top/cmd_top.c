/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold top: who holds which core, and how the VMs fare, live. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/top/top_run.h"

enum { KEY_ALL = 'a', KEY_BATCH = 'b', KEY_DELAY = 'd', KEY_SORT = 's', KEY_WIDTH = CMD_OWN_KEYS };

#define DELAY_MIN_NS (200 * NS_PER_MS)
#define DELAY_MAX_NS (3600 * NS_PER_S)
#define BATCH_MAX    1000000u
#define WIDTH_MIN    40u
#define WIDTH_MAX    1000u

static const struct argp_option options[] = {
	{ "all", KEY_ALL, NULL, 0, "also VMs that don't run", 1 },
	{ "batch", KEY_BATCH, "N", 0, "print N snapshots as plain text", 1 },
	{ "delay", KEY_DELAY, "TIME", 0, "between two looks at the VMs (default 1s)", 1 },
	{ "sort", KEY_SORT, "COLUMN", 0,
	  "name, state, core, cpu (default), wait, slices, age, memory, arch, engine, owner, "
	  "quota or prio",
	  1 },
	{ "width", KEY_WIDTH, "N", 0, "columns of a snapshot (default: the terminal's, or 100)",
	  1 },
	{ 0 },
};

static int parse_sort(const char *arg, enum top_column *ret, struct errmsg *e)
{
	static const char *const names[TOP_COL_N] = {
		[TOP_COL_NAME] = "name",   [TOP_COL_STATE] = "state",
		[TOP_COL_CORE] = "core",   [TOP_COL_CPU] = "cpu",
		[TOP_COL_WAIT] = "wait",   [TOP_COL_SLICES] = "slices",
		[TOP_COL_AGE] = "age",	   [TOP_COL_MEMORY] = "memory",
		[TOP_COL_ARCH] = "arch",   [TOP_COL_ENGINE] = "engine",
		[TOP_COL_OWNER] = "owner", [TOP_COL_QUOTA] = "quota",
		[TOP_COL_PRIO] = "prio",
	};

	for (unsigned int i = 0; i < TOP_COL_N; i++) {
		if (strcasecmp(arg, names[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return errmsg_set(e, -EINVAL,
			  "--sort: there is no column '%.40s'; see 'pinfold top --help'", arg);
}

static int parse_count(const char *what, const char *arg, uint32_t min, uint32_t max, uint32_t *ret,
		       struct errmsg *e)
{
	uint64_t n;
	int r = parse_u64(arg, &n, e);

	if (r == 0 && (n < min || n > max)) {
		r = errmsg_set(e, -EINVAL, "between %u and %u", min, max);
	}
	if (r < 0) {
		errmsg_prefix(e, "%s: ", what);
		return -EINVAL;
	}
	*ret = (uint32_t)n;
	return 0;
}

static int parse_delay(const char *arg, ns_t *ret, struct errmsg *e)
{
	ns_t ns;
	int r = parse_duration_ns(arg, &ns, e);

	if (r == 0 && (ns < DELAY_MIN_NS || ns > DELAY_MAX_NS)) {
		r = errmsg_set(e, -EINVAL, "between 200ms and 1h");
	}
	if (r < 0) {
		errmsg_prefix(e, "--delay: ");
		return -EINVAL;
	}
	*ret = ns;
	return 0;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct top_run_options *o = own;

	switch (key) {
	case KEY_ALL:
		o->shows_ended = true;
		return 0;
	case KEY_BATCH:
		return parse_count("--batch", arg, 1, BATCH_MAX, &o->batch, e);
	case KEY_DELAY:
		return parse_delay(arg, &o->refresh_ns, e);
	case KEY_SORT:
		return parse_sort(arg, &o->sort, e);
	case KEY_WIDTH:
		return parse_count("--width", arg, WIDTH_MIN, WIDTH_MAX, &o->width, e);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int request(void *ctx, const char *method, const char *path, json_t *body, json_t **ret,
		   struct errmsg *e)
{
	struct client *c = ctx;
	json_t *answer = NULL;
	int r = client_send(c, method, path, body, &answer, e);

	if (r < 0) {
		return r;
	}
	*ret = answer;
	return 0;
}

static int look(const struct top_source *source, const struct top_run_options *o, bool *ret_is_busy)
{
	struct errmsg e = { 0 };
	int r;

	*ret_is_busy = false;
	r = o->batch ? top_run_batch(source, o, stdout, &e)
		     : top_run_screen(source, o, ret_is_busy, &e);
	if (r < 0) {
		return cmd_fail(&e);
	}
	return r ? 128 + r : 0; /* as shells say it of a signal */
}

static int run(struct cmd_run *r)
{
	const struct top_run_options *o = r->own;
	struct top_source source = { .request = request };
	struct client *client = NULL;
	struct errmsg e = { 0 };
	bool is_busy;
	int status;

	/* Its own one: it must not be closed while an unanswered request uses it. */
	if (client_open(&r->where, &client, &e) < 0) {
		return cmd_fail(&e);
	}
	source.ctx = client;
	status = look(&source, o, &is_busy);
	if (is_busy) {
		client_abandon(client);
	} else {
		client_close(client);
	}
	return status;
}

int cmd_top(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Show who holds which core and how the VMs fare, live. Key ? explains.\v"
		       "Example:\n    pinfold top --batch 3 --delay 2s --sort wait",
		.flags = CMD_NO_CLIENT,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct top_run_options o;

	top_run_options_defaults(&o);
	return cmd_main(&cmd, &o, argc, argv);
}

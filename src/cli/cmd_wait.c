/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold wait: until VMs have ended; its exit status is theirs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "cli/vm_end.h"
#include "host/timer.h"

/* What the daemon waits for at most in one request. */
#define ROUND_MS 60000u

enum { KEY_TIMEOUT = CMD_OWN_KEYS };

/* For all VMs together. */
struct waiting {
	ns_t timeout_ns; /* 0: none */
	ns_t end_ns;
	int status; /* first one that is not 0 */
};

/* Time for the next round. @return ms; 0 when it is over */
static uint64_t round_ms(const struct waiting *w)
{
	ns_t now = host_clock_monotonic_ns();

	if (w->timeout_ns == 0) {
		return ROUND_MS;
	}
	if (now >= w->end_ns) {
		return 0;
	}
	now = (w->end_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return now < ROUND_MS ? now : ROUND_MS;
}

/* The answer to wait is short; the whole VM says more, if it is still there. */
static void get_whole(struct cmd_run *r, const char *name, json_t **vm)
{
	char *path = client_path("/v1/vms/", name, "");
	json_t *whole = NULL;

	if (path && client_get(r->client, path, &whole, NULL) >= 0 && vm_end_has(whole)) {
		json_decref(*vm);
		*vm = whole;
	} else {
		json_decref(whole);
	}
	free(path);
}

static int wait_round(struct cmd_run *r, const char *name, uint64_t ms, json_t **ret,
		      struct errmsg *e)
{
	char rest[48];
	char *path;
	int ret_status;

	snprintf(rest, sizeof(rest), "/wait?timeout_ms=%u", (unsigned int)ms);
	path = client_path("/v1/vms/", name, rest);
	ret_status = client_get(r->client, path, ret, e);
	free(path);
	return ret_status;
}

static void tell(struct cmd_run *r, struct waiting *w, const char *name, json_t *vm)
{
	int status = vm_end_status(vm);

	w->status = w->status ? w->status : status;
	if (r->is_json) {
		field_print_json(vm);
	} else if (!r->is_quiet && r->n_operands > 1) {
		printf("%s %d\n", name, status);
	} else if (!r->is_quiet) {
		printf("%d\n", status);
	}
	fflush(stdout);
	if (!r->is_quiet) {
		vm_end_say(vm);
	}
}

static int wait_one(struct cmd_run *r, const char *name, struct errmsg *e)
{
	struct waiting *w = r->own;
	json_t *vm = NULL;
	int ret;

	do {
		uint64_t ms = round_ms(w);

		ret = wait_round(r, name, ms, &vm, e);
		if (ret >= 0 && !vm && ms == 0) {
			return errmsg_set(e, -ETIMEDOUT, "%s has not ended yet", name);
		}
	} while (ret >= 0 && !vm);
	if (ret < 0) {
		return ret;
	}
	get_whole(r, name, &vm);
	tell(r, w, name, vm);
	json_decref(vm);
	return 0;
}

static int run(struct cmd_run *r)
{
	struct waiting *w = r->own;
	int status;

	w->end_ns = host_clock_monotonic_ns() + w->timeout_ns;
	status = cmd_each(r, wait_one);
	return status ? status : w->status;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct waiting *w = own;
	int r;

	if (key != KEY_TIMEOUT) {
		return ARGP_ERR_UNKNOWN;
	}
	r = parse_duration_ns(arg, &w->timeout_ns, e);
	if (r < 0 || w->timeout_ns == 0 || w->timeout_ns > (ns_t)INT64_MAX) {
		return errmsg_set(e, -EINVAL, "--timeout: '%.40s' is not a time above 0", arg);
	}
	return 0;
}

int cmd_wait(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "timeout", KEY_TIMEOUT, "TIME", 0, "wait no longer than this", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Wait until VMs have ended and print their exit statuses.\v"
		       "Exit status: as of 'pinfold run': the guest's own, 124 a limit, 126 a "
		       "fault, 137 killed; of several VMs the first that is not 0. 125: they could "
		       "not be waited for, or the time was over.\n\nExample:\n"
		       "    pinfold wait --timeout 1m web",
		.operands = "VM...",
		.min = 1,
		.max = CMD_MANY,
		.flags = CMD_JSON | CMD_QUIET,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct waiting w = { 0 };

	return cmd_main(&cmd, &w, argc, argv);
}

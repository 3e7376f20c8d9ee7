/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold down: end the daemon. Its VMs stand parked until the next one, unless they are killed. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/cmd.h"

/* The longest that a daemon may take to end: it waits for its disk. */
#define END_MS 60000

enum { KEY_KILL_VMS = CMD_OWN_KEYS };

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	bool *is_killed = own;

	(void)arg;
	(void)e;
	if (key != KEY_KILL_VMS) {
		return ARGP_ERR_UNKNOWN;
	}
	*is_killed = true;
	return 0;
}

/* The process is known before it is asked to end, so that its number can't be somebody else's. */
static int open_daemon(struct cmd_run *r, int *ret_pidfd)
{
	json_t *status = NULL;
	int ret = cmd_get(r, "/v1/status", &status);

	if (ret == 0 && !client_is_remote(r->client) && field_u64(status, "pid") > 0) {
		*ret_pidfd = (int)syscall(SYS_pidfd_open, (pid_t)field_u64(status, "pid"), 0);
	}
	json_decref(status);
	return ret;
}

static int run(struct cmd_run *r)
{
	const bool *is_killed = r->own;
	_cleanup_close_ int pidfd = -1;
	struct pollfd p = { .events = POLLIN };
	struct errmsg e = { 0 };
	json_t *body;
	int status;

	status = open_daemon(r, &pidfd);
	if (status != 0) {
		return status;
	}
	body = json_pack("{s:s}", "vms", *is_killed ? "kill" : "keep");
	status = cmd_send(r, "POST", "/v1/shutdown", body, NULL);
	json_decref(body);
	if (status != 0 || pidfd < 0) {
		return status;
	}
	p.fd = pidfd;
	if (poll(&p, 1, END_MS) != 1) {
		errmsg_set(&e, -ETIMEDOUT, "the daemon was asked to end, but still runs");
		return cmd_fail(&e);
	}
	if (!r->is_quiet) {
		puts(*is_killed
			     ? "pinfoldd has ended, and all VMs with it"
			     : "pinfoldd has ended; VMs stand parked until the next 'pinfold up'");
	}
	return 0;
}

int cmd_down(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "kill-vms", KEY_KILL_VMS, NULL, 0,
		  "end all VMs, too; else they stand parked until the next daemon", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "End the daemon (administrators).\v"
		       "Example:\n    pinfold down --kill-vms",
		.flags = CMD_QUIET,
		.options = options,
		.option = take_option,
		.run = run,
	};
	bool is_killed = false;

	return cmd_main(&cmd, &is_killed, argc, argv);
}

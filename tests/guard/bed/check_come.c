// SPDX-License-Identifier: GPL-2.0-or-later
/* The module comes, goes and comes again while pinfoldd runs. */
#include <string.h>

#include "checks.h"
#include "daemon.h"
#include "uapi/pinfold_guard.h"

#define WAIT_MS 60000
#define ONE	"/v1/vms/1000%2Fone "
#define PARAM	"/sys/module/pinfold_guard/parameters/unload"

static void expect_says(struct bed *b, const char *questions)
{
	bed_run(b, NULL, "guard_inside agrees 60 %s", questions);
}

static void daemon_logged(struct bed *b, const char *text)
{
	bed_run(b, NULL, "grep \"%s\" " DAEMON_LOG " || { cat " DAEMON_LOG "; exit 1; }", text);
}

static void begin(struct bed *b)
{
	guard_load(b, "");
	guard_unload(b);
	bed_run(b, NULL, ">" DAEMON_LOG);
	daemon_start(b);
}

static void authorised_once(struct bed *b, const char *line)
{
	dialogue_begin(b);
	authorised(b, SERIAL, line);
	leave(b, SERIAL);
	guard_sleeps(b);
}

/* What was done under the module that went stays done, where it can. */
void check_come_reload(struct bed *b)
{
	int status;

	begin(b);
	expect_says(b, "/v1/guard '\"is_loaded\":false'");
	need(daemon_vm(b, "one") == 1, "another number than 1");
	guard_load(b, "");
	guard_expect(b, "vms", 1, WAIT_MS);
	authorised_once(b, "ban 1001");
	authorised_once(b, "freeze 1");
	expect_says(b, "/v1/users '\"is_banned\":true' " ONE "'\"state\":\"paused\"'");
	bed_run(b, &status, "rmmod pinfold_guard");
	need(status != 0, "the module went under the daemon");

	guard_unload(b);
	daemon_logged(b, "the module is gone");
	expect_says(b, "/v1/guard '\"is_loaded\":false' " ONE "'\"is_guard_frozen\":false' " ONE
		       "'\"state\":\"running\"'");
	/* Checks before this one have left files, too. */
	bed_run(b, NULL,
		"f=$(ls -t /var/lib/pinfold/guard/log.* | head -n 1); "
		"guard_inside log-verify $f && guard_inside log-print $f | tail -n 3 | "
		"grep 'may go with 1 VMs'");

	guard_load(b, "");
	guard_expect(b, "vms", 1, WAIT_MS);
	need(guard_state(b, "bans") == 0, "a module that was loaded anew knows bans");
	expect_says(b, "/v1/users '\"is_banned\":true'");
	daemon_logged(b, "before it was loaded anew");
	bed_run(b, NULL, "pinfold user unban 1001");
	authorised_once(b, "kill 1");
	expect_says(b, ONE "'\"state\":\"killed\"'");
	daemon_end(b);
}

/* Without VMs; and asked to go, but not made to. */
void check_come_idle(struct bed *b)
{
	int status;

	begin(b);
	guard_load(b, "");
	expect_says(b, "/v1/guard '\"is_attached\":true'");
	bed_run(b, &status, "rmmod pinfold_guard_usb; rmmod pinfold_guard");
	need(status != 0, "the module went under the daemon");
	bed_run(b, NULL, "echo 1 >" PARAM);
	expect_says(b, "/v1/guard '\"is_attached\":false' /v1/guard 'itmaybeunloaded'");
	daemon_vm(b, "one");
	need(guard_state(b, "vms") == 0, "it is told of VMs");
	bed_run(b, NULL, "echo 0 >" PARAM);
	expect_says(b, "/v1/guard '\"is_attached\":true'");
	guard_expect(b, "vms", 1, WAIT_MS);
	bed_run(b, NULL, "pinfold kill 1000/one && pinfold rm 1000/one");
	guard_unload(b);
	guard_load(b, "");
	expect_says(b, "/v1/guard '\"is_attached\":true'");
	daemon_end(b);
}

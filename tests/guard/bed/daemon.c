// SPDX-License-Identifier: GPL-2.0-or-later
/* See daemon.h. */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000

/* patience: docs/test-bed.md, "Time in the bed". */
const char daemon_command[] =
	"mkdir -p /run/pinfold /var/lib/pinfold; "
	"(echo socket_group = everybody; echo exclusive_cap = 1; echo patience = 1000) >/tmp/conf; "
	"pinfoldd --state-dir /var/lib/pinfold --run-dir /run/pinfold --config /tmp/conf "
	"--vm-program /bin/pinfold-vm >>" DAEMON_LOG " 2>&1 & ";

void expect_command(struct bed *b, const char *yes)
{
	int ms;

	ms = atoi(bed_run(b, NULL,
			  "t() { sed 's/[.]\\(.\\).*/\\1/' /proc/uptime; }; a=$(t); "
			  "until { %s; } >/dev/null 2>&1; do "
			  "[ $(($(t) - a)) -lt %d ] || { echo -1; exit 0; }; usleep 20000; done; "
			  "echo $((($(t) - a) * 100))",
			  yes, WAIT_MS / 100));
	if (ms < 0) {
		note("%s", bed_run(b, NULL, "{ %s; tail -n 12 " DAEMON_LOG "; } 2>&1; true", yes));
	}
	need(ms >= 0, "it never came true: %s", yes);
	note("%d ms: %.60s", ms, yes);
}

void daemon_start(struct bed *b)
{
	bed_run(b, NULL, "%s true", daemon_command);
	expect_command(b, "pinfold status");
}

void daemon_stop(struct bed *b, const char *how)
{
	bed_run(b, NULL, "killall %s pinfoldd; while pidof pinfoldd; do usleep 20000; done", how);
}

void daemon_end(struct bed *b)
{
	bed_run(b, NULL,
		"pinfold user unban 1000 >/dev/null 2>&1; "
		"for i in $(pinfold ps -aeq); do pinfold kill $i; pinfold rm $i; done "
		">/dev/null 2>&1; true");
	daemon_stop(b, "-TERM");
}

unsigned int daemon_vm(struct bed *b, const char *name)
{
	const char *slot;

	bed_run(b, NULL,
		"pinfold create --owner 1000 --engine unicorn --mem 4M %s /bed/endless.elf && "
		"pinfold start 1000/%s",
		name, name);
	slot = strstr(bed_run(b, NULL, "pinfold inspect --json 1000/%s | tr -d ' \\n'", name),
		      "\"slot\":");
	need(slot, "a VM without a slot");
	return (unsigned int)atoi(slot + strlen("\"slot\":")) + 1;
}

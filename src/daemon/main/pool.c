/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the pool is ours alone: claimed at the start, looked at while we run (docs/partition.md). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/main/daemon.h"
#include "host/task.h"
#include "launch/pool_claim.h"
#include "proto/grant.h"

static void describe(const struct pool_rival *rival, char *buf, size_t size)
{
	char pid[24] = "of another pid namespace";

	if (rival->pid > 0) {
		snprintf(pid, sizeof(pid), "pid %d", rival->pid);
	}
	snprintf(buf, size, "another pinfoldd (%s%s%.160s) schedules guests on pool core %u", pid,
		 rival->who[0] ? ", run folder " : "", rival->who, rival->core);
}

int daemon_claim_pool(struct daemon *d, const struct sched_roles *roles, struct errmsg *e)
{
	struct pool_rival rival;
	struct errmsg why = { "" };
	char text[ERRMSG_SIZE];
	int n;

	n = pool_claim_take(NULL, roles->pool, roles->n_pool, d->config.run_dir, &d->claim, &rival,
			    &why);
	if (n < 0) {
		snprintf(d->claim_warning, sizeof(d->claim_warning),
			 "whether another pinfoldd schedules the same cores can't be told: %.300s",
			 why.text);
		return 0;
	}
	if (n == 0) {
		return 0;
	}
	describe(&rival, text, sizeof(text));
	if (!d->args.allows_shared_pool && !d->config.allows_shared_pool) {
		return errmsg_set(e, -EBUSY,
				  "%.300s: give this one other cores (--cores), or let guests of "
				  "both starve each other (--allow-shared-pool)",
				  text);
	}
	snprintf(d->claim_warning, sizeof(d->claim_warning),
		 "%.300s: guests of both starve each other", text);
	return 0;
}

void daemon_note_rivals(struct daemon *d, const struct partition_foreign *found, uint32_t n)
{
	for (uint32_t i = 0; i < n && !d->rival_pid; i++) {
		char text[ERRMSG_SIZE];

		/* A VM in the foreground has such a thread, too, but no real-time priority. */
		if (strcmp(found[i].name, GRANT_THREAD_NAME) != 0 ||
		    !host_task_is_fifo(found[i].tid)) {
			continue;
		}
		d->rival_pid = found[i].pid;
		snprintf(text, sizeof(text),
			 "pool core %u also runs a VM that another pinfoldd schedules (pid %d): "
			 "guests of both starve each other",
			 found[i].host_core, found[i].pid);
		log_warn("%s", text);
		api_warn(d->api, text);
	}
}

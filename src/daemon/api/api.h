/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be asked of the daemon: the table of operations with their handlers, who may ask, and the record
 * of what was changed or refused. Handlers run on the threads of connections (http.h) and may wait.
 *
 * Rights: ordinary users see and change what is theirs; what is somebody else's looks as if it were
 * not there. Administrators see and change all. A banned user is told so, and gets the status only.
 * The description for others is docs/openapi.json, which a test compares with the table.
 */
#ifndef PINFOLD_DAEMON_API_H
#define PINFOLD_DAEMON_API_H

#include <stddef.h>

#include "daemon/audit/audit.h"
#include "daemon/http/http.h"
#include "daemon/vms/vms.h"

/** What the handlers stand on; all borrowed, all outlive it. */
struct api_options {
	struct dispatch *dispatch;
	struct partition *partition;
	struct store *store;
	struct audit *audit;
	struct events *events;
	struct users *users;
	struct images *images;
	struct guard *guard; /**< NULL: none */
	struct vms *vms;
	const char *state_dir;
	bool is_rootless;
	uint32_t exclusive_cap; /**< at the start: cores, or SCHED_CAP_HALF */
	ns_t slice_ns;		/**< of a VM that names none */
	/** Changes of an ordinary user per second (0: no bound), and how many at once. */
	uint32_t rate_changes, rate_burst;
	/** POST /v1/shutdown: must return at once. */
	void (*shutdown)(void *arg, bool kill_vms);
	void *shutdown_arg;
};

struct api;

/** @return NULL: out of memory */
struct api *api_new(const struct api_options *o);

/** Accepts NULL. After http_stop(). */
void api_free(struct api *a);

/** The operations. */
const struct http_op *api_ops(size_t *ret_n);

/** Who may ask, and the record; the context of all handlers is @p a. */
struct http_hooks api_hooks(struct api *a);

/** For GET /metrics: whose requests are counted. Before the first request is answered. */
void api_http_set(struct api *a, struct http *h);

/** Handlers that wait for something give up: http_stop() follows. */
void api_stop(struct api *a);

/** What partition_scan() found; shown with the cores. @param per_core one per pool core */
void api_foreign_set(struct api *a, const struct partition_foreign *found, uint32_t n,
		     const ns_t *per_core);

/** Something the administrator should know; shown by GET /v1/status. The same text counts once. */
void api_warn(struct api *a, const char *text);

/** Take back a warning. */
void api_unwarn(struct api *a, const char *text);

/** Another rate of changes from now on; as in the options. */
void api_rate_change(struct api *a, uint32_t rate_changes, uint32_t rate_burst);

/** Every few seconds: records how many refusals were counted. */
void api_tick(struct api *a);

/** docs/openapi.json as it was built in. */
const char *api_openapi(size_t *ret_bytes);

#endif

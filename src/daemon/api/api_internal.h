/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside api/: the context of the handlers, JSON helpers, the handlers. */
#ifndef PINFOLD_DAEMON_API_INTERNAL_H
#define PINFOLD_DAEMON_API_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/api/api.h"
#include "daemon/api/rate.h"
#include "daemon/api/refusals.h"
#include "daemon/guard/guard.h"

#define API_WARNINGS_MAX  16u
#define API_WARNING_BYTES 320u
#define API_SNAPSHOTS_MAX 3u /* being made or read at a time: each is a VM's memory */
/* Of a request in the audit log: its oldest records go when it is full, and nobody shall fill it fast. */
#define API_ARGUMENTS_MAX 4096u
#define API_WAIT_STEP_MS  500u
#define API_WAIT_MAX_MS	  60000u

struct api {
	struct api_options o;
	struct http *http;
	struct api_rate *rate;
	struct api_refusals *refusals;
	uint64_t started_at_ns; /**< real time */
	ns_t started_ns;	/**< monotonic */
	atomic_bool is_stopping;
	atomic_bool audit_failed; /**< the last record could not be written */
	pthread_mutex_t lock;	  /**< what follows; leaf */
	uint32_t exclusive_cap;
	struct {
		bool is_taken;
		uid_t uid;
	} snapshots[API_SNAPSHOTS_MAX]; /**< on their way */
	char warnings[API_WARNINGS_MAX][API_WARNING_BYTES];
	uint32_t n_warnings;
	struct partition_foreign foreign[PARTITION_FOREIGN_MAX];
	uint32_t n_foreign;
	ns_t foreign_ns[SCHED_HOST_CORES_MAX];	    /**< in the last look, per pool core */
	uint64_t foreign_sum[SCHED_HOST_CORES_MAX]; /**< since the start */
};

/* json.c */

/** A time as people write it (RFC 3339, UTC); null for 0. */
json_t *api_json_time(uint64_t real_ns);
/** A number; null for STORE_NONE and above. */
json_t *api_json_limit(uint64_t v);
/** A number of 64 bits: as a number where JSON has it, else as "0x..." */
json_t *api_json_u64(uint64_t v);
/** "0x..." */
json_t *api_json_hex(uint64_t v);
/** A text that may come from a guest or a file: what is not UTF-8 becomes '?'. */
json_t *api_json_text(const char *text, size_t n);
/** The same for a NUL-terminated text; null when it is empty. */
json_t *api_json_str(const char *text);
/** Answer with a value; -ENOMEM when it is NULL. */
int api_reply(struct http_reply *rp, json_t *body, struct errmsg *e);
/** Nothing but these members. @param names ends with NULL. @return 0; -EINVAL naming the field */
int api_json_only(const json_t *o, const char *const *names, struct errmsg *e);
/** A number in the query. @return 0; -EINVAL; @p fallback when it is not there */
int api_query_u64(const struct http_request *rq, const char *name, uint64_t max, uint64_t fallback,
		  uint64_t *ret, struct errmsg *e);
/** "1" or "true" in the query. */
bool api_query_flag(const struct http_request *rq, const char *name);

/* json_vm.c */

/** Names of owners, asked for once per list. */
struct api_names {
	uint32_t n;
	struct {
		uid_t uid;
		char name[65];
	} cache[8];
};

/** A VM in a list. */
json_t *api_vm_json(struct api *a, struct api_names *names, const struct vms_info *i);
/** A VM with everything that is known. */
json_t *api_vm_json_full(struct api *a, const struct vms_info *i);
/** What it stopped for, as a fault; null when it did not fault. */
json_t *api_fault_json(const struct vms_info *i);
/** The host core on which it runs or waits to run again, or -1. */
int api_vm_core(struct api *a, const struct vms_info *i);
/** Whether it has ended. */
bool api_vm_is_over(const struct vms_info *i);

/* api.c */

bool api_is_admin(struct api *a, const struct http_request *rq);
/** The VM of the path that the caller may use. @return 0; -ENOENT */
int api_vm_find(struct api *a, const struct http_request *rq, char ret_id[VMS_ID_BYTES],
		struct errmsg *e);
/** Number of a pool core for the number of a host core. @return 0; -ENOENT; -EINVAL */
int api_core_parse(struct api *a, const char *text, uint16_t *ret, struct errmsg *e);
/** Cores that may be exclusive now, as configured. */
uint32_t api_exclusive_cap(struct api *a);
ns_t api_now_ns(void);
uint64_t api_real_ns(void);

/* ceiling.c */

/** A VM of @p owner that was asked for: what the request names must be allowed, the rest is lowered. */
int api_ceiling_apply(struct api *a, uid_t owner, const json_t *named, struct vm_spec *spec,
		      struct errmsg *e);
/** Whether a VM of @p owner may have that network, also at a start: it may have been an administrator's. @return 0; -EPERM */
int api_net_check(struct api *a, uid_t owner, const struct vm_spec *spec, struct errmsg *e);
/** What may have become too much since: lower it. @return 0; -EBUSY and the like */
int api_ceiling_lower_vm(struct api *a, const char *id, struct errmsg *e);
/** The same for all VMs of a user. */
void api_ceiling_lower(struct api *a, uid_t owner);

/* ops_vm.c */

/**
 * Create a VM, start it if that is wanted, and answer 201 with its id and name.
 * @return as vms_check(), vms_create() and vms_start(); then there is no such VM
 */
int api_vm_create(struct api *a, uid_t owner, const struct vm_spec *spec, bool is_started,
		  struct http_reply *rp, struct errmsg *e);

/* snapshot_file.c */

/** A whole snapshot file: more could not be uploaded again. */
#define SNAPSHOT_MAX_BYTES (IMAGES_MAX_BYTES + (1u << 20))
/** Head of a snapshot file; docs/snapshot.md. */
#define SNAPSHOT_HEAD_BYTES 64u
#define SNAPSHOT_SUM_BYTES  32u
#define SNAPSHOT_SPEC_MAX   65536u

struct snapshot_head {
	uint64_t context_bytes, created_ns;
	uint32_t spec_bytes;
	bool has_disks; /**< they follow the context, as the description says */
	uint8_t context_hash[32];
};

/**
 * Make what stands before the context.
 * @param ret heap; the caller frees it
 * @return 0; -E2BIG; -ENOMEM
 */
int snapshot_head_make(const char *spec, const struct snapshot_head *h, uint8_t **ret,
		       size_t *ret_bytes);

/**
 * Check a snapshot file and take its head apart; the context is not read, and with has_disks the length of what follows it
 * is the caller's to check.
 * @param ret_spec heap, NUL-terminated; the caller frees it
 * @param ret_at   where the context begins
 * @return 0; -EINVAL, -EBADMSG with what is wrong
 */
int snapshot_head_read(int fd, uint64_t file_bytes, struct snapshot_head *ret, char **ret_spec,
		       uint64_t *ret_at, struct errmsg *e);

/* The handlers; one per operation of ops_table.c. */
http_handler_fn op_status, op_openapi, op_shutdown, op_events, op_metrics;
http_handler_fn op_core_list, op_core_reclaim, op_core_cap, op_sched_log;
http_handler_fn op_image_head, op_image_get, op_image_put;
http_handler_fn op_vm_list, op_vm_create, op_vm_get, op_vm_remove, op_vm_start, op_vm_pause,
	op_vm_shutdown, op_vm_resume, op_vm_stop, op_vm_kill, op_vm_wait, op_vm_update, op_vm_pin,
	op_vm_unpin, op_vm_console_read, op_vm_console_write;
http_handler_fn op_vm_snapshot, op_vm_restore;
http_handler_fn op_fault_list, op_fault_clear, op_fault_clear_all;
http_handler_fn op_user_list, op_user_add, op_user_quota, op_user_remove, op_user_ban,
	op_user_unban;
http_handler_fn op_guard;
http_handler_fn op_history, op_audit_list, op_audit_verify, op_audit_compare, op_audit_anchor;

#endif

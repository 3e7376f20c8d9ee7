/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon must still know after a crash: users, bans, VM definitions, allocations, history.
 *
 * One SQLite database, written by one thread. A change is handed over with store_submit(), grouped
 * with its neighbours into one transaction, and acknowledged after that transaction is durable.
 * Every row that grants a right carries a MAC, and one seal covers all of them together, so that a
 * row that was edited, added, removed or brought back by hand is found; such a database is set
 * aside whole, and the daemon starts with a fresh one. Design, schema, threat model: docs/store.md.
 *
 *   store_open() ─▶ store_each() for every kind ─▶ store_submit() ... ─▶ store_close()
 */
#ifndef PINFOLD_DAEMON_STORE_H
#define PINFOLD_DAEMON_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "daemon/store/store_queue.h"

/** Largest number in any field; also "no limit" and "none". */
#define STORE_NONE ((uint64_t)INT64_MAX)

/** Longest texts, in bytes without the NUL. */
#define STORE_NAME_MAX	  64u
#define STORE_ID_MAX	  64u
#define STORE_HASH_MAX	  128u
#define STORE_PATH_MAX	  4095u
#define STORE_OPTIONS_MAX 65536u
#define STORE_REASON_MAX  512u
#define STORE_STOP_MAX	  4096u
#define STORE_REGS_MAX	  65536u
/** Most changes in one request. */
#define STORE_CHANGES_MAX 256u

/** What a row is about. */
enum store_kind {
	STORE_USER,
	STORE_BAN,
	STORE_VM,
	STORE_ALLOC,
	STORE_RUN,
	STORE_FAULT,
	STORE_SETTING,
	STORE_CEILING,
	STORE_KINDS,
};

enum store_role { STORE_ROLE_USER, STORE_ROLE_ADMIN };

/** A user and what he may take. Key: uid. */
struct store_user {
	uint64_t uid;
	const char *name;
	uint64_t role; /**< enum store_role */
	uint64_t max_running_vms, max_vcpus, max_memory_bytes, max_exclusive_cores;
	uint64_t max_slice_share_permille; /**< of all shared cores together */
	uint64_t max_definitions, max_images_bytes;
};

/** What a user may ask for each of his VMs. Key: uid. A user without one has the default. */
struct store_ceiling {
	uint64_t uid;
	uint64_t max_prio, max_slice_ns;
};

/** A user who may do nothing. Key: uid. */
struct store_ban {
	uint64_t uid, by_uid;
	uint64_t since_ns; /**< real time */
	const char *reason;
};

/** A VM as it was created. Key: id. */
struct store_vm {
	const char *id, *name;
	uint64_t owner_uid;
	const char *image_hash, *image_path;
	const char *options_json; /**< run options as they came through the API */
	uint64_t prio, slice_ns;
	uint64_t is_exclusive;
	uint64_t core_idx; /**< wanted core, or STORE_NONE */
	uint64_t created_ns;
};

/** A core given to a vCPU. Key: vm_id and vcpu_idx. */
struct store_alloc {
	const char *vm_id;
	uint64_t vcpu_idx, core_idx, epoch;
	uint64_t is_exclusive;
};

/** One run of a VM. Key: run, from store_run_next(). Grants nothing, so it carries no MAC. */
struct store_run {
	uint64_t run;
	const char *vm_id, *vm_name;
	uint64_t owner_uid;
	uint64_t start_ns, end_ns; /**< real time; end 0 while it runs */
	const char *result;	   /**< empty while it runs */
	const char *arch, *engine;
	uint64_t stop_reason, stop_code; /**< enum proto_stop, 0: none was told; exit status */
	uint64_t cpu_ns, wait_ns, slices, memory_peak_bytes;
};

/** How the last run of a VM faulted. Key: vm_id. */
struct store_fault {
	const char *vm_id;
	uint64_t run;		    /**< which run that was */
	uint64_t reason;	    /**< enum sched_reason */
	uint64_t cleared_as;	    /**< enum vms_state afterwards; 0: still in the fault queue */
	const char *stop_json;	    /**< what the VM reported; empty: nothing */
	const char *registers_json; /**< empty: not known */
};

#define STORE_SETTING_CAP "exclusive_cap" /**< cores, or SCHED_CAP_HALF */

/** What an administrator has set while the daemon ran. Key: name. */
struct store_setting {
	const char *name;
	uint64_t value;
};

/** A row of any kind. */
struct store_row {
	enum store_kind kind;
	union {
		struct store_user user;
		struct store_ban ban;
		struct store_vm vm;
		struct store_alloc alloc;
		struct store_run run;
		struct store_fault fault;
		struct store_setting setting;
		struct store_ceiling ceiling;
	};
};

/**
 * CREATE: -EEXIST when the key is taken. PUT: create or replace. DELETE: only the key counts, -ENOENT
 * when it is not there. FORGET: the same, and it need not be there.
 */
enum store_op { STORE_CREATE, STORE_PUT, STORE_DELETE, STORE_FORGET };

struct store_change {
	enum store_op op;
	struct store_row row;
};

/** How a store is opened; fill with store_options_defaults() first. */
struct store_options {
	const char *state_dir;	/**< existing folder of ours; the daemon's alone */
	size_t max_queue_items; /**< requests not yet acknowledged */
	size_t max_queue_bytes; /**< the same, in bytes */
	size_t max_group;	/**< requests per transaction */
	uint64_t max_runs; /**< rows of history that are kept of each owner, and a sixteenth more */
	uint64_t min_generation; /**< an older database was rolled back; 0: unknown */
};

/** What store_open() found. */
struct store_report {
	bool is_fresh;			/**< starts empty */
	bool has_aside;			/**< a database was not believed */
	char notice[ERRMSG_SIZE + 192]; /**< one sentence for the log; empty when all was well */
};

/** Counters since the start. */
struct store_stats {
	uint64_t commits, failed_commits; /**< transactions */
	uint64_t requests, failed_requests;
	uint64_t generation; /**< of the last durable transaction */
	size_t depth;	     /**< requests not yet acknowledged */
	int last_error;	     /**< of the last failed transaction; 0: none */
};

struct store;

/** Called for every row; the texts live until it returns. Not 0 ends the walk and is returned. */
typedef int store_visit_fn(void *arg, const struct store_row *row);

/** Fill @p o with the values that suit most. */
void store_options_defaults(struct store_options *o);

/**
 * Open the state, check all of it, start the writer. A database that is damaged, doctored or
 * readable by others is set aside and the report says so; only trouble with the machine is an error,
 * and then nothing was changed.
 * @param ret_report may be NULL
 * @return 0; -EPERM state folder open to others; -EBUSY held by another daemon; -ENOTSUP written by a
 *         newer version (proved by its MAC); -EIO, -ENOSPC, -EMFILE, -ENOMEM and the like
 * Thread: the writer inherits affinity and scheduling from the caller.
 */
int store_open(const struct store_options *o, struct store **ret, struct store_report *ret_report,
	       struct errmsg *e);

/** Make durable and acknowledge what was submitted, then close. NULL is allowed. */
void store_close(struct store *s);

/**
 * Hand over changes that belong together: all become durable in one transaction, or none. The texts
 * are copied.
 * @param n    1 to STORE_CHANGES_MAX
 * @param done told 0 when durable; -EEXIST, -ENOENT (nothing changed); -EIO, -ENOSPC ... (not
 *             durable); may be NULL
 * @return 0, then @p done will be called once; -EAGAIN queue full, try again after an
 *         acknowledgement; -EINVAL, -E2BIG, -ERANGE bad value; -ENOMEM
 * Thread: any. Never waits for the disk.
 */
int store_submit(struct store *s, const struct store_change *changes, size_t n, store_done_fn *done,
		 void *arg, struct errmsg *e);

/** Like store_submit(), and wait for the acknowledgement. @return its result, or as above */
int store_apply(struct store *s, const struct store_change *changes, size_t n, struct errmsg *e);

/**
 * Visit every row of a kind in the order of its keys, after all changes submitted before.
 * @return 0; what @p visit returned; -EBADMSG for a row that is not to be believed; negative errno
 * Thread: any but the writer; @p visit runs on the writer thread, which writes nothing meanwhile.
 */
int store_each(struct store *s, enum store_kind kind, store_visit_fn *visit, void *arg,
	       struct errmsg *e);

/**
 * Visit the row with a key.
 * @param key the other columns don't count
 * @return what @p visit returned; -ENOENT there is none
 */
int store_find(struct store *s, const struct store_row *key, store_visit_fn *visit, void *arg,
	       struct errmsg *e);

/**
 * Visit the last runs, newest first.
 * @param owner_uid of this owner only; STORE_NONE for all
 * @param vm_id     of this VM only; NULL for all
 */
int store_runs(struct store *s, uint64_t owner_uid, const char *vm_id, uint64_t max,
	       store_visit_fn *visit, void *arg, struct errmsg *e);

/** A number for a new run; never given twice. Any thread. */
uint64_t store_run_next(struct store *s);

/**
 * The number of the last durable transaction. Kept in a second place (the audit log), it lets the
 * next start find that the whole database was replaced by an older copy. Any thread.
 */
uint64_t store_generation(struct store *s);

/** Read the counters. Any thread. */
void store_stats_get(struct store *s, struct store_stats *ret);

#endif

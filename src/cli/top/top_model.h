/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `pinfold top` knows: VMs, cores, users and the daemon, made from the answers of the API, and
 * what follows from two answers in a row: rates, and a lane per core of who held it when.
 *
 * Answers are checked field by field: what is missing or of the wrong type counts as 0 or "", texts
 * are cut, lists are bounded. Counters that go back (a VM started anew, another daemon) give no rate
 * rather than a wrong one.
 *
 * No clock: every answer comes with its time. Not for several threads.
 */
#ifndef PINFOLD_CLI_TOP_MODEL_H
#define PINFOLD_CLI_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"

#define TOP_ID	      33   /* bytes of an id */
#define TOP_TEXT      64   /* bytes of a name */
#define TOP_WORD      16   /* bytes of a state, an architecture, an engine */
#define TOP_LANE      1024 /* samples kept per core */
#define TOP_ZOOM      256  /* columns of the lane made from decisions */
#define TOP_VMS_MAX   65536u
#define TOP_CORES_MAX 4096u
#define TOP_USERS_MAX 65536u
#define TOP_NO_CORE   UINT32_MAX
#define TOP_NO_SLOT   UINT32_MAX
#define TOP_NO_LIMIT  UINT64_MAX

/** A VM. */
struct top_vm {
	char id[TOP_ID], name[TOP_TEXT], owner[TOP_TEXT];
	char arch[TOP_WORD], engine[TOP_WORD], state[TOP_WORD];
	uint64_t owner_uid;
	uint32_t core; /**< host core, or TOP_NO_CORE */
	bool is_exclusive;
	uint32_t prio;
	uint32_t slot; /**< its number in the log of decisions, or TOP_NO_SLOT */
	uint64_t cpu_ns, wait_ns, slices, runs;
	ns_t waiting_ns; /**< how long it has been waiting for a core by now */
	uint64_t memory_bytes;
	ns_t base_ns; /**< when the counters were those of the base, from which rates are made */
	uint64_t base_cpu_ns, base_wait_ns, base_slices;
	bool has_rate; /**< the rest is known */
	uint32_t cpu_permille, wait_permille;
	uint32_t slices_per_10s;
};

/** What somebody did with a core at one moment. */
enum top_use { TOP_USE_UNKNOWN, TOP_USE_IDLE, TOP_USE_SHARED, TOP_USE_EXCLUSIVE };

/** One column of a lane. */
struct top_moment {
	uint32_t key; /**< of the VM: top_key() of its id */
	uint8_t use;  /**< enum top_use */
};

/** A host core. */
struct top_core {
	uint32_t host_core;
	char role[TOP_WORD]; /**< "control", "house", "pool"; several: "C+H+P" */
	bool is_pool, is_online, is_exclusive, is_idle;
	char holder[TOP_TEXT]; /**< "": nobody */
	uint64_t switches, foreign_ns;
	bool has_foreign_rate;
	uint32_t foreign_permille;
	ns_t foreign_since_ns; /**< when foreign_base_ns was read */
	uint64_t foreign_base_ns;
	struct top_moment lane[TOP_LANE]; /**< a ring */
	uint32_t lane_next, lane_n;
	struct top_moment zoom[TOP_ZOOM]; /**< oldest first */
};

/** One limit of a user. */
struct top_quota {
	uint64_t used, limit; /**< limit: TOP_NO_LIMIT */
};

/** What a user's quota speaks of. */
enum top_quota_kind {
	TOP_QUOTA_VMS,
	TOP_QUOTA_VCPUS,
	TOP_QUOTA_MEMORY,
	TOP_QUOTA_EXCLUSIVE,
	TOP_QUOTA_N
};

/** A user. */
struct top_user {
	uint64_t uid;
	struct top_quota quota[TOP_QUOTA_N];
};

/** The daemon. */
struct top_status {
	bool is_known;
	char version[TOP_WORD], backend[TOP_TEXT], warning[160];
	uint64_t pid, uptime_ns;
	uint64_t defined, running, paused, faulted;
	uint64_t exclusive_cap, exclusive_used;
	bool is_rootless;
};

/** The number that a VM is shown by. */
struct top_mark {
	uint32_t key; /**< 0: free */
	uint32_t mark;
};

/** All of it. */
struct top_model {
	ns_t sample_ns;	    /**< time between two samples of the cores */
	ns_t zoom_ns;	    /**< time per column of the lane made from decisions */
	struct top_vm *vms; /**< sorted by id */
	uint32_t n_vms;
	struct top_core *cores; /**< sorted by number */
	uint32_t n_cores;
	struct top_user *users; /**< sorted by uid */
	uint32_t n_users;
	struct top_status status;
	ns_t vms_at_ns, cores_at_ns;  /**< 0: never */
	struct top_mark *marks;	      /**< a hash table; at most half full */
	uint32_t n_marks, marks_size; /**< size: a power of two, or 0 */
};

/** An empty one. @param sample_ns time between two samples of the cores, not 0 */
void top_model_init(struct top_model *m, ns_t sample_ns);

/** Free what it holds; it is empty then. */
void top_model_done(struct top_model *m);

/**
 * Take an answer of GET /v1/vms.
 * @param now_ns when it came
 * @return 0; -EPROTO not such an answer; -ENOMEM; the model is untouched then
 */
int top_model_take_vms(struct top_model *m, const json_t *answer, ns_t now_ns, struct errmsg *e);

/** Take an answer of GET /v1/cores: a sample for each lane. @return as top_model_take_vms() */
int top_model_take_cores(struct top_model *m, const json_t *answer, ns_t now_ns, struct errmsg *e);

/** Take an answer of GET /v1/users. @return as top_model_take_vms() */
int top_model_take_users(struct top_model *m, const json_t *answer, struct errmsg *e);

/** Take an answer of GET /v1/status. @return 0; -EPROTO */
int top_model_take_status(struct top_model *m, const json_t *answer, struct errmsg *e);

/** Take an answer of GET /v1/sched/log: lanes by decision. @return 0; -EPROTO */
int top_model_take_log(struct top_model *m, const json_t *answer, struct errmsg *e);

/** A VM by id, or NULL. */
const struct top_vm *top_model_vm(const struct top_model *m, const char *id);

/** A user, or NULL. */
const struct top_user *top_model_user(const struct top_model *m, uint64_t uid);

/** What stands for an id in a lane; never 0. */
uint32_t top_key(const char *id);

/**
 * The number by which a VM is shown in lanes: the first one seen is 0. It stays with the VM.
 * @return the number; 0 when memory is short
 */
uint32_t top_model_mark(struct top_model *m, uint32_t key);

/** A sample. @param age 0: the newest @return of use TOP_USE_UNKNOWN where there is none */
struct top_moment top_core_moment(const struct top_core *c, uint32_t age);

/**
 * How much of the last samples saw the core idle.
 * @param n samples to look at
 * @return false when there are none
 */
bool top_core_idle_permille(const struct top_core *c, uint32_t n, uint32_t *ret);

/**
 * The quota of a user that is closest to its limit.
 * @return its kind; TOP_QUOTA_N when there is no limit
 */
enum top_quota_kind top_user_tightest(const struct top_user *u);

#endif

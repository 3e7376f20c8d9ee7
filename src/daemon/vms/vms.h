/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of VMs and their life cycle: definitions (durable), processes (launch/), their place with
 * the dispatcher, consoles, the fault queue, and finding them again after a restart.
 *
 *   created ─start─▶ starting ─▶ running ⇄ paused          (blocked: running, but waits)
 *                                  │ exits / stop / limit ─▶ stopped ─start─▶ ...
 *                                  │ its own fault         ─▶ faulted   (process kept, parked, in the fault queue)
 *                                  └ kill, VM process dies ─▶ killed
 *
 * One mutex guards the table and is never held while waiting for a VM, a disk or the dispatcher's
 * answer to more than one event. Each VM has a mutex of its own for talking to its process; a VM
 * that does not answer delays only those who ask for it, and never a kill.
 * Rights are not checked here (api/ does), but quotas are.
 */
#ifndef PINFOLD_DAEMON_VMS_H
#define PINFOLD_DAEMON_VMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"
#include "daemon/dispatch/dispatch.h"
#include "daemon/http/events.h"
#include "daemon/images/images.h"
#include "daemon/partition/partition.h"
#include "daemon/store/store.h"
#include "daemon/users/users.h"
#include "daemon/vms/spec.h"

struct guard;

#define VMS_CODE_BYTES \
	(512ULL << 20) /* of kept translations, unless the configuration says otherwise */

#define VMS_ID_BYTES 17 /* 16 hexadecimal digits: random, never used twice */

enum vms_state {
	VMS_CREATED,
	VMS_STARTING,
	VMS_RUNNING,
	VMS_BLOCKED, /**< only shown: running, waits for input */
	VMS_PAUSED,
	VMS_STOPPING,
	VMS_STOPPED,
	VMS_FAULTED,
	VMS_KILLED,
	VMS_STATES,
};

/** What the table stands on; all borrowed, all outlive it. */
struct vms_options {
	const char *run_dir;   /**< sockets and records of running VMs: run_dir/vms/ID/ */
	const char *state_dir; /**< contexts of faulted VMs, console logs */
	const char
		*vm_program; /**< pinfold-vm; NULL: beside this program, then (not as root) $PATH */
	struct dispatch *dispatch;
	struct partition *partition;
	struct store *store;
	struct events *events;
	struct users *users;
	struct images *images;
	struct guard *guard; /**< NULL: none */
	uint32_t max_vms;    /**< = slots of the dispatcher */
	uint32_t max_definitions;
	uint32_t max_faults_per_user; /**< faulted VMs whose process is kept */
	uint64_t console_bytes;	      /**< kept per VM */
	uint32_t reply_ms;	      /**< longest wait for a VM process */
	uint32_t grace_ms;   /**< after a restart: how long one VM process may hold up all others */
	uint64_t code_bytes; /**< of kept translations; 0: none are */
};

/** One VM, as shown. Texts are copies. */
struct vms_info {
	char id[VMS_ID_BYTES];
	struct vm_spec spec;
	uid_t owner;
	enum vms_state state;
	pid_t pid;     /**< 0: no process */
	uint32_t slot; /**< SCHED_NONE: no process */
	char arch[16], engine[16];
	char reason[PROTO_TEXT];	  /**< why this engine; or why it failed to start */
	struct dispatch_vm_info dispatch; /**< zero without a process */
	uint64_t created_ns, started_ns, ended_ns; /**< real time */
	struct proto_stopped stop;		   /**< with has_stop */
	bool has_stop;
	char message[PROTO_TEXT];	  /**< how it ended, in one sentence; or "" */
	enum sched_reason fault;	  /**< why the scheduler put it into the fault queue */
	uint64_t memory_bytes;		  /**< resident, of the VM process; sampled */
	uint64_t memory_peak_bytes;	  /**< most that was seen in this run */
	uint64_t cpu_ns, wait_ns, slices; /**< of this run; kept after its end */
	uint64_t code_loaded;		  /**< translations that were kept, in this run */
	uint32_t runs;			  /**< starts so far */
	uint32_t resets;		  /**< of the guest, in this run */
	uint64_t console_bytes;		  /**< printed so far */
	bool has_fault_context;
	bool is_guard_frozen; /**< paused at the guard's terminal */
};

struct vms;

/** Fill @p o with what suits most; the parts it stands on are the caller's to name. */
void vms_options_defaults(struct vms_options *o);

/**
 * Make ordinary threads of those of VMs that an earlier daemon left, but for those bound to a core of the pool. To be called before
 * the daemon takes its cores: one of these may be in its way there.
 */
void vms_calm(const char *run_dir, const struct sched_roles *roles);

/**
 * Make the table from the store, meet again what still runs, clean up what an earlier daemon left: then
 * dispatch_go(). Users must be loaded.
 */
int vms_open(const struct vms_options *o, struct vms **ret, struct errmsg *e);

/**
 * Close, before dispatch_stop(); nobody may call in any more.
 * @param kill_all false: VMs go on parked, for the next daemon. Their pidfds stay open, because the
 *                 dispatcher may still look at them
 */
void vms_close(struct vms *v, bool kill_all);

/**
 * Whether a definition without a context could start here, as far as that is known before.
 * @return 0; -EINVAL, -ENOEXEC or -ENOTSUP with the sentence that a start would be refused with; -ENOENT image
 */
int vms_check(struct vms *v, uid_t owner, const struct vm_spec *spec, struct errmsg *e);

/** Durable when it returns. @return 0; -EEXIST name taken; -EDQUOT; -ENOENT image; -ENOSPC */
int vms_create(struct vms *v, uid_t owner, const struct vm_spec *spec, char ret_id[VMS_ID_BYTES],
	       struct errmsg *e);

/**
 * @param who   the caller
 * @param is_admin may name VMs of others by id or as OWNER/NAME
 * @param name  id, name, or OWNER/NAME
 * @return 0; -ENOENT also for VMs that the caller may not see
 */
int vms_find(struct vms *v, uid_t who, bool is_admin, const char *name, char ret_id[VMS_ID_BYTES],
	     struct errmsg *e);

/** Launch and let run. Returns when the VM process is ready and admitted. -EDQUOT, -EALREADY ... */
int vms_start(struct vms *v, const char *id, struct errmsg *e);
/** Off its core at once, and still. @return 0; -EBUSY in another state than running */
int vms_pause(struct vms *v, const char *id, struct errmsg *e);
/** The reverse. @return 0; -EBUSY in another state than paused */
int vms_resume(struct vms *v, const char *id, struct errmsg *e);
/** Press its power button; the end comes later, or never. @return 0; -EBUSY it does not run, or its guest looks at none */
int vms_shutdown(struct vms *v, const char *id, struct errmsg *e);
/** Ends the guest between two instructions; returns when its process is dead. A faulted VM leaves the fault queue. */
int vms_stop(struct vms *v, const char *id, struct errmsg *e);
/** As vms_stop(), at once, whatever it does. @return 0; -EALREADY it does not run */
int vms_kill(struct vms *v, const char *id, struct errmsg *e);
/** Definition and process. @param is_forced also while it runs */
int vms_remove(struct vms *v, const char *id, bool is_forced, struct errmsg *e);

/** What can be changed while it runs; fields not named by mask are ignored. */
struct vms_update {
	uint8_t mask; /**< enum sched_update, | VMS_UPDATE_LIMITS */
	uint8_t prio;
	ns_t slice_ns;
	struct proto_limits limits; /**< mem_bytes ignored */
};
#define VMS_UPDATE_LIMITS 0x80
/** Change it, durable. @return 0; -EINVAL, -EDQUOT, -EBUSY with a sentence */
int vms_update(struct vms *v, const char *id, const struct vms_update *u, struct errmsg *e);

/** Give it a core of its own, durable. @param host_core or SPEC_CORE_ANY */
int vms_pin(struct vms *v, const char *id, uint16_t host_core, struct errmsg *e);
/** Back among the shared ones, durable. @return 0; -EALREADY */
int vms_unpin(struct vms *v, const char *id, struct errmsg *e);

/** All VMs of a user die (ban). @return number of them */
uint32_t vms_kill_user(struct vms *v, uid_t uid);

/** @return 0; -ENOENT */
int vms_get(struct vms *v, const char *id, struct vms_info *ret);

/** The state alone, without asking the scheduler: one that waits for input is running. @return 0; -ENOENT */
int vms_get_state(struct vms *v, const char *id, enum vms_state *ret);

/** Visit all; texts live until @p visit returns; the table is not locked meanwhile. */
int vms_each(struct vms *v, int (*visit)(void *arg, const struct vms_info *i), void *arg);

/** Wait until it has ended. @return 1 with *ret; 0 time is over; -ENOENT */
int vms_wait(struct vms *v, const char *id, uint32_t timeout_ms, struct vms_info *ret);

/**
 * Read console output.
 * @param from    offset since the start of this run; what is gone is skipped
 * @param wait_ms longest wait when there is nothing yet
 * @return bytes, *ret_from their offset; 0 nothing yet; -ENODATA the VM has ended and all is read
 */
ssize_t vms_console_read(struct vms *v, const char *id, uint64_t from, uint8_t *buf, size_t max,
			 uint32_t wait_ms, uint64_t *ret_from);

/** Write console input. @return bytes taken; -EAGAIN the guest does not read; -EINVAL no process */
ssize_t vms_console_write(struct vms *v, const char *id, const uint8_t *buf, size_t n,
			  struct errmsg *e);

/**
 * Pause if it runs, save its context to @p fd (memory or regular file) and its disks, resume.
 * @param ret_disks those that there are not are -1; vms_disks_close() them
 */
int vms_save(struct vms *v, const char *id, int fd, int ret_disks[PROTO_DISKS_MAX],
	     struct errmsg *e);

/** Close what is open, all are -1 then. */
void vms_disks_close(int fds[PROTO_DISKS_MAX]);

/**
 * Registers of a VM that stands still (paused, faulted), as {"pc": "0x...", ...}. Those of a faulted VM
 * are kept when its process is gone.
 */
int vms_registers(struct vms *v, const char *id, json_t **ret, struct errmsg *e);

/** Make all agree with the guard: struct guard_vms. */
int vms_guard_sync(struct vms *v, bool is_there);

/** Whether a process is one of ours, for partition_scan(). */
bool vms_owns_pid(void *v, pid_t pid);

/** Look for zombies, leaked locks, stale cgroups, sockets, memory; clean. @return how many were found */
uint32_t vms_audit(struct vms *v);

/** How a state is shown: "running". */
const char *vms_state_name(enum vms_state s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of the guard (docs/guard.md, kmod/uapi/pinfold_guard.h). With the module loaded, VMs are
 * registered there, its log is copied to disk, and what an administrator did at a terminal becomes what the
 * daemon thinks as well. Without it nothing happens but a look whether it came.
 *
 *   guard thread     waits for the device, for changes, for its turn to try again; reconciles
 *   guard-io thread  makes the calls, which may hang: who asks waits for reply_ms
 *   guard-log thread copies the log; may wait for the disk
 *
 * State is compared, not events: what happened while no daemon was there is found at the next start.
 */
#ifndef PINFOLD_DAEMON_GUARD_H
#define PINFOLD_DAEMON_GUARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"
#include "daemon/audit/audit.h"
#include "daemon/http/events.h"
#include "daemon/users/users.h"
#include "uapi/pinfold_guard.h"

/** The two devices; tests have others. Descriptors must work with poll(). */
struct guard_dev {
	/** Whether the module is there. Never hangs. */
	bool (*is_there)(void *ctx);
	/** Whether it asks those who have it open (@p fd) to close it, so that it can go. Never hangs. */
	bool (*is_let_go)(void *ctx, int fd);
	/** @return descriptor, of the log non-blocking; negative errno */
	int (*open)(void *ctx, bool is_log);
	/** As ioctl(). @return 0; negative errno */
	int (*call)(void *ctx, int fd, unsigned int request, void *arg);
	/** As read(). @return bytes; negative errno */
	ssize_t (*read)(void *ctx, int fd, void *buf, size_t n);
	/** Close what open() gave. */
	void (*close)(void *ctx, int fd);
};

/** /dev/pinfold-guard and /dev/pinfold-guard-log. */
extern const struct guard_dev guard_dev_host;

struct guard_options {
	const struct guard_dev *dev;
	void *dev_ctx;
	const char *dev_dir;   /**< where the device appears when the module is loaded */
	const char *state_dir; /**< the log goes to state_dir/guard */
	struct users *users;
	struct audit *audit;
	struct events *events;
	uint32_t reply_ms;  /**< longest wait for a call */
	uint32_t retry_ms;  /**< until a device that refused is tried again */
	uint32_t anchor_ms; /**< at most one anchor of the log in so long */
};

/** What the table of VMs does for the guard. */
struct guard_vms {
	/**
	 * Compare all VMs with the guard (guard_vm_find()), register those that it does not know.
	 * @param is_there false: the guard is gone
	 * @return 0; negative errno: call again soon
	 */
	int (*sync)(void *arg, bool is_there);
	/** All VMs of a user die. */
	void (*kill_user)(void *arg, uid_t uid);
};

/** What is known of the guard. */
struct guard_info {
	bool is_loaded;
	bool is_attached;	   /**< this daemon is the registrar */
	bool is_hung;		   /**< a call does not return */
	char trouble[ERRMSG_SIZE]; /**< why it is not attached, or its log not copied; or "" */
	struct pinfold_guard_state state; /**< with is_loaded */
	uint32_t n_bans;
	uint32_t bans[PINFOLD_GUARD_BANS_MAX];
	uint32_t n_old_bans;	       /**< of users whom an earlier instance banned */
	uint64_t copied, copied_at_ns; /**< last record on disk, and when (real time); 0: none */
	uint64_t anchored;	       /**< last record in the audit log */
};

struct guard;

/** The devices of the host, waits of seconds; users, audit and so on are the caller's to name. */
void guard_options_defaults(struct guard_options *o);

/**
 * Attach if the module is there, and take over its bans. Users must be loaded.
 * @return 0, also without the module; -ENOMEM and the like
 */
int guard_open(const struct guard_options *o, struct guard **ret, struct errmsg *e);

/**
 * Compare VMs, and go on looking, on a thread of its own.
 * @param vms stays the caller's, until guard_stop()
 * @return 0; -EAGAIN
 */
int guard_start(struct guard *g, const struct guard_vms *vms, void *arg, struct errmsg *e);

/** Reconcile no more; the log is copied and anchored a last time. VMs can still be unregistered. NULL is allowed. */
void guard_stop(struct guard *g);

/** After guard_stop(). Registered VMs stay so. NULL is allowed. */
void guard_close(struct guard *g);

/** Whether this daemon is the one that tells the guard of VMs. NULL is allowed. */
bool guard_is_attached(struct guard *g);

/**
 * Register a VM before its first instruction, or renew its entry.
 * @param vm flags only PINFOLD_GUARD_EXCLUSIVE; revision is filled in
 * @return 0, also without the guard or when it is in trouble, which is logged; -EACCES its owner is banned
 */
int guard_vm_register(struct guard *g, const struct pinfold_guard_vm *vm, struct errmsg *e);

/**
 * Its cores have changed, or its reclaim is known.
 * @param vm flags as PINFOLD_GUARD_UPDATE takes them; revision is filled in
 * @return 0: the guard knows; -EBUSY: it was reclaimed; another negative errno: the guard can't be told
 */
int guard_vm_update(struct guard *g, const struct pinfold_guard_vm *vm);

/** It has ended. */
void guard_vm_unregister(struct guard *g, uint64_t id);

/** What the guard says of a VM. @return 0; -ENOENT; -ENODEV no guard; other errors: it can't be told */
int guard_vm_find(struct guard *g, uint64_t id, struct pinfold_guard_vm *ret);

/**
 * Something was done at a terminal: into the log, the audit log and the events.
 * @param what   "guard.kill"
 * @param owner  whom it concerns, or EVENTS_NOBODY
 * @param object what it was done to; taken over; may be NULL
 */
void guard_tell(struct guard *g, const char *what, uid_t owner, json_t *object);

/** Whether a user's ban may be lifted. @return 0; -EBUSY the guard's stands */
int guard_unban_check(struct guard *g, uid_t uid, struct errmsg *e);

/** What is known; asks the guard. */
void guard_info_get(struct guard *g, struct guard_info *ret);

#endif

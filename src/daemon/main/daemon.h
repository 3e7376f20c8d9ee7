/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfoldd as a whole: which part is opened when, on which core, and the loop that looks after them.
 *
 *   main thread (housekeeping core): open all ─▶ loop: signals, timers ─▶ close all, in reverse
 */
#ifndef PINFOLD_DAEMON_DAEMON_H
#define PINFOLD_DAEMON_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/api/api.h"
#include "daemon/main/config.h"

/** What was said on the command line; NULL: nothing. */
struct daemon_args {
	const char *socket, *state_dir, *run_dir, *config, *cores, *log_file, *vm_program;
	const char *fair_server, *rt_throttling;
	int backend; /**< enum partition_backend, -1: the best, -2: not said */
	bool is_foreground, is_debug, allows_shared_pool;
};

struct daemon {
	struct daemon_args args;
	struct config config;
	bool is_rootless;
	char config_path[CONFIG_PATH_BYTES];
	bool config_is_optional;
	int lock_fd, stop_fd, signal_fd, listen_fd;
	atomic_bool kills_vms, is_stopping;
	struct partition *partition;
	struct pool_claim *claim;
	char claim_warning[ERRMSG_SIZE]; /* the pool is not ours alone */
	pid_t rival_pid;		 /* whose VMs were seen in it; 0: nobody's */
	struct store *store;
	struct audit *audit;
	struct dispatch *dispatch;
	struct users *users;
	struct images *images;
	struct events *events;
	struct guard *guard;
	struct vms *vms;
	struct api *api;
	struct http *http;
	pthread_t log_check;
	bool has_log_check;
	atomic_bool is_log_check_over;
};

/* paths.c */

/** Configuration, then where everything lies: command line, configuration, defaults. */
int daemon_settle(struct daemon *d, struct errmsg *e);

/** Make run and state folder where they are missing. */
int daemon_make_dirs(const struct daemon *d, struct errmsg *e);

/* socket_group.c */

/**
 * Which group may call, by the configuration and what there is.
 * @param ret_gid untouched where everybody may
 * @return 0; -ENOENT there is no group of the configured name; negative errno
 */
int daemon_socket_group(const struct daemon *d, gid_t *ret_gid, struct errmsg *e);

/* service.c */

/** Signals to signal_fd, limits as high as allowed, umask. */
int daemon_prepare(struct daemon *d, struct errmsg *e);

/** One daemon per run folder. @return 0; -EBUSY */
int daemon_lock(struct daemon *d, struct errmsg *e);

/** A listening socket that the service manager passed; -1: none. Closes the others. */
int daemon_listen_fd(void);

/** Tell the service manager, if there is one. @param state "READY=1" */
void daemon_notify(const char *state);

/** Whether the service manager waits for WATCHDOG=1 from this process; every 4 s are often enough. */
bool daemon_is_watched(void);

/* pool.c */

/**
 * Claim the pool's cores. Fills claim_warning where they are shared, or where nobody can tell.
 * @return 0; -EBUSY another daemon has one, and they may not be shared
 */
int daemon_claim_pool(struct daemon *d, const struct sched_roles *roles, struct errmsg *e);

/** Of what was seen on pool cores: VMs that another daemon schedules there. Tells it once. */
void daemon_note_rivals(struct daemon *d, const struct partition_foreign *found, uint32_t n);

/* daemon.c */

/** Open everything. @return 0; negative errno, then daemon_close() cleans up */
int daemon_open(struct daemon *d, struct errmsg *e);

/** Close everything that is open. */
void daemon_close(struct daemon *d);

/** Something the administrator should know: to the log, and for the status. "": nothing. Thread: any, once the API is there. */
void daemon_warn(struct daemon *d, const char *text);

/* audit_log.c */

/** The generation of the store in the note of a heartbeat; 0: unknown. */
uint64_t daemon_generation(const char *note);

/** Check the whole audit log beside everything else; what is wrong with it becomes a warning. @return 0; negative errno */
int daemon_log_check_begin(struct daemon *d, struct errmsg *e);

/** Let it end, and wait for that. */
void daemon_log_check_end(struct daemon *d);

/** Write a heartbeat with the generation of the store, and the anchor into the log. */
void daemon_heartbeat(struct daemon *d);

/* loop.c */

/** Until somebody ends it. */
void daemon_loop(struct daemon *d);

/* logfile.c */

/**
 * Messages go to a file from now on, written by a thread of its own (NULL: standard error, with levels where that is
 * the journal).
 */
int logfile_open(const char *path, struct errmsg *e);

/** Open the file again, which somebody may have moved away. */
void logfile_reopen(void);

/** Write what waits; messages go to standard error again. */
void logfile_close(void);

#endif

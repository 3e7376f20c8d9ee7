/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside guard/. */
#ifndef PINFOLD_DAEMON_GUARD_INTERNAL_H
#define PINFOLD_DAEMON_GUARD_INTERNAL_H

#include <pthread.h>

#include "base/bits.h"
#include "daemon/guard/guard.h"
#include "daemon/guard/guard_io.h"

#define GUARD_PATH_BYTES 512

struct guard_log;

/** What may not work. */
enum guard_part { GUARD_LINK, GUARD_LOG, GUARD_PARTS };

struct guard {
	struct guard_options o;
	struct guard_io *io;	     /* made when the module is first seen; stays */
	const struct guard_vms *vms; /* NULL: not yet */
	void *vms_arg;

	/* the guard thread's, or of who opens and closes */
	int wake_fd;  /* look around */
	int watch_fd; /* inotify on dev_dir, or -1 */
	int dev_fd;   /* to poll; -1: not open */
	struct guard_log *log;
	uint64_t log_instance;
	pthread_t thread;
	bool has_thread;
	ns_t retry_ns; /* when to try again, or UINT64_MAX */

	pthread_mutex_t lock; /* what follows; leaf */
	bool is_stopping;
	uint64_t synced; /* generation of the last comparison */
	char trouble[GUARD_PARTS][ERRMSG_SIZE];
	struct guard_info info;
};

/* guard.c */

/** Note what does not work; logged when it is another reason than before. @param text NULL: it works */
void guard_trouble(struct guard *g, enum guard_part part, const char *text);

/* guard_bans.c */

/**
 * Make the daemon's bans agree with the guard's.
 * @return 0; negative errno: not all do, try again
 */
int guard_bans_apply(struct guard *g, uint64_t instance, const struct pinfold_guard_bans *bans,
		     struct errmsg *e);

/* guard_log.c */

/** Begin to copy the log of an instance. @return 0; negative errno with a sentence */
int guard_log_start(struct guard *g, uint64_t instance, struct guard_log **ret, struct errmsg *e);
/** Copy what there is, anchor it, end. NULL is allowed. */
void guard_log_stop(struct guard_log *l);

/* guard_file.c */

/** The copy of a log on disk: docs/guard.md, "The daemon". */
struct guard_file {
	char dir[GUARD_PATH_BYTES];
	uint64_t instance;
	int fd;
	uint64_t bytes;
	uint64_t last;	  /**< number of the newest record; 0: none */
	uint8_t head[32]; /**< its hash, or that of the instance */
};

/** Open it, or make it; an unfinished record is cut off. @return 0; negative errno with a sentence */
int guard_file_open(struct guard_file *f, const char *state_dir, uint64_t instance,
		    struct errmsg *e);
/** Close. */
void guard_file_close(struct guard_file *f);
/**
 * Append what is new of @p n records, durable.
 * @return 0; -EBADMSG with what is wrong with them: nothing is written; negative errno
 */
int guard_file_append(struct guard_file *f, const struct pinfold_guard_record *r, size_t n,
		      struct errmsg *e);

#endif

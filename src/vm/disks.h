/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of a VM: requests of the guest's drivers, carried out on a device thread, which is not the vCPU's.
 *
 *   vCPU thread: submit() -> queue -> device thread: pread, pwrite, fdatasync -> queue -> vCPU thread: disks_collect()
 *
 * A disk is a file, or a base and an overlay of it (docs/disks.md). An overlay's map goes into its file when the guest flushes,
 * when a context is saved, at the end, and DISKS_SYNC_NS after a write: what kills this process costs no more than that.
 *
 * Threads: submit (as struct blk_backend) and disks_collect() on the vCPU thread or with run_lock held; the rest before the jail.
 */
#ifndef PINFOLD_VM_DISKS_H
#define PINFOLD_VM_DISKS_H

#include <pthread.h>

#include "base/bits.h"
#include "disk/overlay.h"
#include "machine/machine.h"

#define DISKS_JOBS_MAX (MACHINE_DISKS_MAX * BLK_REQUESTS_MAX)
#define DISKS_SYNC_NS  (200 * NS_PER_MS)

/** A request under way. */
struct disks_job {
	size_t disk;
	struct blk_request *request;
	int result;
};

/** First in, first out. */
struct disks_queue {
	struct disks_job jobs[DISKS_JOBS_MAX];
	size_t head, n;
};

struct vm_disks;

/** One disk. */
struct disks_disk {
	struct vm_disks *all;
	int fd;			 /* of the base, if there is an overlay */
	struct overlay *overlay; /* the device thread's; or NULL */
	uint64_t bytes;
};

/** Zero-initialise. */
struct vm_disks {
	size_t n;
	struct disks_disk disk[MACHINE_DISKS_MAX];
	void (*on_done)(void *opaque); /* on the device thread */
	void *opaque;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct disks_queue waiting, done;
	bool is_quitting;
	bool wants_sync;  /* disks_settle() waits for overlays to be flushed, ... */
	int synced;	  /* ... and this is what came of it */
	ns_t sync_due_ns; /* when they are flushed by themselves; 0: nothing is to be flushed */
	bool has_thread;
	bool has_entered; /* the thread has given its rights away, or ... */
	int entered;	  /* ... this says why not */
	pthread_t thread;
};

/**
 * Look at the disks' files and make their back-ends.
 * @param fds     those of absent disks are -1; borrowed
 * @param overlays fds of overlays of these files, -1 where there is none; borrowed
 * @param ro      bit n: disk n may only be read
 * @param on_done called on the device thread when disks_collect() has something to do
 * @return number of disks; negative errno with a sentence
 */
int disks_init(struct vm_disks *d, const int fds[MACHINE_DISKS_MAX],
	       const int overlays[MACHINE_DISKS_MAX], uint32_t ro, void (*on_done)(void *opaque),
	       void *opaque, struct blk_backend ret[MACHINE_DISKS_MAX], struct errmsg *e);

/** Start the device thread, if there are disks, and wait until it has no rights any more. @return 0; negative errno with a sentence */
int disks_start(struct vm_disks *d, struct errmsg *e);

/** End it, after what is under way. Accepts a zeroed one. */
void disks_done(struct vm_disks *d);

/** Hand what is done to the machine. */
void disks_collect(struct vm_disks *d, struct machine *m);

/**
 * Wait until nothing is under way and overlays hold all that was written: before a context is saved. What is done waits for
 * disks_collect().
 * @return 0; negative errno with a sentence
 */
int disks_settle(struct vm_disks *d, struct errmsg *e);

/** @return size of the longest file that is written to; 0: none */
uint64_t disks_file_bytes(const struct vm_disks *d);

#endif

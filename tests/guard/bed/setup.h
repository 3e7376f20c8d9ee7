/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard and its VMs as the machine's own user space sees them: loaded, registered, dead. For times when nothing hogs it. */
#ifndef PINFOLD_TESTS_GUARD_BED_SETUP_H
#define PINFOLD_TESTS_GUARD_BED_SETUP_H

#include "talk.h"

/** The passphrase in the key file, and the serial number of the token. */
#define PASSPHRASE "open sesame 42"
#define TOKEN	   "PINFOLD-1"

/** Load the module, and the one for the token, unless they are there; with further parameters if they are not. */
void guard_load(struct bed *b, const char *parameters);

/** Unload it, as an administrator does: what uses it is asked to let it go, and does so when it gets to it. */
void guard_unload(struct bed *b);

/** Load it anew: with other parameters, with nothing registered, with an empty log. */
void guard_reload(struct bed *b, const char *parameters);

/** A number of "guard_inside state": "vms", "A.deaths" ... */
uint64_t guard_state(struct bed *b, const char *name);

/** Wait until a number of the state is this. */
void guard_expect(struct bed *b, const char *name, uint64_t value, int timeout_ms);

/** Wait until both terminals sleep. */
void guard_sleeps(struct bed *b);

/** Load the module unless it is there, and a dialogue on the serial line. */
void commands_begin(struct bed *b);

/** End it, and what stood for VMs. */
void commands_end(struct bed *b);

/** Fail unless a thread has this "PRIORITY POLICY", as fields 40 and 41 of its stat are: "99 1" FIFO, "0 6" deadline, "0 0" ordinary. */
void expect_policy(struct bed *b, int tid, const char *want);

/** A process that stands for a VM. @param options of "guard_inside vm" @return its pid */
int vm_start(struct bed *b, const char *options);

/** The same, registered with all its cores open. @param flags of the uapi header, hexadecimal */
int vm_new(struct bed *b, unsigned int id, unsigned int uid, const char *options,
	   const char *flags);

/** Whether a process is gone, or nothing but its exit status is left. */
bool process_is_gone(struct bed *b, int pid);

/** Wait until it is. */
void expect_gone(struct bed *b, int pid);

/** Whether real-time tasks may keep everything for themselves, or ordinary ones always get something: no throttling, no fair server. */
void let_realtime_starve(struct bed *b, bool may);

/** Forget what the kernel traced, and trace ends of processes, and interrupts of the keyboard and of the guard's serial line. */
void trace_begin(struct bed *b);

/** When a process ended, or the first interrupt came ("irq=1"): by CLOCK_BOOTTIME. @param what of a line of the trace */
int64_t trace_ns(struct bed *b, const char *event, const char *what);

/**
 * Fail if the kernel has complained since the last call, or since it booted.
 * @return false, and noted: of a known mistake of its own, after which the machine is not to be used any more
 */
bool expect_no_report(struct bed *b);

/** Fail if memory was leaked since the machine booted, or since the last call that failed. Kernels without kmemleak know of none. */
void expect_no_leak(struct bed *b);

/** When the last record with this text was written: by CLOCK_BOOTTIME. @param kind of the uapi header */
int64_t log_ns(struct bed *b, int kind, const char *text);

#endif

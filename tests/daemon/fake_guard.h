/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's two devices without a kernel, as kmod/uapi/pinfold_guard.h describes them; and what may go wrong. */
#ifndef PINFOLD_TESTS_DAEMON_FAKE_GUARD_H
#define PINFOLD_TESTS_DAEMON_FAKE_GUARD_H

#include <pthread.h>

#include "daemon/guard/guard.h"

#define FAKE_VMS     64
#define FAKE_RECORDS 20000

struct fake_guard {
	char dir[160]; /* where the device appears */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int dev_fd, log_fd; /* eventfds, duplicated by open() */
	int registrar_fd;   /* the file that tells of VMs; -1: none */
	bool is_there, is_let_go, is_busy, hangs, lies;
	uint32_t n_hanging; /* calls that hang now */
	uint64_t instance, generation;
	uint32_t n_bans, bans[PINFOLD_GUARD_BANS_MAX];
	uid_t secret_ban; /* refused, and not in the list yet; 0: nobody */
	uint32_t n_vms;
	struct pinfold_guard_vm vms[FAKE_VMS];
	struct pinfold_guard_record *records;
	uint64_t n_records, read_at, exported;
	uint32_t n_registered, n_updated; /* calls */
	uint32_t n_open;		  /* files */
};

extern const struct guard_dev fake_guard_dev;

/** @param dir an existing folder; the module is loaded if @p is_there */
void fake_guard_init(struct fake_guard *f, const char *dir, bool is_there);
/** Waits until the last of its files is closed. */
void fake_guard_done(struct fake_guard *f);

/** The module comes or goes; a new instance each time it comes. */
void fake_guard_load(struct fake_guard *f, bool is_there);
/** It may be unloaded: asks to be closed. */
void fake_guard_let_go(struct fake_guard *f, bool is_let_go);
/** Another process is the registrar, or ends. */
void fake_guard_busy(struct fake_guard *f, bool is_busy);
/** Calls do not return until it is over. */
void fake_guard_hang(struct fake_guard *f, bool hangs);
/** Answers are nonsense. */
void fake_guard_lie(struct fake_guard *f, bool lies);

/* What is done at a terminal. */
void fake_guard_ban(struct fake_guard *f, uid_t uid);
void fake_guard_unban(struct fake_guard *f, uid_t uid);
/** @return whether there is such a VM */
bool fake_guard_mark(struct fake_guard *f, uint64_t id, uint32_t set, uint32_t clear);
/** An entry as it is. @return whether there is one */
bool fake_guard_get(struct fake_guard *f, uint64_t id, struct pinfold_guard_vm *ret);
/** A record of the log. */
void fake_guard_log(struct fake_guard *f, const char *text);
/** One that was changed after it was made. */
void fake_guard_log_bad(struct fake_guard *f);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fault tests share: a pinfoldd of their own with real VM processes, requests to it, a look
 * at processes, threads and core locks from outside, and an end that leaves nothing behind.
 *
 * VM processes outlive their daemon. So each test runs under a supervisor (chaos_main()) to which
 * orphans fall; it kills and reaps all of them, whatever became of the test.
 */
#ifndef PINFOLD_TESTS_CHAOS_H
#define PINFOLD_TESTS_CHAOS_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/bits.h"
#include "sched/lock.h"
#include "sched/sched.h"

#define CHAOS_PIDS_MAX 256
#define CHAOS_ARGS_MAX 16

/** Sanitizers keep what was freed: memory can't be compared. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHAOS_HAS_SANITIZER true
#else
#define CHAOS_HAS_SANITIZER false
#endif

/** The test's own daemon and folders. */
struct chaos {
	char bin[256], guests[256], dir[128];
	char program[400]; /**< pinfoldd */
	char state[160], run[160], socket[200], log[160];
	uint64_t count;	  /**< --count: how often */
	uint64_t seconds; /**< --seconds: no longer than this */
	unsigned int seed;
	const char *only; /**< --only: this case; or NULL */
	char *option;	  /**< --option: further one for pinfoldd; or NULL */
	pid_t daemon;
	_Atomic int failures;
};

extern struct chaos chaos;

/** Say what is wrong, with the place, and count it. */
#define CHECK(cond, ...)                                             \
	do {                                                         \
		if (!(cond)) {                                       \
			chaos_fail(__FILE__, __LINE__, __VA_ARGS__); \
		}                                                    \
	} while (0)

void chaos_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Parse "BIN_DIR GUESTS_DIR [--count N] [--seconds S] [--seed N] [--only CASE]
 * [--program PINFOLDD] [--option OPTION]", make a folder,
 * run @p test in a process of its own for at most @p limit_s, then end all that is left.
 * @return exit status of the test program
 */
int chaos_main(int argc, char **argv, void (*test)(void), unsigned int limit_s);

/* -- the daemon */

/** Start it. NULL-terminated further arguments or NULL. Does not wait. */
void chaos_daemon_spawn(char *const *more);
/** Wait until it answers. @return false: it ended or did not come in time */
bool chaos_daemon_ready(unsigned int timeout_ms);
/** Spawn and wait; ends the test when it does not come. */
void chaos_daemon_start(char *const *more);
/** kill -9, and reap. */
void chaos_daemon_kill(void);
/** In good order, with its VMs; checks its exit status. */
void chaos_daemon_end(void);

/* -- requests: each on a connection of its own */

struct chaos_answer {
	int status; /**< 0: the connection was lost, or there was none */
	char *body; /**< terminated */
	size_t bytes;
	json_t *json; /**< or NULL */
};

/** Send a request. @return connected socket; -1 */
int chaos_send(const char *method, const char *path, const void *body, size_t bytes);
/** Read the answer to its end and close. */
void chaos_receive(int fd, struct chaos_answer *a);
/** Both. @param body text or NULL */
void chaos_ask(struct chaos_answer *a, const char *method, const char *path, const char *body);
/** The same when only the status matters. */
int chaos_do(const char *method, const char *path, const char *body);
void chaos_answer_done(struct chaos_answer *a);
/** error.code or "". */
const char *chaos_code(const struct chaos_answer *a);
/** error.message or "". */
const char *chaos_message(const struct chaos_answer *a);

/** Upload a file. @param ret hash in hexadecimal */
void chaos_image(const char *path, char ret[65]);
/** Path of a guest: "riscv64", "endless.elf". Thread-local. */
const char *chaos_guest(const char *variant, const char *file);
/** Whether VMs can use hardware (or software) KVM here. */
bool chaos_has_kvm(void);
/** POST /v1/vms. @param more further members with a comma in front, or "" @return status */
int chaos_create(const char *name, const char *image, const char *more);
/** POST /v1/vms/NAME/VERB. @return status */
int chaos_verb(const char *name, const char *verb);

/** A VM as the daemon shows it. */
struct chaos_vm {
	bool is_there;
	char id[20], state[16], message[400];
	pid_t pid; /**< 0: none */
	uint64_t cpu_ns, slice_ns, prio, runs;
};

/** @return false: no answer */
bool chaos_vm_get(const char *name, struct chaos_vm *ret);
/** Whether a state has a process that may run. */
bool chaos_is_live(const char *state);
/** Wait for a state ("" : any without a process). @return whether it came */
bool chaos_await(const char *name, const char *state, unsigned int timeout_ms,
		 struct chaos_vm *ret);

/* -- a look from outside */

uint64_t chaos_now_ns(void);
void chaos_sleep_ns(uint64_t ns);
/** 0 to n - 1; thread-safe. */
uint64_t chaos_random(uint64_t n);
/** Children of a process. @return number */
size_t chaos_children(pid_t pid, pid_t *ret, size_t max);
/** State letter of a process, 0: gone. */
char chaos_process_state(pid_t pid);
pid_t chaos_parent(pid_t pid);
/** The vCPU thread of a VM process; 0: none. */
pid_t chaos_vcpu(pid_t pid);
/** A thread of a VM process, other than @p vcpu, that may run on a host core; 0: none. */
pid_t chaos_stray(pid_t pid, pid_t vcpu, uint32_t core);
/** State letter and CPU time of a thread. @return false: gone */
bool chaos_thread(pid_t pid, pid_t tid, char *ret_state, uint64_t *ret_run_ns);
unsigned int chaos_fds(pid_t pid);
uint64_t chaos_rss_bytes(pid_t pid);
/** A number of run_dir/vms/ID/record; UINT64_MAX: none. */
uint64_t chaos_record_number(const char *id, const char *key);
/** A text of the record, "" when there is none. */
void chaos_record_text(const char *id, const char *key, char *ret, size_t max);
/** Entries of a folder whose name starts so. */
unsigned int chaos_entries(const char *dir, const char *prefix);
/** The lock of a host core now. */
struct sched_lock chaos_lock(unsigned int host_core);
/** The first core of the pool; asks the daemon once. */
unsigned int chaos_pool_core(void);
unsigned int chaos_pool_size(void);

/* -- figures */

/** Print p50, p99, max of durations, with their number. */
void chaos_report(const char *what, uint64_t *ns, size_t n);
/** Jain's index of fairness. */
double chaos_jain(const uint64_t *v, size_t n);

#endif

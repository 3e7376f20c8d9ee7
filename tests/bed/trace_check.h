/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge of scheduler traces: what it knows, and how it reads. See trace_check.c. */
#ifndef PINFOLD_TESTS_BED_TRACE_CHECK_H
#define PINFOLD_TESTS_BED_TRACE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#define CORES_MAX     64
#define PIDS	      4194305 /* largest pid_max of Linux, and one */
#define EXCLUSIVE_MAX 256
#define EXAMPLES      5
#define NO_CORE	      (-1)
#define NO_PID	      (-1)

enum kind {
	KIND_USER,
	KIND_KERNEL,
	KIND_VM,   /* the control thread of a VM process, and its threads until they have a name */
	KIND_VCPU, /* executes guest code */
};

/* One parsed line; comm is only valid until the next one. */
struct event {
	double time_s;
	int core, pid;
	const char *what, *args;
};

struct task {
	uint8_t kind;
	bool is_of_vm;	 /* thread or child of a VM process */
	bool is_dying;	 /* it has begun to end */
	bool is_stopped; /* told so by a signal that no program can refuse: SIGSTOP, SIGKILL */
	bool is_killed; /* SIGKILL was sent to its process: from its next switch on it runs in the kernel only */
	bool is_at_rest;      /* it fell asleep of its own will, and has run no guest since */
	int maker;	      /* who made it: of a thread the first one of its process */
	bool has_run_on_pool; /* has had a core */
	int16_t preempted_place; /* 1 + core where it was switched out while it wanted to run on; 0: none */
	uint32_t pending_runs; /* on the housekeeping core after its first turn in the pool */
	double pending_s;
	uint32_t intrusions;   /* others ran on its core before it had left */
	struct event intruded; /* the first time; out: when it had been switched out there */
	double out_s;
	char out_state;
};

struct exclusive {
	int core, tid;
	double from_s, to_s;
};

enum finding {
	VCPU_ON_CONTROL,
	VCPU_ON_HOUSEKEEPING,
	GUEST_ON_HOUSEKEEPING,
	VCPU_OUTSIDE,
	VM_ON_CONTROL,
	VM_ON_POOL,
	FOREIGN_ON_POOL,
	INTERLEAVED,
	EXCLUSIVE_BROKEN,
	FINDINGS,
};

struct check {
	struct task *tasks; /* by thread id */
	int max_pid;
	int control, housekeeping;
	bool is_pool[CORES_MAX];
	bool is_isolated;
	double from_s, to_s;
	struct exclusive exclusive[EXCLUSIVE_MAX];
	int n_exclusive;
	unsigned long min_runs, min_vcpus, min_cores, min_timers;

	int vcpu_out
		[CORES_MAX]; /* the last vCPU thread on this core, if it still wanted to run, or NO_PID */
	double out_s[CORES_MAX]; /* when, and in which state */
	char out_state[CORES_MAX];
	unsigned long count[FINDINGS];
	unsigned long switches, runs[CORES_MAX], n_vcpus, n_timers, rests, kernel_runs,
		foreign_runs;
	unsigned long line;
};

/** Say why trace or description can't be judged, and end with status 2. */
_Noreturn void __attribute__((format(printf, 2, 3)))
trace_unusable(const struct check *c, const char *fmt, ...);

/** What is known of a thread. */
struct task *trace_task(struct check *c, int pid);

/** A core's number, checked. */
int trace_core(const struct check *c, long core);

/** The number after " KEY=", the last one of that name: a task's name may hold anything. */
int trace_number(const struct check *c, const char *args, const char *key);

/** The text between two keys. */
void trace_name(const char *args, const char *key, const char *next, char ret[32]);

/** Take a line of the trace apart, which changes it. @return false: it is no event, and means nothing */
bool trace_parse(const struct check *c, char *line, struct event *ev);

/** Take a line of the description. */
void trace_describe(struct check *c, char *line);

/** Hand each line of a file to @p take. */
void trace_read(struct check *c, const char *path, void (*take)(struct check *, char *));

#endif

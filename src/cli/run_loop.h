/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens around a guest while it runs: console, trace, signals, time limits and the events
 * of its VM, in one poll loop. Nothing in it waits for anything but poll(), so a guest, a pager or
 * a terminal that stands still never keeps Ctrl-C from working.
 *
 *   stdin ----> console socket ----> VM        signals --> ask the VM to stop; again: kill it
 *   stdout <--- console socket <---- VM        SIGTSTP --> pause the VM, stop, resume
 *   trace file <-- trace pipe <----- VM        VM's socket --> stop events
 */
#ifndef PINFOLD_CLI_RUN_LOOP_H
#define PINFOLD_CLI_RUN_LOOP_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cli/outlet.h"
#include "launch/launch.h"

struct trace;

/** How a run ended. */
enum run_end {
	RUN_END_NONE, /* it has not */
	RUN_END_HALT,
	RUN_END_EXIT,
	RUN_END_LIMIT,
	RUN_END_FAULT,
	RUN_END_KILLED,
	RUN_END_ERROR, /* a device, a plug-in or Pinfold itself */
};

/** The end of a run. */
struct run_result {
	enum run_end end;
	uint64_t code;	  /* EXIT: the guest's own */
	uint32_t limit;	  /* LIMIT: enum proto_limit_kind */
	bool is_standing; /* the VM still answers: registers and context can be had */
	struct proto_usage usage;
	struct proto_fault fault;  /* FAULT */
	char message[ERRMSG_SIZE]; /* one clear sentence */
};

/** Most descriptors that a caller of run_loop_once() may add. */
#define RUN_LOOP_EXTRA_MAX 4

/** The loop. */
struct run_loop {
	struct launch_vm *vm;
	struct trace *trace; /* or NULL */
	struct outlet out;   /* standard output */
	struct run_result result;
	sigset_t old_mask;
	int signal_fd;
	uint64_t wall_limit_ns;
	ns_t kill_at_ns;  /* 0: never */
	bool is_debugged; /* pausing and resuming is the debugger's business */
	bool is_stop_asked;
	int signo; /* that asked for the stop */
	bool is_input_over;
	bool is_console_closed;
	bool is_output_lost;
	size_t in_len;
	uint8_t in[4096]; /* from stdin, for the console */
};

/**
 * Take signals and terminal. Only one loop at a time; main thread.
 * @param vm            ready; stays with the caller, outlives the loop
 * @param trace         or NULL
 * @param wall_limit_ns that the VM enforces; 0 = none
 * @return 0; negative errno
 */
int run_loop_init(struct run_loop *l, struct launch_vm *vm, struct trace *trace,
		  uint64_t wall_limit_ns, struct errmsg *e);

/** Give signals and terminal back. Accepts a zeroed or done loop. */
void run_loop_done(struct run_loop *l);

/**
 * Wait for something and handle it. When the VM or its user ended the run, l->result says so.
 * @param extra   more descriptors to wait for; their revents are set. May be NULL
 * @param n_extra at most RUN_LOOP_EXTRA_MAX
 * @param timeout_ms -1: until something happens
 * @param ret     receives a stop event of the VM
 * @return 1 with *ret; 0
 */
int run_loop_once(struct run_loop *l, struct pollfd *extra, size_t n_extra, int timeout_ms,
		  struct proto_stopped *ret);

/**
 * Take over a stop event as the end of the run.
 * @return true; false for events after which the guest can go on (paused, stepped, ...)
 */
bool run_loop_take_end(struct run_loop *l, const struct proto_stopped *s);

/** Kill the VM and end the run, if it has not ended. @param why one sentence */
void run_loop_kill(struct run_loop *l, const char *why);

/** Set the guest going and wait until the run has ended; l->result says how. */
void run_loop_run(struct run_loop *l);

/** Wait until everything the guest printed and traced is out, or the user loses patience. */
void run_loop_drain(struct run_loop *l);

/** Put text on standard output behind what the guest printed, waiting for room if need be. */
void run_loop_print(struct run_loop *l, const char *text, size_t bytes);

#endif

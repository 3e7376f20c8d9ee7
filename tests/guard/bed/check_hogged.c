// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every core hogged by a task of FIFO 99 without throttling, and no daemon. Times are the machine's own: from the interrupt of the
 * first key to the record of the wake-up, from the record of the confirmed command to the end of the process. A busy host stops the
 * machine's processors one at a time, which no guard can help: a limit may be missed TRIES - 1 times, each time only if the host
 * held the machine up for as long as it was late.
 */
#include <stdio.h>

#include "checks.h"
#include "uapi/pinfold_guard.h"

#define PROMPT_NS 1000000000
#define KILL_NS	  100000000
#define TRIES	  4
#define HOG_S	  120 /* at most: hogs end with the dialogue */

/* Hogs run when nothing ordinary does: the shell does not answer. */
static void hog(struct bed *b)
{
	let_realtime_starve(b, true);
	bed_run(b, NULL, "dmesg -n 1; sync");
	bed_ask(b, "(guard_inside hog %d &); for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done",
		HOG_S);
	for (int64_t end = now_ms() + 4000; now_ms() < end;) {
		bed_line_poll(b, 100);
		need(!bed_has_answer(b), "the machine is not hogged");
	}
}

/* The end of the dialogue is that of the hogs. */
static void leave_hogs(struct bed *b, enum place where)
{
	need(!bed_has_answer(b), "the hogs ended too early");
	leave(b, where);
	bed_answer(b, NULL, HOG_S * 2000);
	bed_run(b, NULL, "while pidof hog >/dev/null; do sleep 0.1; done");
	let_realtime_starve(b, false);
	guard_sleeps(b);
}

/* @return whether one way to wake was in time */
static bool wake_once(struct bed *b, void (*wake)(struct bed *b), enum place where,
		      const char *source)
{
	int64_t start, host_ms, stolen_ns, ns;

	trace_begin(b);
	hog(b);
	start = now_ms();
	stolen_ns = bed_stolen_ns(b);
	wake(b);
	expect_prompt(b, where, HOG_S * 1000);
	host_ms = now_ms() - start;
	stolen_ns = bed_stolen_ns(b) - stolen_ns;
	leave_hogs(b, where);
	ns = log_ns(b, PINFOLD_GUARD_LOG_WAKE, source) -
	     trace_ns(b, "irq_handler_entry", where == SERIAL ? "irq=3" : "irq=1");
	note("%s to prompt: %.1f ms (%lld ms by the host's clock)", source, (double)ns / 1e6,
	     (long long)host_ms);
	return bed_in_time(ns, PROMPT_NS, stolen_ns);
}

static void wake_hogged(struct bed *b, void (*wake)(struct bed *b), enum place where,
			const char *source)
{
	guard_load(b, "");
	bed_line_drop(b);
	for (int i = 0; i < TRIES; i++) {
		if (wake_once(b, wake, where, source)) {
			return;
		}
	}
	fail("longer than a second, %d times", TRIES);
}

void check_hogged_chord(struct bed *b)
{
	wake_hogged(b, wake_by_chord, CONSOLE, "chord");
}

void check_hogged_sysrq(struct bed *b)
{
	wake_hogged(b, wake_by_sysrq, CONSOLE, "sysrq");
}

void check_hogged_command(struct bed *b)
{
	wake_hogged(b, wake_by_command, SERIAL, "command");
}

void check_hogged_break(struct bed *b)
{
	wake_hogged(b, wake_by_break, SERIAL, "break");
}

/* The VM is one of those who hog. @return whether it was killed in time */
static bool kill_once(struct bed *b, unsigned int id, const char *options)
{
	char line[32], pid_text[32];
	int64_t stolen_ns, ns;
	int pid;

	trace_begin(b);
	let_realtime_starve(b, true);
	pid = vm_new(b, id, 1000, options, "0");
	hog(b);
	wake_by_chord(b);
	expect_prompt(b, CONSOLE, HOG_S * 1000);
	snprintf(line, sizeof(line), "kill %u", id);
	stolen_ns = bed_stolen_ns(b);
	authorised(b, CONSOLE, line);
	stolen_ns = bed_stolen_ns(b) - stolen_ns;
	leave_hogs(b, CONSOLE);
	need(process_is_gone(b, pid), "the VM is still there");
	snprintf(pid_text, sizeof(pid_text), "pid=%d", pid);
	ns = trace_ns(b, "sched_process_exit", pid_text) -
	     log_ns(b, PINFOLD_GUARD_LOG_COMMAND, line);
	note("confirmation of \"%s\" to its end: %.1f ms", line, (double)ns / 1e6);
	return bed_in_time(ns, KILL_NS, stolen_ns);
}

static void kill_hogged(struct bed *b, unsigned int id, const char *options)
{
	guard_load(b, "");
	for (unsigned int i = 0; i < TRIES; i++) {
		if (kill_once(b, id + i, options)) {
			return;
		}
	}
	fail("longer than 100 ms, %d times", TRIES);
}

void check_hogged_kill(struct bed *b)
{
	kill_hogged(b, 10, "spin=1 core=1 fifo=99");
}

/* One that never gets a core of its own will. */
void check_hogged_kill_starved(struct bed *b)
{
	kill_hogged(b, 20, "spin=1 core=2");
}

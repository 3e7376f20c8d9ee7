// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads of terminals that die and hang, made to by tests/guard/bed/faults. Times are the machine's own, from the log: a thread's
 * death to the greeting of the next one. The host may stop the machine in the middle of that, so one in ten may be late by no more than
 * the host held it up, and is told.
 */
#include <stdio.h>
#include <string.h>

#include "checks.h"

#define DEATHS 100

static void begin(struct bed *b)
{
	int status;

	guard_load(b, "");
	bed_run(b, &status, "grep -q '^guard_faults ' /proc/modules");
	if (status) {
		bed_run(b, NULL, "insmod /bed/guard_faults.ko");
	}
	need(dialogue_begin(b) == 'A', "B came");
}

static void end(struct bed *b)
{
	guard_sleeps(b);
	bed_run(b, NULL, "rmmod guard_faults");
}

/*
 * So many deaths in a dialogue since the module was loaded; all but one in ten were back in time, and the longest was late by no
 * more than the host held the machine up.
 */
static void judge(struct bed *b, unsigned int want, unsigned int limit_ms, int64_t stolen_ns)
{
	const char *text =
		bed_run(b, NULL,
			"guard_inside log-copy /tmp/log && guard_inside log-returns /tmp/log %u",
			limit_ms);
	unsigned int deaths, back, late;
	double longest_ms;

	need(sscanf(text, "%u deaths, %u returns, %u later than %*u ms, longest %lf", &deaths,
		    &back, &late, &longest_ms) == 4,
	     "guard_inside says: %s", text);
	note("%.*s", (int)strcspn(text, "\n"), text);
	need(deaths == want, "%u deaths, not %u", deaths, want);
	/* There the next death may come before the greeting. */
	if (bed_checks_itself()) {
		return;
	}
	need(back == want, "it came back %u times, not %u", back, want);
	need(late * 10 <= deaths, "too many were late");
	bed_in_time((int64_t)(longest_ms * 1e6), (int64_t)limit_ms * 1000000, stolen_ns);
}

/* B talks on the console and is killed again and again; A answers on the serial line. */
void check_deaths_one(struct bed *b)
{
	unsigned int answered = 0;
	int64_t stolen_ns;

	guard_reload(b, "");
	begin(b);
	wake_by_chord(b);
	need(expect_prompt(b, CONSOLE, 20000) == 'B', "A came");
	stolen_ns = bed_stolen_ns(b);
	bed_ask(b, "guard_inside deaths B %d", DEATHS);
	while (!bed_has_answer(b)) {
		need(strstr(command(b, SERIAL, "status"), "terminal A: awake"),
		     "\"status\" says: %s", said());
		answered++;
	}
	bed_answer(b, NULL, 60000);
	stolen_ns = bed_stolen_ns(b) - stolen_ns;
	note("the other terminal answered %u times meanwhile", answered);
	need(guard_state(b, "B.deaths") == DEATHS, "%llu deaths counted",
	     (unsigned long long)guard_state(b, "B.deaths"));
	need(guard_state(b, "A.deaths") == 0, "A died, too");
	need(strstr(command(b, CONSOLE, "status"), "terminal B: awake"), "\"status\" says: %s",
	     said());
	judge(b, DEATHS, 100, stolen_ns);
	leave(b, CONSOLE);
	leave(b, SERIAL);
	end(b);
}

void check_deaths_asleep(struct bed *b)
{
	begin(b);
	bed_run(b, NULL, "guard_inside deaths B 20");
	leave(b, SERIAL);
	guard_sleeps(b);
	bed_run(b, NULL, "guard_inside deaths AB 20");
	need(dialogue_begin(b) == 'A', "B came");
	wake_by_chord(b);
	need(expect_prompt(b, CONSOLE, 20000) == 'B', "A came");
	leave(b, CONSOLE);
	leave(b, SERIAL);
	end(b);
}

void check_deaths_both(struct bed *b)
{
	int64_t stolen_ns;

	guard_reload(b, "");
	begin(b);
	wake_by_chord(b);
	need(expect_prompt(b, CONSOLE, 20000) == 'B', "A came");
	stolen_ns = bed_stolen_ns(b);
	bed_run(b, NULL, "guard_inside deaths AB 20");
	stolen_ns = bed_stolen_ns(b) - stolen_ns;
	need(strstr(command(b, SERIAL, "status"), "terminal A: awake"), "\"status\" says: %s",
	     said());
	need(strstr(command(b, CONSOLE, "status"), "terminal B: awake"), "\"status\" says: %s",
	     said());
	judge(b, 40, 1000, stolen_ns);
	leave(b, CONSOLE);
	leave(b, SERIAL);
	end(b);
}

/* The thread of a confirmed command dies in it: the terminal goes on, and the log says that the command came to nothing. */
void check_deaths_command(struct bed *b)
{
	int pid;

	begin(b);
	pid = vm_new(b, 60, 1000, "", "0");
	bed_run(b, NULL, "echo die >/sys/module/guard_faults/parameters/kill");
	authorised(b, SERIAL, "kill 60");
	need(strstr(command(b, SERIAL, "status"), "terminal A: awake"), "\"status\" says: %s",
	     said());
	log_ns(b, 8, "its thread is lost");
	need(!process_is_gone(b, pid), "the VM died");
	authorised(b, SERIAL, "kill 60");
	expect_gone(b, pid);
	bed_run(b, NULL, "guard_inside unregister 60");
	leave(b, SERIAL);
	end(b);
}

static void hang(struct bed *b, const char *how)
{
	int pid, status;

	begin(b);
	pid = vm_new(b, 61, 1000, "", "0");
	bed_run(b, NULL, "echo %s >/sys/module/guard_faults/parameters/kill", how);
	/* The new prompt is that of the thread which goes on. */
	authorised(b, SERIAL, "kill 61");
	guard_expect(b, "abandoned", 1, 20000);
	wake_by_chord(b);
	need(expect_prompt(b, CONSOLE, 20000) == 'B', "A came");
	authorised(b, CONSOLE, "kill 61");
	expect_gone(b, pid);
	need(strstr(command(b, SERIAL, "status"), "given up"), "\"status\" says: %s", said());
	leave(b, CONSOLE);
	leave(b, SERIAL);
	guard_sleeps(b);
	bed_run(b, NULL, "guard_inside unregister 61");
	bed_run(b, NULL, "rmmod pinfold_guard_usb");
	bed_run(b, &status, "rmmod pinfold_guard");
	need(status != 0, "the module went while a thread hangs in it");
	bed_run(b, NULL, "dmesg | grep -q 'hangs in a command and is given up'");
	bed_run(b, NULL, "echo go >/sys/module/guard_faults/parameters/kill");
	guard_expect(b, "abandoned", 0, 20000);
	end(b);
	bed_run(b, NULL,
		"rmmod pinfold_guard || { guard_inside state; cat /proc/modules; exit 1; }");
}

void check_hang_asleep(struct bed *b)
{
	hang(b, "sleep");
}

void check_hang_burning(struct bed *b)
{
	hang(b, "burn");
}

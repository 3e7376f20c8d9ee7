// SPDX-License-Identifier: GPL-2.0-or-later
/* Waking terminals, and what they cost asleep. */
#include <string.h>

#include "checks.h"
#include "uapi/pinfold_guard.h"

/* What a person waits for at the utmost; the machine is not hogged, but the host may be. */
#define PROMPT_MS  20000
#define SUSPEND_MS 60000

static void expect_silence(const char *said_by_monitor)
{
	need(!*said_by_monitor, "the monitor says: %s", said_by_monitor);
}

/* QEMU gives a drive away for good: each time it is another one. */
static void wake_by_token(struct bed *b)
{
	static unsigned int number;

	bed_monitor(b, "drive_add 0 if=none,id=stick%u,format=raw,readonly=on,file=%s/stick",
		    ++number, b->dir);
	expect_silence(bed_monitor(b, "device_add usb-storage,id=token,drive=stick%u,serial=" TOKEN,
				   number));
}

/* QEMU is done with the device when the machine is. */
static void pull_token(struct bed *b)
{
	expect_silence(bed_monitor(b, "device_del token"));
	for (int64_t end = now_ms() + PROMPT_MS; strstr(bed_monitor(b, "info usb"), "token");) {
		need(now_ms() < end, "the token can't be pulled");
	}
}

/* A terminal is awake where it shall be, and answers. */
static void expect_terminal(struct bed *b, enum place where, char name)
{
	int64_t end = now_ms() + PROMPT_MS;
	char is;

	/* Of two dialogues in a row, the prompt of the first may still be there. */
	while ((is = expect_prompt(b, where, PROMPT_MS)) != name) {
		need(now_ms() < end, "terminal %c came, not %c", is, name);
	}
	need(strstr(command(b, where, "status"), "terminal A: "), "\"status\" says: %s", said());
}

static void sleep_again(struct bed *b, enum place where)
{
	leave(b, where);
	guard_sleeps(b);
}

/* A on its own, by every way in turn; then B, while A is at the other place. */
static void wake_both(struct bed *b, void (*wake)(struct bed *b), enum place where)
{
	guard_load(b, "");
	bed_line_drop(b);
	wake(b);
	expect_terminal(b, where, 'A');
	sleep_again(b, where);
	if (wake == wake_by_token) {
		pull_token(b);
	}
	bed_line_drop(b);
	if (where == SERIAL) {
		wake_by_chord(b);
		expect_terminal(b, CONSOLE, 'A');
	} else {
		wake_by_command(b);
		expect_terminal(b, SERIAL, 'A');
	}
	wake(b);
	expect_terminal(b, where, 'B');
	leave(b, where);
	sleep_again(b, where == SERIAL ? CONSOLE : SERIAL);
	if (wake == wake_by_token) {
		pull_token(b);
	}
}

void check_wake_chord(struct bed *b)
{
	wake_both(b, wake_by_chord, CONSOLE);
}

void check_wake_sysrq(struct bed *b)
{
	wake_both(b, wake_by_sysrq, CONSOLE);
}

void check_wake_command(struct bed *b)
{
	wake_both(b, wake_by_command, SERIAL);
}

void check_wake_break(struct bed *b)
{
	wake_both(b, wake_by_break, SERIAL);
}

void check_wake_token(struct bed *b)
{
	wake_both(b, wake_by_token, CONSOLE);
}

void check_wake_passphrase(struct bed *b)
{
	int pid;

	guard_load(b, "");
	wake_by_token(b);
	expect_terminal(b, CONSOLE, 'A');
	bed_line_drop(b);
	wake_by_command(b);
	expect_terminal(b, SERIAL, 'B');
	need(say(b, SERIAL, "login") == REPLY_PASSPHRASE, "\"login\" says: %s", said());
	need(say_hidden(b, "open sesame 43") == REPLY_PROMPT && strstr(said(), "wrong"),
	     "a wrong one: %s", said());
	need(say(b, SERIAL, "login") == REPLY_PASSPHRASE, "\"login\" says: %s", said());
	need(say_hidden(b, PASSPHRASE) == REPLY_PROMPT && strstr(said(), "logged in"),
	     "the right one: %s", said());
	need(!strstr(b->line.text, PASSPHRASE), "it is shown: %s", b->line.text);
	pid = vm_new(b, 70, 1000, "", "0");
	need(say(b, SERIAL, "kill 70") == REPLY_ANSWER && !strstr(said(), "challenge"),
	     "\"kill\" says: %s", said());
	command(b, SERIAL, "yes");
	expect_gone(b, pid);
	pull_token(b);
	pid = vm_new(b, 71, 1000, "", "0");
	need(say(b, SERIAL, "kill 71") == REPLY_ANSWER && strstr(said(), "challenge"),
	     "without the token: %s", said());
	answer(b, SERIAL);
	expect_gone(b, pid);
	leave(b, SERIAL);
	sleep_again(b, CONSOLE);
}

void check_wake_take_over(struct bed *b)
{
	guard_load(b, "");
	bed_line_drop(b);
	wake_by_command(b);
	expect_terminal(b, SERIAL, 'A');
	/* The word is input while a terminal serves the line; BREAK still wakes the other one. */
	wake_by_break(b);
	expect_terminal(b, SERIAL, 'B');
	guard_expect(b, "A.state", 0, PROMPT_MS);
	wake_by_chord(b);
	expect_terminal(b, CONSOLE, 'A');
	leave(b, SERIAL);
	guard_expect(b, "B.state", 0, PROMPT_MS);
	wake_by_chord(b);
	expect_terminal(b, CONSOLE, 'B');
	sleep_again(b, CONSOLE);
}

void check_wake_screen(struct bed *b)
{
	char before[SCREEN_ROWS * (SCREEN_COLS + 1) + 1],
		after[SCREEN_ROWS * (SCREEN_COLS + 1) + 1];
	const char *typed;

	guard_load(b, "");
	bed_run(b, NULL,
		"printf '\\033c\\nsomebody works here\\n' >/dev/tty1; (cat /dev/tty1 >/tmp/typed "
		"&)");
	bed_screen(b, before);
	need(strstr(before, "somebody works here"), "the screen shows: %s", before);
	wake_by_chord(b);
	expect_terminal(b, CONSOLE, 'A');
	bed_screen(b, after);
	need(!strstr(after, "somebody works here"), "the dialogue is among what was there: %s",
	     after);
	command(b, CONSOLE, "help");
	sleep_again(b, CONSOLE);
	bed_screen(b, after);
	need(strcmp(before, after) == 0, "the screen was:\n%sand is:\n%s", before, after);
	bed_type(b, "typed later\n");
	expect_text(b, CONSOLE, "typed later", PROMPT_MS);
	typed = bed_run(b, NULL,
			"until grep -q later /tmp/typed; do sleep 0.1; done; cat /tmp/typed");
	need(strcmp(typed, "typed later\n") == 0, "a shell got: %s", typed);
	bed_run(b, NULL, "killall cat");
}

void check_wake_graphics(struct bed *b)
{
	guard_load(b, "");
	bed_line_drop(b);
	bed_run(b, NULL, "guard_inside graphics 1");
	wake_by_chord(b);
	expect_terminal(b, SERIAL, 'A');
	bed_run(b, NULL, "guard_inside graphics 0");
	sleep_again(b, SERIAL);
}

/* Lines that end with CR alone, or LF alone, are stairs on a terminal. */
void check_wake_lines(struct bed *b)
{
	guard_load(b, "");
	bed_line_drop(b);
	wake_by_command(b);
	expect_terminal(b, SERIAL, 'A');
	command(b, SERIAL, "help");
	for (const char *p = b->line.text; (p = strchr(p, '\n')); p++) {
		need(p > b->line.text && p[-1] == '\r', "a line ends without CR: %s", b->line.text);
	}
	sleep_again(b, SERIAL);
}

void check_wake_off(struct bed *b)
{
	guard_reload(b, "chord=0 sysrq=");
	need(guard_state(b, "sources") == 4 || guard_state(b, "sources") == 0xc, "sources are %llx",
	     (unsigned long long)guard_state(b, "sources"));
	wake_by_chord(b);
	wake_by_sysrq(b);
	bed_run(b, NULL, "sleep 2");
	need(guard_state(b, "A.wakeups") == 0 && guard_state(b, "B.wakeups") == 0,
	     "something woke a terminal");
	guard_reload(b, "");
	need(guard_state(b, "sources") & 8, "the USB token is no source");
	bed_run(b, NULL, "rmmod pinfold_guard_usb");
	need(!(guard_state(b, "sources") & 8), "the USB token is one without its module");
	guard_reload(b, "");
}

/* Suspended to RAM and woken: the firmware has reset the UART. */
void check_wake_suspend(struct bed *b)
{
	guard_load(b, "");
	bed_run(b, NULL, "echo deep >/sys/power/mem_sleep");
	bed_ask(b, "echo mem >/sys/power/state");
	for (int64_t end_ms = now_ms() + SUSPEND_MS;
	     !strstr(bed_monitor(b, "info status"), "suspended");) {
		need(now_ms() < end_ms, "the machine does not sleep");
	}
	bed_monitor(b, "system_wakeup");
	bed_answer(b, NULL, SUSPEND_MS);
	bed_line_drop(b);
	wake_by_break(b);
	expect_prompt(b, SERIAL, SUSPEND_MS);
	need(strstr(command(b, SERIAL, "status"), "terminal A: awake"), "\"status\" says: %s",
	     said());
	leave(b, SERIAL);
	guard_sleeps(b);
	wake_by_chord(b);
	guard_expect(b, "A.state", PINFOLD_GUARD_AWAKE, SUSPEND_MS);
	bed_stop(b); /* nothing in it gives the graphics card its text back */
}

/* How often the guard's threads were on a core since they were made. */
static const char *switches(struct bed *b)
{
	return bed_run(b, NULL,
		       "for t in /proc/[0-9]*; do"
		       " if grep -q '^Name:.*guard' $t/status 2>/dev/null && ! grep -q "
		       "'^Name:.*inside' $t/status; then"
		       " echo ${t##*/} $(sed -n 's/^.*ctxt_switches:\\t//p' $t/status); fi; done");
}

void check_idle(struct bed *b)
{
	char before[2048];

	guard_load(b, "");
	guard_sleeps(b);
	bed_run(b, NULL, "sleep 2");
	strncpy(before, switches(b), sizeof(before) - 1);
	before[sizeof(before) - 1] = '\0';
	need(strchr(before, '\n') && strchr(strchr(before, '\n') + 1, '\n'),
	     "fewer than two threads");
	/* What is not meant for the guard wakes nobody either. */
	for (int i = 0; i < 6; i++) {
		bed_run(b, NULL, "sleep 10");
		bed_type(b, "guard\n");
		bed_line_send(b, "guards\rguar\r\r", 13);
	}
	need(strcmp(before, switches(b)) == 0,
	     "threads, and times that they were on a core:\n%safter a minute:\n%s", before,
	     switches(b));
	note("none of the guard's threads ran in a minute");
}

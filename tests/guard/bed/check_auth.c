// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who may do what. unit/guard_auth refuses ten thousand answers of every wrong kind; here a few hundred go over the line. Two wrong
 * ones in a row are free, and a right one clears them, so back-off stays out of the way until it is meant.
 */
#include <stdio.h>
#include <string.h>

#include "checks.h"

#define ROUNDS 100

/* An answer that is not the right one for the challenge, by kind. */
static void wrong_answer(unsigned int kind, const char *challenge, const char *earlier,
			 char ret[16])
{
	char other[128];
	size_t n;

	switch (kind % 4) {
	case 0: /* one digit */
		answer_to(challenge, ret);
		ret[3] = ret[3] == '0' ? '1' : '0';
		return;
	case 1: /* replayed */
		snprintf(ret, 16, "%s", earlier);
		return;
	case 2: /* for another command */
		snprintf(other, sizeof(other), "%.1s kill 8 %s", challenge,
			 strrchr(challenge, ' ') + 1);
		break;
	default: /* of the other terminal */
		n = (size_t)snprintf(other, sizeof(other), "%s", challenge);
		need(n < sizeof(other), "a challenge that is too long");
		other[0] = other[0] == 'A' ? 'B' : 'A';
	}
	answer_to(other, ret);
}

static void refuse(struct bed *b, enum place where, const char *line, unsigned int kind,
		   const char *earlier)
{
	char challenge[128], text[16];

	need(say(b, where, line) == REPLY_ANSWER, "\"%s\" says: %s", line, said());
	challenge_in(said(), challenge);
	wrong_answer(kind, challenge, earlier, text);
	need(strstr(command(b, where, text), "wrong answer"), "a wrong answer of kind %u: %s",
	     kind % 4, said());
}

void check_auth(struct bed *b)
{
	char challenge[128], earlier[16];
	int pid;

	commands_begin(b);
	pid = vm_new(b, 7, 1000, "", "0");
	vm_new(b, 8, 1000, "", "0");
	for (unsigned int i = 0; i < ROUNDS; i++) {
		need(say(b, SERIAL, "login") == REPLY_ANSWER, "\"login\" says: %s", said());
		challenge_in(said(), challenge);
		answer_to(challenge, earlier);
		need(strstr(command(b, SERIAL, earlier), "logged in"), "the right answer: %s",
		     said());
		refuse(b, SERIAL, "kill 7", 2 * i, earlier);
		refuse(b, SERIAL, "kill 7", 2 * i + 1, earlier);
	}
	note("%d wrong answers refused, %d right ones accepted", 2 * ROUNDS, ROUNDS);
	need(!process_is_gone(b, pid), "a wrong answer killed");
	leave(b, SERIAL);
	guard_sleeps(b);
	bed_run(b, NULL, "killall -9 vm");
}

void check_auth_back_off(struct bed *b)
{
	char text[16];
	int pid;

	guard_reload(b, ""); /* nothing wrong so far */
	commands_begin(b);
	pid = vm_new(b, 7, 1000, "", "0");
	answer_to("A login 0000000000000000", text);
	for (unsigned int i = 0; i < 6; i++) {
		refuse(b, SERIAL, "kill 7", 0, text);
		for (int64_t end = now_ms() + 60000;
		     i >= 2 && i < 5 && say(b, SERIAL, "login") != REPLY_ANSWER;) {
			need(strstr(said(), "wait") && now_ms() < end, "back-off: %s", said());
		}
		if (i >= 2 && i < 5) {
			say(b, SERIAL, " ");
		}
	}
	need(say(b, SERIAL, "kill 7") == REPLY_PROMPT && strstr(said(), "too many wrong answers"),
	     "no back-off: %s", said());
	/* The other terminal is not concerned. */
	wake_by_chord(b);
	need(expect_prompt(b, CONSOLE, 20000) == 'B', "A came");
	authorised(b, CONSOLE, "kill 7");
	expect_gone(b, pid);
	leave(b, CONSOLE);
	leave(b, SERIAL);
	guard_sleeps(b);
	guard_reload(b, "");
}

/* The 30 seconds are the machine's; the unit test has the exact limit. */
void check_auth_expired(struct bed *b)
{
	char challenge[128], text[16];

	commands_begin(b);
	need(say(b, SERIAL, "login") == REPLY_ANSWER, "\"login\" says: %s", said());
	challenge_in(said(), challenge);
	answer_to(challenge, text);
	bed_run(b, NULL, "sleep 31");
	need(strstr(shown(b, SERIAL), "too late"), "after 31 s: %s", shown(b, SERIAL));
	say(b, SERIAL, text);
	need(!strstr(said(), "logged in"), "an expired answer was accepted");
	leave(b, SERIAL);
	guard_sleeps(b);
}

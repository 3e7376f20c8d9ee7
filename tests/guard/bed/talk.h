/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A person at a terminal of the guard: wakes it, types commands, computes answers (docs/guard.md, "Authority"). */
#ifndef PINFOLD_TESTS_GUARD_BED_TALK_H
#define PINFOLD_TESTS_GUARD_BED_TALK_H

#include "drive.h"

/** Where a dialogue takes place. */
enum place { SERIAL, CONSOLE };

/** The key that every test loads, as the key file says it. */
#define KEY_HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/** What a person can get when a line is answered. */
enum reply {
	REPLY_PROMPT, /**< the next command can come */
	REPLY_ANSWER, /**< a challenge wants its answer, or a question its yes */
	REPLY_PASSPHRASE,
	REPLY_MORE, /**< a page was full */
};

/** Press the chord. */
void wake_by_chord(struct bed *b);
/** Press the guard's SysRq key. */
void wake_by_sysrq(struct bed *b);
/** Say "guard" on the serial line. */
void wake_by_command(struct bed *b);
/** Send BREAK on the serial line. */
void wake_by_break(struct bed *b);

/**
 * Wait for a prompt at the end of what a place shows.
 * @return the terminal that it is of, 'A' or 'B'
 */
char expect_prompt(struct bed *b, enum place where, int timeout_ms);

/** Forget what the serial line said, wake a terminal by a command there, and wait for its prompt. @return the terminal */
char dialogue_begin(struct bed *b);

/** Wait until the place shows a text. */
void expect_text(struct bed *b, enum place where, const char *text, int timeout_ms);

/** Everything that the place shows: the screen, or what the line has said since bed_line_drop(). Valid until the next call. */
const char *shown(struct bed *b, enum place where);

/** Type a line and wait until there is something to answer. @return what the place wants now */
enum reply say(struct bed *b, enum place where, const char *line);

/** The same for what is not shown while it is typed, on the serial line. */
enum reply say_hidden(struct bed *b, const char *line);

/** What was shown in answer to the last say(), without the line itself and the prompt. */
const char *said(void);

/** A command that needs no answer. @return what it showed, as said() */
const char *command(struct bed *b, enum place where, const char *line);

/** Answer the challenge that the last say() got. @return what was shown in the end */
const char *answer(struct bed *b, enum place where);

/** A command with its challenge, answered with the key. @return what it showed in the end */
const char *authorised(struct bed *b, enum place where, const char *line);

/**
 * The answer to a challenge as a person reads it ("A kill 7 0001-8KQ2-9XKM-PA3C"): computed from the document, without a line of the
 * guard's own code.
 */
void answer_to(const char *challenge, char ret[16]);

/** The challenge in a text, without what is around it. */
void challenge_in(const char *text, char ret[128]);

/** End a dialogue: "exit". guard_sleeps() waits for the end. */
void leave(struct bed *b, enum place where);

#endif

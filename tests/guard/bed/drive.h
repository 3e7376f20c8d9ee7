/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with the guard in it, seen from outside: QEMU, its monitor (keys, USB, the screen), the guard's serial line, and
 * a shell inside that answers while the machine is in order.
 *
 * Whatever goes wrong ends the running check: fail() writes the reason and returns to check_run(). So callers need no error
 * paths; what belongs to the machine is released by bed_stop().
 */
#ifndef PINFOLD_TESTS_GUARD_BED_DRIVE_H
#define PINFOLD_TESTS_GUARD_BED_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCREEN_ROWS 25
#define SCREEN_COLS 80

/** The part of a stream that was read and not yet dropped; text always has a NUL after it. */
struct stream {
	int fd;
	size_t used, size;
	char *text;
};

struct bed {
	char dir[64]; /**< sockets, what the console said, a copy of the screen */
	pid_t qemu;
	struct stream replies, line, agent;
};

/** What to start: paths and QEMU's command line as far as scripts/test-guard knows it. */
struct bed_options {
	const char *const *qemu;
	size_t qemu_words;
	const char *
		dir; /**< where files of the machine may be; the caller removes what a killed program leaves there */
	const char *kernel, *image, *append;
	/**
	 * 0: a stock kernel. Else one that checks itself: everything on it may take so many times as long, and how long
	 * something took says nothing about the guard.
	 */
	unsigned int slowness;
};

/** Start a machine and wait until its shell answers. @param b zeroed, or of an earlier machine that was stopped */
void bed_start(struct bed *b, const struct bed_options *o);

/** End it. Nothing happens when there is none. */
void bed_stop(struct bed *b);

/** Whether a machine runs. */
bool bed_is_up(const struct bed *b);

/** Milliseconds of the clock by which this side waits: a slow one for a slow machine, so that no limit has to know. */
int64_t now_ms(void);

/**
 * Have the monitor do something.
 * @param format of one line in QEMU's human monitor protocol
 * @return what it said; valid until the next call
 */
const char *bed_monitor(struct bed *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** How long all of QEMU's threads together have waited for a processor of the host. */
int64_t bed_stolen_ns(const struct bed *b);

/** Whether the machine's kernel checks itself. */
bool bed_checks_itself(void);

/**
 * Judge a time that was taken inside. What is late, and was not held up by the host for at least as long, fails the check. Nothing is
 * late on a kernel that checks itself.
 * @param stolen_ns growth of bed_stolen_ns() meanwhile
 * @return whether it was in time; else the host may be to blame, which is noted
 */
bool bed_in_time(int64_t ns, int64_t limit_ns, int64_t stolen_ns);

/**
 * Run a shell command inside.
 * @param ret_status its exit status; NULL: anything but 0 fails the check
 * @return its output, NUL-terminated; valid until the next call
 */
const char *bed_run(struct bed *b, int *ret_status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** The same as bed_run(), without waiting: bed_answer() takes the answer later. */
void bed_ask(struct bed *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The answer to bed_ask(). @param timeout_ms how long it may take from now on */
const char *bed_answer(struct bed *b, int *ret_status, int timeout_ms);

/** Whether an answer to bed_ask() has begun to come. */
bool bed_has_answer(struct bed *b);

/** Send bytes to the guard's serial line. */
void bed_line_send(struct bed *b, const void *bytes, size_t n);

/** Take what the serial line has said by now; waits up to @p timeout_ms when it is silent. The text is b->line.text. */
void bed_line_poll(struct bed *b, int timeout_ms);

/** Forget what the serial line has said. */
void bed_line_drop(struct bed *b);

/** BREAK on the serial line. */
void bed_line_break(struct bed *b);

/** The text screen: rows without blanks at their ends, each with a newline. */
void bed_screen(struct bed *b, char ret[SCREEN_ROWS * (SCREEN_COLS + 1) + 1]);

/** Press keys together, as QEMU's "sendkey" names them, and let them go. */
void bed_key(struct bed *b, const char *keys);

/** Type text: printable ASCII; a newline is Enter. */
void bed_type(struct bed *b, const char *text);

/** End the running check with a reason. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** End the running check unless @p condition holds. */
#define need(condition, ...)               \
	do {                               \
		if (!(condition)) {        \
			fail(__VA_ARGS__); \
		}                          \
	} while (0)

/** Text for the person watching, below the check that passes. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Run a check, and print how it went. @return whether it passed */
bool check_run(const char *name, void (*run)(struct bed *b), struct bed *b);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who talks where. Two terminals, A and B, equal in rights; two channels, the serial line and the
 * console; and a few kernel threads, of which two are terminals and the others wait to replace one (no
 * thread can be made while every core is hogged, so they are made before). Decisions only: events in,
 * actions out, no clock, no memory, no waiting. The caller serialises calls; interrupt handlers make them.
 *
 * Rules
 *  1. A wake-up on a channel that nobody serves: the first terminal that is asleep serves it, A before B.
 *  2. On a channel that a terminal serves: the other terminal takes it over if it is asleep, and the first
 *     is told to leave (it goes to sleep when it can; if it hangs in a command, its deadline ends that).
 *     If the other one is awake elsewhere, nothing changes, but the serving one is told to show itself.
 *  3. A terminal whose thread dies, or overruns its deadline, goes on with a spare thread at once, on the
 *     same channel, with a new dialogue. Without a spare it is gone, and the other terminal, if asleep,
 *     takes its channel; it comes back with the first thread that gets ready. A channel that finds no
 *     terminal at all waits, and gets the first that can.
 *  4. A thread that overran is abandoned: whatever it does later concerns nobody. If it ever returns, it ends.
 *  5. For every thread used up a new one is asked for, so that ARBITER_THREADS are there again.
 * An event that can't be, of a thread that is none, changes nothing.
 */
#ifndef PINFOLD_GUARD_ARBITER_H
#define PINFOLD_GUARD_ARBITER_H

#include "port.h"

#define ARBITER_TERMINALS 2
#define ARBITER_CHANNELS  2
#define ARBITER_THREADS	  8 /* terminals and spares */
#define ARBITER_ACTIONS	  8 /* the most that one event leads to */
#define ARBITER_NONE	  0xffu

enum arbiter_channel { ARBITER_SERIAL, ARBITER_CONSOLE };

enum arbiter_thread_state {
	ARBITER_EMPTY,	 /* no such thread; one may be being made */
	ARBITER_SPARE,	 /* asleep, ready */
	ARBITER_ASLEEP,	 /* is a terminal, serves nothing */
	ARBITER_AWAKE,	 /* is a terminal, serves a channel */
	ARBITER_LEAVING, /* was told to leave its channel, has not yet said that it did */
};

struct arbiter_thread {
	u8 state;    /* enum arbiter_thread_state */
	u8 terminal; /* 0 A, 1 B; ARBITER_NONE */
	u8 channel;  /* which it serves; ARBITER_NONE */
};

struct arbiter {
	struct arbiter_thread threads[ARBITER_THREADS];
	u8 thread_of[ARBITER_TERMINALS];   /* ARBITER_NONE: gone */
	u8 terminal_of[ARBITER_CHANNELS];  /* ARBITER_NONE: nobody serves it */
	bool is_waiting[ARBITER_CHANNELS]; /* somebody is there, and no terminal could be had */
	u32 deaths[ARBITER_TERMINALS];
	u32 wakeups[ARBITER_TERMINALS]; /* dialogues begun */
};

enum arbiter_do {
	ARBITER_SERVE,	/* thread: begin a new dialogue on channel as terminal */
	ARBITER_BECOME, /* thread: be terminal, asleep */
	/* thread: print the prompt again. It does that before it says arbiter_slept(). */
	ARBITER_SHOW,
	/* thread: end the dialogue and say arbiter_slept(). The channel is another's already. */
	ARBITER_LEAVE,
	ARBITER_ABANDON, /* thread: hangs; it is no longer ours, its place is free */
	ARBITER_SPAWN,	 /* thread: make one for this place when that is possible */
};

struct arbiter_action {
	u8 what; /* enum arbiter_do */
	u8 thread, terminal, channel;
};

/* What is to be done, in this order. Each event begins a new list. */
struct arbiter_actions {
	u32 count;
	struct arbiter_action list[ARBITER_ACTIONS];
};

/** No threads yet: asks for all of them. */
void arbiter_init(struct arbiter *a, struct arbiter_actions *ret);

/** The thread that was asked for @p thread, an empty place, was made and is ready. */
void arbiter_ready(struct arbiter *a, u8 thread, struct arbiter_actions *ret);

/** Somebody is at @p channel. */
void arbiter_wake(struct arbiter *a, enum arbiter_channel channel, struct arbiter_actions *ret);

/** A terminal has ended its dialogue: told to, or by itself (idle, "exit"). */
void arbiter_slept(struct arbiter *a, u8 thread, struct arbiter_actions *ret);

/** The thread has died; or it was asked for and could not be made: then it is asked for again. */
void arbiter_died(struct arbiter *a, u8 thread, struct arbiter_actions *ret);

/** The thread did not come back within its deadline. */
void arbiter_overran(struct arbiter *a, u8 thread, struct arbiter_actions *ret);

/** Whether everything that must always hold does: for tests and models. */
bool arbiter_is_sane(const struct arbiter *a);

#endif

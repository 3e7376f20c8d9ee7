// SPDX-License-Identifier: GPL-2.0
#include "arbiter.h"

static const struct arbiter_thread nobody = {
	.state = ARBITER_EMPTY,
	.terminal = ARBITER_NONE,
	.channel = ARBITER_NONE,
};

static void act(struct arbiter_actions *ret, enum arbiter_do what, u8 thread, u8 terminal,
		u8 channel)
{
	BUG_ON(ret->count == ARBITER_ACTIONS);
	ret->list[ret->count++] = (struct arbiter_action){
		.what = (u8)what,
		.thread = thread,
		.terminal = terminal,
		.channel = channel,
	};
}

static void spawn(struct arbiter_actions *ret, u8 thread)
{
	act(ret, ARBITER_SPAWN, thread, ARBITER_NONE, ARBITER_NONE);
}

static u8 spare_thread(const struct arbiter *a)
{
	for (u8 t = 0; t < ARBITER_THREADS; t++)
		if (a->threads[t].state == ARBITER_SPARE)
			return t;
	return ARBITER_NONE;
}

static bool is_asleep(const struct arbiter *a, u8 terminal)
{
	u8 thread = a->thread_of[terminal];

	return thread != ARBITER_NONE && a->threads[thread].state == ARBITER_ASLEEP;
}

static u8 sleeping_terminal(const struct arbiter *a)
{
	for (u8 i = 0; i < ARBITER_TERMINALS; i++)
		if (is_asleep(a, i))
			return i;
	return ARBITER_NONE;
}

static u8 waiting_channel(const struct arbiter *a)
{
	for (u8 c = 0; c < ARBITER_CHANNELS; c++)
		if (a->is_waiting[c])
			return c;
	return ARBITER_NONE;
}

static void serve(struct arbiter *a, u8 terminal, u8 channel, struct arbiter_actions *ret)
{
	u8 thread = a->thread_of[terminal];

	a->threads[thread].state = ARBITER_AWAKE;
	a->threads[thread].channel = channel;
	a->terminal_of[channel] = terminal;
	a->is_waiting[channel] = false;
	a->wakeups[terminal]++;
	act(ret, ARBITER_SERVE, thread, terminal, channel);
}

/* The terminal goes on with this thread: on the channel, or asleep if that is ARBITER_NONE. */
static void put_in(struct arbiter *a, u8 terminal, u8 thread, u8 channel,
		   struct arbiter_actions *ret)
{
	a->thread_of[terminal] = thread;
	a->threads[thread].terminal = terminal;
	a->threads[thread].state = ARBITER_ASLEEP;
	if (channel == ARBITER_NONE)
		act(ret, ARBITER_BECOME, thread, terminal, ARBITER_NONE);
	else
		serve(a, terminal, channel, ret);
}

/* The terminal has lost its thread. */
static void replace(struct arbiter *a, u8 terminal, u8 channel, struct arbiter_actions *ret)
{
	u8 thread = spare_thread(a);
	u8 other = sleeping_terminal(a);

	if (thread != ARBITER_NONE)
		put_in(a, terminal, thread, channel, ret);
	else if (channel != ARBITER_NONE && other != ARBITER_NONE)
		serve(a, other, channel, ret);
}

/* A thread is no more. */
static void lose(struct arbiter *a, u8 thread, struct arbiter_actions *ret)
{
	struct arbiter_thread was = a->threads[thread];

	a->threads[thread] = nobody;
	if (was.terminal != ARBITER_NONE) {
		u8 channel = waiting_channel(a);

		a->deaths[was.terminal]++;
		a->thread_of[was.terminal] = ARBITER_NONE;
		if (was.state == ARBITER_AWAKE) {
			channel = was.channel;
			a->terminal_of[channel] = ARBITER_NONE;
			a->is_waiting[channel] = true;
		}
		replace(a, was.terminal, channel, ret);
	}
	spawn(ret, thread);
}

void arbiter_init(struct arbiter *a, struct arbiter_actions *ret)
{
	memset(a, 0, sizeof(*a));
	memset(a->thread_of, ARBITER_NONE, sizeof(a->thread_of));
	memset(a->terminal_of, ARBITER_NONE, sizeof(a->terminal_of));
	ret->count = 0;
	for (u8 t = 0; t < ARBITER_THREADS; t++) {
		a->threads[t] = nobody;
		spawn(ret, t);
	}
}

void arbiter_ready(struct arbiter *a, u8 thread, struct arbiter_actions *ret)
{
	ret->count = 0;
	if (thread >= ARBITER_THREADS || a->threads[thread].state != ARBITER_EMPTY)
		return;
	a->threads[thread].state = ARBITER_SPARE;
	for (u8 i = 0; i < ARBITER_TERMINALS; i++) {
		if (a->thread_of[i] == ARBITER_NONE) {
			put_in(a, i, thread, waiting_channel(a), ret);
			return;
		}
	}
}

void arbiter_wake(struct arbiter *a, enum arbiter_channel channel, struct arbiter_actions *ret)
{
	u8 serving, other;

	ret->count = 0;
	if ((unsigned int)channel >= ARBITER_CHANNELS)
		return;
	serving = a->terminal_of[channel];
	other = sleeping_terminal(a);
	if (serving == ARBITER_NONE && other == ARBITER_NONE) {
		a->is_waiting[channel] = true;
	} else if (other == ARBITER_NONE) {
		act(ret, ARBITER_SHOW, a->thread_of[serving], serving, (u8)channel);
	} else {
		if (serving != ARBITER_NONE) {
			a->threads[a->thread_of[serving]].state = ARBITER_LEAVING;
			act(ret, ARBITER_LEAVE, a->thread_of[serving], serving, (u8)channel);
		}
		serve(a, other, (u8)channel, ret);
	}
}

void arbiter_slept(struct arbiter *a, u8 thread, struct arbiter_actions *ret)
{
	struct arbiter_thread *t;
	u8 channel;

	ret->count = 0;
	if (thread >= ARBITER_THREADS)
		return;
	t = &a->threads[thread];
	if (t->state != ARBITER_AWAKE && t->state != ARBITER_LEAVING)
		return;
	if (t->state == ARBITER_AWAKE)
		a->terminal_of[t->channel] = ARBITER_NONE;
	t->state = ARBITER_ASLEEP;
	t->channel = ARBITER_NONE;
	channel = waiting_channel(a);
	if (channel != ARBITER_NONE)
		serve(a, t->terminal, channel, ret);
}

void arbiter_died(struct arbiter *a, u8 thread, struct arbiter_actions *ret)
{
	ret->count = 0;
	if (thread < ARBITER_THREADS)
		lose(a, thread, ret);
}

void arbiter_overran(struct arbiter *a, u8 thread, struct arbiter_actions *ret)
{
	ret->count = 0;
	if (thread >= ARBITER_THREADS || a->threads[thread].state == ARBITER_EMPTY)
		return;
	act(ret, ARBITER_ABANDON, thread, a->threads[thread].terminal, ARBITER_NONE);
	lose(a, thread, ret);
}

static bool is_thread_sane(const struct arbiter *a, u8 thread)
{
	const struct arbiter_thread *t = &a->threads[thread];

	switch (t->state) {
	case ARBITER_EMPTY:
	case ARBITER_SPARE:
		return t->terminal == ARBITER_NONE && t->channel == ARBITER_NONE;
	case ARBITER_ASLEEP:
		return t->terminal < ARBITER_TERMINALS && a->thread_of[t->terminal] == thread &&
		       t->channel == ARBITER_NONE;
	case ARBITER_AWAKE:
	case ARBITER_LEAVING:
		return t->terminal < ARBITER_TERMINALS && a->thread_of[t->terminal] == thread &&
		       t->channel < ARBITER_CHANNELS &&
		       (a->terminal_of[t->channel] == t->terminal) == (t->state == ARBITER_AWAKE);
	default:
		return false;
	}
}

/* A terminal has a thread that says so, or none because there is none to be had. */
static bool is_terminal_sane(const struct arbiter *a, u8 terminal)
{
	u8 thread = a->thread_of[terminal];

	if (thread == ARBITER_NONE)
		return spare_thread(a) == ARBITER_NONE;
	return thread < ARBITER_THREADS && a->threads[thread].terminal == terminal;
}

/* A channel is served by a terminal that says so; or it waits because none is to be had; or is free. */
static bool is_channel_sane(const struct arbiter *a, u8 channel)
{
	u8 terminal = a->terminal_of[channel];
	const struct arbiter_thread *t;

	if (terminal == ARBITER_NONE)
		return !a->is_waiting[channel] || sleeping_terminal(a) == ARBITER_NONE;
	if (a->is_waiting[channel] || terminal >= ARBITER_TERMINALS ||
	    a->thread_of[terminal] == ARBITER_NONE)
		return false;
	t = &a->threads[a->thread_of[terminal]];
	return t->state == ARBITER_AWAKE && t->channel == channel;
}

bool arbiter_is_sane(const struct arbiter *a)
{
	for (u8 t = 0; t < ARBITER_THREADS; t++)
		if (!is_thread_sane(a, t))
			return false;
	for (u8 i = 0; i < ARBITER_TERMINALS; i++)
		if (!is_terminal_sane(a, i))
			return false;
	for (u8 c = 0; c < ARBITER_CHANNELS; c++)
		if (!is_channel_sane(a, c))
			return false;
	return true;
}

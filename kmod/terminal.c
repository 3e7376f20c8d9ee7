// SPDX-License-Identifier: GPL-2.0
/*
 * A dialogue between a thread and a channel. terminal_talk() runs in the thread, terminal_close() in the one that
 * buries dead threads; both without locks.
 *
 * A dialogue holds a reference to the module. It therefore can't be unloaded while somebody talks; a thread that
 * hangs keeps the reference until it ends.
 *
 * While the session works the thread's deadline runs; while its text is sent it does not: a slow line is no hang.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/spinlock.h>

#include "channel.h"
#include "main.h"
#include "threads.h"

#define CHUNK_BYTES 64 /* sent before the next look whether somebody took over */

static const struct channel *const channels[ARBITER_CHANNELS] = {
	[ARBITER_SERIAL] = &uart_channel,
	[ARBITER_CONSOLE] = &console_channel,
};

/* A thread that is to leave and its successor never read at once. */
static DEFINE_RAW_SPINLOCK(read_lock);

void terminal_wake_any(const char *source)
{
	if (console_channel.is_usable()) {
		terminal_wake(ARBITER_CONSOLE, source);
		return;
	}
	if (uart_channel.is_usable()) {
		pr_info("woken by %s: the console can't be written, see the serial line\n", source);
		terminal_wake(ARBITER_SERIAL, source);
		return;
	}
	pr_info("woken by %s, but neither console nor serial line can be used\n", source);
}

void terminal_close(u8 channel)
{
	channels[channel]->close();
}

static void send(const struct thread *t, const struct text *out)
{
	for (size_t at = 0; at < out->used && threads_serves(t); at += CHUNK_BYTES)
		channels[t->channel]->write(out->buf + at,
					    min(out->used - at, (size_t)CHUNK_BYTES));
}

static bool take_byte(const struct thread *t, u8 *ret)
{
	unsigned long flags;
	bool has;

	raw_spin_lock_irqsave(&read_lock, flags);
	has = threads_serves(t) && channels[t->channel]->read(ret, 1) == 1;
	raw_spin_unlock_irqrestore(&read_lock, flags);
	return has;
}

/* One step of the session: a byte, or NULL: time has passed. Returns whether the dialogue goes on. */
static bool step(struct thread *t, const u8 *byte)
{
	struct text out;
	bool goes_on, is_served;

	if (byte && (*byte == '\r' || *byte == '\n'))
		device_tidy();
	text_init(&out, t->out, sizeof(t->out));
	threads_begin_command(t);
	goes_on = byte ? session_byte(&t->session, *byte, &out) : session_tick(&t->session, &out);
	is_served = threads_end_command(t);
	device_changed(); /* also by a command that was given up */
	if (!is_served)
		return false;
	send(t, &out);
	return goes_on;
}

static void show(struct thread *t)
{
	struct text out;

	main_log(PINFOLD_GUARD_LOG_WAKE, t->terminal, 0, t->source);
	text_init(&out, t->out, sizeof(t->out));
	session_show(&t->session, &out);
	send(t, &out);
}

static void begin(struct thread *t)
{
	struct guard_actor who = {
		.guard = &main_guard,
		.terminal = t->terminal,
		.channel = t->channel == ARBITER_SERIAL ? 's' : 'c',
		.holder = t,
	};
	struct text out;

	channels[t->channel]->open();
	text_init(&out, t->out, sizeof(t->out));
	session_begin(&t->session, &who, t->source, &out);
	send(t, &out);
}

/* Returns the orders that ended it; 0: the dialogue is over by itself, or the thread was given up. */
static u32 converse(struct thread *t)
{
	u64 until_ns = 0;
	u8 byte;

	for (;;) {
		u32 orders = threads_wait(t, until_ns);
		bool has_byte;

		if (orders & (THREADS_LEAVE | THREADS_END))
			return orders;
		if (orders & THREADS_SHOW)
			show(t);
		has_byte = take_byte(t, &byte);
		until_ns = session_deadline_ns(&t->session);
		if (!has_byte && until_ns > ktime_get_boottime_ns())
			continue;
		if (!step(t, has_byte ? &byte : NULL))
			return 0;
		until_ns = 0;
	}
}

void terminal_talk(struct thread *t)
{
	u8 channel = t->channel;
	u32 orders;

	if (!try_module_get(THIS_MODULE)) { /* it is being unloaded */
		threads_slept(t);
		return;
	}
	t->has_module = true;
	device_tidy();
	begin(t);
	orders = converse(t);
	if (!threads_is_current(t) || orders & THREADS_END)
		return;
	session_end(&t->session, orders & THREADS_LEAVE ? "the other terminal took over" : NULL);
	threads_slept(t);
	terminal_close(channel);
	t->has_module = false;
	module_put(THIS_MODULE);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a dialogue takes place: the serial line (uart.c) or the console (keys.c, screen.c). Channels know
 * nothing of dialogues; terminal.c knows nothing of hardware.
 */
#ifndef PINFOLD_GUARD_CHANNEL_H
#define PINFOLD_GUARD_CHANNEL_H

#include <linux/types.h>

#include "core/arbiter.h"

struct channel {
	/* Whether a dialogue can take place here now: there is a UART; the screen shows text. Any context. */
	bool (*is_usable)(void);
	/*
	 * A dialogue begins (keys come here, the screen is kept), or nobody serves the channel any more. A
	 * thread that takes the channel over opens it again; a close that comes late, when somebody serves
	 * the channel by then, does nothing. Thread context; neither waits for anything that others hold.
	 */
	void (*open)(void);
	void (*close)(void);
	/* Take up to n bytes that were typed; does not wait. One reader at a time. */
	size_t (*read)(u8 *buf, size_t n);
	/*
	 * Send text, whose lines end with LF; waits while the line is busy, but never for ever: what can't be sent
	 * in 5 s is dropped.
	 */
	void (*write)(const char *text, size_t n);
};

extern const struct channel uart_channel, console_channel;

/*
 * What the module calls at load and unload, in this order and back. Each takes its own module parameters; an
 * init whose parameters switch it off returns 0 and its exit does nothing then.
 */
int uart_init(void);
void uart_exit(void);
int screen_init(void);
void screen_exit(void);
int keys_init(void);
void keys_exit(void);
int sysrq_init(void);
void sysrq_exit(void);

/* Sources that are on: PINFOLD_GUARD_CHORD ... bits. */
u32 uart_sources(void);
u32 keys_sources(void);
u32 sysrq_sources(void);

/* In terminal.c, for channels and wake-up sources; any context, also hard interrupts. */

/* Somebody is there. source is a constant: "chord", "sysrq", "command", "break", "token". */
void terminal_wake(enum arbiter_channel channel, const char *source);
/* The same for sources that belong to no channel: the console if it is usable, else the serial line. */
void terminal_wake_any(const char *source);
/* Bytes can be read. Wakes the thread that serves the channel, if one does. */
void terminal_input(enum arbiter_channel channel);
/* Whether a terminal serves the channel: bytes are input then, not something to wake up by. */
bool terminal_is_served(enum arbiter_channel channel);
/* The core that terminals are bound to. Interrupts of channels go there. Known before uart_init(). */
u32 terminal_core(void);

/* In main.c, exported for the USB module: whether the token is there, and whether somebody looks for it. */
void pinfold_guard_token(bool is_present, bool is_watched);

#endif

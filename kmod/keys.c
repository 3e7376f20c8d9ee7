// SPDX-License-Identifier: GPL-2.0
/*
 * The keyboard: the chord that wakes a terminal, and the bytes typed in a dialogue on the console.
 *
 * A notifier of the kernel's keyboard driver sees every key of every keyboard, whenever it was plugged
 * in, in the keyboard's interrupt, under a spinlock of that driver. It sees them translated by the keymap
 * that was loaded, so that the letters on the keys are those that count, and may keep them from the
 * virtual terminals. Grabbing input devices instead would need their mutexes: a task that holds one may
 * never run again while real-time tasks hog every core.
 *
 * While a terminal serves the console and the screen shows it, no key does anything but here. Keys that
 * shift, caps lock, num lock and whatever is let go are passed on, so that none of them seems to be held
 * down afterwards. SysRq keys never come here: they go on working.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/input-event-codes.h>
#include <linux/keyboard.h>
#include <linux/kfifo.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>

#include "console.h"
#include "core/chord.h"
#include "uapi/pinfold_guard.h"

static bool has_chord = true;
module_param_named(chord, has_chord, bool, 0444);
MODULE_PARM_DESC(chord, "whether a key chord wakes a terminal: Ctrl + Alt + Shift + chord_key");

static char *chord_key = "g";
module_param(chord_key, charp, 0444);
MODULE_PARM_DESC(chord_key, "the letter of the key chord, a to z where a US keyboard has it");

static struct {
	raw_spinlock_t lock; /* all of it */
	struct chord chord;
	DECLARE_KFIFO(typed, u8, 256);
} keys = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(keys.lock),
};

/* The byte that a keypad key types, whatever num lock says. */
static u8 keys_of_pad(u8 value)
{
	static const char pad[] = "0123456789+-*/\r,.";

	return value < sizeof(pad) - 1 ? pad[value] : 0;
}

/* A key was pressed, and means keysym to a virtual terminal: the byte that it types, or 0. */
static u8 keys_translate(unsigned long action, unsigned int keysym)
{
	if (action == KBD_UNICODE)
		return keysym < 0x80 ? keysym : 0;
	switch (KTYP(keysym) & 0x0f) {
	case KT_LATIN:
	case KT_LETTER:
		return KVAL(keysym) < 0x80 ? KVAL(keysym) : 0;
	case KT_PAD:
		return keys_of_pad(KVAL(keysym));
	case KT_SPEC:
		return KVAL(keysym) == KVAL(K_ENTER) ? '\r' : 0;
	default:
		return 0;
	}
}

/* Whether the virtual terminals have to know of this key although the dialogue has the keyboard. */
static bool keys_is_passed_on(unsigned long action, const struct keyboard_notifier_param *param)
{
	if (!param->down)
		return true;
	if (action == KBD_UNICODE)
		return false;
	switch (KTYP(param->value) & 0x0f) {
	case KT_SHIFT:
	case KT_LOCK:
	case KT_SLOCK:
		return true;
	case KT_SPEC:
		switch (KVAL(param->value)) {
		case KVAL(K_CAPS):
		case KVAL(K_CAPSON):
		case KVAL(K_NUM):
		case KVAL(K_BARENUMLOCK):
			return true;
		}
	}
	return false;
}

static int keys_watch_chord(const struct keyboard_notifier_param *param)
{
	bool is_chord;

	raw_spin_lock(&keys.lock);
	is_chord = chord_event(&keys.chord, param->value, param->down);
	raw_spin_unlock(&keys.lock);
	if (!is_chord || !has_chord)
		return NOTIFY_OK;
	terminal_wake_any("chord");
	return NOTIFY_STOP;
}

static int keys_type(unsigned long action, const struct keyboard_notifier_param *param)
{
	bool is_typed;
	u8 byte;

	if (!terminal_is_served(ARBITER_CONSOLE) || !console_channel.is_usable() ||
	    keys_is_passed_on(action, param))
		return NOTIFY_OK;
	byte = keys_translate(action, param->value);
	raw_spin_lock(&keys.lock);
	is_typed = byte && kfifo_put(&keys.typed, byte);
	raw_spin_unlock(&keys.lock);
	if (is_typed)
		terminal_input(ARBITER_CONSOLE);
	return NOTIFY_STOP;
}

/* In the keyboard's interrupt, with interrupts off. */
static int keys_notify(struct notifier_block *unused, unsigned long action, void *data)
{
	switch (action) {
	case KBD_KEYCODE:
		return keys_watch_chord(data);
	case KBD_UNICODE:
	case KBD_KEYSYM:
		return keys_type(action, data);
	default:
		return NOTIFY_OK;
	}
}

static struct notifier_block keys_block = {
	.notifier_call = keys_notify,
};

size_t keys_read(u8 *buf, size_t n)
{
	unsigned long flags;
	size_t taken;

	raw_spin_lock_irqsave(&keys.lock, flags);
	taken = kfifo_out(&keys.typed, buf, n);
	raw_spin_unlock_irqrestore(&keys.lock, flags);
	return taken;
}

void keys_forget(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&keys.lock, flags);
	kfifo_reset(&keys.typed);
	raw_spin_unlock_irqrestore(&keys.lock, flags);
}

u32 keys_sources(void)
{
	return has_chord ? PINFOLD_GUARD_CHORD : 0;
}

/* The code of a letter's key; 0: no such letter. */
static u16 keys_code_of(const char *letter)
{
	static const struct {
		const char *letters;
		u16 first;
	} rows[] = {
		{ "qwertyuiop", KEY_Q },
		{ "asdfghjkl", KEY_A },
		{ "zxcvbnm", KEY_Z },
	};
	size_t i;

	if (strlen(letter) != 1)
		return 0;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *at = strchr(rows[i].letters, *letter);

		if (at)
			return rows[i].first + (at - rows[i].letters);
	}
	return 0;
}

int keys_init(void)
{
	u16 code = keys_code_of(chord_key);

	if (!code) {
		pr_err("chord_key=%s: one letter, a to z, is needed\n", chord_key);
		return -EINVAL;
	}
	chord_init(&keys.chord, code);
	INIT_KFIFO(keys.typed);
	return register_keyboard_notifier(&keys_block);
}

void keys_exit(void)
{
	unregister_keyboard_notifier(&keys_block);
}

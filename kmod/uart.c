// SPDX-License-Identifier: GPL-2.0
/*
 * The serial line: a 16550A that the module drives itself, uart=IO,IRQ. The tty layer would hand input
 * on by a work queue, which never runs while real-time tasks hog every core; here the interrupt handler
 * does all there is to do, on the control core.
 *
 * While nobody serves the channel the handler looks for a line "guard" and for BREAK, and wakes nobody
 * for anything else. BREAK always wakes, also when the line is served: that is how somebody gets away
 * from a terminal that hangs.
 *
 * The interrupt is not shared: an ISA line is edge-triggered, and the guard's must not depend on the
 * handler of another driver. It is not moved by user space (IRQF_NOBALANCING) and never becomes a thread
 * (IRQF_NO_THREAD: "threadirqs" would make it a task of priority 50).
 *
 * One interrupt moves UART_BUDGET bytes at most. If more are waiting, which at line speed can't be, the
 * UART is silenced for a millisecond: a virtual or a broken one can't keep the core in the handler. When
 * its interrupts are switched on again the request line rises anew, so no edge is lost.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kfifo.h>
#include <linux/moduleparam.h>
#include <linux/serial_reg.h>
#include <linux/spinlock.h>
#include <linux/suspend.h>
#include <linux/swait.h>

#include "channel.h"
#include "uapi/pinfold_guard.h"

static char *uart_setting = "";
module_param_named(uart, uart_setting, charp, 0444);
MODULE_PARM_DESC(uart, "16550A of the serial line as IO,IRQ, e.g. 0x2f8,3; empty: none");

static unsigned int baud = 115200;
module_param(baud, uint, 0444);
MODULE_PARM_DESC(baud, "speed of the serial line, 1200 to 115200; 8 bits, no parity");

#define UART_PORTS	  8
#define UART_FIFO_BYTES	  16
#define UART_BUDGET	  64 /* bytes per interrupt; at 115,200 baud 12 arrive in a millisecond */
#define UART_PAUSE_NS	  NSEC_PER_MSEC
#define UART_WRITE_WAIT	  (5 * HZ)
#define UART_BREAK_WAIT	  (HZ / 4) /* BREAKs closer to each other are one */
#define UART_TEST_WAIT	  (HZ / 2)
#define UART_LINE_ERRORS  (UART_LSR_OE | UART_LSR_PE | UART_LSR_FE)
#define UART_IIR_16550A	  0xc0 /* its FIFOs are on and work */
#define UART_SOMETHING_IN (UART_LSR_DR | UART_LSR_BI)

static const char wake_word[] = "guard";
#define WAKE_NEVER 0xffu /* the rest of this line is not the word */

static struct {
	raw_spinlock_t lock; /* everything below, and the UART's registers */
	u16 io;
	unsigned int irq;
	bool is_on;    /* there is a UART, and we have its interrupt */
	bool is_dead;  /* interrupts stay off: being tested, or on the way out */
	bool was_seen; /* the interrupt came at least once */
	bool is_paused;
	bool skips_lf;		  /* the last byte was the CR of a wake-up */
	u8 word_pos;		  /* how much of wake_word this line is so far; WAKE_NEVER */
	u32 lost_bytes;		  /* of input, since the dialogue began */
	unsigned long last_break; /* jiffies */
	struct hrtimer pause;
	struct swait_queue_head writable;
	DECLARE_KFIFO(rx, u8, 1024);
	DECLARE_KFIFO(tx, u8, 4096);
} uart = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(uart.lock),
	.writable = __SWAIT_QUEUE_HEAD_INITIALIZER(uart.writable),
};

/* What an interrupt brought, told to the threads when the lock is no longer held. */
struct uart_news {
	bool is_served; /* bytes are input */
	bool has_input;
	const char *wake; /* by what; NULL: not */
};

static u8 uart_in(unsigned int reg)
{
	return inb(uart.io + reg);
}

static void uart_out(unsigned int reg, u8 value)
{
	outb(value, uart.io + reg);
}

/* Interrupts as they have to be now. The lock is held. */
static void uart_enable(void)
{
	u8 ier = UART_IER_RDI | UART_IER_RLSI;

	if (!kfifo_is_empty(&uart.tx) || !uart.was_seen)
		ier |= UART_IER_THRI;
	if (uart.is_dead || uart.is_paused)
		ier = 0;
	uart_out(UART_IER, ier);
}

/* Whether this byte ends a line that is the wake word. */
static bool uart_is_word(u8 byte)
{
	bool is_word;

	if (byte != '\r' && byte != '\n') {
		if (uart.word_pos < sizeof(wake_word) - 1 && byte == wake_word[uart.word_pos])
			uart.word_pos++;
		else
			uart.word_pos = WAKE_NEVER;
		return false;
	}
	is_word = uart.word_pos == sizeof(wake_word) - 1;
	uart.word_pos = 0;
	uart.skips_lf = is_word && byte == '\r';
	return is_word;
}

static void uart_take(u8 byte, u8 lsr, struct uart_news *news)
{
	if (lsr & UART_LSR_BI) {
		uart.word_pos = 0;
		if (time_after(jiffies, uart.last_break + UART_BREAK_WAIT))
			news->wake = "break";
		uart.last_break = jiffies;
		return;
	}
	if (lsr & UART_LINE_ERRORS)
		uart.lost_bytes++;
	if (uart.skips_lf) {
		uart.skips_lf = false;
		if (byte == '\n')
			return;
	}
	if (!news->is_served) {
		if (uart_is_word(byte)) {
			news->wake = "command";
			/* What was typed ahead is for the dialogue that begins now. */
			news->is_served = true;
		}
		return;
	}
	if (lsr & (UART_LSR_PE | UART_LSR_FE))
		return;
	if (kfifo_put(&uart.rx, byte))
		news->has_input = true;
	else
		uart.lost_bytes++;
}

/* The transmitter is empty: fill it. */
static unsigned int uart_fill(void)
{
	unsigned int n;
	u8 byte;

	for (n = 0; n < UART_FIFO_BYTES && kfifo_get(&uart.tx, &byte); n++)
		uart_out(UART_TX, byte);
	if (kfifo_is_empty(&uart.tx))
		uart_enable();
	if (kfifo_len(&uart.tx) <= kfifo_size(&uart.tx) / 2)
		swake_up_one(&uart.writable);
	return n;
}

/* Serve the UART until it asks for nothing, or the budget is spent. The lock is held. */
static irqreturn_t uart_serve(struct uart_news *news)
{
	irqreturn_t ret = IRQ_NONE;
	int budget = UART_BUDGET;

	while (!(uart_in(UART_IIR) & UART_IIR_NO_INT)) {
		u8 lsr = uart_in(UART_LSR);

		ret = IRQ_HANDLED;
		uart.was_seen = true;
		budget--;
		for (; (lsr & UART_SOMETHING_IN) && budget > 0; budget--) {
			uart_take(uart_in(UART_RX), lsr, news);
			lsr = uart_in(UART_LSR);
		}
		if (lsr & UART_LSR_THRE)
			budget -= uart_fill();
		if (budget <= 0) {
			uart.is_paused = true;
			uart_enable();
			hrtimer_start(&uart.pause, ns_to_ktime(UART_PAUSE_NS),
				      HRTIMER_MODE_REL_PINNED_HARD);
			break;
		}
	}
	return ret;
}

static irqreturn_t uart_interrupt(int irq, void *unused)
{
	struct uart_news news = { .is_served = terminal_is_served(ARBITER_SERIAL) };
	irqreturn_t ret;

	raw_spin_lock(&uart.lock);
	ret = uart.is_paused || uart.is_dead ? IRQ_HANDLED : uart_serve(&news);
	raw_spin_unlock(&uart.lock);
	if (news.wake)
		terminal_wake(ARBITER_SERIAL, news.wake);
	if (news.has_input)
		terminal_input(ARBITER_SERIAL);
	return ret;
}

static enum hrtimer_restart uart_go_on(struct hrtimer *unused)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&uart.lock, flags);
	uart.is_paused = false;
	uart_enable();
	raw_spin_unlock_irqrestore(&uart.lock, flags);
	return HRTIMER_NORESTART;
}

static bool uart_is_usable(void)
{
	return uart.is_on;
}

static void uart_open(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&uart.lock, flags);
	uart.lost_bytes = 0;
	raw_spin_unlock_irqrestore(&uart.lock, flags);
}

static void uart_close(void)
{
	unsigned long flags;
	u32 lost = 0;

	raw_spin_lock_irqsave(&uart.lock, flags);
	if (!terminal_is_served(ARBITER_SERIAL)) {
		lost = uart.lost_bytes;
		uart.lost_bytes = 0;
		kfifo_reset(&uart.rx);
	}
	raw_spin_unlock_irqrestore(&uart.lock, flags);
	if (lost)
		pr_warn("serial line: %u bytes of input were damaged or came too fast\n", lost);
}

static size_t uart_read(u8 *buf, size_t n)
{
	unsigned long flags;
	size_t taken;

	raw_spin_lock_irqsave(&uart.lock, flags);
	taken = kfifo_out(&uart.rx, buf, n);
	raw_spin_unlock_irqrestore(&uart.lock, flags);
	return taken;
}

/* Queue as much of the text as there is room for; a line ends with CR and LF on the line. The lock is held. */
static size_t uart_queue(const char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n && kfifo_avail(&uart.tx) >= 2; i++) {
		if (text[i] == '\n')
			kfifo_put(&uart.tx, '\r');
		kfifo_put(&uart.tx, text[i]);
	}
	uart_enable();
	return i;
}

static void uart_write(const char *text, size_t n)
{
	unsigned long flags, end = jiffies + UART_WRITE_WAIT;
	long left = UART_WRITE_WAIT;

	while (n && left > 0 && uart.is_on) {
		size_t queued;

		raw_spin_lock_irqsave(&uart.lock, flags);
		queued = uart_queue(text, n);
		raw_spin_unlock_irqrestore(&uart.lock, flags);
		text += queued;
		n -= queued;
		if (n)
			swait_event_timeout_exclusive(uart.writable, kfifo_avail(&uart.tx) >= 2,
						      left);
		left = end - jiffies;
	}
}

const struct channel uart_channel = {
	.is_usable = uart_is_usable,
	.open = uart_open,
	.close = uart_close,
	.read = uart_read,
	.write = uart_write,
};

u32 uart_sources(void)
{
	return uart.is_on ? PINFOLD_GUARD_SERIAL : 0;
}

/* "0x2f8,3": both numbers, nothing else. */
static int uart_parse(void)
{
	char text[24];
	char *comma;

	if (strscpy(text, uart_setting, sizeof(text)) < 0)
		goto bad;
	comma = strchr(text, ',');
	if (!comma)
		goto bad;
	*comma = '\0';
	if (kstrtou16(text, 0, &uart.io) || kstrtouint(comma + 1, 0, &uart.irq))
		goto bad;
	if (uart.io < 0x100 || uart.io % UART_PORTS || !uart.irq)
		goto bad;
	if (baud < 1200 || baud > 115200 || 115200 % baud) {
		pr_err("baud=%u: a speed such as 9600 or 115200 is needed, 1200 to 115200\n", baud);
		return -EINVAL;
	}
	return 0;
bad:
	pr_err("uart=%s: I/O port and interrupt are needed, e.g. uart=0x2f8,3\n", uart_setting);
	return -EINVAL;
}

/* Whether registers behave like those of a 16550A. Interrupts of the UART are off afterwards. */
static bool uart_is_there(void)
{
	u8 ier_off, ier_on, loop;

	uart_out(UART_LCR, UART_LCR_WLEN8);
	uart_out(UART_MCR, 0); /* keeps the interrupt from the machine */
	uart_out(UART_IER, 0);
	ier_off = uart_in(UART_IER);
	uart_out(UART_IER, 0x0f);
	ier_on = uart_in(UART_IER);
	uart_out(UART_IER, 0);
	if (ier_off || ier_on != 0x0f)
		return false;
	uart_out(UART_SCR, 0x5a);
	if (uart_in(UART_SCR) != 0x5a)
		return false;
	/* Looped back, what we signal is what we see: RTS as CTS, OUT2 as DCD. */
	uart_out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	loop = uart_in(UART_MSR) & (UART_MSR_DCD | UART_MSR_RI | UART_MSR_DSR | UART_MSR_CTS);
	uart_out(UART_MCR, 0);
	if (loop != (UART_MSR_DCD | UART_MSR_CTS))
		return false;
	uart_out(UART_FCR, UART_FCR_ENABLE_FIFO);
	return (uart_in(UART_IIR) & UART_IIR_16550A) == UART_IIR_16550A;
}

static void uart_set_up(void)
{
	u16 divisor = 115200 / baud;

	uart_out(UART_LCR, UART_LCR_WLEN8 | UART_LCR_DLAB);
	uart_out(UART_DLL, divisor & 0xff);
	uart_out(UART_DLM, divisor >> 8);
	uart_out(UART_LCR, UART_LCR_WLEN8);
	uart_out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT |
				   UART_FCR_R_TRIG_10);
	uart_in(UART_LSR);
	uart_in(UART_RX);
	uart_in(UART_IIR);
	uart_in(UART_MSR);
	uart_out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
}

/* Sleep resets the UART. What came before this is lost. */
static int uart_on_power(struct notifier_block *unused, unsigned long event, void *unused_too)
{
	unsigned long flags;

	if (event != PM_POST_SUSPEND && event != PM_POST_HIBERNATION && event != PM_POST_RESTORE)
		return NOTIFY_DONE;
	raw_spin_lock_irqsave(&uart.lock, flags);
	uart_set_up();
	uart_enable();
	raw_spin_unlock_irqrestore(&uart.lock, flags);
	return NOTIFY_OK;
}

static struct notifier_block uart_power = { .notifier_call = uart_on_power };

/* Get the interrupt and see it come: an empty transmitter asks for one as soon as it may. */
static int uart_get_interrupt(void)
{
	unsigned long flags;
	int r;

	r = request_irq(uart.irq, uart_interrupt, IRQF_NO_THREAD | IRQF_NOBALANCING, KBUILD_MODNAME,
			&uart);
	if (r) {
		pr_err("uart=%s: %s interrupt %u (%d)\n", uart_setting,
		       r == -EBUSY ? "another driver has" : "can't get", uart.irq, r);
		return r;
	}
	r = irq_set_affinity(uart.irq, cpumask_of(terminal_core()));
	if (r)
		pr_warn("interrupt %u can't be bound to core %u (%d)\n", uart.irq, terminal_core(),
			r);
	raw_spin_lock_irqsave(&uart.lock, flags);
	uart.is_dead = false;
	uart_enable();
	raw_spin_unlock_irqrestore(&uart.lock, flags);
	swait_event_timeout_exclusive(uart.writable, READ_ONCE(uart.was_seen), UART_TEST_WAIT);
	if (!READ_ONCE(uart.was_seen)) {
		pr_err("uart=%s: there is a UART, but interrupt %u does not come from it\n",
		       uart_setting, uart.irq);
		return -EIO;
	}
	return 0;
}

/* Silence the UART and give everything back. */
static void uart_let_go(bool has_irq)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&uart.lock, flags);
	uart.is_on = false;
	uart.is_dead = true;
	uart_enable();
	uart_out(UART_MCR, 0);
	raw_spin_unlock_irqrestore(&uart.lock, flags);
	if (has_irq)
		free_irq(uart.irq, &uart);
	hrtimer_cancel(&uart.pause);
	release_region(uart.io, UART_PORTS);
}

int uart_init(void)
{
	int r;

	if (!*uart_setting)
		return 0;
	r = uart_parse();
	if (r)
		return r;
	INIT_KFIFO(uart.rx);
	INIT_KFIFO(uart.tx);
	hrtimer_init(&uart.pause, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	uart.pause.function = uart_go_on;
	uart.is_dead = true;
	uart.last_break = jiffies - UART_BREAK_WAIT - 1;

	if (!request_region(uart.io, UART_PORTS, KBUILD_MODNAME)) {
		pr_err("uart=%s: another driver has these ports. If it is the kernel's serial "
		       "driver, take the line away from it: `setserial /dev/ttyS1 uart none` "
		       "(0x3f8 is ttyS0, 0x2f8 ttyS1)\n",
		       uart_setting);
		return -EBUSY;
	}
	if (!uart_is_there()) {
		pr_err("uart=%s: there is no 16550A UART at port 0x%x\n", uart_setting, uart.io);
		release_region(uart.io, UART_PORTS);
		return -ENODEV;
	}
	uart_set_up();
	r = uart_get_interrupt();
	if (r) {
		uart_let_go(r == -EIO);
		return r;
	}
	r = register_pm_notifier(&uart_power);
	if (r) {
		uart_let_go(true);
		return r;
	}
	uart.is_on = true;
	return 0;
}

void uart_exit(void)
{
	if (!uart.is_on)
		return;
	unregister_pm_notifier(&uart_power);
	uart_let_go(true);
}

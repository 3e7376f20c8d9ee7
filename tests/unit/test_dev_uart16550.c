/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 16550 against its data sheet: registers, DLAB, loopback, FIFO, interrupt identification
 * and line, and what Linux's 8250 driver does to find and use it. */
#include "dev/uart16550.h"

#include <errno.h>

#include "test_dev.h"

static struct uart16550 *make(struct fake *f, uint8_t shift, bool is_isa)
{
	struct uart16550_config config = { .chr = fake_chr(f),
					   .reg_shift = shift,
					   .is_isa = is_isa };

	return uart16550_new(&config);
}

#define RD(reg)	   dev_rd(&uart16550_ops, u, reg, 1)
#define WR(reg, v) CHECK_INT(dev_wr(&uart16550_ops, u, reg, 1, v), DEV_OK)

static void reset_values(void)
{
	struct fake f = { 0 };
	struct uart16550 *u = make(&f, 0, true);

	CHECK_INT(RD(1), 0x00);
	CHECK_INT(RD(2), 0x01);
	CHECK_INT(RD(3), 0x00);
	CHECK_INT(RD(4), 0x00);
	CHECK_INT(RD(5), 0x60);
	CHECK_INT(RD(6), 0xb0);
	CHECK_INT(RD(0), 0x00); /* nothing received */
	CHECK_INT(dev_rd(&uart16550_ops, u, 8, 1), -1);
	uart16550_ops.destroy(u);
}

static void sends_and_receives(void)
{
	struct fake f = { .in = "ab" };
	struct uart16550 *u = make(&f, 0, true);

	WR(0, 'H');
	WR(0, 'i');
	CHECK_STR(f.out, "Hi");
	CHECK_INT(RD(5), 0x61);
	CHECK_INT(RD(0), 'a');
	CHECK_INT(RD(5), 0x61);
	CHECK_INT(RD(0), 'b');
	CHECK_INT(RD(5), 0x60);
	uart16550_ops.destroy(u);
}

static void fifo_reset_keeps_typed_ahead_input(void)
{
	struct fake f = { .in = "x" };
	struct uart16550 *u = make(&f, 0, true);

	CHECK_INT(RD(5), 0x61);
	WR(2, 0x07);
	CHECK_INT(RD(5), 0x61);
	CHECK_INT(RD(0), 'x');
	uart16550_ops.destroy(u);
}

static void dlab_switches_registers(void)
{
	struct fake f = { 0 };
	struct uart16550 *u = make(&f, 0, true);

	WR(1, 0xff);
	CHECK_INT(RD(1), 0x0f);
	WR(3, 0x83);
	WR(0, 0x0d);
	WR(1, 0xa5);
	CHECK_INT(RD(0), 0x0d);
	CHECK_INT(RD(1), 0xa5);
	WR(3, 0x03);
	CHECK_INT(RD(1), 0x0f);
	CHECK_STR(f.out, "");
	WR(7, 0x5a);
	CHECK_INT(RD(7), 0x5a);
	WR(4, 0xff);
	CHECK_INT(RD(4), 0x1f);
	uart16550_ops.destroy(u);
}

static void loopback(void)
{
	struct fake f = { .in = "z" };
	struct uart16550 *u = make(&f, 0, true);

	WR(4, 0x1a); /* loop, OUT2, RTS: what Linux probes with */
	CHECK_INT(RD(6) & 0xf0, 0x90);
	WR(4, 0x15);		       /* loop, OUT1, DTR */
	CHECK_INT(RD(6), 0x60 | 0x0b); /* CTS, DSR, DCD changed; RI only counts when it goes away */
	CHECK_INT(RD(6), 0x60);	       /* reading cleared the deltas */
	WR(4, 0x10);
	CHECK_INT(RD(6), 0x06);
	WR(0, 'q');
	CHECK_STR(f.out, "");
	CHECK_INT(RD(5), 0x61);
	CHECK_INT(RD(0), 'q');
	CHECK_INT(RD(5), 0x60); /* the line is cut: 'z' stays outside */
	WR(4, 0x00);
	CHECK_INT(RD(0), 'z');
	uart16550_ops.destroy(u);
}

static void overrun(void)
{
	struct fake f = { 0 };
	struct uart16550 *u = make(&f, 0, true);

	WR(4, 0x10);
	WR(0, '1');
	WR(0, '2');
	CHECK_INT(RD(5), 0x63);
	CHECK_INT(RD(5), 0x61); /* reading LSR cleared OE */
	CHECK_INT(RD(0), '2');	/* without FIFO the new one replaces the old */
	WR(2, 0x01);
	for (int i = 0; i < 17; i++) {
		WR(0, (uint64_t)('A' + i));
	}
	CHECK_INT(RD(5), 0x63);
	for (int i = 0; i < 16; i++) {
		CHECK_INT(RD(0), 'A' + i); /* the FIFO keeps the old ones */
	}
	CHECK_INT(RD(5), 0x60);
	WR(0, 'x');
	WR(2, 0x03); /* receive FIFO reset */
	CHECK_INT(RD(5), 0x60);
	WR(0, 'x');
	WR(2, 0x00); /* turning FIFOs off empties them */
	CHECK_INT(RD(5), 0x60);
	uart16550_ops.destroy(u);
}

static void interrupt_identification(void)
{
	struct fake f = { 0 };
	struct uart16550 *u = make(&f, 0, true);

	WR(1, 0x02);
	CHECK_INT(RD(2), 0x02); /* enabling THRE with an empty transmitter */
	CHECK_INT(RD(2), 0x01); /* reading it cleared it */
	WR(0, 'x');
	CHECK_INT(RD(2), 0x02);
	WR(1, 0x0f);
	WR(4, 0x12); /* loop with RTS: modem lines change */
	WR(2, 0x41); /* FIFO, trigger at 4 */
	WR(0, 'a');
	CHECK_INT(RD(2), 0xcc); /* below the trigger level: time-out */
	WR(0, 'b');
	WR(0, 'c');
	WR(0, 'd');
	CHECK_INT(RD(2), 0xc4);
	for (int i = 0; i < 13; i++) {
		WR(0, 'e');
	}
	CHECK_INT(RD(2), 0xc6); /* overrun comes first */
	RD(5);
	WR(2, 0x43);
	CHECK_INT(RD(2), 0xc2);
	CHECK_INT(RD(2), 0xc0); /* modem status comes last */
	RD(6);
	CHECK_INT(RD(2), 0xc1);
	uart16550_ops.destroy(u);
}

static void strides_and_widths(void)
{
	struct fake f = { 0 };
	struct uart16550 *u = make(&f, 2, false);

	CHECK_INT(dev_rd(&uart16550_ops, u, 5 * 4, 4), 0x60);
	CHECK_INT(dev_rd(&uart16550_ops, u, 5 * 4 + 1, 1), 0);
	CHECK_INT(dev_wr(&uart16550_ops, u, 0, 4, 0x12345641), DEV_OK);
	CHECK_STR(f.out, "A");
	CHECK_INT(dev_wr(&uart16550_ops, u, 1, 1, 'B'), DEV_OK);
	CHECK_STR(f.out, "A");
	CHECK_INT(dev_rd(&uart16550_ops, u, 32, 1), -1);
	uart16550_ops.destroy(u);

	u = make(&f, 0, false); /* MMIO: a word store is one register */
	CHECK_INT(dev_wr(&uart16550_ops, u, 0, 4, 0x42), DEV_OK);
	CHECK_STR(f.out, "AB");
	CHECK_INT(RD(1), 0);
	uart16550_ops.destroy(u);

	u = make(&f, 0, true); /* ISA: a 16-bit access is two registers */
	CHECK_INT(dev_wr(&uart16550_ops, u, 0, 2, 0x0543), DEV_OK);
	CHECK_STR(f.out, "ABC");
	CHECK_INT(RD(1), 5);
	CHECK_INT(dev_rd(&uart16550_ops, u, 5, 2), 0xb060);
	CHECK_INT(dev_rd(&uart16550_ops, u, 7, 2), -1);
	uart16550_ops.destroy(u);
}

static struct uart16550 *make_wired(struct fake *f, struct fake_line *l, bool is_isa)
{
	struct uart16550_config config = { .chr = fake_chr(f),
					   .is_isa = is_isa,
					   .irq = fake_irq(l) };

	return uart16550_new(&config);
}

static void line_follows_input(void)
{
	struct fake f = { 0 };
	struct fake_line l = { 0 };
	struct uart16550 *u = make_wired(&f, &l, false);

	WR(2, 0x81);
	WR(1, 0x01);
	CHECK(!l.level);
	f.in = "ab";
	CHECK(!l.level); /* nobody has looked yet */
	uart16550_poll(u);
	CHECK(l.level);
	CHECK_INT(RD(2), 0xcc); /* a time-out: fewer than the trigger level may wait */
	CHECK(l.level);
	CHECK_INT(RD(0), 'a');
	CHECK(l.level);
	CHECK_INT(RD(0), 'b');
	CHECK(!l.level);
	CHECK_INT(RD(2), 0xc1);
	f.in = "c";
	uart16550_poll(u);
	WR(1, 0x00); /* masked */
	CHECK(!l.level);
	WR(1, 0x01);
	CHECK(l.level);
	uart16550_ops.destroy(u);
}

static void line_follows_the_transmitter(void)
{
	struct fake f = { 0 };
	struct fake_line l = { 0 };
	struct uart16550 *u = make_wired(&f, &l, false);

	WR(0, 'x');
	CHECK(!l.level);
	WR(1, 0x02); /* how a driver starts to send: it waits for the first interrupt */
	CHECK(l.level);
	CHECK_INT(RD(2), 0x02);
	CHECK(!l.level); /* reading IIR took it */
	WR(0, 'y');
	CHECK(l.level); /* sent at once: empty again */
	CHECK_INT(l.rises, 2);
	WR(1, 0x00); /* nothing left to send */
	CHECK(!l.level);
	CHECK_STR(f.out, "xy");
	uart16550_ops.destroy(u);
}

static void priorities_on_the_line(void)
{
	struct fake f = { 0 };
	struct fake_line l = { 0 };
	struct uart16550 *u = make_wired(&f, &l, false);

	WR(4, 0x10);
	WR(0, '1');
	WR(0, '2'); /* overrun */
	WR(1, 0x0f);
	CHECK_INT(RD(2), 0x06);
	RD(5);
	CHECK(l.level);
	CHECK_INT(RD(2), 0x04);
	RD(0);
	CHECK(l.level);
	CHECK_INT(RD(2), 0x02);
	CHECK(l.level);
	CHECK_INT(RD(2), 0x00);
	RD(6);
	CHECK(!l.level);
	CHECK_INT(RD(2), 0x01);
	uart16550_ops.destroy(u);
}

static void out2_gates_isa_only(void)
{
	struct fake f = { .in = "z" };
	struct fake_line isa = { 0 };
	struct fake_line mmio = { 0 };
	struct uart16550 *u = make_wired(&f, &isa, true);

	WR(1, 0x01);
	CHECK(!isa.level);
	WR(4, 0x08);
	CHECK(isa.level);
	WR(4, 0x00);
	CHECK(!isa.level);
	uart16550_ops.destroy(u);
	u = make_wired(&f, &mmio, false);
	WR(1, 0x01);
	CHECK(mmio.level);
	uart16550_ops.destroy(u);
}

/* What the 8250 driver does at start-up, and that it finds neither UART_BUG_THRE nor _TXEN. */
static void linux_startup(void)
{
	struct fake f = { 0 };
	struct fake_line l = { 0 };
	struct uart16550 *u = make_wired(&f, &l, false);

	/* autoconfig: scratch IER, loopback modem status, FIFO probe */
	WR(1, 0x00);
	CHECK_INT(RD(1) & 0x0f, 0x00);
	WR(1, 0x0f);
	CHECK_INT(RD(1) & 0x0f, 0x0f);
	WR(1, 0x00);
	WR(4, 0x1a);
	CHECK_INT(RD(6) & 0xf0, 0x90);
	WR(4, 0x00);
	WR(3, 0xbf);
	WR(2, 0x00);
	WR(3, 0x00);
	WR(2, 0x01);
	CHECK_INT(RD(2) >> 6, 3); /* a 16550A */
	WR(2, 0x00);
	/* startup: clear FIFOs and old interrupts */
	WR(2, 0x01);
	WR(2, 0x07);
	WR(2, 0x00);
	RD(5);
	RD(0);
	RD(2);
	RD(6);
	WR(3, 0x03);
	/* THRE test */
	WR(1, 0x02);
	CHECK_INT(RD(2) & 0x0f, 0x02);
	WR(1, 0x00);
	WR(1, 0x02);
	CHECK_INT(RD(2) & 0x01, 0x00);
	WR(1, 0x00);
	/* TXEN test */
	WR(1, 0x02);
	CHECK_INT(RD(5) & 0x60, 0x60);
	CHECK_INT(RD(2) & 0x01, 0x00);
	WR(1, 0x00);
	RD(5);
	RD(0);
	RD(2);
	RD(6);
	WR(4, 0x0b);
	RD(6); /* nothing changed: the line is always ready */
	WR(2, 0x81);
	WR(1, 0x05);
	CHECK(!l.level);
	f.in = "hi";
	uart16550_poll(u);
	CHECK(l.level);
	CHECK_INT(RD(2) & 0x01, 0x00);
	while (RD(5) & 1) {
		RD(0);
	}
	CHECK(!l.level);
	WR(1, 0x07);
	for (const char *s = "hello"; *s; s++) { /* one character per interrupt */
		CHECK(l.level);
		CHECK_INT(RD(2) & 0x0f, 0x02);
		WR(0, (uint64_t)*s);
	}
	RD(2);
	WR(1, 0x05);
	CHECK(!l.level);
	CHECK_STR(f.out, "hello");
	uart16550_ops.destroy(u);
}

static void line_follows_a_loaded_state(void)
{
	struct fake f = { 0 };
	struct fake_line l = { 0 };
	struct uart16550 *u = make_wired(&f, &l, false);
	uint8_t raised[64];
	uint8_t idle[64];

	uart16550_ops.save(u, idle);
	WR(1, 0x02);
	uart16550_ops.save(u, raised);
	CHECK_INT(uart16550_ops.load(u, idle, NULL), 0);
	CHECK(!l.level);
	CHECK_INT(uart16550_ops.load(u, raised, NULL), 0);
	CHECK(l.level);
	uart16550_ops.destroy(u);
}

static void state(void)
{
	struct fake f = { 0 };
	struct uart16550 *u = make(&f, 0, true);
	struct uart16550 *t = make(&f, 0, true);
	uint8_t a[64];
	uint8_t b[64];

	WR(3, 0x80);
	WR(0, 0x0c);
	WR(1, 0x01);
	WR(3, 0x1b);
	WR(1, 0x05);
	WR(2, 0xc1);
	WR(4, 0x1b);
	WR(7, 0x99);
	for (int i = 0; i < 20; i++) {
		WR(0, (uint64_t)('a' + i));
	}
	uart16550_ops.save(u, a);
	CHECK_INT(uart16550_ops.load(t, a, NULL), 0);
	uart16550_ops.save(t, b);
	CHECK(memcmp(a, b, uart16550_ops.state_bytes) == 0);
	CHECK_INT(dev_rd(&uart16550_ops, t, 2, 1), 0xc6);
	CHECK_INT(dev_rd(&uart16550_ops, t, 0, 1), 'a');
	CHECK(dev_is_refused(&uart16550_ops, t, 0, 2));	   /* version */
	CHECK(dev_is_refused(&uart16550_ops, t, 1, 0x10)); /* reserved bit of IER */
	CHECK(dev_is_refused(&uart16550_ops, t, 2, 0xc0)); /* trigger level without FIFO */
	CHECK(dev_is_refused(&uart16550_ops, t, 8, 0x40)); /* modem lines against MCR */
	CHECK(dev_is_refused(&uart16550_ops, t, 9, 2));	   /* neither true nor false */
	CHECK(dev_is_refused(&uart16550_ops, t, 11, 17));  /* more than the FIFO holds */
	uart16550_ops.destroy(u);
	uart16550_ops.destroy(t);
}

static const struct test_case cases[] = {
	{ "reset values", reset_values },
	{ "sends and receives", sends_and_receives },
	{ "a FIFO reset keeps typed-ahead input", fifo_reset_keeps_typed_ahead_input },
	{ "DLAB switches registers", dlab_switches_registers },
	{ "loopback", loopback },
	{ "overrun", overrun },
	{ "interrupt identification", interrupt_identification },
	{ "strides and widths", strides_and_widths },
	{ "the line follows input", line_follows_input },
	{ "the line follows the transmitter", line_follows_the_transmitter },
	{ "priorities on the line", priorities_on_the_line },
	{ "OUT2 gates the line on ISA only", out2_gates_isa_only },
	{ "start-up of Linux's driver", linux_startup },
	{ "the line follows a loaded state", line_follows_a_loaded_state },
	{ "state", state },
};

TEST_MAIN(cases)

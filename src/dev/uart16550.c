/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A after National Semiconductor's PC16550D data sheet (1995).
 *
 * The transmitter is infinitely fast: a character leaves in the access that writes it, so LSR
 * always says "empty". Received characters stay in the back-end until RBR is read; only loopback
 * fills the FIFO here. That keeps typed-ahead input when a driver resets the FIFOs. Whether more
 * than one waits out there is unknown: below the trigger level the time-out, which a driver has to
 * take like the level itself, passes at once. The interrupt line follows the identification.
 */
#include "dev/uart16550.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bug.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR, REG_COUNT };

#define FIFO_DEPTH 16

#define IER_RX	  0x01
#define IER_THRE  0x02
#define IER_LINE  0x04
#define IER_MODEM 0x08
#define IER_MASK  0x0f

#define IIR_NONE       0x01
#define IIR_MODEM      0x00
#define IIR_THRE       0x02
#define IIR_RX	       0x04
#define IIR_LINE       0x06
#define IIR_RX_TIMEOUT 0x0c
#define IIR_FIFO       0xc0

#define FCR_ENABLE   0x01
#define FCR_RX_RESET 0x02
#define FCR_KEPT     0xc9 /* enable, DMA mode, trigger level */

#define LCR_DLAB 0x80

#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DR	 0x01
#define LSR_OE	 0x02
#define LSR_IDLE 0x60 /* THRE and TEMT */

#define MSR_DELTA 0x0f
#define MSR_TERI  0x04
#define MSR_RI	  0x40
#define MSR_READY 0xb0 /* CTS, DSR, DCD: somebody is always connected */

struct uart16550 {
	struct uart16550_config config;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t msr;
	bool is_overrun;
	bool is_thre_pending; /* the transmitter became empty and nobody was told */
	uint8_t rx_n;
	uint8_t rx[FIFO_DEPTH]; /* oldest first */
};

#define STATE_VERSION 1
#define STATE_BYTES   (12 + FIFO_DEPTH)

static uint8_t rx_depth(const struct uart16550 *u)
{
	return u->fcr & FCR_ENABLE ? FIFO_DEPTH : 1;
}

static bool is_connected(const struct uart16550 *u)
{
	return !(u->mcr & MCR_LOOP);
}

static unsigned int rx_count(const struct uart16550 *u)
{
	const struct chr_backend *chr = &u->config.chr;

	return u->rx_n + (is_connected(u) && chr->has(chr->opaque) ? 1u : 0u);
}

static void loop_char(struct uart16550 *u, uint8_t c)
{
	if (u->rx_n < rx_depth(u)) {
		u->rx[u->rx_n++] = c;
		return;
	}
	u->is_overrun = true;
	if (!(u->fcr & FCR_ENABLE)) {
		u->rx[0] = c; /* the new character replaces the unread one; a FIFO keeps the old */
	}
}

static uint8_t rx_take(struct uart16550 *u)
{
	const struct chr_backend *chr = &u->config.chr;
	int c;

	if (u->rx_n) {
		uint8_t first = u->rx[0];

		u->rx_n--;
		memmove(u->rx, u->rx + 1, u->rx_n);
		return first;
	}
	c = is_connected(u) ? chr->get(chr->opaque) : -1;
	return c < 0 ? 0 : (uint8_t)c;
}

static void send(struct uart16550 *u, uint8_t c)
{
	const struct chr_backend *chr = &u->config.chr;

	u->is_thre_pending = true;
	if (is_connected(u)) {
		chr->put(chr->opaque, c);
	} else {
		loop_char(u, c);
	}
}

/* The modem inputs: in loopback they are the outputs, each bit at its place of the data sheet. */
static uint8_t modem_lines(const struct uart16550 *u)
{
	if (is_connected(u)) {
		return MSR_READY;
	}
	return (uint8_t)((u->mcr & 0x02) << 3 | /* RTS -> CTS */
			 (u->mcr & 0x01) << 5 | /* DTR -> DSR */
			 (u->mcr & 0x04) << 4 | /* OUT1 -> RI */
			 (u->mcr & 0x08) << 4); /* OUT2 -> DCD */
}

static void mcr_write(struct uart16550 *u, uint8_t v)
{
	uint8_t before = u->msr;
	uint8_t lines;
	uint8_t delta;

	u->mcr = v & MCR_MASK;
	lines = modem_lines(u);
	delta = (uint8_t)((before ^ lines) >> 4);
	if (!(before & MSR_RI)) {
		delta &= (uint8_t)~MSR_TERI; /* only the trailing edge of RI counts */
	}
	u->msr = (uint8_t)(lines | (before & MSR_DELTA) | delta);
}

static void fcr_write(struct uart16550 *u, uint8_t v)
{
	/* Turning the FIFOs on or off empties them; the other bits need bit 0 to be set. */
	if ((v ^ u->fcr) & FCR_ENABLE) {
		u->rx_n = 0;
	}
	if (!(v & FCR_ENABLE)) {
		u->fcr = 0;
		return;
	}
	if (v & FCR_RX_RESET) {
		u->rx_n = 0;
	}
	u->fcr = v & FCR_KEPT;
}

static void ier_write(struct uart16550 *u, uint8_t v)
{
	if (~u->ier & v & IER_THRE) {
		u->is_thre_pending = true; /* enabling it with an empty transmitter reports that */
	}
	u->ier = v & IER_MASK;
}

/* The pending source of the highest priority. */
static uint8_t iir_id(const struct uart16550 *u)
{
	static const uint8_t trigger[4] = { 1, 4, 8, 14 };
	unsigned int n = rx_count(u);

	if (u->ier & IER_LINE && u->is_overrun) {
		return IIR_LINE;
	}
	if (u->ier & IER_RX && n) {
		return u->fcr & FCR_ENABLE && n < trigger[u->fcr >> 6] ? IIR_RX_TIMEOUT : IIR_RX;
	}
	if (u->ier & IER_THRE && u->is_thre_pending) {
		return IIR_THRE;
	}
	if (u->ier & IER_MODEM && u->msr & MSR_DELTA) {
		return IIR_MODEM;
	}
	return IIR_NONE;
}

void uart16550_poll(struct uart16550 *u)
{
	bool is_gated = u->config.is_isa && !(u->mcr & MCR_OUT2);

	irq_line_set(&u->config.irq, !is_gated && iir_id(u) != IIR_NONE);
}

static uint8_t iir_read(struct uart16550 *u)
{
	uint8_t id = iir_id(u);

	if (id == IIR_THRE) {
		u->is_thre_pending = false;
	}
	return u->fcr & FCR_ENABLE ? id | IIR_FIFO : id;
}

static uint8_t lsr_read(struct uart16550 *u)
{
	uint8_t v = LSR_IDLE;

	if (rx_count(u)) {
		v |= LSR_DR;
	}
	if (u->is_overrun) {
		v |= LSR_OE;
		u->is_overrun = false;
	}
	return v;
}

static uint8_t msr_read(struct uart16550 *u)
{
	uint8_t v = u->msr;

	u->msr &= (uint8_t)~MSR_DELTA;
	return v;
}

static uint8_t reg_read(struct uart16550 *u, unsigned int reg)
{
	bool is_dlab = u->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return is_dlab ? u->dll : rx_take(u);
	case REG_IER:
		return is_dlab ? u->dlm : u->ier;
	case REG_IIR_FCR:
		return iir_read(u);
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return u->mcr;
	case REG_LSR:
		return lsr_read(u);
	case REG_MSR:
		return msr_read(u);
	default:
		return u->scr;
	}
}

static void data_write(struct uart16550 *u, uint8_t v)
{
	if (u->lcr & LCR_DLAB) {
		u->dll = v;
	} else {
		send(u, v);
	}
}

static void reg_write(struct uart16550 *u, unsigned int reg, uint8_t v)
{
	switch (reg) {
	case REG_DATA:
		data_write(u, v);
		break;
	case REG_IER:
		if (u->lcr & LCR_DLAB) {
			u->dlm = v;
		} else {
			ier_write(u, v);
		}
		break;
	case REG_IIR_FCR:
		fcr_write(u, v);
		break;
	case REG_LCR:
		u->lcr = v;
		break;
	case REG_MCR:
		mcr_write(u, v);
		break;
	case REG_SCR:
		u->scr = v;
		break;
	default: /* LSR and MSR: factory test only */
		break;
	}
}

/* One byte of an access on the ISA bus, or the whole of one on a memory bus. */
static void reg_access(struct uart16550 *u, unsigned int reg, struct dev_access *a,
		       unsigned int byte_idx)
{
	if (a->is_write) {
		reg_write(u, reg, (uint8_t)(a->value >> (8 * byte_idx)));
	} else {
		a->value |= (uint64_t)reg_read(u, reg) << (8 * byte_idx);
	}
}

static enum dev_result uart_access(void *dev, struct dev_access *a)
{
	struct uart16550 *u = dev;
	uint64_t reg = a->offset >> u->config.reg_shift;
	unsigned int n = u->config.is_isa ? a->bytes : 1;

	if (reg >= REG_COUNT || n > REG_COUNT - reg) {
		return DEV_UNMAPPED;
	}
	if (!a->is_write) {
		a->value = 0;
	}
	if (a->offset & ((1u << u->config.reg_shift) - 1)) {
		return DEV_OK; /* between two registers: reads as zero */
	}
	for (unsigned int i = 0; i < n; i++) {
		reg_access(u, (unsigned int)reg + i, a, i);
	}
	uart16550_poll(u);
	return DEV_OK;
}

static void uart_destroy(void *dev)
{
	free(dev);
}

static void uart_save(const void *dev, uint8_t *to)
{
	const struct uart16550 *u = dev;
	const uint8_t head[] = { STATE_VERSION,
				 u->ier,
				 u->fcr,
				 u->lcr,
				 u->mcr,
				 u->scr,
				 u->dll,
				 u->dlm,
				 u->msr,
				 u->is_overrun,
				 u->is_thre_pending,
				 u->rx_n };

	_Static_assert(sizeof(head) + FIFO_DEPTH == STATE_BYTES, "state layout");
	memcpy(to, head, sizeof(head));
	memset(to + sizeof(head), 0, FIFO_DEPTH);
	memcpy(to + sizeof(head), u->rx, u->rx_n);
}

static int uart_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct uart16550 *u = dev;
	struct uart16550 t = { .config = u->config };

	t.ier = from[1];
	t.fcr = from[2];
	t.lcr = from[3];
	t.mcr = from[4];
	t.scr = from[5];
	t.dll = from[6];
	t.dlm = from[7];
	t.msr = from[8];
	t.rx_n = from[11];
	if (from[0] != STATE_VERSION || t.ier & ~IER_MASK || t.fcr & ~FCR_KEPT ||
	    t.mcr & ~MCR_MASK || from[9] > 1 || from[10] > 1 || t.rx_n > rx_depth(&t) ||
	    (t.msr & ~MSR_DELTA) != modem_lines(&t) || (t.fcr && !(t.fcr & FCR_ENABLE))) {
		return errmsg_set(e, -EINVAL, "the saved state of the 16550 is damaged");
	}
	t.is_overrun = from[9];
	t.is_thre_pending = from[10];
	memcpy(t.rx, from + 12, FIFO_DEPTH);
	*u = t;
	uart16550_poll(u);
	return 0;
}

const struct dev_ops uart16550_ops = {
	.name = "16550",
	.access = uart_access,
	.destroy = uart_destroy,
	.state_bytes = STATE_BYTES,
	.save = uart_save,
	.load = uart_load,
};

struct uart16550 *uart16550_new(const struct uart16550_config *config)
{
	struct uart16550 *u = calloc(1, sizeof(*u));

	BUG_ON(config->reg_shift > 2 || (config->is_isa && config->reg_shift));
	if (u) {
		u->config = *config;
		u->msr = MSR_READY;
	}
	return u;
}

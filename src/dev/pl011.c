/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PL011 after Arm's technical reference manual (DDI 0183), for polled use.
 *
 * The transmitter is infinitely fast. It sends even while UARTEN is clear, as QEMU's does: many
 * bare-metal programs rely on that. Received characters stay in the back-end until DR is read;
 * only loopback fills the FIFO here. Raw and masked interrupt status are complete, so that an
 * output line only has to follow MIS.
 */
#include "dev/pl011.h"

#include <errno.h>
#include <stdlib.h>

#define REG_DR	  0x00
#define REG_RSR	  0x04
#define REG_FR	  0x18
#define REG_ILPR  0x20
#define REG_IBRD  0x24
#define REG_FBRD  0x28
#define REG_LCRH  0x2c
#define REG_CR	  0x30
#define REG_IFLS  0x34
#define REG_IMSC  0x38
#define REG_RIS	  0x3c
#define REG_MIS	  0x40
#define REG_ICR	  0x44
#define REG_DMACR 0x48
#define REG_ID	  0xfe0

#define FIFO_DEPTH 16

#define FR_TXFE 0x80
#define FR_RXFF 0x40
#define FR_RXFE 0x10

#define LCRH_FEN  0x10
#define LCRH_MASK 0xff

#define CR_LBE	 0x0080
#define CR_RESET 0x0300 /* transmit and receive enabled, UART disabled */
#define CR_MASK	 0xff87

#define IFLS_RESET 0x12
#define IFLS_MASK  0x3f

#define RSR_OE 0x08

#define INT_RX	 0x010
#define INT_TX	 0x020
#define INT_RT	 0x040
#define INT_OE	 0x400
#define INT_MASK 0x7ff

struct pl011 {
	struct chr_backend chr;
	uint8_t ilpr, fbrd, lcrh, ifls, rsr, dmacr;
	uint16_t ibrd, cr, imsc;
	uint16_t raised;    /* interrupts that stay until ICR: INT_TX, INT_OE */
	bool is_rx_cleared; /* ICR hid the receive interrupts until DR is read again */
	uint8_t rx_n;
	uint8_t rx[FIFO_DEPTH]; /* oldest first */
};

#define STATE_VERSION 1
#define STATE_BYTES   (17 + FIFO_DEPTH)

static bool is_loop(const struct pl011 *u)
{
	return u->cr & CR_LBE;
}

static unsigned int rx_depth(const struct pl011 *u)
{
	return u->lcrh & LCRH_FEN ? FIFO_DEPTH : 1;
}

static unsigned int rx_count(const struct pl011 *u)
{
	return u->rx_n + (!is_loop(u) && u->chr.has(u->chr.opaque) ? 1u : 0u);
}

static void dr_write(struct pl011 *u, uint8_t c)
{
	u->raised |= INT_TX; /* it fell through the FIFO at once */
	if (!is_loop(u)) {
		u->chr.put(u->chr.opaque, c);
	} else if (u->rx_n < rx_depth(u)) {
		u->rx[u->rx_n++] = c;
	} else {
		u->rsr |= RSR_OE; /* the FIFO keeps the old characters */
		u->raised |= INT_OE;
	}
}

static uint32_t dr_read(struct pl011 *u)
{
	uint8_t first;
	int c;

	u->is_rx_cleared = false;
	if (u->rx_n) {
		first = u->rx[0];
		u->rx_n--;
		memmove(u->rx, u->rx + 1, u->rx_n);
		return first;
	}
	c = is_loop(u) ? -1 : u->chr.get(u->chr.opaque);
	return c < 0 ? 0 : (uint8_t)c;
}

static uint32_t fr_read(const struct pl011 *u)
{
	unsigned int n = rx_count(u);
	uint32_t v = FR_TXFE;

	if (n == 0) {
		v |= FR_RXFE;
	}
	if (n >= rx_depth(u)) {
		v |= FR_RXFF;
	}
	return v;
}

static unsigned int rx_trigger(const struct pl011 *u)
{
	static const uint8_t eighths[8] = { 1, 2, 4, 6, 7, 7, 7, 7 }; /* above 4: reserved */

	return u->lcrh & LCRH_FEN ? eighths[u->ifls >> 3] * FIFO_DEPTH / 8u : 1;
}

static uint32_t ris(const struct pl011 *u)
{
	unsigned int n = rx_count(u);
	uint32_t v = u->raised;

	if (n && !u->is_rx_cleared) {
		v |= n >= rx_trigger(u) ? INT_RX : INT_RT;
	}
	return v;
}

static void icr_write(struct pl011 *u, uint32_t v)
{
	u->raised &= (uint16_t)~v;
	if (v & (INT_RX | INT_RT)) {
		u->is_rx_cleared = true;
	}
}

static void lcrh_write(struct pl011 *u, uint8_t v)
{
	if ((v ^ u->lcrh) & LCRH_FEN) {
		u->rx_n = 0; /* turning the FIFO on or off empties it */
	}
	u->lcrh = v;
}

static bool reg_read(struct pl011 *u, uint32_t reg, uint32_t *ret)
{
	/* As QEMU's: revision r1p4. */
	static const uint8_t id[8] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	if (reg >= REG_ID) {
		*ret = id[(reg - REG_ID) / 4];
		return true;
	}
	switch (reg) {
	case REG_DR:
		*ret = dr_read(u);
		return true;
	case REG_RSR:
		*ret = u->rsr;
		return true;
	case REG_FR:
		*ret = fr_read(u);
		return true;
	case REG_ILPR:
		*ret = u->ilpr;
		return true;
	case REG_IBRD:
		*ret = u->ibrd;
		return true;
	case REG_FBRD:
		*ret = u->fbrd;
		return true;
	case REG_LCRH:
		*ret = u->lcrh;
		return true;
	case REG_CR:
		*ret = u->cr;
		return true;
	case REG_IFLS:
		*ret = u->ifls;
		return true;
	case REG_IMSC:
		*ret = u->imsc;
		return true;
	case REG_RIS:
		*ret = ris(u);
		return true;
	case REG_MIS:
		*ret = ris(u) & u->imsc;
		return true;
	case REG_ICR: /* write only */
		*ret = 0;
		return true;
	case REG_DMACR:
		*ret = u->dmacr;
		return true;
	default:
		return false;
	}
}

static bool reg_write(struct pl011 *u, uint32_t reg, uint32_t v)
{
	switch (reg) {
	case REG_DR:
		dr_write(u, (uint8_t)v);
		return true;
	case REG_RSR: /* any value clears the errors */
		u->rsr = 0;
		return true;
	case REG_ILPR:
		u->ilpr = (uint8_t)v;
		return true;
	case REG_IBRD:
		u->ibrd = (uint16_t)v;
		return true;
	case REG_FBRD:
		u->fbrd = v & 0x3f;
		return true;
	case REG_LCRH:
		lcrh_write(u, v & LCRH_MASK);
		return true;
	case REG_CR:
		u->cr = v & CR_MASK;
		return true;
	case REG_IFLS:
		u->ifls = v & IFLS_MASK;
		return true;
	case REG_IMSC:
		u->imsc = v & INT_MASK;
		return true;
	case REG_ICR:
		icr_write(u, v);
		return true;
	case REG_DMACR:
		u->dmacr = v & 0x07;
		return true;
	case REG_FR: /* read only */
	case REG_RIS:
	case REG_MIS:
		return true;
	default:
		return reg >= REG_ID;
	}
}

static enum dev_result pl011_access(void *dev, struct dev_access *a)
{
	struct pl011 *u = dev;
	uint32_t in_word = a->offset & 3;
	uint32_t reg = (uint32_t)a->offset - in_word;
	uint32_t v;

	if (a->offset >= PL011_RANGE_BYTES || a->bytes > 4 - in_word) {
		return DEV_UNMAPPED;
	}
	if (a->is_write) {
		return !in_word && reg_write(u, reg, (uint32_t)a->value) ? DEV_OK : DEV_UNMAPPED;
	}
	if (!reg_read(u, reg, &v)) {
		return DEV_UNMAPPED;
	}
	a->value = low_bytes(v >> (8 * in_word), a->bytes);
	return DEV_OK;
}

static void pl011_destroy(void *dev)
{
	free(dev);
}

static void pl011_save(const void *dev, uint8_t *to)
{
	const struct pl011 *u = dev;

	to[0] = STATE_VERSION;
	to[1] = u->ilpr;
	to[2] = u->fbrd;
	to[3] = u->lcrh;
	to[4] = u->ifls;
	to[5] = u->rsr;
	to[6] = u->dmacr;
	store_le(to + 7, u->ibrd, 2);
	store_le(to + 9, u->cr, 2);
	store_le(to + 11, u->imsc, 2);
	store_le(to + 13, u->raised, 2);
	to[15] = u->is_rx_cleared;
	to[16] = u->rx_n;
	memset(to + 17, 0, FIFO_DEPTH);
	memcpy(to + 17, u->rx, u->rx_n);
}

static int pl011_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct pl011 *u = dev;
	struct pl011 t = { .chr = u->chr };

	t.ilpr = from[1];
	t.fbrd = from[2];
	t.lcrh = from[3];
	t.ifls = from[4];
	t.rsr = from[5];
	t.dmacr = from[6];
	t.ibrd = (uint16_t)load_le(from + 7, 2);
	t.cr = (uint16_t)load_le(from + 9, 2);
	t.imsc = (uint16_t)load_le(from + 11, 2);
	t.raised = (uint16_t)load_le(from + 13, 2);
	t.rx_n = from[16];
	if (from[0] != STATE_VERSION || t.fbrd & ~0x3f || t.ifls & ~IFLS_MASK || t.rsr & ~RSR_OE ||
	    t.dmacr & ~0x07 || t.cr & ~CR_MASK || t.imsc & ~INT_MASK ||
	    t.raised & ~(INT_TX | INT_OE) || from[15] > 1 || t.rx_n > rx_depth(&t)) {
		return errmsg_set(e, -EINVAL, "the saved state of the PL011 is damaged");
	}
	t.is_rx_cleared = from[15];
	memcpy(t.rx, from + 17, FIFO_DEPTH);
	*u = t;
	return 0;
}

const struct dev_ops pl011_ops = {
	.name = "pl011",
	.access = pl011_access,
	.destroy = pl011_destroy,
	.state_bytes = STATE_BYTES,
	.save = pl011_save,
	.load = pl011_load,
};

struct pl011 *pl011_new(const struct chr_backend *chr)
{
	struct pl011 *u = calloc(1, sizeof(*u));

	if (u) {
		u->chr = *chr;
		u->cr = CR_RESET;
		u->ifls = IFLS_RESET;
	}
	return u;
}

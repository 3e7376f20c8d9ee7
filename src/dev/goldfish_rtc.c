/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Goldfish RTC after "Goldfish virtual hardware", section "real-time clock", with the enable bit,
 * the alarm's status and the writable time that Linux's driver uses.
 *
 * Reading TIME_LOW latches the upper half for TIME_HIGH. Writing ALARM_LOW arms the alarm with what
 * ALARM_HIGH has. A saved state holds how far the guest's clock is off wall time, so that a machine
 * that comes back later knows how late it is; an alarm that passed meanwhile is raised.
 */
#include "dev/goldfish_rtc.h"

#include <errno.h>
#include <stdlib.h>

#define REG_TIME_LOW	    0x00u
#define REG_TIME_HIGH	    0x04u
#define REG_ALARM_LOW	    0x08u
#define REG_ALARM_HIGH	    0x0cu
#define REG_IRQ_ENABLED	    0x10u
#define REG_CLEAR_ALARM	    0x14u
#define REG_ALARM_STATUS    0x18u
#define REG_CLEAR_INTERRUPT 0x1cu

struct goldfish_rtc {
	struct clock_backend clock;
	struct irq_line irq;
	uint64_t wall_base;  /* wall time in ns when the clock's now_ns was 0 */
	uint64_t set_offset; /* what the guest's setting added to it, modulo 2^64 */
	uint64_t alarm_ns;   /* guest time */
	uint32_t time_high;  /* latched */
	bool is_armed;
	bool is_enabled;
	bool is_pending;
};

#define STATE_VERSION 1
#define STATE_BYTES   (1 + 8 + 8 + 4 + 3)

static uint64_t clock_ns(const struct goldfish_rtc *r)
{
	return r->clock.now_ns(r->clock.opaque);
}

/* What a guest adds to now_ns to get its time. */
static uint64_t offset_ns(const struct goldfish_rtc *r)
{
	return r->wall_base + r->set_offset;
}

void goldfish_rtc_poll(struct goldfish_rtc *r)
{
	if (r->is_armed && clock_ns(r) + offset_ns(r) >= r->alarm_ns) {
		r->is_armed = false;
		r->is_pending = true;
	}
	irq_line_set(&r->irq, r->is_pending && r->is_enabled);
}

ns_t goldfish_rtc_due_ns(const struct goldfish_rtc *r)
{
	uint64_t now_ns = clock_ns(r);
	uint64_t guest_ns = now_ns + offset_ns(r);
	uint64_t due_ns;

	if (!r->is_armed) {
		return UINT64_MAX;
	}
	if (guest_ns >= r->alarm_ns) {
		return now_ns;
	}
	return __builtin_add_overflow(now_ns, r->alarm_ns - guest_ns, &due_ns) ? UINT64_MAX
									       : due_ns;
}

static uint64_t with_low(uint64_t v, uint64_t low)
{
	return (v & ~0xffffffffULL) | (low & 0xffffffffULL);
}

static uint64_t with_high(uint64_t v, uint64_t high)
{
	return (v & 0xffffffffULL) | high << 32;
}

static void reg_write(struct goldfish_rtc *r, uint64_t reg, uint64_t v)
{
	uint64_t now_ns = clock_ns(r);
	uint64_t guest_ns = now_ns + offset_ns(r);

	switch (reg) {
	case REG_TIME_LOW:
		r->set_offset += with_low(guest_ns, v) - guest_ns;
		break;
	case REG_TIME_HIGH:
		r->set_offset += with_high(guest_ns, v) - guest_ns;
		break;
	case REG_ALARM_LOW:
		r->alarm_ns = with_low(r->alarm_ns, v);
		r->is_armed = true;
		break;
	case REG_ALARM_HIGH:
		r->alarm_ns = with_high(r->alarm_ns, v);
		break;
	case REG_IRQ_ENABLED:
		r->is_enabled = v & 1;
		break;
	case REG_CLEAR_ALARM:
		r->is_armed = false;
		break;
	case REG_CLEAR_INTERRUPT:
		r->is_pending = false;
		break;
	default:
		break;
	}
}

static uint64_t reg_read(struct goldfish_rtc *r, uint64_t reg)
{
	uint64_t guest_ns = clock_ns(r) + offset_ns(r);

	switch (reg) {
	case REG_TIME_LOW:
		r->time_high = (uint32_t)(guest_ns >> 32);
		return (uint32_t)guest_ns;
	case REG_TIME_HIGH:
		return r->time_high;
	case REG_ALARM_LOW:
		return (uint32_t)r->alarm_ns;
	case REG_ALARM_HIGH:
		return r->alarm_ns >> 32;
	case REG_IRQ_ENABLED:
		return r->is_enabled;
	case REG_ALARM_STATUS:
		return r->is_armed;
	default:
		return 0;
	}
}

static enum dev_result goldfish_rtc_access(void *dev, struct dev_access *a)
{
	struct goldfish_rtc *r = dev;

	if (a->bytes != 4 || a->offset % 4 || a->offset >= GOLDFISH_RTC_RANGE_BYTES) {
		return DEV_UNMAPPED;
	}
	goldfish_rtc_poll(r);
	if (a->is_write) {
		reg_write(r, a->offset, a->value);
		goldfish_rtc_poll(r);
	} else {
		a->value = reg_read(r, a->offset);
	}
	return DEV_OK;
}

static void goldfish_rtc_destroy(void *dev)
{
	free(dev);
}

static void goldfish_rtc_save(const void *dev, uint8_t *to)
{
	const struct goldfish_rtc *r = dev;

	to[0] = STATE_VERSION;
	store_le(to + 1, r->set_offset, 8);
	store_le(to + 9, r->alarm_ns, 8);
	store_le(to + 17, r->time_high, 4);
	to[21] = r->is_armed;
	to[22] = r->is_enabled;
	to[23] = r->is_pending;
}

static int goldfish_rtc_load(void *dev, const uint8_t *from, struct errmsg *e)
{
	struct goldfish_rtc *r = dev;

	if (from[0] != STATE_VERSION || from[21] > 1 || from[22] > 1 || from[23] > 1) {
		return errmsg_set(e, -EINVAL, "the saved state of the real-time clock is damaged");
	}
	r->set_offset = load_le(from + 1, 8);
	r->alarm_ns = load_le(from + 9, 8);
	r->time_high = (uint32_t)load_le(from + 17, 4);
	r->is_armed = from[21];
	r->is_enabled = from[22];
	r->is_pending = from[23];
	/* Not goldfish_rtc_poll(): an alarm that passed comes when the machine runs. */
	irq_line_set(&r->irq, r->is_pending && r->is_enabled);
	return 0;
}

const struct dev_ops goldfish_rtc_ops = {
	.name = "goldfish-rtc",
	.access = goldfish_rtc_access,
	.destroy = goldfish_rtc_destroy,
	.state_bytes = STATE_BYTES,
	.save = goldfish_rtc_save,
	.load = goldfish_rtc_load,
};

struct goldfish_rtc *goldfish_rtc_new(const struct clock_backend *clock, const struct irq_line *irq)
{
	struct goldfish_rtc *r = calloc(1, sizeof(*r));

	if (r) {
		r->clock = *clock;
		r->irq = *irq;
		r->wall_base =
			clock->wall_s(clock->opaque) * NS_PER_S - clock->now_ns(clock->opaque);
	}
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Goldfish real-time clock as on QEMU's RISC-V `virt`: nanoseconds since 1970, one alarm. */
#ifndef PINFOLD_DEV_GOLDFISH_RTC_H
#define PINFOLD_DEV_GOLDFISH_RTC_H

#include "dev/device.h"

#define GOLDFISH_RTC_RANGE_BYTES 0x1000u

struct goldfish_rtc;

extern const struct dev_ops goldfish_rtc_ops;

/**
 * @param clock its wall time is what the clock shows until the guest sets it
 * @param irq   alarm
 * @return the device; NULL when out of memory. Free it with goldfish_rtc_ops.destroy.
 */
struct goldfish_rtc *goldfish_rtc_new(const struct clock_backend *clock,
				      const struct irq_line *irq);

/** Raise the alarm if its time has come. Call when goldfish_rtc_due_ns() is reached. */
void goldfish_rtc_poll(struct goldfish_rtc *r);

/** @return when the alarm is due, in now_ns of the clock; UINT64_MAX when none is set */
ns_t goldfish_rtc_due_ns(const struct goldfish_rtc *r);

#endif

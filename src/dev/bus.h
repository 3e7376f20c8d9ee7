/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which device answers which port or address. One bus each for ports and MMIO.
 *
 * A plug-in may lie on top of the board's devices, on a part of one or across several. It gets
 * every access whose first byte is in its range, whatever the size, and may hand it on below:
 *
 *	overlay         [0x3f8]
 *	board      [0x3f8 ........ 0x3ff]
 */
#ifndef PINFOLD_DEV_BUS_H
#define PINFOLD_DEV_BUS_H

#include "dev/device.h"

#define BUS_RANGES_MAX	 32
#define BUS_OVERLAYS_MAX 16

/** One device on a bus. */
struct bus_range {
	uint64_t base;
	uint64_t size;
	const struct dev_ops *ops;
	void *dev;
};

/** Sorted by base, no overlaps. Zero-initialise. */
struct bus {
	size_t n;
	struct bus_range ranges[BUS_RANGES_MAX];
	size_t n_overlays;
	struct bus_range overlays[BUS_OVERLAYS_MAX];
};

/**
 * Put a device on the bus; it stays with the caller.
 * @return 0; -EEXIST overlap; -EINVAL empty, wrapping or not addressable; -ENOSPC
 */
int bus_attach(struct bus *b, uint64_t base, uint64_t size, const struct dev_ops *ops, void *dev,
	       struct errmsg *e);

/**
 * Put a device on top of whatever the bus has there; it stays with the caller.
 * @return 0; -EEXIST another overlay is there; -EINVAL empty or wrapping; -ENOSPC
 */
int bus_overlay(struct bus *b, uint64_t base, uint64_t size, const struct dev_ops *ops, void *dev,
		struct errmsg *e);

/**
 * Hand an access to the device that owns the address: an overlay, else the board's device.
 * @param addr first byte; for a board's device the access must lie inside its range
 * @param a    offset is filled in; value or values are filled for reads, with all ones when no
 *             device answers
 * @return the device's answer; DEV_UNMAPPED, counted, when no device took it
 */
enum dev_result bus_access(struct bus *b, uint64_t addr, struct dev_access *a);

/** Like bus_access(), but past the overlays: what a plug-in uses to hand an access on. */
enum dev_result bus_access_below(struct bus *b, uint64_t addr, struct dev_access *a);

#endif

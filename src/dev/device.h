/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract for a device model: registers behind a range of ports or addresses, and back-ends
 * that are handed in as tables. A model opens no file, reads no clock and holds no guest pointer,
 * so it runs in unit tests and fuzzers. Several instances are normal.
 */
#ifndef PINFOLD_DEV_DEVICE_H
#define PINFOLD_DEV_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"

/** What became of an access. */
enum dev_result {
	DEV_OK,
	DEV_UNMAPPED, /* no register there, or not with this size */
	DEV_STOP,     /* done; the machine must stop: the device said why through dev_host */
};

/** One access, offset relative to the device's range. */
struct dev_access {
	uint64_t offset;
	uint64_t value;	 /* written; or to be filled by a read; count 1 only */
	uint8_t *values; /* count > 1: count * bytes bytes, little endian, instead of value */
	uint32_t count;	 /* repetitions reported at once (string I/O); usually 1; 0 means 1 */
	uint8_t bytes;	 /* 1, 2, 4 or 8 */
	bool is_write;
};

/** Characters out and in. */
struct chr_backend {
	void *opaque;
	void (*put)(void *opaque, uint8_t c);
	int (*get)(void *opaque);     /* next character, taken; -1 if there is none now */
	bool (*has)(void *opaque);    /* whether get() would give one */
	bool (*is_eof)(void *opaque); /* there will never be another one; NULL: unknown */
	bool (*has_room)(
		void *opaque); /* whether some hundred characters more can go out now; NULL: always */
};

/** Time. */
struct clock_backend {
	void *opaque;
	ns_t (*now_ns)(void *opaque);	  /* since the machine started, monotonic */
	uint64_t (*wall_s)(void *opaque); /* seconds since 1970 */
};

/** An interrupt line: a level, not an event. Unwired: set is NULL. */
struct irq_line {
	void *opaque;
	void (*set)(void *opaque, bool level);
};

/** Drive a line, if it is wired. */
static inline void irq_line_set(const struct irq_line *l, bool level)
{
	if (l->set) {
		l->set(l->opaque, level);
	}
}

/** Why a device stops the machine. */
enum dev_stop_kind { DEV_STOP_EXIT, DEV_STOP_RESET, DEV_STOP_ERROR };

/** What every device may ask of the machine. */
struct dev_host {
	void *opaque;
	/** @param code exit status for EXIT; @param why one sentence for ERROR, else NULL */
	void (*stop)(void *opaque, enum dev_stop_kind kind, uint64_t code, const char *why);
};

/** The table; one const instance per model. */
struct dev_ops {
	const char *name;
	/** Reads and writes with count 1; NULL for a model that is called, not addressed. */
	enum dev_result (*access)(void *dev, struct dev_access *a);
	/** access() takes count > 1 in one call; else the bus makes count calls of it. */
	bool takes_count;
	void (*destroy)(void *dev);
	/** Bytes of state that save() writes; 0 = stateless. */
	size_t state_bytes;
	void (*save)(const void *dev, uint8_t *to);
	/** @return 0; -EINVAL when the bytes can't be a state of this device (it is untouched) */
	int (*load)(void *dev, const uint8_t *from, struct errmsg *e);
};

#endif

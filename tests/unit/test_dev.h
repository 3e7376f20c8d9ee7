/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fake back-ends for device tests: a console with scripted input, a clock, a host that notes why it
 * was stopped, guest memory. */
#ifndef PINFOLD_TESTS_UNIT_TEST_DEV_H
#define PINFOLD_TESTS_UNIT_TEST_DEV_H

#include "dev/device.h"
#include "mem/mem.h"
#include "test.h"

/** Everything a device can be given. Zero-initialise. */
struct fake {
	char out[512];
	size_t out_n;
	const char *in; /* rest of the input; NULL: none */
	bool is_eof;
	uint64_t now_ns, wall_s;
	int stops;
	enum dev_stop_kind stop_kind;
	uint64_t stop_code;
	char stop_why[ERRMSG_SIZE];
};

static inline void fake_put(void *opaque, uint8_t c)
{
	struct fake *f = opaque;

	if (f->out_n < sizeof(f->out) - 1) {
		f->out[f->out_n++] = (char)c;
		f->out[f->out_n] = '\0';
	}
}

static inline bool fake_has(void *opaque)
{
	struct fake *f = opaque;

	return f->in && *f->in;
}

static inline int fake_get(void *opaque)
{
	struct fake *f = opaque;

	return fake_has(f) ? (uint8_t)*f->in++ : -1;
}

static inline bool fake_is_eof(void *opaque)
{
	struct fake *f = opaque;

	return f->is_eof && !fake_has(f);
}

static inline struct chr_backend fake_chr(struct fake *f)
{
	return (struct chr_backend){ f, fake_put, fake_get, fake_has, fake_is_eof };
}

static inline ns_t fake_now(void *opaque)
{
	return ((struct fake *)opaque)->now_ns;
}

static inline uint64_t fake_wall(void *opaque)
{
	return ((struct fake *)opaque)->wall_s;
}

static inline struct clock_backend fake_clock(struct fake *f)
{
	return (struct clock_backend){ f, fake_now, fake_wall };
}

static inline void fake_stop(void *opaque, enum dev_stop_kind kind, uint64_t code, const char *why)
{
	struct fake *f = opaque;

	f->stops++;
	f->stop_kind = kind;
	f->stop_code = code;
	snprintf(f->stop_why, sizeof(f->stop_why), "%s", why ? why : "");
}

static inline struct dev_host fake_host(struct fake *f)
{
	return (struct dev_host){ f, fake_stop };
}

/** The far end of an interrupt line. */
struct fake_line {
	bool level;
	int rises;
};

static inline void fake_line_set(void *opaque, bool level)
{
	struct fake_line *l = opaque;

	l->rises += level && !l->level;
	l->level = level;
}

static inline struct irq_line fake_irq(struct fake_line *l)
{
	return (struct irq_line){ l, fake_line_set };
}

/** A read straight to a device; -1 when it says that nothing is there. */
static inline int64_t dev_rd(const struct dev_ops *ops, void *dev, uint64_t off, uint8_t bytes)
{
	struct dev_access a = { .offset = off, .bytes = bytes, .count = 1, .value = 0xdead };

	return ops->access(dev, &a) == DEV_UNMAPPED ? -1 : (int64_t)a.value;
}

/** A write straight to a device. */
static inline enum dev_result dev_wr(const struct dev_ops *ops, void *dev, uint64_t off,
				     uint8_t bytes, uint64_t v)
{
	struct dev_access a = {
		.offset = off, .bytes = bytes, .count = 1, .value = v, .is_write = true
	};

	return ops->access(dev, &a);
}

/** Whether a state with byte @p at set to @p v is refused, in a sentence, and changes nothing. */
static inline bool dev_is_refused(const struct dev_ops *ops, void *dev, size_t at, uint8_t v)
{
	uint8_t before[1024];
	uint8_t bad[1024];
	uint8_t after[1024];
	struct errmsg e = { 0 };

	CHECK(ops->state_bytes <= sizeof(before));
	ops->save(dev, before);
	memcpy(bad, before, ops->state_bytes);
	bad[at] = v;
	if (ops->load(dev, bad, &e) == 0 || !strstr(e.text, "damaged")) {
		return false;
	}
	ops->save(dev, after);
	return memcmp(before, after, ops->state_bytes) == 0;
}

#endif

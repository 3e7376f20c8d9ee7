/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sorted ranges, looked up on every device access. */
#include "dev/bus.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bug.h"

/* Index of the first range that ends above addr. */
static size_t first_above(const struct bus_range *t, size_t n, uint64_t addr)
{
	size_t lo = 0;
	size_t hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t[mid].base + (t[mid].size - 1) < addr) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

static const struct bus_range *find(const struct bus_range *t, size_t n, uint64_t addr)
{
	size_t idx = first_above(t, n, addr);

	return idx < n && t[idx].base <= addr ? &t[idx] : NULL;
}

static int insert(struct bus_range *t, size_t *n, size_t max, const struct bus_range *r,
		  struct errmsg *e)
{
	uint64_t last;
	size_t idx;

	if (!r->ops->access) {
		return errmsg_set(e, -EINVAL, "device '%s' has no registers to address",
				  r->ops->name);
	}
	if (!r->size || __builtin_add_overflow(r->base, r->size - 1, &last)) {
		return errmsg_set(e, -EINVAL,
				  "device '%s' at 0x%" PRIx64 " of 0x%" PRIx64
				  " bytes is empty or wraps around",
				  r->ops->name, r->base, r->size);
	}
	if (*n == max) {
		return errmsg_set(e, -ENOSPC, "no room for device '%s': the bus takes %zu",
				  r->ops->name, max);
	}
	idx = first_above(t, *n, r->base);
	if (idx < *n && range_overlaps(r->base, r->size, t[idx].base, t[idx].size)) {
		return errmsg_set(e, -EEXIST,
				  "device '%s' at 0x%" PRIx64 " overlaps '%s' at 0x%" PRIx64,
				  r->ops->name, r->base, t[idx].ops->name, t[idx].base);
	}
	memmove(&t[idx + 1], &t[idx], (*n - idx) * sizeof(*t));
	t[idx] = *r;
	(*n)++;
	return 0;
}

int bus_attach(struct bus *b, uint64_t base, uint64_t size, const struct dev_ops *ops, void *dev,
	       struct errmsg *e)
{
	struct bus_range r = { base, size, ops, dev };

	return insert(b->ranges, &b->n, BUS_RANGES_MAX, &r, e);
}

int bus_overlay(struct bus *b, uint64_t base, uint64_t size, const struct dev_ops *ops, void *dev,
		struct errmsg *e)
{
	struct bus_range r = { base, size, ops, dev };

	return insert(b->overlays, &b->n_overlays, BUS_OVERLAYS_MAX, &r, e);
}

/* Make count calls of a device that takes one value at a time. */
static enum dev_result access_each(const struct bus_range *r, struct dev_access *a)
{
	enum dev_result result = DEV_OK;
	uint8_t *p = a->values;

	for (uint32_t i = 0; i < a->count && result == DEV_OK; i++, p += a->bytes) {
		struct dev_access one = {
			.offset = a->offset, .bytes = a->bytes, .count = 1, .is_write = a->is_write
		};

		if (a->is_write) {
			one.value = load_le(p, a->bytes);
		}
		result = r->ops->access(r->dev, &one);
		if (!a->is_write && result != DEV_UNMAPPED) {
			store_le(p, one.value, a->bytes);
		}
	}
	return result;
}

/* What a read finds where nothing answers: all ones, as on a PC bus. */
static void fill_ones(struct dev_access *a)
{
	if (a->is_write) {
		return;
	}
	if (a->count > 1) {
		memset(a->values, 0xff, (size_t)a->count * a->bytes);
	} else {
		a->value = low_bytes(~0ULL, a->bytes);
	}
}

static enum dev_result access_range(const struct bus_range *r, uint64_t addr, struct dev_access *a)
{
	enum dev_result result = DEV_UNMAPPED;

	if (r) {
		a->offset = addr - r->base;
		result = a->count > 1 && !r->ops->takes_count ? access_each(r, a)
							      : r->ops->access(r->dev, a);
	}
	if (result == DEV_UNMAPPED) {
		fill_ones(a);
	}
	return result;
}

enum dev_result bus_access_below(struct bus *b, uint64_t addr, struct dev_access *a)
{
	const struct bus_range *r = find(b->ranges, b->n, addr);

	a->count = a->count ? a->count : 1;
	BUG_ON(a->bytes < 1 || a->bytes > 8 || (a->count > 1 && !a->values));
	if (r && !range_within(addr, a->bytes, r->base, r->size)) {
		r = NULL;
	}
	return access_range(r, addr, a);
}

enum dev_result bus_access(struct bus *b, uint64_t addr, struct dev_access *a)
{
	const struct bus_range *r = find(b->overlays, b->n_overlays, addr);

	if (!r) {
		return bus_access_below(b, addr, a);
	}
	a->count = a->count ? a->count : 1;
	BUG_ON(a->bytes < 1 || a->bytes > 8 || (a->count > 1 && !a->values));
	return access_range(r, addr, a);
}

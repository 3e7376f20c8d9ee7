/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sorted region list and the one accessor that all copies go through. */
#include "mem/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"

struct mem {
	size_t n;
	struct mem_region regions[MEM_REGIONS_MAX];
	struct mem_watcher *watchers;
};

struct mem *mem_new(void)
{
	return calloc(1, sizeof(struct mem));
}

void mem_free(struct mem *m)
{
	free(m);
}

/* Index of the first region that ends above gpa. */
static size_t first_above(const struct mem *m, gpa_t gpa)
{
	size_t lo = 0;
	size_t hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct mem_region *r = &m->regions[mid];

		if (r->base_gpa + (r->size_bytes - 1) < gpa) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

static bool is_page_range(gpa_t gpa, uint64_t size_bytes)
{
	uint64_t last;

	return size_bytes && gpa % PAGE_BYTES == 0 && size_bytes % PAGE_BYTES == 0 &&
	       !__builtin_add_overflow(gpa, size_bytes - 1, &last);
}

static void insert_at(struct mem *m, size_t idx, const struct mem_region *r)
{
	BUG_ON(m->n >= MEM_REGIONS_MAX || idx > m->n);
	memmove(&m->regions[idx + 1], &m->regions[idx], (m->n - idx) * sizeof(*r));
	m->regions[idx] = *r;
	m->n++;
}

int mem_region_add(struct mem *m, const struct mem_region *r, struct errmsg *e)
{
	size_t idx;

	if (!is_page_range(r->base_gpa, r->size_bytes)) {
		return errmsg_set(e, -EINVAL,
				  "memory '%s' at 0x%" PRIx64 " of 0x%" PRIx64
				  " bytes is empty, not page-aligned, or wraps around",
				  r->name, r->base_gpa, r->size_bytes);
	}
	if (m->n == MEM_REGIONS_MAX) {
		return errmsg_set(e, -ENOSPC, "more than %d memory regions", MEM_REGIONS_MAX);
	}
	idx = first_above(m, r->base_gpa);
	if (idx < m->n && range_overlaps(r->base_gpa, r->size_bytes, m->regions[idx].base_gpa,
					 m->regions[idx].size_bytes)) {
		return errmsg_set(e, -EEXIST,
				  "memory '%s' at 0x%" PRIx64 " overlaps '%s' at 0x%" PRIx64,
				  r->name, r->base_gpa, m->regions[idx].name,
				  m->regions[idx].base_gpa);
	}
	insert_at(m, idx, r);
	return 0;
}

static bool is_covered(const struct mem *m, gpa_t gpa, uint64_t size_bytes)
{
	while (size_bytes) {
		const struct mem_region *r = mem_region_find(m, gpa);
		uint64_t step;

		if (!r) {
			return false;
		}
		step = r->size_bytes - (gpa - r->base_gpa);
		if (step >= size_bytes) {
			return true;
		}
		gpa += step;
		size_bytes -= step;
	}
	return true;
}

/* Make gpa the start of a region. gpa is page-aligned. */
static void split_at(struct mem *m, gpa_t gpa)
{
	size_t idx = first_above(m, gpa);
	struct mem_region *low;
	struct mem_region high;
	uint64_t keep;

	if (idx == m->n || m->regions[idx].base_gpa >= gpa) {
		return;
	}
	low = &m->regions[idx];
	keep = gpa - low->base_gpa;
	high = *low;
	high.base_gpa = gpa;
	high.size_bytes -= keep;
	high.hva += keep;
	high.fd_off += keep;
	low->size_bytes = keep;
	insert_at(m, idx + 1, &high);
}

int mem_region_protect(struct mem *m, gpa_t gpa, uint64_t size_bytes, uint32_t perm,
		       struct errmsg *e)
{
	if (!is_page_range(gpa, size_bytes)) {
		return errmsg_set(e, -EINVAL,
				  "0x%" PRIx64 " + 0x%" PRIx64 " is not a range of pages", gpa,
				  size_bytes);
	}
	if (!is_covered(m, gpa, size_bytes)) {
		return errmsg_set(e, -ENOENT,
				  "part of 0x%" PRIx64 " + 0x%" PRIx64 " is not guest memory", gpa,
				  size_bytes);
	}
	if (m->n + 2 > MEM_REGIONS_MAX) {
		return errmsg_set(e, -ENOSPC, "more than %d memory regions", MEM_REGIONS_MAX);
	}
	split_at(m, gpa);
	if (gpa + size_bytes != 0) {
		split_at(m, gpa + size_bytes);
	}
	for (size_t i = first_above(m, gpa); i < m->n; i++) {
		if (m->regions[i].base_gpa - gpa >= size_bytes) {
			break;
		}
		m->regions[i].perm = perm;
	}
	return 0;
}

size_t mem_region_count(const struct mem *m)
{
	return m->n;
}

const struct mem_region *mem_region_at(const struct mem *m, size_t idx)
{
	BUG_ON(idx >= m->n);
	return &m->regions[idx];
}

const struct mem_region *mem_region_find(const struct mem *m, gpa_t gpa)
{
	size_t idx = first_above(m, gpa);

	if (idx == m->n || m->regions[idx].base_gpa > gpa) {
		return NULL;
	}
	return &m->regions[idx];
}

/*
 * Check that all of the range allows the access, before a byte is copied. @ret_whole is where it is in the host if one region
 * holds all of it, which is the usual case, else NULL.
 */
static bool check(const struct mem *m, gpa_t gpa, uint64_t len, uint32_t access,
		  struct mem_fault *ret_fault, uint8_t **ret_whole)
{
	uint64_t total = len;

	*ret_whole = NULL;
	while (len) {
		const struct mem_region *r = mem_region_find(m, gpa);
		uint64_t step;

		if (!r || (r->perm & access) != access) {
			if (ret_fault) {
				*ret_fault = (struct mem_fault){ gpa, access, r != NULL };
			}
			return false;
		}
		step = r->size_bytes - (gpa - r->base_gpa);
		if (step >= len) {
			*ret_whole = len == total ? r->hva + (gpa - r->base_gpa) : NULL;
			return true;
		}
		gpa += step; /* may wrap to 0 behind the last page: then the lookup decides */
		len -= step;
	}
	return true;
}

bool mem_allows(const struct mem *m, gpa_t gpa, uint64_t len, uint32_t access)
{
	uint8_t *whole;

	return check(m, gpa, len, access, NULL, &whole);
}

/* Copy between buf and the range, region by region; returns the bytes moved. */
static size_t copy(const struct mem *m, gpa_t gpa, void *to_buf, const void *from_buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const struct mem_region *r = mem_region_find(m, gpa + done);
		uint64_t left;
		size_t step;
		uint8_t *p;

		if (!r) {
			break;
		}
		left = r->size_bytes - (gpa + done - r->base_gpa);
		step = left < len - done ? (size_t)left : len - done;
		p = r->hva + (gpa + done - r->base_gpa);
		if (to_buf) {
			memcpy((uint8_t *)to_buf + done, p, step);
		} else {
			memcpy(p, (const uint8_t *)from_buf + done, step);
		}
		done += step;
	}
	return done;
}

static bool read(const struct mem *m, gpa_t gpa, void *buf, size_t len, uint32_t access,
		 struct mem_fault *ret_fault)
{
	uint8_t *whole;

	if (!check(m, gpa, len, access, ret_fault, &whole)) {
		return false;
	}
	if (whole) {
		memcpy(buf, whole, len);
	} else {
		copy(m, gpa, buf, NULL, len);
	}
	return true;
}

bool mem_read(const struct mem *m, gpa_t gpa, void *buf, size_t len, struct mem_fault *ret_fault)
{
	return read(m, gpa, buf, len, MEM_R, ret_fault);
}

bool mem_fetch(const struct mem *m, gpa_t gpa, void *buf, size_t len, struct mem_fault *ret_fault)
{
	return read(m, gpa, buf, len, MEM_X, ret_fault);
}

bool mem_write(struct mem *m, gpa_t gpa, const void *buf, size_t len, struct mem_fault *ret_fault)
{
	uint8_t *whole;

	if (!check(m, gpa, len, MEM_W, ret_fault, &whole)) {
		return false;
	}
	mem_stored(m, gpa, len);
	if (whole) {
		memcpy(whole, buf, len);
	} else {
		copy(m, gpa, NULL, buf, len);
	}
	return true;
}

size_t mem_peek(const struct mem *m, gpa_t gpa, void *buf, size_t len)
{
	return copy(m, gpa, buf, NULL, len);
}

void mem_watch(struct mem *m, struct mem_watcher *w)
{
	w->next = m->watchers;
	m->watchers = w;
}

void mem_unwatch(struct mem *m, struct mem_watcher *w)
{
	struct mem_watcher **p = &m->watchers;

	while (*p && *p != w) {
		p = &(*p)->next;
	}
	if (*p) {
		*p = w->next;
	}
}

bool mem_stored(struct mem *m, gpa_t gpa, uint64_t bytes)
{
	bool is_watched = false;

	for (struct mem_watcher *w = m->watchers; w; w = w->next) {
		is_watched |= w->stored(w->opaque, gpa, bytes);
	}
	return is_watched;
}

void mem_exposed(struct mem *m, gpa_t gpa, uint64_t bytes)
{
	for (struct mem_watcher *w = m->watchers; w; w = w->next) {
		w->exposed(w->opaque, gpa, bytes);
	}
}

void mem_expose_all(struct mem *m)
{
	for (struct mem_watcher *w = m->watchers; w; w = w->next) {
		if (w->expose_all) {
			w->expose_all(w->opaque);
		}
	}
}

void mem_watched(struct mem *m, gpa_t page)
{
	for (struct mem_watcher *w = m->watchers; w; w = w->next) {
		if (w->watched) {
			w->watched(w->opaque, page);
		}
	}
}

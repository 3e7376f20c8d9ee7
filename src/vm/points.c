/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of points; see points.h. */
#include "vm/points.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bits.h"
#include "mem/mem.h"

static struct vm_point *find(struct vm_points *ps, const struct proto_point *p)
{
	for (size_t i = 0; i < ps->n; i++) {
		const struct proto_point *q = &ps->point[i].p;

		if (q->kind == p->kind && q->gva == p->gva && q->bytes == p->bytes) {
			return &ps->point[i];
		}
	}
	return NULL;
}

int points_set(struct vm_points *ps, const struct proto_point *p, struct errmsg *e)
{
	struct vm_point *found = find(ps, p);

	if (!p->is_add) {
		if (!found) {
			return errmsg_set(e, -ENOENT, "no such point at 0x%" PRIx64, p->gva);
		}
		*found = ps->point[--ps->n];
		return 0;
	}
	if (found) {
		return errmsg_set(e, -EEXIST, "there is such a point at 0x%" PRIx64, p->gva);
	}
	if (p->kind != PROTO_POINT_BREAK &&
	    (p->bytes == 0 || p->bytes > POINTS_WATCH_BYTES || p->gva + (p->bytes - 1) < p->gva)) {
		return errmsg_set(e, -EINVAL, "a watchpoint covers 1 to %d bytes",
				  POINTS_WATCH_BYTES);
	}
	if (ps->n == POINTS_MAX) {
		return errmsg_set(e, -ENOSPC, "more than %d breakpoints and watchpoints",
				  POINTS_MAX);
	}
	ps->point[ps->n++] = (struct vm_point){ .p = *p };
	return 0;
}

bool points_has_break(const struct vm_points *ps, gva_t pc)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->point[i].p.kind == PROTO_POINT_BREAK && ps->point[i].p.gva == pc) {
			return true;
		}
	}
	return false;
}

bool points_has_any_break(const struct vm_points *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->point[i].p.kind == PROTO_POINT_BREAK) {
			return true;
		}
	}
	return false;
}

bool points_has_watch(const struct vm_points *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->point[i].p.kind != PROTO_POINT_BREAK) {
			return true;
		}
	}
	return false;
}

size_t points_breaks(const struct vm_points *ps, gva_t addrs[POINTS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ps->n; i++) {
		if (ps->point[i].p.kind == PROTO_POINT_BREAK) {
			addrs[n++] = ps->point[i].p.gva;
		}
	}
	return n;
}

static uint32_t watched_access(const struct vm_point *p)
{
	switch (p->p.kind) {
	case PROTO_POINT_WATCH_WRITE:
		return MEM_W;
	case PROTO_POINT_WATCH_READ:
		return MEM_R;
	case PROTO_POINT_WATCH_ACCESS:
		return MEM_R | MEM_W;
	default:
		return 0;
	}
}

size_t points_watches(const struct vm_points *ps, struct engine_watch watches[POINTS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ps->n; i++) {
		const struct vm_point *p = &ps->point[i];

		if (watched_access(p)) {
			watches[n++] = (struct engine_watch){ .gva = p->p.gva,
							      .bytes = p->p.bytes,
							      .access = watched_access(p) };
		}
	}
	return n;
}

const struct vm_point *points_hit(const struct vm_points *ps, const struct engine_watch *hit)
{
	for (size_t i = 0; i < ps->n; i++) {
		const struct vm_point *p = &ps->point[i];

		if (watched_access(p) & hit->access &&
		    range_within(hit->gva, 1, p->p.gva, p->p.bytes)) {
			return p;
		}
	}
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's breakpoints and watchpoints; see gdb_session.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/gdb_session.h"

static enum proto_point_kind point_kind(enum gdb_point type)
{
	switch (type) {
	case GDB_POINT_WATCH_WRITE:
		return PROTO_POINT_WATCH_WRITE;
	case GDB_POINT_WATCH_READ:
		return PROTO_POINT_WATCH_READ;
	case GDB_POINT_WATCH_ACCESS:
		return PROTO_POINT_WATCH_ACCESS;
	default:
		return PROTO_POINT_BREAK;
	}
}

/* What the VM is told; two of the client's points may be the same to it. */
static struct proto_point point_of(const struct gdb_set_point *p)
{
	struct proto_point to = { .kind = point_kind(p->type), .gva = p->addr };

	to.bytes = to.kind == PROTO_POINT_BREAK ? 0 : p->bytes;
	return to;
}

static bool has_same_in_vm(const struct gdb_server *s, const struct proto_point *p)
{
	for (size_t i = 0; i < s->n_points; i++) {
		struct proto_point q = point_of(&s->points[i]);

		if (q.kind == p->kind && q.gva == p->gva && q.bytes == p->bytes) {
			return true;
		}
	}
	return false;
}

static struct gdb_set_point *point_find(struct gdb_server *s, const struct gdb_set_point *p)
{
	for (size_t i = 0; i < s->n_points; i++) {
		struct gdb_set_point *q = &s->points[i];

		if (q->type == p->type && q->addr == p->addr && q->bytes == p->bytes) {
			return q;
		}
	}
	return NULL;
}

/* As often as the client likes: it may repeat a packet. */
int gdb_point_add(struct gdb_server *s, const struct gdb_set_point *p)
{
	struct proto_point to = point_of(p);
	struct errmsg e = { 0 };
	int r;

	if (point_find(s, p)) {
		return 0;
	}
	if (s->n_points == GDB_POINTS_MAX) {
		return -ENOSPC;
	}
	if (to.bytes > GDB_WATCH_BYTES_MAX) {
		return -EINVAL;
	}
	if (!has_same_in_vm(s, &to)) {
		to.is_add = 1;
		r = gdb_ask(s, PROTO_SET_POINT, &to, sizeof(to), NULL, 0, NULL, &e);
		if (r < 0) {
			fprintf(stderr, "gdb: no point at 0x%" PRIx64 ": %s\n", p->addr, e.text);
			return r;
		}
	}
	s->points[s->n_points++] = *p;
	return 0;
}

int gdb_point_remove(struct gdb_server *s, const struct gdb_set_point *p)
{
	struct proto_point to = point_of(p);
	struct gdb_set_point *found = point_find(s, p);

	if (!found) {
		return 0;
	}
	*found = s->points[--s->n_points];
	return has_same_in_vm(s, &to) ? 0 : gdb_tell(s, PROTO_SET_POINT, &to, sizeof(to));
}

void gdb_points_clear(struct gdb_server *s)
{
	while (s->n_points > 0) {
		struct gdb_set_point p = s->points[0];

		gdb_point_remove(s, &p);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disks of a VmSpec: [{"image": HASH, "read_only": BOOL, "snapshot": BOOL, "room_bytes": N, "name": TEXT, "bytes": N},
 * ...].
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/vms/spec.h"
#include "daemon/vms/spec_internal.h"

static int field_read(const char *name, const json_t *v, struct spec_disk *d, bool *is_ro,
		      struct errmsg *e)
{
	if (strcmp(name, "image") == 0) {
		return spec_read_hash(v, d->image, e);
	}
	if (strcmp(name, "read_only") == 0) {
		return spec_read_bool(v, is_ro, e);
	}
	if (strcmp(name, "name") == 0) {
		return spec_read_text(v, d->name, sizeof(d->name) - 1, e);
	}
	if (strcmp(name, "bytes") == 0) {
		return spec_read_u64(v, 0, SPEC_DISK_MAX_BYTES, &d->bytes, e);
	}
	if (strcmp(name, "room_bytes") == 0) {
		return spec_read_u64(v, 1, SPEC_DISK_MAX_BYTES, &d->room_bytes, e);
	}
	if (strcmp(name, "snapshot") == 0) {
		return spec_read_bool(v, &d->is_snapshot, e);
	}
	return REFUSE(e,
		      "is no field of a disk: image, read_only, snapshot, room_bytes, name, bytes");
}

static int disk_read(const json_t *v, struct spec_disk *d, bool *is_ro, struct errmsg *e)
{
	json_t *object = (json_t *)(uintptr_t)v; /* the iterator takes no const */
	const char *name;
	json_t *value;

	if (!json_is_object(v)) {
		return REFUSE(e, "must be an object");
	}
	json_object_foreach(object, name, value)
	{
		int r = field_read(name, value, d, is_ro, e);

		if (r < 0) {
			errmsg_prefix(e, "%.40s ", name);
			return r;
		}
	}
	return d->image[0] ? 0 : REFUSE(e, "needs image: upload one first");
}

int spec_disks_read(const json_t *v, struct vm_spec *s, struct errmsg *e)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v) || n > PROTO_DISKS_MAX) {
		return REFUSE(e, "must be a list of at most %u disks", PROTO_DISKS_MAX);
	}
	for (size_t i = 0; i < n; i++) {
		bool is_ro = false;
		int r = disk_read(json_array_get(v, i), &s->disks[i], &is_ro, e);

		if (r < 0) {
			errmsg_prefix(e, "%zu ", i);
			return r;
		}
		if (is_ro && (s->disks[i].is_snapshot || s->disks[i].room_bytes)) {
			return REFUSE(e,
				      "%zu is read_only: it has no changes to throw away or "
				      "room for them",
				      i);
		}
		s->config.disks_ro |= is_ro ? (uint32_t)BIT(i) : 0;
	}
	s->n_disks = (uint32_t)n;
	return 0;
}

json_t *spec_disks_write(const struct vm_spec *s)
{
	json_t *list = s->n_disks ? json_array() : NULL;

	for (uint32_t i = 0; list && i < s->n_disks; i++) {
		const struct spec_disk *d = &s->disks[i];
		json_t *o = json_pack("{ss sb ss}", "image", d->image, "read_only",
				      s->config.disks_ro & BIT(i) ? 1 : 0, "name", d->name);

		if (o && d->is_snapshot) {
			json_object_set_new(o, "snapshot", json_true());
		}
		if (o && d->room_bytes) {
			json_object_set_new(o, "room_bytes",
					    json_integer((json_int_t)d->room_bytes));
		}
		if (o && d->bytes) {
			json_object_set_new(o, "bytes", json_integer((json_int_t)d->bytes));
		}
		if (!o || json_array_append_new(list, o) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

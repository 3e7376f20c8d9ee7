/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VmSpec as JSON: a table of fields (spec_fields.c), and what only several of them together show. Whether an engine can do it
 * is the VM's business.
 */
#include "daemon/vms/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/vms/spec_internal.h"
#include "sched/sched.h"

#define MEM_DEFAULT_BYTES (64ULL << 20)
#define MEM_SYSTEM_BYTES  (128ULL << 20) /* of boards that run operating systems */

#define BOARD_BARE "bare"

void spec_defaults(struct vm_spec *s)
{
	memset(s, 0, sizeof(*s));
	s->is_kvm_allowed = true;
	s->prio = SCHED_PRIO_DEFAULT;
	s->host_core = SPEC_CORE_ANY;
	snprintf(s->config.engine, sizeof(s->config.engine), "auto");
	snprintf(s->config.board, sizeof(s->config.board), BOARD_BARE);
	s->config.n_cpus = 1;
	s->config.slice_ns = SCHED_SLICE_NS;
	s->config.limits.mem_bytes = MEM_DEFAULT_BYTES;
}

static const struct spec_field *field_find(const char *name)
{
	for (size_t i = 0; i < spec_n_fields; i++) {
		if (strcmp(spec_fields[i].name, name) == 0) {
			return &spec_fields[i];
		}
	}
	return NULL;
}

/* What needs a board that runs operating systems; whether the board is one the VM knows. */
static int check_board(const struct vm_spec *s, struct errmsg *e)
{
	const struct {
		const char *name;
		bool is_there;
	} wants[] = {
		{ "kernel", s->kernel[0] },
		{ "initrd", s->initrd[0] },
		{ "disks", s->n_disks > 0 },
		{ "net", s->net[0] },
		{ "cpus", s->config.n_cpus > 1 },
		{ "console", s->config.flags & PROTO_CFG_VIRTIO_CONSOLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
		if (wants[i].is_there && strcmp(s->config.board, BOARD_BARE) == 0) {
			return REFUSE(e, "%s can't be had on board bare: use board virt",
				      wants[i].name);
		}
	}
	if (s->initrd[0] && !s->kernel[0]) {
		return REFUSE(e, "initrd needs kernel: nothing else would find it");
	}
	if (s->kernel[0] && s->context[0]) {
		return REFUSE(e, "kernel is in the context already: leave it out, or the context");
	}
	return 0;
}

/* What only several fields together show. */
static int check_whole(const struct vm_spec *s, const json_t *o, struct errmsg *e)
{
	const struct proto_config *c = &s->config;
	const char *mode = json_string_value(json_object_get(o, "mode"));

	if (!s->image[0] && !s->kernel[0] && !s->context[0]) {
		return REFUSE(e,
			      "image, kernel or context is needed: a VM must start from something");
	}
	if (s->host_core != SPEC_CORE_ANY && !s->is_exclusive) {
		return REFUSE(e, "core needs exclusive: a shared VM runs on any core of the pool");
	}
	if (c->flags & PROTO_CFG_16BIT && c->arch != PROTO_ARCH_ANY && c->arch != PROTO_ARCH_X86) {
		return REFUSE(e, "mode 16 is for arch x86");
	}
	if (mode && strcmp(mode, "64") == 0 &&
	    (c->arch == PROTO_ARCH_X86 || c->arch == PROTO_ARCH_ARM)) {
		return REFUSE(e, "mode 64 is not for a 32-bit arch");
	}
	if (mode && strcmp(mode, "32") == 0 && c->arch >= PROTO_ARCH_X64 &&
	    c->arch != PROTO_ARCH_ARM) {
		return REFUSE(e, "mode 32 is not for a 64-bit arch");
	}
	return 0;
}

int spec_from_json(const json_t *o, struct vm_spec *ret, struct errmsg *e)
{
	json_t *object = (json_t *)(uintptr_t)o; /* the iterator takes no const */
	struct vm_spec s;
	const char *name;
	json_t *value;
	int r;

	if (!json_is_object(o)) {
		return REFUSE(e, "a VM is described by an object");
	}
	spec_defaults(&s);
	json_object_foreach(object, name, value)
	{
		const struct spec_field *f = field_find(name);

		if (!f) {
			return REFUSE(e, "there is no field %.40s", name);
		}
		r = json_is_null(value) ? 0 : f->read(value, &s, e);
		if (r < 0) {
			errmsg_prefix(e, "%s ", name);
			return r;
		}
	}
	if (!json_object_get(o, "mem_bytes") && strcmp(s.config.board, BOARD_BARE) != 0) {
		s.config.limits.mem_bytes = MEM_SYSTEM_BYTES;
	}
	r = check_board(&s, e);
	r = r < 0 ? r : check_whole(&s, o, e);
	if (r == 0) {
		*ret = s;
	}
	return r;
}

json_t *spec_to_json(const struct vm_spec *s)
{
	json_t *o = json_object();

	for (size_t i = 0; o && i < spec_n_fields; i++) {
		json_t *v = spec_fields[i].write(s);

		if (v && json_object_set_new(o, spec_fields[i].name, v) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

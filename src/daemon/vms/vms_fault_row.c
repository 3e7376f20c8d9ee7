/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known about the fault of a VM's last run, as a row of the store: written when it faults, and
 * again when its registers have been read; read after a restart of the daemon, when its process may be
 * gone. Registers are looked up in the store when somebody asks, because they are long.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/vms/vms_internal.h"

/* Numbers beyond JSON's are written as text. */
static json_t *u64_json(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, n);
	return json_string(text);
}

/* A VM process made it: printable ASCII is sure to be JSON. */
static json_t *text_json(const char *text)
{
	char plain[PROTO_TEXT];
	size_t n = strnlen(text, sizeof(plain) - 1);

	for (size_t i = 0; i < n; i++) {
		plain[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	}
	return json_stringn(plain, n);
}

static json_t *insn_json(const struct proto_fault *f)
{
	char text[2 * sizeof(f->insn) + 1] = "";

	for (uint32_t i = 0; i < f->n_insn && i < sizeof(f->insn); i++) {
		snprintf(text + (size_t)2 * i, 3, "%02x", f->insn[i]);
	}
	return json_string(text);
}

static json_t *fault_json(const struct proto_fault *f)
{
	return json_pack("{so si si so so so sb so si}", "kind", text_json(f->kind), "vector",
			 (int)f->vector, "access", (int)f->access, "syndrome",
			 u64_json(f->syndrome), "pc", u64_json(f->pc), "address",
			 u64_json(f->address), "has_address", (int)(f->has_address != 0), "insn",
			 insn_json(f), "insn_flags", (int)f->insn_flags);
}

static json_t *usage_json(const struct proto_usage *u)
{
	return json_pack("{so so so so so sb}", "cpu_ns", u64_json(u->cpu_ns), "wall_ns",
			 u64_json(u->wall_ns), "insns", u64_json(u->insns), "slices",
			 u64_json(u->slices), "mem_peak_bytes", u64_json(u->mem_peak_bytes),
			 "insns_known", (int)(u->insns_known != 0));
}

static json_t *stop_json(const struct proto_stopped *s)
{
	return json_pack("{si si so si so so so so so}", "reason", (int)s->reason, "state",
			 (int)s->state, "code", u64_json(s->code), "limit", (int)s->limit, "pc",
			 u64_json(s->pc), "address", u64_json(s->address), "text",
			 text_json(s->text), "fault", fault_json(&s->fault), "usage",
			 usage_json(&s->usage));
}

static uint64_t get_u64(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return json_is_string(v) ? strtoull(json_string_value(v), NULL, 16)
				 : (uint64_t)json_integer_value(v);
}

static void get_text(const json_t *o, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(o, name));

	snprintf(ret, size, "%s", text ? text : "");
}

static void get_insn(const json_t *o, struct proto_fault *f)
{
	char text[2 * sizeof(f->insn) + 1];
	unsigned int byte;

	get_text(o, "insn", text, sizeof(text));
	while (f->n_insn < sizeof(f->insn) &&
	       sscanf(text + (size_t)2 * f->n_insn, "%2x", &byte) == 1) {
		f->insn[f->n_insn++] = (uint8_t)byte;
	}
}

static void fault_parse(const json_t *o, struct proto_fault *f)
{
	get_text(o, "kind", f->kind, sizeof(f->kind));
	f->vector = (uint32_t)get_u64(o, "vector");
	f->access = (uint32_t)get_u64(o, "access");
	f->syndrome = get_u64(o, "syndrome");
	f->pc = get_u64(o, "pc");
	f->address = get_u64(o, "address");
	f->has_address = json_is_true(json_object_get(o, "has_address"));
	f->insn_flags = (uint32_t)get_u64(o, "insn_flags");
	get_insn(o, f);
}

static void usage_parse(const json_t *o, struct proto_usage *u)
{
	u->cpu_ns = get_u64(o, "cpu_ns");
	u->wall_ns = get_u64(o, "wall_ns");
	u->insns = get_u64(o, "insns");
	u->slices = get_u64(o, "slices");
	u->mem_peak_bytes = get_u64(o, "mem_peak_bytes");
	u->insns_known = json_is_true(json_object_get(o, "insns_known"));
}

/* As stop_json() wrote it, or it is not taken. */
static bool stop_parse(const char *text, struct proto_stopped *ret)
{
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct proto_stopped s = { 0 };
	bool is_good;

	s.reason = (uint32_t)get_u64(o, "reason");
	s.state = (uint32_t)get_u64(o, "state");
	s.code = get_u64(o, "code");
	s.limit = (uint32_t)get_u64(o, "limit");
	s.pc = get_u64(o, "pc");
	s.address = get_u64(o, "address");
	get_text(o, "text", s.text, sizeof(s.text));
	fault_parse(json_object_get(o, "fault"), &s.fault);
	usage_parse(json_object_get(o, "usage"), &s.usage);
	is_good = json_is_object(o) && proto_stopped_is_sane(&s);
	json_decref(o);
	if (is_good) {
		*ret = s;
	}
	return is_good;
}

void vms_fault_put(struct vms *v, struct vms_vm *vm, const json_t *registers)
{
	struct store_change change = { .op = STORE_PUT, .row = { .kind = STORE_FAULT } };
	char *regs = registers ? json_dumps(registers, JSON_COMPACT) : NULL;
	struct errmsg e = { 0 };
	char *stop = NULL;
	json_t *o = NULL;
	int r;

	pthread_mutex_lock(&v->lock);
	o = vm->has_stop ? stop_json(&vm->stop) : NULL;
	change.row.fault.run = vm->run;
	change.row.fault.reason = vm->fault;
	change.row.fault.cleared_as = vm->state == VMS_FAULTED ? 0 : vm->state;
	vm->has_fault_row = true;
	pthread_mutex_unlock(&v->lock);
	stop = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	change.row.fault.vm_id = vm->id;
	change.row.fault.stop_json = stop ? stop : "";
	change.row.fault.registers_json = regs && strlen(regs) <= STORE_REGS_MAX ? regs : "";
	r = store_submit(v->o.store, &change, 1, NULL, NULL, &e);
	if (r < 0 && vms_may_log(v)) {
		log_warn("the details of a fault are not written down vm=%s error=\"%s\"", vm->id,
			 e.text);
	}
	free(regs);
	free(stop);
}

void vms_fault_row_forget(struct vms *v, struct vms_vm *vm)
{
	const struct store_change change = { STORE_FORGET,
					     { STORE_FAULT, .fault = { .vm_id = vm->id } } };
	struct errmsg e = { 0 };
	bool has;

	pthread_mutex_lock(&v->lock);
	has = vm->has_fault_row;
	vm->has_fault_row = false;
	pthread_mutex_unlock(&v->lock);
	/* One that stays is of an earlier run, and does not count. */
	if (has && store_submit(v->o.store, &change, 1, NULL, NULL, &e) < 0 && vms_may_log(v)) {
		log_warn("the details of an old fault stay vm=%s error=\"%s\"", vm->id, e.text);
	}
}

int vms_fault_load(void *arg, const struct store_row *row)
{
	struct vms *v = arg;
	const struct store_fault *f = &row->fault;
	struct vms_vm *vm = vms_ref(v, f->vm_id);
	char path[VMS_PATH_BYTES];

	if (!vm) {
		return 0; /* removed since */
	}
	vm->has_fault_row = true;
	if (f->run == vm->run && vm->state == VMS_FAULTED) {
		vm->has_stop = stop_parse(f->stop_json, &vm->stop);
		vm->fault = f->reason < SCHED_REASON_COUNT ? (enum sched_reason)f->reason
							   : SCHED_REASON_GUEST_FAULT;
		if (f->cleared_as) {
			vm->state = f->cleared_as == VMS_STOPPED ? VMS_STOPPED : VMS_KILLED;
		} else {
			vms_fault_path(v, vm->id, path);
			vm->has_fault_context = access(path, R_OK) == 0;
		}
	}
	vms_unref(v, vm);
	return 0;
}

static int take_registers(void *arg, const struct store_row *row)
{
	json_t **ret = arg;

	*ret = json_loads(row->fault.registers_json, JSON_REJECT_DUPLICATES, NULL);
	return *ret ? 0 : -ENOENT;
}

int vms_fault_registers(struct vms *v, const struct vms_vm *vm, json_t **ret, struct errmsg *e)
{
	const struct store_row key = { .kind = STORE_FAULT, .fault = { .vm_id = vm->id } };
	int r = store_find(v->o.store, &key, take_registers, ret, NULL);

	return r < 0 ? errmsg_set(e, r, "the registers of VM %s were not kept", vm->spec.name) : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM as JSON: in a list, with everything, and its fault. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api/api_internal.h"

static const char *owner_name(struct api *a, struct api_names *names, uid_t uid)
{
	struct users_info info;
	uint32_t i;

	for (i = 0; i < names->n; i++) {
		if (names->cache[i].uid == uid) {
			return names->cache[i].name;
		}
	}
	users_get_own(a->o.users, uid, &info);
	i = names->n < ARRAY_SIZE(names->cache) ? names->n++ : uid % ARRAY_SIZE(names->cache);
	names->cache[i].uid = uid;
	snprintf(names->cache[i].name, sizeof(names->cache[i].name), "%s", info.name);
	return names->cache[i].name;
}

bool api_vm_is_over(const struct vms_info *i)
{
	return i->state == VMS_STOPPED || i->state == VMS_FAULTED || i->state == VMS_KILLED;
}

int api_vm_core(struct api *a, const struct vms_info *i)
{
	const struct sched_roles *roles = partition_roles(a->o.partition);
	const struct sched_vcpu_info *v = &i->dispatch.vcpu;
	uint16_t core = v->excl_core;

	if (i->slot == SCHED_NONE || v->state == SCHED_VCPU_FREE) {
		return -1;
	}
	if (core == SCHED_CORE_NONE &&
	    (v->state == SCHED_VCPU_RUNNING || v->state == SCHED_VCPU_NEXT)) {
		core = v->core;
	}
	return core < roles->n_pool ? roles->pool[core] : -1;
}

/* The guest's status; a guest that halts has done what it wanted. */
static json_t *code_json(const struct vms_info *i)
{
	if (!api_vm_is_over(i) || !i->has_stop || i->state == VMS_KILLED) {
		return json_null();
	}
	if (i->stop.reason == PROTO_STOP_HALT) {
		return json_integer(0);
	}
	return i->stop.reason == PROTO_STOP_EXIT ? api_json_u64(i->stop.code) : json_null();
}

/* How it ended: {kind, code, message}; null while it has not. */
static json_t *exit_json(const struct vms_info *i)
{
	static const char *const kinds[PROTO_STOP_COUNT] = {
		[PROTO_STOP_HALT] = "halt",	      [PROTO_STOP_EXIT] = "exit",
		[PROTO_STOP_LIMIT] = "limit",	      [PROTO_STOP_FAULT] = "fault",
		[PROTO_STOP_REQUESTED] = "requested", [PROTO_STOP_ERROR] = "error",
	};
	const char *kind = i->state == VMS_FAULTED ? "fault" : NULL;

	if (!api_vm_is_over(i)) {
		return json_null();
	}
	if (i->has_stop && i->stop.reason < PROTO_STOP_COUNT && kinds[i->stop.reason]) {
		kind = kinds[i->stop.reason];
	}
	if (i->state == VMS_KILLED) {
		return json_pack("{ss so so}", "kind", "killed", "code", json_null(), "message",
				 api_json_str(i->message));
	}
	if (i->fault != SCHED_REASON_NONE && i->fault != SCHED_REASON_GUEST_FAULT) {
		return json_pack("{ss so ss}", "kind", "scheduler", "code", json_null(), "message",
				 sched_reason_name(i->fault));
	}
	return json_pack("{ss so so}", "kind", kind ? kind : "unknown", "code", code_json(i),
			 "message", api_json_str(i->message));
}

static json_t *access_json(uint32_t access)
{
	char text[4];
	size_t n = 0;

	text[n] = access & PROTO_ACCESS_R ? 'r' : '\0';
	n += text[n] ? 1 : 0;
	text[n] = access & PROTO_ACCESS_W ? 'w' : '\0';
	n += text[n] ? 1 : 0;
	text[n] = access & PROTO_ACCESS_X ? 'x' : '\0';
	n += text[n] ? 1 : 0;
	return n ? json_stringn(text, n) : json_null();
}

json_t *api_fault_json(const struct vms_info *i)
{
	const struct proto_fault *f = &i->stop.fault;
	char insn[2 * sizeof(f->insn) + 1] = "";

	if (i->state != VMS_FAULTED) {
		return json_null();
	}
	if (!i->has_stop || i->stop.reason != PROTO_STOP_FAULT) {
		/* The scheduler put it there, or a limit was reached. */
		return json_pack("{ss so so so so so}", "kind",
				 i->fault != SCHED_REASON_NONE ? sched_reason_name(i->fault)
							       : "limit",
				 "pc", i->has_stop ? api_json_hex(i->stop.pc) : json_null(),
				 "address", json_null(), "access", json_null(), "insn", json_null(),
				 "message", api_json_str(i->message));
	}
	for (uint32_t n = 0; n < f->n_insn && n < sizeof(f->insn); n++) {
		snprintf(insn + (size_t)2 * n, 3, "%02x", f->insn[n]);
	}
	return json_pack("{so so so so so so}", "kind", api_json_str(f->kind), "pc",
			 api_json_hex(f->pc), "address",
			 f->has_address ? api_json_hex(f->address) : json_null(), "access",
			 access_json(f->access), "insn", api_json_str(insn), "message",
			 api_json_str(i->stop.text));
}

static const char *stop_name(uint32_t reason)
{
	static const char *const names[PROTO_STOP_COUNT] = {
		"paused", "stepped", "slice", "breakpoint", "watchpoint", "halt",
		"exit",	  "limit",   "fault", "requested",  "error",
	};

	return reason < PROTO_STOP_COUNT ? names[reason] : "unknown";
}

static json_t *place_json(struct api *a, const struct vms_info *i)
{
	int core = api_vm_core(a, i);

	return core >= 0 ? json_integer(core) : json_null();
}

json_t *api_vm_json(struct api *a, struct api_names *names, const struct vms_info *i)
{
	const struct dispatch_vm_info *d = &i->dispatch;
	bool is_there = i->slot != SCHED_NONE;
	json_t *o;

	o = json_pack("{ss ss ss sI so so so ss so so ss}", "name", i->spec.name, "id", i->id,
		      "owner", owner_name(a, names, i->owner), "owner_uid", (json_int_t)i->owner,
		      "arch", api_json_str(i->arch), "engine", api_json_str(i->engine),
		      "engine_reason", api_json_str(i->reason), "board", i->spec.config.board,
		      "image_name", api_json_str(i->spec.config.image_name), "image",
		      api_json_str(i->spec.image), "state", vms_state_name(i->state));
	if (!o) {
		return NULL;
	}
	json_object_set_new(o, "is_guard_frozen", json_boolean(i->is_guard_frozen));
	json_object_set_new(o, "pid", i->pid > 0 ? json_integer(i->pid) : json_null());
	json_object_set_new(o, "slot", is_there ? json_integer(i->slot) : json_null());
	json_object_set_new(o, "core", place_json(a, i));
	json_object_set_new(o, "exclusive",
			    json_boolean(is_there ? d->vcpu.excl_core != SCHED_CORE_NONE &&
							    d->vcpu.state != SCHED_VCPU_FREE
						  : i->spec.is_exclusive));
	json_object_set_new(o, "prio", json_integer(i->spec.prio));
	json_object_set_new(o, "slice_ns", api_json_u64(i->spec.config.slice_ns));
	json_object_set_new(o, "cpu_ns", api_json_u64(i->cpu_ns));
	json_object_set_new(o, "wait_ns", api_json_u64(i->wait_ns));
	json_object_set_new(o, "waiting_ns", api_json_u64(is_there ? d->vcpu.waiting_ns : 0));
	json_object_set_new(o, "slices", api_json_u64(i->slices));
	json_object_set_new(o, "preemptions", api_json_u64(d->preemptions));
	json_object_set_new(o, "memory_bytes", api_json_u64(i->memory_bytes));
	json_object_set_new(o, "cpus", json_integer(i->spec.config.n_cpus));
	json_object_set_new(o, "mem_bytes", api_json_u64(i->spec.config.limits.mem_bytes));
	json_object_set_new(o, "created_at", api_json_time(i->created_ns));
	json_object_set_new(o, "started_at", api_json_time(i->started_ns));
	json_object_set_new(o, "ended_at", api_json_time(i->ended_ns));
	json_object_set_new(o, "runs", json_integer(i->runs));
	json_object_set_new(o, "resets", json_integer(i->resets));
	json_object_set_new(o, "exit_code", code_json(i));
	json_object_set_new(o, "message", api_json_str(i->message));
	json_object_set_new(o, "console_bytes", api_json_u64(i->console_bytes));
	return o;
}

static json_t *limits_json(const struct proto_limits *l)
{
	return json_pack("{so so so}", "cpu_ns", l->cpu_ns ? api_json_u64(l->cpu_ns) : json_null(),
			 "insns", l->insns ? api_json_u64(l->insns) : json_null(), "wall_ns",
			 l->wall_ns ? api_json_u64(l->wall_ns) : json_null());
}

static json_t *last_stop_json(const struct vms_info *i)
{
	const struct proto_usage *u = &i->stop.usage;

	if (!i->has_stop) {
		return json_null();
	}
	return json_pack("{ss so so so so so}", "reason", stop_name(i->stop.reason), "pc",
			 api_json_hex(i->stop.pc), "message", api_json_str(i->stop.text), "cpu_ns",
			 api_json_u64(u->cpu_ns), "insns",
			 u->insns_known ? api_json_u64(u->insns) : json_null(), "mem_peak_bytes",
			 api_json_u64(u->mem_peak_bytes));
}

json_t *api_vm_json_full(struct api *a, const struct vms_info *i)
{
	struct api_names names = { 0 };
	json_t *o = api_vm_json(a, &names, i);
	json_t *registers = NULL;

	if (!o) {
		return NULL;
	}
	json_object_set_new(o, "spec", spec_to_json(&i->spec));
	json_object_set_new(o, "limits", limits_json(&i->spec.config.limits));
	json_object_set_new(o, "last_stop", last_stop_json(i));
	json_object_set_new(o, "fault", api_fault_json(i));
	json_object_set_new(o, "exit", exit_json(i));
	json_object_set_new(o, "has_context", json_boolean(i->has_fault_context));
	json_object_set_new(o, "kept_translations", api_json_u64(i->code_loaded));
	if ((i->state == VMS_PAUSED || i->state == VMS_FAULTED) &&
	    vms_registers(a->o.vms, i->id, &registers, NULL) == 0) {
		json_object_set_new(o, "registers", registers);
	} else {
		json_object_set_new(o, "registers", json_null());
	}
	json_object_set_new(o, "scheduling",
			    json_pack("{so so so so so so}", "grants",
				      api_json_u64(i->dispatch.grants), "strays",
				      api_json_u64(i->dispatch.strays), "forged",
				      api_json_u64(i->dispatch.forged), "signals",
				      api_json_u64(i->dispatch.signals), "freezes",
				      api_json_u64(i->dispatch.freezes), "level",
				      json_integer(i->dispatch.vcpu.level)));
	return o;
}

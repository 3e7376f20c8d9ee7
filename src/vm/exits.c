/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a run of the engine goes on: what its exits mean, and what is told when the vCPU comes to stand. */
#include <inttypes.h>
#include <stdio.h>

#include "vm/build.h"
#include "vm/vm_internal.h"

static enum outcome stop_with(struct vm *vm, struct proto_stopped *s, enum proto_vm_state state)
{
	vm_report_stop(vm, s, state);
	return OUTCOME_STOP;
}

enum outcome exits_broken(struct vm *vm, const struct errmsg *e)
{
	struct proto_stopped s;

	vm_report_init(vm, &s, PROTO_STOP_ERROR, NULL);
	snprintf(s.text, sizeof(s.text), "engine %s failed: %.300s", vm->eng->ops->name, e->text);
	return stop_with(vm, &s, PROTO_VM_FAULTED);
}

enum outcome exits_plain(struct vm *vm, enum proto_stop reason, enum proto_vm_state state,
			 const char *text)
{
	struct cpu_state cs = { 0 };
	struct proto_stopped s;
	struct errmsg e = { 0 };

	if (vm->eng->ops->get_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	vm_report_init(vm, &s, reason, &cs);
	snprintf(s.text, sizeof(s.text), "%s", text);
	return stop_with(vm, &s, state);
}

enum outcome exits_limit(struct vm *vm, enum proto_limit_kind kind)
{
	struct cpu_state cs = { 0 };
	struct proto_stopped s;
	struct errmsg e = { 0 };

	if (vm->eng->ops->get_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	vm_report_init(vm, &s, PROTO_STOP_LIMIT, &cs);
	s.limit = kind;
	switch (kind) {
	case PROTO_LIMIT_CPU:
		snprintf(s.text, sizeof(s.text), "the guest used up its CPU time of %.3f s",
			 (double)vm->limits.cpu_ns / (double)NS_PER_S);
		break;
	case PROTO_LIMIT_INSNS:
		snprintf(s.text, sizeof(s.text),
			 "the guest %s its limit of %" PRIu64 " instructions",
			 vm->insns < vm->limits.insns ? "took as many exceptions as" : "reached",
			 vm->limits.insns);
		break;
	default:
		snprintf(s.text, sizeof(s.text), "the guest ran for its time limit of %.3f s",
			 (double)vm->limits.wall_ns / (double)NS_PER_S);
		break;
	}
	return stop_with(vm, &s, PROTO_VM_STOPPED);
}

static enum outcome stop_fault(struct vm *vm, const struct cpu_state *cs, const struct cpu_fault *f)
{
	struct proto_stopped s;

	vm_report_init(vm, &s, PROTO_STOP_FAULT, cs);
	vm_report_fault(vm, &s, cs, f);
	return stop_with(vm, &s, PROTO_VM_FAULTED);
}

enum outcome exits_machine(struct vm *vm)
{
	const struct machine_stop *why = machine_stop_info(vm->machine);
	struct cpu_state cs = { 0 };
	struct proto_stopped s;
	struct errmsg e = { 0 };

	if (vm->eng->ops->get_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	if (why->kind == DEV_STOP_ERROR) {
		vm_report_init(vm, &s, PROTO_STOP_ERROR, &cs);
		snprintf(s.text, sizeof(s.text), "%s", why->why);
		return stop_with(vm, &s, PROTO_VM_FAULTED);
	}
	if (why->kind == DEV_STOP_RESET && vm_can_reset(vm)) {
		/* That takes longer than a slice may be overrun: not here. */
		atomic_store(&vm->is_reset_due, true);
		vm->cb.on_output(vm->cb.opaque);
		return OUTCOME_TURN;
	}
	vm_report_init(vm, &s, PROTO_STOP_EXIT, &cs);
	s.code = why->code;
	if (why->kind == DEV_STOP_RESET) {
		snprintf(s.text, sizeof(s.text), "the guest asked for a reset%s",
			 vm->is_system && vm->fds.context >= 0
				 ? "; a VM that goes on from a context has no beginning to go back "
				   "to"
				 : "");
	} else {
		snprintf(s.text, sizeof(s.text), "the guest exited with status %" PRIu64,
			 why->code);
	}
	return stop_with(vm, &s, PROTO_VM_STOPPED);
}

/* Ask the machine about an exception, and act on its verdict. */
static enum outcome handle_fault(struct vm *vm, struct vm_exit *x)
{
	struct cpu_state cs = { 0 };
	struct errmsg e = { 0 };
	enum machine_event event = x->kind == VM_EXIT_EXCEPTION	 ? MACHINE_EVENT_EXCEPTION
				   : x->kind == VM_EXIT_SHUTDOWN ? MACHINE_EVENT_SHUTDOWN
								 : MACHINE_EVENT_ACCESS;
	enum machine_verdict verdict;

	if (vm->eng->ops->get_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	verdict = machine_exception(vm->machine, event, vm->cur_hart, &cs, &x->fault);
	if (verdict == MACHINE_FAULT) {
		return stop_fault(vm, &cs, &x->fault);
	}
	if (vm->eng->ops->set_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	switch (verdict) {
	case MACHINE_STOPPED:
		return exits_machine(vm);
	case MACHINE_WAIT_INPUT:
		vm->is_waiting_input = true;
		return OUTCOME_TURN;
	default:
		return OUTCOME_AGAIN;
	}
}

static enum outcome handle_halt(struct vm *vm)
{
	struct cpu_state cs = { 0 };
	struct errmsg e = { 0 };
	struct cpu_fault f;

	if (vm->is_system) {
		vm->harts[vm->cur_hart].is_waiting = true;
		vm->hart_left = 0;
		return OUTCOME_AGAIN;
	}
	if (vm->eng->ops->get_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	if (machine_halt_is_exception(vm->machine, &cs, &f)) {
		if (vm->eng->ops->set_state(vm->eng, &cs, &e) < 0) {
			return exits_broken(vm, &e);
		}
		return stop_fault(vm, &cs, &f);
	}
	return exits_plain(vm, PROTO_STOP_HALT, PROTO_VM_STOPPED, "the guest halted");
}

enum outcome exits_watch(struct vm *vm, const struct cpu_state *cs, const struct vm_point *p,
			 gva_t at, const char *what)
{
	struct proto_stopped s;

	vm_report_init(vm, &s, PROTO_STOP_WATCHPOINT, cs);
	s.address = at;
	s.point = p->p.kind;
	snprintf(s.text, sizeof(s.text), "the bytes at 0x%" PRIx64 " %s", at, what);
	return stop_with(vm, &s, PROTO_VM_PAUSED);
}

static enum outcome handle_watch(struct vm *vm, const struct vm_exit *x)
{
	const struct vm_point *p = points_hit(&vm->points, &x->watch);
	struct cpu_state cs = { 0 };
	struct errmsg e = { 0 };

	if (!p) {
		return OUTCOME_AGAIN;
	}
	if (vm->eng->ops->get_state(vm->eng, &cs, &e) < 0) {
		return exits_broken(vm, &e);
	}
	return exits_watch(vm, &cs, p, x->watch.gva,
			   x->watch.access == MEM_W ? "were written" : "were read");
}

enum outcome exits_handle(struct vm *vm, struct vm_exit *x)
{
	switch (x->kind) {
	case VM_EXIT_KICKED:
	case VM_EXIT_INSN_LIMIT:
		return OUTCOME_AGAIN; /* the caller looks at clock, calls and limits */
	case VM_EXIT_HALT:
		return handle_halt(vm);
	case VM_EXIT_EXCEPTION:
	case VM_EXIT_FAULT:
	case VM_EXIT_SHUTDOWN:
		return handle_fault(vm, x);
	case VM_EXIT_BUS_STOP:
		/* Without a reason the console is full: check_turn() sees to it. */
		return machine_stop_info(vm->machine)->is_stopped ? exits_machine(vm)
								  : OUTCOME_AGAIN;
	case VM_EXIT_WATCHPOINT:
		return handle_watch(vm, x);
	case VM_EXIT_BREAKPOINT:
		return exits_plain(vm, PROTO_STOP_BREAKPOINT, PROTO_VM_PAUSED, "breakpoint");
	default:
		return exits_plain(vm, PROTO_STOP_ERROR, PROTO_VM_FAULTED, x->detail);
	}
}

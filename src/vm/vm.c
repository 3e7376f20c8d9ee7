/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a VM, and the operations of the VM interface; see vm.h. */
#include "vm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vm/build.h"
#include "vm/vm_internal.h"

#define IS_ENDED(state) ((state) == PROTO_VM_STOPPED || (state) == PROTO_VM_FAULTED)

int vm_new(const struct proto_config *cfg, const struct vm_fds *fds,
	   const struct vm_callbacks *callbacks, struct vm **ret, struct proto_ready *ret_ready,
	   struct errmsg *e)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	vm->cfg = *cfg;
	vm->fds = *fds;
	vm->cb = *callbacks;
	vm->limits = cfg->limits;
	vm->are_insns_exact = true;
	vm->made_at_ns = host_clock_monotonic_ns();
	vm->due_fd = -1;
	pthread_mutex_init(&vm->run_lock, NULL);
	gate_init(&vm->gate);
	r = console_init(&vm->console);
	if (r == 0) {
		r = vm_build(vm, ret_ready, e);
	}
	if (r < 0) {
		vm_free(vm);
		return r;
	}
	atomic_store(&vm->state, PROTO_VM_READY);
	*ret = vm;
	return 0;
}

void vm_free(struct vm *vm)
{
	if (!vm) {
		return;
	}
	if (vm->has_thread) {
		vm_thread_stop(vm);
	}
	host_timer_done(&vm->timer);
	if (vm->due_fd >= 0) {
		close(vm->due_fd);
	}
	disks_done(&vm->disks);
	vm_build_done(vm);
	harts_free(vm);
	machine_free(vm->machine);
	vm_memory_done(&vm->memory);
	console_done(&vm->console);
	gate_done(&vm->gate);
	pthread_mutex_destroy(&vm->run_lock);
	free(vm);
}

/* The same refusal for every operation, state and architecture. */
static int refuse(struct vm *vm, const char *operation, const char *needed, struct errmsg *e)
{
	return errmsg_set(e, -EBUSY, "%s needs a VM that is %s; this one is %s", operation, needed,
			  proto_vm_state_name(atomic_load(&vm->state)));
}

/* When the engine has too few, step from here on. */
void vm_points_apply(struct vm *vm)
{
	gva_t addrs[POINTS_MAX];

	if (!(vm->eng->caps & ENGINE_CAP_BREAKPOINTS)) {
		return;
	}
	if (vm->eng->ops->set_breakpoints(vm->eng, addrs, points_breaks(&vm->points, addrs)) < 0) {
		vm->eng->ops->set_breakpoints(vm->eng, NULL, 0);
		vm->eng->caps &= ~ENGINE_CAP_BREAKPOINTS;
	}
}

/*
 * Set the vCPU going. Breakpoints are in the engine, where it has them, only while a guest runs
 * freely; one at the current pc must not stop it before it has moved.
 */
static int set_going(struct vm *vm, enum vm_goal goal, struct errmsg *e)
{
	struct cpu_state cs = { 0 };
	int r;

	if (vm->eng->caps & ENGINE_CAP_BREAKPOINTS) {
		vm->eng->ops->set_breakpoints(vm->eng, NULL, 0); /* no breakpoints always fit */
	}
	vm->is_leaving_point = false;
	if (vm->points.n > 0) {
		r = vm->eng->ops->get_state(vm->eng, &cs, e);
		if (r < 0) {
			return r;
		}
		vm->is_leaving_point = points_has_break(&vm->points, vm->arch->get_pc(&cs));
	}
	if (goal != VM_GOAL_STEPS && !vm->is_leaving_point) {
		vm_points_apply(vm);
	}
	vm->goal = goal;
	vm->run_since_ns = host_clock_monotonic_ns();
	atomic_store(&vm->state, PROTO_VM_RUNNING);
	return 0;
}

static int do_start(struct vm *vm, void *arg, struct errmsg *e)
{
	(void)arg;
	if (atomic_load(&vm->state) != PROTO_VM_READY) {
		return refuse(vm, "start", "ready", e);
	}
	return set_going(vm, VM_GOAL_RUN, e);
}

int vm_start(struct vm *vm, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_start, NULL, e);
}

/* The vCPU stands between two instructions: it carries out this very call. */
static int report_standing(struct vm *vm, enum proto_stop reason, enum proto_vm_state state,
			   const char *text, struct errmsg *e)
{
	struct cpu_state cs = { 0 };
	struct proto_stopped s;
	int r;

	r = vm->eng->ops->get_state(vm->eng, &cs, e);
	if (r < 0) {
		return r;
	}
	vm_report_init(vm, &s, reason, &cs);
	snprintf(s.text, sizeof(s.text), "%s", text);
	vm_report_stop(vm, &s, state);
	return 0;
}

static int do_pause(struct vm *vm, void *arg, struct errmsg *e)
{
	enum proto_vm_state state = atomic_load(&vm->state);

	(void)arg;
	if (state == PROTO_VM_READY) {
		atomic_store(&vm->state, PROTO_VM_PAUSED);
		return 0;
	}
	if (state != PROTO_VM_RUNNING) {
		return refuse(vm, "pause", "ready or running", e);
	}
	return report_standing(vm, PROTO_STOP_PAUSED, PROTO_VM_PAUSED, "paused", e);
}

int vm_pause(struct vm *vm, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_pause, NULL, e);
}

static int do_resume(struct vm *vm, void *arg, struct errmsg *e)
{
	(void)arg;
	if (atomic_load(&vm->state) != PROTO_VM_PAUSED) {
		return refuse(vm, "resume", "paused", e);
	}
	return set_going(vm, VM_GOAL_RUN, e);
}

int vm_resume(struct vm *vm, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_resume, NULL, e);
}

static int do_stop(struct vm *vm, void *arg, struct errmsg *e)
{
	(void)arg;
	if (IS_ENDED(atomic_load(&vm->state))) {
		return refuse(vm, "stop", "ready, running or paused", e);
	}
	/* Board bare has no way to ask the guest: it ends here. */
	return report_standing(vm, PROTO_STOP_REQUESTED, PROTO_VM_STOPPED,
			       "the guest was stopped on request", e);
}

int vm_stop(struct vm *vm, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_stop, NULL, e);
}

static int do_power_press(struct vm *vm, void *arg, struct errmsg *e)
{
	(void)arg;
	if (atomic_load(&vm->state) != PROTO_VM_RUNNING) {
		return refuse(vm, "the power button", "running", e);
	}
	return machine_power_press(vm->machine)
		       ? 0
		       : errmsg_set(e, -ENODEV, "the guest has no driver for a power button");
}

int vm_power_press(struct vm *vm, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_power_press, NULL, e);
}

static bool is_standing(const struct vm *vm)
{
	enum proto_vm_state state = atomic_load(&vm->state);

	return state == PROTO_VM_READY || state == PROTO_VM_PAUSED;
}

static int do_steps(struct vm *vm, void *arg, struct errmsg *e)
{
	uint64_t n = *(const uint64_t *)arg;

	if (!is_standing(vm)) {
		return refuse(vm, "run_one_instruction", "ready or paused", e);
	}
	if (!(vm->eng->caps & ENGINE_CAP_STEP)) {
		return errmsg_set(e, -ENOTSUP, "engine %s can't step here", vm->eng->ops->name);
	}
	if (n == 0) {
		return errmsg_set(e, -EINVAL, "at least one instruction must be run");
	}
	vm->steps_left = n;
	return set_going(vm, VM_GOAL_STEPS, e);
}

int vm_run_instructions(struct vm *vm, uint64_t n, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_steps, &n, e);
}

static int do_slice(struct vm *vm, void *arg, struct errmsg *e)
{
	(void)arg;
	if (!is_standing(vm)) {
		return refuse(vm, "run_one_slice", "ready or paused", e);
	}
	vm->slice_used_ns = 0;
	return set_going(vm, VM_GOAL_SLICE, e);
}

int vm_run_one_slice(struct vm *vm, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_slice, NULL, e);
}

static int do_save(struct vm *vm, void *arg, struct errmsg *e)
{
	if (atomic_load(&vm->state) == PROTO_VM_RUNNING) {
		return refuse(vm, "save_context", "not running", e);
	}
	return vm_context_save(vm, *(const int *)arg, e);
}

int vm_save_context(struct vm *vm, int fd, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_save, &fd, e);
}

static int do_save_code(struct vm *vm, void *arg, struct errmsg *e)
{
	if (atomic_load(&vm->state) == PROTO_VM_RUNNING) {
		return refuse(vm, "save_code", "not running", e);
	}
	return harts_save_code(vm, *(const int *)arg, e);
}

int vm_save_code(struct vm *vm, int fd, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_save_code, &fd, e);
}

static int do_load(struct vm *vm, void *arg, struct errmsg *e)
{
	int r;

	if (atomic_load(&vm->state) == PROTO_VM_RUNNING) {
		return refuse(vm, "load_context", "not running", e);
	}
	r = vm_context_load(vm, *(const int *)arg, false, e);
	if (r == 0) {
		atomic_store(&vm->state, PROTO_VM_PAUSED);
	}
	return r;
}

int vm_load_context(struct vm *vm, int fd, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_load, &fd, e);
}

static int do_last_stop(struct vm *vm, void *arg, struct errmsg *e)
{
	if (!vm->has_stopped) {
		return errmsg_set(e, -ENOENT, "the VM has not stopped yet");
	}
	*(struct proto_stopped *)arg = vm->last_stop;
	return 0;
}

int vm_get_last_stop(struct vm *vm, struct proto_stopped *ret, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_last_stop, ret, e);
}

static int do_usage(struct vm *vm, void *arg, struct errmsg *e)
{
	(void)e;
	vm_usage_fill(vm, arg);
	return 0;
}

int vm_get_usage(struct vm *vm, struct proto_usage *ret, struct errmsg *e)
{
	return vm_call_vcpu(vm, do_usage, ret, e);
}

static int do_limits(struct vm *vm, void *arg, struct errmsg *e)
{
	const struct proto_limits *limits = arg;

	if (limits->insns && !(vm->eng->caps & ENGINE_CAP_INSN_COUNT)) {
		return errmsg_set(e, -ENOTSUP, "engine %s can't count instructions here",
				  vm->eng->ops->name);
	}
	if (limits->mem_bytes && limits->mem_bytes != vm->cfg.limits.mem_bytes) {
		return errmsg_set(e, -EINVAL, "guest RAM is fixed when the VM is created");
	}
	vm->limits = *limits;
	return 0;
}

int vm_set_limits(struct vm *vm, const struct proto_limits *limits, struct errmsg *e)
{
	struct proto_limits copy = *limits;

	return vm_call_vcpu(vm, do_limits, &copy, e);
}

enum proto_vm_state vm_state(struct vm *vm)
{
	return atomic_load(&vm->state);
}

const struct cpu_arch *vm_arch(const struct vm *vm)
{
	return vm->arch;
}

static int do_get_regs(struct vm *vm, void *arg, struct errmsg *e)
{
	return vm->eng->ops->get_state(vm->eng, arg, e);
}

int vm_get_regs(struct vm *vm, uint8_t *buf, size_t max, struct errmsg *e)
{
	struct cpu_state cs = { 0 };
	int r;

	r = vm_call_vcpu(vm, do_get_regs, &cs, e);
	return r < 0 ? r : (int)vm_regs_pack(vm->arch, &cs, buf, max);
}

static int do_set_reg(struct vm *vm, void *arg, struct errmsg *e)
{
	const struct proto_set_reg *s = arg;
	struct cpu_state cs = { 0 };
	const struct cpu_reg *reg;
	int r;

	if (atomic_load(&vm->state) == PROTO_VM_RUNNING) {
		return refuse(vm, "setting a register", "not running", e);
	}
	if (s->idx >= vm->arch->n_regs || s->bytes != vm->arch->regs[s->idx].bytes) {
		return errmsg_set(e, -EINVAL, "no register %u of %u bytes", s->idx, s->bytes);
	}
	reg = &vm->arch->regs[s->idx];
	r = vm->eng->ops->get_state(vm->eng, &cs, e);
	if (r < 0) {
		return r;
	}
	r = cpu_reg_store(&cs, reg, s->value, e);
	return r < 0 ? r : vm->eng->ops->set_state(vm->eng, &cs, e);
}

int vm_set_reg(struct vm *vm, const struct proto_set_reg *s, struct errmsg *e)
{
	struct proto_set_reg copy = *s;

	return vm_call_vcpu(vm, do_set_reg, &copy, e);
}

/* A request for guest memory, with the bytes that go with it. */
struct mem_request {
	const struct proto_mem *where;
	uint8_t *read_to;
	const uint8_t *write_from;
};

/* Length of the longest run from gva that stays in one page; its physical address. */
static size_t translate(struct vm *vm, const struct cpu_state *cs, const struct proto_mem *where,
			size_t done, gpa_t *ret_gpa)
{
	gva_t gva = where->gva + done;
	size_t in_page = (size_t)(PAGE_BYTES - gva % PAGE_BYTES);
	size_t left = where->bytes - done;
	struct cpu_fault unread;

	if (where->is_physical) {
		*ret_gpa = gva;
	} else if (!vm->arch->page_walk(cs, vm->memory.map, gva, 0, ret_gpa, &unread)) {
		return 0;
	}
	return in_page < left ? in_page : left;
}

size_t vm_peek(struct vm *vm, const struct cpu_state *cs, gva_t gva, uint8_t *buf, size_t n)
{
	const struct proto_mem where = { .gva = gva, .bytes = (uint32_t)n };
	size_t done = 0;

	while (done < n) {
		gpa_t gpa = 0;
		size_t part = translate(vm, cs, &where, done, &gpa);
		size_t moved = part ? mem_peek(vm->memory.map, gpa, buf + done, part) : 0;

		done += moved;
		if (part == 0 || moved < part) {
			break;
		}
	}
	return done;
}

static int do_mem(struct vm *vm, void *arg, struct errmsg *e)
{
	const struct mem_request *q = arg;
	struct cpu_state cs = { 0 };
	size_t done = 0;
	int r;

	r = vm->eng->ops->get_state(vm->eng, &cs, e);
	if (r < 0) {
		return r;
	}
	while (done < q->where->bytes) {
		gpa_t gpa = 0;
		size_t n = translate(vm, &cs, q->where, done, &gpa);
		size_t moved = 0;

		if (n > 0 && q->read_to) {
			moved = mem_peek(vm->memory.map, gpa, q->read_to + done, n);
		} else if (n > 0) {
			moved = vm_memory_poke(&vm->memory, gpa, q->write_from + done, n);
			harts_memory_changed(vm, gpa, moved);
		}
		done += moved;
		if (n == 0 || moved < n) {
			break;
		}
	}
	return (int)done;
}

int vm_read_mem(struct vm *vm, const struct proto_mem *m, uint8_t *buf, struct errmsg *e)
{
	struct mem_request q = { .where = m, .read_to = buf };

	return vm_call_vcpu(vm, do_mem, &q, e);
}

int vm_write_mem(struct vm *vm, const struct proto_mem *m, const uint8_t *bytes, struct errmsg *e)
{
	struct mem_request q = { .where = m, .write_from = bytes };

	if (atomic_load(&vm->state) == PROTO_VM_RUNNING) {
		return refuse(vm, "writing memory", "not running", e);
	}
	return vm_call_vcpu(vm, do_mem, &q, e);
}

/* Remember what is there: a write is found by its change. */
static int watch_by_comparing(struct vm *vm, struct vm_point *p, struct errmsg *e)
{
	struct proto_mem where = { .gva = p->p.gva, .bytes = (uint32_t)p->p.bytes };
	struct mem_request q = { .where = &where, .read_to = p->seen };
	int r;

	r = do_mem(vm, &q, e);
	return r < (int)p->p.bytes ? errmsg_set(e, -EFAULT, "0x%" PRIx64 " is not memory", p->p.gva)
				   : 0;
}

static int watch_by_engine(struct vm *vm, struct errmsg *e)
{
	struct engine_watch watches[POINTS_MAX];
	size_t n = points_watches(&vm->points, watches);
	int r;

	r = vm->eng->ops->set_watchpoints(vm->eng, watches, n);
	return r < 0 ? errmsg_set(e, r, "engine %s refuses a watchpoint: %s", vm->eng->ops->name,
				  strerror(-r))
		     : 0;
}

static int do_point(struct vm *vm, void *arg, struct errmsg *e)
{
	const struct proto_point *p = arg;
	bool has_watches = vm->eng->caps & ENGINE_CAP_WATCHPOINTS;
	int r;

	if (p->is_add && !has_watches && p->kind > PROTO_POINT_WATCH_WRITE) {
		return errmsg_set(e, -ENOTSUP,
				  "engine %s shows changes of memory only; use a write watchpoint",
				  vm->eng->ops->name);
	}
	if (p->is_add && !(vm->eng->caps & ENGINE_CAP_STEP)) {
		return errmsg_set(e, -ENOTSUP, "engine %s can't stop at addresses here",
				  vm->eng->ops->name);
	}
	r = points_set(&vm->points, p, e);
	if (r < 0) {
		return r;
	}
	if (p->kind == PROTO_POINT_BREAK) {
		return 0; /* an engine with breakpoints gets them when the vCPU is set going */
	}
	if (has_watches) {
		r = watch_by_engine(vm, e);
	} else if (p->is_add) {
		r = watch_by_comparing(vm, &vm->points.point[vm->points.n - 1], e);
	}
	if (r < 0 && p->is_add) {
		vm->points.n--;
	}
	return r;
}

int vm_set_point(struct vm *vm, const struct proto_point *p, struct errmsg *e)
{
	struct proto_point copy = *p;

	return vm_call_vcpu(vm, do_point, &copy, e);
}

/* File descriptors of an attach request. */
struct attach {
	int grant_fd, ack_fd, notify_fd;
};

static int do_attach(struct vm *vm, void *arg, struct errmsg *e)
{
	const struct attach *a = arg;
	int r;

	r = gate_attach(&vm->gate, a->grant_fd, a->ack_fd, a->notify_fd, e);
	if (r == 0) {
		atomic_store(&vm->has_scheduler, true);
	}
	return r;
}

int vm_attach_scheduler(struct vm *vm, int grant_fd, int ack_fd, int notify_fd, struct errmsg *e)
{
	struct attach a = { grant_fd, ack_fd, notify_fd };

	return vm_call_vcpu(vm, do_attach, &a, e);
}

size_t vm_console_take(struct vm *vm, uint8_t *buf, size_t max)
{
	bool was_choked = console_is_choked(&vm->console);
	size_t n = console_take(&vm->console, buf, max);

	if (was_choked && n) {
		vm_has_news(vm); /* room for a console that waited for it, and for the vCPU */
	}
	return n;
}

void vm_console_set_reader(struct vm *vm, bool has_reader)
{
	console_set_reader(&vm->console, has_reader);
	vm_has_news(vm); /* one that was choked may go on */
}

uint64_t vm_console_rewind(struct vm *vm)
{
	return console_rewind(&vm->console);
}

size_t vm_console_give(struct vm *vm, const uint8_t *buf, size_t n)
{
	size_t done = console_give(&vm->console, buf, n);

	vm_has_news(vm);
	return done;
}

void vm_console_eof(struct vm *vm)
{
	console_set_eof(&vm->console);
	vm_has_news(vm);
}

bool vm_console_has_room(struct vm *vm)
{
	return console_has_room(&vm->console);
}

uint64_t vm_disk_bytes(const struct vm *vm)
{
	return disks_file_bytes(&vm->disks);
}

void vm_disks_settle(struct vm *vm)
{
	struct errmsg e = { 0 };

	if (disks_settle(&vm->disks, &e) < 0) {
		log_err("%s", e.text);
	}
}

int vm_net_wants(struct vm *vm)
{
	return net_link_wants(&vm->net);
}

void vm_net_arrived(struct vm *vm)
{
	net_link_arrived(&vm->net);
	vm_has_news(vm);
}

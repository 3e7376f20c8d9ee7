/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPU thread: runs the guest in slices, while the gate is open.
 *
 * A slice is CPU time consumed by this thread. A monotonic timer signals the thread when the
 * slice could be over at the earliest; if the thread was robbed of the CPU meanwhile, the timer is
 * armed again for the remainder. The signal's handler kicks the engine. A kick that comes when no
 * instruction runs is lost, so the timer fires again every millisecond until it is disarmed.
 *
 * What ends a turn: the slice or grant, an operation of the control thread, a limit, or the guest.
 */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/bug.h"
#include "host/sigstack.h"
#include "host/timer.h"
#include "vm/build.h"
#include "vm/jail.h"
#include "vm/vm_internal.h"

#define KICK_AGAIN_NS NS_PER_MS
/*
 * A kick of the timer that came between two runs of the engine is repeated after so long. It is rare, and a time
 * beyond the kernel's next tick saves programming the clock twice in every slice.
 */
#define TIMER_AGAIN_NS (10 * NS_PER_MS)

/* What the signal handler kicks; set while an engine runs on this thread. */
static _Thread_local struct engine *volatile kick_target;

static void on_kick_signal(int signo, siginfo_t *info, void *uc)
{
	struct engine *eng = kick_target;

	(void)signo;
	(void)info;
	if (eng) {
		eng->ops->kick(eng, uc);
	}
}

static ns_t wall_used_ns(const struct vm *vm)
{
	return vm->wall_ns + (vm->run_since_ns ? host_clock_monotonic_ns() - vm->run_since_ns : 0);
}

/* The first limit that has been reached, if any. */
static enum proto_limit_kind limit_reached(const struct vm *vm)
{
	if (vm->limits.cpu_ns && vm->cpu_ns >= vm->limits.cpu_ns) {
		return PROTO_LIMIT_CPU;
	}
	/* A guest that does nothing but trap executes none. */
	if (vm->limits.insns && (vm->insns >= vm->limits.insns || vm->traps >= vm->limits.insns)) {
		return PROTO_LIMIT_INSNS;
	}
	if (vm->limits.wall_ns && wall_used_ns(vm) >= vm->limits.wall_ns) {
		return PROTO_LIMIT_WALL;
	}
	return PROTO_LIMIT_NONE;
}

/* Time until the slice or a time limit could be over, or the machine has to be polled. */
static ns_t time_left_ns(const struct vm *vm)
{
	ns_t left = vm->turn_left_ns;

	if (vm->is_system && vm->due_ns != UINT64_MAX) {
		ns_t now_ns = host_clock_monotonic_ns();
		ns_t due_left = vm->due_ns > now_ns ? vm->due_ns - now_ns : 0;

		left = due_left < left ? due_left : left;
	}

	if (vm->limits.cpu_ns && vm->limits.cpu_ns - vm->cpu_ns < left) {
		left = vm->limits.cpu_ns - vm->cpu_ns;
	}
	if (vm->limits.wall_ns) {
		ns_t used = wall_used_ns(vm);
		ns_t wall_left = used < vm->limits.wall_ns ? vm->limits.wall_ns - used : 0;

		left = wall_left < left ? wall_left : left;
	}
	return left;
}

/* Whether writes are found by comparing bytes after each step. */
static bool must_compare(const struct vm *vm)
{
	return !(vm->eng->caps & ENGINE_CAP_WATCHPOINTS) && points_has_watch(&vm->points);
}

/* Whether breakpoints are found by looking at the pc before each step. */
static bool must_look(const struct vm *vm)
{
	return !(vm->eng->caps & ENGINE_CAP_BREAKPOINTS) && points_has_any_break(&vm->points);
}

static bool must_step(const struct vm *vm)
{
	return vm->fds.trace >= 0 || must_compare(vm) || must_look(vm);
}

/* How many instructions, and traps, the next run may execute; 0 = no limit. */
static uint64_t insn_budget(struct vm *vm)
{
	uint64_t budget = vm->cfg.flags & PROTO_CFG_COUNT_INSNS ? UINT64_MAX / 2 : 0;

	if (vm->limits.insns) {
		budget = vm->limits.insns - (vm->insns > vm->traps ? vm->insns : vm->traps);
	}
	if (vm->goal == VM_GOAL_STEPS && (budget == 0 || vm->steps_left < budget)) {
		budget = vm->steps_left;
	}
	if (vm->n_harts > 1) {
		uint64_t turn = harts_turn_insns(vm);

		budget = turn && (budget == 0 || turn < budget) ? turn : budget;
	}
	return must_step(vm) || vm->is_leaving_point ? 1 : budget;
}

/* Look at the watched bytes after a step. */
static enum outcome check_watches(struct vm *vm, const struct cpu_state *cs)
{
	for (size_t i = 0; i < vm->points.n; i++) {
		struct vm_point *p = &vm->points.point[i];
		uint8_t now[POINTS_WATCH_BYTES] = { 0 };

		if (p->p.kind == PROTO_POINT_BREAK ||
		    vm_peek(vm, cs, p->p.gva, now, p->p.bytes) < p->p.bytes ||
		    memcmp(now, p->seen, p->p.bytes) == 0) {
			continue;
		}
		memcpy(p->seen, now, sizeof(now));
		return exits_watch(vm, cs, p, p->p.gva, "changed");
	}
	return OUTCOME_AGAIN;
}

static bool is_at_break(const struct vm *vm, const struct cpu_state *cs)
{
	return vm->goal != VM_GOAL_STEPS && !vm->is_leaving_point &&
	       points_has_break(&vm->points, vm->arch->get_pc(cs));
}

/* For a trace all registers; to look at breakpoints and watched bytes the core will do. */
static int get_looked_at(struct vm *vm, struct cpu_state *ret, struct errmsg *e)
{
	const struct engine_ops *ops = vm->eng->ops;

	return vm->fds.trace < 0 && ops->get_core ? ops->get_core(vm->eng, ret, e)
						  : ops->get_state(vm->eng, ret, e);
}

/*
 * Single steps for traces and points: what comes before and after one instruction, or the exception that it raised. The
 * state is taken only where somebody looks at it: on some engines it costs more than the step.
 */
static enum outcome run_stepwise(struct vm *vm, struct vm_exit *x, struct errmsg *e, int *ret_r)
{
	bool is_traced = vm->fds.trace >= 0;
	bool is_watched = must_compare(vm);
	struct cpu_state before = { 0 };
	struct cpu_state after = { 0 };

	*ret_r = 0;
	if (is_traced || points_has_any_break(&vm->points)) {
		*ret_r = get_looked_at(vm, &before, e);
		if (*ret_r == 0 && is_at_break(vm, &before)) {
			return exits_plain(vm, PROTO_STOP_BREAKPOINT, PROTO_VM_PAUSED,
					   "breakpoint");
		}
	}
	if (*ret_r == 0) {
		*ret_r = vm->eng->ops->run(vm->eng, 1, x, e);
	}
	if (*ret_r == 0 && x->insns + x->traps > 0 && (is_traced || is_watched)) {
		*ret_r = get_looked_at(vm, &after, e);
	}
	if (*ret_r < 0) {
		return OUTCOME_STOP;
	}
	if (x->insns + x->traps == 0) {
		return OUTCOME_AGAIN;
	}
	if (is_traced) {
		*ret_r = vm_trace_step(vm, &before, &after);
		if (*ret_r < 0) {
			errmsg_set(e, *ret_r, "the trace can't be written");
			return OUTCOME_STOP;
		}
	}
	return x->kind == VM_EXIT_INSN_LIMIT && is_watched ? check_watches(vm, &after)
							   : OUTCOME_AGAIN;
}

/* The vCPU has moved off the breakpoint at which it stood: from now on it counts. */
static void left_point(struct vm *vm, const struct vm_exit *x)
{
	if (vm->is_leaving_point && (x->insns > 0 || x->kind != VM_EXIT_KICKED)) {
		vm->is_leaving_point = false;
		if (vm->goal != VM_GOAL_STEPS) {
			vm_points_apply(vm);
		}
	}
}

/* One run of the engine with its accounting. */
static enum outcome run_once(struct vm *vm)
{
	ns_t cpu_before_ns = host_clock_thread_cpu_ns();
	uint64_t budget = insn_budget(vm);
	struct vm_exit x = { 0 };
	struct errmsg e = { 0 };
	enum outcome out = OUTCOME_AGAIN;
	ns_t used_ns;
	int r;

	kick_target = vm->eng;
	if (atomic_load(&vm->has_news)) {
		x.kind = VM_EXIT_KICKED; /* of which a kick just before this may have told */
		r = 0;
	} else if (must_step(vm)) {
		out = run_stepwise(vm, &x, &e, &r);
	} else {
		r = vm->eng->ops->run(vm->eng, budget, &x, &e);
	}
	kick_target = NULL;
	if (r < 0) {
		return exits_broken(vm, &e);
	}
	used_ns = host_clock_thread_cpu_ns() - cpu_before_ns;
	vm->cpu_ns += used_ns;
	vm->slice_used_ns += used_ns;
	vm->insns += x.insns;
	vm->traps += x.traps;
	harts_charge(vm, x.insns + x.traps);
	if (budget == 0 || !(vm->eng->caps & ENGINE_CAP_INSN_COUNT)) {
		vm->are_insns_exact = false;
	}
	if (vm->goal == VM_GOAL_STEPS) {
		vm->steps_left -= x.insns < vm->steps_left ? x.insns : vm->steps_left;
	}
	if (out == OUTCOME_AGAIN) {
		left_point(vm, &x);
		out = exits_handle(vm, &x);
	}
	return out;
}

static enum outcome end_slice(struct vm *vm)
{
	vm->slices++;
	vm->slice_used_ns = 0;
	harts_poll_machine(vm);
	if (machine_stop_info(vm->machine)->is_stopped) {
		return exits_machine(vm);
	}
	if (vm->goal == VM_GOAL_SLICE) {
		return exits_plain(vm, PROTO_STOP_SLICE, PROTO_VM_PAUSED, "slice done");
	}
	return OUTCOME_TURN;
}

/* Whether the scheduler lets it run, and how long it may now. */
static bool is_let_run(struct vm *vm)
{
	ns_t left = vm->cfg.slice_ns > vm->slice_used_ns ? vm->cfg.slice_ns - vm->slice_used_ns : 0;

	return gate_is_open(&vm->gate, left, &vm->turn_left_ns);
}

/* Whether the guest has done all that it may do, or was to do. */
static enum outcome check_goal(struct vm *vm)
{
	enum proto_limit_kind limit = limit_reached(vm);

	if (limit != PROTO_LIMIT_NONE) {
		return exits_limit(vm, limit);
	}
	if (vm->goal == VM_GOAL_STEPS && vm->steps_left == 0) {
		return exits_plain(vm, PROTO_STOP_STEPPED, PROTO_VM_PAUSED, "stepped");
	}
	return OUTCOME_AGAIN;
}

/* Whether the turn must end, after a run that the guest survived. */
static enum outcome check_turn(struct vm *vm)
{
	enum outcome out = check_goal(vm);

	if (out != OUTCOME_AGAIN) {
		return out;
	}
	if (!is_let_run(vm) || vm->turn_left_ns == 0) {
		return end_slice(vm);
	}
	return atomic_load(&vm->is_call_pending) || console_is_choked(&vm->console) ? OUTCOME_TURN
										    : OUTCOME_AGAIN;
}

/* Run the guest until the slice is over, a call waits, or it stops. It is let run. */
static void run_turn(struct vm *vm)
{
	enum outcome out = check_goal(vm);

	while (out == OUTCOME_AGAIN) {
		if (vm->is_system) {
			devices_poll(vm);
		}
		if (!harts_pick(vm)) {
			break; /* all wait for interrupts */
		}
		host_timer_arm(&vm->timer, time_left_ns(vm), TIMER_AGAIN_NS);
		out = run_once(vm);
		if (out == OUTCOME_AGAIN) {
			out = check_turn(vm);
		}
	}
	host_timer_disarm(&vm->timer);
	/* Who heard of a stop takes what was printed before it as well. */
	if (atomic_load(&vm->state) == PROTO_VM_RUNNING && console_has_output(&vm->console)) {
		vm->cb.on_output(vm->cb.opaque);
	}
}

/* Whether a running vCPU has to stand still for the console. */
static bool is_blocked(struct vm *vm)
{
	if (vm->is_waiting_input && console_is_input_ready(&vm->console)) {
		vm->is_waiting_input = false;
	}
	return vm->is_waiting_input || atomic_load(&vm->is_reset_due) ||
	       console_is_choked(&vm->console) || (vm->is_system && !harts_can_run(vm));
}

/* When a standing vCPU has to look at its limit again, or at its machine where nobody else does. */
static ns_t look_again_ns(const struct vm *vm)
{
	bool sees_to_machine = vm->is_system && !atomic_load(&vm->has_scheduler);
	ns_t used_ns = wall_used_ns(vm);
	ns_t at_ns = GRANT_NO_END;

	if (atomic_load(&vm->state) != PROTO_VM_RUNNING) {
		return GRANT_NO_END;
	}
	if (vm->limits.wall_ns) {
		at_ns = host_clock_monotonic_ns() +
			(vm->limits.wall_ns > used_ns ? vm->limits.wall_ns - used_ns : 0);
	}
	return sees_to_machine && vm->due_ns < at_ns ? vm->due_ns : at_ns;
}

bool vm_is_runnable(struct vm *vm)
{
	return atomic_load(&vm->state) == PROTO_VM_RUNNING &&
	       (!is_blocked(vm) || limit_reached(vm) != PROTO_LIMIT_NONE);
}

static void vcpu_main(struct vm *vm)
{
	while (!atomic_load(&vm->is_quitting)) {
		uint32_t seen_wake = gate_wake_word(&vm->gate);
		bool is_wanting;
		ns_t until_ns;

		pthread_mutex_lock(&vm->run_lock);
		if (vm->is_system && !atomic_load(&vm->has_scheduler) &&
		    atomic_load(&vm->state) == PROTO_VM_RUNNING) {
			devices_poll(vm);
		}
		is_wanting = vm_is_runnable(vm);
		until_ns = look_again_ns(vm);
		if (is_wanting && !atomic_load(&vm->is_call_pending) && is_let_run(vm)) {
			run_turn(vm);
			if (!atomic_load(&vm->is_call_pending)) {
				pthread_mutex_unlock(&vm->run_lock);
				continue;
			}
			is_wanting = vm_is_runnable(vm);
		}
		gate_park(&vm->gate, is_wanting);
		devices_arm(vm, is_wanting);
		pthread_mutex_unlock(&vm->run_lock);
		devices_remind(vm);
		/* What changed since seen_wake was read ends the sleep at once. */
		gate_sleep(&vm->gate, seen_wake, until_ns);
	}
}

/* What the thread needs from itself before it may run guests. */
struct thread_start {
	struct vm *vm;
	struct errmsg *e;
	int result;
	sem_t done;
};

static void *vcpu_thread(void *arg)
{
	struct thread_start *start = arg;
	struct vm *vm = start->vm;
	int r;

	prctl(PR_SET_NAME, GRANT_THREAD_NAME);
	r = jail_thread_enter(start->e);
	if (r == 0) {
		r = host_signal_stack(start->e);
	}
	if (r == 0) {
		r = host_timer_init(&vm->timer, VM_KICK_SIGNAL, start->e);
	}
	start->result = r;
	sem_post(&start->done); /* start is gone after this */
	if (r == 0) {
		vcpu_main(vm);
	}
	return NULL;
}

int vm_thread_start(struct vm *vm, struct errmsg *e)
{
	struct sigaction sa = { .sa_sigaction = on_kick_signal,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct thread_start start = { .vm = vm, .e = e };
	int r;

	r = devices_start(vm, e);
	if (r < 0) {
		return r;
	}
	sigaction(VM_KICK_SIGNAL, &sa, NULL);
	sem_init(&start.done, 0, 0);
	r = pthread_create(&vm->thread, NULL, vcpu_thread, &start);
	if (r != 0) {
		return errmsg_set(e, -r, "no thread for the vCPU: %s", strerror(r));
	}
	vm->has_thread = true;
	while (sem_wait(&start.done) < 0) {
		BUG_ON(errno != EINTR);
	}
	return start.result;
}

/*
 * Make the vCPU thread let go of run_lock. A kick that comes between two runs of the engine is
 * lost: kick again until the lock is free.
 */
static void take_run_lock(struct vm *vm)
{
	atomic_store(&vm->is_call_pending, true);
	while (pthread_mutex_trylock(&vm->run_lock) != 0) {
		struct timespec until = host_deadline(KICK_AGAIN_NS);

		pthread_kill(vm->thread, VM_KICK_SIGNAL);
		if (pthread_mutex_clocklock(&vm->run_lock, CLOCK_MONOTONIC, &until) == 0) {
			return;
		}
	}
}

static void give_run_lock(struct vm *vm)
{
	bool is_wanting = vm_is_runnable(vm);

	atomic_store(&vm->is_call_pending, false);
	gate_park(&vm->gate, is_wanting); /* the vCPU has parked: correct what it said */
	devices_arm(vm, is_wanting);
	pthread_mutex_unlock(&vm->run_lock);
	gate_resume(&vm->gate);
}

void vm_thread_stop(struct vm *vm)
{
	take_run_lock(vm);
	atomic_store(&vm->is_quitting, true);
	give_run_lock(vm);
	gate_rouse(&vm->gate);
	pthread_join(vm->thread, NULL);
	vm->has_thread = false;
}

/* The guest asked for it and stands since. */
static void reset_if_due(struct vm *vm)
{
	struct proto_stopped s;
	struct errmsg e = { 0 };

	if (!atomic_load(&vm->is_reset_due)) {
		return;
	}
	if (vm_reset(vm, &e) == 0) {
		atomic_fetch_add(&vm->resets, 1);
		atomic_store(&vm->has_news, true);
	} else {
		vm_report_init(vm, &s, PROTO_STOP_ERROR, NULL);
		snprintf(s.text, sizeof(s.text), "the reset failed: %.300s", e.text);
		vm_report_stop(vm, &s, PROTO_VM_FAULTED);
	}
	atomic_store(&vm->is_reset_due, false);
}

uint32_t vm_resets_serve(struct vm *vm)
{
	if (atomic_load(&vm->is_reset_due)) {
		take_run_lock(vm);
		reset_if_due(vm);
		give_run_lock(vm);
	}
	return atomic_load(&vm->resets);
}

int vm_call_vcpu(struct vm *vm, int (*fn)(struct vm *, void *, struct errmsg *), void *arg,
		 struct errmsg *e)
{
	int r;

	if (!vm->has_thread) {
		return fn(vm, arg, e);
	}
	take_run_lock(vm);
	reset_if_due(vm);
	r = fn(vm, arg, e);
	give_run_lock(vm);
	return r;
}

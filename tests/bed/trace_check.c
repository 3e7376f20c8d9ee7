/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judge a kernel trace (tracefs, text form; events sched_switch, sched_migrate_task,
 * sched_process_fork, sched_process_exit, signal_generate, sys_enter_timer_settime): who ran on which core. docs/test-bed.md says what is proved and how;
 * tests/bed/test_trace_check.sh forges traces that must be found.
 *
 *   trace_check TRACE DESCRIPTION
 *
 * DESCRIPTION has one fact per line; times are seconds of the trace's clock:
 *   control CORE | housekeeping CORE | pool CORE...     the roles
 *   from TIME | to TIME             judge only what happened between
 *   kthread PID | vm PID | vcpu TID what was there before the trace began
 *   is_isolated 0|1                 whether user tasks that are not ours are kept off the pool
 *   exclusive CORE TID FROM TO      the core was given to this vCPU thread
 *   min_runs N | min_vcpus N | min_cores N | min_timers N   less is no evidence: vCPU runs on the pool, vCPU threads,
 *                                 pool cores used, timers set by vCPU threads
 *
 * Exit status: 0 nothing found; 1 findings; 2 the trace or the description can't be judged.
 */
#include "trace_check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const finding_text[FINDINGS] = {
	[VCPU_ON_CONTROL] = "vCPU threads on the control core",
	[VCPU_ON_HOUSEKEEPING] = "vCPU threads on the housekeeping core, neither new nor at rest "
				 "nor stopped nor dying",
	[GUEST_ON_HOUSEKEEPING] =
		"vCPU threads that began to run their guest on the housekeeping core",
	[VCPU_OUTSIDE] = "vCPU threads on a core without a role",
	[VM_ON_CONTROL] = "other threads of VMs on the control core",
	[VM_ON_POOL] = "other threads of VMs on a pool core",
	[FOREIGN_ON_POOL] = "user tasks that are not ours on an isolated pool core",
	[INTERLEAVED] = "two vCPUs taking turns on a core that neither has left",
	[EXCLUSIVE_BROKEN] = "somebody else on an exclusive core",
};

static void found(struct check *c, enum finding f, double time_s, int core, int pid,
		  const char *comm)
{
	if (time_s < c->from_s || time_s > c->to_s) {
		return;
	}
	if (c->count[f]++ < EXAMPLES) {
		printf("found: %s: %.6f core %d, %s-%d\n", finding_text[f], time_s, core, comm,
		       pid);
	}
}

/* A thread's kind can change: it is forked by the daemon, becomes pinfold-vm, names itself vcpu. */
static void settle_kind(struct check *c, int pid, const char *comm)
{
	struct task *t = trace_task(c, pid);

	if (t->kind == KIND_KERNEL || pid == 0) {
		t->kind = KIND_KERNEL;
	} else if (strcmp(comm, "pinfold-vm") == 0) {
		t->kind = KIND_VM;
		t->is_of_vm = true;
	} else if (strcmp(comm, "vcpu") == 0 && t->is_of_vm && t->kind != KIND_VCPU) {
		t->kind = KIND_VCPU;
		c->n_vcpus++;
	}
}

static void check_exclusive(struct check *c, const struct event *ev, int pid, const char *comm)
{
	for (int i = 0; i < c->n_exclusive; i++) {
		const struct exclusive *x = &c->exclusive[i];

		if (x->core == ev->core && x->tid != pid && ev->time_s >= x->from_s &&
		    ev->time_s <= x->to_s) {
			found(c, EXCLUSIVE_BROKEN, ev->time_s, ev->core, pid, comm);
		}
	}
}

/* Somebody ran where this one had not left. Held against it once it is seen alive again: one that was killed does
 * not come back, it is only cleaned up. */
static void note_intrusion(struct check *c, const struct event *ev, int holder)
{
	struct task *t = trace_task(c, holder);

	if (t->intrusions++ == 0) {
		t->intruded = *ev;
		t->out_s = c->out_s[ev->core];
		t->out_state = c->out_state[ev->core];
	}
}

static void judge_intrusions(struct check *c, int holder)
{
	struct task *t = trace_task(c, holder);
	unsigned long before = c->count[INTERLEAVED];

	if (t->intrusions == 0) {
		return;
	}
	found(c, INTERLEAVED, t->intruded.time_s, t->intruded.core, holder, "vcpu");
	if (c->count[INTERLEAVED] > before && before < EXAMPLES) {
		printf("       vcpu-%d had been switched out at %.6f in state %c\n", holder,
		       t->out_s, t->out_state);
	}
	t->intrusions = 0;
}

static void vcpu_runs(struct check *c, const struct event *ev, int pid)
{
	struct task *t = trace_task(c, pid);
	int before = c->vcpu_out[ev->core];

	if (ev->core == c->housekeeping) {
		/* New ones wait there for their first grant, those at rest for another daemon's;
		 * hopeless ones are stopped and killed there: a stop that is pending when a thread
		 * gets the core is obeyed inside the kernel. */
		if (t->has_run_on_pool && !t->is_at_rest && !t->is_dying &&
		    !trace_task(c, t->maker)->is_stopped && t->pending_runs++ == 0) {
			t->pending_s = ev->time_s;
		}
	} else if (ev->core == c->control) {
		found(c, VCPU_ON_CONTROL, ev->time_s, ev->core, pid, "vcpu");
	} else if (!c->is_pool[ev->core]) {
		found(c, VCPU_OUTSIDE, ev->time_s, ev->core, pid, "vcpu");
	} else {
		if (t->pending_runs) {
			found(c, VCPU_ON_HOUSEKEEPING, t->pending_s, c->housekeeping, pid, "vcpu");
			t->pending_runs = 0;
		}
		if (before != NO_PID && before != pid) {
			note_intrusion(c, ev, before);
		}
		c->vcpu_out[ev->core] = NO_PID;
		t->has_run_on_pool = true;
		t->is_at_rest = t->is_at_rest && trace_task(c, t->maker)->is_stopped;
		c->runs[ev->core] += ev->time_s >= c->from_s && ev->time_s <= c->to_s;
	}
	t->preempted_place = 0;
}

static void runs(struct check *c, const struct event *ev, int pid, const char *comm)
{
	const struct task *t = trace_task(c, pid);

	settle_kind(c, pid, comm);
	if (t->kind == KIND_KERNEL) {
		c->kernel_runs += c->is_pool[ev->core];
		return;
	}
	check_exclusive(c, ev, pid, comm);
	if (t->kind == KIND_VCPU) {
		vcpu_runs(c, ev, pid);
	} else if (t->kind == KIND_VM) {
		if (c->is_pool[ev->core]) {
			found(c, VM_ON_POOL, ev->time_s, ev->core, pid, comm);
		} else if (ev->core == c->control && ev->core != c->housekeeping) {
			found(c, VM_ON_CONTROL, ev->time_s, ev->core, pid, comm);
		}
	} else if (c->is_pool[ev->core]) {
		c->foreign_runs++;
		if (c->is_isolated) {
			found(c, FOREIGN_ON_POOL, ev->time_s, ev->core, pid, comm);
		}
	}
}

/* Asleep by itself is how a vCPU leaves a core. Preempted, or waiting for memory in the middle of
 * its slice, it has not left; unless its process was killed: then it never comes back to its program. */
static void leaves(struct check *c, const struct event *ev, int pid, char state)
{
	struct task *t = trace_task(c, pid);

	if (t->kind == KIND_VCPU && ev->core == c->housekeeping) {
		c->rests += t->is_at_rest && state == 'S';
	}
	if (t->kind != KIND_VCPU || !c->is_pool[ev->core]) {
		return;
	}
	c->vcpu_out[ev->core] = NO_PID;
	t->preempted_place = 0;
	if (t->is_dying || trace_task(c, t->maker)->is_killed) {
		return; /* whatever it does from here on is its end */
	}
	if (state == 'S') {
		t->is_at_rest = true;
		judge_intrusions(c, pid);
	}
	if (state == 'R' || state == 'D') {
		c->vcpu_out[ev->core] = pid;
		c->out_s[ev->core] = ev->time_s;
		c->out_state[ev->core] = state;
		t->preempted_place = (int16_t)(ev->core + 1);
	}
}

static void on_switch(struct check *c, const struct event *ev)
{
	const char *arrow = strstr(ev->args, " ==> ");
	char comm[32];
	const char *state;
	int prev;
	int next;

	if (!arrow || !(state = strstr(ev->args, " prev_state="))) {
		trace_unusable(c, "no sched_switch: %s", ev->args);
	}
	prev = trace_number(c, ev->args, " prev_pid=");
	next = trace_number(c, arrow, " next_pid=");
	trace_name(ev->args, "prev_comm=", " prev_pid=", comm);
	settle_kind(c, prev, comm);
	leaves(c, ev, prev, state[strlen(" prev_state=")]);
	trace_name(arrow, "next_comm=", " next_pid=", comm);
	runs(c, ev, next, comm);
	c->switches++;
}

/* Not on its core any more, and no longer in the way of others there. */
static void forget_place(struct check *c, int pid)
{
	struct task *t = trace_task(c, pid);

	if (t->preempted_place && c->vcpu_out[t->preempted_place - 1] == pid) {
		c->vcpu_out[t->preempted_place - 1] = NO_PID;
	}
	t->preempted_place = 0;
}

/* The threads of a killed process, wherever they are switched out. */
static void forget_places(struct check *c, int maker)
{
	for (int core = 0; core < CORES_MAX; core++) {
		int pid = c->vcpu_out[core];

		if (pid != NO_PID && trace_task(c, pid)->maker == maker) {
			forget_place(c, pid);
		}
	}
}

static void on_fork(struct check *c, const struct event *ev)
{
	int parent = trace_number(c, ev->args, " pid=");
	int child = trace_number(c, ev->args, " child_pid=");
	struct task *t = trace_task(c, child);

	*t = (struct task){ .kind = KIND_USER, .maker = parent };
	if (parent == 2) {
		t->kind = KIND_KERNEL;
	} else if (trace_task(c, parent)->is_of_vm) {
		t->kind = KIND_VM;
		t->is_of_vm = true;
	}
}

static void on_exit_event(struct check *c, const struct event *ev)
{
	int pid = trace_number(c, ev->args, " pid=");
	struct task *t = trace_task(c, pid);

	forget_place(c, pid);
	t->pending_runs = 0;
	t->is_dying = true;
	t->intrusions = 0;
}

/* To a process as a whole, which is named by its first thread. */
static void on_signal(struct check *c, const struct event *ev)
{
	int sig = trace_number(c, ev->args, " sig=");
	int pid = trace_number(c, ev->args, " pid=");
	struct task *t = trace_task(c, pid);

	if (trace_number(c, ev->args, " grp=") == 0) {
		return;
	}
	if (sig == SIGKILL) {
		t->is_killed = true;
		forget_places(c, pid);
	}
	if (sig == SIGSTOP || sig == SIGKILL) {
		t->is_stopped = true;
	} else if (sig == SIGCONT) {
		t->is_stopped = false;
	}
}

/*
 * The monitor sets its timer before each run of a guest, and after it. So a vCPU thread that slept at its gate, and
 * sets none until it sleeps again, has executed none of its guest's instructions.
 */
static void on_timer(struct check *c, const struct event *ev)
{
	struct task *t = trace_task(c, ev->pid);

	if (t->kind == KIND_VCPU) {
		t->is_at_rest = false;
		c->n_timers++;
		if (ev->core == c->housekeeping) {
			found(c, GUEST_ON_HOUSEKEEPING, ev->time_s, ev->core, ev->pid, "vcpu");
		}
	}
}

static void on_line(struct check *c, char *line)
{
	struct event ev;

	if (!trace_parse(c, line, &ev)) {
		return;
	}
	if (strcmp(ev.what, "sched_switch") == 0) {
		on_switch(c, &ev);
	} else if (strcmp(ev.what, "sched_migrate_task") == 0) {
		forget_place(c, trace_number(c, ev.args, " pid="));
	} else if (strcmp(ev.what, "sched_process_fork") == 0) {
		on_fork(c, &ev);
	} else if (strcmp(ev.what, "sched_process_exit") == 0) {
		on_exit_event(c, &ev);
	} else if (strcmp(ev.what, "signal_generate") == 0) {
		on_signal(c, &ev);
	} else if (strncmp(ev.what, "sys_timer_settime(", 18) == 0) {
		on_timer(c, &ev);
	}
}

/* What still waits for its end on the housekeeping core when the trace ends. */
static void check_pending(struct check *c)
{
	for (int pid = 0; pid <= c->max_pid; pid++) {
		judge_intrusions(c, pid);
		if (c->tasks[pid].pending_runs) {
			found(c, VCPU_ON_HOUSEKEEPING, c->tasks[pid].pending_s, c->housekeeping,
			      pid, "vcpu");
		}
	}
}

static int conclude(const struct check *c)
{
	unsigned long n_runs = 0;
	unsigned long n_cores = 0;
	unsigned long n_found = 0;

	for (int i = 0; i < CORES_MAX; i++) {
		n_runs += c->runs[i];
		n_cores += c->runs[i] > 0;
	}
	for (int f = 0; f < FINDINGS; f++) {
		if (c->count[f]) {
			printf("%lu times: %s\n", c->count[f], finding_text[f]);
		}
		n_found += c->count[f];
	}
	printf("%lu switches; %lu runs of %lu vCPU threads on %lu pool cores; on pool cores %lu "
	       "runs of kernel threads "
	       "and idle, %lu of user tasks; vCPU threads set %lu timers, and came to rest on the "
	       "housekeeping core %lu times; %lu findings\n",
	       c->switches, n_runs, c->n_vcpus, n_cores, c->kernel_runs, c->foreign_runs,
	       c->n_timers, c->rests, n_found);
	if (n_runs < c->min_runs || c->n_vcpus < c->min_vcpus || n_cores < c->min_cores ||
	    c->n_timers < c->min_timers) {
		printf("too little to judge: at least %lu runs of %lu vCPU threads on %lu cores "
		       "and %lu timers are wanted\n",
		       c->min_runs, c->min_vcpus, c->min_cores, c->min_timers);
		return 2;
	}
	return n_found ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct check c = { .control = NO_CORE, .housekeeping = NO_CORE, .to_s = 1e18 };

	if (argc != 3) {
		fputs("usage: trace_check TRACE DESCRIPTION\n", stderr);
		return 2;
	}
	c.tasks = calloc(PIDS, sizeof(*c.tasks));
	if (!c.tasks) {
		fputs("trace_check: no memory\n", stderr);
		return 2;
	}
	for (int i = 0; i < CORES_MAX; i++) {
		c.vcpu_out[i] = NO_PID;
	}
	c.tasks[2].kind = KIND_KERNEL;
	trace_read(&c, argv[2], trace_describe);
	if (c.control == NO_CORE || c.housekeeping == NO_CORE) {
		fputs("trace_check: the description names no control or housekeeping core\n",
		      stderr);
		return 2;
	}
	trace_read(&c, argv[1], on_line);
	check_pending(&c);
	return conclude(&c);
}

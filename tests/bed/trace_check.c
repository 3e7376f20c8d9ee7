/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judge a kernel trace (tracefs, text form; events sched_switch, sched_migrate_task,
 * sched_process_fork, sched_process_exit, signal_generate): who ran on which core. docs/test-bed.md says what is proved and how;
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
 *   min_runs N | min_vcpus N | min_cores N   less is no evidence: vCPU runs on the pool, vCPU threads, pool cores used
 *
 * Exit status: 0 nothing found; 1 findings; 2 the trace or the description can't be judged.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORES_MAX     64
#define PIDS	      4194305 /* largest pid_max of Linux, and one */
#define EXCLUSIVE_MAX 256
#define EXAMPLES      5
#define NO_CORE	      (-1)
#define NO_PID	      (-1)

enum kind {
	KIND_USER,
	KIND_KERNEL,
	KIND_VM,   /* the control thread of a VM process, and its threads until they have a name */
	KIND_VCPU, /* executes guest code */
};

/* One parsed line; comm is only valid until the next one. */
struct event {
	double time_s;
	int core;
	const char *what, *args;
};

struct task {
	uint8_t kind;
	bool is_of_vm;	      /* thread or child of a VM process */
	bool is_dying;	      /* it has begun to end */
	bool is_stopped;      /* told so by a signal that no program can refuse: SIGSTOP, SIGKILL */
	int maker;	      /* who made it: of a thread the first one of its process */
	bool has_run_on_pool; /* has had a core */
	int16_t preempted_place; /* 1 + core where it was switched out while it wanted to run on; 0: none */
	uint32_t pending_runs; /* on the housekeeping core after its first turn in the pool */
	double pending_s;
	uint32_t intrusions;   /* others ran on its core before it had left */
	struct event intruded; /* the first time; out: when it had been switched out there */
	double out_s;
	char out_state;
};

struct exclusive {
	int core, tid;
	double from_s, to_s;
};

enum finding {
	VCPU_ON_CONTROL,
	VCPU_ON_HOUSEKEEPING,
	VCPU_OUTSIDE,
	VM_ON_CONTROL,
	VM_ON_POOL,
	FOREIGN_ON_POOL,
	INTERLEAVED,
	EXCLUSIVE_BROKEN,
	FINDINGS,
};

static const char *const finding_text[FINDINGS] = {
	[VCPU_ON_CONTROL] = "vCPU threads on the control core",
	[VCPU_ON_HOUSEKEEPING] =
		"vCPU threads on the housekeeping core, neither new nor stopped nor dying",
	[VCPU_OUTSIDE] = "vCPU threads on a core without a role",
	[VM_ON_CONTROL] = "other threads of VMs on the control core",
	[VM_ON_POOL] = "other threads of VMs on a pool core",
	[FOREIGN_ON_POOL] = "user tasks that are not ours on an isolated pool core",
	[INTERLEAVED] = "two vCPUs taking turns on a core that neither has left",
	[EXCLUSIVE_BROKEN] = "somebody else on an exclusive core",
};

struct check {
	struct task *tasks; /* by thread id */
	int max_pid;
	int control, housekeeping;
	bool is_pool[CORES_MAX];
	bool is_isolated;
	double from_s, to_s;
	struct exclusive exclusive[EXCLUSIVE_MAX];
	int n_exclusive;
	unsigned long min_runs, min_vcpus, min_cores;

	int vcpu_out
		[CORES_MAX]; /* the last vCPU thread on this core, if it still wanted to run, or NO_PID */
	double out_s[CORES_MAX]; /* when, and in which state */
	char out_state[CORES_MAX];
	unsigned long count[FINDINGS];
	unsigned long switches, runs[CORES_MAX], n_vcpus, kernel_runs, foreign_runs;
	unsigned long line;
};

static _Noreturn void __attribute__((format(printf, 2, 3)))
unusable(const struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "trace_check: line %lu: ", c->line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

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

static struct task *task_get(struct check *c, int pid)
{
	if (pid < 0 || pid >= PIDS) {
		unusable(c, "no such thread: %d", pid);
	}
	if (pid > c->max_pid) {
		c->max_pid = pid;
	}
	return &c->tasks[pid];
}

static int core_get(const struct check *c, long core)
{
	if (core < 0 || core >= CORES_MAX) {
		unusable(c, "no such core: %ld", core);
	}
	return (int)core;
}

/* The number after " KEY=", the last one of that name: a task's name may hold anything. */
static int number_of(const struct check *c, const char *args, const char *key)
{
	const char *at = NULL;
	char *end;
	long v;

	for (const char *p = args; (p = strstr(p, key)) != NULL; p++) {
		at = p;
	}
	if (!at) {
		unusable(c, "no '%s'", key);
	}
	at += strlen(key);
	v = strtol(at, &end, 10);
	if (end == at || v < 0 || v > INT32_MAX) {
		unusable(c, "no number after '%s'", key);
	}
	return (int)v;
}

/* The text between two keys. */
static void name_of(const char *args, const char *key, const char *next, char ret[32])
{
	const char *at = strstr(args, key);
	const char *end = at ? strstr(at, next) : NULL;
	size_t n = 0;

	if (end) {
		at += strlen(key);
		n = (size_t)(end - at) < 31 ? (size_t)(end - at) : 31;
		memcpy(ret, at, n);
	}
	ret[n] = '\0';
}

/* A thread's kind can change: it is forked by the daemon, becomes pinfold-vm, names itself vcpu. */
static void settle_kind(struct check *c, int pid, const char *comm)
{
	struct task *t = task_get(c, pid);

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
	struct task *t = task_get(c, holder);

	if (t->intrusions++ == 0) {
		t->intruded = *ev;
		t->out_s = c->out_s[ev->core];
		t->out_state = c->out_state[ev->core];
	}
}

static void judge_intrusions(struct check *c, int holder)
{
	struct task *t = task_get(c, holder);
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
	struct task *t = task_get(c, pid);
	int before = c->vcpu_out[ev->core];

	if (ev->core == c->housekeeping) {
		/* New ones wait there for their first grant, hopeless ones are stopped and killed
		 * there: a stop that is pending when a thread gets the core is obeyed inside the
		 * kernel. */
		if (t->has_run_on_pool && !t->is_dying && !task_get(c, t->maker)->is_stopped &&
		    t->pending_runs++ == 0) {
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
		c->runs[ev->core] += ev->time_s >= c->from_s && ev->time_s <= c->to_s;
	}
	t->preempted_place = 0;
}

static void runs(struct check *c, const struct event *ev, int pid, const char *comm)
{
	const struct task *t = task_get(c, pid);

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
 * its slice, it has not left. */
static void leaves(struct check *c, const struct event *ev, int pid, char state)
{
	struct task *t = task_get(c, pid);

	if (t->kind != KIND_VCPU || !c->is_pool[ev->core]) {
		return;
	}
	c->vcpu_out[ev->core] = NO_PID;
	t->preempted_place = 0;
	if (state == 'S') {
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
		unusable(c, "no sched_switch: %s", ev->args);
	}
	prev = number_of(c, ev->args, " prev_pid=");
	next = number_of(c, arrow, " next_pid=");
	name_of(ev->args, "prev_comm=", " prev_pid=", comm);
	settle_kind(c, prev, comm);
	leaves(c, ev, prev, state[strlen(" prev_state=")]);
	name_of(arrow, "next_comm=", " next_pid=", comm);
	runs(c, ev, next, comm);
	c->switches++;
}

/* Not on its core any more, and no longer in the way of others there. */
static void forget_place(struct check *c, int pid)
{
	struct task *t = task_get(c, pid);

	if (t->preempted_place && c->vcpu_out[t->preempted_place - 1] == pid) {
		c->vcpu_out[t->preempted_place - 1] = NO_PID;
	}
	t->preempted_place = 0;
}

static void on_fork(struct check *c, const struct event *ev)
{
	int parent = number_of(c, ev->args, " pid=");
	int child = number_of(c, ev->args, " child_pid=");
	struct task *t = task_get(c, child);

	*t = (struct task){ .kind = KIND_USER, .maker = parent };
	if (parent == 2) {
		t->kind = KIND_KERNEL;
	} else if (task_get(c, parent)->is_of_vm) {
		t->kind = KIND_VM;
		t->is_of_vm = true;
	}
}

static void on_exit_event(struct check *c, const struct event *ev)
{
	int pid = number_of(c, ev->args, " pid=");
	struct task *t = task_get(c, pid);

	forget_place(c, pid);
	t->pending_runs = 0;
	t->is_dying = true;
	t->intrusions = 0;
}

/* To a process as a whole, which is named by its first thread. */
static void on_signal(struct check *c, const struct event *ev)
{
	int sig = number_of(c, ev->args, " sig=");
	struct task *t = task_get(c, number_of(c, ev->args, " pid="));

	if (number_of(c, ev->args, " grp=") == 0) {
		return;
	}
	if (sig == SIGSTOP || sig == SIGKILL) {
		t->is_stopped = true;
	} else if (sig == SIGCONT) {
		t->is_stopped = false;
	}
}

static void on_line(struct check *c, char *line)
{
	struct event ev;
	char *open = NULL;
	char *colon;
	char *end;

	line[strcspn(line, "\n")] = '\0';
	if (strstr(line, "LOST") && strstr(line, "EVENTS")) {
		unusable(c, "the trace has a hole: %s", line);
	}
	if (line[0] == '#' || line[0] == '\0' || strncmp(line, "CPU:", 4) == 0) {
		return;
	}
	/* NAME-PID [CORE] FLAGS TIME: EVENT: ARGS; a name may hold brackets. */
	for (char *p = line; (p = strstr(p, " [")) != NULL; p++) {
		if (strlen(p) > 5 && p[2] >= '0' && p[2] <= '9' && p[5] == ']') {
			open = p;
			break;
		}
	}
	if (!open) {
		unusable(c, "no event: %s", line);
	}
	ev.core = core_get(c, strtol(open + 2, NULL, 10));
	colon = strstr(open, ": ");
	if (!colon) {
		unusable(c, "no time: %s", line);
	}
	*colon = '\0';
	ev.time_s = strtod(strrchr(open, ' '), &end);
	if (*end != '\0') {
		unusable(c, "no time: %s", open);
	}
	ev.what = colon + 2;
	colon = strstr(colon + 2, ":");
	if (!colon) {
		unusable(c, "no event name: %s", ev.what);
	}
	*colon = '\0';
	ev.args = colon + 1;
	if (strcmp(ev.what, "sched_switch") == 0) {
		on_switch(c, &ev);
	} else if (strcmp(ev.what, "sched_migrate_task") == 0) {
		forget_place(c, number_of(c, ev.args, " pid="));
	} else if (strcmp(ev.what, "sched_process_fork") == 0) {
		on_fork(c, &ev);
	} else if (strcmp(ev.what, "sched_process_exit") == 0) {
		on_exit_event(c, &ev);
	} else if (strcmp(ev.what, "signal_generate") == 0) {
		on_signal(c, &ev);
	}
}

static void describe_pool(struct check *c, char *rest)
{
	char *end;

	for (;;) {
		long core = strtol(rest, &end, 10);

		if (end == rest) {
			return;
		}
		c->is_pool[core_get(c, core)] = true;
		rest = end;
	}
}

static bool describe_task(struct check *c, const char *key, const char *rest)
{
	struct task *t;

	if (strcmp(key, "kthread") != 0 && strcmp(key, "vm") != 0 && strcmp(key, "vcpu") != 0) {
		return false;
	}
	t = task_get(c, atoi(rest));
	t->kind = key[0] == 'k' ? KIND_KERNEL : strcmp(key, "vm") == 0 ? KIND_VM : KIND_VCPU;
	t->is_of_vm = t->kind != KIND_KERNEL;
	c->n_vcpus += t->kind == KIND_VCPU;
	/* It may have had its first turn before the trace began. */
	t->has_run_on_pool = t->kind == KIND_VCPU;
	return true;
}

static void describe_exclusive(struct check *c, const char *rest)
{
	struct exclusive *x = &c->exclusive[c->n_exclusive];

	if (c->n_exclusive == EXCLUSIVE_MAX ||
	    sscanf(rest, "%d %d %lf %lf", &x->core, &x->tid, &x->from_s, &x->to_s) != 4) {
		unusable(c, "exclusive CORE TID FROM TO");
	}
	core_get(c, x->core);
	c->n_exclusive++;
}

static void describe(struct check *c, char *line)
{
	char key[32];
	int n = 0;

	if (sscanf(line, "%31s %n", key, &n) != 1 || key[0] == '#') {
		return;
	}
	line += n;
	if (describe_task(c, key, line)) {
		return;
	}
	if (strcmp(key, "control") == 0) {
		c->control = core_get(c, atol(line));
	} else if (strcmp(key, "housekeeping") == 0) {
		c->housekeeping = core_get(c, atol(line));
	} else if (strcmp(key, "pool") == 0) {
		describe_pool(c, line);
	} else if (strcmp(key, "from") == 0) {
		c->from_s = atof(line);
	} else if (strcmp(key, "to") == 0) {
		c->to_s = atof(line);
	} else if (strcmp(key, "is_isolated") == 0) {
		c->is_isolated = atoi(line) != 0;
	} else if (strcmp(key, "exclusive") == 0) {
		describe_exclusive(c, line);
	} else if (strcmp(key, "min_runs") == 0) {
		c->min_runs = strtoul(line, NULL, 10);
	} else if (strcmp(key, "min_vcpus") == 0) {
		c->min_vcpus = strtoul(line, NULL, 10);
	} else if (strcmp(key, "min_cores") == 0) {
		c->min_cores = strtoul(line, NULL, 10);
	} else {
		unusable(c, "unknown fact '%s'", key);
	}
}

static void read_lines(struct check *c, const char *path, void (*take)(struct check *, char *))
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;

	if (!f) {
		fprintf(stderr, "trace_check: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	c->line = 0;
	while (getline(&line, &cap, f) >= 0) {
		c->line++;
		take(c, line);
	}
	free(line);
	fclose(f);
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
	       "and idle, %lu of user tasks; %lu findings\n",
	       c->switches, n_runs, c->n_vcpus, n_cores, c->kernel_runs, c->foreign_runs, n_found);
	if (n_runs < c->min_runs || c->n_vcpus < c->min_vcpus || n_cores < c->min_cores) {
		printf("too little to judge: at least %lu runs of %lu vCPU threads on %lu cores "
		       "are wanted\n",
		       c->min_runs, c->min_vcpus, c->min_cores);
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
	read_lines(&c, argv[2], describe);
	if (c.control == NO_CORE || c.housekeeping == NO_CORE) {
		fputs("trace_check: the description names no control or housekeeping core\n",
		      stderr);
		return 2;
	}
	read_lines(&c, argv[1], on_line);
	check_pending(&c);
	return conclude(&c);
}

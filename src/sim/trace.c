/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traces: see trace.h. */
#include "sim/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/monitor.h"

static sigjmp_buf bug_env;
static volatile sig_atomic_t bug_is_expected;

static void on_abort(int sig)
{
	if (bug_is_expected) {
		bug_is_expected = 0;
		siglongjmp(bug_env, 1);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

unsigned int sim_trace_guard(void (*fn)(void *arg), void *arg)
{
	static bool is_installed;
	struct sigaction sa = { .sa_handler = on_abort, .sa_flags = SA_NODEFER };

	if (!is_installed) {
		sigaction(SIGABRT, &sa, NULL);
		is_installed = true;
	}
	if (sigsetjmp(bug_env, 0)) {
		return SIM_BUG;
	}
	fn(arg);
	return SIM_FINE;
}

int sim_trace_call(struct sched *s, const struct sched_event *ev, struct sched_out *out)
{
	int r;

	bug_is_expected = 1;
	r = sched_handle(s, ev, out);
	bug_is_expected = 0;
	return r;
}

struct call {
	struct sched *s;
	const struct sched_event *ev;
	struct sched_out *out;
	int r;
};

static void call_once(void *arg)
{
	struct call *c = arg;

	c->r = sim_trace_call(c->s, c->ev, c->out);
}

unsigned int sim_trace_handle(struct sched *s, const struct sched_event *ev, struct sched_out *out,
			      int *ret_r)
{
	struct call c = { .s = s, .ev = ev, .out = out, .r = -ENOTRECOVERABLE };
	unsigned int v = sim_trace_guard(call_once, &c);

	*ret_r = c.r;
	return v;
}

void sim_trace_add(struct sim_trace *t, const struct sim_step *step)
{
	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 1024;
		struct sim_step *steps =
			room <= SIM_TRACE_MAX ? realloc(t->steps, room * sizeof(*steps)) : NULL;

		if (!steps) {
			t->is_cut = true;
			return;
		}
		t->steps = steps;
		t->room = room;
	}
	t->steps[t->n++] = *step;
}

void sim_trace_done(struct sim_trace *t)
{
	free(t->steps);
	t->steps = NULL;
	t->n = t->room = 0;
}

struct runner {
	void *mem;
	struct sched *s;
	struct sim_monitor *m;
	struct sched_out out;
	struct sched_config cfg;
	uint32_t restarts;
};

static bool runner_init(struct runner *r, const struct sim_trace *t)
{
	size_t bytes = sched_size(&t->cfg);

	r->mem = aligned_alloc(64, bytes);
	r->m = sim_monitor_new(&t->cfg, t->late_ns);
	if (!r->mem || !r->m) {
		free(r->mem);
		sim_monitor_free(r->m);
		return false;
	}
	r->cfg = t->cfg;
	r->restarts = 0;
	r->s = sched_init(r->mem, &r->cfg);
	return true;
}

static void runner_done(struct runner *r)
{
	free(r->mem);
	sim_monitor_free(r->m);
}

static unsigned int run_step(struct runner *r, const struct sim_step *step, int *ret_r)
{
	struct sched_stats stats;
	unsigned int v;

	*ret_r = 0;
	r->out.n = 0;
	if (step->is_restart) {
		r->cfg.first_epoch = SIM_EPOCH_OF(++r->restarts);
		r->s = sched_init(r->mem, &r->cfg);
		sim_monitor_restart(r->m);
		return SIM_FINE;
	}
	v = sim_trace_handle(r->s, &step->event, &r->out, ret_r);
	if (v != SIM_FINE || *ret_r < 0) {
		return v;
	}
	v = (unsigned int)sim_monitor_event(r->m, &step->event, &r->out,
					    step->done < r->out.n ? step->done : r->out.n, r->s);
	sched_stats_get(r->s, &stats);
	if (v == SIM_FINE && stats.violations) {
		v = stats.last_violation;
	}
	return v == SIM_FINE ? (unsigned int)sched_check_full(r->s) : v;
}

/*
 * Run the steps on a new scheduler under the referee.
 * @return SIM_FINE, or what is found (enum sim_verdict, enum sched_violation)
 */
static unsigned int run_steps(const struct sim_trace *t)
{
	struct runner r;
	unsigned int v = SIM_FINE;
	int err;

	if (!runner_init(&r, t)) {
		return SIM_FINE;
	}
	for (size_t i = 0; v == SIM_FINE && i < t->n; i++) {
		v = run_step(&r, &t->steps[i], &err);
	}
	runner_done(&r);
	return v;
}

/* Try without steps [from, from + n); keep that when the verdict stays. */
static bool try_without(struct sim_trace *t, size_t from, size_t n, unsigned int verdict)
{
	struct sim_trace u = *t;

	u.n = t->n - n;
	u.steps = malloc((u.n + 1) * sizeof(*u.steps));
	if (!u.steps) {
		return false;
	}
	memcpy(u.steps, t->steps, from * sizeof(*u.steps));
	memcpy(u.steps + from, t->steps + from + n, (u.n - from) * sizeof(*u.steps));
	if (run_steps(&u) != verdict) {
		free(u.steps);
		return false;
	}
	free(t->steps);
	t->steps = u.steps;
	t->n = u.n;
	t->room = u.n;
	return true;
}

bool sim_trace_shrink(struct sim_trace *t, uint64_t budget)
{
	unsigned int verdict;
	size_t chunk;

	/* Taken again, the whole state is checked after every step: it may show earlier, as something else. */
	verdict = run_steps(t);
	if (t->is_cut || verdict == SIM_FINE) {
		return false;
	}
	for (chunk = t->n / 2; chunk > 0; chunk = chunk > 1 ? chunk / 2 : 0) {
		for (size_t from = 0; from + chunk <= t->n;) {
			if (budget < t->n) {
				return true;
			}
			budget -= t->n;
			if (!try_without(t, from, chunk, verdict)) {
				from += chunk;
			}
		}
	}
	return true;
}

void sim_trace_print_event(const struct sched_event *ev, FILE *f)
{
	fprintf(f, "%" PRIu64 " ns  %s", ev->now_ns,
		sched_event_name((enum sched_event_type)ev->type));
	fprintf(f,
		" vm=%u vcpu=%u gen=%u core=%d user=%u prio=%u why=%u mask=%u arg=%" PRIu64
		" cpu_ns=%" PRIu64 " stolen_ns=%" PRIu64 "\n",
		ev->vm, ev->vcpu, ev->gen, ev->core == SCHED_CORE_NONE ? -1 : ev->core, ev->user,
		ev->prio, ev->why, ev->mask, ev->arg, ev->cpu_ns, ev->stolen_ns);
}

static void print_actions(const struct sched_out *out, FILE *f)
{
	for (uint32_t i = 0; i < out->n; i++) {
		const struct sched_action *a = &out->action[i];

		fprintf(f, "      -> %s (%s)", sched_action_name((enum sched_action_type)a->type),
			sched_reason_name((enum sched_reason)a->reason));
		if (a->core != SCHED_CORE_NONE) {
			fprintf(f, " core=%u", a->core);
		}
		if (a->vcpu != SCHED_NONE) {
			fprintf(f, " vcpu=%u epoch=%" PRIu64, a->vcpu, a->epoch);
		}
		if (a->vm != SCHED_NONE) {
			fprintf(f, " vm=%u", a->vm);
		}
		if (a->type == SCHED_ACT_LOCK) {
			struct sched_lock l = sched_lock_unpack(a->b);

			fprintf(f, " owner=%d successor=%d%s", (int)l.owner, (int)l.successor,
				l.exclusive ? " exclusive" : "");
		} else if (a->b) {
			fprintf(f, " budget_ns=%" PRIu64 " deadline_ns=%" PRId64, a->a,
				(int64_t)a->b);
		}
		fputc('\n', f);
	}
}

void sim_trace_print(const struct sim_trace *t, size_t first, FILE *f)
{
	struct runner r;
	int err;

	if (!runner_init(&r, t)) {
		return;
	}
	for (size_t i = 0; i < t->n; i++) {
		unsigned int v = run_step(&r, &t->steps[i], &err);

		if (i < first && v == SIM_FINE) {
			continue;
		}
		fprintf(f, "%4zu  ", i);
		if (t->steps[i].is_restart) {
			fprintf(f, "daemon restarts\n");
		} else {
			sim_trace_print_event(&t->steps[i].event, f);
		}
		if (err < 0) {
			fprintf(f, "      refused: %s\n", strerror(-err));
		}
		print_actions(&r.out, f);
		if (v != SIM_FINE) {
			fprintf(f, "      ** %s\n", sim_verdict_name(v));
			break;
		}
	}
	runner_done(&r);
}

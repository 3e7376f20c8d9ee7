/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dispatcher's thread: one loop over one epoll. It sleeps until a VM writes its eventfd, a
 * process dies, another thread has a command, or a timer of the scheduler is due. What comes in
 * becomes an event of the scheduler; what the scheduler decides is carried out before the next one.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>

#include "daemon/dispatch/dispatch_internal.h"

#define EVENTS_MAX 64
/* Ticks in a row before descriptors are looked at again. */
#define TICKS_MAX 16
/* Looks in a row. */
#define TODO_MAX 64
/* The dispatcher's priority above the VMs'. */
#define PRIO_ABOVE   10
#define RING_RECORDS 4096
/* How much longer the steps of the ladder take without real-time priorities. */
#define PATIENCE 500
/* The longest wait of the ladder, for a death, grows by no more. */
#define PATIENCE_KILL 10
/* Covers one kick that was lost, which the VM repeats after a millisecond. */
#define PATIENCE_FORCE 4

/* How many vCPUs of one event can have something to say at once is bounded by SCHED_OUT_MAX. */
_Static_assert(POSTS_MAX > 2 * SCHED_OUT_MAX, "the queue must hold what one event brings");

void dispatch_options_defaults(struct dispatch_options *o)
{
	*o = (struct dispatch_options){ .fifo_prio = 10, .patience = 1 };
	sched_config_defaults(&o->sched);
	o->sched.limits.vms = o->sched.limits.vcpus = 4096;
	o->sched.limits.users = 1024;
	o->sched.limits.ring = RING_RECORDS;
}

int dispatch_mutex_init(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	r = pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

struct sched_event dispatch_vcpu_event(const struct slot *sl, enum sched_event_type type)
{
	return (struct sched_event){
		.type = (uint8_t)type,
		.core = sl->core,
		.vm = sl->number,
		.vcpu = sl->number,
		.gen = sl->gen,
		.epoch = sl->epoch,
	};
}

static int handle_one(struct dispatch *d, struct sched_event *ev)
{
	ns_t from_ns = host_clock_monotonic_ns();
	ns_t took_ns;
	int r;

	if (ev->now_ns == 0) { /* else it is known when it happened */
		ev->now_ns = from_ns;
	}
	r = sched_handle(d->s, ev, &d->out);
	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < d->out.n; i++) {
		dispatch_carry_out(d, &d->out.action[i]);
	}
	took_ns = host_clock_monotonic_ns() - from_ns;
	if (took_ns > d->decide_max_ns) {
		d->decide_max_ns = took_ns;
	}
	return 0;
}

int dispatch_handle(struct dispatch *d, struct sched_event *ev)
{
	int r;

	BUG_ON(d->is_handling);
	d->is_handling = true;
	r = handle_one(d, ev);
	while (d->posts_n) {
		struct sched_event next = d->posts[d->posts_first];

		d->posts_first = (d->posts_first + 1) % POSTS_MAX;
		d->posts_n--;
		(void)handle_one(d, &next); /* what is no longer true is refused */
	}
	d->is_handling = false;
	return r;
}

void dispatch_post(struct dispatch *d, const struct sched_event *ev)
{
	if (!d->is_handling) {
		struct sched_event copy = *ev;

		(void)dispatch_handle(d, &copy);
		return;
	}
	BUG_ON(d->posts_n == POSTS_MAX);
	d->posts[(d->posts_first + d->posts_n) % POSTS_MAX] = *ev;
	d->posts_n++;
}

static ns_t *todo_time(struct slot *sl, enum todo what)
{
	return what == TODO_LOOK     ? &sl->look_ns
	       : what == TODO_FREEZE ? &sl->freeze_ns
	       : what == TODO_UNMUTE ? &sl->unmute_ns
				     : &sl->death_ns;
}

void dispatch_todo(struct dispatch *d, struct slot *sl, enum todo what, ns_t at_ns)
{
	*todo_time(sl, what) = at_ns;
	if (!sl->todo) {
		sl->next = NULL;
		sl->prev = d->todo_tail;
		*(sl->prev ? &sl->prev->next : &d->todo_head) = sl;
		d->todo_tail = sl;
	}
	sl->todo |= (uint8_t)what;
}

void dispatch_todo_clear(struct dispatch *d, struct slot *sl, enum todo what)
{
	if (!(sl->todo & what)) {
		return;
	}
	sl->todo &= (uint8_t)~what;
	if (!sl->todo) {
		*(sl->prev ? &sl->prev->next : &d->todo_head) = sl->next;
		*(sl->next ? &sl->next->prev : &d->todo_tail) = sl->prev;
		sl->prev = sl->next = NULL;
	}
}

/* The first thing to do of a slot, and when. */
static ns_t todo_first(struct slot *sl, enum todo *ret)
{
	static const enum todo kinds[] = { TODO_LOOK, TODO_FREEZE, TODO_UNMUTE, TODO_DEATH };
	ns_t first_ns = SCHED_NEVER;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if ((sl->todo & kinds[i]) && *todo_time(sl, kinds[i]) < first_ns) {
			first_ns = *todo_time(sl, kinds[i]);
			*ret = kinds[i];
		}
	}
	return first_ns;
}

static void todo_run_one(struct dispatch *d, struct slot *sl, enum todo what)
{
	dispatch_todo_clear(d, sl, what);
	switch (what) {
	case TODO_LOOK:
		dispatch_look(d, sl);
		break;
	case TODO_FREEZE:
		dispatch_freeze_check(d, sl);
		break;
	case TODO_UNMUTE:
		dispatch_unmute(d, sl);
		break;
	case TODO_DEATH:
		dispatch_death_check(d, sl);
		break;
	}
}

static void todo_run(struct dispatch *d)
{
	ns_t now_ns = host_clock_monotonic_ns();

	for (int i = 0; i < TODO_MAX; i++) {
		struct slot *sl = d->todo_head;
		enum todo what = TODO_LOOK;

		while (sl && todo_first(sl, &what) > now_ns) {
			sl = sl->next;
		}
		if (!sl) {
			return;
		}
		todo_run_one(d, sl, what);
	}
}

static ns_t next_due(struct dispatch *d)
{
	ns_t due_ns = sched_next_timer(d->s);
	enum todo what;

	for (struct slot *sl = d->todo_head; sl; sl = sl->next) {
		ns_t t = todo_first(sl, &what);

		due_ns = t < due_ns ? t : due_ns;
	}
	return d->watch_ns < due_ns ? d->watch_ns : due_ns;
}

static int wait_for_events(struct dispatch *d, struct epoll_event *events)
{
	ns_t due_ns = next_due(d);
	ns_t now_ns = host_clock_monotonic_ns();
	ns_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	struct timespec left = host_timespec(left_ns);
	int n = epoll_pwait2(d->epoll_fd, events, EVENTS_MAX, due_ns == SCHED_NEVER ? NULL : &left,
			     NULL);

	BUG_ON(n < 0 && errno != EINTR);
	return n < 0 ? 0 : n;
}

static void take_event(struct dispatch *d, const struct epoll_event *event)
{
	uint32_t number = (uint32_t)(event->data.u64 >> 8);
	uint64_t n;

	switch ((enum source)(event->data.u64 & 0xff)) {
	case SOURCE_COMMAND:
		if (read(d->command_fd, &n, sizeof(n)) < 0) {
			break; /* taken already */
		}
		break;
	case SOURCE_NOTIFY:
		dispatch_heard(d, dispatch_slot(d, number));
		break;
	case SOURCE_THREAD:
		dispatch_thread_gone(d, dispatch_slot(d, number));
		break;
	case SOURCE_PIDFD:
		dispatch_death_check(d, dispatch_slot(d, number));
		break;
	}
}

static void tick(struct dispatch *d)
{
	for (int i = 0; i < TICKS_MAX; i++) {
		struct sched_event ev = { .type = SCHED_EV_TICK };

		if (sched_next_timer(d->s) > host_clock_monotonic_ns()) {
			return;
		}
		(void)dispatch_handle(d, &ev);
	}
}

static void *dispatcher(void *arg)
{
	struct epoll_event events[EVENTS_MAX];
	struct dispatch *d = arg;

	prctl(PR_SET_NAME, "dispatch");
	while (!d->is_stopping) {
		int n = wait_for_events(d, events);

		d->wakeups++;
		for (int i = 0; i < n; i++) {
			take_event(d, &events[i]);
		}
		todo_run(d);
		tick(d);
		/* After the events of this turn: a command may take slots away. */
		dispatch_commands_run(d);
		dispatch_watch(d, host_clock_monotonic_ns());
	}
	return NULL;
}

int dispatch_epoll_add(struct dispatch *d, int fd, enum source source, uint32_t number,
		       uint32_t events)
{
	struct epoll_event ev = { .events = events,
				  .data.u64 = (uint64_t)number << 8 | (uint64_t)source };

	return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* The cores and the scheduler. */
static int init_sched(struct dispatch *d, const struct sched_roles *roles, struct errmsg *e)
{
	bool are_equal = true;
	size_t bytes;

	for (uint32_t i = 0; i < roles->n_pool; i++) {
		d->cores[i] = (struct pool_core){ roles->pool[i], roles->rank[i] };
		are_equal = are_equal && roles->rank[i] == 0;
		d->is_one_core = d->is_one_core || roles->pool[i] == roles->control;
	}
	d->cfg.limits.cores = roles->n_pool;
	d->cfg.cores_online = are_equal ? roles->n_pool : 0;
	d->cfg.first_epoch = d->locks->starts << 40;
	bytes = sched_size(&d->cfg);
	if (bytes == 0 || d->cfg.limits.vms != d->cfg.limits.vcpus) {
		return errmsg_set(e, -EINVAL, "the scheduler's limits are out of range");
	}
	d->mem = aligned_alloc(64, (bytes + 63) / 64 * 64);
	d->slots = calloc(d->cfg.limits.vms, sizeof(*d->slots));
	d->pages = calloc(d->cfg.limits.vms, sizeof(*d->pages));
	if (!d->mem || !d->slots || !d->pages) {
		return errmsg_set(e, -ENOMEM, "no memory for the scheduler");
	}
	d->s = sched_init(d->mem, &d->cfg);
	return 0;
}

static void hold_and_bring_online(struct dispatch *d)
{
	struct sched_event ev = { .type = SCHED_EV_DISPATCH, .arg = 0 };

	BUG_ON(dispatch_handle(d, &ev) < 0);
	for (uint32_t i = d->cfg.cores_online; i < d->cfg.limits.cores; i++) {
		ev = (struct sched_event){ .type = SCHED_EV_CORE_ONLINE,
					   .core = (uint16_t)i,
					   .arg = d->cores[i].rank };
		BUG_ON(dispatch_handle(d, &ev) < 0);
	}
}

static int init_fds(struct dispatch *d, struct errmsg *e)
{
	int r;

	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	d->command_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->epoll_fd < 0 || d->command_fd < 0) {
		return errmsg_set(e, -errno, "no descriptors for the dispatcher: %s",
				  strerror(errno));
	}
	r = dispatch_notices_init(d);
	if (r == 0) {
		r = dispatch_mutex_init(&d->command_lock);
	}
	if (r == 0) {
		r = dispatch_epoll_add(d, d->command_fd, SOURCE_COMMAND, 0, EPOLLIN);
	}
	return r < 0 ? errmsg_set(e, r, "the dispatcher can't be set up: %s", strerror(-r)) : 0;
}

static int start_thread(struct dispatch *d, struct errmsg *e)
{
	struct sched_param prio = { .sched_priority = d->fifo_prio + PRIO_ABOVE };
	pthread_attr_t attr;
	cpu_set_t set;
	sigset_t all;
	sigset_t old;
	int r;

	CPU_ZERO(&set);
	CPU_SET(d->control, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (d->fifo_prio) {
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &prio);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&d->thread, &attr, dispatcher, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r ? errmsg_set(e, -r, "no%s thread for the dispatcher on core %u: %s",
			      d->fifo_prio ? " real-time" : "", d->control, strerror(r))
		 : 0;
}

static void dispatch_free(struct dispatch *d)
{
	for (uint32_t i = 0; i < d->top; i++) {
		dispatch_slot_done(d, &d->slots[i]);
	}
	if (d->epoll_fd >= 0) {
		close(d->epoll_fd);
	}
	if (d->command_fd >= 0) {
		close(d->command_fd);
	}
	dispatch_pages_free(d);
	dispatch_notices_done(d);
	dispatch_locks_close(d);
	free(d->mem);
	free(d->slots);
	free(d->pages);
	free(d);
}

/*
 * Without real-time priorities everybody waits for ordinary tasks, and so does the dispatcher: whoever
 * is late has most likely been kept waiting.
 */
static void be_patient_on(struct sched_ladder *ladder, uint32_t times)
{
	ladder->sample_ns *= times;
	ladder->revoke_ns *= times;
	ladder->signal_ns *= times;
}

/* A core that is taken back by force waits less long, where real-time priority is there. */
static void be_patient(struct sched_config *cfg, uint32_t times, bool is_fifo)
{
	be_patient_on(&cfg->ladder, times);
	be_patient_on(&cfg->fast, is_fifo && times > PATIENCE_FORCE ? PATIENCE_FORCE : times);
	cfg->freeze_ns *= times;
	cfg->kill_ns *= times < PATIENCE_KILL ? times : PATIENCE_KILL;
}

int dispatch_start(const struct dispatch_options *o, struct dispatch **ret, struct errmsg *e)
{
	struct dispatch *d = calloc(1, sizeof(*d));
	int r;

	if (!d) {
		return errmsg_set(e, -ENOMEM, "no memory for the dispatcher");
	}
	d->cfg = o->sched;
	d->patience = o->fifo_prio == 0 && o->patience < PATIENCE ? PATIENCE : o->patience;
	be_patient(&d->cfg, d->patience, o->fifo_prio > 0);
	d->fifo_prio = o->fifo_prio;
	d->control = o->roles->control;
	d->housekeeping = o->roles->housekeeping;
	d->place = o->place;
	d->place_arg = o->place_arg;
	d->watch_ns = SCHED_NEVER;
	d->epoll_fd = d->command_fd = d->notice_fd = d->locks_fd = -1;
	r = dispatch_locks_open(d, o->run_dir, e);
	if (r == 0) {
		r = init_sched(d, o->roles, e);
	}
	if (r == 0) {
		r = init_fds(d, e);
	}
	if (r == 0) {
		hold_and_bring_online(d);
		r = start_thread(d, e);
	}
	if (r < 0) {
		dispatch_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

static int run_stop(struct dispatch *d, void *arg)
{
	(void)arg;
	d->is_stopping = true;
	return 0;
}

void dispatch_stop(struct dispatch *d)
{
	if (!d) {
		return;
	}
	(void)dispatch_command(d, run_stop, NULL);
	pthread_join(d->thread, NULL);
	dispatch_free(d);
}

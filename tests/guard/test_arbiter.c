/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arbiter, in every state that any sequence of events can lead to (all ARBITER_THREADS of them): an
 * onlooker that knows nothing but the events and the actions sees the rules of core/arbiter.h kept.
 */
#include "core/arbiter.h"

#include "test.h"

/* What a thread was told to be. */
enum role { R_NONE, R_SPARE, R_ASLEEP, R_SERVING, R_LEAVING };

/* What an onlooker knows. */
struct world {
	u8 role[ARBITER_THREADS]; /* R_NONE: there is no thread */
	u8 terminal[ARBITER_THREADS];
	u8 channel[ARBITER_THREADS];
	bool is_asked_for[ARBITER_THREADS]; /* SPAWN was said and not answered */
	bool is_wanted
		[ARBITER_CHANNELS]; /* somebody is there, and no dialogue has ended by itself since */
};

enum event_kind { E_READY, E_WAKE, E_SLEPT, E_DIED, E_OVERRAN, E_KINDS };

struct event {
	enum event_kind kind;
	u8 number; /* thread or channel */
};

struct state {
	struct arbiter a;
	struct world w;
};

static const char *const kind_names[] = { "ready", "wake", "slept", "died", "overran" };

static void happen(struct arbiter *a, struct event e, struct arbiter_actions *ret)
{
	switch (e.kind) {
	case E_READY:
		arbiter_ready(a, e.number, ret);
		break;
	case E_WAKE:
		arbiter_wake(a, (enum arbiter_channel)e.number, ret);
		break;
	case E_SLEPT:
		arbiter_slept(a, e.number, ret);
		break;
	case E_DIED:
		arbiter_died(a, e.number, ret);
		break;
	default:
		arbiter_overran(a, e.number, ret);
		break;
	}
}

static bool is_at_work(const struct world *w, u8 thread)
{
	return w->role[thread] == R_SERVING || w->role[thread] == R_LEAVING;
}

/* Whether the event can happen at all; others must change nothing. */
static bool is_possible(const struct world *w, struct event e)
{
	switch (e.kind) {
	case E_READY:
		return w->role[e.number] == R_NONE;
	case E_SLEPT:
		return is_at_work(w, e.number);
	case E_OVERRAN:
		return w->role[e.number] != R_NONE;
	default:
		return true;
	}
}

/* The event itself, as the onlooker sees it, before anything is done about it. */
static void see_event(struct world *w, struct event e)
{
	u8 n = e.number;

	switch (e.kind) {
	case E_WAKE:
		w->is_wanted[n] = true;
		break;
	case E_READY:
		w->role[n] = R_SPARE;
		w->is_asked_for[n] = false;
		break;
	case E_SLEPT:
		if (w->role[n] == R_SERVING) {
			w->is_wanted[w->channel[n]] = false;
		}
		w->role[n] = R_ASLEEP;
		break;
	case E_DIED:
		w->is_asked_for[n] = false;
		w->role[n] = R_NONE;
		break;
	default: /* it is there still, until it is given up */
		break;
	}
}

/* One action is obeyed. @return what is wrong with it, or NULL */
static const char *obey(struct world *w, struct event e, const struct arbiter_action *x)
{
	u8 t = x->thread;

	if (t >= ARBITER_THREADS) {
		return "an action for no thread";
	}
	switch (x->what) {
	case ARBITER_SERVE:
		if (w->role[t] != R_SPARE && w->role[t] != R_ASLEEP) {
			return "SERVE to a thread that is not free";
		}
		if (w->role[t] == R_ASLEEP && w->terminal[t] != x->terminal) {
			return "SERVE changes who a thread is";
		}
		w->role[t] = R_SERVING;
		w->terminal[t] = x->terminal;
		w->channel[t] = x->channel;
		return x->terminal < ARBITER_TERMINALS && x->channel < ARBITER_CHANNELS
			       ? NULL
			       : "SERVE what?";
	case ARBITER_BECOME:
		if (w->role[t] != R_SPARE) {
			return "BECOME to a thread that is no spare";
		}
		w->role[t] = R_ASLEEP;
		w->terminal[t] = x->terminal;
		return NULL;
	case ARBITER_SHOW:
		return w->role[t] == R_SERVING && w->channel[t] == x->channel ? NULL
									      : "SHOW elsewhere";
	case ARBITER_LEAVE:
		if (w->role[t] != R_SERVING || w->channel[t] != x->channel) {
			return "LEAVE what it does not serve";
		}
		w->role[t] = R_LEAVING;
		return NULL;
	case ARBITER_ABANDON:
		if (e.kind != E_OVERRAN || e.number != t || w->role[t] == R_NONE) {
			return "ABANDON of a thread that did no wrong";
		}
		w->role[t] = R_NONE;
		return NULL;
	default:
		if (x->what != ARBITER_SPAWN || w->role[t] != R_NONE || w->is_asked_for[t]) {
			return "SPAWN for a place that is not empty, or twice";
		}
		w->is_asked_for[t] = true;
		return NULL;
	}
}

/* The thread that is this terminal, or ARBITER_NONE. */
static u8 thread_of(const struct world *w, u8 terminal)
{
	for (u8 t = 0; t < ARBITER_THREADS; t++) {
		if (w->role[t] >= R_ASLEEP && w->terminal[t] == terminal) {
			return t;
		}
	}
	return ARBITER_NONE;
}

static u8 server_of(const struct world *w, u8 channel)
{
	for (u8 t = 0; t < ARBITER_THREADS; t++) {
		if (w->role[t] == R_SERVING && w->channel[t] == channel) {
			return t;
		}
	}
	return ARBITER_NONE;
}

static unsigned int count_role(const struct world *w, enum role role)
{
	unsigned int n = 0;

	for (u8 t = 0; t < ARBITER_THREADS; t++) {
		n += w->role[t] == role;
	}
	return n;
}

/* What must hold whenever all actions have been obeyed. @return what does not, or NULL */
static const char *judge(const struct world *w)
{
	for (u8 t = 0; t < ARBITER_THREADS; t++) {
		if (w->role[t] >= R_ASLEEP && thread_of(w, w->terminal[t]) != t) {
			return "two threads are one terminal";
		}
		if (w->role[t] == R_SERVING && server_of(w, w->channel[t]) != t) {
			return "two terminals serve one channel";
		}
		if ((w->role[t] == R_NONE) != w->is_asked_for[t]) {
			return "a place stays empty";
		}
	}
	for (u8 i = 0; i < ARBITER_TERMINALS; i++) {
		if (thread_of(w, i) == ARBITER_NONE && count_role(w, R_SPARE)) {
			return "a terminal is gone though there is a spare";
		}
	}
	for (u8 c = 0; c < ARBITER_CHANNELS; c++) {
		if (w->is_wanted[c] && server_of(w, c) == ARBITER_NONE && count_role(w, R_ASLEEP)) {
			return "somebody waits though a terminal is free";
		}
		if (!w->is_wanted[c] && server_of(w, c) != ARBITER_NONE) {
			return "a channel is served though nobody is there";
		}
	}
	return NULL;
}

/* What the rules say of this one event. @return what is wrong, or NULL */
static const char *compare(const struct world *old, struct event e, const struct world *now)
{
	u8 server, terminal, other;

	if (e.kind == E_WAKE) {
		server = server_of(old, e.number);
		for (u8 i = 0; i < ARBITER_TERMINALS && server == ARBITER_NONE; i++) {
			u8 t = thread_of(old, i);

			if (t != ARBITER_NONE && old->role[t] == R_ASLEEP) {
				return server_of(now, e.number) == t ? NULL : "rule 1: A before B";
			}
		}
		if (server == ARBITER_NONE) {
			return NULL;
		}
		other = thread_of(old, (u8)(1 - old->terminal[server]));
		if (other != ARBITER_NONE && old->role[other] == R_ASLEEP) {
			return server_of(now, e.number) == other && now->role[server] == R_LEAVING
				       ? NULL
				       : "rule 2: the other one takes over";
		}
		return server_of(now, e.number) == server ? NULL : "rule 2: nothing changes";
	}
	if ((e.kind != E_DIED && e.kind != E_OVERRAN) || old->role[e.number] != R_SERVING) {
		return NULL;
	}
	server = server_of(now, old->channel[e.number]);
	terminal = old->terminal[e.number];
	if (count_role(old, R_SPARE) &&
	    (server == ARBITER_NONE || now->terminal[server] != terminal ||
	     old->role[server] != R_SPARE)) {
		return "rule 3: a spare goes on, on the same channel";
	}
	return NULL;
}

/* One event on a state. @return what is wrong with what came of it, or NULL */
static const char *step(struct state *s, struct event e)
{
	struct state old = *s;
	struct arbiter_actions actions = { .count = 12345 };
	const char *wrong = NULL;

	happen(&s->a, e, &actions);
	if (actions.count > ARBITER_ACTIONS) {
		return "too many actions";
	}
	if (!is_possible(&old.w, e)) {
		return actions.count || memcmp(&s->a, &old.a, sizeof(s->a)) != 0
			       ? "an event that can't be has changed something"
			       : NULL;
	}
	see_event(&s->w, e);
	for (u32 i = 0; i < actions.count && !wrong; i++) {
		wrong = obey(&s->w, e, &actions.list[i]);
	}
	if (!wrong) {
		wrong = judge(&s->w);
	}
	if (!wrong) {
		wrong = compare(&old.w, e, &s->w);
	}
	if (!wrong && e.kind == E_WAKE && server_of(&old.w, e.number) != ARBITER_NONE &&
	    actions.count == 0) {
		wrong = "rule 2: a wake-up shows nothing";
	}
	if (!wrong && !arbiter_is_sane(&s->a)) {
		wrong = "arbiter_is_sane() says no";
	}
	return wrong;
}

/* What a thread that is nothing was told before makes no difference, nor do counters. */
static void normalise(struct state *s)
{
	memset(s->a.deaths, 0, sizeof(s->a.deaths));
	memset(s->a.wakeups, 0, sizeof(s->a.wakeups));
	for (u8 t = 0; t < ARBITER_THREADS; t++) {
		if (s->w.role[t] < R_ASLEEP) {
			s->w.terminal[t] = 0;
		}
		if (s->w.role[t] < R_SERVING) {
			s->w.channel[t] = 0;
		}
	}
}

/* All states met so far: a list, and a hash table of places in it. */
#define STATES_MAX (1u << 20)
#define TABLE_SIZE (STATES_MAX * 2)

struct states {
	struct state *list;
	u32 *parent; /* the state that it was reached from, and by what */
	struct event *by;
	u32 *table; /* place in list, plus 1 */
	u32 count;
};

static u64 hash_of(const struct state *s)
{
	const u8 *bytes = (const u8 *)s;
	u64 h = 14695981039346656037u;

	for (size_t i = 0; i < sizeof(*s); i++) {
		h = (h ^ bytes[i]) * 1099511628211u;
	}
	return h ^ (h >> 29);
}

static void add_state(struct states *all, const struct state *s, u32 parent, struct event by)
{
	u64 at = hash_of(s) % TABLE_SIZE;

	for (; all->table[at]; at = (at + 1) % TABLE_SIZE) {
		if (memcmp(&all->list[all->table[at] - 1], s, sizeof(*s)) == 0) {
			return;
		}
	}
	BUG_ON(all->count == STATES_MAX);
	all->list[all->count] = *s;
	all->parent[all->count] = parent;
	all->by[all->count] = by;
	all->table[at] = ++all->count;
}

/* How a state is reached, last event first. */
static void print_way(const struct states *all, u32 i)
{
	for (; i; i = all->parent[i]) {
		printf("  after %s %u\n", kind_names[all->by[i].kind], all->by[i].number);
	}
}

static struct state first_state(void)
{
	struct arbiter_actions actions;
	struct event none = { E_KINDS, 0 };
	struct state s;

	memset(&s, 0, sizeof(s));
	arbiter_init(&s.a, &actions);
	for (u32 i = 0; i < actions.count; i++) {
		const char *wrong = obey(&s.w, none, &actions.list[i]);

		if (wrong) {
			printf("at the start: %s\n", wrong);
			test_failures++;
		}
	}
	normalise(&s);
	return s;
}

/* All events on one state. @return false: something was wrong */
static bool expand(struct states *all, u32 i)
{
	for (int kind = 0; kind < E_KINDS; kind++) {
		u8 numbers = kind == E_WAKE ? ARBITER_CHANNELS : ARBITER_THREADS;

		for (u8 n = 0; n < numbers; n++) {
			struct event e = { (enum event_kind)kind, n };
			struct state s = all->list[i];
			const char *wrong = step(&s, e);

			if (wrong) {
				printf("%s, at %s %u\n", wrong, kind_names[kind], n);
				print_way(all, i);
				return false;
			}
			normalise(&s);
			add_state(all, &s, i, e);
		}
	}
	return true;
}

static void keeps_its_rules_in_every_state(void)
{
	struct states all = {
		.list = calloc(STATES_MAX, sizeof(*all.list)),
		.parent = calloc(STATES_MAX, sizeof(*all.parent)),
		.by = calloc(STATES_MAX, sizeof(*all.by)),
		.table = calloc(TABLE_SIZE, sizeof(*all.table)),
	};
	struct state s = first_state();
	bool is_right = true;
	u32 i;

	add_state(&all, &s, 0, (struct event){ E_KINDS, 0 });
	for (i = 0; i < all.count && is_right; i++) {
		is_right = expand(&all, i);
	}
	printf("%u states\n", all.count);
	CHECK(is_right);
	CHECK(i == all.count && all.count > 10000);
	free(all.list);
	free(all.parent);
	free(all.by);
	free(all.table);
}

static void start(struct arbiter *a, u8 threads)
{
	struct arbiter_actions actions;

	arbiter_init(a, &actions);
	CHECK_INT(actions.count, ARBITER_THREADS);
	for (u8 t = 0; t < threads; t++) {
		arbiter_ready(a, t, &actions);
	}
}

#define CHECK_ACTION(got, want_what, want_thread, want_terminal, want_channel) \
	do {                                                                   \
		CHECK_INT((got).what, want_what);                              \
		CHECK_INT((got).thread, want_thread);                          \
		CHECK_INT((got).terminal, want_terminal);                      \
		CHECK_INT((got).channel, want_channel);                        \
	} while (0)

static void hands_a_channel_over_when_woken_again(void)
{
	struct arbiter_actions x;
	struct arbiter a;

	start(&a, ARBITER_THREADS);
	arbiter_wake(&a, ARBITER_CONSOLE, &x);
	CHECK_INT(x.count, 1);
	CHECK_ACTION(x.list[0], ARBITER_SERVE, 0, 0, ARBITER_CONSOLE);
	arbiter_wake(&a, ARBITER_CONSOLE, &x);
	CHECK_INT(x.count, 2);
	CHECK_ACTION(x.list[0], ARBITER_LEAVE, 0, 0, ARBITER_CONSOLE);
	CHECK_ACTION(x.list[1], ARBITER_SERVE, 1, 1, ARBITER_CONSOLE);
	arbiter_wake(&a, ARBITER_CONSOLE, &x);
	CHECK_INT(x.count, 1);
	CHECK_ACTION(x.list[0], ARBITER_SHOW, 1, 1, ARBITER_CONSOLE);
	arbiter_wake(&a, ARBITER_SERIAL, &x);
	CHECK_INT(x.count, 0);
	arbiter_slept(&a, 0, &x);
	CHECK_INT(x.count, 1);
	CHECK_ACTION(x.list[0], ARBITER_SERVE, 0, 0, ARBITER_SERIAL);
}

static void replaces_one_that_overran_at_once(void)
{
	struct arbiter_actions x;
	struct arbiter a;

	start(&a, ARBITER_THREADS);
	arbiter_wake(&a, ARBITER_SERIAL, &x);
	arbiter_overran(&a, 0, &x);
	CHECK_INT(x.count, 3);
	CHECK_ACTION(x.list[0], ARBITER_ABANDON, 0, 0, ARBITER_NONE);
	CHECK_ACTION(x.list[1], ARBITER_SERVE, 2, 0, ARBITER_SERIAL);
	CHECK_ACTION(x.list[2], ARBITER_SPAWN, 0, ARBITER_NONE, ARBITER_NONE);
	CHECK_INT(a.deaths[0], 1);
	CHECK_INT(a.deaths[1], 0);
	CHECK_INT(a.wakeups[0], 2);
}

static void remembers_a_channel_when_all_threads_are_lost(void)
{
	struct arbiter_actions x;
	struct arbiter a;

	start(&a, 2);
	arbiter_wake(&a, ARBITER_CONSOLE, &x);
	arbiter_died(&a, 0, &x);
	CHECK_INT(x.count, 2);
	CHECK_ACTION(x.list[0], ARBITER_SERVE, 1, 1, ARBITER_CONSOLE);
	arbiter_died(&a, 1, &x);
	CHECK_INT(x.count, 1);
	CHECK_ACTION(x.list[0], ARBITER_SPAWN, 1, ARBITER_NONE, ARBITER_NONE);
	arbiter_ready(&a, 0, &x);
	CHECK_INT(x.count, 1);
	CHECK_ACTION(x.list[0], ARBITER_SERVE, 0, 0, ARBITER_CONSOLE);
}

static void asks_again_for_a_thread_that_could_not_be_made(void)
{
	struct arbiter_actions x;
	struct arbiter a;

	start(&a, 2);
	arbiter_died(&a, 5, &x);
	CHECK_INT(x.count, 1);
	CHECK_ACTION(x.list[0], ARBITER_SPAWN, 5, ARBITER_NONE, ARBITER_NONE);
}

static void ignores_threads_and_channels_that_do_not_exist(void)
{
	struct arbiter_actions x;
	struct arbiter a, old;

	start(&a, 3);
	old = a;
	arbiter_ready(&a, ARBITER_THREADS, &x);
	arbiter_died(&a, ARBITER_NONE, &x);
	arbiter_overran(&a, ARBITER_THREADS, &x);
	arbiter_slept(&a, ARBITER_NONE, &x);
	arbiter_wake(&a, (enum arbiter_channel)ARBITER_CHANNELS, &x);
	CHECK_INT(x.count, 0);
	CHECK(memcmp(&a, &old, sizeof(a)) == 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "keeps its rules in every state", keeps_its_rules_in_every_state },
		{ "hands a channel over when woken again", hands_a_channel_over_when_woken_again },
		{ "replaces one that overran at once", replaces_one_that_overran_at_once },
		{ "remembers a channel when all threads are lost",
		  remembers_a_channel_when_all_threads_are_lost },
		{ "asks again for a thread that could not be made",
		  asks_again_for_a_thread_that_could_not_be_made },
		{ "ignores threads and channels that do not exist",
		  ignores_threads_and_channels_that_do_not_exist },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

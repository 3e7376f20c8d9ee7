/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's log under random events: two terminals that keep the rule (ask chain_can_begin(), then write a
 * COMMAND and a RESULT) at any pace, noise of all kinds meanwhile, and a daemon that exports what it read, or
 * is not there for long. Nothing that matters is overwritten, no command lacks its place, and every event is
 * accounted for.
 */
#include "core/chain.h"

#include "chain_world.h"
#include "test.h"

#define EVENTS (400000 / TEST_SLOWDOWN)

/* Where a terminal is in its command. */
enum pace { P_IDLE, P_MAY_BEGIN, P_IN_COMMAND, P_PACES };

static struct run {
	u32 size;
	u64 seed;
	enum pace pace[2];
	u64 appended, accounted;       /* events */
	u64 important[CHAIN_SIZE_MAX]; /* numbers of records that are not exported, oldest first */
	u8 is_command[CHAIN_SIZE_MAX]; /* of these: COMMAND or RESULT */
	u32 important_count;
	u64 exported;
	u32 begun, refused;
	bool is_daemon_there;
} run;

static u32 random_below(u32 n)
{
	run.seed = run.seed * 6364136223846793005u + 1442695040888963407u;
	return (u32)((run.seed >> 33) % n);
}

/* The ring, as an onlooker sees it being written. */
static void watch_store(void *ctx, u32 index, const struct pinfold_guard_record *r)
{
	u16 kind = le16toh(r->kind);
	bool is_command = kind == PINFOLD_GUARD_LOG_COMMAND || kind == PINFOLD_GUARD_LOG_RESULT;

	if (run.important_count) {
		CHECK(le64toh(ring[index].seq) != run.important[0]);
	}
	store(ctx, index, r);
	run.accounted += events_of(r);
	if (is_command || kind == PINFOLD_GUARD_LOG_LOAD || kind == PINFOLD_GUARD_LOG_UNLOAD ||
	    kind == PINFOLD_GUARD_LOG_ENFORCED) {
		run.is_command[run.important_count] = is_command;
		run.important[run.important_count++] = le64toh(r->seq);
	}
}

static void append(enum pinfold_guard_kind kind, u8 terminal, u32 number)
{
	char text[32];
	struct chain_event e = { .kind = kind, .terminal = terminal, .channel = 's', .text = text };

	snprintf(text, sizeof(text), "event %u", number);
	run.appended++;
	chain_append(&chain, &e);
}

static u64 last_number(struct pinfold_guard_record *ret)
{
	u64 last = 0;

	chain_numbers(&chain, NULL, &last, NULL, NULL);
	if (last) {
		CHECK_INT(chain_read(&chain, last, ret), 0);
	}
	return last;
}

/* A terminal goes on. What it writes must be there at once. */
static void step_terminal(u32 i)
{
	enum pinfold_guard_kind kind =
		run.pace[i] == P_MAY_BEGIN ? PINFOLD_GUARD_LOG_COMMAND : PINFOLD_GUARD_LOG_RESULT;
	struct pinfold_guard_record r = { 0 };
	u8 terminal = (u8)('A' + i);

	if (run.pace[i] == P_IDLE) {
		if (chain_can_begin(&chain)) {
			run.pace[i] = P_MAY_BEGIN;
		} else {
			run.refused++;
		}
		return;
	}
	append(kind, terminal, random_below(3));
	(void)last_number(&r);
	CHECK_INT(le16toh(r.kind), kind);
	CHECK_INT(r.terminal, terminal);
	run.begun += run.pace[i] == P_MAY_BEGIN;
	run.pace[i] = (run.pace[i] + 1) % P_PACES;
}

static void make_noise(void)
{
	static const enum pinfold_guard_kind kinds[] = {
		PINFOLD_GUARD_LOG_WAKE,	     PINFOLD_GUARD_LOG_BAD_INPUT,
		PINFOLD_GUARD_LOG_BAD_INPUT, PINFOLD_GUARD_LOG_BAD_INPUT,
		PINFOLD_GUARD_LOG_REFUSED,   PINFOLD_GUARD_LOG_ENFORCED,
		PINFOLD_GUARD_LOG_UNLOAD,    PINFOLD_GUARD_LOG_TERMINAL,
	};
	enum pinfold_guard_kind kind = kinds[random_below(ARRAY_SIZE(kinds))];
	u32 n = random_below(20) ? 1 : 1 + random_below(100), number = random_below(4);

	while (n--) {
		append(kind, (u8)('A' + random_below(random_below(2) + 1)), number);
	}
}

/* The daemon comes or goes, or says that it has everything up to some record. */
static void step_daemon(void)
{
	struct pinfold_guard_record r;
	u64 last = last_number(&r);
	u32 gone = 0;

	if (random_below(200) == 0) {
		run.is_daemon_there = !run.is_daemon_there;
	}
	if (!run.is_daemon_there || last == run.exported) {
		return;
	}
	CHECK_INT(chain_exported(&chain, last + 1), -EINVAL);
	run.exported += 1 + random_below((u32)(last - run.exported));
	CHECK_INT(chain_exported(&chain, run.exported), 0);
	while (gone < run.important_count && run.important[gone] <= run.exported) {
		gone++;
	}
	run.important_count -= gone;
	memmove(run.important, run.important + gone, run.important_count * sizeof(*run.important));
	memmove(run.is_command, run.is_command + gone, run.important_count);
}

/* Commands alone can keep commands out: what else there is leaves them an eighth of the ring. */
static void check_can_begin(void)
{
	u32 used = 0;

	for (u32 i = 0; i < run.important_count; i++) {
		used += run.is_command[i];
	}
	for (u32 i = 0; i < 2; i++) {
		used += run.pace[i] == P_IN_COMMAND;
	}
	if (used + 4 <= run.size / 8) {
		CHECK(chain_can_begin(&chain));
	}
}

static void check_ring(void)
{
	static struct pinfold_guard_record copy[CHAIN_SIZE_MAX];
	size_t n = 0;
	u8 head[32];

	for (u64 seq = 0; chain_read(&chain, seq, &copy[n]) == 0; n++) {
		seq = le64toh(copy[n].seq) + 1;
	}
	chain_numbers(&chain, NULL, NULL, NULL, head);
	CHECK(n <= run.size);
	CHECK_INT(verify(copy, n, head), n);
}

static void run_ring(u32 size, u64 seed)
{
	struct chain_ops ops = chain_world_ops;
	struct pinfold_guard_record newest;

	ops.store = watch_store;
	memset(&run, 0, sizeof(run));
	memset(ring, 0, sizeof(ring));
	run.size = size;
	run.seed = seed;
	chain_init(&chain, size, INSTANCE, &ops, ring);
	append(PINFOLD_GUARD_LOG_LOAD, 0, 0);
	for (u32 i = 0; i < EVENTS && !test_failures; i++) {
		u32 what = random_below(100);

		if (what < 40) {
			make_noise();
		} else if (what < 90) {
			step_terminal(what & 1);
		} else if (what < 92) {
			chain_flush(&chain);
		} else {
			step_daemon();
		}
		check_can_begin();
		if (i % 10000 == 0) {
			check_ring();
		}
	}
	CHECK_INT(chain_exported(&chain, last_number(&newest)), 0);
	append(PINFOLD_GUARD_LOG_SLEEP, 0, 0); /* tells what was lost */
	CHECK_INT(run.accounted, run.appended);
	CHECK(run.begun > EVENTS / 100);
	CHECK(run.refused > 0);
}

static void keeps_what_matters_in_a_small_ring(void)
{
	for (u64 seed = 1; seed <= 5; seed++) {
		run_ring(CHAIN_SIZE_MIN, seed);
	}
}

static void keeps_what_matters_in_a_ring_of_odd_size(void)
{
	run_ring(333, 7);
}

static void keeps_what_matters_in_a_large_ring(void)
{
	run_ring(2048, 8);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "keeps what matters in a small ring", keeps_what_matters_in_a_small_ring },
		{ "keeps what matters in a ring of odd size",
		  keeps_what_matters_in_a_ring_of_odd_size },
		{ "keeps what matters in a large ring", keeps_what_matters_in_a_large_ring },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

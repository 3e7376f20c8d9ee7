/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's log, on one thread: what is written, what is counted, what is kept, and how changes are found. */
#include "core/chain.h"

#include "chain_world.h"
#include "test.h"

#define SIZE 64 /* of a small ring */

static struct pinfold_guard_record copy[CHAIN_SIZE_MAX];

static void begin(u32 size)
{
	clock_ns = 0;
	memset(ring, 0, sizeof(ring));
	chain_init(&chain, size, INSTANCE, &chain_world_ops, ring);
}

static void append(enum pinfold_guard_kind kind, u8 terminal, const char *text)
{
	struct chain_event e = { .kind = kind, .terminal = terminal, .channel = 's', .text = text };

	chain_append(&chain, &e);
}

/* Number n of kind, told from all others by its text. */
static void append_number(enum pinfold_guard_kind kind, u8 terminal, u32 n)
{
	char text[32];

	snprintf(text, sizeof(text), "event %u", n);
	append(kind, terminal, text);
}

/* Copies the log from its oldest record on. */
static size_t copy_all(void)
{
	size_t n = 0;
	u64 seq = 0;

	while (chain_read(&chain, seq, &copy[n]) == 0) {
		seq = le64toh(copy[n++].seq) + 1;
	}
	return n;
}

/* The log as it is has n records, none of them wrong. */
static void check_log(size_t n)
{
	u64 first, last;
	u8 head[32];

	chain_numbers(&chain, &first, &last, NULL, head);
	CHECK_INT(last ? last - first + 1 : 0, n);
	CHECK_INT(copy_all(), n);
	if (n) {
		CHECK_INT(verify(copy, n, head), n);
	}
}

static u64 events_in_copy(size_t n)
{
	u64 events = 0;

	for (size_t i = 0; i < n; i++) {
		events += events_of(&copy[i]);
	}
	return events;
}

static size_t count_kind(size_t n, enum pinfold_guard_kind kind)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		found += le16toh(copy[i].kind) == kind;
	}
	return found;
}

static void writes_what_happened(void)
{
	struct chain_event e = {
		.kind = PINFOLD_GUARD_LOG_RESULT,
		.terminal = 'B',
		.channel = 'c',
		.result = -ESRCH,
		.text = "kill 7\n\x1b[2J\xff",
	};
	u64 first, last;

	begin(SIZE);
	chain_numbers(&chain, &first, &last, NULL, NULL);
	CHECK_INT(first, 0);
	CHECK_INT(last, 0);
	CHECK_INT(chain_read(&chain, 0, copy), -EAGAIN);
	chain_append(&chain, &e);
	check_log(1);
	CHECK_INT(le64toh(copy[0].seq), 1);
	CHECK_INT(le64toh(copy[0].boot_ns), 1);
	CHECK_INT(le64toh(copy[0].real_ns), 1000000001);
	CHECK_INT(le32toh(copy[0].result), ESRCH);
	CHECK_INT(le32toh(copy[0].count), 1);
	CHECK_INT(copy[0].terminal, 'B');
	CHECK_INT(copy[0].channel, 'c');
	CHECK_STR(copy[0].text, "kill 7??[2J?");
	CHECK_INT(chain_read(&chain, 2, copy), -EAGAIN);
}

static void cuts_off_a_text_that_is_too_long(void)
{
	char text[PINFOLD_GUARD_TEXT_BYTES + 2];

	begin(SIZE);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	append(PINFOLD_GUARD_LOG_LOAD, 0, text);
	check_log(1);
	CHECK(memcmp(copy[0].text, text, PINFOLD_GUARD_TEXT_BYTES) == 0);
}

static void counts_equal_events_in_a_row(void)
{
	begin(SIZE);
	for (u32 i = 0; i < 1000000; i++) {
		append(PINFOLD_GUARD_LOG_BAD_INPUT, 'A', "unknown command");
	}
	check_log(1);
	chain_flush(&chain);
	chain_flush(&chain);
	check_log(2);
	CHECK_INT(le32toh(copy[1].count), 999999);
	CHECK_INT(le64toh(copy[1].boot_ns), 1000000);
	append(PINFOLD_GUARD_LOG_BAD_INPUT, 'A', "unknown command");
	append(PINFOLD_GUARD_LOG_BAD_INPUT, 'A', "unknown command");
	append(PINFOLD_GUARD_LOG_BAD_INPUT, 'B', "unknown command");
	check_log(4);
	CHECK_INT(le32toh(copy[2].count), 2);
	CHECK_INT(copy[2].terminal, 'A');
	CHECK_INT(le32toh(copy[3].count), 1);
	CHECK_INT(events_in_copy(4), 1000003);
}

static void counts_only_what_is_equal_in_everything(void)
{
	struct chain_event e = { PINFOLD_GUARD_LOG_WAKE, 'A', 's', 0, "chord" };

	begin(SIZE);
	chain_append(&chain, &e);
	e.channel = 'c';
	chain_append(&chain, &e);
	e.result = -EIO;
	chain_append(&chain, &e);
	e.kind = PINFOLD_GUARD_LOG_SLEEP;
	chain_append(&chain, &e);
	e.text = "chords";
	chain_append(&chain, &e);
	check_log(5);
}

static void writes_each_command_and_result(void)
{
	begin(SIZE);
	for (int i = 0; i < 3; i++) {
		append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 7");
	}
	for (int i = 0; i < 3; i++) {
		append(PINFOLD_GUARD_LOG_RESULT, 'A', "kill 7");
	}
	check_log(6);
}

static void overwrites_the_oldest_that_matters_not(void)
{
	u64 first, last;

	begin(SIZE);
	for (u32 i = 0; i < 10 * SIZE + 3; i++) {
		append_number(PINFOLD_GUARD_LOG_WAKE, 'A', i);
	}
	check_log(SIZE);
	chain_numbers(&chain, &first, &last, NULL, NULL);
	CHECK_INT(first, 9 * SIZE + 4);
	CHECK_INT(last, 10 * SIZE + 3);
	CHECK_INT(chain_read(&chain, 5, copy), 0);
	CHECK_INT(le64toh(copy[0].seq), first);
	CHECK(chain_can_begin(&chain));
}

static void keeps_ten_thousand_entries_chained(void)
{
	begin(CHAIN_SIZE_MAX);
	for (u32 i = 0; i < 10000; i++) {
		append_number(i % 3 ? PINFOLD_GUARD_LOG_COMMAND : PINFOLD_GUARD_LOG_WAKE, 'A', i);
	}
	check_log(10000);
	CHECK_INT(events_in_copy(10000), 10000);
}

/* A flood of two events in turn, none of which is counted as repetition. */
static void flood(u32 n)
{
	for (u32 i = 0; i < n; i++) {
		append(PINFOLD_GUARD_LOG_BAD_INPUT, i % 2 ? 'A' : 'B', "no such command");
	}
}

static void keeps_commands_in_a_flood_and_counts_what_it_loses(void)
{
	size_t n;

	begin(CHAIN_SIZE_MAX);
	append(PINFOLD_GUARD_LOG_LOAD, 0, "settings");
	flood(1000000);
	CHECK(chain_can_begin(&chain));
	append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 7");
	append(PINFOLD_GUARD_LOG_RESULT, 'A', "kill 7");
	flood(1000);
	n = copy_all();
	check_log(n);
	CHECK_INT(n, CHAIN_SIZE_MAX - CHAIN_SIZE_MAX / 4 + 2);
	CHECK_INT(count_kind(n, PINFOLD_GUARD_LOG_LOAD), 1);
	CHECK_INT(count_kind(n, PINFOLD_GUARD_LOG_COMMAND), 1);
	CHECK_INT(count_kind(n, PINFOLD_GUARD_LOG_RESULT), 1);
	CHECK_INT(events_in_copy(n), 1000003);
	CHECK_INT(chain_exported(&chain, n), 0);
	append(PINFOLD_GUARD_LOG_SLEEP, 'A', "exit");
	n = copy_all();
	CHECK_STR(copy[n - 1].text, "(1000 lost) exit");
	CHECK_INT(events_in_copy(n), 1001004);
	check_log(n);
}

static void keeps_a_place_for_commands_whatever_else_matters(void)
{
	size_t n;
	u32 i;

	begin(SIZE);
	append(PINFOLD_GUARD_LOG_LOAD, 0, "settings");
	for (i = 0; i < 1000; i++) {
		append_number(PINFOLD_GUARD_LOG_ENFORCED, 0, i);
		append_number(PINFOLD_GUARD_LOG_WAKE, 0, i);
	}
	n = copy_all();
	CHECK_INT(n, SIZE - SIZE / 8);
	CHECK(count_kind(n, PINFOLD_GUARD_LOG_ENFORCED) >= SIZE / 8);
	for (i = 0; chain_can_begin(&chain); i++) {
		append(PINFOLD_GUARD_LOG_COMMAND, 'A', "ban 1000");
		flood(10);
		append_number(PINFOLD_GUARD_LOG_ENFORCED, 0, i);
		append(PINFOLD_GUARD_LOG_RESULT, 'A', "ban 1000");
	}
	CHECK_INT(i, SIZE / 16 - 1);
	n = copy_all();
	CHECK_INT(count_kind(n, PINFOLD_GUARD_LOG_COMMAND), i);
	CHECK_INT(count_kind(n, PINFOLD_GUARD_LOG_RESULT), i);
	check_log(n);
}

static void lets_two_terminals_begin_at_once(void)
{
	size_t n;

	begin(SIZE);
	while (chain_can_begin(&chain)) {
		CHECK(chain_can_begin(&chain));
		append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 7");
		append(PINFOLD_GUARD_LOG_COMMAND, 'B', "kill 8");
		append(PINFOLD_GUARD_LOG_COMMAND, 'B', "kill 9 without asking for a place");
		append(PINFOLD_GUARD_LOG_RESULT, 'B', "kill 8");
		append(PINFOLD_GUARD_LOG_RESULT, 'A', "kill 7");
	}
	n = copy_all();
	check_log(n);
	CHECK_INT(n, SIZE);
	CHECK_INT(count_kind(n, PINFOLD_GUARD_LOG_RESULT), 2 * 13);
}

/* One terminal is in a command while the other begins as many as it likes, without asking for a place. */
static void check_place_of_result(u8 terminal, u8 other, size_t size)
{
	size_t n;

	begin((u32)size);
	append(PINFOLD_GUARD_LOG_COMMAND, terminal, "kill 7");
	for (u32 i = 0; i < size; i++) {
		append(PINFOLD_GUARD_LOG_COMMAND, other, "kill 8");
		append(PINFOLD_GUARD_LOG_RESULT, other, "kill 8");
	}
	append(PINFOLD_GUARD_LOG_RESULT, terminal, "kill 7");
	n = copy_all();
	CHECK_INT(copy[0].terminal, terminal);
	CHECK_INT(copy[n - 1].terminal, terminal);
	CHECK_INT(le16toh(copy[n - 1].kind), PINFOLD_GUARD_LOG_RESULT);
	check_log(n);
}

static void keeps_the_place_of_a_result(void)
{
	for (size_t size = SIZE; size < SIZE + 2; size++) {
		check_place_of_result('A', 'B', size);
		check_place_of_result('B', 'A', size);
	}
}

static bool is_given_up;

static bool is_current(const void *who)
{
	return who == &is_given_up && !is_given_up;
}

/* The thread is given up in the moment in which it writes. */
static u64 give_up_ns(void *ctx)
{
	is_given_up = true;
	return boot_ns(ctx);
}

static bool write_result(u8 terminal, bool is_lost)
{
	struct chain_event e = { .kind = PINFOLD_GUARD_LOG_RESULT, .terminal = terminal };

	e.text = is_lost ? "lost" : "done";
	e.may_write = is_lost ? NULL : is_current;
	e.who = &is_given_up;
	e.is_owed = is_lost;
	return chain_append(&chain, &e);
}

/* By the thread, or by whoever gave it up. */
static void writes_one_result_for_a_command(void)
{
	struct chain_ops late = chain_world_ops;

	begin(64);
	is_given_up = false;
	append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 7");
	CHECK(!write_result('B', true));
	CHECK(write_result('A', false));
	is_given_up = true;
	CHECK(!write_result('A', true));
	append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 8");
	CHECK(!write_result('A', false));
	CHECK(write_result('A', true));
	CHECK(!write_result('A', true));
	append(PINFOLD_GUARD_LOG_COMMAND, 'B', "kill 9");
	is_given_up = false;
	late.boot_ns = give_up_ns;
	chain.ops = &late;
	CHECK(!write_result('B', false));
	chain.ops = &chain_world_ops;
	CHECK(write_result('B', true));
	check_log(6);
}

static void goes_on_when_records_were_exported(void)
{
	begin(SIZE);
	CHECK_INT(chain_exported(&chain, 1), -EINVAL);
	while (chain_can_begin(&chain)) {
		append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 7");
		append(PINFOLD_GUARD_LOG_RESULT, 'A', "kill 7");
	}
	CHECK_INT(chain_exported(&chain, 2), 0);
	CHECK(chain_can_begin(&chain));
	CHECK_INT(chain_exported(&chain, 1), 0);
	CHECK(chain_can_begin(&chain));
	append(PINFOLD_GUARD_LOG_COMMAND, 'A', "kill 7");
	append(PINFOLD_GUARD_LOG_RESULT, 'A', "kill 7");
	CHECK(!chain_can_begin(&chain));
	CHECK_INT(chain_exported(&chain, SIZE - 1), 0);
	CHECK(chain_can_begin(&chain));
	check_log(copy_all());
}

/* A change of the copy is found where it must be. */
static void check_found(size_t n, size_t where, const u8 head[32], const char *what)
{
	size_t found = verify(copy, n, head);

	if (found != where) {
		printf("%s at %zu is found at %zu\n", what, where, found);
		test_failures++;
	}
}

static void finds_every_change_of_a_copy(void)
{
	const size_t n = 40;
	u8 head[32];

	begin(SIZE);
	for (u32 i = 0; i < n; i++) {
		append_number(PINFOLD_GUARD_LOG_WAKE, 'A', i);
	}
	chain_numbers(&chain, NULL, NULL, NULL, head);
	for (size_t bit = 0; bit < n * 256 * 8; bit++) {
		copy_all();
		((u8 *)copy)[bit / 8] ^= (u8)(1u << (bit % 8));
		check_found(n, bit / 8 / 256, head, "a flipped bit");
	}
	for (size_t i = 0; i < n - 1; i++) {
		copy_all();
		memmove(&copy[i], &copy[i + 1], (n - i - 1) * sizeof(*copy));
		/* Without its first a copy is a genuine one that begins later. */
		check_found(n - 1, i ? i : n - 1, head, "a removed record");
		copy_all();
		copy[n] = copy[i];
		copy[i] = copy[i + 1];
		copy[i + 1] = copy[n];
		check_found(n, i ? i : 1, head, "a swap");
		copy_all();
		check_found(i + 1, i, head, "a lost end");
		copy_all();
		copy[i].text[0] = 'E';
		crypto_hash_sha256(copy[i].hash, (const u8 *)&copy[i], 224);
		check_found(n, i + 1, head, "a record with a hash of its own");
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "writes what happened", writes_what_happened },
		{ "cuts off a text that is too long", cuts_off_a_text_that_is_too_long },
		{ "counts equal events in a row", counts_equal_events_in_a_row },
		{ "counts only what is equal in everything",
		  counts_only_what_is_equal_in_everything },
		{ "writes each command and result", writes_each_command_and_result },
		{ "overwrites the oldest that matters not",
		  overwrites_the_oldest_that_matters_not },
		{ "keeps ten thousand entries chained", keeps_ten_thousand_entries_chained },
		{ "keeps commands in a flood and counts what it loses",
		  keeps_commands_in_a_flood_and_counts_what_it_loses },
		{ "keeps a place for commands whatever else matters",
		  keeps_a_place_for_commands_whatever_else_matters },
		{ "lets two terminals begin at once", lets_two_terminals_begin_at_once },
		{ "keeps the place of a result", keeps_the_place_of_a_result },
		{ "writes one result for a command", writes_one_result_for_a_command },
		{ "goes on when records were exported", goes_on_when_records_were_exported },
		{ "finds every change of a copy", finds_every_change_of_a_copy },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

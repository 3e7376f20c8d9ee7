/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dialogues as an administrator sees them, and what they do. dialogue.golden is one from beginning to end:
 * whoever changes a text reads it there as somebody in a hurry would.
 */
#include "world.h"

#include "test.h"

#define SCREEN(terminal) (world.screens[terminal].text)

/* Whether the screen shows this since it was cleared. */
static bool shows(u8 terminal, const char *text)
{
	return strstr(SCREEN(terminal), text) != NULL;
}

#define CHECK_SHOWS(terminal, what)                                                             \
	do {                                                                                    \
		if (!shows(terminal, what)) {                                                   \
			printf("%s:%d: \"%s\" is not on the screen:\n%s\n", __FILE__, __LINE__, \
			       what, SCREEN(terminal));                                         \
			test_failures++;                                                        \
		}                                                                               \
	} while (0)

/* Whether a record of this kind and text was written. */
static bool logged(enum pinfold_guard_kind kind, const char *text)
{
	struct pinfold_guard_record r;

	chain_flush(&world.guard.chain);
	for (u64 seq = 1; world_record(seq, &r); seq++) {
		if (le16_to_cpu(r.kind) == kind && !strncmp(r.text, text, sizeof(r.text))) {
			return true;
		}
	}
	return false;
}

static u32 flags_of(u64 id)
{
	struct registry_vm vm;

	return registry_find(&world.guard.registry, id, &vm) ? ~0u : vm.flags;
}

/* Three VMs, terminal A on the serial line. */
static void begin(void)
{
	world_begin();
	world_add(7, "web", 1000, 2, false);
	world_add(9, "batch", 1000, 3, true);
	world_add(12, "miner", 1001, 3, false);
	world_wake(0, 's', "command");
}

/* Type a command, and answer rightly. */
static void order(u8 terminal, const char *command)
{
	world_type(terminal, command);
	world_type(terminal, "\r");
	world_answer(terminal, terminal);
}

static void read_file(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (f) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	buf[n] = '\0';
}

/* The first line in which two texts differ. */
static void point_at_difference(const char *got, const char *want)
{
	int line = 1;

	while (*got && *got == *want) {
		line += *got == '\n';
		got++;
		want++;
	}
	printf("dialogue.golden:%d: got \"%.*s\", want \"%.*s\"\n", line, (int)strcspn(got, "\n"),
	       got, (int)strcspn(want, "\n"), want);
}

static void a_whole_dialogue(void)
{
	static const char *const commands[] = { "vms", "login", "vms", "cores", "users", "show 9" };
	static char want[1 << 16];

	begin();
	world.processes[0].cpu_ns = 61 * WORLD_S;
	world.processes[1].cpu_ns = 86400 * WORLD_S - 1;
	world.processes[2].cpu_ns = 5 * WORLD_S;
	world_type(0, "help\r");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		world_type(0, commands[i]);
		world_type(0, "\r");
		if (!strcmp(commands[i], "login")) {
			world_answer(0, 0);
		}
	}
	world_type(0, "kill 7x\rkill\rkill 8\rreboot\r");
	order(0, "kill 7");
	world_type(0, "reclaim 3\r\r");
	order(0, "reclaim 3");
	order(0, "freeze 12");
	order(0, "thaw 12");
	order(0, "ban 1001");
	order(0, "kill-user 1000");
	world_type(0, "kill 7\r0000-0000-0000\r");
	world_type(0, "kill 7\rwho knows?\r0000-0000-0000\r");
	world_type(0, "kill 7\r0000-0000-0000\rkill 7\r");
	world.now_ns += WORLD_S;
	world_type(0, "unban 1001\r");
	world.now_ns += 30 * WORLD_S;
	world_tick(0);
	order(0, "unban 1001");
	world_type(0, "status\rlog\rexit\r");
	CHECK(!world.screens[0].is_on);
	read_file(GUARD_DIALOGUE, want, sizeof(want));
	if (strcmp(SCREEN(0), want) != 0) {
		FILE *f = fopen("dialogue.got", "w");

		point_at_difference(SCREEN(0), want);
		test_failures++;
		if (f) {
			fputs(SCREEN(0), f);
			fclose(f);
		}
	}
}

static void each_command_does_what_it_says(void)
{
	begin();
	order(0, "freeze 12");
	CHECK(world.processes[2].is_frozen);
	CHECK_INT(flags_of(12), PINFOLD_GUARD_FROZEN);
	order(0, "thaw 12");
	CHECK(!world.processes[2].is_frozen);
	CHECK_INT(flags_of(12), 0);
	order(0, "kill 7");
	CHECK(!world.processes[0].is_alive);
	CHECK_INT(flags_of(7), PINFOLD_GUARD_KILLED);
	order(0, "reclaim 3");
	CHECK_INT(world.processes[1].core, 2);
	CHECK_INT(flags_of(9), PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_RECLAIMED);
	order(0, "kill-core 3");
	CHECK(!world.processes[2].is_alive);
	CHECK(world.processes[1].is_alive);
	order(0, "ban 1000");
	CHECK(registry_is_banned(&world.guard.registry, 1000));
	CHECK(!world.processes[1].is_alive);
	CHECK(!world_add(20, "again", 1000, 2, false));
	order(0, "unban 1000");
	CHECK(world_add(20, "again", 1000, 2, false));
	CHECK_INT(world.kills, 3);
}

static void kill_user_kills_all_of_one(void)
{
	begin();
	for (u64 i = 0; i < 40; i++) {
		CHECK(world_add(100 + i, "many", i % 2 ? 1000 : 1001, 1, false));
	}
	world.processes[5].is_stubborn = true; /* VM 102, of 1001 */
	order(0, "kill-user 1001");
	CHECK_INT(world.kills, 20);
	CHECK_SHOWS(0, "kill every VM of user 1001? 21 now: 12 100 102 104 106 108 ...");
	CHECK_SHOWS(0, "\nuser 1001: 20 VMs gone after ");
	CHECK_SHOWS(0, ", 1 not gone yet\n");
	CHECK(logged(PINFOLD_GUARD_LOG_ENFORCED, "VM 138 \"many\" is gone after 1.2 ms"));
	CHECK(world.processes[0].is_alive);
}

static void is_stopped_between_two_steps(void)
{
	char answer[15];

	begin();
	for (u64 i = 0; i < 10; i++) {
		world_add(100 + i, "many", 1002, 1, false);
	}
	world_type(0, "kill-user 1002\r");
	CHECK(world_right_answer(0, answer));
	for (const char *p = answer; *p; p++) {
		world_byte(0, (u8)*p);
	}
	world_byte(0, '\r'); /* the first step */
	CHECK_INT(world.kills, 1);
	CHECK_INT(session_deadline_ns(&world.screens[0].session), 0);
	world_byte(0, 'x'); /* is not heard */
	world_tick(0);
	CHECK_INT(world.kills, 2);
	world_byte(0, 3);
	CHECK_SHOWS(0, "user 1002: 2 VMs gone after 2.4 ms; stopped\nguard A> ");
	world_tick(0);
	CHECK_INT(world.kills, 2);
}

/* By the daemon, because it does not obey, or by a debugger: "thaw" would let it go on, also after a "freeze". */
static void what_others_have_stopped_stays_so(void)
{
	begin();
	world.processes[0].is_frozen = true;
	world_type(0, "thaw 7\rfreeze 7\r");
	CHECK_SHOWS(0, "VM 7 \"web\" is not frozen\n");
	CHECK_SHOWS(0, "VM 7 \"web\" is stopped already, and not by the guard\n");
	/* Not even when the question was asked before. */
	world.processes[0].is_frozen = false;
	world_type(0, "freeze 7\r");
	world.processes[0].is_frozen = true;
	world_answer(0, 0);
	CHECK_SHOWS(0, "is stopped already, and not by the guard: nothing was done\n");
	CHECK(logged(PINFOLD_GUARD_LOG_RESULT,
		     "VM 7 \"web\" is stopped already, and not by the guard: nothing was done"));
	CHECK_INT(world.deeds, 0);
	CHECK_INT(flags_of(7), 0);
	/* The other terminal is faster. */
	world.processes[0].is_frozen = false;
	order(0, "freeze 7");
	world_type(0, "thaw 7\r");
	world_wake(1, 'c', "chord");
	order(1, "thaw 7");
	world_answer(0, 0);
	CHECK_SHOWS(0, "VM 7 \"web\" is not frozen: nothing was done\n");
	CHECK_INT(world.thaws, 1);
	order(0, "freeze 7");
	order(0, "freeze 7"); /* somebody has let it go on meanwhile */
	CHECK_INT(world.freezes, 3);
}

static void reclaim_kills_what_cannot_be_moved(void)
{
	begin();
	world.processes[1].is_immovable = true;
	order(0, "reclaim 3");
	CHECK(!world.processes[1].is_alive);
	CHECK_SHOWS(0, "it can't be moved (error 16) and was killed: VM 9 \"batch\" is gone after");
	CHECK_INT(flags_of(9), PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_KILLED);
	world_clear(0);
	world_type(0, "reclaim 2\rreclaim 6\r");
	CHECK_SHOWS(0, "no VM has core 2 for itself\n");
	CHECK_SHOWS(0, "there is no core 6; 'cores' lists them\n");
}

static void marks_are_taken_back_when_it_failed(void)
{
	begin();
	world.fails_with = -EPERM;
	order(0, "kill 7");
	CHECK_INT(flags_of(7), 0);
	CHECK_SHOWS(0, "VM 7 \"web\": kill failed with error 1\n");
	order(0, "freeze 7");
	CHECK_INT(flags_of(7), 0);
	world.fails_with = 0;
	order(0, "freeze 7");
	world.fails_with = -EPERM;
	order(0, "thaw 7");
	CHECK_INT(flags_of(7), PINFOLD_GUARD_FROZEN);
	order(0, "freeze 7"); /* was frozen, and still is */
	CHECK_INT(flags_of(7), PINFOLD_GUARD_FROZEN);
	world.fails_with = 0;
	world.processes[0].is_stubborn = true;
	order(0, "kill 7");
	CHECK_INT(flags_of(7), PINFOLD_GUARD_FROZEN | PINFOLD_GUARD_KILLED);
	CHECK_SHOWS(0, "VM 7 \"web\": kill had no effect yet after 100.0 ms; see 'show 7'\n");
}

static void reclaim_disturbs_no_other(void)
{
	struct pinfold_guard_vm said = { .id = 9,
					 .flags = PINFOLD_GUARD_EXCLUSIVE,
					 .cores = { 12 } };

	begin();
	CHECK_INT(registry_update(&world.guard.registry, &said), 0);
	order(0, "reclaim 3");
	CHECK_INT(world.processes[1].core, 2); /* its own */
	begin();
	world_add(20, "alone", 1000, 2, true);
	order(0, "reclaim 3");
	CHECK_INT(world.processes[1].core, 4);
	/* The other way round: what was reclaimed is nobody's. */
	order(0, "reclaim 2");
	CHECK_INT(world.processes[3].core, 3);
}

/* The VM with this number goes, and another one gets it, maybe with the same pid. */
static void replace(u64 id, bool has_same_pid)
{
	struct registry_vm vm;
	struct process *p;
	s32 pid;

	CHECK_INT(registry_find(&world.guard.registry, id, &vm), 0);
	p = vm.process;
	pid = p->pid;
	p->is_alive = false;
	CHECK_INT(registry_remove(&world.guard.registry, id), 0);
	p = world_add(id, "other", 1000, 2, false);
	CHECK(p);
	CHECK_INT(p->pid, pid); /* the first place is used again */
	if (!has_same_pid) {
		struct pinfold_guard_vm said = { .revision = PINFOLD_GUARD_REVISION,
						 .id = id,
						 .start_ticks = p->start_ticks,
						 .owner_uid = 1000,
						 .name = "other" };

		registry_remove(&world.guard.registry, id);
		p->pid = said.pid = 4000;
		p->is_held = true;
		CHECK_INT(registry_add(&world.guard.registry, &said, p), 0);
	}
}

static void another_process_is_left_alone(void)
{
	for (u32 same = 0; same < 2; same++) {
		begin();
		world_type(0, "kill 7\r");
		replace(7, same);
		world_answer(0, 0);
		CHECK_INT(world.deeds, 0);
		CHECK_INT(flags_of(7), 0);
		CHECK_SHOWS(0, "VM 7 is another process by now: nothing was done\n");
		CHECK(logged(PINFOLD_GUARD_LOG_RESULT,
			     "VM 7 is another process by now: nothing was done"));
	}
	begin();
	world_type(0, "freeze 7\r");
	world.processes[0].is_alive = false;
	registry_remove(&world.guard.registry, 7);
	world_answer(0, 0);
	CHECK_SHOWS(0, "VM 7 \"web\" is gone already: nothing was done\n");
	begin();
	world_type(0, "kill 7\r");
	world.processes[0].is_alive = false; /* but is still registered */
	world_answer(0, 0);
	CHECK_SHOWS(0, "VM 7 \"web\" has ended already: nothing was done\n");
	CHECK_INT(flags_of(7), 0);
	begin();
	world_type(0, "reclaim 3\r");
	world_wake(1, 'c', "chord");
	order(1, "reclaim 3");
	world_answer(0, 0);
	CHECK_INT(world.moves, 1);
	CHECK_SHOWS(0, "does not have that core for itself any more: nothing was done\n");
}

static void token_opens_while_it_is_plugged_in(void)
{
	begin();
	world.token = 1;
	world_type(0, "login\r");
	CHECK_SHOWS(0, "\npassphrase (is not shown): ");
	world_type(0, WORLD_PHRASE "\r");
	CHECK_SHOWS(0, "logged in until 'exit' or until the token is pulled\n");
	CHECK(!shows(0, "sesame"));
	world_type(0, "vms\r");
	CHECK_SHOWS(0, "miner");
	world_type(0, "kill 7\ryes\r");
	CHECK_INT(world.kills, 1);
	world_type(0, "kill 9\ry\r");
	CHECK_SHOWS(0, "given up: nothing was done\n");
	CHECK_INT(world.deeds, 1);
}

static void log_in_by_token(void)
{
	begin();
	world.token = 1;
	world_type(0, "login\r" WORLD_PHRASE "\r");
	CHECK_SHOWS(0, "logged in");
}

static void token_pulled_closes(void)
{
	log_in_by_token();
	world_type(0, "kill 7\r");
	world.token = 0;
	world_type(0, "yes\r");
	CHECK_SHOWS(0, "the token was pulled: nothing was done\n");
	world_type(0, "vms\r");
	CHECK_SHOWS(0, "that needs a login: type 'login'\n");

	log_in_by_token();
	world_type(0, "kill 7\r");
	world.token = 2; /* pulled, and plugged in again */
	world_type(0, "yes\r");
	CHECK_SHOWS(0, "the token was pulled: nothing was done\n");

	log_in_by_token();
	for (u64 i = 0; i < 30; i++) {
		world_add(100 + i, "many", 1002, 1, false);
	}
	world_type(0, "vms\r");
	world.token = 0;
	world_type(0, " "); /* not even the page after */
	CHECK(!shows(0, "   129 many"));
	CHECK_SHOWS(0, "that needs a login: type 'login'\n");

	begin();
	world.token = 1;
	world_type(0, "login\r");
	world.token = 2;
	world_type(0, WORLD_PHRASE "\r");
	CHECK_SHOWS(0, "the token was pulled: not logged in\n");
	world_type(0, "kill 7\ryes\r");
	CHECK_INT(world.deeds, 0);

	log_in_by_token();
	world_type(0, "kill 7\r");
	world.now_ns += AUTH_LIFE_NS;
	world_type(0, "yes\r");
	CHECK_SHOWS(0, "too late: nothing was done");
	CHECK_INT(world.deeds, 0);
}

static void token_alone_opens_nothing(void)
{
	begin();
	world.token = 1;
	world_type(0, "login\r\x03");
	world_type(0, "kill 7\ryes\r");
	world_type(0, "\r");
	world_type(0, "login\rsalami\r");
	CHECK_SHOWS(0, "wrong passphrase\n");
	world_type(0, "kill 7\ryes\r");
	world_type(0, "\r");
	CHECK_INT(world.deeds, 0);
	world_type(0, "login\rsalami\rlogin\rsalami\rlogin\r");
	CHECK_SHOWS(0, "too many wrong answers here: wait 1 s, or wake the other terminal\n");
	world.now_ns += WORLD_S;
	world.has_phrase = false;
	world_type(0, "login\r" WORLD_PHRASE "\r");
	CHECK_SHOWS(0, "no passphrase was set: pull the token");
	world_type(0, "kill 7\r\r");
	CHECK_INT(world.deeds, 0);
}

static void terminals_do_not_mix(void)
{
	begin();
	world_wake(1, 'c', "chord");
	world_type(0, "kill 7\r");
	world_type(1, "kill 12\r");
	world_answer(0, 1);
	CHECK_SHOWS(0, "wrong answer");
	world_answer(1, 1);
	CHECK_SHOWS(1, "VM 12 \"miner\" is gone");
	CHECK(world.processes[0].is_alive);
	for (u32 i = 0; i < 10; i++) { /* A is in back-off, B is not */
		world.now_ns += 100 * WORLD_S;
		world_type(1, "\r");
		world_type(0, "kill 7\r0000-0000-0000\r");
	}
	world_clear(0);
	world_type(0, "kill 7\r");
	CHECK_SHOWS(0, "too many wrong answers here: wait 60 s, or wake the other terminal\n");
	order(1, "kill 7");
	CHECK(!world.processes[0].is_alive);
	world_clear(1);
	world_type(1, "login\r");
	world_answer(1, 1);
	world_type(0, "vms\r");
	CHECK_SHOWS(0, "that needs a login"); /* one that is of the other terminal */
}

static u64 last_seq, last_generation;

static void note_state(void)
{
	chain_numbers(&world.guard.chain, NULL, &last_seq, NULL, NULL);
	registry_numbers(&world.guard.registry, &last_generation, NULL, NULL);
}

/* While the thread of screen 0 hangs in an op, it is given up, and the one of screen 2 becomes terminal A. */
static void replace_thread(void *ctx)
{
	(void)ctx;
	world_wake(2, 's', "took over");
	world_type(2, "freeze 12\r");
	world_answer(2, 2);
	CHECK_SHOWS(2, "VM 12 \"miner\" is frozen");
	world_clear(0);
	note_state();
}

static void mark(u64 id, u32 flags)
{
	struct registry_undo undo;
	struct registry_vm vm;

	CHECK_INT(registry_find(&world.guard.registry, id, &vm), 0);
	CHECK_INT(registry_mark(&world.guard.registry, &vm, flags, 0, &undo), 0);
}

static void a_thread_given_up_does_nothing_more(void)
{
	static const char *const commands[] = { "kill 7",	  "freeze 7", "thaw 7",
						"kill-user 1000", "ban 1000", "kill-core 2",
						"reclaim 3" };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		u64 seq, generation;

		begin();
		world_add(20, "more", 1000, 2, false);
		world.processes[1].is_immovable = true;
		mark(7, strcmp(commands[i], "thaw 7") == 0 ? PINFOLD_GUARD_FROZEN : 0);
		world.in_op = replace_thread;
		order(0, commands[i]);
		CHECK(!world.in_op);
		CHECK(!world.screens[0].is_on);
		CHECK_STR(SCREEN(0), "");
		CHECK_INT(world.deeds, 2); /* its own, and the one of screen 2 */
		seq = last_seq;
		generation = last_generation;
		note_state();
		CHECK_INT(last_seq, seq);
		CHECK_INT(last_generation, generation);
		world_byte(0, 'x');
		world_tick(0);
		CHECK_STR(SCREEN(0), "");
		world_type(2, "kill 20\r");
		world_answer(2, 2);
		CHECK_SHOWS(2, "VM 20 \"more\" is gone");
	}
}

static void replace_looker(void)
{
	replace_thread(NULL);
}

/* It hung while it looked for the VMs that a command is about. */
static void a_thread_given_up_begins_no_deed(void)
{
	begin();
	world_type(0, "kill-core 2\r");
	world.in_look = replace_looker;
	world_answer(0, 0);
	CHECK(!world.in_look);
	CHECK(!world.screens[0].is_on);
	CHECK_INT(world.deeds, 1); /* the one of screen 2 */
	CHECK_INT(world.kills, 0);
	CHECK_INT(flags_of(7), 0);
}

static void kill_at_other_terminal(void *ctx)
{
	(void)ctx;
	order(1, "kill 7");
	CHECK_SHOWS(1, "VM 7 \"web\" is gone");
}

/* Two terminals kill one VM at once: one does, the other finds the process gone. It died here all the same. */
static void killed_at_both_terminals(void)
{
	begin();
	world_wake(1, 'c', "chord");
	world.in_op = kill_at_other_terminal;
	order(0, "kill 7");
	CHECK_SHOWS(0, "VM 7 \"web\" has ended already");
	CHECK_INT(world.kills, 1);
	CHECK_INT(flags_of(7), PINFOLD_GUARD_KILLED);
}

static void full_log_refuses_changes(void)
{
	begin();
	for (u32 i = 0; i < WORLD_RING; i++) {
		struct chain_event e = { .kind = PINFOLD_GUARD_LOG_RESULT, .text = "filler" };

		chain_append(&world.guard.chain, &e);
	}
	world_type(0, "kill 7\r");
	if (!shows(0, "refused: the log is full")) { /* results alone leave places for commands */
		while (chain_can_begin(&world.guard.chain)) {
			world_answer(0, 0);
			world_type(0, "kill 7\r");
		}
	}
	world_clear(0);
	world_type(0, "kill 9\r");
	CHECK_SHOWS(0, "refused: the log is full; nothing can be changed until pinfoldd has saved "
		       "it\nguard A> ");
	CHECK(world.processes[1].is_alive);
	world_type(0, "login\r"); /* reading goes on */
	world_answer(0, 0);
	world_type(0, "vms\rstatus\r");
	CHECK_SHOWS(0, "batch");
	CHECK_SHOWS(0, "full: nothing can be changed");
	note_state();
	CHECK_INT(chain_exported(&world.guard.chain, last_seq), 0);
	order(0, "kill 9");
	CHECK(!world.processes[1].is_alive);
}

static void pages_go_on_with_any_key(void)
{
	begin();
	world.guard.open_reads = true;
	for (u64 i = 0; i < 50; i++) {
		world_add(100 + i, "many", 1002, 1, false);
	}
	world_clear(0);
	world_type(0, "vms\r");
	CHECK_SHOWS(0, "\n   117 many ");
	CHECK(!shows(0, "   118 many "));
	CHECK_SHOWS(0, "-- any key goes on, q ends --");
	registry_remove(&world.guard.registry, 120);
	world_type(0, "\x1b[B"); /* swallowed, as in a line */
	CHECK(!shows(0, "   118 many "));
	world_type(0, " ");
	CHECK_SHOWS(0, "\n   119 many ");
	CHECK(!shows(0, "   120 many "));
	CHECK_SHOWS(0, "\n   139 many ");
	world_clear(0);
	world_type(0, "q");
	CHECK(strstr(SCREEN(0), "\bguard A> "));
	world_type(0, "vms\r\r\r");
	CHECK_SHOWS(0, "\n   149 many ");
	CHECK_STR(SCREEN(0) + world.screens[0].used - 9, "guard A> ");
	world_clear(0);
	world_type(0, "vms\r\x03help\r");
	CHECK_SHOWS(0, "this list");
}

static void what_does_not_fit_is_marked(void)
{
	static const char name[] = "a-name-that-is-much-longer-than-all-columns-of-the-screen-are";
	struct pinfold_guard_vm said = { .revision = PINFOLD_GUARD_REVISION,
					 .id = 12,
					 .cores = { 0x5555555555555555, 1 } };

	begin();
	world.guard.open_reads = true;
	world_add(4294967296, name, 4294967294, 4, false);
	CHECK_INT(registry_update(&world.guard.registry, &said), 0);
	world_type(0, "vms\r");
	CHECK_SHOWS(0, "\n4294967296 a-name-that-is-mu+ 4294967294      803       0  4 ");
	CHECK_SHOWS(0, "\n    12 miner                  1001      802       0  0,2,4,6+ shared\n");
	world_type(0, "cores\r");
	CHECK_SHOWS(0, "803  VM 4294967296 \"a-name-that-is-much-long+\n");
	world_type(0, "show 12\r");
	CHECK_SHOWS(0, "\n  cores    "
		       "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,4+\n");
	world_add(18446744073709551614ull, name, 4294967293, 1, true)->is_immovable = true;
	order(0, "reclaim 1");
	CHECK_SHOWS(0, "of user\n  4294967293, process 804?\n");
	CHECK_SHOWS(0, "are\" is gone after\n  1.2 ms\n");
	world_type(0, "kill 4294967296\r");
	CHECK_SHOWS(0,
		    "\nkill VM 4294967296\n  \"a-name-that-is-much-longer-than-all-columns-of-the"
		    "-screen-are\" of user\n  4294967294, process 803?\n");
}

static void bad_lines_get_one_line(void)
{
	char line[200];

	begin();
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\r';
	line[sizeof(line) - 1] = '\0';
	world_clear(0);
	world_type(0, line);
	CHECK_SHOWS(0, "\nthat was too long: a line has at most 80 characters\nguard A> ");
	world_clear(0);
	world_type(0, "kill 7\xff\r");
	CHECK_STR(SCREEN(0),
		  "kill 7\nthat had characters that are no text: type it again\nguard A> ");
	world_type(0, "kill 7\r");
	world_clear(0);
	world_type(0, line);
	CHECK_SHOWS(0, "\nthat is not an answer: it has 12 letters and digits\nanswer within 30 s");
	world_answer(0, 0); /* the screen was cleared: "none" */
	CHECK_INT(world.deeds, 0);
	CHECK(logged(PINFOLD_GUARD_LOG_BAD_INPUT, "line too long"));
	CHECK(logged(PINFOLD_GUARD_LOG_BAD_INPUT, "line with bytes that are no text"));
}

static void line_end_that_woke_is_no_line(void)
{
	begin();
	world_clear(0);
	world_type(0, "\n"); /* "guard\r\n" woke it */
	CHECK_STR(SCREEN(0), "");
	world_type(0, "\n");
	CHECK_STR(SCREEN(0), "\nguard A> ");
}

static void shows_itself_again(void)
{
	char buf[SESSION_OUT_BYTES];
	struct text out;

	begin();
	world_type(0, "ki");
	text_init(&out, buf, sizeof(buf));
	session_show(&world.screens[0].session, &out);
	CHECK_STR(buf, "\nguard A> ki");
	world_type(0, "ll 7\rAB");
	world.now_ns += 12 * WORLD_S;
	text_init(&out, buf, sizeof(buf));
	session_show(&world.screens[0].session, &out);
	CHECK_STR(buf, "\nchallenge: A kill 7 0000-00BC-GAJP-5JW0\n"
		       "answer within 18 s (an empty line gives up): AB");
}

static void ends_when_idle(void)
{
	begin();
	CHECK(session_deadline_ns(&world.screens[0].session) == world.now_ns + 300 * WORLD_S);
	world_type(0, "kill 7\r");
	CHECK(session_deadline_ns(&world.screens[0].session) == world.now_ns + 30 * WORLD_S);
	world.now_ns += 30 * WORLD_S;
	world_tick(0);
	CHECK_SHOWS(0, "too late");
	CHECK(session_deadline_ns(&world.screens[0].session) == world.now_ns + 270 * WORLD_S);
	world.now_ns += 270 * WORLD_S - 1;
	world_tick(0);
	CHECK(world.screens[0].is_on);
	world.now_ns += 1;
	world_tick(0);
	CHECK(!world.screens[0].is_on);
	CHECK(logged(PINFOLD_GUARD_LOG_SLEEP, "idle"));
	world.guard.idle_s = 10;
	world_wake(0, 's', "break");
	world_type(0, "kill 7\r");
	CHECK(session_deadline_ns(&world.screens[0].session) == world.now_ns + 10 * WORLD_S);
	world.guard.idle_s = 0;
	world_wake(0, 's', "break");
	CHECK(session_deadline_ns(&world.screens[0].session) == ~0ull);
}

static void works_without_a_key(void)
{
	begin();
	world.is_keyed = false;
	world_wake(0, 's', "command");
	world_clear(0);
	world_type(0, "kill 7\rlogin\r");
	CHECK_SHOWS(0, "no key is loaded: nothing can be authorised\nguard A (no key)> ");
	world.guard.open_reads = true;
	world_type(0, "vms\r");
	CHECK_SHOWS(0, "miner");
}

static void forgets_what_was_typed(void)
{
	const unsigned char *bytes = (const unsigned char *)&world.screens[0].session;

	begin();
	world.token = 1;
	world_type(0, "login\r" WORLD_PHRASE);
	CHECK(memmem(bytes, sizeof(struct session), "sesame", 6));
	world_type(0, "\r");
	CHECK(!memmem(bytes, sizeof(struct session), "sesame", 6));
	world_type(0, "login\r" WORLD_PHRASE "\x03");
	CHECK(!memmem(bytes, sizeof(struct session), "sesame", 6));
	world_type(0, "login\r" WORLD_PHRASE);
	session_end(&world.screens[0].session, "told to");
	CHECK(!memmem(bytes, sizeof(struct session), "sesame", 6));
	CHECK(logged(PINFOLD_GUARD_LOG_SLEEP, "told to"));
	for (u64 seq = 1; seq <= WORLD_RING; seq++) {
		struct pinfold_guard_record r;

		if (world_record(seq, &r)) {
			CHECK(!memmem(r.text, sizeof(r.text), "sesame", 6));
		}
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "a whole dialogue", a_whole_dialogue },
		{ "each command does what it says", each_command_does_what_it_says },
		{ "kill-user kills all of one", kill_user_kills_all_of_one },
		{ "is stopped between two steps", is_stopped_between_two_steps },
		{ "reclaim disturbs no other", reclaim_disturbs_no_other },
		{ "what others have stopped stays so", what_others_have_stopped_stays_so },
		{ "reclaim kills what cannot be moved", reclaim_kills_what_cannot_be_moved },
		{ "marks are taken back when it failed", marks_are_taken_back_when_it_failed },
		{ "another process is left alone", another_process_is_left_alone },
		{ "token opens while it is plugged in", token_opens_while_it_is_plugged_in },
		{ "token pulled closes", token_pulled_closes },
		{ "token alone opens nothing", token_alone_opens_nothing },
		{ "terminals do not mix", terminals_do_not_mix },
		{ "a thread given up does nothing more", a_thread_given_up_does_nothing_more },
		{ "a thread given up begins no deed", a_thread_given_up_begins_no_deed },
		{ "killed at both terminals", killed_at_both_terminals },
		{ "full log refuses changes", full_log_refuses_changes },
		{ "pages go on with any key", pages_go_on_with_any_key },
		{ "what does not fit is marked", what_does_not_fit_is_marked },
		{ "bad lines get one line", bad_lines_get_one_line },
		{ "line end that woke is no line", line_end_that_woke_is_no_line },
		{ "shows itself again", shows_itself_again },
		{ "ends when idle", ends_when_idle },
		{ "works without a key", works_without_a_key },
		{ "forgets what was typed", forgets_what_was_typed },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

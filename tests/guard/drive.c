/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drive.h"

#include <stdio.h>

#include "answer.h"
#include "world.h"

#define VMS	    12 /* ids 1 to 12 */
#define CHUNK_LINES 30 /* more than a page and what is around it */

/* What a terminal may do, as its person knows it. */
struct model {
	bool may_read;
	u64 token, token_asked; /* logged in with it; whose passphrase was asked for */
	bool is_asked, has_permit;
	char challenge[128];		 /* as shown, while it is open */
	char permit[AUTH_REQUEST_BYTES]; /* what was authorised */
	char answered[15];		 /* the last right answer */
	u64 asked_ns;
	u64 start_ticks[VMS + 1];	 /* of each VM, when it was asked */
	bool is_stale;			 /* its thread was given up */
	u64 stale_seq, stale_generation; /* log and registry, when it was */
};

static struct {
	const u8 *p;
	size_t n;
	struct model models[WORLD_SCREENS];
	u8 acting; /* the screen whose thread runs */
	u64 generation;
	struct drive_counts *counts;
} d;

#define REQUIRE(condition)                                                                     \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			fprintf(stderr, "%s:%d: not so: %s\non screen %u:\n%s\n", __FILE__,    \
				__LINE__, #condition, d.acting, world.screens[d.acting].text); \
			abort();                                                               \
		}                                                                              \
	} while (0)

static u8 take(void)
{
	if (!d.n) {
		return 0;
	}
	d.n--;
	return *d.p++;
}

static u64 last_seq(void)
{
	u64 last;

	chain_numbers(&world.guard.chain, NULL, &last, NULL, NULL);
	return last;
}

static u64 generation(void)
{
	u64 g;

	registry_numbers(&world.guard.registry, &g, NULL, NULL);
	return g;
}

/* The request of a permit that is about one number. */
static bool permits(const struct model *m, const char *name, u64 *ret)
{
	size_t n = strlen(name);

	if (strncmp(m->permit, name, n) != 0 || m->permit[n] != ' ') {
		return false;
	}
	*ret = strtoull(m->permit + n, NULL, 10);
	return true;
}

/* Something is done to a VM: by the right thread, with authority for just that. */
static void check_deed(const struct registry_vm *vm)
{
	const struct model *m = &d.models[d.acting];
	const struct process *p = vm->process;
	u64 number;

	d.counts->deeds++;
	REQUIRE(world.holders[d.acting & 1] == d.acting);
	REQUIRE(m->has_permit);
	if (permits(m, "kill", &number) || permits(m, "freeze", &number) ||
	    permits(m, "thaw", &number)) {
		REQUIRE(vm->id == number);
		REQUIRE(!permits(m, "thaw", &number) || vm->flags & PINFOLD_GUARD_FROZEN);
		REQUIRE(vm->start_ticks == m->start_ticks[number]);
	} else if (permits(m, "kill-user", &number) || permits(m, "ban", &number)) {
		REQUIRE(vm->owner_uid == number);
	} else if (permits(m, "kill-core", &number)) {
		REQUIRE(p->core == number);
	} else {
		REQUIRE(permits(m, "reclaim", &number));
		REQUIRE(vm->cores[0] >> number & 1);
		REQUIRE(vm->start_ticks == m->start_ticks[vm->id]);
	}
}

/* Nothing secret, and nothing that is no text, gets into the log. */
static void check_record(const struct pinfold_guard_record *r)
{
	char text[sizeof(r->text) + 1] = "";

	memcpy(text, r->text, sizeof(r->text));
	REQUIRE(!strstr(text, "sesame"));
	for (u8 i = 0; i < WORLD_SCREENS; i++) {
		REQUIRE(!d.models[i].answered[0] || !strstr(text, d.models[i].answered));
	}
	for (const char *c = text; *c; c++) {
		REQUIRE(*c >= ' ' && *c <= '~');
	}
}

/* What was shown: text only, lines that fit, no more than a page. */
static void check_chunk(const char *chunk)
{
	size_t lines = 0, column = 0;

	for (const char *c = chunk; *c; c++) {
		REQUIRE((*c >= ' ' && *c <= '~') || *c == '\n' || *c == '\b');
		column = *c == '\n' ? 0 : column + (*c != '\b');
		lines += *c == '\n';
		/* The first line goes on from what was there, the last one is a prompt with what was typed. */
		REQUIRE(!lines || column <= LISTING_COLUMNS || !strchr(c, '\n'));
	}
	REQUIRE(lines <= CHUNK_LINES);
}

static bool may_read(struct model *m)
{
	if (m->token && m->token != world.token) {
		m->token = 0;
		m->may_read = false;
	}
	return m->may_read || world.guard.open_reads;
}

static void note_challenge(struct model *m, const char *shown)
{
	snprintf(m->challenge, sizeof(m->challenge), "%.*s", (int)strcspn(shown, "\n"), shown);
	if (m->is_asked) { /* shown again */
		return;
	}
	m->is_asked = true;
	m->asked_ns = world.now_ns;
}

static void note_starts(struct model *m)
{
	struct registry_vm vm;

	for (u64 id = 1; id <= VMS; id++) {
		m->start_ticks[id] =
			registry_find(&world.guard.registry, id, &vm) ? 0 : vm.start_ticks;
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* Look at what the screen shows since it was cleared, and learn from it as its person does. */
static void read_screen(u8 screen)
{
	const char *chunk = world.screens[screen].text, *at;
	struct model *m = &d.models[screen];

	check_chunk(chunk);
	if (strstr(chunk, "ID NAME ") || strstr(chunk, "SCHEDULED") ||
	    strstr(chunk, " RECORD TIME")) {
		REQUIRE(may_read(m));
	}
	at = strstr(chunk, "challenge: ");
	if (at) {
		note_challenge(m, at + strlen("challenge: "));
	}
	if (strstr(chunk, "challenge: ") || strstr(chunk, "type 'yes'")) {
		note_starts(m);
	}
	if (strstr(chunk, "passphrase (")) {
		m->token_asked = world.token;
	}
	if (ends_with(chunk, "> ")) { /* the prompt: nothing is pending */
		m->is_asked = m->has_permit = false;
	}
	world_clear(screen);
}

/* Before and after whatever a thread does. */
static void begin_call(u8 screen)
{
	struct model *m = &d.models[screen];

	d.acting = screen;
	world_clear(screen);
	if (world.holders[screen & 1] != screen && !m->is_stale) {
		m->is_stale = true;
		m->stale_seq = last_seq();
		m->stale_generation = generation();
	}
}

static void end_call(u8 screen, u8 acted_before)
{
	struct model *m = &d.models[screen];

	if (m->is_stale) { /* since the call began, or since it hung */
		REQUIRE(!world.screens[screen].text[0]);
		REQUIRE(!world.screens[screen].is_on);
		REQUIRE(last_seq() == m->stale_seq);
		REQUIRE(generation() == m->stale_generation);
	} else {
		REQUIRE(generation() == d.generation || m->has_permit);
		d.generation = generation();
		if (!world.screens[screen].is_on) {
			m->is_asked = m->has_permit = m->may_read = false;
			m->token = 0;
		}
		read_screen(screen);
	}
	d.acting = acted_before;
}

/* What Enter would mean where it is typed now. */
static void before_enter(u8 screen)
{
	const struct session *s = &world.screens[screen].session;
	struct model *m = &d.models[screen];
	struct text t;

	d.counts->lines++;
	if (s->state == SESSION_PASSPHRASE && !strcmp(s->line.buf, WORLD_PHRASE) &&
	    world.has_phrase && m->token_asked && m->token_asked == world.token) {
		m->token = world.token;
		m->may_read = true;
	}
	if (s->state == SESSION_YES && !strcmp(s->line.buf, "yes") && m->token &&
	    m->token == world.token) {
		text_init(&t, m->permit, sizeof(m->permit));
		command_write(&s->command, &t);
		m->has_permit = true;
	}
}

static void type_byte(u8 screen, u8 byte)
{
	u8 before = d.acting;
	bool was_hidden;

	if (!world.screens[screen].is_on) {
		return;
	}
	begin_call(screen);
	if (byte == '\r' || byte == '\n') {
		before_enter(screen);
	}
	was_hidden = world.screens[screen].session.state == SESSION_PASSPHRASE;
	world_byte(screen, byte);
	if (was_hidden && world.screens[screen].session.state == SESSION_PASSPHRASE) {
		REQUIRE(!world.screens[screen].text[0]); /* not one character of it */
	}
	end_call(screen, before);
}

static void type(u8 screen, const char *bytes)
{
	for (; *bytes; bytes++) {
		type_byte(screen, (u8)*bytes);
	}
}

static void tick(u8 screen)
{
	u8 before = d.acting;

	if (!world.screens[screen].is_on) {
		return;
	}
	begin_call(screen);
	world_tick(screen);
	end_call(screen, before);
}

/* A thread becomes its terminal; the one before it is given up, and is silent whatever comes. */
static void wake(u8 screen)
{
	u8 before = d.acting, old = world.holders[screen & 1];

	if (old != screen) {
		d.counts->replaced++;
	}
	world_clear(screen);
	d.models[screen] = (struct model){ 0 };
	world_wake(screen, screen & 1 ? 'c' : 's', "test");
	d.acting = screen;
	end_call(screen, before);
}

/* A command with a number that may exist. */
static void type_command(u8 screen)
{
	static const char *const junk[] = { "reboot", "kill -9", "kill 7 8", "vms all", "kill 07" };
	u8 what = take(), number = take();
	char line[64];

	type_byte(screen, 0x15);
	if (what % 32 >= COMMANDS_COUNT) {
		type(screen, junk[what % ARRAY_SIZE(junk)]);
	} else {
		const struct command_entry *e = command_entry(what % 32);
		u64 n = e->argument == ARGUMENT_VM     ? number % (VMS + 2)
			: e->argument == ARGUMENT_USER ? 999u + number % 5
			: e->argument == ARGUMENT_CORE ? number % (WORLD_CORES + 1)
						       : number;

		snprintf(line, sizeof(line), e->argument ? "%s %llu" : "%s", e->name,
			 (unsigned long long)n);
		type(screen, line);
	}
	type_byte(screen, '\r');
}

/* Type an answer to what is open on screen asked, changed in one character or not. */
static void type_answer(u8 screen, u8 asked, u8 change)
{
	const struct model *other = &d.models[asked];
	struct model *m = &d.models[screen];
	char answer[15];

	if (!other->is_asked) {
		return;
	}
	answer_compute(other->challenge, world_key, answer);
	if (change) {
		change = change % 14 == 4 || change % 14 == 9 ? 0 : change % 14;
		answer[change] = answer[change] == 'Z' ? 'Y' : 'Z';
	}
	type_byte(screen, 0x15);
	type(screen, answer);
	if (!change && screen == asked && m->is_asked &&
	    world.now_ns < m->asked_ns + AUTH_LIFE_NS && world.is_keyed) {
		const char *request = m->challenge + 2; /* behind "A " */
		size_t n = (size_t)(strrchr(request, ' ') - request);

		memcpy(m->permit, request, n);
		m->permit[n] = '\0';
		memcpy(m->answered, answer, sizeof(answer));
		m->has_permit = true;
		d.counts->answers++;
		if (!strcmp(m->permit, "login")) {
			m->may_read = true;
			m->token = 0;
		}
	}
	type_byte(screen, '\r');
}

static void jump(u8 how)
{
	static const u64 jumps_ms[] = { 1, 1000, 4000, 29999, 30000, 60000, 299000, 301000 };

	world.now_ns += jumps_ms[how % ARRAY_SIZE(jumps_ms)] * 1000000;
	tick(world.holders[0]);
	tick(world.holders[1]);
}

static void change_vms(u8 how)
{
	struct process *p = &world.processes[take() % WORLD_PROCESSES];
	u64 id = 1 + take() % VMS;

	switch (how % 8) {
	case 0:
		p->is_stubborn = !p->is_stubborn;
		break;
	case 1:
		p->is_immovable = !p->is_immovable;
		break;
	case 2:
		p->is_alive = false;
		break;
	case 3:
		p->core = (u32)(id % WORLD_CORES);
		break;
	case 4:
		(void)registry_remove(&world.guard.registry, id);
		break;
	case 5: /* the number is another VM's from now on */
		(void)registry_remove(&world.guard.registry, id);
		/* fallthrough */
	default:
		(void)world_add(id,
				how & 8 ? "web"
					: "a-name-much-longer-than-any-column-is-wide-1234567890",
				1000 + how % 3, (u32)(id % WORLD_CORES), how & 16);
	}
}

/* While a thread hangs in an op, it is given up, and its terminal goes on with another. */
static void hang(void *ctx)
{
	u8 hung = d.acting;
	struct model *m = &d.models[hung];

	(void)ctx;
	if (world.holders[hung & 1] != hung) {
		return;
	}
	d.generation = generation(); /* with the mark of what is being done */
	wake(hung ^ 2);
	type_command(hung ^ 2);
	type_answer(hung ^ 2, hung ^ 2, 0);
	m->is_stale = true;
	m->stale_seq = last_seq();
	m->stale_generation = generation();
	world_clear(hung);
}

static void change_world(u8 how)
{
	switch (how % 8) {
	case 0:
		world.token = 0;
		break;
	case 1:
		world.token = 1 + take();
		break;
	case 2:
		world.fails_with = how & 8 ? -EPERM : 0;
		break;
	case 3:
		world.is_keyed = how & 0x38;
		break;
	case 4:
		world.guard.open_reads = (how & 0x78) == 0;
		break;
	case 5:
		world.in_op = hang;
		break;
	case 6:
		world.has_phrase = how & 0x38;
		break;
	default:
		(void)chain_exported(&world.guard.chain, last_seq());
	}
}

/* Poke the thread that was given up, if there is one, and let the terminal show itself. */
static void poke(u8 screen)
{
	char buf[SESSION_OUT_BYTES];
	struct text out;

	type_byte(screen ^ 2, take());
	tick(screen ^ 2);
	if (world.screens[screen].is_on) {
		text_init(&out, buf, sizeof(buf));
		session_show(&world.screens[screen].session, &out);
		REQUIRE(!text_is_cut(&out));
		check_chunk(buf);
	}
}

/* Mostly short, sometimes longer than a line may be. */
static void type_any(u8 screen)
{
	u8 n = take();

	for (n = n < 250 ? n % 24 : 120; n; n--) {
		type_byte(screen, take());
	}
}

static void do_next(void)
{
	u8 op = take();
	u8 screen = world.holders[op & 1];

	if (!world.screens[screen].is_on) {
		wake(screen);
	}
	switch (op >> 1 & 15) {
	case 0:
		type_any(screen);
		break;
	case 1:
	case 2:
	case 3:
		type_command(screen);
		break;
	case 4:
	case 5:
		type_answer(screen, screen, 0);
		break;
	case 6:
		type_answer(screen, screen, take() | 1);
		break;
	case 7:
		type_answer(screen, world.holders[~op & 1], 0);
		break;
	case 8:
		type(screen, d.models[screen].answered); /* again */
		type_byte(screen, '\r');
		break;
	case 9:
		jump(take());
		break;
	case 10:
	case 11:
		change_vms(take());
		break;
	case 12:
		change_world(take());
		break;
	case 13:
		type(screen, op & 0x20 ? WORLD_PHRASE "\r" : "\x15yes\r");
		break;
	case 14:
		type_byte(screen, op & 0x20 ? 3 : ' ');
		poke(screen);
		break;
	default:
		tick(screen);
		tick(screen);
		if (op & 0x80) {
			wake(screen ^ 2);
		}
	}
}

void drive(const uint8_t *data, size_t n, struct drive_counts *counts)
{
	memset(&d, 0, sizeof(d));
	d.p = data;
	d.n = n;
	d.counts = counts;
	world_begin();
	world.on_deed = check_deed;
	world.on_record = check_record;
	for (u64 id = 1; id <= 6; id++) {
		world_add(id, "web", 1000 + (u32)(id % 3), (u32)(id % WORLD_CORES), id % 2);
	}
	wake(0);
	wake(1);
	while (d.n) {
		do_next();
	}
}

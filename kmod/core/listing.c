// SPDX-License-Identifier: GPL-2.0
#include "listing.h"

#define LOG_RECORDS 20 /* of "log" without a number */
#define LOG_COLUMN  29 /* where the text of a record begins */
#define NAME_COLUMN 18
#define NS_PER_S    1000000000ull

/* Writes the next line, without its newline. @return false: there is none */
typedef bool line_fn(struct listing *l, const struct guard_actor *who, struct text *out);

static void add_flag(struct text *t, u32 flags, u32 flag, const char *name)
{
	if (!(flags & flag))
		return;
	text_add(t, t->used ? "," : "");
	text_add(t, name);
}

/* What did not fit is seen to be missing. */
static void mark_cut(struct text *t)
{
	if (text_is_cut(t))
		t->buf[t->used - 1] = '+';
}

static void add_left(struct text *out, const struct text *t, size_t width)
{
	text_add_left(out, t->buf, width);
	text_add(out, " ");
}

static void write_state(struct text *t, u32 flags)
{
	add_flag(t, flags, PINFOLD_GUARD_KILLED, "killed");
	add_flag(t, flags, PINFOLD_GUARD_FROZEN, "frozen");
	add_flag(t, flags, PINFOLD_GUARD_RECLAIMED, "reclaimed");
	add_flag(t, flags, PINFOLD_GUARD_EXCLUSIVE, "exclusive");
	if (!t->used)
		text_add(t, "shared");
}

/* "2-3,5" */
static void write_cores(struct text *t, const struct registry_vm *vm)
{
	for (u32 first = 0; first < PINFOLD_GUARD_CORES; first++) {
		u32 last = first;

		if (!registry_has_core(vm->cores, first))
			continue;
		while (last + 1 < PINFOLD_GUARD_CORES && registry_has_core(vm->cores, last + 1))
			last++;
		text_add(t, t->used ? "," : "");
		text_add_u64(t, first);
		if (last > first) {
			text_add(t, "-");
			text_add_u64(t, last);
		}
		first = last;
	}
}

static const char *const help_end[] = {
	"Ctrl-C gives up, Ctrl-U erases the line. What changes something asks for an",
	"answer: 'pinfold guard respond', on a machine that has the key, computes it.",
};

static bool help_line(struct listing *l, const struct guard_actor *who, struct text *out)
{
	(void)who;
	if (l->at == COMMANDS_COUNT + ARRAY_SIZE(help_end))
		return false;
	if (l->at < COMMANDS_COUNT)
		command_help((u8)l->at, out);
	else
		text_add(out, help_end[l->at - COMMANDS_COUNT]);
	l->at++;
	return true;
}

static u64 cpu_s(const struct guard_actor *who, const struct registry_vm *vm)
{
	return who->guard->ops->cpu_ns(who->guard->ctx, vm) / NS_PER_S;
}

static bool vms_line(struct listing *l, const struct guard_actor *who, struct text *out)
{
	char cores_buf[9], state_buf[40], name_buf[NAME_COLUMN + 1];
	struct text cores, state, name;
	struct registry_vm vm;

	if (registry_next(&who->guard->registry, l->at, &vm))
		return false;
	l->at = vm.id;
	text_init(&cores, cores_buf, sizeof(cores_buf));
	text_init(&state, state_buf, sizeof(state_buf));
	text_init(&name, name_buf, sizeof(name_buf));
	write_cores(&cores, &vm);
	write_state(&state, vm.flags);
	text_add_n(&name, vm.name, sizeof(vm.name));
	mark_cut(&cores);
	mark_cut(&name);
	text_add_right(out, vm.id, 6);
	text_add(out, " ");
	add_left(out, &name, NAME_COLUMN);
	text_add_right(out, vm.owner_uid, 8);
	text_add_right(out, (u64)vm.pid, 9);
	text_add_right(out, cpu_s(who, &vm), 8);
	text_add(out, "  ");
	add_left(out, &cores, sizeof(cores_buf) - 1);
	text_add(out, state_buf);
	return true;
}

/* What one pass over the registry finds out about a core. */
struct core_users {
	u32 core;
	s32 pid;
	struct registry_vm running, holder; /* id 0: none */
};

static void see_core(struct core_users *users, const struct registry_vm *vm)
{
	/* Of one that was killed the number may be another process's by now. */
	if (vm->pid == users->pid && !(vm->flags & PINFOLD_GUARD_KILLED))
		users->running = *vm;
	if (registry_holds_core(vm, users->core))
		users->holder = *vm;
}

/* "FIFO 99", of what runs. */
static void write_policy(struct text *t, const struct guard_core *core)
{
	switch (core->policy) {
	case 'f':
		text_add_number(t, "FIFO ", core->priority, "");
		break;
	case 'r':
		text_add_number(t, "RR ", core->priority, "");
		break;
	case 'd':
		text_add(t, "deadline");
		break;
	case 'k':
		text_add(t, "kernel");
		break;
	default:
		text_add(t, "ordinary");
	}
}

static void add_running(struct text *out, const struct guard_core *core,
			const struct core_users *users)
{
	char buf[16];
	struct text policy;

	text_init(&policy, buf, sizeof(buf));
	write_policy(&policy, core);
	add_left(out, &policy, 9);
	text_add_right(out, (u64)core->pid, 9);
	text_add(out, "  ");
	if (users->running.id)
		guard_add_vm(out, &users->running);
	else
		text_add_n(out, core->task, sizeof(core->task));
}

static bool cores_line(struct listing *l, const struct guard_actor *who, struct text *out)
{
	const struct guard *g = who->guard;
	struct core_users users = { 0 };
	struct guard_core core = { 0 };
	char buf[24];
	struct registry_vm vm;
	struct text holder;

	if (l->at >= g->ops->cores(g->ctx))
		return false;
	g->ops->core(g->ctx, (u32)l->at, &core);
	users.core = (u32)l->at++;
	users.pid = core.pid;
	for (u64 id = 0; !registry_next(&who->guard->registry, id, &vm); id = vm.id)
		see_core(&users, &vm);
	text_init(&holder, buf, sizeof(buf));
	if (users.holder.id)
		text_add_number(&holder, "VM ", users.holder.id, "");
	text_add_right(out, users.core, 4);
	text_add(out, "  ");
	add_left(out, &holder, 12);
	if (!core.is_online)
		text_add(out, "offline");
	else if (!core.pid)
		text_add(out, "idle");
	else
		add_running(out, &core, &users);
	return true;
}

/* The user with the smallest number from first on, and what one pass over the registry finds of that user. */
struct user_sums {
	u64 first, uid;
	u32 vms, exclusive, frozen, killed;
};

static void see_user(struct user_sums *sums, const struct registry_vm *vm)
{
	u64 first = sums->first;

	if (vm->owner_uid < first || vm->owner_uid > sums->uid)
		return;
	if (vm->owner_uid < sums->uid)
		*sums = (struct user_sums){ .first = first, .uid = vm->owner_uid };
	sums->vms++;
	sums->exclusive += (vm->flags & PINFOLD_GUARD_EXCLUSIVE) != 0;
	sums->frozen += (vm->flags & PINFOLD_GUARD_FROZEN) != 0;
	sums->killed += (vm->flags & PINFOLD_GUARD_KILLED) != 0;
}

static u64 user_cpu_s(const struct guard_actor *who, u64 uid)
{
	struct registry_vm vm;
	u64 after = 0, s = 0;

	while (!registry_next(&who->guard->registry, after, &vm)) {
		after = vm.id;
		if (vm.owner_uid == uid)
			s += cpu_s(who, &vm);
	}
	return s;
}

static bool users_line(struct listing *l, const struct guard_actor *who, struct text *out)
{
	struct user_sums sums = { .first = l->at, .uid = ~0ull };
	struct registry *registry = &who->guard->registry;
	struct registry_vm vm;
	u32 banned;

	for (u64 id = 0; !registry_next(registry, id, &vm); id = vm.id)
		see_user(&sums, &vm);
	if (!registry_next_ban(registry, l->at, &banned) && banned < sums.uid)
		sums = (struct user_sums){ .uid = banned };
	if (sums.uid == ~0ull)
		return false;
	l->at = sums.uid + 1;
	text_add_right(out, sums.uid, 10);
	text_add_right(out, sums.vms, 6);
	text_add_right(out, user_cpu_s(who, sums.uid), 8);
	text_add_right(out, sums.exclusive, 11);
	text_add_right(out, sums.frozen, 8);
	text_add_right(out, sums.killed, 8);
	if (registry_is_banned(registry, (u32)sums.uid))
		text_add(out, "  banned");
	return true;
}

static const char *const kinds[PINFOLD_GUARD_LOG_KINDS_END] = {
	[PINFOLD_GUARD_LOG_LOAD] = "load",	  [PINFOLD_GUARD_LOG_UNLOAD] = "unload",
	[PINFOLD_GUARD_LOG_WAKE] = "wake",	  [PINFOLD_GUARD_LOG_SLEEP] = "sleep",
	[PINFOLD_GUARD_LOG_CHALLENGE] = "asked",  [PINFOLD_GUARD_LOG_REFUSED] = "refused",
	[PINFOLD_GUARD_LOG_COMMAND] = "command",  [PINFOLD_GUARD_LOG_RESULT] = "result",
	[PINFOLD_GUARD_LOG_BAD_INPUT] = "bad",	  [PINFOLD_GUARD_LOG_TERMINAL] = "terminal",
	[PINFOLD_GUARD_LOG_REGISTRAR] = "daemon", [PINFOLD_GUARD_LOG_ENFORCED] = "enforced",
	[PINFOLD_GUARD_LOG_SHOWN] = "shown",
};

static void add_two_digits(struct text *t, u64 n, const char *behind)
{
	text_add(t, n < 10 ? "0" : "");
	text_add_number(t, "", n, behind);
}

static void add_record_head(struct text *out, const struct pinfold_guard_record *r)
{
	u64 s = le64_to_cpu(r->real_ns) / NS_PER_S;
	u16 kind = le16_to_cpu(r->kind);
	const char letter[2] = { r->terminal ? (char)r->terminal : '-', '\0' };

	text_add_right(out, le64_to_cpu(r->seq), 7);
	text_add(out, " ");
	add_two_digits(out, s / 3600 % 24, ":");
	add_two_digits(out, s / 60 % 60, ":");
	add_two_digits(out, s % 60, " ");
	text_add(out, letter);
	text_add(out, " ");
	text_add_left(out, kind < ARRAY_SIZE(kinds) && kinds[kind] ? kinds[kind] : "?", 9);
}

/* Of which kinds the error is worth telling: elsewhere the text says it. */
static bool has_outcome(u16 kind)
{
	return kind == PINFOLD_GUARD_LOG_RESULT || kind == PINFOLD_GUARD_LOG_ENFORCED;
}

/* What a record says, in as many lines as it takes; offset is how far it was written. */
static bool log_line(struct listing *l, const struct guard_actor *who, struct text *out)
{
	struct pinfold_guard_record r;
	char buf[PINFOLD_GUARD_TEXT_BYTES + 40];
	struct text said;
	size_t n;

	if (l->at > l->end || chain_read(&who->guard->chain, l->at, &r))
		return false;
	text_init(&said, buf, sizeof(buf));
	if (le32_to_cpu(r.count) > 1)
		text_add_number(&said, "", le32_to_cpu(r.count), " times: ");
	text_add_n(&said, r.text, sizeof(r.text));
	if (le32_to_cpu(r.result) && has_outcome(le16_to_cpu(r.kind)))
		text_add_number(&said, " (error ", le32_to_cpu(r.result), ")");
	if (l->at != le64_to_cpu(r.seq)) /* the one that was next is overwritten */
		l->offset = 0;
	l->at = le64_to_cpu(r.seq);
	if (l->offset)
		text_add_left(out, "", LOG_COLUMN);
	else
		add_record_head(out, &r);
	n = text_break(buf + l->offset, LISTING_COLUMNS - LOG_COLUMN);
	text_add_n(out, buf + l->offset, n);
	l->offset += (u32)n;
	while (buf[l->offset] == ' ')
		l->offset++;
	if (!buf[l->offset]) {
		l->at++;
		l->offset = 0;
	}
	return true;
}

/* All about one VM. */
static void show_vm(struct listing *l, const struct guard_actor *who, struct text *out)
{
	struct registry *registry = &who->guard->registry;
	char cores_buf[64], state_buf[40];
	struct text cores, state;
	struct registry_vm vm;

	if (registry_find(registry, l->command.number, &vm)) {
		text_add_number(out, "there is no VM ", l->command.number, "; 'vms' lists them\n");
		return;
	}
	text_init(&cores, cores_buf, sizeof(cores_buf));
	text_init(&state, state_buf, sizeof(state_buf));
	write_cores(&cores, &vm);
	mark_cut(&cores);
	write_state(&state, vm.flags);
	guard_add_vm(out, &vm);
	text_add_number(out, "\n  user     ", vm.owner_uid,
			registry_is_banned(registry, vm.owner_uid) ? ", banned" : "");
	text_add_number(out, "\n  process  ", (u64)vm.pid, ", ");
	text_add_number(out, "begun at tick ", vm.start_ticks, "");
	text_add_number(out, "\n  used     ", cpu_s(who, &vm), " s of CPU time\n  cores    ");
	text_add(out, cores_buf);
	text_add(out, "\n  state    ");
	text_add(out, state_buf);
	text_add(out, "\n");
}

static void add_terminal(struct text *out, struct guard *g, u8 terminal, u64 now_ns)
{
	u64 wait_ns = auth_wait_ns(&g->auth[terminal], now_ns);

	text_add(out, terminal ? "terminal B: " : "terminal A: ");
	text_add_number(out, "wrong answers in a row: ", auth_wrong(&g->auth[terminal]), "");
	if (wait_ns)
		text_add_number(out, ", no challenge for ", (wait_ns + NS_PER_S - 1) / NS_PER_S,
				" s");
	text_add(out, "\n");
}

static void show_status(struct guard *g, struct text *out)
{
	u64 first, last, exported, now_ns = g->ops->boot_ns(g->ctx);
	u32 vms, bans;
	u8 head[32];

	g->ops->status(g->ctx, out);
	for (u8 terminal = 0; terminal < ARRAY_SIZE(g->auth); terminal++)
		add_terminal(out, g, terminal, now_ns);
	registry_numbers(&g->registry, NULL, &vms, &bans);
	text_add_number(out, "VMs: ", vms, "; ");
	text_add_number(out, "banned users: ", bans, "\n");
	chain_numbers(&g->chain, &first, &last, &exported, head);
	text_add_number(out, "log: records ", first, "");
	text_add_number(out, " to ", last, ", saved up to ");
	text_add_number(out, "", exported,
			chain_can_begin(&g->chain) ? "\n" : "; full: nothing can be changed\n");
	text_add(out,
		 g->ops->is_keyed(g->ctx) ? "key: loaded" : "key: none, nothing can be changed");
	text_add(out, g->open_reads ? "; reading needs no login\n" : "\n");
}

/* How the list of a command is made. */
static const struct {
	line_fn *line;
	const char *header;
} lists[COMMANDS_COUNT] = {
	[COMMAND_HELP] = { help_line, NULL },
	[COMMAND_VMS] = { vms_line,
			  "    ID NAME                   USER  PROCESS   CPU s  CORES    STATE" },
	[COMMAND_CORES] = { cores_line, "CORE  EXCLUSIVE TO SCHEDULED   PROCESS  RUNS" },
	[COMMAND_USERS] = { users_line, "      USER   VMS   CPU s  EXCLUSIVE  FROZEN  KILLED" },
	[COMMAND_LOG] = { log_line, " RECORD TIME UTC T KIND     TEXT" },
};

void listing_begin(struct listing *l, const struct guard_actor *who, const struct command *c)
{
	u64 first, exported, count = c->number ? c->number : LOG_RECORDS;
	u8 head[32];

	memset(l, 0, sizeof(*l));
	l->command = *c;
	if (c->id != COMMAND_LOG)
		return;
	chain_flush(&who->guard->chain);
	chain_numbers(&who->guard->chain, &first, &l->end, &exported, head);
	l->at = l->end > count ? l->end - count + 1 : 1;
}

/* Make the next line of a list. @return whether there is one */
static bool make_next(struct listing *l, const struct guard_actor *who)
{
	struct text t;

	text_init(&t, l->next, LISTING_COLUMNS + 1);
	l->has_next = lists[l->command.id].line(l, who, &t);
	mark_cut(&t);
	return l->has_next;
}

static void write_list(struct listing *l, const struct guard_actor *who, struct text *out)
{
	u32 lines = 0;

	if (lists[l->command.id].header) {
		text_add(out, lists[l->command.id].header);
		text_add(out, "\n");
		lines++;
	}
	if (!l->has_next && !make_next(l, who))
		text_add(out, "none\n");
	for (; l->has_next && lines < LISTING_PAGE_LINES; lines++) {
		text_add(out, l->next);
		text_add(out, "\n");
		make_next(l, who);
	}
}

bool listing_page(struct listing *l, const struct guard_actor *who, struct text *out)
{
	if (l->command.id == COMMAND_SHOW)
		show_vm(l, who, out);
	else if (l->command.id == COMMAND_STATUS)
		show_status(who->guard, out);
	else
		write_list(l, who, out);
	return l->has_next;
}

// SPDX-License-Identifier: GPL-2.0
#include "action.h"

#define IDS_TOLD 6 /* VMs that a question names */

/* What can be done to one VM. */
enum deed { DEED_KILL, DEED_FREEZE, DEED_THAW, DEED_MOVE };

/* Marks are made first, so that the daemon can't see the effect without them. */
static const struct {
	u32 set, clear;
	const char *name, *wanted;
} deeds[] = {
	[DEED_KILL] = { PINFOLD_GUARD_KILLED, 0, "kill", " is gone" },
	[DEED_FREEZE] = { PINFOLD_GUARD_FROZEN, 0, "freeze", " is frozen" },
	[DEED_THAW] = { 0, PINFOLD_GUARD_FROZEN, "thaw", " goes on" },
	[DEED_MOVE] = { PINFOLD_GUARD_RECLAIMED, 0, "move", " was moved to other cores" },
};

static void add_ms(struct text *t, u64 us)
{
	text_add(t, " after ");
	text_add_u64(t, us / 1000);
	text_add(t, ".");
	text_add_u64(t, us / 100 % 10);
	text_add(t, " ms");
}

static void add_whom(struct text *t, const struct registry_vm *vm)
{
	guard_add_vm(t, vm);
	text_add_number(t, " of user ", vm->owner_uid, ", process ");
	text_add_u64(t, (u64)vm->pid);
	text_add(t, vm->flags & PINFOLD_GUARD_KILLED ? " (killed before)" : "");
}

/* Whether a command that is about many VMs is about this one. */
static bool is_meant(const struct action *a, const struct guard_actor *who,
		     const struct registry_vm *vm)
{
	const struct guard *g = who->guard;

	if (a->command.id == COMMAND_KILL_CORE)
		return g->ops->is_on_core(g->ctx, vm, (u32)a->command.number);
	return vm->owner_uid == a->command.number;
}

/* The next VM after *after that the command is about; *after becomes its id. */
static bool next_meant(const struct action *a, const struct guard_actor *who, u64 *after,
		       struct registry_vm *ret)
{
	while (!registry_next(&who->guard->registry, *after, ret)) {
		*after = ret->id;
		if (is_meant(a, who, ret))
			return true;
	}
	return false;
}

/* "2 now: 7 9". Those that were killed before don't count. @return how many */
static u32 add_meant(const struct action *a, const struct guard_actor *who, struct text *told)
{
	struct registry_vm vm;
	u64 ids[IDS_TOLD];
	u64 after = 0;
	u32 count = 0;

	while (next_meant(a, who, &after, &vm)) {
		if (vm.flags & PINFOLD_GUARD_KILLED)
			continue;
		if (count < IDS_TOLD)
			ids[count] = vm.id;
		count++;
	}
	text_add_number(told, "? ", count, count ? " now:" : " now");
	for (u32 i = 0; i < count && i < IDS_TOLD; i++)
		text_add_number(told, " ", ids[i], "");
	text_add(told, count > IDS_TOLD ? " ..." : "");
	return count;
}

/* Why the VM can't be stopped or let go on: somebody else has stopped it for his own reason, and it stays so. NULL: it can. */
static const char *refusal(const struct action *a, const struct guard_actor *who,
			   const struct registry_vm *vm)
{
	const struct guard *g = who->guard;

	if (vm->flags & PINFOLD_GUARD_FROZEN)
		return NULL;
	if (a->command.id == COMMAND_THAW)
		return " is not frozen";
	if (a->command.id == COMMAND_FREEZE && g->ops->is_stopped(g->ctx, vm))
		return " is stopped already, and not by the guard";
	return NULL;
}

static int prepare_one(struct action *a, const struct guard_actor *who, struct text *told)
{
	const char *why;

	if (registry_find(&who->guard->registry, a->command.number, &a->vm)) {
		text_add_number(told, "there is no VM ", a->command.number, "; 'vms' lists them");
		return -ENOENT;
	}
	why = refusal(a, who, &a->vm);
	if (why) {
		guard_add_vm(told, &a->vm);
		text_add(told, why);
		return -EPERM;
	}
	text_add(told, command_entry(a->command.id)->name);
	text_add(told, " ");
	add_whom(told, &a->vm);
	text_add(told, "?");
	return 0;
}

static bool is_core(const struct action *a, const struct guard_actor *who, struct text *told)
{
	const struct guard *g = who->guard;

	if (a->command.number < g->ops->cores(g->ctx))
		return true;
	text_add_number(told, "there is no core ", a->command.number, "; 'cores' lists them");
	return false;
}

static int prepare_many(struct action *a, const struct guard_actor *who, const char *what,
			struct text *told)
{
	text_add_number(told, what, a->command.number, "");
	if (add_meant(a, who, told))
		return 0;
	text_add(told, ", so there is nothing to do");
	return -ENOENT;
}

static int prepare_core(struct action *a, const struct guard_actor *who, struct text *told)
{
	if (!is_core(a, who, told))
		return -ENOENT;
	return prepare_many(a, who, "kill every VM on core ", told);
}

static int prepare_ban(struct action *a, const struct guard_actor *who, struct text *told)
{
	if (!a->command.number) {
		text_add(told, "root can't be banned");
		return -EPERM;
	}
	if (registry_is_banned(&who->guard->registry, (u32)a->command.number)) {
		text_add_number(told, "user ", a->command.number, " is banned already");
		return -EEXIST;
	}
	text_add_number(told, "ban user ", a->command.number, " and kill every VM of that user");
	add_meant(a, who, told);
	return 0;
}

static int prepare_unban(struct action *a, const struct guard_actor *who, struct text *told)
{
	if (!registry_is_banned(&who->guard->registry, (u32)a->command.number)) {
		text_add_number(told, "user ", a->command.number, " is not banned");
		return -ENOENT;
	}
	text_add_number(told, "let user ", a->command.number, " start VMs again?");
	return 0;
}

/* Who has the core for itself. */
static bool find_holder(const struct action *a, const struct guard_actor *who,
			struct registry_vm *ret)
{
	u64 after = 0;

	while (!registry_next(&who->guard->registry, after, ret)) {
		if (registry_holds_core(ret, a->command.number))
			return true;
		after = ret->id;
	}
	return false;
}

static int prepare_reclaim(struct action *a, const struct guard_actor *who, struct text *told)
{
	if (!is_core(a, who, told))
		return -ENOENT;
	if (!find_holder(a, who, &a->vm)) {
		text_add_number(told, "no VM has core ", a->command.number, " for itself");
		return -ENOENT;
	}
	text_add_number(told, "take core ", a->command.number, " away from ");
	add_whom(told, &a->vm);
	text_add(told, "?");
	return 0;
}

int action_prepare(struct action *a, const struct guard_actor *who, const struct command *c,
		   struct text *told)
{
	memset(a, 0, sizeof(*a));
	a->command = *c;
	switch (c->id) {
	case COMMAND_KILL_CORE:
		return prepare_core(a, who, told);
	case COMMAND_KILL_USER:
		return prepare_many(a, who, "kill every VM of user ", told);
	case COMMAND_BAN:
		return prepare_ban(a, who, told);
	case COMMAND_UNBAN:
		return prepare_unban(a, who, told);
	case COMMAND_RECLAIM:
		return prepare_reclaim(a, who, told);
	default:
		return prepare_one(a, who, told);
	}
}

int action_begin(struct action *a, const struct guard_actor *who)
{
	struct guard *g = who->guard;
	char buf[AUTH_REQUEST_BYTES];
	struct text form;

	if (!chain_can_begin(&g->chain))
		return -ENOSPC;
	text_init(&form, buf, sizeof(buf));
	command_write(&a->command, &form);
	a->begun_ns = g->ops->boot_ns(g->ctx);
	return guard_log(who, PINFOLD_GUARD_LOG_COMMAND, 0, buf) ? 0 : -ECANCELED;
}

static u64 elapsed_us(const struct action *a, const struct guard_actor *who)
{
	return (who->guard->ops->boot_ns(who->guard->ctx) - a->begun_ns) / 1000;
}

/* It is over, with what told says. */
static bool finish(const struct guard_actor *who, int result, const struct text *told)
{
	guard_log(who, PINFOLD_GUARD_LOG_RESULT, result, told->buf);
	return false;
}

/* The cores that VMs have for themselves; the one that is reclaimed has none any more: it is marked. */
static void find_taken(const struct guard_actor *who, u64 *ret)
{
	struct registry_vm other;
	u64 after = 0;

	memset(ret, 0, sizeof(other.cores));
	while (!registry_next(&who->guard->registry, after, &other)) {
		after = other.id;
		if (!registry_is_alone(&other))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(other.cores); i++)
			ret[i] |= other.cores[i];
	}
}

static int move(const struct action *a, const struct guard_actor *who, const struct registry_vm *vm)
{
	const struct guard *g = who->guard;
	u64 taken[PINFOLD_GUARD_CORES / 64];

	find_taken(who, taken);
	return g->ops->move(g->ctx, vm, (u32)a->command.number, taken);
}

static int call(const struct action *a, const struct guard_actor *who, const struct registry_vm *vm,
		enum deed deed, u64 *ret_us)
{
	const struct guard_ops *ops = who->guard->ops;
	void *ctx = who->guard->ctx;

	switch (deed) {
	case DEED_FREEZE:
		return ops->freeze(ctx, vm, ret_us);
	case DEED_THAW:
		return ops->thaw(ctx, vm, ret_us);
	case DEED_MOVE:
		return move(a, who, vm);
	default:
		return ops->kill(ctx, vm, ret_us);
	}
}

/*
 * Do it to a VM, with its marks, which are taken back when it failed.
 * @return -ECANCELED: the thread was given up meanwhile: nothing more is to be done
 */
static int do_to(const struct action *a, const struct guard_actor *who,
		 const struct registry_vm *vm, enum deed deed, u64 *ret_us)
{
	struct registry *registry = &who->guard->registry;
	struct registry_undo undo;
	int r;

	if (!guard_is_current(who))
		return -ECANCELED;
	if (registry_mark(registry, vm, deeds[deed].set, deeds[deed].clear, &undo))
		return -ESRCH;
	r = call(a, who, vm, deed, ret_us);
	if (!guard_is_current(who))
		return -ECANCELED;
	if (r && r != -EINPROGRESS)
		registry_unmark(registry, vm, &undo);
	return r;
}

/* The VM that the question was about, as it is now. */
static bool find_again(const struct action *a, const struct guard_actor *who,
		       struct registry_vm *ret, struct text *told)
{
	if (registry_find(&who->guard->registry, a->vm.id, ret)) {
		guard_add_vm(told, &a->vm);
		text_add(told, " is gone already: nothing was done");
		return false;
	}
	if (!registry_is_same(&a->vm, ret)) {
		text_add_number(told, "VM ", a->vm.id,
				" is another process by now: nothing was done");
		return false;
	}
	return true;
}

/* How it went with one VM. */
static void add_outcome(struct text *t, const struct registry_vm *vm, enum deed deed, int r, u64 us)
{
	guard_add_vm(t, vm);
	if (!r) {
		text_add(t, deeds[deed].wanted);
		add_ms(t, us);
	} else if (r == -ESRCH) {
		text_add(t, " has ended already: nothing was done");
	} else if (r == -EINPROGRESS) {
		text_add(t, ": ");
		text_add(t, deeds[deed].name);
		text_add(t, " had no effect yet");
		add_ms(t, us);
		text_add_number(t, "; see 'show ", vm->id, "'");
	} else {
		text_add(t, ": ");
		text_add(t, deeds[deed].name);
		text_add_number(t, " failed with error ", (u64)-r, "");
	}
}

static enum deed deed_of(const struct action *a)
{
	if (a->command.id == COMMAND_FREEZE)
		return DEED_FREEZE;
	return a->command.id == COMMAND_THAW ? DEED_THAW : DEED_KILL;
}

/* kill, freeze, thaw */
static bool step_one(struct action *a, const struct guard_actor *who, struct text *told)
{
	struct registry_vm vm;
	const char *why;
	u64 us = 0;
	int r;

	if (!find_again(a, who, &vm, told))
		return finish(who, -ESRCH, told);
	why = refusal(a, who, &vm);
	if (why) {
		guard_add_vm(told, &vm);
		text_add(told, why);
		text_add(told, ": nothing was done");
		return finish(who, -EPERM, told);
	}
	r = do_to(a, who, &vm, deed_of(a), &us);
	add_outcome(told, &vm, deed_of(a), r, us);
	return finish(who, r, told);
}

/* How far a command about many VMs came. */
static void add_count(const struct action *a, const struct guard_actor *who, struct text *told)
{
	bool is_core_of = a->command.id == COMMAND_KILL_CORE;

	text_add_number(told, is_core_of ? "core " : "user ", a->command.number, "");
	text_add(told, a->command.id == COMMAND_BAN ? " is banned, " : ": ");
	text_add_number(told, "", a->done, a->done == 1 ? " VM gone" : " VMs gone");
	add_ms(told, elapsed_us(a, who));
	if (a->late)
		text_add_number(told, ", ", a->late, " not gone yet");
	if (a->failed) {
		text_add_number(told, ", ", a->failed, " failed with error ");
		text_add_u64(told, (u64)-a->error);
	}
}

static int outcome(const struct action *a)
{
	if (a->failed)
		return a->error;
	return a->late ? -EINPROGRESS : 0;
}

/* Kill the next one, and write what came of it. */
static void kill_next(struct action *a, const struct guard_actor *who, const struct registry_vm *vm)
{
	char buf[ACTION_TOLD_BYTES];
	struct text t;
	u64 us = 0;
	int r = do_to(a, who, vm, DEED_KILL, &us);

	if (r == -ESRCH) /* ended by itself, or was killed before */
		return;
	if (!r) {
		a->done++;
	} else if (r == -EINPROGRESS) {
		a->late++;
	} else {
		a->failed++;
		a->error = r;
	}
	text_init(&t, buf, sizeof(buf));
	add_outcome(&t, vm, DEED_KILL, r, us);
	guard_log(who, PINFOLD_GUARD_LOG_ENFORCED, r, buf);
}

/* kill-core, kill-user, ban */
static bool step_many(struct action *a, const struct guard_actor *who, struct text *told)
{
	struct registry_vm vm;

	if (!next_meant(a, who, &a->after, &vm)) {
		add_count(a, who, told);
		return finish(who, outcome(a), told);
	}
	if (!chain_can_begin(&who->guard->chain)) {
		add_count(a, who, told);
		text_add(told, "; stopped: the log is full");
		return finish(who, -ENOSPC, told);
	}
	kill_next(a, who, &vm);
	return true;
}

/* The ban itself comes first, so that no VM can begin while the others are killed. */
static bool step_ban(struct action *a, const struct guard_actor *who, struct text *told)
{
	struct registry *registry = &who->guard->registry;
	u32 uid = (u32)a->command.number;
	int r;

	if (registry_is_banned(registry, uid))
		return step_many(a, who, told);
	r = registry_ban(registry, uid);
	if (!r)
		return true;
	if (r == -ENOSPC)
		text_add(told, "too many users are banned: unban one first. Nothing was done");
	else
		text_add_number(told, "ban failed with error ", (u64)-r, "");
	return finish(who, r, told);
}

static bool step_unban(struct action *a, const struct guard_actor *who, struct text *told)
{
	int r = registry_unban(&who->guard->registry, (u32)a->command.number);

	text_add_number(told, "user ", a->command.number,
			r ? " was not banned any more" : " may start VMs again");
	return finish(who, r, told);
}

static bool step_reclaim(struct action *a, const struct guard_actor *who, struct text *told)
{
	struct registry_vm vm;
	u64 us = 0;
	int r;

	if (!find_again(a, who, &vm, told))
		return finish(who, -ESRCH, told);
	if (!registry_holds_core(&vm, a->command.number)) {
		guard_add_vm(told, &vm);
		text_add(told, " does not have that core for itself any more: nothing was done");
		return finish(who, -ESRCH, told);
	}
	r = do_to(a, who, &vm, DEED_MOVE, &us);
	if (!r || r == -ESRCH) {
		text_add_number(told, "core ", a->command.number,
				r ? ": " : " is back in the pool: ");
		add_outcome(told, &vm, DEED_MOVE, r, elapsed_us(a, who));
		return finish(who, r, told);
	}
	text_add_number(told, "it can't be moved (error ", (u64)-r, ") and was killed: ");
	r = do_to(a, who, &vm, DEED_KILL, &us);
	add_outcome(told, &vm, DEED_KILL, r, us);
	return finish(who, r, told);
}

bool action_step(struct action *a, const struct guard_actor *who, struct text *told)
{
	if (!guard_is_current(who))
		return false;
	switch (a->command.id) {
	case COMMAND_KILL_CORE:
	case COMMAND_KILL_USER:
		return step_many(a, who, told);
	case COMMAND_BAN:
		return step_ban(a, who, told);
	case COMMAND_UNBAN:
		return step_unban(a, who, told);
	case COMMAND_RECLAIM:
		return step_reclaim(a, who, told);
	default:
		return step_one(a, who, told);
	}
}

void action_stop(struct action *a, const struct guard_actor *who, struct text *told)
{
	add_count(a, who, told);
	text_add(told, "; stopped");
	finish(who, -EINTR, told);
}

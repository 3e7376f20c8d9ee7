/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registry says what it was told, of the process that it was told of, and gives every reference back once. */
#include "core/registry.h"

#include "registry_world.h"
#include "test.h"

static struct registry_slot slots[PINFOLD_GUARD_VMS_MAX];
static struct registry registry;
static struct process processes[PINFOLD_GUARD_VMS_MAX + 1];
static struct registry_undo undo; /* of the last mark */

static void begin(void)
{
	memset(slots, 0, sizeof(slots));
	memset(processes, 0, sizeof(processes));
	registry_init(&registry, slots, process_put);
}

/* All references were given back. */
static void end(void)
{
	registry_done(&registry);
	for (size_t i = 0; i < ARRAY_SIZE(processes); i++) {
		CHECK_INT(processes[i].references, 0);
	}
}

static int add(u64 id, u32 process, u32 uid)
{
	struct pinfold_guard_vm vm = vm_of(id, (s32)process + 1, process, uid);

	return enter(&registry, &vm, &processes[process]);
}

/* One VM, number 7. */
static void begin_with_vm(struct registry_vm *ret)
{
	begin();
	CHECK_INT(add(7, 1, 1000), 0);
	CHECK_INT(registry_find(&registry, 7, ret), 0);
}

static void refuses_what_can_not_be(void)
{
	struct pinfold_guard_vm good = vm_of(7, 2, 1, 1000);
	struct pinfold_guard_vm vm = good;

	CHECK_INT(registry_check(&vm), 0);
	vm.flags = PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_KILLED;
	CHECK_INT(registry_check(&vm), 0);
	vm.flags = 0x10;
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, vm.revision++;
	CHECK_INT(registry_check(&vm), -EPROTO);
	vm = good, vm.id = 0;
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, vm.pid = 0;
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, vm.pid = -5;
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, vm.owner_uid = (u32)-1;
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, vm.name[0] = '\0';
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, vm.name[1] = '\x1b';
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm = good, memset(vm.name, 'a', sizeof(vm.name));
	CHECK_INT(registry_check(&vm), -EINVAL);
	vm.name[sizeof(vm.name) - 1] = '\0';
	CHECK_INT(registry_check(&vm), 0);
}

static void enters_finds_and_removes(void)
{
	struct registry_vm vm;

	begin_with_vm(&vm);
	CHECK_STR(vm.name, "web");
	CHECK_INT(vm.pid, 2);
	CHECK_INT(vm.cores[0], 5);
	CHECK(vm.process == &processes[1]);
	CHECK_INT(registry_find(&registry, 8, &vm), -ENOENT);
	CHECK_INT(registry_remove(&registry, 8), -ENOENT);
	CHECK_INT(registry_remove(&registry, 7), 0);
	CHECK_INT(processes[1].references, 0);
	CHECK_INT(registry_find(&registry, 7, &vm), -ENOENT);
	end();
}

static void keeps_id_and_process_unique(void)
{
	u32 cursor = 0;

	begin();
	CHECK_INT(add(7, 1, 1000), 0);
	CHECK_INT(add(7, 2, 1000), -EEXIST);
	CHECK_INT(add(8, 1, 1000), -EEXIST);
	CHECK_INT(add(8, 2, 1000), 0);
	processes[1].is_gone = true;
	CHECK_INT(registry_purge(&registry, &cursor, PINFOLD_GUARD_VMS_MAX, process_is_gone), 1);
	CHECK_INT(add(7, 2, 1000), -EEXIST);
	CHECK_INT(add(7, 3, 1000), 0);
	end();
}

static void keeps_what_was_done_when_an_entry_is_renewed(void)
{
	struct pinfold_guard_vm said = vm_of(7, 2, 1, 1000);
	struct registry_vm vm;

	begin_with_vm(&vm);
	CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_RECLAIMED | PINFOLD_GUARD_FROZEN,
				PINFOLD_GUARD_EXCLUSIVE, &undo),
		  0);
	said.flags = PINFOLD_GUARD_EXCLUSIVE;
	said.cores[1] = 6;
	CHECK_INT(enter(&registry, &said, &processes[1]), 0);
	CHECK_INT(processes[1].references, 1);
	CHECK_INT(registry_find(&registry, 7, &vm), 0);
	CHECK_INT(vm.flags, PINFOLD_GUARD_RECLAIMED | PINFOLD_GUARD_FROZEN);
	CHECK_INT(vm.cores[1], 6);
	end();
}

static int update(u32 flags)
{
	struct pinfold_guard_vm said = vm_of(7, 2, 1, 1000);

	said.flags = flags;
	said.cores[1] = flags;
	return registry_update(&registry, &said);
}

static u32 flags_now(void)
{
	struct registry_vm vm;

	CHECK_INT(registry_find(&registry, 7, &vm), 0);
	return vm.flags;
}

static void is_exclusive_again_only_when_a_reclaim_is_known(void)
{
	const u32 both = PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_RECLAIMED;
	struct registry_vm vm;

	begin();
	CHECK_INT(add(7, 1, 1000), 0);
	CHECK_INT(update(PINFOLD_GUARD_EXCLUSIVE), 0);
	CHECK_INT(registry_find(&registry, 7, &vm), 0);
	CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_RECLAIMED | PINFOLD_GUARD_FROZEN, 0,
				&undo),
		  0);
	/* What was on its way when the core was taken. */
	CHECK_INT(update(PINFOLD_GUARD_EXCLUSIVE), -EBUSY);
	CHECK_INT(update(both), -EBUSY);
	CHECK_INT(flags_now(), both | PINFOLD_GUARD_FROZEN);
	CHECK_INT(registry_find(&registry, 7, &vm), 0);
	CHECK_INT(vm.cores[1], PINFOLD_GUARD_EXCLUSIVE);
	/* It may lose its core for another reason: then nobody has said that the reclaim is known. */
	CHECK_INT(update(0), 0);
	CHECK_INT(flags_now(), PINFOLD_GUARD_RECLAIMED | PINFOLD_GUARD_FROZEN);
	CHECK_INT(update(PINFOLD_GUARD_EXCLUSIVE), -EBUSY);
	CHECK_INT(update(PINFOLD_GUARD_RECLAIMED), 0);
	CHECK_INT(flags_now(), PINFOLD_GUARD_FROZEN);
	CHECK_INT(update(PINFOLD_GUARD_EXCLUSIVE), 0);
	CHECK_INT(flags_now(), PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_FROZEN);
	CHECK_INT(registry_remove(&registry, 7), 0);
	CHECK_INT(update(0), -ENOENT);
	end();
}

static void marks_only_the_process_that_was_seen(void)
{
	struct registry_vm vm, other;
	u64 before, after;

	begin_with_vm(&vm);
	other = vm;
	other.start_ticks++; /* the address of the reference was used again */
	registry_numbers(&registry, &before, NULL, NULL);
	CHECK_INT(registry_mark(&registry, &other, PINFOLD_GUARD_KILLED, 0, &undo), -ENOENT);
	registry_numbers(&registry, &after, NULL, NULL);
	CHECK_INT(after, before);
	CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_KILLED, 0, &undo), 0);
	registry_numbers(&registry, &after, NULL, NULL);
	CHECK_INT(after, before + 1);
	CHECK_INT(registry_remove(&registry, 7), 0);
	CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_KILLED, 0, &undo), -ENOENT);
	end();
}

static void takes_back_only_its_own_mark(void)
{
	struct registry_undo first, second;
	struct registry_vm vm;
	u64 before, after;

	begin_with_vm(&vm);
	CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_FROZEN, 0, &first), 0);
	CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_KILLED, PINFOLD_GUARD_FROZEN,
				&second),
		  0);
	CHECK_INT(update(PINFOLD_GUARD_EXCLUSIVE), 0);
	registry_numbers(&registry, &before, NULL, NULL);
	registry_unmark(&registry, &vm, &second);
	registry_numbers(&registry, &after, NULL, NULL);
	CHECK_INT(after, before + 1);
	CHECK_INT(flags_now(), PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_FROZEN);
	end();
}

/* Two kill one VM at once; one of them succeeds, and the other finds the process gone. */
static void a_mark_that_two_made_stays(void)
{
	struct registry_undo first, second;
	struct registry_vm vm;
	u64 before, after;

	begin_with_vm(&vm);
	for (int late = 0; late < 2; late++) {
		CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_KILLED, 0, &first), 0);
		CHECK_INT(registry_mark(&registry, &vm, PINFOLD_GUARD_KILLED, 0, &second), 0);
		registry_numbers(&registry, &before, NULL, NULL);
		registry_unmark(&registry, &vm, late ? &second : &first);
		registry_numbers(&registry, &after, NULL, NULL);
		CHECK_INT(after, before + (late ? 1 : 0));
		CHECK_INT(flags_now(), PINFOLD_GUARD_KILLED);
	}
	/* Of an entry that came later nothing is taken back. */
	CHECK_INT(registry_remove(&registry, 7), 0);
	CHECK_INT(add(7, 1, 1000), 0);
	registry_unmark(&registry, &vm, &second);
	CHECK_INT(flags_now(), 0);
	end();
}

static void bans_users_but_not_root(void)
{
	struct pinfold_guard_bans bans;
	u32 vms, count;
	u64 generation;

	begin();
	CHECK_INT(registry_ban(&registry, 0), -EPERM);
	CHECK_INT(registry_unban(&registry, 1000), -ENOENT);
	CHECK_INT(add(7, 1, 1000), 0);
	CHECK_INT(registry_ban(&registry, 1000), 0);
	CHECK_INT(registry_ban(&registry, 1000), -EEXIST);
	CHECK(registry_is_banned(&registry, 1000));
	CHECK(!registry_is_banned(&registry, 999));
	CHECK_INT(add(8, 2, 1000), -EACCES);
	CHECK_INT(add(7, 1, 1000), -EACCES);
	for (u32 uid = 2000; uid > 2000 - (PINFOLD_GUARD_BANS_MAX - 1); uid--) {
		CHECK_INT(registry_ban(&registry, uid), 0);
	}
	CHECK_INT(registry_ban(&registry, 1), -ENOSPC);
	registry_bans(&registry, &bans);
	CHECK_INT(bans.count, PINFOLD_GUARD_BANS_MAX);
	CHECK_INT(bans.generation, PINFOLD_GUARD_BANS_MAX);
	for (u32 i = 1; i < bans.count; i++) {
		CHECK(bans.uids[i - 1] < bans.uids[i]);
	}
	CHECK_INT(registry_unban(&registry, 1000), 0);
	CHECK_INT(add(8, 2, 1000), 0);
	registry_numbers(&registry, &generation, &vms, &count);
	CHECK_INT(generation, PINFOLD_GUARD_BANS_MAX + 1);
	CHECK_INT(vms, 2);
	CHECK_INT(count, PINFOLD_GUARD_BANS_MAX - 1);
	end();
}

static void shows_every_ban(void)
{
	u32 uid;

	begin();
	CHECK_INT(registry_next_ban(&registry, 0, &uid), -ENOENT);
	registry_ban(&registry, 2000);
	registry_ban(&registry, 1500);
	CHECK_INT(registry_next_ban(&registry, 0, &uid), 0);
	CHECK_INT(uid, 1500);
	CHECK_INT(registry_next_ban(&registry, 1501, &uid), 0);
	CHECK_INT(uid, 2000);
	CHECK_INT(registry_next_ban(&registry, 2001, &uid), -ENOENT);
	CHECK_INT(registry_next_ban(&registry, 1ull << 32, &uid), -ENOENT);
	end();
}

static void knows_its_cores(void)
{
	struct registry_vm vm = { .flags = PINFOLD_GUARD_EXCLUSIVE };

	vm.cores[1] = 1;
	memset(vm.name, 0xff, sizeof(vm.name)); /* what is behind them */
	CHECK(registry_has_core(vm.cores, 64) && registry_holds_core(&vm, 64));
	CHECK(!registry_has_core(vm.cores, 63) && !registry_has_core(vm.cores, 65));
	/* A machine may have more cores than are told of. */
	CHECK(!registry_has_core(vm.cores, PINFOLD_GUARD_CORES));
	CHECK(!registry_has_core(vm.cores, UINT32_MAX));
	vm.flags |= PINFOLD_GUARD_RECLAIMED;
	CHECK(!registry_holds_core(&vm, 64));
	vm.flags = 0;
	CHECK(!registry_holds_core(&vm, 64));
}

static void is_full_until_the_dead_are_dropped(void)
{
	struct registry_vm vm;
	u32 cursor = 0;
	u64 id = 0;
	u32 met = 0;

	begin();
	for (u32 i = 0; i < PINFOLD_GUARD_VMS_MAX; i++) {
		CHECK_INT(add(1 + (i * 2731) % PINFOLD_GUARD_VMS_MAX, i, 1000), 0);
	}
	CHECK_INT(add(PINFOLD_GUARD_VMS_MAX + 1, PINFOLD_GUARD_VMS_MAX, 1000), -ENOSPC);
	for (; registry_next(&registry, id, &vm) == 0; id = vm.id) {
		CHECK_INT(vm.id, id + 1);
		met++;
	}
	CHECK_INT(met, PINFOLD_GUARD_VMS_MAX);
	CHECK_INT(registry_next(&registry, UINT64_MAX, &vm), -ENOENT);
	processes[1].is_gone = processes[4000].is_gone = true;
	CHECK_INT(registry_purge(&registry, &cursor, 4000, process_is_gone), 1);
	CHECK_INT(cursor, 4000);
	CHECK_INT(registry_purge(&registry, &cursor, 4096, process_is_gone), 1);
	CHECK_INT(cursor, 4000);
	CHECK_INT(processes[1].references, 0);
	CHECK_INT(add(PINFOLD_GUARD_VMS_MAX + 1, PINFOLD_GUARD_VMS_MAX, 1000), 0);
	end();
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "refuses what can not be", refuses_what_can_not_be },
		{ "enters, finds and removes", enters_finds_and_removes },
		{ "keeps id and process unique", keeps_id_and_process_unique },
		{ "keeps what was done when an entry is renewed",
		  keeps_what_was_done_when_an_entry_is_renewed },
		{ "is exclusive again only when a reclaim is known",
		  is_exclusive_again_only_when_a_reclaim_is_known },
		{ "marks only the process that was seen", marks_only_the_process_that_was_seen },
		{ "takes back only its own mark", takes_back_only_its_own_mark },
		{ "a mark that two made stays", a_mark_that_two_made_stays },
		{ "bans users but not root", bans_users_but_not_root },
		{ "shows every ban", shows_every_ban },
		{ "knows its cores", knows_its_cores },
		{ "is full until the dead are dropped", is_full_until_the_dead_are_dropped },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thousand VMs are registered, changed and dropped by ten threads, while others walk the table, mark what
 * they meet, ban and unban, and drop what has ended. To be run under ThreadSanitizer too.
 */
#include "core/registry.h"

#include <pthread.h>

#include "registry_world.h"
#include "test.h"

#define REGISTRARS 10
#define OWN_VMS	   100 /* of each registrar */
#define VMS	   (REGISTRARS * OWN_VMS)
#define ROUNDS	   (1000 / TEST_SLOWDOWN) /* at least */
#define ENOUGH	   (500 / TEST_SLOWDOWN)  /* of what the others do meanwhile */
#define UID	   1000u		  /* the first of 8 owners */

static struct registry_slot slots[PINFOLD_GUARD_VMS_MAX];
static struct registry registry;
static struct process processes[VMS];
static u32 bans_done, walks_done, marks_done, purged;
static bool is_over;

static struct pinfold_guard_vm own_vm(u32 n)
{
	struct pinfold_guard_vm vm = vm_of(n + 1, (s32)n + 1, n, UID + n % 8);

	for (size_t i = 0; i < ARRAY_SIZE(vm.cores); i++) {
		vm.cores[i] = n;
	}
	snprintf(vm.name, sizeof(vm.name), "vm-%u", n);
	return vm;
}

/* One VM comes, changes, and perhaps goes: removed, or its process ends. */
static void handle(u32 n, u32 round)
{
	struct process *process = &processes[n];
	struct pinfold_guard_vm vm = own_vm(n);
	int r;

	if (__atomic_load_n(&process->is_gone, __ATOMIC_SEQ_CST)) {
		if (__atomic_load_n(&process->references, __ATOMIC_SEQ_CST)) {
			return; /* not purged yet, so its memory stands for no other */
		}
		__atomic_store_n(&process->is_gone, false, __ATOMIC_SEQ_CST);
	}
	r = enter(&registry, &vm, process);
	CHECK(r == 0 || r == -EACCES);
	vm.flags = PINFOLD_GUARD_EXCLUSIVE;
	r = registry_update(&registry, &vm);
	CHECK(r == 0 || r == -ENOENT || r == -EBUSY);
	vm.flags = PINFOLD_GUARD_RECLAIMED;
	r = registry_update(&registry, &vm);
	CHECK(r == 0 || r == -ENOENT);
	if ((n + round) % 7 == 0) {
		r = registry_remove(&registry, n + 1);
		CHECK(r == 0 || r == -ENOENT);
	} else if ((n + round) % 11 == 0) {
		__atomic_store_n(&process->is_gone, true, __ATOMIC_SEQ_CST);
	}
}

static bool is_enough(const u32 *done)
{
	return __atomic_load_n(done, __ATOMIC_SEQ_CST) >= ENOUGH;
}

static void *registrar(void *arg)
{
	u32 first = (u32)(uintptr_t)arg * OWN_VMS;

	for (u32 round = 0; round < ROUNDS || !is_enough(&walks_done) || !is_enough(&bans_done) ||
			    !is_enough(&marks_done) || !is_enough(&purged);
	     round++) {
		for (u32 n = first; n < first + OWN_VMS; n++) {
			handle(n, round);
		}
	}
	return NULL;
}

/* An entry is whole: everything in it belongs to its id. */
static void check_whole(const struct registry_vm *vm)
{
	struct pinfold_guard_vm want = own_vm((u32)vm->id - 1);

	CHECK_INT(vm->pid, want.pid);
	CHECK_INT(vm->owner_uid, want.owner_uid);
	CHECK(vm->process == &processes[vm->id - 1]);
	CHECK(memcmp(vm->cores, want.cores, sizeof(vm->cores)) == 0);
	CHECK_STR(vm->name, want.name);
}

static bool goes_on(void)
{
	return !__atomic_load_n(&is_over, __ATOMIC_SEQ_CST);
}

static void *walker(void *arg)
{
	u32 flag = arg ? PINFOLD_GUARD_FROZEN : PINFOLD_GUARD_RECLAIMED;
	struct registry_undo undo;
	struct registry_vm vm;

	do {
		for (u64 id = 0; registry_next(&registry, id, &vm) == 0; id = vm.id) {
			CHECK(vm.id > id && vm.id <= VMS);
			check_whole(&vm);
			if (registry_mark(&registry, &vm, flag, 0, &undo) == 0) {
				__atomic_fetch_add(&marks_done, 1, __ATOMIC_SEQ_CST);
			}
		}
		__atomic_fetch_add(&walks_done, 1, __ATOMIC_SEQ_CST);
	} while (goes_on());
	return NULL;
}

/* How many VMs of a user a walk meets; they are dropped if is_dropped. */
static u32 walk_user(u32 uid, bool is_dropped)
{
	struct registry_vm vm;
	u32 met = 0;

	for (u64 id = 0; registry_next(&registry, id, &vm) == 0; id = vm.id) {
		if (vm.owner_uid == uid) {
			met++;
			if (is_dropped) {
				(void)registry_remove(&registry, vm.id);
			}
		}
	}
	return met;
}

/* Who is banned has no VM any more after one walk, whatever registrars do. */
static void *banner(void *arg)
{
	(void)arg;
	do {
		u32 uid = UID + __atomic_fetch_add(&bans_done, 1, __ATOMIC_SEQ_CST) % 8;

		CHECK_INT(registry_ban(&registry, uid), 0);
		(void)walk_user(uid, true);
		CHECK_INT(walk_user(uid, false), 0);
		CHECK_INT(registry_unban(&registry, uid), 0);
	} while (goes_on());
	return NULL;
}

static void *purger(void *arg)
{
	u32 cursor = 0;

	(void)arg;
	do {
		u32 n = registry_purge(&registry, &cursor, 100, process_is_gone);

		__atomic_fetch_add(&purged, n, __ATOMIC_SEQ_CST);
	} while (goes_on());
	return NULL;
}

static pthread_t run_thread(void *(*run)(void *), uintptr_t arg)
{
	pthread_t thread;

	BUG_ON(pthread_create(&thread, NULL, run, (void *)arg) != 0);
	return thread;
}

static void stays_whole_under_many_threads(void)
{
	pthread_t registrars[REGISTRARS], others[4];
	u64 generation;

	registry_init(&registry, slots, process_put);
	others[0] = run_thread(walker, 0);
	others[1] = run_thread(walker, 1);
	others[2] = run_thread(banner, 0);
	others[3] = run_thread(purger, 0);
	for (u32 i = 0; i < REGISTRARS; i++) {
		registrars[i] = run_thread(registrar, i);
	}
	for (u32 i = 0; i < REGISTRARS; i++) {
		pthread_join(registrars[i], NULL);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < ARRAY_SIZE(others); i++) {
		pthread_join(others[i], NULL);
	}
	registry_numbers(&registry, &generation, NULL, NULL);
	CHECK_INT(generation, 2 * bans_done + marks_done);
	registry_done(&registry);
	for (u32 i = 0; i < VMS; i++) {
		CHECK_INT(processes[i].references, 0);
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "stays whole under many threads", stays_whole_under_many_threads },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

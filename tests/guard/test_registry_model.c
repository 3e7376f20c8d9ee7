/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A million random operations on the registry and on a model of it that is too simple to be wrong: an array by
 * id. Processes end, and the memory that stood for them stands for others then, with the same pid.
 */
#include "core/registry.h"

#include "registry_world.h"
#include "test.h"

#define IDS	  6000 /* more than there is place for */
#define PROCESSES 6000
#define UIDS	  300 /* more than can be banned */
#define COPIES	  64

static struct registry_slot slots[PINFOLD_GUARD_VMS_MAX];
static struct registry registry;
static struct process processes[PROCESSES];
static u64 births[PROCESSES]; /* which process it stands for: its start */

static struct model_vm {
	bool is_used;
	struct registry_vm vm;
} model[IDS];

static u64 holder[PROCESSES]; /* id of the entry of this process, or 0 */
static bool is_banned[UIDS];
static u32 vms_count, bans_count;
static u64 generation, random_state;
static struct registry_vm copies[COPIES];
static u32 full_count, bans_full_count; /* how often there was no place */

static u32 random_below(u32 n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (u32)((random_state >> 33) % n);
}

/* The numbers that this run uses: few collide all the time, many fill the table. */
static u32 ids, used_processes;

static u64 random_id(void)
{
	return 1 + random_below(ids - 1);
}

static u32 process_number(const struct registry_vm *vm)
{
	return (u32)((const struct process *)vm->process - processes);
}

static void forget(u64 id)
{
	holder[process_number(&model[id].vm)] = 0;
	model[id].is_used = false;
	vms_count--;
}

static int model_add(const struct pinfold_guard_vm *said, u32 process)
{
	struct model_vm *m = &model[said->id];
	u32 flags = said->flags & PINFOLD_GUARD_EXCLUSIVE;

	if (is_banned[said->owner_uid]) {
		return -EACCES;
	}
	if (m->is_used ? process_number(&m->vm) != process : holder[process] != 0) {
		return -EEXIST;
	}
	if (!m->is_used && vms_count == PINFOLD_GUARD_VMS_MAX) {
		full_count++;
		return -ENOSPC;
	}
	if (m->is_used) {
		u32 guard = m->vm.flags &
			    (PINFOLD_GUARD_KILLED | PINFOLD_GUARD_FROZEN | PINFOLD_GUARD_RECLAIMED);

		flags = guard & PINFOLD_GUARD_RECLAIMED ? guard : guard | flags;
	}
	vms_count += !m->is_used;
	holder[process] = said->id;
	m->is_used = true;
	m->vm = (struct registry_vm){ .id = said->id,
				      .start_ticks = said->start_ticks,
				      .pid = said->pid,
				      .owner_uid = said->owner_uid,
				      .flags = flags,
				      .process = &processes[process] };
	memcpy(m->vm.cores, said->cores, sizeof(m->vm.cores));
	memcpy(m->vm.name, said->name, sizeof(m->vm.name));
	return 0;
}

static struct pinfold_guard_vm random_vm(u64 id, u32 process)
{
	/* Root's can't be banned: else too few would get in. */
	u32 uid = random_below(4) ? 0 : random_below(UIDS);
	struct pinfold_guard_vm vm = vm_of(id, (s32)process + 1, births[process], uid);

	vm.flags = random_below(16);
	vm.cores[random_below(16)] = random_state;
	snprintf(vm.name, sizeof(vm.name), "vm-%u", random_below(1000000));
	return vm;
}

static void try_add(void)
{
	u64 id = random_id();
	u32 process = random_below(used_processes);
	struct pinfold_guard_vm said;

	if (model[id].is_used && random_below(3) == 0) {
		process = process_number(&model[id].vm);
	}
	if (processes[process].is_gone && processes[process].references == 0) {
		processes[process].is_gone = false;
		births[process]++;
	}
	said = random_vm(id, process);
	CHECK_INT(registry_check(&said), 0);
	CHECK_INT(enter(&registry, &said, &processes[process]), model_add(&said, process));
}

static void try_update(void)
{
	u64 id = random_id();
	struct pinfold_guard_vm said = random_vm(id, 0);
	struct registry_vm *vm = &model[id].vm;
	bool is_exclusive = said.flags & PINFOLD_GUARD_EXCLUSIVE;
	int want = 0;

	if (!model[id].is_used) {
		want = -ENOENT;
	} else if (is_exclusive && vm->flags & PINFOLD_GUARD_RECLAIMED) {
		want = -EBUSY;
	}
	CHECK_INT(registry_update(&registry, &said), want);
	if (want == 0) {
		memcpy(vm->cores, said.cores, sizeof(vm->cores));
		if (said.flags & PINFOLD_GUARD_RECLAIMED) {
			vm->flags &= ~PINFOLD_GUARD_RECLAIMED;
		}
		vm->flags = is_exclusive ? vm->flags | 1u : vm->flags & ~1u;
	}
}

static void try_remove(void)
{
	u64 id = random_id();

	CHECK_INT(registry_remove(&registry, id), model[id].is_used ? 0 : -ENOENT);
	if (model[id].is_used) {
		forget(id);
	}
}

static void check_same(const struct registry_vm *got, const struct registry_vm *want)
{
	CHECK(got->id == want->id && got->start_ticks == want->start_ticks &&
	      got->pid == want->pid && got->owner_uid == want->owner_uid &&
	      got->flags == want->flags && got->process == want->process &&
	      memcmp(got->cores, want->cores, sizeof(got->cores)) == 0 &&
	      memcmp(got->name, want->name, sizeof(got->name)) == 0);
}

static void try_find(void)
{
	struct registry_vm vm;
	u64 id = random_id();
	int want = model[id].is_used ? 0 : -ENOENT;

	CHECK_INT(registry_find(&registry, id, &vm), want);
	if (want == 0) {
		check_same(&vm, &model[id].vm);
		copies[random_below(COPIES)] = vm;
	}
}

static void try_next(void)
{
	struct registry_vm vm;
	u64 after = random_id() - 1, next = after + 1;

	while (next < ids && !model[next].is_used) {
		next++;
	}
	CHECK_INT(registry_next(&registry, after, &vm), next < ids ? 0 : -ENOENT);
	if (next < ids) {
		check_same(&vm, &model[next].vm);
	}
}

static void try_mark(void)
{
	const struct registry_vm *copy = &copies[random_below(COPIES)];
	u32 set = random_below(16), clear = random_below(16);
	struct model_vm *m = &model[copy->id];
	bool is_same = copy->id && m->is_used && m->vm.process == copy->process &&
		       m->vm.start_ticks == copy->start_ticks;

	struct registry_undo undo;

	CHECK_INT(registry_mark(&registry, copy, set, clear, &undo), is_same ? 0 : -ENOENT);
	if (!is_same) {
		return;
	}
	generation++;
	if (random_below(3) == 0) {
		registry_unmark(&registry, copy, &undo);
		generation++;
	} else {
		m->vm.flags = (m->vm.flags & ~clear) | set;
	}
}

static void try_end_of_process(void)
{
	processes[random_below(used_processes)].is_gone = true;
}

static bool is_over(const struct registry_vm *vm)
{
	return process_is_gone(vm) && !(vm->flags & PINFOLD_GUARD_KILLED);
}

static void try_purge(void)
{
	u32 cursor = 0, want = 0;

	for (u64 id = 1; id < ids; id++) {
		if (model[id].is_used && is_over(&model[id].vm)) {
			forget(id);
			want++;
		}
	}
	CHECK_INT(registry_purge(&registry, &cursor, PINFOLD_GUARD_VMS_MAX, is_over), want);
}

static void try_ban(void)
{
	u32 uid = random_below(UIDS);
	int want = uid == 0				  ? -EPERM
		   : is_banned[uid]			  ? -EEXIST
		   : bans_count == PINFOLD_GUARD_BANS_MAX ? -ENOSPC
							  : 0;

	CHECK_INT(registry_ban(&registry, uid), want);
	bans_full_count += want == -ENOSPC;
	if (want == 0) {
		is_banned[uid] = true;
		bans_count++;
		generation++;
	}
}

static void try_unban(void)
{
	u32 uid = random_below(UIDS);

	CHECK_INT(registry_is_banned(&registry, uid), is_banned[uid]);
	CHECK_INT(registry_unban(&registry, uid), is_banned[uid] ? 0 : -ENOENT);
	if (is_banned[uid]) {
		is_banned[uid] = false;
		bans_count--;
		generation++;
	}
}

/* Everything that can be seen is as in the model. */
static void check_all(void)
{
	struct pinfold_guard_bans bans;
	struct registry_vm vm;
	u64 got_generation, id = 0;
	u32 got_vms, got_bans, at = 0, uid = 0;

	registry_numbers(&registry, &got_generation, &got_vms, &got_bans);
	CHECK_INT(got_generation, generation);
	CHECK_INT(got_vms, vms_count);
	CHECK_INT(got_bans, bans_count);
	registry_bans(&registry, &bans);
	CHECK_INT(bans.count, bans_count);
	CHECK_INT(bans.generation, generation);
	for (u32 want = 0; want < UIDS; want++) {
		if (is_banned[want]) {
			CHECK_INT(bans.uids[at++], want);
			CHECK_INT(registry_next_ban(&registry, (u64)uid + 1, &uid), 0);
			CHECK_INT(uid, want);
		}
	}
	CHECK_INT(registry_next_ban(&registry, (u64)uid + 1, &uid), -ENOENT);
	for (u64 want = 1; want < IDS; want++) {
		if (model[want].is_used) {
			CHECK_INT(registry_next(&registry, id, &vm), 0);
			check_same(&vm, &model[want].vm);
			id = vm.id;
		}
	}
	CHECK_INT(registry_next(&registry, id, &vm), -ENOENT);
	for (u32 p = 0; p < PROCESSES; p++) {
		CHECK_INT(processes[p].references, holder[p] ? 1 : 0);
	}
}

/* How often each is tried, of 1,000. */
static const struct {
	void (*run)(void);
	u32 weight;
} operations[] = {
	{ try_add, 440 },  { try_update, 100 },	       { try_remove, 20 }, { try_find, 150 },
	{ try_next, 100 }, { try_mark, 100 },	       { try_ban, 60 },	   { try_unban, 9 },
	{ try_purge, 1 },  { try_end_of_process, 20 },
};

static void operate(void)
{
	u32 n = random_below(1000);
	size_t i = 0;

	while (n >= operations[i].weight) {
		n -= operations[i++].weight;
	}
	operations[i].run();
}

static void run(u64 seed, u32 run_ids, u32 run_processes, u32 count)
{
	memset(slots, 0, sizeof(slots));
	memset(processes, 0, sizeof(processes));
	memset(model, 0, sizeof(model));
	memset(holder, 0, sizeof(holder));
	memset(is_banned, 0, sizeof(is_banned));
	memset(copies, 0, sizeof(copies));
	vms_count = bans_count = 0;
	generation = 0;
	random_state = seed;
	ids = run_ids;
	used_processes = run_processes;
	registry_init(&registry, slots, process_put);
	for (u32 i = 0; i < count && !test_failures; i++) {
		operate();
		if (i % (count / 50) == 0) {
			check_all();
		}
	}
	check_all();
	registry_done(&registry);
	for (u32 p = 0; p < PROCESSES; p++) {
		CHECK_INT(processes[p].references, 0);
	}
}

static void is_like_its_model_with_few_vms(void)
{
	for (u64 seed = 1; seed <= 10; seed++) {
		run(seed * 0x9e3779b97f4a7c15u, 40, 50, 100000);
	}
}

static void is_like_its_model_with_many_vms(void)
{
	full_count = bans_full_count = 0;
	run(0x853c49e6748fea9bu, IDS, PROCESSES, 300000);
	CHECK(full_count > 100);
	CHECK(bans_full_count > 100);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "is like its model with few VMs", is_like_its_model_with_few_vms },
		{ "is like its model with many VMs", is_like_its_model_with_many_vms },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

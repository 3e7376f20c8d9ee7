// SPDX-License-Identifier: GPL-2.0
#include "registry.h"

/* The guard's own flags: user space can't set or clear them. */
#define GUARD_FLAGS (PINFOLD_GUARD_KILLED | PINFOLD_GUARD_FROZEN | PINFOLD_GUARD_RECLAIMED)

static u64 key_of(const struct registry_vm *vm, enum registry_key key)
{
	return key == REGISTRY_BY_ID ? vm->id : (uintptr_t)vm->process;
}

/* How many entries have a smaller key: where the one with this key is, or would be. */
static u32 position(const struct registry *r, enum registry_key key, u64 value)
{
	u32 from = 0, to = r->count;

	while (from < to) {
		u32 middle = (from + to) / 2;

		if (key_of(&r->slots[r->order[key][middle]].vm, key) < value)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static struct registry_slot *find(const struct registry *r, enum registry_key key, u64 value)
{
	u32 at = position(r, key, value);
	struct registry_slot *slot;

	if (at == r->count)
		return NULL;
	slot = &r->slots[r->order[key][at]];
	return key_of(&slot->vm, key) == value ? slot : NULL;
}

static void insert(struct registry *r, const struct registry_vm *vm)
{
	u16 slot = r->order[REGISTRY_BY_ID][r->count];

	for (enum registry_key key = 0; key < REGISTRY_KEYS; key++) {
		u32 at = position(r, key, key_of(vm, key));
		u16 *place = &r->order[key][at];

		memmove(place + 1, place, (r->count - at) * sizeof(*place));
		*place = slot;
	}
	r->slots[slot] = (struct registry_slot){ .used = true, .vm = *vm };
	r->count++;
}

/* Takes an entry out. The reference that it had is the caller's now, to be put without the lock. */
static void *take_out(struct registry *r, struct registry_slot *slot)
{
	for (enum registry_key key = 0; key < REGISTRY_KEYS; key++) {
		u32 at = position(r, key, key_of(&slot->vm, key));
		u16 *place = &r->order[key][at];

		memmove(place, place + 1, (r->count - at - 1) * sizeof(*place));
	}
	slot->used = false;
	r->count--;
	r->order[REGISTRY_BY_ID][r->count] = (u16)(slot - r->slots);
	return slot->vm.process;
}

void registry_init(struct registry *r, struct registry_slot *slots, void (*put)(void *process))
{
	memset(r, 0, sizeof(*r));
	port_lock_init(&r->lock);
	r->slots = slots;
	r->put = put;
	for (u16 i = 0; i < PINFOLD_GUARD_VMS_MAX; i++)
		r->order[REGISTRY_BY_ID][i] = i;
}

void registry_done(struct registry *r)
{
	while (r->count)
		r->put(take_out(r, &r->slots[r->order[REGISTRY_BY_ID][r->count - 1]]));
}

static bool is_name(const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < size && name[i]; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return i > 0 && i < size;
}

int registry_check(const struct pinfold_guard_vm *said)
{
	if (said->revision != PINFOLD_GUARD_REVISION)
		return -EPROTO;
	if ((said->flags & ~(PINFOLD_GUARD_EXCLUSIVE | GUARD_FLAGS)) || !said->id ||
	    said->pid <= 0 || said->owner_uid == (u32)-1 ||
	    !is_name(said->name, sizeof(said->name)))
		return -EINVAL;
	return 0;
}

/* Everything but the process. An entry that was reclaimed does not become exclusive by being renewed. */
static void take_over(struct registry_vm *vm, const struct pinfold_guard_vm *said)
{
	vm->id = said->id;
	vm->start_ticks = said->start_ticks;
	vm->pid = said->pid;
	vm->owner_uid = said->owner_uid;
	vm->flags &= GUARD_FLAGS;
	if (!(vm->flags & PINFOLD_GUARD_RECLAIMED))
		vm->flags |= said->flags & PINFOLD_GUARD_EXCLUSIVE;
	memcpy(vm->cores, said->cores, sizeof(vm->cores));
	memset(vm->name, 0, sizeof(vm->name));
	memcpy(vm->name, said->name, strnlen(said->name, sizeof(vm->name) - 1));
}

/* The number of users banned that are smaller: where this one is, or would be. */
static u32 ban_position(const struct registry *r, u32 uid)
{
	u32 from = 0, to = r->bans_count;

	while (from < to) {
		u32 middle = (from + to) / 2;

		if (r->bans[middle] < uid)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool is_banned_at(const struct registry *r, u32 at, u32 uid)
{
	return at < r->bans_count && r->bans[at] == uid;
}

static int add_locked(struct registry *r, const struct pinfold_guard_vm *said, void *process,
		      bool *ret_renewed)
{
	struct registry_vm vm = { .process = process };
	struct registry_slot *slot = find(r, REGISTRY_BY_ID, said->id);

	if (is_banned_at(r, ban_position(r, said->owner_uid), said->owner_uid))
		return -EACCES;
	if (slot && slot->vm.process == process) {
		take_over(&slot->vm, said);
		*ret_renewed = true;
		return 0;
	}
	if (slot || find(r, REGISTRY_BY_PROCESS, (uintptr_t)process))
		return -EEXIST;
	if (r->count == PINFOLD_GUARD_VMS_MAX)
		return -ENOSPC;
	take_over(&vm, said);
	insert(r, &vm);
	return 0;
}

int registry_add(struct registry *r, const struct pinfold_guard_vm *said, void *process)
{
	bool is_renewed = false;
	int ret;

	port_lock(&r->lock);
	ret = add_locked(r, said, process, &is_renewed);
	port_unlock(&r->lock);
	if (is_renewed)
		r->put(process);
	return ret;
}

static int update_locked(struct registry *r, const struct pinfold_guard_vm *said)
{
	struct registry_slot *slot = find(r, REGISTRY_BY_ID, said->id);
	u32 exclusive = said->flags & PINFOLD_GUARD_EXCLUSIVE;

	if (!slot)
		return -ENOENT;
	if (exclusive && slot->vm.flags & PINFOLD_GUARD_RECLAIMED)
		return -EBUSY;
	slot->vm.flags &= ~(PINFOLD_GUARD_EXCLUSIVE | (said->flags & PINFOLD_GUARD_RECLAIMED));
	slot->vm.flags |= exclusive;
	memcpy(slot->vm.cores, said->cores, sizeof(slot->vm.cores));
	return 0;
}

int registry_update(struct registry *r, const struct pinfold_guard_vm *said)
{
	int ret;

	port_lock(&r->lock);
	ret = update_locked(r, said);
	port_unlock(&r->lock);
	return ret;
}

int registry_remove(struct registry *r, u64 id)
{
	struct registry_slot *slot;
	void *process = NULL;

	port_lock(&r->lock);
	slot = find(r, REGISTRY_BY_ID, id);
	if (slot)
		process = take_out(r, slot);
	port_unlock(&r->lock);
	if (!slot)
		return -ENOENT;
	r->put(process);
	return 0;
}

int registry_find(struct registry *r, u64 id, struct registry_vm *ret)
{
	const struct registry_slot *slot;

	port_lock(&r->lock);
	slot = find(r, REGISTRY_BY_ID, id);
	if (slot)
		*ret = slot->vm;
	port_unlock(&r->lock);
	return slot ? 0 : -ENOENT;
}

int registry_next(struct registry *r, u64 after, struct registry_vm *ret)
{
	int found = -ENOENT;
	u32 at;

	if (after == (u64)-1)
		return -ENOENT;
	port_lock(&r->lock);
	at = position(r, REGISTRY_BY_ID, after + 1);
	if (at < r->count) {
		*ret = r->slots[r->order[REGISTRY_BY_ID][at]].vm;
		found = 0;
	}
	port_unlock(&r->lock);
	return found;
}

bool registry_is_same(const struct registry_vm *a, const struct registry_vm *b)
{
	return a->process == b->process && a->pid == b->pid && a->start_ticks == b->start_ticks;
}

bool registry_has_core(const u64 *cores, u64 core)
{
	return core < PINFOLD_GUARD_CORES && cores[core / 64] >> (core % 64) & 1;
}

bool registry_is_alone(const struct registry_vm *vm)
{
	return (vm->flags & (PINFOLD_GUARD_EXCLUSIVE | PINFOLD_GUARD_RECLAIMED)) ==
	       PINFOLD_GUARD_EXCLUSIVE;
}

bool registry_holds_core(const struct registry_vm *vm, u64 core)
{
	return registry_has_core(vm->cores, core) && registry_is_alone(vm);
}

/* The entry that a copy was made of, if it still is the same process. */
static struct registry_slot *find_same(const struct registry *r, const struct registry_vm *vm)
{
	struct registry_slot *slot = find(r, REGISTRY_BY_ID, vm->id);

	return slot && registry_is_same(&slot->vm, vm) ? slot : NULL;
}

int registry_mark(struct registry *r, const struct registry_vm *vm, u32 set, u32 clear,
		  struct registry_undo *ret_undo)
{
	u32 mask = set | clear;
	struct registry_slot *slot;

	port_lock(&r->lock);
	slot = find_same(r, vm);
	if (slot) {
		slot->marked = ++r->generation;
		*ret_undo = (struct registry_undo){ slot->marked, slot->vm.flags & mask, mask };
		slot->vm.flags = (slot->vm.flags & ~clear) | set;
	}
	port_unlock(&r->lock);
	return slot ? 0 : -ENOENT;
}

void registry_unmark(struct registry *r, const struct registry_vm *vm,
		     const struct registry_undo *undo)
{
	struct registry_slot *slot;

	port_lock(&r->lock);
	slot = find_same(r, vm);
	if (slot && slot->marked == undo->marked) {
		slot->vm.flags = (slot->vm.flags & ~undo->mask) | undo->flags;
		r->generation++;
	}
	port_unlock(&r->lock);
}

u32 registry_purge(struct registry *r, u32 *cursor, u32 max,
		   bool (*is_gone)(const struct registry_vm *vm))
{
	u32 dropped = 0;

	while (max--) {
		struct registry_slot *slot = &r->slots[*cursor % PINFOLD_GUARD_VMS_MAX];
		void *process = NULL;
		bool is_unwanted;

		*cursor = (*cursor + 1) % PINFOLD_GUARD_VMS_MAX;
		port_lock(&r->lock);
		is_unwanted = slot->used && is_gone(&slot->vm);
		if (is_unwanted)
			process = take_out(r, slot);
		port_unlock(&r->lock);
		if (is_unwanted) {
			r->put(process);
			dropped++;
		}
	}
	return dropped;
}

static int ban_locked(struct registry *r, u32 uid)
{
	u32 at = ban_position(r, uid);
	u32 *place = &r->bans[at];

	if (is_banned_at(r, at, uid))
		return -EEXIST;
	if (r->bans_count == PINFOLD_GUARD_BANS_MAX)
		return -ENOSPC;
	memmove(place + 1, place, (r->bans_count - at) * sizeof(*place));
	*place = uid;
	r->bans_count++;
	r->generation++;
	return 0;
}

int registry_ban(struct registry *r, u32 uid)
{
	int ret;

	if (uid == 0)
		return -EPERM;
	port_lock(&r->lock);
	ret = ban_locked(r, uid);
	port_unlock(&r->lock);
	return ret;
}

int registry_unban(struct registry *r, u32 uid)
{
	int ret = -ENOENT;
	u32 at;

	port_lock(&r->lock);
	at = ban_position(r, uid);
	if (is_banned_at(r, at, uid)) {
		u32 *place = &r->bans[at];

		memmove(place, place + 1, (r->bans_count - at - 1) * sizeof(*place));
		r->bans_count--;
		r->generation++;
		ret = 0;
	}
	port_unlock(&r->lock);
	return ret;
}

bool registry_is_banned(struct registry *r, u32 uid)
{
	bool is_banned;

	port_lock(&r->lock);
	is_banned = is_banned_at(r, ban_position(r, uid), uid);
	port_unlock(&r->lock);
	return is_banned;
}

int registry_next_ban(struct registry *r, u64 first, u32 *ret_uid)
{
	int ret = -ENOENT;
	u32 at;

	if (first > ~0u)
		return -ENOENT;
	port_lock(&r->lock);
	at = ban_position(r, (u32)first);
	if (at < r->bans_count) {
		*ret_uid = r->bans[at];
		ret = 0;
	}
	port_unlock(&r->lock);
	return ret;
}

void registry_bans(struct registry *r, struct pinfold_guard_bans *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->revision = PINFOLD_GUARD_REVISION;
	port_lock(&r->lock);
	ret->count = r->bans_count;
	ret->generation = r->generation;
	memcpy(ret->uids, r->bans, r->bans_count * sizeof(*r->bans));
	port_unlock(&r->lock);
}

void registry_numbers(struct registry *r, u64 *ret_generation, u32 *ret_vms, u32 *ret_bans)
{
	port_lock(&r->lock);
	if (ret_generation)
		*ret_generation = r->generation;
	if (ret_vms)
		*ret_vms = r->count;
	if (ret_bans)
		*ret_bans = r->bans_count;
	port_unlock(&r->lock);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMs that the guard knows, and the users that it has banned. A fixed table; every function takes
 * the lock itself and may be called from any context. An entry follows a process: the kernel side keeps
 * a reference to it as @process, which this code only stores, compares and hands back.
 *
 * An entry outlives its process until it is removed, or registry_purge() drops it.
 *
 * Entries are found by binary search in two sorted arrays of slot numbers: 12 steps with a full table.
 * Entering and removing move at most 16 KiB, so the lock is held for microseconds at most.
 */
#ifndef PINFOLD_GUARD_REGISTRY_H
#define PINFOLD_GUARD_REGISTRY_H

#include "../uapi/pinfold_guard.h"
#include "port.h"

/* An entry as it is handed out: a copy, with no reference held. */
struct registry_vm {
	u64 id, start_ticks;
	s32 pid;
	u32 owner_uid;
	u32 flags; /* PINFOLD_GUARD_EXCLUSIVE ... */
	u64 cores[PINFOLD_GUARD_CORES / 64];
	char name[PINFOLD_GUARD_NAME_BYTES];
	void *process; /* the kernel's struct pid; valid as long as the entry is, or under its own rules */
};

struct registry_slot {
	bool used;
	u64 marked; /* the generation that the last registry_mark() made */
	struct registry_vm vm;
};

/* How to take a mark back. */
struct registry_undo {
	u64 marked;
	u32 flags, mask; /* what was there before, of the flags that were set or cleared */
};

/* What entries are sorted and found by. */
enum registry_key { REGISTRY_BY_ID, REGISTRY_BY_PROCESS, REGISTRY_KEYS };

struct registry {
	struct port_lock lock;
	u64 generation; /* see struct pinfold_guard_state */
	u32 count, bans_count;
	u32 bans[PINFOLD_GUARD_BANS_MAX]; /* sorted */
	struct registry_slot *slots;	  /* the caller's memory, PINFOLD_GUARD_VMS_MAX of them */
	/* The first count are used slots, sorted; behind them, by id only, the free ones. */
	u16 order[REGISTRY_KEYS][PINFOLD_GUARD_VMS_MAX];
	void (*put)(void *process); /* gives a reference back; called without the lock */
};

/** Begin with nothing registered. @param slots PINFOLD_GUARD_VMS_MAX zeroed slots, the caller's */
void registry_init(struct registry *r, struct registry_slot *slots, void (*put)(void *process));

/** Give every reference back. Nothing may use the registry any more. */
void registry_done(struct registry *r);

/**
 * Whether what user space says of a VM can be true at all: revision, flags, id, pid, owner, name. The guard's
 * own flags are let pass, and not taken by anything below.
 * @return 0; -EPROTO: other revision; -EINVAL
 */
int registry_check(const struct pinfold_guard_vm *said);

/**
 * Enter a VM, or renew the entry of the same one (same id and process). A renewed entry keeps what was done
 * to it: it is not exclusive again if it was reclaimed.
 * @param said	  checked by registry_check()
 * @param process a reference that the registry takes over when it returns 0, and only then; a renewed entry
 *		  keeps the one that it has and gives this one back
 * @return 0; -EACCES: the owner is banned; -EEXIST: the id or the process belongs to another entry; -ENOSPC
 */
int registry_add(struct registry *r, const struct pinfold_guard_vm *said, void *process);

/**
 * Change cores and EXCLUSIVE of an entry. RECLAIMED without EXCLUSIVE says that the reclaim is known, and clears it.
 * @return 0; -ENOENT; -EBUSY: it was reclaimed, and can't be exclusive before that is known
 */
int registry_update(struct registry *r, const struct pinfold_guard_vm *said);

/** Drop an entry. @return 0; -ENOENT */
int registry_remove(struct registry *r, u64 id);

/** Copy an entry. @return 0; -ENOENT */
int registry_find(struct registry *r, u64 id, struct registry_vm *ret);

/**
 * Copy the entry with the smallest id that is larger than @p after. The way to walk the table without
 * holding its lock: what comes and goes meanwhile may or may not be met.
 * @return 0; -ENOENT: no more
 */
int registry_next(struct registry *r, u64 after, struct registry_vm *ret);

/**
 * Set and clear flags of an entry, if it still is the same process; counts as a change.
 * @param vm	   an earlier copy
 * @param ret_undo for registry_unmark()
 * @return 0; -ENOENT: gone, or another process
 */
int registry_mark(struct registry *r, const struct registry_vm *vm, u32 set, u32 clear,
		  struct registry_undo *ret_undo);

/**
 * Take a mark back, unless somebody else has marked the entry since: what he found and did counts on it. Counts
 * as a change.
 * @param vm as it was given to registry_mark()
 */
void registry_unmark(struct registry *r, const struct registry_vm *vm,
		     const struct registry_undo *undo);

/**
 * Look at up to @p max slots, beginning at *cursor, which moves on, and drop the entries of which @p is_gone
 * says that they are over: the process has ended and nobody need be told how (KILLED is kept for the daemon).
 * The lock is held for one slot at a time.
 * @param is_gone called with the lock held: must not wait
 * @return how many were dropped
 */
u32 registry_purge(struct registry *r, u32 *cursor, u32 max,
		   bool (*is_gone)(const struct registry_vm *vm));

/** @return 0; -EEXIST: is banned; -ENOSPC; -EPERM: root can't be banned */
int registry_ban(struct registry *r, u32 uid);

/** @return 0; -ENOENT: is not banned */
int registry_unban(struct registry *r, u32 uid);

/** Whether this user is banned. */
bool registry_is_banned(struct registry *r, u32 uid);

/** The smallest banned user from @p first on. @return 0; -ENOENT: none */
int registry_next_ban(struct registry *r, u64 first, u32 *ret_uid);

/** The list of banned users with its generation. */
void registry_bans(struct registry *r, struct pinfold_guard_bans *ret);

/**
 * Whether copies are of the same process. A reference may have been put, and its address used again: pid and start tell
 * processes apart.
 */
bool registry_is_same(const struct registry_vm *a, const struct registry_vm *b);

/** Whether a core is in a set of PINFOLD_GUARD_CORES. Any number may be asked for. */
bool registry_has_core(const u64 *cores, u64 core);

/** Whether the VM has its cores for itself. */
bool registry_is_alone(const struct registry_vm *vm);

/** Whether the VM has this core for itself. */
bool registry_holds_core(const struct registry_vm *vm, u64 core);

/** Numbers for PINFOLD_GUARD_STATE. Either may be NULL. */
void registry_numbers(struct registry *r, u64 *ret_generation, u32 *ret_vms, u32 *ret_bans);

#endif

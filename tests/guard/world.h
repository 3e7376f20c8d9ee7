/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guard's dialogues act on, without a kernel: processes, cores, a clock, a token, two terminals.
 * Everything is the test's to change; what ops did can be counted.
 */
#ifndef PINFOLD_TESTS_GUARD_WORLD_H
#define PINFOLD_TESTS_GUARD_WORLD_H

#include "core/session.h"

#define WORLD_PROCESSES 64
#define WORLD_CORES	6
#define WORLD_S		1000000000ull
#define WORLD_PHRASE	"sesame open"
#define WORLD_SCREENS	4
#define WORLD_RING	256

struct process {
	u64 vm_id;
	s32 pid;
	u64 start_ticks;
	u32 core; /* where it runs */
	u64 cpu_ns;
	bool is_held; /* the registry has an entry of it */
	bool is_alive, is_frozen;
	bool is_stubborn;  /* what is done to it has no effect in time */
	bool is_immovable; /* move fails */
};

/* A thread that is a terminal, or was: its dialogue, and what it showed. */
struct screen {
	struct session session;
	bool is_on;
	char text[1 << 16]; /* everything since world_clear() */
	size_t used;
};

struct world {
	struct guard guard;
	struct process processes[WORLD_PROCESSES];
	struct screen screens[WORLD_SCREENS]; /* an even number is terminal A's, an odd one B's */
	u8 holders[2];			      /* screens whose threads are the terminals */
	u64 now_ns, token, random;
	bool is_keyed, has_phrase;
	u32 kills, freezes, thaws, moves, deeds; /* deeds: all of them */
	int fails_with;				 /* kill, freeze and thaw fail so; 0: not */
	void (*in_op)(void *); /* called once in the next op that acts: what happens meanwhile */
	void *in_op_ctx;
	void (*in_look)(void);			       /* the same, when is_on_core is asked */
	void (*on_deed)(const struct registry_vm *vm); /* called in each op that acts */
	void (*on_record)(const struct pinfold_guard_record *r);
};

extern struct world world;
extern const unsigned char world_key[32];

/** Begin anew: no VMs, nobody awake. */
void world_begin(void);

/** A VM that runs on a core. @return its process */
struct process *world_add(u64 id, const char *name, u32 uid, u32 core, bool is_exclusive);

/** A thread becomes its terminal and begins a dialogue; the one that was it is given up. */
void world_wake(u8 screen, char channel, const char *source);

/** Type a byte, let time pass (a tick, whether due or not). */
void world_byte(u8 screen, u8 byte);
void world_tick(u8 screen);

/** Type a string, and tick while something is under way. */
void world_type(u8 screen, const char *bytes);

/** Answer the last challenge shown on screen @p asked, on @p screen, rightly, with Enter. */
void world_answer(u8 screen, u8 asked);

/** The right answer to the last challenge on a screen. @return false: there is none */
bool world_right_answer(u8 screen, char ret[15]);

/** Forget what a screen showed. */
void world_clear(u8 screen);

/** Copy the record with this number. @return whether there is one */
bool world_record(u64 seq, struct pinfold_guard_record *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract for a host emitter: IR blocks become host code. One host is compiled in, by file (emit/x64/).
 * docs/porting-dbt.md says what a new one owes.
 *
 * Translated code sees one struct emit_env per vCPU, right before the guest CPU's state:
 *
 *        host base register --v
 *   | struct emit_env         | guest CPU state: offsets of struct ir_reg |
 *
 * and keeps to one static map for all blocks, so that any block may jump to any other with nothing in between: the
 * guest registers of the best rank live in host registers, the rest in the guest CPU's state. Translated code is
 * entered through emit_enter() and comes back from it with all registers in memory and env->pc, env->exit set.
 *
 * Budget: guest instructions that may still be executed are counted down in a host register. A block charges all of its
 * instructions at its entry, and leaves at once with EMIT_EXIT_BUDGET, uncharged, when that would take it below zero; a
 * block left in its middle (fault, STEP, helper) gives back what it did not execute. So env->budget is exact at every
 * exit, in helpers and in emit_ops.access.
 *
 * Memory: guest addresses are reached at env->window + address. An address outside [-2^window_bits, 2^window_bits) is
 * caught by a check (once per base register and block where possible) and ends with EMIT_EXIT_STEP, everything else is
 * up to the host's MMU: the window is reserved address space in which only permitted guest pages are mapped, and
 * EMIT_WINDOW_SLACK bytes before and behind it are never mapped. An access that it refuses ends in emit_ops.access: for
 * a device, a page not yet mapped, a fault. An access with IR_SOFT looks its page up in env->pages instead, where its
 * owner enters pages that lie in the window; what is not there, or misaligned, ends with EMIT_EXIT_LOAD or _STORE.
 *
 * Returns: calls leave the host address to come back to on a stack of the emitter's own, so that a guest return is a
 * host return. What is found there is compared with the guest's address, but an address means other code in another
 * mode or address space: see emit_returns_forget().
 *
 * Threads: an emitter belongs to one thread; emit_on_signal() and emit_interrupt() run in its signal handlers, which
 * must be on an alternate stack (SA_ONSTACK): translated code has no stack for them. The signal behind emit_interrupt()
 * must be blocked while emit_on_signal() runs (sa_mask).
 */
#ifndef PINFOLD_ENGINE_DBT_EMIT_EMIT_H
#define PINFOLD_ENGINE_DBT_EMIT_EMIT_H

#include <signal.h>

#include "base/errmsg.h"
#include "engine/dbt/ir/ir_region.h"

/** Why translated code came back. */
enum emit_exit {
	EMIT_EXIT_BUDGET, /* env->pc has not been executed: the budget is too small for its block, or was taken away */
	EMIT_EXIT_JUMP, /* env->pc is where to go on; env->link says which exit could be linked, or is NULL */
	EMIT_EXIT_INDIRECT, /* the same, from a JUMP_REG whose target the table did not know */
	EMIT_EXIT_STEP,	    /* interpret the instruction at env->pc */
	EMIT_EXIT_HELPER, /* a helper asked for it; env->pc is behind or at its instruction, as it said */
	EMIT_EXIT_ACCESS, /* emit_ops.access asked for it; env->pc is at the instruction, nothing of it has happened */
	EMIT_EXIT_LOAD,	 /* the same, of a LOAD with IR_SOFT at env->access_gva */
	EMIT_EXIT_STORE, /* of a STORE */
};

/** What the window's owner did about an access that the window did not serve. */
enum emit_access_result {
	EMIT_ACCESS_DONE,  /* carried out: value holds what was loaded */
	EMIT_ACCESS_RETRY, /* the page is mapped now */
	EMIT_ACCESS_LEAVE, /* end the run at this instruction: the caller knows why */
};

/** An access to guest memory. */
struct emit_access {
	uint64_t address; /* guest virtual */
	uint64_t value;	  /* to be stored, or loaded: zero-extended */
	uint8_t bytes;	  /* 1, 2, 4, 8 */
	bool is_write;
};

/** How a helper ended. */
enum emit_helper_result {
	EMIT_HELPER_NEXT,  /* go on behind its operation */
	EMIT_HELPER_LEAVE, /* end the run: it has set env->pc, its instruction counts as executed */
	EMIT_HELPER_UNDO, /* end the run at env->pc; its instruction has not happened, or does not count */
};

struct emit_env;

/**
 * A helper: guest registers are in memory while it runs, env->pc is at its instruction, which env->budget and
 * env->insns don't count yet. It does not change the budget.
 */
typedef enum emit_helper_result (*emit_helper_fn)(struct emit_env *env, uint64_t a, uint64_t b,
						  uint64_t *ret);

/** An entry of the table for indirect jumps. */
struct emit_jump {
	uint64_t pc;
	const void *code;
};

#define EMIT_JUMPS 4096u

/** A pc that no JUMP_REG goes to, for empty entries. */
#define EMIT_JUMP_EMPTY UINT64_MAX

/** An entry of the table of pages. Whoever may not use the page in a way finds another one's address there. */
struct emit_page {
	gva_t read, write; /* its address; emit_page_none() */
	uint8_t *host;
	uint64_t bytes; /* the owner's */
};

#define EMIT_PAGES 256u

/** Head of a guest CPU as translated code knows it; the guest's state follows at once. */
struct emit_env {
	void *opaque; /* the engine */
	uint64_t pc;
	int64_t budget; /* at least 0; below 2^60 */
	uint64_t insns; /* guest instructions executed, ever; kept by the emitter from the budget */
	void *link;	/* of EMIT_EXIT_JUMP: for emit_link() */
	uint64_t
		link_pc; /* of EMIT_EXIT_JUMP with a link: first instruction of the block that was left */
	uint8_t *window;	       /* host address of guest address 0 of the current mode */
	const struct emit_jump *jumps; /* table for JUMP_REG: EMIT_JUMPS entries */
	const emit_helper_fn *helpers;
	const struct emit_page *pages; /* table for accesses with IR_SOFT: EMIT_PAGES entries */
	gva_t access_gva;	       /* of EMIT_EXIT_LOAD and _STORE */
	uint32_t exit;		       /* enum emit_exit */
	uint32_t
		fp_control; /* host's form of the guest's rounding mode and flags while its code runs */
	_Alignas(16) uint64_t scratch[28]; /* the emitter's own */
};

/** What the emitter calls back. */
struct emit_ops {
	/**
	 * An access that the window did not serve; in the signal handler. The guest's registers are in memory, as before the
	 * instruction at env->pc, which budget and insns don't count yet. With EMIT_ACCESS_LEAVE it may change them (and env->pc).
	 * It emits no block, but may kill some. What lies outside the window (but within its slack) it never carries out
	 * and never asks to try again.
	 */
	enum emit_access_result (*access)(struct emit_env *env, struct emit_access *a);
};

/** What is never mapped before and behind a window, and around what its bits can address. */
#define EMIT_WINDOW_SLACK (1ULL << 31)

/** What an emitter is made from. */
struct emit_config {
	const struct ir_reg *regs;
	size_t n_regs;
	const struct emit_ops *ops;
	uint8_t window_bits;	/* windows reach from -2^bits to 2^bits; 33 to 46 */
	uint8_t *code_rw;	/* the code memory, writable ... */
	const uint8_t *code_rx; /* ... and executable, the same pages */
	size_t code_bytes;	/* at least 256 KiB, at most 1 GiB */
};

struct emitter;

/** Whether this host has the instructions that the emitter uses. @return 0; -ENOTSUP with a sentence */
int emitter_probe(struct errmsg *e);

/** @return 0; -ENOTSUP the host lacks an instruction set extension (said in @p e); -EINVAL, -ENOMEM */
int emitter_new(const struct emit_config *cfg, struct emitter **ret, struct errmsg *e);

/** Accepts NULL. */
void emitter_free(struct emitter *em);

/** A translated block. */
struct emit_code {
	const void *entry;
	size_t bytes;
};

/**
 * Translate a block that ir_block_check() would admit.
 * @return 0; -ENOSPC when the code memory is full: emitter_reset(), and try again
 */
int emit_block(struct emitter *em, const struct ir_block *b, struct emit_code *ret);

/**
 * Translate a region: its blocks, one after the other, and the edges between them. Like a block it charges, at each
 * block's entry, that block's instructions, and every way out of it can be linked.
 * @param r	  connected, its blocks checked
 * @param fallback where to go on when a guard of r->entry fails: code for the same address
 * @return 0; -ENOSPC when the code memory is full
 */
int emit_region(struct emitter *em, const struct ir_region *r, const void *fallback,
		struct emit_code *ret);

/** Make an exit (env->link of EMIT_EXIT_JUMP) jump straight to @p code from now on; NULL: leave again. */
void emit_link(struct emitter *em, void *link, const void *code);

/**
 * Make an exit look its target up in env->jumps from now on, like a JUMP_REG: for targets whose meaning may change. A
 * target that the table does not know ends with EMIT_EXIT_INDIRECT. emit_link() undoes it.
 * @return 0; -ENOSPC when the code memory is full: the exit is as it was
 */
int emit_link_lookup(struct emitter *em, void *link);

/**
 * Nothing enters the block at @p code any more, whatever is linked to it: it leaves with EMIT_EXIT_JUMP, env->pc at its
 * first instruction and no link. A run that is inside of it goes on to its end.
 */
void emit_kill(struct emitter *em, const void *code);

/** Whatever enters the block at @p code enters that at @p now from now on: another translation of the same. */
void emit_redirect(struct emitter *em, const void *code, const void *now);

/** Forget all code: nothing that was emitted may run any more. Entries of jump tables are the caller's. */
void emitter_reset(struct emitter *em);

/**
 * Forget where calls would return to. To be called whenever addresses may stand for other code than before: another
 * mode or address space, another env with its own.
 */
void emit_returns_forget(struct emitter *em);

/**
 * Run translated code until it exits; see struct emit_env.
 * @param env with pc, budget, window, jumps, helpers, fp_control set and the registers in memory
 */
void emit_enter(struct emitter *em, struct emit_env *env, const void *code);

/**
 * Take the budget of a run that is under way (or else of the next one) away, so that it ends with EMIT_EXIT_BUDGET
 * soon, env->budget being exact. From a signal handler of its thread.
 */
void emit_interrupt(struct emitter *em, ucontext_t *uc);

/**
 * A SIGSEGV or SIGBUS: serve it if it was an access of translated code.
 * @return false: it was something else
 */
bool emit_on_signal(struct emitter *em, siginfo_t *info, ucontext_t *uc);

/** Slot of a guest address in struct emit_env.pages. */
static inline uint32_t emit_page_slot(gva_t gva)
{
	return (uint32_t)(gva / PAGE_BYTES) & (EMIT_PAGES - 1);
}

/** The address of a page that is never looked up in a slot: 0, if the slot is not 0. */
static inline gva_t emit_page_none(uint32_t slot)
{
	return slot ? 0 : PAGE_BYTES;
}

/** Part of what an emitter has made: @p n elements of @p size bytes, room for @p max. */
struct emit_part {
	void *at;
	size_t size;
	uint64_t n, max;
	bool is_mappable; /* pages that something else may be mapped over; else it is to be copied */
};

#define EMIT_PARTS 5u

/** All exits that were linked to code in another page of this size leave again; those that look up stay. */
void emit_unlink_pages(struct emitter *em, uint64_t page_bytes);

/**
 * Where it is. Copied, or mapped, to the same places of another emitter of the same program, made with the same registers and window,
 * it works there.
 */
void emitter_parts(const struct emitter *em, struct emit_part ret[EMIT_PARTS]);

/** So many elements have been put into each part, in place of all code: as emitter_reset() for what was there. */
void emitter_parts_set(struct emitter *em, const uint64_t n[EMIT_PARTS]);

/** Slot of a guest address in struct emit_env.jumps. */
static inline uint32_t emit_jump_slot(uint64_t pc)
{
	return (uint32_t)(pc >> 1) & (EMIT_JUMPS - 1);
}

#endif

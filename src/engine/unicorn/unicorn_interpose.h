/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What we put in place of some of libunicorn's own functions, see unicorn_interpose.c. */
#ifndef PINFOLD_ENGINE_UNICORN_UNICORN_INTERPOSE_H
#define PINFOLD_ENGINE_UNICORN_UNICORN_INTERPOSE_H

#include <stdbool.h>
#include <stdint.h>

/** Copies of the translator inside the library, one per guest architecture. */
enum unicorn_target_id {
	UNICORN_TARGET_X86,
	UNICORN_TARGET_ARM,
	UNICORN_TARGET_A64,
	UNICORN_TARGET_RV64,
	UNICORN_TARGET_COUNT,
};

/** What the interposers of one engine instance know and are told. */
struct unicorn_interpose {
	void *cpu;		/* the library's CPUState; learnt by the first uc_emu_stop() */
	int insns_per_tb;	/* 0: as many as the translator likes */
	int x86_soft_int_bytes; /* length of the last INT n, INT3, INTO; 0 if it was another exception */
	bool has_halted;	/* HLT or WFI ended the run */
	bool has_yielded;	/* ARM's WFE or YIELD is being executed */
	bool is_code_full;	/* the code buffer must be emptied before the next run */
	uintptr_t
		first_tb; /* where the buffer begins; 0: nothing translated since it was emptied */
	/* Called when the code buffer is nearly full: end the run soon. */
	void (*on_code_full)(void *opaque);
	/* How many instructions a block that starts at pc may have. */
	int (*limit_block)(void *opaque, uint64_t pc, int max_insns);
	/* The library is about to end the process; does not return if a run can be left. */
	void (*on_abort)(void *opaque);
	/* Replaces the library's lookup of the region behind a virtual address; NULL: its own. */
	void *(*find_region)(void *opaque, void *uc, uint64_t gva);
	void *opaque;
};

/** Find the library's own functions, once. @param handle of dlopen() */
void unicorn_interpose_bind(void *handle);

/** Which instance runs or is being asked on this thread; NULL: none. */
void unicorn_interpose_enter(struct unicorn_interpose *ip);

/** For tests: pass every call on unchanged, as if the library had not called us. */
void unicorn_interpose_set_passive(bool passive);

/** @return what unicorn_interpose_set_passive() set */
bool unicorn_interpose_is_passive(void);

/** The library's own lookup of the region at an address, as a guest physical one; NULL: none. */
void *unicorn_region_at(void *uc, uint64_t gpa);

/**
 * From inside a callback during a run: abandon the instruction and end the run, with the state as
 * it was before that instruction. While code is being translated, that is before the block.
 * Returns only if that is impossible.
 */
void unicorn_interpose_leave(enum unicorn_target_id target, struct unicorn_interpose *ip);

/** From inside a callback: whether the library is between blocks rather than in a block's code. */
bool unicorn_is_translating(enum unicorn_target_id target);

/**
 * Drop all translated code that comes from the first @p ram_bytes of the library's RAM numbering.
 * (The library's own way to drop all code first writes zeros over its whole 1 GiB buffer.)
 */
void unicorn_code_drop(enum unicorn_target_id target, void *uc, uint64_t ram_bytes);

/** The same for what comes from one page of host memory, the one that holds @p hva. */
void unicorn_code_drop_page(enum unicorn_target_id target, void *uc, void *hva);

/**
 * Translate by the guest's tables, without checking permissions.
 * @return false when they say nothing
 */
bool unicorn_virt_to_phys(enum unicorn_target_id target, void *cpu, uint64_t gva,
			  uint64_t *ret_gpa);

/** From inside a callback of a refused store of one byte: whether it is part of a wider store. */
bool unicorn_is_split_store(void);

/** Drop the guest's cached address translations. */
void unicorn_tlb_flush(enum unicorn_target_id target, void *cpu);

/**
 * Address of another internal function, or NULL. Looked for once: a search touches much of the library.
 * @param name a literal
 */
void *unicorn_internal(const char *name);

#endif

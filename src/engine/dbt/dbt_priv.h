/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of engine `dbt` share.
 *
 *   dbt_engine.c   the table of the engine, its run loop
 *   dbt_code.c     translated blocks: finding, making, linking, dropping
 *   dbt_window.c   guest memory in windows of host address space
 *   dbt_signal.c   faults of translated code
 *   front/ ir/ emit/   see the headers there
 *
 * A context is a mode of the guest CPU in an address space: what its code may assume. Each has a table for indirect
 * jumps; contexts of one space share a window. Both are caches with a generation: what is stale is emptied when
 * it is used next.
 */
#ifndef PINFOLD_ENGINE_DBT_DBT_PRIV_H
#define PINFOLD_ENGINE_DBT_DBT_PRIV_H

#include <signal.h>

#include "engine/dbt/emit/emit.h"
#include "engine/dbt/emit/emit_fp.h"
#include "engine/dbt/front/front.h"
#include "engine/engine.h"

#define DBT_CODE_BYTES	 (32 * BIT(20))
#define DBT_BLOCKS_MAX	 65536u /* a power of 2 */
#define DBT_LINKS_MAX	 (2 * DBT_BLOCKS_MAX)
#define DBT_COPIES_BYTES (4 * BIT(20))
#define DBT_CONTEXTS	 8u
#define DBT_WINDOWS	 8u
#define DBT_WINDOW_BITS	 38u
#define DBT_WINDOW_HALF	 BIT(DBT_WINDOW_BITS)
#define DBT_GUARD_BYTES	 EMIT_WINDOW_SLACK
#define DBT_REGIONS_MAX	 16u
#define DBT_BREAKS_MAX	 128u
/* Mappings per window; the kernel allows a process some 65,000 in all. */
#define DBT_WINDOW_PIECES 3000u
#define DBT_WINDOW_SLOTS  8192u /* a power of 2 */
#define DBT_CODE_PAGES	  65536u

/** A translated block. */
struct dbt_block {
	uint64_t pc;
	gpa_t gpa;     /* of its first byte */
	uint32_t mode; /* front_ops.mode */
	uint16_t guest_bytes;
	uint32_t copy;	  /* where a copy of them is, in dbt_engine.copies */
	uint32_t checked; /* code generation in which they were last seen to be the same */
	const void *code; /* NULL: free */
};

/** A guest page that is mapped into a window. */
struct dbt_piece {
	uint64_t key;  /* its address | log2 of its size */
	uint64_t what; /* guest physical address of its first byte | MEM_* as the tables grant */
};

/** Part of the host's address space in which guest addresses of one space are. */
struct dbt_window {
	uint64_t space;
	uint32_t generation; /* of translations; 0: never used */
	uint64_t used;	     /* for finding the one that has not been used longest */
	uint8_t *zero;	     /* host address of guest address 0; NULL: not reserved */
	struct dbt_piece
		pieces[DBT_WINDOW_SLOTS]; /* what is mapped: a hash table by key; 0: free */
	uint32_t n_pieces;
	uint64_t sizes; /* bit n: there were pages of 2^n bytes */
};

/** See the head of this file. */
struct dbt_context {
	uint32_t mode;
	uint64_t space;
	uint32_t generation; /* of translations, and ... */
	uint32_t code_generation;
	uint64_t used;
	struct dbt_window *window; /* or NULL: no access is served */
	struct emit_jump jumps[EMIT_JUMPS];
};

/** The engine. */
struct dbt_engine {
	struct engine eng;
	struct engine_config cfg;
	const struct front_ops *front;
	struct emit_env *env; /* with the guest CPU behind it */
	void *cpu;
	struct emitter *em;
	uint8_t *code_rw;
	const uint8_t *code_rx;

	struct mem_region regions[DBT_REGIONS_MAX];
	size_t n_regions;

	struct dbt_block *blocks; /* DBT_BLOCKS_MAX, open addressing */
	size_t n_blocks;
	uint8_t *copies; /* of translated guest code, DBT_COPIES_BYTES */
	uint32_t n_copied;
	void **links; /* exits that were linked, to be undone */
	size_t n_links;
	uint32_t code_generation; /* raised when code may have been written */

	struct dbt_context *contexts; /* DBT_CONTEXTS */
	struct dbt_context *context;  /* the current one; NULL: to be found */
	struct dbt_window windows[DBT_WINDOWS];
	uint8_t code_pages[DBT_CODE_PAGES / 8]; /* of dbt_code_page_add() */
	uint64_t code_sizes;			/* bit n: there were pages of 2^n bytes */
	uint8_t *empty_window; /* guest address 0 of one in which nothing is mapped */
	uint32_t generation;   /* of translations, raised when they are void */
	uint64_t clock;	       /* counts uses */

	struct ir_block ir; /* scratch */
	gva_t breaks[DBT_BREAKS_MAX];
	size_t n_breaks;
	gva_t access_gva; /* of EMIT_EXIT_ACCESS */
	bool is_access_write;
	volatile sig_atomic_t is_kicked;
};

/* dbt_code.c */

/** Make code memory, tables and emitter. @return 0; negative errno with a sentence */
int dbt_code_init(struct dbt_engine *d, struct errmsg *e);

/** Free it. Accepts a zeroed or half-made engine. */
void dbt_code_done(struct dbt_engine *d);

/**
 * Code for the pc in the current context; translated if need be.
 * @return NULL: interpret the instruction at the pc
 */
const void *dbt_code_find(struct dbt_engine *d, uint64_t pc);

/** Let the exit env->link of a block at @p from_pc go straight to @p code at @p pc, if both are sure to stay, else by way of the table. */
void dbt_code_link(struct dbt_engine *d, void *link, uint64_t from_pc, uint64_t pc,
		   const void *code);

/** Guest code may have changed: every block is compared with its bytes before it runs again. */
void dbt_code_doubt(struct dbt_engine *d);

/** Forget all blocks. */
void dbt_code_reset(struct dbt_engine *d);

/* dbt_window.c */

/** Reserve what is needed; the rest is reserved on demand. */
int dbt_window_init(struct dbt_engine *d, struct errmsg *e);

/** Give the windows back. Accepts a zeroed or half-made engine. */
void dbt_window_done(struct dbt_engine *d);

/** Find or make the context of the CPU's mode and space, and make it the current one. */
void dbt_context_enter(struct dbt_engine *d);

/** All translations of addresses are void. */
void dbt_translations_flush(struct dbt_engine *d);

/** Those in spaces with (space & mask) == value are void. */
void dbt_space_flush(struct dbt_engine *d, uint64_t mask, uint64_t value);

/** That of the page around @p gva is void in those spaces. */
void dbt_page_flush(struct dbt_engine *d, gva_t gva, uint64_t mask, uint64_t value);

/** Remember that code at @p pc, in a page of so many bytes, was translated: a set, with some false members. */
void dbt_code_page_add(struct dbt_engine *d, uint64_t pc, uint64_t page_bytes);

/**
 * Translated code was refused an access: put the page into the window.
 * @param gva    the address
 * @param access MEM_R or MEM_W
 * @return true: try again; false: interpret the instruction
 */
bool dbt_window_fill(struct dbt_engine *d, gva_t gva, uint32_t access);

/** RAM at a guest physical address for an access of so many bytes, or NULL. */
uint8_t *dbt_ram(void *engine, gpa_t gpa, uint8_t bytes, uint32_t access);

/* dbt_signal.c */

/** Take the process's handlers for faults; once per process. */
int dbt_signal_init(struct errmsg *e);

/** Faults on this thread are this engine's from now on; NULL: nobody's. */
void dbt_signal_own(struct dbt_engine *d);

#endif

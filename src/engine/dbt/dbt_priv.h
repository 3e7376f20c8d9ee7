/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of engine `dbt` share.
 *
 *   dbt_engine.c   the table of the engine, its run loop
 *   dbt_code.c     translated blocks: finding, making, linking, dropping
 *   dbt_region.c   hot blocks become regions
 *   dbt_source.c   the guest's pages of code, and whether their bytes are still the same
 *   dbt_tables.c   memory for blocks and sources
 *   dbt_store.c    translations written to a file, and loaded
 *   dbt_window.c   guest memory in windows of host address space
 *   dbt_piece.c    what is mapped into them
 *   dbt_ram.c      the guest's RAM in the process
 *   dbt_soft.c     accesses that go by a table of pages instead
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
#include "engine/dbt/opt/opt.h"
#include "engine/engine.h"

#define DBT_CODE_BYTES	 (32 * BIT(20))
#define DBT_BLOCKS_MAX	 131072u
#define DBT_BLOCK_HEADS	 65536u /* a power of 2 */
#define DBT_SOURCES_MAX	 8192u
#define DBT_SOURCE_HEADS 4096u /* a power of 2 */
#define DBT_CONTEXTS	 8u
#define DBT_WINDOWS	 8u
#define DBT_WINDOW_BITS	 38u
#define DBT_WINDOW_HALF	 BIT(DBT_WINDOW_BITS)
#define DBT_GUARD_BYTES	 EMIT_WINDOW_SLACK
#define DBT_REGIONS_MAX	 16u
#define DBT_BREAKS_MAX	 128u
#define DBT_WINDOW_BYTES (2 * DBT_WINDOW_HALF + 2 * DBT_GUARD_BYTES)
/* Of more pieces, those that are still used are mapped anew sooner than all are looked at. */
#define DBT_VERIFY_MAX 3000u
/* Stretches of a window that are yet to be unmapped. */
#define DBT_STALE_MAX  16u
#define DBT_CODE_PAGES 65536u
/* A block that was reached by so many jumps backwards begins a region. */
#define DBT_HOT 16u
/* Of guest code around its first block in one region, without paging. */
#define DBT_REGION_BYTES 8192u
#define DBT_SITES	 512u
#define DBT_REFILL_SLOTS 64u /* a power of 2 */
/* So often in a row, with so few instructions between, a page is unmapped by the guest before instructions that use it do without a window. */
#define DBT_REFILLS_MAX	 16u
#define DBT_REFILL_INSNS 200000u
#define DBT_JUMP_PARTS	 16u

/** A translated block; others are named by their index, 0 is none. */
struct dbt_block {
	uint64_t pc;
	gpa_t gpa; /* of its first byte */
	/* Of one whose only instruction reaches into the next page: where that is. A second entry, for those bytes alone,
	 * is the first one's tail there. */
	gpa_t tail_gpa;
	uint32_t code_at;      /* offset in code memory */
	uint32_t next;	       /* with the same hash */
	uint32_t next_in_page; /* of its source */
	uint32_t twin;	       /* of a tail: whose it is */
	uint16_t guest_bytes;
	uint8_t mode; /* front_ops.mode */
	uint8_t heat; /* jumps backwards to it */
	bool is_region;
	bool has_tail, is_tail;
	bool is_stale;	 /* killed: its bytes are others now */
	bool is_foreign; /* loaded: its pages may not have been compared */
};

/** A page of guest physical memory from which code was translated. */
struct dbt_source {
	gpa_t page;
	uint32_t next; /* with the same hash */
	uint32_t first_block;
	bool is_dirty, is_exposed, is_foreign; /* see dbt_source.c */
};

/** A guest page that is mapped into a window. */
struct dbt_piece {
	uint64_t key; /* its address | log2 of its size */
	uint64_t
		what; /* guest physical address of its first byte | MEM_* as the tables grant | DBT_PIECE_AHEAD */
};

/** Nobody has asked for it: it was mapped with a neighbour. */
#define DBT_PIECE_AHEAD BIT(11)

/** Guest addresses at which something is mapped that must not be there when the window is used next. */
struct dbt_stale {
	gva_t gva;
	uint64_t bytes;
};

/** Part of the host's address space in which guest addresses of one space are. */
struct dbt_window {
	uint64_t space;
	uint32_t generation;	  /* of translations; 0: never used */
	uint64_t used;		  /* for finding the one that has not been used longest */
	uint8_t *zero;		  /* host address of guest address 0; NULL: not reserved */
	struct dbt_piece *pieces; /* what is mapped: a hash table by key; 0: free */
	uint32_t n_pieces, n_slots;
	uint32_t n_maps;       /* mappings of the host that they take, at most, */
	uint32_t n_maps_stale; /* and how many of them go with what is stale, modulo 2^32 */
	struct dbt_stale stale[DBT_STALE_MAX];
	uint32_t n_stale;
	uint32_t ahead;		  /* pages that one fault maps at most; a power of 2 */
	uint64_t sizes;		  /* bit n: there were pages of 2^n bytes */
	gva_t cut_from, cut_last; /* around pages that are mapped in pieces, if from <= last */
	bool is_exposing;	  /* sources that it maps writable count as exposed */
	struct emit_page *pages;  /* for soft accesses; NULL: there was none */
	bool has_pages;		  /* something was entered, ... */
	bool has_large;		  /* ... of large guest pages, too */
};

/** An instruction that accesses memory, and meets page faults of the guest. */
struct dbt_site {
	uint64_t pc;
	gpa_t gpa;	 /* of a soft one */
	uint64_t insns;	 /* env->insns when credit was brought up to date */
	uint64_t credit; /* instructions until it is not worth being soft, without another fault */
	bool is_soft;
};

/** How often a guest page was unmapped by a fence, of late. */
struct dbt_refill {
	gva_t page;
	uint64_t insns; /* env->insns when it last was */
	uint32_t n;
};

/** See the head of this file. */
struct dbt_context {
	uint32_t mode;
	uint64_t space;
	uint32_t generation; /* of translations, and ... */
	uint32_t code_generation;
	uint64_t used;
	struct dbt_window *window; /* or NULL: no access is served */
	uint64_t tables;	   /* with which it was used last */
	bool has_local;		   /* it is shared, and some of its jumps hold for these only */
	uint32_t filled;	   /* bit n: part n of jumps has entries */
	struct emit_jump *jumps;   /* EMIT_JUMPS */
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
	uint8_t *uses[DBT_REGIONS_MAX]; /* how often parts of HOST_MAP_JOIN_BYTES were asked for */
	size_t n_regions;

	struct dbt_block *blocks; /* DBT_BLOCKS_MAX + 1, the first is not used */
	uint32_t *block_heads;	  /* DBT_BLOCK_HEADS: first block of each hash */
	uint32_t n_blocks;
	uint64_t n_made, n_loaded;  /* translations, ever */
	uint32_t code_generation;   /* raised when all blocks are dropped */
	struct dbt_source *sources; /* DBT_SOURCES_MAX + 1, the first is not used */
	uint8_t *copies;	    /* of their pages */
	uint32_t *source_heads;	    /* DBT_SOURCE_HEADS */
	uint32_t *dirty, *exposed;  /* which are */
	uint32_t n_sources, n_dirty, n_exposed;
	uint32_t n_fences, look_fences; /* since who is exposed was asked, and when it is next */
	struct mem_watcher watcher;

	struct dbt_context contexts[DBT_CONTEXTS];
	struct dbt_context *context; /* the current one; NULL: to be found */
	struct dbt_window windows[DBT_WINDOWS];
	bool has_pieces;
	uint32_t n_maps; /* of all windows */
	uint64_t stale_keys[DBT_VERIFY_MAX];
	struct emit_jump *jumps; /* of all contexts: big, and most of them are never touched */
	uint8_t code_pages[DBT_CODE_PAGES / 8]; /* of dbt_jump_rely() */
	struct dbt_site sites[DBT_SITES];	/* by pc, one for each hash */
	uint32_t n_soft;
	struct dbt_refill refills[DBT_REFILL_SLOTS];
	uint64_t code_sizes;	/* bit n: there were pages of 2^n bytes */
	uint8_t *empty_window;	/* guest address 0 of one in which nothing is mapped */
	uint32_t generation;	/* of translations, raised when they are void */
	uint64_t clock;		/* counts uses */
	uint64_t exposed_clock; /* when dbt_window_expose() last ran */

	struct ir_block ir;		/* scratch */
	struct dbt_region_work *region; /* made when it is needed first */
	uint64_t n_region_guests;	/* guest instructions of all regions that were made */
	gva_t breaks[DBT_BREAKS_MAX];
	size_t n_breaks;
	uint8_t access_bytes; /* of EMIT_EXIT_ACCESS */
	bool is_access_write;
	/* An access that raised an exception: the guest may come back to it with the page mapped. UINT64_MAX: there is none. */
	uint64_t retry_pc;
	gva_t retry_gva;
	uint32_t retry_access;	    /* MEM_R or MEM_W */
	bool is_interrupt_doubtful; /* one may be due that was not when somebody looked */
	volatile sig_atomic_t is_kicked;
};

static inline const void *dbt_block_code(const struct dbt_engine *d, const struct dbt_block *b)
{
	return d->code_rx + b->code_at;
}

static inline void dbt_block_code_set(const struct dbt_engine *d, struct dbt_block *b,
				      const void *code)
{
	b->code_at = (uint32_t)((const uint8_t *)code - d->code_rx);
}

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

/** A block's bytes have changed: nobody enters it any more. */
void dbt_code_kill(struct dbt_engine *d, struct dbt_block *b);

/** Forget all blocks. */
void dbt_code_reset(struct dbt_engine *d);

/** Where code at an address is. @return false: nowhere now, or in a page that is not executable as a whole: interpret it */
bool dbt_code_page(struct dbt_engine *d, uint64_t pc, struct front_page *ret);

/** The block at an address in the current mode, if there is one, stale or not. */
struct dbt_block *dbt_code_at(struct dbt_engine *d, uint64_t pc, gpa_t gpa);

/** How many bytes of code may be looked at from here: to the end of the page, or to the next breakpoint. */
size_t dbt_code_ahead(const struct dbt_engine *d, uint64_t pc, const struct front_page *page);

/** Whether there is no space for so many more blocks. */
bool dbt_code_is_full(const struct dbt_engine *d, uint32_t n);

/** A block is also made of these bytes, which lie in one page: it is killed when they change. */
void dbt_code_depend(struct dbt_engine *d, uint32_t block, gpa_t gpa, uint16_t bytes);

/* dbt_region.c */

/**
 * A jump backwards has led to the pc in the current context, where translated code is: make a region when there have been
 * enough of them.
 * @return false: it is to be counted on
 */
bool dbt_region_count(struct dbt_engine *d, uint64_t pc);

/** Free the work space. */
void dbt_region_done(struct dbt_engine *d);

/* dbt_source.c */

/** The tables are there. */
void dbt_source_init(struct dbt_engine *d);

/** Accepts a half-made engine. */
void dbt_source_done(struct dbt_engine *d);

/** Forget all, with all blocks. */
void dbt_source_reset(struct dbt_engine *d);

/**
 * The bytes of guest code from @p gpa to the end of its page, as blocks are made of; they become watched.
 * @return NULL: too many pages; the guest has no memory there
 */
const uint8_t *dbt_source_bytes(struct dbt_engine *d, gpa_t gpa);

/** A block was made of them: it is killed when they change. */
void dbt_source_link(struct dbt_engine *d, uint32_t block);

/** Kill the blocks with an instruction at @p gpa: it is to be translated otherwise. */
void dbt_source_kill(struct dbt_engine *d, gpa_t gpa);

/** Guest code may have changed: kill what has. */
void dbt_source_fence(struct dbt_engine *d);

/** Compare a page of loaded blocks, if that has not been done. */
void dbt_source_adopt(struct dbt_engine *d, gpa_t gpa);

/* dbt_tables.c */

/** Make the tables of blocks and sources. @return 0; -ENOMEM with a sentence */
int dbt_tables_init(struct dbt_engine *d, struct errmsg *e);

/** Free them. Accepts a zeroed or half-made engine. */
void dbt_tables_done(struct dbt_engine *d);

/* dbt_store.c */

/** Write all translations to a file, which was empty. @return 0; -ENOTSUP; errors of pwrite() */
int dbt_store_save(struct dbt_engine *d, int fd, struct errmsg *e);

/**
 * Load such a file in place of all translations. It is trusted like code.
 * @return 0; -EBADMSG it is none; -ESTALE another program made it; errors of pread(). Without success there is no translation.
 */
int dbt_store_load(struct dbt_engine *d, int fd, struct errmsg *e);

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

/** The context's jumps rely on a page with the pc: remember it for fences. It goes into a set, with some false members. */
void dbt_jump_rely(struct dbt_engine *d, uint64_t pc, const struct front_page *page);

/**
 * Translated code was refused an access: put the page into the window.
 * @param gva    the address
 * @param access MEM_R or MEM_W
 * @return true: try again; false: interpret the instruction
 */
bool dbt_window_fill(struct dbt_engine *d, gva_t gva, uint32_t access);

/**
 * What a window may hold at an address.
 * @param access   MEM_R or MEM_W, which has to be granted
 * @return the region of RAM that @p ret lies in, or begins in; NULL: nothing
 */
const struct mem_region *dbt_window_find(struct dbt_engine *d, gva_t gva, uint32_t access,
					 struct front_page *ret);

/** Whether the guest unmaps a page all the time. */
bool dbt_window_is_refilled(struct dbt_engine *d, gva_t gva);

/** Tell mem_exposed() of all pages that windows in use map writable. */
void dbt_window_expose(struct dbt_engine *d);

/* dbt_piece.c */

/** One more engine shares the process's mappings. */
void dbt_pieces_init(struct dbt_engine *d);

/** One less. Accepts a zeroed engine. */
void dbt_pieces_done(struct dbt_engine *d);

/** Whether so many more pieces are sure not to take more mappings than this engine may have. */
bool dbt_pieces_fit(const struct dbt_engine *d, uint32_t n);

/** @return the piece with that key, or NULL */
const struct dbt_piece *dbt_piece_find(const struct dbt_window *w, uint64_t key);

/** Make room in the table for so many more. @return false: there is no memory */
bool dbt_piece_room(struct dbt_window *w, uint32_t n);

/** Enter one that is mapped, in place of the one with its key; there is room. */
void dbt_piece_add(struct dbt_engine *d, struct dbt_window *w, const struct dbt_piece *p);

/**
 * Forget one; it is for the caller to unmap it.
 * @param is_later its mappings count until dbt_window_unmap_stale()
 * @return whether there was one
 */
bool dbt_piece_remove(struct dbt_engine *d, struct dbt_window *w, uint64_t key, bool is_later);

/** Unmap all that is in a window, and keep the address space. @return false: it could not be */
bool dbt_window_empty(struct dbt_engine *d, struct dbt_window *w);

/** Unmap these addresses; all, if the process has too many mappings. */
void dbt_window_unmap(struct dbt_engine *d, struct dbt_window *w, gva_t gva, uint64_t bytes);

/** Unmap them when the window, which is not in use, is used next. */
void dbt_window_unmap_later(struct dbt_engine *d, struct dbt_window *w, gva_t gva, uint64_t bytes);

/** Forget and unmap later all pieces with these keys; sorts them. */
void dbt_pieces_unmap_later(struct dbt_engine *d, struct dbt_window *w, uint64_t *keys, uint32_t n);

/** Later is now. */
void dbt_window_unmap_stale(struct dbt_engine *d, struct dbt_window *w);

/* dbt_ram.c */

/** One more region of memory. @return 0; -ENOSPC, -ENOMEM with a sentence */
int dbt_ram_add(struct dbt_engine *d, const struct mem_region *r, struct errmsg *e);

/** One less. @return false: there is none like it */
bool dbt_ram_remove(struct dbt_engine *d, const struct mem_region *r);

/** Accepts a zeroed or half-made engine. */
void dbt_ram_done(struct dbt_engine *d);

/** The region of memory around an address, or NULL. */
const struct mem_region *dbt_ram_region(const struct dbt_engine *d, gpa_t gpa);

/** A small page of a region was asked for by a window or table. */
void dbt_ram_used(struct dbt_engine *d, const struct mem_region *r, gpa_t page);

/** A whole page of RAM, whatever may be done with it; NULL: there is none. */
uint8_t *dbt_ram_page(const struct dbt_engine *d, gpa_t page);

/** The same for accesses without asking again. */
uint8_t *dbt_ram_kept(void *engine, gpa_t page, uint32_t access);

/** RAM at a guest physical address for an access of so many bytes, or NULL. */
uint8_t *dbt_ram(void *engine, gpa_t gpa, uint8_t bytes, uint32_t access);

/* dbt_soft.c */

/** Whether the instruction at a pc is soft. */
bool dbt_soft_is(const struct dbt_engine *d, uint64_t pc);

/** Make it so. @return false: it can't be */
bool dbt_soft_make(struct dbt_engine *d, uint64_t pc);

/** Mark accesses of soft instructions in a block that was decoded. */
void dbt_soft_mark(const struct dbt_engine *d, struct ir_block *b);

/** The guest comes back to an instruction at which an access raised an exception. */
void dbt_soft_faulted(struct dbt_engine *d, uint64_t pc);

/** Soft instructions that have met no fault for long, are so no more. */
void dbt_soft_review(struct dbt_engine *d);

/**
 * A soft access did not find its page: enter it.
 * @param access MEM_R or MEM_W
 * @return true: try again; false: interpret the instruction
 */
bool dbt_soft_fill(struct dbt_engine *d, gva_t gva, uint32_t access);

/** What struct emit_env.pages is to be for a window; NULL: for none. */
const struct emit_page *dbt_soft_pages(const struct dbt_window *w);

/** Forget all pages in a window's table. */
void dbt_soft_forget(struct dbt_window *w);

/** Forget the page, of whatever size, around an address. */
void dbt_soft_forget_page(struct dbt_window *w, gva_t gva);

/* dbt_signal.c */

/** Take the process's handlers for faults; once per process. */
int dbt_signal_init(struct errmsg *e);

/** Faults on this thread are this engine's from now on; NULL: nobody's. */
void dbt_signal_own(struct dbt_engine *d);

#endif

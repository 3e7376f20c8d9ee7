/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of engine `trap` share.
 *
 *   trap_engine.c    the table of the engine, its run loop
 *   trap_step.c      one instruction by the interpreter; where its addresses lead
 *   trap_space.c     which carrier holds which address space, what is mapped there
 *   trap_code.c      which pages may be executed, and as what
 *   trap_scan.c      what must trap in a page of code
 *   trap_carrier.c   a carrier's process: birth, system calls on its behalf, running it
 *   trap_child.c     what a carrier does before it is one
 *   trap_seal.c      its system call filter
 *   trap_stub.S      its code
 *
 * A carrier is a process that holds nothing but guest memory, at the guest's own virtual addresses, and an area with the
 * stub and the mailbox. It executes guest code in user mode until a signal arrives. Then it stops: the kernel says so
 * to the monitor, which is its parent, and not the mailbox, which the guest can write. Everything in the mailbox is
 * hostile: it is copied once and checked.
 */
#ifndef PINFOLD_ENGINE_TRAP_TRAP_PRIV_H
#define PINFOLD_ENGINE_TRAP_TRAP_PRIV_H

#include <signal.h>
#include <sys/types.h>
#include <ucontext.h>

#include "cpu/riscv/rv_access.h"
#include "engine/trap/trap_engine.h"
#include "engine/trap/trap_scan.h"
#include "mem/mem.h"

#define TRAP_CARRIERS	 6u
#define TRAP_REGIONS_MAX 16u
#define TRAP_BREAKS_MAX	 128u
#define TRAP_CALLS	 127u
#define TRAP_STACK_BYTES 32768u
#define TRAP_STACK_SPARE 1024u /* a frame may be shorter than ucontext_t */
#define TRAP_PAGES	 4096u /* a power of 2 */
#define TRAP_PAGES_USED	 3000u
#define TRAP_CODES	 2048u /* a power of 2 */
#define TRAP_CODES_USED	 1500u
/* Guest addresses at which memory can be mapped; the others are interpreted. */
#define TRAP_VA_END (1ULL << 38)

/** A system call for a carrier to make. trap_stub.S knows the layout. */
struct trap_call {
	uint64_t nr, arg[6];
	int64_t result;
};

/** What a carrier says and is told. The guest can write it. trap_stub.S knows the layout. */
struct trap_mailbox {
	uint64_t signo, info, uc;
	uint64_t is_stopping;
	uint64_t reserved[3];
	int64_t stop_result;
	struct trap_call calls[TRAP_CALLS]; /* up to one of number 0 */
};

/** What a carrier shares with its monitor; a page with the stub is before it. */
struct trap_area {
	struct trap_mailbox box;
	_Alignas(16) uint8_t stack[TRAP_STACK_BYTES]; /* of signals, but for its last bytes */
};

/** Which address space, seen how. */
struct trap_view {
	uint64_t satp;
	uint32_t how;
};

/** A page that is mapped in a carrier. */
struct trap_page {
	gva_t key; /* its address | 1; 0: free; TRAP_PAGE_GONE */
	gpa_t gpa;
	uint32_t perm; /* MEM_*, as it is mapped */
};

#define TRAP_PAGE_GONE 2ULL

/** See the head of this file. */
struct trap_carrier {
	pid_t pid;	 /* 0: none */
	int end_status;	 /* of a process that ended by itself */
	ns_t pressed_ns; /* CPU time that it had used when it was kicked, + 1; 0: it was not */
	struct trap_area *area;
	struct trap_view view;
	uint32_t generation; /* of translations in which its pages were seen to be right */
	uint64_t used;	     /* for finding the one that has not been used longest */
	size_t n_calls;	     /* that wait in the mailbox */
	struct trap_page pages[TRAP_PAGES];
	size_t n_pages; /* slots that are not free */
};

/** A guest page that was executed. */
struct trap_code {
	gpa_t key;	  /* its address | 1; 0: free */
	bool is_code;	  /* mapped for execution, and so nowhere writable; else data */
	bool is_refused;  /* interpret it */
	uint16_t changes; /* from code to data */
	uint16_t copy
		[2]; /* which copy is executed, with floating point free and trapped; 0: none yet */
	uint8_t scan[2]; /* enum trap_scan_result + 1; 0: not known */
};

/** The engine. */
struct trap_engine {
	struct engine eng;
	struct engine_config cfg;
	struct trap_engine *next; /* all engines of the process, because harts share pages */
	struct mem_watcher watcher;
	struct rv_hart hart;
	struct rv_access access;

	struct mem_region regions[TRAP_REGIONS_MAX];
	size_t n_regions;
	struct trap_carrier *carriers; /* TRAP_CARRIERS */
	struct trap_carrier *current;  /* of the present view; NULL: to be found */
	uint32_t generation;	       /* of translations, raised when they are void */
	uint64_t clock;		       /* counts uses */

	gva_t stub_va; /* where carriers have their area */
	int copies_fd; /* patched pages */
	uint8_t *copies;
	uint32_t n_copies;
	struct trap_code *codes; /* TRAP_CODES */
	size_t n_codes;

	uint64_t progress; /* of the counters, since the guest looked at them */
	gva_t breaks[TRAP_BREAKS_MAX];
	size_t n_breaks;
	struct trap_counts counts;
	struct errmsg trouble; /* why there is no carrier */
	volatile sig_atomic_t is_kicked;
	volatile pid_t running; /* the carrier to be signalled by a kick; 0: none */
};

#define TRAP_KICK_SIGNAL SIGUSR1

/* trap_carrier.c */

/** What ended a stay in a carrier. */
enum trap_stay {
	TRAP_STAY_SIGNAL, /* a kick, or something to be looked at */
	TRAP_STAY_LOST,	  /* the carrier is dead or damaged: the guest did that */
};

/** Make a carrier's process. @return 0; negative errno with a sentence */
int trap_carrier_init(struct trap_engine *t, struct trap_carrier *c, struct errmsg *e);

/** End it. Accepts one without a process. */
void trap_carrier_done(struct trap_carrier *c);

/** Let the carrier make a system call before guest code runs there again. @return 0; -EIO: it is lost */
int trap_carrier_call(struct trap_engine *t, struct trap_carrier *c, const struct trap_call *call);

/**
 * Run guest code from the hart's pc, with its registers, until something happens.
 * @param has_fp the floating-point registers are the guest's, too
 */
enum trap_stay trap_carrier_run(struct trap_engine *t, struct trap_carrier *c, bool has_fp);

/** @return whether pages can be executed and not read here */
bool trap_can_hide(void);

/* trap_child.c */

/** What a carrier needs at birth. */
struct trap_birth {
	gva_t stub_va;
	int area_fd;
	const int *keep; /* descriptors of guest memory */
	size_t n_keep;
	pid_t parent;
};

/** In the new process: become a carrier. Does not return; ends the process when something fails. */
_Noreturn void trap_child_main(const struct trap_birth *b);

extern const uint8_t trap_stub[], trap_stub_enter[], trap_stub_call[], trap_stub_handler[];

/* trap_seal.c */

/** @return whether system calls can be filtered here */
bool trap_seal_probe(void);

/**
 * Let this process make no system calls but those of a carrier, for ever.
 * @param call_va where the stub makes them
 * @return 0; negative errno
 */
int trap_seal(pid_t self, gva_t call_va, const int *fds, size_t n_fds);

/* trap_space.c */

/**
 * Find or make the carrier of the hart's view, bring it up to date, and make it the current one.
 * @return it; NULL, with a sentence in t->trouble, when no process can be made
 */
struct trap_carrier *trap_space_enter(struct trap_engine *t);

/** Whether the hart's floating point is on, and known to be used. */
bool trap_space_has_fp(const struct trap_engine *t);

/** Put a page into the current carrier so that @p access works there, if that can be. */
void trap_space_fill(struct trap_engine *t, gva_t gva, const struct rv_translation *tr,
		     uint32_t access);

/** @return whether the instruction at @p pc can be executed in the current carrier */
bool trap_space_can_execute(struct trap_engine *t, gva_t pc);

/** In all carriers of all engines, drop mappings of a page of guest memory that allow any of @p perm. */
void trap_space_drop(struct trap_engine *t, gpa_t gpa, uint32_t perm);

/** End all carriers; new ones are made when needed. */
void trap_space_reset(struct trap_engine *t);

/** The region of memory that holds a page, or NULL. */
const struct mem_region *trap_region(const struct trap_engine *t, gpa_t gpa);

/* trap_code.c */

/** How a page may be executed. */
struct trap_exec {
	int fd;
	uint64_t fd_off;
	bool is_hidden; /* not to be read: it is not what the guest has there */
};

/**
 * Make a page of guest memory one that is executed and not written.
 * @param ret untouched on failure
 * @return false: interpret it
 */
bool trap_code_execute(struct trap_engine *t, gpa_t gpa, bool is_fp_trapped, struct trap_exec *ret);

/** @return whether a page may be executed that must not be read; @p is_patched: because it is a copy */
bool trap_code_may_hide(bool is_patched);

/** A page is going to be written: if it is executed by any hart, it is data from now on. */
void trap_code_written(struct trap_engine *t, gpa_t gpa);

/** As if all pages were going to be written. */
void trap_code_reset(struct trap_engine *t);

/** Close and free. Accepts a zeroed or half-made engine. */
void trap_code_done(struct trap_engine *t);

/** Make tables and the file of copies. */
int trap_code_init(struct trap_engine *t, struct errmsg *e);

/** What tests said to do without: TRAP_*. */
extern uint32_t trap_without;

/* trap_step.c */

/** How an instruction was executed. */
enum trap_step {
	TRAP_NEXT,
	TRAP_NEXT_SYSTEM, /* one of the privileged kind, or one that trapped: others may follow */
	TRAP_DONE,	  /* *ret is filled: the run is over */
};

/** Where addresses of a trap_engine lead. */
extern const struct rv_access_ops trap_access_ops;

/** Execute the instruction at the pc by the interpreter. */
enum trap_step trap_step(struct trap_engine *t, struct vm_exit *ret);

/** Act on RV_EFFECT_*. */
void trap_effects(struct trap_engine *t, uint32_t effects);

/** All engines of the process. */
extern struct trap_engine *trap_engines;

#endif

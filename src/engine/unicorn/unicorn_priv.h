/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this engine share and nobody else needs. */
#ifndef PINFOLD_ENGINE_UNICORN_UNICORN_PRIV_H
#define PINFOLD_ENGINE_UNICORN_UNICORN_PRIV_H

#include <signal.h>

#include "engine/engine.h"
#include "engine/unicorn/unicorn_interpose.h"
#include "engine/unicorn/unicorn_lib.h"

#define UNICORN_LOG_ACCESSES 16 /* device accesses remembered for a replay */
#define UNICORN_MMIO_MAX     64
#define UNICORN_FREE_MAX     16
#define UNICORN_POINTS_MAX   128 /* breakpoints; also watched ranges */

struct unicorn_engine;

/** What differs per guest architecture. */
struct unicorn_target {
	enum unicorn_target_id id;
	uc_arch arch;
	uc_mode mode;
	int cpu_model;	     /* -1: the library's default */
	size_t probe_offset; /* in the library's CPU state: a register that probe_reg writes */
	int probe_reg;

	/** Learn where things are in the library's CPU state, and switch on what it leaves off. */
	int (*init)(struct unicorn_engine *u, struct errmsg *e);
	int (*get_state)(struct unicorn_engine *u, struct cpu_state *ret, struct errmsg *e);
	int (*set_state)(struct unicorn_engine *u, const struct cpu_state *s, struct errmsg *e);
	/** Program counter as uc_emu_start() wants it. */
	uint64_t (*start_pc)(struct unicorn_engine *u);
	/** Program counter as a linear address. */
	gva_t (*linear_pc)(struct unicorn_engine *u);
	/** Describe the exception that a UC_HOOK_INTR callback is told of; still inside it. */
	void (*describe)(struct unicorn_engine *u, uint32_t intno, struct cpu_fault *ret);
	/** Describe an undefined instruction; after the run. */
	void (*describe_invalid)(struct unicorn_engine *u, struct cpu_fault *ret);
	/** Whether the guest translates addresses now, and to what; for unicorn_mmu.c. */
	bool (*is_paging)(struct unicorn_engine *u);
	/** Do what an instruction does that the library left to us; after the run. May be NULL. */
	int (*finish_insn)(struct unicorn_engine *u, struct vm_exit *x, struct errmsg *e);
	/** How many instructions a block at @p pc may have; 1 at least. May be NULL. */
	int (*limit_block)(struct unicorn_engine *u, gva_t pc, int max_insns);
};

/** Why the callbacks ended a run. */
enum unicorn_stop {
	UNICORN_STOP_NONE,
	UNICORN_STOP_LIMIT,
	UNICORN_STOP_KICK,
	UNICORN_STOP_EXCEPTION, /* fault is filled */
	UNICORN_STOP_INVALID,	/* undefined instruction */
	UNICORN_STOP_TRANSLATE, /* a block could not be translated */
	UNICORN_STOP_ABORT,	/* the library gave up in the middle of an instruction */
	UNICORN_STOP_FAULT,	/* fault is filled but for its pc */
	UNICORN_STOP_BUS,   /* an access answered BUS_STOP: the instruction has to be replayed */
	UNICORN_STOP_YIELD, /* to be gone on with: ARM's WFE, YIELD; code buffer full */
	UNICORN_STOP_INSN,  /* target->finish_insn has to do the instruction's work */
	UNICORN_STOP_BREAK,
	UNICORN_STOP_WATCH, /* watch.hit is filled */
};

/** One device access that was carried out. */
struct unicorn_access {
	struct bus_access a;
	bool is_port;
};

/** A lookup of a byte near the end of a page, see unicorn_mmu.c. */
struct unicorn_found {
	gva_t gva;
	uint8_t value;
	bool is_ram;
};

#define UNICORN_FOUND_MAX 32

/** A breakpoint that translated code stops at. */
struct unicorn_break {
	gva_t gva;
	uc_hook hook;
};

/** The engine. */
struct unicorn_engine {
	struct engine eng;
	const struct unicorn_lib *lib;
	const struct unicorn_target *target;
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	const struct engine_bus *bus;
	struct mem *mem;
	uc_engine *uc;
	uc_context *scratch;
	struct unicorn_interpose ip;
	uint8_t *env; /* the library's CPU state */
	size_t env_bytes;
	bool is_exact; /* the interposition works */

	struct {
		struct unicorn_engine *u;
		gpa_t base_gpa;
	} mmio[UNICORN_MMIO_MAX];
	size_t n_mmio;
	uint64_t ram_bytes;		     /* upper bound of the library's RAM numbering */
	void *free_region[UNICORN_FREE_MAX]; /* those that allow everything, see unicorn_mmu.c */
	size_t n_free;
	void *permissive; /* one of them that may be executed too */

	/* Counting: one callback per instruction. */
	uc_hook count_hook;
	bool has_count_hook;
	uint64_t limit, count;
	gva_t counted_pc; /* the last one counted */
	bool is_alone;	  /* only one instruction runs: a replay */

	/* Breakpoints and watchpoints, see unicorn_points.c. */
	struct {
		gva_t wanted[UNICORN_POINTS_MAX];
		size_t n_wanted;
		struct unicorn_break installed[UNICORN_POINTS_MAX];
		size_t n_installed;
		bool is_stale; /* what is installed is not what is wanted */
	} breaks;
	struct {
		struct engine_watch wanted[UNICORN_POINTS_MAX];
		size_t n;
		uc_hook hook; /* if n > 0 */
		bool has_hit;
		struct engine_watch hit;
	} watch;

	/* The run under way. */
	volatile sig_atomic_t is_kicked;
	volatile sig_atomic_t can_stop; /* kick() may stop the library by itself */
	enum unicorn_stop stop;
	struct cpu_fault fault;

	/* Device accesses, see unicorn_bus.c. */
	struct unicorn_access log[UNICORN_LOG_ACCESSES];
	size_t n_logged; /* ever */
	size_t replay_at, replay_end;
	bool is_replaying;

	struct unicorn_found found[UNICORN_FOUND_MAX];
	size_t n_found; /* ever */

	/* Per architecture. */
	union {
		struct {
			size_t ldt, cr, gsbase, dr; /* offsets in env */
		} x86;
		struct {
			size_t spsr;
			void (*rebuild_hflags)(void *env);
			void (*do_interrupt)(void *cpu);
		} arm;
		struct {
			size_t priv;
			int (*csrrw)(void *env, int csr, uint64_t *ret, uint64_t value,
				     uint64_t mask);
			void (*do_interrupt)(void *cpu);
		} rv;
	} at;
};

extern const struct unicorn_target unicorn_target_x86, unicorn_target_arm, unicorn_target_a64,
	unicorn_target_rv64;

/** Read a register of up to 8 bytes. */
static inline uint64_t unicorn_reg(struct unicorn_engine *u, int reg)
{
	uint64_t v = 0;

	u->lib->uc_reg_read(u->uc, reg, &v);
	return v;
}

/** Write a register of up to 8 bytes. */
static inline void unicorn_reg_set(struct unicorn_engine *u, int reg, uint64_t v)
{
	u->lib->uc_reg_write(u->uc, reg, &v);
}

/** A field of the library's CPU state. */
static inline uint64_t unicorn_env(const struct unicorn_engine *u, size_t offset,
				   unsigned int bytes)
{
	return load_le(u->env + offset, bytes);
}

/** Change one. */
static inline void unicorn_env_set(struct unicorn_engine *u, size_t offset, uint64_t v,
				   unsigned int bytes)
{
	store_le(u->env + offset, v, bytes);
}

/**
 * Find bytes in the library's CPU state.
 * @return offset, or SIZE_MAX
 */
size_t unicorn_env_find(const struct unicorn_engine *u, const void *bytes, size_t n);

/** End the run from a callback, between instructions; first reason wins. */
void unicorn_stop(struct unicorn_engine *u, enum unicorn_stop why);

/** End the run from a callback in the middle of an instruction, undoing it. */
void unicorn_abandon(struct unicorn_engine *u, enum unicorn_stop why);

/** unicorn_interpose.on_code_full. */
void unicorn_on_code_full(void *opaque);

/** unicorn_interpose.on_abort. */
void unicorn_on_abort(void *opaque);

/** Take a hook back, with what the library leaves behind when it does so. */
uc_err unicorn_hook_del(struct unicorn_engine *u, uc_hook hook);

/** Whether a breakpoint is wanted at @p pc. */
bool unicorn_has_break(const struct unicorn_engine *u, gva_t pc);

/** Before a run at full speed: have translated code stop at the breakpoints that are wanted. */
int unicorn_breaks_install(struct unicorn_engine *u, struct errmsg *e);

/** How many instructions a block may have for a breakpoint to be the start of one always. */
int unicorn_breaks_limit_block(const struct unicorn_engine *u, gva_t pc, int max_insns);

/** engine_ops.set_breakpoints */
int unicorn_set_breakpoints(struct engine *eng, const gva_t *addrs, size_t n);

/** engine_ops.set_watchpoints */
int unicorn_set_watchpoints(struct engine *eng, const struct engine_watch *watches, size_t n);

/** Have a callback per instruction from now on, or no longer. */
int unicorn_set_counting(struct unicorn_engine *u, bool want, struct errmsg *e);

/** Install all hooks of an instance. */
int unicorn_hooks_add(struct unicorn_engine *u, struct errmsg *e);

/** Hand the device ranges to the library. */
int unicorn_bus_map(struct unicorn_engine *u, const struct engine_mmio_range *ranges, size_t n,
		    struct errmsg *e);

/** A port access of the guest; returns the value read. */
uint64_t unicorn_bus_port(struct unicorn_engine *u, uint32_t port, unsigned int bytes,
			  bool is_write, uint64_t value);

/** Prepare the replay of the instruction whose access answered BUS_STOP. */
void unicorn_bus_replay(struct unicorn_engine *u);

/** unicorn_interpose.find_region. */
void *unicorn_mmu_find_region(void *opaque, void *uc, uint64_t gva);

/** unicorn_target.finish_insn of x86: SYSCALL and SYSENTER. */
int unicorn_x86_system_call(struct unicorn_engine *u, struct vm_exit *ret, struct errmsg *e);

/** unicorn_target.limit_block of x86. */
int unicorn_x86_limit_block(struct unicorn_engine *u, gva_t pc, int max_insns);

/** Size of the code that the guest executes: 16, 32 or 64. */
unsigned int unicorn_x86_code_bits(const struct unicorn_engine *u);

/** A store was refused at @p refused: take back what it has written before that. */
void unicorn_mmu_undo_store(struct unicorn_engine *u, gva_t refused);

/** One uc_emu_start(); u->stop says why it ended, if a callback ended it. */
uc_err unicorn_start(struct unicorn_engine *u);

/**
 * Find out whether the interposition works for this target: u->is_exact. The first instance of a
 * target in a process does it; it needs the low pages unmapped still.
 */
int unicorn_selftest(struct unicorn_engine *u, struct errmsg *e);

#endif

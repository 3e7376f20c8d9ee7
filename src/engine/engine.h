/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract for an engine: something that executes guest instructions.
 *
 * An engine holds one vCPU and the guest memory that is mapped into it. run() executes until
 * something needs the caller and returns a value that says what (struct vm_exit); an exit is never
 * an error code. Port and MMIO accesses do not end a run: the engine calls the bus, from inside
 * run(), on the same thread. Whatever a guest does, run() leaves exact architectural state: what
 * get_state() gives is the state before or after a whole instruction, never in between.
 *
 * Preemption: kick() makes a run() that is under way return VM_EXIT_KICKED at the next chance. It
 * is called from a signal handler on the engine's own thread. A kick that arrives while no run() is
 * under way may be lost or may end the next one at once; the caller's timer fires again until it
 * sees the exit.
 *
 * A new engine is one folder and one line in engine/engine_table.c. Callers test capability bits,
 * never names. tests/unit/test_engine_contract.c runs the contract against a stub and against
 * every engine in the table.
 *
 * Threads: create() to destroy() on one thread; kick() also from its signal handlers.
 */
#ifndef PINFOLD_ENGINE_ENGINE_H
#define PINFOLD_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cpu/cpu.h"

/** What an engine can do, on this host, for the probed guest. */
#define ENGINE_CAP_INSN_COUNT BIT(0) /* max_insns is exact and vm_exit.insns is counted */
#define ENGINE_CAP_STEP	      BIT(1) /* max_insns == 1 works and is exact */
#define ENGINE_CAP_EXEC_PERM  BIT(2) /* pages without MEM_X can't be executed */
#define ENGINE_CAP_OWN_EXCEPTIONS \
	BIT(3)			      /* the guest's exceptions reach its handlers by themselves */
#define ENGINE_CAP_HW	       BIT(4) /* guest instructions run on the CPU itself */
#define ENGINE_CAP_FP	       BIT(5) /* floating point works at the privilege the board starts in */
#define ENGINE_CAP_SIMD	       BIT(6) /* the baseline vector unit does too */
#define ENGINE_CAP_BREAKPOINTS BIT(7) /* set_breakpoints() works; otherwise the caller steps */
#define ENGINE_CAP_NO_WX       BIT(8) /* no host mapping is writable and executable */
#define ENGINE_CAP_EXACT_SHUTDOWN \
	BIT(9) /* VM_EXIT_SHUTDOWN names the first exception, registers exact */
#define ENGINE_CAP_WATCHPOINTS \
	BIT(10) /* set_watchpoints() works; otherwise the caller steps and compares */
#define ENGINE_CAP_SHARED_RAM  BIT(12) /* needs guest memory in files (mem_region.fd) to be fast */
#define ENGINE_CAP_STORED_CODE BIT(13) /* save_code(), load_code() and count_code() work */
#define ENGINE_CAP_SYSTEM \
	BIT(11) /* interrupt lines, timers, privilege levels: what a board with a kernel needs */

/** Why run() returned. */
enum vm_exit_kind {
	VM_EXIT_KICKED,	    /* kick() was called */
	VM_EXIT_INSN_LIMIT, /* max_insns instructions were executed, or traps in place of some */
	VM_EXIT_HALT, /* HLT or WFI was executed; pc is behind it. With ENGINE_CAP_SYSTEM: run again
		       * when wakes() says so */
	VM_EXIT_EXCEPTION, /* a guest exception (fault); the caller delivers or reports it. pc is at the
			     * instruction, also for system calls and breakpoints */
	VM_EXIT_FAULT, /* an access that no memory, device or handler takes (fault); pc at the insn */
	VM_EXIT_BUS_STOP,   /* a bus callback answered BUS_STOP; pc is behind the instruction */
	VM_EXIT_BREAKPOINT, /* a breakpoint of set_breakpoints(); pc is at it, not yet executed */
	VM_EXIT_WATCHPOINT, /* an access to a range of set_watchpoints() (watch); pc is behind the
			     * instruction, which was executed and counted */
	VM_EXIT_SHUTDOWN,   /* x86 triple fault (fault has what is known) */
	VM_EXIT_UNHANDLED,  /* the engine stopped for a reason it can only name (detail) */
	VM_EXIT_KIND_COUNT,
};

/** A range of guest virtual addresses and what is done there. */
struct engine_watch {
	gva_t gva;
	uint64_t bytes;	 /* at least 1 */
	uint32_t access; /* MEM_R, MEM_W or both; of a hit: the one */
};

/** The result of run(). */
struct vm_exit {
	enum vm_exit_kind kind;
	struct cpu_fault fault; /* EXCEPTION, FAULT, SHUTDOWN */
	struct engine_watch
		watch;	  /* WATCHPOINT: the instruction's first watched bytes and access */
	uint64_t insns;	  /* executed by this run; exact with ENGINE_CAP_INSN_COUNT if limited */
	uint64_t traps;	  /* exceptions delivered to the guest, in place of an instruction each */
	char detail[128]; /* UNHANDLED: the engine's name of the reason, with its data */
};

/** What a bus callback answers. */
enum bus_result {
	BUS_OK,
	BUS_UNMAPPED, /* nothing is there: MMIO becomes a fault; ports read ones and ignore writes */
	BUS_STOP,     /* done, but end the run */
};

/** One access to a port or device register. */
struct bus_access {
	uint64_t addr;
	uint64_t value;	 /* written; or to be filled by a read; count 1 only */
	uint8_t *values; /* count > 1: count * bytes bytes, little endian, instead of value */
	uint32_t count;	 /* repetitions the engine reports at once (string I/O); usually 1 */
	uint8_t bytes;	 /* 1, 2, 4 or 8 */
	bool is_write;
};

/** Called by the engine for accesses outside memory. */
struct engine_bus {
	void *opaque;
	enum bus_result (*port)(void *opaque, struct bus_access *a);
	enum bus_result (*mmio)(void *opaque, struct bus_access *a);
};

/** What the hart's time counter shows. */
struct engine_clock {
	void *opaque;
	uint64_t (*ticks)(void *opaque);
};

/** Device register ranges, told in advance to engines that need to know them. */
struct engine_mmio_range {
	gpa_t base_gpa;
	uint64_t size_bytes;
};

/** What the host offers an engine: opened by the launcher before the jail. */
struct engine_host {
	int kvm_fd; /* /dev/kvm, or -1; borrowed */
};

/** What a probe found. */
struct engine_probe {
	uint64_t caps;	  /* ENGINE_CAP_* */
	uint32_t speed;	  /* expected slowdown against native code, 1 = native; for `auto` */
	char detail[160]; /* for people: version, kind; or why it can't */
};

/** All that create() needs. */
struct engine_config {
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	struct engine_host host;
	const struct engine_bus *bus; /* outlives the engine */
	const struct engine_mmio_range *mmio;
	size_t n_mmio;
	struct mem *mem; /* for looking up why an access failed; outlives the engine */
	/* With ENGINE_CAP_SYSTEM, for boards with a kernel. */
	bool is_system; /* the engine delivers exceptions itself, but for those in exit_vectors */
	uint64_t
		exit_vectors; /* bit n: the exception of vector n ends the run (a board's own calls) */
	uint32_t cpu_idx;     /* number of this CPU, e.g. mhartid */
	uint8_t va_bits; /* of guest virtual addresses, where the architecture leaves it open; 0: all it has */
	struct engine_clock clock; /* ticks may be NULL without is_system */
};

/** Translations of guest code. */
struct engine_code {
	uint64_t made;	 /* by this engine itself */
	uint64_t loaded; /* by load_code() */
};

struct engine; /* each engine defines its own; the first member is its ops pointer */

/** Capabilities of the instance at hand, e.g. for messages. */
struct engine_ops {
	const char *name;

	/**
	 * Find out whether this engine can run such a guest here. Cheap: at most a few ms of CPU.
	 * @return 0; -ENOTSUP (the pair is not supported, detail says why); -ENODEV (the host lacks
	 *         something, detail says what and what to do)
	 */
	int (*probe)(const struct cpu_arch *arch, const struct cpu_mode *mode,
		     const struct engine_host *host, struct engine_probe *ret);

	/**
	 * Do in advance what is the same for every VM of an architecture, for a process that forks VM
	 * processes: load libraries, find out what the host can do. Leaves no descriptor and no thread.
	 * NULL: there is nothing.
	 */
	void (*prepare)(const struct cpu_arch *arch, const struct engine_host *host);
	/** prepare() loads a library that makes such a process several times as large. */
	bool is_bulky;
	/**
	 * In such a process, after prepare(): open an instance ahead, if there is none, which the first create()
	 * of each child takes over. Until then no memory of it can be executed. NULL: nothing is gained.
	 * @param maps_fd its /proc/self/maps
	 */
	void (*open_ahead)(const struct cpu_arch *arch, int maps_fd);

	/** Make the vCPU, in the architecture's reset state, with no memory. */
	int (*create)(const struct engine_config *cfg, struct engine **ret, struct errmsg *e);
	/** Accepts NULL. */
	void (*destroy)(struct engine *eng);

	/** Map a region; the engine keeps r->hva until unmap. Page-aligned, no overlap. */
	int (*map)(struct engine *eng, const struct mem_region *r, struct errmsg *e);
	/** Unmap exactly what one map() mapped. */
	int (*unmap)(struct engine *eng, const struct mem_region *r, struct errmsg *e);

	/** Take the whole architectural state. */
	int (*get_state)(struct engine *eng, struct cpu_state *ret, struct errmsg *e);
	/**
	 * Take only what decides where the next instruction is and how addresses are translated:
	 * cpu_arch.get_pc, get_mode and page_walk work on it, the rest may be zero. For engines on which
	 * that is much cheaper; may be NULL.
	 */
	int (*get_core)(struct engine *eng, struct cpu_state *ret, struct errmsg *e);
	/** Set it; a state that the engine can't hold is -EINVAL with the reason. */
	int (*set_state)(struct engine *eng, const struct cpu_state *s, struct errmsg *e);

	/**
	 * Execute.
	 * @param max_insns stop after exactly so many, traps included: a guest may do nothing but trap. 0: no limit (and full speed)
	 * @return 0 with *ret; negative errno only when the engine itself is broken
	 */
	int (*run)(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e);

	/**
	 * See the head of this file. Async-signal-safe, only on the engine's thread.
	 * @param uc third argument of the signal handler (a ucontext_t); NULL outside of one, e.g. in a bus callback
	 */
	void (*kick)(struct engine *eng, void *uc);

	/**
	 * Guest code in [gpa, gpa+len) was changed from outside (debugger, loader). With len 0: another CPU's fence wants what
	 * the guest itself has stored to be executed here, too. May be NULL.
	 */
	void (*code_changed)(struct engine *eng, gpa_t gpa, uint64_t len);

	/**
	 * Write what was translated to an empty file, for other engines of this program that run the same guest. May be NULL
	 * without ENGINE_CAP_STORED_CODE, like the next two.
	 */
	int (*save_code)(struct engine *eng, int fd, struct errmsg *e);

	/**
	 * Take what save_code() wrote, before the first run() and after all map(). Guest code that is another than that which
	 * was translated is translated anew. The file is trusted: it contains host code.
	 * @return 0; -EBADMSG it is damaged; -ESTALE another program wrote it; after an error all is as if nobody had tried
	 */
	int (*load_code)(struct engine *eng, int fd, struct errmsg *e);

	/** How much was translated, and loaded. */
	void (*count_code)(const struct engine *eng, struct engine_code *ret);

	/**
	 * Drive interrupt lines; their bits are the architecture's (RISC-V: of mip). On the engine's
	 * thread, also from bus callbacks. May be NULL without ENGINE_CAP_SYSTEM, like the next five.
	 */
	void (*set_lines)(struct engine *eng, uint64_t mask, uint64_t level);

	/** @return when the CPU's own timer is due, in ticks of the clock; UINT64_MAX: never */
	uint64_t (*timer_due)(const struct engine *eng);

	/** @return whether a CPU that halted has reason to go on */
	bool (*wakes)(const struct engine *eng);

	/** Another CPU or the board changed page tables: forget cached translations. */
	void (*flush_translations)(struct engine *eng);

	/** Another CPU ran, or a device may have stored: what a load-reserved promised is void. */
	void (*drop_reservation)(struct engine *eng);

	/**
	 * Replace the set of breakpoint addresses, virtual ones. May be NULL without
	 * ENGINE_CAP_BREAKPOINTS. Whether one at the pc with which a run starts hits at once differs
	 * between engines: the caller first moves off it.
	 * @return 0; -ENOSPC when the engine has fewer slots (the caller steps instead)
	 */
	int (*set_breakpoints)(struct engine *eng, const gva_t *addrs, size_t n);

	/**
	 * Replace the set of watched ranges. May be NULL without ENGINE_CAP_WATCHPOINTS. Every access
	 * of a guest instruction to its data counts: also a write of what is there already, also by
	 * a step, also to a device; not a fetch or a look into page tables. An access that is refused is no
	 * hit. When an instruction ends the run in another way too, that is told first, and the hit
	 * by the next run, which executes nothing.
	 * @return 0; -EINVAL a range of no bytes or that wraps; -ENOSPC when the engine has fewer slots
	 */
	int (*set_watchpoints)(struct engine *eng, const struct engine_watch *watches, size_t n);
};

/** Common head of every engine's own struct. */
struct engine {
	const struct engine_ops *ops;
	uint64_t caps;
};

/** All engines, in order of preference between equals. */
extern const struct engine_ops *const engine_table[];
extern const size_t engine_count;

/** @return the engine of that name, or NULL */
const struct engine_ops *engine_by_name(const char *name);

/** @return "halt", "fault", ...: stable, for messages */
const char *vm_exit_kind_name(enum vm_exit_kind kind);

#endif

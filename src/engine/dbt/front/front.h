/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract for a guest front end: one const table per architecture that the translator can run. A front end owns the guest CPU
 * object (registers, privileged state), decodes instructions into IR, and interprets what IR does not describe. It knows no host.
 * docs/porting-dbt.md says what a new one owes.
 */
#ifndef PINFOLD_ENGINE_DBT_FRONT_FRONT_H
#define PINFOLD_ENGINE_DBT_FRONT_FRONT_H

#include "cpu/cpu.h"
#include "engine/dbt/ir/ir.h"
#include "engine/engine.h"

/** What happened to one interpreted instruction. */
enum front_step {
	FRONT_NEXT,    /* executed; go on at the pc */
	FRONT_TRAPPED, /* it raised an exception that was delivered to the guest; go on at the pc */
	FRONT_EXCEPTION, /* it raised one that the caller has to deal with: fault is filled, pc is at it */
	FRONT_HALT, /* executed: nothing to do until an interrupt */
	FRONT_STOP, /* executed, and a device asked to end the run */
	FRONT_FAULT, /* an access that nothing takes, without is_system: fault is filled, pc is at it */
};

/* What an instruction changed for translated code. */
#define FRONT_FLUSH_TRANSLATIONS BIT(0) /* those that struct front_effects says are void */
#define FRONT_FLUSH_CODE	 BIT(1) /* code may have been written */
#define FRONT_MODE		 BIT(2) /* mode() or space() may have changed */
#define FRONT_TIMER		 BIT(3) /* timer_due() has changed */

/** The effects of one instruction, trap or interrupt; zero it before. */
struct front_effects {
	uint32_t what; /* FRONT_*, ORed */
	/* With FRONT_FLUSH_TRANSLATIONS: only the page (of whatever size) at gva, if is_page; and only in spaces
	 * for which (space() & space_mask) == space_value. */
	bool is_page;
	gva_t gva;
	uint64_t space_mask, space_value;
};

/** Of space(): nothing that may be cached. */
#define FRONT_SPACE_NONE UINT64_MAX
/**
 * A bit of space(), also of FRONT_SPACE_NONE: several address spaces share it. Data is cached only if its page is global, what
 * else is known holds for one tables() at a time.
 */
#define FRONT_SPACE_GLOBAL BIT(43)

/** How a guest address may be used. */
struct front_page {
	gpa_t gpa;	/* of the address asked for */
	uint64_t bytes; /* around it, aligned: where the same holds; a power of 2 */
	uint32_t perm;	/* MEM_* without another walk */
	bool is_global; /* in every address space of the mode */
	/* Of the page of the guest's tables that it is in, part of or all: a fence of any address there is about all of it. 0: they
	 * have no say. */
	uint64_t leaf_bytes;
};

/** Memory as the engine offers it to an interpreter. */
struct front_memory {
	void *opaque;
	/** Guest physical access: RAM or device. @return BUS_OK, BUS_STOP (done), BUS_UNMAPPED */
	enum bus_result (*access)(void *opaque, gpa_t gpa, uint8_t bytes, bool is_write,
				  uint64_t *value);
	/** Host address of @p bytes of RAM that may be accessed so, or NULL: a device or nothing. */
	uint8_t *(*ram)(void *opaque, gpa_t gpa, uint8_t bytes, uint32_t access);
	/** Host address of a whole page that may be accessed so from now on, until flush_translations(); or NULL: ask each time. */
	uint8_t *(*ram_kept)(void *opaque, gpa_t page, uint32_t access);
};

/** What a guest CPU is made from. */
struct front_config {
	const struct engine_config *engine;
	struct front_memory memory;
};

/** The table. */
struct front_ops {
	enum cpu_arch_id arch;
	const struct ir_reg *regs;
	size_t n_regs;
	size_t cpu_bytes; /* of the guest CPU object; registers' offsets are into it */

	void (*init)(void *cpu, const struct front_config *cfg);
	void (*get_state)(const void *cpu, struct cpu_state *ret);
	/** @return 0; -EINVAL with the reason */
	int (*set_state)(void *cpu, const struct cpu_state *s, struct front_effects *effects,
			 struct errmsg *e);
	uint64_t (*get_pc)(const void *cpu);
	void (*set_pc)(void *cpu, uint64_t pc);

	/**
	 * A number for everything that decides what the bytes at an address mean as instructions and how data is reached (privilege, FPU
	 * off, rounding mode ...): code translated in one mode runs in that mode only. Below 256.
	 */
	uint32_t (*mode)(const void *cpu);
	/** A number for the address space of the mode, e.g. satp; equal numbers may share windows. */
	uint64_t (*space)(const void *cpu);
	/** A number for the page tables, where space() may be shared; NULL: it never is. */
	uint64_t (*tables)(const void *cpu);

	/** @return whether code addresses are physical, and may all be executed, for as long as the mode lasts */
	bool (*is_physical)(const void *cpu);

	/**
	 * Translate an address as the current mode would.
	 * @param access MEM_R, MEM_W or MEM_X
	 * @return false with @p ret_fault: the exception that step() would raise
	 */
	bool (*translate_address)(void *cpu, gva_t gva, uint32_t access, struct front_page *ret,
				  struct cpu_fault *ret_fault);

	/**
	 * Decode from the pc on into a block, up to the next end, a page's end or the block's limit.
	 * @param code  the instruction bytes at the pc, @p n of them: those up to the end of the page, and of the next page only as far as an instruction
	 *              reaches into it
	 * @return false: not even one instruction could be decoded from them; interpret it
	 */
	bool (*decode)(const void *cpu, const uint8_t *code, size_t n, struct ir_block *ret);

	/** Interpret the instruction at the pc. */
	enum front_step (*step)(void *cpu, struct front_effects *effects,
				struct cpu_fault *ret_fault);
	/** Take an interrupt if one is due before the instruction at the pc. @return whether it was taken */
	bool (*interrupt)(void *cpu, struct front_effects *effects);

	void (*set_lines)(void *cpu, uint64_t mask, uint64_t level);
	uint64_t (*timer_due)(const void *cpu);
	bool (*wakes)(const void *cpu);
	/** Page tables were changed by others. */
	void (*flush_translations)(void *cpu);
	/** Another CPU may run now: what load-reserved promised is void. */
	void (*drop_reservation)(void *cpu);
	/** @p n instructions were executed by translated code. */
	void (*count)(void *cpu, uint64_t n);

	/** @return the rounding mode in which translated code of this mode runs (enum emit_round) */
	uint32_t (*fp_round)(const void *cpu);
	/** Floating-point exceptions (EMIT_FP_*) accrued in translated code. */
	void (*fp_accrue)(void *cpu, uint8_t flags);

	/** Helpers of IR_HELPER operations, in order; see emit.h. */
	const void *helpers;
	/**
	 * A helper ended the run: tell what its instruction changed.
	 * @param ret_trapped whether that was to raise an exception, which was delivered to the guest
	 * @return false: its instruction has not happened, and is to be interpreted
	 */
	bool (*helper_left)(void *cpu, struct front_effects *effects, bool *ret_trapped);
};

extern const struct front_ops *const front_table[];
extern const size_t front_count;

#endif

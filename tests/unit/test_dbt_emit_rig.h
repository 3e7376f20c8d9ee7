/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest CPU for tests of the emitter: 16 integer registers (10 of them mapped), 16 FP (13), 4 flags; a window with two
 * pieces of RAM, a device and a page that ends the run; a table with two of RAM's pages; helpers; and the same machine
 * for the evaluator.
 */
#ifndef PINFOLD_TESTS_UNIT_TEST_DBT_EMIT_RIG_H
#define PINFOLD_TESTS_UNIT_TEST_DBT_EMIT_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dbt/emit/emit.h"
#include "engine/dbt/opt/opt.h"

#define RIG_INTS 16u
#define RIG_FPS	 16u
#define RIG_BITS 4u

/* Register numbers. */
#define RIG_R(n)   ((ir_val)(n))
#define RIG_F(n)   ((ir_val)(RIG_INTS + (n)))
#define RIG_BIT(n) ((ir_val)(RIG_INTS + RIG_FPS + (n)))
#define RIG_ZERO   ((ir_val)(RIG_INTS + RIG_FPS + RIG_BITS))
#define RIG_REGS   (RIG_ZERO + 1u)

/** The guest CPU's state. */
struct rig_state {
	uint64_t r[RIG_INTS];
	uint64_t f[RIG_FPS];
	uint8_t bits[8];
};

/** As translated code sees it. */
struct rig_cpu {
	struct emit_env env;
	struct rig_state s;
};

#define RIG_WINDOW_BITS 38
#define RIG_RAM_BYTES	8192u
#define RIG_RAM_LOW	0x10000000ULL	      /* guest addresses */
#define RIG_RAM_HIGH	0xffffffffe0000000ULL /* below zero */
#define RIG_DEVICE	0x20000000ULL	      /* one page: served by access */
#define RIG_LEAVE	0x20001000ULL	      /* one page: access ends the run */
#define RIG_LATE \
	0x20010000ULL /* one page: mapped at its first access, and taken away by rig_unmap() */

/** Everything outside registers that a block may change or look at. */
struct rig_world {
	uint8_t low[RIG_RAM_BYTES], high[RIG_RAM_BYTES];
	uint64_t device; /* sum over what was done to it */
};

/** How a run ended. */
struct rig_result {
	uint32_t exit;
	uint64_t pc;
	int64_t budget;
	uint64_t insns;
	uint32_t fp;  /* MXCSR */
	uint64_t gva; /* of EMIT_EXIT_LOAD and _STORE */
};

extern const struct ir_reg rig_regs[RIG_REGS];
extern const struct opt_config rig_opt_config;

/** What the device answers and becomes; for both sides. @return value read */
uint64_t rig_device(uint64_t *device, uint64_t address, uint8_t bytes, bool is_write,
		    uint64_t value);

/** Whether the table serves an access: the first page of low RAM, and the second of high RAM for loads. */
bool rig_is_in_table(uint64_t address, uint8_t bytes, bool is_write);

/** Helpers, by number. */
enum { RIG_HELPER_SUM, RIG_HELPER_REGS, RIG_HELPER_LEAVE, RIG_HELPER_UNDO, RIG_HELPERS };

/** What helper @p number does to a state and the rounding mode: for both sides. */
enum emit_helper_result rig_helper(struct rig_state *s, uint32_t *fp, uint64_t number, uint64_t a,
				   uint64_t b, uint64_t *ret, uint64_t *pc);

/** The machine under test; one per process. */
struct rig {
	struct emitter *em;
	struct rig_cpu *cpu;
	struct emit_jump *jumps;
	uint8_t *window;
	struct emit_page pages[EMIT_PAGES];
	uint64_t device;
	const uint8_t *code_rx;
	unsigned int accesses; /* calls of access */
	bool has_foreign_mode; /* one of our functions was called with the guest's rounding mode */
	uint64_t leave_pc;     /* not 0: an access that ends the run sets the pc, and r5 */
	bool is_late_mapped;   /* whether access maps RIG_LATE */
	bool is_interrupting;  /* the timer's signal calls emit_interrupt() */
};

extern struct rig rig;

/** Make it; exits with 77 when the host cannot. */
void rig_init(void);
/** Forget all code. */
void rig_reset(void);
/** RAM as host addresses. */
uint8_t *rig_ram(uint64_t address);
/** Take RIG_LATE away. */
void rig_unmap(void);
/** Emit a block that must be right. @return its entry; NULL: no space */
const void *rig_emit(const struct ir_block *b);
/** Run from @p code at guest address @p pc with that budget; registers in rig.cpu->s. */
struct rig_result rig_run(const void *code, uint64_t pc, int64_t budget);

#endif

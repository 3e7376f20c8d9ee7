/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter: executes one decoded instruction on a hart, exactly. It is the reference that the translator is
 * tested against, its path for single steps and for instructions that it does not translate, and what engine `trap`
 * emulates with.
 *
 * Floating point uses the host's unit with the guest's rounding mode and gives the guest's NaNs and flags; see
 * rv_float.h.
 */
#ifndef PINFOLD_CPU_RISCV_RV_EXEC_H
#define PINFOLD_CPU_RISCV_RV_EXEC_H

#include "cpu/riscv/rv_decode.h"
#include "cpu/riscv/rv_hart.h"

/** How one instruction ended. */
enum rv_done {
	RV_DONE,	   /* s.pc is at the next instruction; it counts as executed */
	RV_DONE_EXCEPTION, /* nothing but nothing has changed: cause and tval say why */
	RV_DONE_WFI,	   /* executed: nothing to do until rv_irq_wakes() */
	RV_DONE_STOP,	   /* executed, and memory->access asked for the run to end */
};

/** What became of a memory access. */
enum rv_mem_result {
	RV_MEM_OK,
	RV_MEM_STOP,  /* done; end the run behind this instruction */
	RV_MEM_FAULT, /* x->cause is set; see struct rv_memory about x->tval */
};

struct rv_exec;

/**
 * How the interpreter reaches memory: the caller translates, checks, and knows the devices.
 *
 * x->tval is the address of the access when one of these is called; one whose second page is refused moves it there.
 */
struct rv_memory {
	void *opaque;
	/**
	 * A load, store or fetch of 1, 2, 4 or 8 bytes that does not have to be aligned.
	 * @param access MEM_R, MEM_W or MEM_X
	 * @param value  little-endian number: to be stored, or filled zero-extended
	 */
	enum rv_mem_result (*access)(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				     uint32_t access, uint64_t *value);
	/**
	 * An atomic read-modify-write of 4 or 8 aligned bytes: *value receives the old value.
	 * @param update computes what to store from the old value; called once or, on contention, more often
	 */
	enum rv_mem_result (*modify)(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				     uint64_t (*update)(void *arg, uint64_t old), void *arg,
				     uint64_t *value);
	/** LR: load and reserve. */
	enum rv_mem_result (*reserve)(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				      uint64_t *value);
	/** SC: store if the reservation holds; *ret_stored says. The reservation is gone afterwards in any case. */
	enum rv_mem_result (*store_conditional)(void *opaque, struct rv_exec *x, gva_t gva,
						uint8_t bytes, uint64_t value, bool *ret_stored);
	/** Zero the aligned 64-byte block around gva, or (zero = false) only check that it may be managed. */
	enum rv_mem_result (*block)(void *opaque, struct rv_exec *x, gva_t gva, bool zero);
};

/** The interpreter's surroundings and what it found. */
struct rv_exec {
	struct rv_hart *hart;
	const struct rv_memory *memory;
	uint32_t effects;     /* RV_EFFECT_*, ORed in; the caller clears them */
	uint64_t cause, tval; /* of RV_DONE_EXCEPTION */
};

/** Size of a cache block, in bytes (Zicbom, Zicboz). */
#define RV_BLOCK_BYTES 64

/**
 * Execute @p insn, which was fetched from s.pc.
 * Counters are the caller's: minstret and mcycle are not changed here.
 */
enum rv_done rv_exec(struct rv_exec *x, const struct rv_insn *insn);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory for the interpreter: RAM, devices, misaligned accesses, atomics, reservations, cache blocks, fetches. The engine
 * says where an address leads, by whatever it caches of rv_access_translate(), and carries accesses to devices.
 *
 * Harts of one VM take turns on one thread, so a reservation is lost when another hart runs: the engine tells by
 * dropping it.
 */
#ifndef PINFOLD_CPU_RISCV_RV_ACCESS_H
#define PINFOLD_CPU_RISCV_RV_ACCESS_H

#include "cpu/riscv/rv_exec.h"

/** Where an address leads. */
struct rv_place {
	uint8_t *host; /* in RAM that may be accessed so; NULL: a device or nothing */
	gpa_t gpa;
};

/** What the engine does. */
struct rv_access_ops {
	/**
	 * Find what @p bytes at @p gva are, all of them in one page.
	 * @return RV_MEM_OK; RV_MEM_FAULT from rv_access_translate(), with @p ret untouched
	 */
	enum rv_mem_result (*find)(void *opaque, gva_t gva, uint8_t bytes, uint32_t access,
				   struct rv_place *ret);
	/**
	 * An aligned load or store where there is no RAM.
	 * @param value to be stored, or filled zero-extended
	 * @return RV_MEM_FAULT: nothing takes it
	 */
	enum rv_mem_result (*device)(void *opaque, gpa_t gpa, uint8_t bytes, bool is_write,
				     uint64_t *value);
};

/** The interpreter of one hart with its memory. */
struct rv_access {
	struct rv_exec exec;
	struct rv_memory memory;
	const struct rv_access_ops *ops;
	void *opaque;	   /* of ops */
	bool has_refused;  /* the last refused access went to no memory and no device, ... */
	gpa_t refused_gpa; /* ... here */
};

/** Set up @p a, which must not move from then on. All arguments outlive it. */
void rv_access_init(struct rv_access *a, struct rv_hart *hart, const struct rv_access_ops *ops,
		    void *opaque);

/**
 * rv_translate() at the privilege of the access, and PMP about all its bytes.
 * @param ret untouched on failure
 * @return RV_MEM_OK; RV_MEM_FAULT, with the exception in a->exec
 */
enum rv_mem_result rv_access_translate(struct rv_access *a, gva_t gva, uint8_t bytes,
				       uint32_t access, struct rv_translation *ret);

/**
 * Fetch and decode the instruction at the pc, with nothing known of the one before: no effects, nothing refused.
 * @return false, with the exception in a->exec
 */
bool rv_access_fetch(struct rv_access *a, struct rv_insn *ret);

/**
 * The exception in a->exec of the instruction at the pc, for a caller that does not give it to the guest.
 * @param is_system false: the guest is a program; where there is nothing to access is not its kernel's business
 * @return whether it is such an access: ret->kind tells whether there is memory that it may not use so
 */
bool rv_access_fault(const struct rv_access *a, bool is_system, struct cpu_fault *ret);

#endif

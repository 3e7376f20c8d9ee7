/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board's own SBI: what an S-mode kernel on board `virt` asks its firmware for, answered without firmware. Base, timer,
 * IPI, remote fence, hart state, system reset, debug console; and the legacy calls that boot loaders still use.
 * Source: RISC-V SBI 2.0.
 *
 * It knows no engine: harts are reached through a table. Calls come one at a time, between instructions.
 */
#ifndef PINFOLD_MACHINE_SBI_H
#define PINFOLD_MACHINE_SBI_H

#include "dev/device.h"
#include "mem/mem.h"

#define SBI_HARTS_MAX 8u

/** States of a hart, with the numbers of the SBI. */
enum sbi_hart_state {
	SBI_HART_STARTED = 0,
	SBI_HART_STOPPED = 1,
	SBI_HART_SUSPENDED = 4,
};

/** What the SBI does with harts; idx is a hart's number, which is its mhartid. */
struct sbi_harts {
	void *opaque;
	uint32_t n;
	enum sbi_hart_state (*state)(void *opaque, uint32_t idx);
	/** Start a stopped hart in S-mode at @p pc with a0 = its number, a1 = @p opaque_arg, interrupts and paging off. */
	void (*start)(void *opaque, uint32_t idx, uint64_t pc, uint64_t opaque_arg);
	/** Stop the calling hart when the call returns. */
	void (*stop)(void *opaque, uint32_t idx);
	/** Let the calling hart wait for an interrupt. */
	void (*wait)(void *opaque, uint32_t idx);
	/** Make a supervisor software interrupt pending. */
	void (*interrupt)(void *opaque, uint32_t idx);
	/** When the supervisor timer interrupt is due, in ticks; it is not pending until then. */
	void (*set_timer)(void *opaque, uint32_t idx, uint64_t ticks);
	/** Forget cached translations. */
	void (*fence)(void *opaque, uint32_t idx);
	/** Forget cached code. */
	void (*fence_i)(void *opaque, uint32_t idx);
};

/** What an SBI is made from; copied. */
struct sbi_config {
	struct sbi_harts harts;
	struct mem *mem;
	struct chr_backend chr;
	struct dev_host host;
};

struct sbi;

/** Arguments and results of a call: a0 to a7. */
struct sbi_call {
	uint64_t a[8];
};

/** What became of a call. */
enum sbi_result {
	SBI_DONE,	 /* a0 (and a1) hold the answer: go on behind the ecall */
	SBI_STARTS_ANEW, /* the hart was stopped or suspended without return: leave its registers alone */
	SBI_STOP,	 /* the machine stops: dev_host was told why */
};

/** @return NULL when out of memory */
struct sbi *sbi_new(const struct sbi_config *cfg);

/** Accepts NULL. */
void sbi_free(struct sbi *s);

/**
 * Answer an ecall from S-mode.
 * @param idx  the calling hart
 * @param call its a0 to a7; changed when the result is SBI_DONE
 */
enum sbi_result sbi_call(struct sbi *s, uint32_t idx, struct sbi_call *call);

#endif

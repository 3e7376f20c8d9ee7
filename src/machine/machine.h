/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A board: what the guest sees around its CPU. Memory map, devices, boot protocol, semihosting.
 *
 * The machine says which memory it wants, the VM process provides it, and the machine fills in
 * firmware tables and device trees and gives the CPU its first state:
 *
 *   machine_new()  ->  machine_wants()  ->  [VM maps memory]  ->  machine_setup()
 *
 * While the guest runs, engines call machine_port() and machine_mmio(), and the exit loop asks
 * machine_exception() about exceptions that the engine left to it. When a device or a semihosting
 * call ends the run, machine_stop_info() says why.
 *
 * Threads: all of it on the vCPU's thread. (docs/design.md, section 7)
 */
#ifndef PINFOLD_MACHINE_MACHINE_H
#define PINFOLD_MACHINE_MACHINE_H

#include "base/errmsg.h"
#include "cpu/cpu.h"
#include "dev/bus.h"
#include "dev/device.h"
#include "dev/plugin.h"
#include "engine/engine.h"
#include "machine/loader/image.h"
#include "mem/mem.h"

#define MACHINE_WANTS_MAX 8
#define MACHINE_MMIO_MAX  16

/** Memory that a board wants. */
struct machine_want {
	gpa_t base_gpa;
	uint64_t size_bytes;
	uint32_t perm;
	bool is_ram; /* the guest's main memory: the image is loaded into it */
	const char *name;
};

/** What a machine is made from. The pointers stay with the caller and outlive the machine. */
struct machine_config {
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	uint64_t ram_bytes;		/* a multiple of the page size */
	const struct image_plan *image; /* may be NULL: a context will be loaded */
	const char *args;		/* semihosting command line */
	struct chr_backend console;
	struct clock_backend clock;
	pinfold_plugin_fn *plugin; /* entry point of a loaded plug-in, or NULL */
};

/** Why the machine ended a run. */
struct machine_stop {
	bool is_stopped;
	enum dev_stop_kind kind;
	uint64_t code;
	char why[200]; /* for DEV_STOP_ERROR */
};

/** How the engine came to ask about an exception. */
enum machine_event {
	MACHINE_EVENT_EXCEPTION, /* raised, not delivered yet */
	MACHINE_EVENT_SHUTDOWN,	 /* the CPU could not deliver it and stopped (x86) */
	MACHINE_EVENT_ACCESS,	 /* no exception: an access that nothing answers */
};

/** What became of an exception. */
enum machine_verdict {
	MACHINE_RESUME,	    /* handled: set the state and run on */
	MACHINE_STOPPED,    /* the guest ended itself: machine_stop_info(); state is valid */
	MACHINE_WAIT_INPUT, /* semihosting waits for a character: ask again when there may be one */
	MACHINE_FAULT,	    /* nobody handles it: the guest stops with this fault */
};

/** Fixed facts about a board for an architecture, before anything is made. */
struct machine_map {
	gpa_t ram_base_gpa;
	uint64_t ram_default_bytes;
	uint64_t ram_max_bytes;
	gpa_t load_default_gpa; /* of flat images */
};

struct machine;

/**
 * Where things are on board `bare`.
 * @param mode 16-bit x86 loads at 0x7c00
 */
struct machine_map machine_bare_map(const struct cpu_arch *arch, const struct cpu_mode *mode);

/**
 * Make the board's devices and memory plan.
 * @return 0; -EINVAL when RAM or image don't fit the board; -ENOMEM
 */
int machine_new(const struct machine_config *cfg, struct machine **ret, struct errmsg *e);

/** Accepts NULL. */
void machine_free(struct machine *m);

/** The memory that must be mapped; returns the number of entries. */
size_t machine_wants(const struct machine *m, struct machine_want wants[MACHINE_WANTS_MAX]);

/** Address ranges of devices; returns the number of entries. */
size_t machine_mmio_ranges(const struct machine *m, struct engine_mmio_range r[MACHINE_MMIO_MAX]);

/**
 * Fill firmware memory and make the CPU's first state. The image is in memory already.
 * @param mem   as wanted, with final permissions; kept until machine_free()
 * @param engine_caps ENGINE_CAP_* of the engine that will run it
 * @param entry where the first instruction is
 * @param ret   receives the state
 */
int machine_setup(struct machine *m, struct mem *mem, uint64_t engine_caps, gva_t entry,
		  struct cpu_state *ret, struct errmsg *e);

/** A port access, for struct engine_bus; @p opaque is the machine. */
enum bus_result machine_port(void *opaque, struct bus_access *a);

/** An access to an address outside memory, for struct engine_bus; @p opaque is the machine. */
enum bus_result machine_mmio(void *opaque, struct bus_access *a);

/**
 * Decide about an exception or a refused access.
 * @param s  the CPU's state; changed when the verdict is not FAULT
 * @param f  the exception; may be refined (a page fault in the board's own tables is an access
 *           outside memory)
 */
enum machine_verdict machine_exception(struct machine *m, enum machine_event event,
				       struct cpu_state *s, struct cpu_fault *f);

/**
 * A halt exit may be the board's own way of catching an exception.
 * @param s     state at the halt; restored to before the exception if it was one
 * @param ret_f the exception
 * @return true if it was one
 */
bool machine_halt_is_exception(struct machine *m, struct cpu_state *s, struct cpu_fault *ret_f);

/** Look at cells in RAM by which a guest talks to its host (RISC-V tohost); cheap, call per slice. */
void machine_poll(struct machine *m);

/** Why the run ended, if the machine ended it. */
const struct machine_stop *machine_stop_info(const struct machine *m);

/** Accesses so far. */
struct machine_counts {
	uint64_t reads, writes, unmapped;
};

/** How many accesses the devices have seen. */
struct machine_counts machine_counts(const struct machine *m);

/** Size of the devices' state. */
size_t machine_state_bytes(const struct machine *m);

/** Write the devices' state; @p to holds machine_state_bytes(). */
void machine_state_save(const struct machine *m, uint8_t *to);

/** Restore it, and forget why the run ended. @return 0; -EINVAL with the device's name */
int machine_state_load(struct machine *m, const uint8_t *from, size_t bytes, struct errmsg *e);

#endif

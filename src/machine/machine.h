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
#include "dev/virtio/virtio_blk.h"
#include "dev/virtio/virtio_net.h"
#include "dev/virtio/virtio_rng.h"
#include "engine/engine.h"
#include "machine/loader/image.h"
#include "mem/mem.h"

#define MACHINE_WANTS_MAX 8
#define MACHINE_MMIO_MAX  24
#define MACHINE_HARTS_MAX 8
#define MACHINE_DISKS_MAX 4

/** Memory that a board wants. */
struct machine_want {
	gpa_t base_gpa;
	uint64_t size_bytes;
	uint32_t perm;
	bool is_ram; /* the guest's main memory: the image is loaded into it */
	const char *name;
};

/**
 * What a board with a kernel does with the VM's CPUs, between their instructions or from their bus callbacks. Numbers are below
 * machine_config.n_cpus.
 */
struct machine_cpus {
	void *opaque;
	/** Drive interrupt lines; engine_ops.set_lines. */
	void (*set_lines)(void *opaque, uint32_t idx, uint64_t mask, uint64_t level);
	/** The state of a CPU that does not run right now; may be changed with set_state. */
	int (*get_state)(void *opaque, uint32_t idx, struct cpu_state *ret);
	int (*set_state)(void *opaque, uint32_t idx, const struct cpu_state *s);
	/** Let a CPU take part, or not. */
	void (*set_online)(void *opaque, uint32_t idx, bool is_online);
	bool (*is_online)(void *opaque, uint32_t idx);
	/** Let a CPU wait for an interrupt, as its own instruction does. */
	void (*wait)(void *opaque, uint32_t idx);
	void (*flush_translations)(void *opaque, uint32_t idx);
	void (*flush_code)(void *opaque, uint32_t idx);
};

/** What a machine is made from. The pointers stay with the caller and outlive the machine. */
struct machine_config {
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	const char *board;
	uint64_t ram_bytes; /* a multiple of the page size */
	const struct image_plan
		*image;	  /* may be NULL: a context will be loaded; or there is a kernel */
	const char *args; /* semihosting command line; of a kernel: its own */
	/* Boards with a kernel. */
	uint32_t n_cpus;
	struct machine_cpus cpus;
	const struct image_plan *kernel; /* or NULL */
	bool has_sbi;	       /* the board is the guest's firmware: it starts in S-mode */
	uint64_t initrd_bytes; /* 0: none */
	size_t n_disks;
	struct blk_backend disks[MACHINE_DISKS_MAX];
	bool has_net;
	struct net_backend net;
	uint8_t mac[NET_MAC_BYTES];
	struct entropy_backend entropy;
	struct chr_backend console;
	bool has_virtio_console; /* which has the input then; what other consoles print goes there too */
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
	uint32_t cpus_max;
	bool is_system;	       /* has interrupts, timers, devices that work on their own */
	uint8_t va_bits;       /* engine_config */
	uint64_t exit_vectors; /* exceptions that are the board's business; engine_config */
};

struct machine;

/**
 * Where things are on a board.
 * @param board  "bare", "virt"
 * @param mode   16-bit x86 loads at 0x7c00
 * @param has_sbi see machine_config
 * @return 0; -EINVAL no such board; -ENOTSUP not for this architecture
 */
int machine_map(const char *board, const struct cpu_arch *arch, const struct cpu_mode *mode,
		bool has_sbi, struct machine_map *ret, struct errmsg *e);

/**
 * Make the board's devices and memory plan.
 * @return 0; -EINVAL when RAM or image don't fit the board; -ENOMEM
 */
int machine_new(const struct machine_config *cfg, struct machine **ret, struct errmsg *e);

/** Accepts NULL. */
void machine_free(struct machine *m);

/** Where the initial RAM disk goes, once the machine is made; 0: nowhere. */
gpa_t machine_initrd_gpa(const struct machine *m);

/** A disk's request is done; see virtio_blk_complete(). */
void machine_disk_complete(struct machine *m, size_t disk, struct blk_request *r, int result);

/** Press the power button. @return whether the board has one and the guest a driver for it */
bool machine_power_press(struct machine *m);

/** A frame for the guest. @return false: it has no buffer for it now */
bool machine_net_receive(struct machine *m, const uint8_t *frame, size_t len);

/** Time as the CPUs' counters show it; 0 where the board has none. @p opaque is the machine. */
uint64_t machine_ticks(void *opaque);

/** @return when machine_poll() has something to do, in ns of the clock back-end; UINT64_MAX: not by time */
ns_t machine_due_ns(const struct machine *m);

/** @return the time of the clock back-end at which machine_ticks() reaches @p ticks; UINT64_MAX: never. Only where it has one */
ns_t machine_tick_time_ns(const struct machine *m, uint64_t ticks);

/** The memory that must be mapped; returns the number of entries. */
size_t machine_wants(const struct machine *m, struct machine_want wants[MACHINE_WANTS_MAX]);

/** Address ranges of devices; returns the number of entries. */
size_t machine_mmio_ranges(const struct machine *m, struct engine_mmio_range r[MACHINE_MMIO_MAX]);

/**
 * Fill firmware memory and make the CPU's first state. The image is in memory already. Of a whole system (machine_map.is_system)
 * again at each reset, after machine_state_load() with the state of before the first instruction.
 * @param mem   as wanted, with final permissions; kept until machine_free()
 * @param engine_caps ENGINE_CAP_* of the engine that will run it
 * @param entry where the first instruction is
 * @param ret   receives the state
 */
int machine_setup(struct machine *m, struct mem *mem, uint64_t engine_caps, gva_t entry,
		  struct cpu_state *ret, struct errmsg *e);

/**
 * The first state of a CPU beyond the first.
 * @param first what machine_setup() gave for CPU 0
 * @return whether it takes part from the beginning
 */
bool machine_setup_other(struct machine *m, uint32_t cpu_idx, const struct cpu_state *first,
			 struct cpu_state *ret);

/** A port access, for struct engine_bus; @p opaque is the machine. */
enum bus_result machine_port(void *opaque, struct bus_access *a);

/** An access to an address outside memory, for struct engine_bus; @p opaque is the machine. */
enum bus_result machine_mmio(void *opaque, struct bus_access *a);

/**
 * Decide about an exception or a refused access.
 * @param cpu_idx which CPU it is of
 * @param s  the CPU's state; changed when the verdict is not FAULT
 * @param f  the exception; may be refined (a page fault in the board's own tables is an access
 *           outside memory)
 */
enum machine_verdict machine_exception(struct machine *m, enum machine_event event,
				       uint32_t cpu_idx, struct cpu_state *s, struct cpu_fault *f);

/**
 * A halt exit may be the board's own way of catching an exception.
 * @param s     state at the halt; restored to before the exception if it was one
 * @param ret_f the exception
 * @return true if it was one
 */
bool machine_halt_is_exception(struct machine *m, struct cpu_state *s, struct cpu_fault *ret_f);

/**
 * Look at what changes without the guest's doing: time, input, cells in RAM by which it talks to its host (RISC-V
 * tohost). Cheap; call per slice, when machine_due_ns() has come, and after back-ends had news.
 */
void machine_poll(struct machine *m);

/**
 * Whether a device has stopped since the last call, because its driver broke a rule. One that is reset and stops again counts
 * anew.
 * @param ret a sentence for people; of several devices the first
 */
bool machine_stopped_device(struct machine *m, char *ret, size_t size);

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of room machine share: one machine, and one table per board and family of architectures. */
#ifndef PINFOLD_MACHINE_BOARD_H
#define PINFOLD_MACHINE_BOARD_H

#include "dev/semihost.h"
#include "machine/machine.h"

#define MACHINE_DEVICES_MAX 24

/** A device that the machine owns. */
struct machine_device {
	const struct dev_ops *ops;
	void *dev;
};

struct machine {
	struct machine_config cfg;
	const struct board_ops *ops;
	struct mem *mem; /* from machine_setup() on */
	struct bus ports, mmio;
	size_t n_devices;
	struct machine_device devices[MACHINE_DEVICES_MAX];
	size_t n_wants;
	struct machine_want wants[MACHINE_WANTS_MAX];
	struct dev_host host;
	struct machine_stop stop;
	struct machine_counts counts;
	struct semihost *semihost;	    /* or NULL */
	struct htif *htif;		    /* or NULL */
	struct plugin *plugin;		    /* or NULL */
	const struct cpu_state *walk_state; /* while a semihosting call runs */
	gpa_t fdt_gpa;			    /* 0: none */
	uint64_t engine_caps;		    /* ENGINE_CAP_*, from machine_setup() on */
	gpa_t initrd_gpa;		    /* 0: none */
	struct clint *clint;		    /* RISC-V; or NULL */
	struct virt_riscv *virt;	    /* or NULL */
};

/** What differs between boards. */
struct board_ops {
	bool has_semihosting;
	struct machine_map (*map)(const struct cpu_mode *mode, bool has_sbi);
	/** Declare memory (RAM first) and make the devices. */
	int (*make)(struct machine *m, struct errmsg *e);
	/** Fill firmware memory and set up the state, which is the architecture's reset state. */
	int (*setup)(struct machine *m, struct cpu_state *s, struct errmsg *e);
	/** See machine_exception(): refine before anything else. May be NULL. */
	void (*refine)(const struct machine *m, const struct cpu_state *s, struct cpu_fault *f);
	/** See machine_halt_is_exception(). May be NULL. */
	bool (*halt_is_exception)(const struct machine *m, struct cpu_state *s,
				  struct cpu_fault *ret_f);
	/** Whether delivering the exception would only lead to the board's own stub. May be NULL. */
	bool (*is_unhandled)(const struct machine *m, const struct cpu_state *s,
			     const struct cpu_fault *f);
	/** The state of a CPU beyond the first, whose state is @p first. @return whether it takes part. NULL: one CPU */
	bool (*setup_other)(const struct machine *m, uint32_t cpu_idx,
			    const struct cpu_state *first, struct cpu_state *ret);
	/** An exception that is the board's business; true: it was, with the verdict. May be NULL. */
	bool (*call)(struct machine *m, uint32_t cpu_idx, struct cpu_state *s,
		     const struct cpu_fault *f, enum machine_verdict *ret);
	/** Time, input; may be NULL. */
	void (*poll)(struct machine *m);
	/** See machine_due_ns(). May be NULL. */
	ns_t (*due_ns)(const struct machine *m);
	/** See machine_stopped_device(). May be NULL. */
	bool (*stopped_device)(struct machine *m, char *ret, size_t size);
	/** Free what the board made besides devices. May be NULL. */
	void (*done)(struct machine *m);
};

extern const struct board_ops bare_x86_ops;
extern const struct board_ops bare_arm_ops; /* ARM and AArch64 */
extern const struct board_ops bare_riscv_ops;
extern const struct board_ops virt_riscv_ops;

/** Declare memory. */
void board_want(struct machine *m, gpa_t base_gpa, uint64_t size_bytes, uint32_t perm, bool is_ram,
		const char *name);

/**
 * Put a device on a bus; the machine owns it from here on, also on failure.
 * @param dev NULL (out of memory) is accepted and reported
 */
int board_attach(struct machine *m, struct bus *bus, uint64_t base, uint64_t size,
		 const struct dev_ops *ops, void *dev, struct errmsg *e);

/** Own a device that has no registers. */
int board_own(struct machine *m, const struct dev_ops *ops, void *dev, struct errmsg *e);

/** Fill memory that the guest may not write. @return 0; -EFAULT when nothing is mapped there */
int board_firmware_write(struct machine *m, gpa_t gpa, const void *bytes, size_t len,
			 struct errmsg *e);

/** More than any device tree of a board takes. */
#define BOARD_FDT_BYTES 4096

/** Describe an ARM, AArch64 or RISC-V `bare` board as a flattened device tree. */
int board_fdt_make(const struct machine *m, uint8_t *buf, size_t size, struct errmsg *e);

/** Whether the image covers any byte of a range. */
bool board_image_overlaps(const struct machine *m, gpa_t gpa, uint64_t size_bytes);

#endif

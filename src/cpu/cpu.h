/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract for a guest architecture: everything above the engines knows a guest CPU only
 * through this table.
 *
 * A CPU's state is one plain struct per architecture (x86/x86.h, arm/arm.h, a64/a64.h,
 * riscv/riscv.h) inside a struct cpu_state. Engines fill it and take it; register names are
 * offsets into it; context files store it. It is canonical: two engines that agree about a guest
 * produce the same bytes. Adding an architecture means one folder here and one line in
 * cpu/arch_table.c.
 */
#ifndef PINFOLD_CPU_CPU_H
#define PINFOLD_CPU_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "mem/mem.h"

/** Guest architectures; the values are part of the context file and of messages. */
enum cpu_arch_id {
	CPU_ARCH_X86 = 1,
	CPU_ARCH_X64 = 2,
	CPU_ARCH_ARM = 3,
	CPU_ARCH_A64 = 4,
	CPU_ARCH_RV64 = 5,
};

/** How the CPU starts, beyond its architecture. */
struct cpu_mode {
	bool is_16bit;	    /* x86: real mode */
	bool is_big_endian; /* arm: data big endian (BE8) */
	bool is_thumb;	    /* arm: first instruction is Thumb */
};

#define CPU_STATE_BYTES_MAX 2048

/** One CPU's architectural state; the bytes are the architecture's own struct. */
struct cpu_state {
	enum cpu_arch_id arch;
	_Alignas(16) uint8_t bytes[CPU_STATE_BYTES_MAX];
};

/** Groups of registers: what is printed, compared, shown to gdb. */
enum cpu_reg_class {
	CPU_REG_GPR,   /* general registers, stack pointer and program counter */
	CPU_REG_FLAGS, /* flags / program status */
	CPU_REG_SEG,   /* x86 segment selectors */
	CPU_REG_FP,    /* floating point and its control */
	CPU_REG_VEC,   /* vector */
	CPU_REG_SYS,   /* privileged */
};

#define CPU_REG_NAME_BYTES 16
#define CPU_REG_BYTES_MAX  32

/**
 * One named register: a little-endian field of the state struct. Use cpu_reg_load() and its
 * siblings rather than the offset: a few registers are views of a field (get, set).
 */
struct cpu_reg {
	const char *name;  /* as printed: "eax", "x0", "a0" */
	const char *alias; /* also accepted: "x10" for "a0"; or NULL */
	uint16_t offset;   /* in cpu_state.bytes */
	uint8_t bytes;	   /* 1..CPU_REG_BYTES_MAX */
	uint8_t cls;	   /* enum cpu_reg_class */
	/* gdb target description; NULL feature: not shown to gdb. The table's order is gdb's order
	 * within a feature. */
	const char *gdb_feature; /* "org.gnu.gdb.i386.core" */
	const char *gdb_name;	 /* NULL: same as name */
	const char *gdb_type;	 /* NULL: "int" */
	/* NULL: the field itself. Otherwise the value is computed from the field ... */
	uint64_t (*get)(const struct cpu_state *s);
	/* ... and stored like this; false when the register can't hold the value. */
	bool (*set)(struct cpu_state *s, const struct cpu_reg *r, uint64_t value);
};

/** What stopped a guest that cannot go on. */
enum cpu_fault_kind {
	CPU_FAULT_NONE,
	CPU_FAULT_ILLEGAL_INSN,
	CPU_FAULT_UNMAPPED,   /* no memory or device there */
	CPU_FAULT_PROTECTION, /* memory is there, the access is not allowed */
	CPU_FAULT_PAGE,	      /* the guest's own page tables refuse */
	CPU_FAULT_UNALIGNED,
	CPU_FAULT_DIVIDE,
	CPU_FAULT_SYSREG,     /* undefined or forbidden system register */
	CPU_FAULT_BREAKPOINT, /* breakpoint instruction nobody handles */
	CPU_FAULT_SYSCALL,    /* system call or software interrupt nobody handles */
	CPU_FAULT_FP,	      /* unmasked floating-point exception */
	CPU_FAULT_GENERAL,    /* x86 #GP, #SS, #NP, #TS and kin */
	CPU_FAULT_DOUBLE,
	CPU_FAULT_TRIPLE, /* shutdown */
	CPU_FAULT_OTHER,  /* any other exception: see vector */
	CPU_FAULT_KIND_COUNT,
};

/** A guest exception or refused access, in terms that all architectures share. */
struct cpu_fault {
	enum cpu_fault_kind kind;
	uint32_t vector;   /* the architecture's own number: x86 vector, ESR.EC, mcause, ... */
	uint64_t syndrome; /* x86 error code, ESR, ...; 0 if none */
	gva_t pc;	   /* of the instruction that caused it */
	gva_t address;	   /* that was accessed; valid if has_address */
	bool has_address;
	uint32_t access; /* MEM_R, MEM_W, MEM_X; 0 if it is not about memory */
};

/** @return "illegal-instruction", "unmapped", ...: stable, used in JSON */
const char *cpu_fault_kind_name(enum cpu_fault_kind kind);

/** What a debugger or exit loop asks about an exception before it is delivered to the guest. */
enum cpu_semihost {
	CPU_SEMIHOST_NONE,
	CPU_SEMIHOST_CALL, /* pc is at the trapping instruction */
};

/** A semihosting call as all architectures share it (Arm semihosting specification 2.0). */
struct cpu_semihost_call {
	uint64_t op;
	uint64_t param;	     /* register 1: address of the block, or a value */
	uint8_t field_bytes; /* size of a field of the parameter block: 4 or 8 */
	bool is_big_endian;
};

/** The table; one const instance per architecture. */
struct cpu_arch {
	enum cpu_arch_id id;
	const char *name;  /* as typed: "x86", "arm64" */
	const char *title; /* for people: "AArch64" */
	uint8_t word_bytes;
	uint8_t insn_bytes_max;
	uint8_t insn_align;   /* of a flat image's entry */
	const char *gdb_arch; /* <architecture> of the target description */
	size_t state_bytes;
	size_t state_bytes_v2; /* its beginning, as contexts up to version 2 hold; 0: all of it */
	const struct cpu_reg *regs;
	size_t n_regs;

	/** Architectural reset state for @p mode, all zero otherwise. No memory is touched. */
	void (*reset)(struct cpu_state *s, const struct cpu_mode *mode);
	/** The mode in which the next instruction is decoded and data is accessed. */
	struct cpu_mode (*get_mode)(const struct cpu_state *s);
	/** Program counter as a linear guest virtual address (x86: CS base added). */
	gva_t (*get_pc)(const struct cpu_state *s);
	/** Set it (ARM: bit 0 selects Thumb). */
	void (*set_pc)(struct cpu_state *s, gva_t pc);
	gva_t (*get_sp)(const struct cpu_state *s);
	void (*set_sp)(struct cpu_state *s, gva_t sp);
	/**
	 * Put two boot arguments where Linux's boot protocol of the architecture expects them.
	 * @param arg0 number of the CPU (RISC-V: a0; elsewhere not passed)
	 * @param arg1 address of the device tree (RISC-V: a1; arm64: x0; arm: r2; x86: not passed)
	 */
	void (*set_boot_args)(struct cpu_state *s, uint64_t arg0, uint64_t arg1);
	/** Size in bytes of an instruction, as far as it can be told from its bytes; 0 = unknown. */
	size_t (*insn_bytes)(const struct cpu_state *s, const uint8_t *bytes, size_t n);
	/**
	 * Translate by the guest's page tables, as the current privilege would.
	 * @param access MEM_R, MEM_W or MEM_X; 0 for a debugger: no permission is checked
	 * @param ret_gpa   not NULL; untouched on failure
	 * @param ret_fault not NULL; untouched on success
	 * @return true; false with @p ret_fault when the tables refuse
	 */
	bool (*page_walk)(const struct cpu_state *s, const struct mem *m, gva_t gva,
			  uint32_t access, gpa_t *ret_gpa, struct cpu_fault *ret_fault);
	/**
	 * Deliver an exception as the CPU would: push or save state, switch to the handler.
	 * @return true; false when the guest has no usable handler (the caller reports the fault;
	 *         @p s and memory are untouched then)
	 */
	bool (*deliver)(struct cpu_state *s, struct mem *m, const struct cpu_fault *f);
	/**
	 * Whether the exception at pc is a semihosting call.
	 * @param ret_call    its operation and parameter
	 * @return its kind; NONE for architectures without semihosting
	 */
	enum cpu_semihost (*semihost_match)(const struct cpu_state *s, const struct mem *m,
					    const struct cpu_fault *f,
					    struct cpu_semihost_call *ret_call);
	/** Store a semihosting result and step behind the call. */
	void (*semihost_return)(struct cpu_state *s, const struct mem *m, uint64_t result);
};

/** All architectures, in order of id. */
extern const struct cpu_arch *const cpu_arch_table[];
extern const size_t cpu_arch_count;

/** @return the table for @p id, or NULL */
const struct cpu_arch *cpu_arch_by_id(enum cpu_arch_id id);

/** @return the table for a name as typed ("x64", also "amd64", "aarch64", ...), or NULL */
const struct cpu_arch *cpu_arch_by_name(const char *name);

/** Find a register by its name or alias, upper or lower case; NULL if there is none. */
const struct cpu_reg *cpu_reg_find(const struct cpu_arch *a, const char *name);

/** Copy a register's r->bytes bytes out of the state, little-endian, whatever its size. */
void cpu_reg_load(const struct cpu_state *s, const struct cpu_reg *r, void *buf);

/**
 * Copy r->bytes little-endian bytes into the register.
 * @return 0; -ERANGE when the register can't hold the value (nothing is changed)
 */
int cpu_reg_store(struct cpu_state *s, const struct cpu_reg *r, const void *buf, struct errmsg *e);

/** Read a register of up to 8 bytes; wider ones give their low 8. */
uint64_t cpu_reg_get(const struct cpu_state *s, const struct cpu_reg *r);

/**
 * Write a register of up to 8 bytes (wider ones: low 8, rest zero).
 * @return 0; -ERANGE when the value does not fit
 */
int cpu_reg_set(struct cpu_state *s, const struct cpu_reg *r, uint64_t value, struct errmsg *e);

#endif

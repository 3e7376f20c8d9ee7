/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of architectures, and what is common to all register tables. */
#include "cpu/cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/bug.h"
#include "cpu/a64/a64.h"
#include "cpu/arm/arm.h"
#include "cpu/riscv/riscv.h"
#include "cpu/x86/x86.h"

const struct cpu_arch *const cpu_arch_table[] = {
	&x86_arch, &x64_arch, &arm_arch, &a64_arch, &rv64_arch,
};
const size_t cpu_arch_count = ARRAY_SIZE(cpu_arch_table);

_Static_assert(sizeof(struct x86_state) <= CPU_STATE_BYTES_MAX, "x86 state fits");
_Static_assert(sizeof(struct arm_state) <= CPU_STATE_BYTES_MAX, "arm state fits");
_Static_assert(sizeof(struct a64_state) <= CPU_STATE_BYTES_MAX, "arm64 state fits");
_Static_assert(sizeof(struct rv_state) <= CPU_STATE_BYTES_MAX, "riscv64 state fits");

/* What else people call an architecture. */
static const struct {
	const char *name;
	enum cpu_arch_id id;
} other_names[] = {
	{ "i386", CPU_ARCH_X86 },    { "i486", CPU_ARCH_X86 },	  { "i586", CPU_ARCH_X86 },
	{ "i686", CPU_ARCH_X86 },    { "ia32", CPU_ARCH_X86 },	  { "amd64", CPU_ARCH_X64 },
	{ "x86_64", CPU_ARCH_X64 },  { "x86-64", CPU_ARCH_X64 },  { "arm32", CPU_ARCH_ARM },
	{ "armv7", CPU_ARCH_ARM },   { "armhf", CPU_ARCH_ARM },	  { "armel", CPU_ARCH_ARM },
	{ "aarch64", CPU_ARCH_A64 }, { "armv8", CPU_ARCH_A64 },	  { "a64", CPU_ARCH_A64 },
	{ "riscv", CPU_ARCH_RV64 },  { "risc-v", CPU_ARCH_RV64 }, { "rv64", CPU_ARCH_RV64 },
	{ "rv64gc", CPU_ARCH_RV64 },
};

static const char *const fault_names[CPU_FAULT_KIND_COUNT] = {
	[CPU_FAULT_NONE] = "none",
	[CPU_FAULT_ILLEGAL_INSN] = "illegal-instruction",
	[CPU_FAULT_UNMAPPED] = "unmapped",
	[CPU_FAULT_PROTECTION] = "protection",
	[CPU_FAULT_PAGE] = "page-fault",
	[CPU_FAULT_UNALIGNED] = "unaligned",
	[CPU_FAULT_DIVIDE] = "divide-error",
	[CPU_FAULT_SYSREG] = "undefined-sysreg",
	[CPU_FAULT_BREAKPOINT] = "breakpoint",
	[CPU_FAULT_SYSCALL] = "syscall",
	[CPU_FAULT_FP] = "fp-exception",
	[CPU_FAULT_GENERAL] = "general-protection",
	[CPU_FAULT_DOUBLE] = "double-fault",
	[CPU_FAULT_TRIPLE] = "triple-fault",
	[CPU_FAULT_OTHER] = "exception",
};

const char *cpu_fault_kind_name(enum cpu_fault_kind kind)
{
	BUG_ON((unsigned int)kind >= CPU_FAULT_KIND_COUNT);
	return fault_names[kind];
}

const struct cpu_arch *cpu_arch_by_id(enum cpu_arch_id id)
{
	for (size_t i = 0; i < cpu_arch_count; i++) {
		if (cpu_arch_table[i]->id == id) {
			return cpu_arch_table[i];
		}
	}
	return NULL;
}

const struct cpu_arch *cpu_arch_by_name(const char *name)
{
	for (size_t i = 0; i < cpu_arch_count; i++) {
		if (strcasecmp(cpu_arch_table[i]->name, name) == 0) {
			return cpu_arch_table[i];
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(other_names); i++) {
		if (strcasecmp(other_names[i].name, name) == 0) {
			return cpu_arch_by_id(other_names[i].id);
		}
	}
	return NULL;
}

static bool is_named(const char *have, const char *name)
{
	return have && strcasecmp(have, name) == 0;
}

const struct cpu_reg *cpu_reg_find(const struct cpu_arch *a, const char *name)
{
	for (size_t i = 0; i < a->n_regs; i++) {
		const struct cpu_reg *r = &a->regs[i];

		if (is_named(r->name, name) || is_named(r->alias, name) ||
		    is_named(r->gdb_name, name)) {
			return r;
		}
	}
	return NULL;
}

void cpu_reg_load(const struct cpu_state *s, const struct cpu_reg *r, void *buf)
{
	BUG_ON(r->offset + r->bytes > CPU_STATE_BYTES_MAX || r->bytes > CPU_REG_BYTES_MAX);
	if (r->get) {
		store_le(buf, r->get(s), r->bytes);
	} else {
		memcpy(buf, s->bytes + r->offset, r->bytes);
	}
}

int cpu_reg_store(struct cpu_state *s, const struct cpu_reg *r, const void *buf, struct errmsg *e)
{
	BUG_ON(r->offset + r->bytes > CPU_STATE_BYTES_MAX || r->bytes > CPU_REG_BYTES_MAX);
	if (!r->set) {
		memcpy(s->bytes + r->offset, buf, r->bytes);
		return 0;
	}
	if (!r->set(s, r, load_le(buf, r->bytes))) {
		return errmsg_set(e, -ERANGE, "register %s can't hold 0x%" PRIx64, r->name,
				  load_le(buf, r->bytes));
	}
	return 0;
}

uint64_t cpu_reg_get(const struct cpu_state *s, const struct cpu_reg *r)
{
	uint8_t buf[CPU_REG_BYTES_MAX] = { 0 };

	cpu_reg_load(s, r, buf);
	return load_le(buf, 8);
}

int cpu_reg_set(struct cpu_state *s, const struct cpu_reg *r, uint64_t value, struct errmsg *e)
{
	uint8_t buf[CPU_REG_BYTES_MAX] = { 0 };

	if (low_bytes(value, r->bytes) != value) {
		return errmsg_set(e, -ERANGE, "0x%" PRIx64 " does not fit in the %d bits of %s",
				  value, r->bytes * 8, r->name);
	}
	store_le(buf, value, 8);
	return cpu_reg_store(s, r, buf, e);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AArch64, EL0 and EL1: registers, reset state, exception syndromes. Source: DDI 0487, parts B, D.
 *
 * reset(): EL1 with its own stack pointer, everything masked, MMU and caches off, FP and SIMD on
 * (board `bare` starts programs that way). PSTATE has nothing above bit 31 yet, so "cpsr" (gdb's
 * name for it) is its low half.
 */
#include <string.h>

#include "cpu/a64/a64_internal.h"

#define CORE   "org.gnu.gdb.aarch64.core"
#define FPU    "org.gnu.gdb.aarch64.fpu"
#define SYSTEM "org.pinfold.aarch64.system"
#define AT(f)  offsetof(struct a64_state, f)

#define SCTLR_RESET 0x00c50838u /* of a Cortex-A57 */
#define CPACR_FPEN  (3u << 20)

static uint64_t *sp_slot(struct a64_state *a)
{
	bool is_own = !a64_is_el0(a) && (a->pstate & A64_PSTATE_SP);

	return is_own ? &a->sp_el1 : &a->sp_el0;
}

void a64_pstate_set(struct a64_state *a, uint64_t pstate)
{
	*sp_slot(a) = a->sp;
	a->pstate = pstate;
	a->sp = *sp_slot(a);
}

static bool set_pstate(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)r;
	a64_pstate_set(a64_state(s), value);
	return true;
}

static bool set_sp_reg(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct a64_state *a = a64_state(s);

	(void)r;
	a->sp = value;
	*sp_slot(a) = value;
	return true;
}

/* sp_el0 and sp_el1: the current one is sp as well. */
static bool set_sp_slot(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct a64_state *a = a64_state(s);

	store_le(s->bytes + r->offset, value, 8);
	a->sp = *sp_slot(a);
	return true;
}

#define X(n, other)                                                             \
	{                                                                       \
		.name = "x" #n, .alias = other, .offset = AT(x[n]), .bytes = 8, \
		.cls = CPU_REG_GPR, .gdb_feature = CORE, .gdb_type = "int64"    \
	}
#define V(n)                                                                      \
	{                                                                         \
		.name = "v" #n, .alias = "q" #n, .offset = AT(v[n]), .bytes = 16, \
		.cls = CPU_REG_VEC, .gdb_feature = FPU, .gdb_type = "aarch64v"    \
	}
#define SYS(nm, fld)                                                           \
	{                                                                      \
		.name = nm, .offset = AT(fld), .bytes = 8, .cls = CPU_REG_SYS, \
		.gdb_feature = SYSTEM, .gdb_type = "uint64"                    \
	}
#define STACK(nm, fld)                                                          \
	{                                                                       \
		.name = nm, .offset = AT(fld), .bytes = 8, .cls = CPU_REG_SYS,  \
		.gdb_feature = SYSTEM, .gdb_type = "uint64", .set = set_sp_slot \
	}

static const struct cpu_reg regs[] = {
	X(0, NULL),
	X(1, NULL),
	X(2, NULL),
	X(3, NULL),
	X(4, NULL),
	X(5, NULL),
	X(6, NULL),
	X(7, NULL),
	X(8, NULL),
	X(9, NULL),
	X(10, NULL),
	X(11, NULL),
	X(12, NULL),
	X(13, NULL),
	X(14, NULL),
	X(15, NULL),
	X(16, "ip0"),
	X(17, "ip1"),
	X(18, NULL),
	X(19, NULL),
	X(20, NULL),
	X(21, NULL),
	X(22, NULL),
	X(23, NULL),
	X(24, NULL),
	X(25, NULL),
	X(26, NULL),
	X(27, NULL),
	X(28, NULL),
	X(29, "fp"),
	X(30, "lr"),
	{ .name = "sp",
	  .alias = "x31",
	  .offset = AT(sp),
	  .bytes = 8,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "data_ptr",
	  .set = set_sp_reg },
	{ .name = "pc",
	  .offset = AT(pc),
	  .bytes = 8,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "code_ptr" },
	{ .name = "cpsr",
	  .alias = "pstate",
	  .offset = AT(pstate),
	  .bytes = 4,
	  .cls = CPU_REG_FLAGS,
	  .gdb_feature = CORE,
	  .gdb_type = "cpsr_flags",
	  .set = set_pstate },
	V(0),
	V(1),
	V(2),
	V(3),
	V(4),
	V(5),
	V(6),
	V(7),
	V(8),
	V(9),
	V(10),
	V(11),
	V(12),
	V(13),
	V(14),
	V(15),
	V(16),
	V(17),
	V(18),
	V(19),
	V(20),
	V(21),
	V(22),
	V(23),
	V(24),
	V(25),
	V(26),
	V(27),
	V(28),
	V(29),
	V(30),
	V(31),
	{ .name = "fpsr",
	  .offset = AT(fpsr),
	  .bytes = 4,
	  .cls = CPU_REG_FP,
	  .gdb_feature = FPU,
	  .gdb_type = "uint32" },
	{ .name = "fpcr",
	  .offset = AT(fpcr),
	  .bytes = 4,
	  .cls = CPU_REG_FP,
	  .gdb_feature = FPU,
	  .gdb_type = "uint32" },
	STACK("sp_el0", sp_el0),
	STACK("sp_el1", sp_el1),
	SYS("sctlr_el1", sctlr_el1),
	SYS("cpacr_el1", cpacr_el1),
	SYS("ttbr0_el1", ttbr0_el1),
	SYS("ttbr1_el1", ttbr1_el1),
	SYS("tcr_el1", tcr_el1),
	SYS("mair_el1", mair_el1),
	SYS("amair_el1", amair_el1),
	SYS("vbar_el1", vbar_el1),
	SYS("elr_el1", elr_el1),
	SYS("spsr_el1", spsr_el1),
	SYS("esr_el1", esr_el1),
	SYS("far_el1", far_el1),
	SYS("par_el1", par_el1),
	SYS("contextidr_el1", contextidr_el1),
	SYS("tpidr_el0", tpidr_el0),
	SYS("tpidrro_el0", tpidrro_el0),
	SYS("tpidr_el1", tpidr_el1),
	SYS("cntkctl_el1", cntkctl_el1),
};

static void reset(struct cpu_state *s, const struct cpu_mode *mode)
{
	struct a64_state *a = a64_state(s);

	memset(s, 0, sizeof(*s));
	s->arch = CPU_ARCH_A64;
	a->pstate = A64_PSTATE_DAIF | A64_PSTATE_EL1 | A64_PSTATE_SP;
	a->sctlr_el1 = SCTLR_RESET;
	if (mode->is_big_endian) {
		a->sctlr_el1 |= A64_SCTLR_EE | A64_SCTLR_E0E;
	}
	a->cpacr_el1 = CPACR_FPEN;
}

static struct cpu_mode get_mode(const struct cpu_state *s)
{
	return (struct cpu_mode){ .is_big_endian = a64_is_big_endian(a64_state_const(s)) };
}

static gva_t get_pc(const struct cpu_state *s)
{
	return a64_state_const(s)->pc;
}

static void set_pc(struct cpu_state *s, gva_t pc)
{
	a64_state(s)->pc = pc;
}

static gva_t get_sp(const struct cpu_state *s)
{
	return a64_state_const(s)->sp;
}

static void set_sp(struct cpu_state *s, gva_t sp)
{
	set_sp_reg(s, NULL, sp);
}

/* Linux: x0 = device tree, x1 to x3 = 0. */
static void set_boot_args(struct cpu_state *s, uint64_t arg0, uint64_t arg1)
{
	struct a64_state *a = a64_state(s);

	(void)arg0;
	a->x[0] = arg1;
	a->x[1] = 0;
	a->x[2] = 0;
	a->x[3] = 0;
}

static size_t insn_bytes(const struct cpu_state *s, const uint8_t *bytes, size_t n)
{
	(void)s;
	(void)bytes;
	(void)n;
	return 4;
}

static enum cpu_fault_kind kind_of_abort(uint32_t fsc)
{
	if (fsc < A64_FSC_EXTERNAL) {
		return CPU_FAULT_PAGE;
	}
	if (fsc == A64_FSC_EXTERNAL || (fsc & ~3u) == A64_FSC_WALK) {
		return CPU_FAULT_UNMAPPED;
	}
	return fsc == A64_FSC_ALIGNMENT ? CPU_FAULT_UNALIGNED : CPU_FAULT_OTHER;
}

static enum cpu_fault_kind kind_of(uint32_t ec, uint64_t esr)
{
	if (ec >= A64_EC_BREAKPOINT_LOWER && ec <= A64_EC_WATCHPOINT_SAME) {
		return CPU_FAULT_BREAKPOINT;
	}
	switch (ec) {
	case A64_EC_UNKNOWN:
	case A64_EC_ILLEGAL_STATE:
		return CPU_FAULT_ILLEGAL_INSN;
	case A64_EC_SVC32:
	case A64_EC_SVC:
	case A64_EC_HVC:
	case A64_EC_SMC:
		return CPU_FAULT_SYSCALL;
	case A64_EC_SYSREG:
		return CPU_FAULT_SYSREG;
	case A64_EC_INSN_LOWER:
	case A64_EC_INSN_SAME:
	case A64_EC_DATA_LOWER:
	case A64_EC_DATA_SAME:
		return kind_of_abort(esr & 0x3f);
	case A64_EC_PC_ALIGN:
	case A64_EC_SP_ALIGN:
		return CPU_FAULT_UNALIGNED;
	case A64_EC_FP32:
	case A64_EC_FP64:
		return CPU_FAULT_FP;
	case A64_EC_BKPT32:
	case A64_EC_BRK:
		return CPU_FAULT_BREAKPOINT;
	default:
		return CPU_FAULT_OTHER;
	}
}

struct cpu_fault a64_fault_from_esr(uint64_t esr, gva_t pc, gva_t far)
{
	uint32_t ec = esr >> A64_ESR_EC_SHIFT & 0x3f;
	struct cpu_fault f = {
		.kind = kind_of(ec, esr),
		.vector = ec,
		.syndrome = esr,
		.pc = pc,
	};

	switch (ec) {
	case A64_EC_INSN_LOWER:
	case A64_EC_INSN_SAME:
	case A64_EC_PC_ALIGN:
		f.access = MEM_X;
		break;
	case A64_EC_DATA_LOWER:
	case A64_EC_DATA_SAME:
		f.access = esr & A64_ESR_WNR ? MEM_W : MEM_R;
		break;
	default:
		return f;
	}
	f.address = far;
	f.has_address = true;
	return f;
}

const struct cpu_arch a64_arch = {
	.id = CPU_ARCH_A64,
	.name = "arm64",
	.title = "AArch64",
	.word_bytes = 8,
	.insn_bytes_max = 4,
	.insn_align = 4,
	.gdb_arch = "aarch64",
	.state_bytes = sizeof(struct a64_state),
	.regs = regs,
	.n_regs = ARRAY_SIZE(regs),
	.reset = reset,
	.get_mode = get_mode,
	.get_pc = get_pc,
	.set_pc = set_pc,
	.get_sp = get_sp,
	.set_sp = set_sp,
	.set_boot_args = set_boot_args,
	.insn_bytes = insn_bytes,
	.page_walk = a64_page_walk,
	.deliver = a64_deliver,
	.semihost_match = a64_semihost_match,
	.semihost_return = a64_semihost_return,
};

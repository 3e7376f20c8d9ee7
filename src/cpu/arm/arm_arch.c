/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARMv7-A: registers, banks, reset state, fault names. Source: DDI 0406, parts A and B.
 *
 * reset(): SVC mode, asynchronous exceptions masked, MMU off, VFP and NEON on (board `bare` starts
 * programs that way). A big-endian or Thumb start also makes exceptions and page tables big-endian
 * or exceptions enter in Thumb, as the processor's CFGEND and CFGTE inputs do.
 */
#include <string.h>

#include "cpu/arm/arm_internal.h"

#define CORE   "org.gnu.gdb.arm.core"
#define VFP    "org.gnu.gdb.arm.vfp"
#define SYSTEM "org.pinfold.arm.system"
#define AT(f)  offsetof(struct arm_state, f)

#define SCTLR_RESET 0x00c50078u /* of a Cortex-A15 */
#define CPACR_FPU   0x00f00000u
#define FPEXC_EN    BIT(30)

enum arm_bank arm_bank_of_mode(uint32_t mode)
{
	switch (mode & ARM_CPSR_MODE) {
	case ARM_MODE_SVC:
		return ARM_BANK_SVC;
	case ARM_MODE_ABT:
		return ARM_BANK_ABT;
	case ARM_MODE_UND:
		return ARM_BANK_UND;
	case ARM_MODE_IRQ:
		return ARM_BANK_IRQ;
	case ARM_MODE_FIQ:
		return ARM_BANK_FIQ;
	default:
		return ARM_BANK_USR;
	}
}

void arm_cpsr_set(struct arm_state *a, uint32_t cpsr)
{
	enum arm_bank from = arm_bank_of_mode(a->cpsr);
	enum arm_bank to = arm_bank_of_mode(cpsr);

	a->cpsr = cpsr;
	a->bank_sp[from] = a->r[13];
	a->bank_lr[from] = a->r[14];
	a->r[13] = a->bank_sp[to];
	a->r[14] = a->bank_lr[to];
	if ((from == ARM_BANK_FIQ) == (to == ARM_BANK_FIQ)) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(a->fiq_r8_r12); i++) {
		uint32_t other = a->fiq_r8_r12[i];

		a->fiq_r8_r12[i] = a->r[8 + i];
		a->r[8 + i] = other;
	}
}

static bool set_cpsr(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)r;
	arm_cpsr_set(arm_state(s), (uint32_t)value);
	return true;
}

/* r13 and r14: the current bank repeats them. */
static bool set_banked(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct arm_state *a = arm_state(s);
	enum arm_bank bank = arm_bank_of_mode(a->cpsr);

	store_le(s->bytes + r->offset, value, 4);
	a->bank_sp[bank] = a->r[13];
	a->bank_lr[bank] = a->r[14];
	return true;
}

/* sp_irq and its like: the current mode's is r13 or r14 as well. */
static bool set_bank_slot(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct arm_state *a = arm_state(s);
	enum arm_bank bank = arm_bank_of_mode(a->cpsr);

	store_le(s->bytes + r->offset, value, 4);
	a->r[13] = a->bank_sp[bank];
	a->r[14] = a->bank_lr[bank];
	return true;
}

#define R(n, other)                                                             \
	{                                                                       \
		.name = "r" #n, .alias = other, .offset = AT(r[n]), .bytes = 4, \
		.cls = CPU_REG_GPR, .gdb_feature = CORE, .gdb_type = "uint32"   \
	}
#define D(n)                                                                       \
	{                                                                          \
		.name = "d" #n, .offset = AT(d[n]), .bytes = 8, .cls = CPU_REG_FP, \
		.gdb_feature = VFP, .gdb_type = "ieee_double"                      \
	}
#define SYS(nm, fld)                                                           \
	{                                                                      \
		.name = nm, .offset = AT(fld), .bytes = 4, .cls = CPU_REG_SYS, \
		.gdb_feature = SYSTEM, .gdb_type = "uint32"                    \
	}
#define BANKED(nm, fld)                                                           \
	{                                                                         \
		.name = nm, .offset = AT(fld), .bytes = 4, .cls = CPU_REG_SYS,    \
		.gdb_feature = SYSTEM, .gdb_type = "uint32", .set = set_bank_slot \
	}
#define BANK(m, idx) \
	BANKED("sp_" m, bank_sp[idx]), BANKED("lr_" m, bank_lr[idx]), SYS("spsr_" m, bank_spsr[idx])

static const struct cpu_reg regs[] = {
	R(0, NULL),
	R(1, NULL),
	R(2, NULL),
	R(3, NULL),
	R(4, NULL),
	R(5, NULL),
	R(6, NULL),
	R(7, NULL),
	R(8, NULL),
	R(9, "sb"),
	R(10, "sl"),
	R(11, "fp"),
	R(12, "ip"),
	{ .name = "sp",
	  .alias = "r13",
	  .offset = AT(r[13]),
	  .bytes = 4,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "data_ptr",
	  .set = set_banked },
	{ .name = "lr",
	  .alias = "r14",
	  .offset = AT(r[14]),
	  .bytes = 4,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "uint32",
	  .set = set_banked },
	{ .name = "pc",
	  .alias = "r15",
	  .offset = AT(r[15]),
	  .bytes = 4,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "code_ptr" },
	{ .name = "cpsr",
	  .offset = AT(cpsr),
	  .bytes = 4,
	  .cls = CPU_REG_FLAGS,
	  .gdb_feature = CORE,
	  .gdb_type = "uint32",
	  .set = set_cpsr },
	D(0),
	D(1),
	D(2),
	D(3),
	D(4),
	D(5),
	D(6),
	D(7),
	D(8),
	D(9),
	D(10),
	D(11),
	D(12),
	D(13),
	D(14),
	D(15),
	D(16),
	D(17),
	D(18),
	D(19),
	D(20),
	D(21),
	D(22),
	D(23),
	D(24),
	D(25),
	D(26),
	D(27),
	D(28),
	D(29),
	D(30),
	D(31),
	{ .name = "fpscr",
	  .offset = AT(fpscr),
	  .bytes = 4,
	  .cls = CPU_REG_FP,
	  .gdb_feature = VFP,
	  .gdb_type = "uint32" },
	SYS("fpexc", fpexc),
	BANKED("sp_usr", bank_sp[ARM_BANK_USR]),
	BANKED("lr_usr", bank_lr[ARM_BANK_USR]),
	BANK("svc", ARM_BANK_SVC),
	BANK("abt", ARM_BANK_ABT),
	BANK("und", ARM_BANK_UND),
	BANK("irq", ARM_BANK_IRQ),
	BANK("fiq", ARM_BANK_FIQ),
	SYS("sctlr", sctlr),
	SYS("cpacr", cpacr),
	SYS("ttbr0", ttbr0),
	SYS("ttbr1", ttbr1),
	SYS("ttbcr", ttbcr),
	SYS("dacr", dacr),
	SYS("dfsr", dfsr),
	SYS("dfar", dfar),
	SYS("ifsr", ifsr),
	SYS("ifar", ifar),
	SYS("vbar", vbar),
	SYS("prrr", prrr),
	SYS("nmrr", nmrr),
	SYS("contextidr", contextidr),
	SYS("tpidrurw", tpidrurw),
	SYS("tpidruro", tpidruro),
	SYS("tpidrprw", tpidrprw),
};

static void reset(struct cpu_state *s, const struct cpu_mode *mode)
{
	struct arm_state *a = arm_state(s);

	memset(s, 0, sizeof(*s));
	s->arch = CPU_ARCH_ARM;
	a->cpsr = ARM_MODE_SVC | ARM_CPSR_A | ARM_CPSR_I | ARM_CPSR_F;
	a->sctlr = SCTLR_RESET;
	a->cpacr = CPACR_FPU;
	a->fpexc = FPEXC_EN;
	if (mode->is_thumb) {
		a->cpsr |= ARM_CPSR_T;
		a->sctlr |= ARM_SCTLR_TE;
	}
	if (mode->is_big_endian) {
		a->cpsr |= ARM_CPSR_E;
		a->sctlr |= ARM_SCTLR_EE;
	}
}

static struct cpu_mode get_mode(const struct cpu_state *s)
{
	const struct arm_state *a = arm_state_const(s);

	return (struct cpu_mode){
		.is_big_endian = a->cpsr & ARM_CPSR_E,
		.is_thumb = a->cpsr & ARM_CPSR_T,
	};
}

static gva_t get_pc(const struct cpu_state *s)
{
	return arm_state_const(s)->r[15];
}

static void set_pc(struct cpu_state *s, gva_t pc)
{
	struct arm_state *a = arm_state(s);

	a->cpsr = (uint32_t)(pc & 1 ? a->cpsr | ARM_CPSR_T : a->cpsr & ~ARM_CPSR_T);
	a->r[15] = (uint32_t)(pc & ~1ULL);
}

static gva_t get_sp(const struct cpu_state *s)
{
	return arm_state_const(s)->r[13];
}

static void set_sp(struct cpu_state *s, gva_t sp)
{
	struct arm_state *a = arm_state(s);

	a->r[13] = (uint32_t)sp;
	a->bank_sp[arm_bank_of_mode(a->cpsr)] = (uint32_t)sp;
}

/* Linux: r0 = 0, r1 = machine number (none: a device tree is passed), r2 = device tree. */
static void set_boot_args(struct cpu_state *s, uint64_t arg0, uint64_t arg1)
{
	struct arm_state *a = arm_state(s);

	(void)arg0;
	a->r[0] = 0;
	a->r[1] = 0xffffffffu;
	a->r[2] = (uint32_t)arg1;
}

/* Instructions are little-endian in both byte orders (BE8). DDI 0406, A6.1. */
static size_t insn_bytes(const struct cpu_state *s, const uint8_t *bytes, size_t n)
{
	if (!(arm_state_const(s)->cpsr & ARM_CPSR_T)) {
		return 4;
	}
	if (n < 2) {
		return 0;
	}
	return load_le(bytes, 2) >> 11 >= 0x1d ? 4 : 2;
}

static enum cpu_fault_kind kind_of_status(uint32_t fs)
{
	switch (fs) {
	case ARM_FS_ALIGNMENT:
		return CPU_FAULT_UNALIGNED;
	case ARM_FS_DEBUG:
		return CPU_FAULT_BREAKPOINT;
	case ARM_FS_ACCESS_L1:
	case ARM_FS_ACCESS_L2:
	case ARM_FS_TRANS_L1:
	case ARM_FS_TRANS_L2:
	case ARM_FS_DOMAIN_L1:
	case ARM_FS_DOMAIN_L2:
	case ARM_FS_PERM_L1:
	case ARM_FS_PERM_L2:
		return CPU_FAULT_PAGE;
	case ARM_FS_EXTERNAL:
	case ARM_FS_WALK_L1:
	case ARM_FS_WALK_L2:
		return CPU_FAULT_UNMAPPED;
	default:
		return CPU_FAULT_OTHER;
	}
}

struct cpu_fault arm_fault_from_vector(uint32_t vector, uint32_t fsr, gva_t pc, gva_t far)
{
	struct cpu_fault f = { .kind = CPU_FAULT_OTHER, .vector = vector, .pc = pc };

	switch (vector) {
	case ARM_VEC_UNDEF:
		f.kind = CPU_FAULT_ILLEGAL_INSN;
		break;
	case ARM_VEC_SVC:
		f.kind = CPU_FAULT_SYSCALL;
		break;
	case ARM_VEC_PREFETCH:
	case ARM_VEC_DATA:
		f.kind = kind_of_status((fsr & 0xf) | (fsr >> 6 & 0x10));
		f.syndrome = fsr;
		if (f.kind == CPU_FAULT_BREAKPOINT) {
			break;
		}
		f.address = far;
		f.has_address = true;
		f.access = vector == ARM_VEC_PREFETCH ? MEM_X : fsr & ARM_FSR_WRITE ? MEM_W : MEM_R;
		break;
	default:
		break;
	}
	return f;
}

const struct cpu_arch arm_arch = {
	.id = CPU_ARCH_ARM,
	.name = "arm",
	.title = "ARMv7-A",
	.word_bytes = 4,
	.insn_bytes_max = 4,
	.insn_align = 4,
	.gdb_arch = "arm",
	.state_bytes = sizeof(struct arm_state),
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
	.page_walk = arm_page_walk,
	.deliver = arm_deliver,
	.semihost_match = arm_semihost_match,
	.semihost_return = arm_semihost_return,
};

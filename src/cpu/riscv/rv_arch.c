/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RV64GC: registers, reset state, causes. Source: RISC-V unprivileged ISA 20191213, chapters 11
 * and 25; privileged architecture 1.12, chapter 3.
 *
 * reset(): M-mode, interrupts off, no translation, no PMP entries, floating point on
 * (mstatus.FS = Initial: board `bare` starts programs that way).
 */
#include <string.h>

#include "cpu/riscv/rv_internal.h"

#define CPU   "org.gnu.gdb.riscv.cpu"
#define FPU   "org.gnu.gdb.riscv.fpu"
#define CSRS  "org.gnu.gdb.riscv.csr"
#define VIRT  "org.gnu.gdb.riscv.virtual"
#define AT(f) offsetof(struct rv_state, f)

#define FFLAGS_MASK 0x1fu
#define FRM_SHIFT   5
#define FRM_MASK    7u
#define FCSR_MASK   0xffu

static bool set_zero(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)s;
	(void)r;
	return value == 0;
}

static uint64_t get_fflags(const struct cpu_state *s)
{
	return rv_state_const(s)->fcsr & FFLAGS_MASK;
}

static bool set_fflags(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct rv_state *v = rv_state(s);

	(void)r;
	if (value & ~(uint64_t)FFLAGS_MASK) {
		return false;
	}
	v->fcsr = (v->fcsr & ~FFLAGS_MASK) | (uint32_t)value;
	return true;
}

static uint64_t get_frm(const struct cpu_state *s)
{
	return rv_state_const(s)->fcsr >> FRM_SHIFT & FRM_MASK;
}

static bool set_frm(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct rv_state *v = rv_state(s);

	(void)r;
	if (value & ~(uint64_t)FRM_MASK) {
		return false;
	}
	v->fcsr = (v->fcsr & ~(FRM_MASK << FRM_SHIFT)) | (uint32_t)value << FRM_SHIFT;
	return true;
}

static bool set_fcsr(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)r;
	if (value & ~(uint64_t)FCSR_MASK) {
		return false;
	}
	rv_state(s)->fcsr = (uint32_t)value;
	return true;
}

static bool set_priv(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)r;
	if (value != RV_PRIV_U && value != RV_PRIV_S && value != RV_PRIV_M) {
		return false;
	}
	rv_state(s)->priv = (uint32_t)value;
	return true;
}

static uint64_t get_mstatus(const struct cpu_state *s)
{
	return rv_mstatus_read(rv_state_const(s));
}

/* SD follows from FS, whatever is written. */
static bool set_mstatus(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)r;
	rv_state(s)->mstatus = value & ~RV_MSTATUS_SD;
	return true;
}

#define X(n, abi, type)                                                                           \
	{                                                                                         \
		.name = abi, .alias = "x" #n, .offset = AT(x[n]), .bytes = 8, .cls = CPU_REG_GPR, \
		.gdb_feature = CPU, .gdb_type = type                                              \
	}
#define F(n, abi)                                                                                \
	{                                                                                        \
		.name = abi, .alias = "f" #n, .offset = AT(f[n]), .bytes = 8, .cls = CPU_REG_FP, \
		.gdb_feature = FPU, .gdb_type = "riscv_double"                                   \
	}
#define CSR(nm, fld)                                                           \
	{                                                                      \
		.name = nm, .offset = AT(fld), .bytes = 8, .cls = CPU_REG_SYS, \
		.gdb_feature = CSRS, .gdb_type = "uint64"                      \
	}
#define PMPADDR(n) CSR("pmpaddr" #n, pmpaddr[n])

static const struct cpu_reg regs[] = {
	{ .name = "zero",
	  .alias = "x0",
	  .offset = AT(x[0]),
	  .bytes = 8,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CPU,
	  .gdb_type = "int64",
	  .set = set_zero },
	X(1, "ra", "code_ptr"),
	X(2, "sp", "data_ptr"),
	X(3, "gp", "data_ptr"),
	X(4, "tp", "data_ptr"),
	X(5, "t0", "int64"),
	X(6, "t1", "int64"),
	X(7, "t2", "int64"),
	{ .name = "s0",
	  .alias = "x8",
	  .gdb_name = "fp",
	  .offset = AT(x[8]),
	  .bytes = 8,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CPU,
	  .gdb_type = "data_ptr" },
	X(9, "s1", "int64"),
	X(10, "a0", "int64"),
	X(11, "a1", "int64"),
	X(12, "a2", "int64"),
	X(13, "a3", "int64"),
	X(14, "a4", "int64"),
	X(15, "a5", "int64"),
	X(16, "a6", "int64"),
	X(17, "a7", "int64"),
	X(18, "s2", "int64"),
	X(19, "s3", "int64"),
	X(20, "s4", "int64"),
	X(21, "s5", "int64"),
	X(22, "s6", "int64"),
	X(23, "s7", "int64"),
	X(24, "s8", "int64"),
	X(25, "s9", "int64"),
	X(26, "s10", "int64"),
	X(27, "s11", "int64"),
	X(28, "t3", "int64"),
	X(29, "t4", "int64"),
	X(30, "t5", "int64"),
	X(31, "t6", "int64"),
	{ .name = "pc",
	  .offset = AT(pc),
	  .bytes = 8,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CPU,
	  .gdb_type = "code_ptr" },
	F(0, "ft0"),
	F(1, "ft1"),
	F(2, "ft2"),
	F(3, "ft3"),
	F(4, "ft4"),
	F(5, "ft5"),
	F(6, "ft6"),
	F(7, "ft7"),
	F(8, "fs0"),
	F(9, "fs1"),
	F(10, "fa0"),
	F(11, "fa1"),
	F(12, "fa2"),
	F(13, "fa3"),
	F(14, "fa4"),
	F(15, "fa5"),
	F(16, "fa6"),
	F(17, "fa7"),
	F(18, "fs2"),
	F(19, "fs3"),
	F(20, "fs4"),
	F(21, "fs5"),
	F(22, "fs6"),
	F(23, "fs7"),
	F(24, "fs8"),
	F(25, "fs9"),
	F(26, "fs10"),
	F(27, "fs11"),
	F(28, "ft8"),
	F(29, "ft9"),
	F(30, "ft10"),
	F(31, "ft11"),
	{ .name = "fflags",
	  .offset = AT(fcsr),
	  .bytes = 4,
	  .cls = CPU_REG_FP,
	  .gdb_feature = FPU,
	  .gdb_type = "uint32",
	  .get = get_fflags,
	  .set = set_fflags },
	{ .name = "frm",
	  .offset = AT(fcsr),
	  .bytes = 4,
	  .cls = CPU_REG_FP,
	  .gdb_feature = FPU,
	  .gdb_type = "uint32",
	  .get = get_frm,
	  .set = set_frm },
	{ .name = "fcsr",
	  .offset = AT(fcsr),
	  .bytes = 4,
	  .cls = CPU_REG_FP,
	  .gdb_feature = FPU,
	  .gdb_type = "uint32",
	  .set = set_fcsr },
	{ .name = "priv",
	  .offset = AT(priv),
	  .bytes = 4,
	  .cls = CPU_REG_SYS,
	  .gdb_feature = VIRT,
	  .gdb_type = "uint32",
	  .set = set_priv },
	{ .name = "mstatus",
	  .offset = AT(mstatus),
	  .bytes = 8,
	  .cls = CPU_REG_SYS,
	  .gdb_feature = CSRS,
	  .gdb_type = "uint64",
	  .get = get_mstatus,
	  .set = set_mstatus },
	CSR("misa", misa),
	CSR("medeleg", medeleg),
	CSR("mideleg", mideleg),
	CSR("mie", mie),
	CSR("mtvec", mtvec),
	CSR("mcounteren", mcounteren),
	CSR("mscratch", mscratch),
	CSR("mepc", mepc),
	CSR("mcause", mcause),
	CSR("mtval", mtval),
	CSR("mip", mip),
	CSR("mhartid", mhartid),
	CSR("stvec", stvec),
	CSR("scounteren", scounteren),
	CSR("sscratch", sscratch),
	CSR("sepc", sepc),
	CSR("scause", scause),
	CSR("stval", stval),
	CSR("satp", satp),
	CSR("pmpcfg0", pmpcfg[0]),
	CSR("pmpcfg2", pmpcfg[1]),
	RV_PMP_ROWS(PMPADDR),
	CSR("mcountinhibit", mcountinhibit),
	CSR("menvcfg", menvcfg),
	CSR("senvcfg", senvcfg),
	CSR("stimecmp", stimecmp),
	CSR("mcycle", mcycle),
	CSR("minstret", minstret),
};

void rv_state_reset(struct rv_state *s)
{
	*s = (struct rv_state){
		.priv = RV_PRIV_M,
		.misa = RV_MISA,
		.mstatus = RV_MSTATUS_SXL | RV_MSTATUS_UXL | 1ULL << RV_FS_SHIFT,
	};
}

static void reset(struct cpu_state *s, const struct cpu_mode *mode)
{
	(void)mode;
	memset(s, 0, sizeof(*s));
	s->arch = CPU_ARCH_RV64;
	rv_state_reset(rv_state(s));
}

static struct cpu_mode get_mode(const struct cpu_state *s)
{
	(void)s; /* little-endian, and instructions say their size */
	return (struct cpu_mode){ 0 };
}

static gva_t get_pc(const struct cpu_state *s)
{
	return rv_state_const(s)->pc;
}

static void set_pc(struct cpu_state *s, gva_t pc)
{
	rv_state(s)->pc = pc;
}

static gva_t get_sp(const struct cpu_state *s)
{
	return rv_state_const(s)->x[2];
}

static void set_sp(struct cpu_state *s, gva_t sp)
{
	rv_state(s)->x[2] = sp;
}

/* Linux and SBI: a0 = hart, a1 = device tree. */
static void set_boot_args(struct cpu_state *s, uint64_t arg0, uint64_t arg1)
{
	struct rv_state *v = rv_state(s);

	v->x[10] = arg0;
	v->x[11] = arg1;
}

static size_t insn_bytes(const struct cpu_state *s, const uint8_t *bytes, size_t n)
{
	(void)s;
	if (n < 2) {
		return 0;
	}
	return (bytes[0] & 3) == 3 ? 4 : 2;
}

static enum cpu_fault_kind kind_of(uint64_t cause)
{
	switch (cause) {
	case RV_INSN_MISALIGNED:
	case RV_LOAD_MISALIGNED:
	case RV_STORE_MISALIGNED:
		return CPU_FAULT_UNALIGNED;
	case RV_INSN_ACCESS:
	case RV_LOAD_ACCESS:
	case RV_STORE_ACCESS:
		return CPU_FAULT_UNMAPPED;
	case RV_ILLEGAL:
		return CPU_FAULT_ILLEGAL_INSN;
	case RV_BREAKPOINT:
		return CPU_FAULT_BREAKPOINT;
	case RV_ECALL_U:
	case RV_ECALL_S:
	case RV_ECALL_M:
		return CPU_FAULT_SYSCALL;
	case RV_INSN_PAGE:
	case RV_LOAD_PAGE:
	case RV_STORE_PAGE:
		return CPU_FAULT_PAGE;
	default:
		return CPU_FAULT_OTHER;
	}
}

static uint32_t access_of(uint64_t cause)
{
	switch (cause) {
	case RV_INSN_MISALIGNED:
	case RV_INSN_ACCESS:
	case RV_INSN_PAGE:
		return MEM_X;
	case RV_LOAD_MISALIGNED:
	case RV_LOAD_ACCESS:
	case RV_LOAD_PAGE:
		return MEM_R;
	case RV_STORE_MISALIGNED:
	case RV_STORE_ACCESS:
	case RV_STORE_PAGE:
		return MEM_W;
	default:
		return 0;
	}
}

struct cpu_fault rv_fault_from_cause(uint64_t cause, gva_t pc, uint64_t tval)
{
	uint32_t access = access_of(cause);

	return (struct cpu_fault){
		.kind = kind_of(cause),
		.vector = (uint32_t)cause,
		.pc = pc,
		.syndrome = access ? 0 : tval,
		.address = access ? tval : 0,
		.has_address = access != 0,
		.access = access,
	};
}

const struct cpu_arch rv64_arch = {
	.id = CPU_ARCH_RV64,
	.name = "riscv64",
	.title = "RISC-V (RV64GC)",
	.word_bytes = 8,
	.insn_bytes_max = 4,
	.insn_align = 2,
	.gdb_arch = "riscv:rv64",
	.state_bytes = sizeof(struct rv_state),
	.state_bytes_v2 = offsetof(struct rv_state, mcountinhibit),
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
	.page_walk = rv_page_walk,
	.deliver = rv_deliver,
	.semihost_match = rv_semihost_match,
	.semihost_return = rv_semihost_return,
};

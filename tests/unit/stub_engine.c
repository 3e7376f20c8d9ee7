/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stub_engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cpu/riscv/riscv.h"

#define INSN_WFI    0x10500073u
#define INSN_ECALL  0x00000073u
#define INSN_EBREAK 0x00100073u

struct stub {
	struct engine eng;
	const struct engine_bus *bus;
	struct mem *mem; /* its own view: what was mapped */
	struct engine_mmio_range mmio;
	struct rv_state s;
	volatile sig_atomic_t is_kicked;
};

static int stub_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
		      const struct engine_host *host, struct engine_probe *ret)
{
	(void)mode;
	(void)host;
	*ret = (struct engine_probe){ .caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP |
					      ENGINE_CAP_EXEC_PERM,
				      .speed = 1000,
				      .detail = "a toy" };
	return arch->id == CPU_ARCH_RV64 ? 0 : -ENOTSUP;
}

static void stub_destroy(struct engine *eng)
{
	struct stub *t = (struct stub *)(void *)eng;

	if (t) {
		mem_free(t->mem);
		free(t);
	}
}

static int stub_create(const struct engine_config *cfg, struct engine **ret, struct errmsg *e)
{
	struct stub *t = calloc(1, sizeof(*t));
	struct cpu_state s;

	if (!t || !(t->mem = mem_new())) {
		free(t);
		return errmsg_set(e, -ENOMEM, "no memory");
	}
	t->eng = (struct engine){ .ops = &stub_engine_ops,
				  .caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP };
	t->bus = cfg->bus;
	t->mmio = cfg->n_mmio ? cfg->mmio[0] : (struct engine_mmio_range){ 0 };
	cfg->arch->reset(&s, &cfg->mode);
	t->s = *rv_state(&s);
	*ret = &t->eng;
	return 0;
}

static int stub_map(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	return mem_region_add(((struct stub *)(void *)eng)->mem, r, e);
}

/* Maps have no removal: make a new one without it. */
static int stub_unmap(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct stub *t = (struct stub *)(void *)eng;
	struct mem *m = mem_new();

	for (size_t i = 0; m && i < mem_region_count(t->mem); i++) {
		if (mem_region_at(t->mem, i)->base_gpa != r->base_gpa) {
			mem_region_add(m, mem_region_at(t->mem, i), e);
		}
	}
	if (!m) {
		return errmsg_set(e, -ENOMEM, "no memory");
	}
	mem_free(t->mem);
	t->mem = m;
	return 0;
}

static int stub_get_state(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	(void)e;
	*ret = (struct cpu_state){ .arch = CPU_ARCH_RV64 };
	*rv_state(ret) = ((struct stub *)(void *)eng)->s;
	return 0;
}

static int stub_set_state(struct engine *eng, const struct cpu_state *s, struct errmsg *e)
{
	if (s->arch != CPU_ARCH_RV64) {
		return errmsg_set(e, -EINVAL, "this state is another architecture's");
	}
	((struct stub *)(void *)eng)->s = *rv_state_const(s);
	return 0;
}

static enum vm_exit_kind refuse(struct vm_exit *x, uint64_t addr, uint32_t access, bool is_mapped)
{
	x->fault.kind = is_mapped ? CPU_FAULT_PROTECTION : CPU_FAULT_UNMAPPED;
	x->fault.address = addr;
	x->fault.has_address = true;
	x->fault.access = access;
	return VM_EXIT_FAULT;
}

/* LW or SW. */
static enum vm_exit_kind touch(struct stub *t, uint64_t addr, uint64_t *reg, bool is_write,
			       struct vm_exit *x)
{
	struct bus_access a = { .addr = addr,
				.count = 1,
				.bytes = 4,
				.is_write = is_write,
				.value = is_write ? (uint32_t)*reg : 0 };
	uint32_t word = (uint32_t)*reg;
	struct mem_fault mf;

	if (range_within(addr, 4, t->mmio.base_gpa, t->mmio.size_bytes)) {
		enum bus_result res = t->bus->mmio(t->bus->opaque, &a);

		if (res == BUS_UNMAPPED) {
			return refuse(x, addr, is_write ? MEM_W : MEM_R, false);
		}
		*reg = is_write ? *reg : (uint64_t)(int32_t)a.value;
		return res == BUS_STOP ? VM_EXIT_BUS_STOP : VM_EXIT_KIND_COUNT;
	}
	if (is_write ? !mem_write(t->mem, addr, &word, 4, &mf)
		     : !mem_read(t->mem, addr, &word, 4, &mf)) {
		return refuse(x, addr, mf.access, mf.is_mapped);
	}
	*reg = is_write ? *reg : (uint64_t)(int32_t)word;
	return VM_EXIT_KIND_COUNT;
}

static enum vm_exit_kind trap(struct stub *t, uint64_t cause, uint64_t tval, struct vm_exit *x)
{
	x->fault = rv_fault_from_cause(cause, t->s.pc, tval);
	return VM_EXIT_EXCEPTION;
}

/* @return VM_EXIT_KIND_COUNT to go on; the pc moves unless the instruction was not executed */
static enum vm_exit_kind step(struct stub *t, struct vm_exit *x)
{
	struct mem_fault mf;
	uint64_t *r = t->s.x;
	uint64_t next = t->s.pc + 4;
	enum vm_exit_kind kind = VM_EXIT_KIND_COUNT;
	uint32_t i;

	if (!mem_fetch(t->mem, t->s.pc, &i, 4, &mf)) {
		return refuse(x, t->s.pc, MEM_X, mf.is_mapped);
	}
	uint32_t rd = i >> 7 & 31;
	uint32_t rs1 = i >> 15 & 31;
	uint32_t rs2 = i >> 20 & 31;
	uint64_t imm = (uint64_t)((int32_t)i >> 20);
	uint64_t imm_s = (imm & ~31ULL) | rd;
	uint64_t imm_b = (uint64_t)((int32_t)(i & BIT(31)) >> 19) | (i << 4 & 0x800) |
			 (i >> 20 & 0x7e0) | (i >> 7 & 0x1e);
	uint64_t imm_j = (uint64_t)((int32_t)(i & BIT(31)) >> 11) | (i & 0xff000) |
			 (i >> 9 & 0x800) | (i >> 20 & 0x7fe);

	switch (i & 0x7f) {
	case 0x13: /* addi */
		r[rd] = r[rs1] + imm;
		break;
	case 0x33: /* add */
		r[rd] = r[rs1] + r[rs2];
		break;
	case 0x03:
		kind = touch(t, r[rs1] + imm, &r[rd], false, x);
		break;
	case 0x23:
		kind = touch(t, r[rs1] + imm_s, &r[rs2], true, x);
		break;
	case 0x63: /* bne */
		next = r[rs1] != r[rs2] ? t->s.pc + imm_b : next;
		break;
	case 0x6f: /* j */
		next = t->s.pc + imm_j;
		break;
	case 0x67: /* jr */
		next = (r[rs1] + imm) & ~1ULL;
		break;
	default:
		if (i == INSN_WFI) {
			kind = VM_EXIT_HALT;
		} else if (i == INSN_ECALL) {
			return trap(t, RV_ECALL_M, 0, x);
		} else if (i == INSN_EBREAK) {
			return trap(t, RV_BREAKPOINT, t->s.pc, x);
		} else {
			return trap(t, RV_ILLEGAL, i, x);
		}
	}
	r[0] = 0;
	t->s.pc = kind == VM_EXIT_FAULT ? t->s.pc : next;
	return kind;
}

static int stub_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	struct stub *t = (struct stub *)(void *)eng;
	struct vm_exit x = { .kind = VM_EXIT_KIND_COUNT };

	(void)e;
	while (x.kind == VM_EXIT_KIND_COUNT) {
		if (t->is_kicked) {
			x.kind = VM_EXIT_KICKED;
		} else if (max_insns && x.insns == max_insns) {
			x.kind = VM_EXIT_INSN_LIMIT;
		} else {
			x.kind = step(t, &x);
			x.insns += x.kind != VM_EXIT_FAULT && x.kind != VM_EXIT_EXCEPTION;
		}
	}
	x.fault.pc = t->s.pc;
	t->is_kicked = 0;
	*ret = x;
	return 0;
}

static void stub_kick(struct engine *eng, void *uc)
{
	(void)uc;
	((struct stub *)(void *)eng)->is_kicked = 1;
}

const struct engine_ops stub_engine_ops = {
	.name = "stub",
	.probe = stub_probe,
	.create = stub_create,
	.destroy = stub_destroy,
	.map = stub_map,
	.unmap = stub_unmap,
	.get_state = stub_get_state,
	.set_state = stub_set_state,
	.run = stub_run,
	.kick = stub_kick,
};

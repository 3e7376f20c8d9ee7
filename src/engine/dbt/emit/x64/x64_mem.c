// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guest memory: [window + base + displacement], behind a check of the base.
 *
 * The check wants the base in [-2^bits, 2^bits): multiplied by 2^(63 - bits) it fits in 64 bits exactly then, which the
 * host's multiplication says in its overflow flag. What is known of a base lasts for the block: slack says how far it may
 * have been moved since, and slack plus displacement stay within EMIT_WINDOW_SLACK.
 *
 * An access with IR_SOFT finds its page in a table:
 *
 *   rax = address; rdx = its entry; rax ^= [rdx].read or .write; jump out if anything is left but an aligned offset
 *   in the page; rax += [rdx].host
 */
#include "engine/dbt/emit/x64/x64_gen.h"

#define DISP_MAX (INT64_C(1) << 30)

static const uint8_t type_bytes[] = { 1, 2, 4, 8, 4, 8 };

static void check_emit(struct x64_gen *g, unsigned int base)
{
	unsigned int bits = g->em->cfg.window_bits;
	unsigned int t = x64_take(g);

	x64_imul_imm(g->as, X64_W, t, base, (int32_t)BIT(63 - bits));
	x64_cold_step(g, x64_jcc(g->as, X64_O, g->as->at));
	x64_untake(g, t);
}

bool x64_is_in_window(const struct x64_gen *g, int64_t address)
{
	int64_t top = address >> g->em->cfg.window_bits;

	return top == 0 || top == -1;
}

/* The address is a number. */
static struct x64_mem number_address(struct x64_gen *g, int64_t address)
{
	unsigned int base;

	if (address >= -DISP_MAX && address < DISP_MAX) {
		return x64_at(X64_WINDOW, (int32_t)address);
	}
	base = x64_take(g);
	x64_mov_imm(g->as, base, (uint64_t)address);
	if (!x64_is_in_window(g, address)) {
		check_emit(g, base);
	}
	return x64_at2(X64_WINDOW, base, 0);
}

static struct x64_mem far_address(struct x64_gen *g)
{
	struct x64_loc a = x64_loc_of(g, g->i->a);
	unsigned int base = x64_take(g);
	unsigned int reg;

	x64_mov_imm(g->as, base, (uint64_t)g->i->imm);
	reg = x64_loc_in_gpr(g, a);
	x64_rr(g->as, X64_ADD | X64_W, base, reg);
	x64_untake(g, reg);
	check_emit(g, base);
	return x64_at2(X64_WINDOW, base, 0);
}

/* The operation's address as a number in a register; the other one is free. */
static void soft_sum(struct x64_gen *g, unsigned int sum, unsigned int other)
{
	struct x64_loc a = x64_loc_of(g, g->i->a);

	if (!x64_is_imm32(g->i->imm)) {
		x64_mov_imm(g->as, other, (uint64_t)g->i->imm);
		x64_load(g, sum, a);
		x64_rr(g->as, X64_ADD | X64_W, sum, other);
	} else if (a.place == X64_IN_GPR) {
		x64_rm(g->as, X64_LEA | X64_W, sum, x64_at(a.reg, (int32_t)g->i->imm));
	} else {
		x64_load(g, sum, a);
		x64_ri(g->as, X64_ADD | X64_W, sum, (int32_t)g->i->imm);
	}
}

static int32_t soft_tag(bool is_write)
{
	return is_write ? (int32_t)offsetof(struct emit_page, write)
			: (int32_t)offsetof(struct emit_page, read);
}

/* The operation's address by the table of pages, as an operand. */
static struct x64_mem soft_address(struct x64_gen *g)
{
	enum { SHIFT = 7, ENTRY = sizeof(struct emit_page) };
	_Static_assert(PAGE_BYTES >> SHIFT == ENTRY,
		       "a shift makes an address a place in the table");
	bool is_write = g->i->op == IR_STORE;
	struct x64_cold *c;
	unsigned int sum;
	unsigned int entry;

	x64_evict(g);
	sum = x64_take(g);
	entry = x64_take(g);
	soft_sum(g, sum, entry);
	x64_vrri(g->as, X64_RORX, entry, 0, sum, SHIFT);
	x64_ri(g->as, X64_AND, entry, (int32_t)((EMIT_PAGES - 1) * ENTRY));
	x64_rm(g->as, X64_ADD | X64_W, entry, x64_env(X64_ENV(pages)));
	x64_rm(g->as, X64_XOR | X64_W, sum, x64_at(entry, soft_tag(is_write)));
	x64_test_imm(g->as, X64_W, sum, ~((int32_t)PAGE_BYTES - type_bytes[g->i->type]));
	c = x64_cold_add(g, X64_COLD_SOFT, x64_jcc(g->as, X64_NE, g->as->at));
	c->reg = (uint8_t)sum;
	c->reg2 = (uint8_t)entry;
	c->exit = (struct x64_exit){ .pc = x64_pc(g),
				     .exit = is_write ? EMIT_EXIT_STORE : EMIT_EXIT_LOAD,
				     .link = X64_LINK_NONE,
				     .undo = x64_undo(g),
				     .dirty = g->dirty };
	x64_rm(g->as, X64_ADD | X64_W, sum,
	       x64_at(entry, (int32_t)offsetof(struct emit_page, host)));
	x64_untake(g, entry);
	return x64_at(sum, 0);
}

void x64_cold_soft(struct x64_gen *g, const struct x64_cold *c)
{
	x64_rm(g->as, X64_XOR | X64_W, c->reg,
	       x64_at(c->reg2, soft_tag(c->exit.exit == EMIT_EXIT_STORE)));
	x64_mr(g->as, X64_MOV | X64_W, x64_env(X64_ENV(access_gva)), c->reg);
}

/* The operation's address as an operand; what must be checked has been. */
static struct x64_mem address(struct x64_gen *g)
{
	struct x64_loc a = x64_loc_of(g, g->i->a);
	int64_t disp = g->i->imm;
	uint32_t slack = 0;
	unsigned int base;

	if (g->i->flags & IR_SOFT) {
		return soft_address(g);
	}
	if (a.place == X64_IS_NUMBER) {
		return number_address(g, (int64_t)((uint64_t)a.number + (uint64_t)disp));
	}
	if (a.place == X64_IN_GPR) {
		g->gpr_pins |= 1u << a.reg;
	}
	if (disp < -DISP_MAX || disp >= DISP_MAX) {
		return far_address(g);
	}
	base = x64_in_gpr(g, g->i->a);
	if (!(g->i->flags & IR_SAFE) && !x64_checked(g, g->i->a, &slack)) {
		check_emit(g, base);
		x64_checked_set(g, g->i->a, 0);
	}
	return x64_at2(X64_WINDOW, base, (int32_t)disp);
}

static void access_add(struct x64_gen *g, size_t at, struct x64_mem m, unsigned int reg,
		       unsigned int how)
{
	struct emitter *em = g->em;

	if (g->i->flags & IR_SOFT) {
		return; /* it does not fault */
	}
	em->accesses[em->n_accesses++] = (struct x64_access){
		.at = (uint32_t)at,
		.disp = m.disp,
		.pc = x64_pc(g),
		.base = m.index,
		.reg = (uint8_t)reg,
		.bytes = type_bytes[g->i->type],
		.how = (uint8_t)how,
		.undo = x64_undo(g),
		.length = (uint8_t)(g->as->at - at),
		.dirty = g->dirty,
		.map = (uint16_t)g->region.map,
	};
}

static void load_fp(struct x64_gen *g, struct x64_mem m)
{
	size_t at;
	bool is_single = g->i->type == IR_F32;
	unsigned int d = g->dst == IR_NONE ? x64_take_xmm(g)
					   : x64_def_xmm(g, X64_XMM_SCRATCH, X64_XMM_SCRATCH,
							 X64_XMM_SCRATCH);

	at = g->as->at;
	x64_vrm(g->as, is_single ? X64_VMOVSS_LD : X64_VMOVSD_LD, d, 0, m);
	access_add(g, at, m, d, X64_ACCESS_XMM);
	if (is_single && (g->i->flags & IR_SX)) {
		x64_vrm(g->as, X64_VORPS, d, d, x64_constant(X64_C_BOX));
	}
	x64_finish_xmm(g, d);
	if (is_single && (g->i->flags & IR_SX) && g->dst != IR_NONE) {
		x64_boxed_set(g, g->dst);
	}
}

void x64_op_load(struct x64_gen *g)
{
	static const uint32_t plain_ops[] = { X64_MOVZX8, X64_MOVZX16, X64_MOV, X64_MOV | X64_W };
	static const uint32_t signed_ops[] = { X64_MOVSX8 | X64_W, X64_MOVSX16 | X64_W,
					       X64_MOVSXD | X64_W, X64_MOV | X64_W };
	struct x64_mem m = address(g);
	bool is_signed = g->i->flags & IR_SX;
	unsigned int d;
	size_t at;

	if (g->i->type >= IR_F32) {
		load_fp(g, m);
		return;
	}
	d = x64_def(g, m.index, X64_NOREG);
	at = g->as->at;
	x64_rm(g->as, is_signed ? signed_ops[g->i->type] : plain_ops[g->i->type], d, m);
	access_add(g, at, m, d, is_signed ? X64_ACCESS_SIGNED : 0);
	x64_finish(g, d);
}

void x64_op_store(struct x64_gen *g)
{
	static const uint32_t ops[] = { X64_MOV | X64_S8, X64_MOV | X64_S16, X64_MOV,
					X64_MOV | X64_W };
	struct x64_mem m = address(g);
	struct x64_loc value = x64_loc_of(g, g->i->b);
	unsigned int reg = 0;
	unsigned int how = X64_ACCESS_WRITE;
	size_t at;

	if (g->i->type >= IR_F32) {
		reg = x64_in_xmm(g, g->i->b);
		how |= X64_ACCESS_XMM;
		at = g->as->at;
		x64_vmr(g->as, g->i->type == IR_F32 ? X64_VMOVSS_ST : X64_VMOVSD_ST, m, reg);
	} else if (value.place == X64_IS_NUMBER && value.number == 0) {
		how |= X64_ACCESS_ZERO;
		at = g->as->at;
		x64_mi(g->as, ops[g->i->type], m, 0);
	} else {
		reg = x64_in_gpr(g, g->i->b);
		at = g->as->at;
		x64_mr(g->as, ops[g->i->type], m, reg);
	}
	access_add(g, at, m, reg, how);
}

void x64_op_fence(struct x64_gen *g)
{
	x64_barrier(g->as);
}

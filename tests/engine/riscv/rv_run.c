/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter's side: a hart in U-mode with the case's page for memory. */
#include <signal.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "cpu/riscv/rv_exec.h"
#include "rv_diff.h"

#define INSNS_MAX 200 /* jumps only go forward: a case has fewer */

/** Memory: the data of one case. */
struct page {
	uint8_t *data;
	gva_t addr;
	bool has_reservation;
	gva_t reserved;
};

static bool has(const struct page *p, gva_t gva, uint8_t bytes)
{
	return range_within(gva, bytes, p->addr, RV_WIRE_DATA_BYTES);
}

static enum rv_mem_result access_page(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				      uint32_t access, uint64_t *value)
{
	struct page *p = (struct page *)opaque;

	if (!has(p, gva, bytes)) {
		x->cause = access & MEM_W ? RV_STORE_PAGE : RV_LOAD_PAGE;
		return RV_MEM_FAULT;
	}
	if (access & MEM_W) {
		store_le(p->data + (gva - p->addr), *value, bytes);
	} else {
		*value = load_le(p->data + (gva - p->addr), bytes);
	}
	return RV_MEM_OK;
}

static enum rv_mem_result modify_page(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				      uint64_t (*update)(void *arg, uint64_t old), void *arg,
				      uint64_t *value)
{
	uint64_t new;

	if (access_page(opaque, x, gva, bytes, MEM_R, value) != RV_MEM_OK) {
		x->cause = RV_STORE_PAGE;
		return RV_MEM_FAULT;
	}
	new = update(arg, *value);
	return access_page(opaque, x, gva, bytes, MEM_W, &new);
}

static enum rv_mem_result reserve_page(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				       uint64_t *value)
{
	struct page *p = (struct page *)opaque;
	enum rv_mem_result r = access_page(opaque, x, gva, bytes, MEM_R, value);

	p->has_reservation = r == RV_MEM_OK;
	p->reserved = gva;
	return r;
}

static enum rv_mem_result store_conditional_page(void *opaque, struct rv_exec *x, gva_t gva,
						 uint8_t bytes, uint64_t value, bool *ret_stored)
{
	struct page *p = (struct page *)opaque;
	bool is_reserved = p->has_reservation && p->reserved == gva;

	p->has_reservation = false;
	*ret_stored = is_reserved;
	return is_reserved ? access_page(opaque, x, gva, bytes, MEM_W, &value) : RV_MEM_OK;
}

static enum rv_mem_result no_block(void *opaque, struct rv_exec *x, gva_t gva, bool zero)
{
	(void)opaque;
	(void)x;
	(void)gva;
	(void)zero;
	BUG_ON(true); /* not among what sequences are made of */
}

static int signal_of(uint64_t cause)
{
	switch (cause) {
	case RV_ILLEGAL:
		return SIGILL;
	case RV_BREAKPOINT:
		return SIGTRAP;
	default:
		return SIGSEGV;
	}
}

static void set_x(struct rv_state *s, uint8_t rd, uint64_t value)
{
	if (rd) {
		s->x[rd] = value;
	}
}

static void spoil(const struct rv_run *run, struct rv_state *s, const struct rv_insn *i)
{
	if (run->spoil == i->op && i->op != RV_OP_ILLEGAL) {
		set_x(s, i->rd, s->x[i->rd] + 1);
	}
}

/* See struct rv_run. @param a rs1 before */
static void imitate(struct rv_run *run, struct rv_state *s, const struct rv_insn *i, uint64_t a)
{
	if (run->is_ctzw_wrong && i->op == RV_OP_CTZW && a && (uint32_t)a == 0) {
		set_x(s, i->rd, (uint64_t)__builtin_ctzll(a));
		run->imitated++;
	}
}

static void run_hart(struct rv_run *run, struct rv_case *c, struct rv_exec *x, uint64_t base)
{
	struct rv_state *s = &x->hart->s;

	for (unsigned int n = 0; s->pc != base + c->end; n++) {
		struct rv_insn insn;
		uint64_t a;

		BUG_ON(n >= INSNS_MAX || s->pc - base > c->end);
		rv_decode((uint32_t)load_le(c->code + (s->pc - base), 4), &insn);
		a = s->x[insn.rs1];
		if (rv_exec(x, &insn) != RV_DONE) {
			c->state.signal = (uint64_t)signal_of(x->cause);
			c->state.pc = s->pc;
			run->exceptions++;
			run->executed[RV_OP_EBREAK] += x->cause == RV_BREAKPOINT;
			return;
		}
		run->executed[insn.op]++;
		imitate(run, s, &insn, a);
		spoil(run, s, &insn);
	}
}

void rv_run_case(struct rv_run *run, struct rv_case *c, uint32_t slot)
{
	static const struct rv_memory memory = {
		.access = access_page,
		.modify = modify_page,
		.reserve = reserve_page,
		.store_conditional = store_conditional_page,
		.block = no_block,
	};
	struct page page = { .data = c->state.data };
	struct rv_memory with_page = memory;
	struct rv_hart hart = { .s = { .priv = RV_PRIV_U, .mstatus = RV_MSTATUS_FS } };
	struct rv_exec x = { .hart = &hart, .memory = &with_page };

	page.addr = RV_WIRE_STATE_ADDR + (uint64_t)slot * sizeof(c->state) + sizeof(c->state) -
		    RV_WIRE_DATA_BYTES;
	with_page.opaque = &page;
	memcpy(hart.s.x, c->state.x, sizeof(hart.s.x));
	memcpy(hart.s.f, c->state.f, sizeof(hart.s.f));
	hart.s.fcsr = (uint32_t)c->state.fcsr;
	hart.s.pc = c->state.x[1];
	run_hart(run, c, &x, c->state.x[1]);
	memcpy(c->state.x, hart.s.x, sizeof(hart.s.x));
	memcpy(c->state.f, hart.s.f, sizeof(hart.s.f));
	c->state.fcsr = hart.s.fcsr;
}

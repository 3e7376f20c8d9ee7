/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt and trap gates in protected, virtual-8086 and long mode.
 * Source: SDM volume 3, sections 6.8 to 6.14; volume 2, INT n (operation).
 *
 * Every check comes before the first change: the frame is built aside, its pages are looked up,
 * then it is written and the registers change. Not done: task gates (the exception becomes a #GP),
 * 16-bit TSSs, shadow stacks, and accessed bits in descriptor tables.
 *
 *   protected, inner:  [error] EIP CS EFLAGS ESP SS [ES DS FS GS, from virtual-8086 mode]
 *   protected, same:   [error] EIP CS EFLAGS
 *   long mode:         [error] RIP CS RFLAGS RSP SS, always, aligned to 16
 */
#include <string.h>

#include "base/bug.h"
#include "cpu/x86/x86_internal.h"

#define GATE_TRAP    BIT(0) /* of the type: IF stays */
#define GATE_32	     BIT(3) /* of the type: 32-bit (or 64-bit) frame */
#define ERROR_IDT    2u
#define TSS_TYPE_32  BIT(3)
#define TSS_STACKS32 4u
#define TSS_STACKS64 4u
#define TSS_IST	     0x24u

struct gate {
	uint16_t sel;
	uint8_t type; /* 6, 7, 14 or 15 */
	uint8_t ist;
	uint64_t offset;
};

/* A stack frame, lowest address first. */
struct frame {
	uint8_t bytes[80];
	unsigned int n;
	unsigned int slot_bytes;
};

/* Where a linear range lies in memory: at most two pages. */
struct range_map {
	gpa_t gpa[2];
	size_t len[2];
};

/* What delivery will change. */
struct target {
	struct x86_seg cs;
	struct x86_seg ss;
	uint64_t sp; /* before the frame is pushed */
	unsigned int cpl;
	bool is_inner; /* stack and privilege change */
};

static uint32_t ext(const struct x86_event *ev)
{
	return ev->is_soft ? 0 : 1;
}

static uint32_t sel_error(const struct x86_event *ev, uint16_t sel)
{
	return (sel & 0xfffcu) | ext(ev);
}

/* Memory refused: a page fault of its own; anything else reads as ones on real machines (#GP). */
static bool raise_memory(const struct x86_event *ev, const struct cpu_fault *f,
			 struct x86_event *ret)
{
	if (f->kind != CPU_FAULT_PAGE) {
		return x86_event_raise(ret, ev, X86_GP, ext(ev));
	}
	x86_event_raise(ret, ev, X86_PF, (uint32_t)f->syndrome);
	ret->cr2 = f->address;
	return false;
}

static bool table_read(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
		       gva_t at, void *buf, size_t len, struct x86_event *ret)
{
	struct cpu_fault f;

	if (!(x->efer & X86_EFER_LMA)) {
		at &= 0xffffffffu;
	}
	return x86_linear_read(x, m, at, buf, len, &f) || raise_memory(ev, &f, ret);
}

static bool is_gate_type(unsigned int type, bool is_long)
{
	return type == 14 || type == 15 || (!is_long && (type == 6 || type == 7));
}

static bool gate_read(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
		      bool is_long, struct gate *g, struct x86_event *ret)
{
	uint32_t error = ev->vector * 8u | ERROR_IDT | ext(ev);
	uint32_t len = is_long ? 16 : 8;
	uint32_t offset = ev->vector * len;
	uint64_t raw[2] = { 0 };
	uint16_t attr;

	if (offset + len - 1 > x->idtr.limit) {
		return x86_event_raise(ret, ev, X86_GP, error);
	}
	if (!table_read(x, m, ev, x->idtr.base + offset, raw, len, ret)) {
		return false;
	}
	attr = (uint16_t)((raw[0] >> 40) & 0xff);
	*g = (struct gate){
		.sel = (uint16_t)(raw[0] >> 16),
		.type = attr & 0x1f,
		.ist = is_long ? (raw[0] >> 32) & 7 : 0,
		.offset = (raw[0] & 0xffff) | ((raw[0] >> 32) & 0xffff0000) | raw[1] << 32,
	};
	if (!is_gate_type(g->type, is_long)) {
		return x86_event_raise(ret, ev, X86_GP, error);
	}
	if (!(g->type & GATE_32)) {
		g->offset &= 0xffff;
	}
	if (ev->is_soft && x86_attr_dpl(attr) < x86_cpl(x)) {
		return x86_event_raise(ret, ev, X86_GP, error);
	}
	if (!(attr & X86_ATTR_P)) {
		return x86_event_raise(ret, ev, X86_NP, error);
	}
	return true;
}

/* Read and unpack a descriptor; anything wrong with the selector is @p vector. */
static bool desc_read(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
		      uint16_t sel, uint8_t vector, struct x86_seg *seg, struct x86_event *ret)
{
	struct cpu_fault f;
	uint64_t desc[2];

	if (!(sel & 0xfffc)) {
		return x86_event_raise(ret, ev, vector, ext(ev));
	}
	switch (x86_desc_read(x, m, sel, false, desc, &f)) {
	case X86_DESC_LIMIT:
		return x86_event_raise(ret, ev, vector, sel_error(ev, sel));
	case X86_DESC_FAULT:
		return raise_memory(ev, &f, ret);
	case X86_DESC_OK:
		break;
	}
	seg->sel = sel;
	x86_desc_unpack(desc[0], seg);
	return true;
}

static bool code_read(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
		      const struct gate *g, bool is_long, struct target *t, struct x86_event *ret)
{
	unsigned int cpl = x86_cpl(x);
	unsigned int dpl;
	uint16_t attr;

	if (!desc_read(x, m, ev, g->sel, X86_GP, &t->cs, ret)) {
		return false;
	}
	attr = t->cs.attr;
	dpl = x86_attr_dpl(attr);
	if (!(attr & X86_ATTR_S) || !(attr & X86_ATTR_CODE) || dpl > cpl ||
	    (is_long && (attr & (X86_ATTR_L | X86_ATTR_DB)) != X86_ATTR_L)) {
		return x86_event_raise(ret, ev, X86_GP, sel_error(ev, g->sel));
	}
	if (!(attr & X86_ATTR_P)) {
		return x86_event_raise(ret, ev, X86_NP, sel_error(ev, g->sel));
	}
	t->is_inner = !(attr & X86_ATTR_DC) && dpl < cpl;
	t->cpl = t->is_inner ? dpl : cpl;
	if ((x->rflags & X86_FLAGS_VM) && t->cpl != 0) {
		return x86_event_raise(ret, ev, X86_GP, sel_error(ev, g->sel));
	}
	t->cs.sel = (uint16_t)((g->sel & ~3u) | t->cpl);
	t->cs.attr |= X86_ATTR_ACCESSED;
	return true;
}

/* Inner stack of a 32-bit TSS: ESP then SS per level. */
static bool stack_from_tss32(const struct x86_state *x, const struct mem *m,
			     const struct x86_event *ev, struct target *t, struct x86_event *ret)
{
	uint32_t at = TSS_STACKS32 + t->cpl * 8;
	uint64_t raw = 0;
	uint16_t sel;

	if (!(x->tr.attr & TSS_TYPE_32) || at + 7 > x->tr.limit) {
		return x86_event_raise(ret, ev, X86_TS, sel_error(ev, x->tr.sel));
	}
	if (!table_read(x, m, ev, x->tr.base + at, &raw, 8, ret)) {
		return false;
	}
	sel = (uint16_t)(raw >> 32);
	if (!desc_read(x, m, ev, sel, X86_TS, &t->ss, ret)) {
		return false;
	}
	if ((sel & 3) != t->cpl || x86_attr_dpl(t->ss.attr) != t->cpl ||
	    (t->ss.attr & (X86_ATTR_S | X86_ATTR_CODE | X86_ATTR_RW)) !=
		    (X86_ATTR_S | X86_ATTR_RW)) {
		return x86_event_raise(ret, ev, X86_TS, sel_error(ev, sel));
	}
	if (!(t->ss.attr & X86_ATTR_P)) {
		return x86_event_raise(ret, ev, X86_SSF, sel_error(ev, sel));
	}
	t->ss.attr |= X86_ATTR_ACCESSED;
	t->sp = (uint32_t)raw;
	return true;
}

static bool is_canonical(uint64_t v)
{
	return (uint64_t)((int64_t)(v << 16) >> 16) == v;
}

/* Stack of a 64-bit gate: its IST entry, the inner stack, or the current one; aligned to 16. */
static bool stack_long(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
		       const struct gate *g, struct target *t, struct x86_event *ret)
{
	uint32_t at = g->ist ? TSS_IST + (g->ist - 1u) * 8 : TSS_STACKS64 + t->cpl * 8;

	t->ss = x->seg[X86_SS];
	t->sp = x->gpr[X86_RSP];
	if (t->is_inner) {
		t->ss = (struct x86_seg){ .sel = (uint16_t)t->cpl,
					  .attr = (uint16_t)(t->cpl << 5) };
	}
	if (g->ist || t->is_inner) {
		if (at + 7 > x->tr.limit) {
			return x86_event_raise(ret, ev, X86_TS, sel_error(ev, x->tr.sel));
		}
		if (!table_read(x, m, ev, x->tr.base + at, &t->sp, 8, ret)) {
			return false;
		}
	}
	if (!is_canonical(t->sp)) {
		return x86_event_raise(ret, ev, X86_SSF, ext(ev));
	}
	t->sp &= ~15ULL;
	return true;
}

static void put(struct frame *fr, uint64_t value)
{
	BUG_ON(fr->n + fr->slot_bytes > sizeof(fr->bytes));
	store_le(fr->bytes + fr->n, value, fr->slot_bytes);
	fr->n += fr->slot_bytes;
}

static void frame_build(const struct x86_state *x, const struct x86_event *ev,
			const struct target *t, bool is_long, struct frame *fr)
{
	uint64_t flags = x->rflags;

	/* Faults show RF set, so that IRET does not meet an instruction breakpoint again. */
	if (!ev->is_soft && ev->vector < 32 && ev->vector != X86_DB && ev->vector != X86_NMI &&
	    ev->vector != X86_BP && ev->vector != X86_OF && ev->vector != X86_DF &&
	    ev->vector != X86_MC) {
		flags |= X86_FLAGS_RF;
	}
	if (ev->has_error) {
		put(fr, ev->error);
	}
	put(fr, ev->push_rip);
	put(fr, x->seg[X86_CS].sel);
	put(fr, flags);
	if (is_long || t->is_inner) {
		put(fr, x->gpr[X86_RSP]);
		put(fr, x->seg[X86_SS].sel);
	}
	if (x->rflags & X86_FLAGS_VM) {
		put(fr, x->seg[X86_ES].sel);
		put(fr, x->seg[X86_DS].sel);
		put(fr, x->seg[X86_FS].sel);
		put(fr, x->seg[X86_GS].sel);
	}
}

/* Whether [offset, offset + n) lies within a stack segment. SDM volume 3, 5.3. */
static bool is_in_stack(const struct x86_seg *ss, uint32_t offset, uint32_t n)
{
	uint32_t last = offset + n - 1;
	uint32_t top = ss->attr & X86_ATTR_DB ? 0xffffffffu : 0xffffu;

	if (last < offset || last > top) {
		return false;
	}
	return ss->attr & X86_ATTR_DC ? offset > ss->limit : last <= ss->limit;
}

/*
 * Look up the pages of a frame; all of it must be writable memory. The processor pushes from the
 * top, so that is where a page fault shows first.
 */
static bool range_find(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
		       gva_t at, const struct frame *fr, bool is_user, struct range_map *map,
		       struct x86_event *ret)
{
	size_t first = (size_t)(PAGE_BYTES - at % PAGE_BYTES);

	map->len[0] = first < fr->n ? first : fr->n;
	map->len[1] = fr->n - map->len[0];
	for (size_t i = 2; i-- > 0;) {
		size_t top = map->len[i] > fr->slot_bytes ? map->len[i] - fr->slot_bytes : 0;
		const struct mem_region *r;
		struct cpu_fault f;
		gpa_t gpa;

		if (!map->len[i]) {
			continue;
		}
		if (!x86_walk(x, m, at + (i ? first : 0) + top, MEM_W, is_user, &gpa, &f)) {
			return raise_memory(ev, &f, ret);
		}
		map->gpa[i] = gpa - top;
		r = mem_region_find(m, gpa);
		if (!r || !(r->perm & MEM_W)) {
			return x86_event_raise(ret, ev, X86_SSF, ext(ev));
		}
	}
	return true;
}

static void range_write(struct mem *m, const struct range_map *map, const uint8_t *bytes)
{
	for (size_t i = 0; i < 2 && map->len[i]; i++) {
		BUG_ON(!mem_write(m, map->gpa[i], bytes + (i ? map->len[0] : 0), map->len[i],
				  NULL));
	}
}

static bool place_legacy(const struct x86_state *x, const struct mem *m, const struct x86_event *ev,
			 const struct frame *fr, struct target *t, struct range_map *map,
			 struct x86_event *ret)
{
	uint64_t mask = t->ss.attr & X86_ATTR_DB ? 0xffffffffu : 0xffffu;
	uint32_t offset = (uint32_t)((t->sp - fr->n) & mask);
	uint32_t error = t->is_inner ? sel_error(ev, t->ss.sel) : ext(ev);

	if (!is_in_stack(&t->ss, offset, fr->n)) {
		return x86_event_raise(ret, ev, X86_SSF, error);
	}
	t->sp = (t->sp & ~mask) | offset;
	return range_find(x, m, ev, (uint32_t)(t->ss.base + offset), fr, t->cpl == 3, map, ret);
}

static void commit(struct x86_state *x, const struct gate *g, const struct target *t)
{
	if (x->rflags & X86_FLAGS_VM) {
		for (int i = X86_ES; i <= X86_GS; i++) {
			x->seg[i] = (struct x86_seg){ 0 };
		}
	}
	x->seg[X86_CS] = t->cs;
	x->seg[X86_SS] = t->ss;
	x->gpr[X86_RSP] = t->sp;
	x->rip = g->offset;
	x->rflags &= ~(X86_FLAGS_TF | X86_FLAGS_NT | X86_FLAGS_RF | X86_FLAGS_VM);
	if (!(g->type & GATE_TRAP)) {
		x->rflags &= ~X86_FLAGS_IF;
	}
}

static bool deliver_legacy(struct x86_state *x, struct mem *m, const struct x86_event *ev,
			   struct x86_event *ret)
{
	struct frame fr = { .slot_bytes = 4 };
	struct range_map map;
	struct target t = { 0 };
	struct gate g;

	if (!gate_read(x, m, ev, false, &g, ret) || !code_read(x, m, ev, &g, false, &t, ret)) {
		return false;
	}
	t.ss = x->seg[X86_SS];
	t.sp = x->gpr[X86_RSP];
	if (t.is_inner && !stack_from_tss32(x, m, ev, &t, ret)) {
		return false;
	}
	fr.slot_bytes = g.type & GATE_32 ? 4 : 2;
	frame_build(x, ev, &t, false, &fr);
	if (!place_legacy(x, m, ev, &fr, &t, &map, ret)) {
		return false;
	}
	if (g.offset > t.cs.limit) {
		return x86_event_raise(ret, ev, X86_GP, ext(ev));
	}
	range_write(m, &map, fr.bytes);
	commit(x, &g, &t);
	return true;
}

static bool deliver_long(struct x86_state *x, struct mem *m, const struct x86_event *ev,
			 struct x86_event *ret)
{
	struct frame fr = { .slot_bytes = 8 };
	struct range_map map;
	struct target t = { 0 };
	struct gate g;

	if (!gate_read(x, m, ev, true, &g, ret) || !code_read(x, m, ev, &g, true, &t, ret) ||
	    !stack_long(x, m, ev, &g, &t, ret)) {
		return false;
	}
	frame_build(x, ev, &t, true, &fr);
	t.sp -= fr.n;
	if (!is_canonical(g.offset)) {
		return x86_event_raise(ret, ev, X86_GP, ext(ev));
	}
	if (!range_find(x, m, ev, t.sp, &fr, t.cpl == 3, &map, ret)) {
		return false;
	}
	range_write(m, &map, fr.bytes);
	commit(x, &g, &t);
	return true;
}

bool x86_gate_deliver(struct x86_state *x, struct mem *m, const struct x86_event *ev,
		      struct x86_event *ret_next)
{
	if (ev->is_int_n && (x->rflags & X86_FLAGS_VM) &&
	    (x->rflags & X86_FLAGS_IOPL) != X86_FLAGS_IOPL) {
		return x86_event_raise(ret_next, ev, X86_GP, 0);
	}
	if (x->efer & X86_EFER_LMA) {
		return deliver_long(x, m, ev, ret_next);
	}
	return deliver_legacy(x, m, ev, ret_next);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delivery of exceptions and software interrupts, as the processor does it: one that can't be
 * delivered makes another, then a double fault, then shutdown (SDM volume 3, 6.15, table 6-5).
 *
 * Shutdown is what "no usable handler" means here: x86_deliver() returns false and has changed
 * nothing, so that the caller reports the exception that started it. In real mode a vector that
 * points to 0:0 counts as absent too: an interrupt table that nobody filled is all zero.
 *
 * The fault's pc is that of the instruction. Software interrupts push the address behind it, so
 * their bytes are read: INT3, INT1, INTO, INT n, after any prefixes.
 */
#include "cpu/x86/x86_internal.h"

#define INSN_BYTES_MAX 15

bool x86_event_raise(struct x86_event *ret, const struct x86_event *ev, uint8_t vector,
		     uint32_t error)
{
	*ret = (struct x86_event){
		.vector = vector,
		.has_error = true,
		.error = error,
		.insn_rip = ev->insn_rip,
		.push_rip = ev->insn_rip,
	};
	return false;
}

/* SDM volume 3, table 6-1. */
static bool pushes_error(uint32_t vector)
{
	return vector == X86_DF || (vector >= X86_TS && vector <= X86_PF) || vector == X86_AC ||
	       vector == 21 || vector == 29 || vector == 30;
}

static bool insn_byte(const struct x86_state *x, const struct mem *m, gva_t at, uint8_t *ret)
{
	struct cpu_fault f;
	gpa_t gpa;

	if (!x86_is_64bit_code(x)) {
		at &= 0xffffffffu;
	}
	return x86_walk(x, m, at, 0, false, &gpa, &f) && mem_peek(m, gpa, ret, 1) == 1;
}

static bool is_prefix(const struct x86_state *x, uint8_t byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:
	case 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return (byte & 0xf0) == 0x40 && x86_is_64bit_code(x); /* REX */
	}
}

/* Length of the software interrupt at pc; 0 if there is none. */
static unsigned int soft_int_bytes(const struct x86_state *x, const struct mem *m, gva_t pc,
				   uint8_t *ret_vector, bool *ret_is_int_n)
{
	uint8_t byte = 0;
	unsigned int n = 0;

	do {
		if (n == INSN_BYTES_MAX || !insn_byte(x, m, pc + n, &byte)) {
			return 0;
		}
		n++;
	} while (is_prefix(x, byte));
	*ret_is_int_n = false;
	switch (byte) {
	case 0xcc:
		*ret_vector = X86_BP;
		return n;
	case 0xf1:
		*ret_vector = X86_DB;
		return n;
	case 0xce:
		*ret_vector = X86_OF;
		return n;
	case 0xcd:
		*ret_is_int_n = true;
		return insn_byte(x, m, pc + n, ret_vector) ? n + 1 : 0;
	default:
		return 0;
	}
}

/* No exception of the processor says that there is no memory: such faults have no vector. */
static bool is_exception(const struct cpu_fault *f)
{
	switch (f->kind) {
	case CPU_FAULT_NONE:
	case CPU_FAULT_UNMAPPED:
	case CPU_FAULT_PROTECTION:
	case CPU_FAULT_TRIPLE:
		return false;
	default:
		return f->vector <= 0xff;
	}
}

static bool may_be_soft(const struct cpu_fault *f)
{
	return f->kind == CPU_FAULT_SYSCALL || f->kind == CPU_FAULT_BREAKPOINT ||
	       f->vector == X86_OF;
}

/* False for what isn't an exception of the processor: nothing to deliver. */
static bool event_init(const struct x86_state *x, const struct mem *m, const struct cpu_fault *f,
		       struct x86_event *ev)
{
	uint64_t base = x86_is_64bit_code(x) ? 0 : x->seg[X86_CS].base;
	uint64_t mask = x86_is_64bit_code(x) ? ~0ULL : 0xffffffffu;
	unsigned int soft_bytes = 0;
	uint8_t soft_vector;

	if (!is_exception(f)) {
		return false;
	}
	*ev = (struct x86_event){
		.vector = (uint8_t)f->vector,
		.insn_rip = (f->pc - base) & mask,
		.cr2 = f->has_address ? f->address : x->cr2,
	};
	if (may_be_soft(f)) {
		soft_bytes = soft_int_bytes(x, m, f->pc, &soft_vector, &ev->is_int_n);
	}
	ev->is_soft = soft_bytes && soft_vector == ev->vector;
	ev->is_int_n &= ev->is_soft;
	ev->push_rip = (ev->insn_rip + (ev->is_soft ? soft_bytes : 0)) & mask;
	ev->has_error = !ev->is_soft && pushes_error(f->vector);
	ev->error = ev->has_error ? (uint32_t)f->syndrome : 0;
	return ev->is_soft || f->kind != CPU_FAULT_SYSCALL;
}

/*
 * Real mode: FLAGS, CS, IP; never an error code. SDM volume 3, 20.1.4.
 * A frame that would wrap around the end of the stack segment is refused.
 */
static bool deliver_real(struct x86_state *x, struct mem *m, const struct x86_event *ev,
			 struct x86_event *ret)
{
	uint32_t offset = ev->vector * 4u;
	uint16_t sp = (uint16_t)(x->gpr[X86_RSP] - 6);
	gpa_t stack = (uint32_t)(x->seg[X86_SS].base + sp);
	uint8_t frame[6];
	uint32_t entry = 0;

	if (offset + 3 > x->idtr.limit || !mem_read(m, x->idtr.base + offset, &entry, 4, NULL) ||
	    entry == 0) {
		return x86_event_raise(ret, ev, X86_GP, 0);
	}
	store_le(frame, ev->push_rip, 2);
	store_le(frame + 2, x->seg[X86_CS].sel, 2);
	store_le(frame + 4, x->rflags, 2);
	if (sp > 0xfffa || !mem_write(m, stack, frame, sizeof(frame), NULL)) {
		return x86_event_raise(ret, ev, X86_SSF, 0);
	}
	x->gpr[X86_RSP] = (x->gpr[X86_RSP] & ~0xffffULL) | sp;
	x->seg[X86_CS].sel = (uint16_t)(entry >> 16);
	x->seg[X86_CS].base = (uint64_t)x->seg[X86_CS].sel << 4;
	x->rip = entry & 0xffff;
	x->rflags &= ~(X86_FLAGS_IF | X86_FLAGS_TF | X86_FLAGS_AC | X86_FLAGS_RF);
	return true;
}

static bool deliver_one(struct x86_state *x, struct mem *m, const struct x86_event *ev,
			struct x86_event *ret_next)
{
	if (ev->vector == X86_PF && !ev->is_soft) {
		x->cr2 = ev->cr2;
	}
	return x->cr0 & X86_CR0_PE ? x86_gate_deliver(x, m, ev, ret_next)
				   : deliver_real(x, m, ev, ret_next);
}

static bool is_contributory(uint8_t vector)
{
	return vector == X86_DE || (vector >= X86_TS && vector <= X86_GP);
}

/* Turn next, met while delivering ev, into what the processor does next; false: shutdown. */
static bool combine(const struct x86_event *ev, struct x86_event *next)
{
	bool is_page_fault = ev->vector == X86_PF;

	if (ev->is_soft) {
		return true; /* benign */
	}
	if (ev->vector == X86_DF) {
		return false;
	}
	if ((is_contributory(ev->vector) && is_contributory(next->vector)) ||
	    (is_page_fault && (is_contributory(next->vector) || next->vector == X86_PF))) {
		x86_event_raise(next, ev, X86_DF, 0);
	}
	return true;
}

bool x86_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f)
{
	struct x86_state *x = x86_state(s);
	uint64_t old_cr2 = x->cr2;
	struct x86_event ev;
	struct x86_event next;

	if (!event_init(x, m, f, &ev)) {
		return false;
	}
	/* Ends: each round is benign, contributory, page fault, double fault, in that order. */
	while (!deliver_one(x, m, &ev, &next)) {
		if (next.vector == X86_PF) {
			x->cr2 = next.cr2; /* set even if a double fault is all that follows */
		}
		if (!combine(&ev, &next)) {
			x->cr2 = old_cr2;
			return false;
		}
		ev = next;
	}
	return true;
}

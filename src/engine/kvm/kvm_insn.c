// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the engine must know about single instructions: whether bytes are one, and which one made a
 * write that KVM reports when the instruction has already retired.
 *
 * The latter is found by decoding every start from 15 bytes before the program counter: the
 * instruction must end there, and its address, size and (where it is plain) value must be those of
 * the write. If several fit, the one that most decodings from further back run into wins: x86 code
 * read from any start falls into step after a few instructions.
 */
#include <Zydis/Zydis.h>
#include <string.h>

#include "engine/kvm/kvm_internal.h"

#define LEAD_BYTES   48 /* read before the candidates, to fall into step */
#define WINDOW_BYTES (LEAD_BYTES + KVM_INSN_BYTES_MAX)

/** An instruction that may have made the write. */
struct candidate {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	gva_t pc; /* linear */
};

static void decoder_init(const struct x86_state *x, ZydisDecoder *ret)
{
	const struct x86_seg *cs = &x->seg[X86_CS];

	if (x86_is_64bit_code(x)) {
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	} else if (!(x->cr0 & X86_CR0_PE)) {
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
	} else if (cs->attr & BIT(14)) {
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	} else {
		ZydisDecoderInit(ret, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	}
}

void kvm_insn_decode(const struct x86_state *x, const uint8_t *bytes, size_t n,
		     struct kvm_insn *ret)
{
	ZydisDecoder d;
	ZydisDecodedInstruction insn;
	ZyanStatus status;
	const char *name;

	*ret = (struct kvm_insn){ .bytes = 0 };
	decoder_init(x, &d);
	status = ZydisDecoderDecodeInstruction(&d, NULL, bytes, n, &insn);
	ret->is_cut = status == ZYDIS_STATUS_NO_MORE_DATA;
	if (!ZYAN_SUCCESS(status)) {
		return;
	}
	ret->bytes = insn.length;
	name = ZydisMnemonicGetString(insn.mnemonic);
	if (name) {
		strncpy(ret->text, name, sizeof(ret->text) - 1);
	}
}

static uint64_t reg_value(const struct x86_state *x, ZydisRegister reg)
{
	ZyanI8 id = ZydisRegisterGetId(reg);

	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
			return low_bytes(x->gpr[reg - ZYDIS_REGISTER_AH] >> 8, 1);
		}
		return low_bytes(x->gpr[ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(
						ZYDIS_MACHINE_MODE_LONG_64, reg)) &
					15],
				 1);
	case ZYDIS_REGCLASS_GPR16:
		return low_bytes(x->gpr[id & 15], 2);
	case ZYDIS_REGCLASS_GPR32:
		return low_bytes(x->gpr[id & 15], 4);
	case ZYDIS_REGCLASS_GPR64:
		return x->gpr[id & 15];
	case ZYDIS_REGCLASS_SEGMENT:
		return id >= 0 && id < 6 ? x->seg[id].sel : 0;
	default:
		return 0;
	}
}

static uint64_t seg_base(const struct x86_state *x, ZydisRegister seg)
{
	ZyanI8 id = ZydisRegisterGetId(seg);

	if (id < 0 || id >= 6 || (x86_is_64bit_code(x) && id < X86_FS)) {
		return 0;
	}
	return x->seg[id].base;
}

static gva_t operand_address(const struct x86_state *x, const struct candidate *c,
			     const ZydisDecodedOperand *op)
{
	uint64_t at = (uint64_t)op->mem.disp.value;
	uint64_t linear;

	if (ZydisRegisterGetClass(op->mem.base) == ZYDIS_REGCLASS_IP) {
		at += c->pc + c->insn.length; /* 64-bit code: linear is what RIP holds */
	} else if (op->mem.base != ZYDIS_REGISTER_NONE) {
		at += reg_value(x, op->mem.base);
	}
	if (op->mem.index != ZYDIS_REGISTER_NONE) {
		at += reg_value(x, op->mem.index) * op->mem.scale;
	}
	linear = low_bytes(at, c->insn.address_width / 8) + seg_base(x, op->mem.segment);
	return x86_is_64bit_code(x) ? linear : low_bytes(linear, 4);
}

/* The memory operand that the instruction writes, NULL if none. */
static const ZydisDecodedOperand *written_operand(const struct candidate *c)
{
	for (size_t i = 0; i < c->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &c->ops[i];

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
			return op;
		}
	}
	return NULL;
}

static bool is_stack_push(const ZydisDecodedOperand *op)
{
	ZydisRegister b = op->mem.base;

	return op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	       (b == ZYDIS_REGISTER_SP || b == ZYDIS_REGISTER_ESP || b == ZYDIS_REGISTER_RSP);
}

/* Add to the part of a register that the address or stack width covers. */
static void reg_add(struct x86_state *x, enum x86_gpr reg, unsigned int width_bits, uint64_t add)
{
	uint64_t mask = width_bits >= 64 ? UINT64_MAX : BIT(width_bits) - 1;

	x->gpr[reg] = (x->gpr[reg] & ~mask) | ((x->gpr[reg] + add) & mask);
}

static bool is_repeated(const struct candidate *c)
{
	return (c->insn.attributes &
		(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
}

static bool is_string_store(const struct candidate *c)
{
	switch (c->insn.mnemonic) {
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_MOVSQ:
		return true;
	case ZYDIS_MNEMONIC_MOVSD:
		return c->insn.meta.category == ZYDIS_CATEGORY_STRINGOP;
	default:
		return false;
	}
}

static bool is_string_move(const struct candidate *c)
{
	return is_string_store(c) && c->insn.mnemonic != ZYDIS_MNEMONIC_STOSB &&
	       c->insn.mnemonic != ZYDIS_MNEMONIC_STOSW &&
	       c->insn.mnemonic != ZYDIS_MNEMONIC_STOSD && c->insn.mnemonic != ZYDIS_MNEMONIC_STOSQ;
}

static void string_undo(struct x86_state *x, const struct candidate *c, uint64_t bytes)
{
	uint64_t back = (x->rflags & BIT(10)) ? bytes : -bytes;
	unsigned int width = c->insn.address_width;

	reg_add(x, X86_RDI, width, back);
	if (is_string_move(c)) {
		reg_add(x, X86_RSI, width, back);
	}
	if (is_repeated(c)) {
		reg_add(x, X86_RCX, width, 1);
	}
}

/* XCHG has put the memory's old value into the register; what it wrote is the register's old one.
 */
static void xchg_undo(struct x86_state *x, const struct candidate *c, const struct kvm_write *w)
{
	ZydisRegister reg = c->ops[c->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? 0 : 1].reg.value;
	ZyanI8 id = ZydisRegisterGetId(reg);

	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR32) {
		x->gpr[id & 15] = low_bytes(w->value, 4);
	} else if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR64) {
		x->gpr[id & 15] = w->value;
	} else if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR16) {
		x->gpr[id & 15] = (x->gpr[id & 15] & ~0xffffULL) | low_bytes(w->value, 2);
	}
}

/* The operand that MOV or PUSH writes; NULL for others, where no simple rule holds. */
static const ZydisDecodedOperand *source_operand(const struct candidate *c)
{
	if (c->insn.mnemonic == ZYDIS_MNEMONIC_MOV) {
		return &c->ops[1];
	}
	return c->insn.mnemonic == ZYDIS_MNEMONIC_PUSH ? &c->ops[0] : NULL;
}

static bool value_fits(const struct x86_state *before, const struct candidate *c,
		       const struct kvm_write *w, uint64_t bytes)
{
	const ZydisDecodedOperand *src = source_operand(c);

	if (!src || w->bytes != bytes) {
		return true;
	}
	if (src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		return low_bytes(src->imm.value.u, w->bytes) == w->value;
	}
	return src->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	       low_bytes(reg_value(before, src->reg.value), w->bytes) == w->value;
}

/*
 * Whether a write of @p bytes at @p at is reported like this. KVM splits writes at page boundaries
 * and into eights; the report may be about the second part when the first one hit memory.
 */
static bool access_fits(gva_t at, uint64_t bytes, const struct kvm_write *w)
{
	uint64_t to_page_end = PAGE_BYTES - at % PAGE_BYTES;
	uint64_t skipped = w->address - at;

	if (skipped == 0) {
		uint64_t whole = bytes < to_page_end ? bytes : to_page_end;

		return w->bytes == (whole < 8 ? whole : 8);
	}
	return skipped < bytes && (w->address % PAGE_BYTES == 0 || bytes > 8) &&
	       w->bytes <= bytes - skipped;
}

/* Whether the candidate explains the write; @p x then becomes the registers before it. */
static bool candidate_undo(struct x86_state *x, const struct candidate *c,
			   const struct kvm_write *w)
{
	const ZydisDecodedOperand *op = written_operand(c);
	struct x86_state before = *x;
	uint64_t bytes;
	gva_t at;

	if (!op) {
		return false;
	}
	bytes = op->size / 8;
	if (is_stack_push(op)) {
		at = low_bytes(x->gpr[X86_RSP], c->insn.stack_width / 8) +
		     seg_base(x, op->mem.segment);
		reg_add(&before, X86_RSP, c->insn.stack_width, bytes);
	} else {
		if (is_string_store(c)) {
			string_undo(&before, c, bytes);
		} else if (c->insn.mnemonic == ZYDIS_MNEMONIC_XCHG) {
			xchg_undo(&before, c, w);
		} else if (c->insn.mnemonic == ZYDIS_MNEMONIC_POP) {
			reg_add(&before, X86_RSP, c->insn.stack_width, -bytes);
		}
		at = operand_address(c->insn.mnemonic == ZYDIS_MNEMONIC_POP ? x : &before, c, op);
	}
	if (!access_fits(at, bytes, w) || !value_fits(&before, c, w, bytes)) {
		return false;
	}
	before.rip = c->pc - (x86_is_64bit_code(x) ? 0 : x->seg[X86_CS].base);
	*x = before;
	return true;
}

/* Code bytes up to a known end, as many as there are: bytes[first..WINDOW_BYTES). */
struct window {
	uint8_t bytes[WINDOW_BYTES];
	size_t first;
	unsigned int votes[WINDOW_BYTES]; /* how many decodings from further back run into a byte */
};

static bool window_read(const struct mem *m, gva_t end, struct window *ret)
{
	const struct mem_region *r = end ? mem_region_find(m, end - 1) : NULL;
	size_t have = WINDOW_BYTES;

	if (!r) {
		return false;
	}
	if (end - r->base_gpa < have) {
		have = (size_t)(end - r->base_gpa);
	}
	memset(ret, 0, sizeof(*ret));
	ret->first = WINDOW_BYTES - have;
	return mem_peek(m, end - have, ret->bytes + ret->first, have) == have;
}

static void window_vote(struct window *w, const ZydisDecoder *d)
{
	ZydisDecodedInstruction insn;

	for (size_t start = w->first; start < WINDOW_BYTES; start++) {
		size_t at = start;

		while (at < WINDOW_BYTES) {
			w->votes[at]++;
			if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(d, NULL, w->bytes + at,
									WINDOW_BYTES - at,
									&insn))) {
				break;
			}
			at += insn.length;
		}
	}
}

/* Whether the CALL leads to where the CPU now is. */
static bool is_call_to(const struct x86_state *x, const struct mem *m, const struct candidate *c)
{
	const ZydisDecodedOperand *op = &c->ops[0];
	unsigned int bytes = c->insn.operand_width / 8;
	uint8_t target[8] = { 0 };

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE: /* relative; far ones don't get here */
		return low_bytes(c->pc + c->insn.length + op->imm.value.u - x->seg[X86_CS].base,
				 bytes) == low_bytes(x->rip, bytes);
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return reg_value(x, op->reg.value) == low_bytes(x->rip, bytes);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return mem_peek(m, operand_address(x, c, op), target, bytes) == bytes &&
		       load_le(target, bytes) == low_bytes(x->rip, bytes);
	default:
		return false;
	}
}

/*
 * Try every start whose instruction ends at @p end (linear). A CALL has left its own end behind, so
 * it is looked for at the return address that it wrote, and nothing else is. Candidates with too
 * few votes don't count.
 */
static bool undo_ending_at(struct x86_state *x, const struct mem *m, const struct kvm_write *w,
			   gva_t end, bool only_calls, unsigned int min_pct)
{
	struct window win;
	struct x86_state found = *x;
	unsigned int best;
	bool is_found = false;
	ZydisDecoder d;

	if (!window_read(m, end, &win)) {
		return false;
	}
	best = (unsigned int)(WINDOW_BYTES - win.first) * min_pct / 100;
	decoder_init(x, &d);
	window_vote(&win, &d);
	for (size_t bytes = 1; bytes <= KVM_INSN_BYTES_MAX && bytes <= WINDOW_BYTES - win.first;
	     bytes++) {
		size_t at = WINDOW_BYTES - bytes;
		struct candidate c = { .pc = end - bytes };
		struct x86_state before = *x;

		if (win.votes[at] <= best ||
		    !ZYAN_SUCCESS(
			    ZydisDecoderDecodeFull(&d, win.bytes + at, bytes, &c.insn, c.ops)) ||
		    c.insn.length != bytes ||
		    (c.insn.meta.category == ZYDIS_CATEGORY_CALL) != only_calls ||
		    (only_calls && !is_call_to(x, m, &c)) || !candidate_undo(&before, &c, w)) {
			continue;
		}
		best = win.votes[at];
		found = before;
		is_found = true;
	}
	*x = found;
	return is_found;
}

/* A repeated string instruction stays where it is until its count is used up. */
static bool undo_repeated(struct x86_state *x, const struct mem *m, const struct kvm_write *w,
			  gva_t pc)
{
	uint8_t bytes[KVM_INSN_BYTES_MAX];
	struct candidate c = { .pc = pc };
	ZydisDecoder d;
	size_t n;

	n = mem_peek(m, pc, bytes, sizeof(bytes));
	decoder_init(x, &d);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, n, &c.insn, c.ops)) &&
	       is_string_store(&c) && is_repeated(&c) && candidate_undo(x, &c, w);
}

bool kvm_insn_undo_write(struct x86_state *x, const struct mem *m, const struct kvm_write *w)
{
	uint64_t cs_base = x86_is_64bit_code(x) ? 0 : x->seg[X86_CS].base;
	gva_t pc = x->rip + cs_base;

	/* the most certain ones first; half of all starts fall into step almost always */
	return undo_ending_at(x, m, w, w->value + cs_base, true, 0) ||
	       undo_ending_at(x, m, w, pc, false, 50) || undo_repeated(x, m, w, pc) ||
	       undo_ending_at(x, m, w, pc, false, 0);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sequence: made from seed and number, put together, shortened. */
#include <string.h>

#include "../../unit/test_rv_float_values.h"
#include "base/bits.h"
#include "base/bug.h"
#include "rv_diff.h"

#define INSN_LUI_EXIT  (0x37u | RV_REG_EXIT << 7 | RV_WIRE_EXIT_ADDR)
#define INSN_LD_EXIT   (0x3003u | RV_REG_EXIT << 7 | RV_REG_EXIT << 15)
#define INSN_JALR_EXIT (0x67u | RV_REG_EXIT << 15)

/* Integers: any, small, powers of two and their neighbours, words in different dress, and numbers. */
static uint64_t any_integer(uint64_t *rng)
{
	uint64_t v = rv_rand(rng);

	switch (rv_below(rng, 10)) {
	case 0:
		return v & 0xf;
	case 1:
		return -(v & 0xf);
	case 2:
		return BIT(v & 63) - (v >> 6 & 1);
	case 3:
		return -BIT(v & 63) + (v >> 6 & 1);
	case 4:
		return (uint64_t)(int64_t)(int32_t)v;
	case 5:
		return v & UINT32_MAX;
	case 6:
		return v >> (v & 63);
	case 7:
		return rv_rand_float(rng, v & 1 ? RV_F64 : RV_F32);
	case 8: /* bytes that are zero here and there */
		return v & rv_rand(rng) & 0xff00ffff00ff00ffULL;
	default:
		return v;
	}
}

/* An f register: a double, a single in its box, or in a broken one. */
static uint64_t any_float(uint64_t *rng)
{
	uint32_t kind = rv_below(rng, 16);

	if (kind < 7) {
		return rv_rand_float(rng, RV_F64);
	}
	if (kind < 15) {
		return rv_rand_float(rng, RV_F32) | 0xffffffff00000000ULL;
	}
	return rv_rand_float(rng, RV_F32) | (rv_rand(rng) | 0xffff) << 32;
}

void rv_seq_make(uint64_t seed, uint64_t index, struct rv_seq *ret)
{
	uint64_t rng = seed;
	struct rv_wire_state *s = &ret->start;

	rng = rv_rand(&rng) + index * 0x9e3779b97f4a7c15u;
	rng = rv_rand(&rng);
	memset(s, 0, sizeof(*s));
	for (unsigned int i = 1; i < 32; i++) {
		s->x[i] = any_integer(&rng);
	}
	for (unsigned int i = 0; i < 32; i++) {
		s->f[i] = any_float(&rng);
	}
	s->fcsr = rv_below(&rng, 5) << 5 | (rv_below(&rng, 2) ? rv_below(&rng, 32) : 0);
	if (rv_below(&rng, 32) == 0) {
		s->fcsr |= 0xe0;
	}
	for (size_t i = 0; i < RV_WIRE_DATA_BYTES; i += 8) {
		uint64_t v = i % 64 ? rv_rand(&rng) : any_float(&rng);

		store_le(s->data + i, v, 8);
	}
	ret->amo_double = 8 * rv_below(&rng, RV_WIRE_DATA_BYTES / 8);
	ret->amo_word = 8 * rv_below(&rng, RV_WIRE_DATA_BYTES / 8) + 4;
	store_le(s->data + ret->amo_double, any_integer(&rng), 8);
	ret->n = 1 + rv_below(&rng, rv_below(&rng, 4) ? 8 : RV_ITEMS_MAX);
	for (uint32_t i = 0; i < ret->n; i++) {
		rv_item_make(&rng, &ret->items[i]);
	}
}

/* Bits @p from and up of @p v, @p n of them, at bit @p to. */
static uint32_t move(uint32_t v, unsigned int from, unsigned int n, unsigned int to)
{
	return (v >> from & ((1u << n) - 1)) << to;
}

static uint32_t displace(enum rv_jump jump, uint32_t d)
{
	switch (jump) {
	case RV_JUMP_BRANCH:
		return move(d, 12, 1, 31) | move(d, 5, 6, 25) | move(d, 1, 4, 8) |
		       move(d, 11, 1, 7);
	case RV_JUMP_JAL:
		return move(d, 20, 1, 31) | move(d, 1, 10, 21) | move(d, 11, 1, 20) |
		       move(d, 12, 8, 12);
	case RV_JUMP_C_BRANCH:
		return move(d, 8, 1, 12) | move(d, 3, 2, 10) | move(d, 6, 2, 5) | move(d, 1, 2, 3) |
		       move(d, 5, 1, 2);
	case RV_JUMP_C_J:
		return move(d, 11, 1, 12) | move(d, 4, 1, 11) | move(d, 8, 2, 9) |
		       move(d, 10, 1, 8) | move(d, 6, 1, 7) | move(d, 7, 1, 6) | move(d, 1, 3, 3) |
		       move(d, 5, 1, 2);
	default: /* of the second instruction: jalr or addi */
		return d << 20;
	}
}

static void patch(const struct rv_item *item, uint8_t *to, uint32_t distance)
{
	bool is_second = item->jump == RV_JUMP_REGISTER || item->jump == RV_JUMP_C_REGISTER;
	bool is_short = item->jump == RV_JUMP_C_BRANCH || item->jump == RV_JUMP_C_J;
	uint8_t *at = to + (is_second ? 4 : 0);
	uint8_t bytes = is_short ? 2 : 4;

	store_le(at, load_le(at, bytes) | displace((enum rv_jump)item->jump, distance), bytes);
}

static void set_pointers(const struct rv_seq *s, uint32_t slot, uint64_t x[32])
{
	uint64_t state = RV_WIRE_STATE_ADDR + (uint64_t)slot * sizeof(struct rv_wire_state);
	uint64_t data = state + sizeof(struct rv_wire_state) - RV_WIRE_DATA_BYTES;

	x[1] = RV_WIRE_CODE_ADDR + (uint64_t)slot * RV_WIRE_CODE_BYTES;
	x[RV_REG_SP] = data + RV_WIRE_DATA_BYTES / 2;
	x[RV_REG_BASE_C] = data + RV_WIRE_DATA_BYTES / 2 + 3; /* misaligned, mostly */
	x[RV_REG_BASE] = data + RV_WIRE_DATA_BYTES / 2;
	x[RV_REG_DOUBLE] = data + s->amo_double;
	x[RV_REG_WORD] = data + s->amo_word;
}

void rv_seq_assemble(const struct rv_seq *s, uint32_t slot, struct rv_case *ret)
{
	uint32_t at[RV_ITEMS_MAX + 1];
	uint32_t end = 0;

	memset(ret->code, 0, sizeof(ret->code));
	for (uint32_t i = 0; i < s->n; i++) {
		at[i] = end;
		memcpy(ret->code + end, s->items[i].bytes, s->items[i].n_bytes);
		end += s->items[i].n_bytes;
	}
	at[s->n] = end;
	BUG_ON(end + 12 > RV_WIRE_CODE_BYTES);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct rv_item *item = &s->items[i];
		uint32_t to = i + 1 + item->skip;

		if (item->jump) {
			patch(item, ret->code + at[i], at[to < s->n ? to : s->n] - at[i]);
		}
	}
	store_le(ret->code + end, INSN_LUI_EXIT, 4);
	store_le(ret->code + end + 4, INSN_LD_EXIT, 4);
	store_le(ret->code + end + 8, INSN_JALR_EXIT, 4);
	ret->end = end;
	ret->state = s->start;
	set_pointers(s, slot, ret->state.x);
}

void rv_seq_drop(struct rv_seq *s, uint32_t at)
{
	memmove(&s->items[at], &s->items[at + 1], (s->n - at - 1) * sizeof(s->items[0]));
	s->n--;
	for (uint32_t i = 0; i < at; i++) {
		if (s->items[i].jump && i + 1 + s->items[i].skip > at) {
			s->items[i].skip--;
		}
	}
}

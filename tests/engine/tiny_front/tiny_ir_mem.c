// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads and stores as IR. What may fault comes before the instruction's first write of a register: of two loads the first goes to
 * a temporary, and the base register is moved on last.
 *
 * A vector of 128 bits is loaded and stored as two halves, as pairs are. When the second half's page faults the first one has been
 * stored; the architecture leaves that open.
 */
#include "tiny.h"

/* Where an access goes, and what becomes of the base register. */
struct place {
	ir_val base;
	int64_t disp;
	int64_t move; /* add that to rn behind it */
};

/* What is loaded or stored: size 0 to 3 of integers, 0 to 4 of vector registers. */
struct data {
	uint32_t reg;
	uint8_t size;
	bool is_vector, is_signed, is_w; /* is_w: extend to 32 bits only */
};

/* Of which a vector's value moves as an integer: there is no FP type that narrow. */
static bool is_narrow(const struct data *d)
{
	return d->is_vector && d->size < 2;
}

static enum ir_type type_of(const struct data *d)
{
	if (d->is_vector && d->size >= 2) {
		return d->size == 2 ? IR_F32 : IR_F64;
	}
	return (enum ir_type)d->size;
}

/* Load to a temporary, which then goes to the register: see settle(). */
static ir_val load(struct tiny_ir *t, const struct data *d, ir_val base, int64_t disp)
{
	ir_val v = ir_temp(t->b);
	struct ir_insn *i = ir_add(t->b, IR_LOAD, type_of(d), v, base, IR_NONE);

	i->imm = disp;
	i->flags |= d->is_signed ? IR_SX : 0;
	return v;
}

/* The loaded value becomes the register's. */
static void settle(struct tiny_ir *t, const struct data *d, ir_val v)
{
	if (d->is_vector) {
		tiny_mov(t, TINY_D(d->reg), v);
		tiny_mov_imm(t, TINY_UP(d->reg), 0);
	} else if (d->is_w) {
		ir_add(t->b, IR_EXT, IR_I32, tiny_dst(t, d->reg), v, IR_NONE);
	} else {
		tiny_mov(t, tiny_dst(t, d->reg), v);
	}
}

static void load_one(struct tiny_ir *t, const struct data *d, const struct place *p)
{
	const struct data upper = { .size = 3 };
	ir_val v = load(t, d, p->base, p->disp);

	if (d->is_vector && d->size == 4) {
		ir_val up = load(t, &upper, p->base, p->disp + 8);

		tiny_mov(t, TINY_D(d->reg), v);
		tiny_mov(t, TINY_UP(d->reg), up);
	} else {
		settle(t, d, v);
	}
}

static void store(struct tiny_ir *t, const struct data *d, ir_val v, ir_val base, int64_t disp)
{
	ir_add(t->b, IR_STORE, type_of(d), IR_NONE, base, v)->imm = disp;
}

static ir_val stored_value(struct tiny_ir *t, const struct data *d)
{
	ir_val v;

	if (!d->is_vector) {
		return tiny_x(d->reg);
	}
	if (!is_narrow(d)) {
		return TINY_D(d->reg);
	}
	v = ir_temp(t->b);
	tiny_mov(t, v, TINY_D(d->reg));
	return v;
}

static void store_one(struct tiny_ir *t, const struct data *d, const struct place *p)
{
	const struct data upper = { .size = 3 };

	store(t, d, stored_value(t, d), p->base, p->disp);
	if (d->is_vector && d->size == 4) {
		store(t, &upper, TINY_UP(d->reg), p->base, p->disp + 8);
	}
}

static void move_base(struct tiny_ir *t, const struct place *p)
{
	ir_val n = tiny_xsp(tiny_rn(t));

	if (p->move) {
		ir_add_imm(t->b, IR_ADD, IR_I64, n, n, p->move);
	}
}

/* What the size, V and opc fields of a single access say. @return false: a prefetch, or nothing */
static bool data_of(const struct tiny_ir *t, struct data *ret, bool *ret_is_load)
{
	uint32_t opc = tiny_bits(t, 23, 22);
	uint8_t size = (uint8_t)tiny_bits(t, 31, 30);

	*ret = (struct data){ .reg = tiny_rd(t), .size = size, .is_vector = tiny_bits(t, 26, 26) };
	*ret_is_load = opc & 1;
	if (ret->is_vector) {
		ret->size = (uint8_t)(opc & 2 ? 4 : size);
		return !(opc & 2) || size == 0;
	}
	if (opc & 2) {
		*ret_is_load = true;
		ret->is_signed = true;
		ret->is_w = opc & 1;
		return size < 2 || (size == 2 && opc == 2);
	}
	return true;
}

static bool access_one(struct tiny_ir *t, struct place p)
{
	struct data d;
	bool is_load;

	if (!data_of(t, &d, &is_load)) {
		return false;
	}
	if (is_load) {
		load_one(t, &d, &p);
	} else {
		store_one(t, &d, &p);
	}
	move_base(t, &p);
	return true;
}

static bool prefetch(struct tiny_ir *t)
{
	(void)t;
	return true;
}

static bool unsigned_offset(struct tiny_ir *t)
{
	struct data d;
	bool is_load;

	if (!data_of(t, &d, &is_load)) {
		return false;
	}
	return access_one(t, (struct place){ .base = tiny_xsp(tiny_rn(t)),
					     .disp = (int64_t)tiny_bits(t, 21, 10) << d.size });
}

/* Unscaled, or before or behind the access added to the base. */
static bool short_offset(struct tiny_ir *t)
{
	int64_t imm = tiny_signed(t, 20, 12);
	uint32_t how = tiny_bits(t, 11, 10);

	if (how == 2) {
		return false;
	}
	return access_one(t, (struct place){ .base = tiny_xsp(tiny_rn(t)),
					     .disp = how == 1 ? 0 : imm,
					     .move = how == 0 ? 0 : imm });
}

static bool register_offset(struct tiny_ir *t)
{
	uint32_t option = tiny_bits(t, 15, 13);
	struct data d;
	bool is_load;
	ir_val index;

	if (!(option & 2) || !data_of(t, &d, &is_load)) {
		return false;
	}
	index = tiny_extended(t, tiny_rm(t), option, tiny_bits(t, 12, 12) ? d.size : 0);
	return access_one(t, (struct place){ .base = tiny_op(t, IR_ADD, IR_I64,
							     tiny_xsp(tiny_rn(t)), index) });
}

static bool literal(struct tiny_ir *t)
{
	uint32_t opc = tiny_bits(t, 31, 30);
	bool is_vector = tiny_bits(t, 26, 26);
	struct data d = { .reg = tiny_rd(t), .is_vector = is_vector };
	struct place p = { .base = ir_temp(t->b) };

	if (opc == 3) {
		return !is_vector; /* a prefetch */
	}
	d.size = (uint8_t)(is_vector ? 2 + opc : opc == 1 ? 3 : 2);
	d.is_signed = !is_vector && opc == 2;
	tiny_mov_imm(t, p.base, t->pc + (uint64_t)tiny_signed(t, 23, 5) * 4);
	load_one(t, &d, &p);
	return true;
}

/* ---- pairs ---- */

static void load_pair(struct tiny_ir *t, const struct data *d, const struct data *d2,
		      const struct place *p)
{
	ir_val v = load(t, d, p->base, p->disp);
	ir_val v2 = load(t, d2, p->base, p->disp + (INT64_C(1) << d->size));

	settle(t, d, v);
	settle(t, d2, v2);
}

/* Two of 128 bits: four halves. */
static void load_vectors(struct tiny_ir *t, const struct data *d, const struct data *d2,
			 const struct place *p)
{
	const struct data half = { .size = 3 };
	const ir_val to[] = { TINY_D(d->reg), TINY_UP(d->reg), TINY_D(d2->reg), TINY_UP(d2->reg) };
	ir_val v[ARRAY_SIZE(to)];

	for (unsigned int k = 0; k < ARRAY_SIZE(to); k++) {
		v[k] = load(t, &half, p->base, p->disp + 8 * k);
	}
	for (unsigned int k = 0; k < ARRAY_SIZE(to); k++) {
		tiny_mov(t, to[k], v[k]);
	}
}

static bool pair(struct tiny_ir *t)
{
	uint32_t opc = tiny_bits(t, 31, 30);
	uint32_t how = tiny_bits(t, 24, 23);
	bool is_load = tiny_bits(t, 22, 22);
	struct data d = { .reg = tiny_rd(t), .is_vector = tiny_bits(t, 26, 26) };
	struct data d2;
	struct place p = { .base = tiny_xsp(tiny_rn(t)) };
	int64_t imm;

	d.size = (uint8_t)(d.is_vector ? 2 + opc : opc == 2 ? 3 : 2);
	d.is_signed = !d.is_vector && opc == 1;
	if (opc == 3 || (d.is_signed && (!is_load || how == 0))) {
		return false;
	}
	d2 = d;
	d2.reg = tiny_bits(t, 14, 10);
	imm = tiny_signed(t, 21, 15) * (INT64_C(1) << d.size);
	p.disp = how == 1 ? 0 : imm;
	p.move = how & 1 ? imm : 0;
	if (!is_load) {
		struct place p2 = { p.base, p.disp + (INT64_C(1) << d.size), 0 };

		store_one(t, &d, &p);
		store_one(t, &d2, &p2);
	} else if (d.size == 4) {
		load_vectors(t, &d, &d2, &p);
	} else {
		load_pair(t, &d, &d2, &p);
	}
	move_base(t, &p);
	return true;
}

/* LD1 and ST1 of one whole register, without offset. */
static bool one_structure(struct tiny_ir *t)
{
	struct data d = { .reg = tiny_rd(t),
			  .is_vector = true,
			  .size = tiny_bits(t, 30, 30) ? 4 : 3 };
	struct place p = { .base = tiny_xsp(tiny_rn(t)) };

	if (tiny_bits(t, 22, 22)) {
		load_one(t, &d, &p);
	} else {
		store_one(t, &d, &p);
	}
	return true;
}

const struct tiny_rule tiny_mem_rules[] = {
	{ 0xffc00000, 0xf9800000, prefetch },
	{ 0x3b000000, 0x39000000, unsigned_offset },
	{ 0x3b200000, 0x38000000, short_offset },
	{ 0x3b200c00, 0x38200800, register_offset },
	{ 0x3b000000, 0x18000000, literal },
	{ 0x3a000000, 0x28000000, pair },
	{ 0xbfbff000, 0x0c007000, one_structure },
};
const size_t tiny_mem_n_rules = ARRAY_SIZE(tiny_mem_rules);

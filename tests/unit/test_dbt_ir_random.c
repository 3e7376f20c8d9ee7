// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_ir_random.h. */
#include "test_dbt_ir_random.h"

#include <string.h>

#define TEMPS_MAX 8u /* in a guest instruction, per kind of value */

struct gen {
	struct rng *r;
	struct ir_block *b;
	uint32_t kinds;
	ir_val ints[TEMPS_MAX], fps[TEMPS_MAX];
	uint32_t n_ints, n_fps;
	bool must_be_temp; /* an operation that may stop is still to come */
};

uint64_t rng_next(struct rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s * 0x2545f4914f6cdd1dULL;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

bool rng_pct(struct rng *r, uint32_t pct)
{
	return rng_below(r, 100) < pct;
}

uint64_t rng_corner(struct rng *r)
{
	static const uint64_t corners[] = { 0,
					    1,
					    2,
					    3,
					    7,
					    8,
					    31,
					    32,
					    63,
					    64,
					    127,
					    128,
					    255,
					    256,
					    0x7fff,
					    0x8000,
					    0xffff,
					    0x7fffffff,
					    0x80000000,
					    0xffffffff,
					    0x100000000,
					    INT64_MAX,
					    1ULL << 63,
					    UINT64_MAX,
					    UINT64_MAX - 1,
					    0xffffffff80000000,
					    0xffffffffffffff80,
					    0xffffffffffff8000,
					    RIG_RAM_LOW,
					    RIG_RAM_HIGH + 64,
					    RIG_DEVICE,
					    0xdeadbeef00000000 };

	switch (rng_below(r, 4)) {
	case 0:
		return corners[rng_below(r, ARRAY_SIZE(corners))];
	case 1:
		return rng_next(r) >> rng_below(r, 64);
	case 2:
		return (uint64_t)((int64_t)rng_next(r) >> rng_below(r, 64));
	default:
		return rng_next(r);
	}
}

static uint32_t below(struct gen *g, uint32_t n)
{
	return rng_below(g->r, n);
}

static enum ir_type int_type(struct gen *g)
{
	return below(g, 3) ? (below(g, 2) ? IR_I64 : IR_I32) : (enum ir_type)below(g, 4);
}

static ir_val new_int(struct gen *g)
{
	ir_val t = ir_temp(g->b);

	g->ints[g->n_ints++] = t;
	return t;
}

static ir_val new_fp(struct gen *g)
{
	ir_val t = ir_temp(g->b);

	g->fps[g->n_fps++] = t;
	return t;
}

static ir_val some_int(struct gen *g)
{
	uint32_t n = below(g, 100);

	if (n < 35 && g->n_ints) {
		return g->ints[below(g, g->n_ints)];
	}
	if (n < 40) {
		return RIG_BIT(below(g, RIG_BITS));
	}
	return n < 45 ? RIG_ZERO : RIG_R(below(g, RIG_INTS));
}

static ir_val some_fp(struct gen *g)
{
	if (g->n_fps && below(g, 100) < 35) {
		return g->fps[below(g, g->n_fps)];
	}
	return RIG_F(below(g, RIG_FPS));
}

/* Registers that begin with addresses: some mapped, some in memory. */
static const ir_val base_regs[] = { RIG_R(2), RIG_R(4), RIG_R(12) };

/* A destination: must be asked for after the operands, which it may not be. */
static ir_val int_dst(struct gen *g)
{
	if (g->must_be_temp || (g->n_ints + 2 < TEMPS_MAX && below(g, 2))) {
		return new_int(g);
	}
	if (below(g, 10) == 0) {
		return base_regs[below(g, ARRAY_SIZE(base_regs))];
	}
	return below(g, 20) ? RIG_R(below(g, RIG_INTS)) : RIG_BIT(below(g, RIG_BITS));
}

static ir_val fp_dst(struct gen *g)
{
	if (g->must_be_temp || (g->n_fps + 2 < TEMPS_MAX && below(g, 2))) {
		return new_fp(g);
	}
	return RIG_F(below(g, RIG_FPS));
}

static bool may_define(const struct gen *g)
{
	return g->n_ints + 3 < TEMPS_MAX && g->n_fps + 3 < TEMPS_MAX &&
	       g->n_ints + g->n_fps + 3 < IR_TEMPS_LIVE_MAX;
}

static const uint8_t int_ops[] = {
	IR_ADD,	  IR_SUB,     IR_AND,	  IR_OR,      IR_XOR,	 IR_ANDN,   IR_ORN,
	IR_XNOR,  IR_SHL,     IR_SHR,	  IR_SAR,     IR_ROL,	 IR_ROR,    IR_SHL_ADD,
	IR_MUL,	  IR_MULH_SS, IR_MULH_UU, IR_MULH_SU, IR_DIV_S,	 IR_DIV_U,  IR_REM_S,
	IR_REM_U, IR_EXT,     IR_INSERT,  IR_CLZ,     IR_CTZ,	 IR_POPCNT, IR_BSWAP,
	IR_MIN_S, IR_MAX_S,   IR_MIN_U,	  IR_MAX_U,   IR_SET_IF, IR_SELECT, IR_OR_BYTES,
	IR_ADD,	  IR_ADD,     IR_SUB,	  IR_MOV,     IR_MOV,	 IR_AND,    IR_FENCE,
};

static enum ir_type type_for(struct gen *g, uint8_t op)
{
	enum ir_type type = int_type(g);

	while (!(ir_op_table[op].types & BIT(type)) || type > IR_I64) {
		type = (enum ir_type)below(g, 4);
	}
	return type;
}

static void add_int(struct gen *g)
{
	uint8_t op = int_ops[below(g, ARRAY_SIZE(int_ops))];
	enum ir_type type = type_for(g, op);
	bool is_imm = ir_op_table[op].has_imm && below(g, 3) == 0;
	ir_val a = some_int(g);
	ir_val b = ir_op_table[op].fields[2] != '-' && !is_imm ? some_int(g) : IR_NONE;
	ir_val c = op == IR_SELECT ? some_int(g) : IR_NONE;
	struct ir_insn *i;

	if (op == IR_FENCE) {
		ir_add(g->b, op, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		return;
	}
	if (op == IR_MOV && below(g, 2)) {
		is_imm = true;
		a = IR_NONE;
	}
	i = ir_add(g->b, op, type, IR_NONE, a, b);
	i->dst = int_dst(g);
	i->c = op == IR_SHL_ADD ? (ir_val)below(g, 4) : c;
	if (is_imm) {
		i->flags |= IR_IMM;
		i->imm = (int64_t)rng_corner(g->r);
		if (op == IR_MOV) {
			i->a = IR_NONE;
		}
	} else if (op == IR_MOV && below(g, 6) == 0 && (g->kinds & RANDOM_FP)) {
		i->a = some_fp(g);
	}
	if (below(g, 2) && op != IR_MOV && op != IR_SET_IF && op != IR_INSERT && op != IR_SHL_ADD) {
		i->flags |= IR_SX;
	}
	if (op >= IR_DIV_S && op <= IR_REM_U) {
		i->cond = (uint8_t)below(g, 2);
	} else if (op == IR_SET_IF) {
		i->cond = (uint8_t)below(g, IR_NOBITS + 1);
	}
}

/* An address: mostly one where something is. */
static ir_val add_address(struct gen *g, int64_t *ret_disp)
{
	static const uint64_t places[] = { RIG_RAM_LOW,		 RIG_RAM_LOW,  RIG_RAM_LOW,
					   RIG_RAM_HIGH,	 RIG_RAM_HIGH, RIG_DEVICE,
					   RIG_RAM_LOW + 0x1000, RIG_LEAVE };
	uint64_t place = places[below(g, ARRAY_SIZE(places))];
	ir_val a;
	ir_val t;

	*ret_disp = (int64_t)below(g, 256) - 64;
	if (below(g, 100) < 30) {
		/* what random_state() put there, or what was written since */
		return base_regs[below(g, ARRAY_SIZE(base_regs))];
	}
	if (below(g, 100) < 10) {
		return some_int(g);
	}
	if (below(g, 100) < 10) {
		t = new_int(g);
		ir_add_imm(g->b, IR_MOV, IR_I64, t, IR_NONE, (int64_t)(place + below(g, 256)));
		return t;
	}
	a = some_int(g);
	t = new_int(g);
	ir_add_imm(g->b, IR_AND, IR_I64, t, a, 0xff8);
	a = t;
	if (below(g, 100) < 10) {
		*ret_disp += (int64_t)place;
		return a;
	}
	t = new_int(g);
	ir_add_imm(g->b, IR_ADD, IR_I64, t, a, (int64_t)place);
	return t;
}

static void add_access(struct gen *g)
{
	bool is_fp = (g->kinds & RANDOM_FP) && below(g, 4) == 0;
	enum ir_type type = is_fp ? (enum ir_type)(IR_F32 + below(g, 2)) : int_type(g);
	uint32_t n = 1 + (below(g, 3) == 0);
	int64_t disp;
	ir_val address = add_address(g, &disp);

	for (uint32_t k = 0; k < n && may_define(g); k++) {
		struct ir_insn *i;

		if (below(g, 2)) {
			i = ir_add(g->b, IR_STORE, type, IR_NONE, address,
				   is_fp ? some_fp(g) : some_int(g));
		} else {
			bool was = g->must_be_temp;

			g->must_be_temp |= k + 1 < n;
			i = ir_add(g->b, IR_LOAD, type, IR_NONE, address, IR_NONE);
			i->dst = !g->must_be_temp && below(g, 20) == 0 ? IR_NONE
				 : is_fp			       ? fp_dst(g)
								       : int_dst(g);
			i->flags |= below(g, 2) ? IR_SX : 0;
			g->must_be_temp = was;
			if (i->dst < IR_REGS_MAX) {
				k = n; /* nothing that may stop behind it */
			}
		}
		i->imm = disp + (int64_t)k * 8;
		if (below(g, 4) == 0) {
			i->flags |= IR_SOFT;
			i->imm &= below(g, 4) ? ~INT64_C(7) : -1;
		}
	}
}

static void add_step_if(struct gen *g)
{
	struct ir_insn *i = ir_add(g->b, IR_STEP_IF, int_type(g), IR_NONE, some_int(g), IR_NONE);

	i->cond = (uint8_t)below(g, IR_NOBITS + 1);
	if (below(g, 2)) {
		i->b = some_int(g);
	} else {
		i->flags |= IR_IMM;
		i->imm = (int64_t)rng_corner(g->r);
	}
}

static void add_helper(struct gen *g)
{
	static const uint8_t numbers[] = { RIG_HELPER_SUM,  RIG_HELPER_REGS,  RIG_HELPER_SUM,
					   RIG_HELPER_REGS, RIG_HELPER_LEAVE, RIG_HELPER_UNDO };
	uint32_t n = below(g, ARRAY_SIZE(numbers));
	ir_val a = below(g, 5) ? some_int(g) : IR_NONE;
	ir_val b = a != IR_NONE && below(g, 5) ? some_int(g) : IR_NONE;
	struct ir_insn *i = ir_add(g->b, IR_HELPER, IR_I64, IR_NONE, a, b);

	/* one that writes registers must be the last that may stop */
	if (g->must_be_temp) {
		n = 0;
	}
	i->imm = numbers[n];
	if (a != IR_NONE && b != IR_NONE && below(g, 3)) {
		i->dst = int_dst(g);
	} else {
		/* what a helper is given without operands is not defined: none of ours may look */
		i->a = RIG_R(1);
		i->b = RIG_R(12);
	}
}

static void add_flags(struct gen *g)
{
	enum ir_flags_of of = (enum ir_flags_of)below(g, IR_FLAGS_LOGIC + 1);
	struct ir_flag_regs regs = { RIG_BIT(0), RIG_BIT(1), RIG_BIT(2), RIG_BIT(3) };
	struct ir_insn *i = ir_add_flags(g->b, of, int_type(g), some_int(g), some_int(g), regs);
	struct ir_flag_regs *r = &g->b->flag_regs[i->aux];

	if (below(g, 3) == 0) {
		r->n = IR_NONE;
		r->v = IR_NONE;
	}
	if (of == IR_FLAGS_ADC || of == IR_FLAGS_SBC) {
		i->c = RIG_BIT(2);
	} else if (of == IR_FLAGS_LOGIC && below(g, 2)) {
		i->b = IR_NONE;
	} else if (below(g, 3) == 0) {
		i->b = IR_NONE;
		i->flags |= IR_IMM;
		i->imm = (int64_t)rng_corner(g->r);
	}
}

/* What needs no compare of its own right behind a FLAGS. */
static struct ir_insn *add_flags_test(struct gen *g, enum ir_op op)
{
	static const ir_val pairs[][2] = { { RIG_BIT(0), IR_NONE },    { RIG_BIT(1), IR_NONE },
					   { RIG_BIT(2), IR_NONE },    { RIG_BIT(3), IR_NONE },
					   { RIG_BIT(0), RIG_BIT(3) }, { RIG_BIT(3), RIG_BIT(0) } };
	const ir_val *p = pairs[below(g, ARRAY_SIZE(pairs))];
	struct ir_insn *i = ir_add(g->b, op, IR_I64, IR_NONE, p[0], p[1]);

	i->cond = (uint8_t)below(g, 2);
	i->flags = p[1] == IR_NONE ? IR_IMM : 0;
	return i;
}

/* ---- floating point ---- */

static const uint8_t fp_ops[] = { IR_FADD,    IR_FSUB,	 IR_FMUL,    IR_FDIV,	   IR_FSQRT,
				  IR_FMADD,   IR_FMSUB,	 IR_FNMADD,  IR_FNMSUB,	   IR_FNEG,
				  IR_FABS,    IR_FUNBOX, IR_FUNBOX,  IR_FCOPYSIGN, IR_FXORSIGN,
				  IR_FCVT_FF, IR_FMADD,	 IR_FCVT_FI, IR_FCVT_IF,   IR_FSET_IF,
				  IR_MOV };

static bool makes_nan(uint8_t op)
{
	return (op >= IR_FADD && op <= IR_FNMSUB) || op == IR_FCVT_FF;
}

/* The result's NaN has any payload: nobody but FCANON may see it. */
static void add_canon(struct gen *g, const struct ir_insn *i)
{
	struct ir_insn *canon;

	if (i->dst >= IR_TEMP0) {
		g->n_fps--;
		if (below(g, 3) == 0 && may_define(g)) {
			add_int(g);
		}
	}
	canon = ir_add(g->b, IR_FCANON, (enum ir_type)i->type, i->dst, i->dst, IR_NONE);
	canon->flags = i->flags;
	if (i->dst >= IR_TEMP0) {
		canon->dst = fp_dst(g);
	}
}

static void add_fp(struct gen *g)
{
	static const uint8_t conds[] = { IR_EQ, IR_LT, IR_LE };
	uint8_t op = fp_ops[below(g, ARRAY_SIZE(fp_ops))];
	const char *fields = ir_op_table[op].fields;
	enum ir_type type = op == IR_FUNBOX ? IR_F32
			    : op == IR_MOV  ? IR_F64
					    : (enum ir_type)(IR_F32 + below(g, 2));
	struct ir_insn *i = ir_add(g->b, op, type, IR_NONE, IR_NONE, IR_NONE);

	i->a = fields[1] == 'i' || (op == IR_MOV && below(g, 2)) ? some_int(g) : some_fp(g);
	i->b = fields[2] == 'f' ? some_fp(g) : IR_NONE;
	i->c = fields[3] == 'f' ? some_fp(g) : IR_NONE;
	i->cond = op == IR_FSET_IF ? conds[below(g, 3)] : (uint8_t)below(g, 4);
	i->flags = below(g, 4) ? IR_SX : 0;
	if (op == IR_MOV) {
		i->flags = 0;
	}
	i->dst = fields[0] == 'i' ? int_dst(g) : fp_dst(g);
	if (makes_nan(op)) {
		add_canon(g, i);
	}
}

/* ---- blocks ---- */

static void add_some(struct gen *g, bool may_stop)
{
	uint32_t n = below(g, 100);

	if (may_stop && (g->kinds & RANDOM_MEMORY) && n < 85) {
		add_access(g);
	} else if (may_stop && (g->kinds & (RANDOM_MEMORY | RANDOM_HELPER)) && n < 90) {
		add_step_if(g);
	} else if (may_stop && (g->kinds & RANDOM_HELPER)) {
		add_helper(g);
	} else if ((g->kinds & RANDOM_FP) && n < 60) {
		add_fp(g);
	} else if ((g->kinds & RANDOM_FLAGS) && n < 70 && !g->must_be_temp &&
		   g->b->n_flag_regs < IR_BLOCK_FLAGS_MAX) {
		add_flags(g);
		if (below(g, 2)) {
			struct ir_insn *i = add_flags_test(g, IR_SET_IF);

			i->dst = int_dst(g);
		}
	} else {
		add_int(g);
	}
}

static void add_guest(struct gen *g)
{
	uint32_t n = 1 + below(g, 5);
	uint32_t stop = (g->kinds & (RANDOM_MEMORY | RANDOM_HELPER)) && below(g, 100) < 40
				? below(g, n)
				: UINT32_MAX;

	g->n_ints = 0;
	g->n_fps = 0;
	for (uint32_t k = 0; k < n && may_define(g); k++) {
		g->must_be_temp = stop != UINT32_MAX && k < stop;
		add_some(g, stop != UINT32_MAX && k <= stop && (k == stop || below(g, 3) == 0));
	}
}

static void add_end(struct gen *g)
{
	struct ir_insn *i;
	ir_val t;

	g->b->target = rng_next(g->r) & ~1ULL;
	if ((g->kinds & RANDOM_FLAGS) && below(g, 3) == 0 &&
	    g->b->n_flag_regs < IR_BLOCK_FLAGS_MAX) {
		add_flags(g);
		add_flags_test(g, IR_BRANCH);
		return;
	}
	switch (below(g, 6)) {
	case 0:
		if (ir_guest_begin(g->b, g->b->next, 4)) {
			ir_add(g->b, IR_STEP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
			break;
		}
		__attribute__((fallthrough));
	case 1:
	case 2:
		i = ir_add(g->b, IR_BRANCH, int_type(g), IR_NONE, some_int(g), some_int(g));
		i->cond = (uint8_t)below(g, IR_NOBITS + 1);
		if (below(g, 2)) {
			i->b = IR_NONE;
			i->flags = IR_IMM;
			i->imm = below(g, 2) ? 0 : (int64_t)rng_corner(g->r);
		}
		break;
	case 3:
		i = ir_add(g->b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		i->flags = below(g, 2) ? IR_CALL : 0;
		i->imm = (int64_t)rng_corner(g->r) & ~INT64_C(1);
		break;
	default:
		t = ir_temp(g->b);
		ir_add_imm(g->b, IR_AND, IR_I64, t, some_int(g), ~INT64_C(1));
		i = ir_add(g->b, IR_JUMP_REG, IR_I64, IR_NONE, t, IR_NONE);
		i->flags = (uint8_t[]){ 0, IR_CALL, IR_RET }[below(g, 3)];
		i->imm = (int64_t)rng_corner(g->r) & ~INT64_C(1);
	}
}

void random_block(struct rng *r, uint32_t kinds, struct ir_block *b)
{
	struct gen g = { .r = r, .b = b, .kinds = kinds };
	uint32_t n = 1 + rng_below(r, rng_pct(r, 5) ? 40 : 8);
	uint64_t pc = rng_next(r) & ~1ULL;

	ir_block_init(b, pc);
	for (uint32_t k = 0; k < n && ir_guest_begin(b, pc, 4); k++) {
		add_guest(&g);
		pc += 4;
	}
	add_end(&g);
}

static uint64_t random_fp(struct rng *r)
{
	static const uint64_t corners[] = {
		0,
		1ULL << 63,
		0x3ff0000000000000, /* 1 */
		0xbff0000000000000,
		0x7ff0000000000000, /* infinity */
		0xfff0000000000000,
		0x7ff8000000000000, /* quiet NaN */
		0xfff8000000000123,
		0x7ff0000000000001, /* signalling NaN */
		0xfff4000000000000,
		1, /* least denormal */
		0x000fffffffffffff,
		0x0010000000000000,
		0x7fefffffffffffff, /* greatest */
		0x43e0000000000000, /* 2^63 */
		0xc3e0000000000000,
		0x43f0000000000000, /* 2^64 */
		0x41e0000000000000, /* 2^31 */
		0x41efffffffe00000, /* 2^32 - 1 */
		0x41dfffffffc00000, /* 2^31 - 1 */
		0xbfe0000000000000, /* -0.5 */
		0xc1e0000000200000, /* -2^31 - 1 */
		0x3fe0000000000001,
	};
	static const uint32_t singles[] = { 0,		0x80000000, 0x3f800000, 0xbf800000,
					    0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
					    0x7f800001, 0xff900000, 1,		0x007fffff,
					    0x00800000, 0x7f7fffff, 0x5f000000, 0xdf000000,
					    0x5f800000, 0x4f000000, 0x4f800000, 0xbf000000 };
	uint64_t box = 0xffffffffULL << 32;
	double d;
	uint64_t v;

	switch (rng_below(r, 6)) {
	case 0:
		return corners[rng_below(r, ARRAY_SIZE(corners))];
	case 1:
		return box | singles[rng_below(r, ARRAY_SIZE(singles))];
	case 2:
		return box | (uint32_t)rng_next(r);
	case 3:
		d = (double)(int64_t)(rng_next(r) >> rng_below(r, 64)) / 8;
		memcpy(&v, &d, 8);
		return v ^ (rng_next(r) & 1ULL << 63);
	case 4:
		/* near 1, so that sums and products are of interest */
		return 0x3fe0000000000000 + (rng_next(r) >> 10) + (rng_next(r) & 1ULL << 63);
	default:
		return rng_next(r);
	}
}

void random_state(struct rng *r, struct ir_eval *m)
{
	for (size_t i = 0; i < RIG_INTS; i++) {
		m->s.r[i] = rng_corner(r);
	}
	for (size_t i = 0; i < ARRAY_SIZE(base_regs); i++) {
		if (rng_pct(r, 80)) {
			m->s.r[base_regs[i]] = (rng_pct(r, 50) ? RIG_RAM_LOW : RIG_RAM_HIGH) +
					       rng_below(r, RIG_RAM_BYTES);
		}
	}
	for (size_t i = 0; i < RIG_FPS; i++) {
		m->s.f[i] = random_fp(r);
	}
	for (size_t i = 0; i < sizeof(m->s.bits); i++) {
		m->s.bits[i] = rng_next(r) & 1;
	}
	m->fp = 0x1f80u | rng_below(r, 4) << 13;
}

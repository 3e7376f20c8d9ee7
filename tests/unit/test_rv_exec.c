/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter beyond results: exceptions and what they leave alone, the memory callbacks, floating point that is
 * off, CSRs, what is privileged - and the results of instructions that the referee of tests/engine/riscv does not
 * know or gets wrong.
 */
#include "cpu/riscv/rv_exec.h"
#include "test_rv.h"

enum { CODE = 0x80001000, DATA = 0x80002000, DATA_BYTES = 256 };

/** A hart, memory of DATA_BYTES at DATA, and what was asked of it. */
struct guest {
	struct rv_hart hart;
	struct rv_exec x;
	struct rv_memory memory;
	uint8_t data[DATA_BYTES];
	enum rv_mem_result result; /* of every access */
	bool is_tval_moved;	   /* a refused access was the second page's fault */
	bool is_reserved;
	unsigned int n_accesses;
	gva_t block;
	bool is_block_zeroed;
};

static enum rv_mem_result answer(struct guest *g, struct rv_exec *x, gva_t gva, uint8_t bytes)
{
	g->n_accesses++;
	if (g->result == RV_MEM_FAULT) {
		x->cause = RV_LOAD_PAGE;
		x->tval += g->is_tval_moved ? 4 : 0;
	} else {
		CHECK(range_within(gva, bytes, DATA, DATA_BYTES));
	}
	return g->result;
}

static enum rv_mem_result access_data(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				      uint32_t access, uint64_t *value)
{
	struct guest *g = (struct guest *)opaque;

	if (answer(g, x, gva, bytes) == RV_MEM_FAULT) {
		return RV_MEM_FAULT;
	}
	if (access == MEM_W) {
		store_le(g->data + (gva - DATA), *value, bytes);
	} else {
		*value = load_le(g->data + (gva - DATA), bytes);
	}
	return g->result;
}

static enum rv_mem_result modify_data(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				      uint64_t (*update)(void *arg, uint64_t old), void *arg,
				      uint64_t *value)
{
	struct guest *g = (struct guest *)opaque;
	uint64_t new;

	if (answer(g, x, gva, bytes) == RV_MEM_FAULT) {
		return RV_MEM_FAULT;
	}
	*value = load_le(g->data + (gva - DATA), bytes);
	update(arg, *value ^ 1); /* contention: the first answer is thrown away */
	new = update(arg, *value);
	CHECK_INT(new, low_bytes(new, bytes));
	store_le(g->data + (gva - DATA), new, bytes);
	return g->result;
}

static enum rv_mem_result reserve_data(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				       uint64_t *value)
{
	return access_data(opaque, x, gva, bytes, MEM_R, value);
}

static enum rv_mem_result store_conditional_data(void *opaque, struct rv_exec *x, gva_t gva,
						 uint8_t bytes, uint64_t value, bool *ret_stored)
{
	struct guest *g = (struct guest *)opaque;

	if (!g->is_reserved) {
		return answer(g, x, gva, bytes);
	}
	*ret_stored = true;
	return access_data(opaque, x, gva, bytes, MEM_W, &value);
}

static enum rv_mem_result manage_block(void *opaque, struct rv_exec *x, gva_t gva, bool zero)
{
	struct guest *g = (struct guest *)opaque;

	g->block = gva;
	g->is_block_zeroed = zero;
	return answer(g, x, gva, 1);
}

/* In M-mode, floating point Initial; x10 points to the middle of data. */
static void open_guest(struct guest *g)
{
	memset(g, 0, sizeof(*g));
	rv_open(&g->hart, NULL);
	g->memory = (struct rv_memory){
		g, access_data, modify_data, reserve_data, store_conditional_data, manage_block
	};
	g->x = (struct rv_exec){ .hart = &g->hart, .memory = &g->memory };
	g->hart.s.pc = CODE;
	g->hart.s.x[10] = DATA + 64;
	for (unsigned int i = 0; i < DATA_BYTES; i++) {
		g->data[i] = (uint8_t)(i * 7 + 0x80);
	}
}

static enum rv_done run(struct guest *g, uint32_t raw)
{
	struct rv_insn i;

	rv_decode(raw, &i);
	return rv_exec(&g->x, &i);
}

/* rd 5, rs1 10, rs2 6, rs3 7 in whatever fields are free; rounding mode dynamic. */
static uint32_t encode(enum rv_op op)
{
	enum rv_format format = rv_op_format(op);
	uint32_t match;
	uint32_t mask;
	uint32_t raw = 5u << 7 | 10u << 15 | 6u << 20;

	rv_op_encoding(op, &match, &mask);
	if (format == RV_FMT_U || format == RV_FMT_J || format == RV_FMT_B) {
		raw = 5u << 7;
	} else if (format == RV_FMT_CSR) {
		raw = 5u << 7 | 10u << 15 | 0x340u << 20; /* mscratch */
	} else if (format == RV_FMT_RM) {
		raw |= 7u << 12;
	} else if (format == RV_FMT_R4) {
		raw |= 7u << 12 | 7u << 27;
	}
	return (raw & ~mask) | match;
}

static uint32_t opcode_of(enum rv_op op)
{
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	return match & 0x7f;
}

static bool is_float(enum rv_op op)
{
	uint32_t opcode = opcode_of(op);

	return opcode == 0x07 || opcode == 0x27 || (opcode >= 0x43 && opcode <= 0x53);
}

/** Run an instruction that must raise an exception, and check that nothing else has happened. */
static void check_exception(struct guest *g, uint32_t raw, uint64_t cause, uint64_t tval)
{
	struct guest before = *g;

	CHECK_INT(run(g, raw), RV_DONE_EXCEPTION);
	CHECK_INT(g->x.cause, cause);
	CHECK_INT(g->x.tval, tval);
	CHECK(memcmp(&g->hart.s, &before.hart.s, sizeof(g->hart.s)) == 0);
	CHECK(memcmp(g->data, before.data, DATA_BYTES) == 0);
	CHECK_INT(g->x.effects, before.x.effects);
}

static uint64_t result_of(uint32_t raw, uint64_t a, uint64_t b)
{
	struct guest g;

	open_guest(&g);
	g.hart.s.x[10] = a;
	g.hart.s.x[6] = b;
	CHECK_INT(run(&g, raw), RV_DONE);
	CHECK_INT(g.hart.s.pc, CODE + 4);
	return g.hart.s.x[5];
}

static void check_conditional_zero(uint64_t a, uint64_t b)
{
	CHECK_INT(result_of(encode(RV_OP_CZERO_EQZ), a, b), b == 0 ? 0 : a);
	CHECK_INT(result_of(encode(RV_OP_CZERO_NEZ), a, b), b != 0 ? 0 : a);
}

static void conditional_zero(void)
{
	static const uint64_t values[] = { 0, 1, 2, BIT(31), BIT(32), BIT(63), UINT64_MAX, 0x1234 };

	for (size_t i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
		check_conditional_zero(values[i / ARRAY_SIZE(values)],
				       values[i % ARRAY_SIZE(values)]);
	}
}

static void counts_of_words_stop_at_the_word(void)
{
	CHECK_INT(result_of(encode(RV_OP_CTZW), BIT(45), 0), 32);
	CHECK_INT(result_of(encode(RV_OP_CTZW), BIT(45) | BIT(31), 0), 31);
	CHECK_INT(result_of(encode(RV_OP_CLZW), BIT(45), 0), 32);
	CHECK_INT(result_of(encode(RV_OP_CPOPW), UINT64_MAX, 0), 32);
	CHECK_INT(result_of(encode(RV_OP_CTZ), 0, 0), 64);
	CHECK_INT(result_of(encode(RV_OP_CLZ), 0, 0), 64);
}

static enum rv_done usual_end(enum rv_op op)
{
	switch (op) {
	case RV_OP_WFI:
		return RV_DONE_WFI;
	case RV_OP_ECALL:
	case RV_OP_EBREAK:
		return RV_DONE_EXCEPTION;
	default:
		return RV_DONE;
	}
}

static bool has_own_pc(enum rv_op op)
{
	return op == RV_OP_JAL || op == RV_OP_JALR || op == RV_OP_MRET || op == RV_OP_SRET ||
	       rv_op_format(op) == RV_FMT_B || usual_end(op) == RV_DONE_EXCEPTION;
}

/* Everything can be executed in M-mode, and moves pc on or elsewhere. */
static void every_operation_executes(void)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		enum rv_done done;
		struct guest g;

		open_guest(&g);
		done = run(&g, encode(op));
		if (done != usual_end(op) || (!has_own_pc(op) && g.hart.s.pc != CODE + 4)) {
			printf("%s ended with %d, pc %#" PRIx64 "\n", rv_op_name(op), (int)done,
			       g.hart.s.pc);
			test_failures++;
		}
	}
}

static void x0_stays_zero(void)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		struct guest g;

		open_guest(&g);
		g.hart.s.x[6] = 0x77;
		g.hart.s.f[10] = 0x4000000000000000;
		run(&g, encode(op) & ~0xf80u);
		CHECK_INT(g.hart.s.x[0], 0);
	}
}

static void floating_point_that_is_off_is_illegal(void)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		struct guest g;

		if (!is_float(op)) {
			continue;
		}
		open_guest(&g);
		g.hart.s.mstatus &= ~RV_MSTATUS_FS;
		check_exception(&g, encode(op), RV_ILLEGAL, encode(op));
		CHECK_INT(g.n_accesses, 0);
	}
}

/* @param frm a reserved mode */
static void check_rounding(enum rv_op op, uint32_t frm)
{
	struct guest g;

	open_guest(&g);
	g.hart.s.fcsr = frm << 5;
	check_exception(&g, encode(op), RV_ILLEGAL, encode(op));
	CHECK_INT(run(&g, encode(op) & ~0x7000u), RV_DONE); /* a static mode does not care */
}

static void reserved_dynamic_rounding_is_illegal(void)
{
	unsigned int n = 0;

	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		enum rv_format format = rv_op_format(op);

		if (format == RV_FMT_RM || format == RV_FMT_R4) {
			check_rounding(op, 5);
			check_rounding(op, 6);
			check_rounding(op, 7);
			n++;
		}
	}
	CHECK_INT(n, 8 + 8 + 2 + 2 + 8 + 8);
}

/* FS becomes Dirty when an f register or fcsr is written, not when they are read. */
static void writes_make_floating_point_dirty(void)
{
	static const struct {
		enum rv_op op;
		uint64_t f10;
		bool is_dirty;
	} cases[] = {
		{ RV_OP_FLW, 0, true },
		{ RV_OP_FSW, 0, false },
		{ RV_OP_FADD_D, 0, true },
		{ RV_OP_FSGNJ_S, 0, true },
		{ RV_OP_FMV_W_X, 0, true },
		{ RV_OP_FMV_X_D, 0, false },
		{ RV_OP_FCLASS_D, 0, false },
		{ RV_OP_FEQ_D, 0, false },
		{ RV_OP_FEQ_D, 0x7ff0000000000001, true }, /* NV */
		{ RV_OP_FCVT_W_D, 0x3ff0000000000000, false },
		{ RV_OP_FCVT_W_D, 0x3fe0000000000000, true }, /* NX */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t want = cases[i].is_dirty ? RV_MSTATUS_FS : BIT(RV_FS_SHIFT);
		struct guest g;

		open_guest(&g);
		g.hart.s.mstatus = (g.hart.s.mstatus & ~RV_MSTATUS_FS) | BIT(RV_FS_SHIFT);
		g.hart.s.f[10] = cases[i].f10;
		CHECK_INT(run(&g, encode(cases[i].op)), RV_DONE);
		CHECK_INT(g.hart.s.mstatus & RV_MSTATUS_FS, want);
	}
}

static void singles_live_in_boxes(void)
{
	struct guest g;

	open_guest(&g);
	g.hart.s.f[10] = 0xfffffffe3f800000; /* no box: a NaN */
	g.hart.s.f[6] = 0xffffffff3f800000;
	CHECK_INT(run(&g, encode(RV_OP_FADD_S)), RV_DONE);
	CHECK_INT(g.hart.s.f[5], 0xffffffff7fc00000);
	CHECK_INT(run(&g, encode(RV_OP_FSGNJN_S)), RV_DONE);
	CHECK_INT(g.hart.s.f[5], 0xffffffffffc00000);
	CHECK_INT(run(&g, encode(RV_OP_FMV_X_W)), RV_DONE); /* bits, box or not */
	CHECK_INT(g.hart.s.x[5], 0x3f800000);
	store_le(g.data + 64, 0xc0000000, 4);
	CHECK_INT(run(&g, 0x00052287), RV_DONE); /* flw f5, 0(x10) */
	CHECK_INT(g.hart.s.f[5], 0xffffffffc0000000);
}

static void exceptions_say_why(void)
{
	static const struct {
		uint32_t priv;
		uint64_t cause;
	} calls[] = { { RV_PRIV_U, RV_ECALL_U },
		      { RV_PRIV_S, RV_ECALL_S },
		      { RV_PRIV_M, RV_ECALL_M } };
	struct guest g;

	open_guest(&g);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		g.hart.s.priv = calls[i].priv;
		check_exception(&g, 0x00000073, calls[i].cause, 0);
		check_exception(&g, 0x00100073, RV_BREAKPOINT, CODE);
		check_exception(&g, 0xabcd9002, RV_BREAKPOINT, CODE); /* c.ebreak */
	}
	check_exception(&g, 0xffffffff, RV_ILLEGAL, 0xffffffff);
	check_exception(&g, 0xffff0000, RV_ILLEGAL, 0);
	check_exception(&g, 0xffff9ffd, RV_ILLEGAL, 0x9ffd);
}

static void check_misaligned(enum rv_op op, uint64_t by)
{
	bool is_lr = op == RV_OP_LR_W || op == RV_OP_LR_D;
	uint64_t bytes = encode(op) >> 12 & 1 ? 8 : 4;
	struct guest g;

	open_guest(&g);
	g.hart.s.x[10] += by;
	if (by % bytes == 0) {
		CHECK_INT(run(&g, encode(op)), RV_DONE);
		return;
	}
	check_exception(&g, encode(op), is_lr ? RV_LOAD_MISALIGNED : RV_STORE_MISALIGNED,
			DATA + 64 + by);
	CHECK_INT(g.n_accesses, 0);
}

static void misaligned_atomics_are_refused(void)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		for (uint64_t by = 1; by < 8 && rv_op_format(op) == RV_FMT_AMO; by++) {
			check_misaligned(op, by);
		}
	}
}

static bool is_access(enum rv_op op)
{
	uint32_t opcode = opcode_of(op);

	return opcode == 0x03 || opcode == 0x07 || opcode == 0x23 || opcode == 0x27 ||
	       opcode == 0x2f || (op >= RV_OP_CBO_INVAL && op <= RV_OP_CBO_ZERO);
}

/* Where encode() makes an instruction access: loads and stores have register numbers for offsets. */
static uint64_t address_of(enum rv_op op)
{
	switch (rv_op_format(op)) {
	case RV_FMT_I:
		return DATA + 64 + 6;
	case RV_FMT_S:
		return DATA + 64 + 5;
	default:
		return DATA + 64;
	}
}

static void refused_accesses_change_nothing(void)
{
	unsigned int n = 0;

	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		struct guest g;

		if (!is_access(op)) {
			continue;
		}
		n++;
		open_guest(&g);
		g.result = RV_MEM_FAULT;
		g.is_reserved = true;
		check_exception(&g, encode(op), RV_LOAD_PAGE, address_of(op));
		g.is_tval_moved = true;
		check_exception(&g, encode(op), RV_LOAD_PAGE, address_of(op) + 4);
	}
	CHECK_INT(n, 7 + 2 + 4 + 2 + 22 + 4);
}

/* An access that ends the run has happened like any other. */
static void stopping_accesses_are_done(void)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		struct guest stopped;
		struct guest plain;

		if (!is_access(op)) {
			continue;
		}
		open_guest(&stopped);
		stopped.result = RV_MEM_STOP;
		open_guest(&plain);
		CHECK_INT(run(&stopped, encode(op)), RV_DONE_STOP);
		CHECK_INT(run(&plain, encode(op)), RV_DONE);
		CHECK(memcmp(&stopped.hart.s, &plain.hart.s, sizeof(plain.hart.s)) == 0);
		CHECK(memcmp(stopped.data, plain.data, DATA_BYTES) == 0);
	}
}

static void store_conditional_tells(void)
{
	struct guest g;

	open_guest(&g);
	g.hart.s.x[6] = 0x1122334455667788;
	CHECK_INT(run(&g, encode(RV_OP_SC_W)), RV_DONE);
	CHECK_INT(g.hart.s.x[5], 1);
	g.is_reserved = true;
	CHECK_INT(run(&g, encode(RV_OP_SC_W)), RV_DONE);
	CHECK_INT(g.hart.s.x[5], 0);
	CHECK_INT(load_le(g.data + 64, 4), 0x55667788);
	CHECK(load_le(g.data + 68, 4) != 0x11223344);
}

static void cache_blocks(void)
{
	struct guest g;

	open_guest(&g);
	g.hart.s.x[10] += 3; /* any address in the block */
	for (enum rv_op op = RV_OP_CBO_INVAL; op <= RV_OP_CBO_ZERO; op++) {
		CHECK_INT(run(&g, encode(op)), RV_DONE);
		CHECK_INT(g.block, DATA + 67);
		CHECK_INT(g.is_block_zeroed, op == RV_OP_CBO_ZERO);
		/* menvcfg allows none below M. */
		g.hart.s.priv = RV_PRIV_S;
		check_exception(&g, encode(op), RV_ILLEGAL, encode(op));
		g.hart.s.priv = RV_PRIV_M;
	}
}

#define MSCRATCH 0x340u
#define MHARTID	 0xf14u

static uint32_t csr_insn(enum rv_op op, uint32_t csr, uint32_t rd, uint32_t rs1)
{
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	return match | csr << 20 | rs1 << 15 | rd << 7;
}

static void csr_instructions(void)
{
	struct guest g;

	open_guest(&g);
	g.hart.s.x[6] = 0xff00;
	g.hart.s.mscratch = 0x1234;
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRW, MSCRATCH, 6, 6)), RV_DONE);
	CHECK_INT(g.hart.s.x[6], 0x1234);
	CHECK_INT(g.hart.s.mscratch, 0xff00);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRS, MSCRATCH, 5, 6)), RV_DONE);
	CHECK_INT(g.hart.s.x[5], 0xff00);
	CHECK_INT(g.hart.s.mscratch, 0xff34);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRCI, MSCRATCH, 5, 31)), RV_DONE);
	CHECK_INT(g.hart.s.x[5], 0xff34);
	CHECK_INT(g.hart.s.mscratch, 0xff20);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRWI, MSCRATCH, 0, 9)), RV_DONE);
	CHECK_INT(g.hart.s.mscratch, 9);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRSI, MSCRATCH, 5, 2)), RV_DONE);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRC, MSCRATCH, 5, 5)), RV_DONE);
	CHECK_INT(g.hart.s.mscratch, 2);
	/* x0 and 0 mean "only read", a register that holds 0 doesn't. */
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRS, MHARTID, 5, 0)), RV_DONE);
	CHECK_INT(g.hart.s.x[5], 3);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRCI, MHARTID, 5, 0)), RV_DONE);
	g.hart.s.x[6] = 0;
	check_exception(&g, csr_insn(RV_OP_CSRRS, MHARTID, 5, 6), RV_ILLEGAL,
			csr_insn(RV_OP_CSRRS, MHARTID, 5, 6));
	check_exception(&g, csr_insn(RV_OP_CSRRWI, MHARTID, 0, 0), RV_ILLEGAL,
			csr_insn(RV_OP_CSRRWI, MHARTID, 0, 0));
	check_exception(&g, csr_insn(RV_OP_CSRRS, 0x5c0, 5, 0), RV_ILLEGAL,
			csr_insn(RV_OP_CSRRS, 0x5c0, 5, 0));
	/* fcsr: floating point becomes Dirty. */
	g.hart.s.mstatus = (g.hart.s.mstatus & ~RV_MSTATUS_FS) | BIT(RV_FS_SHIFT);
	CHECK_INT(run(&g, csr_insn(RV_OP_CSRRWI, 1, 0, 31)), RV_DONE);
	CHECK_INT(g.hart.s.fcsr, 31);
	CHECK_INT(g.hart.s.mstatus & RV_MSTATUS_FS, RV_MSTATUS_FS);
}

static void privileged_instructions(void)
{
	static const enum rv_op ops[] = { RV_OP_MRET,		RV_OP_SRET,
					  RV_OP_SFENCE_VMA,	RV_OP_SINVAL_VMA,
					  RV_OP_SFENCE_W_INVAL, RV_OP_SFENCE_INVAL_IR };
	struct guest g;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		open_guest(&g);
		g.hart.s.priv = RV_PRIV_U;
		check_exception(&g, encode(ops[i]), RV_ILLEGAL, encode(ops[i]));
	}
	open_guest(&g);
	g.hart.s.mepc = CODE + 0x100;
	CHECK_INT(run(&g, encode(RV_OP_MRET)), RV_DONE);
	CHECK_INT(g.hart.s.pc, CODE + 0x100);
	CHECK_INT(g.hart.s.priv, RV_PRIV_U);
	CHECK(g.x.effects & RV_EFFECT_MODE);
	open_guest(&g);
	CHECK_INT(run(&g, encode(RV_OP_SFENCE_VMA)), RV_DONE);
	CHECK_INT(g.x.effects, RV_EFFECT_TRANSLATION);
	open_guest(&g);
	CHECK_INT(run(&g, encode(RV_OP_FENCE_I)), RV_DONE);
	CHECK_INT(g.x.effects, RV_EFFECT_FENCE_I);
}

static void jumps(void)
{
	struct guest g;

	open_guest(&g);
	CHECK_INT(run(&g, 0x00550567), RV_DONE); /* jalr x10, 5(x10): bit 0 is dropped */
	CHECK_INT(g.hart.s.pc, DATA + 64 + 4);
	CHECK_INT(g.hart.s.x[10], CODE + 4);
	open_guest(&g);
	CHECK_INT(run(&g, 0x9502), RV_DONE); /* c.jalr x10 */
	CHECK_INT(g.hart.s.x[1], CODE + 2);
	open_guest(&g);
	CHECK_INT(run(&g, 0xffdff0ef), RV_DONE); /* jal x1, -4 */
	CHECK_INT(g.hart.s.pc, CODE - 4);
	CHECK_INT(g.hart.s.x[1], CODE + 4);
}

static const struct test_case cases[] = {
	{ "conditional_zero", conditional_zero },
	{ "counts_of_words_stop_at_the_word", counts_of_words_stop_at_the_word },
	{ "every_operation_executes", every_operation_executes },
	{ "x0_stays_zero", x0_stays_zero },
	{ "floating_point_that_is_off_is_illegal", floating_point_that_is_off_is_illegal },
	{ "reserved_dynamic_rounding_is_illegal", reserved_dynamic_rounding_is_illegal },
	{ "writes_make_floating_point_dirty", writes_make_floating_point_dirty },
	{ "singles_live_in_boxes", singles_live_in_boxes },
	{ "exceptions_say_why", exceptions_say_why },
	{ "misaligned_atomics_are_refused", misaligned_atomics_are_refused },
	{ "refused_accesses_change_nothing", refused_accesses_change_nothing },
	{ "stopping_accesses_are_done", stopping_accesses_are_done },
	{ "store_conditional_tells", store_conditional_tells },
	{ "cache_blocks", cache_blocks },
	{ "csr_instructions", csr_instructions },
	{ "privileged_instructions", privileged_instructions },
	{ "jumps", jumps },
};

RV_TEST_MAIN(cases)

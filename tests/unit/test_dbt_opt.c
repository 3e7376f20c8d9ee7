// SPDX-License-Identifier: GPL-2.0-or-later
/* The optimiser by itself: ranges hold for every operation; what it is there for is found. That it changes nothing that a
 * guest sees is shown by test_dbt_region.c. */
#include "test.h"
#include "test_dbt_ir_random.h"

#define SAMPLES (400000u / TEST_SLOWDOWN)

static struct opt_work work;
static struct ir_region region;
static struct ir_block blocks[2];
static struct ir_eval machine;

/* A range around a value, now and then a narrow one. */
static struct opt_range around(struct rng *r, int64_t value)
{
	int64_t width = (int64_t)(rng_next(r) >> (1 + rng_below(r, 63)));
	struct opt_range a = { value, value };

	if (rng_pct(r, 70) && __builtin_sub_overflow(value, width, &a.lo)) {
		a.lo = INT64_MIN;
	}
	if (rng_pct(r, 70) && __builtin_add_overflow(value, width, &a.hi)) {
		a.hi = INT64_MAX;
	}
	return a;
}

/* One operation from registers with values in ranges: its result is in the range that is said. */
static void test_ranges(void)
{
	static struct ir_block b;
	struct rng r = { 21 };
	char line[200];
	uint64_t n_known = 0;

	for (unsigned int n = 0; n < SAMPLES && !test_failures; n++) {
		const struct ir_insn *i = &b.insns[0];
		struct opt_range said;
		int64_t got;

		do {
			random_block(&r, RANDOM_INT, &b);
		} while (i->dst == IR_NONE || i->dst >= RIG_INTS || i->op == IR_NOP);
		b.n_insns = 1;
		b.n_guests = 1;
		ir_add(&b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		random_state(&r, &machine);
		for (size_t k = 0; k < RIG_INTS; k++) {
			work.now.regs[k] = around(&r, (int64_t)machine.s.r[k]);
		}
		said = opt_range_result(&work, &work.now, i);
		ir_eval_block(&machine, &b, 10);
		got = (int64_t)machine.s.r[i->dst];
		n_known += said.lo != INT64_MIN || said.hi != INT64_MAX;
		if (got < said.lo || got > said.hi) {
			ir_insn_print(i, rig_regs, RIG_REGS, line, sizeof(line));
			printf("%s: 0x%" PRIx64 " is not in 0x%" PRIx64 " to 0x%" PRIx64 "\n", line,
			       (uint64_t)got, (uint64_t)said.lo, (uint64_t)said.hi);
			test_failures++;
		}
	}
	CHECK(test_failures || n_known > SAMPLES / 4);
}

static struct ir_insn *guest(struct ir_block *b, enum ir_op op, enum ir_type type, ir_val dst,
			     ir_val a, ir_val b_val)
{
	CHECK(ir_guest_begin(b, b->next, 4));
	return ir_add(b, op, type, dst, a, b_val);
}

static struct ir_insn *guest_imm(struct ir_block *b, enum ir_op op, enum ir_type type, ir_val dst,
				 ir_val a, int64_t imm)
{
	CHECK(ir_guest_begin(b, b->next, 4));
	return ir_add_imm(b, op, type, dst, a, imm);
}

static void loop_to(struct ir_block *b, uint64_t target)
{
	struct ir_insn *i = guest(b, IR_BRANCH, IR_I64, IR_NONE, RIG_R(8), RIG_R(9));

	i->cond = IR_NE;
	b->target = target;
}

static void one_block(void)
{
	region.n = 1;
	region.blocks[0].b = &blocks[0];
	ir_region_connect(&region);
	opt_region(&work, &region);
}

/* A pointer that moves on from load to load is tested where the loop begins. */
static void test_pointer(void)
{
	struct ir_block *b = &blocks[0];

	ir_block_init(b, 0x1000);
	guest(b, IR_LOAD, IR_I64, RIG_R(1), RIG_R(2), IR_NONE)->imm = 8;
	guest_imm(b, IR_ADD, IR_I64, RIG_R(2), RIG_R(2), 8);
	loop_to(b, 0x1000);
	one_block();
	CHECK(b->insns[0].flags & IR_SAFE);
	CHECK_INT(region.entry.n_guards, 1);
	CHECK_INT(region.entry.guards[0].kind, IR_GUARD_WINDOW);
	CHECK_INT(region.entry.guards[0].reg, RIG_R(2));
	CHECK_INT(region.blocks[0].target.n_guards, 0);
	/* one that may go anywhere is where it is used */
	ir_block_init(b, 0x1000);
	guest(b, IR_LOAD, IR_I64, RIG_R(2), RIG_R(2), IR_NONE);
	loop_to(b, 0x1000);
	one_block();
	CHECK(!(b->insns[0].flags & IR_SAFE));
	CHECK_INT(region.entry.n_guards, 0);
	CHECK_INT(region.blocks[0].target.n_guards, 0);
}

/* An index that counts on is no address: the sum is tested, nothing on the way back. */
static void test_index(void)
{
	struct ir_block *b = &blocks[0];
	ir_val t;

	ir_block_init(b, 0x1000);
	CHECK(ir_guest_begin(b, b->next, 4));
	t = ir_temp(b);
	ir_add(b, IR_ADD, IR_I64, t, RIG_R(2), RIG_R(3));
	ir_add(b, IR_LOAD, IR_I64, RIG_R(1), t, IR_NONE);
	guest_imm(b, IR_ADD, IR_I64, RIG_R(3), RIG_R(3), 8);
	loop_to(b, 0x1000);
	one_block();
	CHECK(!(b->insns[1].flags & IR_SAFE));
	CHECK_INT(region.entry.n_guards, 1);
	CHECK_INT(region.entry.guards[0].reg, RIG_R(2));
	CHECK_INT(region.blocks[0].target.n_guards, 0);
}

/* What is made of numbers is a number; the parts may be seen where a load may stop. */
static void test_numbers(void)
{
	struct ir_block *b = &blocks[0];

	ir_block_init(b, 0x1000);
	guest_imm(b, IR_MOV, IR_I64, RIG_R(1), IR_NONE, 0x12345000);
	guest_imm(b, IR_ADD, IR_I32, RIG_R(1), RIG_R(1), -0x800)->flags |= IR_SX;
	guest_imm(b, IR_SHL, IR_I64, RIG_R(1), RIG_R(1), 4);
	guest(b, IR_LOAD, IR_I64, RIG_R(2), RIG_R(3), IR_NONE);
	guest_imm(b, IR_ADD, IR_I64, RIG_R(1), RIG_R(1), 1);
	guest_imm(b, IR_AND, IR_I64, RIG_BIT(0), RIG_R(1), 1);
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[0].op, IR_NOP);
	CHECK_INT(b->insns[1].op, IR_NOP);
	CHECK_INT(b->insns[2].op, IR_MOV);
	CHECK_INT(b->insns[2].imm, 0x123448000);
	CHECK_INT(b->insns[4].op, IR_MOV);
	CHECK_INT(b->insns[4].imm, 0x123448001);
	CHECK_INT(b->insns[5].op, IR_AND);
}

/* What is added up in a loop may be tested for NaNs behind it; what is loaded may not. */
static void test_canonical(void)
{
	struct ir_block *b = &blocks[0];
	ir_val t;

	ir_block_init(b, 0x1000);
	CHECK(ir_guest_begin(b, b->next, 4));
	t = ir_temp(b);
	ir_add(b, IR_FADD, IR_F64, t, RIG_F(1), RIG_F(2));
	ir_add(b, IR_FCANON, IR_F64, RIG_F(1), t, IR_NONE);
	guest(b, IR_LOAD, IR_F64, RIG_F(3), RIG_R(2), IR_NONE);
	loop_to(b, 0x1000);
	one_block();
	CHECK(ir_set_has(&region.blocks[0].canon64, RIG_F(1)));
	CHECK(!ir_set_has(&region.blocks[0].canon64, RIG_F(2)));
	CHECK(!ir_set_has(&region.blocks[0].canon64, RIG_F(3)));
	CHECK_INT(region.entry.n_guards, 2);
}

static void test_patterns(void)
{
	struct ir_block *b = &blocks[0];

	ir_block_init(b, 0x1000);
	guest_imm(b, IR_SHR, IR_I32, RIG_R(1), RIG_R(3), 7)->flags |= IR_SX;
	guest_imm(b, IR_SHL, IR_I32, RIG_R(2), RIG_R(3), 25)->flags |= IR_SX;
	guest(b, IR_OR, IR_I64, RIG_R(1), RIG_R(1), RIG_R(2));
	guest_imm(b, IR_MOV, IR_I64, RIG_R(2), IR_NONE, 0);
	guest_imm(b, IR_SHL, IR_I64, RIG_R(4), RIG_R(5), 32);
	guest_imm(b, IR_SHR, IR_I64, RIG_R(4), RIG_R(4), 30);
	guest_imm(b, IR_SHL, IR_I64, RIG_R(6), RIG_R(6), 48);
	guest_imm(b, IR_SAR, IR_I64, RIG_R(6), RIG_R(6), 48);
	guest_imm(b, IR_SHR, IR_I32, RIG_R(7), RIG_R(3), 9)->flags |= IR_SX;
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[6].op, IR_EXT);
	CHECK_INT(b->insns[6].type, IR_I16);
	CHECK_INT(b->insns[6].flags, IR_SX);
	CHECK_INT(b->insns[7].op, IR_NOP);
	CHECK_INT(b->insns[8].flags & IR_SX, 0);
	CHECK_INT(b->insns[0].op, IR_NOP);
	CHECK_INT(b->insns[1].op, IR_NOP);
	CHECK_INT(b->insns[2].op, IR_ROR);
	CHECK_INT(b->insns[2].imm, 7);
	CHECK_INT(b->insns[4].op, IR_EXT);
	CHECK_INT(b->insns[5].op, IR_SHL);
	CHECK_INT(b->insns[5].imm, 2);
}

/* What stands between the parts may stop, or the result is a flag, of which one bit is kept: then it is no pattern. */
static void test_no_patterns(void)
{
	struct ir_block *b = &blocks[0];

	ir_block_init(b, 0x1000);
	guest_imm(b, IR_SHL, IR_I64, RIG_R(4), RIG_R(5), 32);
	guest(b, IR_STORE, IR_I64, IR_NONE, RIG_R(7), RIG_R(8));
	guest_imm(b, IR_SHR, IR_I64, RIG_R(4), RIG_R(4), 32);
	guest_imm(b, IR_SHL, IR_I64, RIG_BIT(0), RIG_R(5), 32);
	guest_imm(b, IR_SHR, IR_I64, RIG_BIT(0), RIG_BIT(0), 32);
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[0].op, IR_SHL);
	CHECK_INT(b->insns[2].op, IR_SHR);
	CHECK_INT(b->insns[4].op, IR_SHR);
}

/* Nor is it one when a FLAGS gives the flag between them another value. */
static void test_no_pattern_of_flags(void)
{
	const struct ir_flag_regs carry = { IR_NONE, IR_NONE, RIG_BIT(2), IR_NONE };
	struct ir_block *b = &blocks[0];

	ir_block_init(b, 0x1000);
	guest_imm(b, IR_SHL, IR_I64, RIG_R(1), RIG_BIT(2), 8);
	CHECK(ir_guest_begin(b, b->next, 4));
	ir_add_flags(b, IR_FLAGS_ADD, IR_I64, RIG_R(3), RIG_R(4), carry);
	guest_imm(b, IR_SHR, IR_I64, RIG_R(2), RIG_BIT(2), 56);
	guest(b, IR_OR, IR_I64, RIG_R(1), RIG_R(1), RIG_R(2));
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[3].op, IR_OR);
}

/* Two ways lead to a load: what one of them says of its base is not enough, be the other one's larger or smaller. */
static void join(bool is_larger)
{
	static struct ir_block third;
	struct ir_insn *i;

	ir_block_init(&blocks[0], 0x1000);
	guest_imm(&blocks[0], IR_MOV, IR_I64, RIG_R(2), IR_NONE, 0x5000);
	i = guest(&blocks[0], IR_BRANCH, IR_I64, IR_NONE, RIG_R(8), RIG_R(9));
	i->cond = IR_NE;
	blocks[0].target = 0x3000;
	ir_block_init(&blocks[1], blocks[0].next);
	guest_imm(&blocks[1], IR_SHR, IR_I64, RIG_R(4), RIG_R(3), 1);
	guest(&blocks[1], is_larger ? IR_ADD : IR_SUB, IR_I64, RIG_R(2), RIG_ZERO, RIG_R(4));
	guest(&blocks[1], IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	blocks[1].target = 0x3000;
	ir_block_init(&third, 0x3000);
	guest(&third, IR_LOAD, IR_I64, RIG_R(1), RIG_R(2), IR_NONE);
	loop_to(&third, 0x9000);
	region.n = 3;
	region.blocks[0].b = &blocks[0];
	region.blocks[1].b = &blocks[1];
	region.blocks[2].b = &third;
	ir_region_connect(&region);
	opt_region(&work, &region);
	CHECK_INT(region.blocks[1].target.to, 2);
	CHECK(!(third.insns[0].flags & IR_SAFE));
}

static void test_join(void)
{
	join(true);
	join(false);
}

static void test_demand(void)
{
	struct ir_block *b = &blocks[0];

	/* nobody sees the first sum; of the second only 32 bits */
	ir_block_init(b, 0x1000);
	guest(b, IR_ADD, IR_I64, RIG_R(1), RIG_R(3), RIG_R(4));
	guest(b, IR_ADD, IR_I32, RIG_R(1), RIG_R(3), RIG_R(5))->flags |= IR_SX;
	guest(b, IR_SUB, IR_I32, RIG_R(1), RIG_R(1), RIG_R(5))->flags |= IR_SX;
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[0].op, IR_NOP);
	CHECK_INT(b->insns[1].flags & IR_SX, 0);
	CHECK_INT(b->insns[2].flags & IR_SX, IR_SX);
	/* a store in between may stop: then all is seen */
	ir_block_init(b, 0x1000);
	guest(b, IR_ADD, IR_I32, RIG_R(1), RIG_R(3), RIG_R(5))->flags |= IR_SX;
	guest(b, IR_STORE, IR_I64, IR_NONE, RIG_R(7), RIG_R(8));
	guest(b, IR_SUB, IR_I32, RIG_R(1), RIG_R(1), RIG_R(5))->flags |= IR_SX;
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[0].flags & IR_SX, IR_SX);
}

/* Flags that are computed anew before anybody sees them are not computed, and what they were made of is not either. */
static void test_demand_of_flags(void)
{
	const struct ir_flag_regs all = { RIG_BIT(0), RIG_BIT(1), RIG_BIT(2), RIG_BIT(3) };
	struct ir_block *b = &blocks[0];
	ir_val t;

	ir_block_init(b, 0x1000);
	CHECK(ir_guest_begin(b, b->next, 4));
	t = ir_temp(b);
	ir_add(b, IR_AND, IR_I64, t, RIG_R(1), RIG_R(2));
	ir_add_flags(b, IR_FLAGS_LOGIC, IR_I64, t, IR_NONE, all);
	CHECK(ir_guest_begin(b, b->next, 4));
	ir_add_flags(b, IR_FLAGS_ADD, IR_I64, RIG_R(3), RIG_R(4), all);
	CHECK(ir_guest_begin(b, b->next, 4));
	ir_add_flags(b, IR_FLAGS_ADC, IR_I64, RIG_R(5), RIG_R(6), all)->c = RIG_BIT(2);
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->insns[0].op, IR_NOP);
	CHECK_INT(b->insns[1].op, IR_NOP);
	CHECK_INT(b->insns[2].op, IR_FLAGS); /* the carry alone */
	CHECK_INT(b->flag_regs[1].n, IR_NONE);
	CHECK_INT(b->flag_regs[1].z, IR_NONE);
	CHECK_INT(b->flag_regs[1].c, RIG_BIT(2));
	CHECK_INT(b->flag_regs[1].v, IR_NONE);
	CHECK_INT(b->flag_regs[2].n, RIG_BIT(0));
	/* a load in between may stop */
	ir_block_init(b, 0x1000);
	CHECK(ir_guest_begin(b, b->next, 4));
	ir_add_flags(b, IR_FLAGS_ADD, IR_I64, RIG_R(3), RIG_R(4), all);
	guest(b, IR_LOAD, IR_I64, RIG_R(1), RIG_R(2), IR_NONE);
	CHECK(ir_guest_begin(b, b->next, 4));
	ir_add_flags(b, IR_FLAGS_ADD, IR_I64, RIG_R(5), RIG_R(6), all);
	loop_to(b, 0x1000);
	one_block();
	CHECK_INT(b->flag_regs[0].v, RIG_BIT(3));
}

/* A register that a call's target, or a helper, may have changed is not known behind it. */
static void test_calls(void)
{
	struct ir_block *b = &blocks[0];

	ir_block_init(b, 0x1000);
	guest_imm(b, IR_MOV, IR_I64, RIG_R(2), IR_NONE, 0x1000);
	guest(b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE)->flags = IR_CALL;
	b->insns[1].imm = 0x2000;
	b->target = 0x9000;
	ir_block_init(&blocks[1], 0x2000);
	guest(&blocks[1], IR_LOAD, IR_I64, RIG_R(1), RIG_R(2), IR_NONE);
	loop_to(&blocks[1], 0x1000);
	region.n = 2;
	region.blocks[0].b = &blocks[0];
	region.blocks[1].b = &blocks[1];
	ir_region_connect(&region);
	opt_region(&work, &region);
	CHECK_INT(region.blocks[0].next.to, 1);
	CHECK_INT(region.blocks[0].target.to, IR_BLOCK_NONE);
	CHECK(!(blocks[1].insns[0].flags & IR_SAFE));
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "ranges hold", test_ranges },
		{ "a pointer in a loop", test_pointer },
		{ "an index that moves on", test_index },
		{ "numbers", test_numbers },
		{ "canonical in a loop", test_canonical },
		{ "patterns", test_patterns },
		{ "no patterns", test_no_patterns },
		{ "no pattern of flags", test_no_pattern_of_flags },
		{ "where ways meet", test_join },
		{ "demand", test_demand },
		{ "demand of flags", test_demand_of_flags },
		{ "behind calls", test_calls },
	};

	work.cfg = rig_opt_config;
	return test_main(cases, ARRAY_SIZE(cases));
}

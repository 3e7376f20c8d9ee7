// SPDX-License-Identifier: GPL-2.0-or-later
/* IR: builders, printing, and every rule that ir_block_check() knows, broken once. */
#include "test.h"
#include "test_dbt_ir_random.h"

static struct ir_block b;

static const char *verdict(void)
{
	const char *why = "right";

	return ir_block_check(&b, rig_regs, RIG_REGS, &why) ? "right" : why;
}

/* lw r0, 4(r2); add.i32 sx r0, r0, r1; bne r0 */
static void good_block(void)
{
	struct ir_insn *i;
	ir_val t;

	ir_block_init(&b, 0x1000);
	CHECK(ir_guest_begin(&b, 0x1000, 4));
	t = ir_temp(&b);
	i = ir_add(&b, IR_LOAD, IR_I32, t, RIG_R(2), IR_NONE);
	i->imm = 4;
	i->flags = IR_SX;
	ir_add(&b, IR_MOV, IR_I64, RIG_R(0), t, IR_NONE);
	CHECK(ir_guest_begin(&b, 0x1004, 2));
	ir_add(&b, IR_ADD, IR_I32, RIG_R(0), RIG_R(0), RIG_R(1))->flags = IR_SX;
	CHECK(ir_guest_begin(&b, 0x1006, 4));
	ir_add_imm(&b, IR_BRANCH, IR_I64, IR_NONE, RIG_R(0), 0)->cond = IR_NE;
	b.target = 0x2000;
}

static void test_build(void)
{
	good_block();
	CHECK_STR(verdict(), "right");
	CHECK_INT(b.next, 0x100a);
	CHECK_INT(b.n_guests, 3);
	CHECK_INT(b.guests[1].first, 2);
	CHECK_INT(b.insns[3].guest, 2);
	for (uint64_t n = 3; n < IR_BLOCK_GUEST_MAX; n++) {
		CHECK(ir_guest_begin(&b, 0x1000 + n * 4, 4));
	}
	CHECK(!ir_guest_begin(&b, 0x2000, 4));
	CHECK_INT(b.n_guests, IR_BLOCK_GUEST_MAX);
	CHECK_INT(b.next, 0x1000 + 4 * (uint64_t)IR_BLOCK_GUEST_MAX);
}

/* However long guest instructions are: there is space for a whole one, and an end. */
static void test_space(void)
{
	unsigned int n = 0;

	ir_block_init(&b, 0);
	while (ir_guest_begin(&b, 4 * (uint64_t)n, 4)) {
		for (unsigned int k = 0; k < IR_GUEST_INSNS_MAX; k++) {
			ir_add(&b, IR_NOP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		}
		n++;
	}
	CHECK(n >= IR_BLOCK_INSNS_MAX / IR_GUEST_INSNS_MAX - 1);
	ir_add(&b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	CHECK_STR(verdict(), "right");
}

static void test_print(void)
{
	static const char *const lines[] = { "t0 = load.i32 sx [r2 + 4]", "r0 = mov.i64 t0",
					     "r0 = add.i32 sx r0, r1", "branch.i64 ne r0, #0" };
	char line[80];
	char cut[8];

	good_block();
	for (size_t k = 0; k < ARRAY_SIZE(lines); k++) {
		size_t n = ir_insn_print(&b.insns[k], rig_regs, RIG_REGS, line, sizeof(line));

		CHECK_STR(line, lines[k]);
		CHECK_INT(n, strlen(lines[k]));
	}
	b.insns[0].flags |= IR_SOFT;
	ir_insn_print(&b.insns[0], rig_regs, RIG_REGS, line, sizeof(line));
	CHECK_STR(line, "t0 = load.i32 sx soft [r2 + 4]");
	CHECK_INT(ir_insn_print(&b.insns[0], rig_regs, RIG_REGS, cut, sizeof(cut)), 7);
	CHECK_STR(cut, "t0 = lo");
	CHECK_STR(ir_op_name(IR_SHL_ADD), "shl_add");
	CHECK(ir_op_is_end(IR_STEP) && ir_op_is_end(IR_BRANCH) && !ir_op_is_end(IR_HELPER));
	CHECK(ir_op_may_stop(IR_STEP) && ir_op_may_stop(IR_LOAD) && !ir_op_may_stop(IR_JUMP));
}

/* ---- blocks that are wrong: each breaks the good one in one place ---- */

static void end_missing(void)
{
	b.n_insns--;
	b.n_guests--;
}

static void end_early(void)
{
	b.insns[2].op = IR_JUMP;
}

static void op_unknown(void)
{
	b.insns[2].op = IR_OP_COUNT;
}

static void type_wrong(void)
{
	b.insns[2].type = IR_F32;
}

static void type_vector(void)
{
	b.insns[0].type = IR_V128;
}

static void operand_missing(void)
{
	b.insns[2].b = IR_NONE;
}

static void operand_unknown(void)
{
	b.insns[2].b = RIG_REGS;
}

static void operand_fp(void)
{
	b.insns[2].b = RIG_F(1);
}

static void dst_fp(void)
{
	b.insns[2].dst = RIG_F(1);
}

static void dst_zero(void)
{
	b.insns[2].dst = RIG_ZERO;
}

static void dst_missing(void)
{
	b.insns[2].dst = IR_NONE;
}

static void dst_unwanted(void)
{
	b.insns[3].dst = RIG_R(1);
}

static void temp_undefined(void)
{
	b.insns[2].b = ir_temp(&b);
}

static void temp_elsewhere(void)
{
	b.insns[2].b = IR_TEMP0;
}

static void temp_twice(void)
{
	b.insns[1].dst = IR_TEMP0;
}

static void temp_range(void)
{
	b.insns[0].dst = IR_TEMP0 + 1;
}

static void number_unwanted(void)
{
	b.insns[0].flags |= IR_IMM;
}

static void guest_wrong(void)
{
	b.insns[2].guest = 0;
}

static void guest_behind_end(void)
{
	ir_guest_begin(&b, 0x1010, 4);
}

static void cond_unknown(void)
{
	b.insns[3].cond = IR_NOBITS + 1;
}

static void call_unwanted(void)
{
	b.insns[2].flags |= IR_CALL;
}

static void soft_unwanted(void)
{
	b.insns[2].flags |= IR_SOFT;
}

static void return_unwanted(void)
{
	b.insns[3].flags |= IR_RET;
}

/* The load may fault after r0 was written. */
static void written_early(void)
{
	struct ir_insn load = b.insns[0];

	b.insns[0] = b.insns[1];
	b.insns[0].a = RIG_R(5);
	b.insns[1] = load;
}

static void shift_wrong(void)
{
	b.insns[2].op = IR_SHL_ADD;
	b.insns[2].c = 4;
}

static void too_large(void)
{
	b.n_guests = IR_BLOCK_GUEST_MAX + 1;
}

static void flag_wrong(void)
{
	struct ir_flag_regs regs = { RIG_BIT(0), RIG_R(1), IR_NONE, IR_NONE };

	b.n_insns--;
	ir_add_flags(&b, IR_FLAGS_SUB, IR_I64, RIG_R(0), RIG_R(1), regs);
	ir_add(&b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
}

static void flag_twice(void)
{
	flag_wrong();
	b.flag_regs[0].z = RIG_BIT(0);
}

static void flag_carry(void)
{
	flag_wrong();
	b.flag_regs[0].z = RIG_BIT(1);
	b.insns[3].cond = IR_FLAGS_ADC;
}

static void too_many_alive(void)
{
	ir_val temps[IR_TEMPS_LIVE_MAX + 1];

	b.n_insns--;
	for (size_t k = 0; k < ARRAY_SIZE(temps); k++) {
		temps[k] = ir_temp(&b);
		ir_add(&b, IR_CLZ, IR_I64, temps[k], RIG_R(1), IR_NONE);
	}
	for (size_t k = 0; k < ARRAY_SIZE(temps); k++) {
		ir_add(&b, IR_ADD, IR_I64, RIG_R(0), RIG_R(0), temps[k]);
	}
	ir_add(&b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
}

static void fp_cond(void)
{
	b.insns[2].op = IR_FSET_IF;
	b.insns[2].type = IR_F64;
	b.insns[2].a = RIG_F(0);
	b.insns[2].b = RIG_F(0);
	b.insns[2].cond = IR_NE;
}

static void test_rules(void)
{
	static const struct {
		void (*breaks)(void);
		const char *why;
	} cases[] = {
		{ end_missing, "a block ends with its one end" },
		{ end_early, "a block ends with its one end" },
		{ op_unknown, "no such operation" },
		{ type_wrong, "the operation does not exist in that type" },
		{ type_vector, "the operation does not exist in that type" },
		{ operand_missing, "an operand is missing" },
		{ operand_unknown, "an operand is no register" },
		{ operand_fp, "an operand is of the wrong kind" },
		{ dst_fp, "the destination is of the wrong kind" },
		{ dst_zero, "the destination is no register that operations write" },
		{ dst_missing, "the destination is missing" },
		{ dst_unwanted, "the operation has no result" },
		{ temp_undefined, "a temporary is read before it is defined" },
		{ temp_elsewhere, "a temporary is read outside its guest instruction" },
		{ temp_twice, "a temporary is defined twice" },
		{ temp_range, "a temporary is out of range" },
		{ number_unwanted, "the operation takes no number" },
		{ guest_wrong, "an operation is not its guest instruction's" },
		{ guest_behind_end, "the end is not the last guest instruction's" },
		{ cond_unknown, "no such condition" },
		{ call_unwanted, "only jumps are calls" },
		{ soft_unwanted, "only accesses are soft" },
		{ return_unwanted, "only a JUMP_REG that is no call is a return" },
		{ written_early, "a register is written before an operation that may stop" },
		{ shift_wrong, "the shift of SHL_ADD is 0 to 3" },
		{ too_large, "the block is empty or too large" },
		{ flag_wrong, "a flag is no BIT register" },
		{ flag_twice, "two flags are one register" },
		{ flag_carry, "operand c of FLAGS is the carry of ADC and SBC" },
		{ too_many_alive, "too many temporaries are alive" },
		{ fp_cond, "FSET_IF knows EQ, LT and LE" },
	};

	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		good_block();
		cases[k].breaks();
		CHECK_STR(verdict(), cases[k].why);
	}
}

static unsigned int seen[IR_OP_COUNT];

static void look_at(const struct ir_insn *i)
{
	char line[200];

	seen[i->op]++;
	CHECK(ir_insn_print(i, rig_regs, RIG_REGS, line, sizeof(line)) > 2);
	CHECK(!strchr(line, '?'));
}

/* What the generator of the emitter's tests makes is right, and has everything in it. */
static void test_random(void)
{
	const uint32_t kinds =
		RANDOM_INT | RANDOM_MEMORY | RANDOM_FP | RANDOM_FLAGS | RANDOM_HELPER;
	struct rng r = { 99 };

	for (unsigned int n = 0; n < 20000; n++) {
		random_block(&r, kinds, &b);
		CHECK_STR(verdict(), "right");
		for (size_t k = 0; k < b.n_insns; k++) {
			look_at(&b.insns[k]);
		}
	}
	for (unsigned int op = IR_MOV; op < IR_OP_COUNT; op++) {
		if (seen[op] < 100) {
			printf("%s was seen %u times\n", ir_op_name(op), seen[op]);
			test_failures++;
		}
	}
}

static const struct test_case cases[] = {
	{ "building", test_build },	  { "space for a whole guest instruction", test_space },
	{ "printing", test_print },	  { "rules", test_rules },
	{ "random blocks", test_random },
};

TEST_MAIN(cases)

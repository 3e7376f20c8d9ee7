// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Translated code in motion: budgets, links, indirect jumps, calls and returns, interrupts, pages that appear.
 * With --bench: what emission costs.
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "test.h"
#include "test_dbt_ir_random.h"

static struct ir_block block;

static struct rig_state *state(void)
{
	return &rig.cpu->s;
}

static void begin(uint64_t pc)
{
	ir_block_init(&block, pc);
	ir_guest_begin(&block, pc, 4);
}

static void next(void)
{
	ir_guest_begin(&block, block.next, 4);
}

static void add(unsigned int d, unsigned int a, int64_t imm)
{
	ir_add_imm(&block, IR_ADD, IR_I64, RIG_R(d), RIG_R(a), imm);
}

static void branch(enum ir_cond cond, unsigned int a, int64_t imm, uint64_t target)
{
	ir_add_imm(&block, IR_BRANCH, IR_I64, IR_NONE, RIG_R(a), imm)->cond = (uint8_t)cond;
	block.target = target;
}

static void jump(uint64_t target)
{
	ir_add(&block, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	block.target = target;
}

static void call(uint64_t target, uint64_t back)
{
	struct ir_insn *i = ir_add(&block, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);

	i->flags = IR_CALL;
	i->imm = (int64_t)back;
	block.target = target;
}

static void jump_reg(unsigned int a, unsigned int flags, uint64_t back)
{
	struct ir_insn *i = ir_add(&block, IR_JUMP_REG, IR_I64, IR_NONE, RIG_R(a), IR_NONE);

	i->flags = (uint8_t)flags;
	i->imm = (int64_t)back;
}

static const void *emit(void)
{
	const void *code = rig_emit(&block);

	CHECK(code);
	return code;
}

static void table_set(uint64_t pc, const void *code)
{
	rig.jumps[emit_jump_slot(pc)] = (struct emit_jump){ pc, code };
}

/* ---- a tiny engine: blocks by address, everything linked as soon as it can be ---- */

#define BLOCKS_MAX 16u

static struct {
	uint64_t pc;
	const void *code;
} blocks[BLOCKS_MAX];
static size_t n_blocks, n_exits;

static void engine_reset(void)
{
	rig_reset();
	n_blocks = 0;
	memset(state(), 0, sizeof(*state()));
	rig.cpu->env.fp_control = 0x1f80;
}

static void engine_add(void)
{
	blocks[n_blocks].pc = block.pc;
	blocks[n_blocks++].code = emit();
}

static const void *engine_find(uint64_t pc)
{
	for (size_t i = 0; i < n_blocks; i++) {
		if (blocks[i].pc == pc) {
			return blocks[i].code;
		}
	}
	return NULL;
}

/* Run until something other than a jump to a known block happens. */
static struct rig_result engine_run(uint64_t pc, int64_t budget)
{
	struct rig_result r;
	uint64_t insns = 0;
	const void *code = engine_find(pc);

	n_exits = 0;
	for (;;) {
		r = rig_run(code, pc, budget);
		insns += r.insns;
		n_exits++;
		pc = r.pc;
		budget = r.budget;
		code = engine_find(pc);
		if (!code || (r.exit != EMIT_EXIT_JUMP && r.exit != EMIT_EXIT_INDIRECT)) {
			break;
		}
		if (r.exit == EMIT_EXIT_JUMP && rig.cpu->env.link) {
			emit_link(rig.em, rig.cpu->env.link, code);
		} else {
			table_set(pc, code);
		}
	}
	r.insns = insns;
	return r;
}

/* ---- budget and links ---- */

/* r0 += 1; r1 -= 1; back while r1 != 0 */
static void loop_block(uint64_t pc)
{
	begin(pc);
	add(0, 0, 1);
	next();
	add(1, 1, -1);
	next();
	branch(IR_NE, 1, 0, pc);
}

/* 5 turns of 3 instructions, as far as the budget goes. */
static void loop_with_budget(int64_t budget)
{
	bool is_enough = budget >= 15;
	struct rig_result r;

	state()->r[0] = 0;
	state()->r[1] = 5;
	r = engine_run(0x1000, budget);
	CHECK_INT(r.exit, is_enough ? EMIT_EXIT_JUMP : EMIT_EXIT_BUDGET);
	CHECK_INT(r.pc, is_enough ? 0x100c : 0x1000);
	CHECK_INT(r.budget, is_enough ? budget - 15 : budget % 3);
	CHECK_INT(state()->r[0], is_enough ? 5 : budget / 3);
	CHECK_INT(r.insns, budget - r.budget);
}

static void test_budget(void)
{
	engine_reset();
	loop_block(0x1000);
	engine_add();
	for (int64_t budget = 0; budget < 40; budget++) {
		loop_with_budget(budget);
	}
}

static void test_links(void)
{
	struct rig_result r;
	void *link;

	engine_reset();
	loop_block(0x1000);
	engine_add();
	state()->r[1] = 1000000;
	r = engine_run(0x1000, 10000000);
	CHECK_INT(r.pc, 0x100c);
	CHECK_INT(state()->r[0], 1000000);
	/* one exit that was linked, and the last one */
	CHECK_INT(n_exits, 2);

	/* the way out of the loop, linked and unlinked */
	begin(0x100c);
	add(2, 2, 7);
	jump(0x5000);
	engine_add();
	state()->r[1] = 1;
	r = engine_run(0x1000, 100);
	CHECK_INT(r.pc, 0x5000);
	CHECK_INT(n_exits, 2);
	link = rig.cpu->env.link;
	CHECK(link);
	state()->r[1] = 1;
	engine_run(0x1000, 100);
	CHECK_INT(n_exits, 1);
	CHECK_INT(state()->r[2], 14);
	emit_link(rig.em, link, engine_find(0x1000));
	emit_link(rig.em, link, NULL);
	state()->r[1] = 1;
	r = engine_run(0x1000, 100);
	CHECK_INT(r.pc, 0x5000);
	CHECK(rig.cpu->env.link == link);
	CHECK_INT(r.budget, 96);
}

/* An exit that looks its target up each time: what the table says now counts. */
static void test_lookups(void)
{
	struct rig_result r;
	void *link;

	engine_reset();
	begin(0x1000);
	add(0, 0, 1);
	next();
	branch(IR_EQ, 4, 0, 0x3000);
	engine_add();
	r = rig_run(engine_find(0x1000), 0x1000, 10);
	link = rig.cpu->env.link;
	CHECK_INT(r.pc, 0x3000);
	CHECK_INT(emit_link_lookup(rig.em, link), 0);
	r = rig_run(engine_find(0x1000), 0x1000, 10);
	CHECK_INT(r.exit, EMIT_EXIT_INDIRECT);
	CHECK_INT(r.pc, 0x3000);
	for (unsigned int k = 1; k < 3; k++) {
		begin(0x3000);
		add(1, 1, k);
		jump(0x4000);
		table_set(0x3000, emit());
		r = rig_run(engine_find(0x1000), 0x1000, 10);
		CHECK_INT(r.pc, 0x4000);
		CHECK_INT(state()->r[1], k * (k + 1) / 2);
		CHECK_INT(r.insns, 3);
	}
	emit_link(rig.em, link, NULL);
	r = rig_run(engine_find(0x1000), 0x1000, 10);
	CHECK_INT(r.exit, EMIT_EXIT_JUMP);
	CHECK(rig.cpu->env.link == link);
	/* the other exit, which is inline */
	state()->r[4] = 1;
	r = rig_run(engine_find(0x1000), 0x1000, 10);
	CHECK_INT(r.pc, 0x1008);
	CHECK_INT(emit_link_lookup(rig.em, rig.cpu->env.link), 0);
	r = rig_run(engine_find(0x1000), 0x1000, 10);
	CHECK_INT(r.exit, EMIT_EXIT_INDIRECT);
	CHECK_INT(r.pc, 0x1008);
	CHECK_INT(r.budget, 8);
}

static void test_kill(void)
{
	struct rig_result r;

	engine_reset();
	loop_block(0x1000);
	engine_add();
	state()->r[1] = 100;
	r = engine_run(0x1000, 150);
	CHECK_INT(r.exit, EMIT_EXIT_BUDGET);
	emit_kill(rig.em, engine_find(0x1000));
	r = rig_run(engine_find(0x1000), 0x1000, 150);
	CHECK_INT(r.exit, EMIT_EXIT_JUMP);
	CHECK_INT(r.pc, 0x1000);
	CHECK_INT(r.budget, 150);
	CHECK_INT(r.insns, 0);
	CHECK(!rig.cpu->env.link);
}

static void test_full(void)
{
	struct emit_code code;
	unsigned int n = 0;

	engine_reset();
	loop_block(0x1000);
	while (emit_block(rig.em, &block, &code) == 0) {
		n++;
	}
	CHECK(n > 10000);
	CHECK_INT(emit_block(rig.em, &block, &code), -ENOSPC);
	rig_reset();
	for (unsigned int k = 1; k < n; k++) {
		CHECK_INT(emit_block(rig.em, &block, &code), 0);
	}
	/* One that does not fit to its end takes nothing. */
	begin(0x2000);
	for (int i = 0; i < 40; i++) {
		add(0, 0, 0x12345678);
	}
	jump(0x1000);
	CHECK_INT(emit_block(rig.em, &block, &code), -ENOSPC);
	loop_block(0x1000);
	CHECK_INT(emit_block(rig.em, &block, &code), 0);
	state()->r[1] = 3;
	CHECK_INT(rig_run(code.entry, 0x1000, 3).budget, 0);
}

/* ---- indirect jumps, calls, returns ---- */

static void test_indirect(void)
{
	struct rig_result r;

	engine_reset();
	begin(0x1000);
	add(0, 0, 1);
	jump_reg(5, 0, 0);
	engine_add();
	begin(0x2000);
	add(0, 0, 100);
	jump(0x9000);
	engine_add();
	state()->r[5] = 0x2000;
	r = engine_run(0x1000, 100);
	CHECK_INT(r.pc, 0x9000);
	CHECK_INT(n_exits, 2); /* unknown to the table once */
	engine_run(0x1000, 100);
	CHECK_INT(n_exits, 1);
	CHECK_INT(state()->r[0], 202);
	/* the table says nothing of an address that is known when the block is made: a jump like any other */
	begin(0x3000);
	ir_add_imm(&block, IR_MOV, IR_I64, RIG_R(6), IR_NONE, 0x1ff1);
	next();
	add(7, 6, 0xf);
	jump_reg(7, 0, 0);
	engine_add();
	r = rig_run(engine_find(0x3000), 0x3000, 100);
	CHECK_INT(r.exit, EMIT_EXIT_JUMP);
	CHECK_INT(r.pc, 0x2000);
	CHECK_INT(state()->r[7], 0x2000);
	CHECK(rig.cpu->env.link);
	/* the same slot, another address */
	state()->r[5] = 0x2000 + 2 * EMIT_JUMPS;
	r = engine_run(0x1000, 100);
	CHECK_INT(r.exit, EMIT_EXIT_INDIRECT);
	CHECK_INT(r.pc, 0x2000 + 2 * EMIT_JUMPS);
	CHECK_INT(r.budget, 99);
}

/*
 * f(n): n calls deep, then back. r1: n; r2: the guest's stack pointer; r3: return address; r0 counts.
 *
 *   0x1000  f:  r1 == 0 -> leaf
 *   0x1004      [r2] = r3; r2 += 8; r1 -= 1; call f, back to 0x1100
 *   0x1100      r0 += 1; r2 -= 8; r3 = [r2]; ret r3
 *   0x1200  leaf: ret r3
 */
static void recursion_blocks(bool is_indirect)
{
	struct ir_insn *i;

	begin(0x1000);
	branch(IR_EQ, 1, 0, 0x1200);
	engine_add();

	begin(0x1004);
	ir_add(&block, IR_STORE, IR_I64, IR_NONE, RIG_R(2), RIG_R(3));
	next();
	add(2, 2, 8);
	next();
	add(1, 1, -1);
	next();
	ir_add_imm(&block, IR_MOV, IR_I64, RIG_R(3), IR_NONE, 0x1100);
	if (is_indirect) {
		jump_reg(5, IR_CALL, 0x1100);
	} else {
		call(0x1000, 0x1100);
	}
	engine_add();

	begin(0x1100);
	add(0, 0, 1);
	next();
	add(2, 2, -8);
	next();
	i = ir_add(&block, IR_LOAD, IR_I64, RIG_R(3), RIG_R(2), IR_NONE);
	i->imm = 0;
	next();
	jump_reg(3, IR_RET, 0);
	engine_add();

	begin(0x1200);
	jump_reg(3, IR_RET, 0);
	engine_add();
}

static void recursion(bool is_indirect)
{
	static const uint64_t depths[] = { 1, 5, 200, 1000 };
	struct rig_result r;

	engine_reset();
	recursion_blocks(is_indirect);
	for (size_t k = 0; k < ARRAY_SIZE(depths); k++) {
		state()->r[0] = 0;
		state()->r[1] = depths[k];
		state()->r[2] = RIG_RAM_LOW;
		state()->r[3] = 0x7000;
		state()->r[5] = 0x1000;
		r = engine_run(0x1000, 1 << 20);
		CHECK_INT(r.pc, 0x7000);
		CHECK_INT(state()->r[0], depths[k]);
		CHECK_INT(r.insns, depths[k] * 9 + 2);
	}
	/* by now everything is linked: nothing leaves before the end */
	CHECK_INT(n_exits, 1);
}

static void test_recursion(void)
{
	recursion(false);
	recursion(true);
}

/* Calls that never return: the return stack overflows again and again. */
static void test_endless_calls(void)
{
	struct rig_result r;

	engine_reset();
	begin(0x1000);
	add(0, 0, 1);
	next();
	call(0x1000, 0x1008);
	engine_add();
	r = engine_run(0x1000, 2000000);
	CHECK_INT(r.exit, EMIT_EXIT_BUDGET);
	CHECK_INT(state()->r[0], 1000000);
	CHECK_INT(r.insns, 2000000);
	/* and it is still good for calls that do */
	recursion(false);
}

/* Returns to other places than the calls': the stack is forgotten, the table finds them. */
static void test_mismatched_returns(void)
{
	struct rig_result r;

	engine_reset();
	begin(0x1000);
	add(0, 0, 1);
	next();
	call(0x2000, 0x1008);
	engine_add();
	begin(0x2000);
	add(1, 1, -1);
	next();
	branch(IR_EQ, 1, 0, 0x8000);
	engine_add();
	begin(0x2008);
	jump_reg(5, IR_RET, 0);
	engine_add();
	state()->r[1] = 50000;
	state()->r[5] = 0x1000; /* not 0x1008 */
	r = engine_run(0x1000, 1 << 20);
	CHECK_INT(r.pc, 0x8000);
	CHECK_INT(state()->r[0], 50000);
	CHECK(n_exits < 10);
	/* a stack of another time: returns find nothing there */
	emit_returns_forget(rig.em);
	state()->r[1] = 1;
	r = rig_run(engine_find(0x2008), 0x2008, 1);
	CHECK_INT(r.exit, EMIT_EXIT_BUDGET); /* the table knew 0x1000 */
	CHECK_INT(r.pc, 0x1000);
}

/* ---- helpers, pages, interrupts ---- */

static void helper_exit(int number)
{
	bool is_done = number == RIG_HELPER_LEAVE;
	struct rig_result r;

	engine_reset();
	begin(0x1000);
	add(0, 0, 1);
	next();
	ir_add(&block, IR_HELPER, IR_I64, IR_NONE, RIG_R(0), RIG_R(12))->imm = number;
	next();
	add(0, 0, 1);
	jump(0x2000);
	engine_add();
	for (int k = 0; k < 10000; k++) { /* more often than the return stack is deep */
		state()->r[0] = 3;
		r = engine_run(0x1000, 10);
		CHECK_INT(r.exit, EMIT_EXIT_HELPER);
		CHECK_INT(state()->r[0], 4);
		CHECK_INT(r.budget, is_done ? 8 : 9);
		CHECK_INT(r.pc, is_done ? 0x1044 : 0x1004);
	}
}

static void test_helper_exits(void)
{
	helper_exit(RIG_HELPER_LEAVE);
	helper_exit(RIG_HELPER_UNDO);
}

static void test_late_page(void)
{
	struct rig_result r;
	struct ir_insn *i;
	uint64_t value = 0x1122334455667788;

	engine_reset();
	begin(0x1000);
	ir_add(&block, IR_STORE, IR_I64, IR_NONE, RIG_R(1), RIG_R(2));
	next();
	i = ir_add(&block, IR_LOAD, IR_I32, RIG_R(3), RIG_R(1), IR_NONE);
	i->flags = IR_SX;
	i->imm = 4;
	next();
	jump(0x2000);
	engine_add();
	state()->r[1] = RIG_LATE + 16;
	state()->r[2] = value;
	rig.accesses = 0;
	rig.is_late_mapped = true;
	r = engine_run(0x1000, 10);
	rig.is_late_mapped = false;
	CHECK_INT(r.pc, 0x2000);
	CHECK_INT(rig.accesses, 1);
	CHECK_INT(state()->r[3], 0x11223344);
	rig_unmap();
	r = engine_run(0x1000, 10);
	CHECK_INT(r.exit, EMIT_EXIT_ACCESS);
	CHECK_INT(r.pc, 0x1000);
	CHECK_INT(r.budget, 10);
	CHECK_INT(state()->r[5], 0);
	/* whoever ends the run may have delivered an exception already */
	rig.leave_pc = 0xe000;
	r = engine_run(0x1000, 10);
	rig.leave_pc = 0;
	CHECK_INT(r.exit, EMIT_EXIT_ACCESS);
	CHECK_INT(r.pc, 0xe000);
	CHECK_INT(state()->r[5], 0x55);
	CHECK_INT(r.budget, 10);
}

/* Bases near the window's borders; addresses that leave it by their displacement fault like others. */
static void test_window_borders(void)
{
	static const struct {
		uint64_t base;
		uint32_t exit;
	} cases[] = {
		{ (1ULL << RIG_WINDOW_BITS) - 8, EMIT_EXIT_ACCESS },
		{ 1ULL << RIG_WINDOW_BITS, EMIT_EXIT_STEP },
		{ 0 - (1ULL << RIG_WINDOW_BITS), EMIT_EXIT_ACCESS },
		{ 0 - (1ULL << RIG_WINDOW_BITS) - 1, EMIT_EXIT_STEP },
		{ UINT64_MAX, EMIT_EXIT_ACCESS },
		{ INT64_MAX, EMIT_EXIT_STEP },
		{ 1ULL << 63, EMIT_EXIT_STEP },
		{ 1ULL << 47, EMIT_EXIT_STEP },
		{ 1ULL << (RIG_WINDOW_BITS + 1), EMIT_EXIT_STEP },
	};
	struct ir_insn *i;

	engine_reset();
	begin(0x1000);
	add(4, 4, 1);
	next();
	i = ir_add(&block, IR_LOAD, IR_I64, RIG_R(3), RIG_R(1), IR_NONE);
	i->imm = 0x3fffffff;
	next();
	jump(0x2000);
	engine_add();
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		struct rig_result r;

		state()->r[1] = cases[k].base;
		r = engine_run(0x1000, 10);
		CHECK_INT(r.exit, cases[k].exit);
		CHECK_INT(r.pc, 0x1004);
		CHECK_INT(r.budget, 9);
	}
}

static void timer(unsigned int us)
{
	struct itimerval it = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &it, NULL);
}

/* Loops with and without helpers, under a rain of signals: every instruction counted, none done twice. */
static void test_interrupts(void)
{
	const uint64_t want = 3000000 / TEST_SLOWDOWN;
	unsigned int n_interrupts = 0;
	uint64_t insns = 0;
	uint64_t pc = 0x1000;
	struct ir_insn *i;

	engine_reset();
	loop_block(0x1000);
	engine_add();
	begin(0x100c);
	i = ir_add(&block, IR_HELPER, IR_I64, RIG_R(12), RIG_R(0), RIG_R(2));
	i->imm = RIG_HELPER_SUM;
	next();
	ir_add_imm(&block, IR_MOV, IR_I64, RIG_R(1), IR_NONE, 2);
	next();
	jump(0x1000);
	engine_add();
	state()->r[1] = 1;
	rig.is_interrupting = true;
	timer(100);
	while (insns < want) {
		struct rig_result r = engine_run(pc, 1 << 30);

		CHECK_INT(r.exit, EMIT_EXIT_BUDGET);
		CHECK_INT(r.budget, (1 << 30) - (int64_t)r.insns);
		insns += r.insns;
		pc = r.pc;
		n_interrupts++;
	}
	timer(0);
	rig.is_interrupting = false;
	CHECK(n_interrupts > 1);
	/* a turn is 2 loops of 3 and 3 more, the first 1 loop less: r0 counts the loops */
	{
		uint64_t turns = (insns + 3) / 9;
		uint64_t rest = (insns + 3) % 9;

		CHECK_INT(state()->r[0], turns * 2 + (rest < 6 ? rest / 3 : 2) - 1);
		CHECK_INT(rest % 3, 0);
	}
	printf("%u interrupts\n", n_interrupts);
}

/* ---- an interrupt at every single host instruction ---- */

static volatile unsigned int steps_left;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (steps_left-- == 0) {
		emit_interrupt(rig.em, uc);
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100LL;
	}
}

/* From here on every instruction traps, until on_trap() ends it. */
static void trap_flag_set(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "pushfq\n\t"
			 "orq $0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
				 : "memory", "cc");
}

/* r0 += 1; a helper; call 0x2000: r1 += 1, return; back */
static void busy_blocks(void)
{
	struct ir_insn *i;

	begin(0x1000);
	add(0, 0, 1);
	next();
	i = ir_add(&block, IR_HELPER, IR_I64, RIG_R(12), RIG_R(0), RIG_R(2));
	i->imm = RIG_HELPER_SUM;
	next();
	call(0x2000, 0x100c);
	engine_add();
	begin(0x2000);
	add(1, 1, 1);
	next();
	ir_add_imm(&block, IR_MOV, IR_I64, RIG_R(3), IR_NONE, 0x100c);
	jump_reg(3, IR_RET, 0);
	engine_add();
	begin(0x100c);
	jump(0x1000);
	engine_add();
}

/* The same turns of 6 instructions, with nothing but jumps. */
static void plain_blocks(void)
{
	begin(0x1000);
	next();
	add(0, 0, 1);
	next();
	jump(0x2000);
	engine_add();
	begin(0x2000);
	add(1, 1, 1);
	next();
	jump(0x100c);
	engine_add();
	begin(0x100c);
	jump(0x1000);
	engine_add();
}

/* The run's instructions are counted, and a turn's 3, 2 and 1 are whole. */
static void check_turns(const struct rig_result *r, int64_t budget)
{
	uint64_t turns = r->insns / 6;

	CHECK_INT(r->exit, EMIT_EXIT_BUDGET);
	CHECK(r->insns < 10000); /* the interrupt was not lost */
	CHECK_INT(r->budget, budget - (int64_t)r->insns);
	CHECK_INT(state()->r[0], turns + (r->insns % 6 >= 3));
	CHECK_INT(state()->r[1], turns + (r->insns % 6 >= 5));
}

static void interrupt_anywhere(void (*blocks_add)(void), unsigned int steps)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_sigaction = on_trap };
	struct sigaction old;
	uint64_t most = 0;

	engine_reset();
	blocks_add();
	engine_run(0x1000, 1000); /* all is linked now */
	sigaction(SIGTRAP, &sa, &old);
	/* sanitizers make the way in longer */
	steps *= TEST_SLOWDOWN > 1 ? 4 : 1;
	for (unsigned int n = 0; n < steps; n += 1 + (TEST_SLOWDOWN - 1) * 4) {
		const int64_t budget = 1 << 20;
		struct rig_result r;

		memset(state(), 0, sizeof(*state()));
		steps_left = n;
		trap_flag_set();
		r = rig_run(engine_find(0x1000), 0x1000, budget);
		check_turns(&r, budget);
		most = r.insns > most ? r.insns : most;
	}
	sigaction(SIGTRAP, &old, NULL);
	CHECK(most >= 6);
}

static void test_interrupt_anywhere(void)
{
	interrupt_anywhere(busy_blocks, 450);
	interrupt_anywhere(plain_blocks, 250);
}

/* One that comes while nothing runs ends the next run before it begins. */
static void test_early_interrupt(void)
{
	struct rig_result r;

	engine_reset();
	loop_block(0x1000);
	engine_add();
	state()->r[1] = 2;
	rig.is_interrupting = true;
	raise(SIGALRM);
	rig.is_interrupting = false;
	r = engine_run(0x1000, 100);
	CHECK_INT(r.exit, EMIT_EXIT_BUDGET);
	CHECK_INT(r.budget, 100);
	CHECK_INT(r.pc, 0x1000);
	r = engine_run(0x1000, 100);
	CHECK_INT(r.pc, 0x100c);
}

/* ---- --bench ---- */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct ir_block many[400];

/* Emit all of them again and again; they have @p n of what is counted. */
static void bench_many(const char *name, uint64_t n, const char *counted)
{
	enum { ROUNDS = 100 };
	uint64_t bytes = 0;
	double t = now_s();

	for (unsigned int round = 0; round < ROUNDS; round++) {
		rig_reset();
		for (size_t k = 0; k < ARRAY_SIZE(many); k++) {
			struct emit_code code;

			if (emit_block(rig.em, &many[k], &code) == 0) {
				bytes += code.bytes;
			}
		}
	}
	t = now_s() - t;
	printf("%-24s %6.1f ns and %5.1f bytes per %s\n", name, t * 1e9 / (double)(n * ROUNDS),
	       (double)bytes / (double)(n * ROUNDS), counted);
}

static void bench_kind(const char *name, uint32_t kinds)
{
	struct rng r = { 42 };
	uint64_t ops = 0;

	for (size_t k = 0; k < ARRAY_SIZE(many); k++) {
		random_block(&r, kinds, &many[k]);
		ops += many[k].n_insns;
	}
	bench_many(name, ops, "operation");
}

/* What compilers' code looks like: adds, loads, stores, compares, short blocks. */
static void typical_block(struct rng *r)
{
	begin(rng_next(r) & ~3ULL);
	for (unsigned int n = 2 + rng_below(r, 6); n-- > 0;) {
		unsigned int d = rng_below(r, 12);
		unsigned int a = rng_below(r, 12);
		unsigned int b = rng_below(r, 12);
		struct ir_insn *i;

		switch (rng_below(r, 8)) {
		case 0:
		case 1:
			add(d, a, (int64_t)rng_below(r, 64) - 32);
			break;
		case 2:
			ir_add(&block, IR_ADD, IR_I32, RIG_R(d), RIG_R(a), RIG_R(b))->flags = IR_SX;
			break;
		case 3:
			ir_add_imm(&block, IR_SHL, IR_I64, RIG_R(d), RIG_R(a), 3);
			break;
		case 4:
		case 5:
			i = ir_add(&block, IR_LOAD, IR_I64, RIG_R(d), RIG_R(9), IR_NONE);
			i->imm = rng_below(r, 64);
			break;
		case 6:
			i = ir_add(&block, IR_STORE, IR_I32, IR_NONE, RIG_R(9), RIG_R(b));
			i->imm = rng_below(r, 64);
			break;
		default:
			ir_add(&block, IR_XOR, IR_I64, RIG_R(d), RIG_R(a), RIG_R(b));
		}
		next();
	}
	branch(IR_NE, 3, 0, 0x4000);
}

static void bench_typical(void)
{
	struct rng r = { 7 };
	uint64_t guests = 0;

	for (size_t k = 0; k < ARRAY_SIZE(many); k++) {
		typical_block(&r);
		many[k] = block;
		guests += block.n_guests;
	}
	bench_many("like a compiler's code", guests, "guest instruction");
}

/* Runs: ways in and out, and loops with everything linked. */
static void bench_run(const char *name, uint64_t pc, int64_t insns, unsigned int rounds)
{
	double t;

	engine_run(pc, 10000);
	t = now_s();
	for (unsigned int n = 0; n < rounds; n++) {
		state()->r[0] = 0;
		state()->r[1] = UINT64_MAX;
		state()->r[2] = RIG_RAM_LOW;
		engine_run(pc, insns);
	}
	t = now_s() - t;
	printf("%-24s %8.3f ns per guest instruction\n", name,
	       t * 1e9 / ((double)insns * (double)rounds));
}

static void bench_runs(void)
{
	struct ir_insn *i;

	engine_reset();
	loop_block(0x1000);
	engine_add();
	bench_run("enter and leave (3)", 0x1000, 3, 1000000);
	bench_run("counting loop", 0x1000, 300000000, 1);

	engine_reset();
	begin(0x1000);
	ir_add(&block, IR_LOAD, IR_I64, RIG_R(3), RIG_R(2), IR_NONE);
	next();
	ir_add(&block, IR_ADD, IR_I64, RIG_R(0), RIG_R(0), RIG_R(3));
	next();
	i = ir_add(&block, IR_STORE, IR_I64, IR_NONE, RIG_R(2), RIG_R(0));
	i->imm = 8;
	next();
	add(1, 1, -1);
	next();
	branch(IR_NE, 1, 0, 0x1000);
	engine_add();
	bench_run("load, add, store loop", 0x1000, 300000000, 1);

	engine_reset();
	begin(0x1000);
	call(0x2000, 0x1004);
	engine_add();
	begin(0x1004);
	jump(0x1000);
	engine_add();
	begin(0x2000);
	ir_add_imm(&block, IR_MOV, IR_I64, RIG_R(3), IR_NONE, 0x1004);
	jump_reg(3, IR_RET, 0);
	engine_add();
	bench_run("call and return", 0x1000, 30000000, 1);

	engine_reset();
	begin(0x1000);
	ir_add_imm(&block, IR_XOR, IR_I64, RIG_R(3), RIG_R(3), 0x3000);
	jump_reg(3, 0, 0);
	engine_add();
	begin(0x2000);
	ir_add_imm(&block, IR_XOR, IR_I64, RIG_R(3), RIG_R(3), 0x3000);
	jump_reg(3, 0, 0);
	engine_add();
	state()->r[3] = 0x1000;
	bench_run("indirect jumps", 0x1000, 30000000, 1);

	engine_reset();
	begin(0x1000);
	i = ir_add(&block, IR_HELPER, IR_I64, RIG_R(3), RIG_R(0), RIG_R(2));
	i->imm = RIG_HELPER_SUM;
	jump(0x1000);
	engine_add();
	bench_run("helper", 0x1000, 30000000, 1);
}

static int bench(void)
{
	bench_runs();
	bench_kind("integer operations", RANDOM_INT);
	bench_kind("with memory", RANDOM_INT | RANDOM_MEMORY);
	bench_kind("floating point", RANDOM_FP);
	bench_typical();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "budget at every entry", test_budget },
		{ "links", test_links },
		{ "links through the table", test_lookups },
		{ "killed blocks", test_kill },
		{ "full code memory", test_full },
		{ "indirect jumps", test_indirect },
		{ "calls and returns", test_recursion },
		{ "calls that never return", test_endless_calls },
		{ "returns to elsewhere", test_mismatched_returns },
		{ "helpers that end a run", test_helper_exits },
		{ "a page mapped at its first access", test_late_page },
		{ "borders of the window", test_window_borders },
		{ "interrupts", test_interrupts },
		{ "an interrupt at every host instruction", test_interrupt_anywhere },
		{ "an interrupt before the run", test_early_interrupt },
	};

	rig_init();
	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		return bench();
	}
	return test_main(cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Regions against the evaluator: random blocks with random edges between them, optimised and emitted, from random states.
 * The evaluator runs the blocks as they were. Where a region leaves for one of its own blocks (a guard failed), that block's
 * own code goes on, as the engine would have it.
 */
#include "test.h"
#include "test_dbt_ir_random.h"

#define BLOCKS_MAX 6u
#define STATES	   4u /* per region */
#define FAR_AWAY   0x7000000000ULL
#define BLOCK_PC   0x10000ULL

static struct ir_eval want;
static struct ir_block before[BLOCKS_MAX], after[BLOCKS_MAX];
static struct ir_region region;
static struct opt_work work;
static const void *entries[BLOCKS_MAX]; /* of blocks by themselves; 0: of the region */
static uint64_t n_regions, n_through;	/* runs that went through more than one block */

/* The block at an address, or BLOCKS_MAX. */
static size_t block_at(uint64_t pc)
{
	for (size_t k = 0; k < region.n; k++) {
		if (before[k].pc == pc) {
			return k;
		}
	}
	return BLOCKS_MAX;
}

static uint64_t some_pc(struct rng *r)
{
	return rng_pct(r, 85) ? BLOCK_PC * (1 + rng_below(r, (uint32_t)region.n)) : FAR_AWAY;
}

/* Move a block to its address, and make its end lead to others. */
static void place_block(struct rng *r, size_t k)
{
	struct ir_block *b = &before[k];
	struct ir_insn *end = &b->insns[b->n_insns - 1];
	uint64_t pc = BLOCK_PC * (1 + k);

	for (size_t g = 0; g < b->n_guests; g++) {
		b->guests[g].pc += pc - b->pc;
	}
	b->pc = pc;
	b->target = end->flags & IR_CALL ? FAR_AWAY : some_pc(r);
	b->next = rng_pct(r, 50) ? BLOCK_PC * (2 + k) : some_pc(r);
	if (end->op == IR_STEP && rng_pct(r, 80)) {
		end->op = IR_JUMP;
	}
}

static bool emit_all(void)
{
	struct emit_code code;

	for (size_t k = 0; k < region.n; k++) {
		entries[k] = rig_emit(&before[k]);
		if (!entries[k]) {
			return false;
		}
	}
	if (emit_region(rig.em, &region, entries[0], &code) < 0) {
		return false;
	}
	entries[0] = code.entry;
	return true;
}

static void random_region(struct rng *r, uint32_t kinds)
{
	const char *why;

	region.n = 1 + rng_below(r, BLOCKS_MAX);
	for (size_t k = 0; k < region.n; k++) {
		random_block(r, kinds, &before[k]);
		place_block(r, k);
		after[k] = before[k];
		region.blocks[k].b = &after[k];
	}
	work.cfg = rig_opt_config;
	ir_region_connect(&region);
	opt_region(&work, &region);
	for (size_t k = 0; k < region.n; k++) {
		if (!ir_block_check(&after[k], rig_regs, RIG_REGS, &why)) {
			printf("an optimised block is wrong: %s\n", why);
			test_failures++;
		}
	}
	if (!emit_all()) {
		rig_reset();
		CHECK(emit_all());
	}
}

/* Run until something else than a jump inside of the region. */
static struct rig_result run_region(int64_t budget)
{
	struct rig_result got;
	uint64_t insns = 0;
	uint64_t pc = BLOCK_PC;

	do {
		got = rig_run(entries[block_at(pc)], pc, budget);
		insns += got.insns;
		budget = got.budget;
		pc = got.pc;
		rig.cpu->env.fp_control = got.fp;
	} while (got.exit == EMIT_EXIT_JUMP && block_at(pc) < BLOCKS_MAX);
	got.insns = insns;
	return got;
}

static struct rig_result eval_region(int64_t budget)
{
	struct rig_result r;
	uint64_t insns = 0;
	unsigned int n = 0;
	size_t k = 0;

	do {
		r = ir_eval_block(&want, &before[k], budget);
		insns += r.insns;
		budget = r.budget;
		k = block_at(r.pc);
		n++;
	} while (r.exit == EMIT_EXIT_JUMP && k < BLOCKS_MAX);
	n_through += n > 1;
	r.insns = insns;
	return r;
}

static void print_blocks(const char *when, const struct ir_block *blocks)
{
	char line[200];

	for (size_t k = 0; k < region.n; k++) {
		printf("%s block %zu: next %" PRIx64 " target %" PRIx64 "\n", when, k,
		       blocks[k].next, blocks[k].target);
		for (size_t n = 0; n < blocks[k].n_insns; n++) {
			ir_insn_print(&blocks[k].insns[n], rig_regs, RIG_REGS, line, sizeof(line));
			printf("  %2u  %s%s\n", (unsigned int)blocks[k].insns[n].guest, line,
			       blocks[k].insns[n].flags & IR_SAFE ? "  safe" : "");
		}
	}
}

static bool run_once(struct rng *r)
{
	struct rig_result got;
	struct rig_result expected;
	struct rig_state start;
	int64_t budget = rng_below(r, 200);

	random_state(r, &want);
	want.w.device = rig.device;
	start = want.s;
	rig.cpu->s = want.s;
	rig.cpu->env.fp_control = want.fp;
	got = run_region(budget);
	expected = eval_region(budget);
	if (got.exit == EMIT_EXIT_JUMP && expected.exit == EMIT_EXIT_INDIRECT) {
		got.exit = EMIT_EXIT_INDIRECT; /* the address was a number */
	}
	if (want.is_border && (got.exit == EMIT_EXIT_STEP || got.exit == EMIT_EXIT_ACCESS) &&
	    (expected.exit == EMIT_EXIT_STEP || expected.exit == EMIT_EXIT_ACCESS)) {
		got.exit = expected.exit;
	}
	if (ir_eval_is_same(&want, got, expected)) {
		return true;
	}
	print_blocks("before", before);
	print_blocks("after", after);
	for (unsigned int i = 0; i < RIG_INTS; i++) {
		printf("  r%-2u %016" PRIx64 "  f%-2u %016" PRIx64 "\n", i, start.r[i], i,
		       start.f[i]);
	}
	test_failures++;
	return false;
}

static void random_regions(uint64_t seed, uint32_t kinds, uint64_t n)
{
	struct rng r = { seed };

	for (uint64_t k = 0; k < n && !test_failures; k++) {
		random_region(&r, kinds);
		for (unsigned int s = 0; s < STATES && !test_failures; s++) {
			if (!run_once(&r)) {
				printf("region %" PRIu64 " of seed %" PRIu64 "\n", k, seed);
			}
		}
		n_regions++;
	}
}

static void test_integers(void)
{
	random_regions(11, RANDOM_INT, 20000 / TEST_SLOWDOWN);
}

static void test_memory(void)
{
	random_regions(12, RANDOM_INT | RANDOM_MEMORY, 20000 / TEST_SLOWDOWN);
}

static void test_fp(void)
{
	random_regions(13, RANDOM_FP, 20000 / TEST_SLOWDOWN);
}

static void test_everything(void)
{
	random_regions(14, RANDOM_INT | RANDOM_FLAGS | RANDOM_MEMORY | RANDOM_FP | RANDOM_HELPER,
		       20000 / TEST_SLOWDOWN);
	CHECK(n_through > n_regions);
	printf("%" PRIu64 " regions, %u states each, %" PRIu64 " runs of more than a block\n",
	       n_regions, STATES, n_through);
}

/* How many maps of registers there are after a region that counts a register up in a loop. */
static uint64_t count_maps(ir_val reg)
{
	struct emit_part parts[EMIT_PARTS];
	struct ir_block *b = &before[0];

	ir_block_init(b, BLOCK_PC);
	for (uint64_t n = 0; n < 8; n++) {
		CHECK(ir_guest_begin(b, BLOCK_PC + n * 4, 4));
		ir_add_imm(b, IR_ADD, IR_I64, reg, reg, 1);
	}
	ir_guest_begin(b, BLOCK_PC + 32, 4);
	ir_add(b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	b->next = BLOCK_PC + 36;
	b->target = BLOCK_PC;
	region.n = 1;
	region.blocks[0].b = b;
	ir_region_connect(&region);
	CHECK(emit_all());
	emitter_parts(rig.em, parts);
	return parts[EMIT_PARTS - 1].n;
}

static void test_maps(void)
{
	uint64_t first;

	emitter_reset(rig.em);
	first = count_maps(RIG_R(0));
	CHECK_INT(count_maps(RIG_R(0)), first); /* it is in a host register anyway */
	CHECK_INT(count_maps(RIG_R(RIG_INTS - 1)), first + 1);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "integer operations", test_integers },
		{ "memory", test_memory },
		{ "floating point", test_fp },
		{ "all together", test_everything },
		{ "maps", test_maps },
	};

	rig_init();
	return test_main(cases, ARRAY_SIZE(cases));
}

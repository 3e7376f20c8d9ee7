// SPDX-License-Identifier: GPL-2.0-or-later
/* The emitter against the evaluator: random blocks from random states, everything that a guest can see compared. */
#include "test.h"
#include "test_dbt_ir_random.h"

#define STATES 4u /* per block */

static struct ir_eval want;
static uint64_t n_blocks;

static void print_block(const struct ir_block *b)
{
	char line[200];

	for (size_t k = 0; k < b->n_insns; k++) {
		ir_insn_print(&b->insns[k], rig_regs, RIG_REGS, line, sizeof(line));
		printf("  %2u  %s\n", (unsigned int)b->insns[k].guest, line);
	}
}

static void print_state(const char *when, const struct rig_state *s, uint32_t fp)
{
	printf("%s: fp=%x\n", when, fp);
	for (unsigned int i = 0; i < RIG_INTS; i++) {
		printf("  r%-2u %016" PRIx64 "  f%-2u %016" PRIx64 "\n", i, s->r[i], i, s->f[i]);
	}
	printf("  bits %d %d %d %d\n", s->bits[0], s->bits[1], s->bits[2], s->bits[3]);
}

static bool run_once(struct rng *r, const struct ir_block *b, const void *code)
{
	struct rig_state before;
	struct rig_result got;
	struct rig_result expected;
	uint32_t fp;
	int64_t budget = (int64_t)b->n_guests + (rng_pct(r, 5) ? -1 : (int64_t)rng_below(r, 9));

	random_state(r, &want);
	want.w.device = rig.device;
	before = want.s;
	fp = want.fp;
	rig.cpu->s = want.s;
	rig.cpu->env.fp_control = want.fp;
	got = rig_run(code, b->pc, budget);
	expected = ir_eval_block(&want, b, budget);
	if (b->insns[b->n_insns - 1].op == IR_JUMP_REG && got.exit == EMIT_EXIT_JUMP) {
		/* an earlier call left the very address to return to, or the address was a number */
		got.exit = EMIT_EXIT_INDIRECT;
	}
	if (want.is_border && got.exit == EMIT_EXIT_STEP && expected.exit == EMIT_EXIT_ACCESS) {
		got.exit = EMIT_EXIT_ACCESS;
	}
	if (want.is_border && got.exit == EMIT_EXIT_ACCESS && expected.exit == EMIT_EXIT_STEP) {
		got.exit = EMIT_EXIT_STEP;
	}
	if (ir_eval_is_same(&want, got, expected)) {
		return true;
	}
	print_block(b);
	print_state("before", &before, fp);
	test_failures++;
	return false;
}

static void random_blocks(uint64_t seed, uint32_t kinds, uint64_t n)
{
	static struct ir_block b;
	struct rng r = { seed };
	const void *code;

	for (uint64_t k = 0; k < n; k++) {
		struct rng start = r;

		random_block(&r, kinds, &b);
		code = rig_emit(&b);
		if (!code) {
			rig_reset();
			code = rig_emit(&b);
		}
		for (unsigned int s = 0; s < STATES; s++) {
			if (!run_once(&r, &b, code)) {
				printf("block %" PRIu64 " of seed %" PRIu64 ", from 0x%" PRIx64
				       "\n",
				       k, seed, start.s);
				return;
			}
		}
		n_blocks++;
	}
}

static void test_integers(void)
{
	random_blocks(1, RANDOM_INT, 60000 / TEST_SLOWDOWN);
}

static void test_flags(void)
{
	random_blocks(2, RANDOM_INT | RANDOM_FLAGS, 40000 / TEST_SLOWDOWN);
}

static void test_memory(void)
{
	random_blocks(3, RANDOM_INT | RANDOM_MEMORY, 40000 / TEST_SLOWDOWN);
}

static void test_fp(void)
{
	random_blocks(4, RANDOM_FP, 60000 / TEST_SLOWDOWN);
}

static void test_everything(void)
{
	random_blocks(5, RANDOM_INT | RANDOM_FLAGS | RANDOM_MEMORY | RANDOM_FP | RANDOM_HELPER,
		      60000 / TEST_SLOWDOWN);
	CHECK(!rig.has_foreign_mode);
	printf("%" PRIu64 " blocks, %u states each\n", n_blocks, STATES);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "integer operations", test_integers },
		{ "flags", test_flags },
		{ "memory", test_memory },
		{ "floating point", test_fp },
		{ "all together", test_everything },
	};

	rig_init();
	return test_main(cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tiny front end in hot loops: flags that nobody sees are not computed, registers and flags are exact in the middle of a
 * region, at the end of any number of instructions and at a fault, and code that the guest changes is the new one. And what
 * random operands hardly ever meet. What is right Unicorn says, one instruction at a time.
 */
#include "../../unit/test.h"
#include "../../unit/test_engine_side.h"
#include "engine/dbt/dbt_engine.h"
#include "engine/dbt/opt/opt.h"
#include "engine/unicorn/unicorn_engine.h"
#include "tiny.h"

#define CODE_GPA   0x40000000ULL
#define DATA_GPA   0x40010000ULL /* nothing is before and behind it */
#define DATA_BYTES 4096u
#define X_GIVEN	   6u

static struct side tiny, referee;

static bool open_side(struct side *s, const struct engine_ops *ops)
{
	if (!side_open(s, ops, (struct engine_config){ .arch = &a64_arch })) {
		return false;
	}
	s->ram = side_add_ram(s, CODE_GPA, DATA_BYTES);
	s->data = side_add_ram(s, DATA_GPA, DATA_BYTES);
	return true;
}

/* Both sides begin with the same; x0 to x5 as given. */
static void start(struct side *s, const uint32_t *code, size_t n, const uint64_t x[X_GIVEN])
{
	struct cpu_mode mode = { 0 };
	struct cpu_state st;
	struct errmsg e = { "" };

	a64_arch.reset(&st, &mode);
	a64_arch.set_pc(&st, CODE_GPA);
	memcpy(a64_state(&st)->x, x, X_GIVEN * sizeof(x[0]));
	for (size_t k = 0; k < n; k++) {
		store_le(s->ram + 4 * k, code[k], 4);
	}
	for (uint32_t k = 0; k < DATA_BYTES; k += 4) {
		store_le(s->data + k, k * 0x9e3779b9u, 4);
	}
	s->eng->ops->code_changed(s->eng, CODE_GPA, 4 * n);
	CHECK_INT(s->eng->ops->set_state(s->eng, &st, &e), 0);
	s->insns = 0;
}

/* @return x0 */
static uint64_t compare(const struct vm_exit *a, const struct vm_exit *b)
{
	struct cpu_state one = { 0 };
	struct cpu_state two = { 0 };
	struct errmsg e = { "" };

	tiny.eng->ops->get_state(tiny.eng, &one, &e);
	referee.eng->ops->get_state(referee.eng, &two, &e);
	CHECK_INT(a->kind, b->kind);
	CHECK_INT(a->fault.kind, b->fault.kind);
	CHECK_INT(tiny.insns, referee.insns);
	CHECK_INT(a64_state(&one)->pc, a64_state(&two)->pc);
	for (size_t k = 0; k < 31; k++) {
		CHECK_INT(a64_state(&one)->x[k], a64_state(&two)->x[k]);
	}
	CHECK_INT(a64_state(&one)->pstate, a64_state(&two)->pstate);
	CHECK(memcmp(tiny.data, referee.data, DATA_BYTES) == 0);
	return a64_state(&one)->x[0];
}

/* At full speed, and one by one. @return how it ended */
static struct vm_exit run_both(const uint32_t *code, size_t n, const uint64_t x[X_GIVEN],
			       uint64_t want_x0)
{
	struct vm_exit a;
	struct vm_exit b;

	start(&tiny, code, n, x);
	start(&referee, code, n, x);
	a = side_run(&tiny, 100000, UINT64_MAX);
	b = side_run(&referee, 100000, 1);
	CHECK_INT(compare(&a, &b), want_x0);
	return a;
}

/* ---- flags ---- */

/* How many flags a block computes. */
static unsigned int count_flags(const struct ir_block *b, const char *title)
{
	unsigned int n = 0;
	char line[200];

	printf("%s:\n", title);
	for (size_t k = 0; k < b->n_insns; k++) {
		const struct ir_insn *i = &b->insns[k];
		const struct ir_flag_regs *r = &b->flag_regs[i->aux];

		ir_insn_print(i, tiny_regs, TINY_REGS, line, sizeof(line));
		printf("  %s", line);
		if (i->op == IR_FLAGS) {
			const ir_val vals[] = { r->n, r->z, r->c, r->v };

			printf(" -> ");
			for (size_t f = 0; f < ARRAY_SIZE(vals); f++) {
				printf("%s", vals[f] == IR_NONE ? "" : tiny_regs[vals[f]].name);
				n += vals[f] != IR_NONE;
			}
		}
		printf("\n");
	}
	return n;
}

static void check_flags(const uint32_t *code, size_t n, unsigned int before, unsigned int after)
{
	static const struct opt_config cfg = { .regs = tiny_regs, .n_regs = TINY_REGS };
	static struct ir_block b;
	const char *why = "";
	uint8_t bytes[64];

	for (size_t k = 0; k < n; k++) {
		store_le(bytes + 4 * k, code[k], 4);
	}
	CHECK(tiny_ir_decode(CODE_GPA, bytes, 4 * n, IR_BLOCK_GUEST_MAX, &b));
	CHECK(ir_block_check(&b, tiny_regs, TINY_REGS, &why));
	CHECK_INT(count_flags(&b, "as decoded"), before);
	opt_block(&cfg, &b);
	CHECK_INT(count_flags(&b, "as optimised"), after);
}

static void test_flags(void)
{
	static const uint32_t dead[] = {
		0xab020020, /* adds x0, x1, x2 */
		0xba050083, /* adcs x3, x4, x5: wants the carry of it */
		0x6b0700df, /* cmp w6, w7 */
		0x54ffffab, /* b.lt . - 12 */
	};
	static const uint32_t seen[] = {
		0xab020020, /* adds x0, x1, x2 */
		0xf9400083, /* ldr x3, [x4]: may fault, then they are seen */
		0x6b0700df, /* cmp w6, w7 */
		0x54ffffab, /* b.lt . - 12 */
	};

	check_flags(dead, ARRAY_SIZE(dead), 12, 5);
	check_flags(seen, ARRAY_SIZE(seen), 8, 8);
}

/* ---- loops ---- */

static const uint32_t walk[] = {
	0xb8404402, /* ldr w2, [x0], #4 */
	0x2b020021, /* adds w1, w1, w2 */
	0x1a833463, /* cinc w3, w3, cs */
	0x17fffffd, /* b . - 12 */
};

/* In stretches of all lengths, hot and cold. */
static void test_stops(void)
{
	const uint64_t x[X_GIVEN] = { DATA_GPA };
	unsigned int n = 0;

	start(&tiny, walk, ARRAY_SIZE(walk), x);
	start(&referee, walk, ARRAY_SIZE(walk), x);
	while (tiny.insns < 4000 && !test_failures) {
		struct vm_exit a = side_run(&tiny, 1 + n % 97, UINT64_MAX);
		struct vm_exit b = side_run(&referee, 1 + n % 97, 1);

		compare(&a, &b);
		n += 13;
	}
	CHECK(side_regions(&tiny) >= 1);
}

/* The load behind the last word faults, with x0 as it was; so does the interpreter's. */
static void test_fault(void)
{
	const uint64_t x[X_GIVEN] = { DATA_GPA };
	struct vm_exit a = run_both(walk, ARRAY_SIZE(walk), x, DATA_GPA + DATA_BYTES);

	CHECK_INT(a.kind, VM_EXIT_FAULT);
	CHECK_INT(a.fault.address, DATA_GPA + DATA_BYTES);
	CHECK(side_regions(&tiny) >= 1);
}

/*
 * A hot loop calls a function that writes one of its own instructions anew each time, and another one from some turn on. All
 * of it has been translated by then.
 */
static void test_patch(void)
{
	static const uint32_t code[] = {
		0x94000005, /* loop: bl leaf */
		0x8b010000, /* add x0, x0, x1 */
		0xf1000442, /* subs x2, x2, #1 */
		0x54ffffa1, /* b.ne loop */
		0x00000000, /* udf */
		0xf101905f, /* leaf: cmp x2, #100 */
		0x1a85d086, /* csel w6, w4, w5, le */
		0xb9000066, /* str w6, [x3] */
		0xd50b7b23, /* dc cvau, x3 */
		0xd5033b9f, /* dsb ish */
		0xd50b7523, /* ic ivau, x3 */
		0xd5033b9f, /* dsb ish */
		0xd5033fdf, /* isb */
		0x52800021, /* mov w1, #1, or #2 */
		0xd65f03c0, /* ret */
	};
	const uint64_t x[X_GIVEN] = { 0, 0, 200, CODE_GPA + 13 * 4, 0x52800041, code[13] };
	struct vm_exit a = run_both(code, ARRAY_SIZE(code), x, 100 + 2 * 100);

	CHECK_INT(a.kind, VM_EXIT_EXCEPTION);
	CHECK_INT(a.fault.kind, CPU_FAULT_ILLEGAL_INSN);
}

/* The product is just below the least normal number and becomes it: underflow, since it was tiny before it was rounded. */
static void test_tiny(void)
{
	static const uint32_t code[] = {
		0x9e670021, /* fmov d1, x1 */
		0x9e670042, /* fmov d2, x2 */
		0x1e620820, /* fmul d0, d1, d2 */
		0xd53b4423, /* mrs x3, fpsr */
		0x9e660000, /* fmov x0, d0 */
		0x00000000, /* udf */
	};
	const uint64_t x[X_GIVEN] = { 0, 0x20b91b752265b1f5, 0x1f44647b9ca9550b };

	run_both(code, ARRAY_SIZE(code), x, 0x0010000000000000);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "flags that nobody sees", test_flags },
		{ "stops in a hot loop", test_stops },
		{ "a fault in a hot loop", test_fault },
		{ "a patch in a hot loop", test_patch },
		{ "tiny before rounding", test_tiny },
	};

	if (!open_side(&tiny, &dbt_engine_ops) || !open_side(&referee, &unicorn_engine_ops)) {
		return 77;
	}
	return test_main(cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hot code on the whole engine: random programs with loops in loops, calls and branches, run by translated code in
 * stretches of random length, and by the interpreter one instruction at a time. Registers, memory, counts and faults agree at
 * the end of every stretch.
 */
#include <inttypes.h>

#include "test.h"
#include "test_dbt_hot_rig.h"

#define INSNS_MAX 30000u
#define PROGRAMS  (300u / TEST_SLOWDOWN)

static struct side hot, cold;
static uint64_t n_regions, n_faults;

static void test_programs(void)
{
	static struct program p;
	struct rng r = { 31 };

	p.r = &r;
	for (unsigned int n = 0; n < PROGRAMS; n++) {
		uint64_t seed = rng_next(&r);
		enum vm_exit_kind a = VM_EXIT_INSN_LIMIT;
		enum vm_exit_kind b = VM_EXIT_INSN_LIMIT;

		make_program(&p);
		start(&hot, &p, seed);
		start(&cold, &p, seed);
		while (a == VM_EXIT_INSN_LIMIT && hot.insns < INSNS_MAX) {
			uint64_t stretch = 1 + rng_below(&r, rng_pct(&r, 30) ? 50 : 6000);

			a = side_run(&hot, stretch, UINT64_MAX).kind;
			b = side_run(&cold, stretch, 1).kind;
			if (!is_same(&hot, a, &cold, b)) {
				printf("program %u\n", n);
				return;
			}
		}
		n_faults += a != VM_EXIT_INSN_LIMIT;
		n_regions += side_regions(&hot);
	}
	printf("%u programs, %" PRIu64 " regions, %" PRIu64 " faults\n", PROGRAMS, n_regions,
	       n_faults);
	CHECK(n_regions > PROGRAMS / 2);
	CHECK(n_faults > PROGRAMS / 20 && n_faults < PROGRAMS);
}

/* A register that a program is given. */
struct given {
	unsigned int reg;
	uint64_t value;
};

/* A program from the same registers on both sides. @return why the hot one ended */
static enum vm_exit_kind run_both(const uint32_t *code, size_t bytes, const struct given *given,
				  size_t n_given)
{
	static struct program p;
	struct side *const sides[] = { &hot, &cold };
	enum vm_exit_kind ends[2];

	p = (struct program){ 0 };
	memcpy(p.code, code, bytes);
	for (size_t k = 0; k < ARRAY_SIZE(sides); k++) {
		struct cpu_state st = { 0 };
		struct errmsg e = { "" };

		start(sides[k], &p, 1);
		sides[k]->eng->ops->get_state(sides[k]->eng, &st, &e);
		for (size_t i = 0; i < n_given; i++) {
			rv_state(&st)->x[given[i].reg] = given[i].value;
		}
		CHECK_INT(sides[k]->eng->ops->set_state(sides[k]->eng, &st, &e), 0);
		ends[k] = side_run(sides[k], 3000, k ? 1 : UINT64_MAX).kind;
	}
	is_same(&hot, ends[0], &cold, ends[1]);
	return ends[0];
}

/*
 * A hot loop calls a function that after a while changes an instruction behind the call: the call must not come back into
 * the old translation.
 */
static void test_patched_behind_call(void)
{
	static const uint32_t code[] = {
		0x00150513,			    /* loop: addi a0, a0, 1 */
		0x01c000ef,			    /* jal ra, leaf */
		0x00158593,			    /* addi a1, a1, 1: is changed to 2 and back */
		0xfff28293,			    /* addi t0, t0, -1 */
		0xfe0298e3,			    /* bnez t0, loop */
		0x0000006f,			    /* j . */
		0x00000013, 0x00000013, 0x0057ca63, /* leaf: blt a5, t0, out */
		0x00d64633,			    /* xor a2, a2, a3 */
		0x00c72423,			    /* sw a2, 8(a4) */
		0x0000100f,			    /* fence.i */
		0x00000013, 0x00008067,		    /* out: ret */
	};
	static const struct given given[] = {
		{ OUTER, 200 },	  { 12, 0x00158593 }, { 13, 0x00158593 ^ 0x00258593 },
		{ 14, CODE_GPA }, { 15, 50 },
	};

	run_both(code, sizeof(code), given, ARRAY_SIZE(given));
}

/* Loads across the end of a page: into RAM that no window maps yet, and into nothing, where they fault. */
static void test_across_pages(void)
{
	static const uint32_t code[] = {
		0xffc5a603, /* lw a2, -4(a1): the first page is mapped */
		0xffc5b683, /* ld a3, -4(a1) */
		0xffc73783, /* ld a5, -4(a4) */
	};
	static const struct given given[] = { { 11, DATA_GPA }, { 14, DATA_GPA + DATA_BYTES } };

	CHECK(run_both(code, sizeof(code), given, ARRAY_SIZE(given)) != VM_EXIT_INSN_LIMIT);
	CHECK_INT(hot.insns, 2);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "hot programs", test_programs },
		{ "an instruction behind a call is changed", test_patched_behind_call },
		{ "across pages", test_across_pages },
	};

	if (!hot_side_open(&hot) || !hot_side_open(&cold)) {
		return 77;
	}
	return test_main(cases, ARRAY_SIZE(cases));
}

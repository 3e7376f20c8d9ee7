/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floating point of RISC-V: the integer way against the host's unit in the modes that both have,
 * ties away from zero against exact products, conversions, comparison, and the host's control register.
 *
 * The integer way rounds in one place, by one switch over the five modes: agreeing with the host
 * in four of them, flags included, it is right in everything but the fifth case of that switch,
 * which is what the checks of ties are for. (tests/engine/riscv compares all five with qemu.)
 */
#include "test.h"

#include "base/bits.h"
#include "test_rv_float_values.h"

#define TRIALS (400000 / TEST_SLOWDOWN)

#define ONE_F32 0x3f800000u
#define INF_F32 0x7f800000u
#define INF_F64 0x7ff0000000000000u

static uint64_t rng = 20260701;

struct outcome {
	uint64_t value;
	uint32_t flags;
};

enum op { OP_ADD, OP_MUL, OP_DIV, OP_SQRT, OP_FMA, OP_COUNT };

static const char *const op_names[] = { "add", "mul", "div", "sqrt", "fma" };

static struct outcome calc(enum op op, bool is_soft, enum rv_width w, const struct rv_fma *in,
			   enum rv_round rm)
{
	struct outcome r = { 0, 0 };

	switch (op) {
	case OP_ADD:
		r.value =
			(is_soft ? rv_float_soft_add : rv_float_add)(w, in->a, in->b, rm, &r.flags);
		break;
	case OP_MUL:
		r.value =
			(is_soft ? rv_float_soft_mul : rv_float_mul)(w, in->a, in->b, rm, &r.flags);
		break;
	case OP_DIV:
		r.value =
			(is_soft ? rv_float_soft_div : rv_float_div)(w, in->a, in->b, rm, &r.flags);
		break;
	case OP_SQRT:
		r.value = (is_soft ? rv_float_soft_sqrt : rv_float_sqrt)(w, in->a, rm, &r.flags);
		break;
	default:
		r.value = (is_soft ? rv_float_soft_fma : rv_float_fma)(w, in, rm, &r.flags);
		break;
	}
	return r;
}

/* An addend that nearly cancels the product, so that all its bits matter. */
static void meet(enum rv_width w, struct rv_fma *in)
{
	uint32_t flags = 0;
	uint64_t p = rv_float_mul(w, in->a, in->b, RV_RNE, &flags);

	in->c = p ^ (w == RV_F64 ? BIT(63) : BIT(31)) ^ (rv_rand(&rng) & 1);
}

static bool is_same(enum op op, enum rv_width w, const struct rv_fma *in, enum rv_round rm)
{
	struct outcome soft = calc(op, true, w, in, rm);
	struct outcome host = calc(op, false, w, in, rm);

	if (soft.value == host.value && soft.flags == host.flags) {
		return true;
	}
	printf("f%s of %d bits, mode %d: %#" PRIx64 " %#" PRIx64 " %#" PRIx64
	       ": integer way %#" PRIx64 " flags %#x, host %#" PRIx64 " flags %#x\n",
	       op_names[op], w == RV_F64 ? 64 : 32, rm, in->a, in->b, in->c, soft.value, soft.flags,
	       host.value, host.flags);
	return false;
}

static void integer_way_equals_the_host(void)
{
	for (unsigned int n = 0; n < TRIALS; n++) {
		enum op op = (enum op)(n % OP_COUNT);
		enum rv_width w = n / OP_COUNT & 1 ? RV_F64 : RV_F32;
		struct rv_fma in = { rv_rand_float(&rng, w), rv_rand_float(&rng, w),
				     rv_rand_float(&rng, w) };

		if (op == OP_FMA && rv_below(&rng, 4) == 0) {
			meet(w, &in);
		}
		CHECK(is_same(op, w, &in, RV_RNE) && is_same(op, w, &in, RV_RTZ) &&
		      is_same(op, w, &in, RV_RDN) && is_same(op, w, &in, RV_RUP));
	}
}

static float single(uint64_t bits)
{
	uint32_t u = (uint32_t)bits;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

/* Products of singles are exact in a double, and so is the middle between neighbours. */
static void ties_of_products_go_away_from_zero(void)
{
	unsigned int n_ties = 0;

	for (unsigned int n = 0; n < TRIALS; n++) {
		uint64_t a = ONE_F32 | rv_rand_frac(&rng, 23);
		uint64_t b = ONE_F32 | (rv_rand_frac(&rng, 23) & ~(rv_rand(&rng) & 0xffff));
		uint64_t sign = rv_rand(&rng) & BIT(31);
		double exact = (double)single(a) * (double)single(b);
		uint32_t flags = 0;
		uint64_t low = rv_float_mul(RV_F32, a, b, RV_RTZ, &flags);
		double middle = ((double)single(low) + (double)single(low + 1)) / 2;
		uint64_t want = flags && exact >= middle ? low + 1 : low;
		uint32_t got_flags = 0;

		n_ties += flags && exact == middle;
		CHECK_INT(rv_float_mul(RV_F32, a | sign, b, RV_RMM, &got_flags), want | sign);
		CHECK_INT(got_flags, flags);
	}
	CHECK(n_ties > TRIALS / 1000);
}

/* Sum, quotient, root, fused and conversions at ties; 2^-n as a pattern is (1023 - n) << 52. */
static void ties_of_the_other_operations(void)
{
	const uint64_t one = 1023ULL << 52;
	const uint64_t half_ulp = 970ULL << 52; /* of 1: 2^-53 */
	const struct rv_fma f = { one, half_ulp, one };
	const struct rv_fma f_neg = { one | BIT(63), half_ulp, one | BIT(63) };
	uint32_t flags = 0;

	CHECK_INT(rv_float_add(RV_F64, one, half_ulp, RV_RNE, &flags), one);
	CHECK_INT(rv_float_add(RV_F64, one, half_ulp, RV_RMM, &flags), one + 1);
	CHECK_INT(rv_float_add(RV_F64, one + 2, half_ulp, RV_RMM, &flags), one + 3);
	CHECK_INT(rv_float_add(RV_F64, one, half_ulp - 1, RV_RMM, &flags), one);
	CHECK_INT(rv_float_sub(RV_F64, one | BIT(63), half_ulp, RV_RMM, &flags),
		  (one + 1) | BIT(63));
	CHECK_INT(rv_float_fma(RV_F64, &f, RV_RMM, &flags), one + 1);
	CHECK_INT(rv_float_fma(RV_F64, &f_neg, RV_RMM, &flags), (one + 1) | BIT(63));
	CHECK_INT(flags, RV_FLAG_NX);
	/* Half of the smallest subnormal. */
	flags = 0;
	CHECK_INT(rv_float_div(RV_F64, 1, 1024ULL << 52, RV_RNE, &flags), 0);
	CHECK_INT(rv_float_div(RV_F64, 1, 1024ULL << 52, RV_RMM, &flags), 1);
	CHECK_INT(flags, RV_FLAG_NX | RV_FLAG_UF);
	flags = 0;
	CHECK_INT(rv_float_convert(RV_F64, one | BIT(28), RV_RNE, &flags), ONE_F32);
	CHECK_INT(rv_float_convert(RV_F64, one | BIT(28), RV_RMM, &flags), ONE_F32 + 1);
	CHECK_INT(rv_float_from_int(RV_F32, 0x1000001, RV_INT_W, RV_RMM, &flags), 0x4b800001);
	CHECK_INT(rv_float_from_int(RV_F32, 0x1000001, RV_INT_W, RV_RNE, &flags), 0x4b800000);
	CHECK_INT(rv_float_to_int(RV_F64, 0x4004000000000000, RV_INT_L, RV_RMM, &flags), 3);
	CHECK_INT(rv_float_to_int(RV_F64, 0x4004000000000000, RV_INT_L, RV_RNE, &flags), 2);
	CHECK_INT(rv_float_to_int(RV_F64, 0xc004000000000000, RV_INT_L, RV_RMM, &flags), -3);
	/* The root of a number of 53 bits is never a tie: it would have a square of more bits. */
	CHECK_INT(rv_float_sqrt(RV_F64, 0x4010000000000000, RV_RMM, &flags), 0x4000000000000000);
}

static void conversions_saturate(void)
{
	static const struct {
		uint64_t a;
		enum rv_int_kind kind;
		enum rv_round rm;
		uint64_t want;
		uint32_t flags;
	} cases[] = {
		{ RV_NAN_F64, RV_INT_W, RV_RTZ, INT32_MAX, RV_FLAG_NV },
		{ RV_NAN_F64 | BIT(63), RV_INT_WU, RV_RTZ, UINT64_MAX, RV_FLAG_NV },
		{ RV_NAN_F64, RV_INT_L, RV_RTZ, INT64_MAX, RV_FLAG_NV },
		{ RV_NAN_F64, RV_INT_LU, RV_RTZ, UINT64_MAX, RV_FLAG_NV },
		{ INF_F64 | BIT(63), RV_INT_W, RV_RTZ, (uint64_t)INT32_MIN, RV_FLAG_NV },
		{ INF_F64 | BIT(63), RV_INT_LU, RV_RTZ, 0, RV_FLAG_NV },
		{ INF_F64, RV_INT_WU, RV_RTZ, UINT64_MAX, RV_FLAG_NV },
		{ 0xbff0000000000000, RV_INT_LU, RV_RTZ, 0, RV_FLAG_NV },	 /* -1 */
		{ 0xbfe0000000000000, RV_INT_WU, RV_RTZ, 0, RV_FLAG_NX },	 /* -0.5 */
		{ 0xbfe0000000000000, RV_INT_WU, RV_RDN, 0, RV_FLAG_NV },	 /* to -1 */
		{ 0x41dfffffffe00000, RV_INT_W, RV_RNE, INT32_MAX, RV_FLAG_NV }, /* .5 up */
		{ 0x41dfffffffe00000, RV_INT_W, RV_RTZ, INT32_MAX, RV_FLAG_NX }, /* 2^31 - .5 */
		{ 0xc1e0000000100000, RV_INT_W, RV_RTZ, (uint64_t)INT32_MIN, RV_FLAG_NX },
		{ 0xc3e0000000000000, RV_INT_L, RV_RTZ, (uint64_t)INT64_MIN, 0 }, /* -2^63 */
		{ 0x43e0000000000000, RV_INT_L, RV_RTZ, INT64_MAX, RV_FLAG_NV },  /* 2^63 */
		{ 0x43e0000000000000, RV_INT_LU, RV_RTZ, BIT(63), 0 },
		{ 0x43efffffffffffff, RV_INT_LU, RV_RUP, 0xfffffffffffff800, 0 },
		{ 0x43f0000000000000, RV_INT_LU, RV_RTZ, UINT64_MAX, RV_FLAG_NV }, /* 2^64 */
		{ 1, RV_INT_L, RV_RUP, 1, RV_FLAG_NX },
		{ BIT(63) | 1, RV_INT_L, RV_RDN, UINT64_MAX, RV_FLAG_NX },
		{ BIT(63), RV_INT_WU, RV_RDN, 0, 0 },
		{ 0x41efffffffe00000, RV_INT_WU, RV_RTZ, UINT64_MAX, 0 }, /* 2^32 - 1, extended */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t flags = 0;

		CHECK_INT(rv_float_to_int(RV_F64, cases[i].a, cases[i].kind, cases[i].rm, &flags),
			  cases[i].want);
		CHECK_INT(flags, cases[i].flags);
	}
}

static void infinity_times_zero_is_invalid_whatever_is_added(void)
{
	const struct rv_fma quiet = { INF_F32, 0, RV_NAN_F32 };
	const struct rv_fma number = { BIT(31), INF_F32, ONE_F32 };
	const struct rv_fma no_product = { ONE_F32, 0, RV_NAN_F32 };
	uint32_t flags = 0;

	CHECK_INT(rv_float_fma(RV_F32, &quiet, RV_RNE, &flags), RV_NAN_F32);
	CHECK_INT(flags, RV_FLAG_NV);
	flags = 0;
	CHECK_INT(rv_float_fma(RV_F32, &number, RV_RNE, &flags), RV_NAN_F32);
	CHECK_INT(flags, RV_FLAG_NV);
	flags = 0;
	CHECK_INT(rv_float_fma(RV_F32, &no_product, RV_RNE, &flags), RV_NAN_F32);
	CHECK_INT(flags, 0);
}

static void nans_are_canonical_and_lose_in_min_and_max(void)
{
	const uint64_t signalling = INF_F64 | 1;
	const uint64_t two = 1024ULL << 52;
	uint32_t flags = 0;

	CHECK_INT(rv_float_add(RV_F64, RV_NAN_F64 | BIT(63) | 5, two, RV_RNE, &flags), RV_NAN_F64);
	CHECK_INT(rv_float_min(RV_F64, RV_NAN_F64 | 7, two, &flags), two);
	CHECK_INT(rv_float_max(RV_F64, two, RV_NAN_F64 | 7, &flags), two);
	CHECK_INT(rv_float_max(RV_F64, RV_NAN_F64 | 7, RV_NAN_F64 | 9, &flags), RV_NAN_F64);
	CHECK_INT(flags, 0);
	CHECK_INT(rv_float_min(RV_F64, signalling, two, &flags), two);
	CHECK_INT(flags, RV_FLAG_NV);
	flags = 0;
	CHECK_INT(rv_float_min(RV_F64, signalling, RV_NAN_F64, &flags), RV_NAN_F64);
	CHECK_INT(flags, RV_FLAG_NV);
	CHECK_INT(rv_float_min(RV_F64, 0, BIT(63), &flags), BIT(63));
	CHECK_INT(rv_float_max(RV_F64, BIT(63), 0, &flags), 0);
	CHECK(rv_float_eq(RV_F64, BIT(63), 0, &flags));
	CHECK(!rv_float_lt(RV_F64, BIT(63), 0, &flags));
	CHECK(rv_float_le(RV_F64, 0, BIT(63), &flags));
	flags = 0;
	CHECK(!rv_float_eq(RV_F64, RV_NAN_F64, two, &flags));
	CHECK_INT(flags, 0);
	CHECK(!rv_float_eq(RV_F64, signalling, two, &flags));
	CHECK_INT(flags, RV_FLAG_NV);
	flags = 0;
	CHECK(!rv_float_le(RV_F64, RV_NAN_F64, RV_NAN_F64, &flags));
	CHECK_INT(flags, RV_FLAG_NV);
}

#ifdef __x86_64__
static uint32_t control(void)
{
	return __builtin_ia32_stmxcsr();
}

static void the_hosts_control_register_is_left_alone(void)
{
	const uint32_t before = control();
	const uint32_t odd = 0x1f80u | 2u << 13 | 0x20; /* upwards, an old flag */
	const struct rv_fma in = { ONE_F32, 0x3dcccccd, 0x3dcccccd };
	uint32_t flags = 0;

	__builtin_ia32_ldmxcsr(odd);
	for (enum rv_round rm = RV_RNE; rm <= RV_RMM; rm++) {
		for (enum op op = OP_ADD; op < OP_COUNT; op++) {
			calc(op, false, RV_F32, &in, rm);
			calc(op, false, RV_F64, &in, rm);
		}
		rv_float_to_int(RV_F32, in.b, RV_INT_L, rm, &flags);
		rv_float_convert(RV_F32, in.b, rm, &flags);
	}
	CHECK_INT(control(), odd);
	/* ... and does not decide: 1 + 0.1 to nearest. */
	flags = 0;
	CHECK_INT(rv_float_add(RV_F32, ONE_F32, 0x3dcccccd, RV_RNE, &flags), 0x3f8ccccd);
	CHECK_INT(flags, RV_FLAG_NX);
	__builtin_ia32_ldmxcsr(before);
}
#endif

static const struct test_case cases[] = {
	{ "integer_way_equals_the_host", integer_way_equals_the_host },
	{ "ties_of_products_go_away_from_zero", ties_of_products_go_away_from_zero },
	{ "ties_of_the_other_operations", ties_of_the_other_operations },
	{ "conversions_saturate", conversions_saturate },
	{ "infinity_times_zero_is_invalid_whatever_is_added",
	  infinity_times_zero_is_invalid_whatever_is_added },
	{ "nans_are_canonical_and_lose_in_min_and_max",
	  nans_are_canonical_and_lose_in_min_and_max },
#ifdef __x86_64__
	{ "the_hosts_control_register_is_left_alone", the_hosts_control_register_is_left_alone },
#endif
};

TEST_MAIN(cases)

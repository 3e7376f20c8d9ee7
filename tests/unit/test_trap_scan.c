/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Patches of engine `trap`, on every host: whatever a page holds and wherever it is entered, an instruction of the copy either is
 * the original's, and harmless, or traps.
 *
 * The oracle knows nothing of how pages are patched: it decodes with cpu/riscv/.
 */
#include "cpu/riscv/rv_decode.h"
#include "engine/trap/trap_scan.h"
#include "test.h"

#define RANDOM_PAGES 3000

static uint16_t code[TRAP_HALVES + 1], copy[TRAP_HALVES + 1]; /* one more: the next page's first */
static uint64_t seed = 1;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct rv_insn at(const uint16_t *page, size_t i)
{
	struct rv_insn insn;

	rv_decode(page[i] | (uint32_t)page[i + 1] << 16, &insn);
	return insn;
}

static bool is_csr(const struct rv_insn *i)
{
	return rv_op_format((enum rv_op)i->op) == RV_FMT_CSR;
}

/* CSRs 1 to 3 are the guest's own, as are its floating-point registers. */
static bool is_float(const struct rv_insn *i)
{
	uint32_t opcode = i->raw & 0x7f;
	uint32_t half = i->raw & 0xffff;

	if (i->bytes == 2) {
		return (half & 3) != 1 && (half >> 13 == 1 || half >> 13 == 5);
	}
	return opcode == 0x07 || opcode == 0x27 || opcode == 0x43 || opcode == 0x47 ||
	       opcode == 0x4b || opcode == 0x4f || opcode == 0x53 ||
	       (is_csr(i) && i->imm >= 1 && i->imm <= 3);
}

/* What a CPU in user mode would do without a trap and must not. */
static bool is_forbidden(const struct rv_insn *i)
{
	switch (i->op) {
	case RV_OP_ECALL:
	case RV_OP_CBO_INVAL:
	case RV_OP_CBO_CLEAN:
	case RV_OP_CBO_FLUSH:
	case RV_OP_CBO_ZERO:
		return true;
	default:
		return is_csr(i) && (i->imm & 0x300) == 0 && (i->imm >> 8) == 0xc;
	}
}

/* A trap for sure: c.ebreak, or SYSTEM with a function or CSR of S-mode. */
static bool is_trap(const struct rv_insn *i)
{
	return (i->raw & 0xffff) == 0x9002 ||
	       ((i->raw & 0x7f) == 0x73 && i->bytes == 4 && (i->raw >> 28 & 3) == 1) ||
	       ((i->raw & 0x707f) == 0x200f && i->raw >> 20 == 0x900);
}

static bool is_same(const struct rv_insn *a, const struct rv_insn *b)
{
	return a->bytes == b->bytes && (a->raw ^ b->raw) << (32 - 8 * a->bytes) == 0;
}

/* Make the copy, and enter it everywhere. */
static enum trap_scan_result check_page(bool is_fp_trapped)
{
	enum trap_scan_result r = trap_scan(code, is_fp_trapped, copy);
	size_t end = r == TRAP_SCAN_UNSUITABLE ? 0 : TRAP_HALVES;
	int before = test_failures;

	copy[TRAP_HALVES] = code[TRAP_HALVES];
	for (size_t i = 0; i < end && test_failures == before; i++) {
		struct rv_insn was = at(code, i);
		struct rv_insn is = at(copy, i);

		CHECK(is_trap(&is) || is_same(&was, &is));
		CHECK(is_trap(&is) || !is_forbidden(&is));
		if (test_failures != before) {
			printf("at halfword %zu: %08x became %08x\n", i, was.raw, is.raw);
		}
	}
	return r;
}

static void clear(void)
{
	for (size_t i = 0; i <= TRAP_HALVES; i++) {
		code[i] = 0x0001; /* c.nop */
	}
}

static void put(size_t i, uint32_t insn)
{
	code[i] = (uint16_t)insn;
	code[i + 1] = (uint16_t)(insn >> 16);
}

static void harmless_pages_stay(void)
{
	clear();
	put(10, 0x10002573); /* csrr a0, sstatus: traps by itself */
	put(20, 0x00100073); /* ebreak */
	put(30, 0x00302573); /* frcsr a0: the guest's own */
	put(40, 0x02007053); /* fadd.d */
	CHECK_INT(check_page(false), TRAP_SCAN_CLEAN);
	CHECK(memcmp(code, copy, PAGE_BYTES) == 0);
}

static void each_kind_is_found(void)
{
	static const uint32_t insns[] = { 0x00000073, 0xc0002573, 0xc0102573,
					  0xc0202573, 0xc1f02573, 0x0045a00f,
					  0x0005a00f, 0x0015a00f, 0x0025a00f };

	for (size_t i = 0; i < ARRAY_SIZE(insns); i++) {
		clear();
		put(100, insns[i]);
		CHECK_INT(check_page(false), TRAP_SCAN_PATCHED);
		CHECK_INT(copy[100], code[100]);
	}
}

/* Before it an instruction of four bytes whose second half is the ecall's first: it stays whole. */
static void hidden_in_a_longer_one(void)
{
	clear();
	code[50] = 0x0537; /* lui a0, 0x73 */
	code[51] = 0x0073;
	code[52] = 0x0000;
	CHECK_INT(check_page(false), TRAP_SCAN_PATCHED);
	CHECK_INT(copy[50], code[50]);
	CHECK_INT(copy[51], code[51]);
}

static void at_the_end_of_a_page(void)
{
	clear();
	put(TRAP_HALVES - 1, 0x00000073);
	CHECK_INT(check_page(false), TRAP_SCAN_PATCHED);
	code[TRAP_HALVES - 2] =
		0x0537; /* the ecall's first half may be this one's second: both trap */
	CHECK_INT(check_page(false), TRAP_SCAN_PATCHED);
	clear();
	for (size_t i = 0; i < TRAP_HALVES; i++) {
		code[i] =
			0x0537; /* may be the second half of one before, down to the page before */
	}
	put(TRAP_HALVES - 1, 0x00000073);
	CHECK_INT(check_page(false), TRAP_SCAN_UNSUITABLE);
}

static void floating_point_traps_when_it_has_to(void)
{
	static const uint32_t insns[] = { 0x02007053, 0x00053007, 0x00a53027,
					  0x00301073, 0x00302573, 0x00012000 | 0x10000 };

	for (size_t i = 0; i < ARRAY_SIZE(insns); i++) {
		struct rv_insn is;

		clear();
		put(100, insns[i]);
		CHECK_INT(check_page(true), TRAP_SCAN_PATCHED);
		is = at(copy, 100);
		CHECK(is_trap(&is));
	}
}

/* Halfwords out of which forbidden ones are made come often. */
static uint16_t random_half(void)
{
	static const uint16_t likely[] = { 0x0073, 0x0000, 0x2573, 0xc010, 0xc000, 0x0537, 0x9002,
					   0x0013, 0xa00f, 0x0045, 0x2073, 0x0302, 0x7053, 0x0200 };
	uint64_t r = next_random();

	return r % 3 ? likely[(r >> 8) % ARRAY_SIZE(likely)] : (uint16_t)(r >> 16);
}

static void random_pages(void)
{
	unsigned int patched = 0;

	for (unsigned int n = 0; n < RANDOM_PAGES && test_failures == 0; n++) {
		for (size_t i = 0; i <= TRAP_HALVES; i++) {
			code[i] = random_half();
		}
		for (int is_fp_trapped = 0; is_fp_trapped < 2; is_fp_trapped++) {
			patched += check_page(is_fp_trapped) == TRAP_SCAN_PATCHED;
		}
	}
	CHECK(patched > RANDOM_PAGES / 2);
}

/* Followed from its beginning, a page shows every floating-point instruction. */
static void no_float_is_left_on_the_way(void)
{
	for (unsigned int n = 0; n < RANDOM_PAGES && test_failures == 0; n++) {
		for (size_t i = 0; i <= TRAP_HALVES; i++) {
			code[i] = (uint16_t)next_random();
		}
		if (check_page(true) == TRAP_SCAN_UNSUITABLE) {
			continue;
		}
		for (size_t i = n % 2; i < TRAP_HALVES; i += at(code, i).bytes / 2u) {
			struct rv_insn is = at(copy, i);

			CHECK(is_trap(&is) || !is_float(&is));
		}
	}
}

static const struct test_case cases[] = {
	{ "harmless_pages_stay", harmless_pages_stay },
	{ "each_kind_is_found", each_kind_is_found },
	{ "hidden_in_a_longer_one", hidden_in_a_longer_one },
	{ "at_the_end_of_a_page", at_the_end_of_a_page },
	{ "floating_point_traps_when_it_has_to", floating_point_traps_when_it_has_to },
	{ "random_pages", random_pages },
	{ "no_float_is_left_on_the_way", no_float_is_left_on_the_way },
};

TEST_MAIN(cases)

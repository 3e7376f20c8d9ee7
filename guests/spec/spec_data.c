/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters; misaligned accesses; atomics. */
#include "spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Runs code in M-mode with a0 to a3, returns it with a0 to a7 as it left them. */
static struct spec_run run(const uint32_t *insns, size_t n, uint64_t a0, uint64_t a1)
{
	struct spec_run r = { .status = spec_status(MODE_M), .a = { a0, a1 } };

	spec_put(insns, n);
	r.cause = spec_run_code(&r);
	return r;
}

void spec_counters(void)
{
	const uint32_t nops[] = { CSR_INSN(CSR_INSTRET, FUNCT_S, REG_A2, 0), INSN_NOP, INSN_NOP,
				  INSN_NOP, CSR_INSN(CSR_INSTRET, FUNCT_S, REG_A3, 0) };
	const uint32_t written[] = { CSR_INSN(CSR_MINSTRET, FUNCT_W, 0, REG_A0),
				     CSR_INSN(CSR_MINSTRET, FUNCT_S, REG_A2, 0),
				     CSR_INSN(CSR_MINSTRET, FUNCT_S, REG_A3, 0) };
	const uint32_t cycles[] = { CSR_INSN(CSR_MCYCLE, FUNCT_W, 0, REG_A0),
				    CSR_INSN(CSR_MCYCLE, FUNCT_S, REG_A2, 0), INSN_NOP,
				    CSR_INSN(CSR_MCYCLE, FUNCT_S, REG_A3, 0) };
	struct spec_run r = run(nops, COUNT(nops), 0, 0);
	uint64_t before, now, after;

	spec_equal("I 10.1", "instret counts each instruction", r.a[3] - r.a[2], 4);
	r = run(written, COUNT(written), 1000, 0);
	spec_equal("I 9.1", "minstret: what was written is what is read next", r.a[2], 1000);
	spec_equal("I 9.1", "minstret: then it counts", r.a[3], 1001);
	r = run(written, COUNT(written), ALL, 0);
	spec_equal("I 9.1", "minstret goes from all ones to 0", r.a[3], 0);
	r = run(cycles, COUNT(cycles), 1ULL << 40, 0);
	spec_true("M 3.1.10", "mcycle goes on from what was written",
		  r.a[2] >= 1ULL << 40 && r.a[2] < (1ULL << 40) + 10000000, r.a[2]);
	spec_true("M 3.1.10", "mcycle counts", r.a[3] > r.a[2], r.a[3]);
	spec_write(CSR_MCOUNTINHIBIT, 4);
	r = run(nops, COUNT(nops), 0, 0);
	spec_true("M 3.1.12", "mcountinhibit.IR stops instret, if it holds",
		  r.a[3] == r.a[2] || !(spec_read(CSR_MCOUNTINHIBIT) & 4), r.a[3] - r.a[2]);
	spec_write(CSR_MCOUNTINHIBIT, 1);
	r = run(cycles, COUNT(cycles), 77, 0);
	spec_true("M 3.1.12", "mcountinhibit.CY stops cycle, if it holds",
		  r.a[3] == 77 || !(spec_read(CSR_MCOUNTINHIBIT) & 1), r.a[3]);
	spec_write(CSR_MCOUNTINHIBIT, 0);
	before = *(volatile uint64_t *)MTIME;
	now = spec_read(CSR_TIME);
	after = *(volatile uint64_t *)MTIME;
	spec_true("M 3.2.1", "time shows mtime", before <= now && now <= after, now);
	spec_equal("M 3.1.10", "mhpmcounter3 can be written or is 0",
		   spec_burst(0xb03, 0, 5) & ~5ULL, 0);
}

/* ---- misaligned ---- */

static uint8_t bytes[8192 + 32] __attribute__((aligned(4096)));

/** Either it works or it traps: nothing between. */
static const struct {
	const char *name;
	uint32_t insn;
	unsigned int offset;
} misaligned[] = {
	{ "misaligned lh: works or traps", INSN_LH, 1 },
	{ "misaligned lhu: works or traps", INSN_LHU, 3 },
	{ "misaligned lw: works or traps", INSN_LW, 1 },
	{ "misaligned lw by 2: works or traps", INSN_LW, 2 },
	{ "misaligned lwu: works or traps", INSN_LWU, 3 },
	{ "misaligned ld: works or traps", INSN_LD, 1 },
	{ "misaligned ld by 4: works or traps", INSN_LD, 4 },
	{ "misaligned sh: works or traps", INSN_SH, 1 },
	{ "misaligned sw: works or traps", INSN_SW, 3 },
	{ "misaligned sd: works or traps", INSN_SD, 5 },
	{ "misaligned ld over a page end: works or traps", INSN_LD, 4093 },
	{ "misaligned sd over a page end: works or traps", INSN_SD, 4093 },
};

static void misaligned_one(size_t i)
{
	uint64_t at = (uintptr_t)bytes + misaligned[i].offset;
	bool is_load = misaligned[i].insn == INSN_LH || misaligned[i].insn == INSN_LHU ||
		       misaligned[i].insn == INSN_LW || misaligned[i].insn == INSN_LWU ||
		       misaligned[i].insn == INSN_LD;
	unsigned int n = 1u << (misaligned[i].insn >> 12 & 3);
	struct spec_run r = { .status = spec_status(MODE_U), .a = { 0xf8f7f6f5f4f3f2f1, at } };
	uint64_t wanted = 0;
	uint64_t in_memory = 0;
	uint64_t cause;

	for (unsigned int b = 0; b < 16; b++) {
		((volatile uint8_t *)bytes)[misaligned[i].offset + b] =
			(uint8_t)(misaligned[i].offset + b);
	}
	for (unsigned int b = n; b-- > 0;) {
		wanted = wanted << 8 |
			 (is_load ? (misaligned[i].offset + b) & 0xff : r.a[0] >> 8 * b & 0xff);
	}
	spec_put(&misaligned[i].insn, 1);
	cause = spec_run_code(&r);
	for (unsigned int b = n; b-- > 0;) {
		in_memory = in_memory << 8 | ((volatile uint8_t *)bytes)[misaligned[i].offset + b];
	}
	if (cause == RAN) {
		spec_equal("I 2.6", misaligned[i].name, is_load ? r.a[0] : in_memory, wanted);
	} else {
		spec_true("I 2.6", misaligned[i].name,
			  cause == (is_load ? LOAD_MISALIGNED : STORE_MISALIGNED) && r.tval == at,
			  cause);
	}
}

/* ---- atomics: of (a1), with a0 ---- */

#define LR_W	  0x1005a62fu /* lr.w a2, (a1) */
#define LR_D	  0x1005b62fu
#define SC_W	  0x18a5a6afu /* sc.w a3, a0, (a1) */
#define SC_D	  0x18a5b6afu
#define AMOADD_W  0x00a5a62fu /* a2 = old */
#define AMOADD_D  0x00a5b62fu
#define AMOMINU_W 0xc0a5a62fu
#define AMOMAX_W  0xa0a5a62fu
#define AMOSWAP_D 0x08a5b62fu
#define ADD_16	  0x01058593u /* addi a1, a1, 16 */

static uint64_t words[1024] __attribute__((aligned(4096)));
#define WORDS ((uintptr_t)words)

static void reservations(void)
{
	volatile uint64_t *w = words;
	struct spec_run r;

	r = run((const uint32_t[]){ LR_D, SC_D }, 2, 5, WORDS);
	spec_equal("I 8.2", "sc behind lr succeeds", r.a[3], 0);
	spec_equal("I 8.2", "sc behind lr writes", w[0], 5);
	r = run((const uint32_t[]){ LR_D, SC_D, SC_D }, 3, 6, WORDS);
	spec_true("I 8.2", "a second sc fails", r.a[3] != 0, r.a[3]);
	w[0] = 9;
	r = run((const uint32_t[]){ SC_D }, 1, 7, WORDS);
	spec_true("I 8.2", "sc without lr fails", r.a[3] != 0, r.a[3]);
	spec_equal("I 8.2", "sc that fails writes nothing", w[0], 9);
	w[2] = 0;
	r = run((const uint32_t[]){ LR_D, ADD_16, ADD_16, ADD_16, ADD_16, SC_D }, 6, 7, WORDS);
	spec_true("I 8.2", "sc elsewhere: fails or is within the reservation",
		  r.a[3] != 0 || w[8] == 7, r.a[3]);
	w[0] = 0x80000000;
	r = run((const uint32_t[]){ LR_W, SC_W }, 2, 1, WORDS);
	spec_equal("I 8.2", "lr.w extends the sign", r.a[2], 0xffffffff80000000);
	spec_equal("I 8.2", "sc.w writes a word only", w[0], 1);
}

static void amos(void)
{
	volatile uint64_t *w = words;
	struct spec_run r;

	w[0] = 0x11111111fffffffe;
	r = run((const uint32_t[]){ AMOADD_W }, 1, 3, WORDS);
	spec_equal("I 8.4", "amoadd.w: old value with its sign", r.a[2], 0xfffffffffffffffe);
	spec_equal("I 8.4", "amoadd.w: a word only", w[0], 0x1111111100000001);
	w[0] = 0x80000000;
	r = run((const uint32_t[]){ AMOMINU_W }, 1, 0xffffffff00000001, WORDS);
	spec_equal("I 8.4", "amominu.w looks at words", w[0], 1);
	w[0] = 0x80000000;
	r = run((const uint32_t[]){ AMOMAX_W }, 1, 0x1ffffffff, WORDS);
	spec_equal("I 8.4", "amomax.w looks at signs of words", w[0], 0xffffffff);
	w[0] = 42;
	r = run((const uint32_t[]){ AMOSWAP_D }, 1, 43, WORDS);
	spec_equal("I 8.4", "amoswap.d: old value", r.a[2], 42);
	r = run((const uint32_t[]){ AMOADD_W }, 1, 1, WORDS + 2);
	spec_true("I 8.4", "misaligned amoadd.w traps",
		  r.cause == STORE_MISALIGNED || r.cause == STORE_ACCESS, r.cause);
	r = run((const uint32_t[]){ AMOADD_D }, 1, 1, WORDS + 4);
	spec_true("I 8.4", "misaligned amoadd.d traps",
		  r.cause == STORE_MISALIGNED || r.cause == STORE_ACCESS, r.cause);
	r = run((const uint32_t[]){ LR_W }, 1, 1, WORDS + 1);
	spec_true("I 8.2", "misaligned lr.w traps",
		  r.cause == LOAD_MISALIGNED || r.cause == LOAD_ACCESS, r.cause);
	r = run((const uint32_t[]){ LR_D, SC_D }, 2, 1, WORDS + 4);
	spec_true("I 8.2", "misaligned lr.d traps",
		  r.cause == LOAD_MISALIGNED || r.cause == LOAD_ACCESS, r.cause);
	r = run((const uint32_t[]){ SC_D }, 1, 1, WORDS + 4);
	spec_true("I 8.2", "misaligned sc.d traps or fails",
		  r.cause == STORE_MISALIGNED || r.cause == STORE_ACCESS ||
			  (r.cause == RAN && r.a[3]),
		  r.cause);
}

void spec_data(void)
{
	for (size_t i = 0; i < COUNT(misaligned); i++) {
		misaligned_one(i);
	}
	reservations();
	amos();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which differences count, and the one table of those that don't.
 *
 * Nothing is masked silently. A difference is first shortened; only when what remains is exactly a known one, as a
 * function here describes it, it is counted under that name. Each has a section in docs/known-differences.md.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "diff.h"

/** Parts of the state that differ. */
#define PART_PC	  BIT(0)
#define PART_END  BIT(1)
#define PART_GPR  BIT(2)
#define PART_FLAG BIT(3)
#define PART_FPC  BIT(4)
#define PART_FPS  BIT(5)
#define PART_VEC  BIT(6)
#define PART_MEM  BIT(7)

/** A sequence that can't be made shorter and still differs. */
struct shortest {
	const struct diff_insn *last; /* that ran, or that faulted */
	const struct wire_result *want, *got;
	uint64_t parts;
};

/** A known difference: a heading in docs/known-differences.md. */
struct exclusion {
	const char *engine;
	const char *isas; /* blank-separated */
	const char *heading;
	uint64_t fp_control_bits; /* not compared at all */
	bool is_single_high;	  /* the upper half of registers that hold singles is not compared at all */
	bool (*explains)(const struct shortest *c); /* whether a difference is this one */
	uint64_t hits;
};

static bool last_is(const struct shortest *c, const char *prefix)
{
	return strncmp(c->last->name, prefix, strlen(prefix)) == 0;
}

static bool are_both_nan32(uint32_t a, uint32_t b)
{
	return (a & 0x7fffffff) > 0x7f800000 && (b & 0x7fffffff) > 0x7f800000;
}

static bool are_both_nan64(uint64_t a, uint64_t b)
{
	const uint64_t infinite = 0x7ff0000000000000u;

	return (a & INT64_MAX) > infinite && (b & INT64_MAX) > infinite;
}

/* All that differs is which NaN came out. */
static bool explains_nan(const struct shortest *c)
{
	for (unsigned int i = 0; i < 64; i++) {
		uint64_t a = c->want->state.vec[i / 2][i % 2];
		uint64_t b = c->got->state.vec[i / 2][i % 2];
		bool is_low_right = (uint32_t)a == (uint32_t)b || are_both_nan32((uint32_t)a, (uint32_t)b);
		bool is_high_right = a >> 32 == b >> 32 ||
				     are_both_nan32((uint32_t)(a >> 32), (uint32_t)(b >> 32));

		if (!are_both_nan64(a, b) && !(is_low_right && is_high_right)) {
			return false;
		}
	}
	return c->parts == PART_VEC;
}

/* Comparison failed; the upper half of the 32-bit destination is cleared all the same. */
static bool explains_cmpxchg(const struct shortest *c)
{
	for (unsigned int i = 0; i < 16; i++) {
		uint64_t want = c->want->state.gpr[i];
		uint64_t got = c->got->state.gpr[i];

		if (want != got && (uint32_t)want != got) {
			return false;
		}
	}
	return c->parts == PART_GPR && last_is(c, "cmpxchg");
}

/* 16 bytes are read where the operand has 8. */
static bool explains_wide_read(const struct shortest *c)
{
	return (last_is(c, "cvtps2pd") || last_is(c, "cvtdq2pd")) && c->got->end == WIRE_END_UNMAPPED && (c->parts & PART_PC);
}

/* The second half of 16 bytes faults; the first is loaded, or stored, already. */
static bool explains_half(const struct shortest *c)
{
	return (c->parts == PART_VEC || c->parts == PART_MEM) && c->got->has_address &&
	       (last_is(c, "movups") || last_is(c, "movdqu"));
}

/* The operand faults; the flags are lost. */
static bool explains_lost_flags(const struct shortest *c)
{
	return c->parts == PART_FLAG && c->got->has_address &&
	       (last_is(c, "rcl") || last_is(c, "rcr") || last_is(c, "setcc"));
}

/* The part of a store that lies in memory is done before the part outside is tried. */
static bool explains_torn_store(const struct shortest *c)
{
	return c->parts == PART_MEM && c->got->has_address && c->got->end == WIRE_END_UNMAPPED;
}

static bool explains_amo(const struct shortest *c)
{
	return c->parts == PART_MEM && (last_is(c, "amomin") || last_is(c, "amomax")) &&
	       strchr(c->last->name, 'w');
}

/* Infinity times zero plus a quiet NaN is invalid; the flag is missing. */
static bool explains_fused(const struct shortest *c)
{
	return c->parts == PART_FPC && (c->want->state.fp_control ^ c->got->state.fp_control) == 0x10 &&
	       (last_is(c, "fm") || last_is(c, "fnm"));
}

static bool explains_minmax(const struct shortest *c)
{
	return c->parts == PART_VEC && (last_is(c, "fmin.") || last_is(c, "fmax."));
}

static struct exclusion exclusions[] = {
	{ "unicorn", "x86 x64", "x86: exception flags in MXCSR", 0x3f, false, NULL, 0 },
	{ "unicorn", "x86 x64", "x86: SSE with two NaNs", 0, false, explains_nan, 0 },
	{ "unicorn", "x86 x64", "x86: CVTPS2PD and CVTDQ2PD read 16 bytes", 0, false, explains_wide_read, 0 },
	{ "unicorn", "x86 x64", "x86: MOVUPS and MOVDQU and a fault", 0, false, explains_half, 0 },
	{ "unicorn", "x86 x64", "x86: RCL, RCR, SETcc and a fault", 0, false, explains_lost_flags, 0 },
	{ "kvm", "x86 x64", "kvm: a store across the end of memory", 0, false, explains_torn_store, 0 },
	{ "kvm", "x64", "x64: CMPXCHG clears the upper half", 0, false, explains_cmpxchg, 0 },
	{ "unicorn", "x64", "x64: CMPXCHG clears the upper half", 0, false, explains_cmpxchg, 0 },
	{ "unicorn", "riscv64", "RISC-V: NaN boxing", 0, true, NULL, 0 },
	{ "unicorn", "riscv64", "RISC-V: AMOMIN, AMOMAX of words", 0, false, explains_amo, 0 },
	{ "unicorn", "riscv64", "RISC-V: invalid flag of infinity times zero plus NaN", 0, false, explains_fused, 0 },
	{ "unicorn", "riscv64", "RISC-V: FMIN, FMAX with a signalling NaN", 0, false, explains_minmax, 0 },
};

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(words, word); p; p = strstr(p + 1, word)) {
		if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) {
			return true;
		}
	}
	return false;
}

static bool applies(const struct exclusion *x, const struct diff_rules *rules)
{
	return strcmp(x->engine, rules->engine) == 0 && has_word(x->isas, rules->isa->name);
}

void diff_print_exclusions(const struct diff_rules *rules)
{
	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		const struct exclusion *x = &exclusions[i];

		if (!applies(x, rules)) {
			continue;
		}
		if (x->explains) {
			printf("known, met %" PRIu64 " times: %s\n", x->hits, x->heading);
		} else {
			printf("known, not compared: %s\n", x->heading);
		}
	}
}

static uint64_t fp_control_mask(const struct diff_rules *rules)
{
	uint64_t mask = rules->isa->fp_control_mask;

	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		if (applies(&exclusions[i], rules)) {
			mask &= ~exclusions[i].fp_control_bits;
		}
	}
	return mask;
}

static bool is_single_high_left_out(const struct diff_rules *rules)
{
	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		if (exclusions[i].is_single_high && applies(&exclusions[i], rules)) {
			return true;
		}
	}
	return false;
}

const char *diff_explain(const struct diff_rules *rules, const struct diff_seq *s,
			 const struct diff_code *code, const struct wire_result *want,
			 const struct wire_result *got, uint64_t parts)
{
	size_t at = diff_code_index(s, code, got->state.pc);
	struct shortest c = { .last = &s->insns[at < s->n ? at : s->n - 1],
			      .want = want,
			      .got = got,
			      .parts = parts };

	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		struct exclusion *x = &exclusions[i];

		if (x->explains && applies(x, rules) && x->explains(&c)) {
			x->hits++;
			return x->heading;
		}
	}
	return NULL;
}

/** Text that grows. */
struct report {
	char *text;
	size_t bytes, used;
	uint64_t parts;
};

static void report(struct report *r, uint64_t part, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void report(struct report *r, uint64_t part, const char *fmt, ...)
{
	va_list ap;

	r->parts |= part;
	va_start(ap, fmt);
	int n = vsnprintf(r->text + r->used, r->bytes - r->used, fmt, ap);
	va_end(ap);
	if (n > 0) {
		r->used += (size_t)n < r->bytes - r->used ? (size_t)n : r->bytes - r->used - 1;
	}
}

static const char *end_name(uint32_t end)
{
	static const char *const names[] = {
		[WIRE_END_ILLEGAL] = "illegal instruction", [WIRE_END_UNMAPPED] = "unmapped",
		[WIRE_END_PROTECTION] = "protection",	    [WIRE_END_UNALIGNED] = "unaligned",
		[WIRE_END_DIVIDE] = "divide error",	    [WIRE_END_GENERAL] = "general protection",
		[WIRE_END_FP] = "floating point",	    [WIRE_END_BREAKPOINT] = "breakpoint",
		[WIRE_END_OTHER] = "other",
	};

	return end < ARRAY_SIZE(names) && names[end] ? names[end] : "?";
}

static void compare_value(struct report *r, uint64_t part, const char *what, unsigned int n, uint64_t want, uint64_t got,
			  uint64_t mask)
{
	if ((want ^ got) & mask) {
		report(r, part, "  %s%u: referee 0x%016" PRIx64 ", engine 0x%016" PRIx64 "\n", what, n, want & mask,
		       got & mask);
	}
}

static void compare_end(struct report *r, const struct diff_seq *s, const struct diff_code *code,
			const struct wire_result *want, const struct wire_result *got)
{
	if (want->state.pc != got->state.pc) {
		report(r, PART_PC, "  pc: referee 0x%" PRIx64 " (%s), engine 0x%" PRIx64 " (%s)\n", want->state.pc,
		       end_name(want->end), got->state.pc, end_name(got->end));
		return;
	}
	if (diff_code_index(s, code, want->state.pc) == s->n) {
		return; /* both at the end, each by its own kind of stop */
	}
	if (want->end != got->end) {
		report(r, PART_END, "  fault: referee %s, engine %s\n", end_name(want->end), end_name(got->end));
	} else if (want->has_address && (!got->has_address || want->address != got->address)) {
		report(r, PART_END, "  fault address: referee 0x%" PRIx64 ", engine 0x%" PRIx64 "\n", want->address,
		       got->address);
	}
}

/* The last instruction that can have run decides which flags are defined; inside one, all that it may touch. */
static uint64_t undefined_flags(const struct diff_seq *s, const struct diff_code *code, uint64_t pc)
{
	uint16_t undefined = 0;

	for (size_t i = 0; i <= s->n; i++) {
		if (WIRE_CODE_ADDR + code->offset[i] > pc) {
			break;
		}
		undefined = code->undefined[i];
		if (i < s->n && pc > WIRE_CODE_ADDR + code->offset[i]) {
			undefined |= s->insns[i].defines | s->insns[i].undefines;
		}
	}
	return undefined;
}

uint64_t diff_compare(const struct diff_rules *rules, const struct diff_seq *s, const struct diff_code *code,
		  const struct wire_result *want, const struct wire_result *got, char *ret_text,
		  size_t bytes)
{
	const struct diff_isa *isa = rules->isa;
	struct report r = { .text = ret_text, .bytes = bytes };
	uint64_t flags = isa->flags_mask & ~undefined_flags(s, code, want->state.pc);
	unsigned int n_single = is_single_high_left_out(rules) ? isa->n_single : 0;

	ret_text[0] = '\0';
	compare_end(&r, s, code, want, got);
	for (unsigned int i = isa->first_gpr; i < isa->first_gpr + isa->n_gpr; i++) {
		compare_value(&r, PART_GPR, "register ", i, want->state.gpr[i], got->state.gpr[i], isa->gpr_mask);
	}
	compare_value(&r, PART_FLAG, "flags ", 0, want->state.flags, got->state.flags, flags);
	compare_value(&r, PART_FPC, "FP control ", 0, want->state.fp_control, got->state.fp_control,
		      fp_control_mask(rules));
	compare_value(&r, PART_FPS, "FP status ", 0, want->state.fp_status, got->state.fp_status, isa->fp_status_mask);
	for (unsigned int i = 0; i < isa->n_vec; i++) {
		compare_value(&r, PART_VEC, "low vector ", i, want->state.vec[i][0], got->state.vec[i][0],
			      i < n_single ? UINT32_MAX : UINT64_MAX);
		compare_value(&r, PART_VEC, "high vector ", i, want->state.vec[i][1], got->state.vec[i][1],
			      isa->vec_bytes > 8 ? UINT64_MAX : 0);
	}
	for (unsigned int i = 0; i < WIRE_WINDOW_BYTES; i++) {
		if (want->data[i] != got->data[i]) {
			report(&r, PART_MEM, "  memory 0x%x: referee 0x%02x, engine 0x%02x\n", WIRE_WINDOW_ADDR + i,
			       want->data[i], got->data[i]);
			break;
		}
	}
	return r.parts;
}

void diff_inject(const char *name, const struct diff_seq *s, const struct diff_code *code,
		 struct wire_result *r, unsigned int gpr)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->insns[i].name, name) == 0 && r->state.pc > WIRE_CODE_ADDR + code->offset[i]) {
			r->state.gpr[gpr] ^= 1;
		}
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which differences count, and the one table of those that don't.
 *
 * Nothing is masked silently: an instruction that an engine is known to get wrong is left out by name, with the
 * reason and a section of docs/known-differences.md, and the fuzzer prints how often that happened.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "diff.h"

/** A known difference. */
struct exclusion {
	const char *engine;
	const char *isa;  /* NULL: all */
	const char *name; /* of the template; NULL: fp_status says which bits are not compared */
	uint64_t fp_control_bits;
	const char *reason; /* and the heading in docs/known-differences.md */
	uint64_t hits;
};

static struct exclusion exclusions[] = {
	{ "unicorn", "x86", NULL, 0x3f, "x86: MXCSR exception flags are not set", 0 },
	{ "unicorn", "x64", NULL, 0x3f, "x86: MXCSR exception flags are not set", 0 },
};

static bool applies(const struct exclusion *x, const struct diff_isa *isa, const char *engine)
{
	return strcmp(x->engine, engine) == 0 && (!x->isa || strcmp(x->isa, isa->name) == 0);
}

bool diff_is_excluded(const struct diff_isa *isa, const char *engine, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		struct exclusion *x = &exclusions[i];

		if (x->name && applies(x, isa, engine) && strcmp(x->name, name) == 0) {
			x->hits++;
			return true;
		}
	}
	return false;
}

void diff_print_exclusions(const struct diff_isa *isa, const char *engine)
{
	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		const struct exclusion *x = &exclusions[i];

		if (!applies(x, isa, engine)) {
			continue;
		}
		if (x->name) {
			printf("left out: %s, %" PRIu64 " times: %s\n", x->name, x->hits, x->reason);
		} else {
			printf("not compared: bits 0x%" PRIx64 " of the FP control register: %s\n",
			       x->fp_control_bits, x->reason);
		}
	}
}

static uint64_t fp_control_mask(const struct diff_rules *rules)
{
	uint64_t mask = rules->isa->fp_control_mask;

	for (size_t i = 0; i < ARRAY_SIZE(exclusions); i++) {
		if (!exclusions[i].name && applies(&exclusions[i], rules->isa, rules->engine)) {
			mask &= ~exclusions[i].fp_control_bits;
		}
	}
	return mask;
}

/** Text that grows. */
struct report {
	char *text;
	size_t bytes, used;
	bool differs;
};

static void report(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void report(struct report *r, const char *fmt, ...)
{
	va_list ap;

	r->differs = true;
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

static void compare_value(struct report *r, const char *what, unsigned int n, uint64_t want, uint64_t got,
			  uint64_t mask)
{
	if ((want ^ got) & mask) {
		report(r, "  %s%u: referee 0x%016" PRIx64 ", engine 0x%016" PRIx64 "\n", what, n, want & mask,
		       got & mask);
	}
}

static void compare_end(struct report *r, const struct diff_seq *s, const struct diff_code *code,
			const struct wire_result *want, const struct wire_result *got)
{
	if (want->state.pc != got->state.pc) {
		report(r, "  pc: referee 0x%" PRIx64 " (%s), engine 0x%" PRIx64 " (%s)\n", want->state.pc,
		       end_name(want->end), got->state.pc, end_name(got->end));
		return;
	}
	if (diff_code_index(s, code, want->state.pc) == s->n) {
		return; /* both at the end, each by its own kind of stop */
	}
	if (want->end != got->end) {
		report(r, "  fault: referee %s, engine %s\n", end_name(want->end), end_name(got->end));
	} else if (want->has_address && (!got->has_address || want->address != got->address)) {
		report(r, "  fault address: referee 0x%" PRIx64 ", engine 0x%" PRIx64 "\n", want->address,
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

bool diff_compare(const struct diff_rules *rules, const struct diff_seq *s, const struct diff_code *code,
		  const struct wire_result *want, const struct wire_result *got, char *ret_text,
		  size_t bytes)
{
	const struct diff_isa *isa = rules->isa;
	struct report r = { .text = ret_text, .bytes = bytes };
	uint64_t flags = isa->flags_mask & ~undefined_flags(s, code, want->state.pc);
	uint64_t vec_mask = isa->vec_bytes > 4 ? UINT64_MAX : UINT32_MAX;

	ret_text[0] = '\0';
	compare_end(&r, s, code, want, got);
	for (unsigned int i = isa->first_gpr; i < isa->first_gpr + isa->n_gpr; i++) {
		compare_value(&r, "register ", i, want->state.gpr[i], got->state.gpr[i], isa->gpr_mask);
	}
	compare_value(&r, "flags ", 0, want->state.flags, got->state.flags, flags);
	compare_value(&r, "FP control ", 0, want->state.fp_control, got->state.fp_control,
		      fp_control_mask(rules));
	compare_value(&r, "FP status ", 0, want->state.fp_status, got->state.fp_status, isa->fp_status_mask);
	for (unsigned int i = 0; i < isa->n_vec; i++) {
		compare_value(&r, "low vector ", i, want->state.vec[i][0], got->state.vec[i][0], vec_mask);
		compare_value(&r, "high vector ", i, want->state.vec[i][1], got->state.vec[i][1],
			      isa->vec_bytes > 8 ? UINT64_MAX : 0);
	}
	for (unsigned int i = 0; i < WIRE_WINDOW_BYTES; i++) {
		if (want->data[i] != got->data[i]) {
			report(&r, "  memory 0x%x: referee 0x%02x, engine 0x%02x\n", WIRE_WINDOW_ADDR + i,
			       want->data[i], got->data[i]);
			break;
		}
	}
	return r.differs;
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

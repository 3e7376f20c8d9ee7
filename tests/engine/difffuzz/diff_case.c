/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sequence: made from seed and number, assembled, and shortened. */
#include <string.h>

#include "base/bug.h"
#include "diff.h"

#define TRIES_MAX  64
#define MISSES_MAX 1000000u

/* A branch must not leave the sequence. */
static void clip_branches(struct diff_seq *s)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t room = s->n - i - 1;

		if (s->insns[i].branch && s->insns[i].skip > room) {
			s->insns[i].skip = (uint8_t)room;
		}
	}
}

/*
 * Flags that are undefined before each instruction: by what runs through and by every branch that arrives there.
 * @return false when one is used
 */
static bool trace_flags(const struct diff_seq *s, uint16_t undefined[DIFF_INSNS_MAX + 1])
{
	uint16_t now = 0;

	memset(undefined, 0, sizeof(uint16_t) * (DIFF_INSNS_MAX + 1));
	for (size_t i = 0; i < s->n; i++) {
		const struct diff_insn *in = &s->insns[i];

		now |= undefined[i];
		undefined[i] = now;
		if (now & in->uses) {
			return false;
		}
		if (in->branch) {
			undefined[i + 1 + in->skip] |= now;
		}
		now = (uint16_t)((now & ~in->defines) | in->undefines);
	}
	undefined[s->n] |= now;
	return true;
}

static bool is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || p[n] == '\0')) {
			return true;
		}
	}
	return false;
}

/* An instruction of those that may be used. */
static void gen(const struct diff_isa *isa, const struct diff_shape *shape, struct rng *r, struct diff_insn *ret)
{
	unsigned int misses = 0;

	isa->gen(r, shape->has_fp, ret);
	while (shape->only && !is_listed(shape->only, ret->name)) {
		BUG_ON(++misses > MISSES_MAX); /* no template has such a name */
		isa->gen(r, shape->has_fp, ret);
	}
}

void diff_seq_make(const struct diff_isa *isa, const struct diff_shape *shape, uint64_t seed, uint64_t index,
		   struct diff_seq *ret)
{
	struct rng mix = { .s = seed };
	struct rng r = { .s = rng_next(&mix) + index * 0x9e3779b97f4a7c15u };
	uint16_t undefined[DIFF_INSNS_MAX + 1];

	r.s = rng_next(&r);
	*ret = (struct diff_seq){ .data_seed = rng_next(&r), .turns = shape->turns };
	isa->start(&r, &ret->start);
	size_t want = 1 + rng_below(&r, rng_below(&r, 4) ? 8 : DIFF_INSNS_MAX - 1);

	want = want < shape->insns_max ? want : shape->insns_max;
	for (unsigned int tries = 0; ret->n < want && tries < TRIES_MAX; tries++) {
		struct diff_insn *in = &ret->insns[ret->n];

		gen(isa, shape, &r, in);
		in->skip = in->branch ? (uint8_t)rng_below(&r, 4) : 0;
		ret->n++;
		/* Branches are clipped at the end only: meanwhile they may point beyond it. */
		struct diff_seq probe = *ret;

		clip_branches(&probe);
		if (!trace_flags(&probe, undefined)) {
			ret->n--;
		}
	}
	clip_branches(ret);
}

bool diff_seq_assemble(const struct diff_isa *isa, const struct diff_seq *s, struct diff_code *ret)
{
	struct rng r = { .s = s->data_seed };
	uint32_t body;
	uint32_t at;

	memset(ret, 0, sizeof(*ret));
	if (!trace_flags(s, ret->undefined)) {
		return false;
	}
	at = s->turns ? isa->loop_head(ret->c.code, s->turns) : 0;
	body = at;
	for (size_t i = 0; i < s->n; i++) {
		ret->offset[i] = at;
		at += s->insns[i].n_bytes;
	}
	ret->offset[s->n] = at;
	BUG_ON(at + (s->turns ? DIFF_LOOP_BYTES_MAX : 0) + isa->end_bytes > WIRE_CASE_CODE_BYTES);
	for (size_t i = 0; i < s->n; i++) {
		struct diff_insn in = s->insns[i];
		uint8_t *to = ret->c.code + ret->offset[i];

		memcpy(to, in.bytes, in.n_bytes);
		if (in.branch) {
			isa->branch(&in, to, ret->offset[i + 1 + in.skip] - ret->offset[i]);
		}
	}
	if (s->turns) {
		ret->offset[s->n] = at + isa->loop_tail(ret->c.code + at, at - body);
	}
	at = ret->offset[s->n];
	memcpy(ret->c.code + at, isa->end, isa->end_bytes);
	ret->c.isa = isa->isa;
	ret->c.code_bytes = at + isa->end_bytes;
	ret->c.start = s->start;
	for (size_t i = 0; i < WIRE_WINDOW_BYTES; i += 8) {
		uint64_t v = rng_next(&r);

		memcpy(ret->c.data + i, &v, 8);
	}
	return true;
}

bool diff_seq_drop(struct diff_seq *s, size_t at)
{
	uint16_t undefined[DIFF_INSNS_MAX + 1];
	struct diff_seq t = *s;

	memmove(&t.insns[at], &t.insns[at + 1], (t.n - at - 1) * sizeof(t.insns[0]));
	t.n--;
	for (size_t i = 0; i < at; i++) {
		if (t.insns[i].branch && i + 1 + t.insns[i].skip > at) {
			t.insns[i].skip--;
		}
	}
	clip_branches(&t);
	if (!trace_flags(&t, undefined)) {
		return false;
	}
	*s = t;
	return true;
}

size_t diff_code_index(const struct diff_seq *s, const struct diff_code *code, uint64_t pc)
{
	for (size_t i = 0; i <= s->n; i++) {
		if (pc == WIRE_CODE_ADDR + code->offset[i]) {
			return i;
		}
	}
	return SIZE_MAX;
}

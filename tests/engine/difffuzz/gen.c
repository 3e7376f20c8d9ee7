/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bit patterns into instructions; interesting values. */
#include "gen.h"

#include <string.h>

#include "base/bug.h"

#define LETTERS 128

static unsigned int width_of(const char *bits)
{
	unsigned int n = 0;

	for (; *bits; bits++) {
		n += *bits != ' ';
	}
	return n;
}

static void pick_fields(const struct gen_set *set, const char *bits, struct rng *r, uint32_t fields[LETTERS],
			unsigned int widths[LETTERS])
{
	memset(widths, 0, LETTERS * sizeof(widths[0]));
	for (const char *p = bits; *p; p++) {
		widths[(unsigned char)*p]++;
	}
	for (unsigned int c = 'A'; c <= 'z'; c++) {
		if (widths[c]) {
			fields[c] = set->pick(r, (char)c, widths[c]);
		}
	}
}

static bool is_allowed(const struct gen_pattern *p, const uint32_t fields[LETTERS])
{
	for (const char *d = p->differ; d && *d; d += d[2] ? 3 : 2) {
		if (fields[(unsigned char)d[0]] == fields[(unsigned char)d[1]]) {
			return false;
		}
	}
	return true;
}

static uint32_t build(const char *bits, const uint32_t fields[LETTERS], unsigned int widths[LETTERS])
{
	uint32_t word = 0;

	for (const char *p = bits; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == ' ') {
			continue;
		}
		word <<= 1;
		if (c == '0' || c == '1') {
			word |= c == '1';
		} else {
			word |= (fields[c] >> --widths[c]) & 1;
		}
	}
	return word;
}

void gen_append(const struct gen_set *set, const struct gen_pattern *p, struct rng *r, struct diff_insn *i)
{
	uint32_t fields[LETTERS] = { 0 };
	unsigned int widths[LETTERS];
	unsigned int bytes = width_of(p->bits) / 8;
	uint32_t word;

	BUG_ON(width_of(p->bits) % 16 != 0 || i->n_bytes + bytes > DIFF_INSN_BYTES_MAX);
	do {
		pick_fields(set, p->bits, r, fields, widths);
	} while (!is_allowed(p, fields));
	word = build(p->bits, fields, widths);
	if (set->is_thumb && bytes == 4) {
		word = word >> 16 | word << 16;
	}
	memcpy(i->bytes + i->n_bytes, &word, bytes);
	i->n_bytes = (uint8_t)(i->n_bytes + bytes);
}

void gen_any(const struct gen_set *set, struct rng *r, bool has_fp, struct diff_insn *ret)
{
	const struct gen_pattern *p;

	do {
		p = &set->patterns[rng_below(r, (uint32_t)set->n)];
	} while (p->is_fp && !has_fp);
	*ret = (struct diff_insn){ .name = p->name, .branch = p->branch };
	gen_append(set, p, r, ret);
}

uint64_t gen_integer(struct rng *r)
{
	uint64_t v = rng_next(r);

	switch (rng_below(r, 8)) {
	case 0:
		return v % 4;
	case 1:
		return ~(v % 4);
	case 2:
		return (uint64_t)1 << (v % 64);
	case 3:
		return ((uint64_t)1 << (v % 64)) - 1;
	case 4:
		return (uint64_t)(int64_t)(int32_t)v;
	case 5:
		return v & 0xff;
	case 6:
		return 0x8000000080000000u ^ (v % 3);
	default:
		return v;
	}
}

/* A value of a format with so many exponent and fraction bits. */
static uint64_t gen_float(struct rng *r, unsigned int exponent_bits, unsigned int fraction_bits)
{
	uint64_t v = rng_next(r);
	uint64_t exponents = ((uint64_t)1 << exponent_bits) - 1;
	uint64_t fraction = v & (((uint64_t)1 << fraction_bits) - 1);
	uint64_t sign = (v >> 63) << (exponent_bits + fraction_bits);
	uint64_t bias = exponents / 2;

	switch (rng_below(r, 12)) {
	case 0:
		return sign;
	case 1:
		return sign | fraction; /* subnormal */
	case 2:
		return sign | exponents << fraction_bits; /* infinite */
	case 3:
		return sign | exponents << fraction_bits | fraction; /* NaN */
	case 4:
		return sign | (exponents - 1) << fraction_bits | fraction; /* huge */
	case 5:
		return sign | (uint64_t)1 << fraction_bits | fraction; /* tiny */
	case 6:
		return sign | bias << fraction_bits; /* one */
	case 7:
		return sign | (bias + 60 + v % 8) << fraction_bits | fraction; /* near 2^63 */
	case 8:
		return sign | (bias + 28 + v % 8) << fraction_bits | fraction; /* near 2^31 */
	case 9:
		return sign | (bias + v % 32) << fraction_bits | (fraction & ~(fraction >> 8)); /* short */
	default:
		return sign | (bias - 16 + v % 32) << fraction_bits | fraction;
	}
}

uint64_t gen_double(struct rng *r)
{
	return gen_float(r, 11, 52);
}

uint32_t gen_single(struct rng *r)
{
	return (uint32_t)gen_float(r, 8, 23);
}

void gen_vector(struct rng *r, uint64_t ret[2])
{
	uint32_t kind = rng_below(r, 4);

	for (int i = 0; i < 2; i++) {
		if (kind == 0) {
			ret[i] = rng_next(r);
		} else if (kind == 1) {
			ret[i] = gen_double(r);
		} else {
			ret[i] = gen_single(r) | (uint64_t)gen_single(r) << 32;
		}
	}
}

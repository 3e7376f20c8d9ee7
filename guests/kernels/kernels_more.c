/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that are more like programs: sorting, an interpreter, packing, strings, a hash table. */
#include "kernels.h"

#include "guest.h"

/* ---- quicksort with a comparison function ---- */

typedef int compare_fn(const uint32_t *a, const uint32_t *b);

__attribute__((noinline)) static int compare_numbers(const uint32_t *a, const uint32_t *b)
{
	return (*a > *b) - (*a < *b);
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

__attribute__((noinline)) static void sort(uint32_t *v, size_t n, compare_fn *compare)
{
	while (n > 1) {
		uint32_t pivot = v[n / 2];
		size_t i = 0;
		size_t j = n - 1;

		for (;;) {
			while (compare(&v[i], &pivot) < 0) {
				i++;
			}
			while (compare(&v[j], &pivot) > 0) {
				j--;
			}
			if (i >= j) {
				break;
			}
			swap(&v[i++], &v[j--]);
		}
		sort(v, i, compare);
		v += i;
		n -= i;
	}
}

uint64_t kernel_qsort(uint32_t n)
{
	enum { NUMBERS = 1000 };
	compare_fn *volatile compare = compare_numbers;
	uint32_t *v = (uint32_t *)kernel_arena;
	uint64_t sum = 0;
	uint32_t seed = 99;

	while (n-- > 0) {
		for (int i = 0; i < NUMBERS; i++) {
			v[i] = kernel_random(&seed);
		}
		sort(v, NUMBERS, compare);
		for (int i = 0; i < NUMBERS; i++) {
			sum = sum * 3 + v[i];
		}
	}
	return sum;
}

/* ---- a byte-code interpreter ---- */

enum code { PUSH, LOAD, STORE, ADD, SUB, MUL, XOR, LESS, JUMP_IF, JUMP, END };

/* Of numbers below v1: the sum of squares, xored with the half of them. */
static const int16_t program[] = {
	PUSH, 0, STORE, 0,				      /* i = 0 */
	LOAD, 0, LOAD,	1, LESS, JUMP_IF, 13, JUMP, 39,	      /* 4: while (i < v1) */
	LOAD, 0, LOAD,	0, MUL,	 LOAD,	  2,  ADD,  STORE, 2, /* 13: sum += i * i */
	LOAD, 2, LOAD,	0, XOR,	 STORE,	  3,		      /* 23: v3 = sum ^ i */
	LOAD, 0, PUSH,	1, ADD,	 STORE,	  0,  JUMP, 4,	      /* 30: i++ */
	END,						      /* 39 */
};

static int64_t interpret(const int16_t *code, int64_t *vars)
{
	int64_t stack[16];
	int64_t *sp = stack;
	size_t pc = 0;

	for (;;) {
		switch (code[pc++]) {
		case PUSH:
			*sp++ = code[pc++];
			break;
		case LOAD:
			*sp++ = vars[code[pc++]];
			break;
		case STORE:
			vars[code[pc++]] = *--sp;
			break;
		case ADD:
			sp--;
			sp[-1] += sp[0];
			break;
		case SUB:
			sp--;
			sp[-1] -= sp[0];
			break;
		case MUL:
			sp--;
			sp[-1] *= sp[0];
			break;
		case XOR:
			sp--;
			sp[-1] ^= sp[0];
			break;
		case LESS:
			sp--;
			sp[-1] = sp[-1] < sp[0];
			break;
		case JUMP_IF:
			pc = *--sp ? (size_t)code[pc] : pc + 1;
			break;
		case JUMP:
			pc = (size_t)code[pc];
			break;
		default:
			return vars[2];
		}
	}
}

uint64_t kernel_interp(uint32_t n)
{
	uint64_t sum = 0;

	while (n-- > 0) {
		int64_t vars[4] = { 0, 3000, 0, 0 };

		sum = sum * 7 + (uint64_t)interpret(program, vars) + (uint64_t)vars[3];
	}
	return sum;
}

/* ---- LZ77 ---- */

enum { LZ_BYTES = 8192, LZ_HEADS = 1024, LZ_MIN = 4, LZ_MAX = 255 };

static uint32_t lz_head(const uint8_t *at)
{
	uint32_t word = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;

	return word * 0x9e3779b1u >> 22;
}

/* Tokens: 0 LITERAL, or LENGTH DISTANCE-LOW DISTANCE-HIGH. */
static size_t lz_pack(const uint8_t *in, size_t bytes, uint8_t *out)
{
	static uint16_t heads[LZ_HEADS];
	size_t n = 0;
	size_t i = 0;

	for (size_t h = 0; h < LZ_HEADS; h++) {
		heads[h] = 0;
	}
	while (i < bytes) {
		uint16_t *head = &heads[i + LZ_MIN <= bytes ? lz_head(in + i) : 0];
		size_t from = *head;
		size_t len = 0;

		*head = (uint16_t)i;
		while (from < i && i + len < bytes && len < LZ_MAX &&
		       in[from + len] == in[i + len]) {
			len++;
		}
		if (len < LZ_MIN) {
			out[n++] = 0;
			out[n++] = in[i++];
			continue;
		}
		out[n++] = (uint8_t)len;
		out[n++] = (uint8_t)(i - from);
		out[n++] = (uint8_t)((i - from) >> 8);
		i += len;
	}
	return n;
}

static size_t lz_unpack(const uint8_t *in, size_t bytes, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes;) {
		size_t len = in[i++];

		if (len == 0) {
			out[n++] = in[i++];
			continue;
		}
		const uint8_t *from = out + n - ((size_t)in[i] | (size_t)in[i + 1] << 8);

		i += 2;
		while (len-- > 0) {
			out[n++] = *from++;
		}
	}
	return n;
}

uint64_t kernel_lz(uint32_t n)
{
	static const char words[8][8] = { "guest ", "host ", "page ",  "trap ",
					  "block ", "a ",    "timer ", "core " };
	uint8_t *plain = kernel_arena;
	uint8_t *packed = plain + LZ_BYTES;
	uint8_t *again = packed + 2 * LZ_BYTES;
	uint32_t seed = 7;
	uint64_t sum = 0;

	for (size_t i = 0, at = 0, word = 0; i < LZ_BYTES; i++) {
		at = words[word][at] ? at : 0;
		word = at ? word : kernel_random(&seed) & 7;
		plain[i] = (uint8_t)words[word][at++];
	}
	while (n-- > 0) {
		size_t bytes;

		plain[kernel_random(&seed) % LZ_BYTES] ^= 1;
		bytes = lz_pack(plain, LZ_BYTES, packed);
		sum += bytes + lz_unpack(packed, bytes, again);
		for (size_t i = 0; i < LZ_BYTES; i++) {
			sum += plain[i] != again[i];
		}
	}
	return sum;
}

/* ---- strings ---- */

__attribute__((noinline)) static size_t text_length(const char *s)
{
	const char *end = s;

	while (*end) {
		end++;
	}
	return (size_t)(end - s);
}

__attribute__((noinline)) static int text_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

__attribute__((noinline)) static const char *text_find(const char *s, char c)
{
	while (*s && *s != c) {
		s++;
	}
	return s;
}

uint64_t kernel_text(uint32_t n)
{
	enum { LINES = 64, LINE_BYTES = 48 };
	char(*lines)[LINE_BYTES] = (char(*)[LINE_BYTES])kernel_arena;
	uint32_t seed = 4711;
	uint64_t sum = 0;

	for (int i = 0; i < LINES; i++) {
		uint32_t len = 16 + kernel_random(&seed) % (LINE_BYTES - 17);

		for (uint32_t j = 0; j < len; j++) {
			lines[i][j] = (char)(j < 12 ? 'a' : 'a' + kernel_random(&seed) % 26);
		}
		lines[i][len] = '\0';
	}
	for (uint32_t i = 0; i < n * 32; i++) {
		for (int j = 0; j + 1 < LINES; j++) {
			sum += text_length(lines[j]);
			sum += (uint64_t)(text_compare(lines[j], lines[j + 1]) > 0);
			sum += (uint64_t)(text_find(lines[j], 'q') - lines[j]);
		}
	}
	return sum;
}

/* ---- hash table ---- */

struct entry {
	struct entry *next;
	uint32_t key;
	uint32_t count;
};

enum { BUCKETS = 512 };

struct table {
	struct entry *buckets[BUCKETS];
	struct entry *spare;
	struct entry *fresh;
};

static struct entry **table_find(struct table *t, uint32_t key)
{
	struct entry **at = &t->buckets[(key * 0x9e3779b1u) >> 23];

	while (*at && (*at)->key != key) {
		at = &(*at)->next;
	}
	return at;
}

static struct entry *table_new(struct table *t)
{
	struct entry *e = t->spare;

	if (e) {
		t->spare = e->next;
		return e;
	}
	return t->fresh++;
}

uint64_t kernel_hash(uint32_t n)
{
	struct table *t = (struct table *)kernel_arena;
	uint32_t seed = 31337;
	uint64_t sum = 0;

	for (int i = 0; i < BUCKETS; i++) {
		t->buckets[i] = NULL;
	}
	t->spare = NULL;
	t->fresh = (struct entry *)(t + 1);
	for (uint32_t i = 0; i < n * 8192; i++) {
		uint32_t key = kernel_random(&seed) % 2048;
		struct entry **at = table_find(t, key);
		struct entry *e = *at;

		if (!e) {
			e = table_new(t);
			*e = (struct entry){ .key = key, .count = i };
			*at = e;
		} else if (i & 1) {
			*at = e->next;
			e->next = t->spare;
			t->spare = e;
		} else {
			sum += e->count++;
		}
	}
	return sum;
}

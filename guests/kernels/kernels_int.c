/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels of integer arithmetic and memory, as facts about translators are usually told by. */
#include "kernels.h"

#include "guest.h"

/* ---- core: lists, matrix, state machine, CRC ---- */

struct item {
	struct item *next;
	int16_t key;
	uint16_t value;
};

enum { ITEMS = 64, SIDE = 12, TEXT_BYTES = 256 };

static uint16_t crc16(uint16_t crc, uint32_t data, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++) {
		uint16_t carry = (uint16_t)((crc ^ data) & 1);

		crc = (uint16_t)(crc >> 1);
		if (carry) {
			crc ^= 0xa001;
		}
		data >>= 1;
	}
	return crc;
}

static struct item *list_merge(struct item *a, struct item *b)
{
	struct item head = { 0 };
	struct item *last = &head;

	while (a && b) {
		struct item **from = a->key <= b->key ? &a : &b;

		last->next = *from;
		last = *from;
		*from = last->next;
	}
	last->next = a ? a : b;
	return head.next;
}

static struct item *list_sort(struct item *list)
{
	struct item *slow = list;
	struct item *fast = list ? list->next : NULL;

	if (!fast) {
		return list;
	}
	while (fast && fast->next) {
		slow = slow->next;
		fast = fast->next->next;
	}
	fast = slow->next;
	slow->next = NULL;
	return list_merge(list_sort(list), list_sort(fast));
}

static uint16_t core_list(uint32_t seed)
{
	static struct item items[ITEMS];
	struct item *list = NULL;
	struct item *reversed = NULL;
	uint16_t crc = 0;

	for (int i = 0; i < ITEMS; i++) {
		items[i].key = (int16_t)(kernel_random(&seed) & 0x7fff);
		items[i].value = (uint16_t)i;
		items[i].next = list;
		list = &items[i];
	}
	list = list_sort(list);
	for (int16_t want = 0; want < 8; want++) {
		const struct item *at = list;

		while (at && (at->value & 7) != want) {
			at = at->next;
		}
		crc = crc16(crc, at ? (uint32_t)at->key : 0, 16);
	}
	while (list) {
		struct item *next = list->next;

		list->next = reversed;
		reversed = list;
		list = next;
	}
	return crc16(crc, (uint32_t)reversed->key, 16);
}

static uint16_t core_matrix(uint32_t seed)
{
	static int16_t a[SIDE][SIDE];
	static int16_t b[SIDE][SIDE];
	static int32_t c[SIDE][SIDE];
	uint32_t sum = 0;

	for (int i = 0; i < SIDE * SIDE; i++) {
		a[i / SIDE][i % SIDE] = (int16_t)(kernel_random(&seed) & 0xff);
		b[i / SIDE][i % SIDE] = (int16_t)(kernel_random(&seed) & 0xff);
	}
	for (int i = 0; i < SIDE; i++) {
		for (int j = 0; j < SIDE; j++) {
			int32_t dot = 0;

			for (int k = 0; k < SIDE; k++) {
				dot += (int32_t)a[i][k] * b[k][j];
			}
			c[i][j] = dot;
			sum += (uint32_t)((dot >> 2 & 15) * (dot >> 5 & 127));
		}
	}
	return crc16((uint16_t)c[SIDE - 1][0], sum, 16);
}

/* Which kind of number a word is: the state after each of its characters. */
enum text_state { START, SIGN, DIGITS, POINT, EXPONENT, WRONG, STATES };

static enum text_state text_step(enum text_state state, char c)
{
	int is_digit = c >= '0' && c <= '9';

	switch (state) {
	case START:
		return is_digit ? DIGITS : c == '-' || c == '+' ? SIGN : c == '.' ? POINT : WRONG;
	case SIGN:
		return is_digit ? DIGITS : c == '.' ? POINT : WRONG;
	case DIGITS:
		return is_digit ? DIGITS : c == '.' ? POINT : c == 'e' ? EXPONENT : WRONG;
	case POINT:
		return is_digit ? POINT : c == 'e' ? EXPONENT : WRONG;
	case EXPONENT:
		return is_digit || c == '-' ? EXPONENT : WRONG;
	default:
		return WRONG;
	}
}

static uint16_t core_text(uint32_t seed)
{
	static const char letters[] = "0123456789,0123,.+-ex,";
	static char text[TEXT_BYTES];
	uint32_t seen[STATES] = { 0 };
	enum text_state state = START;
	uint16_t crc = 0;

	for (int i = 0; i < TEXT_BYTES; i++) {
		text[i] = letters[kernel_random(&seed) % (sizeof(letters) - 1)];
	}
	for (int i = 0; i < TEXT_BYTES; i++) {
		state = text[i] == ',' ? START : text_step(state, text[i]);
		seen[state]++;
	}
	for (int i = 0; i < STATES; i++) {
		crc = crc16(crc, seen[i], 16);
	}
	return crc;
}

uint64_t kernel_core(uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n * 8; i++) {
		sum = sum * 31 + core_list(i + 1);
		sum = sum * 31 + core_matrix(i + 1);
		sum = sum * 31 + core_text(i + 1);
	}
	return sum;
}

/* ---- sieve ---- */

uint64_t kernel_sieve(uint32_t n)
{
	enum { LIMIT = 65536 };
	uint8_t *is_composite = kernel_arena;
	uint64_t sum = 0;

	while (n-- > 0) {
		for (uint32_t i = 0; i < LIMIT; i++) {
			is_composite[i] = 0;
		}
		for (uint32_t i = 2; i < LIMIT; i++) {
			if (is_composite[i]) {
				continue;
			}
			sum++;
			for (uint32_t j = 2 * i; j < LIMIT; j += i) {
				is_composite[j] = 1;
			}
		}
	}
	return sum;
}

/* ---- dependent loads ---- */

struct node {
	struct node *next;
	uint64_t unused[7]; /* a node is a cache line */
};

/* One cycle through all nodes in an order of chance (Sattolo), then steps along it. */
static uint64_t chase(uint32_t n_nodes, uint64_t n_steps)
{
	struct node *nodes = (struct node *)kernel_arena;
	const struct node *at = nodes;
	uint32_t seed = 12345;

	for (uint32_t i = 0; i < n_nodes; i++) {
		nodes[i].next = &nodes[i];
	}
	for (uint32_t i = n_nodes - 1; i > 0; i--) {
		uint32_t j = kernel_random(&seed) % i;
		struct node *next = nodes[i].next;

		nodes[i].next = nodes[j].next;
		nodes[j].next = next;
	}
	while (n_steps-- > 0) {
		at = at->next;
	}
	return (uint64_t)(at - nodes);
}

uint64_t kernel_list64k(uint32_t n)
{
	return chase(1024, (uint64_t)n * 50000);
}

uint64_t kernel_list32m(uint32_t n)
{
	return chase(524288, (uint64_t)n * 2000);
}

/* ---- SHA-256 ---- */

static uint32_t rotate(uint32_t x, unsigned int by)
{
	return x >> by | x << (32 - by);
}

/* The first 32 bits of the fractions of roots are only constants here: any odd numbers make the same work. */
static void sha_block(uint32_t h[8], const uint32_t in[16], const uint32_t k[64])
{
	uint32_t w[64];
	uint32_t v[8];

	for (int i = 0; i < 16; i++) {
		w[i] = in[i];
	}
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15];
		uint32_t b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	for (int i = 0; i < 8; i++) {
		v[i] = h[i];
	}
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4];
		uint32_t a = v[0];
		uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
			      ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
			      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		v[7] = v[6];
		v[6] = v[5];
		v[5] = e;
		v[4] = v[3] + t1;
		v[3] = v[2];
		v[2] = v[1];
		v[1] = a;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++) {
		h[i] += v[i];
	}
}

uint64_t kernel_sha256(uint32_t n)
{
	static uint32_t k[64];
	uint32_t in[16];
	uint32_t h[8];
	uint32_t seed = 0x6a09e667;

	for (int i = 0; i < 64; i++) {
		k[i] = kernel_random(&seed);
	}
	for (int i = 0; i < 16; i++) {
		in[i] = kernel_random(&seed);
	}
	for (int i = 0; i < 8; i++) {
		h[i] = kernel_random(&seed);
	}
	for (uint32_t i = 0; i < n * 512; i++) {
		in[i & 15] ^= i;
		sha_block(h, in, k);
	}
	return (uint64_t)h[0] << 32 | h[7];
}

/* ---- recursion ---- */

__attribute__((noinline)) static uint32_t fib(uint32_t n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t kernel_fib(uint32_t n)
{
	uint64_t sum = 0;

	while (n-- > 0) {
		sum += fib(20 + (n & 1));
	}
	return sum;
}

/* ---- copying words ---- */

__attribute__((noinline)) static void copy_words(volatile uint64_t *to,
						 const volatile uint64_t *from, size_t n_words)
{
	for (size_t i = 0; i < n_words; i++) {
		to[i] = from[i];
	}
}

uint64_t kernel_wcopy(uint32_t n)
{
	enum { WORDS = 2048 };
	uint64_t *words = (uint64_t *)kernel_arena;

	for (uint64_t i = 0; i < 2 * WORDS; i++) {
		words[i] = i * i;
	}
	for (uint32_t i = 0; i < n * 128; i++) {
		size_t from = i & 1 ? WORDS : 0;

		words[from + (i & (WORDS - 1))]++;
		copy_words(words + (WORDS - from), words + from, WORDS);
	}
	return words[1] + words[WORDS + 7] * 3;
}

/* ---- calls through a table ---- */

typedef uint32_t op_fn(uint32_t x);

#define OP(name, expression)                                       \
	__attribute__((noinline)) static uint32_t name(uint32_t x) \
	{                                                          \
		return expression;                                 \
	}

OP(op_add, x + 0x9e3779b9)
OP(op_xor, x ^ x >> 15)
OP(op_mul, x * 0x85ebca6b)
OP(op_rotate, x << 7 | x >> 25)
OP(op_not, ~x)
OP(op_sub, x - (x >> 3))
OP(op_shift, x ^ x << 5)
OP(op_odd, x | 1)

uint64_t kernel_icall(uint32_t n)
{
	static op_fn *const ops[8] = { op_add, op_xor, op_mul,	 op_rotate,
				       op_not, op_sub, op_shift, op_odd };
	uint32_t x = 1;

	for (uint32_t i = 0; i < n * 40000; i++) {
		x = ops[i & 7](x);
	}
	return x;
}

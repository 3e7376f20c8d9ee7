/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a mixture of everyday integer code (the class of work that CoreMark
 * measures, written from scratch): list sort, matrix product, state machine, CRC.
 * Known answers: the CRC of all intermediate results, equal on every architecture
 * (params.h; a second implementation in another language gave the same).
 */
#include "guest.h"
#include "params.h"

enum {
	NODES = 128,
	SIDE = 16,
};

struct node {
	struct node *next;
	uint32_t key;
};

static struct node nodes[NODES];
static uint32_t seed;
static uint32_t digest;

static uint32_t random_next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Bytes by value, so that the byte order does not show. */
static void digest_add(uint32_t value)
{
	uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			     (uint8_t)(value >> 24) };

	digest = guest_crc32(digest, bytes, sizeof(bytes));
}

static struct node *list_merge(struct node *a, struct node *b)
{
	struct node *head = NULL;
	struct node **tail = &head;

	while (a != NULL && b != NULL) {
		struct node **least = a->key <= b->key ? &a : &b;

		*tail = *least;
		tail = &(*least)->next;
		*least = (*least)->next;
	}
	*tail = a != NULL ? a : b;
	return head;
}

static struct node *list_sort(struct node *list)
{
	struct node *slow = list;
	struct node *half;

	if (list == NULL || list->next == NULL) {
		return list;
	}
	for (struct node *fast = list->next; fast != NULL && fast->next != NULL;
	     fast = fast->next->next) {
		slow = slow->next;
	}
	half = slow->next;
	slow->next = NULL;
	return list_merge(list_sort(list), list_sort(half));
}

static int list_work(void)
{
	struct node *list = NULL;
	uint32_t last = 0;
	int is_sorted = 1;

	for (int i = 0; i < NODES; i++) {
		nodes[i].key = random_next() & 0xffff;
		nodes[i].next = list;
		list = &nodes[i];
	}
	for (struct node *n = list_sort(list); n != NULL; n = n->next) {
		is_sorted &= last <= n->key;
		last = n->key;
		digest_add(n->key);
	}
	return is_sorted;
}

static void matrix_work(void)
{
	static uint32_t a[SIDE][SIDE];
	static uint32_t b[SIDE][SIDE];
	uint32_t trace = 0;

	for (int i = 0; i < SIDE * SIDE; i++) {
		a[i / SIDE][i % SIDE] = random_next();
		b[i / SIDE][i % SIDE] = random_next();
	}
	for (int i = 0; i < SIDE; i++) {
		for (int j = 0; j < SIDE; j++) {
			uint32_t dot = 0;

			for (int n = 0; n < SIDE; n++) {
				dot += a[i][n] * b[n][j];
			}
			trace = (trace << 1 | trace >> 31) ^ dot;
		}
	}
	digest_add(trace);
}

enum token_state { START, INTEGER, FRACTION, EXPONENT, HEX, INVALID, STATES };

static enum token_state token_step(enum token_state state, char c)
{
	int is_digit = c >= '0' && c <= '9';

	switch (state) {
	case START:
		return is_digit || c == '-' || c == '+' ? INTEGER : INVALID;
	case INTEGER:
		if (c == 'x') {
			return HEX;
		}
		if (c == '.') {
			return FRACTION;
		}
		return is_digit ? INTEGER : INVALID;
	case FRACTION:
		if (c == 'e') {
			return EXPONENT;
		}
		return is_digit ? FRACTION : INVALID;
	case EXPONENT:
		return is_digit || c == '-' ? EXPONENT : INVALID;
	case HEX:
		return is_digit || (c >= 'a' && c <= 'f') ? HEX : INVALID;
	default:
		return INVALID;
	}
}

static void state_work(void)
{
	static const char alphabet[] = "0123456789abcdef-+.ex,,,";
	uint32_t seen[STATES] = { 0 };
	enum token_state state = START;

	for (int i = 0; i < 512; i++) {
		char c = alphabet[random_next() % (sizeof(alphabet) - 1)];

		if (c == ',') {
			seen[state]++;
			state = START;
		} else {
			state = token_step(state, c);
		}
	}
	for (int i = 0; i < STATES; i++) {
		digest_add(seen[i]);
	}
}

int main(void)
{
	int is_sorted = 1;

	seed = 2026;
	for (int round = 0; round < MIX_ROUNDS; round++) {
		is_sorted &= list_work();
		matrix_work();
		state_work();
	}
	guest_line_hex("mix digest", digest, 8);
	return guest_verdict(is_sorted && digest == MIX_ANSWER);
}

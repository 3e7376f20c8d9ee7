// SPDX-License-Identifier: GPL-2.0
#include "auth.h"

#include "base32.h"
#include "text.h"

#define NONCE_BYTES  10 /* counter, most significant byte first, then random */
#define MAC_BYTES    32
#define SIGNED_BYTES (32 + AUTH_REQUEST_BYTES + AUTH_NONCE_CHARS)
#define NS_PER_S     1000000000ull
#define GROUP_CHARS  4

void auth_init(struct auth *a, u8 terminal)
{
	port_lock_init(&a->lock);
	a->terminal = terminal;
	a->next_counter = terminal ? 2 : 1;
	a->wrong = 0;
	a->closed_till_ns = 0;
}

u64 auth_wait_ns(struct auth *a, u64 now_ns)
{
	u64 till_ns;

	port_lock(&a->lock);
	till_ns = a->closed_till_ns;
	port_unlock(&a->lock);
	return till_ns > now_ns ? till_ns - now_ns : 0;
}

u32 auth_wrong(struct auth *a)
{
	u32 wrong;

	port_lock(&a->lock);
	wrong = a->wrong;
	port_unlock(&a->lock);
	return wrong;
}

/* Count a try. */
static void judge(struct auth *a, u64 now_ns, bool was_right)
{
	u32 beyond;
	u64 wait_s;

	port_lock(&a->lock);
	if (was_right)
		a->wrong = 0;
	else if (a->wrong < ~0u)
		a->wrong++;
	if (a->wrong > AUTH_FREE_TRIES) {
		beyond = a->wrong - AUTH_FREE_TRIES - 1;
		wait_s = beyond < 6 ? 1ull << beyond : AUTH_WAIT_MAX_S;
		a->closed_till_ns = now_ns + wait_s * NS_PER_S;
	}
	port_unlock(&a->lock);
}

/* Take a counter that nobody had. */
static u32 take_counter(struct auth *a)
{
	u32 counter;

	port_lock(&a->lock);
	counter = a->next_counter;
	if (counter)
		a->next_counter = counter > ~0u - 2 ? 0 : counter + 2;
	port_unlock(&a->lock);
	return counter;
}

int auth_ask(struct auth *a, const struct guard_ops *ops, void *ctx, const char *request,
	     struct auth_challenge *ret)
{
	u64 now_ns = ops->boot_ns(ctx);
	u8 nonce[NONCE_BYTES];
	struct text copy;
	u32 counter;

	if (!ops->is_keyed(ctx))
		return -ENOKEY;
	if (auth_wait_ns(a, now_ns))
		return -EAGAIN;
	counter = take_counter(a);
	if (!counter)
		return -EOVERFLOW;
	for (size_t i = 0; i < 4; i++)
		nonce[i] = (u8)(counter >> (24 - 8 * i));
	ops->random(ctx, nonce + 4, sizeof(nonce) - 4);
	base32_encode(nonce, AUTH_NONCE_CHARS, ret->nonce);
	text_init(&copy, ret->request, sizeof(ret->request));
	text_add(&copy, request);
	BUG_ON(text_is_cut(&copy));
	ret->expires_ns = now_ns + AUTH_LIFE_NS;
	ret->is_open = true;
	return 0;
}

static void add_letter(struct text *t, const struct auth *a)
{
	text_add(t, a->terminal ? "B " : "A ");
}

/* What the answer to a challenge is. */
static int expect(const struct auth *a, const struct guard_ops *ops, void *ctx,
		  const struct auth_challenge *c, char ret[AUTH_ANSWER_CHARS])
{
	char buf[SIGNED_BYTES];
	u8 mac[MAC_BYTES];
	struct text t;
	int r;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "pinfold-guard 1 ");
	add_letter(&t, a);
	text_add(&t, c->request);
	text_add(&t, " ");
	text_add_n(&t, c->nonce, AUTH_NONCE_CHARS);
	BUG_ON(text_is_cut(&t));
	r = ops->hmac(ctx, buf, t.used, mac);
	if (!r)
		base32_encode(mac, AUTH_ANSWER_CHARS, ret);
	memzero_explicit(mac, sizeof(mac));
	return r;
}

/* In a time that does not depend on where they differ. */
static bool is_same(const char *a, const char *b, size_t n)
{
	unsigned int differ = 0;

	for (size_t i = 0; i < n; i++) {
		differ |= (unsigned int)(a[i] ^ b[i]);
		OPTIMIZER_HIDE_VAR(differ); /* or the loop might be left early */
	}
	return !differ;
}

int auth_answer(struct auth *a, const struct guard_ops *ops, void *ctx, struct auth_challenge *c,
		const char *typed)
{
	char given[AUTH_ANSWER_CHARS + 1], expected[AUTH_ANSWER_CHARS];
	u64 now_ns = ops->boot_ns(ctx);
	bool is_right;
	int r;

	if (!c->is_open)
		return -ENOENT;
	if (now_ns >= c->expires_ns) {
		auth_drop(c);
		return -ETIMEDOUT;
	}
	if (base32_canonical(typed, AUTH_ANSWER_CHARS, given)) {
		memzero_explicit(given, sizeof(given));
		return -EINVAL;
	}
	c->is_open = false;
	r = expect(a, ops, ctx, c, expected);
	if (!r) {
		is_right = is_same(given, expected, AUTH_ANSWER_CHARS);
		judge(a, now_ns, is_right);
		r = is_right ? 0 : -EKEYREJECTED;
	}
	memzero_explicit(expected, sizeof(expected));
	memzero_explicit(given, sizeof(given));
	auth_drop(c);
	return r;
}

int auth_passphrase(struct auth *a, const struct guard_ops *ops, void *ctx, const char *typed,
		    size_t n)
{
	int r;

	if (auth_wait_ns(a, ops->boot_ns(ctx)))
		return -EAGAIN;
	r = ops->passphrase(ctx, typed, n);
	if (!r || r == -EKEYREJECTED)
		judge(a, ops->boot_ns(ctx), !r);
	return r;
}

void auth_drop(struct auth_challenge *c)
{
	memzero_explicit(c, sizeof(*c));
}

void auth_show(const struct auth *a, const struct auth_challenge *c, struct text *out)
{
	add_letter(out, a);
	text_add(out, c->request);
	for (size_t i = 0; i < AUTH_NONCE_CHARS; i++) {
		if (i % GROUP_CHARS == 0)
			text_add(out, i ? "-" : " ");
		text_add_n(out, &c->nonce[i], 1);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only the right answer, once, in time, at the terminal that asked, for the request it was asked for:
 * against an implementation of its own (answer.h). Time is the test's.
 */
#include "core/auth.h"
#include "core/base32.h"

#include "answer.h"
#include "test.h"

#define S 1000000000ull

static const unsigned char key[32] = "the key of this machine, 32 byte";
static struct auth auth[2];
static u64 now_ns, random_state;
static bool is_keyed;
static u32 macs;

static u64 fake_boot_ns(void *ctx)
{
	(void)ctx;
	return now_ns;
}

static void fake_random(void *ctx, void *buf, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
		((u8 *)buf)[i] = (u8)(random_state >> 56);
	}
}

static bool fake_is_keyed(void *ctx)
{
	(void)ctx;
	return is_keyed;
}

static int fake_hmac(void *ctx, const void *bytes, size_t n, u8 ret[32])
{
	(void)ctx;
	if (!is_keyed) {
		return -ENOKEY;
	}
	macs++;
	crypto_auth_hmacsha256(ret, bytes, n, key);
	return 0;
}

static int fake_passphrase(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	return n == 6 && !memcmp(text, "sesame", 6) ? 0 : -EKEYREJECTED;
}

static const struct guard_ops ops = {
	.boot_ns = fake_boot_ns,
	.random = fake_random,
	.is_keyed = fake_is_keyed,
	.hmac = fake_hmac,
	.passphrase = fake_passphrase,
};

static void begin(void)
{
	auth_init(&auth[0], 0);
	auth_init(&auth[1], 1);
	now_ns = 5 * S;
	random_state = 1;
	is_keyed = true;
}

static int ask(u8 terminal, const char *request, struct auth_challenge *ret)
{
	return auth_ask(&auth[terminal], &ops, NULL, request, ret);
}

static int answer(u8 terminal, struct auth_challenge *c, const char *typed)
{
	return auth_answer(&auth[terminal], &ops, NULL, c, typed);
}

/* What the person's other machine says to what the terminal shows. */
static void right_answer(u8 terminal, const struct auth_challenge *c, char ret[15])
{
	char shown[128];
	struct text t;

	text_init(&t, shown, sizeof(shown));
	auth_show(&auth[terminal], c, &t);
	answer_compute(shown, key, ret);
}

static void wait_until_open(u8 terminal)
{
	now_ns += auth_wait_ns(&auth[terminal], now_ns);
}

static void writes_base32(void)
{
	static const u8 bytes[] = { 0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf };
	char text[17] = "";

	base32_encode(bytes, 16, text); /* digits 0 to 15 */
	CHECK_STR(text, "0123456789ABCDEF");
	CHECK_INT(base32_canonical("o1iL-abcd zyxw", 12, text), 0);
	CHECK_STR(text, "0111ABCDZYXW");
	CHECK_INT(base32_canonical("0111-ABCD-ZYXU", 12, text), -EINVAL); /* no U */
	CHECK_INT(base32_canonical("0111-ABCD-ZYX", 12, text), -EINVAL);
	CHECK_INT(base32_canonical("0111-ABCD-ZYXWV", 12, text), -EINVAL);
	CHECK_INT(base32_canonical("0111_ABCD_ZYXW", 12, text), -EINVAL);
	CHECK_INT(base32_canonical("", 12, text), -EINVAL);
}

static void shows_the_challenge(void)
{
	struct auth_challenge c;
	char shown[128];
	struct text t;

	begin();
	CHECK_INT(ask(1, "kill-user 1000", &c), 0);
	text_init(&t, shown, sizeof(shown));
	auth_show(&auth[1], &c, &t);
	CHECK_STR(shown, "B kill-user 1000 0000-00KC-GAJP-5JW0");
}

static void accepts_the_right_answer_in_any_spelling(void)
{
	struct auth_challenge c;
	char right[15], typed[32];

	begin();
	for (u32 i = 0; i < 2000; i++) {
		size_t n = 0;

		CHECK_INT(ask(i & 1, "kill 7", &c), 0);
		right_answer(i & 1, &c, right);
		for (const char *p = right; *p; p++) {
			if (*p == '-' && i % 3) {
				continue;
			}
			typed[n++] = *p == '0' && i % 5	  ? 'o'
				     : *p == '1' && i % 7 ? 'l'
				     : *p >= 'A' && i % 2 ? (char)(*p - 'A' + 'a')
							  : *p;
			if (i % 11 == 0) {
				typed[n++] = ' ';
			}
		}
		typed[n] = '\0';
		CHECK_INT(answer(i & 1, &c, typed), 0);
		CHECK_INT(answer(i & 1, &c, typed), -ENOENT);
	}
}

/* Wrong in one of many ways; what is said of it. */
static int wrong_answer(u32 way, char ret[15], struct auth_challenge *c)
{
	struct auth_challenge other;
	char old[15];
	size_t at;

	right_answer(0, c, ret);
	switch (way % 6) {
	case 0: /* one character off */
		at = way / 6 % 14;
		at += ret[at] == '-';
		ret[at] = ret[at] == '7' ? '8' : '7';
		return -EKEYREJECTED;
	case 1: /* replayed: of a challenge before */
		memcpy(old, ret, sizeof(old));
		CHECK_INT(answer(0, c, old), 0);
		CHECK_INT(ask(0, c->request[0] ? c->request : "kill 7", c), 0);
		memcpy(ret, old, sizeof(old));
		return -EKEYREJECTED;
	case 2: /* expired */
		now_ns = c->expires_ns;
		return -ETIMEDOUT;
	case 3: /* of another request */
		other = *c;
		memcpy(other.request, "kill 8", 7);
		right_answer(0, &other, ret);
		return -EKEYREJECTED;
	case 4: /* of the other terminal, same nonce */
		right_answer(1, c, ret);
		return -EKEYREJECTED;
	default: /* of the other terminal's challenge */
		CHECK_INT(ask(1, "kill 7", &other), 0);
		right_answer(1, &other, ret);
		return -EKEYREJECTED;
	}
}

static void refuses_ten_thousand_others(void)
{
	struct auth_challenge c, there;
	char typed[15];
	u32 refused = 0;

	begin();
	for (u32 i = 0; i < 10000; i++) {
		int want;

		wait_until_open(0);
		CHECK_INT(ask(0, "kill 7", &c), 0);
		want = wrong_answer(i, typed, &c);
		CHECK_INT(answer(0, &c, typed), want);
		CHECK_INT(answer(0, &c, typed), -ENOENT);
		refused++;
		if (i % 100 == 0) { /* the other terminal is not concerned */
			CHECK_INT(auth_wait_ns(&auth[1], now_ns), 0);
			CHECK_INT(ask(1, "ban 1000", &there), 0);
			right_answer(1, &there, typed);
			CHECK_INT(answer(1, &there, typed), 0);
		}
	}
	CHECK_INT(refused, 10000);
	CHECK(auth_wait_ns(&auth[1], now_ns) == 0);
}

static void not_an_answer_is_not_a_try(void)
{
	struct auth_challenge c;
	char right[15];

	begin();
	CHECK_INT(ask(0, "kill 7", &c), 0);
	macs = 0;
	for (u32 i = 0; i < 100; i++) {
		CHECK_INT(answer(0, &c, i & 1 ? "7K2M-Q9XA-03P" : "help"), -EINVAL);
	}
	CHECK_INT(macs, 0);
	CHECK_INT(auth_wrong(&auth[0]), 0);
	right_answer(0, &c, right);
	now_ns = c.expires_ns - 1;
	CHECK_INT(answer(0, &c, right), 0);
}

static void give_wrong_one(u8 terminal)
{
	struct auth_challenge c;

	CHECK_INT(ask(terminal, "login", &c), 0);
	CHECK_INT(answer(terminal, &c, "0000-0000-0000"), -EKEYREJECTED);
}

static void backs_off(void)
{
	static const u32 waits_s[] = { 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	struct auth_challenge c;
	char right[15];

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(waits_s); i++) {
		give_wrong_one(0);
		CHECK_INT(auth_wrong(&auth[0]), i + 1);
		CHECK_INT(auth_wait_ns(&auth[0], now_ns), waits_s[i] * S);
		if (waits_s[i]) {
			now_ns += waits_s[i] * S - 1;
			CHECK_INT(ask(0, "kill 7", &c), -EAGAIN);
			CHECK_INT(ask(1, "kill 7", &c), 0);
			now_ns += 1;
		}
	}
	CHECK_INT(ask(0, "kill 7", &c), 0);
	right_answer(0, &c, right);
	CHECK_INT(answer(0, &c, right), 0);
	give_wrong_one(0);
	give_wrong_one(0);
	CHECK_INT(auth_wait_ns(&auth[0], now_ns), 0); /* counted anew */
}

static void passphrases_count_as_tries(void)
{
	struct auth_challenge c;

	begin();
	for (u32 i = 0; i < 3; i++) {
		CHECK_INT(auth_passphrase(&auth[0], &ops, NULL, "salami", 6), -EKEYREJECTED);
	}
	CHECK_INT(auth_passphrase(&auth[0], &ops, NULL, "sesame", 6), -EAGAIN);
	CHECK_INT(ask(0, "login", &c), -EAGAIN);
	now_ns += S;
	CHECK_INT(auth_passphrase(&auth[0], &ops, NULL, "sesame", 6), 0);
	CHECK_INT(auth_wrong(&auth[0]), 0);
}

static int by_text(const void *a, const void *b)
{
	return memcmp(a, b, AUTH_NONCE_CHARS);
}

static void never_uses_a_counter_twice(void)
{
	enum { ROUNDS = 20000 };
	static char nonces[2 * ROUNDS][AUTH_NONCE_CHARS];
	struct auth_challenge c;

	begin();
	for (u32 i = 0; i < 2 * ROUNDS; i++) {
		random_state = 1; /* the random part is of no help */
		CHECK_INT(ask(i & 1, "kill 7", &c), 0);
		memcpy(nonces[i], c.nonce, sizeof(nonces[i]));
	}
	qsort(nonces, 2 * ROUNDS, sizeof(nonces[0]), by_text);
	for (u32 i = 1; i < 2 * ROUNDS; i++) {
		CHECK(memcmp(nonces[i - 1], nonces[i], sizeof(nonces[0])) != 0);
	}
}

static void ends_with_the_counter(void)
{
	static const u32 last[] = { ~0u, ~0u - 1 };
	struct auth_challenge c;

	for (u8 terminal = 0; terminal < 2; terminal++) {
		begin();
		auth[terminal].next_counter = last[terminal];
		CHECK_INT(ask(terminal, "kill 7", &c), 0);
		CHECK(!memcmp(c.nonce, "ZZZZZZ", 6));
		CHECK_INT(ask(terminal, "kill 7", &c), -EOVERFLOW);
		CHECK_INT(ask(terminal, "kill 7", &c), -EOVERFLOW);
	}
}

static void needs_a_key(void)
{
	struct auth_challenge c;

	begin();
	is_keyed = false;
	CHECK_INT(ask(0, "kill 7", &c), -ENOKEY);
	is_keyed = true;
	CHECK_INT(ask(0, "kill 7", &c), 0);
	is_keyed = false; /* it can't, but if it did */
	CHECK_INT(answer(0, &c, "0000-0000-0000"), -ENOKEY);
	CHECK(!c.is_open);
}

static void forgets(void)
{
	static const struct auth_challenge nothing;
	struct auth_challenge c;

	begin();
	CHECK_INT(ask(0, "kill 7", &c), 0);
	CHECK_INT(answer(0, &c, "0000-0000-0000"), -EKEYREJECTED);
	CHECK(!memcmp(&c, &nothing, sizeof(c)));
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "writes base32", writes_base32 },
		{ "shows the challenge", shows_the_challenge },
		{ "accepts the right answer in any spelling",
		  accepts_the_right_answer_in_any_spelling },
		{ "refuses ten thousand others", refuses_ten_thousand_others },
		{ "not an answer is not a try", not_an_answer_is_not_a_try },
		{ "backs off", backs_off },
		{ "passphrases count as tries", passphrases_count_as_tries },
		{ "never uses a counter twice", never_uses_a_counter_twice },
		{ "ends with the counter", ends_with_the_counter },
		{ "needs a key", needs_a_key },
		{ "forgets", forgets },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}

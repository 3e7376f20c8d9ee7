/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's challenges and answers; see guard_answer.h. */
#include "cli/guard_answer.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bits.h"
#include "base/parse.h"
#include "cli/text.h"

#define SEPARATORS   " \t\n"
#define ANSWER_CHARS 12u
#define CORE_MAX     1023u
#define USER_MAX     4294967294u

/* Crockford's base32. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* What can be authorised. */
static const struct {
	const char *name;
	const char *argument; /* what its number is; NULL: it has none */
	uint64_t max;
	const char *meaning, *rest; /* before and after the number */
} commands_known[] = {
	{ "login", NULL, 0, "look at VMs, cores, users and the log", "" },
	{ "kill", "a VM", UINT64_MAX, "kill VM ", "" },
	{ "kill-core", "a core", CORE_MAX, "kill every VM on core ", "" },
	{ "kill-user", "a user", USER_MAX, "kill every VM of user ", "" },
	{ "ban", "a user", USER_MAX, "ban user ", " and kill every VM of that user" },
	{ "unban", "a user", USER_MAX, "let user ", " start VMs again" },
	{ "reclaim", "a core", CORE_MAX, "take core ", " away from its VM" },
	{ "freeze", "a VM", UINT64_MAX, "freeze VM ", "" },
	{ "thaw", "a VM", UINT64_MAX, "thaw VM ", "" },
};

/* The next word. @return what follows it */
static const char *take_word(const char *p, char *word, size_t size)
{
	size_t n;

	p += strspn(p, SEPARATORS);
	n = strcspn(p, SEPARATORS);
	snprintf(word, size, "%.*s", (int)(n < size ? n : size - 1), p);
	return p + n;
}

static int set_command(struct guard_challenge *c, size_t i, const char *number, struct errmsg *e)
{
	uint64_t n = 0;

	if (!commands_known[i].argument) {
		snprintf(c->command, sizeof(c->command), "%s", commands_known[i].name);
		snprintf(c->meaning, sizeof(c->meaning), "%s", commands_known[i].meaning);
		return 0;
	}
	if (number[strspn(number, "0123456789")] != '\0' || parse_u64(number, &n, NULL) < 0 ||
	    n > commands_known[i].max) {
		char safe[40];

		return errmsg_set(e, -EINVAL, "'%s' after '%s' is not the number of %s",
				  text_safe_to(number, safe, sizeof(safe)), commands_known[i].name,
				  commands_known[i].argument);
	}
	snprintf(c->command, sizeof(c->command), "%s %" PRIu64, commands_known[i].name, n);
	snprintf(c->meaning, sizeof(c->meaning), "%s%" PRIu64 "%s", commands_known[i].meaning, n,
		 commands_known[i].rest);
	return 0;
}

static int take_command(const char **p, struct guard_challenge *c, struct errmsg *e)
{
	char name[24], number[24] = "", safe[40];

	*p = take_word(*p, name, sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(commands_known); i++) {
		if (strcasecmp(name, commands_known[i].name) == 0) {
			if (commands_known[i].argument) {
				*p = take_word(*p, number, sizeof(number));
			}
			return set_command(c, i, number, e);
		}
	}
	return errmsg_set(e, -EINVAL, "'%s' is no command that the guard asks an answer for",
			  text_safe_to(name, safe, sizeof(safe)));
}

/* The digit that a person means; NUL: none. */
static char digit_of(char typed)
{
	char ch = (char)toupper((unsigned char)typed);

	ch = ch == 'O' ? '0' : ch == 'I' || ch == 'L' ? '1' : ch;
	return strchr(digits, ch) ? ch : '\0';
}

static int take_nonce(const char *p, struct guard_challenge *c, struct errmsg *e)
{
	size_t n = 0;

	for (; *p; p++) {
		if (*p == '-' || strchr(SEPARATORS, *p)) {
			continue;
		}
		if (!digit_of(*p)) {
			return errmsg_set(e, -EINVAL, "'%c' is never part of a nonce",
					  *p > ' ' && *p <= '~' ? *p : '?');
		}
		if (n < GUARD_NONCE_CHARS) {
			c->nonce[n] = digit_of(*p);
		}
		n++;
	}
	if (n != GUARD_NONCE_CHARS) {
		return errmsg_set(e, -EINVAL, "the nonce has %zu characters instead of %u", n,
				  GUARD_NONCE_CHARS);
	}
	c->nonce[n] = '\0';
	return 0;
}

/* The first 32 bits of the nonce are a counter: odd at terminal A, even at B. */
static bool is_of_terminal(const struct guard_challenge *c)
{
	/* Its last bit is the second one of the seventh character. */
	bool is_odd = (strchr(digits, c->nonce[6]) - digits) & 8;

	return is_odd == (c->terminal == 'A');
}

int guard_challenge_parse(const char *text, struct guard_challenge *ret, struct errmsg *e)
{
	struct guard_challenge c = { 0 };
	char word[24], safe[40];
	const char *p = take_word(text, word, sizeof(word));
	int r;

	if (strcasecmp(word, "a") != 0 && strcasecmp(word, "b") != 0) {
		return errmsg_set(e, -EINVAL, "'%s' is no terminal: A or B",
				  text_safe_to(word, safe, sizeof(safe)));
	}
	c.terminal = (char)toupper((unsigned char)word[0]);
	r = take_command(&p, &c, e);
	r = r < 0 ? r : take_nonce(p, &c, e);
	if (r < 0) {
		return r;
	}
	if (!is_of_terminal(&c)) {
		return errmsg_set(e, -EINVAL,
				  "this nonce is not one of terminal %c: read terminal and nonce "
				  "again",
				  c.terminal);
	}
	*ret = c;
	return 0;
}

void guard_challenge_answer(const struct guard_challenge *c, const uint8_t *key, char *ret)
{
	char text[96];
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	uint64_t bits;
	char *p = ret;

	snprintf(text, sizeof(text), "pinfold-guard 1 %c %s %s", c->terminal, c->command, c->nonce);
	crypto_auth_hmacsha256(mac, (const uint8_t *)text, strlen(text), key);
	bits = load_be(mac, 8);
	for (unsigned int i = 0; i < ANSWER_CHARS; i++) {
		if (i > 0 && i % 4 == 0) {
			*p++ = '-';
		}
		*p++ = digits[bits >> (59 - 5 * i) & 31];
	}
	*p = '\0';
	sodium_memzero(mac, sizeof(mac));
}

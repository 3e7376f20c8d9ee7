// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers to challenges, from docs/guard.md alone. */
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "talk.h"

/* Ten more bits than a byte has are never needed at once. */
static char base32_at(const unsigned char *bytes, size_t digit)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	size_t bit = digit * 5;
	unsigned int two = (unsigned int)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

	return digits[two >> (11 - bit % 8) & 31];
}

void answer_to(const char *challenge, char ret[16])
{
	unsigned char key[crypto_auth_hmacsha256_KEYBYTES], mac[crypto_auth_hmacsha256_BYTES];
	const char *nonce = strrchr(challenge, ' ');
	char text[160];
	size_t n;

	need(nonce, "no nonce in \"%s\"", challenge);
	n = (size_t)snprintf(text, sizeof(text), "pinfold-guard 1 %.*s ", (int)(nonce - challenge),
			     challenge);
	need(n + strlen(nonce) < sizeof(text), "a challenge that is too long");
	for (const char *p = nonce + 1; *p; p++) {
		if (*p != '-') {
			text[n++] = (char)toupper((unsigned char)*p);
		}
	}
	sodium_hex2bin(key, sizeof(key), KEY_HEX, strlen(KEY_HEX), NULL, NULL, NULL);
	crypto_auth_hmacsha256(mac, (const unsigned char *)text, n, key);
	for (size_t i = 0, at = 0; i < 12; i++) {
		if (i && i % 4 == 0) {
			ret[at++] = '-';
		}
		ret[at++] = base32_at(mac, i);
		ret[at] = '\0';
	}
}

void challenge_in(const char *text, char ret[128])
{
	static const char before[] = "challenge: ";
	const char *at = strstr(text, before);
	size_t n;

	need(at, "no challenge in: %s", text);
	at += strlen(before);
	n = strcspn(at, "\r\n");
	need(n < 128, "a challenge that is too long");
	memcpy(ret, at, n);
	ret[n] = '\0';
}

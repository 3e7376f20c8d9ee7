/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person's other machine computes, written from docs/guard.md with libsodium and nothing of the
 * guard: answers to challenges as they are shown.
 */
#ifndef PINFOLD_TESTS_GUARD_ANSWER_H
#define PINFOLD_TESTS_GUARD_ANSWER_H

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/** The digits of @p mac's first 60 bits, in three groups. */
static inline void answer_write(const unsigned char *mac, char ret[15])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	unsigned long long bits = 0;

	for (int i = 0; i < 8; i++) {
		bits = bits << 8 | mac[i];
	}
	for (int i = 0, at = 0; i < 12; i++) {
		ret[at++] = digits[bits >> (59 - 5 * i) & 31];
		if (i == 3 || i == 7) {
			ret[at++] = '-';
		}
	}
	ret[14] = '\0';
}

/**
 * Answer a challenge.
 * @param shown "A kill 7 0000-00DX-9XKM-PA3C", to the end of the line
 */
static inline void answer_compute(const char *shown, const unsigned char key[32], char ret[15])
{
	char text[128] = "pinfold-guard 1 ";
	unsigned char mac[32];
	size_t n = strlen(text), length = strcspn(shown, "\n"), nonce = length;

	while (nonce && shown[nonce - 1] != ' ') {
		nonce--;
	}
	for (size_t i = 0; i < length; i++) {
		if (i < nonce || shown[i] != '-') {
			text[n++] = shown[i];
		}
	}
	crypto_auth_hmacsha256(mac, (const unsigned char *)text, n, key);
	answer_write(mac, ret);
}

#endif

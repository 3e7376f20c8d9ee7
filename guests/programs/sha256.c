/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: 32-bit rotation and addition, big-endian message bytes. Known answers, FIPS 180-4
 * examples: "" e3b0c442..., "abc" ba7816bf..., the 56-byte message 248d6a61...; and a
 * longer run of 'a' (1,024 bytes: 2edc9868..., 1 MiB: 9bc1b2a2...).
 */
#include "guest.h"
#include "params.h"

struct sha256 {
	uint32_t h[8];
	uint8_t block[64];
	uint32_t bytes;
};

static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned int n)
{
	return (x >> n) | (x << (32 - n));
}

static void schedule_fill(uint32_t w[64], const uint8_t *p)
{
	for (int i = 0; i < 16; i++, p += 4) {
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	}
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15];
		uint32_t b = w[i - 2];

		w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ (a >> 3)) + w[i - 7] +
		       (ror(b, 17) ^ ror(b, 19) ^ (b >> 10));
	}
}

static void block_add(struct sha256 *s)
{
	uint32_t w[64];
	uint32_t v[8];

	schedule_fill(w, s->block);
	memcpy(v, s->h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4];
		uint32_t a = v[0];
		uint32_t t1 = v[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +
			      ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
		uint32_t t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +
			      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		for (int j = 7; j > 0; j--) {
			v[j] = v[j - 1];
		}
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++) {
		s->h[i] += v[i];
	}
}

static void sha256_start(struct sha256 *s)
{
	static const uint32_t first[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(s->h, first, sizeof(first));
	s->bytes = 0;
}

static void sha256_byte(struct sha256 *s, uint8_t byte)
{
	s->block[s->bytes++ % 64] = byte;
	if (s->bytes % 64 == 0) {
		block_add(s);
	}
}

static void sha256_end(struct sha256 *s)
{
	uint64_t bits = (uint64_t)s->bytes * 8;

	sha256_byte(s, 0x80);
	while (s->bytes % 64 != 56) {
		sha256_byte(s, 0);
	}
	for (int shift = 56; shift >= 0; shift -= 8) {
		sha256_byte(s, (uint8_t)(bits >> shift));
	}
}

static int is_hash(const struct sha256 *s, uint32_t first, uint32_t last)
{
	guest_puts("sha256 ");
	for (int i = 0; i < 8; i++) {
		guest_puthex(s->h[i], 8);
	}
	guest_putc('\n');
	return s->h[0] == first && s->h[7] == last;
}

static int text_has_hash(const char *text, uint32_t first, uint32_t last)
{
	struct sha256 s;

	sha256_start(&s);
	while (*text != '\0') {
		sha256_byte(&s, (uint8_t)*text++);
	}
	sha256_end(&s);
	return is_hash(&s, first, last);
}

int main(void)
{
	struct sha256 s;
	int is_right = text_has_hash("", 0xe3b0c442, 0x7852b855);

	is_right &= text_has_hash("abc", 0xba7816bf, 0xf20015ad);
	is_right &= text_has_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
				  0x248d6a61, 0x19db06c1);
	sha256_start(&s);
	for (uint32_t i = 0; i < SHA_BLOCKS * 64; i++) {
		sha256_byte(&s, 'a');
	}
	sha256_end(&s);
	is_right &= is_hash(&s, SHA_FIRST, SHA_LAST);
	return guest_verdict(is_right);
}

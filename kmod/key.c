// SPDX-License-Identifier: GPL-2.0
/*
 * The machine's key: docs/guard.md, "Authority". Read once while the module is loaded, from root's keyring or a file
 * that only root may read; then there are two prepared hash states, which HMAC begins with, and no text.
 *
 * HMAC is done here on the kernel's SHA-256, not by its crypto layer: the passphrase is an HMAC key as well, and two
 * terminals that check one at once would need a transform each, which is memory.
 *
 * Contexts: init and exit in those of the module; the rest in terminal threads, of which none changes anything here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/key.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include <crypto/algapi.h>
#include <crypto/sha2.h>
#include <keys/user-type.h>

#include "main.h"

#define TEXT_BYTES	4096 /* more is no key file */
#define KEY_BYTES	32
#define SALT_BYTES	16
#define ITERATIONS_MIN	1000
#define ITERATIONS_MAX	100000 /* so that a check stays below the deadline of a command */
#define ITERATIONS_TURN 512    /* between two looks whether something else should run */

static char *key;
module_param(key, charp, 0);
MODULE_PARM_DESC(key, "file:PATH or logon:DESCRIPTION; without a key nothing can be authorised");

/* HMAC-SHA-256 under one key: SHA-256 after the first block of each of its two passes. */
struct hmac {
	struct sha256_state inner, outer;
};

static struct hmac machine;
static bool has_key, has_passphrase;

static u8 salt[SALT_BYTES], wanted[SHA256_DIGEST_SIZE];
static u32 iterations;

static void hmac_pass(struct sha256_state *state, const u8 block[SHA256_BLOCK_SIZE], u8 pad)
{
	u8 padded[SHA256_BLOCK_SIZE];

	for (size_t i = 0; i < sizeof(padded); i++)
		padded[i] = block[i] ^ pad;
	sha256_init(state);
	sha256_update(state, padded, sizeof(padded));
	memzero_explicit(padded, sizeof(padded));
}

static void hmac_set(struct hmac *h, const void *secret, size_t n)
{
	u8 block[SHA256_BLOCK_SIZE] = {};

	if (n > sizeof(block))
		sha256(secret, n, block);
	else
		memcpy(block, secret, n);
	hmac_pass(&h->inner, block, 0x36);
	hmac_pass(&h->outer, block, 0x5c);
	memzero_explicit(block, sizeof(block));
}

/* Of two parts one after the other. */
static void hmac_of(const struct hmac *h, const void *a, size_t a_bytes, const void *b,
		    size_t b_bytes, u8 ret[SHA256_DIGEST_SIZE])
{
	struct sha256_state state = h->inner;
	u8 inner[SHA256_DIGEST_SIZE];

	sha256_update(&state, a, a_bytes);
	sha256_update(&state, b, b_bytes);
	sha256_final(&state, inner); /* wipes the state */
	state = h->outer;
	sha256_update(&state, inner, sizeof(inner));
	sha256_final(&state, ret);
	memzero_explicit(inner, sizeof(inner));
}

/* PBKDF2 with one block of output: RFC 8018, 5.2. */
static void stretch(const char *text, size_t n, u8 ret[SHA256_DIGEST_SIZE])
{
	static const u8 first[] = { 0, 0, 0, 1 };
	u8 u[SHA256_DIGEST_SIZE];
	struct hmac h;

	hmac_set(&h, text, n);
	hmac_of(&h, salt, sizeof(salt), first, sizeof(first), u);
	memcpy(ret, u, sizeof(u));
	for (u32 i = 1; i < iterations; i++) {
		hmac_of(&h, u, sizeof(u), NULL, 0, u);
		crypto_xor(ret, u, sizeof(u));
		if (i % ITERATIONS_TURN == 0)
			cond_resched();
	}
	memzero_explicit(u, sizeof(u));
	memzero_explicit(&h, sizeof(h));
}

bool guard_key_is_loaded(void)
{
	return has_key;
}

int guard_key_hmac(const void *bytes, size_t n, u8 ret[32])
{
	if (!has_key)
		return -ENOKEY;
	hmac_of(&machine, bytes, n, NULL, 0, ret);
	return 0;
}

int guard_key_passphrase(const char *text, size_t n)
{
	u8 got[SHA256_DIGEST_SIZE];
	int r;

	if (!has_passphrase)
		return -ENOKEY;
	stretch(text, n, got);
	r = crypto_memneq(got, wanted, sizeof(got)) ? -EKEYREJECTED : 0;
	memzero_explicit(got, sizeof(got));
	return r;
}

/* 2 * n hexadecimal digits and then what must follow. Returns what comes after that; NULL: something else. */
static const char *take_hex(const char *s, u8 *ret, size_t n, char end)
{
	if (strnlen(s, 2 * n) < 2 * n || hex2bin(ret, s, n) || s[2 * n] != end)
		return NULL;
	return s + 2 * n + 1;
}

static const char *take_iterations(const char *s)
{
	u32 n = 0;

	if (*s == '0')
		return NULL;
	for (; isdigit(*s) && n <= ITERATIONS_MAX; s++)
		n = n * 10 + (u32)(*s - '0');
	if (*s != ' ' || n < ITERATIONS_MIN || n > ITERATIONS_MAX)
		return NULL;
	iterations = n;
	return s + 1;
}

/* The text of a key: a line of 64 digits, and perhaps "passphrase SALT ITERATIONS HASH". */
static int parse(const char *s, size_t n)
{
	static const char word[] = "passphrase ";
	u8 bytes[KEY_BYTES];

	if (!n)
		return -ENODATA;
	if (strlen(s) != n) /* a NUL within */
		return -EINVAL;
	s = take_hex(s, bytes, sizeof(bytes), '\n');
	if (s)
		hmac_set(&machine, bytes, sizeof(bytes));
	memzero_explicit(bytes, sizeof(bytes));
	if (!s)
		return -EINVAL;
	has_key = true;
	if (!*s)
		return 0;
	if (strncmp(s, word, strlen(word)))
		return -EINVAL;
	s = take_hex(s + strlen(word), salt, sizeof(salt), ' ');
	s = s ? take_iterations(s) : NULL;
	s = s ? take_hex(s, wanted, sizeof(wanted), '\n') : NULL;
	if (!s || *s)
		return -EINVAL;
	has_passphrase = true;
	return 0;
}

static int check_file(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (!S_ISREG(inode->i_mode))
		return -ELOOP; /* as O_NOFOLLOW says of a link */
	if (!uid_eq(inode->i_uid, GLOBAL_ROOT_UID) || inode->i_mode & 0077)
		return -EACCES;
	return 0;
}

/* Fills up to TEXT_BYTES - 1 bytes. Returns how many, or a negative errno. */
static ssize_t read_file(const char *path, char *ret)
{
	struct file *file = filp_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	loff_t at = 0;
	ssize_t r;

	if (IS_ERR(file))
		return PTR_ERR(file);
	r = check_file(file);
	if (!r)
		r = kernel_read(file, ret, TEXT_BYTES - 1, &at);
	filp_close(file, NULL);
	return r;
}

static ssize_t read_keyring(const char *description, char *ret)
{
	struct key *found = request_key(&key_type_logon, description, NULL);
	const struct user_key_payload *payload;
	ssize_t r = -EKEYREVOKED;

	if (IS_ERR(found))
		return PTR_ERR(found);
	down_read(&found->sem);
	payload = user_key_payload_locked(found);
	if (payload) {
		r = payload->datalen < TEXT_BYTES ? payload->datalen : -EFBIG;
		if (r > 0)
			memcpy(ret, payload->data, (size_t)r);
	}
	up_read(&found->sem);
	key_put(found);
	return r;
}

static int load(char *text)
{
	ssize_t n = -EPROTOTYPE;

	if (!strncmp(key, "file:", 5))
		n = read_file(key + 5, text);
	else if (!strncmp(key, "logon:", 6))
		n = read_keyring(key + 6, text);
	if (n < 0)
		return (int)n;
	return parse(text, (size_t)n);
}

static const char *fault(int r)
{
	switch (r) {
	case -ENOENT:
		return "there is no such file";
	case -ELOOP:
		return "that is no ordinary file";
	case -EACCES:
		return "it must be root's, and only root may be able to read it";
	case -ENOKEY:
		return "there is no such key in root's keyring";
	case -ENODATA:
		return "it is empty";
	case -EINVAL:
		return "it does not have the form of a key: 64 hexadecimal digits, line end ...";
	case -EPROTOTYPE:
		return "neither file:PATH nor logon:DESCRIPTION";
	default:
		return "it can't be read";
	}
}

int guard_key_init(void)
{
	char *text;
	int r;

	if (!key)
		return 0;
	text = kzalloc(TEXT_BYTES, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	r = load(text);
	kfree_sensitive(text);
	if (r) {
		pr_err("key=%s: %s (error %d)\n", key, fault(r), r);
		guard_key_exit();
	}
	return r;
}

void guard_key_exit(void)
{
	has_key = false;
	has_passphrase = false;
	memzero_explicit(&machine, sizeof(machine));
	memzero_explicit(salt, sizeof(salt));
	memzero_explicit(wanted, sizeof(wanted));
}

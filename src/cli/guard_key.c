/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's key file; see guard_key.h. */
#include "cli/guard_key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "host/fd.h"

#define HEX "0123456789abcdefABCDEF"

void guard_key_stretch(const char *phrase, const uint8_t *salt, size_t salt_bytes,
		       uint32_t iterations, uint8_t *ret)
{
	static const uint8_t block[4] = { 0, 0, 0, 1 };
	crypto_auth_hmacsha256_state keyed;
	crypto_auth_hmacsha256_state s;
	uint8_t u[GUARD_KEY_BYTES];

	crypto_auth_hmacsha256_init(&keyed, (const uint8_t *)phrase, strlen(phrase));
	s = keyed;
	crypto_auth_hmacsha256_update(&s, salt, salt_bytes);
	crypto_auth_hmacsha256_update(&s, block, sizeof(block));
	crypto_auth_hmacsha256_final(&s, u);
	memcpy(ret, u, sizeof(u));
	for (uint32_t i = 1; i < iterations; i++) {
		s = keyed;
		crypto_auth_hmacsha256_update(&s, u, sizeof(u));
		crypto_auth_hmacsha256_final(&s, u);
		for (size_t j = 0; j < sizeof(u); j++) {
			ret[j] ^= u[j];
		}
	}
	sodium_memzero(&keyed, sizeof(keyed));
	sodium_memzero(&s, sizeof(s));
	sodium_memzero(u, sizeof(u));
}

/* Take n hexadecimal digits. @return what follows them; NULL: they are not there */
static const char *take_hex(const char *p, size_t digits, uint8_t *ret)
{
	if (strspn(p, HEX) != digits) {
		return NULL;
	}
	sodium_hex2bin(ret, digits / 2, p, digits, NULL, NULL, NULL);
	return p + digits;
}

/* "passphrase SALT ITERATIONS HASH\n", which is for the module only. */
static bool is_phrase_line(const char *p)
{
	static const char word[] = "passphrase ";
	uint8_t bytes[GUARD_KEY_BYTES];
	char number[8] = "";
	uint64_t iterations;
	size_t digits;

	p = strncmp(p, word, strlen(word)) == 0 ? take_hex(p + strlen(word), 32, bytes) : NULL;
	if (!p || *p++ != ' ') {
		return false;
	}
	digits = strspn(p, "0123456789");
	if (digits == 0 || digits >= sizeof(number) || *p == '0' || p[digits] != ' ') {
		return false;
	}
	memcpy(number, p, digits);
	if (parse_u64(number, &iterations, NULL) < 0 || iterations < GUARD_KEY_ITERATIONS_MIN ||
	    iterations > GUARD_KEY_ITERATIONS_MAX) {
		return false;
	}
	p = take_hex(p + digits + 1, 64, bytes);
	return p && strcmp(p, "\n") == 0;
}

int guard_key_parse(const char *text, uint8_t *ret, struct errmsg *e)
{
	uint8_t key[GUARD_KEY_BYTES];
	const char *p = take_hex(text, 64, key);
	int r = 0;

	if (!p || *p != '\n') {
		r = errmsg_set(e, -EINVAL,
			       "the first line is not a key: 64 hexadecimal digits and a line end");
	} else if (p[1] != '\0' && !is_phrase_line(p + 1)) {
		r = errmsg_set(e, -EINVAL,
			       "the second line is not 'passphrase SALT ITERATIONS HASH', or more "
			       "follows");
	} else {
		memcpy(ret, key, sizeof(key));
	}
	sodium_memzero(key, sizeof(key));
	return r;
}

/* Whether nobody but us and root can have read it. */
static int check_owner(int fd, struct errmsg *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s", strerror(errno));
	}
	if (!S_ISREG(st.st_mode)) {
		return errmsg_set(e, -EINVAL, "is not a file; '-' is standard input");
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		return errmsg_set(e, -EACCES, "belongs to another user (uid %u)", st.st_uid);
	}
	if (st.st_mode & (S_IRWXG | S_IRWXO)) {
		return errmsg_set(
			e, -EACCES,
			"others may read or write it (mode %04o): make it 0600, and a new "
			"key if somebody can have read it",
			st.st_mode & 07777);
	}
	return 0;
}

static int read_text(int fd, uint8_t *ret, struct errmsg *e)
{
	char text[GUARD_KEY_TEXT_BYTES + 1];
	ssize_t n = host_fd_read_full(fd, text, sizeof(text));
	int r;

	if (n < 0) {
		return errmsg_set(e, (int)n, "%s", strerror((int)-n));
	}
	if ((size_t)n >= GUARD_KEY_TEXT_BYTES || memchr(text, '\0', (size_t)n)) {
		r = errmsg_set(e, -EINVAL, "is not a key file");
	} else {
		text[n] = '\0';
		r = guard_key_parse(text, ret, e);
	}
	sodium_memzero(text, sizeof(text));
	return r;
}

int guard_key_read(const char *path, uint8_t *ret, struct errmsg *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	_cleanup_close_ int fd = -1;
	int r = 0;

	if (!is_stdin) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		r = fd < 0 ? errmsg_set(e, -errno, "%s", strerror(errno)) : check_owner(fd, e);
	}
	r = r < 0 ? r : read_text(is_stdin ? STDIN_FILENO : fd, ret, e);
	if (r < 0) {
		errmsg_prefix(e, "%s: ", is_stdin ? "standard input" : path);
	}
	return r;
}

int guard_key_check_phrase(const char *phrase, struct errmsg *e)
{
	size_t n = strlen(phrase);

	if (n < GUARD_KEY_PHRASE_MIN || n > GUARD_KEY_PHRASE_MAX) {
		return errmsg_set(e, -EINVAL, "a passphrase has %u to %u characters",
				  GUARD_KEY_PHRASE_MIN, GUARD_KEY_PHRASE_MAX);
	}
	for (size_t i = 0; i < n; i++) {
		if (phrase[i] < ' ' || phrase[i] > '~') {
			return errmsg_set(e, -EINVAL,
					  "a passphrase holds only ASCII characters that can be "
					  "seen, and blanks");
		}
	}
	if (phrase[0] == ' ' || phrase[n - 1] == ' ') {
		return errmsg_set(e, -EINVAL, "a passphrase neither begins nor ends with a blank");
	}
	return 0;
}

void guard_key_make(const char *phrase, char *text)
{
	uint8_t bytes[GUARD_KEY_BYTES];
	uint8_t salt[GUARD_KEY_SALT_BYTES];
	char hex[2 * GUARD_KEY_BYTES + 1];
	char salt_hex[2 * GUARD_KEY_SALT_BYTES + 1];
	int n = 0;

	randombytes_buf(bytes, sizeof(bytes));
	n = snprintf(text, GUARD_KEY_TEXT_BYTES, "%s\n",
		     sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes)));
	if (phrase) {
		randombytes_buf(salt, sizeof(salt));
		guard_key_stretch(phrase, salt, sizeof(salt), GUARD_KEY_ITERATIONS, bytes);
		n += snprintf(text + n, GUARD_KEY_TEXT_BYTES - (size_t)n, "passphrase %s %u %s\n",
			      sodium_bin2hex(salt_hex, sizeof(salt_hex), salt, sizeof(salt)),
			      GUARD_KEY_ITERATIONS,
			      sodium_bin2hex(hex, sizeof(hex), bytes, sizeof(bytes)));
	}
	BUG_ON((size_t)n >= GUARD_KEY_TEXT_BYTES);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(hex, sizeof(hex));
}

/* The name of a file is durable when its folder is. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int guard_key_write(const char *path, const char *text, struct errmsg *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0) {
		r = -errno;
		return errmsg_set(e, r, "%s: %s", path,
				  r == -EEXIST ? "is there already, and is not overwritten"
					       : strerror(-r));
	}
	/* The mask of the caller can only take rights away, also from ourselves. */
	r = fchmod(fd, 0600) < 0 ? -errno : host_fd_write_full(fd, text, strlen(text));
	r = r < 0 ? r : fsync(fd) < 0 ? -errno : sync_folder(path);
	if (r < 0) {
		unlink(path);
		return errmsg_set(e, r, "%s: %s", path, strerror(-r));
	}
	return 0;
}

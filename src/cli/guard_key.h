/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's key file, as docs/guard.md ("Authority") lays it down. The module reads the same text; this
 * is a reader and a writer of its own, so that one checks the other.
 */
#ifndef PINFOLD_CLI_GUARD_KEY_H
#define PINFOLD_CLI_GUARD_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

#define GUARD_KEY_BYTES	     32u
#define GUARD_KEY_SALT_BYTES 16u
/** The largest key file, with its NUL. */
#define GUARD_KEY_TEXT_BYTES 256u
/** What a passphrase may be: printable ASCII, so that it can be typed at the text console. */
#define GUARD_KEY_PHRASE_MIN 8u
#define GUARD_KEY_PHRASE_MAX 64u
/** Of PBKDF2 in a new file; docs/guard.md says why no more. */
#define GUARD_KEY_ITERATIONS	 20000u
#define GUARD_KEY_ITERATIONS_MIN 1000u
#define GUARD_KEY_ITERATIONS_MAX 100000u

/** Where the module looks for it. */
#define GUARD_KEY_PATH "/etc/pinfold/guard.key"

/**
 * Read a key file. It must be a regular file of ours or root's that nobody else may read.
 * @param path "-": standard input, which may be anything
 * @param ret  GUARD_KEY_BYTES, which the caller wipes; untouched on failure
 * @return 0; -EACCES others may read it; -EINVAL it holds something else; negative errno
 */
int guard_key_read(const char *path, uint8_t *ret, struct errmsg *e);

/** Read the text of a key file. @return 0; -EINVAL */
int guard_key_parse(const char *text, uint8_t *ret, struct errmsg *e);

/** Whether it can be a passphrase. @return 0; -EINVAL */
int guard_key_check_phrase(const char *phrase, struct errmsg *e);

/**
 * Make a key.
 * @param phrase or NULL
 * @param text	 GUARD_KEY_TEXT_BYTES, which the caller wipes
 */
void guard_key_make(const char *phrase, char *text);

/**
 * Write a new file with mode 0600, durably; one that is there stays as it is.
 * @return 0; -EEXIST; negative errno
 */
int guard_key_write(const char *path, const char *text, struct errmsg *e);

/** PBKDF2-HMAC-SHA-256, one block. @param ret GUARD_KEY_BYTES */
void guard_key_stretch(const char *phrase, const uint8_t *salt, size_t salt_bytes,
		       uint32_t iterations, uint8_t *ret);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folders and files that only the daemon may touch: opened without following links, checked for
 * owner, mode and type before anything in them is believed, made durable when created, and set
 * aside under a dated name when they are not to be believed.
 */
#ifndef PINFOLD_DAEMON_STORE_FILE_H
#define PINFOLD_DAEMON_STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** A secret key as it lies in a key file. */
#define STORE_KEY_BYTES 32u
/** Longest name that store_file_set_aside() makes, with its NUL. */
#define STORE_ASIDE_BYTES 96u

/**
 * Open the state folder.
 * @param path    folder; must be ours and not writable by anyone else
 * @param ret_fd  the caller closes it
 * @return 0; -EPERM when others could write into it; errno of open
 */
int store_dir_open(const char *path, int *ret_fd, struct errmsg *e);

/**
 * Hold a folder: a second daemon on the same folder is turned away. The descriptor carries the lock.
 * @param path for the sentence on failure
 * @return 0; -EBUSY when another daemon holds it; negative errno
 */
int store_dir_lock(int fd, const char *path, struct errmsg *e);

/**
 * Open a folder inside the state folder; make it (0700) when it is missing.
 * @param ret_is_new whether it was made; may be NULL
 * @return 0; -EUCLEAN when what has that name is not to be believed; negative errno
 */
int store_dir_enter(int parent, const char *name, int *ret_fd, bool *ret_is_new, struct errmsg *e);

/**
 * Check that a name is a regular file of ours, with one name, that nobody else may open.
 * @return 0; -ENOENT; -EUCLEAN when it is not to be believed; negative errno
 */
int store_file_check(int dir, const char *name, struct errmsg *e);

/**
 * Write a new file so that it exists whole and durable, or not at all.
 * @param mode permission bits
 * @return 0; -EEXIST; negative errno
 */
int store_file_create(int dir, const char *name, const void *data, size_t n, unsigned int mode,
		      struct errmsg *e);

/**
 * Give a file or folder a dated name next to it, for a person to look at. Durable on return.
 * @param ret_name receives the new name, STORE_ASIDE_BYTES long
 * @return 0; -ENOENT; negative errno
 */
int store_file_set_aside(int dir, const char *name, char *ret_name, struct errmsg *e);

/**
 * Read a key file; make one with a random key when it is missing.
 * @param key        STORE_KEY_BYTES; the caller wipes it
 * @param ret_is_new whether it was made
 * @return 0; -EUCLEAN when the file is not to be believed; negative errno
 */
int store_key_load(int dir, const char *name, uint8_t *key, bool *ret_is_new, struct errmsg *e);

/**
 * Read an existing key file. Like store_key_load(), but nothing is made.
 * @param name may be a path, with @p dir AT_FDCWD
 * @return 0; -ENOENT; -EUCLEAN; negative errno
 */
int store_key_read(int dir, const char *name, uint8_t *key, struct errmsg *e);

#endif

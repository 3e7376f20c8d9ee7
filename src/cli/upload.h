/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files for the daemon: images are known by their SHA-256 and sent only where they are missing. */
#ifndef PINFOLD_CLI_UPLOAD_H
#define PINFOLD_CLI_UPLOAD_H

#include <stdbool.h>

#include "cli/client.h"

/** Hexadecimal digits of a SHA-256, with the NUL. */
#define UPLOAD_HASH_BYTES 65

/**
 * See to it that the daemon has a file.
 * @param is_quiet no progress bar, even on a terminal
 * @return 0; -EISDIR, -EINVAL, -ENODATA (empty), errno of reading; as client_do()
 */
int upload_image(struct client *c, const char *path, bool is_quiet,
		 char ret_hash[UPLOAD_HASH_BYTES], struct errmsg *e);

/**
 * Send a file as the body of a POST.
 * @param url    path of the API
 * @return as upload_image()
 */
int upload_post(struct client *c, const char *url, const char *path, bool is_quiet,
		json_t **ret_json, struct errmsg *e);

#endif

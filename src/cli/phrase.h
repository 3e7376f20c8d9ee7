/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A secret that is typed: not echoed, and asked for twice. */
#ifndef PINFOLD_CLI_PHRASE_H
#define PINFOLD_CLI_PHRASE_H

#include <stddef.h>

#include "base/errmsg.h"

/**
 * Read a new passphrase: from a terminal twice, without echo; from anything else one line.
 * @param buf receives it, without its line end; the caller wipes it
 * @return 0; -EINVAL it does not fit, or the two differ; -EINTR given up; negative errno
 */
int phrase_read_new(char *buf, size_t size, struct errmsg *e);

#endif

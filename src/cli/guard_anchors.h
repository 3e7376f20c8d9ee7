/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of the guard's log outside of a copy: from the daemon's audit log, and from the module. */
#ifndef PINFOLD_CLI_GUARD_ANCHORS_H
#define PINFOLD_CLI_GUARD_ANCHORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "cli/guard_chain.h"

/** A list on the heap; begin with all zero. */
struct guard_anchors {
	struct guard_anchor *list;
	size_t n, room;
};

/** Free the list. */
void guard_anchors_done(struct guard_anchors *a);

/** Read an instance as it is written everywhere: 16 hexadecimal digits. @return 0; -EINVAL */
int guard_instance_parse(const char *text, uint64_t *ret);

/**
 * Take the anchors among the records of the audit log; what makes no sense is passed over.
 * @param records of GET /v1/audit
 * @return 0; -ENOMEM
 */
int guard_anchors_from_audit(struct guard_anchors *a, const json_t *records);

/**
 * Take every record that the module has now, and the one before the oldest.
 * @param path the live log
 * @return 0; -EBADMSG what it says is no chain; negative errno
 */
int guard_anchors_from_live(struct guard_anchors *a, const char *path, uint64_t instance,
			    struct errmsg *e);

#endif

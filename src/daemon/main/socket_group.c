/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may connect to the socket that this daemon makes. What a caller may do is decided per request. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/main/daemon.h"

/* As packaging/sysusers.d makes it. */
#define DEFAULT_GROUP "pinfold"
#define BUF_BYTES     (1u << 20) /* for a group of many members */

/* @return 0; -ENOENT there is none of that name; negative errno */
static int find_group(const char *name, gid_t *ret)
{
	_cleanup_free_ char *buf = malloc(BUF_BYTES);
	struct group gr, *found = NULL;
	int r = buf ? -getgrnam_r(name, &gr, buf, BUF_BYTES, &found) : -ENOMEM;

	if (r == 0 && found) {
		*ret = found->gr_gid;
		return 0;
	}
	return r == 0 ? -ENOENT : r;
}

int daemon_socket_group(const struct daemon *d, gid_t *ret_gid, struct errmsg *e)
{
	const char *said = d->config.socket_group;
	const char *name = said[0] ? said : DEFAULT_GROUP;
	int r;

	/* Nobody else comes into the folder of one user. */
	if (strcmp(said, CONFIG_EVERYBODY) == 0 || (!said[0] && d->is_rootless)) {
		return 0;
	}
	r = find_group(name, ret_gid);
	if (r == -ENOENT && !said[0]) {
		return 0;
	}
	if (r < 0) {
		return errmsg_set(e, r, "socket_group %s: %s", name,
				  r == -ENOENT ? "there is no such group" : strerror(-r));
	}
	log_info("the socket is for root and the members of a group group=\"%s\"", name);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See socket_access.h. */
#include "cli/socket_access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"

/* More than an account is in; who is in more is told to become a member at worst. */
#define GROUPS_MAX 256

static void name_group(gid_t gid, char *buf, size_t n)
{
	const struct group *gr = getgrgid(gid);

	if (gr) {
		snprintf(buf, n, "%s", gr->gr_name);
	} else {
		snprintf(buf, n, "%u", (unsigned int)gid);
	}
}

/* Whether an account is in a group, as its next login will find. */
static bool is_member(const struct passwd *pw, gid_t gid)
{
	gid_t all[GROUPS_MAX];
	int n = GROUPS_MAX;

	n = getgrouplist(pw->pw_name, pw->pw_gid, all, &n) < 0 ? GROUPS_MAX : n;
	for (int i = 0; i < n; i++) {
		if (all[i] == gid) {
			return true;
		}
	}
	return false;
}

static void tell_group(const struct stat *st, struct socket_access *a)
{
	const struct passwd *pw = getpwuid(geteuid());

	name_group(st->st_gid, a->group, sizeof(a->group));
	if (a->is_usable) {
		snprintf(a->detail, sizeof(a->detail), "root and the members of group %s may call",
			 a->group);
	} else if (pw && is_member(pw, st->st_gid)) {
		snprintf(a->detail, sizeof(a->detail),
			 "this session is older than your membership in group %s; log in again",
			 a->group);
	} else if (pw) {
		snprintf(a->detail, sizeof(a->detail),
			 "only root and the members of group %s may call; 'usermod -aG %s %.32s' "
			 "as root "
			 "makes you one, from your next login on",
			 a->group, a->group, pw->pw_name);
	} else {
		snprintf(a->detail, sizeof(a->detail),
			 "only root and the members of group %s may call", a->group);
	}
}

void socket_access_look(const char *path, struct socket_access *ret)
{
	struct stat st;

	*ret = (struct socket_access){ .is_there = true };
	if (stat(path, &st) < 0) {
		ret->is_there = errno != ENOENT;
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			 errno == ENOENT ? "no daemon has been there; 'pinfold up' starts one"
					 : strerror(errno));
		return;
	}
	ret->is_usable = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
	if (st.st_mode & S_IWOTH) {
		snprintf(ret->detail, sizeof(ret->detail), "everybody may call");
	} else if (st.st_mode & S_IWGRP) {
		tell_group(&st, ret);
	} else {
		snprintf(ret->detail, sizeof(ret->detail), "only user %u and root may call",
			 (unsigned int)st.st_uid);
	}
}

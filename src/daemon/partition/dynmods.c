/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mount option favordynmods of cgroup v2 (Linux 6.0). A new set of options replaces the old one
 * as a whole, so those that are there are said again. The mount itself stays as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/partition/partition_internal.h"
#include "host/text.h"

#define OPTION	      "favordynmods"
#define MOUNTS_BYTES  (256 << 10)
#define OPTIONS_BYTES 256

/* The options of the file system at dir: the last one that was mounted there counts. */
static int find_options(const char *dir, char ret[OPTIONS_BYTES])
{
	_cleanup_free_ char *text = malloc(MOUNTS_BYTES);
	char *state = NULL;
	int r = -ENOENT;

	if (!text || host_text_read(text, MOUNTS_BYTES, "/proc/self/mountinfo") < 0) {
		return -ENOENT;
	}
	for (char *l = strtok_r(text, "\n", &state); l; l = strtok_r(NULL, "\n", &state)) {
		char at[PARTITION_PATH_BYTES];
		char type[32];
		char options[OPTIONS_BYTES];
		char *tail = strstr(l, " - ");

		if (!tail || sscanf(l, "%*s %*s %*s %*s %255s", at) != 1 || strcmp(at, dir) != 0 ||
		    sscanf(tail, " - %31s %*s %255s", type, options) != 2 ||
		    strcmp(type, "cgroup2") != 0) {
			continue;
		}
		memcpy(ret, options, sizeof(options));
		r = 0;
	}
	return r;
}

/* Say every option of the list again but ours. */
static int repeat_options(int fd, char *options)
{
	char *state = NULL;

	for (char *o = strtok_r(options, ",", &state); o; o = strtok_r(NULL, ",", &state)) {
		if (strcmp(o, "rw") == 0 || strcmp(o, OPTION) == 0) {
			continue;
		}
		if (fsconfig(fd, FSCONFIG_SET_FLAG, o, NULL, 0) < 0) {
			return -errno;
		}
	}
	return 0;
}

static bool has_option(const char *options)
{
	const char *at = strstr(options, OPTION);

	return at && (at == options || at[-1] == ',');
}

int partition_dynmods_set(const char *mount, bool is_on)
{
	char options[OPTIONS_BYTES];
	_cleanup_close_ int fd = -1;
	int r = find_options(mount, options);

	if (r < 0 || has_option(options) == is_on) {
		return r;
	}
	fd = fspick(AT_FDCWD, mount, FSPICK_CLOEXEC);
	r = fd < 0 ? -errno : repeat_options(fd, options);
	if (r == 0 && is_on && fsconfig(fd, FSCONFIG_SET_FLAG, OPTION, NULL, 0) < 0) {
		r = -errno;
	}
	if (r == 0 && fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0) {
		r = -errno;
	}
	return r < 0 ? r : 1;
}

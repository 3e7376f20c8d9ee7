/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroups; see cgroup.h. */
#include "host/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/text.h"

static FILE *open_below(const char *root, const char *file)
{
	char path[HOST_CGROUP_PATH_BYTES + 32];

	return snprintf(path, sizeof(path), "%s%s", root, file) < (int)sizeof(path)
		       ? fopen(path, "re")
		       : NULL;
}

/* "DEVICE DIR TYPE OPTIONS ...": is it the hierarchy? */
static bool is_mount(const char *line, int version, const char *controller, char *dir)
{
	char type[32];
	char options[256];

	return sscanf(line, "%*s %255s %31s %255s", dir, type, options) == 3 &&
	       (version == 1 ? strcmp(type, "cgroup") == 0 &&
				       host_text_has_word(options, controller, ',')
			     : strcmp(type, "cgroup2") == 0);
}

bool host_cgroup_mount(const char *root, int version, const char *controller,
		       char ret[HOST_CGROUP_PATH_BYTES])
{
	_cleanup_fclose_ FILE *f = open_below(root, "/proc/self/mounts");
	_cleanup_free_ char *line = NULL;
	char dir[HOST_CGROUP_PATH_BYTES];
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		if (is_mount(line, version, controller, dir)) {
			char path[2 * HOST_CGROUP_PATH_BYTES];

			snprintf(path, sizeof(path), "%.255s%s", root, dir);
			if (strlen(path) >= HOST_CGROUP_PATH_BYTES) {
				return false;
			}
			memcpy(ret, path, strlen(path) + 1);
			return true;
		}
	}
	return false;
}

/* "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers there. */
static const char *group_of(char *line, int version, const char *controller)
{
	char *list = strchr(line, ':');
	char *path = list ? strchr(list + 1, ':') : NULL;

	line[strcspn(line, "\n")] = '\0';
	if (!path) {
		return NULL;
	}
	*path++ = '\0';
	list++;
	if (version == 1 ? !host_text_has_word(list, controller, ',') : list[0] != '\0') {
		return NULL;
	}
	return strcmp(path, "/") == 0 ? "" : path;
}

bool host_cgroup_own(const char *root, int version, const char *controller,
		     char ret[HOST_CGROUP_PATH_BYTES])
{
	_cleanup_fclose_ FILE *f = open_below(root, "/proc/self/cgroup");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		const char *own = group_of(line, version, controller);

		if (own && strlen(own) < HOST_CGROUP_PATH_BYTES) {
			snprintf(ret, HOST_CGROUP_PATH_BYTES, "%s", own);
			return true;
		}
	}
	return false;
}

int host_cgroup_freeze(const char *dir, bool is_frozen)
{
	return host_text_write(is_frozen ? "1" : "0", "%s/cgroup.freeze", dir);
}

bool host_cgroup_is_frozen(const char *dir)
{
	char text[128];

	return host_text_read(text, sizeof(text), "%s/cgroup.events", dir) > 0 &&
	       strstr(text, "frozen 1");
}

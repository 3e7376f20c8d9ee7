/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ls [PATH]: kind, size and name of what is in a directory. */
#include "user.h"

static void show(const char *path, const char *name)
{
	struct stat s = { .kind = 0 };
	int fd = open(path, OPEN_READ);

	if (fd < 0 || stat(fd, &s) < 0) {
		fail(path, fd);
	}
	print("%c %7lu %s\n", "?-dc"[s.kind], s.bytes, name);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : ".";
	int fd = open(path, OPEN_READ);
	struct entry entry;
	struct stat s;

	if (fd < 0 || stat(fd, &s) < 0) {
		fail(path, fd);
	}
	if (s.kind != NODE_DIRECTORY) {
		show(path, path);
		return 0;
	}
	if (chdir(path) < 0) {
		return 1;
	}
	while (list(fd, &entry) == 1) {
		show(entry.name, entry.name);
	}
	return 0;
}

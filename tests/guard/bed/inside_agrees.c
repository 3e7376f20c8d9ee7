// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. Asks pinfoldd by its socket: a program per question would take longer than the daemon. */
#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

#define SOCKET_PATH "/run/pinfold/pinfoldd.sock"

static uint64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What it says about a path, without blanks and newlines. Returns false where nobody answers. */
static bool get(const char *path, char *ret, size_t size)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t used = 0;
	ssize_t n = -1;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		dprintf(fd, "GET %s HTTP/1.1\r\nHost: pinfold\r\nConnection: close\r\n\r\n", path);
		while (used < size - 1 && (n = read(fd, ret + used, size - 1 - used)) > 0) {
			used += (size_t)n;
		}
	}
	close(fd);
	ret[used] = '\0';
	for (char *to = ret, *from = ret; (*to = *from); from++) {
		to += !isspace((unsigned char)*from);
	}
	return n == 0 && strncmp(ret, "HTTP/1.1200OK", 13) == 0;
}

static bool holds(const char *path, const char *text, char *ret, size_t size)
{
	if (!get(path, ret, size)) {
		return false;
	}
	return *text == '!' ? !strstr(ret, text + 1) : strstr(ret, text) != NULL;
}

int inside_agrees(char **args)
{
	uint64_t end_ns = boot_ns() + inside_number(args[0], 10) * 1000000000;
	static char said[1 << 16];
	int i = 1;

	while (args[i] && args[i + 1]) {
		if (holds(args[i], args[i + 1], said, sizeof(said))) {
			i += 2;
			continue;
		}
		if (boot_ns() > end_ns) {
			errx(1, "not %s in %s, which says: %s", args[i + 1], args[i], said);
		}
		i = 1;
		usleep(10000);
	}
	printf("%" PRIu64 "\n", boot_ns());
	return 0;
}

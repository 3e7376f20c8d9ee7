/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold: finds the command and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/commands.h"

/* A descriptor 0, 1 or 2 that the caller left closed must not become one of ours. */
static bool has_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

static const struct command *find(const char *name)
{
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		name = "help";
	} else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		name = "version";
	}
	for (size_t i = 0; i < commands_count; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

/* Whether all that was printed is out. Of what failed long ago nobody knows any more why. */
static bool has_printed(void)
{
	const char *why = fflush(stdout) == EOF ? strerror(errno) : NULL;

	if (why || ferror(stdout)) {
		fprintf(stderr, "pinfold: can't write to standard output%s%s\n", why ? ": " : "",
			why ? why : "");
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct command *c;
	char full_name[32];
	int status;

	if (!has_standard_fds()) {
		return EXIT_STATUS_ERROR;
	}
	log_setup("pinfold", LOG_LEVEL_WARN);
	if (argc < 2) {
		fprintf(stderr, "pinfold: a command is missing; see 'pinfold --help'\n");
		return EXIT_STATUS_ERROR;
	}
	c = find(argv[1]);
	if (!c) {
		fprintf(stderr, "pinfold: there is no %s '%s'; see 'pinfold --help'\n",
			argv[1][0] == '-' ? "option" : "command", argv[1]);
		return EXIT_STATUS_ERROR;
	}
	snprintf(full_name, sizeof(full_name), "pinfold %s", c->name);
	argv[1] = full_name;
	status = c->main(argc - 1, argv + 1);
	return status == 0 && !has_printed() ? EXIT_STATUS_ERROR : status;
}

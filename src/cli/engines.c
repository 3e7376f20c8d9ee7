/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engines can do here; see engines.h. No guest runs, so the probe is not jailed. */
#include "cli/engines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/sock.h"
#include "host/timer.h"

#define PROGRAM	   "pinfold-vm"
#define PROBE_MS   20000
#define PATH_BYTES 4096
#define TEXT_BYTES 16384

/* Beside this program if it is there; else wherever $PATH says. */
static void program_path(char *ret, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - sizeof(PROGRAM));
	char *slash;

	ret[n > 0 ? n : 0] = '\0';
	slash = strrchr(ret, '/');
	if (slash) {
		strcpy(slash + 1, PROGRAM);
	}
	if (!slash || access(ret, X_OK) < 0) {
		strcpy(ret, PROGRAM);
	}
}

/* Like a VM process, it gets no environment. */
static int spawn(int out_fd, pid_t *ret_pid)
{
	char path[PATH_BYTES];
	char name[] = PROGRAM;
	char option[] = "--probe";
	char *argv[] = { name, option, NULL };
	char *envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	int r;

	program_path(path, sizeof(path));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	r = posix_spawnp(ret_pid, path, &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Until the end of the output, or of our patience. @return bytes; -ETIMEDOUT; negative errno */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	ns_t end_ns = host_clock_monotonic_ns() + PROBE_MS * NS_PER_MS;
	size_t len = 0;

	while (len < size - 1) {
		ns_t now_ns = host_clock_monotonic_ns();
		ssize_t n;

		if (now_ns >= end_ns ||
		    host_sock_wait_readable(fd, (int)((end_ns - now_ns) / NS_PER_MS) + 1) < 0) {
			return -ETIMEDOUT;
		}
		n = read(fd, buf + len, size - 1 - len);
		if (n == 0) {
			break;
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

static bool parse_line(char *line, struct engine_pair *ret)
{
	char *field[6];
	struct engine_pair p;

	for (size_t i = 0; i < 6; i++) {
		field[i] = strsep(&line, "\t");
		if (!field[i]) {
			return false;
		}
	}
	snprintf(p.arch, sizeof(p.arch), "%s", field[0]);
	snprintf(p.engine, sizeof(p.engine), "%s", field[1]);
	p.is_usable = strcmp(field[2], "0") == 0;
	p.slowdown = (uint32_t)strtoul(field[3], NULL, 10);
	snprintf(p.caps, sizeof(p.caps), "%s", field[4]);
	snprintf(p.detail, sizeof(p.detail), "%s", field[5]);
	*ret = p;
	return true;
}

static int parse(char *text, struct engines *ret, struct errmsg *e)
{
	char *line;

	ret->n = 0;
	while ((line = strsep(&text, "\n")) && *line) {
		if (ret->n == ENGINES_MAX || !parse_line(line, &ret->pair[ret->n])) {
			return errmsg_set(e, -EPROTO, PROGRAM " --probe printed '%.60s'", line);
		}
		ret->n++;
	}
	return ret->n ? 0 : errmsg_set(e, -EPROTO, PROGRAM " --probe printed nothing");
}

static int probe_into(char *text, size_t size, struct errmsg *e)
{
	_cleanup_close_ int read_fd = -1;
	_cleanup_close_ int write_fd = -1;
	int pair[2];
	int status = 0;
	ssize_t n;
	pid_t pid;
	int r;

	if (pipe2(pair, O_CLOEXEC) < 0) {
		return errmsg_set(e, -errno, "no pipe: %s", strerror(errno));
	}
	read_fd = pair[0];
	write_fd = pair[1];
	r = spawn(write_fd, &pid);
	if (r < 0) {
		return errmsg_set(e, r, PROGRAM " can't be run: %s", strerror(-r));
	}
	close(steal_fd(&write_fd));
	n = read_all(read_fd, text, size);
	if (n < 0) {
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (n < 0) {
		return errmsg_set(e, (int)n, PROGRAM " --probe: %s", strerror((int)-n));
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		return errmsg_set(e, -EIO, PROGRAM " --probe failed (wait status 0x%x)", status);
	}
	return 0;
}

int engines_probe(struct engines *ret, struct errmsg *e)
{
	_cleanup_free_ char *text = malloc(TEXT_BYTES);
	int r;

	if (!text) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = probe_into(text, TEXT_BYTES, e);
	return r < 0 ? r : parse(text, ret, e);
}

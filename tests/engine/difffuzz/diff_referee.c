/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's process and the pipes to it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "diff.h"

#define ARGS_MAX   8
#define ANSWER_MS  60000

struct diff_referee {
	pid_t pid;
	int to, from;
};

/* In the child: "qemu-arm -cpu x" and the program, or the program alone. */
static _Noreturn void exec_referee(const struct diff_isa *isa, const char *path)
{
	char words[256];
	char *argv[ARGS_MAX + 2] = { NULL };
	size_t n = 0;

	snprintf(words, sizeof(words), "%s", isa->referee_args ? isa->referee_args : "");
	for (char *w = strtok(words, " "); w && n < ARGS_MAX; w = strtok(NULL, " ")) {
		argv[n++] = w;
	}
	argv[n] = strdup(path);
	execvp(argv[0], argv);
	_exit(127);
}

int diff_referee_new(const struct diff_isa *isa, const char *dir, struct diff_referee **ret,
		     struct errmsg *e)
{
	struct diff_referee *r;
	char path[1024];
	int to[2];
	int from[2];

	snprintf(path, sizeof(path), "%s/%s", dir, isa->referee);
	if (access(path, X_OK) < 0) {
		return errmsg_set(e, -errno, "there is no referee %s", path);
	}
	if (pipe2(to, O_CLOEXEC) < 0) {
		return errmsg_set(e, -errno, "no pipe");
	}
	if (pipe2(from, O_CLOEXEC) < 0) {
		close(to[0]);
		close(to[1]);
		return errmsg_set(e, -errno, "no pipe");
	}
	r = calloc(1, sizeof(*r));
	if (r) {
		r->pid = fork();
	}
	if (r && r->pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		exec_referee(isa, path);
	}
	close(to[0]);
	close(from[1]);
	if (!r || r->pid < 0) {
		close(to[1]);
		close(from[0]);
		free(r);
		return errmsg_set(e, -EAGAIN, "can't start the referee");
	}
	r->to = to[1];
	r->from = from[0];
	*ret = r;
	return 0;
}

void diff_referee_free(struct diff_referee *r)
{
	if (!r) {
		return;
	}
	close(r->to);
	close(r->from);
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	free(r);
}

static int send_all(int fd, const void *from, size_t bytes)
{
	const uint8_t *p = from;

	while (bytes > 0) {
		ssize_t n = write(fd, p, bytes);

		if (n < 0) {
			return -errno;
		}
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int receive_all(int fd, void *to, size_t bytes)
{
	uint8_t *p = to;

	while (bytes > 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&pfd, 1, ANSWER_MS) <= 0) {
			return -ETIMEDOUT;
		}
		n = read(fd, p, bytes);
		if (n <= 0) {
			return n < 0 ? -errno : -EPIPE;
		}
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int diff_referee_run(struct diff_referee *r, const struct wire_case *cases, uint32_t n,
		     struct wire_result *ret, struct errmsg *e)
{
	struct wire_head head = { .magic = WIRE_MAGIC, .count = n };
	int err;

	err = send_all(r->to, &head, sizeof(head));
	if (err == 0) {
		err = send_all(r->to, cases, n * sizeof(*cases));
	}
	if (err == 0) {
		err = receive_all(r->from, ret, n * sizeof(*ret));
	}
	return err == 0 ? 0 : errmsg_set(e, err, "the referee is gone: %s", strerror(-err));
}

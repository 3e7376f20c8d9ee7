/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's process: start, cases out, states in. */
#include "rv_referee_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"

#define QEMU	 "qemu-riscv64"
#define QEMU_CPU "rv64,zba=true,zbb=true,zbs=true"

static int spawn(const char *program, const int in[2], const int out[2], int *ret_pid)
{
	char *const argv[] = { (char[]){ QEMU }, (char[]){ "-cpu" }, (char[]){ QEMU_CPU },
			       strdupa(program), NULL };
	posix_spawn_file_actions_t files;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	r = posix_spawnp(ret_pid, QEMU, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

int rv_referee_open(const char *program, struct rv_referee *ret)
{
	int in[2];
	int out[2];
	int pid;
	int r;

	if (pipe2(in, O_CLOEXEC) < 0) {
		return -errno;
	}
	if (pipe2(out, O_CLOEXEC) < 0) {
		r = -errno;
		goto no_out;
	}
	signal(SIGPIPE, SIG_IGN); /* a referee that is gone is an error of write() */
	r = spawn(program, in, out, &pid);
	close(in[0]);
	close(out[1]);
	if (r < 0) {
		close(out[0]);
		close(in[1]);
		return r;
	}
	*ret = (struct rv_referee){ .to = in[1], .from = out[0], .pid = pid };
	return 0;
no_out:
	close(in[0]);
	close(in[1]);
	return r;
}

void rv_referee_close(struct rv_referee *r)
{
	close(r->to);
	close(r->from);
	waitpid(r->pid, NULL, 0);
}

static int write_all(int fd, const void *from, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = write(fd, (const char *)from + at, bytes - at);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		at += n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

int rv_referee_send(struct rv_referee *r, const struct rv_case *cases, uint32_t n)
{
	static struct rv_wire_state states[RV_WIRE_CASES_MAX];
	static uint8_t code[RV_WIRE_CASES_MAX][RV_WIRE_CODE_BYTES];
	int error;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(code[i], cases[i].code, sizeof(code[i]));
		states[i] = cases[i].state;
	}
	error = write_all(r->to, &n, sizeof(n));
	error = error ? error : write_all(r->to, code, n * sizeof(code[0]));
	return error ? error : write_all(r->to, states, n * sizeof(states[0]));
}

int rv_referee_receive(struct rv_referee *r, struct rv_wire_state *ret, uint32_t n)
{
	for (size_t at = 0; at < n * sizeof(*ret);) {
		ssize_t got = read(r->from, (char *)ret + at, n * sizeof(*ret) - at);

		if (got == 0) {
			return -EPIPE;
		}
		if (got < 0 && errno != EINTR) {
			return -errno;
		}
		at += got < 0 ? 0 : (size_t)got;
	}
	return 0;
}

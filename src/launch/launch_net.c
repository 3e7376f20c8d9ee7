/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that is a VM's network (src/net): a socket pair for frames, an id of its own where the host gives one, and
 * one line from it that says whether it could do what was asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/vm_ids.h"
#include "host/fd.h"
#include "host/priv.h"
#include "host/proc.h"
#include "host/sock.h"
#include "launch/launch_internal.h"

#define PROGRAM	      "pinfold-net"
#define SOCKET_AT     3 /* NET_FD of src/net */
#define PROGRAM_AT    4
#define FIRST_FREE_FD 10
#define START_MS      5000
#define LINE_BYTES    256

/* What the child works with, all above FIRST_FREE_FD. */
struct net_child {
	int program, socket, null, out;
	bool has_ids; /* run it as a user of its own */
	uint64_t
		caps; /* until it has its sockets: for ports below 1024, and to empty its bounding set */
	const char *text;
};

_Noreturn static void child_main(const struct net_child *c)
{
	static const char failed[] = "the network process can't be started\n";
	uint32_t id = VM_ID_BASE + (uint32_t)getpid() % VM_ID_COUNT;

	if (dup2(c->null, 0) >= 0 && dup2(c->out, 1) >= 0 && dup2(c->null, 2) >= 0 &&
	    dup2(c->socket, SOCKET_AT) >= 0 && dup3(c->program, PROGRAM_AT, O_CLOEXEC) >= 0 &&
	    host_proc_close_from(PROGRAM_AT + 1) == 0 &&
	    (!c->has_ids || host_priv_set_ids_keep_caps(id, id) == 0) &&
	    host_priv_keep_caps(c->caps) == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		(void)setsid();
		(void)host_proc_exec_fd(PROGRAM_AT, PROGRAM, c->text, NULL);
	}
	(void)!write(STDOUT_FILENO, failed, sizeof(failed) - 1);
	_exit(127);
}

static void close_fd(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

/* "ok", or why not. */
static int await_line(int fd, struct errmsg *e)
{
	char line[LINE_BYTES];
	size_t n = 0;
	int r;

	while (n < sizeof(line) - 1 && !memchr(line, '\n', n)) {
		ssize_t got;

		r = host_sock_wait_readable(fd, START_MS);
		if (r < 0) {
			return errmsg_set(e, r, "the network process does not answer");
		}
		got = read(fd, line + n, sizeof(line) - 1 - n);
		if (got <= 0) {
			break;
		}
		n += (size_t)got;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "ok") == 0) {
		return 0;
	}
	return errmsg_set(e, -EINVAL, "--net: %s",
			  line[0] ? line : "the network process ended at once");
}

static int open_all(const char *vm_program, struct net_child *c, int pair[2], int out[2],
		    struct errmsg *e)
{
	int r;

	c->program = launch_open_beside(vm_program, PROGRAM);
	if (c->program < 0) {
		return errmsg_set(e, -errno, "%s is not beside %s", PROGRAM,
				  vm_program ? vm_program : "this program");
	}
	c->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	r = c->null < 0 ? -errno : host_sock_pair_packet(pair);
	if (r == 0 && pipe2(out, O_CLOEXEC) < 0) {
		r = -errno;
	}
	return r < 0 ? errmsg_set(e, r, "no descriptors for the network: %s", strerror(-r)) : 0;
}

static uint64_t own_cap(int cap)
{
	return host_priv_has_cap(cap) ? BIT(cap) : 0;
}

static int start(struct net_child *c, struct launch_vm *vm, struct errmsg *e)
{
	uint32_t unused;
	sigset_t all;
	sigset_t old;
	int r;

	r = host_fd_lift(&c->program, FIRST_FREE_FD);
	r = r < 0 ? r : host_fd_lift(&c->socket, FIRST_FREE_FD);
	r = r < 0 ? r : host_fd_lift(&c->null, FIRST_FREE_FD);
	r = r < 0 ? r : host_fd_lift(&c->out, FIRST_FREE_FD);
	if (r == 0) {
		c->has_ids = isolation_own_id(0, &unused);
		c->caps = own_cap(CAP_NET_BIND_SERVICE) | own_cap(CAP_SETPCAP);
		/* The caller's signal handlers must not run in the child. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		vm->net_pid = host_proc_clone(0, &vm->net_pidfd);
		if (vm->net_pid == 0) {
			child_main(c);
		}
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		r = vm->net_pid < 0 ? (int)vm->net_pid : 0;
		vm->net_pid = vm->net_pid < 0 ? 0 : vm->net_pid;
	}
	return r < 0 ? errmsg_set(e, r, "no process for the network: %s", strerror(-r)) : 0;
}

int launch_net_start(const struct launch_options *o, struct launch_vm *vm, int *ret_fd,
		     struct errmsg *e)
{
	struct net_child c = { .program = -1, .socket = -1, .null = -1, .out = -1, .text = o->net };
	int pair[2] = { -1, -1 };
	int out[2] = { -1, -1 };
	int r;

	r = open_all(o->vm_program, &c, pair, out, e);
	c.socket = pair[1];
	c.out = out[1];
	r = r < 0 ? r : start(&c, vm, e);
	close_fd(c.program);
	close_fd(c.socket);
	close_fd(c.null);
	close_fd(c.out);
	r = r < 0 ? r : await_line(out[0], e);
	close_fd(out[0]);
	if (r < 0) {
		close_fd(pair[0]);
		return r;
	}
	*ret_fd = pair[0];
	return 0;
}

void launch_net_end(struct launch_vm *vm)
{
	int status;

	if (vm->net_pid > 0) {
		host_proc_kill(vm->net_pidfd, SIGKILL);
		host_proc_wait(vm->net_pidfd, vm->net_pid, -1, &status, NULL);
		close(vm->net_pidfd);
	}
	vm->net_pid = 0;
}

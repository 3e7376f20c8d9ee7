/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket of a daemon on another machine; see tunnel.h.
 *
 *   ssh -N -L TMP/daemon.sock:/run/pinfold/pinfoldd.sock -o LocalCommand=... -- USER@HOST
 *
 * ssh runs its local command when it is logged in and the socket is there: its output, on a pipe, is
 * what we wait for. The end of that pipe means that ssh gave up.
 */
#include "cli/tunnel.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "host/proc.h"

#define REMOTE_SOCKET "/run/pinfold/pinfoldd.sock"
#define URL_MAX	      300

struct tunnel {
	pid_t pid;
	char dir[64];
	char socket[96];
};

/* What an address says. */
struct target {
	char host[URL_MAX]; /* with the user */
	char port[8];
	char socket[URL_MAX];
};

/* For the signal handler. */
static struct tunnel *volatile the_tunnel;

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

const char *tunnel_socket(const struct tunnel *t)
{
	return t->socket;
}

/* The port behind the last ':' that is not inside [an IPv6 address]. */
static int split_port(struct target *t)
{
	char *bracket = strrchr(t->host, ']');
	char *colon = strrchr(bracket ? bracket : t->host, ':');
	char *open;

	if (colon) {
		size_t len = strlen(colon + 1);

		if (len == 0 || len > 5 || strspn(colon + 1, "0123456789") != len) {
			return -EINVAL;
		}
		strcpy(t->port, colon + 1);
		*colon = '\0';
	}
	if (!bracket && strchr(t->host, ':')) {
		return -EINVAL;
	}
	/* ssh takes the address itself without brackets. */
	open = strchr(t->host, '[');
	if (bracket && open) {
		memmove(bracket, bracket + 1, strlen(bracket));
		memmove(open, open + 1, strlen(open));
	}
	return 0;
}

static int parse_url(const char *url, struct target *t, struct errmsg *e)
{
	const char *rest = url + strlen("ssh://");
	size_t len;

	memset(t, 0, sizeof(*t));
	strcpy(t->socket, REMOTE_SOCKET);
	for (const char *s = url; *s; s++) {
		if (!isgraph((unsigned char)*s)) {
			return errmsg_set(e, -EINVAL,
					  "--host: blanks and control characters can't "
					  "be part of an address");
		}
	}
	if (strncmp(url, "ssh://", strlen("ssh://")) != 0 || strlen(url) >= URL_MAX) {
		return errmsg_set(e, -EINVAL, "--host: '%.100s' is not ssh://[USER@]HOST[:PORT]",
				  url);
	}
	len = strcspn(rest, "/");
	memcpy(t->host, rest, len);
	if (rest[len] == '/' && rest[len + 1] != '\0') {
		strcpy(t->socket, rest + len);
	}
	/* ssh would take a '-' for an option, ':' ends a socket's name, and % and ~ are expanded. */
	if (split_port(t) < 0 || t->host[0] == '\0' || t->host[0] == '-' || strchr(t->host, '%') ||
	    t->host[strlen(t->host) - 1] == '@' || strpbrk(t->socket, ":%~$")) {
		return errmsg_set(e, -EINVAL, "--host: '%.100s' is not ssh://[USER@]HOST[:PORT]",
				  url);
	}
	return 0;
}

/* Async-signal-safe. */
static void end_tunnel(struct tunnel *t)
{
	if (t->pid > 0) {
		kill(t->pid, SIGTERM);
	}
	unlink(t->socket);
	rmdir(t->dir);
}

static void on_end(int signo)
{
	struct tunnel *t = the_tunnel;

	if (t) {
		end_tunnel(t);
	}
	signal(signo, SIG_DFL);
	raise(signo);
}

/* What somebody chose to ignore stays ignored. */
static void watch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_end };
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
		if (sigaction(ending_signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
			sigaction(ending_signals[i], &sa, NULL);
		}
	}
}

_Noreturn static void run_ssh(const struct tunnel *t, const struct target *to, int ready_fd)
{
	char forward[sizeof(t->socket) + sizeof(to->socket) + 1];
	const char *argv[24];
	size_t n = 0;
	int null = open("/dev/null", O_RDONLY);

	snprintf(forward, sizeof(forward), "%s:%s", t->socket, to->socket);
	argv[n++] = "ssh";
	argv[n++] = "-N";
	argv[n++] = "-T";
	argv[n++] = "-o";
	argv[n++] = "ExitOnForwardFailure=yes";
	argv[n++] = "-o";
	argv[n++] = "ControlPath=none"; /* its forwards would outlive us */
	argv[n++] = "-o";
	argv[n++] = "ClearAllForwardings=no";
	argv[n++] = "-o";
	argv[n++] = "PermitLocalCommand=yes";
	argv[n++] = "-o";
	argv[n++] = "LocalCommand=echo ready";
	argv[n++] = "-L";
	argv[n++] = forward;
	if (to->port[0]) {
		argv[n++] = "-p";
		argv[n++] = to->port;
	}
	argv[n++] = "--";
	argv[n++] = to->host;
	argv[n] = NULL;
	if (host_proc_die_with_parent() < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(ready_fd, STDOUT_FILENO) < 0) {
		_exit(127);
	}
	execvp("ssh", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int wait_ready(struct tunnel *t, const struct target *to, int fd, struct errmsg *e)
{
	int status = 0;
	char c;

	for (;;) {
		ssize_t n = read(fd, &c, 1);

		if (n == 1) {
			return 0;
		}
		if (n == 0 || errno != EINTR) {
			break;
		}
	}
	if (waitpid(t->pid, &status, 0) == t->pid) {
		t->pid = 0;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		return errmsg_set(e, -ENOENT, "--host: ssh can't be started; is it installed?");
	}
	return errmsg_set(e, -ECONNREFUSED, "--host: ssh could not forward %.100s from %.100s",
			  to->socket, to->host);
}

static int start(struct tunnel *t, const struct target *to, struct errmsg *e)
{
	_cleanup_close_ int read_fd = -1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return errmsg_set(e, -errno, "no pipe: %s", strerror(errno));
	}
	read_fd = fds[0];
	the_tunnel = t;
	watch_signals();
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
			signal(ending_signals[i], SIG_DFL);
		}
		run_ssh(t, to, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		return errmsg_set(e, -errno, "no process for ssh: %s", strerror(errno));
	}
	t->pid = pid;
	return wait_ready(t, to, read_fd, e);
}

/* A folder that nobody else can look into. */
static int make_dir(struct tunnel *t, struct errmsg *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	/* The socket's name must fit into an address of 107 bytes. */
	if (!runtime || strlen(runtime) > 40 || access(runtime, W_OK) < 0) {
		runtime = "/tmp";
	}
	snprintf(t->dir, sizeof(t->dir), "%s/pinfold-XXXXXX", runtime);
	if (!mkdtemp(t->dir)) {
		return errmsg_set(e, -errno, "%s: %s", t->dir, strerror(errno));
	}
	snprintf(t->socket, sizeof(t->socket), "%s/daemon.sock", t->dir);
	return 0;
}

int tunnel_open(const char *url, struct tunnel **ret, struct errmsg *e)
{
	_cleanup_free_ struct target *to = malloc(sizeof(*to));
	struct tunnel *t = calloc(1, sizeof(*t));
	int r;

	if (!t || !to) {
		free(t);
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = parse_url(url, to, e);
	if (r == 0) {
		r = make_dir(t, e);
	}
	if (r < 0) {
		free(t);
		return r;
	}
	r = start(t, to, e);
	if (r < 0) {
		tunnel_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

void tunnel_close(struct tunnel *t)
{
	if (!t) {
		return;
	}
	the_tunnel = NULL;
	end_tunnel(t);
	if (t->pid > 0) {
		waitpid(t->pid, NULL, 0);
	}
	free(t);
}

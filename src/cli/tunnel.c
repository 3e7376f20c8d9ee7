/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket of a daemon on another machine; see tunnel.h.
 *
 *   1. ssh -M -S TMP/ssh ... -- USER@HOST SCRIPT     logs in, and stays as long as we do; SCRIPT prints
 *                                                   which socket is meant, then waits for the end of its input
 *   2. ssh -S TMP/ssh -O forward -L TMP/daemon.sock:SOCKET    tells the first to forward
 *
 * So people are asked for a password once. With a socket in the address no SCRIPT is run: that works with
 * an account that may forward and nothing else (-N); ssh runs a local command when it is logged in. What
 * comes by one pipe, SCRIPT's line or that command's, is what we wait for. The end of that pipe means that
 * ssh gave up.
 */
#include "cli/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/text.h"
#include "cli/tunnel_said.h"
#include "cli/tunnel_target.h"

#define MARK "pinfold-socket:"
/* What a shell there may print before the line that counts: its greeting. */
#define GREETING_BYTES (256u << 10)
/* How long ssh may take to end, in steps. */
#define END_STEPS   200
#define END_STEP_MS 5
/* The same for one that should end by itself. */
#define GIVE_UP_STEPS 2000

/*
 * As client_socket_path() does it. For any login shell: one word in single quotes, without '!' and '\'.
 */
#define SCRIPT                                                       \
	"sh -c 'i=$(id -u); s=/run/pinfold/pinfoldd.sock; "          \
	"u=${XDG_RUNTIME_DIR:-/run/user/$i}/pinfold/pinfoldd.sock; " \
	"if [ -n \"$PINFOLD_SOCKET\" ]; then s=$PINFOLD_SOCKET; "    \
	"elif [ \"$i\" -ne 0 ] && [ -S \"$u\" ]; then s=$u; fi; "    \
	"echo; echo \"" MARK "$s\"; exec cat >/dev/null'"

struct tunnel {
	pid_t pid;
	int hold_fd; /* ssh's input: its end is SCRIPT's */
	struct tunnel_said *said;
	char dir[64];
	char control[96];
	char socket[96];
	char remote[TUNNEL_URL_BYTES];
};

/* Pipes of the first ssh, our ends and its. */
struct pipes {
	int in[2], out[2], err[2];
};

/* For the signal handler. */
static struct tunnel *volatile the_tunnel;

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

const char *tunnel_socket(const struct tunnel *t)
{
	return t->socket;
}

const char *tunnel_remote_socket(const struct tunnel *t)
{
	return t->remote;
}

char *tunnel_last_words(const struct tunnel *t, char *buf, size_t size)
{
	return tunnel_said_last(t->said, buf, size);
}

/* Async-signal-safe. One that has not ended after so many steps is sent a signal. @return its status */
static int await_end(pid_t pid, int n_steps, int signo)
{
	int status = 0;

	for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		if (i == n_steps) {
			kill(pid, signo);
		}
		poll(NULL, 0, END_STEP_MS);
	}
	return status;
}

/* Async-signal-safe. ssh gets the time to give the terminal back as it was. */
static void end_ssh(struct tunnel *t)
{
	pid_t pid = t->pid;

	t->pid = 0;
	if (pid <= 0) {
		return;
	}
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	await_end(pid, END_STEPS, SIGKILL);
}

/* Async-signal-safe. */
static void end_all(struct tunnel *t)
{
	end_ssh(t);
	unlink(t->socket);
	unlink(t->control);
	rmdir(t->dir);
}

static void on_end(int signo)
{
	struct tunnel *t = the_tunnel;

	if (t) {
		end_all(t);
	}
	signal(signo, SIG_DFL);
	raise(signo);
}

/* What somebody chose to ignore stays ignored. The others wait while one is handled. */
static void watch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_end };
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
		sigaddset(&sa.sa_mask, ending_signals[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
		if (sigaction(ending_signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
			sigaction(ending_signals[i], &sa, NULL);
		}
	}
}

/* A process of ours that becomes ssh. Does not return. */
_Noreturn static void exec_ssh(const char *const *argv, int in, int out, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++) {
		struct sigaction old;

		if (sigaction(ending_signals[i], NULL, &old) == 0 && old.sa_handler == on_end) {
			signal(ending_signals[i], SIG_DFL);
		}
	}
	/* Not SIGKILL: it may have to turn the terminal's echo on again. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) {
		_exit(127);
	}
	execvp("ssh", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static void add_options(const char **argv, size_t *n, const char *const *options, size_t n_options)
{
	for (size_t i = 0; i < n_options; i++) {
		argv[(*n)++] = "-o";
		argv[(*n)++] = options[i];
	}
}

/* ssh runs local commands by $SHELL, which for an account of a service is none. */
static void keep_shell_usable(void)
{
	const char *shell = getenv("SHELL");
	const char *slash = shell ? strrchr(shell, '/') : NULL;

	if (!slash || strcmp(slash, "/nologin") == 0 || strcmp(slash, "/false") == 0) {
		unsetenv("SHELL");
	}
}

_Noreturn static void run_first(const struct tunnel *t, const struct tunnel_target *to,
				const struct pipes *p)
{
	/* Whatever the user's configuration says of this host: it is meant for a shell there. */
	static const char *const always[] = {
		"IgnoreUnknown=ForkAfterAuthentication,SessionType,StdinNull",
		"ControlPersist=no",
		"ClearAllForwardings=yes",
		"ForkAfterAuthentication=no",
		"StdinNull=no",
		"RemoteCommand=none",
		"ForwardAgent=no",
		"ForwardX11=no",
		"Tunnel=no",
		"ConnectTimeout=30",
		"ServerAliveInterval=15",
	};
	static const char *const asking[] = { "SessionType=default", "PermitLocalCommand=no" };
	static const char *const told[] = { "PermitLocalCommand=yes", "LocalCommand=echo " MARK };
	bool is_told = to->socket[0] != '\0';
	const char *argv[48];
	size_t n = 0;

	argv[n++] = "ssh";
	argv[n++] = "-MTS";
	argv[n++] = t->control;
	add_options(argv, &n, always, ARRAY_SIZE(always));
	add_options(argv, &n, is_told ? told : asking,
		    is_told ? ARRAY_SIZE(told) : ARRAY_SIZE(asking));
	if (is_told) {
		argv[n++] = "-N";
	}
	if (to->port[0]) {
		argv[n++] = "-p";
		argv[n++] = to->port;
	}
	argv[n++] = "--";
	argv[n++] = to->host;
	if (!is_told) {
		argv[n++] = SCRIPT;
	}
	argv[n] = NULL;
	keep_shell_usable();
	exec_ssh(argv, p->in[0], p->out[1], p->err[1]);
}

/* One line of what comes by the pipe. @return whether it is the one */
static bool take_line(struct tunnel *t, const struct tunnel_target *to, const char *line)
{
	if (strncmp(line, MARK, strlen(MARK)) != 0) {
		return false;
	}
	snprintf(t->remote, sizeof(t->remote), "%s",
		 to->socket[0] ? to->socket : line + strlen(MARK));
	return true;
}

/* @return whether ssh is logged in; false: it has ended */
static bool wait_ready(struct tunnel *t, const struct tunnel_target *to, int fd)
{
	char line[TUNNEL_URL_BYTES];
	size_t fill = 0;

	for (size_t all = 0; all < GREETING_BYTES;) {
		char c;
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			break;
		}
		all++;
		if (c != '\n' && fill < sizeof(line) - 1) {
			line[fill++] = c;
		} else if (c == '\n') {
			line[fill] = '\0';
			fill = 0;
			if (take_line(t, to, line)) {
				return true;
			}
		}
	}
	return false;
}

/* ssh has closed its output, and says with its status why; but it may also talk for ever. */
static int wait_ssh(struct tunnel *t)
{
	int status;

	close(steal_fd(&t->hold_fd));
	status = await_end(t->pid, GIVE_UP_STEPS, SIGTERM);
	t->pid = 0;
	return status;
}

static int fail(struct tunnel *t, const struct tunnel_target *to, struct errmsg *e)
{
	char words[200];
	int status = wait_ssh(t);

	tunnel_last_words(t, words, sizeof(words));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && !words[0]) {
		return errmsg_set(e, -ENOENT, "--host: ssh can't be started; is it installed?");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 255 && words[0]) {
		return errmsg_set(e, -ECONNREFUSED, "--host: no connection to %.100s: %s", to->host,
				  words);
	}
	return errmsg_set(e, -ECONNREFUSED,
			  "--host: %.100s does not say where its daemon is%s%s; name the socket: "
			  "ssh://HOST/PATH",
			  to->host, words[0] ? ": " : "", words);
}

static void close_pair(int fds[2])
{
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
}

static int open_pipes(struct pipes *p, struct errmsg *e)
{
	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (pipe2(p->in, O_CLOEXEC) < 0 || pipe2(p->out, O_CLOEXEC) < 0 ||
	    pipe2(p->err, O_CLOEXEC) < 0) {
		return errmsg_set(e, -errno, "no pipe: %s", strerror(errno));
	}
	return 0;
}

static int log_in(struct tunnel *t, const struct tunnel_target *to, struct pipes *p,
		  struct errmsg *e)
{
	pid_t pid = fork();

	if (pid == 0) {
		run_first(t, to, p);
	}
	if (pid < 0) {
		return errmsg_set(e, -errno, "no process for ssh: %s", strerror(errno));
	}
	t->pid = pid;
	close(steal_fd(&p->in[0]));
	close(steal_fd(&p->out[1]));
	close(steal_fd(&p->err[1]));
	t->hold_fd = steal_fd(&p->in[1]);
	t->said = tunnel_said_new(steal_fd(&p->err[0]));
	if (!t->said) {
		return errmsg_set(e, -ENOMEM, "no thread for what ssh says");
	}
	if (!wait_ready(t, to, p->out[0])) {
		return fail(t, to, e);
	}
	tunnel_said_flush(t->said);
	if (!tunnel_is_socket_name(t->remote)) {
		char safe[120];

		return errmsg_set(e, -EINVAL,
				  "--host: the socket '%s' of %.100s can't be forwarded",
				  text_safe_to(t->remote, safe, sizeof(safe)), to->host);
	}
	return 0;
}

_Noreturn static void run_second(const struct tunnel *t)
{
	char forward[sizeof(t->socket) + sizeof(t->remote) + 1];
	/* No configuration: forwards for that host in it are not wanted. The host's name is not used. */
	const char *argv[] = { "ssh",	  "-F", "none",	 "-S", t->control, "-O",
			       "forward", "-L", forward, "--", "pinfold",  NULL };
	int null = open("/dev/null", O_RDWR);

	snprintf(forward, sizeof(forward), "%s:%s", t->socket, t->remote);
	exec_ssh(argv, null, null, null);
}

static int add_forward(struct tunnel *t, const char *host, struct errmsg *e)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		run_second(t);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (status != 0) {
		return errmsg_set(e, -ECONNREFUSED,
				  "--host: ssh could not forward %.107s from %.100s", t->remote,
				  host);
	}
	return 0;
}

static int start(struct tunnel *t, const struct tunnel_target *to, struct errmsg *e)
{
	struct pipes p;
	int r;

	the_tunnel = t;
	watch_signals();
	r = open_pipes(&p, e);
	r = r < 0 ? r : log_in(t, to, &p, e);
	close_pair(p.in);
	close_pair(p.out);
	close_pair(p.err);
	return r < 0 ? r : add_forward(t, to->host, e);
}

/* A folder that nobody else can look into. */
static int make_dir(struct tunnel *t, struct errmsg *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	/* The sockets' names must fit into an address, with what ssh adds, and mean nothing else to it. */
	if (!runtime || strlen(runtime) > 40 || !tunnel_is_socket_name(runtime) ||
	    access(runtime, W_OK) < 0) {
		runtime = "/tmp";
	}
	snprintf(t->dir, sizeof(t->dir), "%s/pinfold-XXXXXX", runtime);
	if (!mkdtemp(t->dir)) {
		return errmsg_set(e, -errno, "%s: %s", t->dir, strerror(errno));
	}
	snprintf(t->socket, sizeof(t->socket), "%s/daemon.sock", t->dir);
	snprintf(t->control, sizeof(t->control), "%s/ssh", t->dir);
	return 0;
}

int tunnel_open(const char *url, struct tunnel **ret, struct errmsg *e)
{
	struct tunnel *t = calloc(1, sizeof(*t));
	struct tunnel_target to;
	int r;

	if (!t) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	t->hold_fd = -1;
	r = tunnel_target_parse(url, &to, e);
	if (r == 0) {
		r = make_dir(t, e);
	}
	if (r < 0) {
		free(t);
		return r;
	}
	r = start(t, &to, e);
	if (r < 0) {
		tunnel_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

void tunnel_end(struct tunnel *t)
{
	if (!t) {
		return;
	}
	end_all(t);
	the_tunnel = NULL;
}

void tunnel_close(struct tunnel *t)
{
	if (!t) {
		return;
	}
	tunnel_end(t);
	tunnel_said_free(t->said);
	if (t->hold_fd >= 0) {
		close(t->hold_fd);
	}
	free(t);
}

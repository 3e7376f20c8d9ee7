/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold up: start the daemon from a shell and wait until it answers.
 *
 *   fork ─▶ own session, standard input /dev/null, output to the log ─▶ exec pinfoldd
 *   wait: it says READY=1 (sd_notify), or answers, or ends (then the end of its log says why)
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "cli/cmd.h"
#include "cli/text.h"
#include "host/proc.h"
#include "host/timer.h"

#define PROGRAM "pinfoldd"
/* How long a start may take: many VMs are met again, a state is repaired. */
#define START_NS (60 * NS_PER_S)
/* How often a daemon that does not speak sd_notify is asked. */
#define ASK_MS	  50
#define LOG_SHOWN 2000

enum {
	KEY_FOREGROUND = CMD_OWN_KEYS,
	KEY_STATE_DIR,
	KEY_RUN_DIR,
	KEY_CONFIG,
	KEY_CORES,
	KEY_BACKEND,
	KEY_LOG,
	KEY_DEBUG,
};

/* What is passed on. */
struct up {
	bool is_foreground, is_debug;
	const char *state_dir, *run_dir, *config, *cores, *backend, *log;
};

/* The daemon on its way. */
struct starting {
	char program[PATH_MAX];
	char *log;
	off_t log_from;
	int log_fd;
	int notify_fd;
	struct sockaddr_un notify;
	pid_t pid;
	int pidfd;
};

static const struct argp_option options[] = {
	{ "foreground", KEY_FOREGROUND, NULL, 0, "don't leave the terminal; log to it", 1 },
	{ "state-dir", KEY_STATE_DIR, "DIR", 0, "what must outlive a reboot", 2 },
	{ "run-dir", KEY_RUN_DIR, "DIR", 0, "what must outlive the daemon", 2 },
	{ "config", KEY_CONFIG, "FILE", 0, "its configuration", 2 },
	{ "log", KEY_LOG, "FILE", 0, "its log (default: pinfoldd.log in the state directory)", 2 },
	{ "cores", KEY_CORES, "LIST", 0, "the host cores it may use, such as 0-3,6", 3 },
	{ "backend", KEY_BACKEND, "NAME", 0,
	  "how the pool is kept free: auto, isolated, cpuset, affinity or ordinary", 3 },
	{ "debug", KEY_DEBUG, NULL, 0, "log everything", 4 },
	{ 0 },
};

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct up *u = own;
	const struct {
		int key;
		const char **to;
	} texts[] = { { KEY_STATE_DIR, &u->state_dir }, { KEY_RUN_DIR, &u->run_dir },
		      { KEY_CONFIG, &u->config },	{ KEY_CORES, &u->cores },
		      { KEY_BACKEND, &u->backend },	{ KEY_LOG, &u->log } };

	(void)e;
	u->is_foreground |= key == KEY_FOREGROUND;
	u->is_debug |= key == KEY_DEBUG;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].key == key) {
			*texts[i].to = arg;
			return 0;
		}
	}
	return key == KEY_FOREGROUND || key == KEY_DEBUG ? 0 : ARGP_ERR_UNKNOWN;
}

/* Beside this program, or wherever $PATH says; not for root, whose $PATH may be somebody else's. */
static void find_program(char program[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", program, PATH_MAX - sizeof(PROGRAM) - 1);
	char *slash;

	program[n > 0 ? n : 0] = '\0';
	slash = strrchr(program, '/');
	if (slash) {
		strcpy(slash + 1, PROGRAM);
	}
	if ((!slash || access(program, X_OK) < 0) && geteuid() != 0) {
		strcpy(program, PROGRAM);
	}
}

static void add_pair(const char **argv, size_t *n, const char *option, const char *value)
{
	if (value) {
		argv[(*n)++] = option;
		argv[(*n)++] = value;
	}
}

_Noreturn static void exec_daemon(const struct cmd_run *r, const char *program, const char *log)
{
	const struct up *u = r->own;
	const char *argv[24];
	const char *given = r->where.socket_path ? r->where.socket_path : getenv("PINFOLD_SOCKET");
	size_t n = 0;

	argv[n++] = PROGRAM;
	if (u->is_foreground) {
		argv[n++] = "--foreground";
	}
	if (u->is_debug) {
		argv[n++] = "--debug";
	}
	add_pair(argv, &n, "--socket", given && *given ? given : NULL);
	add_pair(argv, &n, "--state-dir", u->state_dir);
	add_pair(argv, &n, "--run-dir", u->run_dir);
	add_pair(argv, &n, "--config", u->config);
	add_pair(argv, &n, "--cores", u->cores);
	add_pair(argv, &n, "--backend", u->backend);
	add_pair(argv, &n, "--log", log);
	argv[n] = NULL;
	execvp(program, (char *const *)(uintptr_t)argv);
	fprintf(stderr, "pinfold: %s can't be started: %s\n", program, strerror(errno));
	_exit(EXIT_STATUS_ERROR);
}

static char *state_dir(const struct up *u)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char *dir = NULL;
	int n;

	if (u->state_dir) {
		return strdup(u->state_dir);
	}
	if (getuid() == 0) {
		return strdup("/var/lib/pinfold");
	}
	if (state && state[0] == '/') {
		n = asprintf(&dir, "%s/pinfold", state);
	} else {
		n = asprintf(&dir, "%s/.local/state/pinfold", home ? home : "");
	}
	return n < 0 ? NULL : dir;
}

/* Make a folder and those above it. */
static void make_dirs(char *dir)
{
	for (char *p = dir + 1; *p; p++) {
		if (*p == '/') {
			*p = '\0';
			mkdir(dir, 0755);
			*p = '/';
		}
	}
	mkdir(dir, 0700);
}

static int open_log(struct starting *s, const struct up *u, struct errmsg *e)
{
	_cleanup_free_ char *dir = state_dir(u);
	struct stat st;

	if (u->log) {
		/* The name itself may be anybody's link: it is not followed. */
		char *cwd = u->log[0] == '/' ? NULL : getcwd(NULL, 0);

		if (asprintf(&s->log, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", u->log) < 0) {
			s->log = NULL;
		}
		free(cwd);
	} else if (dir) {
		make_dirs(dir);
		if (asprintf(&s->log, "%s/pinfoldd.log", dir) < 0) {
			s->log = NULL;
		}
	}
	if (!s->log) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	s->log_fd = open(s->log, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->log_fd < 0) {
		return errmsg_set(e, -errno, "%s: %s", s->log, strerror(errno));
	}
	/* A file that somebody else put there, or gave a second name, is not ours to write to. */
	if (fstat(s->log_fd, &st) < 0 ||
	    (S_ISREG(st.st_mode) &&
	     ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_nlink != 1))) {
		return errmsg_set(e, -EPERM, "%s belongs to somebody else", s->log);
	}
	s->log_from = lseek(s->log_fd, 0, SEEK_END);
	return 0;
}

/* An abstract address that the kernel chooses. */
static int open_notify(struct starting *s, struct errmsg *e)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(s->notify);

	s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->notify_fd < 0 ||
	    bind(s->notify_fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) < 0 ||
	    getsockname(s->notify_fd, (struct sockaddr *)&s->notify, &len) < 0) {
		return errmsg_set(e, -errno, "no socket: %s", strerror(errno));
	}
	s->notify.sun_path[len - sizeof(any.sun_family)] = '\0';
	s->notify.sun_path[0] = '@'; /* as NOTIFY_SOCKET writes it */
	return 0;
}

static void child(const struct cmd_run *r, const struct starting *s)
{
	int null = open("/dev/null", O_RDONLY);

	if (null < 0 || setsid() < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(s->log_fd, STDOUT_FILENO) < 0 || dup2(s->log_fd, STDERR_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0u, 0) < 0) {
		_exit(EXIT_STATUS_ERROR);
	}
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	setenv("NOTIFY_SOCKET", s->notify.sun_path, 1);
	exec_daemon(r, s->program, s->log);
}

static bool answers(const struct cmd_run *r, json_t **ret)
{
	struct client *c = NULL;
	bool is_up = client_open(&r->where, &c, NULL) == 0 &&
		     client_get(c, "/v1/status", ret, NULL) >= 0;

	client_close(c);
	return is_up;
}

/* The last thing it wrote. */
static void fail_with_log(struct starting *s, struct errmsg *e)
{
	char text[LOG_SHOWN + 1];
	char safe[ERRMSG_SIZE - 100];
	off_t end = lseek(s->log_fd, 0, SEEK_END);
	off_t from = end - LOG_SHOWN > s->log_from ? end - LOG_SHOWN : s->log_from;
	ssize_t n = pread(s->log_fd, text, (size_t)(end > from ? end - from : 0), from);
	char *line;

	text[n > 0 ? n : 0] = '\0';
	while (n > 0 && text[n - 1] == '\n') {
		text[--n] = '\0';
	}
	line = strrchr(text, '\n');
	text_safe_to(line ? line + 1 : text, safe, sizeof(safe));
	errmsg_set(e, -ECHILD, "the daemon did not start%s%s; its log is %s", *safe ? ": " : "",
		   safe, s->log);
}

static bool is_ready_message(int fd)
{
	char text[512];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1");
}

static int wait_until_up(const struct cmd_run *r, struct starting *s, json_t **ret,
			 struct errmsg *e)
{
	ns_t end = host_clock_monotonic_ns() + START_NS;
	struct pollfd fds[2] = { { .fd = s->pidfd, .events = POLLIN },
				 { .fd = s->notify_fd, .events = POLLIN } };

	for (;;) {
		/* A daemon without sd_notify is found by asking. */
		int n = poll(fds, 2, ASK_MS);

		if (n > 0 && fds[0].revents) {
			fail_with_log(s, e);
			return -ECHILD;
		}
		if (n > 0 && fds[1].revents && !is_ready_message(s->notify_fd)) {
			continue;
		}
		if (answers(r, ret)) {
			return 0;
		}
		if (host_clock_monotonic_ns() > end) {
			return errmsg_set(e, -ETIMEDOUT,
					  "the daemon (pid %d) does not answer; its log is %s",
					  (int)s->pid, s->log);
		}
	}
}

static int start(const struct cmd_run *r, struct starting *s, json_t **ret, struct errmsg *e)
{
	int status;
	int ret_code;

	ret_code = open_log(s, r->own, e);
	if (ret_code == 0) {
		ret_code = open_notify(s, e);
	}
	if (ret_code < 0) {
		return ret_code;
	}
	fflush(stdout);
	s->pid = host_proc_clone(0, &s->pidfd);
	if (s->pid == 0) {
		child(r, s);
	}
	if (s->pid < 0) {
		return errmsg_set(e, s->pid, "no process: %s", strerror(-s->pid));
	}
	ret_code = wait_until_up(r, s, ret, e);
	if (ret_code == -ECHILD) {
		waitpid(s->pid, &status, 0);
	}
	return ret_code;
}

static void say(const struct cmd_run *r, const char *how, const json_t *status)
{
	char *path = client_socket_path(r->where.socket_path);
	char *safe = path ? text_safe(path) : NULL;

	if (r->is_json) {
		field_print_json(status);
	} else if (!r->is_quiet) {
		printf("pinfoldd %s: pid %u, socket %s\n", how,
		       (unsigned int)field_u64(status, "pid"), safe ? safe : "");
	}
	free(safe);
	free(path);
}

static int run(struct cmd_run *r)
{
	struct starting s = { .log_fd = -1, .notify_fd = -1, .pidfd = -1 };
	const struct up *u = r->own;
	json_t *status = NULL;
	struct errmsg e = { 0 };
	int ret;

	if (client_has_host(&r->where)) {
		errmsg_set(&e, -EINVAL, "%s: log in there and start the daemon",
			   r->where.host ? "--host" : "PINFOLD_HOST");
		return cmd_fail(&e);
	}
	if (answers(r, &status)) {
		say(r, "runs already", status);
		json_decref(status);
		return 0;
	}
	find_program(s.program);
	if (u->is_foreground) {
		exec_daemon(r, s.program, u->log);
	}
	ret = start(r, &s, &status, &e);
	if (ret == 0) {
		say(r, "is up", status);
	}
	json_decref(status);
	free(s.log);
	for (size_t i = 0; i < 3; i++) {
		const int fds[] = { s.log_fd, s.notify_fd, s.pidfd };

		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
	return ret < 0 ? cmd_fail(&e) : 0;
}

int cmd_up(int argc, char **argv)
{
	static const struct cmd cmd = {
		.doc = "Start the daemon and wait until it answers. As root it is the system's; "
		       "else "
		       "it is yours alone and gives what the host allows ('pinfold status').\v"
		       "Example:\n    pinfold up && pinfold status",
		.flags = CMD_JSON | CMD_QUIET | CMD_NO_CLIENT,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct up u = { 0 };

	return cmd_main(&cmd, &u, argc, argv);
}

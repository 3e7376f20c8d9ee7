/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor, the daemon, requests. See chaos.h. */
#include "chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core_watch.h"
#include "sched/roles.h"

#define ANSWER_MAX  (64u << 20)
#define DEAF_MS	    30000
#define DAEMON_ARGS 24

struct chaos chaos = { .count = 0, .seconds = 0, .daemon = -1 };
static cpu_set_t cores; /* that we came with: the daemon's */

void chaos_fail(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (atomic_fetch_add(&chaos.failures, 1) < 50) {
		printf("FAIL %s:%d: %s\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line,
		       text);
		fflush(stdout);
	}
}

/* -- the supervisor */

static void parse_options(int argc, char **argv)
{
	if (argc < 3) {
		printf("usage: %s BIN_DIR GUESTS_DIR [--count N] [--seconds S] [--seed N] "
		       "[--only CASE] [--program PINFOLDD] [--option OPTION]\n",
		       argv[0]);
		exit(2);
	}
	snprintf(chaos.bin, sizeof(chaos.bin), "%s", argv[1]);
	snprintf(chaos.guests, sizeof(chaos.guests), "%s", argv[2]);
	snprintf(chaos.program, sizeof(chaos.program), "%s/pinfoldd", chaos.bin);
	chaos.seed = (unsigned int)chaos_now_ns();
	for (int i = 3; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--count") == 0) {
			chaos.count = strtoull(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--seconds") == 0) {
			chaos.seconds = strtoull(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--seed") == 0) {
			chaos.seed = (unsigned int)strtoul(argv[i + 1], NULL, 10);
		} else if (strcmp(argv[i], "--only") == 0) {
			chaos.only = argv[i + 1];
		} else if (strcmp(argv[i], "--option") == 0) {
			chaos.option = argv[i + 1];
		} else if (strcmp(argv[i], "--program") == 0) {
			snprintf(chaos.program, sizeof(chaos.program), "%s", argv[i + 1]);
		}
	}
}

static void make_dirs(void)
{
	FILE *f;
	char path[200];

	snprintf(chaos.dir, sizeof(chaos.dir), "/tmp/pinfold-chaos-XXXXXX");
	if (!mkdtemp(chaos.dir) || chmod(chaos.dir, 0755) < 0) {
		printf("no folder for the test: %s\n", strerror(errno));
		exit(1);
	}
	snprintf(chaos.state, sizeof(chaos.state), "%s/state", chaos.dir);
	snprintf(chaos.run, sizeof(chaos.run), "%s/run", chaos.dir);
	snprintf(chaos.socket, sizeof(chaos.socket), "%s/pinfoldd.sock", chaos.run);
	snprintf(chaos.log, sizeof(chaos.log), "%s/log", chaos.dir);
	snprintf(path, sizeof(path), "%s/conf", chaos.dir);
	f = fopen(path, "we");
	if (f) {
		fclose(f);
	}
}

/* Whatever is left below us. Frozen ones die, too. @return how many there were */
static unsigned int end_children(void)
{
	pid_t pids[CHAOS_PIDS_MAX];
	unsigned int sum = 0;

	for (int i = 0; i < 200; i++) {
		size_t n = chaos_children(getpid(), pids, CHAOS_PIDS_MAX);

		if (n == 0) {
			break;
		}
		for (size_t k = 0; k < n; k++) {
			kill(pids[k], SIGKILL);
			sum += i == 0;
		}
		chaos_sleep_ns(10 * NS_PER_MS);
		while (waitpid(-1, NULL, WNOHANG) > 0) {
		}
	}
	return sum;
}

static void remove_dirs(void)
{
	char *const args[] = { "rm", "-rf", chaos.dir, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp(args[0], args);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static void print_log(void)
{
	char command[300];
	char *const args[] = { "sh", "-c", command, NULL };
	pid_t pid;

	snprintf(command, sizeof(command), "echo '-- end of the log'; tail -n 40 '%s'", chaos.log);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execvp(args[0], args);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static volatile sig_atomic_t is_stopped;

static void on_stop(int signo)
{
	(void)signo;
	is_stopped = 1;
}

/* The test ends, or its time does. @return its exit status */
static int await_test(pid_t pid, unsigned int limit_s)
{
	uint64_t until_ns = chaos_now_ns() + limit_s * NS_PER_S;
	int status = 0;

	while (chaos_now_ns() < until_ns && !is_stopped) {
		pid_t got = waitpid(-1, &status, WNOHANG);

		if (got == pid) {
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		}
		if (got <= 0) {
			chaos_sleep_ns(20 * NS_PER_MS);
		}
	}
	printf("FAIL the test did not end in %u s, or was stopped\n", limit_s);
	return 1;
}

/* The test must not want the core whose release it measures: the kernel would take it from VMs. */
static void leave_pool(void)
{
	static struct sched_topology t = { .n_cores = SCHED_HOST_CORES_MAX };
	struct sched_roles roles;
	cpu_set_t own;

	CPU_ZERO(&own);
	if (sched_getaffinity(0, sizeof(cores), &cores) < 0) {
		return;
	}
	for (uint32_t i = 0; i < t.n_cores && i < CPU_SETSIZE; i++) {
		t.cores[i].is_online = t.cores[i].is_allowed = CPU_ISSET(i, &cores);
		t.cores[i].phys_core = (uint16_t)i;
	}
	if (sched_roles_fold(&t, &roles) == 0 && !roles.guests_lowest) {
		CPU_SET(roles.housekeeping, &own);
		sched_setaffinity(0, sizeof(own), &own);
	}
}

/* A setting of the whole host that a daemon may have been told to change (--option), and could not give back. */
static void keep_throttling(bool is_end)
{
	static const char path[] = "/proc/sys/kernel/sched_rt_runtime_us";
	static char before[32];
	char now[32] = "";
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, is_end ? now : before, sizeof(now) - 1);

	if (is_end && n > 0 && strcmp(now, before) != 0 &&
	    pwrite(fd, before, strlen(before), 0) < 0) {
		printf("%s was %s, and can't be set back: %s\n", path, before, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
}

int chaos_main(int argc, char **argv, void (*test)(void), unsigned int limit_s)
{
	unsigned int left;
	pid_t pid;
	int status;

	parse_options(argc, argv);
	if (getuid() != 0) {
		printf("skipped: needs root, to start a daemon with real-time threads\n");
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_dirs();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_stop);
	signal(SIGINT, on_stop);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	leave_pool();
	keep_throttling(false);
	printf("seed %u\n", chaos.seed);
	pid = fork();
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		test();
		fflush(stdout);
		_exit(atomic_load(&chaos.failures) ? 1 : 0);
	}
	status = await_test(pid, chaos.seconds ? (unsigned int)chaos.seconds + limit_s : limit_s);
	if (status == 1) {
		print_log();
	}
	core_watch_sweep(pid);
	left = end_children();
	if (left > 0 && status == 0) {
		printf("FAIL %u processes were left\n", left);
		status = 1;
	}
	keep_throttling(true);
	remove_dirs();
	return status;
}

/* -- the daemon */

void chaos_daemon_spawn(char *const *more)
{
	char conf[160], backend[] = "auto";
	const char *fixed[] = { chaos.program, "--state-dir",	     chaos.state, "--run-dir",
				chaos.run,     "--config",	     conf,	  "--backend",
				backend,       "--allow-shared-pool" };
	char *args[DAEMON_ARGS];
	size_t n = 0;

	snprintf(conf, sizeof(conf), "%s/conf", chaos.dir);
	for (; n < ARRAY_SIZE(fixed); n++) {
		args[n] = strdup(fixed[n]);
	}
	if (chaos.option) {
		args[n++] = chaos.option;
	}
	for (; more && *more && n < DAEMON_ARGS - 1; more++) {
		args[n++] = *more;
	}
	args[n] = NULL;
	chaos.daemon = fork();
	if (chaos.daemon == 0) {
		int fd = open(chaos.log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		if (fd < 0 || dup2(fd, 2) < 0 || dup2(fd, 1) < 0) {
			_exit(126);
		}
		signal(SIGPIPE, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setaffinity(0, sizeof(cores), &cores);
		execv(chaos.program, args);
		_exit(127);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		free(args[i]);
	}
}

bool chaos_daemon_ready(unsigned int timeout_ms)
{
	uint64_t until_ns = chaos_now_ns() + timeout_ms * NS_PER_MS;

	while (chaos_now_ns() < until_ns) {
		if (chaos_do("GET", "/v1/status", NULL) == 200) {
			return true;
		}
		if (waitpid(chaos.daemon, NULL, WNOHANG) == chaos.daemon) {
			chaos.daemon = -1;
			return false;
		}
		chaos_sleep_ns(2 * NS_PER_MS);
	}
	return false;
}

void chaos_daemon_start(char *const *more)
{
	chaos_daemon_spawn(more);
	if (!chaos_daemon_ready(60000)) {
		chaos_fail(__FILE__, __LINE__, "pinfoldd does not start");
		fflush(stdout);
		_exit(1);
	}
}

void chaos_daemon_kill(void)
{
	if (chaos.daemon > 0) {
		kill(chaos.daemon, SIGKILL);
		waitpid(chaos.daemon, NULL, 0);
		chaos.daemon = -1;
	}
}

void chaos_daemon_end(void)
{
	uint64_t until_ns = chaos_now_ns() + 60 * NS_PER_S;
	int status = -1;
	pid_t got = 0;

	if (chaos.daemon <= 0) {
		return;
	}
	chaos_do("POST", "/v1/shutdown", "{\"vms\":\"kill\"}");
	while (got == 0 && chaos_now_ns() < until_ns) {
		got = waitpid(chaos.daemon, &status, WNOHANG);
		chaos_sleep_ns(5 * NS_PER_MS);
	}
	CHECK(got == chaos.daemon && status == 0, "pinfoldd ended with status %d (waited: %d)",
	      status, got);
	if (got != chaos.daemon) {
		chaos_daemon_kill();
	}
	chaos.daemon = -1;
	/* VMs that outlived an earlier daemon fell to us. */
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
}

/* -- requests */

int chaos_send(const char *method, const char *path, const void *body, size_t bytes)
{
	struct timeval timeout = { DEAF_MS / 1000, 0 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *p = body;
	char head[512];
	size_t left = bytes;
	int n;

	memcpy(addr.sun_path, chaos.socket, strlen(chaos.socket) + 1);
	n = snprintf(
		head, sizeof(head),
		"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
		method, path, bytes);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    send(fd, head, (size_t)n, MSG_NOSIGNAL) != n) {
		close(fd);
		return -1;
	}
	while (left > 0) {
		ssize_t k = send(fd, p, left, MSG_NOSIGNAL);

		if (k <= 0) {
			break; /* the answer may come all the same */
		}
		p += k;
		left -= (size_t)k;
	}
	return fd;
}

static char *read_all(int fd, size_t *ret_bytes, bool *ret_is_whole)
{
	size_t room = 16384, n = 0;
	char *buf = malloc(room + 1);
	ssize_t k = -1;

	while (buf && n < ANSWER_MAX && (k = read(fd, buf + n, room - n)) > 0) {
		n += (size_t)k;
		if (n == room) {
			room *= 2;
			buf = realloc(buf, room + 1);
		}
	}
	if (buf) {
		buf[n] = '\0';
	}
	*ret_bytes = n;
	*ret_is_whole = k == 0;
	return buf;
}

static size_t dechunk(char *body, size_t bytes)
{
	char *from = body, *end = body + bytes;
	size_t n = 0;

	while (from < end) {
		char *line = memmem(from, (size_t)(end - from), "\r\n", 2);
		size_t k = line ? strtoul(from, NULL, 16) : 0;

		if (k == 0 || k > (size_t)(end - line - 2)) {
			break;
		}
		memmove(body + n, line + 2, k);
		n += k;
		from = line + 2 + k + 2;
	}
	body[n] = '\0';
	return n;
}

void chaos_receive(int fd, struct chaos_answer *a)
{
	bool is_whole = false;
	size_t n = 0;
	char *all = fd < 0 ? NULL : read_all(fd, &n, &is_whole);
	char *body = all ? strstr(all, "\r\n\r\n") : NULL;
	const char *length;

	*a = (struct chaos_answer){ .status = 0 };
	if (fd >= 0) {
		close(fd);
	}
	if (!body || strncmp(all, "HTTP/1.1 ", 9) != 0) {
		free(all);
		return;
	}
	*body = '\0';
	body += 4;
	a->bytes = n - (size_t)(body - all);
	if (strcasestr(all, "transfer-encoding: chunked")) {
		a->bytes = dechunk(body, a->bytes);
	}
	length = strcasestr(all, "content-length:");
	/* Half an answer is none. */
	if (length && strtoul(length + 15, NULL, 10) <= a->bytes) {
		a->status = (int)strtol(all + 9, NULL, 10);
	} else if (!length && is_whole) {
		a->status = (int)strtol(all + 9, NULL, 10);
	}
	memmove(all, body, a->bytes);
	all[a->bytes] = '\0';
	a->body = all;
	a->json = json_loadb(all, a->bytes, JSON_DECODE_ANY, NULL);
}

void chaos_ask(struct chaos_answer *a, const char *method, const char *path, const char *body)
{
	chaos_receive(chaos_send(method, path, body, body ? strlen(body) : 0), a);
}

int chaos_do(const char *method, const char *path, const char *body)
{
	struct chaos_answer a;
	int status;

	chaos_ask(&a, method, path, body);
	status = a.status;
	chaos_answer_done(&a);
	return status;
}

void chaos_answer_done(struct chaos_answer *a)
{
	json_decref(a->json);
	free(a->body);
	*a = (struct chaos_answer){ .status = 0 };
}

static const char *error_text(const struct chaos_answer *a, const char *key)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(a->json, "error"), key));

	return text ? text : "";
}

const char *chaos_code(const struct chaos_answer *a)
{
	return error_text(a, "code");
}

const char *chaos_message(const struct chaos_answer *a)
{
	return error_text(a, "message");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many clients: a thousand slow ones of one user keep nobody else out, and descriptors that are
 * sent along with requests go nowhere. Needs root, for clients of several users.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "http_rig.h"
#include "test.h"

#define N_SLOW 1000
/* Half of them wait for milliseconds; on a busy machine, or under sanitizers, longer. */
#define MAX_WAIT_US 5000000
#define N_ASKED	    50
#define SLOW_UID    40001u
#define CALM_UID    40002u

/* A client process of another user: waits for a byte on its pipe, says one when it is ready. */
struct client {
	pid_t pid;
	int to, from;
};

static struct rig_conn c;
static struct rig_answer a;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void become(uid_t uid)
{
	BUG_ON(setgroups(0, NULL) != 0 || setgid(uid) != 0 || setuid(uid) != 0);
	BUG_ON(setuid(0) == 0);
}

/* Before the server starts, so that no thread is lost. */
static struct client client_start(uid_t uid, void (*run)(int in, int out))
{
	struct client cl;
	int in[2], out[2];

	BUG_ON(pipe(in) != 0 || pipe(out) != 0);
	fflush(stdout);
	cl.pid = fork();
	BUG_ON(cl.pid < 0);
	if (cl.pid == 0) {
		char go;

		close(in[1]);
		close(out[0]);
		become(uid);
		if (read(in[0], &go, 1) == 1) {
			run(in[0], out[1]);
		}
		_exit(0);
	}
	close(in[0]);
	close(out[1]);
	cl.to = in[1];
	cl.from = out[0];
	return cl;
}

static void client_end(struct client *cl)
{
	int status;

	close(cl->to);
	close(cl->from);
	BUG_ON(waitpid(cl->pid, &status, 0) != cl->pid);
	CHECK_INT(status, 0);
}

static void slow_begin(int fd, int i)
{
	static const char *const begin[] = {
		"",
		"GET /v1/ec",
		"GET /v1/echo/a/b HTTP/1.1\r\nHost: x\r\nX: ",
		"POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{",
		"PUT /v1/file/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"GET /v1/stream/quiet HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/stream/endless HTTP/1.1\r\nHost: x\r\n\r\n",
	};
	const char *text = begin[(size_t)i % ARRAY_SIZE(begin)];

	if (*text) {
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

/* A thousand connections; those that the server ends are made again, until told to stop. */
static void slow_clients(int in, int out)
{
	static struct pollfd f[N_SLOW + 1];
	char answer[4096];

	f[0] = (struct pollfd){ .fd = in, .events = POLLIN };
	for (int i = 1; i <= N_SLOW; i++) {
		f[i] = (struct pollfd){ .fd = rig_connect_fd(rig.socket), .events = POLLIN };
		slow_begin(f[i].fd, i);
	}
	BUG_ON(write(out, "r", 1) != 1);
	while (!f[0].revents) {
		BUG_ON(poll(f, N_SLOW + 1, -1) < 0);
		for (int i = 1; i <= N_SLOW; i++) {
			if (!(f[i].revents & POLLHUP) ||
			    recv(f[i].fd, answer, sizeof(answer), MSG_DONTWAIT) > 0) {
				f[i].events = f[i].revents & POLLHUP ? POLLIN : 0; /* not read */
				continue;
			}
			close(f[i].fd);
			f[i].fd = rig_connect_fd(rig.socket); /* -1 when the server has ended */
			f[i].events = POLLIN;
			slow_begin(f[i].fd, i);
		}
	}
}

static int u64_compare(const void *p, const void *q)
{
	uint64_t x = *(const uint64_t *)p, y = *(const uint64_t *)q;

	return x < y ? -1 : x > y;
}

/* New connections, one request each: median and longest time go to the parent. */
static void calm_client(int in, int out)
{
	uint64_t us[N_ASKED], ret[2];

	(void)in;
	for (int i = 0; i < N_ASKED; i++) {
		uint64_t begin = now_us();

		rig_ask(&a, "GET", "/v1/echo/a/b", NULL);
		us[i] = now_us() - begin;
		BUG_ON(a.status != 200);
	}
	qsort(us, N_ASKED, sizeof(us[0]), u64_compare);
	ret[0] = us[N_ASKED / 2];
	ret[1] = us[N_ASKED - 1];
	BUG_ON(write(out, ret, sizeof(ret)) != sizeof(ret));
}

static void thousand_slow_clients_keep_nobody_out(void)
{
	struct client slow, calm;
	struct http_stats st;
	uint64_t us[2] = { 0, 0 };
	char ready;

	rig_init();
	slow = client_start(SLOW_UID, slow_clients);
	calm = client_start(CALM_UID, calm_client);
	rig_start();
	BUG_ON(write(slow.to, "g", 1) != 1);
	CHECK_INT(read(slow.from, &ready, 1), 1);
	CHECK(rig_wait_open(rig.o.max_per_user));
	BUG_ON(write(calm.to, "g", 1) != 1);
	CHECK_INT(read(calm.from, us, sizeof(us)), sizeof(us));
	http_stats_get(rig.h, &st);
	printf("%u open, %" PRIu64 " refused; another user waits %" PRIu64 " us, at most %" PRIu64
	       " us\n",
	       st.open, st.refused, us[0], us[1]);
	CHECK(us[0] < MAX_WAIT_US);
	CHECK(st.refused >= N_SLOW - rig.o.max_per_user);
	CHECK(st.open <= rig.o.max_per_user + 5); /* some of the calm one's may be ending */
	BUG_ON(write(slow.to, "e", 1) != 1);
	client_end(&slow);
	client_end(&calm);
	CHECK(rig_wait_open(0));
	CHECK_INT(atomic_load(&rig.streams), 0);
	rig_stop();
}

/* Callers that come back at once must not keep the acceptor from its other duties. */
static void storm_does_not_delay_the_end(void)
{
	struct client slow;
	uint64_t begin;
	char ready;

	rig_init();
	slow = client_start(SLOW_UID, slow_clients);
	rig_start();
	BUG_ON(write(slow.to, "g", 1) != 1);
	CHECK_INT(read(slow.from, &ready, 1), 1);
	begin = now_us();
	http_stop(rig.h);
	CHECK(now_us() - begin <
	      RIG_PATIENCE_S * 1000000); /* two seconds for those that don't read */
	BUG_ON(write(slow.to, "e", 1) != 1);
	client_end(&slow);
	rig.h = NULL;
	rig_stop();
}

/* One who uploads more than half of what all may upload. */
static void hoarding_client(int in, int out)
{
	static char zeros[700000];

	(void)in;
	for (int i = 0; i < 2; i++) {
		rig_open(&c);
		rig_say(&c, "PUT /v1/file/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
			i ? 500000 : 700000);
		(void)rig_send(&c, zeros, i ? 500000 : 700000);
		rig_answer(&c, &a, true);
		BUG_ON(a.status != (i ? 200 : 503));
		rig_close(&c);
	}
	BUG_ON(write(out, "r", 1) != 1);
}

static void user_gets_half_of_the_spool(void)
{
	struct client cl;
	char ready = 0;

	rig_init();
	rig.o.max_spool_bytes = 1200000;
	cl = client_start(CALM_UID, hoarding_client);
	rig_start();
	BUG_ON(write(cl.to, "g", 1) != 1);
	CHECK_INT(read(cl.from, &ready, 1), 1);
	client_end(&cl);
	rig_stop();
}

static void user_is_told_why(void)
{
	static struct rig_conn many[3];

	rig_init();
	rig.o.max_per_user = 3;
	rig_start();
	for (int i = 0; i < 3; i++) {
		rig_open(&many[i]);
	}
	rig_open(&c); /* the answer comes unasked */
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 429);
	CHECK_STR(rig_code(&a), "too_many_connections");
	rig_close(&c);
	for (int i = 0; i < 3; i++) {
		rig_say(&many[i], "GET /v1/echo/a/b HTTP/1.1\r\nHost: x\r\n\r\n");
		rig_answer(&many[i], &a, true);
		CHECK_INT(a.status, 200);
		rig_close(&many[i]);
	}
	CHECK(rig_wait_open(0));
	rig_stop();
}

/* Take all that is left for ordinary users. */
static void greedy_client(int in, int out)
{
	int fds[16];
	struct pollfd last;
	char end;

	for (int i = 0; i < 16; i++) {
		fds[i] = rig_connect_fd(rig.socket);
		slow_begin(fds[i], 1);
	}
	last = (struct pollfd){ .fd = fds[15], .events = POLLIN };
	BUG_ON(poll(&last, 1, RIG_PATIENCE_S * 1000) !=
	       1); /* refused, and with it all were looked at */
	BUG_ON(write(out, "r", 1) != 1);
	(void)read(in, &end, 1);
}

static void administrators_always_get_in(void)
{
	struct client greedy;
	char ready;

	rig_init();
	rig.o.max_connections = 16;
	greedy = client_start(SLOW_UID, greedy_client);
	rig_start();
	BUG_ON(write(greedy.to, "g", 1) != 1);
	CHECK_INT(read(greedy.from, &ready, 1), 1);
	rig_ask(&a, "GET", "/v1/echo/a/b", NULL);
	CHECK_INT(a.status, 200);
	client_end(&greedy);
	rig_stop();
}

static void send_with_fds(int fd, const char *text, const int *fds, size_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
	struct cmsghdr *h;

	m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	CHECK(sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void descriptor_spam_goes_nowhere(void)
{
	int fds[253];
	unsigned int before;

	rig_init();
	rig_start();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = 1;
	}
	rig_open(&c);
	rig_say(&c, "GET /v1/echo/a/b HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, true);
	before = rig_n_fds();
	for (int i = 0; i < 200; i++) {
		send_with_fds(c.fd, "GET /v1/echo/a/b HT", fds, ARRAY_SIZE(fds));
		send_with_fds(c.fd, "TP/1.1\r\nHost: x\r\n\r\n", fds, ARRAY_SIZE(fds));
		send_with_fds(c.fd,
			      "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", fds,
			      ARRAY_SIZE(fds));
		send_with_fds(c.fd, "{}", fds, ARRAY_SIZE(fds));
		rig_answer(&c, &a, true);
		CHECK_INT(a.status, 200);
		rig_answer(&c, &a, true);
		CHECK_INT(a.status, 201);
	}
	CHECK_INT(rig_n_fds(), before);
	rig_close(&c);
	rig_stop();
}

static void refused_client(int in, int out)
{
	(void)in;
	for (int i = 0; i < 20; i++) {
		rig_open(&c);
		rig_answer(&c, &a, true);
		BUG_ON(a.status != 503 || strcmp(rig_code(&a), "try_again") != 0);
		rig_close(&c);
	}
	BUG_ON(write(out, "r", 1) != 1);
}

/* The server has no descriptor left: callers are told, and later ones are served. */
static void no_descriptors_is_survived(void)
{
	struct rlimit limit, tight;
	struct client cl;
	char ready = 0;
	int lowest;

	rig_init();
	cl = client_start(CALM_UID, refused_client);
	rig_start();
	BUG_ON(getrlimit(RLIMIT_NOFILE, &limit) != 0);
	lowest = dup(1);
	BUG_ON(lowest < 0 || close(lowest) != 0);
	tight = limit;
	tight.rlim_cur = (rlim_t)lowest;
	BUG_ON(setrlimit(RLIMIT_NOFILE, &tight) != 0);
	BUG_ON(write(cl.to, "g", 1) != 1);
	CHECK_INT(read(cl.from, &ready, 1), 1);
	BUG_ON(setrlimit(RLIMIT_NOFILE, &limit) != 0);
	client_end(&cl);
	rig_ask(&a, "GET", "/v1/echo/a/b", NULL);
	CHECK_INT(a.status, 200);
	rig_stop();
}

static const struct test_case cases[] = {
	{ "thousand_slow_clients_keep_nobody_out", thousand_slow_clients_keep_nobody_out },
	{ "storm_does_not_delay_the_end", storm_does_not_delay_the_end },
	{ "user_gets_half_of_the_spool", user_gets_half_of_the_spool },
	{ "user_is_told_why", user_is_told_why },
	{ "administrators_always_get_in", administrators_always_get_in },
	{ "descriptor_spam_goes_nowhere", descriptor_spam_goes_nowhere },
	{ "no_descriptors_is_survived", no_descriptors_is_survived },
};

int main(void)
{
	struct rlimit limit;

	if (geteuid() != 0) {
		printf("skipped: clients of other users need root\n");
		return 77;
	}
	BUG_ON(getrlimit(RLIMIT_NOFILE, &limit) != 0);
	if (limit.rlim_cur < N_SLOW + 64) {
		limit.rlim_cur = N_SLOW + 64;
		limit.rlim_max = limit.rlim_max < limit.rlim_cur ? limit.rlim_cur : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
			printf("skipped: no more than %llu descriptors: %s\n",
			       (unsigned long long)limit.rlim_cur, strerror(errno));
			return 77;
		}
	}
	return test_main(cases, ARRAY_SIZE(cases));
}

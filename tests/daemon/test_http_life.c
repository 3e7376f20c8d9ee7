/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API's server: how it starts and stops, what silence, slowness and early ends do to it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "http_rig.h"
#include "test.h"

static struct rig_conn c, d;
static struct rig_answer a;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

/* Wait until a counter of the rig has a value. @return false: not in time */
static bool wait_for(atomic_int *counter, int value)
{
	struct timespec ts = { .tv_nsec = 5 * (long)NS_PER_MS };

	for (int i = 0; i < RIG_PATIENCE_S * 200 && atomic_load(counter) != value; i++) {
		nanosleep(&ts, NULL); /* between two looks */
	}
	return atomic_load(counter) == value;
}

/* Whether the server closes a connection; bytes that come before don't count. */
static bool is_closed(const struct rig_conn *conn)
{
	char buf[256];
	ssize_t n;

	do {
		n = recv(conn->fd, buf, sizeof(buf), 0);
	} while (n > 0);
	return n == 0 || errno == ECONNRESET;
}

static void socket_is_for_everybody(void)
{
	struct stat st;

	rig_init();
	umask(077);
	rig_start();
	umask(022);
	CHECK_INT(stat(rig.socket, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0666);
	rig_stop();
	CHECK(access(rig.socket, F_OK) != 0);
}

static int listener_at(const char *path, int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	BUG_ON(fd < 0 || strlen(path) >= sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path));
	BUG_ON(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0);
	BUG_ON(backlog >= 0 && listen(fd, backlog) != 0);
	return fd;
}

static void start_fails(int want, const char *what)
{
	struct errmsg e = { "" };
	struct http *h = NULL;

	CHECK_INT(http_start(&rig.o, &h, &e), want);
	CHECK(h == NULL);
	if (!strstr(e.text, what)) {
		printf("\"%s\" does not say \"%s\"\n", e.text, what);
		test_failures++;
	}
}

static void second_server_is_refused(void)
{
	char lock[320];
	int fd;

	rig_init();
	rig_start();
	start_fails(-EADDRINUSE, "another daemon");
	rig_ask(&a, "GET", "/v1/echo/a/b", NULL);
	CHECK_INT(a.status, 200);
	http_stop(rig.h);
	fd = listener_at(rig.socket, 0); /* one that takes no lock */
	start_fails(-EADDRINUSE, "something else");
	CHECK(access(rig.socket, F_OK) == 0);
	close(fd);
	rig_start(); /* nobody answers any more */
	rig_ask(&a, "GET", "/v1/echo/a/b", NULL);
	CHECK_INT(a.status, 200);
	http_stop(rig.h);
	fd = open(rig.socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	start_fails(-EEXIST, "no socket");
	CHECK_INT(unlink(rig.socket), 0);
	snprintf(lock, sizeof(lock), "%s.lock", rig.socket);
	CHECK_INT(unlink(lock), 0);
	CHECK_INT(symlink("/nonexistent/x", lock), 0);
	start_fails(-ELOOP, lock);
	rig.h = NULL;
	rig_stop();
}

static void given_sockets_are_served(void)
{
	int plain = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	rig_init();
	rig.o.listen_fd = plain;
	start_fails(-EINVAL, "no listening UNIX socket");
	close(plain);
	rig.o.listen_fd = listener_at(rig.socket, 10);
	rig.o.socket_path = NULL;
	rig_start();
	rig_ask(&a, "GET", "/v1/echo/a/b", NULL);
	CHECK_INT(a.status, 200);
	http_stop(rig.h);
	rig.h = NULL;
	CHECK(access(rig.socket, F_OK) == 0); /* it belongs to who gave it */
	rig_stop();
}

static void silence_ends_a_connection(void)
{
	uint64_t begin;

	rig_init();
	rig.o.idle_s = 1;
	rig_start();
	begin = now_ms();
	rig_open(&c); /* says nothing */
	CHECK(is_closed(&c));
	CHECK(now_ms() - begin >= 500);
	rig_close(&c);
	rig_open(&c); /* answered, then silent */
	rig_say(&c, "GET /v1/echo/a/b HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 200);
	CHECK(is_closed(&c));
	rig_close(&c);
	rig_open(&c); /* half a body */
	rig_say(&c, "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{");
	CHECK(is_closed(&c));
	rig_close(&c);
	CHECK(rig_wait_open(0));
	rig_stop();
}

/* One byte of a header now and then keeps nothing alive. */
static void dripping_ends_a_connection(void)
{
	uint64_t begin = now_ms();
	struct pollfd f;

	rig_init();
	rig.o.idle_s = 1;
	rig_start();
	rig_open(&c);
	rig_say(&c, "GET /v1/big HTTP/1.1\r\nX: ");
	f = (struct pollfd){ .fd = c.fd, .events = POLLIN };
	while (rig_say(&c, "x") && now_ms() - begin < RIG_PATIENCE_S * 1000) {
		poll(&f, 1, 50);
	}
	CHECK(now_ms() - begin < RIG_PATIENCE_S * 1000);
	rig_close(&c);
	rig_stop();
}

static void handlers_may_take_longer(void)
{
	rig_init();
	rig.o.idle_s = 1;
	rig_start();
	rig_ask(&a, "GET", "/v1/wait/2500", NULL);
	CHECK_STR(a.body ? a.body : "(closed)", "{\"is_over\":false}");
	rig_stop();
}

/* A client that does not read costs one buffer, and that only for the idle time. */
static void slow_readers_pin_nothing(void)
{
	rig_init();
	rig.o.idle_s = 1;
	rig_start();
	rig_open(&c);
	rig_say(&c, "GET /v1/stream/endless HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(rig_head(&c, &a)); /* it has begun */
	CHECK(wait_for(&rig.streams, 0));
	rig_close(&c);
	rig_open(&c);
	rig_say(&c, "GET /v1/big HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(rig_head(&c, &a));
	CHECK(rig_wait_open(0));
	rig_close(&c);
	rig_stop();
}

static void hung_up_streams_end(void)
{
	rig_init();
	rig_start();
	rig_open(&c);
	rig_say(&c, "GET /v1/stream/quiet HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(rig_head(&c, &a));
	CHECK(wait_for(&rig.streams, 1));
	rig_close(&c);
	CHECK(wait_for(&rig.streams, 0));
	rig_open(&c);
	rig_say(&c, "GET /v1/wait/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(wait_for(&rig.waiting, 1));
	rig_close(&c);
	CHECK(wait_for(&rig.waiting, 0));
	CHECK(rig_wait_open(0));
	rig_stop();
}

/* SIGPIPE has its default action here: it would end this test. */
static void early_ends_kill_nobody(void)
{
	bool has_answers = true;

	rig_init();
	signal(SIGPIPE, SIG_DFL);
	rig_start();
	for (int i = 0; i < 50; i++) {
		rig_open(&c);
		rig_say(&c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
			i & 1 ? "/v1/big" : "/v1/stream/endless");
		has_answers &= !(i & 2) || rig_head(&c, &a);
		rig_close(&c);
	}
	CHECK(has_answers);
	CHECK(rig_wait_open(0));
	CHECK_INT(atomic_load(&rig.streams), 0);
	rig_stop();
}

static void stop_is_prompt_and_tells(void)
{
	static struct rig_conn reader, silent, waiting;
	uint64_t begin;

	rig_init();
	rig_start();
	rig_open(&c);
	rig_say(&c, "GET /v1/stream/quiet HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(rig_head(&c, &a));
	rig_open(&reader); /* never reads */
	rig_say(&reader, "GET /v1/stream/endless HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_open(&silent);
	rig_open(&waiting);
	rig_say(&waiting, "GET /v1/wait/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(wait_for(&rig.streams, 2) && wait_for(&rig.waiting, 1));
	begin = now_ms();
	http_stop(rig.h);
	CHECK(now_ms() - begin < RIG_PATIENCE_S * 1000); /* half of what the handler waits for */
	CHECK_INT(atomic_load(&rig.streams), 0);
	rig_answer(&waiting, &a, true); /* the handler saw it and answered */
	CHECK_STR(a.body ? a.body : "(closed)", "{\"is_over\":true}");
	CHECK(c.n == 5 || recv(c.fd, c.buf + c.n, 5 - c.n, MSG_WAITALL) > 0);
	CHECK(memcmp(c.buf, "0\r\n\r\n", 5) == 0); /* a proper end */
	CHECK_INT(recv(silent.fd, c.buf, 1, 0), 0);
	rig_close(&c);
	rig_close(&reader);
	rig_close(&silent);
	rig_close(&waiting);
	rig.h = NULL;
	rig_stop();
}

static void threads_stay_on_the_callers_cores(void)
{
	cpu_set_t before, one;
	size_t cpu = 0;

	BUG_ON(sched_getaffinity(0, sizeof(before), &before) != 0);
	while (!CPU_ISSET(cpu, &before)) {
		cpu++;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	BUG_ON(sched_setaffinity(0, sizeof(one), &one) != 0);
	rig_init();
	rig_start();
	BUG_ON(sched_setaffinity(0, sizeof(before), &before) != 0);
	rig_ask(&a, "GET", "/v1/thread", NULL);
	CHECK_STR(a.body, "{\"n_cpus\":1,\"policy\":0}"); /* SCHED_OTHER */
	rig_stop();
}

static void nothing_is_left_open(void)
{
	unsigned int before = rig_n_fds();

	for (int i = 0; i < 20; i++) {
		rig_init();
		rig_start();
		rig_ask(&a, "PUT", "/v1/file/x", "hello");
		CHECK_INT(a.status, 200);
		rig_stop();
	}
	CHECK_INT(rig_n_fds(), before);
}

/* Fill a body half, so that it stays in the spool. */
static void half_upload(struct rig_conn *conn, unsigned int n)
{
	static char zeros[1u << 20];

	rig_open(conn);
	rig_say(conn, "PUT /v1/file/x HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n", n);
	(void)rig_send(conn, zeros, n / 2);
}

static void upload(unsigned int n, int status, const char *code)
{
	static char zeros[600000];

	BUG_ON(n > sizeof(zeros));
	rig_open(&d);
	rig_say(&d, "PUT /v1/file/x HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n", n);
	(void)rig_send(&d, zeros, n);
	rig_answer(&d, &a, true);
	CHECK_INT(a.status, status);
	CHECK_STR(rig_code(&a), code);
	rig_close(&d);
}

/* What one request has given back, the next on the same connection may take. */
static void upload_again_and_again(void)
{
	static char zeros[600000];

	rig_open(&d);
	for (int i = 0; i < 4; i++) {
		rig_say(&d, "PUT /v1/file/x HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
			sizeof(zeros));
		(void)rig_send(&d, zeros, sizeof(zeros));
		rig_answer(&d, &a, true);
		CHECK_INT(a.status, 200);
	}
	rig_close(&d);
}

static void full_spool_says_try_again(void)
{
	rig_init();
	rig.o.max_spool_bytes = 1300000;
	rig_start();
	half_upload(&c, 2000000);
	upload(600000, 503, "try_again");
	rig_close(&c); /* gives its part back */
	CHECK(rig_wait_open(0));
	upload(600000, 200, "");
	upload_again_and_again();
	rig_stop();
}

static const struct test_case cases[] = {
	{ "socket_is_for_everybody", socket_is_for_everybody },
	{ "second_server_is_refused", second_server_is_refused },
	{ "given_sockets_are_served", given_sockets_are_served },
	{ "silence_ends_a_connection", silence_ends_a_connection },
	{ "dripping_ends_a_connection", dripping_ends_a_connection },
	{ "handlers_may_take_longer", handlers_may_take_longer },
	{ "slow_readers_pin_nothing", slow_readers_pin_nothing },
	{ "hung_up_streams_end", hung_up_streams_end },
	{ "early_ends_kill_nobody", early_ends_kill_nobody },
	{ "stop_is_prompt_and_tells", stop_is_prompt_and_tells },
	{ "threads_stay_on_the_callers_cores", threads_stay_on_the_callers_cores },
	{ "nothing_is_left_open", nothing_is_left_open },
	{ "full_spool_says_try_again", full_spool_says_try_again },
};

TEST_MAIN(cases)

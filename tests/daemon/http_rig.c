/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/parse.h"
#include "temp_dir.h"

struct rig rig;
static _Thread_local char *body;

void rig_thread_done(void)
{
	free(body);
	body = NULL;
}

static int on_echo(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	const char *q = http_query(rq, "q");

	(void)ctx;
	(void)e;
	rp->body = json_pack("{ss ss ss?}", "a", rq->param[0], "b", rq->param[1], "q", q);
	BUG_ON(!rp->body);
	return 0;
}

static int on_json(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	(void)ctx;
	(void)e;
	atomic_fetch_add(&rig.handler_runs, 1);
	BUG_ON(!json_is_object(rq->body));
	rp->status = 201;
	rp->body = json_pack("{sO}", "body", rq->body);
	return 0;
}

static int on_none(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	(void)ctx;
	(void)rq;
	(void)rp;
	(void)e;
	atomic_fetch_add(&rig.handler_runs, 1);
	return 0;
}

static int on_bytes(void *ctx, const struct http_request *rq, struct http_reply *rp,
		    struct errmsg *e)
{
	json_int_t sum = 0;

	(void)ctx;
	(void)e;
	for (size_t i = 0; i < rq->n_bytes; i++) {
		sum += rq->bytes[i];
	}
	rp->body = json_pack("{sI sI}", "n", (json_int_t)rq->n_bytes, "sum", sum);
	return 0;
}

static int on_file(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	uint8_t buf[16384];
	json_int_t sum = 0, n_bytes = 0;
	ssize_t n;

	(void)ctx;
	(void)e;
	BUG_ON(lseek(rq->body_fd, 0, SEEK_CUR) != 0);
	while ((n = read(rq->body_fd, buf, sizeof(buf))) > 0) {
		n_bytes += n;
		for (ssize_t i = 0; i < n; i++) {
			sum += buf[i];
		}
	}
	BUG_ON(n_bytes != (json_int_t)rq->body_bytes);
	rp->body = json_pack("{sI sI sb}", "n", n_bytes, "sum", sum, "is_sealed",
			     fcntl(rq->body_fd, F_GET_SEALS) ==
				     (F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK));
	return 0;
}

static int on_errno(void *ctx, const struct http_request *rq, struct http_reply *rp,
		    struct errmsg *e)
{
	uint64_t n;

	(void)ctx;
	(void)rp;
	BUG_ON(parse_u64(rq->param[0], &n, e) != 0);
	if (http_query(rq, "say")) {
		return errmsg_set(e, -(int)n, "%s", http_query(rq, "say"));
	}
	return -(int)n;
}

static ssize_t short_read(void *arg, uint8_t *buf, size_t max)
{
	int *left = arg;

	BUG_ON(max < 3);
	memcpy(buf, "abc", 3); /* NOLINT(bugprone-not-null-terminated-result): bytes */
	return (*left)-- > 0 ? 3 : -1;
}

static ssize_t endless_read(void *arg, uint8_t *buf, size_t max)
{
	(void)arg;
	memset(buf, 'x', max);
	return (ssize_t)max;
}

static ssize_t quiet_read(void *arg, uint8_t *buf, size_t max)
{
	struct timespec ts = { .tv_nsec = 20 * (long)NS_PER_MS };

	(void)arg;
	(void)buf;
	(void)max;
	nanosleep(&ts, NULL); /* a stream without news; nothing waits for this */
	return 0;
}

static void stream_free(void *arg)
{
	atomic_fetch_sub(&rig.streams, 1);
	free(arg);
}

static int on_stream(void *ctx, const struct http_request *rq, struct http_reply *rp,
		     struct errmsg *e)
{
	int *left = malloc(sizeof(*left));

	(void)ctx;
	(void)e;
	BUG_ON(!left);
	*left = 3;
	atomic_fetch_add(&rig.streams, 1);
	rp->stream.read = strcmp(rq->param[0], "endless") == 0 ? endless_read
			  : strcmp(rq->param[0], "quiet") == 0 ? quiet_read
							       : short_read;
	rp->stream.free = stream_free;
	rp->stream.arg = left;
	rp->header = "Pinfold-Offset";
	rp->header_value = UINT64_C(12345678901234);
	return 0;
}

static int on_big(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	(void)ctx;
	(void)rq;
	(void)e;
	rp->text = malloc(RIG_BIG + 1);
	BUG_ON(!rp->text);
	memset(rp->text, 'b', RIG_BIG);
	rp->text[RIG_BIG] = '\0';
	rp->type = "text/plain; version=0.0.4";
	return 0;
}

static int on_nothing(void *ctx, const struct http_request *rq, struct http_reply *rp,
		      struct errmsg *e)
{
	(void)ctx;
	(void)rq;
	(void)e;
	rp->status = 204;
	rp->body = json_object();
	return 0;
}

static int on_wait(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	struct timespec ts = { .tv_nsec = 10 * (long)NS_PER_MS };
	uint64_t ms;

	(void)ctx;
	BUG_ON(parse_u64(rq->param[0], &ms, e) != 0);
	atomic_fetch_add(&rig.waiting, 1);
	for (uint64_t t = 0; t < ms && !http_is_over(rq); t += 10) {
		nanosleep(&ts, NULL); /* stands for a handler that waits */
	}
	atomic_fetch_sub(&rig.waiting, 1);
	rp->body = json_pack("{sb}", "is_over", http_is_over(rq));
	return 0;
}

/* How this thread is scheduled. */
static int on_thread(void *ctx, const struct http_request *rq, struct http_reply *rp,
		     struct errmsg *e)
{
	cpu_set_t set;

	(void)ctx;
	(void)rq;
	(void)e;
	BUG_ON(sched_getaffinity(0, sizeof(set), &set) != 0);
	rp->body = json_pack("{si si}", "n_cpus", CPU_COUNT(&set), "policy", sched_getscheduler(0));
	return 0;
}

static int on_param(void *ctx, const struct http_request *rq, struct http_reply *rp,
		    struct errmsg *e)
{
	(void)ctx;
	(void)e;
	rp->body = json_pack("{ss}", "x", rq->param[0] ? rq->param[0] : "(none)");
	return 0;
}

static int on_events(void *ctx, const struct http_request *rq, struct http_reply *rp,
		     struct errmsg *e)
{
	const char *from = http_query(rq, "from"), *as = http_query(rq, "as");
	uint64_t seq = 0, uid = 0;

	(void)ctx;
	BUG_ON((from && parse_u64(from, &seq, e) != 0) || (as && parse_u64(as, &uid, e) != 0));
	return events_stream(rig.ev, !as, (uid_t)uid, seq, rp);
}

static const struct http_op ops[] = {
	{ "GET", "/v1/echo/{a}/{b}", "echo", 0, 0, on_echo },
	{ "POST", "/v1/json", "json", HTTP_BODY_JSON | HTTP_CHANGES, 0, on_json },
	{ "POST", "/v1/none", "none", HTTP_CHANGES, 0, on_none },
	{ "DELETE", "/v1/none", "none.delete", HTTP_CHANGES, 0, on_none },
	{ "POST", "/v1/bytes", "bytes", HTTP_BODY_BYTES, 0, on_bytes },
	{ "PUT", "/v1/file/{name}", "file", HTTP_BODY_FILE | HTTP_CHANGES, RIG_FILE_MAX, on_file },
	{ "GET", "/v1/errno/{n}", "errno", 0, 0, on_errno },
	{ "POST", "/v1/errno/{n}", "errno.post", HTTP_CHANGES, 0, on_errno },
	{ "GET", "/v1/stream/{kind}", "stream", 0, 0, on_stream },
	{ "POST", "/v1/stream/{kind}", "stream.post", HTTP_CHANGES, 0, on_stream },
	{ "GET", "/v1/big", "big", 0, 0, on_big },
	{ "GET", "/v1/nothing", "nothing", 0, 0, on_nothing },
	{ "GET", "/v1/wait/{ms}", "wait", 0, 0, on_wait },
	{ "POST", "/v1/secret", "secret", HTTP_ADMIN | HTTP_BODY_JSON, 0, on_json },
	{ "PUT", "/v1/which/{x}", "which", 0, 0, on_param },
	{ "PUT", "/v1/which/special", "special", 0, 0, on_param },
	{ "GET", "/v1/thread", "thread", 0, 0, on_thread },
	{ "GET", "/v1/events", "events", 0, 0, on_events },
};

static int check(void *ctx, const struct http_op *op, const struct http_caller *caller,
		 struct errmsg *e)
{
	(void)ctx;
	atomic_fetch_add(&rig.checks, 1);
	atomic_store(&rig.last_uid, caller->uid);
	if (op->flags & HTTP_ADMIN && atomic_load(&rig.check_result)) {
		return errmsg_set(e, atomic_load(&rig.check_result), "only for administrators");
	}
	return 0;
}

static int record(void *ctx, const struct http_request *rq, int result, struct errmsg *e)
{
	(void)ctx;
	BUG_ON(!rq->op->name);
	atomic_fetch_add(&rig.records, 1);
	atomic_store(&rig.last_recorded, result);
	return atomic_load(&rig.record_result)
		       ? errmsg_set(e, atomic_load(&rig.record_result), "the disk is full")
		       : 0;
}

void rig_init(void)
{
	memset(&rig, 0, sizeof(rig));
	temp_dir_make(rig.dir, sizeof(rig.dir));
	BUG_ON(chmod(rig.dir, 0711) != 0);
	BUG_ON(snprintf(rig.socket, sizeof(rig.socket), "%s/d.sock", rig.dir) < 0);
	http_options_defaults(&rig.o);
	rig.o.socket_path = rig.socket;
	rig.o.ops = ops;
	rig.o.n_ops = ARRAY_SIZE(ops);
	rig.o.hooks = (struct http_hooks){ .check = check, .record = record };
	rig.ev = events_new(8);
	BUG_ON(!rig.ev);
}

void rig_start(void)
{
	struct errmsg e = { "" };

	if (http_start(&rig.o, &rig.h, &e) != 0) {
		printf("the server does not start: %s\n", e.text);
		abort();
	}
}

void rig_stop(void)
{
	http_stop(rig.h);
	events_free(rig.ev);
	temp_dir_remove(rig.dir);
	rig.h = NULL;
}

int rig_connect_fd(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = RIG_PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	BUG_ON(fd < 0 || strlen(path) >= sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path));
	BUG_ON(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0);
	BUG_ON(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void rig_open(struct rig_conn *c)
{
	c->n = 0;
	c->fd = rig_connect_fd(rig.socket);
	BUG_ON(c->fd < 0);
}

void rig_close(struct rig_conn *c)
{
	close(c->fd);
	c->fd = -1;
}

bool rig_send(struct rig_conn *c, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t done = send(c->fd, p, n, MSG_NOSIGNAL);

		if (done <= 0) {
			return false;
		}
		p += done;
		n -= (size_t)done;
	}
	return true;
}

bool rig_say(struct rig_conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	BUG_ON(n < 0 || (size_t)n >= sizeof(text));
	return rig_send(c, text, (size_t)n);
}

static bool more(struct rig_conn *c)
{
	ssize_t n;

	BUG_ON(c->n >= sizeof(c->buf));
	n = recv(c->fd, c->buf + c->n, sizeof(c->buf) - c->n, 0);
	if (n <= 0) {
		return false;
	}
	c->n += (size_t)n;
	return true;
}

static void eat(struct rig_conn *c, size_t n)
{
	memmove(c->buf, c->buf + n, c->n - n);
	c->n -= n;
}

bool rig_head(struct rig_conn *c, struct rig_answer *a)
{
	char *end;

	memset(a, 0, sizeof(*a));
	while (!(end = memmem(c->buf, c->n, "\r\n\r\n", 4))) {
		if (c->n == sizeof(c->buf) || !more(c)) {
			return false;
		}
	}
	end += 4;
	BUG_ON((size_t)(end - c->buf) >= sizeof(a->head));
	memcpy(a->head, c->buf, (size_t)(end - c->buf));
	eat(c, (size_t)(end - c->buf));
	BUG_ON(strncmp(a->head, "HTTP/1.", 7) != 0);
	a->status = atoi(a->head + 9);
	a->is_close = strstr(a->head, "Connection: close") != NULL;
	return true;
}

static bool body_read(struct rig_conn *c, struct rig_answer *a, char *to, size_t n)
{
	size_t got = 0;

	while (got < n) {
		size_t step = c->n < n - got ? c->n : n - got;

		memcpy(to + got, c->buf, step);
		eat(c, step);
		got += step;
		if (got < n && !more(c)) {
			return false;
		}
	}
	a->n_body += n;
	return true;
}

static bool chunks_read(struct rig_conn *c, struct rig_answer *a)
{
	char line[64];
	size_t n;

	while (rig_line(c, line, sizeof(line))) {
		n = strtoul(line, NULL, 16);
		BUG_ON(a->n_body + n > RIG_BIG);
		if (!body_read(c, a, a->body + a->n_body, n) || !rig_line(c, line, sizeof(line))) {
			return false;
		}
		if (n == 0) {
			return true;
		}
	}
	return false;
}

void rig_answer(struct rig_conn *c, struct rig_answer *a, bool has_body)
{
	const char *length;
	bool ok = true;

	if (!body) {
		body = malloc(RIG_BIG + 1); /* thread-local itself, it would be in every stack */
		BUG_ON(!body);
	}

	do {
		if (!rig_head(c, a)) {
			return;
		}
	} while (a->status == 100);
	a->body = body;
	length = strcasestr(a->head, "\r\nContent-Length: ");
	if (has_body && length) {
		size_t n = strtoul(length + 18, NULL, 10);

		BUG_ON(n > RIG_BIG);
		ok = body_read(c, a, body, n);
	} else if (has_body && strcasestr(a->head, "\r\nTransfer-Encoding: chunked")) {
		ok = chunks_read(c, a);
	}
	body[a->n_body] = '\0';
	if (!ok) {
		a->status = 0;
	}
}

bool rig_line(struct rig_conn *c, char *ret, size_t max)
{
	char *end;
	size_t n;

	while (!(end = memchr(c->buf, '\n', c->n))) {
		if (!more(c)) {
			return false;
		}
	}
	n = (size_t)(end - c->buf);
	BUG_ON(n >= max);
	memcpy(ret, c->buf, n);
	eat(c, n + 1);
	if (n && ret[n - 1] == '\r') {
		n--;
	}
	ret[n] = '\0';
	return true;
}

void rig_ask(struct rig_answer *a, const char *method, const char *path, const char *text)
{
	static _Thread_local struct rig_conn c;

	rig_open(&c);
	if (text) {
		(void)rig_say(&c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
			      method, path, strlen(text));
		(void)rig_send(&c, text, strlen(text));
	} else {
		(void)rig_say(&c, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path);
	}
	rig_answer(&c, a, strcmp(method, "HEAD") != 0);
	rig_close(&c);
}

const char *rig_code(const struct rig_answer *a)
{
	static _Thread_local char code[64];
	json_t *all = a->body ? json_loads(a->body, 0, NULL) : NULL;
	json_t *error = json_object_get(all, "error");
	const char *text = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	(void)snprintf(code, sizeof(code), "%s", text && message && *message ? text : "");
	json_decref(all);
	return code;
}

unsigned int rig_n_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	BUG_ON(!d);
	while (readdir(d)) {
		n++;
	}
	closedir(d);
	return n - 3; /* ".", ".." and the folder itself */
}

bool rig_wait_open(uint32_t n)
{
	struct timespec ts = { .tv_nsec = 5 * (long)NS_PER_MS };
	struct http_stats st;

	for (int i = 0; i < RIG_PATIENCE_S * 200; i++) {
		http_stats_get(rig.h, &st);
		if (st.open <= n) {
			return true;
		}
		nanosleep(&ts, NULL); /* between two looks */
	}
	return false;
}

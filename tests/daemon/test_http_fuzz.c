/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random and spoilt requests over real connections, against a table with the form of the API:
 * none may crash the server, hang it, or leave a descriptor or memory behind.
 * Usage: test_http_fuzz [COUNT [SEED]]   (100,000 requests, seed 1)
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/http/http_parse.h"
#include "fuzz_text.h"
#include "http_rig.h"
#include "test.h"

#ifdef __SANITIZE_THREAD__
#define N_REQUESTS 20000 /* each takes six times as long */
#else
#define N_REQUESTS 100000
#endif
#define N_CLIENTS	   2
#define N_BATCH		   16u
#define MAX_RSS_GROWTH_KIB 16384

struct client {
	pthread_t thread;
	uint64_t random, n_wanted, n_sent, n_spoilt, n_answers;
	struct rig_conn conn;
	struct rig_answer answer;
	struct text request, body, batch;
};

static void params_check(const struct http_request *rq)
{
	for (int i = 0; i < HTTP_PARAMS_MAX && rq->param[i]; i++) {
		size_t n = strlen(rq->param[i]);

		BUG_ON(n == 0 || n > HTTP_QUERY_MAX || !http_text_is_utf8(rq->param[i], n));
		BUG_ON(strpbrk(rq->param[i], "\r\n\t\x7f"));
	}
}

/* Stands for every operation: what it is given must be what http.h says. */
static int on_any(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	const char *all = http_query(rq, "all");
	unsigned int flags = rq->op->flags;

	(void)ctx;
	params_check(rq);
	BUG_ON(all && strlen(all) > HTTP_QUERY_MAX);
	BUG_ON(!(flags & (HTTP_BODY_FILE | HTTP_BODY_BYTES)) && !json_is_object(rq->body));
	BUG_ON((flags & HTTP_BODY_FILE) &&
	       lseek(rq->body_fd, 0, SEEK_END) != (off_t)rq->body_bytes);
	BUG_ON(rq->n_bytes > HTTP_JSON_MAX);
	if (rq->param[0] && rq->param[0][0] == 'b') {
		return errmsg_set(e, -(int)(1 + strlen(rq->param[0]) % 130), "no: %s",
				  rq->param[0]);
	}
	rp->status = strcmp(rq->op->method, "POST") == 0 ? 201 : 0;
	rp->body = flags & HTTP_BODY_JSON ? json_incref(rq->body)
					  : json_pack("{sI}", "n", (json_int_t)rq->body_bytes);
	BUG_ON(!rp->body);
	return 0;
}

static int on_stream(void *ctx, const struct http_request *rq, struct http_reply *rp,
		     struct errmsg *e)
{
	(void)ctx;
	params_check(rq);
	(void)e;
	rp->text = strdup("# HELP nothing\n");
	rp->type = "text/plain; version=0.0.4";
	BUG_ON(!rp->text);
	return 0;
}

#define J HTTP_BODY_JSON
#define C HTTP_CHANGES
#define A HTTP_ADMIN

static const struct http_op ops[] = {
	{ "GET", "/v1/status", "status", 0, 0, on_any },
	{ "GET", "/v1/cores", "cores", 0, 0, on_any },
	{ "POST", "/v1/cores/{core}/reclaim", "core.reclaim", C | A, 0, on_any },
	{ "PUT", "/v1/cores/exclusive-cap", "core.cap", J | C | A, 0, on_any },
	{ "GET", "/v1/images/{hash}", "image.get", 0, 0, on_any },
	{ "PUT", "/v1/images/{hash}", "image.put", HTTP_BODY_FILE, 1u << 20, on_any },
	{ "GET", "/v1/vms", "vm.list", 0, 0, on_any },
	{ "POST", "/v1/vms", "vm.create", J | C, 0, on_any },
	{ "GET", "/v1/vms/{vm}", "vm.get", 0, 0, on_any },
	{ "PATCH", "/v1/vms/{vm}", "vm.update", J | C, 0, on_any },
	{ "DELETE", "/v1/vms/{vm}", "vm.remove", C, 0, on_any },
	{ "POST", "/v1/vms/{vm}/start", "vm.start", J | C, 0, on_any },
	{ "POST", "/v1/vms/{vm}/kill", "vm.kill", J | C, 0, on_any },
	{ "GET", "/v1/vms/{vm}/wait", "vm.wait", 0, 0, on_any },
	{ "PUT", "/v1/vms/{vm}/pin", "vm.pin", J | C, 0, on_any },
	{ "DELETE", "/v1/vms/{vm}/pin", "vm.unpin", C, 0, on_any },
	{ "GET", "/v1/vms/{vm}/console", "vm.console", 0, 0, on_stream },
	{ "POST", "/v1/vms/{vm}/console", "vm.type", HTTP_BODY_BYTES | C, 0, on_any },
	{ "GET", "/v1/vms/{vm}/snapshot", "vm.snapshot", 0, 0, on_stream },
	{ "POST", "/v1/restore", "vm.restore", HTTP_BODY_FILE | C, 1u << 20, on_any },
	{ "GET", "/v1/faults", "fault.list", 0, 0, on_any },
	{ "DELETE", "/v1/faults/{vm}", "fault.clear", C, 0, on_any },
	{ "GET", "/v1/users", "user.list", 0, 0, on_any },
	{ "POST", "/v1/users", "user.add", J | C | A, 0, on_any },
	{ "PUT", "/v1/users/{user}/quota", "user.quota", J | C | A, 0, on_any },
	{ "DELETE", "/v1/users/{user}", "user.remove", C | A, 0, on_any },
	{ "PUT", "/v1/users/{user}/ban", "user.ban", J | C | A, 0, on_any },
	{ "GET", "/v1/history", "history", 0, 0, on_any },
	{ "GET", "/v1/audit", "audit.list", A, 0, on_any },
	{ "GET", "/v1/audit/verify", "audit.verify", A, 0, on_any },
	{ "GET", "/v1/sched/log", "sched.log", A, 0, on_any },
	{ "POST", "/v1/shutdown", "shutdown", J | C | A, 0, on_any },
	{ "GET", "/metrics", "metrics", 0, 0, on_stream },
};

static uint64_t pick(struct client *cl, uint64_t n)
{
	return pick_from(&cl->random, n);
}

static void put_repeated(struct text *t, char c, uint64_t n)
{
	for (; n; n--) {
		put_bytes(t, &c, 1);
	}
}

static void put_name(struct client *cl)
{
	static const char *const names[] = {
		"a",
		"bee",
		"0123456789abcdef",
		"alice%2Fvm",
		"%00",
		"%",
		"..",
		"a+b",
		"%2e%2e",
		"%C3%BC",
		"%ff",
		"0",
		"-1",
		"b%0a",
		"{vm}",
		"99999999999999999999",
	};

	if (pick(cl, 20) == 0) {
		put_repeated(&cl->request, 'n', pick(cl, 400));
		return;
	}
	put(&cl->request, names[pick(cl, ARRAY_SIZE(names))]);
}

static void put_path(struct client *cl, const char *path)
{
	static const char *const query[] = {
		"?all=1", "?from=0&follow=1", "?a=1&a=2", "?",	      "?&&=",
		"?x=%zz", "?timeout_ms=%31",  "?all=%00", "?last=-5",
	};

	while (*path) {
		if (*path == '{') {
			put_name(cl);
			path += strcspn(path, "}") + 1;
		} else {
			put_bytes(&cl->request, path++, 1);
		}
	}
	if (pick(cl, 3) == 0) {
		put(&cl->request, query[pick(cl, ARRAY_SIZE(query))]);
	}
}

static void put_leaf(struct client *cl)
{
	static const char *const good[] = { "1", "-0", "\"x\"", "null", "true", "0.1" };
	static const char *const bad[] = { "1e400", "\"\\u0000\"", "18446744073709551616",
					   "nul",   "\"\\ud800\"", "\"\xff\"",
					   "[",	    "}",	   "\"" };

	if (pick(cl, 64)) {
		put(&cl->body, good[pick(cl, ARRAY_SIZE(good))]);
	} else {
		put(&cl->body, bad[pick(cl, ARRAY_SIZE(bad))]);
	}
}

static void put_json(struct client *cl, unsigned int depth)
{
	static const char *const key[] = { "\"name\":", "\"image\":", "\"mem_bytes\":", "\"set\":",
					   "\"limits\":" };
	uint64_t n = pick(cl, 4);
	bool is_object = pick(cl, 2);

	if (depth > 20 || pick(cl, 3) == 0) {
		put_leaf(cl);
		return;
	}
	put(&cl->body, is_object ? "{" : "[");
	for (uint64_t i = 0; i < n; i++) {
		put(&cl->body, i ? "," : "");
		if (is_object) {
			put(&cl->body, key[(i + (pick(cl, 32) == 0)) % ARRAY_SIZE(key)]);
		}
		put_json(cl, depth + 1);
	}
	put(&cl->body, is_object ? "}" : "]");
}

static void make_body(struct client *cl)
{
	cl->body.n = 0;
	switch (pick(cl, 16)) {
	case 0:
		for (uint64_t n = pick(cl, 300); n; n--) {
			put_repeated(&cl->body, (char)pick(cl, 256), 1);
		}
		break;
	case 1:
		put_repeated(&cl->body, '[', pick(cl, 40) ? pick(cl, 64) : 70000);
		break;
	case 2:
		put_repeated(&cl->body, 'x', pick(cl, 20000));
		break;
	case 3:
	case 4:
		break;
	default:
		put(&cl->body, "{\"a\":");
		put_json(cl, 0);
		put(&cl->body, "}");
	}
}

static void put_framed_body(struct client *cl)
{
	char line[64];

	if (pick(cl, 4)) {
		(void)snprintf(line, sizeof(line), "Content-Length: %zu\r\n\r\n", cl->body.n);
		put(&cl->request, line);
		put_bytes(&cl->request, cl->body.bytes, cl->body.n);
		return;
	}
	put(&cl->request, "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t at = 0; at < cl->body.n;) {
		size_t n = 1 + pick(cl, 5000);

		n = n < cl->body.n - at ? n : cl->body.n - at;
		(void)snprintf(line, sizeof(line), "%zx\r\n", n);
		put(&cl->request, line);
		put_bytes(&cl->request, cl->body.bytes + at, n);
		put(&cl->request, "\r\n");
		at += n;
	}
	put(&cl->request, "0\r\n\r\n");
}

/* @return whether it is HEAD */
static bool make_request(struct client *cl)
{
	static const char *const methods[] = { "GET",	 "HEAD",    "POST",  "PUT",
					       "DELETE", "OPTIONS", "PATCH", "BREW" };
	const struct http_op *op = &ops[pick(cl, ARRAY_SIZE(ops))];
	const char *method = pick(cl, 10) ? op->method : methods[pick(cl, ARRAY_SIZE(methods))];

	cl->request.n = 0;
	put(&cl->request, method);
	put(&cl->request, " ");
	put_path(cl, op->path);
	put(&cl->request, " HTTP/1.1\r\nHost: x\r\n");
	make_body(cl);
	if (cl->body.n || pick(cl, 2)) {
		put_framed_body(cl);
	} else {
		put(&cl->request, "\r\n");
	}
	return strcmp(method, "HEAD") == 0;
}

static void spoil(struct client *cl)
{
	static const char *const strange[] = { "\r\n",
					       "\n",
					       "\r",
					       " ",
					       ":",
					       "%",
					       "\xff",
					       "/",
					       "?",
					       "Transfer-Encoding: chunked\r\n",
					       "Content-Length: 5\r\n",
					       "Expect: 100-continue\r\n",
					       "HTTP/1.0",
					       "{",
					       "99999999999999999999" };
	struct text *t = &cl->request;

	for (uint64_t n = 1 + pick(cl, 4); n && t->n > 2; n--) {
		/* Mostly in the first lines: bodies are long and dull. */
		size_t at = pick(cl, pick(cl, 4) && t->n > 120 ? 120 : t->n);
		size_t len = pick(cl, 3) ? 1 : pick(cl, t->n - at);

		switch (pick(cl, 4)) {
		case 0:
			t->bytes[at] = (char)pick(cl, 256);
			break;
		case 1:
			memmove(t->bytes + at, t->bytes + at + len, t->n - at - len);
			t->n -= len;
			break;
		case 2:
			t->n = pick(cl, 3) ? t->n : at;
			break;
		default:
			cl->body.n = 0;
			put_bytes(&cl->body, t->bytes + at, t->n - at);
			t->n = at;
			put(t, strange[pick(cl, ARRAY_SIZE(strange))]);
			put_bytes(t, cl->body.bytes, cl->body.n);
		}
	}
}

static void answer_check(const struct rig_answer *a)
{
	static const int known[] = { 100, 200, 201, 204, 400, 403, 404, 405, 408, 409, 413,
				     414, 417, 422, 429, 431, 500, 501, 503, 504, 505 };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (a->status == known[i]) {
			return;
		}
	}
	printf("unknown status: %s\n", a->head);
	abort();
}

/* A spoilt request has a connection of its own: nobody knows where it ends. */
static void send_spoilt(struct client *cl)
{
	char buf[4096];
	ssize_t n;

	(void)make_request(cl);
	spoil(cl);
	rig_open(&cl->conn);
	(void)rig_send(&cl->conn, cl->request.bytes, cl->request.n);
	(void)shutdown(cl->conn.fd, SHUT_WR);
	n = recv(cl->conn.fd, buf, sizeof(buf), MSG_WAITALL);
	BUG_ON(n > 0 && (n < 12 || memcmp(buf, "HTTP/1.", 7) != 0));
	while (n > 0) {
		cl->n_answers += (size_t)n < sizeof(buf);
		n = recv(cl->conn.fd, buf, sizeof(buf), 0);
	}
	BUG_ON(n < 0 && errno != ECONNRESET); /* EAGAIN: the server hangs */
	rig_close(&cl->conn);
	cl->n_sent++;
	cl->n_spoilt++;
}

/* Whole requests, one behind the other: each has its answer, in order. */
static void send_batch(struct client *cl)
{
	bool is_head[N_BATCH];
	unsigned int n = 0;

	cl->batch.n = 0;
	while (n < N_BATCH && cl->batch.n < TEXT_MAX / 4) {
		is_head[n++] = make_request(cl);
		put_bytes(&cl->batch, cl->request.bytes, cl->request.n);
	}
	rig_open(&cl->conn);
	BUG_ON(!rig_send(&cl->conn, cl->batch.bytes, cl->batch.n));
	for (unsigned int i = 0; i < n; i++) {
		rig_answer(&cl->conn, &cl->answer, !is_head[i]);
		answer_check(&cl->answer);
		BUG_ON(cl->answer.status >= 400 && !is_head[i] && !*rig_code(&cl->answer));
	}
	rig_close(&cl->conn);
	cl->n_sent += n;
	cl->n_answers += n;
}

static void *client_main(void *arg)
{
	struct client *cl = arg;

	while (cl->n_sent < cl->n_wanted) {
		if (pick(cl, 17) == 0) { /* as many of these as of the others, in the end */
			send_batch(cl);
		} else {
			send_spoilt(cl);
		}
	}
	rig_thread_done();
	return NULL;
}

/* Ask @p n times from several threads. @return answers */
static uint64_t round_run(struct client *cl, uint64_t n, uint64_t seed)
{
	uint64_t n_answers = 0;

	for (size_t i = 0; i < N_CLIENTS; i++) {
		cl[i].random = (seed * N_CLIENTS + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		cl[i].n_wanted = n / N_CLIENTS;
		cl[i].n_sent = cl[i].n_spoilt = cl[i].n_answers = 0;
		BUG_ON(pthread_create(&cl[i].thread, NULL, client_main, &cl[i]) != 0);
	}
	for (size_t i = 0; i < N_CLIENTS; i++) {
		pthread_join(cl[i].thread, NULL);
		n_answers += cl[i].n_answers;
	}
	CHECK(rig_wait_open(0));
	return n_answers;
}

static long rss_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0, rss = 0;

	BUG_ON(!f || fscanf(f, "%ld %ld", &pages, &rss) != 2); /* NOLINT(cert-err34-c): proc(5) */
	fclose(f);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
	static struct client cl[N_CLIENTS];
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : N_REQUESTS;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, n_answers;
	unsigned int fds;
	long before, after;
	time_t begin;

	rig_init();
	rig.o.ops = ops;
	rig.o.n_ops = ARRAY_SIZE(ops);
	rig_start();
	(void)round_run(cl, n / 10, seed + 1000000); /* the allocator takes what it needs */
	fds = rig_n_fds();
	before = rss_kib();
	begin = time(NULL);
	n_answers = round_run(cl, n, seed);
	after = rss_kib();
	CHECK_INT(rig_n_fds(), fds);
	printf("%" PRIu64 " requests (%" PRIu64 " spoilt), %" PRIu64
	       " answers, %lld s, seed %" PRIu64 "; memory %ld KiB, then %ld KiB; %u descriptors\n",
	       cl[0].n_sent + cl[1].n_sent, cl[0].n_spoilt + cl[1].n_spoilt, n_answers,
	       (long long)(time(NULL) - begin), seed, before, after, fds);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHECK(after - before < MAX_RSS_GROWTH_KIB); /* the sanitizers keep what is freed */
#endif
	CHECK(n_answers > n / 2);
	rig_stop();
	return test_failures ? 1 : 0;
}

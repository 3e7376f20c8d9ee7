/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API's server: every class of error, bodies in all forms, what is refused and when. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "http_rig.h"
#include "test.h"

static struct rig_conn c;
static struct rig_answer a;

static void start(void)
{
	rig_init();
	rig_start();
}

static void ask(const char *method, const char *path, const char *body, int status,
		const char *code)
{
	rig_ask(&a, method, path, body);
	if (a.status != status || strcmp(rig_code(&a), code) != 0) {
		printf("%s %s %.60s: %d %s, want %d %s\n", method, path, body ? body : "", a.status,
		       a.body ? a.body : "(closed)", status, code);
		test_failures++;
	}
}

static void errno_has_status(void)
{
	static const struct {
		int err, status;
		const char *code;
	} want[] = {
		{ EINVAL, 400, "invalid" },
		{ ERANGE, 400, "out_of_range" },
		{ EBADMSG, 400, "damaged" },
		{ EPERM, 403, "forbidden" },
		{ EACCES, 403, "forbidden" },
		{ ENOENT, 404, "not_found" },
		{ ESRCH, 404, "not_found" },
		{ EEXIST, 409, "exists" },
		{ EBUSY, 409, "busy" },
		{ EALREADY, 409, "wrong_state" },
		{ E2BIG, 413, "too_large" },
		{ EFBIG, 413, "too_large" },
		{ EDQUOT, 422, "quota" },
		{ ENOSPC, 422, "no_space" },
		{ EUSERS, 429, "too_many_connections" },
		{ EIO, 500, "internal" },
		{ ENOTSUP, 501, "not_supported" },
		{ ENOSYS, 501, "not_supported" },
		{ EAGAIN, 503, "try_again" },
		{ ENOMEM, 503, "out_of_memory" },
		{ ETIMEDOUT, 504, "timed_out" },
		{ ELIBBAD, 500, "internal" },
	};
	char path[64];

	start();
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		snprintf(path, sizeof(path), "/v1/errno/%d", want[i].err);
		ask("GET", path, NULL, want[i].status, want[i].code);
	}
	rig_stop();
}

static void error_says_what_and_hints(void)
{
	start();
	rig_ask(&a, "GET", "/v1/errno/2?say=no+such+thing%C3%A9", NULL);
	CHECK_STR(a.body, "{\"error\":{\"code\":\"not_found\",\"message\":\"no such thing"
			  "\u00e9\"}}");
	rig_ask(&a, "GET", "/v1/errno/122?say=too+much", NULL);
	CHECK_STR(a.body, "{\"error\":{\"code\":\"quota\",\"message\":\"too much\",\"hint\":"
			  "\"'pinfold user ls' and GET /v1/users show quota and use\"}}");
	CHECK(strstr(a.head, "Content-Type: application/json\r\n") != NULL);
	rig_stop();
}

static void path_decides(void)
{
	start();
	ask("GET", "/v1/echo/a/b", NULL, 200, "");
	ask("GET", "/v1/echo/a", NULL, 404, "not_found");
	ask("GET", "/v1/echo/a/b/c", NULL, 404, "not_found");
	ask("GET", "/v1/echo//b", NULL, 404, "not_found");
	ask("GET", "/v1/echo/a/b/", NULL, 404, "not_found");
	ask("GET", "/", NULL, 404, "not_found");
	ask("GET", "//v1/big", NULL, 404, "not_found");
	ask("GET", "v1/big", NULL, 400, "invalid");
	ask("OPTIONS", "*", NULL, 400, "invalid");
	ask("GET", "/v1/%62ig", NULL, 200, "");
	ask("GET", "/1/2/3/4/5/6/7/8/9", NULL, 400, "invalid");
	ask("PATCH", "/v1/none", NULL, 405, "method_not_allowed");
	CHECK(strstr(a.head, "\r\nAllow: POST, DELETE\r\n") != NULL);
	ask("POST", "/v1/big", NULL, 405, "method_not_allowed");
	CHECK(strstr(a.head, "\r\nAllow: GET, HEAD\r\n") != NULL);
	ask("get", "/v1/big", NULL, 405, "method_not_allowed");
	rig_ask(&a, "PUT", "/v1/which/special", NULL);
	CHECK_STR(a.body, "{\"x\":\"(none)\"}");
	rig_ask(&a, "PUT", "/v1/which/specials", NULL);
	CHECK_STR(a.body, "{\"x\":\"specials\"}");
	rig_stop();
}

static void escapes_are_strict(void)
{
	char path[400];

	start();
	rig_ask(&a, "GET", "/v1/echo/a%2Fb/%C3%BC+?q=1+2%2b3&other=%26", NULL);
	CHECK_STR(a.body, "{\"a\":\"a/b\",\"b\":\"\u00fc+\",\"q\":\"1 2+3\"}");
	ask("GET", "/v1/echo/a%00b/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a%/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a%2/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a%g0/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a%0ab/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a%7f/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/%ff/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/%c0%af/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/%ed%a0%80/c", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a/b?q=%", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a/b?q=1&q=2", NULL, 400, "invalid");
	ask("GET", "/v1/echo/a/b?&&q&", NULL, 200, "");
	CHECK_STR(a.body, "{\"a\":\"a\",\"b\":\"b\",\"q\":\"\"}");
	memset(path, 'x', sizeof(path));
	memcpy(path, "/v1/echo/a/", 11);
	path[11 + HTTP_QUERY_MAX] = '\0';
	ask("GET", path, NULL, 200, "");
	path[11 + HTTP_QUERY_MAX] = 'x';
	path[12 + HTTP_QUERY_MAX] = '\0';
	ask("GET", path, NULL, 400, "invalid");
	rig_stop();
}

static void head_is_get_without_body(void)
{
	start();
	rig_open(&c);
	rig_say(&c, "HEAD /v1/big HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, false);
	CHECK_INT(a.status, 200);
	CHECK(strstr(a.head, "Content-Length: 4194304\r\n") != NULL);
	rig_say(&c, "HEAD /v1/stream/endless HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, false);
	CHECK_INT(a.status, 200);
	CHECK(strstr(a.head, "Pinfold-Offset: 12345678901234\r\n") != NULL);
	CHECK(a.is_close && !rig_head(&c, &a)); /* not even a last chunk */
	rig_close(&c);
	rig_open(&c);
	rig_say(&c, "HEAD /v1/none HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, false);
	CHECK_INT(a.status, 405);
	rig_say(&c, "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, false);
	CHECK_INT(a.status, 204);
	rig_say(&c, "GET /v1/echo/a/b HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, true);
	CHECK_STR(a.body, "{\"a\":\"a\",\"b\":\"b\",\"q\":null}");
	rig_close(&c);
	CHECK(rig_wait_open(0));
	CHECK_INT(atomic_load(&rig.streams), 0);
	rig_stop();
}

/* As many as sockets hold: nobody reads the answers before all was asked. */
#define PIPELINED 50

static void pipelined_answers_come_in_order(void)
{
	char want[64];

	start();
	rig_open(&c);
	for (int i = 0; i < PIPELINED; i++) {
		CHECK(rig_say(&c, "GET /v1/echo/%d/x HTTP/1.1\r\nHost: x\r\n\r\n", i));
		CHECK(rig_say(&c, "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n"
				  "{\"n\":1}"));
	}
	for (int i = 0; i < PIPELINED; i++) {
		rig_answer(&c, &a, true);
		snprintf(want, sizeof(want), "{\"a\":\"%d\",\"b\":\"x\",\"q\":null}", i);
		CHECK_STR(a.body ? a.body : "(closed)", want);
		rig_answer(&c, &a, true);
		CHECK_STR(a.body ? a.body : "(closed)", "{\"body\":{\"n\":1}}");
	}
	rig_close(&c);
	rig_stop();
}

static void json_is_an_object(void)
{
	start();
	ask("POST", "/v1/json", "{\"a\":[1,{\"b\":null}]}", 201, "");
	CHECK_STR(a.body, "{\"body\":{\"a\":[1,{\"b\":null}]}}");
	ask("POST", "/v1/json", "", 201, "");
	ask("POST", "/v1/json", " \r\n\t", 201, "");
	ask("POST", "/v1/json", NULL, 201, "");
	atomic_store(&rig.handler_runs, 0);
	ask("POST", "/v1/json", "[]", 400, "invalid");
	ask("POST", "/v1/json", "1", 400, "invalid");
	ask("POST", "/v1/json", "null", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":1,\"a\":1}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":1} {}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":1", 400, "invalid");
	ask("POST", "/v1/json", "{a:1}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":99999999999999999999}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":\"\xff\"}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":\"\xed\xa0\x80\"}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\":\"\\u0000\"}", 400, "invalid");
	ask("POST", "/v1/json", "{\"a\\u0000\":1}", 400, "invalid");
	CHECK_INT(atomic_load(&rig.handler_runs), 0);
	ask("POST", "/v1/none", "{}", 200, "");
	ask("POST", "/v1/none", NULL, 200, "");
	ask("POST", "/v1/none", "{\"a\":1}", 400, "invalid");
	ask("DELETE", "/v1/none", "x", 400, "invalid");
	CHECK_INT(atomic_load(&rig.handler_runs), 2);
	rig_stop();
}

static void json_has_no_nul_bytes(void)
{
	static const char body[] = "{\"a\":1}\0{\"a\":2}";

	start();
	rig_open(&c);
	rig_say(&c, "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		sizeof(body));
	rig_send(&c, body, sizeof(body));
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 400);
	CHECK_STR(rig_code(&a), "invalid");
	rig_close(&c);
	rig_stop();
}

static void nesting_is_bounded(void)
{
	static char body[1000001];

	start();
	for (unsigned int depth = 15; depth <= 17; depth++) {
		char text[64] = "{\"a\":";

		for (unsigned int i = 1; i < depth; i++) {
			text[4 + i] = '[';
			text[3 + depth + i] = ']';
		}
		text[3 + 2 * depth] = '}';
		ask("POST", "/v1/json", text, depth <= HTTP_JSON_DEPTH ? 201 : 400,
		    depth <= HTTP_JSON_DEPTH ? "" : "invalid");
	}
	memset(body, '[', 1000000);
	ask("POST", "/v1/json", body, 413, "too_large");
	body[HTTP_JSON_MAX] = '\0';
	ask("POST", "/v1/json", body, 400, "invalid");
	CHECK(strstr(a.body, "nested deeper than 16") != NULL);
	rig_stop();
}

/* Send a body in chunks of some size, with the last chunk. */
static void chunks_send(const char *path, size_t n, size_t step)
{
	static char buf[65536];

	memset(buf, 1, sizeof(buf));
	rig_open(&c);
	rig_say(&c, "%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", path);
	while (n) {
		size_t now = n < step ? n : step;

		if (!rig_say(&c, "%zx;ext=1\r\n", now) || !rig_send(&c, buf, now) ||
		    !rig_say(&c, "\r\n")) {
			break;
		}
		n -= now;
	}
	rig_say(&c, "0\r\nTrailer: x\r\n\r\n");
	rig_answer(&c, &a, true);
	rig_close(&c);
}

static void chunked_bodies_are_counted(void)
{
	start();
	chunks_send("POST /v1/bytes", 1000, 1);
	CHECK_STR(a.body ? a.body : "", "{\"n\":1000,\"sum\":1000}");
	chunks_send("POST /v1/bytes", HTTP_JSON_MAX, 5000);
	CHECK_STR(a.body ? a.body : "", "{\"n\":65536,\"sum\":65536}");
	chunks_send("POST /v1/bytes", HTTP_JSON_MAX + 1, 5000);
	CHECK_INT(a.status, 413);
	CHECK_STR(rig_code(&a), "too_large");
	chunks_send("PUT /v1/file/x", RIG_FILE_MAX, 65536);
	CHECK_STR(a.body ? a.body : "", "{\"n\":4194304,\"sum\":4194304,\"is_sealed\":true}");
	chunks_send("PUT /v1/file/x", RIG_FILE_MAX + 1, 65536);
	CHECK_INT(a.status, 413);
	chunks_send("PUT /v1/file/x", RIG_FILE_MAX + (8u << 20), 65536); /* no end in sight */
	CHECK_INT(a.status, 413);
	CHECK_STR(rig_code(&a), "too_large");
	CHECK_INT(atomic_load(&rig.records), 1); /* only what reached the handler */
	rig_stop();
}

static void length_is_checked_first(void)
{
	start();
	rig_open(&c);
	rig_say(&c, "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n");
	rig_answer(&c, &a, true); /* before any of it was sent */
	CHECK_INT(a.status, 413);
	rig_close(&c);
	rig_open(&c);
	rig_say(&c,
		"PUT /v1/file/a HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n"
		"Expect: 100-continue\r\n\r\n",
		RIG_FILE_MAX + 1);
	rig_head(&c, &a);
	CHECK_INT(a.status, 413);
	rig_close(&c);
	rig_open(&c);
	rig_say(&c, "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n");
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 400);
	rig_close(&c);
	rig_stop();
}

static void expect_continue(int status)
{
	rig_open(&c);
	rig_say(&c, "POST /v1/secret HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		    "Expect: 100-continue\r\n\r\n");
	rig_head(&c, &a);
	CHECK_INT(a.status, status);
}

static void right_is_checked_before_the_body(void)
{
	start();
	atomic_store(&rig.check_result, -EACCES);
	expect_continue(403);
	rig_close(&c);
	atomic_store(&rig.check_result, 0);
	expect_continue(100);
	rig_say(&c, "{}");
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 201);
	rig_close(&c);
	CHECK_INT(atomic_load(&rig.last_uid), getuid());
	CHECK_INT(atomic_load(&rig.handler_runs), 1);
	atomic_store(&rig.check_result, -EPERM);
	ask("POST", "/v1/secret", "{\"a\":", 403, "forbidden");
	rig_stop();
}

static void refusal_keeps_the_connection(void)
{
	start();
	rig_open(&c);
	for (int i = 0; i < 20; i++) {
		rig_say(&c,
			"POST /v1/nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
		rig_answer(&c, &a, true);
		CHECK_INT(a.status, 404);
		CHECK(!a.is_close);
	}
	rig_close(&c);
	rig_stop();
}

static void unrecorded_is_not_done(void)
{
	start();
	ask("POST", "/v1/none", NULL, 200, "");
	CHECK_INT(atomic_load(&rig.last_recorded), 0);
	ask("POST", "/v1/errno/17", NULL, 409, "exists");
	CHECK_INT(atomic_load(&rig.last_recorded), -EEXIST);
	ask("GET", "/v1/errno/16", NULL, 409, "busy");
	CHECK_INT(atomic_load(&rig.records), 2);
	atomic_store(&rig.record_result, -ENOSPC);
	ask("POST", "/v1/none", NULL, 500, "not_recorded");
	CHECK(strstr(a.body, "the disk is full") != NULL);
	ask("POST", "/v1/errno/17", NULL, 500, "not_recorded");
	ask("POST", "/v1/stream/endless", NULL, 500, "not_recorded");
	CHECK_INT(atomic_load(&rig.streams), 0);
	ask("GET", "/v1/echo/a/b", NULL, 200, "");
	rig_stop();
}

static void half_closed_clients_are_answered(void)
{
	static const char *const path[] = { "/v1/echo/a/b", "/v1/wait/100", "/v1/stream/short",
					    "/v1/big" };

	start();
	for (size_t i = 0; i < ARRAY_SIZE(path); i++) {
		rig_open(&c);
		rig_say(&c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path[i]);
		CHECK_INT(shutdown(c.fd, SHUT_WR), 0);
		rig_answer(&c, &a, true);
		CHECK_INT(a.status, 200);
		rig_close(&c);
	}
	rig_open(&c); /* half of a request */
	rig_say(&c, "POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{");
	CHECK_INT(shutdown(c.fd, SHUT_WR), 0);
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 0);
	rig_close(&c);
	CHECK(rig_wait_open(0));
	rig_stop();
}

static void broken_requests_are_refused(void)
{
	static const struct {
		const char *text;
		size_t n;
		int status; /* 0: just closed */
	} broken[] = {
#define BROKEN(text, status) { text, sizeof(text) - 1, status }
		BROKEN("\0\0\0\0\r\n\r\n", 0),
		BROKEN("GET\r\n\r\n", 0),
		BROKEN("GET /v1/big HTTP/9.9\r\n\r\n", 505),
		BROKEN("GET /v1/big HTTP/1.1\r\n\r\n", 400), /* no Host: */
		BROKEN("GET /v1/\0/big HTTP/1.1\r\nHost: x\r\n\r\n", 404),
		BROKEN("GET /v1/big\0x HTTP/1.1\r\nHost: x\r\n\r\n", 200), /* it ends there */
		BROKEN("GET /v1/big HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
		BROKEN("POST /v1/json HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n{}", 400),
		BROKEN("POST /v1/json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "zz\r\n",
		       400),
		BROKEN("POST /v1/json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "fffffffffffffffff\r\n",
		       413),
	};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		rig_open(&c);
		rig_send(&c, broken[i].text, broken[i].n);
		CHECK_INT(shutdown(c.fd, SHUT_WR), 0);
		rig_answer(&c, &a, true);
		if (a.status != broken[i].status) {
			printf("broken request %zu: %d, want %d\n", i, a.status, broken[i].status);
			test_failures++;
		}
		rig_close(&c);
	}
	rig_stop();
}

static void headers_are_bounded(void)
{
	static char big[200000];

	start();
	memset(big, 'h', sizeof(big));
	rig_open(&c);
	rig_say(&c, "GET /v1/big HTTP/1.1\r\nHost: x\r\nX: ");
	rig_send(&c, big, sizeof(big));
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 431);
	rig_close(&c);
	rig_open(&c);
	rig_say(&c, "GET /");
	rig_send(&c, big, sizeof(big));
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 414);
	rig_close(&c);
	rig_open(&c);
	rig_say(&c, "GET /");
	rig_send(&c, big, 5000);
	rig_say(&c, " HTTP/1.1\r\nHost: x\r\n\r\n");
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 414);
	CHECK_STR(rig_code(&a), "uri_too_long");
	rig_close(&c);
	rig_stop();
}

static const struct test_case cases[] = {
	{ "errno_has_status", errno_has_status },
	{ "error_says_what_and_hints", error_says_what_and_hints },
	{ "path_decides", path_decides },
	{ "escapes_are_strict", escapes_are_strict },
	{ "head_is_get_without_body", head_is_get_without_body },
	{ "pipelined_answers_come_in_order", pipelined_answers_come_in_order },
	{ "json_is_an_object", json_is_an_object },
	{ "json_has_no_nul_bytes", json_has_no_nul_bytes },
	{ "nesting_is_bounded", nesting_is_bounded },
	{ "chunked_bodies_are_counted", chunked_bodies_are_counted },
	{ "length_is_checked_first", length_is_checked_first },
	{ "right_is_checked_before_the_body", right_is_checked_before_the_body },
	{ "refusal_keeps_the_connection", refusal_keeps_the_connection },
	{ "unrecorded_is_not_done", unrecorded_is_not_done },
	{ "half_closed_clients_are_answered", half_closed_clients_are_answered },
	{ "broken_requests_are_refused", broken_requests_are_refused },
	{ "headers_are_bounded", headers_are_bounded },
};

TEST_MAIN(cases)

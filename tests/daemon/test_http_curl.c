/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API's server with a client that nobody here wrote: curl. */
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "http_rig.h"
#include "test.h"

static char out[65536];

/* Run curl on the rig's socket; standard output goes to out. @return its exit status */
static int curl(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int curl(const char *fmt, ...)
{
	char args[2048], cmd[4096];
	va_list ap;
	size_t n;
	FILE *p;
	int status;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(cmd, sizeof(cmd), "cd '%s' && curl -sS -m 20 --unix-socket '%s' %s 2>/dev/null",
		 rig.dir, rig.socket, args);
	p = popen(cmd, "r"); /* NOLINT(cert-env33-c): a command line of this test */
	BUG_ON(!p);
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A file of zeros to upload. */
static void make_zeros(const char *name, long long n)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
	f = fopen(path, "we");
	BUG_ON(!f || ftruncate(fileno(f), n) != 0 || fclose(f) != 0);
}

static void json_in_and_out(void)
{
	CHECK_INT(curl("-X POST -d '{\"a\":1}' http://x/v1/json"), 0);
	CHECK_STR(out, "{\"body\":{\"a\":1}}");
	CHECK_INT(curl("-X POST -H 'Transfer-Encoding: chunked' -d '{\"a\":1}' http://x/v1/json"),
		  0);
	CHECK_STR(out, "{\"body\":{\"a\":1}}");
	CHECK_INT(curl("-G --data-urlencode 'q=a&b=c +%%' http://x/v1/echo/me%%2Fyou/b"), 0);
	CHECK_STR(out, "{\"a\":\"me/you\",\"b\":\"b\",\"q\":\"a&b=c +%\"}");
	CHECK_INT(curl("-0 http://x/v1/echo/a/b"), 0);
	CHECK_STR(out, "{\"a\":\"a\",\"b\":\"b\",\"q\":null}");
}

static void errors(void)
{
	CHECK_INT(curl("-w '%%{http_code}' http://x/v1/nowhere"), 0);
	CHECK(strstr(out, "\"not_found\"") && strstr(out, "404"));
	CHECK_INT(curl("-f http://x/v1/errno/13"), 22);
	CHECK_INT(curl("-X PATCH -w '%%{http_code}' http://x/v1/none"), 0);
	CHECK(strstr(out, "405") != NULL);
	make_zeros("z70k", 70000);
	CHECK_INT(curl("-w '%%{http_code}' --data-binary @z70k http://x/v1/json"), 0);
	CHECK(strstr(out, "\"too_large\"") && strstr(out, "413"));
}

static void head(void)
{
	CHECK_INT(curl("-I http://x/v1/big"), 0);
	CHECK(strstr(out, "Content-Length: 4194304\r\n") != NULL);
	CHECK_INT(curl("-I http://x/v1/stream/endless"), 0);
	CHECK(strstr(out, "200 OK") != NULL);
}

/* curl asks with Expect: 100-continue before it sends more than a megabyte. */
static void uploads(void)
{
	make_zeros("z4m", RIG_FILE_MAX);
	make_zeros("z5m", RIG_FILE_MAX + 1);
	CHECK_INT(curl("-T z4m http://x/v1/file/x"), 0);
	CHECK_STR(out, "{\"n\":4194304,\"sum\":0,\"is_sealed\":true}");
	CHECK_INT(curl("-T - http://x/v1/file/x < z4m"), 0);
	CHECK_STR(out, "{\"n\":4194304,\"sum\":0,\"is_sealed\":true}");
	CHECK_INT(curl("-w '%%{http_code} %%{size_upload}' -T z5m http://x/v1/file/x"), 0);
	CHECK(strstr(out, "\"too_large\"") && strstr(out, "413 0"));
	CHECK_INT(curl("-w '%%{http_code}' -T - http://x/v1/file/x < z5m"), 0);
	CHECK(strstr(out, "\"too_large\"") && strstr(out, "413"));
	CHECK_INT(curl("-w '%%{http_code} %%{size_upload}' -T z5m http://x/v1/nowhere"), 0);
	CHECK(strstr(out, "404 0") != NULL);
}

static void streams(void)
{
	CHECK_INT(curl("-N http://x/v1/stream/short"), 0);
	CHECK_STR(out, "abcabcabc");
	CHECK_INT(curl("-0 http://x/v1/stream/short"), 0); /* without chunks */
	CHECK_STR(out, "abcabcabc");
	CHECK_INT(curl("-N -m 1 http://x/v1/stream/quiet"), 28); /* its own time is over */
	events_publish(rig.ev, 1, "vm.started", NULL);
	CHECK_INT(curl("-N -m 1 'http://x/v1/events?from=1'"), 28);
	CHECK(strstr(out, "id: 1\nevent: vm.started\ndata: {\"seq\":1,\"time\":\"") != NULL);
	CHECK(rig_wait_open(0));
	CHECK_INT(atomic_load(&rig.streams), 0);
}

/* One connection for several requests. */
static void connections_are_kept(void)
{
	struct http_stats before, after;

	http_stats_get(rig.h, &before);
	CHECK_INT(curl("http://x/v1/echo/a/1 http://x/v1/nowhere http://x/v1/echo/a/2 "
		       "http://x/v1/errno/2 http://x/v1/echo/a/3"),
		  0);
	CHECK(strstr(out, "\"b\":\"3\"") != NULL);
	http_stats_get(rig.h, &after);
	CHECK_INT(after.requests - before.requests, 5);
	CHECK_INT(after.connections - before.connections, 1);
	CHECK_INT(after.errors - before.errors, 2);
}

static const struct test_case cases[] = {
	{ "json_in_and_out", json_in_and_out },
	{ "errors", errors },
	{ "head", head },
	{ "uploads", uploads },
	{ "streams", streams },
	{ "connections_are_kept", connections_are_kept },
};

int main(void)
{
	int r;

	if (system("curl --version >/dev/null 2>&1") != 0) { /* NOLINT(cert-env33-c) */
		printf("skipped: curl is not installed\n");
		return 77;
	}
	rig_init();
	rig_start();
	r = test_main(cases, sizeof(cases) / sizeof(cases[0]));
	rig_stop();
	return r;
}

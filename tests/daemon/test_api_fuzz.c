/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Made-up requests for every operation of the real API, to a real daemon that runs real VMs, from
 * administrators and from ordinary users at once: it may not crash, not grow, not stop scheduling.
 * Usage: test_api_fuzz BIN_DIR GUESTS_DIR [SECONDS [COUNT [SEED]]]   (8 s or 100,000 requests, seed 1)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api_fuzz_words.h"
#include "base/bits.h"
#include "base/bug.h"
#include "daemon/api/api_internal.h"
#include "fuzz_text.h"
#include "http_rig.h"
#include "temp_dir.h"
#include "test.h"

#define N_CLIENTS	   4
#define N_ON_CONNECTION	   64
#define ORDINARY_UID	   4201u /* is banned now and then */
#define OTHER_UID	   4204u
#define MAX_RSS_GROWTH_KIB 65536
#define MAX_FD_GROWTH	   16

struct client {
	pthread_t thread;
	uid_t uid;
	uint64_t random, n_sent, n_bodies, n_ok;
	struct rig_conn conn;
	struct rig_answer answer;
	struct text request, body;
};

static struct {
	pid_t pid;
	const char *bin, *guests;
	char image[65];
	time_t until;
	uint64_t count;
	const struct http_op *ops;
	size_t n_ops;
	atomic_uint_least64_t n;
	uint64_t of_status[600];
	pthread_mutex_t lock;
} fuzz = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t pick(struct client *cl, uint64_t n)
{
	return pick_from(&cl->random, n);
}

static void put_value(struct client *cl, const char *good)
{
	char hash[70];

	if (pick(cl, 12) == 0) {
		good = strange[pick(cl, ARRAY_SIZE(strange))];
	}
	if (strcmp(good, "@") == 0) {
		(void)snprintf(hash, sizeof(hash), "\"%s\"", fuzz.image);
		good = hash;
	}
	put(&cl->body, good);
}

static void put_object(struct client *cl, const char *op)
{
	const char *comma = "";
	char key[64];

	put(&cl->body, "{");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		bool is_its = strstr(fields[i].ops, op) != NULL;
		bool is_needed = strcmp(fields[i].name, "image") == 0 ||
				 strcmp(fields[i].name, "user") == 0 ||
				 strcmp(fields[i].name, "name") == 0;

		if (is_its ? pick(cl, is_needed ? 50 : 4) == 0 : pick(cl, 400) != 0) {
			continue;
		}
		if (is_its && !is_needed && pick(cl, 3)) {
			continue;
		}
		(void)snprintf(key, sizeof(key), "%s\"%s\":", comma, fields[i].name);
		put(&cl->body, key);
		put_value(cl, fields[i].good[pick(cl, 4)]);
		comma = ",";
	}
	put(&cl->body, "}");
}

static void put_nested(struct client *cl, bool is_object)
{
	for (uint64_t n = pick(cl, 20) ? pick(cl, 100) : 30000; n; n--) {
		put(&cl->body, is_object ? "{\"a\":" : "[");
	}
}

/* Bytes that are changed, doubled or gone. */
static void spoil(struct client *cl)
{
	struct text *t = &cl->body;

	for (uint64_t n = 1 + pick(cl, 3); n && t->n > 1; n--) {
		size_t at = pick(cl, t->n), len = 1 + pick(cl, t->n - at);

		if (pick(cl, 2)) {
			t->bytes[at] = (char)pick(cl, 256);
		} else {
			len = len < 40 ? len : 40;
			memmove(t->bytes + at, t->bytes + at + len, t->n - at - len);
			t->n -= len;
		}
	}
}

/* A snapshot file whose checksums are right, of a VM that nobody has had. */
static void put_snapshot(struct client *cl)
{
	struct snapshot_head h = { .context_bytes = 1 + pick(cl, 300) };
	uint8_t context[301], *head = NULL;
	size_t n_head = 0;

	put_object(cl, "vm.create");
	put_bytes(&cl->body, "", 1);
	for (size_t i = 0; i < h.context_bytes; i++) {
		context[i] = (uint8_t)pick(cl, 256);
	}
	memcpy(context, "PNFDCTX1", h.context_bytes < 8 ? h.context_bytes : 8);
	crypto_hash_sha256(h.context_hash, context, h.context_bytes);
	BUG_ON(snapshot_head_make(cl->body.bytes, &h, &head, &n_head) < 0);
	cl->body.n = 0;
	put_bytes(&cl->body, head, n_head);
	put_bytes(&cl->body, context, h.context_bytes);
	free(head);
	if (pick(cl, 4) == 0) {
		spoil(cl);
	}
}

static void make_body(struct client *cl, const struct http_op *op)
{
	cl->body.n = 0;
	if (strcmp(op->name, "vm.restore") == 0 && pick(cl, 8)) {
		put_snapshot(cl);
		return;
	}
	if (!(op->flags & HTTP_BODY_JSON) && pick(cl, 20)) {
		for (uint64_t n = op->flags ? pick(cl, 200) : 0; n; n--) {
			char c = (char)pick(cl, 256);

			put_bytes(&cl->body, &c, 1);
		}
		return;
	}
	switch (pick(cl, 40)) {
	case 0:
		put_nested(cl, pick(cl, 2));
		break;
	case 1:
		put(&cl->body, "{\"name\":\"");
		for (uint64_t n = pick(cl, 5) ? pick(cl, 3000) : 70000; n; n--) {
			put(&cl->body, "x");
		}
		put(&cl->body, "\"}");
		break;
	case 2:
	case 3:
	case 4:
		put_object(cl, op->name);
		spoil(cl);
		break;
	default:
		put_object(cl, op->name);
	}
}

static void put_path(struct client *cl, const char *path)
{
	static const char *const names[] = { "v0",    "v1",	     "v2",     "v3",
					     "4201",  "4202",	     "4203",   "4201%2Fv0",
					     "0",     "1",	     "2",      "witness",
					     "%00",   "..%2f..%2fx", "nobody", "ffffffffffffffff",
					     "%0d%0a" };
	static const char *const queries[] = { "?all=1",
					       "?everyone=1",
					       "?from=0",
					       "?last=5",
					       "?last=18446744073709551616",
					       "?from=18446744073709551615",
					       "?timeout_ms=1",
					       "?force=1",
					       "?name=v1",
					       "?vm=v0",
					       "?vm=0123456789abcdef",
					       "?name=%0a" };

	while (*path) {
		bool is_hash = strncmp(path, "{hash}", 6) == 0;

		if (*path != '{') {
			put_bytes(&cl->request, path++, 1);
			continue;
		}
		put(&cl->request,
		    is_hash && pick(cl, 2) ? fuzz.image : names[pick(cl, ARRAY_SIZE(names))]);
		path += strcspn(path, "}") + 1;
	}
	put(&cl->request, pick(cl, 3) ? "" : queries[pick(cl, ARRAY_SIZE(queries))]);
}

/* What never ends is looked at and left. */
static bool is_endless(const struct http_op *op)
{
	return strcmp(op->name, "events") == 0 || strcmp(op->name, "vm.console.read") == 0;
}

/* These move memory or make processes. */
static bool is_slow(const struct http_op *op)
{
	return is_endless(op) || strcmp(op->name, "vm.snapshot") == 0 ||
	       strcmp(op->name, "vm.start") == 0;
}

/* What would end the daemon, the witness, or the run. */
static bool is_left_out(struct client *cl, const struct http_op *op)
{
	cl->request.n = 0;
	put(&cl->request, op->method);
	put(&cl->request, " ");
	put_path(cl, op->path);
	if (strcmp(op->name, "vm.wait") == 0) {
		cl->request.n = strcspn(cl->request.bytes, "?") < cl->request.n
					? strcspn(cl->request.bytes, "?")
					: cl->request.n;
		put(&cl->request, "?timeout_ms=1");
	}
	put_bytes(&cl->request, "", 1);
	cl->request.n--;
	return strcmp(op->name, "shutdown") == 0 ||
	       (strstr(cl->request.bytes, "witness") && (op->flags & HTTP_CHANGES)) ||
	       (strstr(cl->request.bytes, "/0/quota") != NULL);
}

static void count(const struct rig_answer *a)
{
	CHECK(a->status >= 100 && a->status < 600 && a->status != 500);
	if (a->status == 500) {
		printf("500: %.300s\n", a->body ? a->body : "");
	}
	pthread_mutex_lock(&fuzz.lock);
	fuzz.of_status[a->status < 600 ? a->status : 0]++;
	pthread_mutex_unlock(&fuzz.lock);
}

/* @return whether the connection can be used again */
static bool ask_once(struct client *cl)
{
	const struct http_op *op = &fuzz.ops[pick(cl, fuzz.n_ops)];
	bool has_body = op->flags & (HTTP_BODY_JSON | HTTP_BODY_FILE | HTTP_BODY_BYTES);
	char head[128];

	/* Mostly what reads a body; the slow ones seldom. */
	if ((!has_body && pick(cl, 8)) || (is_slow(op) && pick(cl, 8)) || is_left_out(cl, op)) {
		return true;
	}
	make_body(cl, op);
	(void)snprintf(head, sizeof(head), " HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		       cl->body.n);
	put(&cl->request, head);
	cl->n_sent++;
	cl->n_bodies += cl->body.n > 0;
	atomic_fetch_add(&fuzz.n, 1);
	if (!rig_send(&cl->conn, cl->request.bytes, cl->request.n) ||
	    !rig_send(&cl->conn, cl->body.bytes, cl->body.n)) {
		return false; /* refused in the middle: the answer is there or not */
	}
	if (is_endless(op)) {
		(void)rig_head(&cl->conn, &cl->answer);
		return false;
	}
	rig_answer(&cl->conn, &cl->answer, strcmp(op->method, "HEAD") != 0);
	if (cl->answer.status == 0) {
		return false;
	}
	count(&cl->answer);
	cl->n_ok += cl->answer.status < 300;
	return !cl->answer.is_close;
}

static void *client_main(void *arg)
{
	struct client *cl = arg;

	/* The calling thread alone, not the process: as the kernel sees it at connect(). */
	BUG_ON(syscall(SYS_setresgid, cl->uid, cl->uid, cl->uid) != 0 ||
	       syscall(SYS_setresuid, cl->uid, cl->uid, cl->uid) != 0);
	while (time(NULL) < fuzz.until && atomic_load(&fuzz.n) < fuzz.count) {
		rig_open(&cl->conn);
		for (int i = 0; i < N_ON_CONNECTION && ask_once(cl); i++) {
		}
		rig_close(&cl->conn);
	}
	rig_thread_done();
	return NULL;
}

static uint64_t proc_number(const char *file, const char *name)
{
	char path[64], line[256];
	uint64_t v = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)fuzz.pid, file);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0) {
			v = strtoull(line + strlen(name), NULL, 10);
		}
	}
	if (f) {
		fclose(f);
	}
	return v;
}

static unsigned int n_fds(void)
{
	char path[64];
	unsigned int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)fuzz.pid);
	d = opendir(path);
	while (d && readdir(d)) {
		n++;
	}
	if (d) {
		closedir(d);
	}
	return n;
}

static double metric(const char *name)
{
	struct rig_answer a;
	const char *at;
	char line[80];

	rig_ask(&a, "GET", "/metrics", NULL);
	CHECK_INT(a.status, 200);
	(void)snprintf(line, sizeof(line), "\n%s ", name);
	at = a.body ? strstr(a.body, line) : NULL;
	CHECK(at != NULL);
	return at ? strtod(at + strlen(line), NULL) : -1;
}

static uint64_t witness_slices(void)
{
	struct rig_answer a;
	json_t *o;
	uint64_t n;

	rig_ask(&a, "GET", "/v1/vms/witness", NULL);
	CHECK_INT(a.status, 200);
	o = json_loads(a.body, 0, NULL);
	if (strcmp(json_string_value(json_object_get(o, "state")), "running") != 0) {
		printf("the witness does not run: %s\n", a.body);
		test_failures++;
	}
	n = (uint64_t)json_integer_value(json_object_get(o, "slices"));
	json_decref(o);
	return n;
}

static void daemon_start(void)
{
	char program[300], state[300], run[300], conf[300], vm[300];
	char *argv[] = { program, "--state-dir",  state, "--run-dir", run,	  "--config",
			 conf,	  "--vm-program", vm,	 "--backend", "ordinary", NULL };
	char *env[] = { NULL };
	struct stat st;
	FILE *f;

	(void)snprintf(program, sizeof(program), "%s/pinfoldd", fuzz.bin);
	(void)snprintf(state, sizeof(state), "%s/state", rig.dir);
	(void)snprintf(run, sizeof(run), "%s/run", rig.dir);
	(void)snprintf(conf, sizeof(conf), "%s/conf", rig.dir);
	(void)snprintf(vm, sizeof(vm), "%s/../bin/pinfold-vm", fuzz.guests);
	(void)snprintf(rig.socket, sizeof(rig.socket), "%s/run/pinfoldd.sock", rig.dir);
	f = fopen(conf, "we");
	BUG_ON(!f);
	/* Rights and bodies are tried here, not time: the machine may be busy. */
	fputs("patience = 1000\nlog_level = err\nrate_changes = none\nsocket_group = everybody\n",
	      f);
	fclose(f);
	BUG_ON(posix_spawn(&fuzz.pid, program, NULL, NULL, argv, env) != 0);
	for (int i = 0; i < 600; i++) {
		const struct timespec step = { .tv_nsec = 50000000 };
		int fd = stat(rig.socket, &st) == 0 ? rig_connect_fd(rig.socket) : -1;

		if (fd >= 0) {
			close(fd);
			return;
		}
		nanosleep(&step, NULL);
	}
	printf("pinfoldd does not start\n");
	exit(1);
}

/* An image, and a VM that runs all the time. */
static void witness_start(void)
{
	static char text[1 << 20];
	char path[400], spec[400];
	uint8_t hash[32];
	struct rig_answer a;
	struct rig_conn c;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/riscv64/endless.elf", fuzz.guests);
	f = fopen(path, "re");
	BUG_ON(!f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	crypto_hash_sha256(hash, (const uint8_t *)text, n);
	sodium_bin2hex(fuzz.image, sizeof(fuzz.image), hash, sizeof(hash));
	rig_open(&c);
	(void)rig_say(&c, "PUT /v1/images/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		      fuzz.image, n);
	(void)rig_send(&c, text, n);
	rig_answer(&c, &a, true);
	CHECK_INT(a.status, 200);
	rig_close(&c);
	(void)snprintf(spec, sizeof(spec), "{\"name\":\"witness\",\"image\":\"%s\",\"prio\":0}",
		       fuzz.image);
	rig_ask(&a, "POST", "/v1/vms", spec);
	CHECK_INT(a.status, 201);
	rig_ask(&a, "POST", "/v1/vms/witness/start", "{}");
	CHECK_INT(a.status, 200);
}

/* @return how many were there */
static size_t remove_all(void)
{
	struct rig_answer a;
	json_t *list, *vm;
	char path[80];
	size_t i, n;

	rig_ask(&a, "GET", "/v1/vms?all=1&everyone=1", NULL);
	CHECK_INT(a.status, 200);
	list = json_loads(a.body, 0, NULL);
	n = json_array_size(list);
	json_array_foreach(list, i, vm)
	{
		(void)snprintf(path, sizeof(path), "/v1/vms/%s?force=1",
			       json_string_value(json_object_get(vm, "id")));
		rig_ask(&a, "DELETE", path, NULL);
		CHECK_INT(a.status, 200);
	}
	json_decref(list);
	return n;
}

static void run(uint64_t seed)
{
	static const uid_t uids[N_CLIENTS] = { 0, 0, ORDINARY_UID, OTHER_UID };
	static struct client cl[N_CLIENTS];
	uint64_t sent = 0, bodies = 0, ok = 0;

	for (size_t i = 0; i < N_CLIENTS; i++) {
		cl[i] = (struct client){ .uid = uids[i],
					 .random = (seed * N_CLIENTS + i + 1) *
						   UINT64_C(0x9e3779b97f4a7c15) };
		BUG_ON(pthread_create(&cl[i].thread, NULL, client_main, &cl[i]) != 0);
	}
	for (size_t i = 0; i < N_CLIENTS; i++) {
		pthread_join(cl[i].thread, NULL);
		sent += cl[i].n_sent;
		bodies += cl[i].n_bodies;
		ok += cl[i].n_ok;
	}
	printf("%" PRIu64 " requests, %" PRIu64 " bodies, %" PRIu64 " done, seed %" PRIu64 ":",
	       sent, bodies, ok, seed);
	for (size_t i = 0; i < ARRAY_SIZE(fuzz.of_status); i++) {
		if (fuzz.of_status[i]) {
			printf(" %zu:%" PRIu64, i, fuzz.of_status[i]);
		}
	}
	printf("\n");
	CHECK(ok > sent / 100); /* else nothing behind the checks was reached */
}

static void end_daemon(void)
{
	struct rig_answer a;
	int status = -1;

	rig_ask(&a, "POST", "/v1/shutdown", "{\"vms\":\"kill\"}");
	CHECK_INT(a.status, 200);
	BUG_ON(waitpid(fuzz.pid, &status, 0) != fuzz.pid);
	CHECK_INT(status, 0);
}

static void after_check(uint64_t slices, uint64_t rss_kib, unsigned int fds)
{
	uint64_t rss_after, slices_after;
	size_t n;

	CHECK_INT(waitpid(fuzz.pid, NULL, WNOHANG), 0);
	slices_after = witness_slices();
	CHECK(slices_after > slices);
	CHECK(metric("pinfold_sched_violations_total") == 0);
	printf("longest decision %.1f us; witness: %" PRIu64 " slices",
	       metric("pinfold_dispatch_decision_max_seconds") * 1e6, slices_after - slices);
	n = remove_all();
	rss_after = proc_number("status", "VmRSS:");
	printf("; %zu VMs at the end; memory %" PRIu64 " KiB, then %" PRIu64
	       " KiB; descriptors %u, then %u\n",
	       n, rss_kib, rss_after, fds, n_fds());
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHECK(rss_after < rss_kib + MAX_RSS_GROWTH_KIB);
#endif
	CHECK(n_fds() < fds + MAX_FD_GROWTH);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 3 ? strtoull(argv[3], NULL, 10) : 8;
	uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1, slices, rss_kib;
	unsigned int fds;

	if (argc < 3 || geteuid() != 0) {
		printf("skipped: needs root, to call as other users\n");
		return 77;
	}
	BUG_ON(sodium_init() < 0);
	fuzz.bin = argv[1];
	fuzz.guests = argv[2];
	fuzz.count = argc > 4 ? strtoull(argv[4], NULL, 10) : 100000;
	fuzz.ops = api_ops(&fuzz.n_ops);
	temp_dir_make(rig.dir, sizeof(rig.dir));
	BUG_ON(chmod(rig.dir, 0755) != 0);
	daemon_start();
	witness_start();
	slices = witness_slices();
	rss_kib = proc_number("status", "VmRSS:");
	fds = n_fds();
	fuzz.until = time(NULL) + (time_t)seconds;
	run(seed);
	after_check(slices, rss_kib, fds);
	end_daemon();
	temp_dir_remove(rig.dir);
	return test_failures ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the daemon with libcurl; see client.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client_internal.h"
#include "cli/text.h"
#include "cli/tunnel.h"

#define SOCKET_NAME  "pinfold/pinfoldd.sock"
#define SYSTEM_PATH  "/run/" SOCKET_NAME
#define LOCAL_SCHEME "unix://"
/* Longest path of a UNIX socket, with its NUL. */
#define PATH_BYTES 108
/* Largest answer that is kept in memory: some 100,000 VMs. */
#define ANSWER_MAX_BYTES (256u << 20)
#define CONNECT_MS	 10000L

struct client {
	char path[PATH_BYTES];
	char where[320];
	struct tunnel *tunnel;
	CURL *easy; /* kept for its connection */
};

static char *rootless_path(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path;
	int n;

	if (runtime && runtime[0] == '/') {
		n = asprintf(&path, "%s/" SOCKET_NAME, runtime);
	} else {
		n = asprintf(&path, "/run/user/%u/" SOCKET_NAME, (unsigned int)getuid());
	}
	return n < 0 ? NULL : path;
}

char *client_socket_path(const char *given)
{
	char *path;

	given = given ? given : getenv("PINFOLD_SOCKET");
	if (given && given[0]) {
		return strdup(given);
	}
	if (getuid() == 0) {
		return strdup(SYSTEM_PATH);
	}
	path = rootless_path();
	if (path && access(path, F_OK) < 0 && access(SYSTEM_PATH, F_OK) == 0) {
		free(path);
		path = strdup(SYSTEM_PATH);
	}
	return path;
}

static int open_local(struct client *c, const char *given, struct errmsg *e)
{
	char *path = client_socket_path(given);
	int r = 0;

	if (!path) {
		r = errmsg_set(e, -ENOMEM, "out of memory");
	} else if (strlen(path) >= sizeof(c->path)) {
		r = errmsg_set(e, -EINVAL, "the path of a socket has at most %d bytes: %.100s...",
			       PATH_BYTES - 1, path);
	} else {
		snprintf(c->path, sizeof(c->path), "%s", path);
		text_safe_to(path, c->where, sizeof(c->where));
	}
	free(path);
	return r;
}

static int open_remote(struct client *c, const char *host, struct errmsg *e)
{
	int r = tunnel_open(host, &c->tunnel, e);

	if (r == 0) {
		snprintf(c->path, sizeof(c->path), "%s", tunnel_socket(c->tunnel));
		text_safe_to(host, c->where, sizeof(c->where));
	}
	return r;
}

int client_open(const struct client_options *o, struct client **ret, struct errmsg *e)
{
	struct client *c = calloc(1, sizeof(*c));
	const char *host = o->host;
	int r;

	if (!c) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	/* A socket that is named on the command line is meant, whatever the environment says. */
	if (!host && !o->socket_path) {
		host = getenv("PINFOLD_HOST");
	}
	/* As with DOCKER_HOST. */
	if (host && strncmp(host, LOCAL_SCHEME, strlen(LOCAL_SCHEME)) == 0 && !o->socket_path) {
		r = open_local(c, host + strlen(LOCAL_SCHEME), e);
	} else if (o->host && o->socket_path) {
		r = errmsg_set(e, -EINVAL,
			       "--host and --socket: give the remote socket as "
			       "ssh://HOST/PATH");
	} else {
		r = host && host[0] ? open_remote(c, host, e) : open_local(c, o->socket_path, e);
	}
	r = r < 0 ? r : curl_lib_open(e);
	if (r < 0) {
		client_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void client_close(struct client *c)
{
	if (!c) {
		return;
	}
	if (c->easy) {
		curl_easy_cleanup(c->easy);
	}
	tunnel_close(c->tunnel);
	free(c);
}

void client_abandon(struct client *c)
{
	tunnel_end(c->tunnel);
}

const char *client_where(const struct client *c)
{
	return c->where;
}

const char *client_socket(const struct client *c)
{
	return c->path;
}

bool client_is_remote(const struct client *c)
{
	return c->tunnel != NULL;
}

const struct tunnel *client_tunnel(const struct client *c)
{
	return c->tunnel;
}

bool client_has_host(const struct client_options *o)
{
	const char *host = o->host || o->socket_path ? o->host : getenv("PINFOLD_HOST");

	return host && host[0];
}

/* Keep what is JSON or an error. */
static size_t keep_answer(struct client_transfer *t, const char *bytes, size_t n)
{
	char *answer;

	if (n > ANSWER_MAX_BYTES - t->answer_bytes) {
		t->error = -EFBIG;
		return 0;
	}
	answer = realloc(t->answer, t->answer_bytes + n + 1);
	if (!answer) {
		t->error = -ENOMEM;
		return 0;
	}
	memcpy(answer + t->answer_bytes, bytes, n);
	t->answer = answer;
	t->answer_bytes += n;
	answer[t->answer_bytes] = '\0';
	return n;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct client_transfer *t = arg;
	long status = 0;
	int r;

	(void)size; /* always 1 */
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!t->rq->sink || status < 200 || status > 299) {
		return keep_answer(t, bytes, n);
	}
	r = t->rq->sink(t->rq->arg, bytes, n);
	if (r < 0) {
		t->error = r;
		return n == 0 ? 1 : 0;
	}
	return n;
}

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct client_transfer *t = arg;
	size_t want = size * n < t->left_bytes ? size * n : (size_t)t->left_bytes;
	ssize_t got;

	do {
		got = read(t->rq->file_fd, to, want);
	} while (got < 0 && errno == EINTR);
	if (got < 0 || (got == 0 && want > 0)) {
		t->error = got < 0 ? -errno : -ENODATA; /* it has become shorter */
		return CURL_READFUNC_ABORT;
	}
	t->left_bytes -= (uint64_t)got;
	return (size_t)got;
}

/* The kept connection had gone: all of it again on a new one. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct client_transfer *t = arg;
	uint64_t sent = t->rq->file_bytes - t->left_bytes;

	if (origin != SEEK_SET || offset != 0 ||
	    (t->rq->file_fd >= 0 && lseek(t->rq->file_fd, -(off_t)sent, SEEK_CUR) < 0)) {
		return CURL_SEEKFUNC_FAIL;
	}
	t->left_bytes = t->rq->file_bytes;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	const struct client_transfer *t = arg;

	if (t->rq->has_file) {
		t->rq->progress(t->rq->arg, (uint64_t)up, (uint64_t)up_total);
	} else {
		t->rq->progress(t->rq->arg, (uint64_t)down, (uint64_t)down_total);
	}
	return 0;
}

static int set_body(struct client_transfer *t)
{
	const struct client_request *rq = t->rq;

	if (rq->has_file) {
		t->left_bytes = rq->file_bytes;
		curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)rq->file_bytes);
		t->headers =
			curl_slist_append(t->headers, "Content-Type: application/octet-stream");
		return t->headers ? 0 : -ENOMEM;
	}
	if (!rq->body) {
		if (strcmp(rq->method, "GET") == 0) {
			return 0;
		}
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, "");
	} else {
		t->body_text = json_dumps(rq->body, JSON_COMPACT);
		if (!t->body_text) {
			return -ENOMEM;
		}
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)strlen(t->body_text));
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body_text);
	}
	t->headers = curl_slist_append(t->headers, "Content-Type: application/json");
	return t->headers ? 0 : -ENOMEM;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct client_transfer *t = arg;

	(void)purpose;
	t->fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
	return t->fd;
}

/*
 * Connected, and nothing sent yet: look who listens, a daemon of root or of the caller. Anybody else would
 * get the caller's images and commands, and could answer what it likes. A connection that is used again
 * was looked at before.
 */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct client_transfer *t = arg;
	struct ucred cred;
	socklen_t n = sizeof(cred);

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	if (t->fd < 0) {
		return CURL_PREREQFUNC_OK;
	}
	if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0) {
		return CURL_PREREQFUNC_ABORT;
	}
	t->is_strange = cred.uid != 0 && cred.uid != geteuid();
	t->stranger = cred.uid;
	return t->is_strange ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static int set_up(struct client_transfer *t)
{
	const struct client_request *rq = t->rq;
	char *url;

	if (asprintf(&url, "http://pinfold%s", rq->path) < 0) {
		return -ENOMEM;
	}
	curl_easy_setopt(t->easy, CURLOPT_URL, url); /* copied */
	free(url);
	curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, t->c->path);
	curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->curl_error);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	if (set_body(t) < 0) {
		return -ENOMEM;
	}
	curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, rq->method);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	if (rq->progress) {
		curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
	}
	return 0;
}

int client_transfer_init(struct client *c, const struct client_request *rq,
			 struct client_transfer *t, struct errmsg *e)
{
	memset(t, 0, sizeof(*t));
	if (!rq->path) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	t->fd = -1;
	t->c = c;
	t->rq = rq;
	t->easy = c->easy;
	c->easy = NULL;
	if (t->easy) {
		curl_easy_reset(t->easy); /* its connection stays */
	} else {
		t->easy = curl_easy_init();
	}
	if (!t->easy || set_up(t) < 0) {
		client_transfer_done(t);
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

void client_transfer_done(struct client_transfer *t)
{
	if (t->easy && t->c && !t->c->easy) {
		t->c->easy = t->easy;
	} else if (t->easy) {
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->headers);
	free(t->body_text);
	free(t->answer);
	memset(t, 0, sizeof(*t));
}

int client_do(struct client *c, const struct client_request *rq, json_t **ret_json,
	      struct errmsg *e)
{
	struct client_transfer t;
	int r = client_transfer_init(c, rq, &t, e);

	if (r < 0) {
		return r;
	}
	r = client_transfer_result(&t, curl_easy_perform(t.easy), ret_json, e);
	client_transfer_done(&t);
	return r;
}

int client_get(struct client *c, const char *path, json_t **ret_json, struct errmsg *e)
{
	const struct client_request rq = { .method = "GET", .path = path };

	return client_do(c, &rq, ret_json, e);
}

int client_send(struct client *c, const char *method, const char *path, const json_t *body,
		json_t **ret_json, struct errmsg *e)
{
	const struct client_request rq = { .method = method, .path = path, .body = body };

	return client_do(c, &rq, ret_json, e);
}

/* Percent-encoded but for what RFC 3986 calls unreserved. */
static char *escape(const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *escaped = malloc(3 * strlen(text) + 1);
	char *p = escaped;

	for (; escaped && *text; text++) {
		if (strchr(plain, *text)) {
			*p++ = *text;
		} else {
			p += sprintf(p, "%%%02X", (unsigned char)*text);
		}
	}
	if (escaped) {
		*p = '\0';
	}
	return escaped;
}

char *client_path(const char *before, const char *name, const char *rest)
{
	char *escaped = escape(name);
	char *path = NULL;

	/* "." and ".." would be folded away on the way. */
	if (escaped && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
		if (asprintf(&path, "%s%s%s", before, escaped, rest) < 0) {
			path = NULL;
		}
	} else if (escaped &&
		   asprintf(&path, "%s%s%s", before, name[1] ? "%2e%2e" : "%2e", rest) < 0) {
		path = NULL;
	}
	free(escaped);
	return path;
}

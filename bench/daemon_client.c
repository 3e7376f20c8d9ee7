/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/fd.h"

#define START_TRIES  600 /* of 50 ms */
#define END_TRIES    1200
#define BUF_MIN	     (64u << 10)
#define BUF_MAX	     (64u << 20)
#define HEAD_MAX     2048
#define UPLOAD_MAX   (16u << 20)
#define CLIENT_STALL 120 /* s */

static const char conf[] = "quota_running_vms = none\nquota_vcpus = none\nquota_memory = none\n"
			   "quota_definitions = none\nquota_images = none\n"
			   "quota_slice_share_permille = none\nlog_level = warn\n";

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int write_conf(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : host_fd_write_full(fd, conf, sizeof(conf) - 1);
}

static void remove_dir(const char *dir)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0) {
		fprintf(stderr, "%s stays behind\n", dir);
	}
}

_Noreturn static void child_main(const char *program, const struct daemon_run *d)
{
	char state[96], path[96], log[96];
	int fd;

	(void)snprintf(state, sizeof(state), "%s/state", d->dir);
	(void)snprintf(path, sizeof(path), "%s/conf", d->dir);
	(void)snprintf(log, sizeof(log), "%s/log", d->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0) {
		dup2(fd, 1);
		dup2(fd, 2);
	}
	execl(program, "pinfoldd", "--state-dir", state, "--run-dir", d->run, "--config", path,
	      NULL);
	_exit(127);
}

static void show_log(const struct daemon_run *d)
{
	char command[160];

	(void)snprintf(command, sizeof(command), "tail -n 200 '%s/log' >&2", d->dir);
	(void)!system(command);
}

int daemon_start(const char *program, struct daemon_run *ret)
{
	struct daemon_run d = { .dir = "/var/tmp/pinfold-scale-XXXXXX",
				.run = "/dev/shm/pinfold-scale-XXXXXX" };
	char path[96];
	int r;

	if (!mkdtemp(d.dir)) {
		return -errno;
	}
	(void)snprintf(path, sizeof(path), "%s/conf", d.dir);
	if (!mkdtemp(d.run)) {
		(void)snprintf(d.run, sizeof(d.run), "%.50s/run", d.dir);
	}
	(void)snprintf(d.socket, sizeof(d.socket), "%s/pinfoldd.sock", d.run);
	r = write_conf(path);
	if (r < 0) {
		return r;
	}
	d.pid = fork();
	if (d.pid == 0) {
		child_main(program, &d);
	}
	r = d.pid < 0 ? -errno : -ETIMEDOUT;
	for (int i = 0; r == -ETIMEDOUT && i < START_TRIES; i++) {
		struct daemon_client c;

		if (daemon_connect(&d, &c) == 0) {
			r = daemon_ask(&c, "GET", "/v1/status", NULL, 0) == 200 ? 0 : r;
			daemon_disconnect(&c);
		} else if (waitpid(d.pid, NULL, WNOHANG) == d.pid) {
			d.pid = 0;
			r = -ECHILD;
		}
		if (r == -ETIMEDOUT) {
			pause_ms(50);
		}
	}
	if (r < 0) {
		daemon_end(&d);
		return r;
	}
	*ret = d;
	return 0;
}

int daemon_end(struct daemon_run *d)
{
	struct daemon_client c;
	int status = -1;

	if (d->pid > 0 && daemon_connect(d, &c) == 0) {
		static const char body[] = "{\"vms\":\"kill\"}";

		daemon_ask(&c, "POST", "/v1/shutdown", body, sizeof(body) - 1);
		daemon_disconnect(&c);
	}
	for (int i = 0; d->pid > 0 && i < END_TRIES; i++) {
		if (waitpid(d->pid, &status, WNOHANG) == d->pid) {
			d->pid = 0;
		} else {
			pause_ms(50);
		}
	}
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		status = -1;
	}
	if (status != 0) {
		fprintf(stderr, "pinfoldd ended with wait status %#x:\n", (unsigned int)status);
		show_log(d);
	}
	d->pid = 0;
	remove_dir(d->run);
	remove_dir(d->dir);
	return status;
}

int daemon_connect(const struct daemon_run *d, struct daemon_client *ret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval stall = { CLIENT_STALL, 0 };
	struct daemon_client c = { .max = BUF_MIN };

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", d->socket);
	c.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c.fd < 0) {
		return -errno;
	}
	c.buf = malloc(c.max);
	if (!c.buf || setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall)) < 0 ||
	    connect(c.fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		daemon_disconnect(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void daemon_disconnect(struct daemon_client *c)
{
	close(c->fd);
	free(c->buf);
}

/* More of the answer. @return bytes; negative errno */
static ssize_t more(struct daemon_client *c, size_t have)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t n;

	if (c->max - have < BUF_MIN / 2) {
		char *buf = c->max < BUF_MAX ? realloc(c->buf, c->max * 2) : NULL;

		if (!buf) {
			return -ENOMEM;
		}
		c->buf = buf;
		c->max *= 2;
	}
	/* As libcurl does. Who sleeps in recv() is also woken when the daemon has read the request. */
	if (poll(&p, 1, -1) < 0) {
		return -errno;
	}
	n = recv(c->fd, c->buf + have, c->max - have - 1, 0);
	if (n < 0) {
		return -errno;
	}
	c->buf[have + (size_t)n] = '\0';
	return n ? n : -EPIPE;
}

static size_t content_length(const char *head)
{
	const char *p = strcasestr(head, "\r\ncontent-length:");

	return p ? strtoull(p + sizeof("\r\ncontent-length:") - 1, NULL, 10) : 0;
}

static int receive(struct daemon_client *c)
{
	size_t have = 0;
	size_t head = 0;
	size_t want = 1;

	while (!head || have < want) {
		ssize_t n = more(c, have);
		const char *end;

		if (n < 0) {
			return (int)n;
		}
		have += (size_t)n;
		end = head ? NULL : strstr(c->buf, "\r\n\r\n");
		if (end) {
			head = (size_t)(end - c->buf) + 4;
			want = head + content_length(c->buf);
		}
	}
	c->body = c->buf + head;
	c->body_bytes = have - head;
	return have == want && strncmp(c->buf, "HTTP/1.1 ", 9) == 0 ? atoi(c->buf + 9) : -EPROTO;
}

int daemon_ask(struct daemon_client *c, const char *method, const char *path, const void *body,
	       size_t bytes)
{
	char head[HEAD_MAX];
	int n = snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, path,
			 bytes);
	struct iovec iov[2] = { { head, (size_t)n }, { (void *)(uintptr_t)body, bytes } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = bytes ? 2 : 1 };
	ssize_t sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

	if (sent < 0) {
		return -errno;
	}
	/* Only images are long. */
	for (size_t done = (size_t)sent; done < (size_t)n + bytes; done += (size_t)sent) {
		sent = send(c->fd, (const char *)body + (done - (size_t)n),
			    (size_t)n + bytes - done, MSG_NOSIGNAL);
		if (sent < 0) {
			return -errno;
		}
	}
	return receive(c);
}

int daemon_ask_json(struct daemon_client *c, const char *method, const char *path, const char *body,
		    json_t **ret)
{
	int r = daemon_ask(c, method, path, body, body ? strlen(body) : 0);

	*ret = r > 0 ? json_loadb(c->body, c->body_bytes, 0, NULL) : NULL;
	return r;
}

int daemon_upload(struct daemon_client *c, const char *path, char ret_hash[65])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char hash[crypto_hash_sha256_BYTES];
	_cleanup_free_ unsigned char *bytes = malloc(UPLOAD_MAX);
	char to[96];
	ssize_t n;
	int r;

	if (fd < 0 || !bytes) {
		return fd < 0 ? -errno : -ENOMEM;
	}
	n = host_fd_read_full(fd, bytes, UPLOAD_MAX);
	if (n <= 0 || n == UPLOAD_MAX) {
		return n < 0 ? (int)n : -EFBIG;
	}
	crypto_hash_sha256(hash, bytes, (unsigned long long)n);
	sodium_bin2hex(ret_hash, 65, hash, sizeof(hash));
	(void)snprintf(to, sizeof(to), "/v1/images/%s", ret_hash);
	r = daemon_ask(c, "PUT", to, bytes, (size_t)n);
	return r == 200 || r == 201 ? 0 : r < 0 ? r : -EPROTO;
}

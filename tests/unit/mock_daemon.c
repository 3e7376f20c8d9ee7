/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon that only says what it is told, for tests of the command line: mock_daemon SOCKET DIR
 *
 * "GET /v1/vms?all=1" is answered with the bytes of the file DIR/GET_v1_vms, whatever they are; a first
 * line "#hold" is left out and the connection stays open after the rest. Without a file: 404. Each
 * request is a line in DIR/log, "METHOD PATH BYTES BODY"; the last body that came is DIR/body. Ends
 * when its standard input does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define BODY_MAX (64u << 20)

static const char none[] =
	"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 62\r\n\r\n"
	"{\"error\":{\"code\":\"not_found\",\"message\":\"there is no such VM\"}}\n";

static bool send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent <= 0) {
			return false;
		}
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* Up to and with the blank line. @return bytes of the head; 0: the peer has gone */
static size_t read_head(int fd, char *head, size_t *ret_len)
{
	size_t len = 0;

	while (len < HEAD_MAX - 1) {
		ssize_t n = recv(fd, head + len, HEAD_MAX - 1 - len, 0);
		char *end;

		if (n <= 0) {
			return 0;
		}
		len += (size_t)n;
		head[len] = '\0';
		end = strstr(head, "\r\n\r\n");
		if (end) {
			*ret_len = len;
			return (size_t)(end - head) + 4;
		}
	}
	return 0;
}

static char *read_body(int fd, const char *head, size_t head_bytes, size_t have, size_t *ret_bytes)
{
	const char *length = strcasestr(head, "\r\nContent-Length:");
	size_t bytes = length ? strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
	char *body = bytes < BODY_MAX ? calloc(1, bytes + 1) : NULL;
	size_t got = have - head_bytes < bytes ? have - head_bytes : bytes;

	if (!body) {
		return NULL;
	}
	if (strcasestr(head, "\r\nExpect: 100-continue")) {
		send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	}
	memcpy(body, head + head_bytes, got);
	while (got < bytes) {
		ssize_t n = recv(fd, body + got, bytes - got, 0);

		if (n <= 0) {
			break;
		}
		got += (size_t)n;
	}
	*ret_bytes = got;
	return body;
}

static void write_log(const char *dir, const char *method, const char *path, const char *body,
		      size_t bytes)
{
	char name[512];
	FILE *f;

	snprintf(name, sizeof(name), "%s/log", dir);
	f = fopen(name, "a");
	if (f) {
		fprintf(f, "%s %s %zu %.*s\n", method, path, bytes, bytes < 4096 ? (int)bytes : 0,
			body);
		fclose(f);
	}
	if (bytes == 0) {
		return;
	}
	snprintf(name, sizeof(name), "%s/body", dir);
	f = fopen(name, "w");
	if (f) {
		fwrite(body, 1, bytes, f);
		fclose(f);
	}
}

static void answer(int fd, const char *dir, const char *method, const char *path)
{
	static char bytes[65536];
	char name[HEAD_MAX];
	size_t n = (size_t)snprintf(name, sizeof(name), "%s/%s", dir, method);
	bool is_first = true;
	bool is_held = false;
	ssize_t got;
	int file;

	for (const char *p = path; *p && *p != '?' && n < sizeof(name) - 1; p++) {
		name[n++] = *p == '/' ? '_' : *p;
	}
	name[n] = '\0';
	file = open(name, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		send_all(fd, none, sizeof(none) - 1);
		return;
	}
	while ((got = read(file, bytes, sizeof(bytes))) > 0) {
		size_t from = 0;

		if (is_first && strncmp(bytes, "#hold\n", 6) == 0) {
			is_held = true;
			from = 6;
		}
		is_first = false;
		if (!send_all(fd, bytes + from, (size_t)got - from)) {
			break;
		}
	}
	close(file);
	if (is_held) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		poll(&p, 1, 60000); /* the client goes, at last */
	}
}

static void serve(int fd, const char *dir)
{
	static char head[HEAD_MAX];
	char method[16];
	char path[4096];
	size_t have = 0;
	size_t bytes = 0;
	size_t head_bytes = read_head(fd, head, &have);
	char *body;

	if (head_bytes == 0 || sscanf(head, "%15s %4095s", method, path) != 2) {
		return;
	}
	body = read_body(fd, head, head_bytes, have, &bytes);
	if (body) {
		write_log(dir, method, path, body, bytes);
		answer(fd, dir, method, path);
	}
	free(body);
	shutdown(fd, SHUT_RDWR);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN } };

	if (argc != 3 || strlen(argv[1]) >= sizeof(a.sun_path)) {
		return 2;
	}
	strcpy(a.sun_path, argv[1]);
	signal(SIGCHLD, SIG_IGN);
	fds[1] = (struct pollfd){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
				  .events = POLLIN };
	if (bind(fds[1].fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fds[1].fd, 64) < 0) {
		perror(argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
		int fd = accept4(fds[1].fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0 && fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(fd, argv[2]);
			_exit(0);
		}
		close(fd);
	}
	unlink(argv[1]);
	return 0;
}

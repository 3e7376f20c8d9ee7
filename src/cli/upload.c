/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files for the daemon; see upload.h. */
#include "cli/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/progress.h"

#define CHUNK_BYTES 65536

static int open_file(const char *path, int *ret_fd, uint64_t *ret_bytes, struct errmsg *e)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (S_ISDIR(st.st_mode)) {
		return errmsg_set(e, -EISDIR, "%s: %s", path, strerror(EISDIR));
	}
	if (!S_ISREG(st.st_mode)) {
		return errmsg_set(e, -EINVAL, "%s: not a regular file", path);
	}
	if (st.st_size == 0) {
		return errmsg_set(e, -ENODATA, "%s: the file is empty", path);
	}
	*ret_bytes = (uint64_t)st.st_size;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int hash_file(int fd, const char *path, uint64_t bytes, char *ret_hash, struct errmsg *e)
{
	_cleanup_free_ unsigned char *buf = malloc(CHUNK_BYTES);
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	uint64_t done = 0;

	if (!buf || sodium_init() < 0) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	crypto_hash_sha256_init(&state);
	for (;;) {
		ssize_t n = pread(fd, buf, CHUNK_BYTES, (off_t)done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
		}
		if (n == 0) {
			break;
		}
		crypto_hash_sha256_update(&state, buf, (unsigned long long)n);
		done += (uint64_t)n;
	}
	if (done != bytes) {
		return errmsg_set(e, -EBUSY, "%s: the file changes while it is read", path);
	}
	crypto_hash_sha256_final(&state, hash);
	sodium_bin2hex(ret_hash, UPLOAD_HASH_BYTES, hash, sizeof(hash));
	return 0;
}

static int send_file(struct client *c, struct client_request *rq, const char *path, bool is_quiet,
		     json_t **ret_json, struct errmsg *e)
{
	struct progress bar;
	int r;

	progress_begin(&bar, "sending", path, is_quiet);
	rq->progress = progress_step;
	rq->arg = &bar;
	r = client_do(c, rq, ret_json, e);
	progress_end(&bar);
	return r < 0 ? r : 0;
}

int upload_image(struct client *c, const char *path, bool is_quiet,
		 char ret_hash[UPLOAD_HASH_BYTES], struct errmsg *e)
{
	struct client_request rq = { .method = "PUT", .has_file = true };
	_cleanup_free_ char *url = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = open_file(path, &fd, &rq.file_bytes, e);
	if (r == 0) {
		r = hash_file(fd, path, rq.file_bytes, ret_hash, e);
	}
	if (r < 0) {
		return r;
	}
	url = client_path("/v1/images/", ret_hash, "");
	if (!url) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = client_get(c, url, NULL, e);
	if (r != -ENOENT) {
		return r < 0 ? r : 0;
	}
	rq.path = url;
	rq.file_fd = fd;
	return send_file(c, &rq, path, is_quiet, NULL, e);
}

int upload_post(struct client *c, const char *url, const char *path, bool is_quiet,
		json_t **ret_json, struct errmsg *e)
{
	struct client_request rq = { .method = "POST", .path = url, .has_file = true };
	_cleanup_close_ int fd = -1;
	int r;

	r = open_file(path, &fd, &rq.file_bytes, e);
	if (r < 0) {
		return r;
	}
	rq.file_fd = fd;
	return send_file(c, &rq, path, is_quiet, ret_json, e);
}

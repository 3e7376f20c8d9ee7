/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that test_memory.c starts in the place of pinfold-vm: a VM process that its guest has
 * taken over. It tries every way to change the image that other VMs execute, and reports by the
 * text of PROTO_FAILED which ones worked. It proves nothing by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/sock.h"
#include "proto/proto.h"

static struct proto_msg in;
static struct proto_failed failed = { .err = -EPERM };

static void tried(const char *what, bool has_worked)
{
	size_t len = strlen(failed.text);

	if (has_worked) {
		snprintf(failed.text + len, sizeof(failed.text) - len, "%s worked; ", what);
	}
}

static void attack(int fd, const char *how)
{
	static uint8_t zeros[PAGE_BYTES];
	char what[64];
	void *p;

#define TRY(name, expr)                                              \
	do {                                                         \
		snprintf(what, sizeof(what), "%s %s", how, (name)); \
		tried(what, (expr));                                 \
	} while (0)

	TRY("write", pwrite(fd, zeros, sizeof(zeros), PAGE_BYTES) > 0);
	TRY("ftruncate", ftruncate(fd, 0) == 0 || ftruncate(fd, 1 << 30) == 0);
	TRY("fallocate", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   PAGE_BYTES) == 0);
	TRY("unseal", fcntl(fd, F_ADD_SEALS, 0) == 0);
	p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE_BYTES);
	TRY("shared writable mapping", p != MAP_FAILED);
	p = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, PAGE_BYTES);
	TRY("mprotect", p != MAP_FAILED && mprotect(p, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0);
	TRY("MADV_REMOVE", p != MAP_FAILED && madvise(p, PAGE_BYTES, MADV_REMOVE) == 0);
	p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE_BYTES);
	if (p != MAP_FAILED) {
		memset(p, 0, PAGE_BYTES); /* allowed: our own copy */
	}
	TRY("sendfile", lseek(fd, PAGE_BYTES, SEEK_SET) == PAGE_BYTES &&
				sendfile(fd, in.fds[0], NULL, PAGE_BYTES) > 0);
#undef TRY
}

int main(void)
{
	struct iovec iov[2] = { { &in.hdr, sizeof(in.hdr) }, { in.body, sizeof(in.body) } };
	struct proto_hdr hdr;
	struct iovec out[2] = { { &hdr, sizeof(hdr) }, { &failed, sizeof(failed) } };
	size_t n_fds = 0;
	char path[64];
	int fd;

	if (host_sock_recv(PROTO_FD, iov, 2, in.fds, PROTO_FD_COUNT, &n_fds, false) <= 0 ||
	    n_fds == 0) {
		return 1;
	}
	attack(in.fds[0], "by the descriptor:");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in.fds[0]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		attack(fd, "reopened:");
	}
	tried("O_TRUNC", open(path, O_RDWR | O_TRUNC | O_CLOEXEC) >= 0);
	if (failed.text[0] == '\0') {
		snprintf(failed.text, sizeof(failed.text), "nothing worked");
	}
	proto_hdr_init(&hdr, PROTO_FAILED, 0, sizeof(failed));
	return host_sock_send(PROTO_FD, out, 2, NULL, 0, false) < 0;
}

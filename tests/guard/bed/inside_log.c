// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "inside.h"

#define LOG "/dev/pinfold-guard-log"

int inside_log_copy(char **args)
{
	struct pinfold_guard_record records[64];
	FILE *f = fopen(args[0], "we");
	int fd = open(LOG, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || !f) {
		err(1, "%s or %s", LOG, args[0]);
	}
	while ((n = read(fd, records, sizeof(records))) > 0) {
		if ((size_t)n % sizeof(records[0]) || fwrite(records, (size_t)n, 1, f) != 1) {
			errx(1, "read %zd bytes", n);
		}
	}
	if (n < 0 && errno != EAGAIN) {
		err(1, "read");
	}
	return fclose(f) ? 1 : 0;
}

int inside_log_print(char **args)
{
	struct pinfold_guard_record r;
	FILE *f = fopen(args[0], "re");

	if (!f) {
		err(1, "%s", args[0]);
	}
	while (fread(&r, sizeof(r), 1, f) == 1) {
		printf("%" PRIu64 " %" PRIu64 " %u %c %c %u %u %.*s\n", (uint64_t)le64toh(r.seq),
		       (uint64_t)le64toh(r.boot_ns), le16toh(r.kind), r.terminal ? r.terminal : '-',
		       r.channel ? r.channel : '-', le32toh(r.result), le32toh(r.count),
		       PINFOLD_GUARD_TEXT_BYTES, r.text);
	}
	fclose(f);
	return 0;
}

int inside_log_returns(char **args)
{
	uint64_t died_ns[2] = { 0 }, limit_ns = inside_number(args[1], 10) * 1000000,
		 longest_ns = 0;
	unsigned int deaths = 0, back = 0, late = 0;
	struct pinfold_guard_record r;
	FILE *f = fopen(args[0], "re");

	if (!f) {
		err(1, "%s", args[0]);
	}
	while (fread(&r, sizeof(r), 1, f) == 1) {
		uint64_t *died = &died_ns[r.terminal == 'B'], now_ns = le64toh(r.boot_ns);

		if (le16toh(r.kind) == PINFOLD_GUARD_LOG_TERMINAL && strstr(r.text, "died")) {
			deaths += le32toh(r.count);
			*died = now_ns;
		} else if (le16toh(r.kind) == PINFOLD_GUARD_LOG_WAKE && *died) {
			back++;
			late += now_ns - *died > limit_ns;
			longest_ns = now_ns - *died > longest_ns ? now_ns - *died : longest_ns;
			*died = 0;
		}
	}
	fclose(f);
	printf("%u deaths, %u returns, %u later than %s ms, longest %.3f ms\n", deaths, back, late,
	       args[1], (double)longest_ns / 1e6);
	return 0;
}

/* What is wrong with a record in its place; NULL: nothing. The one before is NULL at the beginning of a copy. */
static const char *wrong(const struct pinfold_guard_record *r,
			 const struct pinfold_guard_record *before)
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	if (le32toh(r->magic) != PINFOLD_GUARD_RECORD_MAGIC ||
	    le16toh(r->revision) != PINFOLD_GUARD_REVISION) {
		return "is no record";
	}
	if (le16toh(r->kind) == 0 || le16toh(r->kind) >= PINFOLD_GUARD_LOG_KINDS_END ||
	    le32toh(r->count) == 0) {
		return "has an unknown kind, or stands for nothing";
	}
	crypto_hash_sha256(hash, (const unsigned char *)r,
			   offsetof(struct pinfold_guard_record, hash));
	if (memcmp(hash, r->hash, sizeof(hash)) != 0) {
		return "has another hash";
	}
	if (before && le64toh(r->seq) != le64toh(before->seq) + 1) {
		return "does not have the next number";
	}
	if (before && memcmp(r->prev, before->hash, sizeof(hash)) != 0) {
		return "does not follow the one before";
	}
	return NULL;
}

int inside_log_verify(char **args)
{
	struct pinfold_guard_record r, before;
	FILE *f = fopen(args[0], "re");
	uint64_t count = 0, first = 0;
	size_t n;

	if (!f) {
		err(1, "%s", args[0]);
	}
	while ((n = fread(&r, 1, sizeof(r), f)) == sizeof(r)) {
		const char *why = wrong(&r, count ? &before : NULL);

		if (why) {
			printf("place %" PRIu64 " %s\n", count + 1, why);
			return 1;
		}
		first = count ? first : le64toh(r.seq);
		before = r;
		count++;
	}
	if (n || !count) {
		printf("place %" PRIu64 " ends early\n", count + 1);
		return 1;
	}
	printf("%" PRIu64 " records %" PRIu64 " to %" PRIu64 "\n", count, first,
	       (uint64_t)le64toh(before.seq));
	return 0;
}

/* An attempt that shall be refused. */
static int attempt(const char *name, bool was_refused)
{
	if (!was_refused) {
		printf("%s was not refused\n", name);
	}
	return was_refused ? 0 : 1;
}

static int attempt_open(const char *name, int flags)
{
	char bytes[256] = { 0 };
	int fd = open(LOG, flags | O_CLOEXEC);
	/* Who could open it might still not be able to write. */
	bool was_refused = fd < 0 || write(fd, bytes, sizeof(bytes)) < 0;

	close(fd);
	return attempt(name, was_refused);
}

int inside_log_attack(char **args)
{
	char bytes[256] = { 0 };
	struct iovec v = { bytes, sizeof(bytes) };
	int fd = open(LOG, O_RDONLY | O_NONBLOCK | O_CLOEXEC), failed = 0;

	(void)args;
	if (fd < 0) {
		err(1, LOG);
	}
	failed += attempt_open("open to write", O_WRONLY);
	failed += attempt_open("open to read and write", O_RDWR);
	failed += attempt_open("open to append", O_WRONLY | O_APPEND);
	failed += attempt("write", write(fd, bytes, sizeof(bytes)) < 0);
	failed += attempt("pwrite", pwrite(fd, bytes, sizeof(bytes), 0) < 0);
	failed += attempt("pwritev", pwritev(fd, &v, 1, 0) < 0);
	failed += attempt("ftruncate", ftruncate(fd, 0) < 0);
	failed += attempt("truncate", truncate(LOG, 0) < 0);
	failed += attempt("fallocate",
			  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 256) < 0);
	failed += attempt("mmap to read",
			  mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	failed += attempt("mmap to write",
			  mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	failed += attempt("private mmap",
			  mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	failed += attempt("seek", lseek(fd, 256, SEEK_SET) < 0);
	failed += attempt("read of half a record", read(fd, bytes, 128) < 0);
	for (unsigned int request = 0; request < 0x20; request++) {
		failed += attempt("ioctl",
				  ioctl(fd,
					_IOW(PINFOLD_GUARD_IOCTL, request, struct pinfold_guard_id),
					bytes) < 0);
	}
	printf("%d attempts were not refused\n", failed);
	return failed ? 1 : 0;
}

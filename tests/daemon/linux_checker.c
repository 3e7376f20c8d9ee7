/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that notices when its machine makes a mistake. In the guest it computes without end: a chain of integers and
 * doubles, whose links it prints; memory that must hold what was written to it; a disk that must, too.
 *
 *   linux_checker STREAM [DISK]       prints "check STREAM N LINK" for each round, "WRONG ..." and ends for a mistake
 *   linux_checker --verify FILE...    on another machine: whether all links printed there are right
 *
 * It is built for both machines by test_linux.sh, without contraction of floating-point operations.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAMS	     8
#define STEPS	     500000
#define MEMORY_WORDS (1u << 19)
#define BLOCK_BYTES  65536u
#define BLOCKS	     64u

/* ---- the chain ---- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 32;
	return x + 0x9e3779b97f4a7c15u;
}

static uint64_t link_first(unsigned int stream)
{
	return mix(stream + 1);
}

/* Some of everything that a context holds: integer and floating-point registers, calls, branches. */
static uint64_t link_next(uint64_t link)
{
	double d = (double)(link >> 12) + 1.0;
	uint64_t bits;

	for (int i = 0; i < STEPS; i++) {
		link = link & 1 ? mix(link) : link / ((uint64_t)i + 3) + mix(link);
		if (i % 16 == 0) {
			d = sqrt(d * 1.25 + (double)(link & 0xffff)) / 3.0 + (double)i;
		}
	}
	memcpy(&bits, &d, sizeof(bits));
	return mix(link ^ bits);
}

/* ---- what the guest checks by itself ---- */

static void wrong(const char *what, unsigned int stream, uint64_t n)
{
	printf("WRONG %s: stream %u round %" PRIu64 "\n", what, stream, n);
	fflush(stdout);
	exit(1);
}

static uint32_t word_at(uint32_t i, uint64_t n)
{
	return (uint32_t)mix(i + (n << 20));
}

static void check_memory(uint32_t *memory, unsigned int stream, uint64_t n)
{
	for (uint32_t i = 0; i < MEMORY_WORDS; i++) {
		if (n > 0 && memory[i] != word_at(i, n - 1)) {
			wrong("memory", stream, n);
		}
		memory[i] = word_at(i, n);
	}
}

static void fill_block(uint8_t *block, uint64_t n)
{
	for (uint32_t i = 0; i < BLOCK_BYTES; i += 8) {
		uint64_t v = mix(n * BLOCK_BYTES + i);

		memcpy(block + i, &v, sizeof(v));
	}
}

/* Block N goes to its place around the past caches; the one of the longest ago is read. */
static void check_disk(int fd, uint8_t *block, uint8_t *want, unsigned int stream, uint64_t n)
{
	uint64_t old = n >= BLOCKS - 1 ? n - (BLOCKS - 1) : 0;

	fill_block(block, n);
	if (pwrite(fd, block, BLOCK_BYTES, (off_t)(n % BLOCKS * BLOCK_BYTES)) != BLOCK_BYTES ||
	    (n % 16 == 0 && fsync(fd) < 0)) {
		wrong("disk can't be written", stream, n);
	}
	fill_block(want, old);
	if (pread(fd, block, BLOCK_BYTES, (off_t)(old % BLOCKS * BLOCK_BYTES)) != BLOCK_BYTES ||
	    memcmp(block, want, BLOCK_BYTES) != 0) {
		wrong("disk", stream, n);
	}
}

static int run(unsigned int stream, const char *disk)
{
	uint32_t *memory = calloc(MEMORY_WORDS, sizeof(*memory));
	uint64_t link = link_first(stream);
	void *block, *want;
	int fd = disk ? open(disk, O_RDWR | O_DIRECT) : -1;

	if (!memory || posix_memalign(&block, 4096, BLOCK_BYTES) ||
	    posix_memalign(&want, 4096, BLOCK_BYTES) || (disk && fd < 0)) {
		printf("WRONG start: %s\n", strerror(errno));
		return 1;
	}
	for (uint64_t n = 0;; n++) {
		char line[80];
		int len;

		check_memory(memory, stream, n);
		if (disk) {
			check_disk(fd, block, want, stream, n);
		}
		link = link_next(link);
		len = snprintf(line, sizeof(line), "check %u %" PRIu64 " %016" PRIx64 "\n", stream,
			       n, link);
		if (write(STDOUT_FILENO, line, (size_t)len) != len) {
			return 1;
		}
	}
}

/* ---- the other machine ---- */

static struct {
	uint64_t *links, n, room;
} streams[STREAMS];

static uint64_t link_of(unsigned int stream, uint64_t n)
{
	while (streams[stream].n <= n) {
		uint64_t i = streams[stream].n;

		if (i == streams[stream].room) {
			streams[stream].room = i ? 2 * i : 1024;
			streams[stream].links =
				reallocarray(streams[stream].links, streams[stream].room,
					     sizeof(uint64_t));
			if (!streams[stream].links) {
				abort();
			}
		}
		streams[stream].links[i] =
			link_next(i ? streams[stream].links[i - 1] : link_first(stream));
		streams[stream].n++;
	}
	return streams[stream].links[n];
}

/* Lines that are not ours are the kernel's. The last one may be cut off. */
static bool is_line_right(const char *line)
{
	unsigned int stream;
	uint64_t n, link;
	int end = 0;

	if (strncmp(line, "check ", 6) != 0) {
		return !strstr(line, "WRONG") && !strstr(line, "Oops") && !strstr(line, "BUG:");
	}
	return sscanf(line, "check %u %" SCNu64 " %" SCNx64 "\n%n", &stream, &n, &link, &end) ==
		       3 &&
	       line[end] == '\0' && stream < STREAMS && n < UINT32_MAX &&
	       link_of(stream, n) == link;
}

static int verify(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	unsigned long n = 0;
	int r = 0;

	while (f && getline(&line, &room, f) > 0 && strchr(line, '\n')) {
		char *cr = strchr(line, '\r');

		if (cr) {
			strcpy(cr, "\n");
		}
		n += strncmp(line, "check ", 6) == 0;
		if (!is_line_right(line)) {
			printf("%s: %s", path, line);
			r = 1;
		}
	}
	printf("%s: %lu links\n", path, n);
	return f ? r : 1;
}

int main(int argc, char **argv)
{
	int r = 0;

	if (argc >= 3 && strcmp(argv[1], "--verify") == 0) {
		for (int i = 2; i < argc; i++) {
			r |= verify(argv[i]);
		}
		return r;
	}
	if (argc < 2) {
		return 2;
	}
	return run((unsigned int)strtoul(argv[1], NULL, 10) % STREAMS, argc > 2 ? argv[2] : NULL);
}

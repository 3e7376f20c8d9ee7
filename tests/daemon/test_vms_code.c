/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kept translations under the table of VMs: who gets them, what becomes of damaged ones.
 * Usage: test_vms_code BUILD-DIR [CASE]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "host/timer.h"
#include "unit/test.h"
#include "vms_rig.h"

#define BLOCKS	  6000u
#define OTHER_UID 4712
#define ENDLESS	  7 /* a variant that prints, and goes on for ever */
#define WAIT_NS	  (60 * NS_PER_S)

static struct rig rig;

/* Jumps from block to block, prints ">" and powers off. */
static size_t make_image(uint32_t *to)
{
	static const uint32_t end[] = {
		0x100002b7, /* lui t0, 0x10000 */
		0x03e00313, /* li t1, '>' */
		0x00628023, /* sb t1, 0(t0) */
		0x001002b7, /* lui t0, 0x100 */
		0x00005337, /* lui t1, 0x5 */
		0x55530313, /* addi t1, t1, 0x555 */
		0x0062a023, /* sw t1, 0(t0) */
		0x0000006f, /* j . */
	};

	for (size_t k = 0; k < BLOCKS; k++) {
		to[2 * k] = 0x0080006f;	    /* j over the next */
		to[2 * k + 1] = 0x00000013; /* nop */
	}
	memcpy(to + 2 * (size_t)BLOCKS, end, sizeof(end));
	return (2 * (size_t)BLOCKS) * 4 + sizeof(end);
}

static bool start_guest(uid_t uid, uint32_t variant, char ret_id[VMS_ID_BYTES])
{
	static uint32_t image[2 * BLOCKS + 16];
	int fd = memfd_create("image", MFD_CLOEXEC);
	size_t bytes = make_image(image);
	struct errmsg e = { 0 };
	struct vm_spec spec;
	int r;

	image[1] |= variant << 20; /* addi zero, zero, variant */
	if (variant == ENDLESS) {
		image[2 * (size_t)BLOCKS + 3] = 0x0000006f; /* j . */
	}
	BUG_ON(fd < 0 || write(fd, image, bytes) != (ssize_t)bytes);
	spec_defaults(&spec);
	snprintf(spec.name, sizeof(spec.name), "jumps");
	snprintf(spec.config.board, sizeof(spec.config.board), "virt");
	snprintf(spec.config.engine, sizeof(spec.config.engine), "dbt");
	spec.config.arch = PROTO_ARCH_RV64;
	spec.config.limits.mem_bytes = 16 << 20;
	r = images_put(rig.images, uid, fd, NULL, spec.image, &e);
	close(fd);
	r = r < 0 ? r : vms_create(rig.vms, uid, &spec, ret_id, &e);
	r = r < 0 ? r : vms_start(rig.vms, ret_id, &e);
	if (r < 0) {
		printf("it does not run: %s\n", e.text);
	}
	return r == 0;
}

/* Run the guest to its end. @return translations that it began with; UINT64_MAX: it did not run well */
static uint64_t run_guest(uid_t uid, uint32_t variant)
{
	struct vms_info info = { 0 };
	char id[VMS_ID_BYTES];
	char *text;
	int r;

	if (!start_guest(uid, variant, id)) {
		return UINT64_MAX;
	}
	r = rig_end(&rig, id, &info) == VMS_STOPPED ? 0 : -EIO;
	text = rig_output(&rig, id, NULL);
	CHECK_STR(text, ">");
	free(text);
	vms_remove(rig.vms, id, true, NULL);
	CHECK_INT(r, 0);
	return r < 0 ? UINT64_MAX : info.code_loaded;
}

/* The one file of translations. */
static bool find_file(char *ret)
{
	char dir[256];
	DIR *d;
	const struct dirent *ent;
	bool is_there = false;

	snprintf(dir, sizeof(dir), "%s/translations", rig.state_dir);
	d = opendir(dir);
	while (d && (ent = readdir(d)) != NULL) {
		if (strlen(ent->d_name) == SPEC_HASH_MAX) {
			snprintf(ret, 512, "%s/%s", dir, ent->d_name);
			is_there = true;
		}
	}
	if (d) {
		closedir(d);
	}
	return is_there;
}

/* The trainer is another thread. */
static bool await(bool (*is_so)(char *path), char path[512])
{
	ns_t end_ns = host_clock_monotonic_ns() + WAIT_NS;

	while (!is_so(path)) {
		if (host_clock_monotonic_ns() > end_ns) {
			return false;
		}
		usleep(2000);
	}
	return true;
}

static bool is_gone(char *path)
{
	return access(path, F_OK) < 0;
}

static bool await_file(char ret[512])
{
	return await(find_file, ret);
}

static void reopen(void)
{
	rig_close(&rig, true);
	rig_reopen(&rig);
}

static void test_shared(void)
{
	char path[512];
	struct stat st;

	rig_open(&rig);
	CHECK_INT(run_guest(RIG_UID, 0), 0);
	CHECK(await_file(path));
	CHECK(run_guest(RIG_UID, 0) >= BLOCKS);
	CHECK(run_guest(RIG_UID, 0) >= BLOCKS);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	/* Another user's, and another guest. */
	CHECK_INT(run_guest(OTHER_UID, 0), 0);
	CHECK_INT(run_guest(RIG_UID, 1), 0);
	reopen();
	CHECK(run_guest(RIG_UID, 0) >= BLOCKS);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* Change what is kept while no daemon runs. @param at behind the beginning, or before the end */
static void damage(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	uint8_t byte;

	BUG_ON(fd < 0 || fstat(fd, &st) < 0);
	at = at < 0 ? st.st_size + at : at;
	CHECK(pread(fd, &byte, 1, at) == 1);
	byte ^= 1;
	CHECK(pwrite(fd, &byte, 1, at) == 1);
	close(fd);
}

static void test_damaged(void)
{
	/* head, code, a table, the end, and all parts of the trailer; then too short, and empty */
	static const off_t where[] = { 0, 4096, 1 << 20, -113, -112, -96, -32, -1 };
	char path[512];

	rig_open(&rig);
	CHECK_INT(run_guest(RIG_UID, 0), 0);
	CHECK(await_file(path));
	for (size_t i = 0; i < ARRAY_SIZE(where) + 2; i++) {
		struct stat st;

		rig_close(&rig, true);
		BUG_ON(stat(path, &st) < 0);
		if (i < ARRAY_SIZE(where)) {
			damage(path, where[i]);
		} else {
			CHECK_INT(truncate(path, i == ARRAY_SIZE(where) ? st.st_size - 1 : 0), 0);
		}
		rig_reopen(&rig);
		CHECK_INT(run_guest(RIG_UID, 0), 0);
		/* It was ignored, and is made anew. */
		CHECK(await_file(path));
		CHECK(run_guest(RIG_UID, 0) >= BLOCKS);
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* @return a descriptor of a VM process's that translations are behind, as a path; or "" */
static void find_shared(pid_t pid, char ret[64])
{
	char dir[64];
	char path[96];
	char head[8];
	DIR *d;
	const struct dirent *ent;

	ret[0] = '\0';
	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	while (d && (ent = readdir(d)) != NULL) {
		int fd;

		snprintf(path, sizeof(path), "%s/%.16s", dir, ent->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0 && pread(fd, head, 8, 0) == 8 && memcmp(head, "pinfold ", 8) == 0) {
			snprintf(ret, 64, "%.63s", path);
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	if (d) {
		closedir(d);
	}
}

/* What a VM process has of them nobody can change, whoever has taken it over. */
static void test_unchangeable(void)
{
	struct vms_info info;
	char id[VMS_ID_BYTES];
	char path[512];
	char shared[64];
	int fd;

	rig_open(&rig);
	CHECK(start_guest(RIG_UID, ENDLESS, id));
	CHECK(await_file(path));
	CHECK_INT(vms_kill(rig.vms, id, NULL), 0);
	CHECK_INT(vms_start(rig.vms, id, NULL), 0);
	CHECK_INT(vms_get(rig.vms, id, &info), 0);
	CHECK(info.code_loaded >= BLOCKS);
	find_shared(info.pid, shared);
	CHECK(shared[0]);
	fd = open(shared, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(pwrite(fd, "x", 1, 5000) < 0 && errno == EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(ftruncate(fd, 0) < 0);
	close(fd);
	rig_close(&rig, true);
	rig_remove(&rig);
}

static void test_limits(void)
{
	char path[512];
	char other[512];
	struct stat st;

	rig_open(&rig);
	CHECK_INT(run_guest(RIG_UID, 0), 0);
	CHECK(await_file(path));
	rig_close(&rig, true);
	/* Room for one: the newer stays. */
	BUG_ON(stat(path, &st) < 0);
	rig.o.code_bytes = (uint64_t)st.st_size * 3 / 2;
	rig_reopen(&rig);
	CHECK_INT(run_guest(RIG_UID, 1), 0);
	CHECK(await(is_gone, path));
	CHECK(find_file(other) && strcmp(path, other) != 0);
	rig_close(&rig, true);
	rig.o.code_bytes = 0;
	rig_reopen(&rig);
	CHECK_INT(run_guest(RIG_UID, 1), 0);
	rig_close(&rig, true);
	rig_remove(&rig);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "VMs of one guest and one user share translations, over a restart", test_shared },
		{ "damaged ones are ignored and replaced", test_damaged },
		{ "a VM process can't change them", test_unchangeable },
		{ "they have a limit, and can be off", test_limits },
	};

	return rig_main(argc, argv, &rig, cases, ARRAY_SIZE(cases), test_main);
}

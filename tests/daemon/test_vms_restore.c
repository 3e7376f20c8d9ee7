/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that are made from one snapshot share its pages until they write, whatever becomes of its file.
 * Usage: test_vms_restore BUILD-DIR [CASE]
 *        test_vms_restore BUILD-DIR --bench MIB: times and memory of a guest that uses so much RAM
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
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

#define N_VMS	   8
#define USED_BYTES (32u << 20) /* RAM that the guest fills */
#define HEAD_BYTES (2u << 20)  /* RAM that it does not */

static struct rig rig;

/*
 * Fills memory with a pattern and prints ">"; waits for a byte, compares memory with the pattern,
 * prints "y" or "n" and ends. The last word: how many bytes.
 */
static const uint32_t program[] = {
	0x100002b7, /*    lui t0, 0x10000 */
	0x00000517, /*    auipc a0, 0 */
	0x07852383, /*    lw t2, 120(a0) */
	0x80100437, /*    lui s0, 0x80100 */
	0x02041413, /*    slli s0, s0, 32 */
	0x02045413, /*    srli s0, s0, 32 */
	0x007404b3, /*    add s1, s0, t2 */
	0x00040e13, /*    mv t3, s0 */
	0x01ce3023, /* 1: sd t3, 0(t3) */
	0x040e0e13, /*    addi t3, t3, 64 */
	0xfe9e6ce3, /*    bltu t3, s1, 1b */
	0x03e00313, /*    li t1, '>' */
	0x00628023, /*    sb t1, 0(t0) */
	0x0052c303, /* 2: lbu t1, 5(t0) */
	0x00137313, /*    andi t1, t1, 1 */
	0xfe030ce3, /*    beqz t1, 2b */
	0x0002c303, /*    lbu t1, 0(t0) */
	0x00040e13, /*    mv t3, s0 */
	0x000e3303, /* 3: ld t1, 0(t3) */
	0x01c31a63, /*    bne t1, t3, 4f */
	0x040e0e13, /*    addi t3, t3, 64 */
	0xfe9e6ae3, /*    bltu t3, s1, 3b */
	0x07900313, /*    li t1, 'y' */
	0x0080006f, /*    j 5f */
	0x06e00313, /* 4: li t1, 'n' */
	0x00628023, /* 5: sb t1, 0(t0) */
	0x001002b7, /*    lui t0, 0x100 */
	0x00005337, /*    lui t1, 0x5 */
	0x55530313, /*    addi t1, t1, 0x555 */
	0x0062a023, /*    sw t1, 0(t0) */
	0x0000006f, /*    j . */
	0x00000000, /* w: bytes */
};

static bool run_filler(uint32_t bytes, char ret_id[VMS_ID_BYTES])
{
	uint32_t image[sizeof(program) / sizeof(program[0])];
	int fd = memfd_create("filler", MFD_CLOEXEC);
	struct errmsg e = { 0 };
	struct vm_spec spec;
	int r;

	memcpy(image, program, sizeof(image));
	image[sizeof(image) / sizeof(image[0]) - 1] = bytes;
	BUG_ON(fd < 0 || write(fd, image, sizeof(image)) != sizeof(image));
	spec_defaults(&spec);
	strcpy(spec.name, "filler");
	strcpy(spec.config.engine, "unicorn");
	spec.config.arch = PROTO_ARCH_RV64;
	spec.config.limits.mem_bytes = bytes + HEAD_BYTES;
	r = images_put(rig.images, 0, fd, NULL, spec.image, &e);
	close(fd);
	r = r < 0 ? r : vms_create(rig.vms, 0, &spec, ret_id, &e);
	r = r < 0 ? r : vms_start(rig.vms, ret_id, &e);
	CHECK_STR(e.text, "");
	if (r == 0) {
		free(rig_output(&rig, ret_id, ">"));
	}
	return r == 0;
}

/* The context of a VM becomes an image. */
static bool snapshot(const char *id, char ret_hash[SPEC_HASH_MAX + 1])
{
	int fd = memfd_create("context", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int disks[PROTO_DISKS_MAX];
	struct errmsg e = { 0 };
	int r = vms_save(rig.vms, id, fd, disks, &e);

	r = r < 0 ? r : images_put(rig.images, 0, fd, NULL, ret_hash, &e);
	close(fd);
	CHECK_STR(e.text, "");
	return r == 0;
}

static bool restore(const char *name, const char *hash, uint32_t bytes, char ret_id[VMS_ID_BYTES])
{
	struct errmsg e = { 0 };
	struct vm_spec spec;
	int r;

	spec_defaults(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	snprintf(spec.context, sizeof(spec.context), "%s", hash);
	strcpy(spec.config.engine, "unicorn");
	spec.config.arch = PROTO_ARCH_RV64;
	spec.config.limits.mem_bytes = bytes + HEAD_BYTES;
	r = vms_create(rig.vms, 0, &spec, ret_id, &e);
	r = r < 0 ? r : vms_start(rig.vms, ret_id, &e);
	CHECK_STR(e.text, "");
	return r == 0;
}

/* A line of /proc/PID/smaps_rollup, in bytes. */
static uint64_t memory_of(const char *id, const char *what)
{
	char line[200], path[64];
	struct vms_info i;
	uint64_t kib = 0;
	FILE *f;

	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", i.pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, what, strlen(what)) == 0) {
			kib = strtoull(line + strlen(what), NULL, 10);
		}
	}
	if (f) {
		fclose(f);
	}
	return kib << 10;
}

/* Its memory is as it was. */
static void check_whole(const char *id)
{
	struct vms_info i;
	char *out;

	CHECK_INT(vms_console_write(rig.vms, id, (const uint8_t *)"x", 1, NULL), 1);
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	out = rig_output(&rig, id, NULL);
	CHECK_STR(out, "y");
	free(out);
}

/* Snapshot of a filler, and the filler is gone. */
static bool prepare(uint32_t bytes, char ret_hash[SPEC_HASH_MAX + 1])
{
	char id[VMS_ID_BYTES];

	if (!run_filler(bytes, id) || !snapshot(id, ret_hash)) {
		return false;
	}
	CHECK_INT(vms_remove(rig.vms, id, true, NULL), 0);
	return true;
}

static void pages_are_shared(void)
{
	char hash[SPEC_HASH_MAX + 1], id[N_VMS][VMS_ID_BYTES], name[16];

	rig_open(&rig);
	if (prepare(USED_BYTES, hash)) {
		for (int k = 0; k < N_VMS; k++) {
			snprintf(name, sizeof(name), "vm%d", k);
			if (!restore(name, hash, USED_BYTES, id[k])) {
				return;
			}
		}
		for (int k = 0; k < N_VMS; k++) {
			CHECK(memory_of(id[k], "Private_Dirty:") < USED_BYTES / 2);
		}
		for (int k = 0; k < N_VMS; k++) {
			check_whole(id[k]);
		}
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* Its owner changes and shortens the file while VMs run from it. */
static void file_is_changed(void)
{
	char hash[SPEC_HASH_MAX + 1], id[2][VMS_ID_BYTES], path[IMAGES_PATH_BYTES];
	char junk[4096];
	int fd;

	memset(junk, 0x55, sizeof(junk));
	rig_open(&rig);
	if (prepare(USED_BYTES, hash) && restore("a", hash, USED_BYTES, id[0]) &&
	    restore("b", hash, USED_BYTES, id[1])) {
		images_path(rig.images, hash, path);
		fd = open(path, O_RDWR | O_CLOEXEC);
		CHECK(fd >= 0 || chmod(path, 0600) == 0);
		fd = fd >= 0 ? fd : open(path, O_RDWR | O_CLOEXEC);
		for (off_t at = 0; at < (off_t)USED_BYTES; at += (off_t)sizeof(junk)) {
			CHECK_INT(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
		}
		check_whole(id[0]);
		CHECK_INT(ftruncate(fd, 100), 0);
		close(fd);
		check_whole(id[1]);
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* A snapshot of a VM that was restored holds what it shares and what it wrote. */
static void restored_twice(void)
{
	char first[SPEC_HASH_MAX + 1], second[SPEC_HASH_MAX + 1], id[2][VMS_ID_BYTES];

	rig_open(&rig);
	if (prepare(USED_BYTES, first) && restore("a", first, USED_BYTES, id[0]) &&
	    snapshot(id[0], second) && restore("b", second, USED_BYTES, id[1])) {
		check_whole(id[1]);
		check_whole(id[0]);
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* The daemon goes and comes back: the pages stay. */
static void daemon_restarts(void)
{
	char hash[SPEC_HASH_MAX + 1], id[2][VMS_ID_BYTES];

	rig_open(&rig);
	if (prepare(USED_BYTES, hash) && restore("a", hash, USED_BYTES, id[0])) {
		rig_close(&rig, false);
		rig_reopen(&rig);
		CHECK(restore("b", hash, USED_BYTES, id[1]));
		check_whole(id[0]);
		check_whole(id[1]);
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

static void bench(uint32_t mib)
{
	char hash[SPEC_HASH_MAX + 1], id[N_VMS][VMS_ID_BYTES], name[16];
	uint32_t bytes = mib << 20;
	uint64_t pss = 0;

	rig_open(&rig);
	if (!prepare(bytes, hash)) {
		return;
	}
	printf("snapshot of a guest with %u MiB of RAM in use, restored %d times\n\n", mib, N_VMS);
	printf("VM  start (ms)  resident (MiB)  private (MiB)\n");
	for (int k = 0; k < N_VMS; k++) {
		ns_t from_ns = host_clock_monotonic_ns();

		snprintf(name, sizeof(name), "vm%d", k);
		if (!restore(name, hash, bytes, id[k])) {
			return;
		}
		printf("%2d  %10.1f  %14" PRIu64 "  %13" PRIu64 "\n", k + 1,
		       (double)(host_clock_monotonic_ns() - from_ns) / NS_PER_MS,
		       memory_of(id[k], "Rss:") >> 20, memory_of(id[k], "Private_Dirty:") >> 20);
	}
	for (int k = 0; k < N_VMS; k++) {
		pss += memory_of(id[k], "Pss:");
	}
	printf("\nproportional set sizes together: %" PRIu64 " MiB\n", pss >> 20);
	rig_close(&rig, true);
	rig_remove(&rig);
}

static const struct test_case cases[] = {
	{ "pages are shared", pages_are_shared },
	{ "the file is changed", file_is_changed },
	{ "restored twice", restored_twice },
	{ "the daemon restarts", daemon_restarts },
};

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[2], "--bench") == 0) {
		rig_init(argv[1]);
		bench((uint32_t)atoi(argv[3]));
		return test_failures || rig_failures ? 1 : 0;
	}
	return rig_main(argc, argv, &rig, cases, ARRAY_SIZE(cases), test_main);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the scheduler has counted of the runs that go on, so that another daemon counts on from there:
 * run_dir/counts, a mapped file with one entry per slot. Whatever is shown is written there, and the
 * audit looks at all VMs, so a daemon that is killed takes along what nobody has seen and what
 * is younger than an audit. CPU time is not here: the kernel knows it.
 *
 * The file is as private as the folder. Its numbers are shown and decide nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"

#define COUNTS_MAGIC	0x544e4350u /* "PCNT" */
#define COUNTS_REVISION 1u

/** One run. The fields may be a moment apart. */
struct entry {
	_Atomic uint64_t run; /**< row of the history; 0: none */
	_Atomic uint64_t wait_ns, slices;
};

struct vms_counts {
	uint32_t magic, revision;
	uint32_t n_slots, pad;
	struct entry slot[];
};

static size_t file_bytes(const struct vms *v)
{
	return sizeof(struct vms_counts) + v->o.max_vms * sizeof(struct entry);
}

/* Open and give it its room, which is there before anybody writes into the mapping. */
static int open_file(const struct vms *v)
{
	_cleanup_close_ int fd = -1;
	char path[VMS_PATH_BYTES];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%s/counts", v->o.run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return -errno;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0777) != 0600) {
		return -EPERM;
	}
	/* Of another size it is of other slots. */
	if (st.st_size != (off_t)file_bytes(v) && ftruncate(fd, 0) < 0) {
		return -errno;
	}
	r = -posix_fallocate(fd, 0, (off_t)file_bytes(v));
	return r < 0 ? r : steal_fd(&fd);
}

void vms_counts_open(struct vms *v)
{
	_cleanup_close_ int fd = open_file(v);
	struct vms_counts *c = MAP_FAILED;

	if (fd >= 0) {
		c = mmap(NULL, file_bytes(v), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (c == MAP_FAILED) {
		log_warn("slices of running VMs will be counted anew after a restart error=\"%s\"",
			 strerror(fd < 0 ? -fd : errno));
		return;
	}
	if (c->magic != COUNTS_MAGIC || c->revision != COUNTS_REVISION ||
	    c->n_slots != v->o.max_vms) {
		memset(c, 0, file_bytes(v));
		c->magic = COUNTS_MAGIC;
		c->revision = COUNTS_REVISION;
		c->n_slots = v->o.max_vms;
	}
	v->counts = c;
}

void vms_counts_close(struct vms *v)
{
	if (v->counts) {
		munmap(v->counts, file_bytes(v));
		v->counts = NULL;
	}
}

void vms_counts_put(const struct vms *v, const struct vms_vm *vm, uint64_t wait_ns, uint64_t slices)
{
	struct entry *to;

	if (v->counts && vm->slot < v->o.max_vms) {
		to = &v->counts->slot[vm->slot];
		atomic_store_explicit(&to->wait_ns, wait_ns, memory_order_relaxed);
		atomic_store_explicit(&to->slices, slices, memory_order_relaxed);
		atomic_store_explicit(&to->run, vm->run, memory_order_relaxed);
	}
}

/* Leaves half the room for what is yet to come. */
static uint64_t sane(uint64_t count)
{
	return count <= STORE_NONE / 2 ? count : 0;
}

void vms_counts_get(const struct vms *v, struct vms_vm *vm)
{
	const struct entry *from;

	if (v->counts && vm->slot < v->o.max_vms) {
		from = &v->counts->slot[vm->slot];
		if (atomic_load(&from->run) == vm->run) {
			vm->wait_ns = sane(atomic_load(&from->wait_ns));
			vm->slices = sane(atomic_load(&from->slices));
		}
	}
}

static int visit_none(void *arg, const struct vms_info *i)
{
	(void)arg;
	(void)i;
	return 0;
}

void vms_counts_sync(struct vms *v)
{
	if (v->counts) {
		(void)vms_each(v, visit_none, NULL);
	}
}

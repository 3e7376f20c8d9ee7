/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory of a VM process; see memory.h.
 *
 *   segment:        |.....page.....|.....page.....|...tail   bss      |
 *   in the file:    congruent to the page -> mapped       copied  zeroed
 */
#include "vm/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/map.h"

int vm_memory_init(struct vm_memory *vmm, const struct machine_want *wants, size_t n,
		   bool is_shared, struct errmsg *e)
{
	int r;

	BUG_ON(n > MACHINE_WANTS_MAX);
	vmm->map = mem_new();
	if (!vmm->map) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++) {
		struct vm_backing *b = &vmm->backings[i];
		struct mem_region region = {
			.base_gpa = wants[i].base_gpa,
			.size_bytes = wants[i].size_bytes,
			.perm = wants[i].perm,
			.name = wants[i].name,
		};

		b->fd = -1;
		r = is_shared ? host_map_shared_ram(wants[i].size_bytes, &b->hva, &b->fd, e)
			      : host_map_ram(wants[i].size_bytes, &b->hva, e);
		if (r < 0) {
			errmsg_prefix(e, "guest memory '%s': ", wants[i].name);
			return r;
		}
		b->want = wants[i];
		vmm->n_backings++;
		region.hva = b->hva;
		region.has_file = is_shared;
		region.fd = b->fd;
		r = mem_region_add(vmm->map, &region, e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void vm_memory_done(struct vm_memory *vmm)
{
	for (size_t i = 0; i < vmm->n_backings; i++) {
		host_map_free(vmm->backings[i].hva, vmm->backings[i].want.size_bytes);
		if (vmm->backings[i].fd >= 0) {
			close(vmm->backings[i].fd);
		}
	}
	mem_free(vmm->map);
	memset(vmm, 0, sizeof(*vmm));
}

static const struct vm_backing *backing_of(const struct vm_memory *vmm, gpa_t gpa, uint64_t bytes)
{
	for (size_t i = 0; i < vmm->n_backings; i++) {
		const struct machine_want *w = &vmm->backings[i].want;

		if (range_within(gpa, bytes, w->base_gpa, w->size_bytes)) {
			return &vmm->backings[i];
		}
	}
	return NULL;
}

bool vm_memory_has(const struct vm_memory *vmm, gpa_t gpa, uint64_t bytes)
{
	return bytes && backing_of(vmm, gpa, bytes);
}

/*
 * Map the whole pages of a segment's file part, if file offset and address agree modulo the page.
 * Reports which part is done; the caller copies the rest.
 */
static int map_pages(const struct image_seg *seg, uint8_t *hva, int fd, gpa_t *ret_from,
		     uint64_t *ret_bytes, struct errmsg *e)
{
	uint64_t skip = (PAGE_BYTES - seg->gpa % PAGE_BYTES) % PAGE_BYTES;
	uint64_t bytes;
	int r;

	*ret_from = seg->gpa;
	*ret_bytes = 0;
	if (fd < 0 || seg->gpa % PAGE_BYTES != seg->file_off % PAGE_BYTES ||
	    seg->file_bytes < skip) {
		return 0;
	}
	bytes = align_down(seg->file_bytes - skip, PAGE_BYTES);
	if (bytes == 0) {
		return 0;
	}
	/* Always writable for us: a private page that two segments share is written by the
	 * loader, and the guest's own permission is enforced by the engine and the map. */
	r = host_map_file(hva + skip, bytes, fd, seg->file_off + skip, true, e);
	if (r < 0) {
		return r;
	}
	*ret_from = seg->gpa + skip;
	*ret_bytes = bytes;
	return 0;
}

static int refuse_segment(const struct vm_memory *vmm, enum image_kind kind,
			  const struct image_seg *seg, struct errmsg *e)
{
	const struct machine_want *ram = &vmm->backings[0].want;

	return errmsg_set(e, -EINVAL,
			  "the image wants 0x%" PRIx64 " bytes at 0x%" PRIx64
			  ", but RAM is 0x%" PRIx64 " to 0x%" PRIx64 "; %s",
			  seg->mem_bytes, seg->gpa, ram->base_gpa,
			  ram->base_gpa + ram->size_bytes - 1,
			  kind == IMAGE_FLAT	? "change --load or --mem"
			  : kind == IMAGE_LINUX ? "use a larger --mem"
						: "link it there, or change --mem");
}

static int load_segment(struct vm_memory *vmm, enum image_kind kind, const struct image_seg *seg,
			int fd, const uint8_t *bytes, struct errmsg *e)
{
	const struct vm_backing *b = backing_of(vmm, seg->gpa, seg->mem_bytes);
	const uint8_t *from = bytes + seg->file_off;
	gpa_t mapped_gpa;
	uint64_t mapped_bytes;
	uint64_t head;
	uint64_t tail_at;
	uint8_t *hva;
	int r;

	if (!b) {
		return refuse_segment(vmm, kind, seg, e);
	}
	hva = b->hva + (seg->gpa - b->want.base_gpa);
	r = map_pages(seg, hva, b->fd < 0 ? fd : -1, &mapped_gpa, &mapped_bytes, e);
	if (r < 0) {
		return r;
	}
	head = mapped_gpa - seg->gpa;
	tail_at = head + mapped_bytes;
	memcpy(hva, from, head);
	memcpy(hva + tail_at, from + tail_at, seg->file_bytes - tail_at);
	return 0; /* bss: the reservation is zero already */
}

/* Two segments may share a page: it gets what either needs. */
static uint32_t page_perm(const struct image_plan *plan, gpa_t page)
{
	uint32_t perm = 0;

	for (size_t i = 0; i < plan->n_segs; i++) {
		const struct image_seg *s = &plan->segs[i];

		if (range_overlaps(page, PAGE_BYTES, s->gpa, s->mem_bytes)) {
			perm |= s->perm;
		}
	}
	return perm;
}

static int protect_range(struct vm_memory *vmm, gpa_t from, gpa_t to, uint32_t perm,
			 struct errmsg *e)
{
	return from < to ? mem_region_protect(vmm->map, from, to - from, perm, e) : 0;
}

/* A segment's first and last page may be shared with others; all pages between have its own. */
static int protect_segment(struct vm_memory *vmm, const struct image_plan *plan,
			   const struct image_seg *s, struct errmsg *e)
{
	gpa_t first = align_down(s->gpa, PAGE_BYTES);
	gpa_t last = align_down(s->gpa + s->mem_bytes - 1, PAGE_BYTES);
	int r;

	r = protect_range(vmm, first, first + PAGE_BYTES, page_perm(plan, first), e);
	if (r == 0) {
		r = protect_range(vmm, first + PAGE_BYTES, last, s->perm, e);
	}
	if (r == 0) {
		r = protect_range(vmm, last, last + PAGE_BYTES, page_perm(plan, last), e);
	}
	return r;
}

int vm_memory_load(struct vm_memory *vmm, const struct image_plan *plan, int fd,
		   const uint8_t *bytes, struct errmsg *e)
{
	int r;

	if (plan->decoded) { /* nothing of it lies in the file as it is */
		fd = -1;
		bytes = plan->decoded;
	}
	for (size_t i = 0; i < plan->n_segs; i++) {
		r = load_segment(vmm, plan->kind, &plan->segs[i], fd, bytes, e);
		if (r < 0) {
			return r;
		}
	}
	for (size_t i = 0; i < plan->n_segs; i++) {
		r = protect_segment(vmm, plan, &plan->segs[i], e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int vm_memory_clear(struct vm_memory *vmm, struct errmsg *e)
{
	int r = 0;

	for (size_t i = 0; i < vmm->n_backings && r == 0; i++) {
		const struct vm_backing *b = &vmm->backings[i];

		r = b->fd >= 0 ? host_map_shared_clear(b->hva, b->want.size_bytes, e)
			       : host_map_clear(b->hva, b->want.size_bytes, e);
	}
	return r;
}

int vm_memory_view(struct vm_memory *vmm, gpa_t gpa, uint64_t bytes, int fd, uint64_t offset)
{
	const struct vm_backing *b = backing_of(vmm, gpa, bytes);

	if (!b) {
		return -ENOENT;
	}
	/* A private view would be seen here, and not where the engine has mapped the memory file. */
	return b->fd >= 0 ? -ENOTSUP
			  : host_map_file(b->hva + (gpa - b->want.base_gpa), bytes, fd, offset,
					  true, NULL);
}

int vm_memory_load_file(struct vm_memory *vmm, gpa_t gpa, int fd, uint64_t bytes, struct errmsg *e)
{
	const struct vm_backing *b = backing_of(vmm, gpa, bytes);
	uint64_t done = 0;

	if (!b) {
		return errmsg_set(e, -EINVAL,
				  "there is no memory for 0x%" PRIx64 " bytes at 0x%" PRIx64, bytes,
				  gpa);
	}
	while (done < bytes) {
		ssize_t n = pread(fd, b->hva + (gpa - b->want.base_gpa) + done, bytes - done,
				  (off_t)done);

		if (n == 0 || (n < 0 && errno != EINTR)) {
			return errmsg_set(e, n < 0 ? -errno : -EIO, "the file can't be read");
		}
		done += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

size_t vm_memory_poke(struct vm_memory *vmm, gpa_t gpa, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	size_t done = 0;

	while (done < len) {
		const struct vm_backing *b = backing_of(vmm, gpa + done, 1);
		uint64_t left;
		size_t step;

		if (!b) {
			break;
		}
		left = b->want.size_bytes - (gpa + done - b->want.base_gpa);
		step = left < len - done ? (size_t)left : len - done;
		memcpy(b->hva + (gpa + done - b->want.base_gpa), from + done, step);
		done += step;
	}
	return done;
}

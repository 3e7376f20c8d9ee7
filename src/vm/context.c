/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saving a VM's context and loading it into another VM of the same architecture, board and RAM,
 * on any engine. Everything is checked before anything changes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "host/fd.h"
#include "vm/context_file.h"
#include "vm/vm_internal.h"

/* Shorter runs of pages are copied; a process may have 65,530 mappings (vm.max_map_count). */
#define VIEW_PAGES_MIN 8
#define VIEWS_MAX      8192

static bool is_zero_page(const uint8_t *p)
{
	return p[0] == 0 && memcmp(p, p + 1, PAGE_BYTES - 1) == 0;
}

static void save_pages(struct vm *vm, struct context_writer *w)
{
	for (size_t i = 0; i < mem_region_count(vm->memory.map); i++) {
		const struct mem_region *r = mem_region_at(vm->memory.map, i);

		for (uint64_t off = 0; off < r->size_bytes; off += PAGE_BYTES) {
			if (!is_zero_page(r->hva + off)) {
				context_writer_page(w, r->base_gpa + off, r->hva + off);
			}
		}
	}
}

/* What a context says about the VM that it is of. */
static uint32_t board_flags(const struct vm *vm)
{
	return vm_mode_flags(vm->mode) | (vm->has_sbi ? (uint32_t)CONTEXT_FLAG_SBI : 0) |
	       (vm->n_harts - 1) << CONTEXT_CPUS_SHIFT;
}

/* The state of devices and harts. @param ret for free() */
static int save_devices(struct vm *vm, size_t bytes, uint8_t **ret, struct errmsg *e)
{
	uint8_t *devices = calloc(1, bytes + 1);
	int r;

	if (!devices) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	machine_state_save(vm->machine, devices);
	r = harts_state_save(vm, devices + machine_state_bytes(vm->machine), e);
	if (r < 0) {
		free(devices);
		return r;
	}
	*ret = devices;
	return 0;
}

int vm_context_save(struct vm *vm, int fd, struct errmsg *e)
{
	struct context_head head = {
		.magic = CONTEXT_MAGIC,
		.version = CONTEXT_VERSION,
		.arch = (uint32_t)vm->arch->id,
		.flags = board_flags(vm),
		.n_regions = (uint32_t)mem_region_count(vm->memory.map),
		.ram_bytes = vm->ram_bytes,
		.state_bytes = vm->arch->state_bytes,
		.device_bytes = machine_state_bytes(vm->machine) + harts_state_bytes(vm),
		.insns = vm->insns,
	};
	_cleanup_free_ uint8_t *devices = NULL;
	struct cpu_state cs = { 0 };
	struct context_writer *w;
	int r;

	/* What the disks still do to guest memory belongs into the context. */
	r = disks_settle(&vm->disks, e);
	disks_collect(&vm->disks, vm->machine);
	r = r < 0 ? r : vm->eng->ops->get_state(vm->eng, &cs, e);
	r = r < 0 ? r : save_devices(vm, head.device_bytes, &devices, e);
	if (r < 0) {
		return r;
	}
	w = context_writer_new(fd);
	if (!w) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	memcpy(head.board, vm->cfg.board, sizeof(head.board));
	context_writer_add(w, &head, sizeof(head));
	context_writer_add(w, cs.bytes, head.state_bytes);
	context_writer_add(w, devices, head.device_bytes);
	for (uint32_t i = 0; i < head.n_regions; i++) {
		const struct mem_region *m = mem_region_at(vm->memory.map, i);
		struct context_region cr = { m->base_gpa, m->size_bytes, m->perm };

		context_writer_add(w, &cr, sizeof(cr));
	}
	save_pages(vm, w);
	return context_writer_finish(w, e);
}

static int check_fits(const struct vm *vm, const struct context_view *v, struct errmsg *e)
{
	const struct context_head *h = &v->head;
	const struct cpu_arch *theirs = cpu_arch_by_id((enum cpu_arch_id)h->arch);

	if (theirs != vm->arch) {
		return errmsg_set(e, -EINVAL, "the context is of a %s guest, this VM is %s",
				  theirs->title, vm->arch->title);
	}
	if (strcmp(h->board, vm->cfg.board) != 0) {
		return errmsg_set(e, -EINVAL,
				  "the context is of board '%s', this VM has board '%s'", h->board,
				  vm->cfg.board);
	}
	if (h->flags >> CONTEXT_CPUS_SHIFT != vm->n_harts - 1) {
		return errmsg_set(e, -EINVAL,
				  "the context has %u CPUs, this VM has %u; use --smp %u",
				  (h->flags >> CONTEXT_CPUS_SHIFT) + 1, vm->n_harts,
				  (h->flags >> CONTEXT_CPUS_SHIFT) + 1);
	}
	if ((h->flags ^ board_flags(vm)) & CONTEXT_FLAG_SBI) {
		return errmsg_set(
			e, -EINVAL,
			"the context is of a guest %s firmware of its own, this VM is not",
			h->flags & CONTEXT_FLAG_SBI ? "without" : "with");
	}
	if ((h->flags ^ board_flags(vm)) & ~(uint32_t)PROTO_CFG_THUMB) {
		return errmsg_set(e, -EINVAL,
				  "the context was made with another --mode or --endian");
	}
	if (h->ram_bytes != vm->ram_bytes) {
		return errmsg_set(e, -EINVAL,
				  "the context has 0x%" PRIx64 " bytes of RAM, this VM 0x%" PRIx64
				  "; use --mem 0x%" PRIx64,
				  h->ram_bytes, vm->ram_bytes, h->ram_bytes);
	}
	return 0;
}

/* All regions and pages must lie in memory that this VM has. */
static int check_places(const struct vm *vm, const struct context_view *v, struct errmsg *e)
{
	for (uint32_t i = 0; i < v->head.n_regions; i++) {
		struct context_region r = context_region_at(v, i);

		if (r.perm & ~(uint64_t)MEM_RWX ||
		    !vm_memory_has(&vm->memory, r.base_gpa, r.size_bytes)) {
			return errmsg_set(e, -EINVAL,
					  "the context has memory at 0x%" PRIx64
					  ", which this VM has not",
					  r.base_gpa);
		}
	}
	for (uint64_t i = 0; i < v->n_pages; i++) {
		if (!vm_memory_has(&vm->memory, context_page_gpa(v, i), PAGE_BYTES)) {
			return errmsg_set(e, -EINVAL,
					  "the context has a page at 0x%" PRIx64
					  ", where this VM has no memory",
					  context_page_gpa(v, i));
		}
	}
	return 0;
}

/* Memory has the permissions of the context, and the CPUs have it. */
static int map_all(struct vm *vm, const struct context_view *v, struct errmsg *e)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < v->head.n_regions; i++) {
		struct context_region cr = context_region_at(v, i);

		r = mem_region_protect(vm->memory.map, cr.base_gpa, cr.size_bytes,
				       (uint32_t)cr.perm, e);
	}
	return r < 0 ? r : harts_map_memory(vm, e);
}

/* How many pages from @p idx on lie side by side in memory, as they do in the file. */
static uint64_t run_of(const struct vm *vm, const struct context_view *v, uint64_t idx)
{
	gpa_t gpa = context_page_gpa(v, idx);
	uint64_t n = 1;

	while (idx + n < v->n_pages && context_page_gpa(v, idx + n) == gpa + n * PAGE_BYTES &&
	       vm_memory_has(&vm->memory, gpa, (n + 1) * PAGE_BYTES)) {
		n++;
	}
	return n;
}

/*
 * Bring memory to the context's contents. Runs of pages become private views of the sealed file, so
 * that all VMs that load it share them until they write; scattered ones are copied, because each view
 * is one of the mappings that a process may have.
 */
static int replace_pages(struct vm *vm, const struct context_view *v, int fd, struct errmsg *e)
{
	unsigned int n_views = 0;
	uint64_t n;
	int r;

	r = vm_memory_clear(&vm->memory, e);
	for (uint64_t i = 0; r == 0 && i < v->n_pages; i += n) {
		gpa_t gpa = context_page_gpa(v, i);

		n = run_of(vm, v, i);
		if (v->pages_off && n >= VIEW_PAGES_MIN && n_views < VIEWS_MAX &&
		    vm_memory_view(&vm->memory, gpa, n * PAGE_BYTES, fd,
				   v->pages_off + i * PAGE_BYTES) == 0) {
			n_views++;
			continue;
		}
		for (uint64_t k = 0; k < n; k++) {
			vm_memory_poke(&vm->memory, gpa + k * PAGE_BYTES,
				       context_page_bytes(v, i + k), PAGE_BYTES);
		}
	}
	return r;
}

static int load(struct vm *vm, const struct context_view *v, int fd, struct errmsg *e)
{
	struct cpu_state cs = { .arch = vm->arch->id };
	struct cpu_state old = { 0 };
	int r;

	r = check_fits(vm, v, e);
	if (r == 0) {
		r = check_places(vm, v, e);
	}
	if (r == 0) {
		r = vm->eng->ops->get_state(vm->eng, &old, e);
	}
	if (r < 0) {
		return r;
	}
	/* The engine is the judge of a CPU state, the devices are of theirs: ask them first. */
	memcpy(cs.bytes, v->state, v->head.state_bytes);
	r = vm->eng->ops->set_state(vm->eng, &cs, e);
	if (r < 0) {
		errmsg_prefix(e, "the context's CPU state is refused: ");
		return r;
	}
	r = v->head.device_bytes < harts_state_bytes(vm)
		    ? errmsg_set(e, -EINVAL, "the devices' state is for another board")
		    : machine_state_load(vm->machine, v->devices,
					 v->head.device_bytes - harts_state_bytes(vm), e);
	if (r < 0) {
		vm->eng->ops->set_state(vm->eng, &old, NULL);
		return r;
	}
	r = harts_unmap_memory(vm, e);
	r = r < 0 ? r : replace_pages(vm, v, fd, e);
	r = r < 0 ? r : map_all(vm, v, e);
	if (r < 0) {
		return r;
	}
	vm->insns = v->head.insns;
	/* Tables in memory (segments, pages) have changed: give the state again. */
	r = vm->eng->ops->set_state(vm->eng, &cs, e);
	r = r < 0 ? r : harts_state_load(vm, v->devices + machine_state_bytes(vm->machine), e);
	atomic_store(&vm->has_news, vm->is_system); /* what devices had under way begins anew */
	return r;
}

/* A checked view of a context file, mapped while fn works on it. */
static int with_context(struct vm *vm, int fd, bool is_summed,
			int (*fn)(struct vm *, const struct context_view *, int, struct errmsg *),
			struct errmsg *e)
{
	struct context_view v;
	uint64_t size;
	void *bytes;
	int r;

	r = host_fd_check_sealed(fd, &size);
	if (r < 0) {
		return errmsg_set(e, r, "the context descriptor is not a sealed memory file");
	}
	bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED) {
		return errmsg_set(e, -errno, "the context can't be mapped: %s", strerror(errno));
	}
	r = context_parse(bytes, size, is_summed, &v, e);
	if (r == 0) {
		r = fn(vm, &v, fd, e);
	}
	munmap(bytes, size);
	return r;
}

int vm_context_load(struct vm *vm, int fd, bool is_summed, struct errmsg *e)
{
	return with_context(vm, fd, is_summed, load, e);
}

/* What was asked for stays: a contradiction is found when the context is loaded. */
static int settle(struct vm *vm, const struct context_view *v, int fd, struct errmsg *e)
{
	(void)fd;
	(void)e;
	if (vm->cfg.arch == 0) {
		vm->cfg.arch = v->head.arch;
		vm->cfg.flags |=
			v->head.flags & (PROTO_CFG_16BIT | PROTO_CFG_BIG_ENDIAN | PROTO_CFG_THUMB);
	}
	vm->has_sbi = v->head.flags & CONTEXT_FLAG_SBI;
	vm->cfg.n_cpus = (v->head.flags >> CONTEXT_CPUS_SHIFT) + 1;
	if (vm->cfg.n_cpus > PROTO_CPUS_MAX) {
		return errmsg_set(e, -EINVAL, "the context has %u CPUs; %u are the most",
				  vm->cfg.n_cpus, PROTO_CPUS_MAX);
	}
	memcpy(vm->cfg.board, v->head.board, sizeof(vm->cfg.board));
	if (vm->cfg.limits.mem_bytes == 0) {
		vm->cfg.limits.mem_bytes = v->head.ram_bytes;
	}
	return 0;
}

int vm_context_settle(struct vm *vm, int fd, struct errmsg *e)
{
	int r = with_context(vm, fd, vm->cfg.flags & PROTO_CFG_CONTEXT_SUMMED, settle, e);

	vm->is_context_summed = r == 0; /* the file is sealed: once is enough */
	return r;
}

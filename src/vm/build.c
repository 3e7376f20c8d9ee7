/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a VM in steps, each of which can fail with one sentence:
 *
 *   image -> architecture -> engine -> board -> memory -> image into memory -> registers
 *
 * The image is hostile: it is parsed here, inside the process that will be jailed with it.
 */
#include "vm/build.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bug.h"
#include "dev/plugin.h"
#include "host/fd.h"
#include "vm/vm_internal.h"

#define HEX_BYTES_MAX (64 * BIT(20))

/* The image while the VM is made. */
struct loading {
	struct image_plan plan;
	bool has_image;
	const uint8_t *bytes;
	uint64_t size;
};

static void loading_done(struct loading *l)
{
	image_plan_done(&l->plan);
	if (l->bytes) {
		munmap((void *)(uintptr_t)l->bytes, l->size);
	}
}

static int map_image(struct vm *vm, struct loading *l, struct errmsg *e)
{
	void *p;
	int r;

	r = host_fd_check_sealed(vm->fds.image, &l->size);
	if (r < 0) {
		return errmsg_set(e, r, "the image descriptor is not a sealed memory file");
	}
	p = mmap(NULL, l->size, PROT_READ, MAP_SHARED, vm->fds.image, 0);
	if (p == MAP_FAILED) {
		return errmsg_set(e, -errno, "the image can't be mapped: %s", strerror(errno));
	}
	l->bytes = p;
	return 0;
}

/* Architecture and mode: as asked, or as the image says; a contradiction is an error. */
static int settle_arch(struct vm *vm, const struct image_plan *plan, struct errmsg *e)
{
	const struct cpu_arch *asked = cpu_arch_by_id((enum cpu_arch_id)vm->cfg.arch);

	vm->mode.is_16bit = vm->cfg.flags & PROTO_CFG_16BIT;
	vm->mode.is_big_endian = vm->cfg.flags & PROTO_CFG_BIG_ENDIAN;
	vm->mode.is_thumb = vm->cfg.flags & PROTO_CFG_THUMB;
	if (!plan->has_arch) {
		if (!asked) {
			return errmsg_set(e, -EINVAL,
					  "a flat or HEX image does not say what it is for; "
					  "add --arch x86|x64|arm|arm64|riscv64");
		}
		vm->arch = asked;
	} else {
		vm->arch = cpu_arch_by_id(plan->arch);
		BUG_ON(!vm->arch);
		if (asked && asked != vm->arch) {
			return errmsg_set(e, -EINVAL, "the image is for %s, not for %s",
					  vm->arch->title, asked->title);
		}
		vm->mode.is_big_endian |= plan->is_big_endian;
		vm->mode.is_thumb |= plan->is_thumb;
	}
	if (vm->mode.is_16bit && vm->arch->id != CPU_ARCH_X86) {
		return errmsg_set(e, -EINVAL, "--mode 16 is for --arch x86 only");
	}
	if ((vm->mode.is_big_endian || vm->mode.is_thumb) && vm->arch->id != CPU_ARCH_ARM) {
		return errmsg_set(e, -EINVAL, "--endian big and --thumb are for --arch arm only");
	}
	return 0;
}

/* A flat image's address is known only when the architecture is. */
static int plan_flat(struct vm *vm, struct loading *l, struct errmsg *e)
{
	struct machine_map map;
	int r;

	r = settle_arch(vm, &l->plan, e);
	if (r < 0) {
		return r;
	}
	map = machine_bare_map(vm->arch, &vm->mode);
	return image_parse_flat(l->size,
				vm->cfg.flags & PROTO_CFG_HAS_LOAD ? vm->cfg.load_gpa
								   : map.load_default_gpa,
				&l->plan, e);
}

static int plan_image(struct vm *vm, struct loading *l, struct errmsg *e)
{
	enum image_kind kind = image_detect(l->bytes, l->size);
	int r;

	if (kind == IMAGE_FLAT) {
		return plan_flat(vm, l, e);
	}
	if (vm->cfg.flags & PROTO_CFG_HAS_LOAD) {
		return errmsg_set(e, -EINVAL,
				  "--load is for flat images; this one says itself "
				  "where it belongs");
	}
	if (kind == IMAGE_ELF) {
		r = image_parse_elf(l->bytes, l->size, &l->plan, e);
	} else {
		r = image_parse_hex(l->bytes, l->size, HEX_BYTES_MAX, &l->plan, e);
	}
	return r < 0 ? r : settle_arch(vm, &l->plan, e);
}

static int make_read_only(struct image_plan *plan, struct errmsg *e)
{
	for (size_t i = 0; i < plan->n_segs; i++) {
		struct image_seg *s = &plan->segs[i];

		if (plan->kind != IMAGE_ELF && s->gpa % PAGE_BYTES) {
			return errmsg_set(e, -EINVAL,
					  "--image-ro works by pages: load the image at a multiple "
					  "of 4096, not at 0x%" PRIx64,
					  s->gpa);
		}
		s->perm &= ~MEM_W;
	}
	return 0;
}

static int load_image(struct vm *vm, struct loading *l, struct errmsg *e)
{
	int r;

	if (vm->fds.image < 0) {
		if (vm->fds.context < 0) {
			return errmsg_set(e, -EINVAL, "there is neither an image nor a context");
		}
		r = vm_context_settle(vm, vm->fds.context, e);
		return r < 0 ? r : settle_arch(vm, &l->plan, e);
	}
	r = map_image(vm, l, e);
	if (r == 0) {
		r = plan_image(vm, l, e);
	}
	if (r < 0) {
		errmsg_prefix(e, "%s: ", vm->cfg.image_name);
		return r;
	}
	l->has_image = true;
	return vm->cfg.flags & PROTO_CFG_IMAGE_RO ? make_read_only(&l->plan, e) : 0;
}

static void chr_put(void *opaque, uint8_t c)
{
	struct vm *vm = opaque;

	console_put(&vm->console, c);
}

static int chr_get(void *opaque)
{
	struct vm *vm = opaque;

	return console_get(&vm->console);
}

static bool chr_has(void *opaque)
{
	struct vm *vm = opaque;

	return console_has_input(&vm->console);
}

static bool chr_is_eof(void *opaque)
{
	struct vm *vm = opaque;

	return console_is_eof(&vm->console);
}

static ns_t clock_now(void *opaque)
{
	struct vm *vm = opaque;

	return host_clock_monotonic_ns() - vm->made_at_ns;
}

static uint64_t clock_wall(void *opaque)
{
	(void)opaque;
	return (uint64_t)time(NULL);
}

/* The plug-in's code stays until the process ends. */
static int load_plugin(struct vm *vm, pinfold_plugin_fn **ret, struct errmsg *e)
{
	char path[64];
	void *lib;

	*ret = NULL;
	if (vm->fds.plugin < 0) {
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", vm->fds.plugin);
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		return errmsg_set(e, -EINVAL, "the plug-in can't be loaded: %.200s", dlerror());
	}
	*ret = (pinfold_plugin_fn *)dlsym(lib, PINFOLD_PLUGIN_SYMBOL);
	if (!*ret) {
		return errmsg_set(e, -EINVAL, "the plug-in does not export %s; see docs/plugins.md",
				  PINFOLD_PLUGIN_SYMBOL);
	}
	return 0;
}

static int settle_ram(struct vm *vm, struct errmsg *e)
{
	struct machine_map map = machine_bare_map(vm->arch, &vm->mode);
	uint64_t bytes = vm->cfg.limits.mem_bytes;

	if (bytes == 0) {
		bytes = map.ram_default_bytes;
	}
	if (!align_up_checked(bytes, PAGE_BYTES, &bytes) || bytes > map.ram_max_bytes) {
		return errmsg_set(e, -EINVAL,
				  "%" PRIu64
				  " MiB of RAM are too much: board bare has room for %" PRIu64
				  " MiB with %s; use a smaller --mem",
				  vm->cfg.limits.mem_bytes >> 20, map.ram_max_bytes >> 20,
				  vm->arch->title);
	}
	vm->ram_bytes = bytes;
	return 0;
}

static int make_board(struct vm *vm, const struct loading *l, struct errmsg *e)
{
	struct machine_config mc = {
		.arch = vm->arch,
		.mode = vm->mode,
		.image = l->has_image ? &l->plan : NULL,
		.args = vm->cfg.args,
		.console = { vm, chr_put, chr_get, chr_has, chr_is_eof },
		.clock = { vm, clock_now, clock_wall },
	};
	struct machine_want wants[MACHINE_WANTS_MAX];
	size_t n;
	int r;

	r = settle_ram(vm, e);
	mc.ram_bytes = vm->ram_bytes;
	if (r == 0) {
		r = load_plugin(vm, &mc.plugin, e);
	}
	if (r == 0) {
		r = machine_new(&mc, &vm->machine, e);
	}
	if (r < 0) {
		return r;
	}
	n = machine_wants(vm->machine, wants);
	r = vm_memory_init(&vm->memory, wants, n, e);
	if (r == 0 && l->has_image) {
		r = vm_memory_load(&vm->memory, &l->plan, vm->fds.image, l->bytes, e);
	}
	return r;
}

/* A guest that prints faster than it is read stands after the instruction that filled the queue. */
static enum bus_result or_choke(struct vm *vm, enum bus_result result)
{
	return result == BUS_OK && console_is_choked(&vm->console) ? BUS_STOP : result;
}

static enum bus_result on_port(void *opaque, struct bus_access *a)
{
	struct vm *vm = opaque;

	return or_choke(vm, machine_port(vm->machine, a));
}

static enum bus_result on_mmio(void *opaque, struct bus_access *a)
{
	struct vm *vm = opaque;

	return or_choke(vm, machine_mmio(vm->machine, a));
}

static int make_engine(struct vm *vm, const struct engine_ops *ops, struct errmsg *e)
{
	struct engine_mmio_range mmio[MACHINE_MMIO_MAX];
	struct engine_config ec = {
		.arch = vm->arch,
		.mode = vm->mode,
		.host = { .kvm_fd = vm->fds.kvm },
		.bus = &vm->bus,
		.mmio = mmio,
		.n_mmio = machine_mmio_ranges(vm->machine, mmio),
		.mem = vm->memory.map,
	};
	int r;

	vm->bus = (struct engine_bus){ vm, on_port, on_mmio };
	r = ops->create(&ec, &vm->eng, e);
	for (size_t i = 0; r == 0 && i < mem_region_count(vm->memory.map); i++) {
		r = ops->map(vm->eng, mem_region_at(vm->memory.map, i), e);
	}
	if (r == 0 && vm->limits.insns && !(vm->eng->caps & ENGINE_CAP_INSN_COUNT)) {
		r = errmsg_set(e, -ENOTSUP, "engine %s can't count instructions here", ops->name);
	}
	return r;
}

static int apply_sets(struct vm *vm, struct cpu_state *cs, struct errmsg *e)
{
	for (uint32_t i = 0; i < vm->cfg.n_sets; i++) {
		const struct proto_set *set = &vm->cfg.sets[i];
		const struct cpu_reg *reg = cpu_reg_find(vm->arch, set->reg);
		int r;

		if (!reg) {
			return errmsg_set(e, -EINVAL,
					  "--set: %s has no register '%s'; --regs lists them",
					  vm->arch->title, set->reg);
		}
		r = cpu_reg_set(cs, reg, set->value, e);
		if (r < 0) {
			errmsg_prefix(e, "--set: ");
			return r;
		}
	}
	return 0;
}

static gva_t entry_of(const struct vm *vm, const struct loading *l)
{
	if (vm->cfg.flags & PROTO_CFG_HAS_ENTRY) {
		return vm->cfg.entry_gva;
	}
	if (l->has_image && (l->plan.has_entry || l->plan.kind == IMAGE_FLAT)) {
		return l->plan.entry;
	}
	return l->has_image && l->plan.n_segs ? l->plan.segs[0].gpa : 0;
}

static void describe(struct vm *vm, gva_t entry, struct proto_ready *ready)
{
	struct machine_map map = machine_bare_map(vm->arch, &vm->mode);

	ready->arch = (uint32_t)vm->arch->id;
	ready->flags = vm_mode_flags(vm->mode);
	ready->caps = vm->eng->caps;
	snprintf(ready->engine, sizeof(ready->engine), "%s", vm->eng->ops->name);
	snprintf(ready->arch_name, sizeof(ready->arch_name), "%s", vm->arch->name);
	snprintf(ready->gdb_arch, sizeof(ready->gdb_arch), "%s", vm->arch->gdb_arch);
	ready->ram_base_gpa = map.ram_base_gpa;
	ready->ram_bytes = vm->ram_bytes;
	ready->entry_gva = entry;
	ready->n_regs = (uint32_t)vm->arch->n_regs;
}

static int build(struct vm *vm, struct loading *l, struct proto_ready *ready, struct errmsg *e)
{
	const struct engine_ops *ops = NULL;
	struct cpu_state cs = { 0 };
	gva_t entry;
	int r;

	r = load_image(vm, l, e);
	if (r == 0) {
		r = vm_choose_engine(vm, &ops, ready, e);
	}
	if (r == 0) {
		r = make_board(vm, l, e);
	}
	if (r < 0) {
		return r;
	}
	BUG_ON(!ops);
	entry = entry_of(vm, l);
	r = make_engine(vm, ops, e);
	if (r == 0) {
		r = machine_setup(vm->machine, vm->memory.map, vm->eng->caps, entry, &cs, e);
	}
	if (r == 0) {
		r = apply_sets(vm, &cs, e);
	}
	if (r == 0) {
		r = ops->set_state(vm->eng, &cs, e);
	}
	if (r == 0 && vm->fds.context >= 0) {
		r = vm_context_load(vm, vm->fds.context,
				    vm->is_context_summed ||
					    vm->cfg.flags & PROTO_CFG_CONTEXT_SUMMED,
				    e);
	}
	if (r == 0) {
		describe(vm, entry, ready);
	}
	return r;
}

int vm_build(struct vm *vm, struct proto_ready *ret_ready, struct errmsg *e)
{
	struct proto_ready ready = { 0 };
	struct loading l = { 0 };
	int r;

	if (strcmp(vm->cfg.board, "bare") != 0) {
		return errmsg_set(e, -EINVAL, "there is no board '%s'; this build has: bare",
				  vm->cfg.board);
	}
	if (vm->cfg.slice_ns < 500 * NS_PER_US || vm->cfg.slice_ns > 100 * NS_PER_MS) {
		return errmsg_set(e, -EINVAL, "a slice is 0.5ms to 100ms long");
	}
	r = build(vm, &l, &ready, e);
	loading_done(&l);
	if (r == 0) {
		*ret_ready = ready;
	}
	return r;
}

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
#include <sys/random.h>
#include <time.h>

#include "base/bug.h"
#include "dev/plugin.h"
#include "host/fd.h"
#include "vm/vm_internal.h"

#define HEX_BYTES_MAX (64 * BIT(20))

/* A file that is put into memory, when the VM is made and at each reset. */
struct payload {
	int fd; /* -1: there is none */
	struct image_plan plan;
	const uint8_t *bytes; /* mapped meanwhile */
	uint64_t size;
};

struct loading {
	struct payload image, kernel;
	uint64_t initrd_bytes;
	gva_t entry;
	uint8_t *devices; /* of a whole system: their state before the first instruction */
};

static void unmap_payload(struct payload *p)
{
	if (p->bytes) {
		munmap((void *)(uintptr_t)p->bytes, p->size);
		p->bytes = NULL;
	}
}

static void unmap_payloads(struct loading *l)
{
	unmap_payload(&l->image);
	unmap_payload(&l->kernel);
}

void vm_build_done(struct vm *vm)
{
	struct loading *l = vm->loading;

	if (l) {
		unmap_payloads(l);
		image_plan_done(&l->image.plan);
		image_plan_done(&l->kernel.plan);
		free(l->devices);
		free(l);
	}
	vm->loading = NULL;
}

static int map_payload(struct payload *p, struct errmsg *e)
{
	void *at;
	int r;

	r = host_fd_check_sealed(p->fd, &p->size);
	if (r < 0) {
		return errmsg_set(e, r, "the image descriptor is not a sealed memory file");
	}
	at = mmap(NULL, p->size, PROT_READ, MAP_SHARED, p->fd, 0);
	if (at == MAP_FAILED) {
		return errmsg_set(e, -errno, "the image can't be mapped: %s", strerror(errno));
	}
	p->bytes = at;
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
		return errmsg_set(e, -EINVAL, "%s is for --arch arm only",
				  vm->mode.is_thumb ? "--thumb" : "--endian big");
	}
	return 0;
}

/* What the board is like for this guest. */
static int get_map(const struct vm *vm, struct machine_map *ret, struct errmsg *e)
{
	return machine_map(vm->cfg.board, vm->arch, &vm->mode, vm->has_sbi, ret, e);
}

/* A flat image's address is known only when the architecture is. */
static int plan_flat(struct vm *vm, struct payload *p, struct errmsg *e)
{
	struct machine_map map;
	int r;

	r = settle_arch(vm, &p->plan, e);
	r = r < 0 ? r : get_map(vm, &map, e);
	if (r < 0) {
		return r;
	}
	return image_parse_flat(p->size,
				vm->cfg.flags & PROTO_CFG_HAS_LOAD ? vm->cfg.load_gpa
								   : map.load_default_gpa,
				&p->plan, e);
}

/* A Linux kernel says how far behind the start of RAM it wants to be. */
static int plan_linux(struct vm *vm, struct payload *p, struct errmsg *e)
{
	struct machine_map map;
	int r;

	p->plan = (struct image_plan){ .has_arch = true, .arch = CPU_ARCH_RV64 };
	r = settle_arch(vm, &p->plan, e);
	r = r < 0 ? r : get_map(vm, &map, e);
	return r < 0 ? r : image_parse_linux(p->bytes, p->size, map.ram_base_gpa, &p->plan, e);
}

static int plan_payload(struct vm *vm, struct payload *p, struct errmsg *e)
{
	enum image_kind kind = image_detect(p->bytes, p->size);
	int r;

	if (kind == IMAGE_FLAT) {
		return plan_flat(vm, p, e);
	}
	if (vm->cfg.flags & PROTO_CFG_HAS_LOAD) {
		return errmsg_set(e, -EINVAL,
				  "--load is for flat images; this one says itself "
				  "where it belongs");
	}
	if (kind == IMAGE_LINUX) {
		return plan_linux(vm, p, e);
	}
	if (kind == IMAGE_ELF) {
		r = image_parse_elf(p->bytes, p->size, &p->plan, e);
	} else {
		r = image_parse_hex(p->bytes, p->size, HEX_BYTES_MAX, &p->plan, e);
	}
	return r < 0 ? r : settle_arch(vm, &p->plan, e);
}

/* RAM of a whole machine is only RAM: what an image says about its segments was for the tool that put it there. */
static int settle_permissions(struct vm *vm, struct image_plan *plan, struct errmsg *e)
{
	struct machine_map map;
	int r = get_map(vm, &map, e);

	for (size_t i = 0; r == 0 && map.is_system && i < plan->n_segs; i++) {
		plan->segs[i].perm = MEM_RWX;
	}
	return r;
}

static int load_payload(struct vm *vm, struct payload *p, const char *name, struct errmsg *e)
{
	int r;

	if (p->fd < 0) {
		return 0;
	}
	r = map_payload(p, e);
	r = r < 0 ? r : plan_payload(vm, p, e);
	r = r < 0 ? r : settle_permissions(vm, &p->plan, e);
	if (r < 0) {
		errmsg_prefix(e, "%s: ", name);
	}
	return r;
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

static int load_files(struct vm *vm, struct loading *l, struct errmsg *e)
{
	int r;

	if (l->image.fd < 0 && l->kernel.fd < 0) {
		if (vm->fds.context < 0) {
			return errmsg_set(e, -EINVAL,
					  "there is neither an image nor a kernel nor a context");
		}
		r = vm_context_settle(vm, vm->fds.context, e);
		return r < 0 ? r : settle_arch(vm, &l->image.plan, e);
	}
	r = load_payload(vm, &l->image, vm->cfg.image_name, e);
	r = r < 0 ? r : load_payload(vm, &l->kernel, "kernel", e);
	if (r == 0 && vm->fds.initrd >= 0) {
		r = host_fd_check_sealed(vm->fds.initrd, &l->initrd_bytes);
		if (r < 0) {
			errmsg_set(e, r, "the initrd descriptor is not a sealed memory file");
		}
	}
	if (r < 0) {
		return r;
	}
	return vm->cfg.flags & PROTO_CFG_IMAGE_RO ? make_read_only(&l->image.plan, e) : 0;
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

static bool chr_has_room(void *opaque)
{
	struct vm *vm = opaque;

	return !console_is_choked(&vm->console);
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
		/* A file without a name; what is wrong with it stands behind that. */
		const char *why = dlerror();
		size_t n = strlen(path);

		why += strncmp(why, path, n) == 0 && strncmp(why + n, ": ", 2) == 0 ? n + 2 : 0;
		return errmsg_set(e, -EINVAL, "the plug-in can't be loaded: %.200s", why);
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
	uint64_t bytes = vm->cfg.limits.mem_bytes;
	struct machine_map map;
	int r;

	r = get_map(vm, &map, e);
	if (r < 0) {
		return r;
	}
	if (vm->cfg.n_cpus > map.cpus_max) {
		return errmsg_set(e, -EINVAL, "board %s has %u CPU%s at most; use a smaller --smp",
				  vm->cfg.board, map.cpus_max, map.cpus_max == 1 ? "" : "s");
	}
	vm->is_system = map.is_system;
	if (bytes == 0) {
		bytes = map.ram_default_bytes;
	}
	if (!align_up_checked(bytes, PAGE_BYTES, &bytes) || bytes > map.ram_max_bytes) {
		return errmsg_set(e, -EINVAL,
				  "%" PRIu64
				  " MiB of RAM are too much: board %s has room for %" PRIu64
				  " MiB with %s; use a smaller --mem",
				  vm->cfg.limits.mem_bytes >> 20, vm->cfg.board,
				  map.ram_max_bytes >> 20, vm->arch->title);
	}
	vm->ram_bytes = bytes;
	return 0;
}

static void fill_entropy(void *opaque, uint8_t *to, size_t n)
{
	(void)opaque;
	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);

		BUG_ON(got < 0 && errno != EINTR);
		to += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
}

static void on_net_ready(void *opaque)
{
	struct vm *vm = opaque;

	atomic_store(&vm->has_news, true);
	vm->cb.on_output(vm->cb.opaque); /* the control thread looks at the socket again */
}

static void on_disk_done(void *opaque)
{
	vm_has_news(opaque);
}

static int load_memory(struct vm *vm, const struct loading *l, struct errmsg *e)
{
	const struct payload *const all[] = { &l->image, &l->kernel };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
		if (all[i]->fd >= 0) {
			r = vm_memory_load(&vm->memory, &all[i]->plan, all[i]->fd, all[i]->bytes,
					   e);
		}
	}
	if (r == 0 && l->initrd_bytes) {
		r = vm_memory_load_file(&vm->memory, machine_initrd_gpa(vm->machine),
					vm->fds.initrd, l->initrd_bytes, e);
	}
	return r;
}

static int make_board(struct vm *vm, const struct engine_probe *probe, const struct loading *l,
		      struct errmsg *e)
{
	struct machine_config mc = {
		.board = vm->cfg.board,
		.arch = vm->arch,
		.mode = vm->mode,
		.image = l->image.fd >= 0 ? &l->image.plan : NULL,
		.kernel = l->kernel.fd >= 0 ? &l->kernel.plan : NULL,
		.initrd_bytes = l->initrd_bytes,
		.has_sbi = vm->has_sbi,
		.args = vm->cfg.args,
		.console = { vm, chr_put, chr_get, chr_has, chr_is_eof, chr_has_room },
		.has_virtio_console = vm->cfg.flags & PROTO_CFG_VIRTIO_CONSOLE,
		.clock = { vm, clock_now, clock_wall },
		.n_cpus = vm->cfg.n_cpus,
		.cpus = harts_cpus(vm),
		.entropy = { NULL, fill_entropy },
	};
	struct machine_want wants[MACHINE_WANTS_MAX];
	size_t n;
	int r;

	r = disks_init(&vm->disks, vm->fds.disks, vm->fds.overlays, vm->cfg.disks_ro, on_disk_done,
		       vm, mc.disks, e);
	if (r < 0) {
		return r;
	}
	mc.n_disks = (size_t)r;
	if (vm->fds.net >= 0) {
		mc.has_net = true;
		memcpy(mc.mac, vm->cfg.mac, sizeof(mc.mac));
	}
	mc.net = net_link_init(&vm->net, vm->fds.net, on_net_ready, vm);
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
	r = vm_memory_init(&vm->memory, wants, n, probe->caps & ENGINE_CAP_SHARED_RAM, e);
	return r < 0 ? r : load_memory(vm, l, e);
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
	enum bus_result result = or_choke(vm, machine_mmio(vm->machine, a));

	/* A timer that is due earlier now: the vCPU thread's own has to be set anew. */
	return result == BUS_OK && vm->is_system && a->is_write && harts_due_ns(vm) < vm->due_ns
		       ? BUS_STOP
		       : result;
}

static int make_engine(struct vm *vm, const struct engine_ops *ops, struct errmsg *e)
{
	struct engine_mmio_range mmio[MACHINE_MMIO_MAX];
	struct machine_map map;
	struct engine_config ec = {
		.arch = vm->arch,
		.mode = vm->mode,
		.host = { .kvm_fd = vm->fds.kvm },
		.bus = &vm->bus,
		.mmio = mmio,
		.n_mmio = machine_mmio_ranges(vm->machine, mmio),
		.mem = vm->memory.map,
		.is_system = vm->is_system,
		.clock = { vm->machine, machine_ticks },
	};
	int r;

	r = get_map(vm, &map, e);
	if (r < 0) {
		return r;
	}
	ec.exit_vectors = map.exit_vectors;
	ec.va_bits = map.va_bits;
	vm->bus = (struct engine_bus){ vm, on_port, on_mmio };
	r = harts_make(vm, ops, &ec, e);
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
	const struct payload *p = l->image.fd >= 0 ? &l->image : &l->kernel;

	if (vm->cfg.flags & PROTO_CFG_HAS_ENTRY) {
		return vm->cfg.entry_gva;
	}
	if (p->fd >= 0 && (p->plan.has_entry || p->plan.kind == IMAGE_FLAT)) {
		return p->plan.entry;
	}
	return p->fd >= 0 && p->plan.n_segs ? p->plan.segs[0].gpa : 0;
}

static void describe(struct vm *vm, gva_t entry, struct proto_ready *ready)
{
	ready->arch = (uint32_t)vm->arch->id;
	ready->flags = vm_mode_flags(vm->mode);
	ready->caps = vm->eng->caps;
	snprintf(ready->engine, sizeof(ready->engine), "%s", vm->eng->ops->name);
	snprintf(ready->arch_name, sizeof(ready->arch_name), "%s", vm->arch->name);
	snprintf(ready->gdb_arch, sizeof(ready->gdb_arch), "%s", vm->arch->gdb_arch);
	ready->ram_base_gpa = mem_region_at(vm->memory.map, 0)->base_gpa;
	ready->ram_bytes = vm->ram_bytes;
	ready->entry_gva = entry;
	ready->n_regs = (uint32_t)vm->arch->n_regs;
}

/* First states of all CPUs, over what is in memory. */
static int set_up(struct vm *vm, const struct loading *l, struct errmsg *e)
{
	struct cpu_state cs = { 0 };
	int r = machine_setup(vm->machine, vm->memory.map, vm->eng->caps, l->entry, &cs, e);

	r = r < 0 ? r : apply_sets(vm, &cs, e);
	return r < 0 ? r : harts_setup(vm, &cs, e);
}

/* For resets. A machine that goes on from a context has no beginning here. */
static int keep_devices(struct vm *vm, struct loading *l, struct errmsg *e)
{
	if (!vm->is_system || vm->fds.context >= 0) {
		return 0;
	}
	l->devices = malloc(machine_state_bytes(vm->machine));
	if (!l->devices) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	machine_state_save(vm->machine, l->devices);
	return 0;
}

/* A VM whose translations are of no use makes its own. */
static void load_code(struct vm *vm, struct proto_ready *ready)
{
	if (vm->fds.code >= 0) {
		ready->code_result = harts_load_code(vm, vm->fds.code);
		ready->code_loaded = harts_count_code(vm).loaded;
	}
}

static int build(struct vm *vm, struct loading *l, struct proto_ready *ready, struct errmsg *e)
{
	const struct engine_ops *ops = NULL;
	struct engine_probe probe;
	int r;

	r = load_files(vm, l, e);
	if (r == 0) {
		r = vm_choose_engine(vm, &ops, &probe, ready, e);
	}
	if (r == 0) {
		r = make_board(vm, &probe, l, e);
	}
	if (r < 0) {
		return r;
	}
	BUG_ON(!ops);
	l->entry = entry_of(vm, l);
	r = make_engine(vm, ops, e);
	r = r < 0 ? r : keep_devices(vm, l, e);
	r = r < 0 ? r : set_up(vm, l, e);
	if (r == 0 && vm->fds.context >= 0) {
		r = vm_context_load(vm, vm->fds.context,
				    vm->is_context_summed ||
					    vm->cfg.flags & PROTO_CFG_CONTEXT_SUMMED,
				    e);
	}
	if (r == 0) {
		describe(vm, l->entry, ready);
		load_code(vm, ready);
	}
	return r;
}

int vm_build(struct vm *vm, struct proto_ready *ret_ready, struct errmsg *e)
{
	struct proto_ready ready = { 0 };
	int r;

	if (vm->cfg.slice_ns < 500 * NS_PER_US || vm->cfg.slice_ns > 100 * NS_PER_MS) {
		return errmsg_set(e, -EINVAL, "a slice is 0.5ms to 100ms long");
	}
	vm->loading = calloc(1, sizeof(*vm->loading));
	if (!vm->loading) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	vm->loading->image.fd = vm->fds.image;
	vm->loading->kernel.fd = vm->fds.kernel;
	vm->has_sbi = vm->fds.kernel >= 0 && vm->fds.image < 0;
	r = build(vm, vm->loading, &ready, e);
	unmap_payloads(vm->loading);
	if (r == 0) {
		*ret_ready = ready;
	}
	return r;
}

bool vm_can_reset(const struct vm *vm)
{
	return vm->loading->devices && !(vm->cfg.flags & PROTO_CFG_NO_REBOOT);
}

static int load_again(struct vm *vm, struct loading *l, struct errmsg *e)
{
	int r = harts_unmap_memory(vm, e);

	r = r < 0 ? r : vm_memory_clear(&vm->memory, e);
	r = r < 0 || l->image.fd < 0 ? r : map_payload(&l->image, e);
	r = r < 0 || l->kernel.fd < 0 ? r : map_payload(&l->kernel, e);
	r = r < 0 ? r : load_memory(vm, l, e);
	unmap_payloads(l);
	return r < 0 ? r : harts_map_memory(vm, e);
}

int vm_reset(struct vm *vm, struct errmsg *e)
{
	struct loading *l = vm->loading;
	int r = machine_state_load(vm->machine, l->devices, machine_state_bytes(vm->machine), e);

	r = r < 0 ? r : load_again(vm, l, e);
	vm->is_waiting_input = false;
	return r < 0 ? r : set_up(vm, l, e);
}

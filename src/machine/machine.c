/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A board's common part: buses, devices, semihosting, exceptions, state; see machine.h. */
#include "machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/log.h"
#include "board.h"
#include "dev/clint.h"
#include "dev/htif.h"

#define NS_PER_TICK (NS_PER_S / CLINT_MTIME_HZ)

/* Every board: its name, and for which architectures it is what. */
static const struct {
	const char *name;
	enum cpu_arch_id arch;
	const struct board_ops *ops;
} boards[] = {
	{ "bare", CPU_ARCH_X86, &bare_x86_ops },    { "bare", CPU_ARCH_X64, &bare_x86_ops },
	{ "bare", CPU_ARCH_ARM, &bare_arm_ops },    { "bare", CPU_ARCH_A64, &bare_arm_ops },
	{ "bare", CPU_ARCH_RV64, &bare_riscv_ops }, { "virt", CPU_ARCH_RV64, &virt_riscv_ops },
};

static int board_find(const char *name, const struct cpu_arch *arch, const struct board_ops **ret,
		      struct errmsg *e)
{
	bool is_known = false;

	for (size_t i = 0; i < ARRAY_SIZE(boards); i++) {
		if (strcmp(boards[i].name, name) != 0) {
			continue;
		}
		is_known = true;
		if (boards[i].arch == arch->id) {
			*ret = boards[i].ops;
			return 0;
		}
	}
	return is_known
		       ? errmsg_set(e, -ENOTSUP, "board %s is not for %s guests", name, arch->title)
		       : errmsg_set(e, -EINVAL,
				    "there is no board '%s'; this build has: bare, virt", name);
}

int machine_map(const char *board, const struct cpu_arch *arch, const struct cpu_mode *mode,
		bool has_sbi, struct machine_map *ret, struct errmsg *e)
{
	const struct board_ops *ops = NULL;
	int r;

	r = board_find(board, arch, &ops, e);
	if (r == 0) {
		*ret = ops->map(mode, has_sbi);
	}
	return r;
}

void board_want(struct machine *m, gpa_t base_gpa, uint64_t size_bytes, uint32_t perm, bool is_ram,
		const char *name)
{
	BUG_ON(m->n_wants == MACHINE_WANTS_MAX);
	m->wants[m->n_wants++] = (struct machine_want){ base_gpa, size_bytes, perm, is_ram, name };
}

int board_own(struct machine *m, const struct dev_ops *ops, void *dev, struct errmsg *e)
{
	if (!dev) {
		return errmsg_set(e, -ENOMEM, "out of memory for device %s", ops->name);
	}
	BUG_ON(m->n_devices == MACHINE_DEVICES_MAX);
	m->devices[m->n_devices++] = (struct machine_device){ ops, dev };
	return 0;
}

int board_attach(struct machine *m, struct bus *bus, uint64_t base, uint64_t size,
		 const struct dev_ops *ops, void *dev, struct errmsg *e)
{
	int r;

	r = board_own(m, ops, dev, e);
	return r < 0 ? r : bus_attach(bus, base, size, ops, dev, e);
}

bool board_image_overlaps(const struct machine *m, gpa_t gpa, uint64_t size_bytes)
{
	for (size_t i = 0; m->cfg.image && i < m->cfg.image->n_segs; i++) {
		const struct image_seg *s = &m->cfg.image->segs[i];

		if (range_overlaps(s->gpa, s->mem_bytes, gpa, size_bytes)) {
			return true;
		}
	}
	return false;
}

int board_firmware_write(struct machine *m, gpa_t gpa, const void *bytes, size_t len,
			 struct errmsg *e)
{
	const struct mem_region *r = mem_region_find(m->mem, gpa);

	if (!r || !range_within(gpa, len, r->base_gpa, r->size_bytes)) {
		return errmsg_set(e, -EFAULT, "no memory for the board's firmware");
	}
	/* The guest may not write there; the region is ours to fill before it starts. */
	memcpy(r->hva + (gpa - r->base_gpa), bytes, len);
	return 0;
}

static void on_stop(void *opaque, enum dev_stop_kind kind, uint64_t code, const char *why)
{
	struct machine *m = opaque;

	if (m->stop.is_stopped) {
		return; /* the first reason counts */
	}
	m->stop = (struct machine_stop){ .is_stopped = true, .kind = kind, .code = code };
	snprintf(m->stop.why, sizeof(m->stop.why), "%s", why ? why : "");
}

static void on_plugin_log(void *opaque, const char *plugin, const char *sentence)
{
	(void)opaque;
	log_debug("plug-in %s: %s", plugin, sentence);
}

/* Before the devices: their console output goes through its filter. */
static int make_plugin(struct machine *m, struct errmsg *e)
{
	struct plugin_env env = {
		.ports = m->ops == &bare_x86_ops ? &m->ports : NULL,
		.mmio = &m->mmio,
		.console = m->cfg.console,
		.host = m->host,
		.log = on_plugin_log,
	};
	int r;

	if (!m->cfg.plugin) {
		return 0;
	}
	r = plugin_new(m->cfg.plugin, &env, &m->plugin, e);
	if (r == 0) {
		m->cfg.console = plugin_console(m->plugin);
	}
	return r;
}

int machine_new(const struct machine_config *cfg, struct machine **ret, struct errmsg *e)
{
	const struct board_ops *ops = NULL;
	struct machine *m;
	int r;

	r = board_find(cfg->board, cfg->arch, &ops, e);
	if (r < 0) {
		return r;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	m->cfg = *cfg;
	m->ops = ops;
	m->host = (struct dev_host){ m, on_stop };
	r = make_plugin(m, e);
	if (r == 0) {
		r = m->ops->make(m, e);
	}
	if (r < 0) {
		machine_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void machine_free(struct machine *m)
{
	if (!m) {
		return;
	}
	for (size_t i = 0; i < m->n_devices; i++) {
		m->devices[i].ops->destroy(m->devices[i].dev);
	}
	if (m->ops->done) {
		m->ops->done(m);
	}
	plugin_free(m->plugin);
	free(m);
}

size_t machine_wants(const struct machine *m, struct machine_want wants[MACHINE_WANTS_MAX])
{
	memcpy(wants, m->wants, m->n_wants * sizeof(wants[0]));
	return m->n_wants;
}

size_t machine_mmio_ranges(const struct machine *m, struct engine_mmio_range r[MACHINE_MMIO_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < m->mmio.n && n < MACHINE_MMIO_MAX; i++) {
		r[n++] = (struct engine_mmio_range){ m->mmio.ranges[i].base,
						     m->mmio.ranges[i].size };
	}
	for (size_t i = 0; i < m->mmio.n_overlays && n < MACHINE_MMIO_MAX; i++) {
		r[n++] = (struct engine_mmio_range){ m->mmio.overlays[i].base,
						     m->mmio.overlays[i].size };
	}
	return n;
}

/* Semihosting blocks are at virtual addresses of the guest that calls. */
static bool semihost_translate(void *opaque, gva_t gva, uint32_t access, gpa_t *ret_gpa)
{
	struct machine *m = opaque;
	struct cpu_fault unread;

	return m->cfg.arch->page_walk(m->walk_state, m->mem, gva, access, ret_gpa, &unread);
}

static int make_semihost(struct machine *m, struct errmsg *e)
{
	gpa_t ram = m->wants[0].base_gpa;
	gpa_t top = ram + m->wants[0].size_bytes;
	struct semihost_config sc = {
		.mem = m->mem,
		.translate = semihost_translate,
		.translate_opaque = m,
		.chr = m->cfg.console,
		.clock = m->cfg.clock,
		.host = m->host,
		.cmdline = m->cfg.args,
		.stack_base = top,
		.heap_limit = top,
	};

	/* Free RAM starts behind the image. */
	sc.heap_base = ram;
	for (size_t i = 0; m->cfg.image && i < m->cfg.image->n_segs; i++) {
		const struct image_seg *s = &m->cfg.image->segs[i];

		if (s->gpa >= ram && s->gpa + s->mem_bytes > sc.heap_base) {
			sc.heap_base = s->gpa + s->mem_bytes;
		}
	}
	sc.heap_base = (sc.heap_base + 15) & ~15ULL;
	sc.stack_limit = sc.heap_base;
	m->semihost = semihost_new(&sc);
	return board_own(m, &semihost_ops, m->semihost, e);
}

int machine_setup(struct machine *m, struct mem *mem, uint64_t engine_caps, gva_t entry,
		  struct cpu_state *ret, struct errmsg *e)
{
	struct cpu_state s = { .arch = m->cfg.arch->id };
	int r;

	m->mem = mem;
	m->engine_caps = engine_caps;
	m->cfg.arch->reset(&s, &m->cfg.mode);
	r = m->ops->setup(m, &s, e);
	if (r == 0 && m->ops->has_semihosting) {
		r = make_semihost(m, e);
	}
	if (r < 0) {
		return r;
	}
	m->cfg.arch->set_pc(&s, m->cfg.mode.is_thumb ? entry | 1 : entry);
	*ret = s;
	return 0;
}

bool machine_setup_other(struct machine *m, uint32_t cpu_idx, const struct cpu_state *first,
			 struct cpu_state *ret)
{
	BUG_ON(!m->ops->setup_other);
	return m->ops->setup_other(m, cpu_idx, first, ret);
}

static enum bus_result access_bus(struct machine *m, struct bus *bus, struct bus_access *a)
{
	struct dev_access d = {
		.value = a->value,
		.values = a->values,
		.count = a->count,
		.bytes = a->bytes,
		.is_write = a->is_write,
	};
	enum dev_result result = bus_access(bus, a->addr, &d);

	a->value = d.value;
	if (a->is_write) {
		m->counts.writes++;
	} else {
		m->counts.reads++;
	}
	switch (result) {
	case DEV_OK:
		return BUS_OK;
	case DEV_STOP:
		return BUS_STOP;
	default:
		m->counts.unmapped++;
		return BUS_UNMAPPED;
	}
}

enum bus_result machine_port(void *opaque, struct bus_access *a)
{
	struct machine *m = opaque;

	return access_bus(m, &m->ports, a);
}

enum bus_result machine_mmio(void *opaque, struct bus_access *a)
{
	struct machine *m = opaque;

	return access_bus(m, &m->mmio, a);
}

static enum machine_verdict serve_semihost(struct machine *m, struct cpu_state *s,
					   const struct cpu_semihost_call *call)
{
	enum semihost_result result;
	uint64_t value = 0;

	m->walk_state = s;
	result = semihost_call(m->semihost, call->op, call->param, call->field_bytes,
			       call->is_big_endian, &value);
	m->walk_state = NULL;
	switch (result) {
	case SEMIHOST_WOULD_BLOCK:
		return MACHINE_WAIT_INPUT;
	case SEMIHOST_STOP:
		m->cfg.arch->semihost_return(s, m->mem, value);
		return MACHINE_STOPPED;
	default:
		m->cfg.arch->semihost_return(s, m->mem, value);
		return MACHINE_RESUME;
	}
}

enum machine_verdict machine_exception(struct machine *m, enum machine_event event,
				       uint32_t cpu_idx, struct cpu_state *s, struct cpu_fault *f)
{
	struct cpu_semihost_call call;
	enum machine_verdict verdict;

	if (m->ops->refine) {
		m->ops->refine(m, s, f);
	}
	if (event == MACHINE_EVENT_ACCESS) {
		return MACHINE_FAULT;
	}
	if (m->ops->call && m->ops->call(m, cpu_idx, s, f, &verdict)) {
		return verdict;
	}
	if (m->semihost && m->cfg.arch->semihost_match(s, m->mem, f, &call) == CPU_SEMIHOST_CALL) {
		return serve_semihost(m, s, &call);
	}
	if (m->ops->is_unhandled && m->ops->is_unhandled(m, s, f)) {
		return MACHINE_FAULT; /* the guest has no handlers: the exception itself is the news */
	}
	if (event == MACHINE_EVENT_EXCEPTION && m->cfg.arch->deliver(s, m->mem, f)) {
		return MACHINE_RESUME;
	}
	if (m->ops->is_unhandled) {
		f->kind = CPU_FAULT_TRIPLE; /* x86: its own handlers can't be reached */
	}
	return MACHINE_FAULT;
}

bool machine_halt_is_exception(struct machine *m, struct cpu_state *s, struct cpu_fault *ret_f)
{
	return m->ops->halt_is_exception && m->ops->halt_is_exception(m, s, ret_f);
}

void machine_poll(struct machine *m)
{
	if (m->htif) {
		htif_poll(m->htif); /* a stop is seen through machine_stop_info() */
	}
	if (m->ops->poll) {
		m->ops->poll(m);
	}
}

uint64_t machine_ticks(void *opaque)
{
	struct machine *m = opaque;

	return m->clint ? clint_ticks(m->clint) : 0;
}

ns_t machine_tick_time_ns(const struct machine *m, uint64_t ticks)
{
	uint64_t now = clint_ticks(m->clint);
	ns_t now_ns = m->cfg.clock.now_ns(m->cfg.clock.opaque);
	uint64_t left = ticks > now ? ticks - now : 0;

	if (ticks == UINT64_MAX || left > (UINT64_MAX - now_ns) / NS_PER_TICK) {
		return UINT64_MAX;
	}
	return now_ns + left * NS_PER_TICK;
}

ns_t machine_due_ns(const struct machine *m)
{
	return m->ops->due_ns ? m->ops->due_ns(m) : UINT64_MAX;
}

gpa_t machine_initrd_gpa(const struct machine *m)
{
	return m->initrd_gpa;
}

bool machine_stopped_device(struct machine *m, char *ret, size_t size)
{
	return m->ops->stopped_device && m->ops->stopped_device(m, ret, size);
}

const struct machine_stop *machine_stop_info(const struct machine *m)
{
	return &m->stop;
}

struct machine_counts machine_counts(const struct machine *m)
{
	return m->counts;
}

size_t machine_state_bytes(const struct machine *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_devices; i++) {
		n += m->devices[i].ops->state_bytes;
	}
	return n;
}

void machine_state_save(const struct machine *m, uint8_t *to)
{
	for (size_t i = 0; i < m->n_devices; i++) {
		const struct dev_ops *ops = m->devices[i].ops;

		if (ops->state_bytes) {
			ops->save(m->devices[i].dev, to);
			to += ops->state_bytes;
		}
	}
}

int machine_state_load(struct machine *m, const uint8_t *from, size_t bytes, struct errmsg *e)
{
	if (bytes != machine_state_bytes(m)) {
		return errmsg_set(e, -EINVAL, "the devices' state is for another board");
	}
	for (size_t i = 0; i < m->n_devices; i++) {
		const struct dev_ops *ops = m->devices[i].ops;
		int r;

		if (!ops->state_bytes) {
			continue;
		}
		r = ops->load(m->devices[i].dev, from, e);
		if (r < 0) {
			errmsg_prefix(e, "device %s: ", ops->name);
			return r;
		}
		from += ops->state_bytes;
	}
	m->stop = (struct machine_stop){ 0 };
	return 0;
}

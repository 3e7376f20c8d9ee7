/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Engine `trap`: the table, and the loop between the host's CPU and the interpreter.
 *
 *   run() -> interrupt due? -> enter the carrier ... a signal -> interpret what did not work there, and what is likely not to
 *
 * A limit of instructions is kept by interpreting all of them: the CPU counts for nobody in user mode.
 */
#include "engine/trap/trap_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "base/bug.h"
#include "engine/trap/trap_priv.h"

/* Instructions to be interpreted behind one that trapped: an entry costs more than these. */
#define BURST_INSNS 16u

/* Where areas are looked for: above all that a guest's Sv39 tables reach, or high up on hosts with no more than Sv39. */
#define STUB_HIGH      (1ULL << 38)
#define STUB_HIGH_BITS 45
#define STUB_LOW       (1ULL << 37)
#define STUB_LOW_BITS  36
#define STUB_TRIES     64

struct trap_engine *trap_engines;

static struct trap_engine *of(struct engine *eng)
{
	return (struct trap_engine *)eng;
}

static const struct trap_engine *of_const(const struct engine *eng)
{
	return (const struct trap_engine *)eng;
}

void trap_do_without(uint32_t what)
{
	trap_without = what;
}

struct trap_counts trap_engine_counts(const struct engine *eng)
{
	return of_const(eng)->counts;
}

static int trap_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
		      const struct engine_host *host, struct engine_probe *ret)
{
	(void)mode;
	(void)host;
	if (arch->id != CPU_ARCH_RV64) {
		snprintf(ret->detail, sizeof(ret->detail),
			 "trap runs guests of the host's own architecture, RISC-V");
		return -ENOTSUP;
	}
	if (!trap_seal_probe() && !(trap_without & TRAP_WITHOUT_FILTER)) {
		snprintf(ret->detail, sizeof(ret->detail),
			 "this kernel can't filter system calls: CONFIG_SECCOMP_FILTER is needed");
		return -ENODEV;
	}
	ret->caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP | ENGINE_CAP_EXEC_PERM | ENGINE_CAP_HW |
		    ENGINE_CAP_FP | ENGINE_CAP_SIMD | ENGINE_CAP_BREAKPOINTS | ENGINE_CAP_NO_WX |
		    ENGINE_CAP_SYSTEM | ENGINE_CAP_SHARED_RAM;
	ret->speed = 2;
	snprintf(ret->detail, sizeof(ret->detail), "on the CPU itself, in user mode%s",
		 trap_can_hide() ? "" : "; code with system calls is interpreted");
	return 0;
}

static void leave_list(const struct trap_engine *t)
{
	for (struct trap_engine **p = &trap_engines; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			return;
		}
	}
}

static void trap_destroy(struct engine *eng)
{
	struct trap_engine *t = of(eng);

	if (!t) {
		return;
	}
	leave_list(t);
	if (t->watcher.opaque) {
		mem_unwatch(t->cfg.mem, &t->watcher);
	}
	if (t->carriers) {
		trap_space_reset(t);
	}
	trap_code_done(t);
	free(t->carriers);
	free(t);
}

/* Whether carriers could have their area there. */
static bool is_free(gva_t va)
{
	const size_t bytes = PAGE_BYTES + sizeof(struct trap_area);
	void *at = mmap((void *)va, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);

	if (at == MAP_FAILED) {
		return false;
	}
	munmap(at, bytes);
	return (gva_t)at == va;
}

/* At a place that a guest can't guess, in the same one for all carriers. */
static int place_stub(struct trap_engine *t, struct errmsg *e)
{
	for (unsigned int i = 0; i < STUB_TRIES; i++) {
		bool is_low = i >= STUB_TRIES / 2;
		uint64_t random;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
			return errmsg_set(e, -errno, "no random numbers: %s", strerror(errno));
		}
		random &= BIT(is_low ? STUB_LOW_BITS : STUB_HIGH_BITS) - PAGE_BYTES;
		t->stub_va = (is_low ? STUB_LOW : STUB_HIGH) + random;
		if (is_free(t->stub_va)) {
			return 0;
		}
	}
	return errmsg_set(e, -ENOMEM, "no address for what runs the guest");
}

static void make_hart(struct trap_engine *t)
{
	struct rv_hart_config hc = {
		.hartid = t->cfg.cpu_idx,
		.mem = t->cfg.mem,
		.va_bits = t->cfg.va_bits,
		.clock = { t->cfg.clock.opaque, t->cfg.clock.ticks },
	};

	rv_hart_init(&t->hart, &hc);
	rv_access_init(&t->access, &t->hart, &trap_access_ops, t);
}

static void trap_code_changed(struct engine *eng, gpa_t gpa, uint64_t len)
{
	struct trap_engine *t = of(eng);
	gpa_t end;

	if (len > TRAP_CODES_USED * PAGE_BYTES || __builtin_add_overflow(gpa, len, &end)) {
		trap_code_reset(t);
		return;
	}
	for (gpa_t page = align_down(gpa, PAGE_BYTES); page < end; page += PAGE_BYTES) {
		trap_code_written(t, page);
	}
}

/* A device has written, on this thread: no carrier runs meanwhile. */
static bool on_stored(void *opaque, gpa_t gpa, uint64_t bytes)
{
	trap_code_changed(&((struct trap_engine *)opaque)->eng, gpa, bytes);
	return false;
}

static void on_exposed(void *opaque, gpa_t gpa, uint64_t bytes)
{
	trap_code_changed(&((struct trap_engine *)opaque)->eng, gpa, bytes);
}

static int trap_create(const struct engine_config *cfg, struct engine **ret, struct errmsg *e)
{
	struct trap_engine *t;
	struct engine_probe p = { 0 };
	int r = trap_probe(cfg->arch, &cfg->mode, &cfg->host, &p);

	if (r < 0) {
		return errmsg_set(e, r, "%s", p.detail);
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	t->copies_fd = -1;
	t->cfg = *cfg;
	t->eng.ops = &trap_engine_ops;
	t->eng.caps = p.caps;
	t->carriers = calloc(TRAP_CARRIERS, sizeof(*t->carriers));
	r = t->carriers ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
	r = r < 0 ? r : trap_code_init(t, e);
	r = r < 0 ? r : place_stub(t, e);
	if (r < 0) {
		trap_destroy(&t->eng);
		return r;
	}
	make_hart(t);
	t->watcher =
		(struct mem_watcher){ .opaque = t, .stored = on_stored, .exposed = on_exposed };
	mem_watch(t->cfg.mem, &t->watcher);
	t->next = trap_engines;
	trap_engines = t;
	*ret = &t->eng;
	return 0;
}

/* Carriers hold descriptors of the memory that there was at their birth. */
static int trap_map(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct trap_engine *t = of(eng);

	if (t->n_regions == TRAP_REGIONS_MAX) {
		return errmsg_set(e, -ENOSPC, "engine trap takes %u regions of memory",
				  TRAP_REGIONS_MAX);
	}
	trap_space_reset(t);
	t->regions[t->n_regions++] = *r;
	return 0;
}

static int trap_unmap(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct trap_engine *t = of(eng);

	for (size_t i = 0; i < t->n_regions; i++) {
		if (t->regions[i].base_gpa == r->base_gpa &&
		    t->regions[i].size_bytes == r->size_bytes) {
			trap_space_reset(t);
			trap_code_reset(t);
			t->regions[i] = t->regions[--t->n_regions];
			return 0;
		}
	}
	return errmsg_set(e, -ENOENT, "that memory was not mapped");
}

static int trap_get_state(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	(void)e;
	*ret = (struct cpu_state){ .arch = CPU_ARCH_RV64 };
	*rv_state(ret) = of(eng)->hart.s;
	return 0;
}

static int trap_set_state(struct engine *eng, const struct cpu_state *s, struct errmsg *e)
{
	struct trap_engine *t = of(eng);
	struct rv_state next;

	if (s->arch != CPU_ARCH_RV64) {
		return errmsg_set(e, -EINVAL, "the state is not a RISC-V hart's");
	}
	next = *rv_state_const(s);
	rv_state_legalise(&next);
	t->generation +=
		rv_state_translates_alike(&next, &t->hart.s) ? 0 : 1; /* satp is part of the view */
	t->hart.s = next;
	t->hart.has_reservation = false;
	return 0;
}

static bool is_break(const struct trap_engine *t, uint64_t pc)
{
	for (size_t i = 0; i < t->n_breaks; i++) {
		if (t->breaks[i] == pc) {
			return true;
		}
	}
	return false;
}

static ns_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec;
}

/* Let the CPU execute, if it can. @return whether an instruction is to be interpreted now */
static bool execute(struct trap_engine *t, struct vm_exit *ret)
{
	struct trap_carrier *c = NULL;
	enum trap_stay stay;
	ns_t from_ns;

	if (t->n_breaks) {
		return true;
	}
	c = trap_space_enter(t);
	if (!c) {
		ret->kind = VM_EXIT_UNHANDLED;
		snprintf(ret->detail, sizeof(ret->detail), "%.120s", t->trouble.text);
		return false;
	}
	if (!trap_space_can_execute(t, t->hart.s.pc)) {
		return true;
	}
	t->hart.has_reservation = false;
	from_ns = now_ns();
	stay = trap_carrier_run(t, c, trap_space_has_fp(t));
	t->progress += now_ns() - from_ns;
	if (stay == TRAP_STAY_LOST) {
		trap_carrier_done(c);
		ret->kind = VM_EXIT_UNHANDLED;
		snprintf(ret->detail, sizeof(ret->detail),
			 "the guest has damaged the process that it runs in");
	}
	/* An instruction follows a kick, too: a guest that is kicked at every entry gets on. */
	return stay != TRAP_STAY_LOST;
}

/* One turn of run(). @return whether the run is over */
static bool turn(struct trap_engine *t, uint64_t max_insns, unsigned int *burst,
		 struct vm_exit *ret)
{
	enum trap_step step;

	if (*burst == 0 && max_insns == 0) {
		if (!execute(t, ret)) {
			return ret->kind == VM_EXIT_UNHANDLED;
		}
		*burst = BURST_INSNS;
	}
	step = trap_step(t, ret);
	if (step == TRAP_NEXT_SYSTEM) {
		*burst = BURST_INSNS;
	} else if (*burst) {
		--*burst;
	}
	return step == TRAP_DONE;
}

static void take_interrupt(struct trap_engine *t, unsigned int *burst)
{
	uint64_t cause = t->cfg.is_system ? rv_irq_due(&t->hart) : 0;

	if (cause) {
		trap_effects(t, rv_trap(&t->hart, cause, 0));
		*burst = BURST_INSNS;
	}
}

static int trap_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	struct trap_engine *t = of(eng);
	struct vm_exit x = { 0 };
	unsigned int burst = 0;
	bool is_first = true;

	(void)e;
	t->hart.has_reservation = false;
	do {
		if (t->is_kicked) {
			t->is_kicked = 0;
			x.kind = VM_EXIT_KICKED;
			break;
		}
		if (max_insns && x.insns + x.traps >= max_insns) {
			x.kind = VM_EXIT_INSN_LIMIT;
			break;
		}
		take_interrupt(t, &burst);
		if (!is_first && is_break(t, t->hart.s.pc)) {
			x.kind = VM_EXIT_BREAKPOINT;
			break;
		}
		is_first = false;
	} while (!turn(t, max_insns, &burst, &x));
	*ret = x;
	return 0;
}

static void trap_kick(struct engine *eng, void *uc)
{
	struct trap_engine *t = of(eng);

	(void)uc;
	t->is_kicked = 1;
	if (t->running) {
		kill(t->running, TRAP_KICK_SIGNAL);
	}
}

static int trap_set_breakpoints(struct engine *eng, const gva_t *addrs, size_t n)
{
	struct trap_engine *t = of(eng);

	if (n > TRAP_BREAKS_MAX) {
		return -ENOSPC;
	}
	for (size_t i = 0; i < n; i++) {
		t->breaks[i] = addrs[i];
	}
	t->n_breaks = n;
	return 0;
}

static void trap_set_lines(struct engine *eng, uint64_t mask, uint64_t level)
{
	rv_hart_wires_set(&of(eng)->hart, mask, level);
}

static uint64_t trap_timer_due(const struct engine *eng)
{
	return rv_timer_due(&of_const(eng)->hart);
}

static bool trap_wakes(const struct engine *eng)
{
	return rv_irq_wakes(&of_const(eng)->hart);
}

static void trap_flush_translations(struct engine *eng)
{
	of(eng)->generation++;
}

const struct engine_ops trap_engine_ops = {
	.name = "trap",
	.probe = trap_probe,
	.create = trap_create,
	.destroy = trap_destroy,
	.map = trap_map,
	.unmap = trap_unmap,
	.get_state = trap_get_state,
	.set_state = trap_set_state,
	.run = trap_run,
	.kick = trap_kick,
	.code_changed = trap_code_changed,
	.set_lines = trap_set_lines,
	.timer_due = trap_timer_due,
	.wakes = trap_wakes,
	.flush_translations = trap_flush_translations,
	.set_breakpoints = trap_set_breakpoints,
};

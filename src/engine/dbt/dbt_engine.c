/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Engine `dbt`: the table, and the loop that goes from translated code to translated code.
 *
 *   run() -> interrupt due? -> find code at pc -> emit_enter() ... exit -> serve it -> again
 *                                    | none: interpret one instruction
 *
 * Everything that is not plain computing is interpreted by the front end, outside of translated code: system
 * instructions, devices, faults, what straddles pages. Stops are exact because only the interpreter and whole blocks change
 * the guest's state, and blocks are left at the instruction that could not be done.
 */
#include "engine/dbt/dbt_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "engine/dbt/dbt_priv.h"
#include "host/sigstack.h"

/* Instructions per stretch of translated code when nobody limits them: the kick ends it earlier. */
#define STRETCH_INSNS (1ULL << 40)

/* How serving an exit went on. */
enum served {
	SERVED_AGAIN,
	SERVED_DONE, /* *ret is filled */
};

static struct dbt_engine *of(struct engine *eng)
{
	return (struct dbt_engine *)eng;
}

static const struct dbt_engine *of_const(const struct engine *eng)
{
	return (const struct dbt_engine *)eng;
}

static const struct front_ops *front_of(const struct cpu_arch *arch)
{
	for (size_t i = 0; i < front_count; i++) {
		if (front_table[i]->arch == arch->id) {
			return front_table[i];
		}
	}
	return NULL;
}

static int dbt_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
		     const struct engine_host *host, struct engine_probe *ret)
{
	struct errmsg e = { 0 };

	(void)mode;
	(void)host;
	if (!front_of(arch)) {
		snprintf(ret->detail, sizeof(ret->detail), "dbt translates RISC-V only so far");
		return -ENOTSUP;
	}
	if (emitter_probe(&e) < 0) {
		snprintf(ret->detail, sizeof(ret->detail), "%.150s", e.text);
		return -ENODEV;
	}
	ret->caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP | ENGINE_CAP_EXEC_PERM | ENGINE_CAP_FP |
		    ENGINE_CAP_SIMD | ENGINE_CAP_BREAKPOINTS | ENGINE_CAP_NO_WX |
		    ENGINE_CAP_SYSTEM | ENGINE_CAP_SHARED_RAM | ENGINE_CAP_STORED_CODE;
	ret->speed = 3;
	snprintf(ret->detail, sizeof(ret->detail), "translated to host code");
	return 0;
}

static void dbt_prepare(const struct cpu_arch *arch, const struct engine_host *host)
{
	(void)arch;
	(void)host;
	(void)emitter_probe(NULL);
}

static void dbt_destroy(struct engine *eng)
{
	struct dbt_engine *d = of(eng);

	if (!d) {
		return;
	}
	dbt_source_done(d);
	dbt_code_done(d);
	dbt_window_done(d);
	dbt_ram_done(d);
	free(d->env);
	free(d);
}

/* Wiring for the front end's interpreter. */
static enum bus_result access_device(void *opaque, gpa_t gpa, uint8_t bytes, bool is_write,
				     uint64_t *value)
{
	struct dbt_engine *d = opaque;
	struct bus_access a = { .addr = gpa,
				.value = is_write ? *value : 0,
				.count = 1,
				.bytes = bytes,
				.is_write = is_write };
	enum bus_result r = d->cfg.bus->mmio(d->cfg.bus->opaque, &a);

	if (!is_write && r != BUS_UNMAPPED) {
		*value = low_bytes(a.value, bytes);
	}
	return r;
}

static int make_cpu(struct dbt_engine *d, struct errmsg *e)
{
	struct front_config fc = {
		.engine = &d->cfg,
		.memory = { .opaque = d,
			    .access = access_device,
			    .ram = dbt_ram,
			    .ram_kept = dbt_ram_kept },
	};
	size_t bytes = sizeof(struct emit_env) + d->front->cpu_bytes;

	d->env = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	if (!d->env) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	memset(d->env, 0, bytes);
	d->cpu = d->env + 1;
	d->env->opaque = d;
	d->env->helpers = d->front->helpers;
	d->front->init(d->cpu, &fc);
	return 0;
}

static int dbt_create(const struct engine_config *cfg, struct engine **ret, struct errmsg *e)
{
	struct dbt_engine *d = calloc(1, sizeof(*d));
	struct engine_probe p = { 0 };
	int r;

	if (!d) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	d->cfg = *cfg;
	d->front = front_of(cfg->arch);
	r = dbt_probe(cfg->arch, &cfg->mode, &cfg->host, &p);
	if (r < 0) {
		free(d);
		return errmsg_set(e, r, "%s", p.detail);
	}
	d->eng.ops = &dbt_engine_ops;
	d->retry_pc = UINT64_MAX;
	d->eng.caps = p.caps;
	r = make_cpu(d, e);
	r = r < 0 ? r : dbt_code_init(d, e);
	r = r < 0 ? r : dbt_window_init(d, e);
	r = r < 0 ? r : dbt_signal_init(e);
	if (r < 0) {
		dbt_destroy(&d->eng);
		return r;
	}
	*ret = &d->eng;
	return 0;
}

static int dbt_map(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	return dbt_ram_add(of(eng), r, e);
}

static int dbt_unmap(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct dbt_engine *d = of(eng);

	if (!dbt_ram_remove(d, r)) {
		return errmsg_set(e, -ENOENT, "that memory was not mapped");
	}
	d->front->flush_translations(d->cpu);
	dbt_translations_flush(d);
	dbt_code_reset(d);
	return 0;
}

static int dbt_get_state(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	(void)e;
	of(eng)->front->get_state(of(eng)->cpu, ret);
	return 0;
}

static void apply(struct dbt_engine *d, const struct front_effects *e)
{
	if (e->what & FRONT_FLUSH_TRANSLATIONS) {
		if (e->is_page) {
			dbt_page_flush(d, e->gva, e->space_mask, e->space_value);
		} else {
			dbt_space_flush(d, e->space_mask, e->space_value);
		}
	}
	if (e->what & FRONT_FLUSH_CODE) {
		dbt_source_fence(d);
	}
	if (e->what & FRONT_MODE) {
		d->context = NULL;
	}
	if (e->what & FRONT_TIMER) {
		d->is_kicked = 1; /* the caller sets its timer anew */
	}
}

static int dbt_set_state(struct engine *eng, const struct cpu_state *s, struct errmsg *e)
{
	struct dbt_engine *d = of(eng);
	struct front_effects effects = { 0 };
	int r = d->front->set_state(d->cpu, s, &effects, e);

	if (r == 0) {
		apply(d, &effects);
	}
	return r;
}

/* One instruction by the interpreter. */
static enum served step(struct dbt_engine *d, struct vm_exit *ret)
{
	struct front_effects effects = { 0 };
	enum front_step done = d->front->step(d->cpu, &effects, &ret->fault);

	d->is_interrupt_doubtful = true;
	if (effects.what) {
		apply(d, &effects);
	}
	switch (done) {
	case FRONT_NEXT:
		ret->insns++;
		return SERVED_AGAIN;
	case FRONT_TRAPPED:
		ret->traps++;
		return SERVED_AGAIN;
	case FRONT_HALT:
		ret->insns++;
		ret->kind = VM_EXIT_HALT;
		return SERVED_DONE;
	case FRONT_STOP:
		ret->insns++;
		ret->kind = VM_EXIT_BUS_STOP;
		return SERVED_DONE;
	case FRONT_FAULT:
		ret->kind = VM_EXIT_FAULT;
		return SERVED_DONE;
	default:
		ret->kind = VM_EXIT_EXCEPTION;
		return SERVED_DONE;
	}
}

/* Translated code from @p code on, with at most @p budget instructions, and its bookkeeping. */
static void enter(struct dbt_engine *d, const void *code, uint64_t pc, int64_t budget,
		  struct vm_exit *ret)
{
	struct emit_env *env = d->env;
	uint64_t done;

	env->pc = pc;
	env->budget = budget;
	env->fp_control = emit_fp_control((enum emit_round)d->front->fp_round(d->cpu));
	emit_enter(d->em, env, code);
	done = (uint64_t)(budget - env->budget);
	ret->insns += done;
	d->front->count(d->cpu, done);
	d->front->set_pc(d->cpu, env->pc);
	d->front->fp_accrue(d->cpu, emit_fp_flags(env->fp_control));
}

/* A helper wanted to leave: behind its instruction, or at it. */
static enum served helped(struct dbt_engine *d, struct vm_exit *ret)
{
	struct front_effects effects = { 0 };
	bool has_trapped;

	if (!d->front->helper_left(d->cpu, &effects, &has_trapped)) {
		return step(d, ret);
	}
	ret->traps += has_trapped;
	d->is_interrupt_doubtful = true;
	apply(d, &effects);
	return SERVED_AGAIN;
}

/* Map what an access reaches: two pages, where it goes across their border. */
static bool fill(struct dbt_engine *d, gva_t gva, uint32_t access)
{
	gva_t last = gva + d->access_bytes - 1;
	bool is_across = (gva ^ last) & ~(PAGE_BYTES - 1);

	return (!is_across || dbt_window_fill(d, last, access)) && dbt_window_fill(d, gva, access);
}

/* An access that neither window nor table has served. */
static enum served access_step(struct dbt_engine *d, uint32_t access, struct vm_exit *ret)
{
	uint64_t pc = d->env->pc;
	uint64_t before = ret->insns;
	enum served s = step(d, ret);

	d->retry_pc = ret->insns == before ? pc : UINT64_MAX;
	d->retry_gva = d->env->access_gva;
	d->retry_access = access;
	return s;
}

/* One that was refused. What it is tried with again is what its code tries. */
static enum served access_serve(struct dbt_engine *d, struct vm_exit *ret)
{
	bool is_window = d->env->exit == EMIT_EXIT_ACCESS;
	bool is_write = is_window ? d->is_access_write : d->env->exit == EMIT_EXIT_STORE;
	uint32_t access = is_write ? MEM_W : MEM_R;
	gva_t gva = d->env->access_gva;

	if (is_window ? fill(d, gva, access) : dbt_soft_fill(d, gva, access)) {
		return SERVED_AGAIN;
	}
	return access_step(d, access, ret);
}

/* The guest comes back to an access that raised an exception: spare it the next refusal, if the page is there now. */
static void access_retry(struct dbt_engine *d)
{
	uint64_t pc = d->retry_pc;

	d->retry_pc = UINT64_MAX;
	dbt_soft_faulted(d, pc);
	if (dbt_soft_is(d, pc)) {
		dbt_soft_fill(d, d->retry_gva, d->retry_access);
	} else {
		dbt_window_fill(d, d->retry_gva, d->retry_access);
	}
}

static enum served serve(struct dbt_engine *d, struct vm_exit *ret)
{
	uint32_t generation;
	const void *code;
	void *link;

	switch (d->env->exit) {
	case EMIT_EXIT_JUMP:
		link = d->env->link;
		generation = d->code_generation;
		code = link ? dbt_code_find(d, d->env->pc) : NULL;
		if (code && d->env->pc <= d->env->link_pc) {
			if (!dbt_region_count(d, d->env->pc)) {
				return SERVED_AGAIN;
			}
			code = dbt_code_find(d, d->env->pc);
		}
		if (code && generation == d->code_generation) { /* the exit is still there */
			dbt_code_link(d, link, d->env->link_pc, d->env->pc, code);
		}
		return SERVED_AGAIN;
	case EMIT_EXIT_INDIRECT:
		return SERVED_AGAIN; /* finding it enters it into the table */
	case EMIT_EXIT_ACCESS:
	case EMIT_EXIT_LOAD:
	case EMIT_EXIT_STORE:
		return access_serve(d, ret);
	case EMIT_EXIT_STEP:
		return step(d, ret);
	case EMIT_EXIT_HELPER:
		return helped(d, ret);
	default:
		return SERVED_AGAIN;
	}
}

static bool is_break(const struct dbt_engine *d, uint64_t pc)
{
	for (size_t i = 0; i < d->n_breaks; i++) {
		if (d->breaks[i] == pc) {
			return true;
		}
	}
	return false;
}

/* One stretch: translated code if there is any and it fits the budget, else one instruction. */
static enum served go_on(struct dbt_engine *d, uint64_t left, struct vm_exit *ret)
{
	uint64_t pc = d->front->get_pc(d->cpu);
	uint64_t before = ret->insns;
	const void *code = NULL;

	if (!d->context) {
		dbt_context_enter(d);
	}
	if (pc == d->retry_pc) {
		access_retry(d);
	}
	if (left != 1) {
		code = dbt_code_find(d, pc);
	}
	if (!code) {
		return step(d, ret);
	}
	enter(d, code, pc, (int64_t)(left && left < STRETCH_INSNS ? left : STRETCH_INSNS), ret);
	if (d->env->exit == EMIT_EXIT_BUDGET) {
		/* Interrupted; or the limit lies inside the block. */
		return ret->insns == before && !d->is_kicked ? step(d, ret) : SERVED_AGAIN;
	}
	return serve(d, ret);
}

/* Lines change between runs and by what is interpreted; time kicks. */
static void take_interrupt(struct dbt_engine *d)
{
	struct front_effects effects = { 0 };

	if (!d->is_interrupt_doubtful) {
		return;
	}
	d->is_interrupt_doubtful = false;
	if (d->cfg.is_system && d->front->interrupt(d->cpu, &effects)) {
		apply(d, &effects);
	}
}

static int dbt_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	struct dbt_engine *d = of(eng);
	struct vm_exit x = { 0 };
	enum served s = SERVED_AGAIN;
	bool is_first = true;
	uint64_t done;
	int r = host_signal_stack(e); /* a VM's vCPU thread has one from before its jail */

	if (r < 0) {
		return r;
	}
	dbt_signal_own(d);
	d->is_interrupt_doubtful = true;
	while (s == SERVED_AGAIN) {
		if (d->is_kicked) {
			d->is_kicked = 0;
			dbt_soft_review(d);
			x.kind = VM_EXIT_KICKED;
			break;
		}
		done = x.insns + x.traps;
		if (max_insns && done >= max_insns) {
			x.kind = VM_EXIT_INSN_LIMIT;
			break;
		}
		take_interrupt(d);
		if (d->n_breaks && !is_first && is_break(d, d->front->get_pc(d->cpu))) {
			x.kind = VM_EXIT_BREAKPOINT;
			break;
		}
		is_first = false;
		s = go_on(d, max_insns ? max_insns - done : 0, &x);
	}
	dbt_signal_own(NULL);
	*ret = x;
	return 0;
}

static void dbt_kick(struct engine *eng, void *uc)
{
	struct dbt_engine *d = of(eng);

	d->is_kicked = 1;
	if (uc) {
		emit_interrupt(d->em, uc);
	}
}

static void dbt_code_changed(struct engine *eng, gpa_t gpa, uint64_t len)
{
	struct dbt_engine *d = of(eng);

	if (len) {
		mem_stored(d->cfg.mem, gpa, len);
	}
	dbt_source_fence(d);
}

static int dbt_set_breakpoints(struct engine *eng, const gva_t *addrs, size_t n)
{
	struct dbt_engine *d = of(eng);

	if (n > DBT_BREAKS_MAX) {
		return -ENOSPC;
	}
	if (n || d->n_breaks) {
		dbt_code_reset(d); /* blocks end before breakpoints */
	}
	for (size_t i = 0; i < n; i++) {
		d->breaks[i] = addrs[i];
	}
	d->n_breaks = n;
	return 0;
}

static int dbt_save_code(struct engine *eng, int fd, struct errmsg *e)
{
	return dbt_store_save(of(eng), fd, e);
}

static int dbt_load_code(struct engine *eng, int fd, struct errmsg *e)
{
	return dbt_store_load(of(eng), fd, e);
}

static void dbt_count_code(const struct engine *eng, struct engine_code *ret)
{
	*ret = (struct engine_code){ of_const(eng)->n_made, of_const(eng)->n_loaded };
}

static void dbt_set_lines(struct engine *eng, uint64_t mask, uint64_t level)
{
	of(eng)->front->set_lines(of(eng)->cpu, mask, level);
}

static uint64_t dbt_timer_due(const struct engine *eng)
{
	return of_const(eng)->front->timer_due(of_const(eng)->cpu);
}

static bool dbt_wakes(const struct engine *eng)
{
	return of_const(eng)->front->wakes(of_const(eng)->cpu);
}

static void dbt_flush_translations(struct engine *eng)
{
	of(eng)->front->flush_translations(of(eng)->cpu);
	dbt_translations_flush(of(eng));
}

static void dbt_drop_reservation(struct engine *eng)
{
	of(eng)->front->drop_reservation(of(eng)->cpu);
}

const struct engine_ops dbt_engine_ops = {
	.name = "dbt",
	.probe = dbt_probe,
	.prepare = dbt_prepare,
	.create = dbt_create,
	.destroy = dbt_destroy,
	.map = dbt_map,
	.unmap = dbt_unmap,
	.get_state = dbt_get_state,
	.set_state = dbt_set_state,
	.run = dbt_run,
	.kick = dbt_kick,
	.code_changed = dbt_code_changed,
	.save_code = dbt_save_code,
	.load_code = dbt_load_code,
	.count_code = dbt_count_code,
	.set_lines = dbt_set_lines,
	.timer_due = dbt_timer_due,
	.wakes = dbt_wakes,
	.flush_translations = dbt_flush_translations,
	.drop_reservation = dbt_drop_reservation,
	.set_breakpoints = dbt_set_breakpoints,
};

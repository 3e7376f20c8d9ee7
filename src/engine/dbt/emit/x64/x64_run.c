// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The emitter as an object: made, linked, entered, left, interrupted.
 *
 * Return stack. Translated code has rsp to itself: calls are host calls, returns host returns. What lies
 * there is only ever a hint: the landing behind a call compares the guest's return address with its own, and on a
 * mismatch forgets the stack and looks the address up. The stack's bottom entry leads to the same place, so that an empty stack
 * needs no test. Overflow meets the guard page; emit_on_signal() then forgets the stack and has the call repeated.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/bug.h"
#include "engine/dbt/emit/x64/x64.h"
#include "engine/dbt/emit/x64/x64_gen.h"

#define STACK_BYTES 65536u
#define GUARD_BYTES 4096u

/* The compiler's own names for features lack this one with some compilers: CPUID 80000001h, ECX bit 5. */
static bool has_lzcnt(void)
{
	unsigned int eax;
	unsigned int ebx;
	unsigned int ecx;
	unsigned int edx;

	return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & BIT(5));
}

static const char *find_lack(void)
{
	const char *lacks = NULL;

	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx")) {
		lacks = "AVX";
	} else if (!__builtin_cpu_supports("fma")) {
		lacks = "FMA3";
	} else if (!__builtin_cpu_supports("bmi")) {
		lacks = "BMI1";
	} else if (!__builtin_cpu_supports("bmi2")) {
		lacks = "BMI2";
	} else if (!has_lzcnt()) {
		lacks = "LZCNT";
	} else if (!__builtin_cpu_supports("popcnt")) {
		lacks = "POPCNT";
	}
	return lacks;
}

int emitter_probe(struct errmsg *e)
{
	/* Below a hypervisor each question costs microseconds. */
	static atomic_bool is_known;
	static const char *_Atomic kept;
	const char *lacks;

	if (!atomic_load(&is_known)) {
		atomic_store(&kept, find_lack());
		atomic_store(&is_known, true);
	}
	lacks = atomic_load(&kept);
	return lacks ? errmsg_set(e, -ENOTSUP,
				  "the translator needs a CPU with %s, which this one lacks", lacks)
		     : 0;
}

static int config_check(const struct emit_config *cfg, struct errmsg *e)
{
	if (cfg->n_regs > IR_REGS_MAX || cfg->window_bits < 33 || cfg->window_bits > 46 ||
	    cfg->code_bytes < 1u << 18 || cfg->code_bytes > 1u << 30) {
		return errmsg_set(
			e, -EINVAL,
			"translator: registers=%zu window_bits=%u code_bytes=%zu is out of range",
			cfg->n_regs, (unsigned int)cfg->window_bits, cfg->code_bytes);
	}
	return 0;
}

/* A register's home. Those of good rank are in the static map, each rank once. */
static struct x64_loc home_of(struct emitter *em, ir_val v)
{
	const struct ir_reg *r = &em->cfg.regs[v];
	struct x64_loc home = { .place = X64_IN_MEM, .disp = r->offset };

	if (r->cls == IR_CLASS_BIT) {
		home.place = X64_IN_BYTE;
	} else if (r->cls == IR_CLASS_ZERO) {
		home.place = X64_IS_NUMBER;
	} else if (r->cls == IR_CLASS_INT && r->rank && r->rank <= X64_GPRS_MAPPED) {
		BUG_ON(em->map.gpr_regs[r->rank - 1u] != IR_NONE);
		em->map.gpr_regs[r->rank - 1u] = v;
		home.place = X64_IN_GPR;
		home.reg = x64_gpr_map[r->rank - 1u];
	} else if (r->cls == IR_CLASS_FP && r->rank && r->rank <= X64_XMMS_MAPPED) {
		BUG_ON(em->xmm_regs[r->rank - 1u] != IR_NONE);
		em->xmm_regs[r->rank - 1u] = v;
		home.place = X64_IN_XMM;
		home.reg = (uint8_t)(X64_XMM_MAP_BASE + r->rank - 1u);
	}
	return home;
}

static void homes_init(struct emitter *em)
{
	for (size_t i = 0; i < X64_GPRS_MAPPED; i++) {
		em->map.gpr_regs[i] = IR_NONE;
	}
	for (size_t i = 0; i < X64_XMMS_MAPPED; i++) {
		em->xmm_regs[i] = IR_NONE;
	}
	for (size_t i = 0; i < em->cfg.n_regs; i++) {
		em->homes[i] = home_of(em, (ir_val)i);
	}
}

static int stack_alloc(struct emitter *em)
{
	void *m = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED) {
		return -errno;
	}
	em->stack = m;
	if (mprotect(m, GUARD_BYTES, PROT_NONE) < 0) {
		return -errno;
	}
	em->stack_top = (uint64_t)(uintptr_t)(em->stack + GUARD_BYTES + STACK_BYTES - 16);
	return 0;
}

int emitter_new(const struct emit_config *cfg, struct emitter **ret, struct errmsg *e)
{
	struct emitter *em;
	uint64_t bottom;
	int r;

	r = emitter_probe(e);
	if (r < 0) {
		return r;
	}
	r = config_check(cfg, e);
	if (r < 0) {
		return r;
	}
	em = calloc(1, sizeof(*em));
	if (!em) {
		return errmsg_set(e, -ENOMEM, "translator: out of memory");
	}
	em->cfg = *cfg;
	em->as.base = cfg->code_rw;
	homes_init(em);
	em->gen = malloc(sizeof(*em->gen));
	r = em->gen ? stack_alloc(em) : -ENOMEM;
	if (r < 0) {
		errmsg_set(e, r, "translator: out of memory");
	}
	r = r < 0 ? r : x64_tables_init(em, e);
	if (r < 0) {
		emitter_free(em);
		return r;
	}
	x64_thunks_emit(em);
	em->blocks_at = em->as.at;
	bottom = (uint64_t)(uintptr_t)(cfg->code_rx + em->thunks.mismatch);
	*(uint64_t *)(void *)(em->stack + GUARD_BYTES + STACK_BYTES - 16) = bottom;
	emit_returns_forget(em);
	*ret = em;
	return 0;
}

void emitter_free(struct emitter *em)
{
	if (!em) {
		return;
	}
	if (em->stack) {
		munmap(em->stack, GUARD_BYTES + STACK_BYTES);
	}
	x64_tables_done(em);
	free(em->gen);
	free(em);
}

void emitter_reset(struct emitter *em)
{
	BUG_ON(em->env);
	em->as.at = em->blocks_at;
	em->n_exits = 0;
	em->n_accesses = 0;
	em->n_helpers = 0;
	em->n_maps = 1;
	emit_returns_forget(em);
}

void emit_returns_forget(struct emitter *em)
{
	em->returns = em->stack_top;
	em->is_returns_void = true;
}

/* Offset of an address in the executable view, its end included, or SIZE_MAX. */
static size_t code_offset(const struct emitter *em, uint64_t address)
{
	uint64_t at = address - (uint64_t)(uintptr_t)em->cfg.code_rx;

	return at <= em->as.at ? (size_t)at : SIZE_MAX;
}

_Static_assert(offsetof(struct x64_exit, ret) == 0 && offsetof(struct x64_access, at) == 0,
	       "what a table is sorted by comes first");

/* Index of the first entry of a sorted table that is not below the key. */
static size_t lower_bound(const void *table, size_t bytes, size_t n, size_t key)
{
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;
		uint32_t at;

		memcpy(&at, (const uint8_t *)table + mid * bytes, sizeof(at));
		if (at < key) {
			lo = mid + 1;
		} else {
			n = mid;
		}
	}
	return lo;
}

/* The same few exits are taken again and again; a search among all of them touches as many lines of memory as it has steps. */
static struct x64_exit *exit_find(struct emitter *em, size_t ret)
{
	uint32_t *found = &em->exits_found[(ret ^ ret >> 10) & (X64_EXITS_FOUND - 1)];
	size_t i = *found;

	if (i >= em->n_exits || em->exits[i].ret != ret) {
		i = lower_bound(em->exits, sizeof(*em->exits), em->n_exits, ret);
		if (i == em->n_exits || em->exits[i].ret != ret) {
			return NULL;
		}
		*found = (uint32_t)i;
	}
	return &em->exits[i];
}

static struct x64_access *access_find(const struct emitter *em, size_t at)
{
	size_t i = lower_bound(em->accesses, sizeof(*em->accesses), em->n_accesses, at);

	return i < em->n_accesses && em->accesses[i].at == at ? &em->accesses[i] : NULL;
}

static void link_patch(struct emitter *em, const struct x64_exit *x, size_t to, bool is_jump)
{
	if (x->link == X64_LINK_JUMP) {
		em->as.base[x->field - 1] = is_jump ? 0xe9 : 0xe8;
	}
	x64_patch(&em->as, x->field, to);
}

static struct x64_exit *link_check(const struct emitter *em, void *link)
{
	struct x64_exit *x = link;

	BUG_ON(x < em->exits || x >= em->exits + em->n_exits || x->link == X64_LINK_NONE);
	return x;
}

void emit_link(struct emitter *em, void *link, const void *code)
{
	const struct x64_exit *x = link_check(em, link);
	size_t to;

	if (code) {
		to = code_offset(em, (uint64_t)(uintptr_t)code);
		BUG_ON(to == SIZE_MAX);
	} else {
		to = x->link == X64_LINK_JUMP ? em->thunks.exit : x->ret - 5u;
	}
	link_patch(em, x, to, code);
}

int emit_link_lookup(struct emitter *em, void *link)
{
	struct x64_exit *x = link_check(em, link);

	if (!x->lookup) {
		if (em->as.at + (size_t)6 * X64_INSN_MAX > em->cfg.code_bytes) {
			return -ENOSPC;
		}
		x->lookup = (uint32_t)em->as.at;
		x64_lookup_emit(em, x->pc);
	}
	link_patch(em, x, x->lookup, true);
	return 0;
}

void emit_kill(struct emitter *em, const void *code)
{
	struct x64_asm entry = em->as;

	entry.at = code_offset(em, (uint64_t)(uintptr_t)code);
	BUG_ON(entry.at == SIZE_MAX || !exit_find(em, entry.at + 5));
	x64_call(&entry, em->thunks.exit);
}

void emit_redirect(struct emitter *em, const void *code, const void *now)
{
	struct x64_asm entry = em->as;
	size_t to = code_offset(em, (uint64_t)(uintptr_t)now);

	entry.at = code_offset(em, (uint64_t)(uintptr_t)code);
	BUG_ON(entry.at == SIZE_MAX || to == SIZE_MAX);
	x64_jmp(&entry, to);
}

/* What is left of a budget as r14 had it; @p em is told if it was taken away. */
static int64_t budget_decode(struct emitter *em, int64_t r14)
{
	if (r14 < -(X64_TAKEN / 2)) {
		em->is_interrupted = 1;
		return r14 + X64_TAKEN;
	}
	return r14;
}

/* Bring budget and insns of the run that is under way up to date. */
static void env_count(struct emitter *em, struct emit_env *env, int64_t r14, unsigned int undo)
{
	env->budget = budget_decode(em, r14) + (int64_t)undo;
	env->insns = em->start_insns + (uint64_t)(em->start_budget - env->budget);
}

static void env_prepare(struct emitter *em, struct emit_env *env, const void *code)
{
	struct x64_private *p = x64_private(env);

	p->em = em;
	p->returns = em->returns;
	p->returns_top = em->stack_top;
	p->target = (uint64_t)(uintptr_t)code;
	p->helper_fn = (uint64_t)(uintptr_t)x64_helper_call;
	env->link = NULL;
	em->is_returns_void = false;
	em->start_budget = env->budget;
	em->start_insns = env->insns;
	/* A signal raises both flags if it finds em->env; before that, only the emitter's. */
	p->is_interrupted = 0;
	em->env = env;
	__asm__ volatile("" ::: "memory");
	if (em->is_interrupted) {
		p->is_interrupted = 1;
	}
}

/* Finish in memory what the code had put off. */
static void nans_settle(const struct emitter *em, uint8_t *state, struct x64_dirty dirty)
{
	for (unsigned int i = 0; i < X64_XMMS_MAPPED; i++) {
		uint16_t bit = (uint16_t)(1u << (X64_XMM_MAP_BASE + i));
		uint8_t *p;
		uint64_t v;

		if (!((dirty.f64 | dirty.f32) & bit)) {
			continue;
		}
		p = state + em->cfg.regs[em->xmm_regs[i]].offset;
		v = load_le(p, 8);
		if ((dirty.f64 & bit) && (v & INT64_MAX) > 0x7ffULL << 52) {
			store_le(p, 0x7ff8ULL << 48, 8);
		} else if ((dirty.f32 & bit) && (v & INT32_MAX) > 0xffu << 23) {
			store_le(p, 0xffffffff7fc00000ULL, 8);
		}
	}
}

void emit_enter(struct emitter *em, struct emit_env *env, const void *code)
{
	void (*enter)(void *state, const void *target);
	const uint8_t *entry = em->cfg.code_rx + em->thunks.enter;
	struct x64_private *p = x64_private(env);
	struct x64_exit *x;

	BUG_ON(em->env || env->budget < 0 || env->budget >= X64_TAKEN / 4);
	env_prepare(em, env, code);
	/* executable memory that this emitter wrote; its thunk keeps to this prototype */
	__builtin_memcpy(&enter, &entry, sizeof(enter));
	enter(env + 1, code);
	__asm__ volatile("" ::: "memory");
	em->env = NULL;
	if (!em->is_returns_void) {
		em->returns = p->returns;
	}
	x = p->site ? exit_find(em, code_offset(em, p->site)) : NULL;
	if (x) {
		env->pc = x->pc;
		env->exit = x->exit;
		env->link = x->link == X64_LINK_NONE ? NULL : x;
		env->link_pc = x->from;
	}
	if (x && (x->dirty.f64 | x->dirty.f32)) {
		nans_settle(em, (uint8_t *)(env + 1), x->dirty);
	}
	env_count(em, env, env->budget, x ? x->undo : 0);
	if (env->exit == EMIT_EXIT_BUDGET) {
		em->is_interrupted = 0;
	}
}

int x64_helper_call(struct emit_env *env, uint64_t a, uint64_t b)
{
	struct x64_private *p = x64_private(env);
	struct emitter *em = p->em;
	const struct x64_helper *h = &em->helpers[p->helper_idx];
	int64_t r14 = env->budget;
	enum emit_helper_result result;

	env->pc = h->pc;
	env_count(em, env, r14, h->undo);
	result = env->helpers[h->number](env, a, b, &p->result);
	if (em->is_interrupted) {
		p->is_interrupted = 1;
	}
	env->budget = budget_decode(em, r14);
	if (result == EMIT_HELPER_NEXT) {
		return 0;
	}
	env->exit = EMIT_EXIT_HELPER;
	env->budget += h->undo - (result == EMIT_HELPER_LEAVE);
	p->site = 0;
	p->returns += 8; /* the thunk does not return */
	return 1;
}

static bool is_between(size_t at, size_t from, size_t to)
{
	return at >= from && at < to;
}

void emit_interrupt(struct emitter *em, ucontext_t *uc)
{
	const struct x64_thunks *t = &em->thunks;
	greg_t *gregs = uc->uc_mcontext.gregs;
	size_t at = code_offset(em, (uint64_t)gregs[REG_RIP]);

	em->is_interrupted = 1;
	if (em->env) {
		x64_private(em->env)->is_interrupted = 1;
	}
	if (!em->env || at == SIZE_MAX) {
		return;
	}
	if (is_between(at, t->enter_critical, t->enter_critical_end)) {
		gregs[REG_RIP] -= (greg_t)(at - t->enter_critical);
	} else if (is_between(at, t->helper_critical, t->helper_critical_end)) {
		gregs[REG_RIP] -= (greg_t)(at - t->helper_critical);
	} else if (at >= t->code && gregs[REG_R14] >= -(X64_TAKEN / 2)) {
		gregs[REG_R14] -= X64_TAKEN;
	}
}

/* ---- accesses that the host's MMU refused ---- */

static const uint8_t greg_of[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
				   REG_R12, REG_R13, REG_R14, REG_R15 };

static uint64_t xmm_get(const ucontext_t *uc, unsigned int reg)
{
	uint64_t v;

	memcpy(&v, &uc->uc_mcontext.fpregs->_xmm[reg], sizeof(v));
	return v;
}

#define XSAVE_MAGIC 0x46505853u
#define XSAVE_MAGIC_AT \
	464 /* in the software-reserved bytes of the FXSAVE area: struct _fpx_sw_bytes */
#define XSAVE_FEATURES_AT 512 /* XSTATE_BV */

static void xmm_set(ucontext_t *uc, unsigned int reg, uint64_t v)
{
	uint8_t *area = (uint8_t *)(void *)uc->uc_mcontext.fpregs;
	uint64_t value[2] = { v, 0 };
	uint32_t magic;

	memcpy(&uc->uc_mcontext.fpregs->_xmm[reg], value, sizeof(value));
	memcpy(&magic, area + XSAVE_MAGIC_AT, sizeof(magic));
	if (magic == XSAVE_MAGIC) {
		/* registers that were all zero may be marked as absent */
		area[XSAVE_FEATURES_AT] |= 2;
	}
}

static void registers_from(const struct emitter *em, const struct x64_map *map, uint8_t *state,
			   const ucontext_t *uc)
{
	for (size_t i = 0; i < X64_GPRS_MAPPED; i++) {
		if (map->gpr_regs[i] != IR_NONE) {
			store_le(state + em->cfg.regs[map->gpr_regs[i]].offset,
				 (uint64_t)uc->uc_mcontext.gregs[greg_of[x64_gpr_map[i]]], 8);
		}
	}
	for (unsigned int i = 0; i < X64_XMMS_MAPPED; i++) {
		if (em->xmm_regs[i] != IR_NONE) {
			store_le(state + em->cfg.regs[em->xmm_regs[i]].offset,
				 xmm_get(uc, X64_XMM_MAP_BASE + i), 8);
		}
	}
}

static struct emit_access access_from(const struct x64_access *x, const ucontext_t *uc)
{
	const greg_t *gregs = uc->uc_mcontext.gregs;
	struct emit_access a = { .address = (uint64_t)(int64_t)x->disp,
				 .bytes = x->bytes,
				 .is_write = x->how & X64_ACCESS_WRITE };
	uint64_t value;

	if (x->base != X64_NOREG) {
		a.address += (uint64_t)gregs[greg_of[x->base]];
	}
	if (a.is_write && !(x->how & X64_ACCESS_ZERO)) {
		value = (x->how & X64_ACCESS_XMM) ? xmm_get(uc, x->reg)
						  : (uint64_t)gregs[greg_of[x->reg]];
		a.value = low_bytes(value, x->bytes);
	}
	return a;
}

/* Put a loaded value where the instruction would have put it, and go on behind it. */
static void access_finish(const struct x64_access *x, uint64_t value, ucontext_t *uc)
{
	unsigned int shift = 64 - 8u * x->bytes;
	uint64_t v = low_bytes(value, x->bytes);

	uc->uc_mcontext.gregs[REG_RIP] += x->length;
	if (x->how & X64_ACCESS_WRITE) {
		return;
	}
	if (x->how & X64_ACCESS_XMM) {
		xmm_set(uc, x->reg, v);
		return;
	}
	if (x->how & X64_ACCESS_SIGNED) {
		v = (uint64_t)((int64_t)(v << shift) >> shift);
	}
	uc->uc_mcontext.gregs[greg_of[x->reg]] = (greg_t)v;
}

static bool is_stack_overflow(const struct emitter *em, const siginfo_t *info)
{
	uint64_t at = (uint64_t)(uintptr_t)info->si_addr - (uint64_t)(uintptr_t)em->stack;

	return at < GUARD_BYTES;
}

bool emit_on_signal(struct emitter *em, siginfo_t *info, ucontext_t *uc)
{
	greg_t *gregs = uc->uc_mcontext.gregs;
	size_t at = code_offset(em, (uint64_t)gregs[REG_RIP]);
	struct emit_env *env = em->env;
	const struct x64_access *x;
	struct emit_access access;
	enum emit_access_result result;

	if (!env || at == SIZE_MAX) {
		return false;
	}
	if (is_stack_overflow(em, info)) {
		gregs[REG_RSP] = (greg_t)em->stack_top;
		return true;
	}
	x = access_find(em, at);
	if (!x) {
		return false;
	}
	registers_from(em, x64_map_at(em, x->map), (uint8_t *)(env + 1), uc);
	nans_settle(em, (uint8_t *)(env + 1), x->dirty);
	env->fp_control = uc->uc_mcontext.fpregs->mxcsr;
	env->pc = x->pc;
	env_count(em, env, gregs[REG_R14], x->undo);
	access = access_from(x, uc);
	result = em->cfg.ops->access(env, &access);
	if (result == EMIT_ACCESS_DONE) {
		access_finish(x, access.value, uc);
	} else if (result == EMIT_ACCESS_LEAVE) {
		gregs[REG_R14] += x->undo;
		gregs[REG_RIP] = (greg_t)(uintptr_t)(em->cfg.code_rx + em->thunks.exit_no_store);
		uc->uc_mcontext.fpregs->mxcsr = env->fp_control;
		x64_private(env)->site = 0;
		env->exit = EMIT_EXIT_ACCESS;
	}
	if (em->is_interrupted && gregs[REG_R14] >= -(X64_TAKEN / 2)) {
		gregs[REG_R14] -= X64_TAKEN;
	}
	return true;
}

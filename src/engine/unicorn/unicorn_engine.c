/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine `unicorn`: libunicorn behind the engine contract.
 *
 *   unicorn_lib.c        the library, opened at run time
 *   unicorn_interpose.c  why its state is exact: read this first
 *   unicorn_hooks.c      the library's callbacks, what each means
 *   unicorn_bus.c        device accesses; replay of an instruction that ends the run
 *   unicorn_mmu.c        regions behind virtual addresses
 *   unicorn_points.c     breakpoints and watchpoints
 *   state_*.c            each architecture's registers
 *
 * A run ends because a callback asked for it (u->stop says why), because kick() did, or because
 * the guest halted, which the library tells by returning without a reason.
 */
#include "engine/unicorn/unicorn_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "engine/unicorn/unicorn_priv.h"

/* Slowdown against native code: docs/engine-unicorn.md. */
static const struct {
	enum cpu_arch_id id;
	const struct unicorn_target *target;
	uint32_t slowdown;
} pairs[] = {
	{ CPU_ARCH_X86, &unicorn_target_x86, 127 },  { CPU_ARCH_X64, &unicorn_target_x86, 86 },
	{ CPU_ARCH_ARM, &unicorn_target_arm, 81 },   { CPU_ARCH_A64, &unicorn_target_a64, 67 },
	{ CPU_ARCH_RV64, &unicorn_target_rv64, 80 },
};

#define CAPS                                                                              \
	(ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP | ENGINE_CAP_EXEC_PERM | ENGINE_CAP_FP | \
	 ENGINE_CAP_SIMD | ENGINE_CAP_BREAKPOINTS | ENGINE_CAP_WATCHPOINTS)

static struct unicorn_engine *self(struct engine *eng)
{
	return (struct unicorn_engine *)(void *)eng; /* eng is the first member */
}

static int unicorn_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
			 const struct engine_host *host, struct engine_probe *ret)
{
	const struct unicorn_lib *lib;
	struct errmsg e = { 0 };
	unsigned int major = 0;
	unsigned int minor = 0;
	int r;

	(void)mode;
	(void)host;
	*ret = (struct engine_probe){ 0 };
	r = unicorn_lib_open(&lib, &e);
	if (r < 0) {
		snprintf(ret->detail, sizeof(ret->detail), "%.150s", e.text);
		return r;
	}
	lib->uc_version(&major, &minor);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (pairs[i].id == arch->id) {
			ret->caps = CAPS;
			ret->speed = pairs[i].slowdown;
			snprintf(ret->detail, sizeof(ret->detail), "libunicorn %u.%u", major,
				 minor);
			return 0;
		}
	}
	snprintf(ret->detail, sizeof(ret->detail), "unicorn does not run %s guests", arch->title);
	return -ENOTSUP;
}

size_t unicorn_env_find(const struct unicorn_engine *u, const void *bytes, size_t n)
{
	const uint8_t *hit = memmem(u->env, u->env_bytes, bytes, n);

	return hit ? (size_t)(hit - u->env) : SIZE_MAX;
}

/*
 * The library's CPU object holds a pointer to the state inside itself. Two different values of a
 * register prove which of its pointers that is.
 */
static bool is_env(struct unicorn_engine *u, const uint8_t *env)
{
	static const uint64_t marks[] = { 0x5a17c0de, 0x0badf00d };

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		unicorn_reg_set(u, u->target->probe_reg, marks[i]);
		if (load_le(env + u->target->probe_offset, 4) != marks[i]) {
			return false;
		}
	}
	unicorn_reg_set(u, u->target->probe_reg, 0);
	return true;
}

#define CPU_STATE_SCAN_BYTES 4096
#define ENV_DISTANCE_MAX     65536

static int find_env(struct unicorn_engine *u, struct errmsg *e)
{
	u->lib->uc_emu_stop(u->uc); /* tells cpu_exit() where the CPU is */
	if (!u->ip.cpu) {
		return errmsg_set(e, -ENODEV, "this " UNICORN_LIB_FILE " can't be interposed");
	}
	for (size_t at = 0; at < CPU_STATE_SCAN_BYTES; at += sizeof(uintptr_t)) {
		uintptr_t cpu = (uintptr_t)u->ip.cpu;
		uintptr_t p = load_le((const uint8_t *)u->ip.cpu + at, sizeof(p));

		if (p > cpu && p - cpu < ENV_DISTANCE_MAX && is_env(u, (const uint8_t *)p)) {
			u->env = (uint8_t *)p;
			u->env_bytes = u->lib->uc_context_size(u->uc);
			return 0;
		}
	}
	return errmsg_set(e, -ENODEV, "this " UNICORN_LIB_FILE " keeps its CPU state elsewhere");
}

static int open_cpu(struct unicorn_engine *u, struct errmsg *e)
{
	const struct unicorn_lib *lib = u->lib;
	uc_err err = lib->uc_open(u->target->arch, u->target->mode, &u->uc);

	if (err == UC_ERR_OK && u->target->cpu_model >= 0) {
		err = lib->uc_ctl(u->uc, UC_CTL_WRITE(UC_CTL_CPU_MODEL, 1), u->target->cpu_model);
	}
	if (err == UC_ERR_OK) { /* so that no address ends a run by itself */
		err = lib->uc_ctl(u->uc, UC_CTL_WRITE(UC_CTL_UC_USE_EXITS, 1), 1);
	}
	if (err == UC_ERR_OK) {
		err = lib->uc_context_alloc(u->uc, &u->scratch);
	}
	if (err != UC_ERR_OK) {
		return errmsg_set(e, err == UC_ERR_NOMEM ? -ENOMEM : -EIO, "libunicorn: %s",
				  lib->uc_strerror(err));
	}
	return 0;
}

static void unicorn_destroy(struct engine *eng)
{
	struct unicorn_engine *u = self(eng);

	if (!u) {
		return;
	}
	unicorn_interpose_enter(NULL);
	if (u->scratch) {
		u->lib->uc_context_free(u->scratch);
	}
	if (u->uc) {
		u->lib->uc_close(u->uc);
	}
	free(u);
}

/* unicorn_interpose.limit_block */
static int limit_block(void *opaque, uint64_t pc, int max_insns)
{
	struct unicorn_engine *u = opaque;
	int max = unicorn_breaks_limit_block(u, pc, max_insns);

	/* In the self-test there is no guest memory. */
	return u->target->limit_block && u->mem ? u->target->limit_block(u, pc, max) : max;
}

static int set_up(struct unicorn_engine *u, struct errmsg *e)
{
	int r = open_cpu(u, e);

	r = r < 0 ? r : find_env(u, e);
	r = r < 0 ? r : u->target->init(u, e);
	r = r < 0 ? r : unicorn_hooks_add(u, e);
	return r < 0 ? r : unicorn_selftest(u, e);
}

static const struct unicorn_target *target_of(const struct cpu_arch *arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (pairs[i].id == arch->id) {
			return pairs[i].target;
		}
	}
	return NULL;
}

/* An instance that nothing of a VM is in yet. */
static int open_instance(const struct cpu_arch *arch, struct unicorn_engine **ret, struct errmsg *e)
{
	struct unicorn_engine *u = calloc(1, sizeof(*u));
	int r;

	if (!u) {
		return errmsg_set(e, -ENOMEM, "no memory for the engine");
	}
	u->eng = (struct engine){ .ops = &unicorn_engine_ops, .caps = CAPS };
	u->arch = arch;
	u->target = target_of(arch);
	BUG_ON(!u->target);
	u->ip.opaque = u;
	u->ip.on_code_full = unicorn_on_code_full;
	u->ip.limit_block = limit_block;
	u->ip.on_abort = unicorn_on_abort;
	r = unicorn_lib_open(&u->lib, e);
	if (r == 0) {
		unicorn_interpose_enter(&u->ip);
		r = set_up(u, e);
		unicorn_interpose_enter(NULL);
	}
	if (r < 0) {
		unicorn_destroy(&u->eng);
		return r;
	}
	*ret = u;
	return 0;
}

/*
 * Instances that a process which forks VM processes has opened, one for each architecture. A child takes one
 * over: of its pages it gets copies of those that it writes. Until then its code buffer can't be executed,
 * in children with another engine never.
 */
static struct spare {
	struct unicorn_engine *u; /* NULL: none */
	void *buffer;
	size_t buffer_bytes;
	bool is_tried;
} spares[ARRAY_SIZE(pairs)];

static struct spare *spare_of(const struct cpu_arch *arch)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(pairs) && pairs[i].id != arch->id) {
		i++;
	}
	return i < ARRAY_SIZE(pairs) ? &spares[i] : NULL;
}

/* More than the list of mappings of such a process takes. */
#define MAPS_BYTES (64u << 10)

/* Where the library may write code. @return whether there is one such mapping in this process */
static bool find_buffer(struct spare *s, int maps_fd)
{
	_cleanup_free_ char *maps = calloc(1, MAPS_BYTES);
	ssize_t n = 1;
	size_t at = 0;
	int found = 0;

	while (maps && n > 0 && at < MAPS_BYTES - 1) {
		n = pread(maps_fd, maps + at, MAPS_BYTES - 1 - at, (off_t)at);
		at += n > 0 ? (size_t)n : 0;
	}
	for (const char *p = maps; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		size_t from, to;
		char perms[5];

		if (sscanf(p, "%zx-%zx %4s", &from, &to, perms) == 3 &&
		    strcmp(perms, "rwxp") == 0) {
			s->buffer = (void *)from;
			s->buffer_bytes = to - from;
			found++;
		}
	}
	return found == 1;
}

/* The self-test, above all: its result stays. */
static void unicorn_prepare(const struct cpu_arch *arch, const struct engine_host *host)
{
	struct unicorn_engine *u;

	(void)host;
	if (target_of(arch) && open_instance(arch, &u, NULL) == 0) {
		unicorn_destroy(&u->eng);
	}
}

static void unicorn_open_ahead(const struct cpu_arch *arch, int maps_fd)
{
	struct spare *spare = spare_of(arch);
	struct spare s = { .is_tried = true };

	if (!spare || spare->is_tried) {
		return;
	}
	spare->is_tried = true;
	if (open_instance(arch, &s.u, NULL) < 0) {
		return;
	}
	if (!find_buffer(&s, maps_fd) ||
	    mprotect(s.buffer, s.buffer_bytes, PROT_READ | PROT_WRITE) < 0) {
		unicorn_destroy(&s.u->eng);
		return;
	}
	*spare = s;
}

static struct unicorn_engine *take_spare(const struct cpu_arch *arch)
{
	struct spare *s = spare_of(arch);
	struct unicorn_engine *u = s ? s->u : NULL;

	if (!u || mprotect(s->buffer, s->buffer_bytes, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
		return NULL;
	}
	s->u = NULL;
	return u;
}

/* Make it this VM's. */
static int settle(struct unicorn_engine *u, const struct engine_config *cfg, struct errmsg *e)
{
	struct cpu_state s;
	int r;

	u->mode = cfg->mode;
	u->bus = cfg->bus;
	u->mem = cfg->mem;
	r = unicorn_bus_map(u, cfg->mmio, cfg->n_mmio, e);
	if (r < 0) {
		return r;
	}
	u->ip.find_region = unicorn_mmu_find_region;
	cfg->arch->reset(&s, &cfg->mode);
	return u->target->set_state(u, &s, e);
}

static int unicorn_create(const struct engine_config *cfg, struct engine **ret, struct errmsg *e)
{
	struct unicorn_engine *u;
	struct engine_probe probe;
	int r;

	r = unicorn_probe(cfg->arch, &cfg->mode, &cfg->host, &probe);
	if (r < 0) {
		return errmsg_set(e, r, "%s", probe.detail);
	}
	u = take_spare(cfg->arch);
	if (!u) {
		r = open_instance(cfg->arch, &u, e);
		if (r < 0) {
			return r;
		}
	}
	unicorn_interpose_enter(&u->ip);
	r = settle(u, cfg, e);
	unicorn_interpose_enter(NULL);
	if (r < 0) {
		unicorn_destroy(&u->eng);
		return r;
	}
	*ret = &u->eng;
	return 0;
}

/* The library numbers RAM consecutively, with gaps for this alignment. */
#define RAM_ALIGN_BYTES 0x40000ULL

static int unicorn_map(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct unicorn_engine *u = self(eng);
	uc_err err;

	_Static_assert(MEM_R == UC_PROT_READ && MEM_W == UC_PROT_WRITE && MEM_X == UC_PROT_EXEC,
		       "permissions have the library's values");
	unicorn_interpose_enter(&u->ip);
	err = u->lib->uc_mem_map_ptr(u->uc, r->base_gpa, r->size_bytes, r->perm, r->hva);
	unicorn_interpose_enter(NULL);
	if (err != UC_ERR_OK) {
		return errmsg_set(e, -EINVAL, "libunicorn can't map %s at 0x%llx: %s", r->name,
				  (unsigned long long)r->base_gpa, u->lib->uc_strerror(err));
	}
	u->ram_bytes += align_down(r->size_bytes + RAM_ALIGN_BYTES - 1, RAM_ALIGN_BYTES);
	if ((r->perm & (MEM_R | MEM_W)) == (MEM_R | MEM_W) && u->n_free < UNICORN_FREE_MAX) {
		u->free_region[u->n_free++] = unicorn_region_at(u->uc, r->base_gpa);
	}
	if (r->perm == MEM_RWX) {
		u->permissive = unicorn_region_at(u->uc, r->base_gpa);
	}
	return 0;
}

static int unicorn_unmap(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct unicorn_engine *u = self(eng);
	uc_err err;

	unicorn_interpose_enter(&u->ip);
	if (u->permissive == unicorn_region_at(u->uc, r->base_gpa)) {
		u->permissive = NULL;
	}
	for (size_t i = 0; i < u->n_free; i++) {
		if (u->free_region[i] == unicorn_region_at(u->uc, r->base_gpa)) {
			u->free_region[i] = u->free_region[--u->n_free];
		}
	}
	unicorn_code_drop(u->target->id, u->uc, u->ram_bytes);
	/* The library checks the range by looking up regions; here the addresses are physical. */
	u->ip.find_region = NULL;
	err = u->lib->uc_mem_unmap(u->uc, r->base_gpa, r->size_bytes);
	u->ip.find_region = unicorn_mmu_find_region;
	unicorn_interpose_enter(NULL);
	if (err != UC_ERR_OK) {
		return errmsg_set(e, -EINVAL, "libunicorn can't unmap %s: %s", r->name,
				  u->lib->uc_strerror(err));
	}
	return 0;
}

static int unicorn_get_state(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	struct unicorn_engine *u = self(eng);
	struct cpu_state s = { .arch = u->arch->id };
	int r;

	unicorn_interpose_enter(&u->ip);
	r = u->target->get_state(u, &s, e);
	unicorn_interpose_enter(NULL);
	if (r == 0) {
		*ret = s;
	}
	return r;
}

static int unicorn_set_state(struct engine *eng, const struct cpu_state *s, struct errmsg *e)
{
	struct unicorn_engine *u = self(eng);
	int r;

	if (s->arch != u->arch->id) {
		return errmsg_set(e, -EINVAL, "this state is another architecture's");
	}
	unicorn_interpose_enter(&u->ip);
	u->watch.has_hit = false;
	r = u->target->set_state(u, s, e);
	unicorn_interpose_enter(NULL);
	return r;
}

/* Whether the counted instruction at the end of the run was not carried out. */
static bool is_last_undone(const struct unicorn_engine *u, const struct vm_exit *x)
{
	return (x->kind == VM_EXIT_EXCEPTION || x->kind == VM_EXIT_FAULT) && u->count > 0 &&
	       u->counted_pc == x->fault.pc;
}

static void exit_exception(struct unicorn_engine *u, struct vm_exit *ret)
{
	ret->kind = VM_EXIT_EXCEPTION;
	ret->fault = u->fault;
	ret->fault.pc = u->target->linear_pc(u);
}

static void exit_invalid(struct unicorn_engine *u, struct vm_exit *ret)
{
	ret->kind = VM_EXIT_EXCEPTION;
	u->target->describe_invalid(u, &ret->fault);
	ret->fault.pc = u->target->linear_pc(u);
}

/*
 * No callback ended the run. A halt and a kick may coincide: the halt has been executed and must
 * not be lost. Without the interposition only callbacks kick.
 */
static void exit_plain(struct unicorn_engine *u, uc_err err, struct vm_exit *ret)
{
	if (err == UC_ERR_OK && (u->ip.has_halted || !u->is_exact)) {
		ret->kind = VM_EXIT_HALT;
	} else if (u->is_kicked) {
		ret->kind = VM_EXIT_KICKED;
	} else {
		ret->kind = VM_EXIT_UNHANDLED;
		snprintf(ret->detail, sizeof(ret->detail), "libunicorn: %s",
			 u->lib->uc_strerror(err));
	}
}

/* Say why the library came back. */
static void describe_exit(struct unicorn_engine *u, uc_err err, struct vm_exit *ret)
{
	switch (u->stop) {
	case UNICORN_STOP_LIMIT:
		ret->kind = VM_EXIT_INSN_LIMIT;
		break;
	case UNICORN_STOP_KICK:
		ret->kind = VM_EXIT_KICKED;
		break;
	case UNICORN_STOP_BREAK:
		ret->kind = VM_EXIT_BREAKPOINT;
		break;
	case UNICORN_STOP_WATCH:
		ret->kind = VM_EXIT_WATCHPOINT;
		ret->watch = u->watch.hit;
		break;
	case UNICORN_STOP_EXCEPTION:
		exit_exception(u, ret);
		break;
	case UNICORN_STOP_INVALID:
	case UNICORN_STOP_TRANSLATE:
		exit_invalid(u, ret);
		break;
	case UNICORN_STOP_FAULT:
		ret->kind = VM_EXIT_FAULT;
		ret->fault = u->fault;
		ret->fault.pc = u->target->linear_pc(u);
		break;
	case UNICORN_STOP_ABORT:
		ret->kind = VM_EXIT_UNHANDLED;
		snprintf(ret->detail, sizeof(ret->detail),
			 "libunicorn can't execute this instruction");
		break;
	default:
		exit_plain(u, err, ret);
		break;
	}
}

uc_err unicorn_start(struct unicorn_engine *u)
{
	uc_err err;

	u->stop = UNICORN_STOP_NONE;
	u->ip.has_halted = false;
	u->ip.has_yielded = false;
	u->can_stop = !u->has_count_hook;
	err = u->lib->uc_emu_start(u->uc, u->target->start_pc(u), 0, 0, 0);
	u->can_stop = 0;
	return err;
}

/* The instruction whose access answered BUS_STOP again, alone, its accesses from the log. */
static int replay(struct unicorn_engine *u, struct vm_exit *ret, struct errmsg *e)
{
	uint64_t before = u->count > 0 ? u->count - 1 : 0;
	uint64_t limit = u->limit;
	bool was_counting = u->has_count_hook;
	uc_err err;
	int r;

	r = unicorn_set_counting(u, true, e);
	if (r < 0) {
		return r;
	}
	unicorn_bus_replay(u);
	u->count = 0;
	u->limit = 1;
	u->is_alone = true;
	u->watch.has_hit = false; /* by the attempt that was abandoned */
	err = unicorn_start(u);
	u->is_alone = false;
	u->is_replaying = false;
	ret->kind = VM_EXIT_BUS_STOP;
	if (u->stop != UNICORN_STOP_LIMIT) {
		describe_exit(u, err, ret);
	}
	u->count += before;
	u->limit = limit;
	return was_counting ? 0 : unicorn_set_counting(u, false, e);
}

/*
 * A block that runs into memory that may not be executed, or into an instruction that can't be
 * translated, fails when it is translated, before its good instructions have run. One by one they
 * do.
 */
static bool is_premature(struct unicorn_engine *u)
{
	if (u->stop == UNICORN_STOP_TRANSLATE) {
		return u->is_exact && !u->has_count_hook;
	}
	return u->stop == UNICORN_STOP_FAULT && u->fault.access == MEM_X && !u->has_count_hook &&
	       u->fault.address != u->target->linear_pc(u);
}

/* @return 1 when the run is over */
static int run_on(struct unicorn_engine *u, struct vm_exit *ret, struct errmsg *e)
{
	uc_err err;
	int r;

	if (u->is_kicked) {
		ret->kind = VM_EXIT_KICKED;
		return 1;
	}
	if (u->ip.is_code_full) {
		u->lib->uc_ctl(u->uc, UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0));
		u->ip.is_code_full = false;
		u->ip.first_tb = 0;
	}
	err = unicorn_start(u);
	if (is_premature(u)) {
		return unicorn_set_counting(u, true, e);
	}
	if (u->stop == UNICORN_STOP_NONE && u->ip.is_code_full && !u->ip.has_halted) {
		return 0;
	}
	if (u->stop == UNICORN_STOP_BUS) {
		r = replay(u, ret, e);
		return r < 0 ? r : 1;
	}
	if (u->stop == UNICORN_STOP_INSN) {
		return u->target->finish_insn(u, ret, e);
	}
	if (u->stop == UNICORN_STOP_YIELD) {
		return 0; /* looks at kicks first */
	}
	describe_exit(u, err, ret);
	return 1;
}

static int unicorn_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret,
		       struct errmsg *e)
{
	struct unicorn_engine *u = self(eng);
	struct vm_exit x = { 0 };
	int r;

	unicorn_interpose_enter(&u->ip);
	u->limit = max_insns ? max_insns : UINT64_MAX;
	u->count = 0;
	r = unicorn_set_counting(u, max_insns != 0 || u->watch.n > 0, e);
	if (r == 0) {
		r = unicorn_breaks_install(u, e);
	}
	while (r == 0) {
		r = run_on(u, &x, e);
	}
	u->is_kicked = 0;
	if (x.kind == VM_EXIT_WATCHPOINT || x.kind == VM_EXIT_EXCEPTION ||
	    x.kind == VM_EXIT_FAULT) {
		u->watch.has_hit = false; /* told, or the instruction was not executed */
	}
	unicorn_interpose_enter(NULL);
	if (r < 0) {
		return r;
	}
	x.insns = max_insns ? u->count - (is_last_undone(u, &x) ? 1 : 0) : 0;
	*ret = x;
	return 0;
}

/*
 * Called by a signal handler. While instructions are counted, the callback of the next one does
 * the stopping: only there is it certain which instructions were executed.
 */
static void unicorn_kick(struct engine *eng, void *uc)
{
	struct unicorn_engine *u = self(eng);

	(void)uc;
	u->is_kicked = 1;
	if (u->can_stop) {
		u->lib->uc_emu_stop(u->uc);
	}
}

/* The library's own way takes virtual addresses and may leave a page fault behind: drop all. */
static void unicorn_code_changed(struct engine *eng, gpa_t gpa, uint64_t len)
{
	struct unicorn_engine *u = self(eng);

	(void)gpa;
	(void)len;
	unicorn_code_drop(u->target->id, u->uc, u->ram_bytes);
}

const struct engine_ops unicorn_engine_ops = {
	.name = "unicorn",
	.probe = unicorn_probe,
	.prepare = unicorn_prepare,
	.is_bulky = true,
	.open_ahead = unicorn_open_ahead,
	.create = unicorn_create,
	.destroy = unicorn_destroy,
	.map = unicorn_map,
	.unmap = unicorn_unmap,
	.get_state = unicorn_get_state,
	.set_state = unicorn_set_state,
	.run = unicorn_run,
	.kick = unicorn_kick,
	.code_changed = unicorn_code_changed,
	.set_breakpoints = unicorn_set_breakpoints,
	.set_watchpoints = unicorn_set_watchpoints,
};

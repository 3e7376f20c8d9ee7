/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM interface over a stub engine that is written from engine/engine.h alone: every operation in
 * every state is done or refused with the same sentence for all architectures, and what an engine
 * may answer becomes the right stop. The stub stands in the place of the real table of engines.
 *
 * The stub's guests are bytes: N nop, L endless loop, H halt, F access to nowhere, U an exit that
 * only has a name, B breaks the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "engine/engine.h"
#include "host/fd.h"
#include "host/timer.h"
#include "test.h"
#include "vm/vm.h"

#define WAIT_S	    20
#define SMALL_SLICE (2 * NS_PER_MS)

/* ---- the stub engine ---- */

struct stub {
	struct engine base;
	struct engine_config cfg;
	struct cpu_state state;
	volatile bool is_kicked;
};

static bool stub_is_absent;
static uint64_t stub_caps;

static struct stub *stub_of(struct engine *eng)
{
	return (struct stub *)eng;
}

static int stub_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
		      const struct engine_host *host, struct engine_probe *ret)
{
	(void)arch;
	(void)mode;
	(void)host;
	snprintf(ret->detail, sizeof(ret->detail), stub_is_absent ? "it is absent" : "a stub");
	ret->caps = stub_caps;
	ret->speed = 1;
	return stub_is_absent ? -ENODEV : 0;
}

static const struct engine_ops stub_ops;

static int stub_create(const struct engine_config *cfg, struct engine **ret, struct errmsg *e)
{
	struct stub *s = calloc(1, sizeof(*s));

	if (!s) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	s->base.ops = &stub_ops;
	s->base.caps = stub_caps;
	s->cfg = *cfg;
	s->state.arch = cfg->arch->id;
	cfg->arch->reset(&s->state, &cfg->mode);
	*ret = &s->base;
	return 0;
}

static void stub_destroy(struct engine *eng)
{
	free(eng);
}

static int stub_map(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	(void)eng;
	(void)r;
	(void)e;
	return 0;
}

static int stub_get_state(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	(void)e;
	*ret = stub_of(eng)->state;
	return 0;
}

static int stub_set_state(struct engine *eng, const struct cpu_state *s, struct errmsg *e)
{
	(void)e;
	stub_of(eng)->state = *s;
	return 0;
}

/* One instruction. @return whether the run goes on */
static bool stub_execute(struct stub *s, struct vm_exit *x, int *ret_r, struct errmsg *e)
{
	const struct cpu_arch *arch = s->cfg.arch;
	gva_t pc = arch->get_pc(&s->state);
	uint8_t op = 0;

	mem_peek(s->cfg.mem, pc, &op, 1);
	switch (op) {
	case 'N':
		arch->set_pc(&s->state, pc + 4);
		return true;
	case 'L':
		return true;
	case 'H':
		x->kind = VM_EXIT_HALT;
		arch->set_pc(&s->state, pc + 4);
		return false;
	case 'U':
		x->kind = VM_EXIT_UNHANDLED;
		snprintf(x->detail, sizeof(x->detail), "STUB_EXIT_ODD 0x%x", 7u);
		return false;
	case 'B':
		*ret_r = errmsg_set(e, -EIO, "it broke");
		return false;
	default:
		x->kind = VM_EXIT_FAULT;
		x->fault = (struct cpu_fault){ .kind = CPU_FAULT_UNMAPPED,
					       .pc = pc,
					       .address = 0x1234,
					       .has_address = true,
					       .access = MEM_R };
		return false;
	}
}

static int stub_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	struct stub *s = stub_of(eng);
	struct vm_exit x = { .kind = VM_EXIT_INSN_LIMIT };
	int r = 0;

	while (max_insns == 0 || x.insns < max_insns) {
		if (s->is_kicked) {
			s->is_kicked = false;
			x.kind = VM_EXIT_KICKED;
			break;
		}
		if (!stub_execute(s, &x, &r, e)) {
			x.insns += x.kind == VM_EXIT_HALT;
			break;
		}
		x.insns++;
	}
	if (r == 0) {
		*ret = x;
	}
	return r;
}

static void stub_kick(struct engine *eng, void *uc)
{
	(void)uc;
	stub_of(eng)->is_kicked = true;
}

static int stub_set_breakpoints(struct engine *eng, const gva_t *addrs, size_t n)
{
	(void)eng;
	(void)addrs;
	return n ? -ENOSPC : 0;
}

static const struct engine_ops stub_ops = {
	.name = "stub",
	.probe = stub_probe,
	.create = stub_create,
	.destroy = stub_destroy,
	.map = stub_map,
	.unmap = stub_map,
	.get_state = stub_get_state,
	.set_state = stub_set_state,
	.run = stub_run,
	.kick = stub_kick,
	.set_breakpoints = stub_set_breakpoints,
};

const struct engine_ops *const engine_table[] = { &stub_ops };
const size_t engine_count = 1;

const struct engine_ops *engine_by_name(const char *name)
{
	return strcmp(name, stub_ops.name) == 0 ? &stub_ops : NULL;
}

const char *vm_exit_kind_name(enum vm_exit_kind kind)
{
	BUG_ON(kind >= VM_EXIT_KIND_COUNT);
	return "stub";
}

/* ---- one VM ---- */

struct rig {
	struct vm *vm;
	int image_fd;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned int n_stops;
	struct proto_stopped stop; /* the last one */
};

static void on_stop(void *opaque, const struct proto_stopped *s)
{
	struct rig *g = opaque;

	pthread_mutex_lock(&g->lock);
	g->stop = *s;
	g->n_stops++;
	pthread_cond_signal(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

static void on_output(void *opaque)
{
	(void)opaque;
}

/* Wait for the next stop that was not waited for yet. */
static bool wait_stop(struct rig *g)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&g->lock);
	while (g->n_stops == 0 && r == 0) {
		r = pthread_cond_timedwait(&g->cond, &g->lock, &until);
	}
	if (g->n_stops) {
		g->n_stops--;
	}
	pthread_mutex_unlock(&g->lock);
	CHECK_INT(r, 0);
	return r == 0;
}

static void seal(int fd)
{
	CHECK_INT(fcntl(fd, F_ADD_SEALS,
			F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
		  0);
}

/* A flat image: one letter per instruction, each of four bytes. */
static int image_of(const char *letters)
{
	uint8_t bytes[256] = { 0 };
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	for (size_t i = 0; letters[i]; i++) {
		bytes[i * 4] = (uint8_t)letters[i];
	}
	CHECK_INT(host_fd_write_full(fd, bytes, sizeof(bytes)), 0);
	seal(fd);
	return fd;
}

static struct proto_config config_for(const struct cpu_arch *arch)
{
	struct proto_config cfg = {
		.arch = (uint32_t)arch->id,
		.n_cpus = 1,
		.slice_ns = SMALL_SLICE,
		.limits = { .mem_bytes = 1 << 20 },
		.engine = "stub",
		.board = "bare",
		.image_name = "stub.bin",
	};

	return cfg;
}

static int rig_try(struct rig *g, const struct proto_config *cfg, const char *letters,
		   struct errmsg *e)
{
	struct vm_fds fds = VM_FDS_NONE;
	struct vm_callbacks cb = { g, on_stop, on_output };
	struct proto_ready ready = { 0 };
	int r;

	*g = (struct rig){ .image_fd = image_of(letters) };
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->cond, NULL);
	fds.image = g->image_fd;
	r = vm_new(cfg, &fds, &cb, &g->vm, &ready, e);
	if (r == 0) {
		r = vm_thread_start(g->vm, e);
	}
	return r;
}

static void rig_done(struct rig *g)
{
	vm_free(g->vm);
	close(g->image_fd);
	g->vm = NULL;
}

static void rig_make(struct rig *g, const struct cpu_arch *arch, const char *letters)
{
	struct proto_config cfg = config_for(arch);
	struct errmsg e = { 0 };

	CHECK_INT(rig_try(g, &cfg, letters, &e), 0);
	CHECK_STR(e.text, "");
}

/* ---- every operation in every state ---- */

/* The states that a VM of board bare can be in. */
static const enum proto_vm_state states[] = { PROTO_VM_READY, PROTO_VM_RUNNING, PROTO_VM_PAUSED,
					      PROTO_VM_STOPPED, PROTO_VM_FAULTED };

static void bring_to(struct rig *g, const struct cpu_arch *arch, enum proto_vm_state state)
{
	rig_make(g, arch, state == PROTO_VM_STOPPED ? "NH" :
			  state == PROTO_VM_FAULTED ? "NF" : "NNNNNNNNL");
	switch (state) {
	case PROTO_VM_RUNNING:
		CHECK_INT(vm_start(g->vm, NULL), 0);
		break;
	case PROTO_VM_PAUSED:
		CHECK_INT(vm_pause(g->vm, NULL), 0);
		break;
	case PROTO_VM_STOPPED:
	case PROTO_VM_FAULTED:
		CHECK_INT(vm_start(g->vm, NULL), 0);
		wait_stop(g);
		break;
	default:
		break;
	}
	CHECK_INT(vm_state(g->vm), state);
}

static int op_steps(struct vm *vm, struct errmsg *e)
{
	return vm_run_instructions(vm, 3, e);
}

static int op_save(struct vm *vm, struct errmsg *e)
{
	int fd = memfd_create("context", MFD_CLOEXEC);
	int r = vm_save_context(vm, fd, e);

	close(fd);
	return r;
}

/* A context that was saved from this very VM while it stood; made by the caller of the matrix. */
static int good_context_fd = -1;

static int op_load(struct vm *vm, struct errmsg *e)
{
	return vm_load_context(vm, good_context_fd, e);
}

static int op_usage(struct vm *vm, struct errmsg *e)
{
	struct proto_usage u = { 0 };

	return vm_get_usage(vm, &u, e);
}

static int op_limits(struct vm *vm, struct errmsg *e)
{
	struct proto_limits l = { .cpu_ns = 3600 * NS_PER_S };

	return vm_set_limits(vm, &l, e);
}

static int op_get_regs(struct vm *vm, struct errmsg *e)
{
	uint8_t regs[8192];

	return vm_get_regs(vm, regs, sizeof(regs), e) > 0 ? 0 : -EIO;
}

static int op_set_reg(struct vm *vm, struct errmsg *e)
{
	struct proto_set_reg s = { .idx = 0, .bytes = vm_arch(vm)->regs[0].bytes };

	return vm_set_reg(vm, &s, e);
}

static gpa_t ram_of(const struct vm *vm)
{
	static const gpa_t bases[] = { 0, 0, 0, 0x40000000, 0x40000000, 0x80000000 };

	return bases[vm_arch(vm)->id];
}

static int op_read_mem(struct vm *vm, struct errmsg *e)
{
	struct proto_mem m = { .gva = ram_of(vm) + 0x80000, .bytes = 8, .is_physical = 1 };
	uint8_t buf[8];
	int r = vm_read_mem(vm, &m, buf, e);

	return r == 8 ? 0 : r < 0 ? r : -EIO;
}

static int op_write_mem(struct vm *vm, struct errmsg *e)
{
	struct proto_mem m = { .gva = ram_of(vm) + 0x80000, .bytes = 8, .is_physical = 1 };
	uint8_t buf[8] = { 0 };
	int r = vm_write_mem(vm, &m, buf, e);

	return r == 8 ? 0 : r < 0 ? r : -EIO;
}

static int op_point(struct vm *vm, struct errmsg *e)
{
	struct proto_point p = { .kind = PROTO_POINT_BREAK,
				 .is_add = 1,
				 .gva = ram_of(vm) + 0x80000,
				 .bytes = 4 };

	return vm_set_point(vm, &p, e);
}

#define IN(s) (1u << PROTO_VM_##s)
#define ALWAYS (IN(READY) | IN(RUNNING) | IN(PAUSED) | IN(STOPPED) | IN(FAULTED))
#define STANDING (ALWAYS & ~IN(RUNNING))

/* The state machine of vm/vm.h as a table. */
static const struct operation {
	const char *name; /* as the refusal says it */
	int (*fn)(struct vm *vm, struct errmsg *e);
	unsigned int allowed;
	const char *needs;
	enum proto_vm_state after; /* COUNT: as before, or it runs on */
} operations[] = {
	{ "start", vm_start, IN(READY), "ready", PROTO_VM_RUNNING },
	{ "pause", vm_pause, IN(READY) | IN(RUNNING), "ready or running", PROTO_VM_PAUSED },
	{ "resume", vm_resume, IN(PAUSED), "paused", PROTO_VM_RUNNING },
	{ "stop", vm_stop, IN(READY) | IN(RUNNING) | IN(PAUSED), "ready, running or paused",
	  PROTO_VM_STOPPED },
	{ "run_one_instruction", op_steps, IN(READY) | IN(PAUSED), "ready or paused",
	  PROTO_VM_STATE_COUNT },
	{ "run_one_slice", vm_run_one_slice, IN(READY) | IN(PAUSED), "ready or paused",
	  PROTO_VM_STATE_COUNT },
	{ "save_context", op_save, STANDING, "not running", PROTO_VM_STATE_COUNT },
	{ "load_context", op_load, STANDING, "not running", PROTO_VM_PAUSED },
	{ "get_resource_usage", op_usage, ALWAYS, "", PROTO_VM_STATE_COUNT },
	{ "set_resource_limit", op_limits, ALWAYS, "", PROTO_VM_STATE_COUNT },
	{ "getting registers", op_get_regs, ALWAYS, "", PROTO_VM_STATE_COUNT },
	{ "setting a register", op_set_reg, STANDING, "not running", PROTO_VM_STATE_COUNT },
	{ "reading memory", op_read_mem, ALWAYS, "", PROTO_VM_STATE_COUNT },
	{ "writing memory", op_write_mem, STANDING, "not running", PROTO_VM_STATE_COUNT },
	{ "a breakpoint", op_point, ALWAYS, "", PROTO_VM_STATE_COUNT },
};

static void check_operation(const struct cpu_arch *arch, enum proto_vm_state state,
			    const struct operation *op)
{
	struct rig g;
	struct errmsg e = { 0 };
	char want[200];
	int r;

	bring_to(&g, arch, state);
	r = op->fn(g.vm, &e);
	if (op->allowed & 1u << state) {
		if (r != 0) {
			printf("%s: %s in state %s: %s\n", arch->name, op->name,
			       proto_vm_state_name(state), e.text);
			test_failures++;
		}
		if (op->after != PROTO_VM_STATE_COUNT) {
			CHECK_INT(vm_state(g.vm), op->after);
		}
	} else {
		snprintf(want, sizeof(want), "%s needs a VM that is %s; this one is %s", op->name,
			 op->needs, proto_vm_state_name(state));
		CHECK_INT(r, -EBUSY);
		CHECK_STR(e.text, want);
		CHECK_INT(vm_state(g.vm), state);
	}
	rig_done(&g);
}

static void every_operation_in_every_state(void)
{
	for (size_t a = 0; a < cpu_arch_count; a++) {
		struct rig g;

		rig_make(&g, cpu_arch_table[a], "NNNNNNNNL");
		good_context_fd = memfd_create("context", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		CHECK_INT(vm_save_context(g.vm, good_context_fd, NULL), 0);
		seal(good_context_fd);
		rig_done(&g);
		for (size_t s = 0; s < ARRAY_SIZE(states); s++) {
			for (size_t o = 0; o < ARRAY_SIZE(operations); o++) {
				check_operation(cpu_arch_table[a], states[s], &operations[o]);
			}
		}
		close(good_context_fd);
	}
}

/* ---- what an engine answers ---- */

static void exits_become_stops(void)
{
	static const struct {
		const char *letters;
		enum proto_stop reason;
		enum proto_vm_state state;
		const char *text;
	} rows[] = {
		{ "NNH", PROTO_STOP_HALT, PROTO_VM_STOPPED, "the guest halted" },
		{ "NU", PROTO_STOP_ERROR, PROTO_VM_FAULTED, "STUB_EXIT_ODD 0x7" },
		{ "NB", PROTO_STOP_ERROR, PROTO_VM_FAULTED, "engine stub failed: it broke" },
		{ "NF", PROTO_STOP_FAULT, PROTO_VM_FAULTED, NULL },
	};

	for (size_t a = 0; a < cpu_arch_count; a++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			uint8_t regs[8192];
			struct rig g;

			rig_make(&g, cpu_arch_table[a], rows[i].letters);
			CHECK_INT(vm_start(g.vm, NULL), 0);
			wait_stop(&g);
			CHECK_INT(g.stop.reason, rows[i].reason);
			CHECK_INT(g.stop.state, rows[i].state);
			CHECK_INT(vm_state(g.vm), rows[i].state);
			if (rows[i].text) {
				CHECK_STR(g.stop.text, rows[i].text);
			} else {
				CHECK_STR(g.stop.fault.kind, "unmapped");
				CHECK_INT(g.stop.fault.address, 0x1234);
				CHECK_INT(g.stop.fault.pc, g.stop.pc);
			}
			CHECK(vm_get_regs(g.vm, regs, sizeof(regs), NULL) > 0);
			rig_done(&g);
		}
	}
}

static void steps_and_slices_are_what_was_asked_for(void)
{
	for (size_t a = 0; a < cpu_arch_count; a++) {
		const struct cpu_arch *arch = cpu_arch_table[a];
		struct proto_usage u = { 0 };
		struct errmsg e = { 0 };
		struct rig g;
		uint64_t pc;

		rig_make(&g, arch, "NNNNNNNNL");
		CHECK_INT(vm_run_instructions(g.vm, 0, &e), -EINVAL);
		CHECK_STR(e.text, "at least one instruction must be run");
		CHECK_INT(vm_run_instructions(g.vm, 1, &e), 0);
		wait_stop(&g);
		CHECK_INT(g.stop.reason, PROTO_STOP_STEPPED);
		CHECK_INT(vm_state(g.vm), PROTO_VM_PAUSED);
		pc = g.stop.pc;
		CHECK_INT(vm_run_instructions(g.vm, 5, &e), 0);
		wait_stop(&g);
		CHECK_INT(g.stop.pc - pc, 20);
		CHECK_INT(g.stop.usage.insns, 6);
		CHECK_INT(vm_run_one_slice(g.vm, &e), 0);
		wait_stop(&g);
		CHECK_INT(g.stop.reason, PROTO_STOP_SLICE);
		CHECK_INT(vm_get_usage(g.vm, &u, &e), 0);
		CHECK_INT(u.slices, 1);
		CHECK(u.cpu_ns >= SMALL_SLICE && u.wall_ns >= SMALL_SLICE);
		rig_done(&g);
	}
}

static void limits_can_be_set_while_it_runs(void)
{
	for (size_t a = 0; a < cpu_arch_count; a++) {
		static const struct {
			struct proto_limits limits;
			enum proto_limit_kind kind;
		} rows[] = {
			{ { .cpu_ns = 3 * NS_PER_MS }, PROTO_LIMIT_CPU },
			{ { .wall_ns = 3 * NS_PER_MS }, PROTO_LIMIT_WALL },
			{ { .insns = 100 }, PROTO_LIMIT_INSNS },
		};

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct errmsg e = { 0 };
			struct rig g;

			bring_to(&g, cpu_arch_table[a], PROTO_VM_RUNNING);
			CHECK_INT(vm_set_limits(g.vm, &rows[i].limits, &e), 0);
			wait_stop(&g);
			CHECK_INT(g.stop.reason, PROTO_STOP_LIMIT);
			CHECK_INT(g.stop.limit, rows[i].kind);
			CHECK_INT(vm_state(g.vm), PROTO_VM_STOPPED);
			rig_done(&g);
		}
	}
}

static void instruction_limit_is_exact(void)
{
	struct proto_config cfg = config_for(cpu_arch_table[0]);
	struct rig g;

	cfg.limits.insns = 5;
	CHECK_INT(rig_try(&g, &cfg, "NNNNNNNNNNL", NULL), 0);
	CHECK_INT(vm_start(g.vm, NULL), 0);
	wait_stop(&g);
	CHECK_INT(g.stop.limit, PROTO_LIMIT_INSNS);
	CHECK_INT(g.stop.usage.insns, 5);
	CHECK(g.stop.usage.insns_known);
	CHECK_STR(g.stop.text, "the guest reached its limit of 5 instructions");
	rig_done(&g);
}

static void capabilities_are_asked_for(void)
{
	struct proto_limits limits = { .insns = 5 };
	struct errmsg e = { 0 };
	struct rig g;

	stub_caps = 0;
	rig_make(&g, cpu_arch_table[0], "NNL");
	CHECK_INT(vm_run_instructions(g.vm, 1, &e), -ENOTSUP);
	CHECK_STR(e.text, "engine stub can't step here");
	CHECK_INT(vm_set_limits(g.vm, &limits, &e), -ENOTSUP);
	CHECK_STR(e.text, "engine stub can't count instructions here");
	CHECK_INT(op_point(g.vm, &e), -ENOTSUP);
	CHECK_STR(e.text, "engine stub can't stop at addresses here");
	CHECK_INT(vm_state(g.vm), PROTO_VM_READY);
	rig_done(&g);
	stub_caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP;
}

static void engine_that_is_not_there_is_named(void)
{
	struct proto_config cfg = config_for(cpu_arch_table[0]);
	struct errmsg e = { 0 };
	struct rig g;

	stub_is_absent = true;
	CHECK_INT(rig_try(&g, &cfg, "L", &e), -ENODEV);
	CHECK_STR(e.text, "engine stub can't run x86 (32-bit) guests here: it is absent");
	CHECK(!g.vm);
	rig_done(&g);
	snprintf(cfg.engine, sizeof(cfg.engine), "auto");
	CHECK_INT(rig_try(&g, &cfg, "L", &e), -ENODEV);
	CHECK_STR(e.text, "no engine can run x86 (32-bit) guests here: stub: it is absent");
	rig_done(&g);
	stub_is_absent = false;
	snprintf(cfg.engine, sizeof(cfg.engine), "other");
	CHECK_INT(rig_try(&g, &cfg, "L", &e), -EINVAL);
	CHECK_STR(e.text, "there is no engine 'other'; see pinfold doctor");
	rig_done(&g);
}

static void breakpoint_stops_by_steps(void)
{
	struct proto_point p = { .kind = PROTO_POINT_BREAK, .is_add = 1, .bytes = 4 };
	struct errmsg e = { 0 };
	struct rig g;

	for (size_t a = 0; a < cpu_arch_count; a++) {
		rig_make(&g, cpu_arch_table[a], "NNNNNNNNL");
		CHECK_INT(vm_run_instructions(g.vm, 1, &e), 0);
		wait_stop(&g);
		p.gva = g.stop.pc + 8;
		CHECK_INT(vm_set_point(g.vm, &p, &e), 0);
		CHECK_INT(vm_resume(g.vm, &e), 0);
		wait_stop(&g);
		CHECK_INT(g.stop.reason, PROTO_STOP_BREAKPOINT);
		CHECK_INT(g.stop.pc, p.gva);
		CHECK_INT(vm_state(g.vm), PROTO_VM_PAUSED);
		rig_done(&g);
	}
}

static const struct test_case cases[] = {
	{ "every operation in every state", every_operation_in_every_state },
	{ "exits become stops", exits_become_stops },
	{ "steps and slices are what was asked for", steps_and_slices_are_what_was_asked_for },
	{ "limits can be set while it runs", limits_can_be_set_while_it_runs },
	{ "instruction limit is exact", instruction_limit_is_exact },
	{ "capabilities are asked for", capabilities_are_asked_for },
	{ "engine that is not there is named", engine_that_is_not_there_is_named },
	{ "breakpoint stops by steps", breakpoint_stops_by_steps },
};

int main(void)
{
	stub_caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return test_main(cases, ARRAY_SIZE(cases));
}

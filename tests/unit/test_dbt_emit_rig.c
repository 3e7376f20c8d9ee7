// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_emit_rig.h. */
#include "test_dbt_emit_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE_BYTES (4u << 20)

#define INT_REG(n, the_rank)                                             \
	{                                                                \
		.name = "r" #n, .cls = IR_CLASS_INT, .rank = (the_rank), \
		.offset = offsetof(struct rig_state, r[n])               \
	}
#define FP_REG(n, the_rank)                                             \
	{                                                               \
		.name = "f" #n, .cls = IR_CLASS_FP, .rank = (the_rank), \
		.offset = offsetof(struct rig_state, f[n])              \
	}
#define BIT_REG(n, the_name)                                  \
	{                                                     \
		.name = (the_name), .cls = IR_CLASS_BIT,      \
		.offset = offsetof(struct rig_state, bits[n]) \
	}

const struct ir_reg rig_regs[RIG_REGS] = {
	INT_REG(0, 1),
	INT_REG(1, 2),
	INT_REG(2, 3),
	INT_REG(3, 4),
	INT_REG(4, 5),
	INT_REG(5, 6),
	INT_REG(6, 7),
	INT_REG(7, 8),
	INT_REG(8, 9),
	INT_REG(9, 10),
	INT_REG(10, 11),
	INT_REG(11, 12),
	INT_REG(12, 0),
	INT_REG(13, 0),
	INT_REG(14, 0),
	INT_REG(15, 0),
	FP_REG(0, 1),
	FP_REG(1, 2),
	FP_REG(2, 3),
	FP_REG(3, 4),
	FP_REG(4, 5),
	FP_REG(5, 6),
	FP_REG(6, 7),
	FP_REG(7, 8),
	FP_REG(8, 9),
	FP_REG(9, 10),
	FP_REG(10, 11),
	FP_REG(11, 12),
	FP_REG(12, 13),
	FP_REG(13, 14),
	FP_REG(14, 0),
	FP_REG(15, 0),
	BIT_REG(0, "n"),
	BIT_REG(1, "z"),
	BIT_REG(2, "c"),
	BIT_REG(3, "v"),
	{ .name = "zero", .cls = IR_CLASS_ZERO },
};

const struct opt_config rig_opt_config = { .regs = rig_regs,
					   .n_regs = RIG_REGS,
					   .window_bits = RIG_WINDOW_BITS,
					   .slack_bytes = EMIT_WINDOW_SLACK };

struct rig rig;

uint64_t rig_device(uint64_t *device, uint64_t address, uint8_t bytes, bool is_write,
		    uint64_t value)
{
	*device =
		*device * 0x9e3779b97f4a7c15ULL + address * 31 + bytes + (is_write ? value * 7 : 0);
	return low_bytes(*device ^ *device >> 29, bytes);
}

enum emit_helper_result rig_helper(struct rig_state *s, uint32_t *fp, uint64_t number, uint64_t a,
				   uint64_t b, uint64_t *ret, uint64_t *pc)
{
	*ret = a * 3 + b;
	switch (number) {
	case RIG_HELPER_REGS:
		for (size_t i = 0; i < RIG_INTS; i++) {
			*ret += s->r[i] + s->f[i];
			s->r[i] += i * b;
		}
		s->f[3] ^= a;
		s->f[14] ^= b;
		s->bits[1] ^= 1;
		*fp ^= 1u << 13;
		return EMIT_HELPER_NEXT;
	case RIG_HELPER_LEAVE:
		s->r[7] ^= a;
		*pc += 0x40;
		return EMIT_HELPER_LEAVE;
	case RIG_HELPER_UNDO:
		return EMIT_HELPER_UNDO;
	default:
		return EMIT_HELPER_NEXT;
	}
}

bool rig_is_in_table(uint64_t address, uint8_t bytes, bool is_write)
{
	uint64_t page = address & ~(PAGE_BYTES - 1);

	return address % bytes == 0 &&
	       (page == RIG_RAM_LOW || (page == RIG_RAM_HIGH + PAGE_BYTES && !is_write));
}

static void table_init(void)
{
	for (uint32_t k = 0; k < EMIT_PAGES; k++) {
		rig.pages[k].read = rig.pages[k].write = emit_page_none(k);
	}
	rig.pages[0] = (struct emit_page){ RIG_RAM_LOW, RIG_RAM_LOW, rig_ram(RIG_RAM_LOW), 0 };
	rig.pages[1].read = RIG_RAM_HIGH + PAGE_BYTES;
	rig.pages[1].host = rig_ram(RIG_RAM_HIGH + PAGE_BYTES);
}

#define HELPER(name, number)                                                                 \
	static enum emit_helper_result name(struct emit_env *env, uint64_t a, uint64_t b,    \
					    uint64_t *ret)                                   \
	{                                                                                    \
		struct rig_cpu *cpu = (struct rig_cpu *)(void *)env;                         \
                                                                                             \
		rig.has_foreign_mode |= (__builtin_ia32_stmxcsr() & ~0x3fu) != 0x1f80;       \
		return rig_helper(&cpu->s, &env->fp_control, (number), a, b, ret, &env->pc); \
	}

HELPER(helper_sum, RIG_HELPER_SUM)
HELPER(helper_regs, RIG_HELPER_REGS)
HELPER(helper_leave, RIG_HELPER_LEAVE)
HELPER(helper_undo, RIG_HELPER_UNDO)

static const emit_helper_fn helpers[] = {
	[RIG_HELPER_SUM] = helper_sum,
	[RIG_HELPER_REGS] = helper_regs,
	[RIG_HELPER_LEAVE] = helper_leave,
	[RIG_HELPER_UNDO] = helper_undo,
};

static bool is_in_page(uint64_t address, uint64_t page)
{
	return address >= page && address - page < PAGE_BYTES;
}

static enum emit_access_result on_access(struct emit_env *env, struct emit_access *a)
{
	rig.accesses++;
	rig.has_foreign_mode |= (__builtin_ia32_stmxcsr() & ~0x3fu) != 0x1f80;
	if (is_in_page(a->address, RIG_DEVICE)) {
		a->value = rig_device(&rig.device, a->address, a->bytes, a->is_write, a->value);
		return EMIT_ACCESS_DONE;
	}
	if (rig.is_late_mapped && is_in_page(a->address, RIG_LATE)) {
		if (mprotect(rig.window + RIG_LATE, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0) {
			return EMIT_ACCESS_RETRY;
		}
	}
	if (rig.leave_pc) {
		env->pc = rig.leave_pc;
		((struct rig_cpu *)(void *)env)->s.r[5] = 0x55;
	}
	return EMIT_ACCESS_LEAVE;
}

static const struct emit_ops ops = { .access = on_access };

static void on_segv(int sig, siginfo_t *info, void *context)
{
	if (!emit_on_signal(rig.em, info, context)) {
		signal(sig, SIG_DFL);
	}
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	if (rig.is_interrupting) {
		emit_interrupt(rig.em, context);
	}
}

static void signals_init(void)
{
	static uint8_t stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&ss, NULL);
	sigaddset(&sa.sa_mask, SIGALRM);
	sa.sa_sigaction = on_segv;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sa.sa_sigaction = on_timer;
	sigaction(SIGALRM, &sa, NULL);
}

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void map(uint64_t address, size_t bytes)
{
	if (mprotect(rig.window + (int64_t)address, bytes, PROT_READ | PROT_WRITE) < 0) {
		fail("mprotect");
	}
}

static void window_init(void)
{
	const uint64_t half = 1ULL << RIG_WINDOW_BITS;
	uint8_t *m = mmap(NULL, 2 * (half + EMIT_WINDOW_SLACK), PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (m == MAP_FAILED) {
		fail("window");
	}
	rig.window = m + half + EMIT_WINDOW_SLACK;
	map(RIG_RAM_LOW, RIG_RAM_BYTES);
	map(RIG_RAM_HIGH, RIG_RAM_BYTES);
}

void rig_init(void)
{
	int fd = memfd_create("code", MFD_CLOEXEC);
	struct emit_config cfg = { .regs = rig_regs,
				   .n_regs = RIG_REGS,
				   .ops = &ops,
				   .window_bits = RIG_WINDOW_BITS,
				   .code_bytes = CODE_BYTES };
	struct errmsg e = { "" };
	int r;

#ifdef __SANITIZE_THREAD__
	printf("skipped: ThreadSanitizer does not bear code that it has not seen\n");
	exit(77);
#endif
	if (fd < 0 || ftruncate(fd, CODE_BYTES) < 0) {
		fail("memfd");
	}
	cfg.code_rw = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cfg.code_rx = mmap(NULL, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	close(fd);
	if (cfg.code_rw == MAP_FAILED || cfg.code_rx == MAP_FAILED) {
		fail("code memory");
	}
	r = emitter_new(&cfg, &rig.em, &e);
	if (r == -ENOTSUP) {
		printf("skipped: %s\n", e.text);
		exit(77);
	}
	if (r < 0) {
		printf("%s\n", e.text);
		exit(1);
	}
	rig.code_rx = cfg.code_rx;
	rig.cpu = aligned_alloc(16, (sizeof(*rig.cpu) + 15) & ~(size_t)15);
	rig.jumps = calloc(EMIT_JUMPS, sizeof(*rig.jumps));
	if (!rig.cpu || !rig.jumps) {
		fail("memory");
	}
	memset(rig.cpu, 0, sizeof(*rig.cpu));
	window_init();
	table_init();
	signals_init();
	rig_reset();
}

void rig_reset(void)
{
	emitter_reset(rig.em);
	for (size_t i = 0; i < EMIT_JUMPS; i++) {
		rig.jumps[i].pc = EMIT_JUMP_EMPTY;
	}
}

uint8_t *rig_ram(uint64_t address)
{
	return rig.window + (int64_t)address;
}

void rig_unmap(void)
{
	if (mprotect(rig.window + RIG_LATE, PAGE_BYTES, PROT_NONE) < 0) {
		fail("mprotect");
	}
}

const void *rig_emit(const struct ir_block *b)
{
	struct emit_code code;
	const char *why;

	if (!ir_block_check(b, rig_regs, RIG_REGS, &why)) {
		printf("a block is wrong: %s\n", why);
		exit(1);
	}
	return emit_block(rig.em, b, &code) == 0 ? code.entry : NULL;
}

struct rig_result rig_run(const void *code, uint64_t pc, int64_t budget)
{
	struct emit_env *env = &rig.cpu->env;

	env->pc = pc;
	env->budget = budget;
	env->insns = 0;
	env->window = rig.window;
	env->jumps = rig.jumps;
	env->helpers = helpers;
	env->pages = rig.pages;
	emit_enter(rig.em, env, code);
	return (struct rig_result){
		.exit = env->exit,
		.pc = env->pc,
		.budget = env->budget,
		.insns = env->insns,
		.fp = env->fp_control,
		.gva = env->exit == EMIT_EXIT_LOAD || env->exit == EMIT_EXIT_STORE ? env->access_gva
										   : 0,
	};
}

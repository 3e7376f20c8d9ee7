/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How exactness is got out of libunicorn 2.0.1.
 *
 * Through its interface alone the library stops in the wrong places: uc_emu_stop() may end a run
 * behind any memory access in the middle of a translated block, and a refused access reports the
 * start of the block. In both cases the registers are those of the middle and the program counter
 * is that of the start, so going on executes part of the block twice.
 *
 * Debian's library exports its internal functions and calls them through the symbol table, so a
 * program that exports a function of the same name gets the call instead (interpose.syms lists
 * what has to be exported). We replace:
 *
 *   tcg_gen_qemu_{ld,st}_{i32,i64}, check_exit_request
 *       Translated code asks "shall I stop?" at the start of each block and, needlessly, behind
 *       each memory access. The second question is left out: a stop is now always between blocks,
 *       where the state is exact. It costs nothing.
 *   gen_intermediate_code
 *       Translates one instruction per block while instructions are counted or stepped; then a
 *       hook per block is a hook per instruction. Ends blocks in front of breakpoints.
 *   page_collection_lock, page_collection_unlock
 *       Each store builds a tree of locks that nobody takes, 75 of its 100 ns. One vCPU per
 *       instance needs none.
 *   memory_mapping
 *       The library looks up regions by the virtual address. With paging on that is wrong for
 *       every address that is not mapped to itself: unicorn_mmu.c answers instead.
 *   tcg_exec_init, gen_intermediate_code again
 *       The buffer for translated code is 1 GiB, is filled with zeros to empty it, and the library
 *       crashes when it is full, which a guest can bring about. Ours is smaller, and emptied
 *       between two runs before it is full.
 *   qht_init
 *       The table of translated blocks begins with room for 32,768: 512 KiB, written to at once. It
 *       grows by itself, so ours begins with an eighth.
 *   cpu_breakpoint_insert, cpu_watchpoint_insert
 *       A guest that sets a debug register sends the library into a loop that no stop ends.
 *       There are none to be had.
 *   tlb_set_page_with_attrs (x86)
 *       On x86 the library checks the guest's page tables and then maps every page to itself. We
 *       give it the address that the tables name.
 *   cpu_exit, raise_interrupt, helper_hlt, helper_wfi, helper_yield
 *       Only listened to: where is the CPU's struct; how long was the INT instruction, whose
 *       start is lost; did the guest halt, or did a kick end the run; was it WFE rather than an
 *       undefined instruction.
 *   helper_idivw, helper_idivl
 *       A quotient that crashes the host is a divide error.
 *   abort, __assert_fail
 *       Some instructions, invalid ones among them, are too much for the translator, which then
 *       ends the process. We end the run. Everyone else's calls go to libc.
 *
 * A refused access and a device access that must end the run are abandoned from inside the
 * callback, with the library's own cpu_loop_exit_restore(), which needs the return address into
 * the translated code. That is the first frame on the stack that belongs to no function; a load's
 * slow path returns to a jump, which is followed.
 *
 * Known to work with 2.0.1.post1 (Debian 12) on x86-64 hosts. unicorn_selftest.c proves at every
 * create() that the replacements took effect; without them the engine counts every instruction
 * with the library's own means, which is exact but slower (docs/engine-unicorn.md).
 */
#include "engine/unicorn/unicorn_interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <unwind.h>

#include "base/bits.h"
#include "base/bug.h"

typedef void gen_access_fn(void *tcg, void *val, void *addr, uintptr_t idx, int memop);

/* The library's own functions. */
static struct {
	void (*cpu_exit)(void *cpu);
	void *(*memory_mapping)(void *uc, uint64_t addr);
	void (*qht_init)(void *table, void *compare, size_t n, unsigned int mode);
	void (*raise_exception_ra)(void *env, int vector, uintptr_t host_pc);
	void (*idivw)(void *env, uint64_t divisor);
	void (*idivl)(void *env, uint64_t divisor);
	void (*raise_interrupt)(void *env, int intno, int is_int, int error_code, int next_addend);
	void (*tlb_set_page)(void *cpu, uint64_t gva, uint64_t gpa, uint32_t attrs, int prot,
			     int mmu_idx, uint64_t size);
	/* by the tables: x86 and ARM have a place for attributes, RISC-V has none and ignores it */
	struct {
		uint64_t (*virt_to_phys)(void *cpu, uint64_t gva, uint32_t *ret_attrs);
		gen_access_fn *ld_i32, *st_i32, *ld_i64, *st_i64;
		void (*check_exit_request)(void *tcg);
		void (*gen_intermediate_code)(void *cpu, void *tb, int max_insns);
		void (*cpu_loop_exit_restore)(void *cpu, uintptr_t host_pc);
		void (*tlb_flush)(void *cpu);
		void (*tcg_exec_init)(void *uc, unsigned long buffer_bytes);
		void (*tb_invalidate_phys_range)(void *uc, uint64_t start, uint64_t end);
		uint64_t (*ram_addr_from_host)(void *uc, void *hva);
		void (*helper_halt)(void *env, uint32_t insn_bytes);
		void (*helper_yield)(void *env);
		void *cpu_exec;
	} target[UNICORN_TARGET_COUNT];
	void (*abort)(void); /* libc's */
	void (*assert_fail)(const char *text, const char *file, unsigned int line,
			    const char *function);
	void *handle;
	void *base; /* of the library in memory */
} real;

/* Names that unicorn_internal() remembers. */
#define INTERNALS_MAX 16

static _Thread_local struct unicorn_interpose *current;
static _Thread_local int in_access; /* an access is being translated */
static bool is_passive;

void unicorn_interpose_set_passive(bool passive)
{
	is_passive = passive;
}

bool unicorn_interpose_is_passive(void)
{
	return is_passive;
}

void *unicorn_internal(const char *name)
{
	static struct {
		const char *name;
		void *addr;
	} known[INTERNALS_MAX];
	static size_t n;
	void *addr;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(known[i].name, name) == 0) {
			return known[i].addr;
		}
	}
	addr = dlsym(real.handle, name);
	if (n < INTERNALS_MAX) {
		known[n].name = name;
		known[n++].addr = addr;
	}
	return addr;
}

/* POSIX demands that function and object pointers convert; C does not. */
static void bind_from(void *handle, void *field, const char *name)
{
	void *addr = dlsym(handle, name);

	memcpy(field, &addr, sizeof(addr));
}

static void bind_one(void *field, const char *name, const char *suffix)
{
	char full[80];

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	bind_from(real.handle, field, full);
}

void unicorn_interpose_bind(void *handle)
{
	static const char *const suffixes[UNICORN_TARGET_COUNT] = {
		[UNICORN_TARGET_X86] = "_x86_64",
		[UNICORN_TARGET_ARM] = "_arm",
		[UNICORN_TARGET_A64] = "_aarch64",
		[UNICORN_TARGET_RV64] = "_riscv64",
	};

	static const char *const virt_to_phys[UNICORN_TARGET_COUNT] = {
		[UNICORN_TARGET_X86] = "x86_cpu_get_phys_page_attrs_debug_x86_64",
		[UNICORN_TARGET_ARM] = "arm_cpu_get_phys_page_attrs_debug_arm",
		[UNICORN_TARGET_A64] = "arm_cpu_get_phys_page_attrs_debug_aarch64",
		[UNICORN_TARGET_RV64] = "riscv_cpu_get_phys_page_debug_riscv64",
	};

	Dl_info info;

	real.handle = handle;
	bind_from(RTLD_NEXT, &real.abort, "abort");
	bind_from(RTLD_NEXT, &real.assert_fail, "__assert_fail");
	bind_one(&real.tlb_set_page, "tlb_set_page_with_attrs", "_x86_64");
	bind_one(&real.cpu_exit, "cpu_exit", "");
	bind_one(&real.memory_mapping, "memory_mapping", "");
	bind_one(&real.qht_init, "qht_init", "");
	bind_one(&real.raise_interrupt, "raise_interrupt", "_x86_64");
	bind_one(&real.raise_exception_ra, "raise_exception_ra", "_x86_64");
	bind_one(&real.idivw, "helper_idivw_AX", "_x86_64");
	bind_one(&real.idivl, "helper_idivl_EAX", "_x86_64");
	if (dladdr(unicorn_internal("uc_open"), &info)) {
		real.base = info.dli_fbase;
	}
	for (int t = 0; t < UNICORN_TARGET_COUNT; t++) {
		const char *s = suffixes[t];

		bind_one(&real.target[t].virt_to_phys, virt_to_phys[t], "");
		bind_one(&real.target[t].ld_i32, "tcg_gen_qemu_ld_i32", s);
		bind_one(&real.target[t].st_i32, "tcg_gen_qemu_st_i32", s);
		bind_one(&real.target[t].ld_i64, "tcg_gen_qemu_ld_i64", s);
		bind_one(&real.target[t].st_i64, "tcg_gen_qemu_st_i64", s);
		bind_one(&real.target[t].check_exit_request, "check_exit_request", s);
		bind_one(&real.target[t].gen_intermediate_code, "gen_intermediate_code", s);
		bind_one(&real.target[t].cpu_loop_exit_restore, "cpu_loop_exit_restore", s);
		bind_one(&real.target[t].tcg_exec_init, "tcg_exec_init", s);
		bind_one(&real.target[t].tlb_flush, "tlb_flush", s);
		bind_one(&real.target[t].tb_invalidate_phys_range, "tb_invalidate_phys_range", s);
		bind_one(&real.target[t].ram_addr_from_host, "qemu_ram_addr_from_host", s);
		bind_one(&real.target[t].helper_halt,
			 t == UNICORN_TARGET_X86 ? "helper_hlt" : "helper_wfi", s);
		bind_one(&real.target[t].helper_yield, "helper_yield", s);
		bind_one(&real.target[t].cpu_exec, "cpu_exec", s);
	}
}

void unicorn_interpose_enter(struct unicorn_interpose *ip)
{
	current = ip;
}

void *unicorn_region_at(void *uc, uint64_t gpa)
{
	return real.memory_mapping(uc, gpa);
}

void unicorn_tlb_flush(enum unicorn_target_id target, void *cpu)
{
	real.target[target].tlb_flush(cpu);
}

bool unicorn_virt_to_phys(enum unicorn_target_id target, void *cpu, uint64_t gva, uint64_t *ret_gpa)
{
	uint32_t attrs;
	uint64_t gpa = real.target[target].virt_to_phys(cpu, gva, &attrs);

	if (gpa == UINT64_MAX) {
		return false;
	}
	*ret_gpa = align_down(gpa, PAGE_BYTES) | (gva & (PAGE_BYTES - 1));
	return true;
}

void unicorn_code_drop(enum unicorn_target_id target, void *uc, uint64_t ram_bytes)
{
	if (ram_bytes > 0) {
		real.target[target].tb_invalidate_phys_range(uc, 0, ram_bytes);
	}
}

void unicorn_code_drop_page(enum unicorn_target_id target, void *uc, void *hva)
{
	uint64_t at = real.target[target].ram_addr_from_host(uc, hva);

	if (at != UINT64_MAX) {
		at = align_down(at, PAGE_BYTES);
		real.target[target].tb_invalidate_phys_range(uc, at, at + PAGE_BYTES);
	}
}

#define CODE_BUFFER_BYTES  (32UL << 20)
#define CODE_RESERVE_BYTES (1UL << 20) /* far more than a chain of blocks takes until the stop */

/* A block's description lies in the buffer, in front of its code. */
static void watch_buffer(uintptr_t tb)
{
	if (!current || is_passive) {
		return;
	}
	if (current->first_tb == 0) {
		current->first_tb = tb;
	}
	if (!current->is_code_full &&
	    tb - current->first_tb > CODE_BUFFER_BYTES - CODE_RESERVE_BYTES) {
		current->is_code_full = true;
		current->on_code_full(current->opaque);
	}
}

/* How many instructions the block may have whose description is @p tb: it starts with the pc. */
static int block_limit(enum unicorn_target_id target, const void *tb, int max_insns)
{
	uint64_t pc = load_le(tb, target == UNICORN_TARGET_ARM ? 4 : 8);

	if (!current || is_passive) {
		return max_insns;
	}
	if (current->insns_per_tb) {
		return current->insns_per_tb;
	}
	return current->limit_block(current->opaque, pc, max_insns);
}

/* The replacements. Their names are the library's, not ours. */

void cpu_exit(void *cpu);
void *memory_mapping(void *uc, uint64_t addr);
void qht_init(void *table, void *compare, size_t n, unsigned int mode);
_Noreturn void raise_interrupt_x86_64(void *env, int intno, int is_int, int error_code,
				      int next_addend);
void tlb_set_page_with_attrs_x86_64(void *cpu, uint64_t gva, uint64_t gpa, uint32_t attrs, int prot,
				    int mmu_idx, uint64_t size);

/* Also called from a signal handler, by way of uc_emu_stop(). */
void cpu_exit(void *cpu)
{
	if (current && !current->cpu) {
		current->cpu = cpu;
	}
	real.cpu_exit(cpu);
}

void *memory_mapping(void *uc, uint64_t addr)
{
	if (current && current->find_region) {
		return current->find_region(current->opaque, uc, addr);
	}
	return real.memory_mapping(uc, addr);
}

#define TABLE_BLOCKS	4096
#define TABLE_MODE_GROW 1 /* QHT_MODE_AUTO_RESIZE */

void qht_init(void *table, void *compare, size_t n, unsigned int mode)
{
	if (current && !is_passive && mode == TABLE_MODE_GROW && n > TABLE_BLOCKS) {
		n = TABLE_BLOCKS;
	}
	real.qht_init(table, compare, n, mode);
}

void tlb_set_page_with_attrs_x86_64(void *cpu, uint64_t gva, uint64_t gpa, uint32_t attrs, int prot,
				    int mmu_idx, uint64_t size)
{
	uint64_t real_gpa;

	if (!is_passive && unicorn_virt_to_phys(UNICORN_TARGET_X86, cpu, gva, &real_gpa)) {
		gpa = real_gpa;
	}
	real.tlb_set_page(cpu, gva, gpa, attrs, prot, mmu_idx, size);
}

_Noreturn void raise_interrupt_x86_64(void *env, int intno, int is_int, int error_code,
				      int next_addend)
{
	if (current) {
		current->x86_soft_int_bytes = is_int ? next_addend : 0;
	}
	real.raise_interrupt(env, intno, is_int, error_code, next_addend);
	BUG_ON(true); /* it leaves by longjmp */
}

#define INTERPOSE_ACCESS(kind, suffix, id)                                                   \
	void tcg_gen_qemu_##kind##_##suffix(void *tcg, void *val, void *addr, uintptr_t idx, \
					    int memop);                                      \
	void tcg_gen_qemu_##kind##_##suffix(void *tcg, void *val, void *addr, uintptr_t idx, \
					    int memop)                                       \
	{                                                                                    \
		in_access++;                                                                 \
		real.target[id].kind(tcg, val, addr, idx, memop);                            \
		in_access--;                                                                 \
	}

/*
 * The library asks for huge pages, one of which would be more memory than most guests' code takes.
 * What is touched here, the start of the buffer, stays in small ones.
 */
static void make_buffer(enum unicorn_target_id target, void *uc)
{
	unsigned long was = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1;

	prctl(PR_SET_THP_DISABLE, 1UL, 0, 0, 0);
	real.target[target].tcg_exec_init(uc, CODE_BUFFER_BYTES);
	prctl(PR_SET_THP_DISABLE, was, 0, 0, 0);
}

#define INTERPOSE_TARGET(suffix, id)                                                            \
	INTERPOSE_ACCESS(ld_i32, suffix, id)                                                    \
	INTERPOSE_ACCESS(st_i32, suffix, id)                                                    \
	INTERPOSE_ACCESS(ld_i64, suffix, id)                                                    \
	INTERPOSE_ACCESS(st_i64, suffix, id)                                                    \
	void check_exit_request_##suffix(void *tcg);                                            \
	void check_exit_request_##suffix(void *tcg)                                             \
	{                                                                                       \
		if (in_access == 0 || is_passive) {                                             \
			real.target[id].check_exit_request(tcg);                                \
		}                                                                               \
	}                                                                                       \
	void gen_intermediate_code_##suffix(void *cpu, void *tb, int max_insns);                \
	void gen_intermediate_code_##suffix(void *cpu, void *tb, int max_insns)                 \
	{                                                                                       \
		/* A refused fetch leaves by longjmp: no access is under way now. */            \
		in_access = 0;                                                                  \
		watch_buffer((uintptr_t)tb);                                                    \
		real.target[id].gen_intermediate_code(cpu, tb, block_limit(id, tb, max_insns)); \
	}                                                                                       \
	void tcg_exec_init_##suffix(void *uc, unsigned long buffer_bytes);                      \
	void tcg_exec_init_##suffix(void *uc, unsigned long buffer_bytes)                       \
	{                                                                                       \
		(void)buffer_bytes;                                                             \
		make_buffer(id, uc);                                                            \
	}                                                                                       \
	int cpu_breakpoint_insert_##suffix(void *cpu, uint64_t pc, int flags, void **ret);      \
	int cpu_breakpoint_insert_##suffix(void *cpu, uint64_t pc, int flags, void **ret)       \
	{                                                                                       \
		(void)cpu;                                                                      \
		(void)pc;                                                                       \
		(void)flags;                                                                    \
		if (ret) {                                                                      \
			*ret = NULL;                                                            \
		}                                                                               \
		return -ENOSPC;                                                                 \
	}                                                                                       \
	int cpu_watchpoint_insert_##suffix(void *cpu, uint64_t addr, uint64_t len, int flags,   \
					   void **ret);                                         \
	int cpu_watchpoint_insert_##suffix(void *cpu, uint64_t addr, uint64_t len, int flags,   \
					   void **ret)                                          \
	{                                                                                       \
		(void)len;                                                                      \
		return cpu_breakpoint_insert_##suffix(cpu, addr, flags, ret);                   \
	}                                                                                       \
	void *page_collection_lock_##suffix(void *uc, uint64_t start, uint64_t end);            \
	void *page_collection_lock_##suffix(void *uc, uint64_t start, uint64_t end)             \
	{                                                                                       \
		(void)uc;                                                                       \
		(void)start;                                                                    \
		(void)end;                                                                      \
		return NULL;                                                                    \
	}                                                                                       \
	void page_collection_unlock_##suffix(void *set);                                        \
	void page_collection_unlock_##suffix(void *set)                                         \
	{                                                                                       \
		(void)set;                                                                      \
	}

#define INTERPOSE_YIELD(suffix, id)                  \
	void helper_yield_##suffix(void *env);       \
	void helper_yield_##suffix(void *env)        \
	{                                            \
		if (current) {                       \
			current->has_yielded = true; \
		}                                    \
		real.target[id].helper_yield(env);   \
	}

/* It leaves by longjmp, unless there is a reason not to halt. RISC-V's has no second argument. */
#define INTERPOSE_HALT(name, id)                              \
	void name(void *env, uint32_t insn_bytes);            \
	void name(void *env, uint32_t insn_bytes)             \
	{                                                     \
		if (current) {                                \
			current->has_halted = true;           \
		}                                             \
		real.target[id].helper_halt(env, insn_bytes); \
		if (current) {                                \
			current->has_halted = false;          \
		}                                             \
	}

/*
 * IDIV of 16 and 32 bits: the library divides INT_MIN by -1 on the host, which kills the process. That
 * quotient does not fit: a divide error (vector 0). Called from translated code, so that the return
 * address is what the library wants.
 */
#define INTERPOSE_IDIV(name, field, bits)                                                        \
	void name(void *env, uint64_t divisor);                                                  \
	void name(void *env, uint64_t divisor)                                                   \
	{                                                                                        \
		const uint8_t *gpr = env; /* in order of the encoding: rax first, rdx third */   \
		uint64_t low = load_le(gpr, (bits) / 8);                                         \
		uint64_t high = load_le(gpr + 16, (bits) / 8);                                   \
                                                                                                 \
		if (low == 0 && high == BIT((bits)-1) &&                                         \
		    low_bytes(divisor, (bits) / 8) == low_bytes(UINT64_MAX, (bits) / 8)) {       \
			real.raise_exception_ra(env, 0, (uintptr_t)__builtin_return_address(0)); \
		}                                                                                \
		real.field(env, divisor);                                                        \
	}

INTERPOSE_TARGET(x86_64, UNICORN_TARGET_X86)
INTERPOSE_TARGET(arm, UNICORN_TARGET_ARM)
INTERPOSE_TARGET(aarch64, UNICORN_TARGET_A64)
INTERPOSE_TARGET(riscv64, UNICORN_TARGET_RV64)
INTERPOSE_HALT(helper_hlt_x86_64, UNICORN_TARGET_X86)
INTERPOSE_HALT(helper_wfi_arm, UNICORN_TARGET_ARM)
INTERPOSE_HALT(helper_wfi_aarch64, UNICORN_TARGET_A64)
INTERPOSE_HALT(helper_wfi_riscv64, UNICORN_TARGET_RV64)
INTERPOSE_YIELD(arm, UNICORN_TARGET_ARM)
INTERPOSE_YIELD(aarch64, UNICORN_TARGET_A64)

/* What is on the stack. */
struct callers {
	void *cpu_exec;	      /* in: the library's loop around translated code */
	bool is_in_loop;      /* it is there */
	uintptr_t translated; /* return address into translated code; 0: none */
};

/*
 * The first return address that belongs to no function is in translated code. A call that does not
 * return may be the last instruction of its function: one byte back is in it for sure.
 */
static _Unwind_Reason_Code find_translated(struct _Unwind_Context *ctx, void *arg)
{
	uintptr_t pc = _Unwind_GetIP(ctx);
	struct callers *c = arg;
	void *function = _Unwind_FindEnclosingFunction((void *)(pc - 1));

	if (function) {
		c->is_in_loop = function == c->cpu_exec;
		return c->is_in_loop ? _URC_END_OF_STACK : _URC_NO_REASON;
	}
	c->translated = pc;
	return _URC_END_OF_STACK;
}

/*
 * A load's slow path, emitted behind its block:
 *     lea rcx, [rip + back]    ; the address the helper is told it was called from
 *     call helper
 *     movzx/movsx/mov          ; perhaps
 *     jmp back
 * The library knows the instruction by `back`, so that is what it has to be given.
 * @return back, or @p pc if this is no such place
 */
static uintptr_t follow_load(uintptr_t pc)
{
	const uint8_t *p = (const uint8_t *)pc; /* code that is being executed: readable */
	size_t n = 0;

	if ((p[n] & 0xf0) == 0x40) {
		n++; /* REX */
	}
	if (p[n] == 0x0f && (p[n + 1] & 0xf6) == 0xb6) {
		n += 3; /* movzx, movsx */
	} else if (p[n] == 0x63 || p[n] == 0x8b || p[n] == 0x89) {
		n += 2; /* movsxd, mov */
	} else {
		n = 0;
	}
	if (p[n] != 0xe9) {
		return pc;
	}
	uintptr_t back = pc + n + 5 + (uintptr_t)(intptr_t)(int32_t)load_le(p + n + 1, 4);

	for (size_t call = 5; call <= 6; call++) {
		const uint8_t *lea = p - call - 7;

		if (lea[0] == 0x48 && lea[1] == 0x8d && lea[2] == 0x0d &&
		    (uintptr_t)(lea + 7) + (uintptr_t)(intptr_t)(int32_t)load_le(lea + 3, 4) ==
			    back) {
			return back;
		}
	}
	return pc;
}

void unicorn_interpose_leave(enum unicorn_target_id target, struct unicorn_interpose *ip)
{
	struct callers c = { .cpu_exec = real.target[target].cpu_exec };

	if (is_passive || !ip->cpu) {
		return;
	}
	_Unwind_Backtrace(find_translated, &c);
	if (c.translated) {
		c.translated = follow_load(c.translated);
	} else if (!c.is_in_loop) {
		return;
	}
	real.target[target].cpu_loop_exit_restore(ip->cpu, c.translated);
}

bool unicorn_is_translating(enum unicorn_target_id target)
{
	struct callers c = { .cpu_exec = real.target[target].cpu_exec };

	_Unwind_Backtrace(find_translated, &c);
	return c.is_in_loop && !c.translated;
}

/* libc's, for this process only: its prototype is in a header that may define it away. */
_Noreturn void __assert_fail(const char *text, const char *file, unsigned int line,
			     const char *function);

/* The library gives up: so does the run, if one is under way. */
static void on_abort(const void *caller)
{
	Dl_info info;

	if (current && current->cpu && dladdr(caller, &info) && info.dli_fbase == real.base) {
		current->on_abort(current->opaque);
	}
}

_Noreturn void abort(void)
{
	on_abort(__builtin_return_address(0));
	if (real.abort) {
		real.abort();
	}
	raise(SIGABRT); /* so early that nothing was bound yet */
	_exit(128 + SIGABRT);
}

_Noreturn void __assert_fail(const char *text, const char *file, unsigned int line,
			     const char *function)
{
	on_abort(__builtin_return_address(0));
	if (real.assert_fail) {
		real.assert_fail(text, file, line, function);
	}
	abort();
}

/*
 * Translated code calls one function of the library for a byte; a wide store's function calls
 * that one in turn.
 */
static _Unwind_Reason_Code count_library_frames(struct _Unwind_Context *ctx, void *arg)
{
	uintptr_t pc = _Unwind_GetIP(ctx);
	Dl_info info;
	int *n = arg;

	if (!_Unwind_FindEnclosingFunction((void *)pc)) {
		return _URC_END_OF_STACK;
	}
	if (dladdr((void *)pc, &info) && info.dli_fbase == real.base) {
		(*n)++;
	}
	return _URC_NO_REASON;
}

bool unicorn_is_split_store(void)
{
	int n = 0;

	_Unwind_Backtrace(count_library_frames, &n);
	return n > 1;
}
INTERPOSE_IDIV(helper_idivw_AX_x86_64, idivw, 16)
INTERPOSE_IDIV(helper_idivl_EAX_x86_64, idivl, 32)

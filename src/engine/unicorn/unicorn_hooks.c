/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's callbacks.
 *
 *   UC_HOOK_INTR           any guest exception that has a number; the library would go on, so stop
 *   UC_HOOK_INSN_INVALID   undefined instruction, on some architectures; breakpoint on RISC-V
 *   UC_HOOK_MEM_*          an access that no memory and no device takes
 *   UC_HOOK_INSN           x86 port input and output, SYSCALL, SYSENTER (not done by the library)
 *   UC_HOOK_BLOCK          while counting: each block is then one instruction; at breakpoints
 *   UC_HOOK_MEM_READ, ..WRITE  of what is watched, see unicorn_points.c
 */
#include <errno.h>

#include "base/bug.h"
#include "engine/unicorn/unicorn_priv.h"

void unicorn_stop(struct unicorn_engine *u, enum unicorn_stop why)
{
	if (u->stop == UNICORN_STOP_NONE) {
		u->stop = why;
	}
	u->lib->uc_emu_stop(u->uc);
}

void unicorn_abandon(struct unicorn_engine *u, enum unicorn_stop why)
{
	unicorn_stop(u, why);
	unicorn_interpose_leave(u->target->id, &u->ip);
}

static void on_exception(uc_engine *uc, uint32_t intno, void *opaque)
{
	struct unicorn_engine *u = opaque;

	(void)uc;
	if (u->stop == UNICORN_STOP_NONE) {
		u->fault = (struct cpu_fault){ 0 };
		u->target->describe(u, intno, &u->fault);
		u->ip.x86_soft_int_bytes = 0;
	}
	unicorn_stop(u, UNICORN_STOP_EXCEPTION);
}

/* @return whether the library may forget the error */
static bool on_invalid(uc_engine *uc, void *opaque)
{
	struct unicorn_engine *u = opaque;

	(void)uc;
	if (u->ip.has_yielded) { /* the library ends the run by itself now */
		u->ip.has_yielded = false;
		u->stop = UNICORN_STOP_YIELD;
	} else {
		unicorn_stop(u, UNICORN_STOP_INVALID);
	}
	return true;
}

static bool on_refused(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
		       void *opaque)
{
	struct unicorn_engine *u = opaque;
	struct cpu_fault f = { .kind = CPU_FAULT_UNMAPPED,
			       .address = address,
			       .has_address = true };

	(void)uc;
	(void)value;
	switch (type) {
	case UC_MEM_READ_PROT:
	case UC_MEM_READ_UNMAPPED:
		f.access = MEM_R;
		break;
	case UC_MEM_WRITE_PROT:
	case UC_MEM_WRITE_UNMAPPED:
		f.access = MEM_W;
		break;
	default:
		f.access = MEM_X;
		break;
	}
	if (type == UC_MEM_READ_PROT || type == UC_MEM_WRITE_PROT || type == UC_MEM_FETCH_PROT) {
		f.kind = CPU_FAULT_PROTECTION;
	}
	if (u->stop == UNICORN_STOP_NONE) {
		u->fault = f;
	}
	if (f.access == MEM_W && size == 1 && unicorn_is_split_store()) {
		unicorn_mmu_undo_store(u, address);
	}
	if (f.access == MEM_X) { /* nothing of the instruction was done: pc is right */
		unicorn_stop(u, UNICORN_STOP_FAULT);
	} else {
		unicorn_abandon(u, UNICORN_STOP_FAULT);
	}
	return false;
}

static uint32_t on_port_in(uc_engine *uc, uint32_t port, int size, void *opaque)
{
	(void)uc;
	return (uint32_t)unicorn_bus_port(opaque, port, (unsigned int)size, false, 0);
}

static void on_port_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *opaque)
{
	(void)uc;
	unicorn_bus_port(opaque, port, (unsigned int)size, true, value);
}

/* SYSCALL or SYSENTER: the library would only step over it. */
static void on_system_call(uc_engine *uc, void *opaque)
{
	(void)uc;
	unicorn_abandon(opaque, UNICORN_STOP_INSN);
}

/* While instructions are counted, on_count() sees to it. */
void unicorn_on_code_full(void *opaque)
{
	struct unicorn_engine *u = opaque;

	if (!u->has_count_hook) {
		u->lib->uc_emu_stop(u->uc);
	}
}

/* A kick may have asked for a stop before: what happens here matters more. */
void unicorn_on_abort(void *opaque)
{
	struct unicorn_engine *u = opaque;
	bool is_translating = unicorn_is_translating(u->target->id);

	u->stop = UNICORN_STOP_NONE;
	unicorn_abandon(u, is_translating ? UNICORN_STOP_TRANSLATE : UNICORN_STOP_ABORT);
}

/* About to execute the instruction at @p pc. */
static void on_count(uc_engine *uc, uint64_t pc, uint32_t size, void *opaque)
{
	struct unicorn_engine *u = opaque;

	(void)uc;
	(void)size;
	if (u->watch.has_hit && !u->is_alone) {
		unicorn_stop(u, UNICORN_STOP_WATCH);
	} else if (u->count >= u->limit) {
		unicorn_stop(u, UNICORN_STOP_LIMIT);
	} else if (u->is_kicked && !u->is_alone) {
		unicorn_stop(u, UNICORN_STOP_KICK);
	} else if (u->ip.is_code_full && !u->is_alone) {
		unicorn_stop(u, UNICORN_STOP_YIELD);
	} else if (unicorn_has_break(u, pc) && !u->is_alone) {
		unicorn_stop(u, UNICORN_STOP_BREAK);
	} else {
		u->count++;
		u->counted_pc = pc;
	}
}

static int add(struct unicorn_engine *u, int type, void *callback, int insn, struct errmsg *e)
{
	uc_hook hook;
	uc_err err = u->lib->uc_hook_add(u->uc, &hook, type, callback, u, 1, 0, insn);

	if (err != UC_ERR_OK) {
		return errmsg_set(e, -EIO, "libunicorn refuses a hook: %s",
				  u->lib->uc_strerror(err));
	}
	return 0;
}

int unicorn_hooks_add(struct unicorn_engine *u, struct errmsg *e)
{
	const struct {
		int type;
		void *callback;
		int insn;
		bool is_x86;
	} hooks[] = {
		{ UC_HOOK_INTR, (void *)on_exception, 0, false },
		{ UC_HOOK_INSN_INVALID, (void *)on_invalid, 0, false },
		{ UC_HOOK_MEM_INVALID, (void *)on_refused, 0, false },
		{ UC_HOOK_INSN, (void *)on_port_in, UC_X86_INS_IN, true },
		{ UC_HOOK_INSN, (void *)on_port_out, UC_X86_INS_OUT, true },
		{ UC_HOOK_INSN, (void *)on_system_call, UC_X86_INS_SYSCALL, true },
		{ UC_HOOK_INSN, (void *)on_system_call, UC_X86_INS_SYSENTER, true },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i].is_x86 && u->target->arch != UC_ARCH_X86) {
			continue;
		}
		r = add(u, hooks[i].type, hooks[i].callback, hooks[i].insn, e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/*
 * The library looks for the code that calls the hook at its virtual addresses, and a page fault
 * on the way stays behind in CR2. (Other architectures' fault registers are written only when an
 * exception is taken.)
 */
uc_err unicorn_hook_del(struct unicorn_engine *u, uc_hook hook)
{
	bool is_x86 = u->target->id == UNICORN_TARGET_X86;
	size_t cr2 = u->at.x86.cr + 16;
	uint64_t before = is_x86 ? unicorn_env(u, cr2, 8) : 0;
	uc_err err = u->lib->uc_hook_del(u->uc, hook);

	if (is_x86) {
		unicorn_env_set(u, cr2, before, 8);
	}
	return err;
}

/*
 * Blocks translated so far have no callback, or one too many: all are dropped. Without the
 * interposition a callback per instruction is what keeps the state exact, so it stays.
 */
int unicorn_set_counting(struct unicorn_engine *u, bool want, struct errmsg *e)
{
	uc_err err;

	if ((want || !u->is_exact) == u->has_count_hook) {
		return 0;
	}
	if (!u->has_count_hook) {
		err = u->lib->uc_hook_add(u->uc, &u->count_hook,
					  u->is_exact ? UC_HOOK_BLOCK : UC_HOOK_CODE,
					  (void *)on_count, u, (uint64_t)1, (uint64_t)0);
	} else {
		err = unicorn_hook_del(u, u->count_hook);
	}
	if (err != UC_ERR_OK) {
		return errmsg_set(e, -EIO, "libunicorn refuses to count: %s",
				  u->lib->uc_strerror(err));
	}
	u->has_count_hook = !u->has_count_hook;
	u->ip.insns_per_tb = u->has_count_hook && u->is_exact ? 1 : 0;
	unicorn_code_drop(u->target->id, u->uc, u->ram_bytes);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the interposition work with the library at hand? A guest of five instructions tells:
 *
 *     0: store r0 to the page   <- its callback asks the library to stop
 *     1: add 1 to r0
 *     2: branch to 3
 *     3: add 1 to r0
 *     4: store r0 to where nothing is
 *
 * If stops are exact, the first run ends at 3 with r0 = 1 rather than at 0 or with r0 = 0. If
 * refused accesses are exact, the second run ends at 4 with r0 = 2 rather than at 3.
 */
#include <errno.h>
#include <sys/mman.h>

#include "cpu/x86/x86.h"
#include "engine/unicorn/unicorn_priv.h"

#define CODE_GPA    0x10000u
#define DATA_OFFSET 0x800u

/* r0 starts as 0; the base register as the address of the page's second half. */
static const struct {
	uint8_t code[24];
	uint8_t at3, at4; /* offsets of instructions 3 and 4 */
	int reg, base_reg;
} guests[UNICORN_TARGET_COUNT] = {
	[UNICORN_TARGET_X86] = {
		/* mov [rbx], eax; add eax, 1; jmp +0; add eax, 1; mov [rbx+0x10000], eax */
		.code = { 0x89, 0x03, 0x83, 0xc0, 0x01, 0xeb, 0x00, 0x83, 0xc0, 0x01, 0x89, 0x83,
			  0x00, 0x00, 0x01, 0x00 },
		.at3 = 7, .at4 = 10, .reg = UC_X86_REG_RAX, .base_reg = UC_X86_REG_RBX,
	},
	[UNICORN_TARGET_ARM] = {
		/* str r0, [r1]; add r0, #1; b .+4; add r0, #1; str r0, [r2] */
		.code = { 0x00, 0x00, 0x81, 0xe5, 0x01, 0x00, 0x80, 0xe2, 0xff, 0xff, 0xff, 0xea,
			  0x01, 0x00, 0x80, 0xe2, 0x00, 0x00, 0x82, 0xe5 },
		.at3 = 12, .at4 = 16, .reg = UC_ARM_REG_R0, .base_reg = UC_ARM_REG_R1,
	},
	[UNICORN_TARGET_A64] = {
		/* str w0, [x1]; add w0, w0, #1; b .+4; add w0, w0, #1; str w0, [x2] */
		.code = { 0x20, 0x00, 0x00, 0xb9, 0x00, 0x04, 0x00, 0x11, 0x01, 0x00, 0x00, 0x14,
			  0x00, 0x04, 0x00, 0x11, 0x40, 0x00, 0x00, 0xb9 },
		.at3 = 12, .at4 = 16, .reg = UC_ARM64_REG_X0, .base_reg = UC_ARM64_REG_X1,
	},
	[UNICORN_TARGET_RV64] = {
		/* sw a0, 0(a1); addi a0, a0, 1; j .+4; addi a0, a0, 1; sw a0, 0(a2) */
		.code = { 0x23, 0xa0, 0xa5, 0x00, 0x13, 0x05, 0x15, 0x00, 0x6f, 0x00, 0x40, 0x00,
			  0x13, 0x05, 0x15, 0x00, 0x23, 0x20, 0xa6, 0x00 },
		.at3 = 12, .at4 = 16, .reg = UC_RISCV_REG_A0, .base_reg = UC_RISCV_REG_A1,
	},
};

static void on_write(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
		     void *opaque)
{
	struct unicorn_engine *u = opaque;

	(void)uc;
	(void)type;
	(void)size;
	(void)value;
	if (address == CODE_GPA + DATA_OFFSET) {
		u->lib->uc_emu_stop(u->uc);
	}
}

static int prepare(struct unicorn_engine *u, struct errmsg *e)
{
	/* x64 would need page tables; its instructions are x86 ones. */
	const struct cpu_arch *arch = u->arch->id == CPU_ARCH_X64 ? &x86_arch : u->arch;
	const struct cpu_mode mode = { 0 };
	struct cpu_state s;
	int r;

	arch->reset(&s, &mode);
	arch->set_pc(&s, CODE_GPA);
	r = u->target->set_state(u, &s, e);
	if (r < 0) {
		return r;
	}
	unicorn_reg_set(u, guests[u->target->id].base_reg, CODE_GPA + DATA_OFFSET);
	return 0;
}

static bool is_at(struct unicorn_engine *u, uint8_t offset, uint64_t count)
{
	return u->target->linear_pc(u) == CODE_GPA + offset &&
	       unicorn_reg(u, guests[u->target->id].reg) == count;
}

/* The page is mapped, the CPU is reset. The hook is gone for good when the second run ends. */
static bool run_guest(struct unicorn_engine *u, uc_hook hook)
{
	enum unicorn_target_id id = u->target->id;
	bool is_stop_exact;

	unicorn_start(u);
	u->lib->uc_hook_del(u->uc, hook);
	is_stop_exact = is_at(u, guests[id].at3, 1);

	unicorn_start(u);
	return is_stop_exact && u->stop == UNICORN_STOP_FAULT && is_at(u, guests[id].at4, 2);
}

static int test_target(struct unicorn_engine *u, bool *ret_is_exact, struct errmsg *e)
{
	uint8_t *page =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uc_hook hook;
	int r;

	if (page == MAP_FAILED) {
		return errmsg_set(e, -ENOMEM, "no memory for the self-test of libunicorn");
	}
	/* No instruction on any architecture: zeros would be translated too, up to the page's end. */
	memset(page, 0xff, PAGE_BYTES);
	memcpy(page, guests[u->target->id].code, sizeof(guests[0].code));
	r = prepare(u, e);
	if (r == 0 &&
	    (u->lib->uc_mem_map_ptr(u->uc, CODE_GPA, PAGE_BYTES, MEM_RWX, page) != UC_ERR_OK ||
	     u->lib->uc_hook_add(u->uc, &hook, UC_HOOK_MEM_WRITE, (void *)on_write, u, (uint64_t)1,
				 (uint64_t)0) != UC_ERR_OK)) {
		r = errmsg_set(e, -EIO, "libunicorn refuses its self-test");
	}
	if (r == 0) {
		*ret_is_exact = run_guest(u, hook);
		unicorn_code_drop(u->target->id, u->uc, PAGE_BYTES);
		u->lib->uc_mem_unmap(u->uc, CODE_GPA, PAGE_BYTES);
	}
	munmap(page, PAGE_BYTES);
	return r;
}

int unicorn_selftest(struct unicorn_engine *u, struct errmsg *e)
{
	static struct {
		bool is_known, is_exact;
	} known[UNICORN_TARGET_COUNT];
	enum unicorn_target_id id = u->target->id;
	bool is_exact = false;
	int r;

	if (!known[id].is_known || unicorn_interpose_is_passive()) {
		r = test_target(u, &is_exact, e);
		if (r < 0) {
			return r;
		}
		u->is_exact = is_exact;
		if (!unicorn_interpose_is_passive()) {
			known[id].is_exact = is_exact;
			known[id].is_known = true;
		}
		return 0;
	}
	u->is_exact = known[id].is_exact;
	return 0;
}

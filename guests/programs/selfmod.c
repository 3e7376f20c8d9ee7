/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a program can rewrite its own instructions and the engine runs the new
 * ones. The code is in section .wx, which is writable. Known answer: 0 + 1 + ... + 7 = 28; x86
 * and x64 also rewrite the very next instruction, which needs no barrier there.
 */
#include "guest.h"

/*
 * patched() returns N, which byte PATCH_OFFSET of it holds, shifted by PATCH_SHIFT.
 * patch_next(n) writes n into the instruction right behind the store, and returns it;
 * where that would need a barrier it just returns n.
 */
#if defined(__x86_64__)
#define PATCHED	   "mov $0, %eax\n\tret"
#define PATCH_NEXT "movb %dil, 1f + 1(%rip)\n1:\tmov $0, %eax\n\tret"
enum { PATCH_OFFSET = 1, PATCH_SHIFT = 0 };
#elif defined(__i386__)
#define PATCHED	   "mov $0, %eax\n\tret"
#define PATCH_NEXT "movb 4(%esp), %al\n\tmovb %al, 1f + 1\n1:\tmov $0, %eax\n\tret"
enum { PATCH_OFFSET = 1, PATCH_SHIFT = 0 };
#elif defined(__aarch64__)
#define PATCHED	   "mov w0, #0\n\tret"
#define PATCH_NEXT "ret"
enum { PATCH_OFFSET = 0, PATCH_SHIFT = 5 };
#elif defined(__riscv)
#define PATCHED	   ".option norvc\n\taddi a0, zero, 0\n\tret\n\t.option rvc"
#define PATCH_NEXT "ret"
enum { PATCH_OFFSET = 2, PATCH_SHIFT = 4 };
#else
#define PATCHED	   "movs r0, #0\n\tbx lr"
#define PATCH_NEXT "bx lr"
enum { PATCH_OFFSET = 0, PATCH_SHIFT = 0 };
#endif

__asm__(".section .wx, \"awx\"\n\t"
#ifdef __arm__
	".syntax unified\n\t"
	".type patched, %function\n\t"
	".type patch_next, %function\n\t"
#endif
	".balign 8\n"
	"patched:\n\t" PATCHED "\n\t"
	".balign 8\n"
	"patch_next:\n\t" PATCH_NEXT "\n\t"
	".text");

uint32_t patched(void);
uint32_t patch_next(uint32_t n);

int main(void)
{
	/* Bit 0 of the address of a Thumb function is not part of the address. */
	uint8_t *code = (uint8_t *)((uintptr_t)patched & ~(uintptr_t)1) + PATCH_OFFSET;
	uint32_t sum = 0;
	uint32_t next = 0;

	for (uint32_t i = 0; i < 8; i++) {
		*(volatile uint8_t *)code = (uint8_t)(i << PATCH_SHIFT);
		guest_sync_code(code, 1);
		sum += patched();
		next += patch_next(i);
	}
	guest_line_dec("selfmod", sum);
	return guest_verdict(sum == 28 && next == 28);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine as the kernel sees it: control registers, page table entries, where the devices are. */
#ifndef LAMB_RISCV_H
#define LAMB_RISCV_H

/* Also read by assembly, which does not know C's suffixes. */
#ifdef __ASSEMBLER__
#define UL(x) x
#else
#define UL(x) x##UL
#endif

#define PAGE_SHIFT 12
#define PAGE_BYTES (UL(1) << PAGE_SHIFT)

/*
 * All physical memory is mapped at DIRECT, in every address space: DIRECT + p is the byte at physical address p. The
 * kernel itself is linked there. User programs have the lower half.
 */
#define DIRECT UL(0xffffffc000000000)

#define SATP_SV39	(UL(8) << 60)
#define SATP_ASID_SHIFT 44

#define STATUS_SPIE	(UL(1) << 5)
#define STATUS_SPP	(UL(1) << 8)
#define STATUS_FS	(UL(3) << 13)
#define STATUS_FS_CLEAN (UL(2) << 13)

#define CAUSE_INTERRUPT (UL(1) << 63)

/* The trap frame: registers x1 to x31 at 8 * their number, then these. */
#define FRAME_PC     (32 * 8)
#define FRAME_STATUS (33 * 8)
#define FRAME_HART   (34 * 8)
#define FRAME_BYTES  (36 * 8)

#ifndef __ASSEMBLER__

#include <stdint.h>

#include "csr.h"

/* Forget translations of this hart: all, those of one address space, those of one page in it. */
static inline void tlb_flush(void)
{
	__asm__ volatile("sfence.vma" ::: "memory");
}

static inline void tlb_flush_space(uint64_t asid)
{
	__asm__ volatile("sfence.vma zero, %0" ::"r"(asid) : "memory");
}

static inline void tlb_flush_page(uint64_t asid, uint64_t va)
{
	__asm__ volatile("sfence.vma %1, %0" ::"r"(asid), "r"(va) : "memory");
}

/* Forget instructions that were fetched before: memory they were in has been written to. */
static inline void instructions_flush(void)
{
	__asm__ volatile("fence.i" ::: "memory");
}

/* Bits of sie and sip. */
enum { INTERRUPT_SOFT = 1, INTERRUPT_TIMER = 5, INTERRUPT_EXTERNAL = 9 };

/* Exceptions. */
enum {
	CAUSE_ILLEGAL = 2,
	CAUSE_BREAKPOINT = 3,
	CAUSE_ECALL_USER = 8,
	CAUSE_PAGE_FETCH = 12,
	CAUSE_PAGE_READ = 13,
	CAUSE_PAGE_WRITE = 15
};

/* Page table entries. */
typedef uint64_t pte_t;

enum {
	PTE_VALID = 1 << 0,
	PTE_READ = 1 << 1,
	PTE_WRITE = 1 << 2,
	PTE_EXEC = 1 << 3,
	PTE_USER = 1 << 4,
	PTE_GLOBAL = 1 << 5,
	PTE_ACCESSED = 1 << 6,
	PTE_DIRTY = 1 << 7,
	PTE_COPY = 1 << 8 /* ours (RSW): shared, to be copied at the first write */
};

#define PTE_SHIFT 10
#define PTE_FLAGS 0x3ffUL

static inline void *physical(uint64_t pa)
{
	return (void *)(pa + DIRECT);
}

static inline uint64_t pa_of(const void *kernel_va)
{
	return (uint64_t)kernel_va - DIRECT;
}

/* Devices of board `virt`. */
#define PLIC_PA 0x0c000000UL
#define UART_PA 0x10000000UL

enum { UART_SOURCE = 10 };

static inline uint32_t mmio_read32(uint64_t pa)
{
	return *(volatile uint32_t *)physical(pa);
}

static inline void mmio_write32(uint64_t pa, uint32_t value)
{
	*(volatile uint32_t *)physical(pa) = value;
}

static inline uint8_t mmio_read8(uint64_t pa)
{
	return *(volatile uint8_t *)physical(pa);
}

static inline void mmio_write8(uint64_t pa, uint8_t value)
{
	*(volatile uint8_t *)physical(pa) = value;
}

#endif
#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: what page tables and PMP let S- and U-mode do, in all modes of satp.
 *
 * Makes random tables, tries loads, stores and fetches through them, and prints what came of each for two machines
 * to be compared:
 *
 *   l PRIV ADDRESS CAUSE VALUE      l: load, s: store, f: fetch; CAUSE 0: it worked, and VALUE is what was read;
 *                                   otherwise VALUE is mtval. A fetch that works traps for what is there: an ecall.
 *   done
 *
 * Entries always have A and D set: machines may differ about them. menvcfg.PBMTE is set, PBMT is never
 * 3, bits 60 to 54 are clear: qemu 7.2 does not know of the page faults otherwise. Needs M-mode, 128 MiB of RAM.
 */
#include "guest.h"

#ifndef WORLDS
#define WORLDS 500
#endif

enum { TRIES = 24, PAGE = 4096 };

/*
 * A page of tables is used at every level; only these of its entries are. They also keep large pages from reaching
 * the program itself, at 256 pages from a multiple of 2 MiB.
 */
static const uint16_t slots[8] = { 0, 1, 2, 3, 254, 255, 510, 511 };

#define POOL	   0x80300000ULL
#define POOL_PAGES 8
#define DATA	   0x80400000ULL
#define DATA_BYTES 0x200000ULL
#define ECALL	   0x73ULL

#define MPRV  0x20000ULL
#define SUM   0x40000ULL
#define MXR   0x80000ULL
#define PBMTE (1ULL << 62)

enum {
	PTE_V = 1,
	PTE_R = 2,
	PTE_W = 4,
	PTE_X = 8,
	PTE_U = 16,
	PTE_G = 32,
	PTE_A = 64,
	PTE_D = 128
};

/** Load or store with mstatus |= @p status. @return mcause, or 0; *got: what was loaded, or mtval */
uint64_t walks_load(uint64_t va, uint64_t status, uint64_t *got);
uint64_t walks_store(uint64_t va, uint64_t status, uint64_t *got);

/** Jump there in the mode that MPP in @p status says. @return mcause */
uint64_t walks_fetch(uint64_t va, uint64_t status, uint64_t *got);

/* The one access that MPRV is for is between csrs and csrc. *got is what a store stores. */
__asm__("	.text\n"
	"	.macro	begin\n"
	"	la	t0, walks_saved\n"
	"	sd	ra, 0(t0)\n"
	"	sd	sp, 8(t0)\n"
	"	sd	a2, 16(t0)\n"
	"	la	t1, walks_trapped\n"
	"	csrw	mtvec, t1\n"
	"	li	t1, 0xe1880\n" /* MXR, SUM, MPRV, MPP, MPIE */
	"	csrc	mstatus, t1\n"
	"	ld	a5, 0(a2)\n"
	"	.endm\n"
	"	.globl	walks_load\n"
	"walks_load:\n"
	"	begin\n"
	"	csrs	mstatus, a1\n"
	"	ld	a5, 0(a0)\n"
	"	csrc	mstatus, a1\n"
	"	sd	a5, 0(a2)\n"
	"	li	a0, 0\n"
	"	ret\n"
	"	.globl	walks_store\n"
	"walks_store:\n"
	"	begin\n"
	"	csrs	mstatus, a1\n"
	"	sd	a5, 0(a0)\n"
	"	csrc	mstatus, a1\n"
	"	li	a0, 0\n"
	"	ret\n"
	"	.globl	walks_fetch\n"
	"walks_fetch:\n"
	"	begin\n"
	"	csrs	mstatus, a1\n"
	"	csrw	mepc, a0\n"
	"	fence.i\n"
	"	mret\n"
	"	.balign	4\n"
	"walks_trapped:\n"
	"	li	t0, 0xe1888\n"
	"	csrc	mstatus, t0\n"
	"	la	t0, walks_saved\n"
	"	ld	ra, 0(t0)\n"
	"	ld	sp, 8(t0)\n"
	"	ld	a2, 16(t0)\n"
	"	csrr	a5, mtval\n"
	"	sd	a5, 0(a2)\n"
	"	csrr	a0, mcause\n"
	"	ret\n"
	"	.bss\n"
	"	.balign	8\n"
	"walks_saved: .zero 24\n"
	"	.text\n");

/* Every 8 bytes tell where they are, and are an ecall. */
static void fill_data(void)
{
	for (uint64_t at = DATA; at < DATA + DATA_BYTES; at += 8) {
		*(volatile uint64_t *)at = at << 32 | ECALL;
	}
}

static uint64_t leaf_ppn(void)
{
	switch (guest_below(8)) {
	case 0:
		return DATA >> 12; /* 2 MiB */
	case 1:
		return 0x80000; /* 1 GiB */
	case 2:
		return 1ULL << 27; /* 512 GiB, of nothing */
	case 3:
		return 1ULL << 36;
	case 4: /* 64 KiB */
		return ((DATA >> 12) + guest_below(32) * 16) | 8;
	case 5:
		return guest_random() >> 20;
	default:
		return (DATA >> 12) + guest_below(DATA_BYTES / PAGE);
	}
}

static uint64_t entry(void)
{
	uint64_t flags = guest_random() & 0x33e; /* RSW, G, U, X, W, R */
	uint64_t e = PTE_V;

	if (guest_below(2) || !(flags & (PTE_R | PTE_W | PTE_X))) {
		flags &= 0x320;
		flags |= guest_below(25) ? 0 : 0x10ULL << guest_below(4); /* U, A, D */
		e |= ((POOL >> 12) + guest_below(POOL_PAGES)) << 10;
	} else {
		flags |= PTE_A | PTE_D;
		e |= leaf_ppn() << 10;
		e |= guest_below(4) ? 0 : 1ULL << 63;
	}
	e |= guest_below(12) ? 0 : guest_below(3) << 61;
	e ^= guest_below(40) ? 0 : PTE_V;
	return e | flags;
}

static void fill_tables(void)
{
	for (uint64_t page = 0; page < POOL_PAGES; page++) {
		for (unsigned int i = 0; i < 8; i++) {
			volatile uint64_t *at =
				(volatile uint64_t *)(POOL + page * PAGE + slots[i] * 8UL);

			*at = entry();
		}
	}
}

/* Whole pages only, and read with write: what machines agree about. Entry 15 is everything. */
static void set_pmp(void)
{
	uint64_t cfg0 = 0;

	if (guest_below(3) == 0) {
		uint64_t table = POOL + guest_below(POOL_PAGES) * PAGE;
		uint64_t data = DATA + guest_below(32) * 0x10000;
		static const uint8_t perms[] = { 0, 1, 3, 4, 5, 7 };

		__asm__ volatile("csrw pmpaddr0, %0" ::"r"(table >> 2 | 0x1ff));
		__asm__ volatile("csrw pmpaddr1, %0" ::"r"(data >> 2 | 0x1fff));
		cfg0 = (0x18ULL | perms[guest_below(6)]) | (0x18ULL | perms[guest_below(6)]) << 8;
	}
	__asm__ volatile("csrw pmpcfg0, %0" ::"r"(cfg0));
	__asm__ volatile("csrw pmpaddr15, %0" ::"r"(~0ULL >> 10));
	__asm__ volatile("csrw pmpcfg2, %0" ::"r"(0x1fULL << 56));
}

static uint64_t new_world(void)
{
	static const uint8_t modes[] = { 0, 8, 8, 9, 9, 10, 10, 10 };
	uint64_t mode = modes[guest_below(8)];
	uint64_t satp = mode << 60 | guest_below(0x10000) << 44;

	fill_tables();
	set_pmp();
	__asm__ volatile("csrw 0x30a, %0" ::"r"(PBMTE)); /* menvcfg */
	__asm__ volatile("csrw satp, %0" ::"r"(satp | ((POOL >> 12) + guest_below(POOL_PAGES))));
	__asm__ volatile("sfence.vma" ::: "memory");
	return mode;
}

static uint64_t address(uint64_t mode)
{
	unsigned int bits = mode ? 9 * ((unsigned int)mode - 5) + 12 : 39;
	uint64_t va = guest_random() & 0xff8;

	if (mode == 0) {
		return DATA + va + guest_below(DATA_BYTES / PAGE) * PAGE;
	}
	for (unsigned int at = 12; at < bits; at += 9) {
		va |= (uint64_t)slots[guest_below(8)] << at;
	}
	if (va >> (bits - 1)) {
		va |= ~0ULL << (bits - 1);
	}
	return guest_below(50) ? va : va ^ 1ULL << (12 + guest_below(52));
}

static void put_number(uint64_t v)
{
	guest_putc(' ');
	guest_putnumber(v);
}

static void try_one(uint64_t mode)
{
	static uint64_t n_stores;
	uint64_t va = address(mode);
	uint64_t priv = guest_below(2);
	uint64_t status = priv << 11 | (guest_random() & (SUM | MXR));
	uint64_t got = 0;
	uint64_t cause;
	char kind = "llssff"[guest_below(6)];

	if (kind == 'l') {
		cause = walks_load(va, status | MPRV, &got);
	} else if (kind == 's') {
		got = ++n_stores << 32 | ECALL;
		cause = walks_store(va, status | MPRV, &got);
	} else {
		cause = walks_fetch(va, status, &got);
	}
	guest_putc(kind);
	put_number(priv);
	put_number(va);
	put_number(cause);
	put_number(got);
	guest_putc('\n');
}

int main(void)
{
	fill_data();
	for (unsigned int w = 0; w < WORLDS; w++) {
		uint64_t mode = new_world();

		for (unsigned int i = 0; i < TRIES; i++) {
			try_one(mode);
		}
	}
	guest_puts("done\n");
	return 0;
}

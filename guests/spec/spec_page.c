/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sv39 page tables, A and D bits, sfence.vma. */
#include "spec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
	V = 1,
	R = 2,
	W = 4,
	X = 8,
	U = 16,
	G = 32,
	A = 64,
	D = 128,
	PAGE = 4096,
	ENTRIES = 512,
};

#define NAPOT	BIT(63)
#define PBMT(n) ((uint64_t)(n) << 61)
#define AD	(A | D)
#define RWX	(V | R | W | X | AD)
#define SV39	(8ULL << 60)
#define DATA	0x80400000ULL /* 2 MiB; its first 16 pages are used, and the last one */
#define RAM	0x80000000ULL
#define PTE(pa) ((uint64_t)(pa) >> 12 << 10)

/*
 * The tests' address: entries 65, 1, 1 of its three tables. The program and its data are not mapped: accesses are made
 * from M-mode with MPRV, and what is fetched ends in M-mode.
 */
static uint64_t root[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t middle[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t leaf[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t root_2[ENTRIES] __attribute__((aligned(PAGE)));
static uint64_t leaf_2[ENTRIES] __attribute__((aligned(PAGE)));

#define AT_ROOT	  65u
#define AT_MIDDLE 1u
#define AT_LEAF	  1u
#define ADDRESS	  ((uint64_t)AT_ROOT << 30 | (uint64_t)AT_MIDDLE << 21 | (uint64_t)AT_LEAF << 12)

static uint64_t fault_tval;

static void put(uint64_t *table, unsigned int at, uint64_t entry)
{
	((volatile uint64_t *)table)[at] = entry;
}

static void fence(void)
{
	__asm__ volatile("sfence.vma" ::: "memory");
}

static void set_satp(uint64_t asid, const uint64_t *table)
{
	__asm__ volatile("csrw satp, %0" ::"r"(SV39 | asid << 44 | (uintptr_t)table >> 12)
			 : "memory");
}

/* Tables that lead to nowhere but by way of the leaf. */
static void tables(uint64_t leaf_entry)
{
	static uint64_t *const all[] = { root, middle, leaf, root_2, leaf_2 };

	for (size_t i = 0; i < COUNT(all); i++) { /* nothing else is ever written */
		put(all[i], AT_ROOT, 0);
		put(all[i], 256 + AT_ROOT, 0);
		put(all[i], AT_MIDDLE, 0);
		put(all[i], AT_LEAF, 0);
		put(all[i], AT_LEAF + 1, 0);
	}
	put(root, AT_ROOT, PTE(middle) | V);
	put(middle, AT_MIDDLE, PTE(leaf) | V);
	put(leaf, AT_LEAF, leaf_entry);
	set_satp(1, root);
	fence();
}

/* One access by MPRV as @p mode; more bits of mstatus are SUM and MXR. @return the cause or RAN; *got in or out */
static uint64_t by_mprv(uint32_t insn, uint64_t mode, uint64_t more, uint64_t va, uint64_t *got)
{
	struct spec_run r = { .status = spec_status(MODE_M),
			      .a = { *got, va, MPRV | mode << 11 | more } };
	uint64_t cause;

	spec_put((const uint32_t[]){ CSR_INSN(CSR_MSTATUS, FUNCT_S, 0, REG_A2), insn }, 2);
	cause = spec_run_code(&r);
	*got = r.a[0];
	fault_tval = r.tval;
	return cause;
}

static uint64_t load(uint64_t mode, uint64_t more, uint64_t va)
{
	uint64_t got = 0;

	return by_mprv(INSN_LD, mode, more, va, &got);
}

static uint64_t store(uint64_t mode, uint64_t more, uint64_t va)
{
	uint64_t got = 0x73;

	return by_mprv(INSN_SD, mode, more, va, &got);
}

static uint64_t value_at(uint64_t va)
{
	uint64_t got = 0;

	return by_mprv(INSN_LD, MODE_S, 0, va, &got) == RAN ? got : 0xbad;
}

/* Every word of DATA is an ecall. @return ECALL_U or ECALL_S, or why there was none */
static uint64_t fetch(uint64_t mode, uint64_t more, uint64_t va)
{
	struct spec_run r = { .status = spec_status(mode) | more, .pc = va };

	spec_go(&r);
	fault_tval = r.tval;
	return r.cause;
}

/** An access through a leaf. */
struct leaf_case {
	const char *name;
	uint64_t entry; /* with DATA as its page */
	char kind;	/* l, s, f */
	unsigned int mode;
	uint64_t more;
	uint64_t wanted;
	const char *section;
};

static const struct leaf_case leaf_cases[] = {
	{ "R: load", V | R | AD, 'l', MODE_S, 0, RAN, "M 4.3.1" },
	{ "R: store", V | R | AD, 's', MODE_S, 0, STORE_PAGE, "M 4.3.1" },
	{ "R: fetch", V | R | AD, 'f', MODE_S, 0, FETCH_PAGE, "M 4.3.1" },
	{ "RW: store", V | R | W | AD, 's', MODE_S, 0, RAN, "M 4.3.1" },
	{ "X: fetch", V | X | AD, 'f', MODE_S, 0, ECALL_S, "M 4.3.1" },
	{ "X: load", V | X | AD, 'l', MODE_S, 0, LOAD_PAGE, "M 4.3.1" },
	{ "X: load with MXR", V | X | AD, 'l', MODE_S, MXR, RAN, "M 3.1.6.3" },
	{ "X: store with MXR", V | X | AD, 's', MODE_S, MXR, STORE_PAGE, "M 3.1.6.3" },
	{ "U page: load from U-mode", RWX | U, 'l', MODE_U, 0, RAN, "M 4.3.1" },
	{ "U page: fetch from U-mode", RWX | U, 'f', MODE_U, 0, ECALL_U, "M 4.3.1" },
	{ "U page: load from S-mode", RWX | U, 'l', MODE_S, 0, LOAD_PAGE, "M 3.1.6.3" },
	{ "U page: store from S-mode", RWX | U, 's', MODE_S, 0, STORE_PAGE, "M 3.1.6.3" },
	{ "U page: load from S-mode with SUM", RWX | U, 'l', MODE_S, SUM, RAN, "M 3.1.6.3" },
	{ "U page: store from S-mode with SUM", RWX | U, 's', MODE_S, SUM, RAN, "M 3.1.6.3" },
	{ "U page: fetch from S-mode", RWX | U, 'f', MODE_S, 0, FETCH_PAGE, "M 4.3.1" },
	{ "U page: fetch from S-mode with SUM", RWX | U, 'f', MODE_S, SUM, FETCH_PAGE, "M 4.3.1" },
	{ "U page, X: load from S-mode with MXR alone", V | X | U | AD, 'l', MODE_S, MXR, LOAD_PAGE,
	  "M 3.1.6.3" },
	{ "S page: load from U-mode", RWX, 'l', MODE_U, 0, LOAD_PAGE, "M 4.3.1" },
	{ "S page: store from U-mode", RWX, 's', MODE_U, 0, STORE_PAGE, "M 4.3.1" },
	{ "S page: fetch from U-mode", RWX, 'f', MODE_U, 0, FETCH_PAGE, "M 4.3.1" },
	{ "S page: load from U-mode with SUM", RWX, 'l', MODE_U, SUM, LOAD_PAGE, "M 3.1.6.3" },
	{ "entry without V", RWX & ~(uint64_t)V, 'l', MODE_S, 0, LOAD_PAGE, "M 4.3.2" },
	{ "W without R: load", V | W | AD, 'l', MODE_S, 0, LOAD_PAGE, "M 4.3.1" },
	{ "W without R: store", V | W | AD, 's', MODE_S, 0, STORE_PAGE, "M 4.3.1" },
	{ "WX without R: fetch", V | W | X | AD, 'f', MODE_S, 0, FETCH_PAGE, "M 4.3.1" },
	{ "table at the last level", V, 'l', MODE_S, 0, LOAD_PAGE, "M 4.3.2" },
	{ "reserved bit 54", RWX | BIT(54), 'l', MODE_S, 0, LOAD_PAGE, "M 4.4.1" },
	{ "reserved bit 60", RWX | BIT(60), 's', MODE_S, 0, STORE_PAGE, "M 4.4.1" },
	{ "PBMT without PBMTE", RWX | PBMT(1), 'l', MODE_S, 0, LOAD_PAGE, "Svpbmt 6" },
	{ "bits for software", RWX | 0x300, 'l', MODE_S, 0, RAN, "M 4.3.1" },
	{ "G in one address space", RWX | G, 'l', MODE_S, 0, RAN, "M 4.3.1" },
	{ "N with a page number that is not 8", RWX | NAPOT, 'l', MODE_S, 0, LOAD_PAGE,
	  "Svnapot 5" },
	{ "N: 64 KiB", RWX | NAPOT | 8ULL << 10, 'l', MODE_S, 0, RAN, "Svnapot 5" },
};

static void leaf_one(const struct leaf_case *c)
{
	uint64_t got;

	tables(PTE(DATA) | c->entry);
	got = c->kind == 'l'   ? load(c->mode, c->more, ADDRESS)
	      : c->kind == 's' ? store(c->mode, c->more, ADDRESS)
			       : fetch(c->mode, c->more, ADDRESS);
	spec_equal(c->section, c->name, got, c->wanted);
}

static void more_leaves(void)
{
	tables(PTE(DATA) | RWX | NAPOT | 8ULL << 10);
	put((uint64_t *)(DATA + 0x1000), 1, 0x1111);
	spec_equal("Svnapot 5", "N: pages within it are contiguous", value_at(ADDRESS + 8), 0x1111);
	spec_write(CSR_MENVCFG, BIT(62));
	tables(PTE(DATA) | RWX | PBMT(1));
	spec_equal("Svpbmt 6", "PBMT 1 with PBMTE", load(MODE_S, 0, ADDRESS), RAN);
	tables(PTE(DATA) | RWX | PBMT(3));
	spec_equal("Svpbmt 6", "PBMT 3 is reserved", load(MODE_S, 0, ADDRESS), LOAD_PAGE);
	spec_write(CSR_MENVCFG, 0);
	tables(PTE(0x18000000) | RWX);
	spec_equal("M 3.6", "a page where nothing is", load(MODE_S, 0, ADDRESS), LOAD_ACCESS);
	tables(PTE(DATA) | RWX);
	spec_equal("M 3.1.6.3", "MPRV with MPP = M does not translate", load(MODE_M, 0, DATA), RAN);
	spec_equal("M 4.1.11", "M-mode does not translate",
		   spec_try(INSN_LD, spec_status(MODE_M), 0, DATA), RAN);
}

static void uppers(void)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} reserved[] = {
		{ "table entry with A", A },	      { "table entry with D", D },
		{ "table entry with U", U },	      { "table entry with N", NAPOT },
		{ "table entry with PBMT", PBMT(1) }, { "table entry with bit 54", BIT(54) },
	};

	for (size_t i = 0; i < COUNT(reserved); i++) {
		tables(PTE(DATA) | RWX);
		put(middle, AT_MIDDLE, PTE(leaf) | V | reserved[i].bit);
		fence();
		spec_equal("M 4.3.2, 4.4.1", reserved[i].name, load(MODE_S, 0, ADDRESS), LOAD_PAGE);
	}
	tables(0);
	put(middle, AT_MIDDLE, PTE(DATA) | RWX);
	fence();
	spec_equal("M 4.4.1", "2 MiB page: load", load(MODE_S, 0, ADDRESS + 0x5008), RAN);
	put((uint64_t *)(DATA + 0x6000), 1, 0x2222);
	spec_equal("M 4.4.1", "2 MiB page: the lower bits are the address's",
		   value_at(ADDRESS + 0x5008), 0x2222);
	put(middle, AT_MIDDLE, PTE(DATA + 0x1000) | RWX);
	fence();
	spec_equal("M 4.3.2", "2 MiB page that is not aligned", load(MODE_S, 0, ADDRESS),
		   LOAD_PAGE);
	put(root, AT_ROOT, PTE(RAM) | RWX);
	fence();
	spec_equal("M 4.4.1", "1 GiB page: load",
		   load(MODE_S, 0, (uint64_t)AT_ROOT << 30 | (DATA - RAM)), RAN);
	put(root, AT_ROOT, PTE(RAM + 0x200000) | RWX);
	fence();
	spec_equal("M 4.3.2", "1 GiB page that is not aligned", store(MODE_S, 0, ADDRESS),
		   STORE_PAGE);
	tables(PTE(DATA) | RWX);
	put(root, AT_ROOT, PTE(0x18000000) | V);
	fence();
	spec_equal("M 4.3.2", "a table where nothing is: load", load(MODE_S, 0, ADDRESS),
		   LOAD_ACCESS);
	spec_equal("M 4.3.2", "a table where nothing is: store", store(MODE_S, 0, ADDRESS),
		   STORE_ACCESS);
	spec_equal("M 4.3.2", "a table where nothing is: fetch", fetch(MODE_S, 0, ADDRESS),
		   FETCH_ACCESS);
}

static void addresses(void)
{
	tables(PTE(DATA) | RWX);
	spec_equal("M 4.4.1", "bit 39 differs from bit 38: load",
		   load(MODE_S, 0, ADDRESS | BIT(39)), LOAD_PAGE);
	spec_equal("M 3.1.16", "bit 39 differs from bit 38: mtval", fault_tval, ADDRESS | BIT(39));
	spec_equal("M 4.4.1", "bit 63 differs from bit 38: store",
		   store(MODE_S, 0, ADDRESS | BIT(63)), STORE_PAGE);
	spec_equal("M 4.4.1", "bit 63 differs from bit 38: fetch",
		   fetch(MODE_S, 0, ADDRESS | BIT(63)), FETCH_PAGE);
	put(root, 256 + AT_ROOT, PTE(middle) | V);
	fence();
	spec_equal("M 4.4.1", "the upper half is mapped by the upper entries",
		   load(MODE_S, 0, ADDRESS | ALL << 38), RAN);
	spec_equal("M 3.1.16", "load page fault", load(MODE_S, 0, ADDRESS + 0x1238), LOAD_PAGE);
	spec_equal("M 3.1.16", "load page fault: mtval", fault_tval, ADDRESS + 0x1238);
	spec_equal("M 3.1.16", "store page fault", store(MODE_S, 0, ADDRESS + 0x1338), STORE_PAGE);
	spec_equal("M 3.1.16", "store page fault: mtval", fault_tval, ADDRESS + 0x1338);
	spec_equal("M 3.1.16", "fetch page fault", fetch(MODE_S, 0, ADDRESS + 0x1438), FETCH_PAGE);
	spec_equal("M 3.1.16", "fetch page fault: mtval", fault_tval, ADDRESS + 0x1438);
	spec_true("M 3.1.16", "misaligned load over the end of what is mapped",
		  load(MODE_S, 0, ADDRESS + 0xffd) != RAN, RAN);
	spec_true("M 3.1.16", "its mtval: the part that faults, or the access",
		  fault_tval == ADDRESS + 0x1000 || fault_tval == ADDRESS + 0xffd, fault_tval);
}

/* Either the machine sets the bits or it faults; a table is not written otherwise. */
static void accessed_and_dirty(void)
{
	const volatile uint64_t *pte = &leaf[AT_LEAF];
	uint64_t cause;

	tables(PTE(DATA) | (RWX & ~(uint64_t)AD));
	cause = load(MODE_S, 0, ADDRESS);
	spec_true("M 4.3.1", "A clear: a load faults, or sets A",
		  cause == LOAD_PAGE ? !(*pte & AD) : cause == RAN && (*pte & AD) == A, cause);
	tables(PTE(DATA) | (RWX & ~(uint64_t)AD));
	cause = fetch(MODE_S, 0, ADDRESS);
	spec_true("M 4.3.1", "A clear: a fetch faults, or sets A",
		  cause == FETCH_PAGE ? !(*pte & AD) : cause == ECALL_S && (*pte & AD) == A, cause);
	tables(PTE(DATA) | (RWX & ~(uint64_t)D));
	cause = store(MODE_S, 0, ADDRESS);
	spec_true("M 4.3.1", "D clear: a store faults, or sets D",
		  cause == STORE_PAGE ? !(*pte & D) : cause == RAN && (*pte & AD) == AD, cause);
	tables(PTE(DATA) | (RWX & ~(uint64_t)D));
	spec_equal("M 4.3.1", "D clear: a load is allowed", load(MODE_S, 0, ADDRESS), RAN);
	spec_equal("M 4.3.1", "D clear: a load does not set D", *pte & D, 0);
	tables(PTE(DATA) | V | R | A);
	spec_equal("M 4.3.1", "D clear and no W: a store faults", store(MODE_S, 0, ADDRESS),
		   STORE_PAGE);
	spec_equal("M 4.3.1", "a store that faults does not set D", *pte & D, 0);
	tables(PTE(DATA) | V | R | W | D);
	cause = load(MODE_U, 0, ADDRESS);
	spec_equal("M 4.3.2", "a load that is refused does not set A", *pte & A, 0);
	tables(PTE(DATA) | RWX);
	load(MODE_S, 0, ADDRESS);
	spec_equal("M 4.3.1", "tables on the way are not written",
		   ((volatile uint64_t *)root)[AT_ROOT], PTE(middle) | V);
}

static void tables_and_pmp(void)
{
	tables(PTE(DATA) | RWX);
	__asm__ volatile("csrw pmpaddr0, %0\n"
			 "csrw pmpcfg0, %1\n"
			 "sfence.vma" ::"r"((uintptr_t)leaf >> 2 | 0x1ff),
			 "r"(0x18UL)
			 : "memory");
	spec_equal("M 3.7.2", "PMP refuses a table: load", load(MODE_S, 0, ADDRESS), LOAD_ACCESS);
	spec_equal("M 3.7.2", "PMP refuses a table: store", store(MODE_S, 0, ADDRESS),
		   STORE_ACCESS);
	spec_equal("M 3.7.2", "PMP refuses a table: fetch", fetch(MODE_S, 0, ADDRESS),
		   FETCH_ACCESS);
	spec_equal("M 3.1.16", "PMP refuses a table: mtval is virtual", fault_tval, ADDRESS);
	spec_reset();
}

void spec_pages(void)
{
	for (uint64_t at = DATA; at < DATA + 0x10000; at += 4) {
		*(volatile uint32_t *)at = INSN_ECALL;
	}
	for (size_t i = 0; i < COUNT(leaf_cases); i++) {
		leaf_one(&leaf_cases[i]);
	}
	more_leaves();
	uppers();
	addresses();
	accessed_and_dirty();
	tables_and_pmp();
	spec_reset();
}

/* ---- sfence.vma ---- */

static void fence_address(uint64_t va)
{
	__asm__ volatile("sfence.vma %0, zero" ::"r"(va) : "memory");
}

static void fence_asid(uint64_t asid)
{
	__asm__ volatile("sfence.vma zero, %0" ::"r"(asid) : "memory");
}

static void fence_both(uint64_t va, uint64_t asid)
{
	__asm__ volatile("sfence.vma %0, %1" ::"r"(va), "r"(asid) : "memory");
}

/* Page n of DATA says n. */
#define PAGE_ENTRY(n) (PTE(DATA + (n)*0x1000ULL) | RWX)

static void fences_after_changes(void)
{
	tables(PAGE_ENTRY(1));
	spec_equal("M 4.2.1", "page 1 is mapped", value_at(ADDRESS), 1);
	put(leaf, AT_LEAF, PAGE_ENTRY(2));
	fence();
	spec_equal("M 4.2.1", "sfence.vma: another page", value_at(ADDRESS), 2);
	put(leaf, AT_LEAF, PAGE_ENTRY(3));
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "sfence.vma of an address", value_at(ADDRESS), 3);
	put(leaf, AT_LEAF, PAGE_ENTRY(4));
	fence_address(ADDRESS + 0xabc);
	spec_equal("M 4.2.1", "sfence.vma of an address within the page", value_at(ADDRESS), 4);
	put(leaf, AT_LEAF, PAGE_ENTRY(5));
	fence_asid(1);
	spec_equal("M 4.2.1", "sfence.vma of an ASID", value_at(ADDRESS), 5);
	put(leaf, AT_LEAF, PAGE_ENTRY(6));
	fence_both(ADDRESS, 1);
	spec_equal("M 4.2.1", "sfence.vma of address and ASID", value_at(ADDRESS), 6);
	put(leaf, AT_LEAF, PAGE_ENTRY(7));
	__asm__ volatile(".option push\n"
			 ".option arch, +svinval\n"
			 "sfence.w.inval\n"
			 "sinval.vma %0, zero\n"
			 "sfence.inval.ir\n"
			 ".option pop" ::"r"(ADDRESS)
			 : "memory");
	spec_equal("Svinval 7", "sinval.vma between its fences", value_at(ADDRESS), 7);
	put(leaf, AT_LEAF, 0);
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "a page that was taken away", load(MODE_S, 0, ADDRESS), LOAD_PAGE);
	put(leaf, AT_LEAF, PAGE_ENTRY(8));
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "a page that came", value_at(ADDRESS), 8);
	put(leaf, AT_LEAF, 0);
	fence_address(ADDRESS);
	load(MODE_S, 0, ADDRESS);
	put(leaf, AT_LEAF, PAGE_ENTRY(8));
	spec_equal("Svvptc 1", "a page that came, without a fence", value_at(ADDRESS), 8);
	put(leaf, AT_LEAF, PAGE_ENTRY(8) & ~(uint64_t)W);
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "a page that may not be written any more", store(MODE_S, 0, ADDRESS),
		   STORE_PAGE);
	put(leaf, AT_LEAF, PAGE_ENTRY(8) & ~(uint64_t)X);
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "a page that may not be executed any more", fetch(MODE_S, 0, ADDRESS),
		   FETCH_PAGE);
	put(leaf, AT_LEAF, PAGE_ENTRY(8) | U);
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "a page that is U-mode's now", load(MODE_S, 0, ADDRESS), LOAD_PAGE);
	put(leaf, AT_LEAF, PAGE_ENTRY(8) | G);
	fence();
	spec_equal("M 4.2.1", "a global page", value_at(ADDRESS), 8);
	put(leaf, AT_LEAF, PAGE_ENTRY(9) | G);
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "sfence.vma of an address concerns global pages", value_at(ADDRESS),
		   9);
	put(leaf_2, AT_LEAF, PAGE_ENTRY(10));
	put(middle, AT_MIDDLE, PTE(leaf_2) | V);
	fence();
	spec_equal("M 4.2.1", "another table", value_at(ADDRESS), 10);
	put(middle, AT_MIDDLE, PTE(DATA) | RWX);
	fence();
	spec_equal("M 4.2.1", "a large page in place of a table", value_at(ADDRESS + 0xa000), 11);
	put(middle, AT_MIDDLE, PTE(leaf) | V);
	fence();
	spec_equal("M 4.2.1", "a table in place of a large page", value_at(ADDRESS), 9);
}

static void address_spaces(void)
{
	tables(PAGE_ENTRY(1));
	put(root_2, AT_ROOT, PTE(leaf_2) | V);
	put(leaf_2, AT_MIDDLE,
	    PTE(DATA + 0x200000 - 0x1000) | V); /* its last page is a table, too */
	put((uint64_t *)(DATA + 0x1ff000), AT_LEAF, PAGE_ENTRY(2));
	fence();
	spec_equal("M 4.1.11", "ASID 1", value_at(ADDRESS), 1);
	set_satp(2, root_2);
	spec_equal("M 4.1.11", "ASID 2 without a fence", value_at(ADDRESS), 2);
	set_satp(1, root);
	spec_equal("M 4.1.11", "ASID 1 again", value_at(ADDRESS), 1);
	put(leaf, AT_LEAF, PAGE_ENTRY(3));
	fence_asid(1);
	spec_equal("M 4.2.1", "a fence of this ASID", value_at(ADDRESS), 3);
	set_satp(2, root_2);
	spec_equal("M 4.2.1", "the other one has not changed", value_at(ADDRESS), 2);
	put((uint64_t *)(DATA + 0x1ff000), AT_LEAF, PAGE_ENTRY(4));
	set_satp(1, root);
	fence_both(ADDRESS, 2);
	set_satp(2, root_2);
	spec_equal("M 4.2.1", "a fence of the other ASID beforehand", value_at(ADDRESS), 4);
	__asm__ volatile("csrw satp, zero" ::: "memory");
	spec_equal("M 4.1.11", "satp Bare does not translate", load(MODE_S, 0, DATA), RAN);
	spec_equal("M 4.1.11", "satp Bare: S-mode fetches untranslated",
		   fetch(MODE_S, 0, DATA + 0x1010), ECALL_S);
	spec_reset();
}

/* Code that changes, by store or by mapping. */
static void code_changes(void)
{
	volatile uint32_t *code = (volatile uint32_t *)(DATA + 0x1100);

	tables(PAGE_ENTRY(1));
	code[0] = INSN_ECALL;
	spec_equal("I 3", "code runs", fetch(MODE_S, 0, ADDRESS + 0x100), ECALL_S);
	code[0] = 0x00100073; /* ebreak */
	spec_equal("I 3", "new code behind fence.i", fetch(MODE_S, 0, ADDRESS + 0x100), BREAKPOINT);
	put(leaf, AT_LEAF, PAGE_ENTRY(2));
	fence_address(ADDRESS);
	spec_equal("M 4.2.1", "code of another page behind sfence.vma",
		   fetch(MODE_S, 0, ADDRESS + 0x100), ECALL_S);
	/* An instruction whose halves are on two pages. */
	*(volatile uint16_t *)(DATA + 0x2ffe) = 0x0073;
	*(volatile uint16_t *)(DATA + 0x5000) = 0x0010; /* ebreak */
	*(volatile uint16_t *)(DATA + 0x6000) = 0x0000; /* ecall */
	put(leaf, AT_LEAF + 1, PAGE_ENTRY(5));
	fence();
	spec_equal("I 1.5", "an instruction on two pages", fetch(MODE_S, 0, ADDRESS + 0xffe),
		   BREAKPOINT);
	put(leaf, AT_LEAF + 1, PAGE_ENTRY(6));
	fence_address(ADDRESS + 0x1000);
	spec_equal("M 4.2.1", "its second page is another", fetch(MODE_S, 0, ADDRESS + 0xffe),
		   ECALL_S);
	put(leaf, AT_LEAF + 1, 0);
	fence_address(ADDRESS + 0x1000);
	spec_equal("M 3.1.16", "its second page is gone", fetch(MODE_S, 0, ADDRESS + 0xffe),
		   FETCH_PAGE);
	spec_equal("M 3.1.16", "its second page is gone: mtval", fault_tval, ADDRESS + 0x1000);
	spec_reset();
}

void spec_fences(void)
{
	for (uint64_t n = 0; n < 16; n++) {
		*(volatile uint64_t *)(DATA + n * 0x1000) = n;
	}
	fences_after_changes();
	address_spaces();
	code_changes();
}

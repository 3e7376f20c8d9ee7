/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Physical memory protection: matching, priority, permissions, locks. */
#include "spec.h"

#define R     1
#define W     2
#define X     4
#define TOR   8
#define NA4   0x10
#define NAPOT 0x18
#define LOCK  0x80

/* A page for the accesses; every word of it is an ecall. */
static uint32_t page[1024] __attribute__((aligned(4096)));
#define PAGE ((uintptr_t)page)

/* Entries 0 to 2; entry 15 is all memory. */
static void pmp(uint64_t cfgs, uint64_t a0, uint64_t a1, uint64_t a2)
{
	__asm__ volatile("csrw pmpaddr0, %0\n"
			 "csrw pmpaddr1, %1\n"
			 "csrw pmpaddr2, %2\n"
			 "csrw pmpcfg0, %3\n"
			 "sfence.vma" ::"r"(a0 >> 2),
			 "r"(a1 >> 2), "r"(a2 >> 2), "r"(cfgs)
			 : "memory");
}

static uint64_t load(uint64_t mode, uint64_t at)
{
	return spec_try(INSN_LW, spec_status(mode), 0, at);
}

static uint64_t load_8(uint64_t mode, uint64_t at)
{
	return spec_try(INSN_LD, spec_status(mode), 0, at);
}

static uint64_t store(uint64_t mode, uint64_t at)
{
	return spec_try(INSN_SW, spec_status(mode), INSN_ECALL, at);
}

/* @return the cause; ECALL_U or ECALL_S if the page can be executed */
static uint64_t fetch(uint64_t mode, uint64_t at)
{
	struct spec_run r = { .status = spec_status(mode), .pc = at };

	spec_go(&r);
	return r.cause;
}

/* In M-mode with MPRV, MPP = U. */
static uint64_t load_as_user(uint64_t at)
{
	struct spec_run r = { .status = spec_status(MODE_M), .a = { MPRV, at } };

	/* After mret MPP is U already. */
	spec_put((const uint32_t[]){ CSR_INSN(CSR_MSTATUS, FUNCT_S, 0, REG_A0), INSN_LW }, 2);
	return spec_run_code(&r);
}

/* NAPOT: that many bytes at an address. */
static uint64_t napot(uint64_t at, uint64_t bytes)
{
	return at | (bytes / 2 - 1);
}

static void nothing_matches(void)
{
	spec_write(CSR_PMPCFG2, 0);
	spec_equal("M 3.7.1.3", "PMP: S-mode has no memory without an entry", fetch(MODE_S, PAGE),
		   FETCH_ACCESS);
	spec_equal("M 3.7.1.3", "PMP: U-mode has no memory without an entry", fetch(MODE_U, PAGE),
		   FETCH_ACCESS);
	spec_equal("M 3.7.1.3", "PMP: M-mode has all memory without an entry", load(MODE_M, PAGE),
		   RAN);
	spec_equal("M 3.7.1.3", "PMP: MPRV and MPP = U have none either", load_as_user(PAGE),
		   LOAD_ACCESS);
	spec_reset();
}

static void permissions(void)
{
	uint64_t at = napot(PAGE, 4096);

	pmp(NAPOT | R, at, 0, 0);
	spec_equal("M 3.7.1.2", "PMP R: load", load(MODE_S, PAGE), RAN);
	spec_equal("M 3.7.1.2", "PMP R: store", store(MODE_S, PAGE), STORE_ACCESS);
	spec_equal("M 3.7.1.2", "PMP R: fetch", fetch(MODE_S, PAGE), FETCH_ACCESS);
	pmp(NAPOT | R | W, at, 0, 0);
	spec_equal("M 3.7.1.2", "PMP RW: store", store(MODE_U, PAGE), RAN);
	spec_equal("M 3.7.1.2", "PMP RW: fetch", fetch(MODE_U, PAGE), FETCH_ACCESS);
	pmp(NAPOT | X, at, 0, 0);
	spec_equal("M 3.7.1.2", "PMP X: fetch", fetch(MODE_U, PAGE), ECALL_U);
	spec_equal("M 3.7.1.2", "PMP X: load", load(MODE_U, PAGE), LOAD_ACCESS);
	pmp(NAPOT, at, 0, 0);
	spec_equal("M 3.7.1.2", "PMP none: load", load(MODE_S, PAGE), LOAD_ACCESS);
	spec_equal("M 3.7.1.2", "PMP none: M-mode is not held back without a lock",
		   load(MODE_M, PAGE), RAN);
	spec_equal("M 3.7.1.2", "PMP none: atomics are stores",
		   spec_try(0x00a5a52f, spec_status(MODE_S), 0, PAGE), STORE_ACCESS); /* amoadd.w */
	spec_equal("M 3.7.1.2", "PMP none: lr is a load",
		   spec_try(0x1005a52f, spec_status(MODE_S), 0, PAGE), LOAD_ACCESS);
	spec_reset();
}

static void matching(void)
{
	pmp(NAPOT, napot(PAGE + 64, 8), 0, 0);
	spec_equal("M 3.7.1.1", "PMP NAPOT of 8 bytes: inside", load(MODE_S, PAGE + 68),
		   LOAD_ACCESS);
	spec_equal("M 3.7.1.1", "PMP NAPOT of 8 bytes: before", load(MODE_S, PAGE + 60), RAN);
	spec_equal("M 3.7.1.1", "PMP NAPOT of 8 bytes: behind", load(MODE_S, PAGE + 72), RAN);
	pmp(NA4, PAGE + 64, 0, 0);
	spec_equal("M 3.7.1.1", "PMP NA4: inside", load(MODE_S, PAGE + 64), LOAD_ACCESS);
	spec_equal("M 3.7.1.1", "PMP NA4: behind", load(MODE_S, PAGE + 68), RAN);
	pmp(NA4 | R, PAGE + 64, 0, 0);
	spec_equal("M 3.7.1.3", "PMP: an access partly inside an entry fails",
		   load_8(MODE_S, PAGE + 64), LOAD_ACCESS);
	pmp(TOR << 8, PAGE + 64, PAGE + 128, 0);
	spec_equal("M 3.7.1.1", "PMP TOR: first word", load(MODE_S, PAGE + 64), LOAD_ACCESS);
	spec_equal("M 3.7.1.1", "PMP TOR: last word", load(MODE_S, PAGE + 124), LOAD_ACCESS);
	spec_equal("M 3.7.1.1", "PMP TOR: before", load(MODE_S, PAGE + 60), RAN);
	spec_equal("M 3.7.1.1", "PMP TOR: its end is outside", load(MODE_S, PAGE + 128), RAN);
	pmp(TOR << 8, PAGE + 128, PAGE + 64, 0);
	spec_equal("M 3.7.1.1", "PMP TOR: upside down matches nothing", load(MODE_S, PAGE + 96),
		   RAN);
	pmp(TOR, PAGE + 64, 0, 0);
	spec_equal("M 3.7.1.1", "PMP TOR: entry 0 begins at 0", fetch(MODE_S, PAGE), FETCH_ACCESS);
	pmp((NAPOT | R) | NAPOT << 8, napot(PAGE + 64, 8), napot(PAGE, 4096), 0);
	spec_equal("M 3.7.1.3", "PMP: the lowest entry decides: allowed", load(MODE_S, PAGE + 64),
		   RAN);
	spec_equal("M 3.7.1.3", "PMP: the lowest entry decides: next", load(MODE_S, PAGE + 72),
		   LOAD_ACCESS);
	pmp(NAPOT | (NAPOT | R) << 8, napot(PAGE + 64, 8), napot(PAGE, 4096), 0);
	spec_equal("M 3.7.1.3", "PMP: the lowest entry decides: refused", load(MODE_S, PAGE + 64),
		   LOAD_ACCESS);
	pmp((NAPOT | R) | NAPOT << 8, napot(PAGE, 4096), napot(PAGE, 8192), 0);
	spec_equal("M 3.7.1.3", "PMP: an 8-byte load over a boundary of words",
		   load_8(MODE_S, PAGE + 8), RAN);
	spec_reset();
}

void spec_pmp(void)
{
	for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++) {
		((volatile uint32_t *)page)[i] = INSN_ECALL;
	}
	nothing_matches();
	permissions();
	matching();
}

void spec_pmp_locks(void)
{
	pmp((uint64_t)(NAPOT | LOCK | R) << 16 | (uint64_t)LOCK << 48, 0, 0, napot(PAGE, 4096));
	spec_equal("M 3.7.1.2", "PMP lock: M-mode may load", load(MODE_M, PAGE), RAN);
	spec_equal("M 3.7.1.2", "PMP lock: M-mode may not store", store(MODE_M, PAGE),
		   STORE_ACCESS);
	spec_equal("M 3.7.1.2", "PMP lock: M-mode may not fetch", fetch(MODE_M, PAGE),
		   FETCH_ACCESS);
	spec_write(CSR_PMPCFG0, 0);
	spec_equal("M 3.7.1.2", "PMP lock: the configuration stays", spec_read(CSR_PMPCFG0),
		   (uint64_t)(NAPOT | LOCK | R) << 16 | (uint64_t)LOCK << 48);
	spec_write(CSR_PMPADDR0 + 2, 0);
	spec_equal("M 3.7.1.2", "PMP lock: the address stays", spec_read(CSR_PMPADDR0 + 2),
		   napot(PAGE, 4096) >> 2);
	spec_write(CSR_PMPADDR0 + 6, 0x1234);
	spec_equal("M 3.7.1.2", "PMP lock: also of an entry that is off",
		   spec_read(CSR_PMPADDR0 + 6), 0);
	spec_write(CSR_PMPADDR0 + 1, 0x1234);
	spec_equal("M 3.7.1.2", "PMP lock: the address below a locked NAPOT is free",
		   spec_read(CSR_PMPADDR0 + 1), 0x1234);
	spec_write(CSR_PMPADDR0 + 4, 0x1000);
	spec_write(CSR_PMPCFG0, (uint64_t)(LOCK | TOR) << 32);
	spec_write(CSR_PMPADDR0 + 3, 0x1234);
	spec_equal("M 3.7.1.2", "PMP lock: the address below a locked TOR stays",
		   spec_read(CSR_PMPADDR0 + 3), 0);
}

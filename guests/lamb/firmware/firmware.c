/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest firmware that this kernel can live on: M-mode, for a machine that starts with nothing else in it.
 *
 * It sets each hart up so that traps of the kernel's own business go straight to S-mode, starts the kernel on hart 0, and
 * then only works when it is called: for the timer, which interrupts M-mode and is passed on; for interrupts
 * between harts; and for calls (`ecall` from S-mode). Source: RISC-V SBI 2.0, of which this is what the kernel needs.
 *
 * Physical memory protection hides the firmware's memory from everyone else.
 */
#include <stdbool.h>
#include <stdint.h>

#include "csr.h"

#define KERNEL_PA      0x80200000UL
#define FIRMWARE_PA    0x80000000UL
#define FIRMWARE_BYTES 0x20000UL

/* CLINT and test finisher of board `virt`. */
#define MSIP(hart)     (*(volatile uint32_t *)(0x2000000UL + 4 * (hart)))
#define MTIMECMP(hart) (*(volatile uint64_t *)(0x2004000UL + 8 * (hart)))
#define FINISHER       (*(volatile uint32_t *)0x100000UL)
#define FINISHER_PASS  0x5555u
#define FINISHER_FAIL  (1u << 16 | 0x3333u)

#define BIT(n) (1UL << (n))

enum { SSI = 1, MSI = 3, STI = 5, MTI = 7, SEI = 9 }; /* interrupts */
enum { ECALL_S = 9, ECALL_M = 11 };		      /* exceptions */
enum { A0 = 10, A1 = 11, A2 = 12, A6 = 16, A7 = 17 }; /* registers */

#define INTERRUPT     BIT(63)
#define MSTATUS_MPP_S BIT(11)
#define PMP_NAPOT     0x18UL
#define PMP_RWX	      0x07UL

enum {
	SBI_BASE = 0x10,
	SBI_TIME = 0x54494d45,
	SBI_IPI = 0x735049,
	SBI_HSM = 0x48534d,
	SBI_SRST = 0x53525354
};
enum { SBI_OK = 0, SBI_NOT_SUPPORTED = -2, SBI_INVALID = -3, SBI_ALREADY = -6 };

enum { HARTS_MAX = 8 };

/* A hart waits to be started, is about to, or has been. */
enum hart_state { HART_STOPPED, HART_ORDERED, HART_STARTED };

static struct {
	enum hart_state state;
	uint64_t pc;
	uint64_t argument;
	uint32_t has_ipi;
} harts[HARTS_MAX];

void firmware_main(uint64_t hart, uint64_t fdt) __attribute__((noreturn));
void firmware_trap(uint64_t *x);
void enter_supervisor(uint64_t a0, uint64_t a1, uint64_t pc) __attribute__((noreturn));

/* A region that is a power of two: the lowest zero bit of the address says how large. */
static uint64_t napot(uint64_t base, uint64_t bytes)
{
	return (base >> 2) | ((bytes >> 3) - 1);
}

static void protect_memory(void)
{
	csr_write(pmpaddr0, napot(FIRMWARE_PA, FIRMWARE_BYTES));
	csr_write(pmpaddr1, ~0UL >> 10); /* everything; the first entry that matches counts */
	csr_write(pmpcfg0, PMP_NAPOT | (PMP_NAPOT | PMP_RWX) << 8);
}

static void delegate(void)
{
	csr_write(medeleg, 0xffffUL & ~(BIT(ECALL_S) | BIT(ECALL_M)));
	csr_write(mideleg, BIT(SSI) | BIT(STI) | BIT(SEI));
	csr_write(mcounteren, 7); /* cycle, time, instret */
	csr_write(mie, BIT(MSI));
	csr_write(satp, 0);
	csr_write(mstatus, MSTATUS_MPP_S);
}

/* Until another hart asks for it. wfi ends with a pending interrupt although interrupts are off. */
static void wait_for_order(uint64_t hart)
{
	while (__atomic_load_n(&harts[hart].state, __ATOMIC_ACQUIRE) != HART_ORDERED) {
		__asm__ volatile("wfi");
		MSIP(hart) = 0;
	}
	MSIP(hart) = 0;
}

void firmware_main(uint64_t hart, uint64_t fdt)
{
	protect_memory();
	delegate();
	MTIMECMP(hart) = ~0UL;
	if (hart == 0) {
		harts[0].pc = KERNEL_PA;
		harts[0].argument = fdt;
	} else {
		wait_for_order(hart);
	}
	__atomic_store_n(&harts[hart].state, HART_STARTED, __ATOMIC_RELEASE);
	__asm__ volatile("fence.i"); /* what it runs was written by another */
	enter_supervisor(hart, harts[hart].argument, harts[hart].pc);
}

static void poweroff(bool is_failure)
{
	FINISHER = is_failure ? FINISHER_FAIL : FINISHER_PASS;
	for (;;) {
		__asm__ volatile("wfi");
	}
}

static long call_base(uint64_t function, uint64_t argument, uint64_t *ret_value)
{
	static const uint64_t extensions[] = { SBI_BASE, SBI_TIME, SBI_IPI, SBI_HSM, SBI_SRST };

	*ret_value = 0;
	if (function == 0) {
		*ret_value = 2UL << 24; /* version 2.0 */
	} else if (function == 3) {
		for (unsigned int i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
			*ret_value |= extensions[i] == argument;
		}
	} else if (function > 6) {
		return SBI_NOT_SUPPORTED;
	}
	return SBI_OK;
}

static long call_timer(uint64_t hart, uint64_t time)
{
	csr_clear(mip, BIT(STI));
	MTIMECMP(hart) = time;
	csr_set(mie, BIT(MTI));
	return SBI_OK;
}

static long call_ipi(uint64_t mask, uint64_t first)
{
	for (uint64_t i = 0; i < 64 && mask >> i != 0; i++) {
		uint64_t hart = first + i;

		if ((mask >> i & 1) == 0) {
			continue;
		}
		if (hart >= HARTS_MAX || harts[hart].state != HART_STARTED) {
			return SBI_INVALID;
		}
		__atomic_store_n(&harts[hart].has_ipi, 1, __ATOMIC_RELEASE);
		MSIP(hart) = 1;
	}
	return SBI_OK;
}

static long call_hart(uint64_t function, const uint64_t *x, uint64_t *ret_value)
{
	uint64_t hart = x[A0];
	enum hart_state state;

	if (hart >= HARTS_MAX) {
		return SBI_INVALID;
	}
	state = __atomic_load_n(&harts[hart].state, __ATOMIC_ACQUIRE);
	if (function == 2) { /* status: 0 started, 1 stopped, 2 about to start */
		*ret_value = state == HART_STARTED ? 0 : state == HART_STOPPED ? 1 : 2;
		return SBI_OK;
	}
	if (function != 0) {
		return SBI_NOT_SUPPORTED;
	}
	if (state != HART_STOPPED) {
		return SBI_ALREADY;
	}
	harts[hart].pc = x[A1];
	harts[hart].argument = x[A2];
	__atomic_store_n(&harts[hart].state, HART_ORDERED, __ATOMIC_RELEASE);
	MSIP(hart) = 1;
	return SBI_OK;
}

static void call(uint64_t hart, uint64_t *x)
{
	uint64_t value = 0;
	long error = SBI_NOT_SUPPORTED;

	switch (x[A7]) {
	case SBI_BASE:
		error = call_base(x[A6], x[A0], &value);
		break;
	case SBI_TIME:
		error = call_timer(hart, x[A0]);
		break;
	case SBI_IPI:
		error = call_ipi(x[A0], x[A1]);
		break;
	case SBI_HSM:
		error = call_hart(x[A6], x, &value);
		break;
	case SBI_SRST:
		poweroff(x[A1] != 0);
		break;
	default:
		break;
	}
	x[A0] = (uint64_t)error;
	x[A1] = value;
}

void firmware_trap(uint64_t *x)
{
	uint64_t hart = csr_read(mhartid);
	uint64_t cause = csr_read(mcause);

	if (cause == (INTERRUPT | MTI)) {
		csr_clear(mie, BIT(MTI)); /* until the next time is set */
		csr_set(mip, BIT(STI));
	} else if (cause == (INTERRUPT | MSI)) {
		MSIP(hart) = 0;
		if (__atomic_exchange_n(&harts[hart].has_ipi, 0, __ATOMIC_ACQ_REL)) {
			csr_set(mip, BIT(SSI));
		}
	} else if (cause == ECALL_S) {
		csr_write(mepc, csr_read(mepc) + 4);
		call(hart, x);
	} else {
		poweroff(true); /* our own bug: nobody else's traps come here */
	}
}

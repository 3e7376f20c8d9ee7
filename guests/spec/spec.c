/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: more than two hundred details that a guest could use to tell this machine from its specification.
 *
 * Prints "ok NAME" or "FAIL NAME: expected X, got Y (SECTION)" for each, then "N checks, M wrong"; its exit code is 0 if
 * all were right. Needs M-mode on a RISC-V board `virt` with 128 MiB of RAM.
 */
#include "spec.h"

#include "guest.h"

static uint32_t n_checks;
static uint32_t n_wrong;

static void tell(const char *section, const char *name, bool is_right, uint64_t got,
		 const uint64_t *wanted)
{
	n_checks++;
	if (is_right) {
		guest_puts("ok ");
		guest_puts(name);
		guest_putc('\n');
		return;
	}
	n_wrong++;
	guest_puts("FAIL ");
	guest_puts(name);
	if (wanted) {
		guest_puts(": expected ");
		guest_putnumber(*wanted);
		guest_puts(", got ");
	} else {
		guest_puts(": expected another than ");
	}
	guest_putnumber(got);
	guest_puts(" (");
	guest_puts(section);
	guest_puts(")\n");
}

void spec_equal(const char *section, const char *name, uint64_t got, uint64_t wanted)
{
	tell(section, name, got == wanted, got, &wanted);
}

void spec_true(const char *section, const char *name, bool is_right, uint64_t got)
{
	tell(section, name, is_right, got, NULL);
}

uint64_t spec_status(uint64_t mode)
{
	return mode << 11 | FS;
}

void spec_put(const uint32_t *insns, size_t n)
{
	volatile uint32_t *code = spec_code;

	for (size_t i = 0; i < n; i++) {
		code[i] = insns[i];
	}
	code[n] = INSN_ECALL;
}

/* Where the ecall at the end of spec_code is. */
static uint64_t code_end(void)
{
	size_t n = 0;

	while (spec_code[n] != INSN_ECALL) {
		n++;
	}
	return (uintptr_t)&spec_code[n];
}

uint64_t spec_run_code(struct spec_run *r)
{
	r->pc = (uintptr_t)spec_code;
	spec_go(r);
	if (r->epc == code_end() && r->epc != r->pc &&
	    (r->cause == ECALL_U || r->cause == ECALL_S || r->cause == ECALL_M)) {
		return RAN;
	}
	return r->cause;
}

uint64_t spec_try(uint32_t insn, uint64_t status, uint64_t a0, uint64_t a1)
{
	struct spec_run r = { .status = status, .a = { a0, a1 } };

	spec_put(&insn, 1);
	return spec_run_code(&r);
}

uint64_t spec_read(uint32_t csr)
{
	struct spec_run r = { .status = spec_status(MODE_M) };
	uint32_t insn = CSR_INSN(csr, FUNCT_S, REG_A0, 0);

	spec_put(&insn, 1);
	spec_run_code(&r);
	return r.a[0];
}

void spec_write(uint32_t csr, uint64_t value)
{
	spec_try(CSR_INSN(csr, FUNCT_W, 0, REG_A0), spec_status(MODE_M), value, 0);
}

uint64_t spec_burst(uint32_t csr, uint64_t before, uint64_t value)
{
	struct spec_run r = { .status = spec_status(MODE_M), .a = { before, value } };
	const uint32_t insns[] = {
		CSR_INSN(csr, FUNCT_W, REG_A3, REG_A0),
		CSR_INSN(csr, FUNCT_W, 0, REG_A1),
		CSR_INSN(csr, FUNCT_S, REG_A2, 0),
		CSR_INSN(csr, FUNCT_W, 0, REG_A3),
	};

	spec_put(insns, sizeof(insns) / sizeof(insns[0]));
	return spec_run_code(&r) == RAN ? r.a[2] : 0xbad;
}

void spec_reset(void)
{
	*(volatile uint32_t *)MSIP0 = 0;
	*(volatile uint64_t *)MTIMECMP0 = ALL;
	__asm__ volatile("csrw mie, zero\n"
			 "csrw mip, zero\n"
			 "csrw satp, zero\n"
			 "sfence.vma\n"
			 "csrw medeleg, zero\n"
			 "csrw mideleg, zero\n"
			 "csrw mcounteren, zero\n"
			 "csrw scounteren, zero\n"
			 "csrw 0x30a, zero\n" /* menvcfg */
			 "csrw 0x10a, zero\n" /* senvcfg */
			 "csrw pmpcfg0, zero\n"
			 "csrw pmpaddr15, %0\n"
			 "csrw pmpcfg2, %1\n" ::"r"(ALL),
			 "r"(0x1fULL << 56)
			 : "memory");
}

int main(void)
{
	static void (*const parts[])(void) = {
		spec_csr_fields, spec_csr_access, spec_traps,	  spec_interrupts,
		spec_counters,	 spec_data,	  spec_float,	  spec_pages,
		spec_fences,	 spec_pmp,	  spec_pmp_locks,
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		spec_reset();
		parts[i]();
	}
	guest_putdec(n_checks);
	guest_puts(" checks, ");
	guest_putdec(n_wrong);
	guest_puts(" wrong\n");
	return n_wrong != 0;
}

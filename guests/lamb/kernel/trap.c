/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to do about a trap; trap.S brings us here with the frame of the process that was running. */
#include "kernel.h"

static uint64_t hz;

void trap_init_hart(void)
{
	csr_write(sscratch, 0);
	csr_write(stvec, trap_entry);
	csr_write(sie, 1UL << INTERRUPT_SOFT | 1UL << INTERRUPT_TIMER | 1UL << INTERRUPT_EXTERNAL);
	csr_write(scounteren, 2); /* programs may read `time` */
}

uint64_t time_now(void)
{
	return csr_read(time);
}

uint64_t time_hz(void)
{
	return hz;
}

void time_init(uint64_t timer_hz)
{
	hz = timer_hz;
	sbi_set_timer(time_now() + hz / TICKS_PER_SECOND);
}

static void tick(void)
{
	sbi_set_timer(time_now() + hz / TICKS_PER_SECOND);
	process_wake_sleepers();
	this_hart()->has_ticked = true;
	if (this_process()) {
		this_process()->ticks++;
	}
}

void interrupts_take(void)
{
	uint64_t pending = csr_read(sip) & csr_read(sie);

	if (pending & 1UL << INTERRUPT_SOFT) {
		csr_clear(sip, 1UL << INTERRUPT_SOFT); /* it only had to wake us */
	}
	if (pending & 1UL << INTERRUPT_TIMER) {
		tick();
	}
	if (pending & 1UL << INTERRUPT_EXTERNAL) {
		console_interrupt();
	}
}

static void crash(const struct frame *f, const char *what, int status)
{
	struct process *p = this_process();

	print("%s (%d): %s, pc %lx\n", p->name, p->pid, what, f->pc);
	process_exit(status);
}

static void page_fault(const struct frame *f, enum access access)
{
	uint64_t va = csr_read(stval);
	int r;

	r = space_fault(&this_process()->space, va, access);
	if (r == -E_NOMEM) {
		crash(f, "no memory left", STATUS_MEMORY);
	} else if (r < 0) {
		print("%lx can't be %s\n", va,
		      access == ACCESS_READ    ? "read"
		      : access == ACCESS_WRITE ? "written"
					       : "executed");
		crash(f, "bad access", STATUS_FAULT);
	}
}

static void exception(struct frame *f, uint64_t cause)
{
	switch (cause) {
	case CAUSE_ECALL_USER:
		f->pc += 4;
		syscall(f);
		break;
	case CAUSE_PAGE_FETCH:
		page_fault(f, ACCESS_FETCH);
		break;
	case CAUSE_PAGE_READ:
		page_fault(f, ACCESS_READ);
		break;
	case CAUSE_PAGE_WRITE:
		page_fault(f, ACCESS_WRITE);
		break;
	case CAUSE_ILLEGAL:
	case CAUSE_BREAKPOINT:
		crash(f, "illegal instruction", STATUS_ILLEGAL);
		break;
	default:
		crash(f, "access out of order", STATUS_FAULT);
		break;
	}
}

void trap_user(struct frame *f)
{
	uint64_t cause = csr_read(scause);

	kernel_lock();
	if (cause & CAUSE_INTERRUPT) {
		interrupts_take();
	} else {
		exception(f, cause);
	}
	if (this_hart()->has_ticked) {
		process_yield();
	}
	if (this_process()->is_killed) {
		process_exit(STATUS_KILLED);
	}
	kernel_unlock();
}

void trap_kernel(void)
{
	panic("trap in the kernel: scause %lx, stval %lx, sepc %lx", csr_read(scause),
	      csr_read(stval), csr_read(sepc));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The referee: runs cases on the CPU it finds itself on, which is qemu's. Static, without a C
 * library; see rv_wire.h for what it reads and writes.
 *
 * rv_referee_run (rv_referee_run.S) loads all registers, jumps to the case and comes back with all registers
 * stored. An exception ends a case: the handler notes signal and pc, and continues at the same way back.
 */
#include <linux/mman.h>
#include <linux/signal.h>
#include <linux/unistd.h>
#include <stddef.h>

/* The next needs the last. */
#include <asm/sigcontext.h>

#include <asm/ucontext.h>

#include "rv_wire.h"

_Static_assert(offsetof(struct rv_wire_state, f) == 256 &&
		       offsetof(struct rv_wire_state, fcsr) == 512,
	       "known to rv_referee_run.S");

#define STACK_BYTES 16384

void rv_referee_run(struct rv_wire_state *s);
extern const char rv_referee_back[];
_Noreturn void rv_referee_main(void);

/* The state of the running case, for the way back. */
struct rv_wire_state *rv_referee_state;

static uint8_t signal_stack[STACK_BYTES] __attribute__((aligned(16)));

static long call(long n, long a, long b, long c, long d)
{
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = -1;
	register long a5 __asm__("a5") = 0;
	register long a7 __asm__("a7") = n;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
			 : "memory");
	return a0;
}

static _Noreturn void leave(int status)
{
	for (;;) {
		call(__NR_exit_group, status, 0, 0, 0);
	}
}

/* @return whether all was read; the end of input is the end of the program */
static void read_all(void *to, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		long n = call(__NR_read, 0, (long)((char *)to + at), (long)(bytes - at), 0);

		if (n <= 0) {
			leave(n == 0 && at == 0 ? 0 : 2);
		}
		at += (size_t)n;
	}
}

static void write_all(const void *from, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		long n =
			call(__NR_write, 1, (long)((const char *)from + at), (long)(bytes - at), 0);

		if (n <= 0) {
			leave(2);
		}
		at += (size_t)n;
	}
}

static void *map(unsigned long addr, size_t bytes, int prot)
{
	long r = call(__NR_mmap, (long)addr, (long)bytes, prot,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);

	if (r != (long)addr) {
		leave(3);
	}
	return (void *)addr;
}

static void on_signal(int signal, void *info, struct ucontext *u)
{
	(void)info;
	rv_referee_state->signal = (uint64_t)signal;
	rv_referee_state->pc = u->uc_mcontext.sc_regs.pc;
	u->uc_mcontext.sc_regs.pc = (unsigned long)rv_referee_back;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGILL, SIGTRAP, SIGSEGV, SIGBUS };
	const stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	struct sigaction on = {
		.sa_handler = (__sighandler_t)(void *)on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};

	call(__NR_sigaltstack, (long)&stack, 0, 0, 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		call(__NR_rt_sigaction, signals[i], (long)&on, 0, sizeof(on.sa_mask));
	}
}

_Noreturn void rv_referee_main(void)
{
	const size_t code_bytes = RV_WIRE_CASES_MAX * RV_WIRE_CODE_BYTES;
	struct rv_wire_state *states;
	const char **way_out;
	void *code;

	code = map(RV_WIRE_CODE_ADDR, code_bytes, PROT_READ | PROT_WRITE | PROT_EXEC);
	states = map(RV_WIRE_STATE_ADDR, RV_WIRE_CASES_MAX * sizeof(*states),
		     PROT_READ | PROT_WRITE);
	way_out = map(RV_WIRE_EXIT_ADDR, 4096, PROT_READ | PROT_WRITE);
	*way_out = rv_referee_back;
	catch_signals();
	for (;;) {
		uint32_t n;

		read_all(&n, sizeof(n));
		if (n == 0 || n > RV_WIRE_CASES_MAX) {
			leave(n != 0);
		}
		read_all(code, n * RV_WIRE_CODE_BYTES);
		read_all(states, n * sizeof(*states));
		__asm__ volatile("fence.i" ::: "memory");
		for (uint32_t i = 0; i < n; i++) {
			rv_referee_state = &states[i];
			rv_referee_run(&states[i]);
		}
		write_all(states, n * sizeof(*states));
	}
}

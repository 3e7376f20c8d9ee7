/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The referee of the differential fuzzer: executes instruction sequences as an ordinary Linux program, on the CPU
 * itself or under qemu-user, and says what became of registers and memory.
 *
 * There is no assembly in it. Everything happens in one signal handler: it finds the registers of the interrupted
 * program in the signal frame, keeps them as the result of the case that ran, puts the next case's there and returns
 * into it. Every case ends with an instruction that raises a signal, if it does not raise one before.
 *
 * Whatever a case leaves in registers that C code relies on (the global and thread pointers) must not matter inside
 * the handler: no thread-local variables (so no read() and write(), which look at them), no stack protector.
 */
#include "referee.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES 65536

static struct wire_case cases[WIRE_BATCH_MAX];
static struct wire_result results[WIRE_BATCH_MAX];
static uint32_t n_cases, next;
static uint8_t stack[STACK_BYTES];

static void read_all(void *to, size_t bytes)
{
	uint8_t *p = to;

	while (bytes > 0) {
		long n = syscall(SYS_read, 0, p, bytes);

		if (n <= 0) {
			_exit(p == (uint8_t *)to && n == 0 ? 0 : 2);
		}
		p += n;
		bytes -= (size_t)n;
	}
}

static void write_all(const void *from, size_t bytes)
{
	const uint8_t *p = from;

	while (bytes > 0) {
		long n = syscall(SYS_write, 1, p, bytes);

		if (n <= 0) {
			_exit(2);
		}
		p += n;
		bytes -= (size_t)n;
	}
}

static void read_batch(void)
{
	struct wire_head head;

	read_all(&head, sizeof(head));
	if (head.magic != WIRE_MAGIC || head.count == 0 || head.count > WIRE_BATCH_MAX) {
		_exit(3);
	}
	n_cases = head.count;
	read_all(cases, n_cases * sizeof(cases[0]));
	next = 0;
}

static enum wire_end end_of(int sig, const siginfo_t *info)
{
	switch (sig) {
	case SIGILL:
		return WIRE_END_ILLEGAL;
	case SIGTRAP:
		return WIRE_END_BREAKPOINT;
	case SIGBUS:
		return WIRE_END_UNALIGNED;
	case SIGFPE:
		return info->si_code == FPE_INTDIV ? WIRE_END_DIVIDE : WIRE_END_FP;
	case SIGSEGV:
		if (info->si_code == SEGV_MAPERR) {
			return WIRE_END_UNMAPPED;
		}
		return info->si_code == SEGV_ACCERR ? WIRE_END_PROTECTION : WIRE_END_GENERAL;
	default:
		return WIRE_END_OTHER;
	}
}

static void keep_result(int sig, const siginfo_t *info, const ucontext_t *uc)
{
	struct wire_result *r = &results[next];

	memset(r, 0, sizeof(*r));
	r->end = end_of(sig, info);
	r->has_address = r->end == WIRE_END_UNMAPPED || r->end == WIRE_END_PROTECTION;
	r->address = r->has_address ? (uintptr_t)info->si_addr : 0;
	referee_context_save(uc, &r->state);
	memcpy(r->data, (const void *)WIRE_WINDOW_ADDR, WIRE_WINDOW_BYTES);
	next++;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	static int is_running;
	ucontext_t *uc = context;

	if (is_running) {
		keep_result(sig, info, uc);
	}
	is_running = 1;
	if (next == n_cases) {
		if (n_cases > 0) {
			write_all(results, n_cases * sizeof(results[0]));
		}
		read_batch();
	}
	memcpy((void *)WIRE_CODE_ADDR, cases[next].code, WIRE_CASE_CODE_BYTES);
	__builtin___clear_cache((char *)WIRE_CODE_ADDR, (char *)WIRE_CODE_ADDR + WIRE_CASE_CODE_BYTES);
	memcpy((void *)WIRE_WINDOW_ADDR, cases[next].data, WIRE_WINDOW_BYTES);
	referee_context_load(uc, &cases[next]);
}

static void map_at(uintptr_t addr, size_t bytes, int prot)
{
	void *p = mmap((void *)addr, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)addr) {
		_exit(4);
	}
}

int main(void)
{
	static const int signals[] = { SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV };
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

	map_at(WIRE_CODE_ADDR, WIRE_CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_at(WIRE_DATA_ADDR, WIRE_DATA_BYTES, PROT_READ | PROT_WRITE);
	if (sigaltstack(&ss, NULL) < 0) {
		return 4;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], &act, NULL) < 0) {
			return 4;
		}
	}
	referee_prepare();
	raise(SIGTRAP);
	return 5; /* the first case never returns here */
}

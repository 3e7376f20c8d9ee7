/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a copy of the monitor to a carrier: between fork and the moment at which nothing of the monitor is left.
 * Async-signal-safe: the monitor may have had more threads.
 *
 *   map area -> handlers -> close files -> list what is mapped -> filter -> stub: unmap all that -> first signal
 */
#include "engine/trap/trap_priv.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPS_BYTES  65536
#define MERGE_BYTES (64ULL << 20) /* ranges that are closer are unmapped as one */
#define FDS_MAX	    65536u

#ifndef PR_RISCV_V_SET_CONTROL
#define PR_RISCV_V_SET_CONTROL	   69
#define PR_RISCV_V_VSTATE_CTRL_OFF 1
#endif

/** What rt_sigaction() takes: user-mode emulators (QEMU 7.2) look for the mask one word further on than Linux. */
struct action {
	uint64_t handler, flags, mask, mask_again;
};

/** Where it failed: exit statuses. */
enum fail {
	FAIL_MAP = 1,
	FAIL_SIGNALS,
	FAIL_MAPS,
	FAIL_MANY_MAPS,
	FAIL_PARENT,
	FAIL_SEAL,
	FAIL_BACK
};

static _Noreturn void fail(enum fail where)
{
	_exit((int)where);
}

static struct trap_area *map_area(const struct trap_birth *b)
{
	uint8_t *at = (uint8_t *)b->stub_va;
	uint8_t *page = mmap(at, PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	uint8_t *area = mmap(at + PAGE_BYTES, sizeof(struct trap_area), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE, b->area_fd, 0);
	uint64_t pid = (uint64_t)getpid();

	if (page != at || area != at + PAGE_BYTES) {
		fail(FAIL_MAP);
	}
	memcpy(page, trap_stub, PAGE_BYTES - sizeof(pid));
	memcpy(page + PAGE_BYTES - sizeof(pid), &pid, sizeof(pid));
	/* The handler reads the page's last word: readable. */
	if (mprotect(page, PAGE_BYTES, PROT_READ | PROT_EXEC) < 0) {
		fail(FAIL_MAP);
	}
	__builtin___clear_cache((char *)page, (char *)page + PAGE_BYTES);
	return (struct trap_area *)(void *)area;
}

static void take_signals(const struct trap_birth *b, struct trap_area *area)
{
	static const int signals[] = { SIGILL, SIGTRAP, SIGSEGV,	 SIGBUS,
				       SIGFPE, SIGSYS,	TRAP_KICK_SIGNAL };
	stack_t stack = { .ss_sp = area->stack, .ss_size = TRAP_STACK_BYTES - TRAP_STACK_SPARE };
	struct action a = { .handler = (uint64_t)(uintptr_t)SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++) {
		syscall(SYS_rt_sigaction, i, &a, NULL, sizeof(a.mask)); /* some can't be */
	}
	a = (struct action){
		.handler = b->stub_va + (uint64_t)(trap_stub_handler - trap_stub),
		.flags = SA_SIGINFO | SA_ONSTACK,
		.mask = UINT64_MAX,
		.mask_again = UINT64_MAX,
	};
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (syscall(SYS_rt_sigaction, signals[i], &a, NULL, sizeof(a.mask)) < 0) {
			fail(FAIL_SIGNALS);
		}
	}
	sigemptyset(&none);
	if (sigaltstack(&stack, NULL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0) {
		fail(FAIL_SIGNALS);
	}
}

/* All but a few; one by one on kernels (before 5.9) and emulators that can't do it at once. */
static void close_range_of(unsigned int from, unsigned int to)
{
	if (from > to || syscall(SYS_close_range, from, to, 0) == 0) {
		return;
	}
	for (unsigned int fd = from; fd <= to && fd < FDS_MAX; fd++) {
		close((int)fd);
	}
}

/* The lowest descriptor from @p from on that stays. */
static unsigned int next_kept(const struct trap_birth *b, int maps_fd, unsigned int from)
{
	unsigned int next = (unsigned int)maps_fd >= from ? (unsigned int)maps_fd : UINT_MAX;

	for (size_t i = 0; i < b->n_keep; i++) {
		unsigned int fd = (unsigned int)b->keep[i];

		next = fd >= from && fd < next ? fd : next;
	}
	return next;
}

static void close_files(const struct trap_birth *b, int maps_fd)
{
	unsigned int from = 0;

	for (;;) {
		unsigned int next = next_kept(b, maps_fd, from);

		if (next > from) {
			close_range_of(from, next == UINT_MAX ? next : next - 1);
		}
		if (next == UINT_MAX) {
			return;
		}
		from = next + 1;
	}
}

static uint64_t read_hex(const char **p)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		char c = **p;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0) {
			return v;
		}
		v = v << 4 | (uint64_t)digit;
	}
}

/* /proc/self/maps, to its end. */
static const char *read_maps(int fd)
{
	static char text[MAPS_BYTES];
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);

		if (got < 0 || n + (size_t)got == sizeof(text) - 1) {
			fail(FAIL_MAPS);
		}
		if (got == 0) {
			text[n] = 0;
			return text;
		}
		n += (size_t)got;
	}
}

static void list_unmap(struct trap_mailbox *box, size_t *n, bool may_merge, uint64_t from,
		       uint64_t to)
{
	struct trap_call *last = *n && may_merge ? &box->calls[*n - 1] : NULL;

	if (last && from - (last->arg[0] + last->arg[1]) < MERGE_BYTES) {
		last->arg[1] = to - last->arg[0];
		return;
	}
	if (*n + 2 >= TRAP_CALLS) {
		fail(FAIL_MANY_MAPS);
	}
	box->calls[(*n)++] = (struct trap_call){ .nr = SYS_munmap, .arg = { from, to - from } };
}

/* Everything but the area goes; its neighbours on either side are not merged across it. */
static void list_maps(const struct trap_birth *b, struct trap_mailbox *box, const char *maps)
{
	uint64_t area_end = b->stub_va + PAGE_BYTES + sizeof(struct trap_area);
	bool may_merge = true;
	size_t n = 0;

	while (*maps) {
		uint64_t from = read_hex(&maps);
		uint64_t to = (maps++, read_hex(&maps));
		bool is_area = from < area_end && to > b->stub_va;

		/* The upper end of the address space holds no mapping of ours. */
		if (!is_area && from < 1ULL << 62) {
			list_unmap(box, &n, may_merge, from, to);
		}
		may_merge = !is_area;
		maps = strchr(maps, '\n') + 1;
	}
	box->calls[n++] = (struct trap_call){
		.nr = SYS_kill,
		.arg = { (uint64_t)getpid(), TRAP_KICK_SIGNAL },
	};
	box->calls[n].nr = 0;
}

_Noreturn void trap_child_main(const struct trap_birth *b)
{
	struct trap_area *area = map_area(b);
	int maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	void (*enter)(void) =
		(void (*)(void))(b->stub_va + (uint64_t)(trap_stub_enter - trap_stub));

	if (maps_fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != b->parent) {
		fail(FAIL_PARENT);
	}
	take_signals(b, area);
	close_files(b, maps_fd);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_RISCV_V_SET_CONTROL, PR_RISCV_V_VSTATE_CTRL_OFF); /* the guest has no vectors */
	/* Late: the stack does not grow any more. */
	list_maps(b, &area->box, read_maps(maps_fd));
	close(maps_fd);
	if (trap_seal_probe() &&
	    trap_seal(getpid(), b->stub_va + (uint64_t)(trap_stub_call - trap_stub), b->keep,
		      b->n_keep) < 0) {
		fail(FAIL_SEAL);
	}
	enter();
	fail(FAIL_BACK);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls of a carrier: the stub's few, made at the stub's one place. Everywhere else a system call is the
 * guest's: it is not made, a signal arrives instead, and the monitor finds an ecall at the pc.
 *
 * What the guest could do by jumping to the stub's place is what the filter leaves: map guest memory that is its own
 * anyway, unmap it, stop or damage itself.
 */
#include "engine/trap/trap_priv.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bug.h"

#ifndef AUDIT_ARCH_RISCV64
#define AUDIT_ARCH_RISCV64 (EM_RISCV | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE)
#endif

#define RULES_MAX 96u
#define WX	  (PROT_WRITE | PROT_EXEC)

/** A filter that grows. Its last words are the verdicts. */
struct rules {
	struct sock_filter f[RULES_MAX];
	unsigned short n;
};

static void put(struct rules *r, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	BUG_ON(r->n == RULES_MAX);
	r->f[r->n++] = (struct sock_filter)BPF_JUMP(code, k, jt, jf);
}

static void load(struct rules *r, size_t offset)
{
	put(r, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void load_arg(struct rules *r, unsigned int arg)
{
	load(r, offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
}

static void verdict(struct rules *r, uint32_t what)
{
	put(r, BPF_RET | BPF_K, what, 0, 0);
}

/* Go on if the loaded word is @p k, else it is @p what. */
static void demand(struct rules *r, uint32_t k, uint32_t what)
{
	put(r, BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0);
	verdict(r, what);
}

/* Arguments are 64 bits wide; where the kernel looks at all of them, so do we. */
static void demand_high_zero(struct rules *r, unsigned int arg)
{
	load(r, offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t) + 4);
	demand(r, 0, SECCOMP_RET_KILL_PROCESS);
}

static void put_place(struct rules *r, gva_t call_va)
{
	const size_t ip = offsetof(struct seccomp_data, instruction_pointer);
	uint32_t low = (uint32_t)call_va;

	load(r, offsetof(struct seccomp_data, arch));
	demand(r, AUDIT_ARCH_RISCV64, SECCOMP_RET_KILL_PROCESS);
	load(r, ip + 4);
	demand(r, (uint32_t)(call_va >> 32), SECCOMP_RET_TRAP);
	load(r, ip); /* the kernel has moved it behind the instruction, or will */
	put(r, BPF_JMP | BPF_JEQ | BPF_K, low + 4, 2, 0);
	put(r, BPF_JMP | BPF_JEQ | BPF_K, low, 1, 0);
	verdict(r, SECCOMP_RET_TRAP);
}

/* Where the loaded number is @p nr, @p rules rules follow that end in a verdict; their count is filled by end_case(). */
static unsigned short begin_case(struct rules *r, uint32_t nr)
{
	load(r, offsetof(struct seccomp_data, nr));
	put(r, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 0);
	return r->n;
}

static void end_case(struct rules *r, unsigned short began)
{
	r->f[began - 1].jf = (uint8_t)(r->n - began);
}

static void put_kill(struct rules *r, pid_t self)
{
	unsigned short began = begin_case(r, SYS_kill);

	load_arg(r, 0);
	demand(r, (uint32_t)self, SECCOMP_RET_KILL_PROCESS);
	load_arg(r, 1);
	put(r, BPF_JMP | BPF_JEQ | BPF_K, TRAP_KICK_SIGNAL, 2, 0);
	demand(r, SIGSTOP, SECCOMP_RET_KILL_PROCESS);
	verdict(r, SECCOMP_RET_ALLOW);
	end_case(r, began);
}

static void put_mmap(struct rules *r, const int *fds, size_t n_fds)
{
	unsigned short began = begin_case(r, SYS_mmap);

	load_arg(r, 2);
	put(r, BPF_ALU | BPF_AND | BPF_K, WX, 0, 0);
	put(r, BPF_JMP | BPF_JEQ | BPF_K, WX, 0, 1);
	verdict(r, SECCOMP_RET_KILL_PROCESS);
	demand_high_zero(r, 3);
	load_arg(r, 3);
	demand(r, MAP_SHARED | MAP_FIXED, SECCOMP_RET_KILL_PROCESS);
	load_arg(r, 4);
	for (size_t i = 0; i < n_fds; i++) {
		put(r, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fds[i], 0, 1);
		verdict(r, SECCOMP_RET_ALLOW);
	}
	verdict(r, SECCOMP_RET_KILL_PROCESS);
	end_case(r, began);
}

static void put_always(struct rules *r, uint32_t nr)
{
	unsigned short began = begin_case(r, nr);

	verdict(r, SECCOMP_RET_ALLOW);
	end_case(r, began);
}

bool trap_seal_probe(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int trap_seal(pid_t self, gva_t call_va, const int *fds, size_t n_fds)
{
	static struct rules r; /* not on the stack, which is to stay as it is */
	struct sock_fprog program = { .filter = r.f };

	put_place(&r, call_va);
	put_always(&r, SYS_rt_sigreturn);
	put_mmap(&r, fds, n_fds);
	put_always(&r, SYS_munmap);
	put_kill(&r, self);
	verdict(&r, SECCOMP_RET_KILL_PROCESS);
	program.len = r.n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
		return -errno;
	}
	return 0;
}

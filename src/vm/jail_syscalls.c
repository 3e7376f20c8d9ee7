/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every system call that a jailed VM process may make, and why. Whatever is not here kills the
 * process; so does any call through int 0x80 or the x32 numbers. "Only" in a reason is a condition
 * on the arguments that jail.c adds. Memory calls come from malloc(), which both the engines and
 * we use while a guest runs.
 */
#include "vm/jail.h"

#include <sys/syscall.h>

#include "base/bits.h"

#define CALL(n, why)             \
	{                        \
		SYS_##n, #n, why \
	}

const struct jail_syscall jail_syscall_table[] = {
	/* Talking to the controller, the console and the trace pipe: descriptors that were passed. */
	CALL(read, "wake-ups of the control thread (eventfd)"),
	CALL(write, "wake-ups, trace records, context files, last words on stderr"),
	CALL(newfstatat, "fstat() of a context to load; the root is empty"),
	CALL(recvmsg, "requests, with descriptors; only with flags that our receiving has"),
	CALL(sendmsg, "replies and stop events; only with flags that our sending has"),
	CALL(recvfrom, "console input without waiting; only with DONTWAIT and PEEK"),
	CALL(sendto, "console output without SIGPIPE; only with DONTWAIT and NOSIGNAL"),
	CALL(accept4, "the next controller, on a listening socket that was passed"),
	CALL(pread64, "disk images, on the device thread"),
	CALL(pwrite64, "disk images, on the device thread"),
	CALL(fdatasync, "a guest flushes its disk"),
	CALL(fallocate,
	     "a guest discards blocks of its disk; only holes, which make no file longer"),
	CALL(close, "descriptors that came with a request"),
	CALL(fcntl, "only F_GET_SEALS: is a context to load sealed?"),
	CALL(poll, "waiting for requests and console input"),
	CALL(restart_syscall, "what the kernel turns poll() into after SIGSTOP and SIGCONT"),

	/* Time, slices, and the threads of the process. */
	CALL(clock_gettime, "CPU time of the vCPU thread; not in the vDSO"),
	CALL(timer_settime, "the end of a slice; timers are made before the jail"),
	CALL(timer_delete, "tearing down in good order"),
	CALL(timerfd_settime, "when the devices of a standing vCPU are due"),
	CALL(futex, "mutexes, waking the vCPU thread; only WAIT, WAKE and WAIT_BITSET"),
	CALL(rt_sigreturn, "end of the kick handler"),
	CALL(rt_sigprocmask, "abort() and thread exit"),
	CALL(getpid, "pthread_kill() and abort()"),
	CALL(gettid, "pthread_kill() and abort()"),
	CALL(tgkill, "kicking the vCPU thread, abort(); only this process"),
	CALL(getrusage, "resource usage"),
	CALL(exit, "end of a thread"),
	CALL(exit_group, "end of the process"),

	CALL(getrandom, "the guest's entropy source"),

	/* Memory. */
	CALL(brk, "malloc()"),
	CALL(mmap, "malloc(), a context to load; only without PROT_EXEC"),
	CALL(munmap, "malloc(), tearing down"),
	CALL(mremap, "realloc()"),
	CALL(mprotect, "malloc() growing a thread's heap; only without PROT_EXEC"),
	CALL(madvise, "malloc() and ending threads give pages back"),

	/* The engine. */
	CALL(ioctl, "only the requests in kvm_engine_ioctls, and only with a KVM descriptor"),
};

const size_t jail_syscall_count = ARRAY_SIZE(jail_syscall_table);

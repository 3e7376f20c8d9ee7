/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jail of a VM process (docs/design.md, section 8). Order matters: the root needs
 * capabilities, ids are changed while they may be, limits and seccomp come last because they
 * forbid the rest.
 *
 *   root -> ids -> capabilities -> no_new_privs -> undumpable -> limits -> seccomp
 */
#include "vm/jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "engine/kvm_ioctls.h"
#include "host/fd.h"
#include "host/priv.h"
#include "proto/proto.h"

/* Address space beyond guest RAM and a context to load, which is about as large: Unicorn's code
 * buffer (1 GiB), libraries, stacks, arenas. */
#define OVERHEAD_BYTES (3ULL << 30)
/* A context file holds guest RAM and less than this beside it. */
#define CONTEXT_BYTES (64ULL << 20)
/* The vCPU thread, the control thread, and a kernel thread that KVM counts as ours. */
#define TASKS_MAX 16
#define FILES_MAX 64
/* The number of the first process of a pid namespace. */
#define PID_INIT 1
/* PF_USER_WORKER in the kernel's include/linux/sched.h */
#define TASK_USER_WORKER 0x4000

/* One hexadecimal capability set of a thread is not empty. */
static bool has_caps_in(const char *status, const char *field)
{
	const char *p = strstr(status, field);

	return p && strspn(p + strlen(field), "\t 0") != strcspn(p + strlen(field), "\n");
}

/* Read a file of a thread as text; 0: the thread ended meanwhile. */
static ssize_t read_thread(int dirfd, const char *tid, const char *file, char *buf, size_t size)
{
	char path[300];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", tid, file);
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	n = host_fd_read_full(fd, buf, size - 1);
	if (n >= 0) {
		buf[n] = '\0';
	}
	return n == -ESRCH ? 0 : n;
}

/* Whether it is a thread that the kernel runs in our name (KVM has one) and that never leaves the
 * kernel: proc(5), stat, field 9. */
static bool is_kernels(const char *stat)
{
	const char *p = strrchr(stat, ')');
	unsigned int flags;

	return p && sscanf(p, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       (flags & TASK_USER_WORKER);
}

static int check_thread(int dirfd, const char *tid, struct errmsg *e)
{
	char text[4096];
	ssize_t n = read_thread(dirfd, tid, "stat", text, sizeof(text));

	if (n > 0 && !is_kernels(text)) {
		n = read_thread(dirfd, tid, "status", text, sizeof(text));
	} else if (n > 0) {
		return 0;
	}
	if (n < 0) {
		return errmsg_set(e, (int)n, "can't check thread %s: %s", tid, strerror((int)-n));
	}
	if (n > 0 && (has_caps_in(text, "CapPrm:") || has_caps_in(text, "CapInh:") ||
		      has_caps_in(text, "CapEff:") || has_caps_in(text, "CapAmb:"))) {
		return errmsg_set(e, -EPERM, "thread %s still has capabilities", tid);
	}
	return 0;
}

/* Opened while /proc can be seen, read after the capabilities are gone. */
static int check_threads(DIR *tasks, struct errmsg *e)
{
	const struct dirent *d;
	int r;

	while ((d = readdir(tasks)) != NULL) {
		if (d->d_name[0] == '.') {
			continue;
		}
		r = check_thread(dirfd(tasks), d->d_name, e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* Threads of a pid namespace are numbered from 1: these are more than a VM process has ever had here. */
#define TIDS_MAX 16

/* In a pid namespace of its own all threads are this process's. */
static int check_numbers(struct errmsg *e)
{
	for (pid_t tid = 1; tid <= TIDS_MAX; tid++) {
		int r = host_priv_thread_has_caps(tid);

		if (r == 1) {
			return errmsg_set(e, -EPERM, "thread %d still has capabilities", tid);
		}
		if (r < 0 && r != -ESRCH) {
			return errmsg_set(e, r, "can't check thread %d: %s", tid, strerror(-r));
		}
	}
	return 0;
}

static int take_root(const struct jail_options *o, uint32_t *flags, struct errmsg *e)
{
	int r;

	if (!(o->flags & PROTO_JAIL_MOUNTNS)) {
		return 0;
	}
	r = host_priv_empty_root(e);
	if (r == -EPERM || r == -EACCES || r == -EINVAL) {
		/* Some hosts give user namespaces without the right to mount in them; below a chroot
		 * the root is no mount point that could be replaced. */
		*flags &= ~(uint32_t)PROTO_JAIL_MOUNTNS;
		return 0;
	}
	return r;
}

static int set_limits(const struct jail_options *o, struct errmsg *e)
{
	bool is_count_own = o->flags & (PROTO_JAIL_SETUID | PROTO_JAIL_USERNS);
	uint64_t space = 2 * o->mem_bytes + o->window_bytes + OVERHEAD_BYTES;
	uint64_t context_bytes = o->mem_bytes + CONTEXT_BYTES;
	uint64_t file_bytes = o->disk_bytes > context_bytes ? o->disk_bytes : context_bytes;
	int r;

	r = host_priv_limit(RLIMIT_CORE, 0, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_NOFILE, FILES_MAX, e);
	/* A longer file would be the end of the process. */
	r = r < 0 ? r : host_priv_limit(RLIMIT_FSIZE, file_bytes, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_MEMLOCK, 0, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_MSGQUEUE, 0, e);
	if (r == 0 && (is_count_own || o->kvm_fd < 0)) {
		/* The first KVM_RUN makes a kernel thread that counts. */
		r = host_priv_limit(RLIMIT_NPROC, o->kvm_fd >= 0 ? TASKS_MAX : 0, e);
	}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* Sanitizers reserve terabytes. Data is what counts as memory of its own: private, writable. */
	r = r < 0 ? r : host_priv_limit(RLIMIT_AS, space, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_DATA, o->mem_bytes + PROTO_OVERHEAD_BYTES, e);
#else
	(void)space;
#endif
	return r;
}

/* A system call only with this value in the low half of its second argument, which is all that the
 * kernel looks at. */
static int allow_second(scmp_filter_ctx ctx, int nr, unsigned long value)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
				SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, value));
}

/* A system call only if no other bits are set in an argument, of which the kernel looks at the low
 * half. */
static int allow_flags(scmp_filter_ctx ctx, int nr, unsigned int arg, uint32_t flags)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
				SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, (uint32_t)~flags, 0));
}

/* Not the ones with priority inheritance, which take the number of any thread; no requeueing. */
static int allow_futex(scmp_filter_ctx ctx)
{
	static const uint32_t ops[] = { FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET };
	uint32_t flags = FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ops); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_futex, 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, (uint32_t)~flags, ops[i]));
	}
	return r;
}

static int allow_kvm(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < kvm_engine_ioctl_count; i++) {
		r = allow_second(ctx, SYS_ioctl, kvm_engine_ioctls[i].request);
	}
	return r;
}

static int allow_call(scmp_filter_ctx ctx, const struct jail_options *o, pid_t pid, int nr)
{
	switch (nr) {
	case SYS_mmap:
	case SYS_mprotect:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
					SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	case SYS_tgkill:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
					SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)pid));
	case SYS_fcntl:
		return allow_second(ctx, nr, F_GET_SEALS);
	case SYS_fallocate:
		return allow_second(ctx, nr, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	case SYS_futex:
		return allow_futex(ctx);
	case SYS_recvmsg:
		return allow_flags(ctx, nr, 2, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	case SYS_sendmsg:
		return allow_flags(ctx, nr, 2, MSG_DONTWAIT | MSG_NOSIGNAL);
	case SYS_recvfrom:
		return allow_flags(ctx, nr, 3, MSG_DONTWAIT | MSG_PEEK);
	case SYS_sendto:
		return allow_flags(ctx, nr, 3, MSG_DONTWAIT | MSG_NOSIGNAL);
	case SYS_ioctl:
		return o->kvm_fd < 0 ? 0 : allow_kvm(ctx);
	default:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
}

static int fill_filter(scmp_filter_ctx ctx, const struct jail_options *o, pid_t pid)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* A tree, not a list: the kernel tries each number when a filter comes into force. */
	r = r < 0 ? r : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; r == 0 && i < jail_syscall_count; i++) {
		r = allow_call(ctx, o, pid, jail_syscall_table[i].nr);
	}
	return r;
}

/* Filters without and with KVM, each for a process of one number. */
#define FILTER_INSNS_MAX 1024
static struct filter {
	struct sock_filter insns[FILTER_INSNS_MAX];
	unsigned short n;
	pid_t pid; /* 0: not compiled */
} filters[2];

static struct filter *filter_of(const struct jail_options *o)
{
	return &filters[o->kvm_fd >= 0];
}

/* Write the filter to a file. */
static int export_filter(const struct jail_options *o, pid_t pid, int fd)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? fill_filter(ctx, o, pid) : -ENOMEM;

	r = r < 0 ? r : seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	return r;
}

/* In a process of its own: each child of a zygote would carry what the library leaves in the heap. */
static int export_apart(const struct jail_options *o, pid_t pid, int fd)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		_exit(export_filter(o, pid, fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		return -errno;
	}
	return status == 0 ? 0 : -ECHILD;
}

static int compile(const struct jail_options *o, pid_t pid, struct filter *f,
		   int (*export)(const struct jail_options *o, pid_t pid, int fd))
{
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;
	int r = fd < 0 ? -errno : export(o, pid, fd);

	if (r < 0) {
		return r;
	}
	n = pread(fd, f->insns, sizeof(f->insns), 0);
	if (n <= 0 || (size_t)n % sizeof(f->insns[0]) || (size_t)n == sizeof(f->insns)) {
		return -EINVAL;
	}
	f->n = (unsigned short)((size_t)n / sizeof(f->insns[0]));
	f->pid = pid;
	return 0;
}

void jail_prepare(void)
{
	struct jail_options o = { .kvm_fd = -1 };

	(void)compile(&o, PID_INIT, filter_of(&o), export_apart); /* else each does it */
	o.kvm_fd = 0;
	(void)compile(&o, PID_INIT, filter_of(&o), export_apart);
}

/* For all threads. */
static int install(struct filter *f)
{
	struct sock_fprog prog = { .len = f->n, .filter = f->insns };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);

	return r < 0 ? -errno : r > 0 ? -ESRCH : 0; /* a thread has another filter */
}

static int close_filter(const struct jail_options *o, struct errmsg *e)
{
	struct filter *f = filter_of(o);
	int r = f->pid == getpid() ? 0 : compile(o, getpid(), f, export_filter);

	r = r < 0 ? r : install(f);
	return r < 0 ? errmsg_set(e, r, "can't enter the seccomp filter: %s", strerror(-r)) : 0;
}

/* Of the only thread, before there were others: each has it from there. */
static bool is_bounding_empty;

static int drop_caps(struct errmsg *e)
{
	if (!is_bounding_empty) {
		host_priv_empty_bounding_set();
	}
	return host_priv_drop_caps(e);
}

static int drop_rights(const struct jail_options *o, struct errmsg *e)
{
	int r = 0;

	/* First: leaving the superuser's id takes the right to do it. */
	if (!is_bounding_empty) {
		host_priv_empty_bounding_set();
	}
	if (o->flags & PROTO_JAIL_SETUID) {
		r = host_priv_set_ids(o->uid, o->gid, e);
	}
	r = r < 0 ? r : drop_caps(e);
	r = r < 0 ? r : host_priv_no_new_privs(e);
	return r;
}

int jail_begin(const struct jail_options *o, struct errmsg *e)
{
	host_priv_empty_bounding_set();
	is_bounding_empty = true;
	return host_priv_is_root_empty() ? drop_rights(o, e) : 0;
}

int jail_thread_enter(struct errmsg *e)
{
	/* An arena of the thread's own would be trimmed one day, and glibc opens a file in /proc to
	 * find out whether it may. The main arena needs brk() and mmap() only. Another malloc()
	 * refuses the request and has no need of it. */
	(void)mallopt(M_ARENA_MAX, 1);
	return drop_caps(e);
}

int jail_enter(const struct jail_options *o, uint32_t *ret_flags, struct errmsg *e)
{
	uint32_t flags = o->flags;
	/* Rights went first (jail_begin()): even a thread that KVM made has none. */
	bool is_numbered = getpid() == PID_INIT && host_priv_is_root_empty();
	DIR *tasks = is_numbered ? NULL : opendir("/proc/self/task");
	int r;

	r = take_root(o, &flags, e);
	r = r < 0 ? r : drop_rights(o, e);
	if (is_numbered) {
		r = r < 0 ? r : check_numbers(e);
	} else if (tasks) {
		r = r < 0 ? r : check_threads(tasks, e);
		closedir(tasks);
	}
	/* After the check: it makes /proc/self the superuser's. */
	r = r < 0 ? r : host_priv_set_undumpable(e);
	r = r < 0 ? r : set_limits(o, e);
	if (r == 0 && (o->flags & PROTO_JAIL_SECCOMP)) {
		r = close_filter(o, e);
	}
	if (r < 0) {
		return r;
	}
	*ret_flags = flags;
	return 0;
}

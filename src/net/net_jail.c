/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jail of the network process. It needs the host's network, so it keeps that namespace; everything else goes:
 * capabilities, files but resolv.conf (Landlock, where the kernel has it), and all system calls but those below.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "host/priv.h"
#include "net/net.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define FILES_MAX   2048
/* What a guest's connections may take in buffers. */
#define DATA_BYTES (256ULL << 20)
/* Every right that version 1 of Landlock knows. */
#define LANDLOCK_ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* What libslirp, its allocator and the loop use. */
static const int calls[] = {
	/* sockets; socket() itself by family, below */
	SYS_bind,
	SYS_connect,
	SYS_listen,
	SYS_accept,
	SYS_accept4,
	SYS_shutdown,
	SYS_getsockname,
	SYS_getpeername,
	SYS_setsockopt,
	SYS_getsockopt,
	SYS_sendto,
	SYS_recvfrom,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_ioctl,
	SYS_fcntl,
	SYS_poll,
	SYS_ppoll,
	SYS_read,
	SYS_write,
	SYS_close,
	/* resolv.conf */
	SYS_newfstatat,
	SYS_fstat,
	SYS_lseek,
	/* memory, time, end */
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_futex,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_getrandom,
	SYS_getpid,
	SYS_gettid,
	SYS_restart_syscall,
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_tgkill,
	SYS_exit,
	SYS_exit_group,
};

static int allow_conditional(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_socket, 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	}
	r = r < 0 ? r
		  : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_openat, 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC,
					     O_RDONLY));
	r = r < 0 ? r
		  : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_mmap, 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r < 0 ? r
		     : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_mprotect, 1,
					SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static int close_calls(struct errmsg *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	}
	r = r < 0 ? r : allow_conditional(ctx);
	r = r < 0 ? r : seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? errmsg_set(e, r, "no system call filter: %s", strerror(-r)) : 0;
}

/* Without Landlock ordinary permissions are what is left. */
static void close_files(void)
{
	struct landlock_ruleset_attr rules = { .handled_access_fs = LANDLOCK_ALL };
	struct landlock_path_beneath_attr file = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE };
	_cleanup_close_ int fd =
		(int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	_cleanup_close_ int resolv = open(RESOLV_CONF, O_PATH | O_CLOEXEC);

	if (fd < 0) {
		return;
	}
	file.parent_fd = resolv;
	if (resolv < 0 ||
	    syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &file, 0) == 0) {
		(void)syscall(SYS_landlock_restrict_self, fd, 0);
	}
}

int net_jail_enter(struct errmsg *e)
{
	int r;

	r = host_priv_no_new_privs(e);
	host_priv_empty_bounding_set();
	r = r < 0 ? r : host_priv_drop_caps(e);
	r = r < 0 ? r : host_priv_set_undumpable(e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_CORE, 0, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_NOFILE, FILES_MAX, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_FSIZE, 0, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_DATA, DATA_BYTES, e);
	r = r < 0 ? r : host_priv_limit(RLIMIT_NPROC, 0, e);
	if (r < 0) {
		return r;
	}
	close_files();
	return close_calls(e);
}

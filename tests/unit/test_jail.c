/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jail from inside: every system call that is not in the table kills the process, also through
 * int 0x80 and the x32 numbers; nothing becomes executable; root, ids, capabilities and limits are
 * gone. Each attempt is made by a child of its own that enters the jail first.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/priv.h"
#include "host/proc.h"
#include "proto/proto.h"
#include "test.h"
#include "vm/jail.h"

/* Well beyond the last number of any kernel so far. */
#define SYSCALLS_MAX 600
#define X32_BIT	     0x40000000
#define OWN_ID	     0x70000001u
#define EXIT_SETUP   99
#define NO_KVM	     -1
#define SOME_KVM     3
#define ROOT_FLAGS   (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)

typedef void (*attempt_fn)(long arg);

static struct jail_options options(int kvm_fd)
{
	return (struct jail_options){ .flags = PROTO_JAIL_SECCOMP,
				      .mem_bytes = 64 << 20,
				      .kvm_fd = kvm_fd };
}

static void enter_or_exit(const struct jail_options *o)
{
	struct errmsg e = { 0 };
	uint32_t flags = 0;

	if (jail_enter(o, &flags, &e) < 0) {
		printf("jail_enter: %s\n", e.text);
		fflush(stdout);
		_exit(EXIT_SETUP);
	}
}

/* The wait status of a child that enters the jail and then tries something. */
static int attempt(const struct jail_options *o, attempt_fn fn, long arg)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		enter_or_exit(o);
		fn(arg);
		syscall(SYS_exit_group, 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool is_survived(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_in_table(long nr)
{
	for (size_t i = 0; i < jail_syscall_count; i++) {
		if (jail_syscall_table[i].nr == nr) {
			return true;
		}
	}
	return false;
}

static void call_plain(long nr)
{
	syscall(nr, 0, 0, 0, 0, 0, 0);
}

/* Linux lets no filter see the two calls of its own probes (seccomp_uprobe_exception() in
 * kernel/seccomp.c); outside a probe they fail or raise SIGILL. */
static bool is_probe_call(long nr)
{
#ifdef __x86_64__
	return nr == 335 || nr == 336;
#else
	return nr < 0;
#endif
}

static void call_probe(long nr)
{
	if (syscall(nr, 0, 0, 0, 0, 0, 0) != -1) {
		abort();
	}
}

static void probe_calls_fail(void)
{
	struct jail_options o = options(SOME_KVM);

	for (long nr = 0; nr < SYSCALLS_MAX; nr++) {
		int status = is_probe_call(nr) ? attempt(&o, call_probe, nr) : 0;

		CHECK(is_killed(status) || is_survived(status) ||
		      (WIFSIGNALED(status) && WTERMSIG(status) == SIGILL));
	}
}

static void other_calls_kill(void)
{
	struct jail_options o = options(SOME_KVM);

	for (long nr = 0; nr < SYSCALLS_MAX; nr++) {
		if (!is_in_table(nr) && !is_probe_call(nr) &&
		    !is_killed(attempt(&o, call_plain, nr))) {
			printf("system call %ld does not kill\n", nr);
			test_failures++;
		}
	}
}

static void x32_calls_kill(void)
{
	struct jail_options o = options(SOME_KVM);

	for (long nr = 0; nr < SYSCALLS_MAX; nr++) {
		if (!is_killed(attempt(&o, call_plain, nr | X32_BIT))) {
			printf("x32 system call %ld does not kill\n", nr);
			test_failures++;
		}
	}
}

#ifdef __x86_64__
static void call_i386(long nr)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
}

/* Without a jail the door is open on most kernels: else the test below would prove nothing. */
static bool has_i386_calls(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		call_i386(20); /* getpid */
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return is_survived(status);
}

static void i386_calls_kill(void)
{
	struct jail_options o = options(SOME_KVM);

	if (!has_i386_calls()) {
		printf("  this kernel has no int 0x80\n");
		return;
	}
	for (long nr = 0; nr < SYSCALLS_MAX; nr++) {
		if (!is_killed(attempt(&o, call_i386, nr))) {
			printf("int 0x80 with %ld does not kill\n", nr);
			test_failures++;
		}
	}
}
#endif

/* Arguments that pass the filters and do no harm. */
static void call_allowed(long nr)
{
	switch (nr) {
	case SYS_mmap:
	case SYS_mprotect:
		syscall(nr, -1L, 0L, PROT_READ | PROT_WRITE, 0L, -1L, 0L);
		break;
	case SYS_fcntl:
		syscall(nr, -1L, F_GET_SEALS, 0L);
		break;
	case SYS_fallocate:
		syscall(nr, -1L, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0L, 1L);
		break;
	case SYS_tgkill:
		syscall(nr, getpid(), getpid(), 0);
		break;
	case SYS_ioctl:
		syscall(nr, -1L, KVM_RUN, 0L);
		break;
	case SYS_futex:
		syscall(nr, -1L, FUTEX_WAKE_PRIVATE, 1L);
		break;
	case SYS_recvmsg:
	case SYS_sendmsg:
		syscall(nr, -1L, -1L, MSG_DONTWAIT);
		break;
	case SYS_recvfrom:
	case SYS_sendto:
		syscall(nr, -1L, -1L, -1L, MSG_DONTWAIT, 0L, 0L);
		break;
	case SYS_rt_sigreturn:
		raise(0); /* its frame is the kernel's: a_signal_handler_returns tries it */
		break;
	case SYS_exit:
	case SYS_exit_group:
		syscall(nr, 0L);
		break;
	default:
		syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
		break;
	}
}

static void table_calls_are_allowed(void)
{
	struct jail_options o = options(SOME_KVM);

	for (size_t i = 0; i < jail_syscall_count; i++) {
		const struct jail_syscall *s = &jail_syscall_table[i];

		if (!is_survived(attempt(&o, call_allowed, s->nr))) {
			printf("system call %s does not pass\n", s->name);
			test_failures++;
		}
		CHECK(s->reason[0] != '\0');
		for (size_t j = 0; j < i; j++) {
			CHECK(jail_syscall_table[j].nr != s->nr);
		}
	}
}

static void on_signal(int signo)
{
	(void)signo;
}

static void signal_self(long arg)
{
	(void)arg;
	pthread_kill(pthread_self(), SIGUSR1);
}

static void signal_handler_returns(void)
{
	struct jail_options o = options(NO_KVM);
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	CHECK(is_survived(attempt(&o, signal_self, 0)));
	signal(SIGUSR1, SIG_DFL);
}

static void map_with(long prot)
{
	mmap(NULL, 4096, (int)prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char page[8192] __attribute__((aligned(4096)));

static void protect_with(long prot)
{
	mprotect(page, 4096, (int)prot);
}

static void nothing_becomes_executable(void)
{
	static const int bad[] = { PROT_EXEC, PROT_READ | PROT_EXEC, PROT_WRITE | PROT_EXEC,
				   PROT_READ | PROT_WRITE | PROT_EXEC };
	struct jail_options o = options(SOME_KVM);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(is_killed(attempt(&o, map_with, bad[i])));
		CHECK(is_killed(attempt(&o, protect_with, bad[i])));
	}
	CHECK(is_survived(attempt(&o, map_with, PROT_READ | PROT_WRITE)));
	CHECK(is_survived(attempt(&o, protect_with, PROT_READ)));
}

static void call_ioctl(long request)
{
	ioctl(-1, (unsigned long)request, 0);
}

static void only_kvm_ioctls_and_only_with_kvm(void)
{
	struct jail_options with = options(SOME_KVM);
	struct jail_options without = options(NO_KVM);

	CHECK(is_survived(attempt(&with, call_ioctl, KVM_RUN)));
	CHECK(is_survived(attempt(&with, call_ioctl, KVM_SET_XSAVE)));
	CHECK(is_killed(attempt(&with, call_ioctl, TIOCSTI)));
	CHECK(is_killed(attempt(&with, call_ioctl, KVM_CREATE_VM)));
	CHECK(is_killed(attempt(&with, call_ioctl, KVM_CREATE_DEVICE)));
	CHECK(is_killed(attempt(&without, call_ioctl, KVM_RUN)));
}

static void call_fallocate(long mode)
{
	fallocate(-1, (int)mode, 0, 1);
}

static void call_fcntl(long cmd)
{
	fcntl(1, (int)cmd, 100);
}

static void kill_other(long pid)
{
	syscall(SYS_tgkill, pid, pid, 0);
}

static void call_futex(long op)
{
	syscall(SYS_futex, page, op, 1L, 0L, 0L, 0L);
}

static void call_sendmsg(long flags)
{
	syscall(SYS_sendmsg, -1L, 0L, flags);
}

static void call_recvmsg(long flags)
{
	syscall(SYS_recvmsg, -1L, 0L, flags);
}

static void call_sendto(long flags)
{
	syscall(SYS_sendto, -1L, 0L, 0L, flags, 0L, 0L);
}

static void call_recvfrom(long flags)
{
	syscall(SYS_recvfrom, -1L, 0L, 0L, flags, 0L, 0L);
}

/* Priority inheritance reaches threads of other processes where there is no pid namespace. */
static void futexes_are_plain(void)
{
	static const int bad[] = {
		FUTEX_FD,	FUTEX_REQUEUE,	       FUTEX_CMP_REQUEUE,   FUTEX_WAKE_OP,
		FUTEX_LOCK_PI,	FUTEX_UNLOCK_PI,       FUTEX_TRYLOCK_PI,    FUTEX_WAKE_BITSET,
		FUTEX_LOCK_PI2, FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI
	};
	struct jail_options o = options(NO_KVM);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(is_killed(attempt(&o, call_futex, bad[i])));
		CHECK(is_killed(attempt(&o, call_futex, bad[i] | FUTEX_PRIVATE_FLAG)));
	}
	/* The word is 0, not 1: nobody waits. */
	CHECK(is_survived(attempt(&o, call_futex, FUTEX_WAIT)));
	CHECK(is_survived(attempt(&o, call_futex, FUTEX_WAKE_PRIVATE)));
	CHECK(is_survived(
		attempt(&o, call_futex, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME)));
}

static void socket_flags_are_filtered(void)
{
	static const int bad[] = { MSG_OOB, MSG_ZEROCOPY, MSG_ERRQUEUE, MSG_OOB | MSG_DONTWAIT };
	struct jail_options o = options(NO_KVM);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(is_killed(attempt(&o, call_sendmsg, bad[i])));
		CHECK(is_killed(attempt(&o, call_recvmsg, bad[i])));
		CHECK(is_killed(attempt(&o, call_sendto, bad[i])));
		CHECK(is_killed(attempt(&o, call_recvfrom, bad[i])));
	}
	CHECK(is_survived(attempt(&o, call_sendmsg, MSG_NOSIGNAL | MSG_DONTWAIT)));
	CHECK(is_survived(attempt(&o, call_recvmsg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)));
	CHECK(is_survived(attempt(&o, call_sendto, MSG_NOSIGNAL)));
	CHECK(is_survived(attempt(&o, call_recvfrom, MSG_PEEK | MSG_DONTWAIT)));
}

static void arguments_are_filtered(void)
{
	struct jail_options o = options(NO_KVM);

	CHECK(is_killed(attempt(&o, call_fcntl, F_DUPFD)));
	CHECK(is_killed(attempt(&o, call_fcntl, F_SETOWN)));
	CHECK(is_killed(attempt(&o, call_fcntl, F_SETFL)));
	CHECK(is_killed(attempt(&o, call_fallocate, 0)));
	CHECK(is_killed(attempt(&o, call_fallocate, FALLOC_FL_KEEP_SIZE)));
	CHECK(is_killed(attempt(&o, call_fallocate, FALLOC_FL_ZERO_RANGE)));
	CHECK(is_survived(attempt(&o, call_fcntl, F_GET_SEALS)));
	CHECK(is_killed(attempt(&o, kill_other, getpid())));
	CHECK(is_killed(attempt(&o, kill_other, 1)));
}

/* A thread that was there before the jail, and a gate that the main thread opens. */
static pthread_barrier_t gate;

static void *old_thread(void *arg)
{
	if (arg) {
		jail_thread_enter(NULL);
	}
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	syscall(SYS_getppid);
	return NULL;
}

/* The wait status of a child with a second thread; exit status 3: the jail refused. */
static int attempt_threaded(void *(*fn)(void *), bool is_thread_entered)
{
	struct jail_options o = options(NO_KVM);
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct errmsg e = { 0 };
		uint32_t flags;
		pthread_t thread;

		pthread_barrier_init(&gate, NULL, 2);
		pthread_create(&thread, NULL, fn, is_thread_entered ? &gate : NULL);
		pthread_barrier_wait(&gate);
		if (jail_enter(&o, &flags, &e) < 0) {
			_exit(strstr(e.text, "still has capabilities") ? 3 : EXIT_SETUP);
		}
		pthread_barrier_wait(&gate);
		pthread_join(thread, NULL);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

static void older_threads_are_jailed_too(void)
{
	int status;

	CHECK(is_killed(attempt_threaded(old_thread, true)));
	if (geteuid() == 0) {
		status = attempt_threaded(old_thread, false);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	}
}

static void *freeing_thread(void *arg)
{
	void *blocks[64];

	if (arg) {
		jail_thread_enter(NULL);
	}
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	/* Below the size from which malloc() maps each block; more than it keeps when all are free. */
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		blocks[i] = malloc(100000);
		CHECK(blocks[i] != NULL);
	}
	for (size_t i = ARRAY_SIZE(blocks); i > 0; i--) {
		free(blocks[i - 1]);
	}
	/* Not by returning: sanitizers need calls at the end of a thread that we don't. */
	syscall(SYS_exit_group, test_failures != 0);
	return NULL;
}

static void threads_may_free_memory(void)
{
	CHECK(is_survived(attempt_threaded(freeing_thread, true)));
}

static int errno_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/* What is left when all but seccomp has closed: run by a child, which reports by its status. */
static void check_inside(long is_root_empty)
{
	struct statvfs fs;
	struct rlimit lim;

	for (int i = 0; i < 64; i++) {
		CHECK(!host_priv_has_cap(i));
		CHECK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) != 1);
	}
	CHECK_INT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_INT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	getrlimit(RLIMIT_NOFILE, &lim);
	CHECK_INT(lim.rlim_max, 64);
	getrlimit(RLIMIT_CORE, &lim);
	CHECK_INT(lim.rlim_max, 0);
	getrlimit(RLIMIT_NPROC, &lim);
	CHECK_INT(lim.rlim_max, 0);
	getrlimit(RLIMIT_FSIZE, &lim);
	CHECK_INT(lim.rlim_max, 128 << 20);
#if !defined(__SANITIZE_ADDRESS__)
	getrlimit(RLIMIT_AS, &lim);
	CHECK_INT(lim.rlim_max, (3ULL << 30) + (128 << 20));
	/* Guest RAM and what a VM process may have beside it; shared or read-only memory is another's. */
	CHECK(mmap(NULL, 1ULL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	      MAP_FAILED);
	CHECK(mmap(NULL, 1ULL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	      MAP_FAILED);
	CHECK_INT(errno, ENOMEM);
#endif
	if (is_root_empty) {
		CHECK_INT(errno_of(open("/proc/self/status", O_RDONLY)), ENOENT);
		CHECK_INT(errno_of(open("/tmp", O_RDONLY)), ENOENT);
		CHECK(open("/new", O_WRONLY | O_CREAT, 0600) < 0);
		CHECK_INT(statvfs("/", &fs), 0);
		CHECK_INT(fs.f_flag & ROOT_FLAGS, ROOT_FLAGS);
		CHECK_INT(errno_of(chdir("..")), 0);
		CHECK_INT(errno_of(open("etc", O_RDONLY)), ENOENT);
		CHECK(chroot("/") < 0);
	}
	fflush(stdout);
}

static void check_own_id(long arg)
{
	uid_t r;
	uid_t e;
	uid_t s;
	gid_t group;

	check_inside(arg);
	CHECK_INT(getresuid(&r, &e, &s), 0);
	CHECK(r == OWN_ID && e == OWN_ID && s == OWN_ID);
	CHECK_INT(getgid(), OWN_ID);
	CHECK_INT(getgroups(1, &group), 0);
	CHECK_INT(errno_of(setuid(0)), EPERM);
	for (int i = 0; i < 64; i++) {
		CHECK(prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1);
	}
	fflush(stdout);
}

/* Enter with namespaces, without seccomp so that the inside can look around. */
static int look_inside(uint64_t ns, uint32_t flags, attempt_fn fn)
{
	struct jail_options o = { .flags = flags,
				  .uid = OWN_ID,
				  .gid = OWN_ID,
				  .mem_bytes = 64 << 20,
				  .kvm_fd = NO_KVM };
	uid_t uid = geteuid();
	int status = -1;
	int gate_fds[2];
	pid_t pid;
	char byte;

	CHECK_INT(pipe2(gate_fds, O_CLOEXEC), 0);
	fflush(stdout);
	pid = host_proc_clone(ns, NULL);
	if (pid == 0) {
		uint32_t got = 0;
		struct errmsg e = { 0 };
		int before = test_failures;

		if (read(gate_fds[0], &byte, 1) != 1 || jail_enter(&o, &got, &e) < 0) {
			printf("jail_enter: %s\n", e.text);
			fflush(stdout);
			_exit(EXIT_SETUP);
		}
		CHECK_INT(got, flags);
		fn(got & PROTO_JAIL_MOUNTNS);
		fflush(stdout);
		_exit(test_failures != before);
	}
	CHECK(pid > 0);
	if (ns & CLONE_NEWUSER) {
		CHECK_INT(host_proc_map_ids(pid, uid, uid, getegid(), getegid()), 0);
	}
	CHECK_INT(write(gate_fds[1], "x", 1), 1);
	close(gate_fds[0]);
	close(gate_fds[1]);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

static void root_ends_with_own_id_and_empty_root(void)
{
	if (geteuid() != 0) {
		return;
	}
	CHECK(is_survived(
		look_inside(CLONE_NEWNS, PROTO_JAIL_MOUNTNS | PROTO_JAIL_SETUID, check_own_id)));
	CHECK(is_survived(look_inside(0, PROTO_JAIL_SETUID, check_own_id)));
}

static bool has_user_namespaces(void)
{
	int status = -1;
	pid_t pid = host_proc_clone(CLONE_NEWUSER, NULL);

	if (pid == 0) {
		_exit(0);
	}
	if (pid > 0) {
		waitpid(pid, &status, 0);
	}
	return is_survived(status);
}

static void user_namespace_gives_an_empty_root(void)
{
	if (!has_user_namespaces()) {
		printf("  this host has no user namespaces for user %u\n", geteuid());
		return;
	}
	CHECK(is_survived(look_inside(CLONE_NEWUSER | CLONE_NEWNS,
				      PROTO_JAIL_USERNS | PROTO_JAIL_MOUNTNS, check_inside)));
}

static void nothing_but_seccomp_still_drops_rights(void)
{
	CHECK(is_survived(look_inside(0, 0, check_inside)));
}

static const struct test_case cases[] = {
	{ "calls in the table are allowed", table_calls_are_allowed },
	{ "all other calls kill", other_calls_kill },
	{ "calls that no filter sees fail", probe_calls_fail },
	{ "x32 calls kill", x32_calls_kill },
#ifdef __x86_64__
	{ "i386 calls kill", i386_calls_kill },
#endif
	{ "signal handler returns", signal_handler_returns },
	{ "nothing becomes executable", nothing_becomes_executable },
	{ "only KVM ioctls, and only with KVM", only_kvm_ioctls_and_only_with_kvm },
	{ "arguments are filtered", arguments_are_filtered },
	{ "futexes are plain", futexes_are_plain },
	{ "socket flags are filtered", socket_flags_are_filtered },
	{ "older threads are jailed too", older_threads_are_jailed_too },
	{ "threads may free memory", threads_may_free_memory },
	{ "root ends with own id and empty root", root_ends_with_own_id_and_empty_root },
	{ "user namespace gives an empty root", user_namespace_gives_an_empty_root },
	{ "rights go without any namespace", nothing_but_seccomp_still_drops_rights },
};

/* The cases that don't depend on numbers, once more as an ordinary user. */
static int run_as_nobody(void)
{
	static const struct test_case nobody_cases[] = {
		{ "calls in the table are allowed, as nobody", table_calls_are_allowed },
		{ "nothing becomes executable, as nobody", nothing_becomes_executable },
		{ "older threads are jailed too, as nobody", older_threads_are_jailed_too },
		{ "user namespace gives an empty root, as nobody",
		  user_namespace_gives_an_empty_root },
		{ "rights go without any namespace, as nobody",
		  nothing_but_seccomp_still_drops_rights },
	};
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		    setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0) {
			_exit(1);
		}
		exit(test_main(nobody_cases, ARRAY_SIZE(nobody_cases)));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void)
{
	int r = test_main(cases, ARRAY_SIZE(cases));

	return geteuid() == 0 ? r | run_as_nobody() : r;
}

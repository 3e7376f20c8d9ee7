/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host wrappers: seals hold, packets leak no descriptors, memory is lazy and private, timers fire. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../daemon/temp_dir.h"
#include "base/bits.h"
#include "host/fd.h"
#include "host/map.h"
#include "host/priv.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/task.h"
#include "host/timer.h"
#include "test.h"

static char dir[64];

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static const char *make_file(const char *name, const char *text)
{
	static char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(host_fd_write_full(fd, text, strlen(text)), 0);
	close(fd);
	return path;
}

static void sealed_file_can_not_be_changed(void)
{
	const char *path = make_file("image", "twelve bytes");
	char byte = 'x';
	uint64_t bytes = 0;
	int fd = -1;
	uint8_t *p;

	CHECK_INT(host_fd_seal_file(path, 12, &fd, &bytes, NULL), 0);
	CHECK_INT(bytes, 12);
	CHECK_INT(host_fd_check_sealed(fd, &bytes), 0);
	CHECK_INT(write(fd, &byte, 1), -1);
	CHECK_INT(errno, EPERM);
	CHECK_INT(ftruncate(fd, 0), -1);
	CHECK_INT(errno, EPERM);
	CHECK_INT(ftruncate(fd, 8192), -1);
	CHECK_INT(errno, EPERM);
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	CHECK_INT(errno, EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK_INT(errno, EPERM);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(memcmp(p, "twelve bytes", 13) == 0);
	CHECK_INT(mprotect(p, 4096, PROT_READ | PROT_WRITE), -1);
	munmap(p, 4096);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void unsealed_file_is_refused(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK_INT(host_fd_check_sealed(fd, NULL), -EPERM);
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW), 0);
	CHECK_INT(host_fd_check_sealed(fd, NULL), -EPERM);
	close(fd);
}

static void bad_sources_are_named(void)
{
	int before = count_fds();
	struct errmsg e = { 0 };
	char want[200];
	int fd = -7;

	CHECK_INT(host_fd_seal_file(dir, 100, &fd, NULL, &e), -EISDIR);
	snprintf(want, sizeof(want), "%s is a directory, not a file", dir);
	CHECK_STR(e.text, want);
	CHECK_INT(host_fd_seal_file("/nonexistent/x", 100, &fd, NULL, &e), -ENOENT);
	CHECK_STR(e.text, "/nonexistent/x: No such file or directory");
	CHECK_INT(host_fd_seal_file(make_file("empty", ""), 100, &fd, NULL, &e), -ENODATA);
	CHECK_INT(host_fd_seal_file(make_file("big", "12345"), 4, &fd, NULL, &e), -EFBIG);
	CHECK_INT(host_fd_seal_file(make_file("big", "1234"), 4, &fd, NULL, &e), 0);
	close(fd);
	fd = -7;
	snprintf(want, sizeof(want), "%s/fifo", dir);
	CHECK_INT(mkfifo(want, 0600), 0);
	CHECK_INT(host_fd_seal_file(want, 100, &fd, NULL, &e), -EINVAL);
	CHECK_INT(host_fd_seal_file("/dev/zero", 100, &fd, NULL, &e), -EINVAL);
	CHECK_INT(fd, -7);
	CHECK_INT(count_fds(), before);
}

static void packet_carries_bytes_and_descriptors(void)
{
	char text[16] = { 0 };
	struct iovec out[2] = { { "ab", 2 }, { "cd", 2 } };
	struct iovec in = { text, sizeof(text) };
	int pair[2];
	int fds[2] = { -1, -1 };
	int pipe_fds[2];
	size_t n = 9;

	CHECK_INT(host_sock_pair_packet(pair), 0);
	CHECK_INT(pipe2(pipe_fds, O_CLOEXEC), 0);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, fds, 2, &n, true), -EAGAIN);
	CHECK_INT(host_sock_send(pair[0], out, 2, pipe_fds, 2, false), 0);
	CHECK_INT(host_sock_wait_readable(pair[1], 0), 0);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, fds, 2, &n, false), 4);
	CHECK_STR(text, "abcd");
	CHECK_INT(n, 2);
	CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	CHECK_INT(write(fds[1], "x", 1), 1);
	CHECK_INT(read(pipe_fds[0], text, 1), 1);
	close(fds[0]);
	close(fds[1]);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(pair[0]);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, fds, 2, &n, false), 0);
	CHECK_INT(host_sock_send(pair[1], out, 1, NULL, 0, false), -EPIPE);
	close(pair[1]);
}

static void surplus_descriptors_are_closed(void)
{
	int many[HOST_SOCK_FDS_MAX];
	char text[4];
	struct iovec out = { "ab", 2 };
	struct iovec in = { text, sizeof(text) };
	int fds[1] = { -7 };
	size_t n = 9;
	int pair[2];
	int before = count_fds();

	CHECK_INT(host_sock_pair_packet(pair), 0);
	for (size_t i = 0; i < HOST_SOCK_FDS_MAX; i++) {
		many[i] = pair[0];
	}
	CHECK_INT(host_sock_send(pair[0], &out, 1, many, HOST_SOCK_FDS_MAX, false), 0);
	CHECK_INT(host_sock_send(pair[0], &out, 1, many, 1, false), 0);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, fds, 1, &n, false), -EMSGSIZE);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, NULL, 0, NULL, false), -EMSGSIZE);
	CHECK_INT(n, 9);
	CHECK_INT(fds[0], -7);
	CHECK_INT(count_fds(), before + 2);
	close(pair[0]);
	close(pair[1]);
}

/* More than our own sender would pass: the kernel cuts them off at the control buffer. */
static void flood_of_descriptors_leaks_none(void)
{
	enum { N = 100 };
	char buf[CMSG_SPACE(N * sizeof(int))] = { 0 };
	char byte = 'x';
	char text[4];
	struct iovec iov = { &byte, 1 };
	struct iovec in = { text, sizeof(text) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf)
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fds[HOST_SOCK_FDS_MAX];
	int pair[2];
	int before = count_fds();

	CHECK_INT(host_sock_pair_packet(pair), 0);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(N * sizeof(int));
	for (size_t i = 0; i < N; i++) {
		memcpy(CMSG_DATA(h) + i * sizeof(int), &pair[0], sizeof(int));
	}
	CHECK_INT(sendmsg(pair[0], &m, 0), 1);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, fds, HOST_SOCK_FDS_MAX, NULL, false), -EMSGSIZE);
	CHECK_INT(count_fds(), before + 2);
	close(pair[0]);
	close(pair[1]);
}

static void cut_packet_is_refused_with_its_descriptors(void)
{
	char text[4] = { 0 };
	struct iovec out = { "abcde", 5 };
	struct iovec in = { text, sizeof(text) };
	int fds[1];
	size_t n = 9;
	int pair[2];
	int before = count_fds();

	CHECK_INT(host_sock_pair_packet(pair), 0);
	CHECK_INT(host_sock_send(pair[0], &out, 1, &pair[0], 1, false), 0);
	CHECK_INT(host_sock_recv(pair[1], &in, 1, fds, 1, &n, false), -EMSGSIZE);
	CHECK_INT(count_fds(), before + 2);
	CHECK_INT(host_sock_wait_readable(pair[1], 1), -ETIMEDOUT);
	close(pair[0]);
	close(pair[1]);
}

/* Bytes that are populated and private: pagemap.rst, bits 63 (present) and 61 (file). */
static uint64_t private_bytes(const uint8_t *at, uint64_t bytes)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	static uint64_t entry[4096];
	uint64_t total = 0;

	CHECK(fd >= 0);
	for (uint64_t done = 0; done < bytes; done += sizeof(entry) * 512) {
		off_t off = (off_t)(((uintptr_t)at + done) / 512);

		CHECK_INT(pread(fd, entry, sizeof(entry), off), sizeof(entry));
		for (size_t i = 0; i < ARRAY_SIZE(entry) && done + i * 4096 < bytes; i++) {
			total += (entry[i] & BIT(63)) && !(entry[i] & BIT(61)) ? 4096 : 0;
		}
	}
	close(fd);
	return total;
}

static void memory_is_lazy_and_file_views_are_private(void)
{
	const uint64_t size = 1ULL << 32;
	static uint8_t image[8192];
	uint8_t *a;
	uint8_t *b;
	int fd;

	memset(image, 0x5a, sizeof(image));
	fd = memfd_create("image", MFD_CLOEXEC);
	CHECK_INT(host_fd_write_full(fd, image, sizeof(image)), 0);
	CHECK_INT(host_map_ram(size, &a, NULL), 0);
	CHECK_INT(host_map_ram(size, &b, NULL), 0);
	CHECK_INT(private_bytes(a, size), 0);
	CHECK_INT(host_map_file(a + 4096, 8192, fd, 0, true, NULL), 0);
	CHECK_INT(host_map_file(b + 4096, 8192, fd, 0, false, NULL), 0);
	CHECK_INT(a[4096] + b[4096 + 8191], 2 * 0x5a);
	CHECK_INT(private_bytes(a, size), 0);
	a[4096] = 1;
	a[size - 1] = 2;
	CHECK_INT(b[4096], 0x5a);
	CHECK_INT(private_bytes(a, size), 8192);
	CHECK_INT(private_bytes(b, size), 0);
	host_map_free(a, size);
	host_map_free(b, size);
	host_map_free(NULL, 4096);
	close(fd);
}

static void shared_memory_is_joined_in_place(void)
{
	const uint64_t size = 2 * HOST_MAP_JOIN_BYTES;
	uint8_t *space = host_map_space(size);
	uint8_t *ram = NULL;
	uint8_t *part;
	int fd = -1;

	CHECK_INT(host_map_shared_ram(size, &ram, &fd, NULL), 0);
	CHECK_INT((uintptr_t)ram % HOST_MAP_JOIN_BYTES, 0);
	CHECK_INT((uintptr_t)space % HOST_MAP_JOIN_BYTES, 0);
	CHECK_INT(host_map_space_view(space, size, fd, 0, true, true, false), 0);
	part = ram + HOST_MAP_JOIN_BYTES;
	memset(part + 8192, 0x5a, 4096);
	host_map_shared_join(part);
	for (uint64_t k = 0; k < HOST_MAP_JOIN_BYTES; k++) {
		uint8_t want = k / 4096 == 2 ? 0x5a : 0;

		if (part[k] != want || space[HOST_MAP_JOIN_BYTES + k] != want) {
			CHECK_INT(part[k], want);
			break;
		}
	}
	space[HOST_MAP_JOIN_BYTES] = 1;
	CHECK_INT(part[0], 1);
	host_map_shared_join(part); /* once more is no harm */
	CHECK_INT(part[0], 1);
	CHECK_INT(host_map_shared_clear(ram, size, NULL), 0);
	CHECK_INT(part[0] + part[8192] + space[HOST_MAP_JOIN_BYTES], 0);
	host_map_free(space, size);
	host_map_free(ram, size);
	close(fd);
}

static void crooked_mappings_are_refused(void)
{
	uint8_t *p = NULL;
	struct errmsg e = { 0 };

	CHECK_INT(host_map_ram(0, &p, &e), -EINVAL);
	CHECK_INT(host_map_ram(4097, &p, &e), -EINVAL);
	CHECK_INT(host_map_ram(1ULL << 60, &p, &e), -ENOMEM);
	CHECK(p == NULL);
	CHECK_INT(host_map_ram(8192, &p, &e), 0);
	CHECK_INT(host_map_file(p + 1, 4096, 0, 0, false, &e), -EINVAL);
	CHECK_INT(host_map_file(p, 4096, 0, 1, false, &e), -EINVAL);
	CHECK_INT(host_map_file(p, 4096, 0, 1ULL << 63, false, &e), -EINVAL);
	p[0] = 1;
	host_map_free(p, 8192);
}

static bool dies_of(int signo, void (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct rlimit none = { 0 };

		setrlimit(RLIMIT_CORE, &none);
		signal(signo, SIG_DFL); /* sanitizers catch SIGSEGV */
		fn(arg);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

static void write_byte(void *p)
{
	*(volatile uint8_t *)p = 1;
}

static void read_only_view_traps_writes(void)
{
	uint8_t page[4096] = { 7 };
	uint8_t *p;
	int fd;

	fd = memfd_create("image", MFD_CLOEXEC);
	CHECK_INT(host_fd_write_full(fd, page, sizeof(page)), 0);
	CHECK_INT(host_map_ram(4096, &p, NULL), 0);
	CHECK(!dies_of(SIGSEGV, write_byte, p));
	CHECK_INT(host_map_file(p, 4096, fd, 0, false, NULL), 0);
	CHECK(dies_of(SIGSEGV, write_byte, p));
	CHECK_INT(host_map_file(p, 4096, fd, 0, true, NULL), 0);
	CHECK(!dies_of(SIGSEGV, write_byte, p));
	CHECK_INT(p[0], 7);
	host_map_free(p, 4096);
	close(fd);
}

/* The timer of a thread signals that thread, and goes on until it is disarmed. */
static void *timer_thread(void *arg)
{
	struct host_timer t = { 0 };
	ns_t start_ns = host_clock_monotonic_ns();
	sigset_t set;
	int signo;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_INT(host_timer_init(&t, SIGUSR2, NULL), 0);
	host_timer_arm(&t, 2 * NS_PER_MS, NS_PER_MS);
	for (int i = 0; i < 3; i++) {
		struct timespec limit = { .tv_sec = 30 };

		CHECK_INT(sigtimedwait(&set, NULL, &limit), SIGUSR2);
	}
	CHECK(host_clock_monotonic_ns() - start_ns >= 4 * NS_PER_MS);
	host_timer_disarm(&t);
	while (sigtimedwait(&set, NULL, &(struct timespec){ 0 }) == SIGUSR2) {
	}
	CHECK_INT(sigtimedwait(&set, NULL, &(struct timespec){ .tv_nsec = 5000000 }), -1);
	host_timer_arm(&t, 0, 0);
	CHECK_INT(sigwait(&set, &signo), 0);
	host_timer_done(&t);
	host_timer_done(&t);
	return arg;
}

static void timer_signals_its_own_thread(void)
{
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	CHECK_INT(pthread_create(&thread, NULL, timer_thread, NULL), 0);
	pthread_join(thread, NULL);
	CHECK_INT(sigtimedwait(&set, NULL, &(struct timespec){ 0 }), -1);
}

static void thread_cpu_clock_counts_work_only(void)
{
	ns_t cpu_ns = host_clock_thread_cpu_ns();
	ns_t wall_ns = host_clock_monotonic_ns();

	CHECK_INT(host_sock_wait_readable(-1, 30), -ETIMEDOUT);
	wall_ns = host_clock_monotonic_ns() - wall_ns;
	CHECK(wall_ns >= 30 * NS_PER_MS);
	CHECK(host_clock_thread_cpu_ns() - cpu_ns < wall_ns);
	cpu_ns = host_clock_thread_cpu_ns();
	while (host_clock_thread_cpu_ns() - cpu_ns < 5 * NS_PER_MS) {
	}
}

static void child_ends_are_seen_through_the_pidfd(void)
{
	int pidfd = -1;
	int status = 0;
	pid_t pid = host_proc_clone(0, &pidfd);

	if (pid == 0) {
		pause();
		_exit(1);
	}
	CHECK(pid > 0);
	CHECK_INT(host_proc_wait(pidfd, pid, 5, &status, NULL), -ETIMEDOUT);
	CHECK_INT(host_proc_kill(pidfd, SIGKILL), 0);
	CHECK_INT(host_proc_wait(pidfd, pid, 30000, &status, NULL), 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_INT(host_proc_wait(pidfd, pid, 5000, &status, NULL), -ECHILD);
	CHECK_INT(host_proc_kill(pidfd, SIGKILL), -ESRCH);
	close(pidfd);
}

static void stopped_process_is_waited_for(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (;;) {
			pause();
		}
	}
	CHECK_INT(host_process_await_stop(pid, 5), -ETIMEDOUT);
	kill(pid, SIGSTOP);
	CHECK_INT(host_process_await_stop(pid, 20000), 0);
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(host_process_await_stop(pid, 20000), -ESRCH);
}

static void limits_only_go_down(void)
{
	struct rlimit before;
	struct rlimit now;

	getrlimit(RLIMIT_MSGQUEUE, &before);
	CHECK_INT(host_priv_limit(RLIMIT_MSGQUEUE, 1000, NULL), 0);
	CHECK_INT(host_priv_limit(RLIMIT_MSGQUEUE, 2000, NULL), 0);
	getrlimit(RLIMIT_MSGQUEUE, &now);
	CHECK_INT(now.rlim_max, 1000);
	CHECK_INT(now.rlim_cur, 1000);
	CHECK_INT(host_priv_limit(9999, 1, NULL), -EINVAL);
}

static void lifted_descriptor_is_the_same_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	int high = fd;

	CHECK_INT(host_fd_lift(&high, 100), 0);
	CHECK(high >= 100);
	CHECK_INT(fcntl(fd, F_GETFD), -1);
	CHECK(fcntl(high, F_GETFD) & FD_CLOEXEC);
	close(high);
}

static const struct test_case cases[] = {
	{ "sealed file can't be changed", sealed_file_can_not_be_changed },
	{ "unsealed file is refused", unsealed_file_is_refused },
	{ "bad sources are named", bad_sources_are_named },
	{ "packet carries bytes and descriptors", packet_carries_bytes_and_descriptors },
	{ "surplus descriptors are closed", surplus_descriptors_are_closed },
	{ "flood of descriptors leaks none", flood_of_descriptors_leaks_none },
	{ "cut packet is refused with its descriptors",
	  cut_packet_is_refused_with_its_descriptors },
	{ "memory is lazy and file views are private", memory_is_lazy_and_file_views_are_private },
	{ "shared memory is joined in place", shared_memory_is_joined_in_place },
	{ "crooked mappings are refused", crooked_mappings_are_refused },
	{ "read-only view traps writes", read_only_view_traps_writes },
	{ "timer signals its own thread", timer_signals_its_own_thread },
	{ "thread CPU clock counts work only", thread_cpu_clock_counts_work_only },
	{ "child ends are seen through the pidfd", child_ends_are_seen_through_the_pidfd },
	{ "stopped process is waited for", stopped_process_is_waited_for },
	{ "limits only go down", limits_only_go_down },
	{ "lifted descriptor is the same file", lifted_descriptor_is_the_same_file },
};

int main(void)
{
	int r;

	temp_dir_make(dir, sizeof(dir));
	r = test_main(cases, ARRAY_SIZE(cases));
	temp_dir_remove(dir);
	return r;
}

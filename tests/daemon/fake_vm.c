/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stand-in itself; see fake_vm.h. Like pinfold-vm it has a control thread, which waits at a
 * socket, and a vCPU thread, which runs while the gate is open.
 * Usage: fake_vm LOG-FD LISTEN-FD
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fake_vm.h"
#include "host/sock.h"
#include "host/timer.h"
#include "vm/gate.h"

#define SLICE_NS (10 * NS_PER_MS)
#define BURST_NS NS_PER_MS
#define NAP_NS	 (2 * NS_PER_MS)
/* Longer than a slice of those around it; all together less than one may use without a grant. */
#define LINGER_NS    (15 * NS_PER_MS)
#define LINGERS	     3
#define LINGER_WORDS 128

static struct fake_log *fake;
static struct gate gate;
static struct host_timer timer;
static pthread_t vcpu_thread;
static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_call_pending, is_kicked;
static int notify_fd = -1;
static ns_t burst_end_ns; /* CPU time; 0: no burst now */
static bool is_burst_over;

static void on_kick(int signo)
{
	(void)signo;
	atomic_store(&is_kicked, true);
}

static uint32_t mode(void)
{
	return atomic_load_explicit(&fake->mode, memory_order_relaxed);
}

/* A unit of work; about 0.1 us. */
static void work(void)
{
	for (volatile int i = 0; i < 50; i++) {
	}
	atomic_store_explicit(&fake->work,
			      atomic_load_explicit(&fake->work, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void spin_until_kicked(void)
{
	while (!atomic_load_explicit(&is_kicked, memory_order_relaxed) || mode() == FAKE_HANG) {
		if (mode() == FAKE_LEAVE) {
			pthread_exit(NULL);
		}
		work();
	}
}

static void note_turn(ns_t start_ns, ns_t start_cpu_ns, uint64_t epoch)
{
	uint64_t n = atomic_load(&fake->n_turns);
	ns_t cpu_ns = host_clock_thread_cpu_ns() - start_cpu_ns;

	/* The end is noted last: what noting takes is not part of the hand-over. */
	fake->turn[n % FAKE_TURNS_MAX] = (struct fake_turn){ .start_ns = start_ns,
							     .stop_ns = host_clock_monotonic_ns(),
							     .cpu_ns = cpu_ns,
							     .epoch = epoch };
	atomic_store(&fake->n_turns, n + 1);
}

static bool is_burst_done(void)
{
	ns_t now_ns = host_clock_thread_cpu_ns();

	if (mode() != FAKE_BURSTS) {
		burst_end_ns = 0;
		return false;
	}
	if (burst_end_ns == 0) {
		burst_end_ns = now_ns + BURST_NS;
	}
	is_burst_over = now_ns >= burst_end_ns;
	return is_burst_over;
}

/* As one does that waits for a page, or for its monitor's lock. */
static void nap(void)
{
	const struct timespec ts = host_timespec(NAP_NS);

	nanosleep(&ts, NULL);
}

static void run_turn(ns_t left_ns)
{
	ns_t start_ns = host_clock_monotonic_ns();
	ns_t start_cpu_ns = host_clock_thread_cpu_ns();
	uint64_t epoch = gate.epoch;

	atomic_store(&fake->begun_ns, start_ns);
	do {
		if (is_burst_done()) {
			break;
		}
		if (mode() == FAKE_BURSTS && left_ns > BURST_NS) {
			left_ns = BURST_NS;
		}
		atomic_store(&is_kicked, false);
		if (mode() != FAKE_DEAF) { /* no timer: only somebody else's signal ends it */
			host_timer_arm(&timer, left_ns, 10 * NS_PER_MS); /* as a VM does */
		}
		spin_until_kicked();
	} while (!atomic_load(&is_call_pending) && gate_is_open(&gate, SLICE_NS, &left_ns));
	host_timer_disarm(&timer);
	if (mode() == FAKE_NAP) {
		nap();
	}
	note_turn(start_ns, start_cpu_ns, epoch);
}

static bool wants_to_run(void)
{
	return mode() != FAKE_BLOCKED && !(mode() == FAKE_BURSTS && is_burst_over);
}

/*
 * As a thread that has parked and is held up on its way into its sleep, by whatever interrupts its processor: the kernel says that it
 * sleeps, and it has not left the core. (It queues at one word after the other, and at the last finds that it need not sleep.)
 */
static void linger(void)
{
	static uint32_t word;
	static int n;
	ns_t until_ns = host_clock_monotonic_ns() + LINGER_NS;
	struct futex_waitv w[LINGER_WORDS];

	if (n++ >= LINGERS) {
		return;
	}
	for (int i = 0; i < LINGER_WORDS; i++) {
		w[i] = (struct futex_waitv){ .uaddr = (uintptr_t)&word, .flags = FUTEX_32 };
	}
	w[LINGER_WORDS - 1].val = 1;
	while (host_clock_monotonic_ns() < until_ns &&
	       atomic_load(&gate.grant->epoch) == gate.done_epoch) {
		syscall(SYS_futex_waitv, w, LINGER_WORDS, 0, NULL, 0);
	}
}

static void misbehave_after_park(void)
{
	if (mode() == FAKE_LINGER) {
		linger();
	}
	while (mode() == FAKE_FORGE || mode() == FAKE_ROGUE) {
		work();
	}
}

static void *vcpu_main(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, GRANT_THREAD_NAME);
	if (host_timer_init(&timer, GRANT_SIGNAL, NULL) < 0) {
		_exit(2);
	}
	for (;;) {
		uint32_t seen_wake = gate_wake_word(&gate);
		ns_t left_ns;

		pthread_mutex_lock(&run_lock);
		if (wants_to_run() && !atomic_load(&is_call_pending) &&
		    gate_is_open(&gate, SLICE_NS, &left_ns)) {
			run_turn(left_ns);
			if (!atomic_load(&is_call_pending)) {
				pthread_mutex_unlock(&run_lock);
				if (!is_burst_over) {
					continue;
				}
				pthread_mutex_lock(&run_lock);
			}
		}
		gate_park(&gate, wants_to_run());
		pthread_mutex_unlock(&run_lock);
		misbehave_after_park();
		gate_sleep(&gate, seen_wake, GRANT_NO_END);
	}
	return NULL;
}

static void take_run_lock(void)
{
	atomic_store(&is_call_pending, true);
	while (pthread_mutex_trylock(&run_lock) != 0) {
		struct timespec until = host_deadline(NS_PER_MS);

		pthread_kill(vcpu_thread, GRANT_SIGNAL);
		if (pthread_mutex_clocklock(&run_lock, CLOCK_MONOTONIC, &until) == 0) {
			return;
		}
	}
}

static void give_run_lock(void)
{
	atomic_store(&is_call_pending, false);
	gate_park(&gate, wants_to_run());
	pthread_mutex_unlock(&run_lock);
	gate_resume(&gate);
}

static int attach(const int fds[3])
{
	struct errmsg e = { "" };
	int old_fd = notify_fd;
	int r;

	take_run_lock();
	r = gate_attach(&gate, fds[0], fds[1], fds[2], &e);
	notify_fd = r == 0 ? fds[2] : old_fd;
	give_run_lock();
	close(fds[0]);
	close(fds[1]);
	if (old_fd >= 0) {
		close(old_fd);
	}
	atomic_fetch_add(&fake->n_attached, 1);
	return r;
}

/* Off to a core where it has no business. */
static void stray(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
}

static void set_mode(uint32_t to)
{
	uint32_t from = mode();

	if (to == FAKE_BLOCKED) { /* like an operation that pauses */
		take_run_lock();
		atomic_store(&fake->mode, to);
		give_run_lock();
		return;
	}
	atomic_store(&fake->mode, to);
	if (to == FAKE_STRAY) {
		stray();
	}
	if (to == FAKE_ROGUE) {
		gate_rouse(&gate);
	} else if (from == FAKE_BLOCKED) {
		gate_wake(&gate);
	}
}

static void wake(void)
{
	burst_end_ns = 0;
	is_burst_over = false;
	gate_wake(&gate);
}

static void make_noise(unsigned int *seed)
{
	const uint64_t one = 1;

	for (int i = 0; i < 1000; i++) {
		if (mode() == FAKE_NONSENSE) {
			atomic_store(&gate.ack->state, (uint32_t)rand_r(seed) % 6);
			atomic_store(&gate.ack->epoch, atomic_load(&gate.grant->epoch) +
							       (uint64_t)(rand_r(seed) % 2));
			atomic_fetch_add(&gate.ack->wake, (uint32_t)rand_r(seed));
		}
		if (write(notify_fd, &one, sizeof(one)) < 0) {
			return;
		}
	}
}

static bool fill(uint32_t mib)
{
	size_t bytes = (size_t)mib << 20;
	unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p != MAP_FAILED;
}

/* @return false when the controller is gone */
static bool serve(int fd)
{
	struct fake_packet p;
	struct iovec iov = { &p, sizeof(p) };
	unsigned int seed = 1;
	char reply = 'k';
	int fds[3];
	size_t n_fds = 0;

	while (mode() == FAKE_SPAM || mode() == FAKE_NONSENSE) {
		char c;

		if (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
			break;
		}
		make_noise(&seed);
	}
	if (host_sock_recv(fd, &iov, 1, fds, 3, &n_fds, false) != (ssize_t)sizeof(p)) {
		return false;
	}
	if (p.request == FAKE_ATTACH && n_fds == 3) {
		reply = attach(fds) == 0 ? 'k' : 'e';
	} else if (p.request == FAKE_SET_MODE) {
		set_mode(p.arg);
	} else if (p.request == FAKE_WAKE) {
		wake();
	} else if (p.request == FAKE_FILL) {
		reply = fill(p.arg) ? 'k' : 'e';
	}
	return write(fd, &reply, 1) == 1;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_kick };
	int listen_fd;

	if (argc != 3) {
		fprintf(stderr, "usage: fake_vm LOG-FD LISTEN-FD\n");
		return 1;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1) { /* too late: it is gone already */
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	listen_fd = atoi(argv[2]);
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	if (fake == MAP_FAILED) {
		return 1;
	}
	sigaction(GRANT_SIGNAL, &sa, NULL);
	gate_init(&gate);
	if (pthread_create(&vcpu_thread, NULL, vcpu_main, NULL) != 0) {
		return 1;
	}
	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);

		while (fd >= 0 && serve(fd)) {
		}
		close(fd);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands where pinfoldd looks for pinfold-vm. A VM whose name begins with "h-" becomes what the rest
 * of its name says: a VM process that its guest has taken over. Every other one becomes the real
 * program, "real-vm" beside this one.
 *
 * It speaks the protocol and keeps to the gate like a VM until it misbehaves. It is not jailed by
 * seccomp, so it can do more than a real one could.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/sock.h"
#include "host/timer.h"
#include "proto/proto.h"
#include "vm/gate.h"

#define SLICE_NS (10 * NS_PER_MS)

static struct gate gate;
static struct host_timer timer;
static pthread_t vcpu;
static const char *mode; /* behind "h-" */
static int console_fd = -1, notify_fd = -1;
static sem_t is_attached, is_named;
static _Atomic int has_started, is_kicked;

static bool is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void on_kick(int signo)
{
	(void)signo;
	atomic_store(&is_kicked, 1);
}

/* -- the vCPU thread */

static void scribble(void)
{
	const uint64_t one = 1;
	unsigned int seed = (unsigned int)atomic_load(&gate.ack->wake);

	for (int i = 0; i < 64; i++) {
		atomic_store(&gate.ack->state, (uint32_t)rand_r(&seed) % 6);
		atomic_store(&gate.ack->epoch,
			     atomic_load(&gate.grant->epoch) + (uint64_t)(rand_r(&seed) % 3) - 1);
		atomic_fetch_add(&gate.ack->wake, (uint32_t)rand_r(&seed));
		if (write(notify_fd, &one, sizeof(one)) < 0) {
			return;
		}
	}
}

static void spin_until_kicked(void)
{
	while (!atomic_load(&is_kicked) || is("deaf")) {
		if (is("scribble")) {
			scribble();
		}
	}
}

static void run_turn(ns_t left_ns)
{
	cpu_set_t all;

	if (is("stray")) {
		memset(&all, 0xff, sizeof(all));
		sched_setaffinity(0, sizeof(all), &all);
	}
	do {
		atomic_store(&is_kicked, 0);
		host_timer_arm(&timer, left_ns, NS_PER_MS);
		spin_until_kicked();
	} while (gate_is_open(&gate, SLICE_NS, &left_ns));
	host_timer_disarm(&timer);
}

static void *vcpu_main(void *arg)
{
	unsigned int turns = 0;

	(void)arg;
	prctl(PR_SET_NAME, GRANT_THREAD_NAME);
	sem_post(&is_named);
	while (sem_wait(&is_attached) < 0) {
	}
	host_timer_init(&timer, GRANT_SIGNAL, NULL);
	for (;;) {
		uint32_t seen = gate_wake_word(&gate);
		ns_t left_ns;

		if (atomic_load(&has_started) && gate_is_open(&gate, SLICE_NS, &left_ns)) {
			run_turn(left_ns);
			turns++;
		}
		gate_park(&gate, atomic_load(&has_started));
		while (is("forge") && turns > 2) {
		}
		if (is("rogue") && turns > 0) {
			ns_t until_ns;

			/* Parked and asleep: believed. Then it runs all the same. */
			usleep(2000);
			until_ns = host_clock_monotonic_ns() + 5 * NS_PER_MS;
			while (host_clock_monotonic_ns() < until_ns) {
			}
			continue;
		}
		gate_sleep(&gate, seen, GRANT_NO_END);
	}
	return NULL;
}

/* -- the control thread */

static void send_message(enum proto_type type, uint32_t seq, const void *body, size_t bytes)
{
	struct proto_hdr hdr;
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { (void *)(uintptr_t)body, bytes } };

	proto_hdr_init(&hdr, type, seq, bytes);
	host_sock_send(PROTO_FD, iov, 2, NULL, 0, false);
}

static void send_ready(void)
{
	struct proto_ready ready = { .arch = PROTO_ARCH_RV64,
				     .engine = "unicorn",
				     .arch_name = "riscv64",
				     .gdb_arch = "riscv:rv64",
				     .reason = "hostile",
				     .ram_base_gpa = 0x80000000,
				     .ram_bytes = 4 << 20,
				     .n_regs = 1 };

	send_message(PROTO_READY, 0, &ready, sizeof(ready));
}

static void reply(uint32_t seq)
{
	struct proto_reply r = { .result = 0 };

	send_message(PROTO_REPLY, seq, &r, sizeof(r));
}

static void reply_attached(uint32_t seq)
{
	const struct {
		struct proto_reply reply;
		struct proto_attached attached;
	} r = { .reply.payload_bytes = sizeof(r.attached) };

	send_message(PROTO_REPLY, seq, &r, sizeof(r));
}

static void *flood_socket(void *arg)
{
	struct proto_stopped s = { .reason = PROTO_STOP_PAUSED, .state = PROTO_VM_PAUSED };

	(void)arg;
	for (;;) {
		send_message(PROTO_EVENT_STOPPED, 0, &s, sizeof(s));
	}
	return NULL;
}

static void *flood_output(void *arg)
{
	static const char text[] = "\033[2Jhostile \xff\xfe\n\n\n";

	(void)arg;
	for (;;) {
		if (send(console_fd, text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
		    write(STDERR_FILENO, text, sizeof(text)) < 0 && errno == EPIPE) {
			return NULL;
		}
	}
	return NULL;
}

static void fork_all(void)
{
	for (int i = 0; i < 4096; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (;;) {
				pause();
			}
		}
		if (pid < 0) {
			return;
		}
	}
}

static void nonsense(void)
{
	static uint8_t bytes[512];

	for (int i = 0; i < 20; i++) {
		memset(bytes, i, sizeof(bytes));
		send(PROTO_FD, bytes, sizeof(bytes) - (size_t)i, MSG_NOSIGNAL);
	}
}

/* What begins when it is told to start. */
static void misbehave(void)
{
	pthread_t thread;

	if (is("socket")) {
		pthread_create(&thread, NULL, flood_socket, NULL);
	} else if (is("console")) {
		pthread_create(&thread, NULL, flood_output, NULL);
	} else if (is("fork")) {
		fork_all();
	} else if (is("nonsense")) {
		nonsense();
	}
}

static void attach(struct proto_msg *m)
{
	if (m->n_fds == PROTO_ATTACH_COUNT) {
		console_fd = m->fds[PROTO_ATTACH_CONSOLE];
		notify_fd = m->fds[PROTO_ATTACH_NOTIFY];
		gate_attach(&gate, m->fds[PROTO_ATTACH_GRANT], m->fds[PROTO_ATTACH_ACK], notify_fd,
			    NULL);
		sem_post(&is_attached);
	}
}

static bool receive(struct proto_msg *m)
{
	struct iovec iov[2] = { { &m->hdr, sizeof(m->hdr) }, { m->body, sizeof(m->body) } };
	size_t n_fds = 0;
	ssize_t n = host_sock_recv(PROTO_FD, iov, 2, m->fds, PROTO_FD_COUNT, &n_fds, false);

	m->n_fds = (uint32_t)n_fds;
	return n > 0;
}

static void serve(void)
{
	static struct proto_msg m;

	while (receive(&m)) {
		switch (m.hdr.type) {
		case PROTO_ATTACH:
			attach(&m);
			reply_attached(m.hdr.seq);
			break;
		default:
			if (!is("stubborn") && !is("dumb")) {
				reply(m.hdr.seq);
			}
		}
	}
}

/* A descriptor that came with the configuration. */
static int gift(const struct proto_msg *m, uint32_t bit)
{
	const struct proto_config *cfg = (const void *)m->body;

	return cfg->fds & bit ? m->fds[__builtin_popcount(cfg->fds & (bit - 1))] : -1;
}

/* In charge of a scheduler, and started: what the configuration asks for. */
static void begin(const struct proto_msg *m)
{
	console_fd = gift(m, PROTO_FD_CONSOLE);
	notify_fd = gift(m, PROTO_FD_NOTIFY);
	gate_attach(&gate, gift(m, PROTO_FD_GRANT), gift(m, PROTO_FD_ACK), notify_fd, NULL);
	atomic_store(&has_started, 1);
	sem_post(&is_attached);
	send_ready();
	misbehave();
	gate_wake(&gate);
}

static void become_real(void)
{
	char path[4096];
	char *const args[] = { "pinfold-vm", NULL };
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, "real-vm");
		execv(path, args);
	}
	_exit(126);
}

int main(void)
{
	static struct proto_msg m;
	static char name[PROTO_NAME];
	struct sigaction sa = { .sa_handler = on_kick };
	const struct proto_config *cfg = (const void *)m.body;
	struct iovec iov[2] = { { &m.hdr, sizeof(m.hdr) }, { m.body, sizeof(m.body) } };
	struct msghdr peek = { .msg_iov = iov, .msg_iovlen = 2 };

	if (recvmsg(PROTO_FD, &peek, MSG_PEEK) <= 0) {
		return 1;
	}
	if (strncmp(cfg->name, "h-", 2) != 0) {
		become_real();
	}
	if (!receive(&m)) {
		return 1;
	}
	memcpy(name, cfg->name, sizeof(name) - 1);
	mode = name + 2;
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigaction(GRANT_SIGNAL, &sa, NULL);
	gate_init(&gate);
	while (is("mute")) {
		pause();
	}
	sem_init(&is_attached, 0, 0);
	sem_init(&is_named, 0, 0);
	pthread_create(&vcpu, NULL, vcpu_main, NULL);
	while (sem_wait(&is_named) < 0) {
	}
	begin(&m);
	serve();
	for (;;) {
		pause();
	}
}

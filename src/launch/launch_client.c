/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The controller's end of a VM's socket. The VM process is taken to be hostile: every packet is
 * checked whole, every wait has an end, and text is stripped of what a terminal would act on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/fd.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/timer.h"
#include "launch/launch_internal.h"

/* Saving and loading a context moves all guest RAM to or from a disk. */
#define CONTEXT_FACTOR 30
/* The socket of a dying process closes a little before the process is dead. */
#define DEATH_MS 1000
/* Packets that one call of launch_vm_event() looks at. */
#define EVENT_PACKETS_MAX 64

/* The character, not ASCII, at the start of a string. @return its bytes; 0 if it is not UTF-8 */
static size_t decode_utf8(const char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*s;
	size_t n = 0;

	if (c >= 0xc0 && c < 0xf8) {
		n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	}
	*ret = n ? c & (0x7fu >> n) : 0;
	for (size_t i = 1; i < n; i++) {
		c = (unsigned char)s[i];
		if ((c & 0xc0) != 0x80) {
			return 0; /* the end of the string, too */
		}
		*ret = *ret << 6 | (c & 0x3f);
	}
	return *ret >= least[n] ? n : 0;
}

/* What a terminal acts on instead of showing it: C0, DEL, C1; and characters that change the order
 * in which others are shown, or end a line. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void strip_controls(char *s)
{
	while (*s) {
		uint32_t c = (unsigned char)*s;
		size_t n = c < 0x80 ? 1 : decode_utf8(s, &c);

		if (n == 0 || is_control(c)) {
			n = n ? n : 1;
			memset(s, '?', n);
		}
		s += n;
	}
}

static void strip_ready(struct proto_ready *ready)
{
	strip_controls(ready->engine);
	strip_controls(ready->arch_name);
	strip_controls(ready->gdb_arch);
	strip_controls(ready->reason);
	strip_controls(ready->note);
}

static void strip_stopped(struct proto_stopped *stopped)
{
	strip_controls(stopped->text);
	strip_controls(stopped->fault.kind);
}

static void strip_message(struct proto_msg *m)
{
	struct proto_failed *failed = (void *)m->body;
	struct proto_reply *reply = (void *)m->body;

	switch (m->hdr.type) {
	case PROTO_READY:
		strip_ready((void *)m->body);
		break;
	case PROTO_FAILED:
		strip_controls(failed->text);
		break;
	case PROTO_REPLY:
		strip_controls(reply->text);
		break;
	case PROTO_EVENT_STOPPED:
		strip_stopped((void *)m->body);
		break;
	case PROTO_EVENT_DEVICE:
		strip_controls(((struct proto_device *)m->body)->text);
		break;
	default:
		break;
	}
}

/* The first line that the VM process wrote to stderr. */
static void read_last_words(const struct launch_vm *vm, char *buf, size_t size)
{
	ssize_t n = read(vm->stderr_fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	strip_controls(buf);
}

void launch_describe_end(bool has_exited, int code, char *buf, size_t size)
{
	const char *what = has_exited ? NULL : sigdescr_np(code);

	if (has_exited) {
		snprintf(buf, size, "the VM process ended with status %d", code);
	} else if (code == SIGSYS) {
		snprintf(buf, size,
			 "the VM process was killed for a system call that its jail forbids");
	} else {
		snprintf(buf, size, "the VM process was killed by signal %d (%s)", code,
			 what ? what : "a real-time signal");
	}
}

static void describe_death(const struct launch_vm *vm, char *buf, size_t size)
{
	siginfo_t si = { 0 };

	if (host_sock_wait_readable(vm->pidfd, DEATH_MS) < 0 ||
	    waitid(P_PIDFD, (id_t)vm->pidfd, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    si.si_pid == 0) {
		snprintf(buf, size, "the VM process closed its socket");
	} else {
		launch_describe_end(si.si_code == CLD_EXITED, si.si_status, buf, size);
	}
}

int launch_gone(struct launch_vm *vm, struct errmsg *e)
{
	char words[256];
	char death[128];

	describe_death(vm, death, sizeof(death));
	read_last_words(vm, words, sizeof(words));
	return errmsg_set(e, -EPIPE, "%s%s%s", death, words[0] ? ": " : "", words);
}

static int receive(struct launch_vm *vm, struct proto_msg *m, struct errmsg *e)
{
	struct iovec iov[2] = { { &m->hdr, sizeof(m->hdr) }, { m->body, sizeof(m->body) } };
	ssize_t n;
	int r;

	m->n_fds = 0;
	n = host_sock_recv(vm->socket_fd, iov, 2, NULL, 0, NULL, true);
	if (n == -EAGAIN) {
		return 0;
	}
	if (n == 0) {
		return launch_gone(vm, e);
	}
	if (n == -EMSGSIZE) {
		return errmsg_set(e, -EPROTO,
				  "the VM process sent a message that is too long or carries "
				  "descriptors");
	}
	if (n < 0) {
		return errmsg_set(e, (int)n, "the VM's socket: %s", strerror((int)-n));
	}
	r = proto_check(m, (size_t)n, e);
	if (r < 0) {
		errmsg_prefix(e, "the VM process: ");
		return r;
	}
	strip_message(m);
	return 1;
}

/* A packet that is not the awaited reply: an event is kept, a late reply is dropped. */
static int take_other(struct launch_vm *vm, const struct proto_msg *m, struct errmsg *e)
{
	if (m->hdr.type == PROTO_EVENT_STOPPED) {
		memcpy(&vm->event, m->body, sizeof(vm->event));
		vm->has_event = true;
		return 0;
	}
	if (m->hdr.type == PROTO_EVENT_RESET) {
		vm->resets = ((const struct proto_reset *)m->body)->resets;
		return 0;
	}
	if (m->hdr.type == PROTO_EVENT_DEVICE) {
		memcpy(vm->device_note, m->body, sizeof(vm->device_note));
		return 0;
	}
	if (m->hdr.type == PROTO_REPLY && m->hdr.seq - 1 < vm->seq) {
		return 0; /* to a request that was given up */
	}
	return errmsg_set(e, -EPROTO, "the VM process sent message type %u unasked", m->hdr.type);
}

static ns_t reply_end_ns(uint64_t wait_ms)
{
	return host_clock_monotonic_ns() + wait_ms * NS_PER_MS;
}

/* Wait for the VM, or for who gives it up. @return 0; -ECANCELED; negative errno */
static int check_cancel(struct launch_vm *vm, uint64_t timeout_ms, struct errmsg *e)
{
	struct pollfd p[2] = {
		{ .fd = vm->socket_fd, .events = POLLIN },
		{ .fd = vm->cancel_fd > 0 ? vm->cancel_fd : -1, .events = POLLIN },
	};

	if (poll(p, ARRAY_SIZE(p), timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX) < 0) {
		BUG_ON(errno != EINTR);
		return 0;
	}
	return p[1].revents
		       ? errmsg_set(e, -ECANCELED, "the VM process was given up before it answered")
		       : 0;
}

static int wait_packet(struct launch_vm *vm, ns_t end_ns, struct proto_msg *m, struct errmsg *e)
{
	for (;;) {
		ns_t now_ns = host_clock_monotonic_ns();
		int r = now_ns < end_ns ? receive(vm, m, e) : -ETIMEDOUT;

		if (r == 0) {
			uint64_t left_ms = (end_ns - now_ns) / NS_PER_MS + 1;

			r = check_cancel(vm, left_ms, e);
			if (r == 0) {
				continue;
			}
		}
		if (r == -ETIMEDOUT) {
			errmsg_set(e, r, "the VM process does not answer");
		}
		return r;
	}
}

static int take_reply(const struct proto_msg *m, void *reply, size_t reply_max, size_t *ret_bytes,
		      struct errmsg *e)
{
	const struct proto_reply *r = (const void *)m->body;
	const void *payload;
	size_t bytes;

	if (r->result < 0) {
		return errmsg_set(e, r->result, "%s", r->text[0] ? r->text : strerror(-r->result));
	}
	payload = proto_reply_payload(m, &bytes);
	if (bytes > reply_max) {
		return errmsg_set(e, -EPROTO,
				  "the VM process sent a reply of %zu bytes, more than "
				  "the %zu that were asked for",
				  bytes, reply_max);
	}
	if (bytes) {
		memcpy(reply, payload, bytes);
	}
	if (ret_bytes) {
		*ret_bytes = bytes;
	}
	return 0;
}

static int send_request(struct launch_vm *vm, enum proto_type type, const void *body, size_t bytes,
			const int *fds, size_t n_fds, struct errmsg *e)
{
	struct proto_hdr hdr;
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { 0 } };
	union {
		const void *in;
		void *out;
	} u = { .in = body };
	int r;

	proto_hdr_init(&hdr, type, ++vm->seq, bytes);
	iov[1] = (struct iovec){ u.out, bytes };
	r = host_sock_send(vm->socket_fd, iov, bytes ? 2 : 1, fds, n_fds, true);
	if (r == -EAGAIN) {
		return errmsg_set(e, -ETIMEDOUT, "the VM process does not take requests");
	}
	if (r == -EPIPE) {
		return launch_gone(vm, e);
	}
	if (r < 0) {
		return errmsg_set(e, r, "the VM's socket: %s", strerror(-r));
	}
	return 0;
}

/* Like launch_vm_request(), with any number of descriptors. */
static int request(struct launch_vm *vm, enum proto_type type, const struct iovec *body,
		   const int *fds, size_t n_fds, const struct iovec *reply, size_t *ret_bytes,
		   struct errmsg *e)
{
	bool is_long =
		type == PROTO_SAVE_CONTEXT || type == PROTO_SAVE_CODE || type == PROTO_LOAD_CONTEXT;
	ns_t end_ns = reply_end_ns((uint64_t)vm->reply_ms * (is_long ? CONTEXT_FACTOR : 1));
	struct proto_msg m;
	int r;

	BUG_ON(reply->iov_len && !reply->iov_base);
	r = send_request(vm, type, body->iov_base, body->iov_len, fds, n_fds, e);
	if (r < 0) {
		return r;
	}
	for (;;) {
		r = wait_packet(vm, end_ns, &m, e);
		if (r < 0) {
			return r;
		}
		if (m.hdr.type == PROTO_REPLY && m.hdr.seq == vm->seq) {
			return take_reply(&m, reply->iov_base, reply->iov_len, ret_bytes, e);
		}
		r = take_other(vm, &m, e);
		/* A flood of other packets must not keep us from looking. */
		r = r < 0 ? r : check_cancel(vm, 0, e);
		if (r < 0) {
			return r;
		}
	}
}

int launch_vm_request(struct launch_vm *vm, enum proto_type type, const void *body, size_t bytes,
		      int fd, void *reply, size_t reply_max, size_t *ret_bytes, struct errmsg *e)
{
	struct iovec in = { (void *)(uintptr_t)body, bytes };
	struct iovec out = { reply, reply_max };

	return request(vm, type, &in, &fd, fd >= 0, &out, ret_bytes, e);
}

int launch_vm_attach(struct launch_vm *vm, int grant_fd, int ack_fd, int notify_fd,
		     struct errmsg *e)
{
	int fds[PROTO_ATTACH_COUNT];
	struct proto_attached attached = { 0 };
	struct iovec reply = { &attached, sizeof(attached) };
	struct iovec none = { 0 };
	size_t n = 0;
	int pair[2];
	int r;

	r = host_sock_pair_stream(pair);
	if (r == 0) {
		r = host_fd_set_nonblock(pair[0]);
	}
	if (r < 0) {
		return errmsg_set(e, r, "can't make a console: %s", strerror(-r));
	}
	fds[PROTO_ATTACH_CONSOLE] = pair[1];
	fds[PROTO_ATTACH_GRANT] = grant_fd;
	fds[PROTO_ATTACH_ACK] = ack_fd;
	fds[PROTO_ATTACH_NOTIFY] = notify_fd;
	r = request(vm, PROTO_ATTACH, &none, fds, PROTO_ATTACH_COUNT, &reply, &n, e);
	close(pair[1]);
	if (r == 0 && n != sizeof(attached)) {
		r = errmsg_set(e, -EPROTO, "the VM process tells in nonsense what it printed");
	}
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	if (vm->console_fd > 0) {
		close(vm->console_fd);
	}
	vm->console_fd = pair[0];
	vm->console_from = attached.console_from;
	return 0;
}

static int connect_to(const char *path, uint32_t timeout_ms, struct errmsg *e)
{
	struct timeval timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		return errmsg_set(e, -ENAMETOOLONG, "the socket's path is too long: %s", path);
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	/* One that never accepts has a full queue some day; connecting would wait for ever. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = errmsg_set(e, -errno, "no VM answers at %s: %s", path, strerror(errno));

		if (fd >= 0) {
			close(fd);
		}
		return r;
	}
	return fd;
}

int launch_vm_reconnect(pid_t pid, const char *socket_path, uint32_t reply_ms, int cancel_fd,
			struct launch_vm *ret, struct errmsg *e)
{
	struct launch_vm vm = { .pid = pid,
				.is_stranger = true,
				.reply_ms = reply_ms,
				.cancel_fd = cancel_fd,
				.console_fd = -1,
				.trace_fd = -1,
				.stderr_fd = -1,
				.image_fd = -1,
				.socket_fd = -1 };
	size_t n = 0;
	int r;

	/* Before the socket: what answers there must be a process that was alive just now. */
	vm.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (vm.pidfd < 0) {
		return errmsg_set(e, -errno, "VM process %d: %s", pid, strerror(errno));
	}
	r = connect_to(socket_path, reply_ms, e);
	if (r >= 0) {
		vm.socket_fd = r;
		r = launch_vm_request(&vm, PROTO_GET_READY, NULL, 0, -1, &vm.ready,
				      sizeof(vm.ready), &n, e);
	}
	if (r == 0 && (n != sizeof(vm.ready) || !proto_ready_is_sane(&vm.ready))) {
		r = errmsg_set(e, -EPROTO, "the VM process describes itself in nonsense");
	}
	if (r < 0) {
		vm.pid = 0; /* not ours to kill: it may be another process by now */
		launch_vm_done(&vm);
		return r;
	}
	strip_ready(&vm.ready);
	*ret = vm;
	return 0;
}

int launch_vm_last_stop(struct launch_vm *vm, struct proto_stopped *ret, struct errmsg *e)
{
	struct proto_stopped stop;
	size_t n = 0;
	int r;

	r = launch_vm_request(vm, PROTO_GET_LAST_STOP, NULL, 0, -1, &stop, sizeof(stop), &n, e);
	if (r == 0 && (n != sizeof(stop) || !proto_stopped_is_sane(&stop))) {
		r = errmsg_set(e, -EPROTO, "the VM process describes its last stop in nonsense");
	}
	if (r == 0) {
		strip_stopped(&stop);
		*ret = stop;
	}
	return r;
}

int launch_vm_event(struct launch_vm *vm, struct proto_stopped *ret, struct errmsg *e)
{
	struct proto_msg m;

	/* Bounded: a VM that floods us with late replies does not keep us here. */
	for (int i = 0; i < EVENT_PACKETS_MAX && !vm->has_event; i++) {
		int r = receive(vm, &m, e);

		if (r > 0) {
			r = take_other(vm, &m, e);
		} else if (r == 0) {
			break;
		}
		if (r < 0) {
			return r;
		}
	}
	if (!vm->has_event) {
		return 0;
	}
	vm->has_event = false;
	*ret = vm->event;
	return 1;
}

void launch_vm_force_stop(struct launch_vm *vm)
{
	if (vm->pid <= 0) {
		return;
	}
	host_proc_kill(vm->pidfd, SIGKILL);
	host_sock_wait_readable(vm->pidfd, -1);
}

int launch_vm_wait(struct launch_vm *vm, int *ret_status, struct rusage *ret_usage)
{
	siginfo_t si;
	int r;

	if (vm->pid <= 0) {
		return -ECHILD;
	}
	if (vm->is_stranger) {
		/* Init reaps it, unless this is the process that made it after all; all that can
		 * be known is that it is gone. */
		r = host_sock_wait_readable(vm->pidfd, -1);
		*ret_status = r == 0 ? 0 : *ret_status;
		waitid(P_PIDFD, (id_t)vm->pidfd, &si, WEXITED | WNOHANG);
	} else {
		r = host_proc_wait(vm->pidfd, vm->pid, -1, ret_status, ret_usage);
	}
	if (r == 0) {
		vm->pid = 0;
	}
	return r;
}

int launch_wait_first(struct launch_vm *vm, struct proto_msg *m, struct errmsg *e)
{
	return wait_packet(vm, reply_end_ns(vm->reply_ms), m, e);
}

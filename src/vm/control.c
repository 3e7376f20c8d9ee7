/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control thread. One loop over a few descriptors: the controller's socket, the console, an eventfd
 * by which the vCPU thread says that it stands or has printed something, the network, the devices' timer. Console output
 * always leaves before the event that reports the stop, so the controller sees it in order. What is
 * printed while there is no controller stays in the console (vm/console.h) for the next one.
 */
#include "vm/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/sock.h"

/* A controller knows these numbers from proto.h alone. */
_Static_assert((int)PROTO_ARCH_X86 == (int)CPU_ARCH_X86 &&
		       (int)PROTO_ARCH_X64 == (int)CPU_ARCH_X64 &&
		       (int)PROTO_ARCH_ARM == (int)CPU_ARCH_ARM &&
		       (int)PROTO_ARCH_A64 == (int)CPU_ARCH_A64 &&
		       (int)PROTO_ARCH_RV64 == (int)CPU_ARCH_RV64,
	       "architectures differ");
_Static_assert((int)PROTO_REG_GPR == (int)CPU_REG_GPR &&
		       (int)PROTO_REG_FLAGS == (int)CPU_REG_FLAGS &&
		       (int)PROTO_REG_SEG == (int)CPU_REG_SEG &&
		       (int)PROTO_REG_FP == (int)CPU_REG_FP &&
		       (int)PROTO_REG_VEC == (int)CPU_REG_VEC &&
		       (int)PROTO_REG_SYS == (int)CPU_REG_SYS,
	       "register classes differ");
_Static_assert(PROTO_CAP_STORED_CODE == ENGINE_CAP_STORED_CODE, "capabilities differ");
_Static_assert((int)PROTO_ACCESS_R == (int)MEM_R && (int)PROTO_ACCESS_W == (int)MEM_W &&
		       (int)PROTO_ACCESS_X == (int)MEM_X,
	       "kinds of access differ");

int control_init(struct control *c, int socket_fd, int console_fd, int listen_fd, struct errmsg *e)
{
	memset(c, 0, sizeof(*c));
	c->socket_fd = socket_fd;
	c->console_fd = console_fd;
	c->listen_fd = listen_fd;
	c->notify_fd = -1;
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0) {
		return errmsg_set(e, -errno, "no eventfd: %s", strerror(errno));
	}
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

static void wake(struct control *c)
{
	const uint64_t one = 1;

	if (write(c->wake_fd, &one, sizeof(one)) < 0) {
		BUG_ON(errno != EAGAIN); /* EAGAIN: it is awake already */
	}
}

static void on_stop(void *opaque, const struct proto_stopped *s)
{
	struct control *c = opaque;

	pthread_mutex_lock(&c->lock);
	/* A VM stops at most twice between two requests (paused, then ended). */
	BUG_ON(c->n_events == CONTROL_EVENTS_MAX);
	c->events[c->n_events++] = *s;
	pthread_mutex_unlock(&c->lock);
	wake(c);
}

static void on_output(void *opaque)
{
	wake(opaque);
}

struct vm_callbacks control_callbacks(struct control *c)
{
	return (struct vm_callbacks){ c, on_stop, on_output };
}

int control_send(int socket_fd, enum proto_type type, uint32_t seq, const void *body, size_t bytes,
		 const void *more, size_t more_bytes)
{
	struct proto_hdr hdr;
	struct iovec iov[3] = {
		{ &hdr, sizeof(hdr) },
		{ (void *)(uintptr_t)body, bytes },
		{ (void *)(uintptr_t)more, more_bytes },
	};

	proto_hdr_init(&hdr, type, seq, bytes + more_bytes);
	return host_sock_send(socket_fd, iov, 3, NULL, 0, false);
}

/*
 * The controller is gone. Without a way back that is the end; with one, the guest's grant runs out,
 * its vCPU parks, and we wait for the next controller.
 */
static void lose_controller(struct control *c)
{
	if (c->listen_fd < 0) {
		c->is_quitting = true;
		return;
	}
	close(c->socket_fd);
	c->socket_fd = -1;
}

static void set_reader(struct control *c, bool has_reader)
{
	c->has_reader = has_reader;
	c->n_pending = 0;
	vm_console_set_reader(c->vm, has_reader);
}

/* Send console output; false when the socket is full. */
static bool flush_console(struct control *c)
{
	while (c->has_reader) {
		ssize_t n;

		if (c->n_pending == 0) {
			c->pending_at = 0;
			c->n_pending = vm_console_take(c->vm, c->pending, sizeof(c->pending));
		}
		if (c->n_pending == 0) {
			return true;
		}
		n = send(c->console_fd, c->pending + c->pending_at, c->n_pending,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return false;
		}
		if (n < 0) {
			set_reader(c, false);
			break;
		}
		c->pending_at += (size_t)n;
		c->n_pending -= (size_t)n;
	}
	return true;
}

static void reply(struct control *c, uint32_t seq, int result, const struct errmsg *e,
		  const void *payload, size_t bytes)
{
	struct proto_reply rep = { .result = result, .payload_bytes = (uint32_t)bytes };

	flush_console(c); /* what was printed comes before what tells of its end */
	if (result < 0) {
		snprintf(rep.text, sizeof(rep.text), "%s", e->text);
	}
	if (control_send(c->socket_fd, PROTO_REPLY, seq, &rep, sizeof(rep), payload, bytes) < 0) {
		lose_controller(c);
	}
}

static void send_events(struct control *c)
{
	for (;;) {
		struct proto_stopped s;

		pthread_mutex_lock(&c->lock);
		if (c->n_events == 0) {
			pthread_mutex_unlock(&c->lock);
			return;
		}
		s = c->events[0];
		c->n_events--;
		memmove(c->events, c->events + 1, c->n_events * sizeof(c->events[0]));
		pthread_mutex_unlock(&c->lock);
		vm_disks_settle(c->vm); /* who hears of an end may end this process */
		if (control_send(c->socket_fd, PROTO_EVENT_STOPPED, c->event_seq++, &s, sizeof(s),
				 NULL, 0) < 0) {
			lose_controller(c);
			return;
		}
	}
}

static void tell_resets(struct control *c, uint32_t resets)
{
	struct proto_reset body = { .resets = resets };

	if (c->socket_fd < 0 || c->resets_told == resets) {
		return;
	}
	c->resets_told = resets;
	if (control_send(c->socket_fd, PROTO_EVENT_RESET, c->event_seq++, &body, sizeof(body), NULL,
			 0) < 0) {
		lose_controller(c);
	}
}

static void tell_device(struct control *c)
{
	struct proto_device body;

	if (c->socket_fd >= 0 && vm_device_note_take(c->vm, &body) &&
	    control_send(c->socket_fd, PROTO_EVENT_DEVICE, c->event_seq++, &body, sizeof(body),
			 NULL, 0) < 0) {
		lose_controller(c);
	}
}

static bool has_events(struct control *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->n_events > 0;
	pthread_mutex_unlock(&c->lock);
	return has;
}

static void take_input(struct control *c)
{
	uint8_t buf[512];
	ssize_t n;

	/* Peek first: the queue may take less than there is. */
	n = recv(c->console_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK);
	if (n > 0) {
		size_t taken = vm_console_give(c->vm, buf, (size_t)n);

		if (recv(c->console_fd, buf, taken, MSG_DONTWAIT) < 0) {
			c->is_input_over = true;
		}
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->is_input_over = true;
	}
	/* Where another controller may come, the guest's input isn't over. */
	if (c->is_input_over && c->listen_fd < 0) {
		vm_console_eof(c->vm);
	}
}

static void send_reg_desc(struct control *c, uint32_t seq)
{
	const struct cpu_arch *arch = vm_arch(c->vm);
	struct proto_reg_desc *d = calloc(arch->n_regs, sizeof(*d));
	struct errmsg e = { 0 };

	if (!d) {
		reply(c, seq, errmsg_set(&e, -ENOMEM, "out of memory"), &e, NULL, 0);
		return;
	}
	for (size_t i = 0; i < arch->n_regs; i++) {
		const struct cpu_reg *r = &arch->regs[i];

		snprintf(d[i].name, sizeof(d[i].name), "%s", r->name);
		snprintf(d[i].alias, sizeof(d[i].alias), "%s", r->alias ? r->alias : "");
		snprintf(d[i].gdb_feature, sizeof(d[i].gdb_feature), "%s",
			 r->gdb_feature ? r->gdb_feature : "");
		snprintf(d[i].gdb_name, sizeof(d[i].gdb_name), "%s",
			 r->gdb_name ? r->gdb_name : r->name);
		snprintf(d[i].gdb_type, sizeof(d[i].gdb_type), "%s",
			 r->gdb_type ? r->gdb_type : "int");
		d[i].bytes = r->bytes;
		d[i].cls = r->cls;
	}
	reply(c, seq, 0, &e, d, arch->n_regs * sizeof(*d));
	free(d);
}

static void serve_read_mem(struct control *c, const struct proto_msg *m)
{
	static uint8_t buf[PROTO_MEM_MAX]; /* only this thread serves */
	struct proto_mem where;
	struct errmsg e = { 0 };
	int r;

	memcpy(&where, m->body, sizeof(where));
	r = vm_read_mem(c->vm, &where, buf, &e);
	reply(c, m->hdr.seq, r < 0 ? r : 0, &e, buf, r < 0 ? 0 : (size_t)r);
}

static void serve_write_mem(struct control *c, const struct proto_msg *m)
{
	struct proto_mem where;
	struct errmsg e = { 0 };
	int r;

	memcpy(&where, m->body, sizeof(where));
	r = vm_write_mem(c->vm, &where, m->body + sizeof(where), &e);
	if (r >= 0 && (uint32_t)r < where.bytes) {
		r = errmsg_set(&e, -EFAULT, "only %d of %u bytes are in memory", r, where.bytes);
	}
	reply(c, m->hdr.seq, r < 0 ? r : 0, &e, NULL, 0);
}

static void serve_get_regs(struct control *c, uint32_t seq)
{
	uint8_t buf[CPU_STATE_BYTES_MAX];
	struct errmsg e = { 0 };
	int r;

	r = vm_get_regs(c->vm, buf, sizeof(buf), &e);
	reply(c, seq, r < 0 ? r : 0, &e, buf, r < 0 ? 0 : (size_t)r);
}

static int serve_file(struct control *c, const struct proto_msg *m, struct errmsg *e)
{
	if (m->n_fds != 1) {
		return errmsg_set(e, -EINVAL, "exactly one descriptor must come with this request");
	}
	switch (m->hdr.type) {
	case PROTO_SAVE_CONTEXT:
		return vm_save_context(c->vm, m->fds[0], e);
	case PROTO_SAVE_CODE:
		return vm_save_code(c->vm, m->fds[0], e);
	default:
		return vm_load_context(c->vm, m->fds[0], e);
	}
}

/*
 * Take the descriptors of an ATTACH request over: console and scheduler are new from here on. What an
 * earlier console was given may have been lost with its controller, so all that is kept is sent again.
 */
static int attach(struct control *c, struct proto_msg *m, struct proto_attached *ret,
		  struct errmsg *e)
{
	int r;

	if (m->n_fds != PROTO_ATTACH_COUNT) {
		return errmsg_set(e, -EINVAL, "four descriptors must come with this request");
	}
	r = vm_attach_scheduler(c->vm, m->fds[PROTO_ATTACH_GRANT], m->fds[PROTO_ATTACH_ACK],
				m->fds[PROTO_ATTACH_NOTIFY], e);
	if (r < 0) {
		return r;
	}
	if (c->console_fd >= 0) {
		close(c->console_fd);
	}
	if (c->notify_fd >= 0) {
		close(c->notify_fd);
	}
	c->console_fd = m->fds[PROTO_ATTACH_CONSOLE];
	c->notify_fd = m->fds[PROTO_ATTACH_NOTIFY];
	c->is_input_over = false;
	m->fds[PROTO_ATTACH_CONSOLE] = -1;
	m->fds[PROTO_ATTACH_NOTIFY] = -1;
	set_reader(c, true);
	ret->console_from = vm_console_rewind(c->vm);
	return 0;
}

static void serve_attach(struct control *c, struct proto_msg *m)
{
	struct proto_attached attached = { 0 };
	struct errmsg e = { 0 };
	int r = attach(c, m, &attached, &e);

	reply(c, m->hdr.seq, r, &e, &attached, r < 0 ? 0 : sizeof(attached));
}

/* Requests whose reply is only a result. */
static int serve_plain(struct control *c, struct proto_msg *m, struct errmsg *e)
{
	switch (m->hdr.type) {
	case PROTO_START:
		return vm_start(c->vm, e);
	case PROTO_PAUSE:
		return vm_pause(c->vm, e);
	case PROTO_RESUME:
		return vm_resume(c->vm, e);
	case PROTO_POWER_PRESS:
		return vm_power_press(c->vm, e);
	case PROTO_STOP:
		return vm_stop(c->vm, e);
	case PROTO_STEP:
		return vm_run_instructions(c->vm, ((const struct proto_step *)m->body)->insns, e);
	case PROTO_SLICE:
		return vm_run_one_slice(c->vm, e);
	case PROTO_SET_REG:
		return vm_set_reg(c->vm, (const struct proto_set_reg *)m->body, e);
	case PROTO_SET_LIMIT:
		return vm_set_limits(c->vm, (const struct proto_limits *)m->body, e);
	case PROTO_SET_POINT:
		return vm_set_point(c->vm, (const struct proto_point *)m->body, e);
	case PROTO_SAVE_CONTEXT:
	case PROTO_SAVE_CODE:
	case PROTO_LOAD_CONTEXT:
		return serve_file(c, m, e);
	case PROTO_QUIT:
		c->is_quitting = true;
		return 0;
	default:
		return errmsg_set(e, -EOPNOTSUPP, "a VM process does not serve message type %u",
				  m->hdr.type);
	}
}

static void serve(struct control *c, struct proto_msg *m)
{
	struct proto_status status = { 0 };
	struct proto_stopped stopped = { 0 };
	struct proto_usage usage = { 0 };
	struct errmsg e = { 0 };
	int r;

	switch (m->hdr.type) {
	case PROTO_GET_STATE:
		status.state = vm_state(c->vm);
		reply(c, m->hdr.seq, 0, &e, &status, sizeof(status));
		break;
	case PROTO_GET_USAGE:
		r = vm_get_usage(c->vm, &usage, &e);
		reply(c, m->hdr.seq, r, &e, &usage, r < 0 ? 0 : sizeof(usage));
		break;
	case PROTO_GET_LAST_STOP:
		r = vm_get_last_stop(c->vm, &stopped, &e);
		reply(c, m->hdr.seq, r, &e, &stopped, r < 0 ? 0 : sizeof(stopped));
		break;
	case PROTO_GET_READY:
		reply(c, m->hdr.seq, 0, &e, &c->ready, sizeof(c->ready));
		break;
	case PROTO_GET_REG_DESC:
		send_reg_desc(c, m->hdr.seq);
		break;
	case PROTO_GET_REGS:
		serve_get_regs(c, m->hdr.seq);
		break;
	case PROTO_ATTACH:
		serve_attach(c, m);
		break;
	case PROTO_READ_MEM:
		serve_read_mem(c, m);
		break;
	case PROTO_WRITE_MEM:
		serve_write_mem(c, m);
		break;
	default:
		r = serve_plain(c, m, &e);
		reply(c, m->hdr.seq, r, &e, NULL, 0);
		break;
	}
}

/* The daemon's run directory lets nobody but the daemon connect. */
static void take_controller(struct control *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		c->socket_fd = fd;
		c->resets_told = 0;
	}
}

/* One packet from the controller; a bad one or the end of the line loses it. */
static void take_request(struct control *c)
{
	static struct proto_msg m; /* 64 KiB; only this thread serves */
	struct iovec iov[2] = { { &m.hdr, sizeof(m.hdr) }, { m.body, sizeof(m.body) } };
	struct errmsg e = { 0 };
	size_t n_fds = 0;
	ssize_t n;

	n = host_sock_recv(c->socket_fd, iov, 2, m.fds, PROTO_FD_COUNT, &n_fds, true);
	if (n == -EAGAIN) {
		return;
	}
	m.n_fds = (uint32_t)n_fds;
	if (n <= 0 || proto_check(&m, (size_t)n, &e) < 0) {
		lose_controller(c);
	} else {
		serve(c, &m);
	}
	for (size_t i = 0; i < n_fds; i++) {
		if (m.fds[i] >= 0) {
			close(m.fds[i]);
		}
	}
}

static void drain_wake(struct control *c)
{
	uint64_t count;

	if (read(c->wake_fd, &count, sizeof(count)) < 0) {
		BUG_ON(errno != EAGAIN && errno != EINTR);
	}
}

/* Wait for any of the descriptors and serve what there is. */
static void wait_and_serve(struct control *c, bool is_flushed)
{
	bool wants_input = c->console_fd >= 0 && !c->is_input_over && vm_console_has_room(c->vm);
	short console_events = (short)((is_flushed ? 0 : POLLOUT) | (wants_input ? POLLIN : 0));
	struct pollfd fds[5] = {
		{ .fd = c->socket_fd >= 0 ? c->socket_fd : c->listen_fd, .events = POLLIN },
		{ .fd = c->wake_fd, .events = POLLIN },
		{ .fd = console_events ? c->console_fd : -1, .events = console_events },
		{ .fd = vm_net_wants(c->vm), .events = POLLIN },
		{ .fd = vm_devices_fd(c->vm), .events = POLLIN },
	};

	if (poll(fds, 5, -1) < 0) {
		BUG_ON(errno != EINTR);
		return;
	}
	if (fds[1].revents) {
		drain_wake(c);
	}
	if (fds[3].revents) {
		vm_net_arrived(c->vm);
	}
	vm_devices_serve(c->vm, fds[4].revents);
	tell_resets(c, vm_resets_serve(c->vm));
	if (fds[2].revents & (POLLIN | POLLHUP) && wants_input) {
		take_input(c);
	}
	if (fds[0].revents && c->socket_fd < 0) {
		take_controller(c);
	} else if (fds[0].revents) {
		take_request(c);
	}
}

int control_loop(struct control *c)
{
	set_reader(c, c->console_fd >= 0);
	while (!c->is_quitting) {
		bool is_flushed = flush_console(c);

		tell_device(c);
		if (!is_flushed || c->socket_fd < 0 || !has_events(c)) {
			wait_and_serve(c, is_flushed);
		} else if (flush_console(c)) {
			/* Flushed again: what was printed before the stop may have come in between. */
			send_events(c);
		}
	}
	flush_console(c);
	return 0;
}

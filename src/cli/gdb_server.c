/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One GDB client and one VM; see gdb_server.h.
 *
 * Packets are served one at a time and only while the vCPU stands; what arrives while the guest
 * runs is held back, except for the interrupt. The next packet is looked at when the reply to the
 * last one has left, so a client that does not read can't make us keep anything.
 */
#include "cli/gdb_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/gdb_session.h"
#include "cli/gdb_xml.h"

/* ---- The connection ---- */

static void forget_client(struct gdb_server *s)
{
	if (s->client_fd >= 0) {
		close(s->client_fd);
	}
	s->client_fd = -1;
	s->is_no_ack = false;
	s->features = (struct gdb_stop_features){ 0 };
	s->owes_stop = false;
	s->was_interrupted = false;
	s->is_leaving = false;
	s->is_held = false;
	s->n_points = 0;
	s->parser = (struct gdb_parser){ 0 };
	s->in_at = s->in_len = 0;
	s->out_at = s->out_len = 0;
	s->last_packet_len = 0;
}

/* The client went away without a word: the guest waits for the next one. */
static void lose_client(struct gdb_server *s)
{
	gdb_points_clear(s);
	gdb_interrupt(s);
	forget_client(s);
	if (!s->has_ended && !s->is_killed) {
		fprintf(stderr, "gdb: the client is gone without detaching; the guest stands until "
				"another one connects\n");
	}
}

/* Send what can be sent. @return true when nothing is left */
static bool flush(struct gdb_server *s)
{
	while (s->out_at < s->out_len) {
		ssize_t n = send(s->client_fd, s->out + s->out_at, s->out_len - s->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno == EAGAIN) {
			return false;
		}
		if (n < 0) {
			lose_client(s);
			return false;
		}
		s->out_at += (size_t)n;
	}
	s->out_at = s->out_len = 0;
	return true;
}

static void on_packet(struct gdb_server *s)
{
	if (!s->is_no_ack) {
		gdb_put_bytes(s, "+", 1);
	}
	gdb_command_parse(s->parser.payload, s->parser.len, &s->cmd);
	if (gdb_is_running(s)) {
		s->is_held = true;
		return;
	}
	gdb_serve(s);
}

static void on_event(struct gdb_server *s, enum gdb_event event)
{
	switch (event) {
	case GDB_EVENT_PACKET:
		on_packet(s);
		break;
	case GDB_EVENT_INTERRUPT:
		s->was_interrupted = gdb_is_running(s);
		gdb_interrupt(s);
		break;
	case GDB_EVENT_NAK:
		gdb_put_bytes(s, s->last_packet, s->last_packet_len);
		break;
	case GDB_EVENT_BROKEN:
		gdb_put_bytes(s, "-", 1);
		break;
	default:
		break;
	}
}

/* Serve what has arrived, as far as the client takes the answers. */
static void advance(struct gdb_server *s)
{
	while (s->client_fd >= 0 && flush(s)) {
		enum gdb_event event;

		if (s->is_leaving) {
			forget_client(s);
		} else if (s->is_held && !gdb_is_running(s)) {
			s->is_held = false;
			gdb_serve(s);
		} else if (s->is_held || s->in_at == s->in_len) {
			return;
		} else {
			s->in_at += gdb_parser_feed(&s->parser, s->in + s->in_at,
						    s->in_len - s->in_at, &event);
			on_event(s, event);
		}
	}
}

static void take_input(struct gdb_server *s)
{
	ssize_t n;

	if (s->in_at < s->in_len) {
		return; /* not all of it served yet */
	}
	n = recv(s->client_fd, s->in, sizeof(s->in), MSG_DONTWAIT);
	if (n > 0) {
		s->in_at = 0;
		s->in_len = (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		lose_client(s);
	}
}

static void take_client(struct gdb_server *s)
{
	_cleanup_close_ int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	const int on = 1;

	if (fd < 0) {
		return; /* it has changed its mind */
	}
	if (s->client_fd >= 0 || s->is_killed) {
		fprintf(stderr, "gdb: a second client was refused\n");
		return;
	}
	if (!s->place.path[0]) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	s->client_fd = steal_fd(&fd);
	gdb_interrupt(s);
}

/* ---- The outside ---- */

int gdb_server_check(const char *where, struct errmsg *e)
{
	struct gdb_place place;

	return gdb_place_parse(where, &place, e);
}

static int describe(struct gdb_server *s, struct errmsg *e)
{
	bool is_16bit = s->vm->ready.flags & PROTO_CFG_16BIT;
	const char *arch = is_16bit ? "i8086" : s->vm->ready.gdb_arch;
	size_t bytes = 0;
	int r;

	r = regs_describe(s->vm, &s->regs, e);
	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < s->regs.n; i++) {
		bytes += s->regs.reg[i].desc.bytes;
	}
	if (bytes > GDB_PACKET_MAX / 2) {
		return errmsg_set(e, -EPROTO, "%zu bytes of registers are too many for gdb", bytes);
	}
	return gdb_xml_make(arch, &s->regs, &s->xml, &s->xml_len, e);
}

static int listen_there(struct gdb_server *s, const char *where, struct errmsg *e)
{
	char at[128], target[128];
	int r;

	r = gdb_place_parse(where, &s->place, e);
	if (r == 0) {
		r = gdb_listen(&s->place, &s->listen_fd, e);
	}
	if (r < 0) {
		return r;
	}
	gdb_place_describe(&s->place, at, target);
	fprintf(stderr, "gdb: waiting on %s; connect with: gdb-multiarch -ex 'target remote %s'\n",
		at, target);
	return 0;
}

int gdb_server_new(struct launch_vm *vm, const char *name, const char *where,
		   struct gdb_server **ret, struct errmsg *e)
{
	struct gdb_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	s->vm = vm;
	s->listen_fd = -1;
	s->client_fd = -1;
	snprintf(s->name, sizeof(s->name), "%s", name);
	r = gdb_get_state(s, e);
	if (r == 0) {
		r = describe(s, e);
	}
	if (r == 0) {
		r = listen_there(s, where, e);
	}
	if (r < 0) {
		gdb_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void gdb_server_free(struct gdb_server *s)
{
	if (!s) {
		return;
	}
	forget_client(s);
	gdb_listen_done(&s->place, s->listen_fd);
	free(s->xml);
	free(s);
}

size_t gdb_server_pollfds(const struct gdb_server *s, struct pollfd fds[GDB_SERVER_FDS])
{
	short events = POLLRDHUP;

	fds[0] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
	if (s->client_fd < 0) {
		return 1;
	}
	if (s->out_at < s->out_len) {
		events |= POLLOUT;
	} else if (!s->is_held) {
		events |= POLLIN;
	}
	fds[1] = (struct pollfd){ .fd = s->client_fd, .events = events };
	return 2;
}

int gdb_server_handle(struct gdb_server *s, const struct pollfd *fds, size_t n, struct errmsg *e)
{
	bool is_same = n > 1 && fds[1].fd == s->client_fd;

	if (is_same && fds[1].revents & (POLLIN | POLLHUP | POLLERR | POLLRDHUP)) {
		/* Held back: all that can matter now is that the client has gone. */
		if (s->is_held && fds[1].revents & (POLLHUP | POLLERR | POLLRDHUP)) {
			lose_client(s);
		} else if (!s->is_held) {
			take_input(s);
		}
	}
	advance(s);
	if (n > 0 && fds[0].revents & POLLIN) {
		take_client(s);
	}
	if (s->broken) {
		return errmsg_set(e, s->broken, "%s", s->broken_why.text);
	}
	return 0;
}

void gdb_server_on_stop(struct gdb_server *s, const struct proto_stopped *stop)
{
	s->last = *stop;
	s->has_stopped = true;
	s->state = (enum proto_vm_state)stop->state;
	s->are_regs_fresh = false;
	s->has_ended |= gdb_stop_is_end(stop);
	if (s->client_fd >= 0 && s->owes_stop) {
		gdb_reply_stop(s);
	}
	advance(s);
}

bool gdb_server_is_over(const struct gdb_server *s)
{
	return s->is_killed ||
	       (s->has_ended && (s->client_fd < 0 || s->last.reason == PROTO_STOP_REQUESTED));
}

bool gdb_server_is_killed(const struct gdb_server *s)
{
	return s->is_killed;
}

const struct proto_stopped *gdb_server_last_stop(const struct gdb_server *s)
{
	return s->has_ended ? &s->last : NULL;
}

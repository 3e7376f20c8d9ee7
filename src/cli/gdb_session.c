/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client's packets need: requests to the VM, replies; see gdb_session.h. */
#include "cli/gdb_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"

/* A refusal of the VM is the client's to see; a VM that is gone ends everything. */
int gdb_ask(struct gdb_server *s, enum proto_type type, const void *body, size_t bytes, void *reply,
	    size_t reply_max, size_t *ret_bytes, struct errmsg *e)
{
	int r;

	if (s->broken) {
		return s->broken;
	}
	r = launch_vm_request(s->vm, type, body, bytes, -1, reply, reply_max, ret_bytes, e);
	if (r == -EPIPE || r == -EPROTO || r == -ETIMEDOUT) {
		s->broken = r;
		s->broken_why = *e;
	}
	return r;
}

int gdb_tell(struct gdb_server *s, enum proto_type type, const void *body, size_t bytes)
{
	struct errmsg e = { 0 };

	return gdb_ask(s, type, body, bytes, NULL, 0, NULL, &e);
}

int gdb_get_state(struct gdb_server *s, struct errmsg *e)
{
	struct proto_status status;
	size_t bytes = 0;
	int r;

	r = gdb_ask(s, PROTO_GET_STATE, NULL, 0, &status, sizeof(status), &bytes, e);
	if (r < 0) {
		return r;
	}
	if (bytes != sizeof(status) || status.state >= PROTO_VM_STATE_COUNT) {
		return errmsg_set(e, -EPROTO, "the VM process does not know its state");
	}
	s->state = (enum proto_vm_state)status.state;
	return 0;
}

bool gdb_is_running(const struct gdb_server *s)
{
	return s->state == PROTO_VM_RUNNING;
}

/* Let the guest go on, or for one instruction. */
int gdb_let_go(struct gdb_server *s, bool is_step)
{
	const struct proto_step one = { .insns = 1 };
	int r;

	if (is_step) {
		r = gdb_tell(s, PROTO_STEP, &one, sizeof(one));
	} else {
		r = gdb_tell(s, s->state == PROTO_VM_READY ? PROTO_START : PROTO_RESUME, NULL, 0);
	}
	if (r == 0) {
		s->state = PROTO_VM_RUNNING;
		s->are_regs_fresh = false;
	}
	return r;
}

/* Refused when the guest has just stopped by itself: then that event is under way. */
void gdb_interrupt(struct gdb_server *s)
{
	if (gdb_is_running(s)) {
		gdb_tell(s, PROTO_PAUSE, NULL, 0);
	}
}

int gdb_refresh_regs(struct gdb_server *s)
{
	struct errmsg e = { 0 };
	int r;

	if (s->are_regs_fresh) {
		return 0;
	}
	r = s->broken ? s->broken : regs_read(s->vm, &s->regs, &e);
	if (r == -EPIPE || r == -EPROTO || r == -ETIMEDOUT) {
		s->broken = r;
		s->broken_why = e;
	}
	s->are_regs_fresh = r == 0;
	return r;
}

void gdb_put_bytes(struct gdb_server *s, const void *bytes, size_t n)
{
	/* Room for the answer to one packet is there: none is taken before all output has left. */
	BUG_ON(n > sizeof(s->out) - s->out_len);
	memcpy(s->out + s->out_len, bytes, n);
	s->out_len += n;
}

void gdb_reply(struct gdb_server *s, const void *payload, size_t n)
{
	BUG_ON(n > GDB_PACKET_MAX);
	s->last_packet_len = gdb_packet_encode(s->last_packet, payload, n);
	gdb_put_bytes(s, s->last_packet, s->last_packet_len);
}

void gdb_reply_text(struct gdb_server *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	BUG_ON(n < 0 || (size_t)n >= sizeof(text));
	gdb_reply(s, text, (size_t)n);
}

/* The errno as the client may see it. */
void gdb_reply_error(struct gdb_server *s, int err)
{
	gdb_reply_text(s, "E%02x", (unsigned int)-err & 0xff);
}

void gdb_reply_result(struct gdb_server *s, int r)
{
	if (r < 0) {
		gdb_reply_error(s, r);
	} else {
		gdb_reply_text(s, "OK");
	}
}

void gdb_reply_stop(struct gdb_server *s)
{
	char text[GDB_STOP_TEXT];
	enum gdb_point hit = GDB_POINT_BREAK;

	for (size_t i = 0; i < s->n_points; i++) {
		if (s->points[i].addr == s->last.pc && s->points[i].type <= GDB_POINT_HW_BREAK) {
			hit = s->points[i].type;
		}
	}
	/* A run that has ended by itself is no process any more. */
	s->is_leaving = gdb_stop_format(&s->last, hit, s->was_interrupted, &s->features, text);
	gdb_reply_text(s, "%s", text);
	s->owes_stop = false;
	s->was_interrupted = false;
}

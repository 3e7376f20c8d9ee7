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
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "cli/gdb_command.h"
#include "cli/gdb_listen.h"
#include "cli/gdb_monitor.h"
#include "cli/gdb_packet.h"
#include "cli/gdb_stop.h"
#include "cli/gdb_xml.h"
#include "cli/regs.h"

#define POINTS_MAX 128
/* The widest watchpoint that a message to the VM may ask for. */
#define WATCH_BYTES_MAX 4096
/* Memory in one reply: two digits per byte. */
#define MEM_MAX (GDB_PACKET_MAX / 2)
/* Answers to one packet, encoded, with acknowledgements. */
#define OUT_BYTES     (4 * GDB_PACKET_MAX)
#define MONITOR_CHUNK 4096

/* A breakpoint or watchpoint as the client set it. */
struct point {
	enum gdb_point type;
	uint32_t bytes;
	uint64_t addr;
};

struct gdb_server {
	struct launch_vm *vm;
	char name[PROTO_NAME];
	struct gdb_place place;
	int listen_fd;
	enum proto_vm_state state;
	bool has_ended;	  /* last says how */
	bool has_stopped; /* last is valid */
	bool is_killed;	  /* by the client */
	struct proto_stopped last;
	int broken; /* the VM does not answer: negative errno */
	struct errmsg broken_why;

	struct regs regs;
	bool are_regs_fresh;
	char *xml;
	size_t xml_len;

	/* The client; -1 if there is none. What follows is for one connection. */
	int client_fd;
	bool is_no_ack;
	struct gdb_stop_features features;
	bool owes_stop;	      /* the client waits for a stop reply */
	bool was_interrupted; /* by the client */
	bool is_leaving;      /* close when all output is gone */
	bool is_held;	      /* cmd waits for the guest to stand */
	struct point points[POINTS_MAX];
	size_t n_points;
	struct gdb_parser parser;
	struct gdb_command cmd;
	uint8_t in[4096];
	size_t in_at, in_len;
	uint8_t out[OUT_BYTES];
	size_t out_at, out_len;
	uint8_t last_packet[GDB_PACKET_ENCODED(GDB_PACKET_MAX)]; /* to be sent again */
	size_t last_packet_len;
};

/* ---- The VM ---- */

/* A refusal of the VM is the client's to see; a VM that is gone ends everything. */
static int ask(struct gdb_server *s, enum proto_type type, const void *body, size_t bytes,
	       void *reply, size_t reply_max, size_t *ret_bytes, struct errmsg *e)
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

static int tell(struct gdb_server *s, enum proto_type type, const void *body, size_t bytes)
{
	struct errmsg e = { 0 };

	return ask(s, type, body, bytes, NULL, 0, NULL, &e);
}

static int get_state(struct gdb_server *s, struct errmsg *e)
{
	struct proto_status status;
	size_t bytes = 0;
	int r;

	r = ask(s, PROTO_GET_STATE, NULL, 0, &status, sizeof(status), &bytes, e);
	if (r < 0) {
		return r;
	}
	if (bytes != sizeof(status) || status.state >= PROTO_VM_STATE_COUNT) {
		return errmsg_set(e, -EPROTO, "the VM process does not know its state");
	}
	s->state = (enum proto_vm_state)status.state;
	return 0;
}

static bool is_running(const struct gdb_server *s)
{
	return s->state == PROTO_VM_RUNNING;
}

/* Let the guest go on, or for one instruction. */
static int let_go(struct gdb_server *s, bool is_step)
{
	const struct proto_step one = { .insns = 1 };
	int r;

	if (is_step) {
		r = tell(s, PROTO_STEP, &one, sizeof(one));
	} else {
		r = tell(s, s->state == PROTO_VM_READY ? PROTO_START : PROTO_RESUME, NULL, 0);
	}
	if (r == 0) {
		s->state = PROTO_VM_RUNNING;
		s->are_regs_fresh = false;
	}
	return r;
}

/* Refused when the guest has just stopped by itself: then that event is under way. */
static void interrupt(struct gdb_server *s)
{
	if (is_running(s)) {
		tell(s, PROTO_PAUSE, NULL, 0);
	}
}

static int refresh_regs(struct gdb_server *s)
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

/* ---- Output ---- */

static void put_bytes(struct gdb_server *s, const void *bytes, size_t n)
{
	/* Room for the answer to one packet is there: none is taken before all output has left. */
	BUG_ON(n > sizeof(s->out) - s->out_len);
	memcpy(s->out + s->out_len, bytes, n);
	s->out_len += n;
}

static void reply(struct gdb_server *s, const void *payload, size_t n)
{
	BUG_ON(n > GDB_PACKET_MAX);
	s->last_packet_len = gdb_packet_encode(s->last_packet, payload, n);
	put_bytes(s, s->last_packet, s->last_packet_len);
}

__attribute__((format(printf, 2, 3))) static void reply_text(struct gdb_server *s, const char *fmt,
							     ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	BUG_ON(n < 0 || (size_t)n >= sizeof(text));
	reply(s, text, (size_t)n);
}

/* The errno as the client may see it. */
static void reply_error(struct gdb_server *s, int err)
{
	reply_text(s, "E%02x", (unsigned int)-err & 0xff);
}

static void reply_result(struct gdb_server *s, int r)
{
	if (r < 0) {
		reply_error(s, r);
	} else {
		reply_text(s, "OK");
	}
}

static void reply_stop(struct gdb_server *s)
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
	reply_text(s, "%s", text);
	s->owes_stop = false;
	s->was_interrupted = false;
}

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

/* ---- Points ---- */

static enum proto_point_kind point_kind(enum gdb_point type)
{
	switch (type) {
	case GDB_POINT_WATCH_WRITE:
		return PROTO_POINT_WATCH_WRITE;
	case GDB_POINT_WATCH_READ:
		return PROTO_POINT_WATCH_READ;
	case GDB_POINT_WATCH_ACCESS:
		return PROTO_POINT_WATCH_ACCESS;
	default:
		return PROTO_POINT_BREAK;
	}
}

/* What the VM is told; two of the client's points may be the same to it. */
static struct proto_point point_of(const struct point *p)
{
	struct proto_point to = { .kind = point_kind(p->type), .gva = p->addr };

	to.bytes = to.kind == PROTO_POINT_BREAK ? 0 : p->bytes;
	return to;
}

static bool has_same_in_vm(const struct gdb_server *s, const struct proto_point *p)
{
	for (size_t i = 0; i < s->n_points; i++) {
		struct proto_point q = point_of(&s->points[i]);

		if (q.kind == p->kind && q.gva == p->gva && q.bytes == p->bytes) {
			return true;
		}
	}
	return false;
}

static struct point *point_find(struct gdb_server *s, const struct point *p)
{
	for (size_t i = 0; i < s->n_points; i++) {
		struct point *q = &s->points[i];

		if (q->type == p->type && q->addr == p->addr && q->bytes == p->bytes) {
			return q;
		}
	}
	return NULL;
}

/* As often as the client likes: it may repeat a packet. */
static int point_add(struct gdb_server *s, const struct point *p)
{
	struct proto_point to = point_of(p);
	struct errmsg e = { 0 };
	int r;

	if (point_find(s, p)) {
		return 0;
	}
	if (s->n_points == POINTS_MAX) {
		return -ENOSPC;
	}
	if (to.bytes > WATCH_BYTES_MAX) {
		return -EINVAL;
	}
	if (!has_same_in_vm(s, &to)) {
		to.is_add = 1;
		r = ask(s, PROTO_SET_POINT, &to, sizeof(to), NULL, 0, NULL, &e);
		if (r < 0) {
			fprintf(stderr, "gdb: no point at 0x%" PRIx64 ": %s\n", p->addr, e.text);
			return r;
		}
	}
	s->points[s->n_points++] = *p;
	return 0;
}

static int point_remove(struct gdb_server *s, const struct point *p)
{
	struct proto_point to = point_of(p);
	struct point *found = point_find(s, p);

	if (!found) {
		return 0;
	}
	*found = s->points[--s->n_points];
	return has_same_in_vm(s, &to) ? 0 : tell(s, PROTO_SET_POINT, &to, sizeof(to));
}

static void points_clear(struct gdb_server *s)
{
	while (s->n_points > 0) {
		struct point p = s->points[0];

		point_remove(s, &p);
	}
}

/* ---- Registers ---- */

/* The client counts only the registers that have a feature. */
static struct reg *reg_by_number(struct gdb_server *s, uint32_t number)
{
	for (size_t i = 0; i < s->regs.n; i++) {
		if (s->regs.reg[i].desc.gdb_feature[0] && number-- == 0) {
			return &s->regs.reg[i];
		}
	}
	return NULL;
}

/* Between the VM's little-endian bytes and the target's order; its own inverse. */
static void reg_turn(const struct gdb_server *s, const uint8_t *from, uint8_t *to, size_t n)
{
	bool is_big = s->vm->ready.flags & PROTO_CFG_BIG_ENDIAN;

	for (size_t i = 0; i < n; i++) {
		to[i] = from[is_big ? n - 1 - i : i];
	}
}

static void reg_encode(const struct gdb_server *s, const struct reg *reg, char *to)
{
	uint8_t turned[REGS_VALUE_BYTES];

	reg_turn(s, reg->value, turned, reg->desc.bytes);
	gdb_hex_encode(to, turned, reg->desc.bytes);
}

static int reg_write(struct gdb_server *s, struct reg *reg, const uint8_t *bytes)
{
	struct proto_set_reg set = { .bytes = reg->desc.bytes };
	int r;

	set.idx = (uint32_t)(reg - s->regs.reg);
	reg_turn(s, bytes, set.value, set.bytes);
	if (s->are_regs_fresh && memcmp(set.value, reg->value, set.bytes) == 0) {
		return 0;
	}
	r = tell(s, PROTO_SET_REG, &set, sizeof(set));
	s->are_regs_fresh = false; /* one register may be part of another */
	return r;
}

static void serve_read_regs(struct gdb_server *s)
{
	char text[GDB_PACKET_MAX];
	size_t n = 0;
	int r;

	r = refresh_regs(s);
	if (r < 0) {
		reply_error(s, r);
		return;
	}
	for (size_t i = 0; i < s->regs.n; i++) {
		const struct reg *reg = &s->regs.reg[i];

		if (reg->desc.gdb_feature[0]) {
			reg_encode(s, reg, text + n); /* fits: checked by gdb_server_new() */
			n += 2 * (size_t)reg->desc.bytes;
		}
	}
	reply(s, text, n);
}

static void serve_write_regs(struct gdb_server *s)
{
	size_t at = 0;
	int r;

	r = refresh_regs(s);
	for (size_t i = 0; i < s->regs.n && r == 0; i++) {
		struct reg *reg = &s->regs.reg[i];

		if (!reg->desc.gdb_feature[0]) {
			continue;
		}
		if (reg->desc.bytes > s->cmd.n_data - at) {
			r = -EINVAL;
			break;
		}
		s->are_regs_fresh =
			true; /* of this very moment: unchanged values are not written */
		r = reg_write(s, reg, s->cmd.data + at);
		at += reg->desc.bytes;
	}
	s->are_regs_fresh = false;
	reply_result(s, r);
}

static void serve_read_reg(struct gdb_server *s)
{
	const struct reg *reg = reg_by_number(s, s->cmd.reg);
	char text[2 * REGS_VALUE_BYTES];
	int r;

	r = reg ? refresh_regs(s) : -EINVAL;
	if (r < 0) {
		reply_error(s, r);
		return;
	}
	reg_encode(s, reg, text);
	reply(s, text, 2 * (size_t)reg->desc.bytes);
}

static void serve_write_reg(struct gdb_server *s)
{
	struct reg *reg = reg_by_number(s, s->cmd.reg);

	if (!reg || s->cmd.n_data != reg->desc.bytes) {
		reply_error(s, -EINVAL);
		return;
	}
	reply_result(s, reg_write(s, reg, s->cmd.data));
}

/* ---- Memory ---- */

static void serve_read_mem(struct gdb_server *s)
{
	struct proto_mem where = { .gva = s->cmd.addr, .bytes = s->cmd.bytes };
	uint8_t bytes[MEM_MAX];
	char text[2 * MEM_MAX];
	struct errmsg e = { 0 };
	size_t n = 0;
	int r;

	if (where.bytes > MEM_MAX) {
		where.bytes = MEM_MAX; /* the client asks for the rest by itself */
	}
	r = ask(s, PROTO_READ_MEM, &where, sizeof(where), bytes, where.bytes, &n, &e);
	if (r == 0 && n == 0 && where.bytes > 0) {
		r = -EFAULT;
	}
	if (r < 0) {
		reply_error(s, r);
		return;
	}
	gdb_hex_encode(text, bytes, n);
	reply(s, text, 2 * n);
}

static void serve_write_mem(struct gdb_server *s)
{
	uint8_t body[sizeof(struct proto_mem) + GDB_PACKET_MAX];
	struct proto_mem where = { .gva = s->cmd.addr, .bytes = s->cmd.bytes };

	if (s->cmd.bytes == 0) {
		reply_text(s, "OK"); /* gdb asks whether X is known */
		return;
	}
	memcpy(body, &where, sizeof(where));
	memcpy(body + sizeof(where), s->cmd.data, s->cmd.bytes);
	reply_result(s, tell(s, PROTO_WRITE_MEM, body, sizeof(where) + s->cmd.bytes));
}

/* ---- Everything else ---- */

static void serve_resume(struct gdb_server *s, bool is_step)
{
	int r;

	if (s->has_ended) {
		char text[GDB_STOP_TEXT];

		gdb_stop_format_end(&s->last, text);
		reply_text(s, "%s", text);
		s->is_leaving = true;
		return;
	}
	r = let_go(s, is_step);
	if (r < 0) {
		reply_error(s, r);
		return;
	}
	s->owes_stop = true;
}

static void serve_detach(struct gdb_server *s)
{
	int r = 0;

	points_clear(s);
	if (!s->has_ended) {
		r = let_go(s, false);
	}
	reply_result(s, r);
	s->is_leaving = true;
}

static void serve_supported(struct gdb_server *s)
{
	s->features.has_swbreak = s->cmd.has_swbreak;
	s->features.has_hwbreak = s->cmd.has_hwbreak;
	reply_text(s,
		   "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+;"
		   "swbreak+;hwbreak+",
		   GDB_PACKET_MAX);
}

static void serve_xml(struct gdb_server *s)
{
	char part[GDB_PACKET_MAX];
	size_t n = s->cmd.bytes < sizeof(part) - 1 ? s->cmd.bytes : sizeof(part) - 1;
	size_t left = s->cmd.addr < s->xml_len ? s->xml_len - s->cmd.addr : 0;

	part[0] = n < left ? 'm' : 'l';
	n = n < left ? n : left;
	memcpy(part + 1, s->xml + (s->xml_len - left), n);
	reply(s, part, n + 1);
}

static void serve_monitor(struct gdb_server *s)
{
	struct gdb_monitor m = {
		.vm = s->vm,
		.name = s->name,
		.state = s->state,
		.last = s->has_stopped ? &s->last : NULL,
		.regs = &s->regs,
		.n_points = s->n_points,
	};
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	r = refresh_regs(s);
	if (r == 0) {
		r = gdb_monitor_run(&m, (const char *)s->cmd.data, &text, &len);
	}
	if (r < 0) {
		reply_error(s, r);
		return;
	}
	for (size_t at = 0; at < len; at += MONITOR_CHUNK) {
		char part[1 + 2 * MONITOR_CHUNK] = "O";
		size_t n = len - at < MONITOR_CHUNK ? len - at : MONITOR_CHUNK;

		gdb_hex_encode(part + 1, (const uint8_t *)text + at, n);
		reply(s, part, 1 + 2 * n);
	}
	reply_text(s, "OK");
}

/* At the start of a session nothing has happened yet. */
static void serve_why(struct gdb_server *s)
{
	if (s->has_stopped) {
		reply_stop(s);
	} else {
		reply_text(s, "T05thread:1;");
	}
}

static void serve_point(struct gdb_server *s)
{
	struct point p = { s->cmd.point, s->cmd.bytes, s->cmd.addr };

	reply_result(s, s->cmd.kind == GDB_CMD_ADD_POINT ? point_add(s, &p) : point_remove(s, &p));
}

static void serve_kill(struct gdb_server *s, bool has_reply)
{
	s->is_killed = true;
	s->is_leaving = true;
	if (has_reply) {
		reply_text(s, "OK");
	}
}

/* Packets that ask about threads and the session. */
static void serve_query(struct gdb_server *s)
{
	switch (s->cmd.kind) {
	case GDB_CMD_OK:
		reply_text(s, "OK");
		break;
	case GDB_CMD_THREAD:
		reply_text(s, "QC1");
		break;
	case GDB_CMD_THREADS_FIRST:
		reply_text(s, "m1");
		break;
	case GDB_CMD_THREADS_NEXT:
		reply_text(s, "l");
		break;
	case GDB_CMD_ATTACHED:
		reply_text(s, "1"); /* leaving gdb detaches, it does not kill */
		break;
	case GDB_CMD_SUPPORTED:
		serve_supported(s);
		break;
	case GDB_CMD_NO_ACK:
		reply_text(s, "OK");
		s->is_no_ack = true;
		break;
	case GDB_CMD_VCONT_QUERY:
		reply_text(s, "vCont;c;C;s;S");
		break;
	case GDB_CMD_READ_XML:
		serve_xml(s);
		break;
	case GDB_CMD_MONITOR:
		serve_monitor(s);
		break;
	case GDB_CMD_BAD:
		reply_error(s, -EINVAL);
		break;
	default:
		reply_text(s, "%s", "");
		break;
	}
}

static void serve(struct gdb_server *s)
{
	switch (s->cmd.kind) {
	case GDB_CMD_WHY:
		serve_why(s);
		break;
	case GDB_CMD_READ_REGS:
		serve_read_regs(s);
		break;
	case GDB_CMD_WRITE_REGS:
		serve_write_regs(s);
		break;
	case GDB_CMD_READ_REG:
		serve_read_reg(s);
		break;
	case GDB_CMD_WRITE_REG:
		serve_write_reg(s);
		break;
	case GDB_CMD_READ_MEM:
		serve_read_mem(s);
		break;
	case GDB_CMD_WRITE_MEM:
		serve_write_mem(s);
		break;
	case GDB_CMD_CONTINUE:
	case GDB_CMD_STEP:
		serve_resume(s, s->cmd.kind == GDB_CMD_STEP);
		break;
	case GDB_CMD_ADD_POINT:
	case GDB_CMD_REMOVE_POINT:
		serve_point(s);
		break;
	case GDB_CMD_DETACH:
		serve_detach(s);
		break;
	case GDB_CMD_KILL:
	case GDB_CMD_KILL_REPLY:
		serve_kill(s, s->cmd.kind == GDB_CMD_KILL_REPLY);
		break;
	default:
		serve_query(s);
		break;
	}
}

/* ---- The connection ---- */

/* The client went away without a word: the guest waits for the next one. */
static void lose_client(struct gdb_server *s)
{
	points_clear(s);
	interrupt(s);
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
		put_bytes(s, "+", 1);
	}
	gdb_command_parse(s->parser.payload, s->parser.len, &s->cmd);
	if (is_running(s)) {
		s->is_held = true;
		return;
	}
	serve(s);
}

static void on_event(struct gdb_server *s, enum gdb_event event)
{
	switch (event) {
	case GDB_EVENT_PACKET:
		on_packet(s);
		break;
	case GDB_EVENT_INTERRUPT:
		s->was_interrupted = is_running(s);
		interrupt(s);
		break;
	case GDB_EVENT_NAK:
		put_bytes(s, s->last_packet, s->last_packet_len);
		break;
	case GDB_EVENT_BROKEN:
		put_bytes(s, "-", 1);
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
		} else if (s->is_held && !is_running(s)) {
			s->is_held = false;
			serve(s);
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
	interrupt(s);
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
	r = get_state(s, e);
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
		reply_stop(s);
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

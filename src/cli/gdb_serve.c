/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One packet of the client, carried out and answered; see gdb_session.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/gdb_monitor.h"
#include "cli/gdb_session.h"

/* Memory in one reply: two digits per byte. */
#define MEM_MAX	      (GDB_PACKET_MAX / 2)
#define MONITOR_CHUNK 4096

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
	r = gdb_tell(s, PROTO_SET_REG, &set, sizeof(set));
	s->are_regs_fresh = false; /* one register may be part of another */
	return r;
}

static void serve_read_regs(struct gdb_server *s)
{
	char text[GDB_PACKET_MAX];
	size_t n = 0;
	int r;

	r = gdb_refresh_regs(s);
	if (r < 0) {
		gdb_reply_error(s, r);
		return;
	}
	for (size_t i = 0; i < s->regs.n; i++) {
		const struct reg *reg = &s->regs.reg[i];

		if (reg->desc.gdb_feature[0]) {
			reg_encode(s, reg, text + n); /* fits: checked by gdb_server_new() */
			n += 2 * (size_t)reg->desc.bytes;
		}
	}
	gdb_reply(s, text, n);
}

static void serve_write_regs(struct gdb_server *s)
{
	size_t at = 0;
	int r;

	r = gdb_refresh_regs(s);
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
	gdb_reply_result(s, r);
}

static void serve_read_reg(struct gdb_server *s)
{
	const struct reg *reg = reg_by_number(s, s->cmd.reg);
	char text[2 * REGS_VALUE_BYTES];
	int r;

	r = reg ? gdb_refresh_regs(s) : -EINVAL;
	if (r < 0) {
		gdb_reply_error(s, r);
		return;
	}
	reg_encode(s, reg, text);
	gdb_reply(s, text, 2 * (size_t)reg->desc.bytes);
}

static void serve_write_reg(struct gdb_server *s)
{
	struct reg *reg = reg_by_number(s, s->cmd.reg);

	if (!reg || s->cmd.n_data != reg->desc.bytes) {
		gdb_reply_error(s, -EINVAL);
		return;
	}
	gdb_reply_result(s, reg_write(s, reg, s->cmd.data));
}

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
	r = gdb_ask(s, PROTO_READ_MEM, &where, sizeof(where), bytes, where.bytes, &n, &e);
	if (r == 0 && n == 0 && where.bytes > 0) {
		r = -EFAULT;
	}
	if (r < 0) {
		gdb_reply_error(s, r);
		return;
	}
	gdb_hex_encode(text, bytes, n);
	gdb_reply(s, text, 2 * n);
}

static void serve_write_mem(struct gdb_server *s)
{
	uint8_t body[sizeof(struct proto_mem) + GDB_PACKET_MAX];
	struct proto_mem where = { .gva = s->cmd.addr, .bytes = s->cmd.bytes };

	if (s->cmd.bytes == 0) {
		gdb_reply_text(s, "OK"); /* gdb asks whether X is known */
		return;
	}
	memcpy(body, &where, sizeof(where));
	memcpy(body + sizeof(where), s->cmd.data, s->cmd.bytes);
	gdb_reply_result(s, gdb_tell(s, PROTO_WRITE_MEM, body, sizeof(where) + s->cmd.bytes));
}

static void serve_resume(struct gdb_server *s, bool is_step)
{
	int r;

	if (s->has_ended) {
		char text[GDB_STOP_TEXT];

		gdb_stop_format_end(&s->last, text);
		gdb_reply_text(s, "%s", text);
		s->is_leaving = true;
		return;
	}
	r = gdb_let_go(s, is_step);
	if (r < 0) {
		gdb_reply_error(s, r);
		return;
	}
	s->owes_stop = true;
}

static void serve_detach(struct gdb_server *s)
{
	int r = 0;

	gdb_points_clear(s);
	if (!s->has_ended) {
		r = gdb_let_go(s, false);
	}
	gdb_reply_result(s, r);
	s->is_leaving = true;
}

static void serve_supported(struct gdb_server *s)
{
	s->features.has_swbreak = s->cmd.has_swbreak;
	s->features.has_hwbreak = s->cmd.has_hwbreak;
	gdb_reply_text(s,
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
	gdb_reply(s, part, n + 1);
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

	r = gdb_refresh_regs(s);
	if (r == 0) {
		r = gdb_monitor_run(&m, (const char *)s->cmd.data, &text, &len);
	}
	if (r < 0) {
		gdb_reply_error(s, r);
		return;
	}
	for (size_t at = 0; at < len; at += MONITOR_CHUNK) {
		char part[1 + 2 * MONITOR_CHUNK] = "O";
		size_t n = len - at < MONITOR_CHUNK ? len - at : MONITOR_CHUNK;

		gdb_hex_encode(part + 1, (const uint8_t *)text + at, n);
		gdb_reply(s, part, 1 + 2 * n);
	}
	gdb_reply_text(s, "OK");
}

/* At the start of a session nothing has happened yet. */
static void serve_why(struct gdb_server *s)
{
	if (s->has_stopped) {
		gdb_reply_stop(s);
	} else {
		gdb_reply_text(s, "T05thread:1;");
	}
}

static void serve_point(struct gdb_server *s)
{
	struct gdb_set_point p = { s->cmd.point, s->cmd.bytes, s->cmd.addr };

	gdb_reply_result(s, s->cmd.kind == GDB_CMD_ADD_POINT ? gdb_point_add(s, &p)
							     : gdb_point_remove(s, &p));
}

static void serve_kill(struct gdb_server *s, bool has_reply)
{
	s->is_killed = true;
	s->is_leaving = true;
	if (has_reply) {
		gdb_reply_text(s, "OK");
	}
}

/* Packets that ask about threads and the session. */
static void serve_query(struct gdb_server *s)
{
	switch (s->cmd.kind) {
	case GDB_CMD_OK:
		gdb_reply_text(s, "OK");
		break;
	case GDB_CMD_THREAD:
		gdb_reply_text(s, "QC1");
		break;
	case GDB_CMD_THREADS_FIRST:
		gdb_reply_text(s, "m1");
		break;
	case GDB_CMD_THREADS_NEXT:
		gdb_reply_text(s, "l");
		break;
	case GDB_CMD_ATTACHED:
		gdb_reply_text(s, "1"); /* leaving gdb detaches, it does not kill */
		break;
	case GDB_CMD_SUPPORTED:
		serve_supported(s);
		break;
	case GDB_CMD_NO_ACK:
		gdb_reply_text(s, "OK");
		s->is_no_ack = true;
		break;
	case GDB_CMD_VCONT_QUERY:
		gdb_reply_text(s, "vCont;c;C;s;S");
		break;
	case GDB_CMD_READ_XML:
		serve_xml(s);
		break;
	case GDB_CMD_MONITOR:
		serve_monitor(s);
		break;
	case GDB_CMD_BAD:
		gdb_reply_error(s, -EINVAL);
		break;
	default:
		gdb_reply_text(s, "%s", "");
		break;
	}
}

void gdb_serve(struct gdb_server *s)
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

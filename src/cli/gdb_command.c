/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of the GDB remote serial protocol, taken apart; see gdb_command.h.
 * Source: the GDB manual, appendix "GDB Remote Serial Protocol".
 */
#include "cli/gdb_command.h"

#include <string.h>

/* What is left of a payload. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool take_char(struct cursor *c, char want)
{
	if (c->left == 0 || *c->at != (uint8_t)want) {
		return false;
	}
	c->at++;
	c->left--;
	return true;
}

static bool take_text(struct cursor *c, const char *want)
{
	size_t n = strlen(want);

	if (c->left < n || memcmp(c->at, want, n) != 0) {
		return false;
	}
	c->at += n;
	c->left -= n;
	return true;
}

/* 1 to 16 hex digits. */
static bool take_hex(struct cursor *c, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	while (n < c->left && gdb_hex_digit(c->at[n]) >= 0) {
		if (++n > 16) {
			return false;
		}
		v = v << 4 | (uint64_t)gdb_hex_digit(c->at[n - 1]);
	}
	c->at += n;
	c->left -= n;
	*ret = v;
	return n > 0;
}

static bool take_hex_max(struct cursor *c, uint64_t max, uint32_t *ret)
{
	uint64_t v;

	if (!take_hex(c, &v) || v > max) {
		return false;
	}
	*ret = (uint32_t)v;
	return true;
}

/* "addr,length" */
static bool take_range(struct cursor *c, struct gdb_command *ret)
{
	return take_hex(c, &ret->addr) && take_char(c, ',') &&
	       take_hex_max(c, GDB_PACKET_MAX, &ret->bytes);
}

/* All that is left is bytes as hex digits. */
static bool take_hex_bytes(struct cursor *c, struct gdb_command *ret)
{
	if (c->left % 2 != 0 || !gdb_hex_decode(ret->data, c->at, c->left / 2)) {
		return false;
	}
	ret->n_data = c->left / 2;
	c->left = 0;
	return true;
}

static bool parse_read_mem(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_READ_MEM;
	return take_range(c, ret) && c->left == 0;
}

static bool parse_write_mem(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_WRITE_MEM;
	return take_range(c, ret) && take_char(c, ':') && take_hex_bytes(c, ret) &&
	       ret->n_data == ret->bytes;
}

static bool parse_write_mem_binary(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_WRITE_MEM;
	if (!take_range(c, ret) || !take_char(c, ':') || c->left != ret->bytes) {
		return false;
	}
	memcpy(ret->data, c->at, c->left);
	ret->n_data = c->left;
	return true;
}

static bool parse_read_reg(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_READ_REG;
	return take_hex_max(c, UINT32_MAX, &ret->reg) && c->left == 0;
}

static bool parse_write_reg(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_WRITE_REG;
	return take_hex_max(c, UINT32_MAX, &ret->reg) && take_char(c, '=') &&
	       take_hex_bytes(c, ret);
}

static bool parse_write_regs(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_WRITE_REGS;
	return take_hex_bytes(c, ret);
}

/* "type,addr,kind": the kind of a breakpoint is the size of the instruction. */
static bool parse_point(struct cursor *c, struct gdb_command *ret, enum gdb_command_kind kind)
{
	uint32_t type;

	ret->kind = kind;
	if (!take_hex_max(c, GDB_POINT_WATCH_ACCESS, &type) || !take_char(c, ',') ||
	    !take_range(c, ret)) {
		return false;
	}
	ret->point = (enum gdb_point)type;
	/* Conditions and commands were not offered to the client. */
	return c->left == 0;
}

/* A guest has no signals: "C05" and "c" mean the same. */
static bool parse_resume(struct cursor *c, struct gdb_command *ret, enum gdb_command_kind kind,
			 bool has_signal)
{
	uint32_t signal;

	ret->kind = kind;
	return (!has_signal || take_hex_max(c, 0xff, &signal)) && c->left == 0;
}

/* One action of vCont, and whether it is for the one thread. */
static bool take_action(struct cursor *c, enum gdb_command_kind *ret, bool *ret_is_ours)
{
	uint32_t ignored;
	bool has_signal;

	if (take_char(c, 'c') || take_char(c, 's')) {
		*ret = c->at[-1] == 'c' ? GDB_CMD_CONTINUE : GDB_CMD_STEP;
		has_signal = false;
	} else if (take_char(c, 'C') || take_char(c, 'S')) {
		*ret = c->at[-1] == 'C' ? GDB_CMD_CONTINUE : GDB_CMD_STEP;
		has_signal = true;
	} else {
		return false;
	}
	if (has_signal && !take_hex_max(c, 0xff, &ignored)) {
		return false;
	}
	*ret_is_ours = true;
	if (!take_char(c, ':') || take_text(c, "-1")) {
		return true;
	}
	if (!take_hex_max(c, UINT32_MAX, &ignored)) {
		return false;
	}
	*ret_is_ours = ignored <= 1;
	return true;
}

static bool parse_vcont(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_UNKNOWN;
	while (take_char(c, ';')) {
		enum gdb_command_kind kind;
		bool is_ours;

		if (!take_action(c, &kind, &is_ours)) {
			return false;
		}
		if (is_ours && ret->kind == GDB_CMD_UNKNOWN) {
			ret->kind = kind; /* the first that fits counts */
		}
	}
	return c->left == 0 && ret->kind != GDB_CMD_UNKNOWN;
}

static bool parse_v(struct cursor *c, struct gdb_command *ret)
{
	if (take_text(c, "Cont?")) {
		ret->kind = GDB_CMD_VCONT_QUERY;
		return c->left == 0;
	}
	if (take_text(c, "Cont")) {
		return parse_vcont(c, ret);
	}
	if (take_text(c, "Kill")) {
		ret->kind = GDB_CMD_KILL_REPLY;
	}
	return true;
}

static bool has_word(const struct cursor *c, const char *word)
{
	return memmem(c->at, c->left, word, strlen(word)) != NULL;
}

static bool parse_monitor(struct cursor *c, struct gdb_command *ret)
{
	ret->kind = GDB_CMD_MONITOR;
	if (c->left > 2 * GDB_MONITOR_MAX || !take_hex_bytes(c, ret)) {
		return false;
	}
	ret->data[ret->n_data++] = '\0';
	return memchr(ret->data, '\0', ret->n_data - 1) == NULL;
}

/* Queries that have no parameters. */
static const struct {
	const char *text;
	enum gdb_command_kind kind;
} queries[] = {
	{ "C", GDB_CMD_THREAD },
	{ "fThreadInfo", GDB_CMD_THREADS_FIRST },
	{ "sThreadInfo", GDB_CMD_THREADS_NEXT },
	{ "Attached", GDB_CMD_ATTACHED },
};

static bool parse_q(struct cursor *c, struct gdb_command *ret)
{
	if (take_text(c, "Supported")) {
		ret->kind = GDB_CMD_SUPPORTED;
		ret->has_swbreak = has_word(c, "swbreak+");
		ret->has_hwbreak = has_word(c, "hwbreak+");
		return true;
	}
	if (take_text(c, "Xfer:features:read:target.xml:")) {
		ret->kind = GDB_CMD_READ_XML;
		return take_range(c, ret) && c->left == 0;
	}
	if (take_text(c, "Rcmd,")) {
		return parse_monitor(c, ret);
	}
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		size_t n = strlen(queries[i].text);

		if (c->left == n && memcmp(c->at, queries[i].text, n) == 0) {
			ret->kind = queries[i].kind;
		}
	}
	return true;
}

static bool parse_set(struct cursor *c, struct gdb_command *ret)
{
	if (take_text(c, "StartNoAckMode") && c->left == 0) {
		ret->kind = GDB_CMD_NO_ACK;
	}
	return true;
}

static bool parse_by_letter(uint8_t letter, struct cursor *c, struct gdb_command *ret)
{
	switch (letter) {
	case '?':
		ret->kind = GDB_CMD_WHY;
		return c->left == 0;
	case 'g':
		ret->kind = GDB_CMD_READ_REGS;
		return c->left == 0;
	case 'G':
		return parse_write_regs(c, ret);
	case 'p':
		return parse_read_reg(c, ret);
	case 'P':
		return parse_write_reg(c, ret);
	case 'm':
		return parse_read_mem(c, ret);
	case 'M':
		return parse_write_mem(c, ret);
	case 'X':
		return parse_write_mem_binary(c, ret);
	case 'c':
	case 'C':
		return parse_resume(c, ret, GDB_CMD_CONTINUE, letter == 'C');
	case 's':
	case 'S':
		return parse_resume(c, ret, GDB_CMD_STEP, letter == 'S');
	case 'Z':
		return parse_point(c, ret, GDB_CMD_ADD_POINT);
	case 'z':
		return parse_point(c, ret, GDB_CMD_REMOVE_POINT);
	case 'D':
		ret->kind = GDB_CMD_DETACH;
		return true;
	case 'k':
		ret->kind = GDB_CMD_KILL;
		return true;
	case 'H': /* one thread: whichever is meant */
	case 'T':
		ret->kind = GDB_CMD_OK;
		return true;
	case 'v':
		return parse_v(c, ret);
	case 'q':
		return parse_q(c, ret);
	case 'Q':
		return parse_set(c, ret);
	default:
		return true;
	}
}

void gdb_command_parse(const uint8_t *payload, size_t len, struct gdb_command *ret)
{
	struct cursor c = { payload, len };

	memset(ret, 0, offsetof(struct gdb_command, data));
	if (len == 0) {
		return;
	}
	c.at++;
	c.left--;
	if (!parse_by_letter(payload[0], &c, ret)) {
		ret->kind = GDB_CMD_BAD;
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks on messages. What a type's body must look like stands in one table; the few bodies with
 * strings and enums have a check of their own. Everything is checked on the receiver's copy.
 */
#include "proto/proto.h"

#include <errno.h>
#include <string.h>

#include "base/bug.h"

/* Body sizes per type: exactly min, or min..max. */
struct body_rule {
	uint16_t type;
	size_t min;
	size_t max;
	bool (*check)(const struct proto_msg *m);
};

/* Strings in fixed fields must end inside them. */
static bool is_text(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

#define IS_TEXT(field) is_text((field), sizeof(field))

#define SCHEDULER_FDS (PROTO_FD_GRANT | PROTO_FD_ACK | PROTO_FD_NOTIFY)

static bool check_config(const struct proto_msg *m)
{
	const struct proto_config *c = (const void *)m->body;

	if (!IS_TEXT(c->name) || !IS_TEXT(c->engine) || !IS_TEXT(c->board) ||
	    !IS_TEXT(c->image_name) || c->n_sets > PROTO_SETS_MAX || c->n_cpus < 1 ||
	    c->n_cpus > PROTO_CPUS_MAX || c->args_bytes >= PROTO_ARGS_MAX ||
	    c->args[c->args_bytes] != '\0') {
		return false;
	}
	if ((c->fds & SCHEDULER_FDS) ? (c->fds & SCHEDULER_FDS) != SCHEDULER_FDS
				     : (c->flags & PROTO_CFG_START)) {
		return false;
	}
	for (uint32_t i = 0; i < c->n_sets; i++) {
		if (!IS_TEXT(c->sets[i].reg)) {
			return false;
		}
	}
	return c->fds < 1u << PROTO_FD_COUNT && m->n_fds == (uint32_t)__builtin_popcount(c->fds);
}

bool proto_ready_is_sane(const struct proto_ready *b)
{
	return IS_TEXT(b->engine) && IS_TEXT(b->arch_name) && IS_TEXT(b->gdb_arch) &&
	       IS_TEXT(b->reason) && IS_TEXT(b->note) &&
	       b->n_regs <= PROTO_BODY_MAX / sizeof(struct proto_reg_desc);
}

static bool check_ready(const struct proto_msg *m)
{
	return proto_ready_is_sane((const void *)m->body);
}

static bool check_failed(const struct proto_msg *m)
{
	const struct proto_failed *b = (const void *)m->body;

	return IS_TEXT(b->text) && b->err < 0 && b->err > -4096;
}

static bool check_reply(const struct proto_msg *m)
{
	const struct proto_reply *b = (const void *)m->body;

	return IS_TEXT(b->text) && b->result <= 0 && b->result > -4096 &&
	       b->payload_bytes == m->hdr.body_bytes - sizeof(*b);
}

bool proto_stopped_is_sane(const struct proto_stopped *b)
{
	return b->reason < PROTO_STOP_COUNT && b->state < PROTO_VM_STATE_COUNT &&
	       b->limit <= PROTO_LIMIT_WALL && b->point < PROTO_POINT_KIND_COUNT &&
	       IS_TEXT(b->fault.kind) && b->fault.n_insn <= sizeof(b->fault.insn) &&
	       IS_TEXT(b->text);
}

static bool check_stopped(const struct proto_msg *m)
{
	return proto_stopped_is_sane((const void *)m->body);
}

static bool check_device(const struct proto_msg *m)
{
	return IS_TEXT(((const struct proto_device *)m->body)->text);
}

static bool check_read_mem(const struct proto_msg *m)
{
	const struct proto_mem *b = (const void *)m->body;

	return b->bytes <= PROTO_MEM_MAX;
}

static bool check_write_mem(const struct proto_msg *m)
{
	const struct proto_mem *b = (const void *)m->body;

	return b->bytes <= PROTO_MEM_MAX && m->hdr.body_bytes == sizeof(*b) + b->bytes;
}

static bool check_set_reg(const struct proto_msg *m)
{
	const struct proto_set_reg *b = (const void *)m->body;

	return b->bytes <= sizeof(b->value);
}

static bool check_point(const struct proto_msg *m)
{
	const struct proto_point *b = (const void *)m->body;

	return b->kind < PROTO_POINT_KIND_COUNT && b->is_add <= 1 && b->bytes <= 4096;
}

/* clang-format off */
#define FIXED(t, s)	   { t, sizeof(struct s), sizeof(struct s), NULL }
#define CHECKED(t, s, f)   { t, sizeof(struct s), sizeof(struct s), f }
#define VARIABLE(t, s, f)  { t, sizeof(struct s), PROTO_BODY_MAX, f }
#define EMPTY(t)	   { t, 0, 0, NULL }

static const struct body_rule rules[] = {
	CHECKED(PROTO_CONFIG, proto_config, check_config),
	EMPTY(PROTO_START),
	EMPTY(PROTO_PAUSE),
	EMPTY(PROTO_RESUME),
	EMPTY(PROTO_STOP),
	FIXED(PROTO_STEP, proto_step),
	EMPTY(PROTO_SLICE),
	EMPTY(PROTO_GET_STATE),
	EMPTY(PROTO_GET_REG_DESC),
	EMPTY(PROTO_GET_REGS),
	CHECKED(PROTO_SET_REG, proto_set_reg, check_set_reg),
	CHECKED(PROTO_READ_MEM, proto_mem, check_read_mem),
	VARIABLE(PROTO_WRITE_MEM, proto_mem, check_write_mem),
	EMPTY(PROTO_SAVE_CONTEXT),
	EMPTY(PROTO_LOAD_CONTEXT),
	EMPTY(PROTO_GET_USAGE),
	FIXED(PROTO_SET_LIMIT, proto_limits),
	CHECKED(PROTO_SET_POINT, proto_point, check_point),
	EMPTY(PROTO_POWER_PRESS),
	EMPTY(PROTO_QUIT),
	EMPTY(PROTO_ATTACH),
	EMPTY(PROTO_GET_READY),
	EMPTY(PROTO_GET_LAST_STOP),
	EMPTY(PROTO_SAVE_CODE),
	CHECKED(PROTO_READY, proto_ready, check_ready),
	CHECKED(PROTO_FAILED, proto_failed, check_failed),
	VARIABLE(PROTO_REPLY, proto_reply, check_reply),
	CHECKED(PROTO_EVENT_STOPPED, proto_stopped, check_stopped),
	FIXED(PROTO_EVENT_RESET, proto_reset),
	CHECKED(PROTO_EVENT_DEVICE, proto_device, check_device),
};

/* clang-format on */

void proto_hdr_init(struct proto_hdr *h, enum proto_type type, uint32_t seq, size_t body_bytes)
{
	BUG_ON(body_bytes > PROTO_BODY_MAX);
	*h = (struct proto_hdr){
		.magic = PROTO_MAGIC,
		.revision = PROTO_REVISION,
		.type = (uint16_t)type,
		.seq = seq,
		.body_bytes = (uint32_t)body_bytes,
	};
}

static const struct body_rule *rule_find(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].type == type) {
			return &rules[i];
		}
	}
	return NULL;
}

int proto_check(const struct proto_msg *m, size_t received, struct errmsg *e)
{
	const struct body_rule *rule;

	if (received < sizeof(m->hdr) || m->hdr.magic != PROTO_MAGIC) {
		return errmsg_set(e, -EPROTO, "a message is not one of Pinfold's");
	}
	if (m->hdr.revision != PROTO_REVISION) {
		return errmsg_set(e, -EPROTO,
				  "the other side speaks protocol revision %u, this one %u; "
				  "use programs of the same build",
				  m->hdr.revision, PROTO_REVISION);
	}
	rule = rule_find(m->hdr.type);
	if (!rule) {
		return errmsg_set(e, -EPROTO, "unknown message type %u", m->hdr.type);
	}
	if (m->hdr.body_bytes != received - sizeof(m->hdr) || m->hdr.body_bytes < rule->min ||
	    m->hdr.body_bytes > rule->max) {
		return errmsg_set(e, -EPROTO, "message type %u has a wrong length (%zu bytes)",
				  m->hdr.type, received);
	}
	if (rule->check && !rule->check(m)) {
		return errmsg_set(e, -EPROTO, "message type %u has a field out of range",
				  m->hdr.type);
	}
	return 0;
}

const void *proto_reply_payload(const struct proto_msg *m, size_t *ret_bytes)
{
	const struct proto_reply *b = (const void *)m->body;

	*ret_bytes = b->payload_bytes;
	return b + 1;
}

const char *proto_vm_state_name(enum proto_vm_state s)
{
	static const char *const names[PROTO_VM_STATE_COUNT] = {
		[PROTO_VM_CREATED] = "created", [PROTO_VM_READY] = "ready",
		[PROTO_VM_RUNNING] = "running", [PROTO_VM_PAUSED] = "paused",
		[PROTO_VM_BLOCKED] = "blocked", [PROTO_VM_STOPPED] = "stopped",
		[PROTO_VM_FAULTED] = "faulted", [PROTO_VM_KILLED] = "killed",
	};

	BUG_ON(s >= PROTO_VM_STATE_COUNT);
	return names[s];
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages as they come from a hostile peer: every header field, length, string and enum that is out of
 * range is refused; random packets never get past a length or string check.
 */
#include "proto/proto.h"

#include <errno.h>

#include "test.h"

static struct proto_msg msg; /* 64 KiB */

static void make(enum proto_type type, size_t bytes)
{
	memset(&msg, 0, sizeof(msg));
	proto_hdr_init(&msg.hdr, type, 1, bytes);
}

static int check(struct errmsg *e)
{
	return proto_check(&msg, sizeof(msg.hdr) + msg.hdr.body_bytes, e);
}

static void headers(void)
{
	struct errmsg e = { "" };

	make(PROTO_START, 0);
	CHECK_INT(check(&e), 0);
	CHECK_INT(proto_check(&msg, sizeof(msg.hdr) - 1, &e), -EPROTO);
	CHECK_INT(proto_check(&msg, sizeof(msg.hdr) + 1, &e), -EPROTO);
	msg.hdr.magic++;
	CHECK_INT(check(&e), -EPROTO);
	make(PROTO_START, 0);
	msg.hdr.revision++;
	CHECK_INT(check(&e), -EPROTO);
	CHECK(strstr(e.text, "revision 8, this one 7")); /* follows PROTO_REVISION */
	make((enum proto_type)999, 0);
	CHECK_INT(check(&e), -EPROTO);
	CHECK_STR(e.text, "unknown message type 999");
	make(PROTO_START, 4);
	CHECK_INT(check(&e), -EPROTO);
}

static void config(void)
{
	struct proto_config *c = (void *)msg.body;

	make(PROTO_CONFIG, sizeof(*c));
	CHECK_INT(check(NULL), -EPROTO); /* no CPU */
	c->n_cpus = PROTO_CPUS_MAX + 1;
	CHECK_INT(check(NULL), -EPROTO);
	c->n_cpus = 1;
	CHECK_INT(check(NULL), 0);
	c->fds = PROTO_FD_IMAGE | PROTO_FD_CONSOLE;
	CHECK_INT(check(NULL), -EPROTO); /* no descriptors came */
	msg.n_fds = 2;
	CHECK_INT(check(NULL), 0);
	c->flags = PROTO_CFG_START; /* nobody would keep the guest from running before the jail */
	CHECK_INT(check(NULL), -EPROTO);
	c->fds = PROTO_FD_GRANT | PROTO_FD_ACK; /* half a scheduler */
	CHECK_INT(check(NULL), -EPROTO);
	c->fds |= PROTO_FD_NOTIFY;
	msg.n_fds = 3;
	CHECK_INT(check(NULL), 0);
	memset(c->name, 'x', sizeof(c->name));
	CHECK_INT(check(NULL), -EPROTO);
	c->name[0] = '\0';
	c->n_sets = PROTO_SETS_MAX + 1;
	CHECK_INT(check(NULL), -EPROTO);
	c->n_sets = 1;
	memset(c->sets[0].reg, 'r', sizeof(c->sets[0].reg));
	CHECK_INT(check(NULL), -EPROTO);
	c->n_sets = 0;
	c->args_bytes = PROTO_ARGS_MAX;
	CHECK_INT(check(NULL), -EPROTO);
	c->args_bytes = 3;
	memcpy(c->args, "abcd", 5);
	CHECK_INT(check(NULL), -EPROTO); /* not terminated where it says */
}

static void answers(void)
{
	struct proto_reply *rep = (void *)msg.body;
	struct proto_stopped *s = (void *)msg.body;
	size_t n;

	make(PROTO_REPLY, sizeof(*rep) + 10);
	CHECK_INT(check(NULL), -EPROTO); /* payload_bytes says 0 */
	rep->payload_bytes = 10;
	CHECK_INT(check(NULL), 0);
	CHECK(proto_reply_payload(&msg, &n) == rep + 1);
	CHECK_INT(n, 10);
	rep->result = 1;
	CHECK_INT(check(NULL), -EPROTO);

	make(PROTO_EVENT_STOPPED, sizeof(*s));
	CHECK_INT(check(NULL), 0);
	s->reason = PROTO_STOP_COUNT;
	CHECK_INT(check(NULL), -EPROTO);
	s->reason = 0;
	s->state = PROTO_VM_STATE_COUNT;
	CHECK_INT(check(NULL), -EPROTO);
	s->state = 0;
	s->fault.n_insn = 17;
	CHECK_INT(check(NULL), -EPROTO);
	s->fault.n_insn = 16;
	memset(s->text, 'x', sizeof(s->text));
	CHECK_INT(check(NULL), -EPROTO);
}

static void memory(void)
{
	struct proto_mem *w = (void *)msg.body;

	make(PROTO_WRITE_MEM, sizeof(*w) + 8);
	w->bytes = 8;
	CHECK_INT(check(NULL), 0);
	w->bytes = 9;
	CHECK_INT(check(NULL), -EPROTO);
	make(PROTO_READ_MEM, sizeof(*w));
	w->bytes = PROTO_MEM_MAX + 1;
	CHECK_INT(check(NULL), -EPROTO);
}

/* Whatever passes has terminated strings and a length that its type allows. */
static void random_packets(void)
{
	uint64_t s = 12345;
	int passed = 0;

	for (int i = 0; i < 200000; i++) {
		size_t n;

		s = s * 6364136223846793005ULL + 1442695040888963407ULL;
		make((enum proto_type)(s >> 33) % 80, (s >> 40) % 2048);
		for (size_t k = 0; k < 64; k++) {
			s = s * 6364136223846793005ULL + 1442695040888963407ULL;
			msg.body[(s >> 20) % 2048] = (uint8_t)(s >> 50);
		}
		if (check(NULL) < 0) {
			continue;
		}
		passed++;
		if (msg.hdr.type == PROTO_REPLY) {
			proto_reply_payload(&msg, &n);
			CHECK(n + sizeof(struct proto_reply) == msg.hdr.body_bytes);
		}
	}
	CHECK(passed > 0);
}

static const struct test_case cases[] = {
	{ "headers", headers },	    { "configuration", config },	  { "answers", answers },
	{ "guest memory", memory }, { "random packets", random_packets },
};

TEST_MAIN(cases)

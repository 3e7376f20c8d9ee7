/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that test_launch.c starts in the place of pinfold-vm. The VM's name says how it
 * (mis)behaves. It proves nothing by itself.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/sock.h"
#include "proto/proto.h"
#include "proto/zygote.h"
#include "vm/jail.h"
#include "vm/zygote.h"

static struct proto_msg in;

static void say(enum proto_type type, uint32_t seq, const void *body, size_t bytes)
{
	struct proto_hdr hdr;
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { 0 } };
	union {
		const void *in;
		void *out;
	} u = { .in = body };

	proto_hdr_init(&hdr, type, seq, bytes);
	iov[1] = (struct iovec){ u.out, bytes };
	if (host_sock_send(PROTO_FD, iov, 2, NULL, 0, false) < 0) {
		_exit(0);
	}
}

static void say_reply(uint32_t seq, int result, const char *text, size_t payload_bytes)
{
	struct {
		struct proto_reply r;
		uint8_t payload[4096];
	} b = { .r = { .result = result, .payload_bytes = (uint32_t)payload_bytes } };

	snprintf(b.r.text, sizeof(b.r.text), "%s", text);
	memset(b.payload, 0xab, sizeof(b.payload));
	say(PROTO_REPLY, seq, &b, sizeof(b.r) + payload_bytes);
}

static void say_event(void)
{
	struct proto_stopped s = { .reason = PROTO_STOP_EXIT,
				   .state = PROTO_VM_STOPPED,
				   .code = 7 };

	snprintf(s.text, sizeof(s.text), "over \033[31m");
	say(PROTO_EVENT_STOPPED, 0, &s, sizeof(s));
}

static void say_ready(uint32_t jail)
{
	struct proto_ready r = { .n_regs = 3, .jail = jail };

	snprintf(r.engine, sizeof(r.engine), "fake");
	say(PROTO_READY, 0, &r, sizeof(r));
}

static bool is_called(const char *name)
{
	const struct proto_config *cfg = (const void *)in.body;

	return strcmp(cfg->name, name) == 0;
}

static bool receive(struct proto_msg *m)
{
	struct iovec iov[2] = { { &m->hdr, sizeof(m->hdr) }, { m->body, sizeof(m->body) } };
	size_t n_fds = 0;
	ssize_t n = host_sock_recv(PROTO_FD, iov, 2, m->fds, PROTO_FD_COUNT, &n_fds, false);

	m->n_fds = (uint32_t)n_fds;
	return n > 0 && proto_check(m, (size_t)n, NULL) == 0;
}

static void hang(void)
{
	for (;;) {
		pause();
	}
}

/* Before it is ready. */
static void start(void)
{
	const struct proto_config *cfg = (const void *)in.body;
	struct proto_failed failed = { .err = -ENOEXEC, .text = "no such \033]0;engine\a" };
	struct jail_options jail = { .flags = cfg->jail,
				     .uid = cfg->uid,
				     .gid = cfg->gid,
				     .mem_bytes = 16 << 20,
				     .kvm_fd = -1 };
	struct errmsg e = { 0 };
	uint32_t flags = 0;

	if (is_called("dies early")) {
		fprintf(stderr, "libfoo.so: can't \033open\nsecond line\n");
		_exit(3);
	}
	if (is_called("crashes early")) {
		signal(SIGILL, SIG_DFL); /* sanitizers may catch it */
		__builtin_trap();
	}
	if (is_called("hangs early")) {
		hang();
	}
	if (is_called("closes early")) {
		close(PROTO_FD);
		hang();
	}
	if (is_called("talks nonsense")) {
		host_sock_send(PROTO_FD, &(struct iovec){ "hello", 5 }, 1, NULL, 0, false);
		hang();
	}
	if (is_called("sends descriptors")) {
		int fd = 1;

		host_sock_send(PROTO_FD, &(struct iovec){ "hello", 5 }, 1, &fd, 1, false);
		hang();
	}
	if (is_called("fails")) {
		say(PROTO_FAILED, 0, &failed, sizeof(failed));
		hang();
	}
	if (is_called("fails oddly")) {
		/* e-acute; right-to-left override; CSI as UTF-8, raw, in a broken sequence and in
		 * an overlong one */
		snprintf(failed.text, sizeof(failed.text), "%s",
			 "\xc3\xa9 \xe2\x80\xae \xc2\x9b \x9b \xe0\x9b \xe0\x82\x9b \xe2");
		say(PROTO_FAILED, 0, &failed, sizeof(failed));
		hang();
	}
	if (is_called("replies early")) {
		say_reply(1, 0, "", 0);
		hang();
	}
	if (is_called("jailed") && jail_enter(&jail, &flags, &e) < 0) {
		failed.err = -EPERM;
		snprintf(failed.text, sizeof(failed.text), "%s", e.text);
		say(PROTO_FAILED, 0, &failed, sizeof(failed));
	}
	say_ready(flags);
}

/* The answer to one request. */
static void answer(uint32_t seq)
{
	if (is_called("dies") || is_called("dies silently")) {
		if (is_called("dies")) {
			fprintf(stderr, "BUG: it broke\n");
		}
		_exit(4);
	} else if (is_called("hangs")) {
		hang();
	} else if (is_called("future seq")) {
		say_reply(seq + 1, 0, "", 0);
	} else if (is_called("late reply")) {
		say_reply(seq - 1, -EIO, "late", 0);
		say_reply(seq, 0, "", 8);
	} else if (is_called("big reply")) {
		say_reply(seq, 0, "", 9);
	} else if (is_called("refuses")) {
		say_reply(seq, -EBUSY, "not \033 now", 0);
	} else if (is_called("floods")) {
		for (;;) {
			say_event();
		}
	} else if (is_called("commands")) {
		say(PROTO_START, seq, NULL, 0);
	} else if (is_called("wrong shape")) {
		struct proto_stopped s = { .reason = PROTO_STOP_COUNT };

		say(PROTO_EVENT_STOPPED, 0, &s, sizeof(s));
	} else {
		say_event();
		say_reply(seq, 0, "", 8);
	}
}

int main(int argc, char **argv)
{
	static struct proto_msg m;

	bool is_lean = argc == 2 && strcmp(argv[1], ZYGOTE_LEAN_OPTION) == 0;

	if ((is_lean || (argc == 2 && strcmp(argv[1], ZYGOTE_OPTION) == 0)) &&
	    zygote_serve(is_lean) <= 0) {
		return 0;
	}
	if (!receive(&in)) {
		return 9;
	}
	start();
	while (receive(&m)) {
		answer(m.hdr.seq);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM for tests of the GDB server: it defines launch_vm_request(), so it must be included once
 * per program. Requests are checked as a VM would check them.
 */
#ifndef PINFOLD_TESTS_UNIT_GDB_FAKE_H
#define PINFOLD_TESTS_UNIT_GDB_FAKE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "launch/launch.h"

#define FAKE_BASE  0x1000u
#define FAKE_BYTES 4096u

static const struct proto_reg_desc fake_regs[] = {
	{ "r0", "", "core", "r0", "int32", 4, 0 },
	{ "hidden", "", "", "hidden", "int32", 4, 0 },
	{ "pc", "", "core", "pc", "code_ptr", 8, 0 },
	{ "v0", "", "vec", "v0", "vec128", 16, 0 },
};

static struct {
	enum proto_vm_state state;
	uint8_t reg[4][16];
	uint8_t mem[FAKE_BYTES];
	size_t n_points;
	int fails_with; /* every request, if not 0 */
	unsigned int n_requests[PROTO_QUIT + 1];
} fake;

static void fake_reset(struct launch_vm *vm, uint32_t flags)
{
	memset(&fake, 0, sizeof(fake));
	fake.state = PROTO_VM_READY;
	memset(vm, 0, sizeof(*vm));
	vm->ready.flags = flags;
	vm->ready.ram_bytes = FAKE_BYTES;
	snprintf(vm->ready.arch_name, sizeof(vm->ready.arch_name), "fake");
	snprintf(vm->ready.gdb_arch, sizeof(vm->ready.gdb_arch), "arm");
}

static int fake_go(struct errmsg *e, bool is_allowed)
{
	if (!is_allowed) {
		return errmsg_set(e, -EBUSY, "not in state %d", fake.state);
	}
	fake.state = PROTO_VM_RUNNING;
	return 0;
}

static int fake_memory(enum proto_type type, const uint8_t *body, uint8_t *reply, size_t *n)
{
	struct proto_mem where;
	size_t left;

	memcpy(&where, body, sizeof(where));
	if (where.gva < FAKE_BASE || where.gva >= FAKE_BASE + FAKE_BYTES) {
		return type == PROTO_WRITE_MEM ? -EFAULT : 0;
	}
	left = FAKE_BYTES - (size_t)(where.gva - FAKE_BASE);
	left = where.bytes < left ? where.bytes : left;
	if (type == PROTO_WRITE_MEM) {
		memcpy(fake.mem + (where.gva - FAKE_BASE), body + sizeof(where), left);
		return left < where.bytes ? -EFAULT : 0;
	}
	memcpy(reply, fake.mem + (where.gva - FAKE_BASE), left);
	*n = left;
	return 0;
}

static int fake_set_reg(const void *body)
{
	struct proto_set_reg set;

	memcpy(&set, body, sizeof(set));
	BUG_ON(set.idx >= ARRAY_SIZE(fake_regs) || set.bytes != fake_regs[set.idx].bytes);
	memcpy(fake.reg[set.idx], set.value, set.bytes);
	return 0;
}

static int fake_set_point(const void *body)
{
	struct proto_point p;

	memcpy(&p, body, sizeof(p));
	if (p.is_add && (p.kind > PROTO_POINT_WATCH_WRITE || fake.n_points == 100)) {
		return -ENOTSUP;
	}
	BUG_ON(!p.is_add && fake.n_points == 0);
	fake.n_points += p.is_add ? 1 : (size_t)-1;
	return 0;
}

static size_t fake_pack(uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fake_regs); i++) {
		memcpy(to + n, fake.reg[i], fake_regs[i].bytes);
		n += fake_regs[i].bytes;
	}
	return n;
}

static int fake_serve(enum proto_type type, const void *body, uint8_t *reply, size_t *n,
		      struct errmsg *e)
{
	const struct proto_status status = { .state = fake.state };

	switch (type) {
	case PROTO_GET_STATE:
		memcpy(reply, &status, *n = sizeof(status));
		return 0;
	case PROTO_GET_REG_DESC:
		memcpy(reply, fake_regs, *n = sizeof(fake_regs));
		return 0;
	case PROTO_GET_REGS:
		*n = fake_pack(reply);
		return 0;
	case PROTO_GET_USAGE:
		memset(reply, 0, *n = sizeof(struct proto_usage));
		return 0;
	case PROTO_SET_REG:
		return fake_set_reg(body);
	case PROTO_READ_MEM:
	case PROTO_WRITE_MEM:
		return fake_memory(type, body, reply, n);
	case PROTO_SET_POINT:
		return fake_set_point(body);
	case PROTO_START:
		return fake_go(e, fake.state == PROTO_VM_READY);
	case PROTO_RESUME:
		return fake_go(e, fake.state == PROTO_VM_PAUSED);
	case PROTO_STEP:
		return fake_go(e, fake.state == PROTO_VM_READY || fake.state == PROTO_VM_PAUSED);
	default:
		BUG_ON(type != PROTO_PAUSE);
		return fake.state == PROTO_VM_RUNNING ? 0 : -EBUSY;
	}
}

int launch_vm_request(struct launch_vm *vm, enum proto_type type, const void *body, size_t bytes,
		      int fd, void *reply, size_t reply_max, size_t *ret_bytes, struct errmsg *e)
{
	static struct proto_msg m;
	static uint8_t buf[PROTO_BODY_MAX];
	size_t n = 0;
	int r;

	(void)vm;
	BUG_ON(fd >= 0);
	proto_hdr_init(&m.hdr, type, 1, bytes);
	if (bytes) {
		memcpy(m.body, body, bytes);
	}
	BUG_ON(proto_check(&m, sizeof(m.hdr) + bytes, NULL) < 0);
	fake.n_requests[type]++;
	if (fake.fails_with) {
		return errmsg_set(e, fake.fails_with, "the fake VM is gone");
	}
	r = fake_serve(type, m.body, buf, &n, e);
	if (r < 0) {
		return r;
	}
	BUG_ON(n > reply_max);
	if (n) {
		memcpy(reply, buf, n);
	}
	if (ret_bytes) {
		*ret_bytes = n;
	}
	return 0;
}

#endif

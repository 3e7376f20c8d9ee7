/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions that a guest takes itself are no instructions, and yet it gets on by them: a CPU that does nothing else gives
 * up its turn and meets the limit; limits stay exact for the others, and runs of several CPUs repeatable, however slices cut
 * them. Usage: test_traps BUILD-DIR
 */
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "system/vmtest.h"
#include "unit/test.h"

#define LIMIT	 100003u
#define WALL_NS	 (30 * NS_PER_S)
#define SHORT_NS (NS_PER_MS / 2)
#define LONG_NS	 (10 * NS_PER_MS)

/* The second CPU raises exceptions for ever, the first one ends the machine after a while. */
static const uint32_t one_traps[] = {
	0x02051263, /* bnez a0, trap */
	0x000802b7, /* lui t0, 0x80 */
	0xfff28293, /* again: addi t0, t0, -1 */
	0xfe029ee3, /* bnez t0, again */
	0x00100337, /* lui t1, 0x100 */
	0x000053b7, /* lui t2, 5 */
	0x55538393, /* addi t2, t2, 0x555 */
	0x00732023, /* sw t2, 0(t1) */
	0x0000006f, /* j . */
	0x30501073, /* trap: csrw mtvec, zero */
	0x00000000, /* no instruction; neither is there one at 0 */
};

static const uint32_t only_traps[] = {
	0x30501073, /* csrw mtvec, zero */
	0x00000000,
};

/* Each CPU leaves its mark in the same cell, and calls. */
static const uint32_t all_call[] = {
	0x00000297, /* auipc t0, 0 */
	0x02828313, /* addi t1, t0, handler */
	0x30531073, /* csrw mtvec, t1 */
	0x1002b583, /* loop: ld a1, 256(t0) */
	0x00559613, /* slli a2, a1, 5 */
	0x40b605b3, /* sub a1, a2, a1 */
	0x00a585b3, /* add a1, a1, a0 */
	0x10b2b023, /* sd a1, 256(t0) */
	0x00000073, /* ecall */
	0xfe9ff06f, /* j loop */
	0x34102e73, /* handler: csrr t3, mepc */
	0x004e0e13, /* addi t3, t3, 4 */
	0x341e1073, /* csrw mepc, t3 */
	0x30200073, /* mret */
};

/* Run it on board virt to its end. */
static bool run(const uint32_t *code, size_t bytes, uint32_t n_cpus,
		const struct proto_limits *limits, ns_t slice_ns, struct vmt_end *ret)
{
	static struct vmt_vm t;
	struct launch_options o;
	char path[64];
	bool is_done;
	int fd = vmt_seal(code, bytes);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	vmt_options(&o, "dbt", path);
	snprintf(o.config.board, sizeof(o.config.board), "virt");
	o.config.arch = PROTO_ARCH_RV64;
	o.config.n_cpus = n_cpus;
	o.config.slice_ns = slice_ns;
	o.config.limits.insns = limits->insns;
	o.config.limits.wall_ns = WALL_NS;
	is_done = vmt_launch(&t, &o) && vmt_finish(&t, PROTO_START, ret);
	vmt_done(&t);
	close(fd);
	return is_done;
}

static void others_get_their_turn(void)
{
	static const struct proto_limits none;
	struct vmt_end end;

	if (run(one_traps, sizeof(one_traps), 2, &none, LONG_NS, &end)) {
		CHECK_INT(end.stop.reason, PROTO_STOP_EXIT);
		CHECK_INT(end.stop.code, 0);
	}
}

static void the_limit_ends_it(void)
{
	static const struct proto_limits limits = { .insns = LIMIT };
	struct vmt_end end;

	if (run(only_traps, sizeof(only_traps), 1, &limits, LONG_NS, &end)) {
		CHECK_INT(end.stop.reason, PROTO_STOP_LIMIT);
		CHECK_INT(end.stop.limit, PROTO_LIMIT_INSNS);
		CHECK_INT(end.stop.usage.insns, 1);
		CHECK_STR(end.stop.text,
			  "the guest took as many exceptions as its limit of 100003 instructions");
	}
}

static void limits_are_exact(void)
{
	struct proto_limits limits = { .insns = LIMIT };
	struct vmt_end end;

	for (; limits.insns < LIMIT + 12; limits.insns++) {
		if (run(all_call, sizeof(all_call), 1, &limits, LONG_NS, &end)) {
			CHECK_INT(end.stop.limit, PROTO_LIMIT_INSNS);
			CHECK_INT(end.stop.usage.insns, limits.insns);
		}
	}
}

static void runs_are_the_same(void)
{
	static const struct proto_limits limits = { .insns = 300 * LIMIT };
	static struct vmt_end ends[2];

	if (run(all_call, sizeof(all_call), 3, &limits, LONG_NS, &ends[0]) &&
	    run(all_call, sizeof(all_call), 3, &limits, SHORT_NS, &ends[1])) {
		CHECK_INT(ends[0].stop.usage.insns, limits.insns);
		CHECK(ends[1].stop.usage.slices > 2 * ends[0].stop.usage.slices);
		CHECK(vmt_same_end(&ends[0], &ends[1], "in shorter slices"));
	}
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "others get their turn", others_get_their_turn },
		{ "the limit of instructions ends it", the_limit_ends_it },
		{ "limits are exact", limits_are_exact },
		{ "runs are the same", runs_are_the_same },
	};
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: test_traps BUILD-DIR\n");
		return 2;
	}
	vmt_init(argv[1]);
	r = test_main(cases, ARRAY_SIZE(cases));
	return r ? r : vmt_failures != 0;
}

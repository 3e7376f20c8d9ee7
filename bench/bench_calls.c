/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operations of the VM interface cost a controller: wall time from the request to its
 * reply, socket, jail and the other process included. The guest is an endless loop. Operations
 * that end with an event (step, slice) are timed until the event.
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "bench/bench_vm.h"

#define STEPS_PER_CALL 1000

/* A VM under test, and the last thing that went wrong with it. */
struct subject {
	struct launch_vm vm;
	struct bench_vm_run run;
	struct errmsg e;
	uint8_t reply[PROTO_BODY_MAX];
	int context_fd;
};

static int request(struct subject *s, enum proto_type type, const void *body, size_t bytes, int fd)
{
	size_t got = 0;

	return launch_vm_request(&s->vm, type, body, bytes, fd, s->reply, sizeof(s->reply), &got,
				 &s->e);
}

static int await_event(struct subject *s)
{
	return bench_vm_wait_stop(&s->vm, &s->run, &s->e);
}

static int op_get_state(struct subject *s)
{
	return request(s, PROTO_GET_STATE, NULL, 0, -1);
}

static int op_get_regs(struct subject *s)
{
	return request(s, PROTO_GET_REGS, NULL, 0, -1);
}

static int op_get_usage(struct subject *s)
{
	return request(s, PROTO_GET_USAGE, NULL, 0, -1);
}

static int op_read_mem(struct subject *s)
{
	struct proto_mem m = { .gva = s->vm.ready.ram_base_gpa, .bytes = 4096, .is_physical = 1 };

	return request(s, PROTO_READ_MEM, &m, sizeof(m), -1);
}

static int op_write_mem(struct subject *s)
{
	struct {
		struct proto_mem m;
		uint8_t bytes[4096];
	} body = { .m = { .gva = s->vm.ready.ram_base_gpa, .bytes = 4096, .is_physical = 1 } };

	return request(s, PROTO_WRITE_MEM, &body, sizeof(body), -1);
}

static int op_resume_pause(struct subject *s)
{
	int r = request(s, PROTO_RESUME, NULL, 0, -1);

	r = r < 0 ? r : request(s, PROTO_PAUSE, NULL, 0, -1);
	return r < 0 ? r : await_event(s);
}

static int step(struct subject *s, uint64_t insns)
{
	struct proto_step body = { .insns = insns };
	int r = request(s, PROTO_STEP, &body, sizeof(body), -1);

	return r < 0 ? r : await_event(s);
}

static int op_step(struct subject *s)
{
	return step(s, 1);
}

static int op_steps(struct subject *s)
{
	return step(s, STEPS_PER_CALL);
}

static int op_slice(struct subject *s)
{
	int r = request(s, PROTO_SLICE, NULL, 0, -1);

	return r < 0 ? r : await_event(s);
}

static int op_save(struct subject *s)
{
	if (ftruncate(s->context_fd, 0) < 0 || lseek(s->context_fd, 0, SEEK_SET) < 0) {
		return -1;
	}
	return request(s, PROTO_SAVE_CONTEXT, NULL, 0, s->context_fd);
}

/* A VM loads only what nobody can change meanwhile. */
static int op_load(struct subject *s)
{
	if (!(fcntl(s->context_fd, F_GET_SEALS) & F_SEAL_SEAL) &&
	    fcntl(s->context_fd, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		return -1;
	}
	return request(s, PROTO_LOAD_CONTEXT, NULL, 0, s->context_fd);
}

static const struct {
	const char *name;
	int (*fn)(struct subject *s);
	unsigned int rounds;
} ops[] = {
	{ "get state", op_get_state, 60 },
	{ "get_resource_usage", op_get_usage, 60 },
	{ "get all registers", op_get_regs, 60 },
	{ "read 4 KiB of memory", op_read_mem, 60 },
	{ "write 4 KiB of memory", op_write_mem, 60 },
	{ "resume, then pause", op_resume_pause, 60 },
	{ "run_one_instruction", op_step, 60 },
	{ "run 1000 instructions", op_steps, 5 },
	{ "run_one_slice, 0.5 ms", op_slice, 60 },
	{ "save_context, 16 MiB guest", op_save, 10 },
	{ "load_context, 16 MiB guest", op_load, 10 }, /* last: it seals what the other writes */
};

/* Stopped in the middle of its loop: a guest that has been running. */
static int bring_up(const struct bench_env *env, const char *engine, const char *guest,
		    struct subject *s)
{
	struct launch_options o;
	char path[BENCH_PATH];
	int r;

	bench_vm_options(env, engine, guest, path, &o);
	o.config.limits.mem_bytes = 16 << 20;
	o.config.slice_ns = 500 * NS_PER_US;
	r = launch_vm(&o, &s->vm, &s->e);
	r = r < 0 ? r : request(s, PROTO_START, NULL, 0, -1);
	r = r < 0 ? r : request(s, PROTO_PAUSE, NULL, 0, -1);
	return r < 0 ? r : await_event(s);
}

/* Microseconds; NAN when it failed, and the reason is printed. */
static double time_op(struct subject *s, size_t op)
{
	struct bench_series us = { 0 };

	for (unsigned int i = 0; i < ops[op].rounds; i++) {
		double before_ms = bench_clock_ms(CLOCK_MONOTONIC);

		if (ops[op].fn(s) < 0) {
			fprintf(stderr, "%s: %s\n", ops[op].name, s->e.text);
			return NAN;
		}
		bench_add(&us, (bench_clock_ms(CLOCK_MONOTONIC) - before_ms) * 1e3);
	}
	return bench_median(&us);
}

static void bench_guest(const struct bench_env *env, const char *engine, const char *guest,
			double ret_us[ARRAY_SIZE(ops)])
{
	static struct subject s; /* large */

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		ret_us[i] = NAN;
	}
	memset(&s, 0, sizeof(s));
	s.context_fd = memfd_create("context", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s.context_fd < 0 || bring_up(env, engine, guest, &s) < 0) {
		fprintf(stderr, "%s on %s: %s\n", guest, engine, s.e.text);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
			ret_us[i] = time_op(&s, i);
		}
	}
	launch_vm_done(&s.vm);
	if (s.context_fd >= 0) {
		close(s.context_fd);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *engine, *guest;
	} guests[] = {
		{ "unicorn", "arm64/endless.elf" },
		{ "unicorn", "x64/endless.elf" },
		{ "kvm", "x64-ring3/endless.elf" },
	};
	double us[ARRAY_SIZE(guests)][ARRAY_SIZE(ops)];
	struct bench_table t = { 0 };
	struct bench_env env;
	bool has_kvm;
	char c[3][32];

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	has_kvm = bench_vm_has_kvm(&env);
	for (size_t g = 0; g < ARRAY_SIZE(guests); g++) {
		if (guests[g].engine[0] != 'k' || has_kvm) {
			bench_guest(&env, guests[g].engine, guests[g].guest, us[g]);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
			us[g][i] = NAN;
		}
	}
	printf("operations of the VM interface, wall us\n");
	bench_row(&t, "operation|unicorn arm64|unicorn x64|kvm x64 ring 3");
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		bench_row(&t, "%s|%s|%s|%s", ops[i].name, bench_figure(c[0], us[0][i], 0),
			  bench_figure(c[1], us[1][i], 0), bench_figure(c[2], us[2][i], 0));
	}
	bench_print(&t);
	return EXIT_SUCCESS;
}

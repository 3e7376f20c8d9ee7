/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the engine `unicorn` share. */
#ifndef PINFOLD_TESTS_UNIT_TEST_ENGINE_UNICORN_RIG_H
#define PINFOLD_TESTS_UNIT_TEST_ENGINE_UNICORN_RIG_H

#include <signal.h>
#include <time.h>

#include "engine/unicorn/unicorn_engine.h"
#include "test_engine_guests.h"
#include "test_engine_unicorn.h"

#define DATA_GPA (RAM_GPA + 0x1000)

static const struct engine_host host = { .kvm_fd = -1 };
static struct rig g;

static inline void begin(const struct guest *guest, const struct guest_code *c, uint64_t r2)
{
	if (rig_open(&g, &unicorn_engine_ops, guest->arch, guest->mode, &host) < 0) {
		printf("%s: %s\n", guest->name, g.e.text);
		exit(1);
	}
	rig_code(&g, 0, c->code, c->n);
	rig_reg_set(&g, guest->r1, DATA_GPA);
	rig_reg_set(&g, guest->r2, r2);
}

static inline void begin_bytes(const char *arch, struct cpu_mode mode, const void *code, size_t n)
{
	if (rig_open(&g, &unicorn_engine_ops, arch, mode, &host) < 0) {
		printf("%s: %s\n", arch, g.e.text);
		exit(1);
	}
	rig_code(&g, 0, code, n);
}

static inline const struct guest *guest_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		if (strcmp(guests[i].name, name) == 0) {
			return &guests[i];
		}
	}
	abort();
}

static struct engine *volatile kick_target;
static timer_t timer;

static inline void on_timer(int signo)
{
	(void)signo;
	if (kick_target) {
		kick_target->ops->kick(kick_target, NULL);
	}
}

static inline void arm_timer(long after_ns)
{
	struct itimerspec when = { .it_value.tv_nsec = after_ns,
				   .it_interval.tv_nsec = after_ns ? 1000000 : 0 };

	timer_settime(timer, 0, &when, NULL);
}

/* Run until kicked, after a time that differs each round. */
static inline struct vm_exit run_kicked(uint64_t max_insns, int round)
{
	struct vm_exit x;

	kick_target = g.eng;
	arm_timer(20000 + (round * 7919) % 100000);
	x = rig_run(&g, max_insns);
	arm_timer(0);
	kick_target = NULL;
	CHECK_STR(vm_exit_kind_name(x.kind), "kicked");
	return x;
}

/*
 * After run_kicked(): its timer may have struck once more between the end of that run and its
 * disarming. Such a kick ends this run at once, and nothing more.
 */
static inline struct vm_exit run_on(uint64_t max_insns)
{
	struct vm_exit x = rig_run(&g, max_insns);

	return x.kind == VM_EXIT_KICKED && x.insns == 0 ? rig_run(&g, max_insns) : x;
}

static inline void check_counters(const struct guest *guest)
{
	uint32_t m[3];

	memcpy(m, g.ram + 0x1000, sizeof(m));
	if (m[0] - m[1] > 1 || m[1] - m[2] > 1 || m[0] - m[2] > 1) {
		printf("%s: counters %u %u %u\n", guest->name, m[0], m[1], m[2]);
		test_failures++;
	}
}

/** main() of such a test. */
static inline int unicorn_main(const struct test_case *cases, size_t n_cases)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct sigaction sa = { .sa_handler = on_timer };
	struct engine_probe probe;
	struct cpu_mode mode = { 0 };

	if (unicorn_engine_ops.probe(cpu_arch_by_name("x86"), &mode, &host, &probe) < 0) {
		printf("skipped: %s\n", probe.detail);
		return 77;
	}
	sigaction(SIGALRM, &sa, NULL);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	return test_main(cases, n_cases);
}

#endif

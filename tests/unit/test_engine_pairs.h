/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the engine contract share: each runs on every pair of guest and engine. */
#ifndef PINFOLD_TESTS_UNIT_TEST_ENGINE_PAIRS_H
#define PINFOLD_TESTS_UNIT_TEST_ENGINE_PAIRS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "engine/trap/trap_engine.h"
#include "stub_engine.h"
#include "test_engine_guests.h"
#include "test_engine_unicorn.h"

#define DATA_GPA  (RAM_GPA + 0x1000)
#define SUM_N	  10
#define SUM_INSNS (4 * SUM_N + 1) /* with the halt */

static const struct engine_ops *ops;
static const struct guest *guest;
static struct engine_host host = { .kvm_fd = -1 };
static struct rig g;

static inline void begin(const struct guest_code *c, uint64_t r2)
{
	if (rig_open(&g, ops, guest->arch, guest->mode, &host) < 0) {
		printf("%s %s: %s\n", ops->name, guest->name, g.e.text);
		exit(1);
	}
	rig_code(&g, 0, c->code, c->n);
	rig_reg_set(&g, guest->r1, DATA_GPA);
	rig_reg_set(&g, guest->r2, r2);
}

static inline void set_pc(gva_t pc)
{
	struct cpu_state s = rig_get(&g);

	g.arch->set_pc(&s, pc | (guest->mode.is_thumb ? 1 : 0));
	rig_set(&g, &s);
}

static struct engine *volatile kick_target;

static inline void on_timer(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)info;
	if (kick_target) {
		kick_target->ops->kick(kick_target, uc);
	}
}

static inline void arm_timer(timer_t t, long after_ns)
{
	struct itimerspec when = { .it_value.tv_nsec = after_ns, .it_interval.tv_nsec = 1000000 };

	if (after_ns == 0) {
		when.it_interval.tv_nsec = 0;
	}
	timer_settime(t, 0, &when, NULL);
}

#define KICKS 300

/* Each counter is at most one behind the one before it, wherever the guest is stopped. */
static inline void check_counters(void)
{
	uint32_t m[3];

	memcpy(m, g.ram + 0x1000, sizeof(m));
	CHECK(m[0] - m[1] <= 1 && m[1] - m[2] <= 1 && m[0] - m[2] <= 1);
}

/* Each stop must be exact; @p prepare sets the engine up, or is NULL. */
static inline void check_kicks(void (*prepare)(void))
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	/* Engines that translate have no stack for signals. */
	static uint8_t stack_bytes[65536];
	stack_t stack = { .ss_sp = stack_bytes, .ss_size = sizeof(stack_bytes) };
	struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct vm_exit x;
	timer_t t;

	sigaltstack(&stack, NULL);
	sigaction(SIGALRM, &sa, NULL);
	timer_create(CLOCK_MONOTONIC, &ev, &t);
	begin(&guest->counters, 0);
	if (prepare) {
		prepare();
	}
	kick_target = g.eng;
	for (int i = 0; i < KICKS && test_failures == 0; i++) {
		arm_timer(t, 20000 + (i * 7919) % 100000);
		x = rig_run(&g,
			    i % 3 == 2 && (g.eng->caps & ENGINE_CAP_INSN_COUNT) ? 1ULL << 40 : 0);
		arm_timer(t, 0);
		CHECK_STR(vm_exit_kind_name(x.kind), "kicked");
		check_counters();
	}
	kick_target = NULL;
	timer_delete(t);
	rig_close(&g);
}

/* @return 1 if the pair was tested */
static inline int test_pair(const struct test_case *cases, size_t n_cases)
{
	const struct cpu_arch *arch = cpu_arch_by_name(guest->arch);
	struct engine_probe probe;

	if (ops->probe(arch, &guest->mode, &host, &probe) < 0) {
		printf("-- %s on %s: not here: %s\n", guest->name, ops->name, probe.detail);
		return 0;
	}
	printf("-- %s on %s\n", guest->name, ops->name);
	test_main(cases, n_cases);
	return 1;
}

/** main() of such a test. */
static inline int pairs_main(const struct test_case *cases, size_t n_cases)
{
	int tested = 0;

#ifdef __riscv
	trap_do_without(TRAP_WITHOUT_FILTER); /* user-mode emulation has none */
#endif
	host.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	for (size_t n = 0; n < ARRAY_SIZE(guests); n++) {
		guest = &guests[n];
		ops = &stub_engine_ops;
		tested += test_pair(cases, n_cases);
		for (size_t i = 0; i < engine_count; i++) {
			ops = engine_table[i];
			tested += test_pair(cases, n_cases);
		}
	}
	printf("%d pairs of guest and engine\n", tested);
	return test_failures || tested == 0 ? 1 : 0;
}

#endif

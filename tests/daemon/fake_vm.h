/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for a VM process: it keeps to the slice protocol with the real gate (vm/gate.h), spins
 * where a guest would run, notes when it did, and misbehaves when told to. And a dispatcher around
 * a few of them, for tests and the benchmark.
 */
#ifndef PINFOLD_TESTS_FAKE_VM_H
#define PINFOLD_TESTS_FAKE_VM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bits.h"

#define FAKE_TURNS_MAX 65536u

enum fake_mode {
	FAKE_GOOD,
	FAKE_BLOCKED,  /* has nothing to do */
	FAKE_BURSTS,   /* blocks after each millisecond, until it is woken */
	FAKE_HANG,     /* once it runs: reacts to nothing */
	FAKE_DEAF,     /* reacts to a signal only */
	FAKE_FORGE,    /* says that it parks, and spins on */
	FAKE_ROGUE,    /* runs without a grant */
	FAKE_STRAY,    /* moves itself to another core */
	FAKE_SPAM,     /* writes its eventfd without end */
	FAKE_NONSENSE, /* writes nonsense to its ack page, and its eventfd */
	FAKE_NAP, /* sleeps at the end of its slice before it parks: its successor gets the core */
	FAKE_LINGER, /* some times, having parked, it takes longer to fall asleep than others have slices */
	FAKE_LEAVE, /* its vCPU thread ends where it runs; its process does not */
};

/** A stretch of execution. */
struct fake_turn {
	ns_t start_ns, stop_ns; /* monotonic */
	ns_t cpu_ns;
	uint64_t epoch;
};

/** What it notes, in memory shared with the test. */
struct fake_log {
	_Atomic uint32_t mode;
	_Atomic uint64_t work;	  /* units done */
	_Atomic uint64_t n_turns; /* the last FAKE_TURNS_MAX are kept */
	_Atomic uint64_t n_attached;
	_Atomic ns_t alive_ns; /* last time it executed */
	_Atomic ns_t begun_ns; /* start of the last turn, which may be under way */
	struct fake_turn turn[FAKE_TURNS_MAX];
};

/** A request to the process; with FAKE_ATTACH come three descriptors. */
enum fake_request { FAKE_ATTACH = 'A', FAKE_SET_MODE = 'M', FAKE_WAKE = 'W', FAKE_FILL = 'F' };

struct fake_packet {
	uint32_t request;
	uint32_t
		arg; /* FAKE_SET_MODE: enum fake_mode; FAKE_FILL: MiB of memory to use from now on */
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How benches with fake VMs (tests/daemon/fake_vm_rig.h) begin. */
#ifndef PINFOLD_BENCH_FAKES_H
#define PINFOLD_BENCH_FAKES_H

#include <stdbool.h>

#include "fake_vm_rig.h"

/** What the command line says: BUILD-DIRECTORY [--quick] [--json]. */
struct fakes {
	char program[4096]; /* of a fake VM */
	bool is_quick, is_json;
};

/**
 * Read the command line, and see whether this machine can have real-time threads. It says why not, if so.
 * @return 0, or the program's exit status
 */
int fakes_begin(struct fakes *f, struct rig *rig, int argc, char **argv);

#endif

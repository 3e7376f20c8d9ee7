/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running VMs the way `pinfold run` does: launched, jailed and driven over the socket. */
#ifndef PINFOLD_BENCH_BENCH_VM_H
#define PINFOLD_BENCH_BENCH_VM_H

#include <stdbool.h>

#include "base/errmsg.h"
#include "bench/bench.h"
#include "launch/launch.h"

/** What became of a VM that ran to its end. */
struct bench_vm_run {
	struct proto_stopped stopped;
	double process_ms; /* CPU time of the VM process, start to end */
	/* Resident when the guest had ended: private, of files, of guest RAM and image. */
	double anon_mib, file_mib, shmem_mib;
	uint64_t trace_bytes;
	char output[8192]; /* start of the console output, NUL-terminated */
};

/**
 * Defaults for a guest of the build directory.
 * @param path   keeps the image path, as long as the options are used
 * @param engine "unicorn", "kvm"
 * @param guest  file under guests/, e.g. "x64/sum.elf"
 */
void bench_vm_options(const struct bench_env *env, const char *engine, const char *guest,
		      char path[BENCH_PATH], struct launch_options *ret);

/**
 * Launch a VM, let it run to its end, throw it away.
 * @return 0; negative errno with a sentence, also when the guest did not end by itself
 */
int bench_vm_run(const struct launch_options *o, struct bench_vm_run *ret, struct errmsg *e);

/** The same with text that waits at the console; NULL: none. */
int bench_vm_run_input(const struct launch_options *o, const char *input, struct bench_vm_run *ret,
		       struct errmsg *e);

/**
 * Wait for the next stop event; console output and the trace are read meanwhile.
 * @param run output and trace_bytes are added to; may not be NULL
 */
int bench_vm_wait_stop(struct launch_vm *vm, struct bench_vm_run *run, struct errmsg *e);

/** Whether this host runs the guest on KVM at all; why not is printed. */
bool bench_vm_has_kvm(const struct bench_env *env);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engines can do on this host; see probe.h. */
#include "vm/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "engine/engine.h"

struct cap_name {
	uint64_t cap;
	const char *name;
};

static const struct cap_name cap_names[] = {
	{ ENGINE_CAP_HW, "hardware" },
	{ ENGINE_CAP_INSN_COUNT, "count" },
	{ ENGINE_CAP_STEP, "step" },
	{ ENGINE_CAP_BREAKPOINTS, "breakpoints" },
	{ ENGINE_CAP_FP, "fp" },
	{ ENGINE_CAP_SIMD, "simd" },
	{ ENGINE_CAP_EXEC_PERM, "exec-perm" },
	{ ENGINE_CAP_NO_WX, "no-wx" },
};

static void print_caps(uint64_t caps)
{
	const char *gap = "";

	for (size_t i = 0; i < ARRAY_SIZE(cap_names); i++) {
		if (caps & cap_names[i].cap) {
			printf("%s%s", gap, cap_names[i].name);
			gap = " ";
		}
	}
}

static void print_pair(const struct cpu_arch *arch, const struct engine_ops *ops, int kvm_fd)
{
	const struct cpu_mode mode = { 0 };
	const struct engine_host host = { .kvm_fd = kvm_fd };
	struct engine_probe p = { 0 };
	int r = ops->probe(arch, &mode, &host, &p);

	printf("%s\t%s\t%d\t%u\t", arch->name, ops->name, -r, p.speed);
	print_caps(r == 0 ? p.caps : 0);
	printf("\t%s\n", p.detail);
}

int probe_print(void)
{
	_cleanup_close_ int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < cpu_arch_count; i++) {
		for (size_t k = 0; k < engine_count; k++) {
			print_pair(cpu_arch_table[i], engine_table[k], kvm_fd);
		}
	}
	return fflush(stdout) == EOF ? -errno : 0;
}

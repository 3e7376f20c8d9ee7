/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest architectures as the command line names them. */
#include "cli/arch.h"

#include <string.h>

#include "base/bits.h"

const struct arch_name arch_names[] = {
	{ PROTO_ARCH_X86, "x86", { "i386", "i686" } },
	{ PROTO_ARCH_X64, "x64", { "amd64", "x86_64", "x86-64" } },
	{ PROTO_ARCH_ARM, "arm", { "arm32", "armv7" } },
	{ PROTO_ARCH_A64, "arm64", { "aarch64" } },
	{ PROTO_ARCH_RV64, "riscv64", { "riscv", "rv64" } },
};
const size_t arch_names_count = ARRAY_SIZE(arch_names);

const struct arch_name *arch_by_name(const char *name)
{
	for (size_t i = 0; i < arch_names_count; i++) {
		const struct arch_name *a = &arch_names[i];

		if (strcmp(a->name, name) == 0) {
			return a;
		}
		for (size_t k = 0; k < ARRAY_SIZE(a->alias) && a->alias[k]; k++) {
			if (strcmp(a->alias[k], name) == 0) {
				return a;
			}
		}
	}
	return NULL;
}

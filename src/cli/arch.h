/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest architectures as the command line names them. */
#ifndef PINFOLD_CLI_ARCH_H
#define PINFOLD_CLI_ARCH_H

#include <stddef.h>

#include "proto/proto.h"

/** One architecture. */
struct arch_name {
	enum proto_arch id;
	const char *name;     /* "x64" */
	const char *alias[3]; /* also accepted, up to the first NULL */
};

/** All, in order of id. */
extern const struct arch_name arch_names[];
extern const size_t arch_names_count;

/** @return the architecture of that name, or NULL */
const struct arch_name *arch_by_name(const char *name);

#endif

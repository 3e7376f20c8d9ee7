/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's cores and the roles they would have (docs/design.md, section 5). */
#ifndef PINFOLD_CLI_CORES_H
#define PINFOLD_CLI_CORES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/errmsg.h"

#define CORES_MAX 1024

/** Roles; a core can have several. */
#define CORE_CONTROL	  1u
#define CORE_HOUSEKEEPING 2u
#define CORE_POOL	  4u

/** One logical CPU that this process may use. */
struct core {
	unsigned int id;
	unsigned int roles;
	unsigned int physical; /* the same for threads of one core */
	char siblings[32];     /* logical CPUs of the same physical core, as Linux lists them */
};

/** The cores that this process may use, in order. */
struct cores {
	size_t n_online; /* of the machine */
	size_t n;
	struct core core[CORES_MAX];
};

/** Look at the machine and plan roles. @return 0; negative errno */
int cores_plan(struct cores *ret, struct errmsg *e);

/** @return "control", "housekeeping", "pool", or several of them */
const char *cores_roles_name(unsigned int roles);

#endif

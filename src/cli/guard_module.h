/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the guard's module is here, and what to do to have it; for "doctor" and "guard status". */
#ifndef PINFOLD_CLI_GUARD_MODULE_H
#define PINFOLD_CLI_GUARD_MODULE_H

#include <jansson.h>
#include <stdbool.h>

/** Where "cmake --install" puts the sources, with the version behind it. */
#define GUARD_SOURCE_PATH "/usr/src/pinfold-guard-"

/** What was found. */
struct guard_module {
	bool is_loaded;
	bool is_built;	  /**< for the kernel that runs */
	bool has_source;  /**< in GUARD_SOURCE_PATH */
	bool has_headers; /**< of the kernel that runs */
	bool has_dkms;
	bool has_key;	     /**< there is a key file; its text is not looked at */
	bool is_signed_only; /**< the kernel takes signed modules only */
};

/**
 * Look.
 * @param root what stands before every path: "" but in tests
 * @param release of the kernel that runs
 */
void guard_module_look(const char *root, const char *release, struct guard_module *ret);

/** What to do next, or "": nothing. */
const char *guard_module_next(const struct guard_module *m);

/** For programs. @return a new reference; NULL: out of memory */
json_t *guard_module_json(const struct guard_module *m);

/** One line for each, with what to do. */
void guard_module_print(const struct guard_module *m);

#endif

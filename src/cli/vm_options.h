/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options that say what a guest is and how it is run: the same names and the same checks for
 * `pinfold run` and for `pinfold create`. Every value is checked as far as that needs no knowledge of
 * the guest.
 */
#ifndef PINFOLD_CLI_VM_OPTIONS_H
#define PINFOLD_CLI_VM_OPTIONS_H

#include <argp.h>
#include <jansson.h>

#include "base/errmsg.h"
#include "proto/proto.h"

/** Priorities are 0 (last) to this. */
#define VM_PRIO_MAX 7

/** For argp, groups 1 (image and CPU) and 2 (engine and limits); ends with { 0 }. Keys: 256 to 511. */
extern const struct argp_option vm_options_table[];

/**
 * Take one option.
 * @return 0; ARGP_ERR_UNKNOWN when it is none of the table; -EINVAL with a sentence that names it
 */
int vm_options_take(int key, const char *arg, struct proto_config *c, struct errmsg *e);

/** Take one of a guest's own arguments; they are joined by blanks. @return 0; -EINVAL */
int vm_options_take_guest_arg(struct proto_config *c, const char *arg, struct errmsg *e);

/** A text without control characters into a fixed field. @return 0; -EINVAL naming @p option */
int vm_options_text(char *to, size_t size, const char *text, const char *option, struct errmsg *e);

/** A slice length in its bounds. @return 0; -EINVAL naming --slice */
int vm_options_slice(const char *arg, uint64_t *ret_ns, struct errmsg *e);

/** A priority in its bounds. @return 0; -EINVAL naming --prio */
int vm_options_prio(const char *arg, uint64_t *ret, struct errmsg *e);

/** A limit in time, not 0. @return 0; -EINVAL naming @p option */
int vm_options_limit_ns(const char *arg, const char *option, uint64_t *ret_ns, struct errmsg *e);

/** A limit in instructions, not 0. @return 0; -EINVAL naming --limit-insns */
int vm_options_insns(const char *arg, uint64_t *ret, struct errmsg *e);

/** The file name of a path, cut where it does not fit. */
void vm_options_base_name(const char *path, char *to, size_t size);

/**
 * The same as members of a VmSpec for the daemon (docs/openapi.json); what was not said is left out.
 * @return 0; -ENOMEM
 */
int vm_options_to_spec(const struct proto_config *c, json_t *spec);

#endif

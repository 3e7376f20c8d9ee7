/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values of a VmSpec: type, range and form are checked here. */
#ifndef PINFOLD_DAEMON_SPEC_INTERNAL_H
#define PINFOLD_DAEMON_SPEC_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** Say what is wrong; the caller puts the field's name in front. */
#define REFUSE(e, ...) errmsg_set(e, -EINVAL, __VA_ARGS__)

/** A text of at most @p max bytes without control characters; the rest of @p ret is zeros. */
int spec_read_text(const json_t *v, char *ret, size_t max, struct errmsg *e);
/** A word of lower-case letters, digits and "-_". */
int spec_read_word(const json_t *v, char *ret, size_t max, struct errmsg *e);
/** A number, or a text with one (JSON numbers end at 2^63). */
int spec_read_u64(const json_t *v, uint64_t min, uint64_t max, uint64_t *ret, struct errmsg *e);
/** A SHA-256 in hexadecimal, of SPEC_HASH_MAX digits. */
int spec_read_hash(const json_t *v, char *ret, struct errmsg *e);
/** True or false. */
int spec_read_bool(const json_t *v, bool *ret, struct errmsg *e);

struct vm_spec;

/** One field: how it is read into a spec, and how it is written (NULL: says nothing). */
struct spec_field {
	const char *name;
	int (*read)(const json_t *v, struct vm_spec *s, struct errmsg *e);
	json_t *(*write)(const struct vm_spec *s);
};

/** All of them (spec_fields.c). */
extern const struct spec_field spec_fields[];
extern const size_t spec_n_fields;

/** The list of disks (spec_disks.c). */
int spec_disks_read(const json_t *v, struct vm_spec *s, struct errmsg *e);
/** @return NULL: there are none */
json_t *spec_disks_write(const struct vm_spec *s);

#endif

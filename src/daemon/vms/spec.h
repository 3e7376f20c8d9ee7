/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM is made from, as JSON (API, state store) and taken apart. One reader, one writer, used for
 * POST /v1/vms, for the rows of the store and for snapshots. Fields: docs/openapi.json, VmSpec.
 */
#ifndef PINFOLD_DAEMON_SPEC_H
#define PINFOLD_DAEMON_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "proto/proto.h"

#define SPEC_NAME_MAX 63
#define SPEC_HASH_MAX 64 /* SHA-256, hexadecimal */
#define SPEC_CORE_ANY UINT16_MAX

/** A VM before it runs. */
struct vm_spec {
	char name[SPEC_NAME_MAX + 1]; /**< letters, digits, . _ -; not first . or - */
	char image[SPEC_HASH_MAX +
		   1]; /**< content hash of an uploaded image, or "" (context only) */
	char context[SPEC_HASH_MAX +
		     1]; /**< content hash of an uploaded context to start from, or "" */
	bool is_kvm_allowed;
	uint8_t prio; /**< 0 to 7 */
	bool is_exclusive;
	uint16_t host_core; /**< wanted exclusive core, or SPEC_CORE_ANY */
	struct proto_config
		config; /**< arch, engine, board, image_name, flags, load, entry, slice, limits, sets, args */
};

/** Fill with what a VM has that says nothing: engine auto, board bare, 10 ms, priority 3, 64 MiB... */
void spec_defaults(struct vm_spec *s);

/**
 * Take a JSON object apart; every unknown field, wrong type or value out of range is refused with a
 * sentence that names the field.
 * @return 0; -EINVAL; @p ret untouched then
 */
int spec_from_json(const json_t *o, struct vm_spec *ret, struct errmsg *e);

/** The JSON object; spec_from_json() reads it back to the same. @return a new reference, or NULL */
json_t *spec_to_json(const struct vm_spec *s);

#endif

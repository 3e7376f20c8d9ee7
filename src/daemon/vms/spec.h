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
#include "base/net_options.h"
#include "proto/proto.h"

#define SPEC_NAME_MAX	    63
#define SPEC_HASH_MAX	    64 /* SHA-256, hexadecimal */
#define SPEC_CORE_ANY	    UINT16_MAX
#define SPEC_DISK_MAX_BYTES (1ULL << 30)

/** A disk: an uploaded image that is only read (config.disks_ro), or the base of a disk of the VM's own. */
struct spec_disk {
	char image[SPEC_HASH_MAX + 1];
	char name[64];	     /**< file name, for people; or "" */
	uint64_t bytes;	     /**< 0: not known yet; vms_create() finds it out */
	uint64_t room_bytes; /**< how much of a disk of its own may differ from the image; 0: all */
	bool is_snapshot;    /**< every start begins with the image again */
};

/** A VM before it runs. */
struct vm_spec {
	char name[SPEC_NAME_MAX + 1]; /**< letters, digits, . _ -; not first . or - */
	char image[SPEC_HASH_MAX +
		   1]; /**< content hash of an uploaded image, or "" (context only) */
	char context[SPEC_HASH_MAX +
		     1]; /**< content hash of an uploaded context to start from, or "" */
	char kernel[SPEC_HASH_MAX +
		    1]; /**< content hash of what the board boots as its firmware, or "" */
	char initrd[SPEC_HASH_MAX + 1]; /**< its initial RAM disk, or "" */
	uint32_t n_disks;
	struct spec_disk disks[PROTO_DISKS_MAX];
	char net[NET_OPTIONS_TEXT_MAX + 1]; /**< as after --net, or "" */
	bool is_kvm_allowed;
	uint8_t prio; /**< 0 to 7 */
	bool is_exclusive;
	uint16_t host_core; /**< wanted exclusive core, or SPEC_CORE_ANY */
	struct proto_config
		config; /**< arch, engine, board, n_cpus, disks_ro, image_name, flags, load, entry, slice, limits, sets, args */
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

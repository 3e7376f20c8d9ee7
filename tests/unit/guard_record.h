/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the guard's log as its format says, for tests of what reads them. */
#ifndef PINFOLD_TESTS_UNIT_GUARD_RECORD_H
#define PINFOLD_TESTS_UNIT_GUARD_RECORD_H

#include <endian.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "uapi/pinfold_guard.h"

/** The hash that record 1 carries in the place of one before it. */
static inline void guard_record_begin(uint64_t instance, uint8_t ret[32])
{
	uint64_t le = htole64(instance);

	crypto_hash_sha256(ret, (const uint8_t *)&le, sizeof(le));
}

/** Make the hash of a record right. */
static inline void guard_record_seal(struct pinfold_guard_record *r)
{
	crypto_hash_sha256(r->hash, (const uint8_t *)r,
			   offsetof(struct pinfold_guard_record, hash));
}

/** Make @p n records that follow from @p prev. */
static inline void guard_record_chain(struct pinfold_guard_record *r, size_t n, uint64_t first,
				      const uint8_t prev[32])
{
	for (size_t i = 0; i < n; i++) {
		r[i] = (struct pinfold_guard_record){
			.magic = htole32(PINFOLD_GUARD_RECORD_MAGIC),
			.revision = htole16(PINFOLD_GUARD_REVISION),
			.kind = htole16((uint16_t)(1 + i % (PINFOLD_GUARD_LOG_KINDS_END - 1))),
			.seq = htole64(first + i),
			.boot_ns = htole64(1000 * i),
			.real_ns = htole64(1800000000000000000ULL + 1000000000ULL * i),
			.count = htole32((uint32_t)(1 + i % 3)),
			.terminal = (uint8_t)(i % 2 ? 'A' : 0),
			.channel = (uint8_t)(i % 2 ? 's' : 0),
			.text = "kill 7",
		};
		memcpy(r[i].prev, i ? r[i - 1].hash : prev, 32);
		guard_record_seal(&r[i]);
	}
}

#endif

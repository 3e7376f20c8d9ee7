/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows to fill a store with, and a digest of all that it holds. Included by tests of the store. */
#ifndef PINFOLD_TESTS_DAEMON_STORE_ROWS_H
#define PINFOLD_TESTS_DAEMON_STORE_ROWS_H

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "daemon/store/store_internal.h"
#include "temp_dir.h"

#define DIGEST_BYTES 32u

static inline struct store_change change_user(enum store_op op, uint64_t uid, uint64_t vms)
{
	return (struct store_change){ op,
				      { STORE_USER,
					.user = { uid, "someone", STORE_ROLE_USER, vms, 4, 1u << 30,
						  1, 500, 16, 1u << 30 } } };
}

static inline struct store_change change_ban(enum store_op op, uint64_t uid)
{
	return (struct store_change){ op, { STORE_BAN, .ban = { uid, 0, 77, "mining" } } };
}

static inline struct store_change change_vm(enum store_op op, const char *id, uint64_t owner)
{
	return (struct store_change){ op,
				      { STORE_VM, .vm = { id, id, owner, "c0ffee",
							  "/images/hello.elf", "{\"ram\":1048576}",
							  3, 10000000, 0, STORE_NONE, 123 } } };
}

static inline struct store_change change_alloc(enum store_op op, const char *vm, uint64_t core,
					       uint64_t epoch)
{
	return (struct store_change){ op, { STORE_ALLOC, .alloc = { vm, 0, core, epoch, 1 } } };
}

static inline struct store_change change_run(enum store_op op, uint64_t run, const char *vm)
{
	return (struct store_change){ op,
				      { STORE_RUN,
					.run = { run, vm, vm, 1000, 5, 9, "stopped", "x64",
						 "unicorn", 6, 42, 100, 200, 3, 4096 } } };
}

static inline struct store_change change_fault(enum store_op op, const char *vm, uint64_t run)
{
	return (struct store_change){ op,
				      { STORE_FAULT,
					.fault = { vm, run, 3, 0, "{\"pc\":\"0x80000000\"}",
						   "{\"a0\":\"0x13ba\"}" } } };
}

static inline struct store_change change_setting(enum store_op op, const char *name, uint64_t value)
{
	return (struct store_change){ op, { STORE_SETTING, .setting = { name, value } } };
}

static inline struct store_change change_ceiling(enum store_op op, uint64_t uid, uint64_t prio)
{
	return (struct store_change){ op, { STORE_CEILING, .ceiling = { uid, prio, 20000000 } } };
}

/** Add a row to a digest in which order does not count, or take it out again. */
static inline void digest_toggle(uint8_t *digest, const struct store_row *row)
{
	const struct store_table *t = &store_tables[row->kind];
	crypto_generichash_state st;
	uint8_t part[DIGEST_BYTES];

	crypto_generichash_init(&st, NULL, 0, sizeof(part));
	crypto_generichash_update(&st, (const uint8_t *)t->name, strlen(t->name) + 1);
	for (size_t i = 0; i < t->n_fields; i++) {
		const uint8_t *p = (const uint8_t *)row + t->fields[i].offset;
		const char *text;

		if (t->fields[i].is_text) {
			memcpy(&text, p, sizeof(text));
			crypto_generichash_update(&st, (const uint8_t *)text, strlen(text) + 1);
		} else {
			crypto_generichash_update(&st, p, sizeof(uint64_t));
		}
	}
	crypto_generichash_final(&st, part, sizeof(part));
	for (size_t i = 0; i < sizeof(part); i++) {
		digest[i] ^= part[i];
	}
}

static inline int digest_visit(void *arg, const struct store_row *row)
{
	digest_toggle(arg, row);
	return 0;
}

/** Digest of all rows of a store. @return 0; negative errno */
static inline int digest_store(struct store *s, uint8_t *ret)
{
	memset(ret, 0, DIGEST_BYTES);
	for (enum store_kind k = 0; k < STORE_KINDS; k++) {
		int r = store_each(s, k, digest_visit, ret, NULL);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/** Open the store of a folder. @return as store_open() */
static inline int open_rows(const char *state_dir, struct store **ret, struct store_report *report,
			    struct errmsg *e)
{
	struct store_options o;

	store_options_defaults(&o);
	o.state_dir = state_dir;
	return store_open(&o, ret, report, e);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of the guard's log outside of a copy; see guard_anchors.h. */
#include "cli/guard_anchors.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/fields.h"
#include "cli/guard_source.h"

/* What the daemon calls an anchor in its audit log. */
#define ANCHOR_OPERATION "guard log"

void guard_anchors_done(struct guard_anchors *a)
{
	free(a->list);
	*a = (struct guard_anchors){ 0 };
}

static int add(struct guard_anchors *a, const struct guard_anchor *anchor)
{
	size_t room = a->room ? a->room * 2 : 64;
	struct guard_anchor *list;

	if (a->n == a->room) {
		list = reallocarray(a->list, room, sizeof(*list));
		if (!list) {
			return -ENOMEM;
		}
		a->list = list;
		a->room = room;
	}
	a->list[a->n++] = *anchor;
	return 0;
}

/* Exactly n bytes in hexadecimal. */
static int parse_hex(const char *text, uint8_t *ret, size_t n)
{
	size_t got = 0;
	const char *end = NULL;

	if (strlen(text) != 2 * n || sodium_hex2bin(ret, n, text, 2 * n, NULL, &got, &end) != 0 ||
	    got != n) {
		return -EINVAL;
	}
	return 0;
}

int guard_instance_parse(const char *text, uint64_t *ret)
{
	uint8_t bytes[8];

	if (parse_hex(text, bytes, sizeof(bytes)) < 0) {
		return -EINVAL;
	}
	*ret = load_be(bytes, sizeof(bytes));
	return 0;
}

/* @param text the arguments of the record, as the audit log has them: JSON */
static int add_audited(struct guard_anchors *a, const char *text)
{
	json_t *arguments = json_loads(text, 0, NULL);
	struct guard_anchor anchor = { .seq = field_u64(arguments, "seq") };
	int r = 0;

	if (anchor.seq != 0 &&
	    guard_instance_parse(field_text(arguments, "instance"), &anchor.instance) == 0 &&
	    parse_hex(field_text(arguments, "hash"), anchor.hash, sizeof(anchor.hash)) == 0) {
		r = add(a, &anchor);
	}
	json_decref(arguments);
	return r;
}

int guard_anchors_from_audit(struct guard_anchors *a, const json_t *records)
{
	const json_t *rec;
	size_t i;
	int r = 0;

	json_array_foreach(records, i, rec)
	{
		if (r == 0 && strcmp(field_text(rec, "operation"), ANCHOR_OPERATION) == 0) {
			r = add_audited(a, field_text(rec, "arguments"));
		}
	}
	return r;
}

static int add_live(struct guard_anchors *a, uint64_t instance, uint64_t seq, const uint8_t *hash)
{
	struct guard_anchor anchor = { .instance = instance, .seq = seq, .is_live = true };

	memcpy(anchor.hash, hash, sizeof(anchor.hash));
	return add(a, &anchor);
}

static int read_live(struct guard_anchors *a, struct guard_source *s, uint64_t instance,
		     struct errmsg *e)
{
	struct guard_chain chain = { .has_instance = true, .instance = instance };
	char place[GUARD_PLACE_BYTES];
	struct pinfold_guard_record rec;
	enum guard_finding finding;
	int n;
	int r = 0;

	while (r == 0 && (n = guard_source_next(s, &rec)) != 0) {
		if (n < 0) {
			return errmsg_set(e, n, "%s", strerror(-n));
		}
		finding = guard_chain_step(&chain, &rec);
		if (finding != GUARD_INTACT) {
			return errmsg_set(e, -EBADMSG, "%s %s", guard_chain_place(&chain, place),
					  guard_finding_text(finding));
		}
		if (chain.n_records == 1 && chain.last > 1) {
			r = add_live(a, instance, chain.last - 1, rec.prev);
		}
		r = r < 0 ? r : add_live(a, instance, chain.last, rec.hash);
	}
	return r < 0 ? errmsg_set(e, r, "out of memory") : 0;
}

int guard_anchors_from_live(struct guard_anchors *a, const char *path, uint64_t instance,
			    struct errmsg *e)
{
	struct guard_source s = { .fd = -1 };
	int r = guard_source_open(&s, path, e);

	if (r == 0) {
		r = read_live(a, &s, instance, e);
		if (r < 0) {
			errmsg_prefix(e, "%s: ", path);
		}
		guard_source_close(&s);
	}
	return r;
}

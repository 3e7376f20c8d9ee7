/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest pages as code. A page is code or data, never both:
 *
 *          executed: no mapping of it is writable any more; looked at, patched if need be
 *      data ----------------------------------------------------------------------> code
 *           <----------------------------------------------------------------------
 *          written: no mapping of it is executable any more
 *
 * What is clean is executed where it is. What has to be patched is executed in a copy, which may not be read: a guest that
 * looks at its own code sees what it wrote there, by the interpreter. A page that goes to and fro for too long is interpreted.
 */
#include "engine/trap/trap_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COPIES_MAX  1024u
#define CHANGES_MAX 64u

uint32_t trap_without;

int trap_code_init(struct trap_engine *t, struct errmsg *e)
{
	void *at;

	t->codes = calloc(TRAP_CODES, sizeof(*t->codes));
	t->copies_fd = memfd_create("trap-copies", MFD_CLOEXEC);
	if (!t->codes || t->copies_fd < 0 ||
	    ftruncate(t->copies_fd, (off_t)(COPIES_MAX * PAGE_BYTES)) < 0) {
		return errmsg_set(e, -ENOMEM, "no memory for copies of guest code");
	}
	at = mmap(NULL, COPIES_MAX * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, t->copies_fd,
		  0);
	if (at == MAP_FAILED) {
		return errmsg_set(e, -ENOMEM, "no memory for copies of guest code");
	}
	t->copies = at;
	t->n_copies = 1; /* number 0 says that there is none */
	return 0;
}

void trap_code_done(struct trap_engine *t)
{
	free(t->codes);
	if (t->copies) {
		munmap(t->copies, COPIES_MAX * PAGE_BYTES);
	}
	if (t->copies_fd >= 0) {
		close(t->copies_fd);
	}
}

bool trap_code_may_hide(bool is_patched)
{
	return trap_can_hide() || (is_patched && (trap_without & TRAP_VISIBLE_PATCHES));
}

/* The slot of a page, or the free one where it belongs. */
static struct trap_code *slot_of(const struct trap_engine *t, gpa_t gpa)
{
	size_t i = (size_t)((gpa / PAGE_BYTES * 0x9e3779b97f4a7c15ULL) >> 40) % TRAP_CODES;

	while (t->codes[i].key && t->codes[i].key != (gpa | 1)) {
		i = (i + 1) % TRAP_CODES;
	}
	return &t->codes[i];
}

static void to_data(struct trap_engine *t, struct trap_code *c)
{
	if (!c->is_code) {
		return;
	}
	c->is_code = false;
	c->changes++;
	c->is_refused = c->changes > CHANGES_MAX;
	c->scan[0] = 0;
	c->scan[1] = 0;
	trap_space_drop(t, c->key & ~1ULL, MEM_X);
}

void trap_code_written(struct trap_engine *t, gpa_t gpa)
{
	for (struct trap_engine *other = trap_engines; other; other = other->next) {
		struct trap_code *c = slot_of(other, gpa);

		if (other->cfg.mem == t->cfg.mem && c->key) {
			to_data(other, c);
		}
	}
}

void trap_code_reset(struct trap_engine *t)
{
	for (size_t i = 0; i < TRAP_CODES; i++) {
		if (t->codes[i].key) {
			to_data(t, &t->codes[i]);
		}
	}
	memset(t->codes, 0, TRAP_CODES * sizeof(*t->codes));
	t->n_codes = 0;
	t->n_copies = 1;
}

static struct trap_code *add_code(struct trap_engine *t, gpa_t gpa)
{
	struct trap_code *c = slot_of(t, gpa);

	if (c->key) {
		return c;
	}
	if (t->n_codes >= TRAP_CODES_USED || t->n_copies + 2 > COPIES_MAX) {
		trap_code_reset(t);
		c = slot_of(t, gpa);
	}
	c->key = gpa | 1;
	t->n_codes++;
	return c;
}

/* Look at the page; nobody can write it any more. */
static enum trap_scan_result scan(struct trap_engine *t, struct trap_code *c,
				  const struct mem_region *r, bool is_fp_trapped)
{
	const uint16_t *code =
		(const uint16_t *)(const void *)(r->hva + ((c->key & ~1ULL) - r->base_gpa));
	uint16_t copy[TRAP_HALVES];
	enum trap_scan_result found;

	if (c->scan[is_fp_trapped]) {
		return (enum trap_scan_result)(c->scan[is_fp_trapped] - 1);
	}
	found = trap_scan(code, is_fp_trapped, copy);
	c->scan[is_fp_trapped] = (uint8_t)(found + 1);
	if (found == TRAP_SCAN_PATCHED) {
		if (!c->copy[is_fp_trapped]) {
			c->copy[is_fp_trapped] = (uint16_t)t->n_copies++;
		}
		memcpy(t->copies + c->copy[is_fp_trapped] * PAGE_BYTES, copy, PAGE_BYTES);
		t->counts.patched++;
	}
	return found;
}

bool trap_code_execute(struct trap_engine *t, gpa_t gpa, bool is_fp_trapped, struct trap_exec *ret)
{
	const struct mem_region *r = trap_region(t, gpa);
	struct trap_code *c;

	if (!r || !r->has_file || !(r->perm & MEM_X)) {
		return false;
	}
	c = add_code(t, gpa);
	if (c->is_refused) {
		return false;
	}
	if (!c->is_code) {
		trap_space_drop(t, gpa, MEM_W);
		c->is_code = true;
	}
	switch (scan(t, c, r, is_fp_trapped)) {
	case TRAP_SCAN_CLEAN:
		*ret = (struct trap_exec){ r->fd, r->fd_off + (gpa - r->base_gpa), false };
		return true;
	case TRAP_SCAN_PATCHED:
		*ret = (struct trap_exec){ t->copies_fd, c->copy[is_fp_trapped] * PAGE_BYTES,
					   true };
		return true;
	default:
		return false;
	}
}

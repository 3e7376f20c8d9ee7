/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints and watchpoints.
 *
 * A breakpoint is a hook of the one block that starts at it, and blocks end in front of
 * breakpoints (unicorn_breaks_limit_block()), so that code elsewhere stays as it is. (A hook per
 * instruction would not do: while there is one, the library no longer restores the pc when a kick
 * ends a run between blocks.) What is wanted is installed when a run at full speed begins: the
 * steps of a debugger between two such runs change nothing. While instructions are counted, the
 * callback of each looks into the list.
 *
 * Watched accesses are told by the library's memory hooks, for which all accesses take the slow
 * path. Only the end of the instruction is a place to stop, so instructions are counted
 * meanwhile: one per block, and the callback in front of the next one stops.
 */
#include <errno.h>

#include "engine/unicorn/unicorn_priv.h"

/* Widest access that a hook tells of; a range may begin in its middle. */
#define ACCESS_BYTES_MAX 16

bool unicorn_has_break(const struct unicorn_engine *u, gva_t pc)
{
	for (size_t i = 0; i < u->breaks.n_wanted; i++) {
		if (u->breaks.wanted[i] == pc) {
			return true;
		}
	}
	return false;
}

/*
 * As many instructions as surely end in front of the next breakpoint, however long they are; at
 * least one: a breakpoint in the middle of an instruction is none.
 */
int unicorn_breaks_limit_block(const struct unicorn_engine *u, gva_t pc, int max_insns)
{
	uint64_t max = (uint64_t)max_insns;

	for (size_t i = 0; i < u->breaks.n_installed; i++) {
		uint64_t gap = u->breaks.installed[i].gva - pc; /* huge if behind us */
		uint64_t fit = gap / u->arch->insn_bytes_max;

		if (gap > 0 && fit < max) {
			max = fit > 0 ? fit : 1;
		}
	}
	return (int)max;
}

static void on_break(uc_engine *uc, uint64_t pc, uint32_t size, void *opaque)
{
	struct unicorn_engine *u = opaque;

	(void)uc;
	(void)size;
	if (!u->has_count_hook && unicorn_has_break(u, pc)) {
		unicorn_stop(u, UNICORN_STOP_BREAK);
	}
}

/*
 * Code at an address was translated for another set of breakpoints. With paging on, the same
 * address may have been translated from several pages.
 */
static void drop_at(struct unicorn_engine *u, gva_t gva)
{
	const struct mem_region *r = mem_region_find(u->mem, gva);

	if (u->target->is_paging(u)) {
		unicorn_code_drop(u->target->id, u->uc, u->ram_bytes);
	} else if (r) {
		unicorn_code_drop_page(u->target->id, u->uc, r->hva + (gva - r->base_gpa));
	}
}

static bool is_installed(const struct unicorn_engine *u, gva_t gva)
{
	for (size_t i = 0; i < u->breaks.n_installed; i++) {
		if (u->breaks.installed[i].gva == gva) {
			return true;
		}
	}
	return false;
}

static uc_err remove_unwanted(struct unicorn_engine *u)
{
	for (size_t i = u->breaks.n_installed; i-- > 0;) {
		struct unicorn_break old = u->breaks.installed[i];
		uc_err err;

		if (unicorn_has_break(u, old.gva)) {
			continue;
		}
		err = unicorn_hook_del(u, old.hook);
		if (err != UC_ERR_OK) {
			return err;
		}
		u->breaks.installed[i] = u->breaks.installed[--u->breaks.n_installed];
		drop_at(u, old.gva);
	}
	return UC_ERR_OK;
}

static uc_err add_wanted(struct unicorn_engine *u)
{
	for (size_t i = 0; i < u->breaks.n_wanted; i++) {
		struct unicorn_break b = { .gva = u->breaks.wanted[i] };
		uc_err err;

		if (is_installed(u, b.gva)) {
			continue;
		}
		err = u->lib->uc_hook_add(u->uc, &b.hook, UC_HOOK_BLOCK, (void *)on_break, u, b.gva,
					  b.gva);
		if (err != UC_ERR_OK) {
			return err;
		}
		u->breaks.installed[u->breaks.n_installed++] = b;
		drop_at(u, b.gva);
	}
	return UC_ERR_OK;
}

int unicorn_breaks_install(struct unicorn_engine *u, struct errmsg *e)
{
	uc_err err;

	if (u->has_count_hook || !u->breaks.is_stale) {
		return 0;
	}
	err = remove_unwanted(u);
	if (err == UC_ERR_OK) {
		err = add_wanted(u);
	}
	if (err != UC_ERR_OK) {
		return errmsg_set(e, -EIO, "libunicorn refuses a breakpoint: %s",
				  u->lib->uc_strerror(err));
	}
	u->breaks.is_stale = false;
	return 0;
}

int unicorn_set_breakpoints(struct engine *eng, const gva_t *addrs, size_t n)
{
	struct unicorn_engine *u = (struct unicorn_engine *)(void *)eng; /* the first member */

	if (n > UNICORN_POINTS_MAX) {
		return -ENOSPC;
	}
	for (size_t i = 0; i < n; i++) {
		u->breaks.wanted[i] = addrs[i];
	}
	u->breaks.n_wanted = n;
	u->breaks.is_stale = true;
	return 0;
}

/* An access was made, or is being made; the first of an instruction counts. */
static void note_access(struct unicorn_engine *u, gva_t gva, uint64_t bytes, uint32_t access)
{
	for (size_t i = 0; i < u->watch.n && !u->watch.has_hit; i++) {
		const struct engine_watch *w = &u->watch.wanted[i];
		gva_t from = gva > w->gva ? gva : w->gva;
		gva_t last_accessed = gva + (bytes - 1);
		gva_t last_watched = w->gva + (w->bytes - 1);
		gva_t last = last_accessed < last_watched ? last_accessed : last_watched;

		if (w->access & access && from <= last) {
			u->watch.hit = (struct engine_watch){ from, last - from + 1, access };
			u->watch.has_hit = true;
		}
	}
}

static void on_access(uc_engine *uc, uc_mem_type type, uint64_t gva, int size, int64_t value,
		      void *opaque)
{
	(void)uc;
	(void)value;
	note_access(opaque, gva, (uint64_t)size, type == UC_MEM_WRITE ? MEM_W : MEM_R);
}

static bool is_range(const struct engine_watch *w)
{
	return w->bytes > 0 && w->gva + (w->bytes - 1) >= w->gva;
}

/* One pair of hooks for the span of all ranges. */
static uc_err hook_span(struct unicorn_engine *u)
{
	gva_t first = UINT64_MAX;
	gva_t last = 0;

	for (size_t i = 0; i < u->watch.n; i++) {
		const struct engine_watch *w = &u->watch.wanted[i];

		first = w->gva < first ? w->gva : first;
		last = w->gva + (w->bytes - 1) > last ? w->gva + (w->bytes - 1) : last;
	}
	first -= first < ACCESS_BYTES_MAX ? first : ACCESS_BYTES_MAX;
	return u->lib->uc_hook_add(u->uc, &u->watch.hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
				   (void *)on_access, u, first, last);
}

int unicorn_set_watchpoints(struct engine *eng, const struct engine_watch *watches, size_t n)
{
	struct unicorn_engine *u = (struct unicorn_engine *)(void *)eng; /* the first member */
	uc_err err = UC_ERR_OK;

	if (n > UNICORN_POINTS_MAX) {
		return -ENOSPC;
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_range(&watches[i])) {
			return -EINVAL;
		}
	}
	unicorn_interpose_enter(&u->ip);
	if (u->watch.n > 0) {
		err = unicorn_hook_del(u, u->watch.hook);
	}
	u->watch.has_hit = false;
	u->watch.n = n;
	if (n > 0) {
		memcpy(u->watch.wanted, watches, n * sizeof(watches[0]));
		err = err == UC_ERR_OK ? hook_span(u) : err;
	}
	/* The fast path is in the code, or has to get into it. */
	unicorn_code_drop(u->target->id, u->uc, u->ram_bytes);
	unicorn_interpose_enter(NULL);
	if (err != UC_ERR_OK) {
		u->watch.n = 0;
		return -EIO;
	}
	return 0;
}

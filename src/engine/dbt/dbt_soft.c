/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses that windows serve badly: by a table of pages, which translated code searches.
 *
 * A page in a window costs a signal and two changes of the process's mappings; from then on, nothing. One in the table costs a
 * hundredth of that, and each access to it a few instructions. So where the guest touches pages that it has only just mapped, and does
 * little with them, the table is better: each instruction is judged by itself, by the page faults of the guest at it and the instructions
 * in between. It becomes soft, translated anew, when faults have been frequent for a while, and hard again when they are not.
 *
 * A window's table holds what the window might, some of it, and is voided with it.
 */
#include "engine/dbt/dbt_priv.h"

#include <stdlib.h>
#include <string.h>

/* What a page fault of the guest may cost a soft instruction, in instructions since the last one; what it has at most; what a page that is
 * not in the table costs. */
#define FAULT_INSNS  20000u
#define CREDIT_INSNS (8 * FAULT_INSNS)
#define MISS_INSNS   250u

static const struct emit_page no_pages[EMIT_PAGES] = { { PAGE_BYTES, PAGE_BYTES, NULL, 0 } };

static size_t slot_of(uint64_t pc)
{
	return ((pc >> 1) * 0x9e3779b97f4a7c15ULL >> 40) % DBT_SITES;
}

static struct dbt_site *site_of(struct dbt_engine *d, uint64_t pc)
{
	return &d->sites[slot_of(pc)];
}

/* Take off what was executed since, and more. */
static void charge(struct dbt_engine *d, struct dbt_site *s, uint64_t insns)
{
	insns += d->env->insns - s->insns;
	s->credit = insns < s->credit ? s->credit - insns : 0;
	s->insns = d->env->insns;
}

static void harden(struct dbt_engine *d, struct dbt_site *s)
{
	s->is_soft = false;
	d->n_soft--;
	dbt_source_kill(d, s->gpa);
}

/* Where the code at a pc is. */
static bool code_at(struct dbt_engine *d, uint64_t pc, gpa_t *ret)
{
	struct cpu_fault unread;
	struct front_page page;

	if (!d->front->translate_address(d->cpu, pc, MEM_X, &page, &unread)) {
		return false;
	}
	*ret = page.gpa;
	return true;
}

bool dbt_soft_is(const struct dbt_engine *d, uint64_t pc)
{
	const struct dbt_site *s = &d->sites[slot_of(pc)];

	return s->is_soft && s->pc == pc;
}

bool dbt_soft_make(struct dbt_engine *d, uint64_t pc)
{
	struct dbt_site *s = site_of(d, pc);
	gpa_t gpa;

	if ((s->is_soft && s->pc != pc) || !code_at(d, pc, &gpa)) {
		return false;
	}
	d->n_soft += !s->is_soft;
	*s = (struct dbt_site){ .pc = pc,
				.gpa = gpa,
				.insns = d->env->insns,
				.credit = CREDIT_INSNS,
				.is_soft = true };
	dbt_source_kill(d, gpa);
	return true;
}

void dbt_soft_mark(const struct dbt_engine *d, struct ir_block *b)
{
	for (size_t k = 0; d->n_soft && k < b->n_insns; k++) {
		struct ir_insn *i = &b->insns[k];

		if ((i->op == IR_LOAD || i->op == IR_STORE) &&
		    dbt_soft_is(d, b->guests[i->guest].pc)) {
			i->flags |= IR_SOFT;
		}
	}
}

void dbt_soft_faulted(struct dbt_engine *d, uint64_t pc)
{
	struct dbt_site *s = site_of(d, pc);

	if (s->pc != pc) {
		if (s->is_soft) {
			return;
		}
		*s = (struct dbt_site){ .pc = pc, .insns = d->env->insns };
	}
	charge(d, s, 0);
	s->credit += FAULT_INSNS;
	if (s->credit > CREDIT_INSNS) {
		s->credit = CREDIT_INSNS;
		if (!s->is_soft) {
			dbt_soft_make(d, pc);
		}
	}
}

void dbt_soft_review(struct dbt_engine *d)
{
	for (size_t k = 0; d->n_soft && k < DBT_SITES; k++) {
		struct dbt_site *s = &d->sites[k];

		if (s->is_soft && d->env->insns - s->insns > s->credit) {
			harden(d, s);
		}
	}
}

/* The table does not serve an instruction: it is to be worth its while. */
static void missed(struct dbt_engine *d, uint64_t pc, gva_t gva)
{
	struct dbt_site *s = site_of(d, pc);
	gpa_t gpa;

	if (!dbt_soft_is(d, pc)) { /* the same address in another space, when it was so */
		if (code_at(d, pc, &gpa)) {
			dbt_source_kill(d, gpa);
		}
		return;
	}
	charge(d, s, MISS_INSNS);
	if (dbt_window_is_refilled(d, gva)) {
		s->credit = CREDIT_INSNS;
	} else if (s->credit == 0) {
		harden(d, s);
	}
}

/* Whether the table has a page for an access, which then was not aligned. */
static bool has_page(const struct dbt_window *w, gva_t gva, uint32_t access)
{
	const struct emit_page *p = &w->pages[emit_page_slot(gva)];

	return w->has_pages && ((access == MEM_W ? p->write : p->read) ^ gva) < PAGE_BYTES;
}

static bool make_table(struct dbt_engine *d, struct dbt_window *w)
{
	if (!w->pages) {
		w->pages = calloc(EMIT_PAGES, sizeof(*w->pages));
		w->has_pages = w->pages; /* so that it is made empty */
		dbt_soft_forget(w);
		d->env->pages = dbt_soft_pages(w);
	}
	return w->pages;
}

bool dbt_soft_fill(struct dbt_engine *d, gva_t gva, uint32_t access)
{
	struct dbt_window *w = d->context->window;
	uint32_t slot = emit_page_slot(gva);
	gva_t none = emit_page_none(slot);
	const struct mem_region *r;
	struct front_page page;
	uint32_t perm;

	missed(d, d->front->get_pc(d->cpu), gva);
	r = dbt_window_find(d, gva, access, &page);
	if (!r || !make_table(d, w) || has_page(w, gva, access)) {
		return false;
	}
	perm = page.perm & r->perm;
	page.gpa &= ~(PAGE_BYTES - 1);
	gva &= ~(PAGE_BYTES - 1);
	w->pages[slot] = (struct emit_page){
		.read = perm & MEM_R ? gva : none,
		.write = perm & MEM_W ? gva : none,
		.host = r->hva + (page.gpa - r->base_gpa),
		.bytes = page.bytes,
	};
	w->has_pages = true;
	w->has_large |= page.bytes > PAGE_BYTES;
	if (perm & MEM_W) {
		mem_exposed(d->cfg.mem, page.gpa, PAGE_BYTES);
	}
	return true;
}

const struct emit_page *dbt_soft_pages(const struct dbt_window *w)
{
	return w && w->pages ? w->pages : no_pages;
}

void dbt_soft_forget(struct dbt_window *w)
{
	if (w->has_pages) {
		memset(w->pages, 0, EMIT_PAGES * sizeof(*w->pages));
		w->pages[0].read = w->pages[0].write = emit_page_none(0);
		w->has_pages = false;
		w->has_large = false;
	}
}

void dbt_soft_forget_page(struct dbt_window *w, gva_t gva)
{
	uint32_t slot = emit_page_slot(gva);

	if (!w->has_pages) {
		return;
	}
	w->pages[slot].read = w->pages[slot].write = emit_page_none(slot);
	for (slot = 0; w->has_large && slot < EMIT_PAGES; slot++) {
		struct emit_page *p = &w->pages[slot];
		gva_t none = emit_page_none(slot);
		gva_t at = p->read == none ? p->write : p->read;

		if (at != none && ((at ^ gva) & ~(p->bytes - 1)) == 0) {
			p->read = p->write = none;
		}
	}
}

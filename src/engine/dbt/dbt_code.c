/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translated blocks: a hash table of them, their links, and what makes them void.
 *
 * A block is known by its virtual address (its code contains addresses), the physical address of its bytes and the mode,
 * so processes that share a page of code share its translations. Whoever enters a block by a link or by a context's
 * table for jumps does not look at the physical address again: links stay within a page (or within physical memory), and the
 * tables are emptied when translations of addresses become void.
 *
 * Guests say when they have written code (RISC-V: fence.i). Then all links are undone and every block is compared with
 * a copy of its guest bytes before it runs the next time, which costs a hundredth of translating it anew.
 */
#include "engine/dbt/dbt_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"

#define COPY_BYTES (IR_BLOCK_GUEST_MAX * 4)

static int make_code_memory(struct dbt_engine *d, struct errmsg *e)
{
	int fd = memfd_create("pinfold-dbt-code", MFD_CLOEXEC);
	void *rw = MAP_FAILED;
	void *rx = MAP_FAILED;
	int r = 0;

	if (fd < 0 || ftruncate(fd, DBT_CODE_BYTES) < 0) {
		r = -errno;
	}
	if (r == 0) {
		rw = mmap(NULL, DBT_CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		rx = mmap(NULL, DBT_CODE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
		r = rw == MAP_FAILED || rx == MAP_FAILED ? -errno : 0;
	}
	if (fd >= 0) {
		close(fd);
	}
	d->code_rw = rw == MAP_FAILED ? NULL : rw;
	d->code_rx = rx == MAP_FAILED ? NULL : rx;
	return r < 0 ? errmsg_set(e, r, "no memory for translated code: %s", strerror(-r)) : 0;
}

/* In the signal handler: what the access needs is done outside of it. */
static enum emit_access_result on_access(struct emit_env *env, struct emit_access *a)
{
	struct dbt_engine *d = env->opaque;

	d->access_gva = a->address;
	d->is_access_write = a->is_write;
	return EMIT_ACCESS_LEAVE;
}

static const struct emit_ops emit_ops = {
	.access = on_access,
};

int dbt_code_init(struct dbt_engine *d, struct errmsg *e)
{
	struct emit_config ec = {
		.regs = d->front->regs,
		.n_regs = d->front->n_regs,
		.code_bytes = DBT_CODE_BYTES,
		.window_bits = DBT_WINDOW_BITS,
		.ops = &emit_ops,
	};
	int r;

	r = make_code_memory(d, e);
	if (r < 0) {
		return r;
	}
	ec.code_rw = d->code_rw;
	ec.code_rx = d->code_rx;
	/* Big and mostly untouched: from the kernel, zeroed. */
	d->blocks = calloc(DBT_BLOCKS_MAX, sizeof(*d->blocks));
	d->links = calloc(DBT_LINKS_MAX, sizeof(*d->links));
	d->copies = calloc(1, DBT_COPIES_BYTES);
	if (!d->blocks || !d->links || !d->copies) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	d->code_generation = 1;
	return emitter_new(&ec, &d->em, e);
}

void dbt_code_done(struct dbt_engine *d)
{
	emitter_free(d->em);
	free(d->blocks);
	free(d->links);
	free(d->copies);
	if (d->code_rw) {
		munmap(d->code_rw, DBT_CODE_BYTES);
	}
	if (d->code_rx) {
		munmap((void *)(uintptr_t)d->code_rx, DBT_CODE_BYTES);
	}
}

static void undo_links(struct dbt_engine *d)
{
	for (size_t i = 0; i < d->n_links; i++) {
		emit_link(d->em, d->links[i], NULL);
	}
	d->n_links = 0;
}

void dbt_code_doubt(struct dbt_engine *d)
{
	undo_links(d);
	d->code_generation++;
	d->context = NULL; /* its table for jumps is emptied when it is entered again */
}

void dbt_code_reset(struct dbt_engine *d)
{
	d->n_links = 0;
	d->code_generation++;
	d->context = NULL;
	memset(d->blocks, 0, DBT_BLOCKS_MAX * sizeof(*d->blocks));
	d->n_blocks = 0;
	d->n_copied = 0;
	emitter_reset(d->em);
}

static uint32_t slot_of(uint64_t pc, gpa_t gpa, uint32_t mode)
{
	uint64_t h = (pc >> 1) ^ (gpa >> 1) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)mode << 48;

	h *= 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 40) & (DBT_BLOCKS_MAX - 1);
}

/* The block, or the free slot where it belongs. */
static struct dbt_block *block_at(struct dbt_engine *d, uint64_t pc, gpa_t gpa)
{
	uint32_t mode = d->context->mode;
	uint32_t slot = slot_of(pc, gpa, mode);

	for (;; slot = (slot + 1) & (DBT_BLOCKS_MAX - 1)) {
		struct dbt_block *b = &d->blocks[slot];

		if (!b->code || (b->pc == pc && b->gpa == gpa && b->mode == mode)) {
			return b;
		}
	}
}

/* How many bytes of code may be looked at from here: to the end of the page, or to the next breakpoint. */
static size_t bytes_ahead(const struct dbt_engine *d, uint64_t pc, const struct front_page *page)
{
	uint64_t span = page->bytes < PAGE_BYTES ? page->bytes : PAGE_BYTES;
	size_t n = (size_t)(span - pc % span);

	for (size_t i = 0; i < d->n_breaks; i++) {
		if (d->breaks[i] >= pc && d->breaks[i] - pc < n) {
			n = (size_t)(d->breaks[i] - pc);
		}
	}
	return n < COPY_BYTES ? n : COPY_BYTES;
}

/* Whether code on both addresses is surely mapped together. */
static bool is_lasting(const struct dbt_engine *d, uint64_t from_pc, uint64_t pc)
{
	return d->front->is_physical(d->cpu) || ((from_pc ^ pc) & ~(PAGE_BYTES - 1)) == 0;
}

static struct dbt_block *translate(struct dbt_engine *d, uint64_t pc, const struct front_page *page,
				   const uint8_t *host)
{
	size_t n = bytes_ahead(d, pc, page);
	uint8_t bytes[COPY_BYTES];
	struct emit_code code;
	struct dbt_block *b;
	int r;

	memcpy(bytes, host, n);
	if (!d->front->decode(d->cpu, bytes, n, &d->ir)) {
		return NULL;
	}
	r = emit_block(d->em, &d->ir, &code);
	if (r == -ENOSPC || d->n_blocks >= DBT_BLOCKS_MAX / 2 ||
	    d->n_copied + COPY_BYTES > DBT_COPIES_BYTES) {
		dbt_code_reset(d);
		dbt_context_enter(d);
		r = emit_block(d->em, &d->ir, &code);
	}
	if (r < 0) {
		return NULL;
	}
	b = block_at(d, pc, page->gpa);
	d->n_blocks += b->code ? 0 : 1;
	*b = (struct dbt_block){
		.pc = pc,
		.gpa = page->gpa,
		.mode = d->context->mode,
		.guest_bytes = (uint16_t)(d->ir.next - pc),
		.copy = d->n_copied,
		.checked = d->code_generation,
		.code = code.entry,
	};
	dbt_code_page_add(d, pc, page->bytes);
	memcpy(d->copies + d->n_copied, bytes, b->guest_bytes);
	d->n_copied += b->guest_bytes;
	return b;
}

/* Whether the guest's code is still what was translated. */
static bool is_true(struct dbt_engine *d, struct dbt_block *b, const uint8_t *host)
{
	if (b->checked != d->code_generation) {
		if (memcmp(d->copies + b->copy, host, b->guest_bytes) != 0) {
			return false;
		}
		b->checked = d->code_generation;
	}
	return true;
}

const void *dbt_code_find(struct dbt_engine *d, uint64_t pc)
{
	struct emit_jump *jump = &d->context->jumps[emit_jump_slot(pc)];
	struct cpu_fault unread;
	struct front_page page;
	struct dbt_block *b;
	uint8_t *host;

	if (jump->pc == pc) {
		return jump->code;
	}
	if (!d->front->translate_address(d->cpu, pc, MEM_X, &page, &unread)) {
		return NULL;
	}
	host = dbt_ram(d, page.gpa, 2, MEM_X);
	if (!host) {
		return NULL;
	}
	b = block_at(d, pc, page.gpa);
	if (!b->code || !is_true(d, b, host)) {
		b = translate(d, pc, &page, host);
		if (!b) {
			return NULL;
		}
	}
	jump = &d->context->jumps[emit_jump_slot(
		pc)]; /* another context's, if all code was dropped */
	*jump = (struct emit_jump){ pc, b->code };
	return b->code;
}

void dbt_code_link(struct dbt_engine *d, void *link, uint64_t from_pc, uint64_t pc,
		   const void *code)
{
	if (d->n_links == DBT_LINKS_MAX) {
		return;
	}
	if (is_lasting(d, from_pc, pc)) {
		emit_link(d->em, link, code);
	} else if (emit_link_lookup(d->em, link) < 0) {
		return; /* it goes on leaving */
	}
	d->links[d->n_links++] = link;
}

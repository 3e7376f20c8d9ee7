/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations in a file: written by one VM process, loaded by others of the same program that run the same image.
 *
 *   head | code and its tables (emit.h) | blocks | sources | copies of their pages
 *
 * Each part begins at a page. What is loaded is foreign: a page's blocks are used once the page has been compared with the
 * copy that they were made of (dbt_source.c), and those whose bytes are others are killed then. So nothing that leads from one
 * page to another is kept: no links (lookups are), no regions over several pages.
 *
 * Of a loaded file only the head is checked: it contains code, so whoever gives it must know that it is whole and whose
 * it is.
 */
#include "engine/dbt/dbt_priv.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "host/map.h"

#define STORE_MAGIC    "pinfold translations\n"
#define STORE_REVISION 2u
#define STORE_PARTS    (EMIT_PARTS + 5u)
#define BUILD_ID_BYTES 32u

/* Of the parts behind the emitter's. */
enum { BLOCKS = EMIT_PARTS, BLOCK_HEADS, SOURCES };

struct store_head {
	char magic[24];
	uint32_t revision;
	uint32_t arch; /* enum cpu_arch_id */
	uint8_t build_id[BUILD_ID_BYTES];
	uint64_t n[STORE_PARTS]; /* elements */
};

/* The program's build ID, which the linker makes of all its code. */
static int on_object(struct dl_phdr_info *info, size_t size, void *ret)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + ph->p_vaddr;
		uintptr_t end = at + ph->p_memsz;

		while (ph->p_type == PT_NOTE && at + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *note = (const void *)at;
			uintptr_t desc = at + sizeof(*note) + ((note->n_namesz + 3u) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
			    memcmp(note + 1, "GNU", 4) == 0 && note->n_descsz <= BUILD_ID_BYTES) {
				memcpy(ret, (const void *)desc, note->n_descsz);
				return 1;
			}
			at = desc + ((note->n_descsz + 3u) & ~3u);
		}
	}
	return -1; /* the first object is the program: no other is asked */
}

static void parts_of(struct dbt_engine *d, struct emit_part ret[STORE_PARTS])
{
	const struct emit_part tables[STORE_PARTS - EMIT_PARTS] = {
		{ d->blocks, sizeof(*d->blocks), d->n_blocks + 1, DBT_BLOCKS_MAX + 1, true },
		{ d->block_heads, sizeof(*d->block_heads), DBT_BLOCK_HEADS, DBT_BLOCK_HEADS, true },
		{ d->sources, sizeof(*d->sources), d->n_sources + 1, DBT_SOURCES_MAX + 1, true },
		{ d->copies, PAGE_BYTES, d->n_sources + 1, DBT_SOURCES_MAX + 1, true },
		{ d->source_heads, sizeof(*d->source_heads), DBT_SOURCE_HEADS, DBT_SOURCE_HEADS,
		  true },
	};

	emitter_parts(d->em, ret);
	memcpy(ret + EMIT_PARTS, tables, sizeof(tables));
}

static int head_make(const struct dbt_engine *d, struct store_head *ret, struct errmsg *e)
{
	*ret = (struct store_head){ .magic = STORE_MAGIC,
				    .revision = STORE_REVISION,
				    .arch = (uint32_t)d->front->arch };
	if (dl_iterate_phdr(on_object, ret->build_id) != 1) {
		return errmsg_set(e, -ENOTSUP,
				  "this program was linked without a build ID, which says whose "
				  "translations are its own");
	}
	return 0;
}

static uint64_t part_bytes(const struct emit_part *p)
{
	return p->n * p->size;
}

static uint64_t behind(uint64_t at, const struct emit_part *p)
{
	return (at + part_bytes(p) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* Nothing leads to another page, and blocks are as their readers get them. They stay so here, too: it costs a look at each. */
static void prepare(struct dbt_engine *d)
{
	emit_unlink_pages(d->em, PAGE_BYTES);
	for (uint32_t i = 1; i <= d->n_blocks; i++) {
		const struct dbt_block *tail = &d->blocks[i];
		struct dbt_block *b = &d->blocks[tail->twin];

		d->blocks[i].is_foreign = true;
		if (tail->is_tail && b->is_region && (b->gpa ^ tail->gpa) & ~(PAGE_BYTES - 1)) {
			dbt_code_kill(d, b);
		}
	}
}

static int write_at(int fd, uint64_t at, const void *from, uint64_t n)
{
	while (n > 0) {
		ssize_t done = pwrite(fd, from, n, (off_t)at);

		if (done <= 0 && errno != EINTR) {
			return done < 0 ? -errno : -ENOSPC;
		}
		if (done > 0) {
			from = (const uint8_t *)from + done;
			at += (uint64_t)done;
			n -= (uint64_t)done;
		}
	}
	return 0;
}

static int read_at(int fd, uint64_t at, void *to, uint64_t n)
{
	while (n > 0) {
		ssize_t done = pread(fd, to, n, (off_t)at);

		if (done <= 0 && errno != EINTR) {
			return done < 0 ? -errno : -EBADMSG;
		}
		if (done > 0) {
			to = (uint8_t *)to + done;
			at += (uint64_t)done;
			n -= (uint64_t)done;
		}
	}
	return 0;
}

int dbt_store_save(struct dbt_engine *d, int fd, struct errmsg *e)
{
	struct emit_part parts[STORE_PARTS];
	struct store_head head;
	uint64_t at = PAGE_BYTES;
	int r = head_make(d, &head, e);

	if (r < 0) {
		return r;
	}
	prepare(d);
	parts_of(d, parts);
	for (size_t i = 0; r == 0 && i < STORE_PARTS; i++) {
		head.n[i] = parts[i].n;
		r = write_at(fd, at, parts[i].at, part_bytes(&parts[i]));
		at = behind(at, &parts[i]);
	}
	r = r < 0 ? r : write_at(fd, 0, &head, sizeof(head));
	return r < 0 ? errmsg_set(e, r, "translations can't be written: %s", strerror(-r)) : 0;
}

/* Whether it is ours. On success @p parts says how much of each there is. */
static int head_check(struct dbt_engine *d, int fd, struct emit_part parts[STORE_PARTS],
		      struct errmsg *e)
{
	struct store_head head;
	struct store_head own;
	int r = head_make(d, &own, e);

	if (r < 0) {
		return r;
	}
	r = read_at(fd, 0, &head, sizeof(head));
	if (r < 0 || memcmp(head.magic, own.magic, sizeof(own.magic)) != 0) {
		return errmsg_set(e, -EBADMSG, "this is no file of translations");
	}
	if (memcmp(&head, &own, offsetof(struct store_head, n)) != 0) {
		return errmsg_set(e, -ESTALE, "the translations are of another version of pinfold");
	}
	parts_of(d, parts);
	for (size_t i = 0; i < STORE_PARTS; i++) {
		if (head.n[i] > parts[i].max || (i >= EMIT_PARTS && head.n[i] == 0)) {
			return errmsg_set(e, -EBADMSG, "the translations are damaged");
		}
		parts[i].n = head.n[i];
	}
	return 0;
}

/* A part is copied, or mapped: then its pages are those of everybody who has the file, until they are written here. */
static int part_load(const struct emit_part *p, int fd, uint64_t at, struct errmsg *e)
{
	int r;

	if (p->is_mappable && p->n) {
		return host_map_file(p->at, behind(0, p), fd, at, true, e);
	}
	r = read_at(fd, at, p->at, part_bytes(p));
	return r < 0 ? errmsg_set(e, r, "the translations can't be read: %s", strerror(-r)) : 0;
}

int dbt_store_load(struct dbt_engine *d, int fd, struct errmsg *e)
{
	struct emit_part parts[STORE_PARTS];
	uint64_t n[EMIT_PARTS];
	uint64_t at = PAGE_BYTES;
	int r = head_check(d, fd, parts, e);

	if (r < 0) {
		return r;
	}
	dbt_code_reset(d);
	for (size_t i = 0; r == 0 && i < STORE_PARTS; i++) {
		r = part_load(&parts[i], fd, at, e);
		at = behind(at, &parts[i]);
	}
	if (r < 0) {
		dbt_code_reset(d); /* whatever is in the tables now */
		return r;
	}
	for (size_t i = 0; i < EMIT_PARTS; i++) {
		n[i] = parts[i].n;
	}
	emitter_parts_set(d->em, n);
	d->n_blocks = (uint32_t)parts[BLOCKS].n - 1;
	d->n_sources = (uint32_t)parts[SOURCES].n - 1;
	for (uint32_t i = 1; i <= d->n_sources; i++) {
		d->sources[i].is_foreign = true;
		d->sources[i].is_dirty = d->sources[i].is_exposed = false;
	}
	d->n_loaded = d->n_blocks;
	return 0;
}

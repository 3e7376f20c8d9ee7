// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the log: docs/guard.md, "The log". Single pages, which the rest of the kernel reaches through a
 * mapping that can only be read; a record is written through the page's own address, which nothing keeps.
 *
 * Contexts: init and exit in those of the module. The operations are called by chain.c under its lock, in any
 * context: they wait for nothing.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include <crypto/sha2.h>

#include "main.h"

#define RECORDS		 16384
#define RECORD_BYTES	 sizeof(struct pinfold_guard_record)
#define RECORDS_PER_PAGE (PAGE_SIZE / RECORD_BYTES)
#define PAGES		 (RECORDS / RECORDS_PER_PAGE)

static struct page **pages;
static const struct pinfold_guard_record *records; /* the mapping that can only be read */

static void store(void *ctx, u32 index, const struct pinfold_guard_record *r)
{
	u8 *page = page_address(pages[index / RECORDS_PER_PAGE]);

	memcpy(page + index % RECORDS_PER_PAGE * RECORD_BYTES, r, RECORD_BYTES);
	logdev_has_news();
}

static void load(void *ctx, u32 index, struct pinfold_guard_record *ret)
{
	*ret = records[index];
}

static void hash(const void *bytes, size_t n, u8 ret[32])
{
	sha256(bytes, n, ret);
}

static u64 boot_ns(void *ctx)
{
	return ktime_get_boottime_ns();
}

static u64 real_ns(void *ctx)
{
	return ktime_get_real_ns();
}

static const struct chain_ops ops = {
	.store = store,
	.load = load,
	.sha256 = hash,
	.boot_ns = boot_ns,
	.real_ns = real_ns,
};

int logmem_init(void)
{
	BUILD_BUG_ON(PAGE_SIZE % RECORD_BYTES || RECORDS % RECORDS_PER_PAGE);
	pages = vcalloc(PAGES, sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	for (size_t i = 0; i < PAGES; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i])
			goto no_memory;
	}
	records = vmap(pages, PAGES, VM_MAP, PAGE_KERNEL_RO);
	if (!records)
		goto no_memory;
	chain_init(&main_guard.chain, RECORDS, main_instance, &ops, NULL);
	return 0;
no_memory:
	logmem_exit();
	return -ENOMEM;
}

void logmem_exit(void)
{
	vunmap(records);
	for (size_t i = 0; i < PAGES && pages[i]; i++)
		__free_page(pages[i]);
	vfree(pages);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory, page by page. Each page counts its users, because processes share pages after fork.
 *
 * Pages that were given back form a list through their first words. Those behind `fresh` were never used: they need not even
 * be touched at the start.
 */
#include "kernel.h"

static uint8_t *first;
static uint8_t *fresh;
static uint8_t *end;
static uint16_t *users; /* one for each page from `first` on */
static void *free_list;
static uint64_t n_free;

void page_init(uint64_t start_pa, uint64_t end_pa)
{
	uint64_t n = (end_pa - start_pa) / PAGE_BYTES;

	users = physical(start_pa);
	first = (uint8_t *)physical(start_pa) +
		(n * sizeof(*users) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	fresh = first;
	end = physical(end_pa);
	n_free = (uint64_t)(end - first) / PAGE_BYTES;
}

static uint16_t *users_of(const void *page)
{
	uint64_t offset = (uint64_t)((const uint8_t *)page - first);

	if ((const uint8_t *)page < first || (const uint8_t *)page >= fresh ||
	    offset % PAGE_BYTES) {
		panic("%lx is no page", (uint64_t)page);
	}
	return &users[offset / PAGE_BYTES];
}

void *page_new(void)
{
	void *page = free_list;

	if (page) {
		free_list = *(void **)page;
	} else if (fresh < end) {
		page = fresh;
		fresh += PAGE_BYTES;
	} else {
		return NULL;
	}
	n_free--;
	*users_of(page) = 1;
	return memset(page, 0, PAGE_BYTES);
}

void page_get(void *page)
{
	if (!page_users(page)) {
		panic("a free page gets a user");
	}
	++*users_of(page);
}

void page_put(void *page)
{
	if (!page) {
		return;
	}
	if (!page_users(page)) {
		panic("a page is given back twice");
	}
	if (--*users_of(page) == 0) {
		*(void **)page = free_list;
		free_list = page;
		n_free++;
	}
}

unsigned int page_users(const void *page)
{
	return *users_of(page);
}

uint64_t page_free_count(void)
{
	return n_free;
}

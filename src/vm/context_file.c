/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing the context file format; see context_file.h. */
#include "vm/context_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "host/fd.h"

#define BUFFER_BYTES 65536u

/* Walks over the file's bytes; a part that is not there makes it fail for good. */
struct cursor {
	const uint8_t *at;
	size_t left;
	bool is_short;
};

static const uint8_t *take(struct cursor *c, uint64_t n)
{
	const uint8_t *p = c->at;

	if (n > c->left) {
		c->is_short = true;
		return NULL;
	}
	c->at += n;
	c->left -= n;
	return p;
}

/* How long the architecture's state was in a version. */
static uint64_t state_bytes_of(const struct cpu_arch *arch, uint32_t version)
{
	return version <= 2 && arch->state_bytes_v2 ? arch->state_bytes_v2 : arch->state_bytes;
}

static int check_head(const struct context_head *h, struct errmsg *e)
{
	const struct cpu_arch *arch;

	if (h->magic != CONTEXT_MAGIC) {
		return errmsg_set(e, -EINVAL, "the context is not a Pinfold context file");
	}
	if (h->version < 1 || h->version > CONTEXT_VERSION) {
		return errmsg_set(e, -EINVAL,
				  "the context has format version %u, this Pinfold reads versions "
				  "1 to %u",
				  h->version, CONTEXT_VERSION);
	}
	arch = cpu_arch_by_id((enum cpu_arch_id)h->arch);
	if (!arch || h->state_bytes != state_bytes_of(arch, h->version) ||
	    h->n_regions > MEM_REGIONS_MAX || memchr(h->board, '\0', sizeof(h->board)) == NULL) {
		return errmsg_set(e, -EINVAL, "the context's head is damaged");
	}
	return 0;
}

static int check_sum(const uint8_t *bytes, size_t n, bool is_summed, struct context_tail *ret_tail,
		     struct errmsg *e)
{
	if (n < sizeof(struct context_head) + sizeof(*ret_tail)) {
		return errmsg_set(e, -EINVAL, "the context is cut short");
	}
	memcpy(ret_tail, bytes + n - sizeof(*ret_tail), sizeof(*ret_tail));
	if (!is_summed &&
	    XXH3_64bits(bytes, n - sizeof(ret_tail->checksum)) != ret_tail->checksum) {
		return errmsg_set(e, -EINVAL,
				  "the context is damaged or cut short: its checksum is wrong");
	}
	return 0;
}

static int check_pages(const struct context_view *v, struct errmsg *e)
{
	for (uint64_t i = 0; i < v->n_pages; i++) {
		gpa_t gpa = context_page_gpa(v, i);

		if (gpa % PAGE_BYTES || (i > 0 && gpa <= context_page_gpa(v, i - 1))) {
			return errmsg_set(e, -EINVAL, "the context's pages are not in order");
		}
	}
	return 0;
}

/* Where pages and their addresses are. */
static bool find_pages_v1(const struct cursor *c, struct context_view *v)
{
	const size_t each = sizeof(struct context_page_v1);

	v->gpas = c->at;
	v->pages = c->at + offsetof(struct context_page_v1, bytes);
	v->page_stride = v->gpa_stride = each;
	return c->left % each == 0 && v->n_pages == c->left / each;
}

static bool find_pages(const struct cursor *c, size_t at, struct context_view *v)
{
	const size_t each = PAGE_BYTES + sizeof(uint64_t);
	size_t pad = (PAGE_BYTES - at % PAGE_BYTES) % PAGE_BYTES;

	if (c->left < pad || (c->left - pad) % each != 0 || v->n_pages != (c->left - pad) / each) {
		return false;
	}
	v->pages = c->at + pad;
	v->pages_off = at + pad;
	v->gpas = v->pages + v->n_pages * PAGE_BYTES;
	v->page_stride = PAGE_BYTES;
	v->gpa_stride = sizeof(uint64_t);
	return true;
}

int context_parse(const uint8_t *bytes, size_t n, bool is_summed, struct context_view *ret,
		  struct errmsg *e)
{
	struct context_view v = { 0 };
	struct context_tail tail = { 0 };
	struct cursor c = { .at = bytes, .left = n };
	int r;

	if (n < sizeof(v.head)) {
		return errmsg_set(e, -EINVAL,
				  "the context is not a Pinfold context file: it is too short");
	}
	memcpy(&v.head, take(&c, sizeof(v.head)), sizeof(v.head));
	r = check_head(&v.head, e);
	if (r == 0) {
		r = check_sum(bytes, n, is_summed, &tail, e);
	}
	if (r < 0) {
		return r;
	}
	v.state = take(&c, v.head.state_bytes);
	v.devices = take(&c, v.head.device_bytes);
	v.regions = take(&c, v.head.n_regions * sizeof(struct context_region));
	v.n_pages = tail.n_pages;
	if (!c.is_short && c.left >= sizeof(tail)) {
		c.left -= sizeof(tail);
	} else {
		c.is_short = true;
	}
	if (c.is_short || !(v.head.version == 1 ? find_pages_v1(&c, &v)
						: find_pages(&c, (size_t)(c.at - bytes), &v))) {
		return errmsg_set(e, -EINVAL, "the context's parts don't fit its length");
	}
	r = check_pages(&v, e);
	if (r == 0) {
		*ret = v;
	}
	return r;
}

struct context_region context_region_at(const struct context_view *v, uint32_t idx)
{
	struct context_region r;

	memcpy(&r, v->regions + idx * sizeof(r), sizeof(r));
	return r;
}

gpa_t context_page_gpa(const struct context_view *v, uint64_t idx)
{
	return load_le(v->gpas + idx * v->gpa_stride, 8);
}

const uint8_t *context_page_bytes(const struct context_view *v, uint64_t idx)
{
	return v->pages + idx * v->page_stride;
}

struct context_writer {
	int fd;
	int err;
	uint64_t bytes; /* written so far */
	uint64_t *gpas;
	uint64_t n_pages, max_pages;
	size_t used;
	XXH3_state_t *sum;
	uint8_t buffer[BUFFER_BYTES];
};

struct context_writer *context_writer_new(int fd)
{
	struct context_writer *w = calloc(1, sizeof(*w));

	if (w) {
		w->fd = fd;
		w->sum = XXH3_createState();
		if (!w->sum) {
			free(w);
			return NULL;
		}
		XXH3_64bits_reset(w->sum);
	}
	return w;
}

static void flush(struct context_writer *w)
{
	if (w->err == 0) {
		w->err = host_fd_write_full(w->fd, w->buffer, w->used);
	}
	w->used = 0;
}

static void put(struct context_writer *w, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n) {
		size_t room = sizeof(w->buffer) - w->used;
		size_t step = n < room ? n : room;

		memcpy(w->buffer + w->used, from, step);
		w->used += step;
		from += step;
		n -= step;
		if (w->used == sizeof(w->buffer)) {
			flush(w);
		}
	}
}

void context_writer_add(struct context_writer *w, const void *bytes, size_t n)
{
	XXH3_64bits_update(w->sum, bytes, n);
	put(w, bytes, n);
	w->bytes += n;
}

static void pad(struct context_writer *w)
{
	static const uint8_t zeros[PAGE_BYTES];

	context_writer_add(w, zeros, (PAGE_BYTES - w->bytes % PAGE_BYTES) % PAGE_BYTES);
}

/* Addresses come behind all pages. */
static void note_gpa(struct context_writer *w, gpa_t gpa)
{
	if (w->n_pages == w->max_pages) {
		uint64_t max = w->max_pages * 2 + 1024;
		uint64_t *more = reallocarray(w->gpas, max, sizeof(*more));

		if (!more) {
			w->err = w->err ? w->err : -ENOMEM;
			return;
		}
		w->gpas = more;
		w->max_pages = max;
	}
	w->gpas[w->n_pages++] = gpa;
}

void context_writer_page(struct context_writer *w, gpa_t gpa, const uint8_t *bytes)
{
	if (w->n_pages == 0) {
		pad(w);
	}
	context_writer_add(w, bytes, PAGE_BYTES);
	note_gpa(w, gpa);
}

int context_writer_finish(struct context_writer *w, struct errmsg *e)
{
	uint64_t checksum;
	int r;

	if (w->n_pages == 0) {
		pad(w);
	} else {
		context_writer_add(w, w->gpas, w->n_pages * sizeof(*w->gpas));
	}
	context_writer_add(w, &w->n_pages, sizeof(w->n_pages));
	checksum = XXH3_64bits_digest(w->sum);
	put(w, &checksum, sizeof(checksum));
	flush(w);
	r = w->err;
	XXH3_freeState(w->sum);
	free(w->gpas);
	free(w);
	return r < 0 ? errmsg_set(e, r, "the context can't be written: %s", strerror(-r)) : 0;
}

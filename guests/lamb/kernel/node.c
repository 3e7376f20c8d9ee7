/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file system: a tree of nodes in memory. A file's bytes lie in pages, which one page points to, so that it can have
 * 2 MiB. At the start the tree is filled from a tar archive that is linked into the kernel.
 */
#include "kernel.h"

enum { PAGES_MAX = PAGE_BYTES / sizeof(uint8_t *) };

extern const uint8_t archive_start[], archive_end[]; /* archive.S */

static struct node nodes[NODES_MAX];
#define root (&nodes[0])

struct node *node_get(struct node *n)
{
	n->users++;
	return n;
}

void node_put(struct node *n)
{
	if (!n || --n->users > 0) {
		return;
	}
	node_empty(n);
	page_put(n->pages);
	n->kind = 0;
}

uint32_t node_number(const struct node *n)
{
	return (uint32_t)(n - nodes);
}

/* Up to the next slash. Returns what is behind it; *ret_fits says whether the name is not too long. */
static const char *next_name(const char *path, char name[NAME_BYTES], bool *ret_fits)
{
	size_t n = 0;

	*ret_fits = true;
	for (; *path && *path != '/'; path++) {
		if (n == NAME_BYTES - 1) {
			*ret_fits = false;
			break;
		}
		name[n++] = *path;
	}
	name[n] = 0;
	while (*path == '/') {
		path++;
	}
	return path;
}

static struct node *child_named(struct node *dir, const char *name)
{
	struct node *n = dir->child;

	if (strcmp(name, ".") == 0 || !*name) {
		return dir;
	}
	if (strcmp(name, "..") == 0) {
		return dir->parent;
	}
	while (n && strcmp(n->name, name) != 0) {
		n = n->next;
	}
	return n;
}

/* The directory that a path's last name is in, and that name. */
static long find_parent(const char *path, struct node **ret_dir, char name[NAME_BYTES])
{
	struct node *dir = *path == '/' ? root : this_process()->cwd;
	bool fits;

	while (*path == '/') {
		path++;
	}
	for (path = next_name(path, name, &fits); fits && *path;
	     path = next_name(path, name, &fits)) {
		dir = child_named(dir, name);
		if (!dir) {
			return -E_NOENT;
		}
		if (dir->kind != NODE_DIRECTORY) {
			return -E_NOTDIR;
		}
	}
	*ret_dir = dir;
	return fits ? 0 : -E_NOENT;
}

long node_find(const char *path, struct node **ret)
{
	char name[NAME_BYTES];
	struct node *n;
	long r;

	r = find_parent(path, &n, name);
	if (r < 0) {
		return r;
	}
	n = child_named(n, name);
	if (!n) {
		return -E_NOENT;
	}
	*ret = n;
	return 0;
}

static struct node *unused(void)
{
	for (struct node *n = nodes; n < nodes + NODES_MAX; n++) {
		if (!n->kind) {
			return n;
		}
	}
	return NULL;
}

long node_make(const char *path, enum node_kind kind, struct node **ret)
{
	struct node *n = unused();
	struct node *dir;
	struct node **end;
	char name[NAME_BYTES];
	long r;

	r = find_parent(path, &dir, name);
	if (r < 0) {
		return r;
	}
	if (child_named(dir, name)) {
		return -E_EXIST;
	}
	if (!n) {
		return -E_NOSPC;
	}
	if (dir->parent == dir && dir != root) {
		return -E_NOENT; /* it was unlinked, somebody is still in it */
	}
	*n = (struct node){ .kind = kind, .users = 1, .parent = dir };
	memcpy(n->name, name, sizeof(name));
	for (end = &dir->child; *end; end = &(*end)->next) {
	}
	*end = n;
	*ret = n;
	return 0;
}

long node_unlink(const char *path)
{
	struct node *n;
	struct node **link;
	long r;

	r = node_find(path, &n);
	if (r < 0) {
		return r;
	}
	if (n == root || n->child) {
		return -E_NOTEMPTY;
	}
	if (n->parent == n) {
		return -E_NOENT;
	}
	for (link = &n->parent->child; *link != n; link = &(*link)->next) {
	}
	*link = n->next;
	n->parent = n;
	node_put(n);
	return 0;
}

void node_empty(struct node *n)
{
	for (unsigned int i = 0; n->pages && i < PAGES_MAX; i++) {
		page_put(n->pages[i]);
		n->pages[i] = NULL;
	}
	n->bytes = 0;
}

long node_read(struct node *n, uint64_t offset, void *to, size_t bytes)
{
	uint8_t *t = to;
	size_t done;
	size_t part;

	if (offset >= n->bytes) {
		return 0;
	}
	bytes = bytes < n->bytes - offset ? bytes : n->bytes - offset;
	for (done = 0; done < bytes; done += part) {
		const uint8_t *page = n->pages[(offset + done) / PAGE_BYTES];
		size_t at = (offset + done) % PAGE_BYTES;

		part = bytes - done < PAGE_BYTES - at ? bytes - done : PAGE_BYTES - at;
		if (page) {
			memcpy(t + done, page + at, part);
		} else {
			memset(t + done, 0, part); /* nobody ever wrote there */
		}
	}
	return (long)done;
}

long node_write(struct node *n, uint64_t offset, const void *from, size_t bytes)
{
	const uint8_t *f = from;
	size_t done;
	size_t part;

	if (offset > PAGES_MAX * PAGE_BYTES || bytes > PAGES_MAX * PAGE_BYTES - offset) {
		return -E_FBIG;
	}
	if (!n->pages) {
		n->pages = page_new();
	}
	for (done = 0; n->pages && done < bytes; done += part) {
		uint8_t **page = &n->pages[(offset + done) / PAGE_BYTES];
		size_t at = (offset + done) % PAGE_BYTES;

		if (!*page) {
			*page = page_new();
		}
		if (!*page) {
			break;
		}
		part = bytes - done < PAGE_BYTES - at ? bytes - done : PAGE_BYTES - at;
		memcpy(*page + at, f + done, part);
		n->bytes = n->bytes > offset + done + part ? n->bytes : offset + done + part;
	}
	return done > 0 || bytes == 0 ? (long)done : -E_NOSPC;
}

/* ---- the archive: POSIX ustar ---- */

struct tar_header {
	char name[100];
	char numbers[24];
	char bytes[12]; /* octal digits */
	char more[20];
	char type;
};

enum { TAR_BLOCK = 512, TAR_DIRECTORY = '5', TAR_FILE = '0' };

static uint64_t octal(const char *s, size_t n)
{
	uint64_t number = 0;

	for (size_t i = 0; i < n && s[i] >= '0' && s[i] <= '7'; i++) {
		number = number * 8 + (uint64_t)(s[i] - '0');
	}
	return number;
}

static void must(long r, const char *name)
{
	if (r < 0) {
		panic("%s: error %ld", name, -r);
	}
}

static void unpack(void)
{
	const uint8_t *p = archive_start;

	while (p + TAR_BLOCK <= archive_end && *p) {
		const struct tar_header *h = (const struct tar_header *)p;
		uint64_t bytes = octal(h->bytes, sizeof(h->bytes));
		struct node *n;

		p += TAR_BLOCK;
		if (h->type == TAR_FILE) {
			must(node_make(h->name, NODE_FILE, &n), h->name);
			must(node_write(n, 0, p, bytes), h->name);
		} else if (h->type == TAR_DIRECTORY) {
			must(node_make(h->name, NODE_DIRECTORY, &n), h->name);
		}
		p += (bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	}
}

void node_init(void)
{
	static struct process nobody = { .cwd = root }; /* paths begin at the root now */
	struct node *n;

	*root = (struct node){ .kind = NODE_DIRECTORY, .users = 1, .parent = root };
	this_hart()->process = &nobody;
	unpack();
	must(node_make("dev", NODE_DIRECTORY, &n), "dev");
	must(node_make("dev/null", NODE_DEVICE, &n), "null");
	must(node_make("dev/console", NODE_DEVICE, &n), "console");
	n->is_console = true;
	must(node_make("tmp", NODE_DIRECTORY, &n), "tmp");
	this_hart()->process = NULL;
}

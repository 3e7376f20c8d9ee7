/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec: a program takes the place of the one that runs. The new address space is built beside the old one, so that a failure
 * leaves the caller as it was. Source: System V ABI, "Object files".
 */
#include "kernel.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type;
	uint16_t machine;
	uint32_t version;
	uint64_t entry;
	uint64_t phoff;
	uint64_t shoff;
	uint32_t flags;
	uint16_t ehsize;
	uint16_t phentsize;
	uint16_t phnum;
};

struct elf_segment {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t va;
	uint64_t pa;
	uint64_t file_bytes;
	uint64_t memory_bytes;
	uint64_t align;
};

enum {
	TYPE_EXECUTABLE = 2,
	MACHINE_RISCV = 243,
	SEGMENT_LOAD = 1,
	CAN_EXECUTE = 1,
	CAN_WRITE = 2,
	CAN_READ = 4
};

static long read_exactly(struct node *n, uint64_t offset, void *to, size_t bytes)
{
	return node_read(n, offset, to, bytes) == (long)bytes ? 0 : -E_NOEXEC;
}

static unsigned int page_flags(uint32_t flags)
{
	return (flags & CAN_READ ? PTE_READ : 0U) |
	       (flags & CAN_WRITE ? PTE_READ | PTE_WRITE : 0U) |
	       (flags & CAN_EXECUTE ? PTE_EXEC : 0U);
}

static long load_segment(struct space *s, struct node *n, const struct elf_segment *g)
{
	long r = 0;

	if (g->va % PAGE_BYTES || g->va < USER_START || g->va > USER_END / 8 ||
	    g->memory_bytes > USER_END / 8 || g->file_bytes > g->memory_bytes) {
		return -E_NOEXEC;
	}
	for (uint64_t done = 0; r >= 0 && done < g->memory_bytes; done += PAGE_BYTES) {
		uint64_t bytes = done < g->file_bytes ? g->file_bytes - done : 0;
		uint8_t *page;

		r = space_map(s, g->va + done, page_flags(g->flags), &page);
		if (r >= 0 && bytes > 0) {
			r = read_exactly(n, g->offset + done, page,
					 bytes < PAGE_BYTES ? bytes : PAGE_BYTES);
		}
	}
	if (g->va + g->memory_bytes > s->heap_start) {
		s->heap_start = (g->va + g->memory_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
		s->heap_end = s->heap_start;
	}
	return r;
}

static long load(struct space *s, struct node *n, uint64_t *ret_entry)
{
	static const uint8_t magic[] = { 0x7f, 'E', 'L', 'F', 2, 1 }; /* 64 bits, little-endian */
	struct elf_header h;
	struct elf_segment g;
	long r;

	r = read_exactly(n, 0, &h, sizeof(h));
	if (r < 0 || memcmp(h.ident, magic, sizeof(magic)) != 0 || h.type != TYPE_EXECUTABLE ||
	    h.machine != MACHINE_RISCV || h.phentsize != sizeof(g)) {
		return -E_NOEXEC;
	}
	for (unsigned int i = 0; r >= 0 && i < h.phnum; i++) {
		r = read_exactly(n, h.phoff + i * sizeof(g), &g, sizeof(g));
		if (r >= 0 && g.type == SEGMENT_LOAD && g.memory_bytes > 0) {
			r = load_segment(s, n, &g);
		}
	}
	*ret_entry = h.entry;
	return r;
}

/* At the end of the stack: the strings, and below them the pointers to them. Returns the new sp, which is argv. */
static long make_stack(struct space *s, const char *args, unsigned int n)
{
	uint64_t argv[ARGS_MAX + 1];
	uint64_t bytes = 0;
	uint64_t va;
	int r;

	for (unsigned int i = 0; i < n; i++) {
		argv[i] = bytes;
		bytes += strlen(args + bytes) + 1;
	}
	va = (USER_END - bytes) & ~15UL;
	r = space_write(s, va, args, bytes);
	for (unsigned int i = 0; i < n; i++) {
		argv[i] += va;
	}
	argv[n] = 0;
	va = (va - (n + 1) * sizeof(argv[0])) & ~15UL;
	r = r < 0 ? r : space_write(s, va, argv, (n + 1) * sizeof(argv[0]));
	return r < 0 ? r : (long)va;
}

long process_exec(const char *path, const char *args, unsigned int n)
{
	struct process *p = this_process();
	struct space space;
	struct node *node;
	uint64_t entry;
	long sp;
	long r;

	r = node_find(path, &node);
	if (r < 0) {
		return r;
	}
	r = node->kind == NODE_FILE ? space_new(&space, p->space.asid) : -E_NOEXEC;
	if (r < 0) {
		return r;
	}
	r = load(&space, node, &entry);
	sp = r < 0 ? r : make_stack(&space, args, n);
	if (sp < 0) {
		space_free(&space);
		return sp;
	}
	space_enter(&space);
	space_free(&p->space);
	p->space = space;
	text_copy(p->name, sizeof(p->name), node->name);
	memset(&p->floats, 0, sizeof(p->floats));
	floats_load(&p->floats);
	p->frame->status = (p->frame->status & ~STATUS_FS) | STATUS_FS_CLEAN;
	memset(p->frame->x, 0, sizeof(p->frame->x));
	p->frame->pc = entry;
	p->frame->x[2] = (uint64_t)sp;
	p->frame->x[10] = n; /* a0, a1: the arguments of main() */
	p->frame->x[11] = (uint64_t)sp;
	return n;
}

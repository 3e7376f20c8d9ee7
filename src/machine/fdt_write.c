/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fdt_write.h. Source: Devicetree Specification 0.4. */
#include "machine/fdt_write.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"

#define CELLS_MAX 64

#define W(w, call)                         \
	do {                               \
		if ((w)->err == 0) {       \
			(w)->err = (call); \
		}                          \
	} while (0)

void fdt_write_begin(struct fdt_writer *w, uint8_t *buf, size_t size)
{
	*w = (struct fdt_writer){ .fdt = buf };
	W(w, fdt_create(buf, (int)size));
	W(w, fdt_finish_reservemap(buf));
	fdt_node(w, "");
}

int fdt_write_finish(struct fdt_writer *w, struct errmsg *e)
{
	fdt_end(w);
	W(w, fdt_finish(w->fdt));
	if (w->err) {
		return errmsg_set(e, -ENOSPC, "the device tree can't be made: %s",
				  fdt_strerror(w->err));
	}
	return (int)fdt_totalsize(w->fdt);
}

void fdt_node(struct fdt_writer *w, const char *name)
{
	W(w, fdt_begin_node(w->fdt, name));
}

void fdt_node_at(struct fdt_writer *w, const char *name, uint64_t address)
{
	char full[64];

	snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
	fdt_node(w, full);
}

void fdt_end(struct fdt_writer *w)
{
	W(w, fdt_end_node(w->fdt));
}

void fdt_bytes(struct fdt_writer *w, const char *name, const void *bytes, size_t n)
{
	W(w, fdt_property(w->fdt, name, bytes, (int)n));
}

void fdt_flag(struct fdt_writer *w, const char *name)
{
	fdt_bytes(w, name, NULL, 0);
}

void fdt_str(struct fdt_writer *w, const char *name, const char *value)
{
	fdt_bytes(w, name, value, strlen(value) + 1);
}

void fdt_u32(struct fdt_writer *w, const char *name, uint32_t value)
{
	W(w, fdt_property_u32(w->fdt, name, value));
}

void fdt_u64(struct fdt_writer *w, const char *name, uint64_t value)
{
	W(w, fdt_property_u64(w->fdt, name, value));
}

void fdt_cells(struct fdt_writer *w, const char *name, const uint32_t *cells, size_t n)
{
	fdt32_t big[CELLS_MAX];

	BUG_ON(n > CELLS_MAX);
	for (size_t i = 0; i < n; i++) {
		big[i] = cpu_to_fdt32(cells[i]);
	}
	fdt_bytes(w, name, big, n * sizeof(big[0]));
}

void fdt_reg(struct fdt_writer *w, uint64_t base, uint64_t size)
{
	fdt64_t cells[2] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };

	fdt_bytes(w, "reg", cells, sizeof(cells));
}

void fdt_memory(struct fdt_writer *w, uint64_t base_gpa, uint64_t size_bytes)
{
	fdt_node_at(w, "memory", base_gpa);
	fdt_str(w, "device_type", "memory");
	fdt_reg(w, base_gpa, size_bytes);
	fdt_end(w);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a flattened device tree with libfdt's sequential functions; for the boards' tree makers. */
#ifndef PINFOLD_MACHINE_FDT_WRITE_H
#define PINFOLD_MACHINE_FDT_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** A tree being written. The first error stays: one check at the end is enough. */
struct fdt_writer {
	void *fdt;
	int err; /* of libfdt */
};

/** Start a tree in a buffer, and its root node. */
void fdt_write_begin(struct fdt_writer *w, uint8_t *buf, size_t size);

/**
 * End the root node and the tree.
 * @return its size; -ENOSPC when it did not fit or was ill-formed
 */
int fdt_write_finish(struct fdt_writer *w, struct errmsg *e);

/** Begin a node. */
void fdt_node(struct fdt_writer *w, const char *name);

/** Begin a node whose name has an address: "name@1000". */
void fdt_node_at(struct fdt_writer *w, const char *name, uint64_t address);

/** End a node. */
void fdt_end(struct fdt_writer *w);

/** A property of bytes as they are. */
void fdt_bytes(struct fdt_writer *w, const char *name, const void *bytes, size_t n);

/** A property without value. */
void fdt_flag(struct fdt_writer *w, const char *name);

/** A property that is one string. */
void fdt_str(struct fdt_writer *w, const char *name, const char *value);

/** A property that is one 32-bit number. */
void fdt_u32(struct fdt_writer *w, const char *name, uint32_t value);

/** A property that is one 64-bit number. */
void fdt_u64(struct fdt_writer *w, const char *name, uint64_t value);

/** A property that is several 32-bit numbers. */
void fdt_cells(struct fdt_writer *w, const char *name, const uint32_t *cells, size_t n);

/** "reg" with one range, two cells each. */
void fdt_reg(struct fdt_writer *w, uint64_t base, uint64_t size);

/** A node "memory@..." */
void fdt_memory(struct fdt_writer *w, uint64_t base_gpa, uint64_t size_bytes);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target description: which registers a GDB client sees, in which order and with which types.
 * Pure. The descriptors come from a VM process that may be hostile, so only names of letters,
 * digits, '.', '_' and '-' get into the text (regs_describe() sees to that), and only types that are
 * known here.
 */
#ifndef PINFOLD_CLI_GDB_XML_H
#define PINFOLD_CLI_GDB_XML_H

#include <stddef.h>

#include "base/errmsg.h"
#include "cli/regs.h"

/**
 * Write the description of the registers that have a feature; a client numbers them in the order
 * of the table.
 * @param gdb_arch "i386:x86-64", ...
 * @param regs     from regs_describe()
 * @param ret      the text, to be freed by the caller
 * @param ret_len  its length; may be NULL
 * @return 0; -ENOMEM; -EPROTO when @p gdb_arch is not a name
 */
int gdb_xml_make(const char *gdb_arch, const struct regs *regs, char **ret, size_t *ret_len,
		 struct errmsg *e);

#endif

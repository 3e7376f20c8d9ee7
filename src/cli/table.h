/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables with aligned columns. Everything in them is made harmless for terminals (text.h). */
#ifndef PINFOLD_CLI_TABLE_H
#define PINFOLD_CLI_TABLE_H

#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table;

/**
 * Begin a table.
 * @param heads column heads separated by blanks: "NAME STATE >CPU"; '>' sets the column right-aligned,
 *              '_' stands for a blank
 * @return NULL: out of memory
 */
struct table *table_new(const char *heads);

/** Free. Accepts NULL. */
void table_free(struct table *t);

/** The next cell, from left to right, row by row; "" and NULL become "-". Out of memory: dropped. */
void table_add(struct table *t, const char *text);

/** Print heads and rows; the last column is not padded. */
void table_print(const struct table *t, FILE *f);

#endif

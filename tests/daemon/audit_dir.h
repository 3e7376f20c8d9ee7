/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of an audit log under test, read and changed behind its back. */
#ifndef PINFOLD_TESTS_DAEMON_AUDIT_DIR_H
#define PINFOLD_TESTS_DAEMON_AUDIT_DIR_H

#include <string.h>

#include "base/bits.h"
#include "daemon/audit/audit_internal.h"
#include "temp_dir.h"

static inline FILE *open_file(const char *dir, const char *name, const char *mode)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, mode);
	BUG_ON(!f);
	return f;
}

static inline size_t read_file(const char *dir, const char *name, uint8_t *buf, size_t max)
{
	FILE *f = open_file(dir, name, "r");
	size_t n = fread(buf, 1, max, f);

	fclose(f);
	return n;
}

/** Replace the content; owner and mode stay. */
static inline void write_file(const char *dir, const char *name, const uint8_t *p, size_t n)
{
	FILE *f = open_file(dir, name, "w");

	BUG_ON(fwrite(p, 1, n, f) != n);
	fclose(f);
}

static inline void poke_file(const char *dir, const char *name, size_t off, uint8_t byte)
{
	FILE *f = open_file(dir, name, "r+");

	BUG_ON(fseek(f, (long)off, SEEK_SET) != 0 || fputc(byte, f) == EOF);
	fclose(f);
}

#endif

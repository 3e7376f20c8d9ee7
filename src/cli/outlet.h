/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that never blocks: bytes are kept here until the other side takes them, so that Ctrl-C
 * and time limits work while a pager or a terminal stands still.
 */
#ifndef PINFOLD_CLI_OUTLET_H
#define PINFOLD_CLI_OUTLET_H

#include <stdbool.h>
#include <stddef.h>

#define OUTLET_BYTES 65536

/** One output. */
struct outlet {
	int fd;
	bool is_own;	/* to be closed */
	bool is_broken; /* nobody will ever read: what is put is dropped */
	bool is_at_line_start;
	size_t len;
	char buf[OUTLET_BYTES];
};

/**
 * Prepare output to a descriptor of ours or the caller's. Pipes and terminals are opened again, so
 * that their mode does not change for other programs.
 * @param fd stays open
 */
void outlet_init(struct outlet *o, int fd);

/** Flushes nothing. Accepts a done outlet. */
void outlet_done(struct outlet *o);

/** Bytes that can be put now. */
size_t outlet_room(const struct outlet *o);

/** Keep bytes for output; @p n at most outlet_room() (BUG otherwise). */
void outlet_put(struct outlet *o, const void *bytes, size_t n);

/**
 * Write what can be written without waiting.
 * @return 0, also when bytes are left; -EPIPE when the reader has gone, once; negative errno, once
 */
int outlet_flush(struct outlet *o);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instruction trace: the VM writes raw facts into a pipe, here they become lines of text.
 * The VM waits when the pipe is full, so it must be read while anything else is awaited.
 */
#ifndef PINFOLD_CLI_TRACE_H
#define PINFOLD_CLI_TRACE_H

#include <stdbool.h>

#include "base/errmsg.h"
#include "cli/disas.h"
#include "cli/regs.h"
#include "launch/launch.h"

struct trace;

/**
 * Start to trace a VM that was launched with a trace pipe.
 * @param path of the file that is made or overwritten; "-": standard error
 * @param regs described; borrowed until trace_free()
 * @param disas borrowed until trace_free()
 * @return 0; negative errno
 */
int trace_new(struct launch_vm *vm, const char *path, const struct regs *regs, struct disas *disas,
	      struct trace **ret, struct errmsg *e);

/** Accepts NULL. Lines that are not flushed are lost. */
void trace_free(struct trace *t);

/** Turn what is in the pipe into lines, as far as there is room. @return true when it is empty */
bool trace_pump(struct trace *t);

/** Write lines without waiting. */
void trace_flush(struct trace *t);

/** Whether all lines are written. */
bool trace_is_flushed(const struct trace *t);

/** Whether the pipe should be polled. */
bool trace_wants_input(const struct trace *t);

/** Descriptor to poll for room. */
int trace_out_fd(const struct trace *t);

/** @return what went wrong with pipe or file; NULL if nothing did */
const char *trace_error(const struct trace *t);

#endif

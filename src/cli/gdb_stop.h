/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stops of a VM as a GDB client sees them: stop replies and signals. Pure. */
#ifndef PINFOLD_CLI_GDB_STOP_H
#define PINFOLD_CLI_GDB_STOP_H

#include <stdbool.h>

#include "cli/gdb_command.h"
#include "proto/proto.h"

/** Room for a stop reply. */
#define GDB_STOP_TEXT 64

/** What the client said that it understands. */
struct gdb_stop_features {
	bool has_swbreak;
	bool has_hwbreak;
};

/** Whether the guest can't go on after this. */
bool gdb_stop_is_end(const struct proto_stopped *stop);

/**
 * The stop reply. A fault, a limit or a broken device is a signal: the client may look around
 * before it goes on. A guest that left by itself is gone.
 * @param point           BREAKPOINT: the kind of breakpoint that the client has there
 * @param was_interrupted PAUSED: because the client asked
 * @return whether the reply says that the guest is gone: the session is over
 */
bool gdb_stop_format(const struct proto_stopped *stop, enum gdb_point point, bool was_interrupted,
		     const struct gdb_stop_features *features, char ret[GDB_STOP_TEXT]);

/** The reply to a client that wants to go on although the guest has ended: exited or killed. */
void gdb_stop_format_end(const struct proto_stopped *stop, char ret[GDB_STOP_TEXT]);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GDB remote serial protocol for one VM: what `pinfold run --gdb` offers (docs/gdb.md).
 *
 * The server lives in the controller, outside the jail, and drives the VM by messages only. It
 * has no loop of its own: the command's event loop polls its descriptors next to console and VM,
 * so the console keeps flowing while a debugger is attached:
 *
 *     gdb_server_new()                        instead of PROTO_START: the VM stays before its
 *                                             first instruction until a client lets it go
 *     loop:
 *         while (launch_vm_event() == 1) {    also after gdb_server_handle(): a request may have
 *             gdb_server_on_stop()            set an event aside
 *         }
 *         if (gdb_server_is_over()) break     report gdb_server_last_stop(), or "killed"
 *         n = gdb_server_pollfds(fds)
 *         poll(fds ...)
 *         gdb_server_handle(fds, n)
 *     gdb_server_free()
 *
 * While no client is attached the guest runs on, and its end is the end of the run. While one is,
 * the end of the guest is the client's to look at: the run is over when the client has gone on,
 * detached or disappeared.
 *
 * Client and VM are both taken to be hostile. One client at a time. Thread: one, the loop's.
 */
#ifndef PINFOLD_CLI_GDB_SERVER_H
#define PINFOLD_CLI_GDB_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/errmsg.h"
#include "launch/launch.h"

/** Most descriptors that gdb_server_pollfds() gives. */
#define GDB_SERVER_FDS 2

struct gdb_server;

/**
 * Check where to listen, without doing so: "unix:PATH", "PORT" or "HOST:PORT" with a loopback
 * address ("localhost", "127.x.y.z", "[::1]").
 * @return 0; -EINVAL with one clear sentence
 */
int gdb_server_check(const char *where, struct errmsg *e);

/**
 * Listen for a client of this VM, and say so on stderr. The VM must be ready, not started.
 * @param vm    stays with the caller, outlives the server
 * @param name  of the VM, for `monitor info`; copied
 * @param where see gdb_server_check()
 * @param ret   the server; give it to gdb_server_free()
 * @return 0; -EINVAL; -EADDRINUSE and other errors of sockets; errors of launch_vm_request()
 */
int gdb_server_new(struct launch_vm *vm, const char *name, const char *where,
		   struct gdb_server **ret, struct errmsg *e);

/** Close all, remove the UNIX socket. Accepts NULL. */
void gdb_server_free(struct gdb_server *s);

/**
 * What to poll for.
 * @param fds receives at most GDB_SERVER_FDS entries
 * @return how many
 */
size_t gdb_server_pollfds(const struct gdb_server *s, struct pollfd fds[GDB_SERVER_FDS]);

/**
 * Serve what poll() found. Mistakes of the client are the client's: they end its connection, not
 * the run.
 * @param fds the entries of gdb_server_pollfds(), with revents
 * @return 0; negative errno when the VM does not answer any more
 */
int gdb_server_handle(struct gdb_server *s, const struct pollfd *fds, size_t n, struct errmsg *e);

/** The VM stands: tell the client, if there is one. */
void gdb_server_on_stop(struct gdb_server *s, const struct proto_stopped *stop);

/**
 * Whether the run is over: the guest has ended and no client looks at it, or it was stopped on
 * request, or a client killed it.
 */
bool gdb_server_is_over(const struct gdb_server *s);

/** Whether a client asked to kill the guest; the caller does it (launch_vm_force_stop()). */
bool gdb_server_is_killed(const struct gdb_server *s);

/** How the guest ended; NULL while it has not. */
const struct proto_stopped *gdb_server_last_stop(const struct gdb_server *s);

#endif

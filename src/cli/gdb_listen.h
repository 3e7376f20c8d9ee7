/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a GDB client may connect: a UNIX socket or a TCP port of the loopback interface, nothing
 * else, since whoever connects owns the guest.
 */
#ifndef PINFOLD_CLI_GDB_LISTEN_H
#define PINFOLD_CLI_GDB_LISTEN_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/errmsg.h"

/** A checked place to listen. */
struct gdb_place {
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} addr;
	socklen_t addr_bytes;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* UNIX socket, or "" */
};

/**
 * Understand "unix:PATH", "PORT" or "HOST:PORT".
 * @return 0; -EINVAL with one clear sentence
 */
int gdb_place_parse(const char *where, struct gdb_place *ret, struct errmsg *e);

/**
 * Listen there. A UNIX socket is made with mode 0600; one that is left over, on which nobody
 * answers, is replaced, any other file is not touched.
 * @param p       TCP: its port is filled in if it was 0
 * @param ret_fd  listening socket, non-blocking; close it by gdb_listen_done()
 * @return 0; negative errno with one clear sentence
 */
int gdb_listen(struct gdb_place *p, int *ret_fd, struct errmsg *e);

/** Close and remove what gdb_listen() made. */
void gdb_listen_done(const struct gdb_place *p, int fd);

/**
 * How to connect, for people.
 * @param where  receives "127.0.0.1:1234" or the path
 * @param target receives what follows gdb's `target remote`
 */
void gdb_place_describe(const struct gdb_place *p, char where[128], char target[128]);

#endif

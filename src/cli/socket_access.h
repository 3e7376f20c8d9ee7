/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may connect to a daemon's socket on this machine, and how one becomes one of them. */
#ifndef PINFOLD_CLI_SOCKET_ACCESS_H
#define PINFOLD_CLI_SOCKET_ACCESS_H

#include <stdbool.h>

/** What its file says. */
struct socket_access {
	bool is_there;
	bool is_usable;	  /**< by this process */
	char group[64];	  /**< whose members may; empty: everybody, or the owner alone */
	char detail[320]; /**< a sentence without its full stop: who may, and else what to do */
};

/** Look at a socket. */
void socket_access_look(const char *path, struct socket_access *ret);

#endif

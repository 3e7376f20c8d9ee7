/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold-net: the network of one VM. Started by pinfold or pinfoldd with a socket as descriptor 3 and the network's
 * description as its argument. It says "ok", or one sentence why not, on standard output, and serves until the VM is gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/net.h"

static int fail(const struct errmsg *e)
{
	printf("%s\n", e->text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct net_options o;
	struct errmsg e = { 0 };
	struct net *n;

	if (argc != 2) {
		fprintf(stderr, "pinfold-net is started by pinfold, not by hand\n");
		return EXIT_FAILURE;
	}
	if (net_options_parse(argv[1], &o, &e) < 0 || net_new(&o, &n, &e) < 0 ||
	    net_jail_enter(&e) < 0) {
		return fail(&e);
	}
	printf("ok\n");
	fflush(stdout);
	close(STDOUT_FILENO);
	return net_serve(n);
}

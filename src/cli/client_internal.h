/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the client: transfers of which several go on at once (console.c). */
#ifndef PINFOLD_CLI_CLIENT_INTERNAL_H
#define PINFOLD_CLI_CLIENT_INTERNAL_H

#include <sys/types.h>

#include "cli/client.h"
#include "cli/curl_lib.h"
#include "cli/tunnel.h"

/** One request on its way. Zeroed by client_transfer_init(). */
struct client_transfer {
	struct client *c;
	const struct client_request *rq;
	CURL *easy; /**< owned */
	struct curl_slist *headers;
	char *body_text;
	char *answer; /**< what is not for the sink */
	size_t answer_bytes;
	uint64_t left_bytes; /**< of the file to send */
	int error;	     /**< of the sink or of reading the file */
	int fd;		     /**< of the connection, curl's; -1: it was there before */
	bool is_strange;     /**< who answers is neither root nor the caller */
	uid_t stranger;
	char curl_error[CURL_ERROR_SIZE];
};

/** The socket on this machine. */
const char *client_socket(const struct client *c);

/** What the daemon is reached through, or NULL. */
const struct tunnel *client_tunnel(const struct client *c);

/** Set up a transfer; @p rq must outlive it. @return 0; -ENOMEM */
int client_transfer_init(struct client *c, const struct client_request *rq,
			 struct client_transfer *t, struct errmsg *e);

/** What became of it. @param code of curl. @return as client_do() */
int client_transfer_result(struct client_transfer *t, CURLcode code, json_t **ret_json,
			   struct errmsg *e);

/** Free. Accepts a zeroed transfer. */
void client_transfer_done(struct client_transfer *t);

#endif

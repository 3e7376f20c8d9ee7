/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold logs: what a guest has printed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli/cmd.h"
#include "host/fd.h"

enum { KEY_FOLLOW = 'f', KEY_FROM = CMD_OWN_KEYS, KEY_RAW };

/* What is printed. */
struct logs {
	bool is_followed, is_raw, is_made_safe;
	unsigned char last; /* byte that was printed */
	uint64_t from;
};

/*
 * To a terminal goes what a terminal only shows: a guest's escape sequences could set its title, answer for who
 * sits there, or hide what was printed. A file gets every byte.
 */
static int print(void *arg, const void *bytes, size_t n)
{
	struct logs *l = arg;
	const unsigned char *from = bytes;
	char to[2048];
	size_t used = 0;
	int r = 0;

	if (!l->is_made_safe) {
		return host_fd_write_full(STDOUT_FILENO, bytes, n);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		unsigned char c = from[i];

		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
			to[used++] = '^';
			c ^= 0x40;
		} else if (c >= 0x80 && c < 0xa0 && (l->last < 0x80 || l->last == 0xc2)) {
			c = '?'; /* a control character of the second set, alone or in UTF-8 */
		}
		l->last = from[i];
		to[used++] = (char)c;
		if (used > sizeof(to) - 2 || i == n - 1) {
			r = host_fd_write_full(STDOUT_FILENO, to, used);
			used = 0;
		}
	}
	return r;
}

static int run(struct cmd_run *r)
{
	struct logs *l = r->own;
	struct client_request rq = { .method = "GET", .sink = print, .arg = l };
	struct errmsg e = { 0 };
	char rest[64];
	char *path;
	int ret;

	snprintf(rest, sizeof(rest), "/console?from=%llu%s", (unsigned long long)l->from,
		 l->is_followed ? "&follow=1" : "");
	path = client_path("/v1/vms/", r->operand[0], rest);
	rq.path = path;
	l->is_made_safe = !l->is_raw && isatty(STDOUT_FILENO);
	ret = path ? client_do(r->client, &rq, NULL, &e) : errmsg_set(&e, -ENOMEM, "out of memory");
	free(path);
	return ret < 0 ? cmd_fail(&e) : 0;
}

static int take_option(void *own, int key, const char *arg, struct errmsg *e)
{
	struct logs *l = own;
	int r;

	switch (key) {
	case KEY_FOLLOW:
		l->is_followed = true;
		return 0;
	case KEY_RAW:
		l->is_raw = true;
		return 0;
	case KEY_FROM:
		r = parse_size_bytes(arg, &l->from, e);
		if (r < 0) {
			errmsg_prefix(e, "--from: ");
		}
		return r;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_logs(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "follow", KEY_FOLLOW, NULL, 0, "go on until the VM ends", 1 },
		{ "from", KEY_FROM, "BYTES", 0, "leave out so much from the start of the run", 1 },
		{ "raw", KEY_RAW, NULL, 0,
		  "to a terminal, too, print every byte: the guest then controls it", 1 },
		{ 0 },
	};
	static const struct cmd cmd = {
		.doc = "Print what a guest has written to its console in its last run, byte by "
		       "byte; on a terminal, control characters are shown as ^X. "
		       "The daemon keeps the end of it.\v"
		       "Example:\n    pinfold logs -f web",
		.operands = "VM",
		.min = 1,
		.max = 1,
		.options = options,
		.option = take_option,
		.run = run,
	};
	struct logs l = { 0 };

	return cmd_main(&cmd, &l, argc, argv);
}

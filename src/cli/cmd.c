/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands that talk to the daemon have in common; see cmd.h. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "cli/text.h"

#define OPTIONS_MAX 64

enum { KEY_JSON = 1024, KEY_SOCKET, KEY_HOST };

static const struct argp_option json_option[] = {
	{ "json", KEY_JSON, NULL, 0, "print the daemon's answer as JSON", 9 },
	{ 0 },
};

static const struct argp_option quiet_option[] = {
	{ "quiet", 'q', NULL, 0, "print ids only, or nothing", 9 },
	{ 0 },
};

static const struct argp_option where_options[] = {
	{ "socket", KEY_SOCKET, "PATH", 0, "the daemon's socket (also PINFOLD_SOCKET)", 10 },
	{ "host", KEY_HOST, "URL", 0,
	  "a daemon elsewhere: ssh://[USER@]HOST[:PORT][/SOCKET] (also PINFOLD_HOST)", 10 },
	{ 0 },
};

/* What the parser works on. */
struct parsing {
	const struct cmd *cmd;
	struct cmd_run run;
	struct errmsg e;
};

static size_t add_options(struct argp_option *to, size_t n, const struct argp_option *from)
{
	for (; from && (from->name || from->doc); from++) {
		BUG_ON(n == OPTIONS_MAX);
		to[n++] = *from;
	}
	return n;
}

static int add_operand(struct parsing *p, struct argp_state *state, char *arg)
{
	if ((p->cmd->flags & CMD_GUEST_ARGS) && state->quoted > 0 && state->next > state->quoted) {
		return p->cmd->option(p->run.own, CMD_KEY_GUEST_ARG, arg, &p->e) < 0 ? EINVAL : 0;
	}
	if (p->run.n_operands == p->cmd->max) {
		char safe[80];

		errmsg_set(&p->e, -EINVAL, "'%s' is one argument too many; see '%s --help'",
			   text_safe_to(arg, safe, sizeof(safe)), state->name);
		return EINVAL;
	}
	p->run.operand[p->run.n_operands++] = arg;
	return 0;
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	int r;

	switch (key) {
	case KEY_JSON:
		p->run.is_json = true;
		return 0;
	case KEY_SOCKET:
		p->run.where.socket_path = arg;
		return 0;
	case KEY_HOST:
		p->run.where.host = arg;
		return 0;
	case ARGP_KEY_ARG:
		return add_operand(p, state, arg);
	default:
		break;
	}
	if (key == 'q' && (p->cmd->flags & CMD_QUIET)) {
		p->run.is_quiet = true;
		return 0;
	}
	if ((key & 0x1000000) || !p->cmd->option) {
		return ARGP_ERR_UNKNOWN; /* argp's own keys */
	}
	r = p->cmd->option(p->run.own, key, arg, &p->e);
	return r < 0 ? EINVAL : r;
}

/* What argp prints for --help: an exit status where the command does not say one. */
static char *filter_help(int key, const char *text, void *input)
{
	const struct parsing *p = input;
	char *longer;

	if (key == ARGP_KEY_HELP_POST_DOC && text && !strcasestr(p->cmd->doc, "exit status") &&
	    asprintf(&longer,
		     "Exit status: 0; 125 when something failed: a sentence on standard error "
		     "says what.\n\n%s",
		     text) >= 0) {
		return longer;
	}
	return (char *)(uintptr_t)text; /* argp's own: the same pointer means no change */
}

/* The first of the operands that is not there. */
static int operand_is_missing(struct parsing *p, const char *command)
{
	const char *word = p->cmd->operands;

	for (int i = 0; i < p->run.n_operands && strchr(word, ' '); i++) {
		word = strchr(word, ' ') + 1;
	}
	return errmsg_set(&p->e, -EINVAL, "%.*s is missing; see '%s --help'",
			  (int)strcspn(word, " "), word, command);
}

static int parse(struct parsing *p, int argc, char **argv)
{
	struct argp_option options[OPTIONS_MAX + 1] = { { 0 } };
	const struct argp argp = { options,	parse_key, p->cmd->operands, p->cmd->doc, NULL,
				   filter_help, NULL };
	size_t n = add_options(options, 0, p->cmd->options);
	int r;

	n = add_options(options, n, p->cmd->more_options);
	n = add_options(options, n, p->cmd->machine_options);
	n = add_options(options, n, p->cmd->flags & CMD_JSON ? json_option : NULL);
	n = add_options(options, n, p->cmd->flags & CMD_QUIET ? quiet_option : NULL);
	add_options(options, n, p->cmd->flags & CMD_LOCAL ? NULL : where_options);
	argp_err_exit_status = EXIT_STATUS_ERROR;
	r = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, p);
	if (r == 0 && p->run.n_operands < p->cmd->min) {
		r = operand_is_missing(p, argv[0]);
	}
	if (r != 0 && p->e.text[0] == '\0') {
		errmsg_set(&p->e, -EINVAL, "%s", strerror(r < 0 ? -r : r));
	}
	return r;
}

int cmd_main(const struct cmd *cmd, void *own, int argc, char **argv)
{
	struct parsing p = { .cmd = cmd };
	int status;
	int r = 0;

	p.run.own = own;
	p.run.operand = calloc((size_t)argc + 1, sizeof(*p.run.operand));
	if (!p.run.operand) {
		errmsg_set(&p.e, -ENOMEM, "out of memory");
		return cmd_fail(&p.e);
	}
	r = parse(&p, argc, argv);
	if (r == 0 && !(cmd->flags & (CMD_NO_CLIENT | CMD_LOCAL))) {
		r = client_open(&p.run.where, &p.run.client, &p.e);
	}
	status = r == 0 ? cmd->run(&p.run) : cmd_fail(&p.e);
	client_close(p.run.client);
	free(p.run.operand);
	return status;
}

static void print_members(const struct cmd_member *members, size_t n, const char *doc,
			  const char *name)
{
	printf("Usage: %s COMMAND [OPTION...]\n%s\n\nCommands:\n", name, doc);
	for (size_t i = 0; i < n; i++) {
		printf("  %-10s %s\n", members[i].name, members[i].summary);
	}
	printf("\n'%s COMMAND --help' shows the options of one.\n", name);
}

static const struct cmd_member *find_member(const struct cmd_member *members, size_t n,
					    const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(members[i].name, name) == 0) {
			return &members[i];
		}
	}
	return NULL;
}

int cmd_group_main(const struct cmd_member *members, size_t n, unsigned int flags, const char *doc,
		   int argc, char **argv)
{
	const struct cmd_member *m;
	char full_name[64];
	struct errmsg e = { 0 };
	char safe[80];

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
		print_members(members, n, doc, argv[0]);
		return 0;
	}
	if ((flags & CMD_HAS_DEFAULT) && (argc < 2 || argv[1][0] == '-')) {
		return members[0].main(argc, argv);
	}
	m = argc > 1 ? find_member(members, n, argv[1]) : NULL;
	if (!m) {
		errmsg_set(&e, -EINVAL,
			   argc > 1 ? "there is no '%s %s'; see '%s --help'"
				    : "'%s' needs a command%s; see '%s --help'",
			   argv[0], argc > 1 ? text_safe_to(argv[1], safe, sizeof(safe)) : "",
			   argv[0]);
		return cmd_fail(&e);
	}
	snprintf(full_name, sizeof(full_name), "%s %s", argv[0], m->name);
	argv[1] = full_name;
	return m->main(argc - 1, argv + 1);
}

int cmd_fail(const struct errmsg *e)
{
	fflush(stdout);
	fprintf(stderr, "pinfold: %s\n", e->text);
	return EXIT_STATUS_ERROR;
}

int cmd_get(struct cmd_run *r, const char *path, json_t **ret)
{
	return cmd_send(r, "GET", path, NULL, ret);
}

int cmd_send(struct cmd_run *r, const char *method, const char *path, const json_t *body,
	     json_t **ret)
{
	json_t *answer = NULL;
	struct errmsg e = { 0 };

	if (client_send(r->client, method, path, body, &answer, &e) < 0) {
		return cmd_fail(&e);
	}
	if (ret) {
		*ret = answer ? answer : json_object();
	} else {
		json_decref(answer);
	}
	return 0;
}

int cmd_get_list(struct cmd_run *r, const char *path, json_t **ret)
{
	json_t *answer = NULL;
	struct errmsg e = { 0 };
	int status = cmd_get(r, path, &answer);

	if (status == 0 && !json_is_array(answer)) {
		json_decref(answer);
		errmsg_set(&e, -EPROTO, "the daemon's answer is not a list");
		return cmd_fail(&e);
	}
	if (status == 0) {
		*ret = answer;
	}
	return status;
}

int cmd_get_vm(struct cmd_run *r, const char *name, const char *rest, json_t **ret)
{
	char *path = client_path("/v1/vms/", name, rest);
	int status = cmd_get(r, path, ret);

	free(path);
	return status;
}

void cmd_name_done(const struct cmd_run *r, const char *name)
{
	char *safe;

	if (!r->is_quiet && !r->is_json) {
		safe = text_safe(name);
		puts(safe ? safe : "");
		free(safe);
	}
}

int cmd_each(struct cmd_run *r, int (*one)(struct cmd_run *r, const char *name, struct errmsg *e))
{
	int status = 0;

	for (int i = 0; i < r->n_operands; i++) {
		struct errmsg e = { 0 };

		if (one(r, r->operand[i], &e) < 0) {
			status = cmd_fail(&e);
		}
	}
	return status;
}

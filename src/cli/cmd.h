/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands that talk to the daemon have in common: the options --socket, --host, --json and
 * --quiet, operands, the connection, errors. A command is a const table and a run function:
 *
 *   static const struct cmd cmd = { .doc = "...", .operands = "VM...", .min = 1, .max = CMD_MANY,
 *                                   .run = run };
 *   int cmd_NAME(int argc, char **argv) { return cmd_main(&cmd, NULL, argc, argv); }
 */
#ifndef PINFOLD_CLI_CMD_H
#define PINFOLD_CLI_CMD_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/fields.h"

/** Any number of operands. */
#define CMD_MANY 100000

/** Keys of a command's own long options begin here; those of vm_options.h below, cmd.c's above. */
#define CMD_OWN_KEYS 512

enum cmd_flag {
	CMD_JSON = 1,	    /**< has --json */
	CMD_QUIET = 2,	    /**< has -q, --quiet */
	CMD_NO_CLIENT = 4,  /**< does not need the daemon: run() gets no client */
	CMD_GUEST_ARGS = 8, /**< what is behind -- goes to option() with CMD_KEY_GUEST_ARG */
	CMD_LOCAL = 32,	    /**< works on files: no client, and no options that say which daemon */
	CMD_HAS_DEFAULT = 16, /**< of a group: its first member runs when none is named */
};

/** Key under which option() gets a word that stands behind "--". */
#define CMD_KEY_GUEST_ARG 0x2000

/** A command at work. */
struct cmd_run {
	struct client *client;	     /**< or NULL with CMD_NO_CLIENT or CMD_LOCAL */
	struct client_options where; /**< what --socket and --host say */
	bool is_json, is_quiet;
	char **operand;
	int n_operands;
	void *own; /**< of cmd_main() */
};

/** A command. */
struct cmd {
	const char *doc;      /**< one sentence, '\v', then an example */
	const char *operands; /**< "VM..." or NULL */
	int min, max;	      /**< operands */
	unsigned int flags;   /**< enum cmd_flag */
	/** Its own options, groups 1 to 8, or NULL: ends with { 0 }. */
	const struct argp_option *options;
	/** More options, such as vm_options_table and machine_options_table, or NULL. */
	const struct argp_option *more_options, *machine_options;
	/** An option of its own. @return 0; ARGP_ERR_UNKNOWN; -EINVAL with a sentence */
	int (*option)(void *own, int key, const char *arg, struct errmsg *e);
	int (*run)(struct cmd_run *r); /**< @return exit status */
};

/** Parse, connect, run. @return exit status */
int cmd_main(const struct cmd *cmd, void *own, int argc, char **argv);

/** A command that is the name of others: "user add". */
struct cmd_member {
	const char *name;
	const char *summary;
	int (*main)(int argc, char **argv);
};

/** Find the member that argv[1] names and run it. @return exit status */
int cmd_group_main(const struct cmd_member *members, size_t n, unsigned int flags, const char *doc,
		   int argc, char **argv);

/** Print the sentence. @return EXIT_STATUS_ERROR */
int cmd_fail(const struct errmsg *e);

/** GET; failures are printed. @return 0, or the exit status */
int cmd_get(struct cmd_run *r, const char *path, json_t **ret);

/** GET a list; failures, and what is no list, are printed. @return 0, or the exit status */
int cmd_get_list(struct cmd_run *r, const char *path, json_t **ret);

/** Any request; failures are printed. @param ret may be NULL. @return 0, or the exit status */
int cmd_send(struct cmd_run *r, const char *method, const char *path, const json_t *body,
	     json_t **ret);

/** GET "/v1/vms/NAME" + @p rest; failures are printed. @return 0, or the exit status */
int cmd_get_vm(struct cmd_run *r, const char *name, const char *rest, json_t **ret);

/**
 * Do something for every operand, and go on after failures.
 * @param one done for each; 0, or negative errno with the sentence
 * @return 0; EXIT_STATUS_ERROR when one failed
 */
int cmd_each(struct cmd_run *r, int (*one)(struct cmd_run *r, const char *name, struct errmsg *e));

/** Print the name of what was changed, unless --quiet or --json say otherwise. */
void cmd_name_done(const struct cmd_run *r, const char *name);

#endif

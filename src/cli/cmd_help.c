/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfold help [COMMAND], pinfold version. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("pinfold %s\n", PINFOLD_VERSION);
	return 0;
}

static const char *const group_titles[GROUPS] = {
	[GROUP_HERE] = "Without the daemon:",
	[GROUP_DAEMON] = "The daemon:",
	[GROUP_VM] = "Life of a VM under the daemon:",
	[GROUP_LOOK] = "Looking at VMs:",
	[GROUP_TUNE] = "Cores, and changes while VMs run:",
	[GROUP_ADMIN] = "Administration:",
	[GROUP_HELP] = "Help:",
};

static void print_commands(void)
{
	printf("Usage: pinfold COMMAND [OPTION...]\n"
	       "Run machine code for x86, x64, ARM, AArch64 and RISC-V, each guest in its own "
	       "jail.\n");
	for (size_t i = 0; i < commands_count; i++) {
		if (i == 0 || commands[i].group != commands[i - 1].group) {
			printf("\n%s\n", group_titles[commands[i].group]);
		}
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	}
	printf("\nOptions:\n"
	       "  --help     show this text\n"
	       "  --version  show the version\n\n"
	       "'pinfold COMMAND --help' shows the options of a command and examples. Manual "
	       "pages: "
	       "pinfold(1),\npinfold-run(1), pinfold-doctor(1), pinfold-disk(1), pinfold-up(1), "
	       "pinfold-create(1), pinfold-ps(1),\npinfold-top(1), pinfold-user(1), "
	       "pinfold-guard(1), pinfoldd(8).\n");
}

int cmd_help(int argc, char **argv)
{
	char full_name[32];
	char help[] = "--help";
	char *sub_argv[] = { full_name, help, NULL };

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_commands();
		return 0;
	}
	for (size_t i = 0; i < commands_count; i++) {
		if (strcmp(argv[1], commands[i].name) != 0) {
			continue;
		}
		if (commands[i].main == cmd_help || commands[i].main == cmd_version) {
			print_commands();
			return 0;
		}
		snprintf(full_name, sizeof(full_name), "pinfold %s", commands[i].name);
		return commands[i].main(2, sub_argv);
	}
	fprintf(stderr, "pinfold: there is no command '%s'; see 'pinfold --help'\n", argv[1]);
	return EXIT_STATUS_ERROR;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of the guard, in the order in which they run. */
#ifndef PINFOLD_TESTS_GUARD_BED_CHECKS_H
#define PINFOLD_TESTS_GUARD_BED_CHECKS_H

#include "setup.h"

/** When a check runs that nobody names. */
enum {
	CHECK_SHORT = 1, /**< in the short form, too */
	CHECK_STOCK = 2, /**< on a stock kernel */
	CHECK_DEBUG = 4, /**< on one that checks itself */
};

/** One check. It finds the module loaded or not, nobody awake, and leaves it so. */
struct check {
	const char *name; /**< "group/case" */
	void (*run)(struct bed *b);
	unsigned int when; /**< CHECK_... */
};

/** All of them; the last has no name. */
extern const struct check checks[];

/* check_wake.c: with both terminals, each the first and the second to come */
void check_wake_chord(struct bed *b);
void check_wake_sysrq(struct bed *b);
void check_wake_command(struct bed *b);
void check_wake_break(struct bed *b);
void check_wake_token(struct bed *b);
void check_wake_passphrase(struct bed *b);
void check_wake_take_over(struct bed *b);
void check_wake_screen(struct bed *b);
void check_wake_graphics(struct bed *b);
void check_wake_lines(struct bed *b);
void check_wake_off(struct bed *b);
void check_wake_suspend(struct bed *b);
void check_idle(struct bed *b);

/* check_hogged.c */
void check_hogged_chord(struct bed *b);
void check_hogged_sysrq(struct bed *b);
void check_hogged_command(struct bed *b);
void check_hogged_break(struct bed *b);
void check_hogged_kill(struct bed *b);
void check_hogged_kill_starved(struct bed *b);

/* check_commands.c */
void check_kill(struct bed *b);
void check_kill_core(struct bed *b);
void check_kill_user(struct bed *b);
void check_ban(struct bed *b);
void check_freeze(struct bed *b);
void check_freeze_stopped(struct bed *b);
void check_reclaim(struct bed *b);
void check_reclaim_beside(struct bed *b);
void check_reclaim_dying(struct bed *b);
void check_reads(struct bed *b);
void check_registry(struct bed *b);
void check_crowd(struct bed *b);

/* check_states.c */
void check_kill_again(struct bed *b);

/* check_auth.c */
void check_auth(struct bed *b);
void check_auth_back_off(struct bed *b);
void check_auth_expired(struct bed *b);

/* check_deaths.c */
void check_deaths_one(struct bed *b);
void check_deaths_asleep(struct bed *b);
void check_deaths_both(struct bed *b);
void check_deaths_command(struct bed *b);
void check_hang_asleep(struct bed *b);
void check_hang_burning(struct bed *b);

/* check_log.c */
void check_log_attack(struct bed *b);
void check_log_chain(struct bed *b);
void check_log_doctored(struct bed *b);
void check_unload(struct bed *b);

/* check_input.c */
void check_input(struct bed *b);
void check_flood(struct bed *b);
void check_memory(struct bed *b);

/* check_daemon.c */
void check_daemon_kill(struct bed *b);
void check_daemon_kill_core(struct bed *b);
void check_daemon_kill_user(struct bed *b);
void check_daemon_freeze(struct bed *b);
void check_daemon_ban(struct bed *b);
void check_daemon_reclaim(struct bed *b);
void check_daemon_log(struct bed *b);

/* check_come.c */
void check_come_reload(struct bed *b);
void check_come_idle(struct bed *b);

/* check_cores.c */
void check_cores_offline(struct bed *b);
void check_cores_parameter(struct bed *b);
void check_cores_taskset(struct bed *b);
void check_cores_partition(struct bed *b);
void check_cores_bandwidth(struct bed *b);

/* check_key.c */
void check_key_refused(struct bed *b);
void check_key_logon(struct bed *b);

/* check_debug.c */
void check_debug_leaks(struct bed *b);
void check_debug_cycles(struct bed *b);
void check_debug_allocations(struct bed *b);
void check_debug_crowd(struct bed *b);
void check_debug_checkers(struct bed *b);

/* check_cli.c */
void check_cli_status(struct bed *b);
void check_cli_log(struct bed *b);
void check_cli_verify(struct bed *b);

#endif

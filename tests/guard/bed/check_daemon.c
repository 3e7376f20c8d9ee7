// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * With pinfoldd in the machine: what is done at a terminal is what the daemon says within a second, by the machine's clock: from the
 * record of the command to the whole answer; or, when the daemon was dead then, from its first answer after its next start. A busy
 * host stops the machine's processors, which nobody inside can help: the limit may be missed TRIES - 1 times, if the host held the
 * machine up for as long as it was missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "checks.h"
#include "daemon.h"
#include "uapi/pinfold_guard.h"

#define LIMIT_NS 1000000000
#define TRIES	 4
#define WAIT_MS	 120000

/* Questions and answers for "guard_inside agrees". */
#define ONE	   "/v1/vms/1000%2Fone "
#define TWO	   "/v1/vms/1000%2Ftwo "
#define KILLED	   "'\"state\":\"killed\"' "
#define RUNNING	   "'\"state\":\"running\"' "
#define FREE_CORES "/v1/cores '!\"exclusive\":true' "
#define AWAIT	   "guard_inside agrees 60 "
/* What the guard's entry says, a moment later at most. */
#define ENTRY(flags)                                                           \
	"for i in $(seq 50); do guard_inside lookup 1 | grep -q 'flags " flags \
	" .*name one' && exit; "                                               \
	"usleep 50000; done; guard_inside lookup 1; exit 1"
/* The guard must know it, too, or a daemon that is killed now has not told it. */
#define PIN                                                     \
	"pinfold pin --core 2 1000/one 2>/dev/null; " AWAIT ONE \
	"'\"exclusive\":true' && " ENTRY("1")
#define START(name) "pinfold start 1000/" name " 2>/dev/null; "
#define SAYS_KILLED "pinfold inspect 1000/one | grep -q \"killed at the guard's terminal\""
/* The policy of its vCPU thread: the guard had made it an ordinary one. */
#define REALTIME                                                     \
	"for i in $(seq 50); do cat /proc/[0-9]*/task/*/stat | "     \
	"grep '(vcpu)' | cut -d ' ' -f 41 | grep -q '^1$' && exit; " \
	"usleep 50000; done; echo no real-time vCPU thread; exit 1"
#define CPU_NS "$(pinfold inspect --json 1000/one | grep '\"cpu_ns\"')"

/* What is done at a terminal. "one" is VM 1 there. */
struct deed {
	const char *before; /* in the shell, while the daemon lives */
	const char *line;
	const char *agrees; /* what the daemon says then, and did not say before */
	const char *after;  /* in the shell; succeeds */
};

/* @return how long the daemon was wrong */
static int64_t judge_living(struct bed *b, const struct deed *d)
{
	int64_t agreed_ns;

	bed_ask(b, AWAIT "%s", d->agrees);
	authorised(b, SERIAL, d->line);
	agreed_ns = atoll(bed_answer(b, NULL, WAIT_MS));
	return agreed_ns - log_ns(b, PINFOLD_GUARD_LOG_COMMAND, d->line);
}

static int64_t judge_dead(struct bed *b, const struct deed *d)
{
	long long up_ns, agreed_ns;
	const char *said;

	daemon_stop(b, "-KILL");
	authorised(b, SERIAL, d->line);
	said = bed_run(b, NULL, "%s " AWAIT "/v1/status '\"' && " AWAIT "%s", daemon_command,
		       d->agrees);
	need(sscanf(said, "%lld %lld", &up_ns, &agreed_ns) == 2, "guard_inside says: %s", said);
	return agreed_ns - up_ns;
}

/* One after the other. @return how many the daemon knew too late */
static unsigned int judge_all(struct bed *b, const struct deed *deeds, size_t n, bool is_dead)
{
	unsigned int late = 0;

	for (const struct deed *d = deeds; d < deeds + n; d++) {
		int status;
		int64_t stolen_ns, ns;

		bed_run(b, NULL, "%s", d->before);
		bed_run(b, &status, "guard_inside agrees 0 %s", d->agrees);
		need(status != 0, "before \"%s\" the daemon already says %s", d->line, d->agrees);
		stolen_ns = bed_stolen_ns(b);
		ns = (is_dead ? judge_dead : judge_living)(b, d);
		note("\"%s\", daemon %s: right after %.0f ms", d->line,
		     is_dead ? "started later" : "alive", (double)ns / 1e6);
		late += !bed_in_time(ns, LIMIT_NS, bed_stolen_ns(b) - stolen_ns);
		bed_run(b, NULL, "%s", d->after);
	}
	return late;
}

static void begin(struct bed *b)
{
	guard_reload(b, "");
	daemon_start(b);
	need(daemon_vm(b, "one") == 1, "another number than 1");
	dialogue_begin(b);
}

static void end(struct bed *b)
{
	leave(b, SERIAL);
	guard_sleeps(b);
	daemon_end(b);
}

static void judge(struct bed *b, const struct deed *deeds, size_t n)
{
	for (int is_dead = 0; is_dead < 2; is_dead++) {
		int tries = 1;

		while (judge_all(b, deeds, n, is_dead) > 0) {
			need(tries++ < TRIES, "longer than a second, %d times", TRIES);
		}
	}
}

void check_daemon_kill(struct bed *b)
{
	static const struct deed deeds[] = {
		{ START("one") "true", "kill 1", ONE KILLED, SAYS_KILLED },
	};

	begin(b);
	need(guard_state(b, "vms") == 1, "the VM is not registered");
	judge(b, deeds, ARRAY_SIZE(deeds));
	bed_run(b, NULL, "pinfold history | grep -q \"killed at the guard's terminal\"");
	guard_expect(b, "vms", 0, WAIT_MS);
	end(b);
}

void check_daemon_kill_core(struct bed *b)
{
	static const struct deed deeds[] = {
		{ START("one") PIN, "kill-core 2", ONE KILLED FREE_CORES, SAYS_KILLED },
	};

	begin(b);
	judge(b, deeds, ARRAY_SIZE(deeds));
	end(b);
}

void check_daemon_kill_user(struct bed *b)
{
	static const struct deed deeds[] = {
		{ START("one") START("two") "true", "kill-user 1000", ONE KILLED TWO KILLED,
		  SAYS_KILLED },
	};

	begin(b);
	daemon_vm(b, "two");
	judge(b, deeds, ARRAY_SIZE(deeds));
	end(b);
}

void check_daemon_ban(struct bed *b)
{
	static const struct deed deeds[] = {
		{ START("one") "true", "ban 1000", ONE KILLED "/v1/users '\"is_banned\":true'",
		  "! pinfold start 1000/one && ! pinfold user unban 1000" },
		{ "true", "unban 1000", "/v1/users '!\"is_banned\":true'",
		  "pinfold start 1000/one" },
	};

	begin(b);
	judge(b, deeds, ARRAY_SIZE(deeds));
	end(b);
}

void check_daemon_freeze(struct bed *b)
{
	static const struct deed deeds[] = {
		{ "true", "freeze 1",
		  ONE "'\"is_guard_frozen\":true' " ONE "'\"state\":\"paused\"'",
		  "! pinfold resume 1000/one" },
		{ "true", "thaw 1", ONE "'\"is_guard_frozen\":false' " ONE RUNNING,
		  "a=" CPU_NS "; until [ \"" CPU_NS "\" != \"$a\" ]; do usleep 100000; done" },
	};

	begin(b);
	judge(b, deeds, ARRAY_SIZE(deeds));
	bed_run(b, NULL, "! grep 'fault queue\\|ignored revoke' " DAEMON_LOG);
	end(b);
}

/* With nothing kept for ordinary tasks: a VM that nobody schedules must not starve them wherever it is moved. */
void check_daemon_reclaim(struct bed *b)
{
	static const struct deed deeds[] = {
		{ PIN, "reclaim 2", ONE "'\"exclusive\":false' " ONE RUNNING FREE_CORES,
		  "(" ENTRY("0") ") && " REALTIME },
	};

	begin(b);
	let_realtime_starve(b, true);
	judge(b, deeds, ARRAY_SIZE(deeds));
	let_realtime_starve(b, false);
	end(b);
}

void check_daemon_log(struct bed *b)
{
	begin(b);
	daemon_stop(b, "-TERM");
	daemon_start(b);
	expect_command(b, "f=$(ls -t /var/lib/pinfold/guard/log.* | head -n 1); "
			  "[ $(stat -c %s $f) -ge 1024 ]");
	expect_command(b, "pinfold audit show --json | grep -q 'guard log'");
	end(b);
}

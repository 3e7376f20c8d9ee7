// SPDX-License-Identifier: GPL-2.0-or-later
/* The core that terminals run on: it goes and comes back, others take it away, or the bandwidth of deadline tasks on it is gone. */
#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "daemon.h"

#define WAIT_MS 30000

/* The cores that a terminal's thread may run on now. */
static void cores_of(struct bed *b, const char *name, char ret[64])
{
	const char *text = bed_run(b, NULL, "sed -n 's/^Cpus_allowed_list:\t//p' /proc/%u/status",
				   (unsigned int)guard_state(b, name));

	snprintf(ret, 64, "%.*s", (int)strcspn(text, "\n"), text);
}

static void expect_cores(struct bed *b, const char *name, const char *want)
{
	int64_t end = now_ms() + WAIT_MS;
	char is[64];

	while (cores_of(b, name, is), strcmp(is, want) != 0) {
		need(now_ms() < end, "%s may run on %s, not %s", name, is, want);
	}
}

static void online(struct bed *b, unsigned int core, bool is_online)
{
	bed_run(b, NULL, "echo %d >/sys/devices/system/cpu/cpu%u/online", is_online, core);
}

/* Both terminals wake, one after the other, and answer. */
static void wake_both(struct bed *b)
{
	need(dialogue_begin(b) == 'A', "B came");
	wake_by_chord(b);
	need(expect_prompt(b, CONSOLE, WAIT_MS) == 'B', "A came");
	need(strstr(command(b, SERIAL, "status"), "terminal B: awake"), "\"status\" says: %s",
	     said());
	need(strstr(command(b, CONSOLE, "status"), "terminal B: awake"), "\"status\" says: %s",
	     said());
}

static void expect_kill(struct bed *b)
{
	int pid = vm_new(b, 7, 1000, "", "0");

	authorised(b, SERIAL, "kill 7");
	expect_gone(b, pid);
	bed_run(b, NULL, "guard_inside unregister 7");
}

static void end_both(struct bed *b)
{
	leave(b, CONSOLE);
	leave(b, SERIAL);
	guard_sleeps(b);
}

void check_cores_offline(struct bed *b)
{
	guard_reload(b, "control_core=1");
	expect_cores(b, "A.pid", "1");
	/* Both sleep. */
	online(b, 1, false);
	wake_both(b);
	expect_kill(b);
	end_both(b);
	online(b, 1, true);
	wake_both(b);
	expect_cores(b, "A.pid", "1");
	expect_cores(b, "B.pid", "1");
	/* Both are awake; the next input brings each back. */
	online(b, 1, false);
	command(b, SERIAL, "status");
	command(b, CONSOLE, "status");
	online(b, 1, true);
	command(b, SERIAL, "status");
	command(b, CONSOLE, "status");
	expect_cores(b, "A.pid", "1");
	expect_cores(b, "B.pid", "1");
	end_both(b);
	guard_reload(b, "");
}

/* Not loaded, and one line says why. */
static void expect_refused(struct bed *b, const char *parameters, const char *why)
{
	int status;

	bed_run(b, NULL, "dmesg -c >/dev/null");
	bed_run(b, &status, "insmod /bed/pinfold_guard.ko %s", parameters);
	need(status != 0, "loaded with %s", parameters);
	bed_run(b, NULL, "dmesg | grep '%s' || { dmesg; exit 1; }", why);
}

void check_cores_parameter(struct bed *b)
{
	guard_unload(b);
	expect_refused(b, "control_core=3", "control_core=3: there is no such core");
	expect_refused(b, "control_core=4294967295",
		       "control_core=4294967295: there is no such core");
	online(b, 2, false);
	expect_refused(b, "control_core=2",
		       "control_core=2: there is no such core, or it is offline");
	online(b, 2, true);
	expect_refused(b, "command_ms=99", "command_ms=99: at least 100");
	guard_load(b, "control_core=2");
	need(guard_state(b, "control_core") == 2, "another core");
	expect_cores(b, "A.pid", "2");
	guard_reload(b, "");
}

/* What root does to the threads lasts until they wake. */
void check_cores_taskset(struct bed *b)
{
	unsigned int pid;

	guard_reload(b, "");
	pid = (unsigned int)guard_state(b, "A.pid");
	/* Without admission control a deadline task may be bound, too. */
	bed_run(b, NULL,
		"cd /proc/sys/kernel; was=$(cat sched_rt_runtime_us); echo -1 "
		">sched_rt_runtime_us; "
		"taskset -p 4 %u && echo $was >sched_rt_runtime_us",
		pid);
	expect_cores(b, "A.pid", "2");
	need(dialogue_begin(b) == 'A', "B came");
	expect_cores(b, "A.pid", "0");
	bed_run(b, NULL, "taskset -p 7 %u", pid);
	expect_cores(b, "A.pid", "0-2");
	command(b, SERIAL, "status");
	expect_cores(b, "A.pid", "0");
	need(guard_state(b, "A.pid") == pid, "another thread");
	leave(b, SERIAL);
	guard_sleeps(b);
}

/* Making a partition of cores rewrites what every task may run on. */
void check_cores_partition(struct bed *b)
{
	guard_reload(b, "");
	daemon_start(b);
	bed_run(b, NULL,
		"cat $(find /sys/fs/cgroup -name cpuset.cpus.partition) | grep isolated || "
		"{ tail " DAEMON_LOG "; exit 1; }");
	wake_both(b);
	expect_cores(b, "A.pid", "0");
	expect_cores(b, "B.pid", "0");
	end_both(b);
	/* Loaded while there is one. */
	guard_reload(b, "");
	expect_cores(b, "A.pid", "0");
	wake_both(b);
	expect_cores(b, "A.pid", "0");
	expect_cores(b, "B.pid", "0");
	need(!strstr(command(b, SERIAL, "status"), "refused SCHED_DEADLINE"), "\"status\" says: %s",
	     said());
	/* The daemon stopped, and its partition with it. */
	daemon_end(b);
	command(b, SERIAL, "status");
	command(b, CONSOLE, "status");
	expect_cores(b, "A.pid", "0");
	expect_cores(b, "B.pid", "0");
	end_both(b);
}

/* Tasks of somebody else hold what deadline tasks may have. */
void check_cores_bandwidth(struct bed *b)
{
	guard_unload(b);
	bed_run(b, NULL, "dmesg -c >/dev/null; guard_inside deadline");
	guard_load(b, "");
	bed_run(b, NULL, "[ $(dmesg | grep -c 'was refused SCHED_DEADLINE') = 8 ]");
	wake_both(b);
	need(strstr(command(b, SERIAL, "status"),
		    "refused SCHED_DEADLINE, wait behind hogs of priority 99: 8"),
	     "\"status\" says: %s", said());
	expect_kill(b);
	expect_policy(b, (int)guard_state(b, "A.pid"), "99 1"); /* SCHED_FIFO */
	expect_cores(b, "A.pid", "0");
	end_both(b);
	bed_run(b, NULL, "killall deadline");
	guard_reload(b, "");
	expect_policy(b, (int)guard_state(b, "A.pid"), "0 6"); /* SCHED_DEADLINE */
	need(dialogue_begin(b) == 'A', "B came");
	need(!strstr(command(b, SERIAL, "status"), "refused SCHED_DEADLINE"), "\"status\" says: %s",
	     said());
	leave(b, SERIAL);
	guard_sleeps(b);
}

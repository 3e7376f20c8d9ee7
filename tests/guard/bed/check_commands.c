// SPDX-License-Identifier: GPL-2.0-or-later
/* Each command does what it says, as the machine's user space sees it; no daemon runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "checks.h"

/* Flags of "guard_inside lookup". */
#define KILLED	  "flags 2"
#define FROZEN	  "flags 4"
#define RECLAIMED "flags 9"

static void expect_flags(struct bed *b, unsigned int id, const char *flags)
{
	const char *is = bed_run(b, NULL, "guard_inside lookup %u", id);

	need(strstr(is, flags), "VM %u: %s instead of %s", id, is, flags);
}

/* One field of /proc/PID/status, without its newline. */
static void status_of(struct bed *b, int pid, const char *field, char ret[64])
{
	const char *text = bed_run(b, NULL, "sed -n 's/^%s:\t//p' /proc/%d/status", field, pid);

	snprintf(ret, 64, "%.*s", (int)strcspn(text, "\n"), text);
}

static void expect_state(struct bed *b, int pid, const char *letters)
{
	char is[64];

	for (int64_t limit = now_ms() + 20000;;) {
		status_of(b, pid, "State", is);
		if (is[0] && strchr(letters, is[0])) {
			return;
		}
		need(now_ms() < limit, "process %d is %s", pid, is);
	}
}

void check_kill(struct bed *b)
{
	int pid, other;

	commands_begin(b);
	pid = vm_new(b, 7, 1000, "", "0");
	other = vm_new(b, 8, 1000, "", "0");
	need(strstr(command(b, SERIAL, "kill 99"), "no VM"), "\"kill 99\" says: %s", said());
	authorised(b, SERIAL, "kill 7");
	need(strstr(said(), "is gone after"), "\"kill 7\" says: %s", said());
	expect_gone(b, pid);
	expect_flags(b, 7, KILLED);
	need(!process_is_gone(b, other), "another VM died");
	bed_run(b, NULL, "guard_inside unregister 7");
	commands_end(b);
}

void check_kill_core(struct bed *b)
{
	int on, off;

	commands_begin(b);
	on = vm_new(b, 11, 1000, "spin=1 core=1", "0");
	off = vm_new(b, 12, 1000, "spin=1 core=2", "0");
	authorised(b, SERIAL, "kill-core 1");
	expect_gone(b, on);
	need(!process_is_gone(b, off), "a VM on another core died");
	commands_end(b);
}

void check_kill_user(struct bed *b)
{
	int first, second, other;

	commands_begin(b);
	first = vm_new(b, 13, 1001, "", "0");
	second = vm_new(b, 14, 1001, "spin=1", "0");
	other = vm_new(b, 15, 1002, "", "0");
	authorised(b, SERIAL, "kill-user 1001");
	expect_gone(b, first);
	expect_gone(b, second);
	need(!process_is_gone(b, other), "somebody else's VM died");
	commands_end(b);
}

void check_ban(struct bed *b)
{
	int pid, status;

	commands_begin(b);
	pid = vm_new(b, 16, 1003, "", "0");
	authorised(b, SERIAL, "ban 1003");
	expect_gone(b, pid);
	/* A new one is refused, and killed. */
	pid = vm_start(b, "uid=1003");
	bed_run(b, &status,
		"guard_inside register 17 %d late 1003 2 0 2>&1 | grep -q 'Permission denied'",
		pid);
	need(status == 0, "a VM of a banned user was registered");
	expect_gone(b, pid);
	need(strstr(command(b, SERIAL, "ban 0"), "root"), "\"ban 0\" says: %s", said());
	authorised(b, SERIAL, "unban 1003");
	pid = vm_new(b, 18, 1003, "", "0");
	need(!process_is_gone(b, pid), "a VM of a user who is not banned any more died");
	commands_end(b);
}

void check_freeze(struct bed *b)
{
	int pid;

	commands_begin(b);
	pid = vm_new(b, 19, 1000, "spin=1", "0");
	expect_state(b, pid, "R");
	authorised(b, SERIAL, "freeze 19");
	expect_state(b, pid, "T");
	expect_flags(b, 19, FROZEN);
	authorised(b, SERIAL, "thaw 19");
	expect_state(b, pid, "R");
	expect_flags(b, 19, "flags 0");
	commands_end(b);
}

/* The daemon does that with one that does not obey: it must not go on, with or without a "freeze". */
void check_freeze_stopped(struct bed *b)
{
	int pid;

	commands_begin(b);
	pid = vm_new(b, 21, 1000, "spin=1", "0");
	bed_run(b, NULL, "kill -STOP %d", pid);
	expect_state(b, pid, "T");
	need(strstr(command(b, SERIAL, "thaw 21"), "is not frozen"), "\"thaw 21\" says: %s",
	     said());
	need(strstr(command(b, SERIAL, "freeze 21"), "is stopped already"),
	     "\"freeze 21\" says: %s", said());
	expect_state(b, pid, "T");
	expect_flags(b, 21, "flags 0");
	commands_end(b);
}

void check_reclaim(struct bed *b)
{
	char cores[64];
	int pid;

	commands_begin(b);
	/* Of the cores 1 and 2 that it is registered with, its thread uses 1. */
	pid = vm_new(b, 30, 1000, "spin=1 core=1 fifo=50", "1");
	status_of(b, pid, "Cpus_allowed_list", cores);
	need(strcmp(cores, "1") == 0, "the VM may run on %s", cores);
	authorised(b, SERIAL, "reclaim 1");
	status_of(b, pid, "Cpus_allowed_list", cores);
	need(strcmp(cores, "2") == 0, "the VM may now run on %s", cores);
	expect_policy(b, pid, "0 0");
	expect_flags(b, 30, RECLAIMED);
	need(!process_is_gone(b, pid), "the VM died");
	commands_end(b);
}

/* Onto nobody else's core, if there is another. Of three cores one is the control core: --cpus 4 has another. */
void check_reclaim_beside(struct bed *b)
{
	bool has_more;
	char cores[64];
	int pid, other;

	commands_begin(b);
	has_more = atoi(bed_run(b, NULL, "nproc")) > 3;
	pid = vm_start(b, "uid=1000 core=1 fifo=50");
	other = vm_start(b, "uid=1000 core=2 fifo=50");
	bed_run(b, NULL,
		"guard_inside register 32 %d one 1000 2 1 && guard_inside register 33 %d two 1000 "
		"4 1",
		pid, other);
	authorised(b, SERIAL, "reclaim 1");
	status_of(b, pid, "Cpus_allowed_list", cores);
	need(strcmp(cores, has_more ? "3" : "2") == 0, "the VM may now run on %s", cores);
	authorised(b, SERIAL, "reclaim 2");
	status_of(b, other, "Cpus_allowed_list", cores);
	need(strcmp(cores, has_more ? "1,3" : "1") == 0, "the other one may now run on %s", cores);
	commands_end(b);
}

/*
 * It was killed, can't die yet (its group is frozen, the old way), and is a deadline task, so that it can as soon as it may. It must
 * not become an ordinary one that starves behind whoever hogs the cores.
 */
void check_reclaim_dying(struct bed *b)
{
	int pid;

	commands_begin(b);
	pid = vm_new(b, 31, 1000, "core=1 fifo=50", "1");
	bed_run(b, NULL,
		"mkdir -p /tmp/freezer; mount -t cgroup -o freezer none /tmp/freezer; mkdir "
		"/tmp/freezer/vm; cd /tmp/freezer/vm; "
		"echo %d >cgroup.procs; echo FROZEN >freezer.state; "
		"until grep -q FROZEN freezer.state; do usleep 20000; done",
		pid);
	authorised(b, SERIAL, "kill 31");
	need(strstr(said(), "had no effect yet"), "\"kill 31\" says: %s", said());
	expect_policy(b, pid, "0 6");
	authorised(b, SERIAL, "reclaim 1");
	expect_policy(b, pid, "0 6");
	bed_run(b, NULL, "echo THAWED >/tmp/freezer/vm/freezer.state");
	expect_gone(b, pid);
	bed_run(b, NULL,
		"guard_inside unregister 31; "
		"until rmdir /tmp/freezer/vm; do usleep 20000; done; umount /tmp/freezer");
	commands_end(b);
}

void check_reads(struct bed *b)
{
	int pid;

	commands_begin(b);
	pid = vm_new(b, 40, 1007, "spin=1 core=1", "1");
	need(strstr(command(b, SERIAL, "vms"), "login"), "without a login \"vms\" says: %s",
	     said());
	authorised(b, SERIAL, "login");
	need(strstr(command(b, SERIAL, "vms"), "vm40") && strstr(said(), "1007") &&
		     strstr(said(), "exclusive"),
	     "\"vms\" says: %s", said());
	need(strstr(command(b, SERIAL, "cores"), "vm"), "\"cores\" says: %s", said());
	need(strstr(command(b, SERIAL, "users"), "1007"), "\"users\" says: %s", said());
	need(strstr(command(b, SERIAL, "show 40"), "vm40"), "\"show 40\" says: %s", said());
	need(strstr(command(b, SERIAL, "status"), "terminal A: awake"), "\"status\" says: %s",
	     said());
	need(strstr(command(b, SERIAL, "log 5"), "show 40"), "\"log 5\" says: %s", said());
	/* An entry goes with its process. */
	bed_run(b, NULL, "kill -9 %d", pid);
	expect_gone(b, pid);
	need(!strstr(command(b, SERIAL, "vms"), "vm40"), "\"vms\" still says: %s", said());
	commands_end(b);
}

/* Numbers of an earlier process are not those of another one. */
void check_registry(struct bed *b)
{
	const char *out;
	int pid, status;

	commands_begin(b);
	pid = vm_new(b, 50, 1000, "", "0");
	bed_run(b, &status, "guard_inside register 51 %d twice 1000 2 0 2>&1 | grep -q 'exists'",
		pid);
	need(status == 0, "a process was registered twice");
	bed_ask(b, "(guard_inside hold 3 &) ; sleep 0.5; guard_inside register 52 %d no 1000 2 0",
		pid);
	need(strstr(bed_answer(b, &status, 60000), "busy") && status, "two registrars: %s", said());
	bed_run(b, NULL, "sleep 4; guard_inside unregister 50");
	out = bed_run(b, &status, "guard_inside stall 2>&1");
	need(status == 0, "a registrar that stalls: %s", out);
	commands_end(b);
}

/* Commands are answered at both terminals while a thousand VMs come and go, from five processes at once. */
void check_crowd(struct bed *b)
{
	static const char *const lines[] = {
		"users", "status", "vms", "show 100500", "cores", "log"
	};
	unsigned int commands = 0;
	const char *out;

	guard_reload(b, ""); /* nothing registered */
	commands_begin(b);
	authorised(b, SERIAL, "login");
	wake_by_chord(b);
	expect_prompt(b, CONSOLE, 20000);
	bed_ask(b, "guard_inside crowd 1000 5 2");
	while (!bed_has_answer(b)) {
		if (say(b, SERIAL, lines[commands % ARRAY_SIZE(lines)]) == REPLY_MORE) {
			say_hidden(b, "q");
		}
		command(b, CONSOLE, "status");
		commands += 2;
	}
	out = bed_answer(b, NULL, 120000);
	need(strstr(out, "vms 1000\n"), "the registrar saw: %s", out);
	note("%u commands meanwhile", commands);
	leave(b, CONSOLE);
	commands_end(b);
	guard_expect(b, "vms", 0, 30000);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The log: nobody changes it, a changed copy is found out, and who unloads the module is in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "uapi/pinfold_guard.h"

#define RECORDS 10000
#define BATCH	40 /* lines whose answers are awaited together */

static void copy_and_verify(struct bed *b)
{
	bed_run(b, NULL, "guard_inside log-copy /tmp/log");
	note("%.*s", (int)strcspn(bed_run(b, NULL, "guard_inside log-verify /tmp/log"), "\n"),
	     b->agent.text);
}

void check_log_attack(struct bed *b)
{
	guard_load(b, "");
	bed_run(b, NULL, "guard_inside log-copy /tmp/before");
	bed_run(b, NULL, "guard_inside log-attack");
	bed_run(b, NULL,
		"rm -f /tmp/log; for i in 1 2 3; do echo x >/dev/pinfold-guard-log; done "
		"2>/dev/null; true");
	copy_and_verify(b);
	bed_run(b, NULL, "head -c $(stat -c %%s /tmp/before) /tmp/log | cmp - /tmp/before");
	/* Somebody who is not root does not even read. */
	bed_run(b, NULL, "! su -s /bin/sh nobody -c 'cat /dev/pinfold-guard-log' 2>/dev/null");
}

/* Two lines that are no commands, in turn: records of equal events in a row would be counted together. */
static void write_records(struct bed *b, unsigned int count)
{
	static const char lines[] = "no-such-command\rkill\r";
	unsigned int done = 0;

	while (done < count) {
		int64_t limit = now_ms() + 60000;
		unsigned int prompts = 0;

		bed_line_drop(b);
		for (int i = 0; i < BATCH / 2; i++) {
			bed_line_send(b, lines, strlen(lines));
		}
		while (prompts < BATCH) {
			prompts = 0;
			bed_line_poll(b, 20);
			for (const char *p = b->line.text; p && (p = strstr(p, "guard A> ")); p++) {
				prompts++;
			}
			need(now_ms() < limit, "%u of %u lines were answered", prompts, BATCH);
		}
		done += BATCH;
	}
}

void check_log_chain(struct bed *b)
{
	uint64_t last;

	guard_load(b, "");
	dialogue_begin(b);
	last = guard_state(b, "log_last");
	write_records(b, RECORDS);
	leave(b, SERIAL);
	guard_sleeps(b);
	need(guard_state(b, "log_last") >= last + RECORDS, "%llu records were written",
	     (unsigned long long)(guard_state(b, "log_last") - last));
	copy_and_verify(b);
}

/* One byte of record number "place" of a copy is another one. */
static void expect_found(struct bed *b, unsigned int place, unsigned int offset)
{
	char want[64];
	const char *out;
	int status;

	bed_run(b, NULL,
		"cp /tmp/log /tmp/doctored; printf '\\377' | dd of=/tmp/doctored bs=1 seek=%u "
		"conv=notrunc 2>/dev/null",
		(place - 1) * (unsigned int)sizeof(struct pinfold_guard_record) + offset);
	out = bed_run(b, &status, "guard_inside log-verify /tmp/doctored");
	snprintf(want, sizeof(want), "place %u ", place);
	need(status == 1 && strncmp(out, want, strlen(want)) == 0,
	     "byte %u of record %u changed: %s", offset, place, out);
}

void check_log_doctored(struct bed *b)
{
	const unsigned int bytes = sizeof(struct pinfold_guard_record);
	const char *out;
	int status;

	guard_load(b, "");
	for (int i = 0; i < 3; i++) {
		dialogue_begin(b);
		leave(b, SERIAL);
		guard_sleeps(b);
	}
	copy_and_verify(b);
	expect_found(b, 2, offsetof(struct pinfold_guard_record, text) + 100);
	expect_found(b, 3, offsetof(struct pinfold_guard_record, boot_ns) + 7);
	expect_found(b, 4, offsetof(struct pinfold_guard_record, prev) + 31);
	/* One record left out. */
	bed_run(b, NULL, "(head -c %u /tmp/log; tail -c +%u /tmp/log) >/tmp/doctored", 2 * bytes,
		3 * bytes + 1);
	out = bed_run(b, &status, "guard_inside log-verify /tmp/doctored");
	need(status == 1 && strncmp(out, "place 3 does not have", 21) == 0, "without record 3: %s",
	     out);
}

void check_unload(struct bed *b)
{
	int pid, status;

	guard_load(b, "");
	bed_run(b, NULL, "rmmod pinfold_guard_usb 2>/dev/null; true");
	pid = vm_new(b, 80, 1000, "", "0");
	bed_run(b, &status, "rmmod pinfold_guard");
	need(status != 0, "the module went while VMs exist");
	bed_run(b, NULL, "echo 1 >/sys/module/pinfold_guard/parameters/unload");
	bed_run(b, NULL, "guard_inside log-copy /tmp/log");
	log_ns(b, PINFOLD_GUARD_LOG_UNLOAD, "may go with 1 VMs");
	bed_run(b, NULL, "dmesg | grep -q 'may go with 1 VMs registered'");
	bed_run(b, NULL, "rmmod pinfold_guard");
	need(!process_is_gone(b, pid), "the VM died");
	bed_run(b, NULL, "killall vm");
}

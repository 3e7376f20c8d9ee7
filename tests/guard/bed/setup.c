// SPDX-License-Identifier: GPL-2.0-or-later
/* See setup.h. */
#include "setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 30000

/* The tty layer has the guard's port until it is taken away from it. */
static void give_port(struct bed *b)
{
	bed_run(b, NULL,
		"for i in /sys/bus/pnp/drivers/serial/00:*; do if grep -q 0x2f8 $i/resources; then"
		" echo ${i##*/} >/sys/bus/pnp/drivers/serial/unbind; fi; done");
}

/* Of PASSPHRASE. PBKDF2-HMAC-SHA-256 by Python's hashlib. */
#define PASSPHRASE_LINE                                     \
	"passphrase 00112233445566778899aabbccddeeff 1000 " \
	"fc0f72dc5b56139d72765978b9715853b7a91988797a7f91d3b8321ea6e42d7d"

static void write_key(struct bed *b)
{
	bed_run(b, NULL, "umask 077; (echo " KEY_HEX "; echo " PASSPHRASE_LINE ") >/etc/guard.key");
}

void guard_load(struct bed *b, const char *parameters)
{
	int status;

	bed_run(b, &status, "grep -q '^pinfold_guard ' /proc/modules");
	if (status == 0) {
		return;
	}
	give_port(b);
	write_key(b);
	bed_run(b, NULL,
		"insmod /bed/pinfold_guard.ko key=file:/etc/guard.key uart=0x2f8,3 idle_s=0 %s",
		parameters);
	bed_run(b, NULL,
		"test ! -e /bed/pinfold_guard_usb.ko || insmod /bed/pinfold_guard_usb.ko "
		"token=46f4:0001:" TOKEN);
}

void guard_unload(struct bed *b)
{
	bed_run(b, NULL,
		"grep -q '^pinfold_guard ' /proc/modules || exit 0; "
		"echo 1 >/sys/module/pinfold_guard/parameters/unload; "
		"rmmod pinfold_guard_usb 2>/dev/null; "
		"for i in $(seq 300); do rmmod pinfold_guard && exit 0; usleep 100000; done; exit "
		"1");
}

void guard_reload(struct bed *b, const char *parameters)
{
	bed_run(b, NULL, "killall -9 vm 2>/dev/null; true");
	guard_unload(b);
	guard_load(b, parameters);
}

uint64_t guard_state(struct bed *b, const char *name)
{
	const char *text = bed_run(b, NULL, "guard_inside state");
	size_t n = strlen(name);

	while (text && (strncmp(text, name, n) != 0 || text[n] != ' ')) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	need(text, "no %s in the state", name);
	return strtoull(text + n, NULL, strcmp(name, "sources") == 0 ? 16 : 10);
}

void guard_expect(struct bed *b, const char *name, uint64_t value, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	uint64_t is;

	while ((is = guard_state(b, name)) != value) {
		need(now_ms() < end, "%s is %llu, not %llu", name, (unsigned long long)is,
		     (unsigned long long)value);
	}
}

void guard_sleeps(struct bed *b)
{
	guard_expect(b, "A.state", 0, PATIENCE_MS);
	guard_expect(b, "B.state", 0, PATIENCE_MS);
}

void commands_begin(struct bed *b)
{
	guard_load(b, "");
	dialogue_begin(b);
}

void commands_end(struct bed *b)
{
	leave(b, SERIAL);
	guard_sleeps(b);
	bed_run(b, NULL, "killall -9 keeper vm 2>/dev/null; true");
}

void expect_policy(struct bed *b, int tid, const char *want)
{
	bed_run(b, NULL, "is=$(cut -d ' ' -f 40,41 /proc/%d/stat); echo $is; [ \"$is\" = '%s' ]",
		tid, want);
}

int vm_start(struct bed *b, const char *options)
{
	return atoi(bed_run(b, NULL, "guard_inside vm %s", options));
}

int vm_new(struct bed *b, unsigned int id, unsigned int uid, const char *options, const char *flags)
{
	char all[128];
	int pid;

	snprintf(all, sizeof(all), "uid=%u %s", uid, options);
	pid = vm_start(b, all);
	bed_run(b, NULL, "guard_inside register %u %d vm%u %u 6 %s", id, pid, id, uid, flags);
	return pid;
}

bool process_is_gone(struct bed *b, int pid)
{
	int status;

	bed_run(b, &status, "test ! -e /proc/%d || grep -q '^State:.*[ZX]' /proc/%d/status", pid,
		pid);
	return status == 0;
}

void expect_gone(struct bed *b, int pid)
{
	for (int64_t end = now_ms() + PATIENCE_MS; !process_is_gone(b, pid);) {
		need(now_ms() < end, "process %d is still there", pid);
	}
}

/* The fair server is there from Linux 6.8. */
void let_realtime_starve(struct bed *b, bool may)
{
	bed_run(b, NULL,
		"echo %d >/proc/sys/kernel/sched_rt_runtime_us; "
		"for i in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do "
		"test ! -e $i || echo %d >$i; done",
		may ? -1 : 950000, may ? 0 : 50000000);
}

void trace_begin(struct bed *b)
{
	bed_run(b, NULL,
		"cd /sys/kernel/tracing; echo 0 >tracing_on; echo boot >trace_clock; echo >trace; "
		"echo 8192 >buffer_size_kb;"
		" echo 'irq == 1 || irq == 3' >events/irq/irq_handler_entry/filter;"
		" echo 1 >events/irq/irq_handler_entry/enable; echo 1 "
		">events/sched/sched_process_exit/enable; echo 1 >tracing_on");
}

int64_t trace_ns(struct bed *b, const char *event, const char *what)
{
	const char *text = bed_run(b, NULL,
				   "sed -n 's/^.* \\([0-9]*\\)\\.\\([0-9]*\\): %s:.* %s .*/\\1 "
				   "\\2/p' /sys/kernel/tracing/trace | head -n 1",
				   event, what);
	long long s, us;

	need(sscanf(text, "%lld %lld", &s, &us) == 2, "no %s with %s in the trace", event, what);
	return s * 1000000000 + us * 1000;
}

bool expect_no_report(struct bed *b)
{
	int status;
	const char *text =
		bed_run(b, &status, "guard_inside reports; s=$?; dmesg -c >/dev/null; exit $s");

	need(status == 0, "the kernel says: %s", text);
	if (*text) {
		note("a mistake of the kernel's own (docs/test-bed.md): %s", text);
	}
	return !*text;
}

/* What is not yet five seconds old, or has changed since the scan before, is no suspect. */
void expect_no_leak(struct bed *b)
{
	const char *text =
		bed_run(b, NULL,
			"cd /sys/kernel/debug; test -e kmemleak || exit 0; echo scan >kmemleak && "
			"sleep 6 && "
			"echo scan >kmemleak && head -n 60 kmemleak && echo clear >kmemleak");

	need(!*text, "the kernel says: %s", text);
}

int64_t log_ns(struct bed *b, int kind, const char *text)
{
	const char *out =
		bed_run(b, NULL,
			"guard_inside log-copy /tmp/log && guard_inside log-print /tmp/log |"
			" sed -n 's/^[0-9]* \\([0-9]*\\) %d .*%s.*/\\1/p' | tail -n 1",
			kind, text);

	need(*out, "no record of kind %d with \"%s\"", kind, text);
	return atoll(out);
}

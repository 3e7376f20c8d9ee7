// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the debug kernel (scripts/bed/debug-kernel) is there for: the module comes and goes a thousand times, memory fails it, a
 * crowd comes at once; and the kernel, which looks at every access, lock and allocation, has nothing to say. That it would is shown
 * by mistakes made on purpose (tests/guard/bed/faults/guard_mistakes.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "checks.h"

#define BATCH	 50 /* cycles of one call, two of them with VMs and a dialogue */
#define WARM_UP	 100
#define CYCLES	 1000
#define BATCH_MS 600000
/* Of all cycles after the first ones: what is less than a KiB of each, kmemleak sees. */
#define GROWTH_KIB   1024
#define POKE_MS	     1500 /* between keys and BREAKs from outside */
#define FAIL_TRIES   25	  /* of one call */
#define PAGE_STRIDE  61	  /* a load takes well over a thousand single pages */
#define PARAMETERS   "key=file:/etc/guard.key uart=0x2f8,3 idle_s=1"
#define FAULTS	     "/sys/kernel/debug/"
#define MAKE_MISTAKE "/sys/module/guard_mistakes/parameters/make"

/* Everything the module needs of the machine is there, and it is not loaded. */
static void begin(struct bed *b)
{
	guard_load(b, "");
	guard_unload(b);
}

void check_debug_leaks(struct bed *b)
{
	begin(b);
	expect_no_leak(b);
}

/* What the kernel has allocated for itself, without what it could give back: freed memory that KASAN keeps, caches. */
static unsigned long kernel_kib(struct bed *b)
{
	return strtoul(
		bed_run(b, NULL,
			"echo 3 >/proc/sys/vm/drop_caches; "
			"for i in /sys/kernel/slab/*/shrink; do echo 1 >$i; done 2>/dev/null; "
			"awk '/^(SUnreclaim|KernelStack|PageTables|Percpu|VmallocUsed):/ { n += $2 "
			"} "
			"END { print n }' /proc/meminfo"),
		NULL, 10);
}

/* So many loads and unloads, while somebody presses keys and sends BREAK. */
static void run_batch(struct bed *b)
{
	const char *out;
	int status;

	bed_ask(b, "guard_inside cycles %d " PARAMETERS " 2>&1", BATCH);
	for (int64_t next = now_ms(), i = 0; !bed_has_answer(b);) {
		bed_line_poll(b, 50);
		if (now_ms() < next) {
			continue;
		}
		next = now_ms() + POKE_MS;
		if (i++ % 2) {
			wake_by_chord(b);
		} else {
			bed_line_break(b);
		}
	}
	out = bed_answer(b, &status, BATCH_MS);
	need(status == 0, "%s", out);
	bed_line_drop(b);
	need(expect_no_report(b), "the machine is of no use any more");
}

void check_debug_cycles(struct bed *b)
{
	unsigned long before = 0, after;

	begin(b);
	for (unsigned int done = 0; done < CYCLES; done += BATCH) {
		if (done == WARM_UP) {
			expect_no_leak(b);
			before = kernel_kib(b);
		}
		run_batch(b);
	}
	after = kernel_kib(b);
	note("%d times; the kernel's own memory went from %lu to %lu KiB in the last %d", CYCLES,
	     before, after, CYCLES - WARM_UP);
	need(after < before + GROWTH_KIB, "memory grew");
	expect_no_leak(b);
}

/* Each of the allocations of a load, from the first on, fails once. @param who as guard_inside wants it */
static void fail_each(struct bed *b, const char *who, const char *what, unsigned int stride)
{
	unsigned int failed = 0, loaded = 0, next = 1;

	while (next) {
		unsigned int f, l, at = next;
		const char *out;
		int status;

		out = bed_run(b, &status, "guard_inside failing %s %u %u %d " PARAMETERS " 2>&1",
			      who, at, stride, FAIL_TRIES);
		need(status == 0 && sscanf(out, "failed %u loaded %u next %u", &f, &l, &next) == 3,
		     "%s, %s, from number %u on: %s", who, what, at, out);
		failed += f;
		loaded += l;
		need(expect_no_report(b), "the machine is of no use any more");
	}
	note("%s, %s: %u loads failed, %u did without", who, what, failed, loaded);
	need(failed > 0, "nothing failed");
	expect_no_leak(b);
}

void check_debug_allocations(struct bed *b)
{
	begin(b);
	bed_run(b, NULL,
		"cd " FAULTS "; for i in failslab fail_page_alloc; do echo 0 >$i/verbose; done; "
		"echo 0 >fail_page_alloc/min-order; echo N >fail_page_alloc/ignore-gfp-highmem; "
		"echo N >failslab/ignore-gfp-wait; echo Y >fail_page_alloc/ignore-gfp-wait");
	fail_each(b, "self", "objects", 1);
	fail_each(b, "kthreadd", "objects", 1);
	bed_run(b, NULL,
		"cd " FAULTS
		"; echo Y >failslab/ignore-gfp-wait; echo N >fail_page_alloc/ignore-gfp-wait");
	fail_each(b, "self", "pages", PAGE_STRIDE);
	bed_run(b, NULL, "echo Y >" FAULTS "fail_page_alloc/ignore-gfp-wait");
}

void check_debug_crowd(struct bed *b)
{
	check_crowd(b);
	expect_no_leak(b);
}

static void expect_noticed(struct bed *b, const char *mistake, const char *sign)
{
	const char *out;
	int status;

	bed_run(b, NULL, "echo %s >" MAKE_MISTAKE, mistake);
	out = bed_run(b, &status, "guard_inside reports");
	need(status == 1 && strstr(out, sign), "after %s the kernel says: %s", mistake, out);
	note("%-10s %.*s", mistake, (int)strcspn(out, "\n"), out);
}

static void expect_leak_noticed(struct bed *b)
{
	const char *out;
	int status;

	bed_run(b, NULL, "echo leak >" MAKE_MISTAKE);
	out = bed_run(b, NULL,
		      "cd /sys/kernel/debug; echo scan >kmemleak; sleep 6; echo scan >kmemleak; "
		      "cat kmemleak; echo clear >kmemleak");
	need(strstr(out, "unreferenced object") && strstr(out, "make_leak"), "after leak: %s", out);
	note("leak       %.*s", (int)strcspn(out, "\n"), out);
	bed_run(b, &status, "guard_inside reports");
	need(status == 1, "a leak is nothing to the log");
}

/* Lockdep says one thing only, and nothing after the first report of KASAN or UBSAN. */
void check_debug_checkers(struct bed *b)
{
	static const struct {
		const char *mistake, *sign;
	} mistakes[] = {
		{ "list", "list_del corruption" },
		{ "timer", "ODEBUG: free active" },
		{ "sleep", "BUG: sleeping function called from invalid context" },
		{ "rcu", "WARNING: suspicious RCU usage" },
		{ "order", "WARNING: possible circular locking dependency detected" },
		{ "heap", "KASAN: slab-out-of-bounds" },
		{ "freed", "KASAN: use-after-free" },
		{ "stack", "KASAN: stack-out-of-bounds" },
		{ "global", "KASAN: global-out-of-bounds" },
		{ "pages", "KASAN: vmalloc-out-of-bounds" },
		{ "index", "UBSAN: array-index-out-of-bounds" },
		{ "shift", "UBSAN: shift-out-of-bounds" },
	};

	need(expect_no_report(b), "the machine is of no use any more");
	bed_run(b, NULL, "insmod /bed/guard_mistakes.ko");
	expect_leak_noticed(b);
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		expect_noticed(b, mistakes[i].mistake, mistakes[i].sign);
	}
	need(strstr(bed_run(b, &(int){ 0 }, "guard_inside reports"), "lockdep is off"),
	     "lockdep is off, and nobody says so");
	bed_stop(b);
}

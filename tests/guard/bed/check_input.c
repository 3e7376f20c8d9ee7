// SPDX-License-Identifier: GPL-2.0-or-later
/* Input that is no command, and what the module's memory may be used for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define FLOOD_BYTES 60000

static unsigned long unreclaimable_kib(struct bed *b)
{
	return strtoul(bed_run(b, NULL, "sed -n 's/^SUnreclaim: *//p; ' /proc/meminfo"), NULL, 10);
}

/* The next prompt, however much was said before it. */
static void expect_order(struct bed *b, enum place where)
{
	need(strstr(command(b, where, "status"), "terminal A: "), "\"status\" says: %s", said());
}

void check_input(struct bed *b)
{
	static const char binary[] = { 1, 2, (char)0x80, (char)0xff, 27, '[', 'A', 7, 0, 11, '\r' };
	char line[400];

	guard_load(b, "");
	dialogue_begin(b);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\r';
	bed_line_drop(b);
	bed_line_send(b, line, sizeof(line));
	expect_text(b, SERIAL, "80", 20000);
	expect_order(b, SERIAL);
	bed_line_send(b, binary, sizeof(binary));
	expect_order(b, SERIAL);
	need(!strstr(command(b, SERIAL, "destroy everything"), "\nx") && strlen(said()) < 200,
	     "it says: %s", said());
	command(b, SERIAL, "kill");
	command(b, SERIAL, "kill seven");
	command(b, SERIAL, "kill -1");
	command(b, SERIAL, "kill 99999999999999999999999");
	command(b, SERIAL, "kill 7 8");
	/* Half a line here, a whole one there. */
	bed_line_drop(b);
	bed_line_send(b, "sta", 3);
	wake_by_chord(b);
	expect_prompt(b, CONSOLE, 20000);
	expect_order(b, CONSOLE);
	bed_line_send(b, "tus\r", 4);
	expect_text(b, SERIAL, "terminal B: awake", 20000);
	leave(b, CONSOLE);
	leave(b, SERIAL);
	guard_sleeps(b);
}

/* Wait until the line says nothing more, and end what may be half a line or a question. */
static void settle(struct bed *b)
{
	for (int64_t end = now_ms() + 60000, heard = now_ms(); now_ms() - heard < 2000;) {
		size_t was = b->line.used;

		bed_line_poll(b, 100);
		heard = b->line.used == was ? heard : now_ms();
		need(now_ms() < end, "the line does not fall silent");
	}
	bed_line_send(b, "\003\025", 2);
	bed_line_poll(b, 500);
}

/* Send as fast as the line takes it, also while the other terminal is used. */
static void flood(struct bed *b, const char *pattern)
{
	char bytes[1000];
	size_t n = strlen(pattern);

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = pattern[i % n];
	}
	for (int sent = 0; sent < FLOOD_BYTES; sent += (int)sizeof(bytes)) {
		bed_line_send(b, bytes, sizeof(bytes));
		bed_line_poll(b, 0);
		if (sent % 20000 == 0) {
			need(strstr(command(b, CONSOLE, "status"), "terminal A: awake"),
			     "\"status\" says: %s", said());
		}
	}
	settle(b);
}

void check_flood(struct bed *b)
{
	unsigned long before, after;

	guard_load(b, "");
	wake_by_chord(b);
	expect_prompt(b, CONSOLE, 20000);
	dialogue_begin(b);
	before = unreclaimable_kib(b);
	flood(b, "x");
	flood(b, "\r");
	flood(b, "kill 7\rlogin\r\rguard\r\xff\x80\x01");
	expect_order(b, SERIAL);
	after = unreclaimable_kib(b);
	note("%d bytes; the kernel's memory went from %lu to %lu KiB", 3 * FLOOD_BYTES, before,
	     after);
	need(after < before + 2048, "memory grew");
	leave(b, CONSOLE);
	leave(b, SERIAL);
	guard_sleeps(b);
	bed_run(b, NULL, "guard_inside log-copy /tmp/log && guard_inside log-verify /tmp/log");
}

/* The address where a section of the module begins; 0: it has none. */
static unsigned long long section(struct bed *b, const char *name)
{
	int status;
	const char *text = bed_run(b, &status, "cat /sys/module/pinfold_guard/sections/%s", name);

	return status ? 0 : strtoull(text, NULL, 16);
}

#define PTE_WRITABLE (1ULL << 1)
#define PTE_LARGE    (1ULL << 7)
#define PTE_NX	     (1ULL << 63)
#define PTE_ADDRESS  0x000ffffffffff000ULL

static unsigned long long physical_u64(struct bed *b, unsigned long long address)
{
	const char *text = strchr(bed_monitor(b, "xp/1gx 0x%llx", address), ' ');

	need(text, "the monitor does not read %llx", address);
	return strtoull(text, NULL, 16);
}

/* What the processor lets the kernel do with an address: a walk through its page tables, from outside. */
static void page_rights(struct bed *b, unsigned long long address, bool *ret_is_code,
			bool *ret_is_writable)
{
	const char *registers = bed_monitor(b, "info registers"), *cr3 = strstr(registers, "CR3=");
	unsigned long long entry;

	need(cr3, "no page tables: %s", registers);
	entry = strtoull(cr3 + 4, NULL, 16);
	*ret_is_code = true;
	*ret_is_writable = true;
	for (unsigned int shift = 39; shift >= 12; shift -= 9) {
		entry = physical_u64(b, (entry & PTE_ADDRESS) + (address >> shift & 511) * 8);
		need(entry & 1, "address %llx is not mapped", address);
		*ret_is_code = *ret_is_code && !(entry & PTE_NX);
		*ret_is_writable = *ret_is_writable && (entry & PTE_WRITABLE);
		if (shift < 39 && entry & PTE_LARGE) {
			return;
		}
	}
}

static void expect_page(struct bed *b, const char *name, bool shall_be_code, bool shall_be_writable)
{
	unsigned long long address = section(b, name);
	bool is_code, is_writable;

	need(address, "no section %s", name);
	page_rights(b, address, &is_code, &is_writable);
	note("%-8s at %llx: %s, %s", name, address, is_code ? "executable" : "not executable",
	     is_writable ? "writable" : "read-only");
	need(is_code == shall_be_code && is_writable == shall_be_writable,
	     "that is not how it shall be");
}

void check_memory(struct bed *b)
{
	guard_load(b, "");
	expect_page(b, ".text", true, false);
	expect_page(b, ".rodata", false, false);
	expect_page(b, ".data", false, true);
	expect_page(b, ".bss", false, true);
}

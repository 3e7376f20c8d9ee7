/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page walks, PMP, traps and interrupts against qemu: guests/programs/walks.c and traps.c run there and, by the
 * interpreter, on the model. Both must print the same, line by line.
 *
 *   test_rv_guest_qemu [--long]   twenty times as much of it
 */
#include <limits.h>

#include "test_rv_machine.h"

#define QEMU "qemu-system-riscv64"
#define QEMU_COMMAND                                                                        \
	QEMU " -M virt -m 128 -display none -monitor none -serial stdio -bios none"         \
	     " -cpu rv64,h=off,v=off,svinval=on,x-smaia=on,x-ssaia=on,svnapot=on,svpbmt=on" \
	     " -device loader,cpu-num=0,file=%s </dev/null"

#define MAX_TOLD   20
#define INTERRUPTS 16 /* instead of a cause: all of them */

/** A guest, and what its lines must show, or the comparison says little. */
struct program {
	const char *elf, *long_elf;
	unsigned int cause_at; /* which word of a line is a cause */
	unsigned int n_lines, long_n_lines;
	uint8_t causes[16]; /* each has to be seen, or INTERRUPTS; ends with 99 */
};

static const struct program programs[] = {
	{ WALKS_ELF, WALKS_LONG_ELF, 3, 12001, 240001, { 0, 1, 5, 7, 8, 9, 12, 13, 15, 99 } },
	{ TRAPS_ELF, TRAPS_LONG_ELF, 9, 6001, 100001, { 1, 2, 3, 5, 7, 8, 9, 11, INTERRUPTS, 99 } },
};

static bool read_line(FILE *f, char *line, int size)
{
	bool is_ok = fgets(line, size, f) != NULL;

	line[is_ok ? strcspn(line, "\r\n") : 0] = '\0';
	return is_ok;
}

static void note(const struct program *p, const char *line, unsigned int *seen)
{
	unsigned long cause;

	for (unsigned int i = 0; line && i < p->cause_at; i++) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	cause = line ? strtoul(line, NULL, 16) : ULONG_MAX;
	if (cause < 16) {
		seen[cause]++;
	} else if (line) {
		seen[INTERRUPTS]++;
	}
}

/* @return whether all is as it should be, or @p is_last and that was checked */
static bool compare(const struct program *p, bool is_long, bool is_last, FILE *ours, FILE *theirs)
{
	unsigned int seen[INTERRUPTS + 1] = { 0 };
	unsigned int n = 0, different = 0;
	char a[256], b[256];
	bool is_more;

	do {
		is_more = read_line(ours, a, sizeof(a));
		different += read_line(theirs, b, sizeof(b)) != is_more;
		n += is_more;
		note(p, a, seen);
		if (strcmp(a, b) != 0 && different++ < MAX_TOLD) {
			printf("line %u\n model: %s\n  qemu: %s\n", n, a, b);
		}
	} while (is_more && strcmp(a, "done") != 0 && strcmp(b, "done") != 0);
	printf("%u lines, %u differ\n", n, different);
	if (different > 0 && !is_last) {
		return false;
	}
	CHECK_INT(different, 0);
	CHECK_STR(a, "done");
	CHECK_INT(n, is_long ? p->long_n_lines : p->n_lines);
	for (size_t i = 0; p->causes[i] != 99; i++) {
		printf("cause %u: %u\n", p->causes[i], seen[p->causes[i]]);
		CHECK(seen[p->causes[i]] >= 50);
	}
	return true;
}

/* qemu's timer interrupts come from a thread of its own: late on a busy machine, and then its run is another one. */
#define TRIES 4

static void run_both(const struct program *p, bool is_long)
{
	const char *elf = is_long ? p->long_elf : p->elf;
	FILE *ours = tmpfile();
	char command[1024];
	bool is_done = false;

	printf("%s\n", elf);
	CHECK(machine_run(elf, ours, 100000000000));
	snprintf(command, sizeof(command), QEMU_COMMAND, elf);
	for (int i = 1; i <= TRIES && !is_done; i++) {
		FILE *theirs = popen(command, "re");
		int status;

		CHECK(theirs != NULL);
		if (!theirs) {
			break;
		}
		rewind(ours);
		is_done = compare(p, is_long, i == TRIES, ours, theirs);
		status = pclose(theirs);
		CHECK(!is_done || status == 0);
	}
	fclose(ours);
}

int main(int argc, char **argv)
{
	if (system(QEMU " --version 2>/dev/null | grep -q 'version 7[.]2'") != 0) {
		printf("skipped: no " QEMU " of version 7.2, whose mistakes are known\n");
		return 77;
	}
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		run_both(&programs[i], argc > 1 && strcmp(argv[1], "--long") == 0);
	}
	return test_failures ? 1 : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests print while no daemon is there is in their logs when one is back; where it was more than
 * a VM process keeps, the log says how much is lost.
 * Usage: test_vms_console BUILD-DIR [CASE]
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "host/timer.h"
#include "unit/test.h"
#include "vm/console.h"
#include "vms_rig.h"

#define LINE_BYTES 5u /* four letters, one per digit to the base of 16 */

static struct rig rig;

/* Prints ">", waits for a byte of input, then numbers its lines from 0. The last two words: how many lines, and how long it counts before each. */
enum { WORD_LINES = 30, WORD_DELAY, WORDS };
static const uint32_t program[WORDS] = {
	0x100002b7, /*    lui   t0, 0x10000	   the UART */
	0x03e00313, /*    li    t1, '>' */
	0x00628023, /*    sb    t1, 0(t0) */
	0x0052c303, /* 0: lbu   t1, 5(t0) */
	0x00137313, /*    andi  t1, t1, 1 */
	0xfe030ce3, /*    beqz  t1, 0b */
	0x0002c303, /*    lbu   t1, 0(t0) */
	0x00000313, /*    li    t1, 0 */
	0x00000517, /* 1: auipc a0, 0 */
	0x05852383, /*    lw    t2, lines - 1b(a0) */
	0x05c52583, /*    lw    a1, delay - 1b(a0) */
	0x00058e13, /* 2: mv    t3, a1 */
	0xfffe0e13, /* 3: addi  t3, t3, -1 */
	0xfe0e1ee3, /*    bnez  t3, 3b */
	0x00c00e93, /*    li    t4, 12 */
	0x01d35f33, /* 4: srl   t5, t1, t4 */
	0x00ff7f13, /*    andi  t5, t5, 15 */
	0x061f0f13, /*    addi  t5, t5, 'a' */
	0x01e28023, /*    sb    t5, 0(t0) */
	0xffce8e93, /*    addi  t4, t4, -4 */
	0xfe0ed6e3, /*    bgez  t4, 4b */
	0x00a00f13, /*    li    t5, '\n' */
	0x01e28023, /*    sb    t5, 0(t0) */
	0x00130313, /*    addi  t1, t1, 1 */
	0xfc7316e3, /*    bne   t1, t2, 2b */
	0x001002b7, /*    lui   t0, 0x100	   the finisher */
	0x00005337, /*    lui   t1, 5 */
	0x55530313, /*    addi  t1, t1, 0x555 */
	0x0062a023, /*    sw    t1, 0(t0) */
	0x0000006f, /*    j     . */
};

static bool run_printer(uint32_t n_lines, uint32_t delay, char ret_id[VMS_ID_BYTES])
{
	uint32_t image[WORDS];
	struct errmsg e = { 0 };
	struct vm_spec spec;
	int fd = memfd_create("printer", MFD_CLOEXEC);
	int r;

	memcpy(image, program, sizeof(image));
	image[WORD_LINES] = n_lines;
	image[WORD_DELAY] = delay;
	BUG_ON(fd < 0 || write(fd, image, sizeof(image)) != sizeof(image));
	spec_defaults(&spec);
	strcpy(spec.name, "printer");
	strcpy(spec.config.engine, "unicorn");
	spec.config.arch = PROTO_ARCH_RV64;
	spec.config.limits.mem_bytes = 8 << 20;
	r = images_put(rig.images, 0, fd, NULL, spec.image, &e);
	close(fd);
	r = r < 0 ? r : vms_create(rig.vms, 0, &spec, ret_id, &e);
	r = r < 0 ? r : vms_start(rig.vms, ret_id, &e);
	CHECK_STR(e.text, "");
	return r == 0;
}

/* What a printer prints from byte @p from on; terminated. */
static char *printed(uint32_t n_lines, size_t from)
{
	size_t size = 1 + (size_t)n_lines * LINE_BYTES;
	char *text = malloc(size + 1);
	char *line;

	BUG_ON(!text || from > size);
	text[0] = '>';
	for (uint32_t i = 0; i < n_lines; i++) {
		line = text + 1 + i * LINE_BYTES;
		for (unsigned int d = 0; d < 4; d++) {
			line[d] = (char)('a' + (i >> (12 - 4 * d) & 15));
		}
		line[4] = '\n';
	}
	text[size] = '\0';
	memmove(text, text + from, size - from + 1);
	return text;
}

/* Started, and told to print: but its process stands until SIGCONT. */
static bool prepare_printer(uint32_t n_lines, uint32_t delay, char ret_id[VMS_ID_BYTES],
			    pid_t *ret_pid)
{
	struct vms_info i;

	if (!run_printer(n_lines, delay, ret_id)) {
		return false;
	}
	free(rig_output(&rig, ret_id, ">"));
	CHECK_INT(vms_get(rig.vms, ret_id, &i), 0);
	*ret_pid = i.pid;
	return i.pid > 0 && kill(i.pid, SIGSTOP) == 0 &&
	       vms_console_write(rig.vms, ret_id, (const uint8_t *)"x", 1, NULL) == 1;
}

/* A daemon in a process of its own, which dies before the guest prints. */
static bool daemon_dies(uint32_t n_lines, uint32_t delay, char ret_id[VMS_ID_BYTES], pid_t *ret_pid)
{
	int fds[2];
	pid_t pid;
	bool is_good;

	BUG_ON(pipe(fds) < 0);
	pid = fork();
	BUG_ON(pid < 0);
	if (pid == 0) {
		rig_open(&rig);
		if (prepare_printer(n_lines, delay, ret_id, ret_pid) &&
		    write(fds[1], &rig, sizeof(rig)) == sizeof(rig) &&
		    write(fds[1], ret_id, VMS_ID_BYTES) == VMS_ID_BYTES &&
		    write(fds[1], ret_pid, sizeof(*ret_pid)) == sizeof(*ret_pid)) {
			kill(getpid(), SIGKILL);
		}
		_exit(1);
	}
	close(fds[1]);
	is_good = read(fds[0], &rig, sizeof(rig)) == sizeof(rig) &&
		  read(fds[0], ret_id, VMS_ID_BYTES) == VMS_ID_BYTES &&
		  read(fds[0], ret_pid, sizeof(*ret_pid)) == sizeof(*ret_pid);
	close(fds[0]);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK(is_good);
	return is_good && kill(*ret_pid, SIGCONT) == 0;
}

/* Whether no thread of a process wants to run. */
static bool is_asleep(pid_t pid)
{
	char path[300];
	const struct dirent *ent;
	bool is = true;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && is && (ent = readdir(d)) != NULL) {
		char state = 'S';
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stat", pid, ent->d_name);
		f = fopen(path, "re");
		if (f) {
			is = fscanf(f, "%*d (%*[^)]) %c", &state) < 1 || state == 'S';
			fclose(f);
		}
	}
	if (d) {
		closedir(d);
	}
	return is;
}

/* Its guest has ended. Where it is only slow, the test is weaker, not wrong. */
static void await_silence(pid_t pid)
{
	ns_t until_ns = host_clock_monotonic_ns() + 20 * (ns_t)NS_PER_S;
	unsigned int n_quiet = 0;

	while (n_quiet < 5 && host_clock_monotonic_ns() < until_ns) {
		n_quiet = is_asleep(pid) ? n_quiet + 1 : 0;
		usleep(20000);
	}
}

static void check_log(const char *id, const char *want)
{
	size_t max = strlen(want) + 4096;
	char *out = calloc(1, max);
	struct vms_info i;
	uint64_t from = 0;
	uint64_t at = 0;
	size_t len = 0;
	ssize_t n = 1;

	BUG_ON(!out);
	while (n > 0 && len < max - 1) {
		n = vms_console_read(rig.vms, id, at, (uint8_t *)out + len, max - 1 - len,
				     RIG_WAIT_MS, &from);
		at = n > 0 ? from + (uint64_t)n : at;
		len += n > 0 ? (size_t)n : 0;
	}
	CHECK_INT(n, -ENODATA);
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	CHECK_INT(strlen(out), strlen(want));
	CHECK(strcmp(out, want) == 0);
	free(out);
}

static void printed_without_daemon(void)
{
	const uint32_t n_lines = 1000;
	char id[VMS_ID_BYTES];
	char *want;
	pid_t pid;

	if (!daemon_dies(n_lines, 20000, id, &pid)) {
		return;
	}
	await_silence(pid);
	rig_reopen(&rig);
	want = printed(n_lines, 0);
	check_log(id, want);
	free(want);
	rig_close(&rig, true);
	rig_remove(&rig);
}

static void more_than_is_kept(void)
{
	const uint32_t n_lines = 40000;
	const size_t bytes = 1 + (size_t)n_lines * LINE_BYTES;
	const size_t lost = bytes - CONSOLE_OUT_BYTES;
	char id[VMS_ID_BYTES];
	struct vms_info i;
	char *rest;
	char *want;
	pid_t pid;

	if (!daemon_dies(n_lines, 5000, id, &pid)) {
		return;
	}
	await_silence(pid);
	rig_reopen(&rig);
	rest = printed(n_lines, lost);
	BUG_ON(asprintf(&want, "\n[pinfold: %zu bytes of output before this are lost]\n%s", lost,
			rest) < 0);
	check_log(id, want);
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	CHECK_INT(i.console_bytes, bytes);
	free(rest);
	free(want);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* What the earlier table had read is there again, once. */
static void read_before(void)
{
	const uint32_t n_lines = 1000;
	char id[VMS_ID_BYTES];
	pid_t pid;
	char *want;

	rig_open(&rig);
	if (prepare_printer(n_lines, 20000, id, &pid)) {
		rig_close(&rig, false);
		CHECK_INT(kill(pid, SIGCONT), 0);
		rig_reopen(&rig);
		want = printed(n_lines, 0);
		check_log(id, want);
		free(want);
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

static const struct test_case cases[] = {
	{ "printed while no daemon is there", printed_without_daemon },
	{ "more than is kept", more_than_is_kept },
	{ "read before and after", read_before },
};

int main(int argc, char **argv)
{
	return rig_main(argc, argv, &rig, cases, ARRAY_SIZE(cases), test_main);
}

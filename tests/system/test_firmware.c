/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that nobody here wrote: Debian's U-Boot for the virt machines of RISC-V, AArch64 and ARM
 * reaches its prompt, answers `version` and `bdinfo`, and passes a memory test over the console;
 * OpenSBI prints its banner, and starts U-Boot in S-mode behind it, whose power-off ends the run.
 * Usage: test_firmware BUILD-DIR; skips what is not installed (packages u-boot-qemu, opensbi).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/fd.h"
#include "host/timer.h"
#include "system/vmtest.h"
#include "unit/test.h"

#define U_BOOT	   "/usr/lib/u-boot/"
#define OPENSBI	   "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin"
#define NEXT_STAGE (2u << 20) /* where fw_jump expects its payload, from the start of RAM */

static struct vmt_vm t;

/* Wait until the console shows a text; what came before it is dropped. */
static bool expect(const char *text)
{
	ns_t until_ns = host_clock_monotonic_ns() + VMT_WAIT_MS * NS_PER_MS;
	struct pollfd fd = { .fd = t.vm.console_fd, .events = POLLIN };
	char *hit;

	for (;;) {
		vmt_take_output(&t);
		hit = memmem(t.out, t.out_len, text, strlen(text));
		if (hit) {
			size_t end = (size_t)(hit - t.out) + strlen(text);

			memmove(t.out, t.out + end, t.out_len - end);
			t.out_len -= end;
			return true;
		}
		if (host_clock_monotonic_ns() > until_ns || poll(&fd, 1, VMT_WAIT_MS) != 1 ||
		    t.out_len == sizeof(t.out)) {
			break;
		}
	}
	printf("\"%s\" does not come; instead: %.*s\n", text, (int)t.out_len, t.out);
	test_failures++;
	return false;
}

static void type(const char *line)
{
	CHECK_INT(write(t.vm.console_fd, line, strlen(line)), strlen(line));
}

/* A command, its answer, and the prompt again. */
static bool command(const char *line, const char *answer)
{
	type(line);
	type("\n");
	return (!answer || expect(answer)) && expect("\n=> ");
}

static bool launch(const char *path, enum proto_arch arch, bool is_in_flash)
{
	struct launch_options o;

	vmt_options(&o, "unicorn", path);
	o.config.arch = arch;
	o.config.limits.mem_bytes = 128 << 20;
	if (is_in_flash) {
		o.config.flags = PROTO_CFG_HAS_LOAD;
		o.config.load_gpa = 0;
	}
	return vmt_launch(&t, &o) && vmt_do(&t, PROTO_START, NULL, 0, -1);
}

static bool is_missing(const char *path)
{
	if (access(path, R_OK) == 0) {
		return false;
	}
	test_skip("there is no %s", path);
	return true;
}

static bool reach_prompt(void)
{
	if (!expect("U-Boot 20") || !expect("Hit any key to stop autoboot")) {
		return false;
	}
	type(" ");
	return expect("=> ");
}

/* Two areas filled alike must compare equal and have the checksum of 64 KiB of this word. */
static bool test_memory_at(const char *a, const char *b)
{
	char line[128];

	snprintf(line, sizeof(line), "mw.l %s deadbeef 4000", a);
	if (!command(line, NULL)) {
		return false;
	}
	snprintf(line, sizeof(line), "mw.l %s deadbeef 4000", b);
	if (!command(line, NULL)) {
		return false;
	}
	snprintf(line, sizeof(line), "cmp.l %s %s 4000", a, b);
	if (!command(line, "Total of 16384 word(s) were the same")) {
		return false;
	}
	snprintf(line, sizeof(line), "crc32 %s 10000", a);
	if (!command(line, "==> 99cd2ac3")) {
		return false;
	}
	snprintf(line, sizeof(line), "mw.l %s 12345678 1", b);
	if (!command(line, NULL)) {
		return false;
	}
	snprintf(line, sizeof(line), "cmp.l %s %s 4000", a, b);
	if (!command(line, "Total of 0 word(s) were the same")) {
		return false;
	}
	snprintf(line, sizeof(line), "md.l %s 2", b);
	return command(line, "12345678 deadbeef");
}

static void check_powered_off(void)
{
	struct proto_stopped s = { 0 };

	type("poweroff\n");
	CHECK(vmt_wait(&t, VMT_WAIT_MS, &s));
	CHECK_INT(s.reason, PROTO_STOP_EXIT);
	CHECK_INT(s.code, 0);
}

static void check_u_boot(const char *dir, enum proto_arch arch, bool is_in_flash,
			 const char *compiler, const char *start, const char *a, const char *b)
{
	char path[256];

	snprintf(path, sizeof(path), U_BOOT "%s/u-boot.bin", dir);
	if (is_missing(path) || !launch(path, arch, is_in_flash)) {
		return;
	}
	if (reach_prompt() && command("version", compiler) && command("bdinfo", start) &&
	    test_memory_at(a, b) && arch == PROTO_ARCH_RV64) {
		check_powered_off();
	}
	vmt_done(&t);
}

static void u_boot_riscv64(void)
{
	check_u_boot("qemu-riscv64", PROTO_ARCH_RV64, false, "riscv64-linux-gnu-gcc",
		     "-> start    = 0x0000000080000000", "81000000", "82000000");
}

static void u_boot_arm64(void)
{
	check_u_boot("qemu_arm64", PROTO_ARCH_A64, true, "aarch64-linux-gnu-gcc",
		     "-> start    = 0x0000000040000000", "41000000", "42000000");
}

static void u_boot_arm(void)
{
	check_u_boot("qemu_arm", PROTO_ARCH_ARM, true, "arm-linux-gnueabihf-gcc",
		     "-> start    = 0x40000000", "41000000", "42000000");
}

static void opensbi(void)
{
	if (is_missing(OPENSBI) || !launch(OPENSBI, PROTO_ARCH_RV64, false)) {
		return;
	}
	/* Nothing lies behind it: it jumps into zeros in S-mode, and handles that trap for ever. */
	if (expect("OpenSBI v") && expect("Platform Timer Device     : aclint-mtimer") &&
	    expect("Domain0 Next Mode         : S-mode")) {
		expect("Boot HART MEDELEG");
	}
	vmt_done(&t);
}

/* Append a file at an offset of a memory file. */
static bool append(int fd, off_t at, const char *path)
{
	static uint8_t buf[4 << 20];
	int from = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = from < 0 ? -1 : host_fd_read_full(from, buf, sizeof(buf));

	if (from >= 0) {
		close(from);
	}
	return n > 0 && n < (ssize_t)sizeof(buf) && pwrite(fd, buf, (size_t)n, at) == n;
}

static void opensbi_starts_u_boot(void)
{
	static const char payload[] = U_BOOT "qemu-riscv64_smode/u-boot.bin";
	char path[64];
	int fd;

	if (is_missing(OPENSBI) || is_missing(payload)) {
		return;
	}
	fd = memfd_create("firmware", MFD_CLOEXEC);
	CHECK(append(fd, 0, OPENSBI) && append(fd, NEXT_STAGE, payload));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (launch(path, PROTO_ARCH_RV64, false)) {
		if (expect("OpenSBI v") && reach_prompt() &&
		    command("version", "riscv64-linux-gnu-gcc") &&
		    test_memory_at("81000000", "82000000")) {
			check_powered_off();
		}
		vmt_done(&t);
	}
	close(fd);
}

static const struct test_case cases[] = {
	{ "U-Boot for RISC-V", u_boot_riscv64 },
	{ "U-Boot for AArch64", u_boot_arm64 },
	{ "U-Boot for ARM", u_boot_arm },
	{ "OpenSBI", opensbi },
	{ "OpenSBI starts U-Boot", opensbi_starts_u_boot },
};

int main(int argc, char **argv)
{
	int status;

	if (argc < 2) {
		return 1;
	}
	vmt_init(argv[1]);
	status = test_main(cases, ARRAY_SIZE(cases));
	return vmt_failures ? 1 : status;
}

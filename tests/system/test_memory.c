/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image bytes are shared and nobody's to change:
 *   - 16 VMs of an 8 MiB image that their guests have read whole, against 16 VMs of a 4 KiB image:
 *     private memory per VM differs by less than 1 MiB (/proc/PID/smaps);
 *   - the same when every VM has a controller process of its own, 20 of them started at once;
 *   - a guest that writes to its image changes its own copy only; with --image-ro it faults;
 *   - a VM process in its guest's hands can't change the image through its descriptor.
 * Usage: test_memory BUILD-DIR
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "system/vmtest.h"
#include "unit/test.h"

#define N_VMS	      16
#define N_CONTROLLERS 20
#define BIG_BYTES     (8u << 20)
#define SMALL_BYTES   4096u
#define RAM_BYTES     (16u << 20)
#define PRIVATE_MAX   (1u << 20)
#define WRITE_AT      0x1000u

static const char *build_dir;

/* Reads its image whole, sums it, prints A and loops. The size stands at size_at. */
struct reader {
	const char *engine;
	enum proto_arch arch;
	const char *sum_reg;
	unsigned int stride;
	unsigned int size_at;
	uint32_t big, small; /* what stands there */
	size_t n;
	uint8_t code[64];
};

static const struct reader readers[] = {
	/* auipc s0,0; lui s1,SIZE; add s1,s1,s0; li a0,0; 1: ld a2,(s0); add a0,a0,a2;
	 * addi s0,s0,8; bltu s0,s1,1b; lui a1,0x10000; li a3,'A'; sb a3,(a1); j . */
	{ "unicorn", PROTO_ARCH_RV64, "a0", 8, 4, 0x008004b7, 0x000014b7, 48,
	  { 0x17, 0x04, 0x00, 0x00, 0xb7, 0x04, 0x80, 0x00, 0xb3, 0x84, 0x84, 0x00,
	    0x13, 0x05, 0x00, 0x00, 0x03, 0x36, 0x04, 0x00, 0x33, 0x05, 0xc5, 0x00,
	    0x13, 0x04, 0x84, 0x00, 0xe3, 0x6a, 0x94, 0xfe, 0xb7, 0x05, 0x00, 0x10,
	    0x93, 0x06, 0x10, 0x04, 0x23, 0x80, 0xd5, 0x00, 0x6f, 0x00, 0x00, 0x00 } },
	/* lea start(%rip),%rsi; mov $SIZE,%ecx; xor %eax,%eax; 1: add (%rsi),%rax; add $64,%rsi;
	 * sub $64,%ecx; jnz 1b; mov $0x3f8,%dx; mov %rax,%rbx; mov $'A',%al; out %al,%dx; jmp . */
	{ "kvm", PROTO_ARCH_X64, "rbx", 64, 12, BIG_BYTES, SMALL_BYTES, 42,
	  { 0x48, 0x8d, 0x35, 0x00, 0x00, 0x00, 0x00, 0x48, 0x83, 0xee, 0x07,
	    0xb9, 0x00, 0x00, 0x80, 0x00, 0x31, 0xc0, 0x48, 0x03, 0x06, 0x48,
	    0x83, 0xc6, 0x40, 0x83, 0xe9, 0x40, 0x75, 0xf4, 0x66, 0xba, 0xf8,
	    0x03, 0x48, 0x89, 0xc3, 0xb0, 0x41, 0xee, 0xeb, 0xfe } },
};

/* Writes ones to its image, 4 KiB behind its start, prints A and loops. */
struct writer {
	const char *engine;
	enum proto_arch arch;
	size_t n;
	uint8_t code[64];
};

#define X86_WRITER                                                                          \
	25, { 0xe8, 0x00, 0x00, 0x00, 0x00, 0x5e, 0xc7, 0x86, 0xfb, 0x0f, 0x00, 0x00, 0xff, \
	      0xff, 0xff, 0xff, 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xeb, 0xfe }
#define X64_WRITER                                                                          \
	27, { 0x48, 0x8d, 0x35, 0x00, 0x00, 0x00, 0x00, 0x48, 0xc7, 0x86, 0xf9, 0x0f, 0x00, \
	      0x00, 0xff, 0xff, 0xff, 0xff, 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xeb, \
	      0xfe }

static const struct writer writers[] = {
	{ "unicorn", PROTO_ARCH_X86, X86_WRITER },
	{ "kvm", PROTO_ARCH_X86, X86_WRITER },
	{ "unicorn", PROTO_ARCH_X64, X64_WRITER },
	{ "kvm", PROTO_ARCH_X64, X64_WRITER },
	{ "unicorn", PROTO_ARCH_ARM, 32,
	  { 0x08, 0x00, 0x4f, 0xe2, 0x01, 0x0a, 0x80, 0xe2, 0x00, 0x20, 0xe0,
	    0xe3, 0x00, 0x20, 0x80, 0xe5, 0x09, 0x14, 0xa0, 0xe3, 0x41, 0x30,
	    0xa0, 0xe3, 0x00, 0x30, 0x81, 0xe5, 0xfe, 0xff, 0xff, 0xea } },
	{ "unicorn", PROTO_ARCH_A64, 32,
	  { 0x00, 0x00, 0x00, 0x10, 0x00, 0x04, 0x40, 0x91, 0x02, 0x00, 0x80,
	    0x92, 0x02, 0x00, 0x00, 0xf9, 0x01, 0x20, 0xa1, 0xd2, 0x23, 0x08,
	    0x80, 0x52, 0x23, 0x00, 0x00, 0xb9, 0x00, 0x00, 0x00, 0x14 } },
	{ "unicorn", PROTO_ARCH_RV64, 36,
	  { 0x17, 0x04, 0x00, 0x00, 0xb7, 0x14, 0x00, 0x00, 0xb3, 0x84, 0x84, 0x00,
	    0x13, 0x06, 0xf0, 0xff, 0x23, 0xb0, 0xc4, 0x00, 0xb7, 0x05, 0x00, 0x10,
	    0x93, 0x06, 0x10, 0x04, 0x23, 0x80, 0xd5, 0x00, 0x6f, 0x00, 0x00, 0x00 } },
};

static bool has_engine(const char *engine)
{
	for (size_t i = 0; i < vmt_variant_count; i++) {
		if (vmt_variants[i].is_kvm || strcmp(engine, "unicorn") == 0) {
			return vmt_has_engine(engine, &vmt_variants[i]);
		}
	}
	return false;
}

/* A flat image with code in front and noise behind it. Returns its bytes, in memory for good. */
static const uint8_t *make_image(const uint8_t *code, size_t code_bytes, size_t n, int *ret_fd)
{
	uint8_t *bytes = malloc(n);
	uint64_t seed = 7;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = vmt_random(&seed);

		memcpy(bytes + i, &v, 8);
	}
	memcpy(bytes, code, code_bytes);
	*ret_fd = vmt_seal(bytes, n);
	return bytes;
}

static bool launch_flat(struct vmt_vm *t, const char *engine, enum proto_arch arch, int image_fd,
			uint32_t flags)
{
	struct launch_options o;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", image_fd);
	vmt_options(&o, engine, path);
	o.config.arch = arch;
	o.config.flags = flags;
	o.config.limits.mem_bytes = RAM_BYTES;
	return vmt_launch(t, &o);
}

/* Wait until the guest has printed something. */
static bool wait_printed(struct vmt_vm *t)
{
	struct pollfd fd = { .fd = t->vm.console_fd, .events = POLLIN };

	if (poll(&fd, 1, VMT_WAIT_MS) != 1) {
		printf("the guest prints nothing\n");
		test_failures++;
		return false;
	}
	vmt_take_output(t);
	CHECK_INT(t->out_len, 1);
	CHECK_INT(t->out[0], 'A');
	return true;
}

/* Memory that a process has for itself alone. @return bytes, or UINT64_MAX */
static uint64_t private_bytes(pid_t pid)
{
	char path[64];
	char line[512];
	uint64_t sum_kib = 0;
	unsigned long kib;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f) {
		printf("%s: %s\n", path, strerror(errno));
		return UINT64_MAX;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Private_Clean: %lu", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %lu", &kib) == 1) {
			sum_kib += kib;
		}
	}
	fclose(f);
	return sum_kib ? sum_kib << 10 : UINT64_MAX;
}

static uint64_t sum_of(const uint8_t *bytes, size_t n, unsigned int stride)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i += stride) {
		uint64_t v;

		memcpy(&v, bytes + i, 8);
		sum += v;
	}
	return sum;
}

/* The value of a register, by its name. */
static uint64_t reg_value(struct vmt_vm *t, const char *name)
{
	static struct proto_reg_desc desc[512];
	uint8_t regs[VMT_REGS_MAX];
	struct errmsg e = { 0 };
	size_t bytes = 0;
	size_t at = 0;
	uint64_t value = 0;

	CHECK_INT(launch_vm_request(&t->vm, PROTO_GET_REG_DESC, NULL, 0, -1, desc, sizeof(desc),
				    &bytes, &e),
		  0);
	vmt_regs(t, regs);
	for (size_t i = 0; i < bytes / sizeof(desc[0]); i++) {
		if (strcmp(desc[i].name, name) == 0) {
			memcpy(&value, regs + at, 8);
			return value;
		}
		at += desc[i].bytes;
	}
	CHECK(false);
	return 0;
}

/* Mean private memory of VMs that have read all of their image. */
static uint64_t mean_private(const struct reader *rd, size_t image_bytes)
{
	static struct vmt_vm vms[N_VMS];
	uint8_t code[64];
	uint32_t size = image_bytes == BIG_BYTES ? rd->big : rd->small;
	const uint8_t *bytes;
	uint64_t sum = 0;
	uint64_t want;
	int fd;

	memcpy(code, rd->code, rd->n);
	memcpy(code + rd->size_at, &size, 4);
	bytes = make_image(code, rd->n, image_bytes, &fd);
	want = sum_of(bytes, image_bytes, rd->stride);
	for (size_t i = 0; i < N_VMS; i++) {
		if (!launch_flat(&vms[i], rd->engine, rd->arch, fd, 0)) {
			return 0;
		}
		vmt_do(&vms[i], PROTO_START, NULL, 0, -1);
		wait_printed(&vms[i]);
		vmt_do(&vms[i], PROTO_PAUSE, NULL, 0, -1);
		CHECK(reg_value(&vms[i], rd->sum_reg) == want);
	}
	for (size_t i = 0; i < N_VMS; i++) {
		uint64_t n = private_bytes(vms[i].vm.pid);

		CHECK(n != UINT64_MAX);
		sum += n;
	}
	for (size_t i = 0; i < N_VMS; i++) {
		vmt_done(&vms[i]);
	}
	close(fd);
	return sum / N_VMS;
}

static void big_images_cost_nothing_per_vm(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		uint64_t small;
		uint64_t big;

		if (!has_engine(readers[i].engine)) {
			continue;
		}
		small = mean_private(&readers[i], SMALL_BYTES);
		big = mean_private(&readers[i], BIG_BYTES);
		printf("  %s: private memory per VM %" PRIu64 " KiB with 4 KiB, %" PRIu64
		       " KiB with 8 MiB of image\n",
		       readers[i].engine, small >> 10, big >> 10);
		CHECK(small > 0 && big > 0);
		CHECK(big < small + PRIVATE_MAX);
	}
}

/* The inode of the image that a VM process has mapped; 0 if there is none. */
static unsigned long image_inode(pid_t pid)
{
	char path[64];
	char line[512];
	unsigned long inode = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "/memfd:") && !strstr(line, "rw-s")) {
			sscanf(line, "%*s %*s %*s %*s %lu", &inode);
		}
	}
	if (f) {
		fclose(f);
	}
	return inode;
}

/* One controller: launch when told, say the inode, end when the other side of end_fd is closed. */
static void controller(const char *image, int go_fd, int end_fd, int report_fd)
{
	static struct vmt_vm t;
	struct launch_options o;
	unsigned long inode = 0;
	char c;

	if (read(go_fd, &c, 1) < 0) {
		_exit(1);
	}
	vmt_options(&o, "unicorn", image);
	o.config.arch = PROTO_ARCH_RV64;
	o.config.limits.mem_bytes = RAM_BYTES;
	if (vmt_launch(&t, &o)) {
		inode = image_inode(t.vm.pid);
	}
	if (write(report_fd, &inode, sizeof(inode)) != sizeof(inode) || read(end_fd, &c, 1) < 0) {
		_exit(1);
	}
	vmt_done(&t);
	_exit(0);
}

struct herd {
	pid_t pids[N_CONTROLLERS];
	int go[2], end[2], report[2];
};

static void herd_start(struct herd *h, const char *image)
{
	CHECK_INT(pipe2(h->go, O_CLOEXEC), 0);
	CHECK_INT(pipe2(h->end, O_CLOEXEC), 0);
	CHECK_INT(pipe2(h->report, O_CLOEXEC), 0);
	fflush(stdout);
	for (size_t i = 0; i < N_CONTROLLERS; i++) {
		h->pids[i] = fork();
		if (h->pids[i] == 0) {
			close(h->end[1]);
			controller(image, h->go[0], h->end[0], h->report[1]);
		}
	}
}

static void herd_tell(const struct herd *h)
{
	char bytes[N_CONTROLLERS] = { 0 };

	CHECK_INT(write(h->go[1], bytes, sizeof(bytes)), sizeof(bytes));
}

static void herd_end(struct herd *h)
{
	close(h->end[1]);
	for (size_t i = 0; i < N_CONTROLLERS; i++) {
		int status = -1;

		waitpid(h->pids[i], &status, 0);
		CHECK_INT(status, 0);
	}
	close(h->go[0]);
	close(h->go[1]);
	close(h->end[0]);
	close(h->report[0]);
	close(h->report[1]);
}

/* How many different image files the controllers' VMs have mapped. */
static size_t count_inodes(const struct herd *h)
{
	unsigned long seen[N_CONTROLLERS];
	size_t n = 0;

	for (size_t i = 0; i < N_CONTROLLERS; i++) {
		unsigned long inode = 0;
		size_t k = 0;

		CHECK_INT(read(h->report[0], &inode, sizeof(inode)), sizeof(inode));
		CHECK(inode != 0);
		while (k < n && seen[k] != inode) {
			k++;
		}
		if (k == n) {
			seen[n++] = inode;
		}
	}
	return n;
}

static void controllers_share_and_races_harm_nobody(void)
{
	char path[] = "/tmp/pinfold-test-image-XXXXXX";
	struct vmt_vm first;
	struct launch_options o;
	const uint8_t *bytes;
	struct herd h;
	size_t n;
	int fd;

	bytes = make_image(readers[0].code, readers[0].n, BIG_BYTES, &fd);
	close(fd);
	fd = mkostemp(path, O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, bytes, BIG_BYTES) == BIG_BYTES);
	close(fd);
	/* All at once, with nothing registered: some lose the race and have a file of their own. */
	herd_start(&h, path);
	herd_tell(&h);
	n = count_inodes(&h);
	printf("  %d started at once: %zu image files\n", N_CONTROLLERS, n);
	CHECK(n >= 1);
	herd_end(&h);
	/* With one that runs already: all share its file. */
	vmt_options(&o, "unicorn", path);
	o.config.arch = PROTO_ARCH_RV64;
	o.config.limits.mem_bytes = RAM_BYTES;
	if (vmt_launch(&first, &o)) {
		unsigned long inode = image_inode(first.vm.pid);
		unsigned long theirs = 0;

		herd_start(&h, path);
		herd_tell(&h);
		CHECK_INT(read(h.report[0], &theirs, sizeof(theirs)), sizeof(theirs));
		CHECK(theirs != 0);
		CHECK_INT(theirs, inode);
		for (size_t i = 1; i < N_CONTROLLERS; i++) {
			CHECK_INT(read(h.report[0], &theirs, sizeof(theirs)), sizeof(theirs));
			CHECK_INT(theirs, inode);
		}
		herd_end(&h);
		vmt_done(&first);
	}
	unlink(path);
}

/* What stands where writers write. */
static uint64_t written_word(struct vmt_vm *t, gpa_t start)
{
	struct proto_mem m = { .gva = start + WRITE_AT, .bytes = 8, .is_physical = 1 };
	uint64_t word = 0;
	struct errmsg e = { 0 };

	CHECK_INT(launch_vm_request(&t->vm, PROTO_READ_MEM, &m, sizeof(m), -1, &word, sizeof(word),
				    NULL, &e),
		  0);
	return word;
}

static void check_writer(const struct writer *w)
{
	static struct vmt_vm before;
	static struct vmt_vm during;
	static struct vmt_vm after;
	const uint8_t *bytes;
	struct proto_stopped s = { 0 };
	uint64_t want;
	gpa_t start;
	int fd;

	bytes = make_image(w->code, w->n, 4 * PAGE_BYTES, &fd);
	memcpy(&want, bytes + WRITE_AT, 8);
	if (!launch_flat(&before, w->engine, w->arch, fd, 0) ||
	    !launch_flat(&during, w->engine, w->arch, fd, 0)) {
		return;
	}
	start = during.vm.ready.entry_gva;
	vmt_do(&during, PROTO_START, NULL, 0, -1);
	wait_printed(&during);
	CHECK((uint32_t)written_word(&during, start) == UINT32_MAX);
	CHECK(written_word(&before, start) == want);
	if (launch_flat(&after, w->engine, w->arch, fd, 0)) {
		CHECK(written_word(&after, start) == want);
		vmt_done(&after);
	}
	vmt_done(&before);
	vmt_done(&during);
	if (launch_flat(&after, w->engine, w->arch, fd, PROTO_CFG_IMAGE_RO)) {
		vmt_do(&after, PROTO_START, NULL, 0, -1);
		CHECK(vmt_wait(&after, VMT_WAIT_MS, &s));
		CHECK_INT(s.reason, PROTO_STOP_FAULT);
		CHECK_STR(s.fault.kind, "protection");
		CHECK_INT(s.fault.access, PROTO_ACCESS_W);
		CHECK_INT(s.fault.address, start + WRITE_AT);
		CHECK(written_word(&after, start) == want);
		CHECK_INT(after.out_len, 0);
		vmt_done(&after);
	}
	close(fd);
}

static void guests_change_only_their_own_copy(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		if (has_engine(writers[i].engine)) {
			check_writer(&writers[i]);
		}
	}
}

static void elf_text_is_read_only(void)
{
	static struct vmt_vm t;
	struct launch_options o;
	struct proto_stopped s = { 0 };

	for (size_t i = 0; i < vmt_variant_count; i++) {
		vmt_options(&o, "unicorn", vmt_guest(vmt_variants[i].name, "fault_ro.elf"));
		if (!vmt_launch(&t, &o)) {
			continue;
		}
		vmt_do(&t, PROTO_START, NULL, 0, -1);
		CHECK(vmt_wait(&t, VMT_WAIT_MS, &s));
		CHECK_INT(s.reason, PROTO_STOP_FAULT);
		CHECK_STR(s.fault.kind, "protection");
		CHECK_INT(s.fault.access, PROTO_ACCESS_W);
		vmt_done(&t);
	}
}

static void hostile_vm_process_changes_nothing(void)
{
	struct launch_vm vm = { 0 };
	struct launch_options o;
	struct errmsg e = { 0 };
	const uint8_t *bytes;
	uint8_t *after;
	char program[2400];
	char path[64];
	size_t n = 0;
	int fd;

	bytes = make_image(readers[0].code, readers[0].n, 4 * PAGE_BYTES, &fd);
	snprintf(program, sizeof(program), "%s/bin/hostile_vm", build_dir);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	vmt_options(&o, "unicorn", path);
	o.vm_program = program;
	o.is_kvm_allowed = false;
	CHECK_INT(launch_vm(&o, &vm, &e), -EPERM);
	CHECK_STR(e.text, "nothing worked");
	after = vmt_slurp(fd, &n);
	CHECK(n == 4 * PAGE_BYTES && memcmp(after, bytes, n) == 0);
	free(after);
	close(fd);
}

static const struct test_case cases[] = {
	{ "big images cost nothing per VM", big_images_cost_nothing_per_vm },
	{ "controllers share, and races harm nobody", controllers_share_and_races_harm_nobody },
	{ "guests change only their own copy", guests_change_only_their_own_copy },
	{ "ELF text is read-only", elf_text_is_read_only },
	{ "hostile VM process changes nothing", hostile_vm_process_changes_nothing },
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		return 1;
	}
	build_dir = argv[1];
	vmt_init(build_dir);
	if (geteuid() != 0) {
		printf("skipped: only root can look into the memory maps of jailed processes\n");
		return 77;
	}
	return test_main(cases, ARRAY_SIZE(cases)) || vmt_failures;
}

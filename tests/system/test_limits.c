/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending guests that don't end by themselves, on every variant and engine:
 *   - each limit stops an endless loop, says which it was, exactly for instructions, and leaves
 *     registers and memory to look at; also when it is set while the guest runs, and when the guest
 *     waits for input or for someone to read its console;
 *   - usage numbers are plausible and never fall;
 *   - a forced stop ends a guest that ignores everything within 100 ms, in all these situations.
 * Usage: test_limits BUILD-DIR VARIANT
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/timer.h"
#include "system/vmtest.h"
#include "unit/test.h"

#define LIMIT_NS      (60 * NS_PER_MS)
#define LIMIT_INSNS   12347u
#define FORCE_TRIES   20
#define FORCE_NS_MAX  (100 * NS_PER_MS) /* on a machine that has time for it */
#define FORCE_NS_BUSY (5 * NS_PER_S)
#define SETTLE_POLLS  20000

static const struct vmt_variant *variant;
static const char *engine;

/* Flat programs: print for ever; wait for a character by semihosting. */
static const struct flat {
	enum proto_arch arch;
	size_t print_bytes, wait_bytes; /* wait 0: the architecture has no semihosting */
	uint8_t print[20], wait[20];
} flats[] = {
	/* mov $0x3f8,%dx; mov $'A',%al; 1: out %al,%dx; jmp 1b */
	{ PROTO_ARCH_X86, 9, 0, { 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xeb, 0xfd }, { 0 } },
	{ PROTO_ARCH_X64, 9, 0, { 0x66, 0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xeb, 0xfd }, { 0 } },
	/* mov r1,#0x09000000; mov r0,#'A'; 1: str r0,[r1]; b 1b / mov r0,#7; svc 0x123456; b . */
	{ PROTO_ARCH_ARM,
	  16,
	  12,
	  { 0x09, 0x14, 0xa0, 0xe3, 0x41, 0x00, 0xa0, 0xe3, 0x00, 0x00, 0x81, 0xe5, 0xfd, 0xff,
	    0xff, 0xea },
	  { 0x07, 0x00, 0xa0, 0xe3, 0x56, 0x34, 0x12, 0xef, 0xfe, 0xff, 0xff, 0xea } },
	/* movz x1,#0x900,lsl 16; movz w0,#'A'; 1: str w0,[x1]; b 1b / movz x0,#7; hlt 0xf000; b . */
	{ PROTO_ARCH_A64,
	  16,
	  12,
	  { 0x01, 0x20, 0xa1, 0xd2, 0x20, 0x08, 0x80, 0x52, 0x20, 0x00, 0x00, 0xb9, 0xff, 0xff,
	    0xff, 0x17 },
	  { 0xe0, 0x00, 0x80, 0xd2, 0x00, 0x00, 0x5e, 0xd4, 0x00, 0x00, 0x00, 0x14 } },
	/* lui a1,0x10000; li a0,'A'; 1: sb a0,(a1); j 1b / li a0,7; slli; ebreak; srai; j . */
	{ PROTO_ARCH_RV64,
	  16,
	  20,
	  { 0xb7, 0x05, 0x00, 0x10, 0x13, 0x05, 0x10, 0x04, 0x23, 0x80, 0xa5, 0x00, 0x6f, 0xf0,
	    0xdf, 0xff },
	  { 0x13, 0x05, 0x70, 0x00, 0x13, 0x10, 0xf0, 0x01, 0x73, 0x00,
	    0x10, 0x00, 0x13, 0x50, 0x70, 0x40, 0x6f, 0x00, 0x00, 0x00 } },
};

static const struct flat *flat_of(enum proto_arch arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(flats); i++) {
		if (flats[i].arch == arch) {
			return &flats[i];
		}
	}
	abort();
}

static void options(struct launch_options *o)
{
	vmt_options(o, engine, vmt_guest(variant->name, "endless.elf"));
	o->config.arch = variant->arch;
}

/* Launch a flat program; those of ARM are little-endian A32. */
static bool launch_flat(struct vmt_vm *t, const uint8_t *code, size_t bytes,
			struct launch_options *o)
{
	char path[64];
	uint8_t image[64] = { 0 };
	bool is_up;
	int fd;

	memcpy(image, code, bytes);
	fd = vmt_seal(image, sizeof(image));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	o->image_path = path;
	is_up = vmt_launch(t, o);
	close(fd);
	return is_up;
}

static void check_inspectable(struct vmt_vm *t)
{
	struct proto_mem m = { .gva = t->vm.ready.ram_base_gpa, .bytes = 16, .is_physical = 1 };
	uint8_t regs[VMT_REGS_MAX];
	uint8_t bytes[16];
	struct errmsg e = { 0 };
	size_t n = 0;

	CHECK(vmt_regs(t, regs) > 0);
	CHECK_INT(launch_vm_request(&t->vm, PROTO_READ_MEM, &m, sizeof(m), -1, bytes, sizeof(bytes),
				    &n, &e),
		  0);
	CHECK_INT(n, 16);
	CHECK_INT(vmt_state(t), PROTO_VM_STOPPED);
}

static void check_limit(const struct proto_limits *limits, enum proto_limit_kind kind,
			bool is_set_while_running)
{
	static struct vmt_vm t;
	struct launch_options o;
	struct proto_stopped s = { 0 };

	options(&o);
	if (!is_set_while_running) {
		uint64_t mem_bytes = o.config.limits.mem_bytes;

		o.config.limits = *limits;
		o.config.limits.mem_bytes = mem_bytes;
	}
	if (!vmt_launch(&t, &o)) {
		return;
	}
	vmt_do(&t, PROTO_START, NULL, 0, -1);
	if (is_set_while_running) {
		CHECK_INT(vmt_state(&t), PROTO_VM_RUNNING);
		vmt_do(&t, PROTO_SET_LIMIT, limits, sizeof(*limits), -1);
	}
	if (vmt_wait(&t, VMT_WAIT_MS, &s)) {
		CHECK_INT(s.reason, PROTO_STOP_LIMIT);
		CHECK_INT(s.limit, kind);
		CHECK_INT(s.state, PROTO_VM_STOPPED);
		if (kind == PROTO_LIMIT_INSNS && !is_set_while_running) {
			CHECK(s.usage.insns_known);
			CHECK_INT(s.usage.insns, LIMIT_INSNS);
		}
		CHECK(kind != PROTO_LIMIT_CPU || s.usage.cpu_ns >= LIMIT_NS);
		CHECK(kind != PROTO_LIMIT_WALL || s.usage.wall_ns >= LIMIT_NS);
		check_inspectable(&t);
		/* On a busy machine a time can be over before the guest has come to print. */
		CHECK(kind != PROTO_LIMIT_INSNS || t.out_len >= strlen("looping"));
		CHECK(memcmp(t.out, "looping",
			     t.out_len < strlen("looping") ? t.out_len : strlen("looping")) == 0);
	}
	vmt_done(&t);
}

static void each_limit_ends_an_endless_loop(void)
{
	static const struct proto_limits cpu = { .cpu_ns = LIMIT_NS };
	static const struct proto_limits wall = { .wall_ns = LIMIT_NS };
	static const struct proto_limits insns = { .insns = LIMIT_INSNS };

	for (int i = 0; i < 2; i++) {
		check_limit(&cpu, PROTO_LIMIT_CPU, i);
		check_limit(&wall, PROTO_LIMIT_WALL, i);
		check_limit(&insns, PROTO_LIMIT_INSNS, i);
	}
}

/* Poll until the guest, which runs, makes no progress any more. */
static void wait_stuck(struct vmt_vm *t, uint64_t out_min)
{
	uint64_t cpu_before = UINT64_MAX;

	for (int i = 0; i < SETTLE_POLLS; i++) {
		struct proto_usage u = vmt_usage(t);

		if (u.cpu_ns == cpu_before && u.console_out_bytes >= out_min) {
			return;
		}
		cpu_before = u.cpu_ns;
		poll(NULL, 0, 1);
	}
	printf("the guest does not stand still\n");
	test_failures++;
}

static bool launch_stuck(struct vmt_vm *t, bool is_printing, struct launch_options *o)
{
	const struct flat *f = flat_of(variant->arch);
	bool is_up;

	vmt_options(o, engine, NULL);
	o->config.arch = variant->arch;
	is_up = is_printing ? launch_flat(t, f->print, f->print_bytes, o)
			    : launch_flat(t, f->wait, f->wait_bytes, o);
	if (is_up) {
		vmt_do(t, PROTO_START, NULL, 0, -1);
		wait_stuck(t, is_printing ? 65536 : 0);
		CHECK_INT(vmt_state(t), PROTO_VM_RUNNING);
	}
	return is_up;
}

/* Blocked on its console or its input, it obeys all the same, and goes on when it can. */
static void check_stuck(bool is_printing)
{
	static struct vmt_vm t;
	struct proto_limits limits = { .wall_ns = LIMIT_NS };
	struct launch_options o;
	struct proto_stopped s = { 0 };

	if (!launch_stuck(&t, is_printing, &o)) {
		return;
	}
	vmt_do(&t, PROTO_PAUSE, NULL, 0, -1);
	for (int i = 0; i < 3; i++) { /* console output comes before the event: make room */
		vmt_take_output(&t);
		t.out_len = 0;
	}
	if (vmt_wait(&t, VMT_WAIT_MS, &s)) {
		CHECK_INT(s.reason, PROTO_STOP_PAUSED);
	}
	vmt_do(&t, PROTO_RESUME, NULL, 0, -1);
	if (!is_printing) {
		/* The character lets it go on: into an endless loop. */
		uint64_t before = vmt_usage(&t).cpu_ns;
		int i = 0;

		CHECK_INT(write(t.vm.console_fd, "x", 1), 1);
		while (vmt_usage(&t).cpu_ns < before + NS_PER_MS && i++ < SETTLE_POLLS) {
			poll(NULL, 0, 1);
		}
		CHECK(i < SETTLE_POLLS);
	}
	vmt_do(&t, PROTO_SET_LIMIT, &limits, sizeof(limits), -1);
	for (int i = 0; i < SETTLE_POLLS && s.reason != PROTO_STOP_LIMIT; i++) {
		struct errmsg e = { 0 };

		t.out_len = 0;
		vmt_take_output(&t);
		launch_vm_event(&t.vm, &s, &e);
		poll(NULL, 0, 1);
	}
	CHECK_INT(s.reason, PROTO_STOP_LIMIT);
	CHECK_INT(s.limit, PROTO_LIMIT_WALL);
	vmt_done(&t);
}

static void blocked_guests_obey(void)
{
	check_stuck(true);
	if (flat_of(variant->arch)->wait_bytes) {
		check_stuck(false);
	}
}

/* It has run, in slices of twice their length at most; the host's pauses in one of them count as its time, and are made up for. */
static bool is_plausible(const struct proto_usage *u)
{
	return u->cpu_ns > NS_PER_MS && u->slices >= u->cpu_ns / (20 * NS_PER_MS);
}

static void usage_is_plausible_and_never_falls(void)
{
	static struct vmt_vm t;
	struct launch_options o;
	struct proto_usage last = { 0 };
	ns_t start_ns = host_clock_monotonic_ns();
	ns_t waited_ns;

	options(&o);
	if (!vmt_launch(&t, &o)) {
		return;
	}
	CHECK_INT(vmt_usage(&t).cpu_ns, 0);
	CHECK_INT(vmt_usage(&t).wall_ns, 0);
	vmt_do(&t, PROTO_START, NULL, 0, -1);
	for (int i = 0; i < 100 || (!is_plausible(&last) && i < SETTLE_POLLS); i++) {
		struct proto_usage u = vmt_usage(&t);

		CHECK(u.cpu_ns >= last.cpu_ns && u.wall_ns >= last.wall_ns &&
		      u.slices >= last.slices && u.mem_peak_bytes >= last.mem_peak_bytes &&
		      u.console_out_bytes >= last.console_out_bytes &&
		      u.io_writes >= last.io_writes);
		CHECK(u.cpu_ns <= u.wall_ns);
		last = u;
		poll(NULL, 0, 1);
	}
	waited_ns = host_clock_monotonic_ns() - start_ns;
	CHECK(last.wall_ns > 50 * NS_PER_MS && last.wall_ns <= waited_ns);
	CHECK(is_plausible(&last));
	CHECK(last.mem_peak_bytes > 1 << 20 && last.mem_peak_bytes < 1ull << 30);
	vmt_take_output(&t);
	CHECK_INT(last.console_out_bytes, t.out_len);
	CHECK(last.io_writes >= t.out_len);
	vmt_do(&t, PROTO_STOP, NULL, 0, -1);
	vmt_done(&t);
}

/* Kill it and time that. */
static ns_t force(struct vmt_vm *t)
{
	ns_t start_ns = host_clock_monotonic_ns();
	ns_t took_ns;
	struct errmsg e = { 0 };

	launch_vm_force_stop(&t->vm);
	took_ns = host_clock_monotonic_ns() - start_ns;
	CHECK_INT(vmt_ask(t, PROTO_GET_STATE, NULL, 0, -1, &e), -EPIPE);
	CHECK_STR(e.text, "the VM process was killed by signal 9 (Killed)");
	vmt_done(t);
	return took_ns;
}

/* The machine may be busy with something else, but not always: the quickest one is judged. */
static void forced_stop_takes_at_most_100_ms(void)
{
	static struct vmt_vm t;
	struct launch_options o;
	ns_t min_ns = UINT64_MAX;
	ns_t max_ns = 0;

	for (int i = 0; i < FORCE_TRIES; i++) {
		ns_t took_ns = 0;
		bool is_up;

		options(&o);
		/* A KVM that emulates takes seconds to fill the console: once is enough there. */
		if (i % 5 == 4 && (i == 4 || strcmp(engine, "kvm") != 0)) {
			bool has_wait = flat_of(variant->arch)->wait_bytes;

			is_up = launch_stuck(&t, !has_wait || i % 2, &o);
		} else {
			is_up = vmt_launch(&t, &o);
			vmt_do(&t, i % 5 >= 3 ? PROTO_PAUSE : PROTO_START, NULL, 0, -1);
		}
		if (is_up) {
			took_ns = force(&t);
		}
		max_ns = took_ns > max_ns ? took_ns : max_ns;
		min_ns = took_ns < min_ns ? took_ns : min_ns;
	}
	printf("  %s on %s: forced stop took from %.1f to %.1f ms\n", variant->name, engine,
	       (double)min_ns / 1e6, (double)max_ns / 1e6);
	CHECK(min_ns < FORCE_NS_MAX);
	CHECK(max_ns < FORCE_NS_BUSY);
}

static const struct test_case cases[] = {
	{ "each limit ends an endless loop", each_limit_ends_an_endless_loop },
	{ "blocked guests obey", blocked_guests_obey },
	{ "usage is plausible and never falls", usage_is_plausible_and_never_falls },
	{ "forced stop takes at most 100 ms", forced_stop_takes_at_most_100_ms },
};

int main(int argc, char **argv)
{
	static const char *const engines[] = { "unicorn", "kvm" };
	int status = 0;

	if (argc < 3) {
		return 1;
	}
	vmt_init(argv[1]);
	for (size_t i = 0; i < vmt_variant_count; i++) {
		if (strcmp(argv[2], vmt_variants[i].name) == 0) {
			variant = &vmt_variants[i];
		}
	}
	if (!variant) {
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		engine = engines[i];
		if (vmt_has_engine(engine, variant)) {
			status |= test_main(cases, ARRAY_SIZE(cases));
		}
	}
	return status || vmt_failures;
}

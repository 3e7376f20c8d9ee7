/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saved contexts, on every variant and engine:
 *   - after k instructions (many k) save, run to the end; load, run again: the same registers,
 *     output, exit, and the same whole context at the end, memory included;
 *   - the same in a new VM, and in a VM on the other engine;
 *   - 1,000 pauses at random moments change nothing;
 *   - damaged, truncated, foreign, newer and otherwise wrong contexts are refused with the right
 *     sentence, and the VM goes on as if nothing had happened.
 * Usage: test_context BUILD-DIR VARIANT
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/bits.h"
#include "base/bug.h"
#include "cpu/x86/x86.h"
#include "host/timer.h"
#include "system/vmtest.h"
#include "unit/test.h"
#include "vm/context_file.h"

#define SEED	     20240229u
#define ROUNDS	     44 /* values of k for the short program */
#define ROUNDS_LONG  12 /* and for the long ones */
#define NEW_VM_EVERY 8
#define PAUSES	     1000
#define FLIPS	     200
#define HOSTILE	     50
#define RING0_DATA   0x10 /* in the board's GDT */

static const struct vmt_variant *variant;
static const char *build_dir;
static uint64_t random_state = SEED;

static const char *const engines[] = { "unicorn", "kvm" };

static void options(struct launch_options *o, const char *engine, const char *file)
{
	vmt_options(o, engine, vmt_guest(variant->name, file));
	o->config.arch = variant->arch;
}

/* How many instructions the program executes, as unicorn counts them. */
static uint64_t count_insns(const char *file)
{
	static struct vmt_vm t;
	struct vmt_end end = { 0 };
	struct launch_options o;

	options(&o, "unicorn", file);
	o.config.flags |= PROTO_CFG_COUNT_INSNS;
	if (!vmt_launch(&t, &o) || !vmt_finish(&t, PROTO_START, &end)) {
		return 0;
	}
	CHECK(end.stop.usage.insns_known);
	vmt_done(&t);
	return end.stop.usage.insns;
}

/*
 * The context at the end without what depends on the way there: the number of instructions, which
 * is not counted on all ways, and on RISC-V the devices, for mtime follows the host's clock.
 */
static uint8_t *end_context(struct vmt_vm *t, size_t *ret_n)
{
	struct context_head h;
	int fd = vmt_save(t);
	uint8_t *bytes;

	if (fd < 0) {
		return NULL;
	}
	bytes = vmt_slurp(fd, ret_n);
	close(fd);
	memset(bytes + offsetof(struct context_head, insns), 0, 8);
	memset(bytes + *ret_n - 8, 0, 8);
	memcpy(&h, bytes, sizeof(h));
	if (variant->arch == PROTO_ARCH_RV64) {
		memset(bytes + sizeof(h) + h.state_bytes, 0, h.device_bytes);
	}
	return bytes;
}

/* One finished run, to compare others with. */
struct finished {
	struct vmt_end end;
	uint8_t *context;
	size_t context_bytes;
	size_t out_len;
	char out[VMT_OUT_MAX];
};

static struct finished reference; /* the undisturbed run */

static bool finish(struct vmt_vm *t, enum proto_type how, struct finished *ret)
{
	if (!vmt_finish(t, how, &ret->end)) {
		return false;
	}
	ret->context = end_context(t, &ret->context_bytes);
	ret->out_len = t->out_len;
	memcpy(ret->out, t->out, t->out_len);
	return ret->context != NULL;
}

/* Where a register is in what a VM sends: all of them, one behind the other. */
static uint8_t *x64_reg(struct vmt_end *end, const char *name)
{
	size_t at = 0;
	size_t i = 0;

	while (strcmp(x64_arch.regs[i].name, name) != 0) {
		at += x64_arch.regs[i++].bytes;
		BUG_ON(i >= x64_arch.n_regs || at >= end->regs_bytes);
	}
	return end->regs + at;
}

/*
 * A software KVM shows IOPL 0 in ring 3, whatever was set (docs/known-differences.md, "kvm: IOPL in
 * ring 3").
 */
static void forget_ring3_iopl(struct vmt_end *end)
{
	uint8_t *flags = x64_reg(end, "rflags");

	if ((*x64_reg(end, "cs") & 3) == 3) {
		store_le(flags, load_le(flags, 4) & ~X86_FLAGS_IOPL, 4);
	}
}

/*
 * IRET to ring 3 leaves null in a data segment register that holds a segment of ring 0. A software
 * KVM that runs ring 3 natively leaves the board's ring-0 data segment there.
 */
static void forget_ring0_segment(struct vmt_end *end, const char *name)
{
	uint8_t *sel = x64_reg(end, name);

	if ((*x64_reg(end, "cs") & 3) == 3 && load_le(sel, 2) == RING0_DATA) {
		store_le(sel, 0, 2);
	}
}

/* unicorn's SSE sets no exception flags (docs/known-differences.md). */
static void forget_sse_exceptions(struct vmt_end *end)
{
	uint8_t *mxcsr = x64_reg(end, "mxcsr");

	store_le(mxcsr, load_le(mxcsr, 4) & ~0x3fULL, 4);
}

static void forget_known_differences(struct vmt_end *end)
{
	static const char *const data_segs[] = { "ds", "es", "fs", "gs" };

	forget_ring3_iopl(end);
	for (size_t i = 0; i < ARRAY_SIZE(data_segs); i++) {
		forget_ring0_segment(end, data_segs[i]);
	}
	forget_sse_exceptions(end);
}

/* The end as another engine's is compared with the reference. */
static bool is_same_on_other_engine(const struct vmt_end *end, const char *what)
{
	struct vmt_end want = reference.end;
	struct vmt_end got = *end;

	if (strcmp(variant->name, "x64-ring3") == 0) { /* one of the engines is kvm */
		forget_known_differences(&want);
		forget_known_differences(&got);
	}
	return vmt_same_end(&want, &got, what);
}

/* The rest of a run from some context on must end like the reference and print its last part. */
static void check_rest(struct vmt_vm *t, enum proto_type how, size_t out_before,
		       bool is_same_engine, const char *what)
{
	static struct finished f;

	t->out_len = 0;
	if (!finish(t, how, &f)) {
		CHECK(false);
		return;
	}
	if (is_same_engine ? !vmt_same_end(&reference.end, &f.end, what)
			   : !is_same_on_other_engine(&f.end, what)) {
		test_failures++;
	}
	CHECK_INT(f.out_len, reference.out_len - out_before);
	CHECK(memcmp(f.out, reference.out + out_before, f.out_len) == 0);
	if (is_same_engine && (f.context_bytes != reference.context_bytes ||
			       memcmp(f.context, reference.context, f.context_bytes) != 0)) {
		printf("%s: memory or devices differ at the end\n", what);
		test_failures++;
	}
	free(f.context);
}

/* Start a new VM from a saved context, with the image or without it, and run it to the end. */
static void check_new_vm(const char *engine, const char *file, int context_fd, size_t out_before,
			 bool is_same_engine, const char *what)
{
	static struct vmt_vm t;
	struct launch_options o;
	char path[64];

	options(&o, engine, file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", context_fd);
	o.context_path = path;
	if (vmt_launch(&t, &o)) {
		check_rest(&t, PROTO_START, out_before, is_same_engine, what);
		vmt_done(&t);
	}
}

/* One k: the VM stands at its start. */
static void check_at(struct vmt_vm *t, const char *engine, const char *file, uint64_t k,
		     const char *other_engine, bool is_new_vm_due)
{
	char what[128];
	struct proto_stopped s = { 0 };
	size_t out_before;
	int fd;

	t->out_len = 0;
	if (!vmt_step(t, k, &s)) {
		return;
	}
	snprintf(what, sizeof(what), "%s %s on %s after %" PRIu64, variant->name, file, engine, k);
	if (s.reason != PROTO_STOP_STEPPED) {
		printf("%s: %s\n", what, s.text);
		test_failures++;
		return;
	}
	out_before = t->out_len;
	fd = vmt_save(t);
	if (fd < 0) {
		return;
	}
	check_rest(t, PROTO_RESUME, out_before, true, what);
	if (vmt_do(t, PROTO_LOAD_CONTEXT, NULL, 0, fd)) {
		CHECK_INT(vmt_state(t), PROTO_VM_PAUSED);
		strcat(what, ", loaded");
		check_rest(t, PROTO_RESUME, out_before, true, what);
	}
	if (is_new_vm_due) {
		strcat(what, ", in a new VM");
		check_new_vm(engine, file, fd, out_before, true, what);
	}
	if (is_new_vm_due && other_engine) {
		strcat(what, " on the other engine");
		check_new_vm(other_engine, file, fd, out_before, false, what);
	}
	close(fd);
}

static void check_program(const char *engine, const char *file, unsigned int rounds, uint64_t k_max,
			  const char *other_engine)
{
	static struct vmt_vm t;
	uint64_t n = count_insns(file);
	struct launch_options o;
	int start_fd;

	CHECK(n > 100);
	k_max = n - 1 < k_max ? n - 1 : k_max;
	options(&o, engine, file);
	if (!vmt_launch(&t, &o)) {
		return;
	}
	start_fd = vmt_save(&t);
	if (finish(&t, PROTO_START, &reference)) {
		for (unsigned int i = 0; i < rounds && test_failures == 0; i++) {
			uint64_t k = i == 0   ? 1
				     : i == 1 ? k_max
					      : 1 + vmt_random(&random_state) % k_max;

			if (!vmt_do(&t, PROTO_LOAD_CONTEXT, NULL, 0, start_fd)) {
				break;
			}
			check_at(&t, engine, file, k, other_engine, i % NEW_VM_EVERY == 0);
		}
		free(reference.context);
	}
	printf("  %s %s on %s: %u times of %" PRIu64 " instructions\n", variant->name, file, engine,
	       rounds, n);
	close(start_fd);
	vmt_done(&t);
}

/* Whether this guest may use its FPU on this engine. */
static bool has_fp(const char *engine)
{
	return strcmp(engine, "unicorn") == 0 || strcmp(variant->name, "x64-ring3") == 0;
}

static void save_and_load_many_times(void)
{
	bool has_kvm = vmt_has_engine("kvm", variant);

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		const char *other = has_kvm ? engines[1 - i] : NULL;
		/* A software KVM takes some 10 us for a step. */
		uint64_t k_max = i == 0 ? UINT64_MAX : 5000;

		if (i == 1 && !has_kvm) {
			continue;
		}
		check_program(engines[i], "sum.elf", ROUNDS, k_max, other);
		check_program(engines[i], "mix.elf", ROUNDS_LONG, k_max, other);
		check_program(engines[i], "selfmod.elf", ROUNDS_LONG, k_max, other);
		if (has_fp(engines[i])) {
			check_program(engines[i], "float.elf", ROUNDS_LONG, k_max,
				      has_kvm && has_fp(engines[1 - i]) ? other : NULL);
		}
	}
}

/* Spin: a sleep is too coarse, and a moment in the guest is meant. */
static void spin_ns(ns_t ns)
{
	ns_t until_ns = host_clock_monotonic_ns() + ns;

	while (host_clock_monotonic_ns() < until_ns) {
	}
}

/* Pause until the run has ended or enough is enough. @return pauses that hit the guest running */
static unsigned int pause_often(struct vmt_vm *t, unsigned int max, struct proto_stopped *ret)
{
	unsigned int n = 0;
	struct errmsg e = { 0 };

	while (n < max) {
		spin_ns(vmt_random(&random_state) % (60 * NS_PER_US));
		if (vmt_ask(t, PROTO_PAUSE, NULL, 0, -1, &e) < 0) {
			break; /* it has ended: the event says how */
		}
		if (!vmt_wait(t, VMT_WAIT_MS, ret)) {
			return PAUSES;
		}
		CHECK_INT(ret->reason, PROTO_STOP_PAUSED);
		n++;
		vmt_do(t, PROTO_RESUME, NULL, 0, -1);
	}
	vmt_wait(t, VMT_WAIT_MS, ret);
	return n;
}

static void check_pauses(const char *engine)
{
	static struct vmt_vm t;
	static struct finished f;
	/*
	 * Long enough that a pause finds it running, even where the VM and this program share one
	 * core; the engine without floating point takes long for a short one.
	 */
	const char *file = has_fp(engine) ? "bench/float.elf" : "mix.elf";
	struct launch_options o;
	unsigned int runs = 0;
	unsigned int n = 0;
	int start_fd;

	options(&o, engine, file);
	if (!vmt_launch(&t, &o)) {
		return;
	}
	start_fd = vmt_save(&t);
	if (!finish(&t, PROTO_START, &reference)) {
		vmt_done(&t);
		return;
	}
	while (n < PAUSES && test_failures == 0) {
		if (!vmt_do(&t, PROTO_LOAD_CONTEXT, NULL, 0, start_fd)) {
			break;
		}
		t.out_len = 0;
		vmt_do(&t, PROTO_RESUME, NULL, 0, -1);
		n += pause_often(&t, PAUSES - n, &f.end.stop);
		f.end.regs_bytes = vmt_regs(&t, f.end.regs);
		vmt_take_output(&t);
		CHECK(runs < PAUSES); /* or the pauses come too late for every run */
		if (!vmt_same_end(&reference.end, &f.end, "paused run")) {
			test_failures++;
		}
		CHECK_INT(t.out_len, reference.out_len);
		CHECK(memcmp(t.out, reference.out, reference.out_len) == 0);
		f.context = end_context(&t, &f.context_bytes);
		CHECK(f.context && f.context_bytes == reference.context_bytes &&
		      memcmp(f.context, reference.context, f.context_bytes) == 0);
		free(f.context);
		runs++;
	}
	printf("  %s on %s: %u pauses in %u runs of %s\n", variant->name, engine, n, runs, file);
	CHECK_INT(n, PAUSES);
	free(reference.context);
	close(start_fd);
	vmt_done(&t);
}

static void a_thousand_pauses_change_nothing(void)
{
	check_pauses("unicorn");
	if (vmt_has_engine("kvm", variant)) {
		check_pauses("kvm");
	}
}

/* A context file that is to be spoilt. */
struct spoilt {
	struct vmt_vm *t;
	const uint8_t *good;
	size_t n;
};

static void check_refused(const struct spoilt *s, const uint8_t *bytes, size_t n, const char *want)
{
	struct errmsg e = { 0 };
	int fd = n ? vmt_seal(bytes, n) : memfd_create("empty", MFD_CLOEXEC);
	int r = vmt_ask(s->t, PROTO_LOAD_CONTEXT, NULL, 0, fd, &e);

	close(fd);
	CHECK(r < 0);
	if (!strstr(e.text, want)) {
		printf("%s: context of %zu bytes: \"%s\", want \"%s\"\n", variant->name, n, e.text,
		       want);
		test_failures++;
	}
	CHECK_INT(vmt_state(s->t), PROTO_VM_PAUSED);
}

/* With the right checksum: made by someone who knows the format. */
static void check_forged(const struct spoilt *s, size_t at, const void *bytes, size_t n,
			 const char *want)
{
	uint8_t *copy = malloc(s->n);
	uint64_t sum;

	memcpy(copy, s->good, s->n);
	memcpy(copy + at, bytes, n);
	sum = XXH3_64bits(copy, s->n - 8);
	memcpy(copy + s->n - 8, &sum, 8);
	check_refused(s, copy, s->n, want);
	free(copy);
}

static void check_flips(const struct spoilt *s)
{
	for (unsigned int i = 0; i < FLIPS; i++) {
		uint8_t *copy = malloc(s->n);
		/* The first fields have sentences of their own. */
		size_t at = sizeof(struct context_head) +
			    vmt_random(&random_state) % (s->n - sizeof(struct context_head));

		memcpy(copy, s->good, s->n);
		copy[at] ^= (uint8_t)(1u << vmt_random(&random_state) % 8);
		check_refused(s, copy, s->n, "its checksum is wrong");
		free(copy);
	}
}

static void check_cuts(const struct spoilt *s)
{
	static const char too_short[] = "the context is not a Pinfold context file: it is too short";

	check_refused(s, NULL, 0, "not a sealed memory file");
	check_refused(s, s->good, 1, too_short);
	check_refused(s, s->good, sizeof(struct context_head) - 1, too_short);
	check_refused(s, s->good, sizeof(struct context_head), "the context is cut short");
	check_refused(s, s->good, s->n - 1, "damaged or cut short");
	check_refused(s, s->good, s->n - PAGE_BYTES, "damaged or cut short");
	for (unsigned int i = 0; i < 40; i++) {
		size_t n = sizeof(struct context_head) + sizeof(struct context_tail) +
			   vmt_random(&random_state) % (s->n - sizeof(struct context_head) -
							sizeof(struct context_tail) - 1);

		check_refused(s, s->good, n, "damaged or cut short");
	}
}

#define HEAD(field) offsetof(struct context_head, field)

static void check_heads(const struct spoilt *s)
{
	struct context_head h;
	uint64_t other;

	memcpy(&h, s->good, sizeof(h));
	check_forged(s, HEAD(magic), "ELF", 3, "the context is not a Pinfold context file");
	check_forged(s, HEAD(version), &(uint32_t){ CONTEXT_VERSION + 1 }, 4,
		     "the context has format version 4, this Pinfold reads versions 1 to 3");
	check_forged(s, HEAD(arch), &(uint32_t){ 77 }, 4, "head is damaged");
	check_forged(s, HEAD(arch), &(uint32_t){ 0 }, 4, "head is damaged");
	check_forged(s, HEAD(state_bytes), &(uint64_t){ h.state_bytes + 8 }, 8, "head is damaged");
	check_forged(s, HEAD(n_regions), &(uint32_t){ UINT32_MAX }, 4, "head is damaged");
	/* One more fits in front of the pages, but is no region. */
	check_forged(s, HEAD(n_regions), &(uint32_t){ h.n_regions + 1 }, 4, "this VM has not");
	check_forged(s, HEAD(device_bytes), &(uint64_t){ UINT64_MAX }, 8, "fit its length");
	check_forged(s, HEAD(board), "virt", 5, "the context is of board 'virt'");
	memset(&h.board, 'x', sizeof(h.board));
	check_forged(s, HEAD(board), h.board, sizeof(h.board), "head is damaged");
	other = h.ram_bytes + PAGE_BYTES;
	check_forged(s, HEAD(ram_bytes), &other, 8, "bytes of RAM, this VM 0x800000; use --mem");
	check_forged(s, HEAD(flags), &(uint32_t){ h.flags ^ PROTO_CFG_BIG_ENDIAN }, 4,
		     "another --mode or --endian");
	check_forged(s, s->n - 16, &(uint64_t){ 1 }, 8, "fit its length");
}

static void check_places(const struct spoilt *s)
{
	struct context_head h;
	uint64_t n_pages;
	size_t regions;
	size_t gpas;

	memcpy(&h, s->good, sizeof(h));
	regions = sizeof(h) + h.state_bytes + h.device_bytes;
	memcpy(&n_pages, s->good + s->n - sizeof(struct context_tail), sizeof(n_pages));
	gpas = s->n - sizeof(struct context_tail) - n_pages * sizeof(uint64_t);
	check_forged(s, regions, &(uint64_t){ 0x123456789000 }, 8, "which this VM has not");
	check_forged(s, regions + 8, &(uint64_t){ UINT64_MAX }, 8, "which this VM has not");
	check_forged(s, regions + 8, &(uint64_t){ 0 }, 8, "which this VM has not");
	check_forged(s, regions + 16, &(uint64_t){ 8 }, 8, "which this VM has not");
	check_forged(s, gpas, &(uint64_t){ UINT64_MAX & ~4095ull }, 8, "not in order");
	check_forged(s, gpas, &(uint64_t){ 1 }, 8, "not in order");
	check_forged(s, s->n - sizeof(struct context_tail) - 8, &(uint64_t){ 0x7ffffffff000 }, 8,
		     "where this VM has no memory");
}

/* A context of another architecture, and of another size of RAM, as Pinfold itself writes them. */
static void check_foreign(const struct spoilt *s)
{
	static struct vmt_vm t;
	bool is_x86 = variant->arch == PROTO_ARCH_X86;
	struct launch_options o;
	uint8_t *bytes;
	size_t n;
	int fd;

	vmt_options(&o, "unicorn", vmt_guest(is_x86 ? "riscv64" : "x86", "sum.elf"));
	if (vmt_launch(&t, &o)) {
		fd = vmt_save(&t);
		bytes = vmt_slurp(fd, &n);
		check_refused(s, bytes, n,
			      is_x86 ? "the context is of a RISC-V (RV64GC) guest"
				     : "the context is of a x86 (32-bit) guest");
		free(bytes);
		close(fd);
		vmt_done(&t);
	}
	options(&o, "unicorn", "sum.elf");
	o.config.limits.mem_bytes = 16 << 20;
	if (vmt_launch(&t, &o)) {
		fd = vmt_save(&t);
		bytes = vmt_slurp(fd, &n);
		check_refused(s, bytes, n, "the context has 0x1000000 bytes of RAM");
		free(bytes);
		close(fd);
		vmt_done(&t);
	}
}

static void bad_contexts_are_refused_and_harm_nothing(void)
{
	static struct vmt_vm t;
	static struct finished f;
	struct spoilt s = { .t = &t };
	struct launch_options o;
	struct proto_stopped stop;
	struct errmsg e = { 0 };
	uint8_t *good;
	uint8_t *after;
	size_t after_bytes;
	int fd;

	options(&o, "unicorn", "mix.elf");
	if (!vmt_launch(&t, &o) || !finish(&t, PROTO_START, &reference)) {
		return;
	}
	vmt_done(&t);
	if (!vmt_launch(&t, &o) || !vmt_step(&t, 500, &stop)) {
		return;
	}
	fd = vmt_save(&t);
	good = vmt_slurp(fd, &s.n);
	close(fd);
	s.good = good;
	/* Another state than the saved one, so that a half-done load would be seen. */
	vmt_step(&t, 500, &stop);
	check_flips(&s);
	check_cuts(&s);
	check_heads(&s);
	check_places(&s);
	check_foreign(&s);
	/* A file that someone could still change, and no file. */
	fd = memfd_create("open", MFD_CLOEXEC);
	CHECK(write(fd, good, s.n) == (ssize_t)s.n);
	CHECK(vmt_ask(&t, PROTO_LOAD_CONTEXT, NULL, 0, fd, &e) < 0);
	CHECK_STR(e.text, "the context descriptor is not a sealed memory file");
	close(fd);
	CHECK(vmt_ask(&t, PROTO_LOAD_CONTEXT, NULL, 0, -1, &e) < 0);
	CHECK_STR(e.text, "exactly one descriptor must come with this request");
	/* Unharmed: it ends like one that was left alone. */
	after = NULL;
	if (vmt_finish(&t, PROTO_RESUME, &f.end)) {
		after = end_context(&t, &after_bytes);
		CHECK(vmt_same_end(&reference.end, &f.end, "after refused contexts"));
		CHECK(after && after_bytes == reference.context_bytes &&
		      memcmp(after, reference.context, after_bytes) == 0);
	}
	free(after);
	free(reference.context);
	free(good);
	vmt_done(&t);
}

/* Whatever a well-formed file makes of the CPU, the VM answers afterwards. */
static void hostile_cpu_states_do_not_break_the_vm(void)
{
	static struct vmt_vm t;
	struct launch_options o;
	struct proto_stopped stop = { 0 };
	struct context_head h;
	unsigned int refused = 0;
	uint8_t *good;
	size_t n;
	int fd;

	options(&o, "unicorn", "mix.elf");
	if (!vmt_launch(&t, &o) || !vmt_step(&t, 500, &stop)) {
		return;
	}
	fd = vmt_save(&t);
	good = vmt_slurp(fd, &n);
	close(fd);
	memcpy(&h, good, sizeof(h));
	for (unsigned int i = 0; i < HOSTILE; i++) {
		uint8_t *copy = malloc(n);
		struct errmsg e = { 0 };
		uint64_t sum;
		int r;

		memcpy(copy, good, n);
		for (unsigned int k = 0; k < 1 + i % 4; k++) {
			copy[sizeof(h) +
			     vmt_random(&random_state) % (h.state_bytes + h.device_bytes)] =
				(uint8_t)vmt_random(&random_state);
		}
		sum = XXH3_64bits(copy, n - 8);
		memcpy(copy + n - 8, &sum, 8);
		fd = vmt_seal(copy, n);
		r = vmt_ask(&t, PROTO_LOAD_CONTEXT, NULL, 0, fd, &e);
		CHECK(r == 0 || (r == -EINVAL && e.text[0]));
		refused += r < 0;
		if (r == 0 && vmt_do(&t, PROTO_SLICE, NULL, 0, -1)) {
			CHECK(vmt_wait(&t, VMT_WAIT_MS, &stop));
		}
		close(fd);
		free(copy);
		if (test_failures || vmt_failures) {
			break;
		}
	}
	printf("  %s: %u of %d refused\n", variant->name, refused, HOSTILE);
	free(good);
	vmt_done(&t);
}

static const struct test_case cases[] = {
	{ "save and load many times", save_and_load_many_times },
	{ "a thousand pauses change nothing", a_thousand_pauses_change_nothing },
	{ "bad contexts are refused and harm nothing", bad_contexts_are_refused_and_harm_nothing },
	{ "hostile CPU states do not break the VM", hostile_cpu_states_do_not_break_the_vm },
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		return 1;
	}
	build_dir = argv[1];
	vmt_init(build_dir);
	for (size_t i = 0; i < vmt_variant_count; i++) {
		if (strcmp(argv[2], vmt_variants[i].name) == 0) {
			variant = &vmt_variants[i];
		}
	}
	return !variant || test_main(cases, ARRAY_SIZE(cases)) || vmt_failures;
}

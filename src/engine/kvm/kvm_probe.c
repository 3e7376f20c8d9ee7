// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this KVM can do, found by running instructions, not by names: how long a ring-0 instruction
 * takes, whether floating point, vectors and execute breakpoints work. Costs about 2 ms of CPU,
 * most of it making the VM; so the VM is kept for the create() that usually follows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "engine/kvm/kvm_internal.h"

#define PROBE_SLOT  (KVM_SLOTS_MAX - 1)
#define PROBE_BYTES 0x5000
#define CODE_GPA    0x1000
#define PML4_GPA    0x2000
#define PDPT_GPA    0x3000
#define PD_GPA	    0x4000

#define LOOPS_SHORT  10u
#define LOOPS_LONG   210u
#define LOOPS_INSNS  (2 * (LOOPS_LONG - LOOPS_SHORT))
#define SLOW_TRIES   3
#define EMULATING_NS 50 /* per instruction; the CPU itself needs less than one */

/** The VM of the last probe, until a create() takes it. One thread uses engines. */
static struct {
	bool is_valid;
	pid_t pid; /* a VM cannot be used after fork() */
	enum cpu_arch_id arch;
	bool is_16bit;
	struct kvm_vm vm;
	struct kvm_traits traits;
} kept;

/** What is known of each mode: a host does not change. Inherited by fork(). */
static struct known {
	bool is_known;
	struct kvm_traits traits;
} known_modes[2][2]; /* x86, x64; whether 16-bit */

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "user memory" },
	{ KVM_CAP_READONLY_MEM, "read-only memory" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	{ KVM_CAP_SET_GUEST_DEBUG, "guest debug" },
	{ KVM_CAP_DEBUGREGS, "debug registers" },
	{ KVM_CAP_VCPU_EVENTS, "vCPU events" },
	{ KVM_CAP_XSAVE, "XSAVE" },
};

static int kvm_check(int kvm_fd, struct errmsg *e)
{
	int version;

	version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		return errmsg_set(e, -ENODEV, "/dev/kvm speaks API version %d, not %d", version,
				  KVM_API_VERSION);
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0) {
			return errmsg_set(e, -ENODEV, "this KVM lacks %s", needed[i].name);
		}
	}
	return 0;
}

static struct x86_seg flat_seg(uint16_t sel, uint16_t attr, uint32_t limit)
{
	return (struct x86_seg){ .sel = sel, .attr = attr, .limit = limit };
}

static void state_32(struct x86_state *x)
{
	x->seg[X86_CS] = flat_seg(0x08, 0xc09b, UINT32_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		if (i != X86_CS) {
			x->seg[i] = flat_seg(0x10, 0xc093, UINT32_MAX);
		}
	}
	x->tr = flat_seg(0x18, 0x008b, 0x67);
	x->cr0 |= X86_CR0_PE;
}

static void state_64(struct x86_state *x)
{
	state_32(x);
	x->seg[X86_CS].attr = 0xa09b;
	x->cr0 |= X86_CR0_PG;
	x->cr4 |= X86_CR4_PAE;
	x->efer = X86_EFER_LME | X86_EFER_LMA;
	x->cr3 = PML4_GPA;
}

static void state_16(struct x86_state *x)
{
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		x->seg[i] = flat_seg(0, i == X86_CS ? 0x009b : 0x0093, 0xffff);
	}
	x->tr = flat_seg(0, 0x008b, 0xffff);
}

static int probe_state_set(struct kvm_vm *vm, const struct cpu_arch *arch,
			   const struct cpu_mode *mode, struct errmsg *e)
{
	struct x86_state x = {
		.rip = CODE_GPA,
		.rflags = X86_FLAGS_FIXED,
		.cr0 = X86_CR0_ET | X86_CR0_NE | X86_CR0_MP,
		.cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT,
		.xcr0 = 1,
		.pat = 0x0007040600070406,
		.fcw = 0x37f,
		.mxcsr = 0x1f80,
		.dr[6] = 0xffff0ff0,
		.dr[7] = 0x400,
	};

	x.ldtr = flat_seg(0, 0x0082, 0xffff);
	if (mode->is_16bit) {
		state_16(&x);
	} else if (arch->id == CPU_ARCH_X64) {
		state_64(&x);
	} else {
		state_32(&x);
	}
	return kvm_state_set(vm, &x, e);
}

/* Run @p code from its start until KVM exits. @return the exit reason, or -errno */
static int probe_run(struct kvm_vm *vm, uint8_t *ram, const void *code, size_t n)
{
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = X86_FLAGS_FIXED };
	int r;

	memcpy(ram + CODE_GPA, code, n);
	r = kvm_vcpu_ioctl(vm, KVM_SET_REGS, &regs);
	if (r < 0) {
		return r;
	}
	do {
		r = kvm_vcpu_ioctl(vm, KVM_RUN, NULL);
	} while (r == -EINTR);
	return r < 0 ? r : (int)vm->run->exit_reason;
}

static ns_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

/* mov $n, %ecx; 1: dec %ecx; jnz 1b; hlt */
static int loop_ns(struct kvm_vm *vm, uint8_t *ram, bool is_16bit, uint32_t n, ns_t *ret_ns)
{
	static const uint8_t tail[] = { 0xff, 0xc9, 0x75, 0xfc, 0xf4 };
	uint8_t code[16] = { 0xb9 };
	size_t imm = is_16bit ? 2 : 4;
	ns_t start = thread_cpu_ns();
	int r;

	store_le(code + 1, n, (unsigned int)imm);
	memcpy(code + 1 + imm, tail, sizeof(tail));
	r = probe_run(vm, ram, code, 1 + imm + sizeof(tail));
	*ret_ns = thread_cpu_ns() - start;
	return r;
}

static int speed_measure(struct kvm_vm *vm, uint8_t *ram, bool is_16bit, struct kvm_traits *t,
			 struct errmsg *e)
{
	ns_t ns_short = 0;
	ns_t ns_long = 0;
	int r;

	r = loop_ns(vm, ram, is_16bit, LOOPS_SHORT, &ns_short); /* the first run warms up */
	if (r != KVM_EXIT_HLT) {
		struct vm_exit x = { .kind = VM_EXIT_UNHANDLED };

		if (r < 0) {
			return errmsg_set(e, -ENODEV, "KVM_RUN fails: %s", strerror(-r));
		}
		kvm_fault_name_exit(vm->run, &x);
		return errmsg_set(e, -ENODEV, "a trivial guest does not run: %s", x.detail);
	}
	t->insn_ns = UINT32_MAX;
	/* The time of a hypervisor below this host looks like ours: slow is what is slow again. */
	for (int i = 0; i < SLOW_TRIES && t->insn_ns >= EMULATING_NS; i++) {
		uint32_t insn_ns = 0;

		(void)loop_ns(vm, ram, is_16bit, LOOPS_SHORT, &ns_short);
		(void)loop_ns(vm, ram, is_16bit, LOOPS_LONG, &ns_long);
		if (ns_long > ns_short) {
			insn_ns = (uint32_t)((ns_long - ns_short) / LOOPS_INSNS);
		}
		t->insn_ns = insn_ns < t->insn_ns ? insn_ns : t->insn_ns;
	}
	t->is_emulating = t->insn_ns >= EMULATING_NS;
	return 0;
}

/* Whether an execute breakpoint on the second instruction fires. */
static bool breakpoint_works(struct kvm_vm *vm, uint8_t *ram)
{
	static const uint8_t code[] = { 0x90, 0xf4 };
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { [0] = CODE_GPA + 1, [7] = 0x402 },
	};
	int reason;

	if (kvm_vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &d) < 0) {
		return false;
	}
	reason = probe_run(vm, ram, code, sizeof(code));
	d = (struct kvm_guest_debug){ .control = 0 };
	return kvm_vcpu_ioctl(vm, KVM_SET_GUEST_DEBUG, &d) == 0 && reason == KVM_EXIT_DEBUG;
}

static void tables_fill(uint8_t *ram)
{
	store_le(ram + PML4_GPA, PDPT_GPA | 0x63, 8);
	store_le(ram + PDPT_GPA, PD_GPA | 0x63, 8);
	store_le(ram + PD_GPA, 0xe3, 8);
}

static int traits_probe(struct kvm_vm *vm, uint8_t *ram, const struct cpu_arch *arch,
			const struct cpu_mode *mode, struct kvm_traits *t, struct errmsg *e)
{
	/* fld1; fld1; faddp; fstp %st(0); hlt */
	static const uint8_t fp[] = { 0xd9, 0xe8, 0xd9, 0xe8, 0xde, 0xc1, 0xdd, 0xd8, 0xf4 };
	/* pxor %xmm0, %xmm0; addsd %xmm0, %xmm0; hlt */
	static const uint8_t simd[] = { 0x66, 0x0f, 0xef, 0xc0, 0xf2, 0x0f, 0x58, 0xc0, 0xf4 };
	int r;

	tables_fill(ram);
	r = probe_state_set(vm, arch, mode, e);
	r = r ? r : speed_measure(vm, ram, mode->is_16bit, t, e);
	if (r < 0) {
		return r;
	}
	t->has_breakpoints = breakpoint_works(vm, ram);
	t->has_simd = probe_run(vm, ram, simd, sizeof(simd)) == KVM_EXIT_HLT;
	t->has_fp = probe_run(vm, ram, fp, sizeof(fp)) == KVM_EXIT_HLT;
	return 0;
}

static int vm_probe(struct kvm_vm *vm, const struct cpu_arch *arch, const struct cpu_mode *mode,
		    struct kvm_traits *t, struct errmsg *e)
{
	void *ram;
	int r;
	int removed;

	ram = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED) {
		return errmsg_set(e, -ENOMEM, "no memory for probing KVM");
	}
	r = kvm_vm_slot_set(vm, PROBE_SLOT, 0, PROBE_BYTES, ram, false);
	if (r < 0) {
		errmsg_set(e, r, "KVM_SET_USER_MEMORY_REGION: %s", strerror(-r));
	} else {
		r = traits_probe(vm, ram, arch, mode, t, e);
		removed = kvm_vm_slot_set(vm, PROBE_SLOT, 0, 0, ram, false);
		BUG_ON(removed < 0);
	}
	munmap(ram, PROBE_BYTES);
	return r;
}

static void kept_drop(void)
{
	if (kept.is_valid) {
		kvm_vm_done(&kept.vm);
		kept.is_valid = false;
	}
}

/* Known from an earlier VM, or found with this one. */
static int traits_find(struct kvm_vm *vm, const struct cpu_arch *arch, const struct cpu_mode *mode,
		       struct kvm_traits *t, struct errmsg *e)
{
	struct known *k = &known_modes[arch->id == CPU_ARCH_X64][mode->is_16bit];
	int r = 0;

	if (!k->is_known) {
		memset(&k->traits, 0, sizeof(k->traits));
		r = vm_probe(vm, arch, mode, &k->traits, e);
		k->is_known = r == 0;
	}
	if (r == 0) {
		*t = k->traits;
	}
	return r;
}

/* Have a probed VM for this mode in `kept`. */
static int kept_make(const struct cpu_arch *arch, const struct cpu_mode *mode, int kvm_fd,
		     struct errmsg *e)
{
	int r;

	if (kept.is_valid && kept.pid == getpid() && kept.vm.kvm_fd == kvm_fd &&
	    kept.arch == arch->id && kept.is_16bit == mode->is_16bit) {
		return 0;
	}
	kept_drop();
	r = kvm_check(kvm_fd, e);
	r = r ? r : kvm_vm_init(&kept.vm, kvm_fd, e);
	if (r < 0) {
		return r;
	}
	r = traits_find(&kept.vm, arch, mode, &kept.traits, e);
	if (r < 0) {
		kvm_vm_done(&kept.vm);
		return r;
	}
	kept.pid = getpid();
	kept.arch = arch->id;
	kept.is_16bit = mode->is_16bit;
	kept.is_valid = true;
	return 0;
}

int kvm_probe_take(const struct cpu_arch *arch, const struct cpu_mode *mode, int kvm_fd,
		   struct kvm_vm *ret_vm, struct kvm_traits *ret_traits, struct errmsg *e)
{
	int r;

	r = kept_make(arch, mode, kvm_fd, e);
	if (r < 0) {
		return r;
	}
	*ret_vm = kept.vm;
	*ret_traits = kept.traits;
	kept.is_valid = false;
	return 0;
}

/* Breakpoints of an emulating KVM do not fire in ring 3, which an x64 guest may enter. */
uint64_t kvm_probe_caps(const struct cpu_arch *arch, const struct kvm_traits *t)
{
	uint64_t caps = ENGINE_CAP_INSN_COUNT | ENGINE_CAP_STEP | ENGINE_CAP_OWN_EXCEPTIONS |
			ENGINE_CAP_HW | ENGINE_CAP_NO_WX;

	if (t->has_fp) {
		caps |= ENGINE_CAP_FP;
	}
	if (t->has_simd) {
		caps |= ENGINE_CAP_SIMD;
	}
	if (t->has_breakpoints && !(t->is_emulating && arch->id == CPU_ARCH_X64)) {
		caps |= ENGINE_CAP_BREAKPOINTS;
	}
	if (t->is_emulating) {
		caps |= ENGINE_CAP_EXACT_SHUTDOWN;
	}
	return caps;
}

static void detail_fill(const struct cpu_arch *arch, const struct kvm_traits *t,
			struct engine_probe *ret)
{
	if (!t->is_emulating) {
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "KVM: instructions run on the CPU itself%s",
			       t->has_fp && t->has_simd ? "" : ", but not all of FPU and SSE");
		return;
	}
	(void)snprintf(ret->detail, sizeof(ret->detail),
		       "software KVM: %s emulated at %u ns per instruction%s%s",
		       arch->id == CPU_ARCH_X64 ? "ring 0 is" : "this mode is", t->insn_ns,
		       t->has_fp && t->has_simd ? "" : ", without FPU and SSE",
		       arch->id == CPU_ARCH_X64 ? "; ring 3 of x64 is native" : "");
}

int kvm_probe_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
		    const struct engine_host *host, struct engine_probe *ret)
{
	struct errmsg e = { .text = "" };
	int r;

	if (arch->id != CPU_ARCH_X86 && arch->id != CPU_ARCH_X64) {
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "KVM on this host runs x86 and x64 guests, not %s", arch->title);
		return -ENOTSUP;
	}
	if (host->kvm_fd < 0) {
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "no /dev/kvm: the host offers none, or this user may not open it "
			       "(group kvm)");
		return -ENODEV;
	}
	r = kept_make(arch, mode, host->kvm_fd, &e);
	if (r < 0) {
		(void)snprintf(ret->detail, sizeof(ret->detail), "%.*s",
			       (int)sizeof(ret->detail) - 1, e.text);
		return -ENODEV;
	}
	ret->caps = kvm_probe_caps(arch, &kept.traits);
	ret->speed = kept.traits.is_emulating ? kept.traits.insn_ns * 4 : 1;
	detail_fill(arch, &kept.traits, ret);
	return 0;
}

void kvm_probe_prepare(const struct cpu_arch *arch, const struct engine_host *host)
{
	const struct cpu_mode mode = { 0 };
	struct engine_probe p;

	(void)kvm_probe_probe(arch, &mode, host, &p);
	kept_drop();
}

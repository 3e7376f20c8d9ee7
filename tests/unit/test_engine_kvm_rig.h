/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small x86 board with engine `kvm`, for test_engine_kvm.c and test_engine_kvm_faults.c. */
#ifndef PINFOLD_TESTS_UNIT_TEST_ENGINE_KVM_RIG_H
#define PINFOLD_TESTS_UNIT_TEST_ENGINE_KVM_RIG_H

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cpu/x86/x86.h"
#include "engine/kvm/kvm_engine.h"
#include "machine/x86_firmware.h"
#include "mem/mem.h"
#include "test.h"

#define RAM_BYTES 0x100000u
#define ROM16_GPA 0xff000u
#define RO_GPA	  0x80000u /* a read-only page in RAM */
#define CODE_GPA  0x7c00u
#define STACK_GPA 0x7000u
#define HOLE_GPA  0xd0000000u
#define MMIO_GPA  0xc0000000u

/* A guest program: CODE(name, mode, text) makes name_start and name_end. */
#define CODE(name, mode, text)                                                            \
	__asm__(".pushsection .rodata\n.code" mode "\n" #name "_start:\n" text "\n" #name \
		"_end:\n.code64\n.popsection");                                           \
	extern const uint8_t name##_start[], name##_end[]

enum guest { G16, G32, G64, G64_RING3 };

static const char *const guest_names[] = { "16-bit", "32-bit", "x64", "x64 ring 3" };

struct rig {
	enum guest guest;
	struct mem *mem;
	struct engine *eng;
	struct cpu_state s;
	uint8_t *ram;
	uint8_t *fw[X86_FIRMWARE_REGIONS_MAX];
	size_t fw_bytes[X86_FIRMWARE_REGIONS_MAX];
	struct engine_bus bus;
	char out[64];
	size_t out_len;
	uint64_t mmio_value;
	uint8_t mmio_bytes;
	unsigned int mmio_writes;
};

static int kvm_fd = -1;

static inline enum bus_result on_port(void *opaque, struct bus_access *a)
{
	struct rig *rig = opaque;

	if (a->addr == 0x71) {
		return BUS_UNMAPPED;
	}
	if (!a->is_write) {
		a->value = 0x5a;
	} else if (rig->out_len < sizeof(rig->out) - 1) {
		rig->out[rig->out_len++] = (char)a->value;
	}
	return a->addr == 0x99 ? BUS_STOP : BUS_OK;
}

static inline enum bus_result on_mmio(void *opaque, struct bus_access *a)
{
	struct rig *rig = opaque;

	if (!range_within(a->addr, a->bytes, MMIO_GPA, PAGE_BYTES)) {
		return BUS_UNMAPPED;
	}
	if (a->is_write) {
		rig->mmio_value = a->value;
		rig->mmio_bytes = a->bytes;
		rig->mmio_writes++;
	} else {
		a->value = 0x1122334455667788;
	}
	return a->addr == MMIO_GPA + 0x99 ? BUS_STOP : BUS_OK;
}

static inline void must(int r, const struct errmsg *e)
{
	if (r < 0) {
		printf("error %d: %s\n", r, e->text);
		exit(1);
	}
}

static inline void rig_region(struct rig *rig, gpa_t gpa, uint64_t bytes, uint32_t perm,
			      uint8_t *hva)
{
	struct mem_region r = { .base_gpa = gpa, .size_bytes = bytes, .perm = perm, .hva = hva };
	struct errmsg e = { .text = "" };

	must(mem_region_add(rig->mem, &r, &e), &e);
}

static inline uint8_t *pages_new(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static inline const struct cpu_arch *arch_of(enum guest g)
{
	return g == G64 || g == G64_RING3 ? &x64_arch : &x86_arch;
}

static inline struct cpu_mode mode_of(enum guest g)
{
	return (struct cpu_mode){ .is_16bit = g == G16 };
}

static inline void rig_memory(struct rig *rig)
{
	struct x86_firmware_region want[X86_FIRMWARE_REGIONS_MAX];
	struct cpu_mode mode = mode_of(rig->guest);
	uint64_t top = rig->guest == G16 ? ROM16_GPA : RAM_BYTES;
	size_t n = x86_firmware_regions(arch_of(rig->guest), &mode, want);

	rig->ram = pages_new(RAM_BYTES);
	rig_region(rig, 0, RO_GPA, MEM_RWX, rig->ram);
	rig_region(rig, RO_GPA, PAGE_BYTES, MEM_R | MEM_X, rig->ram + RO_GPA);
	rig_region(rig, RO_GPA + PAGE_BYTES, top - RO_GPA - PAGE_BYTES, MEM_R | MEM_W,
		   rig->ram + RO_GPA + PAGE_BYTES);
	for (size_t i = 0; i < n; i++) {
		rig->fw_bytes[i] = want[i].size_bytes;
		rig->fw[i] = pages_new(want[i].size_bytes);
		rig_region(rig, want[i].base_gpa, want[i].size_bytes, want[i].perm, rig->fw[i]);
	}
}

static inline void rig_engine(struct rig *rig)
{
	struct errmsg e = { .text = "" };
	struct engine_config cfg = {
		.arch = arch_of(rig->guest),
		.mode = mode_of(rig->guest),
		.host.kvm_fd = kvm_fd,
		.bus = &rig->bus,
		.mem = rig->mem,
	};

	must(kvm_engine_ops.create(&cfg, &rig->eng, &e), &e);
	for (size_t i = 0; i < mem_region_count(rig->mem); i++) {
		must(rig->eng->ops->map(rig->eng, mem_region_at(rig->mem, i), &e), &e);
	}
}

static inline void state_ring3(struct x86_state *x)
{
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		x->seg[i].sel = X86_FW_SEL_USER_DATA;
		x->seg[i].attr = 0xc0f3;
	}
	x->seg[X86_CS].sel = X86_FW_SEL_USER_CODE64;
	x->seg[X86_CS].attr = 0xa0fb;
}

/* A guest with @p code at CODE_GPA and registers that tests recognise. */
static inline void rig_init(struct rig *rig, enum guest g, const uint8_t *code, size_t n)
{
	static const struct engine_mmio_range mmio = { MMIO_GPA, PAGE_BYTES };
	struct x86_firmware_config fw = {
		.arch = arch_of(g),
		.mode = mode_of(g),
		.mmio = &mmio,
		.n_mmio = 1,
	};
	struct errmsg e = { .text = "" };
	struct x86_state *x = x86_state(&rig->s);

	*rig = (struct rig){ .guest = g, .mem = mem_new() };
	rig->bus = (struct engine_bus){ .opaque = rig, .port = on_port, .mmio = on_mmio };
	rig_memory(rig);
	memcpy(rig->ram + CODE_GPA, code, n);
	fw.arch->reset(&rig->s, &fw.mode);
	must(x86_firmware_setup(&fw, rig->mem, x, &e), &e);
	if (g == G64_RING3) {
		state_ring3(x);
	}
	x->rip = CODE_GPA;
	for (unsigned int i = 0; i < 8; i++) {
		x->gpr[i] = 0x1000 + i;
	}
	x->gpr[X86_RSP] = STACK_GPA;
	rig_engine(rig);
	if (!(rig->eng->caps & ENGINE_CAP_EXACT_SHUTDOWN)) {
		x86_firmware_idt_enable(x);
	}
	must(rig->eng->ops->set_state(rig->eng, &rig->s, &e), &e);
}

static inline void rig_done(struct rig *rig)
{
	rig->eng->ops->destroy(rig->eng);
	mem_free(rig->mem);
	munmap(rig->ram, RAM_BYTES);
	for (size_t i = 0; i < X86_FIRMWARE_REGIONS_MAX; i++) {
		if (rig->fw[i]) {
			munmap(rig->fw[i], rig->fw_bytes[i]);
		}
	}
}

static inline void rig_run(struct rig *rig, uint64_t max_insns, struct vm_exit *ret)
{
	struct errmsg e = { .text = "" };

	must(rig->eng->ops->run(rig->eng, max_insns, ret, &e), &e);
	must(rig->eng->ops->get_state(rig->eng, &rig->s, &e), &e);
}

static struct engine *volatile kicked_engine;

static inline void on_alarm(int nr)
{
	(void)nr;
	if (kicked_engine) {
		kicked_engine->ops->kick(kicked_engine, NULL);
	}
}

/* Kick @p eng every @p period_us; 0: no more. */
static inline void kick_every(struct engine *eng, long period_us)
{
	struct itimerval t = { { 0, period_us }, { 0, period_us } };
	struct sigaction sa = { .sa_handler = on_alarm };

	kicked_engine = eng;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* Run to a fault as the exit loop does; false when it was something else. */
static inline bool rig_run_to_fault(struct rig *rig, struct cpu_fault *f)
{
	struct x86_state *x = x86_state(&rig->s);
	struct vm_exit out;

	kick_every(rig->eng, 10000);
	do {
		rig_run(rig, 0, &out);
	} while (out.kind == VM_EXIT_KICKED);
	kick_every(NULL, 0);
	*f = out.fault;
	if (out.kind == VM_EXIT_HALT && !x86_firmware_caught(rig->mem, x, f)) {
		printf("halted at 0x%" PRIx64 "\n", x->rip);
		return false;
	}
	if ((out.kind == VM_EXIT_SHUTDOWN || out.kind == VM_EXIT_EXCEPTION) &&
	    !x86_firmware_takes(rig->mem, x, f->vector)) {
		f->kind = CPU_FAULT_TRIPLE;
	}
	if (out.kind != VM_EXIT_HALT && out.kind != VM_EXIT_SHUTDOWN &&
	    out.kind != VM_EXIT_EXCEPTION && out.kind != VM_EXIT_FAULT) {
		printf("exit kind %d: %s\n", out.kind, out.detail);
		return false;
	}
	x86_firmware_refine_fault(rig->mem, x, f);
	return true;
}

/** Whether this processor is one that QEMU emulates. */
static inline bool rig_is_qemu(void)
{
	unsigned int eax, ebx, ecx, edx;
	char name[13] = "";

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(name, &ebx, 4);
	memcpy(name + 4, &ecx, 4);
	memcpy(name + 8, &edx, 4);
	return strcmp(name, "TCGTCGTCGTCG") == 0;
}

/** Open /dev/kvm, or say why not. @return 0, or 77 for main() */
static inline int rig_open_kvm(void)
{
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		printf("skipped: /dev/kvm can't be opened: %s\n", strerror(errno));
		return 77;
	}
	return 0;
}

#endif

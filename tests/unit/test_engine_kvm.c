// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Engine `kvm` with the board's firmware, in each mode: results, ports, device registers, faults with exact
 * registers, kicks, steps, breakpoints, state. Skipped where /dev/kvm is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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
#define CODE(name, mode, text)                                                          \
	__asm__(".pushsection .rodata\n.code" mode "\n" #name "_start:\n" text "\n" #name \
		"_end:\n.code64\n.popsection");                                         \
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

static enum bus_result on_port(void *opaque, struct bus_access *a)
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

static enum bus_result on_mmio(void *opaque, struct bus_access *a)
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

static void must(int r, const struct errmsg *e)
{
	if (r < 0) {
		printf("error %d: %s\n", r, e->text);
		exit(1);
	}
}

static void rig_region(struct rig *rig, gpa_t gpa, uint64_t bytes, uint32_t perm, uint8_t *hva)
{
	struct mem_region r = { .base_gpa = gpa, .size_bytes = bytes, .perm = perm, .hva = hva };
	struct errmsg e = { .text = "" };

	must(mem_region_add(rig->mem, &r, &e), &e);
}

static uint8_t *pages_new(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static const struct cpu_arch *arch_of(enum guest g)
{
	return g == G64 || g == G64_RING3 ? &x64_arch : &x86_arch;
}

static struct cpu_mode mode_of(enum guest g)
{
	return (struct cpu_mode){ .is_16bit = g == G16 };
}

static void rig_memory(struct rig *rig)
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

static void rig_engine(struct rig *rig)
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

static void state_ring3(struct x86_state *x)
{
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		x->seg[i].sel = X86_FW_SEL_USER_DATA;
		x->seg[i].attr = 0xc0f3;
	}
	x->seg[X86_CS].sel = X86_FW_SEL_USER_CODE64;
	x->seg[X86_CS].attr = 0xa0fb;
}

/* A guest with @p code at CODE_GPA and registers that tests recognise. */
static void rig_init(struct rig *rig, enum guest g, const uint8_t *code, size_t n)
{
	static const struct engine_mmio_range mmio = { MMIO_GPA, PAGE_BYTES };
	struct x86_firmware_config fw = {
		.arch = arch_of(g), .mode = mode_of(g), .mmio = &mmio, .n_mmio = 1,
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

static void rig_done(struct rig *rig)
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

static void rig_run(struct rig *rig, uint64_t max_insns, struct vm_exit *ret)
{
	struct errmsg e = { .text = "" };

	must(rig->eng->ops->run(rig->eng, max_insns, ret, &e), &e);
	must(rig->eng->ops->get_state(rig->eng, &rig->s, &e), &e);
}

static struct engine *volatile kicked_engine;

static void on_alarm(int nr)
{
	(void)nr;
	if (kicked_engine) {
		kicked_engine->ops->kick(kicked_engine);
	}
}

/* Kick @p eng every @p period_us; 0: no more. */
static void kick_every(struct engine *eng, long period_us)
{
	struct itimerval t = { { 0, period_us }, { 0, period_us } };
	struct sigaction sa = { .sa_handler = on_alarm };

	kicked_engine = eng;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* Run to a fault as the exit loop does; false when it was something else. */
static bool rig_run_to_fault(struct rig *rig, struct cpu_fault *f)
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

/* ---- programs that end well ---- */

#define SUM                    \
	"xor %eax, %eax\n"     \
	"mov $100, %ecx\n"     \
	"1: add %ecx, %eax\n"  \
	"dec %ecx\n"           \
	"jnz 1b\n"
CODE(sum16, "16", SUM "hlt");
CODE(sum32, "32", SUM "hlt");
CODE(sum64, "64", SUM "hlt");
CODE(sum64u, "64", SUM "out %al, $0x99");

static void check_sum(enum guest g, const uint8_t *code, const uint8_t *end)
{
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);

	rig_init(&rig, g, code, (size_t)(end - code));
	rig_run(&rig, 0, &out);
	CHECK_INT(out.kind, g == G64_RING3 ? VM_EXIT_BUS_STOP : VM_EXIT_HALT);
	CHECK_INT(x->gpr[X86_RAX], 5050);
	CHECK_INT(x->rip, CODE_GPA + (uint64_t)(end - code));
	rig_done(&rig);
}

static void test_sum(void)
{
	check_sum(G16, sum16_start, sum16_end);
	check_sum(G32, sum32_start, sum32_end);
	check_sum(G64, sum64_start, sum64_end);
	check_sum(G64_RING3, sum64u_start, sum64u_end);
}

#define PORTS                                           \
	"mov $'h', %al\nout %al, $0x38\n"               \
	"mov $'i', %al\nout %al, $0x38\n"               \
	"xor %eax, %eax\nin $0x60, %al\nmov %eax, %ebx\n" \
	"xor %eax, %eax\nin $0x71, %ax\nmov %eax, %edx\n" \
	"out %al, $0x99\nnop\n"
CODE(ports16, "16", PORTS);
CODE(ports32, "32", PORTS);
CODE(ports64, "64", PORTS);

static void check_ports(enum guest g, const uint8_t *code, const uint8_t *end, bool is_stepped)
{
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);
	unsigned int steps = 0;

	rig_init(&rig, g, code, (size_t)(end - code));
	do {
		rig_run(&rig, is_stepped ? 1 : 0, &out);
		steps++;
	} while (out.kind == VM_EXIT_INSN_LIMIT);
	CHECK_INT(out.kind, VM_EXIT_BUS_STOP);
	CHECK(memcmp(rig.out, "hi\xff", 3) == 0);
	CHECK_INT(x->gpr[X86_RBX], 0x5a);
	CHECK_INT(x->gpr[X86_RDX], 0xffff);
	CHECK_INT(x->rip, CODE_GPA + (uint64_t)(end - code) - 1);
	CHECK_INT(steps, is_stepped ? 11 : 1);
	rig_done(&rig);
}

static void test_ports(void)
{
	for (int is_stepped = 0; is_stepped <= 1; is_stepped++) {
		check_ports(G16, ports16_start, ports16_end, is_stepped);
		check_ports(G32, ports32_start, ports32_end, is_stepped);
		check_ports(G64, ports64_start, ports64_end, is_stepped);
		check_ports(G64_RING3, ports64_start, ports64_end, is_stepped);
	}
}

#define MMIO                                                                  \
	"mov $0xc0000000, %edi\nmov (%edi), %eax\nmovw $0x1234, 8(%edi)\n" \
	"movb $7, 0x99(%edi)\nnop\n"
CODE(mmio32, "32", MMIO);
CODE(mmio64, "64", MMIO);

static void check_mmio(enum guest g, const uint8_t *code, const uint8_t *end)
{
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);

	rig_init(&rig, g, code, (size_t)(end - code));
	rig_run(&rig, 0, &out);
	CHECK_INT(out.kind, VM_EXIT_BUS_STOP);
	CHECK_INT(x->gpr[X86_RAX], 0x55667788);
	CHECK_INT(rig.mmio_writes, 2);
	CHECK_INT(rig.mmio_value, 7);
	CHECK_INT(rig.mmio_bytes, 1);
	CHECK_INT(x->rip, CODE_GPA + (uint64_t)(end - code) - 1);
	rig_done(&rig);
}

static void test_mmio(void)
{
	check_mmio(G32, mmio32_start, mmio32_end);
	check_mmio(G64, mmio64_start, mmio64_end);
	check_mmio(G64_RING3, mmio64_start, mmio64_end);
}

/* ---- faults ---- */

/* Each case: the faulting instruction stands at offset `at`; registers must be those before it. */
struct fault_case {
	const char *name;
	enum guest guest;
	const uint8_t *code, *end;
	unsigned int at;
	enum cpu_fault_kind kind;
	bool has_address;
	uint64_t address;
	uint32_t access;
	uint64_t rsp; /* 0: untouched */
};

#define FAULT_CODES(suffix, mode)                                              \
	CODE(ud2_##suffix, mode, "nop\nud2");                                  \
	CODE(div_##suffix, mode, "xor %ebx, %ebx\ndiv %ebx");                  \
	CODE(read_##suffix, mode, "mov $0xd0000000, %edi\nmov (%edi), %eax");  \
	CODE(write_##suffix, mode, "mov $0xd0000000, %edi\nmov %eax, (%edi)"); \
	CODE(writei_##suffix, mode, "mov $0xd0000000, %edi\nmovb $5, 3(%edi)"); \
	CODE(wro_##suffix, mode, "mov $0x80010, %edi\nmov %ecx, (%edi)");      \
	CODE(rmw_##suffix, mode, "mov $0xd0000000, %edi\nincl (%edi)");        \
	CODE(jump_##suffix, mode, "mov $0xd0000000, %eax\njmp *%" WIDE_##suffix "ax"); \
	CODE(push_##suffix, mode, "mov $0xd0000000, %esp\npush %" WIDE_##suffix "cx"); \
	CODE(call_##suffix, mode, "mov $0xd0000000, %esp\ncall . - 5");       \
	CODE(stos_##suffix, mode, "mov $0xd0000000, %edi\nstosb");             \
	CODE(rep_##suffix, mode, "mov $0xd0000000, %edi\nrep stosl");          \
	CODE(xchg_##suffix, mode, "mov $0x80010, %edi\nxchg %ecx, (%edi)");    \
	CODE(int3_##suffix, mode, "nop\nint3");                                \
	CODE(int80_##suffix, mode, "nop\nint $0x80");                          \
	CODE(off_##suffix, mode, "mov $0xffffe, %eax\nmov %ecx, (%eax)")
#define WIDE_32 "e"
#define WIDE_64 "r"
FAULT_CODES(32, "32");
FAULT_CODES(64, "64");
CODE(gp_64, "64", "mov $0x8000000000000000, %rdi\nmov (%rdi), %eax");
CODE(hlt_64, "64", "nop\nhlt");
CODE(nx_64, "64", "mov $0x90000, %eax\njmp *%rax");
CODE(ud2_16, "16", "nop\nud2");
CODE(div_16, "16", "xor %bx, %bx\ndiv %bx");
CODE(wro_16, "16", "mov $0x8000, %ax\nmov %ax, %ds\nmov %cx, 0x10");
CODE(int21_16, "16", "nop\nint $0x21");
CODE(int80_16, "16", "nop\nint $0x80");
CODE(int3_16, "16", "nop\nint3");

#define C(n, g, suffix, ...) { #n, g, n##_##suffix##_start, n##_##suffix##_end, __VA_ARGS__ }
#define COMMON(g, s)                                                                             \
	C(ud2, g, s, 1, CPU_FAULT_ILLEGAL_INSN), C(div, g, s, 2, CPU_FAULT_DIVIDE),             \
	C(read, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_R),                     \
	C(write, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),                    \
	C(writei, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA + 3, MEM_W),               \
	C(wro, g, s, 5, CPU_FAULT_PROTECTION, true, RO_GPA + 16, MEM_W),                 \
	C(stos, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),                     \
	C(rep, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),                      \
	C(xchg, g, s, 5, CPU_FAULT_PROTECTION, true, RO_GPA + 16, MEM_W),                \
	C(int3, g, s, 1, CPU_FAULT_BREAKPOINT), C(int80, g, s, 1, CPU_FAULT_SYSCALL)
#define COMMON64(g)                                                                            \
	COMMON(g, 64), C(rmw, g, 64, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),            \
	C(push, g, 64, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA - 8, MEM_W, HOLE_GPA),            \
	C(call, g, 64, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA - 8, MEM_W, HOLE_GPA),            \
	C(gp, g, 64, 10, CPU_FAULT_GENERAL),                                                   \
	C(off, g, 64, 5, CPU_FAULT_UNMAPPED, true, RAM_BYTES, MEM_W)

static const struct fault_case fault_cases[] = {
	COMMON(G32, 32),
	C(rmw, G32, 32, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_R),
	C(push, G32, 32, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA - 4, MEM_W, HOLE_GPA),
	C(call, G32, 32, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA - 4, MEM_W, HOLE_GPA),
	C(off, G32, 32, 5, CPU_FAULT_UNMAPPED, true, RAM_BYTES, MEM_W),
	COMMON64(G64),
	COMMON64(G64_RING3),
	C(hlt, G64_RING3, 64, 1, CPU_FAULT_GENERAL),
	C(ud2, G16, 16, 1, CPU_FAULT_ILLEGAL_INSN),
	C(div, G16, 16, 2, CPU_FAULT_DIVIDE),
	C(wro, G16, 16, 5, CPU_FAULT_PROTECTION, true, RO_GPA + 16, MEM_W),
	C(int21, G16, 16, 1, CPU_FAULT_SYSCALL),
	C(int80, G16, 16, 1, CPU_FAULT_SYSCALL),
	C(int3, G16, 16, 1, CPU_FAULT_BREAKPOINT),
};

/* Faults whose pc is the target: the fetch fails, not the jump. */
static const struct fault_case fetch_cases[] = {
	C(jump, G32, 32, 0, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_X),
	C(jump, G64, 64, 0, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_X),
	C(jump, G64_RING3, 64, 0, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_X),
	C(nx, G64, 64, 0, CPU_FAULT_PROTECTION, true, 0x90000, MEM_X),
	C(nx, G64_RING3, 64, 0, CPU_FAULT_PROTECTION, true, 0x90000, MEM_X),
};

static void check_fault(const struct fault_case *c, uint64_t want_pc)
{
	struct rig rig;
	struct cpu_fault f;
	const struct x86_state *x = x86_state(&rig.s);
	int before = test_failures;

	rig_init(&rig, c->guest, c->code, (size_t)(c->end - c->code));
	if (!rig_run_to_fault(&rig, &f)) {
		CHECK(!"no fault");
	} else {
		CHECK_INT(f.kind, c->kind);
		CHECK_INT(f.pc, want_pc);
		CHECK_INT(x->rip, want_pc);
		CHECK_INT(f.has_address, c->has_address);
		if (c->has_address) {
			CHECK_INT(f.address, c->address);
			CHECK_INT(f.access, c->access);
		}
		CHECK_INT(x->gpr[X86_RSP], c->rsp ? c->rsp : STACK_GPA);
		CHECK_INT(x->gpr[X86_RCX], 0x1001);
		CHECK_INT(x->gpr[X86_RSI], 0x1006);
		if (f.access == MEM_W && f.address >= HOLE_GPA && !c->rsp) {
			CHECK_INT(x->gpr[X86_RDI], HOLE_GPA);
		}
	}
	if (test_failures != before) {
		printf("... in case %s, %s\n", c->name, guest_names[c->guest]);
	}
	rig_done(&rig);
}

static void test_faults(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_cases); i++) {
		check_fault(&fault_cases[i], CODE_GPA + fault_cases[i].at);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fetch_cases); i++) {
		check_fault(&fetch_cases[i], fetch_cases[i].address);
	}
}

/* A write that faults in the first bytes of memory: nothing stands before it to decode. */
CODE(low32, "32", "mov %eax, 0xd0000000");

static void test_fault_at_address_0(void)
{
	struct rig rig;
	struct cpu_fault f;
	struct errmsg e = { .text = "" };

	rig_init(&rig, G32, low32_start, (size_t)(low32_end - low32_start));
	memcpy(rig.ram, low32_start, (size_t)(low32_end - low32_start));
	x86_state(&rig.s)->rip = 0;
	must(rig.eng->ops->set_state(rig.eng, &rig.s, &e), &e);
	CHECK(rig_run_to_fault(&rig, &f));
	CHECK_INT(f.kind, CPU_FAULT_UNMAPPED);
	CHECK_INT(f.pc, 0);
	CHECK_INT(x86_state(&rig.s)->rip, 0);
	rig_done(&rig);
}

/* ---- kicks ---- */

CODE(spin16, "16", "1: inc %eax\njmp 1b");
CODE(spin32, "32", "1: inc %eax\njmp 1b");
CODE(spin64, "64", "1: inc %eax\njmp 1b");

static ns_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

/* Kicked every few ms, the loop must stand at one of its two instructions, and never miss a kick. */
static void check_kick(enum guest g, const uint8_t *code, const uint8_t *end)
{
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);
	uint64_t last = 0;
	ns_t start;

	rig_init(&rig, g, code, (size_t)(end - code));
	start = now_ns();
	kick_every(rig.eng, 3000);
	for (int i = 0; i < 20; i++) {
		rig_run(&rig, 0, &out);
		CHECK_INT(out.kind, VM_EXIT_KICKED);
		CHECK(x->rip == CODE_GPA || x->rip == CODE_GPA + (uint64_t)(end - code) - 2);
		CHECK(x->gpr[X86_RAX] >= last);
		last = x->gpr[X86_RAX];
	}
	kick_every(NULL, 0);
	CHECK(now_ns() - start < NS_PER_S);
	CHECK(last > 0x1000);
	/* outside run(): it may end the next one at once, and nothing more */
	rig.eng->ops->kick(rig.eng);
	rig_run(&rig, 100, &out);
	if (out.kind == VM_EXIT_KICKED) {
		rig_run(&rig, 100 - out.insns, &out);
	}
	CHECK_INT(out.kind, VM_EXIT_INSN_LIMIT);
	rig_done(&rig);
}

static void test_kick(void)
{
	check_kick(G16, spin16_start, spin16_end);
	check_kick(G32, spin32_start, spin32_end);
	check_kick(G64, spin64_start, spin64_end);
	check_kick(G64_RING3, spin64_start, spin64_end);
}

/* ---- steps and breakpoints ---- */

static void check_steps(enum guest g, const uint8_t *code, const uint8_t *end)
{
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);

	rig_init(&rig, g, code, (size_t)(end - code));
	rig_run(&rig, 1, &out);
	CHECK_INT(out.kind, VM_EXIT_INSN_LIMIT);
	CHECK_INT(out.insns, 1);
	CHECK_INT(x->gpr[X86_RAX], 0);
	rig_run(&rig, 1 + 3 * 40, &out);
	CHECK_INT(out.kind, VM_EXIT_INSN_LIMIT);
	CHECK_INT(out.insns, 121);
	CHECK_INT(x->gpr[X86_RCX], 60);
	CHECK_INT(x->rflags & X86_FLAGS_TF, 0);
	rig_run(&rig, 1000, &out);
	CHECK_INT(out.kind, g == G64_RING3 ? VM_EXIT_BUS_STOP : VM_EXIT_HALT);
	CHECK_INT(out.insns, 3 * 60 + 1);
	CHECK_INT(x->gpr[X86_RAX], 5050);
	rig_done(&rig);
}

static void test_steps(void)
{
	check_steps(G16, sum16_start, sum16_end);
	check_steps(G32, sum32_start, sum32_end);
	check_steps(G64, sum64_start, sum64_end);
	check_steps(G64_RING3, sum64u_start, sum64u_end);
}

static void check_step_fault(enum guest g)
{
	struct rig rig;
	struct vm_exit out;
	struct cpu_fault f;
	struct x86_state *x = x86_state(&rig.s);

	rig_init(&rig, g, ud2_64_start, (size_t)(ud2_64_end - ud2_64_start));
	rig_run(&rig, 1, &out);
	CHECK_INT(out.kind, VM_EXIT_INSN_LIMIT);
	rig_run(&rig, 1, &out);
	f = out.fault;
	if (out.kind == VM_EXIT_HALT || out.kind == VM_EXIT_INSN_LIMIT) {
		if (out.kind == VM_EXIT_INSN_LIMIT) { /* the CPU has entered the stub */
			rig_run(&rig, 1, &out);
		}
		CHECK(x86_firmware_caught(rig.mem, x, &f));
	}
	CHECK_INT(f.kind, CPU_FAULT_ILLEGAL_INSN);
	CHECK_INT(x->rip, CODE_GPA + 1);
	rig_done(&rig);
}

static void test_step_into_fault(void)
{
	check_step_fault(G32);
	check_step_fault(G64);
	check_step_fault(G64_RING3);
}

static void test_breakpoints(void)
{
	static const gva_t loop_head[] = { CODE_GPA + 7 };
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);

	rig_init(&rig, G32, sum32_start, (size_t)(sum32_end - sum32_start));
	if (rig.eng->caps & ENGINE_CAP_BREAKPOINTS) {
		CHECK_INT(rig.eng->ops->set_breakpoints(rig.eng, loop_head, 1), 0);
		for (unsigned int i = 0; i < 3; i++) {
			rig_run(&rig, 0, &out);
			CHECK_INT(out.kind, VM_EXIT_BREAKPOINT);
			CHECK_INT(x->rip, loop_head[0]);
			CHECK_INT(x->gpr[X86_RCX], 100 - i);
		}
		CHECK_INT(rig.eng->ops->set_breakpoints(rig.eng, NULL, 0), 0);
	}
	rig_run(&rig, 0, &out);
	CHECK_INT(out.kind, VM_EXIT_HALT);
	CHECK_INT(x->gpr[X86_RAX], 5050);
	rig_done(&rig);
}

/* ---- state ---- */

static void check_round_trip(enum guest g)
{
	struct rig rig;
	struct cpu_state want, got;
	struct errmsg e = { .text = "" };
	struct x86_state *x;

	rig_init(&rig, g, spin64_start, (size_t)(spin64_end - spin64_start));
	want = rig.s;
	x = x86_state(&want);
	x->rflags |= BIT(0) | BIT(6) | BIT(10);
	x->fcw = 0x27f;
	x->ftw = 0x81;
	x->mxcsr = 0x1f00;
	x->cr2 = 0x1234;
	x->dr[0] = 0x5678;
	for (size_t i = 0; i < 8; i++) {
		memset(x->st[i], 0x31 + (int)i, 10);
		memset(x->ymm[i], 0x41 + (int)i, 16);
	}
	if (arch_of(g) == &x64_arch) {
		x->gpr[X86_R15] = 0x123456789abcdef0;
		x->lstar = 0xffff800000001000;
		memset(x->ymm[15], 0x77, 16);
	}
	must(rig.eng->ops->set_state(rig.eng, &want, &e), &e);
	must(rig.eng->ops->get_state(rig.eng, &got, &e), &e);
	if (memcmp(&want, &got, sizeof(want)) != 0) {
		for (size_t i = 0; i < sizeof(*x); i++) {
			if (want.bytes[i] != got.bytes[i]) {
				printf("%s: state byte %zu: got %02x, want %02x\n", guest_names[g], i,
				       got.bytes[i], want.bytes[i]);
			}
		}
		CHECK(!"state differs");
	}
	rig_done(&rig);
}

static void test_state_round_trip(void)
{
	check_round_trip(G16);
	check_round_trip(G32);
	check_round_trip(G64);
	check_round_trip(G64_RING3);
}

static void test_state_refused(void)
{
	struct rig rig;
	struct cpu_state s;
	struct errmsg e = { .text = "" };

	rig_init(&rig, G64, spin64_start, (size_t)(spin64_end - spin64_start));
	s = rig.s;
	x86_state(&s)->mxcsr = UINT32_MAX;
	CHECK_INT(rig.eng->ops->set_state(rig.eng, &s, &e), -EINVAL);
	CHECK(strstr(e.text, "FPU state"));
	s = rig.s;
	s.arch = CPU_ARCH_ARM;
	CHECK_INT(rig.eng->ops->set_state(rig.eng, &s, &e), -EINVAL);
	s = rig.s;
	x86_state(&s)->efer = BIT(1);
	CHECK_INT(rig.eng->ops->set_state(rig.eng, &s, &e), -EINVAL);
	rig_done(&rig);
}

/* After k instructions the state moves to a fresh VM: it must end the same. */
static void check_move(enum guest g, const uint8_t *code, const uint8_t *end)
{
	static const uint64_t after[] = { 1, 7, 150, 299 };

	for (size_t i = 0; i < ARRAY_SIZE(after); i++) {
		struct rig a, b;
		struct vm_exit out;
		struct errmsg e = { .text = "" };

		rig_init(&a, g, code, (size_t)(end - code));
		rig_init(&b, g, code, (size_t)(end - code));
		rig_run(&a, after[i], &out);
		CHECK_INT(out.kind, VM_EXIT_INSN_LIMIT);
		must(b.eng->ops->set_state(b.eng, &a.s, &e), &e);
		rig_run(&a, 0, &out);
		rig_run(&b, 0, &out);
		CHECK_INT(x86_state(&b.s)->gpr[X86_RAX], 5050);
		CHECK(memcmp(&a.s, &b.s, sizeof(a.s)) == 0);
		rig_done(&a);
		rig_done(&b);
	}
}

static void test_state_moves(void)
{
	check_move(G16, sum16_start, sum16_end);
	check_move(G32, sum32_start, sum32_end);
	check_move(G64, sum64_start, sum64_end);
	check_move(G64_RING3, sum64u_start, sum64u_end);
}

/* Floating point of ring 3, interrupted and moved between VMs, against the CPU itself. */
CODE(fp64, "64",
     "fninit\nfldz\nfld1\nmov $1, %eax\ncvtsi2sd %eax, %xmm1\nxorpd %xmm0, %xmm0\n"
     "mov $3000000, %ecx\n"
     "1: addsd %xmm1, %xmm0\nfadd %st, %st(1)\nmulsd %xmm1, %xmm1\ndec %ecx\njnz 1b\n"
     "fstp %st\nfistpl 0x6000\ncvttsd2si %xmm0, %ebx\nmov 0x6000, %edx\nout %al, $0x99");

static void test_fp_moves(void)
{
	struct rig rig[2];
	struct vm_exit out;
	struct errmsg e = { .text = "" };
	unsigned int now = 0;
	unsigned int moves = 0;

	for (size_t i = 0; i < 2; i++) {
		rig_init(&rig[i], G64_RING3, fp64_start, (size_t)(fp64_end - fp64_start));
	}
	for (;;) {
		kick_every(rig[now].eng, 1000);
		rig_run(&rig[now], 0, &out);
		kick_every(NULL, 0);
		if (out.kind != VM_EXIT_KICKED) {
			break;
		}
		must(rig[!now].eng->ops->set_state(rig[!now].eng, &rig[now].s, &e), &e);
		now = !now;
		moves++;
	}
	CHECK(moves > 0);
	CHECK_INT(out.kind, VM_EXIT_BUS_STOP);
	CHECK_INT(x86_state(&rig[now].s)->gpr[X86_RBX], 3000000);
	CHECK_INT(x86_state(&rig[now].s)->gpr[X86_RDX], 3000000);
	rig_done(&rig[0]);
	rig_done(&rig[1]);
}

/* ---- probe ---- */

static void test_probe(void)
{
	struct engine_probe p = { .speed = 0 };
	struct engine_host host = { .kvm_fd = kvm_fd };
	struct engine_host nothing = { .kvm_fd = -1 };
	struct cpu_mode mode = { .is_16bit = false };

	CHECK_INT(kvm_engine_ops.probe(&x64_arch, &mode, &host, &p), 0);
	CHECK(p.speed >= 1);
	CHECK(p.caps & ENGINE_CAP_STEP);
	printf("probe: %s; caps 0x%" PRIx64 ", speed %u\n", p.detail, p.caps, p.speed);
	CHECK_INT(kvm_engine_ops.probe(&x86_arch, &mode, &host, &p), 0);
	printf("probe: %s; caps 0x%" PRIx64 ", speed %u\n", p.detail, p.caps, p.speed);
	CHECK_INT(kvm_engine_ops.probe(&x64_arch, &mode, &nothing, &p), -ENODEV);
	CHECK(strstr(p.detail, "no /dev/kvm"));
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "probe", test_probe },
		{ "sum", test_sum },
		{ "ports", test_ports },
		{ "mmio", test_mmio },
		{ "faults", test_faults },
		{ "fault_at_address_0", test_fault_at_address_0 },
		{ "kick", test_kick },
		{ "steps", test_steps },
		{ "step_into_fault", test_step_into_fault },
		{ "breakpoints", test_breakpoints },
		{ "state_round_trip", test_state_round_trip },
		{ "state_refused", test_state_refused },
		{ "state_moves", test_state_moves },
		{ "fp_moves", test_fp_moves },
	};

	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0) {
		printf("skipped: /dev/kvm can't be opened: %s\n", strerror(errno));
		return 77;
	}
	return test_main(cases, ARRAY_SIZE(cases));
}

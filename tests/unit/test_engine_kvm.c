// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Engine `kvm` with the board's firmware, in each mode: results, ports, device registers, kicks,
 * steps, breakpoints, state. Skipped where /dev/kvm is missing.
 */
#include "test_engine_kvm_rig.h"

/*
 * Port access from ring 3 goes by the task segment's bitmap. Processors that QEMU emulates believe it only
 * when the loaded segment is not marked busy, which KVM's always is: a general protection fault. So what
 * ends in a port access in ring 3 is left out there, and only there.
 */
static bool has_ring3_ports(void)
{
	if (!rig_is_qemu()) {
		return true;
	}
	printf("left out on a processor emulated by QEMU: ports in ring 3\n");
	return false;
}

/* ---- programs that end well ---- */

#define SUM                   \
	"xor %eax, %eax\n"    \
	"mov $100, %ecx\n"    \
	"1: add %ecx, %eax\n" \
	"dec %ecx\n"          \
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
	if (has_ring3_ports()) {
		check_sum(G64_RING3, sum64u_start, sum64u_end);
	}
}

#define PORTS                                             \
	"mov $'h', %al\nout %al, $0x38\n"                 \
	"mov $'i', %al\nout %al, $0x38\n"                 \
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
		if (has_ring3_ports()) {
			check_ports(G64_RING3, ports64_start, ports64_end, is_stepped);
		}
	}
}

/* Seven instructions, IRETQ to ring 3, three of ring 3, one that stops. */
CODE(iret64, "64",
     "mov %rsp, %rax\npush $0x2b\npush %rax\npush $0x2\npush $0x33\nlea 1f(%rip), %rcx\n"
     "push %rcx\niretq\n"
     "1: inc %edi\ninc %edi\ninc %edi\nout %al, $0x99\nnop\n");

static void test_steps_into_ring3(void)
{
	size_t n = (size_t)(iret64_end - iret64_start);
	uint64_t whole_dr6;
	struct rig rig;
	struct vm_exit out;
	const struct x86_state *x = x86_state(&rig.s);

	if (!has_ring3_ports()) {
		return;
	}
	rig_init(&rig, G64, iret64_start, n);
	rig_run(&rig, 0, &out);
	CHECK_INT(out.kind, VM_EXIT_BUS_STOP);
	whole_dr6 = x->dr[6];
	rig_done(&rig);
	for (uint64_t k = 7; k <= 12; k++) {
		rig_init(&rig, G64, iret64_start, n);
		rig_run(&rig, k, &out);
		CHECK_INT(out.kind, k < 12 ? VM_EXIT_INSN_LIMIT : VM_EXIT_BUS_STOP);
		CHECK_INT(out.insns, k);
		CHECK_INT(x86_cpl(x), k < 8 ? 0 : 3);
		CHECK_INT(x->gpr[X86_RDI], 0x1007 + (k < 8 ? 0 : k > 11 ? 3 : k - 8));
		CHECK_INT(x->gpr[X86_RSP], k < 8 ? STACK_GPA - 40 : STACK_GPA);
		CHECK_INT(x->dr[6], whole_dr6);
		rig_done(&rig);
	}
}

#define MMIO                                                               \
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

/* Kicked every few ms, the loop must stand at one of its two instructions, and never miss a kick.
 */
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
	/* On a busy machine a kick may be there before the guest is. */
	for (int i = 0; i < 20 || (last <= 0x1000 && now_ns() - start < 30 * NS_PER_S); i++) {
		rig_run(&rig, 0, &out);
		CHECK_INT(out.kind, VM_EXIT_KICKED);
		CHECK(x->rip == CODE_GPA || x->rip == CODE_GPA + (uint64_t)(end - code) - 2);
		CHECK(x->gpr[X86_RAX] >= last);
		last = x->gpr[X86_RAX];
	}
	kick_every(NULL, 0);
	CHECK(last > 0x1000);
	/* outside run(): it may end the next one at once, and nothing more */
	rig.eng->ops->kick(rig.eng, NULL);
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
	if (has_ring3_ports()) {
		check_steps(G64_RING3, sum64u_start, sum64u_end);
	}
}

CODE(ud2_64, "64", "nop\nud2");

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
	if (out.kind == VM_EXIT_INSN_LIMIT) { /* the CPU has entered the stub by itself */
		rig_run(&rig, 1, &out);
		CHECK_INT(out.kind, VM_EXIT_HALT);
	}
	/* The step's trap flag is lost with the fault: it may run on to the stub's halt at once. */
	if (out.kind == VM_EXIT_HALT) {
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
				printf("%s: state byte %zu: got %02x, want %02x\n", guest_names[g],
				       i, got.bytes[i], want.bytes[i]);
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

	if (!has_ring3_ports()) {
		return;
	}
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
		{ "steps into ring 3", test_steps_into_ring3 },
		{ "ports", test_ports },
		{ "mmio", test_mmio },
		{ "kick", test_kick },
		{ "steps", test_steps },
		{ "step_into_fault", test_step_into_fault },
		{ "breakpoints", test_breakpoints },
		{ "state_round_trip", test_state_round_trip },
		{ "state_refused", test_state_refused },
		{ "state_moves", test_state_moves },
		{ "fp_moves", test_fp_moves },
	};

	return rig_open_kvm() ? 77 : test_main(cases, ARRAY_SIZE(cases));
}

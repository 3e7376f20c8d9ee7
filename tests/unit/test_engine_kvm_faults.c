// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Faults under engine `kvm` with the board's firmware: kind, address, and exact registers, in each
 * mode. Skipped where /dev/kvm is missing. An argument is the number of random programs for
 * late_writes.
 */
#include "test_engine_kvm_rig.h"

#define RESET_PC 0xfffffff0

static int late_write_rounds = 400;

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

#define FAULT_CODES(suffix, mode)                                                      \
	CODE(ud2_##suffix, mode, "nop\nud2");                                          \
	CODE(div_##suffix, mode, "xor %ebx, %ebx\ndiv %ebx");                          \
	CODE(read_##suffix, mode, "mov $0xd0000000, %edi\nmov (%edi), %eax");          \
	CODE(write_##suffix, mode, "mov $0xd0000000, %edi\nmov %eax, (%edi)");         \
	CODE(writei_##suffix, mode, "mov $0xd0000000, %edi\nmovb $5, 3(%edi)");        \
	CODE(wro_##suffix, mode, "mov $0x80010, %edi\nmov %ecx, (%edi)");              \
	CODE(rmw_##suffix, mode, "mov $0xd0000000, %edi\nincl (%edi)");                \
	CODE(jump_##suffix, mode, "mov $0xd0000000, %eax\njmp *%" WIDE_##suffix "ax"); \
	CODE(push_##suffix, mode, "mov $0xd0000000, %esp\npush %" WIDE_##suffix "cx"); \
	CODE(call_##suffix, mode, "mov $0xd0000000, %esp\ncall . - 5");                \
	CODE(stos_##suffix, mode, "mov $0xd0000000, %edi\nstosb");                     \
	CODE(rep_##suffix, mode, "mov $0xd0000000, %edi\nrep stosl");                  \
	CODE(xchg_##suffix, mode, "mov $0x80010, %edi\nxchg %ecx, (%edi)");            \
	CODE(int3_##suffix, mode, "nop\nint3");                                        \
	CODE(int80_##suffix, mode, "nop\nint $0x80");                                  \
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

#define C(n, g, suffix, ...)                                                 \
	{                                                                    \
#n, g, n##_##suffix##_start, n##_##suffix##_end, __VA_ARGS__ \
	}
#define COMMON(g, s)                                                                \
	C(ud2, g, s, 1, CPU_FAULT_ILLEGAL_INSN), C(div, g, s, 2, CPU_FAULT_DIVIDE), \
		C(read, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_R),        \
		C(write, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),       \
		C(writei, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA + 3, MEM_W),  \
		C(wro, g, s, 5, CPU_FAULT_PROTECTION, true, RO_GPA + 16, MEM_W),    \
		C(stos, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),        \
		C(rep, g, s, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),         \
		C(xchg, g, s, 5, CPU_FAULT_PROTECTION, true, RO_GPA + 16, MEM_W),   \
		C(int3, g, s, 1, CPU_FAULT_BREAKPOINT), C(int80, g, s, 1, CPU_FAULT_SYSCALL)
#define COMMON64(g)                                                                         \
	COMMON(g, 64), C(rmw, g, 64, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA, MEM_W),         \
		C(push, g, 64, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA - 8, MEM_W, HOLE_GPA), \
		C(call, g, 64, 5, CPU_FAULT_UNMAPPED, true, HOLE_GPA - 8, MEM_W, HOLE_GPA), \
		C(gp, g, 64, 10, CPU_FAULT_GENERAL),                                        \
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

/* A processor that QEMU emulates reads before it asks whether it may write. */
static uint32_t want_access(const struct fault_case *c)
{
	return strcmp(c->name, "rmw") == 0 && rig_is_qemu() ? MEM_R : c->access;
}

static void check_fault(const struct fault_case *c, uint64_t want_pc)
{
	struct rig rig;
	struct cpu_fault f;
	const struct x86_state *x = x86_state(&rig.s);
	int before = test_failures;
	struct cpu_state first;

	rig_init(&rig, c->guest, c->code, (size_t)(c->end - c->code));
	first = rig.s;
	if (!rig_run_to_fault(&rig, &f)) {
		CHECK(!"no fault");
	} else {
		CHECK_INT(f.kind, c->kind);
		CHECK_INT(f.pc, want_pc);
		CHECK_INT(x->rip, want_pc);
		CHECK_INT(f.has_address, c->has_address);
		if (c->has_address) {
			CHECK_INT(f.address, c->address);
			CHECK_INT(f.access, want_access(c));
		}
		CHECK_INT(x->gpr[X86_RSP], c->rsp ? c->rsp : STACK_GPA);
		CHECK_INT(x->gpr[X86_RCX], 0x1001);
		CHECK_INT(x->gpr[X86_RSI], 0x1006);
		CHECK_INT(x->seg[X86_CS].attr, x86_state(&first)->seg[X86_CS].attr);
		CHECK_INT(x->seg[X86_SS].attr, x86_state(&first)->seg[X86_SS].attr);
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

/* ---- writes of 32-bit code that KVM reports too late ---- */

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Some instruction without an access that fails; immediates are anything, prefixes included. */
static size_t filler_make(uint8_t *to, uint32_t *seed)
{
	static const uint8_t regs[] = { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RBP };
	uint8_t reg = regs[random_next(seed) % ARRAY_SIZE(regs)];
	uint32_t imm = random_next(seed) << 8 ^ random_next(seed);

	switch (random_next(seed) % 6) {
	case 0: /* mov $imm, %reg */
		to[0] = (uint8_t)(0xb8 + reg);
		store_le(to + 1, imm, 4);
		return 5;
	case 1: /* mov $imm, %reg16 */
		to[0] = 0x66;
		to[1] = (uint8_t)(0xb8 + reg);
		store_le(to + 2, imm, 2);
		return 4;
	case 2: /* add $imm, %reg */
		to[0] = 0x83;
		to[1] = (uint8_t)(0xc0 + reg);
		to[2] = (uint8_t)imm;
		return 3;
	case 3: /* xor %eax, %reg */
		to[0] = 0x31;
		to[1] = (uint8_t)(0xc0 + reg);
		return 2;
	case 4: /* mov %reg, 0x6000 */
		to[0] = 0x89;
		to[1] = (uint8_t)(0x05 + 8 * reg);
		store_le(to + 2, 0x6000, 4);
		return 6;
	default:
		to[0] = 0x90;
		return 1;
	}
}

/** A write to memory that is not there: %edi, %esp or an absolute address point to it. */
static const struct {
	uint8_t n, bytes[8];
	bool has_imm4; /* four random bytes follow */
} late_writes[] = {
	{ 2, { 0x89, 0x0f } },			    /* mov %ecx, (%edi) */
	{ 2, { 0x88, 0x2f } },			    /* mov %ch, (%edi) */
	{ 3, { 0x66, 0x89, 0x17 } },		    /* mov %dx, (%edi) */
	{ 3, { 0x89, 0x5f, 0x10 } },		    /* mov %ebx, 16(%edi) */
	{ 3, { 0x89, 0x04, 0x77 } },		    /* mov %eax, (%edi,%esi,2) */
	{ 2, { 0xc7, 0x07 }, true },		    /* movl $imm, (%edi) */
	{ 6, { 0xc7, 0x05, 0, 0, 0, 0xd0 }, true }, /* movl $imm, HOLE */
	{ 3, { 0xc6, 0x07, 0x66 } },		    /* movb $0x66, (%edi) */
	{ 5, { 0xa3, 0, 0, 0, 0xd0 } },		    /* mov %eax, HOLE */
	{ 6, { 0x66, 0xa3, 0, 0, 0, 0xd0 } },
	{ 1, { 0xaa } },		/* stosb */
	{ 1, { 0xab } },		/* stosl */
	{ 2, { 0x66, 0xab } },		/* stosw */
	{ 1, { 0xa4 } },		/* movsb */
	{ 1, { 0xa5 } },		/* movsl */
	{ 2, { 0xf3, 0xab } },		/* rep stosl */
	{ 2, { 0xf3, 0xa4 } },		/* rep movsb */
	{ 3, { 0x0f, 0x94, 0x07 } },	/* sete (%edi) */
	{ 2, { 0x8c, 0x1f } },		/* mov %ds, (%edi) */
	{ 1, { 0x50 } },		/* push %eax */
	{ 1, { 0x54 } },		/* push %esp */
	{ 2, { 0x66, 0x53 } },		/* push %bx */
	{ 1, { 0x68 }, true },		/* push $imm */
	{ 2, { 0x6a, 0x90 } },		/* push $-112 */
	{ 1, { 0x9c } },		/* pushf */
	{ 5, { 0xe8, 0x10, 0, 0, 0 } }, /* call . + 21 */
	{ 2, { 0xff, 0xd1 } },		/* call *%ecx */
};

static size_t late_write_make(uint8_t *to, uint32_t *seed)
{
	size_t i = random_next(seed) % ARRAY_SIZE(late_writes);
	size_t n = late_writes[i].n;

	memcpy(to, late_writes[i].bytes, n);
	if (late_writes[i].has_imm4) {
		store_le(to + n, random_next(seed) << 8 ^ random_next(seed), 4);
		n += 4;
	}
	return n;
}

/* Random code that ends in such a write: the registers must be those before it, found by stepping.
 */
static void test_late_writes(void)
{
	struct errmsg e = { .text = "" };
	struct cpu_state start, before;
	struct cpu_fault f;
	struct rig rig;
	struct vm_exit out;
	uint32_t seed = 1;

	rig_init(&rig, G32, ud2_32_start, 3);
	start = rig.s;
	x86_state(&start)->gpr[X86_RDI] = HOLE_GPA + 0x40;
	x86_state(&start)->gpr[X86_RSP] = HOLE_GPA + 0x800;
	for (int round = 0; round < late_write_rounds; round++) {
		uint32_t fillers = 1 + random_next(&seed) % 12;
		uint8_t *to = rig.ram + CODE_GPA;

		for (uint32_t i = 0; i < fillers; i++) {
			to += filler_make(to, &seed);
		}
		to += late_write_make(to, &seed);
		must(rig.eng->ops->set_state(rig.eng, &start, &e), &e);
		do { /* a late kick of the previous round may end it at once */
			rig_run(&rig, fillers, &out);
		} while (out.kind == VM_EXIT_KICKED && out.insns == 0);
		CHECK_INT(out.kind, VM_EXIT_INSN_LIMIT);
		before = rig.s;
		must(rig.eng->ops->set_state(rig.eng, &start, &e), &e);
		CHECK(rig_run_to_fault(&rig, &f));
		CHECK_INT(f.kind, CPU_FAULT_UNMAPPED);
		CHECK_INT(f.access, MEM_W);
		CHECK_INT(f.pc, x86_state(&before)->rip);
		if (memcmp(&before, &rig.s, sizeof(before)) != 0) {
			const uint8_t *bad = rig.ram + x86_state(&before)->rip;

			printf("round %d: registers differ before %02x %02x %02x, rip is 0x%" PRIx64
			       "\n",
			       round, bad[0], bad[1], bad[2], x86_state(&rig.s)->rip);
			CHECK(!"registers differ");
		}
	}
	rig_done(&rig);
}

/* With the 32-bit IDT switched on, as for a KVM that loses registers at a shutdown. */
CODE(gp_32, "32", "mov $0x77, %eax\nmov %eax, %ds");

static void test_idt32(void)
{
	static const struct fault_case cases[] = {
		C(ud2, G32, 32, 1, CPU_FAULT_ILLEGAL_INSN),
		C(div, G32, 32, 2, CPU_FAULT_DIVIDE),
		C(gp, G32, 32, 5, CPU_FAULT_GENERAL),
		C(int3, G32, 32, 1, CPU_FAULT_BREAKPOINT),
		C(int80, G32, 32, 1, CPU_FAULT_SYSCALL),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct fault_case *c = &cases[i];
		struct errmsg e = { .text = "" };
		struct cpu_fault f;
		struct rig rig;

		rig_init(&rig, G32, c->code, (size_t)(c->end - c->code));
		x86_firmware_idt_enable(x86_state(&rig.s));
		must(rig.eng->ops->set_state(rig.eng, &rig.s, &e), &e);
		CHECK(rig_run_to_fault(&rig, &f));
		CHECK_INT(f.kind, c->kind);
		CHECK_INT(x86_state(&rig.s)->rip, CODE_GPA + c->at);
		CHECK_INT(x86_state(&rig.s)->gpr[X86_RSP], STACK_GPA);
		CHECK_INT(x86_state(&rig.s)->seg[X86_CS].sel, X86_FW_SEL_CODE);
		CHECK_INT(x86_state(&rig.s)->seg[X86_CS].attr, 0xc09b);
		rig_done(&rig);
	}
}

/* A program that goes to ring 3 with a descriptor table of its own, in which the stubs' selector is
 * missing. */
CODE(own_gdt_64, "64",
     "lgdt 0x7c40\nmov %rsp, %rax\npush $0x13\npush %rax\npush $2\npush $0x0b\n"
     "push $0x7c20\niretq\n.org own_gdt_64_start + 0x20\n"
     "out %al, $0x38\nmov $1, %eax\nud2\n"
     ".org own_gdt_64_start + 0x40\n.word 23\n.quad 0x7c50\n"
     ".org own_gdt_64_start + 0x50\n.quad 0, 0x00affb000000ffff, 0x00cff3000000ffff");

static void test_own_gdt(void)
{
	struct cpu_fault f;
	struct rig rig;

	rig_init(&rig, G64, own_gdt_64_start, (size_t)(own_gdt_64_end - own_gdt_64_start));
	if (rig.eng->caps & ENGINE_CAP_EXACT_SHUTDOWN) {
		CHECK(rig_run_to_fault(&rig, &f));
		CHECK_INT(f.kind, CPU_FAULT_ILLEGAL_INSN);
		CHECK_INT(f.pc, CODE_GPA + 0x27);
		CHECK_INT(x86_state(&rig.s)->gpr[X86_RAX], 1);
		CHECK_INT(x86_state(&rig.s)->gpr[X86_RSP], STACK_GPA);
		CHECK_INT(x86_state(&rig.s)->seg[X86_CS].sel, 0x0b);
		CHECK_INT(rig.out_len, 1);
	}
	rig_done(&rig);
}

/* A guest that broke its own table: nobody takes the exception. */
CODE(triple_32, "32", "lidt 0x7c10\nud2\n.org triple_32_start + 0x10\n.fill 6");
CODE(triple_64, "64", "lidt 0x7c10\nud2\n.org triple_64_start + 0x10\n.fill 10");

/* KVM on SVM resets the vCPU at a shutdown: that it was one is all that is left to know. */
static bool is_lost_at_shutdown(const struct fault_case *c)
{
	struct cpu_fault f;
	struct rig rig;
	bool is_lost;

	rig_init(&rig, c->guest, c->code, (size_t)(c->end - c->code));
	is_lost = rig_run_to_fault(&rig, &f) && f.pc == RESET_PC &&
		  !(rig.eng->caps & ENGINE_CAP_EXACT_SHUTDOWN);
	if (is_lost) {
		CHECK_INT(f.kind, CPU_FAULT_TRIPLE);
	}
	rig_done(&rig);
	return is_lost;
}

static void test_triple_fault(void)
{
	static const struct fault_case cases[] = {
		C(triple, G32, 32, 7, CPU_FAULT_TRIPLE),
		C(triple, G64, 64, 8, CPU_FAULT_TRIPLE),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!is_lost_at_shutdown(&cases[i])) {
			check_fault(&cases[i], CODE_GPA + cases[i].at);
		}
	}
}

CODE(popcnt_32, "32", "popcnt %ecx, %eax\nhlt");
CODE(vmcall_32, "32", "vmcall\nhlt");

/* What an emulating KVM can't do is named; afterwards the VM still works. */
static void check_unhandled(const uint8_t *code, const uint8_t *end, const char *want)
{
	struct errmsg e = { .text = "" };
	struct cpu_fault f;
	struct rig rig;
	struct vm_exit out;

	rig_init(&rig, G32, code, (size_t)(end - code));
	if (rig.eng->caps & ENGINE_CAP_EXACT_SHUTDOWN) {
		kick_every(rig.eng, 10000);
		rig_run(&rig, 0, &out);
		kick_every(NULL, 0);
		CHECK_INT(out.kind, VM_EXIT_UNHANDLED);
		CHECK_STR(out.detail, want);
		CHECK_INT(x86_state(&rig.s)->rip, CODE_GPA);
		memcpy(rig.ram + CODE_GPA, ud2_32_start, 3);
		must(rig.eng->ops->set_state(rig.eng, &rig.s, &e), &e);
		CHECK(rig_run_to_fault(&rig, &f));
		CHECK_INT(f.pc, CODE_GPA + 1);
	}
	rig_done(&rig);
}

static void test_unhandled(void)
{
	check_unhandled(popcnt_32_start, popcnt_32_end,
			"this KVM cannot emulate popcnt (f3 0f b8 c1) in 32-bit mode, ring 0");
	check_unhandled(vmcall_32_start, vmcall_32_end,
			"this KVM hangs on vmcall (0f 01 c1) in 32-bit mode");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "faults", test_faults },
		{ "fault_at_address_0", test_fault_at_address_0 },
		{ "late_writes", test_late_writes },
		{ "idt32", test_idt32 },
		{ "own_gdt", test_own_gdt },
		{ "triple_fault", test_triple_fault },
		{ "unhandled", test_unhandled },
	};

	if (argc > 1) {
		late_write_rounds = atoi(argv[1]);
	}
	return rig_open_kvm() ? 77 : test_main(cases, ARRAY_SIZE(cases));
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What KVM's unhappy exits mean for the guest (docs/engine-kvm.md, "Faults"): refused accesses,
 * failed emulation, shutdown, and all others by name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/kvm/kvm_internal.h"

/* An instruction has at most so many accesses left (a 4 KiB XSAVE area in eights). */
#define DISCARDED_ACCESSES_MAX 1024

static bool is_x64(const struct kvm_engine *k)
{
	return k->arch->id == CPU_ARCH_X64;
}

static gva_t linear_pc(const struct x86_state *x)
{
	return x->rip + (x86_is_64bit_code(x) ? 0 : x->seg[X86_CS].base);
}

/* ---- instruction bytes at the program counter ---- */

struct code {
	uint8_t bytes[KVM_INSN_BYTES_MAX];
	size_t n;		/* how many could be fetched */
	bool is_refused;	/* the fetch stops before 15 bytes */
	struct cpu_fault fault; /* why */
};

static void fetch_fault(const struct kvm_engine *k, gva_t pc, gva_t at, struct cpu_fault *ret)
{
	const struct mem_region *r = mem_region_find(k->mem, at);

	*ret = (struct cpu_fault){
		.kind = r ? CPU_FAULT_PROTECTION : CPU_FAULT_UNMAPPED,
		.pc = pc,
		.address = at,
		.has_address = true,
		.access = MEM_X,
	};
}

static void code_fetch(const struct kvm_engine *k, const struct x86_state *x, struct code *ret)
{
	struct cpu_state s = { .arch = k->arch->id };
	gva_t pc = linear_pc(x);

	*ret = (struct code){ .n = 0 };
	memcpy(s.bytes, x, sizeof(*x));
	while (ret->n < sizeof(ret->bytes)) {
		gva_t at = pc + ret->n;
		gpa_t gpa = at;

		if ((x->cr0 & X86_CR0_PG) &&
		    !k->arch->page_walk(&s, k->mem, at, MEM_X, &gpa, &ret->fault)) {
			ret->fault.pc = pc;
			ret->is_refused = true;
			return;
		}
		if (mem_peek(k->mem, gpa, ret->bytes + ret->n, 1) != 1) {
			fetch_fault(k, pc, at, &ret->fault);
			ret->is_refused = true;
			return;
		}
		ret->n++;
	}
}

size_t kvm_fault_fetch(const struct kvm_engine *k, const struct x86_state *x,
		       uint8_t ret[KVM_INSN_BYTES_MAX])
{
	struct code c;

	code_fetch(k, x, &c);
	memcpy(ret, c.bytes, sizeof(c.bytes));
	return c.n;
}

static int state_get(struct kvm_engine *k, struct x86_state *x, struct errmsg *e)
{
	return kvm_state_get(&k->vm, is_x64(k), x, e);
}

/* ---- accesses that nobody takes ---- */

/* Let KVM finish the instruction; whatever else it accesses reads as it may and is not written. */
static int accesses_discard(struct kvm_engine *k, struct errmsg *e)
{
	int r = 1;

	for (int i = 0; r == 1 && i < DISCARDED_ACCESSES_MAX; i++) {
		r = kvm_run_complete(k);
		if (r == 1 && k->vm.run->exit_reason != KVM_EXIT_MMIO) {
			return 0;
		}
	}
	return r < 0 ? errmsg_set(e, r, "KVM_RUN: %s", strerror(-r)) : 0;
}

int kvm_fault_mmio(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e)
{
	struct kvm_run *run = k->vm.run;
	struct kvm_write w = { .address = run->mmio.phys_addr,
			       .value = load_le(run->mmio.data, sizeof(run->mmio.data)),
			       .bytes = (uint8_t)run->mmio.len };
	bool is_write = run->mmio.is_write != 0;
	struct x86_state x;
	int r;

	w.value = low_bytes(w.value, w.bytes);
	/* A read is reported before anything has happened, a write when all has. */
	r = is_write ? accesses_discard(k, e) : state_get(k, &x, e);
	r = r ? r : is_write ? state_get(k, &x, e) : accesses_discard(k, e);
	if (r < 0) {
		return r;
	}
	if (is_write) {
		(void)kvm_insn_undo_write(&x, k->mem, &w);
	}
	r = kvm_state_set(&k->vm, &x, e);
	if (r < 0) {
		return r;
	}
	ret->kind = VM_EXIT_FAULT;
	ret->fault = (struct cpu_fault){
		.kind = mem_region_find(k->mem, w.address) ? CPU_FAULT_PROTECTION
							   : CPU_FAULT_UNMAPPED,
		.pc = linear_pc(&x),
		.address = w.address,
		.has_address = true,
		.access = is_write ? MEM_W : MEM_R,
	};
	return 0;
}

/* ---- failed emulation ---- */

static const char *mode_name(const struct x86_state *x)
{
	if (x86_is_64bit_code(x)) {
		return "64-bit";
	}
	if (!(x->cr0 & X86_CR0_PE)) {
		return "16-bit real";
	}
	return (x->seg[X86_CS].attr & BIT(14)) ? "32-bit" : "16-bit protected";
}

static void hex_of(const uint8_t *bytes, size_t n, char *ret, size_t size)
{
	ret[0] = 0;
	for (size_t i = 0; i < n && 3 * i + 3 < size; i++) {
		(void)snprintf(ret + (i ? 3 * i - 1 : 0), 4, i ? " %02x" : "%02x", bytes[i]);
	}
}

static void exception_set(struct vm_exit *ret, uint32_t vector, gva_t pc)
{
	ret->kind = VM_EXIT_EXCEPTION;
	ret->fault = x86_fault_from_vector(vector, 0, pc, 0);
}

/* INT n, INT3, INT1: this KVM does not emulate them; the caller delivers. */
static bool is_software_interrupt(const struct code *c, gva_t pc, struct vm_exit *ret)
{
	if (c->n >= 1 && c->bytes[0] == 0xcc) {
		exception_set(ret, X86_BP, pc);
		return true;
	}
	if (c->n >= 1 && c->bytes[0] == 0xf1) {
		exception_set(ret, X86_DB, pc);
		return true;
	}
	if (c->n >= 2 && c->bytes[0] == 0xcd) {
		exception_set(ret, c->bytes[1], pc);
		ret->fault.kind = CPU_FAULT_SYSCALL;
		return true;
	}
	return false;
}

/* UD0 and UD1 are valid to a decoder, and made to be refused. */
static bool is_illegal(const struct code *c, const struct kvm_insn *insn)
{
	return insn->bytes == 0 ||
	       (c->n >= 2 && c->bytes[0] == 0x0f && (c->bytes[1] == 0xff || c->bytes[1] == 0xb9));
}

static void emulation_sort(struct kvm_engine *k, const struct x86_state *x, struct vm_exit *ret)
{
	struct kvm_insn insn;
	struct code c;
	gva_t pc = linear_pc(x);
	char hex[3 * KVM_INSN_BYTES_MAX + 1];

	code_fetch(k, x, &c);
	kvm_insn_decode(x, c.bytes, c.n, &insn);
	if (c.is_refused && (c.n == 0 || insn.is_cut)) {
		ret->kind = VM_EXIT_FAULT;
		ret->fault = c.fault;
		return;
	}
	if (is_software_interrupt(&c, pc, ret)) {
		return;
	}
	if (is_illegal(&c, &insn)) {
		exception_set(ret, X86_UD, pc);
		return;
	}
	hex_of(c.bytes, insn.bytes, hex, sizeof(hex));
	ret->kind = VM_EXIT_UNHANDLED;
	(void)snprintf(ret->detail, sizeof(ret->detail),
		       "this KVM cannot emulate %s (%s) in %s mode, ring %u", insn.text, hex,
		       mode_name(x), (x->seg[X86_SS].attr >> 5) & 3u);
}

/* KVM has queued a #UD of its own; it must not be delivered later. */
int kvm_fault_internal(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e)
{
	struct kvm_run *run = k->vm.run;
	struct x86_state x;
	int r;

	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION) {
		kvm_fault_name_exit(run, ret);
		return 0;
	}
	r = state_get(k, &x, e);
	r = r ? r : kvm_state_set(&k->vm, &x, e);
	if (r == 0) {
		emulation_sort(k, &x, ret);
	}
	return r;
}

/* VMCALL, VMMCALL */
static bool is_hypercall(const struct code *c)
{
	return c->n >= 3 && c->bytes[0] == 0x0f && c->bytes[1] == 0x01 &&
	       (c->bytes[2] == 0xc1 || c->bytes[2] == 0xd9);
}

/*
 * KVM's emulator takes the vector of INT n in real mode as signed: from 0x80 on it looks below the
 * table, and with the table at 0 it tries for ever.
 */
static bool is_high_int_n(const struct x86_state *x, const struct code *c)
{
	return !(x->cr0 & X86_CR0_PE) && x->idtr.base < 0x200 && c->n >= 2 && c->bytes[0] == 0xcd &&
	       c->bytes[1] >= 0x80;
}

void kvm_fault_unhang(struct kvm_engine *k, struct vm_exit *ret)
{
	struct x86_state x;
	struct code c;

	if (!k->traits.is_emulating || kvm_state_get_core(&k->vm, is_x64(k), &x, NULL) < 0) {
		return;
	}
	code_fetch(k, &x, &c);
	if (is_high_int_n(&x, &c)) {
		(void)is_software_interrupt(&c, linear_pc(&x), ret);
	} else if (is_hypercall(&c)) {
		ret->kind = VM_EXIT_UNHANDLED;
		(void)snprintf(ret->detail, sizeof(ret->detail),
			       "this KVM hangs on %s (0f 01 %02x) in %s mode",
			       c.bytes[2] == 0xc1 ? "vmcall" : "vmmcall", c.bytes[2],
			       mode_name(&x));
	}
}

/* ---- shutdown ---- */

/* An emulating KVM leaves everything as it was at the first exception, and names it. */
static int first_exception(struct kvm_engine *k, struct x86_state *x, struct cpu_fault *ret,
			   struct errmsg *e)
{
	struct kvm_vcpu_events ev;
	struct code c;
	int r;

	r = kvm_vcpu_ioctl(&k->vm, KVM_GET_VCPU_EVENTS, &ev);
	if (r < 0) {
		return errmsg_set(e, r, "KVM_GET_VCPU_EVENTS: %s", strerror(-r));
	}
	if (ev.exception.nr == X86_BP && x->rip > 0) { /* reported behind INT3 */
		x->rip--;
		code_fetch(k, x, &c);
		if (c.n == 0 || c.bytes[0] != 0xcc) {
			x->rip++;
		}
	}
	code_fetch(k, x, &c);
	*ret = x86_fault_from_vector(ev.exception.nr,
				     ev.exception.has_error_code ? ev.exception.error_code : 0,
				     linear_pc(x), x->cr2);
	if (ev.exception.nr == X86_UD && c.n >= 2 && c.bytes[0] == 0xcd) {
		*ret = x86_fault_from_vector(c.bytes[1], 0, linear_pc(x), 0);
		ret->kind = CPU_FAULT_SYSCALL;
	}
	return 0;
}

int kvm_fault_shutdown(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e)
{
	struct x86_state x;
	int r;

	r = state_get(k, &x, e);
	if (r < 0) {
		return r;
	}
	ret->kind = VM_EXIT_SHUTDOWN;
	ret->fault = (struct cpu_fault){ .kind = CPU_FAULT_TRIPLE, .pc = linear_pc(&x) };
	if (!k->traits.is_emulating) {
		return 0;
	}
	r = first_exception(k, &x, &ret->fault, e);
	return r ? r : kvm_state_set(&k->vm, &x, e);
}

/* ---- all others ---- */

#define NAME(reason) [KVM_EXIT_##reason] = #reason

static const char *const exit_names[] = {
	NAME(UNKNOWN),
	NAME(EXCEPTION),
	NAME(IO),
	NAME(HYPERCALL),
	NAME(DEBUG),
	NAME(HLT),
	NAME(MMIO),
	NAME(IRQ_WINDOW_OPEN),
	NAME(SHUTDOWN),
	NAME(FAIL_ENTRY),
	NAME(INTR),
	NAME(SET_TPR),
	NAME(TPR_ACCESS),
	NAME(S390_SIEIC),
	NAME(S390_RESET),
	NAME(DCR),
	NAME(NMI),
	NAME(INTERNAL_ERROR),
	NAME(OSI),
	NAME(PAPR_HCALL),
	NAME(S390_UCONTROL),
	NAME(WATCHDOG),
	NAME(S390_TSCH),
	NAME(EPR),
	NAME(SYSTEM_EVENT),
	NAME(S390_STSI),
	NAME(IOAPIC_EOI),
	NAME(HYPERV),
	NAME(ARM_NISV),
	NAME(X86_RDMSR),
	NAME(X86_WRMSR),
	NAME(DIRTY_RING_FULL),
	NAME(AP_RESET_HOLD),
	NAME(X86_BUS_LOCK),
	NAME(XEN),
	NAME(RISCV_SBI),
	NAME(RISCV_CSR),
	NAME(NOTIFY),
};

static const char *exit_name(uint32_t reason)
{
	return reason < ARRAY_SIZE(exit_names) && exit_names[reason] ? exit_names[reason]
								     : "unknown to this build";
}

static const char *suberror_name(uint32_t suberror)
{
	static const char *const names[] = { "?", "emulation", "simultaneous exceptions",
					     "exit during event delivery",
					     "unexpected exit reason" };

	return suberror < ARRAY_SIZE(names) ? names[suberror] : "?";
}

void kvm_fault_name_exit(const struct kvm_run *run, struct vm_exit *ret)
{
	const __u64 *d = run->internal.data;
	size_t size = sizeof(ret->detail);

	ret->kind = VM_EXIT_UNHANDLED;
	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		(void)snprintf(ret->detail, size,
			       "KVM_EXIT_FAIL_ENTRY: hardware reason 0x%llx, CPU %u",
			       run->fail_entry.hardware_entry_failure_reason, run->fail_entry.cpu);
		break;
	case KVM_EXIT_UNKNOWN:
		(void)snprintf(ret->detail, size, "KVM_EXIT_UNKNOWN: hardware reason 0x%llx",
			       run->hw.hardware_exit_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		(void)snprintf(ret->detail, size,
			       "KVM_EXIT_INTERNAL_ERROR: suberror %u (%s), %u data: %llx"
			       " %llx %llx",
			       run->internal.suberror, suberror_name(run->internal.suberror),
			       run->internal.ndata, d[0], d[1], d[2]);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		(void)snprintf(ret->detail, size, "KVM_EXIT_SYSTEM_EVENT: type %u",
			       run->system_event.type);
		break;
	case KVM_EXIT_HYPERCALL:
		(void)snprintf(ret->detail, size, "KVM_EXIT_HYPERCALL: number 0x%llx",
			       run->hypercall.nr);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		(void)snprintf(ret->detail, size, "KVM_EXIT_%s: MSR 0x%x, data 0x%llx",
			       exit_name(run->exit_reason), run->msr.index, run->msr.data);
		break;
	default:
		(void)snprintf(ret->detail, size, "KVM_EXIT_%s (%u)", exit_name(run->exit_reason),
			       run->exit_reason);
		break;
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of engine `kvm` share. Nobody outside this folder includes it. */
#ifndef PINFOLD_ENGINE_KVM_KVM_INTERNAL_H
#define PINFOLD_ENGINE_KVM_KVM_INTERNAL_H

#include <linux/kvm.h>
#include <signal.h>
#include <sys/types.h>

#include "cpu/x86/x86.h"
#include "engine/engine.h"

#define KVM_SLOTS_MAX	    (MEM_REGIONS_MAX + 1) /* one more for the probe's own page */
#define KVM_BREAKPOINTS_MAX 4
#define KVM_CPUID_MAX	    256
#define KVM_INSN_BYTES_MAX  15

/* Registers that KVM_RUN may leave in its page. */
#define KVM_SHARED_REGS (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)

/** One VM with one vCPU, as the kernel knows it. */
struct kvm_vm {
	int kvm_fd; /* borrowed */
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run;
	size_t run_bytes;
	struct kvm_cpuid2 *cpuid; /* what the vCPU offers */
	bool can_share_regs;	  /* KVM_RUN can leave registers in *run */
	bool are_regs_shared;	  /* it has: KVM_GET_REGS and KVM_GET_SREGS cost nothing */
};

/** What the probe learned; kept for create(). */
struct kvm_traits {
	bool is_emulating;     /* instructions outside long-mode ring 3 are emulated one by one */
	bool has_fp, has_simd; /* work in ring 0 of the probed mode */
	bool has_breakpoints;
	uint32_t insn_ns; /* per ring-0 instruction; 0 = below what can be measured */
};

/** The engine. The first member is what callers see. */
struct kvm_engine {
	struct engine eng;
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	const struct engine_bus *bus;
	struct mem *mem;
	struct kvm_vm vm;
	struct kvm_traits traits;
	bool slot_used[KVM_SLOTS_MAX];
	gpa_t slot_gpa[KVM_SLOTS_MAX];
	size_t n_breakpoints;
	gva_t breakpoints[KVM_BREAKPOINTS_MAX];
	uint32_t debug_control; /* KVM_GUESTDBG_* in force */
	bool is_debug_stale;	/* must be given to KVM again, see debug_set() */
	bool is_idt_hidden;	/* while stepping, see kvm_step.c */
	struct kvm_dtable idt;	/* the guest's, if hidden */
	bool has_trapped;	/* a step has left its mark in DR6 */
	bool is_reset_due;	/* the vCPU has no state yet */
	volatile sig_atomic_t kicked;
};

/* ---- kvm_vm.c ---- */

/** Make a VM and its vCPU. @return 0; -ENODEV and the like with a sentence */
int kvm_vm_init(struct kvm_vm *vm, int kvm_fd, struct errmsg *e);

/** Close everything. Accepts a half-built or already closed VM. */
void kvm_vm_done(struct kvm_vm *vm);

/** Put host memory behind guest physical memory; size 0 removes the slot. @return 0; -errno */
int kvm_vm_slot_set(struct kvm_vm *vm, uint32_t slot, gpa_t gpa, uint64_t size_bytes, void *hva,
		    bool is_readonly);

/**
 * ioctl() on the vCPU. Each costs 10 us on some software KVMs, so registers that the last KVM_RUN
 * left behind (run->kvm_valid_regs) are not asked for again.
 * @return its value, or -errno
 */
int kvm_vcpu_ioctl(struct kvm_vm *vm, unsigned long request, void *arg);

/* ---- kvm_probe.c ---- */

/**
 * Take a VM that was probed for this mode and what was learned: the one that probe() left behind in
 * this process, or a new one.
 */
int kvm_probe_take(const struct cpu_arch *arch, const struct cpu_mode *mode, int kvm_fd,
		   struct kvm_vm *ret_vm, struct kvm_traits *ret_traits, struct errmsg *e);

/** probe() of struct engine_ops. */
int kvm_probe_probe(const struct cpu_arch *arch, const struct cpu_mode *mode,
		    const struct engine_host *host, struct engine_probe *ret);
/** engine_ops.prepare */
void kvm_probe_prepare(const struct cpu_arch *arch, const struct engine_host *host);

/** ENGINE_CAP_* that follow from the traits. */
uint64_t kvm_probe_caps(const struct cpu_arch *arch, const struct kvm_traits *t);

/* ---- kvm_state.c ---- */

/** All registers of the vCPU in canonical form. No completion may be pending, except for a read. */
int kvm_state_get(struct kvm_vm *vm, bool is_64bit, struct x86_state *ret, struct errmsg *e);

/** Only general, segment and control registers; all else is zero. Cheaper. */
int kvm_state_get_core(struct kvm_vm *vm, bool is_64bit, struct x86_state *ret, struct errmsg *e);

/** Set all registers; forgets exceptions that KVM has queued. */
int kvm_state_set(struct kvm_vm *vm, const struct x86_state *x, struct errmsg *e);

/* ---- kvm_fault.c ---- */

/** Turn an access that neither memory nor a device takes into an exit, registers before it. */
int kvm_fault_mmio(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e);

/** Turn KVM_EXIT_INTERNAL_ERROR into an exit. */
int kvm_fault_internal(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e);

/** Turn KVM_EXIT_SHUTDOWN into an exit. */
int kvm_fault_shutdown(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e);

/**
 * Instruction bytes at the program counter, as the CPU would fetch them.
 * @return how many; less than 15 where memory or the page tables end
 */
size_t kvm_fault_fetch(const struct kvm_engine *k, const struct x86_state *x,
		       uint8_t ret[KVM_INSN_BYTES_MAX]);

/** Fill @p ret for an exit reason that this engine has no answer to: its name and data. */
void kvm_fault_name_exit(const struct kvm_run *run, struct vm_exit *ret);

/**
 * Called when a kick ended a run: an emulating KVM may have hung in an instruction. If so @p ret
 * becomes what the instruction means; otherwise it stays.
 */
void kvm_fault_unhang(struct kvm_engine *k, struct vm_exit *ret);

/* ---- kvm_insn.c ---- */

/** What decoding says about one instruction. */
struct kvm_insn {
	size_t bytes;  /* 0: not a valid instruction (or cut off, see is_cut) */
	bool is_cut;   /* the bytes end before the instruction does */
	char text[32]; /* its mnemonic */
};

/** Decode at the start of @p bytes in the mode that @p x is in. */
void kvm_insn_decode(const struct x86_state *x, const uint8_t *bytes, size_t n,
		     struct kvm_insn *ret);

/** A write that KVM reports when the instruction that made it has already retired. */
struct kvm_write {
	gva_t address;
	uint64_t value;
	uint8_t bytes;
};

/**
 * Find the instruction that made a write, and take its effect on the registers back.
 * @param x in: registers after it; out: before it, as far as docs/engine-kvm.md promises
 * @param m guest memory, for the instruction bytes
 * @return true; false when no instruction fits (then @p x is untouched)
 */
bool kvm_insn_undo_write(struct x86_state *x, const struct mem *m, const struct kvm_write *w);

/* ---- kvm_run.c ---- */

/** run() of struct engine_ops. */
int kvm_run_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e);

/** kick() of struct engine_ops. */
void kvm_run_kick(struct engine *eng, void *uc);

/**
 * Let KVM finish the instruction whose I/O it has reported, without starting another one.
 * @return 0 when it is finished; 1 when it reported something more (see kvm_run); -errno
 */
int kvm_run_complete(struct kvm_engine *k);

/** What to do after an exit of KVM was looked at. */
enum kvm_verdict {
	KVM_GO_ON, /* nothing yet: interrupted, or served and to be finished by the next KVM_RUN */
	KVM_STOP,  /* the exit is filled in */
	KVM_STEPPED, /* one instruction was executed under single step */
};

/**
 * One KVM_RUN.
 * @param is_access set when a port or device access must be served (then KVM_GO_ON)
 */
int kvm_run_enter(struct kvm_engine *k, struct vm_exit *ret, enum kvm_verdict *v, bool *is_access,
		  struct errmsg *e);

/**
 * Serve the reported access and all further ones of the same instruction, and finish it:
 * KVM_STEPPED, or KVM_STOP with a fault.
 * @param stop set when a device wants the run to end
 */
int kvm_run_finish_access(struct kvm_engine *k, struct vm_exit *ret, bool *stop,
			  enum kvm_verdict *v, struct errmsg *e);

/**
 * Tell KVM to step or to watch the breakpoints; nothing when it already does.
 * @param control KVM_GUESTDBG_*; 0: neither
 */
int kvm_run_debug_set(struct kvm_engine *k, uint32_t control, struct errmsg *e);

/** Whether the next instruction is at one of the breakpoints. */
bool kvm_run_is_at_breakpoint(struct kvm_engine *k);

/* ---- kvm_iret.c ---- */

/**
 * Do the work of an IRETQ in 64-bit ring 0 that returns to 64-bit ring 3.
 * @param x the registers now, of the core ones
 * @param ret_done true; false when it is no such return or may fault, and nothing was done
 */
int kvm_iret_to_ring3(struct kvm_engine *k, const struct x86_state *x, bool *ret_done,
		      struct errmsg *e);

/* ---- kvm_step.c ---- */

/** The IDT of a state that was taken while the guest's is hidden. */
void kvm_step_fix_idt(const struct kvm_engine *k, struct x86_state *x);

/** Give the guest its IDT back, if it is hidden. */
int kvm_step_show_idt(struct kvm_engine *k, struct errmsg *e);

/** Execute @p max_insns instructions one by one, or until something needs the caller. */
int kvm_step_run(struct kvm_engine *k, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e);

#endif

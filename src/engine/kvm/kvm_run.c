// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Running the vCPU: KVM_RUN, serving ports and device registers, single steps, breakpoints, kicks.
 *
 * KVM reports an access to a port or device before the instruction is finished and finishes it when
 * KVM_RUN is called again. Before run() returns, every such instruction is finished by a KVM_RUN
 * that must not start another one (immediate_exit): so the registers are always those between two
 * instructions.
 *
 * kick() sets two things: `kicked`, which belongs to us, and immediate_exit, which makes a KVM_RUN
 * that begins later return at once; the signal itself interrupts one that is under way.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bug.h"
#include "engine/kvm/kvm_internal.h"

void kvm_run_kick(struct engine *eng, void *uc)
{
	struct kvm_engine *k = (struct kvm_engine *)eng;

	(void)uc;
	k->kicked = 1;
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile __u8 *)&k->vm.run->immediate_exit = 1;
}

/* Whether a kick ended this run; a kick that arrives meanwhile is the same kick. */
static bool kick_take(struct kvm_engine *k)
{
	bool was_kicked;

	*(volatile __u8 *)&k->vm.run->immediate_exit = 0;
	atomic_signal_fence(memory_order_seq_cst);
	was_kicked = k->kicked != 0;
	k->kicked = 0;
	return was_kicked;
}

int kvm_run_complete(struct kvm_engine *k)
{
	volatile __u8 *immediate = &k->vm.run->immediate_exit;
	int r;

	*immediate = 1;
	r = kvm_vcpu_ioctl(&k->vm, KVM_RUN, NULL);
	*immediate = 0;
	atomic_signal_fence(memory_order_seq_cst);
	if (k->kicked) { /* a kick that arrived in between must not get lost */
		*immediate = 1;
	}
	if (r == -EINTR) {
		return 0;
	}
	return r < 0 ? r : 1;
}

/* Ports: one call per item; nobody there reads as all ones. */
static enum bus_result port_serve(struct kvm_engine *k)
{
	struct kvm_run *run = k->vm.run;
	uint8_t *items = (uint8_t *)run + run->io.data_offset;
	uint32_t count = run->io.count;
	struct bus_access a = {
		.addr = run->io.port,
		.value = UINT64_MAX,
		.values = count > 1 ? items : NULL,
		.count = count,
		.bytes = run->io.size,
		.is_write = run->io.direction == KVM_EXIT_IO_OUT,
	};
	enum bus_result res;

	BUG_ON(!range_within(run->io.data_offset, (uint64_t)a.bytes * count, 0, k->vm.run_bytes));
	if (a.is_write) {
		a.value = load_le(items, a.bytes);
	}
	res = k->bus->port(k->bus->opaque, &a);
	if (!a.is_write && count == 1) {
		store_le(items, res == BUS_UNMAPPED ? UINT64_MAX : a.value, a.bytes);
	} else if (!a.is_write && res == BUS_UNMAPPED) {
		memset(items, 0xff, (size_t)count * a.bytes);
	}
	return res;
}

static enum bus_result mmio_serve(struct kvm_engine *k)
{
	struct kvm_run *run = k->vm.run;
	uint8_t bytes = (uint8_t)run->mmio.len;
	struct bus_access a = {
		.addr = run->mmio.phys_addr,
		.count = 1,
		.bytes = bytes,
		.is_write = run->mmio.is_write != 0,
	};
	enum bus_result res;

	BUG_ON(bytes > sizeof(run->mmio.data));
	if (a.is_write) {
		a.value = load_le(run->mmio.data, bytes);
	}
	res = k->bus->mmio(k->bus->opaque, &a);
	if (!a.is_write && res != BUS_UNMAPPED) {
		store_le(run->mmio.data, a.value, bytes);
	}
	return res;
}

/*
 * Serve the access that KVM has reported. KVM_GO_ON: KVM must be entered again to finish the
 * instruction. *stop is set when a device wants the run to end.
 */
static int access_serve(struct kvm_engine *k, struct vm_exit *ret, bool *stop, enum kvm_verdict *v,
			struct errmsg *e)
{
	enum bus_result res;

	*v = KVM_GO_ON;
	if (k->vm.run->exit_reason == KVM_EXIT_IO) {
		res = port_serve(k);
	} else {
		res = mmio_serve(k);
		if (res == BUS_UNMAPPED) {
			*v = KVM_STOP;
			return kvm_fault_mmio(k, ret, e);
		}
	}
	*stop = *stop || res == BUS_STOP;
	return 0;
}

static bool is_access_exit(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO || run->exit_reason == KVM_EXIT_MMIO;
}

/* Serve the reported access and all further ones of the same instruction, and finish it. */
int kvm_run_finish_access(struct kvm_engine *k, struct vm_exit *ret, bool *stop,
			  enum kvm_verdict *v, struct errmsg *e)
{
	int r;

	do {
		r = access_serve(k, ret, stop, v, e);
		if (r < 0 || *v == KVM_STOP) {
			return r;
		}
		r = kvm_run_complete(k);
		if (r < 0) {
			return errmsg_set(e, r, "KVM_RUN: %s", strerror(-r));
		}
	} while (r == 1 && is_access_exit(k->vm.run));
	k->is_debug_stale = true;
	*v = KVM_STEPPED;
	return 0;
}

/*
 * Tell KVM to step or to watch the breakpoints; nothing when it already does. KVM ties a step to
 * the address that it was asked at: after an emulated access, or after registers were set, it must
 * be asked again.
 */
int kvm_run_debug_set(struct kvm_engine *k, uint32_t control, struct errmsg *e)
{
	struct kvm_guest_debug d = { .control = control };
	int r;

	if (control == k->debug_control && !k->is_debug_stale) {
		return 0;
	}
	if (control & KVM_GUESTDBG_USE_HW_BP) {
		d.arch.debugreg[7] =
			0x400; /* bit 10 is always one; execute breakpoints: R/W and LEN 0 */
		for (size_t i = 0; i < k->n_breakpoints; i++) {
			d.arch.debugreg[i] = k->breakpoints[i];
			d.arch.debugreg[7] |= BIT(2 * i + 1);
		}
	}
	r = kvm_vcpu_ioctl(&k->vm, KVM_SET_GUEST_DEBUG, &d);
	if (r < 0) {
		return errmsg_set(e, r, "KVM_SET_GUEST_DEBUG: %s", strerror(-r));
	}
	k->debug_control = control;
	k->is_debug_stale = false;
	return 0;
}

/* Look at an exit that is not an access. */
static int exit_sort(struct kvm_engine *k, struct vm_exit *ret, enum kvm_verdict *v,
		     struct errmsg *e)
{
	const struct kvm_run *run = k->vm.run;

	*v = KVM_STOP;
	switch (run->exit_reason) {
	case KVM_EXIT_HLT:
		ret->kind = VM_EXIT_HALT;
		return 0;
	case KVM_EXIT_DEBUG:
		if (k->debug_control & KVM_GUESTDBG_SINGLESTEP) {
			*v = KVM_STEPPED;
			return 0;
		}
		ret->kind = VM_EXIT_BREAKPOINT;
		return 0;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
		*v = KVM_GO_ON;
		return 0;
	case KVM_EXIT_SHUTDOWN:
		return kvm_fault_shutdown(k, ret, e);
	case KVM_EXIT_INTERNAL_ERROR:
		return kvm_fault_internal(k, ret, e);
	default:
		kvm_fault_name_exit(run, ret);
		return 0;
	}
}

/* One KVM_RUN. *v is KVM_GO_ON when it was interrupted without a kick. */
int kvm_run_enter(struct kvm_engine *k, struct vm_exit *ret, enum kvm_verdict *v, bool *is_access,
		  struct errmsg *e)
{
	int r;

	*is_access = false;
	r = kvm_vcpu_ioctl(&k->vm, KVM_RUN, NULL);
	if (r == -EINTR || r == -EAGAIN) {
		*v = KVM_GO_ON;
		if (kick_take(k)) {
			ret->kind = VM_EXIT_KICKED;
			kvm_fault_unhang(k, ret);
			*v = KVM_STOP;
		}
		return 0;
	}
	if (r < 0) {
		return errmsg_set(e, r, "KVM_RUN: %s", strerror(-r));
	}
	if (is_access_exit(k->vm.run)) {
		*is_access = true;
		*v = KVM_GO_ON;
		return 0;
	}
	return exit_sort(k, ret, v, e);
}

/* Run until something needs the caller. */
static int run_free(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e)
{
	enum kvm_verdict v;
	bool is_access;
	bool stop = false;
	int r;

	for (;;) {
		r = kvm_run_enter(k, ret, &v, &is_access, e);
		if (r < 0 || v == KVM_STOP) {
			return r;
		}
		if (!is_access) {
			continue;
		}
		r = access_serve(k, ret, &stop, &v, e);
		if (r < 0 || v == KVM_STOP) {
			return r;
		}
		if (stop) {
			break;
		}
	}
	/* The access is served; what the instruction still accesses is served on the way out. */
	r = kvm_run_complete(k);
	if (r == 1 && is_access_exit(k->vm.run)) {
		r = kvm_run_finish_access(k, ret, &stop, &v, e);
		if (r < 0 || v == KVM_STOP) {
			return r;
		}
	}
	ret->kind = VM_EXIT_BUS_STOP;
	return r < 0 ? errmsg_set(e, r, "KVM_RUN: %s", strerror(-r)) : 0;
}

bool kvm_run_is_at_breakpoint(struct kvm_engine *k)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	if (kvm_vcpu_ioctl(&k->vm, KVM_GET_REGS, &regs) < 0 ||
	    kvm_vcpu_ioctl(&k->vm, KVM_GET_SREGS, &sregs) < 0) {
		return false;
	}
	for (size_t i = 0; i < k->n_breakpoints; i++) {
		if (regs.rip + (sregs.cs.l ? 0 : sregs.cs.base) == k->breakpoints[i]) {
			return true;
		}
	}
	return false;
}

/* The instruction at a breakpoint that was already reported is executed before watching again. */
static int run_with_breakpoints(struct kvm_engine *k, struct vm_exit *ret, struct errmsg *e)
{
	int r;

	if (kvm_run_is_at_breakpoint(k)) {
		r = kvm_step_run(k, 1, ret, e);
		if (r < 0 || ret->kind != VM_EXIT_INSN_LIMIT) {
			return r;
		}
		ret->insns = 0;
	}
	r = kvm_step_show_idt(k, e);
	r = r ? r : kvm_run_debug_set(k, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, e);
	return r < 0 ? r : run_free(k, ret, e);
}

int kvm_run_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	struct kvm_engine *k = (struct kvm_engine *)eng;
	struct vm_exit out = { .kind = VM_EXIT_UNHANDLED };
	int r;

	if (max_insns) {
		r = kvm_step_run(k, max_insns, &out, e);
	} else if (k->n_breakpoints) {
		r = run_with_breakpoints(k, &out, e);
	} else {
		r = kvm_step_show_idt(k, e);
		r = r ? r : kvm_run_debug_set(k, 0, e);
		r = r ? r : run_free(k, &out, e);
	}
	if (r == 0) {
		*ret = out;
	}
	return r;
}

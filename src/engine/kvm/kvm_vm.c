// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a VM and its vCPU in the kernel: descriptors, the shared page, CPUID, memory slots.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/kvm/kvm_internal.h"

/* Pages that VMX without "unrestricted guest" needs for real mode; below the board's firmware. */
#define IDENTITY_MAP_GPA 0xffdfb000ULL
#define TSS_GPA		 0xffdfc000ULL

static int request(int fd, unsigned long nr, void *arg)
{
	int r;

	r = ioctl(fd, nr, arg);
	return r < 0 ? -errno : r;
}

int kvm_vcpu_ioctl(struct kvm_vm *vm, unsigned long nr, void *arg)
{
	int r;

	if (vm->are_regs_shared && nr == KVM_GET_REGS) {
		*(struct kvm_regs *)arg = vm->run->s.regs.regs;
		return 0;
	}
	if (vm->are_regs_shared && nr == KVM_GET_SREGS) {
		*(struct kvm_sregs *)arg = vm->run->s.regs.sregs;
		return 0;
	}
	r = request(vm->vcpu_fd, nr, arg);
	if (nr == KVM_RUN) {
		vm->are_regs_shared = r == 0 && vm->run->kvm_valid_regs;
	} else if (nr == KVM_SET_REGS || nr == KVM_SET_SREGS || nr == KVM_SET_VCPU_EVENTS) {
		vm->are_regs_shared = false;
	}
	return r;
}

static int vcpu_map(struct kvm_vm *vm, struct errmsg *e)
{
	int bytes;
	void *p;

	bytes = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (bytes < (int)sizeof(struct kvm_run)) {
		return errmsg_set(e, -ENODEV, "KVM's shared vCPU page is too small (%d bytes)",
				  bytes);
	}
	p = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	if (p == MAP_FAILED) {
		return errmsg_set(e, -errno, "mapping KVM's vCPU page: %s", strerror(errno));
	}
	vm->run = p;
	vm->run_bytes = (size_t)bytes;
	return 0;
}

/* Asked once per process and its children: on a virtual host, each leaf is a trap to the host's host. */
static int cpuid_get(struct kvm_vm *vm, struct kvm_cpuid2 *ret)
{
	static struct kvm_cpuid_entry2 known[KVM_CPUID_MAX];
	static uint32_t n_known;
	int r;

	if (n_known) {
		ret->nent = n_known;
		memcpy(ret->entries, known, sizeof(known));
		return 0;
	}
	ret->nent = KVM_CPUID_MAX;
	r = request(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, ret);
	if (r == 0) {
		n_known = ret->nent;
		memcpy(known, ret->entries, n_known * sizeof(known[0]));
	}
	return r;
}

static int vcpu_set_cpuid(struct kvm_vm *vm, struct errmsg *e)
{
	int r;

	vm->cpuid = calloc(1, sizeof(*vm->cpuid) + KVM_CPUID_MAX * sizeof(vm->cpuid->entries[0]));
	if (!vm->cpuid) {
		return errmsg_set(e, -ENOMEM, "no memory for the CPUID table");
	}
	r = cpuid_get(vm, vm->cpuid);
	if (r < 0) {
		return errmsg_set(e, r, "KVM_GET_SUPPORTED_CPUID: %s", strerror(-r));
	}
	r = request(vm->vcpu_fd, KVM_SET_CPUID2, vm->cpuid);
	if (r < 0) {
		return errmsg_set(e, r, "KVM_SET_CPUID2: %s", strerror(-r));
	}
	return 0;
}

static int vm_build(struct kvm_vm *vm, struct errmsg *e)
{
	uint64_t identity_gpa = IDENTITY_MAP_GPA;
	int shared;
	int r;

	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0) {
		return errmsg_set(e, -errno, "KVM_CREATE_VM: %s", strerror(errno));
	}
	/* Only old Intel CPUs need these; elsewhere a refusal is of no consequence. */
	(void)ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_gpa);
	(void)ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_GPA);
	vm->vcpu_fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu_fd < 0) {
		return errmsg_set(e, -errno, "KVM_CREATE_VCPU: %s", strerror(errno));
	}
	shared = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	vm->can_share_regs = shared > 0 && (~(unsigned int)shared & KVM_SHARED_REGS) == 0;
	r = vcpu_map(vm, e);
	return r < 0 ? r : vcpu_set_cpuid(vm, e);
}

/*
 * Since 6.13 Linux gives a VM its helper thread ("kvm-nx-lpage-recovery") at the first KVM_RUN, as a thread of this process, with the
 * core and the priority of who called. It is had here: from a granted core it would stand in that core's way, and die there behind
 * other VMs, holding up whoever waits for this process.
 */
static void run_nothing(struct kvm_vm *vm)
{
	vm->run->immediate_exit = 1;
	(void)request(vm->vcpu_fd, KVM_RUN, NULL); /* what is wrong shows at the next */
	vm->run->immediate_exit = 0;
}

int kvm_vm_init(struct kvm_vm *vm, int kvm_fd, struct errmsg *e)
{
	int r;

	*vm = (struct kvm_vm){ .kvm_fd = kvm_fd, .vm_fd = -1, .vcpu_fd = -1 };
	r = vm_build(vm, e);
	if (r < 0) {
		kvm_vm_done(vm);
		return r;
	}
	run_nothing(vm);
	return 0;
}

void kvm_vm_done(struct kvm_vm *vm)
{
	if (vm->run) {
		munmap(vm->run, vm->run_bytes);
	}
	if (vm->vcpu_fd >= 0) {
		close(vm->vcpu_fd);
	}
	if (vm->vm_fd >= 0) {
		close(vm->vm_fd);
	}
	free(vm->cpuid);
	*vm = (struct kvm_vm){ .kvm_fd = -1, .vm_fd = -1, .vcpu_fd = -1 };
}

int kvm_vm_slot_set(struct kvm_vm *vm, uint32_t slot, gpa_t gpa, uint64_t size_bytes, void *hva,
		    bool is_readonly)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = is_readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size_bytes,
		.userspace_addr = (uintptr_t)hva,
	};

	return request(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &r);
}

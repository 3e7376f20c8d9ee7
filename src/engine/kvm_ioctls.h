/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM requests that the engine makes after create(), for the system call filter of a VM
 * process: map, unmap, get_state, set_state, run. probe() and create() need more and come before the
 * jail closes.
 */
#ifndef PINFOLD_ENGINE_KVM_IOCTLS_H
#define PINFOLD_ENGINE_KVM_IOCTLS_H

#include <stddef.h>

/** One ioctl request. */
struct kvm_engine_ioctl {
	unsigned long request;
	const char *name;
	const char *reason;
};

extern const struct kvm_engine_ioctl kvm_engine_ioctls[];
extern const size_t kvm_engine_ioctl_count;

#endif

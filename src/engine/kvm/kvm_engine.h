/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Engine `kvm`: x86 and x64 guests through /dev/kvm, by raw ioctls. */
#ifndef PINFOLD_ENGINE_KVM_KVM_ENGINE_H
#define PINFOLD_ENGINE_KVM_KVM_ENGINE_H

#include "engine/engine.h"

extern const struct engine_ops kvm_engine_ops;

#endif

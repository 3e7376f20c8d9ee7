#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # functions are called by check
# Engine "kvm" on SVM as hardware has it: the x86 and x64 guests, and the engine's own tests. Each first and last KVM vCPU of the
# machine makes the kernel change its own code (a static key), and QEMU with a thread per processor sometimes goes on executing
# what was there before (docs/test-bed.md).
# accel: single
# shellcheck source=lib.sh
. /bed/lib.sh
# shellcheck source=launch_lib.sh
. /bed/launch_lib.sh

load_kvm()
{
	for module in irqbypass ccp kvm kvm-amd; do
		[ ! -e "/bed/$module.ko" ] || insmod "/bed/$module.ko"
	done
	[ -c /dev/kvm ]
}

# same_as_unicorn GUEST: output and exit status of both engines.
same_as_unicorn()
{
	for engine in unicorn kvm; do
		status=0
		timeout 60 pinfold run --engine "$engine" "$guests/$1" >"/tmp/$engine.out" 2>"/tmp/$engine.err" || status=$?
		echo "status $status" >>"/tmp/$engine.out"
	done
	cat /tmp/kvm.err
	diff /tmp/unicorn.out /tmp/kvm.out
}

check kvm/module load_kvm
check kvm/doctor pinfold doctor
for name in kvm kvm_faults kvm_firmware; do
	check "unit/engine_$name" "/pinfold/bin/test_engine_$name"
done
for guest in x86/sum x86/fib x86/crc32 x86/sha256 x86/float x86/exit42 x86/selfmod x86/fault_read x86/fault_divide \
	x86/fault_illegal x64/sum x64/fib x64/calls x64/crc32 x64/sha256 x64/float x64/exit42 x64/fault_write \
	x64/fault_illegal; do
	if [ -e "$guests/$guest.elf" ]; then
		check "kvm/$guest" same_as_unicorn "$guest.elf"
	fi
done
finish

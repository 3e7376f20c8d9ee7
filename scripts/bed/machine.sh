# SPDX-License-Identifier: GPL-2.0-or-later
# What all test beds have in common of a machine: docs/test-bed.md, "Time in the bed". Read with ". scripts/bed/machine.sh".
# shellcheck shell=sh

# machine_needs: ends the script with 77, and the reason, where there can be no bed.
machine_needs()
{
	if ! command -v qemu-system-x86_64 >/dev/null; then
		echo "qemu-system-x86_64 is not installed (package qemu-system-x86)"
		exit 77
	fi
	if [ ! -x /bin/busybox ] || ! command -v cpio >/dev/null; then
		echo "busybox-static or cpio is not installed"
		exit 77
	fi
}

# machine_append BUILD: options of the kernel.
machine_append()
{
	khz=$("$1/bin/tsc_khz" 2>/dev/null) || khz=
	echo "console=ttyS0 quiet earlyprintk=ttyS0 panic=-1 no_timer_check tsc=reliable mitigations=off${khz:+ tsc_early_khz=$khz}"
}

# machine_qemu CPUS MIB ACCEL [PROCESSOR]: QEMU's options that are no devices, one word each.
machine_qemu()
{
	echo "-nodefaults -no-user-config -display none -no-reboot -machine pc -smp $1 -m $2 -accel tcg,thread=$3,tb-size=512" \
		"-cpu ${4:-qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+fsgsbase,+rdrand,+smep,+smap}"
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: the kernels that measure speed compute the same on native code and on engine dbt, at user level and as a process
# behind page tables with a timer that interrupts; and what only the latter has; and that a VM with a disk, whose thread may be
# slow to give up its rights, starts every time. Usage: test_kernels.sh BUILD-DIR
set -u
build=$1
here=$(dirname "$0")
. "$here/../riscv_lib.sh"
. "$here/check_lib.sh"
need_dbt "$build"

# computes WHERE WANTED ARGUMENTS...: run $kernel there
computes()
{
	where=$1
	wanted=$2
	shift 2
	got=$(echo "$kernel" | "$build/bin/pinfold" run --engine dbt --mem 128M --timeout 60s "$@" 2>&1 | tr -d '\r' | head -n 1)
	check "$where: '$got', not '$wanted'" test "$got" = "$wanted"
}

for kernel in "core 20" "sieve 3" "list64k 2" "list32m 1" "nbody 4" "sha256 2" "fib 9" "wcopy 3" "icall 2" "qsort 5" "interp 5" \
	"lz 20" "text 5" "hash 5" "matrix 4" "mandel 2"; do
	native=$(echo "$kernel" | "$build/guests/linux/x64/kernels" | head -n 1)
	computes "user level" "$native" "$build/guests/riscv64/kernels.elf"
	computes "behind page tables" "$native" --board virt "$build/guests/riscv64/kernels_sv39.elf"
done
# Each touch finds a zero and adds the page's number to it; the sums of bytes over what is touched.
kernel="faults 2"
computes "page faults" "faults 2 0000000000021c00" --board virt "$build/guests/riscv64/kernels_sv39.elf"
kernel="syscalls 3"
computes "system calls" "syscalls 3 0000000000000bb8" --board virt "$build/guests/riscv64/kernels_sv39.elf"
kernel="switches 1"
computes "context switches" "switches 1 00000000000e6350" --board virt "$build/guests/riscv64/kernels_sv39.elf"

disk=$tmp/disk
dd if=/dev/zero of="$disk" bs=64K count=1 2>/dev/null
kernel="none 1"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	computes "with a disk" "none 1 0000000000000001" --board virt --disk "$disk" "$build/guests/riscv64/kernels_sv39.elf"
done

verdict

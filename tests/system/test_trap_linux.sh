#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: engine `trap` on Linux for RISC-V itself, where user-mode emulation ends: the filter of system calls holds, patched
# pages can't be read, a carrier holds guest memory only, and a kernel in S-mode can't tell.
# Usage: test_trap_linux.sh BIN GUESTS
#   BIN     the programs of a build for riscv64; GUESTS  the directory with riscv64/supervisor.elf
set -u

cd "$(dirname "$0")/../.." || exit 1
. tests/riscv_lib.sh
. tests/system/check_lib.sh
bin=$1
guests=$2
need_tools qemu-system-riscv64 cpio
need_packages .

cat >"$tmp/run" <<'RUN'
test_trap_hostile; echo "hostile: $?"
test_engine_contract >/tmp/contract; echo "contract: $?"
trap_run -si /bin/supervisor.elf >/tmp/want
trap_run -sv /bin/supervisor.elf >/tmp/got; echo "kernel: $?"
cmp /tmp/want /tmp/got && echo "the kernel sees no difference"
RUN
mkdir "$tmp/bin"
for program in test_trap_hostile test_engine_contract trap_run; do
	riscv64-linux-gnu-strip -o "$tmp/bin/$program" "$bin/$program"
done
scripts/riscv/initrd "$packages" "$tmp/initrd" "$tmp/run" "$tmp"/bin/* "$guests/riscv64/supervisor.elf"

timeout 500 qemu-system-riscv64 -M virt -m 512 -nographic -kernel "$packages/vmlinux" -initrd "$tmp/initrd" \
	-append "console=ttyS0 quiet" </dev/null 2>&1 | tr -d '\r' >"$tmp/out"

for line in "a filter of system calls: yes" "hostile: 0" "contract: 0" "kernel: 0" "the kernel sees no difference"; do
	check "not said: $line" grep -q "^$line$" "$tmp/out"
done
[ "$failures" -eq 0 ] || tail -n 40 "$tmp/out"
verdict

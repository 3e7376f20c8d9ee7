#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's U-Boot and OpenSBI, unmodified, on board virt: U-Boot in M-mode and, behind OpenSBI, in S-mode with one and
# four harts, to its prompt, two commands and power-off. Usage: test_virt_firmware.sh BUILD-DIR
set -u
build=$1
pinfold=$build/bin/pinfold
opensbi=/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf
machine_mode=/usr/lib/u-boot/qemu-riscv64/uboot.elf
supervisor_mode=/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf
tmp=$(mktemp -d)
failures=0
checks=0
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

why=$("$pinfold" run --engine dbt --limit-insns 1 "$build/guests/riscv64/sum.elf" 2>&1 </dev/null)
case $why in
*"needs a CPU with"*)
	echo "$why"
	exit 77
	;;
esac
for file in "$opensbi" "$machine_mode" "$supervisor_mode"; do
	[ -e "$file" ] || {
		echo "$file is missing: apt-get install opensbi u-boot-qemu"
		exit 77
	}
done

# The first key stops the countdown before U-Boot boots by itself.
printf ' \nversion\nbdinfo\npoweroff\n' >"$tmp/keys"

# check WHAT TEXT: the guest said so
check()
{
	checks=$((checks + 1))
	grep -q -- "$2" "$tmp/out" || {
		echo "FAIL: $1: nothing like '$2'"
		tail -n 5 "$tmp/out"
		failures=$((failures + 1))
	}
}

# run WHAT ARGUMENTS...
run()
{
	what=$1
	shift
	timeout 200 "$pinfold" run --board virt --mem 256M --timeout 180s "$@" <"$tmp/keys" >"$tmp/out" 2>"$tmp/err"
	status=$?
	checks=$((checks + 1))
	[ "$status" -eq 0 ] || {
		echo "FAIL: $what: status $status"
		tail -n 5 "$tmp/out" "$tmp/err"
		failures=$((failures + 1))
	}
	check "$what" "^U-Boot 20"
	check "$what" "=> bdinfo"
	check "$what" "0x0000000010000000"
	check "$what" "poweroff \.\.\."
}

run "U-Boot in M-mode" "$machine_mode"
run "OpenSBI and U-Boot" "$opensbi" --kernel "$supervisor_mode"
check "OpenSBI and U-Boot" "Platform HART Count       : 1"
check "OpenSBI and U-Boot" "Boot HART ISA Extensions  : time,sstc"
run "OpenSBI and U-Boot, four harts" --smp 4 "$opensbi" --kernel "$supervisor_mode"
check "OpenSBI and U-Boot, four harts" "Platform HART Count       : 4"

echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]

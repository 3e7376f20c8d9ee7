#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's U-Boot and OpenSBI, unmodified, on board virt: U-Boot in M-mode and, behind OpenSBI, in S-mode with one and
# four harts, to its prompt, two commands and power-off. Usage: test_virt_firmware.sh BUILD-DIR
set -u
build=$1
here=$(dirname "$0")
. "$here/../riscv_lib.sh"
. "$here/check_lib.sh"
pinfold=$build/bin/pinfold
machine_mode=/usr/lib/u-boot/qemu-riscv64/uboot.elf
supervisor_mode=/usr/lib/u-boot/qemu-riscv64_smode/uboot.elf
need_dbt "$build"
for file in "$opensbi" "$machine_mode" "$supervisor_mode"; do
	[ -e "$file" ] || skip "$file is missing: apt-get install opensbi u-boot-qemu"
done

# The first key stops the countdown before U-Boot boots by itself.
printf ' \nversion\nbdinfo\npoweroff\n' >"$tmp/keys"

# says WHAT TEXT: the guest did
says()
{
	check "$1: nothing like '$2'" grep -q -- "$2" "$tmp/out"
}

# run WHAT ARGUMENTS...
run()
{
	what=$1
	shift
	timeout 200 "$pinfold" run --board virt --mem 256M --timeout 180s "$@" <"$tmp/keys" >"$tmp/out" 2>"$tmp/err"
	status=$?
	check "$what: status $status" test "$status" -eq 0
	says "$what" "^U-Boot 20"
	says "$what" "=> bdinfo"
	says "$what" "0x0000000010000000"
	says "$what" "poweroff \.\.\."
}

run "U-Boot in M-mode" "$machine_mode"
run "OpenSBI and U-Boot" "$opensbi" --kernel "$supervisor_mode"
says "OpenSBI and U-Boot" "Platform HART Count       : 1"
says "OpenSBI and U-Boot" "Boot HART ISA Extensions  : time,sstc"
run "OpenSBI and U-Boot, four harts" --smp 4 "$opensbi" --kernel "$supervisor_mode"
says "OpenSBI and U-Boot, four harts" "Platform HART Count       : 4"

# What is in the serial port's queue when the machine is reset is lost: some keys more than it holds.
resets()
{
	{ printf ' \nreset\n' && printf '%40s' '' | tr ' ' '\n' && printf 'version\nbdinfo\npoweroff\n'; } >"$tmp/keys"
	run "$@"
	check "$what: begins anew" test "$(grep -c '^U-Boot 20.*(' "$tmp/out")" -ge 2
}
resets "U-Boot in M-mode, reset" "$machine_mode"
resets "OpenSBI and U-Boot, reset" --smp 2 "$opensbi" --kernel "$supervisor_mode"
says "OpenSBI and U-Boot, reset" "Platform HART Count       : 2"

verdict

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: the checks of guests/spec, each a detail that a guest could use to tell a virtual machine from the specification, are
# all right on engine dbt; qemu, the referee, passes all of them but those in docs/known-differences.md.
# Usage: test_spec.sh BUILD-DIR KNOWN-DIFFERENCES translator|interpreter|referee
# With "interpreter" each instruction is interpreted by itself, by way of a trace; "referee" is qemu.
set -u
. "$(dirname "$0")/../riscv_lib.sh"
. "$(dirname "$0")/check_lib.sh"
build=$1
known=$2
how=$3
guest=$build/guests/riscv64/spec.elf
least=200 # checks

# names FILE: of the checks that failed
names()
{
	sed -n -e 's/^FAIL \(.*\): expected .*/\1/p' "$1" | sort
}

# ended FILE WHO: it ran to its end
ended()
{
	tail -n 1 "$1" >"$tmp/last"
	check "$2 did not get to the end: $(cat "$tmp/last")" grep -q "^[0-9]* checks, [0-9]* wrong" "$tmp/last"
}

run_ours()
{
	need_dbt "$build"
	set --
	if [ "$how" = interpreter ]; then
		set -- --trace /dev/null
	fi
	"$build/bin/pinfold" run --engine dbt --board virt --timeout 240s "$@" "$guest" </dev/null 2>"$tmp/err" | tr -d '\r' >"$tmp/ours"
	ended "$tmp/ours" pinfold
	right=$(grep -c '^ok ' "$tmp/ours")
	check "$right checks right, not $least or more" [ "$right" -ge "$least" ]
	grep '^FAIL ' "$tmp/ours" >"$tmp/wrong"
	while read -r line; do
		check "$line" false
	done <"$tmp/wrong"
	echo "pinfold: $right right"
}

run_qemu()
{
	qemu-system-riscv64 --version 2>/dev/null | grep -q 'version 7[.]2' ||
		skip "no qemu-system-riscv64 of version 7.2, whose mistakes are known"
	timeout 240 qemu-system-riscv64 -M virt -m 128 -display none -monitor none -serial stdio -bios none \
		-cpu rv64,h=off,v=off,svinval=on,x-smaia=on,x-ssaia=on,svnapot=on,svpbmt=on \
		-device "loader,cpu-num=0,file=$guest" </dev/null 2>/dev/null | tr -d '\r' >"$tmp/theirs"
	ended "$tmp/theirs" qemu
	# Names stand in backquotes in the first column of the section's first table.
	sed -n '/^## QEMU 7.2/,/^Others are known/p' "$known" >"$tmp/section"
	awk -F '|' '/^[|] `/ { n = split($2, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' "$tmp/section" |
		sort >"$tmp/known"
	names "$tmp/theirs" >"$tmp/wrong"
	comm -23 "$tmp/wrong" "$tmp/known" >"$tmp/new"
	while read -r name; do
		check "qemu: $(grep -F "FAIL $name" "$tmp/theirs"); not in docs/known-differences.md" false
	done <"$tmp/new"
	comm -13 "$tmp/wrong" "$tmp/known" | sed 's/^/qemu is right about: /'
	echo "qemu: $(grep -c '^ok ' "$tmp/theirs") right, $(grep -c . "$tmp/wrong") known differences"
}

if [ "$how" = referee ]; then
	run_qemu
else
	run_ours
fi
verdict

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: random RISC-V instruction sequences leave the same state, bit for bit, in the interpreter and in qemu-riscv64
# (COUNT of one seed, which execute every instruction that sequences can have, and a fifth as many of a seed that
# changes); and an interpreter that gets one instruction wrong is found out, by a sequence of that instruction alone.
# Usage: rv_diff_test.sh RV_DIFF REFEREE COUNT
set -eu

diff=$1
referee=$2
count=$3

command -v qemu-riscv64 >/dev/null || {
	echo "skipped: qemu-riscv64 is not installed"
	exit 77
}

for name in mulhsu amomaxu.w fcvt.wu.d csrrc lw; do
	status=0
	out=$("$diff" --referee "$referee" --count 5000 --spoil "$name") || status=$?
	[ "$status" -eq 1 ] || {
		echo "a wrong $name ended with status $status, not 1"
		exit 1
	}
	listing=$(printf '%s\n' "$out" | grep -c '  rd [0-9]')
	if [ "$listing" -ne 1 ] || ! printf '%s\n' "$out" | grep -q " $name  *rd "; then
		printf '%s\n' "$out"
		echo "a wrong $name is not shown by a sequence of one instruction"
		exit 1
	fi
done
"$diff" --referee "$referee" --count "$((count / 5))" --seed "$(date +%s)"
exec "$diff" --referee "$referee" --count "$count" --coverage

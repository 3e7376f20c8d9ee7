#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: Lamb, the teaching kernel, boots in S-mode on engine `trap`, takes interrupts of timer and serial line, and runs its
# programs, with page tables of their own, as it does on the interpreter alone.
# Usage: lamb_test.sh TRAP_RUN GUESTS [EMULATOR]
# Not with patches that a guest can read: in its programs constants lie in the same pages as code.
set -u

guests=$2
run="${3:-} $1"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

command -v "${run%% *}" >/dev/null || [ -x "${run##* }" ] || {
	echo "skipped: nothing here runs programs for RISC-V"
	exit 77
}

fail()
{
	echo "FAIL: $1"
	diff "$tmp/want" "$tmp/out" | head -n 20
	exit 1
}

# lamb OPTIONS FILE: a session; what it prints counts from "begin" on
lamb()
{
	printf '%s\n' 'echo begin' 'ls /bin | wc' 'cat </etc/motd | grep Lamb | wc' 'nothing; status' 'kill 999; status' \
		'primes 60' forktest 'echo end' poweroff >"$tmp/keys"
	# shellcheck disable=SC2086
	timeout 300 $run "$1" -d "$tmp/lamb.dtb" "$guests/lamb/lamb.elf" <"$tmp/keys" 2>"$tmp/err" | tr -d '\r' >"$tmp/all"
	sed '1,/^begin$/d; /^end$/,$d' "$tmp/all" >"$2"
}

dtc -q -I dts -O dtb -o "$tmp/lamb.dtb" "$(dirname "$0")/lamb.dts" || exit 1
lamb -si "$tmp/want"
lamb -sv "$tmp/out"
for answer in 127 59 "forktest: ok"; do
	grep -qxF "$answer" "$tmp/want" || fail "Lamb does not say: $answer"
done
cmp -s "$tmp/want" "$tmp/out" || fail "Lamb differs from what the interpreter makes of it"
grep -q "^lamb: 1 hart, 63 MiB" "$tmp/all" || fail "another machine"
grep -q "entries [1-9]" "$tmp/err" || fail "nothing was executed by the CPU"
cat "$tmp/err"

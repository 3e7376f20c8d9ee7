#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The 16-bit program of a classic KVM tutorial prints "Hello, world!" under both engines, and in lower case with the
# example plug-in; accesses that the plug-in does not take end the run with direction, size, count and port.
# Usage: test_hello16.sh BUILD-DIR
set -u
build=$1
pinfold=$build/bin/pinfold
plugin=$build/lib/pinfold/lowercase_uart.so
hello=$build/guests/x86/hello16.bin
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

# mov $0x3f8,%dx, then: in %dx,%al / out %ax,%dx / mov $0x7c00,%si; mov $5,%cx; rep outsb; and hlt
printf '\272\370\003\354\364' >"$tmp/in.bin"
printf '\272\370\003\357\364' >"$tmp/outw.bin"
printf '\272\370\003\276\000\174\271\005\000\363\156\364' >"$tmp/rep.bin"

# expect WHAT STATUS OUTPUT-FILE ERROR ARGUMENTS...
expect()
{
	what="$engine: $1" status=$2 output=$3 error=$4
	shift 4
	"$pinfold" run --arch x86 --mode 16 --engine "$engine" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	got=$?
	if [ "$got" -ne "$status" ] || ! cmp -s "$tmp/out" "$output" || { [ -n "$error" ] && ! grep -qF -- "$error" "$tmp/err"; }; then
		echo "FAIL $what: status $got, want $status"
		od -c "$tmp/out" | head -n 3
		cat "$tmp/err"
		failures=$((failures + 1))
	else
		echo "pass $what"
	fi
}

printf 'Hello, world!\n' >"$tmp/hello"
printf 'hello, world!\n' >"$tmp/lower"
head -c 5 "$tmp/rep.bin" >"$tmp/five"
: >"$tmp/nothing"
ran=0
for engine in unicorn kvm; do
	if ! "$pinfold" run --arch x86 --mode 16 --engine "$engine" "$hello" >/dev/null 2>"$tmp/err" </dev/null &&
		[ "$engine" = kvm ] && grep -q "engine kvm can't run" "$tmp/err"; then
		echo "kvm is left out: $(cat "$tmp/err")"
		continue
	fi
	ran=$((ran + 1))
	expect hello 0 "$tmp/hello" "" "$hello"
	expect "hello in lower case" 0 "$tmp/lower" "" --plugin "$plugin" "$hello"
	only="only writes of size 1, count 1 are allowed"
	expect "read refused" 125 "$tmp/nothing" "read of size 1, count 1 at port 0x3f8; $only" \
		--plugin "$plugin" "$tmp/in.bin"
	expect "word refused" 125 "$tmp/nothing" "write of size 2, count 1 at port 0x3f8; $only" \
		--plugin "$plugin" "$tmp/outw.bin"
	# An engine reports string output element by element or at once; the plug-in takes only the former.
	"$pinfold" run --arch x86 --mode 16 --engine "$engine" --plugin "$plugin" "$tmp/rep.bin" \
		</dev/null >/dev/null 2>"$tmp/err"
	if grep -q "count 5" "$tmp/err"; then
		expect "string refused" 125 "$tmp/nothing" "write of size 1, count 5 at port 0x3f8; $only" \
			--plugin "$plugin" "$tmp/rep.bin"
	else
		expect "string by elements" 0 "$tmp/five" "" --plugin "$plugin" "$tmp/rep.bin"
	fi
done
[ "$ran" -gt 0 ] && [ "$failures" -eq 0 ]

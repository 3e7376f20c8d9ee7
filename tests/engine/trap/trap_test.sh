#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: what runs on engine `trap` ends and says the same as on the interpreter alone: bare programs as their manifest
# says, 1,500 questions about CSRs, page walks and traps, and a kernel in S-mode that looks for what is not as the
# architecture promises, and for ways into its host. Twice: with code that makes system calls interpreted where it can't be hidden,
# and with it patched.
# Usage: trap_test.sh TRAP_RUN GUESTS [EMULATOR]
#   TRAP_RUN  the program of that name; GUESTS  the directory with manifest.json; EMULATOR  runs it, e.g. qemu-riscv64
set -u

guests=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
run="${3:-} $1"
failures=0
checks=0
lines=500 # of those that ask thousands of questions

command -v "${run%% *}" >/dev/null || [ -x "${run##* }" ] || {
	echo "skipped: nothing here runs programs for RISC-V"
	exit 77
}

fail()
{
	echo "FAIL: $1"
	failures=$((failures + 1))
	diff "$tmp/want" "$tmp/out" | head -n 10
}

# A program of the manifest: NAME FILE KIND CODE STDIN ANSWER, under the options of trap_run
check_program()
{
	for options in -b -bp; do
		checks=$((checks + 1))
		# shellcheck disable=SC2086
		printf '%b' "$4" | timeout 60 $run $options "$guests/$2" >"$tmp/out" 2>"$tmp/err"
		status=$?
		echo "$5" >"$tmp/want"
		if [ "$status" -ne "$3" ] || ! grep -qF -- "$5" "$tmp/out"; then
			fail "$1 $options: status $status, not $3, or another answer: $run $options $guests/$2"
		fi
	done
}

# Semihosting and HTIF are no part of this board; nor is memory that is read-only.
left_out="args semihost semiexit tohost endless fault_ro"
jq -r '.[] | select(.variant == "riscv64" and .format == "elf" and (.bench | not)) |
	[.name, .file, (.code | tostring), (if .stdin == "" then "-" else .stdin end), .answer] | @tsv' \
	"$guests/manifest.json" >"$tmp/programs"
tab=$(printf '\t')
while IFS=$tab read -r name file code stdin answer; do
	case " $left_out " in
	*" $name "*) continue ;;
	esac
	check_program "$name" "$file" "$code" "$stdin" "$answer" </dev/null
done <"$tmp/programs"

# OPTIONS GUEST: what the interpreter says
want()
{
	# shellcheck disable=SC2086
	timeout 300 $run "$1" "$guests/$2" </dev/null 2>"$tmp/err" | head -n $lines >"$tmp/all"
	grep -v '^own code' "$tmp/all" >"$tmp/want"
}

# OPTIONS GUEST: the same, but for a look at patches that are not hidden
check_same()
{
	checks=$((checks + 1))
	# shellcheck disable=SC2086
	timeout 300 $run "$1" "$guests/$2" </dev/null 2>"$tmp/err" | head -n $lines >"$tmp/all.trap"
	grep -v '^own code' "$tmp/all.trap" >"$tmp/out"
	cmp -s "$tmp/want" "$tmp/out" || fail "$2 $1 differs from the interpreter: $run $1 $guests/$2"
}

for guest in csrs walks traps; do
	want -i riscv64/$guest.elf
	[ "$(wc -l <"$tmp/want")" -eq $lines ] || fail "$guest asks too little"
	check_same -v riscv64/$guest.elf
	check_same -vp riscv64/$guest.elf
done
want -si riscv64/supervisor.elf
[ "$(grep -n "^ok$" "$tmp/want" | cut -d : -f 1)" -gt 180 ] || fail "the kernel says too little"
for answer in "loads refused 300" "stores refused 300" "jumps refused 300"; do
	[ "$(grep -c "^$answer$" "$tmp/want")" -eq 2 ] || fail "not: $answer"
done
for options in -sv -svp -sv -svp; do
	check_same $options riscv64/supervisor.elf
	grep -q "entries [1-9]" "$tmp/err" || fail "nothing was executed by the CPU"
	[ $options = -svp ] || cmp -s "$tmp/all" "$tmp/all.trap" || fail "the kernel sees that its code was changed"
done

echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]

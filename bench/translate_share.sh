#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What part of the CPU time of a VM on engine dbt goes into translating, by samples of Linux's perf: of Linux, from power-on to
# power-off, where scripts/riscv/packages has unpacked it, and of short programs. What background translation could save at most
# is the column "regions". Usage: bench/translate_share.sh [BUILD-DIRECTORY]
set -eu

cd "$(dirname "$0")/.."
build=${1:-build/release}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

command -v perf >/dev/null || {
	echo "no perf here (Debian: linux-perf)" >&2
	exit 77
}

# share SYMBOL: per cent of the samples in that function or below it
share()
{
	perf report -i "$tmp/data" --stdio --children -g none --sort sym 2>/dev/null |
		awk -v f="$1" '$NF == f { print $1; found = 1; exit } END { if (!found) print "0.00%" }'
}

# row TITLE COMMAND...: standard input is the guest's
row()
{
	title=$1
	shift
	perf record -q -F 5000 -e cpu-clock --call-graph dwarf,8192 -o "$tmp/data" "$@" >"$tmp/out" 2>&1
	ms=$(perf script -i "$tmp/data" -F comm 2>/dev/null | grep -c . | awk '{ print $1 / 5 }')
	printf '%-22s %8.1f %9s %9s\n' "$title" "$ms" "$(share dbt_region_count)" "$(share dbt_code_find)"
}

kernel()
{
	printf '%s %s\n' "$1" "$2" >"$tmp/in"
	row "$1 $2" "$build/bin/pinfold" run --engine dbt "$build/guests/riscv64/kernels.elf" <"$tmp/in"
}

printf '%-22s %8s %9s %9s\n' 'what' 'CPU ms' 'regions' 'finding'
for linux in build/riscv/linux-image-*; do
	[ -d "$linux" ] || continue
	# shellcheck disable=SC2016 # the guest's shell expands it
	echo 'i=0; while [ $i -lt 100 ]; do i=$((i + 1)); (exit 0); done' >"$tmp/script"
	scripts/riscv/initrd "$linux" "$tmp/initrd" "$tmp/script" >/dev/null
	row 'Linux boot' "$build/bin/pinfold" run --board virt --mem 256M --kernel "$linux/vmlinux" --initrd "$tmp/initrd" \
		--append 'console=ttyS0 quiet' </dev/null
done
for k in 'core 1600' 'qsort 1400' 'text 1600' 'sha256 700' 'core 16000'; do
	# shellcheck disable=SC2086 # a name and a count
	kernel $k
done

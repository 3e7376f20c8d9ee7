#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: whole programs run on the tiny front end, in the VM process and on board `bare`: every guest of the engine matrix
# but the one for vectors and that of an exclusive access, and the long-running forms of bench/, which print what their referees print.
# Usage: guests.sh PINFOLD GUESTS   (PINFOLD: with the tiny front end in the VM program beside it)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
pinfold=$1
guests=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if ! "$pinfold" doctor --json | jq -e 'any(.engines[]; .arch == "arm64" and .engine == "dbt" and .usable)' >/dev/null; then
	"$pinfold" doctor --json | jq -r '.engines[] | select(.arch == "arm64" and .engine == "dbt") | "skipped: \(.detail)"'
	exit 77
fi
"$here/../matrix/matrix.sh" "$pinfold" "$guests" '^arm64/(?!simd$|fault_unaligned$)'
for program in "$guests"/arm64/bench/*.elf; do
	name=$(basename "$program" .elf)
	timeout 60 "$pinfold" run --engine dbt "$program" </dev/null >"$tmp/out"
	qemu-aarch64 "$guests/linux/arm64/bench/$name" </dev/null >"$tmp/want"
	cmp "$tmp/out" "$tmp/want"
	echo "bench/$name: $(tail -n 1 "$tmp/out")"
done

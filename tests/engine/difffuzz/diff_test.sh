#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: 20,000 (kvm: 5,000) random instruction sequences of one set agree with the referee (the CPU itself for x86
# and x64, qemu-user for the others), and so does a fifth as many of a seed that changes; and an engine that gets one kind of
# instruction wrong is found out, down to that instruction.
# Usage: diff_test.sh DIFFFUZZ ARCH ENGINE COUNT TEMPLATE
set -eu

difffuzz=$1
arch=$2
engine=$3
count=$4
template=$5
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$difffuzz" --arch "$arch" --engine "$engine" --count "$count" --seed 1 || exit "$?"
"$difffuzz" --arch "$arch" --engine "$engine" --count "$((count / 5))"

if "$difffuzz" --arch "$arch" --engine "$engine" --count "$count" --seed 1 --inject "$template" >"$tmp/out"; then
	echo "an engine that gets [$template] wrong was not noticed"
	exit 1
fi
if ! grep -q "^shortest, 1 instructions: \[$template\]$" "$tmp/out"; then
	cat "$tmp/out"
	echo "the wrong [$template] was not tracked down"
	exit 1
fi
echo "self-check: a wrong [$template] is found and shortened to itself"
